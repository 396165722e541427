/*
 * codec_sort.c -- columns in the order of (time, key, revision, sequence).
 *
 * Rows nearly always arrive in order, so that is looked at first. Otherwise a merge sort orders
 * (time, row) pairs - stable, and halves that already follow each other are not touched - and each
 * column is then moved once.
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

static bool is_sorted(const struct columns *c)
{
    for (size_t i = 1; i < c->count; i++) {
        if (c->time[i - 1] < c->time[i])
            continue;
        if (compare_rows(c, i - 1, i) > 0)
            return false;
    }
    return true;
}

/* Place a may stand before place b, which came after it. */
static bool is_in_order(const struct columns *c, const struct place *a, const struct place *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    return compare_rows(c, a->row, b->row) <= 0;
}

static void merge_halves(const struct columns *c, struct place *out, const struct place *in,
                         size_t left_count, size_t count)
{
    if (left_count == count || is_in_order(c, &in[left_count - 1], &in[left_count])) {
        memcpy(out, in, count * sizeof *out);
        return;
    }
    size_t left = 0, right = left_count;
    for (size_t i = 0; i < count; i++) {
        bool takes_left =
            right == count || (left < left_count && is_in_order(c, &in[left], &in[right]));
        out[i] = in[takes_left ? left++ : right++];
    }
}

/* Bottom up; returns whichever of the two arrays holds the order in the end. */
static struct place *sort_places(const struct columns *c, struct place *from, struct place *to)
{
    for (size_t width = 1; width < c->count; width *= 2) {
        for (size_t first = 0; first < c->count; first += 2 * width) {
            size_t left = c->count - first;
            size_t count = left < 2 * width ? left : 2 * width;
            merge_halves(c, to + first, from + first, count < width ? count : width, count);
        }
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
    if (is_sorted(c))
        return true;

    size_t count = c->count;
    struct place *places = core_calloc(count, 2 * sizeof *places);
    if (places == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        places[i] = (struct place){ .time = c->time[i], .row = i };
    struct place *order = sort_places(c, places, places + count);

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

    free(places);
    return true;
}
