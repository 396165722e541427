/*
 * test_merge_rules.c -- the rules of merge one by one, its failures and its cost.
 *
 * Claim: each of M1-M4 decides as merge.h says, a failing run or allocation leaves the output as it
 * was, and rows nobody disputes are copied in stretches, whatever number of ranges was replaced.
 */
#include "merge/merge.h"
#include "alloc_fail.h"
#include "memory_run.h"
#include "run.h"

#include <string.h>

static const struct schema plain = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
static const struct schema interval = { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } };
static const struct schema texts = { SAMPLE_INSTANT, 2, 1, { FIELD_INT, FIELD_TEXT } };

static void add(struct columns *c, int64_t time, int64_t value, int64_t revision, uint64_t sequence)
{
    struct row row = {
        .time = time, .field = { value }, .revision = revision, .sequence = sequence
    };
    row.text[1] = (const uint8_t *)"key";
    row.text_bytes[1] = 3;
    ck_assert(columns_append(c, &row));
}

static struct merge_spec spec_over(struct merge_run *runs, size_t run_count,
                                   const struct schema *schema)
{
    return (struct merge_spec){ .runs = runs,
                                .run_count = run_count,
                                .metric = 1,
                                .source = 1,
                                .schema = *schema,
                                .from = INT64_MIN,
                                .to = INT64_MAX,
                                .ends_after = INT64_MAX };
}

static void merge_all(struct columns *out, const struct merge_spec *spec, uint64_t *superseded,
                      uint64_t *hidden)
{
    struct merge *merge;
    ck_assert_int_eq(merge_new(&merge, spec, NULL), HOLTER_OK);
    while (merge_next(merge, out, 1000, NULL) == HOLTER_OK)
        ;
    ck_assert_int_eq(merge_next(merge, out, 1000, NULL), HOLTER_DONE);
    merge_counts(merge, superseded, hidden);
    merge_free(merge);
}

/* ---- which of two rows stands ---------------------------------------------------------------- */

/* Two rows at time 10, values 1 and 2; a tombstone over it where its sequence is not 0. */
static const struct {
    const char *rule;
    int64_t revisions[2];
    uint64_t sequences[2];
    int64_t tombstone_revision;
    uint64_t tombstone_sequence;
    int64_t stands; /* 0: none */
    uint64_t superseded, hidden;
} duels[] = {
    { "M1: the later one", { 0, 0 }, { 1, 2 }, 0, 0, 2, 1, 0 },
    { "M1: whichever comes first", { 0, 0 }, { 2, 1 }, 0, 0, 1, 1, 0 },
    { "M1: the higher revision, though earlier", { 5, 4 }, { 1, 2 }, 0, 0, 1, 1, 0 },
    { "M1: of equal ones the later run's", { 5, 5 }, { 3, 3 }, 0, 0, 2, 1, 0 },
    { "M2: the earlier is hidden", { 0, 0 }, { 1, 2 }, 0, 2, 2, 0, 1 },
    { "M2: both are", { 0, 9 }, { 1, 2 }, 0, 3, 0, 0, 2 },
    { "M2: lower revisions are, however late", { 1, 3 }, { 8, 2 }, 3, 1, 2, 0, 1 },
    { "M3: a hidden row hides no other", { 9, 1 }, { 1, 4 }, 0, 2, 2, 0, 1 },
};

/* In one exact run, in two exact runs, in two files. */
START_TEST(of_two_rows_the_right_one_stands)
{
    for (int shape = 0; shape < 3; shape++) {
        size_t run_count = shape == 0 ? 1 : 2;
        struct columns rows[2], out;
        struct merge_run runs[2];
        struct merge_memory memories[2];
        columns_init(&out, &plain);
        for (size_t i = 0; i < 2; i++)
            columns_init(&rows[i], &plain);
        for (size_t i = 0; i < 2; i++)
            add(&rows[run_count == 1 ? 0 : i], 10, (int64_t)i + 1, duels[_i].revisions[i],
                duels[_i].sequences[i]);
        for (size_t i = 0; i < run_count; i++) {
            ck_assert(columns_sort(&rows[i]));
            merge_memory_run(&runs[i], &memories[i], &rows[i]);
            if (shape == 2) {
                runs[i].is_exact = false;
                runs[i].sequence_min = runs[i].sequence_max = duels[_i].sequences[i];
                rows[i].sequence[0] = 77; /* not to be looked at */
            }
        }
        struct tombstone one = {
            1, 1, 10, 11, duels[_i].tombstone_revision, duels[_i].tombstone_sequence
        };
        struct tombstones tombstones = { .at = &one, .count = one.sequence != 0 };
        struct merge_spec spec = spec_over(runs, run_count, &plain);
        spec.tombstones = &tombstones;
        uint64_t superseded, hidden;
        merge_all(&out, &spec, &superseded, &hidden);

        ck_assert_msg(out.count == (duels[_i].stands != 0), "%s", duels[_i].rule);
        if (out.count > 0)
            ck_assert_msg(out.field[0][0] == duels[_i].stands, "%s", duels[_i].rule);
        ck_assert_uint_eq(superseded, duels[_i].superseded);
        ck_assert_uint_eq(hidden, duels[_i].hidden);
        for (size_t i = 0; i < 2; i++)
            columns_release(&rows[i]);
        columns_release(&out);
    }
}
END_TEST

START_TEST(a_file_is_as_old_as_its_newest_row)
{
    /* M4: the tombstone's sequence lies in the file's range, so its writer has applied it. */
    static const struct {
        uint64_t sequence;
        size_t stand;
    } cases[] = { { 3, 1 }, { 5, 1 }, { 6, 0 } };
    for (size_t i = 0; i < CORE_COUNT(cases); i++) {
        struct columns rows, out;
        struct merge_run run;
        struct merge_memory memory;
        columns_init(&rows, &plain);
        columns_init(&out, &plain);
        add(&rows, 10, 1, 0, 0);
        merge_memory_run(&run, &memory, &rows);
        run.is_exact = false;
        run.sequence_min = 2;
        run.sequence_max = 5;
        struct tombstone one = { 0, 0, 0, 20, 0, cases[i].sequence };
        struct tombstones tombstones = { .at = &one, .count = 1 };
        struct merge_spec spec = spec_over(&run, 1, &plain);
        spec.tombstones = &tombstones;
        uint64_t superseded, hidden;
        merge_all(&out, &spec, &superseded, &hidden);
        ck_assert_uint_eq(out.count, cases[i].stand);
        columns_release(&rows);
        columns_release(&out);
    }
}
END_TEST

/* ---- ranges ---------------------------------------------------------------------------------- */

START_TEST(a_row_that_lost_does_not_last_beyond_from)
{
    /* The superseded row ends at 100, the one that stands at 12: nothing overlaps [50, 60). */
    struct columns rows, out;
    struct merge_run run;
    struct merge_memory memory;
    uint64_t superseded, hidden;
    columns_init(&rows, &interval);
    columns_init(&out, &interval);
    add(&rows, 10, 1, 0, 1);
    rows.duration[0] = 90;
    add(&rows, 10, 2, 0, 2);
    rows.duration[1] = 2;
    merge_memory_run(&run, &memory, &rows);
    struct merge_spec spec = spec_over(&run, 1, &interval);
    spec.from = spec.ends_after = 50;
    spec.to = 60;
    merge_all(&out, &spec, &superseded, &hidden);
    ck_assert_uint_eq(out.count, 0);

    rows.sequence[1] = 1; /* now the longer one is the later */
    rows.sequence[0] = 2;
    ck_assert(columns_sort(&rows));
    merge_memory_run(&run, &memory, &rows);
    merge_all(&out, &spec, &superseded, &hidden);
    ck_assert_uint_eq(out.count, 1);
    ck_assert_int_eq(out.field[0][0], 1);

    columns_clear(&out);
    merge_memory_run(&run, &memory, &rows);
    spec.ends_after = 100; /* it ends at 100, not after */
    merge_all(&out, &spec, &superseded, &hidden);
    ck_assert_uint_eq(out.count, 0);
    columns_release(&rows);
    columns_release(&out);
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

/* Blocks of `rows`, given one after another, then a status. */
struct script {
    const struct columns *rows;
    const size_t (*blocks)[2]; /* first, count */
    size_t block_count;
    size_t at;
    holter_status last;
};

static holter_status script_read(struct merge_run *run, const struct columns **block, size_t *first,
                                 size_t *count, holter_error *err)
{
    struct script *script = run->context;
    if (script->at == script->block_count)
        return script->last == HOLTER_DONE ? script->last
                                           : error_set(err, script->last, "scripted");
    *block = script->rows;
    *first = script->blocks[script->at][0];
    *count = script->blocks[script->at][1];
    script->at++;
    return HOLTER_OK;
}

static void assert_fails(struct script *script, holter_status expected)
{
    struct merge_run run = { .read = script_read, .context = script, .is_exact = true };
    struct merge_spec spec = spec_over(&run, 1, &script->rows->schema);
    struct merge *merge;
    struct columns out;
    holter_error err = { 0 };
    columns_init(&out, &script->rows->schema);
    add(&out, 1, 99, 0, 0);
    ck_assert_int_eq(merge_new(&merge, &spec, NULL), HOLTER_OK);
    ck_assert_int_eq(merge_next(merge, &out, 1000, &err), expected);
    ck_assert_int_eq(err.status, expected);
    ck_assert_uint_eq(out.count, 1);
    ck_assert_int_eq(out.field[0][0], 99);
    ck_assert_int_eq(merge_next(merge, &out, 1000, NULL), expected); /* it stays ended */
    merge_free(merge);
    columns_release(&out);
}

START_TEST(a_run_that_fails_ends_the_merge)
{
    static const size_t blocks[][2] = { { 0, 2 }, { 2, 1 } };
    struct columns rows;
    columns_init(&rows, &plain);
    for (int64_t i = 0; i < 3; i++)
        add(&rows, i, i, 0, 1);
    for (size_t block_count = 0; block_count <= 2; block_count++) {
        struct script script = { &rows, blocks, block_count, 0, HOLTER_IO };
        assert_fails(&script, HOLTER_IO);
    }
    columns_release(&rows);
}
END_TEST

START_TEST(rows_out_of_order_are_corrupt)
{
    static const size_t whole[][2] = { { 0, 3 } };
    static const size_t blocks[][2] = { { 0, 1 }, { 1, 1 }, { 2, 1 } };
    struct columns rows;
    columns_init(&rows, &plain);
    add(&rows, 5, 1, 0, 1);
    add(&rows, 4, 2, 0, 1);
    add(&rows, 6, 3, 0, 1);
    struct script script = { &rows, whole, 1, 0, HOLTER_DONE };
    assert_fails(&script, HOLTER_CORRUPT);
    script = (struct script){ &rows, blocks, 3, 0, HOLTER_DONE };
    assert_fails(&script, HOLTER_CORRUPT);
    columns_release(&rows);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    struct columns rows[2];
    struct tombstone list[] = { { 1, 1, 0, 5, 0, 3 }, { 1, 0, 2, 9, 4, 1 } };
    struct tombstones tombstones = { .at = list, .count = 2 };
    for (size_t i = 0; i < 2; i++) {
        columns_init(&rows[i], &texts);
        for (int64_t j = 0; j < 40; j++)
            add(&rows[i], j / 2, j, j % 3, (uint64_t)j + i);
        ck_assert(columns_sort(&rows[i]));
    }
    bool has_failed = true;
    unsigned long nth = 0;
    for (; has_failed; nth++) {
        struct merge_run runs[2];
        struct merge_memory memories[2];
        struct merge *merge;
        struct columns out;
        for (size_t i = 0; i < 2; i++)
            merge_memory_run(&runs[i], &memories[i], &rows[i]);
        struct merge_spec spec = spec_over(runs, 2, &texts);
        spec.tombstones = &tombstones;
        columns_init(&out, &texts);
        alloc_fail_arm(nth, _i == 1);
        holter_status status = merge_new(&merge, &spec, NULL);
        if (status == HOLTER_OK)
            status = merge_next(merge, &out, 1000, NULL);
        has_failed = alloc_fail_disarm();
        if (has_failed && status != HOLTER_OK) {
            ck_assert_int_eq(status, HOLTER_NO_MEMORY);
            ck_assert_uint_eq(out.count, 0);
        } else {
            ck_assert_int_eq(status, HOLTER_OK); /* qsort and others can do without */
            ck_assert_uint_eq(out.count, 12);    /* of times 0 .. 19 not 0, and not 2 .. 8 */
        }
        merge_free(merge);
        columns_release(&out);
    }
    ck_assert_uint_gt(nth, 10);
    for (size_t i = 0; i < 2; i++)
        columns_release(&rows[i]);
}
END_TEST

/* ---- cost ------------------------------------------------------------------------------------ */

START_TEST(thousands_of_replaced_nights_are_merged_in_one_pass)
{
    enum { NIGHTS = 4000, ROWS = 50 };
    struct columns rows[2], out;
    struct merge_run runs[2];
    struct merge_memory memories[2];
    struct tombstones tombstones;
    tombstones_init(&tombstones);
    columns_init(&out, &plain);
    for (size_t i = 0; i < 2; i++) {
        columns_init(&rows[i], &plain);
        for (int64_t night = 0; night < NIGHTS; night++) {
            struct tombstone one = { 1, 1, night * 1000, night * 1000 + 900, 0, 10 + i };
            ck_assert(tombstones_add(&tombstones, &one));
            for (int64_t row = 0; row < ROWS; row++)
                add(&rows[i], night * 1000 + row * 20 + (int64_t)i, row, 0, 10 + i);
        }
        merge_memory_run(&runs[i], &memories[i], &rows[i]);
        runs[i].is_exact = false;
        runs[i].sequence_min = runs[i].sequence_max = 10 + i;
    }
    struct merge_spec spec = spec_over(runs, 2, &plain);
    spec.tombstones = &tombstones;
    uint64_t superseded, hidden;
    merge_all(&out, &spec, &superseded, &hidden);
    ck_assert_uint_eq(hidden, (uint64_t)NIGHTS * 45); /* those of the older file below 900 */
    ck_assert_uint_eq(superseded, 0);
    ck_assert_uint_eq(out.count, (size_t)NIGHTS * (2 * ROWS) - hidden);
    for (size_t i = 1; i < out.count; i++) {
        if (out.time[i - 1] >= out.time[i])
            ck_abort_msg("row %zu falls", i);
    }
    for (size_t i = 0; i < 2; i++)
        columns_release(&rows[i]);
    tombstones_release(&tombstones);
    columns_release(&out);
}
END_TEST

START_TEST(nothing_in_nothing_out)
{
    struct columns rows, out;
    struct merge_run run;
    struct merge_memory memory;
    uint64_t superseded, hidden;
    columns_init(&rows, &plain);
    columns_init(&out, &plain);
    merge_memory_run(&run, &memory, &rows);
    struct merge_spec spec = spec_over(&run, 1, &plain);
    merge_all(&out, &spec, &superseded, &hidden);
    spec.run_count = 0;
    merge_all(&out, &spec, &superseded, &hidden);
    ck_assert_uint_eq(out.count + superseded + hidden, 0);
    merge_free(NULL);
    columns_release(&rows);
    columns_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merge_rules");
    TCase *tcase = tcase_create("rules");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, of_two_rows_the_right_one_stands, 0, CORE_COUNT(duels));
    tcase_add_test(tcase, a_file_is_as_old_as_its_newest_row);
    tcase_add_test(tcase, a_row_that_lost_does_not_last_beyond_from);
    tcase_add_test(tcase, a_run_that_fails_ends_the_merge);
    tcase_add_test(tcase, rows_out_of_order_are_corrupt);
    tcase_add_loop_test(tcase, any_allocation_may_fail, 0, 2);
    tcase_add_test(tcase, thousands_of_replaced_nights_are_merged_in_one_pass);
    tcase_add_test(tcase, nothing_in_nothing_out);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
