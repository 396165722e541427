/*
 * shard_impl.h -- what the files of shard share.
 *
 * Taken in this order: maintenance_mutex (one job within the handle), the lead of the line (one group
 * within the handle), mutex (the handle's view: never held across a commit's sync). The file lock of
 * the same name is taken under the first two, since it excludes handles, not threads.
 */
#ifndef SHARD_SHARD_IMPL_H
#define SHARD_SHARD_IMPL_H

#include <stdatomic.h>

#include "shard/shard.h"

/* One frame of a commit. */
struct write_frame {
    uint64_t user;
    size_t part;                    /* of its commit */
    size_t body_offset, body_bytes; /* in bodies */
    uint32_t flags;                 /* enum wal_frame_flag */
    struct memtable_frame *memory;  /* once it is filled: gets its sequences when it is written */
};

enum write_state {
    WRITE_IDLE,  /* not in the line */
    WRITE_WAITS, /* in the line */
    WRITE_LEADS, /* in the line, or, as it has the lock, out of it: writes for others too */
    WRITE_TAKEN, /* another one writes it */
    WRITE_DONE,
};

/** A commit to one shard: made by its caller, filled in shard_write.c, written in shard_line.c. */
struct shard_write {
    struct shard *shard;
    int64_t deadline_ns; /* of waiting, all told */
    struct buffer bodies;
    struct write_frame *frames;
    size_t frame_count, frame_capacity;
    struct memtable_body filling; /* the last frame */
    size_t log_bytes;             /* that they take in a group */
    struct shard_part *parts; /* the caller's, for what became of them; NULL once nobody waits */
    size_t part_count;

    /* guarded by the line's mutex */
    struct shard_write *next;
    _Atomic(enum write_state) state; /* read without it, too */
    struct io_signal *signal;        /* whose thread waits; NULL: nobody's */
    struct io_signal *own_signal;    /* where it was made for this write alone */
    bool is_alone;                   /* is filled under the lock: nobody else writes it */
    void (*written)(void *context, holter_status status); /* where nobody waits */
    void *context;
    holter_error error; /* once it is done */

    /* while it leads */
    bool has_lock;
    bool is_untouched;         /* what is behind `place`, as was published with it */
    struct wal_place place;    /* before the group at hand; after it, once that ended well */
    struct shard_write *round; /* whose frames are in it, in order */
    struct wal_frame *wal_frames;
    struct wal_write *wal_write;
    int64_t sealed_ns;
};

/** Who wants to append: the first one with a thread leads, and takes others along. */
struct shard_line {
    struct io_mutex *mutex; /* guards all of it; held for a moment */
    struct shard_write *first, *last;
    size_t count;
    bool is_led;
    size_t round_count; /* threads of the last round, and the time of its sync */
    int64_t round_ns;
    size_t wanted; /* 0, or as many in line set is_full */
    struct io_signal *is_full;
};

enum { SHARD_SEGMENTS_CACHED = 48, SHARD_QUEUE_DEPTH = 64, SHARD_OUTLINE_BYTES_DEFAULT = 4 << 20 };

struct shard_segment_entry {
    struct segment *segment;
    uint8_t id[MANIFEST_ID_BYTES];
    uint32_t references;
    uint64_t used; /* a count that rises with each use */
};

struct shard {
    struct shard_spec spec; /* directory: own copy */
    char *directory;
    struct io_file *lock_file;
    struct head *head;      /* NULL: reading only, and there is none */
    uint64_t appender;      /* random; names this handle in the head page */
    struct io_process self; /* as others see it */

    struct io_mutex *maintenance_mutex;
    struct io_queue *job_queue; /* its holder's */
    struct {
        int64_t since_ns;     /* it began, or had its last rest */
        uint64_t commits;     /* to the store, as counted then */
        int64_t committed_ns; /* when they were last seen to have become more */
        bool is_urgent;       /* commits wait for it: it does not rest */
    } job_work;               /* its holder's */

    struct shard_line line; /* who leads it guards these: */
    struct io_queue *append_queue;
    struct wal *append_wal;
    bool has_appended; /* since the last mark */

    struct {                        /* files for the log to go on in (wal.h); whoever takes one out owns it */
        _Atomic(struct io_file *) made; /* NULL: none */
        _Atomic uint64_t wanted;        /* bytes; 0: none, or it is being made */
        _Atomic uint64_t drops;         /* how often it was said that none is needed */
    } spare;

    struct io_mutex *mutex; /* guards all that follows */
    struct io_queue *queue;
    struct manifest *manifest;
    struct wal *wal; /* for reading */
    struct memtable *memtable;
    struct wal_place tail; /* the log is read up to here */
    struct {
        uint64_t first, last, bytes;
    } log_files; /* with numbers in [first, last), as counted last */
    struct shard_segment_entry segments[SHARD_SEGMENTS_CACHED];
    size_t segment_count;
    uint64_t segment_uses;

    struct shard_outlines *outlines; /* with a mutex of its own, taken after all others */
};

struct shard_snapshot {
    struct shard *shard;
    struct manifest_version *version; /* pinned */
    struct memtable *memtable;        /* counted */
    struct wal_place end;
};

/* shard_lock.c */
int64_t shard_deadline(struct shard *shard);
holter_status shard_take(struct shard *shard, int lock, int64_t deadline_ns, holter_error *err);
void shard_give(struct shard *shard, int lock);
/** Write into the lock file that this process holds it, for messages of those who wait. */
void shard_name_holder(struct shard *shard, int lock);

/**
 * The head page; none where it is missing and nothing may be written: then each refresh looks for
 * it again, as the first writer makes it.
 */
holter_status shard_open_head(struct shard *shard, holter_error *err);

/* shard_tail.c: under the mutex */
/**
 * Whoever opens the head page looks whether it is an old one that was put back (D6): the log goes on
 * beyond its end, or the end's file is gone. A writer then wipes its facts, a reader does without the page.
 */
holter_status shard_check_head(struct shard *shard, holter_error *err);
/** What appenders publish. */
struct shard_end {
    struct wal_place place; /* up to which the log is durable */
    uint64_t appender;
    bool is_untouched; /* from there on: wal_is_untouched */
};
/** False: none in this boot. */
bool shard_published_end(struct shard_end *end, struct shard *shard);
void shard_publish_end(struct shard *shard, const struct wal_place *place, bool is_untouched);
/**
 * The snapshot's end comes nearer, as far as the log is read at once into half of the shard's memory: at least the next
 * part, and never into the middle of one. Not under the mutex.
 */
holter_status shard_snapshot_shorten(struct shard_snapshot *snapshot, holter_error *err);
/**
 * Take in what was flushed and what was appended since, under a pin that the caller gets.
 * `is_appending`: the append mutex and lock are held; recovers where the head page says nothing. A writable
 * handle that does not hold them gets HOLTER_DONE then: shard_find_end, and again.
 */
holter_status shard_refresh(struct shard *shard, bool is_appending,
                            struct manifest_version **version, holter_error *err);
/**
 * The append lock is held: where the log ends, recovered where the head page says nothing. What others
 * appended is left for whoever asks for rows.
 */
holter_status shard_append_end(struct shard_end *end, struct shard *shard, holter_error *err);
/** Take the append lock, so that the log's end is found and published. Without the mutex. */
holter_status shard_find_end(struct shard *shard, holter_error *err);
/** Leave out of the memtable what the version holds in files. */
holter_status shard_drop_flushed(struct shard *shard, const struct manifest_version *version,
                                 holter_error *err);
/** .. what others put into files since; or, where that cannot be told now, nothing. */
void shard_drop_flushed_by_others(struct shard *shard);
/**
 * A frame's body. `plain` is what it is opened in: the caller wipes it. *out: wal_body_release; empty on failure.
 */
holter_status shard_frame_open(struct wal_body *out, struct shard *shard, struct wal *wal,
                               const struct wal_frame_read *frame, const struct crypto_key *key,
                               struct buffer *plain, holter_error *err);
/**
 * Put open frames in the place of those that are known by their place in the log only; in `memtable`
 * as well, as far as its memory goes. Where the user is erased, some may stay as they are.
 */
holter_status shard_open_frames(struct shard *shard, struct memtable *memtable,
                                struct memtable_frame **frames, size_t count, bool *is_erased,
                                holter_error *err);

/* shard_write.c */
/** Not in the line. NULL does nothing. */
void shard_write_free(struct shard_write *write);

/* shard_line.c */
holter_status shard_line_init(struct shard_line *line, struct io *io, holter_error *err);
/** Nobody is in it any more, but for buffered writes, which are dropped. */
void shard_line_release(struct shard_line *line);
/** Write what was put, and what else is in line, after all of it was taken: seals it. */
holter_status shard_write_seal(struct shard_write *write, holter_error *err);
/** End a write with a mark instead of frames: *place is the log's end after it. */
holter_status shard_write_mark(struct shard_write *write, struct wal_place *place);
/**
 * Go on in a small file (wal_rest), so that those before it can go, where no frame came since `sequence`
 * and nobody appends now: true, *place is the log's end. Else, or where it rests or this fails, the log stays
 * as it is.
 */
bool shard_rest_log(struct wal_place *place, struct shard *shard, uint64_t sequence);

/* shard_snapshot.c: under the mutex */
holter_status shard_snapshot_make(struct shard_snapshot **out, struct shard *shard,
                                  bool is_appending, holter_error *err);
void shard_snapshot_drop(struct shard_snapshot *snapshot);
holter_status shard_segment_open(struct segment **out, struct shard *shard,
                                 const struct manifest_file *file, holter_error *err);
void shard_segment_give(struct shard *shard, struct segment *segment);
struct segment_spec shard_segment_spec(struct shard *shard);
/** Close the segments that nobody uses and the current version does not name. */
void shard_segments_forget(struct shard *shard);

/* shard.c */
/** *out owned: wal_close. */
holter_status shard_wal_open(struct wal **out, struct shard *shard, bool reads_kept,
                             holter_error *err);

/* shard_outlines.c */
/** *out owned: shard_outlines_free. Errors: HOLTER_NO_MEMORY. */
holter_status shard_outlines_new(struct shard_outlines **out, struct io *io, uint64_t bytes_max,
                                 holter_error *err);
void shard_outlines_free(struct shard_outlines *outlines);

/* shard_flush.c */
/** Take the maintenance mutex and lock; wait or HOLTER_BUSY at once. */
holter_status shard_maintenance_begin(struct shard *shard, bool wait, holter_error *err);
void shard_maintenance_end(struct shard *shard);

/* shard_maintain.c */
/** Microseconds since then. */
void shard_measure_time(const struct shard *shard, enum head_histogram histogram, int64_t begin_ns);
/** Memory of rows that are not flushed, from which on a flush is due. */
uint64_t shard_memory_limit(const struct shard *shard);
/* the maintenance lock is held */
/** Between two pieces of a job's work; context: the shard. It sleeps for a moment now and then where others commit. */
void shard_give_way(void *context);
holter_status shard_sweep(struct shard *shard, holter_error *err);

#endif
