/*
 * import_csv.h -- rows of a CSV file whose columns --map tells.
 *
 *   M1  A row gives one sample, or none and a sentence, or none as it has no value.
 *   M2  Reading needs no store, but a way to find metrics by name.
 *
 * Threads: one at a time. Tests: tests/cli/import.test, tests/cli/import_errors.test,
 * tests/unit/test_tool_import.c, fuzz/fuzz_map.c.
 */
#ifndef TOOLS_IMPORT_CSV_H
#define TOOLS_IMPORT_CSV_H

#include "import_map.h"
#include "import_rows.h"
#include "times.h"

enum { PLANS_MAX = 1024 };

/** As holter_metric_find; what *out points at outlives the reader. */
typedef holter_status metric_find_fn(void *context, holter_metric *out, const char *name,
                                     holter_error *err);

/** A user's id, or a source's name. */
struct known_text {
    char bytes[HOLTER_USER_ID_BYTES_MAX > HOLTER_SOURCE_NAME_BYTES_MAX
                   ? HOLTER_USER_ID_BYTES_MAX
                   : HOLTER_SOURCE_NAME_BYTES_MAX];
    size_t count; /* 0: none */
};

struct mapped_reader {
    /* the caller's: what was asked for, borrowed */
    struct map map;
    struct time_format time_format;
    struct time_format end_format; /* the same, of ends */
    const char *time_text;         /* the format, as it was given */
    int64_t duration_ns;           /* -1: none was given */
    const char *user;              /* of rows without one; NULL: none was given */
    const char *source;            /* of rows without one */
    bool round;
    bool skips_empty;   /* rows without a value, instead of refusing them */
    bool decimal_comma; /* in values and durations */
    metric_find_fn *metric_find;
    void *context;
    /* metrics that rows had */
    struct plan *plans[PLANS_MAX];
    size_t plan_count;
    const struct plan *last_plan, *default_plan; /* NULL: none */
    int columns[SLOT_COUNT];                     /* of the file at hand */
    /* the row at hand */
    const struct csv_field *fields;
    struct csv_field row_user, row_source;
    struct known_text known_user, known_source; /* of the last row that was taken */
    bool is_same_person;                        /* they are this row's, too */
    struct import_sample sample; /* its texts are borrowed from the row */
    holter_value values[HOLTER_FIELDS_MAX];
    const char *problem_column; /* NULL: the problem is the whole row's */
    char problem[IMPORT_PROBLEM_BYTES_MAX];
    holter_error err;
};

enum mapped_result {
    MAPPED_OK,
    MAPPED_EMPTY,   /* it has no value, and such rows are passed over */
    MAPPED_REFUSED, /* `problem` says why */
    MAPPED_FAILED,  /* a metric could not be looked up: `err` */
    MAPPED_NO_MEMORY,
};

/** Rows without a metric column are of this one; REFUSED: the mapping or --duration does not fit. */
enum mapped_result mapped_default(struct mapped_reader *reader, const holter_metric *metric);
/** Find the columns in a file's header. */
enum mapped_result mapped_bind(struct mapped_reader *reader, const struct csv_field *header,
                               size_t count);
/** The row's user, source and sample. `fields` are as many as the header's. */
enum mapped_result mapped_row_read(struct mapped_reader *reader, const struct csv_field *fields);
/** Frees the plans. */
void mapped_release(struct mapped_reader *reader);

#endif
