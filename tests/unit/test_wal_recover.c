/*
 * test_wal_recover.c -- after any crash the acknowledged frames are there and none is invented;
 * damage is told.
 *
 * Crashes: a workload that appends, marks, links, hands over and begins files is stopped before,
 * in and after every call; a crash keeps none, all or some of what was unsynced; recovery and what
 * follows are stopped in turn. Damage: every bit of the pages that hold something, one of each
 * page of zeros, every truncation, an older copy, unreadable sectors.
 */
#include "wal_world.h"

#include <errno.h>
#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
#define FLIP_STEP 13 /* of the bits of a page, coprime to 8: time */
#else
#define FLIP_STEP 1
#endif

#define FILE_1 WORLD_DIRECTORY "/log-0000000000000001"
#define FILE_2 WORLD_DIRECTORY "/log-0000000000000002"

/* ---- crashes --------------------------------------------------------------------------------- */

/* Another handle takes over, as another process would. */
static void hand_over(struct world *w)
{
    bool is_untouched = wal_is_untouched(w->wal, &w->end);
    wal_close(w->wal);
    w->wal = NULL;
    world_open_wal(w);
    (void)wal_take_over(w->wal, &w->end, is_untouched, NULL);
}

static void work(struct world *w)
{
    (void)world_append(w, 1, 100, false, NULL);
    (void)world_append(w, 3, 5000, false, NULL); /* one group of several pages */
    (void)world_append(w, 4, 9000, true, NULL);  /* linked over groups */
    (void)wal_mark(w->wal, &w->end, NULL);
    hand_over(w);
    (void)world_append_parts(w, 1, 4, 7000, NULL); /* linked over the file's end */
    (void)world_append(w, 2, 40, false, NULL);
    (void)wal_rest(w->wal, &w->end, NULL);
    (void)world_append(w, 1, 40, false, NULL);
    (void)wal_rest(w->wal, &w->end, NULL); /* it does */
    hand_over(w);
    (void)world_append(w, 1, 9000, false, NULL);
    (void)wal_mark(w->wal, &w->end, NULL);
}

static uint64_t calls_of_work(void)
{
    struct world w;
    world_init(&w, 1);
    uint64_t before = sim_call_count(w.sim);
    work(&w);
    uint64_t calls = sim_call_count(w.sim) - before;
    world_release(&w);
    return calls;
}

/* Run until the machine or the process stops at this call. */
static void run_to(struct world *w, uint64_t call, enum sim_event event, uint64_t seed)
{
    world_init(w, seed);
    sim_stop_at(w->sim, sim_call_count(w->sim) + call, event);
    work(w);
    ck_assert(sim_has_stopped(w->sim));
}

/* Opens; what is found is then the log, goes on, and is found again. */
static void check_recovery(struct world *w)
{
    struct wal_place end, again;
    world_new_process(w);
    must_recover(w, NULL, &end, NULL);
    world_adopt(w, &end);
    must_append(w, 2, 700, false);
    must_read_to_end(w);
    must_mark(w);
    must_recover(w, &w->end, &again, NULL);
    ck_assert_mem_eq(&again, &w->end, sizeof again);
}

/* The head page is there, and names w->end: recovery is not asked. */
static void check_take_over(struct world *w)
{
    struct wal_place again;
    world_new_process(w);
    must_read_to_end(w);
    must_take_over(w, false); /* who died did not say that it left it */
    must_append(w, 2, 700, false);
    must_append(w, 3, 6000, true);
    must_read_to_end(w);
    must_recover(w, &w->end, &again, NULL);
    ck_assert_mem_eq(&again, &w->end, sizeof again);
}

/* A reader that cannot know what was synced sees nothing that a power cut then takes. */
static void check_covered(struct world *w, uint64_t seed)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .covered_only = true };
    struct wal_place covered, end;
    holter_error err = { 0 };
    world_new_process(w);
    holter_status status = world_read(w, &spec, 0, &covered, NULL, &err);
    ck_assert_msg(status == HOLTER_DONE, "%s", err.message);
    sim_crash(w->sim, SIM_CRASH_RANDOM, seed);
    world_new_process(w);
    must_recover(w, NULL, &end, NULL);
    ck_assert_uint_ge(end.sequence, covered.sequence);
}

static const enum sim_event events[] = { SIM_POWER_CUT, SIM_KILL, SIM_POWER_CUT_TORN };

START_TEST(no_crash_loses_or_invents_a_frame)
{
    enum { VARIANTS = 6 };
    uint64_t calls = calls_of_work();
    ck_assert_uint_gt(calls, 50);
    for (uint64_t call = 0; call < calls; call++) {
        struct world stopped;
        run_to(&stopped, call, events[_i], 1000 * call);
        for (uint64_t variant = 0; variant < VARIANTS; variant++) {
            struct world w;
            world_fork(&w, &stopped, variant);
            enum sim_crash_mode mode =
                variant < 2 ? (enum sim_crash_mode)variant : SIM_CRASH_RANDOM;
            sim_crash(w.sim, mode, call * 7 + variant);
            check_recovery(&w);
            world_release(&w);
        }
        world_release(&stopped);
    }
}
END_TEST

START_TEST(a_killed_writer_is_followed)
{
    uint64_t calls = calls_of_work();
    for (uint64_t call = 0; call < calls; call++) {
        struct world stopped, w;
        run_to(&stopped, call, SIM_KILL, 77 * call);
        world_fork(&w, &stopped, 1);
        check_take_over(&w);
        sim_crash(w.sim, SIM_CRASH_RANDOM, call);
        check_recovery(&w);
        world_release(&w);
        world_fork(&w, &stopped, 2);
        check_covered(&w, call);
        world_release(&w);
        world_release(&stopped);
    }
}
END_TEST

static void follow(struct world *w, const struct wal_place *recovered)
{
    if (recovered == NULL && wal_take_over(w->wal, &w->end, false, NULL) != HOLTER_OK)
        return;
    (void)world_append(w, 1, 300, false, NULL);
    (void)world_append(w, 3, 7000, true, NULL);
}

/* Stop the successor too, at each of its calls: after a power cut (_i 0) or a takeover (_i 1). */
START_TEST(a_crash_of_the_successor_is_survived)
{
    uint64_t calls = calls_of_work();
    for (uint64_t call = _i; call < calls; call += 3) {
        struct world stopped;
        bool has_stopped = true;
        run_to(&stopped, call, _i == 0 ? events[call % 2 == 0 ? 0 : 2] : SIM_KILL, 31 * call);
        if (_i == 0)
            sim_crash(stopped.sim, SIM_CRASH_RANDOM, call);
        for (uint64_t second = 0; has_stopped; second++) {
            struct world w;
            struct wal_place end;
            world_fork(&w, &stopped, second);
            world_new_process(&w);
            if (_i == 0) {
                must_recover(&w, NULL, &end, NULL);
                world_adopt(&w, &end);
            }
            sim_stop_at(w.sim, sim_call_count(w.sim) + second, events[second % 3]);
            follow(&w, _i == 0 ? &end : NULL);
            has_stopped = sim_has_stopped(w.sim);
            sim_stop_at(w.sim, 0, SIM_NOTHING);
            sim_crash(w.sim, SIM_CRASH_RANDOM, second + call);
            check_recovery(&w);
            world_release(&w);
        }
        world_release(&stopped);
    }
}
END_TEST

/*
 * A group that was written, and not synced, when its writer died; no head page, and the same boot.
 */
START_TEST(what_recovery_found_is_durable_before_it_is_built_on)
{
    struct world before, w;
    struct buffer file;
    struct io_file *raw;
    struct io_queue *queue;
    struct wal_place end;
    world_init(&before, 6);
    must_append(&before, 1, 100, false);
    world_fork(&w, &before, 1);
    must_append(&before, 1, 100, false);
    buffer_init(&file);
    ck_assert_int_eq(sim_file_read(&file, before.sim, FILE_1), HOLTER_OK);
    w.tried[w.try_count++] = before.tried[1];
    w.tried[1].is_acknowledged = false;
    w.next_id = before.next_id;

    w.io = sim_process_new(w.sim);
    ck_assert_int_eq(io_open(&raw, w.io, FILE_1, IO_WRITABLE, NULL), HOLTER_OK);
    ck_assert_int_eq(io_queue_open(&queue, w.io, 1, NULL), HOLTER_OK);
    ck_assert_int_eq(io_write_exactly(queue, raw, 2 * WAL_PAGE_BYTES,
                                      file.data + 2 * WAL_PAGE_BYTES, WAL_PAGE_BYTES, NULL),
                     HOLTER_OK);
    io_queue_close(queue);
    io_close(raw);
    world_open_wal(&w);
    must_recover(&w, NULL, &end, NULL);
    ck_assert_uint_eq(end.sequence, 3);
    world_adopt(&w, &end);
    must_append(&w, 1, 100, false);
    sim_crash(w.sim, SIM_CRASH_DURABLE, 1);
    world_new_process(&w);
    must_recover(&w, &w.end, &end, NULL);
    buffer_release(&file);
    world_release(&w);
    world_release(&before);
}
END_TEST

START_TEST(linked_frames_count_only_with_the_last)
{
    struct wal_place before, end;
    bool is_torn;
    for (uint64_t nth = 1; nth < 4;
         nth++) { /* the n-th group of the part fails, those before it are on the disk */
        struct world w;
        world_init(&w, nth);
        must_append(&w, 2, 100, false);
        before = w.end;
        struct sim_fault fault = { .kind = SIM_WRITE, .nth = nth, .error = EIO };
        sim_fault_set(w.sim, &fault);
        ck_assert_int_eq(world_append(&w, 6, 9000, true, NULL), HOLTER_IO);
        sim_fault_clear(w.sim);
        sim_crash(w.sim, SIM_CRASH_ALL, 1);
        world_new_process(&w);
        must_recover(&w, NULL, &end, &is_torn);
        ck_assert_mem_eq(&end, &before, sizeof end);
        ck_assert(is_torn);
        world_release(&w);
    }
}
END_TEST

START_TEST(only_covered_frames_are_seen_by_who_cannot_know)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .covered_only = true };
    struct wal_place end, first;
    bool is_torn;
    struct world w;
    world_init(&w, 3);
    must_append(&w, 2, 100, false);
    first = w.end;
    must_append(&w, 2, 100, false);
    ck_assert_int_eq(world_read(&w, &spec, first.sequence, &end, &is_torn, NULL), HOLTER_DONE);
    ck_assert_mem_eq(&end, &first, sizeof end);
    ck_assert(is_torn);
    struct wal_place closed = w.end;
    spec.closed = &closed;
    ck_assert_int_eq(world_read(&w, &spec, UINT64_MAX, &end, NULL, NULL), HOLTER_DONE);
    ck_assert_mem_eq(&end, &w.end, sizeof end);
    spec.closed = NULL;
    must_mark(&w);
    ck_assert_int_eq(world_read(&w, &spec, UINT64_MAX, &end, &is_torn, NULL), HOLTER_DONE);
    ck_assert_mem_eq(&end, &w.end, sizeof end);
    ck_assert(!is_torn);
    must_append(&w, 1, 100, false);
    must_take_over(&w, false);
    must_append(&w, 1, 100, false); /* the new file's header covers the one before */
    ck_assert_int_eq(world_read(&w, &spec, 6, &end, NULL, NULL), HOLTER_DONE);
    ck_assert_uint_eq(end.sequence, 6);
    world_release(&w);
}
END_TEST

START_TEST(every_whole_frame_of_an_earlier_boot_is_seen)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .covered_only = true };
    struct wal_place end, written;
    struct world w;
    world_init(&w, 3);
    must_append(&w, 2, 100, false);
    must_append(&w, 2, 100, false);
    written = w.end;
    sim_crash(w.sim, SIM_CRASH_DURABLE, 1);
    world_new_process(&w);
    ck_assert_int_eq(world_read(&w, &spec, UINT64_MAX, &end, NULL, NULL), HOLTER_DONE);
    ck_assert_mem_eq(&end, &written, sizeof end);
    world_release(&w);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

/* Two files, closed cleanly, with groups of one and of several pages, a mark, and room left. */
static void make_log(struct world *w)
{
    world_init(w, 21);
    must_append(w, 1, 100, false);
    must_append(w, 2, 3000, true);
    must_append(w, 1, 100, false);
    must_take_over(w, false);
    must_append(w, 1, 60, false);
    must_append(w, 1, 5000, false);
    must_mark(w);
    ck_assert_uint_eq(w->end.file, 2);
}

/* Read all that there is, as recovery with a clean close does. *opened: all of it was right. */
static holter_status read_damaged(struct world *w, const struct wal_place *closed, bool *torn,
                                  holter_error *err)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .closed = closed };
    struct wal_place end;
    return world_read(w, &spec, closed != NULL ? UINT64_MAX : 0, &end, torn, err);
}

struct damage_count {
    size_t detected, harmless;
};

/*
 * Detected, or all frames are right; without the clean close: the log may be shorter only where it
 * ends.
 */
static void check_damage(struct world *w, struct damage_count *count)
{
    holter_error err = { 0 };
    size_t damaged = 0;
    wal_close(w->wal); /* nothing that was read before is known any more */
    world_open_wal(w);
    holter_status status = read_damaged(w, &w->end, NULL, &err);
    if (status == HOLTER_DONE) {
        count->harmless++;
        return;
    }
    ck_assert_msg(status == HOLTER_CORRUPT || status == HOLTER_UNSUPPORTED, "%s", err.message);
    ck_assert_msg(strstr(err.message, "found") != NULL, "%s", err.message);
    ck_assert_msg(strstr(err.message, "log") != NULL, "%s", err.message);
    count->detected++;
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .closed = &w->end };
    ck_assert_int_eq(wal_verify(w->wal, &spec, NULL, NULL, &damaged, NULL), HOLTER_OK);
    ck_assert_uint_gt(damaged, 0);
}

static bool page_is_zero(const struct buffer *file, size_t page)
{
    for (size_t i = page; i < page + WAL_PAGE_BYTES; i++) {
        if (file->data[i] != 0)
            return false;
    }
    return true;
}

/*
 * Every bit of pages with something in them, a bit of each page of zeros: first (0) or second (1)
 * file.
 */
START_TEST(every_flipped_bit_is_found_or_harmless)
{
    struct world w;
    struct buffer file;
    struct damage_count count = { 0, 0 };
    size_t groups_bits = 0;
    const char *path = _i == 0 ? FILE_1 : FILE_2;
    make_log(&w);
    buffer_init(&file);
    ck_assert_int_eq(sim_file_read(&file, w.sim, path), HOLTER_OK);
    for (size_t page = 0; page < file.bytes; page += WAL_PAGE_BYTES) {
        bool is_zero = page_is_zero(&file, page);
        size_t step = is_zero ? 8 * WAL_PAGE_BYTES : FLIP_STEP;
        for (size_t bit = 8 * page + (is_zero ? page / 7 % 4096 : 0);
             bit < 8 * (page + WAL_PAGE_BYTES); bit += step) {
            size_t detected = count.detected;
            ck_assert_int_eq(sim_file_flip(w.sim, path, bit), HOLTER_OK);
            check_damage(&w, &count);
            ck_assert_int_eq(sim_file_flip(w.sim, path, bit), HOLTER_OK);
            /* A copy of the header, and what lies beyond the end, may change; a group may not. */
            bool is_group = page > 0 && !is_zero;
            groups_bits += is_group;
            ck_assert_uint_eq(count.detected - detected, is_group ? 1 : 0);
        }
    }
    ck_assert_uint_gt(groups_bits, 100000 / FLIP_STEP);
    buffer_release(&file);
    world_release(&w);
}
END_TEST

/*
 * Without a clean close only the last group of the last file may go unnoticed, and it goes whole.
 */
START_TEST(rot_below_a_later_group_is_no_torn_tail)
{
    struct world w;
    holter_error err;
    world_init(&w, 4);
    for (int i = 0; i < 4; i++)
        must_append(&w, 1, 100, false); /* pages 1 .. 4 of file 1 */
    must_mark(&w);                      /* page 5 */
    for (uint64_t page = 1; page < 7; page++) {
        bool is_torn = false;
        err = (holter_error){ 0 };
        sim_file_flip(w.sim, FILE_1, 8 * (page * WAL_PAGE_BYTES + 90) + 3);
        holter_status status = read_damaged(&w, NULL, &is_torn, &err);
        sim_file_flip(w.sim, FILE_1, 8 * (page * WAL_PAGE_BYTES + 90) + 3);
        ck_assert_int_eq(status, page < 5 ? HOLTER_CORRUPT : HOLTER_DONE);
        ck_assert(page < 5 || is_torn);
        if (page < 5) {
            char offset[32];
            snprintf(offset, sizeof offset, "offset %lu ", (unsigned long)(page * WAL_PAGE_BYTES));
            ck_assert_msg(strstr(err.message, offset) != NULL, "%s", err.message);
            ck_assert_msg(strstr(err.message, "file 1") != NULL, "%s", err.message);
        }
    }
    world_release(&w);
}
END_TEST

START_TEST(a_damaged_mark_before_a_group_is_damage)
{
    struct world w;
    world_init(&w, 4);
    must_append(&w, 1, 100, false);
    must_mark(&w); /* page 2 */
    must_append(&w, 1, 100, false);
    sim_file_flip(w.sim, FILE_1, 8 * (2 * WAL_PAGE_BYTES + 20));
    ck_assert_int_eq(read_damaged(&w, NULL, NULL, NULL), HOLTER_CORRUPT);
    world_release(&w);
}
END_TEST

START_TEST(every_truncation_is_found)
{
    struct world w;
    struct buffer file;
    struct damage_count count = { 0, 0 };
    const char *path = _i == 0 ? FILE_1 : FILE_2;
    size_t tried = 0;
    make_log(&w);
    buffer_init(&file);
    ck_assert_int_eq(sim_file_read(&file, w.sim, path), HOLTER_OK);
    for (size_t bytes = 0; bytes < file.bytes;
         bytes += bytes % 512 == 511 ? 1 : 73 + bytes % 3, tried++) {
        ck_assert_int_eq(sim_file_write(w.sim, path, file.data, bytes), HOLTER_OK);
        check_damage(&w, &count);
    }
    ck_assert_uint_eq(count.detected, tried);
    buffer_append_zeros(&file, 1);
    ck_assert_int_eq(sim_file_write(w.sim, path, file.data, file.bytes), HOLTER_OK);
    check_damage(&w, &count);
    ck_assert_uint_eq(count.detected, tried + 1);
    buffer_release(&file);
    world_release(&w);
}
END_TEST

/* Older states of a file that the log had at some time: of the first (0), of the last (1). */
START_TEST(an_older_copy_is_found)
{
    struct world w;
    struct buffer copy[4];
    const char *path = _i == 0 ? FILE_1 : FILE_2;
    world_init(&w, 8);
    must_append(&w, 1, 100, false);
    if (_i == 1) {
        must_take_over(&w, false);
        must_append(&w, 1, 100, false);
    }
    for (size_t i = 0; i < 4; i++) {
        buffer_init(&copy[i]);
        ck_assert_int_eq(sim_file_read(&copy[i], w.sim, path), HOLTER_OK);
        if (i % 2 == 0)
            must_append(&w, 1, 100, false);
        else
            must_mark(&w);
    }
    if (_i == 0) {
        must_take_over(&w, false);
        must_append(&w, 1, 100, false);
    }
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(sim_file_write(w.sim, path, copy[i].data, copy[i].bytes), HOLTER_OK);
        struct damage_count count = { 0, 0 };
        check_damage(&w, &count);
        ck_assert_uint_eq(count.detected, 1);
        if (_i == 0) /* also without the clean close: the next file names its end */
            ck_assert_int_eq(read_damaged(&w, NULL, NULL, NULL), HOLTER_CORRUPT);
        buffer_release(&copy[i]);
    }
    world_release(&w);
}
END_TEST

START_TEST(a_missing_file_is_found)
{
    struct world w;
    make_log(&w);
    struct damage_count count = { 0, 0 };
    ck_assert_int_eq(io_unlink(w.io, _i == 0 ? FILE_1 : FILE_2, NULL), HOLTER_OK);
    check_damage(&w, &count);
    ck_assert_uint_eq(count.detected, 1);
    world_release(&w);
}
END_TEST

/* A file of another log in the place of one, under its name. */
START_TEST(a_stale_file_never_counts)
{
    struct world w, other;
    struct buffer file;
    struct damage_count count = { 0, 0 };
    const char *path = _i == 0 ? FILE_1 : FILE_2;
    make_log(&w);
    world_init(&other, 99);
    must_append(&other, 1, 100, false);
    must_append(&other, 2, 3000, true);
    must_append(&other, 1, 100, false);
    must_take_over(&other, false);
    must_append(&other, 3, 100, false);
    must_mark(&other);
    buffer_init(&file);
    ck_assert_int_eq(sim_file_read(&file, other.sim, path), HOLTER_OK);
    ck_assert_int_eq(sim_file_write(w.sim, path, file.data, file.bytes), HOLTER_OK);
    check_damage(&w, &count);
    ck_assert_uint_eq(count.detected, 1);
    buffer_release(&file);
    world_release(&other);
    world_release(&w);
}
END_TEST

/*
 * A group of this file at another offset, a group of another file behind the end: as if not there.
 */
START_TEST(a_stale_group_never_counts)
{
    struct world w;
    struct buffer one, two;
    holter_error err = { 0 };
    make_log(&w);
    buffer_init(&one);
    buffer_init(&two);
    ck_assert_int_eq(sim_file_read(&one, w.sim, FILE_1), HOLTER_OK);
    ck_assert_int_eq(sim_file_read(&two, w.sim, FILE_2), HOLTER_OK);
    const struct buffer *from = _i == 0 ? &one : &two;
    memcpy(two.data + w.end.offset + WAL_PAGE_BYTES, from->data + WAL_PAGE_BYTES, WAL_PAGE_BYTES);
    ck_assert_int_eq(sim_file_write(w.sim, FILE_2, two.data, two.bytes), HOLTER_OK);
    bool is_torn = false;
    holter_status status = read_damaged(&w, &w.end, &is_torn, &err);
    ck_assert_msg(status == HOLTER_DONE, "%s", err.message);
    ck_assert(is_torn);
    buffer_release(&one);
    buffer_release(&two);
    world_release(&w);
}
END_TEST

/* An unreadable sector is told, never taken for the end; one of the header, which is there twice, harms nothing. */
START_TEST(an_unreadable_sector_is_told)
{
    struct world w;
    make_log(&w);
    for (uint64_t sector = 0; sector < WORLD_FILE_BYTES / 512; sector++) {
        struct world copy;
        holter_error err = { 0 };
        size_t damaged = 0;
        world_fork(&copy, &w, sector);
        copy.io = sim_process_new(copy.sim);
        world_open_wal(&copy);
        sim_sector_bad(copy.sim, _i == 0 ? FILE_1 : FILE_2, sector);
        holter_status status = read_damaged(&copy, NULL, NULL, &err);
        bool is_void =
            _i == 0 && sector >= 5 * 8; /* file 1 ends after four groups of five pages in all */
        bool is_header = sector < WAL_PAGE_BYTES / 512;
        ck_assert_msg(status == (is_void || is_header ? HOLTER_DONE : HOLTER_IO), "sector %lu: %s",
                      (unsigned long)sector, err.message);
        struct wal_read_spec spec = { .from = { 0, 0, 1 } };
        ck_assert_int_eq(wal_verify(copy.wal, &spec, NULL, NULL, &damaged, NULL), HOLTER_OK);
        ck_assert((damaged > 0) == !is_void);
        world_release(&copy);
    }
    world_release(&w);
}
END_TEST

/* Every call of recovery fails once or for ever: an error, or all of the log. */
START_TEST(a_failing_recovery_is_never_shorter)
{
    static const int errnos[] = { EIO, ENOMEM, EACCES };
    struct world w;
    make_log(&w);
    for (size_t e = 0; e < CORE_COUNT(errnos); e++) {
        bool was_hit = true;
        for (uint64_t nth = 0; was_hit; nth++) {
            struct world copy;
            world_fork(&copy, &w, nth);
            copy.io = sim_process_new(copy.sim);
            world_open_wal(&copy);
            struct sim_fault fault = {
                .kind = SIM_ANY, .nth = nth, .error = errnos[e], .for_ever = _i == 1
            };
            sim_fault_set(copy.sim, &fault);
            struct wal_read_spec spec = { .from = { 0, 0, 1 } };
            struct wal_place end;
            holter_status status = world_read(&copy, &spec, UINT64_MAX, &end, NULL, NULL);
            was_hit = sim_fault_was_hit(copy.sim);
            sim_fault_clear(copy.sim);
            ck_assert(status == HOLTER_DONE || was_hit);
            must_recover(&copy, &copy.end, &end, NULL);
            world_release(&copy);
        }
    }
    world_release(&w);
}
END_TEST

/* Missing before the end that the head page names: damage, for tailing readers too. */
START_TEST(a_log_shorter_than_its_published_end_is_damage)
{
    struct world w;
    make_log(&w);
    struct wal_place from = { 0, 0, 1 };
    struct wal_place beyond[] = {
        { w.end.file, w.end.offset + WAL_PAGE_BYTES, w.end.sequence },
        { w.end.file, w.end.offset + WAL_PAGE_BYTES, w.end.sequence + 1 },
        { w.end.file, w.end.offset, w.end.sequence + 1 },
        { w.end.file, WORLD_FILE_BYTES + WAL_PAGE_BYTES, w.end.sequence + 1 },
        { w.end.file + 1, WAL_PAGE_BYTES, w.end.sequence },
        { w.end.file, w.end.offset - WAL_PAGE_BYTES / 2, w.end.sequence },
    };
    for (size_t i = 0; i < CORE_COUNT(beyond); i++) {
        struct wal_read_spec spec = { .from = from, .end = &beyond[i] };
        struct wal_place end;
        ck_assert_int_eq(world_read(&w, &spec, 0, &end, NULL, NULL), HOLTER_CORRUPT);
        spec = (struct wal_read_spec){ .from = from, .closed = &beyond[i] };
        if (i != 5)
            ck_assert_int_eq(world_read(&w, &spec, 0, &end, NULL, NULL), HOLTER_CORRUPT);
    }
    world_release(&w);
}
END_TEST

/* Without a file nothing lies between two places, so they tell one sequence. */
START_TEST(an_end_without_a_file_agrees_with_the_begin)
{
    struct world w;
    world_init(&w, 1);
    for (uint64_t sequence = 14; sequence <= 16; sequence++) {
        const struct wal_place no_file = { 0, 0, sequence };
        struct wal_read_spec spec = { .from = { 0, 4096, 15 }, .end = &no_file };
        struct wal_reader *reader = NULL;
        ck_assert_int_eq(wal_reader_open(&reader, w.wal, &spec, NULL),
                         sequence == 15 ? HOLTER_OK : HOLTER_CORRUPT);
        wal_reader_close(reader);
    }
    world_release(&w);
}
END_TEST

START_TEST(verify_finds_each_damaged_group)
{
    struct world w;
    size_t damaged = 99;
    struct wal_read_spec spec = { .from = { 0, 0, 1 } };
    make_log(&w);
    ck_assert_int_eq(wal_verify(w.wal, &spec, NULL, NULL, &damaged, NULL), HOLTER_OK);
    ck_assert_uint_eq(damaged, 0);
    sim_file_flip(w.sim, FILE_1, 8 * (1 * WAL_PAGE_BYTES + 100));
    sim_file_flip(w.sim, FILE_1, 8 * (4 * WAL_PAGE_BYTES + 100));
    sim_file_flip(w.sim, FILE_2, 8 * (1 * WAL_PAGE_BYTES + 100));
    sim_file_flip(w.sim, FILE_2, 8 * 30); /* a copy of the header */
    ck_assert_int_eq(wal_verify(w.wal, &spec, NULL, NULL, &damaged, NULL), HOLTER_OK);
    ck_assert_uint_eq(damaged, 4);
    world_release(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_recover");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 300);
    tcase_add_loop_test(all, no_crash_loses_or_invents_a_frame, 0, 3);
    tcase_add_test(all, a_killed_writer_is_followed);
    tcase_add_loop_test(all, a_crash_of_the_successor_is_survived, 0, 2);
    tcase_add_test(all, what_recovery_found_is_durable_before_it_is_built_on);
    tcase_add_test(all, linked_frames_count_only_with_the_last);
    tcase_add_test(all, only_covered_frames_are_seen_by_who_cannot_know);
    tcase_add_test(all, every_whole_frame_of_an_earlier_boot_is_seen);
    tcase_add_loop_test(all, every_flipped_bit_is_found_or_harmless, 0, 2);
    tcase_add_test(all, rot_below_a_later_group_is_no_torn_tail);
    tcase_add_test(all, a_damaged_mark_before_a_group_is_damage);
    tcase_add_loop_test(all, every_truncation_is_found, 0, 2);
    tcase_add_loop_test(all, an_older_copy_is_found, 0, 2);
    tcase_add_loop_test(all, a_missing_file_is_found, 0, 2);
    tcase_add_loop_test(all, a_stale_file_never_counts, 0, 2);
    tcase_add_loop_test(all, a_stale_group_never_counts, 0, 2);
    tcase_add_loop_test(all, an_unreadable_sector_is_told, 0, 2);
    tcase_add_loop_test(all, a_failing_recovery_is_never_shorter, 0, 2);
    tcase_add_test(all, a_log_shorter_than_its_published_end_is_damage);
    tcase_add_test(all, an_end_without_a_file_agrees_with_the_begin);
    tcase_add_test(all, verify_finds_each_damaged_group);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
