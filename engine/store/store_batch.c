/*
 * store_batch.c -- what a writer commits at once: rows by series, deletions, and an answer for each
 * row.
 *
 * Rows go straight into columns, one set for each (user, metric, source); the columns' sequence
 * holds the index that the row was given, so that sorting keeps the order of rows with one
 * identity, and answers find their rows.
 */
#include "store/store_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_MIN = 64,
    ROW_TEXT_BYTES_MAX = 128 << 10,
    LOG_SHARE_OF_ROW = 8,
    TOMBSTONES_MAX = 2048
};

/* A row that no frame of the log can hold would keep its batch from being committed for ever. */
static size_t row_text_bytes_max(const holter_store *store)
{
    uint64_t of_log = store->log_file_bytes / LOG_SHARE_OF_ROW;
    return of_log > 0 && of_log < ROW_TEXT_BYTES_MAX ? (size_t)of_log : ROW_TEXT_BYTES_MAX;
}

holter_status holter_batch_new(holter_batch **out, holter_store *store,
                               const holter_batch_options *options, holter_error *err)
{
    static const holter_batch_options defaults;
    const holter_batch_options *asked = options != NULL ? options : &defaults;
    *out = NULL;
    holter_status status = store_check_reserved(asked->reserved, CORE_COUNT(asked->reserved), err);
    if (status == HOLTER_OK && asked->exact != 0 && asked->buffered != 0)
        status =
            error_set(err, HOLTER_INVALID,
                      "found a batch both exact and buffered, expected one of them: exact answers "
                      "are of what is durable");
    if (status == HOLTER_OK)
        status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    holter_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for a batch");
    if (status == HOLTER_OK)
        status = io_queue_open(&batch->queue, store->io, IO_QUEUE_DEPTH_MAX, err);
    if (status == HOLTER_OK)
        status = io_signal_new(&batch->signal, store->io, err);
    if (status == HOLTER_OK) {
        batch->store = store;
        batch->refuses_implausible = asked->refuse_implausible != 0;
        batch->is_exact = asked->exact != 0;
        batch->is_buffered = asked->buffered != 0;
        batch->revision = asked->revision;
        batch->row_text_bytes_max = row_text_bytes_max(store);
        *out = batch;
        batch = NULL;
    }
    if (batch != NULL)
        io_queue_close(batch->queue);
    free(batch);
    store_leave(store);
    return status;
}

static void release_series(holter_batch *batch)
{
    for (size_t i = 0; i < batch->series_count; i++)
        columns_release(&batch->series[i].columns);
    batch->series_count = 0;
    batch->series_last = 0;
    if (batch->slots != NULL)
        memset(batch->slots, 0, batch->slot_count * sizeof *batch->slots);
}

void holter_batch_clear(holter_batch *batch)
{
    release_series(batch);
    batch->tombstone_count = 0;
    batch->row_count = 0;
}

void holter_batch_free(holter_batch *batch)
{
    if (batch == NULL)
        return;
    release_series(batch);
    io_signal_free(batch->signal);
    io_queue_close(batch->queue);
    free(batch->series);
    free(batch->slots);
    free(batch->tombstones);
    free(batch->answers);
    free(batch);
}

uint64_t holter_batch_accepted(const holter_batch *batch)
{
    return batch->accepted;
}

size_t holter_batch_count(const holter_batch *batch)
{
    return batch->row_count;
}

holter_row_answer holter_batch_answer(const holter_batch *batch, size_t index)
{
    const holter_row_answer none = { .answer = HOLTER_PENDING };
    return index < batch->row_count ? batch->answers[index] : none;
}

/* ---- series of the batch --------------------------------------------------------------------- */

static size_t slot_of(const holter_batch *batch, uint64_t user, uint32_t metric, uint32_t source)
{
    uint64_t mixed = (user ^ (uint64_t)metric << 32 ^ source) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(mixed >> 32) & (batch->slot_count - 1);
    while (batch->slots[at] != 0) {
        const struct batch_series *series = &batch->series[batch->slots[at] - 1];
        if (series->user == user && series->metric == metric && series->source == source)
            break;
        at = (at + 1) & (batch->slot_count - 1);
    }
    return at;
}

static bool rebuild_slots(holter_batch *batch, size_t slot_count)
{
    uint32_t *slots = core_calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return false;
    free(batch->slots);
    batch->slots = slots;
    batch->slot_count = slot_count;
    for (size_t i = 0; i < batch->series_count; i++) {
        const struct batch_series *series = &batch->series[i];
        batch->slots[slot_of(batch, series->user, series->metric, series->source)] =
            (uint32_t)i + 1;
    }
    return true;
}

void batch_drop(holter_batch *batch, bool (*is_stored)(void *context, uint64_t user), void *context)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->series_count; i++) {
        if (is_stored(context, batch->series[i].user))
            columns_release(&batch->series[i].columns);
        else
            batch->series[kept++] = batch->series[i];
    }
    batch->series_count = kept;
    batch->series_last = 0;
    kept = 0;
    for (size_t i = 0; i < batch->tombstone_count; i++) {
        if (!is_stored(context, batch->tombstones[i].user))
            batch->tombstones[kept++] = batch->tombstones[i];
    }
    batch->tombstone_count = kept;
    if (batch->slots == NULL)
        return;
    memset(batch->slots, 0, batch->slot_count * sizeof *batch->slots);
    for (size_t i = 0; i < batch->series_count; i++) {
        const struct batch_series *series = &batch->series[i];
        batch->slots[slot_of(batch, series->user, series->metric, series->source)] =
            (uint32_t)i + 1;
    }
}

/* store_read_begin without its system call, which the commit makes. */
static holter_status look_begin(holter_store *store, holter_error *err)
{
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    io_mutex_lock(store->mutex);
    status = store_follow(store, err);
    if (status != HOLTER_OK)
        store_read_end(store);
    return status;
}

/* What is said of a metric now. Under the mutex. */
static holter_status find_metric(const holter_metric **out, holter_store *store, uint32_t number,
                                 holter_error *err)
{
    const struct catalog_metric *metric = catalog_metric_by_number(store->catalog, number);
    if (metric == NULL)
        return error_set(err, HOLTER_NOT_FOUND, "there is no metric with number %u", number);
    return store_metric_view(out, store, metric, err);
}

/* Is there such a user, with such a source? Under the mutex. */
static holter_status check_user(holter_store *store, uint64_t user, uint32_t source,
                                holter_error *err)
{
    struct vault_user found;
    holter_status status = store_living_user(&found, store, user, err);
    if (status == HOLTER_OK && source > catalog_source_count(store->catalog, user))
        status = error_set(err, HOLTER_NOT_FOUND, "user #%016llx has no source with number %u",
                           (unsigned long long)user, source);
    return status;
}

/*
 * Once for each series of a batch, which keeps what is said of its metric. `out` NULL: the metric is not looked at; without
 * `has_rows` the user is not.
 */
static holter_status look_up(const holter_metric **out, holter_batch *batch, uint64_t user,
                             uint32_t metric, uint32_t source, bool has_rows, holter_error *err)
{
    holter_status status = look_begin(batch->store, err);
    if (status != HOLTER_OK)
        return status;
    if (out != NULL)
        status = find_metric(out, batch->store, metric, err);
    if (status == HOLTER_OK && has_rows)
        status = check_user(batch->store, user, source, err);
    store_read_end(batch->store);
    return status;
}

static holter_status add_series(struct batch_series **out, holter_batch *batch, uint64_t user,
                                const holter_metric *metric, uint32_t source, holter_error *err)
{
    struct schema schema = { 0 };
    void *series = batch->series;
    bool has_memory =
        batch->series_count < UINT32_MAX - 1 &&
        core_grow(&series, &batch->series_capacity, batch->series_count + 1, sizeof *batch->series);
    batch->series = series;
    if (has_memory && 4 * (batch->series_count + 1) > 3 * batch->slot_count)
        has_memory =
            rebuild_slots(batch, batch->slot_count > 0 ? 2 * batch->slot_count : SLOTS_MIN);
    if (!has_memory)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for a series in a batch");

    schema.kind = (uint8_t)metric->kind;
    schema.field_count = (uint8_t)metric->field_count;
    schema.key_field = metric->key_field < 0 ? SCHEMA_NO_KEY : (uint8_t)metric->key_field;
    for (size_t f = 0; f < metric->field_count; f++)
        schema.types[f] = (uint8_t)metric->fields[f].type;
    struct batch_series *one = &batch->series[batch->series_count];
    *one = (struct batch_series){
        .user = user, .metric = metric->number, .source = source, .view = metric
    };
    columns_init(&one->columns, &schema);
    batch->slots[slot_of(batch, user, metric->number, source)] = (uint32_t)++batch->series_count;
    *out = one;
    return HOLTER_OK;
}

/* The batch's series; NULL: there is none yet. */
static struct batch_series *find_series(holter_batch *batch, uint64_t user, uint32_t metric,
                                        uint32_t source)
{
    if (batch->series_count == 0)
        return NULL;
    struct batch_series *last = &batch->series[batch->series_last];
    if (last->user == user && last->metric == metric && last->source == source)
        return last;
    uint32_t slot = batch->slots[slot_of(batch, user, metric, source)];
    if (slot == 0)
        return NULL;
    batch->series_last = slot - 1;
    return &batch->series[slot - 1];
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* The view of a metric may be older than a label that was added meanwhile. */
static holter_status check_enum(const holter_metric **metric, holter_batch *batch, size_t field,
                                int64_t value, holter_error *err)
{
    if (value >= 0 && (uint64_t)value < (*metric)->fields[field].label_count)
        return HOLTER_OK;
    holter_status status = look_begin(batch->store, err);
    if (status != HOLTER_OK)
        return status;
    status = find_metric(metric, batch->store, (*metric)->number, err);
    store_read_end(batch->store);
    if (status != HOLTER_OK)
        return status;
    const holter_field *of = &(*metric)->fields[field];
    if (value >= 0 && (uint64_t)value < of->label_count)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID,
                     "field '%s': found no label with that number, expected 0 to %zu", of->name,
                     of->label_count - 1);
}

/* The value as a word of columns; *flags gets what is implausible about it. */
static holter_status take_value(struct row *row, uint16_t *flags, size_t *text_bytes,
                                holter_batch *batch, const holter_metric **metric, size_t field,
                                const holter_value *value, holter_error *err)
{
    const holter_field *of = &(*metric)->fields[field];
    switch (of->type) {
    case HOLTER_INT:
        row->field[field] = value->integer;
        if (of->has_range && (value->integer < of->min.integer || value->integer > of->max.integer))
            *flags |= SAMPLE_OUT_OF_RANGE;
        return HOLTER_OK;
    case HOLTER_FLOAT:
        memcpy(&row->field[field], &value->real, sizeof row->field[field]);
        if (!isfinite(value->real))
            *flags |= SAMPLE_NON_FINITE;
        else if (of->has_range && (value->real < of->min.real || value->real > of->max.real))
            *flags |= SAMPLE_OUT_OF_RANGE;
        return HOLTER_OK;
    case HOLTER_ENUM:
        row->field[field] = value->integer;
        return check_enum(metric, batch, field, value->integer, err);
    case HOLTER_TEXT:
        if (value->text.count > HOLTER_TEXT_BYTES_MAX)
            return error_set(err, HOLTER_INVALID,
                             "field '%s': found a text of %zu bytes, expected at most %d", of->name,
                             value->text.count, HOLTER_TEXT_BYTES_MAX);
        if (value->text.bytes == NULL && value->text.count > 0)
            return error_set(err, HOLTER_INVALID, "field '%s': there is no text of %zu bytes",
                             of->name, value->text.count);
        row->text[field] = (const uint8_t *)(value->text.count > 0 ? value->text.bytes : "");
        row->text_bytes[field] = (uint32_t)value->text.count;
        *text_bytes += value->text.count;
        return HOLTER_OK;
    }
    return error_set(err, HOLTER_INVALID, "field '%s' has no known type", of->name);
}

/* *view of the row's metric, which is looked up anew where that may have changed. */
static holter_status take_row(struct row *out, holter_batch *batch, const holter_metric **view,
                              const holter_row *row, holter_error *err)
{
    const holter_metric *metric = *view;
    uint16_t implausible = 0;
    size_t text_bytes = 0;
    out->time = row->time_ns;
    out->duration = row->duration_ns;
    out->flags = row->flags;
    out->revision = row->revision != 0 ? row->revision : batch->revision;
    out->sequence = batch->row_count;
    if (row->source == 0)
        return error_set(err, HOLTER_INVALID, "a row needs a source");
    if (row->value_count != metric->field_count || row->values == NULL)
        return error_set(err, HOLTER_INVALID, "metric '%s': found %zu values, expected %zu",
                         metric->name, row->value_count, metric->field_count);
    if (!sample_time_is_valid(row->time_ns))
        return error_set(err, HOLTER_INVALID,
                         "found a time that stands for an open end, expected a time between");
    if (row->duration_ns < 0 || (metric->kind == HOLTER_INSTANT && row->duration_ns != 0))
        return error_set(err, HOLTER_INVALID,
                         "metric '%s': found a duration of %lld ns, expected %s", metric->name,
                         (long long)row->duration_ns,
                         metric->kind == HOLTER_INSTANT ? "none" : "0 or more");
    if ((row->flags & ~(HOLTER_ANOMALY | HOLTER_MANUAL | 0xff00)) != 0)
        return error_set(err, HOLTER_INVALID,
                         "found flags %#x, expected bits 2, 3 and 8 to 15 only", row->flags);
    for (size_t f = 0; f < metric->field_count; f++) {
        holter_status status =
            take_value(out, &implausible, &text_bytes, batch, view, f, &row->values[f], err);
        if (status != HOLTER_OK)
            return status;
    }
    if (text_bytes > batch->row_text_bytes_max)
        return error_set(err, HOLTER_INVALID,
                         "metric '%s': found texts of %zu bytes, expected at most %zu a row",
                         metric->name, text_bytes, batch->row_text_bytes_max);
    if (implausible != 0 && batch->refuses_implausible)
        return error_set(err, HOLTER_INVALID, "metric '%s': a value is %s", metric->name,
                         (implausible & SAMPLE_NON_FINITE) != 0 ? "not finite"
                                                                : "out of its plausible range");
    out->flags |= implausible;
    return HOLTER_OK;
}

/* The series that was added last, and has no row, goes. */
static void drop_series(holter_batch *batch, struct batch_series *series)
{
    core_assert(series == &batch->series[batch->series_count - 1]);
    batch->slots[slot_of(batch, series->user, series->metric, series->source)] = 0;
    columns_release(&series->columns);
    batch->series_count--;
    batch->series_last = 0;
}

/* Rows that were asked for and are not in the batch. */
static void count_refused(const holter_batch *batch, size_t rows)
{
    if (store_enter(batch->store, NULL) != HOLTER_OK)
        return;
    head_count(batch->store->head, HEAD_ROWS_REFUSED, rows);
    store_leave(batch->store);
}

static bool reserve_answers(holter_batch *batch, size_t rows)
{
    void *answers = batch->answers;
    if (rows > SIZE_MAX - batch->row_count ||
        !core_grow(&answers, &batch->answer_capacity, batch->row_count + rows,
                   sizeof *batch->answers))
        return false;
    batch->answers = answers;
    return true;
}

/* Rows of a series have found their way into the columns. */
static void take_answers(holter_batch *batch, const uint16_t *flags, size_t rows)
{
    holter_row_answer *answers = batch->answers + batch->row_count;
    for (size_t i = 0; i < rows; i++)
        answers[i] = (holter_row_answer){ .answer = HOLTER_PENDING, .flags = flags[i] };
    batch->row_count += rows;
}

/* A value that take_value has nothing to say about, as a word of columns. */
static inline bool plain_value(int64_t *out, const holter_field *of, const holter_value *value)
{
    *out = value->integer;
    switch (of->type) {
    case HOLTER_INT:
        return !of->has_range ||
               (value->integer >= of->min.integer && value->integer <= of->max.integer);
    case HOLTER_FLOAT:
        memcpy(out, &value->real, sizeof *out);
        return isfinite(value->real) &&
               (!of->has_range || (value->real >= of->min.real && value->real <= of->max.real));
    case HOLTER_ENUM:
        return value->integer >= 0 && (uint64_t)value->integer < of->label_count;
    case HOLTER_TEXT:
        break;
    }
    return false;
}

/*
 * Most rows: of a series that has room for them, with nothing to remark. Straight into the columns, a third of what
 * take_row takes; false, and nothing counts, where that has to look.
 */
static bool append_plain(struct batch_series *series, holter_batch *batch, const holter_row *row)
{
    const holter_metric *metric = series->view;
    struct columns *to = &series->columns;
    const size_t at = to->count;
    if (at == to->capacity || batch->row_count == batch->answer_capacity ||
        row->value_count != metric->field_count || row->values == NULL ||
        !sample_time_is_valid(row->time_ns) || row->duration_ns < 0 ||
        (row->flags & ~(HOLTER_ANOMALY | HOLTER_MANUAL | 0xff00)) != 0)
        return false;
    if (to->duration != NULL)
        to->duration[at] = row->duration_ns;
    else if (row->duration_ns != 0)
        return false;
    for (size_t f = 0; f < metric->field_count; f++)
        if (!plain_value(&to->field[f][at], &metric->fields[f], &row->values[f]))
            return false;
    to->time[at] = row->time_ns;
    to->flags[at] = row->flags;
    to->revision[at] = row->revision != 0 ? row->revision : batch->revision;
    to->sequence[at] = batch->row_count;
    to->count++;
    take_answers(batch, &row->flags, 1);
    return true;
}

holter_status holter_batch_add(holter_batch *batch, const holter_row *row, size_t *index,
                               holter_error *err)
{
    struct row one;
    holter_status status = HOLTER_OK;
    if (batch == NULL || row == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s", batch == NULL ? "batch" : "row");
    struct batch_series *series = find_series(batch, row->user, row->metric, row->source);
    const size_t place = batch->row_count;
    if (series != NULL && append_plain(series, batch, row)) {
        if (index != NULL)
            *index = place;
        return HOLTER_OK;
    }
    const holter_metric *metric = series != NULL ? series->view : NULL;
    if (series == NULL)
        status = look_up(&metric, batch, row->user, row->metric, row->source, true, err);
    if (status == HOLTER_OK)
        status = take_row(&one, batch, &metric, row, err);
    if (status == HOLTER_OK && series == NULL)
        status = add_series(&series, batch, row->user, metric, row->source, err);
    if (status == HOLTER_OK &&
        (!reserve_answers(batch, 1) || !columns_append(&series->columns, &one)))
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for a row in a batch");
    if (status != HOLTER_OK) {
        if (series != NULL && series->columns.count == 0)
            drop_series(batch, series);
        count_refused(batch, 1);
        return status;
    }
    series->view = metric;
    if (index != NULL)
        *index = place;
    take_answers(batch, &one.flags, 1);
    return HOLTER_OK;
}

/* ---- rows in columns ------------------------------------------------------------------------- */

static holter_status check_columns(const holter_columns *rows, const holter_metric *metric,
                                   holter_error *err)
{
    if (rows->kind != metric->kind || rows->field_count != metric->field_count)
        return error_set(err, HOLTER_INVALID,
                         "metric '%s': found columns of another kind, or of %zu fields, expected "
                         "%s of %zu",
                         metric->name, rows->field_count,
                         metric->kind == HOLTER_INSTANT ? "instants" : "intervals",
                         metric->field_count);
    for (size_t f = 0; f < metric->field_count; f++) {
        if (rows->types[f] != metric->fields[f].type)
            return error_set(err, HOLTER_INVALID, "field '%s': found a column of another type",
                             metric->fields[f].name);
        if (rows->fields[f].integer == NULL && rows->count > 0)
            return error_set(err, HOLTER_INVALID, "field '%s': there is no column",
                             metric->fields[f].name);
    }
    if (rows->count > 0 &&
        (rows->time_ns == NULL || (metric->kind == HOLTER_INTERVAL && rows->duration_ns == NULL)))
        return error_set(err, HOLTER_INVALID, "metric '%s': there is no column of %s", metric->name,
                         rows->time_ns == NULL ? "times" : "durations");
    return HOLTER_OK;
}

/* One row of columns as holter_batch_add wants it. */
static void row_of_columns(holter_row *out, holter_value *values, const holter_columns *rows,
                           size_t at)
{
    for (size_t f = 0; f < rows->field_count; f++) {
        if (rows->types[f] == HOLTER_FLOAT)
            values[f].real = rows->fields[f].real[at];
        else if (rows->types[f] == HOLTER_TEXT) {
            values[f].text.bytes = rows->fields[f].text[at].bytes;
            values[f].text.count = rows->fields[f].text[at].count;
        } else
            values[f].integer = rows->fields[f].integer[at];
    }
    uint16_t flags = rows->flags != NULL ? rows->flags[at] : 0;
    *out = (holter_row){ .user = rows->user,
                         .metric = rows->metric,
                         .source = rows->source,
                         .time_ns = rows->time_ns[at],
                         .duration_ns = rows->duration_ns != NULL ? rows->duration_ns[at] : 0,
                         .values = values,
                         .value_count = rows->field_count,
                         .flags = flags & (uint16_t) ~(HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE),
                         .revision = rows->revision != NULL ? rows->revision[at] : 0 };
}

/* One after another: texts, and columns where append_at_once found something to look at. */
static holter_status append_each(struct batch_series *series, holter_batch *batch,
                                 const holter_metric **view, const holter_columns *rows,
                                 holter_error *err)
{
    struct columns *to = &series->columns;
    for (size_t i = 0; i < rows->count; i++) {
        holter_error one_err;
        holter_row asked;
        holter_value values[HOLTER_FIELDS_MAX];
        struct row one;
        row_of_columns(&asked, values, rows, i);
        holter_status status = take_row(&one, batch, view, &asked, &one_err);
        if (status != HOLTER_OK)
            return error_set(err, status, "row %zu: %s", i, one_err.message);
        one.sequence += i;
        if (!columns_append(to, &one))
            return error_set(err, HOLTER_NO_MEMORY, "no memory for %zu rows in a batch",
                             rows->count);
    }
    return HOLTER_OK;
}

/* *flags |= what is implausible about the value of each row. False: there is no such label. */
static bool weigh_values(uint16_t *flags, const holter_columns *rows, size_t field,
                         const holter_field *of)
{
    const int64_t *integers = rows->fields[field].integer;
    const double *reals = rows->fields[field].real;
    if (of->type == HOLTER_FLOAT) {
        double min = of->has_range ? of->min.real : -INFINITY;
        double max = of->has_range ? of->max.real : INFINITY;
        for (size_t i = 0; i < rows->count; i++)
            flags[i] |= !isfinite(reals[i])                ? SAMPLE_NON_FINITE
                        : reals[i] < min || reals[i] > max ? SAMPLE_OUT_OF_RANGE
                                                           : 0;
        return true;
    }
    bool is_enum = of->type == HOLTER_ENUM;
    if (!is_enum && !of->has_range)
        return true;
    int64_t min = is_enum ? 0 : of->min.integer;
    int64_t max = is_enum ? (int64_t)of->label_count - 1 : of->max.integer;
    int64_t least, greatest;
    codec_range(&least, &greatest, integers, rows->count);
    if (least >= min && greatest <= max)
        return true;
    for (size_t i = 0; !is_enum && i < rows->count; i++)
        flags[i] |= integers[i] < min || integers[i] > max ? SAMPLE_OUT_OF_RANGE : 0;
    return !is_enum;
}

/* Columns as they are, where take_row would take each row; false, and nothing counts, where it may not. */
static bool append_at_once(struct batch_series *series, const holter_batch *batch,
                           const holter_metric *metric, const holter_columns *rows)
{
    struct columns *to = &series->columns;
    const size_t at = to->count;
    const size_t count = rows->count;
    uint16_t *flags = to->flags + at;
    const uint16_t found_anew = HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE;
    const uint16_t known = HOLTER_ANOMALY | HOLTER_MANUAL | 0xff00 | found_anew;
    int64_t least, greatest;
    codec_range(&least, &greatest, rows->time_ns, count);
    bool is_odd =
        rows->source == 0 || !sample_time_is_valid(least) || !sample_time_is_valid(greatest);
    memcpy(to->time + at, rows->time_ns, count * sizeof *to->time);
    if (rows->duration_ns != NULL) {
        bool is_instant = metric->kind == HOLTER_INSTANT;
        codec_range(&least, &greatest, rows->duration_ns, count);
        is_odd = is_odd || least < 0 || (is_instant && greatest != 0);
        if (!is_instant)
            memcpy(to->duration + at, rows->duration_ns, count * sizeof *to->duration);
    }
    uint16_t given = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t one = rows->flags != NULL ? rows->flags[i] : 0;
        given |= one;
        flags[i] = one & (uint16_t)~found_anew;
    }
    is_odd = is_odd || (given & ~known) != 0;
    for (size_t f = 0; f < metric->field_count; f++) {
        if (metric->fields[f].type == HOLTER_TEXT ||
            !weigh_values(flags, rows, f, &metric->fields[f]))
            return false;
        memcpy(to->field[f] + at, rows->fields[f].integer, count * sizeof *to->field[f]);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t revision = rows->revision != NULL ? rows->revision[i] : 0;
        to->revision[at + i] = revision != 0 ? revision : batch->revision;
        to->sequence[at + i] = batch->row_count + i;
    }
    for (size_t i = 0; batch->refuses_implausible && i < count; i++)
        is_odd = is_odd || (flags[i] & found_anew) != 0;
    if (!is_odd)
        to->count += count;
    return !is_odd;
}

holter_status holter_batch_add_columns(holter_batch *batch, const holter_columns *rows,
                                       size_t *index, holter_error *err)
{
    holter_status status = HOLTER_OK;
    if (batch == NULL || rows == NULL)
        return error_set(err, HOLTER_INVALID, "there %s",
                         batch == NULL ? "is no batch" : "are no columns");
    struct batch_series *series = find_series(batch, rows->user, rows->metric, rows->source);
    const holter_metric *metric = series != NULL ? series->view : NULL;
    if (series == NULL)
        status =
            look_up(&metric, batch, rows->user, rows->metric, rows->source, rows->count > 0, err);
    if (status == HOLTER_OK)
        status = check_columns(rows, metric, err);
    if (status == HOLTER_OK && rows->count > 0 && series == NULL)
        status = add_series(&series, batch, rows->user, metric, rows->source, err);
    if (status == HOLTER_OK && rows->count > 0) {
        struct columns *to = &series->columns;
        const size_t count = to->count;
        const size_t text_bytes = to->text.bytes;
        if (!reserve_answers(batch, rows->count) || !columns_reserve(to, rows->count))
            status =
                error_set(err, HOLTER_NO_MEMORY, "no memory for %zu rows in a batch", rows->count);
        else if (!append_at_once(series, batch, metric, rows))
            status = append_each(series, batch, &metric, rows, err);
        if (status != HOLTER_OK)
            columns_truncate(to, count, text_bytes);
    }
    if (status != HOLTER_OK) {
        if (series != NULL && series->columns.count == 0)
            drop_series(batch, series);
        count_refused(batch, rows->count);
        return status;
    }
    if (index != NULL)
        *index = batch->row_count;
    if (rows->count == 0)
        return HOLTER_OK;
    series->view = metric;
    take_answers(batch, series->columns.flags + series->columns.count - rows->count, rows->count);
    return HOLTER_OK;
}

holter_status holter_batch_delete(holter_batch *batch, uint64_t user, uint32_t metric,
                                  uint32_t source, int64_t begin_ns, int64_t end_ns,
                                  int64_t revision, holter_error *err)
{
    if (batch == NULL)
        return error_set(err, HOLTER_INVALID, "there is no batch");
    if (begin_ns >= end_ns)
        return error_set(err, HOLTER_INVALID,
                         "found a range that ends before it begins, or is empty");
    if (metric == 0 && source != 0)
        return error_set(err, HOLTER_INVALID,
                         "found a source without a metric, expected both or metric alone");
    const holter_metric *known;
    holter_status status =
        look_up(metric != 0 ? &known : NULL, batch, user, metric, source, true, err);
    size_t of_user = 0;
    for (size_t i = 0; i < batch->tombstone_count; i++)
        of_user += batch->tombstones[i].user == user;
    if (status == HOLTER_OK && of_user >= TOMBSTONES_MAX)
        status = error_set(err, HOLTER_INVALID,
                           "found more than %d deletions of one user in a batch", TOMBSTONES_MAX);
    if (status == HOLTER_OK) {
        void *tombstones = batch->tombstones;
        if (core_grow(&tombstones, &batch->tombstone_capacity, batch->tombstone_count + 1,
                      sizeof *batch->tombstones)) {
            batch->tombstones = tombstones;
            batch->tombstones[batch->tombstone_count++] = (struct batch_tombstone){
                .user = user,
                .tombstone = { .metric = metric,
                               .source = source,
                               .begin = begin_ns,
                               .end = end_ns,
                               .revision = revision != 0 ? revision : batch->revision },
            };
        } else {
            status = error_set(err, HOLTER_NO_MEMORY, "no memory for a deletion in a batch");
        }
    }
    return status;
}
