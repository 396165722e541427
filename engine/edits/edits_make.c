/*
 * edits_make.c -- both copies made anew, aside, and put in place by rename.
 *
 *     write NAME.a.tmp, NAME.b.tmp | sync both | rename a, rename b | sync the directory
 *
 * Whatever of the renames survives a power cut, each name holds a copy that is whole; the one of
 * the higher generation counts (E2), and it holds all that the lower one does, as nothing is
 * appended before both stand.
 *
 * Bytes: format-spec/edits.md. Tests: tests/unit/test_edits_crash.c.
 */
#include "edits_impl.h"

#include <stdlib.h>
#include <string.h>

enum { PENDING_BYTES = 256 << 10 };

static holter_status open_aside(struct edits_maker *maker, size_t copy, holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    const struct edits_spec *spec = maker->spec;
    uint32_t flags = IO_CREATE | IO_WRITABLE | (spec->is_private ? IO_PRIVATE : 0);
    holter_status status = edits_copy_path(path, spec, copy, true, err);
    if (status != HOLTER_OK)
        return status;

    status = io_open(&maker->files[copy], spec->io, path, flags, err);
    if (status == HOLTER_EXISTS) { /* of a process that died */
        status = io_unlink(spec->io, path, err);
        if (status == HOLTER_OK || status == HOLTER_NOT_FOUND)
            status = io_open(&maker->files[copy], spec->io, path, flags, err);
    }
    maker->is_aside[copy] = status == HOLTER_OK;
    return status;
}

holter_status edits_maker_begin(struct edits_maker *maker, const struct edits_spec *spec,
                                struct io_queue *queue, struct edits_header header,
                                holter_error *err)
{
    *maker = (struct edits_maker){ .spec = spec, .queue = queue, .header = header };
    buffer_init(&maker->pending);
    if (header.generation > EDITS_NUMBER_MAX || header.base > EDITS_NUMBER_MAX)
        return error_set(
            err, HOLTER_CORRUPT,
            "'%s/%s': found generation %llu, version %llu, expected at most 2^63 - 1 of "
            "either",
            spec->directory, spec->name, (unsigned long long)header.generation,
            (unsigned long long)header.base);
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        holter_status status = open_aside(maker, c, err);
        if (status != HOLTER_OK)
            return status;
    }
    uint8_t sector[CORE_SECTOR_BYTES];
    edits_header_encode(sector, spec, &header);
    buffer_append(&maker->pending, sector, sizeof sector);
    return HOLTER_OK;
}

static holter_status write_pending(struct edits_maker *maker, holter_error *err)
{
    struct buffer *pending = &maker->pending;
    if (pending->failed)
        return error_set(err, HOLTER_NO_MEMORY, "'%s/%s': memory to make it anew",
                         maker->spec->directory, maker->spec->name);
    if (pending->bytes == 0)
        return HOLTER_OK;

    struct io_op ops[EDITS_COPIES];
    for (size_t c = 0; c < EDITS_COPIES; c++)
        ops[c] = (struct io_op){ .kind = IO_WRITE,
                                 .file = maker->files[c],
                                 .offset = maker->offset,
                                 .memory = pending->data,
                                 .bytes = pending->bytes };
    holter_status status = edits_run(maker->queue, ops, EDITS_COPIES, err);
    maker->offset += pending->bytes;
    head_count(maker->spec->statistics, HEAD_EDIT_BYTES, EDITS_COPIES * pending->bytes);
    buffer_clear(pending);
    return status;
}

holter_status edits_maker_record(struct edits_maker *maker, uint64_t version, uint32_t flags,
                                 uint32_t part, const void *body, size_t body_bytes,
                                 holter_error *err)
{
    edits_record_encode(&maker->pending, maker->spec, maker->header.generation, version, flags,
                        part, body, body_bytes);
    if (!maker->pending.failed && maker->pending.bytes < PENDING_BYTES)
        return HOLTER_OK;
    return write_pending(maker, err);
}

holter_status edits_maker_edit(struct edits_maker *maker, uint64_t version,
                               const struct edits_part *parts, size_t count, holter_error *err)
{
    holter_status status = HOLTER_OK;
    for (size_t i = 0; i < count && status == HOLTER_OK; i++)
        status = edits_maker_record(maker, version, i + 1 < count ? EDITS_MORE : 0, (uint32_t)i,
                                    parts[i].bytes, parts[i].count, err);
    return status;
}

holter_status edits_maker_finish(struct edits_maker *maker, holter_error *err)
{
    const struct edits_spec *spec = maker->spec;
    holter_status status = write_pending(maker, err);
    if (status != HOLTER_OK)
        return status;

    struct io_op syncs[EDITS_COPIES];
    for (size_t c = 0; c < EDITS_COPIES; c++)
        syncs[c] = (struct io_op){ .kind = IO_SYNC, .file = maker->files[c] };
    status = edits_run(maker->queue, syncs, EDITS_COPIES, err);
    if (status != HOLTER_OK)
        return status;

    for (size_t c = 0; c < EDITS_COPIES; c++) {
        char from[IO_PATH_BYTES_MAX], to[IO_PATH_BYTES_MAX];
        status = edits_copy_path(from, spec, c, true, err);
        if (status == HOLTER_OK)
            status = edits_copy_path(to, spec, c, false, err);
        if (status == HOLTER_OK)
            status = io_rename(spec->io, from, to, err);
        if (status != HOLTER_OK)
            return status;
        maker->is_aside[c] = false;
    }
    return io_sync_dir(spec->io, spec->directory, err);
}

void edits_maker_move(struct edits_maker *maker, struct edits_log *log)
{
    edits_log_release(log);
    log->header = maker->header;
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        log->copies[c] = (struct edits_copy){ .file = maker->files[c],
                                              .bytes = maker->offset,
                                              .is_current = true,
                                              .generation = maker->header.generation };
        maker->files[c] = NULL;
    }
}

void edits_maker_undo(struct edits_maker *maker)
{
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        char path[IO_PATH_BYTES_MAX];
        bool was_renamed = maker->files[c] != NULL && !maker->is_aside[c];
        if (was_renamed && edits_copy_path(path, maker->spec, c, false, NULL) == HOLTER_OK)
            (void)io_unlink(maker->spec->io, path, NULL);
    }
}

void edits_maker_release(struct edits_maker *maker)
{
    buffer_release(&maker->pending);
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        char path[IO_PATH_BYTES_MAX];
        io_close(maker->files[c]);
        maker->files[c] = NULL;
        if (maker->is_aside[c] && edits_copy_path(path, maker->spec, c, true, NULL) == HOLTER_OK)
            (void)io_unlink(maker->spec->io, path,
                            NULL); /* where it stays, the next one replaces it */
        maker->is_aside[c] = false;
    }
}
