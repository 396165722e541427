/*
 * ingest.c -- shared rows, children, counts of the system, and the disk.
 *
 * In-flight writes are threads, each with one pwrite at a time: no way of the store's own is in the
 * figure that the store is measured by.
 */
#define _GNU_SOURCE /* O_DIRECT, MAP_ANONYMOUS */

#include "ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, DISK_PAGES = 1024, IN_FLIGHT_MAX = 64, LINE_BYTES_MAX = 128 };

/* ---- rows ------------------------------------------------------------------------------------ */

void *ingest_shared(size_t bytes)
{
    void *shared = mmap(NULL, bytes > 0 ? bytes : 1, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        bench_fail("%zu bytes of shared memory: %s", bytes, strerror(errno));
    return shared;
}

static void shared_free(void *shared, size_t bytes)
{
    munmap(shared, bytes > 0 ? bytes : 1);
}

void ingest_rows_new(struct ingest_rows *out, size_t count)
{
    *out = (struct ingest_rows){ .at = ingest_shared(count * sizeof *out->at), .count = count };
}

/* The rows, where `at` is not NULL, and how many. */
static size_t walk(struct cohort_row *at, uint32_t users, uint32_t days)
{
    const struct cohort_row *rows;
    size_t count, total = 0;
    struct cohort *cohort = bench_cohort(users, days, NULL);
    while (bench_cohort_next(cohort, &rows, &count)) {
        if (at != NULL)
            memcpy(at + total, rows, count * sizeof *rows);
        total += count;
    }
    cohort_free(cohort);
    return total;
}

uint64_t ingest_rows_count(uint32_t users, uint32_t days)
{
    return walk(NULL, users, days);
}

void ingest_rows_make(struct ingest_rows *out, uint32_t users, uint32_t days)
{
    ingest_rows_new(out, walk(NULL, users, days));
    walk(out->at, users, days);
}

void ingest_rows_free(struct ingest_rows *rows)
{
    shared_free(rows->at, rows->count * sizeof *rows->at);
    *rows = (struct ingest_rows){ 0 };
}

void ingest_rows_touch(const struct ingest_rows *rows)
{
    volatile unsigned char read;
    const unsigned char *bytes = (const unsigned char *)rows->at;
    for (size_t at = 0; at < rows->count * sizeof *rows->at; at += PAGE_BYTES)
        read = bytes[at];
    (void)read;
}

/* ---- columns --------------------------------------------------------------------------------- */

static bool is_same_series(const struct cohort_row *a, const struct cohort_row *b)
{
    return a->user == b->user && a->metric == b->metric && a->source == b->source;
}

void ingest_columns_make(struct ingest_columns *out, const struct bench_store *store,
                         const struct ingest_rows *rows)
{
    size_t column_bytes = rows->count * sizeof(int64_t);
    size_t run_count = 0;
    for (size_t i = 0; i < rows->count; i++)
        run_count += i == 0 || !is_same_series(&rows->at[i - 1], &rows->at[i]);
    *out = (struct ingest_columns){ .time_ns = ingest_shared(column_bytes),
                                    .duration_ns = ingest_shared(column_bytes),
                                    .value = ingest_shared(column_bytes),
                                    .revision = ingest_shared(column_bytes),
                                    .runs = ingest_shared(run_count * sizeof *out->runs),
                                    .count = rows->count,
                                    .run_count = run_count };
    struct ingest_run *run = out->runs;
    for (size_t i = 0; i < rows->count; i++) {
        const struct cohort_row *row = &rows->at[i];
        if (i > 0 && !is_same_series(&rows->at[i - 1], row))
            run++;
        if (run->count++ == 0)
            *run = (struct ingest_run){ .first = i,
                                        .count = 1,
                                        .user = row->user,
                                        .metric = row->metric,
                                        .source = row->source };
        out->time_ns[i] = row->time_ns;
        out->duration_ns[i] = row->duration_ns;
        out->value[i] = row->metric == COHORT_SLEEP_STAGE ? store->stages[row->value] : row->value;
        out->revision[i] = row->revision;
    }
}

void ingest_columns_free(struct ingest_columns *columns)
{
    size_t column_bytes = columns->count * sizeof(int64_t);
    shared_free(columns->time_ns, column_bytes);
    shared_free(columns->duration_ns, column_bytes);
    shared_free(columns->value, column_bytes);
    shared_free(columns->revision, column_bytes);
    shared_free(columns->runs, columns->run_count * sizeof *columns->runs);
    *columns = (struct ingest_columns){ 0 };
}

/* ---- loading --------------------------------------------------------------------------------- */

enum { LOADER_THREADS = 2 };

struct ingest_loader {
    const struct bench_store *store;
    uint8_t *threads; /* of each user */
    size_t shard_count;
    struct worker {
        struct ingest_loader *loader;
        struct bench_store store; /* with a batch of its own */
        const struct ingest_rows *rows;
        const struct ingest_columns *columns;
        size_t index, commit_rows;
        holter_tier to;
        holter_compact_result result;
    } workers[LOADER_THREADS];
};

struct ingest_loader *ingest_loader_new(const struct bench_store *store)
{
    holter_error err = { 0 };
    holter_stat stat;
    struct ingest_loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL || (loader->threads = calloc(store->user_count, 1)) == NULL)
        bench_fail("no memory");
    bench_try(holter_stat_read(store->store, &stat, &err), &err);
    loader->store = store;
    loader->shard_count = stat.shard_count;
    for (uint32_t i = 0; i < store->user_count; i++) {
        size_t shard;
        bench_try(holter_user_shard(store->store, store->users[i], &shard, &err), &err);
        loader->threads[i] = (uint8_t)(shard % LOADER_THREADS);
    }
    for (size_t i = 0; i < LOADER_THREADS; i++) {
        struct worker *worker = &loader->workers[i];
        *worker = (struct worker){ .loader = loader, .store = *store, .index = i };
        bench_try(holter_batch_new(&worker->store.batch, store->store, NULL, &err), &err);
    }
    return loader;
}

void ingest_loader_free(struct ingest_loader *loader)
{
    for (size_t i = 0; i < LOADER_THREADS; i++)
        holter_batch_free(loader->workers[i].store.batch);
    free(loader->threads);
    free(loader);
}

static void on_threads(struct ingest_loader *loader, void *(*work)(void *context))
{
    pthread_t threads[LOADER_THREADS];
    for (size_t i = 0; i < LOADER_THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, &loader->workers[i]) != 0)
            bench_fail("no thread");
    }
    for (size_t i = 0; i < LOADER_THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *commit_rows(void *context)
{
    struct worker *worker = context;
    const struct ingest_rows *rows = worker->rows;
    for (size_t i = 0; i < rows->count; i++) {
        if (worker->loader->threads[rows->at[i].user] != worker->index)
            continue;
        bench_store_add(&worker->store, &rows->at[i]);
        if (holter_batch_count(worker->store.batch) == worker->commit_rows)
            bench_store_commit(&worker->store);
    }
    bench_store_commit(&worker->store);
    return NULL;
}

void ingest_loader_commit(struct ingest_loader *loader, const struct ingest_rows *rows,
                          size_t commit_rows_max)
{
    for (size_t i = 0; i < LOADER_THREADS; i++) {
        loader->workers[i].rows = rows;
        loader->workers[i].commit_rows = commit_rows_max;
    }
    on_threads(loader, commit_rows);
}

static void add_run(struct bench_store *store, const struct ingest_columns *columns,
                    const struct ingest_run *run)
{
    holter_error err = { 0 };
    bool is_interval = store->kinds[run->metric] == HOLTER_INTERVAL;
    const holter_columns added = {
        .user = store->users[run->user],
        .metric = store->metrics[run->metric],
        .source = store->sources[run->user][run->source],
        .kind = store->kinds[run->metric],
        .count = run->count,
        .time_ns = columns->time_ns + run->first,
        .duration_ns = is_interval ? columns->duration_ns + run->first : NULL,
        .field_count = 1,
        .types = { store->types[run->metric] },
        .fields = { { .integer = columns->value + run->first } },
        .revision = columns->revision + run->first,
    };
    bench_try(holter_batch_add_columns(store->batch, &added, NULL, &err), &err);
}

static void *commit_columns(void *context)
{
    struct worker *worker = context;
    const struct ingest_columns *columns = worker->columns;
    for (size_t i = 0; i < columns->run_count; i++) {
        if (worker->loader->threads[columns->runs[i].user] != worker->index)
            continue;
        add_run(&worker->store, columns, &columns->runs[i]);
        if (holter_batch_count(worker->store.batch) >= worker->commit_rows)
            bench_store_commit(&worker->store);
    }
    bench_store_commit(&worker->store);
    return NULL;
}

void ingest_loader_commit_columns(struct ingest_loader *loader,
                                  const struct ingest_columns *columns, size_t commit_rows_least)
{
    for (size_t i = 0; i < LOADER_THREADS; i++) {
        loader->workers[i].columns = columns;
        loader->workers[i].commit_rows = commit_rows_least;
    }
    on_threads(loader, commit_columns);
}

static void *compact_shards(void *context)
{
    struct worker *worker = context;
    worker->result = (holter_compact_result){ 0 };
    for (size_t i = worker->index; i < worker->loader->shard_count; i += LOADER_THREADS) {
        holter_error err = { 0 };
        holter_compact_result result;
        const holter_compact_options options = { .to = worker->to, .only_shard = 1 + i };
        bench_try(holter_compact(worker->store.store, &options, &result, &err), &err);
        worker->result.rows_out += result.rows_out;
        worker->result.rollup_bytes += result.rollup_bytes;
    }
    return NULL;
}

holter_compact_result ingest_loader_compact(struct ingest_loader *loader, holter_tier to)
{
    holter_compact_result sum = { 0 };
    for (size_t i = 0; i < LOADER_THREADS; i++)
        loader->workers[i].to = to;
    on_threads(loader, compact_shards);
    for (size_t i = 0; i < LOADER_THREADS; i++) {
        sum.rows_out += loader->workers[i].result.rows_out;
        sum.rollup_bytes += loader->workers[i].result.rollup_bytes;
    }
    return sum;
}

struct ingest_tier ingest_tier_of(const struct bench_store *store, holter_tier tier)
{
    holter_error err = { 0 };
    holter_stat stat;
    struct ingest_tier sum = { 0 };
    bench_try(holter_stat_read(store->store, &stat, &err), &err);
    for (size_t i = 0; i < stat.shard_count; i++) {
        holter_shard_stat shard;
        bench_try(holter_stat_shard(store->store, i, &shard, &err), &err);
        sum.rows += shard.tiers[tier].rows;
        sum.bytes += shard.tiers[tier].bytes;
    }
    return sum;
}

uint64_t ingest_statistic(const struct bench_store *store, const char *name)
{
    for (size_t i = 0; i < holter_statistic_count(); i++) {
        holter_error err = { 0 };
        holter_statistic one;
        bench_try(holter_statistic_at(store->store, i, &one, &err), &err);
        if (strcmp(one.name, name) == 0)
            return one.count;
    }
    bench_fail("there is no statistic '%s'", name);
}

struct ingest_bytes ingest_bytes_since(const struct bench_store *store,
                                       const struct ingest_bytes *before)
{
    struct ingest_bytes from = { 0 };
    if (before != NULL)
        from = *before;
    return (struct ingest_bytes){
        .log = ingest_statistic(store, "log_bytes") - from.log,
        .log_body = ingest_statistic(store, "log_body_bytes") - from.log_body,
        .log_padding = ingest_statistic(store, "log_padding_bytes") - from.log_padding,
        .log_ahead = ingest_statistic(store, "log_ahead_bytes") - from.log_ahead,
        .segments = ingest_statistic(store, "segment_bytes") - from.segments,
        .blocks = ingest_statistic(store, "segment_block_bytes") - from.blocks,
        .rollups = ingest_statistic(store, "segment_rollup_bytes") - from.rollups,
        .edits = ingest_statistic(store, "edit_bytes") - from.edits,
    };
}

/* Headers are those of groups, frames, blocks and files, indexes and seals among them. */
void ingest_report_bytes(const char *at, const struct ingest_bytes *bytes, double samples)
{
    double all = (double)(bytes->log + bytes->segments);
    double log_headers = (double)(bytes->log - bytes->log_body - bytes->log_padding);
    double headers = (double)(bytes->segments - bytes->blocks - bytes->rollups);
    bench_report_one(at, "bytes, log", "B/sample", (double)bytes->log / samples);
    bench_report_one(at, "bytes, zeros ahead of log", "B/sample",
                     (double)bytes->log_ahead / samples);
    bench_report_one(at, "padding of the log", "%", 100 * (double)bytes->log_padding / all);
    bench_report_one(at, "headers of the log", "%", 100 * log_headers / all);
    if (bytes->segments == 0)
        return;
    bench_report_one(at, "bytes, segments", "B/sample", (double)bytes->segments / samples);
    bench_report_one(at, "bytes, manifests", "B/sample", (double)bytes->edits / samples);
    bench_report_one(at, "headers of segments", "%", 100 * headers / all);
    bench_report_one(at, "rollups", "%", 100 * (double)bytes->rollups / all);
    bench_report_one(at, "padding and metadata", "%",
                     100 * (all - (double)(bytes->log_body + bytes->blocks)) / all);
}

/* ---- children and counts --------------------------------------------------------------------- */

void ingest_in_child(void (*work)(void *context), void *context)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        bench_fail("a process: %s", strerror(errno));
    if (child == 0) {
        work(context);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_fail("a process of this benchmark failed");
}

static uint64_t count_of(const char *path, const char *name)
{
    char line[LINE_BYTES_MAX];
    uint64_t count = 0;
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            count = strtoull(line + strlen(name), NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    return count;
}

uint64_t ingest_written_bytes(void)
{
    return count_of("/proc/self/io", "write_bytes:");
}

uint64_t ingest_peak_bytes(void)
{
    return 1024 *
           (count_of("/proc/self/status", "VmHWM:") - count_of("/proc/self/status", "RssShmem:"));
}

/* ---- the disk -------------------------------------------------------------------------------- */

struct ingest_disk {
    int file;
    void *page;
    _Atomic uint32_t at, end; /* of a run: pages that were begun, and to be written in all */
};

static void write_page(struct ingest_disk *disk, uint32_t page)
{
    off_t offset = (off_t)(page % DISK_PAGES) * PAGE_BYTES;
    if (pwrite(disk->file, disk->page, PAGE_BYTES, offset) != PAGE_BYTES)
        bench_fail("the file beside the store: %s", strerror(errno));
}

struct ingest_disk *ingest_disk_open(void)
{
    struct ingest_disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL || posix_memalign(&disk->page, PAGE_BYTES, PAGE_BYTES) != 0)
        bench_fail("no memory");
    memset(disk->page, 0x5a, PAGE_BYTES);
    disk->file = open(bench_path("disk"), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    if (disk->file < 0)
        bench_fail("a file beside the store with O_DIRECT: %s", strerror(errno));
    for (uint32_t i = 0; i < DISK_PAGES; i++)
        write_page(disk, i);
    int flags = O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC;
    if (fsync(disk->file) != 0 || close(disk->file) != 0 ||
        (disk->file = open(bench_path("disk"), flags)) < 0)
        bench_fail("the file beside the store: %s", strerror(errno));
    return disk;
}

void ingest_disk_close(struct ingest_disk *disk)
{
    close(disk->file);
    free(disk->page);
    free(disk);
}

static void *write_pages(void *context)
{
    struct ingest_disk *disk = context;
    uint32_t end = atomic_load(&disk->end);
    for (uint32_t page; (page = atomic_fetch_add(&disk->at, 1)) < end;)
        write_page(disk, page);
    return NULL;
}

double ingest_disk_rate(struct ingest_disk *disk, uint32_t count, uint32_t in_flight)
{
    pthread_t threads[IN_FLIGHT_MAX];
    if (in_flight < 1 || in_flight > IN_FLIGHT_MAX)
        bench_fail("%u writes in flight, expected 1 to %d", in_flight, IN_FLIGHT_MAX);
    atomic_store(&disk->at, 0);
    atomic_store(&disk->end, count);
    double begin_s = bench_now_s();
    for (uint32_t i = 1; i < in_flight; i++) {
        if (pthread_create(&threads[i], NULL, write_pages, disk) != 0)
            bench_fail("no thread");
    }
    write_pages(disk);
    for (uint32_t i = 1; i < in_flight; i++)
        pthread_join(threads[i], NULL);
    return count / (bench_now_s() - begin_s);
}

/* ---- threads that share writes ----------------------------------------------------------------- */

enum { GROUPS = 256 }; /* more than there are threads */

/* Threads that one write is for. The first of them makes it, once the group before has handed over. */
struct group {
    _Atomic uint32_t may_write, is_written;
    bool is_shared;
};

struct sharing {
    struct ingest_disk *disk;
    uint32_t commits; /* of each thread */
    pthread_mutex_t mutex;
    struct group groups[GROUPS];
    uint32_t begun;     /* groups */
    struct group *open; /* the one that threads join; NULL: the next one begins another */
    bool is_busy;       /* one writes, or is about to */
};

static void sleep_until(_Atomic uint32_t *word)
{
    while (atomic_load(word) == 0)
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void wake_all(_Atomic uint32_t *word)
{
    atomic_store(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* The first of a group, whose write is now under way as soon as may be. Holds the mutex. */
static void lead(struct sharing *all, struct group *group, uint32_t page)
{
    bool may_write = !all->is_busy;
    all->is_busy = true;
    pthread_mutex_unlock(&all->mutex);
    if (!may_write)
        sleep_until(&group->may_write);
    pthread_mutex_lock(&all->mutex);
    all->open = NULL;
    pthread_mutex_unlock(&all->mutex);
    write_page(all->disk, page);
    pthread_mutex_lock(&all->mutex);
    struct group *next = all->open;
    all->is_busy = next != NULL;
    pthread_mutex_unlock(&all->mutex);
    if (next != NULL)
        wake_all(&next->may_write);
    if (group->is_shared)
        wake_all(&group->is_written);
}

static void *share_writes(void *context)
{
    struct sharing *all = context;
    for (uint32_t i = 0; i < all->commits; i++) {
        pthread_mutex_lock(&all->mutex);
        struct group *group = all->open;
        if (group != NULL) {
            group->is_shared = true;
            pthread_mutex_unlock(&all->mutex);
            sleep_until(&group->is_written);
            continue;
        }
        uint32_t page = all->begun++;
        group = all->open = &all->groups[page % GROUPS];
        atomic_store(&group->may_write, 0);
        atomic_store(&group->is_written, 0);
        group->is_shared = false;
        lead(all, group, page);
    }
    return NULL;
}

double ingest_shared_rate(struct ingest_disk *disk, uint32_t threads, uint32_t commits)
{
    static struct sharing all;
    pthread_t ids[IN_FLIGHT_MAX];
    if (threads < 1 || threads > IN_FLIGHT_MAX)
        bench_fail("%u threads, expected 1 to %d", threads, IN_FLIGHT_MAX);
    all = (struct sharing){ .disk = disk, .commits = commits };
    pthread_mutex_init(&all.mutex, NULL);
    double begin_s = bench_now_s();
    for (uint32_t i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, share_writes, &all) != 0)
            bench_fail("no thread");
    }
    for (uint32_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    double rate = (double)threads * commits / (bench_now_s() - begin_s);
    pthread_mutex_destroy(&all.mutex);
    return rate;
}
