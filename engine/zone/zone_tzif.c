/*
 * zone_tzif.c -- TZif files: hostile bytes to a table of offsets, or a refusal.
 *
 *     version 1      | header | block, times of 4 bytes |
 *     versions 2 - 4 | header | block, times of 4 bytes | header | block, times of 8 bytes | footer |
 *
 *     header  "TZif" | version | 15 spare | counts: isut isstd leap time type char
 *     block   times | type of each time | types: offset, is summer, name | names | leap seconds |
 *             isstd | isut
 *
 * All that RFC 9636, 3 says with MUST is checked, but for the first block of later versions, which
 * readers are to skip. From the last time on the footer's rule holds; where there is none, the last
 * offset goes on. Names of offsets (EST) are no answer of ours and not kept. Files that count leap
 * seconds ("right/...") are refused: their times are not those of a clock that Holter stores.
 */
#include "zone/zone_impl.h"

#include <inttypes.h>
#include <string.h>

enum { HEADER_BYTES = 44, TYPE_BYTES = 6, TYPES_MAX = 256, SPARE_BYTES = 15 };

struct counts {
    uint32_t isut, isstd, leap, time, type, name;
};

/* What is wrong, and where. */
struct problem {
    size_t offset;
    const char *text;
};

struct file {
    size_t count; /* bytes */
    struct reader r;
    struct problem problem;
    uint8_t version; /* 1 .. */
};

static size_t place(const struct file *f)
{
    return f->count - f->r.left;
}

static holter_status refuse(struct file *f, size_t offset, const char *text)
{
    f->problem = (struct problem){ offset, text };
    return HOLTER_CORRUPT;
}

static holter_status read_header(struct counts *out, struct file *f)
{
    size_t begin = place(f);
    struct reader *r = &f->r;
    if (r->left < HEADER_BYTES)
        return refuse(f, begin, "found fewer than the 44 bytes of a TZif header");
    if (memcmp(get_bytes(r, 4), "TZif", 4) != 0)
        return refuse(f, begin, "found no TZif header");
    uint8_t version = get_u8(r);
    if (version != 0 && (version < '2' || version > '9'))
        return refuse(f, begin + 4, "found an unknown version of TZif");
    f->version = version == 0 ? 1 : (uint8_t)(version - '0');
    (void)get_bytes(r, SPARE_BYTES);

    uint32_t counts[6];
    for (size_t i = 0; i < CORE_COUNT(counts); i++) { /* unlike our own files, big-endian */
        const uint8_t *at = get_bytes(r, 4);
        counts[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    *out = (struct counts){ counts[0], counts[1], counts[2], counts[3], counts[4], counts[5] };
    return HOLTER_OK;
}

/* Six products of 32-bit counts by small numbers: no sum overflows. */
static uint64_t block_bytes(const struct counts *counts, uint64_t time_bytes)
{
    return counts->time * (time_bytes + 1) + (uint64_t)counts->type * TYPE_BYTES + counts->name +
           counts->leap * (time_bytes + 4) + counts->isstd + counts->isut;
}

static int64_t get_big_endian(struct reader *r, size_t bytes)
{
    const uint8_t *at = get_bytes(r, bytes);
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return (int64_t)value;
}

static holter_status read_types(int32_t offsets[static TYPES_MAX], struct file *f,
                                const struct counts *counts)
{
    const uint8_t *names = f->r.at + (size_t)counts->type * TYPE_BYTES;
    for (size_t i = 0; i < counts->type; i++) {
        size_t begin = place(f);
        int64_t offset_s = get_big_endian(&f->r, 4);
        uint8_t is_summer = get_u8(&f->r);
        uint8_t name = get_u8(&f->r);
        if (offset_s < ZONE_OFFSET_S_MIN || offset_s > ZONE_OFFSET_S_MAX)
            return refuse(f, begin, "found an offset beyond a day");
        if (is_summer > 1)
            return refuse(f, begin + 4, "found a summer time that is neither 0 nor 1");
        if (name >= counts->name || memchr(names + name, 0, counts->name - name) == NULL)
            return refuse(f, begin + 5, "found an offset whose name is not there");
        offsets[i] = (int32_t)offset_s;
    }
    (void)get_bytes(&f->r, counts->name);
    return HOLTER_OK;
}

/* `count` flags of 0 or 1; isut only where isstd, which is `within`. */
static holter_status read_flags(const uint8_t **out, struct file *f, uint32_t count,
                                const uint8_t *within)
{
    size_t begin = place(f);
    const uint8_t *flags = get_bytes(&f->r, count);
    for (size_t i = 0; i < count; i++)
        if (flags[i] > 1 || (within != NULL && flags[i] > within[i]))
            return refuse(f, begin + i, "found a standard or UT indicator that cannot be");
    *out = count > 0 ? flags : NULL;
    return HOLTER_OK;
}

static holter_status check_counts(struct file *f, const struct counts *counts, uint64_t time_bytes)
{
    size_t at = place(f) - 6 * 4;
    if (block_bytes(counts, time_bytes) > f->r.left)
        return refuse(f, at, "found counts of more than the file has");
    if (counts->type == 0 || counts->type > TYPES_MAX)
        return refuse(f, at + 16, "found a number of offsets outside 1 .. 256");
    if (counts->name == 0)
        return refuse(f, at + 20, "found no names of offsets");
    if ((counts->isut != 0 && counts->isut != counts->type) ||
        (counts->isstd != 0 && counts->isstd != counts->type))
        return refuse(f, at, "found a number of indicators that is neither 0 nor that of offsets");
    return HOLTER_OK;
}

/* *last: the last change's time. */
static holter_status read_block(struct zone **out, int64_t *last, struct file *f,
                                const struct counts *counts, size_t time_bytes)
{
    int32_t offsets[TYPES_MAX];
    holter_status status = check_counts(f, counts, time_bytes);
    if (status != HOLTER_OK)
        return status;
    if (counts->leap != 0) {
        (void)refuse(f, place(f) - 4 * 4, "found a zone that counts leap seconds");
        return HOLTER_UNSUPPORTED;
    }
    size_t times_at = place(f);
    struct reader times = reader_over(f->r.at, counts->time * time_bytes);
    (void)get_bytes(&f->r, times.left);
    const uint8_t *types = get_bytes(&f->r, counts->time);
    status = read_types(offsets, f, counts);
    const uint8_t *isstd = NULL, *isut = NULL;
    if (status == HOLTER_OK)
        status = read_flags(&isstd, f, counts->isstd, NULL);
    if (status == HOLTER_OK)
        status = read_flags(&isut, f, counts->isut, isstd);
    if (status == HOLTER_OK && isut != NULL && isstd == NULL && memchr(isut, 1, counts->isut))
        status = refuse(f, place(f) - counts->isut, "found UT indicators without standard ones");
    if (status != HOLTER_OK)
        return status;

    struct zone *zone = zone_new(counts->time + ZONE_RULE_CHANGES_MAX + 1, offsets[0]);
    if (zone == NULL)
        return HOLTER_NO_MEMORY;
    int64_t before = INT64_MIN;
    for (size_t i = 0; i < counts->time && status == HOLTER_OK; i++) {
        int64_t at = get_big_endian(&times, time_bytes);
        if (i > 0 && at <= before)
            status = refuse(f, times_at + i * time_bytes, "found times that do not rise");
        else if (types[i] >= counts->type)
            status = refuse(f, times_at + counts->time * time_bytes + i,
                            "found a change to an offset that is not there");
        else if (at < ZONE_TIME_S_MIN)
            zone->offset[0] = offsets[types[i]]; /* so far in the past that it always held */
        else if (at <= ZONE_TIME_S_MAX)
            zone_put(zone, at, offsets[types[i]]);
        before = at;
    }
    if (status != HOLTER_OK) {
        zone_close(zone);
        return status;
    }
    *last = before;
    *out = zone;
    return HOLTER_OK;
}

/* From the last change on the rule holds. */
static void go_on_by_rule(struct zone *zone, int64_t last, const struct zone_rule *rule)
{
    struct zone_change changes[ZONE_RULE_CHANGES_MAX];
    size_t count = zone_rule_changes(changes, rule);
    if (last > ZONE_TIME_S_MAX)
        return;
    if (last < ZONE_TIME_S_MIN)
        last = ZONE_TIME_S_MIN;
    int32_t offset_s = rule->standard_s;
    size_t i = 0;
    for (; i < count && changes[i].at <= last; i++)
        offset_s = changes[i].offset_s;
    if (last == ZONE_TIME_S_MIN && zone->count == 0)
        zone->offset[0] = offset_s;
    else
        zone_put(zone, last, offset_s);
    for (; i < count && changes[i].at <= ZONE_TIME_S_MAX; i++)
        zone_put(zone, changes[i].at, changes[i].offset_s);
}

static holter_status read_footer(struct zone *zone, int64_t last, struct file *f)
{
    size_t begin = place(f);
    if (f->r.left < 2 || get_u8(&f->r) != '\n')
        return refuse(f, begin, "found no footer after the second block");
    const char *text = (const char *)f->r.at;
    const uint8_t *end = memchr(text, '\n', f->r.left);
    if (end == NULL)
        return refuse(f, begin, "found a footer without its end");
    size_t bytes = (size_t)(end - f->r.at);
    (void)get_bytes(&f->r, bytes + 1);
    if (bytes == 0)
        return HOLTER_OK;
    struct zone_rule rule;
    if (zone_rule_decode(&rule, text, bytes, f->version >= 3) != HOLTER_OK)
        return refuse(f, begin + 1, "found a footer that is no TZ string with its dates");
    go_on_by_rule(zone, last, &rule);
    return HOLTER_OK;
}

static holter_status read_file(struct zone **out, struct file *f)
{
    struct counts counts;
    size_t time_bytes = 4;
    holter_status status = read_header(&counts, f);
    if (status == HOLTER_OK && f->version >= 2) {
        uint64_t skipped = block_bytes(&counts, time_bytes);
        if (skipped > f->r.left)
            return refuse(f, place(f) - 6 * 4, "found counts of more than the file has");
        (void)get_bytes(&f->r, (size_t)skipped);
        uint8_t version = f->version;
        status = read_header(&counts, f);
        if (status == HOLTER_OK && f->version != version)
            status = refuse(f, place(f) - HEADER_BYTES + 4,
                            "found a second header of another "
                            "version");
        time_bytes = 8;
    }
    int64_t last = 0;
    if (status == HOLTER_OK)
        status = read_block(out, &last, f, &counts, time_bytes);
    if (status == HOLTER_OK && f->version >= 2)
        status = read_footer(*out, last, f);
    if (status == HOLTER_OK && f->r.left > 0)
        status = refuse(f, place(f), "found bytes after the end");
    return status;
}

holter_status zone_decode(struct zone **out, const void *bytes, size_t count, const char *path,
                          holter_error *err)
{
    *out = NULL;
    struct zone *zone = NULL;
    struct file f = { .count = count, .r = reader_over(bytes, count) };
    holter_status status = read_file(&zone, &f);
    if (status == HOLTER_OK) {
        *out = zone;
        return HOLTER_OK;
    }
    zone_close(zone);
    if (status == HOLTER_NO_MEMORY)
        return error_set(err, status, "'%s': a zone's table", path);
    return error_set(err, status, "'%s': byte %zu: %s", path, f.problem.offset, f.problem.text);
}
