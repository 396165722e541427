/*
 * memtable.c -- the frames of the log that are not flushed yet, by user.
 *
 * A table of users with open addressing; each has its frames in rising sequence. Frames are
 * counted, so a new memtable after a flush shares what goes on living with the old one, which
 * snapshots may still hold.
 */
#include "memtable/memtable.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct span {
    int64_t begin_min, begin_max;
};

static const struct span nothing = { INT64_MAX, INT64_MIN };

struct memtable_user_frames {
    uint64_t user; /* 0: the slot is free */
    struct memtable_frame **frames;
    size_t count, capacity;
    struct span *spans; /* of each SPAN_FRAMES frames: between these their rows begin */
    size_t span_capacity;
};

struct memtable {
    _Atomic uint32_t references;
    struct memtable_user_frames *users; /* a power of two of slots */
    size_t slot_count, user_count;
    uint64_t frame_count;
    uint64_t unread_count; /* of these, known by their place only */
    uint64_t sequence_first, sequence_last;
    size_t bytes;
};

enum { MEMTABLE_SLOTS_MIN = 64, SPAN_FRAMES = 32 };

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t greatest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void memtable_body_clear(struct memtable_body *body)
{
    body->bytes = NULL;
    body->count = 0;
    body->has_deletions = false;
    body->part_count = 0;
    body->decoded_bytes = 0;
}

void memtable_body_release(struct memtable_body *body)
{
    free(body->parts);
    *body = (struct memtable_body){ 0 };
}

static size_t text_bytes_of(const struct columns *columns, size_t field, size_t first, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; columns->schema.types[field] == FIELD_TEXT && i < count; i++) {
        uint32_t bytes;
        columns_text(columns, field, first + i, &bytes);
        total += bytes;
    }
    return total;
}

bool memtable_body_add(struct memtable_body *body, size_t offset, const struct wal_part *rows,
                       size_t first, size_t count)
{
    const struct columns *columns = &rows->columns;
    void *parts = body->parts;
    core_assert(count > 0);
    core_assert(offset <= UINT32_MAX);
    if (!core_grow(&parts, &body->part_capacity, body->part_count + 1, sizeof *body->parts))
        return false;
    body->parts = parts;
    struct memtable_part *part = &body->parts[body->part_count++];
    *part = (struct memtable_part){ .metric = rows->metric,
                                    .source = rows->source,
                                    .begin = columns->time[first],
                                    .last = columns->time[first + count - 1],
                                    .end_max = columns->time[first + count - 1],
                                    .rows = (uint32_t)count,
                                    .offset = (uint32_t)offset };
    for (size_t i = first; columns->duration != NULL && i < first + count; i++)
        part->end_max = greatest(part->end_max, columns_end(columns, i));
    body->decoded_bytes += count * (4 + columns->schema.field_count) * sizeof(int64_t);
    for (size_t f = 0; f < columns->schema.field_count; f++)
        body->decoded_bytes += text_bytes_of(columns, f, first, count);
    return true;
}

bool memtable_body_take(struct memtable_body *body, const uint8_t *bytes, size_t count,
                        const struct wal_body *decoded)
{
    memtable_body_clear(body);
    body->bytes = bytes;
    body->count = count;
    body->has_deletions = decoded->tombstone_count > 0;
    for (size_t i = 0; i < decoded->part_count; i++) {
        const struct wal_part *part = &decoded->parts[i];
        if (!memtable_body_add(body, part->offset, part, 0, part->columns.count))
            return false;
    }
    return true;
}

/* A frame with `more` bytes behind it. */
static holter_status frame_alloc(struct memtable_frame **out, const struct wal_frame_read *frame,
                                 uint64_t first_sequence, size_t more, holter_error *err)
{
    struct memtable_frame *one = malloc(sizeof *one + more);
    *out = NULL;
    if (one == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a frame");
    *one = (struct memtable_frame){ .sequence = frame->sequence,
                                    .user = frame->user,
                                    .key_generation = frame->key_generation,
                                    .flags = frame->flags,
                                    .file = frame->file,
                                    .offset = frame->offset,
                                    .first_sequence = first_sequence,
                                    .begin_min = INT64_MIN,
                                    .begin_max = INT64_MAX,
                                    .bytes = sizeof *one + more };
    atomic_init(&one->references, 1);
    *out = one;
    return HOLTER_OK;
}

holter_status memtable_frame_new_tailed(struct memtable_frame **out,
                                        const struct wal_frame_read *frame, uint64_t first_sequence,
                                        bool has_sealed, holter_error *err)
{
    holter_status status =
        frame_alloc(out, frame, first_sequence, has_sealed ? frame->sealed_bytes : 0, err);
    if (status != HOLTER_OK || !has_sealed)
        return status;
    struct memtable_frame *one = *out;
    one->sealed = memcpy(one + 1, frame->sealed, frame->sealed_bytes);
    one->sealed_bytes = frame->sealed_bytes;
    memcpy(one->log_id, frame->log_id, sizeof one->log_id);
    return HOLTER_OK;
}

struct wal_frame_read memtable_frame_sealed(const struct memtable_frame *frame)
{
    core_assert(frame->sealed != NULL);
    struct wal_frame_read read = { .sequence = frame->sequence,
                                   .user = frame->user,
                                   .key_generation = frame->key_generation,
                                   .flags = frame->flags,
                                   .sealed = frame->sealed,
                                   .sealed_bytes = frame->sealed_bytes,
                                   .file = frame->file,
                                   .offset = frame->offset };
    memcpy(read.log_id, frame->log_id, sizeof read.log_id);
    return read;
}

holter_status memtable_frame_new(struct memtable_frame **out, const struct wal_frame_read *frame,
                                 uint64_t first_sequence, const struct memtable_body *body,
                                 holter_error *err)
{
    size_t part_bytes = body->part_count * sizeof *body->parts;
    holter_status status = frame_alloc(out, frame, first_sequence, part_bytes + body->count, err);
    if (status != HOLTER_OK)
        return status;
    struct memtable_frame *one = *out;
    struct memtable_part *parts = (struct memtable_part *)(one + 1);
    uint8_t *bytes = (uint8_t *)(parts + body->part_count);
    if (part_bytes > 0)
        memcpy(parts, body->parts, part_bytes);
    memcpy(bytes, body->bytes, body->count);
    one->is_open = true;
    one->has_deletions = body->has_deletions;
    one->parts = parts;
    one->part_count = body->part_count;
    one->body = bytes;
    one->body_bytes = body->count;
    one->bytes += body->decoded_bytes;
    if (body->has_deletions)
        return HOLTER_OK;
    one->begin_min = INT64_MAX;
    one->begin_max = INT64_MIN;
    for (size_t i = 0; i < body->part_count; i++) {
        one->begin_min = least(one->begin_min, parts[i].begin);
        one->begin_max = greatest(one->begin_max, parts[i].last);
    }
    return HOLTER_OK;
}

void memtable_frame_place(struct memtable_frame *frame, uint64_t sequence, uint64_t first_sequence,
                          uint32_t flags)
{
    frame->sequence = sequence;
    frame->first_sequence = first_sequence;
    frame->flags = flags;
}

struct memtable_frame *memtable_frame_ref(struct memtable_frame *frame)
{
    atomic_fetch_add_explicit(&frame->references, 1, memory_order_relaxed);
    return frame;
}

void memtable_frame_unref(struct memtable_frame *frame)
{
    if (frame == NULL || atomic_fetch_sub_explicit(&frame->references, 1, memory_order_acq_rel) > 1)
        return;
    free(frame);
}

holter_status memtable_new(struct memtable **out, holter_error *err)
{
    *out = NULL;
    struct memtable *memtable = calloc(1, sizeof *memtable);
    if (memtable == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory");
    atomic_init(&memtable->references, 1);
    *out = memtable;
    return HOLTER_OK;
}

struct memtable *memtable_ref(struct memtable *memtable)
{
    atomic_fetch_add_explicit(&memtable->references, 1, memory_order_relaxed);
    return memtable;
}

void memtable_unref(struct memtable *memtable)
{
    if (memtable == NULL ||
        atomic_fetch_sub_explicit(&memtable->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < memtable->slot_count; i++) {
        memtable_frames_free(memtable->users[i].frames, memtable->users[i].count);
        free(memtable->users[i].spans);
    }
    free(memtable->users);
    free(memtable);
}

/*
 * The user's slot, or the free one where it would be. User numbers are random, so they hash
 * themselves.
 */
static struct memtable_user_frames *slot_of(struct memtable_user_frames *users, size_t slot_count,
                                            uint64_t user)
{
    size_t at = (size_t)(user ^ user >> 32) & (slot_count - 1);
    while (users[at].user != 0 && users[at].user != user)
        at = (at + 1) & (slot_count - 1);
    return &users[at];
}

static bool make_room_for_user(struct memtable *memtable)
{
    if (4 * (memtable->user_count + 1) <= 3 * memtable->slot_count)
        return true;
    size_t wanted = memtable->slot_count == 0 ? MEMTABLE_SLOTS_MIN : 2 * memtable->slot_count;
    struct memtable_user_frames *users = core_calloc(wanted, sizeof *users);
    if (users == NULL)
        return false;
    for (size_t i = 0; i < memtable->slot_count; i++) {
        if (memtable->users[i].user != 0)
            *slot_of(users, wanted, memtable->users[i].user) = memtable->users[i];
    }
    free(memtable->users);
    memtable->users = users;
    memtable->slot_count = wanted;
    return true;
}

static bool is_unread(const struct memtable_frame *frame)
{
    return !frame->is_open && frame->sealed == NULL;
}

static void widen(struct span *span, const struct memtable_frame *frame)
{
    span->begin_min = least(span->begin_min, frame->begin_min);
    span->begin_max = greatest(span->begin_max, frame->begin_max);
}

static bool make_room_for_frame(struct memtable_user_frames *slot)
{
    void *frames = slot->frames, *spans = slot->spans;
    bool grown = core_grow(&frames, &slot->capacity, slot->count + 1, sizeof *slot->frames);
    slot->frames = frames;
    grown = grown && core_grow(&spans, &slot->span_capacity, slot->count / SPAN_FRAMES + 1,
                               sizeof *slot->spans);
    slot->spans = spans;
    return grown;
}

holter_status memtable_add(struct memtable *memtable, struct memtable_frame *frame,
                           holter_error *err)
{
    core_assert(frame->user != 0);
    core_assert(frame->sequence > memtable->sequence_last);

    if (!make_room_for_user(memtable))
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a user");
    struct memtable_user_frames *slot = slot_of(memtable->users, memtable->slot_count, frame->user);
    if (!make_room_for_frame(slot))
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a frame");
    memtable->user_count += slot->user == 0;
    slot->user = frame->user;
    if (slot->count % SPAN_FRAMES == 0)
        slot->spans[slot->count / SPAN_FRAMES] = nothing;
    widen(&slot->spans[slot->count / SPAN_FRAMES], frame);
    slot->frames[slot->count++] = memtable_frame_ref(frame);
    if (memtable->frame_count == 0)
        memtable->sequence_first = frame->sequence;
    memtable->sequence_last = frame->sequence;
    memtable->frame_count++;
    memtable->unread_count += is_unread(frame);
    memtable->bytes += frame->bytes;
    return HOLTER_OK;
}

static int by_sequence(const void *a, const void *b)
{
    const struct memtable_frame *const *left = a;
    const struct memtable_frame *const *right = b;
    return ((*left)->sequence > (*right)->sequence) - ((*left)->sequence < (*right)->sequence);
}

holter_status memtable_after(struct memtable **out, const struct memtable *memtable,
                             uint64_t sequence, holter_error *err)
{
    *out = NULL;
    struct memtable *after;
    struct memtable_frame **frames = NULL;
    size_t count = 0;
    holter_status status = memtable_new(&after, err);
    if (status != HOLTER_OK)
        return status;

    frames = core_calloc((size_t)memtable->frame_count, sizeof *frames);
    if (frames == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for its frames");
        goto done;
    }
    for (size_t i = 0; i < memtable->slot_count; i++) {
        const struct memtable_user_frames *slot = &memtable->users[i];
        for (size_t f = 0; f < slot->count; f++) {
            if (slot->frames[f]->sequence >= sequence)
                frames[count++] = slot->frames[f];
        }
    }
    if (count > 1)
        qsort(frames, count, sizeof *frames, by_sequence);
    for (size_t i = 0; i < count; i++) {
        status = memtable_add(after, frames[i], err);
        if (status != HOLTER_OK)
            goto done;
    }
    *out = after;
    after = NULL;
done:
    free(frames);
    memtable_unref(after);
    return status;
}

/* The first frame of sequence >= `sequence`. */
static size_t first_from(const struct memtable_user_frames *slot, uint64_t sequence)
{
    size_t low = 0;
    size_t high = slot->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slot->frames[middle]->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void memtable_keep(struct memtable *memtable, struct memtable_frame *frame)
{
    if (memtable->slot_count == 0)
        return;
    struct memtable_user_frames *slot = slot_of(memtable->users, memtable->slot_count, frame->user);
    size_t at = first_from(slot, frame->sequence);
    if (at == slot->count || slot->frames[at]->sequence != frame->sequence ||
        slot->frames[at]->is_open)
        return;
    memtable->bytes += frame->bytes - slot->frames[at]->bytes;
    memtable->unread_count -= is_unread(slot->frames[at]);
    memtable_frame_unref(slot->frames[at]);
    slot->frames[at] = memtable_frame_ref(frame);

    struct span *span = &slot->spans[at / SPAN_FRAMES];
    *span = nothing;
    for (size_t i = at - at % SPAN_FRAMES; i < slot->count && i / SPAN_FRAMES == at / SPAN_FRAMES;
         i++)
        widen(span, slot->frames[i]);
}

void memtable_truncate(struct memtable *memtable, uint64_t sequence)
{
    memtable->sequence_last = 0;
    for (size_t i = 0; i < memtable->slot_count; i++) {
        struct memtable_user_frames *slot = &memtable->users[i];
        while (slot->count > 0 && slot->frames[slot->count - 1]->sequence >= sequence) {
            struct memtable_frame *frame = slot->frames[--slot->count];
            memtable->bytes -= frame->bytes;
            memtable->frame_count--;
            memtable->unread_count -= is_unread(frame);
            memtable_frame_unref(frame);
        }
        if (slot->count > 0 && slot->frames[slot->count - 1]->sequence > memtable->sequence_last)
            memtable->sequence_last = slot->frames[slot->count - 1]->sequence;
    }
}

size_t memtable_bytes(const struct memtable *memtable)
{
    return memtable->bytes;
}

bool memtable_is_whole(const struct memtable *memtable)
{
    return memtable->unread_count == 0;
}

uint64_t memtable_frame_count(const struct memtable *memtable)
{
    return memtable->frame_count;
}

uint64_t memtable_sequence_first(const struct memtable *memtable)
{
    return memtable->frame_count > 0 ? memtable->sequence_first : UINT64_MAX;
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

holter_status memtable_users(uint64_t **users, size_t *count, const struct memtable *memtable,
                             uint64_t end, holter_error *err)
{
    uint64_t *found = core_calloc(memtable->user_count, sizeof *found);
    if (found == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a list of users");
    size_t found_count = 0;
    for (size_t i = 0; i < memtable->slot_count; i++) {
        const struct memtable_user_frames *slot = &memtable->users[i];
        if (slot->count > 0 && slot->frames[0]->sequence < end)
            found[found_count++] = slot->user;
    }
    if (found_count > 1)
        qsort(found, found_count, sizeof *found, by_number);
    *users = found;
    *count = found_count;
    return HOLTER_OK;
}

/* The first frame of [at, end) that may have something in the filter's range; `end`: none. */
static size_t next_of_interest(const struct memtable_user_frames *slot, size_t at, size_t end,
                               const struct memtable_filter *filter)
{
    for (; at < end; at++) {
        const struct span *span = &slot->spans[at / SPAN_FRAMES];
        if (span->begin_min >= filter->to || span->begin_max < filter->from) {
            at += SPAN_FRAMES - 1 - at % SPAN_FRAMES;
            continue;
        }
        const struct memtable_frame *frame = slot->frames[at];
        if (frame->begin_min < filter->to && frame->begin_max >= filter->from)
            return at;
    }
    return end;
}

holter_status memtable_user(struct memtable_frame ***frames, size_t *count,
                            const struct memtable *memtable, uint64_t user, uint64_t begin,
                            uint64_t end, const struct memtable_filter *filter, holter_error *err)
{
    *frames = NULL;
    *count = 0;
    if (memtable->slot_count == 0)
        return HOLTER_OK;
    const struct memtable_user_frames *slot = slot_of(memtable->users, memtable->slot_count, user);
    size_t to = first_from(slot, end);
    size_t at = next_of_interest(slot, first_from(slot, begin), to, filter);
    size_t capacity = 0;
    for (; at < to; at = next_of_interest(slot, at + 1, to, filter)) {
        void *grown = *frames;
        bool has_grown = core_grow(&grown, &capacity, *count + 1, sizeof **frames);
        *frames = grown;
        if (!has_grown) {
            memtable_frames_free(*frames, *count);
            *frames = NULL;
            *count = 0;
            return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a user's frames");
        }
        (*frames)[(*count)++] = memtable_frame_ref(slot->frames[at]);
    }
    return HOLTER_OK;
}

void memtable_frames_free(struct memtable_frame **frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memtable_frame_unref(frames[i]);
    free(frames);
}
