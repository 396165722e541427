/*
 * test_compaction_faults.c -- a job that dies or fails anywhere changes no answer, and can be done
 * again.
 *
 * Claim: files and list of live files fit together after a kill, a power cut or an error at each
 * call of a job, and a later job finishes the work. Method: every call of a split and of merges,
 * on a copy of one machine each; then everything is compared with the oracle, settled, and compared
 * again.
 */
#include "compaction_world.h"

#include <errno.h>

#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 5 };
#else
enum { STRIDE = 1 };
#endif

/* Jobs: a split with warm files to take in; a merge of warm files; one of warm and cold ones. */
enum { SPLIT = 0, MERGE = 1, COLD = 2, JOBS = 3 };

static enum manifest_tier job_tier(int job)
{
    return job == COLD ? TIER_COLD : TIER_WARM;
}

static bool has_hot(const struct world *world)
{
    for (size_t i = 0; i < world->version.file_count; i++) {
        if (world->files[i].tier == TIER_HOT)
            return true;
    }
    return false;
}

static struct world *job_world(int job)
{
    struct world *world = world_new(77);
    world->weeks = 3;
    for (int i = 0; i < 4; i++) {
        /* A merge finds files side by side, as they were too large to be taken in. */
        for (size_t f = 0; job != SPLIT && f < world->version.file_count; f++)
            world->files[f].bytes += 1 << 20;
        world_flush_random(world);
        world_flush_random(world);
        while (has_hot(world) && (job != SPLIT || i < 3)) {
            struct compaction_result result;
            CHECK_OK(world_step(world, &result, world_week(8), 0, &err));
        }
        if (job == COLD && i == 1)
            world_settle(world, 0, TIER_COLD);
    }
    world_check(world);
    return world;
}

/* The calls of the job when nothing goes wrong. */
static uint64_t count_calls(const struct world *world, int job)
{
    struct compaction_result result;
    struct world *copy = world_copy(world);
    uint64_t before = sim_call_count(copy->sim);
    CHECK_OK(world_step(copy, &result, 0, job_tier(job), &err));
    CHECK(result.files_in > 1 && (job == SPLIT ? result.files_out > 1 : result.files_out == 1));
    uint64_t calls = sim_call_count(copy->sim) - before;
    world_copy_free(copy);
    return calls;
}

/* As whoever comes next finds it. */
static void check_and_go_on(struct world *world, int job)
{
    world_reload(world);
    world_check_files(world->files, world->version.file_count);
    world_check(world);
    world_settle(world, 0, job_tier(job));
    world_check(world);
}

static const struct {
    enum sim_event event;
    enum sim_crash_mode mode;
} stops[] = {
    { SIM_KILL, SIM_CRASH_ALL },
    { SIM_POWER_CUT, SIM_CRASH_DURABLE },
    { SIM_POWER_CUT, SIM_CRASH_ALL },
    { SIM_POWER_CUT, SIM_CRASH_RANDOM },
    { SIM_POWER_CUT_TORN, SIM_CRASH_RANDOM },
};

START_TEST(a_stop_at_any_call_changes_no_answer)
{
    for (int job = 0; job < JOBS; job++) {
        struct world *world = job_world(job);
        uint64_t calls = count_calls(world, job);
        ck_assert_uint_gt(calls, 20);
        for (uint64_t call = (uint64_t)_i % STRIDE; call < calls; call += STRIDE) {
            struct world *copy = world_copy(world);
            struct compaction_result result;
            sim_stop_at(copy->sim, sim_call_count(copy->sim) + call, stops[_i].event);
            holter_status status = world_step(copy, &result, 0, job_tier(job), &err);
            CHECK(status != HOLTER_OK || !sim_process_is_dead(copy->io));
            CHECK(sim_has_stopped(copy->sim));
            CHECK(copy->keys_held == 0);
            if (stops[_i].event != SIM_KILL)
                sim_crash(copy->sim, stops[_i].mode, call);
            io_free(copy->io);
            copy->io = sim_process_new(copy->sim);
            check_and_go_on(copy, job);
            world_copy_free(copy);
        }
        world_free(world);
    }
}
END_TEST

static const struct {
    int error;
    bool for_ever, short_transfer;
} faults[] = {
    { EIO, false, false },   { ENOSPC, false, false }, { EIO, true, false },
    { ENOSPC, true, false }, { 0, false, true },
};

START_TEST(an_error_at_any_call_changes_no_answer)
{
    uint64_t failed = 0;
    for (int job = 0; job < JOBS; job++) {
        struct world *world = job_world(job);
        uint64_t calls = count_calls(world, job);
        for (uint64_t call = (uint64_t)_i % STRIDE; call < calls; call += STRIDE) {
            struct world *copy = world_copy(world);
            struct compaction_result result;
            struct sim_fault fault = { .nth = call,
                                       .error = faults[_i].error,
                                       .for_ever = faults[_i].for_ever,
                                       .short_transfer = faults[_i].short_transfer };
            sim_fault_set(copy->sim, &fault);
            err = (holter_error){ 0 };
            holter_status status = world_step(copy, &result, 0, job_tier(job), &err);
            if (status != HOLTER_OK) {
                CHECK(status != HOLTER_DONE && status != HOLTER_NOT_FOUND);
                CHECK(err.status == status && err.message[0] != '\0');
                failed++;
            }
            CHECK(copy->keys_held == 0);
            sim_fault_clear(copy->sim);
            check_and_go_on(copy, job);
            world_copy_free(copy);
        }
        world_free(world);
    }
    ck_assert_uint_gt(failed, 0);
}
END_TEST

START_TEST(a_full_disk_fails_the_job_and_nothing_else)
{
    struct world *world = job_world(SPLIT);
    struct world *copy = world_copy(world);
    struct compaction_result result;
    struct sim_fault fault = { .kind = SIM_WRITE, .error = ENOSPC, .for_ever = true };
    sim_fault_set(copy->sim, &fault);
    ck_assert_int_eq(world_step(copy, &result, 0, TIER_WARM, &err), HOLTER_NO_SPACE);
    sim_fault_clear(copy->sim);
    check_and_go_on(copy, SPLIT);
    world_copy_free(copy);
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compaction_faults");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, a_stop_at_any_call_changes_no_answer, 0, (int)CORE_COUNT(stops));
    tcase_add_loop_test(tcase, an_error_at_any_call_changes_no_answer, 0, (int)CORE_COUNT(faults));
    tcase_add_test(tcase, a_full_disk_fails_the_job_and_nothing_else);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
