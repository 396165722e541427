/*
 * wal_walk.c -- group after group along the chain of files, and what a place without a group means.
 *
 *     newest file ──previous──> file ──previous──> file of `from`   found backwards,
 *     from .. limit | first .. limit | first .. open end            walked forwards
 *
 * Every file but the last has a limit: the end that its follower names. Before a limit a missing
 * group is damage. At an open end W6 decides: the rest of the file is looked through for a group
 * that says the missing one was synced.
 *
 * Bytes: format-spec/log.md, "Which files count", "Where the log ends". Tests:
 * tests/unit/test_wal_recover.c.
 */
#include "wal_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the chain ------------------------------------------------------------------------------- */

static holter_status no_memory(const struct wal *wal, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory to read it", wal->directory);
}

/* Found newest first; then turned round. */
static void reverse(struct wal_walk_file *files, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct wal_walk_file other = files[i];
        files[i] = files[count - 1 - i];
        files[count - 1 - i] = other;
    }
}

/* The file that `next` names fits it. */
static holter_status check_link(const struct wal_header *file, const struct wal_header *next,
                                const struct wal *wal, holter_error *err)
{
    if (memcmp(file->log_id, next->previous_log_id, WAL_ID_BYTES) == 0 &&
        next->previous_end <= file->file_bytes && next->first_sequence >= file->first_sequence)
        return HOLTER_OK;
    return error_set(err, HOLTER_CORRUPT,
                     "log '%s': found in file %" PRIu64 " the end of another file %" PRIu64
                     ", expected one of the file with that number",
                     wal->directory, next->number, file->number);
}

/* Files from number `newest` back to `first`; 0: to where the log begins or was cut off. */
static holter_status find_chain(struct wal_walk *walk, uint64_t first, uint64_t newest,
                                uint64_t lowest, holter_error *err)
{
    struct wal *wal = walk->wal;
    size_t capacity = 0;
    for (uint64_t number = newest;;) {
        const struct wal_source *source;
        holter_status status = wal_source_get(&source, wal, number, err);
        if (status != HOLTER_OK)
            return status;
        void *files = walk->files;
        if (!core_grow(&files, &capacity, walk->count + 1, sizeof *walk->files))
            return no_memory(wal, err);
        walk->files = files;
        struct wal_walk_file *file = &walk->files[walk->count];
        *file = (struct wal_walk_file){ .header = source->header };
        if (walk->count > 0) {
            const struct wal_header *next = &walk->files[walk->count - 1].header;
            status = check_link(&file->header, next, wal, err);
            if (status != HOLTER_OK)
                return status;
            file->has_limit = true;
            file->limit = next->previous_end;
            file->limit_sequence = next->first_sequence;
        }
        walk->count++;

        uint64_t previous = file->header.previous_number;
        if (number == first || (first == 0 && (previous == 0 || previous < lowest)))
            break;
        if (previous < first)
            return error_set(err, HOLTER_CORRUPT,
                             "log '%s': found that file %" PRIu64 " follows file %" PRIu64
                             ", expected file %" PRIu64 " in the log",
                             wal->directory, number, previous, first);
        number = previous;
    }
    reverse(walk->files, walk->count);
    return HOLTER_OK;
}

static holter_status place_is_wrong(const struct wal_walk *walk, const struct wal_place *place,
                                    const char *what, holter_error *err)
{
    return error_set(err, HOLTER_CORRUPT,
                     "log '%s': found %s at file %" PRIu64 ", offset %" PRIu64 ", sequence %" PRIu64
                     ", expected a place within its files",
                     walk->wal->directory, what, place->file, place->offset, place->sequence);
}

static void go_to(struct wal_walk *walk, const struct wal_place *from)
{
    const struct wal_header *first = &walk->files[0].header;
    walk->index = 0;
    walk->offset = from->file != 0 ? from->offset : WAL_PAGE_BYTES;
    walk->sequence = from->file != 0 ? from->sequence : first->first_sequence;
    walk->is_torn = false;
    walk->is_linked = false;
}

static void stop_at(struct wal_walk *walk, const struct wal_place *end)
{
    while (walk->files[walk->count - 1].header.number != end->file) {
        walk->count--;
        core_assert(walk->count > 0);
    }
    struct wal_walk_file *last = &walk->files[walk->count - 1];
    last->has_limit = true;
    last->limit = end->offset;
    last->limit_sequence = end->sequence;
}

static holter_status check_places(struct wal_walk *walk, const struct wal_place *from,
                                  const struct wal_place *end, holter_error *err)
{
    const struct wal_walk_file *first = &walk->files[0];
    if (from->file != 0) {
        bool is_within =
            from->offset >= WAL_PAGE_BYTES && from->offset % WAL_PAGE_BYTES == 0 &&
            from->offset <= (first->has_limit ? first->limit : first->header.file_bytes) &&
            from->sequence >= first->header.first_sequence;
        if (!is_within)
            return place_is_wrong(walk, from, "the begin of reading", err);
    } else if (from->sequence != 0 && from->sequence != first->header.first_sequence) {
        return error_set(err, HOLTER_CORRUPT,
                         "log '%s': found that it begins with sequence %" PRIu64 " in file %" PRIu64
                         ", expected %" PRIu64,
                         walk->wal->directory, first->header.first_sequence, first->header.number,
                         from->sequence);
    }
    if (end == NULL)
        return HOLTER_OK;
    const struct wal_header *last = &walk->files[walk->count - 1].header;
    bool is_within = end->offset >= WAL_PAGE_BYTES && end->offset % WAL_PAGE_BYTES == 0 &&
                     end->offset <= last->file_bytes && end->sequence >= last->first_sequence &&
                     (walk->count > 1 || from->file == 0 || end->offset >= from->offset);
    return is_within ? HOLTER_OK : place_is_wrong(walk, end, "the end of the log", err);
}

holter_status wal_walk_init(struct wal_walk *walk, struct wal *wal, const struct wal_place *from,
                            const struct wal_place *end, holter_error *err)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    *walk = (struct wal_walk){ .wal = wal };
    walk->offset = from->offset;
    walk->sequence = from->sequence != 0 ? from->sequence : 1;
    if (end != NULL && end->file == 0 && from->file == 0) {
        uint64_t sequence = end->sequence != 0 ? end->sequence : 1;
        return sequence == walk->sequence ? HOLTER_OK
                                          : place_is_wrong(walk, end, "the end of the log", err);
    }

    holter_status status = HOLTER_OK;
    uint64_t newest = 0, lowest = 0;
    if (end == NULL || from->file == 0) {
        status = wal_list(&numbers, &count, wal, err);
        if (status != HOLTER_OK)
            return status;
        newest = count > 0 ? numbers[count - 1] : 0;
        lowest = count > 0 ? numbers[0] : 0;
        free(numbers);
    }
    if (end != NULL)
        newest = end->file;
    if (newest == 0 && from->file == 0)
        return HOLTER_OK; /* no log yet */
    if (newest < from->file)
        return place_is_wrong(walk, from, "the begin of reading", err);
    status = find_chain(walk, from->file, newest, lowest, err);
    if (status == HOLTER_OK)
        status = check_places(walk, from, end, err);
    if (status == HOLTER_OK) {
        go_to(walk, from);
        if (end != NULL)
            stop_at(walk, end);
    }
    return status;
}

void wal_walk_release(struct wal_walk *walk)
{
    free(walk->files);
    wal_window_release(&walk->window);
    *walk = (struct wal_walk){ 0 };
}

void wal_walk_restart(struct wal_walk *walk, const struct wal_place *from,
                      const struct wal_place *end)
{
    if (walk->count == 0)
        return;
    go_to(walk, from);
    stop_at(walk, end);
}

struct wal_place wal_walk_place(const struct wal_walk *walk)
{
    uint64_t file = walk->count > 0 ? walk->files[walk->index].header.number : 0;
    return (struct wal_place){ file, walk->offset, walk->sequence };
}

/* ---- one group ------------------------------------------------------------------------------- */

static holter_status is_damaged(const struct wal_walk *walk, uint64_t offset, const char *found,
                                holter_error *err)
{
    return error_set(err, HOLTER_CORRUPT,
                     "log '%s', file %" PRIu64 ": at offset %" PRIu64
                     " found %s, expected a group of sequence %" PRIu64,
                     walk->wal->directory, walk->files[walk->index].header.number, offset, found,
                     walk->sequence);
}

/*
 * The group at an offset that is there whole, and keeps its own rules.
 * HOLTER_NOT_FOUND: none is there, *found; HOLTER_CORRUPT: one is, and breaks a rule, *found.
 */
static holter_status read_group(struct wal_group *group, struct wal_walk *walk, uint64_t offset,
                                uint64_t end, const char **found, holter_error *err)
{
    const struct wal_header *file = &walk->files[walk->index].header;
    const uint8_t *bytes;
    holter_status status =
        wal_window_get(&bytes, &walk->window, walk->wal, file, offset, WAL_PAGE_BYTES, end, err);
    if (status != HOLTER_OK)
        return status;
    uint64_t padded = wal_group_probe(bytes, file->log_id, offset, end - offset, found);
    if (padded == 0)
        return HOLTER_NOT_FOUND;
    status = wal_window_get(&bytes, &walk->window, walk->wal, file, offset, padded, end, err);
    if (status != HOLTER_OK)
        return status;
    /* The first page may have been read anew, so it is looked at again. */
    if (wal_group_probe(bytes, file->log_id, offset, end - offset, found) != padded)
        return HOLTER_NOT_FOUND;
    if (!wal_group_is_whole(bytes, padded)) {
        *found = "a group with a wrong checksum";
        return HOLTER_NOT_FOUND;
    }
    group->bytes = bytes;
    group->padded_bytes = padded;
    return wal_group_header_decode(&group->header, bytes, found);
}

/* At an open end: W6 for the place where no group is. HOLTER_OK: the log ends here. */
static holter_status look_behind(struct wal_walk *walk, const char *found, holter_error *err)
{
    const struct wal_header *file = &walk->files[walk->index].header;
    for (uint64_t offset = walk->offset; offset < file->file_bytes; offset += WAL_PAGE_BYTES) {
        const uint8_t *page;
        holter_status status = wal_window_get(&page, &walk->window, walk->wal, file, offset,
                                              WAL_PAGE_BYTES, file->file_bytes, err);
        if (status != HOLTER_OK)
            return status;
        if (bytes_are_zero(page, WAL_PAGE_BYTES))
            continue;
        walk->is_torn = true;
        if (offset == walk->offset)
            continue;
        struct wal_group group;
        const char *why = "";
        status = read_group(&group, walk, offset, file->file_bytes, &why, err);
        if (status == HOLTER_NOT_FOUND)
            continue;
        if (status == HOLTER_CORRUPT)
            return is_damaged(walk, offset, why, err);
        if (status != HOLTER_OK)
            return status;
        if (group.header.synced > walk->offset || group.header.watermark >= walk->sequence)
            return is_damaged(walk, walk->offset, found, err);
    }
    return HOLTER_OK;
}

struct wal_frame_read wal_group_frame(const struct wal_group *group, size_t *position,
                                      const struct wal_header *file)
{
    size_t at = *position != 0 ? *position : WAL_GROUP_HEADER_BYTES;
    struct wal_frame_header header;
    holter_status status = wal_frame_header_decode(&header, group->bytes + at);
    core_assert(status == HOLTER_OK); /* check_frames saw it, in this memory */
    *position = at + WAL_FRAME_HEADER_BYTES + header.sealed_bytes;
    return wal_frame_read_of(&header, group->bytes + at, file, group->header.offset + at);
}

/* W5: the frame goes on with the part before it if and only if that said so. */
static bool follow_link(struct wal_walk *walk, const struct wal_frame_header *frame,
                        const struct wal_place *begin)
{
    bool goes_on = (frame->flags & WAL_LINK_GOES_ON) != 0;
    if (goes_on != walk->is_linked || (goes_on && frame->user != walk->linked_user))
        return false;
    if (!walk->is_linked)
        walk->linked_begin = *begin;
    walk->is_linked = (frame->flags & WAL_LINK_MORE) != 0;
    walk->linked_user = frame->user;
    return true;
}

/* The frames fill the group, with their sequences and links. NULL, or what was found instead. */
static const char *check_frames(struct wal_walk *walk, const struct wal_group *group)
{
    struct wal_place begin = wal_walk_place(walk);
    size_t at = WAL_GROUP_HEADER_BYTES;
    size_t links_at = at; /* of the frame where the part under way begins, if in this group */

    for (uint32_t i = 0; i < group->header.frame_count; i++) {
        struct wal_frame_header frame;
        if (group->header.bytes - at < WAL_FRAME_HEADER_BYTES)
            return "a group that ends within a frame";
        if (wal_frame_header_decode(&frame, group->bytes + at) != HOLTER_OK)
            return "a frame with a field out of its range";
        if (frame.sequence != group->header.first_sequence + i)
            return "a frame of another sequence";
        if (frame.sealed_bytes > group->header.bytes - at - WAL_FRAME_HEADER_BYTES)
            return "a group that ends within a frame";
        if (!walk->is_linked)
            links_at = at;
        if (!follow_link(walk, &frame, &begin))
            return "a frame whose links do not fit its neighbour's";
        at += WAL_FRAME_HEADER_BYTES + frame.sealed_bytes;
    }
    if (at != group->header.bytes)
        return "a group with bytes behind its frames";
    if (walk->is_linked && walk->linked_begin.file == begin.file &&
        walk->linked_begin.offset == begin.offset && links_at != WAL_GROUP_HEADER_BYTES)
        return "linked frames that leave a group which they do not begin";
    return NULL;
}

holter_status wal_walk_next(struct wal_group *group, struct wal_walk *walk, holter_error *err)
{
    if (walk->count == 0)
        return HOLTER_DONE;
    const struct wal_walk_file *file = &walk->files[walk->index];
    while (file->has_limit && walk->offset == file->limit) {
        if (walk->sequence != file->limit_sequence)
            return error_set(err, HOLTER_CORRUPT,
                             "log '%s', file %" PRIu64 ": at offset %" PRIu64
                             " found the end before sequence %" PRIu64
                             ", expected it before %" PRIu64,
                             walk->wal->directory, file->header.number, walk->offset,
                             walk->sequence, file->limit_sequence);
        if (walk->index + 1 == walk->count)
            return HOLTER_DONE;
        walk->index++;
        walk->offset = WAL_PAGE_BYTES;
        file = &walk->files[walk->index];
    }
    uint64_t end = file->has_limit ? file->limit : file->header.file_bytes;
    if (walk->offset == end)
        return HOLTER_DONE; /* an open end, and a full file */

    const char *found = "";
    holter_status status = read_group(group, walk, walk->offset, end, &found, err);
    if (status == HOLTER_CORRUPT || (status == HOLTER_NOT_FOUND && file->has_limit))
        return is_damaged(walk, walk->offset, found, err);
    if (status == HOLTER_NOT_FOUND) {
        status = look_behind(walk, found, err);
        return status == HOLTER_OK ? HOLTER_DONE : status;
    }
    if (status != HOLTER_OK)
        return status;
    if (group->header.first_sequence != walk->sequence)
        return is_damaged(walk, walk->offset, "a group of another sequence", err); /* W4 */
    found = check_frames(walk, group);
    if (found != NULL)
        return is_damaged(walk, walk->offset, found, err);
    walk->offset += group->padded_bytes;
    walk->sequence += group->header.frame_count;
    return HOLTER_OK;
}

bool wal_walk_skip(struct wal_walk *walk)
{
    const struct wal_walk_file *file = &walk->files[walk->index];
    uint64_t end = file->has_limit ? file->limit : file->header.file_bytes;
    walk->is_linked = false;
    for (walk->offset += WAL_PAGE_BYTES; walk->offset < end; walk->offset += WAL_PAGE_BYTES) {
        struct wal_group group;
        const char *found;
        if (read_group(&group, walk, walk->offset, end, &found, NULL) != HOLTER_OK)
            continue;
        walk->sequence = group.header.first_sequence;
        return true;
    }
    if (walk->index + 1 == walk->count)
        return false;
    walk->index++;
    walk->offset = WAL_PAGE_BYTES;
    walk->sequence = walk->files[walk->index].header.first_sequence;
    return true;
}
