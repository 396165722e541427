/*
 * catalog.h -- the door of catalog: regions, metrics, and each user's sources.
 *
 * Promise: a metric's number, schema and labels never change their meaning, and who reads the
 * catalog file alone knows how to read every row of the store.
 *
 *   K1  The built-in metrics are written into each catalog at its creation; numbers below 1024 are
 *       theirs, for ever.
 *   K2  Labels of an enum grow at the end and are never renumbered; nothing else of a metric
 *       changes.
 *   K3  A source is sealed under its user's key; only user number, source number and key generation
 *       are plain.
 *
 * Needs core, io, codec, crypto, edits. Threads: one at a time (the store's mutex). Bytes:
 * format-spec/catalog.md.
 */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "codec/codec.h"
#include "crypto/crypto.h"
#include "edits/edits.h"

enum {
    CATALOG_NAME_BYTES_MAX = 63,
    CATALOG_SOURCE_NAME_BYTES_MAX = 127,
    CATALOG_LABELS_MAX = 256,
    CATALOG_USER_METRIC_MIN = 1024,
    CATALOG_CLASSES = 4,
};

/** Stored. */
enum catalog_aggregation {
    AGGREGATION_MEAN = 1,
    AGGREGATION_SUM = 2,
    AGGREGATION_STATES = 3,
    AGGREGATION_LAST = 4
};

/** Stored: tier classes group metrics of one rhythm; a segment holds one. */
enum catalog_class {
    CLASS_VITALS = 0,   /* instants every seconds to minutes: heart rate, SpO2, temperatures */
    CLASS_ACTIVITY = 1, /* intervals: steps, energy, sleep stages, workouts */
    CLASS_WAVEFORM = 2, /* many a second: PPG, ECG, acceleration */
    CLASS_RECORDS = 3,  /* few a day: weight, blood pressure, notes, medication */
};

struct catalog_field {
    char name[CATALOG_NAME_BYTES_MAX + 1]; /* [a-z][a-z0-9_]* */
    uint8_t type;                          /* enum field_type */
    int8_t exponent;                       /* FIELD_INT: a stored 3655 at -2 is 36.55; -18 .. 18 */
    bool has_range; /* FIELD_INT, FIELD_FLOAT: what is plausible, as words: min <= value <= max */
    int64_t min, max;
    const char *const *labels; /* FIELD_ENUM: label_count names; value i is labels[i] */
    size_t label_count;
};

struct catalog_metric {
    uint32_t number;
    char name[CATALOG_NAME_BYTES_MAX + 1];
    char unit[CATALOG_NAME_BYTES_MAX + 1]; /* UCUM */
    struct schema schema;
    struct catalog_field fields[SCHEMA_FIELDS_MAX];
    uint8_t aggregation; /* enum catalog_aggregation */
    uint8_t class;       /* enum catalog_class */
    int64_t carry_ns;    /* instants: the longest time a sample speaks for */
    /* Its name elsewhere, "" where it has none. */
    char healthkit[CATALOG_NAME_BYTES_MAX + 1];
    char health_connect[CATALOG_NAME_BYTES_MAX + 1];
    char open_mhealth[CATALOG_NAME_BYTES_MAX + 1];
    char loinc[CATALOG_NAME_BYTES_MAX + 1];
};

struct catalog_region {
    uint16_t number;                       /* from 0 */
    char name[CATALOG_NAME_BYTES_MAX + 1]; /* [a-z0-9][a-z0-9-]*: a directory's name too */
    uint16_t shards;                       /* 1 .. 256 */
};

enum { CATALOG_SETTINGS_MAX = 32, CATALOG_PUT_SOURCES_MAX = 8192 };

/** A device or app of a user. Strings are UTF-8, "" where unknown. */
struct catalog_source {
    uint64_t user;
    uint32_t number;                              /* from 1, within the user */
    char name[CATALOG_SOURCE_NAME_BYTES_MAX + 1]; /* the writer's device id: what queries name */
    char type[CATALOG_NAME_BYTES_MAX + 1];        /* watch, phone, ring .. */
    char model[CATALOG_NAME_BYTES_MAX + 1];
    char firmware[CATALOG_NAME_BYTES_MAX + 1];
    int64_t registered_ns;
    uint8_t status; /* 0 active, 1 retired */
    struct catalog_setting {
        uint32_t metric;   /* each once */
        int32_t priority;  /* greater wins; 0 none was set */
        int64_t period_ns; /* stream setting: expected gap between samples; 0 unknown */
    } settings[CATALOG_SETTINGS_MAX];
    size_t setting_count;
};

/**
 * How long logs are kept for the change feed once they are flushed: until the one or the other is
 * reached. Both 0: not at all; else neither is. It is here, not in the options of a handle, so that every
 * process that flushes goes by it, and not in the shards' manifests, where it would be one edit for each
 * and could be set in part.
 */
struct catalog_feed {
    int64_t age_ns; /* INT64_MAX: of any age */
    uint64_t bytes; /* of all shards together; UINT64_MAX: of any size */
};

struct catalog;

struct catalog_spec {
    struct io *io;
    const char *directory; /* the store's; borrowed */
    uint8_t store_id[16];
    bool is_sealed;
    struct head *statistics; /* as in edits_spec */
};

/** Make "catalog.a" and "catalog.b" with the built-in metrics and one region. */
holter_status catalog_create(const struct catalog_spec *spec, const char *region, uint16_t shards,
                             holter_error *err);
/**
 * As edits_open. A writable opening adds built-in metrics that the store was made without, in an
 * edit (save those whose name is taken); catalog_version has risen then.
 */
holter_status catalog_open(struct catalog **out, const struct catalog_spec *spec, bool writable,
                           uint64_t version_max, holter_error *err);
void catalog_close(struct catalog *catalog);
uint64_t catalog_version(const struct catalog *catalog);
holter_status catalog_refresh(struct catalog *catalog, bool writable, uint64_t version_max,
                              holter_error *err);

bool catalog_region_name_is_valid(const char *name);

/* Regions and metrics: pointers are borrowed until the next refresh or change. */
size_t catalog_region_count(const struct catalog *catalog);
const struct catalog_region *catalog_region_at(const struct catalog *catalog, size_t index);
const struct catalog_region *catalog_region_find(const struct catalog *catalog, const char *name);
size_t catalog_metric_count(const struct catalog *catalog);
const struct catalog_metric *catalog_metric_at(const struct catalog *catalog,
                                               size_t index); /* by number */
const struct catalog_metric *catalog_metric_find(const struct catalog *catalog, const char *name);
const struct catalog_metric *catalog_metric_by_number(const struct catalog *catalog,
                                                      uint32_t number);
/** The index of a label; HOLTER_NOT_FOUND. */
holter_status catalog_label_find(int64_t *value, const struct catalog_metric *metric, size_t field,
                                 const char *label, size_t label_bytes);

struct catalog_feed catalog_feed(const struct catalog *catalog);

/* Changes: one durable edit each; the caller holds the store lock and has refreshed (writable). */
holter_status catalog_add_region(struct catalog *catalog, const char *name, uint16_t shards,
                                 uint16_t *number, holter_error *err);
/**
 * *metric as described; its number is given by this call.
 * Errors   HOLTER_EXISTS a metric of that name that differs (an equal one: HOLTER_OK, *number is
 *          its); HOLTER_INVALID, telling what is wrong with it; those of edits_append.
 */
holter_status catalog_add_metric(struct catalog *catalog, const struct catalog_metric *metric,
                                 uint32_t *number, holter_error *err);
/**
 * Errors   HOLTER_NOT_FOUND no such metric; HOLTER_INVALID no enum field, no valid label, or too
 *          many. A label that is there already: HOLTER_OK, *value is its.
 */
holter_status catalog_add_label(struct catalog *catalog, uint32_t metric, size_t field,
                                const char *label, int64_t *value, holter_error *err);

/** Errors: HOLTER_INVALID; those of edits_append. */
holter_status catalog_set_feed(struct catalog *catalog, const struct catalog_feed *feed,
                               holter_error *err);

/* Sources: opened with the user's key when asked for. */
/**
 * `arena` and `key` (NULL: no sealing) are borrowed for the call; one slot of the arena is used
 * meanwhile.
 * Errors   HOLTER_NOT_FOUND; HOLTER_DENIED no key for a sealed store; HOLTER_CORRUPT;
 *          HOLTER_NO_MEMORY no slot.
 * Cost     opens the user's sources one by one, about a microsecond each; reads and allocates
 *          nothing.
 */
holter_status catalog_source_find(struct catalog_source *out, struct catalog *catalog,
                                  uint64_t user, const char *name, struct crypto_arena *arena,
                                  const struct crypto_key *key, holter_error *err);
holter_status catalog_source_by_number(struct catalog_source *out, struct catalog *catalog,
                                       uint64_t user, uint32_t number, struct crypto_arena *arena,
                                       const struct crypto_key *key, holter_error *err);
size_t catalog_source_count(const struct catalog *catalog, uint64_t user); /* numbers 1 .. count */
/**
 * Add (number 0: the next one is given), or replace what is told about an existing number. Many in
 * one edit, CATALOG_PUT_SOURCES_MAX at most; keys[i] and key_generations[i] are those of
 * sources[i].user.
 * Errors   HOLTER_EXISTS the user has another source of that name; HOLTER_NOT_FOUND no such number;
 *          HOLTER_INVALID; HOLTER_DENIED a key is missing; those of edits_append. Nothing is
 *          changed then.
 */
holter_status catalog_put_sources(struct catalog *catalog, struct catalog_source *sources,
                                  size_t count, struct crypto_arena *arena,
                                  const struct crypto_key *const *keys,
                                  const uint32_t *key_generations, holter_error *err);

/** As edits_verify: *damaged grows by what was found. Sources are not opened. */
holter_status catalog_verify(struct catalog *catalog,
                             void (*report)(void *context, const char *sentence), void *context,
                             size_t *damaged, holter_error *err);

#endif
