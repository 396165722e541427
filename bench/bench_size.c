/*
 * bench_size.c -- how many bytes does a sample take on disk?
 *
 * On paper: real heart rate has 1.5 to 1.9 bits of entropy in its gaps and 2.5 to 3 in its changes
 * (tests/simulate/figures.py). Packed columns (format-spec/blocks.md) give a gap 2 bits and a change
 * 3 to 4 with its patches: 0.7 to 0.8 bytes a sample, headers and tags included. A file has some 13
 * to 17 KiB of its own, which few rows in a partition feel; at 30,000 rows a partition it is half a
 * byte a sample. So has a store: four logs of 4 MiB that are there in advance, two copies of catalog
 * and vault. The whole store tells of stores of its size; the rest is told beside it.
 *
 * Method: a store for each metric of one cohort (people's rows are the same whichever metrics are
 * made up, but for the few that a sync corrects), and one of all metrics. Each is measured when everything is flushed (hot) and when
 * everything is compacted (warm): bytes of all files of the store and of its keyring, divided by
 * the rows that segments hold. The real heart rate of ../shared/data (or HOLTER_DATA) is imported
 * by the tool (--holter PATH) where it is there.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

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

static void report(holter_store *store, const char *name, const char *tier, bool by_kind)
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
    if (!by_kind)
        return;
    for (size_t kind = 0; kind < KINDS; kind++)
        bench_report_one(at, kind_names[kind], "B", (double)sizes.bytes[kind]);
    bench_report_one(at, "segment files", "files", (double)sizes.segments);
}

/* Flushes and compacts, with the figures of both. */
static void measure(holter_store *store, const char *name, bool by_kind)
{
    holter_error err = { 0 };
    const holter_compact_options warm = { .to = HOLTER_WARM };
    bench_try(holter_flush(store, NULL, &err), &err);
    report(store, name, "hot", by_kind);
    bench_try(holter_compact(store, &warm, NULL, &err), &err);
    report(store, name, "warm", by_kind);
}

/* `only`: one metric, or COHORT_METRICS for all. */
static void measure_cohort(size_t only)
{
    bool is_wanted[COHORT_METRICS] = { false };
    struct bench_store store;
    bool is_all = only == COHORT_METRICS;
    if (!is_all)
        is_wanted[only] = true;
    bench_store_make(&store, "store", bench_is_quick() ? 2 : 20, NULL);
    bench_store_fill(&store, bench_is_quick() ? 1 : 30, is_all ? NULL : is_wanted);
    measure(store.store, is_all ? "cohort" : cohort_metric_name((enum cohort_metric)only), is_all);
    bench_store_close(&store);
    bench_remove("store");
}

/* ---- real data ------------------------------------------------------------------------------- */

static const struct {
    const char *pattern, *map, *time_format;
} real_files[] = {
    { "fitbit-fitabase-2016/*3.12.16*/heartrate_seconds_merged.csv.zst",
      "user=Id,time=Time,value=Value", "%m/%d/%Y %I:%M:%S %p" },
    { "fitbit-fitabase-2016/*4.12.16*/heartrate_seconds_merged.csv.zst",
      "user=Id,time=Time,value=Value", "%m/%d/%Y %I:%M:%S %p" },
    { "fitbit-covid-2020/*_hr.csv.zst", "user=user,time=datetime,value=heartrate",
      "%Y-%m-%d %H:%M:%S" },
};

static void run_import(const char *tool, const char *map, const char *time_format, const char *file)
{
    const char *const arguments[] = {
        tool,    "import", bench_path("store"), "--format",  "csv",    "--metric", "heart_rate",
        "--map", map,      "--time-format",     time_format, "--json", file,       NULL,
    };
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int failure =
        posix_spawn(&child, tool, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        bench_fail("'%s': %s", tool, strerror(failure));
    if (waitpid(child, &status, 0) != child || status != 0)
        bench_fail("'%s import' failed on '%s'", tool, file);
}

static void measure_real(const char *tool)
{
    const char *data = getenv("HOLTER_DATA");
    holter_error err = { 0 };
    holter_store *store;
    size_t files = 0;
    if (data == NULL)
        data = "../shared/data";
    bench_try(holter_create(bench_path("store"), NULL, &err), &err);
    for (size_t i = 0; i < sizeof real_files / sizeof real_files[0]; i++) {
        char pattern[BENCH_PATH_BYTES_MAX];
        glob_t found;
        snprintf(pattern, sizeof pattern, "%s/%s", data, real_files[i].pattern);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t file = 0; file < found.gl_pathc; file++, files++)
            run_import(tool, real_files[i].map, real_files[i].time_format, found.gl_pathv[file]);
        globfree(&found);
    }
    if (files == 0) {
        fprintf(stderr, "bench_size: no real data in '%s': left out\n", data);
        return;
    }
    bench_try(holter_open(&store, bench_path("store"), NULL, &err), &err);
    measure(store, "real heart rate", true);
    holter_close(store);
}

int main(int count, char **arguments)
{
    const char *tool = NULL;
    bench_begin("size", count, arguments, "--holter", &tool);
    for (size_t metric = 0; metric <= COHORT_METRICS; metric++)
        measure_cohort(metric);
    if (tool != NULL && !bench_is_quick())
        measure_real(tool);
    bench_end();
    return 0;
}
