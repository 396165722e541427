/*
 * query_scan.c -- a scan: series by series, batch by batch, the rows that stand.
 *
 * The indexes of the user's sections are open from beginning to end; blocks are read for the series
 * at hand only, a piece at a time for each file that has it. A batch is rows of one block, where no
 * other file or memory has rows between them and nothing may hide them, else rows copied together.
 */
#include "query_impl.h"

#include <stdlib.h>

struct query_scan {
    struct query_view view;
    struct columns own; /* rows that were merged; of the schema of the series at hand */
    bool has_own;
    struct columns batch; /* what is given out: columns of others */
    int64_t next_begin;   /* where there are no rows in it */
    holter_status failed; /* HOLTER_OK, or what ended the scan: it does not go on with less */
};

holter_status query_scan_open(struct query_scan **out, struct shard_snapshot *snapshot,
                              const struct query_spec *spec, holter_error *err)
{
    *out = NULL;
    struct query_scan *scan = core_calloc(1, sizeof *scan);
    if (scan == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "query: handle of a scan");
    holter_status status = query_view_open(&scan->view, snapshot, spec, err);
    if (status != HOLTER_OK)
        goto done;

    *out = scan;
    scan = NULL;
done:
    query_scan_close(scan);
    return status;
}

void query_scan_close(struct query_scan *scan)
{
    if (scan == NULL)
        return;
    query_view_release(&scan->view);
    if (scan->has_own)
        columns_release(&scan->own);
    free(scan);
}

holter_status query_scan_list(struct query_series **series, size_t *count, struct query_scan *scan,
                              holter_error *err)
{
    return query_view_list(series, count, &scan->view, err);
}

holter_status query_deletions(struct tombstones *out, struct shard_snapshot *snapshot,
                              uint64_t user, holter_error *err)
{
    struct query_view view = { 0 };
    const struct query_spec spec = { .user = user, .from = INT64_MIN, .to = INT64_MAX };
    holter_status status = query_view_open(&view, snapshot, &spec, err);
    for (size_t i = 0; status == HOLTER_OK && i < view.tombstones.count; i++) {
        const struct tombstone *one = &view.tombstones.at[i];
        if (one->revision != 0 && !tombstones_add(out, one))
            status = error_set(err, HOLTER_NO_MEMORY, "query: no memory for deletions");
    }
    query_view_release(&view);
    if (status == HOLTER_OK)
        tombstones_coalesce(out);
    return status;
}

void query_scan_narrow(struct query_scan *scan, uint32_t source)
{
    scan->view.spec.source = source;
}

uint64_t query_scan_decoded(const struct query_scan *scan)
{
    return segment_pool_decoded(scan->view.pool);
}

int64_t query_scan_next_begin(const struct query_scan *scan)
{
    return scan->next_begin;
}

static holter_status next_series(struct query_scan *scan, holter_error *err)
{
    struct query_view *view = &scan->view;
    holter_status status = query_view_next(view, err);
    if (status != HOLTER_OK)
        return status;
    if (!scan->has_own || !schema_is_equal(&scan->own.schema, &view->schema)) {
        if (scan->has_own)
            columns_release(&scan->own);
        columns_init(&scan->own, &view->schema);
        scan->has_own = true;
    }
    return query_view_merge(view, view->spec.from, view->spec.to, view->spec.overlapping, err);
}

/* Texts keep their places: their bytes are the whole block's. */
static void show(struct query_scan *scan, const struct merge_rows *rows)
{
    struct columns *batch = &scan->batch;
    scan->next_begin = rows->next_begin;
    batch->count = 0;
    if (rows->count == 0)
        return;
    *batch = *rows->columns;
    batch->count = rows->count;
    batch->time += rows->first;
    if (batch->duration != NULL)
        batch->duration += rows->first;
    for (size_t f = 0; f < batch->schema.field_count; f++)
        batch->field[f] += rows->first;
    batch->flags += rows->first;
    batch->revision += rows->first;
    batch->sequence += rows->first;
}

static holter_status next_batch(struct query_scan *scan, holter_error *err)
{
    struct merge_rows rows;
    for (;;) {
        if (scan->view.merge == NULL) {
            holter_status status = next_series(scan, err);
            if (status != HOLTER_OK)
                return status;
        }
        holter_status status = merge_take(scan->view.merge, &rows, &scan->own, QUERY_ROWS_MAX, err);
        if (status == HOLTER_OK)
            show(scan, &rows);
        if (status != HOLTER_DONE)
            return status;
        query_view_merge_end(&scan->view);
    }
}

holter_status query_scan_next(struct query_scan *scan, uint32_t *metric, uint32_t *source,
                              const struct columns **columns, holter_error *err)
{
    if (scan->failed == HOLTER_DONE)
        return HOLTER_DONE;
    if (scan->failed != HOLTER_OK)
        return error_set(err, scan->failed, "the scan has failed before");
    holter_status status = next_batch(scan, err);
    scan->failed = status;
    if (status != HOLTER_OK)
        return status;
    *metric = scan->view.metric;
    *source = scan->view.source;
    *columns = &scan->batch;
    return HOLTER_OK;
}
