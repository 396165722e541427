/*
 * types.h -- metrics, sources, values and rows, as they go in and come out.
 *
 * Times are int64 nanoseconds since 1970-01-01 UTC, durations nanoseconds. Strings are UTF-8.
 */
#ifndef HOLTER_TYPES_H
#define HOLTER_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HOLTER_FIELDS_MAX 8
#define HOLTER_NAME_BYTES_MAX 63 /**< names of metrics, fields, units, labels, regions */
#define HOLTER_SOURCE_NAME_BYTES_MAX 127
#define HOLTER_USER_ID_BYTES_MAX 128 /**< external user ids */
#define HOLTER_TEXT_BYTES_MAX 65536  /**< a value of type HOLTER_TEXT */

/** An open end of a range: before, or after, every sample. */
#define HOLTER_TIME_MIN INT64_MIN
#define HOLTER_TIME_MAX INT64_MAX

typedef enum holter_kind {
    HOLTER_INSTANT = 1, /**< a sample holds at its time */
    HOLTER_INTERVAL = 2 /**< a sample spans [time, time + duration) */
} holter_kind;

typedef enum holter_type {
    HOLTER_INT = 1,   /**< integer x 10^exponent of the field, exact */
    HOLTER_FLOAT = 2, /**< IEEE double, bit-exact */
    HOLTER_ENUM = 3,  /**< a label of the field, by number from 0 */
    HOLTER_TEXT = 4   /**< bytes, by custom UTF-8 */
} holter_type;

typedef enum holter_aggregation {
    HOLTER_MEAN = 1,
    HOLTER_SUM = 2,
    HOLTER_STATES = 3, /**< time in each state */
    HOLTER_LAST = 4
} holter_aggregation;

/** Tier classes: metrics of one rhythm lie in files of their own. */
typedef enum holter_class {
    HOLTER_VITALS = 0,   /**< every seconds to minutes: heart rate, SpO2, temperatures */
    HOLTER_ACTIVITY = 1, /**< intervals: steps, energy, sleep stages, workouts */
    HOLTER_WAVEFORM = 2, /**< many a second: PPG, ECG, acceleration */
    HOLTER_RECORDS = 3   /**< few a day: weight, blood pressure, notes */
} holter_class;

/** Flags of a row. Bits 8-15 are the writer's own; bits 4-7 are spare and refused. */
enum {
    HOLTER_OUT_OF_RANGE = 1, /**< beyond the field's plausible range; set by the store */
    HOLTER_NON_FINITE = 2,   /**< a float that is NaN or infinite; set by the store */
    HOLTER_ANOMALY = 4,      /**< marked by the writer */
    HOLTER_MANUAL = 8        /**< entered by hand; marked by the writer */
};

/** A value; which member counts follows from the field's type. */
typedef union holter_value {
    int64_t integer; /**< HOLTER_INT: 36.55 at exponent -2 is 3655; HOLTER_ENUM: the number */
    double real;     /**< HOLTER_FLOAT */
    struct {
        const char *bytes;
        size_t count;
    } text; /**< HOLTER_TEXT; not zero-terminated */
} holter_value;

typedef struct holter_field {
    const char *name;
    holter_type type;
    int exponent;  /**< HOLTER_INT: -18 .. 18 */
    int has_range; /**< `min` .. `max`, both included, are plausible */
    holter_value min, max;
    const char *const *labels; /**< HOLTER_ENUM: label_count of them */
    size_t label_count;
} holter_field;

typedef struct holter_metric {
    uint32_t number;  /**< in definitions: 0, given by the store */
    const char *name; /**< [a-z][a-z0-9_]* */
    const char *unit; /**< UCUM */
    holter_kind kind;
    size_t field_count; /**< 1 .. HOLTER_FIELDS_MAX */
    holter_field fields[HOLTER_FIELDS_MAX];
    int key_field; /**< index of the field that is part of a sample's identity; -1 none */
    holter_aggregation aggregation;
    holter_class tier_class;
    int64_t carry_ns;      /**< instants: the longest time that a sample speaks for */
    const char *healthkit; /**< its name elsewhere; NULL or "" where it has none */
    const char *health_connect;
    const char *open_mhealth;
    const char *loinc;
} holter_metric;

typedef struct holter_setting {
    uint32_t metric;
    int32_t
        priority; /**< kept: the greater is to win where sources overlap; no query weighs it yet */
    int64_t period_ns; /**< expected time between samples; 0 unknown */
} holter_setting;

/** A device or app of a user. NULL strings mean "". */
typedef struct holter_source {
    uint32_t number; /**< within the user, from 1; to add: 0 */
    const char
        *name; /**< device id, unique within the user; 1 .. HOLTER_SOURCE_NAME_BYTES_MAX bytes */
    const char *type; /**< "watch", "phone", "ring" .. */
    const char *model;
    const char *firmware;
    int64_t registered_ns; /**< to add: 0 is now */
    int retired;
    const holter_setting *settings;
    size_t setting_count; /**< at most 32 */
} holter_source;

/** One sample to write. */
typedef struct holter_row {
    uint64_t user;
    uint32_t metric;
    uint32_t source;
    int64_t time_ns;            /**< HOLTER_TIME_MIN and HOLTER_TIME_MAX are no times */
    int64_t duration_ns;        /**< >= 0; instants: 0 */
    const holter_value *values; /**< one a field */
    size_t value_count;
    uint16_t flags;   /**< HOLTER_ANOMALY, HOLTER_MANUAL and bits 8-15 */
    int64_t revision; /**< 0: the batch's */
} holter_row;

/** Rows of one series, in columns; borrowed until the cursor's next call. */
typedef struct holter_columns {
    uint64_t user;
    uint32_t metric;
    uint32_t source;
    holter_kind kind;
    size_t count;               /**< rows, 1 .. 4,096 */
    const int64_t *time_ns;     /**< rising */
    const int64_t *duration_ns; /**< NULL for instants */
    size_t field_count;
    holter_type types[HOLTER_FIELDS_MAX];
    union {
        const int64_t *integer; /**< HOLTER_INT, HOLTER_ENUM */
        const double *real;     /**< HOLTER_FLOAT */
        const struct holter_text {
            const char *bytes;
            size_t count;
        } * text; /**< HOLTER_TEXT */
    } fields[HOLTER_FIELDS_MAX];
    const uint16_t *flags;
    const int64_t *revision;
} holter_columns;

#ifdef __cplusplus
}
#endif

#endif
