/*
 * csv.c -- CSV records out of a stream of bytes that nobody vouches for.
 *
 *     | ... read already | record being looked at | not yet looked at |   room   |
 *                        ^ begin                                      ^ end
 *
 * A record is first found whole (record_find), more bytes being read behind it until it is; only
 * then its doubled quotes are undone in place. So a search that has to be repeated finds the bytes
 * as they came.
 *
 * Fuzzed by fuzz/fuzz_csv.c.
 */
#include "csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 256 * 1024, BUFFER_BYTES = CSV_LINE_BYTES_MAX + CHUNK_BYTES };

/* What record_find answers. */
enum found {
    FOUND_RECORD,
    FOUND_MORE, /* the bytes end within the record */
    FOUND_BAD,
    FOUND_BINARY,
};

enum byte_class { BYTE_PLAIN = 0, BYTE_COMMA, BYTE_LINE_END, BYTE_QUOTE, BYTE_ZERO };

struct csv {
    csv_read_fn *read;
    void *context;
    bool is_at_end;   /* the stream has no more */
    bool is_broken;   /* the stream failed after the bytes there are */
    bool is_start;    /* nothing was looked at yet: a byte order mark may come */
    bool is_first;    /* no record was found yet: control characters are refused */
    bool is_skipping; /* the rest of a bad line comes first */
    size_t begin, end;
    size_t record_end; /* after the line end of the record found */
    uint64_t line, next_line;
    size_t field_count;
    struct csv_field fields[CSV_COLUMNS_MAX];
    bool has_doubled[CSV_COLUMNS_MAX];
    char problem[CSV_PROBLEM_BYTES_MAX];
    char buffer[BUFFER_BYTES];
};

static const unsigned char classes[256] = {
    [','] = BYTE_COMMA,
    ['\n'] = BYTE_LINE_END,
    ['"'] = BYTE_QUOTE,
    [0] = BYTE_ZERO,
};

static bool is_class_plain(char c)
{
    return classes[(unsigned char)c] == BYTE_PLAIN;
}

/*
 * The first byte from `at` on that is not plain, or `end`. Those are at most a comma; letters,
 * digits and what is greater are passed over eight at a time: the lowest byte of `low` whose
 * highest bit is set is exact, as no borrow comes from below it.
 */
static size_t plain_end(const struct csv *csv, size_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (;;) {
        while (csv->end - at >= sizeof ones) {
            uint64_t word;
            memcpy(&word, csv->buffer + at, sizeof word);
            uint64_t low = (word - ones * (',' + 1)) & ~word & ones << 7;
            if (low != 0) {
                at += (size_t)__builtin_ctzll(low) / 8;
                break;
            }
            at += sizeof word;
        }
        if (at == csv->end || !is_class_plain(csv->buffer[at]))
            return at;
        at++;
    }
}

static void problem_set(struct csv *csv, const char *text)
{
    snprintf(csv->problem, sizeof csv->problem, "%s", text);
}

static bool field_push(struct csv *csv, size_t begin, size_t end, bool has_doubled)
{
    if (csv->field_count == CSV_COLUMNS_MAX) {
        snprintf(csv->problem, sizeof csv->problem,
                 "found more than %d columns, expected at most that many", CSV_COLUMNS_MAX);
        return false;
    }
    csv->fields[csv->field_count] = (struct csv_field){ csv->buffer + begin, end - begin };
    csv->has_doubled[csv->field_count++] = has_doubled;
    return true;
}

/* The closing quote of a field whose content begins at *at; *at is left on it. */
static enum found quoted_find(struct csv *csv, size_t *at, bool *has_doubled, uint64_t *lines)
{
    size_t i = *at;
    for (;; i++) {
        while (i < csv->end && (classes[(unsigned char)csv->buffer[i]] | 1) == BYTE_COMMA)
            i++; /* plain bytes and commas */
        if (i == csv->end)
            break;
        switch (classes[(unsigned char)csv->buffer[i]]) {
        case BYTE_LINE_END:
            ++*lines;
            break;
        case BYTE_ZERO:
            return FOUND_BINARY;
        case BYTE_QUOTE:
            if (i + 1 == csv->end && !csv->is_at_end)
                return FOUND_MORE; /* it may be doubled */
            if (i + 1 == csv->end || csv->buffer[i + 1] != '"') {
                *at = i;
                return FOUND_RECORD;
            }
            *has_doubled = true;
            i++;
            break;
        default:
            break;
        }
    }
    if (!csv->is_at_end)
        return FOUND_MORE;
    problem_set(csv, "found a quote that is never closed, expected a closing quote");
    return FOUND_BAD;
}

/* Where a field ends is a comma (1), the end of a line (2) of one or two bytes, or the end of the
   file (3). */
static int separator_at(const struct csv *csv, size_t at, size_t *bytes)
{
    *bytes = 1;
    if (at == csv->end) {
        *bytes = 0;
        return csv->is_at_end ? 3 : 0;
    }
    if (csv->buffer[at] == ',')
        return 1;
    if (csv->buffer[at] == '\n')
        return 2;
    if (csv->buffer[at] != '\r')
        return -1;
    if (at + 1 == csv->end)
        return csv->is_at_end ? 3 : 0;
    *bytes = 2;
    return csv->buffer[at + 1] == '\n' ? 2 : -1;
}

/* One record from `begin` on: its fields, its end, and the lines it takes. */
static enum found record_find(struct csv *csv)
{
    csv->field_count = 0;
    uint64_t lines = 0;
    size_t at = csv->begin;
    for (;;) {
        size_t field = at;
        size_t separator_bytes;
        int separator;
        if (at < csv->end && csv->buffer[at] == '"') {
            bool has_doubled = false;
            field = ++at;
            enum found found = quoted_find(csv, &at, &has_doubled, &lines);
            if (found != FOUND_RECORD)
                return found;
            separator = separator_at(csv, at + 1, &separator_bytes);
            if (separator == 0)
                return FOUND_MORE;
            if (separator < 0) {
                problem_set(
                    csv,
                    "found text after a closing quote, expected a comma or the end of the line");
                return FOUND_BAD;
            }
            if (!field_push(csv, field, at, has_doubled))
                return FOUND_BAD;
            at++;
        } else {
            at = plain_end(csv, at);
            if (at == csv->end && !csv->is_at_end)
                return FOUND_MORE;
            unsigned char class =
                at == csv->end ? BYTE_LINE_END : classes[(unsigned char)csv->buffer[at]];
            if (class == BYTE_ZERO)
                return FOUND_BINARY;
            if (class == BYTE_QUOTE) {
                problem_set(csv, "found a quote within a field, expected the whole field in quotes "
                                 "and this one doubled");
                return FOUND_BAD;
            }
            size_t field_end = at;
            if (class == BYTE_LINE_END && field_end > field && csv->buffer[field_end - 1] == '\r')
                field_end--;
            if (!field_push(csv, field, field_end, false))
                return FOUND_BAD;
            separator_bytes = at < csv->end;
            separator = class == BYTE_COMMA ? 1 : 2;
        }
        at += separator_bytes;
        if (separator == 1)
            continue;
        csv->record_end = at;
        csv->next_line = csv->line + lines + 1;
        return FOUND_RECORD;
    }
}

static void doubled_quotes_undo(struct csv *csv)
{
    for (size_t i = 0; i < csv->field_count; i++) {
        if (!csv->has_doubled[i])
            continue;
        char *base = csv->buffer + (csv->fields[i].bytes - csv->buffer);
        size_t kept = 0;
        for (size_t from = 0; from < csv->fields[i].count; from++) {
            base[kept++] = base[from];
            if (base[from] == '"')
                from++;
        }
        csv->fields[i].count = kept;
    }
}

/*
 * More bytes behind those that there are, and at least as many, so that looking at a record again
 * and again costs no more than a second time, however little a read gives. There is room for a
 * chunk: records are at most CSV_LINE_BYTES_MAX.
 */
static bool refill(struct csv *csv)
{
    if (csv->begin > 0) {
        memmove(csv->buffer, csv->buffer + csv->begin, csv->end - csv->begin);
        csv->end -= csv->begin;
        csv->begin = 0;
    }
    csv->record_end = csv->begin;
    size_t wanted = csv->end < CHUNK_BYTES ? csv->end : CHUNK_BYTES;
    size_t added = 0;
    do {
        size_t got = 0;
        if (csv->is_broken ||
            !csv->read(csv->context, csv->buffer + csv->end, CHUNK_BYTES - added, &got)) {
            csv->is_broken = true;
            break;
        }
        csv->end += got;
        added += got;
        csv->is_at_end = got == 0;
    } while (!csv->is_at_end && added < wanted);
    return added > 0 || !csv->is_broken;
}

/* Pass over what is left of a bad line. false: the stream is broken. */
static bool line_skip(struct csv *csv)
{
    for (;;) {
        char *line_end = memchr(csv->buffer + csv->begin, '\n', csv->end - csv->begin);
        if (line_end != NULL) {
            csv->begin = (size_t)(line_end - csv->buffer) + 1;
            csv->next_line++;
            csv->is_skipping = false;
            return true;
        }
        csv->begin = csv->end;
        if (csv->is_at_end) {
            csv->is_skipping = false;
            return true;
        }
        if (!refill(csv))
            return false;
    }
}

/* Is the record found a line with nothing on it? */
static bool is_empty_line(const struct csv *csv)
{
    return csv->field_count == 1 && csv->fields[0].count == 0 && csv->buffer[csv->begin] != '"';
}

/* A header holds names: a control character there, in a thing that may be anything, means that it
   is no text. */
static bool header_is_text(struct csv *csv)
{
    for (size_t i = 0; i < csv->field_count; i++)
        for (size_t j = 0; j < csv->fields[i].count; j++) {
            unsigned char c = (unsigned char)csv->fields[i].bytes[j];
            if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
                snprintf(csv->problem, sizeof csv->problem,
                         "found byte 0x%02x in the header, expected text (this is a binary file)",
                         c);
                return false;
            }
        }
    return true;
}

/* Pass over a byte order mark. false: there are too few bytes yet to tell. */
static bool mark_skip(struct csv *csv)
{
    if (csv->end - csv->begin < 3 && !csv->is_at_end)
        return false;
    if (csv->end - csv->begin >= 3 && memcmp(csv->buffer + csv->begin, "\xef\xbb\xbf", 3) == 0)
        csv->begin += 3;
    csv->is_start = false;
    return true;
}

static enum csv_result bad(struct csv *csv)
{
    csv->is_skipping = true;
    csv->next_line = csv->line;
    return CSV_BAD;
}

struct csv *csv_new(void)
{
    /* Not zeroed: that would touch all of the buffer. */
    return malloc(sizeof(struct csv));
}

void csv_begin(struct csv *csv, csv_read_fn *read, void *context)
{
    csv->read = read;
    csv->context = context;
    csv->is_at_end = false;
    csv->is_broken = false;
    csv->is_start = true;
    csv->is_first = true;
    csv->is_skipping = false;
    csv->begin = csv->end = csv->record_end = 0;
    csv->line = csv->next_line = 1;
    csv->field_count = 0;
    csv->problem[0] = '\0';
}

void csv_free(struct csv *csv)
{
    free(csv);
}

enum csv_result csv_next(struct csv *csv)
{
    csv->begin = csv->record_end;
    if (csv->is_skipping && !line_skip(csv))
        return CSV_BROKEN;

    for (;;) {
        csv->line = csv->next_line;
        csv->record_end = csv->begin;
        if (csv->begin == csv->end && csv->is_at_end)
            return CSV_END;

        enum found found = csv->is_start && !mark_skip(csv) ? FOUND_MORE : record_find(csv);
        switch (found) {
        case FOUND_RECORD:
            if (csv->record_end - csv->begin > CSV_LINE_BYTES_MAX)
                break;
            if (csv->begin == csv->end || is_empty_line(csv)) {
                csv->begin = csv->record_end;
                continue;
            }
            if (csv->is_first && !header_is_text(csv)) {
                csv->begin = csv->record_end = csv->end;
                csv->is_at_end = true;
                return CSV_BINARY;
            }
            csv->is_first = false;
            doubled_quotes_undo(csv);
            return CSV_RECORD;
        case FOUND_MORE:
            if (csv->end - csv->begin > CSV_LINE_BYTES_MAX)
                break;
            if (!refill(csv))
                return CSV_BROKEN;
            continue;
        case FOUND_BAD:
            csv->record_end = csv->begin;
            csv->is_first = false;
            return bad(csv);
        case FOUND_BINARY:
            problem_set(csv, "found a zero byte, expected text (this is a binary file)");
            csv->begin = csv->record_end = csv->end;
            csv->is_at_end = true;
            return CSV_BINARY;
        }
        snprintf(csv->problem, sizeof csv->problem,
                 "found a line of more than %d bytes, expected shorter ones%s", CSV_LINE_BYTES_MAX,
                 memchr(csv->buffer + csv->begin, '"', csv->end - csv->begin) != NULL
                     ? " (is a quote never closed?)"
                     : "");
        csv->record_end = csv->begin;
        csv->is_first = false;
        return bad(csv);
    }
}

const struct csv_field *csv_fields(const struct csv *csv)
{
    return csv->fields;
}

size_t csv_field_count(const struct csv *csv)
{
    return csv->field_count;
}

uint64_t csv_line(const struct csv *csv)
{
    return csv->line;
}

const char *csv_problem(const struct csv *csv)
{
    return csv->problem;
}
