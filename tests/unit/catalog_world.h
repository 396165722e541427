/*
 * catalog_world.h -- for the tests of catalog: a simulated machine, a store's directory, a catalog,
 * users' keys.
 */
#ifndef TESTS_UNIT_CATALOG_WORLD_H
#define TESTS_UNIT_CATALOG_WORLD_H

#include "catalog/catalog.h"
#include "io/io_sim.h"
#include "random.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#define MUST(call) ck_assert_msg((call) == HOLTER_OK, "%s", world.err.message)

enum { WORLD_USERS = 8 };

static const uint8_t world_store_id[16] = { 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 };

static struct {
    struct sim *sim;
    struct io *io;
    bool is_sealed;
    struct crypto_arena *arena;
    struct crypto_key *keys[WORLD_USERS]; /* of user 100 + index; NULL without sealing */
    struct catalog *catalog;
    holter_error err;
} world;

static inline struct catalog_spec world_spec(void)
{
    struct catalog_spec spec = { .io = world.io, .directory = "d", .is_sealed = world.is_sealed };
    memcpy(spec.store_id, world_store_id, sizeof spec.store_id);
    return spec;
}

static inline holter_status world_open(bool writable)
{
    struct catalog_spec spec = world_spec();
    return catalog_open(&world.catalog, &spec, writable, UINT64_MAX, &world.err);
}

static inline void world_close(void)
{
    catalog_close(world.catalog);
    world.catalog = NULL;
}

static inline void world_reopen(void)
{
    world_close();
    MUST(world_open(true));
}

/* On a machine that is there. */
static inline void world_make(bool is_sealed)
{
    world.is_sealed = is_sealed;
    MUST(crypto_arena_new(&world.arena, WORLD_USERS + 2, &world.err));
    for (size_t i = 0; is_sealed && i < WORLD_USERS; i++) {
        uint8_t bytes[CRYPTO_KEY_BYTES] = { (uint8_t)(i + 1) };
        world.keys[i] = crypto_key_new(world.arena, bytes);
    }
    MUST(io_make_dir(world.io, "d", &world.err));
    MUST(io_sync_dir(world.io, ".", &world.err));
    struct catalog_spec spec = world_spec();
    MUST(catalog_create(&spec, "eu-west", 4, &world.err));
    MUST(world_open(true));
}

static inline void world_setup(bool is_sealed)
{
    memset(&world, 0, sizeof world);
    world.sim = sim_new(&(struct sim_options){ .seed = 9 });
    world.io = sim_process_new(world.sim);
    world_make(is_sealed);
}

static inline void world_teardown(void)
{
    world_close();
    for (size_t i = 0; i < WORLD_USERS; i++)
        crypto_key_free(world.keys[i]);
    crypto_arena_free(world.arena);
    io_free(world.io);
    if (world.sim != NULL)
        sim_free(world.sim);
}

static inline struct catalog_source world_source(size_t user, const char *name)
{
    struct catalog_source source = { .user = 100 + user };
    snprintf(source.name, sizeof source.name, "%s", name);
    return source;
}

static inline holter_status world_put(struct catalog_source *source)
{
    const struct crypto_key *key = world.keys[source->user - 100];
    uint32_t generation = 1;
    return catalog_put_sources(world.catalog, source, 1, world.arena, &key, &generation,
                               &world.err);
}

static inline holter_status world_find(struct catalog_source *out, size_t user, const char *name)
{
    return catalog_source_find(out, world.catalog, 100 + user, name, world.arena, world.keys[user],
                               &world.err);
}

/** An enum metric of two labels. */
static inline struct catalog_metric world_metric(const char *name)
{
    static const char *const labels[] = { "off", "on" };
    struct catalog_metric metric = { .unit = "1",
                                     .schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_ENUM } },
                                     .aggregation = AGGREGATION_STATES,
                                     .class = CLASS_RECORDS,
                                     .carry_ns = 7 };
    snprintf(metric.name, sizeof metric.name, "%s", name);
    metric.fields[0] = (struct catalog_field){
        .name = "value", .type = FIELD_ENUM, .labels = labels, .label_count = 2
    };
    return metric;
}

#endif
