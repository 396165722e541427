/*
 * test_manifest_partition.c -- every time lies in one partition of a tier, and a cold one is four warm
 * ones.
 *
 * Claim: that of manifest_partition.c, at the ends of time too; files share time exactly where their
 * partitions have a week in common. Method: a table of times; every pair of a few partitions, against
 * a count in weeks.
 */
#include "manifest/manifest.h"
#include "run.h"

static const enum manifest_tier tiers[] = { TIER_HOT, TIER_WARM, TIER_COLD };

static const int64_t times[] = {
    INT64_MIN,
    INT64_MIN + 1,
    -MANIFEST_COLD_PARTITION_NS - 1,
    -MANIFEST_COLD_PARTITION_NS,
    -1,
    0,
    1,
    MANIFEST_WARM_PARTITION_NS - 1,
    MANIFEST_WARM_PARTITION_NS,
    MANIFEST_COLD_PARTITION_NS - 1,
    MANIFEST_COLD_PARTITION_NS,
    INT64_MAX - 1,
};

START_TEST(all_of_time_has_partitions)
{
    enum manifest_tier tier = tiers[_i];
    for (size_t i = 0; i < CORE_COUNT(times); i++) {
        int64_t partition = manifest_partition(tier, times[i]);
        ck_assert_int_le(manifest_partition_from(tier, partition), times[i]);
        ck_assert_int_gt(manifest_partition_to(tier, partition), times[i]);
        ck_assert_int_eq(partition == MANIFEST_HOT_PARTITION, tier == TIER_HOT);
    }
}
END_TEST

START_TEST(partitions_count_from_1970)
{
    ck_assert_int_eq(manifest_partition(TIER_WARM, -1), -1);
    ck_assert_int_eq(manifest_partition(TIER_WARM, 0), 0);
    ck_assert_int_eq(manifest_partition(TIER_WARM, MANIFEST_WARM_PARTITION_NS), 1);
    ck_assert_int_eq(manifest_partition(TIER_COLD, -1), -1);
    ck_assert_int_eq(manifest_partition(TIER_COLD, MANIFEST_COLD_PARTITION_NS), 1);
}
END_TEST

START_TEST(a_cold_partition_is_four_warm_ones)
{
    for (size_t i = 0; i < CORE_COUNT(times); i++) {
        int64_t cold = manifest_partition(TIER_COLD, times[i]);
        ck_assert_int_eq(cold, floor_div_i64(manifest_partition(TIER_WARM, times[i]), 4));
        int64_t from = manifest_partition_from(TIER_COLD, cold);
        int64_t to = manifest_partition_to(TIER_COLD, cold);
        if (from > INT64_MIN && to < INT64_MAX) {
            ck_assert_int_eq(manifest_partition_from(TIER_WARM, 4 * cold), from);
            ck_assert_int_eq(manifest_partition_to(TIER_WARM, 4 * cold + 3), to);
        }
    }
}
END_TEST

START_TEST(files_share_time_where_they_share_a_week)
{
    for (int64_t cold = -2; cold <= 2; cold++) {
        struct manifest_file file = { .tier = TIER_COLD, .partition = cold };
        for (int64_t week = -12; week <= 12; week++) {
            struct manifest_file warm = { .tier = TIER_WARM, .partition = week };
            bool has_week = week >= 4 * cold && week < 4 * cold + 4;
            ck_assert_int_eq(manifest_shares_time(&file, TIER_WARM, week), has_week);
            ck_assert_int_eq(manifest_shares_time(&warm, TIER_COLD, cold), has_week);
            ck_assert_int_eq(manifest_shares_time(&warm, TIER_WARM, 4 * cold), week == 4 * cold);
        }
        ck_assert(manifest_shares_time(&file, TIER_HOT, MANIFEST_HOT_PARTITION));
        ck_assert(manifest_shares_time(&file, TIER_COLD, cold));
        ck_assert(!manifest_shares_time(&file, TIER_COLD, cold + 1));
    }
    struct manifest_file hot = { .tier = TIER_HOT, .partition = MANIFEST_HOT_PARTITION };
    for (size_t i = 0; i < CORE_COUNT(times); i++) {
        for (size_t t = 0; t < CORE_COUNT(tiers); t++)
            ck_assert(manifest_shares_time(&hot, tiers[t], manifest_partition(tiers[t], times[i])));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest_partition");
    TCase *tests = tcase_create("partition");
    tcase_add_loop_test(tests, all_of_time_has_partitions, 0, (int)CORE_COUNT(tiers));
    tcase_add_test(tests, partitions_count_from_1970);
    tcase_add_test(tests, a_cold_partition_is_four_warm_ones);
    tcase_add_test(tests, files_share_time_where_they_share_a_week);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
