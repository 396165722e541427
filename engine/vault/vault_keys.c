/*
 * vault_keys.c -- the data keys that are open: found by user or by pointer, the least recently used
 * one leaves first.
 *
 *   O1  A key is in by_user (unless dropped) and in by_key; without references also in the list
 *       from oldest to newest.
 *   O2  Only keys without references leave.
 */
#include "vault_impl.h"

static uint16_t *bucket_of_user(struct keys *k, uint64_t number, uint32_t generation)
{
    uint64_t hash = (number + generation) * UINT64_C(0x9e3779b97f4a7c15);
    return &k->by_user[(hash >> 32) % KEYS_BUCKETS];
}

static uint16_t *bucket_of_key(struct keys *k, const struct crypto_key *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
    return &k->by_key[(hash >> 32) % KEYS_BUCKETS];
}

static struct open_key *at(struct keys *k, uint16_t link)
{
    return &k->open[link - 1];
}

static uint16_t link_to(const struct keys *k, const struct open_key *open)
{
    return (uint16_t)(open - k->open + 1);
}

static void list_remove(struct keys *k, struct open_key *open)
{
    *(open->older == 0 ? &k->oldest : &at(k, open->older)->newer) = open->newer;
    *(open->newer == 0 ? &k->newest : &at(k, open->newer)->older) = open->older;
    open->older = open->newer = 0;
}

static void list_append(struct keys *k, struct open_key *open)
{
    open->older = k->newest;
    open->newer = 0;
    *(k->newest == 0 ? &k->oldest : &at(k, k->newest)->newer) = link_to(k, open);
    k->newest = link_to(k, open);
}

static void user_chain_remove(struct keys *k, struct open_key *open)
{
    uint16_t *link = bucket_of_user(k, open->number, open->generation);
    while (*link != link_to(k, open))
        link = &at(k, *link)->next_by_user;
    *link = open->next_by_user;
}

/* Free a key without references that is in no list. */
static void close_key(struct keys *k, struct open_key *open)
{
    if (!open->is_dropped)
        user_chain_remove(k, open);
    uint16_t *link = bucket_of_key(k, open->key);
    while (*link != link_to(k, open))
        link = &at(k, *link)->next_by_key;
    *link = open->next_by_key;

    crypto_key_free(open->key);
    *open = (struct open_key){ .next_by_user = k->free };
    k->free = link_to(k, open);
}

static bool close_oldest(struct keys *k)
{
    if (k->oldest == 0)
        return false; /* O2 */
    struct open_key *open = at(k, k->oldest);
    list_remove(k, open);
    close_key(k, open);
    return true;
}

void vault_keys_release(struct keys *k)
{
    for (size_t i = 0; i < k->used; i++) {
        core_assert(k->open[i].refs == 0);
        crypto_key_free(k->open[i].key);
    }
}

const struct crypto_key *vault_keys_find(struct keys *k, uint64_t number, uint32_t generation)
{
    for (uint16_t link = *bucket_of_user(k, number, generation); link != 0;
         link = at(k, link)->next_by_user) {
        struct open_key *open = at(k, link);
        if (open->number != number || open->generation != generation)
            continue;
        if (open->refs++ == 0)
            list_remove(k, open);
        return open->key;
    }
    return NULL;
}

const struct crypto_key *vault_keys_add(struct keys *k, struct crypto_arena *arena, uint64_t number,
                                        uint32_t generation,
                                        const uint8_t bytes[static CRYPTO_KEY_BYTES])
{
    if (k->free == 0 && k->used == VAULT_KEYS_OPEN && !close_oldest(k))
        return NULL;
    struct crypto_key *key = crypto_key_new(arena, bytes);
    while (key == NULL) {
        if (!close_oldest(k))
            return NULL;
        key = crypto_key_new(arena, bytes);
    }

    uint16_t link = k->free != 0 ? k->free : ++k->used;
    struct open_key *open = at(k, link);
    k->free = open->next_by_user; /* 0 of a place that was never used */
    uint16_t *user_bucket = bucket_of_user(k, number, generation);
    uint16_t *key_bucket = bucket_of_key(k, key);
    *open = (struct open_key){ .key = key,
                               .number = number,
                               .generation = generation,
                               .refs = 1,
                               .next_by_user = *user_bucket,
                               .next_by_key = *key_bucket };
    *user_bucket = *key_bucket = link;
    return key;
}

void vault_keys_unref(struct keys *k, const struct crypto_key *key)
{
    uint16_t link = *bucket_of_key(k, key);
    while (link != 0 && at(k, link)->key != key)
        link = at(k, link)->next_by_key;
    core_assert(link != 0);
    struct open_key *open = at(k, link);
    core_assert(open->refs > 0);
    if (--open->refs > 0)
        return;
    if (open->is_dropped)
        close_key(k, open);
    else
        list_append(k, open);
}

void vault_keys_sweep(struct keys *k,
                      bool (*is_living)(void *context, uint64_t number, uint32_t generation),
                      void *context)
{
    for (size_t i = 0; i < k->used; i++) {
        struct open_key *open = &k->open[i];
        if (open->key == NULL || open->is_dropped ||
            is_living(context, open->number, open->generation))
            continue;
        if (open->refs == 0) {
            list_remove(k, open);
            close_key(k, open);
        } else {
            user_chain_remove(k, open);
            open->is_dropped = true;
        }
    }
}
