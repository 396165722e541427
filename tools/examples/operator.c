/*
 * operator.c -- upkeep: flush, compact with progress, verify, and what the store holds then.
 *
 *     operator STORE
 *
 * Gateways and readers go on meanwhile.
 *
 *     cc operator.c $(pkg-config --cflags --libs holter)
 */
#include <inttypes.h>
#include <stdio.h>

#include <holter/holter.h>

static int fail(const holter_error *err)
{
    fprintf(stderr, "operator: %s\n", err->message);
    return err->status == HOLTER_BUSY ? 5 : 1; /* 5: another process is at it, try again later */
}

/* Returning 0 would stop after the job at hand. */
static int show_progress(void *context, uint64_t rows_done, uint64_t rows_all)
{
    (void)context;
    fprintf(stderr, "compact: %" PRIu64 " of %" PRIu64 " rows\n", rows_done, rows_all);
    return 1;
}

static void show_finding(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "verify: %s\n", sentence);
}

static holter_status show_stat(holter_store *store, holter_error *err)
{
    holter_stat stat;
    holter_status status = holter_stat_read(store, &stat, err);
    for (size_t i = 0; status == HOLTER_OK && i < stat.shard_count; i++) {
        holter_shard_stat shard;
        status = holter_stat_shard(store, i, &shard, err);
        if (status == HOLTER_OK)
            printf("%s %u: %" PRIu64 " rows hot, %" PRIu64 " warm, %" PRIu64 " bytes of log\n",
                   shard.region, (unsigned)shard.shard, shard.tiers[HOLTER_HOT].rows,
                   shard.tiers[HOLTER_WARM].rows, shard.log_bytes);
    }
    return status;
}

static holter_status keep_up(holter_store *store, holter_error *err)
{
    uint64_t rows;
    size_t damaged;
    holter_compact_result result;
    const holter_compact_options options = { .to = HOLTER_WARM, .progress = show_progress };

    holter_status status = holter_flush(store, &rows, err);
    if (status != HOLTER_OK)
        return status;
    printf("flushed %" PRIu64 " rows\n", rows);

    status = holter_compact(store, &options, &result, err);
    if (status != HOLTER_OK)
        return status;
    printf("compacted %" PRIu64 " files to %" PRIu64 "\n", result.files_in, result.files_out);

    status = holter_verify(store, show_finding, NULL, &damaged, err);
    if (status != HOLTER_OK)
        return status; /* HOLTER_CORRUPT: restore what is damaged from a backup */
    printf("verified\n");
    return show_stat(store, err);
}

int main(int count, char **arguments)
{
    holter_error err = { 0 };
    holter_store *store;
    if (count != 2) {
        fprintf(stderr, "usage: operator STORE\n");
        return 2;
    }
    if (holter_open(&store, arguments[1], NULL, &err) != HOLTER_OK)
        return fail(&err);
    holter_status status = keep_up(store, &err);
    holter_close(store);
    return status == HOLTER_OK ? 0 : fail(&err);
}
