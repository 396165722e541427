/*
 * test_shard_upkeep.c -- flush, compaction, sweeping and snapshots of several handles at once.
 *
 * Claim: a snapshot never changes and its files stay until it is closed; nobody waits for a flush
 * but another flush; what is acknowledged while others flush and compact is never missed by a
 * reader (D2, D3, D5). Method: handles in processes of their own, as fibers that hand over at every
 * call, under several seeds.
 */
#include "shard/shard_impl.h"
#include "shard_world.h"

#include <errno.h>

/* ---- pins ------------------------------------------------------------------------------------ */

START_TEST(a_snapshot_keeps_the_files_that_it_may_need)
{
    struct shard_snapshot *snapshot;
    struct found found;
    world_init(2, NULL);
    for (int64_t i = 0; i < 40; i++)
        OK(put_row(0, 5, i));
    OK(shard_flush(NULL, world.shard[0], true, &err));
    for (int64_t i = 40; i < 60; i++)
        OK(put_row(0, 5, i));
    /* This handle knows the frames by their places in the log only. */
    OK(shard_snapshot_open(&snapshot, world.shard[1], &err));
    size_t logs = world_file_count(SHARD "/log-");
    size_t segments = world_file_count(SHARD "/seg");
    for (int64_t i = 60; i < 100; i++)
        OK(put_row(0, 5, i));
    compact(0);
    for (int64_t i = 100; i < 110; i++)
        OK(put_row(0, 5, i));
    compact(0);
    ck_assert_uint_ge(world_file_count(SHARD "/log-"), logs);
    ck_assert_uint_gt(world_file_count(SHARD "/seg"), segments);
    for (int twice = 0; twice < 2; twice++) {
        OK(find(&found, snapshot, 5));
        ck_assert_uint_eq(found.in_log, 20);
        ck_assert_int_eq(found.first, 40);
        ck_assert_uint_eq(found.in_files, 40);
        struct segment *segment;
        OK(shard_segment(&segment, snapshot, &shard_snapshot_version(snapshot)->files[0], &err));
        shard_segment_release(snapshot, segment);
    }
    shard_segment_release(snapshot, NULL);
    shard_snapshot_close(snapshot);
    shard_snapshot_close(NULL);
    compact(0);
    ck_assert_uint_eq(world_file_count(SHARD "/log-"), 1);
    ck_assert_uint_eq(world_file_count(SHARD "/seg"), 1);
    ck_assert_uint_eq(find_now(1, 5).in_files, 110);
    verify(1);
    world_release();
}
END_TEST

START_TEST(a_dead_handles_pins_hold_nothing)
{
    struct shard_snapshot *snapshot;
    struct shard_stat stat;
    world_init(2, NULL);
    OK(put_row(0, 5, 0));
    compact(0);
    OK(shard_snapshot_open(&snapshot, world.shard[1], &err));
    OK(put_row(0, 5, 1));
    compact(0);
    ck_assert_uint_eq(world_file_count(SHARD "/seg"),
                      3); /* hot and warm ones of before, and the new */
    OK(shard_stat(&stat, world.shard[1], &err));
    ck_assert_uint_eq(stat.pins, 1);
    sim_process_kill(world.io[1]);
    compact(0);
    ck_assert_uint_eq(world_file_count(SHARD "/seg"), 1);
    shard_snapshot_close(snapshot);
    world_release();
}
END_TEST

/* The log of the first shard, as zeros. */
static void wipe_log(void)
{
    struct buffer file;
    const char *path = SHARD "/log-0000000000000001";
    buffer_init(&file);
    OK(sim_file_read(&file, world.sim, path));
    memset(file.data, 0, file.bytes);
    OK(sim_file_write(world.sim, path, file.data, file.bytes));
    buffer_release(&file);
}

START_TEST(tailed_frames_are_not_read_again)
{
    world_init(0, NULL);
    world_open(0);
    world_open(1);
    for (int64_t i = 0; i < 20; i++)
        OK(put_row(0, 5, i));
    check_log(1, 6, 0, 0);
    wipe_log();
    check_log(1, 5, 0, 20);
    check_log(1, 5, 0, 20);
    world_release();
}
END_TEST

/* A frame of another handle, once opened, is not opened again, as far as memory goes. */
START_TEST(opened_frames_stay_as_far_as_memory_goes)
{
    enum { MEMORY = 4000 };
    struct shard_stat stat;
    uint64_t before;
    world_init(0, NULL);
    world_open(0);
    world.memory_bytes_flush = _i == 0 ? 0 : MEMORY;
    world_open(1);
    for (int64_t i = 0; i < 20; i++)
        OK(put_row(0, 5, i));
    check_log(1, 6, 0, 0);
    OK(shard_stat(&stat, world.shard[1], &err));
    before = stat.memtable_bytes;
    check_log(1, 5, 0, 20);
    OK(shard_stat(&stat, world.shard[1], &err));
    ck_assert(shard_flush_due(world.shard[1]) == (_i == 0 ? SHARD_FLUSH_NOT_DUE : SHARD_FLUSH_DUE));
    struct shard_stat of_writer;
    OK(shard_stat(&of_writer, world.shard[0], &err));
    if (_i == 0) { /* as much as where they were committed */
        ck_assert_uint_gt(stat.memtable_bytes, before);
        ck_assert_uint_eq(stat.memtable_bytes, of_writer.memtable_bytes);
    } else {
        ck_assert_uint_lt(stat.memtable_bytes, of_writer.memtable_bytes);
    }
    check_log(1, 5, 0, 20);
    OK(put_row(0, 5, 20));
    check_log(1, 5, 0, 21);
    OK(shard_flush(NULL, world.shard[0], true, &err));
    check_log(1, 5, 0, 0);
    OK(shard_stat(&stat, world.shard[1], &err));
    ck_assert_uint_eq(stat.memtable_bytes, 0);
    world_release();
}
END_TEST

/* Who only commits has it from the head page. */
START_TEST(what_others_flush_leaves_the_memory_of_who_commits)
{
    enum { MEMORY = 4000 };
    world_init(0, NULL);
    world.memory_bytes_flush = MEMORY;
    world_open(0);
    world_open(1);
    for (int64_t i = 0; i < 60; i++)
        OK(put_row(0, 5, i));
    ck_assert_uint_gt(memtable_bytes(world.shard[0]->memtable), MEMORY);
    OK(shard_flush(NULL, world.shard[1], true, &err));
    OK(put_row(0, 5, 60));
    ck_assert_uint_lt(memtable_bytes(world.shard[0]->memtable), 1000);
    check_log(0, 5, 60, 1);
    verify(0);
    world_release();
}
END_TEST

/* What others appended counts as memory, as a flush would read it; what they flushed does not. */
START_TEST(a_flush_is_due_for_what_others_appended)
{
    enum { MEMORY = 60000 };
    world_init(0, NULL);
    world.memory_bytes_flush = MEMORY;
    world_open(0);
    world_open(1);
    OK(put_row(0, 5, 0));
    for (int64_t i = 1; i <= 10; i++)
        OK(put_row(1, 5, i)); /* a page each */
    ck_assert(shard_flush_due(world.shard[0]) == SHARD_FLUSH_NOT_DUE);
    for (int64_t i = 11; i <= 20; i++)
        OK(put_row(1, 5, i));
    ck_assert(shard_flush_due(world.shard[0]) == SHARD_FLUSH_DUE);
    OK(shard_flush(NULL, world.shard[1], true, &err));
    ck_assert(shard_flush_due(world.shard[0]) == SHARD_FLUSH_NOT_DUE);
    world_release();
}
END_TEST

START_TEST(a_log_rests_only_where_nobody_appended_meanwhile)
{
    struct wal_place place;
    world_init(2, NULL);
    for (int64_t i = 0; i < 3; i++)
        OK(put_row(0, 5, i));
    ck_assert(!shard_rest_log(&place, world.shard[1], 3)); /* the fourth frame would be 4 */
    OK(put_row(0, 5, 3));
    ck_assert_uint_eq(world_file_count(SHARD "/log-"), 1);
    ck_assert(shard_rest_log(&place, world.shard[1], 5));
    ck_assert_uint_eq(place.file, 2);
    ck_assert(!shard_rest_log(&place, world.shard[1], 5)); /* it rests */
    OK(put_row(0, 5, 4));
    check_log(0, 5, 0, 5);
    verify(1);
    world_release();
}
END_TEST

/* Nanoseconds that a job slept after it worked for `ns` more. */
static int64_t rest_after(int64_t ns)
{
    sim_clock_advance(world.sim, ns);
    int64_t begin_ns = io_monotonic_ns(world.io[0]);
    shard_give_way(world.shard[0]);
    return io_monotonic_ns(world.io[0]) - begin_ns;
}

START_TEST(a_job_rests_now_and_then_while_others_commit)
{
    enum { REST_NS = 50000, WORK_NS = 1000000, CALM_NS = 30000000 };
    static const uint8_t store_id[16] = { 9 };
    world_init(1, NULL);
    struct head *statistics;
    OK(head_open(&statistics, world.io[0], "head", store_id, 0, true, &err));
    ck_assert_int_lt(rest_after(WORK_NS), REST_NS); /* nothing is counted */
    world.shard[0]->spec.statistics = statistics;
    ck_assert_int_lt(rest_after(WORK_NS), REST_NS);
    head_count(statistics, HEAD_COMMITS, 1);
    ck_assert_int_ge(rest_after(WORK_NS), REST_NS);
    ck_assert_int_lt(rest_after(0), REST_NS);       /* it has only begun again */
    ck_assert_int_ge(rest_after(WORK_NS), REST_NS); /* the next one may be under way */
    ck_assert_int_lt(rest_after(CALM_NS), REST_NS);
    ck_assert_int_lt(rest_after(WORK_NS), REST_NS);
    head_count(statistics, HEAD_COMMITS, 2);
    ck_assert_int_ge(rest_after(WORK_NS), REST_NS);
    world.shard[0]->job_work.is_urgent = true;
    ck_assert_int_lt(rest_after(WORK_NS), REST_NS);
    world.shard[0]->spec.statistics = NULL;
    head_close(statistics);
    world_release();
}
END_TEST

/* From twice the limit on nothing is kept decoded, and all is there, also of what comes then. */
START_TEST(memory_of_rows_that_nobody_flushes_is_bounded)
{
    enum { COMMITS = 200, ROWS = 50, LIMIT = 20000, FRAME_BYTES = 160 };
    struct shard_stat stat;
    world_init(0, NULL);
    world.memory_bytes_flush = LIMIT;
    world.prefix_bytes_min = 1 << 20; /* all at once */
    world_open(0);
    for (int64_t i = 0; i < COMMITS; i++) {
        OK(put(0, 5, i * ROWS, ROWS, NULL, 0));
        OK(shard_stat(&stat, world.shard[0], &err));
        ck_assert_uint_lt(stat.memtable_bytes, 2 * LIMIT + COMMITS * FRAME_BYTES + 4000);
    }
    ck_assert(shard_flush_due(world.shard[0]) == SHARD_FLUSH_OVERDUE);
    ck_assert_uint_eq(stat.memtable_frames, COMMITS);
    check_log(0, 5, 0, COMMITS * ROWS);
    OK(shard_flush(NULL, world.shard[0], true, &err));
    ck_assert(world.shard[0]->job_work.is_urgent); /* commits would have waited for it */
    ck_assert_uint_eq(find_now(0, 5).in_files, COMMITS * ROWS);
    OK(put_row(0, 5, COMMITS * ROWS));
    check_log(0, 5, COMMITS * ROWS, 1);
    OK(shard_flush(NULL, world.shard[0], true, &err));
    ck_assert(!world.shard[0]->job_work.is_urgent);
    world_release();
}
END_TEST

START_TEST(a_flush_covers_what_was_durable_and_leaves_the_rest)
{
    struct shard_snapshot *snapshot;
    uint64_t rows = 99;
    world_init(2, NULL);
    OK(shard_flush(&rows, world.shard[0], true, &err));
    ck_assert_uint_eq(rows, 0);
    for (int64_t i = 0; i < 10; i++)
        OK(put_row((size_t)i % 2, 5 + (uint64_t)i % 3, i));
    OK(shard_snapshot_open(&snapshot, world.shard[0], &err));
    OK(shard_flush(&rows, world.shard[1], true, &err));
    ck_assert_uint_eq(rows, 10);
    OK(shard_flush(&rows, world.shard[0], true, &err));
    ck_assert_uint_eq(rows, 0);
    struct found found;
    OK(find(&found, snapshot, 5));
    ck_assert_uint_eq(found.in_log, 4);
    ck_assert_uint_eq(found.in_files, 0);
    shard_snapshot_close(snapshot);
    OK(put_row(0, 5, 50));
    for (size_t at = 0; at < 2; at++) {
        check_log(at, 5, 50, 1);
        ck_assert_uint_eq(find_now(at, 5).in_files, 10);
    }
    world_release();
}
END_TEST

static uint64_t log_bytes(void)
{
    struct io_names files;
    uint64_t bytes = 0;
    OK(sim_files(&files, world.sim));
    for (size_t i = 0; i < files.count; i++) {
        struct io_stat stat;
        if (strncmp(files.name[i], SHARD "/log-", strlen(SHARD "/log-")) == 0) {
            OK(io_stat(&stat, world.io[0], files.name[i], &err));
            bytes += stat.bytes;
        }
    }
    io_names_release(&files);
    return bytes;
}

/* A part of linked frames, of some 16 KB each, lies among small ones; whoever flushes has memory for a few. */
START_TEST(a_log_larger_than_memory_is_flushed_by_prefixes)
{
    enum { SMALL = 100, LARGE = 60000, LIMIT = 60000 };
    uint64_t rows;
    world_init(0, NULL);
    world_open(0);
    for (int64_t i = 0; i < SMALL; i++)
        OK(put_row(0, 5 + (uint64_t)i % 2, i));
    OK(put(0, 5, SMALL, LARGE, NULL, 0));
    for (int64_t i = 0; i < SMALL; i++)
        OK(put_row(0, 5 + (uint64_t)i % 2, SMALL + LARGE + i));
    ck_assert(memtable_frame_count(world.shard[0]->memtable) > 2 * SMALL + 5);
    world.memory_bytes_flush = LIMIT;
    world_open(1);
    struct shard_snapshot *snapshot;
    OK(shard_snapshot_open(&snapshot, world.shard[1], &err));
    ck_assert(!memtable_is_whole(world.shard[1]->memtable));
    OK(shard_flush(&rows, world.shard[1], true, &err));
    ck_assert_uint_eq(rows, 2 * SMALL + LARGE);
    ck_assert(memtable_is_whole(world.shard[1]->memtable));
    ck_assert_uint_eq(memtable_frame_count(world.shard[1]->memtable), 0);
    size_t segments = world_file_count(SHARD "/seg");
    ck_assert_uint_ge(segments, 3); /* the part is whole in one of them */
    ck_assert_uint_le(segments, 5);
    struct found before;
    OK(find(&before, snapshot, 6)); /* it knows nothing of files */
    ck_assert_uint_eq(before.in_log, SMALL);
    shard_snapshot_close(snapshot);
    for (size_t at = 0; at < 2; at++) {
        ck_assert_uint_eq(find_now(at, 5).in_files, 2 * SMALL + LARGE);
        check_log(at, 5, 0, 0);
        verify(at);
    }
    world_release();
}
END_TEST

/* Also where one of them fails: what is flushed takes no room in the log, which the next try may need. */
START_TEST(each_prefix_lets_its_log_go)
{
    enum { ROWS = 200 };
    size_t failed = 0;
    size_t fewest = SIZE_MAX;
    bool was_hit = true;
    for (uint64_t nth = 0; was_hit; nth++) {
        struct shard_stat stat;
        world_init(0, NULL);
        world.memory_bytes_flush = 8000;
        world_open(0);
        for (int64_t i = 0; i < ROWS; i++)
            OK(put_row(0, 5, i));
        world_end(0);
        world_open(0); /* it has to read the log */
        size_t before = world_file_count(SHARD "/log-");
        struct sim_fault fault = {
            .kind = SIM_WRITE, .nth = nth, .error = ENOSPC, .for_ever = true
        };
        sim_fault_set(world.sim, &fault);
        failed += shard_flush(NULL, world.shard[0], true, &err) != HOLTER_OK;
        was_hit = sim_fault_was_hit(world.sim);
        sim_fault_clear(world.sim);
        OK(shard_stat(&stat, world.shard[0], &err));
        size_t left = world_file_count(SHARD "/log-");
        ck_assert_uint_le(left, stat.log_files +
                                    2); /* where the edit itself failed, those of one prefix */
        fewest = was_hit && left < fewest ? left : fewest;
        ck_assert_uint_le(left, before);
        struct found found = find_now(0, 5);
        ck_assert_uint_eq(found.in_log + found.in_files, ROWS);
        world_release();
    }
    ck_assert_uint_gt(failed, 10);
    ck_assert_uint_lt(fewest, 4);
}
END_TEST

START_TEST(a_settled_log_is_a_small_file)
{
    struct shard_stat stat;
    world_init(2, NULL);
    for (int64_t i = 0; i < 60; i++)
        OK(put_row((size_t)i / 20 % 2, 5, i));
    ck_assert_uint_gt(world_file_count(SHARD "/log-"), 1);
    for (int twice = 0; twice < 2; twice++) {
        OK(shard_flush(NULL, world.shard[1], true, &err));
        ck_assert_uint_eq(log_bytes(), WAL_FILE_BYTES_REST);
        OK(shard_stat(&stat, world.shard[0], &err));
        ck_assert_uint_eq(stat.log_files, 1);
        ck_assert_uint_eq(stat.log_bytes, 0);
    }
    world_close(1);
    world_close(0); /* without marks: there is nothing that they could cover */
    ck_assert_uint_eq(log_bytes(), WAL_FILE_BYTES_REST);
    for (int64_t time = 60; time < 64; time++) {
        if (time == 62)
            world_crash(SIM_CRASH_RANDOM, 5);
        world_end(0);
        world_open(0);
        OK(put_row(0, 5, time));
        ck_assert_uint_eq(find_now(0, 5).in_files, 60);
        check_log(0, 5, 60, (size_t)(time - 59));
        verify(0);
    }
    compact(0);
    ck_assert_uint_eq(log_bytes(), WAL_FILE_BYTES_REST);
    ck_assert_uint_eq(find_now(0, 5).in_files, 64);
    world_release();
}
END_TEST

START_TEST(a_log_that_somebody_appends_to_does_not_rest)
{
    struct shard_write *write;
    uint64_t rows;
    world_init(2, NULL);
    OK(put_row(0, 5, 0));
    OK(shard_flush(&rows, world.shard[0], false, &err)); /* nobody asked for it */
    ck_assert_uint_eq(rows, 1);
    ck_assert_uint_eq(log_bytes(), WAL_FILE_BYTES_MIN);
    OK(shard_write_begin(&write, world.shard[1], &err));
    int64_t before = io_monotonic_ns(world.io[0]);
    OK(shard_flush(&rows, world.shard[0], true, &err));
    ck_assert_int_lt(io_monotonic_ns(world.io[0]) - before, 50000000); /* waits for nobody */
    ck_assert_uint_eq(log_bytes(), WAL_FILE_BYTES_MIN);
    shard_write_abort(write);
    OK(shard_flush(&rows, world.shard[0], true, &err)); /* though there are no rows */
    ck_assert_uint_eq(rows, 0);
    ck_assert_uint_eq(log_bytes(), WAL_FILE_BYTES_REST);
    OK(put_row(1, 5, 1));
    check_log(0, 5, 1, 1);
    world_release();
}
END_TEST

/* The power goes, or the process, at each call of a flush; then it is flushed. */
START_TEST(a_flush_cut_short_leaves_a_log_that_goes_on)
{
    static const enum sim_event events[] = { SIM_POWER_CUT, SIM_KILL, SIM_POWER_CUT_TORN };
    bool has_stopped = true;
    for (uint64_t call = 0; has_stopped; call++) {
        world_init(0, NULL);
        world.memory_bytes_flush = _i < 3 ? 0 : 1500; /* else by prefixes */
        world_open(0);
        world_open(1);
        for (int64_t i = 0; i < 8; i++)
            OK(put_row((size_t)i / 4, 5, i));
        sim_stop_at(world.sim, sim_call_count(world.sim) + call, events[_i % 3]);
        holter_status status = shard_flush(NULL, world.shard[0], true, &err);
        has_stopped = sim_has_stopped(world.sim);
        sim_stop_at(world.sim, UINT64_MAX, SIM_NOTHING);
        ck_assert(has_stopped || status == HOLTER_OK);
        if (events[_i % 3] == SIM_KILL && has_stopped)
            world_end(0);
        else
            world_crash((enum sim_crash_mode)(call % 3), call);
        for (size_t at = 0; at < 2; at++) {
            if (world.shard[at] == NULL)
                world_open(at);
        }
        for (int64_t i = 8; i < 12; i++) {
            OK(put_row((size_t)i % 2, 5, i));
            struct found found = find_now((size_t)i / 2 % 2, 5);
            ck_assert_uint_eq(found.in_log + found.in_files, (uint64_t)i + 1);
        }
        OK(shard_flush(NULL, world.shard[1], true, &err));
        ck_assert_uint_eq(find_now(0, 5).in_files, 12);
        ck_assert_uint_eq(log_bytes(), WAL_FILE_BYTES_REST);
        verify(0);
        world_release();
        ck_assert_uint_lt(call, 3000);
    }
}
END_TEST

START_TEST(one_maintains_at_a_time)
{
    struct io_file *held;
    char holder[32];
    world_init(0, NULL);
    world.lock_wait_ns = 100000000;
    world_open(0);
    world_open(1);
    OK(put_row(0, 5, 0));
    OK(shard_flush(NULL, world.shard[1], true, &err));
    OK(put_row(0, 5, 1));
    OK(io_open(&held, world.io[1], SHARD "/lock", IO_WRITABLE, &err));
    OK(io_lock(held, SHARD_LOCK_MAINTENANCE, 1, IO_LOCK_EXCLUSIVE, 0, &err));
    snprintf(holder, sizeof holder, "process %llu",
             (unsigned long long)io_process_self(world.io[1]).pid);
    int64_t before = io_monotonic_ns(world.io[0]);
    FAILS(shard_flush(NULL, world.shard[0], false, &err), HOLTER_BUSY, holder);
    ck_assert_int_lt(io_monotonic_ns(world.io[0]) - before, 50000000); /* at once */
    FAILS(shard_flush(NULL, world.shard[0], true, &err), HOLTER_BUSY, holder);
    ck_assert_int_ge(io_monotonic_ns(world.io[0]) - before, 100000000);
    OK(put_row(0, 5, 2));
    verify(0);    /* needs no lock of files */
    world_end(0); /* its end is not noted in the manifest, which is no harm */
    io_close(held);
    world_open(0);
    OK(shard_flush(NULL, world.shard[0], true, &err));
    ck_assert_uint_eq(find_now(1, 5).in_files, 3);
    world_release();
}
END_TEST

START_TEST(a_failed_flush_loses_nothing_and_is_begun_anew)
{
    static const enum sim_call_kind kinds[] = { SIM_WRITE, SIM_SYNC,     SIM_OPEN, SIM_RENAME,
                                                SIM_READ,  SIM_SYNC_DIR, SIM_LIST, SIM_UNLINK };
    size_t failed = 0;
    bool was_hit = true;
    const enum sim_call_kind kind = kinds[_i % 8];
    for (uint64_t nth = 0; was_hit && nth < 30; nth++) {
        world_init(0, NULL);
        world.memory_bytes_flush = _i < 8 ? 0 : 3000; /* else by prefixes */
        world_open(0);
        world_open(1);
        for (int64_t i = 0; i < 20; i++)
            OK(put_row((size_t)(i / 5) % 2, 5, i));
        struct sim_fault fault = { .kind = kind, .nth = nth, .error = 5 };
        sim_fault_set(world.sim, &fault);
        failed += shard_flush(NULL, world.shard[1], true, &err) != HOLTER_OK;
        was_hit = sim_fault_was_hit(world.sim);
        sim_fault_clear(world.sim);
        OK(put_row(0, 5, 20));
        for (size_t at = 0; at < 2; at++) {
            struct found found = find_now(at, 5);
            ck_assert_uint_eq(found.in_log + found.in_files, 21);
        }
        OK(shard_flush(NULL, world.shard[0], true, &err));
        ck_assert_uint_eq(find_now(1, 5).in_files, 21);
        verify(1);
        compact(1);
        ck_assert_uint_eq(world_file_count(SHARD "/seg"), 1); /* what failed was swept */
        world_release();
    }
    ck_assert(failed > 0 || kind == SIM_UNLINK || kind == SIM_LIST || kind == SIM_RENAME);
}
END_TEST

/* ---- erased users ---------------------------------------------------------------------------- */

START_TEST(an_erased_users_frames_are_skipped)
{
    uint64_t rows;
    world_init(2, NULL);
    OK(put_row(0, 5, 0));
    OK(put_row(0, 6, 0));
    compact(0);
    OK(put_row(0, 5, 1));
    OK(put_row(0, 6, 1));
    OK(shard_flush(NULL, world.shard[0], true, &err));
    OK(put_row(0, 5, 2));
    OK(put_row(0, 6, 2));
    world.erased = 5;
    verify(0);
    verify(1);
    ck_assert_uint_eq(find_now(1, 5).in_log, 0); /* tailed, never opened */
    check_log(1, 6, 2, 1);
    OK(shard_flush(&rows, world.shard[1], true, &err));
    ck_assert_uint_eq(rows, 1);
    compact(1);
    ck_assert_uint_eq(find_now(0, 6).in_files, 3);
    verify(0);
    world_release();
}
END_TEST

/* ---- all at once ----------------------------------------------------------------------------- */

enum { ROWS_EACH = 60, UPKEEPS = 12 };

static struct {
    int64_t acknowledged; /* rows of user 5 */
    size_t writers_left;
} shared;

/* The rows of a writer are at even or at odd times. */
static void write_rows(void *context)
{
    size_t at = *(size_t *)context;
    for (int64_t i = 0; i < ROWS_EACH; i++) {
        OK(put_row(at, 5, 2 * i + (int64_t)at));
        shared.acknowledged++;
    }
    shared.writers_left--;
}

static void keep_up(void *context)
{
    size_t at = *(size_t *)context;
    for (int i = 0; i < UPKEEPS || shared.writers_left > 0; i++) {
        if (i % 4 == 3)
            compact(at);
        else
            OK(shard_flush(NULL, world.shard[at], true, &err));
        sim_yield(world.sim);
    }
}

/*
 * Never fewer rows than were acknowledged before, never more than were begun; and each snapshot
 * stays.
 */
static void read_rows(void *context)
{
    size_t at = *(size_t *)context;
    while (shared.writers_left > 0) {
        struct shard_snapshot *snapshot;
        struct found first, again;
        int64_t before = shared.acknowledged;
        OK(shard_snapshot_open(&snapshot, world.shard[at], &err));
        OK(find(&first, snapshot, 5));
        CHECK((int64_t)(first.in_log + first.in_files) >= before);
        CHECK((int64_t)(first.in_log + first.in_files) <= shared.acknowledged + 2);
        io_sleep_ns(world.io[at], 1000000);
        OK(find(&again, snapshot, 5));
        CHECK(memcmp(&first, &again, sizeof first) == 0);
        shard_snapshot_close(snapshot);
    }
}

START_TEST(writers_readers_and_upkeep_run_side_by_side)
{
    static size_t numbers[] = { 0, 1, 2 };
    world_init(3, &(struct sim_options){ .seed = (uint64_t)_i + 1, .switch_always = true });
    memset(&shared, 0, sizeof shared);
    shared.writers_left = 2;
    sim_spawn(world.sim, world.io[0], write_rows, &numbers[0]);
    sim_spawn(world.sim, world.io[1], write_rows, &numbers[1]);
    sim_spawn(world.sim, world.io[2], read_rows, &numbers[2]);
    sim_spawn(world.sim, world.io[2], keep_up, &numbers[2]);
    CHECK(sim_run(world.sim));
    OK(shard_flush(NULL, world.shard[0], true, &err));
    for (size_t at = 0; at < 3; at++)
        ck_assert_uint_eq(find_now(at, 5).in_files, 2 * ROWS_EACH);
    verify(1);
    compact(0);
    ck_assert_uint_eq(world_file_count(SHARD "/seg"), 1);
    world_release();
}
END_TEST

/* ---- spares ---------------------------------------------------------------------------------- */

static struct io_file *spare_of(size_t at)
{
    return atomic_load(&world.shard[at]->spare.made);
}

/* Rows until the handle wants a file to go on in; those after *time. */
static void put_until_wanted(size_t at, int64_t *time)
{
    while (!shard_wants_spare(world.shard[at]))
        OK(put_row(at, 5, (*time)++));
}

static bool has_named(const char *what)
{
    return world_file_count(what) > 0;
}

START_TEST(a_log_goes_on_in_a_spare_and_rests_without_one)
{
    int64_t time = 0;
    world_init(2, NULL);
    put_until_wanted(0, &time);
    shard_make_spare(world.shard[0], NULL);
    ck_assert_ptr_nonnull(spare_of(0));
    ck_assert(!shard_wants_spare(world.shard[0]));
    ck_assert(!has_named(SHARD "/log-0000000000000002"));
    while (!has_named(SHARD "/log-0000000000000002"))
        OK(put_row(0, 5, time++));
    ck_assert_ptr_null(spare_of(0)); /* that was it */

    put_until_wanted(0, &time);
    shard_make_spare(world.shard[0], NULL);
    ck_assert_ptr_nonnull(spare_of(0));
    OK(shard_flush(NULL, world.shard[1], true, &err)); /* it rests */
    ck_assert_ptr_nonnull(spare_of(0));                /* of another handle */
    OK(shard_flush(NULL, world.shard[0], true, &err));
    ck_assert_ptr_null(spare_of(0));
    ck_assert_uint_eq(find_now(1, 5).in_files, (uint64_t)time);

    /* One that was asked for before is let go when it is made. */
    put_until_wanted(0, &time);
    OK(shard_flush(NULL, world.shard[0], true, &err));
    shard_make_spare(world.shard[0], NULL);
    ck_assert_ptr_null(spare_of(0));
    put_until_wanted(0, &time);
    atomic_bool stops = true;
    shard_make_spare(world.shard[0], &stops); /* the handle is being closed */
    ck_assert_ptr_null(spare_of(0));
    verify(1);
    world_release();
}
END_TEST

/* Of the room that is left a spare takes a small part, or there is none. */
START_TEST(a_disk_that_fills_up_has_no_spares)
{
    int64_t time = 0;
    const struct sim_options small = { .seed = 1, .bytes_max = 15 * WAL_FILE_BYTES_MIN };
    world_init(1, &small);
    put_until_wanted(0, &time);
    shard_make_spare(world.shard[0], NULL);
    ck_assert_ptr_null(spare_of(0));
    ck_assert(!shard_drop_spare(world.shard[0]));
    world_release();

    const struct sim_options large = { .seed = 1, .bytes_max = 40 * WAL_FILE_BYTES_MIN };
    time = 0;
    world_init(1, &large);
    put_until_wanted(0, &time);
    shard_make_spare(world.shard[0], NULL);
    ck_assert_ptr_nonnull(spare_of(0));
    ck_assert(shard_drop_spare(world.shard[0]));
    ck_assert(!shard_drop_spare(world.shard[0]));
    OK(put_row(0, 5, time++));
    ck_assert_uint_eq(find_now(0, 5).in_log, (uint64_t)time);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_upkeep");
    TCase *tcase = tcase_create("upkeep");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_snapshot_keeps_the_files_that_it_may_need);
    tcase_add_test(tcase, a_dead_handles_pins_hold_nothing);
    tcase_add_test(tcase, a_log_goes_on_in_a_spare_and_rests_without_one);
    tcase_add_test(tcase, a_disk_that_fills_up_has_no_spares);
    tcase_add_loop_test(tcase, opened_frames_stay_as_far_as_memory_goes, 0, 2);
    tcase_add_test(tcase, tailed_frames_are_not_read_again);
    tcase_add_test(tcase, a_flush_is_due_for_what_others_appended);
    tcase_add_test(tcase, a_log_rests_only_where_nobody_appended_meanwhile);
    tcase_add_test(tcase, what_others_flush_leaves_the_memory_of_who_commits);
    tcase_add_test(tcase, a_job_rests_now_and_then_while_others_commit);
    tcase_add_test(tcase, memory_of_rows_that_nobody_flushes_is_bounded);
    tcase_add_test(tcase, a_flush_covers_what_was_durable_and_leaves_the_rest);
    tcase_add_test(tcase, a_log_larger_than_memory_is_flushed_by_prefixes);
    tcase_add_test(tcase, each_prefix_lets_its_log_go);
    tcase_add_test(tcase, a_settled_log_is_a_small_file);
    tcase_add_test(tcase, a_log_that_somebody_appends_to_does_not_rest);
    tcase_add_loop_test(tcase, a_flush_cut_short_leaves_a_log_that_goes_on, 0, 6);
    tcase_add_test(tcase, one_maintains_at_a_time);
    tcase_add_loop_test(tcase, a_failed_flush_loses_nothing_and_is_begun_anew, 0, 16);
    tcase_add_test(tcase, an_erased_users_frames_are_skipped);
    tcase_add_loop_test(tcase, writers_readers_and_upkeep_run_side_by_side, 0, 6);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
