/*
 * zone_impl.h -- what the files of zone share.
 */
#ifndef ZONE_ZONE_IMPL_H
#define ZONE_ZONE_IMPL_H

#include "zone/zone.h"

enum {
    ZONE_DAY_S = 86400,
    ZONE_YEAR_FIRST = 1674, /* three before and one after those of int64 nanoseconds, so that a */
    ZONE_YEAR_LAST = 2263,  /* rule's state is known at both ends */
    ZONE_RULE_CHANGES_MAX = 2 * (ZONE_YEAR_LAST - ZONE_YEAR_FIRST + 1),
};

#define ZONE_NS_PER_S INT64_C(1000000000)
/* int64 nanoseconds in seconds, and three days more. */
#define ZONE_TIME_S_MIN (INT64_C(-9223372037) - 3 * ZONE_DAY_S)
#define ZONE_TIME_S_MAX (INT64_C(9223372036) + 3 * ZONE_DAY_S)

/** The nanoseconds after a time's whole seconds (floor_div_i64), 0 .. 999,999,999. */
static inline int64_t zone_rest_ns(int64_t time_ns)
{
    int64_t rest = time_ns % ZONE_NS_PER_S;
    return rest < 0 ? rest + ZONE_NS_PER_S : rest;
}

struct zone {
    size_t count;    /* of changes */
    size_t capacity; /* of changes */
    int64_t *at;     /* UTC seconds */
    int32_t *offset; /* count + 1 of them */
};

/* zone.c */
/** A zone of one offset, with room for changes; NULL when there is no memory. */
struct zone *zone_new(size_t capacity, int32_t offset_s);
/**
 * From `at` on, the latest so far or equal to it, the offset is this one. Keeps Z1; `at` and offset
 * keep Z2.
 */
void zone_put(struct zone *zone, int64_t at, int32_t offset_s);
/** The index of the offset that holds at an instant. */
size_t zone_find(const struct zone *zone, int64_t time_s);

/* zone_rule.c: the footer of a file */
enum zone_date_kind {
    ZONE_DATE_JULIAN = 1, /* Jn: 1 .. 365, February 29 is never counted */
    ZONE_DATE_DAY = 2,    /* n: 0 .. 365 */
    ZONE_DATE_WEEKDAY = 3 /* Mm.w.d */
};

struct zone_date {
    enum zone_date_kind kind;
    int day, month, week;
    int32_t time_s; /* of the wall clock before the change, from the day's 00:00 */
};

struct zone_rule {
    int32_t standard_s, summer_s; /* offsets; equal where there is no summer time */
    bool has_summer;
    struct zone_date begin, end; /* of summer time */
};

struct zone_change {
    int64_t at;
    int32_t offset_s;
};

/** Read a TZ string; hours of changes up to 167 of either sign where `is_extended`. */
holter_status zone_rule_decode(struct zone_rule *out, const char *text, size_t bytes,
                               bool is_extended);
/** Its changes from ZONE_YEAR_FIRST to ZONE_YEAR_LAST, rising by time; returns their number. */
size_t zone_rule_changes(struct zone_change out[static ZONE_RULE_CHANGES_MAX],
                         const struct zone_rule *rule);

/* zone_window.c: days from 1970-01-01 */
int64_t zone_days_of_date(int64_t year, int64_t month, int64_t day);

#endif
