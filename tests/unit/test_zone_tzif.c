/*
 * test_zone_tzif.c -- a TZif file is read as RFC 9636 says, or refused: no byte of it reaches
 * further.
 *
 * Files are made by zone_world.h. Damage is a table of named edits, every truncation, and every
 * single bit: what is still accepted keeps Z2 to Z4.
 */
#include "run.h"

#include "io/io_sim.h"
#include "zone_world.h"

static const struct zone_type plain_types[] = { { 0, 0 }, { 3600, 1 }, { -18000, 0 } };
static const int64_t plain_times[] = { 0, 1000000 };
static const uint8_t plain_of[] = { 1, 2 };

static void plain_write(struct buffer *b, char version, const char *footer)
{
    const struct zone_file file = { version, plain_times, plain_of, 2, plain_types, 3, footer, 0 };
    zone_file_write(b, &file);
}

static holter_status decode(struct zone **out, const struct buffer *b)
{
    holter_error err = { 0 };
    holter_status status = zone_decode(out, b->data, b->bytes, "f", &err);
    ck_assert_int_eq(*out != NULL, status == HOLTER_OK);
    ck_assert_int_eq(err.message[0] != '\0', status != HOLTER_OK);
    return status;
}

static int32_t offset_at(const struct zone *zone, int64_t time_s)
{
    return zone_offset_s(zone, time_s * ZONE_TEST_S);
}

START_TEST(every_version_is_read)
{
    static const char versions[] = { 0, '2', '3', '4' };
    struct buffer b;
    struct zone *zone;
    plain_write(&b, versions[_i], "");
    ck_assert_int_eq(decode(&zone, &b), HOLTER_OK);
    ck_assert_int_eq(offset_at(zone, -1), 0);
    ck_assert_int_eq(offset_at(zone, 0), 3600);
    ck_assert_int_eq(offset_at(zone, 999999), 3600);
    ck_assert_int_eq(offset_at(zone, 1000000), -18000);
    ck_assert_int_eq(offset_at(zone, 9000000000), -18000); /* no footer: the last goes on */
    zone_close(zone);
    buffer_release(&b);
}
END_TEST

/* The first block of later versions is not looked at, and its times are not all there. */
START_TEST(later_versions_read_the_second_block)
{
    const int64_t times[] = { -9000000000, 8000000000 };
    const struct zone_file file = { '2', times, plain_of, 2, plain_types, 3, "", 0 };
    struct buffer b;
    struct zone *zone;
    zone_file_write(&b, &file);
    b.data[20 + 4 * 6] = 0xff; /* in the first block's types */
    ck_assert_int_eq(decode(&zone, &b), HOLTER_OK);
    ck_assert_int_eq(offset_at(zone, -9000000001), 0);
    ck_assert_int_eq(offset_at(zone, -9000000000), 3600);
    ck_assert_int_eq(offset_at(zone, 8000000000), -18000);
    zone_close(zone);
    buffer_release(&b);
}
END_TEST

/* Times that nanoseconds cannot tell decide what holds at the ends; the rule starts after them. */
START_TEST(times_far_away_are_taken_in)
{
    const int64_t times[] = { INT64_MIN, -9300000000, 9300000000, INT64_MAX };
    const uint8_t of[] = { 1, 2, 1, 0 };
    const struct zone_file file = { '2', times, of, 4, plain_types, 3, "AAA-9", 0 };
    struct buffer b;
    struct zone *zone;
    zone_file_write(&b, &file);
    ck_assert_int_eq(decode(&zone, &b), HOLTER_OK);
    ck_assert_int_eq(zone_offset_s(zone, INT64_MIN), -18000);
    ck_assert_int_eq(zone_offset_s(zone, INT64_MAX), -18000);
    zone_holds_at(zone, INT64_MIN);
    zone_holds_at(zone, INT64_MAX);
    zone_close(zone);
    buffer_release(&b);
}
END_TEST

/* ---- footers --------------------------------------------------------------------------------- */

/* Expected: Python 3.11's zoneinfo over the same file, or the RFC's words. */
static const struct {
    const char *footer;
    int64_t time_s;
    int32_t offset_s;
} footers[] = {
    { "EST5EDT,M3.2.0,M11.1.0", 1615705199, -18000 }, /* 2021-03-14T06:59:59Z */
    { "EST5EDT,M3.2.0,M11.1.0", 1615705200, -14400 },
    { "EST5EDT,M3.2.0,M11.1.0", 1636264799, -14400 }, /* 2021-11-07T05:59:59Z */
    { "EST5EDT,M3.2.0,M11.1.0", 1636264800, -18000 },
    { "<+0530>-5:30", 1615705199, 19800 },
    { "<-03>3", 1615705199, -10800 },
    { "AEST-10AEDT,M10.1.0,M4.1.0/3", 1617465599, 39600 }, /* 2021-04-03T15:59:59Z */
    { "AEST-10AEDT,M10.1.0,M4.1.0/3", 1617465600, 36000 },
    { "AEST-10AEDT,M10.1.0,M4.1.0/3", 1633190400, 39600 },         /* 2021-10-02T16:00Z */
    { "IST-1GMT0,M10.5.0,M3.5.0/1", 1616893199, 0 },               /* summer is standard */
    { "IST-1GMT0,M10.5.0,M3.5.0/1", 1616893200, 3600 },            /* 2021-03-28T01:00Z */
    { "IST-1GMT0,M10.5.0,M3.5.0/1", 1635642000, 0 },               /* 2021-10-31T01:00Z */
    { "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1617462000, 37800 }, /* half an hour */
    { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1616893199, -7200 },      /* Nuuk: hours below 0 */
    { "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1616893200, -3600 },      /* 2021-03-28T01:00Z */
    { "EET-2EEST,M3.4.4/50,M10.4.4/50", 1616803200, 7200 + 3600 }, /* Gaza: 03-27T02:00 */
    { "EET-2EEST,M3.4.4/50,M10.4.4/50", 1616803199, 7200 },        /* from Thursday, + 50 h */
    { "XXX0YYY,J60/0,J61/0", 1614556799, 0 },                      /* J60 is March 1 in .. */
    { "XXX0YYY,J60/0,J61/0", 1614556800, 3600 },                   /* .. 2021 */
    { "XXX0YYY,J60/0,J61/0", 1582934400, 0 },                      /* and not 2020-02-29 */
    { "XXX0YYY,J60/0,J61/0", 1583020800, 3600 },                   /* but 2020-03-01 */
    { "XXX0YYY,59/0,60/1", 1582934400, 3600 },                     /* day 59 is 2020-02-29 */
    { "XXX0YYY,59/0,60/1", 1583020800, 0 },                        /* until 00:00 in standard */
    { "XXX3EDT4,0/0,J365/23", 1609459199, -14400 },                /* summer all year */
    { "XXX3EDT4,0/0,J365/23", 1609459200, -14400 },
    { "XXX3EDT4,0/0,J365/23", 1625000000, -14400 },
    { "WART4WARST,J1/0,J365/25", 1609473600, -10800 }, /* the RFC's example */
    { "WART4WARST,J1/0,J365/25", 1640991600, -10800 },
    { "AAA24:59:59", 1615705199, -89999 },
    { "AAA-24:59:59BBB", 0, 0 }, /* refused: no dates */
};

START_TEST(the_footer_goes_on)
{
    struct buffer b;
    struct zone *zone;
    plain_write(&b, '3', footers[_i].footer);
    holter_status status = decode(&zone, &b);
    if (footers[_i].time_s == 0) {
        ck_assert_int_eq(status, HOLTER_CORRUPT);
    } else {
        ck_assert_int_eq(status, HOLTER_OK);
        ck_assert_int_eq(offset_at(zone, footers[_i].time_s), footers[_i].offset_s);
        ck_assert_int_eq(offset_at(zone, 999999), 3600); /* not before the last change */
    }
    zone_close(zone);
    buffer_release(&b);
}
END_TEST

START_TEST(a_footer_alone_holds_always)
{
    const struct zone_file file = {
        '2', NULL, NULL, 0, plain_types, 1, "CET-1CEST,M3.5.0,M10.5.0/3", 0
    };
    struct buffer b;
    struct zone *zone;
    zone_file_write(&b, &file);
    ck_assert_int_eq(decode(&zone, &b), HOLTER_OK);
    for (int64_t year_s = -9200000000; year_s <= 9200000000; year_s += 31556952)
        zone_holds_at(zone, year_s * ZONE_TEST_S);
    ck_assert_int_eq(offset_at(zone, 1616893199), 3600);
    ck_assert_int_eq(offset_at(zone, 1616893200), 7200);
    ck_assert_int_eq(offset_at(zone, -6082815601), 3600); /* 1777-03-30 */
    ck_assert_int_eq(offset_at(zone, -6082815600), 7200);
    zone_close(zone);
    buffer_release(&b);
}
END_TEST

static const char *const bad_footers[] = {
    "E5",
    "EST",
    "EST+",
    "EST25",
    "EST5:60",
    "EST5:1:60",
    "EST5:",
    "<EST5",
    "<E>5",
    "<E$T>5",
    "E1T5",
    "EST5E",
    "EST5EDT",
    "EST5EDT,",
    "EST5EDT,M3.2.0",
    "EST5EDT,M3.2.0,",
    "EST5EDT,M13.2.0,M11.1.0",
    "EST5EDT,M0.2.0,M11.1.0",
    "EST5EDT,M3.6.0,M11.1.0",
    "EST5EDT,M3.0.0,M11.1.0",
    "EST5EDT,M3.2.7,M11.1.0",
    "EST5EDT,M3.2,M11.1.0",
    "EST5EDT,M3.2.0,M11.1.0x",
    "EST5EDT,M3.2.0,M11.1.0 ",
    "EST5EDT,M3.2.0/,M11.1.0",
    "EST5EDT,M3.2.0/168,M11.1.0",
    "EST5EDT,M3.2.0/-168,M11.1.0",
    "EST5EDT,M3.2.0/2:3:,M11.1.0",
    "EST5EDT,J0,M11.1.0",
    "EST5EDT,J366,M11.1.0",
    "EST5EDT,366,M11.1.0",
    "EST5EDT25,M3.2.0,M11.1.0",
    "99999999999999999999",
    ",",
    " ",
};

START_TEST(a_bad_footer_is_refused)
{
    struct buffer b;
    struct zone *zone;
    plain_write(&b, '3', bad_footers[_i]);
    ck_assert_int_eq(decode(&zone, &b), HOLTER_CORRUPT);
    buffer_release(&b);
}
END_TEST

START_TEST(hours_beyond_a_day_need_version_3)
{
    static const char *const extended[] = { "EST5EDT,M3.2.0/-1,M11.1.0",
                                            "EST5EDT,M3.2.0,M11.1.0/25",
                                            "EST5EDT,M3.2.0/167,M11.1.0/-167" };
    for (size_t i = 0; i < CORE_COUNT(extended); i++)
        for (char version = '2'; version <= '4'; version++) {
            struct buffer b;
            struct zone *zone;
            plain_write(&b, version, extended[i]);
            ck_assert_int_eq(decode(&zone, &b), version == '2' ? HOLTER_CORRUPT : HOLTER_OK);
            zone_close(zone);
            buffer_release(&b);
        }
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

/* Of plain_write '2': block 1 at 44 (2 times of 4, 2, 18 types, 8 names, 6), header 2 at 86. */
enum { H2 = 44 + 8 + 2 + 18 + 8 + 6, B2 = H2 + 44, TYPES2 = B2 + 16 + 2, FLAGS2 = TYPES2 + 18 + 8 };

static const struct {
    const char *name;
    char version;
    size_t offset;
    const char *bytes;
    size_t count;
    holter_status status;
} damage[] = {
    { "magic", '2', 0, "TZiF", 4, HOLTER_CORRUPT },
    { "version 1 with a number", '2', 4, "1", 1, HOLTER_CORRUPT },
    { "version of no digit", '2', 4, "\xff", 1, HOLTER_CORRUPT },
    { "second magic", '2', H2, "tzif", 4, HOLTER_CORRUPT },
    { "versions differ", '2', H2 + 4, "3", 1, HOLTER_CORRUPT },
    { "second version 1", '2', H2 + 4, "\0", 1, HOLTER_CORRUPT },
    { "first counts huge", '2', 20, "\xff\xff\xff\xff", 4, HOLTER_CORRUPT },
    { "first times huge", '2', 32, "\xff\xff\xff\xff", 4, HOLTER_CORRUPT },
    { "leap seconds huge", '2', H2 + 28, "\xff\xff\xff\xff", 4, HOLTER_CORRUPT },
    { "times huge", '2', H2 + 32, "\xff\xff\xff\xff", 4, HOLTER_CORRUPT },
    { "times one more", '2', H2 + 32, "\0\0\0\3", 4, HOLTER_CORRUPT },
    { "no types", '2', H2 + 36, "\0\0\0\0", 4, HOLTER_CORRUPT },
    { "types huge", '2', H2 + 36, "\x7f\xff\xff\xff", 4, HOLTER_CORRUPT },
    { "no names", '2', H2 + 40, "\0\0\0\0", 4, HOLTER_CORRUPT },
    { "names huge", '2', H2 + 40, "\xff\xff\xff\xff", 4, HOLTER_CORRUPT },
    { "indicators neither none nor all", '2', H2 + 20, "\0\0\0\2", 4, HOLTER_CORRUPT },
    { "times equal", '2', B2 + 8, "\0\0\0\0\0\0\0\0", 8, HOLTER_CORRUPT },
    { "times falling", '2', B2 + 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, HOLTER_CORRUPT },
    { "index out of range", '2', B2 + 16, "\3", 1, HOLTER_CORRUPT },
    { "index far out of range", '2', B2 + 17, "\xff", 1, HOLTER_CORRUPT },
    { "offset huge", '2', TYPES2, "\x7f\xff\xff\xff", 4, HOLTER_CORRUPT },
    { "offset lowest", '2', TYPES2, "\x80\0\0\0", 4, HOLTER_CORRUPT },
    { "offset 26 h", '2', TYPES2, "\0\1\x6d\xa0", 4, HOLTER_CORRUPT },
    { "offset 25:59:59", '2', TYPES2, "\0\1\x6d\x9f", 4, HOLTER_OK },
    { "offset -24:59:59", '2', TYPES2, "\xff\xfe\xa0\x71", 4, HOLTER_OK },
    { "offset -25 h", '2', TYPES2, "\xff\xfe\xa0\x70", 4, HOLTER_CORRUPT },
    { "summer 2", '2', TYPES2 + 4, "\2", 1, HOLTER_CORRUPT },
    { "name out of range", '2', TYPES2 + 5, "\x08", 1, HOLTER_CORRUPT },
    { "name without end", '2', TYPES2 + 18 + 7, "X", 1, HOLTER_CORRUPT },
    { "isstd 2", '2', FLAGS2, "\2", 1, HOLTER_CORRUPT },
    { "isut without isstd", '2', FLAGS2 + 3, "\1", 1, HOLTER_CORRUPT },
    { "isut with isstd", '2', FLAGS2, "\1\0\0\1", 4, HOLTER_OK },
    { "no newline before the footer", '2', FLAGS2 + 6, "E", 1, HOLTER_CORRUPT },
    { "no newline after it", '2', FLAGS2 + 7, "E", 1, HOLTER_CORRUPT },
    { "version 1 times", 0, 44 + 4, "\0\0\0\0", 4, HOLTER_CORRUPT },
    { "version 1 index", 0, 44 + 8, "\7", 1, HOLTER_CORRUPT },
    { "version 1 counts", 0, 35, "\7", 1, HOLTER_CORRUPT },
};

START_TEST(damage_is_refused)
{
    struct buffer b;
    struct zone *zone;
    plain_write(&b, damage[_i].version, "");
    ck_assert_uint_le(damage[_i].offset + damage[_i].count, b.bytes);
    memcpy(b.data + damage[_i].offset, damage[_i].bytes, damage[_i].count);
    ck_assert_msg(decode(&zone, &b) == damage[_i].status, "%s", damage[_i].name);
    zone_close(zone);
    buffer_release(&b);
}
END_TEST

START_TEST(indicators_of_ut_need_those_of_standard)
{
    struct buffer b;
    struct zone *zone;
    plain_write(&b, 0, "");
    memcpy(b.data + 24, "\0\0\0\0", 4); /* no isstd; then three bytes are over */
    b.bytes -= 3;
    ck_assert_int_eq(decode(&zone, &b), HOLTER_OK);
    zone_close(zone);
    b.data[b.bytes - 1] = 1;
    ck_assert_int_eq(decode(&zone, &b), HOLTER_CORRUPT);
    buffer_release(&b);
}
END_TEST

START_TEST(leap_seconds_are_refused)
{
    static const char versions[] = { 0, '2' };
    const struct zone_file file = { versions[_i], plain_times, plain_of, 2, plain_types, 3, "", 1 };
    struct buffer b;
    struct zone *zone;
    zone_file_write(&b, &file);
    ck_assert_int_eq(decode(&zone, &b), HOLTER_UNSUPPORTED);
    buffer_release(&b);
}
END_TEST

START_TEST(bytes_after_the_end_are_refused)
{
    static const char versions[] = { 0, '2', '4' };
    struct buffer b;
    struct zone *zone;
    plain_write(&b, versions[_i], "EST5");
    buffer_append_u8(&b, '\n');
    ck_assert_int_eq(decode(&zone, &b), HOLTER_CORRUPT);
    buffer_release(&b);
}
END_TEST

/* Memory of exactly the size, so that a sanitizer sees what is read beyond. */
START_TEST(every_truncation_is_refused)
{
    static const char versions[] = { 0, '2', '3' };
    struct buffer b;
    zone_sample_write(&b, versions[_i], "CET-1CEST,M3.5.0,M10.5.0/3");
    for (size_t bytes = 0; bytes < b.bytes; bytes++) {
        uint8_t *copy = malloc(bytes + 1);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy + 1, b.data, bytes);
        struct zone *zone;
        ck_assert_int_eq(zone_decode(&zone, copy + 1, bytes, "f", NULL), HOLTER_CORRUPT);
        ck_assert_ptr_null(zone);
        free(copy);
    }
    buffer_release(&b);
}
END_TEST

START_TEST(every_flipped_bit_is_refused_or_harmless)
{
    static const char versions[] = { 0, '3' };
    static const int64_t times_s[] = { -9223372036, -2422054408, 0,          323830799,
                                       338950800,   929235600,   1616893200, 9223372036 };
    struct buffer b;
    size_t accepted = 0;
    zone_sample_write(&b, versions[_i], "CET-1CEST,M3.5.0,M10.5.0/3");
    for (size_t bit = 0; bit < 8 * b.bytes; bit++) {
        struct zone *zone;
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        holter_status status = zone_decode(&zone, b.data, b.bytes, "f", NULL);
        ck_assert(status == HOLTER_OK || status == HOLTER_CORRUPT || status == HOLTER_UNSUPPORTED);
        ck_assert_int_eq(zone != NULL, status == HOLTER_OK);
        for (size_t i = 0; zone != NULL && i < CORE_COUNT(times_s); i++)
            zone_holds_at(zone, times_s[i] * ZONE_TEST_S);
        accepted += zone != NULL;
        zone_close(zone);
        b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_gt(accepted, 0);
    buffer_release(&b);
}
END_TEST

/* ---- files ----------------------------------------------------------------------------------- */

struct disk {
    struct sim *sim;
    struct io *io;
};

static struct disk disk_new(void)
{
    const struct sim_options options = { .seed = 1 };
    struct disk disk = { .sim = sim_new(&options) };
    disk.io = sim_process_new(disk.sim);
    ck_assert_int_eq(io_make_dir(disk.io, "zones", NULL), HOLTER_OK);
    ck_assert_int_eq(io_make_dir(disk.io, "zones/Area", NULL), HOLTER_OK);
    struct buffer b;
    plain_write(&b, '2', "");
    ck_assert_int_eq(sim_file_write(disk.sim, "zones/Area/Town_2", b.data, b.bytes), HOLTER_OK);
    ck_assert_int_eq(sim_file_write(disk.sim, "outside", b.data, b.bytes), HOLTER_OK);
    ck_assert_int_eq(sim_file_write(disk.sim, "zones/Short", b.data, 99), HOLTER_OK);
    buffer_append_zeros(&b, ZONE_FILE_BYTES_MAX + 1 - b.bytes);
    ck_assert_int_eq(sim_file_write(disk.sim, "zones/Large", b.data, b.bytes), HOLTER_OK);
    buffer_release(&b);
    return disk;
}

static void disk_free(struct disk *disk)
{
    io_free(disk->io);
    sim_free(disk->sim);
}

static const struct {
    const char *name;
    holter_status status;
    int32_t offset_s; /* at 500,000 s */
} names[] = {
    { "Area/Town_2", HOLTER_OK, 3600 },
    { "UTC", HOLTER_OK, 0 },
    { "Z", HOLTER_OK, 0 },
    { "+05:30", HOLTER_OK, 19800 },
    { "+0530", HOLTER_OK, 19800 },
    { "-08", HOLTER_OK, -28800 },
    { "-23:59", HOLTER_OK, -86340 },
    { "+00:00", HOLTER_OK, 0 },
    { "Area/Town", HOLTER_NOT_FOUND, 0 },
    { "Area", HOLTER_NOT_FOUND, 0 }, /* a directory */
    { "Area/Town_2/More", HOLTER_NOT_FOUND, 0 },
    { "area/town_2", HOLTER_NOT_FOUND, 0 },
    { "Short", HOLTER_CORRUPT, 0 },
    { "Large", HOLTER_CORRUPT, 0 },
    { "", HOLTER_INVALID, 0 },
    { "../outside", HOLTER_INVALID, 0 },
    { "Area/../../outside", HOLTER_INVALID, 0 },
    { "Area/./Town_2", HOLTER_INVALID, 0 },
    { "/zones/Area/Town_2", HOLTER_INVALID, 0 },
    { "Area//Town_2", HOLTER_INVALID, 0 },
    { "Area/", HOLTER_INVALID, 0 },
    { "Area/Town 2", HOLTER_INVALID, 0 },
    { "Area/Town_2\n", HOLTER_INVALID, 0 },
    { "Area/T\xc3\xb6wn", HOLTER_INVALID, 0 },
    { "Area\\Town", HOLTER_INVALID, 0 },
    { "zone.tab", HOLTER_INVALID, 0 },
    { "+5:30", HOLTER_INVALID, 0 },
    { "+05:60", HOLTER_INVALID, 0 },
    { "+24:00", HOLTER_INVALID, 0 },
    { "+05:30:00", HOLTER_INVALID, 0 },
    { "+05 30", HOLTER_INVALID, 0 },
    { "+", HOLTER_INVALID, 0 },
    { "-0", HOLTER_INVALID, 0 },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      HOLTER_INVALID, 0 },
};

START_TEST(names_lead_to_files_or_are_refused)
{
    struct disk disk = disk_new();
    struct zone *zone = NULL;
    holter_error err = { 0 };
    holter_status status = zone_open(&zone, disk.io, "zones", names[_i].name, &err);
    ck_assert_msg(status == names[_i].status, "'%s': %s", names[_i].name, err.message);
    ck_assert_int_eq(zone != NULL, status == HOLTER_OK);
    if (zone != NULL)
        ck_assert_int_eq(offset_at(zone, 500000), names[_i].offset_s);
    else
        ck_assert_int_ne(err.message[0], '\0');
    zone_close(zone);
    disk_free(&disk);
}
END_TEST

START_TEST(a_failing_disk_is_told)
{
    static const enum sim_call_kind kinds[] = { SIM_OPEN, SIM_READ, SIM_STAT };
    for (size_t i = 0; i < CORE_COUNT(kinds); i++) {
        struct disk disk = disk_new();
        const struct sim_fault fault = { .kind = kinds[i], .error = 5, .for_ever = true };
        struct zone *zone = NULL;
        sim_fault_set(disk.sim, &fault);
        holter_status status = zone_open(&zone, disk.io, "zones", "Area/Town_2", NULL);
        ck_assert_int_eq(status, sim_fault_was_hit(disk.sim) ? HOLTER_IO : HOLTER_OK);
        zone_close(zone);
        disk_free(&disk);
    }
}
END_TEST

START_TEST(a_long_directory_is_refused)
{
    struct disk disk = disk_new();
    static char directory[IO_PATH_BYTES_MAX];
    struct zone *zone = NULL;
    memset(directory, 'd', sizeof directory - 5);
    ck_assert_int_eq(zone_open(&zone, disk.io, directory, "Area/Town_2", NULL), HOLTER_INVALID);
    ck_assert_ptr_null(zone);
    disk_free(&disk);
}
END_TEST

static Suite *zone_tzif_suite(void)
{
    Suite *suite = suite_create("zone tzif");
    TCase *tcase = tcase_create("bytes");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, every_version_is_read, 0, 4);
    tcase_add_test(tcase, later_versions_read_the_second_block);
    tcase_add_test(tcase, times_far_away_are_taken_in);
    tcase_add_loop_test(tcase, the_footer_goes_on, 0, (int)CORE_COUNT(footers));
    tcase_add_test(tcase, a_footer_alone_holds_always);
    tcase_add_loop_test(tcase, a_bad_footer_is_refused, 0, (int)CORE_COUNT(bad_footers));
    tcase_add_test(tcase, hours_beyond_a_day_need_version_3);
    tcase_add_loop_test(tcase, damage_is_refused, 0, (int)CORE_COUNT(damage));
    tcase_add_test(tcase, indicators_of_ut_need_those_of_standard);
    tcase_add_loop_test(tcase, leap_seconds_are_refused, 0, 2);
    tcase_add_loop_test(tcase, bytes_after_the_end_are_refused, 0, 3);
    tcase_add_loop_test(tcase, every_truncation_is_refused, 0, 3);
    tcase_add_loop_test(tcase, every_flipped_bit_is_refused_or_harmless, 0, 2);
    tcase_add_loop_test(tcase, names_lead_to_files_or_are_refused, 0, (int)CORE_COUNT(names));
    tcase_add_test(tcase, a_failing_disk_is_told);
    tcase_add_test(tcase, a_long_directory_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(zone_tzif_suite());
}
