/*
 * shard_impl.h -- what the files of shard share.
 *
 * Ranks, taken upwards: maintenance mutex, shard mutex, then the file locks append, maintenance. A thread that holds the
 * shard mutex takes the append lock; the maintenance lock is taken under the maintenance mutex, before the
 * shard mutex.
 */
#ifndef SHARD_SHARD_IMPL_H
#define SHARD_SHARD_IMPL_H

#include "shard/shard.h"

enum { SHARD_SEGMENTS_CACHED = 48, SHARD_QUEUE_DEPTH = 64 };

struct shard_segment_entry {
    struct segment *segment;
    uint8_t id[MANIFEST_ID_BYTES];
    uint32_t references;
    uint64_t used; /* a count that rises with each use */
};

struct shard {
    struct shard_spec spec;      /* directory: own copy */
    char *directory;
    struct io_mutex *maintenance_mutex; /* one job at a time within the handle */
    struct io_mutex *mutex;      /* guards all that follows */
    struct io_file *lock_file;
    struct head *head;           /* NULL: reading only, and there is none */
    struct manifest *manifest;
    struct wal *wal;
    struct io_queue *queue;
    struct io_queue *job_queue;  /* of the maintenance mutex's holder */
    struct memtable *memtable;   /* frames from memtable_from up to tail.sequence */
    struct wal_place tail;       /* the log is read up to here */
    uint64_t log_bytes;          /* passed by the tail since the last flush */
    uint64_t appender;           /* random; names this handle in the head page */
    bool has_appended;
    bool must_check_tail;        /* an append failed, or another handle's may have: look before the next one */
    bool named_append, named_maintenance; /* the lock file's slots name this handle */
    struct shard_segment_entry segments[SHARD_SEGMENTS_CACHED];
    size_t segment_count;
    uint64_t segment_uses;
    struct shard_write *write;   /* the one write object; in use between begin and end */
};

struct shard_snapshot {
    struct shard *shard;
    struct manifest_version *version; /* pinned */
    struct memtable *memtable;        /* counted */
    uint64_t end;
};

/* shard_lock.c */
int64_t shard_deadline(struct shard *shard);
holter_status shard_take(struct shard *shard, int lock, int64_t deadline_ns, holter_error *err);
void shard_give(struct shard *shard, int lock);

/* shard_tail.c: under the mutex */
/** The published end of the log. False: none in this boot. */
bool shard_published_end(struct shard *shard, struct wal_place *end, uint64_t *appender);
void shard_publish_end(struct shard *shard, const struct wal_place *end);
/**
 * Take in what was flushed and what was appended since, under a pin that the caller gets (version pinned), or, with
 * version NULL, that lasts for the call. `is_appending`: the append lock is held; recovers where there is no head page.
 */
holter_status shard_refresh(struct shard *shard, bool is_appending, struct manifest_version **version,
                            holter_error *err);
/** Decode the bodies of these frames, where they are not. Frames of erased users are left without. */
holter_status shard_decode(struct shard *shard, struct memtable_frame **frames, size_t count,
                           bool *is_erased, holter_error *err);

/* shard_snapshot.c: under the mutex */
holter_status shard_snapshot_make(struct shard_snapshot **out, struct shard *shard, bool is_appending,
                                  holter_error *err);
void shard_snapshot_drop(struct shard_snapshot *snapshot);
holter_status shard_segment_open(struct segment **out, struct shard *shard, const struct manifest_file *file,
                                 holter_error *err);
void shard_segment_give(struct shard *shard, struct segment *segment);
struct segment_spec shard_segment_spec(const struct shard *shard);

/* shard_flush.c */
/** Take the maintenance mutex and lock; wait or HOLTER_BUSY at once. */
holter_status shard_maintenance_begin(struct shard *shard, bool wait, holter_error *err);
void shard_maintenance_end(struct shard *shard);

#endif
