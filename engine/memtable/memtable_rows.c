/*
 * memtable_rows.c -- where a user's rows lie in frames, by series.
 *
 * Nothing is decoded: what a query asks for is some parts of frames, which it holds meanwhile.
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
                                         const struct memtable_part *part)
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
    rows->series_count++;
    return &rows->series[place];
}

static holter_status not_well_formed(const struct memtable_frame *frame, holter_error *err)
{
    return error_set(err, HOLTER_CORRUPT,
                     "log file %llu, offset %llu: a frame's body is not well formed",
                     (unsigned long long)frame->file, (unsigned long long)frame->offset);
}

/* *reader: at the part, whose series it tells. */
static holter_status part_open(struct wal_body_reader *reader, const struct memtable_frame *frame,
                               const struct memtable_part *part, holter_error *err)
{
    core_assert(part->offset <= frame->body_bytes);
    *reader = (struct wal_body_reader){ .bytes = reader_over(frame->body + part->offset,
                                                             frame->body_bytes - part->offset) };
    holter_status status = wal_body_next(reader);
    bool is_it = status == HOLTER_OK && reader->metric == part->metric &&
                 reader->source == part->source && reader->rows == part->rows;
    return is_it ? HOLTER_OK : not_well_formed(frame, err);
}

static holter_status gather_part(struct memtable_rows *rows, size_t *capacity,
                                 const struct memtable_frame *frame,
                                 const struct memtable_part *part,
                                 const struct memtable_filter *filter, holter_error *err)
{
    bool is_wanted = (filter->metric == 0 || filter->metric == part->metric) &&
                     (filter->source == 0 || filter->source == part->source) &&
                     part->begin < filter->to && part->last >= filter->from;
    if (!is_wanted)
        return HOLTER_OK;
    struct memtable_series *series = series_of(rows, capacity, part);
    void *stretches = series != NULL ? series->stretches : NULL;
    bool grown = series != NULL && core_grow(&stretches, &series->stretch_capacity,
                                             series->stretch_count + 1, sizeof *series->stretches);
    if (series != NULL)
        series->stretches = stretches;
    if (!grown)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a series");
    if (series->stretch_count == 0) {
        struct wal_body_reader reader;
        holter_status status = part_open(&reader, frame, part, err);
        if (status != HOLTER_OK)
            return status;
        series->schema = reader.schema;
    }
    series->stretches[series->stretch_count] =
        (struct memtable_stretch){ .frame = frame, .part = part, .place = series->stretch_count };
    series->stretch_count++;
    series->row_count += part->rows;
    if (part->last > series->begin_max)
        series->begin_max = part->last;
    return HOLTER_OK;
}

static int by_begin(const void *a, const void *b)
{
    const struct memtable_stretch *left = a, *right = b;
    if (left->part->begin != right->part->begin)
        return left->part->begin < right->part->begin ? -1 : 1;
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
    struct wal_body_reader reader;
    struct wal_tombstone *tombstones;
    size_t count;
    bool has_memory = true;
    if (!frame->has_deletions)
        return HOLTER_OK;
    holter_status status =
        wal_body_open(&reader, &tombstones, &count, frame->body, frame->body_bytes);
    for (size_t t = 0; status == HOLTER_OK && has_memory && t < count; t++) {
        const struct wal_tombstone *from = &tombstones[t];
        struct tombstone one = { .metric = from->metric,
                                 .source = from->source,
                                 .begin = from->begin,
                                 .end = from->end,
                                 .revision = from->revision,
                                 .sequence = frame->first_sequence };
        has_memory = tombstones_add(&rows->tombstones, &one);
    }
    free(tombstones);
    if (status == HOLTER_NO_MEMORY || !has_memory)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for tombstones");
    return status == HOLTER_OK ? HOLTER_OK : not_well_formed(frame, err);
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
        const struct memtable_frame *frame = frames[i];
        core_assert(frame->is_open);
        status = gather_tombstones(&rows, frame, err);
        for (size_t p = 0; status == HOLTER_OK && p < frame->part_count; p++)
            status = gather_part(&rows, &capacity, frame, &frame->parts[p], filter, err);
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

holter_status memtable_stretch_read(struct columns *out, const struct memtable_stretch *stretch,
                                    holter_error *err)
{
    const struct memtable_frame *frame = stretch->frame;
    struct wal_body_reader reader;
    holter_status status = part_open(&reader, frame, stretch->part, err);
    if (status != HOLTER_OK)
        return status;
    if (!schema_is_equal(&out->schema, &reader.schema))
        return error_set(
            err, HOLTER_CORRUPT,
            "log file %llu, offset %llu: found another schema of metric %u than in frames before",
            (unsigned long long)frame->file, (unsigned long long)frame->offset, reader.metric);
    status = wal_body_rows(out, &reader, frame->sequence);
    if (status == HOLTER_NO_MEMORY)
        return error_set(err, status, "memtable: no memory for rows");
    return status == HOLTER_OK ? HOLTER_OK : not_well_formed(frame, err);
}

holter_status memtable_series_reach(int64_t *reach, const struct memtable_series *series,
                                    int64_t from, holter_error *err)
{
    struct columns columns;
    holter_status status = HOLTER_OK;
    *reach = from;
    if (series->schema.kind != SAMPLE_INTERVAL)
        return HOLTER_OK;
    columns_init(&columns, &series->schema);
    for (size_t i = 0; i < series->stretch_count && status == HOLTER_OK; i++) {
        const struct memtable_stretch *stretch = &series->stretches[i];
        if (stretch->part->begin >= *reach || stretch->part->end_max <= from)
            continue;
        columns_clear(&columns);
        status = memtable_stretch_read(&columns, stretch, err);
        for (size_t row = 0;
             status == HOLTER_OK && row < columns.count && columns.time[row] < *reach; row++) {
            if (columns_end(&columns, row) > from)
                *reach = columns.time[row];
        }
    }
    columns_release(&columns);
    return status;
}
