/*
 * query_series.c -- which series a user has, as files and memory tell without their rows being
 * read.
 */
#include "query_impl.h"

#include <stdlib.h>

holter_status query_series_list(struct query_series **series, size_t *count,
                                struct shard_snapshot *snapshot, const struct query_spec *spec,
                                holter_error *err)
{
    struct query_view view = { 0 };
    struct query_series *list = NULL;
    size_t found = 0, capacity = 0;
    holter_status status = query_view_open(&view, snapshot, spec, err);
    while (status == HOLTER_OK && (status = query_view_next(&view, err)) == HOLTER_OK) {
        struct query_series one = {
            .metric = view.metric,
            .source = view.source,
            .schema = view.schema,
        };
        for (size_t i = 0; i < view.source_count; i++) {
            if (view.sources[i].series != NULL)
                one.rows_at_most += view.sources[i].series->rows;
        }
        if (view.memory_series != NULL)
            one.rows_at_most += view.memory_series->columns.count;

        void *at = list;
        bool grown = core_grow(&at, &capacity, found + 1, sizeof *list);
        list = at;
        if (grown)
            list[found++] = one;
        else
            status = error_set(err, HOLTER_NO_MEMORY, "query: %zu series", found + 1);
    }
    if (status == HOLTER_DONE) {
        *series = list;
        *count = found;
        list = NULL;
        status = HOLTER_OK;
    }
    free(list);
    query_view_release(&view);
    return status;
}
