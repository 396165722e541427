/*
 * line.h -- a line of InfluxDB's line protocol, taken apart.
 *
 *     measurement,tag=text,tag=text field=value,field=value time
 *
 * A comma, a space and (but in measurements) an equals sign in a name stand behind a backslash, a quote and a
 * backslash in a string, too; any other backslash is itself. Values: 1.5 (a float), 1i, 1u, true or t, "a string".
 * Nothing tells the time's unit: that is the caller's.
 *
 *   L1  Nothing is allocated: names and texts are unescaped where they stand.
 *   L2  A line is taken apart whole, or refused with a sentence that names the byte.
 *
 * Threads: one at a time for each line. Tests: tests/unit/test_tool_line.c, fuzz/fuzz_line.c. Source: InfluxDB's
 * line protocol reference, versions 1 to 3, where they agree.
 */
#ifndef TOOLS_LINE_H
#define TOOLS_LINE_H

#include "csv.h"

enum { LINE_BYTES_MAX = 1 << 20, LINE_PARTS_MAX = 64, LINE_PROBLEM_BYTES_MAX = 200 };

enum line_type { LINE_FLOAT, LINE_INTEGER, LINE_UNSIGNED, LINE_BOOLEAN, LINE_STRING };

struct line_tag {
    struct csv_field name, text; /* neither is empty */
};

struct line_field {
    struct csv_field name; /* not empty */
    struct csv_field text; /* a number without its letter; a boolean as "true" or "false" */
    enum line_type type;
};

struct line {
    struct csv_field measurement; /* not empty */
    struct line_tag tags[LINE_PARTS_MAX];
    size_t tag_count;
    struct line_field fields[LINE_PARTS_MAX];
    size_t field_count; /* at least 1 */
    bool has_time;
    int64_t time; /* in the caller's unit */
    char problem[LINE_PROBLEM_BYTES_MAX];
};

/** Nothing but white space, or a comment. */
bool line_is_blank(const char *bytes, size_t count);

/**
 * Take a line without its end apart; it is changed, and borrowed by *out. false: out->problem says
 * what was found and expected. Cost: one pass.
 */
bool line_read(struct line *out, char *bytes, size_t count);

#endif
