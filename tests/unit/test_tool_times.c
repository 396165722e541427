/*
 * test_tool_times.c -- times and durations are read exactly, or refused with the right reason, and
 * written back.
 *
 * Expected numbers come from `date -u -d ... +%s` and from the calendar, not from the code; every
 * day from 1678 to 2261 is walked with a plain calendar beside it.
 */
#include "random.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "../../tools/times.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S 1000000000LL

static const struct {
    const char *format;
    const char *text;
    enum time_result result;
    int64_t time_ns;
} times[] = {
    /* unix */
    { "unix_s", "0", TIME_OK, 0 },
    { "unix_s", "1460445660", TIME_OK, 1460445660 * S },
    { "unix_s", "1460445660.000000001", TIME_OK, 1460445660 * S + 1 },
    { "unix_s", "1460445660.5", TIME_OK, 1460445660 * S + 500000000 },
    { "unix_s", "-1.5", TIME_OK, -1500000000 },
    { "unix_s", "1.0000000001", TIME_TOO_FINE, 0 },
    { "unix_s", "9223372036.854775806", TIME_OK, INT64_MAX - 1 },
    { "unix_s", "9223372036.854775807", TIME_OUT_OF_RANGE, 0 },
    { "unix_s", "-9223372036.854775806", TIME_OK, -(INT64_MAX - 1) },
    { "unix_s", "9223372037", TIME_OUT_OF_RANGE, 0 },
    { "unix_s", "99999999999999999999999999", TIME_OUT_OF_RANGE, 0 },
    { "unix_s", "", TIME_MALFORMED, 0 },
    { "unix_s", "-", TIME_MALFORMED, 0 },
    { "unix_s", "1.", TIME_MALFORMED, 0 },
    { "unix_s", ".5", TIME_MALFORMED, 0 },
    { "unix_s", "1e9", TIME_MALFORMED, 0 },
    { "unix_s", " 1", TIME_MALFORMED, 0 },
    { "unix_s", "+1", TIME_MALFORMED, 0 },
    { "unix_ms", "1460445660123", TIME_OK, 1460445660123000000 },
    { "unix_ms", "-1", TIME_OK, -1000000 },
    { "unix_ms", "1.000001", TIME_OK, 1000001 },
    { "unix_ms", "1.0000001", TIME_TOO_FINE, 0 },
    { "unix_ns", "1460445660123456789", TIME_OK, 1460445660123456789 },
    { "unix_ns", "-9223372036854775806", TIME_OK, -(INT64_MAX - 1) },
    { "unix_ns", "9223372036854775807", TIME_OUT_OF_RANGE, 0 },
    { "unix_ns", "-9223372036854775808", TIME_OUT_OF_RANGE, 0 },
    { "unix_ns", "1.5", TIME_TOO_FINE, 0 },
    /* RFC 3339 */
    { "rfc3339", "2016-04-12T07:21:00Z", TIME_OK, 1460445660 * S },
    { "rfc3339", "2016-04-12t07:21:00z", TIME_OK, 1460445660 * S },
    { "rfc3339", "2016-04-12 07:21:00Z", TIME_OK, 1460445660 * S },
    { "rfc3339", "2016-04-12T09:21:00+02:00", TIME_OK, 1460445660 * S },
    { "rfc3339", "2016-04-12T01:51:00-05:30", TIME_OK, 1460445660 * S },
    { "rfc3339", "2016-04-12T07:21:00.123456789Z", TIME_OK, 1460445660 * S + 123456789 },
    { "rfc3339", "2016-04-12T07:21:00.1234567890Z", TIME_TOO_FINE, 0 },
    { "rfc3339", "1969-12-31T23:59:59.75Z", TIME_OK, -250000000 },
    { "rfc3339", "2262-04-11T23:47:16.854775806Z", TIME_OK, INT64_MAX - 1 },
    { "rfc3339", "2262-04-11T23:47:16.854775807Z", TIME_OUT_OF_RANGE, 0 },
    { "rfc3339", "1677-09-21T00:12:43.145224194Z", TIME_OK, -(INT64_MAX - 1) },
    { "rfc3339", "1677-09-21T00:12:43.145224193Z", TIME_OUT_OF_RANGE, 0 },
    { "rfc3339", "9999-12-31T23:59:59Z", TIME_OUT_OF_RANGE, 0 },
    { "rfc3339", "0000-01-01T00:00:00Z", TIME_OUT_OF_RANGE, 0 },
    { "rfc3339", "2016-04-12T07:21:00", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-04-12", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-4-12T07:21:00Z", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-13-12T07:21:00Z", TIME_MALFORMED, 0 },
    { "rfc3339", "2015-02-29T07:21:00Z", TIME_MALFORMED, 0 },
    { "rfc3339", "1900-02-29T07:21:00Z", TIME_MALFORMED, 0 },
    { "rfc3339", "2000-02-29T00:00:00Z", TIME_OK, 951782400 * S },
    { "rfc3339", "2016-04-31T07:21:00Z", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-04-12T24:00:00Z", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-04-12T07:60:00Z", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-12-31T23:59:60Z", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-04-12T07:21:00Z ", TIME_MALFORMED, 0 },
    { "rfc3339", "2016-04-12T07:21:00+2:00", TIME_MALFORMED, 0 },
    /* patterns */
    { "%m/%d/%Y %I:%M:%S %p", "4/12/2016 7:21:00 AM", TIME_OK, 1460445660 * S },
    { "%m/%d/%Y %I:%M:%S %p", "04/12/2016 07:21:00 pm", TIME_OK, 1460488860 * S },
    { "%m/%d/%Y %I:%M:%S %p", "4/12/2016 12:00:00 AM", TIME_OK, 1460419200 * S },
    { "%m/%d/%Y %I:%M:%S %p", "4/12/2016 12:00:00 PM", TIME_OK, 1460462400 * S },
    { "%m/%d/%Y %I:%M:%S %p", "4/12/2016 13:00:00 PM", TIME_MALFORMED, 0 },
    { "%m/%d/%Y %I:%M:%S %p", "4/12/2016 0:00:00 AM", TIME_MALFORMED, 0 },
    { "%m/%d/%Y %I:%M:%S %p", "4/12/2016 7:21:00", TIME_MALFORMED, 0 },
    { "%m/%d/%Y %I:%M:%S %p", "4/12/2016 7:21:00 XM", TIME_MALFORMED, 0 },
    { "%Y-%m-%d %H:%M:%S", "2016-04-12 07:21:00", TIME_OK, 1460445660 * S },
    { "%Y-%m-%d %H:%M:%S", "2016-04-12  07:21:00", TIME_OK, 1460445660 * S },
    { "%Y-%m-%d %H:%M:%S", "2016-04-12T07:21:00", TIME_MALFORMED, 0 },
    { "%Y-%m-%d %H:%M:%S", "2016-04-12 07:21", TIME_MALFORMED, 0 },
    { "%Y-%m-%d %H:%M:%S", "16-04-12 07:21:00", TIME_MALFORMED, 0 },
    { "%F %T.%f", "2016-04-12 07:21:00.000001", TIME_OK, 1460445660 * S + 1000 },
    { "%F %T.%f", "2016-04-12 07:21:00.0000000001", TIME_TOO_FINE, 0 },
    { "%F", "2016-04-12", TIME_OK, 1460419200 * S },
    { "%y%m%d%H%M%S", "160412072100", TIME_OK, 1460445660 * S },
    { "%y%m%d", "690101", TIME_OK, -31536000 * S },
    { "%y%m%d", "680101", TIME_OK, 3092601600 * S },
    { "%d %b %Y %R", "12 Apr 2016 07:21", TIME_OK, 1460445660 * S },
    { "%d %B %Y %R", "12 APRIL 2016 07:21", TIME_OK, 1460445660 * S },
    { "%d %b %Y", "12 May 2016", TIME_OK, 1463011200 * S },
    { "%d %b %Y", "12 Mai 2016", TIME_MALFORMED, 0 },
    { "%e.%m.%Y", " 2.4.2016", TIME_OK, 1459555200 * S },
    { "%b %e %Y", "Apr  2 2016", TIME_OK, 1459555200 * S },
    { "%Y-%j", "2016-103", TIME_OK, 1460419200 * S },
    { "%Y-%j", "2015-366", TIME_MALFORMED, 0 },
    { "%F %T%z", "2016-04-12 09:21:00+0200", TIME_OK, 1460445660 * S },
    { "%F %T %z", "2016-04-12 09:21:00 +02", TIME_OK, 1460445660 * S },
    { "%F %T%z", "2016-04-12 07:21:00Z", TIME_OK, 1460445660 * S },
    { "%s", "1460445660", TIME_OK, 1460445660 * S },
    { "@%s.%f", "@-1.5", TIME_OK, -1500000000 },
    { "%%%F", "%2016-04-12", TIME_OK, 1460419200 * S },
    { "%F", "2016-04-12x", TIME_MALFORMED, 0 },
    { "%F", "2500-01-01", TIME_OUT_OF_RANGE, 0 },
};

START_TEST(times_are_read_exactly)
{
    struct time_format format;
    ck_assert_ptr_null(time_format_read(&format, times[_i].format));
    int64_t time_ns = 77;
    ck_assert_int_eq(time_read(&time_ns, &format, times[_i].text, strlen(times[_i].text)),
                     times[_i].result);
    ck_assert_int_eq(time_ns, times[_i].result == TIME_OK ? times[_i].time_ns : 77);
}
END_TEST

static const char *const bad_formats[] = {
    "",
    "iso",
    "%Y-%m-%d %Q",
    "%Y",
    "%m-%d",
    "%Y %y %m %d",
    "%Y-%m-%d %I",
    "%F %p",
    "%F %H %I %p",
    "%F %F",
    "%Y-%m-%d %",
    "%H:%M:%S",
    "%F %f",
    "%Y-%m-%d\xc3\xa4",
    "%F 1234567890123456789012345678901234567890123456789012345678901234567890",
};

START_TEST(bad_formats_are_refused)
{
    struct time_format format;
    ck_assert_ptr_nonnull(time_format_read(&format, bad_formats[_i]));
}
END_TEST

START_TEST(offsets_are_read)
{
    int64_t offset_s = 77;
    ck_assert(time_offset_read(&offset_s, "+05:30"));
    ck_assert_int_eq(offset_s, 19800);
    ck_assert(time_offset_read(&offset_s, "UTC"));
    ck_assert_int_eq(offset_s, 0);
    ck_assert(!time_offset_read(&offset_s, "Europe/Berlin"));
    ck_assert(!time_offset_read(&offset_s, "+5:30"));
    ck_assert(!time_offset_read(&offset_s, ""));
}
END_TEST

static struct time_zone zone_of(const char *name)
{
    struct time_zone zone;
    holter_error err = { 0 };
    ck_assert_msg(time_zone_open(&zone, name, &err) == HOLTER_OK, "%s", err.message);
    return zone;
}

/* Expected: `TZ=... date -d`, and for the two that are not shown once Python's fold=0. */
static const struct {
    const char *zone;
    const char *text;
    int64_t time_ns;
    uint64_t ambiguous, missing;
} local_times[] = {
    { "+05:30", "2016-04-12 12:51:00", 1460445660 * S, 0, 0 },
    { "UTC", "2016-04-12 07:21:00", 1460445660 * S, 0, 0 },
    { "America/New_York", "2016-04-12 03:21:00", 1460445660 * S, 0, 0 },
    { "America/New_York", "2021-03-14 01:59:59", 1615705199 * S, 0, 0 },
    { "America/New_York", "2021-03-14 02:30:00", 1615707000 * S, 0, 1 },
    { "America/New_York", "2021-03-14 03:00:00", 1615705200 * S, 0, 0 },
    { "America/New_York", "2021-11-07 01:30:00", 1636263000 * S, 1, 0 },
    { "America/New_York", "2021-11-07 02:00:00", 1636268400 * S, 0, 0 },
    { "Asia/Kathmandu", "2021-06-01 00:00:00", 1622484900 * S, 0, 0 },
};

START_TEST(zone_tells_what_the_text_does_not)
{
    struct time_format format;
    struct time_zone zone = zone_of(local_times[_i].zone);
    int64_t time_ns = 0;
    ck_assert_ptr_null(time_format_read(&format, "%F %T"));
    format.zone = &zone;
    ck_assert_int_eq(time_read(&time_ns, &format, local_times[_i].text, 19), TIME_OK);
    ck_assert_int_eq(time_ns, local_times[_i].time_ns);
    ck_assert_uint_eq(zone.ambiguous, local_times[_i].ambiguous);
    ck_assert_uint_eq(zone.missing, local_times[_i].missing);
    time_zone_close(&zone);
}
END_TEST

START_TEST(zone_is_not_asked_where_the_text_tells)
{
    static const char *const formats[][2] = { { "%F %T%z", "2021-03-14 02:30:00+0000" },
                                              { "rfc3339", "2021-03-14T02:30:00Z" },
                                              { "unix_s", "1615689000" },
                                              { "%s", "1615689000" } };
    struct time_zone zone = zone_of("America/New_York");
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct time_format format;
        int64_t time_ns = 0;
        ck_assert_ptr_null(time_format_read(&format, formats[i][0]));
        format.zone = &zone;
        ck_assert_int_eq(time_read(&time_ns, &format, formats[i][1], strlen(formats[i][1])),
                         TIME_OK);
        ck_assert_int_eq(time_ns, 1615689000 * S);
    }
    ck_assert_uint_eq(zone.missing, 0);
    time_zone_close(&zone);
}
END_TEST

START_TEST(zone_shifts_up_to_the_ends_of_time)
{
    struct time_format format;
    struct time_zone zone = zone_of("-08");
    int64_t time_ns = 77;
    ck_assert_ptr_null(time_format_read(&format, "%F %T"));
    format.zone = &zone;
    ck_assert_int_eq(time_read(&time_ns, &format, "2262-04-11 20:00:00", 19), TIME_OUT_OF_RANGE);
    ck_assert_int_eq(time_ns, 77);
    ck_assert_int_eq(time_read(&time_ns, &format, "2262-04-11 15:00:00", 19), TIME_OK);
    ck_assert_int_eq(time_ns, 9223369200 * S);
    time_zone_close(&zone);
}
END_TEST

static const struct {
    const char *zone;
    const char *text;
    enum time_result result;
    int64_t time_ns;
} local_bounds[] = {
    { "America/New_York", "2021-03-14", TIME_OK, 1615698000 * S },
    { "America/New_York", "2021-03-14T05:00:00", TIME_OK, 1615712400 * S },
    { "America/New_York", "2021-03-14T05:00:00Z", TIME_OK, 1615698000 * S },
    { "America/Sao_Paulo", "2018-11-04", TIME_OK, 1541300400 * S }, /* begins at 01:00 */
    { "America/Havana", "2021-11-07", TIME_OK, 1636257600 * S },    /* midnight shown twice */
    { "Pacific/Apia", "2011-12-30", TIME_OK, 1325239200 * S },      /* left out: the next one */
    { "Pacific/Apia", "2011-12-31", TIME_OK, 1325239200 * S },
    { "America/New_York", "yesterday", TIME_MALFORMED, 77 },
    { "America/New_York", "9999-01-01", TIME_OUT_OF_RANGE, 77 },
};

START_TEST(bounds_are_of_the_zone)
{
    struct time_zone zone = zone_of(local_bounds[_i].zone);
    int64_t time_ns = 77;
    ck_assert_int_eq(time_read_bound(&time_ns, local_bounds[_i].text, &zone),
                     local_bounds[_i].result);
    ck_assert_int_eq(time_ns, local_bounds[_i].time_ns);
    time_zone_close(&zone);
}
END_TEST

static const struct {
    const char *zone;
    int64_t time_ns;
    const char *text;
} local_written[] = {
    { "UTC", 0, "1970-01-01T00:00:00Z" },
    { "America/New_York", 1460445660 * S + 1, "2016-04-12T03:21:00.000000001-04:00" },
    { "Asia/Kathmandu", 1622484900 * S, "2021-06-01T00:00:00+05:45" },
    { "America/St_Johns", 1622484900 * S, "2021-05-31T15:45:00-02:30" },
    { "Europe/Amsterdam", -4260211200 * S, "1835-01-01T00:19:00+00:19" }, /* LMT, 18 to 20 min */
    { "+14:00", INT64_MAX - 1, "2262-04-12T13:47:16.854775806+14:00" },
    { "-08", -(INT64_MAX - 1), "1677-09-20T16:12:43.145224194-08:00" },
};

START_TEST(times_are_written_at_the_zone_offset)
{
    struct time_zone zone = zone_of(local_written[_i].zone);
    char text[TIME_TEXT_BYTES_MAX];
    int64_t time_ns = 0;
    size_t bytes = time_write(text, local_written[_i].time_ns, &zone);
    ck_assert_str_eq(text, local_written[_i].text);
    ck_assert_uint_eq(bytes, strlen(text));
    if (local_written[_i].zone[0] != '+' && local_written[_i].zone[0] != '-') {
        ck_assert_int_eq(time_read_bound(&time_ns, text, NULL), TIME_OK);
        ck_assert_int_eq(time_ns, local_written[_i].time_ns);
    }
    time_zone_close(&zone);
}
END_TEST

START_TEST(bounds_may_be_dates)
{
    int64_t time_ns = 0;
    ck_assert_int_eq(time_read_bound(&time_ns, "2016-04-12", NULL), TIME_OK);
    ck_assert_int_eq(time_ns, 1460419200 * S);
    ck_assert_int_eq(time_read_bound(&time_ns, "2016-04-12T07:21:00Z", NULL), TIME_OK);
    ck_assert_int_eq(time_ns, 1460445660 * S);
    ck_assert_int_eq(time_read_bound(&time_ns, "2016-04-12T07:21:01", NULL), TIME_OK);
    ck_assert_int_eq(time_ns, 1460445661 * S); /* UTC where nothing else is said */
    ck_assert_int_eq(time_read_bound(&time_ns, "yesterday", NULL), TIME_MALFORMED);
}
END_TEST

static const struct {
    int64_t time_ns;
    const char *text;
} written[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { 1460445660 * S, "2016-04-12T07:21:00Z" },
    { 1460445660 * S + 500000000, "2016-04-12T07:21:00.5Z" },
    { 1460445660 * S + 1, "2016-04-12T07:21:00.000000001Z" },
    { -1, "1969-12-31T23:59:59.999999999Z" },
    { INT64_MAX - 1, "2262-04-11T23:47:16.854775806Z" },
    { -(INT64_MAX - 1), "1677-09-21T00:12:43.145224194Z" },
    { 951782400 * S, "2000-02-29T00:00:00Z" },
};

START_TEST(times_are_written_shortest)
{
    char text[TIME_TEXT_BYTES_MAX];
    ck_assert_uint_eq(time_write(text, written[_i].time_ns, NULL), strlen(written[_i].text));
    ck_assert_str_eq(text, written[_i].text);
}
END_TEST

/* Beside a calendar that counts month by month. */
START_TEST(every_day_is_itself)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    struct time_format format;
    ck_assert_ptr_null(time_format_read(&format, "rfc3339"));
    int64_t day = -106650; /* 1678-01-01 */
    for (int year = 1678; year <= 2261; year++)
        for (int month = 1; month <= 12; month++) {
            bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            for (int d = 1; d <= lengths[month - 1] + (month == 2 && is_leap); d++, day++) {
                char wanted[TIME_TEXT_BYTES_MAX], text[TIME_TEXT_BYTES_MAX];
                snprintf(wanted, sizeof wanted, "%04d-%02d-%02dT23:59:59Z", year, month, d);
                int64_t time_ns = 0;
                ck_assert_int_eq(time_read(&time_ns, &format, wanted, strlen(wanted)), TIME_OK);
                ck_assert_int_eq(time_ns, (day * 86400 + 86399) * S);
                time_write(text, time_ns, NULL);
                ck_assert_str_eq(text, wanted);
            }
        }
}
END_TEST

static const struct {
    const char *text;
    enum time_result result;
    int64_t duration_ns;
    const char *written; /* NULL: not read */
} durations[] = {
    { "60", TIME_OK, 60 * S, "60" },
    { "60s", TIME_OK, 60 * S, "60" },
    { "1m", TIME_OK, 60 * S, "60" },
    { "1min", TIME_OK, 60 * S, "60" },
    { "1.5h", TIME_OK, 5400 * S, "5400" },
    { "2d", TIME_OK, 172800 * S, "172800" },
    { "250ms", TIME_OK, 250000000, "0.25" },
    { "1us", TIME_OK, 1000, "0.000001" },
    { "1.5us", TIME_OK, 1500, "0.0000015" },
    { "1ns", TIME_OK, 1, "0.000000001" },
    { "0", TIME_OK, 0, "0" },
    { "1.000000000000", TIME_OK, S, "1" },
    { "0.0000000001", TIME_TOO_FINE, 0, NULL },
    { "1.5ns", TIME_TOO_FINE, 0, NULL },
    { "0.0001us", TIME_TOO_FINE, 0, NULL },
    { "9223372036.854775807", TIME_OK, INT64_MAX, "9223372036.854775807" },
    { "9223372036.854775808", TIME_OUT_OF_RANGE, 0, NULL },
    { "106752d", TIME_OUT_OF_RANGE, 0, NULL },
    { "99999999999999999999", TIME_OUT_OF_RANGE, 0, NULL },
    { "", TIME_MALFORMED, 0, NULL },
    { "-1", TIME_MALFORMED, 0, NULL },
    { "1 s", TIME_MALFORMED, 0, NULL },
    { "1.s", TIME_MALFORMED, 0, NULL },
    { "s", TIME_MALFORMED, 0, NULL },
    { "1w", TIME_MALFORMED, 0, NULL },
};

START_TEST(durations_are_exact)
{
    int64_t duration_ns = 77;
    ck_assert_int_eq(duration_read(&duration_ns, durations[_i].text, strlen(durations[_i].text)),
                     durations[_i].result);
    ck_assert_int_eq(duration_ns, durations[_i].result == TIME_OK ? durations[_i].duration_ns : 77);
    if (durations[_i].written == NULL)
        return;
    char text[DURATION_TEXT_BYTES_MAX];
    ck_assert_uint_eq(duration_write(text, duration_ns), strlen(durations[_i].written));
    ck_assert_str_eq(text, durations[_i].written);
}
END_TEST

static const char *const head_formats[] = {
    "rfc3339",           "%m/%d/%Y %I:%M:%S %p",
    "%Y-%m-%d %H:%M:%S", "%y%j%H%M",
    "%d %b %Y %H:%M",    "%H:%M %d.%m.%Y",
    "%Y-%m-%d",          "%b%d%Y%I%p:%M",
    "%e/%m/%y",          "%s",
    "%F %T %j",
};

/* Times near each other, each a random change away from the one before it, and many of them bad. */
START_TEST(time_is_read_as_if_it_were_the_first)
{
    static const char letters[] = "0123456789 :-/.TZMapAPMmarchJun";
    struct random random = { 1 + (uint64_t)_i };
    struct time_format kept, fresh;
    char text[64] = "";
    size_t read = 0;
    ck_assert_ptr_null(time_format_read(&kept, head_formats[_i]));
    ck_assert_ptr_null(time_format_read(&fresh, head_formats[_i]));
    for (size_t i = 0; i < 100000; i++) {
        static const char *const starts[] = {
            "2016-04-12T07:21:00Z",
            "4/12/2016 7:21:00 AM",
            "2016-04-12 07:21:05",
            "161020721",
            "12 Mar 2016 7:21",
            "7:21 12.3.2016",
            "2016-04-12",
            "March12201611pm:2",
            " 1/12/16",
            "1460445660",
            "2016-04-12 00:00:00 60",
        };
        if (i % 8 == 0)
            strcpy(text, starts[_i]);
        else
            text[random_below(&random, strlen(text))] =
                letters[random_below(&random, sizeof letters - 1)];
        int64_t kept_ns = 0;
        int64_t fresh_ns = 0;
        fresh.head.bytes = 0;
        enum time_result result = time_read(&fresh_ns, &fresh, text, strlen(text));
        ck_assert_int_eq(time_read(&kept_ns, &kept, text, strlen(text)), result);
        ck_assert_int_eq(kept_ns, fresh_ns);
        read += result == TIME_OK;
    }
    ck_assert_uint_gt(read, 10000);
}
END_TEST

static Suite *times_suite(void)
{
    Suite *suite = suite_create("tool times");
    TCase *tcase = tcase_create("times");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, times_are_read_exactly, 0, (int)COUNT(times));
    tcase_add_loop_test(tcase, time_is_read_as_if_it_were_the_first, 0, (int)COUNT(head_formats));
    tcase_add_loop_test(tcase, bad_formats_are_refused, 0, (int)COUNT(bad_formats));
    tcase_add_test(tcase, offsets_are_read);
    tcase_add_loop_test(tcase, zone_tells_what_the_text_does_not, 0, (int)COUNT(local_times));
    tcase_add_test(tcase, zone_is_not_asked_where_the_text_tells);
    tcase_add_test(tcase, zone_shifts_up_to_the_ends_of_time);
    tcase_add_loop_test(tcase, bounds_are_of_the_zone, 0, (int)COUNT(local_bounds));
    tcase_add_loop_test(tcase, times_are_written_at_the_zone_offset, 0, (int)COUNT(local_written));
    tcase_add_test(tcase, bounds_may_be_dates);
    tcase_add_loop_test(tcase, times_are_written_shortest, 0, (int)COUNT(written));
    tcase_add_test(tcase, every_day_is_itself);
    tcase_add_loop_test(tcase, durations_are_exact, 0, (int)COUNT(durations));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(times_suite());
}
