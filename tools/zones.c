/*
 * zones.c -- the zone that --tz names, or a sentence with the name that is nearest.
 *
 * The names come from zone.tab, which lies beside the zones and lists one or more of each country.
 */
#include "zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { NAMES_MAX = 1024, NAME_BYTES_MAX = 64, LINE_BYTES_MAX = 512 };

struct zone_names {
    char names[NAMES_MAX][NAME_BYTES_MAX];
    size_t count;
};

static const char *directory(void)
{
    const char *told = getenv("TZDIR");
    return told != NULL && told[0] != '\0' ? told : "/usr/share/zoneinfo";
}

/* Lines of zone.tab: country, place, name, and a comment, with tabs between. */
static void names_read(struct zone_names *out)
{
    char path[4096];
    char line[LINE_BYTES_MAX];
    int bytes = snprintf(path, sizeof path, "%s/zone.tab", directory());
    FILE *file = bytes < (int)sizeof path ? fopen(path, "r") : NULL;
    while (file != NULL && out->count < NAMES_MAX && fgets(line, sizeof line, file) != NULL) {
        const char *place = line[0] == '#' ? NULL : strchr(line, '\t');
        const char *name = place == NULL ? NULL : strchr(place + 1, '\t');
        size_t length = name == NULL ? 0 : strcspn(++name, "\t\n");
        if (length == 0 || length >= NAME_BYTES_MAX)
            continue;
        memcpy(out->names[out->count], name, length);
        out->names[out->count++][length] = '\0';
    }
    if (file != NULL)
        fclose(file);
}

static const char *name_at(const void *context, size_t index)
{
    const struct zone_names *names = context;
    return names->names[index];
}

int zone_find(struct time_zone *out, const struct verb *verb, const char *name)
{
    holter_error err = { 0 };
    holter_status status = time_zone_open(out, name, &err);
    if (status == HOLTER_OK)
        return TOOL_OK;
    if (status == HOLTER_INVALID)
        return say_usage(verb, "--tz takes UTC, an offset such as +05:30, or a name such as "
                               "America/New_York");
    if (status != HOLTER_NOT_FOUND) {
        int code = say_error(&err);
        return status == HOLTER_CORRUPT ? TOOL_FAILED : code; /* no store is damaged */
    }
    struct zone_names *names = calloc(1, sizeof *names);
    if (names == NULL)
        return say_no_memory();
    names_read(names);
    const char *nearest = nearest_name(name, names->count, name_at, names);
    if (nearest != NULL)
        say("%s; did you mean '%s'?", err.message, nearest);
    else
        say("%s", err.message);
    free(names);
    return TOOL_NOT_FOUND;
}
