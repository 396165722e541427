/*
 * memtable_rows.c -- where a user's rows lie in decoded frames, by series.
 *
 * Nothing is copied: what a query asks for is some stretches of frames, which it holds meanwhile.
 * memtable_run.c gives their rows in order.
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
    rows->series[place] = (struct memtable_series){ .metric = part->metric,
                                                    .source = part->source,
                                                    .schema = part->columns.schema,
                                                    .begin_max = INT64_MIN };
    rows->series_count++;
    return &rows->series[place];
}

static holter_status gather_part(struct memtable_rows *rows, size_t *capacity,
                                 const struct wal_part *part, const struct memtable_filter *filter,
                                 holter_error *err)
{
    bool is_wanted = (filter->metric == 0 || filter->metric == part->metric) &&
                     (filter->source == 0 || filter->source == part->source);
    if (!is_wanted)
        return HOLTER_OK;
    size_t first = columns_from(&part->columns, 0, part->columns.count, filter->from);
    size_t end = columns_from(&part->columns, first, part->columns.count, filter->to);
    if (first >= end)
        return HOLTER_OK;

    struct memtable_series *series = series_of(rows, capacity, part);
    if (series == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a series");
    if (!schema_is_equal(&series->schema, &part->columns.schema))
        return error_set(err, HOLTER_CORRUPT,
                         "log: frames give metric %u two schemas; expected one", part->metric);
    void *stretches = series->stretches;
    bool grown = core_grow(&stretches, &series->stretch_capacity, series->stretch_count + 1,
                           sizeof *series->stretches);
    series->stretches = stretches;
    if (!grown)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a series");
    series->stretches[series->stretch_count] =
        (struct memtable_stretch){ .columns = &part->columns,
                                   .first = first,
                                   .end = end,
                                   .begin = part->columns.time[first],
                                   .place = series->stretch_count };
    series->stretch_count++;
    series->row_count += end - first;
    if (part->columns.time[end - 1] > series->begin_max)
        series->begin_max = part->columns.time[end - 1];
    return HOLTER_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct memtable_stretch *left = a, *right = b;
    if (left->begin != right->begin)
        return left->begin < right->begin ? -1 : 1;
    return (left->place > right->place) - (left->place < right->place);
}

/* They nearly always are. */
static void sort_stretches(struct memtable_series *series)
{
    for (size_t i = 1; i < series->stretch_count; i++) {
        if (by_begin(&series->stretches[i - 1], &series->stretches[i]) > 0) {
            qsort(series->stretches, series->stretch_count, sizeof *series->stretches, by_begin);
            return;
        }
    }
}

static holter_status gather_tombstones(struct memtable_rows *rows,
                                       const struct memtable_frame *frame, holter_error *err)
{
    for (size_t t = 0; t < frame->body->tombstone_count; t++) {
        const struct wal_tombstone *from = &frame->body->tombstones[t];
        struct tombstone one = { .metric = from->metric,
                                 .source = from->source,
                                 .begin = from->begin,
                                 .end = from->end,
                                 .revision = from->revision,
                                 .sequence = frame->first_sequence };
        if (!tombstones_add(&rows->tombstones, &one))
            return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for tombstones");
    }
    return HOLTER_OK;
}

holter_status memtable_rows_gather(struct memtable_rows *out, struct memtable_frame **frames,
                                   size_t count, const struct memtable_filter *filter,
                                   holter_error *err)
{
    struct memtable_rows rows = { .frames = frames, .frame_count = count };
    size_t capacity = 0;
    tombstones_init(&rows.tombstones);
    holter_status status = HOLTER_OK;

    for (size_t i = 0; i < count; i++) {
        const struct wal_body *body = frames[i]->body;
        core_assert(body != NULL);
        status = gather_tombstones(&rows, frames[i], err);
        for (size_t p = 0; status == HOLTER_OK && p < body->part_count; p++)
            status = gather_part(&rows, &capacity, &body->parts[p], filter, err);
        if (status != HOLTER_OK)
            goto done;
    }
    for (size_t i = 0; i < rows.series_count; i++)
        sort_stretches(&rows.series[i]);
    *out = rows;
    rows = (struct memtable_rows){ 0 };
done:
    memtable_rows_release(&rows);
    return status;
}

void memtable_rows_release(struct memtable_rows *rows)
{
    for (size_t i = 0; i < rows->series_count; i++)
        free(rows->series[i].stretches);
    free(rows->series);
    tombstones_release(&rows->tombstones);
    memtable_frames_free(rows->frames, rows->frame_count);
    *rows = (struct memtable_rows){ 0 };
}

int64_t memtable_series_reach(const struct memtable_series *series, int64_t from)
{
    int64_t reach = from;
    if (series->schema.kind != SAMPLE_INTERVAL)
        return reach;
    for (size_t i = 0; i < series->stretch_count; i++) {
        const struct memtable_stretch *stretch = &series->stretches[i];
        const struct columns *columns = stretch->columns;
        for (size_t row = stretch->first; row < stretch->end && columns->time[row] < reach; row++) {
            if (columns_end(columns, row) > from)
                reach = columns->time[row];
        }
    }
    return reach;
}
