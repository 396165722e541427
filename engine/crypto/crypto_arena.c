/*
 * crypto_arena.c -- keys in memory that is locked, guarded and left out of core dumps.
 *
 * The slots lie in runs of libsodium's guarded memory: its pages are locked where the system allows
 * it, marked MADV_DONTDUMP, and have unreadable pages on both sides. A run is made as its first slot is
 * taken, so an arena for many keys costs as much as the keys that there are.
 *
 *   A1  A slot was never used, is in the free list or held by one owner; `head` carries a count that each
 *       change raises, so that a slot which left the list and came back meanwhile is not mistaken for
 *       one that stayed.
 *   A2  A slot that nobody holds holds no key, but zeros in its place.
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

enum { ARENA_SLOTS_MAX = 1 << 24, RUN_SLOTS = 512 };
#define RUN_BYTES (RUN_SLOTS * sizeof(struct crypto_key))

struct crypto_arena {
    _Atomic(struct crypto_key *)
        *runs; /* each RUN_SLOTS in locked memory; NULL: none was taken yet */
    size_t count;
    _Atomic bool is_locked;
    _Atomic uint32_t used; /* slots that were ever used: the first ones, whose runs are there */
    _Atomic uint64_t
        head; /* changes so far << 32 | 1 + the index of the first free slot; 0: none is free */
};

static size_t run_count(const struct crypto_arena *arena)
{
    return (arena->count + RUN_SLOTS - 1) / RUN_SLOTS;
}

/* One that was used. */
static struct crypto_key *slot_at(const struct crypto_arena *arena, uint32_t index)
{
    struct crypto_key *run =
        atomic_load_explicit(&arena->runs[index / RUN_SLOTS], memory_order_acquire);
    return &run[index % RUN_SLOTS];
}

/* The run, made where it is not there. False: no memory. */
static bool run_make(struct crypto_arena *arena, size_t number)
{
    _Atomic(struct crypto_key *) *at = &arena->runs[number];
    struct crypto_key *none = NULL;
    if (atomic_load_explicit(at, memory_order_acquire) != NULL)
        return true;
    /*
     * A multiple of 16 bytes, so that libsodium, which puts memory at the end of a page, aligns the
     * slots.
     */
    _Static_assert(sizeof(struct crypto_key) % 16 == 0, "slots must keep their alignment");
    struct crypto_key *run = sodium_malloc(RUN_BYTES);
    if (run == NULL)
        return false;
    /*
     * sodium_malloc locks, but does not tell; locks are not counted, so that asking again does no
     * harm.
     */
    if (sodium_mlock(run, RUN_BYTES) != 0)
        atomic_store_explicit(&arena->is_locked, false, memory_order_relaxed);
    memset(run, 0, RUN_BYTES);
    for (size_t i = 0; i < RUN_SLOTS; i++) {
        run[i].arena = arena;
        run[i].index = (uint32_t)(number * RUN_SLOTS + i);
    }
    if (!atomic_compare_exchange_strong_explicit(at, &none, run, memory_order_acq_rel,
                                                 memory_order_acquire))
        sodium_free(run); /* another thread was faster */
    return true;
}

static uint64_t head_after(uint64_t head, uint32_t first)
{
    return ((head >> 32) + 1) << 32 | first;
}

/* One that was never used. NULL: there is none. */
static struct crypto_key *slot_first(struct crypto_arena *arena)
{
    uint32_t used = atomic_load_explicit(&arena->used, memory_order_relaxed);
    do {
        if (used == arena->count || !run_make(arena, used / RUN_SLOTS))
            return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&arena->used, &used, used + 1,
                                                    memory_order_release, memory_order_relaxed));
    struct crypto_key *slot = slot_at(arena, used);
    atomic_store_explicit(&slot->state, SLOT_IN_USE, memory_order_relaxed);
    return slot;
}

static struct crypto_key *slot_take(struct crypto_arena *arena)
{
    uint64_t head = atomic_load_explicit(&arena->head, memory_order_acquire);
    for (;;) {
        uint32_t first = (uint32_t)head;
        if (first == 0) {
            struct crypto_key *unused = slot_first(arena);
            head = atomic_load_explicit(&arena->head, memory_order_acquire);
            if (unused != NULL || (uint32_t)head == 0)
                return unused;
            continue; /* one came back meanwhile */
        }
        struct crypto_key *slot = slot_at(arena, first - 1);
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
    arena->count = slots;
    arena->runs = core_calloc(run_count(arena), sizeof *arena->runs);
    atomic_init(&arena->is_locked, true);
    if (arena->runs == NULL || !run_make(arena, 0))
        goto no_memory;
    *out = arena;
    return HOLTER_OK;

no_memory:
    crypto_arena_free(arena);
    return error_set(err, HOLTER_NO_MEMORY, "no memory for an arena of %zu keys", slots);
}

void crypto_arena_free(struct crypto_arena *arena)
{
    if (arena == NULL)
        return;
    for (size_t i = 0; arena->runs != NULL && i < run_count(arena); i++)
        sodium_free(atomic_load(&arena->runs[i])); /* wipes */
    free(arena->runs);
    free(arena);
}

bool crypto_arena_is_locked(const struct crypto_arena *arena)
{
    bool is_locked = atomic_load_explicit(&arena->is_locked, memory_order_relaxed);
    size_t left = 0;
    for (size_t i = 0; i < run_count(arena); i++)
        left += atomic_load_explicit(&arena->runs[i], memory_order_relaxed) == NULL;
    if (is_locked && left > 0) {
        void *trial = sodium_malloc(left * RUN_BYTES);
        is_locked = trial != NULL && sodium_mlock(trial, left * RUN_BYTES) == 0;
        sodium_free(trial);
    }
    return is_locked;
}

static void wipe_keys(struct crypto_key *slot)
{
    crypto_wipe(slot->bytes, sizeof slot->bytes);
    crypto_wipe(&slot->derived, sizeof slot->derived); /* it may just be made */
}

void crypto_arena_wipe(struct crypto_arena *arena)
{
    uint32_t used = atomic_load(&arena->used);
    for (uint32_t i = 0; i < used; i++) {
        struct crypto_key *slot = slot_at(arena, i);
        uint32_t in_use = SLOT_IN_USE;
        atomic_compare_exchange_strong(&slot->state, &in_use, SLOT_WIPED);
        wipe_keys(slot);
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

static void derived_name(uint8_t of[static CRYPTO_DERIVED_BYTES], const char purpose[static 8],
                         const uint8_t id[static 16])
{
    memcpy(of, purpose, 8);
    memcpy(of + 8, id, 16);
}

static void derive(uint8_t out[static CRYPTO_KEY_BYTES], const struct crypto_key *key,
                   const uint8_t of[static CRYPTO_DERIVED_BYTES])
{
    int failed = crypto_generichash(out, CRYPTO_KEY_BYTES, of, CRYPTO_DERIVED_BYTES,
                                    crypto_key_bytes_in_use(key), CRYPTO_KEY_BYTES);
    core_assert(failed == 0);
}

struct crypto_key *crypto_key_derive(struct crypto_arena *arena, const struct crypto_key *key,
                                     const char purpose[static 8], const uint8_t id[static 16])
{
    uint8_t of[CRYPTO_DERIVED_BYTES];
    derived_name(of, purpose, id);
    core_assert(atomic_load_explicit(&key->state, memory_order_relaxed) == SLOT_IN_USE);
    struct crypto_key *derived = slot_take(arena);
    if (derived != NULL)
        derive(derived->bytes, key, of);
    return derived;
}

const uint8_t *crypto_key_bytes_derived(const struct crypto_key *key, const char purpose[static 8],
                                        const uint8_t id[static 16])
{
    struct crypto_key *slot = slot_at(key->arena, key->index);
    uint8_t of[CRYPTO_DERIVED_BYTES];
    derived_name(of, purpose, id);
    core_assert(atomic_load_explicit(&key->state, memory_order_relaxed) == SLOT_IN_USE);
    if (!slot->derived.is_there || memcmp(slot->derived.of, of, sizeof of) != 0) {
        derive(slot->derived.bytes, key, of);
        memcpy(slot->derived.of, of, sizeof of);
        slot->derived.is_there = true;
    }
    return slot->derived.bytes;
}

void crypto_key_free(struct crypto_key *key)
{
    if (key == NULL)
        return;
    struct crypto_arena *arena = key->arena;
    wipe_keys(key);
    uint32_t state = atomic_exchange_explicit(&key->state, SLOT_FREE, memory_order_relaxed);
    core_assert(state != SLOT_FREE);

    uint32_t self = key->index + 1;
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
