/*
 * test_manifest_pins.c -- a pinned version keeps its files, nothing else does, and crashes lose no
 * commit.
 *
 * A writer commits and sweeps, readers pin before, between and after, with and without a head page;
 * then the same life is stopped at each call, and fails at each call.
 */
#include "manifest_world.h"

#include <errno.h>

static struct sim *sim;
static struct opened writer, reader;
static holter_error err;

#define MUST(call) ck_assert_msg((call) == HOLTER_OK, "%s", err.message)

static void setup(void)
{
    memset(&reader, 0, sizeof reader);
    sim = world_new(1);
    struct io *io = sim_process_new(sim);
    struct manifest_spec spec = world_spec(io);
    MUST(manifest_create(&spec, &err));
    io_free(io);
    MUST(world_open(&writer, sim, true, true, &err));
}

static void teardown(void)
{
    world_close(&writer);
    if (reader.io != NULL)
        world_close(&reader);
    sim_free(sim);
}

static void make_file(const char *path)
{
    MUST(sim_file_write(sim, path, "x", 1));
}

/* A flush of ten sequences from log file `number`, as hot file `number`. */
static holter_status flush(struct manifest *manifest, uint8_t number)
{
    char path[64], log[64];
    uint64_t end = 10u * number + 1;
    struct manifest_file file = world_file(number, 0, -1, end - 10, end - 1);
    struct manifest_edit edit = { .add = &file,
                                  .add_count = 1,
                                  .flushed = world_place(number + 1u, 4096, end) };
    world_segment(path, &file);
    make_file(path);
    snprintf(log, sizeof log, "s/log-%016x", (unsigned)number);
    make_file(log);
    return manifest_commit(manifest, &edit, &err);
}

static holter_status drop(struct manifest *manifest, uint8_t number)
{
    struct manifest_file file = world_file(number, 0, -1, 1, 1);
    struct manifest_edit edit = { .remove = (const uint8_t(*)[MANIFEST_ID_BYTES])file.id,
                                  .remove_count = 1 };
    return manifest_commit(manifest, &edit, &err);
}

static bool has_segment(uint8_t number)
{
    char path[64];
    struct manifest_file file = world_file(number, 0, -1, 1, 1);
    world_segment(path, &file);
    return world_exists(writer.io, path);
}

static bool has_log(uint8_t number)
{
    char path[64];
    snprintf(path, sizeof path, "s/log-%016x", (unsigned)number);
    return world_exists(writer.io, path);
}

static struct manifest_keep keep; /* nothing */

static size_t sweep(struct manifest *manifest)
{
    size_t left = 99;
    MUST(manifest_sweep(manifest, &keep, &left, &err));
    return left;
}

START_TEST(what_left_goes_and_what_is_live_stays)
{
    MUST(flush(writer.manifest, 1));
    MUST(flush(writer.manifest, 2));
    MUST(drop(writer.manifest, 1));
    make_file("s/log-0000000000000003");                     /* the log goes on here */
    make_file("s/seg-00000000000000000000000000000042");     /* of a job that died */
    make_file("s/seg-00000000000000000000000000000043.tmp"); /* likewise */
    make_file("s/manifest.a.tmp");
    make_file("s/log-0000000000000002.tmp");
    make_file("s/log-0000000000000004.tmp"); /* an appender is making it */
    make_file("s/other");
    ck_assert_uint_eq(sweep(writer.manifest), 0);
    ck_assert(!has_segment(1));
    ck_assert(has_segment(2));
    ck_assert(!has_log(1));
    ck_assert(!has_log(2));
    ck_assert(has_log(3));
    static const char *const gone[] = { "s/seg-00000000000000000000000000000042",
                                        "s/manifest.a.tmp",
                                        "s/seg-00000000000000000000000000000043.tmp",
                                        "s/log-0000000000000002.tmp" };
    static const char *const kept[] = {
        "s/log-0000000000000004.tmp", "s/other", "s/lock", "s/head", "s/manifest.a", "s/manifest.b"
    };
    for (size_t i = 0; i < CORE_COUNT(gone); i++)
        ck_assert(!world_exists(writer.io, gone[i]));
    for (size_t i = 0; i < CORE_COUNT(kept); i++)
        ck_assert(world_exists(writer.io, kept[i]));
}
END_TEST

START_TEST(a_pin_of_another_process_keeps_its_version)
{
    struct manifest_version *pinned;
    MUST(flush(writer.manifest, 1));
    MUST(flush(writer.manifest, 2));
    MUST(world_open(&reader, sim, false, _i == 0, &err)); /* also without a head page */
    MUST(manifest_pin(&pinned, reader.manifest, &err));
    ck_assert_uint_eq(pinned->version, 3);
    MUST(drop(writer.manifest, 1));
    MUST(flush(writer.manifest, 3));
    ck_assert_uint_eq(sweep(writer.manifest),
                      2); /* a segment; log file 3, that the version reads from */
    ck_assert(has_segment(1));
    ck_assert(!has_log(1));
    ck_assert(!has_log(2));
    ck_assert(has_log(3));
    ck_assert_uint_eq(pinned->file_count, 2);

    manifest_unpin(reader.manifest, pinned);
    ck_assert_uint_eq(sweep(writer.manifest), 0);
    ck_assert(!has_segment(1));
    ck_assert(!has_log(3));
}
END_TEST

START_TEST(a_pin_of_this_handle_is_counted)
{
    struct manifest_version *first, *second, *third;
    MUST(flush(writer.manifest, 1));
    MUST(manifest_pin(&first, writer.manifest, &err));
    MUST(manifest_pin(&second, writer.manifest, &err));
    ck_assert_uint_eq(manifest_pin_count(writer.manifest), 2);
    ck_assert_ptr_eq(first, second);
    MUST(drop(writer.manifest, 1));
    MUST(manifest_pin(&third, writer.manifest, &err));
    ck_assert_uint_eq(third->version, 3);
    ck_assert_uint_eq(sweep(writer.manifest), 1);
    manifest_unpin(writer.manifest, first);
    ck_assert_uint_eq(sweep(writer.manifest), 1);
    manifest_unpin(writer.manifest, second);
    ck_assert_uint_eq(sweep(writer.manifest), 0);
    ck_assert(!has_segment(1));
    manifest_unpin(writer.manifest, third);
    ck_assert_uint_eq(manifest_pin_count(writer.manifest), 0);
}
END_TEST

START_TEST(a_pin_of_a_later_version_keeps_nothing_that_left_before)
{
    struct manifest_version *pinned;
    MUST(flush(writer.manifest, 1));
    MUST(drop(writer.manifest, 1));
    MUST(world_open(&reader, sim, false, true, &err));
    MUST(manifest_pin(&pinned, reader.manifest, &err));
    MUST(flush(writer.manifest, 2));
    ck_assert_uint_eq(sweep(writer.manifest), 1); /* log file 2 */
    ck_assert(!has_segment(1));
    manifest_unpin(reader.manifest, pinned);
}
END_TEST

START_TEST(a_new_writer_respects_pins_of_before)
{
    struct manifest_version *pinned;
    MUST(flush(writer.manifest, 1));
    MUST(world_open(&reader, sim, false, true, &err));
    MUST(manifest_pin(&pinned, reader.manifest, &err));
    MUST(drop(writer.manifest, 1));
    world_close(&writer);
    MUST(world_open(&writer, sim, true, true, &err));
    ck_assert_uint_eq(sweep(writer.manifest), 1);
    ck_assert(has_segment(1));
    sim_process_kill(reader.io); /* death lets go */
    ck_assert_uint_eq(sweep(writer.manifest), 0);
    ck_assert(!has_segment(1));
    manifest_unpin(reader.manifest, pinned);
}
END_TEST

/*
 * A commit and a sweep between the reader's look at the page and its lock, at every call in
 * between.
 */
struct race {
    struct manifest_version *pinned;
    bool is_over;
};

static void race_reader(void *context)
{
    struct race *race = context;
    MUST(manifest_pin(&race->pinned, reader.manifest, &err));
    for (unsigned i = 0; i < 20; i++)
        sim_yield(sim);
    for (size_t i = 0; i < race->pinned->file_count; i++) {
        char path[64];
        world_segment(path, &race->pinned->files[i]);
        ck_assert_msg(world_exists(reader.io, path), "version %llu has lost %s",
                      (unsigned long long)race->pinned->version, path);
    }
    manifest_unpin(reader.manifest, race->pinned);
    race->is_over = true;
}

static void race_writer(void *context)
{
    (void)context;
    for (uint8_t i = 3; i < 8; i++) {
        MUST(flush(writer.manifest, i));
        MUST(drop(writer.manifest, i - 2u));
        (void)sweep(writer.manifest);
    }
}

START_TEST(no_race_takes_a_file_from_a_pinned_version)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        teardown();
        memset(&reader, 0, sizeof reader);
        sim = sim_new(&(struct sim_options){ .seed = seed, .switch_always = true });
        struct io *io = sim_process_new(sim);
        struct manifest_spec spec = world_spec(io);
        MUST(io_make_dir(io, "s", &err));
        MUST(sim_file_write(sim, "s/lock", "", 0));
        MUST(manifest_create(&spec, &err));
        io_free(io);
        MUST(world_open(&writer, sim, true, true, &err));
        MUST(flush(writer.manifest, 1));
        MUST(flush(writer.manifest, 2));
        MUST(world_open(&reader, sim, false, true, &err));
        struct race race = { .is_over = false };
        sim_spawn(sim, reader.io, race_reader, &race);
        sim_spawn(sim, writer.io, race_writer, NULL);
        ck_assert(sim_run(sim));
        ck_assert(race.is_over);
    }
}
END_TEST

/*
 * The same at its narrowest: a page that is published and a probe, against one pin. Whoever probes
 * after it published and finds the version free may unlink its files, so a pin must not stand on
 * it.
 */
struct narrow {
    struct head *head;
    struct io_file *lock_file;
    bool is_free;
    struct manifest_version *pinned;
};

static void narrow_writer(void *context)
{
    struct narrow *narrow = context;
    uint64_t words[HEAD_WORDS] = { [MANIFEST_HEAD_VERSION] = 3, [MANIFEST_HEAD_GENERATION] = 1 };
    bool is_held;
    head_publish(narrow->head, MANIFEST_HEAD_PAIR, words);
    MUST(io_lock_probe(&is_held, narrow->lock_file, MANIFEST_PIN_BASE, 3, &err));
    narrow->is_free = !is_held;
}

static void narrow_reader(void *context)
{
    struct narrow *narrow = context;
    MUST(manifest_pin(&narrow->pinned, reader.manifest, &err));
}

START_TEST(no_pin_stands_on_a_version_found_free)
{
    size_t found_free = 0, found_held = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        world_close(&writer);
        if (reader.io != NULL)
            world_close(&reader);
        sim_free(sim);
        sim = sim_new(&(struct sim_options){ .seed = seed, .switch_always = true });
        struct io *io = sim_process_new(sim);
        struct manifest_spec spec = world_spec(io);
        struct narrow narrow = { .pinned = NULL };
        uint64_t words[HEAD_WORDS] = {
            [MANIFEST_HEAD_VERSION] = 2, [MANIFEST_HEAD_GENERATION] = 1
        };
        MUST(io_make_dir(io, "s", &err));
        MUST(sim_file_write(sim, "s/lock", "", 0));
        MUST(manifest_create(&spec, &err));
        io_free(io);
        MUST(world_open(&writer, sim, true, false, &err)); /* publishes nothing by itself */
        MUST(flush(writer.manifest, 1));
        MUST(head_open(&narrow.head, writer.io, "s/head", world_store, 1, true, &err));
        head_publish(narrow.head, MANIFEST_HEAD_PAIR, words);
        MUST(world_open(&reader, sim, false, true, &err));
        MUST(flush(writer.manifest, 2));
        narrow.lock_file = writer.lock_file;
        sim_spawn(sim, reader.io, narrow_reader, &narrow);
        sim_spawn(sim, writer.io, narrow_writer, &narrow);
        ck_assert(sim_run(sim));
        head_close(narrow.head);
        uint64_t version = narrow.pinned->version;
        ck_assert(version == 2 || version == 3);
        ck_assert_msg(!(narrow.is_free && version == 2), "seed %llu", (unsigned long long)seed);
        found_free += narrow.is_free;
        found_held += !narrow.is_free;
        manifest_unpin(reader.manifest, narrow.pinned);
    }
    ck_assert_uint_gt(found_free, 20);
    ck_assert_uint_gt(found_held, 20);
}
END_TEST

/* ---- crashes and failing calls --------------------------------------------------------------- */

struct promise {
    uint64_t version; /* acknowledged */
    uint64_t submitted;
};

static void live(struct opened *opened, struct promise *promise)
{
    for (uint8_t i = 1; i <= 4; i++) {
        promise->submitted++;
        holter_status status = flush(opened->manifest, i);
        if (sim_process_is_dead(opened->io)) /* the dead acknowledge nothing */
            return;
        if (status == HOLTER_OK)
            promise->version = promise->submitted;
        else if (manifest_refresh(opened->manifest, true, &err) == HOLTER_OK) {
            struct manifest_version *now = manifest_current(opened->manifest);
            promise->submitted = promise->version = now->version;
            manifest_version_unref(now);
        } else
            return;
        size_t left;
        (void)manifest_sweep(opened->manifest, &keep, &left, NULL);
    }
}

static void check_promise(struct opened *opened, const struct promise *promise)
{
    struct manifest_version *now = manifest_current(opened->manifest);
    ck_assert_uint_ge(now->version, promise->version);
    ck_assert_uint_le(now->version, promise->submitted);
    MUST(manifest_check(now, &err));
    manifest_version_unref(now);
}

START_TEST(no_stop_loses_a_commit)
{
    enum sim_event event = (enum sim_event)(SIM_POWER_CUT + _i);
    bool was_stopped = true;
    for (uint64_t k = 0; was_stopped; k += 1 + k % 3) {
        struct promise promise = { .version = 1, .submitted = 1 };
        teardown();
        setup();
        sim_stop_at(sim, sim_call_count(sim) + k, event);
        live(&writer, &promise);
        was_stopped = sim_has_stopped(sim);
        sim_stop_at(sim, UINT64_MAX, SIM_NOTHING);
        for (unsigned mode = 0; mode < 4; mode++) {
            struct sim *after = sim_copy(sim, k);
            struct opened opened;
            if (mode < 3)
                sim_crash(after, (enum sim_crash_mode)mode, k);
            holter_status status = world_open(&opened, after, false, true, &err);
            ck_assert_msg(status == HOLTER_OK, "%s", err.message);
            check_promise(&opened, &promise);
            world_close(&opened);
            status = world_open(&opened, after, true, true, &err);
            ck_assert_msg(status == HOLTER_OK, "%s", err.message);
            check_promise(&opened, &promise);
            world_close(&opened);
            sim_free(after);
        }
    }
}
END_TEST

static const struct sim_fault faults[] = {
    { .kind = SIM_ANY, .error = EIO },
    { .kind = SIM_ANY, .error = ENOSPC, .for_ever = true },
    { .kind = SIM_SYNC, .error = EIO, .drops = true },
    { .kind = SIM_WRITE, .short_transfer = true },
};

START_TEST(no_failing_call_loses_a_commit)
{
    struct sim_fault fault = faults[_i];
    bool was_hit = true;
    for (uint64_t k = 0; was_hit; k++) {
        struct promise promise = { .version = 1, .submitted = 1 };
        struct manifest_edit nothing = { .add = NULL };
        teardown();
        setup();
        fault.nth = k;
        sim_fault_set(sim, &fault);
        live(&writer, &promise);
        was_hit = sim_fault_was_hit(sim);
        sim_fault_clear(sim);

        MUST(world_open(&reader, sim, false, true, &err)); /* what was published is readable */
        check_promise(&reader, &promise);
        MUST(manifest_refresh(writer.manifest, true, &err)); /* and it goes on */
        check_promise(&writer, &promise);
        MUST(manifest_commit(writer.manifest, &nothing, &err));
        MUST(manifest_refresh(reader.manifest, false, &err));
        struct manifest_version *now = manifest_current(reader.manifest);
        struct manifest_version *wanted = manifest_current(writer.manifest);
        ck_assert_uint_eq(now->version, wanted->version);
        manifest_version_unref(now);
        manifest_version_unref(wanted);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest_pins");
    TCase *tests = tcase_create("pins");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, what_left_goes_and_what_is_live_stays);
    tcase_add_loop_test(tests, a_pin_of_another_process_keeps_its_version, 0, 2);
    tcase_add_test(tests, a_pin_of_this_handle_is_counted);
    tcase_add_test(tests, a_pin_of_a_later_version_keeps_nothing_that_left_before);
    tcase_add_test(tests, a_new_writer_respects_pins_of_before);
    tcase_add_test(tests, no_race_takes_a_file_from_a_pinned_version);
    tcase_add_test(tests, no_pin_stands_on_a_version_found_free);
    tcase_add_loop_test(tests, no_stop_loses_a_commit, 0, 3);
    tcase_add_loop_test(tests, no_failing_call_loses_a_commit, 0, (int)CORE_COUNT(faults));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
