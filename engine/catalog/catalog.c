/*
 * catalog.c -- opening the catalog, reading it, changing it.
 *
 * The log of edits (engine/edits) is the truth. A change is encoded, decoded again as any reader
 * will (which also makes room for it), appended, and only then taken into memory.
 *
 * Invariants: catalog.h (K1 to K3). Bytes: format-spec/catalog.md. Tests:
 * tests/unit/test_catalog_*.c.
 */
#include "catalog_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    REWRITE_BYTES_MIN = 64 << 10, /* a log below this is never long */
    REWRITE_FACTOR = 4,
};

static const char source_purpose[8] = { 'H', 'L', 'T', 'S', 'O', 'U', 'R', 'C' };

static struct edits_spec edits_spec_of(const struct catalog_spec *spec)
{
    struct edits_spec edits = {
        .io = spec->io,
        .directory = spec->directory,
        .name = "catalog",
        .kind = EDITS_CATALOG,
        .statistics = spec->statistics,
    };
    memcpy(edits.store_id, spec->store_id, sizeof edits.store_id);
    return edits;
}

static holter_status no_memory(const struct catalog_spec *spec, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "catalog in '%s': no memory", spec->directory);
}

static holter_status check_ready(const struct catalog *catalog, holter_error *err)
{
    if (edits_version(catalog->edits) == 0)
        return error_set(err, HOLTER_IO,
                         "catalog in '%s': its last refresh failed, refresh it again",
                         catalog->spec.directory);
    return HOLTER_OK;
}

/* ---- reading ---- */

size_t catalog_region_count(const struct catalog *catalog)
{
    return catalog->region_count;
}

const struct catalog_region *catalog_region_at(const struct catalog *catalog, size_t index)
{
    return index < catalog->region_count ? &catalog->regions[index] : NULL;
}

const struct catalog_region *catalog_region_find(const struct catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->region_count; i++)
        if (strcmp(catalog->regions[i].name, name) == 0)
            return &catalog->regions[i];
    return NULL;
}

size_t catalog_metric_count(const struct catalog *catalog)
{
    return catalog->metric_count;
}

const struct catalog_metric *catalog_metric_at(const struct catalog *catalog, size_t index)
{
    return index < catalog->metric_count ? &catalog->metrics[index]->told : NULL;
}

const struct catalog_metric *catalog_metric_find(const struct catalog *catalog, const char *name)
{
    const struct metric *metric = catalog_find_metric_by_name(catalog, name);
    return metric == NULL ? NULL : &metric->told;
}

const struct catalog_metric *catalog_metric_by_number(const struct catalog *catalog,
                                                      uint32_t number)
{
    const struct metric *metric = catalog_find_metric(catalog, number);
    return metric == NULL ? NULL : &metric->told;
}

holter_status catalog_label_find(int64_t *value, const struct catalog_metric *metric, size_t field,
                                 const char *label, size_t label_bytes)
{
    if (field >= metric->schema.field_count)
        return HOLTER_NOT_FOUND;
    const struct catalog_field *of = &metric->fields[field];
    for (size_t i = 0; i < of->label_count; i++)
        if (strlen(of->labels[i]) == label_bytes &&
            memcmp(of->labels[i], label, label_bytes) == 0) {
            *value = (int64_t)i;
            return HOLTER_OK;
        }
    return HOLTER_NOT_FOUND;
}

struct catalog_feed catalog_feed(const struct catalog *catalog)
{
    return catalog->feed;
}

/* ---- changing ---- */

static holter_status rewrite(struct catalog *catalog, holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    holter_status status = HOLTER_NO_MEMORY;
    catalog_bodies_put_all(&bodies, catalog);
    struct edits_part *parts = edits_bodies_parts(&bodies);
    if (parts != NULL)
        status = edits_rewrite(catalog->edits, parts, bodies.count, err);
    else
        no_memory(&catalog->spec, err);
    free(parts);
    edits_bodies_release(&bodies);
    return status;
}

/* Append one edit of one body, and take it into memory, for which all room is made before. */
static holter_status append(struct catalog *catalog, struct edits_bodies *bodies, holter_error *err)
{
    struct changes changes = { 0 };
    if (bodies->failed)
        return no_memory(&catalog->spec, err);
    core_assert(bodies->count == 1);
    if (catalog->has_skipped)
        return error_set(
            err, HOLTER_UNSUPPORTED,
            "catalog in '%s' holds records of a newer version, which writing would lose",
            catalog->spec.directory);
    uint64_t bytes = edits_bytes(catalog->edits);
    holter_status status = HOLTER_OK;
    if (bytes > REWRITE_BYTES_MIN && bytes / REWRITE_FACTOR > catalog->live_bytes)
        status = rewrite(catalog, err);
    if (status != HOLTER_OK)
        return status;

    const struct buffer *body = &bodies->body[0];
    status = catalog_changes_decode(&changes, catalog, edits_version(catalog->edits) + 1,
                                    body->data, body->bytes, err);
    if (status != HOLTER_OK)
        return status;
    /* cppcheck-suppress autoVariables ; taken back two lines below */
    catalog->prepared = &changes;
    status = edits_append(catalog->edits, &(struct edits_part){ body->data, body->bytes }, 1, err);
    catalog->prepared = NULL;
    catalog_changes_release(&changes);
    return status;
}

holter_status catalog_add_region(struct catalog *catalog, const char *name, uint16_t shards,
                                 uint16_t *number, holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    struct catalog_region region = { .shards = shards };
    holter_status status = check_ready(catalog, err);
    if (status != HOLTER_OK)
        return status;
    if (!catalog_region_name_is_valid(name))
        return error_set(err, HOLTER_INVALID,
                         "a region's name needs a-z, 0-9 and -, no - first, and 1 to 63 bytes");
    if (shards == 0 || shards > 256)
        return error_set(err, HOLTER_INVALID, "a region needs 1 to 256 shards, not %u", shards);
    if (catalog_region_find(catalog, name) != NULL)
        return error_set(err, HOLTER_EXISTS, "there is a region '%s' already", name);
    if (catalog->region_count > UINT16_MAX)
        return error_set(err, HOLTER_INVALID,
                         "there are %u regions, which is as many as there can be",
                         (unsigned)UINT16_MAX + 1);

    region.number = (uint16_t)catalog->region_count;
    memcpy(region.name, name, strlen(name));
    catalog_bodies_put_region(&bodies, &region);
    status = append(catalog, &bodies, err);
    if (status == HOLTER_OK)
        *number = region.number;
    edits_bodies_release(&bodies);
    return status;
}

holter_status catalog_add_metric(struct catalog *catalog, const struct catalog_metric *metric,
                                 uint32_t *number, holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    holter_status status = check_ready(catalog, err);
    if (status != HOLTER_OK)
        return status;
    const char *wrong = catalog_metric_check(metric);
    if (wrong != NULL)
        return error_set(err, HOLTER_INVALID, "a metric cannot be defined so: %s", wrong);
    const struct metric *there = catalog_find_metric_by_name(catalog, metric->name);
    if (there != NULL && !catalog_metric_is_equal(&there->told, metric))
        return error_set(err, HOLTER_EXISTS, "there is a metric '%s' already, and it differs",
                         metric->name);
    if (there != NULL) {
        *number = there->told.number;
        return HOLTER_OK;
    }

    struct catalog_metric added = *metric;
    uint32_t last =
        catalog->metric_count == 0 ? 0 : catalog->metrics[catalog->metric_count - 1]->told.number;
    if (last == UINT32_MAX)
        return error_set(err, HOLTER_INVALID, "there is no number left for a metric");
    added.number = last < CATALOG_USER_METRIC_MIN ? CATALOG_USER_METRIC_MIN : last + 1;
    catalog_bodies_put_metric(&bodies, &added);
    status = append(catalog, &bodies, err);
    if (status == HOLTER_OK)
        *number = added.number;
    edits_bodies_release(&bodies);
    return status;
}

holter_status catalog_add_label(struct catalog *catalog, uint32_t metric, size_t field,
                                const char *label, int64_t *value, holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    struct buffer payload;
    holter_status status = check_ready(catalog, err);
    if (status != HOLTER_OK)
        return status;
    const struct metric *of = catalog_find_metric(catalog, metric);
    if (of == NULL)
        return error_set(err, HOLTER_NOT_FOUND, "there is no metric of number %u",
                         (unsigned)metric);
    if (field >= of->told.schema.field_count || of->told.schema.types[field] != FIELD_ENUM)
        return error_set(err, HOLTER_INVALID, "metric '%s' has no enum at its field %zu",
                         of->told.name, field);
    size_t bytes = catalog_bounded_length(label, CATALOG_NAME_BYTES_MAX + 1);
    if (bytes == 0 || bytes > CATALOG_NAME_BYTES_MAX || !catalog_words_are_valid(label, bytes))
        return error_set(err, HOLTER_INVALID,
                         "a label needs 1 to 63 bytes of UTF-8 without control characters");
    if (catalog_label_find(value, &of->told, field, label, bytes) == HOLTER_OK)
        return HOLTER_OK;
    size_t count = of->told.fields[field].label_count;
    if (count >= CATALOG_LABELS_MAX)
        return error_set(
            err, HOLTER_INVALID,
            "field '%s' of metric '%s' has %d labels, which is as many as there can be",
            of->told.fields[field].name, of->told.name, CATALOG_LABELS_MAX);

    buffer_init(&payload);
    buffer_append_u32(&payload, metric);
    buffer_append_u8(&payload, (uint8_t)field);
    catalog_string_encode(&payload, label);
    edits_bodies_put(&bodies, RECORD_LABEL, &payload);
    buffer_release(&payload);
    status = append(catalog, &bodies, err);
    if (status == HOLTER_OK)
        *value = (int64_t)count;
    edits_bodies_release(&bodies);
    return status;
}

holter_status catalog_set_feed(struct catalog *catalog, const struct catalog_feed *feed,
                               holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    holter_status status = check_ready(catalog, err);
    if (status != HOLTER_OK)
        return status;
    if (!catalog_feed_is_valid(feed))
        return error_set(err, HOLTER_INVALID,
                         "the feed keeps logs up to an age and a size, neither of them 0, or none");
    if (feed->age_ns == catalog->feed.age_ns && feed->bytes == catalog->feed.bytes)
        return HOLTER_OK;
    catalog_bodies_put_feed(&bodies, feed);
    status = append(catalog, &bodies, err);
    edits_bodies_release(&bodies);
    return status;
}

/* ---- sources ---- */

/* The key that seals a user's sources; *out stays NULL without sealing. */
static holter_status derive(struct crypto_key **out, const struct catalog *catalog, uint64_t user,
                            struct crypto_arena *arena, const struct crypto_key *key,
                            holter_error *err)
{
    *out = NULL;
    if (!catalog->spec.is_sealed)
        return HOLTER_OK;
    if (key == NULL)
        return error_set(err, HOLTER_DENIED,
                         "the sources of user #%016llx are sealed, and no key was given",
                         (unsigned long long)user);
    *out = crypto_key_derive(arena, key, source_purpose, catalog->spec.store_id);
    if (*out == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "catalog in '%s': all slots for keys are in use",
                         catalog->spec.directory);
    return HOLTER_OK;
}

static holter_status open_source(struct catalog_source *out, const struct catalog *catalog,
                                 const struct source *source, const struct crypto_key *derived,
                                 holter_error *err)
{
    if (catalog_source_open(out, source, catalog->spec.store_id, derived))
        return HOLTER_OK;
    return error_set(
        err, HOLTER_CORRUPT,
        "catalog in '%s': source %u of user #%016llx does not open with the user's key",
        catalog->spec.directory, (unsigned)source->number, (unsigned long long)source->user);
}

/* The user's source of that name, opened; HOLTER_NOT_FOUND sets no sentence. */
static holter_status find_named(struct catalog_source *out, const struct catalog *catalog,
                                uint64_t user, const char *name, const struct crypto_key *derived,
                                holter_error *err)
{
    holter_status status = HOLTER_NOT_FOUND;
    struct catalog_source opened;
    const struct source *source = catalog_sources_newest(&catalog->sources, user);
    for (; status == HOLTER_NOT_FOUND && source != NULL;
         source = sources_before(&catalog->sources, source)) {
        holter_status opening = open_source(&opened, catalog, source, derived, err);
        if (opening != HOLTER_OK) {
            status = opening;
        } else if (strcmp(opened.name, name) == 0) {
            *out = opened;
            status = HOLTER_OK;
        }
    }
    crypto_wipe(&opened, sizeof opened);
    return status;
}

holter_status catalog_source_find(struct catalog_source *out, struct catalog *catalog,
                                  uint64_t user, const char *name, struct crypto_arena *arena,
                                  const struct crypto_key *key, holter_error *err)
{
    struct crypto_key *derived = NULL;
    holter_status status = check_ready(catalog, err);
    if (status == HOLTER_OK && catalog_sources_newest(&catalog->sources, user) != NULL)
        status = derive(&derived, catalog, user, arena, key, err);
    if (status != HOLTER_OK)
        return status;
    status = find_named(out, catalog, user, name, derived, err);
    crypto_key_free(derived);
    if (status == HOLTER_NOT_FOUND)
        error_set(err, status, "user #%016llx has no source of this name",
                  (unsigned long long)user);
    return status;
}

holter_status catalog_source_by_number(struct catalog_source *out, struct catalog *catalog,
                                       uint64_t user, uint32_t number, struct crypto_arena *arena,
                                       const struct crypto_key *key, holter_error *err)
{
    struct crypto_key *derived = NULL;
    struct catalog_source opened;
    holter_status status = check_ready(catalog, err);
    if (status != HOLTER_OK)
        return status;
    const struct source *source = catalog_sources_find(&catalog->sources, user, number);
    if (source == NULL)
        return error_set(err, HOLTER_NOT_FOUND, "user #%016llx has no source %u",
                         (unsigned long long)user, (unsigned)number);
    status = derive(&derived, catalog, user, arena, key, err);
    if (status != HOLTER_OK)
        return status;
    status = open_source(&opened, catalog, source, derived, err);
    if (status == HOLTER_OK)
        *out = opened;
    crypto_wipe(&opened, sizeof opened);
    crypto_key_free(derived);
    return status;
}

size_t catalog_source_count(const struct catalog *catalog, uint64_t user)
{
    const struct source *newest = catalog_sources_newest(&catalog->sources, user);
    return newest == NULL ? 0 : newest->number;
}

/*
 * Number sources[index], and see that its name is its own among the sources before it and those
 * there are.
 */
static holter_status place_source(uint32_t *numbers, const struct catalog *catalog,
                                  const struct catalog_source *sources, size_t index,
                                  const struct crypto_key *derived, holter_error *err)
{
    const struct catalog_source *source = &sources[index];
    const char *wrong = catalog_source_check(source);
    if (source->user == 0 || wrong != NULL)
        return error_set(err, HOLTER_INVALID, "a source of user #%016llx cannot be told so: %s",
                         (unsigned long long)source->user, wrong == NULL ? "its user is 0" : wrong);

    size_t there = catalog_source_count(catalog, source->user);
    uint64_t number = source->number;
    if (number > there)
        return error_set(err, HOLTER_NOT_FOUND, "user #%016llx has no source %u",
                         (unsigned long long)source->user, (unsigned)source->number);
    size_t added = 0;
    for (size_t i = 0; i < index; i++) {
        if (sources[i].user != source->user)
            continue;
        added += sources[i].number == 0;
        if (number != 0 && sources[i].number == number)
            return error_set(err, HOLTER_INVALID,
                             "source %u of user #%016llx is told twice at once",
                             (unsigned)source->number, (unsigned long long)source->user);
        if (strcmp(sources[i].name, source->name) == 0)
            return error_set(err, HOLTER_EXISTS, "two sources of user #%016llx have one name",
                             (unsigned long long)source->user);
    }
    if (number == 0)
        number = there + added + 1;
    if (number > UINT32_MAX)
        return error_set(err, HOLTER_INVALID, "user #%016llx has too many sources",
                         (unsigned long long)source->user);

    struct catalog_source named;
    holter_status status = find_named(&named, catalog, source->user, source->name, derived, err);
    bool is_other = status == HOLTER_OK && named.number != number;
    if (status == HOLTER_OK)
        crypto_wipe(&named, sizeof named);
    else if (status != HOLTER_NOT_FOUND)
        return status;
    if (is_other)
        return error_set(err, HOLTER_EXISTS, "user #%016llx has another source of this name",
                         (unsigned long long)source->user);
    numbers[index] = (uint32_t)number;
    return HOLTER_OK;
}

static holter_status put_source(struct edits_bodies *bodies, uint32_t *numbers,
                                const struct catalog *catalog, const struct catalog_source *sources,
                                size_t index, const uint8_t *nonce, struct crypto_arena *arena,
                                const struct crypto_key *key, uint32_t generation,
                                holter_error *err)
{
    struct crypto_key *derived = NULL;
    uint8_t payload[SOURCE_HEAD_BYTES + SOURCE_PLAIN_BYTES_MAX + CRYPTO_TAG_BYTES];
    if (catalog->spec.is_sealed && generation == 0)
        return error_set(err, HOLTER_INVALID, "the generation of a user's key is 1 or more, not 0");
    holter_status status = derive(&derived, catalog, sources[index].user, arena, key, err);
    if (status == HOLTER_OK)
        status = place_source(numbers, catalog, sources, index, derived, err);
    if (status == HOLTER_OK) {
        size_t bytes = catalog_source_seal(payload, &sources[index], numbers[index],
                                           catalog->spec.is_sealed ? generation : 0, nonce,
                                           catalog->spec.store_id, derived);
        edits_bodies_put(bodies, RECORD_SOURCE,
                         &(struct buffer){ .data = payload, .bytes = bytes });
    }
    crypto_key_free(derived);
    return status;
}

holter_status catalog_put_sources(struct catalog *catalog, struct catalog_source *sources,
                                  size_t count, struct crypto_arena *arena,
                                  const struct crypto_key *const *keys,
                                  const uint32_t *key_generations, holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    bool is_sealed = catalog->spec.is_sealed;
    holter_status status = check_ready(catalog, err);
    if (status != HOLTER_OK || count == 0)
        return status;
    if (count > CATALOG_PUT_SOURCES_MAX)
        return error_set(err, HOLTER_INVALID,
                         "%zu sources are too many at once, expected at most %d", count,
                         CATALOG_PUT_SOURCES_MAX);
    uint32_t *numbers = core_calloc(count, sizeof *numbers);
    uint8_t *nonces = core_calloc(count, CRYPTO_NONCE_BYTES); /* zeros without sealing */
    if (numbers == NULL || nonces == NULL) {
        status = no_memory(&catalog->spec, err);
        goto done;
    }
    if (is_sealed)
        status = io_random(catalog->spec.io, nonces, count * CRYPTO_NONCE_BYTES, err);
    for (size_t i = 0; i < count && status == HOLTER_OK; i++)
        status =
            put_source(&bodies, numbers, catalog, sources, i, nonces + i * CRYPTO_NONCE_BYTES,
                       arena, is_sealed ? keys[i] : NULL, is_sealed ? key_generations[i] : 0, err);
    if (status == HOLTER_OK)
        status = append(catalog, &bodies, err);
    for (size_t i = 0; i < count && status == HOLTER_OK; i++)
        sources[i].number = numbers[i];
done:
    edits_bodies_release(&bodies);
    free(numbers);
    free(nonces);
    return status;
}

/* ---- opening ---- */

holter_status catalog_create(const struct catalog_spec *spec, const char *region, uint16_t shards,
                             holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    struct edits_spec edits = edits_spec_of(spec);
    struct catalog_region first = { .number = 0, .shards = shards };
    if (!catalog_region_name_is_valid(region))
        return error_set(err, HOLTER_INVALID,
                         "a region's name needs a-z, 0-9 and -, no - first, and 1 to 63 bytes");
    if (shards == 0 || shards > 256)
        return error_set(err, HOLTER_INVALID, "a region needs 1 to 256 shards, not %u", shards);

    memcpy(first.name, region, strlen(region));
    catalog_bodies_put_region(&bodies, &first);
    for (size_t i = 0; i < catalog_builtin_count(); i++) {
        struct catalog_metric metric;
        catalog_builtin_get(&metric, i);
        catalog_bodies_put_metric(&bodies, &metric);
    }
    holter_status status = HOLTER_NO_MEMORY;
    struct edits_part *parts = edits_bodies_parts(&bodies);
    if (parts != NULL)
        status = edits_create(&edits, parts, bodies.count, err);
    else
        no_memory(spec, err);
    free(parts);
    edits_bodies_release(&bodies);
    return status;
}

/* Those built-in metrics that a store made by an older version lacks (K1). */
static holter_status add_builtin(struct catalog *catalog, holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    size_t missing = 0;
    for (size_t i = 0; i < catalog_builtin_count(); i++) {
        struct catalog_metric metric;
        catalog_builtin_get(&metric, i);
        if (catalog_find_metric(catalog, metric.number) != NULL ||
            catalog_find_metric_by_name(catalog, metric.name) != NULL)
            continue;
        catalog_bodies_put_metric(&bodies, &metric);
        missing++;
    }
    holter_status status = HOLTER_OK;
    if (missing > 0 && !catalog->has_skipped)
        status = append(catalog, &bodies, err);
    edits_bodies_release(&bodies);
    return status;
}

holter_status catalog_open(struct catalog **out, const struct catalog_spec *spec, bool writable,
                           uint64_t version_max, holter_error *err)
{
    *out = NULL;
    struct catalog *catalog = core_calloc(1, sizeof *catalog);
    if (catalog == NULL)
        return no_memory(spec, err);
    catalog->spec = *spec;

    struct edits_spec edits = edits_spec_of(spec);
    edits.owner =
        (struct edits_owner){ .reset = catalog_reset, .apply = catalog_apply, .context = catalog };
    holter_status status = edits_open(&catalog->edits, &edits, writable, version_max, err);
    if (status == HOLTER_OK && writable)
        status = add_builtin(catalog, err);
    if (status != HOLTER_OK) {
        catalog_close(catalog);
        return status;
    }
    *out = catalog;
    return HOLTER_OK;
}

void catalog_close(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    edits_close(catalog->edits);
    catalog_reset(catalog);
    free(catalog->regions);
    free(catalog->metrics);
    free(catalog->by_name);
    free(catalog);
}

uint64_t catalog_version(const struct catalog *catalog)
{
    return edits_version(catalog->edits);
}

holter_status catalog_refresh(struct catalog *catalog, bool writable, uint64_t version_max,
                              holter_error *err)
{
    return edits_refresh(catalog->edits, writable, version_max, err);
}

holter_status catalog_verify(struct catalog *catalog,
                             void (*report)(void *context, const char *sentence), void *context,
                             size_t *damaged, holter_error *err)
{
    return edits_verify(catalog->edits, report, context, damaged, err);
}
