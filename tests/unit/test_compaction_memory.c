/*
 * test_compaction_memory.c -- a job without memory fails cleanly, and one with many rows needs
 * little.
 *
 * Claim: every allocation may fail, once or from then on, and nothing leaks or changes but files a
 * sweep removes; the memory of a job does not grow with the rows of its inputs. Method: fail the
 * n-th allocation of a split, and of a job that makes a cold file, for every n; and count the bytes
 * either holds at most, for inputs of one and of eight times as many rows.
 */
#include "alloc_fail.h"

#include "compaction_world.h"

#include <limits.h>
#include <stdio.h>
#include <malloc.h>
#include <unistd.h>

START_TEST(each_allocation_may_fail)
{
    struct world *world = world_new(5);
    struct compaction_result result;
    enum manifest_tier to = _i / 2 == 0 ? TIER_WARM : TIER_COLD;
    world->weeks = 3;
    for (int i = 0; i < 3; i++) {
        world_flush_random(world);
        if (i == 0)
            CHECK_OK(world_step(world, &result, 0, to, &err));
    }
    if (to == TIER_COLD)
        world_settle(world, 0, TIER_WARM);
    alloc_fail.is_exempt = sim_is_allocating;
    bool has_failed = true;
    unsigned long count = 0;
    for (; has_failed; count++) {
        struct world *copy = world_copy(world);
        err = (holter_error){ 0 };
        alloc_fail_arm(count, _i % 2 == 1);
        holter_status status = world_step(copy, &result, 0, to, &err);
        has_failed = alloc_fail_disarm();
        CHECK(status == HOLTER_OK ||
              (has_failed && status == HOLTER_NO_MEMORY && err.status == HOLTER_NO_MEMORY));
        CHECK(copy->keys_held == 0);
        world_reload(copy);
        world_check(copy);
        CHECK_OK(world_step(copy, &result, 0, to, &err));
        world_check(copy);
        world_copy_free(copy);
    }
    ck_assert_uint_gt(count, 50);
    world_free(world);
}
END_TEST

/* ---- how much it needs ----------------------------------------------------------------------- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static size_t peak_bytes;

/* Asked before each allocation: what is held now. */
static bool take_peak(void)
{
    struct mallinfo2 info = mallinfo2();
    size_t bytes = info.uordblks + info.hblkhd;
    peak_bytes = bytes > peak_bytes ? bytes : peak_bytes;
    return false;
}

/*
 * The most that a split of two files of so many rows each holds, beyond what was held before; or the
 * job that makes its three outputs one cold file.
 */
static size_t peak_of(int64_t rows, enum manifest_tier to)
{
    char directory[256];
    const char *under = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/holter-compaction-XXXXXX",
             under != NULL ? under : "/tmp");
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
    struct world *world = world_new(1);
    io_free(world->io);
    CHECK_OK(io_posix_new(&world->io, &err));
    CHECK_OK(io_make_dir(world->io, "shard", &err));
    for (int i = 0; i < 2; i++) {
        struct world_memory memory;
        world_memory_init(&memory);
        for (int64_t r = 0; r < rows; r++) {
            struct row row = { .time =
                                   world_week(0) + r * (3 * MANIFEST_WARM_PARTITION_NS / rows) + i,
                               .field = { (int64_t)random_below(&world->random, 200) },
                               .sequence = world->sequence };
            CHECK(columns_append(&memory.rows[r % WORLD_USERS][0][0], &row));
        }
        uint64_t first = world->sequence++;
        world_flush(world, &memory, first);
        world_memory_release(&memory);
    }
    struct compaction_result result;
    if (to == TIER_COLD)
        CHECK_OK(world_step(world, &result, 0, TIER_WARM, &err));
    struct mallinfo2 before = mallinfo2();
    peak_bytes = 0;
    alloc_fail.is_exempt = take_peak;
    alloc_fail_arm(ULONG_MAX, false);
    CHECK_OK(world_step(world, &result, 0, to, &err));
    alloc_fail_disarm();
    CHECK(result.files_in == (to == TIER_COLD ? 3 : 2));
    CHECK(result.files_out == (to == TIER_COLD ? 1 : 3));
    CHECK(result.rows_out == 2 * (uint64_t)rows);

    struct io_names names;
    CHECK_OK(io_list(&names, world->io, "shard", &err));
    for (size_t i = 0; i < names.count; i++) {
        char path[IO_PATH_BYTES_MAX];
        CHECK(io_path_join(path, "shard", names.name[i], NULL, NULL));
        CHECK_OK(io_unlink(world->io, path, &err));
    }
    io_names_release(&names);
    CHECK(rmdir("shard") == 0 && chdir("/") == 0 && rmdir(directory) == 0);
    world_free(world);
    return peak_bytes - before.uordblks - before.hblkhd;
}

static const enum manifest_tier tiers[] = { TIER_WARM, TIER_COLD };

START_TEST(memory_does_not_grow_with_the_rows)
{
    size_t few = peak_of(50000, tiers[_i]), many = peak_of(400000, tiers[_i]);
    ck_assert_uint_lt(few, 16 << 20);
    ck_assert_uint_lt(many, few + few / 2);
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("compaction_memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, each_allocation_may_fail, 0, 4);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_loop_test(tcase, memory_does_not_grow_with_the_rows, 0, (int)CORE_COUNT(tiers));
#endif
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
