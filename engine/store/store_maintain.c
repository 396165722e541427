/*
 * store_maintain.c -- flush, compact, figures and checks over all shards.
 */
#include "store/store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All shards, opened. *out owned: free. */
static holter_status all_shards(struct shard ***out, const char ***regions, size_t *count,
                                holter_store *store, holter_error *err)
{
    struct shard **shards = NULL;
    const char **names = NULL;
    size_t total = 0;
    size_t found = 0;
    io_mutex_lock(store->mutex);
    holter_status status = store_refresh(store, err);
    for (size_t r = 0; r < store->region_count; r++)
        total += store->regions[r].shard_count;
    shards = core_calloc(total, sizeof(struct shard *));
    names = core_calloc(total, sizeof(const char *));
    if (status == HOLTER_OK && (shards == NULL || names == NULL))
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for a list of shards");
    size_t region_count = store->region_count;
    for (size_t r = 0; status == HOLTER_OK && r < region_count; r++) {
        for (uint16_t s = 0;
             status == HOLTER_OK && s < store->regions[r].shard_count && found < total; s++) {
            status = store_shard(&shards[found], store, (uint16_t)r, s, err);
            if (status == HOLTER_OK)
                names[found++] = store->regions[r].name;
        }
    }
    io_mutex_unlock(store->mutex);
    if (status != HOLTER_OK) {
        free(shards);
        free(names);
        return status;
    }
    *out = shards;
    *regions = names;
    *count = found;
    return HOLTER_OK;
}

holter_status holter_flush(holter_store *store, uint64_t *rows, holter_error *err)
{
    struct shard **shards = NULL;
    const char **regions = NULL;
    size_t count = 0;
    uint64_t total = 0;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = all_shards(&shards, &regions, &count, store, err);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        uint64_t of_shard = 0;
        status = shard_flush(&of_shard, shards[i], true, err);
        if (status == HOLTER_NO_SPACE && store_drop_spares(store))
            status = shard_flush(&of_shard, shards[i], true, err);
        total += of_shard;
    }
    free(shards);
    free(regions);
    if (status == HOLTER_OK && rows != NULL)
        *rows = total;
    store_leave(store);
    return status;
}

static bool go_on(void *context, uint64_t rows_done, uint64_t rows_all)
{
    const holter_compact_options *options = context;
    return options->progress == NULL ||
           options->progress(options->context, rows_done, rows_all) != 0;
}

static holter_status compact_shard(struct compaction_result *result, holter_store *store,
                                   struct shard *shard, holter_compact_options *options,
                                   holter_error *err)
{
    holter_status status = shard_flush(NULL, shard, true, err);
    if (status == HOLTER_OK && options->to != HOLTER_HOT)
        status = shard_compact(result, shard, (enum manifest_tier)options->to,
                               io_now_ns(store->io), go_on, options, err);
    return status;
}

holter_status holter_compact(holter_store *store, const holter_compact_options *options,
                             holter_compact_result *result, holter_error *err)
{
    holter_compact_options asked = { 0 };
    holter_compact_result total = { 0 };
    struct shard **shards = NULL;
    const char **regions = NULL;
    size_t count = 0;
    if (options != NULL)
        asked = *options;
    if ((int)asked.to < 0 || asked.to > HOLTER_COLD)
        return error_set(err, HOLTER_INVALID, "found tier %d, expected hot, warm or cold",
                         (int)asked.to);
    holter_status status = store_check_reserved(asked.reserved, CORE_COUNT(asked.reserved), err);
    if (status == HOLTER_OK)
        status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = all_shards(&shards, &regions, &count, store, err);
    if (status == HOLTER_OK && asked.only_shard > count)
        status = error_set(err, HOLTER_NOT_FOUND, "there is no shard with index %zu",
                           asked.only_shard - 1);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        struct compaction_result of_shard = { 0 };
        if (asked.only_shard != 0 && i != asked.only_shard - 1)
            continue;
        status = compact_shard(&of_shard, store, shards[i], &asked, err);
        if (status == HOLTER_NO_SPACE && store_drop_spares(store))
            status = compact_shard(&of_shard, store, shards[i], &asked, err);
        total.jobs += of_shard.jobs;
        total.files_in += of_shard.files_in;
        total.files_out += of_shard.files_out;
        total.rows_in += of_shard.rows_in;
        total.rows_out += of_shard.rows_out;
        total.rollup_bytes += of_shard.rollup_bytes;
    }
    free(shards);
    free(regions);
    if (result != NULL)
        *result = total;
    store_leave(store);
    return status;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Asked of the file system anew: a store may have been moved. */
static holter_status file_system_is_direct(int *out, holter_store *store, holter_error *err)
{
    char at[IO_PATH_BYTES_MAX];
    struct io_file *file = NULL;
    if (!io_path_join(at, store->path, "holter.store", NULL, NULL))
        return error_set(err, HOLTER_INVALID, "'%s': the path is too long", store->path);
    holter_status status = io_open(&file, store->io, at, IO_DIRECT, err);
    if (status == HOLTER_OK)
        *out = io_is_direct(file);
    io_close(file);
    return status;
}

holter_status holter_stat_read(holter_store *store, holter_stat *out, holter_error *err)
{
    int is_direct = 0;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    bool keys_locked = crypto_arena_is_locked(store->arena); /* tries, for about a millisecond */
    io_mutex_lock(store->mutex);
    status = store_refresh(store, err);
    if (status == HOLTER_OK)
        status = file_system_is_direct(&is_direct, store, err);
    if (status == HOLTER_OK) {
        holter_stat stat = { .sealed = store->is_sealed,
                             .keys_locked = keys_locked,
                             .backend = io_backend_name(store->io),
                             .backend_reason = store->why_posix.status != HOLTER_OK
                                                   ? store->why_posix.message
                                                   : NULL,
                             .direct = is_direct,
                             .metrics = catalog_metric_count(store->catalog),
                             .vault_version = vault_version(store->vault),
                             .catalog_version = catalog_version(store->catalog),
                             .format_major = HOLTER_FORMAT_MAJOR,
                             .format_minor = HOLTER_FORMAT_MINOR,
                             .feed_age_ns = catalog_feed(store->catalog).age_ns,
                             .feed_bytes = catalog_feed(store->catalog).bytes };
        memcpy(stat.store_id, store->id, sizeof stat.store_id);
        stat.erased_users = vault_erased_count(store->vault);
        stat.users = vault_user_count(store->vault) - stat.erased_users;
        for (size_t r = 0; r < store->region_count; r++)
            stat.shard_count += store->regions[r].shard_count;
        *out = stat;
    }
    io_mutex_unlock(store->mutex);
    store_leave(store);
    return status;
}

holter_status holter_stat_shard(holter_store *store, size_t index, holter_shard_stat *out,
                                holter_error *err)
{
    struct shard **shards = NULL;
    const char **regions = NULL;
    size_t count = 0;
    struct shard_stat of;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = all_shards(&shards, &regions, &count, store, err);
    if (status == HOLTER_OK && index >= count)
        status = error_set(err, HOLTER_NOT_FOUND, "there is no shard with index %zu", index);
    if (status == HOLTER_OK)
        status = shard_stat(&of, shards[index], err);
    if (status == HOLTER_OK) {
        *out = (holter_shard_stat){ .region = regions[index],
                                    .shard = (shard_spec_get(shards[index])->place - 1) & 0xffff,
                                    .manifest_version = of.manifest_version,
                                    .next_sequence = of.next_sequence,
                                    .flushed_sequence = of.flushed_sequence,
                                    .log_files = of.log_files,
                                    .kept_files = of.kept_files,
                                    .kept_bytes = of.kept_bytes,
                                    .log_bytes = of.log_bytes,
                                    .memtable_frames = of.memtable_frames,
                                    .memtable_bytes = of.memtable_bytes,
                                    .tombstones = of.tombstones,
                                    .pins = of.pins };
        for (size_t t = 0; t < CORE_COUNT(out->tiers); t++) {
            out->tiers[t].files = of.files[t];
            out->tiers[t].bytes = of.file_bytes[t];
            out->tiers[t].rows = of.rows[t];
        }
    }
    free(shards);
    free(regions);
    store_leave(store);
    return status;
}

/* ---- checking -------------------------------------------------------------------------------- */

static void tell(void (*report)(void *context, const char *sentence), void *context,
                 const char *sentence)
{
    if (report != NULL)
        report(context, sentence);
}

/* Identity, vault, catalog. */
static holter_status verify_store(holter_store *store,
                                  void (*report)(void *context, const char *sentence),
                                  void *context, size_t *damaged, holter_error *err)
{
    struct store_identity identity;
    unsigned damaged_copies = 0;
    size_t of_vault = 0;
    size_t of_catalog = 0;
    holter_error one;
    holter_status status =
        store_identity_read(&identity, &damaged_copies, store->io, store->path, &one);
    if (status == HOLTER_NO_MEMORY)
        return error_set(err, status, "%s", one.message);
    if (status != HOLTER_OK) {
        ++*damaged;
        tell(report, context, one.message);
    } else if (damaged_copies > 0) {
        char sentence[512];
        ++*damaged;
        snprintf(sentence, sizeof sentence,
                 "'%.300s/holter.store': one of its two copies is damaged", store->path);
        tell(report, context, sentence);
    }
    io_mutex_lock(store->mutex);
    status = store_refresh(store, err);
    if (status == HOLTER_OK)
        status = vault_verify(store->vault, report, context, &of_vault, err);
    if (status == HOLTER_OK)
        status = catalog_verify(store->catalog, report, context, &of_catalog, err);
    io_mutex_unlock(store->mutex);
    *damaged += of_vault + of_catalog;
    return status;
}

holter_status holter_verify(holter_store *store,
                            void (*report)(void *context, const char *sentence), void *context,
                            size_t *damaged, holter_error *err)
{
    struct shard **shards = NULL;
    const char **regions = NULL;
    size_t count = 0;
    size_t total = 0;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = verify_store(store, report, context, &total, err);
    if (status == HOLTER_OK) {
        holter_error one;
        status = all_shards(&shards, &regions, &count, store, &one);
        if (status == HOLTER_CORRUPT) {
            total++;
            tell(report, context, one.message);
            status = HOLTER_OK;
        } else if (status != HOLTER_OK) {
            error_set(err, status, "%s", one.message);
        }
    }
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        size_t of_shard = 0;
        status = shard_verify(shards[i], report, context, &of_shard, err);
        total += of_shard;
    }
    free(shards);
    free(regions);
    if (damaged != NULL)
        *damaged = total;
    if (status == HOLTER_OK && total > 0)
        status = error_set(err, HOLTER_CORRUPT, "'%s': %zu finding%s of damage", store->path, total,
                           total == 1 ? "" : "s");
    store_leave(store);
    return status;
}
