/*
 * changes.h -- the change feed: what was committed, told to who keeps a copy.
 *
 * A feed tells the changes of a store, each at least once, those of a user in the order they were
 * committed. After any of them it gives a token; who comes back with it, after a crash too, is told
 * all that came since. It is read from the logs: a change stays there until it is flushed, and longer
 * only where the store keeps its logs (holter_feed_keep). A token of what went answers HOLTER_EXPIRED. Then the receiver begins anew: it opens a snapshot, takes its
 * token, copies all users, of each first the deletions (holter_deletions) and then the rows, and goes
 * on from the token.
 *
 * To apply changes so that the copy equals the store:
 *   - of rows with one identity (user, metric, source, time, and key field) the one with the greatest
 *     revision stands, of these the one told last;
 *   - a deletion without a revision (0) removes the rows of its span that were told before it;
 *   - a deletion with a revision removes the rows of its span with a lower revision, whether told
 *     before or after it, and those of its own revision told before it.
 *
 * Threads: a feed one thread at a time. Feeds are closed before their store.
 */
#ifndef HOLTER_CHANGES_H
#define HOLTER_CHANGES_H

#include "query.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * How long the store keeps its logs for feeds once they are flushed, durably and for every process:
 * each until it is so old, or all of them together so large, the oldest going first, at the next
 * flush or compaction after that. Logs are sealed, those of erased users noise.
 * age_ns   since it was written, by the wall clock; INT64_MAX: of any age; 0: not at all, the default.
 * bytes    of all shards together, each having the same part; UINT64_MAX: of any size; 0 with age 0.
 * Errors   HOLTER_INVALID; HOLTER_BUSY; HOLTER_IO; HOLTER_NO_SPACE; HOLTER_NO_MEMORY.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_feed_keep(holter_store *store, int64_t age_ns,
                                                          uint64_t bytes, holter_error *err);

typedef struct holter_feed holter_feed;

/** Every field may be zero. */
typedef struct holter_feed_options {
    const char *token;    /**< go on from here; NULL: begin with the oldest change that is kept */
    int from_now;         /**< without a token: only what is committed from now on */
    uint64_t user;        /**< changes of this user only; 0: of all */
    uint32_t metric;      /**< rows of this metric, and deletions that concern it; 0: of all */
    uint64_t reserved[4]; /**< zero */
} holter_feed_options;

/**
 * *out owned: holter_feed_close. A feed that tells all users tells each as added, from the oldest
 * change on. What an open feed has not told yet stays on disk, as what a snapshot shows does.
 * Errors   HOLTER_EXPIRED the token's changes are no longer kept, or it is of a later state than
 *          the store's (which was put back from a copy): begin anew from a snapshot; HOLTER_INVALID
 *          the token is none, or another store's; HOLTER_NOT_FOUND no such user or metric;
 *          HOLTER_UNSUPPORTED; HOLTER_CORRUPT; HOLTER_IO; HOLTER_NO_MEMORY.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_feed_open(holter_feed **out, holter_store *store,
                                                          const holter_feed_options *options,
                                                          holter_error *err);
HOLTER_API void holter_feed_close(holter_feed *feed);

typedef enum holter_change_kind {
    HOLTER_UPSERT = 1,     /**< rows of one series */
    HOLTER_DELETE = 2,     /**< a deletion, or a replaced range, whose rows are told next */
    HOLTER_USER_ADDED = 3, /**< told before anything else of the user */
    /**
     * The user was erased, and everything of him is to go; what was not told yet never will be. Told
     * again, perhaps, when another user is erased.
     */
    HOLTER_USER_REMOVED = 4
} holter_change_kind;

typedef struct holter_deletion {
    uint32_t metric, source;  /**< 0: every one */
    int64_t begin_ns, end_ns; /**< rows that begin in [begin, end) */
    int64_t revision;
} holter_deletion;

/** Borrowed until the feed's next call. */
typedef struct holter_change {
    holter_change_kind kind;
    uint64_t user;
    uint64_t sequence;   /**< of the commit: rises from change to change of a user; 0: of users */
    holter_columns rows; /**< HOLTER_UPSERT: as committed, at most 4,096 */
    holter_deletion deletion; /**< HOLTER_DELETE */
} holter_change;

/**
 * The next change. HOLTER_DONE: all that is committed now was told; call again later for more.
 * Errors   HOLTER_EXPIRED what was to come next is no longer kept; HOLTER_CORRUPT; HOLTER_DENIED;
 *          HOLTER_IO; HOLTER_NO_MEMORY. Then close the feed and open one from the last token.
 * Cost     never waits for a writer, nor does a writer for it.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_feed_next(holter_feed *feed, holter_change *out,
                                                          holter_error *err);
/**
 * A token up to and with the change that was told last: a feed opened with it tells what comes after,
 * and perhaps some changes again. A string of lower-case hexadecimal digits, about 40 for each shard;
 * it holds nothing of users. *token borrowed until the feed's next call.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_feed_token(holter_feed *feed, const char **token,
                                                           holter_error *err);
/**
 * The token of what a snapshot shows: a feed opened with it misses nothing that the snapshot does not
 * show. Users are to be listed after the snapshot was opened. *token borrowed until the snapshot is
 * closed. Errors: HOLTER_IO, HOLTER_CORRUPT, HOLTER_NO_MEMORY.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_snapshot_token(holter_snapshot *snapshot,
                                                               const char **token,
                                                               holter_error *err);

/**
 * A user's deletions with a revision, which hide rows that are still to come, too. *out owned:
 * holter_deletions_free. Errors: those of holter_scan.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_deletions(holter_deletion **out, size_t *count,
                                                          holter_snapshot *snapshot, uint64_t user,
                                                          holter_error *err);
HOLTER_API void holter_deletions_free(holter_deletion *deletions);

#ifdef __cplusplus
}
#endif

#endif
