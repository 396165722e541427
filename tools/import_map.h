/*
 * import_map.h -- which column of a file holds what.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_IMPORT_MAP_H
#define TOOLS_IMPORT_MAP_H

#include "import_value.h"

enum { MAP_FIELDS_MAX = 16, MAP_NO_COLUMN = -1 };

/** What a column can hold. SLOT_FIELDS and on: a field by name, value.NAME. */
enum slot {
    SLOT_USER,
    SLOT_TIME,
    SLOT_VALUE,
    SLOT_METRIC,
    SLOT_SOURCE,
    SLOT_DURATION,
    SLOT_END,
    SLOT_KEY,
    SLOT_REVISION,
    SLOT_FLAGS,
    SLOT_FIELDS,
    SLOT_COUNT = SLOT_FIELDS + MAP_FIELDS_MAX,
};

struct map {
    char *texts[OPTION_LIST_MAX]; /* owns what the pointers below point at */
    size_t text_count;
    const char *columns[SLOT_COUNT];         /* a column's name; NULL: not mapped */
    const char *field_names[MAP_FIELDS_MAX]; /* of SLOT_FIELDS + i */
    size_t field_count;
};

enum map_result { MAP_OK, MAP_WRONG, MAP_NO_MEMORY };

/**
 * Read "user=Id,time=Time,value.systolic=Sys"; "\," is a comma in a name. MAP_WRONG: *problem says
 * why. *out owned after MAP_OK: map_release.
 */
enum map_result map_read(struct map *out, const struct option_list *texts,
                         char problem[static IMPORT_PROBLEM_BYTES_MAX]);
void map_release(struct map *map);

/** The slot that holds a field of a metric; SLOT_COUNT: none does. */
enum slot map_slot_of_field(const struct map *map, const holter_metric *metric, size_t field);

/**
 * Find the mapped columns in a header: columns[slot] is an index or MAP_NO_COLUMN. On failure
 * *missing is the slot, and the count says in how many columns it was found: 0, or more than 1.
 */
bool map_bind(const struct map *map, const struct csv_field *header, size_t column_count,
              int columns[static SLOT_COUNT], enum slot *missing, size_t *found);

#endif
