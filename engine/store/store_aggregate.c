/*
 * store_aggregate.c -- aggregates over a snapshot: what is asked is checked here, query answers.
 */
#include "store/store_impl.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FUNCTIONS_OF_ALL = HOLTER_FN_COUNT | HOLTER_FN_TIME | HOLTER_FN_FIRST | HOLTER_FN_LAST,
    FUNCTIONS_OF_NUMBERS =
        FUNCTIONS_OF_ALL | HOLTER_FN_SUM | HOLTER_FN_MEAN | HOLTER_FN_MIN | HOLTER_FN_MAX
};

struct holter_aggregator {
    holter_store *store;
    struct query_aggregate *aggregate; /* NULL: the user has nothing in the snapshot */
};

static holter_status check_fields(uint32_t *fields, const holter_aggregate_spec *spec,
                                  const holter_metric *metric, holter_error *err)
{
    static const char *const types[] = { "", "", "", "an enum", "a text" };
    uint32_t all = ((uint32_t)1 << metric->field_count) - 1;
    uint32_t key = metric->key_field < 0 ? 0 : (uint32_t)1 << metric->key_field;
    if (spec->functions == 0 || (spec->functions & ~(uint32_t)FUNCTIONS_OF_NUMBERS) != 0)
        return error_set(err, HOLTER_INVALID, "found %s, expected some of HOLTER_FN_*",
                         spec->functions == 0 ? "no functions" : "functions that do not exist");
    if ((spec->fields & ~all) != 0)
        return error_set(err, HOLTER_INVALID, "metric '%s' has %zu fields, found one beyond",
                         metric->name, metric->field_count);
    if ((spec->fields & key) != 0)
        return error_set(err, HOLTER_INVALID,
                         "field '%s' of metric '%s' is its key, and no value to aggregate",
                         metric->fields[metric->key_field].name, metric->name);
    if ((spec->functions & HOLTER_FN_TIME) != 0 && metric->kind != HOLTER_INTERVAL)
        return error_set(err, HOLTER_INVALID, "metric '%s' is of instants, which last no time",
                         metric->name);
    *fields = spec->fields != 0 ? spec->fields : all & ~key;
    if ((spec->functions & ~(uint32_t)FUNCTIONS_OF_ALL) == 0)
        return HOLTER_OK;
    for (size_t f = 0; f < metric->field_count; f++) {
        const holter_field *field = &metric->fields[f];
        if ((*fields >> f & 1) != 0 && (field->type == HOLTER_ENUM || field->type == HOLTER_TEXT))
            return error_set(
                err, HOLTER_INVALID,
                "field '%s' of metric '%s' is %s, which count, time, first and last fit",
                field->name, metric->name, types[field->type]);
    }
    return HOLTER_OK;
}

static void fill_schema(struct query_aggregate_spec *asked, const holter_metric *metric)
{
    asked->schema.kind = (uint8_t)metric->kind;
    asked->schema.field_count = (uint8_t)metric->field_count;
    asked->schema.key_field = metric->key_field < 0 ? SCHEMA_NO_KEY : (uint8_t)metric->key_field;
    for (size_t f = 0; f < metric->field_count; f++) {
        asked->schema.types[f] = (uint8_t)metric->fields[f].type;
        asked->exponents[f] = (int8_t)metric->fields[f].exponent;
    }
}

static holter_status aggregator_open(holter_aggregator **out, holter_snapshot *snapshot,
                                     holter_store *store, const holter_aggregate_spec *spec,
                                     holter_error *err)
{
    holter_metric metric;
    struct shard_snapshot *of;
    bool is_all = spec->from_ns == 0 && spec->to_ns == 0;
    struct query_aggregate_spec asked = { .rows = { .user = spec->user,
                                                    .metric = spec->metric,
                                                    .source = spec->source,
                                                    .from = is_all ? INT64_MIN : spec->from_ns,
                                                    .to = is_all ? INT64_MAX : spec->to_ns,
                                                    .class_of = store_class_of },
                                          .every = spec->every,
                                          .zone = store_zone_of(spec->zone),
                                          .functions = spec->functions };
    if (asked.rows.from > asked.rows.to)
        return error_set(err, HOLTER_INVALID, "found a range that ends before it begins");
    holter_status status = store_snapshot_of_user(&of, snapshot, spec->user, err);
    if (status == HOLTER_OK)
        status = store_metric_by_number(store, spec->metric, &metric, err);
    if (status == HOLTER_OK)
        status = check_fields(&asked.fields, spec, &metric, err);
    if (status == HOLTER_OK)
        status = store_filters_take(&asked.rows, spec->filters, spec->filter_count, &metric, err);
    if (status != HOLTER_OK)
        return status;
    fill_schema(&asked, &metric);
    holter_aggregator *aggregator = calloc(1, sizeof *aggregator);
    if (aggregator == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for an aggregator");
    aggregator->store = store;
    if (of != NULL)
        status = query_aggregate_open(&aggregator->aggregate, of, &asked, err);
    if (status == HOLTER_OK)
        *out = aggregator;
    else
        free(aggregator);
    return status;
}

holter_status holter_aggregate(holter_aggregator **out, holter_snapshot *snapshot,
                               const holter_aggregate_spec *spec, holter_error *err)
{
    *out = NULL;
    if (snapshot == NULL || spec == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         snapshot == NULL ? "snapshot" : "aggregate to open");
    holter_store *store = store_of_snapshot(snapshot);
    holter_status status = store_check_reserved(spec->reserved, CORE_COUNT(spec->reserved), err);
    if (status == HOLTER_OK)
        status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = aggregator_open(out, snapshot, store, spec, err);
    store_leave(store);
    return status;
}

holter_status holter_aggregate_next(holter_aggregator *aggregator, holter_windows *out,
                                    holter_error *err)
{
    if (aggregator == NULL || out == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         aggregator == NULL ? "aggregator" : "place for windows");
    holter_status status = store_enter(aggregator->store, err);
    if (status != HOLTER_OK)
        return status;
    status = aggregator->aggregate == NULL ? HOLTER_DONE
                                           : query_aggregate_next(aggregator->aggregate, out, err);
    store_leave(aggregator->store);
    return status;
}

void holter_aggregate_close(holter_aggregator *aggregator)
{
    if (aggregator == NULL || atomic_load(&aggregator->store->is_forked))
        return;
    query_aggregate_close(aggregator->aggregate);
    free(aggregator);
}
