/*
 * times.h -- times and durations as text, exact to the nanosecond.
 *
 * Any thread; a struct time_zone or time_format, one at a time. Nothing here asks the system: no locale, and zone
 * files only by time_zone_open.
 */
#ifndef TOOLS_TIMES_H
#define TOOLS_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holter/holter.h"

enum time_kind { TIME_UNIX_S, TIME_UNIX_MS, TIME_UNIX_NS, TIME_RFC3339, TIME_PATTERN };

enum {
    TIME_STEPS_MAX = 64,
    TIME_TEXT_BYTES_MAX = 40,
    DURATION_TEXT_BYTES_MAX = 40,
    TIME_HEAD_BYTES_MAX = 32,
};

/** A zone, and what came of the local times read in it. All zero: UTC. */
struct time_zone {
    holter_zone *zone; /* owned: time_zone_close; NULL is UTC */
    bool is_utc;       /* it was called so */
    uint64_t ambiguous, missing;
};

/** How the time that was read last begins: a date, and an hour where it has one. */
struct time_head {
    char text[TIME_HEAD_BYTES_MAX];
    size_t bytes; /* with the one that ends it; 0: there is none */
    int64_t days, hour, hour12;
    int64_t hour_ns; /* of the hour's begin in UTC; INT64_MIN: it is near an end of time */
};

/** How times are written in a file. */
struct time_format {
    enum time_kind kind;
    struct time_zone *zone; /* of texts that do not tell; borrowed; NULL is UTC */
    unsigned char
        steps[TIME_STEPS_MAX]; /* TIME_PATTERN: a conversion's letter, or 0x80 + a literal */
    size_t step_count;
    size_t head_steps; /* the first so many are those of a time_head; 0: they tell no date */
    struct time_head head;
    /* The last text was malformed where a number, or a day, does not fit; or for want of an offset. */
    bool is_off, lacks_offset;
};

enum time_result {
    TIME_OK,
    TIME_MALFORMED,
    TIME_OUT_OF_RANGE, /* well formed, but not within 1677-09-21 .. 2262-04-11 */
    TIME_TOO_FINE,     /* more digits than nanoseconds */
};

/**
 * Read "unix_s", "unix_ms", "unix_ns", "rfc3339" or a pattern of strptime: %Y %y %m %d %e %j %H %I
 * %M %S %p %f %b %B %h %z %s %T %F %D %R %n %t %%, white space and literals. Numbers may lack
 * leading zeros, but %Y. Returns NULL, or a static sentence that says what is wrong.
 */
const char *time_format_read(struct time_format *out, const char *text);

/** "UTC", "Z", or an offset such as +05:30. */
bool time_offset_read(int64_t *out_s, const char *text);

/** Errors: those of holter_zone_open. */
holter_status time_zone_open(struct time_zone *out, const char *name, holter_error *err);
void time_zone_close(struct time_zone *zone);

/** *out_ns untouched on failure. Cost: some tens of nanoseconds, fewer within an hour. */
enum time_result time_read(int64_t *out_ns, struct time_format *format, const char *text,
                           size_t bytes);

/**
 * RFC 3339 with an offset, or a date alone, which means its first moment in the zone. With a zone
 * (else NULL, UTC) the offset may be left out.
 */
enum time_result time_read_bound(int64_t *out_ns, const char *text, struct time_zone *zone);

/** Of the first of two instants at which a zone's clock shows the same the second; of any other instant itself. */
int64_t time_second_showing(const struct time_zone *zone, int64_t time_ns);

/** The end of the local day of an instant; NULL: UTC. */
int64_t time_day_end(const struct time_zone *zone, int64_t time_ns);

/**
 * RFC 3339 at the zone's offset (Z in UTC, and for NULL) with the shortest exact fraction;
 * zero-terminated. An offset with seconds, as before standard time, is told by its whole minutes,
 * and the time with it. Returns its length.
 */
size_t time_write(char out[static TIME_TEXT_BYTES_MAX], int64_t time_ns,
                  const struct time_zone *zone);

/** A decimal and one of ns us ms s m min h d; seconds without one. Not negative. */
enum time_result duration_read(int64_t *out_ns, const char *text, size_t bytes);

/** Seconds with the shortest exact fraction; zero-terminated. Returns its length. */
size_t duration_write(char out[static DURATION_TEXT_BYTES_MAX], int64_t duration_ns);

#endif
