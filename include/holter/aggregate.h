/*
 * aggregate.h -- windows of a metric: how many samples, how long they last, their sum, mean, least and
 * greatest, first and last.
 *
 * An aggregator reads a snapshot window by window: windows rise by time, those in which there is
 * nothing are left out.
 *
 *   - count, mean, min, max, first and last are of the samples that begin in a window.
 *   - A sum takes of each interval the share of its time that lies in the window, also of intervals
 *     that begin before the window or before `from`; an interval of no length, and an instant,
 *     wholly where it begins. So a window may have a sum and a count of 0.
 *   - The time is how much of a window intervals fill, each by itself: of two that overlap, both. With a
 *     filter of a label it is the time in a state.
 *   - Windows at the ends are cut to [from, to), and show that; a sum takes the shares within.
 *   - Samples flagged HOLTER_OUT_OF_RANGE or HOLTER_NON_FINITE are in none of these, and counted
 *     apart.
 *   - With filters all this is of the samples that pass them; also those counted apart are.
 *   - All sources together are one stream. first and last go by (time, source, key): the least, the
 *     greatest.
 *   - Whole integers add in 128 bits, shares to 2^-128 of the field's last place, floats without
 *     any error but for shares (2^-128 of their last place); a result is rounded to a double once,
 *     half to even (of shares: what is nearer to half than 2^-60 of the last place is half). So no
 *     order of adding changes a result.
 *
 * Threads: an aggregator, one thread at a time; it is closed before its snapshot.
 */
#ifndef HOLTER_AGGREGATE_H
#define HOLTER_AGGREGATE_H

#include "query.h"
#include "zone.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bits. Fields of type HOLTER_INT and HOLTER_FLOAT take all; HOLTER_ENUM and HOLTER_TEXT count, first, last. */
enum {
    HOLTER_FN_COUNT = 1, /**< always there; needs no field */
    HOLTER_FN_SUM = 2,
    HOLTER_FN_MEAN = 4,
    HOLTER_FN_MIN = 8,
    HOLTER_FN_MAX = 16,
    HOLTER_FN_FIRST = 32,
    HOLTER_FN_LAST = 64,
    HOLTER_FN_TIME = 128 /**< of metrics of intervals; needs no field */
};

typedef struct holter_aggregate_spec {
    uint64_t user;
    uint32_t metric;        /**< one, by number */
    uint32_t source;        /**< 0: all together */
    int64_t from_ns, to_ns; /**< both 0: all */
    holter_every every;     /**< the windows */
    const holter_zone
        *zone;          /**< whose calendar; NULL: UTC; borrowed until the aggregator is closed */
    uint32_t fields;    /**< bit f: field f; 0: each field that is not the key */
    uint32_t functions; /**< HOLTER_FN_* */
    const holter_filter *filters; /**< as of a scan: samples that pass all of them */
    size_t filter_count;
    uint64_t reserved[2]; /**< zero */
} holter_aggregate_spec;

/** A sum of one field. */
typedef struct holter_sum {
    double value; /**< at the field's scale, the nearest double */
    int64_t high; /**< where is_whole: (high << 64 | low) x 10^exponent, exactly */
    uint64_t low;
    int is_there; /**< something was added */
    int is_whole; /**< HOLTER_INT, and no share was taken */
} holter_sum;

/** Of one field, an element a window; NULL where it was not asked for. */
typedef struct holter_window_field {
    size_t field; /**< its index in the metric */
    holter_type type;
    const holter_sum *sum;
    const double *mean;      /**< at the field's scale; like the rest only where count > 0 */
    const holter_value *min; /**< as in rows: integers without the field's exponent */
    const holter_value *max;
    const holter_value *first;
    const holter_value *last;
} holter_window_field;

/** Windows, in columns; borrowed until the aggregator's next call. */
typedef struct holter_windows {
    size_t count;             /**< 1 .. 1,024 */
    const int64_t *begin_ns;  /**< rising */
    const int64_t *end_ns;    /**< not included */
    const uint64_t *samples;  /**< that begin in the window and are not flagged */
    const uint64_t *excluded; /**< that begin in the window and are flagged */
    const int64_t *
        time_ns; /**< how long intervals last within the window, held at INT64_MAX; NULL: not asked for */
    size_t field_count;
    holter_window_field fields[HOLTER_FIELDS_MAX]; /**< rising */
} holter_windows;

typedef struct holter_aggregator holter_aggregator;

/**
 * Begin to aggregate. *out owned: holter_aggregate_close.
 * Errors   HOLTER_INVALID from > to, a window's width, no or unknown functions or fields, a
 *          function that does not fit a field (the sentence says which fit), the time of instants; HOLTER_NOT_FOUND no
 *          such user or metric; HOLTER_EXPIRED the user is erased; those of holter_scan.
 * Cost     a scan for each source, advanced together; of counts, and of integers' sum, mean, min and max,
 *          only the blocks at the edges of windows and where rows of several files meet; of long series in
 *          warm and cold files, not even at edges that are those of half hours of UTC (of intervals: without
 *          min and max). With filters of one field, of which the others are asked nothing: of blocks within a window only
 *          the values, as they are decoded. Memory: a batch of rows a source, and what
 *          lasts over the edge of the window at hand, however long the range.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_aggregate(holter_aggregator **out,
                                                          holter_snapshot *snapshot,
                                                          const holter_aggregate_spec *spec,
                                                          holter_error *err);
/**
 * The next windows. A window is there where a sample begins in it, flagged or not; where sums or times are
 * asked for, also where an interval lasts into it. HOLTER_DONE: there are no more; on an error what
 * came so far is not all.
 */
HOLTER_API HOLTER_MUST_USE holter_status holter_aggregate_next(holter_aggregator *aggregator,
                                                               holter_windows *out,
                                                               holter_error *err);
HOLTER_API void holter_aggregate_close(holter_aggregator *aggregator);

/**
 * Write a sum as text, as holter_value_format does: an exact decimal where it is whole, else the
 * shortest one that reads back as `value`. Nothing where it is not there.
 */
HOLTER_API size_t holter_sum_format(char *out, size_t room, const holter_metric *metric,
                                    size_t field, const holter_sum *sum);

#ifdef __cplusplus
}
#endif

#endif
