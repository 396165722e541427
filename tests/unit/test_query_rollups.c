/*
 * test_query_rollups.c -- half hours of rollups answer windows, and never say other than the rows.
 *
 * Claim: where the edges of a window are those of half hours, and all rows stand and are alone, no
 * block is decoded; a half hour that an edge cuts, into which another file, the log or a deletion
 * reaches, or whose rows last beyond the window, is decoded, and no more than its blocks; and both ways
 * give the same. Method: dense series in warm and cold files, asked once as rollups suffice and once with
 * `first`, which they do not know; first one disturbance at a time, then seeded ones of all kinds.
 */
#include "query_world.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HALF_HOUR (30 * MINUTE)
#define DAY (48 * HALF_HOUR)

enum { WINDOWS_MAX = 4096, DENSE_ROWS = 20000 };

/* ---- rows ------------------------------------------------------------------------------------ */

/* Rows of one shape: an interval's duration is `duration`; values differ by row and by `salt`. */
struct rows {
    int metric; /* 0: instants; 1: intervals */
    uint32_t source;
    int64_t from, step, duration;
    size_t count;
    int64_t salt, revision;
};

static void write_rows(struct world *world, const struct rows *rows)
{
    enum { BATCH = 2000 };
    struct random random = { 77 };
    for (size_t done = 0; done < rows->count; done += BATCH) {
        struct wal_part part = { .metric = (uint32_t)rows->metric + 1, .source = rows->source };
        uint64_t sequence;
        columns_init(&part.columns, &world_schemas[rows->metric]);
        for (size_t i = done; i < rows->count && i < done + BATCH; i++) {
            struct row row = { .time = rows->from + (int64_t)i * rows->step,
                               .duration = rows->duration,
                               .revision = rows->revision };
            row.field[0] = (int64_t)random_below(&random, 100) - 20 + rows->salt;
            row.flags = i % 60 == 7 ? SAMPLE_OUT_OF_RANGE : 0;
            CHECK(columns_append(&part.columns, &row));
        }
        world_write(world, 0, NULL, 0, &part, &sequence);
        columns_release(&part.columns);
        CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    }
}

static void compact(struct world *world, enum manifest_tier tier)
{
    struct compaction_result result;
    CHECK_OK(shard_compact(&result, world->shard, tier, 0, NULL, NULL, &err));
}

static void delete_range(struct world *world, uint32_t metric, int64_t begin, int64_t end)
{
    struct wal_tombstone tombstone = { .metric = metric, .source = 1, .begin = begin, .end = end };
    uint64_t sequence;
    world_write(world, 0, &tombstone, 1, NULL, &sequence);
}

/* ---- answers --------------------------------------------------------------------------------- */

struct question {
    int metric;
    int64_t from, to;
    holter_calendar calendar;
    int64_t width;
    const char *zone;
    uint32_t functions;
};

struct line {
    int64_t begin, end;
    uint64_t samples, excluded;
    holter_sum sum;
    double mean;
    int64_t min, max;
};

struct answer {
    size_t count;
    uint64_t half_hours, passed, decoded;
    struct line lines[WINDOWS_MAX];
};

static void add_lines(struct answer *answer, const holter_windows *windows)
{
    const holter_window_field *field = &windows->fields[0];
    for (size_t i = 0; i < windows->count; i++) {
        CHECK(answer->count < WINDOWS_MAX);
        struct line *line = &answer->lines[answer->count++];
        *line = (struct line){ .begin = windows->begin_ns[i],
                               .end = windows->end_ns[i],
                               .samples = windows->samples[i],
                               .excluded = windows->excluded[i] };
        if (field->sum != NULL)
            line->sum = field->sum[i];
        if (field->mean != NULL)
            line->mean = field->mean[i];
        if (field->min != NULL && line->samples > 0)
            line->min = field->min[i].integer;
        if (field->max != NULL && line->samples > 0)
            line->max = field->max[i].integer;
    }
}

static void ask(struct answer *answer, struct world *world, const struct question *question,
                uint32_t more)
{
    struct shard_snapshot *snapshot;
    struct query_aggregate *aggregate;
    struct zone *zone = NULL;
    holter_windows windows;
    holter_status status;
    CHECK_OK(zone_open(&zone, world->io, "zones", question->zone, &err));
    struct query_aggregate_spec spec = {
        .rows = { .user = world_users[0],
                  .metric = (uint32_t)question->metric + 1,
                  .from = question->from,
                  .to = question->to },
        .schema = world_schemas[question->metric],
        .every = { .calendar = question->calendar, .width_ns = question->width },
        .zone = zone,
        .fields = 1,
        .functions = question->functions | more,
    };
    answer->count = 0;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    CHECK_OK(query_aggregate_open(&aggregate, snapshot, &spec, &err));
    while ((status = query_aggregate_next(aggregate, &windows, &err)) == HOLTER_OK)
        add_lines(answer, &windows);
    ck_assert_msg(status == HOLTER_DONE, "%s", err.message);
    query_aggregate_blocks(aggregate, &answer->passed, &answer->decoded);
    answer->half_hours = query_aggregate_half_hours(aggregate);
    query_aggregate_close(aggregate);
    shard_snapshot_close(snapshot);
    zone_close(zone);
}

/* Both ways, which agree. */
static void ask_twice(struct answer *answer, struct world *world, const struct question *question)
{
    static struct answer rows;
    ask(answer, world, question, 0);
    ask(&rows, world, question, HOLTER_FN_FIRST);
    CHECK(rows.half_hours == 0 && rows.passed == 0);
    ck_assert_uint_eq(answer->count, rows.count);
    for (size_t i = 0; i < rows.count; i++) {
        const struct line *a = &answer->lines[i];
        const struct line *b = &rows.lines[i];
        CHECK(a->begin == b->begin && a->end == b->end);
        CHECK(a->samples == b->samples && a->excluded == b->excluded);
        CHECK(memcmp(&a->sum.value, &b->sum.value, sizeof a->sum.value) == 0);
        CHECK(a->sum.high == b->sum.high && a->sum.low == b->sum.low);
        CHECK(a->sum.is_there == b->sum.is_there && a->sum.is_whole == b->sum.is_whole);
        CHECK(memcmp(&a->mean, &b->mean, sizeof a->mean) == 0);
        CHECK(a->min == b->min && a->max == b->max);
    }
}

/* ---- one disturbance at a time --------------------------------------------------------------- */

static struct question by_day(int metric, const char *zone)
{
    return (struct question){ .metric = metric,
                              .from = INT64_MIN,
                              .to = INT64_MAX,
                              .calendar = HOLTER_DAYS,
                              .zone = zone,
                              .functions = HOLTER_FN_SUM | HOLTER_FN_MEAN |
                                           (metric == 0 ? HOLTER_FN_MIN | HOLTER_FN_MAX : 0) };
}

static int64_t dense_begin(void)
{
    return 700 * MANIFEST_COLD_PARTITION_NS + 2 * DAY + 7 * MINUTE;
}

/* Two days of instants each 10 s, or two weeks of intervals each minute; in a file for each partition. */
static struct world *dense_world(int metric, enum manifest_tier tier, int64_t duration)
{
    struct world *world = world_new(3);
    struct rows rows = { .metric = metric,
                         .source = 1,
                         .from = dense_begin(),
                         .step = metric == 0 ? 10 * SECOND : MINUTE,
                         .duration = duration,
                         .count = DENSE_ROWS };
    write_rows(world, &rows);
    compact(world, tier);
    return world;
}

static const enum manifest_tier tiers[] = { TIER_WARM, TIER_COLD };
static struct answer answer;

START_TEST(windows_of_whole_half_hours_decode_nothing)
{
    static const char *const zones[] = { "UTC", "+05:30", "-11:00" };
    for (int metric = 0; metric < 2; metric++) {
        struct world *world = dense_world(metric, tiers[_i], metric == 0 ? 0 : MINUTE);
        for (size_t z = 0; z < CORE_COUNT(zones); z++) {
            struct question question = by_day(metric, zones[z]);
            ask_twice(&answer, world, &question);
            ck_assert_uint_eq(answer.decoded, 0);
            ck_assert_uint_gt(answer.half_hours, 100);
            question.calendar = HOLTER_WEEKS;
            ask_twice(&answer, world, &question);
            ck_assert_uint_eq(answer.decoded, 0);
            question.calendar = HOLTER_FIXED;
            question.width = HALF_HOUR;
            ask_twice(&answer, world, &question);
            ck_assert_uint_eq(answer.decoded, 0);
            ck_assert_uint_eq(answer.half_hours, answer.count);
        }
        struct question question = by_day(metric, "UTC");
        question.from =
            dense_begin() - 7 * MINUTE + 50 * HALF_HOUR; /* within a file, and a block */
        question.to = question.from + 33 * HALF_HOUR;
        ask_twice(&answer, world, &question);
        ck_assert_uint_eq(answer.half_hours, 33);
        ck_assert_uint_eq(answer.decoded, 0);
        world_free(world);
    }
}
END_TEST

START_TEST(edges_within_a_half_hour_decode_its_blocks)
{
    struct world *world = dense_world(0, tiers[_i], 0);
    struct question question = by_day(0, "+05:45");
    ask_twice(&answer, world, &question);
    ck_assert_uint_gt(answer.half_hours, 90);
    ck_assert_uint_gt(answer.decoded, 0);
    ck_assert_uint_le(answer.decoded, 2 * answer.count);
    question = by_day(0, "UTC");
    question.from = dense_begin() + 11 * HALF_HOUR + 13;
    question.to = question.from + 40 * HALF_HOUR;
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, 39);
    ck_assert_uint_gt(answer.decoded, 0);
    ck_assert_uint_le(answer.decoded, 4);
    question.calendar = HOLTER_FIXED;
    question.width = 10 * MINUTE; /* in which no half hour is */
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, 0);
    world_free(world);
}
END_TEST

START_TEST(a_half_hour_with_other_rows_is_decoded)
{
    struct world *world = dense_world(0, tiers[_i], 0);
    struct question question = by_day(0, "UTC");
    ask_twice(&answer, world, &question);
    uint64_t all = answer.half_hours;
    struct rows late = { .source = 1,
                         .from = dense_begin() + 20 * HALF_HOUR + 1,
                         .step = SECOND,
                         .count = 2,
                         .salt = 900 };
    write_rows(world, &late); /* in a hot file */
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, all - 1);
    ck_assert_uint_le(answer.decoded, 3);
    late.from = dense_begin() + 30 * HALF_HOUR;
    late.revision = 5; /* in the place of a row */
    write_rows(world, &late);
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, all - 2);
    delete_range(world, 1, dense_begin() + 60 * HALF_HOUR, dense_begin() + 60 * HALF_HOUR + 1);
    ask_twice(&answer, world, &question); /* in the log */
    ck_assert_uint_eq(answer.half_hours, all - 3);
    late.source = 2;
    late.from = dense_begin() + 40 * HALF_HOUR;
    write_rows(world, &late); /* of another source: a series of its own */
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, all - 3);
    delete_range(world, 1, INT64_MIN + 1, INT64_MAX); /* all of source 1 */
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, 0);
    world_free(world);
}
END_TEST

START_TEST(intervals_that_last_beyond_a_window_are_decoded)
{
    struct world *world = dense_world(1, tiers[_i], 90 * SECOND);
    struct question question = by_day(1, "UTC");
    ask_twice(&answer, world, &question);
    ck_assert_uint_gt(answer.half_hours, 500);
    ck_assert_uint_gt(answer.decoded, 0);
    question.functions |= HOLTER_FN_MAX; /* which a rollup of intervals does not have */
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, 0);
    question.functions = HOLTER_FN_MEAN; /* by begin: ends do not matter */
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.decoded, 0);
    world_free(world);
    world = dense_world(1, tiers[_i], 40 * DAY);
    question = by_day(1, "UTC");
    ask_twice(&answer, world, &question);
    ck_assert_uint_eq(answer.half_hours, 0);
    world_free(world);
}
END_TEST

/* ---- all of them ----------------------------------------------------------------------------- */

/* Values: small ones, or as large as there are. */
static void random_rows(struct world *world, size_t most)
{
    struct random *random = &world->random;
    int metric = (int)random_below(random, 2);
    struct wal_part part = { .metric = (uint32_t)metric + 1,
                             .source = 1 + (uint32_t)random_below(random, 2) };
    static const int64_t steps[] = { 5 * SECOND, 6 * SECOND, MINUTE, HALF_HOUR };
    int64_t step = steps[random_below(random, most > 100 ? 2 : 4)];
    size_t count = 1 + random_below(random, most);
    bool is_extreme = random_below(random, 20) == 0;
    bool is_long = random_below(random, 4) == 0;
    int64_t revision = (int64_t)random_below(random, 3) / 2;
    int64_t time = dense_begin() + (int64_t)random_below(random, 30) * DAY / 2 +
                   (int64_t)random_below(random, 48) * HALF_HOUR;
    uint64_t sequence;
    columns_init(&part.columns, &world_schemas[metric]);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = time, .revision = revision };
        row.duration = is_long && i % 200 == 5 ? (int64_t)random_below(random, 3) * DAY
                                               : (int64_t)random_below(random, 2) * step;
        row.field[0] =
            is_extreme ? (int64_t)random_u64(random) : (int64_t)random_below(random, 200) - 50;
        row.field[1] = 0;
        row.flags = random_below(random, 200) == 0 ? SAMPLE_OUT_OF_RANGE : 0;
        CHECK(columns_append(&part.columns, &row));
        time += random_below(random, 400) == 0 ? HALF_HOUR : step;
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
}

static struct question random_question(struct world *world)
{
    static const char *const zones[] = { "UTC", "+05:30", "+05:45", "-09:00" };
    static const int64_t widths[] = { HALF_HOUR, 45 * MINUTE, 2 * HALF_HOUR, 6 * HALF_HOUR, DAY };
    struct random *random = &world->random;
    struct question question =
        by_day((int)random_below(random, 2), zones[random_below(random, CORE_COUNT(zones))]);
    question.calendar = (holter_calendar)random_below(random, 4);
    if (question.calendar == HOLTER_FIXED)
        question.width = widths[random_below(random, CORE_COUNT(widths))];
    if (random_below(random, 2) == 0) {
        question.from = dense_begin() - 7 * MINUTE + (int64_t)random_below(random, 800) * HALF_HOUR;
        question.to = question.from + (int64_t)random_below(random, 400) * HALF_HOUR;
        question.from -= random_below(random, 2) == 0 ? (int64_t)random_below(random, 1u << 30) : 0;
    }
    if (random_below(random, 3) == 0)
        question.functions = HOLTER_FN_COUNT;
    return question;
}

START_TEST(half_hours_and_rows_agree)
{
    struct world *world = world_new(500 + (uint64_t)_i);
    uint64_t half_hours = 0;
    for (int i = 0; i < 60; i++) {
        uint64_t what = random_below(&world->random, 12);
        if (what < 4)
            random_rows(world, 1500);
        else if (what < 7)
            random_rows(world, 3);
        else if (what < 9)
            CHECK_OK(shard_flush(NULL, world->shard, true, &err));
        else if (what == 9)
            compact(world, tiers[random_below(&world->random, 2)]);
        else if (what == 10)
            delete_range(world, 1 + (uint32_t)random_below(&world->random, 2),
                         dense_begin() + (int64_t)random_below(&world->random, 700) * HALF_HOUR,
                         dense_begin() + 15 * DAY + (int64_t)random_below(&world->random, 8) * DAY);
        for (int q = 0; i % 3 == 0 && q < 4; q++) {
            struct question question = random_question(world);
            ask_twice(&answer, world, &question);
            half_hours += answer.half_hours;
        }
    }
    compact(world, tiers[_i % 2]);
    for (int q = 0; q < 30; q++) {
        struct question question = random_question(world);
        ask_twice(&answer, world, &question);
        half_hours += answer.half_hours;
    }
    ck_assert_uint_gt(half_hours, 0);
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_rollups");
    TCase *tcase = tcase_create("rollups");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, windows_of_whole_half_hours_decode_nothing, 0, 2);
    tcase_add_loop_test(tcase, edges_within_a_half_hour_decode_its_blocks, 0, 2);
    tcase_add_loop_test(tcase, a_half_hour_with_other_rows_is_decoded, 0, 2);
    tcase_add_loop_test(tcase, intervals_that_last_beyond_a_window_are_decoded, 0, 2);
    tcase_add_loop_test(tcase, half_hours_and_rows_agree, 0, 40);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
