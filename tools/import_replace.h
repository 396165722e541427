/*
 * import_replace.h -- files that are the whole set again, published anew from time to time.
 *
 * A publication has a revision: its time. Each user's part of a file takes the place of all that
 * the source held of that user in the file's metrics; users whom the file no longer names lose
 * theirs.
 *
 *   U1  A user's part is replaced at once: one batch holds the deletion and the rows.
 *   U2  The store notes the newest publication of each kind of file that was imported to its end,
 *       as a sample of the metric holter_publication of the user REPLACE_USER. An older one changes
 *       nothing then. So the content after any order of imports is that of the newest, also of
 *       users who are in older ones only.
 *   U3  The note is written before vanished users are looked for, and looked at again after the
 *       last commit: of two imports at a time, the one that ends last hides what the older one
 *       brought.
 *
 * Memory follows from the largest part of a user, REPLACE_ROWS_MAX samples at most, and the ids of
 * a file. Threads: one at a time.
 */
#ifndef TOOLS_IMPORT_REPLACE_H
#define TOOLS_IMPORT_REPLACE_H

#include "import_preset.h"
#include "import_rows.h"

enum { REPLACE_ROWS_MAX = 1 << 20 };

/** Not an id that a vendor gives. */
#define REPLACE_USER "holter:publications"

struct replace {
    holter_store *store; /* borrowed */
    const char *region, *source;
    const struct preset_reader *reader; /* of the file at hand */
    struct import_counts *counts;
    holter_batch *batch;
    int64_t revision; /* of the file at hand: milliseconds since 1970 */
    int64_t newest;   /* that the store has of this kind; INT64_MIN: none */
    holter_metric note;
    struct names users; /* of the file */
    int64_t user;       /* the one at hand: index, or NAMES_MISSING */
    uint32_t user_source;
};

/** Strings and counts borrowed. Returns TOOL_OK or the exit code, said. Then or not:
    replace_release. */
int replace_init(struct replace *replace, holter_store *store, const char *region,
                 const char *source, struct import_counts *counts);
void replace_release(struct replace *replace);

/** Begin a file whose kind and metrics `reader` knows. Returns TOOL_OK or the exit code, said. */
int replace_file_begin(struct replace *replace, const struct preset_reader *reader,
                       int64_t revision);
/**
 * The samples of a row. *problem not NULL: the file cannot be taken, why. Returns TOOL_OK or the
 * exit code, said.
 */
int replace_row(struct replace *replace, const char **problem);
/**
 * The file is at its end, or (not `is_whole`) was left: the user at hand is left as it was then.
 * Returns TOOL_OK or the exit code, said.
 */
int replace_file_end(struct replace *replace, bool is_whole);

/**
 * The revision that a path tells: that of its last part named export-YYYY-MM-DDTHHMM, UTC. false:
 * there is none.
 */
bool replace_revision_of_path(int64_t *out, const char *path);
/** RFC 3339 or a date, whole seconds after 1970. */
bool replace_revision_read(int64_t *out, const char *text);

#endif
