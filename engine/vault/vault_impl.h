/*
 * vault_impl.h -- what the files of vault share: the keyring, the users in memory, the keys in use.
 */
#ifndef VAULT_VAULT_IMPL_H
#define VAULT_VAULT_IMPL_H

#include "vault.h"

/* ---- keyring --------------------------------------------------------------------------------- */

enum { KEYRING_EPOCHS_MAX = 64 };

struct keyring {
    size_t count;                       /* 1 .. KEYRING_EPOCHS_MAX */
    uint32_t epoch[KEYRING_EPOCHS_MAX]; /* rising */
    struct crypto_key *key[KEYRING_EPOCHS_MAX];
};

/** NULL: no such epoch. Borrowed until keyring_close. */
const struct crypto_key *keyring_key(const struct keyring *keyring, uint32_t epoch);
uint32_t keyring_newest(const struct keyring *keyring);

/* ---- users in memory ------------------------------------------------------------------------- */

/* Sizes of format-spec/vault.md. */
enum {
    VAULT_SHORT_ID_BYTES = 63,
    VAULT_SHORT_PLAIN_BYTES = CRYPTO_KEY_BYTES + 1 + VAULT_SHORT_ID_BYTES,
    VAULT_LONG_PLAIN_BYTES = CRYPTO_KEY_BYTES + 1 + VAULT_ID_BYTES_MAX,
    VAULT_SHORT_BLOB_BYTES = CRYPTO_NONCE_BYTES + VAULT_SHORT_PLAIN_BYTES + CRYPTO_TAG_BYTES,
    VAULT_LONG_BLOB_BYTES = CRYPTO_NONCE_BYTES + VAULT_LONG_PLAIN_BYTES + CRYPTO_TAG_BYTES,
    VAULT_USER_HEAD_BYTES = 8 + 2 + 4 + 4 + CRYPTO_ID_HASH_BYTES,
    VAULT_INDEX_SEALED_BYTES = 1 + 4 + CRYPTO_NONCE_BYTES + CRYPTO_KEY_BYTES + CRYPTO_TAG_BYTES,
};

/** 40 bytes a user, and the blob; with the two tables 192 at a million users of short ids. */
struct vault_entry {
    uint64_t number;
    uint8_t id_hash[CRYPTO_ID_HASH_BYTES]; /* zeros once erased */
    uint32_t key_generation;
    uint32_t epoch;
    uint32_t blob; /* index among those of its size: nonce, sealed data key and id */
    uint16_t region;
    bool is_erased;
    bool is_long; /* which size */
};

/** Elements of one size that never move, so that growing copies none. */
struct chunks {
    uint8_t **chunk;
    size_t chunk_count, chunk_capacity;
    size_t count; /* of elements */
    size_t element_bytes;
};

void vault_chunks_init(struct chunks *c, size_t element_bytes);
void vault_chunks_release(struct chunks *c);
bool vault_chunks_reserve(struct chunks *c, size_t count); /* room for `count` more */
void *vault_chunks_at(const struct chunks *c, size_t index);
void *vault_chunks_append(struct chunks *c); /* reserved before */

/** Open addressing over indexes of something: 0 free, else 1 + index. At most 3/4 full. */
struct table {
    uint32_t *slot;
    size_t capacity; /* 0 or a power of two */
};

#define USERS_MAX (UINT32_MAX - 1)
#define USERS_NONE UINT32_MAX

struct users {
    struct chunks entries;  /* struct vault_entry, in the order they were added */
    struct chunks blobs[2]; /* [is_long] */
    struct table by_number; /* all */
    struct table by_id;     /* the living; what was erased later stays as a mark without a match */
    size_t living[2];       /* users by is_long */
    size_t erased_count;
};

void vault_users_init(struct users *u);
void vault_users_release(struct users *u);
void vault_users_clear(struct users *u); /* keeps memory */
/** Room for so many more users, and blobs of both sizes, so that adding them cannot fail. */
bool vault_users_reserve(struct users *u, size_t count, size_t short_count, size_t long_count);
struct vault_entry *vault_users_at(const struct users *u, uint32_t index);
uint8_t *vault_users_blob(const struct users *u, const struct vault_entry *entry);
static inline size_t blob_bytes(bool is_long)
{
    return is_long ? VAULT_LONG_BLOB_BYTES : VAULT_SHORT_BLOB_BYTES;
}
/** USERS_NONE: not there. */
uint32_t vault_users_find_number(const struct users *u, uint64_t number);
uint32_t vault_users_find_id(const struct users *u,
                             const uint8_t id_hash[static CRYPTO_ID_HASH_BYTES]);
/** Reserved before; neither number nor hash is there. entry->blob is given here. */
void vault_users_add(struct users *u, const struct vault_entry *entry, const uint8_t *blob);
/** Mark as erased, forget hash and blob; a number that is not there is added. Reserved before. */
void vault_users_erase(struct users *u, uint64_t number);

/* ---- keys in use (V4) ------------------------------------------------------------------------ */

enum { KEYS_BUCKETS = 16384 };

/** Links are 1 + an index of `open`; 0 ends. Zeros are a place that was never used. */
struct open_key {
    struct crypto_key *key; /* NULL: the slot is free */
    uint64_t number;
    uint32_t generation;
    uint32_t refs;
    bool is_dropped; /* not to be found again; freed with the last reference */
    uint16_t next_by_user, next_by_key;
    uint16_t older, newer; /* among those without references */
};

struct keys {
    struct open_key open[VAULT_KEYS_OPEN];
    uint16_t by_user[KEYS_BUCKETS], by_key[KEYS_BUCKETS];
    uint16_t oldest, newest;
    uint16_t used; /* places, the first ones */
    uint16_t free; /* of these, by next_by_user */
};
_Static_assert(VAULT_KEYS_OPEN <= UINT16_MAX, "links have 16 bits");

/** The last call, which asserts that no key is referenced; zeros are the first state. */
void vault_keys_release(struct keys *k);
/** One more reference; NULL: not open. */
const struct crypto_key *vault_keys_find(struct keys *k, uint64_t number, uint32_t generation);
/**
 * Open a key that is not open, with one reference. NULL: all slots of keys or arena are referenced.
 */
const struct crypto_key *vault_keys_add(struct keys *k, struct crypto_arena *arena, uint64_t number,
                                        uint32_t generation,
                                        const uint8_t bytes[static CRYPTO_KEY_BYTES]);
void vault_keys_unref(struct keys *k, const struct crypto_key *key);
/** Drop the keys whose user `is_living` denies. */
void vault_keys_sweep(struct keys *k,
                      bool (*is_living)(void *context, uint64_t number, uint32_t generation),
                      void *context);

/* ---- the vault ------------------------------------------------------------------------------- */

struct vault {
    struct vault_spec spec;
    struct edits *edits;
    struct users users;
    struct keys keys;
    struct crypto_key *index_key; /* NULL in a store without sealing */
    bool has_index;               /* the index record was applied */
    bool is_broken;       /* an edit was applied in part: nothing is answered until a reset */
    bool has_skipped;     /* a record that may be skipped was: not to be written */
    bool must_sweep;      /* users may be gone whose keys are open */
    uint64_t sweeps;      /* how often it was done */
    size_t erased_in_log; /* entries of erased users that the log still holds */
};

/** What edits calls; context is a struct vault. */
void vault_reset(void *context);
holter_status vault_apply(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                          holter_error *err);

void vault_bodies_put_user(struct edits_bodies *b, const struct vault_entry *entry,
                           const uint8_t *blob);
void vault_bodies_put_erased(struct edits_bodies *b, const uint64_t *numbers, size_t count);
/** The index record, with the key sealed anew (NULL: without sealing). */
holter_status vault_bodies_put_index(struct edits_bodies *b, const struct vault_spec *spec,
                                     const uint8_t *index_key, holter_error *err);
/** The whole state. */
holter_status vault_bodies_put_all(struct edits_bodies *b, const struct vault *vault,
                                   holter_error *err);
/** What vault_bodies_put_all would come to. */
uint64_t vault_snapshot_bytes(const struct vault *vault);

/** Seal id and data key into a blob whose first bytes hold the nonce; entry is complete. */
void vault_blob_seal(uint8_t *blob, const struct vault *vault, const struct vault_entry *entry,
                     const uint8_t data_key[static CRYPTO_KEY_BYTES], const void *id,
                     size_t id_bytes);
/** What a blob holds; wipe it. */
struct opened {
    uint8_t plain[VAULT_LONG_PLAIN_BYTES];
    const uint8_t *data_key; /* into plain */
    const uint8_t *id;
    size_t id_bytes;
};
/** Errors: HOLTER_DENIED its epoch key is missing; HOLTER_CORRUPT. */
holter_status vault_blob_open(struct opened *out, const struct vault *vault,
                              const struct vault_entry *entry, holter_error *err);

#endif
