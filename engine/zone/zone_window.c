/*
 * zone_window.c -- local days, what is made of them, and windows of a fixed width.
 *
 * Both ends of a window are first instants at which the wall clock has reached a midnight: that of
 * the period's first date, and that of the next period's. Z3 and Z4 follow: with d the latest date
 * shown up to t, the first instant of any date <= d is <= t, and that of any later date is > t.
 *
 * Days are counted as in H. Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013).
 */
#include "zone/zone_impl.h"

#include <inttypes.h>

#define DAY_NS (ZONE_DAY_S * ZONE_NS_PER_S)

/* ---- the calendar ---------------------------------------------------------------------------- */

int64_t zone_days_of_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2; /* years from March; all are positive here, so one rounding does */
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void month_of_days(int64_t days, int64_t *year, int64_t *month)
{
    days += 719468;
    int64_t era = days / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* The dates [*begin, *end) of the period of `months` that a date lies in. */
static void months_of(int64_t *begin, int64_t *end, int64_t date, int64_t months)
{
    int64_t year, month;
    month_of_days(date, &year, &month);
    int64_t first = month - (month - 1) % months;
    int64_t next = first + months;
    *begin = zone_days_of_date(year, first, 1);
    *end = next > 12 ? zone_days_of_date(year + 1, next - 12, 1) : zone_days_of_date(year, next, 1);
}

static void dates_of(int64_t *begin, int64_t *end, holter_calendar calendar, int64_t date)
{
    *begin = date;
    *end = date + 1;
    switch (calendar) {
    case HOLTER_FIXED:
    case HOLTER_DAYS:
        break;
    case HOLTER_WEEKS: /* 1970-01-01 was a Thursday, so day -3 a Monday */
        *begin = 7 * floor_div_i64(date + 3, 7) - 3;
        *end = *begin + 7;
        break;
    case HOLTER_MONTHS:
        months_of(begin, end, date, 1);
        break;
    case HOLTER_QUARTERS:
        months_of(begin, end, date, 3);
        break;
    case HOLTER_YEARS:
        months_of(begin, end, date, 12);
        break;
    }
}

/* ---- dates of a zone ------------------------------------------------------------------------- */

static const struct zone *table_of(const struct zone *zone)
{
    static int64_t no_time;
    static int32_t no_offset;
    static const struct zone utc = { .at = &no_time, .offset = &no_offset };
    return zone != NULL ? zone : &utc;
}

/* Z3: the latest date shown up to an instant. */
static int64_t date_at(const struct zone *zone, int64_t time_s)
{
    size_t now = zone_find(zone, time_s);
    int64_t wall_s = time_s + zone->offset[now];
    /* What was shown longer ago than two offsets can differ is past. */
    int64_t long_ago = time_s - (ZONE_OFFSET_S_MAX - ZONE_OFFSET_S_MIN);
    for (size_t i = now; i > 0 && zone->at[i - 1] > long_ago; i--) {
        int64_t shown_s = zone->at[i - 1] - 1 + zone->offset[i - 1];
        wall_s = shown_s > wall_s ? shown_s : wall_s;
    }
    return floor_div_i64(wall_s, ZONE_DAY_S);
}

/* The first instant whose wall clock has reached a date. */
static int64_t begin_of(const struct zone *zone, int64_t date)
{
    int64_t midnight_s = date * ZONE_DAY_S;
    size_t i = zone_find(zone, midnight_s - ZONE_OFFSET_S_MAX);
    while (i < zone->count && zone->at[i] + zone->offset[i] <= midnight_s)
        i++;
    int64_t time_s = midnight_s - zone->offset[i];
    return i > 0 && zone->at[i - 1] > time_s ? zone->at[i - 1] : time_s;
}

/* In nanoseconds, held at the ends of time. */
static int64_t cut_ns(int64_t time_s)
{
    int64_t ns;
    return checked_mul_i64(&ns, time_s, ZONE_NS_PER_S) ? ns : time_s < 0 ? INT64_MIN : INT64_MAX;
}

/* ---- fixed windows --------------------------------------------------------------------------- */

/* From the epoch. */
static void fixed_window(int64_t *begin_ns, int64_t *end_ns, int64_t width_ns, int64_t time_ns)
{
    int64_t index = floor_div_i64(time_ns, width_ns);
    /* Only a window across the lowest time begins before it. */
    if (!checked_mul_i64(begin_ns, index, width_ns)) {
        *begin_ns = INT64_MIN;
        *end_ns = (index + 1) * width_ns;
        return;
    }
    *end_ns = saturating_add_i64(*begin_ns, width_ns);
}

/* From the day's begin, within the day. Its seconds may lie beyond nanoseconds at either end. */
static void fixed_window_of_day(int64_t *begin_ns, int64_t *end_ns, int64_t day_begin_s,
                                int64_t day_end_s, int64_t width_ns, int64_t time_ns)
{
    int64_t time_s = floor_div_i64(time_ns, ZONE_NS_PER_S);
    int64_t after_ns = (time_s - day_begin_s) * ZONE_NS_PER_S + zone_rest_ns(time_ns);
    int64_t passed_ns = after_ns % width_ns;
    int64_t day_end_ns = cut_ns(day_end_s);
    *begin_ns = time_ns < INT64_MIN + passed_ns ? INT64_MIN : time_ns - passed_ns;
    int64_t end = saturating_add_i64(time_ns, width_ns - passed_ns);
    *end_ns = end < day_end_ns ? end : day_end_ns;
}

/* ---- entry points ---------------------------------------------------------------------------- */

holter_status zone_every_check(const struct zone *zone, const holter_every *every,
                               holter_error *err)
{
    if (every->reserved[0] != 0 || every->reserved[1] != 0)
        return error_set(err, HOLTER_INVALID, "windows: a reserved field is not zero");
    if (every->calendar < HOLTER_FIXED || every->calendar > HOLTER_YEARS)
        return error_set(err, HOLTER_INVALID, "windows: found calendar %d, expected 0 .. %d",
                         (int)every->calendar, (int)HOLTER_YEARS);
    if (every->calendar != HOLTER_FIXED)
        return every->width_ns == 0
                   ? HOLTER_OK
                   : error_set(err, HOLTER_INVALID,
                               "windows: a calendar's have no width, found %" PRId64 " ns",
                               every->width_ns);
    if (every->width_ns <= 0)
        return error_set(err, HOLTER_INVALID,
                         "windows: found a width of %" PRId64 " ns, expected at least 1",
                         every->width_ns);
    if (DAY_NS % every->width_ns != 0 && !zone_is_utc(zone))
        return error_set(err, HOLTER_INVALID,
                         "windows: found a width of %" PRId64
                         " ns, expected one that divides 24 hours (others only in UTC)",
                         every->width_ns);
    return HOLTER_OK;
}

holter_status zone_window(int64_t *begin_ns, int64_t *end_ns, const struct zone *zone,
                          const holter_every *every, int64_t time_ns, holter_error *err)
{
    holter_status status = zone_every_check(zone, every, err);
    if (status != HOLTER_OK)
        return status;
    if (every->calendar == HOLTER_FIXED && zone_is_utc(zone)) {
        fixed_window(begin_ns, end_ns, every->width_ns, time_ns);
        return HOLTER_OK;
    }
    const struct zone *table = table_of(zone);
    int64_t first, next;
    dates_of(&first, &next, every->calendar, date_at(table, floor_div_i64(time_ns, ZONE_NS_PER_S)));
    int64_t begin_s = begin_of(table, first);
    int64_t end_s = begin_of(table, next);
    if (every->calendar == HOLTER_FIXED) {
        fixed_window_of_day(begin_ns, end_ns, begin_s, end_s, every->width_ns, time_ns);
    } else {
        *begin_ns = cut_ns(begin_s);
        *end_ns = cut_ns(end_s);
    }
    return HOLTER_OK;
}
