/*
 * test_store_columns.c -- rows that are added in columns.
 *
 * Claim: holter_batch_add_columns takes what holter_batch_add would take row by row, with the same flags,
 * answers and rows in the store; or nothing, and then says of the first row that is not taken what
 * holter_batch_add says. Method: seeded draws of columns of every type, some with odd rows among them, each
 * given in columns for one user and row by row for another.
 */
#include <math.h>

#include "random.h"
#include "store_world.h"

enum { ROUNDS = 600, ROWS_MAX = 40, TEXT_BYTES_MAX = 12 };

/* Columns and what they point at. */
struct drawn {
    holter_columns columns;
    int64_t time[ROWS_MAX], duration[ROWS_MAX], revision[ROWS_MAX];
    int64_t integer[HOLTER_FIELDS_MAX][ROWS_MAX];
    double real[HOLTER_FIELDS_MAX][ROWS_MAX];
    struct holter_text text[HOLTER_FIELDS_MAX][ROWS_MAX];
    char bytes[TEXT_BYTES_MAX];
    uint16_t flags[ROWS_MAX];
};

static const char *const metrics[] = {
    "heart_rate", "steps",          "weight", "sleep_stage",
    "note",       "blood_pressure", "ppg",    "medication_dose"
};

static int64_t draw_integer(struct random *random, const holter_field *of, bool is_odd)
{
    if (of->type == HOLTER_ENUM)
        return (int64_t)random_below(random, (int)of->label_count + (is_odd ? 2 : 0)) - is_odd;
    return is_odd ? (int64_t)random_u64(random) : (int64_t)random_below(random, 320);
}

static double draw_real(struct random *random, bool is_odd)
{
    static const double odd[] = { (double)NAN, (double)INFINITY, -0.0, 1e300, -1 };
    return is_odd ? odd[random_below(random, CORE_COUNT(odd))]
                  : (double)random_below(random, 900) / 4;
}

static void draw_row(struct drawn *out, struct random *random, const holter_metric *metric,
                     size_t row, bool is_odd)
{
    static const int64_t odd_times[] = { HOLTER_TIME_MIN, HOLTER_TIME_MAX, INT64_MAX - 1, 0 };
    static const uint16_t odd_flags[] = { 0x10, HOLTER_OUT_OF_RANGE, HOLTER_NON_FINITE, 0xff0f };
    bool is_interval = metric->kind == HOLTER_INTERVAL;
    out->time[row] = random_below(random, 50);
    out->duration[row] = is_interval ? random_below(random, 9) : 0;
    out->flags[row] = random_below(random, 4) == 0 ? HOLTER_MANUAL | 0x300 : 0;
    out->revision[row] = random_below(random, 3);
    if (is_odd && random_below(random, 3) == 0)
        out->time[row] = odd_times[random_below(random, CORE_COUNT(odd_times))];
    if (is_odd && random_below(random, 3) == 0)
        out->duration[row] = (int64_t)random_below(random, 3) - 1;
    if (is_odd && random_below(random, 3) == 0)
        out->flags[row] = odd_flags[random_below(random, CORE_COUNT(odd_flags))];
    for (size_t f = 0; f < metric->field_count; f++) {
        out->integer[f][row] = draw_integer(random, &metric->fields[f], is_odd);
        out->real[f][row] = draw_real(random, is_odd);
        out->text[f][row] =
            (struct holter_text){ .bytes = out->bytes,
                                  .count = (size_t)random_below(random, TEXT_BYTES_MAX) };
    }
}

static void draw(struct drawn *out, struct random *random, const holter_metric *metric)
{
    size_t count = (size_t)random_below(random, ROWS_MAX + 1);
    bool has_odd = random_below(random, 2) == 0;
    bool has_durations = metric->kind == HOLTER_INTERVAL || random_below(random, 2) == 0;
    memset(out->bytes, 'a', sizeof out->bytes);
    out->columns =
        (holter_columns){ .metric = metric->number,
                          .source = 1 + (uint32_t)random_below(random, 2),
                          .kind = metric->kind,
                          .count = count,
                          .time_ns = out->time,
                          .duration_ns = has_durations ? out->duration : NULL,
                          .field_count = metric->field_count,
                          .flags = random_below(random, 2) == 0 ? out->flags : NULL,
                          .revision = random_below(random, 2) == 0 ? out->revision : NULL };
    for (size_t i = 0; i < count; i++)
        draw_row(out, random, metric, i, has_odd && random_below(random, 8) == 0);
    for (size_t f = 0; f < metric->field_count; f++) {
        out->columns.types[f] = metric->fields[f].type;
        if (metric->fields[f].type == HOLTER_TEXT)
            out->columns.fields[f].text = out->text[f];
        else if (metric->fields[f].type == HOLTER_FLOAT)
            out->columns.fields[f].real = out->real[f];
        else
            out->columns.fields[f].integer = out->integer[f];
    }
}

/* One row of them, with what the store finds by itself left out of its flags. */
static holter_row row_of(const struct drawn *drawn, size_t row, holter_value *values)
{
    const holter_columns *columns = &drawn->columns;
    for (size_t f = 0; f < columns->field_count; f++) {
        if (columns->types[f] == HOLTER_TEXT) {
            values[f].text.bytes = drawn->text[f][row].bytes;
            values[f].text.count = drawn->text[f][row].count;
        } else if (columns->types[f] == HOLTER_FLOAT) {
            values[f].real = drawn->real[f][row];
        } else {
            values[f].integer = drawn->integer[f][row];
        }
    }
    return (holter_row){ .metric = columns->metric,
                         .source = columns->source,
                         .time_ns = drawn->time[row],
                         .duration_ns = columns->duration_ns != NULL ? drawn->duration[row] : 0,
                         .values = values,
                         .value_count = columns->field_count,
                         .flags = columns->flags != NULL ? drawn->flags[row] & 0xfffc : 0,
                         .revision = columns->revision != NULL ? drawn->revision[row] : 0 };
}

/* Row by row, up to the first that is not taken, whose sentence is in err. */
static holter_status add_rows(holter_batch *batch, const struct drawn *drawn, uint64_t user,
                              size_t *taken)
{
    holter_status status = HOLTER_OK;
    for (*taken = 0; *taken < drawn->columns.count; ++*taken) {
        holter_value values[HOLTER_FIELDS_MAX];
        holter_row row = row_of(drawn, *taken, values);
        row.user = user;
        status = holter_batch_add(batch, &row, NULL, &err);
        if (status != HOLTER_OK)
            break;
    }
    return status;
}

START_TEST(columns_are_taken_as_their_rows_are_or_not_at_all)
{
    struct random random = { .state = 26 };
    size_t taken_rounds = 0;
    size_t refused_rounds = 0;
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    for (size_t round = 0; round < ROUNDS; round++) {
        struct drawn drawn;
        holter_metric metric;
        holter_batch *by_columns, *by_rows, *one_by_one;
        const holter_batch_options options = { .exact = random_below(&random, 2),
                                               .refuse_implausible = random_below(&random, 2),
                                               .revision = random_below(&random, 3) };
        OK(holter_batch_new(&by_columns, store, &options, &err));
        OK(holter_batch_new(&by_rows, store, &options, &err));
        for (size_t part = 0; part < 3; part++) {
            OK(holter_metric_find(store, metrics[random_below(&random, CORE_COUNT(metrics))],
                                  &metric, &err));
            draw(&drawn, &random, &metric);
            size_t taken, index = SIZE_MAX;
            size_t before = holter_batch_count(by_columns);
            OK(holter_batch_new(&one_by_one, store, &options, &err));
            holter_status expected = add_rows(one_by_one, &drawn, world.users[1], &taken);
            holter_batch_free(one_by_one);
            holter_error expected_err = err;
            drawn.columns.user = world.users[0];
            holter_status status =
                holter_batch_add_columns(by_columns, &drawn.columns, &index, &err);
            ck_assert_int_eq(status, expected);
            if (status == HOLTER_OK) {
                ck_assert_uint_eq(index, before);
                ck_assert_uint_eq(holter_batch_count(by_columns), before + drawn.columns.count);
                OK(add_rows(by_rows, &drawn, world.users[1], &taken));
                taken_rounds++;
            } else {
                char says[sizeof err.message + 32];
                snprintf(says, sizeof says, "row %zu: %s", taken, expected_err.message);
                ck_assert_str_eq(err.message, says);
                ck_assert_uint_eq(index, SIZE_MAX);
                ck_assert_uint_eq(holter_batch_count(by_columns), before);
                refused_rounds++;
            }
        }
        OK(holter_commit(store, by_columns, &err));
        OK(holter_commit(store, by_rows, &err));
        ck_assert_uint_eq(holter_batch_count(by_columns), holter_batch_count(by_rows));
        for (size_t i = 0; i < holter_batch_count(by_columns); i++) {
            holter_row_answer a = holter_batch_answer(by_columns, i);
            holter_row_answer b = holter_batch_answer(by_rows, i);
            ck_assert_int_eq(a.answer, b.answer);
            ck_assert_uint_eq(a.flags, b.flags);
        }
        holter_batch_free(by_columns);
        holter_batch_free(by_rows);
        if (round % 50 == 49) {
            char *found = strdup(ask(store, 0));
            CHECK(found != NULL && found[0] != '\0');
            TEXT_IS(ask(store, 1), found);
            free(found);
        }
    }
    ck_assert_uint_gt(taken_rounds, ROUNDS);
    ck_assert_uint_gt(refused_rounds, ROUNDS / 4);
    world_release();
}
END_TEST

START_TEST(a_cursors_columns_are_taken_as_they_are)
{
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    holter_columns columns;
    holter_status status;
    holter_batch *batch = batch_new(store, 0, 0);
    TEXT_IS(commit(store, "heart_rate/1: 100=60 200=301 steps/1: 100+60=5^7 weight/1: 5=nan "
                          "note/1: 7=tired 8="),
            "AAAAAA");
    OK(holter_snapshot_open(&snapshot, store, &err));
    OK(holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = world.users[0] }, &err));
    while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK) {
        columns.user = world.users[1];
        OK(holter_batch_add_columns(batch, &columns, NULL, &err));
    }
    ck_assert_int_eq(status, HOLTER_DONE);
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    OK(holter_commit(store, batch, &err));
    char *there = strdup(ask(store, 0));
    CHECK(there != NULL && strstr(there, "200=301!1") != NULL && strstr(there, "8=") != NULL);
    TEXT_IS(ask(store, 1), there);
    free(there);
    holter_batch_free(batch);
    world_release();
}
END_TEST

START_TEST(wrong_columns_are_told_and_leave_no_series)
{
    int64_t times[] = { 1, 2 };
    int64_t values[] = { 60, 61 };
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    holter_batch *batch = batch_new(store, 0, 0);
    const holter_columns right = { .user = world.users[0],
                                   .metric = metric_number(store, "heart_rate"),
                                   .source = 1,
                                   .kind = HOLTER_INSTANT,
                                   .count = 2,
                                   .time_ns = times,
                                   .field_count = 1,
                                   .types = { HOLTER_INT },
                                   .fields = { { .integer = values } } };
    holter_columns wrong;
#define REFUSED(change, status, says)                                                              \
    wrong = right;                                                                                 \
    wrong.change;                                                                                  \
    FAILS(holter_batch_add_columns(batch, &wrong, NULL, &err), status, says)

    REFUSED(user = 12345, HOLTER_NOT_FOUND, "user #");
    REFUSED(metric = 999999, HOLTER_NOT_FOUND, "999999");
    REFUSED(source = 0, HOLTER_INVALID, "source");
    REFUSED(source = 3, HOLTER_NOT_FOUND, "no source with number 3");
    REFUSED(kind = HOLTER_INTERVAL, HOLTER_INVALID, "expected instants of 1");
    REFUSED(field_count = 2, HOLTER_INVALID, "2 fields");
    REFUSED(field_count = SIZE_MAX, HOLTER_INVALID, "fields");
    REFUSED(types[0] = HOLTER_FLOAT, HOLTER_INVALID, "another type");
    REFUSED(fields[0].integer = NULL, HOLTER_INVALID, "no column");
    REFUSED(time_ns = NULL, HOLTER_INVALID, "no column of times");
    REFUSED(count = SIZE_MAX, HOLTER_NO_MEMORY, "no memory");
    REFUSED(count = SIZE_MAX / 8, HOLTER_NO_MEMORY, "no memory");
#undef REFUSED
    FAILS(holter_batch_add_columns(NULL, &right, NULL, &err), HOLTER_INVALID, "batch");
    FAILS(holter_batch_add_columns(batch, NULL, NULL, &err), HOLTER_INVALID, "columns");
    wrong = right;
    wrong.user = 999999;
    FAILS(holter_batch_add_columns(batch, &wrong, NULL, &err), HOLTER_NOT_FOUND, "user");
    wrong.count = 0; /* nobody's rows */
    OK(holter_batch_add_columns(batch, &wrong, NULL, &err));
    ck_assert_uint_eq(batch->series_count, 0);
    times[1] = HOLTER_TIME_MIN;
    FAILS(holter_batch_add_columns(batch, &right, NULL, &err), HOLTER_INVALID,
          "row 1: found a time");
    ck_assert_uint_eq(batch->series_count, 0);
    times[1] = 2;
    OK(holter_batch_add_columns(batch, &right, NULL, &err));
    times[1] = HOLTER_TIME_MIN;
    FAILS(holter_batch_add_columns(batch, &right, NULL, &err), HOLTER_INVALID,
          "row 1: found a time");
    OK(holter_commit(store, batch, &err));
    TEXT_IS(ask(store, 0), "heart_rate/1: 1=60 2=61");
    holter_batch_free(batch);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_columns");
    TCase *tcase = tcase_create("columns");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, columns_are_taken_as_their_rows_are_or_not_at_all);
    tcase_add_test(tcase, a_cursors_columns_are_taken_as_they_are);
    tcase_add_test(tcase, wrong_columns_are_told_and_leave_no_series);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
