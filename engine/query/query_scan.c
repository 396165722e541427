/*
 * query_scan.c -- a scan: series by series, batch by batch, the rows that stand.
 *
 * The indexes of the user's sections are open from beginning to end; blocks are read for the series
 * at hand only, a piece at a time for each file that has it.
 */
#include "query_impl.h"

#include <stdlib.h>

struct query_scan {
    struct query_view view;
    struct columns columns; /* the batch; of the schema of the series at hand */
    bool has_columns;
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
    if (scan->has_columns)
        columns_release(&scan->columns);
    free(scan);
}

static holter_status next_series(struct query_scan *scan, holter_error *err)
{
    struct query_view *view = &scan->view;
    holter_status status = query_view_next(view, err);
    if (status != HOLTER_OK)
        return status;
    if (!scan->has_columns || !schema_is_equal(&scan->columns.schema, &view->schema)) {
        if (scan->has_columns)
            columns_release(&scan->columns);
        columns_init(&scan->columns, &view->schema);
        scan->has_columns = true;
    }
    return query_view_merge(view, view->spec.from, view->spec.to, view->spec.overlapping, err);
}

static holter_status next_batch(struct query_scan *scan, holter_error *err)
{
    for (;;) {
        if (scan->view.merge == NULL) {
            holter_status status = next_series(scan, err);
            if (status != HOLTER_OK)
                return status;
        }
        columns_clear(&scan->columns);
        holter_status status = merge_next(scan->view.merge, &scan->columns, QUERY_ROWS_MAX, err);
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
    *columns = &scan->columns;
    return HOLTER_OK;
}
