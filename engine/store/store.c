/*
 * store.c -- opening and closing a store; what each call begins with.
 *
 *     STORE/  holter.store  lock  head  vault.a .b  catalog.a .b  REGION/000/ ..
 */
#include "store/store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_WAIT_DEFAULT_MS 5000
#define BUFFERED_BYTES_MAX_DEFAULT ((size_t)16 << 20)
#define MEMORY_BYTES_MAX_DEFAULT (UINT64_C(256) << 20)

/* ---- paths ----------------------------------------------------------------------------------- */

holter_status store_join(char out[static IO_PATH_BYTES_MAX], const char *a, const char *b,
                         const char *c, holter_error *err)
{
    if (io_path_join(out, a, b, c, NULL))
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%s': the path is too long", a);
}

holter_status store_keyring_path(char out[static IO_PATH_BYTES_MAX], const char *store_path,
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

/* ---- open ------------------------------------------------------------------------------------ */

static holter_status open_keyring(holter_store *store, const char *asked, holter_error *err)
{
    char at[IO_PATH_BYTES_MAX];
    if (!store->is_sealed)
        return HOLTER_OK;
    holter_status status = store_keyring_path(at, store->path, asked, err);
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
    holter_status status = store_join(at, store->path, "lock", NULL, err);
    if (status == HOLTER_OK)
        status =
            io_open(&store->lock_file, store->io, at, store->is_writable ? IO_WRITABLE : 0, err);
    if (status == HOLTER_OK)
        status = store_join(at, store->path, "head", NULL, err);
    if (status == HOLTER_OK)
        status = head_open(&store->head, store->io, at, store->id, 0, store->is_writable, err);
    if (status == HOLTER_NOT_FOUND && !store->is_writable)
        status = HOLTER_OK;
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
        status = store_worker_init(&store->preparer, store, store_make_spares, err);
    if (status == HOLTER_OK)
        status = crypto_arena_new(&store->arena, STORE_ARENA_SLOTS, err);
    if (status == HOLTER_OK)
        status = open_keyring(store, asked->keyring_path, err);
    if (status == HOLTER_OK)
        status = open_lock_and_head(store, err);
    if (status == HOLTER_OK)
        status = store_vault_open(store, err);
    if (status == HOLTER_OK)
        status = io_fork_watch(io, in_child, store, err);
    if (status != HOLTER_OK) {
        store_free(store);
        return status;
    }
    *out = store;
    return HOLTER_OK;
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
