/*
 * test_zone_window.c -- days, weeks, months and fixed windows follow each other where clocks do
 * odd things, and up to the ends of int64 nanoseconds.
 *
 * Every zone of the system is compared with Python's in tests/zone; here the cases are made by hand,
 * so that they need no system, and their answers are told by the rule (Z3, Z4).
 */
#include "run.h"

#include "random.h"
#include "zone_world.h"

#define S ZONE_TEST_S
#define H INT64_C(3600)
#define D INT64_C(86400)

/* A zone of one type before and changes at times to types; no footer. */
static struct zone *zone_of(const struct zone_type *types, size_t type_count, const int64_t *times,
                            const uint8_t *of, size_t time_count)
{
    const struct zone_file file = { '2', times, of, time_count, types, type_count, "", 0 };
    struct buffer b;
    struct zone *zone;
    zone_file_write(&b, &file);
    ck_assert_int_eq(zone_decode(&zone, b.data, b.bytes, "f", NULL), HOLTER_OK);
    buffer_release(&b);
    return zone;
}

/* One change at `at_s` from `before_s` to `after_s`. */
static struct zone *zone_changing(int64_t at_s, int32_t before_s, int32_t after_s)
{
    const struct zone_type types[] = { { before_s, 0 }, { after_s, 0 } };
    const uint8_t of[] = { 1 };
    return zone_of(types, 2, &at_s, of, 1);
}

static void check_window(const struct zone *zone, holter_calendar calendar, int64_t width_s,
                         int64_t time_s, int64_t begin_s, int64_t end_s)
{
    const holter_every every = { .calendar = calendar, .width_ns = width_s * S };
    int64_t begin_ns, end_ns;
    ck_assert_int_eq(zone_window(&begin_ns, &end_ns, zone, &every, time_s * S, NULL), HOLTER_OK);
    ck_assert_int_eq(begin_ns, begin_s * S);
    ck_assert_int_eq(end_ns, end_s * S);
}

/* ---- days where a clock changes: day 10 of UTC begins at 10 D -------------------------------- */

static const struct {
    const char *what;
    int64_t at_s;
    int32_t before_s, after_s;
    struct {
        int64_t time_s, begin_s, end_s;
    } days[4];
} changes[] = {
    { "no change near",
      100 * D,
      0,
      3600,
      { { 10 * D, 10 * D, 11 * D }, { 11 * D - 1, 10 * D, 11 * D } } },
    { "put forward at 02:00",
      10 * D + 2 * H,
      0,
      3600,
      { { 10 * D, 10 * D, 11 * D - H }, { 11 * D - H, 11 * D - H, 12 * D - H } } },
    { "put back at 02:00",
      10 * D + 2 * H,
      0,
      -3600,
      { { 10 * D, 10 * D, 11 * D + H }, { 11 * D + H, 11 * D + H, 12 * D + H } } },
    { "put forward at 00:00: the day begins at 01:00",
      10 * D,
      0,
      3600,
      { { 10 * D - 1, 9 * D, 10 * D }, { 10 * D, 10 * D, 11 * D - H } } },
    { "put forward at 23:30 over midnight: it begins at 00:30",
      10 * D - H / 2,
      0,
      3600,
      { { 10 * D - H / 2 - 1, 9 * D, 10 * D - H / 2 },
        { 10 * D - H / 2, 10 * D - H / 2, 11 * D - H } } },
    { "put back at 01:00 to 00:00: midnight twice, the first begins",
      10 * D + H,
      0,
      -3600,
      { { 10 * D, 10 * D, 11 * D + H }, { 10 * D + H, 10 * D, 11 * D + H } } },
    { "put back at 00:00 to 23:00: the day before was not over",
      10 * D,
      0,
      -3600,
      { { 10 * D, 9 * D, 10 * D + H }, { 10 * D + H, 10 * D + H, 11 * D + H } } },
    { "put back at 00:01 to 23:01: what comes again is of the new day",
      10 * D + 60,
      0,
      -3600,
      { { 10 * D - 1, 9 * D, 10 * D },
        { 10 * D, 10 * D, 11 * D + H },
        { 10 * D + 60, 10 * D, 11 * D + H },
        { 10 * D + H + 1, 10 * D, 11 * D + H } } },
    { "a day left out",
      10 * D,
      0,
      86400,
      { { 10 * D - 1, 9 * D, 10 * D }, { 10 * D, 10 * D, 11 * D } } },
    { "a day lived twice",
      10 * D,
      0,
      -86400,
      { { 9 * D, 9 * D, 11 * D }, { 10 * D, 9 * D, 11 * D }, { 11 * D, 11 * D, 12 * D } } },
    { "two days left out, nearly: the most that offsets differ by",
      10 * D,
      -89999,
      93599,
      { { 10 * D - 1, 9 * D + 89999 - D, 10 * D }, { 10 * D, 10 * D, 12 * D - 93599 } } },
};

START_TEST(days_begin_with_the_first_that_shows_them)
{
    struct zone *zone = zone_changing(changes[_i].at_s, changes[_i].before_s, changes[_i].after_s);
    for (size_t i = 0; i < CORE_COUNT(changes[_i].days) && changes[_i].days[i].end_s != 0; i++) {
        check_window(zone, HOLTER_DAYS, 0, changes[_i].days[i].time_s, changes[_i].days[i].begin_s,
                     changes[_i].days[i].end_s);
        zone_holds_at(zone, changes[_i].days[i].time_s * S);
    }
    for (int64_t time_s = 7 * D; time_s < 14 * D; time_s += 599)
        zone_holds_at(zone, time_s * S);
    zone_close(zone);
}
END_TEST

START_TEST(fixed_windows_count_from_the_day)
{
    /* 23 hours: day 10 ends an hour early, and so does its last window of 6 hours. */
    struct zone *zone = zone_changing(10 * D + 2 * H, 0, 3600);
    check_window(zone, HOLTER_FIXED, 6 * H, 10 * D, 10 * D, 10 * D + 6 * H);
    check_window(zone, HOLTER_FIXED, 6 * H, 10 * D + 3 * H, 10 * D, 10 * D + 6 * H);
    check_window(zone, HOLTER_FIXED, 6 * H, 11 * D - H - 1, 10 * D + 18 * H, 11 * D - H);
    check_window(zone, HOLTER_FIXED, 6 * H, 11 * D - H, 11 * D - H, 11 * D + 5 * H);
    check_window(zone, HOLTER_FIXED, D, 10 * D + 5, 10 * D, 11 * D - H);
    zone_close(zone);
    /* 25 hours: a window more, of an hour. */
    zone = zone_changing(10 * D + 2 * H, 0, -3600);
    check_window(zone, HOLTER_FIXED, 6 * H, 11 * D, 11 * D, 11 * D + H);
    check_window(zone, HOLTER_FIXED, D, 11 * D, 11 * D, 11 * D + H);
    zone_close(zone);
    /* UTC: also what does not divide a day, from the epoch. */
    check_window(NULL, HOLTER_FIXED, 7, 0, 0, 7);
    check_window(NULL, HOLTER_FIXED, 7, -1, -7, 0);
    check_window(NULL, HOLTER_FIXED, 10 * D, 25 * D, 20 * D, 30 * D);
    check_window(NULL, HOLTER_FIXED, 6 * H, 10 * D + 7 * H, 10 * D + 6 * H, 10 * D + 12 * H);
}
END_TEST

/* 2021-03-14 is day 18700, a Sunday; 2021-01-01 day 18628. */
START_TEST(calendars_are_of_the_zone)
{
    struct zone *zone = zone_changing(0, 7200, 7200);
    int64_t t = 18700 * D, o = 7200;
    check_window(zone, HOLTER_WEEKS, 0, t, 18694 * D - o, 18701 * D - o);
    check_window(zone, HOLTER_MONTHS, 0, t, 18687 * D - o, 18718 * D - o);
    check_window(zone, HOLTER_QUARTERS, 0, t, 18628 * D - o, 18718 * D - o);
    check_window(zone, HOLTER_YEARS, 0, t, 18628 * D - o, 18993 * D - o);
    check_window(zone, HOLTER_YEARS, 0, 18628 * D - o - 1, 18262 * D - o, 18628 * D - o);
    check_window(zone, HOLTER_YEARS, 0, 18628 * D - o, 18628 * D - o, 18993 * D - o);
    check_window(NULL, HOLTER_WEEKS, 0, -1, -3 * D, 4 * D);
    check_window(NULL, HOLTER_MONTHS, 0, 18321 * D, 18293 * D, 18322 * D); /* a leap February */
    check_window(NULL, HOLTER_QUARTERS, 0, 18992 * D, 18901 * D, 18993 * D);
    zone_close(zone);
}
END_TEST

static const holter_every refused[] = {
    { HOLTER_FIXED, 0, { 0 } },         { HOLTER_FIXED, -1, { 0 } },
    { HOLTER_FIXED, 7 * S, { 0 } },     { HOLTER_FIXED, 2 * D *S, { 0 } },
    { HOLTER_DAYS, 1, { 0 } },          { (holter_calendar)6, 0, { 0 } },
    { HOLTER_DAYS, 0, { 1, 0 } },       { HOLTER_DAYS, 0, { 0, 1 } },
    { HOLTER_FIXED, INT64_MAX, { 0 } },
};

START_TEST(other_windows_are_refused)
{
    struct zone *zone = zone_changing(0, 0, 3600);
    holter_error err = { 0 };
    int64_t begin_ns = 77, end_ns = 78;
    ck_assert_int_eq(zone_window(&begin_ns, &end_ns, zone, &refused[_i], 0, &err), HOLTER_INVALID);
    ck_assert_int_ne(err.message[0], '\0');
    ck_assert_int_eq(begin_ns, 77);
    ck_assert_int_eq(end_ns, 78);
    zone_close(zone);
}
END_TEST

/* ---- the wall clock -------------------------------------------------------------------------- */

static const struct {
    int32_t before_s, after_s; /* at 10 D */
    int64_t wall_s;
    int64_t time_s;
    holter_wall shown;
} walls[] = {
    { 0, 3600, 10 * D - 1, 10 * D - 1, HOLTER_WALL_ONCE },
    { 0, 3600, 10 * D, 10 * D, HOLTER_WALL_NEVER },
    { 0, 3600, 10 * D + H / 2, 10 * D + H / 2, HOLTER_WALL_NEVER },
    { 0, 3600, 10 * D + H - 1, 10 * D + H - 1, HOLTER_WALL_NEVER },
    { 0, 3600, 10 * D + H, 10 * D, HOLTER_WALL_ONCE },
    { 3600, 0, 10 * D - 1, 10 * D - 1 - H, HOLTER_WALL_ONCE },
    { 3600, 0, 10 * D, 10 * D - H, HOLTER_WALL_TWICE },
    { 3600, 0, 10 * D + H - 1, 10 * D - 1, HOLTER_WALL_TWICE },
    { 3600, 0, 10 * D + H, 10 * D + H, HOLTER_WALL_ONCE },
    { -89999, 93599, 10 * D, 10 * D + 89999, HOLTER_WALL_NEVER },
    { 93599, -89999, 10 * D, 10 * D - 93599, HOLTER_WALL_TWICE },
};

START_TEST(wall_clocks_lead_back)
{
    struct zone *zone = zone_changing(10 * D, walls[_i].before_s, walls[_i].after_s);
    int64_t time_ns;
    holter_wall shown;
    for (int64_t ns = 0; ns < S; ns += S - 1) { /* the nanoseconds come along */
        ck_assert_int_eq(zone_time(&time_ns, &shown, zone, walls[_i].wall_s * S + ns, NULL),
                         HOLTER_OK);
        ck_assert_int_eq(time_ns, walls[_i].time_s * S + ns);
        ck_assert_int_eq(shown, walls[_i].shown);
    }
    zone_close(zone);
}
END_TEST

START_TEST(an_instant_beyond_time_is_refused)
{
    struct zone *east = zone_changing(0, 7200, 7200), *west = zone_changing(0, -7200, -7200);
    holter_error err = { 0 };
    int64_t time_ns = 77;
    holter_wall shown = HOLTER_WALL_NEVER;
    ck_assert_int_eq(zone_time(&time_ns, &shown, east, INT64_MIN, &err), HOLTER_INVALID);
    ck_assert_int_eq(zone_time(&time_ns, &shown, west, INT64_MAX, &err), HOLTER_INVALID);
    ck_assert_int_eq(time_ns, 77);
    ck_assert_int_eq(shown, HOLTER_WALL_NEVER);
    ck_assert_int_ne(err.message[0], '\0');
    ck_assert_int_eq(zone_time(&time_ns, &shown, east, INT64_MIN + 7200 * S, NULL), HOLTER_OK);
    ck_assert_int_eq(time_ns, INT64_MIN);
    ck_assert_int_eq(zone_time(&time_ns, &shown, west, INT64_MAX - 7200 * S, NULL), HOLTER_OK);
    ck_assert_int_eq(time_ns, INT64_MAX);
    ck_assert_int_eq(zone_time(&time_ns, &shown, east, INT64_MAX, NULL), HOLTER_OK);
    ck_assert_int_eq(time_ns, INT64_MAX - 7200 * S);
    ck_assert_int_eq(zone_time(&time_ns, &shown, NULL, INT64_MIN, NULL), HOLTER_OK);
    ck_assert_int_eq(time_ns, INT64_MIN);
    zone_close(east);
    zone_close(west);
}
END_TEST

START_TEST(windows_are_cut_at_the_ends_of_time)
{
    struct zone *east = zone_changing(0, 7200, 7200);
    const struct zone *zones[] = { NULL, east };
    for (size_t i = 0; i < CORE_COUNT(zones); i++)
        for (int calendar = HOLTER_DAYS; calendar <= HOLTER_YEARS; calendar++) {
            const holter_every every = { .calendar = (holter_calendar)calendar };
            int64_t begin_ns, end_ns;
            ck_assert_int_eq(zone_window(&begin_ns, &end_ns, zones[i], &every, INT64_MIN, NULL),
                             HOLTER_OK);
            ck_assert_int_eq(begin_ns, INT64_MIN);
            ck_assert_int_eq(zone_window(&begin_ns, &end_ns, zones[i], &every, INT64_MAX, NULL),
                             HOLTER_OK);
            ck_assert_int_eq(end_ns, INT64_MAX);
        }
    zone_close(east);
}
END_TEST

/* ---- at random ------------------------------------------------------------------------------- */

/* Changes close together, offsets of any size: wilder than any zone, and still Z3 and Z4. */
START_TEST(wild_zones_keep_their_promises)
{
    struct random random = { .state = 1 + (uint64_t)_i };
    struct zone_type types[8];
    int64_t times[30];
    uint8_t of[CORE_COUNT(times)];
    int64_t at_s = -40 * D;
    for (size_t i = 0; i < CORE_COUNT(types); i++)
        types[i] = (struct zone_type){ (int32_t)random_below(&random, ZONE_OFFSET_S_MAX -
                                                                          ZONE_OFFSET_S_MIN + 1) +
                                           ZONE_OFFSET_S_MIN,
                                       0 };
    for (size_t i = 0; i < CORE_COUNT(times); i++) {
        at_s += 1 + (int64_t)random_below(&random, _i % 2 == 0 ? 3 * D : 6 * H);
        times[i] = at_s;
        of[i] = (uint8_t)random_below(&random, CORE_COUNT(types));
    }
    struct zone *zone = zone_of(types, CORE_COUNT(types), times, of, CORE_COUNT(times));
    for (int i = 0; i < 2000; i++)
        zone_holds_at(zone, ((int64_t)random_below(&random, 100 * D) - 50 * D) * S);
    for (size_t i = 0; i < CORE_COUNT(times); i++)
        for (int64_t shift_ns = -1; shift_ns <= 1; shift_ns++)
            zone_holds_at(zone, times[i] * S + shift_ns);
    for (int64_t shift_ns = 0; shift_ns < 3 * D * S; shift_ns += 5 * H * S + 1) {
        zone_holds_at(zone, INT64_MIN + shift_ns);
        zone_holds_at(zone, INT64_MAX - shift_ns);
    }
    zone_close(zone);
}
END_TEST

static Suite *zone_window_suite(void)
{
    Suite *suite = suite_create("zone window");
    TCase *tcase = tcase_create("windows");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, days_begin_with_the_first_that_shows_them, 0,
                        (int)CORE_COUNT(changes));
    tcase_add_test(tcase, fixed_windows_count_from_the_day);
    tcase_add_test(tcase, calendars_are_of_the_zone);
    tcase_add_loop_test(tcase, other_windows_are_refused, 0, (int)CORE_COUNT(refused));
    tcase_add_loop_test(tcase, wall_clocks_lead_back, 0, (int)CORE_COUNT(walls));
    tcase_add_test(tcase, an_instant_beyond_time_is_refused);
    tcase_add_test(tcase, windows_are_cut_at_the_ends_of_time);
    tcase_add_loop_test(tcase, wild_zones_keep_their_promises, 0, 40);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(zone_window_suite());
}
