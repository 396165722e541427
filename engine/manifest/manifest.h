/*
 * manifest.h -- the door of manifest: which files of a shard are live, in versions that snapshots
 * can pin.
 *
 * Promise: a version never changes, a change is atomic, and a file leaves the disk only when no pin
 * can name it.
 *
 *   C1  `flushed` covers an exact prefix of the shard's sequence: an edit raises it only by adding
 *       files whose ranges join it without a gap (or none, where nothing of the prefix needs
 *       keeping).
 *   C2  Files of one class whose partitions share time have disjoint sequence ranges, whatever
 *       their tiers (a hot file's partition is all of time); so a merge takes only files adjacent
 *       in that order. manifest_commit refuses else.
 *   P1  A pin is a shared lock on byte MANIFEST_PIN_BASE + version of the shard's lock file,
 *       counted within a handle. It is taken, then the head page is read again: it stands only if
 *       the version still does.
 *   P2  A file that left in version r is unlinked only under the maintenance lock, when no version
 *       < r is pinned by another handle (probe) or this one (count).
 *
 * Needs core, io, edits, head. Threads: one at a time (the shard's mutex); a version is immutable
 * and counted, its count is atomic. Bytes: format-spec/manifest.md.
 */
#ifndef MANIFEST_MANIFEST_H
#define MANIFEST_MANIFEST_H

#include "edits/edits.h"
#include "head/head.h"

enum { MANIFEST_ID_BYTES = 16, MANIFEST_CLASSES = 4 };
#define MANIFEST_PIN_BASE (UINT64_C(1) << 32)
#define MANIFEST_HOT_PARTITION INT64_MIN
#define MANIFEST_WARM_PARTITION_NS (INT64_C(7) * 86400 * 1000000000)
#define MANIFEST_COLD_PARTITION_NS (4 * MANIFEST_WARM_PARTITION_NS)

/** Stored. A new tier also needs: manifest_partition.c, segment_block_rows, holter_tier. */
enum manifest_tier { TIER_HOT = 1, TIER_WARM = 2, TIER_COLD = 3 };

/** A live segment. Times are those of its rows' begins, and of its tombstones' spans. */
struct manifest_file {
    uint8_t id[MANIFEST_ID_BYTES];       /* the file's random id, which is its name too */
    uint8_t tier;                        /* enum manifest_tier */
    uint8_t class;                       /* tier class, 0 .. MANIFEST_CLASSES - 1 */
    int64_t partition;                   /* manifest_partition(tier, begin) of every row */
    uint64_t sequence_min, sequence_max; /* inclusive; what a flush or merge covered */
    uint64_t user_min, user_max;
    uint64_t rows; /* 0: tombstones only; then the three times are 0 */
    int64_t begin_min, begin_max, end_max;
    uint64_t tombstones;
    int64_t tombstone_begin,
        tombstone_end; /* the least begin, the greatest end; 0 where there is none */
    uint64_t bytes;
    uint64_t footer_hash; /* XXH3 of the footer: an older file in its place is found */
};

/**
 * The partition of a tier that a time lies in: floor(time / span), the span being 7 days in warm
 * files and 28 in cold ones; all of time is MANIFEST_HOT_PARTITION.
 */
int64_t manifest_partition(enum manifest_tier tier, int64_t time_ns);
/** The times of a partition are [from, to). */
int64_t manifest_partition_from(enum manifest_tier tier, int64_t partition);
int64_t manifest_partition_to(enum manifest_tier tier, int64_t partition);
/** A file's partition and that one have times in common. */
bool manifest_shares_time(const struct manifest_file *file, enum manifest_tier tier,
                          int64_t partition);

/** A place in the log: the next byte, and the sequence of the next frame. */
struct manifest_log_place {
    uint64_t file; /* log file number; 0: none yet */
    uint64_t offset;
    uint64_t sequence;
};

struct manifest_version {
    uint64_t version;
    struct manifest_log_place
        flushed; /* all below flushed.sequence is in files; the log is read from here */
    struct manifest_log_place
        closed; /* where the log ended at the last clean close; file 0: not closed cleanly
                                          since the log moved on. What was closed can be no shorter: damage is told */
    struct manifest_file *files; /* by (class, tier, partition, sequence_min) */
    size_t file_count;
};

struct manifest;

struct manifest_spec {
    struct io *io;
    const char *directory; /* the shard's; borrowed */
    struct io_file *
        lock_file; /* of this handle; borrowed; carries the pins. NULL: nobody can sweep, pins only count */
    struct head *head;       /* borrowed; may be NULL (read-only store without one) */
    struct head *statistics; /* as in edits_spec */
    uint8_t store_id[16];
    uint32_t place;
};

/** The pair of the shard's head page that manifest publishes, and its words. */
enum { MANIFEST_HEAD_PAIR = 1, MANIFEST_HEAD_VERSION = 0, MANIFEST_HEAD_GENERATION = 1 };

/** A new, empty manifest (version 1) on disk. */
holter_status manifest_create(const struct manifest_spec *spec, holter_error *err);
/**
 * Open at the published version, or, without a valid head page, at the last one.
 * writable  the caller holds the maintenance lock: mends the copies and publishes.
 */
holter_status manifest_open(struct manifest **out, const struct manifest_spec *spec, bool writable,
                            holter_error *err);
void manifest_close(struct manifest *manifest); /* every pin has been released */

/** Go by a head page that was not there yet when a read-only store was opened; borrowed. */
void manifest_follow(struct manifest *manifest, struct head *head);
/** Go to the published version. Cheap (no system call) where that is the current one. */
holter_status manifest_refresh(struct manifest *manifest, bool writable, holter_error *err);
/** The current version, counted: manifest_version_unref. */
struct manifest_version *manifest_current(struct manifest *manifest);
struct manifest_version *manifest_version_ref(struct manifest_version *version);
void manifest_version_unref(struct manifest_version *version);

struct manifest_edit {
    const struct manifest_file *add;
    size_t add_count;
    const uint8_t (*remove)[MANIFEST_ID_BYTES];
    size_t remove_count;
    struct manifest_log_place flushed; /* file 0: unchanged */
    struct manifest_log_place closed;  /* file 0: unchanged */
};

/**
 * Make the next version, durable and published. The caller holds the maintenance lock and has
 * refreshed (writable).
 * Errors   HOLTER_INVALID an edit that breaks C1, C2 or names a file that is not live (nothing is
 *          written); those of edits_append: not done, but another writer may still take it up until
 *          this handle has refreshed (writable); so leave the files that it named to
 *          manifest_sweep.
 * Cost     edits_append, now and then edits_rewrite.
 */
holter_status manifest_commit(struct manifest *manifest, const struct manifest_edit *edit,
                              holter_error *err);
/** The rules that manifest_commit applies, alone: for tests and verify. */
holter_status manifest_check(const struct manifest_version *version, holter_error *err);

/**
 * Pin the published version (P1). *out counted; release by manifest_unpin. Errors: those of
 * refresh, io_lock.
 */
holter_status manifest_pin(struct manifest_version **out, struct manifest *manifest,
                           holter_error *err);
void manifest_unpin(struct manifest *manifest, struct manifest_version *version);
size_t manifest_pin_count(const struct manifest *manifest);

/** The name of a segment file: "seg-" and 32 hexadecimal digits. */
enum { MANIFEST_FILE_NAME_BYTES = 4 + 32 + 1 };
void manifest_file_name(char out[static MANIFEST_FILE_NAME_BYTES],
                        const uint8_t id[static MANIFEST_ID_BYTES]);
/**
 * The name of a log file: "log-" and 16 hexadecimal digits of its number. Parse: false where a name
 * is none.
 */
enum { MANIFEST_LOG_NAME_BYTES = 4 + 16 + 1 };
void manifest_log_name(char out[static MANIFEST_LOG_NAME_BYTES], uint64_t number);
bool manifest_log_name_parse(uint64_t *number, const char *name);

/** How long log files that left are kept for the change feed (catalog_feed, of this shard). */
struct manifest_keep {
    int64_t age_ns; /* since they were last written to */
    uint64_t bytes; /* together; 0: none is kept */
};

/**
 * Unlink what no version needs (P2): segments that left, log files before `flushed.file`,
 * "seg-*.tmp", "manifest.*.tmp" and, of files the log has passed, "log-*.tmp" (later ones may be an
 * appender's). Refreshes (writable) first. Under the maintenance lock. Files that cannot go yet
 * stay for a later sweep. *left: how many had to stay.
 * Log files that may go are kept instead, renamed to "kept-" and their number, as long as `keep` lets them.
 */
holter_status manifest_sweep(struct manifest *manifest, const struct manifest_keep *keep,
                             size_t *left, holter_error *err);
/** Count what is kept. Cost: lists the directory, looks at each kept file. */
holter_status manifest_kept(uint64_t *files, uint64_t *bytes, struct manifest *manifest,
                            holter_error *err);
holter_status manifest_verify(struct manifest *manifest,
                              void (*report)(void *context, const char *sentence), void *context,
                              size_t *damaged, holter_error *err);

#endif
