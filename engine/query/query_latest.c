/*
 * query_latest.c -- the last row of a metric, searched from the end.
 *
 *          from                        | w1      | w0 | greatest begin
 *     .. ──┴───────────────────────────┴─────────┴────┘
 *
 * Which row stands is told by a merge only: the last one stored may be deleted, or be a duplicate.
 * So windows are merged backwards from the greatest begin that an index tells, each LATEST_GROWTH
 * times as long as the one before and none twice; the first that has a row has the answer. As a
 * rule that is the last block of each file; where a whole history was deleted, all of it is read
 * once.
 */
#include "query_impl.h"

#define LATEST_WINDOW_NS (INT64_C(60) * 1000000000)
#define LATEST_GROWTH 16

/* The row found so far. */
struct latest {
    bool has_row;
    uint32_t source;
    struct columns columns;
};

/* *time: the greatest begin, below spec.to, that a series may have; false: nothing is there. */
static holter_status find_last_begin(int64_t *time, bool *found, struct query_view *view,
                                     holter_error *err)
{
    *found = false;
    *time = INT64_MIN;
    query_view_rewind(view);
    for (;;) {
        holter_status status = query_view_next(view, err);
        if (status == HOLTER_DONE)
            break;
        if (status != HOLTER_OK)
            return status;
        *found = true;
        for (size_t i = 0; i < view->source_count; i++) {
            const struct segment_series *series = view->sources[i].series;
            if (series != NULL && series->begin_max > *time)
                *time = series->begin_max;
        }
        if (view->memory_series != NULL && view->memory_series->begin_max > *time)
            *time = view->memory_series->begin_max;
    }
    if (*found && *time >= view->spec.to)
        *time = view->spec.to - 1;
    return HOLTER_OK;
}

/* Keep the last row of the series at hand in [from, to) if it is later than what was found. */
static holter_status look_at_series(struct latest *latest, struct query_view *view, int64_t from,
                                    int64_t to, holter_error *err)
{
    struct columns rows, last;
    columns_init(&rows, &view->schema);
    columns_init(&last, &view->schema);
    holter_status status = query_view_merge(view, from, to, false, err);
    while (status == HOLTER_OK) {
        columns_clear(&rows);
        status = merge_next(view->merge, &rows, QUERY_ROWS_MAX, err);
        if (status != HOLTER_OK)
            break;
        columns_clear(&last);
        if (!columns_append_rows(&last, &rows, rows.count - 1, 1))
            status = error_set(err, HOLTER_NO_MEMORY, "query: a row");
    }
    if (status == HOLTER_DONE)
        status = HOLTER_OK;
    query_view_merge_end(view);

    /* Series rise by source, so of equal times the later source is kept. */
    if (status == HOLTER_OK && last.count > 0 &&
        (!latest->has_row || last.time[0] >= latest->columns.time[0])) {
        struct columns before = latest->columns;
        latest->columns = last;
        latest->source = view->source;
        last = latest->has_row ? before : (struct columns){ 0 };
        latest->has_row = true;
    }
    columns_release(&rows);
    columns_release(&last);
    return status;
}

static holter_status look_at_window(struct latest *latest, struct query_view *view, int64_t from,
                                    int64_t to, holter_error *err)
{
    query_view_rewind(view);
    for (;;) {
        holter_status status = query_view_next(view, err);
        if (status == HOLTER_DONE)
            return HOLTER_OK;
        if (status == HOLTER_OK)
            status = look_at_series(latest, view, from, to, err);
        if (status != HOLTER_OK)
            return status;
    }
}

holter_status query_latest(struct columns *out, uint32_t *source, struct shard_snapshot *snapshot,
                           const struct query_spec *spec, holter_error *err)
{
    if (spec->metric == 0)
        return error_set(err, HOLTER_INVALID, "the latest row: found no metric, expected one");
    if (spec->from >= spec->to)
        return HOLTER_DONE;
    struct query_spec own = *spec;
    own.overlapping = false;
    struct query_view view = { 0 };
    struct latest latest = { 0 };
    int64_t last = 0;
    bool found = false;
    holter_status status = query_view_open(&view, snapshot, &own, err);
    if (status == HOLTER_OK)
        status = find_last_begin(&last, &found, &view, err);

    int64_t to = found ? last + 1 : own.from; /* begins are below INT64_MAX */
    int64_t window = LATEST_WINDOW_NS;
    while (status == HOLTER_OK && !latest.has_row && to > own.from) {
        int64_t from = saturating_add_i64(to, -window);
        if (from < own.from)
            from = own.from;
        status = look_at_window(&latest, &view, from, to, err);
        to = from;
        if (!checked_mul_i64(&window, window, LATEST_GROWTH))
            window = INT64_MAX;
    }
    query_view_release(&view);

    if (status == HOLTER_OK && !latest.has_row)
        return HOLTER_DONE;
    if (status == HOLTER_OK) {
        *out = latest.columns;
        *source = latest.source;
    } else if (latest.has_row) {
        columns_release(&latest.columns);
    }
    return status;
}
