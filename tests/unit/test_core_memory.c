/*
 * test_core_memory.c -- memory is zeroed, aligned, and never given for a size that does not exist.
 *
 * Also the hashes, against values published with xxHash's own tests where there are such.
 */
#include "core/core.h"

#include "run.h"

#include <string.h>

static bool is_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Sizes that the compiler must not know. */
static volatile size_t size_max = SIZE_MAX;

START_TEST(calloc_checks_its_product)
{
    uint8_t *bytes = core_calloc(100, 7);
    ck_assert_ptr_nonnull(bytes);
    ck_assert(is_zero(bytes, 700));
    free(bytes);
    void *nothing = core_calloc(0, 8);
    ck_assert_ptr_nonnull(nothing);
    free(nothing);
    nothing = core_calloc(8, 0);
    ck_assert_ptr_nonnull(nothing);
    free(nothing);
    ck_assert_ptr_null(core_calloc(size_max, 2));
    ck_assert_ptr_null(core_calloc(size_max / 2, 4));
    ck_assert_ptr_null(core_calloc(1, size_max / 2 + 1));
}
END_TEST

START_TEST(arrays_double)
{
    void *memory = NULL;
    size_t capacity = 0, grown = 0;
    for (size_t count = 1; count <= 100000; count++) {
        size_t before = capacity;
        ck_assert(core_grow(&memory, &capacity, count, sizeof(uint32_t)));
        ck_assert_uint_ge(capacity, count);
        grown += capacity != before;
        ((uint32_t *)memory)[count - 1] = (uint32_t)count;
    }
    ck_assert_uint_le(grown, 20);
    for (size_t i = 0; i < 100000; i++)
        ck_assert_uint_eq(((uint32_t *)memory)[i], i + 1);
    ck_assert(core_grow(&memory, &capacity, 0, sizeof(uint32_t)));
    free(memory);
}
END_TEST

START_TEST(an_array_that_cannot_grow_is_untouched)
{
    void *memory = NULL;
    size_t capacity = 0;
    ck_assert(core_grow(&memory, &capacity, 3, 8));
    void *before = memory;
    size_t had = capacity;
    ck_assert(!core_grow(&memory, &capacity, size_max, 1));
    ck_assert(!core_grow(&memory, &capacity, size_max / 2 + 2, 1));
    ck_assert(!core_grow(&memory, &capacity, size_max / 16, 32));
    ck_assert_ptr_eq(memory, before);
    ck_assert_uint_eq(capacity, had);
    free(memory);
}
END_TEST

static const size_t page_sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };

START_TEST(pages_are_aligned_and_zero)
{
    size_t bytes = page_sizes[_i];
    size_t rounded = bytes == 0 ? 4096 : (bytes + 4095) / 4096 * 4096;
    uint8_t *dirty = malloc(rounded); /* so that what is given was used before */
    ck_assert_ptr_nonnull(dirty);
    memset(dirty, 0xff, rounded);
    free(dirty);
    uint8_t *pages = core_alloc_pages(bytes);
    ck_assert_ptr_nonnull(pages);
    ck_assert_uint_eq((uintptr_t)pages % 4096, 0);
    ck_assert(is_zero(pages, rounded)); /* all of what it is rounded up to */
    free(pages);
}
END_TEST

START_TEST(pages_of_impossible_sizes_are_refused)
{
    ck_assert_ptr_null(core_alloc_pages(size_max));
    ck_assert_ptr_null(core_alloc_pages(size_max / 2));
}
END_TEST

START_TEST(an_arena_gives_zeroed_aligned_memory)
{
    struct arena arena;
    arena_init(&arena);
    static const size_t sizes[] = { 1, 15, 16, 17, 0, 1000, 65536, 65537, 200000, 3 };
    uint8_t *last[CORE_COUNT(sizes)];
    for (unsigned round = 0; round < 50; round++) {
        for (size_t i = 0; i < CORE_COUNT(sizes); i++) {
            last[i] = arena_alloc(&arena, sizes[i]);
            ck_assert_ptr_nonnull(last[i]);
            ck_assert_uint_eq((uintptr_t)last[i] % 16, 0);
            ck_assert(is_zero(last[i], sizes[i]));
            memset(last[i], (int)i + 1, sizes[i]);
        }
        for (size_t i = 0; i < CORE_COUNT(sizes); i++) { /* none lies over another */
            ck_assert(sizes[i] == 0 || last[i][0] == i + 1);
            ck_assert(sizes[i] == 0 || last[i][sizes[i] - 1] == i + 1);
        }
    }
    ck_assert_uint_ge(arena.bytes, 50 * (1 + 15 + 16 + 17 + 1000 + 65536 + 65537 + 200000 + 3));
    arena_release(&arena);
    ck_assert_uint_eq(arena.bytes, 0);
    ck_assert_ptr_null(arena.chunks);
    arena_release(&arena);
    ck_assert_ptr_null(arena_alloc(&arena, size_max));
    ck_assert_ptr_null(arena_alloc(&arena, size_max / 2));
    arena_release(&arena);
}
END_TEST

/* ---- hashing --------------------------------------------------------------------------------- */

START_TEST(hashes_are_xxh3)
{
    /* XXH3 of no bytes, seed 0: xxHash's sanity tests (tests/sanity_test_vectors.h). */
    ck_assert_uint_eq(hash64("", 0), UINT64_C(0x2d06800538d394c2));
    struct hash128 none = hash128("", 0);
    ck_assert_uint_eq(none.low, UINT64_C(0x6001c324468d497f));
    ck_assert_uint_eq(none.high, UINT64_C(0x99aa06d3014798d8));
    ck_assert_uint_ne(hash64("a", 1), hash64("b", 1));
}
END_TEST

START_TEST(a_running_hash_is_the_hash_of_the_whole)
{
    uint8_t bytes[3000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + (i >> 5));
    struct hash64_stream *stream = hash64_stream_new();
    ck_assert_ptr_nonnull(stream);
    ck_assert_uint_eq(hash64_stream_get(stream), hash64("", 0));
    for (size_t done = 0, part = 1; done < sizeof bytes; part = part * 3 % 257) {
        part = part < sizeof bytes - done ? part : sizeof bytes - done;
        hash64_stream_add(stream, bytes + done, part);
        done += part;
        ck_assert_uint_eq(hash64_stream_get(stream), hash64(bytes, done));
    }
    hash64_stream_free(stream);
    hash64_stream_free(NULL);
}
END_TEST

static Suite *core_memory_suite(void)
{
    Suite *suite = suite_create("core_memory");
    TCase *all = tcase_create("all");
    tcase_add_test(all, calloc_checks_its_product);
    tcase_add_test(all, arrays_double);
    tcase_add_test(all, an_array_that_cannot_grow_is_untouched);
    tcase_add_loop_test(all, pages_are_aligned_and_zero, 0, CORE_COUNT(page_sizes));
    tcase_add_test(all, pages_of_impossible_sizes_are_refused);
    tcase_add_test(all, an_arena_gives_zeroed_aligned_memory);
    tcase_add_test(all, hashes_are_xxh3);
    tcase_add_test(all, a_running_hash_is_the_hash_of_the_whole);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return run_suite(core_memory_suite());
}
