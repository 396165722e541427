/*
 * test_query_filter.c -- filters leave exactly the rows that pass them, and read no block that has none.
 *
 * Claim: F1, F2; windows with filters are of the rows of a scan with them. Method: seeded commits that collide,
 * flushed and compacted, scanned with a random filter, and compared with the rows of a plain scan looked at one by
 * one; then series of known blocks, counted as they are decoded.
 */
#include <math.h>

#include "query_world.h"

#define STEP INT64_C(1000000000)

#ifdef __SANITIZE_ADDRESS__
enum { CASES = 8 };
#else
enum { CASES = 40 };
#endif
enum { ACTIONS = 30, ROWS_MAX = 4000, BLOCKS = 6, BLOCK_ROWS = CODEC_PACKED_ROWS_MAX };

/* ---- against rows looked at one by one -------------------------------------------------------- */

struct found {
    size_t count;
    struct found_row {
        int64_t time, duration, value, revision; /* without padding: rows are compared as bytes */
        uint64_t sequence, flags;
        uint32_t source, key_bytes;
    } rows[ROWS_MAX];
};

static void scan(struct found *out, struct shard_snapshot *snapshot, const struct query_spec *spec)
{
    struct query_scan *scan;
    uint32_t metric, source;
    const struct columns *rows;
    holter_status status;
    out->count = 0;
    CHECK_OK(query_scan_open(&scan, snapshot, spec, &err));
    while ((status = query_scan_next(scan, &metric, &source, &rows, &err)) == HOLTER_OK) {
        CHECK(rows->count > 0 && rows->count <= QUERY_ROWS_MAX && metric == spec->metric);
        for (size_t i = 0; i < rows->count; i++) {
            struct found_row *row = &out->rows[out->count++];
            CHECK(out->count <= ROWS_MAX);
            *row = (struct found_row){ .source = source,
                                       .time = rows->time[i],
                                       .value = rows->field[0][i],
                                       .revision = rows->revision[i],
                                       .sequence = rows->sequence[i],
                                       .flags = rows->flags[i] };
            if (rows->duration != NULL)
                row->duration = rows->duration[i];
            if (metric == 2)
                row->key_bytes = (uint32_t)rows->field[1][i];
            if (metric == 3)
                (void)columns_text(rows, 1, i, &row->key_bytes);
        }
    }
    CHECK(status == HOLTER_DONE);
    query_scan_close(scan);
}

static bool passes(const struct query_spec *spec, const struct found_row *row)
{
    for (size_t i = 0; i < spec->filter_count; i++) {
        const struct query_filter *filter = &spec->filters[i];
        int64_t value = filter->field == 0 ? row->value : (int64_t)row->key_bytes;
        if (value < filter->min || value > filter->max)
            return false;
    }
    return true;
}

/* Weeks of the rows that pass, and that begin in the range. */
static void compare_windows(struct shard_snapshot *snapshot, const struct query_spec *rows,
                            const struct found *passed)
{
    struct query_aggregate *aggregate;
    holter_windows windows;
    holter_status status;
    uint64_t samples = 0, expected = 0;
    struct query_aggregate_spec spec = {
        .rows = *rows,
        .schema = world_schemas[rows->metric - 1],
        .every = { .calendar = HOLTER_WEEKS },
        .fields = 1,
        .functions = HOLTER_FN_MEAN | HOLTER_FN_MIN | HOLTER_FN_MAX |
                     (rows->metric == 1 ? HOLTER_FN_SUM : 0),
    };
    for (size_t i = 0; i < passed->count; i++)
        expected += passed->rows[i].time >= rows->from;
    CHECK_OK(query_aggregate_open(&aggregate, snapshot, &spec, &err));
    while ((status = query_aggregate_next(aggregate, &windows, &err)) == HOLTER_OK) {
        for (size_t w = 0; w < windows.count; w++) {
            const holter_window_field *field = &windows.fields[0];
            int64_t sum = 0, least = INT64_MAX, greatest = INT64_MIN;
            uint64_t count = 0;
            for (size_t i = 0; i < passed->count; i++) {
                const struct found_row *row = &passed->rows[i];
                if (row->time < windows.begin_ns[w] || row->time >= windows.end_ns[w])
                    continue;
                count++;
                sum += row->value;
                least = row->value < least ? row->value : least;
                greatest = row->value > greatest ? row->value : greatest;
            }
            CHECK(windows.samples[w] == count && windows.excluded[w] == 0);
            CHECK(field->min[w].integer == least && field->max[w].integer == greatest);
            CHECK(field->mean[w] == (double)sum / (double)count);
            CHECK(field->sum == NULL || field->sum[w].low == (uint64_t)sum);
            samples += count;
        }
    }
    CHECK(status == HOLTER_DONE);
    CHECK(samples == expected);
    query_aggregate_close(aggregate);
}

/* Of a random metric, range and filter. Answers how many rows passed, of how many. */
static size_t compare(struct world *world, struct shard_snapshot *snapshot, size_t *all)
{
    static struct found plain, filtered;
    int64_t a = world_time(world), b = world_time(world) + 1;
    struct query_spec spec = {
        .user = world_users[random_below(&world->random, WORLD_USERS)],
        .metric = 1 + (uint32_t)random_below(&world->random, WORLD_METRICS),
        .from = a < b ? a : b,
        .to = a < b ? b : a,
        .overlapping = random_below(&world->random, 2) == 0,
        .class_of = world_class,
    };
    scan(&plain, snapshot, &spec);
    int64_t least = (int64_t)random_below(&world->random, (uint64_t)world->value + 1);
    int64_t reach = (int64_t)random_below(&world->random, 20);
    spec.filters[spec.filter_count++] =
        (struct query_filter){ 0, FIELD_INT, least - reach, least + reach };
    if (spec.metric == 2 && random_below(&world->random, 2) == 0)
        spec.filters[spec.filter_count++] = (struct query_filter){ 1, FIELD_ENUM, 1, 2 };
    scan(&filtered, snapshot, &spec);
    size_t at = 0;
    for (size_t i = 0; i < plain.count; i++) {
        if (!passes(&spec, &plain.rows[i]))
            continue;
        CHECK(at < filtered.count);
        CHECK(memcmp(&filtered.rows[at++], &plain.rows[i], sizeof *plain.rows) == 0);
    }
    CHECK(at == filtered.count);
    compare_windows(snapshot, &spec, &filtered);
    *all += plain.count;
    return at;
}

START_TEST(filters_leave_the_rows_that_pass)
{
    size_t passed = 0, all = 0;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        struct world *world = world_new(seed);
        for (int i = 0; i < ACTIONS; i++) {
            struct compaction_result result = { 0 };
            uint64_t action = random_below(&world->random, 10);
            if (action < 7)
                world_commit(world);
            else if (action < 9)
                CHECK_OK(shard_flush(NULL, world->shard, true, &err));
            else
                CHECK_OK(shard_compact(&result, world->shard, i % 2 == 0 ? TIER_WARM : TIER_COLD, 0,
                                       NULL, NULL, &err));
            struct shard_snapshot *snapshot;
            CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
            for (int k = 0; k < 4; k++)
                passed += compare(world, snapshot, &all);
            shard_snapshot_close(snapshot);
        }
        world_free(world);
    }
    ck_assert_uint_gt(passed, 10 * CASES);
    ck_assert_uint_gt(all, 2 * passed);
}
END_TEST

/* ---- blocks ----------------------------------------------------------------------------------- */

/* One row each second; of block b the values are 100 b to 100 b + 49. */
static void write_blocks(struct world *world, int64_t from, int64_t more, size_t rows,
                         uint16_t flags)
{
    struct wal_part part = { .metric = 1, .source = 1 };
    uint64_t sequence;
    columns_init(&part.columns, &world_schemas[0]);
    for (size_t i = 0; i < rows; i++) {
        struct row row = { .time = from + (int64_t)i * STEP };
        row.field[0] = (int64_t)(100 * (i / BLOCK_ROWS) + i % 50) + more;
        row.flags = i % BLOCK_ROWS == 3 ? flags : 0;
        CHECK(columns_append(&part.columns, &row));
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
}

static uint64_t ask(struct world *world, int64_t min, int64_t max, uint64_t *decoded)
{
    struct query_spec spec = { .user = world_users[0],
                               .metric = 1,
                               .from = INT64_MIN,
                               .to = INT64_MAX,
                               .filters = { { 0, FIELD_INT, min, max } },
                               .filter_count = 1 };
    struct shard_snapshot *snapshot;
    struct query_scan *scan;
    uint32_t metric, source;
    const struct columns *rows;
    holter_status status;
    uint64_t count = 0;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    CHECK_OK(query_scan_open(&scan, snapshot, &spec, &err));
    while ((status = query_scan_next(scan, &metric, &source, &rows, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < rows->count; i++)
            ck_assert(rows->field[0][i] >= min && rows->field[0][i] <= max);
        count += rows->count;
    }
    CHECK(status == HOLTER_DONE);
    *decoded = query_scan_decoded(scan);
    query_scan_close(scan);
    shard_snapshot_close(snapshot);
    return count;
}

static struct world *world_of_blocks(uint16_t flags, enum manifest_tier tier)
{
    struct world *world = world_new(7);
    struct compaction_result result;
    write_blocks(world, world_week(1), 0, BLOCKS * BLOCK_ROWS, flags);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    if (tier != 0)
        CHECK_OK(shard_compact(&result, world->shard, tier, 0, NULL, NULL, &err));
    return world;
}

START_TEST(blocks_that_have_none_are_not_decoded)
{
    static const enum manifest_tier tiers[] = { 0, TIER_WARM };
    struct world *world = world_of_blocks(0, tiers[_i]);
    uint64_t decoded;
    ck_assert_uint_eq(ask(world, 200, 249, &decoded), BLOCK_ROWS);
    ck_assert_uint_eq(decoded, 1);
    ck_assert_uint_eq(ask(world, 249, 300, &decoded), 20 + 21); /* one of a block each 50 rows */
    ck_assert_uint_eq(decoded, 2);
    ck_assert_uint_eq(ask(world, 250, 299, &decoded), 0);
    ck_assert_uint_eq(decoded, 0);
    ck_assert_uint_eq(ask(world, INT64_MIN, INT64_MAX, &decoded), BLOCKS * BLOCK_ROWS);
    ck_assert_uint_eq(decoded, BLOCKS);
    ck_assert_uint_eq(ask(world, 600, INT64_MAX, &decoded), 0); /* the whole series, at once */
    ck_assert_uint_eq(decoded, 0);
    world_free(world);
}
END_TEST

START_TEST(rows_that_headers_leave_out_are_found)
{
    struct world *world = world_of_blocks(SAMPLE_OUT_OF_RANGE, 0);
    uint64_t decoded;
    ck_assert_uint_eq(ask(world, 203, 203, &decoded), 21); /* the flagged one among them */
    ck_assert_uint_eq(decoded, BLOCKS);
    world_free(world);
}
END_TEST

/* What a block hides may pass where the block has nothing that does. */
START_TEST(a_correction_that_does_not_pass_hides_what_did)
{
    struct world *world = world_of_blocks(0, TIER_WARM);
    uint64_t decoded;
    write_blocks(world, world_week(1) + 2 * BLOCK_ROWS * STEP, 5000, BLOCK_ROWS, 0);
    ck_assert_uint_eq(ask(world, 200, 249, &decoded), 0); /* from memory */
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    ck_assert_uint_eq(ask(world, 200, 249, &decoded), 0);
    ck_assert_uint_eq(ask(world, 5000, 5049, &decoded), BLOCK_ROWS);
    ck_assert_uint_eq(ask(world, 100, 149, &decoded), BLOCK_ROWS);
    ck_assert_uint_le(decoded, 3);
    world_free(world);
}
END_TEST

START_TEST(a_filter_of_another_type_is_told)
{
    struct world *world = world_of_blocks(0, 0);
    struct query_spec spec = { .user = world_users[0],
                               .metric = 1,
                               .from = INT64_MIN,
                               .to = INT64_MAX,
                               .filters = { { 0, FIELD_FLOAT, 0, 0 } },
                               .filter_count = 1 };
    struct shard_snapshot *snapshot;
    struct query_scan *scan;
    uint32_t metric, source;
    const struct columns *rows;
    if (_i == 1)
        spec.filters[0] = (struct query_filter){ 1, FIELD_INT, 0, 0 };
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    CHECK_OK(query_scan_open(&scan, snapshot, &spec, &err));
    ck_assert_int_eq(query_scan_next(scan, &metric, &source, &rows, &err), HOLTER_CORRUPT);
    query_scan_close(scan);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

/* Neither headers nor folded values answer for rows that the catalog does not know. */
START_TEST(rows_of_other_fields_than_the_metrics_are_told)
{
    static const struct schema stored = {
        SAMPLE_INSTANT, 2, SCHEMA_NO_KEY, { FIELD_FLOAT, FIELD_INT }
    };
    static const struct schema told = {
        SAMPLE_INSTANT, 2, SCHEMA_NO_KEY, { FIELD_INT, FIELD_INT }
    };
    struct world *world = world_new(3);
    struct wal_part part = { .metric = 9, .source = 1 };
    struct query_aggregate_spec spec = {
        .rows = { .user = world_users[0], .metric = 9, .from = INT64_MIN, .to = INT64_MAX },
        .schema = told,
        .every = { .calendar = HOLTER_YEARS },
        .fields = 2,
        .functions = HOLTER_FN_SUM,
    };
    uint64_t sequence;
    columns_init(&part.columns, &stored);
    for (size_t i = 0; i < BLOCK_ROWS; i++) {
        struct row row = { .time = (int64_t)i * STEP, .field = { 0, (int64_t)(i % 50) } };
        CHECK(columns_append(&part.columns, &row));
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
    CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    for (size_t filters = 0; filters < 3; filters++) {
        struct shard_snapshot *snapshot;
        struct query_aggregate *aggregate;
        spec.rows.filter_count = filters > 0;
        spec.rows.filters[0] = (struct query_filter){ 1, FIELD_INT, 10, filters == 1 ? 20 : 99 };
        CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
        ck_assert_int_eq(query_aggregate_open(&aggregate, snapshot, &spec, &err), HOLTER_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.message, "not of the metric's fields"));
        shard_snapshot_close(snapshot);
    }
    world_free(world);
}
END_TEST

/* ---- floats ----------------------------------------------------------------------------------- */

static int64_t word_of(double value)
{
    int64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static size_t count_reals(struct world *world, double min, double max)
{
    static struct found found;
    struct query_spec spec = { .user = world_users[0],
                               .metric = 9,
                               .from = INT64_MIN,
                               .to = INT64_MAX,
                               .filters = { { 0, FIELD_FLOAT, word_of(min), word_of(max) } },
                               .filter_count = 1 };
    struct shard_snapshot *snapshot;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    scan(&found, snapshot, &spec);
    shard_snapshot_close(snapshot);
    return found.count;
}

START_TEST(floats_pass_by_what_they_are)
{
    static const struct schema real = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_FLOAT } };
    const double values[] = { -INFINITY, -2.5, -0.0, 0.0, 1e-300, 2.5, INFINITY, NAN };
    struct world *world = world_new(3);
    struct wal_part part = { .metric = 9, .source = 1 };
    uint64_t sequence;
    columns_init(&part.columns, &real);
    for (size_t i = 0; i < CORE_COUNT(values); i++) {
        struct row row = { .time = (int64_t)i, .field = { word_of(values[i]) } };
        row.flags = isfinite(values[i]) ? 0 : SAMPLE_NON_FINITE;
        CHECK(columns_append(&part.columns, &row));
    }
    world_write(world, 0, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
    for (int pass = 0; pass < 2; pass++) {
        ck_assert_uint_eq(count_reals(world, 0.0, 0.0), 2);
        ck_assert_uint_eq(count_reals(world, -0.0, 2.5), 4);
        ck_assert_uint_eq(count_reals(world, -3.0, -1.0), 1);
        ck_assert_uint_eq(count_reals(world, 3.0, 9.0), 0);
        ck_assert_uint_eq(count_reals(world, -INFINITY, INFINITY), 7);
        CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    }
    world_free(world);
}
END_TEST

/* ---- windows ---------------------------------------------------------------------------------- */

struct sums {
    uint64_t windows, samples, passed, decoded;
    int64_t sum;
};

static struct sums sum_up(struct world *world, int64_t min, int64_t max, uint32_t more)
{
    struct sums sums = { 0 };
    struct shard_snapshot *snapshot;
    struct query_aggregate *aggregate;
    holter_windows windows;
    holter_status status;
    struct query_aggregate_spec spec = {
        .rows = { .user = world_users[0],
                  .metric = 1,
                  .from = INT64_MIN,
                  .to = INT64_MAX,
                  .filters = { { 0, FIELD_INT, min, max } },
                  .filter_count = 1 },
        .schema = world_schemas[0],
        .every = { .calendar = HOLTER_YEARS },
        .fields = 1,
        .functions = HOLTER_FN_SUM | HOLTER_FN_MIN | more,
    };
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    CHECK_OK(query_aggregate_open(&aggregate, snapshot, &spec, &err));
    while ((status = query_aggregate_next(aggregate, &windows, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < windows.count; i++) {
            sums.windows++;
            sums.samples += windows.samples[i];
            sums.sum += (int64_t)windows.fields[0].sum[i].low;
            ck_assert_int_ge(windows.fields[0].min[i].integer, min);
        }
    }
    CHECK(status == HOLTER_DONE);
    query_aggregate_blocks(aggregate, &sums.passed, &sums.decoded);
    query_aggregate_close(aggregate);
    shard_snapshot_close(snapshot);
    return sums;
}

START_TEST(windows_are_of_the_rows_that_pass)
{
    static const enum manifest_tier tiers[] = { 0, TIER_WARM };
    struct world *world = world_of_blocks(0, tiers[_i]);
    for (int pass = 0; pass < 2; pass++) {
        uint32_t more = pass == 0 ? 0 : HOLTER_FN_FIRST; /* which headers do not know */
        struct sums sums = sum_up(world, 130, 249, more);
        uint64_t expected = 0;
        int64_t expected_sum = 0;
        for (size_t i = BLOCK_ROWS; i < 3 * BLOCK_ROWS; i++) {
            int64_t value = (int64_t)(100 * (i / BLOCK_ROWS) + i % 50);
            expected += value >= 130;
            expected_sum += value >= 130 ? value : 0;
        }
        ck_assert_uint_eq(sums.windows, 1);
        ck_assert_uint_eq(sums.samples, expected);
        ck_assert_int_eq(sums.sum, expected_sum);
        ck_assert_uint_eq(sums.passed, pass == 0 ? 1 : 0); /* the third block, wholly */
        ck_assert_uint_eq(sums.decoded, pass == 0 ? 1 : 2);
        ck_assert_uint_eq(sum_up(world, 250, 299, more).windows, 0);
    }
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query filter");
    TCase *tcase = tcase_create("filter");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, filters_leave_the_rows_that_pass);
    tcase_add_loop_test(tcase, blocks_that_have_none_are_not_decoded, 0, 2);
    tcase_add_test(tcase, rows_that_headers_leave_out_are_found);
    tcase_add_test(tcase, a_correction_that_does_not_pass_hides_what_did);
    tcase_add_loop_test(tcase, a_filter_of_another_type_is_told, 0, 2);
    tcase_add_test(tcase, rows_of_other_fields_than_the_metrics_are_told);
    tcase_add_test(tcase, floats_pass_by_what_they_are);
    tcase_add_loop_test(tcase, windows_are_of_the_rows_that_pass, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
