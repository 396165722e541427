/*
 * query_scan.c -- a scan: series by series, batch by batch, the rows that stand.
 *
 * The indexes of the user's sections are open from beginning to end; blocks are read for the series
 * at hand only, a piece at a time for each file that has it. A batch is rows of one block, where no
 * other file or memory has rows between them and nothing may hide them, else rows copied together.
 */
#include "query_impl.h"

#include <inttypes.h>
#include <stdlib.h>

struct query_scan {
    struct query_view view;
    struct columns own; /* rows that were merged; of the schema of the series at hand */
    bool has_own;
    struct columns batch; /* what is given out: columns of others */
    struct columns kept;  /* where filters leave some rows of a batch: these */
    bool has_kept;
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
    if (scan->has_kept)
        columns_release(&scan->kept);
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

/* Columns of a schema, which they may have already. */
static void columns_suit(struct columns *columns, bool *has_columns, const struct schema *schema)
{
    if (*has_columns && schema_is_equal(&columns->schema, schema))
        return;
    if (*has_columns)
        columns_release(columns);
    columns_init(columns, schema);
    *has_columns = true;
}

static holter_status next_series(struct query_scan *scan, holter_error *err)
{
    struct query_view *view = &scan->view;
    holter_status status = query_view_next(view, err);
    if (status != HOLTER_OK)
        return status;
    columns_suit(&scan->own, &scan->has_own, &view->schema);
    columns_suit(&scan->kept, &scan->has_kept, &view->schema);
    if (!query_filters_fit(&view->spec, &view->schema))
        return error_set(err, HOLTER_CORRUPT,
                         "query: metric %" PRIu32 " of user #%016" PRIx64
                         ": found a field of another type, expected that of the catalog",
                         view->metric, view->spec.user);
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

static void gather(int64_t *out, const int64_t *words, const uint16_t *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = words[places[i]];
}

/* The batch becomes those of its rows that filters let through. Texts keep their places. */
static holter_status filter(struct query_scan *scan, holter_error *err)
{
    uint16_t places[QUERY_ROWS_MAX];
    struct columns *batch = &scan->batch;
    struct columns *kept = &scan->kept;
    size_t count = query_filter_rows(places, &scan->view.spec, batch);
    if (count == batch->count)
        return HOLTER_OK;
    batch->count = count;
    if (count == 0)
        return HOLTER_OK;
    if (!columns_reserve(kept, QUERY_ROWS_MAX))
        return error_set(err, HOLTER_NO_MEMORY, "query: no memory for rows");
    gather(kept->time, batch->time, places, count);
    batch->time = kept->time;
    if (batch->duration != NULL) {
        gather(kept->duration, batch->duration, places, count);
        batch->duration = kept->duration;
    }
    for (size_t f = 0; f < batch->schema.field_count; f++) {
        gather(kept->field[f], batch->field[f], places, count);
        batch->field[f] = kept->field[f];
    }
    gather(kept->revision, batch->revision, places, count);
    batch->revision = kept->revision;
    for (size_t i = 0; i < count; i++) {
        kept->flags[i] = batch->flags[places[i]];
        kept->sequence[i] = batch->sequence[places[i]];
    }
    batch->flags = kept->flags;
    batch->sequence = kept->sequence;
    return HOLTER_OK;
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
        if (status == HOLTER_OK && scan->view.spec.filter_count > 0 && scan->batch.count > 0) {
            status = filter(scan, err);
            if (status == HOLTER_OK && scan->batch.count == 0)
                continue;
        }
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
