/*
 * compaction_plan.c -- which files a job takes.
 *
 *     sequence ->   1 ..                                                   .. newest
 *     hot                                        [ h1 ][ h2 ]      [ h4 ]
 *     warm, week 7  [   w1   ]      [ w2 ][ w3 ]             [ w5 ]
 *     warm, week 8       [   w4   ]
 *
 * What can be merged has no file between (C2): within a partition hot files count too, as they may
 * hold rows of it, and between hot files every warm one counts, as the split may hit its partition.
 * Above, h1 and h2 are split together, h4 alone; w2 and w3 may be merged with w1, but not with w5.
 *
 * A hot file that has to stay (it holds rows of a week that is not over) does not hold up those
 * after it: they go by themselves.
 */
#include "compaction_impl.h"

int64_t compaction_partition(int64_t time_ns)
{
    return floor_div_i64(time_ns, COMPACTION_PARTITION_NS);
}

int64_t compaction_partition_from(int64_t partition)
{
    int64_t from;
    if (checked_mul_i64(&from, partition, COMPACTION_PARTITION_NS))
        return from;
    return partition < 0 ? INT64_MIN : INT64_MAX;
}

int64_t compaction_partition_to(int64_t partition)
{
    return compaction_partition_from(partition + 1);
}

static bool is_between(const struct manifest_file *file, const struct manifest_file *before,
                       const struct manifest_file *after)
{
    return file->sequence_min > before->sequence_max && file->sequence_max < after->sequence_min;
}

/*
 * A file of the class lies between two others by sequence: a hot one, or one of the partition,
 * MANIFEST_HOT_PARTITION standing for every partition.
 */
static bool has_between(const struct manifest_version *version, const struct manifest_file *before,
                        const struct manifest_file *after, int64_t partition)
{
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != before->class || !is_between(file, before, after))
            continue;
        if (file->tier == TIER_HOT || partition == MANIFEST_HOT_PARTITION ||
            file->partition == partition)
            return true;
    }
    return false;
}

/* ---- hot files ------------------------------------------------------------------------------- */

/* The newest partition that its rows lie in is over for COMPACTION_HOT_NS. */
static bool is_due(const struct manifest_file *file, int64_t now_ns, bool everything)
{
    int64_t newest = file->rows > 0 ? file->begin_max : file->tombstone_begin;
    int64_t over = compaction_partition_to(compaction_partition(newest));
    return everything || saturating_add_i64(over, COMPACTION_HOT_NS) <= now_ns;
}

/* The oldest run of due hot files of a class. */
static void plan_split(struct compaction_plan *plan, const struct manifest_version *version,
                       int64_t now_ns, bool everything)
{
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != plan->class || file->tier != TIER_HOT)
            continue;
        bool joins = is_due(file, now_ns, everything) && plan->count < COMPACTION_HOT_FILES_MAX;
        if (joins && plan->count > 0)
            joins =
                !has_between(version, plan->files[plan->count - 1], file, MANIFEST_HOT_PARTITION);
        if (joins)
            plan->files[plan->count++] = file;
        else if (plan->count > 0)
            break;
    }
    plan->is_split = true;
    plan->partition = MANIFEST_HOT_PARTITION;
}

const struct manifest_file *compaction_plan_neighbour(const struct manifest_version *version,
                                                      const struct compaction_plan *plan,
                                                      int64_t partition, uint64_t share)
{
    const struct manifest_file *newest = NULL;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class == plan->class && file->partition == partition &&
            file->sequence_max < plan->files[0]->sequence_min)
            newest = file; /* files of a partition come by rising sequence */
    }
    if (newest == NULL || newest->tier != TIER_WARM)
        return NULL;
    if (newest->bytes > share && newest->bytes > COMPACTION_SMALL_BYTES)
        return NULL;
    if (has_between(version, newest, plan->files[0], partition))
        return NULL;
    return newest;
}

/* ---- warm files ------------------------------------------------------------------------------ */

static uint64_t size_of(const struct manifest_file *file)
{
    return file->bytes > COMPACTION_SMALL_BYTES ? file->bytes : COMPACTION_SMALL_BYTES;
}

/*
 * From the file at `index` on, the files that one merge may take: adjacent; of similar size, or
 * `everything`.
 */
static void plan_merge_from(struct compaction_plan *plan, const struct manifest_version *version,
                            size_t index, bool everything)
{
    const struct manifest_file *first = &version->files[index];
    uint64_t size_min = size_of(first), size_max = size_min;

    plan->count = 0;
    plan->partition = first->partition;
    for (size_t i = index; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != plan->class || file->partition != plan->partition ||
            file->tier != TIER_WARM || plan->count == COMPACTION_WARM_FILES_MAX)
            break;
        if (plan->count > 0 &&
            has_between(version, plan->files[plan->count - 1], file, plan->partition))
            break;
        uint64_t size = size_of(file);
        size_min = size < size_min ? size : size_min;
        size_max = size > size_max ? size : size_max;
        if (!everything && size_max / COMPACTION_WARM_RATIO_MAX > size_min)
            break;
        plan->files[plan->count++] = file;
    }
}

static void plan_merge(struct compaction_plan *plan, const struct manifest_version *version,
                       bool everything)
{
    size_t count_min = everything ? 2 : COMPACTION_WARM_FILES_MIN;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != plan->class || file->tier != TIER_WARM)
            continue;
        plan_merge_from(plan, version, i, everything);
        if (plan->count >= count_min)
            return;
    }
    plan->count = 0;
}

struct compaction_plan compaction_plan_find(const struct manifest_version *version, int64_t now_ns,
                                            bool everything)
{
    struct compaction_plan plan = { 0 };
    for (unsigned class = 0; class < MANIFEST_CLASSES; class ++) {
        plan = (struct compaction_plan){ .class = (uint8_t) class };
        plan_split(&plan, version, now_ns, everything);
        if (plan.count > 0)
            return plan;
    }
    for (unsigned class = 0; class < MANIFEST_CLASSES; class ++) {
        plan = (struct compaction_plan){ .class = (uint8_t) class };
        plan_merge(&plan, version, everything);
        if (plan.count > 0)
            return plan;
    }
    return plan;
}
