/*
 * cohort.h -- a made-up cohort: what wearables of so many people deliver in so many days.
 *
 * Rows come in the order in which a gateway would see them: a device syncs now and then, brings
 * what it has gathered metric by metric, sometimes days late and newest first, sends some rows
 * again and corrects others. Nothing in it is anybody's.
 *
 *   G1  The same options give the same rows, on every machine and with every compiler: all
 *       arithmetic is of integers, and nothing asks the system (a hash in test_tool_cohort.c).
 *   G2  What a person's devices measure depends on seed, number, days and offset alone: neither on
 *       the number of people nor on which metrics are asked for. What is sent again does.
 *   G3  Memory: about 2 KiB a person, and the rows of one sync.
 *
 * How like real data it is: tests/simulate/figures.py. Threads: a cohort one thread at a time.
 */
#ifndef TOOLS_COHORT_H
#define TOOLS_COHORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cohort_metric {
    COHORT_HEART_RATE,
    COHORT_STEPS,
    COHORT_SLEEP_STAGE,
    COHORT_SKIN_TEMPERATURE,
    COHORT_SPO2,
    COHORT_RR_INTERVAL,
    COHORT_UTC_OFFSET,
    COHORT_METRICS
};

enum cohort_source { COHORT_WATCH, COHORT_PHONE, COHORT_SOURCES };

enum cohort_stage { COHORT_LIGHT, COHORT_DEEP, COHORT_REM, COHORT_WAKE, COHORT_STAGES };

enum {
    COHORT_USERS_MAX = 1000000,
    COHORT_DAYS_MAX = 3660,
    COHORT_BATCH_ROWS_MAX = 4096,
    COHORT_ID_BYTES_MAX = 16
};

struct cohort_options {
    uint64_t seed;
    uint32_t users;      /* 1 .. COHORT_USERS_MAX */
    uint32_t days;       /* 1 .. COHORT_DAYS_MAX */
    int64_t from_s;      /* seconds since 1970 UTC, a whole minute; 86,400 .. 2^32 */
    bool mixed_offsets;  /* everyone lives somewhere else; otherwise all at `offset_s` */
    int32_t offset_s;    /* local time less UTC, -18 h .. 18 h */
    const bool *metrics; /* COHORT_METRICS of them, which are wanted; NULL: all. Borrowed */
};

struct cohort_row {
    int64_t time_ns;
    int64_t duration_ns; /* 0: an instant */
    int32_t value;       /* in the metric's own steps (cohort_exponent), or an enum cohort_stage */
    uint32_t user;       /* from 0 */
    uint16_t revision;   /* 0, or that of a correction */
    uint8_t metric;      /* enum cohort_metric */
    uint8_t source;      /* enum cohort_source */
};

struct cohort;

/** *out owned: cohort_free. false: no memory, or options out of their ranges. */
bool cohort_new(struct cohort **out, const struct cohort_options *options);
void cohort_free(struct cohort *cohort);

enum cohort_result { COHORT_ROWS, COHORT_END, COHORT_NO_MEMORY };
/** The next rows, 1 .. COHORT_BATCH_ROWS_MAX of one user; borrowed until the next call. */
enum cohort_result cohort_next(struct cohort *cohort, const struct cohort_row **rows,
                               size_t *count);

/** Holter's names of metrics and stages, of sources, and the power of ten of a metric's values. */
const char *cohort_metric_name(enum cohort_metric metric);
const char *cohort_source_name(enum cohort_source source);
const char *cohort_stage_name(enum cohort_stage stage);
int cohort_exponent(enum cohort_metric metric);
/** "sim-000001" is user 0. Zero-terminated; returns its length. */
size_t cohort_user_id(char out[static COHORT_ID_BYTES_MAX], uint32_t user);

#endif
