/*
 * memtable_world.h -- frames with bodies, made by hand, for tests of memtable.
 */
#ifndef TESTS_UNIT_MEMTABLE_WORLD_H
#define TESTS_UNIT_MEMTABLE_WORLD_H

#include <string.h>

#include "memtable/memtable.h"
#include "random.h"
#include "run.h"

static const struct schema world_instant = {
    .kind = SAMPLE_INSTANT, .field_count = 1, .key_field = SCHEMA_NO_KEY, .types = { FIELD_INT }
};

/* A body without anything in it; grows by world_body_rows and world_body_tombstone. */
static inline struct wal_body *world_body(void)
{
    struct wal_body *body = calloc(1, sizeof *body);
    CHECK(body != NULL);
    body->parts = calloc(8, sizeof *body->parts);
    body->tombstones = calloc(8, sizeof *body->tombstones);
    CHECK(body->parts != NULL && body->tombstones != NULL);
    return body;
}

/* A part of `count` rows at times first, first + 10 ..; a row's value is its time + `shift`. */
static inline void world_body_rows(struct wal_body *body, uint32_t metric, uint32_t source,
                                   int64_t first, size_t count, int64_t shift, uint64_t sequence)
{
    struct wal_part *part = &body->parts[body->part_count++];
    CHECK(body->part_count <= 8);
    *part = (struct wal_part){ .metric = metric, .source = source };
    columns_init(&part->columns, &world_instant);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = first + 10 * (int64_t)i, .sequence = sequence };
        row.field[0] = row.time + shift;
        CHECK(columns_append(&part->columns, &row));
    }
}

static inline void world_body_tombstone(struct wal_body *body, uint32_t metric, uint32_t source,
                                        int64_t begin, int64_t end, int64_t revision)
{
    CHECK(body->tombstone_count < 8);
    body->tombstones[body->tombstone_count++] = (struct wal_tombstone){
        .metric = metric, .source = source, .begin = begin, .end = end, .revision = revision
    };
}

static inline int world_by_series(const void *a, const void *b)
{
    const struct wal_part *left = a, *right = b;
    if (left->metric != right->metric)
        return left->metric < right->metric ? -1 : 1;
    return (left->source > right->source) - (left->source < right->source);
}

/* The body's bytes, and what a writer knows of them; the body is released. */
static inline void world_encode(struct memtable_body *known, struct buffer *bytes,
                                struct wal_body *body)
{
    *known = (struct memtable_body){ 0 };
    buffer_init(bytes);
    wal_body_encode_begin(bytes, body->tombstones, body->tombstone_count);
    if (body->part_count > 1)
        qsort(body->parts, body->part_count, sizeof *body->parts, world_by_series);
    for (size_t i = 0; i < body->part_count; i++) {
        const struct wal_part *part = &body->parts[i];
        size_t offset = bytes->bytes;
        wal_body_encode_rows(bytes, part->metric, part->source, &part->columns, 0,
                             part->columns.count);
        CHECK(memtable_body_add(known, offset, part, 0, part->columns.count));
    }
    CHECK(!bytes->failed);
    known->bytes = bytes->data;
    known->count = bytes->bytes;
    known->has_deletions = body->tombstone_count > 0;
    wal_body_release(body);
    free(body);
}

/* A frame, with a body (released) or known by its place; counted once for the caller. */
static inline struct memtable_frame *world_frame(uint64_t sequence, uint64_t user,
                                                 struct wal_body *body)
{
    struct memtable_frame *frame;
    struct memtable_body known;
    struct buffer bytes;
    struct wal_frame_read read = { .sequence = sequence,
                                   .user = user,
                                   .key_generation = 3,
                                   .flags = 0,
                                   .file = 7,
                                   .offset = 4096 * sequence };
    if (body == NULL) {
        CHECK(memtable_frame_new_tailed(&frame, &read, sequence, false, NULL) == HOLTER_OK);
        return frame;
    }
    world_encode(&known, &bytes, body);
    CHECK(memtable_frame_new(&frame, &read, sequence, &known, NULL) == HOLTER_OK);
    memtable_body_release(&known);
    buffer_release(&bytes);
    return frame;
}

/* All rows of a series, as they were committed. */
static inline void world_rows(struct columns *out, const struct memtable_series *series)
{
    columns_init(out, &series->schema);
    for (size_t place = 0; place < series->stretch_count; place++) {
        size_t at = 0;
        while (series->stretches[at].place != place)
            at++;
        CHECK(memtable_stretch_read(out, &series->stretches[at], NULL) == HOLTER_OK);
    }
}

static inline struct memtable *world_memtable(void)
{
    struct memtable *memtable;
    CHECK(memtable_new(&memtable, NULL) == HOLTER_OK);
    return memtable;
}

/* Add a frame without a body. */
static inline void world_add(struct memtable *memtable, uint64_t sequence, uint64_t user)
{
    struct memtable_frame *frame = world_frame(sequence, user, NULL);
    CHECK(memtable_add(memtable, frame, NULL) == HOLTER_OK);
    memtable_frame_unref(frame);
}

#endif
