/*
 * test_edits_crash.c -- power cuts, kills and failing calls at every step of a log's life.
 *
 * A workload (create, append, rewrite, append, mend) is stopped at each of its calls, by a power
 * cut, a torn one or a kill; what is left is opened in every crash mode, and the opening is itself
 * cut at each of its calls. Each time every acknowledged edit is there, none is that was not
 * submitted, and the log opens and takes more. Failing calls: each by each errno, once and for
 * ever; what was acknowledged stays, and once the fault is gone the same handle goes on.
 */
#include "edits_ledger.h"

#include <errno.h>

/* What a run has promised. The attempt of each version that was acknowledged; 0: none. */
struct promise {
    bool is_created;
    uint64_t acknowledged; /* version */
    uint64_t submitted;
    uint32_t attempts[LEDGER_MAX];
};

static holter_error err;

static struct sim *new_machine(uint64_t seed)
{
    struct sim *sim = sim_new(&(struct sim_options){ .seed = seed });
    struct io *io = sim_process_new(sim);
    ck_assert_int_eq(io_make_dir(io, "d", NULL), HOLTER_OK);
    ck_assert_int_eq(io_sync_dir(io, ".", NULL), HOLTER_OK);
    io_free(io);
    return sim;
}

static void append(struct edits *edits, uint32_t attempt, struct promise *promise)
{
    uint64_t version = edits_version(edits) + 1;
    if (version > promise->submitted)
        promise->submitted = version;
    if (ledger_append(edits, attempt, NULL) != HOLTER_OK)
        return;
    promise->acknowledged = version;
    promise->attempts[version] = attempt;
}

/*
 * The life of a log up to wherever it is stopped; each step is tried whatever became of the one
 * before.
 */
static void live(struct sim *sim, struct promise *promise)
{
    struct io *io = sim_process_new(sim);
    struct ledger ledger = { .count = 0 };
    struct edits_spec spec = ledger_spec(io, &ledger);
    struct edits *edits = NULL;

    promise->submitted = 1;
    if (ledger_create(io, NULL) == HOLTER_OK) {
        promise->is_created = true;
        promise->acknowledged = 1;
        promise->attempts[1] = LEDGER_SNAPSHOT;
    }
    if (edits_open(&edits, &spec, true, UINT64_MAX, NULL) != HOLTER_OK)
        goto done;
    for (uint32_t i = 1; i <= 4; i++)
        append(edits, i, promise);
    if (edits_version(edits) > 0)
        (void)ledger_rewrite(edits, NULL);
    for (uint32_t i = 5; i <= 7; i++)
        append(edits, i, promise);
done:
    edits_close(edits);
    io_free(io);
}

static void check_promise(const struct promise *promise, const struct ledger *ledger,
                          const struct edits *edits)
{
    ledger_check(ledger, edits);
    ck_assert_uint_ge(edits_version(edits), promise->acknowledged);
    ck_assert_uint_le(edits_version(edits), promise->submitted);
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_edit *edit = &ledger->edits[i];
        if (edit->attempt != LEDGER_SNAPSHOT && promise->attempts[edit->version] != 0)
            ck_assert_uint_eq(edit->attempt, promise->attempts[edit->version]);
    }
}

/* Open for writing, append one. False: stopped in between. */
static bool recover(struct sim *sim, struct promise *promise)
{
    struct io *io = sim_process_new(sim);
    struct ledger ledger = { .count = 0 };
    struct edits_spec spec = ledger_spec(io, &ledger);
    struct edits *edits = NULL;
    holter_status status = edits_open(&edits, &spec, true, UINT64_MAX, &err);
    if (status == HOLTER_OK) {
        check_promise(promise, &ledger, edits);
        append(edits, 40, promise);
    } else if (!sim_has_stopped(sim)) {
        ck_assert_msg(status == HOLTER_NOT_FOUND && !promise->is_created, "%d: %s", (int)status,
                      err.message);
    }
    edits_close(edits);
    io_free(io);
    return !sim_has_stopped(sim);
}

/* A reader first, as it may come before any writer. */
static void check_reading(struct sim *sim, const struct promise *promise)
{
    struct io *io = sim_process_new(sim);
    struct ledger ledger = { .count = 0 };
    struct edits_spec spec = ledger_spec(io, &ledger);
    struct edits *edits = NULL;
    holter_status status = edits_open(&edits, &spec, false, UINT64_MAX, &err);
    if (status == HOLTER_OK) {
        size_t damaged = 0;
        check_promise(promise, &ledger, edits);
        ck_assert_int_eq(edits_verify(edits, NULL, NULL, &damaged, NULL), HOLTER_OK);
    } else {
        ck_assert_msg(status == HOLTER_NOT_FOUND && !promise->is_created, "%d: %s", (int)status,
                      err.message);
    }
    edits_close(edits);
    io_free(io);
}

static size_t images;

static void crash_and_check(const struct sim *stopped, enum sim_crash_mode mode, uint64_t seed,
                            const struct promise *before, bool is_nested)
{
    bool goes_on = true;
    for (uint64_t k = 0; goes_on; k++) {
        struct promise promise = *before;
        struct sim *sim = sim_copy(stopped, seed);
        sim_crash(sim, mode, seed);
        images++;
        check_reading(sim, &promise);
        if (is_nested)
            sim_stop_at(sim, sim_call_count(sim) + k,
                        k % 2 == 0 ? SIM_POWER_CUT_TORN : SIM_POWER_CUT);
        goes_on = !recover(sim, &promise) && is_nested;
        sim_stop_at(sim, UINT64_MAX, SIM_NOTHING);
        if (goes_on) {
            struct sim *again = sim_copy(sim, seed + k);
            sim_crash(again, (enum sim_crash_mode)(k % 3), seed + k);
            images++;
            check_reading(again, &promise);
            (void)recover(again, &promise);
            sim_free(again);
        } else {
            check_reading(sim, &promise);
        }
        sim_free(sim);
    }
}

static const enum sim_event events[] = { SIM_POWER_CUT, SIM_POWER_CUT_TORN, SIM_KILL };

START_TEST(no_stop_loses_or_invents_an_edit)
{
    enum sim_event event = events[_i];
    bool was_stopped = true;
    uint64_t calls = 0;
    images = 0;
    for (uint64_t k = 0; was_stopped; k++) {
        struct promise promise = { .is_created = false };
        struct sim *sim = new_machine(k);
        sim_stop_at(sim, sim_call_count(sim) + k, event);
        live(sim, &promise);
        was_stopped = sim_has_stopped(sim);
        sim_stop_at(sim, UINT64_MAX, SIM_NOTHING);
        crash_and_check(sim, SIM_CRASH_DURABLE, k, &promise, true);
        crash_and_check(sim, SIM_CRASH_ALL, k, &promise, k % 3 == 0);
        for (uint64_t seed = 0; seed < 4; seed++)
            crash_and_check(sim, SIM_CRASH_RANDOM, k * 10 + seed, &promise, seed == 0);
        if (event == SIM_KILL) { /* the next process of this boot */
            check_reading(sim, &promise);
            ck_assert(recover(sim, &promise));
            check_reading(sim, &promise);
            crash_and_check(sim, SIM_CRASH_DURABLE, k, &promise, false);
            crash_and_check(sim, SIM_CRASH_RANDOM, k, &promise, false);
        }
        sim_free(sim);
        calls++;
    }
    ck_assert_uint_gt(calls, 50);
    ck_assert_uint_gt(images, 2000);
}
END_TEST

/* A process killed between the two renames is no damage, and not told as any. */
START_TEST(a_killed_rewrite_is_no_damage)
{
    bool was_stopped = true;
    uint64_t stops = 0, halves = 0;
    for (uint64_t k = 0; was_stopped; k++) {
        struct sim *sim = new_machine(k);
        struct io *io = sim_process_new(sim), *other = sim_process_new(sim);
        struct ledger ledger = { .count = 0 }, seen = { .count = 0 };
        struct edits_spec spec = ledger_spec(io, &ledger), other_spec = ledger_spec(other, &seen);
        struct edits *edits, *reader;
        size_t damaged = 0;
        ck_assert_int_eq(ledger_create(io, NULL), HOLTER_OK);
        ck_assert_int_eq(edits_open(&edits, &spec, true, UINT64_MAX, NULL), HOLTER_OK);
        ck_assert_int_eq(ledger_append(edits, 1, NULL), HOLTER_OK);
        uint64_t version = edits_version(edits);
        sim_stop_at(sim, sim_call_count(sim) + k, SIM_KILL);
        (void)ledger_rewrite(edits, NULL);
        was_stopped = sim_has_stopped(sim);
        sim_stop_at(sim, UINT64_MAX, SIM_NOTHING);
        stops += was_stopped;
        edits_close(edits);

        ck_assert_int_eq(edits_open(&reader, &other_spec, false, version, &err), HOLTER_OK);
        ledger_check(&seen, reader);
        halves += edits_generation(reader) > 1 && was_stopped;
        ck_assert_int_eq(edits_verify(reader, NULL, NULL, &damaged, &err), HOLTER_OK);
        ck_assert_uint_eq(damaged, 0);
        edits_close(reader);
        io_free(io);
        io_free(other);
        sim_free(sim);
    }
    ck_assert_uint_gt(stops, 5);
    ck_assert_uint_gt(halves, 0); /* stopped with one copy, or both, in place */
}
END_TEST

/* ---- failing calls --------------------------------------------------------------------------- */

static const struct sim_fault faults[] = {
    { .kind = SIM_ANY, .error = EIO },
    { .kind = SIM_ANY, .error = ENOSPC },
    { .kind = SIM_ANY, .error = EIO, .for_ever = true },
    { .kind = SIM_ANY, .error = ENOSPC, .for_ever = true },
    { .kind = SIM_ANY, .error = EACCES },
    { .kind = SIM_ANY, .error = EMFILE },
    { .kind = SIM_SYNC, .error = EIO, .drops = true },
    { .kind = SIM_WRITE, .short_transfer = true },
    { .kind = SIM_READ, .short_transfer = true },
    { .kind = SIM_RENAME, .error = EIO },
    { .kind = SIM_SYNC_DIR, .error = EIO },
};

/* The same handle goes on: refreshed, as a writer that takes the lock again does. */
static void go_on(struct sim *sim, struct edits *edits, struct ledger *ledger,
                  struct promise *promise)
{
    holter_status status = edits_refresh(edits, true, promise->acknowledged, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    check_promise(promise, ledger, edits);
    uint64_t version = edits_version(edits);
    status = ledger_append(edits, 50, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    promise->submitted = promise->acknowledged = version + 1;
    promise->attempts[version + 1] = 50;
    ck_assert_uint_eq(edits_version(edits), version + 1);
    (void)sim;
}

START_TEST(no_failing_call_loses_an_edit)
{
    struct sim_fault fault = faults[_i];
    bool was_hit = true;
    for (uint64_t k = 0; was_hit; k++) {
        struct sim *sim = new_machine(k);
        struct io *io = sim_process_new(sim);
        struct ledger ledger = { .count = 0 };
        struct edits_spec spec = ledger_spec(io, &ledger);
        struct edits *edits = NULL;
        struct promise promise = { .submitted = 1 };

        fault.nth = k;
        sim_fault_set(sim, &fault);
        if (ledger_create(io, NULL) == HOLTER_OK) {
            promise.is_created = true;
            promise.acknowledged = 1;
            promise.attempts[1] = LEDGER_SNAPSHOT;
        }
        if (edits_open(&edits, &spec, true, UINT64_MAX, NULL) == HOLTER_OK)
            for (uint32_t i = 1; i <= 8; i++) {
                if (i == 4 && edits_version(edits) > 0)
                    (void)ledger_rewrite(edits, NULL);
                append(edits, i, &promise);
            }
        was_hit = sim_fault_was_hit(sim);
        sim_fault_clear(sim);

        if (edits == NULL) { /* it never came to be, or it opens now */
            holter_status status = promise.is_created ? HOLTER_OK : ledger_create(io, &err);
            ck_assert_msg(status == HOLTER_OK || status == HOLTER_EXISTS, "%s", err.message);
            status = edits_open(&edits, &spec, true, UINT64_MAX, &err);
            ck_assert_msg(status == HOLTER_OK, "%s", err.message);
            promise.is_created = true;
            promise.acknowledged = edits_version(edits);
            promise.attempts[1] = LEDGER_SNAPSHOT;
        }
        if (!was_hit)
            ck_assert_uint_eq(promise.acknowledged, 9);
        go_on(sim, edits, &ledger, &promise);
        check_reading(sim, &promise);
        sim_crash(sim, SIM_CRASH_DURABLE, k);
        check_reading(sim, &promise);
        edits_close(edits);
        io_free(io);
        sim_free(sim);
    }
}
END_TEST

/*
 * A writer died before its edit was durable. Whoever opens the log then syncs the copies before it builds on them; the
 * sync of one or both fails, and the system forgets that it had something to write. No later sync may be believed.
 */
START_TEST(a_copy_whose_sync_failed_is_not_trusted)
{
    size_t beyond = 0;
    bool was_killed = true;
    for (uint64_t k = 0; was_killed; k++)
        for (unsigned nth = 0; nth < 2; nth++) {
            struct sim *sim = new_machine(16 * (uint64_t)_i + k);
            struct io *victim = sim_process_new(sim), *io = sim_process_new(sim);
            struct ledger ledger = { .count = 0 }, other = { .count = 0 };
            struct edits_spec spec = ledger_spec(victim, &ledger),
                              other_spec = ledger_spec(io, &other);
            struct edits *edits;
            ck_assert_int_eq(ledger_create(victim, NULL), HOLTER_OK);
            ck_assert_int_eq(edits_open(&edits, &spec, true, UINT64_MAX, NULL), HOLTER_OK);
            ck_assert_int_eq(ledger_append(edits, 1, NULL), HOLTER_OK);
            sim_stop_at(sim, sim_call_count(sim) + k, SIM_KILL);
            (void)ledger_append(edits, 2, NULL);
            was_killed = sim_process_is_dead(victim);
            sim_stop_at(sim, UINT64_MAX, SIM_NOTHING);
            edits_close(edits);

            for (unsigned i = 0; i <= nth; i++) { /* of one copy, of both */
                struct sim_fault fault = {
                    .kind = SIM_SYNC, .nth = i, .error = EIO, .drops = true
                };
                sim_fault_set(sim, &fault);
            }
            holter_status status = edits_open(&edits, &other_spec, true, UINT64_MAX, NULL);
            sim_fault_clear(sim);
            if (status != HOLTER_OK)
                ck_assert_int_eq(edits_open(&edits, &other_spec, true, UINT64_MAX, NULL),
                                 HOLTER_OK);
            uint64_t version = edits_version(edits);
            beyond += version == 3;
            edits_close(edits);
            sim_crash(sim, SIM_CRASH_DURABLE, k);
            struct io *after = sim_process_new(sim);
            struct ledger third = { .count = 0 };
            struct edits_spec third_spec = ledger_spec(after, &third);
            ck_assert_int_eq(edits_open(&edits, &third_spec, true, UINT64_MAX, NULL), HOLTER_OK);
            ck_assert_uint_ge(edits_version(edits), version);
            edits_close(edits);
            io_free(victim);
            io_free(io);
            io_free(after);
            sim_free(sim);
        }
    ck_assert_uint_gt(beyond, 0);
}
END_TEST

/* A handle whose append fails, and another writer that takes the lock before it comes back. */
START_TEST(a_failed_append_never_takes_the_place_of_anothers)
{
    bool was_hit = true;
    for (uint64_t k = 0; was_hit; k++)
        for (unsigned is_published = 0; is_published < 2; is_published++) {
            struct sim *sim = new_machine(k);
            struct io *io = sim_process_new(sim), *other_io = sim_process_new(sim);
            struct ledger ledger = { .count = 0 }, other = { .count = 0 }, third = { .count = 0 };
            struct edits_spec spec = ledger_spec(io, &ledger),
                              other_spec = ledger_spec(other_io, &other);
            struct edits_spec third_spec = ledger_spec(other_io, &third);
            struct edits *edits, *after, *reader;
            ck_assert_int_eq(ledger_create(io, NULL), HOLTER_OK);
            ck_assert_int_eq(edits_open(&edits, &spec, true, UINT64_MAX, NULL), HOLTER_OK);
            ck_assert_int_eq(edits_open(&reader, &third_spec, false, 1, NULL), HOLTER_OK);
            ck_assert_int_eq(edits_open(&after, &other_spec, true, 1, NULL), HOLTER_OK);

            struct sim_fault fault = { .kind = SIM_ANY, .nth = k, .error = EIO };
            sim_fault_set(sim, &fault);
            holter_status status = ledger_append(edits, 1, NULL);
            was_hit = sim_fault_was_hit(sim);
            sim_fault_clear(sim);
            uint64_t published = status == HOLTER_OK ? 2 : 1;

            ck_assert_int_eq(edits_refresh(after, true, published, NULL), HOLTER_OK);
            ck_assert_int_eq(ledger_append(after, 2, NULL), HOLTER_OK);
            uint64_t version = edits_version(after);
            ck_assert_int_eq(edits_refresh(edits, true, version, NULL), HOLTER_OK);
            ck_assert_uint_eq(edits_version(edits), version);
            ck_assert_uint_eq(ledger.edits[ledger.count - 1].attempt, 2);
            ck_assert_int_eq(edits_refresh(reader, false, version, NULL), HOLTER_OK);
            ck_assert_uint_eq(third.edits[third.count - 1].attempt, 2);
            if (status == HOLTER_OK)
                ck_assert_uint_eq(third.edits[1].attempt, 1);
            edits_close(edits);
            edits_close(after);
            edits_close(reader);
            io_free(io);
            io_free(other_io);
            sim_free(sim);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edits_crash");
    TCase *tests = tcase_create("crash");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, no_stop_loses_or_invents_an_edit, 0, (int)CORE_COUNT(events));
    tcase_add_test(tests, a_killed_rewrite_is_no_damage);
    tcase_add_loop_test(tests, no_failing_call_loses_an_edit, 0, (int)CORE_COUNT(faults));
    tcase_add_test(tests, a_failed_append_never_takes_the_place_of_anothers);
    tcase_add_loop_test(tests, a_copy_whose_sync_failed_is_not_trusted, 0, 8);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
