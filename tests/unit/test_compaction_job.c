/*
 * test_compaction_job.c -- what one job does to rows and tombstones, case by case.
 *
 * Claim: C3, C4, C6 and J1-J3 at their edges, and that a job which fails leaves nothing behind.
 * Method: commits written out by hand, a step, and then a look at the files.
 */
#include "compaction_world.h"

#include <stdio.h>

enum { FIRST = 0, SECOND = 1 }; /* users */

static struct world *world;
static struct world_memory memory;
static uint64_t flush_first;
static struct compaction_result result;

static void start(void)
{
    world = world_new(1);
    world_memory_init(&memory);
    flush_first = world->sequence;
    result = (struct compaction_result){ 0 };
}

static void stop(void)
{
    world_check(world);
    world_memory_release(&memory);
    world_free(world);
}

/* Heart rate of one source, a commit of its own. */
static void put(int user, int64_t time, int64_t revision)
{
    world_row(world, &memory, user, 0, 0, time, revision);
    world->sequence++;
}

static void forget(int user, int64_t begin, int64_t end, int64_t revision)
{
    world_delete(world, &memory, user, 1, 0, begin, end, revision);
    world->sequence++;
}

static void flush(void)
{
    world_flush(world, &memory, flush_first);
    flush_first = world->sequence;
    world_memory_release(&memory);
    world_memory_init(&memory);
}

static void step(int64_t now_ns, enum manifest_tier to)
{
    CHECK_OK(world_step(world, &result, now_ns, to, &err));
    ck_assert(result.did_work);
    world_check(world);
}

/* A job ends as files that hold these. */
static void expect(uint64_t files, uint64_t rows, uint64_t tombstones)
{
    ck_assert_uint_eq(result.files_out, files);
    ck_assert_uint_eq(result.rows_out, rows);
    ck_assert_uint_eq(result.tombstones_out, tombstones);
}

static int64_t due(int64_t week)
{
    return world_week(week + 1) + COMPACTION_HOT_NS;
}

START_TEST(nothing_to_do_does_nothing)
{
    start();
    result.did_work = true;
    CHECK_OK(world_step(world, &result, INT64_MAX, TIER_WARM, &err));
    ck_assert(!result.did_work);
    stop();
}
END_TEST

START_TEST(a_split_makes_one_file_for_each_partition)
{
    start();
    put(FIRST, world_week(0), 0);
    put(FIRST, world_week(1) - 1, 0);
    put(SECOND, world_week(1), 0);
    put(FIRST, world_week(5), 0);
    flush();
    step(due(5), 0);
    expect(3, 4, 0);
    ck_assert_uint_eq(result.jobs, 1);
    ck_assert_uint_eq(world->version.file_count, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(world->files[i].sequence_min, 1);
        ck_assert_uint_eq(world->files[i].sequence_max, 4); /* J3 */
    }
    ck_assert_int_eq(world->files[1].partition, WORLD_WEEK_FIRST + 1);
    stop();
}
END_TEST

START_TEST(more_partitions_than_outputs_at_once_and_gaps_between_them)
{
    start();
    for (int week = 0; week < 3 * COMPACTION_OUTPUTS_AT_ONCE; week++)
        put(week % 3 == 0 ? SECOND : FIRST, world_week(week * (week > 40 ? 5 : 1)), 0);
    put(FIRST, INT64_MIN + 1, 0); /* one block holds rows from all of time */
    put(FIRST, INT64_MAX - 1, 0);
    flush();
    put(FIRST, world_week(2), 0);
    put(FIRST, world_week(40), 0);
    flush();
    step(0, TIER_WARM);
    expect(3 * COMPACTION_OUTPUTS_AT_ONCE + 2, 3 * COMPACTION_OUTPUTS_AT_ONCE + 2, 0);
    ck_assert_uint_eq(result.files_in, 2);
    stop();
}
END_TEST

START_TEST(a_split_takes_in_the_small_warm_neighbour)
{
    start();
    put(FIRST, world_week(0), 0);
    put(FIRST, world_week(3), 0);
    flush();
    step(0, TIER_WARM);
    put(FIRST, world_week(0) + 1, 0);
    flush();
    step(0, TIER_WARM);
    ck_assert_uint_eq(result.files_in, 2);
    expect(1, 2, 0);
    ck_assert_uint_eq(world->files[0].sequence_min, 1); /* J3 */
    ck_assert_uint_eq(world->files[0].sequence_max, 3);
    stop();
}
END_TEST

START_TEST(a_job_without_output_removes_its_inputs)
{
    start();
    put(FIRST, world_week(0), 0);
    put(SECOND, world_week(1), 0);
    flush();
    forget(FIRST, INT64_MIN, INT64_MAX, 0);
    forget(SECOND, INT64_MIN, INT64_MAX, 0);
    flush();
    step(0, TIER_WARM);
    expect(0, 0, 0);
    ck_assert_uint_eq(result.files_in, 2);
    ck_assert_uint_eq(result.tombstones_in, 2);
    ck_assert_uint_eq(world->version.file_count, 0);
    stop();
}
END_TEST

START_TEST(a_tombstone_goes_once_nothing_older_is_left)
{
    start();
    put(FIRST, world_week(0), 0);
    put(FIRST, world_week(0) + 5, 0);
    flush();
    forget(FIRST, world_week(0), world_week(0) + 3, 0);
    put(FIRST, world_week(0) + 1, 0);
    flush();
    step(due(0), 0);
    expect(1, 2, 0); /* the row that came after it stands */
    stop();
}
END_TEST

START_TEST(a_tombstone_stays_while_an_older_row_lies_elsewhere)
{
    start();
    put(FIRST, world_week(0), 0);
    put(FIRST, world_week(9), 0);
    flush();
    forget(FIRST, world_week(0), world_week(0) + 3, 0);
    flush();
    step(due(0), 0); /* the second file alone, as the first is not due */
    ck_assert_uint_eq(result.files_in, 1);
    expect(1, 0, 1);
    step(due(9), 0); /* the first; it is older than the tombstone's file */
    expect(1, 1, 0);
    stop();
}
END_TEST

START_TEST(a_tombstone_does_not_wait_for_files_of_others)
{
    start();
    put(SECOND, world_week(0) + 1, 0);
    put(SECOND, world_week(9), 0);
    put(FIRST, world_week(9), 0); /* of the user, but outside its span */
    flush();
    forget(FIRST, world_week(0), world_week(0) + 3, 0);
    flush();
    step(due(0), 0);
    expect(0, 0, 0);
    stop();
}
END_TEST

START_TEST(a_tombstone_with_a_revision_stays_and_coalesces)
{
    start();
    forget(FIRST, world_week(0), world_week(0) + 3, 5);
    flush();
    forget(FIRST, world_week(0), world_week(0) + 3, 5);
    put(FIRST, world_week(0) + 1, 5);
    flush();
    step(due(0), 0);
    expect(1, 1, 1);
    put(FIRST, world_week(0) + 2, 4); /* hidden as it comes */
    flush();
    step(due(0), 0);
    expect(1, 1, 1);
    stop();
}
END_TEST

START_TEST(a_tombstone_of_an_earlier_partition_hides_in_a_merge)
{
    /* Weeks 3: rows of sequence 1 and 3; between them a deletion that begins in week 0. */
    start();
    put(FIRST, world_week(3), 0);
    flush();
    step(due(3), 0);
    forget(FIRST, world_week(0), world_week(4), 0);
    put(FIRST, world_week(0) - 1, 0); /* so that its file has rows */
    flush();
    step(due(0), 0);
    ck_assert_uint_eq(world->version.file_count, 3);
    put(FIRST, world_week(3) + 1, 0);
    flush();
    step(due(3), 0); /* takes the first file in, and not the tombstone's */
    ck_assert_uint_eq(result.files_in, 2);
    expect(1, 1, 0);
    stop();
}
END_TEST

START_TEST(a_tombstone_of_an_input_of_another_pass_hides_too)
{
    start();
    int64_t last = 2 * COMPACTION_OUTPUTS_AT_ONCE;
    put(FIRST, world_week(last), 0);
    flush();
    step(0, TIER_WARM);
    forget(FIRST, world_week(0), world_week(last) + 1, 0);
    for (int64_t week = 0; week <= last; week++)
        put(FIRST, world_week(week) + 2, 0);
    flush();
    step(0, TIER_WARM);
    ck_assert_uint_eq(result.files_in, 2);
    expect((uint64_t)last + 1, (uint64_t)last + 1, 0);
    stop();
}
END_TEST

START_TEST(a_tombstone_of_a_warm_input_of_another_pass_hides_too)
{
    start();
    int64_t last = 2 * COMPACTION_OUTPUTS_AT_ONCE;
    put(FIRST, world_week(last), 0);
    flush();
    step(0, TIER_WARM);
    put(FIRST, world_week(0), 0);
    forget(FIRST, world_week(0), world_week(last) + 1, 7);
    flush();
    step(0, TIER_WARM);
    ck_assert_uint_eq(world->version.file_count, 2);
    for (int64_t week = 0; week <= last; week++)
        put(FIRST, world_week(week) + 2, 8);
    flush();
    step(0, TIER_WARM);
    ck_assert_uint_eq(result.files_in, 3);
    expect((uint64_t)last + 1, (uint64_t)last + 1, 1);
    stop();
}
END_TEST

START_TEST(merged_files_become_one)
{
    start();
    for (int i = 0; i < 5; i++) {
        put(FIRST, world_week(0) + i, 0);
        flush();
        step(0, TIER_WARM);
    }
    ck_assert_uint_eq(world->version.file_count, 1);
    expect(1, 5, 0);
    stop();
}
END_TEST

/* ---- cold ------------------------------------------------------------------------------------ */

/* 90 days after weeks 0 to 3, or 4 to 7, ended. */
static int64_t due_cold(int64_t month)
{
    return world_week(4 * month + 4) + COMPACTION_WARM_NS;
}

/* The one file of these four weeks. */
static void expect_cold(int64_t month, uint64_t min, uint64_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < world->version.file_count; i++) {
        const struct manifest_file *file = &world->files[i];
        if (!manifest_shares_time(file, TIER_COLD, WORLD_WEEK_FIRST / 4 + month))
            continue;
        count++;
        ck_assert_int_eq(file->tier, TIER_COLD);
        ck_assert_int_eq(file->partition, WORLD_WEEK_FIRST / 4 + month);
        ck_assert_uint_eq(file->sequence_min, min);
        ck_assert_uint_eq(file->sequence_max, max);
    }
    ck_assert_uint_eq(count, 1);
}

START_TEST(four_weeks_become_one_cold_file)
{
    start();
    for (int64_t week = 0; week < 5; week++) {
        put(FIRST, world_week(week), 0);
        put(SECOND, world_week(week + 1) - 1, 0);
    }
    flush();
    put(FIRST, world_week(2) + 7, 0);
    flush();
    step(0, TIER_WARM);
    ck_assert_uint_eq(world->version.file_count, 5);
    step(due_cold(0), 0);
    ck_assert_uint_eq(result.files_in, 4);
    expect(1, 9, 0);
    ck_assert_uint_eq(world->version.file_count, 2);
    expect_cold(0, 1, 11); /* J3 */
    CHECK_OK(world_step(world, &result, due_cold(1) - 1, 0, &err));
    ck_assert(!result.did_work);
    stop();
}
END_TEST

START_TEST(a_cold_file_takes_in_what_came_late_and_never_turns_warm)
{
    start();
    put(FIRST, world_week(0), 0);
    put(FIRST, world_week(3), 0);
    flush();
    world_settle(world, 0, TIER_COLD);
    expect_cold(0, 1, 2);
    put(FIRST, world_week(3), 1); /* corrected */
    put(FIRST, world_week(3) + 1, 0);
    flush();
    world_settle(world, 0, TIER_WARM);
    ck_assert_uint_eq(world->version.file_count, 2); /* C7 */
    step(due_cold(0), 0);
    ck_assert_uint_eq(result.files_in, 2);
    expect(1, 3, 0);
    expect_cold(0, 1, 4);
    world_settle(world, 0, TIER_WARM);
    expect_cold(0, 1, 4);
    stop();
}
END_TEST

START_TEST(a_tombstone_goes_once_its_weeks_are_one_cold_file)
{
    start();
    put(FIRST, world_week(2), 0);
    flush();
    step(0, TIER_WARM);
    world->files[0].bytes += 1 << 20; /* so that a split does not take it in */
    forget(FIRST, world_week(1), world_week(3), 0);
    put(FIRST, world_week(2) + 1, 0);
    flush();
    step(0, TIER_WARM);
    ck_assert_uint_eq(world->version.file_count, 3);
    expect(2, 1, 1);
    step(due_cold(0), 0);
    ck_assert_uint_eq(result.files_in, 3);
    expect(1, 1, 0);
    stop();
}
END_TEST

START_TEST(a_tombstone_stays_while_an_older_row_lies_in_a_cold_file)
{
    start();
    put(FIRST, world_week(5), 0);
    put(SECOND, world_week(5), 0);
    flush();
    world_settle(world, 0, TIER_COLD);
    expect_cold(1, 1, 2);
    forget(FIRST, world_week(2), world_week(6), 0);
    put(FIRST, world_week(1), 0);
    flush();
    world_settle(world, 0, TIER_WARM);
    step(due_cold(0), 0);
    expect(1, 1, 1); /* C4: the cold file of the next four weeks has a row of its span */
    expect_cold(0, 3, 4);

    put(SECOND, world_week(4), 0);
    flush();
    world_settle(world, due_cold(1), TIER_COLD); /* C3: the row goes, and the other's stay */
    expect_cold(1, 1, 5);
    put(FIRST, world_week(0), 0);
    flush();
    step(0, TIER_COLD);
    step(0, TIER_COLD);
    expect(1, 2, 0); /* nothing is left that needs the tombstone */
    stop();
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

/* Names in the directory, but for the list of live files: as many as there are live ones. */
static void expect_no_leftovers(void)
{
    struct io_names names;
    CHECK_OK(io_list(&names, world->io, "shard", &err));
    ck_assert_uint_eq(names.count, world->version.file_count + 1);
    io_names_release(&names);
}

static void prepare_failure(void)
{
    start();
    put(FIRST, world_week(0), 0);
    put(SECOND, world_week(1), 0);
    put(SECOND, world_week(2), 0);
    flush();
    put(FIRST, world_week(1), 0);
    flush();
}

/* Which call of go_on says no. */
static uint64_t go_on_left;
static uint64_t go_on_done, go_on_all;

static bool go_on(void *context, uint64_t rows_done, uint64_t rows_all)
{
    (void)context;
    ck_assert_uint_le(go_on_done, rows_done);
    go_on_done = rows_done;
    go_on_all = rows_all;
    return go_on_left-- > 0;
}

static holter_status step_while_asked(void)
{
    struct compaction_spec spec = {
        .segment = world_segments(world),
        .version = &world->version,
        .commit = world_commit,
        .commit_context = world,
        .arena = world->arena,
        .keys = { world_keys_get, world_keys_put, world },
        .to = TIER_WARM,
        .go_on = go_on,
    };
    return compaction_step(&result, &spec, &err);
}

START_TEST(a_job_is_given_up_at_any_user)
{
    prepare_failure();
    holter_status status = HOLTER_BUSY;
    uint64_t calls = 0;
    for (; status == HOLTER_BUSY; calls++) {
        go_on_left = calls;
        go_on_done = 0;
        result = (struct compaction_result){ .jobs = 99 };
        status = step_while_asked();
        if (status != HOLTER_OK) {
            ck_assert_int_eq(status, HOLTER_BUSY);
            ck_assert_int_eq(err.status, HOLTER_BUSY);
            ck_assert_uint_eq(result.jobs, 99);
            ck_assert_uint_eq(world->version.file_count, 2);
            expect_no_leftovers();
        }
        ck_assert_uint_eq(world->keys_held, 0);
    }
    CHECK_OK(status);
    ck_assert_uint_eq(go_on_done, 4);
    ck_assert_uint_eq(go_on_all, 4);
    ck_assert_uint_gt(calls, 4);
    stop();
}
END_TEST

START_TEST(a_damaged_input_fails_the_job_by_name)
{
    prepare_failure();
    char name[MANIFEST_FILE_NAME_BYTES], path[64];
    manifest_file_name(name, world->files[_i].id);
    snprintf(path, sizeof path, "shard/%s", name);
    CHECK_OK(sim_file_flip(world->sim, path, 8 * 1030));
    ck_assert_int_eq(world_step(world, &result, 0, TIER_WARM, &err), HOLTER_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, name));
    ck_assert_uint_eq(world->keys_held, 0);
    ck_assert_uint_eq(world->version.file_count, 2);
    expect_no_leftovers();
    CHECK_OK(sim_file_flip(world->sim, path, 8 * 1030));
    step(0, TIER_WARM);
    stop();
}
END_TEST

START_TEST(a_missing_file_fails_the_job_by_name)
{
    /* Of an input, and of a file that is asked for its tombstones only. */
    start();
    put(FIRST, world_week(0), 0);
    forget(FIRST, world_week(0), world_week(9), 1);
    flush();
    put(FIRST, world_week(8), 2);
    flush();
    if (_i == 1)
        step(due(0), 0);
    char name[MANIFEST_FILE_NAME_BYTES], path[64];
    for (size_t i = 0; i < world->version.file_count; i++) {
        if (world->files[i].tombstones > 0)
            manifest_file_name(name, world->files[i].id);
    }
    snprintf(path, sizeof path, "shard/%s", name);
    CHECK_OK(io_rename(world->io, path, "shard/away", &err));
    ck_assert_int_eq(world_step(world, &result, 0, TIER_WARM, &err), HOLTER_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, name));
    CHECK_OK(io_rename(world->io, "shard/away", path, &err));
    step(0, TIER_WARM);
    stop();
}
END_TEST

static holter_status deny(void *context, uint64_t user, uint32_t stored,
                          const struct crypto_key **key, uint32_t *generation,
                          const struct crypto_key **newest, holter_error *error)
{
    if (user == world_users[SECOND])
        return error_set(error, HOLTER_DENIED, "no key");
    return world_keys_get(context, user, stored, key, generation, newest, error);
}

START_TEST(a_missing_key_fails_the_job)
{
    prepare_failure();
    struct compaction_spec spec = {
        .segment = world_segments(world),
        .version = &world->version,
        .commit = world_commit,
        .commit_context = world,
        .arena = world->arena,
        .keys = { deny, world_keys_put, world },
        .to = TIER_WARM,
    };
    ck_assert_int_eq(compaction_step(&result, &spec, &err), HOLTER_DENIED);
    ck_assert_uint_eq(world->version.file_count, 2);
    expect_no_leftovers();
    stop();
}
END_TEST

static holter_status refuse(void *context, const struct manifest_edit *edit, holter_error *error)
{
    (void)context;
    (void)edit;
    return error_set(error, HOLTER_IO, "refused");
}

START_TEST(outputs_stay_when_the_edit_failed)
{
    /* It may have reached the disk all the same, and then names them. */
    prepare_failure();
    struct compaction_spec spec = {
        .segment = world_segments(world),
        .version = &world->version,
        .commit = refuse,
        .arena = world->arena,
        .keys = { world_keys_get, world_keys_put, world },
        .to = TIER_WARM,
    };
    ck_assert_int_eq(compaction_step(&result, &spec, &err), HOLTER_IO);
    struct io_names names;
    CHECK_OK(io_list(&names, world->io, "shard", &err));
    ck_assert_uint_eq(names.count, 1 + 2 + 3);
    io_names_release(&names);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compaction_job");
    TCase *tcase = tcase_create("job");
    tcase_add_test(tcase, nothing_to_do_does_nothing);
    tcase_add_test(tcase, a_split_makes_one_file_for_each_partition);
    tcase_add_test(tcase, more_partitions_than_outputs_at_once_and_gaps_between_them);
    tcase_add_test(tcase, a_split_takes_in_the_small_warm_neighbour);
    tcase_add_test(tcase, a_job_without_output_removes_its_inputs);
    tcase_add_test(tcase, a_tombstone_goes_once_nothing_older_is_left);
    tcase_add_test(tcase, a_tombstone_stays_while_an_older_row_lies_elsewhere);
    tcase_add_test(tcase, a_tombstone_does_not_wait_for_files_of_others);
    tcase_add_test(tcase, a_tombstone_with_a_revision_stays_and_coalesces);
    tcase_add_test(tcase, a_tombstone_of_an_earlier_partition_hides_in_a_merge);
    tcase_add_test(tcase, a_tombstone_of_an_input_of_another_pass_hides_too);
    tcase_add_test(tcase, a_tombstone_of_a_warm_input_of_another_pass_hides_too);
    tcase_add_test(tcase, merged_files_become_one);
    tcase_add_test(tcase, four_weeks_become_one_cold_file);
    tcase_add_test(tcase, a_cold_file_takes_in_what_came_late_and_never_turns_warm);
    tcase_add_test(tcase, a_tombstone_goes_once_its_weeks_are_one_cold_file);
    tcase_add_test(tcase, a_tombstone_stays_while_an_older_row_lies_in_a_cold_file);
    tcase_add_test(tcase, a_job_is_given_up_at_any_user);
    tcase_add_loop_test(tcase, a_damaged_input_fails_the_job_by_name, 0, 2);
    tcase_add_loop_test(tcase, a_missing_file_fails_the_job_by_name, 0, 2);
    tcase_add_test(tcase, a_missing_key_fails_the_job);
    tcase_add_test(tcase, outputs_stay_when_the_edit_failed);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
