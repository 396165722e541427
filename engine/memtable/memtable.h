/*
 * memtable.h -- the door of memtable: a handle's view of the log that is not flushed yet, by user.
 *
 * Promise: who asks for a user's frames up to a sequence gets each of them once, in order, and a
 * memtable that a snapshot holds loses none. A frame that its own handle committed has its body, as the log has
 * it but not sealed: some bytes a row, decoded by whoever reads it. A frame tailed from the log is there as it
 * was sealed, or known by its place only, until somebody opens it.
 *
 * Needs core, codec, merge, wal. Threads: one at a time (the shard's mutex), but for the counts and
 * for reading a frame's body, which never changes: any thread.
 */
#ifndef MEMTABLE_MEMTABLE_H
#define MEMTABLE_MEMTABLE_H

#include "merge/merge.h"
#include "wal/wal.h"

/** Rows of one series in a frame's body. */
struct memtable_part {
    uint32_t metric, source;
    int64_t begin, last; /* of the first row and the last one */
    int64_t end_max;     /* the greatest end; instants: `last` */
    uint32_t rows;
    uint32_t offset; /* in the body, where wal_body_next finds it */
};

/** A body that is made or was opened. */
struct memtable_body {
    const uint8_t *bytes; /* as wal_body_open reads them; borrowed */
    size_t count;
    bool has_deletions;
    struct memtable_part *parts; /* owned */
    size_t part_count, part_capacity;
    size_t decoded_bytes; /* memory of its rows once they are read */
};
void memtable_body_clear(struct memtable_body *body);
void memtable_body_release(struct memtable_body *body);
/**
 * Rows [first, first + count) of a series, which are sorted, are the body's next part, `offset` bytes from its begin.
 * False: no memory.
 */
bool memtable_body_add(struct memtable_body *body, size_t offset, const struct wal_part *rows,
                       size_t first, size_t count);
/** All of a body that was opened: `bytes`, and what they say. False: no memory. */
bool memtable_body_take(struct memtable_body *body, const uint8_t *bytes, size_t count,
                        const struct wal_body *decoded);

/** A frame of the log, counted. */
struct memtable_frame {
    uint64_t sequence;
    uint64_t user;
    uint32_t key_generation;
    uint32_t flags;        /* enum wal_frame_flag */
    uint64_t file, offset; /* place in the log */
    uint64_t
        first_sequence; /* of the part: its first linked frame's, else its own; its tombstones' sequence */
    int64_t begin_min,
        begin_max; /* of its rows; anything, where it has deletions or is not opened */
    size_t bytes;  /* memory that it takes where it is read, about */
    _Atomic uint32_t references;
    bool is_open;          /* has its body */
    const uint8_t *sealed; /* not opened: as wal_frame_open reads it, .. */
    size_t sealed_bytes;
    uint8_t log_id[16]; /* .. of this file; NULL: known by its place only */
    bool has_deletions;
    const struct memtable_part *parts; /* in one allocation with the frame, as the body */
    size_t part_count;
    const uint8_t *body;
    size_t body_bytes;
};

/** *out counted once, with its body. `body` copied. */
holter_status memtable_frame_new(struct memtable_frame **out, const struct wal_frame_read *frame,
                                 uint64_t first_sequence, const struct memtable_body *body,
                                 holter_error *err);
/** Not opened. `has_sealed`: with a copy of what was read, so that the log need not be read again. */
holter_status memtable_frame_new_tailed(struct memtable_frame **out,
                                        const struct wal_frame_read *frame, uint64_t first_sequence,
                                        bool has_sealed, holter_error *err);
/** Of a frame with `sealed`; borrowed. */
struct wal_frame_read memtable_frame_sealed(const struct memtable_frame *frame);
/** Before it is in any memtable: its sequences become known. */
void memtable_frame_place(struct memtable_frame *frame, uint64_t sequence, uint64_t first_sequence,
                          uint32_t flags);
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
/**
 * An opened frame takes the place of the one of its sequence that is there without a body, if there is
 * one. Never fails.
 */
void memtable_keep(struct memtable *memtable, struct memtable_frame *frame);
/** Forget the frames whose sequence is >= `sequence`, which nobody was shown. Never fails. */
void memtable_truncate(struct memtable *memtable, uint64_t sequence);
size_t memtable_bytes(const struct memtable *memtable);
/** No frame is known by its place only. */
bool memtable_is_whole(const struct memtable *memtable);
uint64_t memtable_frame_count(const struct memtable *memtable);
/** The lowest sequence of a frame; UINT64_MAX where there is none. */
uint64_t memtable_sequence_first(const struct memtable *memtable);

/** The users with a frame of sequence < `end`, rising. *users owned: free. */
holter_status memtable_users(uint64_t **users, size_t *count, const struct memtable *memtable,
                             uint64_t end, holter_error *err);
/**
 * Which rows are wanted: metric, source 0 all; rows that begin outside [from, to) may be left out.
 * Deletions pass every filter.
 */
struct memtable_filter {
    uint32_t metric, source;
    int64_t from, to;
};
/**
 * A user's frames of sequences [begin, end), rising, each counted for the caller; without those that
 * are known to have nothing in [filter.from, filter.to) and no deletions. *frames owned:
 * memtable_frames_free.
 * Cost: where frames are open, by those that are given, and a look at each 32 of the others.
 */
holter_status memtable_user(struct memtable_frame ***frames, size_t *count,
                            const struct memtable *memtable, uint64_t user, uint64_t begin,
                            uint64_t end, const struct memtable_filter *filter, holter_error *err);
void memtable_frames_free(struct memtable_frame **frames, size_t count);

/* ---- rows of one user, by series ------------------------------------------------------------- */

/** A part of a frame, which is decoded once a run comes to it. */
struct memtable_stretch {
    const struct memtable_frame *frame;
    const struct memtable_part *part;
    size_t place; /* among those of the series, as they were committed */
};
struct memtable_series {
    uint32_t metric, source;
    struct schema schema;
    struct memtable_stretch *stretches; /* rising by their first row's begin */
    size_t stretch_count, stretch_capacity;
    size_t row_count; /* of its stretches: identities may come several times */
    int64_t begin_max;
};
/** Where the rows lie: nothing is decoded. */
struct memtable_rows {
    struct memtable_series *series; /* by (metric, source) */
    size_t series_count;
    struct tombstones tombstones;
    struct memtable_frame **frames; /* which have them */
    size_t frame_count;
};
/**
 * Gather from frames that are all open: parts of which some rows may be asked for. `frames` moved, on failure too.
 * Errors: HOLTER_NO_MEMORY; HOLTER_CORRUPT a body is not well formed.
 * Cost: by frames, not by their rows.
 */
holter_status memtable_rows_gather(struct memtable_rows *out, struct memtable_frame **frames,
                                   size_t count, const struct memtable_filter *filter,
                                   holter_error *err);
void memtable_rows_release(struct memtable_rows *rows);
/**
 * Append a stretch's rows to columns of its series' schema. Errors: HOLTER_CORRUPT the body is not well formed, or has
 * another schema; HOLTER_NO_MEMORY.
 */
holter_status memtable_stretch_read(struct columns *out, const struct memtable_stretch *stretch,
                                    holter_error *err);
/**
 * *reach: the least begin of those rows that begin before `from` and last beyond it; `from` where there are
 * none. Errors as memtable_stretch_read. Cost: decodes stretches of intervals that have such rows.
 */
holter_status memtable_series_reach(int64_t *reach, const struct memtable_series *series,
                                    int64_t from, holter_error *err);

/**
 * A series' rows that begin at `from` or later, in order, for a merge; perhaps some of the same stretches before it.
 * Stretches that follow one another in time are decoded together, some thousands of rows at a time, and lent as far as no
 * other one begins; where they overlap, as many are copied together and sorted. `series` borrowed
 * until memtable_run_close. *out owned. Errors as memtable_stretch_read, of reading too.
 */
struct memtable_run;
holter_status memtable_run_open(struct memtable_run **out, const struct memtable_series *series,
                                int64_t from, holter_error *err);
void memtable_run_close(struct memtable_run *run);
/** Fill in a merge_run, with exact sequences, that reads from `run`. */
void memtable_run_merge(struct memtable_run *run, struct merge_run *merge);

#endif
