/*
 * vault_users.c -- all users in memory, found by number and by the hash of their id in constant
 * time.
 *
 *   U1  Every entry is in by_number; every living one in by_id. An entry never moves and never
 *       leaves.
 *   U2  An erased entry's place in by_id stays taken, so that chains through it stay whole; growing
 *       drops it.
 *   U3  Adding, once reserved, cannot fail: an edit is applied whole or not at all.
 */
#include "vault_impl.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_ELEMENTS = 256, TABLE_CAPACITY_MIN = 64 };

/* ---- chunks ---- */

void vault_chunks_init(struct chunks *c, size_t element_bytes)
{
    *c = (struct chunks){ .element_bytes = element_bytes };
}

void vault_chunks_release(struct chunks *c)
{
    for (size_t i = 0; i < c->chunk_count; i++)
        free(c->chunk[i]);
    free(c->chunk);
    vault_chunks_init(c, c->element_bytes);
}

bool vault_chunks_reserve(struct chunks *c, size_t count)
{
    size_t needed = (c->count + count + CHUNK_ELEMENTS - 1) / CHUNK_ELEMENTS;
    if (needed <= c->chunk_count)
        return true;
    void *list = c->chunk;
    if (!core_grow(&list, &c->chunk_capacity, needed, sizeof *c->chunk))
        return false;
    c->chunk = list;
    while (c->chunk_count < needed) {
        uint8_t *chunk = core_calloc(CHUNK_ELEMENTS, c->element_bytes);
        if (chunk == NULL)
            return false;
        c->chunk[c->chunk_count++] = chunk;
    }
    return true;
}

void *vault_chunks_at(const struct chunks *c, size_t index)
{
    return c->chunk[index / CHUNK_ELEMENTS] + index % CHUNK_ELEMENTS * c->element_bytes;
}

void *vault_chunks_append(struct chunks *c)
{
    core_assert(c->count < c->chunk_count * CHUNK_ELEMENTS);
    return vault_chunks_at(c, c->count++);
}

/* ---- tables ---- */

/* Numbers are random, but whoever wrote the file chose them: mix all bits. */
static uint64_t hash_of_number(uint64_t number)
{
    number *= UINT64_C(0x9e3779b97f4a7c15);
    return number ^ number >> 32;
}

static uint64_t hash_of_id(const uint8_t id_hash[static CRYPTO_ID_HASH_BYTES])
{
    uint64_t word;
    memcpy(&word, id_hash, sizeof word);
    return word;
}

static void table_put(struct table *t, uint64_t hash, uint32_t index)
{
    size_t at = hash & (t->capacity - 1);
    while (t->slot[at] != 0)
        at = (at + 1) & (t->capacity - 1);
    t->slot[at] = index + 1;
}

/* A fresh table for `count` elements; false: no memory, *out untouched. */
static bool table_new(struct table *out, size_t count)
{
    size_t capacity = TABLE_CAPACITY_MIN;
    while (capacity / 4 * 3 < count)
        capacity *= 2;
    uint32_t *slot = core_calloc(capacity, sizeof *slot);
    if (slot == NULL)
        return false;
    *out = (struct table){ slot, capacity };
    return true;
}

static bool tables_reserve(struct users *u, size_t count)
{
    if (count <= u->by_number.capacity / 4 * 3)
        return true;
    struct table by_number, by_id;
    if (!table_new(&by_number, count))
        return false;
    if (!table_new(&by_id, count)) {
        free(by_number.slot);
        return false;
    }
    for (uint32_t i = 0; i < u->entries.count; i++) {
        const struct vault_entry *entry = vault_users_at(u, i);
        table_put(&by_number, hash_of_number(entry->number), i);
        if (!entry->is_erased)
            table_put(&by_id, hash_of_id(entry->id_hash), i);
    }
    free(u->by_number.slot);
    free(u->by_id.slot);
    u->by_number = by_number;
    u->by_id = by_id;
    return true;
}

/* ---- users ---- */

void vault_users_init(struct users *u)
{
    *u = (struct users){ 0 };
    vault_chunks_init(&u->entries, sizeof(struct vault_entry));
    vault_chunks_init(&u->blobs[false], VAULT_SHORT_BLOB_BYTES);
    vault_chunks_init(&u->blobs[true], VAULT_LONG_BLOB_BYTES);
}

void vault_users_release(struct users *u)
{
    vault_chunks_release(&u->entries);
    vault_chunks_release(&u->blobs[false]);
    vault_chunks_release(&u->blobs[true]);
    free(u->by_number.slot);
    free(u->by_id.slot);
    vault_users_init(u);
}

void vault_users_clear(struct users *u)
{
    u->entries.count = u->blobs[false].count = u->blobs[true].count = u->erased_count = 0;
    u->living[false] = u->living[true] = 0;
    if (u->by_number.capacity > 0) {
        memset(u->by_number.slot, 0, u->by_number.capacity * sizeof *u->by_number.slot);
        memset(u->by_id.slot, 0, u->by_id.capacity * sizeof *u->by_id.slot);
    }
}

bool vault_users_reserve(struct users *u, size_t count, size_t short_count, size_t long_count)
{
    return count <= USERS_MAX - u->entries.count && tables_reserve(u, u->entries.count + count) &&
           vault_chunks_reserve(&u->entries, count) &&
           vault_chunks_reserve(&u->blobs[false], short_count) &&
           vault_chunks_reserve(&u->blobs[true], long_count);
}

struct vault_entry *vault_users_at(const struct users *u, uint32_t index)
{
    return vault_chunks_at(&u->entries, index);
}

uint8_t *vault_users_blob(const struct users *u, const struct vault_entry *entry)
{
    return vault_chunks_at(&u->blobs[entry->is_long], entry->blob);
}

uint32_t vault_users_find_number(const struct users *u, uint64_t number)
{
    if (u->by_number.capacity == 0)
        return USERS_NONE;
    size_t mask = u->by_number.capacity - 1;
    for (size_t at = hash_of_number(number) & mask; u->by_number.slot[at] != 0;
         at = (at + 1) & mask)
        if (vault_users_at(u, u->by_number.slot[at] - 1)->number == number)
            return u->by_number.slot[at] - 1;
    return USERS_NONE;
}

uint32_t vault_users_find_id(const struct users *u,
                             const uint8_t id_hash[static CRYPTO_ID_HASH_BYTES])
{
    if (u->by_id.capacity == 0)
        return USERS_NONE;
    size_t mask = u->by_id.capacity - 1;
    for (size_t at = hash_of_id(id_hash) & mask; u->by_id.slot[at] != 0; at = (at + 1) & mask) {
        const struct vault_entry *entry = vault_users_at(u, u->by_id.slot[at] - 1);
        if (!entry->is_erased && memcmp(entry->id_hash, id_hash, CRYPTO_ID_HASH_BYTES) == 0)
            return u->by_id.slot[at] - 1;
    }
    return USERS_NONE;
}

void vault_users_add(struct users *u, const struct vault_entry *entry, const uint8_t *blob)
{
    uint32_t index = (uint32_t)u->entries.count;
    struct vault_entry *added = vault_chunks_append(&u->entries);
    *added = *entry;
    table_put(&u->by_number, hash_of_number(entry->number), index);
    if (entry->is_erased) {
        u->erased_count++;
        return;
    }
    core_assert(blob != NULL);
    u->living[entry->is_long]++;
    added->blob = (uint32_t)u->blobs[entry->is_long].count;
    /* cppcheck-suppress nullPointer ; only who is erased has none */
    memcpy(vault_chunks_append(&u->blobs[entry->is_long]), blob, blob_bytes(entry->is_long));
    table_put(&u->by_id, hash_of_id(entry->id_hash), index);
}

void vault_users_erase(struct users *u, uint64_t number)
{
    struct vault_entry erased = { .number = number, .is_erased = true };
    uint32_t index = vault_users_find_number(u, number);
    if (index == USERS_NONE) {
        vault_users_add(u, &erased, NULL);
        return;
    }
    struct vault_entry *entry = vault_users_at(u, index);
    core_assert(!entry->is_erased);
    crypto_wipe(vault_users_blob(u, entry), blob_bytes(entry->is_long));
    u->living[entry->is_long]--;
    *entry = erased;
    u->erased_count++;
}
