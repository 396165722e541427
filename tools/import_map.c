/*
 * import_map.c -- which column of a file holds what.
 */
#include "import_map.h"

#include <stdlib.h>
#include <string.h>

static const char *const slot_names[SLOT_FIELDS] = {
    [SLOT_USER] = "user",     [SLOT_TIME] = "time",         [SLOT_VALUE] = "value",
    [SLOT_METRIC] = "metric", [SLOT_SOURCE] = "source",     [SLOT_DURATION] = "duration",
    [SLOT_KEY] = "key",       [SLOT_REVISION] = "revision", [SLOT_FLAGS] = "flags",
};

static const char *slot_name_at(const void *context, size_t index)
{
    (void)context;
    return slot_names[index];
}

/* The slot of a name left of '='; SLOT_COUNT: said. */
static enum slot slot_need(struct map *map, const struct verb *verb, const char *name)
{
    for (int slot = 0; slot < SLOT_FIELDS; slot++)
        if (strcmp(name, slot_names[slot]) == 0)
            return (enum slot)slot;
    if (strncmp(name, "value.", 6) == 0 && name[6] != '\0') {
        for (size_t i = 0; i < map->field_count; i++)
            if (strcmp(map->field_names[i], name + 6) == 0)
                return (enum slot)(SLOT_FIELDS + i);
        if (map->field_count == MAP_FIELDS_MAX) {
            say_usage(verb, "--map names more than %d fields", MAP_FIELDS_MAX);
            return SLOT_COUNT;
        }
        map->field_names[map->field_count] = name + 6;
        return (enum slot)(SLOT_FIELDS + map->field_count++);
    }
    const char *nearest = nearest_name(name, SLOT_FIELDS, slot_name_at, NULL);
    if (nearest != NULL)
        say_usage(verb, "--map has no '%s'; did you mean '%s'?", name, nearest);
    else
        say_usage(verb,
                  "--map has no '%s'; it knows user, time, value, value.FIELD, metric, source, "
                  "duration, key, "
                  "revision and flags",
                  name);
    return SLOT_COUNT;
}

/* Cut `text` at its first comma that stands alone, and undo "\,"; NULL: it was the last part. */
static char *part_cut(char *text)
{
    char *to = text;
    for (char *from = text;; from++) {
        if (from[0] == '\\' && from[1] == ',') {
            *to++ = ',';
            from++;
            continue;
        }
        bool is_last = *from == '\0';
        if (is_last || *from == ',') {
            *to = '\0';
            return is_last ? NULL : from + 1;
        }
        *to++ = *from;
    }
}

static int part_read(struct map *map, const struct verb *verb, char *part)
{
    char *equals = strchr(part, '=');
    if (equals == NULL)
        return say_usage(verb, "--map takes parts such as time=Column, apart by commas");
    *equals = '\0';
    enum slot slot = slot_need(map, verb, part);
    if (slot == SLOT_COUNT)
        return TOOL_USAGE;
    if (map->columns[slot] != NULL)
        return say_usage(verb, "--map has '%s' twice", part);
    map->columns[slot] = equals + 1;
    return TOOL_OK;
}

int map_read(struct map *out, const struct verb *verb, const struct option_list *texts)
{
    memset(out, 0, sizeof *out);
    int code = TOOL_OK;
    for (size_t i = 0; i < texts->count && code == TOOL_OK; i++) {
        char *text = strdup(texts->items[i]);
        if (text == NULL) {
            code = say_no_memory();
            break;
        }
        out->texts[out->text_count++] = text;
        while (text != NULL && code == TOOL_OK) {
            char *next = part_cut(text);
            code = part_read(out, verb, text);
            text = next;
        }
    }
    if (code != TOOL_OK)
        map_release(out);
    return code;
}

void map_release(struct map *map)
{
    for (size_t i = 0; i < map->text_count; i++)
        free(map->texts[i]);
    memset(map, 0, sizeof *map);
}

enum slot map_slot_of_field(const struct map *map, const holter_metric *metric, size_t field)
{
    for (size_t i = 0; i < map->field_count; i++)
        if (strcmp(map->field_names[i], metric->fields[field].name) == 0)
            return (enum slot)(SLOT_FIELDS + i);
    bool has_key = metric->key_field >= 0;
    if (has_key && (size_t)metric->key_field == field)
        return map->columns[SLOT_KEY] != NULL ? SLOT_KEY : SLOT_COUNT;
    bool is_only_value = metric->field_count - has_key == 1;
    return is_only_value && map->columns[SLOT_VALUE] != NULL ? SLOT_VALUE : SLOT_COUNT;
}

bool map_bind(const struct map *map, const struct csv_field *header, size_t column_count,
              int columns[static SLOT_COUNT], enum slot *missing, size_t *found)
{
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        columns[slot] = MAP_NO_COLUMN;
        const char *name = map->columns[slot];
        if (name == NULL)
            continue;
        size_t times = 0;
        for (size_t i = 0; i < column_count; i++) {
            if (header[i].count != strlen(name) ||
                memcmp(header[i].bytes, name, header[i].count) != 0)
                continue;
            columns[slot] = (int)i;
            times++;
        }
        if (times != 1) {
            *missing = (enum slot)slot;
            *found = times;
            return false;
        }
    }
    return true;
}
