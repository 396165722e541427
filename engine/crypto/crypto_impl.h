/*
 * crypto_impl.h -- what the files of crypto share: a slot of an arena.
 */
#ifndef CRYPTO_CRYPTO_IMPL_H
#define CRYPTO_CRYPTO_IMPL_H

#include "crypto.h"

#include <stdatomic.h>

/** In slot order of life: free, in use, (wiped), free again. */
enum crypto_slot_state { SLOT_FREE = 0, SLOT_IN_USE = 1, SLOT_WIPED = 2 };

struct crypto_key {
    uint8_t bytes[CRYPTO_KEY_BYTES];
    struct crypto_arena *arena;
    _Atomic uint32_t next;  /* while free: 1 + the index of the next free slot; 0 ends the list */
    _Atomic uint32_t state; /* enum crypto_slot_state */
};

/** The 32 bytes of a key that is in use; asserts that it is neither freed nor wiped. */
const uint8_t *crypto_key_bytes_in_use(const struct crypto_key *key);

#endif
