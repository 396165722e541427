/*
 * shard_write.c -- what a commit puts into the log of one shard: its users' parts as frames.
 *
 * A part becomes one frame, or linked frames where it is too large for one. All is copied: a write
 * needs nothing of its caller's while it waits in line (shard_line.c). The memtable's frame is made at
 * once, and gets its sequence when it is written.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

holter_status shard_write_new(struct shard_write **out, struct shard *shard, holter_error *err)
{
    *out = NULL;
    if (!shard->spec.is_writable)
        return error_set(err, HOLTER_INVALID, "'%s': opened for reading only", shard->directory);
    struct shard_write *write = calloc(1, sizeof *write);
    if (write == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a commit", shard->directory);
    write->shard = shard;
    write->deadline_ns = shard_deadline(shard);
    buffer_init(&write->bodies);
    *out = write;
    return HOLTER_OK;
}

void shard_write_free(struct shard_write *write)
{
    if (write == NULL)
        return;
    for (size_t i = 0; i < write->frame_count; i++)
        memtable_frame_unref(write->frames[i].memory);
    memtable_body_release(&write->filling);
    buffer_release(&write->bodies);
    free(write->frames);
    io_signal_free(write->own_signal);
    free(write);
}

/* What a row may take in a frame at most: ten bytes a varint, codec bytes and texts aside .. */
static size_t numbers_bytes_max(const struct columns *columns)
{
    return 10 * (size_t)(4 + columns->schema.field_count);
}

/* .. and with its texts. */
static size_t row_bytes_max(const struct columns *columns, size_t row)
{
    size_t bytes = numbers_bytes_max(columns);
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
    if (columns->text.bytes == 0) {
        count = room / numbers_bytes_max(columns);
        count = count < CODEC_ROWS_MAX ? count : CODEC_ROWS_MAX;
        return count < columns->count - first ? count : columns->count - first;
    }
    while (first + count < columns->count && count < CODEC_ROWS_MAX) {
        size_t bytes = row_bytes_max(columns, first + count);
        if (bytes > room)
            break;
        room -= bytes;
        count++;
    }
    return count;
}

/* The frame that is filled. */
static struct write_frame *last_frame(struct shard_write *write)
{
    return &write->frames[write->frame_count - 1];
}

static bool begin_frame(struct shard_write *write, const struct shard_part *part, size_t part_index,
                        bool is_first)
{
    void *frames = write->frames;
    if (!core_grow(&frames, &write->frame_capacity, write->frame_count + 1, sizeof *write->frames))
        return false;
    write->frames = frames;
    if (!is_first)
        last_frame(write)->flags |= WAL_LINK_MORE;
    size_t tombstone_count = is_first ? part->tombstone_count : 0;
    struct write_frame *frame = &write->frames[write->frame_count++];
    *frame = (struct write_frame){ .user = part->user,
                                   .part = part_index,
                                   .body_offset = write->bodies.bytes,
                                   .flags = is_first ? 0 : WAL_LINK_GOES_ON };
    memtable_body_clear(&write->filling);
    write->filling.has_deletions = tombstone_count > 0;
    wal_body_encode_begin(&write->bodies, part->tombstones, tombstone_count);
    return true;
}

/* Rows of one series go into the frame. */
static bool add_rows(struct shard_write *write, const struct wal_part *part, size_t first,
                     size_t count)
{
    size_t offset = write->bodies.bytes - last_frame(write)->body_offset;
    wal_body_encode_rows(&write->bodies, part->metric, part->source, &part->columns, first, count);
    return !write->bodies.failed && memtable_body_add(&write->filling, offset, part, first, count);
}

/* Its sequences are those of the log, once it is written. */
static holter_status end_frame(struct shard_write *write, holter_error *err)
{
    struct write_frame *frame = last_frame(write);
    struct wal_frame_read read = { .user = frame->user };
    if (write->bodies.failed)
        return error_set(err, HOLTER_NO_MEMORY, "user #%016llx: no memory to encode a commit",
                         (unsigned long long)frame->user);
    frame->body_bytes = write->bodies.bytes - frame->body_offset;
    write->filling.bytes = write->bodies.data + frame->body_offset;
    write->filling.count = frame->body_bytes;
    write->log_bytes += wal_frame_bytes(frame->body_bytes);
    return memtable_frame_new(&frame->memory, &read, 0, &write->filling, err);
}

/* Encode one user's part as a frame, or as linked ones (W5). */
static holter_status put_part(struct shard_write *write, const struct shard_part *part,
                              size_t part_index, holter_error *err)
{
    size_t room = wal_frame_body_bytes_max(write->shard->append_wal);
    bool has_memory = begin_frame(write, part, part_index, true);
    if (has_memory && !write->bodies.failed &&
        write->bodies.bytes - last_frame(write)->body_offset > room)
        return error_set(
            err, HOLTER_INVALID,
            "user #%016llx: found %zu deletions in a commit, expected as many as a frame "
            "of %zu bytes holds",
            (unsigned long long)part->user, part->tombstone_count, room);
    for (size_t p = 0; has_memory && p < part->part_count; p++) {
        const struct wal_part *series = &part->parts[p];
        size_t first = 0;
        while (has_memory && first < series->columns.count) {
            const struct write_frame *frame = last_frame(write);
            size_t used = write->bodies.bytes - frame->body_offset;
            core_assert(used <= room);
            size_t count = rows_that_fit(&series->columns, first, room - used);
            if (count > 0) {
                has_memory = add_rows(write, series, first, count);
                first += count;
                continue;
            }
            bool is_empty = write->filling.part_count == 0 &&
                            ((frame->flags & WAL_LINK_GOES_ON) != 0 || part->tombstone_count == 0);
            if (is_empty)
                return error_set(
                    err, HOLTER_INVALID,
                    "user #%016llx: a row is larger than a frame of the log holds (%zu bytes)",
                    (unsigned long long)part->user, room);
            holter_status status = end_frame(write, err);
            if (status != HOLTER_OK)
                return status;
            has_memory = begin_frame(write, part, part_index, false);
        }
    }
    if (!has_memory)
        return error_set(err, HOLTER_NO_MEMORY, "user #%016llx: no memory to encode a commit",
                         (unsigned long long)part->user);
    return end_frame(write, err);
}

holter_status shard_write_put(struct shard_write *write, struct shard_part *parts, size_t count,
                              holter_error *err)
{
    holter_status status = HOLTER_OK;
    core_assert(write->frame_count == 0);
    for (size_t i = 0; i < count && status == HOLTER_OK; i++) {
        parts[i].status = HOLTER_OK;
        status = put_part(write, &parts[i], i, err);
    }
    write->parts = parts;
    write->part_count = count;
    if (status == HOLTER_OK && write->has_lock)
        status = shard_write_seal(write, err);
    return status;
}

size_t shard_write_bytes(const struct shard_write *write)
{
    size_t bytes = sizeof *write + write->bodies.capacity;
    for (size_t i = 0; i < write->frame_count; i++)
        bytes += sizeof *write->frames + write->frames[i].memory->bytes;
    return bytes;
}
