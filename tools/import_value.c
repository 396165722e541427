/*
 * import_value.c -- a text of a file or line as a part of a row.
 */
#include "import_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "flags.h"

enum { DIGITS_THAT_FIT = 18 }; /* whatever they are, an int64_t holds them */

/* false always. */
TOOL_PRINTF(2, 3)
static bool refuse(char problem[static IMPORT_PROBLEM_BYTES_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(problem, IMPORT_PROBLEM_BYTES_MAX, format, args);
    va_end(args);
    return false;
}

static inline bool whole_take(int64_t *out, struct csv_field text)
{
    bool is_negative = text.count > 0 && text.bytes[0] == '-';
    if (text.count == is_negative)
        return false;
    int64_t number = 0;
    size_t i = is_negative;
    for (; i < text.count && i < DIGITS_THAT_FIT; i++) {
        unsigned digit = (unsigned char)text.bytes[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        number = number * 10 + (int64_t)digit;
    }
    for (; i < text.count; i++) {
        unsigned digit = (unsigned char)text.bytes[i] - (unsigned)'0';
        if (digit > 9 || number > (INT64_MAX - (int64_t)digit) / 10)
            return false;
        number = number * 10 + (int64_t)digit;
    }
    *out = is_negative ? -number : number;
    return true;
}

bool whole_read(int64_t *out, struct csv_field text)
{
    return whole_take(out, text);
}

/* What a field takes, after "expected ". */
static void field_expectation(char *out, size_t room, const holter_field *field, bool round)
{
    const char *rounding = round ? " after rounding" : " (--round rounds finer ones)";
    size_t at;
    switch (field->type) {
    case HOLTER_INT:
        if (field->exponent < 0)
            snprintf(out, room, "a number with at most %d decimal%s%s", -field->exponent,
                     field->exponent == -1 ? "" : "s", rounding);
        else if (field->exponent > 0)
            snprintf(out, room, "a multiple of 10^%d%s", field->exponent, rounding);
        else
            snprintf(out, room, "a whole number%s", rounding);
        break;
    case HOLTER_FLOAT:
        snprintf(out, room, "a number");
        break;
    case HOLTER_ENUM:
        at = (size_t)snprintf(out, room, "a label's number or one of");
        for (size_t i = 0; i < field->label_count; i++) {
            if (at + strlen(field->labels[i]) + 8 > room / 2) {
                snprintf(out + at, room - at, " ...");
                break;
            }
            at += (size_t)snprintf(out + at, room - at, "%s%s", i == 0 ? " " : ", ",
                                   field->labels[i]);
        }
        break;
    case HOLTER_TEXT:
        snprintf(out, room, "text");
        break;
    }
}

/* Of any type and form. */
TOOL_APART
static bool value_read(holter_value *out, const holter_metric *metric, size_t field,
                       struct csv_field text, bool round,
                       char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    const holter_field *of = &metric->fields[field];
    if (of->type == HOLTER_TEXT) {
        if (text.count > HOLTER_TEXT_BYTES_MAX)
            return refuse(problem, "found %zu bytes, expected at most %d", text.count,
                          HOLTER_TEXT_BYTES_MAX);
        if (!is_utf8(text.bytes, text.count))
            return refuse(problem, "found bytes that are no UTF-8, expected text");
        out->text.bytes = text.bytes;
        out->text.count = text.count;
        return true;
    }
    if (text.count > 0 &&
        holter_value_parse(out, metric, field, text.bytes, text.count, round, NULL) == HOLTER_OK)
        return true;
    char form[FORM_BYTES_MAX];
    char expectation[IMPORT_PROBLEM_BYTES_MAX / 2];
    field_expectation(expectation, sizeof expectation, of, round);
    return refuse(problem, "found %s, expected %s", form_of(form, text.bytes, text.count),
                  expectation);
}

bool import_value_read(holter_value *out, const holter_metric *metric, size_t field,
                       struct csv_field text, bool round,
                       char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    /* Most values are whole numbers, for which this is quicker and the same. */
    const holter_field *of = &metric->fields[field];
    return (of->type == HOLTER_INT && of->exponent == 0 && whole_take(&out->integer, text)) ||
           value_read(out, metric, field, text, round, problem);
}

/* Why it is none. false always. */
TOOL_APART
static bool time_refuse(enum time_result why, const struct time_format *format,
                        const char *format_text, struct csv_field text,
                        char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    char form[FORM_BYTES_MAX];
    switch (why) {
    case TIME_OUT_OF_RANGE:
        return refuse(
            problem,
            "found a time out of range, expected 1677-09-21T00:12:43Z to 2262-04-11T23:47:16Z");
    case TIME_TOO_FINE:
        return refuse(
            problem,
            "found a time finer than a nanosecond, expected at most nine decimals of a second");
    case TIME_OK:
    case TIME_MALFORMED:
        break;
    }
    return refuse(problem, "found %s%s, expected a time of the form %s%s",
                  form_of(form, text.bytes, text.count),
                  format->is_off ? ", of which a number does not fit" : "", format_text,
                  format->lacks_offset ? ", with an offset, or --tz" : "");
}

bool import_time_read(int64_t *out_ns, struct time_format *format, const char *format_text,
                      struct csv_field text, char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    enum time_result result = time_read(out_ns, format, text.bytes, text.count);
    return result == TIME_OK || time_refuse(result, format, format_text, text, problem);
}

bool import_duration_read(int64_t *out_ns, struct csv_field text,
                          char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    char form[FORM_BYTES_MAX];
    switch (duration_read(out_ns, text.bytes, text.count)) {
    case TIME_OK:
        return true;
    case TIME_OUT_OF_RANGE:
        return refuse(problem, "found a duration out of range, expected less than 292 years");
    case TIME_TOO_FINE:
        return refuse(problem,
                      "found a duration finer than a nanosecond, expected at most nine decimals");
    case TIME_MALFORMED:
        break;
    }
    return refuse(problem, "found %s, expected a duration such as 60, 60s or 1.5h",
                  form_of(form, text.bytes, text.count));
}

bool import_duration_check(int64_t duration_ns, const holter_metric *metric,
                           char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    if (metric->kind == HOLTER_INSTANT && duration_ns > 0)
        return refuse(problem, "found a duration, expected none, as metric %s is of instants",
                      metric->name);
    if (metric->kind == HOLTER_INTERVAL && duration_ns < 0)
        return refuse(problem, "found no duration, expected one, as metric %s is of intervals",
                      metric->name);
    return true;
}

TOOL_APART
static bool revision_refuse(struct csv_field text, char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    char form[FORM_BYTES_MAX];
    return refuse(problem, "found %s, expected a whole number of 64 bits",
                  form_of(form, text.bytes, text.count));
}

bool import_revision_read(int64_t *out, struct csv_field text,
                          char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    return whole_take(out, text) || revision_refuse(text, problem);
}

bool import_flags_read(uint16_t *out, struct csv_field text,
                       char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    char form[FORM_BYTES_MAX];
    uint16_t flags;
    if (!flags_read(&flags, text.bytes, text.count))
        return refuse(problem, "found %s, expected a number, or names such as manual|bit8",
                      form_of(form, text.bytes, text.count));
    if ((flags & 0xf0) != 0)
        return refuse(problem, "found one of the bits 4 to 7, expected them clear");
    *out = (uint16_t)(flags & ~(HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE));
    return true;
}

bool import_user_check(struct csv_field id, char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    if (id.count == 0 || id.count > HOLTER_USER_ID_BYTES_MAX)
        return refuse(problem, "found %zu bytes, expected an id of 1 to %d bytes", id.count,
                      HOLTER_USER_ID_BYTES_MAX);
    if (!is_utf8(id.bytes, id.count))
        return refuse(problem, "found bytes that are no UTF-8, expected an id");
    return true;
}

bool import_source_check(struct csv_field source, char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    if (source.count > 0 && source.count <= HOLTER_SOURCE_NAME_BYTES_MAX &&
        is_utf8(source.bytes, source.count))
        return true;
    return refuse(problem, "found %zu bytes, expected a name of 1 to %d bytes of UTF-8",
                  source.count, HOLTER_SOURCE_NAME_BYTES_MAX);
}
