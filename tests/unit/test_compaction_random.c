/*
 * test_compaction_random.c -- what a query answers is the same before and after every job.
 *
 * Claim: C2-C7 and M4 hold through any order of flushes, splits and merges to warm and cold. Method:
 * seeded worlds of a few users, weeks and collisions; after each flush and each job everything is
 * compared with the oracle. Then everything is settled: to cold, which leaves one file for each class
 * and cold partition; or to warm, which leaves the cold ones as they were.
 */
#include "compaction_world.h"

#ifdef __SANITIZE_ADDRESS__
enum { CASES = 60, ACTIONS = 30 };
#else
enum { CASES = 300, ACTIONS = 40 };
#endif

static struct compaction_result total;
static uint64_t cold_files_kept, cold_jobs;

static size_t count_files(const struct world *world, enum manifest_tier tier)
{
    size_t count = 0;
    for (size_t i = 0; i < world->version.file_count; i++)
        count += world->files[i].tier == tier;
    return count;
}

static void settle_to_cold(struct world *world)
{
    world_settle(world, 0, TIER_COLD);
    for (size_t i = 0; i < world->version.file_count; i++) {
        const struct manifest_file *file = &world->files[i];
        CHECK(file->tier == TIER_COLD);
        CHECK(i == 0 || file[-1].class != file->class || file[-1].partition != file->partition);
    }
}

/* A cold file of the class lies between two by sequence, and shares their time. */
static bool has_cold_between(const struct world *world, const struct manifest_file *before,
                             const struct manifest_file *after)
{
    for (size_t i = 0; i < world->version.file_count; i++) {
        const struct manifest_file *file = &world->files[i];
        if (file->tier == TIER_COLD && file->class == before->class &&
            world_shares_time(file, before) && file->sequence_min > before->sequence_max &&
            file->sequence_max < after->sequence_min)
            return true;
    }
    return false;
}

static void settle_to_warm(struct world *world)
{
    static struct manifest_file files[WORLD_FILES_MAX];
    size_t cold = 0;
    for (size_t i = 0; i < world->version.file_count; i++) {
        if (world->files[i].tier == TIER_COLD)
            files[cold++] = world->files[i];
    }
    cold_files_kept += cold;
    world_settle(world, 0, TIER_WARM);
    CHECK(count_files(world, TIER_HOT) == 0);
    CHECK(count_files(world, TIER_COLD) == cold);
    for (size_t i = 0, c = 0; i < world->version.file_count; i++) {
        const struct manifest_file *file = &world->files[i];
        if (file->tier == TIER_COLD)
            CHECK(memcmp(file->id, files[c++].id, sizeof file->id) == 0); /* C7 */
        else
            CHECK(i == 0 || file[-1].class != file->class ||
                  file[-1].partition != file->partition || has_cold_between(world, file - 1, file));
    }
}

static void run_case(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->weeks = 1 + (int64_t)random_below(&world->random, WORLD_WEEKS);
    for (int i = 0; i < ACTIONS; i++) {
        struct compaction_result result = { 0 };
        uint64_t action = random_below(&world->random, 10);
        int64_t now = world_week((int64_t)random_below(&world->random, WORLD_WEEKS + 2));
        size_t cold = count_files(world, TIER_COLD);
        if (i % 3 == 2)
            now += COMPACTION_WARM_NS; /* cold partitions are due, too */
        if (action < 5)
            world_flush_random(world);
        else
            CHECK_OK(world_step(world, &result, now, action < 9 ? 0 : 2 + i % 2, &err));
        CHECK(world->keys_held == 0);
        world_check(world);
        cold_jobs += count_files(world, TIER_COLD) > cold;
        total.jobs += result.jobs;
        total.rows_in += result.rows_in;
        total.rows_out += result.rows_out;
        total.tombstones_in += result.tombstones_in;
        total.tombstones_out += result.tombstones_out;
    }
    if (seed % 2 == 0)
        settle_to_cold(world);
    else
        settle_to_warm(world);
    world_check(world);
    world_free(world);
}

START_TEST(answers_are_the_same_before_and_after_every_job)
{
    for (uint64_t seed = 1; seed <= CASES; seed++)
        run_case(seed);
    ck_assert_uint_gt(total.jobs, CASES);
    ck_assert_uint_gt(cold_jobs, CASES);
    ck_assert_uint_gt(cold_files_kept, CASES / 4);
    ck_assert_uint_lt(total.rows_out, total.rows_in);
    ck_assert_uint_lt(total.tombstones_out, total.tombstones_in);
}
END_TEST

START_TEST(an_erased_user_is_left_out_and_others_stay)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = world_new(1000 + seed);
        for (int i = 0; i < 6; i++)
            world_flush_random(world);
        world->erased = world_users[seed % WORLD_USERS];
        world_settle(world, 0, seed % 2 == 0 ? TIER_WARM : TIER_COLD);
        world_check(world);

        static struct world_reader reader;
        for (uint8_t class = 0; class < WORLD_CLASSES; class ++) {
            world_reader_open(&reader, world, world->erased, class);
            CHECK(reader.count == 0);
            world_reader_close(&reader, world);
        }
        world_free(world);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compaction_random");
    TCase *tcase = tcase_create("random");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, answers_are_the_same_before_and_after_every_job);
    tcase_add_test(tcase, an_erased_user_is_left_out_and_others_stay);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
