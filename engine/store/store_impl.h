/*
 * store_impl.h -- what the files of store share.
 */
#ifndef STORE_STORE_IMPL_H
#define STORE_STORE_IMPL_H

#include <stdatomic.h>

#include "catalog/catalog.h"
#include "query/query.h"
#include "store/store.h"
#include "zone/zone.h"

enum { STORE_ARENA_SLOTS = VAULT_KEYS_OPEN + 3072, STORE_IDENTITY_BYTES = 1024 };
/** The store's head page: one pair. */
enum { STORE_HEAD_PAIR = 0, STORE_HEAD_VAULT = 0, STORE_HEAD_CATALOG = 1 };

/** A region's shards, opened as they are needed. */
struct store_region {
    uint16_t number;
    uint16_t shard_count;
    char *name;            /* owned; stays where it is */
    struct shard **shards; /* NULL: not opened yet */
};

/**
 * A metric as callers see it; kept until the store is closed, also when labels were added since.
 */
struct store_metric {
    struct store_metric *next;
    struct catalog_metric metric;
    char **labels[SCHEMA_FIELDS_MAX]; /* own copies; metric and view point to them */
    holter_metric view;
};

/** A thread of the handle's own, started when it is first told to work. */
struct store_worker {
    holter_store *store;
    void (*work)(holter_store *store);
    struct io_signal *signal;
    struct io_thread *thread; /* guarded by buffered.mutex, as is the next */
    bool is_refused;          /* there are no threads here */
    atomic_bool is_told, stops;
};

enum { STORE_LOST_MAX = 256 };

/** Buffered commits: store_worker.c. Its mutex is taken after all others. */
struct store_buffered {
    struct io_mutex *mutex; /* guards all that follows */
    uint64_t accepted, durable;
    struct buffered_commit *first, *last; /* those that are not durable, in order */
    size_t bytes, bytes_max;
    size_t writes_left; /* of all of them */
    struct {
        uint64_t number;
        holter_status why;
    } lost[STORE_LOST_MAX];         /* those that lost a part, the last ones: lost_count % STORE_LOST_MAX is next */
    uint64_t lost_count, lost_told; /* ever; and as of the last holter_sync */
    uint64_t tries;                 /* of the thread to write them, begun so far */
    struct buffered_wait *waits;    /* by rising number */
    /* The thread's own; opened by its first try. */
    struct io_queue *queue;
    struct io_signal *signal;
};

struct holter_store {
    struct io *io;
    bool owns_io;
    holter_error why_posix; /* its sentence is empty where io_uring was there, or not asked for */
    char *path;
    uint8_t id[16];
    bool is_sealed, is_writable;
    bool flushes_by_itself;
    uint64_t memory_bytes_max, log_bytes_flush, log_file_bytes;
    int64_t lock_wait_ns;
    struct crypto_arena *arena;
    struct keyring *keyring;
    struct io_file *lock_file;
    struct head *head;     /* NULL: reading only, and there is none */
    atomic_bool is_forked; /* this is a child's copy of its parent's handle */
    atomic_int calls;      /* under way */
    struct store_worker flusher, syncer, preparer;
    struct store_buffered buffered;

    struct io_mutex *mutex; /* guards all that follows */
    struct vault *vault;
    uint64_t vault_sweeps; /* as of when the shards forgot what they kept of users that are gone */
    struct catalog *catalog;
    struct head_stamp followed; /* of the page that both were brought up to last */
    bool has_followed;
    struct store_metric *metrics;
    struct store_region *regions;
    size_t region_count, region_capacity;
};

/** Of a region, where no number is asked for, one for each processor: at least and at most; and at most of all. */
enum { STORE_SHARDS_DEFAULT_LEAST = 2, STORE_SHARDS_DEFAULT_MOST = 4, STORE_SHARDS_MAX = 256 };

/* store.c */
/** Begin a call: HOLTER_INVALID in a forked child. Pair with store_leave. */
holter_status store_enter(holter_store *store, holter_error *err);
void store_leave(holter_store *store);
/** What later versions will use is zero now. Errors: HOLTER_INVALID. */
holter_status store_check_reserved(const uint64_t *reserved, size_t words, holter_error *err);
/** A path of its parts; c may be NULL. Errors: HOLTER_INVALID it is too long. */
holter_status store_join(char out[static IO_PATH_BYTES_MAX], const char *a, const char *b,
                         const char *c, holter_error *err);
/** Where the keyring is: as asked for, or beside the store. */
holter_status store_keyring_path(char out[static IO_PATH_BYTES_MAX], const char *store_path,
                                 const char *asked, holter_error *err);

/* store_follow.c */
/**
 * Take in what others changed of vault and catalog. Under the mutex. Cost: loads of shared memory.
 */
holter_status store_follow(holter_store *store, holter_error *err);
/** The handle is still the store's (D7): once in each call. Without the mutex, too. Cost: a system call. */
holter_status store_check_linked(const holter_store *store, holter_error *err);
/** Both. */
holter_status store_refresh(holter_store *store, holter_error *err);
/** A call that looks something up: entered, under the mutex and refreshed, or not at all. */
holter_status store_read_begin(holter_store *store, holter_error *err);
void store_read_end(holter_store *store);
/** Take mutex and store lock, refresh for writing; end publishes. */
holter_status store_change_begin(holter_store *store, holter_error *err);
void store_change_end(holter_store *store);
/** Vault, catalog and regions of a handle that has all but these. */
holter_status store_vault_open(holter_store *store, holter_error *err);

/* store_users.c */
/** Under the mutex. Errors: HOLTER_NOT_FOUND; HOLTER_EXPIRED the user is erased. */
holter_status store_living_user(struct vault_user *out, holter_store *store, uint64_t user,
                                holter_error *err);

/* store_regions.c */
/**
 * The shard of a region, opened. Under the mutex, which is left meanwhile. Errors: those of
 * shard_open.
 */
holter_status store_shard(struct shard **out, holter_store *store, uint16_t region, uint16_t index,
                          holter_error *err);
/** Bring store->regions up to the catalog. Under the mutex. */
holter_status store_regions_sync(holter_store *store, holter_error *err);
/**
 * The user's shard, opened. Under the mutex, which is left meanwhile. Errors: HOLTER_NOT_FOUND; HOLTER_EXPIRED the user
 * is erased; those of store_follow and shard_open.
 */
holter_status store_user_shard(struct shard **out, holter_store *store, uint64_t user,
                               holter_error *err);
/** A region's directory lies beside files whose names could be a region's. Errors: HOLTER_INVALID. */
holter_status store_region_name_check(const char *name, holter_error *err);
/** As many shards as asked for, or for 0 what is the default. */
uint32_t store_shards_wanted(struct io *io, uint32_t shards);
/** The directories of a region's shards, synced. What an attempt that did not end has left is used. */
holter_status store_shards_create(struct io *io, const char *path,
                                  const uint8_t store_id[static 16], bool is_sealed,
                                  const char *region, uint16_t number, uint32_t shards,
                                  holter_error *err);
uint8_t store_class_of(void *context, uint32_t metric);
/** As shard_spec.keep: each shard has the same part of what the catalog says. */
struct manifest_keep store_keep(void *context);
holter_status store_key_get(void *context, uint64_t user, uint32_t generation,
                            const struct crypto_key **key, uint32_t *newest, holter_error *err);
void store_key_put(void *context, const struct crypto_key *key);

/* store_metrics.c */
/** As holter_metric_by_number, in a call that has refreshed: nothing newer is looked for. Takes the mutex. */
holter_status store_metric_by_number(holter_store *store, uint32_t number, holter_metric *out,
                                     holter_error *err);
/* under the mutex */
holter_status store_metric_view(const holter_metric **out, holter_store *store,
                                const struct catalog_metric *metric, holter_error *err);
void store_metrics_free(holter_store *store);

/* store_write.c */
/** A write to one shard, made and put by its caller. */
struct store_write {
    struct shard *shard;
    struct shard_write *write; /* NULL: it was not made, or is gone */
    bool is_sealed;            /* by shard_write_begin, it has the lock; else it gets in line */
    bool leads;
    struct io_op *ops; /* in flight: so many are not done */
    size_t op_count, ops_left;
    bool has_ended; /* out: its parts tell what became of them; else it left the line */
    size_t user_first, user_count; /* of a commit */
};
struct store_writes {
    holter_store *store;
    struct store_write *at; /* by rising place */
    size_t count;
    struct io_queue *queue;
    struct io_signal *signal;
    holter_status status; /* out: the first failure, with its sentence in *err */
    holter_error *err;
};
/** Write all of them, or wait until others did. Frees the writes. */
void store_writes_end(struct store_writes *all);

/* store_worker.c */
holter_status store_worker_init(struct store_worker *worker, holter_store *store,
                                void (*work)(holter_store *store), holter_error *err);
/** It will work, soon and once at least. False: there are no threads here. */
bool store_worker_tell(struct store_worker *worker);
/** Waits for them. */
void store_workers_stop(holter_store *store);
/** Of the threads: flush the shards that are due; make buffered commits durable, until none waits; make log files ahead. */
void store_flush_due(holter_store *store);
void store_sync_buffered(holter_store *store);
void store_make_spares(holter_store *store);
/** The disk is full: what was made ahead goes. True: something did. */
bool store_drop_spares(holter_store *store);
/**
 * A buffered commit gets so many writes more, which each end with store_buffered_written; it begins with the first ones
 * (*commit NULL), and is whole, and may become durable, once store_buffered_end was called. Errors: HOLTER_BUSY too many
 * bytes wait; HOLTER_NO_MEMORY.
 */
holter_status store_buffered_add(struct buffered_commit **commit, holter_store *store, size_t bytes,
                                 size_t writes, holter_error *err);
/** Its number. The commit may be gone then. */
uint64_t store_buffered_end(struct buffered_commit *commit);
void store_buffered_written(void *commit, holter_status status);
void store_buffered_release(struct store_buffered *all);

/* store_identity.c */
struct store_identity {
    uint8_t id[16];
    bool is_sealed;
    int64_t made_ns;
};
holter_status store_identity_write(struct io *io, const char *path,
                                   const struct store_identity *identity, holter_error *err);
/** *damaged_copies: 0 or 1 of the two. */
holter_status store_identity_read(struct store_identity *out, unsigned *damaged_copies,
                                  struct io *io, const char *store_path, holter_error *err);

/* store_zone.c */
/** What is inside; NULL, which is UTC, for NULL. */
const struct zone *store_zone_of(const holter_zone *zone);

/* store_query.c */
holter_store *store_of_snapshot(holter_snapshot *snapshot);
/**
 * The user's shard in the snapshot; NULL: a user of a region that is newer than the snapshot has
 * nothing in it. Errors: those of store_user_shard.
 */
holter_status store_snapshot_of_user(struct shard_snapshot **out, holter_snapshot *snapshot,
                                     uint64_t user, holter_error *err);

/** out->filters, as a caller asks for them of a metric. Errors: HOLTER_INVALID. */
holter_status store_filters_take(struct query_spec *out, const holter_filter *filters, size_t count,
                                 const holter_metric *metric, holter_error *err);

/**
 * Rows [first, first + count), QUERY_ROWS_MAX at most, as callers see them: borrowed from `columns` and
 * texts[HOLTER_FIELDS_MAX], each made where it is needed, owned by the caller.
 */
holter_status store_columns_show(holter_columns *out, struct holter_text **texts, uint64_t user,
                                 uint32_t metric, uint32_t source, const struct columns *columns,
                                 size_t first, size_t count, holter_error *err);

/* store_token.c */
/** Up to where a receiver was told all changes: format-spec/feed.md. */
struct store_token {
    uint8_t store_id[16];
    uint64_t users;              /* of the vault's, in the order they were added */
    uint64_t erased_users;       /* how many there were */
    struct wal_bookmark *shards; /* region after region; owned */
    size_t shard_count;
};
/** Room for the shards. Errors: HOLTER_NO_MEMORY. */
holter_status store_token_init(struct store_token *token, size_t shard_count, holter_error *err);
void store_token_release(struct store_token *token);
/** *out owned: free. Errors: HOLTER_NO_MEMORY. */
holter_status store_token_encode(char **out, const struct store_token *token, holter_error *err);
/** Errors: HOLTER_INVALID it is none; HOLTER_UNSUPPORTED; HOLTER_NO_MEMORY. *out: store_token_release. */
holter_status store_token_decode(struct store_token *out, const char *text, holter_error *err);

/* store_batch.c */
struct batch_series {
    uint64_t user;
    uint32_t metric, source;
    const holter_metric *view;
    struct columns columns; /* .sequence: the index that the row was given */
};

struct batch_tombstone {
    uint64_t user;
    struct wal_tombstone tombstone;
};

struct holter_batch {
    holter_store *store;
    bool refuses_implausible, is_exact, is_buffered;
    uint64_t accepted; /* the number of its last buffered commit; 0: none */
    int64_t revision;
    size_t row_text_bytes_max;
    struct io_queue *queue;
    struct io_signal *signal; /* of its writes' turns */
    struct batch_series *series;
    size_t series_count, series_capacity;
    size_t series_last; /* the one that the last row went to */
    uint32_t *slots;    /* hash of (user, metric, source) to 1 + index of series; a power of two */
    size_t slot_count;
    struct batch_tombstone *tombstones;
    size_t tombstone_count, tombstone_capacity;
    holter_row_answer *answers;
    size_t row_count, answer_capacity;
};
/** Remove the series and tombstones of users for which `is_stored` says so. */
void batch_drop(holter_batch *batch, bool (*is_stored)(void *context, uint64_t user),
                void *context);

#endif
