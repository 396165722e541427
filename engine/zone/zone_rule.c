/*
 * zone_rule.c -- the rule in a file's footer: a POSIX TZ string, and the changes that it makes.
 *
 *     std offset [ dst [ offset ] , begin [ /time ] , end [ /time ] ]
 *
 * Source: IEEE Std 1003.1-2017, 8.3, as RFC 9636, 3.3 and 3.3.1 narrow and extend it. Offsets there
 * count westwards. A summer time without its dates, which POSIX leaves to the system, is refused.
 */
#include "zone/zone_impl.h"

#include <string.h>

struct cursor {
    const char *at;
    const char *end;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool take(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* Three characters or more: letters, or within <> also digits and signs. */
static bool take_name(struct cursor *c)
{
    bool is_quoted = take(c, '<');
    const char *begin = c->at;
    while (c->at < c->end && (is_letter(*c->at) ||
                              (is_quoted && (is_digit(*c->at) || *c->at == '+' || *c->at == '-'))))
        c->at++;
    bool is_long_enough = c->at - begin >= 3;
    return (!is_quoted || take(c, '>')) && is_long_enough;
}

static bool take_number(struct cursor *c, int digits_max, int low, int high, int *out)
{
    int number = 0;
    int digits = 0;
    for (; digits < digits_max && c->at < c->end && is_digit(*c->at); digits++)
        number = number * 10 + (*c->at++ - '0');
    if (digits == 0 || number < low || number > high)
        return false;
    *out = number;
    return true;
}

/* h[hh][:mm[:ss]] with a sign where `is_signed`, in seconds. */
static bool take_clock(struct cursor *c, bool is_signed, int hours_max, int32_t *out_s)
{
    bool is_negative = is_signed && take(c, '-');
    if (is_signed && !is_negative)
        (void)take(c, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(c, hours_max > 99 ? 3 : 2, 0, hours_max, &hours))
        return false;
    if (take(c, ':')) {
        if (!take_number(c, 2, 0, 59, &minutes))
            return false;
        if (take(c, ':') && !take_number(c, 2, 0, 59, &seconds))
            return false;
    }
    int32_t total_s = hours * 3600 + minutes * 60 + seconds;
    *out_s = is_negative ? -total_s : total_s;
    return true;
}

static bool take_date(struct cursor *c, bool is_extended, struct zone_date *out)
{
    *out = (struct zone_date){ .kind = ZONE_DATE_DAY, .time_s = 2 * 3600 };
    if (take(c, 'M')) {
        out->kind = ZONE_DATE_WEEKDAY;
        if (!take_number(c, 2, 1, 12, &out->month) || !take(c, '.') ||
            !take_number(c, 1, 1, 5, &out->week) || !take(c, '.') ||
            !take_number(c, 1, 0, 6, &out->day))
            return false;
    } else if (take(c, 'J')) {
        out->kind = ZONE_DATE_JULIAN;
        if (!take_number(c, 3, 1, 365, &out->day))
            return false;
    } else if (!take_number(c, 3, 0, 365, &out->day)) {
        return false;
    }
    return !take(c, '/') || take_clock(c, is_extended, is_extended ? 167 : 24, &out->time_s);
}

static bool take_rule(struct cursor *c, bool is_extended, struct zone_rule *out)
{
    if (!take_name(c) || !take_clock(c, true, 24, &out->standard_s))
        return false;
    out->standard_s = -out->standard_s;
    out->summer_s = out->standard_s;
    if (c->at == c->end)
        return true;

    out->has_summer = true;
    if (!take_name(c))
        return false;
    if (c->at < c->end && *c->at != ',') {
        if (!take_clock(c, true, 24, &out->summer_s))
            return false;
        out->summer_s = -out->summer_s;
    } else {
        out->summer_s = out->standard_s + 3600;
    }
    return take(c, ',') && take_date(c, is_extended, &out->begin) && take(c, ',') &&
           take_date(c, is_extended, &out->end);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* In days from 1970-01-01. */
static int64_t day_of(const struct zone_date *date, int64_t year)
{
    int64_t new_year = zone_days_of_date(year, 1, 1);
    switch (date->kind) {
    case ZONE_DATE_JULIAN:
        return new_year + date->day - 1 + (is_leap(year) && date->day >= 60);
    case ZONE_DATE_DAY:
        return new_year + date->day;
    case ZONE_DATE_WEEKDAY:
        break;
    }
    /* 1970-01-01 was a Thursday, so day -4 a Sunday. */
    int64_t first = zone_days_of_date(year, date->month, 1);
    int64_t next = date->month == 12 ? zone_days_of_date(year + 1, 1, 1)
                                     : zone_days_of_date(year, date->month + 1, 1);
    int64_t weekday = first + 4 - 7 * floor_div_i64(first + 4, 7);
    int64_t day = first + (date->day - weekday + 7) % 7 + 7 * (date->week - 1);
    return day < next ? day : day - 7; /* week 5 is the last one */
}

/* ---- entry points ---------------------------------------------------------------------------- */

holter_status zone_rule_decode(struct zone_rule *out, const char *text, size_t bytes,
                               bool is_extended)
{
    struct cursor c = { text, text + bytes };
    struct zone_rule rule = { 0 };
    if (!take_rule(&c, is_extended, &rule) || c.at != c.end)
        return HOLTER_CORRUPT;
    if (rule.summer_s > ZONE_OFFSET_S_MAX || rule.summer_s < ZONE_OFFSET_S_MIN)
        return HOLTER_CORRUPT;
    *out = rule;
    return HOLTER_OK;
}

size_t zone_rule_changes(struct zone_change out[static ZONE_RULE_CHANGES_MAX],
                         const struct zone_rule *rule)
{
    size_t count = 0;
    if (!rule->has_summer) {
        out[0] = (struct zone_change){ ZONE_TIME_S_MIN, rule->standard_s };
        return 1;
    }
    for (int64_t year = ZONE_YEAR_FIRST; year <= ZONE_YEAR_LAST; year++) {
        const struct zone_change changes[2] = {
            { day_of(&rule->begin, year) * ZONE_DAY_S + rule->begin.time_s - rule->standard_s,
              rule->summer_s },
            { day_of(&rule->end, year) * ZONE_DAY_S + rule->end.time_s - rule->summer_s,
              rule->standard_s },
        };
        /*
         * Into their places; of two at one time the later in this order stands: a summer time that
         * ends where the next year's begins lasts all year (RFC 9636, 3.3.1).
         */
        for (size_t i = 0; i < CORE_COUNT(changes); i++) {
            size_t place = count++;
            for (; place > 0 && out[place - 1].at > changes[i].at; place--)
                out[place] = out[place - 1];
            out[place] = changes[i];
        }
    }
    return count;
}
