/*
 * test_wal_body.c -- a frame's body decodes to what was encoded, and what no encoder wrote is
 * refused.
 *
 * Every truncation, every changed byte: refused, or again the one encoding of what it says; every
 * allocation fails.
 */
#include "alloc_fail.h"
#include "run.h"

#include <string.h>

#include "wal/wal.h"

static const struct schema instant = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
static const struct schema keyed = { SAMPLE_INTERVAL, 2, 1, { FIELD_FLOAT, FIELD_TEXT } };
static const struct wal_tombstone tombstones[] = {
    { 0, 0, INT64_MIN, INT64_MAX, 0 },
    { 3, 0, -5, 5, 77 },
    { UINT32_MAX, UINT32_MAX, INT64_MAX - 1, INT64_MAX, INT64_MIN },
};

enum { ROWS = 7 };

static struct columns rows_of(const struct schema *schema, int revisions)
{
    struct columns columns;
    columns_init(&columns, schema);
    for (int64_t i = 0; i < ROWS; i++) {
        struct row row = { .time = 1000 * i - 2000,
                           .duration = i * 3,
                           .field = { i * i - 4, 0 },
                           .flags = 8,
                           .revision = revisions == 0   ? 0
                                       : revisions == 1 ? -9
                                                        : i };
        row.text[1] = (const uint8_t *)"drugdrug";
        row.text_bytes[1] = (uint32_t)i;
        ck_assert(columns_append(&columns, &row));
    }
    return columns;
}

/* Tombstones, then parts of three series, of constant, no and different revisions. */
static void encode_sample(struct buffer *out)
{
    struct columns a = rows_of(&instant, 1), b = rows_of(&keyed, 0), c = rows_of(&instant, 2);
    wal_body_encode_begin(out, tombstones, CORE_COUNT(tombstones));
    wal_body_encode_rows(out, 1, 2, &a, 0, ROWS);
    wal_body_encode_rows(out, 1, 3, &b, 2, 4);
    wal_body_encode_rows(out, 4, 1, &c, 0, ROWS);
    wal_body_encode_rows(out, 4, 1, &c, 3, 1); /* goes on, one schema */
    columns_release(&a);
    columns_release(&b);
    columns_release(&c);
}

/* Encode what a body says. */
static void encode_again(struct buffer *out, const struct wal_body *body)
{
    wal_body_encode_begin(out, body->tombstones, body->tombstone_count);
    for (size_t i = 0; i < body->part_count; i++) {
        const struct wal_part *part = &body->parts[i];
        wal_body_encode_rows(out, part->metric, part->source, &part->columns, 0,
                             part->columns.count);
    }
}

static void check_part(const struct wal_part *part, uint32_t metric, uint32_t source,
                       const struct schema *schema, int revisions, size_t first, size_t count)
{
    struct columns want = rows_of(schema, revisions);
    ck_assert_uint_eq(part->metric, metric);
    ck_assert_uint_eq(part->source, source);
    ck_assert_uint_eq(part->columns.count, count);
    for (size_t i = 0; i < count; i++) {
        ck_assert(columns_row_is_equal(&part->columns, i, &want, first + i));
        ck_assert_int_eq(part->columns.revision[i], want.revision[first + i]);
        ck_assert_uint_eq(part->columns.flags[i], 8);
        ck_assert_uint_eq(part->columns.sequence[i], 42);
    }
    columns_release(&want);
}

/* From its place alone, without those before it. */
static void check_place(const struct wal_part *part, const struct buffer *bytes)
{
    struct wal_body_reader reader = { .bytes = reader_over(bytes->data + part->offset,
                                                           bytes->bytes - part->offset) };
    struct columns columns;
    ck_assert_int_eq(wal_body_next(&reader), HOLTER_OK);
    ck_assert_uint_eq(reader.metric, part->metric);
    ck_assert_uint_eq(reader.source, part->source);
    columns_init(&columns, &reader.schema);
    ck_assert_int_eq(wal_body_rows(&columns, &reader, 42), HOLTER_OK);
    ck_assert_uint_eq(columns.count, part->columns.count);
    for (size_t i = 0; i < columns.count; i++)
        ck_assert(columns_row_is_equal(&columns, i, &part->columns, i));
    columns_release(&columns);
}

START_TEST(a_body_says_what_was_encoded)
{
    struct buffer bytes;
    struct wal_body body;
    buffer_init(&bytes);
    encode_sample(&bytes);
    ck_assert_int_eq(wal_body_decode(&body, bytes.data, bytes.bytes, 42), HOLTER_OK);
    ck_assert_uint_eq(body.tombstone_count, CORE_COUNT(tombstones));
    for (size_t i = 0; i < CORE_COUNT(tombstones); i++) {
        ck_assert_uint_eq(body.tombstones[i].metric, tombstones[i].metric);
        ck_assert_uint_eq(body.tombstones[i].source, tombstones[i].source);
        ck_assert_int_eq(body.tombstones[i].begin, tombstones[i].begin);
        ck_assert_int_eq(body.tombstones[i].end, tombstones[i].end);
        ck_assert_int_eq(body.tombstones[i].revision, tombstones[i].revision);
    }
    ck_assert_uint_eq(body.part_count, 4);
    check_part(&body.parts[0], 1, 2, &instant, 1, 0, ROWS);
    check_part(&body.parts[1], 1, 3, &keyed, 0, 2, 4);
    check_part(&body.parts[2], 4, 1, &instant, 2, 0, ROWS);
    check_part(&body.parts[3], 4, 1, &instant, 2, 3, 1);
    for (size_t i = 0; i < body.part_count; i++)
        check_place(&body.parts[i], &bytes);
    wal_body_release(&body);
    buffer_release(&bytes);
}
END_TEST

START_TEST(a_body_of_tombstones_alone_is_one)
{
    struct buffer bytes;
    struct wal_body body;
    buffer_init(&bytes);
    wal_body_encode_begin(&bytes, tombstones, 1);
    ck_assert_int_eq(wal_body_decode(&body, bytes.data, bytes.bytes, 1), HOLTER_OK);
    ck_assert_uint_eq(body.tombstone_count, 1);
    ck_assert_uint_eq(body.part_count, 0);
    wal_body_release(&body);
    buffer_release(&bytes);
}
END_TEST

/* Only where a part or a tombstone ends may a body end. */
START_TEST(truncated_bodies_are_refused)
{
    struct buffer bytes;
    size_t whole = 0;
    buffer_init(&bytes);
    encode_sample(&bytes);
    for (size_t count = 0; count < bytes.bytes; count++) {
        struct wal_body body = { .part_count = 99 };
        uint8_t *copy = malloc(count + 1); /* so that ASan sees a read too far */
        memcpy(copy, bytes.data, count);
        holter_status status = wal_body_decode(&body, copy, count, 1);
        if (status == HOLTER_OK) {
            whole++;
            wal_body_release(&body);
        } else {
            ck_assert_int_eq(status, HOLTER_CORRUPT);
            ck_assert_uint_eq(body.part_count, 99);
        }
        free(copy);
    }
    ck_assert_uint_eq(whole, 4); /* after the tombstones, and three of the four parts */
    buffer_release(&bytes);
}
END_TEST

START_TEST(every_body_has_one_encoding)
{
    struct buffer bytes, again;
    size_t refused = 0;
    buffer_init(&bytes);
    buffer_init(&again);
    encode_sample(&bytes);
    for (size_t at = 0; at < bytes.bytes; at++) {
        uint8_t right = bytes.data[at];
        for (unsigned value = 0; value < 256; value++) {
            struct wal_body body;
            bytes.data[at] = (uint8_t)value;
            holter_status status = wal_body_decode(&body, bytes.data, bytes.bytes, 1);
            if (status != HOLTER_OK) {
                ck_assert_int_eq(status, HOLTER_CORRUPT);
                refused++;
                continue;
            }
            buffer_clear(&again);
            encode_again(&again, &body);
            ck_assert_uint_eq(again.bytes, bytes.bytes);
            ck_assert_mem_eq(again.data, bytes.data, bytes.bytes);
            wal_body_release(&body);
        }
        bytes.data[at] = right;
    }
    ck_assert_uint_gt(refused, 1000);
    buffer_release(&bytes);
    buffer_release(&again);
}
END_TEST

/*
 * Hexadecimal by hand; an int series of one row is "01 01  01 01 ff 01  01 rr  01 00 02  05 02  05
 * 00".
 */
static const struct {
    size_t count;
    uint8_t bytes[24];
} refused[] = {
    { 0, { 0 } },
    { 1, { 1 } },                /* a tombstone that is not there */
    { 6, { 1, 0, 1, 0, 2, 0 } }, /* a source of every metric */
    { 6, { 1, 1, 1, 0, 0, 0 } }, /* an empty span */
    { 15,
      { 1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0,
        0 } },                                                     /* ends too late */
    { 10, { 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 2, 0 } },       /* metric 2^32 */
    { 16, { 0, 0, 1, 1, 1, 0xff, 1, 1, 0, 1, 0, 2, 5, 2, 5, 0 } }, /* metric 0 */
    { 16, { 0, 1, 0, 1, 1, 0xff, 1, 1, 0, 1, 0, 2, 5, 2, 5, 0 } }, /* source 0 */
    { 16, { 0, 1, 1, 3, 1, 0xff, 1, 1, 0, 1, 0, 2, 5, 2, 5, 0 } }, /* unknown kind of samples */
    { 16, { 0, 1, 1, 1, 1, 0xff, 1, 0, 0, 1, 0, 2, 5, 2, 5, 0 } }, /* no rows */
    { 16, { 0, 1, 1, 1, 1, 0xff, 1, 1, 3, 1, 0, 2, 5, 2, 5, 0 } }, /* unknown form of revisions */
    { 17, { 0, 1, 1, 1, 1, 0xff, 1, 1, 1, 0, 1, 0, 2, 5, 2, 5, 0 } }, /* a constant revision of 0 */
    { 18,
      { 0, 1, 1, 1, 1, 0xff, 1, 1, 2, 1, 0, 2, 5, 2, 5, 0, 5,
        4 } }, /* a column of equal revisions */
};

START_TEST(forms_that_no_encoder_writes_are_refused)
{
    struct wal_body body;
    ck_assert_int_eq(wal_body_decode(&body, refused[_i].bytes, refused[_i].count, 1),
                     HOLTER_CORRUPT);
}
END_TEST

START_TEST(the_form_that_they_differ_from_is_taken)
{
    static const uint8_t bytes[] = { 0, 1, 1, 1, 1, 0xff, 1, 1, 1, 4, 1, 0, 2, 5, 2, 5, 0 };
    struct wal_body body;
    ck_assert_int_eq(wal_body_decode(&body, bytes, sizeof bytes, 1), HOLTER_OK);
    ck_assert_int_eq(body.parts[0].columns.time[0], 1);
    ck_assert_int_eq(body.parts[0].columns.field[0][0], 1);
    ck_assert_int_eq(body.parts[0].columns.revision[0], 2);
    wal_body_release(&body);
}
END_TEST

START_TEST(parts_out_of_order_are_refused)
{
    static const uint32_t orders[][4] = { { 2, 1, 1, 1 }, { 1, 2, 1, 1 }, { 1, 1, 1, 1 } };
    struct columns a = rows_of(&instant, 0), b = rows_of(&keyed, 0);
    struct buffer bytes;
    struct wal_body body;
    buffer_init(&bytes);
    wal_body_encode_begin(&bytes, NULL, 0);
    wal_body_encode_rows(&bytes, orders[_i][0], orders[_i][1], &a, 0, 1);
    wal_body_encode_rows(&bytes, orders[_i][2], orders[_i][3], _i == 2 ? &b : &a, 0, 1);
    ck_assert_int_eq(wal_body_decode(&body, bytes.data, bytes.bytes, 1), HOLTER_CORRUPT);
    buffer_release(&bytes);
    columns_release(&a);
    columns_release(&b);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    struct buffer bytes;
    bool has_failed = true;
    buffer_init(&bytes);
    encode_sample(&bytes);
    for (unsigned long left = 0; has_failed; left++) {
        struct wal_body body;
        alloc_fail_arm(left, _i == 1);
        holter_status status = wal_body_decode(&body, bytes.data, bytes.bytes, 1);
        has_failed = alloc_fail_disarm();
        ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
        if (status == HOLTER_OK)
            wal_body_release(&body);
    }
    buffer_release(&bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_body");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_body_says_what_was_encoded);
    tcase_add_test(all, a_body_of_tombstones_alone_is_one);
    tcase_add_test(all, truncated_bodies_are_refused);
    tcase_add_test(all, every_body_has_one_encoding);
    tcase_add_loop_test(all, forms_that_no_encoder_writes_are_refused, 0, (int)CORE_COUNT(refused));
    tcase_add_test(all, the_form_that_they_differ_from_is_taken);
    tcase_add_loop_test(all, parts_out_of_order_are_refused, 0, 3);
    tcase_add_loop_test(all, any_allocation_may_fail, 0, 2);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
