/*
 * store_regions.c -- regions and their shards: made, opened when they are asked for, given what the rooms
 * below call back for.
 *
 *     STORE/  REGION/000/ 001/ ..
 */
#include "store/store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTLINES_PART = 8 }; /* what outlines of sections take beside unflushed rows */

/* ---- callbacks of the rooms below ------------------------------------------------------------ */

uint8_t store_class_of(void *context, uint32_t metric)
{
    holter_store *store = context;
    io_mutex_lock(store->mutex);
    const struct catalog_metric *found = catalog_metric_by_number(store->catalog, metric);
    bool is_current = found != NULL || store_follow(store, NULL) == HOLTER_OK;
    if (found == NULL && is_current)
        found = catalog_metric_by_number(store->catalog, metric);
    uint8_t class = found != NULL ? found->class : CLASS_RECORDS;
    if (!is_current || catalog_version(store->catalog) == 0)
        class = MANIFEST_CLASSES; /* what the catalog would say is not known */
    io_mutex_unlock(store->mutex);
    return class;
}

struct manifest_keep store_keep(void *context)
{
    holter_store *store = context;
    struct manifest_keep keep = { .age_ns = INT64_MAX, .bytes = UINT64_MAX };
    size_t shard_count = 0;
    io_mutex_lock(store->mutex);
    if (store_refresh(store, NULL) == HOLTER_OK && catalog_version(store->catalog) != 0) {
        struct catalog_feed feed = catalog_feed(store->catalog);
        for (size_t i = 0; i < store->region_count; i++)
            shard_count += store->regions[i].shard_count;
        keep.age_ns = feed.age_ns;
        keep.bytes = feed.bytes == UINT64_MAX ? UINT64_MAX
                                              : feed.bytes / (shard_count > 0 ? shard_count : 1);
    } /* else what the catalog would say is not known: all stays for now */
    io_mutex_unlock(store->mutex);
    return keep;
}

holter_status store_key_get(void *context, uint64_t user, uint32_t generation,
                            const struct crypto_key **key, uint32_t *newest, holter_error *err)
{
    holter_store *store = context;
    struct vault_user found;
    io_mutex_lock(store->mutex);
    /* For a commit that waited in line: others may have erased the user meanwhile. */
    holter_status status = generation == 0 ? store_follow(store, err) : HOLTER_OK;
    if (status == HOLTER_OK)
        status = store_living_user(&found, store, user, err);
    if (status == HOLTER_NOT_FOUND && store_follow(store, NULL) == HOLTER_OK)
        status = store_living_user(&found, store, user, err);
    if (status == HOLTER_OK) {
        *newest = found.key_generation;
        status = vault_key(key, store->vault, user,
                           generation > 0 ? generation : found.key_generation, err);
    }
    io_mutex_unlock(store->mutex);
    return status;
}

void store_key_put(void *context, const struct crypto_key *key)
{
    holter_store *store = context;
    io_mutex_lock(store->mutex);
    vault_key_unref(store->vault, key);
    io_mutex_unlock(store->mutex);
}

/* ---- regions and shards ---------------------------------------------------------------------- */

holter_status store_regions_sync(holter_store *store, holter_error *err)
{
    size_t count = catalog_region_count(store->catalog);
    void *regions = store->regions;
    if (!core_grow(&regions, &store->region_capacity, count, sizeof *store->regions))
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for regions", store->path);
    store->regions = regions;
    while (store->region_count < count) {
        const struct catalog_region *from = catalog_region_at(store->catalog, store->region_count);
        struct store_region *region = &store->regions[store->region_count];
        *region = (struct store_region){ .number = from->number, .shard_count = from->shards };
        region->name = strdup(from->name);
        region->shards = core_calloc(from->shards, sizeof(struct shard *));
        if (region->name == NULL || region->shards == NULL) {
            free(region->name);
            free(region->shards);
            return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for shards", store->path);
        }
        store->region_count++;
    }
    return HOLTER_OK;
}

static holter_status shard_directory(char out[static IO_PATH_BYTES_MAX], const char *path,
                                     const char *region, unsigned index, holter_error *err)
{
    char name[16];
    snprintf(name, sizeof name, "%03u", index);
    return store_join(out, path, region, name, err);
}

static uint32_t shard_place(uint16_t region, unsigned index)
{
    return 1 + ((uint32_t)region << 16 | index);
}

holter_status store_shard(struct shard **out, holter_store *store, uint16_t region, uint16_t index,
                          holter_error *err)
{
    char directory[IO_PATH_BYTES_MAX];
    struct store_region *of = &store->regions[region];
    if (of->shards[index] != NULL) {
        *out = of->shards[index];
        return HOLTER_OK;
    }
    holter_status status = shard_directory(directory, store->path, of->name, index, err);
    if (status != HOLTER_OK)
        return status;
    size_t shard_count = 0;
    for (size_t i = 0; i < store->region_count; i++)
        shard_count += store->regions[i].shard_count;
    struct shard_spec spec = {
        .io = store->io,
        .directory = directory,
        .place = shard_place(of->number, index),
        .is_sealed = store->is_sealed,
        .is_writable = store->is_writable,
        .log_file_bytes = store->log_file_bytes,
        .log_bytes_flush = store->log_bytes_flush,
        .memory_bytes_flush = store->memory_bytes_max / 2 / (shard_count > 0 ? shard_count : 1) + 1,
        .outline_bytes_max =
            store->memory_bytes_max / OUTLINES_PART / (shard_count > 0 ? shard_count : 1) + 1,
        .lock_wait_ns = store->lock_wait_ns,
        .statistics = store->head,
        .arena = store->arena,
        .keys = { .get = store_key_get, .put = store_key_put, .context = store },
        .class_of = store_class_of,
        .class_context = store,
        .keep = store_keep,
        .keep_context = store,
    };
    memcpy(spec.store_id, store->id, sizeof spec.store_id);
    struct shard *shard;
    io_mutex_unlock(store->mutex); /* a shard calls back for keys */
    status = shard_open(&shard, &spec, err);
    io_mutex_lock(store->mutex);
    of = &store->regions[region];
    if (status == HOLTER_OK && of->shards[index] != NULL) {
        shard_close(shard); /* another thread was faster */
        shard = of->shards[index];
    }
    if (status == HOLTER_OK) {
        of->shards[index] = shard;
        *out = shard;
    }
    return status;
}

holter_status store_user_shard(struct shard **out, holter_store *store, uint64_t user,
                               holter_error *err)
{
    struct vault_user found = { 0 };
    uint8_t number[8];
    struct writer w = writer_over(number, sizeof number);
    put_u64(&w, user);
    holter_status status = store_follow(store, err);
    if (status == HOLTER_OK)
        status = store_living_user(&found, store, user, err);
    if (status == HOLTER_OK && found.region >= store->region_count)
        status = error_set(err, HOLTER_CORRUPT,
                           "'%s': user #%016llx is in region %u, which the catalog lacks",
                           store->path, (unsigned long long)user, found.region);
    if (status == HOLTER_OK) {
        uint16_t shards = store->regions[found.region].shard_count;
        status = store_shard(out, store, found.region,
                             (uint16_t)(hash64(number, sizeof number) % shards), err);
    }
    return status;
}

/* A region's directory lies beside files whose names could be a region's. */
holter_status store_region_name_check(const char *name, holter_error *err)
{
    if (strcmp(name, "head") != 0 && strcmp(name, "lock") != 0)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID,
                     "found region name '%s', which is that of a file of the store", name);
}

uint32_t store_shards_wanted(struct io *io, uint32_t shards)
{
    if (shards > 0)
        return shards;
    uint32_t processors = io_processors(io);
    if (processors < STORE_SHARDS_DEFAULT_LEAST)
        return STORE_SHARDS_DEFAULT_LEAST;
    return processors < STORE_SHARDS_DEFAULT_MOST ? processors : STORE_SHARDS_DEFAULT_MOST;
}

holter_status store_shards_create(struct io *io, const char *path,
                                  const uint8_t store_id[static 16], bool is_sealed,
                                  const char *region, uint16_t number, uint32_t shards,
                                  holter_error *err)
{
    char directory[IO_PATH_BYTES_MAX];
    holter_status status = store_join(directory, path, region, NULL, err);
    if (status == HOLTER_OK)
        status = io_make_dir(io, directory, err);
    if (status == HOLTER_EXISTS)
        status = HOLTER_OK; /* of an attempt that did not end */
    for (uint32_t i = 0; status == HOLTER_OK && i < shards; i++) {
        struct shard_spec spec = { .io = io,
                                   .directory = directory,
                                   .place = shard_place(number, i),
                                   .is_sealed = is_sealed,
                                   .is_writable = true };
        memcpy(spec.store_id, store_id, sizeof spec.store_id);
        status = shard_directory(directory, path, region, i, err);
        if (status == HOLTER_OK)
            status = shard_create(&spec, err);
    }
    if (status == HOLTER_OK)
        status = store_join(directory, path, region, NULL, err);
    if (status == HOLTER_OK)
        status = io_sync_dir(io, directory, err);
    if (status == HOLTER_OK)
        status = io_sync_dir(io, path, err);
    return status;
}

/* ---- the door -------------------------------------------------------------------------------- */

holter_status holter_add_region(holter_store *store, const char *name, uint32_t shards,
                                holter_error *err)
{
    uint16_t number;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    uint32_t wanted = store_shards_wanted(store->io, shards);
    if (name == NULL || !catalog_region_name_is_valid(name))
        status = error_set(
            err, HOLTER_INVALID,
            "found a region name that is none, expected 1 to %d of a-z, 0-9, '-', the first "
            "one no '-'",
            CATALOG_NAME_BYTES_MAX);
    else if (wanted > STORE_SHARDS_MAX)
        status = error_set(err, HOLTER_INVALID, "found %u shards, expected 1 to %d", wanted,
                           STORE_SHARDS_MAX);
    if (status == HOLTER_OK)
        status = store_region_name_check(name, err);
    if (status == HOLTER_OK)
        status = store_change_begin(store, err);
    if (status != HOLTER_OK) {
        store_leave(store);
        return status;
    }
    if (catalog_region_find(store->catalog, name) != NULL)
        status = error_set(err, HOLTER_EXISTS, "region '%s' is there already", name);
    if (status == HOLTER_OK)
        status = store_shards_create(store->io, store->path, store->id, store->is_sealed, name,
                                     (uint16_t)catalog_region_count(store->catalog), wanted, err);
    if (status == HOLTER_OK)
        status = catalog_add_region(store->catalog, name, (uint16_t)wanted, &number, err);
    if (status == HOLTER_OK)
        status = store_regions_sync(store, err);
    store_change_end(store);
    store_leave(store);
    return status;
}

size_t holter_region_count(holter_store *store)
{
    if (store_enter(store, NULL) != HOLTER_OK)
        return 0;
    io_mutex_lock(store->mutex);
    (void)store_refresh(store, NULL);
    size_t count = store->region_count;
    io_mutex_unlock(store->mutex);
    store_leave(store);
    return count;
}

holter_status holter_region_at(holter_store *store, size_t index, const char **name,
                               uint32_t *shards, holter_error *err)
{
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    io_mutex_lock(store->mutex);
    if (index < store->region_count) {
        *name = store->regions[index].name;
        *shards = store->regions[index].shard_count;
    } else {
        status = error_set(err, HOLTER_NOT_FOUND, "there is no region with index %zu", index);
    }
    io_mutex_unlock(store->mutex);
    store_leave(store);
    return status;
}
