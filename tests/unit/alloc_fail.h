/*
 * alloc_fail.h -- the n-th allocation fails, and every later one if asked.
 *
 * Takes the place of malloc, calloc and realloc in the one program that includes it, and
 * passes on to the sanitizer's or the C library's. Counts and fails only while armed.
 */
#ifndef TESTS_UNIT_ALLOC_FAIL_H
#define TESTS_UNIT_ALLOC_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOC_REAL(name) __interceptor_##name
#else
#define ALLOC_REAL(name) __libc_##name
#endif

extern void *ALLOC_REAL(malloc)(size_t bytes);
extern void *ALLOC_REAL(calloc)(size_t count, size_t bytes);
extern void *ALLOC_REAL(realloc)(void *memory, size_t bytes);

static struct {
    bool is_armed;
    bool is_for_ever;
    unsigned long left; /* allocations that still succeed */
    bool has_failed;
    bool (*is_exempt)(
        void); /* may be NULL; allocations that must succeed: the simulator's own (sim_is_allocating) */
} alloc_fail;

/* From now on `left` allocations succeed. */
static inline void alloc_fail_arm(unsigned long left, bool is_for_ever)
{
    alloc_fail.left = left;
    alloc_fail.is_for_ever = is_for_ever;
    alloc_fail.has_failed = false;
    alloc_fail.is_armed = true;
}

/* Whether one has failed since. */
static inline bool alloc_fail_disarm(void)
{
    alloc_fail.is_armed = false;
    return alloc_fail.has_failed;
}

static inline bool alloc_fails(void)
{
    if (!alloc_fail.is_armed || (alloc_fail.is_exempt != NULL && alloc_fail.is_exempt()))
        return false;
    if (alloc_fail.left > 0) {
        alloc_fail.left--;
        return false;
    }
    bool fails = alloc_fail.is_for_ever || !alloc_fail.has_failed;
    alloc_fail.has_failed = true;
    return fails;
}

void *malloc(size_t bytes)
{
    return alloc_fails() ? NULL : ALLOC_REAL(malloc)(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return alloc_fails() ? NULL : ALLOC_REAL(calloc)(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    return alloc_fails() ? NULL : ALLOC_REAL(realloc)(memory, bytes);
}

#endif
