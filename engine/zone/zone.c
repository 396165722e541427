/*
 * zone.c -- zones by their names, and the table that answers for an instant or a wall clock.
 *
 * The table is searched anew by each call: ten or so comparisons. An index that remembers the last
 * answer would save some of them and cost that a zone is any thread's.
 */
#include "zone/zone_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------- */

struct zone *zone_new(size_t capacity, int32_t offset_s)
{
    struct zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL)
        return NULL;
    zone->capacity = capacity;
    zone->at = core_calloc(capacity + 1, sizeof *zone->at);
    zone->offset = core_calloc(capacity + 1, sizeof *zone->offset);
    if (zone->at == NULL || zone->offset == NULL) {
        zone_close(zone);
        return NULL;
    }
    zone->offset[0] = offset_s;
    return zone;
}

void zone_close(struct zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->at);
    free(zone->offset);
    free(zone);
}

void zone_put(struct zone *zone, int64_t at, int32_t offset_s)
{
    core_assert(zone->count == 0 || zone->at[zone->count - 1] <= at);
    if (zone->count > 0 && zone->at[zone->count - 1] == at)
        zone->count--;
    if (zone->offset[zone->count] == offset_s)
        return;
    core_assert(zone->count < zone->capacity);
    zone->at[zone->count++] = at;
    zone->offset[zone->count] = offset_s;
}

size_t zone_find(const struct zone *zone, int64_t time_s)
{
    const int64_t *at = zone->at;
    size_t left = zone->count;
    while (left > 0) { /* all before `at` are <= time_s, all from at + left on are later */
        size_t half = left / 2;
        bool is_right = at[half] <= time_s;
        at = is_right ? at + half + 1 : at;
        left = is_right ? left - half - 1 : half;
    }
    return (size_t)(at - zone->at);
}

bool zone_is_utc(const struct zone *zone)
{
    return zone == NULL || (zone->count == 0 && zone->offset[0] == 0);
}

int32_t zone_offset_s(const struct zone *zone, int64_t time_ns)
{
    if (zone == NULL)
        return 0;
    return zone->offset[zone_find(zone, floor_div_i64(time_ns, ZONE_NS_PER_S))];
}

/* ---- from the wall clock --------------------------------------------------------------------- */

/* Seconds and the nanoseconds after them, 0 .. 999,999,999, to one number. */
static bool join_ns(int64_t *out, int64_t seconds, int64_t ns)
{
    if (seconds < 0) { /* the product alone could be too low where the sum is not */
        seconds++;
        ns -= ZONE_NS_PER_S;
    }
    int64_t product;
    return checked_mul_i64(&product, seconds, ZONE_NS_PER_S) && checked_add_i64(out, product, ns);
}

/*
 * Go through the stretches of one offset that may show the wall time; count those that do. Where
 * none does, one change leapt over it.
 */
static int64_t time_of_wall(holter_wall *wall, const struct zone *zone, int64_t wall_s)
{
    int64_t found_s = 0, skipped_s = 0;
    int shown = 0;
    bool is_skipped = false;
    for (size_t i = zone_find(zone, wall_s - ZONE_OFFSET_S_MAX); shown < 2; i++) {
        int64_t time_s = wall_s - zone->offset[i];
        bool has_begun = i == 0 || zone->at[i - 1] <= time_s;
        bool is_over = i < zone->count && zone->at[i] <= time_s;
        if (has_begun && !is_over && shown++ == 0)
            found_s = time_s;
        if (i == zone->count || zone->at[i] > wall_s - ZONE_OFFSET_S_MIN)
            break;
        if (is_over && !is_skipped && zone->at[i] > wall_s - zone->offset[i + 1]) {
            is_skipped = true;
            skipped_s = time_s;
        }
    }
    core_assert(shown > 0 || is_skipped);
    *wall = shown == 0 ? HOLTER_WALL_NEVER : shown == 1 ? HOLTER_WALL_ONCE : HOLTER_WALL_TWICE;
    return shown == 0 ? skipped_s : found_s;
}

holter_status zone_time(int64_t *time_ns, holter_wall *wall, const struct zone *zone,
                        int64_t wall_ns, holter_error *err)
{
    holter_wall shown = HOLTER_WALL_ONCE;
    int64_t result = wall_ns;
    if (zone != NULL) {
        int64_t wall_s = floor_div_i64(wall_ns, ZONE_NS_PER_S);
        int64_t time_s = time_of_wall(&shown, zone, wall_s);
        if (!join_ns(&result, time_s, zone_rest_ns(wall_ns)))
            return error_set(err, HOLTER_INVALID,
                             "the instant of this local time is outside 1677-09-21 to 2262-04-11");
    }
    *time_ns = result;
    *wall = shown;
    return HOLTER_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool two_digits(int32_t *out, const char *at, int32_t max)
{
    if (!is_digit(at[0]) || !is_digit(at[1]))
        return false;
    *out = (at[0] - '0') * 10 + (at[1] - '0');
    return *out <= max;
}

/* "UTC", "Z", +hh, +hhmm, +hh:mm. */
static bool read_offset(int32_t *out_s, const char *name)
{
    *out_s = 0;
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0)
        return true;
    if (name[0] != '+' && name[0] != '-')
        return false;
    int32_t hours, minutes = 0;
    size_t bytes = strnlen(name, sizeof "+hh:mm");
    bool is_form = bytes == 3 || bytes == 5 || (bytes == 6 && name[3] == ':');
    if (!is_form || !two_digits(&hours, name + 1, 23) ||
        (bytes > 3 && !two_digits(&minutes, name + bytes - 2, 59)))
        return false;
    *out_s = (name[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

holter_status zone_name_check(const char *name, holter_error *err)
{
    size_t bytes = strnlen(name, ZONE_NAME_BYTES_MAX + 1);
    if (bytes > ZONE_NAME_BYTES_MAX)
        return error_set(err, HOLTER_INVALID, "found a zone's name of more than %d bytes",
                         ZONE_NAME_BYTES_MAX);
    if (!is_letter(name[0]))
        return error_set(err, HOLTER_INVALID,
                         "found no zone's name, expected UTC, an offset such as +05:30, or a name "
                         "such as America/New_York");
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        bool is_slash = c == '/' && is_letter(name[i + 1]);
        if (!is_letter(c) && !is_digit(c) && c != '_' && c != '+' && c != '-' && !is_slash)
            return error_set(err, HOLTER_INVALID,
                             "found byte 0x%02x at %zu of a zone's name, expected letters, digits, "
                             "_ + -, and / before a letter",
                             (unsigned)(uint8_t)c, i);
    }
    return HOLTER_OK;
}

static holter_status read_zone(struct zone **out, struct io *io, const char *directory,
                               const char *name, holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    if (!io_path_join(path, directory, name, NULL, NULL))
        return error_set(err, HOLTER_INVALID, "the directory of zones (TZDIR) is longer than %d",
                         IO_PATH_BYTES_MAX - 1);
    struct buffer bytes;
    holter_status status = io_read_file(&bytes, io, path, ZONE_FILE_BYTES_MAX, err);
    if (status == HOLTER_OK)
        status = zone_decode(out, bytes.data, bytes.bytes, path, err);
    else if (status == HOLTER_NOT_FOUND || status == HOLTER_INVALID) /* a directory is INVALID */
        status =
            error_set(err, HOLTER_NOT_FOUND, "there is no zone '%s' in '%.256s'", name, directory);
    buffer_release(&bytes);
    return status;
}

holter_status zone_open(struct zone **out, struct io *io, const char *directory, const char *name,
                        holter_error *err)
{
    *out = NULL;
    int32_t offset_s;
    if (read_offset(&offset_s, name)) {
        *out = zone_new(0, offset_s);
        return *out != NULL ? HOLTER_OK : error_set(err, HOLTER_NO_MEMORY, "zone: a fixed offset");
    }
    holter_status status = zone_name_check(name, err);
    return status == HOLTER_OK ? read_zone(out, io, directory, name, err) : status;
}
