/*
 * gateway.c -- an ingest gateway in small: rows come in as text, and are acknowledged in batches.
 *
 *     gateway STORE < rows         a row a line: USER TIME BPM, the time in seconds since 1970 UTC
 *
 * A batch is committed until all of its parts are stored. That is safe: a row that is stored already
 * is a duplicate and does no harm, so a gateway that does not know whether it committed, after a
 * crash say, commits again.
 *
 *     cc gateway.c $(pkg-config --cflags --libs holter)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <holter/holter.h>

enum { BATCH_ROWS = 1000, TRIES_MAX = 8 };

static int64_t answered[HOLTER_SUPERSEDED + 1]; /* rows, by answer */

static int fail(const holter_error *err)
{
    fprintf(stderr, "gateway: %s\n", err->message);
    return 1;
}

/* Later it may work: another process keeps a lock, or there is no room for now. */
static int is_worth_a_try(holter_status status)
{
    return status == HOLTER_BUSY || status == HOLTER_IO || status == HOLTER_NO_SPACE ||
           status == HOLTER_NO_MEMORY;
}

static holter_status commit(holter_store *store, holter_batch *batch, holter_error *err)
{
    struct timespec wait = { .tv_nsec = 50 * 1000 * 1000 };
    holter_status status = holter_commit(store, batch, err);
    for (int tries = 1; is_worth_a_try(status) && tries < TRIES_MAX; tries++) {
        nanosleep(&wait, NULL);
        status = holter_commit(store, batch, err); /* the parts that are not stored yet */
    }
    return status;
}

/* Commit, count the answers, and begin anew. What failed for good is counted as pending. */
static holter_status finish(holter_store *store, holter_batch *batch, size_t rows,
                            holter_error *err)
{
    holter_status status = commit(store, batch, err);
    for (size_t i = 0; i < rows; i++)
        answered[holter_batch_answer(batch, i).answer]++;
    holter_batch_clear(batch);
    return status;
}

/* A line as it came in. */
struct line {
    char text[512];
    char *user_id; /* within text */
    int64_t time_s, bpm;
};

/* 0: this is no row. Users are never named in a message: ids stay in the store's vault. */
static int line_cut(struct line *line)
{
    char *end;
    line->user_id = strtok(line->text, " \n");
    const char *time = strtok(NULL, " \n");
    const char *bpm = strtok(NULL, " \n");
    if (bpm == NULL)
        return 0;
    line->time_s = strtoll(time, &end, 10);
    if (*end != '\0' || line->time_s < 0 || line->time_s > INT64_MAX / 1000000000 - 1)
        return 0;
    line->bpm = strtoll(bpm, &end, 10);
    return *end == '\0';
}

static holter_status add(holter_store *store, holter_batch *batch, uint32_t metric,
                         const struct line *line, holter_error *err)
{
    holter_id id = { line->user_id, strlen(line->user_id) };
    holter_value value = { .integer = line->bpm };
    holter_row row = {
        .metric = metric, .time_ns = line->time_s * 1000000000, .values = &value, .value_count = 1
    };
    holter_status status = holter_users_add(store, &id, 1, NULL, &row.user, err);
    if (status == HOLTER_OK)
        status = holter_source_need(store, row.user, "watch", &row.source, err);
    if (status == HOLTER_OK)
        status = holter_batch_add(batch, &row, NULL, err);
    return status;
}

static holter_status take_all(holter_store *store, holter_batch *batch, holter_error *err)
{
    struct line line;
    size_t rows = 0;
    holter_metric metric;
    holter_status status = holter_metric_find(store, "heart_rate", &metric, err);
    for (size_t at = 1; status == HOLTER_OK && fgets(line.text, sizeof line.text, stdin); at++) {
        if (!line_cut(&line)) {
            fprintf(stderr, "gateway: line %zu: expected USER TIME BPM; left out\n", at);
            continue;
        }
        status = add(store, batch, metric.number, &line, err);
        if (status == HOLTER_OK && ++rows == BATCH_ROWS) {
            status = finish(store, batch, rows, err);
            rows = 0;
        }
    }
    if (status == HOLTER_OK)
        status = finish(store, batch, rows, err);
    return status;
}

int main(int count, char **arguments)
{
    holter_error err = { 0 };
    holter_store *store;
    holter_batch *batch;
    if (count != 2) {
        fprintf(stderr, "usage: gateway STORE < rows\n");
        return 2;
    }
    if (holter_open(&store, arguments[1], NULL, &err) != HOLTER_OK)
        return fail(&err);
    /* Exact answers tell new rows from duplicates; they cost a read for each block touched. */
    holter_batch_options exact = { .exact = 1 };
    holter_status status = holter_batch_new(&batch, store, &exact, &err);
    if (status == HOLTER_OK) {
        status = take_all(store, batch, &err);
        holter_batch_free(batch);
    }
    holter_close(store);
    printf("%" PRId64 " new, %" PRId64 " duplicate, %" PRId64 " corrected, %" PRId64
           " superseded, %" PRId64 " not stored\n",
           answered[HOLTER_NEW], answered[HOLTER_DUPLICATE], answered[HOLTER_CORRECTED],
           answered[HOLTER_SUPERSEDED], answered[HOLTER_PENDING]);
    return status == HOLTER_OK ? 0 : fail(&err);
}
