/*
 * shard.h -- the door of shard: log, memtable and segments of one slice of users; commit, snapshot,
 * flush, recovery.
 *
 * Promise: what a commit answered is in every later snapshot of every process, after any crash; a
 * snapshot never changes.
 *
 *   D1  Commits of a handle stand in line; who leads it takes the append lock, goes on at the durable
 *       end, writes those that stand there as one group, syncs, publishes the new end, only then takes
 *       them into the memtable (where that has all before them) and lets all of them answer. What
 *       others appended is tailed once somebody asks for rows.
 *   D2  A snapshot is a pinned manifest version and a log end read after it; rows below
 *       version.flushed come from its files, the rest from the log up to the end.
 *   D3  A flush covers the log from version.flushed to a durable end, whole (C1), one that is larger than
 *       memory by one prefix after the other, each with an edit of its own; segments are read
 *       back before the edit, the edit is durable before log files go. One that was asked for then
 *       lets a log that nobody appended to meanwhile rest, so that all of its large files go.
 *   D4  Without a valid head page, the next writer recovers: it finds the end (W6), syncs nothing
 *       it has not read, begins a new log file with its next append, publishes. Readers then go by
 *       what a watermark covers.
 *   D5  A frame or section of an erased user is skipped, not damage.
 *   D6  A head page beyond whose end the log goes on, with frames that were acknowledged or although
 *       it says that none follow, or whose end lies in a file that went, is an old one that was put
 *       back: whoever opens it does without its facts.
 *   D7  A handle whose lock file or head page was removed commits nothing, maintains nothing and
 *       opens no snapshot any more: others would not see its locks, nor it what they publish.
 *   D8  A change feed reads below a durable end only, without the mutex and without a lock but its
 *       pin, which keeps what it has not given yet in the log until it has.
 *
 * Lock file bytes: SHARD_LOCK_APPEND, SHARD_LOCK_MAINTENANCE exclusive; pins (manifest P1) shared.
 * Who holds a lock writes who it is into a slot of the lock file; HOLTER_BUSY names that. Needs the
 * rooms below. Threads: any; the shard's mutex guards all but immutable snapshots.
 */
#ifndef SHARD_SHARD_H
#define SHARD_SHARD_H

#include "compaction/compaction.h"
#include "manifest/manifest.h"
#include "memtable/memtable.h"
#include "segment/segment.h"
#include "vault/vault.h"
#include "wal/wal.h"

enum { SHARD_LOCK_APPEND = 0, SHARD_LOCK_MAINTENANCE = 1 };
/** The pair of the shard's head page that appenders publish, and its words. */
enum {
    SHARD_HEAD_PAIR = 0,
    SHARD_HEAD_FILE = 0,
    SHARD_HEAD_OFFSET = 1,
    SHARD_HEAD_SEQUENCE = 2,
    SHARD_HEAD_APPENDER = 3,  /* random id of the handle that had the append lock last */
    SHARD_HEAD_UNTOUCHED = 4, /* 1: it left the log untouched behind the end; else not known */
};

struct shard;
struct shard_snapshot;

struct shard_keys {
    /**
     * vault_key and vault_key_unref under the store's mutex. generation 0: the newest, which
     * *newest tells. HOLTER_EXPIRED: the user is erased.
     */
    holter_status (*get)(void *context, uint64_t user, uint32_t generation,
                         const struct crypto_key **key, uint32_t *newest, holter_error *err);
    void (*put)(void *context, const struct crypto_key *key);
    void *context;
};

struct shard_spec {
    struct io *io;
    const char *directory; /* borrowed */
    uint8_t store_id[16];
    uint32_t place; /* 1 + region << 16 | shard */
    bool is_sealed;
    bool is_writable;        /* else: never writes a byte, works on a read-only mount */
    uint64_t log_file_bytes; /* at most; 0: default */
    uint64_t
        log_bytes_flush; /* the log since the last flush beyond which a flush is due; 0: 64 MiB */
    uint64_t
        memory_bytes_flush; /* the memtable likewise; 0: 32 MiB. From twice as many on, it keeps no rows of its own commits */
    uint64_t prefix_bytes_min;  /* of a log that is flushed by prefixes; 0: 256 KiB */
    uint64_t outline_bytes_max; /* of outlines that are kept; 0: 4 MiB */
    int64_t lock_wait_ns;       /* 0: 5 s */
    struct head *statistics;    /* counted in; borrowed; may be NULL */
    struct crypto_arena *arena;
    struct shard_keys keys;
    /**
     * The tier class of a metric; MANIFEST_CLASSES: it cannot be told now, so nothing is flushed.
     */
    uint8_t (*class_of)(void *context, uint32_t metric);
    void *class_context;
    /** How long logs are kept for the change feed; asked before each sweep. NULL: not at all. */
    struct manifest_keep (*keep)(void *context);
    void *keep_context;
};

/**
 * Make the shard's directory: lock file, manifest. Durable, but for the directory's own entry, which
 * the caller syncs. Errors: those of io.
 */
holter_status shard_create(const struct shard_spec *spec, holter_error *err);
/** Opens; recovers where there is no valid head page and it is writable. *out owned. */
holter_status shard_open(struct shard **out, const struct shard_spec *spec, holter_error *err);
/**
 * A writer that appended marks the log and notes its end in the manifest, where the locks are free.
 */
void shard_close(struct shard *shard);
/** In a forked child: nothing but the descriptors. */
void shard_abandon(struct shard *shard);

/* ---- commit ---------------------------------------------------------------------------------- */

/** One user's part of a batch. Parts of a shard_write have rising users. */
struct shard_part {
    uint64_t user;
    struct wal_tombstone *tombstones;
    size_t tombstone_count;
    struct wal_part *parts; /* by (metric, source); rows sorted, an identity once */
    size_t part_count;
    holter_status status; /* out: what became of it */
};

struct shard_write;

/*
 * A commit that only writes gets in line, and is written by itself or together with others:
 *
 *     new, put, queue .. turn: SHARD_WRITTEN  end
 *                              SHARD_LEADS    lead, submit ops, end
 *
 * One that reads first has the lock from shard_write_begin on: begin, put, submit ops, end.
 */

/** Its waiting is counted from now. *out owned: shard_write_end, shard_write_abort. Errors: HOLTER_INVALID reading only; HOLTER_NO_MEMORY. */
holter_status shard_write_new(struct shard_write **out, struct shard *shard, holter_error *err);
/**
 * Encode; where it has the lock, also seal, together with those in line. Once. Parts are borrowed until the end for
 * their status alone.
 */
holter_status shard_write_put(struct shard_write *write, struct shard_part *parts, size_t count,
                              holter_error *err);
/** Memory that it takes, about. */
size_t shard_write_bytes(const struct shard_write *write);
/**
 * Get in line. True: it leads at once. Else `signal`, which may be that of several writes, is set once, when it leads
 * or is written.
 */
bool shard_write_queue(struct shard_write *write, struct io_signal *signal);
enum shard_turn { SHARD_WAITS, SHARD_LEADS, SHARD_WRITTEN };
enum shard_turn shard_write_turn(struct shard_write *write);
/** Out of the line again, while it waits: no set comes, *err says HOLTER_BUSY. False: it is being written, or leads. */
bool shard_write_leave(struct shard_write *write, holter_error *err);
/**
 * Take the append lock, refresh, seal what it put and what others in line did. Several shards: by
 * rising place. Errors: HOLTER_BUSY naming the holder; HOLTER_CORRUPT, HOLTER_IO: then still to be ended.
 */
holter_status shard_write_lead(struct shard_write *write, holter_error *err);
/** As new, and lead, but with nothing sealed yet. Waits for its turn. */
holter_status shard_write_begin(struct shard_write **out, struct shard *shard, holter_error *err);
/**
 * A snapshot of exactly what this write will follow: for exact answers, by who has the lock. Release:
 * shard_snapshot_close.
 */
holter_status shard_write_snapshot(struct shard_snapshot **out, struct shard_write *write,
                                   holter_error *err);
/** Of who leads; may be in flight with those of other shards. */
struct io_op *shard_write_ops(struct shard_write *write, size_t *count);
/**
 * Of who leads, all operations completed: publish, take into the memtable, unlock, tell the others.
 * Frees. The first failure of its parts, whose status each has; also ends a write that put nothing.
 * Errors   of its own: those of wal_append; of a part: HOLTER_EXPIRED the user is erased,
 *          HOLTER_DENIED and others, of its key.
 */
holter_status shard_write_end(struct shard_write *write, holter_error *err);
/** Give up instead, before the operations were submitted, or before it was in line; nothing counts. Frees; NULL does nothing. */
void shard_write_abort(struct shard_write *write);
/**
 * Get in line without a thread: who leads next writes it, in the order of the line, or tries to; what could not be
 * written stays in line. Moved. `written` is called once it is durable, or can never be, by whatever thread that
 * writes; not under a lock of the shard's.
 */
void shard_write_leave_behind(struct shard_write *write,
                              void (*written)(void *context, holter_status status), void *context);
/** Writes that were left behind are in line. */
bool shard_write_is_left(struct shard *shard);

/* ---- snapshots ------------------------------------------------------------------------------- */

struct shard_snapshot;

/**
 * Errors: HOLTER_CORRUPT, HOLTER_IO, HOLTER_NO_MEMORY. Cost: a shared lock; the log's new groups
 * are read.
 */
holter_status shard_snapshot_open(struct shard_snapshot **out, struct shard *shard,
                                  holter_error *err);
void shard_snapshot_close(struct shard_snapshot *snapshot);
const struct manifest_version *shard_snapshot_version(const struct shard_snapshot *snapshot);
uint64_t shard_snapshot_end(
    const struct shard_snapshot *snapshot); /* sequences below it are in it */
struct shard *shard_snapshot_shard(const struct shard_snapshot *snapshot);
/**
 * The user's rows and tombstones (all of them) that are not in files. Release:
 * memtable_rows_release.
 */
holter_status shard_snapshot_rows(struct memtable_rows *out, struct shard_snapshot *snapshot,
                                  uint64_t user, const struct memtable_filter *filter,
                                  holter_error *err);
/** A live file, opened; cached by the shard. Release: shard_segment_release. */
holter_status shard_segment(struct segment **out, struct shard_snapshot *snapshot,
                            const struct manifest_file *file, holter_error *err);
void shard_segment_release(struct shard_snapshot *snapshot, struct segment *segment);
const struct shard_spec *shard_spec_get(const struct shard *shard);

/* ---- outlines of sections, kept from query to query: shard_outlines.c ------------------------- */

struct shard_outlines;
/** The shard's, as long as it is open. Threads: any. */
struct shard_outlines *shard_outlines_of(struct shard *shard);

struct shard_outline {
    const uint8_t *file; /* its id; borrowed */
    bool is_known;
    struct segment_outline
        *outline; /* counted: segment_outline_unref; NULL: not known, or there is none */
};
/** What is known of a user's sections in `count` files. Answers the moment, for shard_outlines_keep. */
uint64_t shard_outlines_find(struct shard_outlines *outlines, uint64_t user,
                             struct shard_outline *asked, size_t count);
/**
 * Keep what was read since shard_outlines_find: an outline, counted once more, or (NULL) that the user has
 * no section in the file. Of one that is kept: its size is counted anew.
 */
void shard_outlines_keep(struct shard_outlines *outlines, uint64_t asked_at, const uint8_t *file,
                         uint64_t user, struct segment_outline *outline);
/** Drop those of users that are gone, and memory of earlier queries. */
void shard_outlines_forget(struct shard_outlines *outlines,
                           bool (*is_gone)(void *context, uint64_t user), void *context);
/**
 * Memory that an earlier query read with, or new. *out owned: shard_pool_give. Answers *taken_at for
 * that. Errors: HOLTER_NO_MEMORY.
 */
holter_status shard_pool_take(struct segment_pool **out, uint64_t *taken_at,
                              struct shard_outlines *outlines, holter_error *err);
/** Keep it for a later query, or free it. No run of it is open. NULL does nothing. */
void shard_pool_give(struct shard_outlines *outlines, uint64_t taken_at, struct segment_pool *pool);
struct shard_outlines_stat {
    size_t count, bytes, bytes_max;
    uint64_t found, missed;
};
struct shard_outlines_stat shard_outlines_stat(struct shard_outlines *outlines);

/** Where the log ends in the snapshot, to be remembered outside. Errors: HOLTER_IO, HOLTER_CORRUPT. */
holter_status shard_snapshot_bookmark(struct wal_bookmark *out, struct shard_snapshot *snapshot,
                                      holter_error *err);

/* ---- the change feed: shard_changes.c -------------------------------------------------------- */

struct shard_feed;

/** One user's frame, opened; borrowed until the feed's next call. */
struct shard_change {
    uint64_t user;
    uint64_t sequence;
    const struct wal_body *body; /* its tombstones come before its rows */
};

/**
 * Follow the log from a bookmark, or (NULL) from the oldest frame that is kept, or from now on.
 * *out owned. Threads: one at a time, beside all else that the shard does.
 * Errors   HOLTER_EXPIRED the bookmark's place is gone, or none of this log; those of
 *          shard_snapshot_open, wal_open.
 */
holter_status shard_feed_open(struct shard_feed **out, struct shard *shard,
                              const struct wal_bookmark *from, bool from_now, holter_error *err);
void shard_feed_close(struct shard_feed *feed);
/** Where all was given: what was committed since is given next. Else there is nothing to do. */
holter_status shard_feed_refresh(struct shard_feed *feed, holter_error *err);
/**
 * The next frame, of `user` only where that is not 0; those of erased users are left out (D5).
 * Errors   HOLTER_DONE all up to the last refresh was given; HOLTER_EXPIRED what was to come next
 *          is no longer kept; HOLTER_CORRUPT, HOLTER_IO, HOLTER_DENIED, HOLTER_NO_MEMORY.
 */
holter_status shard_feed_next(struct shard_change *out, struct shard_feed *feed, uint64_t user,
                              holter_error *err);
/**
 * Everything from there on is given again by who opens a feed with it, and nothing is missed. The
 * frame that was given last counts as told where is_told.
 */
struct wal_bookmark shard_feed_bookmark(const struct shard_feed *feed, bool is_told);

/* ---- maintenance ----------------------------------------------------------------------------- */

/** The limits of the spec are passed; overdue: those of the log four times, or that of memory twice. */
enum shard_due { SHARD_FLUSH_NOT_DUE, SHARD_FLUSH_DUE, SHARD_FLUSH_OVERDUE };
enum shard_due shard_flush_due(struct shard *shard);
/**
 * The log's file at hand fills up: who has time makes the next one, beside commits, which go on in it. Any thread. Where
 * it cannot be made, a commit makes one as it needs it.
 */
bool shard_wants_spare(struct shard *shard);
/** Ends early once *stops (may be NULL) is true. */
void shard_make_spare(struct shard *shard, const atomic_bool *stops);
/** Its bytes are needed, or it is not: true, there was one. Any thread. */
bool shard_drop_spare(struct shard *shard);
/**
 * Flush what is durable now. wait: it was asked for, so wait for the maintenance lock, and leave
 * one small log file where nobody appends meanwhile; else HOLTER_BUSY at once. *rows: how many were
 * written.
 */
holter_status shard_flush(uint64_t *rows, struct shard *shard, bool wait, holter_error *err);
/** Compaction steps until there is none to do; sweeps. `to` and now_ns as in compaction.h. */
holter_status shard_compact(struct compaction_result *sum, struct shard *shard,
                            enum manifest_tier to, int64_t now_ns,
                            bool (*go_on)(void *context, uint64_t rows_done, uint64_t rows_all),
                            void *context, holter_error *err);

struct shard_stat {
    uint64_t manifest_version;
    uint64_t next_sequence, flushed_sequence;
    uint64_t log_files, log_bytes;   /* bytes: written since the last flush */
    uint64_t kept_files, kept_bytes; /* for the change feed */
    uint64_t memtable_frames, memtable_bytes;
    uint64_t files[4], file_bytes[4], rows[4]; /* by manifest_tier */
    uint64_t tombstones;
    uint64_t pins; /* of this handle */
    bool head_is_valid;
};
holter_status shard_stat(struct shard_stat *out, struct shard *shard, holter_error *err);
/**
 * Check every file of the shard; with keys also every row. Findings are reported; *damaged counts
 * them.
 */
holter_status shard_verify(struct shard *shard, void (*report)(void *context, const char *sentence),
                           void *context, size_t *damaged, holter_error *err);

#endif
