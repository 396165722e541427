/*
 * codec_sort.c -- columns in the order of (time, key, revision, sequence).
 *
 * Rows nearly always arrive in order, so that is looked at first. Otherwise they mostly are a few
 * runs that are in order, from frames or devices: (time, row) pairs are merged run by run, stable,
 * and each column is then moved once.
 */
#include "codec.h"

#include <stdlib.h>
#include <string.h>

struct place {
    int64_t time;
    size_t row;
};

static int compare_rows(const struct columns *c, size_t a, size_t b)
{
    int order = columns_compare(c, a, c, b);
    if (order == 0)
        order = (c->revision[a] > c->revision[b]) - (c->revision[a] < c->revision[b]);
    if (order == 0)
        order = (c->sequence[a] > c->sequence[b]) - (c->sequence[a] < c->sequence[b]);
    return order;
}

bool columns_is_sorted(const struct columns *c, size_t first, size_t count, bool *is_rising)
{
    *is_rising = true;
    for (size_t i = first + 1; i < first + count; i++) {
        if (CORE_LIKELY(c->time[i - 1] < c->time[i]))
            continue;
        *is_rising = false;
        if (compare_rows(c, i - 1, i) > 0)
            return false;
    }
    return true;
}

/* Place a, which came first, may stand before place b. */
static bool is_in_order(const struct columns *c, const struct place *a, const struct place *b)
{
    if (CORE_LIKELY(a->time != b->time))
        return a->time < b->time;
    return compare_rows(c, a->row, b->row) <= 0;
}

/* Two runs, [left, middle) and [middle, end), into one at `out`; which is next takes no branch. */
static void merge_runs(const struct columns *c, struct place *out, const struct place *left,
                       const struct place *middle, const struct place *end)
{
    const struct place *right = middle;
    while (left < middle && right < end) {
        bool takes_left = is_in_order(c, left, right);
        *out++ = *(takes_left ? left : right);
        left += takes_left;
        right += !takes_left;
    }
    memcpy(out, left, (size_t)(middle - left) * sizeof *out);
    memcpy(out + (middle - left), right, (size_t)(end - right) * sizeof *out);
}

/* The places of all rows, and where each run of them begins that is in order; *runs of these. */
static void find_runs(const struct columns *c, struct place *places, size_t *begins, size_t *runs)
{
    *runs = 0;
    for (size_t i = 0; i < c->count; i++) {
        places[i] = (struct place){ .time = c->time[i], .row = i };
        if (i == 0 || !is_in_order(c, &places[i - 1], &places[i]))
            begins[(*runs)++] = i;
    }
    begins[*runs] = c->count;
}

/* Neighbours merged, until one run is left; returns whichever of the two arrays holds it. */
static struct place *sort_places(const struct columns *c, struct place *from, struct place *to,
                                 size_t *begins)
{
    size_t runs;
    find_runs(c, from, begins, &runs);
    while (runs > 1) {
        size_t merged = 0;
        for (size_t i = 0; i < runs; i += 2) {
            size_t middle = begins[i + 1], end = i + 2 <= runs ? begins[i + 2] : middle;
            merge_runs(c, to + begins[i], from + begins[i], from + middle, from + end);
            begins[merged++] = begins[i];
        }
        begins[merged] = c->count;
        runs = merged;
        struct place *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static void move_words(void *column, const struct place *order, uint64_t *scratch, size_t count)
{
    uint64_t *words = column;
    memcpy(scratch, words, count * sizeof *scratch);
    for (size_t i = 0; i < count; i++)
        words[i] = scratch[order[i].row];
}

bool columns_sort(struct columns *c)
{
    bool is_rising;
    if (columns_is_sorted(c, 0, c->count, &is_rising))
        return true;

    size_t count = c->count;
    struct place *places = core_calloc(count, 2 * sizeof *places);
    size_t *begins = core_calloc(count + 1, sizeof *begins);
    if (places == NULL || begins == NULL) {
        free(places);
        free(begins);
        return false;
    }
    struct place *order = sort_places(c, places, places + count, begins);

    /* The half that the order does not lie in has room for any one column. */
    uint64_t *scratch = (uint64_t *)(order == places ? places + count : places);
    move_words(c->time, order, scratch, count);
    if (c->duration != NULL)
        move_words(c->duration, order, scratch, count);
    for (size_t i = 0; i < c->schema.field_count; i++)
        move_words(c->field[i], order, scratch, count);
    move_words(c->revision, order, scratch, count);
    move_words(c->sequence, order, scratch, count);
    uint16_t *flags = (uint16_t *)scratch;
    memcpy(flags, c->flags, count * sizeof *flags);
    for (size_t i = 0; i < count; i++)
        c->flags[i] = flags[order[i].row];

    free(begins);
    free(places);
    return true;
}
