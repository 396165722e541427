/*
 * rows.h -- what verbs that print rows and values share: whose they are, and how they are written.
 */
#ifndef TOOLS_ROWS_H
#define TOOLS_ROWS_H

#include "times.h"
#include "tool.h"
#include "where.h"

/** What is printed, and how. */
struct output {
    holter_store *store;
    holter_snapshot *snapshot;
    holter_metric metric;
    const char *source_name; /* NULL: every source */
    int64_t from_ns, to_ns;
    bool json;
    bool numbers;       /* instead of ids */
    struct where where; /* of rows, on the metric's fields */
    struct time_zone zone;
    struct time_zone *told; /* the zone, where --tz tells one; NULL is UTC */
};

/* A user's id, and the name of the source that rows came from last. */
struct person {
    uint64_t number;
    char text[HOLTER_USER_ID_BYTES_MAX + 1];
    size_t text_bytes;
    uint32_t source;
    char source_name[HOLTER_SOURCE_NAME_BYTES_MAX + 1];
};

int person_read(const struct output *output, struct person *out, uint64_t user);
int source_name_need(const struct output *output, struct person *person, uint32_t source);
/** *source 0: the user has no source of that name, so no rows of it either. */
int source_find(const struct output *output, uint64_t user, uint32_t *source);
/** That nobody has the source is told before anything is printed. */
int source_check(const struct output *output, const struct user_list *users);
/** The zone that --tz names; NULL is UTC. Returns TOOL_OK or the exit code, said. */
int output_zone_find(struct output *output, const struct verb *verb, const char *name);
/** A --from or --to; NULL leaves *out_ns. Returns TOOL_OK or TOOL_USAGE, said. */
int bound_read(int64_t *out_ns, const struct verb *verb, const char *option, const char *text,
               struct time_zone *zone);

/** The first line of CSV. */
void row_header_print(const struct output *output);
void row_print(const struct output *output, const struct person *person,
               const holter_columns *columns, size_t row);
/** A row without the line's end, and in JSON without the braces. */
void row_members_print(const struct output *output, const struct person *person,
                       const holter_columns *columns, size_t row);
/** A value of output->metric, as JSON or as a field of CSV. */
void value_print(const struct output *output, size_t field, holter_value value);
/** A number or word that stands for one, which JSON knows as a number or as a string. */
void number_print(const struct output *output, const char *text, size_t bytes);

#endif
