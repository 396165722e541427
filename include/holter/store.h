/*
 * store.h -- stores: create, open, define, write, maintain.
 *
 * Threads      a store is for any thread; a batch for one thread at a time. Closing or freeing NULL
 *              does nothing.
 * Processes    any number may open one store, each for itself. After fork() a handle is the
 *              parent's: in the child every call on it answers HOLTER_INVALID (but the close and
 *              free calls, which release its memory); the child opens the store anew.
 * Waiting      a call that needs a lock which another process holds waits at most
 *              holter_options.lock_wait_ms, then answers HOLTER_BUSY and names the holder. Reading
 *              takes no lock that writers wait for.
 * Floats       the calling thread rounds to nearest, as C programs do from the start: in another
 *              rounding mode values of float64 fields and sums come out wrong.
 * Files        are made with mode 0660 less the umask (the keyring 0600).
 */
#ifndef HOLTER_STORE_H
#define HOLTER_STORE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct holter_store holter_store;
typedef struct holter_batch holter_batch;

/* ---- create, open, close --------------------------------------------------------------------- */

/** Every field may be zero, which asks for its default. */
typedef struct holter_create_options {
    uint32_t shards; /**< of the first region, 1 .. 256; default: one a processor, 2 to 4; fixed */
    const char *region;       /**< its name, [a-z0-9][a-z0-9-]*; default "main" */
    const char *keyring_path; /**< made with mode 0600; default: the store's path + ".keyring" */
    int no_sealing;           /**< nothing is sealed, there is no keyring; fixed */
    uint64_t reserved[4];     /**< zero */
} holter_create_options;

/**
 * Make a store: a directory that must not exist or be empty, and its keyring. Durable on return.
 * Errors   HOLTER_EXISTS store or keyring; HOLTER_INVALID options; HOLTER_DENIED; HOLTER_NO_SPACE;
 *          HOLTER_IO.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_create(const char *path,
                                                       const holter_create_options *options,
                                                       holter_error *err);

/** How files are read and written. */
typedef enum holter_backend {
    HOLTER_BACKEND_CHOOSE =
        0, /**< io_uring, where this kernel and process can have it; else posix */
    HOLTER_BACKEND_POSIX = 1, /**< a system call for each operation, which strace sees */
    HOLTER_BACKEND_URING =
        2 /**< what belongs together is in flight at once, such as several shards' logs */
} holter_backend;

/** Every field may be zero, which asks for its default. */
typedef struct holter_options {
    const char *keyring_path;
    int read_only;             /**< writes no byte; works on a read-only mount */
    uint64_t memory_bytes_max; /**< of the whole handle's unflushed rows; default 256 MiB; a shard
                                  flushes when it has half of its part. An eighth of it beside for
                                  headers of blocks that were read */
    uint64_t log_bytes_flush;  /**< a shard flushes when its log reaches this; default 64 MiB */
    uint64_t
        log_file_bytes; /**< of a log file, at most: n * 4,096, 64 KiB or more; default 4 MiB; the texts of a
                                row take an eighth of it at most */
    uint32_t lock_wait_ms; /**< default 5,000 */
    int no_auto_flush;     /**< else shards flush by themselves, in a thread of the handle's own;
                              commits wait for one that is long overdue */
    int backend;           /**< holter_backend */
    uint64_t buffered_bytes_max; /**< of buffered commits that are not durable; default 16 MiB */
    uint64_t reserved[4];        /**< zero */
} holter_options;

/**
 * Open a store. *out owned: holter_close.
 * Errors   HOLTER_NOT_FOUND no store there; HOLTER_INVALID not a store, or a directory or file in
 *          the wrong place; HOLTER_DENIED permission, or a keyring that is another store's or
 *          readable by others; HOLTER_UNSUPPORTED a newer format, a file system without OFD locks,
 *          no io_uring where that is asked for;
 *          HOLTER_CORRUPT; HOLTER_BUSY; HOLTER_IO.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_open(holter_store **out, const char *path,
                                                     const holter_options *options,
                                                     holter_error *err);
/**
 * Waits for calls of other threads. Marks the log's end, so that later damage to it is found. Wipes
 * keys.
 */
HOLTER_API void holter_close(holter_store *store);

/* ---- regions, metrics, users, sources -------------------------------------------------------- */

/** Add a region with its own shards (0: as many as holter_create makes by default). Errors: HOLTER_EXISTS; HOLTER_INVALID. */
HOLTER_API HOLTER_MUST_USE holter_status holter_add_region(holter_store *store, const char *name,
                                                           uint32_t shards, holter_error *err);
HOLTER_API size_t holter_region_count(holter_store *store);
/**
 * Name and shards of region 0 .. count - 1. *name borrowed until holter_close. Errors:
 * HOLTER_NOT_FOUND.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_region_at(holter_store *store, size_t index,
                                                          const char **name, uint32_t *shards,
                                                          holter_error *err);

/** *out's strings and labels are borrowed until holter_close. Errors: HOLTER_NOT_FOUND. */
HOLTER_API HOLTER_MUST_USE holter_status holter_metric_find(holter_store *store, const char *name,
                                                            holter_metric *out, holter_error *err);
HOLTER_API HOLTER_MUST_USE holter_status holter_metric_by_number(holter_store *store,
                                                                 uint32_t number,
                                                                 holter_metric *out,
                                                                 holter_error *err);
HOLTER_API size_t holter_metric_count(holter_store *store);
/** The index-th metric by rising number. Errors: HOLTER_NOT_FOUND. */
HOLTER_API HOLTER_MUST_USE holter_status holter_metric_at(holter_store *store, size_t index,
                                                          holter_metric *out, holter_error *err);
/**
 * Define a metric, durably. An equal one may exist. Errors: HOLTER_EXISTS one of that name differs;
 * HOLTER_INVALID.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_metric_define(holter_store *store,
                                                              const holter_metric *metric,
                                                              uint32_t *number, holter_error *err);
/** Add a label at an enum's end, durably; *value is its number, also where it exists. */
HOLTER_API HOLTER_MUST_USE holter_status holter_metric_add_label(holter_store *store,
                                                                 uint32_t metric, size_t field,
                                                                 const char *label, int64_t *value,
                                                                 holter_error *err);
/**
 * Read a value from text: a decimal for HOLTER_INT (exact at the field's exponent) and
 * HOLTER_FLOAT, a label or number for HOLTER_ENUM, anything for HOLTER_TEXT (borrowed from `text`).
 * round    a HOLTER_INT finer than the exponent is rounded half to even instead of refused.
 * Errors   HOLTER_INVALID, telling what was expected: no such label, not a number, finer than
 *          10^exponent, too large.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_value_parse(holter_value *out,
                                                            const holter_metric *metric,
                                                            size_t field, const char *text,
                                                            size_t text_bytes, int round,
                                                            holter_error *err);
/**
 * Write a value as text, zero-terminated; the bytes that it takes, which may be more than `room`.
 */
HOLTER_API size_t holter_value_format(char *out, size_t room, const holter_metric *metric,
                                      size_t field, holter_value value);

/** The number that stands for an external id. Errors: HOLTER_NOT_FOUND; HOLTER_INVALID. */
HOLTER_API HOLTER_MUST_USE holter_status holter_user_find(holter_store *store, const char *id,
                                                          size_t id_bytes, uint64_t *user,
                                                          holter_error *err);
/** An external id, borrowed. */
typedef struct holter_id {
    const char *bytes;
    size_t count;
} holter_id;
/**
 * Numbers for `count` external ids; new users are added, durably, in `region` (NULL: the first).
 * Cost: one edit of the vault for all new ones together.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_users_add(holter_store *store, const holter_id *ids,
                                                          size_t count, const char *region,
                                                          uint64_t *users, holter_error *err);
/**
 * The external id of a user, zero-terminated; out holds HOLTER_USER_ID_BYTES_MAX + 1.
 * HOLTER_EXPIRED: erased.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_user_id(holter_store *store, uint64_t user,
                                                        char *out, size_t *id_bytes,
                                                        holter_error *err);
/**
 * The shard that a user's rows go to, as holter_stat_shard counts shards. Threads that load the users
 * of different shards do not wait for each other.
 * Errors   HOLTER_NOT_FOUND; HOLTER_EXPIRED the user is erased.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_user_shard(holter_store *store, uint64_t user,
                                                           size_t *shard, holter_error *err);
HOLTER_API size_t holter_user_count(holter_store *store);
/**
 * The index-th user in the order they were added; *erased may be NULL. Errors: HOLTER_NOT_FOUND.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_user_at(holter_store *store, size_t index,
                                                        uint64_t *user, int *erased,
                                                        holter_error *err);

/**
 * Add a source (number 0), or change what is known of one, durably. *number may be NULL.
 * HOLTER_EXISTS: the name is there.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_source_put(holter_store *store, uint64_t user,
                                                           const holter_source *source,
                                                           uint32_t *number, holter_error *err);
/** The number of a source by name, added where it is new. */
HOLTER_API HOLTER_MUST_USE holter_status holter_source_need(holter_store *store, uint64_t user,
                                                            const char *name, uint32_t *number,
                                                            holter_error *err);
/**
 * holter_source_need for `count` users at once: numbers[i] is that of users[i], who all differ.
 * Cost     one durable edit for up to 256 new sources.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_sources_need(holter_store *store,
                                                             const uint64_t *users, size_t count,
                                                             const char *name, uint32_t *numbers,
                                                             holter_error *err);
HOLTER_API HOLTER_MUST_USE holter_status holter_source_find(holter_store *store, uint64_t user,
                                                            const char *name, uint32_t *number,
                                                            holter_error *err);
HOLTER_API HOLTER_MUST_USE holter_status holter_source_count(holter_store *store, uint64_t user,
                                                             size_t *count, holter_error *err);
/** *out and what it points at: owned, holter_source_free. `number` 1 .. count. */
HOLTER_API HOLTER_MUST_USE holter_status holter_source_read(holter_store *store, uint64_t user,
                                                            uint32_t number, holter_source **out,
                                                            holter_error *err);
HOLTER_API void holter_source_free(holter_source *source);

/* ---- writing --------------------------------------------------------------------------------- */

/** Every field may be zero, which asks for its default. */
typedef struct holter_batch_options {
    int refuse_implausible; /**< implausible rows are refused; default: stored with a flag */
    int exact;        /**< answers tell new, duplicate, corrected (one read per touched block) */
    int64_t revision; /**< of rows, replaced ranges and deletions that bring none of their own */
    int buffered;     /**< holter_commit returns at once: see there; not with `exact` */
    uint64_t reserved[4]; /**< zero */
} holter_batch_options;

/** *out owned: holter_batch_free. */
HOLTER_API HOLTER_MUST_USE holter_status holter_batch_new(holter_batch **out, holter_store *store,
                                                          const holter_batch_options *options,
                                                          holter_error *err);
HOLTER_API void holter_batch_free(holter_batch *batch);
/** Forget all rows and answers. */
HOLTER_API void holter_batch_clear(holter_batch *batch);

/**
 * Add a row; everything is copied. *index (may be NULL) names it in holter_batch_answer. Of rows
 * with one identity in a batch the greatest revision stands, of these the last.
 * Errors   HOLTER_INVALID (number of values, time, duration, flags, enum value, a text that is too
 *          large, refused as implausible); HOLTER_NOT_FOUND no such user, metric or source;
 *          HOLTER_EXPIRED the user is erased; HOLTER_NO_MEMORY: the row is not in the batch.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_batch_add(holter_batch *batch,
                                                          const holter_row *row, size_t *index,
                                                          holter_error *err);
/**
 * Add rows of one series in columns, as a cursor gives them: all, or none. Everything is copied. Times may come in any
 * order; `flags` and `revision` may be NULL (no flags, the batch's revision); what is implausible is found anew. Row i
 * has index *index + i (index may be NULL).
 * rows     borrowed until return; any count; user, metric and source of the store that the batch is of.
 * Errors   as holter_batch_add, of the first row that is not taken, named by its place; HOLTER_INVALID columns of
 *          another kind, type or number than the metric's.
 * Cost     a copy and a look at each value: a tenth of holter_batch_add's (texts: as much).
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_batch_add_columns(holter_batch *batch,
                                                                  const holter_columns *rows,
                                                                  size_t *index, holter_error *err);
/**
 * What of (user, metric, source) begins in [begin, end) and was stored before goes; the batch's own
 * rows stay. Source 0: every source; metric 0 (then source 0): every metric. With a revision (of
 * the call, or 0: the batch's) only rows of lower revision go, also such ones that arrive later or
 * in this batch, and those of the same revision that were committed before. A replaced range is a
 * deletion together with the rows that come in its place, committed at once.
 * Errors   HOLTER_INVALID (also: more than 2,048 deletions of one user); HOLTER_NOT_FOUND,
 *          HOLTER_EXPIRED, HOLTER_NO_MEMORY as holter_batch_add.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_batch_delete(holter_batch *batch, uint64_t user,
                                                             uint32_t metric, uint32_t source,
                                                             int64_t begin_ns, int64_t end_ns,
                                                             int64_t revision, holter_error *err);
HOLTER_API size_t
holter_batch_count(const holter_batch *batch); /* rows added since the last clear */

/**
 * Commit a batch; return once it would survive a power cut. A user's part is stored whole or not at
 * all. Commits of several threads that come while the disk is busy share the next sync.
 *
 * A *buffered* batch (holter_batch_options) is accepted, not acknowledged: it becomes durable a moment later, by a
 * thread of the handle's own, or together with another commit, in the order of the handle's commits, and is
 * seen by queries then. Each has a number (holter_batch_accepted): holter_wait_durable waits for it, holter_durable tells how
 * far it is. HOLTER_BUSY at once: too much waits for the disk already; nothing was accepted of users whose rows are still
 * pending, where some were it has a number, too.
 * batch    borrowed until return; the parts that were stored leave it, on failure too, so that it
 *          can be committed again.
 * Errors   HOLTER_NO_SPACE, HOLTER_IO, HOLTER_BUSY: some parts are not stored, commit the rest
 *          again later; HOLTER_DENIED no key opens for a user; HOLTER_EXPIRED a user is erased;
 *          HOLTER_CORRUPT.
 * Cost     one sync per shard touched, in parallel. May flush (holter_options).
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_commit(holter_store *store, holter_batch *batch,
                                                       holter_error *err);

/** The number of the last buffered commit of this batch that was accepted; 0: none. They are counted by handle. */
HOLTER_API uint64_t holter_batch_accepted(const holter_batch *batch);
/**
 * Wait until a buffered commit of this handle is durable, and with it all of lower number. A writer with several batches
 * on their way fills the next one while the disk writes those before: it commits buffered, notes the number, and waits for
 * what it noted some commits ago before it answers for that.
 * number   of holter_batch_accepted; what is durable already is not waited for.
 * Errors   what kept one from being written (HOLTER_NO_SPACE, HOLTER_IO, HOLTER_BUSY, HOLTER_NO_MEMORY; it stays, and is
 *          tried again, by itself or by the next call); what this commit lost a part to (HOLTER_EXPIRED a user was erased,
 *          HOLTER_DENIED no key; HOLTER_EXPIRED also: some 256 have lost a part since, so that it is not known any more);
 *          HOLTER_INVALID a number not given yet.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_wait_durable(holter_store *store, uint64_t number,
                                                             holter_error *err);
/**
 * Wait for every buffered commit that this handle accepted before. Errors: as holter_wait_durable; the first commit that
 * lost a part since the last holter_sync. holter_close tries once, too.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_sync(holter_store *store, holter_error *err);
/** How many buffered commits this handle accepted: the number of the last one. */
HOLTER_API uint64_t holter_accepted(holter_store *store);
/** All buffered commits up to this number are durable. */
HOLTER_API uint64_t holter_durable(holter_store *store);

/** What became of a row. */
typedef enum holter_answer {
    HOLTER_PENDING = 0,   /**< not stored: not committed, or its user's part failed */
    HOLTER_ACCEPTED = 1,  /**< stored; of a buffered batch: accepted */
    HOLTER_NEW = 2,       /**< exact: stored, nothing of its identity was there */
    HOLTER_DUPLICATE = 3, /**< exact: an equal row is durable, or one of the batch stands for it */
    HOLTER_CORRECTED = 4, /**< exact: stored, in the place of another value */
    HOLTER_SUPERSEDED = 5 /**< another row of its identity stands: higher revision, or later here */
} holter_answer;

typedef struct holter_row_answer {
    holter_answer answer;
    uint16_t flags; /**< as stored */
} holter_row_answer;

/** The answer for the index-th row, until holter_batch_clear. */
HOLTER_API holter_row_answer holter_batch_answer(const holter_batch *batch, size_t index);

/* ---- maintenance ----------------------------------------------------------------------------- */

/**
 * Write what the logs hold into segments, each log's at once, or as several prefixes where it is larger than memory: those
 * before an error stay flushed. A log that nobody appends to meanwhile keeps 8 KiB on disk. *rows may be NULL.
 * Cost: of this and of holter_compact, up to twice the time while others commit, to whom they give way.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_flush(holter_store *store, uint64_t *rows,
                                                      holter_error *err);

typedef enum holter_tier { HOLTER_HOT = 1, HOLTER_WARM = 2, HOLTER_COLD = 3 } holter_tier;

/** Every field may be zero. */
typedef struct holter_compact_options {
    /**
     * 0: as policy says: hot to warm, files of 7 days each, once these are over for 2 days; warm to
     * cold, files of 28 days each, once these are over for 90. HOLTER_HOT: flush only. HOLTER_WARM,
     * HOLTER_COLD: everything, at once, whatever its age; what is cold stays cold.
     */
    holter_tier to;
    /** Called now and then; returns 0 to stop (HOLTER_BUSY). May be NULL. */
    int (*progress)(void *context, uint64_t rows_done, uint64_t rows_all);
    void *context;
    size_t
        only_shard; /**< 1 + the index of the one shard to compact, as holter_stat_shard counts them;
                          0: all, one after the other. Threads may compact several at once */
    uint64_t reserved[4]; /**< zero */
} holter_compact_options;

typedef struct holter_compact_result {
    uint64_t jobs, files_in, files_out, rows_in, rows_out;
    uint64_t rollup_bytes; /**< statistics by half hours in the files out */
} holter_compact_result;

/**
 * Flush, then compact every shard, or one. *result may be NULL. A job that was killed is begun anew by
 * the next call. Errors also: HOLTER_NOT_FOUND there is no such shard.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_compact(holter_store *store,
                                                        const holter_compact_options *options,
                                                        holter_compact_result *result,
                                                        holter_error *err);

typedef struct holter_shard_stat {
    const char *region; /**< borrowed until holter_close */
    uint32_t shard;
    uint64_t manifest_version;
    uint64_t next_sequence, flushed_sequence;
    uint64_t log_files, log_bytes;
    uint64_t kept_files, kept_bytes; /**< flushed logs, for the change feed */
    uint64_t memtable_frames, memtable_bytes;
    struct {
        uint64_t files, bytes, rows;
    } tiers[4]; /**< by holter_tier; 0 unused */
    uint64_t tombstones;
    uint64_t pins; /**< of this handle */
} holter_shard_stat;

typedef struct holter_stat {
    uint8_t store_id[16];
    int sealed;
    int keys_locked; /**< keys are in memory that is never swapped out, as many as are held open at most */
    const char
        *backend; /**< "posix" or "io_uring"; borrowed until holter_close, as is the reason */
    const char
        *backend_reason; /**< why io_uring could not be had; NULL: it could, or was not asked for */
    int direct;          /**< logs are written past the page cache, else through it: as the file
                              system of the store's identity can, now */
    uint64_t users, erased_users, metrics;
    uint64_t vault_version, catalog_version;
    uint32_t format_major, format_minor;
    size_t shard_count;
    int64_t feed_age_ns; /**< as set by holter_feed_keep, as are the bytes */
    uint64_t feed_bytes;
} holter_stat;

HOLTER_API HOLTER_MUST_USE holter_status holter_stat_read(holter_store *store, holter_stat *out,
                                                          holter_error *err);
HOLTER_API HOLTER_MUST_USE holter_status holter_stat_shard(holter_store *store, size_t index,
                                                           holter_shard_stat *out,
                                                           holter_error *err);

#define HOLTER_BUCKETS 30

/** Something that is counted, in all processes together, since the machine started or the store was made. */
typedef struct holter_statistic {
    const char *name; /**< static; "commits", "commit_seconds" .. */
    const char *help; /**< static */
    int is_histogram; /**< else a counter, and only `count` counts */
    uint64_t count;   /**< of a histogram: of what was measured */
    double sum, unit; /**< of what was measured, in seconds or a number */
    uint64_t buckets
        [HOLTER_BUCKETS]; /**< [i]: less than 2^i * unit, not less than half of it; the last: all else */
} holter_statistic;

HOLTER_API size_t holter_statistic_count(void);
/**
 * The statistic 0 .. count - 1; the order stays within a version. Errors: HOLTER_NOT_FOUND. Cost: loads of shared
 * memory. Zeros where nobody wrote in this boot.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_statistic_at(holter_store *store, size_t index,
                                                             holter_statistic *out,
                                                             holter_error *err);

/**
 * Read and check every file, and with the keys every row. Each finding is told to `report` (may be
 * NULL) as a sentence.
 * Errors   HOLTER_CORRUPT: *damaged findings; others: the check could not be made.
 */
HOLTER_API HOLTER_MUST_USE holter_status
holter_verify(holter_store *store, void (*report)(void *context, const char *sentence),
              void *context, size_t *damaged, holter_error *err);

#ifdef __cplusplus
}
#endif

#endif
