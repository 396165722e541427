/*
 * query_series.c -- which series a user has, as files and memory tell without their rows being
 * read.
 */
#include "query_impl.h"

#include <stdlib.h>

holter_status query_view_list(struct query_series **series, size_t *count, struct query_view *view,
                              holter_error *err)
{
    struct query_series *list = NULL;
    size_t found = 0, capacity = 0;
    holter_status status;
    query_view_rewind(view);
    while ((status = query_view_next(view, err)) == HOLTER_OK) {
        struct query_series one = {
            .metric = view->metric,
            .source = view->source,
            .schema = view->schema,
        };
        for (size_t i = 0; i < view->source_count; i++) {
            if (view->sources[i].series != NULL)
                one.rows_at_most += view->sources[i].series->rows;
        }
        if (view->memory_series != NULL)
            one.rows_at_most += view->memory_series->row_count;

        void *at = list;
        bool grown = core_grow(&at, &capacity, found + 1, sizeof *list);
        list = at;
        if (!grown) {
            status = error_set(err, HOLTER_NO_MEMORY, "query: %zu series", found + 1);
            break;
        }
        list[found++] = one;
    }
    query_view_rewind(view);
    if (status != HOLTER_DONE) {
        free(list);
        return status;
    }
    *series = list;
    *count = found;
    return HOLTER_OK;
}

holter_status query_series_list(struct query_series **series, size_t *count,
                                struct shard_snapshot *snapshot, const struct query_spec *spec,
                                holter_error *err)
{
    struct query_view view = { 0 };
    holter_status status = query_view_open(&view, snapshot, spec, err);
    if (status == HOLTER_OK)
        status = query_view_list(series, count, &view, err);
    query_view_release(&view);
    return status;
}
