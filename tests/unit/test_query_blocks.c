/*
 * test_query_blocks.c -- aggregates decode a block only where its header does not tell enough.
 *
 * Claim: of a block whose rows all stand, are alone and begin in one window, the header answers; any
 * other is decoded; and both ways give the same. Method: one series of known blocks, asked once as
 * headers suffice, once with `first`, which they do not know; counted are blocks passed and decoded.
 */
#include <math.h>

#include "query_world.h"

#define STEP INT64_C(1000000000)

enum { BLOCKS = 6, ROWS = BLOCKS * CODEC_PACKED_ROWS_MAX };

static int64_t begin_of(size_t block)
{
    return world_week(1) + (int64_t)block * CODEC_PACKED_ROWS_MAX * STEP;
}

static void write_rows(struct world *world, int metric, int64_t from, size_t rows, int64_t duration)
{
    struct wal_part part = { .metric = (uint32_t)metric + 1, .source = 1 };
    uint64_t sequence;
    columns_init(&part.columns, &world_schemas[metric]);
    for (size_t i = 0; i < rows; i++) {
        struct row row = { .time = from + (int64_t)i * STEP, .duration = duration };
        row.field[0] = (int64_t)(i * 37 % 101) - 20;
        row.flags = i % 50 == 7 ? SAMPLE_OUT_OF_RANGE : 0;
        CHECK(columns_append(&part.columns, &row));
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
}

static void delete_range(struct world *world, int64_t begin, int64_t end)
{
    struct wal_tombstone tombstone = { .metric = 1, .source = 1, .begin = begin, .end = end };
    uint64_t sequence;
    world_write(world, 0, &tombstone, 1, NULL, &sequence);
}

struct answer {
    uint64_t windows, samples, excluded, passed, decoded;
    int64_t sum, least, greatest;
};

static struct answer ask(struct world *world, int metric, int64_t width, uint32_t more)
{
    struct answer answer = { .least = INT64_MAX, .greatest = INT64_MIN };
    struct shard_snapshot *snapshot;
    struct query_aggregate *aggregate;
    holter_windows windows;
    holter_status status;
    struct query_aggregate_spec spec = {
        .rows = { .user = world_users[0],
                  .metric = (uint32_t)metric + 1,
                  .from = INT64_MIN,
                  .to = INT64_MAX },
        .schema = world_schemas[metric],
        .every = { .calendar = width > 0 ? HOLTER_FIXED : HOLTER_YEARS, .width_ns = width },
        .fields = 1,
        .functions = HOLTER_FN_SUM | HOLTER_FN_MIN | HOLTER_FN_MAX | more,
    };
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    CHECK_OK(query_aggregate_open(&aggregate, snapshot, &spec, &err));
    while ((status = query_aggregate_next(aggregate, &windows, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < windows.count; i++) {
            const holter_window_field *field = &windows.fields[0];
            answer.windows++;
            answer.samples += windows.samples[i];
            answer.excluded += windows.excluded[i];
            answer.sum += (int64_t)field->sum[i].low * (int64_t)(answer.windows % 97);
            if (windows.samples[i] > 0 && field->min[i].integer < answer.least)
                answer.least = field->min[i].integer;
            if (windows.samples[i] > 0 && field->max[i].integer > answer.greatest)
                answer.greatest = field->max[i].integer;
        }
    }
    CHECK(status == HOLTER_DONE);
    query_aggregate_blocks(aggregate, &answer.passed, &answer.decoded);
    query_aggregate_close(aggregate);
    shard_snapshot_close(snapshot);
    return answer;
}

/* Both ways; the blocks passed are `passed`, and the others, of `blocks`, decoded. */
static struct answer ask_twice(struct world *world, int metric, int64_t width, uint64_t passed,
                               uint64_t blocks)
{
    struct answer headers = ask(world, metric, width, 0);
    struct answer rows = ask(world, metric, width, HOLTER_FN_FIRST);
    ck_assert_uint_eq(headers.passed, passed);
    ck_assert_uint_eq(headers.decoded, blocks - passed);
    ck_assert_uint_eq(rows.passed, 0);
    ck_assert_uint_eq(rows.decoded, blocks);
    ck_assert_uint_eq(headers.windows, rows.windows);
    ck_assert_uint_eq(headers.samples, rows.samples);
    ck_assert_uint_eq(headers.excluded, rows.excluded);
    ck_assert_int_eq(headers.sum, rows.sum);
    ck_assert_int_eq(headers.least, rows.least);
    ck_assert_int_eq(headers.greatest, rows.greatest);
    return rows;
}

static struct world *world_of_blocks(int metric, int64_t duration)
{
    struct world *world = world_new(7);
    write_rows(world, metric, begin_of(0), ROWS, duration);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    return world;
}

START_TEST(no_block_within_a_window_is_decoded)
{
    struct world *world = world_of_blocks(0, 0);
    struct answer answer = ask_twice(world, 0, 0, BLOCKS, BLOCKS);
    ck_assert_uint_eq(answer.windows, 1);
    ck_assert_uint_eq(answer.samples + answer.excluded, ROWS);
    ck_assert_uint_gt(answer.excluded, ROWS / 60);
    ask_twice(world, 0, 600 * STEP, 0, BLOCKS); /* shorter than a block */
    ask_twice(world, 0, 2100 * STEP, BLOCKS - 2,
              BLOCKS); /* some blocks lie in one window, others in two */
    world_free(world);
}
END_TEST

START_TEST(blocks_between_which_other_rows_lie_are_decoded)
{
    struct world *world = world_of_blocks(0, 0);
    write_rows(world, 0, begin_of(3) + 5 * STEP + 1, 1, 0); /* in memory, within block 3 */
    struct answer answer = ask_twice(world, 0, 0, BLOCKS - 1, BLOCKS);
    ck_assert_uint_eq(answer.samples + answer.excluded, ROWS + 1);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    ask_twice(world, 0, 0, BLOCKS,
              BLOCKS + 1); /* a block of its own, between two rows of block 3 */
    world_free(world);
}
END_TEST

START_TEST(blocks_in_which_rows_are_hidden_are_decoded)
{
    struct world *world = world_of_blocks(0, 0);
    delete_range(world, begin_of(2) - 3 * STEP, begin_of(2) + 3 * STEP); /* of blocks 1 and 2 */
    struct answer answer = ask_twice(world, 0, 0, BLOCKS - 2, BLOCKS);
    ck_assert_uint_eq(answer.samples + answer.excluded, ROWS - 6);
    world_free(world);
}
END_TEST

START_TEST(intervals_that_last_over_a_window_are_decoded)
{
    struct world *world = world_of_blocks(1, STEP);
    struct answer answer = ask_twice(world, 1, 0, BLOCKS, BLOCKS);
    ck_assert_uint_eq(answer.windows, 1);
    world_free(world);
    world = world_of_blocks(1, 400 * 86400 * STEP);
    ask_twice(world, 1, 0, 0, BLOCKS);
    world_free(world);
}
END_TEST

/* ---- floats ---------------------------------------------------------------------------------- */

static const struct schema float_schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_FLOAT } };

/* Of metric 4; `odd` stands in the middle of block 2, with `flags`. */
static struct world *world_of_floats(double odd, uint16_t flags)
{
    struct world *world = world_new(7);
    struct wal_part part = { .metric = 4, .source = 1 };
    uint64_t sequence;
    columns_init(&part.columns, &float_schema);
    for (size_t i = 0; i < ROWS; i++) {
        bool is_odd = i == 2 * CODEC_PACKED_ROWS_MAX + 500;
        double value = is_odd ? odd : 1.25 + (double)(i * 37 % 101) / 3;
        struct row row = { .time = begin_of(0) + (int64_t)i * STEP, .flags = is_odd ? flags : 0 };
        memcpy(&row.field[0], &value, sizeof value);
        CHECK(columns_append(&part.columns, &row));
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    return world;
}

struct floats {
    uint64_t samples, excluded, passed;
    int64_t least, greatest; /* bits */
};

static struct floats ask_floats(struct world *world, uint32_t functions)
{
    struct floats answer = { 0 };
    struct shard_snapshot *snapshot;
    struct query_aggregate *aggregate;
    holter_windows windows;
    uint64_t decoded;
    struct query_aggregate_spec spec = {
        .rows = { .user = world_users[0], .metric = 4, .from = INT64_MIN, .to = INT64_MAX },
        .schema = float_schema,
        .every = { .calendar = HOLTER_YEARS },
        .fields = 1,
        .functions = functions | HOLTER_FN_MIN | HOLTER_FN_MAX,
    };
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    CHECK_OK(query_aggregate_open(&aggregate, snapshot, &spec, &err));
    CHECK_OK(query_aggregate_next(aggregate, &windows, &err));
    CHECK(windows.count == 1);
    answer.samples = windows.samples[0];
    answer.excluded = windows.excluded[0];
    memcpy(&answer.least, &windows.fields[0].min[0].real, sizeof answer.least);
    memcpy(&answer.greatest, &windows.fields[0].max[0].real, sizeof answer.greatest);
    query_aggregate_blocks(aggregate, &answer.passed, &decoded);
    ck_assert_uint_eq(answer.passed + decoded, BLOCKS);
    query_aggregate_close(aggregate);
    shard_snapshot_close(snapshot);
    return answer;
}

static const struct {
    double odd;
    uint16_t flags;
    uint64_t passed;
} float_cases[] = {
    { 2.5, 0, BLOCKS },
    { -7.5, 0, BLOCKS },
    { 1e300, 0, BLOCKS },
    { -0.0, 0, BLOCKS - 1 }, /* the header may say 0.0 */
    { 0.0, 0, BLOCKS - 1 },
    { -9, SAMPLE_OUT_OF_RANGE, BLOCKS - 1 },
    { INFINITY, SAMPLE_NON_FINITE, BLOCKS - 1 },
    { -INFINITY, 0, BLOCKS - 1 }, /* which counts here, and not in the header */
};

START_TEST(extremes_of_floats_come_from_headers_that_tell_them)
{
    struct world *world = world_of_floats(float_cases[_i].odd, float_cases[_i].flags);
    struct floats headers = ask_floats(world, 0);
    struct floats rows = ask_floats(world, HOLTER_FN_FIRST);
    ck_assert_uint_eq(headers.passed, float_cases[_i].passed);
    ck_assert_uint_eq(rows.passed, 0);
    ck_assert_uint_eq(headers.samples, rows.samples);
    ck_assert_uint_eq(headers.excluded, rows.excluded);
    ck_assert_int_eq(headers.least, rows.least);
    ck_assert_int_eq(headers.greatest, rows.greatest);
    ck_assert_uint_eq(ask_floats(world, HOLTER_FN_SUM).passed, 0); /* sums are rounded in headers */
    world_free(world);
}
END_TEST

START_TEST(headers_and_rows_agree)
{
    static const int64_t widths[] = { 0, 2, 3600 * STEP, 7 * 86400 * STEP };
    struct world *world = world_new(100 + (uint64_t)_i);
    struct compaction_result result;
    uint64_t passed = 0;
    for (int i = 0; i < 80; i++) {
        world_commit(world);
        if (random_below(&world->random, 10) == 0)
            CHECK_OK(shard_flush(NULL, world->shard, true, &err));
        if (random_below(&world->random, 30) == 0)
            CHECK_OK(shard_compact(&result, world->shard, TIER_WARM, 0, NULL, NULL, &err));
        for (int metric = 0; i % 8 == 0 && metric < 2; metric++) {
            for (size_t w = 0; w < CORE_COUNT(widths); w++) {
                if (metric == 1 && widths[w] == 2)
                    continue; /* intervals last for many of these */
                struct answer headers = ask(world, metric, widths[w], 0);
                struct answer rows = ask(world, metric, widths[w], HOLTER_FN_FIRST);
                ck_assert_uint_eq(headers.windows, rows.windows);
                ck_assert_uint_eq(headers.samples, rows.samples);
                ck_assert_uint_eq(headers.excluded, rows.excluded);
                ck_assert_int_eq(headers.sum, rows.sum);
                ck_assert_int_eq(headers.least, rows.least);
                ck_assert_int_eq(headers.greatest, rows.greatest);
                passed += headers.passed;
            }
        }
    }
    ck_assert_uint_gt(passed, 0);
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_blocks");
    TCase *tcase = tcase_create("blocks");
    tcase_add_test(tcase, no_block_within_a_window_is_decoded);
    tcase_add_test(tcase, blocks_between_which_other_rows_lie_are_decoded);
    tcase_add_test(tcase, blocks_in_which_rows_are_hidden_are_decoded);
    tcase_add_test(tcase, intervals_that_last_over_a_window_are_decoded);
    tcase_add_loop_test(tcase, extremes_of_floats_come_from_headers_that_tell_them, 0,
                        CORE_COUNT(float_cases));
    tcase_add_loop_test(tcase, headers_and_rows_agree, 0, 30);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
