/*
 * test_catalog_crash.c -- an acknowledged change is there after any crash, none is invented, and no
 * failure does half.
 *
 * A run of changes is cut at each of its calls, before the call and in the middle of it, and what
 * the disk then holds is opened: with only what was synced, with all, and with a random part of the
 * rest. Every allocation and every call fails in turn.
 */
#include "alloc_fail.h"
#include "catalog_world.h"

#include <errno.h>
#include <unistd.h>

enum { STEPS = 5 };

static bool done[STEPS];

static void setup(void)
{
    world_setup(true);
    memset(done, 0, sizeof done);
}

/* Each step is one change; HOLTER_EXISTS: it was made before. */
static holter_status step(size_t which)
{
    struct catalog_metric metric = world_metric(which == 0 ? "first" : "second");
    struct catalog_source source = world_source(0, "watch");
    const struct catalog_metric *first = catalog_metric_find(world.catalog, "first");
    uint32_t number;
    uint16_t region;
    int64_t value;
    switch (which) {
    case 0:
    case 3:
        return catalog_add_metric(world.catalog, &metric, &number, &world.err);
    case 1:
        return first == NULL ? HOLTER_NOT_FOUND
                             : catalog_add_label(world.catalog, first->number, 0, "third", &value,
                                                 &world.err);
    case 2:
        return world_put(&source);
    default:
        return catalog_add_region(world.catalog, "second", 2, &region, &world.err);
    }
}

static bool is_there(size_t which)
{
    struct catalog_source source;
    const struct catalog_metric *first = catalog_metric_find(world.catalog, "first");
    int64_t value;
    switch (which) {
    case 0:
        return first != NULL;
    case 1:
        return first != NULL && catalog_label_find(&value, first, 0, "third", 5) == HOLTER_OK &&
               value == 2;
    case 2:
        return world_find(&source, 0, "watch") == HOLTER_OK && source.number == 1;
    case 3:
        return catalog_metric_find(world.catalog, "second") != NULL;
    default:
        return catalog_region_find(world.catalog, "second") != NULL;
    }
}

static void workload(void)
{
    for (size_t i = 0; i < STEPS; i++)
        done[i] = step(i) == HOLTER_OK;
}

/* All that was acknowledged is there, nothing is there twice, and what is missing can be done. */
static void check(uint64_t call)
{
    static size_t builtin;
    for (size_t i = 0; i < STEPS; i++)
        ck_assert_msg(!done[i] || is_there(i), "call %u: step %zu is lost", (unsigned)call, i);
    for (size_t i = 0; i < STEPS; i++)
        if (!is_there(i))
            MUST(step(i));
    for (size_t i = 0; i < STEPS; i++)
        ck_assert(is_there(i));
    if (builtin == 0)
        builtin = catalog_metric_count(world.catalog) - 2;
    ck_assert_uint_eq(catalog_metric_count(world.catalog), builtin + 2);
    ck_assert_uint_eq(catalog_metric_find(world.catalog, "first")->fields[0].label_count, 3);
    ck_assert_uint_eq(catalog_region_count(world.catalog), 2);
    ck_assert_uint_eq(catalog_source_count(world.catalog, 100), 1);
}

START_TEST(acknowledged_changes_survive_every_crash)
{
    static const enum sim_event events[] = { SIM_POWER_CUT, SIM_POWER_CUT_TORN, SIM_KILL };
    static const enum sim_crash_mode modes[] = { SIM_CRASH_DURABLE, SIM_CRASH_ALL, SIM_CRASH_RANDOM,
                                                 SIM_CRASH_RANDOM };
    size_t images = 0;
    world_teardown();
    for (size_t e = 0; e < CORE_COUNT(events); e++)
        for (size_t m = 0; m < CORE_COUNT(modes); m++)
            for (uint64_t call = 0;; call++) {
                setup();
                sim_stop_at(world.sim, sim_call_count(world.sim) + call, events[e]);
                workload();
                bool has_stopped = sim_has_stopped(world.sim);
                world_close();
                if (events[e] == SIM_KILL) {
                    if (!sim_process_is_dead(world.io))
                        sim_process_kill(world.io);
                } else {
                    sim_crash(world.sim, modes[m], call * 4 + m);
                }
                io_free(world.io);
                sim_stop_at(world.sim, UINT64_MAX, SIM_NOTHING);
                world.io = sim_process_new(world.sim);
                ck_assert_msg(world_open(true) == HOLTER_OK, "call %u: %s", (unsigned)call,
                              world.err.message);
                check(call);
                world_teardown();
                images++;
                if (!has_stopped)
                    break;
            }
    ck_assert_uint_gt(images, 200);
    setup(); /* for the teardown */
}
END_TEST

START_TEST(a_failing_call_never_half_acknowledges)
{
    static const int errors[] = { EIO, ENOSPC, EACCES };
    for (size_t e = 0; e < CORE_COUNT(errors); e++)
        for (int for_ever = 0; for_ever < 2; for_ever++)
            for (uint64_t nth = 0;; nth++) {
                ck_assert_uint_lt(nth, 1000);
                world_teardown();
                setup();
                sim_fault_set(world.sim, &(struct sim_fault){ .nth = nth,
                                                              .error = errors[e],
                                                              .for_ever = for_ever });
                workload();
                bool was_hit = sim_fault_was_hit(world.sim);
                sim_fault_clear(world.sim);
                MUST(catalog_refresh(world.catalog, true, catalog_version(world.catalog),
                                     &world.err));
                check(nth);
                world_reopen();
                check(nth);
                if (!was_hit)
                    break;
            }
}
END_TEST

/* The real system in a directory of its own, as the simulator needs memory itself. */
static void setup_real(char directory[static 32])
{
    memset(&world, 0, sizeof world);
    memset(done, 0, sizeof done);
    strcpy(directory, "/tmp/holter_catalog_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    MUST(io_posix_new(&world.io, &world.err));
    world_make(true);
}

static void teardown_real(const char *directory)
{
    static const char *const files[] = { "d/catalog.a", "d/catalog.b" };
    world_teardown();
    for (size_t i = 0; i < CORE_COUNT(files); i++)
        ck_assert_int_eq(unlink(files[i]), 0);
    ck_assert_int_eq(rmdir("d"), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

START_TEST(a_failing_allocation_never_half_acknowledges)
{
    char directory[32];
    world_teardown();
    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (unsigned long nth = 0;;
             nth += nth < 60 ? 1 : 31) { /* opening makes some hundred for the table */
            ck_assert_uint_lt(nth, 5000);
            setup_real(directory);
            bool has_failed = false;
            for (size_t i = 0; i < STEPS; i++) {
                alloc_fail_arm(nth, for_ever);
                holter_status status = step(i);
                bool failed = alloc_fail_disarm();
                has_failed |= failed;
                ck_assert(status == HOLTER_OK || (failed && status == HOLTER_NO_MEMORY) ||
                          status == HOLTER_NOT_FOUND);
                done[i] = status == HOLTER_OK;
                MUST(catalog_refresh(world.catalog, true, catalog_version(world.catalog),
                                     &world.err));
                ck_assert(is_there(i) == done[i]);
            }
            check(nth);
            world_close();
            alloc_fail_arm(nth, for_ever);
            holter_status opening = world_open(true);
            bool failed = alloc_fail_disarm();
            ck_assert_int_eq(opening, failed ? HOLTER_NO_MEMORY : HOLTER_OK);
            if (opening != HOLTER_OK)
                MUST(world_open(true));
            check(nth);
            teardown_real(directory);
            if (!has_failed && !failed)
                break;
        }
    setup(); /* for the teardown */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("catalog_crash");
    TCase *tcase = tcase_create("crash");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, world_teardown);
    tcase_add_test(tcase, acknowledged_changes_survive_every_crash);
    tcase_add_test(tcase, a_failing_call_never_half_acknowledges);
    tcase_add_test(tcase, a_failing_allocation_never_half_acknowledges);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
