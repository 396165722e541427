/*
 * import_pair.h -- two sets of rows: one is filled while a thread stores the other.
 *
 *   R3  Sets are stored one at a time, in the order in which they were filled; after one that failed, or
 *       had a row that ends the import, none is.
 *
 * Threads: one at a time. `refused` is called in another one, only between import_pair_next and the next
 * import_pair_wait: what both touch is touched after a wait.
 */
#ifndef TOOLS_IMPORT_PAIR_H
#define TOOLS_IMPORT_PAIR_H

#include <pthread.h>

#include "import_rows.h"

struct import_pair {
    struct import_rows sets[2];
    size_t filled; /* index of the one that is filled */
    pthread_t thread;
    bool has_thread; /* else sets are stored by who fills them */
    bool has_mutex;  /* and what it is changed by */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct import_rows *stored; /* by the thread now; NULL: none */
    bool is_over;
    /* of the last set that the thread stored, until somebody waits for it */
    struct import_rows *done;
    holter_status status;
};

/** As import_rows_init. Then or not: import_pair_release. */
int import_pair_init(struct import_pair *pair, holter_store *store, const char *region, bool exact,
                     import_refused_fn *refused, void *context);
void import_pair_release(struct import_pair *pair);

/** The set to fill; until import_pair_next. */
struct import_rows *import_pair_rows(struct import_pair *pair);
/** What was handed over is stored. Returns TOOL_OK or the exit code, said. */
int import_pair_wait(struct import_pair *pair);
/**
 * Hand over what was filled, once what was before it is stored, and go on with an empty set. Returns TOOL_OK;
 * or the exit code of what was before it, said: then its rows count as not read.
 */
int import_pair_next(struct import_pair *pair);
/**
 * Store all. *code: of what was handed over before, said; where that failed the rest counts as not read. Returns
 * what became of the rest, not said (import_rows_say).
 */
holter_status import_pair_end(struct import_pair *pair, int *code);
/** Of both. */
struct import_counts import_pair_counts(const struct import_pair *pair);

#endif
