/*
 * series.c -- a store's rows of one metric into arrays.
 */
#include "series.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static holter_status fail(holter_error *err, holter_status status, const char *sentence)
{
    if (err != NULL) {
        err->status = status;
        snprintf(err->message, sizeof err->message, "%s", sentence);
    }
    return status;
}

/* Of elements of `bytes` each, kept on failure. */
static bool grow(void *array, size_t capacity, size_t bytes)
{
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = realloc(old, capacity * bytes);
    if (grown == NULL)
        return false;
    memcpy(array, &grown, sizeof grown);
    return true;
}

static bool reserve_rows(const struct series_set *set, struct series *s, size_t count)
{
    size_t capacity = s->capacity == 0 ? 4096 : s->capacity;
    if (count <= s->capacity)
        return true;
    while (capacity < count) {
        if (capacity > SIZE_MAX / 2 / sizeof(int64_t))
            return false;
        capacity *= 2;
    }
    bool is_grown =
        grow(&s->time_ns, capacity, sizeof *s->time_ns) &&
        grow(&s->flags, capacity, sizeof *s->flags) &&
        (set->kind == HOLTER_INSTANT || grow(&s->duration_ns, capacity, sizeof *s->duration_ns));
    for (size_t f = 0; is_grown && f < set->field_count; f++)
        is_grown =
            set->types[f] == HOLTER_TEXT || grow(&s->fields[f], capacity, sizeof *s->fields[f]);
    if (is_grown)
        s->capacity = capacity;
    return is_grown;
}

/* The series of that source, which is the last one where the cursor goes on in it. */
static struct series *series_of(struct series_set *set, const holter_columns *rows)
{
    struct series *last = set->count == 0 ? NULL : &set->series[set->count - 1];
    if (last != NULL && last->user == rows->user && last->source == rows->source)
        return last;
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 64 : set->capacity * 2;
        if (!grow(&set->series, capacity, sizeof *set->series))
            return NULL;
        set->capacity = capacity;
    }
    size_t person = 0;
    if (set->count > 0) {
        const struct series *before = &set->series[set->count - 1];
        person = before->person + (before->user != rows->user);
    }
    last = &set->series[set->count++];
    *last = (struct series){ .user = rows->user, .person = person, .source = rows->source };
    return last;
}

static bool append(struct series_set *set, const holter_columns *rows)
{
    struct series *s = series_of(set, rows);
    if (s == NULL || !reserve_rows(set, s, s->count + rows->count))
        return false;
    memcpy(s->time_ns + s->count, rows->time_ns, rows->count * sizeof *s->time_ns);
    memcpy(s->flags + s->count, rows->flags, rows->count * sizeof *s->flags);
    if (s->duration_ns != NULL)
        memcpy(s->duration_ns + s->count, rows->duration_ns, rows->count * sizeof *s->duration_ns);
    for (size_t f = 0; f < set->field_count; f++) {
        if (set->types[f] == HOLTER_FLOAT)
            memcpy(s->fields[f] + s->count, rows->fields[f].real, rows->count * sizeof(double));
        else if (set->types[f] != HOLTER_TEXT)
            memcpy(s->fields[f] + s->count, rows->fields[f].integer, rows->count * sizeof(int64_t));
    }
    s->count += rows->count;
    set->rows += rows->count;
    return true;
}

static holter_status read_user(struct series_set *set, holter_snapshot *snapshot, uint64_t user,
                               uint32_t metric, uint64_t rows_max, holter_error *err)
{
    holter_cursor *cursor = NULL;
    holter_columns rows;
    const holter_scan_spec spec = { .user = user, .metric = metric };
    holter_status status = holter_scan(&cursor, snapshot, &spec, err);
    while (status == HOLTER_OK) {
        status = holter_cursor_next(cursor, &rows, err);
        if (status != HOLTER_OK)
            break;
        if (rows_max != 0 && rows.count > rows_max - set->rows)
            status = fail(err, HOLTER_NO_SPACE, "a metric has more rows than may be held at once");
        else if (!append(set, &rows))
            status = fail(err, HOLTER_NO_MEMORY, "no memory for the rows of a metric");
    }
    holter_cursor_close(cursor);
    return status == HOLTER_DONE || status == HOLTER_EXPIRED ? HOLTER_OK : status;
}

struct person {
    uint64_t user;
    char id[HOLTER_USER_ID_BYTES_MAX + 1];
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct person *)a)->id, ((const struct person *)b)->id);
}

/* Those who are not erased, by external id. *out owned: free. */
static holter_status find_people(struct person **out, size_t *count, holter_store *store,
                                 holter_error *err)
{
    size_t users = holter_user_count(store);
    holter_status status = HOLTER_OK;
    *count = 0;
    *out = calloc(users == 0 ? 1 : users, sizeof **out);
    if (*out == NULL)
        return fail(err, HOLTER_NO_MEMORY, "no memory for the users of a store");
    for (size_t i = 0; status == HOLTER_OK && i < users; i++) {
        struct person *person = &(*out)[*count];
        size_t id_bytes;
        int is_erased;
        status = holter_user_at(store, i, &person->user, &is_erased, err);
        if (status != HOLTER_OK || is_erased)
            continue;
        status = holter_user_id(store, person->user, person->id, &id_bytes, err);
        *count += status == HOLTER_OK;
        if (status == HOLTER_EXPIRED) /* since */
            status = HOLTER_OK;
    }
    qsort(*out, *count, sizeof **out, compare_ids);
    return status;
}

static holter_status read_users(struct series_set *set, holter_store *store, uint32_t metric,
                                uint64_t rows_max, holter_error *err)
{
    holter_snapshot *snapshot = NULL;
    struct person *people = NULL;
    size_t count;
    holter_status status = holter_snapshot_open(&snapshot, store, err);
    if (status == HOLTER_OK)
        status = find_people(&people, &count, store, err);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++)
        status = read_user(set, snapshot, people[i].user, metric, rows_max, err);
    free(people);
    holter_snapshot_close(snapshot);
    return status;
}

holter_status series_read(struct series_set *out, const char *path, const char *metric,
                          uint64_t rows_max, holter_error *err)
{
    struct series_set set = { 0 };
    holter_store *store = NULL;
    holter_metric found;
    const holter_options options = { .read_only = 1 };
    holter_status status = holter_open(&store, path, &options, err);
    if (status == HOLTER_OK)
        status = holter_metric_find(store, metric, &found, err);
    if (status == HOLTER_OK) {
        set.kind = found.kind;
        set.field_count = found.field_count;
        for (size_t f = 0; f < found.field_count; f++)
            set.types[f] = found.fields[f].type;
        status = read_users(&set, store, found.number, rows_max, err);
    }
    holter_close(store);
    if (status == HOLTER_OK)
        *out = set;
    else
        series_release(&set);
    return status;
}

void series_release(struct series_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct series *s = &set->series[i];
        free(s->time_ns);
        free(s->duration_ns);
        free(s->flags);
        for (size_t f = 0; f < HOLTER_FIELDS_MAX; f++)
            free(s->fields[f]);
    }
    free(set->series);
    *set = (struct series_set){ 0 };
}

static int compare_gaps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t series_median_gap_ns(const struct series *series)
{
    if (series->count < 2)
        return 0;
    size_t count = series->count - 1;
    int64_t *gaps = malloc(count * sizeof *gaps);
    if (gaps == NULL)
        return 0;
    for (size_t i = 0; i < count; i++)
        gaps[i] = (int64_t)((uint64_t)series->time_ns[i + 1] - (uint64_t)series->time_ns[i]);
    qsort(gaps, count, sizeof *gaps, compare_gaps);
    int64_t median = gaps[(count - 1) / 2];
    free(gaps);
    return median;
}
