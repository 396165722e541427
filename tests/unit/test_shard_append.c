/*
 * test_shard_append.c -- commits of several handles to one shard: takeovers, failures, large parts,
 * recovery.
 *
 * Claim: what a commit answered is in every later snapshot of every handle and after any crash, and
 * what it answered as lost never is (D1, D4). Method: up to three handles in processes of their
 * own; every call of an append fails in turn, the power is cut, head pages vanish.
 */
#include "shard/shard_impl.h"
#include "shard_world.h"

#include <errno.h>

START_TEST(handles_take_turns_and_see_each_other)
{
    struct shard_stat stat;
    world_init(3, NULL);
    for (int64_t i = 0; i < 9; i++) {
        OK(put_row((size_t)i % 3, 5, i));
        for (size_t at = 0; at < 3; at++)
            check_log(at, 5, 0, (size_t)i + 1);
    }
    OK(shard_stat(&stat, world.shard[1], &err));
    ck_assert_uint_eq(stat.next_sequence, 10);
    ck_assert_uint_eq(stat.log_files, 1); /* who takes a clean tail over goes on in its file (W2) */
    ck_assert_uint_eq(stat.memtable_frames, 9);
    ck_assert(stat.head_is_valid);
    verify(2);
    world_release();
}
END_TEST

START_TEST(a_write_may_put_nothing_or_be_given_up)
{
    struct shard_write *write;
    struct shard_snapshot *snapshot;
    world_init(2, NULL);
    OK(put_row(0, 5, 0));
    OK(shard_write_begin(&write, world.shard[1], &err));
    OK(shard_write_snapshot(&snapshot, write, &err));
    ck_assert_uint_eq(shard_snapshot_end(snapshot), 2);
    ck_assert_ptr_eq(shard_snapshot_shard(snapshot), world.shard[1]);
    shard_snapshot_close(snapshot);
    shard_write_abort(write);
    OK(shard_write_begin(&write, world.shard[1], &err));
    OK(shard_write_put(write, NULL, 0, &err));
    size_t count = 9;
    (void)shard_write_ops(write, &count);
    ck_assert_uint_eq(count, 0);
    OK(shard_write_end(write, &err));
    shard_write_abort(NULL);
    OK(put_row(0, 5, 1));
    OK(put_row(1, 5, 2));
    check_log(0, 5, 0, 3);
    world_release();
}
END_TEST

START_TEST(one_writes_at_a_time_and_the_others_are_told_who)
{
    struct shard_write *write, *other;
    char holder[32];
    memset(&world, 0, sizeof world);
    world_init(0, NULL);
    world.lock_wait_ns = 300000000;
    world_open(0);
    world_open(1);
    OK(put_row(0, 5, 0));
    OK(shard_write_begin(&write, world.shard[1], &err));
    int64_t before = io_monotonic_ns(world.io[0]);
    snprintf(holder, sizeof holder, "process %llu",
             (unsigned long long)io_process_self(world.io[1]).pid);
    FAILS(shard_write_begin(&other, world.shard[0], &err), HOLTER_BUSY, holder);
    ck_assert_ptr_null(other);
    ck_assert_int_ge(io_monotonic_ns(world.io[0]) - before, 300000000);
    FAILS(shard_write_begin(&other, world.shard[1], &err), HOLTER_BUSY, "another thread");
    OK(shard_flush(NULL, world.shard[0], true, &err)); /* needs no append lock */
    shard_write_abort(write);
    OK(put_row(0, 5, 1));
    world_close(1);
    OK(world_open_as(1, false));
    FAILS(shard_write_begin(&other, world.shard[1], &err), HOLTER_INVALID, "reading only");
    FAILS(shard_flush(NULL, world.shard[1], true, &err), HOLTER_INVALID, "reading only");
    check_log(1, 5, 1, 1);
    world_release();
}
END_TEST

/* ---- left behind ----------------------------------------------------------------------------- */

struct told {
    size_t times;
    holter_status status;
};

static void was_written(void *context, holter_status status)
{
    struct told *told = context;
    told->times++;
    told->status = status;
}

/* A row of each of the users at `time`, left in line of handle 0. */
static void leave_rows(const uint64_t *users, size_t count, int64_t time, struct told *told)
{
    struct shard_write *write;
    struct wal_part rows = { .metric = 1, .source = 1 };
    struct shard_part parts[2];
    struct row row = { .time = time, .field = { 60 + time } };
    CHECK(count <= CORE_COUNT(parts));
    columns_init(&rows.columns, &world_schema);
    CHECK(columns_append(&rows.columns, &row));
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct shard_part){ .user = users[i], .parts = &rows, .part_count = 1 };
    OK(shard_write_new(&write, world.shard[0], &err));
    OK(shard_write_put(write, parts, count, &err));
    columns_release(&rows.columns); /* a write needs nothing of its caller's */
    shard_write_leave_behind(write, was_written, told);
}

START_TEST(what_is_left_behind_is_written_before_who_comes_later)
{
    static const uint64_t users[] = { 5, 6 };
    struct told told[2] = { { 0 } };
    struct shard_write *write;
    struct shard_end end;
    world_init(1, NULL);
    OK(put_row(0, 5, 0));
    ck_assert(shard_published_end(&end, world.shard[0]) && end.is_untouched);
    leave_rows(users, 1, 1, &told[0]);
    leave_rows(users, 2, 2, &told[1]);
    ck_assert(shard_write_is_left(world.shard[0]));
    check_log(0, 5, 0, 1);
    OK(shard_write_begin(&write, world.shard[0], &err));
    ck_assert(told[0].times == 1 && told[0].status == HOLTER_OK);
    ck_assert(told[1].times == 1 && told[1].status == HOLTER_OK);
    ck_assert(shard_published_end(&end, world.shard[0]) && !end.is_untouched); /* it writes next */
    shard_write_abort(write);
    ck_assert(shard_published_end(&end, world.shard[0]) && end.is_untouched);
    ck_assert(!shard_write_is_left(world.shard[0]));
    check_log(0, 5, 0, 3);
    check_log(0, 6, 2, 1);
    world_release();
}
END_TEST

START_TEST(what_is_left_behind_outlasts_a_key_that_cannot_be_had)
{
    static const uint64_t users[] = { 5, 6 };
    struct told told = { 0 };
    struct shard_write *write;
    world_init(1, NULL);
    OK(put_row(0, 5, 0));
    leave_rows(users, 2, 1, &told);
    world.has_no_slots = true;
    for (int i = 0; i < 2; i++) {
        FAILS(shard_write_begin(&write, world.shard[0], &err), HOLTER_NO_MEMORY, "no slot");
        FAILS(put_row(0, 5, 2), HOLTER_NO_MEMORY, "no slot");
    }
    ck_assert_uint_eq(told.times, 0);
    world.has_no_slots = false;
    OK(put_row(0, 5, 2));
    ck_assert(told.times == 1 && told.status == HOLTER_OK);
    check_log(0, 5, 0, 3);
    check_log(0, 6, 1, 1);
    world_release();
}
END_TEST

START_TEST(of_what_is_left_behind_an_erased_users_part_is_lost)
{
    static const uint64_t users[] = { 5, 6 };
    struct told told = { 0 };
    world_init(1, NULL);
    OK(put_row(0, 5, 0));
    leave_rows(users, 2, 1, &told);
    world.erased = 6;
    OK(put_row(0, 5, 2));
    ck_assert(told.times == 1 && told.status == HOLTER_EXPIRED);
    world.erased = 0;
    check_log(0, 5, 0, 3);
    check_log(0, 6, 0, 0);
    world_release();
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

static const struct failure {
    enum sim_call_kind kind;
    int error;
    holter_status status;
} failures[] = {
    { SIM_WRITE, EIO, HOLTER_IO },          { SIM_WRITE, ENOSPC, HOLTER_NO_SPACE },
    { SIM_SYNC, EIO, HOLTER_IO },           { SIM_WRITE, 0, HOLTER_NO_SPACE } /* short */,
    { SIM_OPEN, EMFILE, HOLTER_NO_MEMORY }, { SIM_RENAME, EIO, HOLTER_IO },
    { SIM_SYNC_DIR, EIO, HOLTER_IO },       { SIM_READ, EIO, HOLTER_IO },
    { SIM_LOCK, EIO, HOLTER_IO },
};

/*
 * Each call of that kind fails in turn while one handle appends; then both go on. What was
 * acknowledged, and only that, is seen by both, and after the power went.
 */
START_TEST(both_handles_go_on_after_a_failed_append)
{
    const struct failure *failure = &failures[_i / 2];
    bool for_ever = _i % 2 == 1;
    bool was_hit = true;
    size_t failed = 0;
    for (uint64_t nth = 0; was_hit && nth < 12; nth++) {
        int64_t next = 0;
        world_init(2, NULL);
        for (int64_t i = 0; i < 14; i++)
            OK(put_row((size_t)(i / 3) % 2, 5, next++));
        struct sim_fault fault = { .kind = failure->kind,
                                   .nth = nth,
                                   .error = failure->error,
                                   .for_ever = for_ever,
                                   .short_transfer = failure->error == 0 };
        sim_fault_set(world.sim, &fault);
        for (int i = 0; i < 4 && !sim_fault_was_hit(world.sim); i++) {
            holter_status status = put(1, 5, next, 3, NULL, 0);
            if (status == HOLTER_OK) {
                next += 3;
            } else {
                CHECK(sim_fault_was_hit(world.sim));
                CHECK(status == failure->status || (failure->error == 0 && status == HOLTER_IO));
                failed++;
            }
        }
        was_hit = sim_fault_was_hit(world.sim);
        sim_fault_clear(world.sim);
        check_log(0, 5, 0, (size_t)next);
        check_log(1, 5, 0, (size_t)next);
        for (size_t i = 0; i < 4; i++) {
            OK(put_row((i + nth) % 2, 5, next++));
            check_log(i % 2, 5, 0, (size_t)next);
        }
        verify(0);
        world_crash(nth % 2 == 0 ? SIM_CRASH_DURABLE : SIM_CRASH_ALL, nth);
        world_open(0);
        check_log(0, 5, 0, (size_t)next);
        OK(put_row(0, 5, next++));
        check_log(0, 5, 0, (size_t)next);
        verify(0);
        world_release();
    }
    /* A tail that cannot be looked at is not appended to, but left for a new file: no failure. */
    ck_assert(failed > 0 || failure->kind == SIM_READ);
}
END_TEST

/* ---- large parts ----------------------------------------------------------------------------- */

enum { LARGE_ROWS = 200000 };

START_TEST(a_large_part_is_linked_frames_and_stands_as_one)
{
    struct wal_tombstone deletions[] = {
        { .metric = 1, .source = 1, .begin = 0, .end = 10 },
        { .metric = 0, .source = 0, .begin = 5, .end = 6, .revision = 3 },
    };
    struct shard_stat stat;
    struct memtable_rows rows;
    struct shard_snapshot *snapshot;
    world_init(0, NULL);
    world.log_file_bytes = _i == 0 ? 4 << 20 : WAL_FILE_BYTES_MIN;
    world_open(0);
    world_open(1);
    OK(put(0, 5, 0, 10, NULL, 0));
    OK(put(0, 5, 0, LARGE_ROWS, deletions, 2));
    OK(shard_stat(&stat, world.shard[0], &err));
    ck_assert_uint_gt(stat.memtable_frames, (_i == 0 ? 2 : 20));
    for (size_t at = 0; at < 2; at++) {
        OK(shard_snapshot_open(&snapshot, world.shard[at], &err));
        OK(shard_snapshot_rows(&rows, snapshot, 5, &everything, &err));
        ck_assert_uint_eq(rows.tombstones.count, 2);
        ck_assert_uint_eq(rows.tombstones.at[0].sequence, 2); /* of the part's first frame */
        ck_assert_uint_eq(rows.tombstones.at[1].sequence, 2);
        ck_assert_uint_eq(rows.series_count, 1);
        struct columns columns;
        columns_init(&columns, &rows.series[0].schema);
        OK(series_rows(&columns, &rows.series[0], INT64_MIN, NULL, &err));
        ck_assert_uint_eq(columns.count, LARGE_ROWS + 10);
        for (size_t i = 0; i < columns.count; i++) {
            CHECK(columns.sequence[i] != 2 || columns.time[i] < LARGE_ROWS);
            CHECK(i % 2 == 0 || i > 19 || columns.sequence[i] == 2); /* the part's after the old */
        }
        columns_release(&columns);
        memtable_rows_release(&rows);
        shard_snapshot_close(snapshot);
    }
    OK(shard_flush(NULL, world.shard[1], true, &err));
    struct found found = find_now(0, 5);
    ck_assert_uint_eq(found.in_log, 0);
    /*
     * The old rows went, and the new one at 5, whose revision is below its part's second
     * deletion's.
     */
    ck_assert_uint_eq(found.in_files, LARGE_ROWS - 1);
    verify(0);
    world_release();
}
END_TEST

static uint64_t calls_of_a_large_append(void)
{
    world_init(1, NULL);
    OK(put_row(0, 5, -1));
    uint64_t before = sim_call_count(world.sim);
    OK(put(0, 5, 0, 3000, NULL, 0));
    uint64_t calls = sim_call_count(world.sim) - before;
    world_release();
    return calls;
}

/*
 * The power is cut at many points of a large append: after it all of the part is there, or nothing.
 */
START_TEST(a_large_part_is_whole_or_not_at_all)
{
    enum { STEPS = 60 };
    size_t whole = 0, lost = 0;
    uint64_t calls = calls_of_a_large_append();
    for (uint64_t step = 0; step < STEPS; step++) {
        world_init(1, NULL);
        OK(put_row(0, 5, -1));
        uint64_t stop = sim_call_count(world.sim) + step * calls / STEPS + (uint64_t)_i;
        sim_stop_at(world.sim, stop, _i % 2 == 0 ? SIM_POWER_CUT : SIM_POWER_CUT_TORN);
        holter_status status = put(0, 5, 0, 3000, NULL, 0);
        sim_stop_at(world.sim, UINT64_MAX, SIM_NOTHING);
        world_crash(SIM_CRASH_RANDOM, step);
        world_open(0);
        struct found found = find_now(0, 5);
        CHECK(found.in_log == 1 || found.in_log == 3001);
        CHECK(status != HOLTER_OK || found.in_log == 3001);
        whole += found.in_log == 3001;
        lost += found.in_log == 1;
        OK(put_row(0, 5, -2));
        ck_assert_uint_eq(find_now(0, 5).in_log, found.in_log + 1);
        verify(0);
        world_release();
    }
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_gt(whole, 0);
}
END_TEST

START_TEST(many_deletions_in_a_small_log_are_stored_or_refused_whole)
{
    enum { MANY = 2048 };
    static struct wal_tombstone deletions[MANY];
    world_init(2, NULL);
    for (int64_t i = 0; i < MANY; i++)
        deletions[i] = (struct wal_tombstone){
            .metric = 1, .source = 1, .begin = i * 1000000007, .end = i * 1000000007 + 1 + i
        };
    OK(put(0, 5, 0, 1, NULL, 0));
    /* Rows that do not fit beside the deletions go into a linked frame. */
    OK(put(0, 5, 1, 500, deletions, 400));
    struct found found = find_now(1, 5);
    ck_assert_uint_eq(found.in_log, 501);
    ck_assert_uint_eq(found.deletions, 400);
    FAILS(put(0, 5, 1000, 1, deletions, MANY), HOLTER_INVALID, "2048 deletions");
    check_log(0, 5, 0, 501);
    OK(put(1, 5, 501, 1, NULL, 0));
    OK(put(0, 5, 502, 1, NULL, 0));
    check_log(1, 5, 0, 503);
    compact(1);
    verify(0);
    world_release();
}
END_TEST

/* Every byte that is not zero is what it was. */
static bool is_kept(const struct buffer *before, const struct buffer *after)
{
    for (size_t i = 0; i < before->bytes; i++) {
        if (before->data[i] != 0 && (i >= after->bytes || after->data[i] != before->data[i]))
            return false;
    }
    return true;
}

/* At each call of an append (W2); what it left may arrive as a whole, in part, or not at all. */
START_TEST(nobody_writes_over_what_a_killed_writer_left)
{
    const char *path = SHARD "/log-0000000000000001";
    bool has_stopped = true;
    size_t left = 0;
    for (uint64_t step = 0; has_stopped; step++) {
        struct buffer first, killed, after;
        struct sim_options options = { .seed = step };
        buffer_init(&first);
        buffer_init(&killed);
        buffer_init(&after);
        world_init(2, &options);
        OK(put_row(0, 5, 0));
        OK(put_row(1, 5, 1));
        OK(sim_file_read(&first, world.sim, path));
        sim_stop_at(world.sim, sim_call_count(world.sim) + step, SIM_KILL);
        (void)put(0, 5, 10, 400, NULL, 0); /* who is dead answers nothing */
        has_stopped = sim_has_stopped(world.sim);
        sim_stop_at(world.sim, UINT64_MAX, SIM_NOTHING);
        if (has_stopped)
            world_kill(0);
        OK(sim_file_read(&killed, world.sim, path));
        left += has_stopped && memcmp(first.data, killed.data, killed.bytes) != 0;
        OK(put_row(1, 5, 2));
        OK(sim_file_read(&after, world.sim, path));
        CHECK(is_kept(&killed, &after));
        size_t rows = find_now(1, 5).in_log;
        CHECK(rows == 403 || (has_stopped && rows == 3));
        verify(1);
        buffer_release(&first);
        buffer_release(&killed);
        buffer_release(&after);
        world_release();
    }
    ck_assert_uint_gt(left, 0);
}
END_TEST

/* ---- recovery -------------------------------------------------------------------------------- */

static void remove_head(void)
{
    struct io *io = sim_process_new(world.sim);
    OK(io_unlink(io, SHARD "/head", &err));
    io_free(io);
}

/* closed cleanly, or killed, or the power gone: and the head page, too */
START_TEST(recovery_finds_all_that_was_acknowledged)
{
    world_init(2, NULL);
    for (int64_t i = 0; i < 20; i++)
        OK(put_row((size_t)i % 2, 5, i));
    OK(shard_flush(NULL, world.shard[0], true, &err));
    for (int64_t i = 20; i < 50; i++)
        OK(put_row((size_t)(i / 7) % 2, 5, i));
    if (_i == 0) {
        world_end(1);
        world_end(0);
    } else if (_i == 1) {
        world_kill(0);
        world_kill(1);
    } else {
        world_crash(_i == 2 ? SIM_CRASH_DURABLE : SIM_CRASH_RANDOM, 9);
    }
    if (_i < 2)
        remove_head();
    world_open(2);
    check_log(2, 5, 20, 30);
    ck_assert_uint_eq(find_now(2, 5).in_files, 20);
    world_open(0);
    OK(put_row(0, 5, 50));
    OK(put_row(2, 5, 51));
    check_log(0, 5, 20, 32);
    verify(2);
    world_release();
}
END_TEST

/*
 * An old page of this boot; the log file that it names is there, or its rows are in files long since, or
 * one group followed it.
 */
START_TEST(a_head_page_that_was_put_back_costs_no_row)
{
    struct buffer old;
    world_init(1, NULL);
    OK(put_row(0, 5, 0));
    OK(shard_flush(NULL, world.shard[0], true, &err));
    buffer_init(&old);
    OK(sim_file_read(&old, world.sim, SHARD "/head"));
    int64_t rows = 1;
    for (;
         _i != 1 ? rows < (_i == 0 ? 5 : 2) : world_file_count(SHARD "/log-0000000000000003") == 0;
         rows++)
        OK(put_row(0, 5, rows));
    if (_i == 1) {
        OK(shard_flush(NULL, world.shard[0], true, &err));
        compact(0);
        ck_assert_uint_eq(world_file_count(SHARD "/log-0000000000000001"), 0);
    }
    world_end(0);
    OK(sim_file_write(world.sim, SHARD "/head", old.data, old.bytes));
    buffer_release(&old);
    OK(world_open_as(1, false));
    struct found found = find_now(1, 5);
    ck_assert_uint_eq(found.in_files + found.in_log, (uint64_t)rows);
    world_end(1);
    world_open(0);
    found = find_now(0, 5);
    ck_assert_uint_eq(found.in_files + found.in_log, (uint64_t)rows);
    OK(put_row(0, 5, rows));
    verify(0);
    world_release();
}
END_TEST

/*
 * A reader that cannot know what was synced goes by watermarks; once the boot is over by every
 * whole frame.
 */
START_TEST(a_reader_without_a_head_page_shows_what_is_surely_durable)
{
    world_init(1, NULL);
    for (int64_t i = 0; i < 4; i++)
        OK(put_row(0, 5, i));
    world_kill(0);
    remove_head();
    OK(world_open_as(1, false));
    check_log(1, 5, 0, 3);
    world_end(1);
    ck_assert_uint_eq(world_file_count(SHARD "/head"), 0); /* it wrote nothing */
    world_crash(SIM_CRASH_DURABLE, 1);
    OK(world_open_as(1, false));
    check_log(1, 5, 0, 4);
    world_open(0);
    OK(put_row(0, 5, 4));
    world_end(0); /* a mark covers it */
    check_log(1, 5, 0, 5);
    verify(1);
    world_release();
}
END_TEST

/* ---- the end that closing notes -------------------------------------------------------------- */

static const char log_path[] = SHARD "/log-0000000000000001";

/* with the head page or without; the file cut, or its last group zeroed, or gone */
START_TEST(a_log_cut_after_a_clean_close_is_damage)
{
    struct buffer bytes;
    struct shard_snapshot *snapshot;
    bool has_head = _i % 2 == 0;
    buffer_init(&bytes);
    world_init(1, NULL);
    for (int64_t i = 0; i < 4; i++)
        OK(put_row(0, 5, i));
    world_end(0);
    OK(sim_file_read(&bytes, world.sim, log_path));
    if (_i / 2 == 0)
        bytes.bytes = 2 * 4096;
    else if (_i / 2 == 1)
        memset(bytes.data + 4 * 4096, 0, bytes.bytes - 4 * 4096);
    OK(sim_file_write(world.sim, log_path, bytes.data, bytes.bytes));
    buffer_release(&bytes);
    if (_i / 2 == 2) {
        struct io *io = sim_process_new(world.sim);
        OK(io_unlink(io, log_path, &err));
        io_free(io);
    }
    if (!has_head)
        remove_head();
    for (int is_writable = 0; is_writable < 2; is_writable++) {
        err = (holter_error){ 0 };
        holter_status status = world_open_as(0, is_writable);
        if (status == HOLTER_OK)
            status = shard_snapshot_open(&snapshot, world.shard[0], &err);
        ck_assert_msg(status == HOLTER_CORRUPT, "%s: %s", holter_status_name(status), err.message);
        ck_assert_ptr_nonnull(strstr(err.message, SHARD));
        world_end(0);
    }
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_append");
    TCase *tcase = tcase_create("append");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, handles_take_turns_and_see_each_other);
    tcase_add_test(tcase, a_write_may_put_nothing_or_be_given_up);
    tcase_add_test(tcase, what_is_left_behind_is_written_before_who_comes_later);
    tcase_add_test(tcase, what_is_left_behind_outlasts_a_key_that_cannot_be_had);
    tcase_add_test(tcase, of_what_is_left_behind_an_erased_users_part_is_lost);
    tcase_add_test(tcase, one_writes_at_a_time_and_the_others_are_told_who);
    tcase_add_loop_test(tcase, both_handles_go_on_after_a_failed_append, 0,
                        2 * (int)CORE_COUNT(failures));
    tcase_add_loop_test(tcase, a_large_part_is_linked_frames_and_stands_as_one, 0, 2);
    tcase_add_loop_test(tcase, a_large_part_is_whole_or_not_at_all, 0, 3);
    tcase_add_test(tcase, nobody_writes_over_what_a_killed_writer_left);
    tcase_add_test(tcase, many_deletions_in_a_small_log_are_stored_or_refused_whole);
    tcase_add_loop_test(tcase, recovery_finds_all_that_was_acknowledged, 0, 4);
    tcase_add_loop_test(tcase, a_head_page_that_was_put_back_costs_no_row, 0, 3);
    tcase_add_test(tcase, a_reader_without_a_head_page_shows_what_is_surely_durable);
    tcase_add_loop_test(tcase, a_log_cut_after_a_clean_close_is_damage, 0, 6);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
