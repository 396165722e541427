/*
 * import_value.h -- a field of a file as a value of a metric, or a sentence.
 *
 * Any thread.
 */
#ifndef TOOLS_IMPORT_VALUE_H
#define TOOLS_IMPORT_VALUE_H

#include "csv.h"
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

#endif
