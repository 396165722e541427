/*
 * import_rows.h -- rows that were read and are not yet committed, and what became of all rows.
 *
 * Users and sources that are new are added for all rows together, so ids are kept as they came
 * until then.
 *
 *   R1  Rows are committed in the order in which they came, also across files.
 *   R2  Memory is bounded: rows, values and texts by the constants here, names by
 *       IMPORT_NAMES_BYTES_MAX.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_IMPORT_ROWS_H
#define TOOLS_IMPORT_ROWS_H

#include "names.h"
#include "tool.h"

enum {
    IMPORT_ROWS_MAX = 50000,
    IMPORT_VALUES_MAX = 2 * IMPORT_ROWS_MAX,
    IMPORT_TEXT_BYTES_MAX = 16 << 20,
    IMPORT_NAMES_BYTES_MAX = 64 << 20,
};

/** What became of the rows. */
struct import_counts {
    uint64_t rows, samples, fresh, duplicate, corrected, superseded, flagged, refused, not_stored;
};

struct import_row {
    uint32_t user;   /* index of a name */
    uint32_t source; /* index of a name */
    uint32_t metric;
    int key_field; /* of the metric; -1 none */
    int key_is_text;
    uint32_t first_value;
    uint32_t value_count;
    uint32_t file;
    uint64_t line;
    int64_t time_ns, duration_ns, revision;
    uint16_t flags;
    size_t batch_index; /* SIZE_MAX: refused by the batch */
};

struct import_rows {
    holter_store *store; /* borrowed */
    holter_batch *batch;
    const char *region; /* of new users; NULL: the first */
    struct names users, sources;
    size_t users_known, sources_known; /* the first so many have their numbers */
    struct import_row *rows;
    size_t row_count;
    holter_value *values;
    size_t value_count;
    char *texts;
    size_t text_bytes;
    struct import_counts counts;
    bool row_is_sample; /* else a row of a file can be several */
};

/** Returns TOOL_OK or the exit code, said. Then or not: import_rows_release. */
int import_rows_init(struct import_rows *rows, holter_store *store, const char *region);
void import_rows_release(struct import_rows *rows);

/** There is room for so many rows with so many values, without texts. */
bool import_rows_have_room(const struct import_rows *rows, size_t row_count, size_t value_count);
/** The next row cannot be sure of its room: commit first. */
bool import_rows_full(const struct import_rows *rows);

/** The index of a user's id, and of a source's name of that user; NAMES_MISSING: no memory. */
int64_t import_rows_user(struct import_rows *rows, const char *id, size_t bytes);
int64_t import_rows_source(struct import_rows *rows, uint32_t user, const char *name, size_t bytes);

/** Keep a text until the commit. */
const char *import_rows_keep(struct import_rows *rows, const char *bytes, size_t count);

/**
 * Commit what there is, and count what became of it. A row that the store refuses is told to
 * `refused`, which answers whether to go on; where it does not, rows before that one are committed
 * and those from it on are dropped. Returns TOOL_OK or the exit code, said.
 */
int import_rows_commit(struct import_rows *rows,
                       bool (*refused)(void *context, const struct import_row *row,
                                       const char *why),
                       void *context);

#endif
