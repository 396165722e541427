/*
 * vault.h -- the door of vault: who is who, and each user's key, wrapped.
 *
 * Promise: an external id is found only by who holds the keyring, a user's key opens only under a
 * living epoch key, and an erased number stays erased.
 *
 *   V1  External ids and data keys are sealed together, under the epoch key, in the vault's edits
 *       only. An id is found by a keyed hash (index key: random, wrapped in the vault's first
 *       edit).
 *   V2  A new user's entry is durable before vault_add returns, so before any frame under its key
 *       is.
 *   V3  Erased numbers are listed for ever; their keys and ids are not. (Erasing and rotation come
 *       later; readers honour both records from the first version on.)
 *   V4  Unwrapped keys live in the arena, at most VAULT_KEYS_OPEN of them, the least recently used
 *       one leaves first.
 *
 * Needs core, io, crypto, edits. Threads: one at a time (the store's mutex), a vault_key_ref'd key
 * any thread.
 * Bytes: format-spec/vault.md, format-spec/keyring.md.
 */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include "crypto/crypto.h"
#include "edits/edits.h"

enum { VAULT_ID_BYTES_MAX = 128, VAULT_KEYS_OPEN = 16384 };

/* ---- the keyring: epoch keys, in a file outside the store ------------------------------------ */

struct keyring;

/**
 * Make a keyring with one random epoch key (epoch 1), mode 0600, durable. Errors: HOLTER_EXISTS;
 * those of io. It begins with magic and store id, holds up to 64 epochs and ends with a checksum.
 */
holter_status keyring_create(struct io *io, const char *path, const uint8_t store_id[static 16],
                             holter_error *err);
/** Remove the keyring of a store that was not made in the end; another store's keyring is left. */
void keyring_discard(struct io *io, const char *path, const uint8_t store_id[static 16]);
/**
 * Errors   HOLTER_NOT_FOUND; HOLTER_DENIED another user may read it (mode & 077), owned by someone
 *          else than this user or root, or made for another store; HOLTER_CORRUPT;
 *          HOLTER_UNSUPPORTED; HOLTER_INVALID no regular file.
 * Keys go straight into `arena`.
 */
holter_status keyring_open(struct keyring **out, struct io *io, const char *path,
                           const uint8_t store_id[static 16], struct crypto_arena *arena,
                           holter_error *err);
void keyring_close(struct keyring *keyring); /* wipes */

/* ---- the vault ------------------------------------------------------------------------------- */

struct vault;

struct vault_spec {
    struct io *io;
    const char *directory; /* the store's; borrowed */
    uint8_t store_id[16];
    struct keyring *keyring;    /* borrowed; NULL: a store without sealing */
    struct crypto_arena *arena; /* borrowed */
    struct head *statistics;    /* as in edits_spec */
};

/** Make "vault.a" and "vault.b". */
holter_status vault_create(const struct vault_spec *spec, holter_error *err);
/** As edits_open. Errors also: HOLTER_DENIED the keyring does not open it (wrong keyring). */
holter_status vault_open(struct vault **out, const struct vault_spec *spec, bool writable,
                         uint64_t version_max, holter_error *err);
void vault_close(struct vault *vault);
uint64_t vault_version(const struct vault *vault);
uint64_t vault_generation(const struct vault *vault);
holter_status vault_refresh(struct vault *vault, bool writable, uint64_t version_max,
                            holter_error *err);

/** A user, without the id. */
struct vault_user {
    uint64_t number; /* random, not 0; stands for the user everywhere */
    uint16_t region;
    uint32_t key_generation; /* newest */
    bool is_erased;
};

/**
 * By external id. Errors: HOLTER_NOT_FOUND; HOLTER_INVALID an id that is empty, too long or no
 * UTF-8.
 */
holter_status vault_find(struct vault_user *out, struct vault *vault, const void *id,
                         size_t id_bytes, holter_error *err);
/** By number; erased ones are found. Errors: HOLTER_NOT_FOUND. */
holter_status vault_find_number(struct vault_user *out, struct vault *vault, uint64_t number,
                                holter_error *err);
/** The external id of a living user. */
holter_status vault_id(char out[static VAULT_ID_BYTES_MAX + 1], size_t *bytes, struct vault *vault,
                       uint64_t number, holter_error *err);
size_t vault_user_count(const struct vault *vault); /* living and erased */
size_t vault_erased_count(const struct vault *vault);
/** In the order they were added; a user keeps its index for ever, also once erased. */
struct vault_user vault_user_at(const struct vault *vault, size_t index);

/** An external id to add. */
struct vault_id {
    const void *bytes;
    size_t count;
    uint16_t region;
};
/**
 * Add `count` new users in one durable edit; numbers[i] is theirs. Ids that exist, or come twice,
 * get the number that there is. The caller holds the store lock and has refreshed (writable).
 * Errors: those of edits_append; HOLTER_INVALID.
 */
holter_status vault_add(uint64_t *numbers, struct vault *vault, const struct vault_id *ids,
                        size_t count, holter_error *err);
/** Rises whenever users may have gone: who keeps something of users' looks then which to wipe. */
uint64_t vault_sweeps(const struct vault *vault);
/** Record that numbers are erased, and drop their entries by rewriting. Erase builds on it. */
holter_status vault_erase(struct vault *vault, const uint64_t *numbers, size_t count,
                          holter_error *err);

/**
 * A user's data key, unwrapped. *key counted: vault_key_unref; NULL in a store without sealing.
 * Errors   HOLTER_NOT_FOUND no such user or generation; HOLTER_EXPIRED the user is erased;
 *          HOLTER_DENIED the epoch key is missing; HOLTER_CORRUPT the wrapped key does not open;
 *          HOLTER_NO_MEMORY all slots are in use.
 */
holter_status vault_key(const struct crypto_key **key, struct vault *vault, uint64_t number,
                        uint32_t generation, holter_error *err);
void vault_key_unref(struct vault *vault, const struct crypto_key *key);

/**
 * As edits_verify, and every entry opens to an id of its hash: *damaged grows by what was found.
 */
holter_status vault_verify(struct vault *vault, void (*report)(void *context, const char *sentence),
                           void *context, size_t *damaged, holter_error *err);

#endif
