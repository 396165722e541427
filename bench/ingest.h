/*
 * ingest.h -- what the benchmarks of writing share: a cohort's rows that processes share, work in a
 * process of its own, what the system counts of it, and the disk's own rate.
 *
 * Work that is measured for memory or written bytes runs in a child, of which the system counts
 * nothing but that work. Rows lie in memory shared with it, which does not count as its own.
 *
 * Threads: a disk one thread at a time; the counts any.
 */
#ifndef BENCH_INGEST_H
#define BENCH_INGEST_H

#include "bench.h"

struct ingest_rows {
    struct cohort_row *at;
    size_t count;
};

/** The cohort's rows as they are delivered. */
void ingest_rows_make(struct ingest_rows *out, uint32_t users, uint32_t days);
uint64_t ingest_rows_count(uint32_t users, uint32_t days); /**< of such a cohort */
/** Room for `count` rows. */
void ingest_rows_new(struct ingest_rows *out, size_t count);
void ingest_rows_free(struct ingest_rows *rows);
/** Brings all of them into this process's memory, so that no page is missing later. */
void ingest_rows_touch(const struct ingest_rows *rows);

/** The same rows in columns, as a store wants them: runs of one series that come one after another. */
struct ingest_columns {
    int64_t *time_ns, *duration_ns, *value, *revision;
    struct ingest_run {
        size_t first, count;
        uint32_t user;
        uint8_t metric, source;
    } * runs;
    size_t count, run_count;
};

/** In memory that processes share, as rows are; of `store`, for its numbers of labels. */
void ingest_columns_make(struct ingest_columns *out, const struct bench_store *store,
                         const struct ingest_rows *rows);
void ingest_columns_free(struct ingest_columns *columns);

/* ---- loading ------------------------------------------------------------------------------------ */

/** Two threads, each with half of the store's shards and a batch of its own. */
struct ingest_loader;

/** `store` borrowed until ingest_loader_free. */
struct ingest_loader *ingest_loader_new(const struct bench_store *store);
void ingest_loader_free(struct ingest_loader *loader);
/** Each thread the rows of its shards, in their order, `commit_rows` a commit. */
void ingest_loader_commit(struct ingest_loader *loader, const struct ingest_rows *rows,
                          size_t commit_rows);
/** The same of columns, commits of `commit_rows` or a few more. */
void ingest_loader_commit_columns(struct ingest_loader *loader,
                                  const struct ingest_columns *columns, size_t commit_rows);
/** Flushes and compacts, each thread its shards. */
holter_compact_result ingest_loader_compact(struct ingest_loader *loader, holter_tier to);
/** Rows and bytes of the segments that a tier has now. */
struct ingest_tier {
    uint64_t rows, bytes;
};
struct ingest_tier ingest_tier_of(const struct bench_store *store, holter_tier tier);
uint64_t ingest_statistic(const struct bench_store *store, const char *name); /**< its count */

/** Bytes that a store wrote, as its statistics count them; `before` NULL: all of them. */
struct ingest_bytes {
    uint64_t log, log_body, log_padding, log_ahead, segments, blocks, rollups, edits;
};
struct ingest_bytes ingest_bytes_since(const struct bench_store *store,
                                       const struct ingest_bytes *before);
/** Each kind, and what is no row's as a share of log and segments. */
void ingest_report_bytes(const char *at, const struct ingest_bytes *bytes, double samples);

/* ---- children ----------------------------------------------------------------------------------- */

/** Memory that a child's answers are put into; zero. */
void *ingest_shared(size_t bytes);
/** Runs `work` in a child and waits; the child's failure ends the run. */
void ingest_in_child(void (*work)(void *context), void *context);

/* ---- what the system counts of this process ---------------------------------------------------- */

uint64_t ingest_written_bytes(void); /**< to disks, of data and of files' growth; not of journals */
uint64_t ingest_peak_bytes(void);    /**< of memory so far, but for what it shares */

/* ---- the disk ---------------------------------------------------------------------------------- */

/** A file of 4 KiB pages, all written before, opened with O_DIRECT | O_DSYNC. */
struct ingest_disk;

struct ingest_disk *ingest_disk_open(void);
void ingest_disk_close(struct ingest_disk *disk);
/** Pages a second that are overwritten, `count` in all, `in_flight` at once. */
double ingest_disk_rate(struct ingest_disk *disk, uint32_t count, uint32_t in_flight);
/**
 * Commits a second of so many threads, up to 64, each `commits` one after the other, that do nothing but wait for a page
 * that one of them writes for all who wait: what sleeping and waking leave of the disk.
 */
double ingest_shared_rate(struct ingest_disk *disk, uint32_t threads, uint32_t commits);

#endif
