/*
 * store_metrics.c -- metrics as callers see and define them.
 *
 * What the catalog lends may move with the next change, so callers get views that live as long as
 * the store; a view is made once, and again when labels were added.
 */
#include "store/store_impl.h"

#include <stdlib.h>
#include <string.h>

static void metric_free(struct store_metric *one)
{
    for (size_t f = 0; f < SCHEMA_FIELDS_MAX; f++) {
        for (size_t i = 0; one->labels[f] != NULL && i < one->metric.fields[f].label_count; i++)
            free(one->labels[f][i]);
        free(one->labels[f]);
    }
    free(one);
}

void store_metrics_free(holter_store *store)
{
    while (store->metrics != NULL) {
        struct store_metric *next = store->metrics->next;
        metric_free(store->metrics);
        store->metrics = next;
    }
}

static bool has_same_labels(const struct catalog_metric *a, const struct catalog_metric *b)
{
    for (size_t f = 0; f < a->schema.field_count; f++) {
        if (a->fields[f].label_count != b->fields[f].label_count)
            return false;
    }
    return true;
}

/* The labels point into the catalog: copy them. */
static bool own_labels(struct store_metric *one)
{
    bool has_memory = true;
    for (size_t f = 0; f < SCHEMA_FIELDS_MAX; f++) {
        struct catalog_field *field = &one->metric.fields[f];
        const char *const *from = field->labels;
        size_t count = from != NULL ? field->label_count : 0;
        one->labels[f] = count > 0 ? core_calloc(count, sizeof *one->labels[f]) : NULL;
        has_memory = has_memory && (count == 0 || one->labels[f] != NULL);
        for (size_t i = 0; one->labels[f] != NULL && i < count; i++) {
            one->labels[f][i] = strdup(from[i]);
            has_memory = has_memory && one->labels[f][i] != NULL;
        }
        field->labels = (const char *const *)one->labels[f];
    }
    return has_memory;
}

static holter_value value_of_word(uint8_t type, int64_t word)
{
    holter_value value = { .integer = word };
    if (type == FIELD_FLOAT)
        memcpy(&value.real, &word, sizeof value.real);
    return value;
}

static void fill_view(holter_metric *view, const struct catalog_metric *metric)
{
    *view = (holter_metric){
        .number = metric->number,
        .name = metric->name,
        .unit = metric->unit,
        .kind = (holter_kind)metric->schema.kind,
        .field_count = metric->schema.field_count,
        .key_field = metric->schema.key_field == SCHEMA_NO_KEY ? -1 : metric->schema.key_field,
        .aggregation = (holter_aggregation)metric->aggregation,
        .tier_class = (holter_class)metric->class,
        .carry_ns = metric->carry_ns,
        .healthkit = metric->healthkit,
        .health_connect = metric->health_connect,
        .open_mhealth = metric->open_mhealth,
        .loinc = metric->loinc,
    };
    for (size_t f = 0; f < metric->schema.field_count; f++) {
        const struct catalog_field *from = &metric->fields[f];
        view->fields[f] = (holter_field){ .name = from->name,
                                          .type = (holter_type)from->type,
                                          .exponent = from->exponent,
                                          .has_range = from->has_range,
                                          .min = value_of_word(from->type, from->min),
                                          .max = value_of_word(from->type, from->max),
                                          .labels = from->labels,
                                          .label_count = from->label_count };
    }
}

holter_status store_metric_view(const holter_metric **out, holter_store *store,
                                const struct catalog_metric *metric, holter_error *err)
{
    for (struct store_metric *one = store->metrics; one != NULL; one = one->next) {
        if (one->metric.number == metric->number && has_same_labels(&one->metric, metric)) {
            *out = &one->view;
            return HOLTER_OK;
        }
    }
    struct store_metric *one = calloc(1, sizeof *one);
    if (one == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a metric", store->path);
    one->metric = *metric;
    if (!own_labels(one)) {
        metric_free(one);
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a metric's labels",
                         store->path);
    }
    fill_view(&one->view, &one->metric);
    one->next = store->metrics;
    store->metrics = one;
    *out = &one->view;
    return HOLTER_OK;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static holter_status show(holter_metric *out, holter_store *store,
                          const struct catalog_metric *metric, holter_error *err)
{
    const holter_metric *view;
    holter_status status = store_metric_view(&view, store, metric, err);
    if (status == HOLTER_OK)
        *out = *view;
    return status;
}

holter_status holter_metric_find(holter_store *store, const char *name, holter_metric *out,
                                 holter_error *err)
{
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    const struct catalog_metric *metric =
        name != NULL ? catalog_metric_find(store->catalog, name) : NULL;
    if (metric == NULL)
        status = error_set(err, HOLTER_NOT_FOUND, "there is no metric '%.63s'",
                           name != NULL ? name : "");
    else
        status = show(out, store, metric, err);
    store_read_end(store);
    return status;
}

static holter_status metric_by_number(holter_store *store, uint32_t number, holter_metric *out,
                                      holter_error *err)
{
    const struct catalog_metric *metric = catalog_metric_by_number(store->catalog, number);
    if (metric == NULL)
        return error_set(err, HOLTER_NOT_FOUND, "there is no metric with number %u", number);
    return show(out, store, metric, err);
}

holter_status store_metric_by_number(holter_store *store, uint32_t number, holter_metric *out,
                                     holter_error *err)
{
    io_mutex_lock(store->mutex);
    holter_status status = metric_by_number(store, number, out, err);
    io_mutex_unlock(store->mutex);
    return status;
}

holter_status holter_metric_by_number(holter_store *store, uint32_t number, holter_metric *out,
                                      holter_error *err)
{
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    status = metric_by_number(store, number, out, err);
    store_read_end(store);
    return status;
}

size_t holter_metric_count(holter_store *store)
{
    if (store_read_begin(store, NULL) != HOLTER_OK)
        return 0;
    size_t count = catalog_metric_count(store->catalog);
    store_read_end(store);
    return count;
}

holter_status holter_metric_at(holter_store *store, size_t index, holter_metric *out,
                               holter_error *err)
{
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    if (index >= catalog_metric_count(store->catalog))
        status = error_set(err, HOLTER_NOT_FOUND, "there is no metric with index %zu", index);
    else
        status = show(out, store, catalog_metric_at(store->catalog, index), err);
    store_read_end(store);
    return status;
}

/* ---- defining -------------------------------------------------------------------------------- */

static bool copy_name(char out[static CATALOG_NAME_BYTES_MAX + 1], const char *from)
{
    size_t bytes = from != NULL ? strlen(from) : 0;
    if (bytes > CATALOG_NAME_BYTES_MAX)
        return false;
    memset(out, 0, CATALOG_NAME_BYTES_MAX + 1);
    memcpy(out, from != NULL ? from : "", bytes);
    return true;
}

static int64_t word_of_value(holter_type type, holter_value value)
{
    int64_t word = value.integer;
    if (type == HOLTER_FLOAT)
        memcpy(&word, &value.real, sizeof word);
    return word;
}

/* The shape is checked here as far as copying needs it; catalog_add_metric checks what it means. */
static holter_status metric_from(struct catalog_metric *out, const holter_metric *metric,
                                 holter_error *err)
{
    *out = (struct catalog_metric){
        .aggregation = (uint8_t)metric->aggregation,
        .class = (uint8_t)metric->tier_class,
        .carry_ns = metric->carry_ns,
    };
    if (metric->field_count < 1 || metric->field_count > SCHEMA_FIELDS_MAX)
        return error_set(err, HOLTER_INVALID, "found %zu fields, expected 1 to %d",
                         metric->field_count, SCHEMA_FIELDS_MAX);
    if (metric->key_field < -1 || metric->key_field >= (int)metric->field_count)
        return error_set(err, HOLTER_INVALID, "found key field %d, expected -1 or a field's index",
                         metric->key_field);
    bool fits = copy_name(out->name, metric->name) && copy_name(out->unit, metric->unit) &&
                copy_name(out->healthkit, metric->healthkit) &&
                copy_name(out->health_connect, metric->health_connect) &&
                copy_name(out->open_mhealth, metric->open_mhealth) &&
                copy_name(out->loinc, metric->loinc);
    out->schema.kind = (uint8_t)metric->kind;
    out->schema.field_count = (uint8_t)metric->field_count;
    out->schema.key_field = metric->key_field < 0 ? SCHEMA_NO_KEY : (uint8_t)metric->key_field;
    for (size_t f = 0; f < metric->field_count; f++) {
        const holter_field *from = &metric->fields[f];
        struct catalog_field *to = &out->fields[f];
        fits = fits && copy_name(to->name, from->name);
        if (from->exponent < -18 || from->exponent > 18)
            return error_set(err, HOLTER_INVALID, "found exponent %d, expected -18 to 18",
                             from->exponent);
        out->schema.types[f] = (uint8_t)from->type;
        to->type = (uint8_t)from->type;
        to->exponent = (int8_t)from->exponent;
        to->has_range = from->has_range != 0;
        to->min = from->has_range ? word_of_value(from->type, from->min) : 0;
        to->max = from->has_range ? word_of_value(from->type, from->max) : 0;
        to->labels = from->labels;
        to->label_count = from->label_count;
    }
    if (!fits)
        return error_set(err, HOLTER_INVALID, "found a name or unit that is longer than %d bytes",
                         CATALOG_NAME_BYTES_MAX);
    return HOLTER_OK;
}

holter_status holter_metric_define(holter_store *store, const holter_metric *metric,
                                   uint32_t *number, holter_error *err)
{
    struct catalog_metric asked;
    uint32_t given;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = metric != NULL ? metric_from(&asked, metric, err)
                            : error_set(err, HOLTER_INVALID, "there is no metric to define");
    if (status == HOLTER_OK)
        status = store_change_begin(store, err);
    if (status == HOLTER_OK) {
        status = catalog_add_metric(store->catalog, &asked, &given, err);
        store_change_end(store);
    }
    if (status == HOLTER_OK && number != NULL)
        *number = given;
    store_leave(store);
    return status;
}

holter_status holter_metric_add_label(holter_store *store, uint32_t metric, size_t field,
                                      const char *label, int64_t *value, holter_error *err)
{
    int64_t given;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    if (label == NULL)
        status = error_set(err, HOLTER_INVALID, "there is no label to add");
    if (status == HOLTER_OK)
        status = store_change_begin(store, err);
    if (status == HOLTER_OK) {
        status = catalog_add_label(store->catalog, metric, field, label, &given, err);
        store_change_end(store);
    }
    if (status == HOLTER_OK && value != NULL)
        *value = given;
    store_leave(store);
    return status;
}
