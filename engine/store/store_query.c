/*
 * store_query.c -- snapshots of the whole store, and cursors over them.
 */
#include "store/store_impl.h"

#include <stdlib.h>
#include <string.h>

struct snapshot_shard {
    struct shard *shard;
    struct shard_snapshot *snapshot;
};

struct holter_snapshot {
    holter_store *store;
    struct snapshot_shard *shards;
    size_t shard_count;
    size_t users, erased_users; /* of the vault, before the shards' snapshots */
    char *token;                /* NULL: not asked for yet */
};

struct holter_cursor {
    holter_store *store;
    uint64_t user;
    struct query_scan *scan; /* NULL: a cursor of one row */
    struct columns row;
    uint32_t row_metric, row_source;
    bool has_row;
    struct holter_text *texts[HOLTER_FIELDS_MAX]; /* QUERY_ROWS_MAX each, where a field is text */
};

/* ---- snapshots ------------------------------------------------------------------------------- */

/* Every shard there is, opened. */
static holter_status list_shards(struct holter_snapshot *snapshot, holter_error *err)
{
    holter_store *store = snapshot->store;
    io_mutex_lock(store->mutex);
    holter_status status = store_refresh(store, err);
    size_t count = 0;
    for (size_t r = 0; status == HOLTER_OK && r < store->region_count; r++)
        count += store->regions[r].shard_count;
    if (status == HOLTER_OK) {
        snapshot->shards = core_calloc(count, sizeof *snapshot->shards);
        if (snapshot->shards == NULL)
            status = error_set(err, HOLTER_NO_MEMORY, "no memory for a snapshot");
        snapshot->users = vault_user_count(store->vault);
        snapshot->erased_users = vault_erased_count(store->vault);
    }
    size_t region_count = store->region_count;
    for (size_t r = 0; status == HOLTER_OK && r < region_count; r++) {
        for (uint16_t s = 0; status == HOLTER_OK && s < store->regions[r].shard_count; s++) {
            struct shard *shard;
            if (snapshot->shard_count == count)
                break;
            status = store_shard(&shard, store, (uint16_t)r, s, err);
            if (status == HOLTER_OK)
                snapshot->shards[snapshot->shard_count++].shard = shard;
        }
    }
    io_mutex_unlock(store->mutex);
    return status;
}

static void snapshot_free(holter_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->shard_count; i++)
        shard_snapshot_close(snapshot->shards[i].snapshot);
    free(snapshot->shards);
    free(snapshot->token);
    free(snapshot);
}

void holter_snapshot_close(holter_snapshot *snapshot)
{
    if (snapshot != NULL && !atomic_load(&snapshot->store->is_forked))
        snapshot_free(snapshot);
}

holter_status holter_snapshot_open(holter_snapshot **out, holter_store *store, holter_error *err)
{
    *out = NULL;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    holter_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for a snapshot");
        goto done;
    }
    snapshot->store = store;
    status = list_shards(snapshot, err);
    for (size_t i = 0; status == HOLTER_OK && i < snapshot->shard_count; i++)
        status = shard_snapshot_open(&snapshot->shards[i].snapshot, snapshot->shards[i].shard, err);
    if (status == HOLTER_OK)
        *out = snapshot;
    else
        snapshot_free(snapshot);
done:
    store_leave(store);
    return status;
}

holter_store *store_of_snapshot(holter_snapshot *snapshot)
{
    return snapshot->store;
}

holter_status store_snapshot_of_user(struct shard_snapshot **out, holter_snapshot *snapshot,
                                     uint64_t user, holter_error *err)
{
    struct shard *shard;
    *out = NULL;
    io_mutex_lock(snapshot->store->mutex);
    holter_status status = store_user_shard(&shard, snapshot->store, user, err);
    io_mutex_unlock(snapshot->store->mutex);
    for (size_t i = 0; status == HOLTER_OK && i < snapshot->shard_count; i++) {
        if (snapshot->shards[i].shard == shard)
            *out = snapshot->shards[i].snapshot;
    }
    return status;
}

holter_status holter_snapshot_token(holter_snapshot *snapshot, const char **token,
                                    holter_error *err)
{
    if (snapshot == NULL || token == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         snapshot == NULL ? "snapshot" : "place for a token");
    holter_store *store = snapshot->store;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    io_mutex_lock(store->mutex); /* a snapshot is for any thread */
    char *made = snapshot->token;
    io_mutex_unlock(store->mutex);
    if (made == NULL) {
        struct store_token told = { .users = snapshot->users,
                                    .erased_users = snapshot->erased_users };
        memcpy(told.store_id, store->id, sizeof told.store_id);
        status = store_token_init(&told, snapshot->shard_count, err);
        for (size_t i = 0; status == HOLTER_OK && i < snapshot->shard_count; i++)
            status = shard_snapshot_bookmark(&told.shards[i], snapshot->shards[i].snapshot, err);
        if (status == HOLTER_OK)
            status = store_token_encode(&made, &told, err);
        store_token_release(&told);
        io_mutex_lock(store->mutex);
        if (status == HOLTER_OK && snapshot->token != NULL) {
            free(made); /* another thread was faster */
            made = snapshot->token;
        }
        if (status == HOLTER_OK)
            snapshot->token = made;
        io_mutex_unlock(store->mutex);
    }
    if (status == HOLTER_OK)
        *token = made;
    store_leave(store);
    return status;
}

/* ---- cursors --------------------------------------------------------------------------------- */

void holter_cursor_close(holter_cursor *cursor)
{
    if (cursor == NULL || atomic_load(&cursor->store->is_forked))
        return;
    query_scan_close(cursor->scan);
    columns_release(&cursor->row);
    for (size_t f = 0; f < HOLTER_FIELDS_MAX; f++)
        free(cursor->texts[f]);
    free(cursor);
}

static holter_status check_metric(holter_store *store, uint32_t metric, holter_error *err)
{
    if (metric == 0)
        return HOLTER_OK;
    io_mutex_lock(store->mutex);
    bool is_known = catalog_metric_by_number(store->catalog, metric) != NULL;
    io_mutex_unlock(store->mutex);
    if (is_known)
        return HOLTER_OK;
    return error_set(err, HOLTER_NOT_FOUND, "there is no metric with number %u", metric);
}

static holter_status cursor_new(holter_cursor **out, holter_store *store, uint64_t user,
                                holter_error *err)
{
    static const struct schema any = {
        .kind = SAMPLE_INSTANT, .field_count = 1, .key_field = SCHEMA_NO_KEY, .types = { FIELD_INT }
    };
    holter_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for a cursor");
    cursor->store = store;
    cursor->user = user;
    columns_init(&cursor->row, &any);
    *out = cursor;
    return HOLTER_OK;
}

/* A bound as a word of columns. */
static int64_t bound_of(uint8_t type, const holter_value *value)
{
    int64_t word = value->integer;
    if (type == FIELD_FLOAT)
        memcpy(&word, &value->real, sizeof word);
    return word;
}

holter_status store_filters_take(struct query_spec *out, const holter_filter *filters, size_t count,
                                 const holter_metric *metric, holter_error *err)
{
    if (count > HOLTER_FIELDS_MAX || (count > 0 && filters == NULL))
        return error_set(err, HOLTER_INVALID, "found %zu filters, expected %s", count,
                         filters == NULL ? "none, as there are none" : "at most 8");
    for (size_t i = 0; i < count; i++) {
        const holter_filter *filter = &filters[i];
        if (filter->field >= metric->field_count)
            return error_set(err, HOLTER_INVALID,
                             "metric '%s' has %zu fields, found a filter of one beyond",
                             metric->name, metric->field_count);
        const holter_field *field = &metric->fields[filter->field];
        if (field->type == HOLTER_TEXT)
            return error_set(err, HOLTER_INVALID,
                             "field '%s' of metric '%s' is a text, which no filter fits",
                             field->name, metric->name);
        bool is_range = field->type == HOLTER_FLOAT ? filter->min.real <= filter->max.real
                                                    : filter->min.integer <= filter->max.integer;
        if (!is_range)
            return error_set(err, HOLTER_INVALID,
                             "field '%s' of metric '%s': found a filter that nothing can pass",
                             field->name, metric->name);
        uint8_t type = (uint8_t)field->type;
        out->filters[i] = (struct query_filter){ .field = (uint8_t)filter->field,
                                                 .type = type,
                                                 .min = bound_of(type, &filter->min),
                                                 .max = bound_of(type, &filter->max) };
    }
    out->filter_count = count;
    return HOLTER_OK;
}

static holter_status take_filters(struct query_spec *out, holter_store *store,
                                  const holter_scan_spec *spec, holter_error *err)
{
    holter_metric metric;
    if (spec->metric == 0)
        return error_set(err, HOLTER_INVALID,
                         "found filters of every metric, expected one metric with them");
    holter_status status = store_metric_by_number(store, spec->metric, &metric, err);
    return status == HOLTER_OK
               ? store_filters_take(out, spec->filters, spec->filter_count, &metric, err)
               : status;
}

holter_status holter_scan(holter_cursor **out, holter_snapshot *snapshot,
                          const holter_scan_spec *spec, holter_error *err)
{
    struct shard_snapshot *of;
    holter_cursor *cursor = NULL;
    *out = NULL;
    if (snapshot == NULL || spec == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         snapshot == NULL ? "snapshot" : "scan");
    holter_status status = store_check_reserved(spec->reserved, CORE_COUNT(spec->reserved), err);
    if (status == HOLTER_OK)
        status = store_enter(snapshot->store, err);
    if (status != HOLTER_OK)
        return status;
    bool is_all = spec->from_ns == 0 && spec->to_ns == 0;
    struct query_spec asked = { .user = spec->user,
                                .metric = spec->metric,
                                .source = spec->source,
                                .from = is_all ? INT64_MIN : spec->from_ns,
                                .to = is_all ? INT64_MAX : spec->to_ns,
                                .overlapping = spec->overlapping != 0,
                                .class_of = store_class_of };
    if (asked.from > asked.to)
        status = error_set(err, HOLTER_INVALID, "found a range that ends before it begins");
    if (status == HOLTER_OK)
        status = store_snapshot_of_user(&of, snapshot, spec->user, err);
    if (status == HOLTER_OK)
        status = spec->filter_count == 0 ? check_metric(snapshot->store, spec->metric, err)
                                         : take_filters(&asked, snapshot->store, spec, err);
    if (status == HOLTER_OK)
        status = cursor_new(&cursor, snapshot->store, spec->user, err);
    if (status == HOLTER_OK && of != NULL)
        status = query_scan_open(&cursor->scan, of, &asked, err);
    if (status == HOLTER_OK)
        *out = cursor;
    else
        holter_cursor_close(cursor);
    store_leave(snapshot->store);
    return status;
}

static holter_status show_texts(struct holter_text **texts, const struct columns *columns,
                                size_t field, size_t first, size_t count, holter_error *err)
{
    if (*texts == NULL)
        *texts = core_calloc(QUERY_ROWS_MAX, sizeof **texts);
    if (*texts == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for texts");
    for (size_t i = 0; i < count; i++) {
        uint32_t bytes;
        const uint8_t *text = columns_text(columns, field, first + i, &bytes);
        (*texts)[i] = (struct holter_text){ .bytes = (const char *)text, .count = bytes };
    }
    return HOLTER_OK;
}

holter_status store_columns_show(holter_columns *out, struct holter_text **texts, uint64_t user,
                                 uint32_t metric, uint32_t source, const struct columns *columns,
                                 size_t first, size_t count, holter_error *err)
{
    core_assert(count <= QUERY_ROWS_MAX);
    *out = (holter_columns){ .user = user,
                             .metric = metric,
                             .source = source,
                             .kind = (holter_kind)columns->schema.kind,
                             .count = count,
                             .time_ns = columns->time + first,
                             .duration_ns =
                                 columns->duration != NULL ? columns->duration + first : NULL,
                             .field_count = columns->schema.field_count,
                             .flags = columns->flags + first,
                             .revision = columns->revision + first };
    for (size_t f = 0; f < columns->schema.field_count; f++) {
        const int64_t *words = columns->field[f] + first;
        out->types[f] = (holter_type)columns->schema.types[f];
        if (columns->schema.types[f] == FIELD_TEXT) {
            holter_status status = show_texts(&texts[f], columns, f, first, count, err);
            if (status != HOLTER_OK)
                return status;
            out->fields[f].text = texts[f];
        } else if (columns->schema.types[f] == FIELD_FLOAT) {
            out->fields[f].real = (const double *)(const void *)words; /* the doubles' bits */
        } else {
            out->fields[f].integer = words;
        }
    }
    return HOLTER_OK;
}

static holter_status show(holter_columns *out, holter_cursor *cursor, uint32_t metric,
                          uint32_t source, const struct columns *columns, holter_error *err)
{
    return store_columns_show(out, cursor->texts, cursor->user, metric, source, columns, 0,
                              columns->count, err);
}

holter_status holter_cursor_next(holter_cursor *cursor, holter_columns *out, holter_error *err)
{
    uint32_t metric, source;
    const struct columns *columns;
    if (cursor == NULL || out == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         cursor == NULL ? "cursor" : "place for rows");
    holter_status status = store_enter(cursor->store, err);
    if (status != HOLTER_OK)
        return status;
    if (cursor->scan != NULL) {
        status = query_scan_next(cursor->scan, &metric, &source, &columns, err);
        if (status == HOLTER_OK)
            status = show(out, cursor, metric, source, columns, err);
    } else if (cursor->has_row) {
        cursor->has_row = false;
        status = show(out, cursor, cursor->row_metric, cursor->row_source, &cursor->row, err);
    } else {
        status = HOLTER_DONE;
    }
    store_leave(cursor->store);
    return status;
}

holter_status holter_latest(holter_cursor **out, holter_snapshot *snapshot, uint64_t user,
                            uint32_t metric, uint32_t source, holter_error *err)
{
    struct shard_snapshot *of;
    holter_cursor *cursor = NULL;
    *out = NULL;
    if (snapshot == NULL || metric == 0)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         snapshot == NULL ? "snapshot" : "metric");
    holter_status status = store_enter(snapshot->store, err);
    if (status != HOLTER_OK)
        return status;
    struct query_spec asked = { .user = user,
                                .metric = metric,
                                .source = source,
                                .from = INT64_MIN,
                                .to = INT64_MAX,
                                .class_of = store_class_of };
    status = store_snapshot_of_user(&of, snapshot, user, err);
    if (status == HOLTER_OK)
        status = check_metric(snapshot->store, metric, err);
    if (status == HOLTER_OK)
        status = cursor_new(&cursor, snapshot->store, user, err);
    if (status == HOLTER_OK && of != NULL) {
        status = query_latest(&cursor->row, &cursor->row_source, of, &asked, err);
        cursor->row_metric = metric;
        cursor->has_row = status == HOLTER_OK && cursor->row.count > 0;
    }
    if (status == HOLTER_OK || status == HOLTER_DONE) {
        *out = cursor;
        status = HOLTER_OK;
    } else {
        holter_cursor_close(cursor);
    }
    store_leave(snapshot->store);
    return status;
}
