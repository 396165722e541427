/*
 * golden_form.c -- samples as lines of text.
 */
#include "golden_form.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

int golden_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    size_t both = a_bytes < b_bytes ? a_bytes : b_bytes;
    int order = both == 0 ? 0 : memcmp(a, b, both);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static void print_escaped(FILE *out, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte < 0x20 || byte > 0x7e || strchr(",\"\\", byte) != NULL)
            fprintf(out, "\\x%02x", byte);
        else
            fputc(byte, out);
    }
}

/* value x 10^exponent, exactly: with -exponent digits after the point where it is below 0 */
static void print_decimal(FILE *out, int64_t value, int exponent)
{
    char digits[64];
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int least = exponent < 0 ? 1 - exponent : 1;
    int count = snprintf(digits, sizeof digits, "%0*" PRIu64, least, magnitude);
    int whole = exponent < 0 ? count + exponent : count;

    fprintf(out, "%s%.*s", value < 0 ? "-" : "", whole, digits);
    if (exponent < 0)
        fprintf(out, ".%s", digits + whole);
    for (int i = 0; i < exponent && value != 0; i++)
        fputc('0', out);
}

static void print_float(FILE *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    fprintf(out, "%016" PRIx64 "/", bits);
    if (isnan(value))
        fputs("nan", out);
    else
        fprintf(out, "%.17g", value);
}

static void print_value(FILE *out, const holter_field *field, holter_value value)
{
    switch (field->type) {
    case HOLTER_INT:
        print_decimal(out, value.integer, field->exponent);
        break;
    case HOLTER_FLOAT:
        print_float(out, value.real);
        break;
    case HOLTER_ENUM:
        if (value.integer >= 0 && (uint64_t)value.integer < field->label_count)
            print_escaped(out, field->labels[value.integer], strlen(field->labels[value.integer]));
        else
            fprintf(out, "?%" PRId64,
                    value.integer); /* no reader prints this, so it is seen as a difference */
        break;
    case HOLTER_TEXT:
        print_escaped(out, value.text.bytes, value.text.count);
        break;
    }
}

void golden_print(FILE *out, const struct golden_series *series, int64_t time_ns,
                  int64_t duration_ns, unsigned flags, int64_t revision, const holter_value *values)
{
    const holter_metric *metric = series->metric;

    print_escaped(out, series->user, series->user_bytes);
    fprintf(out, ",%s,", metric->name);
    print_escaped(out, series->source, strlen(series->source));
    fprintf(out, ",%" PRId64 ",", time_ns);
    if (metric->kind == HOLTER_INTERVAL)
        fprintf(out, "%" PRId64, duration_ns);
    fprintf(out, ",%u,%" PRId64, flags, revision);
    for (size_t f = 0; f < metric->field_count; f++) {
        fprintf(out, ",%s=", metric->fields[f].name);
        print_value(out, &metric->fields[f], values[f]);
    }
    fputc('\n', out);
}
