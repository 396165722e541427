/*
 * memtable.h -- the door of memtable: a handle's view of the log that is not flushed yet, by user.
 *
 * Promise: who asks for a user's frames up to a sequence gets each of them once, in order, and a
 * memtable that a snapshot holds loses none. A frame that its own handle committed comes decoded; a
 * frame tailed from the log may be known by its place only, until somebody opens it.
 *
 * Needs core, codec, merge, wal. Threads: one at a time (the shard's mutex), but for the counts and
 * for reading a frame's decoded body, which never changes once set: any thread.
 */
#ifndef MEMTABLE_MEMTABLE_H
#define MEMTABLE_MEMTABLE_H

#include "merge/merge.h"
#include "wal/wal.h"

/** A frame of the log, counted. */
struct memtable_frame {
    uint64_t sequence;
    uint64_t user;
    uint32_t key_generation;
    uint32_t flags;        /* enum wal_frame_flag */
    uint64_t file, offset; /* place in the log */
    uint64_t
        first_sequence; /* of the part: its first linked frame's, else its own; its tombstones' sequence */
    struct wal_body *body; /* decoded; NULL: not opened yet. Owned */
    size_t bytes;          /* memory that it takes, about */
    _Atomic uint32_t references;
};

/** *out counted once. `body` moved (on failure too); may be NULL. */
holter_status memtable_frame_new(struct memtable_frame **out, const struct wal_frame_read *frame,
                                 uint64_t first_sequence, struct wal_body *body, holter_error *err);
struct memtable_frame *memtable_frame_ref(struct memtable_frame *frame);
void memtable_frame_unref(struct memtable_frame *frame);

struct memtable;

holter_status memtable_new(struct memtable **out, holter_error *err); /* counted once */
struct memtable *memtable_ref(struct memtable *memtable);
void memtable_unref(struct memtable *memtable);

/** Add a frame of a higher sequence than all before. Counts it. Errors: HOLTER_NO_MEMORY. */
holter_status memtable_add(struct memtable *memtable, struct memtable_frame *frame,
                           holter_error *err);
/**
 * A new memtable with the frames whose sequence is >= `sequence`; the old one stays as it is for
 * who holds it.
 */
holter_status memtable_after(struct memtable **out, const struct memtable *memtable,
                             uint64_t sequence, holter_error *err);
/** Forget the frames whose sequence is >= `sequence`, which nobody was shown. Never fails. */
void memtable_truncate(struct memtable *memtable, uint64_t sequence);
size_t memtable_bytes(const struct memtable *memtable);
uint64_t memtable_frame_count(const struct memtable *memtable);
/** The lowest sequence of a frame; UINT64_MAX where there is none. */
uint64_t memtable_sequence_first(const struct memtable *memtable);

/** The users with a frame of sequence < `end`, rising. *users owned: free. */
holter_status memtable_users(uint64_t **users, size_t *count, const struct memtable *memtable,
                             uint64_t end, holter_error *err);
/**
 * A user's frames of sequence < `end`, rising, each counted for the caller. *frames owned:
 * memtable_frames_free.
 */
holter_status memtable_user(struct memtable_frame ***frames, size_t *count,
                            const struct memtable *memtable, uint64_t user, uint64_t end,
                            holter_error *err);
void memtable_frames_free(struct memtable_frame **frames, size_t count);

/** The rows of one user in memory, by series, from frames whose bodies are all decoded. */
struct memtable_series {
    uint32_t metric, source;
    struct columns columns; /* sorted, with exact sequences; identities may come several times */
};
struct memtable_rows {
    struct memtable_series *series; /* by (metric, source) */
    size_t series_count;
    struct tombstones tombstones;
};
/**
 * Which rows to gather: metric, source 0 all; rows that begin outside [from, to) may be left out.
 */
struct memtable_filter {
    uint32_t metric, source;
    int64_t from, to;
};
/**
 * Gather. Rows of another schema than the first of their series: HOLTER_CORRUPT. Errors also:
 * HOLTER_NO_MEMORY.
 */
holter_status memtable_rows_gather(struct memtable_rows *out, struct memtable_frame *const *frames,
                                   size_t count, const struct memtable_filter *filter,
                                   holter_error *err);
void memtable_rows_release(struct memtable_rows *rows);

#endif
