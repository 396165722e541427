/*
 * import_queue.h -- sets of rows: one is filled while a thread stores those before it.
 *
 *   R3  Sets are stored one at a time, in the order in which they were filled; after one that failed, or
 *       had a row that ends the import, none is.
 *
 * Threads: one at a time. `refused` is called in another one, only between import_queue_next and the next
 * import_queue_wait: what both touch is touched after a wait.
 */
#ifndef TOOLS_IMPORT_QUEUE_H
#define TOOLS_IMPORT_QUEUE_H

#include <pthread.h>

#include "import_rows.h"

/** With two, either side waits for the slowest set of the other: measured, 6 to 19 % of the time. */
enum { IMPORT_SETS = 3 };

struct import_queue {
    struct import_rows sets[IMPORT_SETS];
    pthread_t thread;
    bool has_thread; /* else sets are stored by who fills them */
    bool has_mutex;  /* and what it is changed by */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t filled; /* index of the set that is filled */
    size_t full;   /* sets before it that are not stored yet */
    bool is_over;
    const struct import_rows
        *failed; /* the first that did, until that is said; those behind it are forgotten */
    holter_status status; /* of that one */
};

/** As import_rows_init. Then or not: import_queue_release. */
int import_queue_init(struct import_queue *queue, holter_store *store, const char *region,
                      bool exact, import_refused_fn *refused, void *context);
void import_queue_release(struct import_queue *queue);

/** The set to fill; until import_queue_next. */
struct import_rows *import_queue_rows(struct import_queue *queue);
/** What was handed over is stored. Returns TOOL_OK or the exit code, said. */
int import_queue_wait(struct import_queue *queue);
/**
 * Hand over what was filled, and go on with an empty set, once there is one. Returns TOOL_OK; or the
 * exit code of what was before it, said: then its rows count as not read.
 */
int import_queue_next(struct import_queue *queue);
/** Store all that there is, and go on with an empty set. Returns as import_queue_next. */
int import_queue_drain(struct import_queue *queue);
/**
 * Store all. *code: of what was handed over before, said; where that failed the rest counts as not read. Returns
 * what became of the rest, not said (import_rows_say).
 */
holter_status import_queue_end(struct import_queue *queue, int *code);
/** Of all sets. */
struct import_counts import_queue_counts(const struct import_queue *queue);

#endif
