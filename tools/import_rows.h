/*
 * import_rows.h -- rows that were read and are not yet committed, and what became of all rows.
 *
 * Users and sources that are new are added for all rows together, so ids are kept as they came
 * until then.
 *
 *   R1  Rows are committed in the order in which they came, also across files.
 *   R2  Memory is bounded: rows, values and texts by the constants here, but where a caller asks
 *       for more room; names by IMPORT_NAMES_BYTES_MAX.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_IMPORT_ROWS_H
#define TOOLS_IMPORT_ROWS_H

#include "csv.h"
#include "names.h"
#include "tool.h"

enum {
    IMPORT_ROWS_MAX = 50000,
    IMPORT_VALUES_MAX = 2 * IMPORT_ROWS_MAX,
    IMPORT_RUN_ROWS_MAX = 512,
    IMPORT_TEXT_BYTES_MAX = 16 << 20,
    IMPORT_ROW_TEXT_BYTES_MAX = CSV_LINE_BYTES_MAX,
    IMPORT_NAMES_BYTES_MAX = 64 << 20,
};

/** What became of the rows. */
struct import_counts {
    uint64_t rows, samples, fresh, duplicate, corrected, superseded, flagged, refused, empty,
        not_stored;
};

/** One sample that was read; what it points at is borrowed for a call. */
struct import_sample {
    const holter_metric *metric;
    const holter_value *values; /* metric->field_count of them */
    int64_t time_ns, duration_ns, revision;
    uint16_t flags;
};

struct import_row {
    uint32_t user;   /* index of a name */
    uint32_t source; /* index of a name */
    uint32_t metric;
    uint32_t first_value;
    uint32_t file;
    uint16_t flags;
    /* of the metric */
    int8_t key_field; /* -1 none */
    uint8_t kind, field_count, types[HOLTER_FIELDS_MAX];
    uint32_t rows_read, empty_read; /* of files, up to this one's, since the set was empty */
    uint64_t line;
    int64_t time_ns, duration_ns, revision;
    size_t batch_index; /* SIZE_MAX: refused by the batch */
};

/** Rows of one series that follow each other, in columns. */
struct import_run {
    int64_t time_ns[IMPORT_RUN_ROWS_MAX], duration_ns[IMPORT_RUN_ROWS_MAX];
    int64_t revision[IMPORT_RUN_ROWS_MAX];
    uint16_t flags[IMPORT_RUN_ROWS_MAX];
    union {
        int64_t integer[IMPORT_RUN_ROWS_MAX];
        double real[IMPORT_RUN_ROWS_MAX];
    } fields[HOLTER_FIELDS_MAX];
};

/** A row that the store refuses, and why: whether to go on. */
typedef bool import_refused_fn(void *context, const struct import_row *row, const char *why);
/** What became of a row that the store did not refuse. */
typedef void import_answered_fn(void *context, const struct import_row *row,
                                holter_row_answer answer);

struct import_rows {
    holter_store *store; /* borrowed */
    holter_batch *batch;
    const char *region; /* of new users; NULL: the first */
    import_refused_fn *refused;
    import_answered_fn *answered; /* NULL: rows are counted only */
    void *context;
    holter_error err; /* why the last call failed; no sentence: `refused` was told */
    struct names users, sources;
    size_t users_known, sources_known; /* the first so many have their numbers */
    int64_t last_user, last_source;    /* of the last sample; NAMES_MISSING: none */
    struct import_row *rows;
    size_t row_count, row_room;
    holter_value *values;
    size_t value_count, value_room;
    char *texts;
    size_t text_bytes;
    struct import_counts counts;
    uint64_t rows_before, empty_before; /* counts of them before the rows at hand */
    struct import_run *run;
    bool is_all_or_none; /* a refused row keeps those before it from being committed */
    bool adds_none;      /* rows of users and sources that the store does not have are refused */
};

/** `exact`: answers tell what is new. Strings and context borrowed. Returns TOOL_OK or the exit
    code, said. Then or not: import_rows_release. */
int import_rows_init(struct import_rows *rows, holter_store *store, const char *region, bool exact,
                     import_refused_fn *refused, void *context);
void import_rows_release(struct import_rows *rows);

/** There is room for so many samples with so many values, of one row of a file. */
static inline bool import_rows_have_room(const struct import_rows *rows, size_t row_count,
                                         size_t value_count)
{
    return rows->row_count + row_count <= IMPORT_ROWS_MAX &&
           rows->value_count + value_count <= IMPORT_VALUES_MAX &&
           IMPORT_TEXT_BYTES_MAX - rows->text_bytes >= IMPORT_ROW_TEXT_BYTES_MAX;
}
/** Make room for them beyond what is kept at once otherwise. false: no memory. */
bool import_rows_grow(struct import_rows *rows, size_t row_count, size_t value_count);
static inline bool import_rows_need_room(struct import_rows *rows, size_t row_count,
                                         size_t value_count)
{
    return (row_count <= rows->row_room - rows->row_count &&
            value_count <= rows->value_room - rows->value_count) ||
           import_rows_grow(rows, row_count, value_count);
}

/** Whose the samples that follow are. false: no memory. */
bool import_rows_person(struct import_rows *rows, struct csv_field id, struct csv_field source);
/** They are whose the last ones were; else false. */
static inline bool import_rows_know_person(const struct import_rows *rows)
{
    return rows->last_source >= 0;
}
static inline void import_rows_forget_person(struct import_rows *rows)
{
    rows->last_user = rows->last_source = NAMES_MISSING;
}
/** Take a sample over, for which there is room. */
void import_rows_add(struct import_rows *rows, uint32_t file, uint64_t line,
                     const struct import_sample *sample);

/** Every user and source gets its number. rows->err says why not. */
holter_status import_rows_resolve(struct import_rows *rows);
/**
 * Commit what there is and what the caller put into the batch, and count what became of it. A row
 * that the store refuses is told to `refused`; where that does not go on, rows before that one are
 * committed (or not: is_all_or_none) and those from it on are dropped. rows->err says why it failed:
 * rows are dropped then, too.
 */
holter_status import_rows_store(struct import_rows *rows);
/** The same. Returns TOOL_OK or the exit code, said. */
int import_rows_commit(struct import_rows *rows);
/** Say why a call failed, where that was not said. Returns TOOL_OK or the exit code. */
int import_rows_say(const struct import_rows *rows, holter_status status);
/** Forget what there is, as not stored, and all names. */
void import_rows_drop(struct import_rows *rows);

#endif
