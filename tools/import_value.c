/*
 * import_value.c -- a field of a file as a value of a metric.
 */
#include "import_value.h"

#include <stdio.h>
#include <string.h>

bool whole_read(int64_t *out, struct csv_field text)
{
    bool is_negative = text.count > 0 && text.bytes[0] == '-';
    if (text.count == is_negative)
        return false;
    int64_t number = 0;
    for (size_t i = is_negative; i < text.count; i++) {
        int64_t digit = (unsigned char)text.bytes[i] - '0';
        if (digit < 0 || digit > 9 || number > (INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = is_negative ? -number : number;
    return true;
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

bool import_value_read(holter_value *out, const holter_metric *metric, size_t field,
                       struct csv_field text, bool round,
                       char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    const holter_field *of = &metric->fields[field];
    if (of->type == HOLTER_TEXT) {
        if (text.count > HOLTER_TEXT_BYTES_MAX)
            snprintf(problem, IMPORT_PROBLEM_BYTES_MAX, "found %zu bytes, expected at most %d",
                     text.count, HOLTER_TEXT_BYTES_MAX);
        else if (!is_utf8(text.bytes, text.count))
            snprintf(problem, IMPORT_PROBLEM_BYTES_MAX,
                     "found bytes that are no UTF-8, expected text");
        else {
            out->text.bytes = text.bytes;
            out->text.count = text.count;
            return true;
        }
        return false;
    }
    /* Most values are whole numbers, for which this is quicker and the same. */
    if (of->type == HOLTER_INT && of->exponent == 0 && whole_read(&out->integer, text))
        return true;
    if (text.count > 0 &&
        holter_value_parse(out, metric, field, text.bytes, text.count, round, NULL) == HOLTER_OK)
        return true;
    char form[FORM_BYTES_MAX];
    char expectation[IMPORT_PROBLEM_BYTES_MAX / 2];
    field_expectation(expectation, sizeof expectation, of, round);
    snprintf(problem, IMPORT_PROBLEM_BYTES_MAX, "found %s, expected %s",
             form_of(form, text.bytes, text.count), expectation);
    return false;
}
