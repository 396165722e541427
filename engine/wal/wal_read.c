/*
 * wal_read.c -- the reader: frames from a place on, up to the durable end or to where recovery
 * finds the end.
 *
 * Recovery walks the log twice: once to find its end, so that every question of torn tails,
 * covered frames and missing links is settled first, and then as if that end had been told.
 *
 * Bytes: format-spec/log.md, "Where the log ends". Tests: tests/unit/test_wal_recover.c.
 */
#include "wal_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct wal_reader {
    struct wal_walk walk;
    struct wal_place end;
    bool is_torn;
    struct wal_group group;     /* at hand */
    size_t frames_left;         /* of it */
    size_t position;            /* of the next one in it; 0: the first */
    struct wal_bookmark before; /* the group at hand, or the one where the part under way begins */
};

static bool is_same_place(const struct wal_place *a, const struct wal_place *b)
{
    return a->file == b->file && a->offset == b->offset;
}

/*
 * Every frame up to *cover was synced, as some group, header or clean close says. *end: after the
 * last whole group.
 */
static holter_status find_whole_end(struct wal_place *end, uint64_t *cover, struct wal_walk *walk,
                                    const struct wal_read_spec *spec, holter_error *err)
{
    struct wal_group group;
    holter_status status;

    *cover = walk->count > 0 ? walk->files[walk->count - 1].header.first_sequence - 1 : 0;
    if (spec->from.sequence > 0 && spec->from.sequence - 1 > *cover)
        *cover = spec->from.sequence - 1;
    if (spec->closed != NULL && spec->closed->file != 0 && spec->closed->sequence > *cover + 1)
        *cover = spec->closed->sequence - 1;
    while ((status = wal_walk_next(&group, walk, err)) == HOLTER_OK) {
        if (group.header.watermark > *cover)
            *cover = group.header.watermark;
    }
    if (status != HOLTER_DONE)
        return status;
    *end = walk->is_linked ? walk->linked_begin : wal_walk_place(walk); /* W5 */
    return HOLTER_OK;
}

/* Before the first group with a frame that is not covered. */
static holter_status find_covered_end(struct wal_place *end, struct wal_walk *walk,
                                      const struct wal_place *from, uint64_t cover,
                                      holter_error *err)
{
    struct wal_place whole = *end;
    wal_walk_restart(walk, from, &whole);
    *end = wal_walk_place(walk);
    for (;;) {
        struct wal_group group;
        holter_status status = wal_walk_next(&group, walk, err);
        if (status != HOLTER_OK && status != HOLTER_DONE)
            return status;
        if (status == HOLTER_DONE || walk->sequence - 1 > cover)
            break;
        if (!walk->is_linked)
            *end = wal_walk_place(walk);
    }
    return HOLTER_OK;
}

/* A log that was closed cleanly at a place is no shorter now. */
static holter_status check_closed(const struct wal_walk *walk, const struct wal_place *end,
                                  const struct wal_read_spec *spec, holter_error *err)
{
    const struct wal_place *closed = spec->closed;
    if (closed == NULL || closed->file == 0)
        return HOLTER_OK;
    bool is_reached = end->sequence >= closed->sequence;
    if (closed->file >= spec->from.file) {
        bool is_found = false;
        for (size_t i = 0; i < walk->count; i++) {
            const struct wal_walk_file *file = &walk->files[i];
            if (file->header.number != closed->file)
                continue;
            bool is_last = file->header.number == end->file;
            is_found = closed->offset <= (is_last ? end->offset : file->limit);
        }
        is_reached = is_reached && is_found && end->file >= closed->file;
    }
    if (is_reached)
        return HOLTER_OK;
    return error_set(err, HOLTER_CORRUPT,
                     "log '%s', file %" PRIu64 ": at offset %" PRIu64
                     " found the end before sequence %" PRIu64
                     ", expected it no earlier than file %" PRIu64 ", offset %" PRIu64
                     ", sequence %" PRIu64,
                     walk->wal->directory, end->file, end->offset, end->sequence, closed->file,
                     closed->offset, closed->sequence);
}

/*
 * The newest file was written in an earlier boot: what is read of it lies on the disk, as far as it
 * is whole. (A writer begins a file of its own in each boot, so a file is of one boot.)
 */
static holter_status boot_is_over(bool *is_over, const struct wal_walk *walk, holter_error *err)
{
    uint8_t boot_id[IO_BOOT_ID_BYTES];
    holter_status status = io_boot_id(walk->wal->io, boot_id, err);
    if (status == HOLTER_OK)
        *is_over =
            memcmp(walk->files[walk->count - 1].header.boot_id, boot_id, sizeof boot_id) != 0;
    return status;
}

static holter_status find_end(struct wal_place *end, bool *torn, struct wal_walk *walk,
                              const struct wal_read_spec *spec, holter_error *err)
{
    uint64_t cover;
    holter_status status = find_whole_end(end, &cover, walk, spec, err);
    if (status != HOLTER_OK)
        return status;
    struct wal_place walked = wal_walk_place(walk);
    bool is_torn = walk->is_torn;
    bool is_over = true;
    if (walk->count > 0 && spec->covered_only)
        status = boot_is_over(&is_over, walk, err);
    if (status == HOLTER_OK && !is_over)
        status = find_covered_end(end, walk, &spec->from, cover, err);
    if (status == HOLTER_OK)
        status = check_closed(walk, end, spec, err);
    if (status != HOLTER_OK)
        return status;
    *torn = is_torn || !is_same_place(end, &walked);
    return HOLTER_OK;
}

static struct wal_bookmark bookmark_at(const struct wal_walk *walk)
{
    struct wal_place place = wal_walk_place(walk);
    return wal_bookmark_in(&walk->files[walk->index].header, &place);
}

holter_status wal_reader_open(struct wal_reader **out, struct wal *wal,
                              const struct wal_read_spec *spec, holter_error *err)
{
    *out = NULL;
    struct wal_reader *reader = core_calloc(1, sizeof *reader);
    if (reader == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory for a reader", wal->directory);

    holter_status status = HOLTER_OK;
    if (spec->end != NULL && is_same_place(spec->end, &spec->from) &&
        spec->end->sequence == spec->from.sequence) {
        reader->end = *spec->end; /* nothing new, and nothing to look at */
        goto opened;
    }
    status = wal_walk_init(&reader->walk, wal, &spec->from, spec->end, err);
    if (status != HOLTER_OK)
        goto done;
    if (spec->end != NULL) {
        reader->end = *spec->end;
    } else {
        status = find_end(&reader->end, &reader->is_torn, &reader->walk, spec, err);
        if (status != HOLTER_OK)
            goto done;
        wal_walk_restart(&reader->walk, &spec->from, &reader->end);
    }
opened:
    reader->before.place = spec->from;
    if (reader->walk.count > 0)
        reader->before = bookmark_at(&reader->walk);
    *out = reader;
    reader = NULL;
done:
    wal_reader_close(reader);
    return status;
}

void wal_reader_close(struct wal_reader *reader)
{
    if (reader == NULL)
        return;
    wal_walk_release(&reader->walk);
    free(reader);
}

holter_status wal_reader_next(struct wal_reader *reader, struct wal_frame_read *frame,
                              holter_error *err)
{
    struct wal_walk *walk = &reader->walk;
    while (reader->frames_left == 0) {
        reader->before = wal_reader_bookmark(reader);
        holter_status status = wal_walk_next(&reader->group, walk, err);
        if (status == HOLTER_DONE && walk->is_linked)
            return error_set(
                err, HOLTER_CORRUPT,
                "log '%s', file %" PRIu64 ": at offset %" PRIu64
                " found linked frames without their last one before the end of the log",
                walk->wal->directory, walk->linked_begin.file, walk->linked_begin.offset);
        if (status != HOLTER_OK)
            return status;
        reader->frames_left = reader->group.header.frame_count;
        reader->position = 0;
    }
    *frame = wal_group_frame(&reader->group, &reader->position, &walk->files[walk->index].header);
    reader->frames_left--;
    return HOLTER_OK;
}

struct wal_bookmark wal_reader_bookmark(const struct wal_reader *reader)
{
    bool is_between = reader->frames_left == 0 && !reader->walk.is_linked && reader->walk.count > 0;
    return is_between ? bookmark_at(&reader->walk) : reader->before;
}

struct wal_place wal_reader_place(const struct wal_reader *reader)
{
    return reader->end;
}

bool wal_reader_tail_is_torn(const struct wal_reader *reader)
{
    return reader->is_torn;
}
