/*
 * shard_write.c -- a commit to one shard (D1): lock, refresh, seal, write, publish, answer, unlock.
 *
 * A user's part becomes one frame, or linked frames where it is too large for one. What was written
 * is kept decoded in the memtable: the rows of each frame are copied from the caller's columns,
 * chunk by chunk as they went into frames.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

/* Rows of one series in one frame. */
struct write_chunk {
    const struct wal_part *part;
    size_t first, count;
};

struct write_frame {
    size_t chunk_first, chunk_count;
    size_t body_offset, body_bytes; /* in bodies */
    const struct shard_part *part;
    uint32_t flags;
};

struct shard_write {
    struct shard *shard;
    struct wal_place place; /* before the write; after it, once it ended well */
    struct wal_write *wal_write;
    struct buffer bodies;
    struct wal_frame *frames;
    struct write_frame *plan;
    size_t frame_count, frame_capacity, plan_capacity;
    struct write_chunk *chunks;
    size_t chunk_count, chunk_capacity;
};

static void write_free(struct shard_write *write)
{
    buffer_release(&write->bodies);
    free(write->frames);
    free(write->plan);
    free(write->chunks);
    free(write);
}

/* Unlock, and free. */
static void write_leave(struct shard_write *write)
{
    struct shard *shard = write->shard;
    shard_give(shard, SHARD_LOCK_APPEND);
    io_mutex_unlock(shard->append_mutex);
    write_free(write);
}

/*
 * The lock is held: follow the log to its end, and see what another appender may have left there
 * (W2).
 */
static holter_status write_prepare(struct shard_write *write, holter_error *err)
{
    struct shard *shard = write->shard;
    uint64_t appender;
    io_mutex_lock(shard->mutex);
    holter_status status = shard_refresh(shard, true, NULL, err);
    io_mutex_unlock(shard->mutex);
    if (status != HOLTER_OK)
        return status;
    if (!shard_published_end(shard, &write->place, &appender))
        return error_set(err, HOLTER_IO, "'%s': the head page does not keep what is written to it",
                         shard->directory);
    if (appender == shard->appender)
        return HOLTER_OK; /* also where its last append failed: then the wal gave up the file */
    shard_name_holder(shard, SHARD_LOCK_APPEND);
    status = wal_take_over(shard->append_wal, &write->place, err);
    if (status != HOLTER_OK)
        return status;
    /*
     * Said before anything is appended: should that fail, nobody else takes the tail for their own
     * and untouched.
     */
    io_mutex_lock(shard->mutex);
    shard_publish_end(shard, &write->place);
    io_mutex_unlock(shard->mutex);
    return HOLTER_OK;
}

static holter_status write_begin(struct shard_write **out, struct shard *shard, int64_t deadline,
                                 holter_error *err)
{
    *out = NULL;
    if (!shard->spec.is_writable)
        return error_set(err, HOLTER_INVALID, "'%s': opened for reading only", shard->directory);
    struct shard_write *write = calloc(1, sizeof *write);
    if (write == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a commit", shard->directory);
    write->shard = shard;
    buffer_init(&write->bodies);
    if (!io_mutex_lock_until(shard->append_mutex, deadline)) {
        write_free(write);
        return error_set(err, HOLTER_BUSY, "'%s': another thread of this process holds the shard",
                         shard->directory);
    }
    holter_status status = shard_take(shard, SHARD_LOCK_APPEND, deadline, err);
    if (status != HOLTER_OK) {
        io_mutex_unlock(shard->append_mutex);
        write_free(write);
        return status;
    }
    status = write_prepare(write, err);
    if (status != HOLTER_OK) {
        write_leave(write);
        return status;
    }
    *out = write;
    return HOLTER_OK;
}

holter_status shard_write_begin(struct shard_write **out, struct shard *shard, holter_error *err)
{
    return write_begin(out, shard, shard_deadline(shard), err);
}

holter_status shard_write_snapshot(struct shard_snapshot **out, struct shard_write *write,
                                   holter_error *err)
{
    struct shard *shard = write->shard;
    io_mutex_lock(shard->mutex);
    holter_status status = shard_snapshot_make(out, shard, true, err);
    io_mutex_unlock(shard->mutex);
    return status;
}

/* What a row may take in a frame at most: ten bytes a varint, codec bytes aside. */
static size_t row_bytes_max(const struct columns *columns, size_t row)
{
    size_t bytes = 10 * (size_t)(4 + columns->schema.field_count);
    for (size_t f = 0; f < columns->schema.field_count; f++) {
        uint32_t text_bytes = 0;
        if (columns->schema.types[f] == FIELD_TEXT)
            columns_text(columns, f, row, &text_bytes);
        bytes += text_bytes;
    }
    return bytes;
}

/* How many rows from `first` on surely fit into `room`; 0: not one. */
static size_t rows_that_fit(const struct columns *columns, size_t first, size_t room)
{
    enum { SERIES_BYTES_MAX = 128 };
    size_t count = 0;
    if (room <= SERIES_BYTES_MAX)
        return 0;
    room -= SERIES_BYTES_MAX;
    while (first + count < columns->count && count < CODEC_ROWS_MAX) {
        size_t bytes = row_bytes_max(columns, first + count);
        if (bytes > room)
            break;
        room -= bytes;
        count++;
    }
    return count;
}

static bool plan_frame(struct shard_write *write, const struct shard_part *part, bool is_first)
{
    void *frames = write->frames;
    void *plan = write->plan;
    bool fits =
        core_grow(&frames, &write->frame_capacity, write->frame_count + 1, sizeof *write->frames);
    write->frames = frames;
    fits = fits &&
           core_grow(&plan, &write->plan_capacity, write->frame_count + 1, sizeof *write->plan);
    write->plan = plan;
    if (!fits)
        return false;
    if (!is_first)
        write->plan[write->frame_count - 1].flags |= WAL_LINK_MORE;
    write->plan[write->frame_count++] =
        (struct write_frame){ .chunk_first = write->chunk_count,
                              .part = part,
                              .body_offset = write->bodies.bytes,
                              .flags = is_first ? 0 : WAL_LINK_GOES_ON };
    wal_body_encode_begin(&write->bodies, is_first ? part->tombstones : NULL,
                          is_first ? part->tombstone_count : 0);
    return true;
}

static bool plan_chunk(struct shard_write *write, const struct wal_part *part, size_t first,
                       size_t count)
{
    void *chunks = write->chunks;
    if (!core_grow(&chunks, &write->chunk_capacity, write->chunk_count + 1, sizeof *write->chunks))
        return false;
    write->chunks = chunks;
    write->chunks[write->chunk_count++] =
        (struct write_chunk){ .part = part, .first = first, .count = count };
    write->plan[write->frame_count - 1].chunk_count++;
    wal_body_encode_rows(&write->bodies, part->metric, part->source, &part->columns, first, count);
    return true;
}

static void close_frame(struct shard_write *write)
{
    struct write_frame *frame = &write->plan[write->frame_count - 1];
    frame->body_bytes = write->bodies.bytes - frame->body_offset;
}

/* Encode one user's part as a frame, or as linked ones (W5). */
static holter_status plan_part(struct shard_write *write, const struct shard_part *part,
                               holter_error *err)
{
    size_t room = wal_frame_body_bytes_max(write->shard->append_wal);
    bool has_memory = plan_frame(write, part, true);
    if (has_memory && write->bodies.bytes - write->plan[write->frame_count - 1].body_offset > room)
        return error_set(
            err, HOLTER_INVALID,
            "user #%016llx: found %zu deletions in a commit, expected as many as a frame "
            "of %zu bytes holds",
            (unsigned long long)part->user, part->tombstone_count, room);
    for (size_t p = 0; has_memory && p < part->part_count; p++) {
        const struct wal_part *series = &part->parts[p];
        size_t first = 0;
        while (has_memory && first < series->columns.count) {
            const struct write_frame *frame = &write->plan[write->frame_count - 1];
            size_t used = write->bodies.bytes - frame->body_offset;
            core_assert(used <= room);
            size_t count = rows_that_fit(&series->columns, first, room - used);
            if (count > 0) {
                has_memory = plan_chunk(write, series, first, count);
                first += count;
                continue;
            }
            bool is_empty = frame->chunk_count == 0 &&
                            ((frame->flags & WAL_LINK_GOES_ON) != 0 || part->tombstone_count == 0);
            if (is_empty)
                return error_set(
                    err, HOLTER_INVALID,
                    "user #%016llx: a row is larger than a frame of the log holds (%zu bytes)",
                    (unsigned long long)part->user, room);
            close_frame(write);
            has_memory = plan_frame(write, part, false);
        }
    }
    if (!has_memory || write->bodies.failed)
        return error_set(err, HOLTER_NO_MEMORY, "user #%016llx: no memory to encode a commit",
                         (unsigned long long)part->user);
    close_frame(write);
    return HOLTER_OK;
}

holter_status shard_write_put(struct shard_write *write, const struct shard_part *parts,
                              size_t count, holter_error *err)
{
    struct shard *shard = write->shard;
    holter_status status = HOLTER_OK;
    for (size_t i = 0; i < count && status == HOLTER_OK; i++)
        status = plan_part(write, &parts[i], err);
    if (status != HOLTER_OK)
        return status;
    for (size_t i = 0; i < write->frame_count; i++) {
        const struct write_frame *plan = &write->plan[i];
        write->frames[i] = (struct wal_frame){ .user = plan->part->user,
                                               .key_generation = plan->part->key_generation,
                                               .key = plan->part->key,
                                               .body = write->bodies.data + plan->body_offset,
                                               .body_bytes = plan->body_bytes,
                                               .flags = plan->flags };
    }
    if (write->frame_count == 0)
        return HOLTER_OK;
    return wal_write_begin(&write->wal_write, shard->append_wal, &write->place, write->frames,
                           write->frame_count, shard->spec.arena, err);
}

struct io_op *shard_write_ops(struct shard_write *write, size_t *count)
{
    *count = 0;
    return write->wal_write == NULL ? NULL : wal_write_ops(write->wal_write, count);
}

/* The decoded body of a frame as it was written. */
static struct wal_body *copy_body(const struct shard_write *write, const struct write_frame *plan,
                                  uint64_t sequence)
{
    struct wal_body *body = calloc(1, sizeof *body);
    if (body == NULL)
        return NULL;
    bool is_first = (plan->flags & WAL_LINK_GOES_ON) == 0;
    size_t tombstone_count = is_first ? plan->part->tombstone_count : 0;
    body->tombstones = core_calloc(tombstone_count, sizeof *body->tombstones);
    body->parts = core_calloc(plan->chunk_count, sizeof *body->parts);
    if (body->tombstones == NULL || body->parts == NULL)
        goto failed;
    if (tombstone_count > 0)
        memcpy(body->tombstones, plan->part->tombstones,
               tombstone_count * sizeof *body->tombstones);
    body->tombstone_count = tombstone_count;
    for (size_t c = 0; c < plan->chunk_count; c++) {
        const struct write_chunk *chunk = &write->chunks[plan->chunk_first + c];
        struct wal_part *part = &body->parts[c];
        part->metric = chunk->part->metric;
        part->source = chunk->part->source;
        columns_init(&part->columns, &chunk->part->columns.schema);
        body->part_count = c + 1;
        if (!columns_append_rows(&part->columns, &chunk->part->columns, chunk->first, chunk->count))
            goto failed;
        for (size_t r = 0; r < chunk->count; r++)
            part->columns.sequence[r] = sequence;
    }
    return body;
failed:
    wal_body_release(body);
    free(body);
    return NULL;
}

/*
 * Take what was acknowledged into the memtable. Where there is no memory for it, the tail stays
 * behind, and the frames are read from the log.
 */
static void remember(struct shard_write *write, const struct wal_place *before)
{
    struct shard *shard = write->shard;
    uint64_t sequence = before->sequence;
    uint64_t first_sequence = sequence;
    if (shard->tail.sequence != before->sequence)
        return;
    for (size_t i = 0; i < write->frame_count; i++, sequence++) {
        const struct write_frame *plan = &write->plan[i];
        if ((plan->flags & WAL_LINK_GOES_ON) == 0)
            first_sequence = sequence;
        struct wal_frame_read read = { .sequence = sequence,
                                       .user = plan->part->user,
                                       .key_generation = plan->part->key_generation,
                                       .flags = plan->flags };
        struct memtable_frame *frame;
        struct wal_body *body = copy_body(write, plan, sequence);
        if (body == NULL ||
            memtable_frame_new(&frame, &read, first_sequence, body, NULL) != HOLTER_OK)
            break;
        holter_status status = memtable_add(shard->memtable, frame, NULL);
        memtable_frame_unref(frame);
        if (status != HOLTER_OK)
            break;
    }
    if (sequence == before->sequence + write->frame_count) {
        shard->tail = write->place;
        return;
    }
    memtable_truncate(shard->memtable, before->sequence); /* the tail stays where it was */
}

holter_status shard_write_end(struct shard_write *write, holter_error *err)
{
    struct shard *shard = write->shard;
    holter_status status = HOLTER_OK;
    if (write->wal_write != NULL) {
        struct wal_place before = write->place;
        status = wal_write_end(write->wal_write, &write->place, err);
        write->wal_write = NULL;
        if (status == HOLTER_OK) {
            shard->has_appended = true;
            io_mutex_lock(shard->mutex);
            shard_publish_end(shard, &write->place); /* W1 */
            remember(write, &before);
            io_mutex_unlock(shard->mutex);
        }
    }
    write_leave(write);
    return status;
}

void shard_write_abort(struct shard_write *write)
{
    if (write == NULL)
        return;
    if (write->wal_write != NULL)
        wal_write_abort(write->wal_write); /* its operations were not submitted */
    write_leave(write);
}

holter_status shard_write_mark(struct shard_write *write, struct wal_place *place)
{
    struct shard *shard = write->shard;
    holter_status status = wal_mark(shard->append_wal, &write->place, NULL);
    if (status == HOLTER_OK) {
        io_mutex_lock(shard->mutex);
        shard_publish_end(shard, &write->place);
        io_mutex_unlock(shard->mutex);
        shard->has_appended = false;
        *place = write->place;
    }
    write_leave(write);
    return status;
}

void shard_rest_log(struct shard *shard)
{
    struct shard_write *write;
    if (write_begin(&write, shard, 0, NULL) != HOLTER_OK)
        return;
    if (wal_rest(shard->append_wal, &write->place, NULL) == HOLTER_OK) {
        io_mutex_lock(shard->mutex);
        shard_publish_end(shard, &write->place);
        io_mutex_unlock(shard->mutex);
    }
    write_leave(write);
}

holter_status shard_find_end(struct shard *shard, holter_error *err)
{
    struct shard_write *write;
    holter_status status = shard_write_begin(&write, shard, err);
    if (status == HOLTER_OK)
        shard_write_abort(write);
    return status;
}
