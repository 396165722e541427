/*
 * csv.c -- CSV records out of a stream of bytes that nobody vouches for.
 *
 *     | ... read already | record being looked at | not yet looked at |   room   |
 *                        ^ begin                                      ^ end
 *
 * A record is first found whole (record_find), more bytes being read behind it until it is; only
 * then its doubled quotes are undone in place. So a search that has to be repeated finds the bytes
 * as they came. What ends a field is found by marks, a bit for each of 64 bytes.
 *
 * Fuzzed by fuzz/fuzz_csv.c.
 */
#include "csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { CHUNK_BYTES = 256 * 1024, BUFFER_BYTES = CSV_LINE_BYTES_MAX + CHUNK_BYTES };

/* What record_find answers. */
enum found {
    FOUND_RECORD,
    FOUND_MORE, /* the bytes end within the record */
    FOUND_BAD,
    FOUND_BINARY,
};

/* Bytes are looked at so many at a time. */
enum { WINDOW_BYTES = 64 };

/* What may end a field, or must not be in one: a bit each, from the lowest on. */
struct marks {
    uint64_t commas; /* or what is in their place */
    uint64_t others; /* line ends, quotes, zeros */
};

struct csv {
    csv_read_fn *read;
    void *context;
    bool is_at_end;   /* the stream has no more */
    bool is_broken;   /* the stream failed after the bytes there are */
    bool is_start;    /* nothing was looked at yet: a byte order mark may come */
    bool is_first;    /* no record was found yet: control characters are refused */
    bool is_skipping; /* the rest of a bad line comes first */
    char delimiter;
    uint64_t skip_lines; /* that come first */
    size_t begin, end;
    size_t record_end; /* after the line end of the record found */
    /* Bytes that were looked at, and their marks. */
    size_t window, window_bytes;
    struct marks marks;
    uint64_t line, next_line;
    size_t field_count;
    struct csv_field fields[CSV_COLUMNS_MAX];
    uint16_t doubled[CSV_COLUMNS_MAX]; /* those with doubled quotes, by their index */
    size_t doubled_count;
    char problem[CSV_PROBLEM_BYTES_MAX];
    char buffer[BUFFER_BYTES];
};

/* Of up to WINDOW_BYTES bytes. */
static struct marks marks_of(const char *bytes, size_t count, char delimiter)
{
    struct marks marks = { 0 };
    for (size_t i = 0; i < count; i++) {
        char c = bytes[i];
        marks.commas |= (uint64_t)(c == delimiter) << i;
        marks.others |= (uint64_t)(c == '\n' || c == '"' || c == '\0') << i;
    }
    return marks;
}

/* Of WINDOW_BYTES bytes; every x86-64 has SSE2. */
static struct marks marks_of_window(const char *bytes, char delimiter)
{
#ifdef __SSE2__
    struct marks marks = { 0 };
    for (size_t i = 0; i < WINDOW_BYTES; i += sizeof(__m128i)) {
        __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
        __m128i is_comma = _mm_cmpeq_epi8(some, _mm_set1_epi8(delimiter));
        __m128i is_other = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(some, _mm_set1_epi8('\n')),
                                                     _mm_cmpeq_epi8(some, _mm_set1_epi8('"'))),
                                        _mm_cmpeq_epi8(some, _mm_setzero_si128()));
        marks.commas |= (uint64_t)(uint32_t)_mm_movemask_epi8(is_comma) << i;
        marks.others |= (uint64_t)(uint32_t)_mm_movemask_epi8(is_other) << i;
    }
    return marks;
#else
    return marks_of(bytes, WINDOW_BYTES, delimiter);
#endif
}

/* The window holds the byte at `at`. false: there is none. */
static bool window_need(struct csv *csv, size_t at)
{
    if (at - csv->window < csv->window_bytes)
        return true;
    size_t left = csv->end - at;
    csv->window = at;
    csv->window_bytes = left < WINDOW_BYTES ? left : WINDOW_BYTES;
    csv->marks = left < WINDOW_BYTES ? marks_of(csv->buffer + at, left, csv->delimiter)
                                     : marks_of_window(csv->buffer + at, csv->delimiter);
    return left > 0;
}

/* The first mark from `at` on, or `end`. */
static size_t mark_next(struct csv *csv, size_t at)
{
    while (window_need(csv, at)) {
        uint64_t left = (csv->marks.commas | csv->marks.others) >> (at - csv->window);
        if (left != 0)
            return at + (size_t)__builtin_ctzll(left);
        at = csv->window + csv->window_bytes;
    }
    return at;
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
    if (has_doubled)
        csv->doubled[csv->doubled_count++] = (uint16_t)csv->field_count;
    csv->fields[csv->field_count++] = (struct csv_field){ csv->buffer + begin, end - begin };
    return true;
}

/*
 * Fields from *at on that end in commas, as far as the window goes: most of them, without a look at a byte. *at is
 * left where the next field begins; answers the mark behind that.
 */
static size_t plain_take(struct csv *csv, size_t *at)
{
    if (!window_need(csv, *at))
        return *at;
    const char *window = csv->buffer + csv->window;
    size_t begin = *at - csv->window;
    uint64_t here = ~UINT64_C(0) << begin;
    uint64_t others = csv->marks.others & here;
    uint64_t commas = csv->marks.commas & here & ((others & -others) - 1);
    struct csv_field *field = csv->fields + csv->field_count;
    const struct csv_field *end_of_fields = csv->fields + CSV_COLUMNS_MAX;
    for (; commas != 0 && field < end_of_fields; commas &= commas - 1) {
        size_t end = (size_t)__builtin_ctzll(commas);
        *field++ = (struct csv_field){ window + begin, end - begin };
        begin = end + 1;
    }
    csv->field_count = (size_t)(field - csv->fields);
    *at = csv->window + begin;
    if ((commas | others) != 0)
        return csv->window + (size_t)__builtin_ctzll(commas | others);
    return mark_next(csv, csv->window + csv->window_bytes);
}

/* The closing quote of a field whose content begins at *at; *at is left on it. */
static enum found quoted_find(struct csv *csv, size_t *at, bool *has_doubled, uint64_t *lines)
{
    size_t i = mark_next(csv, *at);
    for (; i < csv->end; i = mark_next(csv, i + 1)) {
        char mark = csv->buffer[i];
        if (mark == '\0')
            return FOUND_BINARY;
        *lines += mark == '\n';
        if (mark != '"')
            continue;
        if (i + 1 == csv->end && !csv->is_at_end)
            return FOUND_MORE; /* it may be doubled */
        if (i + 1 == csv->end || csv->buffer[i + 1] != '"') {
            *at = i;
            return FOUND_RECORD;
        }
        *has_doubled = true;
        i++;
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
    if (csv->buffer[at] == csv->delimiter)
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

/* A field whose opening quote is at *at; *at is left on what separates it from the next. */
static enum found quoted_take(struct csv *csv, size_t *at, uint64_t *lines, int *separator,
                              size_t *separator_bytes)
{
    bool has_doubled = false;
    size_t field = ++*at;
    enum found found = quoted_find(csv, at, &has_doubled, lines);
    if (found != FOUND_RECORD)
        return found;
    size_t field_end = (*at)++;
    *separator = separator_at(csv, *at, separator_bytes);
    if (*separator == 0)
        return FOUND_MORE;
    if (*separator < 0) {
        snprintf(csv->problem, sizeof csv->problem,
                 "found text after a closing quote, expected a %s or the end of the line",
                 csv->delimiter == ',' ? "comma" : "delimiter");
        return FOUND_BAD;
    }
    return field_push(csv, field, field_end, has_doubled) ? FOUND_RECORD : FOUND_BAD;
}

/* One record from `begin` on: its fields, its end, and the lines it takes. */
static enum found record_find(struct csv *csv)
{
    csv->field_count = 0;
    csv->doubled_count = 0;
    uint64_t lines = 0;
    bool is_over = false;
    size_t at = csv->begin;
    while (!is_over) {
        size_t field = at;
        at = plain_take(csv, &field);
        if (at == csv->end && !csv->is_at_end)
            return FOUND_MORE;
        char mark = at == csv->end ? '\n' : csv->buffer[at];
        size_t separator_bytes = at < csv->end;
        if (mark == '\0')
            return FOUND_BINARY;
        if (mark == '"' && at == field) {
            int separator;
            enum found found = quoted_take(csv, &at, &lines, &separator, &separator_bytes);
            if (found != FOUND_RECORD)
                return found;
            is_over = separator != 1;
        } else if (mark == '"') {
            problem_set(csv, "found a quote within a field, expected the whole field in quotes and "
                             "this one doubled");
            return FOUND_BAD;
        } else {
            is_over = mark == '\n';
            size_t field_end = at - (is_over && at > field && csv->buffer[at - 1] == '\r');
            if (!field_push(csv, field, field_end, false))
                return FOUND_BAD;
        }
        at += separator_bytes;
    }
    csv->record_end = at;
    csv->next_line = csv->line + lines + 1;
    return FOUND_RECORD;
}

static void doubled_quotes_undo(struct csv *csv)
{
    for (size_t i = 0; i < csv->doubled_count; i++) {
        struct csv_field *field = &csv->fields[csv->doubled[i]];
        char *base = csv->buffer + (field->bytes - csv->buffer);
        size_t kept = 0;
        for (size_t from = 0; from < field->count; from++) {
            base[kept++] = base[from];
            if (base[from] == '"')
                from++;
        }
        field->count = kept;
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
    csv->window_bytes = 0;
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

bool csv_can_delimit(char c)
{
    return c != '"' && c != '\n' && c != '\r' && c != '\0';
}

void csv_begin(struct csv *csv, const struct csv_form *form, csv_read_fn *read, void *context)
{
    csv->delimiter = form == NULL || form->delimiter == 0 ? ',' : form->delimiter;
    csv->skip_lines = form == NULL ? 0 : form->skip_lines;
    csv->read = read;
    csv->context = context;
    csv->is_at_end = false;
    csv->is_broken = false;
    csv->is_start = true;
    csv->is_first = true;
    csv->is_skipping = false;
    csv->begin = csv->end = csv->record_end = 0;
    csv->window = csv->window_bytes = 0;
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
    for (; csv->skip_lines > 0; csv->skip_lines--) {
        if (!line_skip(csv))
            return CSV_BROKEN;
        csv->line = csv->next_line;
    }
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
