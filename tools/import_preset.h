/*
 * import_preset.h -- rows of a vendor's files, whose columns are known: tables say what they hold.
 *
 * A preset is a list of kinds of file. A kind is told by its header line, and says which metric,
 * and which of its fields, each column is stored as. Reading a row needs no store.
 *
 *   P1  A row gives all of its samples, or none and a sentence.
 *   P2  An empty field is no value: the metrics that it belongs to have no sample of that row.
 *   P3  No two kinds of file of a preset share a metric, so that one can be replaced without the
 *       others.
 *
 * Threads: one at a time. Tests: tests/cli/presets.test, tests/cli/real_fitabase.py,
 * tests/cli/real_welltory.py, fuzz/fuzz_presets.c.
 */
#ifndef TOOLS_IMPORT_PRESET_H
#define TOOLS_IMPORT_PRESET_H

#include "csv.h"
#include "import_value.h"
#include "times.h"
#include "tool.h"

enum {
    PRESET_METRICS_MAX = 20,      /* of a kind of file */
    PRESET_SPREAD = 60,           /* columns of a SPREAD_MINUTES field */
    PRESET_SAMPLES_MAX = 1 << 16, /* of a row */
};

/** How long a sample lasts, and how many a row has. */
enum preset_span {
    SPAN_INSTANT,
    SPAN_HOUR,
    SPAN_DAY,     /* a local day */
    SPAN_TO_END,  /* to the time in the file's `end` column */
    SPAN_MINUTES, /* one a minute: the only field's columns are its name and 00 .. 59 */
    SPAN_BEATS,   /* instants: a list of intervals in ms, each ends where the next begins */
};

struct preset_field {
    const char *column; /* in the file */
    const char *name;   /* of the metric's field */
    holter_type type;
    int exponent;
};

struct preset_metric {
    const char *name;
    const char *unit; /* NULL: the metric is built in */
    enum preset_span span;
    holter_aggregation aggregation;
    holter_class tier_class;
    size_t field_count;
    struct preset_field fields[HOLTER_FIELDS_MAX];
};

struct preset_file {
    const char *name;
    const char *user, *time; /* columns */
    const char *end;         /* SPAN_TO_END; NULL: there is none */
    const char *flag_column; /* NULL: there is none; "1" and "True" in it set `flag` */
    uint16_t flag;
    const char *time_format;
    const struct preset_metric *metrics;
    size_t metric_count;
};

struct preset {
    const char *name; /* of --format, and the source where none is named */
    const struct preset_file *files;
    size_t file_count;
    bool replaces; /* each file is the whole set again (import_replace.h) */
};

extern const struct preset preset_fitabase, preset_welltory;
/** NULL: there is no such preset. */
const struct preset *preset_find(const char *name);

/** The definition of a metric; strings borrowed from the table. Of a built-in one only the fields
    are told. */
void preset_metric_describe(holter_metric *out, const struct preset_metric *metric);

struct preset_sample {
    size_t metric; /* index in the file's list */
    int64_t time_ns, duration_ns;
    uint16_t flags;
    holter_value values[HOLTER_FIELDS_MAX]; /* texts borrowed from the row */
};

struct preset_reader {
    const struct preset_file *file;
    holter_metric metrics[PRESET_METRICS_MAX]; /* the caller's, after preset_bind */
    bool round;                                /* values finer than the metric keeps */
    struct time_format time_format;
    int user, time, end, flag; /* columns */
    int columns[PRESET_METRICS_MAX][PRESET_SPREAD];
    /* the row at hand */
    struct csv_field id;
    struct preset_sample *samples; /* owned */
    size_t sample_count, sample_room;
    const char *problem_column; /* NULL: the problem is the whole row's */
    char problem[IMPORT_PROBLEM_BYTES_MAX];
    char name[80]; /* of a spread column */
};

/**
 * Tell the kind of a file by its header, whose columns may come in any order. `zone`, borrowed, is
 * that of local times; NULL: UTC. false: it is none of the preset's.
 */
bool preset_bind(struct preset_reader *reader, const struct preset *preset, struct time_zone *zone,
                 const struct csv_field *header, size_t count);
void preset_reader_release(struct preset_reader *reader);

enum preset_result { PRESET_OK, PRESET_REFUSED, PRESET_NO_MEMORY };
/**
 * The row's id and samples, or PRESET_REFUSED and its problem. `fields` are as many as the
 * header's.
 */
enum preset_result preset_row_read(struct preset_reader *reader, const struct csv_field *fields);

#endif
