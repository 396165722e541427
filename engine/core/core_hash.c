/*
 * core_hash.c -- XXH3, by the system's xxHash library.
 */
#include "core.h"

#include <xxhash.h>

uint64_t hash64(const void *bytes, size_t count)
{
    return XXH3_64bits(bytes, count);
}

struct hash128 hash128(const void *bytes, size_t count)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, count);
    return (struct hash128){ .low = hash.low64, .high = hash.high64 };
}

struct hash64_stream *hash64_stream_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (state != NULL)
        XXH3_64bits_reset(state);
    return (struct hash64_stream *)state;
}

void hash64_stream_add(struct hash64_stream *s, const void *bytes, size_t count)
{
    XXH3_64bits_update((XXH3_state_t *)s, bytes, count);
}

uint64_t hash64_stream_get(const struct hash64_stream *s)
{
    return XXH3_64bits_digest((const XXH3_state_t *)s);
}

void hash64_stream_free(struct hash64_stream *s)
{
    XXH3_freeState((XXH3_state_t *)s);
}
