/*
 * manifest_version.c -- versions: counted lists of files, and the rules that every version and
 * change keeps.
 *
 *     sequence          1 ........ 10 11 ........ 20 21 ........ 30   flushed.sequence = 31
 *     hot                                            [--- H3 ----]    disjoint from every other (C2)
 *     warm, week 2796   [--- A ----]  [--- B ----]
 *     warm, week 2797   [---------- C ----------] may overlap A and B: another partition
 *     cold, 28 days 698 [- D -] may overlap all but H3: its weeks are 2792 to 2795
 *
 * C1  A change raises flushed.sequence only over files that cover what it passes, or over nothing.
 * C2  Of one class, files whose partitions share time have disjoint ranges; a merged file lies
 *     within the hull of what it replaces, so that a merge over a neighbour that stays is refused.
 *
 * Tests: tests/unit/test_manifest_rules.c.
 */
#include "manifest_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- counted versions ------------------------------------------------------------------------ */

struct manifest_counted *manifest_counted_new(void)
{
    struct manifest_counted *counted = calloc(1, sizeof *counted);
    if (counted == NULL)
        return NULL;
    atomic_init(&counted->count, 1);
    counted->version.flushed.sequence = 1;
    return counted;
}

struct manifest_counted *manifest_counted_copy(const struct manifest_counted *from)
{
    struct manifest_counted *copy = manifest_counted_new();
    if (copy == NULL)
        return NULL;
    size_t count = from->version.file_count;
    copy->version = from->version;
    copy->version.files = NULL;
    if (count > 0) {
        copy->version.files = core_calloc(count, sizeof *copy->version.files);
        if (copy->version.files == NULL) {
            manifest_counted_unref(copy);
            return NULL;
        }
        memcpy(copy->version.files, from->version.files, count * sizeof *copy->version.files);
        copy->capacity = count;
    }
    return copy;
}

void manifest_counted_unref(struct manifest_counted *counted)
{
    if (counted == NULL || atomic_fetch_sub(&counted->count, 1) != 1)
        return;
    free(counted->version.files);
    free(counted);
}

struct manifest_version *manifest_version_ref(struct manifest_version *version)
{
    atomic_fetch_add(&((struct manifest_counted *)version)->count, 1);
    return version;
}

void manifest_version_unref(struct manifest_version *version)
{
    manifest_counted_unref((struct manifest_counted *)version);
}

/* ---- files ----------------------------------------------------------------------------------- */

int manifest_file_compare(const void *a, const void *b)
{
    const struct manifest_file *left = a;
    const struct manifest_file *right = b;
    if (left->class != right->class)
        return left->class < right->class ? -1 : 1;
    if (left->tier != right->tier)
        return left->tier < right->tier ? -1 : 1;
    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    if (left->sequence_min != right->sequence_min)
        return left->sequence_min < right->sequence_min ? -1 : 1;
    return 0;
}

int manifest_id_compare(const void *a, const void *b)
{
    return memcmp(a, b, MANIFEST_ID_BYTES);
}

static bool is_hot(const struct manifest_file *file)
{
    return file->tier == TIER_HOT;
}

/* A warm or cold file's partition is one of those that times lie in. */
static bool is_in_time(const struct manifest_file *file)
{
    enum manifest_tier tier = (enum manifest_tier)file->tier;
    return file->partition >= manifest_partition(tier, INT64_MIN) &&
           file->partition <= manifest_partition(tier, INT64_MAX);
}

const char *manifest_file_fault(const struct manifest_file *file)
{
    if (file->tier < TIER_HOT || file->tier > TIER_COLD)
        return "its tier is unknown";
    if (file->class >= MANIFEST_CLASSES)
        return "its class is unknown";
    if (is_hot(file) != (file->partition == MANIFEST_HOT_PARTITION))
        return "its tier and partition do not go together";
    if (!is_hot(file) && !is_in_time(file))
        return "its partition lies outside of time";
    if (file->sequence_min == 0 || file->sequence_min > file->sequence_max)
        return "its sequences are no range";
    if (file->user_min > file->user_max)
        return "its users are no range";
    if (file->rows == 0 && file->tombstones == 0)
        return "it holds nothing";
    if (file->begin_min > file->begin_max || file->begin_max > file->end_max)
        return "its times are no range";
    if (file->rows == 0 && (file->begin_min != 0 || file->begin_max != 0 || file->end_max != 0))
        return "it has times without rows";
    if (file->tombstone_begin > file->tombstone_end)
        return "the times of its tombstones are no range";
    if (file->tombstones == 0 && (file->tombstone_begin != 0 || file->tombstone_end != 0))
        return "it has times of tombstones without any";
    if (file->bytes == 0)
        return "it has no bytes";
    return NULL;
}

/* The sentence of a rule that a file breaks. */
static holter_status refuse(const struct manifest_file *file, holter_status broken,
                            const char *what, holter_error *err)
{
    char name[MANIFEST_FILE_NAME_BYTES];
    manifest_file_name(name, file->id);
    return error_set(err, broken,
                     "manifest: %s (class %u, tier %u, partition %lld, sequences %llu to %llu): %s",
                     name, (unsigned)file->class, (unsigned)file->tier, (long long)file->partition,
                     (unsigned long long)file->sequence_min, (unsigned long long)file->sequence_max,
                     what);
}

/* C2 between two files. */
static bool is_overlap(const struct manifest_file *a, const struct manifest_file *b)
{
    if (a->class != b->class)
        return false;
    if (!manifest_shares_time(a, (enum manifest_tier)b->tier, b->partition))
        return false;
    return a->sequence_min <= b->sequence_max && b->sequence_min <= a->sequence_max;
}

static holter_status add_file(struct manifest_counted *counted, const struct manifest_file *file,
                              holter_status broken, holter_error *err)
{
    struct manifest_version *version = &counted->version;
    const char *fault = manifest_file_fault(file);
    if (fault != NULL)
        return refuse(file, broken, fault, err);
    if (file->sequence_max >= version->flushed.sequence)
        return refuse(file, broken, "C1: it reaches beyond what is flushed", err);

    size_t at = version->file_count;
    for (size_t i = version->file_count; i-- > 0;) {
        const struct manifest_file *there = &version->files[i];
        if (memcmp(there->id, file->id, MANIFEST_ID_BYTES) == 0)
            return refuse(file, broken, "it is live already", err);
        if (is_overlap(there, file))
            return refuse(file, broken, "C2: its sequences overlap those of another file", err);
        if (manifest_file_compare(there, file) > 0)
            at = i;
    }
    void *grown = version->files;
    if (!core_grow(&grown, &counted->capacity, version->file_count + 1, sizeof *version->files))
        return error_set(err, HOLTER_NO_MEMORY, "manifest: memory for a version");
    version->files = grown;
    memmove(version->files + at + 1, version->files + at,
            (version->file_count - at) * sizeof *version->files);
    version->files[at] = *file;
    version->file_count++;
    return HOLTER_OK;
}

static bool remove_file(struct manifest_file *out, struct manifest_version *version,
                        const uint8_t id[static MANIFEST_ID_BYTES])
{
    for (size_t i = 0; i < version->file_count; i++) {
        if (memcmp(version->files[i].id, id, MANIFEST_ID_BYTES) != 0)
            continue;
        *out = version->files[i];
        version->file_count--;
        memmove(version->files + i, version->files + i + 1,
                (version->file_count - i) * sizeof *version->files);
        return true;
    }
    return false;
}

/* ---- the rules of a change ------------------------------------------------------------------- */

struct range {
    uint64_t min, max; /* inclusive; min > max: empty */
};

static int range_compare(const void *a, const void *b)
{
    const struct range *left = a;
    const struct range *right = b;
    return left->min < right->min ? -1 : left->min > right->min;
}

static bool is_place_before(const struct manifest_log_place *a, const struct manifest_log_place *b)
{
    return a->file < b->file || (a->file == b->file && a->offset < b->offset);
}

/* C1: the files that a flush adds cover [from, to) whole, or there are none. */
static holter_status check_flush(const struct manifest_change *change, uint64_t from, uint64_t to,
                                 holter_status broken, holter_error *err)
{
    holter_status status = HOLTER_OK;
    size_t count = 0;
    struct range *ranges = core_calloc(change->add_count + 1, sizeof *ranges);
    if (ranges == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "manifest: memory to check an edit");
    for (size_t i = 0; i < change->add_count; i++) {
        const struct manifest_file *file = &change->add[i];
        if (file->sequence_max < from)
            continue;
        if (file->sequence_min < from || file->sequence_max >= to) {
            status = refuse(file, broken, "C1: it is neither of what is flushed now nor of earlier",
                            err);
            goto done;
        }
        ranges[count++] = (struct range){ file->sequence_min, file->sequence_max };
    }
    if (count == 0)
        goto done;

    qsort(ranges, count, sizeof *ranges, range_compare);
    uint64_t covered = from;
    for (size_t i = 0; i < count && ranges[i].min <= covered; i++)
        if (ranges[i].max >= covered)
            covered = ranges[i].max + 1;
    if (covered != to)
        status = error_set(
            err, broken,
            "manifest: C1: the files of a flush of sequences %llu to %llu leave a gap at %llu",
            (unsigned long long)from, (unsigned long long)(to - 1), (unsigned long long)covered);
done:
    free(ranges);
    return status;
}

static holter_status check_places(const struct manifest_version *version,
                                  const struct manifest_change *change, holter_status broken,
                                  holter_error *err)
{
    const struct manifest_log_place *flushed = &change->flushed;
    if (change->has_flushed &&
        (flushed->file == 0 || flushed->sequence < version->flushed.sequence ||
         is_place_before(flushed, &version->flushed)))
        return error_set(
            err, broken,
            "manifest: C1: flushed goes back, from file %llu offset %llu sequence %llu to "
            "file %llu offset %llu sequence %llu",
            (unsigned long long)version->flushed.file, (unsigned long long)version->flushed.offset,
            (unsigned long long)version->flushed.sequence, (unsigned long long)flushed->file,
            (unsigned long long)flushed->offset, (unsigned long long)flushed->sequence);
    if (change->has_closed && (change->closed.file == 0 || change->closed.sequence == 0))
        return error_set(err, broken, "manifest: the log's closed end is no place");
    return HOLTER_OK;
}

holter_status manifest_change_apply(struct manifest_counted *counted,
                                    const struct manifest_change *change, holter_status broken,
                                    holter_error *err)
{
    struct manifest_version *version = &counted->version;
    struct range hull[MANIFEST_CLASSES];
    holter_status status = check_places(version, change, broken, err);
    if (status != HOLTER_OK)
        return status;
    uint64_t from = version->flushed.sequence;
    if (change->has_flushed)
        version->flushed = change->flushed;
    if (change->has_closed)
        version->closed = change->closed;
    status = check_flush(change, from, version->flushed.sequence, broken, err);
    if (status != HOLTER_OK)
        return status;

    for (size_t c = 0; c < MANIFEST_CLASSES; c++)
        hull[c] = (struct range){ .min = UINT64_MAX, .max = 0 };
    for (size_t i = 0; i < change->remove_count; i++) {
        struct manifest_file file;
        if (!remove_file(&file, version, change->remove[i])) {
            char name[MANIFEST_FILE_NAME_BYTES];
            manifest_file_name(name, change->remove[i]);
            return error_set(err, broken, "manifest: an edit removes %s, which is not live", name);
        }
        struct range *of_class = &hull[file.class];
        if (file.sequence_min < of_class->min)
            of_class->min = file.sequence_min;
        if (file.sequence_max > of_class->max)
            of_class->max = file.sequence_max;
    }
    for (size_t i = 0; i < change->add_count; i++) {
        const struct manifest_file *file = &change->add[i];
        if (change->remove_count > 0 && bsearch(file->id, change->remove, change->remove_count,
                                                MANIFEST_ID_BYTES, manifest_id_compare))
            return refuse(file, broken, "it is removed and added at once", err);
        if (file->class < MANIFEST_CLASSES && file->sequence_max < from &&
            (file->sequence_min < hull[file->class].min ||
             file->sequence_max > hull[file->class].max))
            return refuse(file, broken, "C2: it reaches beyond the files that it replaces", err);
        status = add_file(counted, file, broken, err);
        if (status != HOLTER_OK)
            return status;
    }
    return HOLTER_OK;
}

holter_status manifest_snapshot_apply(struct manifest_counted *counted,
                                      const struct manifest_change *change, holter_error *err)
{
    struct manifest_version *version = &counted->version;
    if (change->add_count > 0) {
        version->files = core_calloc(change->add_count, sizeof *version->files);
        if (version->files == NULL)
            return error_set(err, HOLTER_NO_MEMORY, "manifest: memory for a version");
        memcpy(version->files, change->add, change->add_count * sizeof *version->files);
        counted->capacity = change->add_count;
    }
    version->file_count = change->add_count;
    version->flushed = change->flushed;
    version->closed = change->closed;

    holter_error fault = { .status = HOLTER_OK };
    holter_status status = manifest_check(version, &fault);
    if (status == HOLTER_OK)
        return status;
    return error_set(err, status == HOLTER_INVALID ? HOLTER_CORRUPT : status, "%s", fault.message);
}

/* ---- the rules of a version ------------------------------------------------------------------ */

static holter_status check_ids(const struct manifest_version *version, holter_error *err)
{
    holter_status status = HOLTER_OK;
    size_t count = version->file_count;
    uint8_t(*ids)[MANIFEST_ID_BYTES] = core_calloc(count + 1, MANIFEST_ID_BYTES);
    if (ids == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "manifest: memory to check a version");
    for (size_t i = 0; i < count; i++)
        memcpy(ids[i], version->files[i].id, MANIFEST_ID_BYTES);
    qsort(ids, count, MANIFEST_ID_BYTES, manifest_id_compare);
    for (size_t i = 1; i < count && status == HOLTER_OK; i++)
        if (memcmp(ids[i - 1], ids[i], MANIFEST_ID_BYTES) == 0) {
            char name[MANIFEST_FILE_NAME_BYTES];
            manifest_file_name(name, ids[i]);
            status = error_set(err, HOLTER_INVALID, "manifest: %s is named twice", name);
        }
    free(ids);
    return status;
}

/*
 * C2 against the files [begin, end) of the same class and another tier, of one partition of it; they
 * are in order and disjoint.
 */
static bool overlaps_any(const struct manifest_file *files, size_t begin, size_t end,
                         int64_t partition, const struct manifest_file *file)
{
    while (begin < end) {
        const struct manifest_file *there = &files[begin + (end - begin) / 2];
        if (there->partition < partition ||
            (there->partition == partition && there->sequence_max < file->sequence_min))
            begin = (size_t)(there - files) + 1;
        else if (there->partition > partition || there->sequence_min > file->sequence_max)
            end = (size_t)(there - files);
        else
            return true;
    }
    return false;
}

/* Where the files of one class begin, which are in order, tier by tier. */
struct stretch {
    size_t hot, warm, cold;
};

/* C2 of the file at `index` against those of the tiers before its own. */
static bool overlaps_other_tiers(const struct manifest_file *files, const struct stretch *stretch,
                                 const struct manifest_file *file)
{
    if (is_hot(file))
        return false;
    if (overlaps_any(files, stretch->hot, stretch->warm, MANIFEST_HOT_PARTITION, file))
        return true;
    if (file->tier == TIER_WARM)
        return false;
    int64_t from = manifest_partition_from(TIER_COLD, file->partition);
    int64_t to = manifest_partition_to(TIER_COLD, file->partition);
    for (int64_t week = manifest_partition(TIER_WARM, from);
         week <= manifest_partition(TIER_WARM, to - 1); week++) {
        if (overlaps_any(files, stretch->warm, stretch->cold, week, file))
            return true;
    }
    return false;
}

static bool is_new_place(const struct manifest_log_place *place)
{
    return place->file == 0 && place->offset == 0;
}

holter_status manifest_check(const struct manifest_version *version, holter_error *err)
{
    const struct manifest_log_place *flushed = &version->flushed;
    const struct manifest_log_place *closed = &version->closed;
    if (flushed->sequence == 0 ||
        (flushed->file == 0 && (!is_new_place(flushed) || flushed->sequence != 1)))
        return error_set(err, HOLTER_INVALID, "manifest: flushed is no place in a log");
    if (closed->file == 0 ? !is_new_place(closed) || closed->sequence != 0 : closed->sequence == 0)
        return error_set(err, HOLTER_INVALID, "manifest: the log's closed end is no place");

    struct stretch stretch = { 0 };
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        const struct manifest_file *before = i == 0 ? NULL : file - 1;
        const char *fault = manifest_file_fault(file);
        if (fault == NULL && file->sequence_max >= flushed->sequence)
            fault = "C1: it reaches beyond what is flushed";
        if (fault == NULL && before != NULL && manifest_file_compare(before, file) >= 0)
            fault = "it is out of order";
        if (fault == NULL && before != NULL && before->tier == file->tier &&
            is_overlap(before, file))
            fault = "C2: its sequences overlap those of another file";
        if (before == NULL || before->class != file->class)
            stretch = (struct stretch){ i, i, i };
        if (file->tier <= TIER_HOT)
            stretch.warm = i + 1;
        if (file->tier <= TIER_WARM)
            stretch.cold = i + 1;
        if (fault == NULL && overlaps_other_tiers(version->files, &stretch, file))
            fault = "C2: its sequences overlap those of a file of another tier";
        if (fault != NULL)
            return refuse(file, HOLTER_INVALID, fault, err);
    }
    return check_ids(version, err);
}
