/*
 * wal_append.c -- groups on their way to the disk: filled, sealed, written once.
 *
 *     begin:  [group, synced] ..  group ──ops──> the caller submits ──> end: *place moves
 *             only where one group is too small
 *
 * W1  *place moves in wal_write_end only, after the last group's synced write.
 * W2  Bytes go to `next` of the file at hand, and only while `end` is what the caller knows.
 *     Whatever fails, or is given up after a first byte was submitted, gives up the file:
 *     wal_give_up is the one way out. A new file that could not be filled is no such failure: the
 *     one at hand was not touched.
 * W5  Linked frames that do not all fit in one group begin a group, so that a place can part them
 *     from what is before.
 * W6  One group at a time is in flight, so each one's watermark is all before it.
 *
 * Bytes: format-spec/log.md. Tests: tests/unit/test_wal_append.c.
 */
#include "wal_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct wal_write {
    struct wal *wal;
    const struct wal_frame *frames;
    size_t count;           /* 0: a mark */
    uint8_t *nonces;        /* one a frame */
    struct wal_place after; /* where the next group goes, once the one at hand is written */
    struct io_op op;
    struct wal_written filled; /* of the group at hand */
    bool has_written;          /* an earlier group of this write is on the disk */
};

/* ---- which frames go together ---------------------------------------------------------------- */

static holter_status check_frames(const struct wal *wal, const struct wal_frame *frames,
                                  size_t count, holter_error *err)
{
    size_t bytes_max = wal_frame_body_bytes_max(wal);
    uint32_t expected = 0; /* WAL_LINK_GOES_ON, after a frame with WAL_LINK_MORE */

    if (count == 0)
        return error_set(err, HOLTER_INVALID,
                         "log '%s': found no frames to append, expected one or more",
                         wal->directory);
    for (size_t i = 0; i < count; i++) {
        const struct wal_frame *frame = &frames[i];
        if (frame->body_bytes == 0 || frame->body_bytes > bytes_max)
            return error_set(err, HOLTER_INVALID,
                             "log '%s': found a frame of %zu bytes, expected 1 to %zu",
                             wal->directory, frame->body_bytes, bytes_max);
        if (frame->user == 0)
            return error_set(err, HOLTER_INVALID,
                             "log '%s': found frame %zu of %zu without a user, expected a number",
                             wal->directory, i, count);
        bool is_linked_well = (frame->flags & WAL_LINK_GOES_ON) == expected &&
                              (expected == 0 || frame->user == frames[i - 1].user) &&
                              (frame->flags & ~(uint32_t)WAL_FRAME_FLAGS) == 0;
        if (!is_linked_well)
            return error_set(err, HOLTER_INVALID,
                             "log '%s': found frame %zu of %zu with flags %" PRIu32
                             ", expected links of one user that fit their neighbours'",
                             wal->directory, i, count, frame->flags);
        expected = (frame->flags & WAL_LINK_MORE) != 0 ? WAL_LINK_GOES_ON : 0;
    }
    if (expected != 0)
        return error_set(err, HOLTER_INVALID,
                         "log '%s': found a last frame that goes on, expected its links",
                         wal->directory);
    return HOLTER_OK;
}

/* The bytes of frame `at` and all that are linked behind it. */
static size_t linked_bytes(const struct wal_frame *frames, size_t at, size_t *frame_count)
{
    size_t bytes = 0;
    size_t i = at;
    for (;; i++) {
        bytes += wal_frame_bytes(frames[i].body_bytes);
        if ((frames[i].flags & WAL_LINK_MORE) == 0)
            break;
    }
    *frame_count = i + 1 - at;
    return bytes;
}

/* How many of the frames from `first` on one group takes, and its bytes with the header. */
static size_t plan_group(size_t *bytes, const struct wal_write *write, size_t first)
{
    size_t room = wal_group_room(write->wal);
    size_t used = 0;
    size_t at = first;

    while (at < write->count && at - first < WAL_FRAMES_PER_GROUP_MAX) {
        const struct wal_frame *frame = &write->frames[at];
        size_t want = wal_frame_bytes(frame->body_bytes);
        bool begins_links = (frame->flags & WAL_FRAME_FLAGS) == WAL_LINK_MORE;
        if (begins_links && at > first) {
            size_t frame_count;
            size_t all = linked_bytes(write->frames, at, &frame_count);
            if (all > room - used || frame_count > WAL_FRAMES_PER_GROUP_MAX - (at - first))
                break; /* W5 */
        }
        if (want > room - used)
            break;
        used += want;
        at++;
    }
    core_assert(at > first || write->count == 0);
    *bytes = WAL_GROUP_HEADER_BYTES + used;
    return at - first;
}

/* ---- the file at hand ------------------------------------------------------------------------ */

static void wal_give_up(struct wal *wal)
{
    io_close(wal->file);
    wal->file = NULL;
    wal->own_bytes = 0;
}

static bool is_same_place(const struct wal_place *a, const struct wal_place *b)
{
    return a->file == b->file && a->offset == b->offset && a->sequence == b->sequence;
}

/* W2: go on where this wal stands, if that is where the caller stands; else in a new file. */
static void go_on_from(struct wal *wal, const struct wal_place *place)
{
    if (wal->end_is_known && is_same_place(&wal->end, place))
        return;
    wal_give_up(wal);
    wal->end_is_known = false;
    wal->end = *place;
}

static holter_status check_place(const struct wal *wal, const struct wal_place *place,
                                 holter_error *err)
{
    bool is_valid = place->sequence > 0 && place->sequence < UINT64_MAX - WAL_FRAMES_PER_GROUP_MAX;
    if (place->file != 0)
        is_valid =
            is_valid && place->offset >= WAL_PAGE_BYTES && place->offset % WAL_PAGE_BYTES == 0;
    if (!is_valid)
        return error_set(err, HOLTER_INVALID,
                         "log '%s': found the place file %" PRIu64 ", offset %" PRIu64
                         ", sequence %" PRIu64 ", expected a sequence from 1 and whole pages",
                         wal->directory, place->file, place->offset, place->sequence);
    return HOLTER_OK;
}

/* The file that `place` is in reaches to it: its header. */
static holter_status header_at(struct wal_header *header, struct wal *wal,
                               const struct wal_place *place, holter_error *err)
{
    const struct wal_source *source;
    holter_status status = wal_source_get(&source, wal, place->file, err);
    if (status != HOLTER_OK)
        return status;
    if (place->offset > source->header.file_bytes)
        return error_set(err, HOLTER_CORRUPT,
                         "log file '%s': found %" PRIu64
                         " bytes, expected a log that ends at offset %" PRIu64,
                         io_path(source->file), source->header.file_bytes, place->offset);
    *header = source->header;
    return HOLTER_OK;
}

static bool is_at_rest(const struct wal_header *header)
{
    return header->file_bytes < WAL_FILE_BYTES_MIN;
}

/*
 * A file is four times as large as the one before was filled; after a rest, as large as what was
 * written before it. The first group of `group_bytes` takes a quarter at most. (A file of zeros is
 * written faster than a growing one, but those that nothing is written to are bytes on the disk.)
 */
static uint64_t next_file_bytes(const struct wal *wal, uint64_t previous_used, bool has_rested,
                                uint64_t group_bytes)
{
    uint64_t bytes = has_rested ? wal->ended_bytes : 4 * previous_used;
    if (bytes < 4 * group_bytes)
        bytes = 4 * group_bytes;
    if (bytes < WAL_FILE_BYTES_FIRST)
        bytes = WAL_FILE_BYTES_FIRST;
    return bytes < wal->file_bytes ? bytes : wal->file_bytes;
}

/*
 * A new file that goes on at the end of the file at hand, or, where there is none, at `end`.
 * `group_bytes` of the first group; 0: a file to rest in.
 */
static holter_status begin_file(struct wal *wal, uint64_t group_bytes, holter_error *err)
{
    struct wal_place previous = wal->file != NULL ? wal->next : wal->end;
    struct wal_header before = { 0 };
    struct io_file *file = NULL;
    bool named = false;
    holter_status status = HOLTER_OK;

    if (wal->file != NULL)
        before = wal->header;
    else if (previous.file != 0)
        status = header_at(&before, wal, &previous, err);
    /*
     * What recovery found may have been written, but not synced, by a writer that died in this
     * boot. Where this fails it may be asked again: nothing acknowledged depends on it, and what
     * went past the cache left no page there that the failure could have marked clean.
     */
    if (status == HOLTER_OK && !wal->end_is_known && previous.file != 0)
        status = wal_file_sync(wal, previous.file, err);
    bool has_rested = is_at_rest(&before);
    struct wal_header header = {
        .file_bytes = group_bytes > 0
                          ? next_file_bytes(wal, previous.offset, has_rested, group_bytes)
                          : WAL_FILE_BYTES_REST,
    };
    memcpy(header.previous_log_id, before.log_id, WAL_ID_BYTES);
    if (status == HOLTER_OK)
        status = wal_file_make(&file, &header, &named, wal, &previous, err);
    if (status == HOLTER_OK || named)
        wal_give_up(wal); /* on failure too: the new file may be there, so the old one has ended */
    if (status != HOLTER_OK)
        return status;
    wal->ended_bytes = has_rested ? 0 : wal->ended_bytes + previous.offset;
    wal->file = file;
    wal->header = header;
    wal->end_is_known = true;
    wal->next = (struct wal_place){ header.number, WAL_PAGE_BYTES, previous.sequence };
    return HOLTER_OK;
}

/*
 * What is smaller than a quarter of the largest file is made as fast as a spare is named; of a file that fills up, the one
 * after it is one of the largest. Who writes little will be gone before he needs it.
 */
uint64_t wal_spare_wanted(struct wal *wal)
{
    bool is_wanted = wal->file != NULL && wal->take_spare != NULL && !wal->has_no_spares &&
                     wal->spare_asked != wal->header.number &&
                     wal->header.file_bytes >= wal->file_bytes / 4 &&
                     wal->next.offset >= wal->header.file_bytes / 2 &&
                     wal->own_bytes >= wal->header.file_bytes / 8;
    if (!is_wanted)
        return 0;
    wal->spare_asked = wal->header.number;
    return wal->file_bytes;
}

/* ---- a write --------------------------------------------------------------------------------- */

enum { GROUP_BYTES_KEPT = 64 << 10 };

static void group_release(struct wal *wal)
{
    free(wal->group);
    wal->group = NULL;
    wal->group_bytes = 0;
}

/* Memory for a group of `bytes`, padded; zeros where nothing else will be: no stale memory reaches the disk. */
static bool group_reserve(struct wal *wal, size_t bytes, size_t padded)
{
    if (wal->group_bytes < padded) {
        group_release(wal);
        wal->group = core_alloc_pages(padded);
        if (wal->group == NULL)
            return false;
        wal->group_bytes = padded;
    }
    memset(wal->group, 0, WAL_GROUP_HEADER_BYTES);
    memset(wal->group + bytes, 0, padded - bytes);
    return true;
}

static void write_free(struct wal_write *write)
{
    if (write == NULL)
        return;
    struct wal *wal = write->wal;
    if (wal->group_bytes > GROUP_BYTES_KEPT)
        group_release(wal);
    wal->is_writing = false;
    free(write->nonces);
    free(write);
}

static holter_status no_memory(const struct wal *wal, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory for a group", wal->directory);
}

/*
 * Fill the group of frames [first, first + count) for the place `next`, and the operation that
 * writes it.
 */
static holter_status fill_group(struct wal_write *write, size_t first, size_t count, size_t bytes,
                                holter_error *err)
{
    struct wal *wal = write->wal;
    size_t padded = (size_t)wal_padded(bytes);
    if (wal->file == NULL || padded > wal->header.file_bytes - wal->next.offset) {
        holter_status status = begin_file(wal, padded, err);
        if (status != HOLTER_OK)
            return status;
    }
    if (!group_reserve(wal, bytes, padded))
        return no_memory(wal, err);

    write->filled = (struct wal_written){ .groups = count > 0,
                                          .bytes = padded,
                                          .padding_bytes = padded - bytes };
    uint64_t sequence = wal->next.sequence;
    uint8_t *at = wal->group + WAL_GROUP_HEADER_BYTES;
    for (size_t i = first; i < first + count; i++) {
        holter_status status =
            wal_frame_seal(at, wal, wal->header.log_id, sequence + (i - first), &write->frames[i],
                           write->nonces + i * CRYPTO_NONCE_BYTES, err);
        if (status != HOLTER_OK)
            return status;
        at += wal_frame_bytes(write->frames[i].body_bytes);
        write->filled.body_bytes += write->frames[i].body_bytes;
    }
    struct wal_group_header header = {
        .offset = wal->next.offset,
        .first_sequence = sequence,
        .watermark = sequence - 1, /* W6 */
        .synced = wal->next.offset,
        .bytes = (uint32_t)bytes,
        .frame_count = (uint32_t)count,
        .is_mark = count == 0,
    };
    memcpy(header.log_id, wal->header.log_id, sizeof header.log_id);
    wal_group_header_encode(wal->group, &header);
    write->after =
        (struct wal_place){ wal->next.file, wal->next.offset + padded, sequence + count };
    write->op = (struct io_op){ .kind = IO_WRITE,
                                .file = wal->file,
                                .offset = wal->next.offset,
                                .memory = wal->group,
                                .bytes = padded };
    return HOLTER_OK;
}

static void count_written(struct wal *wal, const struct wal_written *more)
{
    wal->own_bytes += more->bytes;
    wal->written.groups += more->groups;
    wal->written.bytes += more->bytes;
    wal->written.body_bytes += more->body_bytes;
    wal->written.padding_bytes += more->padding_bytes;
}

struct wal_written wal_written_take(struct wal *wal)
{
    struct wal_written taken = wal->written;
    wal->written = (struct wal_written){ 0 };
    return taken;
}

/* All groups but the last are written here, each synced before the next. */
static holter_status write_groups(struct wal_write *write, holter_error *err)
{
    struct wal *wal = write->wal;
    size_t first = 0;
    for (;;) {
        size_t bytes;
        size_t count = plan_group(&bytes, write, first);
        holter_status status = fill_group(write, first, count, bytes, err);
        first += count;
        if (status != HOLTER_OK || first == write->count)
            return status;
        write->has_written = true;
        status = io_write_exactly(wal->queue, wal->file, write->op.offset, wal->group,
                                  write->op.bytes, err);
        if (status != HOLTER_OK)
            return status;
        count_written(wal, &write->filled);
        wal->next = write->after;
    }
}

static holter_status write_begin(struct wal_write **out, struct wal *wal,
                                 const struct wal_place *place, const struct wal_frame *frames,
                                 size_t count, holter_error *err)
{
    *out = NULL;
    holter_status status = check_place(wal, place, err);
    if (status != HOLTER_OK)
        return status;
    core_assert(!wal->is_writing);
    struct wal_write *write = core_calloc(1, sizeof *write);
    if (write == NULL)
        return no_memory(wal, err);
    wal->is_writing = true;
    *write = (struct wal_write){ .wal = wal, .frames = frames, .count = count };
    write->nonces = core_calloc(count + 1, CRYPTO_NONCE_BYTES);
    if (write->nonces == NULL) {
        status = no_memory(wal, err);
        goto done;
    }
    if (count > 0)
        status = io_random(wal->io, write->nonces, count * CRYPTO_NONCE_BYTES, err);
    if (status != HOLTER_OK)
        goto done;
    go_on_from(wal, place);
    status = write_groups(write, err);
    if (status != HOLTER_OK)
        goto done;
    *out = write;
    write = NULL;
done:
    wal_write_abort(write);
    return status;
}

holter_status wal_write_begin(struct wal_write **out, struct wal *wal,
                              const struct wal_place *place, const struct wal_frame *frames,
                              size_t count, holter_error *err)
{
    *out = NULL;
    holter_status status = check_frames(wal, frames, count, err);
    if (status != HOLTER_OK)
        return status;
    return write_begin(out, wal, place, frames, count, err);
}

struct io_op *wal_write_ops(struct wal_write *write, size_t *count)
{
    *count = 1;
    return &write->op;
}

holter_status wal_write_end(struct wal_write *write, struct wal_place *place, holter_error *err)
{
    struct wal *wal = write->wal;
    holter_status status = io_op_status(&write->op, err);
    if (status == HOLTER_OK) {
        count_written(wal, &write->filled);
        wal->next = write->after;
        wal->end = write->after;
        *place = write->after; /* W1 */
    } else {
        wal_give_up(wal); /* W2; `end` stays what it was, and durable */
    }
    write_free(write);
    return status;
}

void wal_write_abort(struct wal_write *write)
{
    if (write == NULL)
        return;
    if (write->has_written)
        wal_give_up(write->wal);
    write_free(write);
}

static holter_status write_whole(struct wal *wal, struct wal_place *place, struct wal_write *write,
                                 holter_error *err)
{
    size_t count;
    struct io_op *ops = wal_write_ops(write, &count);
    io_submit(wal->queue, ops, count);
    while (io_wait(wal->queue) != NULL)
        continue;
    return wal_write_end(write, place, err);
}

holter_status wal_append(struct wal *wal, struct wal_place *place, const struct wal_frame *frames,
                         size_t count, holter_error *err)
{
    struct wal_write *write;
    holter_status status = wal_write_begin(&write, wal, place, frames, count, err);
    return status == HOLTER_OK ? write_whole(wal, place, write, err) : status;
}

holter_status wal_mark(struct wal *wal, struct wal_place *place, holter_error *err)
{
    if (place->file == 0)
        return HOLTER_OK; /* there is nothing to cover */
    struct wal_write *write;
    holter_status status = write_begin(&write, wal, place, NULL, 0, err);
    return status == HOLTER_OK ? write_whole(wal, place, write, err) : status;
}

holter_status wal_rest(struct wal *wal, struct wal_place *place, holter_error *err)
{
    struct wal_header header;
    holter_status status = check_place(wal, place, err);
    if (status != HOLTER_OK || place->file == 0)
        return status;
    status = header_at(&header, wal, place, err);
    if (status != HOLTER_OK || is_at_rest(&header))
        return status;
    go_on_from(wal, place);
    status = begin_file(wal, 0, err);
    if (status != HOLTER_OK)
        return status;
    wal->end = wal->next;
    *place = wal->next;
    return HOLTER_OK;
}

/* ---- taking over ----------------------------------------------------------------------------- */

holter_status wal_take_over(struct wal *wal, const struct wal_place *place, bool is_untouched,
                            holter_error *err)
{
    holter_status status = check_place(wal, place, err);
    if (status != HOLTER_OK)
        return status;
    if (!is_untouched || wal->file == NULL || wal->header.number != place->file)
        wal_give_up(wal);
    wal->end_is_known = false;
    if (wal->file == NULL && place->file != 0 && is_untouched) {
        struct wal_header header;
        status = header_at(&header, wal, place, err);
        if (status == HOLTER_OK)
            status = wal_file_open_to_append(&wal->file, wal, place->file, err);
        if (status != HOLTER_OK)
            return status;
        wal->header = header;
    }
    wal->end = *place;
    wal->next = *place;
    wal->end_is_known = true;
    return HOLTER_OK;
}

bool wal_is_untouched(const struct wal *wal, const struct wal_place *place)
{
    return wal->file != NULL && is_same_place(&wal->next, place);
}
