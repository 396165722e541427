/*
 * merge_tombstones.c -- lists of tombstones: what each hides, which are needless, their bytes.
 *
 * One covers another if it hides, within a span and a scope at least as wide, every row that the
 * other hides. By M2:
 *
 *     covers          | none, sequence s                 | revision r, sequence s
 *     ----------------+----------------------------------+------------------------------------
 *     none, S         | S >= s                           | never, as every sequence of a lower
 *                     |                                  | revision is hidden; unless r is the
 *                     |                                  | lowest of all: S >= s
 *     revision R, S   | never, as every revision is      | (R, S) >= (r, s)
 *                     | hidden; unless R is the highest  |
 *                     | of all: S >= s                   |
 *
 * Bytes: format-spec/columns.md, "Tombstones". Tests: tests/unit/test_merge_tombstones.c.
 */
#include "merge.h"

#include <stdlib.h>

enum { TOMBSTONE_BYTES_MIN = 6 };

void tombstones_init(struct tombstones *t)
{
    *t = (struct tombstones){ 0 };
}

void tombstones_release(struct tombstones *t)
{
    free(t->at);
    tombstones_init(t);
}

bool tombstones_add(struct tombstones *t, const struct tombstone *one)
{
    core_assert(one->begin < one->end);
    core_assert(one->metric != 0 || one->source == 0);
    void *at = t->at;
    bool grown = core_grow(&at, &t->capacity, t->count + 1, sizeof *t->at);
    t->at = at;
    if (grown)
        t->at[t->count++] = *one;
    return grown;
}

bool tombstone_applies(const struct tombstone *t, uint32_t metric, uint32_t source)
{
    if (t->metric == 0)
        return true;
    return t->metric == metric && (t->source == 0 || t->source == source);
}

bool tombstone_hides(const struct tombstone *t, int64_t time, int64_t revision, uint64_t sequence)
{
    if (time < t->begin || time >= t->end)
        return false;
    if (t->revision == 0 || revision == t->revision)
        return sequence < t->sequence;
    return revision < t->revision;
}

/* ---- coalescing ------------------------------------------------------------------------------ */

/* The table above; spans and scopes aside. */
static bool is_as_strong(const struct tombstone *a, const struct tombstone *b)
{
    bool is_cross = (a->revision == 0) != (b->revision == 0);
    if (is_cross && b->revision != INT64_MIN && a->revision != INT64_MAX)
        return false;
    if (is_cross || a->revision == b->revision)
        return a->sequence >= b->sequence;
    return a->revision > b->revision;
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_scopes(const struct tombstone *a, const struct tombstone *b)
{
    int order = COMPARE(a->metric, b->metric);
    return order != 0 ? order : COMPARE(a->source, b->source);
}

static int compare_stored(const void *left, const void *right)
{
    const struct tombstone *a = left, *b = right;
    int order = compare_scopes(a, b);
    if (order == 0)
        order = COMPARE(a->begin, b->begin);
    if (order == 0)
        order = COMPARE(a->end, b->end);
    if (order == 0)
        order = COMPARE(a->revision, b->revision);
    if (order == 0)
        order = COMPARE(a->sequence, b->sequence);
    return order;
}

/* Of one span: the highest revision of all first, then those without one, then falling. */
static int strength_class(const struct tombstone *t)
{
    if (t->revision == INT64_MAX)
        return 2;
    return t->revision == 0;
}

/*
 * No tombstone comes before one that covers it, equal ones aside: wide before narrow, strong before
 * weak.
 */
static int compare_covering(const void *left, const void *right)
{
    const struct tombstone *a = left, *b = right;
    int order = compare_scopes(a, b);
    if (order == 0)
        order = COMPARE(a->begin, b->begin);
    if (order == 0)
        order = COMPARE(b->end, a->end);
    if (order == 0)
        order = COMPARE(strength_class(b), strength_class(a));
    if (order == 0)
        order = COMPARE(b->revision, a->revision);
    if (order == 0)
        order = COMPARE(b->sequence, a->sequence);
    return order;
}

/* Kept tombstones of one scope, rising by begin. */
struct scope {
    size_t first, end;
};

/*
 * One of the scope covers `one`. Looking back from the last that begins no later; end_max, if there
 * was memory for it, holds the greatest end of the scope so far and ends the search: among nights
 * that hardly overlap, at once.
 */
static bool scope_covers(const struct tombstone *at, const int64_t *end_max, struct scope scope,
                         const struct tombstone *one)
{
    size_t low = scope.first, high = scope.end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at[middle].begin <= one->begin)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low; i > scope.first; i--) {
        if (end_max != NULL && end_max[i - 1] < one->end)
            return false;
        if (at[i - 1].end >= one->end && is_as_strong(&at[i - 1], one))
            return true;
    }
    return false;
}

enum { SCOPE_USER, SCOPE_METRIC, SCOPE_SOURCE, SCOPE_COUNT };

static size_t scope_of(const struct tombstone *t)
{
    if (t->metric == 0)
        return SCOPE_USER;
    return t->source == 0 ? SCOPE_METRIC : SCOPE_SOURCE;
}

void tombstones_coalesce(struct tombstones *t)
{
    if (t->count < 2)
        return;
    qsort(t->at, t->count, sizeof *t->at, compare_covering);

    /*
     * What is kept moves to the front; the scopes at hand are parts of it. Without memory only
     * slower.
     */
    int64_t *end_max = core_calloc(t->count, sizeof *end_max);
    struct scope scopes[SCOPE_COUNT] = { 0 };
    struct tombstone before = { 0 };
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct tombstone one = t->at[i];
        size_t scope = scope_of(&one);
        if (one.metric != before.metric)
            scopes[SCOPE_METRIC] = (struct scope){ kept, kept };
        if (compare_scopes(&one, &before) != 0)
            scopes[scope] = (struct scope){ kept, kept };
        before = one;

        bool is_covered = false;
        for (size_t wide = 0; wide <= scope && !is_covered; wide++)
            is_covered = scope_covers(t->at, end_max, scopes[wide], &one);
        if (is_covered)
            continue;
        t->at[kept] = one;
        if (end_max != NULL) {
            bool is_first = kept == scopes[scope].first;
            end_max[kept] = is_first || one.end > end_max[kept - 1] ? one.end : end_max[kept - 1];
        }
        scopes[scope].end = ++kept;
    }
    free(end_max);
    t->count = kept;
    qsort(t->at, t->count, sizeof *t->at, compare_stored);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

void tombstones_encode(struct buffer *out, const struct tombstones *t, uint64_t sequence_base)
{
    buffer_append_varint(out, t->count);
    for (size_t i = 0; i < t->count; i++) {
        const struct tombstone *one = &t->at[i];
        core_assert(one->sequence >= sequence_base);
        buffer_append_varint(out, one->metric);
        buffer_append_varint(out, one->source);
        buffer_append_zigzag(out, one->begin);
        buffer_append_varint(out, (uint64_t)one->end - (uint64_t)one->begin);
        buffer_append_zigzag(out, one->revision);
        buffer_append_varint(out, one->sequence - sequence_base);
    }
}

static holter_status tombstone_decode(struct tombstone *out, struct reader *r,
                                      uint64_t sequence_base)
{
    uint64_t metric = get_varint(r);
    uint64_t source = get_varint(r);
    int64_t begin = get_zigzag(r);
    uint64_t length = get_varint(r);
    int64_t revision = get_zigzag(r);
    uint64_t sequence = get_varint(r);

    if (r->overrun || metric > UINT32_MAX || source > UINT32_MAX)
        return HOLTER_CORRUPT;
    if (metric == 0 && source != 0)
        return HOLTER_CORRUPT;
    if (length == 0 || length > (uint64_t)INT64_MAX - (uint64_t)begin)
        return HOLTER_CORRUPT;
    if (!checked_add_u64(&sequence, sequence, sequence_base))
        return HOLTER_CORRUPT;
    *out = (struct tombstone){
        .metric = (uint32_t)metric,
        .source = (uint32_t)source,
        .begin = begin,
        .end = wrap_add_i64(begin, (int64_t)length),
        .revision = revision,
        .sequence = sequence,
    };
    return HOLTER_OK;
}

holter_status tombstones_decode(struct tombstones *out, struct reader *r, uint64_t sequence_base)
{
    uint64_t count = get_varint(r);
    if (r->overrun || count > r->left / TOMBSTONE_BYTES_MIN)
        return HOLTER_CORRUPT;

    size_t before = out->count;
    for (uint64_t i = 0; i < count; i++) {
        struct tombstone one;
        holter_status status = tombstone_decode(&one, r, sequence_base);
        if (status == HOLTER_OK && !tombstones_add(out, &one))
            status = HOLTER_NO_MEMORY;
        if (status != HOLTER_OK) {
            out->count = before;
            return status;
        }
    }
    return HOLTER_OK;
}
