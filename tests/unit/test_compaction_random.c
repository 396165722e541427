/*
 * test_compaction_random.c -- what a query answers is the same before and after every job.
 *
 * Claim: C2-C6 and M4 hold through any order of flushes, splits and merges. Method: seeded worlds
 * of a few users, weeks and collisions; after each flush and each job everything is compared with
 * the oracle. Then everything is settled, which leaves one warm file for each class and partition.
 */
#include "compaction_world.h"

#ifdef __SANITIZE_ADDRESS__
enum { CASES = 60, ACTIONS = 30 };
#else
enum { CASES = 300, ACTIONS = 40 };
#endif

static struct compaction_result total;

static void run_case(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->weeks = 1 + (int64_t)random_below(&world->random, WORLD_WEEKS);
    for (int i = 0; i < ACTIONS; i++) {
        struct compaction_result result = { 0 };
        uint64_t action = random_below(&world->random, 10);
        int64_t now = world_week((int64_t)random_below(&world->random, WORLD_WEEKS + 2));
        if (action < 5)
            world_flush_random(world);
        else
            CHECK_OK(world_step(world, &result, now, action == 9, &err));
        CHECK(world->keys_held == 0);
        world_check(world);
    }
    struct compaction_result sum = world_settle(world, 0, true);
    world_check(world);
    for (size_t i = 0; i < world->version.file_count; i++) {
        const struct manifest_file *file = &world->files[i];
        CHECK(file->tier == TIER_WARM);
        CHECK(i == 0 || file[-1].class != file->class || file[-1].partition != file->partition);
    }
    total.jobs += sum.jobs;
    total.rows_in += sum.rows_in;
    total.rows_out += sum.rows_out;
    total.tombstones_in += sum.tombstones_in;
    total.tombstones_out += sum.tombstones_out;
    world_free(world);
}

START_TEST(answers_are_the_same_before_and_after_every_job)
{
    for (uint64_t seed = 1; seed <= CASES; seed++)
        run_case(seed);
    ck_assert_uint_gt(total.jobs, CASES);
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
        world_settle(world, 0, true);
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
