/*
 * names.h -- a table from byte strings to numbers: ids of users, names of sources.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_NAMES_H
#define TOOLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAMES_MISSING = -1 };

struct name {
    const char *bytes; /* zero-terminated; borrowed until names_clear */
    uint32_t count;
    bool is_known; /* its number is */
    uint64_t number;
};

struct names {
    struct name *items; /* in the order they came */
    size_t count, room;
    uint32_t *slots; /* index + 1 of an item; 0 free */
    size_t slot_count;
    struct names_piece *pieces; /* of memory for the bytes */
    size_t bytes;               /* of memory taken, about */
    uint64_t seed;
};

/** The seed keeps who writes an input from choosing names that collide. */
void names_init(struct names *names, uint64_t seed);
void names_release(struct names *names);
/** Forget all names. */
void names_clear(struct names *names);
/** The index of a name, added where it is new; NAMES_MISSING: no memory. */
int64_t names_need(struct names *names, const char *bytes, size_t count);

#endif
