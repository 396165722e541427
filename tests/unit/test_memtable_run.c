/*
 * test_memtable_run.c -- the rows of a series come in order, however its frames lie in time.
 *
 * Claim: a run gives every row of a series that begins at `from` or later once, in the order that
 * sorting all of them gives, a time in one block; rows that no other frame's lie among are lent, not
 * copied; what is copied at a time does not grow with the series; and each allocation may fail.
 * Method: frames by plans and by seeds, against columns_sort of all rows in the order of the commits.
 */
#include "alloc_fail.h"

#include "memtable_world.h"
#include "series_rows.h"

static const struct memtable_filter everything = { .from = INT64_MIN, .to = INT64_MAX };
static const struct schema keyed_text = {
    .kind = SAMPLE_INSTANT, .field_count = 2, .key_field = 1, .types = { FIELD_INT, FIELD_TEXT }
};

/* Frames of one series, and their rows one after another as they were committed. */
struct plan {
    struct memtable_frame **frames;
    size_t count;
    struct columns all;
    struct memtable_rows rows;
};

static struct plan *plan_new(const struct schema *schema, size_t frames_max)
{
    struct plan *plan = calloc(1, sizeof *plan);
    CHECK(plan != NULL);
    plan->frames = calloc(frames_max, sizeof(struct memtable_frame *));
    CHECK(plan->frames != NULL);
    columns_init(&plan->all, schema);
    return plan;
}

static void plan_free(struct plan *plan)
{
    memtable_rows_release(&plan->rows);
    columns_release(&plan->all);
    free(plan);
}

/* A part that is to be filled in order; plan_part_end once it is. */
static struct columns *plan_part(struct wal_body *body, const struct schema *schema)
{
    struct wal_part *part = &body->parts[body->part_count++];
    CHECK(body->part_count <= 8);
    *part = (struct wal_part){ .metric = 9, .source = 2 };
    columns_init(&part->columns, schema);
    return &part->columns;
}

static void plan_part_end(struct plan *plan, const struct columns *part)
{
    CHECK(columns_append_rows(&plan->all, part, 0, part->count));
}

static void plan_frame(struct plan *plan, struct wal_body *body)
{
    plan->frames[plan->count] = world_frame(plan->count + 1, 1, body);
    plan->count++;
}

/* `count` rows at first, first + step ..; a row's value is its place among all. */
static void plan_rows(struct plan *plan, int64_t first, size_t count, int64_t step)
{
    struct wal_body *body = world_body();
    struct columns *part = plan_part(body, &plan->all.schema);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = first + step * (int64_t)i, .sequence = plan->count + 1 };
        row.field[0] = (int64_t)(plan->all.count + i);
        CHECK(columns_append(part, &row));
    }
    plan_part_end(plan, part);
    plan_frame(plan, body);
}

static const struct memtable_series *plan_series(struct plan *plan)
{
    CHECK(memtable_rows_gather(&plan->rows, plan->frames, plan->count, &everything, NULL) ==
          HOLTER_OK);
    CHECK(plan->rows.series_count == 1 && plan->rows.series[0].row_count == plan->all.count);
    CHECK(columns_sort(&plan->all));
    return &plan->rows.series[0];
}

/* Rows [first, ..) of all, sorted, are the found ones. */
static void check_rows(const struct columns *all, int64_t from, const struct columns *found)
{
    size_t first = 0;
    while (first < all->count && all->time[first] < from)
        first++;
    CHECK(found->count == all->count - first);
    for (size_t i = 0; i < found->count; i++) {
        CHECK(columns_row_is_equal(found, i, all, first + i));
        CHECK(found->revision[i] == all->revision[first + i]);
        CHECK(found->sequence[i] == all->sequence[first + i]);
        CHECK(found->flags[i] == all->flags[first + i]);
    }
}

static size_t check_plan(struct plan *plan, const struct memtable_series *series, int64_t from)
{
    struct columns found;
    size_t blocks = 0;
    columns_init(&found, &plan->all.schema);
    CHECK(series_rows(&found, series, from, &blocks, NULL) == HOLTER_OK);
    check_rows(&plan->all, from, &found);
    columns_release(&found);
    return blocks;
}

/* ---- frames one after another ---------------------------------------------------------------- */

static size_t lent_rows(const struct memtable_series *series)
{
    struct memtable_run *run;
    struct merge_run merge;
    const struct columns *block;
    size_t first, count, lent = 0;
    CHECK(memtable_run_open(&run, series, INT64_MIN, NULL) == HOLTER_OK);
    memtable_run_merge(run, &merge);
    while (merge.read(&merge, &block, &first, &count, NULL) == HOLTER_OK)
        lent += merge.is_rising ? count : 0;
    memtable_run_close(run);
    return lent;
}

START_TEST(frames_in_order_are_lent_together)
{
    struct plan *plan = plan_new(&world_instant, 20);
    for (int64_t i = 0; i < 20; i++)
        plan_rows(plan, 10000 * i, 1000, 10);
    const struct memtable_series *series = plan_series(plan);
    ck_assert_uint_eq(check_plan(plan, series, INT64_MIN), 5);
    ck_assert_uint_eq(check_plan(plan, series, 155000), 2);
    ck_assert_uint_eq(check_plan(plan, series, 199990), 1);
    ck_assert_uint_eq(check_plan(plan, series, 199991), 0);
    ck_assert_uint_eq(lent_rows(series), 20000);
    plan_free(plan);
}
END_TEST

START_TEST(frames_that_are_committed_backwards_are_lent)
{
    struct plan *plan = plan_new(&world_instant, 20);
    for (int64_t i = 20; i-- > 0;)
        plan_rows(plan, 10000 * i, 1000, 10);
    ck_assert_uint_eq(lent_rows(plan_series(plan)), 20000);
    ck_assert_uint_eq(check_plan(plan, &plan->rows.series[0], INT64_MIN), 20);
    plan_free(plan);
}
END_TEST

START_TEST(small_frames_share_blocks)
{
    struct plan *plan = plan_new(&world_instant, 5000);
    for (int64_t i = 0; i < 5000; i++)
        plan_rows(plan, INT64_C(60000000000) * i, 1, 1);
    const struct memtable_series *series = plan_series(plan);
    ck_assert_uint_lt(check_plan(plan, series, INT64_MIN), 20);
    plan_free(plan);
}
END_TEST

START_TEST(what_is_late_has_little_copied)
{
    struct plan *plan = plan_new(&world_instant, 3);
    plan_rows(plan, 0, 50000, INT64_C(1000000000));
    plan_rows(plan, INT64_C(10000000000500), 10, INT64_C(1000000000));
    plan_rows(plan, INT64_C(20000000000000), 1, 1); /* at a time that is there */
    const struct memtable_series *series = plan_series(plan);
    check_plan(plan, series, INT64_MIN);
    ck_assert_uint_gt(lent_rows(series), 40000);
    plan_free(plan);
}
END_TEST

/* ---- frames that overlap --------------------------------------------------------------------- */

/* frames, rows of each, step between rows, distance of frames' begins */
static const struct overlap {
    size_t frames, rows;
    int64_t step, distance;
} overlaps[] = {
    { 2, 5000, 10, 5 },     /* row by row in turn */
    { 2, 5000, 10, 0 },     /* the same times */
    { 40, 500, 7, 11 },     /* all of all */
    { 3000, 3, 1000, 1 },   /* more frames than a window has rows for */
    { 3, 3000, 0, 0 },      /* one time */
    { 50, 40, 1 << 30, 1 }, /* sparse */
    { 10, 3000, 1, 1500 },  /* the last half of each with the first of the next */
    { 2, 1, INT64_MAX / 4, INT64_MAX / 2 },
    { 5, 2, INT64_MAX / 2, 1 }, /* as far apart as times can be */
};

START_TEST(frames_that_overlap_come_as_if_sorted_together)
{
    const struct overlap *one = &overlaps[_i];
    struct plan *plan = plan_new(&world_instant, one->frames);
    for (size_t i = 0; i < one->frames; i++)
        plan_rows(plan, one->distance * (int64_t)i, one->rows, one->step);
    const struct memtable_series *series = plan_series(plan);
    check_plan(plan, series, INT64_MIN);
    check_plan(plan, series, one->step * 2 + 1);
    check_plan(plan, series, plan->all.time[plan->all.count / 2]);
    plan_free(plan);
}
END_TEST

/* Few rows from the first time there can be to the last: a window that long does not grow for ever. */
START_TEST(rows_at_both_ends_of_time_come_in_order)
{
    struct plan *plan = plan_new(&world_instant, 4);
    plan_rows(plan, INT64_MIN + 1, 2, INT64_MAX);
    plan_rows(plan, INT64_MIN + 1, 2, 1);
    plan_rows(plan, INT64_MAX - 2, 2, 1);
    plan_rows(plan, -1, 3, 1);
    const struct memtable_series *series = plan_series(plan);
    (void)check_plan(plan, series, INT64_MIN);
    (void)check_plan(plan, series, 0);
    (void)check_plan(plan, series, INT64_MAX - 1);
    plan_free(plan);
}
END_TEST

/* Whether the rows of a block are, at most, some thousands where they are copied. */
START_TEST(windows_stay_small_however_much_there_is)
{
    struct plan *plan = plan_new(&world_instant, 30);
    struct memtable_run *run;
    struct merge_run merge;
    const struct columns *block;
    size_t first, count, most = 0;
    for (int64_t i = 0; i < 30; i++)
        plan_rows(plan, 31 * i, 4000, INT64_C(7000000007));
    const struct memtable_series *series = plan_series(plan);
    CHECK(memtable_run_open(&run, series, INT64_MIN, NULL) == HOLTER_OK);
    memtable_run_merge(run, &merge);
    while (merge.read(&merge, &block, &first, &count, NULL) == HOLTER_OK)
        most = count > most ? count : most;
    memtable_run_close(run);
    ck_assert_uint_lt(most, 5000);
    check_plan(plan, series, INT64_MIN);
    plan_free(plan);
}
END_TEST

/* A frame of another writer: one series in two parts, with one identity, and keys out of order. */
START_TEST(of_equal_rows_the_later_part_of_a_frame_is_last)
{
    struct plan *plan = plan_new(&keyed_text, 2);
    struct wal_body *body = world_body();
    for (int p = 0; p < 2; p++) {
        struct columns *part = plan_part(body, &keyed_text);
        for (int i = 0; i < 400; i++) {
            struct row row = { .time = (p == 0 ? 100 : 50) + i / 2, .sequence = 1 };
            row.field[0] = 1000 * p + i;
            row.text[1] = (const uint8_t *)(i % 2 == 0 ? "b" : "a");
            row.text_bytes[1] = 1;
            CHECK(columns_append(part, &row));
        }
        plan_part_end(plan, part);
    }
    plan_frame(plan, body);
    const struct memtable_series *series = plan_series(plan);
    check_plan(plan, series, INT64_MIN);
    check_plan(plan, series, 120);
    ck_assert_uint_eq(lent_rows(series), 0);
    plan_free(plan);
}
END_TEST

/* ---- by seeds -------------------------------------------------------------------------------- */

/* A frame of up to two parts of rows that rise, some of one time, with keys and revisions. */
static void plan_random(struct plan *plan, struct random *random)
{
    static const char *const texts[] = { "", "a", "ab", "b" };
    struct wal_body *body = world_body();
    int64_t time = (int64_t)random_below(random, 3000);
    for (uint64_t parts = 1 + random_below(random, 8) / 7; parts > 0; parts--) {
        struct columns *part = plan_part(body, &plan->all.schema);
        uint64_t rows = random_below(random, 4) > 0 ? random_below(random, 20) : 800;
        uint64_t step = random_below(random, 3);
        for (uint64_t i = 0; i <= rows; i++) {
            size_t text = random_below(random, CORE_COUNT(texts));
            struct row row = {
                .time = time += (int64_t)random_below(random, step + 1),
                .field = { (int64_t)random_below(random, 5) },
                .flags = (uint16_t)random_below(random, 2),
                .revision = (int64_t)random_below(random, 3),
                .sequence = plan->count + 1,
            };
            row.text[1] = (const uint8_t *)texts[text];
            row.text_bytes[1] = (uint32_t)strlen(texts[text]);
            CHECK(columns_append(part, &row));
        }
        CHECK(columns_sort(part));
        plan_part_end(plan, part);
        time -= (int64_t)random_below(random, 2) * 5;
    }
    plan_frame(plan, body);
}

START_TEST(any_frames_come_as_if_sorted_together)
{
    struct random random = { .state = (uint64_t)_i + 1 };
    for (int repeat = 0; repeat < 20; repeat++) {
        struct plan *plan = plan_new(_i % 2 == 0 ? &keyed_text : &world_instant, 100);
        for (uint64_t frames = 1 + random_below(&random, 99); frames > 0; frames--)
            plan_random(plan, &random);
        const struct memtable_series *series = plan_series(plan);
        check_plan(plan, series, INT64_MIN);
        check_plan(plan, series, (int64_t)random_below(&random, 4000));
        plan_free(plan);
    }
}
END_TEST

/* ---- intervals that last --------------------------------------------------------------------- */

static int64_t reach_of(const struct memtable_series *series, int64_t from)
{
    int64_t reach;
    CHECK(memtable_series_reach(&reach, series, from, NULL) == HOLTER_OK);
    return reach;
}

START_TEST(the_reach_is_the_least_begin_of_what_lasts_beyond)
{
    static const struct schema interval = { .kind = SAMPLE_INTERVAL,
                                            .field_count = 1,
                                            .key_field = SCHEMA_NO_KEY,
                                            .types = { FIELD_INT } };
    static const int64_t spans[][2] = {
        { 100, 10 }, { 50, 100 }, { 70, 1 }, { 40, 5 }, { 60, 90 }
    };
    struct plan *plan = plan_new(&interval, CORE_COUNT(spans));
    for (size_t i = 0; i < CORE_COUNT(spans); i++) {
        struct wal_body *body = world_body();
        struct columns *part = plan_part(body, &interval);
        struct row row = { .time = spans[i][0], .duration = spans[i][1], .sequence = i + 1 };
        CHECK(columns_append(part, &row));
        plan_part_end(plan, part);
        plan_frame(plan, body);
    }
    const struct memtable_series *series = plan_series(plan);
    ck_assert_int_eq(reach_of(series, 105), 50);
    ck_assert_int_eq(reach_of(series, 149), 50);
    ck_assert_int_eq(reach_of(series, 150), 150);
    ck_assert_int_eq(reach_of(series, 55), 50);
    ck_assert_int_eq(reach_of(series, 50), 50);
    ck_assert_int_eq(reach_of(series, 44), 40);
    ck_assert_int_eq(reach_of(series, 45), 45);
    plan_free(plan);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* Once, or from then on, until the run ends well. */
START_TEST(each_allocation_of_a_run_may_fail)
{
    struct plan *plan = plan_new(&keyed_text, 30);
    struct random random = { .state = 5 };
    bool has_failed = true;
    unsigned long left = 0;
    for (int i = 0; i < 30; i++)
        plan_random(plan, &random);
    const struct memtable_series *series = plan_series(plan);
    for (; has_failed; left++) {
        struct memtable_run *run;
        struct merge_run merge;
        const struct columns *block;
        size_t first, count, found = 0;
        alloc_fail_arm(left, _i == 1);
        holter_status status = memtable_run_open(&run, series, INT64_MIN, NULL);
        if (status == HOLTER_OK)
            memtable_run_merge(run, &merge);
        while (status == HOLTER_OK) {
            status = merge.read(&merge, &block, &first, &count, NULL);
            found += status == HOLTER_OK ? count : 0;
        }
        has_failed = alloc_fail_disarm();
        memtable_run_close(run);
        ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_DONE);
        ck_assert(has_failed || found == plan->all.count);
    }
    ck_assert_uint_gt(left, 10);
    plan_free(plan);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memtable_run");
    TCase *tcase = tcase_create("run");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, frames_in_order_are_lent_together);
    tcase_add_test(tcase, frames_that_are_committed_backwards_are_lent);
    tcase_add_test(tcase, small_frames_share_blocks);
    tcase_add_test(tcase, what_is_late_has_little_copied);
    tcase_add_loop_test(tcase, frames_that_overlap_come_as_if_sorted_together, 0,
                        (int)CORE_COUNT(overlaps));
    tcase_add_test(tcase, rows_at_both_ends_of_time_come_in_order);
    tcase_add_test(tcase, windows_stay_small_however_much_there_is);
    tcase_add_test(tcase, of_equal_rows_the_later_part_of_a_frame_is_last);
    tcase_add_loop_test(tcase, any_frames_come_as_if_sorted_together, 0, 6);
    tcase_add_test(tcase, the_reach_is_the_least_begin_of_what_lasts_beyond);
    tcase_add_loop_test(tcase, each_allocation_of_a_run_may_fail, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
