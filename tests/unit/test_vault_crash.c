/*
 * test_vault_crash.c -- an acknowledged user is there after any crash, none is invented, and no
 * failure does half.
 *
 * A run of additions and an erasing is cut at each of its calls, before the call and in the middle
 * of it, and what the disk then holds is opened: with only what was synced, with all, and with a
 * random part of the rest. Every allocation and every call of an addition fails in turn.
 */
#include "alloc_fail.h"
#include "vault_world.h"

#include <errno.h>
#include <unistd.h>

enum { STEPS = 5 };

static struct {
    uint64_t numbers[STEPS]; /* 0: not acknowledged */
    bool is_erased;          /* the user of step 0: acknowledged */
} done;

static const char *id_of(size_t step)
{
    static const char *const ids[STEPS] = { "one", "two", "three", "four", "five" };
    return ids[step];
}

static void setup(void)
{
    world_setup(true);
    memset(&done, 0, sizeof done);
}

static void workload(void)
{
    for (size_t i = 0; i < STEPS; i++) {
        uint64_t number;
        if (world_add(&number, id_of(i)) == HOLTER_OK)
            done.numbers[i] = number;
        if (i == 2 && done.numbers[0] != 0 &&
            vault_erase(world.vault, done.numbers, 1, &world.err) == HOLTER_OK)
            done.is_erased = true;
    }
}

/* After a crash: a new process on the same disk. */
static void check_after_crash(uint64_t call)
{
    struct vault_user user;
    keyring_close(world.keyring);
    io_free(world.io);
    sim_stop_at(world.sim, UINT64_MAX, SIM_NOTHING);
    world.io = sim_process_new(world.sim);
    ck_assert_msg(keyring_open(&world.keyring, world.io, "k", world_store_id, world.arena,
                               &world.err) == HOLTER_OK,
                  "%s", world.err.message);
    ck_assert_msg(world_open(true) == HOLTER_OK, "call %u: %s", (unsigned)call, world.err.message);
    size_t there = 0;
    for (size_t i = 0; i < STEPS; i++) {
        holter_status status = world_find(&user, id_of(i));
        there += status == HOLTER_OK;
        if (done.numbers[i] == 0)
            continue; /* not acknowledged: there or not */
        holter_status by_number =
            vault_find_number(&user, world.vault, done.numbers[i], &world.err);
        ck_assert_msg(by_number == HOLTER_OK, "call %u: user %zu is lost", (unsigned)call, i);
        if (i == 0 && done.is_erased)
            ck_assert(user.is_erased);
        if (!user.is_erased) {
            const struct crypto_key *key;
            ck_assert_int_eq(status, HOLTER_OK);
            MUST(vault_key(&key, world.vault, done.numbers[i], 1, &world.err));
            vault_key_unref(world.vault, key);
        } else {
            ck_assert_uint_eq(i, 0); /* nobody else was to be erased */
        }
    }
    size_t erased = 0;
    for (size_t i = 0; i < vault_user_count(world.vault); i++)
        erased += vault_user_at(world.vault, i).is_erased;
    ck_assert_uint_le(erased, 1);
    ck_assert_uint_eq(vault_user_count(world.vault), there + erased); /* none is invented */
    uint64_t number;
    MUST(world_add(&number, "after")); /* and it goes on */
}

START_TEST(acknowledged_users_survive_every_crash)
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
                check_after_crash(call);
                world_teardown();
                images++;
                if (!has_stopped)
                    break;
            }
    ck_assert_uint_gt(images, 300);
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

                /* The fault is gone: the same handle goes on after a refresh. */
                struct vault_user user;
                MUST(vault_refresh(world.vault, true, vault_version(world.vault), &world.err));
                for (size_t i = 0; i < STEPS; i++) {
                    uint64_t number;
                    if (done.numbers[i] == 0) {
                        MUST(world_add(&number, id_of(i)));
                        done.numbers[i] = number;
                    }
                    MUST(vault_find_number(&user, world.vault, done.numbers[i], &world.err));
                }
                if (done.is_erased)
                    ck_assert(vault_user_at(world.vault, 0).is_erased);
                ck_assert_uint_eq(vault_user_count(world.vault), STEPS);
                world_close();
                check_after_crash(nth);
                if (!was_hit)
                    break;
            }
}
END_TEST

/* The real system in a directory of its own, as the simulator needs memory itself. */
static void setup_real(char directory[static 32])
{
    memset(&world, 0, sizeof world);
    strcpy(directory, "/tmp/holter_vault_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    MUST(io_posix_new(&world.io, &world.err));
    world_make(true);
}

static void teardown_real(const char *directory)
{
    static const char *const files[] = { "d/vault.a", "d/vault.b", "k" };
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
        for (unsigned long nth = 0;; nth++) {
            ck_assert_uint_lt(nth, 1000);
            struct vault_id ids[2] = { { "ada", 3, 0 }, { "ben", 3, 0 } };
            uint64_t numbers[2] = { 0 };
            struct vault_user user;
            setup_real(directory);
            alloc_fail_arm(nth, for_ever);
            holter_status status = vault_add(numbers, world.vault, ids, 2, &world.err);
            bool has_failed = alloc_fail_disarm();
            ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
            ck_assert((numbers[0] != 0) == (status == HOLTER_OK));
            MUST(vault_refresh(world.vault, true, vault_version(world.vault), &world.err));
            ck_assert_int_eq(world_find(&user, "ada"),
                             status == HOLTER_OK ? HOLTER_OK : HOLTER_NOT_FOUND);
            MUST(vault_add(numbers, world.vault, ids, 2, &world.err));
            ck_assert_uint_eq(vault_user_count(world.vault), 2);

            world_close();
            alloc_fail_arm(nth, for_ever);
            holter_status opening = world_open(true);
            bool has_failed_opening = alloc_fail_disarm();
            ck_assert_int_eq(opening, has_failed_opening ? HOLTER_NO_MEMORY : HOLTER_OK);
            if (opening != HOLTER_OK)
                MUST(world_open(true));

            alloc_fail_arm(nth, for_ever);
            status = vault_erase(world.vault, numbers, 1, &world.err);
            bool has_failed_erasing = alloc_fail_disarm();
            ck_assert_int_eq(status, has_failed_erasing ? HOLTER_NO_MEMORY : HOLTER_OK);
            MUST(vault_refresh(world.vault, true, vault_version(world.vault), &world.err));
            MUST(vault_erase(world.vault, numbers, 1,
                             &world.err)); /* also ends what was interrupted */
            ck_assert_int_eq(world_find(&user, "ada"), HOLTER_NOT_FOUND);
            MUST(world_find(&user, "ben"));
            teardown_real(directory);
            if (!has_failed && !has_failed_opening && !has_failed_erasing)
                break;
        }
    setup(); /* for the teardown */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vault_crash");
    TCase *tcase = tcase_create("crash");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, world_teardown);
    tcase_add_test(tcase, acknowledged_users_survive_every_crash);
    tcase_add_test(tcase, a_failing_call_never_half_acknowledges);
    tcase_add_test(tcase, a_failing_allocation_never_half_acknowledges);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
