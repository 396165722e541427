/*
 * test_query_memory.c -- a query without memory fails and gives nothing wrong.
 *
 * Claim: every allocation of a scan, of the latest row, of the list of series and of windows may fail, once or
 * from then on; then HOLTER_NO_MEMORY is answered, nothing leaks, and the next query is right.
 * Method: the n-th allocation fails, for every n, over a shard with rows in memory, hot and warm
 * files, whose outlines are known from before, or not.
 */
#include "alloc_fail.h"

#include "query_world.h"

/* All rows that are asked for, or why not. */
static holter_status scan(struct shard_snapshot *snapshot, const struct query_spec *spec,
                          uint64_t *count)
{
    struct query_scan *scan;
    uint32_t metric, source;
    const struct columns *rows;
    *count = 0;
    holter_status status = query_scan_open(&scan, snapshot, spec, &err);
    if (status != HOLTER_OK)
        return status;
    while ((status = query_scan_next(scan, &metric, &source, &rows, &err)) == HOLTER_OK)
        *count += rows->count;
    query_scan_close(scan);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static holter_status scan_all(struct shard_snapshot *snapshot, uint64_t user, uint64_t *count)
{
    struct query_spec spec = {
        .user = user, .from = world_week(1), .to = INT64_MAX, .overlapping = true
    };
    return scan(snapshot, &spec, count);
}

static holter_status find_latest(struct shard_snapshot *snapshot, uint64_t user, uint64_t *count)
{
    struct query_spec spec = { .user = user, .metric = 3, .from = INT64_MIN, .to = INT64_MAX };
    struct columns row;
    uint32_t source;
    holter_status status = query_latest(&row, &source, snapshot, &spec, &err);
    *count = status == HOLTER_OK;
    if (status == HOLTER_OK)
        columns_release(&row);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static holter_status list_series(struct shard_snapshot *snapshot, uint64_t user, uint64_t *count)
{
    struct query_spec spec = { .user = user, .from = INT64_MIN, .to = INT64_MAX };
    struct query_series *series;
    size_t listed = 0;
    holter_status status = query_series_list(&series, &listed, snapshot, &spec, &err);
    *count = listed;
    if (status == HOLTER_OK)
        free(series);
    return status;
}

/* All windows of a metric, whose values that begin in them are counted. */
static holter_status aggregate(struct shard_snapshot *snapshot, uint64_t user, int metric,
                               uint32_t fields, uint32_t functions, uint64_t *count)
{
    struct query_aggregate_spec spec = {
        .rows = { .user = user,
                  .metric = (uint32_t)metric + 1,
                  .from = world_week(1),
                  .to = INT64_MAX },
        .schema = world_schemas[metric],
        .every = { .calendar = HOLTER_DAYS },
        .fields = fields,
        .functions = functions,
    };
    struct query_aggregate *aggregate;
    holter_windows windows;
    *count = 0;
    holter_status status = query_aggregate_open(&aggregate, snapshot, &spec, &err);
    if (status != HOLTER_OK)
        return status;
    while ((status = query_aggregate_next(aggregate, &windows, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < windows.count; i++)
            *count += 1 + windows.samples[i];
    }
    query_aggregate_close(aggregate);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static holter_status aggregate_numbers(struct shard_snapshot *snapshot, uint64_t user,
                                       uint64_t *count)
{
    return aggregate(snapshot, user, 1, 1,
                     HOLTER_FN_SUM | HOLTER_FN_MEAN | HOLTER_FN_MIN | HOLTER_FN_MAX, count);
}

/* As far as half hours suffice. */
static holter_status aggregate_days(struct shard_snapshot *snapshot, uint64_t user, uint64_t *count)
{
    return aggregate(snapshot, user, 0, 1, HOLTER_FN_SUM | HOLTER_FN_MAX, count);
}

static holter_status aggregate_texts(struct shard_snapshot *snapshot, uint64_t user,
                                     uint64_t *count)
{
    return aggregate(snapshot, user, 2, 2, HOLTER_FN_FIRST | HOLTER_FN_LAST, count);
}

/* Of which some rows pass. */
static holter_status scan_some(struct shard_snapshot *snapshot, uint64_t user, uint64_t *count)
{
    struct query_spec spec = { .user = user,
                               .metric = 1,
                               .from = INT64_MIN,
                               .to = INT64_MAX,
                               .filters = { { 0, FIELD_INT, 20, 60 } },
                               .filter_count = 1 };
    return scan(snapshot, &spec, count);
}

static holter_status (*const queries[])(struct shard_snapshot *snapshot, uint64_t user,
                                        uint64_t *count) = { scan_all,       find_latest,
                                                             list_series,    aggregate_numbers,
                                                             aggregate_days, aggregate_texts,
                                                             scan_some };

static bool is_anyone(void *context, uint64_t user)
{
    (void)context;
    (void)user;
    return true;
}

/* A series that gets a rollup. */
static void write_dense(struct world *world)
{
    struct wal_part part = { .metric = 1, .source = 1 };
    uint64_t sequence;
    columns_init(&part.columns, &world_schemas[0]);
    for (size_t i = 0; i < 1500; i++) {
        struct row row = { .time = world_week(1) + (int64_t)(i + 1000) * 5000000000,
                           .field = { (int64_t)random_below(&world->random, 100) } };
        CHECK(columns_append(&part.columns, &row));
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
}

START_TEST(each_allocation_may_fail)
{
    struct world *world = world_new(4);
    struct shard_snapshot *snapshot;
    struct compaction_result result;
    uint64_t rollup_bytes = 0;
    write_dense(world);
    for (int i = 0; i < 60; i++) {
        world_commit(world);
        if (i == 20 || i == 40)
            CHECK_OK(shard_flush(NULL, world->shard, true, &err));
        if (i == 20)
            CHECK_OK(shard_compact(&result, world->shard, TIER_WARM, 0, NULL, NULL, &err));
        if (i == 20)
            rollup_bytes = result.rollup_bytes;
    }
    ck_assert_uint_gt(rollup_bytes, 0);
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    uint64_t user = world_users[0], expected, count;
    CHECK_OK(queries[_i](snapshot, user, &expected));
    ck_assert_uint_gt(expected, 0);
    alloc_fail.is_exempt = sim_is_allocating;
    for (int way = 0; way < 4; way++) {
        bool is_for_ever = way % 2 != 0, has_failed = true;
        unsigned long left = 0;
        for (; has_failed; left++) {
            err = (holter_error){ 0 };
            if (way < 2) /* else the outlines are known */
                shard_outlines_forget(shard_outlines_of(world->shard), is_anyone, NULL);
            alloc_fail_arm(left, is_for_ever);
            holter_status status = queries[_i](snapshot, user, &count);
            has_failed = alloc_fail_disarm();
            if (status == HOLTER_OK)
                CHECK(count == expected);
            else
                CHECK(has_failed && status == HOLTER_NO_MEMORY && err.status == status);
            CHECK(world->keys_held == 0);
            CHECK_OK(queries[_i](snapshot, user, &count));
            CHECK(count == expected);
        }
        ck_assert_uint_gt(left, 10);
    }
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, each_allocation_may_fail, 0, (int)CORE_COUNT(queries));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
