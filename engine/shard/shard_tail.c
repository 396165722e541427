/*
 * shard_tail.c -- how a handle follows the log: what others appended, what was flushed, and
 * recovery.
 *
 * The end of the log is what the head page says. Where it says nothing in this boot (D4), a writer
 * finds the end in the files under the append lock, makes sure that all up to there is durable, and
 * publishes it; a reader takes what must be durable and publishes nothing.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>

enum {
    HEAD_CHECKS_MAX = 8, /* looks at a head page that others may publish to meanwhile */
    PREFIX_BYTES_MIN_DEFAULT = 256 << 10,
};

bool shard_published_end(struct shard_end *end, struct shard *shard)
{
    uint64_t words[HEAD_WORDS];
    if (shard->head == NULL || !head_read(shard->head, SHARD_HEAD_PAIR, words))
        return false;
    *end = (struct shard_end){ .place = { .file = words[SHARD_HEAD_FILE],
                                          .offset = words[SHARD_HEAD_OFFSET],
                                          .sequence = words[SHARD_HEAD_SEQUENCE] },
                               .appender = words[SHARD_HEAD_APPENDER],
                               .is_untouched = words[SHARD_HEAD_UNTOUCHED] == 1 };
    return true;
}

void shard_publish_end(struct shard *shard, const struct wal_place *place, bool is_untouched)
{
    uint64_t words[HEAD_WORDS] = { 0 };
    words[SHARD_HEAD_FILE] = place->file;
    words[SHARD_HEAD_OFFSET] = place->offset;
    words[SHARD_HEAD_SEQUENCE] = place->sequence;
    words[SHARD_HEAD_APPENDER] = shard->appender;
    words[SHARD_HEAD_UNTOUCHED] = is_untouched;
    head_publish(shard->head, SHARD_HEAD_PAIR, words);
}

static struct wal_place flushed_place(const struct manifest_version *version)
{
    return (struct wal_place){ .file = version->flushed.file,
                               .offset = version->flushed.offset,
                               .sequence =
                                   version->flushed.sequence > 0 ? version->flushed.sequence : 1 };
}

/*
 * The memtable is as large as what is read at once may become: it ends with the last part that ended between
 * two groups. False: none did yet.
 */
static bool cut_off(struct memtable *memtable, const struct wal_reader *reader,
                    const struct wal_place *from, struct wal_place *end)
{
    struct wal_bookmark whole = wal_reader_bookmark(reader);
    if (whole.place.sequence <= from->sequence)
        return false;
    memtable_truncate(memtable, whole.place.sequence);
    *end = whole.place;
    return true;
}

/*
 * Read the log by `spec` and add what is new to `memtable`, up to so many bytes, about; *end: the place after it. *is_torn is for
 * who reads all.
 */
static holter_status read_log(struct shard *shard, struct wal *wal, struct memtable *memtable,
                              const struct wal_read_spec *spec, uint64_t bytes_max,
                              struct wal_place *end, bool *is_torn, holter_error *err)
{
    struct wal_reader *reader = NULL;
    uint64_t first_sequence = 0;
    holter_status status = wal_reader_open(&reader, wal, spec, err);
    while (status == HOLTER_OK) {
        struct wal_frame_read frame;
        status = wal_reader_next(reader, &frame, err);
        if (status != HOLTER_OK)
            break;
        if ((frame.flags & WAL_LINK_GOES_ON) == 0)
            first_sequence = frame.sequence;
        struct memtable_frame *one;
        bool has_room = memtable_bytes(memtable) + frame.sealed_bytes < shard_memory_limit(shard);
        status = memtable_frame_new_tailed(&one, &frame, first_sequence, has_room, err);
        if (status != HOLTER_OK)
            break;
        status = memtable_add(memtable, one, err);
        memtable_frame_unref(one);
        if (status == HOLTER_OK && memtable_bytes(memtable) >= bytes_max &&
            cut_off(memtable, reader, &spec->from, end))
            break;
    }
    if (status == HOLTER_DONE) {
        *end = wal_reader_place(reader);
        *is_torn = wal_reader_tail_is_torn(reader);
        status = HOLTER_OK;
    }
    wal_reader_close(reader);
    return status;
}

static bool log_path(char out[static IO_PATH_BYTES_MAX], const struct shard *shard, uint64_t number)
{
    char name[MANIFEST_LOG_NAME_BYTES];
    manifest_log_name(name, number);
    return io_path_join(out, shard->directory, name, NULL, NULL);
}

/*
 * What was read may lie in the cache only, where the process that wrote it died in this boot (D4).
 */
static holter_status sync_log_file(struct shard *shard, uint64_t number, holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    struct io_file *file = NULL;
    if (!log_path(path, shard, number))
        return error_set(err, HOLTER_INVALID, "'%s': the path is too long", shard->directory);
    holter_status status = io_open(&file, shard->spec.io, path, IO_WRITABLE, err);
    if (status == HOLTER_OK)
        status = io_sync(shard->queue, file, err);
    io_close(file);
    if (status == HOLTER_OK) /* and its name: a flush may let the files before it go */
        status = io_sync_dir(shard->spec.io, shard->directory, err);
    return status;
}

/* Read from the flushed place on by W6, into a memtable of its own. */
static holter_status recover(struct shard *shard, const struct manifest_version *version,
                             bool is_appending, holter_error *err)
{
    struct memtable *memtable = NULL;
    struct wal_place end;
    bool is_torn = false;
    struct wal_place closed = { .file = version->closed.file,
                                .offset = version->closed.offset,
                                .sequence = version->closed.sequence };
    struct wal_place flushed = flushed_place(version);
    bool closed_counts = closed.file != 0 && closed.sequence >= flushed.sequence;
    struct wal_read_spec spec = {
        .from = flushed,
        .closed = closed_counts ? &closed : NULL,
        .covered_only = !is_appending,
    };
    holter_status status = memtable_new(&memtable, err);
    if (status != HOLTER_OK)
        return status;
    status = read_log(shard, shard->wal, memtable, &spec, UINT64_MAX, &end, &is_torn, err);
    if (status != HOLTER_OK)
        goto done;
    if (is_appending) {
        if (end.file != 0) {
            status = sync_log_file(shard, end.file, err);
            if (status != HOLTER_OK)
                goto done;
        }
        shard_publish_end(shard, &end, false);
    }
    memtable_unref(shard->memtable);
    shard->memtable = memtable;
    memtable = NULL;
    shard->tail = end;
done:
    memtable_unref(memtable);
    return status;
}

holter_status shard_drop_flushed(struct shard *shard, const struct manifest_version *version,
                                 holter_error *err)
{
    struct wal_place flushed = flushed_place(version);
    if (memtable_frame_count(shard->memtable) > 0 &&
        memtable_sequence_first(shard->memtable) < flushed.sequence) {
        struct memtable *after;
        holter_status status = memtable_after(&after, shard->memtable, flushed.sequence, err);
        if (status != HOLTER_OK)
            return status;
        memtable_unref(shard->memtable);
        shard->memtable = after;
    }
    /* Also where the sequences are equal: the file that the tail is in may be gone. */
    if (shard->tail.sequence <= flushed.sequence)
        shard->tail = flushed;
    return HOLTER_OK;
}

void shard_drop_flushed_by_others(struct shard *shard)
{
    if (manifest_refresh(shard->manifest, false, NULL) != HOLTER_OK)
        return;
    struct manifest_version *version = manifest_current(shard->manifest);
    (void)shard_drop_flushed(shard, version, NULL);
    manifest_version_unref(version);
}

static holter_status follow(struct shard *shard, const struct manifest_version *version,
                            bool is_appending, holter_error *err)
{
    struct shard_end end;
    bool is_published = shard_published_end(&end, shard);
    holter_status status = shard_drop_flushed(shard, version, err);
    if (status != HOLTER_OK)
        return status;
    if (!is_published && shard->spec.is_writable && !is_appending)
        return HOLTER_DONE;
    if (!is_published)
        return recover(shard, version, is_appending, err);
    if (end.place.sequence <= shard->tail.sequence) {
        if (end.place.sequence == shard->tail.sequence)
            shard->tail = end.place; /* marks and new files move the end, but add no frame */
        return HOLTER_OK;
    }
    struct wal_read_spec spec = { .from = shard->tail, .end = &end.place };
    bool is_torn;
    struct wal_place read_to;
    struct memtable *memtable = shard->memtable;
    status = read_log(shard, shard->wal, memtable, &spec, UINT64_MAX, &read_to, &is_torn, err);
    if (status != HOLTER_OK) {
        memtable_truncate(memtable, shard->tail.sequence); /* part of it was taken in */
        return status;
    }
    shard->tail = end.place;
    return HOLTER_OK;
}

holter_status shard_snapshot_shorten(struct shard_snapshot *snapshot, holter_error *err)
{
    struct shard *shard = snapshot->shard;
    struct memtable *memtable = NULL;
    struct wal *wal = NULL; /* of its own: commits and queries go on meanwhile */
    struct wal_place end;
    bool is_torn;
    struct wal_read_spec spec = { .from = flushed_place(snapshot->version), .end = &snapshot->end };
    uint64_t least = shard->spec.prefix_bytes_min > 0 ? shard->spec.prefix_bytes_min
                                                      : (uint64_t)PREFIX_BYTES_MIN_DEFAULT;
    uint64_t bytes = shard_memory_limit(shard) / 2;
    holter_status status = memtable_new(&memtable, err);
    if (status == HOLTER_OK)
        status = shard_wal_open(&wal, shard, false, err);
    if (status == HOLTER_OK)
        status = read_log(shard, wal, memtable, &spec, bytes > least ? bytes : least, &end,
                          &is_torn, err);
    wal_close(wal);
    if (status == HOLTER_OK) {
        struct memtable *all = snapshot->memtable;
        snapshot->memtable = memtable;
        if (end.sequence < snapshot->end.sequence) /* else marks and new files may follow */
            snapshot->end = end;
        memtable = all;
    }
    io_mutex_lock(shard->mutex);
    memtable_unref(memtable);
    io_mutex_unlock(shard->mutex);
    return status;
}

static holter_status check_head_page(struct shard *shard, holter_error *err)
{
    holter_status status = HOLTER_OK;
    if (shard->head == NULL)
        status = shard_open_head(shard, err);
    if (status == HOLTER_OK && shard->head != NULL)
        status = head_check_linked(shard->head, err); /* D7 */
    return status;
}

holter_status shard_refresh(struct shard *shard, bool is_appending,
                            struct manifest_version **version, holter_error *err)
{
    holter_status status = check_head_page(shard, err);
    if (status == HOLTER_OK)
        status = manifest_pin(version, shard->manifest, err);
    if (status != HOLTER_OK)
        return status;
    status = follow(shard, *version, is_appending, err);
    if (status != HOLTER_OK)
        manifest_unpin(shard->manifest, *version);
    return status;
}

holter_status shard_append_end(struct shard_end *end, struct shard *shard, holter_error *err)
{
    struct manifest_version *version;
    holter_status status = check_head_page(shard, err);
    if (status == HOLTER_OK && !shard_published_end(end, shard)) {
        status = shard_refresh(shard, true, &version, err);
        if (status == HOLTER_OK)
            manifest_unpin(shard->manifest, version);
        if (status == HOLTER_OK && !shard_published_end(end, shard))
            return error_set(err, HOLTER_IO,
                             "'%s': the head page does not keep what is written to it",
                             shard->directory);
    }
    if (status == HOLTER_OK && end->place.sequence == shard->tail.sequence)
        shard->tail = end->place;
    if (status == HOLTER_OK && memtable_bytes(shard->memtable) >= shard_memory_limit(shard))
        shard_drop_flushed_by_others(shard);
    return status;
}

/* ---- a head page that was put back ----------------------------------------------------------- */

/*
 * Appenders publish before they answer, and answer before the next group, whose watermark says so. Where
 * the end says that nothing follows, any frame does.
 */
static bool log_goes_on(struct shard *shard, const struct shard_end *end)
{
    struct wal_reader *reader = NULL;
    struct wal_read_spec spec = { .from = end->place, .covered_only = !end->is_untouched };
    struct wal_frame_read frame;
    holter_status status = wal_reader_open(&reader, shard->wal, &spec, NULL);
    if (status == HOLTER_OK)
        status = wal_reader_next(reader, &frame, NULL);
    wal_reader_close(reader);
    return status == HOLTER_OK; /* an error is told by whoever reads the log for its rows */
}

/* A file of the log stays until one after it has the end. */
static bool log_file_is_gone(struct shard *shard, const struct wal_place *end)
{
    char path[IO_PATH_BYTES_MAX];
    struct io_stat stat;
    return end->file != 0 && log_path(path, shard, end->file) &&
           io_stat(&stat, shard->spec.io, path, NULL) == HOLTER_NOT_FOUND;
}

static bool head_is_old(struct shard *shard)
{
    struct shard_end end, again;
    for (int attempt = 0; attempt < HEAD_CHECKS_MAX; attempt++) {
        if (!shard_published_end(&end, shard))
            return false;
        if (!log_goes_on(shard, &end) && !log_file_is_gone(shard, &end.place))
            return false;
        bool is_same =
            shard_published_end(&again, shard) && again.place.sequence == end.place.sequence &&
            again.place.file == end.place.file && again.place.offset == end.place.offset &&
            again.is_untouched == end.is_untouched;
        if (is_same)
            return true;
    } /* else somebody appends all the while, and publishes */
    return false;
}

holter_status shard_check_head(struct shard *shard, holter_error *err)
{
    if (!head_is_old(shard))
        return HOLTER_OK;
    if (!shard->spec.is_writable) {
        head_close(shard->head);
        shard->head = NULL;
        return HOLTER_OK;
    }
    int64_t deadline = shard_deadline(shard);
    holter_status status = shard_take(shard, SHARD_LOCK_MAINTENANCE, deadline, err);
    if (status != HOLTER_OK)
        return status;
    status = shard_take(shard, SHARD_LOCK_APPEND, deadline, err);
    if (status == HOLTER_OK) {
        if (head_is_old(shard)) {
            head_forget(shard->head, SHARD_HEAD_PAIR);
            head_forget(shard->head, MANIFEST_HEAD_PAIR);
        }
        shard_give(shard, SHARD_LOCK_APPEND);
    }
    shard_give(shard, SHARD_LOCK_MAINTENANCE);
    return status;
}

holter_status shard_frame_open(struct wal_body *out, struct shard *shard, struct wal *wal,
                               const struct wal_frame_read *frame, const struct crypto_key *key,
                               struct buffer *plain, holter_error *err)
{
    unsigned long long file = frame->file;
    unsigned long long offset = frame->offset;
    *out = (struct wal_body){ 0 };
    buffer_clear(plain);
    holter_status status = wal_frame_open(plain, wal, frame, shard->spec.arena, key, err);
    if (status != HOLTER_OK)
        return status;
    status = wal_body_decode(out, plain->data, plain->bytes, frame->sequence);
    if (status != HOLTER_OK)
        return error_set(err, status,
                         "'%s': log file %llu, offset %llu: a frame's body is not well formed",
                         shard->directory, file, offset);
    if ((frame->flags & WAL_LINK_GOES_ON) == 0 || out->tombstone_count == 0)
        return HOLTER_OK;
    wal_body_release(out);
    *out = (struct wal_body){ 0 };
    return error_set(
        err, HOLTER_CORRUPT,
        "'%s': log file %llu, offset %llu: found deletions in a frame that goes on with a part",
        shard->directory, file, offset);
}

/* A frame that was tailed, opened: *out is a new one with the body. */
static holter_status open_one(struct memtable_frame **out, struct shard *shard,
                              const struct memtable_frame *frame, const struct crypto_key *key,
                              struct buffer *scratch, struct buffer *plain, holter_error *err)
{
    struct wal_frame_read read;
    struct wal_body decoded;
    holter_status status = HOLTER_OK;
    if (frame->sealed != NULL)
        read = memtable_frame_sealed(frame);
    else
        status = wal_read_frame(&read, scratch, shard->wal, frame->file, frame->offset, err);
    if (status != HOLTER_OK)
        return status;
    if (read.sequence != frame->sequence || read.user != frame->user)
        return error_set(
            err, HOLTER_CORRUPT,
            "'%s': log file %llu, offset %llu: found another frame than was there before",
            shard->directory, (unsigned long long)frame->file, (unsigned long long)frame->offset);
    status = shard_frame_open(&decoded, shard, shard->wal, &read, key, plain, err);
    if (status != HOLTER_OK)
        return status;
    struct memtable_body body = { 0 };
    if (memtable_body_take(&body, plain->data, plain->bytes, &decoded))
        status = memtable_frame_new(out, &read, frame->first_sequence, &body, err);
    else
        status = error_set(err, HOLTER_NO_MEMORY, "log: no memory for a frame's body");
    memtable_body_release(&body);
    wal_body_release(&decoded);
    return status;
}

holter_status shard_open_frames(struct shard *shard, struct memtable *memtable,
                                struct memtable_frame **frames, size_t count, bool *is_erased,
                                holter_error *err)
{
    struct buffer scratch, plain;
    buffer_init(&scratch);
    buffer_init(&plain);
    holter_status status = HOLTER_OK;
    *is_erased = false;

    for (size_t i = 0; i < count && status == HOLTER_OK; i++) {
        if (frames[i]->is_open)
            continue;
        const struct crypto_key *key;
        uint32_t newest;
        status = shard->spec.keys.get(shard->spec.keys.context, frames[i]->user,
                                      frames[i]->key_generation, &key, &newest, err);
        if (status == HOLTER_EXPIRED) { /* D5 */
            *is_erased = true;
            status = HOLTER_OK;
            break;
        }
        if (status != HOLTER_OK)
            break;
        struct memtable_frame *opened;
        status = open_one(&opened, shard, frames[i], key, &scratch, &plain, err);
        shard->spec.keys.put(shard->spec.keys.context, key);
        if (status == HOLTER_OK) {
            if (memtable_bytes(memtable) + opened->bytes < shard_memory_limit(shard))
                memtable_keep(memtable, opened);
            memtable_frame_unref(frames[i]);
            frames[i] = opened;
        }
    }
    if (plain.data != NULL)
        crypto_wipe(plain.data, plain.capacity);
    buffer_release(&plain);
    buffer_release(&scratch);
    return status;
}
