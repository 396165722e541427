/*
 * wal_world.h -- a log on a simulated disk, and a ledger of what was tried and what was
 * acknowledged.
 *
 * A frame's body follows from its id, which it begins with, so that a frame read back tells
 * whether it is one that was ever appended (none is invented), and the ledger tells which must be
 * there (none is lost).
 */
#ifndef TESTS_UNIT_WAL_WORLD_H
#define TESTS_UNIT_WAL_WORLD_H

#include <string.h>

#include "io/io_sim.h"
#include "run.h"
#include "wal/wal.h"

enum {
    WORLD_FILE_BYTES = 64 << 10,
    WORLD_USERS = 3,
    WORLD_TRIES_MAX = 512,
    WORLD_FRAMES_MAX = 16,
    WORLD_BODY_BYTES_MAX = 17 << 10,
};

/* As ck_assert, but without an allocation where it holds: those may be failing. */
#define world_must(fact) ((fact) ? (void)0 : (void)ck_abort_msg("%s", #fact))

/* The directory of every world's log. */
#define WORLD_DIRECTORY "shard"

struct world_try {
    uint64_t sequence;
    uint64_t id;
    size_t bytes;
    bool is_acknowledged;
};

struct world {
    struct sim *sim;
    struct io *io;
    struct wal *wal;
    struct crypto_arena *arena;
    struct crypto_key *key[WORLD_USERS];
    struct wal_place end; /* as the head page would have it: published with each acknowledgement */
    struct world_try tried[WORLD_TRIES_MAX];
    size_t try_count;
    uint64_t next_id;
};

/* Only what concerns the ledger; the disk is the simulator's to copy. */
static inline void world_open_wal(struct world *world)
{
    struct wal_spec spec = { .io = world->io,
                             .directory = WORLD_DIRECTORY,
                             .store_id = { 7, 7, 7 },
                             .place = 3,
                             .is_sealed = true,
                             .file_bytes = WORLD_FILE_BYTES };
    holter_error err = { 0 };
    ck_assert_msg(wal_open(&world->wal, &spec, &err) == HOLTER_OK, "%s", err.message);
}

static inline void world_keys(struct world *world)
{
    ck_assert_int_eq(crypto_arena_new(&world->arena, 8, NULL), HOLTER_OK);
    for (size_t i = 0; i < WORLD_USERS; i++) {
        uint8_t bytes[CRYPTO_KEY_BYTES];
        memset(bytes, (int)(i + 1), sizeof bytes);
        world->key[i] = crypto_key_new(world->arena, bytes);
    }
}

static inline void world_init(struct world *world, uint64_t seed)
{
    struct sim_options options = { .seed = seed };
    *world = (struct world){ .next_id = 1, .end = { 0, 0, 1 } };
    world->sim = sim_new(&options);
    world->io = sim_process_new(world->sim);
    ck_assert_int_eq(io_make_dir(world->io, WORLD_DIRECTORY, NULL), HOLTER_OK);
    ck_assert_int_eq(io_sync_dir(world->io, ".", NULL), HOLTER_OK);
    world_keys(world);
    world_open_wal(world);
}

/* The same ledger over a copy of the disk, in a new process. */
static inline void world_fork(struct world *copy, const struct world *world, uint64_t seed)
{
    *copy = *world;
    copy->wal = NULL;
    copy->sim = sim_copy(world->sim, seed);
    copy->io = NULL;
    world_keys(copy);
}

static inline void world_release(struct world *world)
{
    wal_close(world->wal);
    for (size_t i = 0; i < WORLD_USERS; i++)
        crypto_key_free(world->key[i]);
    crypto_arena_free(world->arena);
    io_free(world->io);
    sim_free(world->sim);
    *world = (struct world){ 0 };
}

/* The process dies with its handles; another one starts. */
static inline void world_new_process(struct world *world)
{
    wal_close(world->wal);
    world->wal = NULL;
    io_free(world->io);
    world->io = sim_process_new(world->sim);
    world_open_wal(world);
}

static inline void world_body(uint8_t *out, uint64_t id, size_t bytes)
{
    struct writer w = writer_over(out, 16);
    world_must(bytes >= 16 && bytes <= WORLD_BODY_BYTES_MAX);
    put_u64(&w, id);
    put_u64(&w, bytes);
    for (size_t i = 16; i < bytes; i++)
        out[i] = (uint8_t)(id * 31 + i * 7);
}

/* Append frames of `bytes` each (16 or more): some alone, and then one part of linked ones. */
static inline holter_status world_append_parts(struct world *world, size_t alone, size_t linked,
                                               size_t bytes, holter_error *err)
{
    size_t count = alone + linked;
    static uint8_t bodies[WORLD_FRAMES_MAX][WORLD_BODY_BYTES_MAX];
    struct wal_frame frames[WORLD_FRAMES_MAX];
    struct wal_place before = world->end;
    size_t first_try = world->try_count;
    world_must(count <= WORLD_FRAMES_MAX);
    world_must(world->try_count + count <= WORLD_TRIES_MAX);

    for (size_t i = 0; i < count; i++) {
        uint64_t id = world->next_id++;
        uint64_t user = i >= alone ? 1 : 1 + id % WORLD_USERS;
        world_body(bodies[i], id, bytes);
        frames[i] = (struct wal_frame){ .user = user,
                                        .key_generation = 5,
                                        .key = world->key[user - 1],
                                        .body = bodies[i],
                                        .body_bytes = bytes };
        if (i >= alone)
            frames[i].flags =
                (i + 1 < count ? WAL_LINK_MORE : 0u) | (i > alone ? WAL_LINK_GOES_ON : 0u);
        world->tried[world->try_count++] =
            (struct world_try){ .sequence = before.sequence + i, .id = id, .bytes = bytes };
    }
    holter_status status = wal_append(world->wal, &world->end, frames, count, err);
    if (status == HOLTER_OK) {
        world_must(world->end.sequence == before.sequence + count);
        for (size_t i = first_try; i < world->try_count; i++)
            world->tried[i].is_acknowledged = true;
    } else {
        world_must(memcmp(&world->end, &before, sizeof before) == 0); /* *place is untouched */
    }
    return status;
}

/* All of them linked, or none. */
static inline holter_status world_append(struct world *world, size_t count, size_t bytes,
                                         bool is_linked, holter_error *err)
{
    return world_append_parts(world, is_linked ? 0 : count, is_linked ? count : 0, bytes, err);
}

static inline void must_append(struct world *world, size_t count, size_t bytes, bool is_linked)
{
    holter_error err = { 0 };
    holter_status status = world_append(world, count, bytes, is_linked, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
}

static inline void must_mark(struct world *world)
{
    holter_error err = { 0 };
    ck_assert_msg(wal_mark(world->wal, &world->end, &err) == HOLTER_OK, "%s", err.message);
}

static inline void must_take_over(struct world *world, bool is_untouched)
{
    holter_error err = { 0 };
    ck_assert_msg(wal_take_over(world->wal, &world->end, is_untouched, &err) == HOLTER_OK, "%s",
                  err.message);
}

/* The body of a frame that was read is one that was tried with its sequence. */
static inline const struct world_try *world_find(const struct world *world,
                                                 const struct wal_frame_read *frame)
{
    static uint8_t want[WORLD_BODY_BYTES_MAX];
    struct buffer body;
    holter_error err = { 0 };
    buffer_init(&body);
    world_must(frame->user >= 1 && frame->user <= WORLD_USERS);
    world_must(frame->key_generation == 5);
    holter_status status =
        wal_frame_open(&body, world->wal, frame, world->arena, world->key[frame->user - 1], &err);
    if (status != HOLTER_OK)
        ck_abort_msg("%s", err.message);
    struct reader r = reader_over(body.data, body.bytes);
    uint64_t id = get_u64(&r);
    const struct world_try *found = NULL;
    for (size_t i = 0; i < world->try_count; i++) {
        if (world->tried[i].id == id && world->tried[i].sequence == frame->sequence)
            found = &world->tried[i];
    }
    if (found == NULL)
        ck_abort_msg("a frame of sequence %lu, id %lu was invented", (unsigned long)frame->sequence,
                     (unsigned long)id);
    world_body(want, id, found->bytes);
    world_must(body.bytes == found->bytes);
    world_must(memcmp(body.data, want, body.bytes) == 0);
    buffer_release(&body);
    return found;
}

/*
 * Read all frames by a spec. What is read runs from 1 without a gap, was tried, ends no part in
 * its middle; all that was acknowledged below `whole` is there with the id that was acknowledged.
 * *end: where reading ended.
 */
static inline holter_status world_read(struct world *world, const struct wal_read_spec *spec,
                                       uint64_t whole, struct wal_place *end, bool *is_torn,
                                       holter_error *err)
{
    struct wal_reader *reader = NULL;
    uint64_t id_of[WORLD_TRIES_MAX + 2] = { 0 };
    uint64_t next = 1;
    uint32_t flags = 0;
    holter_status status = wal_reader_open(&reader, world->wal, spec, err);
    while (status == HOLTER_OK) {
        struct wal_frame_read frame;
        status = wal_reader_next(reader, &frame, err);
        if (status != HOLTER_OK)
            break;
        world_must(frame.sequence == next);
        world_must(next <= WORLD_TRIES_MAX);
        id_of[next++] = world_find(world, &frame)->id;
        flags = frame.flags;
    }
    if (status == HOLTER_DONE) {
        world_must((flags & WAL_LINK_MORE) == 0);
        *end = wal_reader_place(reader);
        world_must(end->sequence == next);
        if (is_torn != NULL)
            *is_torn = wal_reader_tail_is_torn(reader);
        for (size_t i = 0; i < world->try_count; i++) {
            const struct world_try *tried = &world->tried[i];
            if (tried->is_acknowledged && tried->sequence < whole &&
                id_of[tried->sequence] != tried->id)
                ck_abort_msg("sequence %lu was lost", (unsigned long)tried->sequence);
        }
    }
    wal_reader_close(reader);
    return status;
}

/* Recover; everything acknowledged is there. */
static inline void must_recover(struct world *world, const struct wal_place *closed,
                                struct wal_place *end, bool *is_torn)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .closed = closed };
    holter_error err = { 0 };
    holter_status status = world_read(world, &spec, UINT64_MAX, end, is_torn, &err);
    ck_assert_msg(status == HOLTER_DONE, "%s", err.message);
}

/* Read to the published end: exactly what was acknowledged. */
static inline void must_read_to_end(struct world *world)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .end = &world->end };
    struct wal_place end;
    holter_error err = { 0 };
    holter_status status = world_read(world, &spec, UINT64_MAX, &end, NULL, &err);
    ck_assert_msg(status == HOLTER_DONE, "%s", err.message);
    ck_assert_mem_eq(&end, &world->end, sizeof end);
}

/*
 * After recovery its end is what is published, and what it found counts as acknowledged from now
 * on.
 */
static inline void world_adopt(struct world *world, const struct wal_place *end)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 } };
    struct wal_reader *reader;
    struct wal_frame_read frame;
    ck_assert_int_eq(wal_reader_open(&reader, world->wal, &spec, NULL), HOLTER_OK);
    while (wal_reader_next(reader, &frame, NULL) == HOLTER_OK) {
        uint64_t id = world_find(world, &frame)->id;
        for (size_t i = 0; i < world->try_count; i++)
            world->tried[i].is_acknowledged = world->tried[i].sequence == frame.sequence
                                                  ? world->tried[i].id == id
                                                  : world->tried[i].is_acknowledged;
    }
    wal_reader_close(reader);
    world->end = *end;
}

#endif
