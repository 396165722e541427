/*
 * rows.h -- metrics that the fuzz targets of the tool know, and what holds of every sample that is read.
 */
#ifndef FUZZ_ROWS_H
#define FUZZ_ROWS_H

#include "../tools/import_csv.h"
#include "fuzz.h"

enum { FUZZ_METRICS = 5 };
extern const holter_metric fuzz_metrics[FUZZ_METRICS];

/** A metric_find_fn over these. */
holter_status fuzz_metric_find(void *context, holter_metric *out, const char *name,
                               holter_error *err);
/** Times, durations, flags and values are such as a store takes. */
void fuzz_sample_check(const struct import_sample *sample);

#endif
