/*
 * catalog_bytes.c -- the records in the catalog's edits: reading them into memory, writing them.
 *
 *   B1  A body is decoded, and room is made for all of it, before its first record counts; taking
 *       it into memory then fails only where it contradicts what is there. For an edit of our own
 *       this happens before it is written.
 *
 * Bytes: format-spec/catalog.md. Tests: tests/unit/test_catalog_bytes.c.
 */
#include "catalog_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

void catalog_bodies_put_region(struct edits_bodies *b, const struct catalog_region *region)
{
    struct buffer payload;
    buffer_init(&payload);
    buffer_append_u16(&payload, region->number);
    buffer_append_u16(&payload, region->shards);
    catalog_string_encode(&payload, region->name);
    edits_bodies_put(b, RECORD_REGION, &payload);
    buffer_release(&payload);
}

void catalog_bodies_put_metric(struct edits_bodies *b, const struct catalog_metric *metric)
{
    struct buffer payload;
    buffer_init(&payload);
    catalog_metric_encode(&payload, metric);
    edits_bodies_put(b, RECORD_METRIC, &payload);
    buffer_release(&payload);
}

void catalog_bodies_put_source(struct edits_bodies *b, const struct source *source)
{
    uint8_t bytes[SOURCE_HEAD_BYTES + SOURCE_PLAIN_BYTES_MAX + CRYPTO_TAG_BYTES];
    struct writer w = writer_over(bytes, sizeof bytes);
    put_u64(&w, source->user);
    put_u32(&w, source->number);
    put_u32(&w, source->generation);
    put_bytes(&w, source->blob, source->blob_bytes);
    core_assert(!w.overrun);
    edits_bodies_put(b, RECORD_SOURCE,
                     &(struct buffer){ .data = bytes, .bytes = sizeof bytes - w.left });
}

void catalog_bodies_put_feed(struct edits_bodies *b, const struct catalog_feed *feed)
{
    uint8_t bytes[FEED_PAYLOAD_BYTES];
    struct writer w = writer_over(bytes, sizeof bytes);
    put_i64(&w, feed->age_ns);
    put_u64(&w, feed->bytes);
    core_assert(w.left == 0 && !w.overrun);
    edits_bodies_put(b, RECORD_FEED, &(struct buffer){ .data = bytes, .bytes = sizeof bytes });
}

void catalog_bodies_put_all(struct edits_bodies *b, const struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->region_count; i++)
        catalog_bodies_put_region(b, &catalog->regions[i]);
    for (size_t i = 0; i < catalog->metric_count; i++)
        catalog_bodies_put_metric(b, &catalog->metrics[i]->told);
    for (size_t i = 0; i < catalog->sources.count && !b->failed; i++)
        catalog_bodies_put_source(b, &catalog->sources.all[i]);
    if (catalog->feed.bytes != 0)
        catalog_bodies_put_feed(b, &catalog->feed);
}

/* ---- reading ---- */

static holter_status bad_record(const struct catalog *catalog, uint64_t version, size_t offset,
                                const char *what, holter_error *err)
{
    return error_set(err, HOLTER_CORRUPT, "catalog in '%s', edit %llu, byte %zu of its body: %s",
                     catalog->spec.directory, (unsigned long long)version, offset, what);
}

static holter_status region_decode(struct catalog_region *out, struct reader *r)
{
    out->number = get_u16(r);
    out->shards = get_u16(r);
    if (!catalog_string_decode(out->name, CATALOG_NAME_BYTES_MAX, r,
                               catalog_region_bytes_are_valid) ||
        !reader_is_done(r) || out->shards == 0 || out->shards > 256)
        return HOLTER_CORRUPT;
    return HOLTER_OK;
}

static holter_status label_decode(struct change *change, struct reader *r)
{
    char text[CATALOG_NAME_BYTES_MAX + 1];
    change->of.label.metric = get_u32(r);
    change->of.label.field = get_u8(r);
    if (!catalog_string_decode(text, CATALOG_NAME_BYTES_MAX, r, catalog_words_are_valid) ||
        !reader_is_done(r) || text[0] == '\0')
        return HOLTER_CORRUPT;
    size_t bytes = strlen(text) + 1;
    change->of.label.text = core_calloc(bytes, 1);
    if (change->of.label.text == NULL)
        return HOLTER_NO_MEMORY;
    memcpy(change->of.label.text, text, bytes);
    return HOLTER_OK;
}

static holter_status source_decode(struct source *out, struct reader *r, bool is_sealed)
{
    out->user = get_u64(r);
    out->number = get_u32(r);
    out->generation = get_u32(r);
    size_t bytes = r->left;
    if (r->overrun || bytes <= CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES ||
        bytes > CRYPTO_NONCE_BYTES + SOURCE_PLAIN_BYTES_MAX + CRYPTO_TAG_BYTES ||
        (bytes - CRYPTO_NONCE_BYTES - CRYPTO_TAG_BYTES) % SOURCE_UNIT_BYTES != 0 ||
        out->user == 0 || out->number == 0 || (out->generation != 0) != is_sealed)
        return HOLTER_CORRUPT;
    for (size_t i = 0; !is_sealed && i < CRYPTO_NONCE_BYTES; i++)
        if (r->at[i] != 0)
            return HOLTER_CORRUPT;
    out->blob = core_calloc(bytes, 1);
    if (out->blob == NULL)
        return HOLTER_NO_MEMORY;
    out->blob_bytes = (uint32_t)bytes;
    get_copy(r, out->blob, bytes);
    return HOLTER_OK;
}

bool catalog_feed_is_valid(const struct catalog_feed *feed)
{
    return feed->age_ns >= 0 && (feed->age_ns == 0) == (feed->bytes == 0);
}

static holter_status feed_decode(struct catalog_feed *out, struct reader *r)
{
    out->age_ns = get_i64(r);
    out->bytes = get_u64(r);
    return reader_is_done(r) && catalog_feed_is_valid(out) ? HOLTER_OK : HOLTER_CORRUPT;
}

static void change_release(struct change *change)
{
    if (change->kind == RECORD_METRIC)
        catalog_metric_free(change->of.metric);
    else if (change->kind == RECORD_LABEL)
        free(change->of.label.text);
    else if (change->kind == RECORD_SOURCE)
        free(change->of.source.blob);
}

void catalog_changes_release(struct changes *changes)
{
    for (size_t i = changes->taken; i < changes->count; i++)
        change_release(&changes->change[i]);
    free(changes->change);
    *changes = (struct changes){ 0 };
}

/* *change is complete, or has nothing to release. */
static holter_status change_decode(struct change *change, struct reader *payload,
                                   const struct catalog *catalog)
{
    switch (change->kind) {
    case RECORD_REGION:
        return region_decode(&change->of.region, payload);
    case RECORD_METRIC:
        return catalog_metric_decode(&change->of.metric, payload);
    case RECORD_LABEL:
        return label_decode(change, payload);
    case RECORD_SOURCE:
        return source_decode(&change->of.source, payload, catalog->spec.is_sealed);
    case RECORD_FEED:
        return feed_decode(&change->of.feed, payload);
    default:
        return change->kind == 0                     ? HOLTER_CORRUPT
               : change->kind < RECORD_SKIPPABLE_MIN ? HOLTER_UNSUPPORTED
                                                     : HOLTER_OK;
    }
}

/* B1: so that committing needs no memory. */
static bool make_room(struct catalog *catalog, size_t regions, size_t metrics, size_t sources)
{
    void *list = catalog->regions;
    if (regions > 0 && !core_grow(&list, &catalog->region_capacity, catalog->region_count + regions,
                                  sizeof *catalog->regions))
        return false;
    catalog->regions = list;
    list = catalog->metrics;
    if (metrics > 0 && !core_grow(&list, &catalog->metric_capacity, catalog->metric_count + metrics,
                                  sizeof *catalog->metrics))
        return false;
    catalog->metrics = list;
    list = catalog->by_name;
    if (metrics > 0 && !core_grow(&list, &catalog->by_name_capacity,
                                  catalog->metric_count + metrics, sizeof *catalog->by_name))
        return false;
    catalog->by_name = list;
    return sources == 0 || catalog_sources_reserve(&catalog->sources, sources);
}

holter_status catalog_changes_decode(struct changes *out, struct catalog *catalog, uint64_t version,
                                     const uint8_t *body, size_t bytes, holter_error *err)
{
    struct changes changes = { 0 };
    struct reader r = reader_over(body, bytes);
    size_t counts[RECORD_SOURCE + 1] = { 0 };
    holter_status status = HOLTER_OK;

    while (r.left > 0) {
        struct change change = { .offset = (size_t)(r.at - body) };
        size_t left = r.left;
        change.kind = get_u8(&r);
        uint64_t payload_bytes = get_varint(&r);
        if (r.overrun || payload_bytes > r.left) {
            status = bad_record(catalog, version, change.offset,
                                "found a record longer than the body", err);
            goto done;
        }
        struct reader payload =
            reader_over(get_bytes(&r, (size_t)payload_bytes), (size_t)payload_bytes);
        change.bytes = left - r.left;

        void *list = changes.change;
        if (core_grow(&list, &changes.capacity, changes.count + 1, sizeof *changes.change)) {
            changes.change = list;
            status = change_decode(&change, &payload, catalog);
        } else {
            status = HOLTER_NO_MEMORY;
        }
        if (status == HOLTER_OK) {
            changes.change[changes.count++] = change;
            if (change.kind <= RECORD_SOURCE)
                counts[change.kind]++;
        } else if (status == HOLTER_CORRUPT) {
            bad_record(catalog, version, change.offset, "found a malformed record", err);
        } else if (status == HOLTER_UNSUPPORTED) {
            error_set(err, status,
                      "catalog in '%s', edit %llu: a record of kind %u needs a newer version",
                      catalog->spec.directory, (unsigned long long)version, change.kind);
        }
        if (status != HOLTER_OK)
            goto done;
    }
    if (!make_room(catalog, counts[RECORD_REGION], counts[RECORD_METRIC], counts[RECORD_SOURCE]))
        status = HOLTER_NO_MEMORY;
done:
    if (status == HOLTER_NO_MEMORY)
        error_set(err, status, "catalog in '%s': no memory", catalog->spec.directory);
    if (status == HOLTER_OK)
        *out = changes;
    else
        catalog_changes_release(&changes);
    return status;
}

/* ---- taking into memory ---- */

/* Where a metric belongs in one of the two orders. */
static size_t place_by_number(const struct catalog *catalog, uint32_t number)
{
    size_t low = 0, high = catalog->metric_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (catalog->metrics[middle]->told.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t place_by_name(const struct catalog *catalog, const char *name)
{
    size_t low = 0, high = catalog->metric_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(catalog->by_name[middle]->told.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct metric *catalog_find_metric(const struct catalog *catalog, uint32_t number)
{
    size_t at = place_by_number(catalog, number);
    return at < catalog->metric_count && catalog->metrics[at]->told.number == number
               ? catalog->metrics[at]
               : NULL;
}

struct metric *catalog_find_metric_by_name(const struct catalog *catalog, const char *name)
{
    size_t at = place_by_name(catalog, name);
    return at < catalog->metric_count && strcmp(catalog->by_name[at]->told.name, name) == 0
               ? catalog->by_name[at]
               : NULL;
}

static void insert(struct metric **list, size_t count, size_t at, struct metric *metric)
{
    memmove(&list[at + 1], &list[at], (count - at) * sizeof *list);
    list[at] = metric;
}

/* Each returns NULL, or what it contradicts. */

static const char *commit_region(struct catalog *catalog, const struct catalog_region *region)
{
    if (region->number != catalog->region_count)
        return "found a region whose number is not the next one";
    if (catalog_region_find(catalog, region->name) != NULL)
        return "found a region whose name there is already";
    catalog->regions[catalog->region_count++] = *region;
    return NULL;
}

static const char *commit_metric(struct catalog *catalog, struct metric *metric)
{
    if (catalog_find_metric(catalog, metric->told.number) != NULL)
        return "found a metric whose number there is already";
    if (catalog_find_metric_by_name(catalog, metric->told.name) != NULL)
        return "found a metric whose name there is already";
    size_t count = catalog->metric_count;
    size_t by_number = place_by_number(catalog, metric->told.number);
    size_t by_name = place_by_name(catalog, metric->told.name);
    insert(catalog->metrics, count, by_number, metric);
    insert(catalog->by_name, count, by_name, metric);
    catalog->metric_count++;
    return NULL;
}

static const char *commit_label(struct catalog *catalog, const struct change *change)
{
    struct metric *metric = catalog_find_metric(catalog, change->of.label.metric);
    size_t index = change->of.label.field;
    if (metric == NULL || index >= metric->told.schema.field_count || metric->labels[index] == NULL)
        return "found a label for what is no enum field";
    struct catalog_field *field = &metric->told.fields[index];
    if (field->label_count >= CATALOG_LABELS_MAX)
        return "found a label for a field that has 256";
    for (size_t i = 0; i < field->label_count; i++)
        if (strcmp(field->labels[i], change->of.label.text) == 0)
            return "found a label that there is already";
    metric->labels[index][field->label_count++] = change->of.label.text;
    return NULL;
}

static const char *commit_source(struct catalog *catalog, const struct source *source)
{
    struct source *there = catalog_sources_find(&catalog->sources, source->user, source->number);
    if (there != NULL) {
        uint64_t payload_bytes =
            SOURCE_HEAD_BYTES - CRYPTO_NONCE_BYTES + (uint64_t)there->blob_bytes;
        catalog->live_bytes -=
            1 + (payload_bytes < 128 ? 1 : 2) + payload_bytes; /* with kind and size */
        free(there->blob);
        there->generation = source->generation;
        there->blob = source->blob;
        there->blob_bytes = source->blob_bytes;
        return NULL;
    }
    const struct source *newest = catalog_sources_newest(&catalog->sources, source->user);
    if (source->number != (newest == NULL ? 1 : newest->number + 1))
        return "found a source whose number is not the next one of its user";
    catalog_sources_add(&catalog->sources, source);
    return NULL;
}

static void commit_feed(struct catalog *catalog, const struct catalog_feed *feed)
{
    if (catalog->feed.bytes != 0)
        catalog->live_bytes -= 1 + 1 + FEED_PAYLOAD_BYTES; /* with kind and size */
    catalog->feed = *feed;
    if (feed->bytes == 0) /* it need not be told when the log is rewritten */
        catalog->live_bytes -= 1 + 1 + FEED_PAYLOAD_BYTES;
}

holter_status catalog_changes_commit(struct changes *changes, struct catalog *catalog,
                                     uint64_t version, holter_error *err)
{
    for (; changes->taken < changes->count; changes->taken++) {
        struct change *change = &changes->change[changes->taken];
        const char *wrong = NULL;
        if (change->kind == RECORD_REGION)
            wrong = commit_region(catalog, &change->of.region);
        else if (change->kind == RECORD_METRIC)
            wrong = commit_metric(catalog, change->of.metric);
        else if (change->kind == RECORD_LABEL)
            wrong = commit_label(catalog, change);
        else if (change->kind == RECORD_SOURCE)
            wrong = commit_source(catalog, &change->of.source);
        else if (change->kind == RECORD_FEED)
            commit_feed(catalog, &change->of.feed);
        else
            catalog->has_skipped = true;
        if (wrong != NULL)
            return bad_record(catalog, version, change->offset, wrong, err);
        catalog->live_bytes += change->bytes;
    }
    return HOLTER_OK;
}

void catalog_reset(void *context)
{
    struct catalog *catalog = context;
    for (size_t i = 0; i < catalog->metric_count; i++)
        catalog_metric_free(catalog->metrics[i]);
    catalog->metric_count = catalog->region_count = 0;
    catalog_sources_release(&catalog->sources);
    catalog->feed = (struct catalog_feed){ 0 };
    catalog->live_bytes = 0;
    catalog->has_skipped = false;
}

holter_status catalog_apply(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                            holter_error *err)
{
    struct catalog *catalog = context;
    if (catalog->prepared != NULL)
        return catalog_changes_commit(catalog->prepared, catalog, version, err);
    struct changes changes;
    holter_status status = catalog_changes_decode(&changes, catalog, version, body, bytes, err);
    if (status != HOLTER_OK)
        return status;
    status = catalog_changes_commit(&changes, catalog, version, err);
    catalog_changes_release(&changes);
    return status;
}
