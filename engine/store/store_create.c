/*
 * store_create.c -- a new store: its directory, keyring, vault, catalog and shards, and last its identity.
 */
#include "store/store_impl.h"

#include <string.h>

/* A directory in which the identity did not get its name. */
static bool is_no_store(struct io *io, const char *path)
{
    char at[IO_PATH_BYTES_MAX];
    struct io_stat stat;
    return io_stat(&stat, io, path, NULL) == HOLTER_OK && stat.kind == IO_KIND_DIRECTORY &&
           store_join(at, path, "holter.store", NULL, NULL) == HOLTER_OK &&
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
        status = store_join(at, path, "lock", NULL, err);
    if (status == HOLTER_OK)
        status = io_write_file(io, at, zeros, sizeof zeros, 0, err);
    if (status == HOLTER_OK)
        status = store_shards_create(io, path, identity->id, identity->is_sealed, region, 0, shards,
                                     err);
    if (status == HOLTER_OK)
        status = store_join(at, path, "holter.store", NULL, err);
    if (status == HOLTER_OK)
        status = store_identity_write(io, at, identity, err);
    return status;
}

holter_status store_create_on(struct io *io, const char *path, const holter_create_options *options,
                              holter_error *err)
{
    static const holter_create_options defaults;
    const holter_create_options *asked = options != NULL ? options : &defaults;
    uint32_t shards = store_shards_wanted(io, asked->shards);
    const char *region = asked->region != NULL ? asked->region : "main";
    char keyring_at[IO_PATH_BYTES_MAX];
    struct store_identity identity = { .is_sealed = !asked->no_sealing, .made_ns = io_now_ns(io) };
    struct io_stat stat;

    if (path == NULL || path[0] == '\0')
        return error_set(err, HOLTER_INVALID, "the store's path is empty");
    if (shards > STORE_SHARDS_MAX)
        return error_set(err, HOLTER_INVALID, "found %u shards, expected 1 to %d", shards,
                         STORE_SHARDS_MAX);
    if (!catalog_region_name_is_valid(region))
        return error_set(
            err, HOLTER_INVALID,
            "found region name '%s', expected 1 to %d of a-z, 0-9, '-', the first one no '-'",
            region, CATALOG_NAME_BYTES_MAX);
    holter_status status = store_check_reserved(asked->reserved, CORE_COUNT(asked->reserved), err);
    if (status == HOLTER_OK)
        status = store_region_name_check(region, err);
    if (status == HOLTER_OK)
        status = store_keyring_path(keyring_at, path, asked->keyring_path, err);
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
