/*
 * test_io_sim.c -- the simulated machine keeps what io_sim.h promises: it loses what may be lost,
 * all of it and nothing else, bends calls as it is told, and repeats a run by its seed.
 *
 * Where a crash chooses, we try many seeds and ask that every outcome allowed is seen, and no
 * other.
 */
#include "io/io_sim.h"

#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct sim *sim;
static struct io *io;
static struct io_queue *queue;
static holter_error err;
static uint8_t *page;

#define ck_ok(call)                                                                                \
    do {                                                                                           \
        holter_status ck_status = (call);                                                          \
        ck_assert_msg(ck_status == HOLTER_OK, "%s: %s: %s", #call, holter_status_name(ck_status),  \
                      err.message);                                                                \
    } while (0)

static void start(const struct sim_options *options)
{
    sim = sim_new(options);
    io = sim_process_new(sim);
    ck_ok(io_queue_open(&queue, io, 32, &err));
    page = core_alloc_pages(CORE_PAGE_BYTES);
    ck_assert_ptr_nonnull(page);
}

static void stop(void)
{
    io_queue_close(queue);
    io_free(io);
    sim_free(sim);
    free(page);
}

static struct io_file *file_open(struct io *by, const char *path, uint32_t flags)
{
    struct io_file *file;
    ck_ok(io_open(&file, by, path, flags, &err));
    return file;
}

/* A file with these bytes, durable with its name. */
static struct io_file *file_durable(const char *path, const void *bytes, size_t count)
{
    struct io_file *file = file_open(io, path, IO_CREATE);
    ck_ok(io_write_exactly(queue, file, 0, bytes, count, &err));
    ck_ok(io_sync(queue, file, &err));
    ck_ok(io_sync_dir(io, ".", &err));
    return file;
}

static bool has_file(const struct sim *in, const char *path)
{
    struct buffer found;
    buffer_init(&found);
    holter_status status = sim_file_read(&found, in, path);
    buffer_release(&found);
    return status == HOLTER_OK;
}

static bool file_is(const struct sim *in, const char *path, const void *bytes, size_t count)
{
    struct buffer found;
    buffer_init(&found);
    holter_status status = sim_file_read(&found, in, path);
    bool same = status == HOLTER_OK && found.bytes == count &&
                (count == 0 || memcmp(found.data, bytes, count) == 0);
    buffer_release(&found);
    return same;
}

/* A copy of the machine after a crash. */
static struct sim *crashed(enum sim_crash_mode mode, uint64_t seed)
{
    struct sim *copy = sim_copy(sim, seed);
    sim_crash(copy, mode, seed);
    return copy;
}

/* ---- what a power cut leaves ----------------------------------------------------------------- */

START_TEST(what_is_not_synced_is_lost)
{
    start(NULL);
    struct io_file *file = file_durable("f", "old", 3);
    ck_ok(io_write_exactly(queue, file, 0, "new, longer", 11, &err));
    ck_ok(io_unlink(io, "none", NULL) == HOLTER_NOT_FOUND ? HOLTER_OK : HOLTER_IO);
    io_close(file_open(io, "g", IO_CREATE));

    struct sim *durable = crashed(SIM_CRASH_DURABLE, 1);
    ck_assert(file_is(durable, "f", "old", 3));
    ck_assert(!has_file(durable, "g"));
    struct sim *all = crashed(SIM_CRASH_ALL, 1);
    ck_assert(file_is(all, "f", "new, longer", 11));
    ck_assert(has_file(all, "g"));
    ck_assert_uint_eq(sim_pending_count(all), 0);

    ck_ok(io_sync(queue, file, &err)); /* the copies did not change the original */
    struct sim *synced = crashed(SIM_CRASH_DURABLE, 1);
    ck_assert(file_is(synced, "f", "new, longer", 11));
    ck_assert(!has_file(synced, "g"));
    sim_free(durable);
    sim_free(all);
    sim_free(synced);
    io_close(file);
    stop();
}
END_TEST

START_TEST(a_durable_write_needs_no_sync)
{
    start(NULL);
    struct io_file *file = file_durable("f", "old", 3);
    struct io_file *through = file_open(io, "f", IO_WRITABLE | IO_DSYNC);
    memset(page, 'x', 600);
    ck_ok(io_write_exactly(queue, file, 2000, "lost", 4, &err));
    ck_ok(io_write_exactly(queue, through, 0, page, 600, &err));
    struct sim *durable = crashed(SIM_CRASH_DURABLE, 1);
    struct buffer found;
    buffer_init(&found);
    ck_ok(sim_file_read(&found, durable, "f"));
    ck_assert_uint_eq(found.bytes, 600);
    ck_assert_mem_eq(found.data, page, 600);
    buffer_release(&found);
    sim_free(durable);
    io_close(file);
    io_close(through);
    stop();
}
END_TEST

/* Every one of the 2^3 images of three sectors is seen, and nothing but them. */
START_TEST(sectors_are_torn_apart_in_every_way)
{
    start(NULL);
    memset(page, 'o', 3 * CORE_SECTOR_BYTES);
    struct io_file *file = file_durable("f", page, 3 * CORE_SECTOR_BYTES);
    memset(page, 'n', 3 * CORE_SECTOR_BYTES);
    ck_ok(io_write_exactly(queue, file, 0, page, 3 * CORE_SECTOR_BYTES, &err));
    ck_assert_uint_eq(sim_pending_count(sim), 3);
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct sim *copy = crashed(SIM_CRASH_RANDOM, seed);
        struct buffer found;
        buffer_init(&found);
        ck_ok(sim_file_read(&found, copy, "f"));
        ck_assert_uint_eq(found.bytes, 3 * CORE_SECTOR_BYTES);
        unsigned image = 0;
        for (size_t i = 0; i < found.bytes; i++) {
            ck_assert(found.data[i] == 'o' || found.data[i] == 'n');
            ck_assert_uint_eq(found.data[i], found.data[i / CORE_SECTOR_BYTES * CORE_SECTOR_BYTES]);
            image |= (unsigned)(found.data[i] == 'n') << i / CORE_SECTOR_BYTES;
        }
        seen |= 1u << image;
        buffer_release(&found);
        sim_free(copy);
    }
    ck_assert_uint_eq(seen, 0xff);
    io_close(file);
    stop();
}
END_TEST

/* What grows: its size, its two sectors; the bits kept say exactly what is there. */
START_TEST(a_crash_keeps_exactly_the_chosen_items)
{
    start(NULL);
    struct io_file *file = file_durable("f", "", 0);
    memset(page, 'n', 700);
    ck_ok(io_write_exactly(queue, file, 0, page, 700, &err));
    io_close(file_open(io, "g", IO_CREATE));
    ck_assert_uint_eq(sim_pending_count(sim), 4); /* g's creation, the size, two sectors */
    static const struct {
        uint8_t keep;
        bool has_g;
        size_t bytes;
        bool first, second;
    } cases[] = {
        { 0x0, false, 0, false, false },   { 0x1, true, 0, false, false },
        { 0x2, false, 700, false, false }, { 0x4, false, 512, true, false },
        { 0x8, false, 700, false, true },  { 0xa, false, 700, false, true },
        { 0xf, true, 700, true, true },
    };
    for (size_t i = 0; i < CORE_COUNT(cases); i++) {
        struct sim *copy = sim_copy(sim, 1);
        sim_crash_keep(copy, &cases[i].keep, 1);
        uint8_t want[700] = { 0 };
        memset(want, cases[i].first ? 'n' : 0, 512);
        memset(want + 512, cases[i].second ? 'n' : 0, 700 - 512);
        ck_assert_msg(file_is(copy, "f", want, cases[i].bytes), "case %zu", i);
        ck_assert(has_file(copy, "g") == cases[i].has_g);
        ck_assert_uint_eq(sim_pending_count(copy), 0);
        sim_free(copy);
    }
    struct sim *none = sim_copy(sim, 1);
    sim_crash_keep(none, NULL, 0);
    ck_assert(file_is(none, "f", "", 0));
    sim_free(none);
    io_close(file);
    stop();
}
END_TEST

/* Two changes of a directory, four outcomes; a rename is there or not, never half. */
START_TEST(directory_changes_survive_in_any_subset)
{
    start(NULL);
    io_close(file_durable("a", "old", 3));
    io_close(file_durable("c", "c", 1));
    struct io_file *file = file_open(io, "a.tmp", IO_CREATE);
    ck_ok(io_write_exactly(queue, file, 0, "new", 3, &err));
    ck_ok(io_sync(queue, file, &err));
    ck_ok(io_rename(io, "a.tmp", "a", &err));
    ck_ok(io_unlink(io, "c", &err));
    ck_assert_uint_eq(sim_pending_count(sim), 3);
    bool seen[2][2][2] = { 0 };
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct sim *copy = crashed(SIM_CRASH_RANDOM, seed);
        bool is_new = file_is(copy, "a", "new", 3);
        ck_assert(is_new || file_is(copy, "a", "old", 3));
        bool aside = has_file(copy, "a.tmp");
        ck_assert(!aside || (file_is(copy, "a.tmp", "new", 3) && !is_new));
        seen[is_new][aside][has_file(copy, "c")] = true;
        sim_free(copy);
    }
    for (unsigned i = 0; i < 8; i++) {
        bool is_new = i & 1, aside = i >> 1 & 1, c = i >> 2 & 1;
        ck_assert_int_eq(seen[is_new][aside][c], !(is_new && aside));
    }
    ck_ok(io_sync_dir(io, ".", &err));
    struct sim *copy = crashed(SIM_CRASH_DURABLE, 0);
    ck_assert(file_is(copy, "a", "new", 3));
    ck_assert(!has_file(copy, "a.tmp"));
    ck_assert(!has_file(copy, "c"));
    sim_free(copy);
    io_close(file);
    stop();
}
END_TEST

/* Its bytes are there whenever its name is; without one it goes with its process. */
START_TEST(a_file_without_a_name_is_gone_after_a_crash)
{
    start(NULL);
    struct io_file *named = file_open(io, ".", IO_UNNAMED);
    struct io_file *unnamed = file_open(io, ".", IO_UNNAMED);
    for (int i = 0; i < 2; i++) {
        ck_ok(io_write_exactly(queue, i == 0 ? named : unnamed, 0, "x", 1, &err));
        ck_ok(io_sync(queue, i == 0 ? named : unnamed, &err));
    }
    ck_ok(io_link(named, "f", &err));
    ck_assert_uint_eq(sim_pending_count(sim), 1);
    struct sim *copy = crashed(SIM_CRASH_DURABLE, 0);
    ck_assert(!has_file(copy, "f"));
    sim_free(copy);
    copy = crashed(SIM_CRASH_ALL, 0);
    ck_assert(file_is(copy, "f", "x", 1));
    sim_free(copy);
    ck_ok(io_sync_dir(io, ".", &err));
    copy = crashed(SIM_CRASH_DURABLE, 0);
    ck_assert(file_is(copy, "f", "x", 1));
    struct io_names names;
    ck_ok(sim_files(&names, copy));
    ck_assert_uint_eq(names.count, 1);
    io_names_release(&names);
    sim_free(copy);
    io_close(named);
    io_close(unnamed);
    stop();
}
END_TEST

START_TEST(a_directory_that_is_lost_takes_what_it_held)
{
    start(NULL);
    ck_ok(io_make_dir(io, "d", &err));
    struct io_file *file = file_open(io, "d/f", IO_CREATE | IO_DSYNC);
    ck_ok(io_write_exactly(queue, file, 0, "x", 1, &err));
    ck_ok(io_sync_dir(io, "d", &err)); /* of it, not of the one above */
    struct sim *copy = crashed(SIM_CRASH_DURABLE, 0);
    ck_assert(!has_file(copy, "d/f"));
    struct io_names names;
    ck_ok(sim_files(&names, copy));
    ck_assert_uint_eq(names.count, 0);
    io_names_release(&names);
    sim_free(copy);
    ck_ok(io_sync_dir(io, "/", &err));
    copy = crashed(SIM_CRASH_DURABLE, 0);
    ck_assert(file_is(copy, "d/f", "x", 1));
    sim_free(copy);
    io_close(file);
    stop();
}
END_TEST

START_TEST(a_rename_between_directories_is_never_half)
{
    start(NULL);
    ck_ok(io_make_dir(io, "a", &err));
    ck_ok(io_make_dir(io, "b", &err));
    ck_ok(io_sync_dir(io, "/", &err));
    io_close(file_open(io, "a/f", IO_CREATE));
    ck_ok(io_rename(io, "a/f", "b/g", &err));
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *copy = crashed(SIM_CRASH_RANDOM, seed);
        ck_assert(!(has_file(copy, "a/f") && has_file(copy, "b/g")));
        sim_free(copy);
    }
    ck_ok(io_sync_dir(io, "b", &err)); /* takes with it what came before under both names */
    ck_assert_uint_eq(sim_pending_count(sim), 0);
    static const enum sim_crash_mode modes[] = { SIM_CRASH_DURABLE, SIM_CRASH_ALL };
    for (size_t i = 0; i < CORE_COUNT(modes); i++) {
        struct sim *copy = crashed(modes[i], 0);
        ck_assert(!has_file(copy, "a/f"));
        ck_assert(has_file(copy, "b/g"));
        sim_free(copy);
    }
    stop();
}
END_TEST

START_TEST(a_rename_removes_no_name_of_another_file)
{
    start(NULL);
    io_close(file_durable("y", "old", 3));
    ck_ok(io_unlink(io, "y", &err));
    io_close(file_open(io, "y", IO_CREATE));
    ck_ok(io_rename(io, "y", "x", &err));
    ck_assert_uint_eq(sim_pending_count(sim), 3);
    uint8_t rename_alone = 4;
    sim_crash_keep(sim, &rename_alone, 1);
    ck_assert(file_is(sim, "y", "old", 3)); /* its unlinking did not survive */
    ck_assert(file_is(sim, "x", "", 0));    /* nor did the creation of what x names now */
    stop();
}
END_TEST

START_TEST(what_is_cut_off_comes_back_as_zeros)
{
    unsigned cut = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        start(&(struct sim_options){ .seed = seed });
        struct io_file *file = file_durable("f", "abc", 3);
        uint64_t hash = sim_image_hash(sim, NULL);
        memset(page, 'n', CORE_PAGE_BYTES);
        ck_ok(io_write_exactly(queue, file, 3, page, 500, &err));
        ck_ok(io_write_exactly(queue, file, 20000, page, 500, &err));
        sim_stop_at(sim, sim_call_count(sim), SIM_POWER_CUT_TORN);
        ck_assert_int_eq(io_sync(queue, file, &err), HOLTER_IO);
        sim_crash(sim, SIM_CRASH_DURABLE, 0);
        struct buffer found;
        buffer_init(&found);
        ck_ok(sim_file_read(&found, sim, "f"));
        bool is_cut = found.bytes == 3 && memcmp(found.data, "abc", 3) == 0;
        if (is_cut) { /* sectors beyond the end may have reached the disk: nothing shows them */
            cut++;
            ck_assert_uint_eq(sim_image_hash(sim, NULL), hash);
            struct io *next = sim_process_new(sim);
            struct io_queue *next_queue;
            ck_ok(io_queue_open(&next_queue, next, 1, &err));
            struct io_file *again = file_open(next, "f", IO_WRITABLE);
            ck_ok(io_write_exactly(next_queue, again, 30000, "x", 1, &err));
            ck_ok(sim_file_read(&found, sim, "f"));
            for (size_t i = 3; i < 30000; i++)
                ck_assert_uint_eq(found.data[i], 0);
            io_close(again);
            io_queue_close(next_queue);
            io_free(next);
        }
        buffer_release(&found);
        io_close(file);
        stop();
    }
    ck_assert_uint_gt(cut, 10);
}
END_TEST

/*
 * At every cut a file written whole is the old one or the new one; and the new one once it is told.
 */
START_TEST(a_file_written_whole_is_never_torn)
{
    static const char next[] = "new, and longer";
    static const enum sim_event events[] = { SIM_POWER_CUT, SIM_POWER_CUT_TORN, SIM_KILL };
    unsigned olds = 0, news = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        start(&(struct sim_options){ .seed = seed });
        ck_ok(io_write_file(io, "f", "old", 3, 0, &err));
        sim_stop_at(sim, sim_call_count(sim) + seed % 6, events[seed / 6 % 3]);
        holter_status status = io_write_file(io, "f", next, sizeof next, 0, &err);
        ck_assert_int_eq(status, seed % 6 == 5 ? HOLTER_OK : HOLTER_IO); /* five calls */
        for (uint64_t turn = 0; turn < 10; turn++) {
            struct sim *copy = crashed(SIM_CRASH_RANDOM, turn);
            bool is_new = file_is(copy, "f", next, sizeof next);
            ck_assert(is_new || (status != HOLTER_OK && file_is(copy, "f", "old", 3)));
            olds += !is_new;
            news += is_new;
            sim_free(copy);
        }
        stop();
    }
    ck_assert_uint_gt(olds, 100);
    ck_assert_uint_gt(news, 100);
}
END_TEST

START_TEST(a_sync_covers_what_was_written_before_it)
{
    start(NULL);
    memset(page, 'a', CORE_SECTOR_BYTES);
    struct io_file *file = file_durable("f", page, CORE_SECTOR_BYTES);
    unsigned kept = 0, lost = 0, linked = 0;
    for (unsigned round = 0; round < 64; round++) {
        /* Submitted together, the sync does not cover the write, whichever is done first. */
        char text = (char)('b' + round % 8);
        struct io_op ops[2] = {
            { .kind = IO_WRITE, .file = file, .memory = &text, .bytes = 1 },
            { .kind = IO_SYNC, .file = file },
        };
        io_submit(queue, ops, 2);
        while (io_wait(queue) != NULL)
            continue;
        struct sim *copy = crashed(SIM_CRASH_DURABLE, 0);
        struct buffer found;
        buffer_init(&found);
        ck_ok(sim_file_read(&found, copy, "f"));
        kept += found.data[0] == (uint8_t)text;
        lost += found.data[0] != (uint8_t)text;
        buffer_release(&found);
        sim_free(copy);

        ops[0].linked = true;
        io_submit(queue, ops, 2);
        while (io_wait(queue) != NULL)
            continue;
        copy = crashed(SIM_CRASH_DURABLE, 0);
        buffer_init(&found);
        ck_ok(sim_file_read(&found, copy, "f"));
        linked += found.data[0] == (uint8_t)text;
        buffer_release(&found);
        sim_free(copy);
    }
    ck_assert_uint_eq(kept, 0);
    ck_assert_uint_eq(lost, 64);
    ck_assert_uint_eq(linked, 64);
    io_close(file);
    stop();
}
END_TEST

START_TEST(what_is_written_during_a_sync_stays_pending)
{
    start(NULL);
    memset(page, 'a', 2 * CORE_SECTOR_BYTES);
    struct io_file *file = file_durable("f", page, 2 * CORE_SECTOR_BYTES);
    ck_ok(io_write_exactly(queue, file, 0, "1", 1, &err));
    struct io_op sync = { .kind = IO_SYNC, .file = file };
    struct io_queue *second;
    ck_ok(io_queue_open(&second, io, 1, &err));
    io_submit(queue, &sync, 1);
    ck_ok(io_write_exactly(second, file, 0, "2", 1, &err));
    ck_ok(io_write_exactly(second, file, CORE_SECTOR_BYTES, "2", 1, &err));
    ck_assert_ptr_eq(io_wait(queue), &sync);
    ck_assert_uint_eq(sim_pending_count(sim), 2);
    struct sim *copy = crashed(SIM_CRASH_DURABLE, 0);
    page[0] = '1';
    ck_assert(file_is(copy, "f", page, 2 * CORE_SECTOR_BYTES));
    sim_free(copy);

    /* Nor does it bring back what was durably replaced meanwhile. */
    struct io_file *through = file_open(io, "f", IO_WRITABLE | IO_DSYNC);
    io_submit(queue, &sync, 1);
    ck_ok(io_write_exactly(second, through, 0, "3", 1, &err));
    ck_ok(io_write_exactly(second, file, CORE_SECTOR_BYTES, "4", 1, &err));
    ck_assert_ptr_eq(io_wait(queue), &sync);
    copy = crashed(SIM_CRASH_DURABLE, 0);
    page[0] = '3';
    page[CORE_SECTOR_BYTES] = '2';
    ck_assert(file_is(copy, "f", page, 2 * CORE_SECTOR_BYTES));
    sim_free(copy);
    io_close(through);
    io_queue_close(second);
    io_close(file);
    stop();
}
END_TEST

START_TEST(operations_complete_in_any_order)
{
    start(&(struct sim_options){ .seed = 3 });
    struct io_file *file = file_open(io, "f", IO_CREATE);
    bool first[4] = { 0 };
    for (unsigned round = 0; round < 64; round++) {
        struct io_op ops[4] = { 0 };
        for (size_t i = 0; i < 4; i++)
            ops[i] = (struct io_op){
                .kind = IO_WRITE, .file = file, .offset = i, .memory = page, .bytes = 1
            };
        io_submit(queue, ops, 4);
        first[io_wait(queue) - ops] = true;
        while (io_wait(queue) != NULL)
            continue;
    }
    for (size_t i = 0; i < 4; i++)
        ck_assert(first[i]);
    io_close(file);
    stop();
}
END_TEST

START_TEST(a_crash_starts_a_new_boot)
{
    start(NULL);
    uint8_t before[IO_BOOT_ID_BYTES], after[IO_BOOT_ID_BYTES];
    ck_ok(io_boot_id(io, before, &err));
    int64_t wall_ns = io_now_ns(io);
    sim_clock_advance(sim, INT64_C(1000000000000));
    ck_assert_int_gt(io_now_ns(io), wall_ns + INT64_C(1000000000000) - 1);
    sim_crash(sim, SIM_CRASH_DURABLE, 5);
    ck_assert(sim_process_is_dead(io));
    struct io *next = sim_process_new(sim);
    ck_ok(io_boot_id(next, after, &err));
    ck_assert_mem_ne(before, after, sizeof after);
    ck_assert_int_lt(io_monotonic_ns(next), INT64_C(10000000000));
    ck_assert_int_gt(io_now_ns(next), wall_ns + INT64_C(1000000000000));
    sim_wall_clock_set(sim, 77);
    ck_assert_int_ge(io_now_ns(next), 77);
    ck_assert_int_lt(io_now_ns(next), 1000000);
    io_free(next);
    stop();
}
END_TEST

START_TEST(shared_words_survive_a_kill_and_are_anything_after_a_cut)
{
    start(NULL);
    memset(page, 0, CORE_PAGE_BYTES);
    struct io_file *file = file_durable("head", page, CORE_PAGE_BYTES);
    struct io_shared *shared;
    ck_ok(io_map(&shared, file, CORE_PAGE_BYTES, true, &err));
    io_shared_store(shared, 0, 11);
    io_shared_store(shared, 1, 12);
    bool old = false, new = false, garbage = false;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct sim *copy = crashed(SIM_CRASH_RANDOM, seed);
        struct buffer found;
        buffer_init(&found);
        ck_ok(sim_file_read(&found, copy, "head"));
        uint64_t word;
        memcpy(&word, found.data, sizeof word);
        old = old || word == 0;
        new = new || word == 11;
        garbage = garbage || (word != 0 && word != 11);
        buffer_release(&found);
        sim_free(copy);
    }
    ck_assert(old && new &&garbage);

    struct io *reader = sim_process_new(sim);
    sim_process_kill(io);
    ck_assert_uint_eq(io_shared_load(shared, 0), 0); /* the dead see nothing */
    io_shared_store(shared, 0, 99);
    struct io_file *again = file_open(reader, "head", 0);
    struct io_shared *seen;
    ck_ok(io_map(&seen, again, CORE_PAGE_BYTES, false, &err));
    ck_assert_uint_eq(io_shared_load(seen, 0), 11);
    io_unmap(seen);
    io_close(again);
    io_free(reader);
    io_unmap(shared);
    io_close(file);
    stop();
}
END_TEST

/* ---- stopping -------------------------------------------------------------------------------- */

START_TEST(the_dead_do_nothing)
{
    start(NULL);
    struct io_file *file = file_durable("f", "old", 3);
    struct io_file *other;
    struct io_stat found;
    struct io_names names;
    struct io_op op = { .kind = IO_WRITE, .file = file, .memory = page, .bytes = 3 };
    io_submit(queue, &op, 1);
    sim_crash(sim, SIM_CRASH_ALL, 0);
    ck_assert_ptr_eq(io_wait(queue), &op);
    ck_assert_int_eq(op.result, -ESHUTDOWN);
    uint64_t calls = sim_call_count(sim);
    ck_assert_int_eq(io_open(&other, io, "g", IO_CREATE, &err), HOLTER_IO);
    ck_assert_int_eq(io_write_exactly(queue, file, 0, "new", 3, &err), HOLTER_IO);
    ck_assert_int_eq(io_sync(queue, file, &err), HOLTER_IO);
    ck_assert_int_eq(io_rename(io, "f", "g", &err), HOLTER_IO);
    ck_assert_int_eq(io_unlink(io, "f", &err), HOLTER_IO);
    ck_assert_int_eq(io_stat(&found, io, "f", &err), HOLTER_IO);
    ck_assert_int_eq(io_list(&names, io, "/", &err), HOLTER_IO);
    ck_assert_int_eq(io_lock(file, 0, 1, IO_LOCK_EXCLUSIVE, INT64_MAX, &err), HOLTER_IO);
    int64_t deadline_ns = io_monotonic_ns(io) + INT64_C(5000000000);
    unsigned turns = 0;
    while (io_monotonic_ns(io) < deadline_ns) { /* who polls comes to an end */
        io_sleep_ns(io, 1000);
        ck_assert_uint_lt(++turns, 100);
    }
    ck_assert_uint_eq(sim_call_count(sim), calls);
    ck_assert(file_is(sim, "f", "old", 3));
    io_close(file);
    stop();
}
END_TEST

/* The workload of the tests below: eight calls that are counted. */
static void workload(struct io *by)
{
    struct io_file *file;
    struct io_queue *own;
    if (io_queue_open(&own, by, 1, NULL) != HOLTER_OK)
        return;
    if (io_open(&file, by, "w", IO_CREATE, NULL) == HOLTER_OK) {            /* 0 */
        if (io_lock(file, 0, 1, IO_LOCK_EXCLUSIVE, 0, NULL) == HOLTER_OK && /* 1 */
            io_write_exactly(own, file, 0, "abc", 3, NULL) == HOLTER_OK &&  /* 2 */
            io_sync(own, file, NULL) == HOLTER_OK &&                        /* 3 */
            io_rename(by, "w", "x", NULL) == HOLTER_OK)                     /* 4 */
            (void)(io_sync_dir(by, "/", NULL) == HOLTER_OK &&               /* 5 */
                   io_unlink(by, "x", NULL) == HOLTER_OK);                  /* 6 */
        io_unlock(file, 0, 1);                                              /* 7 */
        io_close(file);
    }
    io_queue_close(own);
}

START_TEST(a_stop_comes_before_the_effect_of_its_call)
{
    static const enum sim_event events[] = { SIM_POWER_CUT, SIM_KILL, SIM_POWER_CUT_TORN };
    for (size_t e = 0; e < CORE_COUNT(events); e++) {
        for (uint64_t call = 0; call <= 8; call++) {
            start(&(struct sim_options){ .seed = call });
            struct io *victim = sim_process_new(sim);
            sim_stop_at(sim, call, events[e]);
            workload(victim);
            ck_assert_int_eq(sim_has_stopped(sim), call < 8);
            ck_assert_int_eq(sim_process_is_dead(victim), call < 8);
            ck_assert_int_eq(sim_process_is_dead(io), call < 8 && events[e] != SIM_KILL);
            ck_assert_uint_eq(sim_call_count(sim), call < 8 ? call + 1 : 8);
            if (events[e] != SIM_POWER_CUT_TORN) {
                ck_assert(has_file(sim, "w") == (call >= 1 && call <= 4));
                ck_assert(has_file(sim, "x") == (call == 5 || call == 6));
                ck_assert(file_is(sim, "w", "abc", 3) == (call == 3 || call == 4));
            }
            struct sim *copy = crashed(SIM_CRASH_DURABLE, 0);
            bool torn = events[e] == SIM_POWER_CUT_TORN;
            ck_assert(file_is(copy, "x", "abc", 3) == (call >= 6) || (torn && call == 5));
            sim_free(copy);
            io_free(victim);
            stop();
        }
    }
}
END_TEST

/* The write that the stop names never happens; what else is in flight may, whole. */
START_TEST(a_kill_leaves_what_is_in_flight_to_chance)
{
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        start(&(struct sim_options){ .seed = seed });
        io_close(file_durable("f", "aa", 2));
        struct io_file *file = file_open(io, "f", IO_WRITABLE);
        char text[2] = { 'b', 'b' };
        struct io_op ops[2] = {
            { .kind = IO_WRITE, .file = file, .memory = &text[0], .bytes = 1 },
            { .kind = IO_WRITE, .file = file, .offset = 1, .memory = &text[1], .bytes = 1 },
        };
        sim_stop_at(sim, sim_call_count(sim), SIM_KILL);
        io_submit(queue, ops, seed % 2 == 0 ? 1 : 2);
        while (io_wait(queue) != NULL)
            continue;
        ck_assert_int_eq(ops[0].result, -ESHUTDOWN);
        bool none = file_is(sim, "f", "aa", 2);
        bool first = file_is(sim, "f", "ba", 2);
        bool second = file_is(sim, "f", "ab", 2);
        ck_assert(none || (seed % 2 == 1 && (first || second)));
        if (seed % 2 == 1)
            seen |= (unsigned)none | (unsigned)first << 1 | (unsigned)second << 2;
        io_close(file);
        stop();
    }
    ck_assert_uint_eq(seen, 7);
}
END_TEST

/* Three files written to by one submission: which of them have their page, whole, as bits. */
static unsigned pages_there(struct sim *on)
{
    static const char *const names[] = { "a", "b", "c" };
    unsigned there = 0;
    memset(page, 'n', CORE_PAGE_BYTES);
    for (unsigned i = 0; i < 3; i++)
        there |= (unsigned)file_is(on, names[i], page, CORE_PAGE_BYTES) << i;
    return there;
}

START_TEST(writes_in_flight_survive_a_cut_in_every_subset)
{
    unsigned seen = 0, seen_torn = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        start(&(struct sim_options){ .seed = seed });
        memset(page, 'o', CORE_PAGE_BYTES);
        io_close(file_durable("a", page, CORE_PAGE_BYTES));
        io_close(file_durable("b", page, CORE_PAGE_BYTES));
        io_close(file_durable("c", page, CORE_PAGE_BYTES));
        memset(page, 'n', CORE_PAGE_BYTES);
        static const char *const names[] = { "a", "b", "c" };
        struct io_op ops[3];
        for (size_t i = 0; i < 3; i++)
            ops[i] = (struct io_op){ .kind = IO_WRITE,
                                     .file = file_open(io, names[i], IO_WRITABLE | IO_DSYNC),
                                     .memory = page,
                                     .bytes = CORE_PAGE_BYTES };
        sim_stop_at(sim, sim_call_count(sim) + seed % 3, SIM_POWER_CUT_TORN);
        io_submit(queue, ops, 3);
        unsigned done = 0;
        while (io_wait(queue) != NULL)
            continue;
        for (unsigned i = 0; i < 3; i++)
            done |= (unsigned)(ops[i].result == CORE_PAGE_BYTES) << i;
        size_t files = sim_pending_files(sim);
        ck_assert_uint_le(files, 3 - seed % 3);
        ck_assert_uint_ge(files, 2 - seed % 3);
        for (unsigned keep = 0; keep < 1u << files; keep++) {
            struct sim *copy = sim_copy(sim, seed);
            sim_crash_keep_files(copy, keep, seed);
            unsigned there = pages_there(copy);
            ck_assert_uint_eq(there & done, done);
            seen |= 1u << there;
            sim_free(copy);
        }
        struct sim *copy = crashed(SIM_CRASH_RANDOM, seed);
        struct buffer found;
        buffer_init(&found);
        for (size_t i = 0; i < 3; i++) {
            ck_ok(sim_file_read(&found, copy, names[i]));
            seen_torn += found.data[0] != found.data[CORE_PAGE_BYTES - 1];
        }
        buffer_release(&found);
        sim_free(copy);
        for (size_t i = 0; i < 3; i++)
            io_close(ops[i].file);
        stop();
    }
    ck_assert_uint_eq(seen, 0x7f); /* all three is what no cut takes away */
    ck_assert_uint_gt(seen_torn, 5);
}
END_TEST

START_TEST(a_torn_stop_does_a_part)
{
    unsigned some = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        start(&(struct sim_options){ .seed = seed });
        memset(page, 'o', CORE_PAGE_BYTES);
        struct io_file *file = file_durable("f", page, CORE_PAGE_BYTES);
        struct io_file *through = file_open(io, "f", IO_WRITABLE | IO_DSYNC);
        memset(page, 'n', CORE_PAGE_BYTES);
        sim_stop_at(sim, sim_call_count(sim), SIM_POWER_CUT_TORN);
        ck_assert_int_eq(io_write_exactly(queue, through, 0, page, CORE_PAGE_BYTES, &err),
                         HOLTER_IO);
        size_t pending = sim_pending_count(sim);
        some += pending > 0 && pending < 8;
        ck_assert_uint_le(pending, 8);
        sim_crash(sim, SIM_CRASH_DURABLE, 0);
        memset(page, 'o', CORE_PAGE_BYTES);
        ck_assert(file_is(sim, "f", page, CORE_PAGE_BYTES));
        io_close(file);
        io_close(through);
        stop();
    }
    ck_assert_uint_gt(some, 20);
}
END_TEST

static void copy_at_call(void *context, const struct sim *seen, uint64_t call)
{
    uint64_t *hashes = context;
    struct sim *copy = sim_copy(seen, call);
    sim_crash(copy, SIM_CRASH_ALL, 0);
    hashes[call] = sim_image_hash(copy, NULL);
    sim_free(copy);
}

START_TEST(a_watcher_sees_the_machine_before_each_call)
{
    uint64_t hashes[8];
    start(NULL);
    struct io *watched = sim_process_new(sim);
    sim_watch(sim, copy_at_call, hashes);
    workload(watched);
    ck_assert_uint_eq(sim_call_count(sim), 8);
    io_free(watched);
    stop();
    for (uint64_t call = 0; call < 8; call++) {
        start(NULL);
        struct io *victim = sim_process_new(sim);
        sim_stop_at(sim, call, SIM_POWER_CUT);
        workload(victim);
        sim_crash(sim, SIM_CRASH_ALL, 0);
        ck_assert_uint_eq(sim_image_hash(sim, NULL), hashes[call]);
        io_free(victim);
        stop();
    }
}
END_TEST

/* ---- faults ---------------------------------------------------------------------------------- */

static const struct {
    int error;
    holter_status of_open;
    holter_status of_write;
    holter_status of_lock;
} errnos[] = {
    { EIO, HOLTER_IO, HOLTER_IO, HOLTER_IO },
    { ENOSPC, HOLTER_NO_SPACE, HOLTER_NO_SPACE, HOLTER_IO },
    { EDQUOT, HOLTER_NO_SPACE, HOLTER_NO_SPACE, HOLTER_IO },
    { ENOMEM, HOLTER_NO_MEMORY, HOLTER_IO, HOLTER_IO },
    { EMFILE, HOLTER_NO_MEMORY, HOLTER_IO, HOLTER_IO },
    { ENFILE, HOLTER_NO_MEMORY, HOLTER_IO, HOLTER_IO },
    { EACCES, HOLTER_DENIED, HOLTER_IO, HOLTER_DENIED },
    { EPERM, HOLTER_DENIED, HOLTER_IO, HOLTER_DENIED },
    { EROFS, HOLTER_DENIED, HOLTER_IO, HOLTER_DENIED },
    { ENOENT, HOLTER_NOT_FOUND, HOLTER_IO, HOLTER_IO },
    { EEXIST, HOLTER_EXISTS, HOLTER_IO, HOLTER_IO },
    { ELOOP, HOLTER_INVALID, HOLTER_IO, HOLTER_IO },
    { EAGAIN, HOLTER_IO, HOLTER_IO, HOLTER_BUSY },
    { ENOLCK, HOLTER_IO, HOLTER_IO, HOLTER_UNSUPPORTED },
    { EINVAL, HOLTER_INVALID, HOLTER_IO, HOLTER_UNSUPPORTED },
    { EINTR, HOLTER_IO, HOLTER_IO, HOLTER_IO },
    { ENODEV, HOLTER_IO, HOLTER_IO, HOLTER_IO },
};

START_TEST(errors_become_statuses)
{
    start(NULL);
    struct io_file *file = file_durable("f", "old", 3);
    struct io_file *other;
    struct sim_fault fault = { .kind = SIM_OPEN, .error = errnos[_i].error };
    sim_fault_set(sim, &fault);
    fault.kind = SIM_WRITE;
    sim_fault_set(sim, &fault);
    fault.kind = SIM_LOCK;
    sim_fault_set(sim, &fault);
    ck_assert_int_eq(io_open(&other, io, "f", 0, &err), errnos[_i].of_open);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(io_write_exactly(queue, file, 0, "x", 1, &err), errnos[_i].of_write);
    ck_assert_int_eq(io_lock(file, 0, 1, IO_LOCK_SHARED, 0, &err), errnos[_i].of_lock);
    ck_assert_ptr_nonnull(strstr(err.message, "'f'"));
    ck_ok(io_lock(file, 0, 1, IO_LOCK_SHARED, 0, &err)); /* once was once */
    io_close(file);
    stop();
}
END_TEST

START_TEST(a_fault_hits_the_nth_call_once_or_for_ever)
{
    start(NULL);
    struct io_file *file = file_durable("f", "old", 3);
    char back[3];
    sim_fault_set(sim, &(struct sim_fault){ .kind = SIM_READ, .nth = 2, .error = EIO });
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(sim_fault_was_hit(sim) == (i > 2));
        holter_status status = io_read_exactly(queue, file, 0, back, 3, &err);
        ck_assert_int_eq(status, i == 2 ? HOLTER_IO : HOLTER_OK);
    }
    sim_fault_clear(sim);
    sim_fault_set(sim, &(struct sim_fault){ .nth = 1, .error = EIO, .for_ever = true });
    ck_ok(io_read_exactly(queue, file, 0, back, 3, &err));
    uint64_t bytes;
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(io_read_exactly(queue, file, 0, back, 3, &err), HOLTER_IO);
        ck_assert_int_eq(io_size(&bytes, file, &err), HOLTER_IO);
        ck_assert_int_eq(io_sync(queue, file, &err), HOLTER_IO);
        ck_assert_int_eq(io_random(io, back, 3, &err), HOLTER_IO);
        ck_assert_int_eq(io_sync_dir(io, "/", &err), HOLTER_IO);
    }
    ck_assert(sim_fault_was_hit(sim));
    sim_fault_clear(sim);
    ck_assert(!sim_fault_was_hit(sim));
    ck_ok(io_read_exactly(queue, file, 0, back, 3, &err));
    io_close(file);
    stop();
}
END_TEST

START_TEST(transfers_can_be_short)
{
    start(NULL);
    memset(page, 'a', CORE_PAGE_BYTES);
    struct io_file *file = file_durable("f", page, CORE_PAGE_BYTES);
    uint8_t back[CORE_PAGE_BYTES];
    sim_fault_set(sim, &(struct sim_fault){ .short_transfer = true, .for_ever = true });
    ck_ok(io_read_exactly(queue, file, 0, back, sizeof back, &err)); /* goes on */
    ck_assert_mem_eq(back, page, sizeof back);
    memset(page, 'b', CORE_PAGE_BYTES);
    struct io_op op = { .kind = IO_WRITE, .file = file, .memory = page, .bytes = CORE_PAGE_BYTES };
    io_submit(queue, &op, 1);
    ck_assert_ptr_eq(io_wait(queue), &op);
    ck_assert_int_gt(op.result, 0);
    ck_assert_int_lt(op.result, CORE_PAGE_BYTES);
    sim_fault_clear(sim);
    ck_ok(io_read_exactly(queue, file, 0, back, sizeof back, &err));
    for (int64_t i = 0; i < CORE_PAGE_BYTES; i++)
        ck_assert_int_eq(back[i], i < op.result ? 'b' : 'a');
    ck_assert_int_eq(io_op_status(&op, &err), HOLTER_NO_SPACE);
    io_close(file);
    stop();
}
END_TEST

START_TEST(a_failed_sync_may_drop_what_it_should_have_written)
{
    start(NULL);
    struct io_file *file = file_durable("f", "old", 3);
    sim_fault_set(sim, &(struct sim_fault){ .kind = SIM_SYNC, .error = EIO, .drops = true });
    ck_ok(io_write_exactly(queue, file, 0, "new!", 4, &err));
    ck_assert_int_eq(io_sync(queue, file, &err), HOLTER_IO);
    ck_ok(io_sync(queue, file, &err)); /* a retry that answers well */
    char back[4];
    ck_ok(io_read_exactly(queue, file, 0, back, 4, &err));
    ck_assert_mem_eq(back, "new!", 4); /* the cache still has it */
    struct sim *copy = crashed(SIM_CRASH_ALL, 0);
    ck_assert(file_is(copy, "f", "old", 3)); /* the disk has not */
    sim_free(copy);
    ck_ok(io_write_exactly(queue, file, 600, "x", 1, &err)); /* a neighbour does not save it */
    ck_ok(io_sync(queue, file, &err));
    copy = crashed(SIM_CRASH_ALL, 0);
    memset(page, 0, CORE_PAGE_BYTES);
    memcpy(page, "old", 3);
    page[600] = 'x';
    ck_assert(file_is(copy, "f", page, 601));
    sim_free(copy);
    ck_ok(io_write_exactly(queue, file, 0, "newer", 5, &err)); /* written anew it is saved */
    ck_ok(io_sync(queue, file, &err));
    copy = crashed(SIM_CRASH_DURABLE, 0);
    memcpy(page, "newer", 5);
    ck_assert(file_is(copy, "f", page, 601));
    sim_free(copy);
    io_close(file);
    stop();
}
END_TEST

START_TEST(a_disk_may_lie)
{
    start(NULL);
    memset(page, 'o', CORE_PAGE_BYTES);
    struct io_file *file = file_durable("f", page, CORE_PAGE_BYTES);
    struct io_file *direct = file_open(io, "f", IO_WRITABLE | IO_DIRECT | IO_DSYNC);
    struct sim_fault lie = { .kind = SIM_WRITE, .lies = true };
    sim_fault_set(sim, &lie);
    memset(page, 'n', CORE_PAGE_BYTES);
    ck_ok(io_write_exactly(queue, direct, 0, page, CORE_PAGE_BYTES, &err));
    ck_assert(sim_fault_was_hit(sim));
    ck_ok(io_read_exactly(queue, direct, 0, page, CORE_PAGE_BYTES, &err));
    ck_assert_int_eq(page[0], 'o'); /* a phantom write, to be found by reading back */

    sim_fault_clear(sim);
    sim_fault_set(sim, &lie);
    ck_ok(io_write_exactly(queue, file, 0, "n", 1, &err));
    ck_ok(io_sync(queue, file, &err));
    sim_fault_set(sim, &(struct sim_fault){ .kind = SIM_SYNC, .lies = true });
    ck_ok(io_write_exactly(queue, file, 1000, "n", 1, &err));
    ck_ok(io_sync(queue, file, &err));
    ck_ok(io_read_exactly(queue, file, 0, page, CORE_PAGE_BYTES, &err));
    ck_assert_int_eq(page[0], 'n'); /* the cache has it, */
    ck_ok(io_read_exactly(queue, direct, 0, page, CORE_PAGE_BYTES, &err));
    ck_assert_int_eq(page[0], 'o');    /* the disk has not, */
    ck_assert_int_eq(page[1000], 'n'); /* and what only a sync lied about is written back yet; */
    sim_fault_clear(sim);
    ck_ok(io_write_exactly(queue, file, 0, "w", 1, &err));
    ck_ok(io_read_exactly(queue, direct, 0, page, CORE_PAGE_BYTES, &err));
    ck_assert_int_eq(page[0], 'w'); /* so is what is written anew */
    sim_crash(sim, SIM_CRASH_DURABLE, 0);
    memset(page, 'o', CORE_PAGE_BYTES);
    ck_assert(file_is(sim, "f", page, CORE_PAGE_BYTES));
    io_close(file);
    io_close(direct);
    stop();
}
END_TEST

START_TEST(a_failed_write_leaves_any_part)
{
    unsigned none = 0, some = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        start(&(struct sim_options){ .seed = seed });
        memset(page, 'o', CORE_PAGE_BYTES);
        struct io_file *file = file_durable("f", page, CORE_PAGE_BYTES);
        sim_fault_set(sim, &(struct sim_fault){ .kind = SIM_WRITE, .error = EIO });
        memset(page, 'n', CORE_PAGE_BYTES);
        ck_assert_int_eq(io_write_exactly(queue, file, 0, page, CORE_PAGE_BYTES, &err), HOLTER_IO);
        size_t pending = sim_pending_count(sim);
        none += pending == 0;
        some += pending > 0;
        io_close(file);
        stop();
    }
    ck_assert_uint_gt(none, 5);
    ck_assert_uint_gt(some, 5);
}
END_TEST

START_TEST(bytes_and_inodes_run_out)
{
    start(&(struct sim_options){ .bytes_max = 5 * CORE_PAGE_BYTES, .inodes_max = 3 });
    struct io_space space;
    struct io_file *b, *c;
    struct io_file *a = file_open(io, "a", IO_CREATE);
    ck_ok(io_write_exactly(queue, a, 0, page, 1, &err));
    ck_ok(io_space(&space, io, "/", &err));
    ck_assert_uint_eq(space.bytes_free, 4 * CORE_PAGE_BYTES);
    ck_assert_uint_eq(space.inodes_free, 2);
    ck_ok(
        io_write_exactly(queue, a, 0, page, CORE_PAGE_BYTES, &err)); /* in its place: needs none */
    ck_ok(io_make_dir(io, "d", &err));
    ck_ok(io_open(&b, io, "d/b", IO_CREATE, &err));
    ck_assert_int_eq(io_open(&c, io, "c", IO_CREATE, &err), HOLTER_NO_SPACE);
    ck_assert_int_eq(io_make_dir(io, "e", &err), HOLTER_NO_SPACE);

    uint8_t *bytes = core_alloc_pages(4 * CORE_PAGE_BYTES); /* three pages are left */
    ck_assert_ptr_nonnull(bytes);
    struct io_op op = {
        .kind = IO_WRITE, .file = b, .memory = bytes, .bytes = 4 * CORE_PAGE_BYTES
    };
    io_submit(queue, &op, 1);
    ck_assert_ptr_eq(io_wait(queue), &op);
    ck_assert_int_eq(op.result, 3 * CORE_PAGE_BYTES);
    ck_assert_int_eq(io_write_exactly(queue, a, CORE_PAGE_BYTES, page, 1, &err), HOLTER_NO_SPACE);
    ck_ok(io_unlink(io, "d/b", &err)); /* still open, so still there */
    ck_assert_int_eq(io_write_exactly(queue, a, CORE_PAGE_BYTES, page, 1, &err), HOLTER_NO_SPACE);
    io_close(b);
    ck_ok(io_write_exactly(queue, a, CORE_PAGE_BYTES, page, 1, &err));
    ck_ok(io_open(&c, io, "c", IO_CREATE, &err));
    io_close(a);
    io_close(c);
    free(bytes);
    stop();
}
END_TEST

START_TEST(a_bad_sector_fails_until_it_is_written)
{
    start(NULL);
    memset(page, 'a', CORE_PAGE_BYTES);
    struct io_file *file = file_durable("f", page, CORE_PAGE_BYTES);
    char back[600];
    sim_sector_bad(sim, "f", 2);
    ck_ok(io_read_exactly(queue, file, 0, back, 600, &err));
    ck_assert_int_eq(io_read_exactly(queue, file, 600, back, 600, &err), HOLTER_IO);
    struct sim *copy = crashed(SIM_CRASH_DURABLE, 0);
    struct io *on_copy = sim_process_new(copy); /* at rest: a reboot does not heal it */
    struct buffer found;
    ck_assert_int_eq(io_read_file(&found, on_copy, "f", CORE_PAGE_BYTES, &err), HOLTER_IO);
    io_free(on_copy);
    sim_free(copy);
    ck_ok(io_write_exactly(queue, file, 1024, page, 512, &err));
    ck_ok(io_read_exactly(queue, file, 600, back, 600, &err));
    io_close(file);
    stop();
}
END_TEST

START_TEST(damage_lasts)
{
    start(NULL);
    ck_ok(io_make_dir(io, "d", &err));
    ck_ok(sim_file_write(sim, "d/f", "abc", 3)); /* durable, but its directory is not */
    ck_ok(io_sync_dir(io, "/", &err));
    ck_ok(sim_file_write(sim, "top", "xyz", 3));
    ck_ok(sim_file_flip(sim, "d/f", 9));
    ck_assert(file_is(sim, "d/f", "a`c", 3));
    sim_crash(sim, SIM_CRASH_DURABLE, 0);
    ck_assert(file_is(sim, "d/f", "a`c", 3));
    ck_assert(file_is(sim, "top", "xyz", 3));
    ck_ok(sim_file_write(sim, "top", "x", 1)); /* shorter */
    ck_assert(file_is(sim, "top", "x", 1));
    ck_assert_int_eq(sim_file_flip(sim, "top", 8), HOLTER_INVALID);
    ck_assert_int_eq(sim_file_flip(sim, "none", 0), HOLTER_NOT_FOUND);
    ck_assert_int_eq(sim_file_write(sim, "no/f", "", 0), HOLTER_NOT_FOUND);
    ck_ok(sim_file_write(sim, "d.e", "", 0));
    struct io_names names;
    ck_ok(sim_files(&names, sim));
    ck_assert_uint_eq(names.count, 3);
    ck_assert_str_eq(names.name[0], "d.e");
    ck_assert_str_eq(names.name[1], "d/f");
    ck_assert_str_eq(names.name[2], "top");
    io_names_release(&names);
    stop();
}
END_TEST

/* ---- copies, hashes, seeds ------------------------------------------------------------------- */

START_TEST(copies_are_independent)
{
    start(NULL);
    struct io_file *file = file_durable("f", "old", 3);
    struct sim *copy = sim_copy(sim, 1);
    uint64_t hash = sim_image_hash(copy, NULL);
    ck_assert_uint_eq(sim_image_hash(sim, NULL), hash);
    struct io *on_copy = sim_process_new(copy);
    struct io_queue *copy_queue;
    ck_ok(io_queue_open(&copy_queue, on_copy, 1, &err));
    struct io_file *copied = file_open(on_copy, "f", IO_WRITABLE);
    ck_ok(io_write_exactly(copy_queue, copied, 0, "copy", 4, &err));
    ck_ok(io_sync(copy_queue, copied, &err));
    ck_ok(io_rename(on_copy, "f", "g", &err));
    ck_assert(file_is(sim, "f", "old", 3));
    ck_assert(!has_file(sim, "g"));
    ck_assert_uint_eq(sim_image_hash(sim, NULL), hash);
    ck_assert_uint_ne(sim_image_hash(copy, NULL), hash);
    ck_ok(io_write_exactly(queue, file, 0, "original", 8, &err));
    ck_assert(file_is(copy, "g", "copy", 4));
    io_close(copied);
    io_queue_close(copy_queue);
    io_free(on_copy);
    sim_free(copy);
    io_close(file);
    stop();
}
END_TEST

START_TEST(hashes_tell_images_apart)
{
    start(NULL);
    uint64_t seen[8];
    size_t count = 0;
    seen[count++] = sim_image_hash(sim, NULL);
    ck_ok(sim_file_write(sim, "f", "", 0));
    seen[count++] = sim_image_hash(sim, NULL);
    ck_ok(sim_file_write(sim, "f", "\0", 1)); /* a size alone */
    seen[count++] = sim_image_hash(sim, NULL);
    ck_ok(sim_file_write(sim, "f", "\1", 1));
    seen[count++] = sim_image_hash(sim, NULL);
    ck_ok(io_rename(io, "f", "g", &err)); /* a name alone */
    seen[count++] = sim_image_hash(sim, NULL);
    ck_ok(io_make_dir(io, "d", &err));
    seen[count++] = sim_image_hash(sim, NULL);
    ck_ok(io_rename(io, "g", "d/g", &err));
    seen[count++] = sim_image_hash(sim, NULL);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(seen[i], seen[j]);

    uint64_t without = sim_image_hash(sim, ".head");
    ck_ok(sim_file_write(sim, "d/s.head", "1", 1));
    ck_assert_uint_eq(sim_image_hash(sim, ".head"), without);
    ck_assert_uint_ne(sim_image_hash(sim, NULL), without);

    /* Zeros that were written are the zeros of a hole. */
    memset(page, 0, CORE_PAGE_BYTES);
    ck_ok(sim_file_write(sim, "z", page, CORE_PAGE_BYTES));
    uint64_t zeros = sim_image_hash(sim, NULL);
    ck_ok(sim_file_flip(sim, "z", 5));
    ck_assert_uint_ne(sim_image_hash(sim, NULL), zeros);
    ck_ok(sim_file_flip(sim, "z", 5));
    ck_assert_uint_eq(sim_image_hash(sim, NULL), zeros);
    stop();
}
END_TEST

static void random_file_work(uint64_t seed)
{
    struct io_file *files[4] = { 0 };
    uint64_t random = seed;
    for (unsigned step = 0; step < 200; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned pick = (unsigned)(random >> 33);
        char path[8], to[8];
        snprintf(path, sizeof path, "f%u", pick % 4);
        snprintf(to, sizeof to, "f%u", pick / 4 % 4);
        struct io_file **file = &files[pick % 4];
        switch (pick / 16 % 6) {
        case 0:
            if (*file == NULL && io_open(file, io, path, IO_WRITABLE, NULL) != HOLTER_OK)
                *file = file_open(io, path, IO_CREATE);
            break;
        case 1:
            io_close(*file);
            *file = NULL;
            break;
        case 2:
            if (io_rename(io, path, to, NULL) == HOLTER_OK && pick % 3 == 0)
                ck_ok(io_sync_dir(io, "/", &err));
            break;
        default:
            if (*file == NULL)
                break;
            memset(page, (int)pick, 2000);
            ck_ok(io_write_exactly(queue, *file, pick % 9000, page, pick / 100 % 2000, &err));
            if (pick % 5 == 0)
                ck_ok(io_sync(queue, *file, &err));
        }
    }
    for (size_t i = 0; i < 4; i++)
        io_close(files[i]);
}

/* The same seed, the same image; and what a crash leaves is what a second crash leaves. */
START_TEST(a_seed_repeats_a_run)
{
    uint64_t hash[2], crash_hash[2], random_bytes[2];
    for (unsigned i = 0; i < 2; i++) {
        start(&(struct sim_options){ .seed = (uint64_t)_i });
        random_file_work((uint64_t)_i);
        ck_ok(io_random(io, &random_bytes[i], 8, &err));
        hash[i] = sim_image_hash(sim, NULL);
        sim_crash(sim, SIM_CRASH_RANDOM, 9);
        crash_hash[i] = sim_image_hash(sim, NULL);
        ck_assert_uint_eq(sim_pending_count(sim), 0);
        sim_crash(sim, SIM_CRASH_RANDOM, 10);
        ck_assert_uint_eq(sim_image_hash(sim, NULL), crash_hash[i]);
        stop();
    }
    ck_assert_uint_eq(hash[0], hash[1]);
    ck_assert_uint_eq(crash_hash[0], crash_hash[1]);
    ck_assert_uint_eq(random_bytes[0], random_bytes[1]);
}
END_TEST

START_TEST(keeping_all_items_is_losing_nothing)
{
    start(&(struct sim_options){ .seed = (uint64_t)_i });
    random_file_work((uint64_t)_i);
    size_t items = sim_pending_count(sim);
    uint8_t keep[4096];
    ck_assert_uint_le(items, 8 * sizeof keep);
    memset(keep, 0xff, sizeof keep);
    uint64_t now = sim_image_hash(sim, NULL);
    struct sim *kept = sim_copy(sim, 0);
    sim_crash_keep(kept, keep, (items + 7) / 8);
    ck_assert_uint_eq(sim_image_hash(kept, NULL), now);
    struct sim *none = sim_copy(sim, 0);
    memset(keep, 0, sizeof keep);
    sim_crash_keep(none, keep, sizeof keep);
    struct sim *durable = crashed(SIM_CRASH_DURABLE, 0);
    ck_assert_uint_eq(sim_image_hash(none, NULL), sim_image_hash(durable, NULL));
    sim_free(kept);
    sim_free(none);
    sim_free(durable);
    stop();
}
END_TEST

/* ---- fibers ---------------------------------------------------------------------------------- */

struct fiber_work {
    struct io *io;
    struct io_mutex *mutex;
    const char *path;
    unsigned rounds;
    unsigned *shared; /* guarded by the mutex, or the lock */
    char *trace;
    char letter;
    holter_status status;
};

static void under_mutex(void *context)
{
    struct fiber_work *work = context;
    for (unsigned i = 0; i < work->rounds; i++) {
        io_mutex_lock(work->mutex);
        unsigned before = *work->shared;
        io_sleep_ns(work->io, 100);
        *work->shared = before + 1;
        work->trace[before] = work->letter;
        io_mutex_unlock(work->mutex);
    }
}

static void under_lock(void *context)
{
    struct fiber_work *work = context;
    struct io_file *file;
    if (io_open(&file, work->io, work->path, IO_WRITABLE, NULL) != HOLTER_OK)
        return;
    for (unsigned i = 0; i < work->rounds; i++) {
        int64_t deadline_ns = io_monotonic_ns(work->io) + INT64_C(5000000000);
        work->status = io_lock(file, 0, 1, IO_LOCK_EXCLUSIVE, deadline_ns, NULL);
        if (work->status != HOLTER_OK)
            break;
        unsigned before = *work->shared;
        io_sleep_ns(work->io, 1000000);
        *work->shared = before + 1;
        io_unlock(file, 0, 1);
        io_sleep_ns(work->io, 1);
    }
    io_close(file);
}

START_TEST(fibers_exclude_each_other)
{
    char traces[2][61] = { "", "" };
    for (unsigned run = 0; run < 2; run++) {
        start(&(struct sim_options){ .seed = (uint64_t)_i, .switch_always = true });
        unsigned shared = 0;
        struct fiber_work work[3];
        struct io_mutex *mutex;
        ck_ok(io_mutex_new(&mutex, io, &err));
        for (unsigned i = 0; i < 3; i++) {
            work[i] = (struct fiber_work){ .io = io,
                                           .mutex = mutex,
                                           .rounds = 20,
                                           .shared = &shared,
                                           .trace = traces[run],
                                           .letter = (char)('a' + i) };
            sim_spawn(sim, io, under_mutex, &work[i]);
        }
        ck_assert(sim_run(sim));
        ck_assert_uint_eq(shared, 60);
        io_mutex_free(mutex);

        io_close(file_durable("lock", "", 0));
        struct io *others[3];
        shared = 0;
        for (unsigned i = 0; i < 3; i++) {
            others[i] = sim_process_new(sim);
            work[i] = (struct fiber_work){
                .io = others[i], .path = "lock", .rounds = 10, .shared = &shared
            };
            sim_spawn(sim, others[i], under_lock, &work[i]);
        }
        int64_t before_ns = io_monotonic_ns(io);
        ck_assert(sim_run(sim));
        ck_assert_uint_eq(shared, 30);
        ck_assert_int_ge(io_monotonic_ns(io) - before_ns, INT64_C(30000000));
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_int_eq(work[i].status, HOLTER_OK);
            io_free(others[i]);
        }
        stop();
    }
    ck_assert_str_eq(traces[0], traces[1]); /* the seed's order, */
    unsigned turns = 0;
    for (size_t i = 1; i < 60; i++)
        turns += traces[0][i] != traces[0][i - 1];
    ck_assert_uint_gt(turns, 10); /* and a mixed one */
}
END_TEST

static void hold_lock(void *context)
{
    struct fiber_work *work = context;
    struct io_file *file;
    if (io_open(&file, work->io, work->path, IO_WRITABLE, NULL) != HOLTER_OK)
        return;
    if (io_lock(file, 0, 1, IO_LOCK_EXCLUSIVE, 0, NULL) == HOLTER_OK)
        io_sleep_ns(work->io, INT64_C(3600000000000));
    io_close(file);
}

static void kill_later(void *context)
{
    struct fiber_work *work = context;
    io_sleep_ns(io, INT64_C(1000000000));
    sim_process_kill(work->io);
}

START_TEST(a_killed_fibers_lock_goes_to_who_waits)
{
    start(&(struct sim_options){ .seed = (uint64_t)_i, .switch_always = true });
    io_close(file_durable("lock", "", 0));
    unsigned shared = 0;
    struct io *holder = sim_process_new(sim);
    struct io *waiter = sim_process_new(sim);
    struct fiber_work hold = { .io = holder, .path = "lock" };
    struct fiber_work wait = { .io = waiter, .path = "lock", .rounds = 1, .shared = &shared };
    sim_spawn(sim, holder, hold_lock, &hold);
    sim_spawn(sim, io, kill_later, &hold);
    int64_t begin_ns = io_monotonic_ns(io);
    sim_spawn(sim, waiter, under_lock, &wait);
    ck_assert(sim_run(sim));
    ck_assert_int_eq(wait.status, HOLTER_OK);
    ck_assert_uint_eq(shared, 1);
    ck_assert_int_lt(io_monotonic_ns(io) - begin_ns,
                     INT64_C(2000000000)); /* not the holder's hour */
    io_free(holder);
    io_free(waiter);
    stop();
}
END_TEST

START_TEST(a_waiting_fiber_is_busy_at_its_deadline)
{
    start(&(struct sim_options){ .seed = (uint64_t)_i });
    io_close(file_durable("lock", "", 0));
    unsigned shared = 0;
    struct io *holder = sim_process_new(sim);
    struct fiber_work hold = { .io = holder, .path = "lock" };
    struct fiber_work wait = { .io = io, .path = "lock", .rounds = 1, .shared = &shared };
    sim_spawn(sim, holder, hold_lock, &hold);
    sim_spawn(sim, io, under_lock, &wait);
    sim_yield(sim); /* outside of a fiber: nothing */
    ck_assert(sim_run(sim));
    ck_assert_uint_le(shared, 1); /* who came first is the seed's choice */
    ck_assert_int_eq(wait.status, shared == 1 ? HOLTER_OK : HOLTER_BUSY);
    io_free(holder);
    stop();
}
END_TEST

struct crossing {
    struct io_mutex *first;
    struct io_mutex *second;
};

static void lock_crosswise(void *context)
{
    struct crossing *crossing = context;
    io_mutex_lock(crossing->first);
    sim_yield(sim);
    io_sleep_ns(io, 1000);
    io_mutex_lock(crossing->second);
    io_mutex_unlock(crossing->second);
    io_mutex_unlock(crossing->first);
}

START_TEST(a_deadlock_is_found_and_unwound)
{
    start(NULL);
    struct io_mutex *a, *b;
    ck_ok(io_mutex_new(&a, io, &err));
    ck_ok(io_mutex_new(&b, io, &err));
    struct crossing one = { a, b };
    struct crossing two = { b, a };
    sim_spawn(sim, io, lock_crosswise, &one);
    sim_spawn(sim, io, lock_crosswise, &two);
    ck_assert(!sim_run(sim));
    ck_assert(sim_process_is_dead(io));
    io_mutex_free(a);
    io_mutex_free(b);
    stop();
}
END_TEST

struct polling {
    struct io *io;
    struct io_shared *shared;
    uint64_t seen;
};

static void poll_word(void *context)
{
    struct polling *polling = context;
    while ((polling->seen = io_shared_load(polling->shared, 3)) == 0)
        io_sleep_ns(polling->io, 1000);
}

static void store_word(void *context)
{
    struct polling *polling = context;
    io_sleep_ns(polling->io, 100000);
    io_shared_store(polling->shared, 3, 42);
}

START_TEST(processes_speak_through_shared_words)
{
    start(&(struct sim_options){ .seed = (uint64_t)_i, .switch_always = true });
    memset(page, 0, CORE_PAGE_BYTES);
    struct io *other = sim_process_new(sim);
    struct io_file *mine = file_durable("head", page, CORE_PAGE_BYTES);
    struct io_file *theirs = file_open(other, "head", 0);
    struct polling writer = { .io = io };
    struct polling reader = { .io = other };
    ck_ok(io_map(&writer.shared, mine, CORE_PAGE_BYTES, true, &err));
    ck_ok(io_map(&reader.shared, theirs, CORE_PAGE_BYTES, false, &err));
    sim_spawn(sim, other, poll_word, &reader);
    sim_spawn(sim, io, store_word, &writer);
    ck_assert(sim_run(sim));
    ck_assert_uint_eq(reader.seen, 42);
    io_unmap(writer.shared);
    io_unmap(reader.shared);
    io_close(mine);
    io_close(theirs);
    io_free(other);
    stop();
}
END_TEST

static Suite *io_sim_suite(void)
{
    Suite *suite = suite_create("io_sim");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, what_is_not_synced_is_lost);
    tcase_add_test(all, a_durable_write_needs_no_sync);
    tcase_add_test(all, sectors_are_torn_apart_in_every_way);
    tcase_add_test(all, a_crash_keeps_exactly_the_chosen_items);
    tcase_add_test(all, directory_changes_survive_in_any_subset);
    tcase_add_test(all, a_file_without_a_name_is_gone_after_a_crash);
    tcase_add_test(all, a_directory_that_is_lost_takes_what_it_held);
    tcase_add_test(all, a_rename_between_directories_is_never_half);
    tcase_add_test(all, a_rename_removes_no_name_of_another_file);
    tcase_add_test(all, what_is_cut_off_comes_back_as_zeros);
    tcase_add_test(all, a_file_written_whole_is_never_torn);
    tcase_add_test(all, a_sync_covers_what_was_written_before_it);
    tcase_add_test(all, what_is_written_during_a_sync_stays_pending);
    tcase_add_test(all, operations_complete_in_any_order);
    tcase_add_test(all, a_crash_starts_a_new_boot);
    tcase_add_test(all, shared_words_survive_a_kill_and_are_anything_after_a_cut);
    tcase_add_test(all, the_dead_do_nothing);
    tcase_add_test(all, a_stop_comes_before_the_effect_of_its_call);
    tcase_add_test(all, a_kill_leaves_what_is_in_flight_to_chance);
    tcase_add_test(all, writes_in_flight_survive_a_cut_in_every_subset);
    tcase_add_test(all, a_torn_stop_does_a_part);
    tcase_add_test(all, a_watcher_sees_the_machine_before_each_call);
    tcase_add_loop_test(all, errors_become_statuses, 0, CORE_COUNT(errnos));
    tcase_add_test(all, a_fault_hits_the_nth_call_once_or_for_ever);
    tcase_add_test(all, transfers_can_be_short);
    tcase_add_test(all, a_failed_sync_may_drop_what_it_should_have_written);
    tcase_add_test(all, a_disk_may_lie);
    tcase_add_test(all, a_failed_write_leaves_any_part);
    tcase_add_test(all, bytes_and_inodes_run_out);
    tcase_add_test(all, a_bad_sector_fails_until_it_is_written);
    tcase_add_test(all, damage_lasts);
    tcase_add_test(all, copies_are_independent);
    tcase_add_test(all, hashes_tell_images_apart);
    tcase_add_loop_test(all, a_seed_repeats_a_run, 0, 20);
    tcase_add_loop_test(all, keeping_all_items_is_losing_nothing, 0, 20);
    tcase_add_loop_test(all, fibers_exclude_each_other, 0, 10);
    tcase_add_loop_test(all, a_killed_fibers_lock_goes_to_who_waits, 0, 10);
    tcase_add_loop_test(all, a_waiting_fiber_is_busy_at_its_deadline, 0, 10);
    tcase_add_test(all, a_deadlock_is_found_and_unwound);
    tcase_add_loop_test(all, processes_speak_through_shared_words, 0, 10);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return run_suite(io_sim_suite());
}
