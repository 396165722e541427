/*
 * store.c -- making, opening and closing a store; its head page, its lock, its shards.
 *
 *     STORE/  holter.store  lock  head  vault.a .b  catalog.a .b  REGION/000/ ..
 *
 * The version of vault and catalog that counts is published in the store's head page; every call
 * that needs them compares it first (store_refresh), and changes them under the store lock
 * (store_change_begin).
 */
#include "store/store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_WAIT_DEFAULT_MS 5000
#define BUFFERED_BYTES_MAX_DEFAULT ((size_t)16 << 20)
#define MEMORY_BYTES_MAX_DEFAULT (UINT64_C(256) << 20)
enum { SHARDS_DEFAULT = 4, SHARDS_MAX = 256 };
enum { OUTLINES_PART = 8 }; /* what outlines of sections take beside unflushed rows */

static holter_status join(char out[static IO_PATH_BYTES_MAX], const char *a, const char *b,
                          const char *c, holter_error *err)
{
    if (io_path_join(out, a, b, c, NULL))
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%s': the path is too long", a);
}

static holter_status keyring_path(char out[static IO_PATH_BYTES_MAX], const char *store_path,
                                  const char *asked, holter_error *err)
{
    size_t bytes = strlen(store_path);
    while (bytes > 1 && store_path[bytes - 1] == '/')
        bytes--;
    int wanted = asked != NULL
                     ? snprintf(out, IO_PATH_BYTES_MAX, "%s", asked)
                     : snprintf(out, IO_PATH_BYTES_MAX, "%.*s.keyring", (int)bytes, store_path);
    if (wanted < 0 || wanted >= IO_PATH_BYTES_MAX)
        return error_set(err, HOLTER_INVALID, "'%s': the path of its keyring is too long",
                         store_path);
    return HOLTER_OK;
}

/* ---- calls ----------------------------------------------------------------------------------- */

holter_status store_enter(holter_store *store, holter_error *err)
{
    if (store == NULL)
        return error_set(err, HOLTER_INVALID, "the store handle is NULL");
    if (atomic_load(&store->is_forked))
        return error_set(err, HOLTER_INVALID,
                         "'%s': this handle is the parent process's: open the store anew",
                         store->path);
    atomic_fetch_add(&store->calls, 1);
    return HOLTER_OK;
}

void store_leave(holter_store *store)
{
    atomic_fetch_sub(&store->calls, 1);
}

holter_status store_check_reserved(const uint64_t *reserved, size_t words, holter_error *err)
{
    for (size_t i = 0; i < words; i++) {
        if (reserved[i] != 0)
            return error_set(err, HOLTER_INVALID, "a reserved option is not zero");
    }
    return HOLTER_OK;
}

/* In a forked child: what the parent holds stays the parent's. */
static void in_child(void *context)
{
    holter_store *store = context;
    atomic_store(&store->is_forked, true);
    if (store->arena != NULL)
        crypto_arena_wipe(store->arena);
    if (store->lock_file != NULL)
        io_abandon(store->lock_file);
    for (size_t r = 0; r < store->region_count; r++) {
        for (size_t s = 0; s < store->regions[r].shard_count; s++) {
            if (store->regions[r].shards[s] != NULL)
                shard_abandon(store->regions[r].shards[s]);
        }
    }
}

/* ---- vault and catalog: published versions --------------------------------------------------- */

static bool published(const holter_store *store, uint64_t *vault, uint64_t *catalog)
{
    uint64_t words[HEAD_WORDS];
    if (store->head == NULL || !head_read(store->head, STORE_HEAD_PAIR, words))
        return false;
    *vault = words[STORE_HEAD_VAULT];
    *catalog = words[STORE_HEAD_CATALOG];
    return true;
}

static void publish(holter_store *store)
{
    uint64_t words[HEAD_WORDS] = { 0 };
    words[STORE_HEAD_VAULT] = vault_version(store->vault);
    words[STORE_HEAD_CATALOG] = catalog_version(store->catalog);
    head_publish(store->head, STORE_HEAD_PAIR, words);
}

static bool is_gone(void *context, uint64_t user)
{
    holter_store *store = context;
    struct vault_user found;
    return vault_find_number(&found, store->vault, user, NULL) != HOLTER_OK || found.is_erased;
}

/* What is kept of erased users goes before any call that knows of their erasure answers. */
static void forget_erased(holter_store *store)
{
    uint64_t sweeps = vault_sweeps(store->vault);
    if (sweeps == store->vault_sweeps)
        return;
    store->vault_sweeps = sweeps;
    for (size_t r = 0; r < store->region_count; r++) {
        for (size_t s = 0; s < store->regions[r].shard_count; s++) {
            if (store->regions[r].shards[s] != NULL)
                shard_outlines_forget(shard_outlines_of(store->regions[r].shards[s]), is_gone,
                                      store);
        }
    }
}

holter_status store_refresh(holter_store *store, holter_error *err)
{
    holter_status linked = HOLTER_OK;
    if (store->head != NULL)
        linked = head_check_linked(store->head, err); /* D7 */
    return linked == HOLTER_OK ? store_follow(store, err) : linked;
}

holter_status store_follow(holter_store *store, holter_error *err)
{
    uint64_t vault, catalog;
    struct head_stamp stamp = { { 0 } };
    if (store->head != NULL)
        stamp = head_stamp(store->head, STORE_HEAD_PAIR);
    if (store->has_followed && head_stamp_is_equal(&stamp, &store->followed))
        return HOLTER_OK;
    store->has_followed = false;
    bool is_published = published(store, &vault, &catalog);
    if (!is_published && store->is_writable)
        return HOLTER_OK; /* the page was damaged under us: the next change publishes anew */
    if (!is_published)
        vault = catalog = UINT64_MAX;
    holter_status status = HOLTER_OK;
    if (vault != vault_version(store->vault))
        status = vault_refresh(store->vault, false, vault, err);
    forget_erased(store);
    if (status == HOLTER_OK && catalog != catalog_version(store->catalog))
        status = catalog_refresh(store->catalog, false, catalog, err);
    if (status == HOLTER_OK && store->region_count < catalog_region_count(store->catalog))
        status = store_regions_sync(store, err);
    store->followed = stamp;
    store->has_followed = is_published && status == HOLTER_OK;
    return status;
}

holter_status store_read_begin(holter_store *store, holter_error *err)
{
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    io_mutex_lock(store->mutex);
    status = store_refresh(store, err);
    if (status != HOLTER_OK)
        store_read_end(store);
    return status;
}

void store_read_end(holter_store *store)
{
    io_mutex_unlock(store->mutex);
    store_leave(store);
}

static holter_status take_lock(holter_store *store, holter_error *err)
{
    int64_t deadline = saturating_add_i64(io_monotonic_ns(store->io), store->lock_wait_ns);
    holter_status status = io_lock(store->lock_file, 0, 1, IO_LOCK_EXCLUSIVE, deadline, err);
    if (status == HOLTER_BUSY)
        return error_set(err, HOLTER_BUSY,
                         "'%s': the store lock is held by another process or handle",
                         io_path(store->lock_file));
    if (status != HOLTER_OK)
        return status;
    status = io_check_linked(store->lock_file, err); /* D7 */
    if (status != HOLTER_OK)
        io_unlock(store->lock_file, 0, 1);
    return status;
}

holter_status store_change_begin(holter_store *store, holter_error *err)
{
    uint64_t vault, catalog;
    if (!store->is_writable)
        return error_set(err, HOLTER_INVALID, "'%s': opened for reading only", store->path);
    io_mutex_lock(store->mutex);
    holter_status status = take_lock(store, err);
    if (status != HOLTER_OK) {
        io_mutex_unlock(store->mutex);
        return status;
    }
    store->has_followed = false; /* a refresh that fails is to be tried again */
    if (!published(store, &vault, &catalog))
        vault = catalog = UINT64_MAX;
    status = vault_refresh(store->vault, true, vault, err);
    forget_erased(store);
    if (status == HOLTER_OK)
        status = catalog_refresh(store->catalog, true, catalog, err);
    if (status == HOLTER_OK)
        publish(store);
    if (status != HOLTER_OK) {
        io_unlock(store->lock_file, 0, 1);
        io_mutex_unlock(store->mutex);
    }
    return status;
}

void store_change_end(holter_store *store)
{
    forget_erased(store);
    publish(store);
    io_unlock(store->lock_file, 0, 1);
    io_mutex_unlock(store->mutex);
}

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
        status = vault_find_number(&found, store->vault, user, err);
    if (status == HOLTER_NOT_FOUND && store_follow(store, NULL) == HOLTER_OK)
        status = vault_find_number(&found, store->vault, user, err);
    if (status == HOLTER_OK && found.is_erased)
        status =
            error_set(err, HOLTER_EXPIRED, "user #%016llx is erased", (unsigned long long)user);
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
    return join(out, path, region, name, err);
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
    io_mutex_lock(store->mutex);
    holter_status status = store_follow(store, err);
    if (status == HOLTER_OK)
        status = vault_find_number(&found, store->vault, user, err);
    if (status == HOLTER_OK && found.is_erased)
        status =
            error_set(err, HOLTER_EXPIRED, "user #%016llx is erased", (unsigned long long)user);
    if (status == HOLTER_OK && found.region >= store->region_count)
        status = error_set(err, HOLTER_CORRUPT,
                           "'%s': user #%016llx is in region %u, which the catalog lacks",
                           store->path, (unsigned long long)user, found.region);
    if (status == HOLTER_OK) {
        uint16_t shards = store->regions[found.region].shard_count;
        status = store_shard(out, store, found.region,
                             (uint16_t)(hash64(number, sizeof number) % shards), err);
    }
    io_mutex_unlock(store->mutex);
    return status;
}

/* A region's directory lies beside files whose names could be a region's. */
static holter_status check_region_directory(const char *name, holter_error *err)
{
    if (strcmp(name, "head") != 0 && strcmp(name, "lock") != 0)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID,
                     "found region name '%s', which is that of a file of the store", name);
}

static holter_status create_shards(struct io *io, const char *path,
                                   const uint8_t store_id[static 16], bool is_sealed,
                                   const char *region, uint16_t number, uint32_t shards,
                                   holter_error *err)
{
    char directory[IO_PATH_BYTES_MAX];
    holter_status status = join(directory, path, region, NULL, err);
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
        status = join(directory, path, region, NULL, err);
    if (status == HOLTER_OK)
        status = io_sync_dir(io, directory, err);
    if (status == HOLTER_OK)
        status = io_sync_dir(io, path, err);
    return status;
}

/* ---- create ---------------------------------------------------------------------------------- */

/* A directory in which the identity did not get its name. */
static bool is_no_store(struct io *io, const char *path)
{
    char at[IO_PATH_BYTES_MAX];
    struct io_stat stat;
    return io_stat(&stat, io, path, NULL) == HOLTER_OK && stat.kind == IO_KIND_DIRECTORY &&
           join(at, path, "holter.store", NULL, NULL) == HOLTER_OK &&
           io_stat(&stat, io, at, NULL) == HOLTER_NOT_FOUND;
}

/* The directory: made, or there and empty. */
static holter_status make_directory(struct io *io, const char *path, holter_error *err)
{
    struct io_names names;
    struct io_stat stat;
    holter_status status = io_make_dir(io, path, err);
    if (status != HOLTER_EXISTS)
        return status;
    status = io_stat(&stat, io, path, err);
    if (status == HOLTER_OK && stat.kind != IO_KIND_DIRECTORY)
        return error_set(err, HOLTER_EXISTS,
                         "'%s': found a file, expected no or an empty directory", path);
    if (status == HOLTER_OK)
        status = io_list(&names, io, path, err);
    if (status != HOLTER_OK)
        return status;
    size_t count = names.count;
    io_names_release(&names);
    if (count > 0)
        return error_set(err, HOLTER_EXISTS, "'%s': the directory is there and not empty%s", path,
                         is_no_store(io, path) ? ", and is no store; where a creation that did not "
                                                 "end left it, remove it"
                                               : "");
    return HOLTER_OK;
}

/* So that the directory itself survives. */
static holter_status sync_parent(struct io *io, const char *path, holter_error *err)
{
    char parent[IO_PATH_BYTES_MAX];
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    while (end > 1 && path[end - 1] == '/')
        end--;
    if (end >= sizeof parent)
        return error_set(err, HOLTER_INVALID, "'%s': the path is too long", path);
    memcpy(parent, end > 0 ? path : ".", end > 0 ? end : 1);
    parent[end > 0 ? end : 1] = '\0';
    return io_sync_dir(io, parent, err);
}

static holter_status create_vault(struct io *io, const char *path, const char *keyring_at,
                                  const struct store_identity *identity, holter_error *err)
{
    struct crypto_arena *arena = NULL;
    struct keyring *keyring = NULL;
    holter_status status = crypto_arena_new(&arena, 64, err);
    if (status == HOLTER_OK && identity->is_sealed)
        status = keyring_open(&keyring, io, keyring_at, identity->id, arena, err);
    if (status == HOLTER_OK) {
        struct vault_spec spec = {
            .io = io, .directory = path, .keyring = keyring, .arena = arena
        };
        memcpy(spec.store_id, identity->id, sizeof spec.store_id);
        status = vault_create(&spec, err);
    }
    keyring_close(keyring);
    crypto_arena_free(arena);
    return status;
}

/* What is in the directory, the identity last: from then on it is a store. */
static holter_status create_files(struct io *io, const char *path, const char *keyring_at,
                                  const struct store_identity *identity, const char *region,
                                  uint32_t shards, holter_error *err)
{
    static const uint8_t zeros[CORE_PAGE_BYTES];
    char at[IO_PATH_BYTES_MAX];
    struct catalog_spec catalog = { .io = io, .directory = path, .is_sealed = identity->is_sealed };
    memcpy(catalog.store_id, identity->id, sizeof catalog.store_id);
    holter_status status = create_vault(io, path, keyring_at, identity, err);
    if (status == HOLTER_OK)
        status = catalog_create(&catalog, region, (uint16_t)shards, err);
    if (status == HOLTER_OK)
        status = join(at, path, "lock", NULL, err);
    if (status == HOLTER_OK)
        status = io_write_file(io, at, zeros, sizeof zeros, 0, err);
    if (status == HOLTER_OK)
        status = create_shards(io, path, identity->id, identity->is_sealed, region, 0, shards, err);
    if (status == HOLTER_OK)
        status = join(at, path, "holter.store", NULL, err);
    if (status == HOLTER_OK)
        status = store_identity_write(io, at, identity, err);
    return status;
}

holter_status store_create_on(struct io *io, const char *path, const holter_create_options *options,
                              holter_error *err)
{
    static const holter_create_options defaults;
    const holter_create_options *asked = options != NULL ? options : &defaults;
    uint32_t shards = asked->shards > 0 ? asked->shards : SHARDS_DEFAULT;
    const char *region = asked->region != NULL ? asked->region : "main";
    char keyring_at[IO_PATH_BYTES_MAX];
    struct store_identity identity = { .is_sealed = !asked->no_sealing, .made_ns = io_now_ns(io) };
    struct io_stat stat;

    if (path == NULL || path[0] == '\0')
        return error_set(err, HOLTER_INVALID, "the store's path is empty");
    if (shards > SHARDS_MAX)
        return error_set(err, HOLTER_INVALID, "found %u shards, expected 1 to %d", shards,
                         SHARDS_MAX);
    if (!catalog_region_name_is_valid(region))
        return error_set(
            err, HOLTER_INVALID,
            "found region name '%s', expected 1 to %d of a-z, 0-9, '-', the first one no '-'",
            region, CATALOG_NAME_BYTES_MAX);
    holter_status status = store_check_reserved(asked->reserved, CORE_COUNT(asked->reserved), err);
    if (status == HOLTER_OK)
        status = check_region_directory(region, err);
    if (status == HOLTER_OK)
        status = keyring_path(keyring_at, path, asked->keyring_path, err);
    if (status != HOLTER_OK)
        return status;
    if (identity.is_sealed && io_stat(&stat, io, keyring_at, NULL) == HOLTER_OK)
        return is_no_store(io, path)
                   ? error_set(err, HOLTER_EXISTS,
                               "'%s': the keyring is there already, and '%s' is no store; where a "
                               "creation that did not end left both, remove both",
                               keyring_at, path)
                   : error_set(err, HOLTER_EXISTS, "'%s': the keyring is there already",
                               keyring_at);
    status = make_directory(io, path, err);
    if (status == HOLTER_OK)
        status = sync_parent(io, path, err);
    if (status == HOLTER_OK)
        status = io_random(io, identity.id, sizeof identity.id, err);
    if (status == HOLTER_OK && identity.is_sealed)
        status = keyring_create(io, keyring_at, identity.id, err);
    if (status != HOLTER_OK)
        return status;
    status = create_files(io, path, keyring_at, &identity, region, shards, err);
    if (status != HOLTER_OK && identity.is_sealed && is_no_store(io, path))
        keyring_discard(io, keyring_at, identity.id);
    return status;
}

/* ---- open ------------------------------------------------------------------------------------ */

static holter_status open_keyring(holter_store *store, const char *asked, holter_error *err)
{
    char at[IO_PATH_BYTES_MAX];
    if (!store->is_sealed)
        return HOLTER_OK;
    holter_status status = keyring_path(at, store->path, asked, err);
    if (status != HOLTER_OK)
        return status;
    status = keyring_open(&store->keyring, store->io, at, store->id, store->arena, err);
    if (status == HOLTER_NOT_FOUND)
        return error_set(err, HOLTER_DENIED, "'%s': the store's keyring is not there", at);
    return status;
}

static holter_status open_lock_and_head(holter_store *store, holter_error *err)
{
    char at[IO_PATH_BYTES_MAX];
    holter_status status = join(at, store->path, "lock", NULL, err);
    if (status == HOLTER_OK)
        status =
            io_open(&store->lock_file, store->io, at, store->is_writable ? IO_WRITABLE : 0, err);
    if (status == HOLTER_OK)
        status = join(at, store->path, "head", NULL, err);
    if (status == HOLTER_OK)
        status = head_open(&store->head, store->io, at, store->id, 0, store->is_writable, err);
    if (status == HOLTER_NOT_FOUND && !store->is_writable)
        status = HOLTER_OK;
    return status;
}

static holter_status open_vault_and_catalog(holter_store *store, holter_error *err)
{
    struct vault_spec vault = { .io = store->io,
                                .directory = store->path,
                                .keyring = store->keyring,
                                .arena = store->arena,
                                .statistics = store->head };
    struct catalog_spec catalog = { .io = store->io,
                                    .directory = store->path,
                                    .is_sealed = store->is_sealed,
                                    .statistics = store->head };
    uint64_t vault_at, catalog_at;
    memcpy(vault.store_id, store->id, sizeof vault.store_id);
    memcpy(catalog.store_id, store->id, sizeof catalog.store_id);
    bool is_published = published(store, &vault_at, &catalog_at);
    bool is_mending = !is_published && store->is_writable;
    holter_status status = HOLTER_OK;
    if (is_mending) {
        status = take_lock(store, err);
        if (status != HOLTER_OK)
            return status;
        if (published(store, &vault_at, &catalog_at)) { /* by who was faster */
            is_published = true;
        }
    }
    if (!is_published)
        vault_at = catalog_at = UINT64_MAX;
    status = vault_open(&store->vault, &vault, is_mending, vault_at, err);
    if (status == HOLTER_OK)
        status = catalog_open(&store->catalog, &catalog, is_mending, catalog_at, err);
    if (status == HOLTER_OK && is_mending)
        publish(store);
    if (is_mending)
        io_unlock(store->lock_file, 0, 1);
    if (status == HOLTER_OK)
        status = store_regions_sync(store, err);
    return status;
}

static void store_free(holter_store *store)
{
    if (store == NULL)
        return;
    store_workers_stop(store);
    io_fork_forget(store->io, in_child, store);
    for (size_t r = 0; r < store->region_count; r++) {
        for (size_t s = 0; s < store->regions[r].shard_count; s++)
            shard_close(store->regions[r].shards[s]);
        free(store->regions[r].shards);
        free(store->regions[r].name);
    }
    free(store->regions);
    store_metrics_free(store);
    catalog_close(store->catalog);
    vault_close(store->vault);
    keyring_close(store->keyring);
    head_close(store->head);
    io_close(store->lock_file);
    crypto_arena_free(store->arena);
    store_buffered_release(&store->buffered);
    io_mutex_free(store->mutex);
    if (store->owns_io)
        io_free(store->io);
    free(store->path);
    free(store);
}

static holter_status check_options(const holter_options *options, holter_error *err)
{
    holter_status status =
        store_check_reserved(options->reserved, CORE_COUNT(options->reserved), err);
    if (status != HOLTER_OK)
        return status;
    uint64_t file_bytes = options->log_file_bytes;
    if (file_bytes != 0 && (file_bytes < WAL_FILE_BYTES_MIN || file_bytes % CORE_PAGE_BYTES != 0 ||
                            file_bytes > WAL_FILE_BYTES_MAX))
        return error_set(
            err, HOLTER_INVALID,
            "found log_file_bytes %llu, expected a multiple of 4096 from 65536 to 1 GiB",
            (unsigned long long)file_bytes);
    return HOLTER_OK;
}

holter_status store_open_on(holter_store **out, struct io *io, const char *path,
                            const holter_options *options, holter_error *err)
{
    static const holter_options defaults;
    const holter_options *asked = options != NULL ? options : &defaults;
    struct store_identity identity;
    unsigned damaged_copies;
    *out = NULL;
    if (path == NULL || path[0] == '\0')
        return error_set(err, HOLTER_INVALID, "the store's path is empty");
    holter_status status = check_options(asked, err);
    if (status == HOLTER_OK)
        status = store_identity_read(&identity, &damaged_copies, io, path, err);
    if (status != HOLTER_OK)
        return status;

    holter_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a handle", path);
    store->io = io;
    memcpy(store->id, identity.id, sizeof store->id);
    store->is_sealed = identity.is_sealed;
    store->is_writable = !asked->read_only;
    store->flushes_by_itself = !asked->no_auto_flush;
    store->memory_bytes_max =
        asked->memory_bytes_max > 0 ? asked->memory_bytes_max : MEMORY_BYTES_MAX_DEFAULT;
    store->buffered.bytes_max = asked->buffered_bytes_max > 0 ? (size_t)asked->buffered_bytes_max
                                                              : BUFFERED_BYTES_MAX_DEFAULT;
    store->log_bytes_flush = asked->log_bytes_flush;
    store->log_file_bytes = asked->log_file_bytes;
    store->lock_wait_ns =
        (int64_t)(asked->lock_wait_ms > 0 ? asked->lock_wait_ms : LOCK_WAIT_DEFAULT_MS) * 1000000;
    store->path = strdup(path);
    if (store->path == NULL)
        status = error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a handle", path);
    if (status == HOLTER_OK)
        status = io_mutex_new(&store->mutex, io, err);
    if (status == HOLTER_OK)
        status = io_mutex_new(&store->buffered.mutex, io, err);
    if (status == HOLTER_OK)
        status = store_worker_init(&store->flusher, store, store_flush_due, err);
    if (status == HOLTER_OK)
        status = store_worker_init(&store->syncer, store, store_sync_buffered, err);
    if (status == HOLTER_OK)
        status = crypto_arena_new(&store->arena, STORE_ARENA_SLOTS, err);
    if (status == HOLTER_OK)
        status = open_keyring(store, asked->keyring_path, err);
    if (status == HOLTER_OK)
        status = open_lock_and_head(store, err);
    if (status == HOLTER_OK)
        status = open_vault_and_catalog(store, err);
    if (status == HOLTER_OK)
        status = io_fork_watch(io, in_child, store, err);
    if (status != HOLTER_OK) {
        store_free(store);
        return status;
    }
    *out = store;
    return HOLTER_OK;
}

holter_status holter_create(const char *path, const holter_create_options *options,
                            holter_error *err)
{
    struct io *io;
    holter_status status = io_posix_new(&io, err);
    if (status != HOLTER_OK)
        return status;
    status = store_create_on(io, path, options, err);
    io_free(io);
    return status;
}

/* *why: what kept io_uring from being chosen. */
static holter_status backend_new(struct io **io, holter_error *why, int backend, holter_error *err)
{
    switch (backend) {
    case HOLTER_BACKEND_CHOOSE:
        if (io_uring_new(io, why) == HOLTER_OK)
            return HOLTER_OK;
        return io_posix_new(io, err);
    case HOLTER_BACKEND_POSIX:
        return io_posix_new(io, err);
    case HOLTER_BACKEND_URING:
        return io_uring_new(io, err);
    default:
        return error_set(err, HOLTER_INVALID, "found backend %d, expected %d to %d", backend,
                         HOLTER_BACKEND_CHOOSE, HOLTER_BACKEND_URING);
    }
}

holter_status holter_open(holter_store **out, const char *path, const holter_options *options,
                          holter_error *err)
{
    struct io *io;
    if (out == NULL)
        return error_set(err, HOLTER_INVALID, "there is no place for the handle");
    *out = NULL;
    holter_error why = { 0 };
    holter_status status =
        backend_new(&io, &why, options != NULL ? options->backend : HOLTER_BACKEND_CHOOSE, err);
    if (status != HOLTER_OK)
        return status;
    status = store_open_on(out, io, path, options, err);
    if (status != HOLTER_OK) {
        io_free(io);
        return status;
    }
    (*out)->owns_io = true;
    (*out)->why_posix = why;
    return HOLTER_OK;
}

void holter_close(holter_store *store)
{
    if (store == NULL)
        return;
    if (atomic_load(&store->is_forked)) {
        /* The parent may have been in the middle of a call: its memory is left as it is. */
        return;
    }
    while (atomic_load(&store->calls) > 0)
        io_sleep_ns(store->io, 1000000);
    if (holter_durable(store) < holter_accepted(store)) {
        holter_status status = holter_sync(store, NULL);
        (void)status; /* who wants to know asks before */
    }
    store_free(store);
}

holter_status holter_add_region(holter_store *store, const char *name, uint32_t shards,
                                holter_error *err)
{
    uint32_t wanted = shards > 0 ? shards : SHARDS_DEFAULT;
    uint16_t number;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    if (name == NULL || !catalog_region_name_is_valid(name))
        status = error_set(
            err, HOLTER_INVALID,
            "found a region name that is none, expected 1 to %d of a-z, 0-9, '-', the first "
            "one no '-'",
            CATALOG_NAME_BYTES_MAX);
    else if (wanted > SHARDS_MAX)
        status =
            error_set(err, HOLTER_INVALID, "found %u shards, expected 1 to %d", wanted, SHARDS_MAX);
    if (status == HOLTER_OK)
        status = check_region_directory(name, err);
    if (status == HOLTER_OK)
        status = store_change_begin(store, err);
    if (status != HOLTER_OK) {
        store_leave(store);
        return status;
    }
    if (catalog_region_find(store->catalog, name) != NULL)
        status = error_set(err, HOLTER_EXISTS, "region '%s' is there already", name);
    if (status == HOLTER_OK)
        status = create_shards(store->io, store->path, store->id, store->is_sealed, name,
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
