/*
 * zone.h -- the door of zone: a wall clock to UTC and back, local days, windows of a calendar.
 *
 * Promise: any bytes either are refused or become a zone that answers for every int64 nanosecond,
 * without further reading or allocation. What include/holter/zone.h says holds here as well; a zone
 * of NULL is UTC everywhere.
 *
 * A zone is a table: offset[i] holds in [at[i - 1], at[i]). The rule at the end of a file, which
 * goes on for ever, is written out up to the last year of int64 nanoseconds when the zone is opened,
 * so that there is one way to look something up.
 *
 * Z1  Times of the table rise strictly, and neighbouring offsets differ.
 * Z2  Every offset is in ZONE_OFFSET_S_MIN .. ZONE_OFFSET_S_MAX; every time within three days of
 *     int64 nanoseconds. So no sum of a time and an offset overflows.
 * Z3  An instant belongs to the latest date that the wall clock has shown up to it. So days follow
 *     each other without overlap or gap, and a date begins at the first instant that shows it, also
 *     where a clock put back over midnight shows the day before once more. A date that is left out
 *     has no day.
 * Z4  Every window of any calendar contains the instant that it was asked for (but HOLTER_TIME_MAX,
 *     which is no time), and begins where the one before ends.
 * Z5  Nothing reaches the file system but a name that zone_name_check let pass, below a directory
 *     of the caller's.
 *
 * Bytes: RFC 9636, versions 1 to 4. Needs core, io. Threads: immutable once open, any thread.
 */
#ifndef ZONE_ZONE_H
#define ZONE_ZONE_H

#include "core/core.h"
#include "holter/zone.h"
#include "io/io.h"

enum {
    ZONE_FILE_BYTES_MAX = 1 << 20,
    ZONE_NAME_BYTES_MAX = 127,
    ZONE_OFFSET_S_MIN = -89999, /* -24:59:59 and 25:59:59: RFC 9636, 3.2 */
    ZONE_OFFSET_S_MAX = 93599,
};

struct zone;

/** Letters, digits, '_', '+', '-' in parts between '/', a letter first. Errors: HOLTER_INVALID. */
holter_status zone_name_check(const char *name, holter_error *err);
/**
 * holter_zone_open, from files below `directory` of `io` (not touched for "UTC", "Z" and offsets).
 * *out owned: zone_close.
 */
holter_status zone_open(struct zone **out, struct io *io, const char *directory, const char *name,
                        holter_error *err);
/**
 * The zone that a TZif file's bytes tell. `path` is for the sentence of a failure.
 * Errors   HOLTER_CORRUPT; HOLTER_UNSUPPORTED it counts leap seconds; HOLTER_NO_MEMORY.
 */
holter_status zone_decode(struct zone **out, const void *bytes, size_t count, const char *path,
                          holter_error *err);
void zone_close(struct zone *zone);

/** It is UTC at all times. */
bool zone_is_utc(const struct zone *zone);

/* As in holter/zone.h. Cost: a binary search; no allocation. */
int32_t zone_offset_s(const struct zone *zone, int64_t time_ns);
holter_status zone_time(int64_t *time_ns, holter_wall *wall, const struct zone *zone,
                        int64_t wall_ns, holter_error *err);

/** What zone_window would refuse. */
holter_status zone_every_check(const struct zone *zone, const holter_every *every,
                               holter_error *err);
holter_status zone_window(int64_t *begin_ns, int64_t *end_ns, const struct zone *zone,
                          const holter_every *every, int64_t time_ns, holter_error *err);

#endif
