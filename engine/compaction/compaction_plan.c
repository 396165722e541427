/*
 * compaction_plan.c -- which files a job takes.
 *
 *     sequence ->       1 ..                                                   .. newest
 *     hot                                            [ h1 ][ h2 ]      [ h4 ]
 *     warm, week 2792   [   w1   ]      [ w2 ][ w3 ]             [ w5 ]
 *     warm, week 2793     [   w4   ]
 *     cold, their month [c1]
 *
 * What can be merged has no file between (C2): of its class, and of a time that they share. A hot
 * file may hold rows of any time, so between hot files every other one counts, as the split may hit
 * its partition. Above, h1 and h2 are split together, h4 alone; w2 and w3 may be merged with w1, but
 * not with w5; c1, w1, w4, w2 and w3 may become one cold file.
 *
 * A hot file that has to stay (it holds rows of a week that is not over) does not hold up those
 * after it: they go by themselves.
 *
 * By policy a cold partition is one file, and what comes late to it waits as warm files until it
 * amounts to a COMPACTION_COLD_RATIO-th of that, which bounds how often a byte is written: notes/0004.
 */
#include "compaction_impl.h"

static bool is_between(const struct manifest_file *file, const struct manifest_file *before,
                       const struct manifest_file *after)
{
    return file->sequence_min > before->sequence_max && file->sequence_max < after->sequence_min;
}

/* A file of the class that shares time with a partition lies between two others by sequence. */
static bool has_between(const struct manifest_version *version, const struct manifest_file *before,
                        const struct manifest_file *after, enum manifest_tier tier,
                        int64_t partition)
{
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class == before->class && is_between(file, before, after) &&
            manifest_shares_time(file, tier, partition))
            return true;
    }
    return false;
}

static uint64_t size_of(const struct manifest_file *file)
{
    return file->bytes > COMPACTION_SMALL_BYTES ? file->bytes : COMPACTION_SMALL_BYTES;
}

/* A partition has been over for so long. */
static bool is_over(enum manifest_tier tier, int64_t partition, int64_t age_ns, int64_t now_ns)
{
    return saturating_add_i64(manifest_partition_to(tier, partition), age_ns) <= now_ns;
}

/* ---- hot files ------------------------------------------------------------------------------- */

/* The newest partition that its rows lie in is over for COMPACTION_HOT_NS. */
static bool is_due(const struct manifest_file *file, int64_t now_ns, enum manifest_tier to)
{
    int64_t newest = file->rows > 0 ? file->begin_max : file->tombstone_begin;
    return to != 0 ||
           is_over(TIER_WARM, manifest_partition(TIER_WARM, newest), COMPACTION_HOT_NS, now_ns);
}

/* The oldest run of due hot files of a class. */
static void plan_split(struct compaction_plan *plan, const struct manifest_version *version,
                       int64_t now_ns, enum manifest_tier to)
{
    plan->count = 0;
    plan->is_split = true;
    plan->tier = TIER_WARM;
    plan->partition = MANIFEST_HOT_PARTITION;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != plan->class || file->tier != TIER_HOT)
            continue;
        bool joins = is_due(file, now_ns, to) && plan->count < COMPACTION_HOT_FILES_MAX;
        if (joins && plan->count > 0)
            joins = !has_between(version, plan->files[plan->count - 1], file, TIER_HOT,
                                 MANIFEST_HOT_PARTITION);
        if (joins)
            plan->files[plan->count++] = file;
        else if (plan->count > 0)
            break;
    }
}

const struct manifest_file *compaction_plan_neighbour(const struct manifest_version *version,
                                                      const struct compaction_plan *plan,
                                                      int64_t partition, uint64_t share)
{
    const struct manifest_file *newest = NULL;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class == plan->class && file->sequence_max < plan->files[0]->sequence_min &&
            (newest == NULL || file->sequence_max > newest->sequence_max) &&
            manifest_shares_time(file, TIER_WARM, partition))
            newest = file;
    }
    if (newest == NULL || newest->tier != TIER_WARM)
        return NULL;
    if (newest->bytes > share && newest->bytes > COMPACTION_SMALL_BYTES)
        return NULL;
    return newest;
}

/* ---- warm files to one warm file ------------------------------------------------------------- */

/*
 * From the file at `index` on, the files of its partition that one merge may take: adjacent; of
 * similar size, or `everything`.
 */
static void plan_week_from(struct compaction_plan *plan, const struct manifest_version *version,
                           size_t index, bool everything)
{
    const struct manifest_file *first = &version->files[index];
    uint64_t size_min = size_of(first), size_max = size_min;

    plan->count = 0;
    plan->is_split = false;
    plan->tier = TIER_WARM;
    plan->partition = first->partition;
    for (size_t i = index; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != plan->class || file->partition != plan->partition ||
            file->tier != TIER_WARM || plan->count == COMPACTION_FILES_MAX)
            break;
        if (plan->count > 0 &&
            has_between(version, plan->files[plan->count - 1], file, TIER_WARM, plan->partition))
            break;
        uint64_t size = size_of(file);
        size_min = size < size_min ? size : size_min;
        size_max = size > size_max ? size : size_max;
        if (!everything && size_max / COMPACTION_WARM_RATIO_MAX > size_min)
            break;
        plan->files[plan->count++] = file;
    }
}

/* `within`: a cold partition whose weeks alone are looked at; NULL: all. */
static void plan_week(struct compaction_plan *plan, const struct manifest_version *version,
                      const int64_t *within, bool everything)
{
    size_t count_min = everything ? 2 : COMPACTION_WARM_FILES_MIN;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != plan->class || file->tier != TIER_WARM ||
            (within != NULL && !manifest_shares_time(file, TIER_COLD, *within)))
            continue;
        plan_week_from(plan, version, i, everything);
        if (plan->count >= count_min)
            return;
    }
    plan->count = 0;
}

/* ---- warm and cold files to one cold file ---------------------------------------------------- */

/* The files of a class that share time with a cold partition. */
struct month {
    const struct manifest_version *version;
    uint8_t class;
    int64_t partition;
};

/* The next of them by (sequence_min, place); after NULL: the first. NULL: there is none. */
static const struct manifest_file *next_of(const struct month *month,
                                           const struct manifest_file *after)
{
    const struct manifest_file *next = NULL;
    for (size_t i = 0; i < month->version->file_count; i++) {
        const struct manifest_file *file = &month->version->files[i];
        bool comes = after == NULL || file->sequence_min > after->sequence_min ||
                     (file->sequence_min == after->sequence_min && file > after);
        if (comes && file->class == month->class &&
            (next == NULL || file->sequence_min < next->sequence_min) &&
            manifest_shares_time(file, TIER_COLD, month->partition))
            next = file;
    }
    return next;
}

/* Warm and cold files without a hot one between them. */
struct stretch {
    const struct manifest_file *first;
    const struct manifest_file *end; /* the hot file after them; NULL: none */
    size_t count, warm;
    uint64_t bytes, bytes_cold; /* of all; of the largest cold one */
};

static struct stretch stretch_from(const struct month *month, const struct manifest_file *first)
{
    struct stretch stretch = { .first = first };
    const struct manifest_file *file = first;
    for (; file != NULL && file->tier != TIER_HOT; file = next_of(month, file)) {
        uint64_t size = size_of(file);
        stretch.count++;
        stretch.warm += file->tier == TIER_WARM;
        stretch.bytes += size;
        if (file->tier == TIER_COLD && size > stretch.bytes_cold)
            stretch.bytes_cold = size;
    }
    stretch.end = file;
    return stretch;
}

static bool pays(const struct stretch *stretch, bool everything)
{
    if (stretch->warm == 0 && stretch->count < 2)
        return false;
    return everything ||
           stretch->bytes - stretch->bytes_cold >= stretch->bytes_cold / COMPACTION_COLD_RATIO;
}

/*
 * From its first file on, as many of a stretch as one job may take. Files of different weeks may
 * overlap by sequence, and then go together; so the job ends where none does. *count is 0 where so
 * many overlap that it cannot.
 */
static void take_from(struct compaction_plan *plan, const struct month *month,
                      const struct stretch *stretch)
{
    const struct manifest_file *file = stretch->first;
    uint64_t reach = 0; /* the greatest sequence so far */
    size_t whole = 0;   /* files before the last place where none overlaps */
    plan->count = 0;
    for (; file != stretch->end; file = next_of(month, file)) {
        if (file->sequence_min > reach)
            whole = plan->count;
        if (plan->count == COMPACTION_FILES_MAX)
            break;
        plan->files[plan->count++] = file;
        reach = file->sequence_max > reach ? file->sequence_max : reach;
    }
    if (file != stretch->end)
        plan->count = whole;
}

static void plan_month(struct compaction_plan *plan, const struct month *month, bool everything)
{
    const struct manifest_file *file = next_of(month, NULL);
    while (file != NULL) {
        struct stretch stretch = stretch_from(month, file);
        if (pays(&stretch, everything)) {
            plan->is_split = false;
            plan->tier = TIER_COLD;
            plan->partition = month->partition;
            take_from(plan, month, &stretch);
            if (plan->count == 0) { /* there have to be fewer files first */
                plan_week(plan, month->version, &month->partition, true);
                return;
            }
            if (plan->count > 1 || file->tier == TIER_WARM)
                return;
            file = next_of(month, file); /* without that cold file */
        } else {
            file = stretch.end == NULL ? NULL : next_of(month, stretch.end);
        }
    }
    plan->count = 0;
}

/* Partitions that are due, or every one. */
static void plan_cold(struct compaction_plan *plan, const struct manifest_version *version,
                      int64_t now_ns, bool everything)
{
    int64_t before = INT64_MIN;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (file->class != plan->class || file->tier == TIER_HOT)
            continue;
        int64_t from = manifest_partition_from((enum manifest_tier)file->tier, file->partition);
        struct month month = { version, plan->class, manifest_partition(TIER_COLD, from) };
        if (month.partition == before)
            continue;
        before = month.partition;
        if (!everything && !is_over(TIER_COLD, month.partition, COMPACTION_WARM_NS, now_ns))
            continue;
        plan_month(plan, &month, everything);
        if (plan->count > 0)
            return;
    }
}

/* ---- the job that is due --------------------------------------------------------------------- */

struct compaction_plan compaction_plan_find(const struct manifest_version *version, int64_t now_ns,
                                            enum manifest_tier to)
{
    struct compaction_plan plan = { 0 };
    for (unsigned class = 0; class < MANIFEST_CLASSES; class ++) {
        plan = (struct compaction_plan){ .class = (uint8_t) class };
        plan_split(&plan, version, now_ns, to);
        if (plan.count > 0)
            return plan;
    }
    for (unsigned class = 0; class < MANIFEST_CLASSES; class ++) {
        plan = (struct compaction_plan){ .class = (uint8_t) class };
        if (to != TIER_WARM)
            plan_cold(&plan, version, now_ns, to == TIER_COLD);
        if (plan.count == 0)
            plan_week(&plan, version, NULL, to != 0);
        if (plan.count > 0)
            return plan;
    }
    return plan;
}
