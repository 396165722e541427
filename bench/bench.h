/*
 * bench.h -- what the benchmarks share: their options, a place for stores, a clock, a cohort's
 * rows, and figures with their spread.
 *
 * A figure is the median of its samples between their 1st and 99th percentile (nearest rank: of
 * fewer than a hundred samples the least and the greatest). Rows are tools/cohort.h's, which come
 * from a seed. What fails ends the program with a sentence.
 *
 * Threads: one.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <holter/holter.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../tools/cohort.h"

#define BENCH_DAY_FROM_S INT64_C(1735689600) /* 2025-01-01 UTC */

enum { BENCH_SEED = 1, BENCH_PATH_BYTES_MAX = 4096 };

/** Tells why and ends the program. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Ends the program where a call of the library failed. */
void bench_try(holter_status status, const holter_error *err);

/* ---- a run ----------------------------------------------------------------------------------- */

/** An option that a benchmark has beside the common ones, with its text, and what it stands for. */
struct bench_option {
    const char *name, *what;
    const char **text; /* stays as it is where the option is not given */
};

/**
 * Reads the options (--json, --quick, --dir DIR, and the name of `more`, if any, with its text)
 * and makes a directory of its own in DIR, which bench_end removes.
 */
void bench_begin(const char *name, int count, char **arguments, const char *more,
                 const char **more_text);
/** As bench_begin, with any number of options more. */
void bench_begin_with(const char *name, int count, char **arguments,
                      const struct bench_option *more, size_t more_count);
void bench_end(void);
bool bench_is_quick(void);
/** The number an option was given, `least` .. `most`, or `otherwise` without it. */
uint32_t bench_number(const char *option, const char *text, uint32_t least, uint32_t most,
                      uint32_t otherwise);
/** A path in the run's directory; borrowed until the next call. */
const char *bench_path(const char *name);
void bench_remove(const char *name); /**< a file or directory there, and its keyring */

/**
 * Runs a program, whose output is dropped, and waits: the seconds that it took. arguments[0] is its
 * path, NULL their end. *peak_bytes, which may be NULL, of its memory; what this process had when it
 * started the program is the least.
 */
double bench_run(const char *const *arguments, uint64_t *peak_bytes);

double bench_now_s(void);
/** What this thread has computed for: other work on the machine hardly shows. */
double bench_thread_s(void);
double bench_process_s(void); /**< and all threads of this process together */

/* ---- figures --------------------------------------------------------------------------------- */

struct bench_series {
    double *samples;
    size_t count, room;
};

void bench_add(struct bench_series *series, double sample);
/** Prints and empties a series. unit: "samples/s", "B" .. */
void bench_report(const char *at, const char *metric, const char *unit,
                  struct bench_series *series);
/** A figure that was not measured more than once. */
void bench_report_one(const char *at, const char *metric, const char *unit, double value);

/* ---- stores and rows ------------------------------------------------------------------------- */

uint64_t bench_random_below(uint64_t count); /**< from the run's seed (splitmix64) */

/** A store of the run, with a cohort's people, metrics and sources in it. */
struct bench_store {
    holter_store *store;
    holter_batch *batch;
    uint32_t user_count;
    uint64_t *users;
    uint32_t (*sources)[COHORT_SOURCES];
    uint32_t metrics[COHORT_METRICS];
    holter_kind kinds[COHORT_METRICS];
    holter_type types[COHORT_METRICS]; /* of their one field */
    int64_t stages[COHORT_STAGES];
};

/** The people whom all questions are asked of; metrics NULL: all. cohort_free it. */
struct cohort *bench_cohort(uint32_t user_count, uint32_t days, const bool *metrics);
/** As cohort_next; false at the end. */
bool bench_cohort_next(struct cohort *cohort, const struct cohort_row **rows, size_t *count);

/** `options` may be NULL; the store is made in the run's directory. */
void bench_store_make(struct bench_store *out, const char *name, uint32_t user_count,
                      const holter_options *options);
/** The same with `create`, which may be NULL. */
void bench_store_make_as(struct bench_store *out, const char *name, uint32_t user_count,
                         const holter_create_options *create, const holter_options *options);
void bench_store_close(struct bench_store *store);
void bench_store_add(struct bench_store *store, const struct cohort_row *row); /**< to its batch */
void bench_store_commit(struct bench_store *store); /**< its batch, which is empty then */
/** Commits a whole cohort, 50,000 rows at a time; the rows that were committed. */
uint64_t bench_store_fill(struct bench_store *store, uint32_t days, const bool *metrics);

#endif
