/*
 * head.h -- the door of head: a small page shared by all processes, its facts published whole.
 *
 * Promise: a reader gets facts that belong together, as one publisher wrote them in this boot, or
 * learns that there are none; a publisher stopped or killed in the middle makes no reader wait.
 *
 *   H1  Each group of facts (a pair) has two slots; a publish overwrites the older one only, so the
 *       newer stays whole. A slot counts only when its checksum fits.
 *   H2  The checksum covers store, place, pair and boot id: a page of an earlier boot holds no
 *       fact.
 *   H3  Publishers of one pair exclude each other by a lock of theirs; pairs are independent.
 *
 * A head page is never needed for safety: whoever finds none recovers from the files. Needs core,
 * io. Threads: read any thread; publish, the holder of the pair's lock. Bytes: format-spec/head.md.
 */
#ifndef HEAD_HEAD_H
#define HEAD_HEAD_H

#include "io/io.h"

enum { HEAD_PAIRS = 2, HEAD_WORDS = 12, HEAD_BYTES = 4096 };

struct head;

/**
 * Map the head page at `path`. `writable`: made (zeros) where missing or too short; else
 * HOLTER_NOT_FOUND.
 * place    tells pages of one store apart: 0 the store's own, else 1 + region << 16 | shard.
 * Errors   those of io_open, io_map; HOLTER_IO.
 */
holter_status head_open(struct head **out, struct io *io, const char *path,
                        const uint8_t store_id[static 16], uint32_t place, bool writable,
                        holter_error *err);
void head_close(struct head *head);
/** HOLTER_IO: the page was removed, so that others publish to another one (io_check_linked). */
holter_status head_check_linked(const struct head *head, holter_error *err);
/**
 * The facts published last. False: none in this boot (after some repeats against running
 * publishers).
 */
bool head_read(struct head *head, unsigned pair, uint64_t words[static HEAD_WORDS]);
/**
 * Tells one publishing of a pair from the next: as long as the stamp stays what it was before the facts were read,
 * so do they. Cost: four loads.
 */
struct head_stamp {
    uint64_t words[4]; /* of both slots, count and checksum */
};
struct head_stamp head_stamp(const struct head *head, unsigned pair);
bool head_stamp_is_equal(const struct head_stamp *a, const struct head_stamp *b);
void head_publish(struct head *head, unsigned pair, const uint64_t words[static HEAD_WORDS]);
/** The pair has no facts from now on, until somebody publishes. */
void head_forget(struct head *head, unsigned pair);

/**
 * Whose turn it is: who gives back a lock that the page's users share says so, and wakes who waits longest.
 * A hint: who waits looks after the lock by himself now and then, since who holds it may be killed.
 * head_wait sleeps until head_pass_turn is called after `turn` was had, or the deadline.
 */
uint64_t head_turn(struct head *head);
void head_wait(struct head *head, uint64_t turn, int64_t deadline_ns);
/** Cost: additions in shared memory; a system call where somebody waits. */
void head_pass_turn(struct head *head);

/* ---- statistics, in the store's page: head_statistics.c --------------------------------------- */

enum { HEAD_BUCKETS = 30 };

enum head_counter {
    HEAD_COMMITS,        /* durable ones, a shard's part each */
    HEAD_COMMITS_FAILED, /* calls that stored not all */
    HEAD_COMMITS_BUSY,   /* of these, HOLTER_BUSY */
    HEAD_GROUPS,         /* of the logs: one synced write each */
    HEAD_GROUPS_FAILED,
    HEAD_LOG_BYTES,         /* of groups and marks */
    HEAD_LOG_BODY_BYTES,    /* of these, what frames hold */
    HEAD_LOG_PADDING_BYTES, /* of these, up to whole pages; the rest are headers and seals */
    HEAD_LOG_AHEAD_BYTES,   /* beside these: of files that are filled with zeros before */
    HEAD_SEGMENT_BYTES,
    HEAD_SEGMENT_BLOCK_BYTES, /* of these, rows */
    HEAD_SEGMENT_ROLLUP_BYTES, /* of these, statistics by half hours; the rest are indexes, headers and seals */
    HEAD_EDIT_BYTES,      /* of manifests, catalog and vault */
    HEAD_ROWS,            /* committed */
    HEAD_ROWS_LATE,       /* of these, more than two days old */
    HEAD_ROWS_DUPLICATE,  /* not written: equal ones were there, or in the batch */
    HEAD_ROWS_SUPERSEDED, /* not written: another one stood */
    HEAD_ROWS_REFUSED,
    HEAD_FLUSHED_ROWS,
    HEAD_COMPACTED_FILES_IN,
    HEAD_COMPACTED_FILES_OUT,
    HEAD_COMPACTED_ROWS_IN,
    HEAD_COMPACTED_ROWS_OUT,
    HEAD_OUTLINES_FOUND, /* block headers, kept in memory or not */
    HEAD_OUTLINES_MISSED,
    HEAD_COUNTERS
};

enum head_histogram {
    HEAD_COMMIT_US, /* of a call */
    HEAD_LOCK_US,   /* wait for the append lock */
    HEAD_SYNC_US,   /* of a group */
    HEAD_GROUP_COMMITS,
    HEAD_FLUSH_US,
    HEAD_COMPACTION_US, /* of a job */
    HEAD_HISTOGRAMS
};

/** By any process that has the page open for writing, else, or with NULL, nothing. Cost: an addition in shared memory. */
void head_count(struct head *head, enum head_counter counter, uint64_t n);
void head_measure(struct head *head, enum head_histogram histogram, uint64_t value);
/** What was counted so far, to compare with later; 0: of NULL. Cost: a load of shared memory. */
uint64_t head_counted(const struct head *head, enum head_counter counter);

struct head_statistics {
    uint64_t counters[HEAD_COUNTERS];
    uint64_t sums[HEAD_HISTOGRAMS];
    uint64_t
        buckets[HEAD_HISTOGRAMS]
               [HEAD_BUCKETS]; /* i: less than 2^i, not less than 2^(i-1); the last: all else */
};
/** Of this boot. Zeros: of NULL, or where nobody counted yet. Counters of one moment only where nobody counts. */
void head_statistics_read(struct head *head, struct head_statistics *out);

#endif
