/*
 * test_store_batch.c -- what a batch answers, row by row, and what is there after it.
 *
 * Claim: each row's answer and the rows that stand follow from revisions and order alone, wherever
 * the rows before lie: in memory, in hot files, in warm ones. Method: tables of commits in the
 * notation of store_world.h, each run once for every such place; errors one by one.
 */
#include <math.h>

#include "store_world.h"

/* ---- answers --------------------------------------------------------------------------------- */

enum { STEPS_MAX = 4 };

/*
 * Commits one after the other, their answers, and what stands at the end. Exact ones, but for those
 * that begin with "plain"; "revision 4" gives a batch its revision.
 */
static const struct story {
    const char *name;
    struct story_step {
        const char *batch, *answers;
    } steps[STEPS_MAX];
    const char *end;
} stories[] = {
    { "plain rows are accepted",
      { { "plain heart_rate/1: 100=60 90=61", "AA" },
        { "plain heart_rate/1: 100=60 90=70", "AA" } },
      "heart_rate/1: 90=70 100=60" },
    { "a plain batch settles what it holds twice",
      { { "plain heart_rate/1: 100=60 100=61 100=61 100=60", "DSSA" },
        { "plain heart_rate/1: 100=7^3 100=8^2 100=8", "ASS" } },
      "heart_rate/1: 100=7!1^3" },
    { "a new row, a duplicate, a corrected one",
      { { "heart_rate/1: 100=60", "N" },
        { "heart_rate/1: 100=60 200=61", "DN" },
        { "heart_rate/1: 100=62 200=61 300=60", "CDN" } },
      "heart_rate/1: 100=62 200=61 300=60" },
    { "a higher revision wins, a lower one never does",
      { { "heart_rate/1: 100=60^5", "N" },
        { "heart_rate/1: 100=61^4", "S" },
        { "heart_rate/1: 100=62^5", "C" },
        { "heart_rate/1: 100=63^6", "C" } },
      "heart_rate/1: 100=63^6" },
    { "an equal row of a higher revision is a duplicate that raises it",
      { { "heart_rate/1: 100=60^1", "N" },
        { "heart_rate/1: 100=60^9", "D" },
        { "heart_rate/1: 100=61^5", "S" },
        { "heart_rate/1: 100=60^2", "D" } },
      "heart_rate/1: 100=60^9" },
    { "the batch's revision is for rows that bring none",
      { { "revision 4 heart_rate/1: 100=60 200=60^1", "NN" },
        { "revision 3 heart_rate/1: 100=61 200=61", "SC" } },
      "heart_rate/1: 100=60^4 200=61^3" },
    { "a negative revision is below none",
      { { "heart_rate/1: 100=60", "N" }, { "heart_rate/1: 100=61^-1", "S" } },
      "heart_rate/1: 100=60" },
    { "in an exact batch the last of the greatest revision stands",
      { { "heart_rate/1: 100=60", "N" }, { "heart_rate/1: 100=61 100=60 100=61 100=61", "DSDC" } },
      "heart_rate/1: 100=61" },
    { "flags are part of what is compared",
      { { "heart_rate/1: 100=60", "N" },
        { "heart_rate/1: 100=60!100", "C" },
        { "heart_rate/1: 100=60!100", "D" } },
      "heart_rate/1: 100=60!100" },
    { "sources and users have series of their own",
      { { "heart_rate/1: 100=60", "N" }, { "heart_rate/2: 100=60 @1 heart_rate/1: 100=60", "NN" } },
      "heart_rate/1: 100=60 heart_rate/2: 100=60" },
    { "two drugs at one time are two samples",
      { { "medication_dose/1: 800=aspirin,100 800=zinc,10", "NN" },
        { "medication_dose/1: 800=zinc,20 800=aspirin,100 800=aspirins,1", "CDN" },
        { "medication_dose/1: x800..801 800=zinc,20", "D" } },
      "medication_dose/1: 800=zinc,20" },
    { "texts are compared by their bytes",
      { { "note/1: 100=tired", "N" },
        { "note/1: 100=tired 200=", "DN" },
        { "note/1: 100=tire", "C" } },
      "note/1: 100=tire 200=" },
    { "intervals with one begin are one sample",
      { { "steps/1: 100+60=5", "N" },
        { "steps/1: 100+60=5 130+60=1", "DN" },
        { "steps/1: 100+61=5", "C" } },
      "steps/1: 100+61=5 130+60=1" },
    { "doubles are compared by their bits",
      { { "weight/1: 100=0", "N" },
        { "weight/1: 100=-0", "C" },
        { "weight/1: 200=nan", "N" },
        { "weight/1: 200=nan", "D" } },
      "weight/1: 100=-0!1 200=nan!2" },
    { "two fields are two values",
      { { "blood_pressure/1: 100=120,80", "N" }, { "blood_pressure/1: 100=120,81", "C" } },
      "blood_pressure/1: 100=120,81" },
    { "a range is replaced, and what the batch brings stands",
      { { "sleep_stage/1: 100+50=light 150+50=deep 200+50=rem", "NNN" },
        { "sleep_stage/1: x100..200 110+40=light 150+50=deep", "ND" } },
      "sleep_stage/1: 110+40=light 150+50=deep 200+50=rem" },
    { "a replaced range makes way for a lower revision",
      { { "heart_rate/1: 100=60^9", "N" }, { "heart_rate/1: x100..101 100=61^1", "C" } },
      "heart_rate/1: 100=61^1" },
    { "a deletion is by begin, of one series",
      { { "steps/1: 90+60=1 100+60=2 199+60=3 200+60=4 steps/2: 100+60=5", "NNNNN" },
        { "steps/1: x100..200", "" } },
      "steps/1: 90+60=1 200+60=4 steps/2: 100+60=5" },
    { "a deletion may be of every source, or of every metric",
      { { "heart_rate/1: 1=60 heart_rate/2: 1=60 steps/1: 1+1=1 2+1=2", "NNNN" },
        { "heart_rate/0: x1..2", "" },
        { "*/0: x1..2", "" } },
      "steps/1: 2+1=2" },
    { "a user's deletion is no other user's",
      { { "heart_rate/1: 1=60 @1 heart_rate/1: 1=60", "NN" }, { "@1 */0: xmin..max", "" } },
      "heart_rate/1: 1=60" },
    { "everything is deleted between the open ends",
      { { "heart_rate/1: -9223372036854775807=60 9223372036854775806=60 0=60", "NNN" },
        { "*/0: xmin..max", "" },
        { "heart_rate/1: 5=60", "N" } },
      "heart_rate/1: 5=60" },
    { "what is deleted is new again",
      { { "heart_rate/1: 1=60", "N" },
        { "heart_rate/1: x1..2", "" },
        { "heart_rate/1: 1=60", "N" } },
      "heart_rate/1: 1=60" },
    { "a deletion with a revision hides late rows of a lower one",
      { { "heart_rate/1: x1..9^5", "" }, { "heart_rate/1: 1=61^4 2=62^5 3=63^6 4=64", "NNNN" } },
      "heart_rate/1: 2=62^5 3=63^6" },
    { "a deletion with a revision leaves what has a higher one",
      { { "heart_rate/1: 1=61^4 2=62^5 3=63^6", "NNN" }, { "heart_rate/1: x1..9^5", "" } },
      "heart_rate/1: 3=63^6" },
    { "the batch's revision is its deletions', too",
      { { "heart_rate/1: 1=61^4 2=62^6", "NN" }, { "revision 5 heart_rate/1: x1..9 3=63", "N" } },
      "heart_rate/1: 2=62^6 3=63^5" },
    { "a user's deletion with a revision hides every metric's late rows",
      { { "*/0: x1..9^5", "" },
        { "heart_rate/1: 1=61^4 steps/2: 1+1=5 note/1: 2=x^5 weight/1: 9=70", "NNNN" } },
      "weight/1: 9=70 note/1: 2=x^5" },
};

/* Where the rows before a commit lie. */
enum place { IN_MEMORY, IN_HOT_FILES, IN_WARM_FILES, ANYWHERE, PLACES };

static const char *commit_step(holter_store *store, const char *batch)
{
    int64_t revision = 0;
    int at = 0;
    bool is_plain = sscanf(batch, "plain %n", &at) == 0 && at > 0;
    if (!is_plain && sscanf(batch, "revision %" SCNd64 " %n", &revision, &at) != 1)
        at = 0;
    return commit_as(store, !is_plain, revision, batch + at);
}

START_TEST(each_row_is_answered_and_the_right_ones_stand)
{
    const struct story *story = &stories[_i / PLACES];
    const char *end = story->end;
    world_init(NULL, NULL);
    OK(world_open(1));
    for (size_t s = 0; s < STEPS_MAX && story->steps[s].batch != NULL; s++) {
        const struct story_step *step = &story->steps[s];
        holter_store *store = world.store[_i % PLACES == ANYWHERE ? s % 2 : 0];
        const char *answers = commit_step(store, step->batch);
        if (strcmp(answers, step->answers) != 0)
            ck_abort_msg("%s, step %zu: found %s, expected %s", story->name, s, answers,
                         step->answers);
        if (_i % PLACES == IN_HOT_FILES || (_i % PLACES == ANYWHERE && s % 2 == 0))
            flush(world.store[0]);
        else if (_i % PLACES == IN_WARM_FILES || (_i % PLACES == ANYWHERE && s == 1))
            compact(world.store[1]);
    }
    for (size_t at = 0; at < 2; at++) {
        if (strcmp(ask(world.store[at], 0), end) != 0)
            ck_abort_msg("%s: found %s, expected %s", story->name, world_text, end);
    }
    compact(world.store[1]);
    TEXT_IS(ask(world.store[0], 0), end);
    verify(world.store[0]);
    world_release();
}
END_TEST

/* ---- what is refused, and flagged ------------------------------------------------------------ */

static holter_row plain_row(holter_store *store, const char *metric, const holter_value *value)
{
    return (holter_row){ .user = world.users[0],
                         .metric = metric_number(store, metric),
                         .source = 1,
                         .time_ns = 100,
                         .values = value,
                         .value_count = 1 };
}

START_TEST(a_wrong_row_is_told_and_not_in_the_batch)
{
    static char text[HOLTER_TEXT_BYTES_MAX + 1];
    holter_value value = { .integer = 60 };
    holter_value large = { .text = { .bytes = text, .count = sizeof text } };
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    holter_batch *batch = batch_new(store, 0, 0);
    holter_row row;

#define REFUSED(metric, change, status, says)                                                      \
    row = plain_row(store, metric, &value);                                                        \
    change;                                                                                        \
    FAILS(holter_batch_add(batch, &row, NULL, &err), status, says)

    REFUSED("heart_rate", row.user = 12345, HOLTER_NOT_FOUND, "user #");
    REFUSED("heart_rate", row.user = 0, HOLTER_NOT_FOUND, "user #");
    REFUSED("heart_rate", row.metric = 999999, HOLTER_NOT_FOUND, "999999");
    REFUSED("heart_rate", row.metric = 0, HOLTER_NOT_FOUND, "metric");
    REFUSED("heart_rate", row.source = 0, HOLTER_INVALID, "source");
    REFUSED("heart_rate", row.source = 3, HOLTER_NOT_FOUND, "no source with number 3");
    REFUSED("heart_rate", row.value_count = 0, HOLTER_INVALID, "found 0 values, expected 1");
    REFUSED("heart_rate", row.value_count = 2, HOLTER_INVALID, "found 2 values, expected 1");
    REFUSED("blood_pressure", , HOLTER_INVALID, "found 1 values, expected 2");
    REFUSED("heart_rate", row.values = NULL, HOLTER_INVALID, "values");
    REFUSED("heart_rate", row.time_ns = HOLTER_TIME_MIN, HOLTER_INVALID, "open end");
    REFUSED("heart_rate", row.time_ns = HOLTER_TIME_MAX, HOLTER_INVALID, "open end");
    REFUSED("heart_rate", row.duration_ns = 1, HOLTER_INVALID, "expected none");
    REFUSED("steps", row.duration_ns = -1, HOLTER_INVALID, "expected 0 or more");
    REFUSED("heart_rate", row.flags = HOLTER_OUT_OF_RANGE, HOLTER_INVALID, "flags 0x1");
    REFUSED("heart_rate", row.flags = HOLTER_NON_FINITE, HOLTER_INVALID, "flags 0x2");
    REFUSED("heart_rate", row.flags = 0x10, HOLTER_INVALID, "flags 0x10");
    REFUSED("heart_rate", row.flags = 0x80, HOLTER_INVALID, "flags 0x80");
    REFUSED("sleep_stage", row.duration_ns = 1, HOLTER_INVALID, "no label with that number");
    value.integer = -1;
    REFUSED("sleep_stage", , HOLTER_INVALID, "no label with that number");
    REFUSED("note", row.values = &large, HOLTER_INVALID, "65537");
    large.text.bytes = NULL;
    large.text.count = 1;
    REFUSED("note", row.values = &large, HOLTER_INVALID, "text");
#undef REFUSED
    FAILS(holter_batch_add(batch, NULL, NULL, &err), HOLTER_INVALID, "row");
    FAILS(holter_batch_add(NULL, &row, NULL, &err), HOLTER_INVALID, "batch");
    ck_assert_uint_eq(holter_batch_count(batch), 0);
    OK(holter_commit(store, batch, &err));
    TEXT_IS(ask(store, 0), "");

    /* A text of no bytes needs no place. */
    large.text.count = 0;
    row = plain_row(store, "note", &large);
    OK(holter_batch_add(batch, &row, NULL, &err));
    OK(holter_commit(store, batch, &err));
    TEXT_IS(ask(store, 0), "note/1: 100=");
    holter_batch_free(batch);
    world_release();
}
END_TEST

START_TEST(a_wrong_deletion_is_told_and_not_in_the_batch)
{
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    uint64_t user = world.users[0];
    holter_batch *batch = batch_new(store, 0, 0);
    FAILS(holter_batch_delete(NULL, user, 0, 0, 0, 1, 0, &err), HOLTER_INVALID, "batch");
    FAILS(holter_batch_delete(batch, user, 0, 0, 1, 1, 0, &err), HOLTER_INVALID, "empty");
    FAILS(holter_batch_delete(batch, user, 0, 0, 2, 1, 0, &err), HOLTER_INVALID, "before");
    FAILS(holter_batch_delete(batch, user, 0, 1, 0, 1, 0, &err), HOLTER_INVALID, "source");
    FAILS(holter_batch_delete(batch, 77, 0, 0, 0, 1, 0, &err), HOLTER_NOT_FOUND, "user #");
    FAILS(holter_batch_delete(batch, user, 99999, 0, 0, 1, 0, &err), HOLTER_NOT_FOUND, "99999");
    FAILS(holter_batch_delete(batch, user, 1, 3, 0, 1, 0, &err), HOLTER_NOT_FOUND, "source");
    TEXT_IS(commit(store, "heart_rate/1: 0=60"), "A");
    OK(holter_commit(store, batch, &err));
    TEXT_IS(ask(store, 0), "heart_rate/1: 0=60");
    for (int64_t i = 0; i < 2048; i++)
        OK(holter_batch_delete(batch, user, 1, 1, 10 * i + 5, 10 * i + 6, 0, &err));
    FAILS(holter_batch_delete(batch, user, 1, 1, 0, 1, 0, &err), HOLTER_INVALID, "2048");
    OK(holter_batch_delete(batch, world.users[1], 1, 1, 0, 1, 0, &err)); /* of each user */
    OK(holter_commit(store, batch, &err));
    TEXT_IS(ask(store, 0), "heart_rate/1: 0=60");
    holter_batch_free(batch);
    world_release();
}
END_TEST

START_TEST(implausible_values_are_flagged_or_refused_as_asked)
{
    static const struct {
        const char *metric;
        holter_value value;
        uint16_t flags;
    } cases[] = {
        { "heart_rate", { .integer = 20 }, 0 },
        { "heart_rate", { .integer = 300 }, 0 },
        { "heart_rate", { .integer = 19 }, HOLTER_OUT_OF_RANGE },
        { "heart_rate", { .integer = 301 }, HOLTER_OUT_OF_RANGE },
        { "heart_rate", { .integer = INT64_MIN }, HOLTER_OUT_OF_RANGE },
        { "ppg", { .integer = INT64_MAX }, 0 },
        { "weight", { .real = 700 }, 0 },
        { "weight", { .real = 700.0000000000001 }, HOLTER_OUT_OF_RANGE },
        { "weight", { .real = -0.0 }, HOLTER_OUT_OF_RANGE },
        { "weight", { .real = (double)NAN }, HOLTER_NON_FINITE },
        { "weight", { .real = (double)INFINITY }, HOLTER_NON_FINITE },
        { "weight", { .real = -(double)INFINITY }, HOLTER_NON_FINITE },
    };
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    const holter_batch_options strict = { .refuse_implausible = 1 };
    holter_batch *refusing;
    holter_batch *flagging = batch_new(store, 1, 0);
    OK(holter_batch_new(&refusing, store, &strict, &err));
    for (size_t i = 0; i < CORE_COUNT(cases); i++) {
        holter_row row = plain_row(store, cases[i].metric, &cases[i].value);
        size_t index = 99;
        row.time_ns = 100 + (int64_t)i;
        row.flags = HOLTER_MANUAL | HOLTER_ANOMALY | 0xff00;
        OK(holter_batch_add(flagging, &row, &index, &err));
        ck_assert_uint_eq(index, i);
        ck_assert_uint_eq(holter_batch_answer(flagging, i).flags, cases[i].flags | row.flags);
        size_t before = holter_batch_count(refusing);
        if (cases[i].flags == 0) {
            OK(holter_batch_add(refusing, &row, NULL, &err));
        } else {
            FAILS(holter_batch_add(refusing, &row, NULL, &err), HOLTER_INVALID, cases[i].metric);
            ck_assert_uint_eq(holter_batch_count(refusing), before);
        }
    }
    OK(holter_commit(store, flagging, &err));
    TEXT_IS(ask_spec(store, &(holter_scan_spec){ .user = world.users[0],
                                                 .metric = metric_number(store, "heart_rate") }),
            "heart_rate/1: 100=20!ff0c 101=300!ff0c 102=19!ff0d 103=301!ff0d "
            "104=-9223372036854775808!ff0d");
    ck_assert_int_eq(holter_batch_answer(flagging, 4).answer, HOLTER_NEW);
    ck_assert_uint_eq(holter_batch_answer(flagging, 4).flags, 0xff0d);
    ck_assert_int_eq(holter_batch_answer(flagging, 9999).answer, HOLTER_PENDING);
    holter_batch_free(flagging);
    holter_batch_free(refusing);
    world_release();
}
END_TEST

START_TEST(an_enum_takes_a_label_that_was_added_since)
{
    int64_t value;
    world_init(NULL, NULL);
    OK(world_open(1));
    holter_batch *batch = batch_new(world.store[0], 0, 0);
    OK(batch_fill(batch, "sleep_stage/1: 1+1=rem"));
    uint32_t metric = metric_number(world.store[0], "sleep_stage");
    OK(holter_metric_add_label(world.store[1], metric, 0, "dreaming", &value, &err));
    holter_value dreaming = { .integer = value };
    holter_row row = plain_row(world.store[0], "sleep_stage", &dreaming);
    OK(holter_batch_add(batch, &row, NULL, &err));
    dreaming.integer++;
    FAILS(holter_batch_add(batch, &row, NULL, &err), HOLTER_INVALID, "label");
    OK(holter_commit(world.store[0], batch, &err));
    TEXT_IS(ask(world.store[1], 0), "sleep_stage/1: 1+1=rem 100+0=dreaming");
    holter_batch_free(batch);
    world_release();
}
END_TEST

/* ---- batches in parts ------------------------------------------------------------------------ */

START_TEST(a_batch_goes_on_after_a_commit)
{
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    holter_batch *batch = batch_new(store, 1, 0);
    ck_assert_int_eq(holter_batch_answer(batch, 0).answer, HOLTER_PENDING);
    OK(holter_commit(store, batch, &err)); /* of nothing */
    OK(batch_fill(batch, "heart_rate/1: 100=60"));
    TEXT_IS(batch_answers(batch), "P");
    OK(holter_commit(store, batch, &err));
    TEXT_IS(batch_answers(batch), "N");
    OK(holter_commit(store, batch, &err)); /* it left the batch */
    TEXT_IS(batch_answers(batch), "N");
    OK(batch_fill(batch, "heart_rate/1: 100=60 200=61 @1 steps/2: 1+1=1"));
    TEXT_IS(batch_answers(batch), "NPPP");
    OK(holter_commit(store, batch, &err));
    TEXT_IS(batch_answers(batch), "NDNN");
    holter_batch_clear(batch);
    ck_assert_uint_eq(holter_batch_count(batch), 0);
    OK(batch_fill(batch, "heart_rate/1: x100..101"));
    holter_batch_clear(batch);
    OK(holter_commit(store, batch, &err));
    TEXT_IS(ask(store, 0), "heart_rate/1: 100=60 200=61");
    holter_batch_free(batch);
    holter_batch_free(NULL);
    world_release();
}
END_TEST

/* Users of a world that are in one shard, and one that is in another. */
static void find_neighbours(size_t *first, size_t *second, size_t *other)
{
    struct shard *shards[WORLD_USERS];
    bool is_found = false;
    io_mutex_lock(world.store[0]->mutex);
    for (size_t i = 0; i < WORLD_USERS; i++)
        OK(store_user_shard(&shards[i], world.store[0], world.users[i], &err));
    io_mutex_unlock(world.store[0]->mutex);
    for (size_t a = 0; a < WORLD_USERS && !is_found; a++) {
        for (size_t b = a + 1; b < WORLD_USERS && !is_found; b++) {
            for (size_t c = 0; c < WORLD_USERS && !is_found; c++) {
                is_found = shards[a] == shards[b] && shards[c] != shards[a];
                *first = a;
                *second = b;
                *other = c;
            }
        }
    }
    CHECK(is_found);
}

START_TEST(the_parts_that_were_stored_leave_the_batch)
{
    size_t first, second, other;
    char text[256];
    world_init(&(holter_create_options){ .shards = 2 }, NULL);
    holter_store *store = world.store[0];
    find_neighbours(&first, &second, &other);
    /* Files and lock holders are there, so that the next writes are appends. */
    snprintf(text, sizeof text, "@%zu heart_rate/1: 1=60 @%zu heart_rate/1: 1=60", first, other);
    TEXT_IS(commit(store, text), "AA");

    holter_batch *batch = batch_new(store, _i == 1, 0);
    snprintf(text, sizeof text,
             "@%zu heart_rate/1: 2=61 2=61 @%zu heart_rate/1: 2=62 @%zu heart_rate/1: 2=63 x1..2",
             first, second, other);
    OK(batch_fill(batch, text));
    TEXT_IS(batch_answers(batch), "PPPP");
    struct sim_fault fault = { .kind = SIM_WRITE, .error = 5 /* EIO */ };
    sim_fault_set(world.sim, &fault);
    FAILS(holter_commit(store, batch, &err), HOLTER_IO, "log");
    sim_fault_clear(world.sim);
    bool neighbours_stored = holter_batch_answer(batch, 0).answer != HOLTER_PENDING;
    TEXT_IS(batch_answers(batch), _i == 1 ? (neighbours_stored ? "DNNP" : "PPPN")
                                          : (neighbours_stored ? "DAAP" : "PPPA"));
    ck_assert_str_eq(ask(store, neighbours_stored ? other : first), "heart_rate/1: 1=60");
    OK(holter_commit(store, batch, &err));
    TEXT_IS(batch_answers(batch), _i == 1 ? "DNNN" : "DAAA");
    TEXT_IS(ask(store, first), "heart_rate/1: 1=60 2=61");
    TEXT_IS(ask(store, second), "heart_rate/1: 2=62");
    TEXT_IS(ask(store, other), "heart_rate/1: 2=63");
    holter_batch_free(batch);
    verify(store);
    world_release();
}
END_TEST

START_TEST(a_part_that_was_answered_as_lost_is_not_there_later)
{
    world_init(&(holter_create_options){ .shards = 1 }, NULL);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60"), "A");
    for (uint64_t nth = 0; nth < 4; nth++) {
        char text[64];
        holter_batch *batch = batch_new(world.store[0], 0, 0);
        snprintf(text, sizeof text, "heart_rate/1: %d=60", 100 + (int)nth);
        OK(batch_fill(batch, text));
        struct sim_fault fault = { .kind = SIM_WRITE, .error = 5, .for_ever = true };
        sim_fault_set(world.sim, &fault);
        FAILS(holter_commit(world.store[0], batch, &err), HOLTER_IO, "'");
        sim_fault_clear(world.sim);
        TEXT_IS(batch_answers(batch), "P");
        TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60");
        holter_batch_free(batch);
    }
    TEXT_IS(commit(world.store[0], "heart_rate/1: 2=60"), "A");
    world_end(0);
    sim_crash(world.sim, SIM_CRASH_ALL, 3);
    OK(world_open(0));
    TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 2=60");
    world_release();
}
END_TEST

START_TEST(an_exact_answer_is_never_duplicate_of_what_was_lost)
{
    world_init(&(holter_create_options){ .shards = 1 }, NULL);
    OK(world_open(1));
    TEXT_IS(commit_exact(world.store[1], "heart_rate/1: 1=60"), "N");
    holter_batch *batch = batch_new(world.store[0], 1, 0);
    OK(batch_fill(batch, "heart_rate/1: 2=61"));
    struct sim_fault fault = { .kind = SIM_WRITE, .error = 28 /* ENOSPC */, .for_ever = true };
    sim_fault_set(world.sim, &fault);
    FAILS(holter_commit(world.store[0], batch, &err), HOLTER_NO_SPACE, "'");
    sim_fault_clear(world.sim);
    TEXT_IS(commit_exact(world.store[1], "heart_rate/1: 1=60 2=61"), "DN");
    OK(holter_commit(world.store[0], batch, &err));
    TEXT_IS(batch_answers(batch), "D");
    holter_batch_free(batch);
    world_release();
}
END_TEST

START_TEST(a_batch_is_of_one_store)
{
    world_init(NULL, NULL);
    OK(world_open(1));
    holter_batch *batch = batch_new(world.store[0], 0, 0);
    OK(batch_fill(batch, "heart_rate/1: 1=60"));
    FAILS(holter_commit(world.store[1], batch, &err), HOLTER_INVALID, "batch of this store");
    FAILS(holter_commit(world.store[0], NULL, &err), HOLTER_INVALID, "batch");
    OK(holter_commit(world.store[0], batch, &err));
    holter_batch_free(batch);
    world_release();
}
END_TEST

START_TEST(many_series_are_found_again)
{
    world_init(NULL, NULL);
    holter_batch *batch = batch_new(world.store[0], 1, 0);
    holter_store *store = world.store[0];
    holter_value value = { .integer = 1 };
    /* Series of a batch grow past its table several times; their rows come in turns. */
    uint32_t sources[300];
    for (size_t i = 0; i < CORE_COUNT(sources); i++) {
        char name[32];
        snprintf(name, sizeof name, "device %zu", i);
        OK(holter_source_need(store, world.users[2], name, &sources[i], &err));
        ck_assert_uint_eq(sources[i], i + 3);
    }
    for (int64_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < CORE_COUNT(sources); i++) {
            holter_row row = plain_row(store, "ppg", &value);
            row.user = world.users[2];
            row.source = sources[i];
            row.time_ns = round;
            value.integer = (int64_t)i + round;
            OK(holter_batch_add(batch, &row, NULL, &err));
        }
    }
    ck_assert_uint_eq(batch->series_count, CORE_COUNT(sources));
    OK(holter_commit(store, batch, &err));
    for (size_t i = 0; i < 3 * CORE_COUNT(sources); i++)
        CHECK(holter_batch_answer(batch, i).answer == HOLTER_NEW);
    TEXT_IS(ask_spec(store, &(holter_scan_spec){ .user = world.users[2], .source = 3 + 57 }),
            "ppg/60: 0=57 1=58 2=59");
    holter_batch_free(batch);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_batch");
    TCase *tcase = tcase_create("batch");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, each_row_is_answered_and_the_right_ones_stand, 0,
                        (int)(PLACES * CORE_COUNT(stories)));
    tcase_add_test(tcase, a_wrong_row_is_told_and_not_in_the_batch);
    tcase_add_test(tcase, a_wrong_deletion_is_told_and_not_in_the_batch);
    tcase_add_test(tcase, implausible_values_are_flagged_or_refused_as_asked);
    tcase_add_test(tcase, an_enum_takes_a_label_that_was_added_since);
    tcase_add_test(tcase, a_batch_goes_on_after_a_commit);
    tcase_add_loop_test(tcase, the_parts_that_were_stored_leave_the_batch, 0, 2);
    tcase_add_test(tcase, a_part_that_was_answered_as_lost_is_not_there_later);
    tcase_add_test(tcase, an_exact_answer_is_never_duplicate_of_what_was_lost);
    tcase_add_test(tcase, a_batch_is_of_one_store);
    tcase_add_test(tcase, many_series_are_found_again);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
