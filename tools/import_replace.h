/*
 * import_replace.h -- files that are the whole set again, published anew from time to time.
 *
 * A publication has a revision: its time. Each user's part of a file takes the place of all that
 * the source held of that user in the file's metrics; users whom the file no longer names lose
 * theirs.
 *
 *   U1  A user's part is replaced at once: one batch holds the deletion and the rows. A batch holds
 *       the parts of as many users as fit, so that those who are new are added together.
 *   U2  The store notes the newest publication of each kind of file that was imported to its end,
 *       as a sample of the metric holter_publication of the user REPLACE_USER. An older one changes
 *       nothing then. So the content after any order of imports is that of the newest, also of
 *       users who are in older ones only.
 *   U3  The note is written before vanished users are looked for, and looked at again after the
 *       last commit: of two imports at a time, the one that ends last hides what the older one
 *       brought.
 *
 * Memory follows from the largest part of a user, at most REPLACE_ROWS_MAX samples with
 * REPLACE_TEXT_BYTES_MAX of texts, and the ids of a file. Threads: one at a time.
 */
#ifndef TOOLS_IMPORT_REPLACE_H
#define TOOLS_IMPORT_REPLACE_H

#include "import_preset.h"
#include "import_rows.h"

enum { REPLACE_ROWS_MAX = 1 << 20, REPLACE_TEXT_BYTES_MAX = IMPORT_TEXT_BYTES_MAX / 2 };

/** Not an id that a vendor gives. */
#define REPLACE_USER "holter:publications"

struct replace {
    struct import_rows *rows; /* borrowed; it holds whole parts of users, but for the last */
    const char *source;
    const struct preset_reader *reader; /* of the file at hand */
    holter_batch *batch;                /* of notes, and of users whom the file does not name */
    int64_t revision;                   /* of the file at hand: milliseconds since 1970 */
    int64_t newest;                     /* that the store has of this kind; INT64_MIN: none */
    holter_metric note;
    int64_t user;           /* the one at hand: index of rows->users, or NAMES_MISSING */
    size_t sources_deleted; /* the parts of the first so many of rows->sources are replaced */
    size_t rows_before, text_bytes_before; /* the part at hand */
};

/** All borrowed. Returns TOOL_OK or the exit code, said. Then or not: replace_release. */
int replace_init(struct replace *replace, struct import_rows *rows, const char *source);
void replace_release(struct replace *replace);

/** Begin a file whose kind and metrics `reader` knows. Returns TOOL_OK or the exit code, said. */
int replace_file_begin(struct replace *replace, const struct preset_reader *reader,
                       int64_t revision);
/** The file is older than what the store has: its rows are not to be stored. */
bool replace_is_old(const struct replace *replace);
/**
 * Make room for the samples of the row that the reader is at, and begin its user's part where it is
 * the first. *problem not NULL: the file cannot be taken, why. Returns TOOL_OK or the exit code,
 * said.
 */
int replace_row_begin(struct replace *replace, size_t value_count, const char **problem);
/**
 * The file is at its end, or (not `is_whole`) was left: the users whose parts were not committed
 * are left as they were then. Returns TOOL_OK or the exit code, said.
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
