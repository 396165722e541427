/*
 * test_shard_memory.c -- a shard without memory fails, loses nothing, and works again with the next
 * call.
 *
 * Claim: every allocation of a commit, a snapshot, a flush and a compaction may fail, once or from
 * then on; then HOLTER_NO_MEMORY is answered, or the call succeeds without what it could not
 * remember; nothing leaks, and what was acknowledged is seen by all. Method: the n-th allocation
 * fails, for every n.
 */
#include "alloc_fail.h"

#include "shard_world.h"

enum { BEGUN = 8 };

/* Of one thread each, these tests tell a thread sanitizer little, and take it long. */
#ifdef __SANITIZE_THREAD__
enum { STEP = 16 };
#else
enum { STEP = 1 };
#endif

/* Rows in a warm file, in a hot one and in the log, half of it by the other handle. */
static void begin(void)
{
    world_init(2, NULL);
    for (int64_t i = 0; i < BEGUN; i++) {
        OK(put_row((size_t)(i / 2) % 2, 5, i));
        if (i == 2)
            compact(1);
        if (i == 4)
            OK(shard_flush(NULL, world.shard[0], true, &err));
    }
}

static holter_status do_commit(void)
{
    return put_row(0, 5, BEGUN);
}

static holter_status do_large_commit(void)
{
    struct wal_tombstone deletion = { .metric = 1, .source = 1, .begin = -9, .end = -1 };
    return put(0, 5, BEGUN, 4000, &deletion, 1);
}

static holter_status do_snapshot(void)
{
    struct shard_snapshot *snapshot;
    struct found found;
    holter_status status = shard_snapshot_open(&snapshot, world.shard[0], &err);
    if (status != HOLTER_OK)
        return status;
    status = find(&found, snapshot, 5);
    shard_snapshot_close(snapshot);
    if (status == HOLTER_OK)
        CHECK(found.in_log + found.in_files == BEGUN);
    return status;
}

static holter_status do_flush(void)
{
    return shard_flush(NULL, world.shard[0], true, &err);
}

static holter_status do_compact(void)
{
    struct compaction_result sum;
    return shard_compact(&sum, world.shard[0], TIER_WARM, 0, NULL, NULL, &err);
}

static holter_status do_verify(void)
{
    size_t damaged;
    holter_status status = shard_verify(world.shard[0], say_finding, NULL, &damaged, &err);
    CHECK(damaged == 0);
    return status;
}

static holter_status do_reopen(void)
{
    if (world.shard[0] != NULL)
        world_close(0);
    return world_open_as(0, true);
}

static const struct call {
    holter_status (*call)(void);
    size_t rows; /* that it adds */
} calls[] = {
    { do_commit, 1 },  { do_large_commit, 4000 }, { do_snapshot, 0 }, { do_flush, 0 },
    { do_compact, 0 }, { do_verify, 0 },          { do_reopen, 0 },
};

START_TEST(each_allocation_may_fail)
{
    const struct call *call = &calls[_i / 2];
    bool is_for_ever = _i % 2 == 1;
    bool has_failed = true;
    unsigned long left = 0;
    size_t refused = 0;
    alloc_fail.is_exempt = sim_is_allocating;
    for (; has_failed; left += STEP) {
        begin();
        err = (holter_error){ 0 };
        alloc_fail_arm(left, is_for_ever);
        holter_status status = call->call();
        has_failed = alloc_fail_disarm();
        if (status != HOLTER_OK)
            CHECK(has_failed && status == HOLTER_NO_MEMORY && err.status == status);
        refused += status != HOLTER_OK;
        if (world.shard[0] == NULL)
            world_open(0);
        size_t expected = BEGUN + (status == HOLTER_OK ? call->rows : 0);
        for (size_t at = 0; at < 2; at++) {
            struct found found = find_now(at, 5);
            if (found.in_log + found.in_files != expected)
                ck_abort_msg("allocation %lu, handle %zu: found %zu + %zu rows, expected %zu", left,
                             at, found.in_log, found.in_files, expected);
        }
        if (left % 8 == 0) {
            OK(put_row(1, 5, 10000));
            OK(put_row(0, 5, 10001));
            compact(0);
            ck_assert_uint_eq(find_now(1, 5).in_files, expected + 2);
            verify(0);
        }
        world_release();
    }
    ck_assert_uint_gt(refused, 3 / STEP);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, each_allocation_may_fail, 0, 2 * (int)CORE_COUNT(calls));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
