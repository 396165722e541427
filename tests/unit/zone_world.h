/*
 * zone_world.h -- TZif files made for tests, and what holds of every zone at every instant.
 *
 * For unit tests and the fuzz target.
 */
#ifndef TESTS_UNIT_ZONE_WORLD_H
#define TESTS_UNIT_ZONE_WORLD_H

#include <string.h>

#include "zone/zone.h"

#define ZONE_TEST_S INT64_C(1000000000)

struct zone_type {
    int32_t offset_s;
    uint8_t is_summer;
};

/* What a file is made of. Both blocks tell the same; the first leaves out what 4 bytes cannot. */
struct zone_file {
    char version; /* 0: the first block alone */
    const int64_t *times;
    const uint8_t *types_of_times;
    size_t time_count;
    const struct zone_type *types;
    size_t type_count;
    const char *footer;
    size_t leap_count;
};

static inline void zone_put_big_endian(struct buffer *b, uint64_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;)
        buffer_append_u8(b, (uint8_t)(value >> (8 * i)));
}

static inline void zone_block_write(struct buffer *b, const struct zone_file *file,
                                    size_t time_bytes)
{
    static const char names[] = "LMT\0STD";
    size_t time_count = 0;
    for (size_t i = 0; i < file->time_count; i++)
        time_count +=
            time_bytes == 8 || (file->times[i] >= INT32_MIN && file->times[i] <= INT32_MAX);
    buffer_append(b, "TZif", 4);
    buffer_append_u8(b, (uint8_t)file->version);
    buffer_append_zeros(b, 15);
    zone_put_big_endian(b, file->type_count, 4);
    zone_put_big_endian(b, file->type_count, 4);
    zone_put_big_endian(b, file->leap_count, 4);
    zone_put_big_endian(b, time_count, 4);
    zone_put_big_endian(b, file->type_count, 4);
    zone_put_big_endian(b, sizeof names, 4);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < file->time_count; i++) {
            if (time_bytes < 8 && (file->times[i] < INT32_MIN || file->times[i] > INT32_MAX))
                continue;
            if (pass == 0)
                zone_put_big_endian(b, (uint64_t)file->times[i], time_bytes);
            else
                buffer_append_u8(b, file->types_of_times[i]);
        }
    for (size_t i = 0; i < file->type_count; i++) {
        zone_put_big_endian(b, (uint32_t)file->types[i].offset_s, 4);
        buffer_append_u8(b, file->types[i].is_summer);
        buffer_append_u8(b, i == 0 ? 0 : 4);
    }
    buffer_append(b, names, sizeof names);
    buffer_append_zeros(b, file->leap_count * (time_bytes + 4));
    buffer_append_zeros(b, 2 * file->type_count);
}

/* *b becomes the file's bytes; buffer_release. */
static inline void zone_file_write(struct buffer *b, const struct zone_file *file)
{
    buffer_init(b);
    zone_block_write(b, file, 4);
    if (file->version == 0)
        return;
    zone_block_write(b, file, 8);
    buffer_append_u8(b, '\n');
    buffer_append(b, file->footer, strlen(file->footer));
    buffer_append_u8(b, '\n');
}

/* Changes at 02:00 of both, as in the middle of Europe, for 20 years from 1980; an LMT before. */
enum { ZONE_SAMPLE_CHANGES = 41 };
static inline void zone_sample_write(struct buffer *b, char version, const char *footer)
{
    static const struct zone_type types[] = { { 3208, 0 }, { 3600, 0 }, { 7200, 1 } };
    int64_t times[ZONE_SAMPLE_CHANGES] = { -2422054408 };
    uint8_t of[ZONE_SAMPLE_CHANGES] = { 1 };
    for (int i = 0; i < 20; i++) {
        times[1 + 2 * i] = 323830800 + i * INT64_C(31449600);
        times[2 + 2 * i] = 338950800 + i * INT64_C(31449600);
        of[1 + 2 * i] = 2;
        of[2 + 2 * i] = 1;
    }
    const struct zone_file file = { version, times, of, ZONE_SAMPLE_CHANGES, types, 3, footer, 0 };
    zone_file_write(b, &file);
}

static inline bool zone_is_edge(int64_t time_ns)
{
    int64_t days_ns = 3 * 86400 * ZONE_TEST_S;
    return time_ns < INT64_MIN + days_ns || time_ns > INT64_MAX - days_ns;
}

/* Of wall clocks: an instant's is shown, at it or before; the answer shows what was asked for. */
static inline void zone_wall_holds(const struct zone *zone, int64_t time_ns)
{
    int32_t offset_s = zone_offset_s(zone, time_ns);
    core_assert(offset_s >= ZONE_OFFSET_S_MIN && offset_s <= ZONE_OFFSET_S_MAX);
    int64_t wall_ns, found_ns = 77, leapt_ns = 77;
    holter_wall shown;
    if (!checked_add_i64(&wall_ns, time_ns, offset_s * ZONE_TEST_S))
        return;
    holter_status status = zone_time(&found_ns, &shown, zone, wall_ns, NULL);
    core_assert(status == HOLTER_OK || (zone_is_edge(time_ns) && found_ns == 77));
    if (status != HOLTER_OK)
        return;
    core_assert(shown == HOLTER_WALL_TWICE || (shown == HOLTER_WALL_ONCE && found_ns == time_ns));
    core_assert(found_ns <= time_ns);
    core_assert(found_ns + zone_offset_s(zone, found_ns) * ZONE_TEST_S == wall_ns);

    /* The instant's number as a wall clock: any of the three. */
    status = zone_time(&leapt_ns, &shown, zone, time_ns, NULL);
    core_assert(status == HOLTER_OK || zone_is_edge(time_ns));
    if (status != HOLTER_OK)
        return;
    int64_t shows_ns = leapt_ns + zone_offset_s(zone, leapt_ns) * ZONE_TEST_S;
    core_assert((shows_ns == time_ns) == (shown != HOLTER_WALL_NEVER));
}

/* Z4 */
static inline void zone_window_holds(const struct zone *zone, const holter_every *every,
                                     int64_t time_ns)
{
    int64_t begin, end, other_begin, other_end;
    if (zone_window(&begin, &end, zone, every, time_ns, NULL) != HOLTER_OK)
        core_assert(zone_every_check(zone, every, NULL) != HOLTER_OK);
    else if (time_ns < INT64_MAX) { /* else it is no time */
        core_assert(begin <= time_ns && time_ns < end);
        const int64_t within[2] = { begin, end - 1 };
        for (int i = 0; i < 2; i++) {
            core_assert(zone_window(&other_begin, &other_end, zone, every, within[i], NULL) ==
                        HOLTER_OK);
            core_assert(other_begin == begin && other_end == end);
        }
        if (end == INT64_MAX)
            return;
        core_assert(zone_window(&other_begin, &other_end, zone, every, end, NULL) == HOLTER_OK);
        core_assert(other_begin == end);
    }
}

static inline void zone_holds_at(const struct zone *zone, int64_t time_ns)
{
    static const holter_every every[] = {
        { HOLTER_DAYS, 0, { 0 } },
        { HOLTER_WEEKS, 0, { 0 } },
        { HOLTER_MONTHS, 0, { 0 } },
        { HOLTER_QUARTERS, 0, { 0 } },
        { HOLTER_YEARS, 0, { 0 } },
        { HOLTER_FIXED, 3600 * ZONE_TEST_S, { 0 } },
        { HOLTER_FIXED, 86400 * ZONE_TEST_S, { 0 } },
        { HOLTER_FIXED, 1, { 0 } },
        { HOLTER_FIXED, 7 * ZONE_TEST_S, { 0 } },
        { HOLTER_FIXED, INT64_MAX, { 0 } },
    };
    zone_wall_holds(zone, time_ns);
    for (size_t i = 0; i < CORE_COUNT(every); i++)
        zone_window_holds(zone, &every[i], time_ns);
}

#endif
