/*
 * merge.h -- the door of merge: sorted runs of one series in, the rows that stand out.
 *
 * Promise: flush, compaction and reading decide by this one rule which rows stand.
 *
 *   M1  Identity of a row: (time, key) within its series. Of rows with one identity that no
 *       tombstone hides, the greatest (revision, sequence) stands; of equal ones the later of its
 *       run, and of runs the later in merge_spec.runs.
 *   M2  A tombstone hides the rows of its span [begin, end), by begin:
 *         with a revision R (not 0): rows of revision < R, and of revision R with a lower sequence;
 *         without one: every row with a lower sequence.
 *   M3  Hiding comes before choosing: a hidden row hides no other.
 *   M4  A run from a file knows only the range [min, max] of its rows' sequences. Whoever wrote the
 *       file applied every tombstone whose sequence S lies in the range (C3), so here "a lower
 *       sequence" means max < S. Between runs, rows are ordered by max: files of one place have
 *       disjoint ranges (C2).
 *
 * Needs core, codec. Threads: one merge, one thread at a time. Format of tombstones:
 * format-spec/columns.md.
 */
#ifndef MERGE_MERGE_H
#define MERGE_MERGE_H

#include "codec/codec.h"

/* ---- tombstones ------------------------------------------------------------------------------ */

struct tombstone {
    uint32_t metric;    /* 0: every metric of the user (then source is 0 too) */
    uint32_t source;    /* 0: every source */
    int64_t begin, end; /* begin < end */
    int64_t revision;   /* 0: none */
    uint64_t sequence;
};

struct tombstones {
    struct tombstone *at;
    size_t count;
    size_t capacity;
};

void tombstones_init(struct tombstones *t);
void tombstones_release(struct tombstones *t);
bool tombstones_add(struct tombstones *t, const struct tombstone *one); /* false: no memory */
/** Sort by (metric, source, begin, end, revision, sequence), drop equal ones and those that another one
    covers wholly (same or wider metric, source and span, and hides all that this one hides). */
void tombstones_coalesce(struct tombstones *t);
bool tombstone_applies(const struct tombstone *t, uint32_t metric, uint32_t source);
/** M2 for a row with an exact sequence. */
bool tombstone_hides(const struct tombstone *t, int64_t time, int64_t revision, uint64_t sequence);

/**
 * Stored form: count, then each. `sequence_base` is subtracted from the sequences (all are >= it).
 */
void tombstones_encode(struct buffer *out, const struct tombstones *t, uint64_t sequence_base);
/** Appends. Errors: HOLTER_CORRUPT, HOLTER_NO_MEMORY. */
holter_status tombstones_decode(struct tombstones *out, struct reader *r, uint64_t sequence_base);

/* ---- runs ------------------------------------------------------------------------------------ */

/** Blocks ahead: their first and last begin, the first begin of the one after them (INT64_MAX: none). */
struct merge_ahead {
    int64_t first, last, next;
    size_t blocks;
    const void *about; /* the run's; for merge_spec.take_whole */
    void *context;     /* the run's, too */
};

/** What to do with blocks ahead. */
enum merge_verdict {
    MERGE_READ = 0,  /* read the next one */
    MERGE_TAKEN = 1, /* pass over them: what they say suffices */
    MERGE_WAIT = 2,  /* nothing now; ask again at the next call */
};

/**
 * Rows of one series in rising (time, key), in blocks. Within a run an identity may come several
 * times (a memtable's), then with exact sequences.
 */
struct merge_run {
    /**
     * What is known of the next block before it is read, or with `all` of all that are left together, and
     * passing over what was seen last. HOLTER_DONE: there is none; HOLTER_NOT_FOUND: nothing is known
     * of what was asked for. NULL, both: nothing ever is.
     */
    holter_status (*peek)(struct merge_run *run, bool all, struct merge_ahead *out,
                          holter_error *err);
    void (*pass)(struct merge_run *run, bool all);
    /**
     * The next block: *block and rows [*first, *first + *count), count > 0, borrowed until the next
     * call on this run. HOLTER_DONE at the end. Other statuses end the merge.
     */
    holter_status (*read)(struct merge_run *run, const struct columns **block, size_t *first,
                          size_t *count, holter_error *err);
    /**
     * No row of a block that is still to be read begins before the answer; INT64_MAX: there is none.
     * NULL: nothing is known.
     */
    int64_t (*next_begin)(const struct merge_run *run);
    void *context;
    bool is_rising; /* by read: each row of its block begins after the one before; false: perhaps */
    bool is_exact;  /* rows carry their sequence in columns.sequence; else the two below */
    uint64_t sequence_min;
    uint64_t sequence_max; /* orders this run's rows against other runs' */
};

struct merge_spec {
    struct merge_run *runs; /* borrowed until merge_free */
    size_t run_count;
    const struct tombstones
        *tombstones; /* may be NULL; all that could apply, of every file and log; borrowed */
    uint32_t metric;
    uint32_t source;
    struct schema schema;
    int64_t from, to; /* rows outside [from, to), by begin, are left out .. */
    int64_t
        ends_after; /* .. but rows that begin before `from` and end after this stay; INT64_MAX: none */
    /**
     * Asked of blocks before they are read, of which all rows stand, are asked for, and lie between those of
     * other runs. NULL: all are read. Where it says MERGE_WAIT, merge_take is to be used.
     */
    enum merge_verdict (*take_whole)(void *context, const struct merge_ahead *ahead);
    void *take_context;
    size_t lent_least; /* fewer rows than these merge_take copies; 0: some hundreds */
};

struct merge;

/** *out owned: merge_free. Errors: HOLTER_NO_MEMORY. */
holter_status merge_new(struct merge **out, const struct merge_spec *spec, holter_error *err);
void merge_free(struct merge *merge);
/**
 * Append up to rows_max standing rows, rising, to *out (of the same schema). HOLTER_DONE: there
 * were none left. Where one run has rows alone and nothing could hide them, whole stretches are
 * copied.
 */
holter_status merge_next(struct merge *merge, struct columns *out, size_t rows_max,
                         holter_error *err);
/**
 * As merge_next, but the rows lie where *out says: in a block of the one run that has rows there
 * alone, as they were read, or else in *own (of the merge's schema; what was in it goes). Both stay
 * until the merge's next call. 1 .. rows_max rows; or none, where take_whole said MERGE_WAIT: then the
 * next row begins at next_begin.
 */
struct merge_rows {
    const struct columns *columns;
    size_t first, count;
    int64_t next_begin;
};
holter_status merge_take(struct merge *merge, struct merge_rows *out, struct columns *own,
                         size_t rows_max, holter_error *err);
/**
 * Rows that were left out so far: superseded by another of their identity, and hidden by
 * tombstones.
 */
void merge_counts(const struct merge *merge, uint64_t *superseded, uint64_t *hidden);

#endif
