/*
 * manifest_partition.c -- partitions: aligned spans of time, 7 days in warm files, 28 in cold ones.
 *
 *     warm   | 11200 | 11201 | 11202 | 11203 | 11204 ..
 *     cold   |             2800              | 2801 ..
 *     hot    .. one partition, all of time ..
 *
 * Both count from 1970, so a cold partition is exactly four warm ones. Numbers at the ends of time
 * are cut off at INT64_MIN and INT64_MAX.
 */
#include "manifest_impl.h"

static const int64_t partition_ns[] = {
    [TIER_WARM] = MANIFEST_WARM_PARTITION_NS,
    [TIER_COLD] = MANIFEST_COLD_PARTITION_NS,
};

int64_t manifest_partition(enum manifest_tier tier, int64_t time_ns)
{
    if (tier == TIER_HOT)
        return MANIFEST_HOT_PARTITION;
    return floor_div_i64(time_ns, partition_ns[tier]);
}

int64_t manifest_partition_from(enum manifest_tier tier, int64_t partition)
{
    int64_t from;
    if (tier == TIER_HOT)
        return INT64_MIN;
    if (checked_mul_i64(&from, partition, partition_ns[tier]))
        return from;
    return partition < 0 ? INT64_MIN : INT64_MAX;
}

int64_t manifest_partition_to(enum manifest_tier tier, int64_t partition)
{
    if (tier == TIER_HOT)
        return INT64_MAX;
    return manifest_partition_from(tier, partition + 1);
}

bool manifest_shares_time(const struct manifest_file *file, enum manifest_tier tier,
                          int64_t partition)
{
    enum manifest_tier own = (enum manifest_tier)file->tier;
    return manifest_partition_from(own, file->partition) < manifest_partition_to(tier, partition) &&
           manifest_partition_from(tier, partition) < manifest_partition_to(own, file->partition);
}
