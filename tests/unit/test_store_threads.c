/*
 * test_store_threads.c -- commits of several threads, and buffered ones, on a simulated disk.
 *
 * Claims: threads of a handle share syncs, and what each was answered holds, also where a write fails
 * or the power goes; commits of one thread count in its order, buffered or not; buffered commits are
 * durable in the order of their numbers, stay where the disk fails, and never wait.
 * Method: fibers as threads, the simulator's faults and power cuts; store_world.h's notation.
 */
#include "store_world.h"

#include <errno.h>

enum { THREADS = 8, COMMITS_EACH = 6 };

static const holter_create_options one_shard = { .shards = 1 };

/* ---- helpers --------------------------------------------------------------------------------- */

static uint64_t counted(holter_store *store, const char *name)
{
    for (size_t i = 0; i < holter_statistic_count(); i++) {
        holter_statistic one;
        OK(holter_statistic_at(store, i, &one, &err));
        if (strcmp(one.name, name) == 0)
            return one.count;
    }
    ck_abort_msg("no statistic '%s'", name);
}

static holter_status commit_buffered(holter_store *store, const char *text)
{
    holter_batch *batch;
    const holter_batch_options options = { .buffered = 1 };
    OK(holter_batch_new(&batch, store, &options, &err));
    OK(batch_fill(batch, text));
    holter_status status = holter_commit(store, batch, &err);
    CHECK(strspn(batch_answers(batch), status == HOLTER_OK ? "A" : "P") ==
          holter_batch_count(batch));
    holter_batch_free(batch);
    return status;
}

static size_t rows_of(holter_store *store, size_t user)
{
    size_t rows = 0;
    for (const char *at = ask(store, user); (at = strchr(at, '=')) != NULL; at++)
        rows++;
    return rows;
}

/* ---- threads --------------------------------------------------------------------------------- */

struct writing {
    size_t number;    /* of the thread; its times are its own */
    size_t committed; /* as answered */
};

/* A row of each of two users, who are in shards of their own where there are several. */
static void write_rows(void *context)
{
    struct writing *writing = context;
    holter_error own = { 0 };
    holter_batch *batch;
    CHECK(holter_batch_new(&batch, world.store[0], NULL, &own) == HOLTER_OK);
    for (size_t i = 0; i < COMMITS_EACH; i++) {
        char text[64];
        snprintf(text, sizeof text, "heart_rate/1: %zu=60 @1 heart_rate/1: %zu=61",
                 1000 * writing->number + i, 1000 * writing->number + i);
        holter_batch_clear(batch);
        CHECK(batch_fill(batch, text) == HOLTER_OK);
        holter_status status = holter_commit(world.store[0], batch, &own);
        for (size_t user = 0; user < 2; user++)
            writing->committed += holter_batch_answer(batch, user).answer == HOLTER_ACCEPTED;
        CHECK(status == HOLTER_OK || (own.message[0] != '\0' && holter_batch_count(batch) == 2));
    }
    holter_batch_free(batch);
}

static size_t write_by_threads(struct writing writing[static THREADS])
{
    size_t committed = 0;
    for (size_t i = 0; i < THREADS; i++) {
        writing[i] = (struct writing){ .number = i };
        sim_spawn(world.sim, world.io[0], write_rows, &writing[i]);
    }
    CHECK(sim_run(world.sim));
    for (size_t i = 0; i < THREADS; i++)
        committed += writing[i].committed;
    return committed;
}

START_TEST(threads_share_a_sync)
{
    struct writing writing[THREADS];
    world_machine = (struct sim_options){ .seed = (uint64_t)_i + 1, .switch_always = true };
    world_init(&one_shard, NULL);
    uint64_t groups = counted(world.store[0], "log_groups");
    ck_assert_uint_eq(write_by_threads(writing), 2 * THREADS * COMMITS_EACH);
    ck_assert_uint_eq(counted(world.store[0], "commits"), THREADS * COMMITS_EACH);
    ck_assert_uint_eq(counted(world.store[0], "rows"), 2 * THREADS * COMMITS_EACH);
    groups = counted(world.store[0], "log_groups") - groups;
    ck_assert_uint_le(groups, THREADS * COMMITS_EACH / 2);
    ck_assert_uint_eq(counted(world.store[0], "group_commits"), groups);
    sim_crash(world.sim, SIM_CRASH_DURABLE, 1); /* acknowledged is synced */
    world_end(0);
    OK(world_open(1));
    for (size_t user = 0; user < 2; user++)
        ck_assert_uint_eq(rows_of(world.store[1], user), THREADS * COMMITS_EACH);
    world_release();
}
END_TEST

/* Four shards: a thread leads in some, and is taken along in others. */
START_TEST(threads_commit_to_several_shards)
{
    struct writing writing[THREADS];
    world_machine = (struct sim_options){ .seed = (uint64_t)_i + 1, .switch_always = true };
    world_init(NULL, NULL);
    ck_assert_uint_eq(write_by_threads(writing), 2 * THREADS * COMMITS_EACH);
    for (size_t user = 0; user < 2; user++)
        ck_assert_uint_eq(rows_of(world.store[0], user), THREADS * COMMITS_EACH);
    world_release();
}
END_TEST

/* The nth write fails: who was in that group is told, and is not there; all others are. */
START_TEST(a_group_that_fails_was_no_ones)
{
    struct writing writing[THREADS];
    size_t failed = 0;
    bool was_hit = true;
    for (uint64_t nth = 0; was_hit && nth < 30; nth += 2) {
        world_machine = (struct sim_options){ .seed = nth + 1, .switch_always = true };
        world_init(_i % 2 == 0 ? &one_shard : NULL, NULL);
        struct sim_fault fault = { .kind = SIM_WRITE, .nth = nth, .error = _i < 2 ? EIO : ENOSPC };
        sim_fault_set(world.sim, &fault);
        size_t committed = write_by_threads(writing);
        was_hit = sim_fault_was_hit(world.sim);
        sim_fault_clear(world.sim); /* there were fewer writes, in the last turn */
        failed += 2 * THREADS * COMMITS_EACH - committed;
        ck_assert_uint_eq(rows_of(world.store[0], 0) + rows_of(world.store[0], 1), committed);
        ck_assert_str_eq(commit(world.store[0], "heart_rate/1: 99999=60"), "A");
        world_end(0);
        OK(world_open(1));
        ck_assert_uint_eq(rows_of(world.store[1], 0) + rows_of(world.store[1], 1), committed + 1);
        world_release();
    }
    ck_assert_uint_gt(failed, 0);
}
END_TEST

static void wait_in_vain(void *context)
{
    holter_error own = { 0 };
    holter_batch *batch;
    (void)context;
    CHECK(holter_batch_new(&batch, world.store[0], NULL, &own) == HOLTER_OK);
    CHECK(batch_fill(batch, "heart_rate/1: 1=60") == HOLTER_OK);
    CHECK(holter_commit(world.store[0], batch, &own) == HOLTER_BUSY);
    CHECK(strstr(own.message, "append lock is held by another process") != NULL ||
          strstr(own.message, "another thread of this process") != NULL);
    CHECK(holter_batch_answer(batch, 0).answer == HOLTER_PENDING);
    holter_batch_free(batch);
}

START_TEST(threads_do_not_wait_for_ever)
{
    struct shard_write *write;
    world_machine = (struct sim_options){ .seed = 3 };
    world_init(&one_shard, &(holter_options){ .lock_wait_ms = 300 });
    OK(world_open(1));
    ck_assert_str_eq(commit(world.store[1], "heart_rate/1: 7=60"), "A");
    OK(shard_write_begin(&write, world.store[1]->regions[0].shards[0], &err));
    for (size_t i = 0; i < 3; i++)
        sim_spawn(world.sim, world.io[0], wait_in_vain, NULL);
    CHECK(sim_run(world.sim));
    shard_write_abort(write);
    ck_assert_str_eq(commit(world.store[0], "heart_rate/1: 8=60"), "A");
    ck_assert_str_eq(ask(world.store[1], 0), "heart_rate/1: 7=60 8=60");
    world_release();
}
END_TEST

/* ---- buffered -------------------------------------------------------------------------------- */

START_TEST(a_buffered_commit_becomes_durable_later)
{
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    OK(commit_buffered(store, "heart_rate/1: 1=60 @1 heart_rate/1: 1=61 @2 heart_rate/1: 1=62"));
    OK(commit_buffered(store, "heart_rate/1: 2=70"));
    ck_assert_uint_eq(holter_accepted(store), 2);
    ck_assert_uint_eq(holter_durable(store), 0);
    ck_assert_str_eq(ask(store, 0), "");
    OK(holter_sync(store, &err));
    ck_assert_uint_eq(holter_durable(store), 2);
    ck_assert_str_eq(ask(store, 0), "heart_rate/1: 1=60 2=70");
    ck_assert_str_eq(ask(store, 2), "heart_rate/1: 1=62");
    OK(holter_sync(store, &err));
    OK(commit_buffered(store, "heart_rate/1: 3=71"));
    world_end(0); /* close writes what it can */
    OK(world_open(1));
    ck_assert_str_eq(ask(world.store[1], 0), "heart_rate/1: 1=60 2=70 3=71");
    FAILS(holter_batch_new(&(holter_batch *){ NULL }, world.store[1],
                           &(holter_batch_options){ .buffered = 1, .exact = 1 }, &err),
          HOLTER_INVALID, "both exact and buffered");
    world_release();
}
END_TEST

START_TEST(a_buffered_commit_is_waited_for_by_its_number)
{
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    OK(holter_wait_durable(store, 0, &err));
    FAILS(holter_wait_durable(store, 1, &err), HOLTER_INVALID,
          "found the number 1 of a buffered commit, expected 0 at most");
    OK(commit_buffered(store, "heart_rate/1: 1=60"));
    OK(holter_wait_durable(store, 1, &err));
    ck_assert_uint_eq(holter_durable(store), 1);
    ck_assert_str_eq(ask(store, 0), "heart_rate/1: 1=60");
    OK(commit_buffered(store, "heart_rate/1: 2=60"));
    struct sim_fault fault = { .kind = SIM_WRITE, .error = ENOSPC, .for_ever = true };
    sim_fault_set(world.sim, &fault);
    OK(holter_wait_durable(store, 1, &err));
    FAILS(holter_wait_durable(store, 2, &err), HOLTER_NO_SPACE, "log");
    ck_assert_uint_eq(holter_durable(store), 1);
    sim_fault_clear(world.sim);
    OK(holter_wait_durable(store, 2, &err));
    ck_assert_str_eq(ask(store, 0), "heart_rate/1: 1=60 2=60");
    OK(world_open(1));
    FAILS(holter_wait_durable(world.store[1], UINT64_MAX, &err), HOLTER_INVALID, "0 at most");
    world_release();
}
END_TEST

/* What was made ahead makes room; where there is nothing of the kind the disk is full. */
START_TEST(a_flush_that_finds_no_space_lets_spares_go)
{
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(&one_shard, &(holter_options){ .log_file_bytes = 65536, .no_auto_flush = 1 });
    holter_store *store = world.store[0];
    const struct sim_fault once = { .kind = SIM_WRITE, .nth = 1, .error = ENOSPC }; /* behind the name of who flushes */
    int row = 0;
    commit(store, "heart_rate/1: 1=60");
    uint64_t ahead = counted(store, "log_ahead_bytes");
    while (counted(store, "log_ahead_bytes") == ahead) {
        char text[4096];
        int at = snprintf(text, sizeof text, "heart_rate/1:");
        for (int i = 0; i < 100; i++, row++)
            at += snprintf(text + at, sizeof text - (size_t)at, " %d=%d", 2 + row, 60 + row % 7);
        commit(store, text);
    }
    sim_fault_set(world.sim, &once);
    OK(holter_flush(store, NULL, &err));
    ck_assert(sim_fault_was_hit(world.sim));
    sim_fault_clear(world.sim);
    commit(store, "heart_rate/1: 1=61");
    sim_fault_set(world.sim, &once);
    FAILS(holter_flush(store, NULL, &err), HOLTER_NO_SPACE, "No space");
    sim_fault_clear(world.sim);
    OK(holter_flush(store, NULL, &err));
    ck_assert_uint_eq(rows_of(store, 0), 1 + (size_t)row);
    world_release();
}
END_TEST

/* Beside holders of locks, of 64 bytes each, that name themselves. */
START_TEST(every_byte_that_is_written_is_counted_once)
{
    enum { HOLDER_BYTES = 64 };
    static const char *const names[] = { "log_bytes", "log_ahead_bytes", "segment_bytes",
                                         "edit_bytes" };
    uint64_t before[CORE_COUNT(names)];
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(&(holter_create_options){ .shards = 2 },
               &(holter_options){ .log_file_bytes = 65536 });
    holter_store *store = world.store[0];
    commit(store, "@0 heart_rate/1: 1=60 @1 heart_rate/1: 1=60"); /* makes head pages */
    uint64_t written = sim_written_bytes(world.sim);
    for (size_t i = 0; i < CORE_COUNT(names); i++)
        before[i] = counted(store, names[i]);
    for (int i = 0; i < 40; i++) {
        char text[4096];
        int at = snprintf(text, sizeof text, "@%d heart_rate/1:", i % 2);
        for (int row = 200 * i + 2; row < 200 * i + 202; row++)
            at += snprintf(text + at, sizeof text - (size_t)at, " %d=%d", row, 60 + row % 7);
        commit(store, text);
        if (i % 10 == 9)
            flush(store);
    }
    compact(store);
    holter_id added = { "another", 7 };
    OK(holter_users_add(store, &added, 1, NULL, &(uint64_t){ 0 }, &err));
    written = sim_written_bytes(world.sim) - written;
    for (size_t i = 0; i < CORE_COUNT(names); i++) {
        uint64_t more = counted(store, names[i]) - before[i];
        ck_assert_uint_gt(more, 0);
        ck_assert_uint_le(more, written);
        written -= more;
    }
    ck_assert_uint_eq(written % HOLDER_BYTES, 0);
    ck_assert_uint_le(written, 30 * HOLDER_BYTES);

    uint64_t log = counted(store, "log_bytes"), body = counted(store, "log_body_bytes"),
             padding = counted(store, "log_padding_bytes"), groups = counted(store, "log_groups");
    ck_assert_uint_eq(log % 4096, 0);
    ck_assert_uint_gt(body, 0);
    ck_assert_uint_gt(padding, 0);
    ck_assert_uint_gt(log - body - padding, groups * 64); /* headers of groups and frames */
    uint64_t segments = counted(store, "segment_bytes"),
             blocks = counted(store, "segment_block_bytes"),
             rollups = counted(store, "segment_rollup_bytes");
    ck_assert_uint_gt(blocks, 0);
    ck_assert_uint_gt(rollups, 0);
    ck_assert_uint_lt(blocks + rollups, segments);
    world_release();
}
END_TEST

START_TEST(commits_of_a_thread_count_in_its_order)
{
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    OK(commit_buffered(store, "heart_rate/1: 1=60 2=60 3=60"));
    OK(commit_buffered(store, "heart_rate/1: x2..3 3=61"));
    uint64_t groups = counted(store, "log_groups");
    ck_assert_str_eq(commit(store, "heart_rate/1: 3=62"), "A");
    ck_assert_uint_eq(counted(store, "log_groups"), groups + 1); /* one sync for all three */
    ck_assert_uint_eq(holter_durable(store), 2);
    ck_assert_str_eq(ask(store, 0), "heart_rate/1: 1=60 3=62");
    OK(commit_buffered(store, "heart_rate/1: 4=60"));
    ck_assert_str_eq(commit_exact(store, "heart_rate/1: 4=60 5=60"), "DN");
    ck_assert_uint_eq(holter_durable(store), 3);
    world_release();
}
END_TEST

START_TEST(too_many_buffered_bytes_are_refused_at_once)
{
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(&one_shard, &(holter_options){ .buffered_bytes_max = 3000 });
    holter_store *store = world.store[0];
    size_t accepted = 0;
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK) {
        char text[64];
        snprintf(text, sizeof text, "heart_rate/1: %zu=60", accepted);
        status = commit_buffered(store, text);
        accepted += status == HOLTER_OK;
        CHECK(accepted < 100);
    }
    ck_assert_int_eq(status, HOLTER_BUSY);
    ck_assert_ptr_nonnull(strstr(err.message, "of 3000 at most"));
    ck_assert_uint_gt(accepted, 1);
    ck_assert_uint_eq(holter_accepted(store), accepted);
    OK(holter_sync(store, &err));
    ck_assert_uint_eq(rows_of(store, 0), accepted);
    OK(commit_buffered(store, "heart_rate/1: 1000=60"));
    world_release();
}
END_TEST

/* What could not be written stays, in its order, and is written once. */
START_TEST(buffered_commits_outlast_a_full_disk)
{
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    OK(commit_buffered(store, "heart_rate/1: 1=60"));
    OK(commit_buffered(store, "heart_rate/1: 1=61 2=61"));
    struct sim_fault fault = { .kind = SIM_WRITE, .error = ENOSPC, .for_ever = true };
    sim_fault_set(world.sim, &fault);
    ck_assert_int_eq(holter_sync(store, &err), HOLTER_NO_SPACE);
    ck_assert_int_eq(holter_sync(store, &err), HOLTER_NO_SPACE);
    holter_batch *batch = batch_new(store, 0, 0);
    OK(batch_fill(batch, "heart_rate/1: 1=62"));
    ck_assert_int_eq(holter_commit(store, batch, &err), HOLTER_NO_SPACE);
    ck_assert_uint_eq(holter_durable(store), 0);
    ck_assert_str_eq(ask(store, 0), "");
    sim_fault_clear(world.sim);
    OK(holter_commit(store, batch, &err));
    holter_batch_free(batch);
    ck_assert_uint_eq(holter_durable(store), 2);
    ck_assert_str_eq(ask(store, 0), "heart_rate/1: 1=62 2=61");
    OK(holter_sync(store, &err));
    world_release();
}
END_TEST

START_TEST(a_user_erased_meanwhile_loses_what_was_buffered)
{
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    OK(world_open(1));
    OK(commit_buffered(store, "@1 heart_rate/1: 2=62"));
    OK(commit_buffered(store, "heart_rate/1: 1=60 @1 heart_rate/1: 1=61"));
    OK(commit_buffered(store, "@1 heart_rate/1: 3=63"));
    world_erase(world.store[1], world.users[0]);
    OK(holter_wait_durable(store, 1, &err));
    for (int i = 0; i < 2; i++) { /* whose it was is told, as often as he asks, and nobody else */
        FAILS(holter_wait_durable(store, 2, &err), HOLTER_EXPIRED,
              "parts of buffered commit 2 could not be stored");
        OK(holter_wait_durable(store, 3, &err));
    }
    FAILS(holter_sync(store, &err), HOLTER_EXPIRED, "parts of buffered commit 2");
    OK(holter_sync(store, &err)); /* that tells it once */
    ck_assert_uint_eq(holter_durable(store), 3);
    ck_assert_str_eq(ask(store, 1), "heart_rate/1: 1=61 2=62 3=63");
    world_release();
}
END_TEST

/* Of more of them than are noted the oldest count as lost. */
START_TEST(many_lost_commits_are_told_or_not_known_any_more)
{
    enum { LOST = 300, NOTED = 256 };
    world_machine = (struct sim_options){ .seed = 1 };
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    OK(world_open(1));
    OK(commit_buffered(store, "@1 heart_rate/1: 1=60"));
    for (int i = 0; i < LOST; i++)
        OK(commit_buffered(store, "heart_rate/1: 1=60"));
    OK(commit_buffered(store, "@1 heart_rate/1: 2=60"));
    world_erase(world.store[1], world.users[0]);
    FAILS(holter_sync(store, &err), HOLTER_EXPIRED, "buffered commit 46 could");
    for (uint64_t number = 1; number <= 1 + LOST; number++)
        FAILS(holter_wait_durable(store, number, &err), HOLTER_EXPIRED, "could not be stored");
    OK(holter_wait_durable(store, LOST + 2, &err));
    ck_assert_uint_eq(holter_durable(store), LOST + 2);
    ck_assert_uint_eq(1 + LOST - NOTED + 1, 46);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_threads");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, threads_share_a_sync, 0, 4);
    tcase_add_loop_test(tcase, threads_commit_to_several_shards, 0, 4);
    tcase_add_loop_test(tcase, a_group_that_fails_was_no_ones, 0, 4);
    tcase_add_test(tcase, threads_do_not_wait_for_ever);
    tcase_add_test(tcase, a_buffered_commit_becomes_durable_later);
    tcase_add_test(tcase, a_buffered_commit_is_waited_for_by_its_number);
    tcase_add_test(tcase, every_byte_that_is_written_is_counted_once);
    tcase_add_test(tcase, commits_of_a_thread_count_in_its_order);
    tcase_add_test(tcase, a_flush_that_finds_no_space_lets_spares_go);
    tcase_add_test(tcase, too_many_buffered_bytes_are_refused_at_once);
    tcase_add_test(tcase, buffered_commits_outlast_a_full_disk);
    tcase_add_test(tcase, a_user_erased_meanwhile_loses_what_was_buffered);
    tcase_add_test(tcase, many_lost_commits_are_told_or_not_known_any_more);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
