/*
 * real.h -- what real devices delivered, imported into stores by the tool.
 *
 * The files are in ../shared/data beside the repository, or where HOLTER_DATA says; none of them is
 * part of it. Where they are missing a benchmark says so and goes on with what it makes up.
 *
 * Threads: one.
 */
#ifndef BENCH_REAL_H
#define BENCH_REAL_H

#include <stdbool.h>

/** The data sets, by which an import may be narrowed. */
#define REAL_FITABASE "fitabase"
#define REAL_COVID "covid"
#define REAL_WELLTORY "welltory"
#define REAL_GLUCOSE "hall"
#define REAL_MOTION "spsw"
#define REAL_ECG "mit-bih"

/**
 * Makes a store `name` in the run's directory, of the files that hold `metric` (some hold others
 * too), of `set` or (NULL) of every set. False: there are none, and no store is left.
 */
bool real_import(const char *name, const char *tool, const char *metric, const char *set);

#endif
