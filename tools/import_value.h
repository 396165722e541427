/*
 * import_value.h -- a text of a file or line as a part of a row, or a sentence "found ..., expected ...".
 *
 * Any thread.
 */
#ifndef TOOLS_IMPORT_VALUE_H
#define TOOLS_IMPORT_VALUE_H

#include "csv.h"
#include "times.h"
#include "tool.h"

enum { IMPORT_PROBLEM_BYTES_MAX = 400 };

/** A whole number of 64 bits but the least; a sign '-' at most. false: it is none. */
bool whole_read(int64_t *out, struct csv_field text);

/**
 * The value of a field of a metric. `round`: where it is finer than the metric keeps. false:
 * *problem says what was found and expected.
 */
bool import_value_read(holter_value *out, const holter_metric *metric, size_t field,
                       struct csv_field text, bool round,
                       char problem[static IMPORT_PROBLEM_BYTES_MAX]);

/* The same for the parts beside values; false: *problem says what was found and expected. */
bool import_time_read(int64_t *out_ns, struct time_format *format, const char *format_text,
                      struct csv_field text, char problem[static IMPORT_PROBLEM_BYTES_MAX]);
bool import_duration_read(int64_t *out_ns, struct csv_field text,
                          char problem[static IMPORT_PROBLEM_BYTES_MAX]);
bool import_revision_read(int64_t *out, struct csv_field text,
                          char problem[static IMPORT_PROBLEM_BYTES_MAX]);
/** Those that the store finds by itself are left out: they are not the writer's to say. */
bool import_flags_read(uint16_t *out, struct csv_field text,
                       char problem[static IMPORT_PROBLEM_BYTES_MAX]);
bool import_user_check(struct csv_field id, char problem[static IMPORT_PROBLEM_BYTES_MAX]);
bool import_source_check(struct csv_field source, char problem[static IMPORT_PROBLEM_BYTES_MAX]);
/** What a metric of its kind asks of a duration: -1 none was given. */
bool import_duration_check(int64_t duration_ns, const holter_metric *metric,
                           char problem[static IMPORT_PROBLEM_BYTES_MAX]);

#endif
