/*
 * memtable_rows.c -- a user's rows, decoded from frames, by series.
 *
 * A series' rows lie in columns one after another as they were committed. A stretch of them is in order of
 * time: one for all frames that follow one another, another where rows came late. memtable_run.c gives
 * them all in order.
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
                                         const struct wal_body_reader *part)
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
                                                    .begin_max = INT64_MIN };
    columns_init(&rows->series[place].columns, &part->schema);
    rows->series_count++;
    return &rows->series[place];
}

/* Rows [first, end) of the series' columns, which are sorted. False: no memory. */
static bool add_stretch(struct memtable_series *series, size_t first, size_t end)
{
    const int64_t *time = series->columns.time;
    struct memtable_stretch *last =
        series->stretch_count > 0 ? &series->stretches[series->stretch_count - 1] : NULL;
    series->row_count += end - first;
    if (time[end - 1] > series->begin_max)
        series->begin_max = time[end - 1];
    if (last != NULL && last->end == first && time[first - 1] < time[first]) {
        last->end = end;
        return true;
    }
    void *stretches = series->stretches;
    bool grown = core_grow(&stretches, &series->stretch_capacity, series->stretch_count + 1,
                           sizeof *series->stretches);
    series->stretches = stretches;
    if (!grown)
        return false;
    series->stretches[series->stretch_count] = (struct memtable_stretch){
        .first = first, .end = end, .begin = time[first], .place = series->stretch_count
    };
    series->stretch_count++;
    return true;
}

/* What is gathered into, and with. */
struct gathering {
    struct memtable_rows rows;
    size_t capacity;
    struct columns skipped; /* rows that nobody asked for */
    const struct memtable_filter *filter;
};

static holter_status skip_part(struct gathering *g, struct wal_body_reader *part,
                               const struct memtable_frame *frame)
{
    if (!schema_is_equal(&g->skipped.schema, &part->schema)) {
        columns_release(&g->skipped);
        columns_init(&g->skipped, &part->schema);
    }
    columns_clear(&g->skipped);
    return wal_body_rows(&g->skipped, part, frame->sequence);
}

static holter_status gather_part(struct gathering *g, struct wal_body_reader *part,
                                 const struct memtable_frame *frame, holter_error *err)
{
    const struct memtable_filter *filter = g->filter;
    bool is_wanted = (filter->metric == 0 || filter->metric == part->metric) &&
                     (filter->source == 0 || filter->source == part->source);
    if (!is_wanted)
        return skip_part(g, part, frame);
    struct memtable_series *series = series_of(&g->rows, &g->capacity, part);
    if (series == NULL)
        return HOLTER_NO_MEMORY;
    struct columns *columns = &series->columns;
    if (!schema_is_equal(&columns->schema, &part->schema))
        return error_set(err, HOLTER_CORRUPT,
                         "log: frames give metric %u two schemas; expected one", part->metric);
    size_t at = columns->count;
    size_t text_bytes = columns->text.bytes;
    holter_status status = wal_body_rows(columns, part, frame->sequence);
    if (status != HOLTER_OK)
        return status;
    size_t first = columns_from(columns, at, columns->count, filter->from);
    size_t end = columns_from(columns, first, columns->count, filter->to);
    if (first >= end) {
        columns_truncate(columns, at, text_bytes);
        return HOLTER_OK;
    }
    return add_stretch(series, first, end) ? HOLTER_OK : HOLTER_NO_MEMORY;
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
                                       const struct memtable_frame *frame,
                                       const struct wal_tombstone *tombstones, size_t count)
{
    for (size_t t = 0; t < count; t++) {
        const struct wal_tombstone *from = &tombstones[t];
        struct tombstone one = { .metric = from->metric,
                                 .source = from->source,
                                 .begin = from->begin,
                                 .end = from->end,
                                 .revision = from->revision,
                                 .sequence = frame->first_sequence };
        if (!tombstones_add(&rows->tombstones, &one))
            return HOLTER_NO_MEMORY;
    }
    return HOLTER_OK;
}

static holter_status gather_frame(struct gathering *g, const struct memtable_frame *frame,
                                  holter_error *err)
{
    struct wal_body_reader part;
    struct wal_tombstone *tombstones;
    size_t count;
    core_assert(frame->is_open);
    holter_status status =
        wal_body_open(&part, &tombstones, &count, frame->body, frame->body_bytes);
    if (status == HOLTER_OK)
        status = gather_tombstones(&g->rows, frame, tombstones, count);
    free(tombstones);
    while (status == HOLTER_OK) {
        status = wal_body_next(&part);
        if (status == HOLTER_OK)
            status = gather_part(g, &part, frame, err);
    }
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

/* Series without rows go. Of the others the columns stay where they are from now on. */
static void settle(struct memtable_rows *rows)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->series_count; i++) {
        if (rows->series[i].stretch_count > 0)
            rows->series[kept++] = rows->series[i];
        else
            columns_release(&rows->series[i].columns);
    }
    rows->series_count = kept;
    for (size_t i = 0; i < kept; i++) {
        struct memtable_series *series = &rows->series[i];
        for (size_t s = 0; s < series->stretch_count; s++)
            series->stretches[s].columns = &series->columns;
        sort_stretches(series);
    }
}

holter_status memtable_rows_gather(struct memtable_rows *out, struct memtable_frame *const *frames,
                                   size_t count, const struct memtable_filter *filter,
                                   holter_error *err)
{
    struct gathering g = { .filter = filter };
    holter_error one = { 0 };
    holter_status status = HOLTER_OK;
    tombstones_init(&g.rows.tombstones);
    for (size_t i = 0; i < count && status == HOLTER_OK; i++) {
        status = gather_frame(&g, frames[i], &one);
        if (status == HOLTER_NO_MEMORY)
            error_set(err, status, "memtable: no memory for rows");
        else if (status != HOLTER_OK)
            error_set(err, status, "log file %llu, offset %llu: %s",
                      (unsigned long long)frames[i]->file, (unsigned long long)frames[i]->offset,
                      one.message[0] != '\0' ? one.message : "a frame's body is not well formed");
    }
    columns_release(&g.skipped);
    if (status != HOLTER_OK) {
        memtable_rows_release(&g.rows);
        return status;
    }
    settle(&g.rows);
    *out = g.rows;
    return HOLTER_OK;
}

void memtable_rows_release(struct memtable_rows *rows)
{
    for (size_t i = 0; i < rows->series_count; i++) {
        columns_release(&rows->series[i].columns);
        free(rows->series[i].stretches);
    }
    free(rows->series);
    tombstones_release(&rows->tombstones);
    *rows = (struct memtable_rows){ 0 };
}

int64_t memtable_series_reach(const struct memtable_series *series, int64_t from)
{
    int64_t reach = from;
    if (series->columns.schema.kind != SAMPLE_INTERVAL)
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
