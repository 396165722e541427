/*
 * test_compaction_plan.c -- a job takes what is due, and only files adjacent by sequence.
 *
 * Claim: C2 as far as the choice of files goes, and the rules of compaction_step. Method: versions
 * in short form, one file a line, and the files that the plan must name.
 */
#include "compaction/compaction_impl.h"
#include "run.h"

#include <string.h>

enum { FILES = 120, WEEK = 2800, MONTH = 700, SMALL = 1000, LARGE = 10 << 20 };

static struct manifest_file files[FILES];
static struct manifest_version version = { .files = files };

static void start(void)
{
    version.file_count = 0;
}

/*
 * A file of class 0 that covers [min, max], of week WEEK + `week`, hot with rows up to that week, or
 * of the cold partition that has it.
 */
static struct manifest_file *add(enum manifest_tier tier, int64_t week, uint64_t min, uint64_t max,
                                 uint64_t bytes)
{
    struct manifest_file *file = &files[version.file_count++];
    int64_t begin = manifest_partition_from(TIER_WARM, WEEK + week);
    *file = (struct manifest_file){
        .id = { (uint8_t)version.file_count },
        .tier = (uint8_t)tier,
        .partition = manifest_partition(tier, begin),
        .sequence_min = min,
        .sequence_max = max,
        .user_max = 9,
        .rows = 10,
        .begin_min = begin,
        .begin_max = begin + 1,
        .end_max = begin + 1,
        .bytes = bytes,
    };
    return file;
}

/* Two days after week WEEK + `week` ended. */
static int64_t after(int64_t week)
{
    return manifest_partition_to(TIER_WARM, WEEK + week) + COMPACTION_HOT_NS;
}

/* 90 days after the weeks WEEK + 4 * `month` to the third after that ended. */
static int64_t long_after(int64_t month)
{
    return manifest_partition_to(TIER_COLD, MONTH + month) + COMPACTION_WARM_NS;
}

static void expect(const struct compaction_plan *plan, bool is_split, const uint8_t *ids,
                   size_t count)
{
    ck_assert_uint_eq(plan->count, count);
    ck_assert(count == 0 || plan->is_split == is_split);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(plan->files[i]->id[0], ids[i]);
}

#define EXPECT(plan, is_split, ...)                                                                \
    do {                                                                                           \
        static const uint8_t expected[] = { __VA_ARGS__ };                                         \
        expect(&(plan), is_split, expected, sizeof expected);                                      \
    } while (0)
#define EXPECT_NOTHING(plan) expect(&(plan), false, NULL, 0)

START_TEST(nothing_is_due_in_an_empty_version)
{
    start();
    struct compaction_plan plan = compaction_plan_find(&version, INT64_MAX, TIER_WARM);
    EXPECT_NOTHING(plan);
}
END_TEST

START_TEST(a_hot_file_is_due_two_days_after_its_newest_week)
{
    start();
    add(TIER_HOT, 3, 1, 10, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, after(3) - 1, 0);
    EXPECT_NOTHING(plan);
    plan = compaction_plan_find(&version, after(3), 0);
    EXPECT(plan, true, 1);
    plan = compaction_plan_find(&version, INT64_MIN, TIER_WARM);
    EXPECT(plan, true, 1);
}
END_TEST

START_TEST(a_hot_file_of_the_last_week_of_time_is_never_due)
{
    start();
    add(TIER_HOT, 0, 1, 10, SMALL)->begin_max = INT64_MAX - 1;
    struct compaction_plan plan = compaction_plan_find(&version, INT64_MAX - 1, 0);
    EXPECT_NOTHING(plan);
}
END_TEST

START_TEST(a_hot_file_without_rows_goes_by_its_first_tombstone)
{
    start();
    struct manifest_file *file = add(TIER_HOT, 0, 1, 10, SMALL);
    file->rows = 0;
    file->begin_min = file->begin_max = file->end_max = 0;
    file->tombstones = 1;
    file->tombstone_begin = manifest_partition_from(TIER_WARM, WEEK + 2);
    file->tombstone_end = INT64_MAX;
    struct compaction_plan plan = compaction_plan_find(&version, after(2) - 1, 0);
    EXPECT_NOTHING(plan);
    plan = compaction_plan_find(&version, after(2), 0);
    EXPECT(plan, true, 1);
}
END_TEST

START_TEST(neighbouring_hot_files_are_split_together)
{
    start();
    add(TIER_HOT, 0, 1, 10, SMALL);
    add(TIER_HOT, 1, 11, 12, SMALL);
    add(TIER_HOT, 5, 13, 20, SMALL);
    add(TIER_HOT, 0, 21, 30, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, after(1), 0);
    EXPECT(plan, true, 1, 2);
}
END_TEST

START_TEST(a_hot_file_that_stays_holds_up_no_later_one)
{
    start();
    add(TIER_HOT, 900, 1, 10, SMALL); /* a clock that was years ahead */
    add(TIER_HOT, 0, 11, 12, SMALL);
    add(TIER_HOT, 1, 13, 20, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, after(1), 0);
    EXPECT(plan, true, 2, 3);
}
END_TEST

START_TEST(hot_files_with_a_warm_one_between_are_split_apart)
{
    start();
    add(TIER_HOT, 0, 1, 10, SMALL);
    add(TIER_HOT, 0, 21, 30, SMALL);
    add(TIER_WARM, 7, 11, 20, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, after(9), TIER_WARM);
    EXPECT(plan, true, 1);
}
END_TEST

START_TEST(a_split_takes_so_many_files_and_no_more)
{
    start();
    for (uint64_t i = 0; i < 20; i++)
        add(TIER_HOT, 0, 10 * i + 1, 10 * i + 10, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, after(9), 0);
    ck_assert_uint_eq(plan.count, COMPACTION_HOT_FILES_MAX);
    ck_assert_uint_eq(plan.files[0]->id[0], 1);
}
END_TEST

START_TEST(classes_are_apart)
{
    start();
    add(TIER_HOT, 0, 1, 10, SMALL)->class = 0;
    add(TIER_HOT, 0, 1, 10, SMALL)->class = 3;
    struct compaction_plan plan = compaction_plan_find(&version, after(9), 0);
    EXPECT(plan, true, 1);
    files[0].tier = TIER_WARM;
    files[0].partition = WEEK;
    plan = compaction_plan_find(&version, after(9), 0);
    EXPECT(plan, true, 2);
    ck_assert_uint_eq(plan.class, 3);
}
END_TEST

/* The newest file of the partition below a split. */
static const struct {
    const char *what;
    uint64_t bytes, share;
    enum manifest_tier tier;
    bool has_hot_between, is_taken;
} neighbours[] = {
    { "small", SMALL, 0, TIER_WARM, false, true },
    { "as large as the share", LARGE, LARGE, TIER_WARM, false, true },
    { "larger than the share", LARGE, LARGE - 1, TIER_WARM, false, false },
    { "a hot file that stays between", SMALL, LARGE, TIER_WARM, true, false },
    { "cold", SMALL, LARGE, TIER_COLD, false, false },
};

START_TEST(a_split_takes_in_a_small_adjacent_neighbour)
{
    start();
    add(TIER_HOT, 0, 31, 40, SMALL);
    struct compaction_plan plan = { .is_split = true, .files = { &files[0] }, .count = 1 };
    if (neighbours[_i].has_hot_between)
        add(TIER_HOT, 99, 21, 30, SMALL);
    add(TIER_WARM, 4, 1, 5, SMALL);
    const struct manifest_file *newest = add(neighbours[_i].tier, 4, 6, 20, neighbours[_i].bytes);
    add(TIER_WARM, 4, 41, 50, SMALL); /* newer than the split */
    add(TIER_WARM, 5, 6, 20, SMALL);
    const struct manifest_file *taken =
        compaction_plan_neighbour(&version, &plan, WEEK + 4, neighbours[_i].share);
    ck_assert_msg(taken == (neighbours[_i].is_taken ? newest : NULL), "%s", neighbours[_i].what);
    ck_assert_ptr_null(compaction_plan_neighbour(&version, &plan, WEEK + 6, LARGE));
}
END_TEST

START_TEST(four_similar_neighbours_are_merged)
{
    start();
    add(TIER_WARM, 0, 1, 10, 4 << 20);
    add(TIER_WARM, 0, 11, 20, 1 << 20);
    add(TIER_WARM, 0, 21, 30, 3 << 20);
    struct compaction_plan plan = compaction_plan_find(&version, 0, 0);
    EXPECT_NOTHING(plan);
    add(TIER_WARM, 0, 31, 40, 2 << 20);
    plan = compaction_plan_find(&version, 0, 0);
    EXPECT(plan, false, 1, 2, 3, 4);
    ck_assert_int_eq(plan.partition, WEEK);
}
END_TEST

START_TEST(a_large_file_is_left_out_of_a_merge_of_small_ones)
{
    start();
    add(TIER_WARM, 0, 1, 10, LARGE);
    for (uint64_t i = 2; i <= 6; i++)
        add(TIER_WARM, 0, 10 * i + 1, 10 * i + 10, SMALL * i * i);
    struct compaction_plan plan = compaction_plan_find(&version, 0, 0);
    EXPECT(plan, false, 2, 3, 4, 5, 6);
}
END_TEST

START_TEST(files_with_a_hot_one_between_are_not_merged)
{
    start();
    add(TIER_HOT, 99, 31, 40, SMALL);
    add(TIER_WARM, 0, 1, 10, SMALL);
    add(TIER_WARM, 0, 11, 20, SMALL);
    add(TIER_WARM, 0, 21, 30, SMALL);
    add(TIER_WARM, 0, 41, 50, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, 0);
    EXPECT_NOTHING(plan);
    files[0].sequence_min = files[0].sequence_max = 60;
    plan = compaction_plan_find(&version, 0, 0);
    EXPECT(plan, false, 2, 3, 4, 5);
}
END_TEST

START_TEST(partitions_are_apart)
{
    start();
    for (uint64_t i = 0; i < 6; i++)
        add(TIER_WARM, (int64_t)i / 3, 10 * i + 1, 10 * i + 10, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, 0);
    EXPECT_NOTHING(plan);
    plan = compaction_plan_find(&version, 0, TIER_WARM);
    EXPECT(plan, false, 1, 2, 3);
}
END_TEST

START_TEST(everything_to_warm_merges_what_is_more_than_one_and_not_cold)
{
    start();
    add(TIER_WARM, 0, 1, 10, LARGE);
    add(TIER_WARM, 1, 1, 10, LARGE);
    add(TIER_WARM, 1, 11, 20, SMALL);
    add(TIER_COLD, 4, 1, 10, SMALL);
    add(TIER_COLD, 4, 11, 20, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, TIER_WARM);
    EXPECT(plan, false, 2, 3);
    files[2].partition = WEEK + 3;
    plan = compaction_plan_find(&version, 0, TIER_WARM);
    EXPECT_NOTHING(plan);
}
END_TEST

START_TEST(warm_files_with_a_cold_one_of_their_time_between_are_not_merged)
{
    start();
    add(TIER_WARM, 0, 1, 10, SMALL);
    add(TIER_WARM, 0, 21, 30, SMALL);
    add(TIER_COLD, 0, 11, 20, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, TIER_WARM);
    EXPECT_NOTHING(plan);
    files[2].partition++;
    plan = compaction_plan_find(&version, 0, TIER_WARM);
    EXPECT(plan, false, 1, 2);
    ck_assert_int_eq(plan.tier, TIER_WARM);
}
END_TEST

/* ---- cold ------------------------------------------------------------------------------------ */

START_TEST(four_weeks_go_cold_together_90_days_after_the_last)
{
    start();
    add(TIER_WARM, 0, 1, 10, LARGE); /* files of different weeks may overlap */
    add(TIER_WARM, 0, 21, 25, SMALL);
    add(TIER_WARM, 3, 5, 20, SMALL);
    add(TIER_WARM, 4, 1, 10, SMALL); /* of the next */
    struct compaction_plan plan = compaction_plan_find(&version, long_after(0) - 1, 0);
    EXPECT_NOTHING(plan);
    plan = compaction_plan_find(&version, long_after(0), 0);
    EXPECT(plan, false, 1, 3, 2); /* by sequence_min */
    ck_assert_int_eq(plan.tier, TIER_COLD);
    ck_assert_int_eq(plan.partition, MONTH);
}
END_TEST

START_TEST(everything_goes_cold_at_once)
{
    start();
    add(TIER_WARM, 0, 1, 10, SMALL);
    add(TIER_COLD, 4, 1, 10, LARGE);
    add(TIER_WARM, 7, 11, 20, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, TIER_COLD);
    EXPECT(plan, false, 1);
    files[0].tier = TIER_COLD;
    files[0].partition = MONTH;
    plan = compaction_plan_find(&version, 0, TIER_COLD);
    EXPECT(plan, false, 2, 3);
    version.file_count = 2;
    plan = compaction_plan_find(&version, INT64_MAX, TIER_COLD);
    EXPECT_NOTHING(plan);
}
END_TEST

START_TEST(hot_files_are_split_before_anything_goes_cold)
{
    start();
    add(TIER_HOT, 9, 11, 20, SMALL);
    add(TIER_WARM, 0, 1, 10, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, TIER_COLD);
    EXPECT(plan, true, 1);
    ck_assert_int_eq(plan.tier, TIER_WARM);
}
END_TEST

START_TEST(what_comes_late_waits_until_it_is_a_quarter)
{
    start();
    add(TIER_COLD, 0, 1, 10, LARGE);
    add(TIER_WARM, 1, 11, 20, LARGE / 4 - (64 << 10) - 1);
    add(TIER_WARM, 2, 11, 20, SMALL); /* counts as 64 KiB */
    struct compaction_plan plan = compaction_plan_find(&version, INT64_MAX - 1, 0);
    EXPECT_NOTHING(plan);
    files[1].bytes++;
    plan = compaction_plan_find(&version, INT64_MAX - 1, 0);
    EXPECT(plan, false, 1, 2, 3);
    plan = compaction_plan_find(&version, long_after(0) - 1, 0);
    EXPECT_NOTHING(plan);
}
END_TEST

START_TEST(late_files_that_wait_are_merged_as_warm_ones)
{
    start();
    add(TIER_COLD, 0, 1, 10, LARGE);
    for (uint64_t i = 1; i <= 4; i++)
        add(TIER_WARM, 1, 10 * i + 1, 10 * i + 10, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, INT64_MAX - 1, 0);
    EXPECT(plan, false, 2, 3, 4, 5);
    ck_assert_int_eq(plan.tier, TIER_WARM);
}
END_TEST

START_TEST(a_hot_file_parts_what_goes_cold)
{
    start();
    add(TIER_HOT, 900, 11, 20, SMALL); /* a clock that was years ahead */
    add(TIER_WARM, 0, 1, 10, SMALL);
    add(TIER_WARM, 1, 21, 30, SMALL);
    add(TIER_WARM, 2, 21, 30, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, long_after(0), 0);
    EXPECT(plan, false, 2);
    files[1].tier = TIER_COLD;
    files[1].partition = MONTH;
    plan = compaction_plan_find(&version, long_after(0), 0);
    EXPECT(plan, false, 3, 4);
    version.file_count = 2;
    plan = compaction_plan_find(&version, long_after(0), 0);
    EXPECT_NOTHING(plan);
}
END_TEST

START_TEST(small_cold_files_join_a_large_one_when_they_are_a_quarter)
{
    /* A hot file that parted them is gone. */
    start();
    add(TIER_COLD, 0, 1, 10, LARGE);
    add(TIER_COLD, 0, 11, 20, LARGE / 5);
    struct compaction_plan plan = compaction_plan_find(&version, long_after(0), 0);
    EXPECT_NOTHING(plan);
    add(TIER_COLD, 0, 21, 30, LARGE / 5);
    plan = compaction_plan_find(&version, long_after(0), 0);
    EXPECT(plan, false, 1, 2, 3);
}
END_TEST

START_TEST(a_job_ends_where_no_file_overlaps)
{
    /* Of each split one file a week. */
    start();
    for (uint64_t i = 0; i < 40; i++)
        add(TIER_WARM, (int64_t)(i % 3), 10 * (i / 3) + 1, 10 * (i / 3) + 10, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, TIER_COLD);
    ck_assert_uint_eq(plan.count, COMPACTION_FILES_MAX / 3 * 3);
    ck_assert_int_eq(plan.tier, TIER_COLD);
}
END_TEST

START_TEST(where_too_many_overlap_a_week_is_merged_first)
{
    start();
    for (uint64_t i = 0; i < 40; i += 2)
        add(TIER_WARM, 0, 10 * i + 1, 10 * i + 20, SMALL);
    for (uint64_t i = 1; i < 40; i += 2)
        add(TIER_WARM, 1, 10 * i + 1, 10 * i + 20, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, TIER_COLD);
    ck_assert_uint_eq(plan.count, 20);
    ck_assert_int_eq(plan.tier, TIER_WARM);
    ck_assert_int_eq(plan.partition, WEEK);
}
END_TEST

START_TEST(a_cold_file_alone_is_left_out_where_the_next_take_all_room)
{
    start();
    add(TIER_COLD, 0, 1, 10, SMALL);
    for (uint64_t i = 0; i < COMPACTION_FILES_MAX; i++)
        add(TIER_WARM, (int64_t)(i % 2), 10 * i + 11, 10 * i + 30, SMALL);
    struct compaction_plan plan = compaction_plan_find(&version, 0, TIER_COLD);
    ck_assert_uint_eq(plan.count, COMPACTION_FILES_MAX);
    ck_assert_ptr_eq(plan.files[0], &files[1]);
    ck_assert_int_eq(plan.tier, TIER_COLD);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compaction_plan");
    TCase *tcase = tcase_create("plan");
    tcase_add_test(tcase, nothing_is_due_in_an_empty_version);
    tcase_add_test(tcase, a_hot_file_is_due_two_days_after_its_newest_week);
    tcase_add_test(tcase, a_hot_file_of_the_last_week_of_time_is_never_due);
    tcase_add_test(tcase, a_hot_file_without_rows_goes_by_its_first_tombstone);
    tcase_add_test(tcase, neighbouring_hot_files_are_split_together);
    tcase_add_test(tcase, a_hot_file_that_stays_holds_up_no_later_one);
    tcase_add_test(tcase, hot_files_with_a_warm_one_between_are_split_apart);
    tcase_add_test(tcase, a_split_takes_so_many_files_and_no_more);
    tcase_add_test(tcase, classes_are_apart);
    tcase_add_loop_test(tcase, a_split_takes_in_a_small_adjacent_neighbour, 0,
                        (int)CORE_COUNT(neighbours));
    tcase_add_test(tcase, four_similar_neighbours_are_merged);
    tcase_add_test(tcase, a_large_file_is_left_out_of_a_merge_of_small_ones);
    tcase_add_test(tcase, files_with_a_hot_one_between_are_not_merged);
    tcase_add_test(tcase, partitions_are_apart);
    tcase_add_test(tcase, everything_to_warm_merges_what_is_more_than_one_and_not_cold);
    tcase_add_test(tcase, warm_files_with_a_cold_one_of_their_time_between_are_not_merged);
    tcase_add_test(tcase, four_weeks_go_cold_together_90_days_after_the_last);
    tcase_add_test(tcase, everything_goes_cold_at_once);
    tcase_add_test(tcase, hot_files_are_split_before_anything_goes_cold);
    tcase_add_test(tcase, what_comes_late_waits_until_it_is_a_quarter);
    tcase_add_test(tcase, late_files_that_wait_are_merged_as_warm_ones);
    tcase_add_test(tcase, a_hot_file_parts_what_goes_cold);
    tcase_add_test(tcase, small_cold_files_join_a_large_one_when_they_are_a_quarter);
    tcase_add_test(tcase, a_job_ends_where_no_file_overlaps);
    tcase_add_test(tcase, where_too_many_overlap_a_week_is_merged_first);
    tcase_add_test(tcase, a_cold_file_alone_is_left_out_where_the_next_take_all_room);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
