/*
 * import_map.c -- which column of a file holds what.
 */
#include "import_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BYTES_MAX = 200 };

static const char *const slot_names[SLOT_FIELDS] = {
    [SLOT_USER] = "user",     [SLOT_TIME] = "time",     [SLOT_VALUE] = "value",
    [SLOT_METRIC] = "metric", [SLOT_SOURCE] = "source", [SLOT_DURATION] = "duration",
    [SLOT_END] = "end",       [SLOT_KEY] = "key",       [SLOT_REVISION] = "revision",
    [SLOT_FLAGS] = "flags",
};

static const char *slot_name_at(const void *context, size_t index)
{
    (void)context;
    return slot_names[index];
}

/* The slot of a name left of '='; SLOT_COUNT: *problem says why there is none. */
static enum slot slot_need(struct map *map, const char *name, char *problem)
{
    for (int slot = 0; slot < SLOT_FIELDS; slot++)
        if (strcmp(name, slot_names[slot]) == 0)
            return (enum slot)slot;
    if (strncmp(name, "value.", 6) == 0 && name[6] != '\0') {
        for (size_t i = 0; i < map->field_count; i++)
            if (strcmp(map->field_names[i], name + 6) == 0)
                return (enum slot)(SLOT_FIELDS + i);
        if (map->field_count == MAP_FIELDS_MAX) {
            snprintf(problem, IMPORT_PROBLEM_BYTES_MAX, "--map names more than %d fields",
                     MAP_FIELDS_MAX);
            return SLOT_COUNT;
        }
        map->field_names[map->field_count] = name + 6;
        return (enum slot)(SLOT_FIELDS + map->field_count++);
    }
    const char *nearest = nearest_name(name, SLOT_FIELDS, slot_name_at, NULL);
    if (nearest != NULL)
        snprintf(problem, IMPORT_PROBLEM_BYTES_MAX, "--map has no '%s'; did you mean '%s'?", name,
                 nearest);
    else
        snprintf(problem, IMPORT_PROBLEM_BYTES_MAX,
                 "--map has no '%.*s'; it knows user, time, value, value.FIELD, metric, source, "
                 "duration, end, key, revision and flags",
                 SHOWN_BYTES_MAX, name);
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

static enum map_result part_read(struct map *map, char *part, char *problem)
{
    char *equals = strchr(part, '=');
    if (equals == NULL) {
        snprintf(problem, IMPORT_PROBLEM_BYTES_MAX,
                 "--map takes parts such as time=Column, apart by commas");
        return MAP_WRONG;
    }
    *equals = '\0';
    enum slot slot = slot_need(map, part, problem);
    if (slot == SLOT_COUNT)
        return MAP_WRONG;
    if (map->columns[slot] != NULL) {
        snprintf(problem, IMPORT_PROBLEM_BYTES_MAX, "--map has '%.*s' twice", SHOWN_BYTES_MAX,
                 part);
        return MAP_WRONG;
    }
    map->columns[slot] = equals + 1;
    return MAP_OK;
}

enum map_result map_read(struct map *out, const struct option_list *texts,
                         char problem[static IMPORT_PROBLEM_BYTES_MAX])
{
    memset(out, 0, sizeof *out);
    enum map_result result = MAP_OK;
    for (size_t i = 0; i < texts->count && result == MAP_OK; i++) {
        char *text = strdup(texts->items[i]);
        if (text == NULL) {
            result = MAP_NO_MEMORY;
            break;
        }
        out->texts[out->text_count++] = text;
        while (text != NULL && result == MAP_OK) {
            char *next = part_cut(text);
            result = part_read(out, text, problem);
            text = next;
        }
    }
    if (result != MAP_OK)
        map_release(out);
    return result;
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
