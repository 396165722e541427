/*
 * series.h -- the series of a metric as plain arrays, read from a store through the public
 * interface alone.
 *
 * For programs that want the numbers and nothing else: people are numbers here, and nothing is
 * printed. All rows of a metric are held at once, so the caller says how many may be.
 *
 * Needs include/ only. Threads: one.
 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include <holter/holter.h>

#include <stddef.h>
#include <stdint.h>

/** Rows of one person, metric and source, rising by time. */
struct series {
    uint64_t user;
    size_t person; /* from 0, of the people who have rows, by external id */
    uint32_t source;
    size_t count;                       /* 1 or more */
    int64_t *time_ns;                   /* `count` of each */
    int64_t *duration_ns;               /* NULL for instants */
    int64_t *fields[HOLTER_FIELDS_MAX]; /* integers and enums; of floats the bits; NULL for texts */
    uint16_t *flags;
    size_t capacity;
};

struct series_set {
    holter_kind kind;
    size_t field_count;
    holter_type types[HOLTER_FIELDS_MAX];
    struct series *series; /* by person, then by source */
    size_t count, capacity;
    uint64_t rows; /* of all together */
};

/**
 * Read the rows of `metric` of every user of the store at `path`, but those of the erased, whose
 * rows are gone. *out owned: series_release.
 * rows_max  more are HOLTER_NO_SPACE: the set would not fit; 0: any number
 * Errors    those of holter_open, holter_metric_find and holter_scan; HOLTER_NO_MEMORY.
 * Cost      opens the store read-only, one scan a user; 18 bytes a row, and 8 for each more field
 *           and a duration, half of it unused at worst.
 */
holter_status series_read(struct series_set *out, const char *path, const char *metric,
                          uint64_t rows_max, holter_error *err);
void series_release(struct series_set *set);

/** The gap between neighbours that half of them are not above; 0 of fewer than two rows or without memory. */
int64_t series_median_gap_ns(const struct series *series);

#endif
