/*
 * memtable_rows.c -- a user's rows in memory, gathered from decoded frames into one sorted run a
 * series.
 */
#include "memtable/memtable.h"

#include <stdlib.h>
#include <string.h>

/* The series' place in the list, or where it belongs; *found tells which. */
static size_t series_place(const struct memtable_rows *rows, uint32_t metric, uint32_t source,
                           bool *found)
{
    size_t low = 0;
    size_t high = rows->series_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct memtable_series *series = &rows->series[middle];
        bool is_before =
            series->metric < metric || (series->metric == metric && series->source < source);
        if (is_before)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < rows->series_count && rows->series[low].metric == metric &&
             rows->series[low].source == source;
    return low;
}

static struct memtable_series *series_of(struct memtable_rows *rows, size_t *capacity,
                                         const struct wal_part *part)
{
    bool found;
    size_t place = series_place(rows, part->metric, part->source, &found);
    if (found)
        return &rows->series[place];
    void *grown = rows->series;
    if (!core_grow(&grown, capacity, rows->series_count + 1, sizeof *rows->series))
        return NULL;
    rows->series = grown;
    memmove(&rows->series[place + 1], &rows->series[place],
            (rows->series_count - place) * sizeof *rows->series);
    rows->series[place] =
        (struct memtable_series){ .metric = part->metric, .source = part->source };
    columns_init(&rows->series[place].columns, &part->columns.schema);
    rows->series_count++;
    return &rows->series[place];
}

/* The first row that begins at or after `time`. */
static size_t first_from(const struct columns *columns, int64_t time)
{
    size_t low = 0;
    size_t high = columns->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (columns->time[middle] < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static holter_status gather_part(struct memtable_rows *rows, size_t *capacity,
                                 const struct wal_part *part, const struct memtable_filter *filter,
                                 holter_error *err)
{
    bool is_wanted = (filter->metric == 0 || filter->metric == part->metric) &&
                     (filter->source == 0 || filter->source == part->source);
    if (!is_wanted)
        return HOLTER_OK;
    size_t first = first_from(&part->columns, filter->from);
    size_t end = first_from(&part->columns, filter->to);
    if (first >= end)
        return HOLTER_OK;

    struct memtable_series *series = series_of(rows, capacity, part);
    if (series == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a series");
    if (!schema_is_equal(&series->columns.schema, &part->columns.schema))
        return error_set(err, HOLTER_CORRUPT,
                         "log: frames give metric %u two schemas; expected one", part->metric);
    if (!columns_append_rows(&series->columns, &part->columns, first, end - first))
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for %zu rows", end - first);
    return HOLTER_OK;
}

holter_status memtable_rows_gather(struct memtable_rows *out, struct memtable_frame *const *frames,
                                   size_t count, const struct memtable_filter *filter,
                                   holter_error *err)
{
    struct memtable_rows rows = { 0 };
    size_t capacity = 0;
    tombstones_init(&rows.tombstones);
    holter_status status = HOLTER_OK;

    for (size_t i = 0; i < count; i++) {
        const struct wal_body *body = frames[i]->body;
        core_assert(body != NULL);
        for (size_t t = 0; t < body->tombstone_count; t++) {
            const struct wal_tombstone *from = &body->tombstones[t];
            struct tombstone one = { .metric = from->metric,
                                     .source = from->source,
                                     .begin = from->begin,
                                     .end = from->end,
                                     .revision = from->revision,
                                     .sequence = frames[i]->first_sequence };
            if (!tombstones_add(&rows.tombstones, &one)) {
                status = error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for tombstones");
                goto done;
            }
        }
        for (size_t p = 0; p < body->part_count; p++) {
            status = gather_part(&rows, &capacity, &body->parts[p], filter, err);
            if (status != HOLTER_OK)
                goto done;
        }
    }
    for (size_t i = 0; i < rows.series_count; i++) {
        if (!columns_sort(&rows.series[i].columns)) {
            status = error_set(err, HOLTER_NO_MEMORY, "memtable: no memory to sort a series");
            goto done;
        }
    }
    *out = rows;
    rows = (struct memtable_rows){ 0 };
done:
    memtable_rows_release(&rows);
    return status;
}

void memtable_rows_release(struct memtable_rows *rows)
{
    for (size_t i = 0; i < rows->series_count; i++)
        columns_release(&rows->series[i].columns);
    free(rows->series);
    tombstones_release(&rows->tombstones);
    *rows = (struct memtable_rows){ 0 };
}
