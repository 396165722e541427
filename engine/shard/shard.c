/*
 * shard.c -- one slice of users: making, opening and closing it. The map of the room is in
 * shard_impl.h.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

enum { LOCK_FILE_BYTES = 2 * CORE_PAGE_BYTES };

static holter_status shard_path(char out[static IO_PATH_BYTES_MAX], const char *directory,
                                const char *name, holter_error *err)
{
    if (io_path_join(out, directory, name, NULL, NULL))
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%s': the path is too long", directory);
}

static struct manifest_spec manifest_spec_of(const struct shard_spec *spec,
                                             struct io_file *lock_file, struct head *head)
{
    struct manifest_spec of = { .io = spec->io,
                                .directory = spec->directory,
                                .lock_file = lock_file,
                                .head = head,
                                .statistics = spec->statistics,
                                .place = spec->place };
    memcpy(of.store_id, spec->store_id, sizeof of.store_id);
    return of;
}

/* What a crash left of an earlier attempt is taken over: nothing of it was in use. */
holter_status shard_create(const struct shard_spec *spec, holter_error *err)
{
    static const uint8_t zeros[LOCK_FILE_BYTES];
    char path[IO_PATH_BYTES_MAX];
    struct manifest_spec manifest = manifest_spec_of(spec, NULL, NULL);
    holter_status status = io_make_dir(spec->io, spec->directory, err);
    if (status != HOLTER_OK && status != HOLTER_EXISTS)
        return status;
    status = shard_path(path, spec->directory, "lock", err);
    if (status == HOLTER_OK)
        status = io_write_file(spec->io, path, zeros, sizeof zeros, 0, err);
    if (status != HOLTER_OK)
        return status;
    static const char *const copies[] = { "manifest.a", "manifest.b" };
    for (size_t i = 0; i < CORE_COUNT(copies); i++) {
        status = shard_path(path, spec->directory, copies[i], err);
        if (status == HOLTER_OK)
            status = io_unlink(spec->io, path, err);
        if (status != HOLTER_OK && status != HOLTER_NOT_FOUND)
            return status;
    }
    status = manifest_create(&manifest, err);
    if (status != HOLTER_OK)
        return status;
    return io_sync_dir(spec->io, spec->directory, err);
}

holter_status shard_open_head(struct shard *shard, holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    holter_status status = shard_path(path, shard->directory, "head", err);
    if (status != HOLTER_OK)
        return status;
    status = head_open(&shard->head, shard->spec.io, path, shard->spec.store_id, shard->spec.place,
                       shard->spec.is_writable, err);
    if (status == HOLTER_NOT_FOUND && !shard->spec.is_writable)
        return HOLTER_OK;
    if (status == HOLTER_OK)
        status = shard_check_head(shard, err);
    if (status == HOLTER_OK && shard->manifest != NULL)
        manifest_follow(shard->manifest, shard->head);
    return status;
}

/* At the published version; where the head page says nothing, a writer mends and publishes. */
static holter_status open_manifest(struct shard *shard, holter_error *err)
{
    uint64_t words[HEAD_WORDS];
    struct manifest_spec spec = manifest_spec_of(&shard->spec, shard->lock_file, shard->head);
    bool is_published = shard->head != NULL && head_read(shard->head, MANIFEST_HEAD_PAIR, words);
    if (is_published || !shard->spec.is_writable)
        return manifest_open(&shard->manifest, &spec, false, err);
    holter_status status = shard_take(shard, SHARD_LOCK_MAINTENANCE, shard_deadline(shard), err);
    if (status != HOLTER_OK)
        return status;
    shard_name_holder(shard, SHARD_LOCK_MAINTENANCE);
    is_published = head_read(shard->head, MANIFEST_HEAD_PAIR, words); /* by who was faster */
    status = manifest_open(&shard->manifest, &spec, !is_published, err);
    shard_give(shard, SHARD_LOCK_MAINTENANCE);
    return status;
}

static struct io_file *take_spare(void *context)
{
    struct shard *shard = context;
    return atomic_exchange(&shard->spare.made, NULL);
}

holter_status shard_wal_open(struct wal **out, struct shard *shard, bool reads_kept,
                             holter_error *err)
{
    struct wal_spec spec = { .io = shard->spec.io,
                             .directory = shard->directory,
                             .place = shard->spec.place,
                             .is_sealed = shard->spec.is_sealed,
                             .file_bytes = shard->spec.log_file_bytes,
                             .reads_kept = reads_kept,
                             .take_spare = take_spare,
                             .spare_context = shard };
    memcpy(spec.store_id, shard->spec.store_id, sizeof spec.store_id);
    return wal_open(out, &spec, err);
}

static holter_status open_parts(struct shard *shard, holter_error *err)
{
    struct io *io = shard->spec.io;
    char path[IO_PATH_BYTES_MAX];
    holter_status status = io_mutex_new(&shard->maintenance_mutex, io, err);
    if (status == HOLTER_OK)
        status = shard_line_init(&shard->line, io, err);
    if (status == HOLTER_OK)
        status = io_mutex_new(&shard->mutex, io, err);
    if (status == HOLTER_OK)
        status = io_queue_open(&shard->queue, io, SHARD_QUEUE_DEPTH, err);
    if (status == HOLTER_OK)
        status = io_queue_open(&shard->job_queue, io, SHARD_QUEUE_DEPTH, err);
    if (status == HOLTER_OK)
        status = io_queue_open(&shard->append_queue, io, SHARD_QUEUE_DEPTH, err);
    if (status == HOLTER_OK)
        status = io_random(io, &shard->appender, sizeof shard->appender, err);
    if (status == HOLTER_OK)
        status = shard_path(path, shard->directory, "lock", err);
    if (status == HOLTER_OK)
        status =
            io_open(&shard->lock_file, io, path, shard->spec.is_writable ? IO_WRITABLE : 0, err);
    if (status == HOLTER_OK)
        status = shard_wal_open(&shard->wal, shard, false, err);
    if (status == HOLTER_OK && shard->spec.is_writable)
        status = shard_wal_open(&shard->append_wal, shard, false, err);
    if (status == HOLTER_OK)
        status = shard_open_head(shard, err);
    if (status == HOLTER_OK)
        status = open_manifest(shard, err);
    if (status == HOLTER_OK)
        status = memtable_new(&shard->memtable, err);
    uint64_t outline_bytes = shard->spec.outline_bytes_max;
    if (status == HOLTER_OK)
        status = shard_outlines_new(&shard->outlines, io,
                                    outline_bytes > 0 ? outline_bytes : SHARD_OUTLINE_BYTES_DEFAULT,
                                    err);
    return status;
}

static void shard_free(struct shard *shard)
{
    if (shard == NULL)
        return;
    shard_outlines_free(shard->outlines);
    for (size_t i = 0; i < shard->segment_count; i++)
        segment_close(shard->segments[i].segment);
    memtable_unref(shard->memtable);
    wal_close(shard->wal);
    wal_close(shard->append_wal);
    manifest_close(shard->manifest);
    head_close(shard->head);
    io_close(take_spare(shard));
    io_close(shard->lock_file);
    io_queue_close(shard->append_queue);
    io_queue_close(shard->job_queue);
    io_queue_close(shard->queue);
    io_mutex_free(shard->mutex);
    shard_line_release(&shard->line);
    io_mutex_free(shard->maintenance_mutex);
    free(shard->directory);
    free(shard);
}

holter_status shard_open(struct shard **out, const struct shard_spec *spec, holter_error *err)
{
    *out = NULL;
    holter_status status;
    struct shard *shard = calloc(1, sizeof *shard);
    if (shard == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a handle", spec->directory);
    shard->spec = *spec;
    shard->directory = strdup(spec->directory);
    if (shard->directory == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a handle", spec->directory);
        goto done;
    }
    shard->spec.directory = shard->directory;
    shard->self = io_process_self(spec->io);
    status = open_parts(shard, err);
    if (status != HOLTER_OK)
        goto done;

    /* The first opener after a start of the machine finds the log's end and publishes it (D4). */
    struct shard_end end;
    if (spec->is_writable && !shard_published_end(&end, shard))
        status = shard_find_end(shard, err);
    if (status != HOLTER_OK)
        goto done;
    *out = shard;
    shard = NULL;
done:
    shard_free(shard);
    return status;
}

/* Nothing that the log holds before its end could be missed. */
static bool is_flushed(struct shard *shard, const struct wal_place *end)
{
    io_mutex_lock(shard->mutex);
    struct manifest_version *version = manifest_current(shard->manifest);
    bool is = end->sequence <= version->flushed.sequence;
    manifest_version_unref(version);
    io_mutex_unlock(shard->mutex);
    return is;
}

/*
 * Mark the log's end and note it in the manifest, so that a log that is cut later is found to be.
 */
static void close_cleanly(struct shard *shard)
{
    struct shard_write *write;
    struct wal_place place = { 0 };
    if (!shard->has_appended)
        return;
    /*
     * Nobody waits for a courtesy: where a lock is taken, another handle is there to do it later.
     */
    shard->spec.lock_wait_ns = 1;
    if (shard_write_begin(&write, shard, NULL) != HOLTER_OK)
        return;
    if (is_flushed(shard, &write->place)) {
        shard_write_abort(write);
        return;
    }
    holter_status status = shard_write_mark(write, &place);
    if (status != HOLTER_OK || shard_maintenance_begin(shard, false, NULL) != HOLTER_OK)
        return;
    struct manifest_edit edit = {
        .closed = { .file = place.file, .offset = place.offset, .sequence = place.sequence }
    };
    io_mutex_lock(shard->mutex);
    (void)manifest_commit(shard->manifest, &edit, NULL);
    io_mutex_unlock(shard->mutex);
    shard_maintenance_end(shard);
}

void shard_close(struct shard *shard)
{
    if (shard == NULL)
        return;
    if (shard->spec.is_writable)
        close_cleanly(shard);
    shard_free(shard);
}

void shard_abandon(struct shard *shard)
{
    struct io_file *spare = atomic_load(&shard->spare.made);
    if (spare != NULL)
        io_abandon(spare); /* its bytes go with the parent's */
    io_abandon(shard->lock_file);
}
