/*
 * test_core_bytes.c -- bytes written are read back; whatever the bytes, a reader never leaves them.
 *
 * Values at the edges of each width go through writer, buffer and reader; hostile varints are
 * refused in all their forms; an overrun is remembered. Errors and hexadecimal text come last.
 */
#include "core/core.h"

#include "run.h"

#include <string.h>

static const uint64_t edges[] = {
    0,          1,
    0x7f,       0x80,
    0xff,       0x100,
    0x3fff,     0x4000,
    0xffff,     0x10000,
    0x1fffff,   0x200000,
    0x7fffffff, 0x80000000,
    0xffffffff, 1ull << 32,
    1ull << 35, (1ull << 56) - 1,
    1ull << 56, (1ull << 63) - 1,
    1ull << 63, UINT64_MAX - 1,
    UINT64_MAX,
};

/* ---- round trips ----------------------------------------------------------------------------- */

START_TEST(fixed_widths_come_back)
{
    uint64_t value = edges[_i];
    uint8_t bytes[1 + 2 + 4 + 8 + 8 + 3 + 2];
    struct writer w = writer_over(bytes, sizeof bytes);
    put_u8(&w, (uint8_t)value);
    put_u16(&w, (uint16_t)value);
    put_u32(&w, (uint32_t)value);
    put_u64(&w, value);
    put_i64(&w, (int64_t)value);
    put_bytes(&w, "abc", 3);
    put_zeros(&w, 2);
    ck_assert_uint_eq(w.left, 0);
    ck_assert(!w.overrun);

    struct buffer b;
    buffer_init(&b);
    buffer_append_u8(&b, (uint8_t)value);
    buffer_append_u16(&b, (uint16_t)value);
    buffer_append_u32(&b, (uint32_t)value);
    buffer_append_u64(&b, value);
    buffer_append_i64(&b, (int64_t)value);
    buffer_append(&b, "abc", 3);
    buffer_append_zeros(&b, 2);
    ck_assert_uint_eq(b.bytes, sizeof bytes);
    ck_assert_mem_eq(b.data, bytes, sizeof bytes);
    buffer_release(&b);
    ck_assert_ptr_null(b.data);

    struct reader r = reader_over(bytes, sizeof bytes);
    char copy[3];
    ck_assert_uint_eq(get_u8(&r), (uint8_t)value);
    ck_assert_uint_eq(get_u16(&r), (uint16_t)value);
    ck_assert_uint_eq(get_u32(&r), (uint32_t)value);
    ck_assert_uint_eq(get_u64(&r), value);
    ck_assert_int_eq(get_i64(&r), (int64_t)value);
    get_copy(&r, copy, 3);
    ck_assert_mem_eq(copy, "abc", 3);
    ck_assert(!reader_is_done(&r));
    ck_assert_ptr_eq(get_bytes(&r, 2), bytes + sizeof bytes - 2);
    ck_assert(reader_is_done(&r));
    ck_assert_ptr_eq(get_bytes(&r, 0), bytes + sizeof bytes); /* nothing is always there */
    ck_assert(reader_is_done(&r));
}
END_TEST

START_TEST(bytes_are_little_endian)
{
    uint8_t bytes[8];
    struct writer w = writer_over(bytes, sizeof bytes);
    put_u64(&w, UINT64_C(0x0807060504030201));
    ck_assert_mem_eq(bytes, "\1\2\3\4\5\6\7\10", 8);
}
END_TEST

START_TEST(varints_come_back_in_their_shortest_form)
{
    uint64_t value = edges[_i];
    struct buffer b;
    buffer_init(&b);
    buffer_append_varint(&b, value);
    buffer_append_zigzag(&b, (int64_t)value);
    buffer_append_zigzag(&b, -(int64_t)(value >> 1));
    size_t shortest = 1;
    while (shortest < 10 && value >> 7 * shortest != 0)
        shortest++;
    struct reader r = reader_over(b.data, b.bytes);
    ck_assert_uint_eq(get_varint(&r), value);
    ck_assert_uint_eq(b.bytes - r.left, shortest);
    ck_assert_int_eq(get_zigzag(&r), (int64_t)value);
    ck_assert_int_eq(get_zigzag(&r), -(int64_t)(value >> 1));
    ck_assert(reader_is_done(&r));
    ck_assert_uint_eq(zigzag_decode(zigzag_encode((int64_t)value)), (int64_t)value);

    for (size_t bytes = 0; bytes < shortest; bytes++) { /* cut anywhere it is no varint */
        r = reader_over(b.data, bytes);
        ck_assert_uint_eq(get_varint(&r), 0);
        ck_assert(r.overrun);
    }
    buffer_release(&b);
}
END_TEST

START_TEST(zigzag_is_small_for_small_values)
{
    static const int64_t values[] = { 0, -1, 1, -2, 2, -3 };
    for (size_t i = 0; i < CORE_COUNT(values); i++)
        ck_assert_uint_eq(zigzag_encode(values[i]), i);
    ck_assert_uint_eq(zigzag_encode(INT64_MAX), UINT64_MAX - 1);
    ck_assert_uint_eq(zigzag_encode(INT64_MIN), UINT64_MAX);
}
END_TEST

/* ---- hostile bytes --------------------------------------------------------------------------- */

static const struct {
    uint8_t bytes[11];
    size_t count;
} bad_varints[] = {
    { { 0x80 }, 1 },                                                              /* cut */
    { { 0x80, 0x00 }, 2 },                                                        /* over-long */
    { { 0xff, 0x80, 0x00 }, 3 },                                                  /* over-long */
    { { 0x81, 0x00 }, 2 },                                                        /* over-long */
    { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 }, 10 },       /* 65 bits */
    { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f }, 10 },       /* 70 bits */
    { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00 }, 10 },       /* over-long */
    { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81 }, 10 },       /* goes on */
    { { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 }, 11 }, /* eleven */
};

START_TEST(bad_varints_are_refused)
{
    struct reader r = reader_over(bad_varints[_i].bytes, bad_varints[_i].count);
    ck_assert_uint_eq(get_varint(&r), 0);
    ck_assert(r.overrun);
    ck_assert(!reader_is_done(&r));
    ck_assert_uint_eq(get_u8(&r), 0); /* and nothing is read after it */
}
END_TEST

START_TEST(every_short_varint_decodes_to_what_it_encodes)
{
    uint8_t bytes[3];
    for (uint32_t all = 0; all < 1u << 24; all++) {
        bytes[0] = (uint8_t)all;
        bytes[1] = (uint8_t)(all >> 8);
        bytes[2] = (uint8_t)(all >> 16);
        struct reader r = reader_over(bytes, sizeof bytes);
        uint64_t value = get_varint(&r);
        if (r.overrun)
            continue;
        uint64_t want = 0;
        size_t used = sizeof bytes - r.left;
        for (size_t i = 0; i < used; i++)
            want |= (uint64_t)(bytes[i] & 0x7f) << 7 * i;
        if (value != want || (used > 1 && want >> 7 * (used - 1) == 0))
            ck_abort_msg("bytes %06x", all);
    }
}
END_TEST

START_TEST(zeros_are_zeros_wherever_one_byte_may_differ)
{
    uint8_t bytes[70] = { 0 };
    for (size_t count = 0; count <= sizeof bytes; count++) {
        ck_assert(bytes_are_zero(bytes, count));
        for (size_t at = 0; at < sizeof bytes; at++) {
            bytes[at] = 1;
            ck_assert(bytes_are_zero(bytes, count) == (at >= count));
            bytes[at] = 0;
        }
    }
}
END_TEST

START_TEST(an_overrun_is_remembered)
{
    static const uint8_t bytes[] = { 1, 2, 3 };
    uint8_t copy[4] = { 9, 9, 9, 9 };
    struct reader r = reader_over(bytes, sizeof bytes);
    ck_assert_uint_eq(get_u16(&r), 0x0201);
    ck_assert_uint_eq(get_u16(&r), 0);
    ck_assert(r.overrun);
    ck_assert_uint_eq(get_u8(&r), 0); /* though a byte was left */
    ck_assert_ptr_null(get_bytes(&r, 1));
    ck_assert_ptr_null(get_bytes(&r, 0));
    get_copy(&r, copy, sizeof copy);
    ck_assert_mem_eq(copy, "\0\0\0\0", 4);
    ck_assert(!reader_is_done(&r));

    r = reader_over(bytes, sizeof bytes);
    ck_assert_ptr_null(get_bytes(&r, SIZE_MAX));
    ck_assert(r.overrun);
    r = reader_over(NULL, 0);
    ck_assert(reader_is_done(&r));
    get_copy(&r, copy, 0);
    ck_assert(reader_is_done(&r));
    ck_assert_uint_eq(get_u64(&r), 0);
    ck_assert(r.overrun);
}
END_TEST

START_TEST(a_writer_stops_at_its_end)
{
    uint8_t bytes[4] = { 0xee, 0xee, 0xee, 0xee };
    struct writer w = writer_over(bytes, 3);
    put_u16(&w, 0x0101);
    put_u32(&w, 0x02020202);
    ck_assert(w.overrun);
    put_u8(&w, 3); /* though it would fit */
    put_zeros(&w, 1);
    ck_assert_mem_eq(bytes, "\1\1\xee\xee", 4);
    w = writer_over(bytes, 3);
    put_zeros(&w, 4);
    ck_assert(w.overrun);
    w = writer_over(bytes, 3);
    put_bytes(&w, NULL, 0);
    put_zeros(&w, 3);
    ck_assert(!w.overrun);
    ck_assert_uint_eq(w.left, 0);
    ck_assert_mem_eq(bytes, "\0\0\0\xee", 4);
}
END_TEST

/* ---- buffers --------------------------------------------------------------------------------- */

START_TEST(buffers_grow_and_are_used_again)
{
    struct buffer b;
    buffer_init(&b);
    buffer_append(&b, NULL, 0);
    buffer_append_zeros(&b, 0);
    ck_assert_uint_eq(b.bytes, 0);
    for (uint32_t i = 0; i < 10000; i++)
        buffer_append_u32(&b, i);
    ck_assert(!b.failed);
    ck_assert_uint_eq(b.bytes, 40000);
    struct reader r = reader_over(b.data, b.bytes);
    for (uint32_t i = 0; i < 10000; i++)
        ck_assert_uint_eq(get_u32(&r), i);
    const uint8_t *data = b.data;
    buffer_clear(&b);
    buffer_append_u8(&b, 7);
    ck_assert_ptr_eq(b.data, data);
    ck_assert_uint_eq(b.bytes, 1);
    ck_assert(buffer_reserve(&b, 100000));
    ck_assert_uint_ge(b.capacity, 100001);
    ck_assert_uint_eq(b.data[0], 7);
    buffer_release(&b);
}
END_TEST

START_TEST(a_failed_allocation_is_remembered)
{
    struct buffer b;
    buffer_init(&b);
    buffer_append(&b, "abc", 3);
    ck_assert(!buffer_reserve(&b, SIZE_MAX - 1));
    ck_assert(b.failed);
    ck_assert(!buffer_reserve(&b, 1));
    buffer_append(&b, "d", 1);
    buffer_append_u64(&b, 1);
    ck_assert_uint_eq(b.bytes, 3);
    ck_assert_mem_eq(b.data, "abc", 3);
    buffer_clear(&b);
    buffer_append(&b, "d", 1);
    ck_assert(!b.failed);
    ck_assert_uint_eq(b.bytes, 1);
    buffer_release(&b);
}
END_TEST

/* ---- arithmetic ------------------------------------------------------------------------------ */

START_TEST(checked_arithmetic_refuses_what_does_not_fit)
{
    uint64_t u = 5;
    int64_t i = 5;
    ck_assert(!checked_add_u64(&u, UINT64_MAX, 1));
    ck_assert(!checked_mul_u64(&u, UINT64_C(1) << 32, UINT64_C(1) << 32));
    ck_assert(!checked_add_i64(&i, INT64_MAX, 1));
    ck_assert(!checked_add_i64(&i, INT64_MIN, -1));
    ck_assert(!checked_mul_i64(&i, INT64_MIN, -1));
    ck_assert_uint_eq(u, 5); /* outputs stay untouched */
    ck_assert_int_eq(i, 5);
    ck_assert(checked_add_u64(&u, UINT64_MAX - 1, 1));
    ck_assert_uint_eq(u, UINT64_MAX);
    ck_assert(checked_mul_u64(&u, 3, 7));
    ck_assert_uint_eq(u, 21);
    ck_assert(checked_add_i64(&i, INT64_MIN, INT64_MAX));
    ck_assert_int_eq(i, -1);
    ck_assert(checked_mul_i64(&i, -3, 7));
    ck_assert_int_eq(i, -21);
}
END_TEST

START_TEST(wrapping_and_saturating_arithmetic_are_exact)
{
    ck_assert_int_eq(wrap_add_i64(INT64_MAX, 1), INT64_MIN);
    ck_assert_int_eq(wrap_sub_i64(INT64_MIN, 1), INT64_MAX);
    ck_assert_int_eq(wrap_add_i64(-3, 5), 2);
    ck_assert_int_eq(saturating_add_i64(INT64_MAX, 1), INT64_MAX);
    ck_assert_int_eq(saturating_add_i64(INT64_MIN, -1), INT64_MIN);
    ck_assert_int_eq(saturating_add_i64(INT64_MIN, INT64_MAX), -1);
    ck_assert_int_eq(saturating_add_i64(INT64_MAX, INT64_MAX), INT64_MAX);
    ck_assert_int_eq(saturating_add_i64(INT64_MIN, INT64_MIN), INT64_MIN);
}
END_TEST

static const struct {
    int64_t a, b, quotient;
} divisions[] = {
    { 7, 2, 3 },
    { -7, 2, -4 },
    { 6, 2, 3 },
    { -6, 2, -3 },
    { 0, 5, 0 },
    { -1, 5, -1 },
    { 4, 5, 0 },
    { INT64_MIN, 1, INT64_MIN },
    { INT64_MIN, INT64_MAX, -2 },
    { INT64_MAX, INT64_MAX, 1 },
    { -1, INT64_MAX, -1 },
};

START_TEST(division_rounds_down)
{
    ck_assert_int_eq(floor_div_i64(divisions[_i].a, divisions[_i].b), divisions[_i].quotient);
}
END_TEST

/* ---- text ------------------------------------------------------------------------------------ */

START_TEST(hexadecimal_text_ends)
{
    char out[9] = "........";
    hex_encode(out, "\x00\x9f\xff", 3);
    ck_assert_str_eq(out, "009fff");
    hex_encode(out, "", 0);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(an_error_has_its_sentence)
{
    holter_error err = { 0 };
    ck_assert_int_eq(error_set(&err, HOLTER_CORRUPT, "'%s' at %d", "f", 5), HOLTER_CORRUPT);
    ck_assert_int_eq(err.status, HOLTER_CORRUPT);
    ck_assert_str_eq(err.message, "'f' at 5");
    ck_assert_int_eq(error_set(&err, HOLTER_IO, "more: %s", err.message),
                     HOLTER_IO); /* quotes itself */
    ck_assert_str_eq(err.message, "more: 'f' at 5");
    ck_assert_int_eq(error_set(NULL, HOLTER_BUSY, "nobody listens"), HOLTER_BUSY);
}
END_TEST

/* A sentence that is cut ends with a whole character, wherever the cut falls. */
START_TEST(a_long_sentence_is_cut_between_characters)
{
    static const char *const characters[] = { "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t kind = 0; kind < CORE_COUNT(characters); kind++) {
        size_t width = strlen(characters[kind]);
        for (size_t shift = 0; shift < 5; shift++) {
            char text[1024] = "";
            memset(text, '.', shift);
            while (strlen(text) + width < sizeof text)
                strcat(text, characters[kind]);
            holter_error err = { 0 };
            ck_assert_int_eq(error_set(&err, HOLTER_IO, "%s", text), HOLTER_IO);
            size_t bytes = strlen(err.message);
            ck_assert_uint_lt(bytes, sizeof err.message);
            ck_assert_uint_gt(bytes + width, sizeof err.message - 1); /* no more than needed */
            ck_assert_uint_eq((bytes - shift) % width, 0);
            ck_assert_mem_eq(err.message, text, bytes);
        }
    }
}
END_TEST

START_TEST(every_status_has_a_name)
{
    for (int status = HOLTER_OK; status <= HOLTER_DONE; status++) {
        const char *name = holter_status_name((holter_status)status);
        ck_assert_msg(strncmp(name, "HOLTER_", 7) == 0 && name[7] != '?', "status %d", status);
        for (int before = HOLTER_OK; before < status; before++)
            ck_assert_str_ne(name, holter_status_name((holter_status)before));
    }
    ck_assert_str_eq(holter_status_name((holter_status)99), "HOLTER_?");
    ck_assert_str_eq(holter_version(), HOLTER_VERSION_STRING);
}
END_TEST

static Suite *core_bytes_suite(void)
{
    Suite *suite = suite_create("core_bytes");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, fixed_widths_come_back, 0, CORE_COUNT(edges));
    tcase_add_test(all, bytes_are_little_endian);
    tcase_add_loop_test(all, varints_come_back_in_their_shortest_form, 0, CORE_COUNT(edges));
    tcase_add_test(all, zigzag_is_small_for_small_values);
    tcase_add_loop_test(all, bad_varints_are_refused, 0, CORE_COUNT(bad_varints));
    tcase_add_test(all, every_short_varint_decodes_to_what_it_encodes);
    tcase_add_test(all, zeros_are_zeros_wherever_one_byte_may_differ);
    tcase_add_test(all, an_overrun_is_remembered);
    tcase_add_test(all, a_writer_stops_at_its_end);
    tcase_add_test(all, buffers_grow_and_are_used_again);
    tcase_add_test(all, a_failed_allocation_is_remembered);
    tcase_add_test(all, checked_arithmetic_refuses_what_does_not_fit);
    tcase_add_test(all, wrapping_and_saturating_arithmetic_are_exact);
    tcase_add_loop_test(all, division_rounds_down, 0, CORE_COUNT(divisions));
    tcase_add_test(all, hexadecimal_text_ends);
    tcase_add_test(all, an_error_has_its_sentence);
    tcase_add_test(all, a_long_sentence_is_cut_between_characters);
    tcase_add_test(all, every_status_has_a_name);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return run_suite(core_bytes_suite());
}
