/*
 * crypto.h -- the door of crypto: keys in locked memory, sealing and opening, keyed hashes, wiping.
 *
 * Promise: key bytes live in the one locked arena or on the stack of a function here, and are
 * wiped; what was sealed opens only with its key, its nonce and its associated data.
 * XChaCha20-Poly1305, BLAKE2b (libsodium). Needs core. Nonces and key material come from the caller
 * (io_random).
 * Threads: an arena is for any thread; functions any thread. Bytes: format-spec/README.md,
 * "Sealing".
 */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "core/core.h"

enum {
    CRYPTO_KEY_BYTES = 32,
    CRYPTO_NONCE_BYTES = 24,
    CRYPTO_TAG_BYTES = 16,
    CRYPTO_ID_HASH_BYTES = 16
};

struct crypto_arena;
struct crypto_key; /* a slot of an arena */

/**
 * Locked, guarded memory for `slots` keys, left out of core dumps. *out owned: crypto_arena_free.
 * Where the system refuses to lock it, the arena is made all the same and crypto_arena_is_locked
 * tells.
 * Errors: HOLTER_NO_MEMORY.
 */
holter_status crypto_arena_new(struct crypto_arena **out, size_t slots, holter_error *err);
void crypto_arena_free(struct crypto_arena *arena); /* wipes */
/** All slots, also those for which there is no memory yet: it is tried, which costs as much as making them. */
bool crypto_arena_is_locked(const struct crypto_arena *arena);
/**
 * Overwrite all keys at once, also those in use: for a forked child. Sealing with them then
 * asserts.
 */
void crypto_arena_wipe(struct crypto_arena *arena);

/** A slot holding these 32 bytes (copied). NULL: all slots are in use, or there is no memory for more. */
struct crypto_key *crypto_key_new(struct crypto_arena *arena,
                                  const uint8_t bytes[static CRYPTO_KEY_BYTES]);
/**
 * A slot holding BLAKE2b-256 keyed with `key` over `purpose` (8 bytes) and `id` (16 bytes). NULL:
 * none is free, as above.
 */
struct crypto_key *crypto_key_derive(struct crypto_arena *arena, const struct crypto_key *key,
                                     const char purpose[static 8], const uint8_t id[static 16]);
void crypto_key_free(struct crypto_key *key); /* wipes; NULL does nothing */
/** The bytes, to wrap a key under another: borrowed until crypto_key_free. */
const uint8_t *crypto_key_bytes(const struct crypto_key *key);

/**
 * Seal `bytes` of plain into out[bytes + CRYPTO_TAG_BYTES]; out and plain may be the same memory.
 * key NULL: a store without sealing: the bytes as they are, then XXH3-128 over nonce, associated
 * data and bytes, so that damage is found all the same.
 */
void crypto_seal(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                 size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                 const struct crypto_key *key);
/**
 * crypto_seal under the key that crypto_key_derive gives, which stays beside `key` until another is asked for: who
 * seals for one purpose and id again and again derives it once, and needs no slot. One thread at a time for a
 * key; others may do all else with it meanwhile.
 */
void crypto_seal_derived(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                         size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                         const struct crypto_key *key, const char purpose[static 8],
                         const uint8_t id[static 16]);
/**
 * Open `bytes` (tag included) into out[bytes - CRYPTO_TAG_BYTES]; in place is allowed. False: fewer
 * bytes than a tag, or any of key, nonce, associated data or bytes is not what it was; out is
 * zeroed then.
 */
bool crypto_open(uint8_t *out, const void *sealed, size_t bytes, const void *associated,
                 size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                 const struct crypto_key *key);

/** BLAKE2b-128 of `bytes`, keyed; key NULL: with an empty key. */
void crypto_id_hash(uint8_t out[static CRYPTO_ID_HASH_BYTES], const void *bytes, size_t count,
                    const struct crypto_key *key);
void crypto_wipe(void *memory, size_t bytes);

/**
 * In builds for fuzzing, every tag and checksum counts as right, so that decoders are reached:
 * crypto_seal copies and appends a tag of zeros, crypto_open copies and looks at no tag, with and
 * without a key.
 */
#define CRYPTO_TRUSTS_TAGS CORE_TRUSTS_CHECKSUMS

#endif
