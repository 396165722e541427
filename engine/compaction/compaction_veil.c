/*
 * compaction_veil.c -- tombstones in a job: all that hide a row (C3), and which of them are still
 * needed (C4).
 *
 * A tombstone lies in the file of the partition in which its span begins (C6) and may hide rows of
 * any later one; so a job asks every live file of the class whose tombstones, by the manifest,
 * reach into its times. If it left one out whose sequence lies between those of its inputs, the
 * output, which knows its greatest sequence only (M4), would show again what was hidden.
 *
 * A tombstone without a revision hides, by M4, rows of files whose greatest sequence is below its
 * own. Rows of the log are all later than it, as the log begins where files end (C1). So once no
 * such file has rows of the user in its span, beside those that this very job rewrites without
 * them, it hides nothing and never will.
 */
#include "compaction_impl.h"

/* ---- other live files, opened as they are needed --------------------------------------------- */

static void close_one(struct compaction_job *job)
{
    while (job->live[job->live_evict].segment == NULL)
        job->live_evict = (job->live_evict + 1) % job->live_count;
    segment_close(job->live[job->live_evict].segment);
    job->live[job->live_evict].segment = NULL;
    job->live_open--;
}

/*
 * The user's place in a live file. HOLTER_NOT_FOUND, without a sentence: the user has none there.
 */
static holter_status find_user(struct segment_user *out, struct compaction_job *job,
                               struct compaction_live *live, uint64_t user, holter_error *err)
{
    if (live->segment == NULL) {
        if (job->live_open == COMPACTION_OPEN_MAX)
            close_one(job);
        holter_status status = compaction_segment_open(&live->segment, job, live->file, err);
        if (status != HOLTER_OK)
            return status;
        job->live_open++;
    }
    holter_error own = { 0 };
    holter_status status = segment_user_find(out, live->segment, job->queue, user, &own);
    if (status != HOLTER_OK && status != HOLTER_NOT_FOUND && err != NULL)
        *err = own;
    return status;
}

static bool has_user(const struct manifest_file *file, uint64_t user)
{
    return user >= file->user_min && user <= file->user_max;
}

/* ---- C3 -------------------------------------------------------------------------------------- */

static holter_status gather_from(struct compaction_job *job, struct compaction_live *live,
                                 uint64_t user, holter_error *err)
{
    struct compaction_key key = { 0 };
    struct segment_section *section = NULL;
    struct segment_user place;
    holter_status status = find_user(&place, job, live, user, err);
    if (status == HOLTER_NOT_FOUND) {
        status = HOLTER_OK;
        goto done;
    }
    if (status == HOLTER_OK)
        status = compaction_key_get(&key, job, user, place.key_generation, err);
    if (status == HOLTER_OK)
        status = segment_section_open(&section, live->segment, &place, job->queue, job->spec->arena,
                                      key.key, err);
    if (status != HOLTER_OK)
        goto done;

    const struct tombstones *tombstones = segment_section_tombstones(section);
    for (size_t i = 0; i < tombstones->count; i++) {
        const struct tombstone *one = &tombstones->at[i];
        if (one->begin >= job->to || one->end <= job->from)
            continue;
        if (!tombstones_add(&job->tombstones, one)) {
            status = error_set(err, HOLTER_NO_MEMORY, "compaction: tombstones of user #%016llx",
                               (unsigned long long)user);
            goto done;
        }
    }
done:
    segment_section_close(section);
    compaction_key_put(job, &key);
    return status;
}

holter_status compaction_veil_gather(struct compaction_job *job, uint64_t user, holter_error *err)
{
    for (size_t i = 0; i < job->live_count; i++) {
        struct compaction_live *live = &job->live[i];
        const struct manifest_file *file = live->file;
        if (live->is_at_hand || file->tombstones == 0 || !has_user(file, user) ||
            file->tombstone_begin >= job->to || file->tombstone_end <= job->from)
            continue;
        holter_status status = gather_from(job, live, user, err);
        if (status != HOLTER_OK)
            return status;
    }
    return HOLTER_OK;
}

/* ---- C4 -------------------------------------------------------------------------------------- */

/* *needed: a file that stays holds rows of the user which `one` may hide. */
static holter_status ask_whether_needed(bool *needed, struct compaction_job *job, uint64_t user,
                                        const struct tombstone *one, holter_error *err)
{
    *needed = true;
    if (one->revision != 0)
        return HOLTER_OK; /* rows of a lower revision may still come */
    for (size_t i = 0; i < job->live_count; i++) {
        struct compaction_live *live = &job->live[i];
        const struct manifest_file *file = live->file;
        if (live->is_input || file->rows == 0 || file->sequence_max >= one->sequence ||
            !has_user(file, user) || file->begin_min >= one->end || file->begin_max < one->begin)
            continue;
        struct segment_user place;
        holter_status status = find_user(&place, job, live, user, err);
        if (status == HOLTER_NOT_FOUND)
            continue;
        if (status != HOLTER_OK)
            return status;
        if (place.begin_min < one->end && place.begin_max >= one->begin)
            return HOLTER_OK;
    }
    *needed = false;
    return HOLTER_OK;
}

holter_status compaction_veil_drop(struct compaction_job *job, uint64_t user,
                                   struct tombstones *tombstones, holter_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < tombstones->count; i++) {
        bool needed = true;
        holter_status status = ask_whether_needed(&needed, job, user, &tombstones->at[i], err);
        if (status != HOLTER_OK)
            return status;
        if (needed)
            tombstones->at[kept++] = tombstones->at[i];
    }
    tombstones->count = kept;
    tombstones_coalesce(tombstones);
    return HOLTER_OK;
}
