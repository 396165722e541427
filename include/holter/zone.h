/*
 * zone.h -- time zones: a wall clock to UTC and back, and the windows of a calendar.
 *
 * Zones are the system's (TZDIR, else /usr/share/zoneinfo; TZif files as in RFC 9636), read when a
 * zone is opened. A zone does not change once it is open: any thread.
 *
 * A wall clock is told as nanoseconds since 1970-01-01 00:00 on that clock, as if it were UTC.
 */
#ifndef HOLTER_ZONE_H
#define HOLTER_ZONE_H

#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct holter_zone holter_zone;

/**
 * Open a zone: "UTC" or "Z", a name such as "America/New_York", or an offset such as "+05:30",
 * "+0530" or "-08". *out owned: holter_zone_close.
 * Errors   HOLTER_INVALID not of the form of a name; HOLTER_NOT_FOUND the system has no such zone;
 *          HOLTER_CORRUPT its file is no TZif; HOLTER_UNSUPPORTED it counts leap seconds, as
 *          "right/.." do; HOLTER_DENIED; HOLTER_IO; HOLTER_NO_MEMORY.
 * Cost     one file of at most 1 MiB read whole.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_zone_open(holter_zone **out, const char *name,
                                                          holter_error *err);
HOLTER_API void holter_zone_close(holter_zone *zone);

/** Seconds that the wall clock is ahead of UTC at an instant. NULL is UTC, here and below. */
HOLTER_API int32_t holter_zone_offset_s(const holter_zone *zone, int64_t time_ns);

/** How often a wall clock shows a time. */
typedef enum holter_wall {
    HOLTER_WALL_ONCE = 1,
    HOLTER_WALL_TWICE = 2, /**< or more often: the clock was put back over it */
    HOLTER_WALL_NEVER = 3  /**< the clock was put forward over it */
} holter_wall;

/**
 * The instant at which the wall clock shows `wall_ns`. Of two the earlier; where it is never shown,
 * the instant that the offset before the change gives (so 02:30 in a spring hour that is left out
 * is 03:30): the rule of Python's zoneinfo with fold=0.
 * Errors   HOLTER_INVALID the instant is beyond int64 nanoseconds.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_zone_time(int64_t *time_ns, holter_wall *wall,
                                                          const holter_zone *zone, int64_t wall_ns,
                                                          holter_error *err);

/** What windows follow each other by. */
typedef enum holter_calendar {
    HOLTER_FIXED = 0, /**< of `width_ns` */
    HOLTER_DAYS = 1,
    HOLTER_WEEKS = 2, /**< ISO 8601: from Monday */
    HOLTER_MONTHS = 3,
    HOLTER_QUARTERS = 4,
    HOLTER_YEARS = 5
} holter_calendar;

/**
 * Windows that cover all time without overlap. Days and what is made of them are the zone's: a day
 * begins at the first instant at which the wall clock shows its date, so that it has 23 or 25 hours
 * where the clock changes. So an instant belongs to the latest date that was shown up to it: where
 * a clock is put back over midnight, what shows the day before once more belongs to the new day. A
 * date that is left out (Pacific/Apia, 2011-12-30) has no window. Fixed windows whose width divides 24 h count from the beginning of the
 * zone's day, in elapsed time, and the last of a day may be shorter; others count from
 * 1970-01-01T00:00:00Z, and only in UTC.
 */
typedef struct holter_every {
    holter_calendar calendar;
    int64_t width_ns;     /**< HOLTER_FIXED: > 0; else 0 */
    uint64_t reserved[2]; /**< zero */
} holter_every;

/**
 * The window [*begin_ns, *end_ns) that an instant lies in; cut at HOLTER_TIME_MIN and
 * HOLTER_TIME_MAX.
 * Errors   HOLTER_INVALID width; one that does not divide 24 h in another zone than UTC.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_zone_window(int64_t *begin_ns, int64_t *end_ns,
                                                            const holter_zone *zone,
                                                            const holter_every *every,
                                                            int64_t time_ns, holter_error *err);

#ifdef __cplusplus
}
#endif

#endif
