/*
 * vault_world.h -- for the tests of vault: a simulated machine with a keyring, a store's directory
 * and a vault.
 */
#ifndef TESTS_UNIT_VAULT_WORLD_H
#define TESTS_UNIT_VAULT_WORLD_H

#include "io/io_sim.h"
#include "random.h"
#include "run.h"
#include "vault/vault.h"

#include <stdio.h>
#include <string.h>

#define MUST(call) ck_assert_msg((call) == HOLTER_OK, "%s", world.err.message)

enum { WORLD_SLOTS = VAULT_KEYS_OPEN + 64 };

static const uint8_t world_store_id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

static struct {
    struct sim *sim;
    struct io *io;
    struct crypto_arena *arena;
    struct keyring *keyring; /* NULL: without sealing */
    struct vault *vault;
    holter_error err;
} world;

static inline struct vault_spec world_spec(void)
{
    struct vault_spec spec = {
        .io = world.io, .directory = "d", .keyring = world.keyring, .arena = world.arena
    };
    memcpy(spec.store_id, world_store_id, sizeof spec.store_id);
    return spec;
}

static inline holter_status world_open(bool writable)
{
    struct vault_spec spec = world_spec();
    return vault_open(&world.vault, &spec, writable, UINT64_MAX, &world.err);
}

static inline void world_close(void)
{
    vault_close(world.vault);
    world.vault = NULL;
}

static inline void world_reopen(void)
{
    world_close();
    MUST(world_open(true));
}

/* On a machine that is there. */
static inline void world_make(bool is_sealed)
{
    MUST(crypto_arena_new(&world.arena, WORLD_SLOTS, &world.err));
    MUST(io_make_dir(world.io, "d", &world.err));
    MUST(io_sync_dir(world.io, ".", &world.err));
    if (is_sealed) {
        MUST(keyring_create(world.io, "k", world_store_id, &world.err));
        MUST(keyring_open(&world.keyring, world.io, "k", world_store_id, world.arena, &world.err));
    }
    struct vault_spec spec = world_spec();
    MUST(vault_create(&spec, &world.err));
    MUST(world_open(true));
}

static inline void world_setup(bool is_sealed)
{
    memset(&world, 0, sizeof world);
    world.sim = sim_new(&(struct sim_options){ .seed = 7 });
    world.io = sim_process_new(world.sim);
    world_make(is_sealed);
}

static inline void world_teardown(void)
{
    world_close();
    keyring_close(world.keyring);
    crypto_arena_free(world.arena);
    io_free(world.io);
    if (world.sim != NULL)
        sim_free(world.sim);
}

/** A file's bytes; buffer_release. */
static inline struct buffer world_bytes(const char *path)
{
    struct buffer bytes;
    buffer_init(&bytes);
    MUST(sim_file_read(&bytes, world.sim, path));
    return bytes;
}

static inline uint64_t world_size(const char *path)
{
    struct io_stat stat = { .bytes = 0 };
    MUST(io_stat(&stat, world.io, path, &world.err));
    return stat.bytes;
}

static inline holter_status world_add(uint64_t *number, const char *id)
{
    struct vault_id one = { .bytes = id, .count = strlen(id), .region = 3 };
    return vault_add(number, world.vault, &one, 1, &world.err);
}

static inline holter_status world_find(struct vault_user *out, const char *id)
{
    return vault_find(out, world.vault, id, strlen(id), &world.err);
}

#endif
