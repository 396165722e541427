/*
 * shard_snapshot.c -- frozen views (D2): a pinned version, a memtable, an end of the log; and open
 * segments.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

struct segment_spec shard_segment_spec(struct shard *shard)
{
    struct segment_spec spec = { .io = shard->spec.io,
                                 .directory = shard->directory,
                                 .place = shard->spec.place,
                                 .is_sealed = shard->spec.is_sealed,
                                 .give_way = shard_give_way,
                                 .give_way_context = shard };
    memcpy(spec.store_id, shard->spec.store_id, sizeof spec.store_id);
    return spec;
}

holter_status shard_snapshot_make(struct shard_snapshot **out, struct shard *shard,
                                  bool is_appending, holter_error *err)
{
    *out = NULL;
    struct shard_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a snapshot", shard->directory);
    snapshot->shard = shard;
    holter_status status = shard_refresh(shard, is_appending, &snapshot->version, err);
    if (status != HOLTER_OK) {
        free(snapshot);
        return status;
    }
    snapshot->memtable = memtable_ref(shard->memtable);
    snapshot->end = shard->tail;
    *out = snapshot;
    return HOLTER_OK;
}

void shard_snapshot_drop(struct shard_snapshot *snapshot)
{
    manifest_unpin(snapshot->shard->manifest, snapshot->version);
    memtable_unref(snapshot->memtable);
    free(snapshot);
}

holter_status shard_snapshot_open(struct shard_snapshot **out, struct shard *shard,
                                  holter_error *err)
{
    holter_status status = HOLTER_DONE;
    for (int attempt = 0; status == HOLTER_DONE && attempt < 3; attempt++) {
        io_mutex_lock(shard->mutex);
        status = shard_snapshot_make(out, shard, false, err);
        io_mutex_unlock(shard->mutex);
        if (status == HOLTER_DONE) {
            holter_status found = shard_find_end(shard, err);
            if (found != HOLTER_OK)
                return found;
        }
    }
    if (status == HOLTER_DONE)
        return error_set(err, HOLTER_IO, "'%s': the head page does not keep what is written to it",
                         shard->directory);
    return status;
}

void shard_snapshot_close(struct shard_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    struct shard *shard = snapshot->shard;
    io_mutex_lock(shard->mutex);
    shard_snapshot_drop(snapshot);
    io_mutex_unlock(shard->mutex);
}

const struct manifest_version *shard_snapshot_version(const struct shard_snapshot *snapshot)
{
    return snapshot->version;
}

uint64_t shard_snapshot_end(const struct shard_snapshot *snapshot)
{
    return snapshot->end.sequence;
}

holter_status shard_snapshot_bookmark(struct wal_bookmark *out, struct shard_snapshot *snapshot,
                                      holter_error *err)
{
    struct shard *shard = snapshot->shard;
    io_mutex_lock(shard->mutex);
    holter_status status = wal_bookmark(out, shard->wal, &snapshot->end, err);
    io_mutex_unlock(shard->mutex);
    return status;
}

struct shard *shard_snapshot_shard(const struct shard_snapshot *snapshot)
{
    return snapshot->shard;
}

struct shard_outlines *shard_outlines_of(struct shard *shard)
{
    return shard->outlines;
}

const struct shard_spec *shard_spec_get(const struct shard *shard)
{
    return &shard->spec;
}

holter_status shard_snapshot_rows(struct memtable_rows *out, struct shard_snapshot *snapshot,
                                  uint64_t user, const struct memtable_filter *filter,
                                  holter_error *err)
{
    struct shard *shard = snapshot->shard;
    struct memtable_frame **frames = NULL;
    size_t count = 0;
    bool is_erased = false;

    /* Frames below the version's flushed place are in its files. */
    io_mutex_lock(shard->mutex);
    holter_status status =
        memtable_user(&frames, &count, snapshot->memtable, user,
                      snapshot->version->flushed.sequence, snapshot->end.sequence, filter, err);
    if (status == HOLTER_OK)
        status = shard_open_frames(shard, snapshot->memtable, frames, count, &is_erased, err);
    io_mutex_unlock(shard->mutex);

    if (status != HOLTER_OK || is_erased) {
        memtable_frames_free(frames, count);
        frames = NULL;
        count = 0;
    }
    return status == HOLTER_OK ? memtable_rows_gather(out, frames, count, filter, err) : status;
}

/* ---- open segments --------------------------------------------------------------------------- */

static void segment_evict(struct shard *shard)
{
    size_t oldest = SHARD_SEGMENTS_CACHED;
    for (size_t i = 0; i < shard->segment_count; i++) {
        const struct shard_segment_entry *entry = &shard->segments[i];
        if (entry->references == 0 &&
            (oldest == SHARD_SEGMENTS_CACHED || entry->used < shard->segments[oldest].used))
            oldest = i;
    }
    if (oldest == SHARD_SEGMENTS_CACHED)
        return;
    segment_close(shard->segments[oldest].segment);
    shard->segments[oldest] = shard->segments[--shard->segment_count];
}

holter_status shard_segment_open(struct segment **out, struct shard *shard,
                                 const struct manifest_file *file, holter_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < shard->segment_count; i++) {
        struct shard_segment_entry *entry = &shard->segments[i];
        if (memcmp(entry->id, file->id, sizeof entry->id) != 0)
            continue;
        entry->references++;
        entry->used = ++shard->segment_uses;
        *out = entry->segment;
        return HOLTER_OK;
    }
    struct segment_spec spec = shard_segment_spec(shard);
    struct segment *segment;
    holter_status status = segment_open(&segment, &spec, file->id, file->footer_hash, err);
    if (status == HOLTER_NOT_FOUND)
        return error_set(err, HOLTER_CORRUPT, "'%s': a segment that the manifest names is missing",
                         shard->directory);
    if (status != HOLTER_OK)
        return status;
    if (shard->segment_count == SHARD_SEGMENTS_CACHED)
        segment_evict(shard);
    if (shard->segment_count < SHARD_SEGMENTS_CACHED) {
        struct shard_segment_entry *entry = &shard->segments[shard->segment_count++];
        *entry = (struct shard_segment_entry){ .segment = segment,
                                               .references = 1,
                                               .used = ++shard->segment_uses };
        memcpy(entry->id, file->id, sizeof entry->id);
    } /* else all are in use: this one is closed when it is given back */
    *out = segment;
    return HOLTER_OK;
}

void shard_segment_give(struct shard *shard, struct segment *segment)
{
    for (size_t i = 0; i < shard->segment_count; i++) {
        if (shard->segments[i].segment == segment) {
            core_assert(shard->segments[i].references > 0);
            shard->segments[i].references--;
            return;
        }
    }
    segment_close(segment);
}

void shard_segments_forget(struct shard *shard)
{
    struct manifest_version *version = manifest_current(shard->manifest);
    for (size_t i = shard->segment_count; i-- > 0;) {
        struct shard_segment_entry *entry = &shard->segments[i];
        bool is_live = entry->references > 0;
        for (size_t f = 0; !is_live && f < version->file_count; f++)
            is_live = memcmp(version->files[f].id, entry->id, sizeof entry->id) == 0;
        if (is_live)
            continue;
        segment_close(entry->segment);
        *entry = shard->segments[--shard->segment_count];
    }
    manifest_version_unref(version);
}

holter_status shard_segment(struct segment **out, struct shard_snapshot *snapshot,
                            const struct manifest_file *file, holter_error *err)
{
    struct shard *shard = snapshot->shard;
    io_mutex_lock(shard->mutex);
    holter_status status = shard_segment_open(out, shard, file, err);
    io_mutex_unlock(shard->mutex);
    return status;
}

void shard_segment_release(struct shard_snapshot *snapshot, struct segment *segment)
{
    if (segment == NULL)
        return;
    struct shard *shard = snapshot->shard;
    io_mutex_lock(shard->mutex);
    shard_segment_give(shard, segment);
    io_mutex_unlock(shard->mutex);
}
