/*
 * store_zone.c -- zones of the system, for callers of the library.
 *
 * Which directory they are in is asked of the environment here, at the library's edge, so that the
 * room below is told everything and a test fixes it. getenv reads the
 * process's own memory and is no call of the system, so it needs no door of io.
 */
#include "store/store_impl.h"

#include <stdlib.h>

static const char zones_default[] = "/usr/share/zoneinfo";

struct holter_zone {
    struct zone *zone;
};

const struct zone *store_zone_of(const holter_zone *zone)
{
    return zone != NULL ? zone->zone : NULL;
}

holter_status holter_zone_open(holter_zone **out, const char *name, holter_error *err)
{
    if (out == NULL)
        return error_set(err, HOLTER_INVALID, "opening a zone: there is no place for it");
    *out = NULL;
    if (name == NULL)
        return error_set(err, HOLTER_INVALID, "opening a zone: there is no name");
    holter_zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "opening a zone: handle");

    struct io *io = NULL;
    const char *directory = getenv("TZDIR");
    if (directory == NULL || directory[0] == '\0')
        directory = zones_default;
    holter_status status = io_posix_new(&io, err);
    if (status == HOLTER_OK)
        status = zone_open(&zone->zone, io, directory, name, err);
    if (status == HOLTER_OK) {
        *out = zone;
        zone = NULL; /* now the caller's */
    }
    holter_zone_close(zone);
    io_free(io);
    return status;
}

void holter_zone_close(holter_zone *zone)
{
    if (zone == NULL)
        return;
    zone_close(zone->zone);
    free(zone);
}

int32_t holter_zone_offset_s(const holter_zone *zone, int64_t time_ns)
{
    return zone_offset_s(store_zone_of(zone), time_ns);
}

holter_status holter_zone_time(int64_t *time_ns, holter_wall *wall, const holter_zone *zone,
                               int64_t wall_ns, holter_error *err)
{
    if (time_ns == NULL || wall == NULL)
        return error_set(err, HOLTER_INVALID, "a local time: there is no place for the answer");
    return zone_time(time_ns, wall, store_zone_of(zone), wall_ns, err);
}

holter_status holter_zone_window(int64_t *begin_ns, int64_t *end_ns, const holter_zone *zone,
                                 const holter_every *every, int64_t time_ns, holter_error *err)
{
    if (begin_ns == NULL || end_ns == NULL || every == NULL)
        return error_set(err, HOLTER_INVALID, "a window: there is no place for the answer");
    return zone_window(begin_ns, end_ns, store_zone_of(zone), every, time_ns, err);
}
