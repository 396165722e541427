/*
 * dump.c -- print every standing sample of a store in the canonical form, through the public
 * interface.
 *
 *     dump STORE [KEYRING]
 *
 * The form and its order: tests/reader/holter_reader.py. The store is opened read-only.
 * Exit codes: 0; 3 damage; 1 other.
 */
#include <stdlib.h>
#include <string.h>

#include "golden_form.h"

struct person {
    uint64_t number;
    char id[HOLTER_USER_ID_BYTES_MAX + 1];
    size_t id_bytes;
};

struct named {
    uint32_t number;
    char name[HOLTER_SOURCE_NAME_BYTES_MAX + 1];
};

static holter_error error;

static _Noreturn void stop(const char *what)
{
    fprintf(stderr, "dump: %s: %s\n", what, error.message);
    exit(error.status == HOLTER_CORRUPT ? 3 : 1);
}

static void *room_for(size_t count, size_t bytes)
{
    void *room = calloc(count == 0 ? 1 : count, bytes);
    if (room == NULL)
        stop("no memory");
    return room;
}

static int compare_people(const void *a, const void *b)
{
    const struct person *x = a, *y = b;
    return golden_compare(x->id, x->id_bytes, y->id, y->id_bytes);
}

static int compare_names(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    return golden_compare(x->name, strlen(x->name), y->name, strlen(y->name));
}

static void dump_columns(const holter_columns *columns, const struct golden_series *series)
{
    for (size_t row = 0; row < columns->count; row++) {
        holter_value values[HOLTER_FIELDS_MAX];
        for (size_t f = 0; f < columns->field_count; f++) {
            if (columns->types[f] == HOLTER_FLOAT) {
                values[f].real = columns->fields[f].real[row];
            } else if (columns->types[f] == HOLTER_TEXT) {
                values[f].text.bytes = columns->fields[f].text[row].bytes;
                values[f].text.count = columns->fields[f].text[row].count;
            } else {
                values[f].integer = columns->fields[f].integer[row];
            }
        }
        golden_print(stdout, series, columns->time_ns[row],
                     columns->duration_ns == NULL ? 0 : columns->duration_ns[row],
                     columns->flags[row], columns->revision[row], values);
    }
}

static void dump_series(holter_snapshot *snapshot, const struct person *person,
                        const holter_metric *metric, const struct named *source)
{
    holter_scan_spec spec = { .user = person->number,
                              .metric = metric->number,
                              .source = source->number };
    struct golden_series series = { person->id, person->id_bytes, metric, source->name };
    holter_cursor *cursor = NULL;
    holter_columns columns;

    if (holter_scan(&cursor, snapshot, &spec, &error) != HOLTER_OK)
        stop("scan");
    holter_status status;
    while ((status = holter_cursor_next(cursor, &columns, &error)) == HOLTER_OK)
        dump_columns(&columns, &series);
    if (status != HOLTER_DONE)
        stop("next");
    holter_cursor_close(cursor);
}

static void dump_person(holter_store *store, holter_snapshot *snapshot, const struct person *person,
                        const struct named *metrics, size_t metric_count)
{
    size_t count = 0;
    if (holter_source_count(store, person->number, &count, &error) != HOLTER_OK)
        stop("sources");
    struct named *sources = room_for(count, sizeof *sources);
    for (size_t i = 0; i < count; i++) {
        holter_source *source = NULL;
        if (holter_source_read(store, person->number, (uint32_t)(i + 1), &source, &error) !=
            HOLTER_OK)
            stop("source");
        sources[i].number = source->number;
        snprintf(sources[i].name, sizeof sources[i].name, "%s", source->name);
        holter_source_free(source);
    }
    qsort(sources, count, sizeof *sources, compare_names);

    for (size_t m = 0; m < metric_count; m++) {
        holter_metric metric;
        if (holter_metric_by_number(store, metrics[m].number, &metric, &error) != HOLTER_OK)
            stop("metric");
        for (size_t s = 0; s < count; s++)
            dump_series(snapshot, person, &metric, &sources[s]);
    }
    free(sources);
}

static struct named *read_metrics(holter_store *store, size_t *count)
{
    *count = holter_metric_count(store);
    struct named *metrics = room_for(*count, sizeof *metrics);
    for (size_t i = 0; i < *count; i++) {
        holter_metric metric;
        if (holter_metric_at(store, i, &metric, &error) != HOLTER_OK)
            stop("metric");
        metrics[i].number = metric.number;
        snprintf(metrics[i].name, sizeof metrics[i].name, "%s", metric.name);
    }
    qsort(metrics, *count, sizeof *metrics, compare_names);
    return metrics;
}

static struct person *read_people(holter_store *store, size_t *count)
{
    size_t all = holter_user_count(store);
    struct person *people = room_for(all, sizeof *people);
    *count = 0;
    for (size_t i = 0; i < all; i++) {
        struct person *person = &people[*count];
        int is_erased = 0;
        if (holter_user_at(store, i, &person->number, &is_erased, &error) != HOLTER_OK)
            stop("user");
        if (is_erased)
            continue;
        if (holter_user_id(store, person->number, person->id, &person->id_bytes, &error) !=
            HOLTER_OK)
            stop("user's id");
        ++*count;
    }
    qsort(people, *count, sizeof *people, compare_people);
    return people;
}

int main(int count, char **arguments)
{
    if (count < 2 || count > 3) {
        fputs("usage: dump STORE [KEYRING]\n", stderr);
        return 2;
    }
    holter_options options = { .keyring_path = count == 3 ? arguments[2] : NULL, .read_only = 1 };
    holter_store *store = NULL;
    holter_snapshot *snapshot = NULL;
    if (holter_open(&store, arguments[1], &options, &error) != HOLTER_OK)
        stop("open");
    if (holter_snapshot_open(&snapshot, store, &error) != HOLTER_OK)
        stop("snapshot");

    size_t people_count, metric_count;
    struct person *people = read_people(store, &people_count);
    struct named *metrics = read_metrics(store, &metric_count);
    fputs(GOLDEN_HEADER, stdout);
    for (size_t i = 0; i < people_count; i++)
        dump_person(store, snapshot, &people[i], metrics, metric_count);

    free(metrics);
    free(people);
    holter_snapshot_close(snapshot);
    holter_close(store);
    return fflush(stdout) == 0 ? 0 : 1;
}
