/*
 * names.c -- a table from byte strings to numbers: open addressing, at most half full.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

enum { PIECE_BYTES = 256 * 1024, SLOTS_MIN = 1024 };

struct names_piece {
    struct names_piece *next;
    size_t used, room;
    char bytes[];
};

void names_init(struct names *names, uint64_t seed)
{
    memset(names, 0, sizeof *names);
    names->seed = seed;
}

void names_release(struct names *names)
{
    while (names->pieces != NULL) {
        struct names_piece *next = names->pieces->next;
        free(names->pieces);
        names->pieces = next;
    }
    free(names->items);
    free(names->slots);
    names_init(names, names->seed);
}

void names_clear(struct names *names)
{
    names_release(names);
}

static size_t slot_of(const struct names *names, const char *bytes, size_t count)
{
    size_t mask = names->slot_count - 1;
    size_t slot = (size_t)XXH3_64bits_withSeed(bytes, count, names->seed) & mask;
    for (;; slot = (slot + 1) & mask) {
        uint32_t index = names->slots[slot];
        if (index == 0)
            return slot;
        const struct name *name = &names->items[index - 1];
        if (name->count == count && memcmp(name->bytes, bytes, count) == 0)
            return slot;
    }
}

static bool slots_grow(struct names *names)
{
    size_t slot_count = names->slot_count == 0 ? SLOTS_MIN : names->slot_count * 2;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return false;
    free(names->slots);
    names->bytes += (slot_count - names->slot_count) * sizeof *slots;
    names->slots = slots;
    names->slot_count = slot_count;
    for (size_t i = 0; i < names->count; i++)
        names->slots[slot_of(names, names->items[i].bytes, names->items[i].count)] =
            (uint32_t)i + 1;
    return true;
}

static bool items_grow(struct names *names)
{
    size_t room = names->room == 0 ? SLOTS_MIN / 2 : names->room * 2;
    struct name *items = realloc(names->items, room * sizeof *items);
    if (items == NULL)
        return false;
    names->bytes += (room - names->room) * sizeof *items;
    names->items = items;
    names->room = room;
    return true;
}

static const char *bytes_keep(struct names *names, const char *bytes, size_t count)
{
    struct names_piece *piece = names->pieces;
    if (piece == NULL || piece->room - piece->used < count + 1) {
        size_t room = count + 1 > PIECE_BYTES ? count + 1 : PIECE_BYTES;
        piece = malloc(sizeof *piece + room);
        if (piece == NULL)
            return NULL;
        piece->next = names->pieces;
        piece->used = 0;
        piece->room = room;
        names->pieces = piece;
        names->bytes += room;
    }
    char *kept = piece->bytes + piece->used;
    memcpy(kept, bytes, count);
    kept[count] = '\0';
    piece->used += count + 1;
    return kept;
}

int64_t names_need(struct names *names, const char *bytes, size_t count)
{
    if (names->count * 2 >= names->slot_count && !slots_grow(names))
        return NAMES_MISSING;
    size_t slot = slot_of(names, bytes, count);
    if (names->slots[slot] != 0)
        return (int64_t)names->slots[slot] - 1;

    if (names->count == names->room && !items_grow(names))
        return NAMES_MISSING;
    const char *kept = bytes_keep(names, bytes, count);
    if (kept == NULL)
        return NAMES_MISSING;
    names->items[names->count] = (struct name){ .bytes = kept, .count = (uint32_t)count };
    names->slots[slot] = (uint32_t)++names->count;
    return (int64_t)names->count - 1;
}
