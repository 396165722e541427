/*
 * store_value.c -- values from text and to text, exactly.
 *
 * A decimal is read as an integer of its digits and an exponent of ten, so no rounding happens on
 * the way: 36.55 at the field's exponent -2 is 3655, and 36.555 is refused (or rounded half to even
 * where the caller asked for it).
 *
 * The C library turns digits into doubles and back, but sees and gives the decimal point of the
 * process's locale: so points are left to it neither way, digits and exponents alone.
 */
#include "store/store_impl.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 400 };

/* sign, digits without zeros at either end, and the power of ten of the last digit. */
struct decimal {
    bool is_negative;
    char digits[DIGITS_MAX];
    size_t count;
    int64_t exponent;
};

static bool read_exponent(int64_t *out, const char *at, const char *end)
{
    bool is_negative = at < end && *at == '-';
    int64_t value = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || value > 100000)
            return false;
        value = value * 10 + (*at - '0');
    }
    *out = is_negative ? -value : value;
    return true;
}

/* A digit; zeros wait in *zeros until one follows that is none. False: too many. */
static bool take_digit(struct decimal *out, size_t *zeros, char digit)
{
    if (digit == '0') {
        *zeros += out->count > 0;
        return true;
    }
    if (*zeros >= DIGITS_MAX - out->count)
        return false;
    memset(out->digits + out->count, '0', *zeros);
    out->count += *zeros;
    out->digits[out->count++] = digit;
    *zeros = 0;
    return true;
}

static bool read_decimal(struct decimal *out, const char *at, const char *end)
{
    *out = (struct decimal){ 0 };
    bool has_digit = false;
    bool is_fraction = false;
    size_t zeros = 0;
    if (at < end && (*at == '-' || *at == '+'))
        out->is_negative = *at++ == '-';
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.' && !is_fraction) {
            is_fraction = true;
            continue;
        }
        if (*at < '0' || *at > '9' || !take_digit(out, &zeros, *at))
            return false;
        has_digit = true;
        out->exponent -= is_fraction;
    }
    int64_t exponent = 0;
    if (!has_digit || (at < end && !read_exponent(&exponent, at + 1, end)))
        return false;
    out->exponent = out->count > 0 ? out->exponent + exponent + (int64_t)zeros : 0;
    return true;
}

static holter_status refuse_number(holter_error *err)
{
    return error_set(err, HOLTER_INVALID,
                     "found what is no number, expected a decimal of at most %d digits",
                     DIGITS_MAX);
}

static holter_status refuse_finer(const struct decimal *d, int exponent, holter_error *err)
{
    if (exponent > 0)
        return error_set(err, HOLTER_INVALID,
                         "found a finer number, expected a multiple of 10^%d (or ask for rounding)",
                         exponent);
    return error_set(err, HOLTER_INVALID,
                     "found %" PRId64
                     " digits after the point, expected at most %d (or ask for rounding)",
                     -d->exponent, -exponent);
}

/* Half to even, at `keep` digits. */
static void round_digits(struct decimal *d, size_t keep)
{
    bool is_up = d->digits[keep] > '5' || (d->digits[keep] == '5' && d->count > keep + 1) ||
                 (d->digits[keep] == '5' && keep > 0 && (d->digits[keep - 1] - '0') % 2 == 1);
    d->exponent += (int64_t)(d->count - keep);
    d->count = keep;
    if (!is_up)
        return;
    size_t i = keep;
    while (i > 0 && d->digits[i - 1] == '9')
        d->digits[--i] = '0';
    if (i > 0) {
        d->digits[i - 1]++;
        return;
    }
    memmove(d->digits + 1, d->digits, d->count);
    d->digits[0] = '1';
    d->count++;
}

static holter_status parse_int(holter_value *out, const holter_field *field, const char *text,
                               size_t bytes, int round, holter_error *err)
{
    struct decimal d;
    if (!read_decimal(&d, text, text + bytes))
        return refuse_number(err);
    int64_t shift = d.exponent - field->exponent;
    if (d.count > 0 && shift < 0) {
        if (!round)
            return refuse_finer(&d, field->exponent, err);
        if ((uint64_t)-shift > d.count) { /* less than half of the last place */
            out->integer = 0;
            return HOLTER_OK;
        }
        round_digits(&d, d.count - (size_t)-shift);
        shift = 0;
    }
    int64_t value = 0;
    bool fits = d.count == 0 || (uint64_t)shift + d.count <= 19;
    for (size_t i = 0; fits && d.count > 0 && i < d.count + (uint64_t)shift; i++) {
        int64_t digit = i < d.count ? d.digits[i] - '0' : 0;
        fits = checked_mul_i64(&value, value, 10) &&
               checked_add_i64(&value, value, d.is_negative ? -digit : digit);
    }
    if (!fits)
        return error_set(err, HOLTER_INVALID, "found a number beyond 64 bits at exponent %d",
                         field->exponent);
    out->integer = value;
    return HOLTER_OK;
}

/* The nearest double. */
static double double_of(const struct decimal *d)
{
    char text[DIGITS_MAX + 32];
    snprintf(text, sizeof text, "%s%.*se%" PRId64, d->is_negative ? "-" : "",
             d->count > 0 ? (int)d->count : 1, d->count > 0 ? d->digits : "0", d->exponent);
    return strtod(text, NULL);
}

static bool is_text(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(text, word, bytes) == 0;
}

/* Not a number, infinity: as words. */
static bool read_word(double *out, const char *text, size_t bytes)
{
    if (is_text(text, bytes, "nan") || is_text(text, bytes, "NaN"))
        *out = (double)NAN;
    else if (is_text(text, bytes, "inf") || is_text(text, bytes, "Infinity"))
        *out = (double)INFINITY;
    else if (is_text(text, bytes, "-inf") || is_text(text, bytes, "-Infinity"))
        *out = -(double)INFINITY;
    else
        return false;
    return true;
}

static holter_status parse_float(holter_value *out, const char *text, size_t bytes,
                                 holter_error *err)
{
    struct decimal d;
    if (read_word(&out->real, text, bytes))
        return HOLTER_OK;
    if (!read_decimal(&d, text, text + bytes))
        return refuse_number(err);
    double value = double_of(&d);
    if (isinf(value))
        return error_set(err, HOLTER_INVALID, "found a number beyond a double's range");
    out->real = value;
    return HOLTER_OK;
}

static holter_status parse_enum(holter_value *out, const holter_field *field, const char *text,
                                size_t bytes, holter_error *err)
{
    for (size_t i = 0; i < field->label_count; i++) {
        if (is_text(text, bytes, field->labels[i])) {
            out->integer = (int64_t)i;
            return HOLTER_OK;
        }
    }
    struct decimal d;
    holter_value number;
    const holter_field plain = { .exponent = 0 };
    bool is_number = read_decimal(&d, text, text + bytes) &&
                     parse_int(&number, &plain, text, bytes, 0, NULL) == HOLTER_OK;
    if (!is_number || number.integer < 0 || (uint64_t)number.integer >= field->label_count)
        return error_set(err, HOLTER_INVALID,
                         "found no label of '%s', expected one of its %zu labels or a number",
                         field->name, field->label_count);
    *out = number;
    return HOLTER_OK;
}

holter_status holter_value_parse(holter_value *out, const holter_metric *metric, size_t field,
                                 const char *text, size_t text_bytes, int round, holter_error *err)
{
    if (out == NULL || metric == NULL || text == NULL || field >= metric->field_count)
        return error_set(err, HOLTER_INVALID, "there is no such field");
    const holter_field *of = &metric->fields[field];
    switch (of->type) {
    case HOLTER_INT:
        return parse_int(out, of, text, text_bytes, round, err);
    case HOLTER_FLOAT:
        return parse_float(out, text, text_bytes, err);
    case HOLTER_ENUM:
        return parse_enum(out, of, text, text_bytes, err);
    case HOLTER_TEXT:
        if (text_bytes > HOLTER_TEXT_BYTES_MAX)
            return error_set(err, HOLTER_INVALID, "found a text of %zu bytes, expected at most %d",
                             text_bytes, HOLTER_TEXT_BYTES_MAX);
        out->text.bytes = text;
        out->text.count = text_bytes;
        return HOLTER_OK;
    }
    return error_set(err, HOLTER_INVALID, "field %zu has no known type", field);
}

/* ---- to text --------------------------------------------------------------------------------- */

/* Digits as a decimal at an exponent. */
static size_t format_digits(char *out, size_t room, bool is_negative, const char *digits,
                            int exponent)
{
    int count = (int)strlen(digits);
    const char *sign = is_negative ? "-" : "";
    if (exponent >= 0)
        return (size_t)snprintf(out, room, "%s%s%.*s", sign, digits,
                                digits[0] == '0' ? 0 : exponent, "000000000000000000");
    int places = -exponent;
    if (count > places)
        return (size_t)snprintf(out, room, "%s%.*s.%s", sign, count - places, digits,
                                digits + count - places);
    return (size_t)snprintf(out, room, "%s0.%.*s%s", sign, places - count, "000000000000000000",
                            digits);
}

static size_t format_int(char *out, size_t room, int64_t value, int exponent)
{
    char digits[32];
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    snprintf(digits, sizeof digits, "%" PRIu64, magnitude);
    return format_digits(out, room, value < 0, digits, exponent);
}

/* The value at so many digits. False: that is another double. */
static bool round_double(struct decimal *out, double value, int digits)
{
    char text[64];
    *out = (struct decimal){ .is_negative = signbit(value) };
    snprintf(text, sizeof text, "%.*e", digits - 1, value);
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9')
            out->digits[out->count++] = *at;
    }
    out->exponent = strtol(at + 1, NULL, 10) - (int64_t)out->count + 1;
    while (out->count > 1 && out->digits[out->count - 1] == '0') {
        out->count--;
        out->exponent++;
    }
    return double_of(out) == value;
}

/* As "%.*g" does, at `precision`: with an exponent where it is below -4 or not below that. */
static size_t format_decimal(char *out, size_t room, const struct decimal *d, int precision)
{
    const char *sign = d->is_negative ? "-" : "";
    int count = (int)d->count;
    int exponent = (int)d->exponent;
    int first = exponent + count - 1; /* the power of ten of the first digit */
    if (first < -4 || first >= precision)
        return (size_t)snprintf(out, room, "%s%c%s%.*se%+03d", sign, d->digits[0],
                                count > 1 ? "." : "", count - 1, d->digits + 1, first);
    if (exponent >= 0)
        return (size_t)snprintf(out, room, "%s%.*s%.*s", sign, count, d->digits, exponent,
                                "000000000000000000");
    if (first >= 0)
        return (size_t)snprintf(out, room, "%s%.*s.%.*s", sign, first + 1, d->digits,
                                count - first - 1, d->digits + first + 1);
    return (size_t)snprintf(out, room, "%s0.%.*s%.*s", sign, -first - 1, "000", count, d->digits);
}

/*
 * The shortest decimal that reads back as these bits. 15 digits come back from every double but the
 * smallest ones, which have fewer.
 */
static size_t format_float(char *out, size_t room, double value)
{
    enum { DIGITS_SURE = 15, DIGITS_ENOUGH = 17 };
    struct decimal d;
    if (isnan(value))
        return (size_t)snprintf(out, room, "nan");
    if (isinf(value))
        return (size_t)snprintf(out, room, value < 0 ? "-inf" : "inf");
    int digits = fabs(value) < DBL_MIN ? 1 : DIGITS_SURE;
    while (!round_double(&d, value, digits) && digits < DIGITS_ENOUGH)
        digits++;
    return format_decimal(out, room, &d, digits > DIGITS_SURE ? digits : DIGITS_SURE);
}

size_t holter_value_format(char *out, size_t room, const holter_metric *metric, size_t field,
                           holter_value value)
{
    if (room > 0)
        out[0] = '\0';
    if (metric == NULL || field >= metric->field_count)
        return 0;
    const holter_field *of = &metric->fields[field];
    switch (of->type) {
    case HOLTER_INT:
        return format_int(out, room, value.integer, of->exponent);
    case HOLTER_FLOAT:
        return format_float(out, room, value.real);
    case HOLTER_ENUM:
        if (value.integer >= 0 && (uint64_t)value.integer < of->label_count)
            return (size_t)snprintf(out, room, "%s", of->labels[value.integer]);
        return (size_t)snprintf(out, room, "%" PRId64, value.integer);
    case HOLTER_TEXT:
        if (room > 0) {
            size_t bytes = value.text.count < room - 1 ? value.text.count : room - 1;
            memcpy(out, value.text.bytes, bytes);
            out[bytes] = '\0';
        }
        return value.text.count;
    }
    return 0;
}

/* The 128 bits high << 64 | low in decimal, by 32-bit digits. */
static void write_digits(char out[static 48], uint64_t high, uint64_t low)
{
    enum { PARTS = 4, GROUPS = 5, GROUP_DIGITS = 9 };
    uint32_t parts[PARTS] = { (uint32_t)(high >> 32), (uint32_t)high, (uint32_t)(low >> 32),
                              (uint32_t)low };
    uint32_t groups[GROUPS];
    for (int g = GROUPS - 1; g >= 0; g--) { /* 10^45 is beyond 128 bits */
        uint64_t rest = 0;
        for (int i = 0; i < PARTS; i++) {
            rest = rest << 32 | parts[i];
            parts[i] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        groups[g] = (uint32_t)rest;
    }
    char all[GROUPS * GROUP_DIGITS + 1];
    for (int g = 0; g < GROUPS; g++)
        snprintf(all + g * GROUP_DIGITS, GROUP_DIGITS + 1, "%09" PRIu32, groups[g]);
    size_t zeros = strspn(all, "0");
    if (all[zeros] == '\0')
        zeros--;
    memcpy(out, all + zeros, sizeof all - zeros);
}

size_t holter_sum_format(char *out, size_t room, const holter_metric *metric, size_t field,
                         const holter_sum *sum)
{
    if (room > 0)
        out[0] = '\0';
    if (metric == NULL || field >= metric->field_count || sum == NULL || !sum->is_there)
        return 0;
    if (!sum->is_whole)
        return format_float(out, room, sum->value);
    char digits[48];
    uint64_t high = (uint64_t)sum->high, low = sum->low;
    if (sum->high < 0) {
        low = 0 - low;
        high = ~high + (low == 0);
    }
    write_digits(digits, high, low);
    return format_digits(out, room, sum->high < 0, digits, metric->fields[field].exponent);
}
