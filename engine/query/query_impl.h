/*
 * query_impl.h -- what the files of query share: a user's part of a snapshot, opened.
 *
 *     query_view.c    sections of files, rows in memory, tombstones of all of them; series by
 *                     series
 *     query_scan.c    batches of rows that stand
 *     query_filter.c  which of them are asked for
 *     query_latest.c  the last row, searched from the end
 *     query_series.c  which series there are
 *     query_aggregate.c  windows over the scans of a metric's sources
 *     query_sum.c     the sums of windows (query_sum.h)
 */
#ifndef QUERY_QUERY_IMPL_H
#define QUERY_QUERY_IMPL_H

#include "query/query.h"

#include <string.h>

struct query_view;

/** A user's section in a live file; its file and the user's key are there once something was read. */
struct query_source {
    struct query_view *view;
    const struct manifest_file *file;
    struct segment *segment;
    const struct crypto_key *key;
    bool has_key;
    struct segment_section *section;
    struct segment_outline *outline;     /* of the section; borrowed */
    size_t outline_bytes;                /* as the shard has counted */
    size_t next;                         /* the series after the one at hand */
    const struct segment_series *series; /* at hand; NULL: this file does not have it */
    struct segment_run *run;             /* while it is merged */
};

/**
 * What a snapshot holds of a user, as far as a spec reaches: rows that begin in [from, to), or also
 * those of before that end after `from`, and every tombstone that may hide one of them.
 */
struct query_view {
    struct shard_snapshot *snapshot;
    struct query_spec spec;
    bool has_class;
    uint8_t class; /* of spec.metric, where has_class */
    int64_t reach; /* what begins from here on, up to spec.to, matters (Q2) */
    struct io_queue *queue;
    struct segment_pool *pool;
    uint64_t pool_taken_at;
    struct query_source *sources; /* in the order of the version's files */
    size_t source_count;
    uint64_t asked_at; /* shard_outlines_find */
    struct memtable_rows memory;
    struct tombstones tombstones;                /* of the files and of memory */
    size_t memory_next;                          /* the series in memory after the one at hand */
    const struct memtable_series *memory_series; /* at hand; NULL: memory does not have it */

    /* The series at hand, and what merges it. */
    uint32_t metric, source;
    struct schema schema;
    struct merge_run *runs;
    struct memtable_run *memory_run;
    struct merge *merge;
};

/** *view zeroed; query_view_release in any case. Errors: those of query_scan_open. */
holter_status query_view_open(struct query_view *view, struct shard_snapshot *snapshot,
                              const struct query_spec *spec, holter_error *err);
void query_view_release(struct query_view *view);
/** Back to before the first series. */
void query_view_rewind(struct query_view *view);
/** As query_series_list, of a view, which stands before the first series then. */
holter_status query_view_list(struct query_series **series, size_t *count, struct query_view *view,
                              holter_error *err);
/**
 * Go to the next series of the spec, in any file or memory. Errors: HOLTER_DONE; HOLTER_CORRUPT
 * schemas differ.
 */
holter_status query_view_next(struct query_view *view, holter_error *err);
/**
 * Begin view->merge over the series at hand: rows that begin in [from, to), and where `overlapping`
 * those that begin before and end after `from`. query_view_merge_end ends it, also after a failure.
 */
holter_status query_view_merge(struct query_view *view, int64_t from, int64_t to, bool overlapping,
                               holter_error *err);
void query_view_merge_end(struct query_view *view);

/** What filters let through. */
enum query_verdict { QUERY_NONE, QUERY_SOME, QUERY_ALL };

/** Of the rows of a block, from its header. */
enum query_verdict query_filter_block(const struct query_spec *spec,
                                      const struct segment_block *block);
/** The filters' fields are of the types that they have in a schema. */
bool query_filters_fit(const struct query_spec *spec, const struct schema *schema);
/** *places, of QUERY_ROWS_MAX: of the rows that pass. Returns how many do. */
size_t query_filter_rows(uint16_t *places, const struct query_spec *spec,
                         const struct columns *rows);

#endif
