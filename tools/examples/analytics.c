/*
 * analytics.c -- reading: a user's heart rate, column by column, as it stood at one moment.
 *
 *     analytics STORE USER
 *
 *     cc analytics.c $(pkg-config --cflags --libs holter)
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <holter/holter.h>

struct figures {
    size_t rows;
    int64_t sum, min, max;
};

static int fail(const holter_error *err)
{
    fprintf(stderr, "analytics: %s\n", err->message);
    return 1;
}

/* Columns are plain arrays, so this loop is as fast as memory. */
static void add_up(struct figures *figures, const holter_columns *columns)
{
    const int64_t *bpm = columns->fields[0].integer;
    for (size_t i = 0; i < columns->count; i++) {
        figures->sum += bpm[i];
        if (figures->rows == 0 || bpm[i] < figures->min)
            figures->min = bpm[i];
        if (figures->rows == 0 || bpm[i] > figures->max)
            figures->max = bpm[i];
        figures->rows++;
    }
}

static holter_status scan(struct figures *figures, holter_snapshot *snapshot,
                          const holter_scan_spec *spec, holter_error *err)
{
    holter_cursor *cursor;
    holter_columns columns; /* borrowed until the next call */
    holter_status status = holter_scan(&cursor, snapshot, spec, err);
    if (status != HOLTER_OK)
        return status;
    while ((status = holter_cursor_next(cursor, &columns, err)) == HOLTER_OK)
        add_up(figures, &columns);
    holter_cursor_close(cursor);
    return status == HOLTER_DONE ? HOLTER_OK : status; /* else what came is not all */
}

static holter_status print_latest(holter_snapshot *snapshot, const holter_scan_spec *spec,
                                  holter_error *err)
{
    holter_cursor *cursor;
    holter_columns columns;
    holter_status status =
        holter_latest(&cursor, snapshot, spec->user, spec->metric, spec->source, err);
    if (status != HOLTER_OK)
        return status;
    status = holter_cursor_next(cursor, &columns, err);
    if (status == HOLTER_OK)
        printf("latest: %" PRId64 " at %" PRId64 " s\n", columns.fields[0].integer[0],
               columns.time_ns[0] / 1000000000);
    holter_cursor_close(cursor);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static holter_status report(holter_store *store, const char *user_id, holter_error *err)
{
    holter_metric metric;
    holter_snapshot *snapshot;
    struct figures figures = { 0 };
    holter_scan_spec spec = { .from_ns = HOLTER_TIME_MIN, .to_ns = HOLTER_TIME_MAX };
    holter_status status = holter_metric_find(store, "heart_rate", &metric, err);
    if (status == HOLTER_OK)
        status = holter_user_find(store, user_id, strlen(user_id), &spec.user, err);
    if (status == HOLTER_OK)
        status = holter_snapshot_open(&snapshot, store, err);
    if (status != HOLTER_OK)
        return status;

    spec.metric = metric.number;
    status = scan(&figures, snapshot, &spec, err);
    if (status == HOLTER_OK && figures.rows > 0)
        printf("%zu rows, %" PRId64 " to %" PRId64 ", mean %.2f\n", figures.rows, figures.min,
               figures.max, (double)figures.sum / (double)figures.rows);
    if (status == HOLTER_OK)
        status = print_latest(snapshot, &spec, err);
    holter_snapshot_close(snapshot);
    return status;
}

int main(int count, char **arguments)
{
    holter_error err = { 0 };
    holter_store *store;
    const holter_options options = { .read_only = 1 };
    if (count != 3) {
        fprintf(stderr, "usage: analytics STORE USER\n");
        return 2;
    }
    if (holter_open(&store, arguments[1], &options, &err) != HOLTER_OK)
        return fail(&err);
    holter_status status = report(store, arguments[2], &err);
    holter_close(store);
    return status == HOLTER_OK ? 0 : fail(&err);
}
