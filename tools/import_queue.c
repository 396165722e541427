/*
 * import_queue.c -- sets of rows: one is filled while a thread stores those before it.
 *
 *     [ stored now | full | full | filled ]   and round again
 */
#include "import_queue.h"

#include <string.h>

static void forget_as_not_read(struct import_rows *rows)
{
    size_t count = rows->row_count;
    uint64_t rows_before = rows->rows_before, empty_before = rows->empty_before;
    import_rows_drop(rows);
    rows->counts.not_stored -= count;
    rows->counts.samples -= count;
    rows->counts.rows = rows->rows_before = rows_before;
    rows->counts.empty = rows->empty_before = empty_before;
}

/* With the mutex, which it gives back meanwhile. */
static void oldest_store(struct import_queue *queue)
{
    struct import_rows *rows =
        &queue->sets[(queue->filled + IMPORT_SETS - queue->full) % IMPORT_SETS];
    bool is_behind_failure = queue->failed != NULL;
    holter_status status = HOLTER_OK;
    pthread_mutex_unlock(&queue->mutex);
    if (is_behind_failure)
        forget_as_not_read(rows);
    else
        status = import_rows_store(rows);
    pthread_mutex_lock(&queue->mutex);
    if (status != HOLTER_OK) {
        queue->failed = rows;
        queue->status = status;
    }
    queue->full--;
    pthread_cond_broadcast(&queue->changed);
}

static void *store_behind(void *context)
{
    struct import_queue *queue = context;
    pthread_mutex_lock(&queue->mutex);
    while (!queue->is_over || queue->full > 0) {
        if (queue->full > 0)
            oldest_store(queue);
        else
            pthread_cond_wait(&queue->changed, &queue->mutex);
    }
    pthread_mutex_unlock(&queue->mutex);
    return NULL;
}

int import_queue_init(struct import_queue *queue, holter_store *store, const char *region,
                      bool exact, import_refused_fn *refused, void *context)
{
    memset(queue, 0, sizeof *queue);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->changed, NULL);
    queue->has_mutex = true;
    int code = TOOL_OK;
    for (size_t i = 0; i < IMPORT_SETS && code == TOOL_OK; i++)
        code = import_rows_init(&queue->sets[i], store, region, exact, refused, context);
    /* Without it all goes as well, one after the other. */
    queue->has_thread = code == TOOL_OK && thread_start(&queue->thread, store_behind, queue);
    return code;
}

void import_queue_release(struct import_queue *queue)
{
    if (queue->has_thread) {
        pthread_mutex_lock(&queue->mutex);
        queue->is_over = true;
        pthread_cond_broadcast(&queue->changed);
        pthread_mutex_unlock(&queue->mutex);
        pthread_join(queue->thread, NULL);
    }
    for (size_t i = 0; i < IMPORT_SETS; i++)
        import_rows_release(&queue->sets[i]);
    if (queue->has_mutex) {
        pthread_cond_destroy(&queue->changed);
        pthread_mutex_destroy(&queue->mutex);
    }
    queue->has_thread = queue->has_mutex = false;
}

struct import_rows *import_queue_rows(struct import_queue *queue)
{
    return &queue->sets[queue->filled];
}

/* No more than so many are full, and none where one failed. Returns TOOL_OK or the exit code, said. */
static int wait_for(struct import_queue *queue, size_t full_max)
{
    pthread_mutex_lock(&queue->mutex);
    while (queue->full > (queue->failed == NULL ? full_max : 0))
        pthread_cond_wait(&queue->changed, &queue->mutex);
    const struct import_rows *failed = queue->failed;
    holter_status status = queue->status;
    queue->failed = NULL;
    pthread_mutex_unlock(&queue->mutex);
    return failed != NULL ? import_rows_say(failed, status) : TOOL_OK;
}

int import_queue_wait(struct import_queue *queue)
{
    return queue->has_thread ? wait_for(queue, 0) : TOOL_OK;
}

int import_queue_drain(struct import_queue *queue)
{
    int code = import_queue_rows(queue)->row_count > 0 ? import_queue_next(queue) : TOOL_OK;
    return code == TOOL_OK ? import_queue_wait(queue) : code;
}

int import_queue_next(struct import_queue *queue)
{
    struct import_rows *rows = import_queue_rows(queue);
    if (!queue->has_thread)
        return import_rows_commit(rows);
    int code = wait_for(queue, IMPORT_SETS - 2); /* but this one and the one that is filled next */
    if (code != TOOL_OK) {
        forget_as_not_read(rows);
        return code;
    }
    pthread_mutex_lock(&queue->mutex);
    queue->full++;
    queue->filled = (queue->filled + 1) % IMPORT_SETS;
    import_rows_forget_person(import_queue_rows(queue)); /* it is not that of the last row any more */
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
    return TOOL_OK;
}

holter_status import_queue_end(struct import_queue *queue, int *code)
{
    struct import_rows *rows = import_queue_rows(queue);
    *code = import_queue_wait(queue);
    if (*code != TOOL_OK)
        forget_as_not_read(rows);
    return import_rows_store(rows);
}

struct import_counts import_queue_counts(const struct import_queue *queue)
{
    struct import_counts sum = { 0 };
    for (size_t i = 0; i < IMPORT_SETS; i++) {
        const struct import_counts *counts = &queue->sets[i].counts;
        sum.rows += counts->rows;
        sum.samples += counts->samples;
        sum.fresh += counts->fresh;
        sum.duplicate += counts->duplicate;
        sum.corrected += counts->corrected;
        sum.superseded += counts->superseded;
        sum.flagged += counts->flagged;
        sum.refused += counts->refused;
        sum.empty += counts->empty;
        sum.not_stored += counts->not_stored;
    }
    return sum;
}
