/*
 * line.c -- a line of InfluxDB's line protocol, taken apart.
 */
#include "line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "import_value.h"

/* What a byte can end, and whether a backslash before it makes it plain. */
enum { COMMA = 1, EQUALS = 2, SPACE = 4, QUOTE = 8, BACKSLASH = 16 };

static const unsigned char class_of[256] = {
    [','] = COMMA, ['='] = EQUALS, [' '] = SPACE, ['"'] = QUOTE, ['\\'] = BACKSLASH,
};

struct scan {
    struct line *line;
    const char *begin;
    char *at, *end;
};

TOOL_PRINTF(2, 3)
static bool refuse(struct scan *scan, const char *format, ...)
{
    char *out = scan->line->problem;
    int at =
        snprintf(out, LINE_PROBLEM_BYTES_MAX, "byte %zu: ", (size_t)(scan->at - scan->begin) + 1);
    va_list args;
    va_start(args, format);
    vsnprintf(out + at, LINE_PROBLEM_BYTES_MAX - (size_t)at, format, args);
    va_end(args);
    return false;
}

static unsigned next_class(const struct scan *scan)
{
    return scan->at < scan->end ? class_of[(unsigned char)*scan->at] : 0;
}

/* White space between parts; what ends them is a space. */
static void blanks_skip(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
}

/* Up to a byte of the classes `ends`, or the end; a backslash before one of `escaped` goes. */
static struct csv_field part_take(struct scan *scan, unsigned ends, unsigned escaped)
{
    char *begin = scan->at, *at = begin, *to = begin;
    for (; at < scan->end; at++) {
        unsigned class = class_of[(unsigned char)*at];
        if ((class & ends) != 0)
            break;
        if (class == BACKSLASH && at + 1 < scan->end &&
            (class_of[(unsigned char)at[1]] & escaped) != 0)
            at++;
        if (to != at) /* mostly nothing was escaped */
            *to = *at;
        to++;
    }
    scan->at = at;
    return (struct csv_field){ begin, (size_t)(to - begin) };
}

static bool tags_take(struct scan *scan)
{
    enum { ENDS = COMMA | EQUALS | SPACE };
    struct line *line = scan->line;
    while (next_class(scan) == COMMA) {
        scan->at++;
        if (line->tag_count == LINE_PARTS_MAX)
            return refuse(scan, "found more than %d tags", LINE_PARTS_MAX);
        struct line_tag *tag = &line->tags[line->tag_count];
        tag->name = part_take(scan, ENDS, ENDS);
        if (tag->name.count == 0)
            return refuse(scan, "found no name, expected that of a tag");
        if (next_class(scan) != EQUALS)
            return refuse(scan, "found no '=' after a tag's name, expected one and its text");
        scan->at++;
        tag->text = part_take(scan, ENDS, ENDS);
        if (next_class(scan) == EQUALS)
            return refuse(scan, "found '=' in a tag's text, expected a backslash before it");
        if (tag->text.count == 0)
            return refuse(scan, "found an empty tag, expected its text");
        line->tag_count++;
    }
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static size_t digits_skip(const char *text, size_t count, size_t *at)
{
    size_t begin = *at;
    while (*at < count && is_digit(text[*at]))
        ++*at;
    return *at - begin;
}

/* A sign, digits, a fraction, an exponent: what is a float, or before i or u. */
static bool is_number(struct csv_field text, bool *is_whole)
{
    size_t at = text.count > 0 && (text.bytes[0] == '-' || text.bytes[0] == '+');
    size_t digits = digits_skip(text.bytes, text.count, &at);
    *is_whole = digits > 0 && at == text.count;
    if (*is_whole)
        return true;
    if (at < text.count && text.bytes[at] == '.') {
        at++;
        digits += digits_skip(text.bytes, text.count, &at);
    }
    if (digits > 0 && at < text.count && (text.bytes[at] == 'e' || text.bytes[at] == 'E')) {
        at++;
        at += at < text.count && (text.bytes[at] == '-' || text.bytes[at] == '+');
        digits = digits_skip(text.bytes, text.count, &at);
    }
    return digits > 0 && at == text.count;
}

static bool boolean_read(struct csv_field *text)
{
    static const struct {
        const char *word;
        bool is_true;
    } words[] = {
        { "t", true },  { "T", true },  { "true", true },   { "True", true },   { "TRUE", true },
        { "f", false }, { "F", false }, { "false", false }, { "False", false }, { "FALSE", false },
    };
    for (size_t i = 0; i < TOOL_COUNT(words); i++) {
        if (strlen(words[i].word) != text->count ||
            memcmp(words[i].word, text->bytes, text->count) != 0)
            continue;
        *text =
            words[i].is_true ? (struct csv_field){ "true", 4 } : (struct csv_field){ "false", 5 };
        return true;
    }
    return false;
}

static bool string_take(struct scan *scan, struct line_field *field)
{
    scan->at++;
    field->type = LINE_STRING;
    field->text = part_take(scan, QUOTE, QUOTE | BACKSLASH);
    if (next_class(scan) != QUOTE)
        return refuse(scan, "found the line's end in a string, expected its closing quote");
    scan->at++;
    if (scan->at < scan->end && (next_class(scan) & (COMMA | SPACE)) == 0)
        return refuse(scan,
                      "found more after a string, expected a comma, a space or the line's end");
    return true;
}

static bool value_take(struct scan *scan, struct line_field *field)
{
    if (next_class(scan) == QUOTE)
        return string_take(scan, field);
    char *begin = scan->at;
    while (scan->at < scan->end && (next_class(scan) & (COMMA | SPACE)) == 0)
        scan->at++;
    struct csv_field text = { begin, (size_t)(scan->at - begin) };
    char last = text.count > 0 ? begin[text.count - 1] : '\0';
    bool is_integer = last == 'i';
    bool is_unsigned = last == 'u';
    bool is_whole;
    field->text = text;
    field->text.count -= is_integer || is_unsigned;
    field->type = is_integer ? LINE_INTEGER : is_unsigned ? LINE_UNSIGNED : LINE_FLOAT;
    if (is_number(field->text, &is_whole) &&
        (field->type == LINE_FLOAT || (is_whole && text.bytes[0] != '+')) &&
        (field->type != LINE_UNSIGNED || text.bytes[0] != '-'))
        return true;
    field->text = text;
    field->type = LINE_BOOLEAN;
    if (boolean_read(&field->text))
        return true;
    char form[FORM_BYTES_MAX];
    scan->at = begin;
    return refuse(scan, "found %s, expected a number, a boolean or a string in quotes",
                  form_of(form, text.bytes, text.count));
}

static bool fields_take(struct scan *scan)
{
    enum { ENDS = COMMA | EQUALS | SPACE };
    struct line *line = scan->line;
    for (;;) {
        if (line->field_count == LINE_PARTS_MAX)
            return refuse(scan, "found more than %d fields", LINE_PARTS_MAX);
        struct line_field *field = &line->fields[line->field_count];
        field->name = part_take(scan, ENDS, ENDS);
        if (field->name.count == 0)
            return refuse(scan, "found no name, expected that of a field");
        if (next_class(scan) != EQUALS)
            return refuse(scan, "found no '=' after a field's name, expected one and its value");
        scan->at++;
        if (!value_take(scan, field))
            return false;
        line->field_count++;
        if (next_class(scan) != COMMA)
            return true;
        scan->at++;
    }
}

static bool time_take(struct scan *scan)
{
    struct csv_field text = { scan->at, (size_t)(scan->end - scan->at) };
    while (text.count > 0 &&
           (text.bytes[text.count - 1] == ' ' || text.bytes[text.count - 1] == '\t'))
        text.count--;
    scan->line->has_time = text.count > 0;
    if (text.count == 0 || whole_read(&scan->line->time, text))
        return true;
    char form[FORM_BYTES_MAX];
    return refuse(scan, "found %s, expected a time in whole units since 1970, or the line's end",
                  form_of(form, text.bytes, text.count));
}

bool line_is_blank(const char *bytes, size_t count)
{
    size_t at = 0;
    while (at < count && (bytes[at] == ' ' || bytes[at] == '\t' || bytes[at] == '\r'))
        at++;
    return at == count || bytes[at] == '#';
}

bool line_read(struct line *out, char *bytes, size_t count)
{
    struct scan scan = { out, bytes, bytes, bytes + count };
    out->tag_count = out->field_count = 0;
    blanks_skip(&scan);
    out->measurement = part_take(&scan, COMMA | SPACE, COMMA | SPACE);
    if (out->measurement.count == 0)
        return refuse(&scan, "found no measurement, expected its name");
    if (!tags_take(&scan))
        return false;
    blanks_skip(&scan);
    if (scan.at == scan.end)
        return refuse(&scan, "found no field, expected one or more after a space");
    if (!fields_take(&scan))
        return false;
    blanks_skip(&scan);
    return time_take(&scan);
}
