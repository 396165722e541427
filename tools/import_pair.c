/*
 * import_pair.c -- two sets of rows: one is filled while a thread stores the other.
 */
#include "import_pair.h"

#include <string.h>

static void *store_behind(void *context)
{
    struct import_pair *pair = context;
    pthread_mutex_lock(&pair->mutex);
    while (!pair->is_over || pair->stored != NULL) {
        struct import_rows *rows = pair->stored;
        if (rows == NULL) {
            pthread_cond_wait(&pair->changed, &pair->mutex);
            continue;
        }
        pthread_mutex_unlock(&pair->mutex);
        holter_status status = import_rows_store(rows);
        pthread_mutex_lock(&pair->mutex);
        pair->status = status;
        pair->done = rows;
        pair->stored = NULL;
        pthread_cond_broadcast(&pair->changed);
    }
    pthread_mutex_unlock(&pair->mutex);
    return NULL;
}

int import_pair_init(struct import_pair *pair, holter_store *store, const char *region, bool exact,
                     import_refused_fn *refused, void *context)
{
    memset(pair, 0, sizeof *pair);
    pthread_mutex_init(&pair->mutex, NULL);
    pthread_cond_init(&pair->changed, NULL);
    pair->has_mutex = true;
    int code = TOOL_OK;
    for (size_t i = 0; i < TOOL_COUNT(pair->sets) && code == TOOL_OK; i++)
        code = import_rows_init(&pair->sets[i], store, region, exact, refused, context);
    /* Without it all goes as well, one after the other. */
    pair->has_thread = code == TOOL_OK && thread_start(&pair->thread, store_behind, pair);
    return code;
}

void import_pair_release(struct import_pair *pair)
{
    if (pair->has_thread) {
        pthread_mutex_lock(&pair->mutex);
        pair->is_over = true;
        pthread_cond_broadcast(&pair->changed);
        pthread_mutex_unlock(&pair->mutex);
        pthread_join(pair->thread, NULL);
    }
    for (size_t i = 0; i < TOOL_COUNT(pair->sets); i++)
        import_rows_release(&pair->sets[i]);
    if (pair->has_mutex) {
        pthread_cond_destroy(&pair->changed);
        pthread_mutex_destroy(&pair->mutex);
    }
    pair->has_thread = pair->has_mutex = false;
}

struct import_rows *import_pair_rows(struct import_pair *pair)
{
    return &pair->sets[pair->filled];
}

int import_pair_wait(struct import_pair *pair)
{
    if (!pair->has_thread)
        return TOOL_OK;
    pthread_mutex_lock(&pair->mutex);
    while (pair->stored != NULL)
        pthread_cond_wait(&pair->changed, &pair->mutex);
    const struct import_rows *done = pair->done;
    holter_status status = pair->status;
    pair->done = NULL;
    pthread_mutex_unlock(&pair->mutex);
    return done != NULL ? import_rows_say(done, status) : TOOL_OK;
}

static void forget_as_not_read(struct import_rows *rows)
{
    size_t count = rows->row_count;
    import_rows_drop(rows);
    rows->counts.not_stored -= count;
    rows->counts.samples -= count;
    if (rows->row_is_sample)
        rows->counts.rows -= count;
}

int import_pair_next(struct import_pair *pair)
{
    struct import_rows *rows = import_pair_rows(pair);
    if (!pair->has_thread)
        return import_rows_commit(rows);
    int code = import_pair_wait(pair);
    if (code != TOOL_OK) {
        forget_as_not_read(rows);
        return code;
    }
    pthread_mutex_lock(&pair->mutex);
    pair->stored = rows;
    pair->filled = 1 - pair->filled;
    pthread_cond_broadcast(&pair->changed);
    pthread_mutex_unlock(&pair->mutex);
    return TOOL_OK;
}

holter_status import_pair_end(struct import_pair *pair, int *code)
{
    struct import_rows *rows = import_pair_rows(pair);
    *code = import_pair_wait(pair);
    if (*code != TOOL_OK)
        forget_as_not_read(rows);
    return import_rows_store(rows);
}

struct import_counts import_pair_counts(const struct import_pair *pair)
{
    struct import_counts sum = pair->sets[0].counts;
    const struct import_counts *other = &pair->sets[1].counts;
    sum.rows += other->rows;
    sum.samples += other->samples;
    sum.fresh += other->fresh;
    sum.duplicate += other->duplicate;
    sum.corrected += other->corrected;
    sum.superseded += other->superseded;
    sum.flagged += other->flagged;
    sum.refused += other->refused;
    sum.not_stored += other->not_stored;
    return sum;
}
