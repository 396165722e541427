/*
 * crypto_arena.c -- keys in memory that is locked, guarded and left out of core dumps.
 *
 * The slots lie in one run of libsodium's guarded memory: its pages are locked where the system
 * allows it, marked MADV_DONTDUMP, and have unreadable pages on both sides.
 *
 *   A1  A slot is in the free list or held by one owner; `head` carries a count that each change
 *       raises, so that a slot which left the list and came back meanwhile is not mistaken for one
 *       that stayed.
 *   A2  A slot in the free list holds zeros.
 *
 * Free slots are a linked stack that is changed by compare and exchange: rooms have no threads'
 * mutexes, and a flag to spin on would make everyone wait for a thread that was put to sleep while
 * it held the flag. Pairs: the push of `head` releases, its pop acquires, so a new owner sees the
 * zeros of the old one.
 */
#include "crypto_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_SLOTS_MAX = 1 << 24 };

struct crypto_arena {
    struct crypto_key *slots; /* in locked memory */
    size_t count;
    bool is_locked;
    _Atomic uint64_t
        head; /* changes so far << 32 | 1 + the index of the first free slot; 0: none is free */
};

static uint64_t head_after(uint64_t head, uint32_t first)
{
    return ((head >> 32) + 1) << 32 | first;
}

static struct crypto_key *slot_take(struct crypto_arena *arena)
{
    uint64_t head = atomic_load_explicit(&arena->head, memory_order_acquire);
    for (;;) {
        uint32_t first = (uint32_t)head;
        if (first == 0)
            return NULL;
        struct crypto_key *slot = &arena->slots[first - 1];
        uint32_t next = atomic_load_explicit(&slot->next, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&arena->head, &head, head_after(head, next),
                                                  memory_order_acquire, memory_order_acquire)) {
            atomic_store_explicit(&slot->state, SLOT_IN_USE, memory_order_relaxed);
            return slot;
        }
    }
}

const uint8_t *crypto_key_bytes_in_use(const struct crypto_key *key)
{
    core_assert(atomic_load_explicit(&key->state, memory_order_relaxed) == SLOT_IN_USE);
    return key->bytes;
}

holter_status crypto_arena_new(struct crypto_arena **out, size_t slots, holter_error *err)
{
    core_assert(slots > 0);
    core_assert(slots <= ARENA_SLOTS_MAX);
    *out = NULL;

    struct crypto_arena *arena = core_calloc(1, sizeof *arena);
    if (arena == NULL || sodium_init() < 0)
        goto no_memory;
    /*
     * A multiple of 16 bytes, so that libsodium, which puts memory at the end of a page, aligns the
     * slots.
     */
    _Static_assert(sizeof(struct crypto_key) % 16 == 0, "slots must keep their alignment");
    size_t bytes = slots * sizeof *arena->slots;
    arena->slots = sodium_malloc(bytes);
    if (arena->slots == NULL)
        goto no_memory;
    /*
     * sodium_malloc locks, but does not tell; locks are not counted, so that asking again does no
     * harm.
     */
    arena->is_locked = sodium_mlock(arena->slots, bytes) == 0;

    arena->count = slots;
    memset(arena->slots, 0, bytes);
    for (size_t i = 0; i < slots; i++) {
        arena->slots[i].arena = arena;
        atomic_init(&arena->slots[i].next, i + 1 < slots ? (uint32_t)(i + 2) : 0);
        atomic_init(&arena->slots[i].state, SLOT_FREE);
    }
    atomic_init(&arena->head, 1);
    *out = arena;
    return HOLTER_OK;

no_memory:
    free(arena);
    return error_set(err, HOLTER_NO_MEMORY, "no memory for an arena of %zu keys", slots);
}

void crypto_arena_free(struct crypto_arena *arena)
{
    if (arena == NULL)
        return;
    crypto_wipe(arena->slots, arena->count * sizeof *arena->slots);
    sodium_free(arena->slots);
    free(arena);
}

bool crypto_arena_is_locked(const struct crypto_arena *arena)
{
    return arena->is_locked;
}

void crypto_arena_wipe(struct crypto_arena *arena)
{
    for (size_t i = 0; i < arena->count; i++) {
        struct crypto_key *slot = &arena->slots[i];
        uint32_t in_use = SLOT_IN_USE;
        atomic_compare_exchange_strong(&slot->state, &in_use, SLOT_WIPED);
        crypto_wipe(slot->bytes, sizeof slot->bytes);
    }
}

struct crypto_key *crypto_key_new(struct crypto_arena *arena,
                                  const uint8_t bytes[static CRYPTO_KEY_BYTES])
{
    struct crypto_key *key = slot_take(arena);
    if (key != NULL)
        memcpy(key->bytes, bytes, sizeof key->bytes);
    return key;
}

struct crypto_key *crypto_key_derive(struct crypto_arena *arena, const struct crypto_key *key,
                                     const char purpose[static 8], const uint8_t id[static 16])
{
    uint8_t message[8 + 16];
    memcpy(message, purpose, 8);
    memcpy(message + 8, id, 16);

    const uint8_t *bytes = crypto_key_bytes_in_use(key);
    struct crypto_key *derived = slot_take(arena);
    if (derived == NULL)
        return NULL;
    int failed = crypto_generichash(derived->bytes, sizeof derived->bytes, message, sizeof message,
                                    bytes, CRYPTO_KEY_BYTES);
    core_assert(failed == 0);
    return derived;
}

void crypto_key_free(struct crypto_key *key)
{
    if (key == NULL)
        return;
    struct crypto_arena *arena = key->arena;
    crypto_wipe(key->bytes, sizeof key->bytes);
    uint32_t state = atomic_exchange_explicit(&key->state, SLOT_FREE, memory_order_relaxed);
    core_assert(state != SLOT_FREE);

    uint32_t self = (uint32_t)(key - arena->slots) + 1;
    uint64_t head = atomic_load_explicit(&arena->head, memory_order_relaxed);
    do {
        atomic_store_explicit(&key->next, (uint32_t)head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&arena->head, &head, head_after(head, self),
                                                    memory_order_release, memory_order_relaxed));
}

const uint8_t *crypto_key_bytes(const struct crypto_key *key)
{
    return crypto_key_bytes_in_use(key);
}

void crypto_wipe(void *memory, size_t bytes)
{
    sodium_memzero(memory, bytes);
}
