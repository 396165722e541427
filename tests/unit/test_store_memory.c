/*
 * test_store_memory.c -- a store without memory answers so, and its batches stay whole.
 *
 * Claim: every allocation of a public call may fail, once or from then on: HOLTER_NO_MEMORY is
 * answered or the call succeeds, nothing leaks, and the same call, made again, is right. A row that
 * did not fit is not in its batch, which can be committed as it is. Method: the n-th allocation
 * fails, for every n; and from then on, for every fourth.
 */
#include "alloc_fail.h"

#include "store_world.h"

static holter_batch *batch; /* of the test at hand */

/* Of one thread each, these tests tell a thread sanitizer little, and take it long. */
#ifdef __SANITIZE_THREAD__
enum { STEP = 16 };
#else
enum { STEP = 1 };
#endif

static holter_status add_row(uint64_t user, uint32_t metric, int64_t time)
{
    const holter_value values[] = { { .integer = 60 } };
    const holter_row row = { .user = user,
                             .metric = metric,
                             .source = 1,
                             .time_ns = time,
                             .values = values,
                             .value_count = 1 };
    return holter_batch_add(batch, &row, NULL, &err);
}

/*
 * Rows of new and of known series, and a deletion, are added while memory fails; the batch is
 * committed then as it is, and has exactly what was answered with HOLTER_OK.
 */
START_TEST(a_row_that_does_not_fit_is_not_in_the_batch)
{
    bool is_exact = _i % 2 == 1;
    bool has_failed = true;
    for (unsigned long left = 0; has_failed; left++) {
        char expected[256] = "";
        holter_status last = HOLTER_OK;
        world_init(&(holter_create_options){ .shards = 1 }, NULL);
        batch = batch_new(world.store[0], is_exact, 0);
        alloc_fail_arm(left, _i / 2 == 1);
        holter_status added[5];
        for (int i = 0; i < 5; i++)
            added[i] = add_row(world.users[0], 1 + (uint32_t)(i / 2), 10 + i);
        last = holter_batch_delete(batch, world.users[0], 1, 1, 0, 5, 0, &err);
        has_failed = alloc_fail_disarm();
        size_t count = 0;
        static const char *const names[] = { "heart_rate/1:", "resting_heart_rate/1:",
                                             "hrv_rmssd/1:" };
        static const char *const values[] = { "60", "0.60!1", "6.0" };
        for (int i = 0; i < 5; i++) {
            bool is_first = i % 2 == 0 || added[i - 1] != HOLTER_OK;
            CHECK(added[i] == HOLTER_OK || added[i] == HOLTER_NO_MEMORY);
            if (added[i] != HOLTER_OK)
                continue;
            count++;
            snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s%s%s%d=%s",
                     expected[0] != '\0' ? " " : "", is_first ? names[i / 2] : "",
                     is_first ? " " : "", 10 + i, values[i / 2]);
        }
        CHECK(last == HOLTER_OK || last == HOLTER_NO_MEMORY);
        ck_assert_uint_eq(holter_batch_count(batch), count);
        OK(holter_commit(world.store[0], batch, &err));
        for (size_t i = 0; i < count; i++)
            CHECK(holter_batch_answer(batch, i).answer ==
                  (is_exact ? HOLTER_NEW : HOLTER_ACCEPTED));
        TEXT_IS(ask(world.store[0], 0), expected);
        holter_batch_free(batch);
        world_release();
    }
}
END_TEST

/* ---- calls ----------------------------------------------------------------------------------- */

static holter_status do_commit(void)
{
    return holter_commit(world.store[0], batch, &err);
}

static holter_status do_new_batch(void)
{
    holter_batch *other;
    holter_status status = holter_batch_new(&other, world.store[0], NULL, &err);
    CHECK((status == HOLTER_OK) == (other != NULL));
    holter_batch_free(other);
    return status;
}

static holter_status do_scan(void)
{
    holter_snapshot *snapshot;
    holter_cursor *cursor = NULL;
    holter_columns columns;
    size_t rows = 0;
    holter_status status = holter_snapshot_open(&snapshot, world.store[0], &err);
    if (status != HOLTER_OK)
        return status;
    status = holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = world.users[0] }, &err);
    while (status == HOLTER_OK &&
           (status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK)
        rows += columns.count;
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    CHECK(status != HOLTER_DONE || rows == 3);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static holter_status do_latest(void)
{
    holter_snapshot *snapshot;
    holter_cursor *cursor = NULL;
    holter_columns columns;
    holter_status status = holter_snapshot_open(&snapshot, world.store[0], &err);
    if (status != HOLTER_OK)
        return status;
    status = holter_latest(&cursor, snapshot, world.users[0], 39, 0, &err);
    if (status == HOLTER_OK)
        status = holter_cursor_next(cursor, &columns, &err);
    CHECK(status != HOLTER_OK || (columns.count == 1 && columns.time_ns[0] == 3));
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    return status;
}

/* Days of a fixed offset: the system's zone files are not in this test's world. */
static holter_status do_aggregate(void)
{
    holter_zone *zone = NULL;
    holter_snapshot *snapshot = NULL;
    holter_aggregator *aggregator = NULL;
    holter_windows windows;
    uint64_t samples = 0;
    holter_status status = holter_zone_open(&zone, "+05:30", &err);
    if (status == HOLTER_OK)
        status = holter_snapshot_open(&snapshot, world.store[0], &err);
    const holter_aggregate_spec spec = { .user = world.users[0],
                                         .metric = 1,
                                         .every = { .calendar = HOLTER_DAYS },
                                         .zone = zone,
                                         .functions =
                                             HOLTER_FN_SUM | HOLTER_FN_MEAN | HOLTER_FN_LAST };
    if (status == HOLTER_OK)
        status = holter_aggregate(&aggregator, snapshot, &spec, &err);
    while (status == HOLTER_OK &&
           (status = holter_aggregate_next(aggregator, &windows, &err)) == HOLTER_OK)
        samples += windows.samples[0];
    holter_aggregate_close(aggregator);
    holter_snapshot_close(snapshot);
    holter_zone_close(zone);
    CHECK(status != HOLTER_DONE || samples == 2);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static holter_status do_feed(void)
{
    holter_snapshot *snapshot = NULL;
    holter_feed *feed = NULL;
    holter_deletion *deletions = NULL;
    holter_change change;
    const char *token = NULL;
    size_t count = 0, users = 0;
    holter_status status = holter_feed_open(&feed, world.store[0], NULL, &err);
    while (status == HOLTER_OK && (status = holter_feed_next(feed, &change, &err)) == HOLTER_OK)
        users += change.kind == HOLTER_USER_ADDED;
    CHECK(status != HOLTER_DONE || users == holter_user_count(world.store[0]));
    if (status == HOLTER_DONE)
        status = holter_feed_token(feed, &token, &err);
    if (status == HOLTER_OK)
        status = holter_snapshot_open(&snapshot, world.store[0], &err);
    if (status == HOLTER_OK)
        status = holter_snapshot_token(snapshot, &token, &err);
    if (status == HOLTER_OK)
        status = holter_deletions(&deletions, &count, snapshot, world.users[0], &err);
    holter_deletions_free(deletions);
    holter_snapshot_close(snapshot);
    holter_feed_close(feed);
    return status;
}

static holter_status do_keep(void)
{
    return holter_feed_keep(world.store[0], INT64_MAX, UINT64_MAX, &err);
}

static holter_status do_users(void)
{
    const holter_id ids[] = { { WORLD_ID "-a", 6 }, { WORLD_ID "-b", 6 } };
    uint64_t users[2];
    return holter_users_add(world.store[0], ids, 2, NULL, users, &err);
}

static holter_status do_source(void)
{
    uint32_t number;
    holter_source *source = NULL;
    holter_status status =
        holter_source_need(world.store[0], world.users[0], "another", &number, &err);
    if (status == HOLTER_OK)
        status = holter_source_read(world.store[0], world.users[0], number, &source, &err);
    CHECK(status != HOLTER_OK || strcmp(source->name, "another") == 0);
    holter_source_free(source);
    return status;
}

static holter_status do_define(void)
{
    static const char *const labels[] = { "low", "high" };
    holter_metric metric = { .name = "worry",
                             .unit = "1",
                             .kind = HOLTER_INSTANT,
                             .field_count = 1,
                             .key_field = -1,
                             .aggregation = HOLTER_LAST,
                             .tier_class = HOLTER_RECORDS };
    uint32_t number;
    int64_t value;
    metric.fields[0] =
        (holter_field){ .name = "level", .type = HOLTER_ENUM, .labels = labels, .label_count = 2 };
    holter_status status = holter_metric_define(world.store[0], &metric, &number, &err);
    if (status == HOLTER_OK)
        status = holter_metric_add_label(world.store[0], number, 0, "panic", &value, &err);
    if (status == HOLTER_OK)
        status = holter_metric_find(world.store[0], "worry", &metric, &err);
    CHECK(status != HOLTER_OK || metric.fields[0].label_count == 3);
    return status;
}

static holter_status do_region(void)
{
    if (holter_region_count(world.store[0]) == 2)
        return HOLTER_OK;
    return holter_add_region(world.store[0], "elsewhere", 2, &err);
}

static holter_status do_upkeep(void)
{
    const holter_compact_options options = { .to = HOLTER_WARM };
    size_t damaged;
    holter_status status = holter_compact(world.store[0], &options, NULL, &err);
    if (status == HOLTER_OK)
        status = holter_verify(world.store[0], say_finding, NULL, &damaged, &err);
    CHECK(status != HOLTER_OK || damaged == 0);
    return status;
}

static holter_status do_open(void)
{
    if (world.store[0] != NULL)
        world_close(0);
    return world_open(0);
}

static const struct call {
    holter_status (*call)(void);
    const char *batch;
    int exact;
} calls[] = {
    { do_commit, "heart_rate/1: 4=60 2=60 4=61 x1..2 @1 note/1: 1=x @2 note/1: 1=x x0..9", 0 },
    { do_commit, "heart_rate/1: 4=60 2=60 4=61 x9..10 @1 note/1: 1=x @2 note/1: 1=x x0..9", 1 },
    { do_new_batch, "", 0 },
    { do_scan, "", 0 },
    { do_latest, "", 0 },
    { do_aggregate, "", 0 },
    { do_feed, "", 0 },
    { do_keep, "", 0 },
    { do_users, "", 0 },
    { do_source, "", 0 },
    { do_define, "", 0 },
    { do_region, "", 0 },
    { do_upkeep, "", 0 },
    { do_open, "", 0 },
};

enum {
    PLACES = 3
}; /* of the first row, and of the later ones: log and log, warm and log, hot and hot */

/* A copy of a store with three rows, which is made once for each place; opened. */
static void begin(struct sim *machines[static PLACES], uint64_t users[static PLACES * WORLD_USERS],
                  size_t place)
{
    if (machines[place] == NULL) {
        world_init(&(holter_create_options){ .shards = 2 }, NULL);
        TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60"), "A");
        if (place == 1)
            compact(world.store[0]);
        TEXT_IS(commit(world.store[0], "heart_rate/1: 2=60 note/2: 3=what"), "AA");
        if (place == 2)
            flush(world.store[0]);
        world_end(0);
        machines[place] = world.sim;
        memcpy(users + place * WORLD_USERS, world.users, sizeof world.users);
    }
    memset(&world, 0, sizeof world);
    memcpy(world.users, users + place * WORLD_USERS, sizeof world.users);
    world.sim = sim_copy(machines[place], 1);
    OK(world_open(0));
}

START_TEST(each_allocation_may_fail)
{
    const struct call *call = &calls[_i / 2];
    bool is_for_ever = _i % 2 == 1;
    struct sim *machines[PLACES] = { NULL };
    uint64_t users[PLACES * WORLD_USERS];
    bool has_failed = true;
    size_t refused = 0;
    for (unsigned long left = 0; has_failed; left += is_for_ever ? 4 * STEP : STEP) {
        begin(machines, users, left % PLACES);
        batch = batch_new(world.store[0], call->exact, 0);
        OK(batch_fill(batch, call->batch));
        if (call->call == do_open) {
            holter_batch_free(batch);
            batch = NULL;
        }
        err = (holter_error){ 0 };
        alloc_fail_arm(left, is_for_ever);
        holter_status status = call->call();
        has_failed = alloc_fail_disarm();
        if (status != HOLTER_OK &&
            (!has_failed || status != HOLTER_NO_MEMORY || err.status != status))
            ck_abort_msg("allocation %lu: %s: %s", left, holter_status_name(status), err.message);
        refused += status != HOLTER_OK;
        OK(call->call());
        if (call->call == do_commit) {
            if (call->exact)
                TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 2=60 4=61 note/2: 3=what");
            else
                TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 2=60 4=61 note/2: 3=what");
            TEXT_IS(batch_answers(batch), call->exact ? "SDNNN" : "SAAAA");
            TEXT_IS(ask(world.store[0], 1), "note/1: 1=x");
        } else {
            TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 2=60 note/2: 3=what");
        }
        if (left % 8 == 0)
            verify(world.store[0]);
        holter_batch_free(batch);
        world_release();
    }
    ck_assert_uint_gt(refused, 0);
    for (size_t i = 0; i < PLACES; i++) {
        if (machines[i] != NULL)
            sim_free(machines[i]);
    }
}
END_TEST

/*
 * Another process died between its edit and its publishing; a change of ours has no memory to take it in. Nobody
 * publishes then, and yet the next call finds all.
 */
START_TEST(a_change_that_fails_is_followed_again)
{
    enum { CALLS_MAX = 200 };
    size_t failed = 0;
    bool was_killed = true;
    for (uint64_t call = 0; was_killed; call++) {
        bool was_hit = true;
        for (unsigned long left = 0; was_hit; left += STEP) {
            holter_metric metric, found;
            uint64_t user;
            const holter_id id = { WORLD_ID "-new", sizeof WORLD_ID "-new" - 1 };
            world_init(NULL, NULL);
            OK(world_open(1));
            OK(holter_metric_find(world.store[0], "heart_rate", &metric, &err));
            metric.name = "mine";
            sim_stop_at(world.sim, sim_call_count(world.sim) + call, SIM_KILL);
            holter_status ignored =
                _i == 0 ? holter_metric_define(world.store[1], &metric, NULL, NULL)
                        : holter_users_add(world.store[1], &id, 1, NULL, &user, NULL);
            (void)ignored;
            was_killed = sim_process_is_dead(world.io[1]);
            sim_stop_at(world.sim, UINT64_MAX, SIM_NOTHING);
            OK(holter_metric_find(world.store[0], "heart_rate", &metric, &err)); /* it follows */
            metric.name = "other";
            alloc_fail_arm(left, false);
            holter_status status = holter_metric_define(world.store[0], &metric, NULL, &err);
            was_hit = alloc_fail_disarm();
            failed += status != HOLTER_OK;
            OK(holter_metric_find(world.store[0], "heart_rate", &found, &err));
            OK(holter_user_find(world.store[0], WORLD_ID "-0@example.org", 18, &user, &err));
            ck_assert_uint_eq(user, world.users[0]);
            world_release();
        }
        ck_assert_uint_lt(call, CALLS_MAX);
    }
    ck_assert_uint_gt(failed, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_memory");
    TCase *tcase = tcase_create("memory");
    alloc_fail.is_exempt = sim_is_allocating;
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, a_row_that_does_not_fit_is_not_in_the_batch, 0, 4);
    tcase_add_loop_test(tcase, a_change_that_fails_is_followed_again, 0, 2);
    tcase_add_loop_test(tcase, each_allocation_may_fail, 0, 2 * (int)CORE_COUNT(calls));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
