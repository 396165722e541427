/*
 * fuzz_catalog.c -- the bodies of a catalog's edits, in a sound frame: opened, every metric, label
 * and source asked for, verified, gone on with. A metric is decoded and encoded again by itself.
 *
 * Input: a byte of options, then edits (fuzz.h); or the bytes of one metric.
 */
#include "catalog/catalog_impl.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option { WRITABLE = 1, IS_SEALED = 2, ONE_METRIC = 4 };
enum { SOURCES_ASKED_MAX = 64 };

static void report(void *context, const char *sentence)
{
    core_assert(sentence[0] != '\0');
    *(size_t *)context += 1;
}

static void one_metric(struct reader *r)
{
    const uint8_t *from = r->at;
    struct metric *metric = NULL;
    holter_status status = catalog_metric_decode(&metric, r);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    if (status != HOLTER_OK)
        return;
    struct buffer again;
    buffer_init(&again);
    core_assert(catalog_metric_check(&metric->told) == NULL);
    core_assert(catalog_metric_is_equal(&metric->told, &metric->told));
    catalog_metric_encode(&again, &metric->told);
    core_assert(!again.failed);
    core_assert(again.bytes == (size_t)(r->at - from));
    core_assert(memcmp(again.data, from, again.bytes) == 0);
    buffer_release(&again);
    catalog_metric_free(metric);
}

static void ask_metrics(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog_metric_count(catalog); i++) {
        const struct catalog_metric *metric = catalog_metric_at(catalog, i);
        core_assert(catalog_metric_check(metric) == NULL);
        core_assert(catalog_metric_find(catalog, metric->name) == metric);
        core_assert(catalog_metric_by_number(catalog, metric->number) == metric);
        for (size_t f = 0; f < metric->schema.field_count; f++) {
            for (size_t l = 0; l < metric->fields[f].label_count; l++) {
                const char *label = metric->fields[f].labels[l];
                int64_t value = -1;
                core_assert(catalog_label_find(&value, metric, f, label, strlen(label)) ==
                            HOLTER_OK);
                core_assert(value == (int64_t)l);
            }
        }
    }
    for (size_t i = 0; i < catalog_region_count(catalog); i++) {
        const struct catalog_region *region = catalog_region_at(catalog, i);
        core_assert(catalog_region_find(catalog, region->name) == region);
    }
}

static void ask_sources(struct fuzz_world *world, struct catalog *catalog, bool is_sealed)
{
    for (size_t i = 0; i < catalog->sources.count && i < SOURCES_ASKED_MAX; i++) {
        struct catalog_source source;
        const struct source *stored = &catalog->sources.all[i];
        core_assert(stored->number <= catalog_source_count(catalog, stored->user));
        holter_status status =
            catalog_source_by_number(&source, catalog, stored->user, stored->number, fuzz_arena(),
                                     fuzz_key(is_sealed), &world->err);
        fuzz_check(status, &world->err);
        if (status != HOLTER_OK)
            continue;
        core_assert(catalog_source_check(&source) == NULL);
        core_assert(source.user == stored->user && source.number == stored->number);
        status = catalog_source_find(&source, catalog, stored->user, source.name, fuzz_arena(),
                                     fuzz_key(is_sealed), &world->err);
        fuzz_check(status, &world->err);
    }
}

/* What is added is found, also by who opens then. */
static void go_on(struct fuzz_world *world, struct catalog *catalog,
                  const struct catalog_spec *spec)
{
    static const char *const labels[] = { "off", "on" };
    struct catalog_metric metric = { .name = "made_by_fuzz",
                                     .unit = "1",
                                     .schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_ENUM } },
                                     .fields = { { .name = "value",
                                                   .type = FIELD_ENUM,
                                                   .labels = labels,
                                                   .label_count = CORE_COUNT(labels) } },
                                     .aggregation = AGGREGATION_STATES,
                                     .class = CLASS_RECORDS };
    uint32_t number = 0;
    uint16_t region = 0;
    int64_t value = 0;
    holter_status status = catalog_add_metric(catalog, &metric, &number, &world->err);
    fuzz_check(status, &world->err);
    if (status == HOLTER_OK)
        fuzz_check(catalog_add_label(catalog, number, 0, "between", &value, &world->err),
                   &world->err);
    fuzz_check(catalog_add_region(catalog, "made-by-fuzz", 2, &region, &world->err), &world->err);
    struct catalog_source source = { .user = 7, .name = "made by fuzz" };
    const struct crypto_key *key = fuzz_key(spec->is_sealed);
    const uint32_t generation = 1;
    fuzz_check(catalog_put_sources(catalog, &source, 1, fuzz_arena(), &key, &generation,
                                   &world->err),
               &world->err);

    struct catalog *again = NULL;
    status = catalog_open(&again, spec, false, UINT64_MAX, &world->err);
    core_assert(status == HOLTER_OK);
    core_assert(catalog_metric_count(again) == catalog_metric_count(catalog));
    core_assert(catalog_region_count(again) == catalog_region_count(catalog));
    core_assert(again->feed.age_ns == catalog->feed.age_ns);
    core_assert(again->feed.bytes == catalog->feed.bytes);
    core_assert(again->sources.count == catalog->sources.count);
    catalog_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    if ((options & ONE_METRIC) != 0) {
        one_metric(&in);
        return 0;
    }
    struct fuzz_world world;
    fuzz_world_init(&world);
    fuzz_edits_put(&world, &in, "catalog", EDITS_CATALOG, 0);
    struct catalog_spec spec = { .io = world.io,
                                 .directory = "d",
                                 .is_sealed = (options & IS_SEALED) != 0 };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct catalog *catalog = NULL;
    bool writable = (options & WRITABLE) != 0;
    holter_status status = catalog_open(&catalog, &spec, writable, UINT64_MAX, &world.err);
    fuzz_check(status, &world.err);
    if (status == HOLTER_OK) {
        ask_metrics(catalog);
        ask_sources(&world, catalog, spec.is_sealed);
        size_t damaged = 0;
        size_t reported = 0;
        fuzz_check(catalog_verify(catalog, report, &reported, &damaged, &world.err), &world.err);
        core_assert(reported == damaged);
        if (writable)
            go_on(&world, catalog, &spec);
    }
    catalog_close(catalog);
    fuzz_world_release(&world);
    return 0;
}
