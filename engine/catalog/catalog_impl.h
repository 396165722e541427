/*
 * catalog_impl.h -- what the files of catalog share: the state in memory, and the changes that lead
 * to it.
 */
#ifndef CATALOG_CATALOG_IMPL_H
#define CATALOG_CATALOG_IMPL_H

#include "catalog.h"

/**
 * Stored. A new kind also needs: catalog.md, catalog_changes_decode, catalog_changes_commit,
 * catalog_bodies_put_all.
 */
enum record_kind {
    RECORD_REGION = 1,
    RECORD_METRIC = 2,
    RECORD_LABEL = 3,
    RECORD_SOURCE = 4,
    RECORD_FEED = 6,
    RECORD_SKIPPABLE_MIN = 128, /* below it, an unknown kind must be understood */
};

/* ---- built-in metrics (K1) ------------------------------------------------------------------- */

size_t catalog_builtin_count(void);
/** Fill *out; its labels are static. Numbers rise with the index. */
void catalog_builtin_get(struct catalog_metric *out, size_t index);

/* ---- metrics --------------------------------------------------------------------------------- */

/**
 * A metric and the memory of its labels: CATALOG_LABELS_MAX places for each enum field, so that
 * growing moves none.
 */
struct metric {
    struct catalog_metric told;
    char **labels[SCHEMA_FIELDS_MAX];
};

/** NULL, or what is wrong: a clause that begins with "its". The number is not looked at. */
const char *catalog_metric_check(const struct catalog_metric *metric);
bool catalog_metric_is_equal(const struct catalog_metric *there,
                             const struct catalog_metric *given);
void catalog_metric_encode(struct buffer *out, const struct catalog_metric *metric);
/** *out owned: catalog_metric_free. Errors: HOLTER_CORRUPT, HOLTER_NO_MEMORY. */
holter_status catalog_metric_decode(struct metric **out, struct reader *r);
void catalog_metric_free(struct metric *metric);

bool catalog_identifier_is_valid(const char *name, size_t bytes);
bool catalog_region_bytes_are_valid(const char *name, size_t bytes);
bool catalog_code_is_valid(const char *code, size_t bytes);
bool catalog_words_are_valid(const char *words, size_t bytes);
/** The length of a string in an array of `room` bytes; `room` where no zero ends it. */
size_t catalog_bounded_length(const char *string, size_t room);
void catalog_string_encode(struct buffer *out, const char *string);
/** Into out[most + 1], zero-terminated; false: longer than that, cut, or invalid. */
bool catalog_string_decode(char *out, size_t most, struct reader *r,
                           bool (*is_valid)(const char *, size_t));

/* ---- the feed -------------------------------------------------------------------------------- */

enum { FEED_PAYLOAD_BYTES = 8 + 8 };
bool catalog_feed_is_valid(const struct catalog_feed *feed);

/* ---- sources --------------------------------------------------------------------------------- */

enum {
    SOURCE_HEAD_BYTES = 8 + 4 + 4 + CRYPTO_NONCE_BYTES,
    SOURCE_UNIT_BYTES = 64, /* descriptions are padded to a multiple */
    SOURCE_PLAIN_BYTES_MAX = 14 * SOURCE_UNIT_BYTES,
};

/** Sealed, as on disk. */
struct source {
    uint64_t user;
    uint32_t number;
    uint32_t generation;
    uint32_t before; /* 1 + the index of this user's source with the number before; 0: first */
    uint32_t blob_bytes;
    uint8_t *blob; /* nonce, sealed description */
};

struct sources {
    struct source *all;
    size_t count, capacity;
    uint32_t *
        newest; /* by user, open addressing: 0 free, else 1 + the index of the user's last source */
    size_t slots; /* 0 or a power of two */
    size_t users;
};

void catalog_sources_release(struct sources *s);
/** Room for so many more; false: no memory, nothing changed. */
bool catalog_sources_reserve(struct sources *s, size_t count);
/** The user's last source; NULL: there is none. */
struct source *catalog_sources_newest(const struct sources *s, uint64_t user);
struct source *catalog_sources_find(const struct sources *s, uint64_t user, uint32_t number);
static inline struct source *sources_before(const struct sources *s, const struct source *source)
{
    return source->before == 0 ? NULL : &s->all[source->before - 1];
}
/** Takes the blob. Reserved before; the number is the next one of its user. */
void catalog_sources_add(struct sources *s, const struct source *source);

const char *catalog_source_check(const struct catalog_source *source);
/**
 * Seal into out[SOURCE_HEAD_BYTES + SOURCE_PLAIN_BYTES_MAX + CRYPTO_TAG_BYTES], a record's payload;
 * its bytes.
 */
size_t catalog_source_seal(uint8_t *out, const struct catalog_source *source, uint32_t number,
                           uint32_t generation, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                           const uint8_t store_id[static 16], const struct crypto_key *key);
/** `key` is the one derived for sources. False: it does not open, or is malformed. Wipe *out. */
bool catalog_source_open(struct catalog_source *out, const struct source *source,
                         const uint8_t store_id[static 16], const struct crypto_key *key);

/* ---- the catalog ----------------------------------------------------------------------------- */

/** One record of an edit, ready to be taken into memory without fail. */
struct change {
    uint8_t kind;
    size_t offset; /* in the body */
    size_t bytes;  /* of the record */
    union {
        struct catalog_region region;
        struct metric *metric; /* owned */
        struct {
            uint32_t metric;
            uint8_t field;
            char *text;
        } label;              /* text owned */
        struct source source; /* blob owned */
        struct catalog_feed feed;
    } of;
};

struct changes {
    struct change *change;
    size_t count, capacity;
    size_t taken; /* those before have moved into the catalog */
};

struct catalog {
    struct catalog_spec spec;
    struct edits *edits;
    struct catalog_region *regions;
    size_t region_count, region_capacity;
    struct metric **metrics; /* by number */
    struct metric **by_name;
    size_t metric_count, metric_capacity, by_name_capacity;
    struct sources sources;
    struct catalog_feed feed;
    uint64_t live_bytes;      /* of the records that tell what is in memory */
    bool has_skipped;         /* a record that may be skipped was: not to be written */
    struct changes *prepared; /* what the edit being appended comes to; else NULL */
};

void catalog_changes_release(struct changes *changes);
/** Decode a body and make room in the catalog for what it may add. */
holter_status catalog_changes_decode(struct changes *out, struct catalog *catalog, uint64_t version,
                                     const uint8_t *body, size_t bytes, holter_error *err);
/**
 * Take them into memory. Errors: HOLTER_CORRUPT they contradict it, which is changed in part then.
 */
holter_status catalog_changes_commit(struct changes *changes, struct catalog *catalog,
                                     uint64_t version, holter_error *err);

/** What edits calls; context is a struct catalog. */
void catalog_reset(void *context);
holter_status catalog_apply(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                            holter_error *err);

void catalog_bodies_put_region(struct edits_bodies *b, const struct catalog_region *region);
void catalog_bodies_put_metric(struct edits_bodies *b, const struct catalog_metric *metric);
void catalog_bodies_put_source(struct edits_bodies *b, const struct source *source);
void catalog_bodies_put_feed(struct edits_bodies *b, const struct catalog_feed *feed);
void catalog_bodies_put_all(struct edits_bodies *b, const struct catalog *catalog);

struct metric *catalog_find_metric(const struct catalog *catalog, uint32_t number);
struct metric *catalog_find_metric_by_name(const struct catalog *catalog, const char *name);

#endif
