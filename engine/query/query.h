/*
 * query.h -- the door of query: a snapshot in; samples and windows of them out.
 *
 * Promise: a scan gives every row of a user that stands in the snapshot (M1-M3), each once, and
 * fails rather than give fewer. Windows are of these rows, and of all of them. Needs the rooms
 * below. Threads: a scan or an aggregate, one thread at a time; many
 * scans at once over one snapshot.
 */
#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include "holter/aggregate.h"
#include "shard/shard.h"
#include "zone/zone.h"

enum { QUERY_ROWS_MAX = 4096 };

/** Rows are asked for whose field lies in [min, max]: words as in columns, of floats their bits. No text. */
struct query_filter {
    uint8_t field, type;
    int64_t min, max;
};

struct query_spec {
    uint64_t user;
    uint32_t metric, source; /* 0: all */
    int64_t from, to;        /* rows that begin in [from, to) .. */
    bool overlapping;        /* .. and intervals that begin before and end after `from` */
    uint8_t (*class_of)(
        void *context,
        uint32_t metric); /* as in shard_spec, with its class_context; NULL: ask all files */
    /**
     * Asked of a block, from its header, or of `blocks` of a series told as one, or of a half hour, of which all rows stand, are
     * asked for, and are alone. NULL: all are read.
     */
    enum merge_verdict (*take_block)(void *context, const struct segment_block *block,
                                     size_t blocks);
    /** The same of one block, of whose rows filters let some through, no row flagged: `run` can fold it. */
    enum merge_verdict (*take_part)(void *context, const struct segment_block *block,
                                    struct segment_run *run);
    void *take_context;
    bool
        by_half_hours; /* of series that have a rollup, its half hours in the place of blocks (`blocks` 0) */
    struct query_filter filters[SCHEMA_FIELDS_MAX]; /* rows that pass all of them; of one metric */
    size_t filter_count;
};

struct query_scan;

/**
 * *out owned: query_scan_close; the snapshot stays open meanwhile. An erased user: HOLTER_EXPIRED.
 * A user without rows is no error. Errors also: HOLTER_CORRUPT, HOLTER_IO, HOLTER_NO_MEMORY,
 * HOLTER_DENIED.
 * Cost     opens the user's index in each file whose users and times reach into the spec, not the
 *          blocks.
 */
holter_status query_scan_open(struct query_scan **out, struct shard_snapshot *snapshot,
                              const struct query_spec *spec, holter_error *err);
void query_scan_close(struct query_scan *scan);
/**
 * The next rows, all of one series, rising by (time, key); series rise by (metric, source).
 * *columns is borrowed until the next call, 1 .. QUERY_ROWS_MAX rows. HOLTER_DONE at the end. HOLTER_CORRUPT also: a filter is
 * of another type than the series' field. No rows, where
 * take_block or take_part said MERGE_WAIT: the next one begins at query_scan_next_begin.
 */
holter_status query_scan_next(struct query_scan *scan, uint32_t *metric, uint32_t *source,
                              const struct columns **columns, holter_error *err);
int64_t query_scan_next_begin(const struct query_scan *scan);
/** What the scan, of which nothing was asked yet, would go through. *series owned: free. */
struct query_series;
holter_status query_scan_list(struct query_series **series, size_t *count, struct query_scan *scan,
                              holter_error *err);
/** Of such a scan: go through one source only. */
void query_scan_narrow(struct query_scan *scan, uint32_t source);
/** Blocks of files that the scan has decoded so far. */
uint64_t query_scan_decoded(const struct query_scan *scan);
/**
 * The last row of a metric (spec.metric is named; source 0: of any source) whose begin is in [from,
 * to); of equal begins that of the later source, of equal identities but the key the last key. *out
 * owned: columns_release; one row.
 * Errors   HOLTER_DONE there is none; HOLTER_INVALID metric 0; those of query_scan_open.
 * Cost     as query_scan_open, then blocks from the greatest begin backwards, until a row stands.
 */
holter_status query_latest(struct columns *out, uint32_t *source, struct shard_snapshot *snapshot,
                           const struct query_spec *spec, holter_error *err);
/**
 * Add a user's deletions with a revision to *out, those that also hide rows to come. Errors, cost: as
 * query_scan_open of all there is.
 */
holter_status query_deletions(struct tombstones *out, struct shard_snapshot *snapshot,
                              uint64_t user, holter_error *err);
/** What a user has: each series once. *series owned: free. Cost: as query_scan_open. */
struct query_series {
    uint32_t metric, source;
    struct schema schema;
    uint64_t rows_at_most; /* stored rows, before revisions and tombstones */
};
holter_status query_series_list(struct query_series **series, size_t *count,
                                struct shard_snapshot *snapshot, const struct query_spec *spec,
                                holter_error *err);

/* ---- windows --------------------------------------------------------------------------------- */

enum { QUERY_WINDOWS_MAX = 1024 };

struct query_aggregate_spec {
    struct query_spec rows; /* one metric; `overlapping` is set as sums need it */
    struct schema schema;   /* the metric's */
    int8_t exponents[SCHEMA_FIELDS_MAX];
    holter_every every;
    const struct zone *zone; /* borrowed */
    uint32_t fields;         /* bits; each takes the functions that are asked for */
    uint32_t functions;      /* HOLTER_FN_* */
};

struct query_aggregate;

/**
 * What aggregate.h says of holter_aggregate, for fields and functions that fit. *out owned:
 * query_aggregate_close; the snapshot stays open meanwhile. Errors: those of query_scan_open and
 * zone_every_check; HOLTER_CORRUPT rows of another schema.
 */
holter_status query_aggregate_open(struct query_aggregate **out, struct shard_snapshot *snapshot,
                                   const struct query_aggregate_spec *spec, holter_error *err);
void query_aggregate_close(struct query_aggregate *aggregate);
/** Blocks of files whose headers sufficed, and such as were decoded, so far. */
void query_aggregate_blocks(const struct query_aggregate *aggregate, uint64_t *passed,
                            uint64_t *decoded);
/** Half hours that rollups answered. */
uint64_t query_aggregate_half_hours(const struct query_aggregate *aggregate);
/** *out is borrowed until the next call. HOLTER_DONE at the end. */
holter_status query_aggregate_next(struct query_aggregate *aggregate, holter_windows *out,
                                   holter_error *err);

#endif
