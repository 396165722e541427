/*
 * test_query_outlines.c -- what was read of a section once is known to later queries, within its limits.
 *
 * Claim: the index and the block headers of a user's section are read once, by one read where they lie
 * together; a later query of whole blocks makes no call of the system; kept is
 * no more than was allowed, and nothing of a user that is gone. Answers are the same with and without.
 * Method: one series in several files, the machine's calls and the shard's keys counted.
 */
#include "query_world.h"

#define STEP INT64_C(1000000000)

enum { FILES = 4, ROWS = 8 * CODEC_PACKED_ROWS_MAX };

static struct world *world_of_files(uint64_t outline_bytes_max)
{
    struct world *world = world_new(7);
    shard_close(world->shard);
    world->spec.outline_bytes_max = outline_bytes_max;
    CHECK_OK(shard_open(&world->shard, &world->spec, &err));
    for (int file = 0; file < FILES; file++) {
        for (int user = 0; user < WORLD_USERS; user++)
            world_write_series(world, user, world_week(1) + (int64_t)file * ROWS * STEP, ROWS);
        CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    }
    return world;
}

struct answer {
    uint64_t samples, calls;
    int64_t sum;
};

/* Of all rows, in one window. */
static struct answer ask(struct world *world, struct shard_snapshot *snapshot, int user,
                         uint32_t functions)
{
    struct answer answer = { 0 };
    struct query_aggregate *aggregate;
    holter_windows windows;
    holter_status status;
    struct query_aggregate_spec spec = {
        .rows = { .user = world_users[user], .metric = 1, .from = INT64_MIN, .to = INT64_MAX },
        .schema = world_schemas[0],
        .every = { .calendar = HOLTER_YEARS },
        .fields = 1,
        .functions = functions,
    };
    uint64_t calls = sim_call_count(world->sim);
    CHECK_OK(query_aggregate_open(&aggregate, snapshot, &spec, &err));
    while ((status = query_aggregate_next(aggregate, &windows, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < windows.count; i++) {
            answer.samples += windows.samples[i];
            answer.sum += (int64_t)windows.fields[0].sum[i].low;
        }
    }
    CHECK(status == HOLTER_DONE);
    query_aggregate_close(aggregate);
    answer.calls = sim_call_count(world->sim) - calls;
    return answer;
}

static struct shard_outlines_stat stat_of(struct world *world)
{
    return shard_outlines_stat(shard_outlines_of(world->shard));
}

static bool is_gone(void *context, uint64_t user)
{
    const uint64_t *gone = context;
    return *gone == 0 || user == *gone;
}

static void forget(struct world *world, uint64_t user)
{
    shard_outlines_forget(shard_outlines_of(world->shard), is_gone, &user);
}

START_TEST(a_second_query_of_headers_makes_no_call)
{
    struct world *world = world_of_files(0);
    struct shard_snapshot *snapshot;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    struct answer first = ask(world, snapshot, 0, HOLTER_FN_SUM);
    struct answer second = ask(world, snapshot, 0, HOLTER_FN_SUM);
    ck_assert_uint_eq(first.samples, FILES * ROWS);
    ck_assert_uint_eq(second.samples, first.samples);
    ck_assert_int_eq(second.sum, first.sum);
    ck_assert_uint_eq(second.calls, 0);
    ck_assert_uint_eq(stat_of(world).count, FILES);
    ck_assert_uint_eq(stat_of(world).found, FILES);
    struct answer other = ask(world, snapshot, 1, HOLTER_FN_SUM);
    ck_assert_int_eq(other.sum, first.sum);
    ck_assert_uint_eq(stat_of(world).count, 2 * FILES);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(a_first_query_of_headers_reads_a_section_s_end)
{
    struct world *world = world_of_files(0);
    struct shard_snapshot *snapshot;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    ask(world, snapshot, 1, HOLTER_FN_SUM); /* opens the files and finds their directories */
    struct answer answer = ask(world, snapshot, 0, HOLTER_FN_SUM);
    ck_assert_uint_eq(answer.calls, FILES);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(a_file_without_the_user_is_remembered)
{
    struct world *world = world_of_files(0);
    struct shard_snapshot *snapshot;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    uint64_t calls = sim_call_count(world->sim);
    struct query_spec spec = { .user = 500, .from = INT64_MIN, .to = INT64_MAX };
    for (int i = 0; i < 2; i++) {
        struct query_scan *scan;
        uint64_t before = sim_call_count(world->sim);
        CHECK_OK(query_scan_open(&scan, snapshot, &spec, &err));
        query_scan_close(scan);
        calls = sim_call_count(world->sim) - before;
    }
    ck_assert_uint_eq(calls, 0);
    ck_assert_uint_eq(stat_of(world).count, FILES);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(no_more_is_kept_than_was_allowed)
{
    static const uint64_t limits[] = { 1, 600, 2000, 5000, 20000 };
    struct world *world = world_of_files(limits[_i]);
    struct shard_snapshot *snapshot;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    int64_t expected = ask(world, snapshot, 0, HOLTER_FN_SUM).sum;
    for (int i = 0; i < 20; i++) {
        int user = (int)random_below(&world->random, WORLD_USERS);
        uint32_t functions = HOLTER_FN_SUM | (i % 2 == 0 ? HOLTER_FN_FIRST : 0);
        ck_assert_int_eq(ask(world, snapshot, user, functions).sum, expected);
        ck_assert_uint_le(stat_of(world).bytes, limits[_i]);
    }
    CHECK(limits[_i] < 20000 || stat_of(world).found > 0);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(nothing_of_a_user_that_is_gone_is_kept)
{
    struct world *world = world_of_files(0);
    struct shard_snapshot *snapshot;
    struct query_scan *scan;
    const struct columns *rows;
    uint32_t metric, source;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    ask(world, snapshot, 0, HOLTER_FN_SUM);
    size_t bytes = stat_of(world).bytes;
    ask(world, snapshot, 1, HOLTER_FN_SUM);
    forget(world, world_users[1]);
    ck_assert_uint_eq(stat_of(world).bytes, bytes);

    /* one that was being read then is not kept afterwards, though it is read to its end */
    struct query_spec spec = {
        .user = world_users[1], .metric = 1, .from = INT64_MIN, .to = INT64_MAX
    };
    CHECK_OK(query_scan_open(&scan, snapshot, &spec, &err));
    ck_assert_uint_eq(stat_of(world).count, 2 * FILES);
    forget(world, world_users[1]);
    size_t count = 0;
    while (query_scan_next(scan, &metric, &source, &rows, &err) == HOLTER_OK)
        count += rows->count;
    ck_assert_uint_eq(count, FILES * ROWS);
    query_scan_close(scan);
    ck_assert_uint_eq(stat_of(world).count, FILES);
    ck_assert_uint_eq(stat_of(world).bytes, bytes);

    forget(world, 0);
    ck_assert_uint_eq(stat_of(world).bytes, 0);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

START_TEST(an_outline_is_known_when_its_file_is_not_open_any_more)
{
    struct world *world = world_of_files(0);
    struct shard_snapshot *snapshot;
    struct compaction_result result;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    struct answer first = ask(world, snapshot, 0, HOLTER_FN_SUM);
    CHECK_OK(shard_compact(&result, world->shard, TIER_WARM, 0, NULL, NULL, &err));
    struct answer rows = ask(world, snapshot, 0, HOLTER_FN_SUM | HOLTER_FN_FIRST);
    ck_assert_uint_eq(rows.samples, first.samples);
    ck_assert_int_eq(rows.sum, first.sum);
    shard_snapshot_close(snapshot);
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    ck_assert_int_eq(ask(world, snapshot, 0, HOLTER_FN_SUM).sum, first.sum);
    shard_snapshot_close(snapshot);
    world_free(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_outlines");
    TCase *tcase = tcase_create("outlines");
    tcase_add_test(tcase, a_second_query_of_headers_makes_no_call);
    tcase_add_test(tcase, a_first_query_of_headers_reads_a_section_s_end);
    tcase_add_test(tcase, a_file_without_the_user_is_remembered);
    tcase_add_loop_test(tcase, no_more_is_kept_than_was_allowed, 0, 5);
    tcase_add_test(tcase, nothing_of_a_user_that_is_gone_is_kept);
    tcase_add_test(tcase, an_outline_is_known_when_its_file_is_not_open_any_more);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
