/*
 * oracle.c -- what a store must answer, by brute force.
 *
 * Rows lie in a list for each (user, metric, source), in the order in which they were added. That a
 * row is hidden never ends, so it is found out once, when the row or the tombstone comes; which of
 * the others stands is decided each time that somebody asks.
 */
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct held_row {
    struct oracle_row row; /* first: candidates point at it */
    bool is_hidden;
};

struct series {
    uint64_t user;
    uint32_t metric;
    uint32_t source;
    struct held_row *rows;
    size_t count, capacity;
};

struct oracle {
    struct series *series;
    size_t series_count, series_capacity;
    struct oracle_tombstone *tombstones;
    size_t tombstone_count, tombstone_capacity;
    const struct oracle_row **candidates; /* not hidden; then the answer */
    size_t candidate_capacity;
    uint64_t superseded_pruned;
    uint64_t hidden_pruned;
};

static void *require(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "oracle: no memory\n");
        abort();
    }
    return memory;
}

static void *grow(void *array, size_t *capacity, size_t count, size_t bytes)
{
    if (count <= *capacity)
        return array;
    *capacity = count < 8 ? 8 : 2 * count;
    return require(realloc(array, *capacity * bytes));
}

static void *copy(const void *bytes, size_t count)
{
    void *memory = require(malloc(count > 0 ? count : 1));
    if (count > 0)
        memcpy(memory, bytes, count);
    return memory;
}

static void row_release(struct oracle_row *row)
{
    void *text, *payload;
    memcpy(&text, &row->text_key, sizeof text);
    memcpy(&payload, &row->payload, sizeof payload);
    free(text);
    free(payload);
}

struct oracle *oracle_new(void)
{
    return require(calloc(1, sizeof(struct oracle)));
}

static void series_release(struct series *series)
{
    for (size_t i = 0; i < series->count; i++)
        row_release(&series->rows[i].row);
    free(series->rows);
}

void oracle_free(struct oracle *oracle)
{
    if (oracle == NULL)
        return;
    for (size_t i = 0; i < oracle->series_count; i++)
        series_release(&oracle->series[i]);
    free(oracle->series);
    free(oracle->tombstones);
    free(oracle->candidates);
    free(oracle);
}

static struct series *find_series(struct oracle *oracle, uint64_t user, uint32_t metric,
                                  uint32_t source)
{
    for (size_t i = 0; i < oracle->series_count; i++) {
        struct series *series = &oracle->series[i];
        if (series->user == user && series->metric == metric && series->source == source)
            return series;
    }
    return NULL;
}

static bool hides(const struct oracle_tombstone *t, const struct oracle_row *row)
{
    if (t->user != row->user)
        return false;
    if (t->metric != 0 && t->metric != row->metric)
        return false;
    if (t->source != 0 && t->source != row->source)
        return false;
    if (row->time < t->begin || row->time >= t->end)
        return false;
    if (t->revision == 0)
        return row->sequence < t->sequence;
    if (row->revision < t->revision)
        return true;
    return row->revision == t->revision && row->sequence < t->sequence;
}

static bool is_hidden(const struct oracle *oracle, const struct oracle_row *row)
{
    for (size_t i = 0; i < oracle->tombstone_count; i++) {
        if (hides(&oracle->tombstones[i], row))
            return true;
    }
    return false;
}

void oracle_add_row(struct oracle *oracle, const struct oracle_row *row)
{
    struct series *series = find_series(oracle, row->user, row->metric, row->source);
    if (series == NULL) {
        oracle->series = grow(oracle->series, &oracle->series_capacity, oracle->series_count + 1,
                              sizeof *oracle->series);
        series = &oracle->series[oracle->series_count++];
        *series =
            (struct series){ .user = row->user, .metric = row->metric, .source = row->source };
    }
    series->rows = grow(series->rows, &series->capacity, series->count + 1, sizeof *series->rows);
    struct held_row *mine = &series->rows[series->count++];
    mine->row = *row;
    mine->is_hidden = is_hidden(oracle, row);
    if (row->text_key != NULL)
        mine->row.text_key = copy(row->text_key, row->text_key_bytes);
    mine->row.payload = copy(row->payload, row->payload_bytes);
}

void oracle_add_tombstone(struct oracle *oracle, const struct oracle_tombstone *tombstone)
{
    oracle->tombstones = grow(oracle->tombstones, &oracle->tombstone_capacity,
                              oracle->tombstone_count + 1, sizeof *oracle->tombstones);
    oracle->tombstones[oracle->tombstone_count++] = *tombstone;
    for (size_t s = 0; s < oracle->series_count; s++) {
        struct series *series = &oracle->series[s];
        for (size_t i = 0; i < series->count; i++) {
            if (hides(tombstone, &series->rows[i].row))
                series->rows[i].is_hidden = true;
        }
    }
}

void oracle_forget_user(struct oracle *oracle, uint64_t user)
{
    size_t kept = 0;
    for (size_t i = 0; i < oracle->series_count; i++) {
        if (oracle->series[i].user == user)
            series_release(&oracle->series[i]);
        else
            oracle->series[kept++] = oracle->series[i];
    }
    oracle->series_count = kept;
    kept = 0;
    for (size_t i = 0; i < oracle->tombstone_count; i++) {
        if (oracle->tombstones[i].user != user)
            oracle->tombstones[kept++] = oracle->tombstones[i];
    }
    oracle->tombstone_count = kept;
}

static int compare_identities(const struct oracle_row *a, const struct oracle_row *b)
{
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    size_t shorter = a->text_key_bytes < b->text_key_bytes ? a->text_key_bytes : b->text_key_bytes;
    int order = shorter == 0 ? 0 : memcmp(a->text_key, b->text_key, shorter);
    if (order != 0)
        return order;
    return (a->text_key_bytes > b->text_key_bytes) - (a->text_key_bytes < b->text_key_bytes);
}

/*
 * By identity, then the one that stands first; rows of a series lie in the order of their addition.
 */
static int compare_candidates(const void *left, const void *right)
{
    const struct oracle_row *a = *(const struct oracle_row *const *)left;
    const struct oracle_row *b = *(const struct oracle_row *const *)right;
    int order = compare_identities(a, b);
    if (order != 0)
        return order;
    if (a->revision != b->revision)
        return a->revision > b->revision ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence > b->sequence ? -1 : 1;
    return a > b ? -1 : 1;
}

/*
 * The rows of a series that are not hidden, begin before `to`, and from `from` on where nothing
 * asks for earlier ones, in the order above.
 */
static size_t collect(struct oracle *oracle, const struct series *series, int64_t from, int64_t to)
{
    oracle->candidates = grow(oracle->candidates, &oracle->candidate_capacity, series->count + 1,
                              sizeof *oracle->candidates);
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        const struct oracle_row *row = &series->rows[i].row;
        if (row->time >= from && row->time < to && !series->rows[i].is_hidden)
            oracle->candidates[count++] = row;
    }
    qsort(oracle->candidates, count, sizeof *oracle->candidates, compare_candidates);
    return count;
}

static bool stands(const struct oracle *oracle, size_t at)
{
    return at == 0 || compare_identities(oracle->candidates[at - 1], oracle->candidates[at]) != 0;
}

static int64_t end_of(const struct oracle_row *row)
{
    bool is_over = row->duration > 0 && row->time > INT64_MAX - row->duration;
    return is_over ? INT64_MAX : row->time + row->duration;
}

const struct oracle_row *const *oracle_ask(struct oracle *oracle, uint64_t user, uint32_t metric,
                                           uint32_t source, int64_t from, int64_t to,
                                           int64_t ends_after, size_t *count)
{
    *count = 0;
    const struct series *series = find_series(oracle, user, metric, source);
    if (series == NULL)
        return NULL;
    size_t candidates = collect(oracle, series, ends_after == INT64_MAX ? from : INT64_MIN, to);
    const struct oracle_row *last = NULL;
    size_t standing = 0;
    for (size_t i = 0; i < candidates; i++) {
        const struct oracle_row *row = oracle->candidates[i];
        bool is_first = last == NULL || compare_identities(last, row) != 0;
        last = row;
        if (is_first && (row->time >= from || end_of(row) > ends_after))
            oracle->candidates[standing++] = row;
    }
    *count = standing;
    return oracle->candidates;
}

/* Hidden or superseded, of one series; with `prunes` these rows go. */
static void count_series(struct oracle *oracle, struct series *series, bool prunes,
                         uint64_t *superseded, uint64_t *hidden)
{
    size_t before = series->count;
    size_t candidates = collect(oracle, series, INT64_MIN, INT64_MAX);
    size_t standing = 0;
    for (size_t i = 0; i < candidates; i++)
        standing += stands(oracle, i);
    *hidden += before - candidates;
    *superseded += candidates - standing;
    if (!prunes || standing == before)
        return;

    struct held_row *rows = require(malloc((standing + 1) * sizeof *rows));
    bool *is_kept = require(calloc(before + 1, sizeof *is_kept));
    for (size_t i = 0; i < candidates; i++) {
        const struct held_row *held = (const struct held_row *)(const void *)oracle->candidates[i];
        if (stands(oracle, i))
            is_kept[held - series->rows] = true;
    }
    size_t kept = 0;
    for (size_t i = 0; i < before; i++) {
        if (is_kept[i])
            rows[kept++] = series->rows[i];
        else
            row_release(&series->rows[i].row);
    }
    free(is_kept);
    free(series->rows);
    series->rows = rows;
    series->count = kept;
    series->capacity = standing + 1;
}

void oracle_prune(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->series_count; i++)
        count_series(oracle, &oracle->series[i], true, &oracle->superseded_pruned,
                     &oracle->hidden_pruned);
}

struct oracle_counts oracle_count(struct oracle *oracle)
{
    struct oracle_counts counts = {
        .tombstones = oracle->tombstone_count,
        .superseded = oracle->superseded_pruned,
        .hidden = oracle->hidden_pruned,
    };
    for (size_t i = 0; i < oracle->series_count; i++) {
        counts.rows += oracle->series[i].count;
        count_series(oracle, &oracle->series[i], false, &counts.superseded, &counts.hidden);
    }
    return counts;
}
