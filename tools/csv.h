/*
 * csv.h -- CSV records out of a stream of bytes that nobody vouches for.
 *
 * RFC 4180: fields apart by commas, records by LF or CRLF, a field with these or a quote in it
 * stands in quotes, a quote in it is doubled. A byte order mark before the first record is passed
 * over, and so are empty lines.
 *
 *   V1  Memory is bounded by CSV_LINE_BYTES_MAX and CSV_COLUMNS_MAX, whatever comes.
 *   V2  A record is given whole or not at all; what follows a bad one is read from the next line
 *       on.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_CSV_H
#define TOOLS_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CSV_LINE_BYTES_MAX = 1 << 20, CSV_COLUMNS_MAX = 4096, CSV_PROBLEM_BYTES_MAX = 200 };

struct csv;

/** Put up to `room` bytes at `out`, *got of them; 0: there are no more. false: the stream is
   broken. */
typedef bool csv_read_fn(void *context, void *out, size_t room, size_t *got);

struct csv_field {
    const char *bytes; /* borrowed until the next call; not zero-terminated */
    size_t count;
};

/** Most texts that are compared are short, and equal: without a call for up to 16 bytes. */
static inline bool csv_field_is(struct csv_field field, const char *bytes, size_t count)
{
    uint64_t a[2], b[2];
    uint32_t c[2], d[2];
    if (field.count != count)
        return false;
    if (count >= sizeof *a && count <= sizeof a) {
        memcpy(&a[0], field.bytes, sizeof *a);
        memcpy(&a[1], field.bytes + count - sizeof *a, sizeof *a);
        memcpy(&b[0], bytes, sizeof *b);
        memcpy(&b[1], bytes + count - sizeof *b, sizeof *b);
        return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
    }
    if (count >= sizeof *c && count <= sizeof c) {
        memcpy(&c[0], field.bytes, sizeof *c);
        memcpy(&c[1], field.bytes + count - sizeof *c, sizeof *c);
        memcpy(&d[0], bytes, sizeof *d);
        memcpy(&d[1], bytes + count - sizeof *d, sizeof *d);
        return ((c[0] ^ d[0]) | (c[1] ^ d[1])) == 0;
    }
    return count == 0 || memcmp(field.bytes, bytes, count) == 0;
}

enum csv_result {
    CSV_RECORD,
    CSV_END,
    CSV_BAD,    /* one record is malformed (csv_problem); the next call goes on after its line */
    CSV_BINARY, /* this is no text (csv_problem); there is nothing more to read */
    CSV_BROKEN, /* the stream is broken; the callback knows why */
};

/** NULL: no memory. Owned: csv_free. */
struct csv *csv_new(void);
void csv_free(struct csv *csv);

/** How a file differs from RFC 4180. */
struct csv_form {
    char delimiter;      /* 0: a comma */
    uint64_t skip_lines; /* before the header: passed over, whatever is in them */
};

/** A delimiter can be what is no quote, line end or zero. */
bool csv_can_delimit(char c);
/**
 * Read a stream from its begin. *context borrowed until the next one, or csv_free; form: NULL is RFC 4180.
 */
void csv_begin(struct csv *csv, const struct csv_form *form, csv_read_fn *read, void *context);

/** The next record. Cost: one pass over its bytes, a second over fields with doubled quotes. */
enum csv_result csv_next(struct csv *csv);

/** Of the last record: its fields, and how many. */
const struct csv_field *csv_fields(const struct csv *csv);
size_t csv_field_count(const struct csv *csv);
/** The line, from 1, on which the last record, good or bad, begins. */
uint64_t csv_line(const struct csv *csv);
/** What is wrong, as "found ..., expected ...". */
const char *csv_problem(const struct csv *csv);

#endif
