/*
 * bench_size.c -- how many bytes does a sample take on disk?
 *
 * On paper: real heart rate has 1.5 to 1.9 bits of entropy in its gaps and 2.5 to 3 in its changes
 * (tests/simulate/figures.py). Packed columns (format-spec/blocks.md) give a gap 2 bits and a change
 * 3 to 4 with its patches: 0.7 to 0.8 bytes a sample, headers and tags included. A file has some 8
 * KiB of its own, which few rows in a partition feel; at 30,000 rows a partition it is a quarter of a
 * byte a sample. So has a store: four logs of 4 MiB that are there in advance, two copies of catalog
 * and vault. The whole store tells of stores of its size; the rest is told beside it.
 *
 * Method: a store for each metric of one cohort (people's rows are the same whichever metrics are
 * made up, but for the few that a sync corrects), and one of all metrics; then one for each metric
 * that real devices delivered (real.h; some files hold other metrics too, which count as well). Each
 * is measured when everything is flushed (hot), compacted (warm), and compacted for good (cold): bytes
 * of all files of the store and of its keyring, divided by the rows that segments hold. --users and
 * --days make the cohort larger, --only leaves out stores whose name has not that text in it.
 */
#include "bench.h"
#include "real.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LABEL_BYTES_MAX = 64 };

/* ---- files by kind --------------------------------------------------------------------------- */

enum kind { SEGMENTS, LOG, MANIFEST, VAULT, CATALOG, OTHER, KINDS };

static const char *const kind_names[KINDS] = { "segments", "log",     "manifest",
                                               "vault",    "catalog", "other files" };
/* How the names of a kind's files begin; OTHER: head pages, locks, identity, keyring. */
static const char *const kind_prefixes[OTHER] = { "seg-", "log-", "manifest.", "vault.",
                                                  "catalog." };

struct sizes {
    uint64_t bytes[KINDS];
    uint64_t segments;
};

static void add_file(struct sizes *sizes, const char *name, uint64_t bytes)
{
    size_t kind = 0;
    while (kind < OTHER && strncmp(name, kind_prefixes[kind], strlen(kind_prefixes[kind])) != 0)
        kind++;
    sizes->bytes[kind] += bytes;
    sizes->segments += kind == SEGMENTS;
}

static void add_tree(struct sizes *sizes, const char *path)
{
    char below[BENCH_PATH_BYTES_MAX];
    DIR *directory = opendir(path);
    if (directory == NULL)
        bench_fail("'%s': %s", path, strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat stat;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int bytes = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (bytes < 0 || (size_t)bytes >= sizeof below || lstat(below, &stat) != 0)
            bench_fail("'%s' in '%s': %s", entry->d_name, path, strerror(errno));
        if (S_ISDIR(stat.st_mode))
            add_tree(sizes, below);
        else
            add_file(sizes, entry->d_name, (uint64_t)stat.st_size);
    }
    closedir(directory);
}

static uint64_t rows_of(holter_store *store)
{
    holter_error err = { 0 };
    holter_stat stat;
    uint64_t rows = 0;
    bench_try(holter_stat_read(store, &stat, &err), &err);
    for (size_t i = 0; i < stat.shard_count; i++) {
        holter_shard_stat shard;
        bench_try(holter_stat_shard(store, i, &shard, &err), &err);
        for (size_t tier = HOLTER_HOT; tier <= HOLTER_COLD; tier++)
            rows += shard.tiers[tier].rows;
    }
    return rows;
}

/* `rollup_bytes`: as the compaction that led to the tier has counted. */
static void report(holter_store *store, const char *name, const char *tier, bool by_kind,
                   uint64_t rollup_bytes)
{
    char at[LABEL_BYTES_MAX];
    struct sizes sizes = { 0 };
    struct stat keyring;
    uint64_t all = 0;
    uint64_t rows = rows_of(store);
    snprintf(at, sizeof at, "%s, %s", name, tier);
    add_tree(&sizes, bench_path("store"));
    if (stat(bench_path("store.keyring"), &keyring) == 0)
        add_file(&sizes, "keyring", (uint64_t)keyring.st_size);
    for (size_t kind = 0; kind < KINDS; kind++)
        all += sizes.bytes[kind];
    if (rows == 0)
        bench_fail("%s: no rows", at);
    bench_report_one(at, "samples", "samples", (double)rows);
    bench_report_one(at, "whole store", "B/sample", (double)all / (double)rows);
    bench_report_one(at, "all but the log", "B/sample",
                     (double)(all - sizes.bytes[LOG]) / (double)rows);
    bench_report_one(at, "segments", "B/sample", (double)sizes.bytes[SEGMENTS] / (double)rows);
    bench_report_one(at, "rollups", "B/sample", (double)rollup_bytes / (double)rows);
    bench_report_one(at, "rollups of the whole store", "%",
                     100.0 * (double)rollup_bytes / (double)all);
    if (!by_kind)
        return;
    for (size_t kind = 0; kind < KINDS; kind++)
        bench_report_one(at, kind_names[kind], "B", (double)sizes.bytes[kind]);
    bench_report_one(at, "segment files", "files", (double)sizes.segments);
}

/* Flushes and compacts, with the figures of each tier. */
static void measure(holter_store *store, const char *name, bool by_kind)
{
    static const struct {
        holter_tier to;
        const char *name;
    } tiers[] = { { HOLTER_WARM, "warm" }, { HOLTER_COLD, "cold" } };
    holter_error err = { 0 };
    bench_try(holter_flush(store, NULL, &err), &err);
    report(store, name, "hot", by_kind, 0);
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
        const holter_compact_options options = { .to = tiers[i].to };
        holter_compact_result result;
        bench_try(holter_compact(store, &options, &result, &err), &err);
        report(store, name, tiers[i].name, by_kind, result.rollup_bytes);
    }
}

/* `only`: one metric, or COHORT_METRICS for all. */
static void measure_cohort(size_t only, const char *name, uint32_t users, uint32_t days)
{
    bool is_wanted[COHORT_METRICS] = { false };
    struct bench_store store;
    bool is_all = only == COHORT_METRICS;
    if (!is_all)
        is_wanted[only] = true;
    bench_store_make(&store, "store", users, NULL);
    bench_store_fill(&store, days, is_all ? NULL : is_wanted);
    measure(store.store, name, is_all);
    bench_store_close(&store);
    bench_remove("store");
}

/* By the metric that the files are about. */
static const struct {
    const char *name, *metric;
} real_stores[] = {
    { "real heart rate", "heart_rate" },
    { "real steps", "steps" },
    { "real intensity", "intensity" },
    { "real sleep stages", "sleep_stage" },
    { "real rr intervals", "rr_interval" },
    { "real glucose", "glucose" },
    { "real blood pressure", "blood_pressure" },
    { "real acceleration", "acceleration" },
    { "real angular velocity", "angular_velocity" },
    { "real ecg", "ecg" },
};

static void measure_real(const char *tool, const char *name, const char *metric)
{
    holter_error err = { 0 };
    holter_store *store;
    if (!real_import("store", tool, metric, NULL)) {
        fprintf(stderr, "bench_size: no files of %s: left out\n", name);
        return;
    }
    bench_try(holter_open(&store, bench_path("store"), NULL, &err), &err);
    measure(store, name, true);
    holter_close(store);
    bench_remove("store");
}

int main(int count, char **arguments)
{
    const char *tool = NULL;
    const char *only = NULL;
    const char *users = NULL;
    const char *days = NULL;
    const struct bench_option options[] = {
        { "--holter", "PATH", &tool },
        { "--only", "TEXT", &only },
        { "--users", "COUNT", &users },
        { "--days", "COUNT", &days },
    };
    bench_begin_with("size", count, arguments, options, sizeof options / sizeof options[0]);
    bool is_quick = bench_is_quick();
    uint32_t user_count = bench_number("--users", users, 1, COHORT_USERS_MAX, is_quick ? 2 : 20);
    uint32_t day_count = bench_number("--days", days, 1, COHORT_DAYS_MAX, is_quick ? 1 : 30);
    for (size_t metric = 0; metric <= COHORT_METRICS; metric++) {
        const char *name =
            metric == COHORT_METRICS ? "cohort" : cohort_metric_name((enum cohort_metric)metric);
        if (only == NULL || strstr(name, only) != NULL)
            measure_cohort(metric, name, user_count, day_count);
    }
    for (size_t i = 0; tool != NULL && !is_quick && i < sizeof real_stores / sizeof real_stores[0];
         i++)
        if (only == NULL || strstr(real_stores[i].name, only) != NULL)
            measure_real(tool, real_stores[i].name, real_stores[i].metric);
    bench_end();
    return 0;
}
