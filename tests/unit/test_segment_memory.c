/*
 * test_segment_memory.c -- the writer's memory is bounded, and every allocation may fail.
 *
 * Claim: what a writer holds does not grow with the rows of a section, and by 64 bytes with each
 * user; an allocation that fails is HOLTER_NO_MEMORY, leaves no file and no memory behind (the
 * sanitizer looks), and the next attempt succeeds. Method: memory in use sampled after every call;
 * the n-th allocation failing, once and from then on, for every n. On the real system, as the
 * simulated machine needs memory of its own.
 */
#include "alloc_fail.h"
#include "segment/segment_impl.h"
#include "segment_world.h"

#include <malloc.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
void *__interceptor_aligned_alloc(size_t alignment, size_t bytes);
void *aligned_alloc(size_t alignment, size_t bytes)
{
    return alloc_fails() ? NULL : __interceptor_aligned_alloc(alignment, bytes);
}

static size_t memory_used(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
void *__libc_memalign(size_t alignment, size_t bytes);
void *aligned_alloc(size_t alignment, size_t bytes)
{
    return alloc_fails() ? NULL : __libc_memalign(alignment, bytes);
}

static size_t memory_used(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
#endif

static holter_error err;
static char directory[256];

static void real_init(struct world *world, bool is_sealed)
{
    const char *under = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/holter-segment-XXXXXX",
             under != NULL ? under : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    *world = (struct world){
        .spec = { .directory = directory, .place = 1 << 16, .is_sealed = is_sealed }
    };
    ck_assert_int_eq(io_posix_new(&world->io, &err), HOLTER_OK);
    world->spec.io = world->io;
    ck_assert_int_eq(io_queue_open(&world->queue, world->io, 4, &err), HOLTER_OK);
    ck_assert_int_eq(crypto_arena_new(&world->arena, 8, &err), HOLTER_OK);
}

/* Files in the directory, which go. */
static size_t real_clear(struct world *world)
{
    struct io_names names;
    CHECK(io_list(&names, world->io, directory, &err) == HOLTER_OK);
    size_t count = names.count;
    for (size_t i = 0; i < count; i++) {
        char path[IO_PATH_BYTES_MAX];
        CHECK(io_path_join(path, directory, names.name[i], NULL, NULL));
        CHECK(io_unlink(world->io, path, &err) == HOLTER_OK);
    }
    io_names_release(&names);
    return count;
}

static void real_release(struct world *world)
{
    real_clear(world);
    rmdir(directory);
    io_queue_close(world->queue);
    crypto_arena_free(world->arena);
    io_free(world->io);
}

START_TEST(a_writer_does_not_grow_with_rows)
{
    enum { ROWS = 3000, CALLS = 700, USERS = 20000 };
    struct world world;
    struct columns rows;
    struct segment_writer *writer;
    struct segment_summary summary;
    struct random random = { 1 };
    bool is_cold = _i == 1;
    struct segment_traits traits = { .tier = is_cold ? 3 : 1, .sequence_max = 1 };
    /* a chunk, a block, a piece; in cold files what blocks are coded with, and blocks that wait */
    size_t held = SEGMENT_CHUNK_BYTES + (is_cold ? (size_t)3 << 20 : 300000);
    real_init(&world, true);
    rows_make(&rows, &world_schemas[0], &random, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        rows.time[i] = (int64_t)i * 1000;
    struct crypto_key *key = world_key(&world, 1);

    size_t before = memory_used();
    size_t most = 0;
    ck_assert_int_eq(segment_writer_new(&writer, &world.spec, &traits, 0, &err), HOLTER_OK);
    ck_assert_int_eq(segment_writer_user(writer, 1, 0, world.arena, key, &err), HOLTER_OK);
    ck_assert_int_eq(segment_writer_series(writer, 1, 1, &rows.schema, &err), HOLTER_OK);
    for (int call = 0; call < CALLS; call++) {
        CHECK(segment_writer_rows(writer, &rows, 0, ROWS, &err) == HOLTER_OK);
        for (size_t i = 0; i < ROWS; i++)
            rows.time[i] += (int64_t)ROWS * 1000;
        size_t used = memory_used() - before;
        most = used > most ? used : most;
    }
    /* and the headers of 2,051 blocks, or 257 */
    size_t blocks = CALLS * ROWS / segment_block_rows(&traits) + 1;
    ck_assert_uint_le(most,
                      held + 2 * blocks *
                                 (sizeof(struct segment_block) + sizeof(struct segment_place)));

    most = 0;
    for (uint64_t user = 2; user < USERS; user++) {
        CHECK(segment_writer_user(writer, user, 0, world.arena, key, &err) == HOLTER_OK);
        CHECK(segment_writer_series(writer, 1, 1, &rows.schema, &err) == HOLTER_OK);
        CHECK(segment_writer_rows(writer, &rows, 0, 50, &err) == HOLTER_OK);
    }
    ck_assert_uint_le(memory_used() - before,
                      held +
                          2 * blocks *
                              (sizeof(struct segment_block) + sizeof(struct segment_place)) +
                          2 * 64 * USERS);
    ck_assert_int_eq(segment_writer_finish(writer, &summary, &err), HOLTER_OK);
    segment_writer_free(writer);
    ck_assert_uint_eq(summary.users, USERS - 1);
    ck_assert_uint_eq(summary.rows, (uint64_t)ROWS * CALLS + (USERS - 2) * 50);
    ck_assert_uint_le(memory_used(), before + 16384);
    crypto_key_free(key);
    columns_release(&rows);
    real_release(&world);
}
END_TEST

/* One more series, which gets a rollup; of 17,000 rows: and models of its own in a cold file. */
static void dense_make(struct content_user *user, size_t rows)
{
    struct random random = { 5 };
    int64_t value = 0;
    struct content_series *series = &user->series[user->series_count++];
    *series = (struct content_series){ .metric = 1000, .source = 1 };
    columns_init(&series->rows, &world_schemas[0]);
    for (size_t i = 0; i < rows; i++) {
        value += 7 * (int64_t)random_below(&random, 3) - 7;
        struct row row = { .time = (int64_t)i * 13000000000, .field = { value } };
        CHECK(columns_append(&series->rows, &row));
    }
}

START_TEST(each_allocation_may_fail)
{
    struct world world;
    struct content content;
    struct segment_summary summary = { 0 };
    real_init(&world, _i % 2 == 0);
    bool is_cold = _i / 2 == 1;
    if (is_cold) /* texts without memory to make them smaller would only be larger */
        content_make(&content, 21, 1, 0, 1);
    else
        content_make(&content, 21, 4, 4, 5000);
    content.tier = is_cold ? 3 : 2;
    dense_make(&content.users[0], is_cold ? 17000 : 1500);
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        unsigned long n = 0;
        for (bool has_failed = true; has_failed; n++) {
            alloc_fail_arm(n, for_ever == 1);
            holter_status status = content_write(&world, &content, &summary, &err);
            has_failed = alloc_fail_disarm();
            ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
            if (has_failed)
                CHECK(real_clear(&world) == 0);
        }
        ck_assert_uint_gt(n, 20);
        ck_assert_uint_gt(summary.rollup_bytes, 0);
        n = 0;
        for (bool has_failed = true; has_failed; n++) {
            alloc_fail_arm(n, for_ever == 1);
            holter_status status =
                content_check(&world, &content, summary.id, summary.footer_hash, &err);
            has_failed = alloc_fail_disarm();
            ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
        }
        ck_assert_uint_gt(n, 20);
        struct segment *segment;
        ck_assert_int_eq(segment_open(&segment, &world.spec, summary.id, 0, &err), HOLTER_OK);
        n = 0;
        for (bool has_failed = true; has_failed; n++) {
            size_t damaged = 0;
            alloc_fail_arm(n, for_ever == 1);
            holter_status status = segment_verify(segment, world.queue, NULL, NULL, &damaged, &err);
            has_failed = alloc_fail_disarm();
            CHECK(status == HOLTER_OK || (has_failed && status == HOLTER_NO_MEMORY));
            CHECK(damaged == 0);
        }
        segment_close(segment);
        CHECK(real_clear(&world) == 1);
    }
    content_release(&content);
    real_release(&world);
}
END_TEST

static Suite *segment_memory_suite(void)
{
    Suite *suite = suite_create("segment_memory");
    TCase *tests = tcase_create("memory");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_writer_does_not_grow_with_rows, 0, 2);
    tcase_add_loop_test(tests, each_allocation_may_fail, 0, 4);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return run_suite(segment_memory_suite());
}
