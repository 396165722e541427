/*
 * test_memtable_rows.c -- gathering a user's frames gives series in order and every deletion, and
 * fails cleanly.
 *
 * Claim: series come by (metric, source), rows of every frame in order of (time, key, revision,
 * sequence), a filter leaves out nothing that it asks for, deletions have the sequence of their
 * part's first frame and pass every filter. Method: frames made by hand; then the n-th allocation
 * of each call fails, for every n. How rows of frames are put in order: test_memtable_run.c.
 */
#include "alloc_fail.h"

#include "memtable_world.h"
#include "series_rows.h"

static holter_error err;
static const struct memtable_filter everything = { .from = INT64_MIN, .to = INT64_MAX };

/* Three frames of one user: two metrics, two sources, times that meet, three deletions. */
static void make_frames(struct memtable_frame *frames[static 3])
{
    struct wal_body *body = world_body();
    world_body_rows(body, 9, 2, 100, 3, 0, 5);
    world_body_rows(body, 4, 1, 200, 2, 0, 5);
    world_body_tombstone(body, 0, 0, 0, 50, 0);
    frames[0] = world_frame(5, 1, body);
    body = world_body();
    world_body_rows(body, 9, 1, 100, 1, 0, 6);
    world_body_rows(body, 9, 2, 90, 3, 1000, 6); /* 90, 100, 110 */
    world_body_tombstone(body, 9, 2, 100, 101, 3);
    world_body_tombstone(body, 9, 0, 0, 1, 0);
    frames[1] = world_frame(6, 1, body);
    frames[1]->first_sequence = 5;
    frames[2] = world_frame(7, 1, world_body());
}

static void free_frames(struct memtable_frame *frames[static 3])
{
    for (size_t i = 0; i < 3; i++)
        memtable_frame_unref(frames[i]);
}

/* The caller keeps its frames. */
static holter_status gather(struct memtable_rows *out, struct memtable_frame *const *frames,
                            size_t count, const struct memtable_filter *filter)
{
    struct memtable_frame **moved = calloc(count, sizeof(struct memtable_frame *));
    CHECK(moved != NULL);
    for (size_t i = 0; i < count; i++)
        moved[i] = memtable_frame_ref(frames[i]);
    return memtable_rows_gather(out, moved, count, filter, &err);
}

START_TEST(rows_come_by_series_and_in_order)
{
    static const struct {
        int64_t time, value;
        uint64_t sequence;
    } expected[] = { { 90, 1090, 6 }, { 100, 100, 5 },  { 100, 1100, 6 },
                     { 110, 110, 5 }, { 110, 1110, 6 }, { 120, 120, 5 } };
    struct memtable_frame *frames[3];
    struct memtable_rows rows;
    make_frames(frames);
    ck_assert_int_eq(gather(&rows, frames, 3, &everything), HOLTER_OK);
    ck_assert_uint_eq(rows.series_count, 3);
    ck_assert_uint_eq(rows.series[0].metric, 4);
    ck_assert_uint_eq(rows.series[0].source, 1);
    ck_assert_uint_eq(rows.series[0].row_count, 2);
    ck_assert_uint_eq(rows.series[1].metric, 9);
    ck_assert_uint_eq(rows.series[1].source, 1);
    ck_assert_uint_eq(rows.series[1].row_count, 1);
    free_frames(frames); /* the rows hold them */
    struct columns last;
    columns_init(&last, &world_instant);
    ck_assert_uint_eq(rows.series[2].source, 2);
    ck_assert_uint_eq(rows.series[2].row_count, CORE_COUNT(expected));
    ck_assert_int_eq(rows.series[2].begin_max, 120);
    ck_assert_int_eq(series_rows(&last, &rows.series[2], INT64_MIN, NULL, NULL), HOLTER_OK);
    ck_assert_uint_eq(last.count, CORE_COUNT(expected));
    for (size_t i = 0; i < last.count; i++) {
        ck_assert_int_eq(last.time[i], expected[i].time);
        ck_assert_int_eq(last.field[0][i], expected[i].value);
        ck_assert_uint_eq(last.sequence[i], expected[i].sequence);
    }
    columns_release(&last);
    memtable_rows_release(&rows);
}
END_TEST

START_TEST(deletions_have_their_parts_first_sequence_and_pass_every_filter)
{
    const struct memtable_filter narrow = { .metric = 4, .source = 1, .from = 0, .to = 1 };
    struct memtable_frame *frames[3];
    struct memtable_rows rows;
    make_frames(frames);
    ck_assert_int_eq(gather(&rows, frames, 3, &narrow), HOLTER_OK);
    ck_assert_uint_eq(rows.series_count, 0);
    ck_assert_uint_eq(rows.tombstones.count, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(rows.tombstones.at[i].sequence, 5);
    ck_assert_int_eq(rows.tombstones.at[1].revision, 3);
    ck_assert_uint_eq(rows.tombstones.at[1].metric, 9);
    ck_assert_int_eq(rows.tombstones.at[1].begin, 100);
    ck_assert_int_eq(rows.tombstones.at[1].end, 101);
    memtable_rows_release(&rows);
    free_frames(frames);
}
END_TEST

/* series and rows of the parts that reach into the filter's range; inside: rows that it asks for */
static const struct filter_case {
    struct memtable_filter filter;
    size_t series, rows, inside;
} filter_cases[] = {
    { { 0, 0, INT64_MIN, INT64_MAX }, 3, 9, 9 },
    { { 9, 0, INT64_MIN, INT64_MAX }, 2, 7, 7 },
    { { 9, 2, INT64_MIN, INT64_MAX }, 1, 6, 6 },
    { { 9, 3, INT64_MIN, INT64_MAX }, 0, 0, 0 },
    { { 5, 0, INT64_MIN, INT64_MAX }, 0, 0, 0 },
    { { 0, 1, INT64_MIN, INT64_MAX }, 2, 3, 3 },
    { { 9, 2, 100, 110 }, 1, 6, 2 },
    { { 9, 2, 101, 110 }, 1, 6, 0 },
    { { 9, 2, INT64_MIN, 91 }, 1, 3, 1 },
    { { 9, 2, 111, INT64_MAX }, 1, 3, 1 },
    { { 9, 2, 121, INT64_MAX }, 0, 0, 0 },
    { { 9, 2, INT64_MIN, 90 }, 0, 0, 0 },
    { { 0, 0, 110, 90 }, 0, 0, 0 },
};

START_TEST(a_filter_leaves_out_nothing_that_it_asks_for)
{
    const struct filter_case *one = &filter_cases[_i];
    struct memtable_frame *frames[3];
    struct memtable_rows rows;
    make_frames(frames);
    size_t found = 0;
    size_t inside = 0;
    ck_assert_int_eq(gather(&rows, frames, 3, &one->filter), HOLTER_OK);
    for (size_t i = 0; i < rows.series_count; i++) {
        struct columns columns;
        world_rows(&columns, &rows.series[i]);
        found += rows.series[i].row_count;
        ck_assert_uint_eq(columns.count, rows.series[i].row_count);
        for (size_t row = 0; row < columns.count; row++)
            inside += columns.time[row] >= one->filter.from && columns.time[row] < one->filter.to;
        columns_release(&columns);
    }
    ck_assert_uint_eq(rows.series_count, one->series);
    ck_assert_uint_eq(found, one->rows);
    ck_assert_uint_eq(inside, one->inside);
    memtable_rows_release(&rows);
    free_frames(frames);
}
END_TEST

START_TEST(no_frames_give_no_rows)
{
    struct memtable_rows rows;
    ck_assert_int_eq(memtable_rows_gather(&rows, NULL, 0, &everything, NULL), HOLTER_OK);
    ck_assert_uint_eq(rows.series_count, 0);
    ck_assert_uint_eq(rows.tombstones.count, 0);
    memtable_rows_release(&rows);
    memtable_rows_release(&rows);
}
END_TEST

START_TEST(two_schemas_of_one_series_are_damage)
{
    static const struct schema other = { .kind = SAMPLE_INTERVAL,
                                         .field_count = 1,
                                         .key_field = SCHEMA_NO_KEY,
                                         .types = { FIELD_INT } };
    struct memtable_frame *frames[2];
    struct memtable_rows rows;
    struct wal_body *body = world_body();
    world_body_rows(body, 9, 1, 100, 3, 0, 1);
    frames[0] = world_frame(1, 1, body);
    body = world_body();
    struct wal_part *part = &body->parts[body->part_count++];
    *part = (struct wal_part){ .metric = 9, .source = 1 };
    columns_init(&part->columns, &other);
    ck_assert(columns_append(&part->columns, &(struct row){ .time = 5, .duration = 1 }));
    frames[1] = world_frame(2, 1, body);
    ck_assert_int_eq(gather(&rows, frames, 2, &everything), HOLTER_OK);
    ck_assert_uint_eq(rows.series_count, 1);
    struct columns columns;
    struct memtable_run *run;
    columns_init(&columns, &rows.series[0].schema);
    ck_assert_int_eq(series_rows(&columns, &rows.series[0], INT64_MIN, NULL, &err), HOLTER_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "another schema of metric 9"));
    ck_assert_int_eq(memtable_run_open(&run, &rows.series[0], 200, &err), HOLTER_OK);
    memtable_run_close(run);
    columns_release(&columns);
    memtable_rows_release(&rows);
    memtable_frame_unref(frames[0]);
    memtable_frame_unref(frames[1]);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

START_TEST(gathering_may_fail_at_each_allocation)
{
    struct memtable_frame *frames[3];
    struct memtable_rows rows;
    bool has_failed = true;
    unsigned long left = 0;
    make_frames(frames);
    for (; has_failed; left++) {
        struct memtable_frame **moved = calloc(3, sizeof(struct memtable_frame *));
        ck_assert_ptr_nonnull(moved);
        for (size_t i = 0; i < 3; i++)
            moved[i] = memtable_frame_ref(frames[i]);
        alloc_fail_arm(left, _i == 1);
        holter_status status = memtable_rows_gather(&rows, moved, 3, &everything, NULL);
        has_failed = alloc_fail_disarm();
        ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
    }
    ck_assert_uint_gt(left, 4);
    ck_assert_uint_eq(rows.series_count, 3);
    memtable_rows_release(&rows);
    free_frames(frames);
}
END_TEST

/* Until the call succeeds: it fails without effect. */
START_TEST(adding_may_fail_at_each_allocation)
{
    struct memtable *memtable;
    bool has_failed = true;
    alloc_fail_arm(0, false);
    holter_status made = memtable_new(&memtable, NULL);
    alloc_fail_disarm();
    ck_assert_int_eq(made, HOLTER_NO_MEMORY);
    ck_assert_ptr_null(memtable);
    memtable = world_memtable();
    for (uint64_t s = 1; s <= 300; s++) { /* the table grows meanwhile */
        struct memtable_frame *frame = world_frame(s, 1 + s % 150, NULL);
        has_failed = true;
        for (unsigned long left = 0; has_failed; left++) {
            alloc_fail_arm(left, _i == 1);
            holter_status status = memtable_add(memtable, frame, NULL);
            has_failed = alloc_fail_disarm();
            ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
            ck_assert_uint_eq(memtable_frame_count(memtable), has_failed ? s - 1 : s);
        }
        memtable_frame_unref(frame);
    }
    for (uint64_t user = 1; user <= 150; user++) {
        struct memtable_frame **found;
        size_t count;
        ck_assert_int_eq(memtable_user(&found, &count, memtable, user, 0, UINT64_MAX, &everything,
                                       NULL),
                         HOLTER_OK);
        ck_assert_uint_eq(count, 2);
        memtable_frames_free(found, count);
    }
    memtable_unref(memtable);
}
END_TEST

START_TEST(a_frame_that_does_not_fit_is_told)
{
    struct wal_body *body = world_body();
    struct wal_frame_read read = { .sequence = 1, .user = 1 };
    struct memtable_frame *frame;
    struct memtable_body known;
    struct buffer bytes;
    world_body_rows(body, 1, 1, 0, 10, 0, 1);
    world_encode(&known, &bytes, body);
    alloc_fail_arm(0, true);
    holter_status status = memtable_frame_new(&frame, &read, 1, &known, NULL);
    alloc_fail_disarm();
    ck_assert_int_eq(status, HOLTER_NO_MEMORY);
    ck_assert_ptr_null(frame);
    memtable_body_release(&known);
    buffer_release(&bytes);
}
END_TEST

/* Frames come from the log, where a checksum and a seal stand for them; memory may still be damaged. */
START_TEST(a_body_that_is_not_well_formed_is_told_with_its_place)
{
    struct wal_frame_read read = { .sequence = 1, .user = 1, .file = 12, .offset = 8192 };
    static const uint8_t damaged[] = { 0, 9, 1, 255 };
    struct memtable_part part = { .metric = 9, .source = 1, .rows = 1, .offset = 1 };
    const struct memtable_body known = {
        .bytes = damaged, .count = sizeof damaged, .parts = &part, .part_count = 1
    };
    struct memtable_frame *frame;
    struct memtable_rows rows;
    ck_assert_int_eq(memtable_frame_new(&frame, &read, 1, &known, NULL), HOLTER_OK);
    ck_assert_int_eq(gather(&rows, &frame, 1, &everything), HOLTER_CORRUPT);
    ck_assert_str_eq(err.message, "log file 12, offset 8192: a frame's body is not well formed");
    memtable_frame_unref(frame);
}
END_TEST

START_TEST(lists_and_copies_may_fail_at_each_allocation)
{
    struct memtable *memtable = world_memtable();
    struct memtable *after;
    struct memtable_frame **frames;
    uint64_t *users;
    size_t count;
    for (uint64_t s = 1; s <= 100; s++)
        world_add(memtable, s, 1 + s % 70);
    bool has_failed = true;
    for (unsigned long left = 0; has_failed; left++) {
        alloc_fail_arm(left, _i == 1);
        holter_status status = memtable_after(&after, memtable, 20, NULL);
        has_failed = alloc_fail_disarm();
        ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
        ck_assert(has_failed == (after == NULL));
        ck_assert_uint_eq(memtable_frame_count(memtable), 100);
    }
    ck_assert_uint_eq(memtable_frame_count(after), 81);
    alloc_fail_arm(0, _i == 1);
    holter_status status = memtable_users(&users, &count, memtable, 5, NULL);
    alloc_fail_disarm();
    ck_assert_int_eq(status, HOLTER_NO_MEMORY);
    alloc_fail_arm(0, _i == 1);
    status = memtable_user(&frames, &count, memtable, 1, 0, 90, &everything, NULL);
    alloc_fail_disarm();
    ck_assert_int_eq(status, HOLTER_NO_MEMORY);
    memtable_unref(after);
    memtable_unref(memtable);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memtable_rows");
    TCase *tcase = tcase_create("rows");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, rows_come_by_series_and_in_order);
    tcase_add_test(tcase, deletions_have_their_parts_first_sequence_and_pass_every_filter);
    tcase_add_loop_test(tcase, a_filter_leaves_out_nothing_that_it_asks_for, 0,
                        (int)CORE_COUNT(filter_cases));
    tcase_add_test(tcase, no_frames_give_no_rows);
    tcase_add_test(tcase, two_schemas_of_one_series_are_damage);
    tcase_add_loop_test(tcase, gathering_may_fail_at_each_allocation, 0, 2);
    tcase_add_loop_test(tcase, adding_may_fail_at_each_allocation, 0, 2);
    tcase_add_test(tcase, a_frame_that_does_not_fit_is_told);
    tcase_add_test(tcase, a_body_that_is_not_well_formed_is_told_with_its_place);
    tcase_add_loop_test(tcase, lists_and_copies_may_fail_at_each_allocation, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
