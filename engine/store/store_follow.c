/*
 * store_follow.c -- vault and catalog as the store's head page publishes them: what others changed is taken
 * in, and changes are made one at a time.
 *
 * The versions that count stand in the head page; every call that needs them compares first (store_refresh), and changes
 * them under the store lock (store_change_begin).
 */
#include "store/store_impl.h"

#include <string.h>

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

holter_status store_check_linked(const holter_store *store, holter_error *err)
{
    return store->head != NULL ? head_check_linked(store->head, err) : HOLTER_OK; /* D7 */
}

holter_status store_refresh(holter_store *store, holter_error *err)
{
    holter_status status = store_check_linked(store, err);
    return status == HOLTER_OK ? store_follow(store, err) : status;
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

holter_status store_vault_open(holter_store *store, holter_error *err)
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
