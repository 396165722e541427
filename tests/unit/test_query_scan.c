/*
 * test_query_scan.c -- a scan gives every row that stands in its snapshot, once, or fails.
 *
 * Claim: Q1-Q3, for rows in memory, in hot, warm and cold files, and in all of them at once; a
 * snapshot's answers never change. Method: seeded commits that collide, flushes and compactions,
 * each followed by scans of many kinds that are compared with the oracle; then damage, which has to
 * be told.
 */
#include "query_world.h"

#include <errno.h>
#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
enum { CASES = 12 };
#else
enum { CASES = 60 };
#endif
enum { ACTIONS = 40 };

static const enum manifest_tier tiers[] = { 0, TIER_WARM, TIER_COLD };

START_TEST(scans_agree_with_the_oracle)
{
    uint64_t rows = 0, jobs = 0;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct world *world = world_new(seed);
        for (int i = 0; i < ACTIONS; i++) {
            uint64_t action = random_below(&world->random, 10);
            uint64_t flushed = 0;
            struct compaction_result result = { 0 };
            int64_t now = world_week((int64_t)random_below(&world->random, WORLD_WEEKS + 3));
            if (i % 4 == 3)
                now += COMPACTION_WARM_NS; /* files of the first weeks are due for cold */
            if (action < 7)
                world_commit(world);
            else if (action < 9)
                CHECK_OK(shard_flush(&flushed, world->shard, true, &err));
            else
                CHECK_OK(shard_compact(&result, world->shard, tiers[i % 3], now, NULL, NULL, &err));
            rows += flushed;
            jobs += result.jobs;
            if (action >= 7 || i % 5 == 0)
                world_check_now(world);
        }
        world_free(world);
    }
    ck_assert_uint_gt(rows, 10 * CASES);
    ck_assert_uint_gt(jobs, CASES / 2);
}
END_TEST

START_TEST(a_snapshot_never_changes)
{
    struct world *world = world_new(99);
    struct shard_snapshot *snapshot;
    for (int i = 0; i < 20; i++)
        world_commit(world);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    for (int i = 0; i < 10; i++)
        world_commit(world);
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));

    struct oracle *then = world->oracle;
    world->oracle = oracle_new(); /* what comes now belongs to nobody's answer */
    for (int i = 0; i < 10; i++) {
        struct compaction_result result;
        world_commit(world);
        CHECK_OK(shard_flush(NULL, world->shard, true, &err));
        CHECK_OK(shard_compact(&result, world->shard, TIER_WARM, 0, NULL, NULL, &err));
    }
    oracle_free(world->oracle);
    world->oracle = then;
    world_check(world, snapshot);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

/* ---- many rows that are not flushed ---------------------------------------------------------- */

enum { TIMES = 6000 };

/* What stands at each time; 0: nothing. */
struct plain_rows {
    int64_t value[TIMES];
};

/* Rows at first, first + step ..; each value is one of its own. */
static void write_plain(struct world *world, struct plain_rows *plain, int64_t first, int64_t step,
                        int64_t count)
{
    struct wal_part part = { .metric = 1, .source = 1 };
    uint64_t sequence;
    columns_init(&part.columns, &world_schemas[0]);
    for (int64_t i = 0; i < count; i++) {
        struct row row = { .time = world_week(0) + first + i * step, .field = { ++world->value } };
        CHECK(first + i * step < TIMES && columns_append(&part.columns, &row));
        plain->value[first + i * step] = world->value;
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
}

static void delete_plain(struct world *world, struct plain_rows *plain, int64_t begin, int64_t end)
{
    struct wal_tombstone tombstone = { .metric = 1,
                                       .begin = world_week(0) + begin,
                                       .end = world_week(0) + end };
    uint64_t sequence;
    world_write(world, 0, &tombstone, 1, NULL, &sequence);
    for (int64_t time = begin; time < end; time++)
        plain->value[time] = 0;
}

static void check_plain(struct shard_snapshot *snapshot, const struct plain_rows *plain,
                        int64_t from, int64_t to)
{
    struct query_spec spec = {
        .user = world_users[0], .metric = 1, .from = world_week(0) + from, .to = world_week(0) + to
    };
    struct query_scan *scan;
    uint32_t metric, source;
    const struct columns *rows;
    int64_t time = from;
    holter_status status;
    CHECK_OK(query_scan_open(&scan, snapshot, &spec, &err));
    while ((status = query_scan_next(scan, &metric, &source, &rows, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < rows->count; i++) {
            for (; world_week(0) + time < rows->time[i]; time++)
                CHECK(plain->value[time] == 0);
            CHECK(time < to && rows->time[i] == world_week(0) + time);
            CHECK(rows->field[0][i] == plain->value[time]);
            time++;
        }
    }
    CHECK(status == HOLTER_DONE);
    for (; time < to; time++)
        CHECK(plain->value[time] == 0);
    query_scan_close(scan);
}

static void check_plain_ranges(struct shard_snapshot *snapshot, const struct plain_rows *plain)
{
    check_plain(snapshot, plain, 0, TIMES);
    check_plain(snapshot, plain, 2500, TIMES);
    check_plain(snapshot, plain, 1499, 1501);
    check_plain(snapshot, plain, 0, 2001);
    check_plain(snapshot, plain, 4000, 4000);
}

START_TEST(rows_that_are_not_flushed_stand_however_frames_overlap)
{
    struct world *world = world_new(3);
    struct plain_rows *plain = calloc(1, sizeof *plain);
    ck_assert_ptr_nonnull(plain);
    struct shard_snapshot *older, *newer;
    write_plain(world, plain, 0, 1, 1000);
    write_plain(world, plain, 1000, 1, 1000); /* in order */
    write_plain(world, plain, 2000, 2, 1000);
    write_plain(world, plain, 2001, 2, 1000); /* in turns with the one before */
    delete_plain(world, plain, 500, 1700);
    write_plain(world, plain, 1500, 3, 300); /* late, over what is there and what is not */
    struct plain_rows then = *plain;
    CHECK_OK(shard_snapshot_open(&older, world->shard, &err));
    write_plain(world, plain, 1800, 1, 2000); /* all of it again */
    delete_plain(world, plain, 1900, 1901);
    write_plain(world, plain, 1899, 1, 3);
    for (int64_t i = 0; i < 900; i++)
        write_plain(world, plain, 5000 + i, 1, 1);
    CHECK_OK(shard_snapshot_open(&newer, world->shard, &err));
    check_plain_ranges(newer, plain);
    check_plain_ranges(older, &then);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    check_plain_ranges(older, &then);
    check_plain_ranges(newer, plain);
    shard_snapshot_close(older);
    shard_snapshot_close(newer);
    CHECK_OK(shard_snapshot_open(&newer, world->shard, &err));
    check_plain_ranges(newer, plain);
    shard_snapshot_close(newer);
    free(plain);
    world_free(world);
}
END_TEST

START_TEST(an_interval_that_lasts_yields_to_a_shorter_version)
{
    /* The shorter one lies in a file that, by its ends, does not reach into the question. */
    struct world *world = world_new(1);
    int64_t begin = world_week(0), hour = INT64_C(3600) * 1000000000;
    for (int i = 0; i < 3; i++) {
        struct wal_part part = { .metric = 2, .source = 1 };
        uint64_t sequence;
        struct row row = { .time = begin, .duration = i == 0 ? 8 * hour : hour, .field = { i, 1 } };
        if (i == 2)
            row.field[1] = 2; /* another sample */
        columns_init(&part.columns, &world_schemas[1]);
        CHECK(columns_append(&part.columns, &row));
        world_write(world, 0, NULL, 0, &part, &sequence);
        columns_release(&part.columns);
        if (i != _i)
            CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    }
    struct shard_snapshot *snapshot;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    struct query_spec spec = { .user = world_users[0],
                               .from = begin + 4 * hour,
                               .to = begin + 5 * hour,
                               .overlapping = true };
    struct query_scan *scan;
    uint32_t metric, source;
    const struct columns *rows;
    CHECK_OK(query_scan_open(&scan, snapshot, &spec, &err));
    ck_assert_int_eq(query_scan_next(scan, &metric, &source, &rows, &err), HOLTER_DONE);
    query_scan_close(scan);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

/* Heart rate of one user, a row each second, in one commit for each 4,000. */
static void write_many(struct world *world, int64_t count)
{
    struct random random = { 6 };
    for (int64_t first = 0; first < count; first += 4000) {
        struct wal_part part = { .metric = 1, .source = 1 };
        uint64_t sequence;
        columns_init(&part.columns, &world_schemas[0]);
        for (int64_t i = first; i < first + 4000 && i < count; i++) {
            struct row row = { .time = world_week(0) + i * 1000000000,
                               .field = { (int64_t)random_below(&random, 65536) } };
            CHECK(columns_append(&part.columns, &row));
        }
        world_write(world, 0, NULL, 0, &part, &sequence);
        columns_release(&part.columns);
    }
}

static uint64_t count_rows(struct shard_snapshot *snapshot, const struct query_spec *spec,
                           holter_status *end)
{
    struct query_scan *scan;
    uint32_t metric, source;
    const struct columns *rows;
    uint64_t count = 0;
    *end = query_scan_open(&scan, snapshot, spec, &err);
    if (*end != HOLTER_OK)
        return 0;
    while ((*end = query_scan_next(scan, &metric, &source, &rows, &err)) == HOLTER_OK) {
        ck_assert_uint_le(rows->count, QUERY_ROWS_MAX);
        count += rows->count;
    }
    holter_status again = query_scan_next(scan, &metric, &source, &rows, &err);
    ck_assert_int_eq(again, *end); /* a scan that failed does not go on */
    query_scan_close(scan);
    return count;
}

START_TEST(the_latest_row_is_found_without_a_whole_history)
{
    struct world *world = world_new(1);
    struct query_spec spec = {
        .user = world_users[0], .metric = 1, .from = INT64_MIN, .to = INT64_MAX
    };
    struct shard_snapshot *snapshot;
    struct columns row;
    uint32_t source;
    holter_status end;
    write_many(world, 200000);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    uint64_t calls = sim_call_count(world->sim);
    ck_assert_uint_eq(count_rows(snapshot, &spec, &end), 200000);
    ck_assert_int_eq(end, HOLTER_DONE);
    uint64_t scan_calls = sim_call_count(world->sim) - calls;
    CHECK_OK(query_latest(&row, &source, snapshot, &spec, &err));
    uint64_t latest_calls = sim_call_count(world->sim) - calls - scan_calls;
    ck_assert_int_eq(row.time[0], world_week(0) + INT64_C(199999) * 1000000000);
    ck_assert_uint_lt(latest_calls, 6);
    ck_assert_uint_gt(scan_calls, 10);
    columns_release(&row);

    spec.metric = 0;
    ck_assert_int_eq(query_latest(&row, &source, snapshot, &spec, &err), HOLTER_INVALID);
    spec.metric = 1;
    spec.to = spec.from;
    ck_assert_int_eq(query_latest(&row, &source, snapshot, &spec, &err), HOLTER_DONE);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(damage_is_told_and_not_passed_over)
{
    struct world *world = world_new(1);
    struct query_spec spec = { .user = world_users[0], .from = INT64_MIN, .to = INT64_MAX };
    struct shard_snapshot *snapshot;
    struct compaction_result result;
    holter_status end;
    write_many(world, 20000);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    CHECK_OK(shard_compact(&result, world->shard, TIER_WARM, 0, NULL, NULL, &err));
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    const struct manifest_file *file = &shard_snapshot_version(snapshot)->files[0];
    char name[MANIFEST_FILE_NAME_BYTES], path[64];
    manifest_file_name(name, file->id);
    snprintf(path, sizeof path, "shard/%s", name);
    for (uint64_t bit = 8 * 1100; bit < 8 * (file->bytes - 5 * 4096); bit += 8 * 3001) {
        CHECK_OK(sim_file_flip(world->sim, path, bit));
        uint64_t count = count_rows(snapshot, &spec, &end);
        ck_assert_int_eq(end, HOLTER_CORRUPT);
        ck_assert_uint_lt(count, 20000);
        CHECK_OK(sim_file_flip(world->sim, path, bit));
    }
    ck_assert_uint_eq(count_rows(snapshot, &spec, &end), 20000);
    ck_assert_int_eq(end, HOLTER_DONE);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(a_failing_read_is_told_and_not_passed_over)
{
    struct world *world = world_new(1);
    struct query_spec spec = { .user = world_users[0], .from = INT64_MIN, .to = INT64_MAX };
    struct shard_snapshot *snapshot;
    uint64_t failed = 0;
    write_many(world, 8000);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    write_many(world, 12000);
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    for (uint64_t nth = 0;; nth++) {
        holter_status end;
        sim_fault_set(world->sim, &(struct sim_fault){ .nth = nth, .error = EIO });
        uint64_t count = count_rows(snapshot, &spec, &end);
        bool was_hit = sim_fault_was_hit(world->sim);
        sim_fault_clear(world->sim);
        ck_assert(end == HOLTER_DONE ? count == 12000 : end == HOLTER_IO && was_hit);
        failed += end == HOLTER_IO;
        CHECK(world->keys_held == 0);
        if (!was_hit)
            break;
    }
    ck_assert_uint_gt(failed, 0);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(what_was_deleted_before_its_flush_leaves_nothing)
{
    struct world *world = world_new(1);
    struct wal_tombstone all = { .begin = INT64_MIN, .end = INT64_MAX };
    struct query_spec spec = { .user = world_users[0], .from = INT64_MIN, .to = INT64_MAX };
    struct compaction_result result;
    struct shard_snapshot *snapshot;
    uint64_t sequence;
    holter_status end;
    write_many(world, 100);
    world_write(world, 0, &all, 1, NULL, &sequence);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    CHECK_OK(shard_compact(&result, world->shard, TIER_WARM, 0, NULL, NULL, &err));
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    ck_assert_uint_eq(count_rows(snapshot, &spec, &end), 0);
    ck_assert_int_eq(end, HOLTER_DONE);
    ck_assert_uint_eq(shard_snapshot_version(snapshot)->file_count, 0);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(an_erased_user_is_told)
{
    struct world *world = world_new(1);
    struct query_spec spec = { .user = world_users[0], .from = INT64_MIN, .to = INT64_MAX };
    struct shard_snapshot *snapshot;
    holter_status end;
    write_many(world, 10);
    if (_i == 1)
        CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    world->erased = world_users[0];
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    ck_assert_uint_eq(count_rows(snapshot, &spec, &end), 0);
    ck_assert_int_eq(end, HOLTER_EXPIRED);
    spec.user = world_users[1]; /* without rows */
    ck_assert_uint_eq(count_rows(snapshot, &spec, &end), 0);
    ck_assert_int_eq(end, HOLTER_DONE);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_scan");
    TCase *tcase = tcase_create("scan");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, scans_agree_with_the_oracle);
    tcase_add_test(tcase, a_snapshot_never_changes);
    tcase_add_test(tcase, rows_that_are_not_flushed_stand_however_frames_overlap);
    tcase_add_loop_test(tcase, an_interval_that_lasts_yields_to_a_shorter_version, 0, 4);
    tcase_add_test(tcase, the_latest_row_is_found_without_a_whole_history);
    tcase_add_test(tcase, damage_is_told_and_not_passed_over);
    tcase_add_test(tcase, a_failing_read_is_told_and_not_passed_over);
    tcase_add_test(tcase, what_was_deleted_before_its_flush_leaves_nothing);
    tcase_add_loop_test(tcase, an_erased_user_is_told, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
