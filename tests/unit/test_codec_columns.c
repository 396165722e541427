/*
 * test_codec_columns.c -- rows in columns: appended, copied, compared, sorted; schemas and their
 * bytes.
 *
 * Claim: what goes into columns comes out again, sorting is stable and agrees with the plain order,
 * and a failed allocation changes nothing.
 */
#include "codec/codec.h"
#include "alloc_fail.h"
#include "random.h"
#include "run.h"

#include <string.h>

/* ---- schemas --------------------------------------------------------------------------------- */

static const struct {
    struct schema schema;
    bool is_valid;
} schemas[] = {
    { { 1, 1, 255, { 1 } }, true },
    { { 2, 8, 7, { 1, 2, 3, 4, 1, 2, 3, 4 } }, true },
    { { 2, 2, 0, { 3, 2 } }, true },
    { { 0, 1, 255, { 1 } }, false },                      /* no kind */
    { { 3, 1, 255, { 1 } }, false },                      /* unknown kind */
    { { 1, 0, 255, { 0 } }, false },                      /* no fields */
    { { 1, 9, 255, { 1, 1, 1, 1, 1, 1, 1, 1 } }, false }, /* too many */
    { { 1, 2, 255, { 1, 0 } }, false },                   /* no type */
    { { 1, 2, 255, { 5, 1 } }, false },                   /* unknown type */
    { { 1, 1, 255, { 1, 1 } }, false },                   /* a type beyond the fields */
    { { 1, 1, 1, { 1 } }, false },                        /* a key beyond the fields */
    { { 1, 2, 1, { 1, 2 } }, false },                     /* a float as key */
};

START_TEST(a_schema_is_valid_or_refused)
{
    const struct schema *schema = &schemas[_i].schema;
    ck_assert_int_eq(schema_is_valid(schema), schemas[_i].is_valid);
    if (schema->types[1] != 0 && schema->field_count == 1)
        return; /* has no bytes of its own */

    uint8_t bytes[3 + SCHEMA_FIELDS_MAX + 1] = { schema->kind, schema->field_count,
                                                 schema->key_field };
    memcpy(bytes + 3, schema->types, SCHEMA_FIELDS_MAX);
    struct schema back = { .kind = 99 };
    struct reader r = reader_over(bytes, sizeof bytes);
    holter_status status = schema_decode(&back, &r);
    ck_assert_int_eq(status, schemas[_i].is_valid ? HOLTER_OK : HOLTER_CORRUPT);
    if (status != HOLTER_OK) {
        ck_assert_uint_eq(back.kind, 99);
        return;
    }
    ck_assert(schema_is_equal(&back, schema));
    ck_assert_uint_eq(sizeof bytes - r.left, 3u + schema->field_count);

    struct buffer again;
    buffer_init(&again);
    schema_encode(&again, schema);
    ck_assert_uint_eq(again.bytes, 3u + schema->field_count);
    ck_assert_int_eq(memcmp(again.data, bytes, again.bytes), 0);
    for (size_t cut = 0; cut < again.bytes; cut++) {
        r = reader_over(again.data, cut);
        ck_assert_int_eq(schema_decode(&back, &r), HOLTER_CORRUPT);
    }
    buffer_release(&again);
}
END_TEST

START_TEST(schemas_differ_in_each_part)
{
    struct schema a = { 2, 2, 0, { 1, 2 } };
    struct schema others[] = {
        { 1, 2, 0, { 1, 2 } }, { 2, 1, 0, { 1 } }, { 2, 2, 255, { 1, 2 } }, { 2, 2, 0, { 1, 3 } }
    };
    ck_assert(schema_is_equal(&a, &a));
    for (size_t i = 0; i < CORE_COUNT(others); i++)
        ck_assert(!schema_is_equal(&a, &others[i]));
}
END_TEST

/* ---- rows ------------------------------------------------------------------------------------ */

static const struct schema all_types = { SAMPLE_INTERVAL, 4, 3, { 1, 2, 3, 4 } };

static struct row row_of(int64_t time, const char *text)
{
    return (struct row){ .time = time,
                         .duration = 5,
                         .field = { -1, 2, 3, 99 },
                         .text = { NULL, NULL, NULL, (const uint8_t *)text },
                         .text_bytes = { 0, 0, 0, (uint32_t)strlen(text) },
                         .flags = SAMPLE_MANUAL,
                         .revision = -7,
                         .sequence = 11 };
}

static void assert_text(const struct columns *c, size_t row, const char *expected)
{
    uint32_t bytes;
    const uint8_t *text = columns_text(c, 3, row, &bytes);
    ck_assert_uint_eq(bytes, strlen(expected));
    ck_assert_int_eq(memcmp(text, expected, bytes), 0);
}

START_TEST(a_row_comes_back_from_columns)
{
    struct columns c, copy;
    columns_init(&c, &all_types);
    columns_init(&copy, &all_types);
    const char *const words[] = { "", "one", "a longer text than the others" };
    for (int64_t i = 0; i < 100; i++) {
        struct row row = row_of(i, words[i % 3]);
        ck_assert(columns_append(&c, &row));
    }
    struct row other = row_of(-1, "before");
    ck_assert(columns_append(&copy, &other));
    ck_assert(columns_append_rows(&copy, &c, 10, 80));
    ck_assert(columns_append_rows(&copy, &c, 100, 0));
    ck_assert_uint_eq(copy.count, 81);
    for (size_t i = 1; i < copy.count; i++) {
        ck_assert_int_eq(copy.time[i], (int64_t)i + 9);
        ck_assert_int_eq(columns_end(&copy, i), (int64_t)i + 14);
        ck_assert_int_eq(copy.field[0][i], -1);
        ck_assert_int_eq(copy.field[2][i], 3);
        ck_assert_uint_eq(copy.flags[i], SAMPLE_MANUAL);
        ck_assert_int_eq(copy.revision[i], -7);
        ck_assert_uint_eq(copy.sequence[i], 11);
        assert_text(&copy, i, words[(i + 9) % 3]);
        ck_assert(columns_row_is_equal(&copy, i, &c, i + 9));
        ck_assert(!columns_row_is_equal(&copy, i, &c, i + 8));
    }
    assert_text(&copy, 0, "before");

    size_t text_bytes = copy.text.bytes;
    ck_assert(columns_append_rows(&copy, &c, 0, 50));
    columns_truncate(&copy, 81, text_bytes);
    ck_assert_uint_eq(copy.count, 81);
    ck_assert_uint_eq(copy.text.bytes, text_bytes);
    columns_clear(&copy);
    ck_assert_uint_eq(copy.count + copy.text.bytes, 0);
    columns_release(&c);
    columns_release(&copy);
    ck_assert(schema_is_equal(&c.schema, &all_types));
}
END_TEST

START_TEST(an_end_is_held_at_the_end_of_time)
{
    struct columns c;
    columns_init(&c, &all_types);
    struct row row = row_of(INT64_MAX - 1, "");
    ck_assert(columns_append(&c, &row));
    ck_assert_int_eq(columns_end(&c, 0), INT64_MAX);
    columns_release(&c);

    struct schema instant = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { 1 } };
    columns_init(&c, &instant);
    ck_assert(columns_append(&c, &row));
    ck_assert_int_eq(columns_end(&c, 0), INT64_MAX - 1);
    columns_release(&c);
}
END_TEST

START_TEST(rows_differ_in_each_part)
{
    struct columns c;
    columns_init(&c, &all_types);
    struct row rows[9];
    for (size_t i = 0; i < CORE_COUNT(rows); i++)
        rows[i] = row_of(1, "text");
    rows[1].time = 2;
    rows[2].duration = 6;
    rows[3].field[0] = 1;
    rows[4].field[1] = 1;
    rows[5].field[2] = 1;
    rows[6] = row_of(1, "texts");
    rows[7] = row_of(1, "tex");
    rows[8].flags = 0; /* no difference: flags, revision and sequence are aside */
    rows[8].revision = 0;
    rows[8].sequence = 0;
    for (size_t i = 0; i < CORE_COUNT(rows); i++)
        ck_assert(columns_append(&c, &rows[i]));
    for (size_t i = 0; i < CORE_COUNT(rows); i++)
        ck_assert_int_eq(columns_row_is_equal(&c, 0, &c, i), i == 0 || i == 8);
    columns_release(&c);
}
END_TEST

START_TEST(keys_order_rows_of_one_time)
{
    /* Rising: texts by unsigned bytes, a beginning before what it begins. */
    static const char *const rising[] = { "", "B", "a", "ab", "abc", "b", "\xc3\xa9" };
    struct columns c;
    columns_init(&c, &all_types);
    for (size_t i = 0; i < CORE_COUNT(rising); i++) {
        struct row row = row_of(1, rising[i]);
        ck_assert(columns_append(&c, &row));
    }
    struct row later = row_of(2, "");
    ck_assert(columns_append(&c, &later));
    for (size_t i = 0; i < c.count; i++) {
        for (size_t j = 0; j < c.count; j++) {
            int order = columns_compare(&c, i, &c, j);
            ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
    columns_release(&c);

    struct schema by_number = { SAMPLE_INSTANT, 2, 1, { 1, 1 } };
    columns_init(&c, &by_number);
    for (int64_t i = -1; i <= 1; i++) {
        struct row row = { .time = 1, .field = { -i, i * INT64_MAX } };
        ck_assert(columns_append(&c, &row));
    }
    ck_assert_int_lt(columns_compare(&c, 0, &c, 1), 0);
    ck_assert_int_lt(columns_compare(&c, 1, &c, 2), 0);
    c.schema.key_field = SCHEMA_NO_KEY;
    ck_assert_int_eq(columns_compare(&c, 0, &c, 2), 0);
    columns_release(&c);
}
END_TEST

/* ---- sorting --------------------------------------------------------------------------------- */

static int compare_all(const struct columns *c, size_t a, size_t b)
{
    int order = columns_compare(c, a, c, b);
    if (order == 0)
        order = (c->revision[a] > c->revision[b]) - (c->revision[a] < c->revision[b]);
    if (order == 0)
        order = (c->sequence[a] > c->sequence[b]) - (c->sequence[a] < c->sequence[b]);
    if (order == 0) /* stable: the value is the row's number when it was appended */
        order = (c->field[0][a] > c->field[0][b]) - (c->field[0][a] < c->field[0][b]);
    return order;
}

START_TEST(sorting_orders_rows_and_is_stable)
{
    static const char *const words[] = { "", "x", "xy" };
    struct random random = { (uint64_t)_i };
    for (size_t round = 0; round < 60; round++) {
        struct columns c;
        columns_init(&c, &all_types);
        size_t count = random_below(&random, 200);
        uint64_t times = 1 + random_below(&random, 60);
        for (size_t i = 0; i < count; i++) {
            const char *word = words[random_below(&random, 3)];
            struct row row = row_of((int64_t)random_below(&random, times), word);
            row.field[0] = (int64_t)i;
            row.field[1] = (int64_t)strlen(word); /* goes with the text */
            row.duration = (int64_t)i;
            row.flags = (uint16_t)(i << 8);
            row.revision = (int64_t)random_below(&random, 3) - 1;
            row.sequence = random_below(&random, 3);
            if (_i == 0) /* in order from the beginning */
                row.time = (int64_t)i;
            ck_assert(columns_append(&c, &row));
        }
        bool is_rising, rises = true;
        ck_assert(columns_sort(&c));
        ck_assert_uint_eq(c.count, count);
        for (size_t i = 1; i < count; i++)
            rises = rises && c.time[i - 1] < c.time[i];
        ck_assert(columns_is_sorted(&c, 0, count, &is_rising));
        ck_assert(is_rising == rises);
        bool is_seen[200] = { false };
        for (size_t i = 0; i < count; i++) {
            int64_t number = c.field[0][i];
            bool is_whole = number >= 0 && number < (int64_t)count && c.duration[i] == number &&
                            c.flags[i] == (uint16_t)(number << 8);
            uint32_t bytes;
            columns_text(&c, 3, i, &bytes);
            if (!is_whole || is_seen[number] || bytes != c.field[1][i])
                ck_abort_msg("row %zu was torn", i);
            is_seen[number] = true;
            if (i > 0 && compare_all(&c, i - 1, i) >= 0)
                ck_abort_msg("row %zu is not in order", i);
        }
        columns_release(&c);
    }
}
END_TEST

/* ---- no memory ------------------------------------------------------------------------------- */

START_TEST(without_memory_columns_stay_as_they_were)
{
    struct columns full;
    columns_init(&full, &all_types);
    for (int64_t i = 0; i < 20; i++) {
        struct row row = row_of(100 - i, "text");
        ck_assert(columns_append(&full, &row));
    }
    for (int what = 0; what < 4; what++) {
        bool has_failed = true;
        for (unsigned long nth = 0; has_failed; nth++) {
            struct columns c;
            columns_init(&c, &all_types);
            for (int64_t i = 0; i < 8; i++) {
                struct row row = row_of(100 - i, "12345678");
                ck_assert(columns_append(&c, &row));
            }
            struct row next =
                row_of(1, "a text that needs new memory, as it is longer than the rest");
            alloc_fail_arm(nth, _i == 1);
            bool done = what == 0   ? columns_append(&c, &next)
                        : what == 1 ? columns_append_rows(&c, &full, 0, 20)
                        : what == 2 ? columns_reserve(&c, 1000)
                                    : columns_sort(&c);
            has_failed = alloc_fail_disarm();
            ck_assert(done != has_failed);
            if (!done) {
                ck_assert_uint_eq(c.count, 8);
                for (size_t i = 0; i < 8; i++) {
                    ck_assert_int_eq(c.time[i], 100 - (int64_t)i);
                    assert_text(&c, i, "12345678");
                }
                ck_assert(columns_append(&c, &next)); /* and are still of use */
                ck_assert(columns_sort(&c));
                assert_text(&c, 0, (const char *)next.text[3]);
            }
            columns_release(&c);
        }
    }
    ck_assert(!columns_reserve(&full, SIZE_MAX));
    ck_assert(!columns_reserve(&full, SIZE_MAX / 4));
    ck_assert_uint_eq(full.count, 20);
    columns_release(&full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_columns");
    TCase *tcase = tcase_create("columns");
    tcase_add_loop_test(tcase, a_schema_is_valid_or_refused, 0, CORE_COUNT(schemas));
    tcase_add_test(tcase, schemas_differ_in_each_part);
    tcase_add_test(tcase, a_row_comes_back_from_columns);
    tcase_add_test(tcase, an_end_is_held_at_the_end_of_time);
    tcase_add_test(tcase, rows_differ_in_each_part);
    tcase_add_test(tcase, keys_order_rows_of_one_time);
    tcase_add_loop_test(tcase, sorting_orders_rows_and_is_stable, 0, 4);
    tcase_add_loop_test(tcase, without_memory_columns_stay_as_they_were, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
