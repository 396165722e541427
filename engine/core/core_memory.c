/*
 * core_memory.c -- allocation with checked sizes, pages for direct I/O, and the arena of one job.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_CHUNK_BYTES = 64 * 1024, ARENA_ALIGN_BYTES = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t bytes;
    _Alignas(ARENA_ALIGN_BYTES) uint8_t data[];
};

void *core_calloc(size_t count, size_t bytes)
{
    uint64_t total;
    if (!checked_mul_u64(&total, count, bytes) || total > PTRDIFF_MAX)
        return NULL;
    return calloc(count > 0 ? count : 1, bytes > 0 ? bytes : 1);
}

bool core_grow(void **array, size_t *capacity, size_t count, size_t bytes)
{
    if (count <= *capacity)
        return true;
    size_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < count) {
        if (wanted > SIZE_MAX / 2)
            return false;
        wanted *= 2;
    }
    uint64_t total;
    if (!checked_mul_u64(&total, wanted, bytes) || total > PTRDIFF_MAX)
        return false;
    void *grown = realloc(*array, (size_t)total);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

void *core_alloc_pages(size_t bytes)
{
    if (bytes > PTRDIFF_MAX - CORE_PAGE_BYTES)
        return NULL;
    size_t rounded = (bytes + CORE_PAGE_BYTES - 1) / CORE_PAGE_BYTES * CORE_PAGE_BYTES;
    if (rounded == 0)
        rounded = CORE_PAGE_BYTES;
    void *pages = aligned_alloc(CORE_PAGE_BYTES, rounded);
    if (pages != NULL)
        memset(pages, 0, rounded);
    return pages;
}

void arena_init(struct arena *a)
{
    *a = (struct arena){ 0 };
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (bytes > PTRDIFF_MAX - ARENA_ALIGN_BYTES - sizeof(struct arena_chunk))
        return NULL;
    size_t rounded = (bytes + ARENA_ALIGN_BYTES - 1) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
    struct arena_chunk *chunk = a->chunks;
    if (chunk == NULL || rounded > chunk->bytes - chunk->used) {
        size_t room = rounded > ARENA_CHUNK_BYTES ? rounded : ARENA_CHUNK_BYTES;
        chunk = calloc(1, sizeof *chunk + room);
        if (chunk == NULL)
            return NULL;
        chunk->bytes = room;
        chunk->next = a->chunks;
        a->chunks = chunk;
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += rounded;
    a->bytes += rounded;
    return memory;
}

void arena_release(struct arena *a)
{
    struct arena_chunk *chunk = a->chunks;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    arena_init(a);
}
