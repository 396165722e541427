/*
 * times.c -- times and durations as text, exact to the nanosecond.
 *
 * The C library's strptime and mktime depend on locale and zone and cannot tell a fraction; these
 * few functions are exact and fast enough for millions of rows a second.
 *
 * Days are counted as in H. Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013), sections
 * days_from_civil and civil_from_days: years begin in March, eras have 146,097 days.
 */
#include "times.h"

#include <stdio.h>
#include <string.h>

#define HOUR_NS (INT64_C(3600) * 1000000000)
#define DAY_NS (24 * HOUR_NS)

enum { LITERAL = 0x80, DAY_S = 86400, FRACTION_DIGITS_MAX = 9 };

static const int64_t ns_per_s = 1000000000;
static const int64_t powers_of_ten[] = { 1,      10,      100,      1000,      10000,
                                         100000, 1000000, 10000000, 100000000, 1000000000 };

struct cursor {
    const char *at;
    const char *end;
    bool is_off;       /* a number was beyond its range */
    bool lacks_offset; /* which alone was missing */
};

/* What a text has told so far. */
struct moment {
    int64_t year, month, day, day_of_year; /* month and day 0: not told */
    int64_t hour, hour12, minute, second, nanosecond;
    int64_t offset_s;
    int64_t days; /* since 1970, of the date; with has_days */
    bool has_days;
    bool has_offset;
    bool is_afternoon;
    bool has_unix;
    bool is_negative; /* with has_unix */
    uint64_t unix_s;
};

/* ---- the calendar --------------------------------------------------------------------------- */

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* A sign, seconds and nanoseconds to one number. Both ends of int64 are no times. */
static enum time_result time_join(int64_t *out_ns, bool is_negative, uint64_t seconds,
                                  int64_t nanoseconds)
{
    if (seconds > (uint64_t)(INT64_MAX / ns_per_s))
        return TIME_OUT_OF_RANGE;
    uint64_t total = seconds * (uint64_t)ns_per_s + (uint64_t)nanoseconds;
    if (total >= (uint64_t)INT64_MAX)
        return TIME_OUT_OF_RANGE;
    *out_ns = is_negative ? -(int64_t)total : (int64_t)total;
    return TIME_OK;
}

/* The instant of a local time, counted where it is not shown just once. */
static enum time_result local_join(int64_t *out_ns, struct time_zone *zone, int64_t wall_ns)
{
    holter_wall shown;
    int64_t time_ns;
    if (holter_zone_time(&time_ns, &shown, zone->zone, wall_ns, NULL) != HOLTER_OK ||
        time_ns == INT64_MIN || time_ns == INT64_MAX)
        return TIME_OUT_OF_RANGE;
    zone->ambiguous += shown == HOLTER_WALL_TWICE;
    zone->missing += shown == HOLTER_WALL_NEVER;
    *out_ns = time_ns;
    return TIME_OK;
}

/* m->days of the date. false: there is no such day. */
static bool date_join(struct moment *m)
{
    if (m->day_of_year != 0) {
        if (m->day_of_year > 365 + is_leap(m->year))
            return false;
        m->days = days_from_civil(m->year, 1, 1) + m->day_of_year - 1;
    } else {
        if (m->month < 1 || m->month > 12 || m->day < 1 ||
            m->day > days_of_month(m->year, m->month))
            return false;
        m->days = days_from_civil(m->year, m->month, m->day);
    }
    m->has_days = true;
    return true;
}

static enum time_result moment_join(int64_t *out_ns, struct moment *m, struct time_zone *zone)
{
    if (m->has_unix)
        return time_join(out_ns, m->is_negative, m->unix_s, m->nanosecond);
    if (!m->has_days && !date_join(m))
        return TIME_MALFORMED;
    int64_t hour = m->hour12 != 0 ? m->hour12 % 12 + 12 * m->is_afternoon : m->hour;
    int64_t seconds = m->days * DAY_S + hour * 3600 + m->minute * 60 + m->second -
                      (m->has_offset ? m->offset_s : 0);
    int64_t joined_ns;
    enum time_result result;
    if (seconds >= 0)
        result = time_join(&joined_ns, false, (uint64_t)seconds, m->nanosecond);
    else if (m->nanosecond == 0)
        result = time_join(&joined_ns, true, (uint64_t)-seconds, 0);
    else
        result = time_join(&joined_ns, true, (uint64_t)(-seconds - 1), ns_per_s - m->nanosecond);
    if (result == TIME_OK && zone != NULL && !m->has_offset)
        return local_join(out_ns, zone, joined_ns);
    if (result == TIME_OK)
        *out_ns = joined_ns;
    return result;
}

/* ---- pieces of text ------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool take(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* A number of digits_min .. digits_max digits, low .. high. */
static bool take_number(struct cursor *c, int digits_min, int digits_max, int64_t low, int64_t high,
                        int64_t *out)
{
    int64_t number = 0;
    int digits = 0;
    while (digits < digits_max && c->at < c->end && is_digit(*c->at)) {
        number = number * 10 + (*c->at++ - '0');
        digits++;
    }
    if (digits < digits_min)
        return false;
    if (number < low || number > high) {
        c->is_off = true;
        return false;
    }
    *out = number;
    return true;
}

static bool take_unsigned(struct cursor *c, uint64_t *out)
{
    uint64_t number = 0;
    if (c->at == c->end || !is_digit(*c->at))
        return false;
    for (; c->at < c->end && is_digit(*c->at); c->at++) {
        uint64_t digit = (uint64_t)(*c->at - '0');
        /* Past any time: saturate, so that the answer is out of range and not malformed. */
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            number = UINT64_MAX;
    }
    *out = number;
    return true;
}

/* One or more digits, at most digits_max that count, scaled to 10^-digits_max. */
static enum time_result take_fraction(struct cursor *c, int digits_max, int64_t *out)
{
    int64_t number = 0;
    int digits = 0;
    for (; c->at < c->end && is_digit(*c->at); c->at++, digits++) {
        if (digits == digits_max)
            return TIME_TOO_FINE;
        number = number * 10 + (*c->at - '0');
    }
    if (digits == 0)
        return TIME_MALFORMED;
    *out = number * powers_of_ten[digits_max - digits];
    return TIME_OK;
}

/* Z, +hh:mm, +hhmm, and +hh where `short_form`. */
static bool take_offset(struct cursor *c, bool short_form, int64_t *out_s)
{
    if (c->at < c->end && (*c->at == 'Z' || *c->at == 'z')) {
        c->at++;
        *out_s = 0;
        return true;
    }
    bool is_west = take(c, '-');
    if (!is_west && !take(c, '+'))
        return false;
    int64_t hours;
    int64_t minutes = 0;
    if (!take_number(c, 2, 2, 0, 23, &hours))
        return false;
    bool has_colon = take(c, ':');
    bool has_minutes = c->at < c->end && is_digit(*c->at);
    if (has_colon || has_minutes || !short_form)
        if (!take_number(c, 2, 2, 0, 59, &minutes))
            return false;
    *out_s = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_month_name(struct cursor *c, int64_t *month)
{
    static const char *const names[] = { "january",   "february", "march",    "april",
                                         "may",       "june",     "july",     "august",
                                         "september", "october",  "november", "december" };
    size_t left = (size_t)(c->end - c->at);
    for (int i = 0; i < 12; i++) {
        size_t same = 0;
        while (same < left && names[i][same] != '\0' && lower(c->at[same]) == names[i][same])
            same++;
        if (same < 3)
            continue;
        c->at += names[i][same] == '\0' ? same : 3;
        *month = i + 1;
        return true;
    }
    return false;
}

static bool take_half_day(struct cursor *c, bool *is_afternoon)
{
    if (c->end - c->at < 2 || lower(c->at[1]) != 'm')
        return false;
    char half = lower(c->at[0]);
    if (half != 'a' && half != 'p')
        return false;
    *is_afternoon = half == 'p';
    c->at += 2;
    return true;
}

/* ---- heads ---------------------------------------------------------------------------------- */

/*
 * Rows of a file mostly have the date and hour of the row before. What a head's bytes tell depends
 * on them and on the one that ends it alone: numbers and white space end at the first other byte,
 * names of months at the first that is no letter.
 */
static bool head_take(const struct time_head *head, struct cursor *c, struct moment *m)
{
    if (head->bytes == 0 || (size_t)(c->end - c->at) < head->bytes ||
        memcmp(c->at, head->text, head->bytes) != 0)
        return false;
    c->at += head->bytes - 1;
    m->days = head->days;
    m->has_days = true;
    m->hour = head->hour;
    m->hour12 = head->hour12;
    return true;
}

/* The bytes up to `end`, and the one there, of a text that was read to its end. */
static void head_keep(struct time_head *head, const char *begin, const char *end,
                      const struct moment *m)
{
    size_t bytes = (size_t)(end - begin) + 1;
    char ends = lower(*end);
    if (bytes > TIME_HEAD_BYTES_MAX || (ends >= 'a' && ends <= 'z'))
        return;
    memcpy(head->text, begin, bytes);
    head->bytes = bytes;
    head->days = m->days;
    head->hour = m->hour;
    head->hour12 = m->hour12;
    int64_t hours = m->days * 24 + m->hour;
    bool is_within = hours > INT64_MIN / HOUR_NS && hours < INT64_MAX / HOUR_NS;
    head->hour_ns = is_within ? hours * HOUR_NS : INT64_MIN;
}

/* ---- patterns ------------------------------------------------------------------------------- */

/* The steps of %T and its like. */
static const char *pattern_of_short(char letter)
{
    switch (letter) {
    case 'T':
        return "H:M:S";
    case 'R':
        return "H:M";
    case 'F':
        return "Y-m-d";
    case 'D':
        return "m/d/y";
    default:
        return NULL;
    }
}

static bool push(struct time_format *format, unsigned char step)
{
    if (format->step_count == TIME_STEPS_MAX)
        return false;
    format->steps[format->step_count++] = step;
    return true;
}

static bool pattern_has(const struct time_format *format, char letter)
{
    return memchr(format->steps, letter, format->step_count) != NULL;
}

static const char *pattern_check(const struct time_format *format)
{
    static const char letters[] = "YymdjHIMSpfbzs";
    for (const char *letter = letters; *letter != '\0'; letter++) {
        const unsigned char *first = memchr(format->steps, *letter, format->step_count);
        if (first == NULL)
            continue;
        size_t left = format->step_count - (size_t)(first + 1 - format->steps);
        if (memchr(first + 1, *letter, left) != NULL)
            return "the pattern asks for one part of the time twice";
    }
    if (pattern_has(format, 's'))
        return NULL;
    if (pattern_has(format, 'Y') == pattern_has(format, 'y'))
        return "the pattern needs a year: %Y or %y";
    bool has_month = pattern_has(format, 'm') || pattern_has(format, 'b');
    if (!pattern_has(format, 'j') && !(has_month && pattern_has(format, 'd')))
        return "the pattern needs a day: %m or %b with %d, or %j";
    if (pattern_has(format, 'H') && pattern_has(format, 'I'))
        return "the pattern has both %H and %I";
    if (pattern_has(format, 'I') != pattern_has(format, 'p'))
        return "%I and %p need each other";
    if (pattern_has(format, 'f') && !pattern_has(format, 'S'))
        return "%f needs %S";
    return NULL;
}

/* The steps of a date and an hour, where the pattern begins so; literals after them are left. */
static size_t pattern_head_steps(const struct time_format *format)
{
    size_t steps = 0;
    size_t dates = 0;
    bool has_day_of_year = false;
    bool is_over = false;
    for (size_t i = 0; i < format->step_count; i++) {
        unsigned char step = format->steps[i];
        if (step >= LITERAL)
            continue;
        bool is_of_head = strchr("YymbdejHI", step) != NULL;
        if (is_of_head && is_over)
            return 0; /* what comes later may tell another date */
        is_over = !is_of_head;
        if (is_over)
            continue;
        dates += step != 'H' && step != 'I';
        has_day_of_year = has_day_of_year || step == 'j';
        steps = i + 1;
    }
    bool has_date = has_day_of_year ? dates >= 2 : dates >= 3;
    return has_date && steps < format->step_count ? steps : 0;
}

static const char *pattern_read(struct time_format *out, const char *text)
{
    static const char too_long[] = "the pattern is too long";
    for (; *text != '\0'; text++) {
        if (is_space(*text)) {
            if ((out->step_count == 0 || out->steps[out->step_count - 1] != (LITERAL | ' ')) &&
                !push(out, LITERAL | ' '))
                return too_long;
            continue;
        }
        if (*text != '%') {
            if ((unsigned char)*text >= LITERAL)
                return "the pattern may hold ASCII only";
            if (!push(out, LITERAL | (unsigned char)*text))
                return too_long;
            continue;
        }
        char letter = *++text;
        const char *parts = pattern_of_short(letter);
        if (parts != NULL) {
            for (; *parts != '\0'; parts++)
                if (!push(out, strchr(":/-", *parts) != NULL ? LITERAL | (unsigned char)*parts
                                                             : (unsigned char)*parts))
                    return too_long;
            continue;
        }
        if (letter == 'B' || letter == 'h')
            letter = 'b';
        if (letter == 'n' || letter == 't' || letter == '%') {
            if (!push(out, LITERAL | (letter == '%' ? '%' : ' ')))
                return too_long;
            continue;
        }
        if (letter == '\0' || strchr("YymdejHIMSpfbzs", letter) == NULL)
            return "the pattern has a conversion other than %Y %y %m %d %e %j %H %I %M %S %p %f %b "
                   "%B %h %z %s %T "
                   "%F %D %R %n %t %%";
        /* %e is %d that may begin with a space, */
        if (letter == 'e' && out->step_count > 0 &&
            out->steps[out->step_count - 1] == (LITERAL | ' '))
            letter = 'd'; /* which a space before it takes already. */
        if (!push(out, (unsigned char)letter))
            return too_long;
    }
    /* From here on %e is told from %d only by its step. */
    struct time_format plain = *out;
    for (size_t i = 0; i < plain.step_count; i++)
        if (plain.steps[i] == 'e')
            plain.steps[i] = 'd';
    out->head_steps = pattern_head_steps(out);
    return pattern_check(&plain);
}

static enum time_result take_step(struct cursor *c, unsigned char step, struct moment *m)
{
    bool ok = false;
    switch (step) {
    case 'Y':
        ok = take_number(c, 4, 4, 0, 9999, &m->year);
        break;
    case 'y': /* as POSIX: 69 .. 99 are of 19xx, 00 .. 68 of 20xx */
        ok = take_number(c, 2, 2, 0, 99, &m->year);
        m->year += m->year < 69 ? 2000 : 1900;
        break;
    case 'm':
        ok = take_number(c, 1, 2, 1, 12, &m->month);
        break;
    case 'b':
        ok = take_month_name(c, &m->month);
        break;
    case 'e':
        take(c, ' ');
        ok = take_number(c, 1, 2, 1, 31, &m->day);
        break;
    case 'd':
        ok = take_number(c, 1, 2, 1, 31, &m->day);
        break;
    case 'j':
        ok = take_number(c, 1, 3, 1, 366, &m->day_of_year);
        break;
    case 'H':
        ok = take_number(c, 1, 2, 0, 23, &m->hour);
        break;
    case 'I':
        ok = take_number(c, 1, 2, 1, 12, &m->hour12);
        break;
    case 'M':
        ok = take_number(c, 1, 2, 0, 59, &m->minute);
        break;
    case 'S':
        ok = take_number(c, 1, 2, 0, 59, &m->second);
        break;
    case 'p':
        ok = take_half_day(c, &m->is_afternoon);
        break;
    case 'f':
        return take_fraction(c, FRACTION_DIGITS_MAX, &m->nanosecond);
    case 'z':
        ok = m->has_offset = take_offset(c, true, &m->offset_s);
        break;
    case 's':
        m->has_unix = true;
        m->is_negative = take(c, '-');
        ok = take_unsigned(c, &m->unix_s);
        break;
    case LITERAL | ' ':
        ok = c->at < c->end && is_space(*c->at);
        while (c->at < c->end && is_space(*c->at))
            c->at++;
        break;
    default:
        ok = take(c, (char)(step & ~LITERAL));
        break;
    }
    return ok ? TIME_OK : TIME_MALFORMED;
}

static enum time_result pattern_take(int64_t *out_ns, struct time_format *format, struct cursor *c)
{
    struct moment m = { 0 };
    const char *begin = c->at;
    const char *head_end = NULL;
    bool has_head = head_take(&format->head, c, &m);
    for (size_t i = has_head ? format->head_steps : 0; i < format->step_count; i++) {
        if (i > 0 && i == format->head_steps && !has_head)
            head_end = c->at;
        enum time_result result = take_step(c, format->steps[i], &m);
        if (result != TIME_OK)
            return result;
    }
    if (c->at != c->end)
        return TIME_MALFORMED;
    enum time_result result = moment_join(out_ns, &m, format->zone);
    c->is_off = result == TIME_MALFORMED; /* there is no such day */
    if (result == TIME_OK && head_end != NULL && head_end < c->end)
        head_keep(&format->head, begin, head_end, &m);
    return result;
}

/* ---- the other kinds ------------------------------------------------------------------------ */

/* A count of units since 1970; `digits` is how many decimal digits a unit has in nanoseconds. */
static enum time_result unix_take(int64_t *out_ns, struct cursor c, int digits)
{
    bool is_negative = take(&c, '-');
    uint64_t count;
    int64_t fraction = 0;
    if (!take_unsigned(&c, &count))
        return TIME_MALFORMED;
    if (take(&c, '.')) {
        enum time_result result = take_fraction(&c, digits, &fraction);
        if (result != TIME_OK)
            return result;
    }
    if (c.at != c.end)
        return TIME_MALFORMED;
    uint64_t units_per_s = (uint64_t)powers_of_ten[FRACTION_DIGITS_MAX - digits];
    int64_t rest = (int64_t)(count % units_per_s) * powers_of_ten[digits];
    return time_join(out_ns, is_negative, count / units_per_s, rest + fraction);
}

static bool take_date(struct cursor *c, struct moment *m)
{
    return take_number(c, 4, 4, 0, 9999, &m->year) && take(c, '-') &&
           take_number(c, 2, 2, 1, 12, &m->month) && take(c, '-') &&
           take_number(c, 2, 2, 1, 31, &m->day);
}

/* What most texts are: "2025-01-01T00:" as in the head, "04:05Z" behind it. */
static bool rfc3339_take_short(int64_t *out_ns, const char *text, size_t bytes,
                               const struct time_head *head)
{
    enum { HEAD_BYTES = 14, ALL_BYTES = 20 };
    uint64_t a[2], b[2];
    if (bytes != ALL_BYTES || head->bytes != HEAD_BYTES || head->hour_ns == INT64_MIN)
        return false;
    memcpy(&a[0], text, sizeof *a);
    memcpy(&a[1], text + HEAD_BYTES - sizeof *a, sizeof *a);
    memcpy(&b[0], head->text, sizeof *b);
    memcpy(&b[1], head->text + HEAD_BYTES - sizeof *b, sizeof *b);
    if (((a[0] ^ b[0]) | (a[1] ^ b[1])) != 0)
        return false;
    const unsigned char *at = (const unsigned char *)text + HEAD_BYTES;
    unsigned minutes = at[0] - (unsigned)'0', minute = at[1] - (unsigned)'0';
    unsigned seconds = at[3] - (unsigned)'0', second = at[4] - (unsigned)'0';
    if (minutes > 5 || minute > 9 || at[2] != ':' || seconds > 5 || second > 9 || at[5] != 'Z')
        return false;
    unsigned past = (minutes * 10 + minute) * 60 + seconds * 10 + second;
    *out_ns = head->hour_ns + past * ns_per_s;
    return true;
}

/*
 * `zone`, else NULL: of times without an offset, which are malformed where `needs_offset`. `head`
 * may be NULL.
 */
static enum time_result rfc3339_take(int64_t *out_ns, struct cursor *c, bool needs_offset,
                                     struct time_zone *zone, struct time_head *head)
{
    struct moment m = { 0 };
    const char *begin = c->at;
    const char *head_end = NULL;
    if (head == NULL || !head_take(head, c, &m)) {
        if (!take_date(c, &m) || (!take(c, 'T') && !take(c, 't') && !take(c, ' ')) ||
            !take_number(c, 2, 2, 0, 23, &m.hour))
            return TIME_MALFORMED;
        head_end = c->at;
    }
    if (!take(c, ':') || !take_number(c, 2, 2, 0, 59, &m.minute) || !take(c, ':') ||
        !take_number(c, 2, 2, 0, 59, &m.second))
        return TIME_MALFORMED;
    if (take(c, '.')) {
        enum time_result result = take_fraction(c, FRACTION_DIGITS_MAX, &m.nanosecond);
        if (result != TIME_OK)
            return result;
    }
    const char *behind = c->at;
    m.has_offset = take_offset(c, false, &m.offset_s);
    if (!m.has_offset)
        c->at = behind; /* half an offset is none, and does not belong there */
    c->lacks_offset = needs_offset && !m.has_offset && c->at == c->end;
    if (c->lacks_offset || c->at != c->end)
        return TIME_MALFORMED;
    enum time_result result = moment_join(out_ns, &m, zone);
    c->is_off = result == TIME_MALFORMED; /* there is no such day */
    if (result == TIME_OK && head != NULL && head_end != NULL)
        head_keep(head, begin, head_end, &m);
    return result;
}

int64_t time_second_showing(const struct time_zone *zone, int64_t time_ns)
{
    static const int64_t shifts_min[] = { 60, 30, 120 }; /* by which clocks are put back */
    if (zone == NULL)
        return time_ns;
    int64_t offset_s = holter_zone_offset_s(zone->zone, time_ns);
    for (size_t i = 0; i < sizeof shifts_min / sizeof shifts_min[0]; i++) {
        int64_t later_ns, shift_s = shifts_min[i] * 60;
        if (!__builtin_add_overflow(time_ns, shift_s * ns_per_s, &later_ns) &&
            offset_s - holter_zone_offset_s(zone->zone, later_ns) == shift_s)
            return later_ns;
    }
    return time_ns;
}

/* The first moment of the day of an instant, which its midnight need not be. */
static int64_t day_begin(const struct time_zone *zone, int64_t time_ns)
{
    const holter_every day = { .calendar = HOLTER_DAYS };
    int64_t begin_ns, end_ns;
    if (zone == NULL ||
        holter_zone_window(&begin_ns, &end_ns, zone->zone, &day, time_ns, NULL) != HOLTER_OK)
        return time_ns;
    return begin_ns == INT64_MIN ? time_ns : begin_ns;
}

/* ---- entry points --------------------------------------------------------------------------- */

const char *time_format_read(struct time_format *out, const char *text)
{
    static const struct {
        const char *name;
        enum time_kind kind;
    } names[] = {
        { "unix_s", TIME_UNIX_S },
        { "unix_ms", TIME_UNIX_MS },
        { "unix_ns", TIME_UNIX_NS },
        { "rfc3339", TIME_RFC3339 },
    };
    *out = (struct time_format){ .kind = TIME_PATTERN };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i].name) == 0) {
            out->kind = names[i].kind;
            return NULL;
        }
    if (strchr(text, '%') == NULL)
        return "it takes unix_s, unix_ms, unix_ns, rfc3339 or a pattern such as '%Y-%m-%d "
               "%H:%M:%S'";
    return pattern_read(out, text);
}

bool time_offset_read(int64_t *out_s, const char *text)
{
    if (strcmp(text, "UTC") == 0) {
        *out_s = 0;
        return true;
    }
    struct cursor c = { text, text + strlen(text), false, false };
    int64_t offset_s;
    if (!take_offset(&c, false, &offset_s) || c.at != c.end)
        return false;
    *out_s = offset_s;
    return true;
}

static enum time_result time_take(int64_t *out_ns, struct time_format *format, const char *text,
                                  size_t bytes)
{
    struct cursor c = { text, text + bytes, false, false };
    enum time_result result = TIME_MALFORMED;
    switch (format->kind) {
    case TIME_UNIX_S:
        return unix_take(out_ns, c, 9);
    case TIME_UNIX_MS:
        return unix_take(out_ns, c, 6);
    case TIME_UNIX_NS:
        return unix_take(out_ns, c, 0);
    case TIME_RFC3339:
        result = rfc3339_take(out_ns, &c, format->zone == NULL, format->zone, &format->head);
        break;
    case TIME_PATTERN:
        result = pattern_take(out_ns, format, &c);
        break;
    }
    format->is_off = result == TIME_MALFORMED && c.is_off;
    format->lacks_offset = result == TIME_MALFORMED && c.lacks_offset;
    return result;
}

enum time_result time_read(int64_t *out_ns, struct time_format *format, const char *text,
                           size_t bytes)
{
    return format->kind == TIME_RFC3339 && rfc3339_take_short(out_ns, text, bytes, &format->head)
               ? TIME_OK
               : time_take(out_ns, format, text, bytes);
}

enum time_result time_read_bound(int64_t *out_ns, const char *text, struct time_zone *zone)
{
    struct cursor c = { text, text + strlen(text), false, false };
    struct cursor date = c;
    struct moment m = { 0 };
    if (!take_date(&date, &m) || date.at != date.end)
        return rfc3339_take(out_ns, &c, false, zone, NULL);
    int64_t time_ns;
    enum time_result result = moment_join(&time_ns, &m, zone);
    if (result == TIME_OK)
        *out_ns = day_begin(zone, time_ns);
    return result;
}

int64_t time_day_end(const struct time_zone *zone, int64_t time_ns)
{
    const holter_every day = { .calendar = HOLTER_DAYS };
    int64_t begin_ns, end_ns;
    if (zone == NULL || zone->zone == NULL ||
        holter_zone_window(&begin_ns, &end_ns, zone->zone, &day, time_ns, NULL) != HOLTER_OK)
        return time_ns - (time_ns % DAY_NS + DAY_NS) % DAY_NS + DAY_NS;
    return end_ns;
}

holter_status time_zone_open(struct time_zone *out, const char *name, holter_error *err)
{
    *out = (struct time_zone){ 0 };
    out->is_utc = strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0;
    return holter_zone_open(&out->zone, name, err);
}

void time_zone_close(struct time_zone *zone)
{
    holter_zone_close(zone->zone);
    *zone = (struct time_zone){ 0 };
}

/* ".5" and so on; nothing for 0. Returns its length. */
static size_t fraction_write(char *out, int64_t nanoseconds)
{
    if (nanoseconds == 0)
        return 0;
    int digits = FRACTION_DIGITS_MAX;
    while (nanoseconds % 10 == 0) {
        nanoseconds /= 10;
        digits--;
    }
    out[0] = '.';
    for (int i = digits; i > 0; i--) {
        out[i] = (char)('0' + nanoseconds % 10);
        nanoseconds /= 10;
    }
    return (size_t)digits + 1;
}

static char *digits_write(char *out, int64_t number, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + digits;
}

size_t time_write(char out[static TIME_TEXT_BYTES_MAX], int64_t time_ns,
                  const struct time_zone *zone)
{
    int64_t offset_min = zone == NULL ? 0 : holter_zone_offset_s(zone->zone, time_ns) / 60;
    int64_t seconds = time_ns / ns_per_s;
    int64_t nanoseconds = time_ns % ns_per_s;
    if (nanoseconds < 0) {
        nanoseconds += ns_per_s;
        seconds--;
    }
    seconds += offset_min * 60;
    int64_t days = seconds / DAY_S;
    int64_t second_of_day = seconds % DAY_S;
    if (second_of_day < 0) {
        second_of_day += DAY_S;
        days--;
    }
    int64_t year;
    int month, day;
    civil_from_days(days, &year, &month, &day);

    char *at = digits_write(out, year, 4); /* 1677 .. 2262 */
    *at++ = '-';
    at = digits_write(at, month, 2);
    *at++ = '-';
    at = digits_write(at, day, 2);
    *at++ = 'T';
    at = digits_write(at, second_of_day / 3600, 2);
    *at++ = ':';
    at = digits_write(at, second_of_day / 60 % 60, 2);
    *at++ = ':';
    at = digits_write(at, second_of_day % 60, 2);
    at += fraction_write(at, nanoseconds);
    if (zone == NULL || zone->is_utc) {
        *at++ = 'Z';
    } else {
        *at++ = offset_min < 0 ? '-' : '+';
        offset_min = offset_min < 0 ? -offset_min : offset_min;
        at = digits_write(at, offset_min / 60, 2);
        *at++ = ':';
        at = digits_write(at, offset_min % 60, 2);
    }
    *at = '\0';
    return (size_t)(at - out);
}

enum time_result duration_read(int64_t *out_ns, const char *text, size_t bytes)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        { "", 1000000000 },
        { "s", 1000000000 },
        { "ms", 1000000 },
        { "us", 1000 },
        { "ns", 1 },
        { "m", 60 * 1000000000LL },
        { "min", 60 * 1000000000LL },
        { "h", 3600 * 1000000000LL },
        { "d", DAY_S * 1000000000LL },
    };
    struct cursor c = { text, text + bytes, false, false };
    uint64_t whole;
    if (!take_unsigned(&c, &whole))
        return TIME_MALFORMED;

    /* The fraction without its trailing zeros. */
    int64_t fraction = 0;
    int digits = 0;
    if (take(&c, '.')) {
        const char *begin = c.at;
        while (c.at < c.end && is_digit(*c.at))
            c.at++;
        const char *end = c.at;
        if (begin == end)
            return TIME_MALFORMED;
        while (end > begin && end[-1] == '0')
            end--;
        if (end - begin > FRACTION_DIGITS_MAX)
            return TIME_TOO_FINE;
        for (; begin < end; begin++, digits++)
            fraction = fraction * 10 + (*begin - '0');
    }

    size_t name_bytes = (size_t)(c.end - c.at);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) != name_bytes || memcmp(units[i].name, c.at, name_bytes) != 0)
            continue;
        int64_t unit = units[i].ns;
        if (unit % powers_of_ten[digits] != 0 && fraction * unit % powers_of_ten[digits] != 0)
            return TIME_TOO_FINE;
        /* Where the division leaves a rest, the unit is at most 10^9 ns, so the product fits. */
        int64_t part = unit % powers_of_ten[digits] == 0 ? unit / powers_of_ten[digits] * fraction
                                                         : fraction * unit / powers_of_ten[digits];
        if (whole > (uint64_t)((INT64_MAX - part) / unit))
            return TIME_OUT_OF_RANGE;
        *out_ns = (int64_t)whole * unit + part;
        return TIME_OK;
    }
    return TIME_MALFORMED;
}

size_t duration_write(char out[static DURATION_TEXT_BYTES_MAX], int64_t duration_ns)
{
    int bytes =
        snprintf(out, DURATION_TEXT_BYTES_MAX - 10, "%lld", (long long)(duration_ns / ns_per_s));
    size_t at = (size_t)bytes;
    at += fraction_write(out + at, duration_ns % ns_per_s);
    out[at] = '\0';
    return at;
}
