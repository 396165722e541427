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

holter_status holter_batch_new(holter_batch **out, holter_store *store,
                               const holter_batch_options *options, holter_error *err)
{
    static const holter_batch_options defaults;
    const holter_batch_options *asked = options != NULL ? options : &defaults;
    *out = NULL;
    holter_status status = store_check_reserved(asked->reserved, err);
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

/* Is there such a user, with such a source? Once for each series of a batch. */
static holter_status check_series(holter_store *store, uint64_t user, uint32_t source,
                                  holter_error *err)
{
    struct vault_user found;
    io_mutex_lock(store->mutex);
    holter_status status = store_follow(store, err);
    if (status == HOLTER_OK)
        status = vault_find_number(&found, store->vault, user, err);
    if (status == HOLTER_OK && found.is_erased)
        status =
            error_set(err, HOLTER_EXPIRED, "user #%016llx is erased", (unsigned long long)user);
    if (status == HOLTER_OK && source > catalog_source_count(store->catalog, user))
        status = error_set(err, HOLTER_NOT_FOUND, "user #%016llx has no source with number %u",
                           (unsigned long long)user, source);
    io_mutex_unlock(store->mutex);
    return status;
}

static holter_status add_series(struct batch_series **out, holter_batch *batch,
                                const holter_row *row, const holter_metric *metric,
                                holter_error *err)
{
    struct schema schema = { 0 };
    holter_status status = check_series(batch->store, row->user, row->source, err);
    if (status != HOLTER_OK)
        return status;
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
        .user = row->user, .metric = row->metric, .source = row->source, .view = metric
    };
    columns_init(&one->columns, &schema);
    batch->slots[slot_of(batch, row->user, row->metric, row->source)] =
        (uint32_t)++batch->series_count;
    *out = one;
    return HOLTER_OK;
}

/* The batch's series of a row; NULL: there is none yet. */
static struct batch_series *find_series(holter_batch *batch, const holter_row *row)
{
    if (batch->series_count == 0)
        return NULL;
    struct batch_series *last = &batch->series[batch->series_last];
    if (last->user == row->user && last->metric == row->metric && last->source == row->source)
        return last;
    uint32_t slot = batch->slots[slot_of(batch, row->user, row->metric, row->source)];
    if (slot == 0)
        return NULL;
    batch->series_last = slot - 1;
    return &batch->series[slot - 1];
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* What is said of a metric now. Each series of the batch keeps it. */
static holter_status find_metric(const holter_metric **out, holter_batch *batch, uint32_t number,
                                 holter_error *err)
{
    holter_store *store = batch->store;
    io_mutex_lock(store->mutex);
    holter_status status = store_follow(store, err);
    const struct catalog_metric *metric = catalog_metric_by_number(store->catalog, number);
    if (status == HOLTER_OK && metric == NULL)
        status = error_set(err, HOLTER_NOT_FOUND, "there is no metric with number %u", number);
    if (status == HOLTER_OK)
        status = store_metric_view(out, store, metric, err);
    io_mutex_unlock(store->mutex);
    return status;
}

/* The view of a metric may be older than a label that was added meanwhile. */
static holter_status check_enum(const holter_metric **metric, holter_batch *batch, size_t field,
                                int64_t value, holter_error *err)
{
    if (value >= 0 && (uint64_t)value < (*metric)->fields[field].label_count)
        return HOLTER_OK;
    holter_status status = find_metric(metric, batch, (*metric)->number, err);
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

/* A row that no frame of the log can hold would keep its batch from being committed for ever. */
static size_t row_text_bytes_max(const holter_store *store)
{
    uint64_t of_log = store->log_file_bytes / LOG_SHARE_OF_ROW;
    return of_log > 0 && of_log < ROW_TEXT_BYTES_MAX ? (size_t)of_log : ROW_TEXT_BYTES_MAX;
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
    if (text_bytes > row_text_bytes_max(batch->store))
        return error_set(err, HOLTER_INVALID,
                         "metric '%s': found texts of %zu bytes, expected at most %zu a row",
                         metric->name, text_bytes, row_text_bytes_max(batch->store));
    if (implausible != 0 && batch->refuses_implausible)
        return error_set(err, HOLTER_INVALID, "metric '%s': a value is %s", metric->name,
                         (implausible & SAMPLE_NON_FINITE) != 0 ? "not finite"
                                                                : "out of its plausible range");
    out->flags |= implausible;
    return HOLTER_OK;
}

holter_status holter_batch_add(holter_batch *batch, const holter_row *row, size_t *index,
                               holter_error *err)
{
    struct row one;
    if (batch == NULL || row == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s", batch == NULL ? "batch" : "row");
    holter_status status = store_enter(batch->store, err);
    if (status != HOLTER_OK)
        return status;
    struct batch_series *series = find_series(batch, row);
    const holter_metric *metric = series != NULL ? series->view : NULL;
    if (series == NULL)
        status = find_metric(&metric, batch, row->metric, err);
    if (status == HOLTER_OK)
        status = take_row(&one, batch, &metric, row, err);
    if (status == HOLTER_OK && series == NULL)
        status = add_series(&series, batch, row, metric, err);
    if (status == HOLTER_OK) {
        void *answers = batch->answers;
        bool has_memory = core_grow(&answers, &batch->answer_capacity, batch->row_count + 1,
                                    sizeof *batch->answers);
        batch->answers = answers;
        if (!has_memory || !columns_append(&series->columns, &one))
            status = error_set(err, HOLTER_NO_MEMORY, "no memory for a row in a batch");
    }
    if (status == HOLTER_OK) {
        series->view = metric;
        batch->answers[batch->row_count] =
            (holter_row_answer){ .answer = HOLTER_PENDING, .flags = one.flags };
        if (index != NULL)
            *index = batch->row_count;
        batch->row_count++;
    } else {
        head_count(batch->store->head, HEAD_ROWS_REFUSED, 1);
    }
    store_leave(batch->store);
    return status;
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
    holter_status status = store_enter(batch->store, err);
    if (status != HOLTER_OK)
        return status;
    const holter_metric *known;
    if (metric != 0)
        status = find_metric(&known, batch, metric, err);
    if (status == HOLTER_OK)
        status = check_series(batch->store, user, source, err);
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
    store_leave(batch->store);
    return status;
}
