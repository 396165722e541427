/*
 * manifest_world.h -- for the tests of manifest: a shard's directory on a simulated machine, and
 * files to name in it.
 */
#ifndef TESTS_UNIT_MANIFEST_WORLD_H
#define TESTS_UNIT_MANIFEST_WORLD_H

#include "io/io_sim.h"
#include "manifest/manifest.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

/* One process with the shard open. */
struct opened {
    struct io *io;
    struct io_file *lock_file;
    struct head *head;
    struct manifest *manifest;
};

static const uint8_t world_store[16] = { 7, 7 };

static inline struct sim *world_new(uint64_t seed)
{
    struct sim *sim = sim_new(&(struct sim_options){ .seed = seed });
    struct io *io = sim_process_new(sim);
    ck_assert_int_eq(io_make_dir(io, "s", NULL), HOLTER_OK);
    ck_assert_int_eq(io_sync_dir(io, ".", NULL), HOLTER_OK);
    ck_assert_int_eq(sim_file_write(sim, "s/lock", "", 0), HOLTER_OK);
    io_free(io);
    return sim;
}

static inline struct manifest_spec world_spec(struct io *io)
{
    struct manifest_spec spec = { .io = io, .directory = "s", .place = 1 };
    memcpy(spec.store_id, world_store, sizeof world_store);
    return spec;
}

static inline void world_close(struct opened *opened)
{
    manifest_close(opened->manifest);
    head_close(opened->head);
    io_close(opened->lock_file);
    io_free(opened->io);
    memset(opened, 0, sizeof *opened);
}

/* has_head false: as on a read-only mount after a reboot */
static inline holter_status world_open(struct opened *opened, struct sim *sim, bool writable,
                                       bool has_head, holter_error *err)
{
    memset(opened, 0, sizeof *opened);
    opened->io = sim_process_new(sim);
    holter_status status = io_open(&opened->lock_file, opened->io, "s/lock", 0, err);
    if (status == HOLTER_OK && has_head)
        status = head_open(&opened->head, opened->io, "s/head", world_store, 1, writable, err);
    if (status == HOLTER_NOT_FOUND && !writable)
        status = HOLTER_OK;
    struct manifest_spec spec = world_spec(opened->io);
    spec.lock_file = opened->lock_file;
    spec.head = opened->head;
    if (status == HOLTER_OK)
        status = manifest_open(&opened->manifest, &spec, writable, err);
    return status;
}

/* A warm file (partition >= 0) or a hot one (-1) whose id is `name`. */
static inline struct manifest_file world_file(uint8_t name, uint8_t class, int64_t partition,
                                              uint64_t min, uint64_t max)
{
    struct manifest_file file = {
        .id = { name, (uint8_t)(name * 7), 0xab },
        .tier = partition < 0 ? TIER_HOT : TIER_WARM,
        .class = class,
        .partition = partition < 0 ? MANIFEST_HOT_PARTITION : partition,
        .sequence_min = min,
        .sequence_max = max,
        .user_min = 1,
        .user_max = 5,
        .rows = max - min + 1,
        .begin_min = -5,
        .begin_max = 100,
        .end_max = 200,
        .bytes = 4096,
        .footer_hash = name,
    };
    return file;
}

static inline struct manifest_log_place world_place(uint64_t file, uint64_t offset,
                                                    uint64_t sequence)
{
    return (struct manifest_log_place){ file, offset, sequence };
}

static inline void world_segment(char out[static 64], const struct manifest_file *file)
{
    char name[MANIFEST_FILE_NAME_BYTES];
    manifest_file_name(name, file->id);
    snprintf(out, 64, "s/%s", name);
}

static inline bool world_exists(struct io *io, const char *path)
{
    struct io_stat there;
    return io_stat(&there, io, path, NULL) == HOLTER_OK;
}

#endif
