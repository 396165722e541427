/*
 * codec_array.c -- lists of integers to bytes, in the form that takes the fewest (codec_array_read.c: and back).
 *
 *     constant | packed: base + word, patched | dictionary | changes, of one of these | runs, of two
 *
 * Planning counts what each form would take, from histograms, without writing it: exactly, but for
 * the places of patches, which count as one byte each, their highs where values are further apart
 * than 2^61, and escapes, which count as of full range.
 * The cheapest is written; of equal ones the first. Which form is best where: heart rate is changes,
 * packed in 3 bits with patches; the gaps between its samples a dictionary; sleep stages are runs.
 *
 * A1  No plan counts as more than words of the range's width, which take 8 bytes a value and 13 at
 *     most; what a plan undercounts is a few bytes.
 *
 * Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_pack.c.
 */
#include "codec_impl.h"
#include "codec_lanes.h"

#include <stdlib.h>
#include <string.h>

/* What may stand in what: the greatest code. */
enum array_depth { DEPTH_INNER = ARRAY_DICTIONARY_ESCAPE, DEPTH_LEAF = ARRAY_PACKED };

enum {
    ROWS = ARRAY_ROWS_MAX,
    NARROW = 1024, /* ranges below it are counted value by value */
    OUTSIDE_PART =
        8,          /* so few values outside of such a range, at most, can be patches or escapes */
    SAMPLES = 32,   /* values looked at to tell most from outliers */
    SLOTS = 256,    /* of the table that counts distinct values */
    DISTINCT = 128, /* it takes at most so many; others count as escapes */
    ESCAPE_BITS_MAX = 5,   /* with escapes the list has 2^1 - 1 to 2^5 - 1 entries */
    DICTIONARY_LEAST = 16, /* shorter arrays are not worth a list */
};

/* The values of a list, the commonest first; equally common ones rise. */
struct dictionary {
    int64_t value[DISTINCT];
};

struct array_plan {
    enum array_code code;
    size_t bytes; /* about what it takes */
    int64_t base; /* packed */
    unsigned width;
    bool has_patches;
    size_t entries; /* of dictionaries: so many of a struct dictionary */
};

struct array_range {
    int64_t min, max;
    uint64_t span; /* max - min */
};

static size_t varint_bytes(uint64_t value)
{
    return value == 0 ? 1 : (bits_of(value) + 6) / 7;
}

static size_t zigzag_bytes(int64_t value)
{
    return varint_bytes(zigzag_encode(value));
}

void codec_range(int64_t *min, int64_t *max, const int64_t *values, size_t count)
{
    codec_lanes()->range(min, max, values, count);
}

void codec_fold_values(struct codec_fold *fold, const int64_t *values, size_t count, int64_t low,
                       int64_t high)
{
    core_assert(low <= high);
    codec_lanes()->fold(fold, values, count, low, high);
    codec_fold_from(fold, low);
}

void codec_filter(uint8_t *passes, const int64_t *values, size_t count, int64_t low, int64_t high)
{
    if (low > high)
        memset(passes, 0, count);
    else
        codec_lanes()->filter(passes, values, count, low, (uint64_t)high - (uint64_t)low);
}

size_t codec_places(uint16_t *places, const uint8_t *passes, size_t count)
{
    return codec_lanes()->places(places, passes, count);
}

static struct array_range range_of(const int64_t *values, size_t count)
{
    struct array_range range;
    codec_range(&range.min, &range.max, values, count);
    range.span = (uint64_t)range.max - (uint64_t)range.min;
    return range;
}

/* ---- how often each value comes -------------------------------------------------------------- */

int codec_compare_values(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* A narrow range around the middle ones of a few values, or a wide one where these are far apart. */
static struct array_range range_of_most(const int64_t *values, size_t count)
{
    int64_t few[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++)
        few[i] = values[i * count / SAMPLES];
    qsort(few, SAMPLES, sizeof *few, codec_compare_values);
    int64_t low = few[SAMPLES / 8];
    int64_t high = few[SAMPLES - 1 - SAMPLES / 8];
    uint64_t span = (uint64_t)high - (uint64_t)low;
    int64_t reach = span < NARROW ? (int64_t)(NARROW - 1 - span) / 2 : 0;
    struct array_range most = { saturating_add_i64(low, -reach), saturating_add_i64(high, reach),
                                0 };
    most.span = (uint64_t)most.max - (uint64_t)most.min;
    return most;
}

/* Of the values of a narrow range how many each one is, and how many values lie outside. */
struct tally {
    struct array_range range;
    uint16_t count[NARROW];
    size_t outside;
};

/* In four parts, so that one of equal values need not wait for the other. */
static void tally_count(struct tally *t, const struct array_range *range, const int64_t *values,
                        size_t count)
{
    enum { PARTS = 4 };
    uint16_t part[PARTS][NARROW + 1]; /* the last of each: outside */
    const uint64_t end = range->span + 1;
    for (size_t p = 0; p < PARTS; p++)
        memset(part[p], 0, (end + 1) * sizeof part[p][0]);
    size_t i = 0;
    for (; i + PARTS <= count; i += PARTS) {
        for (size_t p = 0; p < PARTS; p++) {
            uint64_t place = (uint64_t)values[i + p] - (uint64_t)range->min;
            part[p][place < end ? place : end]++;
        }
    }
    for (; i < count; i++) {
        uint64_t place = (uint64_t)values[i] - (uint64_t)range->min;
        part[0][place < end ? place : end]++;
    }
    size_t from = 0; /* without what never comes at either end */
    size_t to = end;
    while (from + 1 < to && (part[0][from] | part[1][from] | part[2][from] | part[3][from]) == 0)
        from++;
    while (to > from + 1 &&
           (part[0][to - 1] | part[1][to - 1] | part[2][to - 1] | part[3][to - 1]) == 0)
        to--;
    for (size_t v = from; v < to; v++)
        t->count[v - from] = (uint16_t)(part[0][v] + part[1][v] + part[2][v] + part[3][v]);
    t->range.min = range->min + (int64_t)from;
    t->range.max = range->min + (int64_t)(to - 1);
    t->range.span = to - 1 - from;
    t->outside = (size_t)part[0][end] + part[1][end] + part[2][end] + part[3][end];
}

/* ---- plans: packed --------------------------------------------------------------------------- */

/* Differences of values in it do not wrap. */
static bool range_is_near(const struct array_range *range)
{
    const int64_t far = (int64_t)1 << 61;
    return range->min > -far && range->max < far;
}

/* No word of `width` bits with so many patches takes less, whatever its base. */
static size_t packed_least(size_t count, unsigned width, size_t patches)
{
    size_t bytes = 2 + 1 + pack_bytes(count, width);
    return patches == 0 ? bytes
                        : bytes + varint_bytes(patches) + patches + 1 + pack_bytes(patches, 1);
}

/* A word of `width` bits over base, and patches for what is outside of it. */
static void try_packed(struct array_plan *best, const struct array_range *range, size_t count,
                       int64_t base, unsigned width, size_t patches)
{
    size_t bytes = 2 + zigzag_bytes(base) + pack_bytes(count, width);
    if (bytes >= best->bytes)
        return;
    if (patches > 0) {
        unsigned high_width = 64 - width;
        if (range_is_near(range)) {
            uint64_t low = zigzag_encode((range->min - base) >> width);
            uint64_t high = zigzag_encode((range->max - base) >> width);
            high_width = bits_of(low > high ? low : high);
        }
        bytes += varint_bytes(patches) + patches + 1 + pack_bytes(patches, high_width);
    }
    if (bytes < best->bytes)
        *best = (struct array_plan){ .code = ARRAY_PACKED,
                                     .bytes = bytes,
                                     .base = base,
                                     .width = width,
                                     .has_patches = patches > 0 };
}

/* Words of `width` bits where the fewest values of a tally are outside of them: so many are inside. */
struct window {
    unsigned width;
    int16_t inside;
    size_t least; /* bytes: packed_least */
};

/* The first place where they are; there is one. Looked for by stretches, a branch each. */
static size_t window_place(const struct window *window, const int16_t *below, size_t span)
{
    enum { STRETCH = 32 };
    size_t reach = (size_t)1 << window->width;
    size_t end = span + 2 - reach;
    for (size_t from = 0;; from += STRETCH) {
        size_t to = from + STRETCH < end ? from + STRETCH : end;
        int16_t is_here = 0;
        core_assert(from < to);
        for (size_t at = from; at < to; at++)
            is_here |= (int16_t)(below[at + reach] - below[at]) == window->inside;
        if (!is_here)
            continue;
        while (below[from + reach] - below[from] != window->inside)
            from++;
        return from;
    }
}

static void try_window(struct array_plan *best, const struct window *window, const int16_t *below,
                       const struct tally *t, size_t count, const struct array_range *range)
{
    size_t at = window_place(window, below, (size_t)t->range.span);
    try_packed(best, range, count, t->range.min + (int64_t)at, window->width,
               count - (size_t)window->inside);
}

/*
 * Every width, at the place where it leaves out the fewest values of the tally; what lies outside of that is left
 * out always. Those that cannot take less than the most promising one are not looked for.
 */
static void plan_narrow(struct array_plan *best, const struct tally *t, size_t count,
                        const struct array_range *range)
{
    int16_t below[NARROW + 1]; /* of values below: below[v + 1] - below[v] have v */
    struct window windows[16] = { { 0 } };
    struct array_plan promising = { .bytes = SIZE_MAX };
    size_t span = (size_t)t->range.span;
    size_t widths = 0, first = 0;
    below[0] = 0;
    for (size_t v = 0; v <= span; v++)
        below[v + 1] = (int16_t)(below[v] + t->count[v]);
    for (; (size_t)1 << widths <= span; widths++) {
        size_t reach = (size_t)1 << widths;
        int16_t most = 0;
        for (size_t from = 0; from + reach <= span + 1; from++) {
            int16_t inside = (int16_t)(below[from + reach] - below[from]);
            most = inside > most ? inside : most;
        }
        windows[widths] = (struct window){
            .width = (unsigned)widths,
            .inside = most,
            .least = packed_least(count, (unsigned)widths, count - (size_t)most),
        };
        first = windows[widths].least < windows[first].least ? widths : first;
    }
    if (widths > 0 && windows[first].least < best->bytes)
        try_window(&promising, &windows[first], below, t, count, range);
    for (size_t i = 0; i < widths; i++) {
        if (windows[i].least < best->bytes && windows[i].least <= promising.bytes)
            try_window(best, &windows[i], below, t, count, range);
    }
    try_packed(best, range, count, t->range.min, bits_of(span), t->outside);
}

/* Words over the least value, and words around zero; by how many bits each value needs there. */
static void plan_wide(struct array_plan *best, const int64_t *values, size_t count,
                      const struct array_range *range)
{
    size_t over_least[65] = { 0 };
    size_t around_zero[65] = { 0 };
    for (size_t i = 0; i < count; i++) {
        over_least[bits_of((uint64_t)values[i] - (uint64_t)range->min)]++;
        around_zero[bits_of(zigzag_encode(values[i]))]++;
    }
    size_t inside_least = 0;
    size_t inside_zero = 0;
    for (unsigned width = 0; width < bits_of(range->span); width++) {
        inside_least += over_least[width];
        inside_zero += around_zero[width];
        try_packed(best, range, count, range->min, width, count - inside_least);
        if (width > 0)
            try_packed(best, range, count, -((int64_t)1 << (width - 1)), width,
                       count - inside_zero);
    }
}

/* ---- plans: dictionaries --------------------------------------------------------------------- */

/* Distinct values by hash, and how often they come. */
struct distinct {
    int64_t value[SLOTS];
    uint16_t count[SLOTS];   /* 0: the slot is free */
    uint16_t slot[DISTINCT]; /* taken ones, as they came */
    size_t taken;
};

static size_t slot_of(const int64_t *value, const uint16_t *count, int64_t sought)
{
    size_t at = (size_t)((uint64_t)sought * UINT64_C(0x9e3779b97f4a7c15) >> 56);
    while (count[at] > 0 && value[at] != sought)
        at = (at + 1) % SLOTS;
    return at;
}

static void distinct_count(struct distinct *d, const int64_t *values, size_t count)
{
    memset(d->count, 0, sizeof d->count);
    d->taken = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = slot_of(d->value, d->count, values[i]);
        if (d->count[at] == 0) {
            if (d->taken == DISTINCT)
                continue;
            d->value[at] = values[i];
            d->slot[d->taken++] = (uint16_t)at;
        }
        d->count[at]++;
    }
}

struct ranked {
    int64_t value;
    uint16_t count;
};

/* *order: the places of the commonest first; of equally common ones as they are. By the digits of how common they are. */
static void rank(uint8_t *order, const struct ranked *ranked, size_t count)
{
    enum { DIGIT_BITS = 6, DIGITS = 1 << DIGIT_BITS };
    _Static_assert(ROWS < DIGITS * DIGITS, "two digits tell how often a value comes");
    uint8_t by_low[DISTINCT];
    uint8_t ends[2][DIGITS + 1] = { 0 }; /* how many have a higher digit; then where the next one goes */
    for (size_t i = 0; i < count; i++) {
        ends[0][DIGITS - ranked[i].count % DIGITS]++;
        ends[1][DIGITS - ranked[i].count / DIGITS]++;
    }
    for (size_t d = 1; d <= DIGITS; d++) {
        ends[0][d] = (uint8_t)(ends[0][d] + ends[0][d - 1]);
        ends[1][d] = (uint8_t)(ends[1][d] + ends[1][d - 1]);
    }
    for (size_t i = 0; i < count; i++)
        by_low[ends[0][DIGITS - 1 - ranked[i].count % DIGITS]++] = (uint8_t)i;
    for (size_t i = 0; i < count; i++) {
        uint8_t place = by_low[i];
        order[ends[1][DIGITS - 1 - ranked[place].count / DIGITS]++] = place;
    }
}

/* *ranked: the distinct values; of more than DISTINCT those that are not rare. */
static size_t ranked_by_tally(struct ranked *ranked, const struct tally *t)
{
    size_t taken = DISTINCT + 1;
    for (size_t least = 1; taken > DISTINCT; least *= 2) {
        taken = 0;
        for (size_t v = 0; v <= t->range.span && taken <= DISTINCT; v++) {
            if (t->count[v] < least)
                continue;
            if (taken < DISTINCT)
                ranked[taken] = (struct ranked){ t->range.min + (int64_t)v, t->count[v] };
            taken++;
        }
    }
    return taken;
}

static size_t ranked_by_hash(struct ranked *ranked, const int64_t *values, size_t count)
{
    struct distinct d;
    distinct_count(&d, values, count);
    for (size_t i = 0; i < d.taken; i++)
        ranked[i] = (struct ranked){ d.value[d.slot[i]], d.count[d.slot[i]] };
    return d.taken;
}

static void plan_dictionary(struct array_plan *best, struct dictionary *dictionary,
                            const struct ranked *ranked, size_t taken, size_t count,
                            const struct array_range *range)
{
    uint8_t order[DISTINCT];
    rank(order, ranked, taken);
    size_t list_bytes = 0;
    size_t listed = 0; /* how many values the entries so far stand for */
    for (size_t entries = 1; entries <= taken; entries++) {
        const struct ranked *next = &ranked[order[entries - 1]];
        dictionary->value[entries - 1] = next->value;
        list_bytes += zigzag_bytes(next->value);
        listed += next->count;
        bool is_all = listed == count;
        if (!is_all && ((entries & (entries + 1)) != 0 || entries >= (size_t)1 << ESCAPE_BITS_MAX))
            continue; /* with escapes: 1, 3, 7, 15, 31 */
        size_t bytes = 2 + list_bytes + pack_bytes(count, bits_of(is_all ? entries - 1 : entries));
        if (!is_all)
            bytes +=
                2 + zigzag_bytes(range->min) + pack_bytes(count - listed, bits_of(range->span));
        if (bytes < best->bytes)
            *best = (struct array_plan){
                .code = is_all ? ARRAY_DICTIONARY : ARRAY_DICTIONARY_ESCAPE,
                .bytes = bytes,
                .entries = entries,
            };
    }
}

/* No list of a tally's values takes less, however they are spread. */
static size_t dictionary_least(const struct tally *t, size_t count, const struct array_range *range)
{
    uint16_t most = 0;
    uint16_t distinct = 0;
    for (size_t v = 0; v <= t->range.span; v++) {
        most = t->count[v] > most ? t->count[v] : most;
        distinct = (uint16_t)(distinct + (t->count[v] > 0));
    }
    size_t least = SIZE_MAX;
    if (t->outside == 0 && distinct <= DISTINCT)
        least = 2 + (size_t)distinct + pack_bytes(count, bits_of(distinct - 1u));
    for (unsigned bits = 1; bits <= ESCAPE_BITS_MAX; bits++) {
        size_t entries = ((size_t)1 << bits) - 1;
        size_t listed = entries * most < count ? entries * most : count;
        size_t bytes = 2 + entries + pack_bytes(count, bits) + 3 +
                       pack_bytes(count - listed, bits_of(range->span));
        least = entries <= distinct && bytes < least ? bytes : least;
    }
    return least;
}

/* ---- plans: one in the other ----------------------------------------------------------------- */

/* Where most values lie in a narrow range, that alone is looked at. */
static struct array_plan plan(struct dictionary *dictionary, const int64_t *values, size_t count,
                              enum array_depth depth)
{
    struct array_range range = range_of(values, count);
    if (range.span == 0)
        return (struct array_plan){ .code = ARRAY_CONSTANT, .bytes = 1 + zigzag_bytes(range.min) };
    struct array_plan best = { .bytes = SIZE_MAX };
    struct array_range most = range.span < NARROW ? range : range_of_most(values, count);
    struct tally t;
    bool has_most = false;
    try_packed(&best, &range, count, range.min, bits_of(range.span), 0);
    if (most.span < NARROW) {
        tally_count(&t, &most, values, count);
        plan_narrow(&best, &t, count, &range);
        has_most = t.outside <= count / OUTSIDE_PART;
    }
    if (!has_most)
        plan_wide(&best, values, count, &range);
    if (depth > DEPTH_LEAF && count >= DICTIONARY_LEAST &&
        (!has_most || dictionary_least(&t, count, &range) < best.bytes)) {
        struct ranked ranked[DISTINCT];
        size_t taken =
            has_most ? ranked_by_tally(ranked, &t) : ranked_by_hash(ranked, values, count);
        plan_dictionary(&best, dictionary, ranked, taken, count, &range);
    }
    return best;
}

/* The first change stands for nothing. */
static void changes_of(int64_t *out, const int64_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++)
        out[i] = wrap_sub_i64(values[i], values[i - 1]);
    out[0] = count > 1 ? out[1] : 0;
}

/* By their changes. */
static size_t runs_count(const int64_t *changes, size_t count)
{
    uint64_t runs = 1;
    for (size_t i = 1; i < count; i++)
        runs += changes[i] != 0;
    return runs;
}

static void runs_of(int64_t *lengths, int64_t *run_values, const int64_t *values, size_t count)
{
    size_t runs = 0;
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && values[end] == values[i])
            end++;
        lengths[runs] = (int64_t)(end - i);
        run_values[runs++] = values[i];
        i = end;
    }
}

/* ---- encoding -------------------------------------------------------------------------------- */

void places_encode(struct buffer *out, const uint16_t *at, size_t places)
{
    for (size_t i = 0; i < places; i++)
        buffer_append_varint(out, i > 0 ? at[i] - at[i - 1] - 1u : at[i]);
}

static void encode_packed(struct buffer *out, const int64_t *values, size_t count,
                          const struct array_plan *by)
{
    uint64_t words[ROWS];
    uint64_t highs[ROWS];
    uint16_t at[ROWS + 1];
    size_t patches = 0;
    uint64_t any_high = 0;
    for (size_t i = 0; i < count; i++)
        words[i] = (uint64_t)values[i] - (uint64_t)by->base;
    for (size_t i = 0; by->has_patches && i < count; i++) {
        at[patches] = (uint16_t)i;
        patches += words[i] >> by->width != 0;
    }
    for (size_t i = 0; i < patches; i++) {
        /* cppcheck-suppress uninitvar ; there are no patches but of words */
        highs[i] = zigzag_encode((int64_t)words[at[i]] >> by->width);
        any_high |= highs[i];
    }
    buffer_append_zigzag(out, by->base);
    buffer_append_u8(out, (uint8_t)(by->width | (patches > 0 ? ARRAY_HAS_PATCHES : 0)));
    pack_append(out, words, count, by->width);
    if (patches == 0)
        return;
    buffer_append_varint(out, patches);
    places_encode(out, at, patches);
    buffer_append_u8(out, (uint8_t)bits_of(any_high));
    pack_append(out, highs, patches, bits_of(any_high));
}

/* The place of each value in the list, or `entries`. */
static void places_in_list(uint64_t *words, const int64_t *values, size_t count,
                           const int64_t *list, size_t entries)
{
    struct array_range range = range_of(list, entries);
    uint16_t place[NARROW + 1];
    if (range.span < NARROW) {
        const uint64_t end = range.span + 1;
        for (size_t v = 0; v <= end; v++)
            place[v] = (uint16_t)entries;
        for (size_t i = 0; i < entries; i++)
            place[(uint64_t)list[i] - (uint64_t)range.min] = (uint16_t)i;
        for (size_t i = 0; i < count; i++) {
            uint64_t at = (uint64_t)values[i] - (uint64_t)range.min;
            words[i] = place[at < end ? at : end];
        }
        return;
    }
    int64_t value[SLOTS];
    uint16_t taken[SLOTS] = { 0 };
    for (size_t i = 0; i < entries; i++) {
        size_t slot = slot_of(value, taken, list[i]);
        value[slot] = list[i];
        taken[slot] = 1;
        place[slot] = (uint16_t)i;
    }
    for (size_t i = 0; i < count; i++) {
        size_t slot = slot_of(value, taken, values[i]);
        words[i] = taken[slot] != 0 ? place[slot] : entries;
    }
}

static void encode_dictionary(struct buffer *out, const int64_t *values, size_t count,
                              const struct array_plan *by, const struct dictionary *dictionary)
{
    uint64_t words[ROWS];
    int64_t escapes[ROWS + 1];
    size_t escaped = 0;
    buffer_append_u8(out, (uint8_t)(by->entries - 1));
    for (size_t i = 0; i < by->entries; i++)
        buffer_append_zigzag(out, dictionary->value[i]);
    places_in_list(words, values, count, dictionary->value, by->entries);
    for (size_t i = 0; i < count; i++) {
        escapes[escaped] = values[i];
        escaped += words[i] == by->entries;
    }
    bool has_escapes = by->code == ARRAY_DICTIONARY_ESCAPE;
    core_assert(has_escapes == (escaped > 0));
    pack_append(out, words, count, bits_of(has_escapes ? by->entries : by->entries - 1));
    if (has_escapes) {
        struct array_plan of_escapes = plan(NULL, escapes, escaped, DEPTH_LEAF);
        buffer_append_u8(out, of_escapes.code);
        if (of_escapes.code == ARRAY_CONSTANT)
            buffer_append_zigzag(out, escapes[0]);
        else
            encode_packed(out, escapes, escaped, &of_escapes);
    }
}

static void encode_inner(struct buffer *out, const int64_t *values, size_t count,
                         const struct array_plan *by, const struct dictionary *dictionary)
{
    buffer_append_u8(out, by->code);
    if (by->code == ARRAY_CONSTANT)
        buffer_append_zigzag(out, values[0]);
    else if (by->code == ARRAY_PACKED)
        encode_packed(out, values, count, by);
    else
        encode_dictionary(out, values, count, by, dictionary);
}

void array_encode(struct buffer *out, const int64_t *values, size_t count)
{
    struct dictionary of_values, of_changes;
    int64_t changed[ROWS];
    core_assert(count > 0);
    core_assert(count <= ROWS);
    struct array_plan best = plan(&of_values, values, count, DEPTH_INNER);
    if (best.code == ARRAY_CONSTANT) {
        encode_inner(out, values, count, &best, NULL);
        return;
    }
    changes_of(changed, values, count);
    struct array_plan changes = plan(&of_changes, changed, count, DEPTH_INNER);
    size_t changes_bytes = 1 + zigzag_bytes(values[0]) + changes.bytes;
    size_t least = changes_bytes < best.bytes ? changes_bytes : best.bytes;
    size_t runs = runs_count(changed, count);
    if (runs <= count / 3) {
        struct dictionary of_lengths, of_runs;
        int64_t lengths[ROWS / 3], run_values[ROWS / 3];
        runs_of(lengths, run_values, values, count);
        struct array_plan by_length = plan(&of_lengths, lengths, runs, DEPTH_INNER);
        struct array_plan by_value = plan(&of_runs, run_values, runs, DEPTH_INNER);
        if (1 + varint_bytes(runs) + by_length.bytes + by_value.bytes < least) {
            buffer_append_u8(out, ARRAY_RUNS);
            buffer_append_varint(out, runs);
            encode_inner(out, lengths, runs, &by_length, &of_lengths);
            encode_inner(out, run_values, runs, &by_value, &of_runs);
            return;
        }
    }
    if (changes_bytes < best.bytes) {
        buffer_append_u8(out, ARRAY_CHANGES);
        buffer_append_zigzag(out, values[0]);
        encode_inner(out, changed, count, &changes, &of_changes);
        return;
    }
    encode_inner(out, values, count, &best, &of_values);
}
