/*
 * query.h -- snapshots, scans, the latest sample.
 *
 * A snapshot is a frozen view of the whole store: it shows every sample acknowledged to anyone
 * before it was opened, and none that a power cut could take. It keeps the files it may need, so
 * close it. Threads: a snapshot any thread; a cursor one thread at a time. Snapshots and cursors
 * are closed before their store.
 */
#ifndef HOLTER_QUERY_H
#define HOLTER_QUERY_H

#include "store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct holter_snapshot holter_snapshot;
typedef struct holter_cursor holter_cursor;

/** *out owned: holter_snapshot_close. Errors: HOLTER_CORRUPT, HOLTER_IO, HOLTER_NO_MEMORY. */
HOLTER_API HOLTER_MUST_USE holter_status holter_snapshot_open(holter_snapshot **out,
                                                              holter_store *store,
                                                              holter_error *err);
HOLTER_API void holter_snapshot_close(holter_snapshot *snapshot);

/** Rows are asked for whose value of a field lies in [min, max]; a NaN lies in no range. */
typedef struct holter_filter {
    size_t field; /**< its index in the metric: an int, a float or an enum */
    holter_value min,
        max; /**< as in rows: integers without the field's exponent, labels' numbers */
} holter_filter;

typedef struct holter_scan_spec {
    uint64_t user;
    uint32_t metric;        /**< 0: every metric */
    uint32_t source;        /**< 0: every source */
    int64_t from_ns, to_ns; /**< samples that begin in [from, to); both 0: all */
    int overlapping;        /**< also intervals that begin before `from` and end after it */
    const holter_filter
        *filters;         /**< rows that pass all of them; of one metric; borrowed for the call */
    size_t filter_count;  /**< up to HOLTER_FIELDS_MAX; 0: all rows */
    uint64_t reserved[2]; /**< zero */
} holter_scan_spec;

/**
 * Scan a user's rows, series by series, each rising by time. *out owned: holter_cursor_close.
 * Errors   HOLTER_NOT_FOUND no such user or metric; HOLTER_EXPIRED the user is erased;
 *          HOLTER_INVALID from > to, a filter without a metric, of a field that it does not fit, or that nothing can
 *          pass; HOLTER_DENIED; HOLTER_CORRUPT; HOLTER_IO; HOLTER_NO_MEMORY.
 * Cost     of rows in files: blocks that lie in the range, some 64 KiB a read; of those that filters let nothing
 *          through of, the headers alone, where no other file or deletion reaches in between and no row is flagged.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_scan(holter_cursor **out, holter_snapshot *snapshot,
                                                     const holter_scan_spec *spec,
                                                     holter_error *err);
/**
 * The next rows of one series. HOLTER_DONE: there are no more; on an error what came so far is not
 * all.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_cursor_next(holter_cursor *cursor,
                                                            holter_columns *out, holter_error *err);
HOLTER_API void holter_cursor_close(holter_cursor *cursor);

/**
 * The newest row of a user and metric (source 0: of any source; the later source where times tie),
 * as a cursor of at most one row. Cost: reads from the newest block back.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_latest(holter_cursor **out,
                                                       holter_snapshot *snapshot, uint64_t user,
                                                       uint32_t metric, uint32_t source,
                                                       holter_error *err);

#ifdef __cplusplus
}
#endif

#endif
