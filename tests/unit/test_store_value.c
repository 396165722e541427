/*
 * test_store_value.c -- values from text and to text, exactly.
 *
 * Claim: a decimal is taken as the number that it says or is refused, telling why; what is written
 * reads back as the same bits, in the shortest form; nothing of it depends on the process's locale.
 * Method: tables of edges, and seeded numbers against plain arithmetic and the C library.
 */
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "holter/holter.h"
#include "random.h"
#include "run.h"

enum { DOUBLES = 100000, INTEGERS = 20000 };

/* A metric of one field. */
static holter_metric metric_of(holter_type type, int exponent)
{
    static const char *const labels[] = { "asleep", "awake", "7", "rem" };
    holter_metric metric = { .number = 1000, .name = "tested", .field_count = 1, .key_field = -1 };
    metric.fields[0] = (holter_field){ .name = "value", .type = type, .exponent = exponent };
    if (type == HOLTER_ENUM) {
        metric.fields[0].labels = labels;
        metric.fields[0].label_count = CORE_COUNT(labels);
    }
    return metric;
}

static holter_status parse(holter_value *out, const holter_metric *metric, const char *text,
                           int round, holter_error *err)
{
    *err = (holter_error){ 0 };
    return holter_value_parse(out, metric, 0, text, strlen(text), round, err);
}

/* ---- integers -------------------------------------------------------------------------------- */

static const struct int_case {
    const char *text;
    int exponent;
    int64_t value;
} int_cases[] = {
    { "36.55", -2, 3655 },
    { "36.5", -2, 3650 },
    { "36", -2, 3600 },
    { "36.550000000000000000000000000", -2, 3655 },
    { "0000000000000000000000000036.55", -2, 3655 },
    { "-36.55", -2, -3655 },
    { "+7", 0, 7 },
    { "-7", 0, -7 },
    { ".5", -1, 5 },
    { "5.", 0, 5 },
    { "-.5", -1, -5 },
    { "0", 0, 0 },
    { "-0", 0, 0 },
    { "-0.00", 0, 0 },
    { "0e0", 0, 0 },
    { "0e99999", 0, 0 },
    { "0e-99999", 0, 0 },
    { "1e3", 0, 1000 },
    { "1E3", 0, 1000 },
    { "1e+3", 0, 1000 },
    { "1000e-3", 0, 1 },
    { "1e-3", -3, 1 },
    { "12.5e1", 0, 125 },
    { "1e18", 18, 1 },
    { "5e18", 18, 5 },
    { "7000", 3, 7 },
    { "1e-18", -18, 1 },
    { "9.223372036854775807", -18, INT64_MAX },
    { "-9.223372036854775808", -18, INT64_MIN },
    { "9223372036854775807", 0, INT64_MAX },
    { "-9223372036854775808", 0, INT64_MIN },
    { "9223372036854775807e18", 18, INT64_MAX },
    { "9223372036854775807000000000000000000", 18, INT64_MAX },
    { "-9223372036854775808e-18", -18, INT64_MIN },
    { "9223372036854775807.0", 0, INT64_MAX },
    { "1e-400e", 0, -1 }, /* refused */
};

START_TEST(a_decimal_is_the_integer_that_it_says)
{
    const struct int_case *one = &int_cases[_i];
    holter_metric metric = metric_of(HOLTER_INT, one->exponent);
    holter_value value = { .integer = 99 };
    holter_error err;
    for (int round = 0; round < 2; round++) {
        holter_status status = parse(&value, &metric, one->text, round, &err);
        if (one->value == -1) {
            ck_assert_int_eq(status, HOLTER_INVALID);
            continue;
        }
        ck_assert_msg(status == HOLTER_OK, "%s: %s", one->text, err.message);
        ck_assert_int_eq(value.integer, one->value);
    }
}
END_TEST

static const struct refused_case {
    const char *text;
    int exponent;
    const char *says; /* a part of the sentence */
} refused_cases[] = {
    { "", 0, "no number" },
    { "+", 0, "no number" },
    { "-", 0, "no number" },
    { ".", 0, "no number" },
    { "e3", 0, "no number" },
    { ".e3", 0, "no number" },
    { "1e", 0, "no number" },
    { "1e+", 0, "no number" },
    { "1e3.5", 0, "no number" },
    { "1e3e3", 0, "no number" },
    { "--1", 0, "no number" },
    { "+-1", 0, "no number" },
    { "1.2.3", -3, "no number" },
    { "0x10", 0, "no number" },
    { "1,5", -1, "no number" },
    { " 1", 0, "no number" },
    { "1 ", 0, "no number" },
    { "1_000", 0, "no number" },
    { "nan", 0, "no number" },
    { "inf", 0, "no number" },
    { "12abc", 0, "no number" },
    { "\xd9\xa3", 0, "no number" }, /* a digit, but not of ours */
    { "36.555", -2, "found 3 digits after the point, expected at most 2" },
    { "0.5", 0, "found 1 digits after the point, expected at most 0" },
    { "1e-19", -18, "found 19 digits after the point, expected at most 18" },
    { "1e-99999", 0, "found 99999 digits after the point" },
    { "1234", 3, "expected a multiple of 10^3" },
    { "1230", 3, "expected a multiple of 10^3" },
    { "0.5", 3, "expected a multiple of 10^3" },
    { "9223372036854775808", 0, "beyond 64 bits" },
    { "-9223372036854775809", 0, "beyond 64 bits" },
    { "9.223372036854775808", -18, "beyond 64 bits" },
    { "92233720368547758080", 0, "beyond 64 bits" },
    { "10", -18, "beyond 64 bits" },
    { "1e19", 0, "beyond 64 bits" },
    { "1e99999", 0, "beyond 64 bits" },
    { "1e99999", -18, "beyond 64 bits" },
    { "1e9999999999999999999999999", 0, NULL },
    { "1e-9999999999999999999999999", 0, NULL },
};

START_TEST(what_is_no_such_number_is_refused_and_told)
{
    const struct refused_case *one = &refused_cases[_i];
    holter_metric metric = metric_of(HOLTER_INT, one->exponent);
    holter_value value = { .integer = 99 };
    holter_error err;
    ck_assert_int_eq(parse(&value, &metric, one->text, 0, &err), HOLTER_INVALID);
    ck_assert_int_eq(err.status, HOLTER_INVALID);
    ck_assert_int_eq(value.integer, 99);
    if (one->says != NULL)
        ck_assert_msg(strstr(err.message, one->says) != NULL, "%s: %s", one->text, err.message);
}
END_TEST

static const struct int_case rounded_cases[] = {
    { "36.555", -2, 3656 }, /* half to even: 3655.5 */
    { "36.545", -2, 3654 },
    { "36.5450000000000000001", -2, 3655 },
    { "36.5449999999999999999", -2, 3654 },
    { "-36.555", -2, -3656 },
    { "-36.545", -2, -3654 },
    { "0.5", 0, 0 },
    { "1.5", 0, 2 },
    { "2.5", 0, 2 },
    { "0.51", 0, 1 },
    { "0.05", 0, 0 },
    { "0.95", -1, 10 }, /* 9.5 to the even one */
    { "9.99", 0, 10 },
    { "999.95", -1, 10000 },
    { "0.99", 0, 1 },
    { "-0.4", 0, 0 },
    { "500", 3, 0 },
    { "501", 3, 1 },
    { "1500", 3, 2 },
    { "1e-99999", 0, 0 },
    { "9e-19", -18, 1 },
    { "9223372036854775807.5", 0, -1 }, /* refused: rounds to 2^63 */
    { "9223372036854775807.4", 0, INT64_MAX },
    { "-9223372036854775808.5", 0, INT64_MIN },
    { "-9223372036854775808.51", 0, -1 },
    { "9999999999999999999.9", 0, -1 },
};

START_TEST(a_finer_decimal_is_rounded_half_to_even_if_asked)
{
    const struct int_case *one = &rounded_cases[_i];
    holter_metric metric = metric_of(HOLTER_INT, one->exponent);
    holter_value value = { .integer = 99 };
    holter_error err;
    ck_assert_int_eq(parse(&value, &metric, one->text, 0, &err), HOLTER_INVALID);
    holter_status status = parse(&value, &metric, one->text, 1, &err);
    if (one->value == -1) {
        ck_assert_int_eq(status, HOLTER_INVALID);
        ck_assert_ptr_nonnull(strstr(err.message, "beyond 64 bits"));
        return;
    }
    ck_assert_msg(status == HOLTER_OK, "%s: %s", one->text, err.message);
    ck_assert_msg(value.integer == one->value, "%s: found %" PRId64, one->text, value.integer);
}
END_TEST

START_TEST(hundreds_of_digits_are_read_to_the_last)
{
    holter_metric metric = metric_of(HOLTER_INT, 0);
    holter_value value;
    holter_error err;
    char text[2048];
    /*
     * 1 and 399 zeros, over 10^399; then with a digit at the very end, which no rounding may
     * forget.
     */
    snprintf(text, sizeof text, "1%0*de-399", 399, 0);
    ck_assert_int_eq(parse(&value, &metric, text, 0, &err), HOLTER_OK);
    ck_assert_int_eq(value.integer, 1);
    snprintf(text, sizeof text, "0.5%0*d1", 397, 0);
    ck_assert_int_eq(parse(&value, &metric, text, 1, &err), HOLTER_OK);
    ck_assert_int_eq(value.integer, 1);
    snprintf(text, sizeof text, "0.5%0*d", 398, 0);
    ck_assert_int_eq(parse(&value, &metric, text, 1, &err), HOLTER_OK);
    ck_assert_int_eq(value.integer, 0);
    snprintf(text, sizeof text, "%0*d.25", 1500, 12); /* zeros in front are no digits */
    metric = metric_of(HOLTER_INT, -2);
    ck_assert_int_eq(parse(&value, &metric, text, 0, &err), HOLTER_OK);
    ck_assert_int_eq(value.integer, 1225);
    memset(text, '9', 1000);
    text[1000] = '\0';
    ck_assert_int_eq(parse(&value, &metric, text, 1, &err), HOLTER_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "400 digits"));
}
END_TEST

/* a rounded to a multiple of `by`, half to even, over `by`; up to 10^18. */
static int64_t rounded(int64_t a, uint64_t by)
{
    uint64_t magnitude = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    uint64_t whole = magnitude / by;
    uint64_t twice = 2 * (magnitude % by);
    whole += twice > by || (twice == by && whole % 2 == 1);
    return (int64_t)(a < 0 ? 0 - whole : whole);
}

START_TEST(random_decimals_agree_with_whole_arithmetic)
{
    struct random random = { .state = 11 };
    for (int i = 0; i < INTEGERS; i++) {
        int64_t digits = (int64_t)random_u64(&random) >> random_below(&random, 64);
        int exponent = (int)random_below(&random, 37) - 18;
        int finer = (int)random_below(&random, 19); /* places below the field's */
        holter_metric metric = metric_of(HOLTER_INT, exponent);
        holter_value value;
        holter_error err;
        char text[64];
        uint64_t by = 1;
        for (int k = 0; k < finer; k++)
            by *= 10;
        snprintf(text, sizeof text, "%" PRId64 "e%d", digits, exponent - finer);
        ck_assert_int_eq(parse(&value, &metric, text, 1, &err), HOLTER_OK);
        if (value.integer != rounded(digits, by))
            ck_abort_msg("%s: found %" PRId64, text, value.integer);
        holter_status exact = parse(&value, &metric, text, 0, &err);
        if ((exact == HOLTER_OK) != (digits % (int64_t)by == 0))
            ck_abort_msg("%s: %s", text, err.message);
    }
}
END_TEST

START_TEST(an_integer_is_written_as_it_is_read)
{
    static const int64_t edges[] = { 0, 1, -1, 9, 10, -10, INT64_MIN, INT64_MAX, 3655, -3655 };
    struct random random = { .state = 12 };
    for (int i = 0; i < INTEGERS; i++) {
        int exponent = i % 37 - 18;
        holter_metric metric = metric_of(HOLTER_INT, exponent);
        holter_value value = { .integer =
                                   (int64_t)random_u64(&random) >> random_below(&random, 64) };
        holter_value again;
        holter_error err;
        char text[64];
        if (i < 37 * (int)CORE_COUNT(edges))
            value.integer = edges[i / 37];
        size_t bytes = holter_value_format(text, sizeof text, &metric, 0, value);
        if (bytes != strlen(text) || bytes >= sizeof text ||
            parse(&again, &metric, text, 0, &err) != HOLTER_OK || again.integer != value.integer)
            ck_abort_msg("%" PRId64 "e%d: written as %s", value.integer, exponent, text);
        const char *point = strchr(text, '.');
        if ((point == NULL) != (exponent >= 0) ||
            (point != NULL && strlen(point + 1) != (size_t)-exponent))
            ck_abort_msg("%" PRId64 "e%d: written as %s", value.integer, exponent, text);
    }
}
END_TEST

/* ---- floats ---------------------------------------------------------------------------------- */

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Digits from the first to the last that is not 0. */
static int digits_of(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && count == 0))
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        count++;
    }
    return count - zeros;
}

/* Written, and read again, and no shorter text would do. */
static void check_double(const holter_metric *metric, double real)
{
    holter_value value = { .real = real };
    holter_value again = { .real = 99 };
    holter_error err;
    char text[64], shorter[64];
    size_t bytes = holter_value_format(text, sizeof text, metric, 0, value);
    if (bytes != strlen(text) || parse(&again, metric, text, 0, &err) != HOLTER_OK)
        ck_abort_msg("%a: written as '%s': %s", real, text, err.message);
    if (isnan(real) ? !isnan(again.real) : bits_of(again.real) != bits_of(real))
        ck_abort_msg("%a: written as '%s', read as %a", real, text, again.real);
    int digits = digits_of(text);
    if (!isfinite(real) || digits < 2)
        return;
    snprintf(shorter, sizeof shorter, "%.*e", digits - 2, real);
    if (strtod(shorter, NULL) == real)
        ck_abort_msg("%a: written as '%s', but '%s' is shorter", real, text, shorter);
}

START_TEST(a_double_is_written_in_the_shortest_form_that_reads_back)
{
    static const double edges[] = {
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        0.3,
        1.0 / 3,
        5e-324,
        1e-323,
        -5e-324,
        1e-310,
        2.2250738585072014e-308,
        2.225073858507201e-308,
        1.7976931348623157e308,
        -1.7976931348623157e308,
        1e15,
        1e16,
        1e17,
        123456789012345678.0,
        0.0001,
        0.00001,
        1e22,
        1e23,
        9007199254740993.0,
        72.5,
        1e100,
        1e-100,
        100.0,
        36.55,
        5e-320,
    };
    holter_metric metric = metric_of(HOLTER_FLOAT, 0);
    struct random random = { .state = 13 };
    for (size_t i = 0; i < CORE_COUNT(edges); i++)
        check_double(&metric, edges[i]);
    for (int i = 0; i < DOUBLES; i++) {
        uint64_t bits = random_u64(&random);
        double real;
        if (i % 10 == 0)
            bits &= ~(UINT64_C(0x7ff) << 52); /* a denormal */
        else if (i % 10 == 1)
            bits |= UINT64_C(0x7ff) << 52; /* not a number */
        memcpy(&real, &bits, sizeof real);
        if (i % 10 == 2) /* as people measure */
            real = (double)(int64_t)random_below(&random, 1000000) / 100;
        check_double(&metric, real);
    }
}
END_TEST

static const struct float_text_case {
    double real;
    const char *text;
} float_text_cases[] = {
    { 72.5, "72.5" },
    { 0.1, "0.1" },
    { -0.0, "-0" },
    { 1e100, "1e+100" },
    { 100, "100" },
    { 0.0001, "0.0001" },
    { 0.00001, "1e-05" },
    { 5e-324, "5e-324" },
    { 1e15, "1e+15" },
    { 123456.789, "123456.789" },
    { (double)INFINITY, "inf" },
    { -(double)INFINITY, "-inf" },
    { (double)NAN, "nan" },
    { -(double)NAN, "nan" },
    { 100000, "100000" },
    { -1.5, "-1.5" },
    { 0, "0" },
    { 1234567890123456, "1234567890123456" },
};

START_TEST(a_double_has_one_text)
{
    const struct float_text_case *one = &float_text_cases[_i];
    holter_metric metric = metric_of(HOLTER_FLOAT, 0);
    char text[64];
    size_t bytes =
        holter_value_format(text, sizeof text, &metric, 0, (holter_value){ .real = one->real });
    ck_assert_str_eq(text, one->text);
    ck_assert_uint_eq(bytes, strlen(text));
    /* What does not fit is cut, and its size told. */
    char small[4];
    ck_assert_uint_eq(holter_value_format(small, sizeof small, &metric, 0,
                                          (holter_value){ .real = one->real }),
                      strlen(one->text));
    ck_assert_int_eq(strncmp(small, one->text, 3), 0);
    ck_assert_uint_eq(holter_value_format(NULL, 0, &metric, 0, (holter_value){ .real = one->real }),
                      strlen(one->text));
}
END_TEST

static const struct float_case {
    const char *text;
    double real;
    bool is_refused;
} float_cases[] = {
    { "nan", (double)NAN, false },
    { "NaN", (double)NAN, false },
    { "inf", (double)INFINITY, false },
    { "Infinity", (double)INFINITY, false },
    { "-inf", -(double)INFINITY, false },
    { "-Infinity", -(double)INFINITY, false },
    { "-0", -0.0, false },
    { "-0.0e5", -0.0, false },
    { "+7", 7, false },
    { ".5", 0.5, false },
    { "5.", 5, false },
    { "1e3", 1000, false },
    { "1e-400", 0, false },
    { "-1e-99999", -0.0, false },
    { "2.4703282292062328e-324", 5e-324, false },
    { "1.7976931348623157e308", 1.7976931348623157e308, false },
    { "1.7976931348623159e308", 0, true },
    { "1e309", 0, true },
    { "-1e309", 0, true },
    { "1e99999", 0, true },
    { "", 0, true },
    { "0x1p3", 0, true },
    { "1.5f", 0, true },
    { " 1.5", 0, true },
    { "1,5", 0, true },
    { "infinity!", 0, true },
    { "nan(1)", 0, true },
    { "INF", 0, true },
    { "1e", 0, true },
};

START_TEST(a_float_is_the_nearest_double_or_refused)
{
    const struct float_case *one = &float_cases[_i];
    holter_metric metric = metric_of(HOLTER_FLOAT, 0);
    holter_value value = { .real = 99 };
    holter_error err;
    holter_status status = parse(&value, &metric, one->text, 0, &err);
    ck_assert_int_eq(status, one->is_refused ? HOLTER_INVALID : HOLTER_OK);
    if (one->is_refused)
        ck_assert(value.real == 99);
    else if (isnan(one->real))
        ck_assert(isnan(value.real));
    else
        ck_assert_uint_eq(bits_of(value.real), bits_of(one->real));
}
END_TEST

START_TEST(hundreds_of_digits_make_a_float)
{
    holter_metric metric = metric_of(HOLTER_FLOAT, 0);
    holter_value value;
    holter_error err;
    char text[2048];
    snprintf(text, sizeof text, "%0*d.5", 1500, 36); /* zeros in front */
    ck_assert_int_eq(parse(&value, &metric, text, 0, &err), HOLTER_OK);
    ck_assert(value.real == 36.5);
    snprintf(text, sizeof text, "36.5%0*d", 1500, 0); /* zeros behind */
    ck_assert_int_eq(parse(&value, &metric, text, 0, &err), HOLTER_OK);
    ck_assert(value.real == 36.5);
    snprintf(text, sizeof text, "1.0000000000000001110223024625156540%0*d1", 300, 0);
    ck_assert_int_eq(parse(&value, &metric, text, 0, &err), HOLTER_OK);
    ck_assert(value.real ==
              strtod(text, NULL)); /* beyond half way to the next, by the last digit */
}
END_TEST

/* ---- enums and texts ------------------------------------------------------------------------- */

START_TEST(an_enum_is_read_by_label_or_number)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = { { "asleep", 0 },
                  { "awake", 1 },
                  { "rem", 3 },
                  { "7", 2 },
                  { "0", 0 },
                  { "3", 3 },
                  { "4", -1 },
                  { "-1", -1 },
                  { "", -1 },
                  { "Asleep", -1 },
                  { "asleep ", -1 },
                  { "1.5", -1 },
                  { "99999999999999999999", -1 },
                  { "asle", -1 } };
    holter_metric metric = metric_of(HOLTER_ENUM, 0);
    for (size_t i = 0; i < CORE_COUNT(cases); i++) {
        holter_value value = { .integer = 99 };
        holter_error err;
        holter_status status = parse(&value, &metric, cases[i].text, 0, &err);
        ck_assert_int_eq(status, cases[i].value < 0 ? HOLTER_INVALID : HOLTER_OK);
        ck_assert_int_eq(value.integer, cases[i].value < 0 ? 99 : cases[i].value);
        if (status != HOLTER_OK)
            ck_assert_ptr_nonnull(strstr(err.message, "one of its 4 labels"));
    }
    char text[16];
    ck_assert_uint_eq(holter_value_format(text, sizeof text, &metric, 0,
                                          (holter_value){ .integer = 3 }),
                      3);
    ck_assert_str_eq(text, "rem");
    holter_value_format(text, sizeof text, &metric, 0, (holter_value){ .integer = 44 });
    ck_assert_str_eq(text, "44");
}
END_TEST

START_TEST(a_text_is_taken_as_it_is)
{
    holter_metric metric = metric_of(HOLTER_TEXT, 0);
    static char large[HOLTER_TEXT_BYTES_MAX + 1];
    holter_value value;
    holter_error err;
    char out[6];
    memset(large, 'x', sizeof large);
    ck_assert_int_eq(parse(&value, &metric, "a,\"b\"", 0, &err), HOLTER_OK);
    ck_assert_uint_eq(value.text.count, 5);
    ck_assert_uint_eq(holter_value_format(out, sizeof out, &metric, 0, value), 5);
    ck_assert_str_eq(out, "a,\"b\"");
    ck_assert_uint_eq(holter_value_format(out, 3, &metric, 0, value), 5);
    ck_assert_str_eq(out, "a,");
    ck_assert_int_eq(parse(&value, &metric, "", 0, &err), HOLTER_OK);
    ck_assert_uint_eq(value.text.count, 0);
    ck_assert_int_eq(holter_value_parse(&value, &metric, 0, large, sizeof large - 1, 0, &err),
                     HOLTER_OK);
    ck_assert_int_eq(holter_value_parse(&value, &metric, 0, large, sizeof large, 0, &err),
                     HOLTER_INVALID);
}
END_TEST

START_TEST(there_is_no_value_without_a_field)
{
    holter_metric metric = metric_of(HOLTER_INT, 0);
    holter_value value;
    holter_error err;
    char out[4] = "abc";
    ck_assert_int_eq(holter_value_parse(&value, &metric, 1, "1", 1, 0, &err), HOLTER_INVALID);
    ck_assert_int_eq(holter_value_parse(&value, NULL, 0, "1", 1, 0, &err), HOLTER_INVALID);
    ck_assert_int_eq(holter_value_parse(NULL, &metric, 0, "1", 1, 0, &err), HOLTER_INVALID);
    ck_assert_int_eq(holter_value_parse(&value, &metric, 0, NULL, 0, 0, NULL), HOLTER_INVALID);
    ck_assert_uint_eq(holter_value_format(out, sizeof out, &metric, 1, value), 0);
    ck_assert_str_eq(out, "");
    ck_assert_uint_eq(holter_value_format(out, sizeof out, NULL, 0, value), 0);
}
END_TEST

/* ---- locales --------------------------------------------------------------------------------- */

/*
 * Set a locale whose decimal point is a comma: an installed one, or one made here. False: there is
 * none.
 */
static bool set_comma_locale(char directory[static 32])
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE" };
    char command[256];
    directory[0] = '\0';
    for (size_t i = 0; i < CORE_COUNT(names); i++) {
        if (setlocale(LC_ALL, names[i]) != NULL && strcmp(localeconv()->decimal_point, ",") == 0)
            return true;
    }
    snprintf(directory, 32, "/tmp/test_locale.XXXXXX");
    if (mkdtemp(directory) == NULL)
        return false;
    snprintf(command, sizeof command,
             "localedef --no-archive -i de_DE -f UTF-8 %s/comma.UTF-8 >/dev/null 2>&1", directory);
    return system(command) == 0 && setenv("LOCPATH", directory, 1) == 0 &&
           setlocale(LC_ALL, "comma.UTF-8") != NULL &&
           strcmp(localeconv()->decimal_point, ",") == 0;
}

START_TEST(no_locale_changes_what_is_read_or_written)
{
    holter_metric real = metric_of(HOLTER_FLOAT, 0);
    holter_metric integer = metric_of(HOLTER_INT, -2);
    struct random random = { .state = 14 };
    holter_value value;
    holter_error err;
    char directory[32];
    char text[64];
    if (set_comma_locale(directory)) {
        ck_assert_int_eq(parse(&value, &real, "72.5", 0, &err), HOLTER_OK);
        ck_assert(value.real == 72.5);
        ck_assert_int_eq(parse(&value, &real, "72,5", 0, &err), HOLTER_INVALID);
        holter_value_format(text, sizeof text, &real, 0, (holter_value){ .real = 72.5 });
        ck_assert_str_eq(text, "72.5");
        holter_value_format(text, sizeof text, &real, 0, (holter_value){ .real = 1.5e-7 });
        ck_assert_str_eq(text, "1.5e-07");
        ck_assert_int_eq(parse(&value, &integer, "36.55", 0, &err), HOLTER_OK);
        ck_assert_int_eq(value.integer, 3655);
        holter_value_format(text, sizeof text, &integer, 0, value);
        ck_assert_str_eq(text, "36.55");
        for (int i = 0; i < 2000; i++) {
            uint64_t bits = random_u64(&random);
            double one;
            memcpy(&one, &bits, sizeof one);
            check_double(&real, one);
        }
    } else {
        fprintf(stderr, "no locale with a comma, and none could be made: left out\n");
    }
    setlocale(LC_ALL, "C");
    if (directory[0] != '\0') {
        char command[64];
        snprintf(command, sizeof command, "rm -rf %s", directory);
        ck_assert_int_eq(system(command), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_value");
    TCase *tcase = tcase_create("value");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_decimal_is_the_integer_that_it_says, 0,
                        (int)CORE_COUNT(int_cases));
    tcase_add_loop_test(tcase, what_is_no_such_number_is_refused_and_told, 0,
                        (int)CORE_COUNT(refused_cases));
    tcase_add_loop_test(tcase, a_finer_decimal_is_rounded_half_to_even_if_asked, 0,
                        (int)CORE_COUNT(rounded_cases));
    tcase_add_test(tcase, hundreds_of_digits_are_read_to_the_last);
    tcase_add_test(tcase, random_decimals_agree_with_whole_arithmetic);
    tcase_add_test(tcase, an_integer_is_written_as_it_is_read);
    tcase_add_test(tcase, a_double_is_written_in_the_shortest_form_that_reads_back);
    tcase_add_loop_test(tcase, a_double_has_one_text, 0, (int)CORE_COUNT(float_text_cases));
    tcase_add_loop_test(tcase, a_float_is_the_nearest_double_or_refused, 0,
                        (int)CORE_COUNT(float_cases));
    tcase_add_test(tcase, hundreds_of_digits_make_a_float);
    tcase_add_test(tcase, an_enum_is_read_by_label_or_number);
    tcase_add_test(tcase, a_text_is_taken_as_it_is);
    tcase_add_test(tcase, there_is_no_value_without_a_field);
    tcase_add_test(tcase, no_locale_changes_what_is_read_or_written);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
