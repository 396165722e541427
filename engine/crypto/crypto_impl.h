/*
 * crypto_impl.h -- what the files of crypto share: a slot of an arena.
 */
#ifndef CRYPTO_CRYPTO_IMPL_H
#define CRYPTO_CRYPTO_IMPL_H

#include "crypto.h"

#include <stdatomic.h>

/** In slot order of life: free, in use, (wiped), free again. */
enum crypto_slot_state { SLOT_FREE = 0, SLOT_IN_USE = 1, SLOT_WIPED = 2 };

/* Of a derived key: its purpose, then its id. */
enum { CRYPTO_DERIVED_BYTES = 8 + 16 };

struct crypto_key {
    uint8_t bytes[CRYPTO_KEY_BYTES];
    struct {
        bool is_there;
        uint8_t of[CRYPTO_DERIVED_BYTES];
        uint8_t bytes[CRYPTO_KEY_BYTES];
    } derived;      /* the one that crypto_seal_derived used last; of its caller's thread */
    uint32_t index; /* of the slot */
    struct crypto_arena *arena;
    _Atomic uint32_t next;  /* while free: 1 + the index of the next free slot; 0 ends the list */
    _Atomic uint32_t state; /* enum crypto_slot_state */
};

/** The 32 bytes of a key that is in use; asserts that it is neither freed nor wiped. */
const uint8_t *crypto_key_bytes_in_use(const struct crypto_key *key);
/** Those that crypto_key_derive gives, kept in the slot. */
const uint8_t *crypto_key_bytes_derived(const struct crypto_key *key, const char purpose[static 8],
                                        const uint8_t id[static 16]);

#endif
