/*
 * golden_form.h -- the canonical form of a sample, as told at the top of
 * tests/reader/holter_reader.py.
 *
 * The dump of a store and the expectation of its maker are printed by the same lines of code, so
 * that they differ only where the samples do.
 */
#ifndef GOLDEN_FORM_H
#define GOLDEN_FORM_H

#include <stdio.h>

#include "holter/holter.h"

#define GOLDEN_HEADER "user,metric,source,time_ns,duration_ns,flags,revision,fields...\n"

/** Whose sample it is, in names. */
struct golden_series {
    const char *user;
    size_t user_bytes;
    const holter_metric *metric;
    const char *source;
};

/** Print one sample and a line feed. `values`: one a field of the metric. */
void golden_print(FILE *out, const struct golden_series *series, int64_t time_ns,
                  int64_t duration_ns, unsigned flags, int64_t revision,
                  const holter_value *values);

/** Compare byte strings; where one is the beginning of the other, the shorter is less. */
int golden_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

#endif
