/*
 * codec_block.c -- the rows of a block as packed columns (codec_block_read.c: and back).
 *
 *     | unit | gaps of time | duration | field 0 | .. | flags | revision |
 *
 * Every column of integers is an array (codec_array.c, codec_cold.c), floats are codec_float.c, texts codec_text.c.
 *
 * Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_bytes.c.
 */
#include "codec_block.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = CODEC_BLOCK_ROWS_MAX };

enum {
    STARTS_LEAST = 4, /* fewer exceptions are hardly told by starts */
    SOURCE_ROWS = 32, /* of a block that tell whether a source is worth a look */
    RATE_LEAST = 16,  /* fewer rows are not worth a rate */
    RATE_HZ_MAX = 100000
};

/* There are two forms of the same, from `begin` and from `middle` on: the shorter one stays. */
static void keep_shorter(struct buffer *out, size_t begin, size_t middle)
{
    size_t bytes = out->bytes - middle;
    if (bytes < middle - begin) {
        memmove(out->data + begin, out->data + middle, bytes);
        middle = begin + bytes;
    }
    out->bytes = middle;
}

/* ---- times ----------------------------------------------------------------------------------- */

/* False: it does not divide them all, and nothing is changed. Inline, as compilers divide quickly by a constant. */
static inline bool divide(int64_t *gaps, size_t count, uint64_t ns)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t whole = (uint64_t)gaps[i] / ns;
        if (CORE_UNLIKELY(whole * ns != (uint64_t)gaps[i])) {
            while (i-- > 0)
                gaps[i] = (int64_t)((uint64_t)gaps[i] * ns);
            return false;
        }
        gaps[i] = (int64_t)whole;
    }
    return true;
}

/* Gaps in the largest unit that divides them all: its number, as in codec_unit_ns. */
static uint8_t gaps_to_unit(int64_t *gaps, size_t count)
{
    if (divide(gaps, count, UINT64_C(60000000000)))
        return UNIT_LAST;
    if (divide(gaps, count, UINT64_C(1000000000)))
        return UNIT_SECOND;
    if (divide(gaps, count, UINT64_C(1000000)))
        return 2;
    return divide(gaps, count, UINT64_C(1000)) ? 1 : 0;
}

/* Rows whose gap times `factor` is not what the source has. */
static size_t source_misses(const int64_t *gaps, uint64_t factor, const int64_t *source,
                            size_t count)
{
    size_t misses = 0;
    for (size_t i = 1; i < count; i++)
        misses += (uint64_t)gaps[i] * factor != (uint64_t)source[i - 1];
    return misses;
}

/* By some rows all over the block: measurements may begin beside each other. */
static bool is_worth_a_look(const int64_t *gaps, uint64_t factor, const int64_t *source,
                            size_t count)
{
    size_t misses = 0;
    for (size_t k = 0; count > SOURCE_ROWS && k < SOURCE_ROWS; k++) {
        size_t i = 1 + k * (count - 1) / SOURCE_ROWS;
        misses += (uint64_t)gaps[i] * factor != (uint64_t)source[i - 1];
    }
    return misses <= SOURCE_ROWS / 4 * 3;
}

/* A source that has most gaps; GAP_SOURCES: none. */
static enum gap_source choose_source(const struct columns *c, size_t first, unsigned unit,
                                     const int64_t *gaps, size_t count)
{
    for (unsigned source = 0; source < GAP_SOURCES; source++) {
        bool is_duration = source == GAP_IS_DURATION_BEFORE;
        const int64_t *from = source_of(c, first, source, is_duration ? 0 : unit);
        uint64_t factor = is_duration ? (uint64_t)codec_unit_ns[unit] : 1;
        if (from != NULL && is_worth_a_look(gaps, factor, from, count) &&
            source_misses(gaps, factor, from, count) <= count / 2)
            return source;
    }
    return GAP_SOURCES;
}

/* Times since row 0 less what the source has of the row itself: where a measurement begins. */
static int64_t start_of(const struct columns *c, size_t first, enum gap_source source,
                        unsigned unit, size_t i)
{
    uint64_t since = (uint64_t)c->time[first + i] - (uint64_t)c->time[first];
    uint64_t own = source == GAP_IS_VALUE ? (uint64_t)c->field[0][first + i] : 0;
    return (int64_t)(since / (uint64_t)codec_unit_ns[unit] - own);
}

/* The exceptions of a source once more, by places in an array and by starts, each less the one before; what was appended
   from `begin` on gives way where this takes fewer bytes. `words` has room for two of each. */
static void prefer_starts(const struct encoder *e, const struct columns *c, size_t first,
                          unsigned unit, enum gap_source source, int64_t *words, size_t exceptions,
                          size_t begin)
{
    struct buffer *out = e->out;
    size_t end = out->bytes;
    int64_t *starts = words + exceptions;
    int64_t start = start_of(c, first, source, unit, 0);
    size_t at = 0;
    for (size_t i = 0; i < exceptions; i++) {
        int64_t next = start_of(c, first, source, unit, e->at[i]);
        starts[i] = wrap_sub_i64(next, start);
        start = next;
        words[i] = (int64_t)(e->at[i] - at - 1);
        at = e->at[i];
    }
    buffer_append_u8(out, (uint8_t)(TIME_DERIVED << TIME_UNIT_BITS | unit));
    buffer_append_u8(out, (uint8_t)(source + GAP_SOURCE_STARTS));
    buffer_append_varint(out, exceptions);
    encoder_array(e, words, exceptions);
    encoder_array(e, starts, exceptions);
    if (!out->failed)
        keep_shorter(out, begin, end);
}

/* Gaps that another column tells, but for a few. `gaps` are lost. */
static void encode_derived(const struct encoder *e, const struct columns *c, size_t first,
                           unsigned unit, enum gap_source source, int64_t *gaps, size_t count)
{
    bool is_duration = source == GAP_IS_DURATION_BEFORE;
    unsigned in_unit = is_duration ? 0 : unit;
    const int64_t *from = source_of(c, first, source, in_unit);
    uint64_t factor = is_duration ? (uint64_t)codec_unit_ns[unit] : 1;
    size_t exceptions = 0;
    size_t begin = e->out->bytes;
    for (size_t i = 1; i < count; i++) {
        int64_t gap = (int64_t)((uint64_t)gaps[i] * factor);
        if (gap == from[i - 1])
            continue;
        gaps[exceptions] = gap;
        e->at[exceptions++] = (uint16_t)i;
    }
    buffer_append_u8(e->out, (uint8_t)(TIME_DERIVED << TIME_UNIT_BITS | in_unit));
    buffer_append_u8(e->out, (uint8_t)source);
    buffer_append_varint(e->out, exceptions);
    places_encode(e->out, e->at, exceptions);
    if (exceptions > 0)
        encoder_array(e, gaps, exceptions);
    if (exceptions >= STARTS_LEAST)
        prefer_starts(e, c, first, in_unit, source, gaps, exceptions, begin);
}

/* Rows at an even rate: `rows` of them in `ticks` units, each time rounded down to a unit. */
struct rate {
    uint64_t ticks, rows;
    uint64_t phase; /* below rows: of the first row in its unit */
};

/* False: the gaps are not those of so many rows a second. */
static bool find_rate(struct rate *rate, unsigned unit, const int64_t *gaps, size_t count)
{
    const uint64_t second = 1000000000;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    uint64_t span = 0;
    for (size_t i = 1; i < count; i++) {
        uint64_t gap = (uint64_t)gaps[i];
        least = gap < least ? gap : least;
        most = gap > most ? gap : most;
        span += gap;
    }
    if (count < RATE_LEAST || least == 0 || most - least != 1 || most > second ||
        (uint64_t)codec_unit_ns[unit] > second)
        return false;
    rate->ticks = second / (uint64_t)codec_unit_ns[unit];
    rate->rows = ((count - 1) * rate->ticks + span / 2) / span;
    if (rate->rows == 0 || rate->rows > RATE_HZ_MAX)
        return false;
    int64_t low = 0;
    int64_t high = (int64_t)rate->rows - 1;
    int64_t at = 0;
    for (size_t i = 1; i < count; i++) {
        at += gaps[i];
        int64_t from = at * (int64_t)rate->rows - (int64_t)(i * rate->ticks);
        int64_t to = from + (int64_t)rate->rows - 1;
        low = from > low ? from : low;
        high = to < high ? to : high;
    }
    rate->phase = (uint64_t)low;
    return low <= high;
}

/* Intervals without flags that follow each other, all of them as long as the gap. */
static bool are_even(const struct columns *c, size_t first, size_t count, uint64_t gap)
{
    if (c->schema.kind != SAMPLE_INTERVAL || count == 1 || gap > INT64_MAX)
        return false;
    uint64_t off = 0;
    for (size_t i = first; i < first + count; i++)
        off |= ((uint64_t)c->duration[i] ^ gap) | c->flags[i];
    return off == 0;
}

/* Times, and what goes with them in their form. */
static enum time_form encode_times(const struct encoder *e, const struct columns *c, size_t first,
                                   size_t count)
{
    const int64_t *time = c->time + first;
    const int64_t *only = only_field(c);
    int64_t *gaps = e->words;
    core_assert(time[0] > INT64_MIN);
    core_assert(time[count - 1] < INT64_MAX);
    for (size_t i = 1; i < count; i++) {
        core_assert(time[i - 1] <= time[i]);
        gaps[i] = wrap_sub_i64(time[i], time[i - 1]);
    }
    gaps[0] = count > 1 ? gaps[1] : 0;
    uint8_t unit = gaps_to_unit(gaps, count);
    if (e->cold != NULL && only != NULL && unit == UNIT_SECOND) {
        struct pairs_plan pairs;
        if (pairs_fit(&pairs, e->cold, gaps, only + first, count)) {
            buffer_append_u8(e->out, TIME_PAIRS << TIME_UNIT_BITS | UNIT_SECOND);
            pairs_encode(e->out, e->cold, gaps, only + first, count, &pairs);
            return TIME_PAIRS;
        }
    }
    bool is_constant = codec_is_constant(gaps, count);
    if (is_constant &&
        are_even(c, first, count, (uint64_t)gaps[0] * (uint64_t)codec_unit_ns[unit])) {
        buffer_append_u8(e->out, (uint8_t)(TIME_EVEN << TIME_UNIT_BITS | unit));
        buffer_append_varint(e->out, (uint64_t)gaps[0]);
        return TIME_EVEN;
    }
    enum gap_source source = is_constant ? GAP_SOURCES : choose_source(c, first, unit, gaps, count);
    if (source != GAP_SOURCES) {
        encode_derived(e, c, first, unit, source, gaps, count);
        return TIME_DERIVED;
    }
    struct rate rate;
    if (!is_constant && find_rate(&rate, unit, gaps, count)) {
        buffer_append_u8(e->out, (uint8_t)(TIME_RATE << TIME_UNIT_BITS | unit));
        buffer_append_varint(e->out, rate.ticks);
        buffer_append_varint(e->out, rate.rows);
        buffer_append_varint(e->out, rate.phase);
        return TIME_RATE;
    }
    buffer_append_u8(e->out, (uint8_t)(TIME_GAPS << TIME_UNIT_BITS | unit));
    encoder_array(e, gaps, count);
    return TIME_GAPS;
}

/* ---- columns --------------------------------------------------------------------------------- */

/* What was appended from `start` on gives way to spells, where these take fewer bytes. True: it did. */
static bool prefer_spells(const struct encoder *e, const struct columns *c, size_t first,
                          size_t count, size_t start)
{
    struct buffer *out = e->out;
    size_t end = out->bytes;
    const int64_t *only = only_value(c);
    if (e->cold == NULL || only == NULL || out->failed)
        return false;
    buffer_append_u8(out, TIME_SPELLS << TIME_UNIT_BITS);
    bool are_spells =
        spells_encode(out, e->cold, c->time + first, c->duration + first, only + first, count);
    if (out->failed)
        return false;
    bool are_shorter = are_spells && out->bytes - end < end - start;
    if (are_spells)
        keep_shorter(out, start, end);
    else
        out->bytes = end;
    return are_shorter;
}

static void encode_columns(const struct encoder *e, const struct columns *c, size_t first,
                           size_t count, bool with_revision)
{
    size_t start = e->out->bytes;
    enum time_form form = encode_times(e, c, first, count);
    if (c->schema.kind == SAMPLE_INTERVAL && form != TIME_EVEN) {
        core_assert(!codec_has_negative(c->duration + first, count));
        encoder_array(e, c->duration + first, count);
    }
    for (size_t f = form == TIME_PAIRS ? 1 : 0; f < c->schema.field_count; f++) {
        const int64_t *values = c->field[f] + first;
        uint8_t type = c->schema.types[f];
        core_assert(type != FIELD_ENUM || !codec_has_negative(values, count));
        if (type == FIELD_FLOAT)
            floats_encode(e, values, count);
        else if (type == FIELD_TEXT)
            texts_encode(e, c, f, first, count);
        else
            encoder_array(e, values, count);
    }
    if (prefer_spells(e, c, first, count, start))
        form = TIME_SPELLS;
    for (size_t i = 0; i < count; i++) {
        e->words[i] = c->flags[first + i];
        core_assert((e->words[i] & SAMPLE_FLAGS_SPARE) == 0);
    }
    if (form != TIME_EVEN)
        encoder_array(e, e->words, count);
    if (with_revision)
        encoder_array(e, c->revision + first, count);
}

void codec_block_encode(struct buffer *out, const struct columns *c, size_t first, size_t count,
                        bool with_revision, struct codec_scratch *scratch)
{
    int64_t words[CODEC_PACKED_ROWS_MAX];
    uint16_t at[CODEC_PACKED_ROWS_MAX];
    struct encoder e = {
        .out = out,
        .words = scratch == NULL ? words : scratch->words,
        .at = scratch == NULL ? at : scratch->at,
        .cold = scratch,
    };
    core_assert(count > 0);
    core_assert(count <= (scratch == NULL ? (size_t)CODEC_PACKED_ROWS_MAX : ROWS));
    core_assert(first <= c->count);
    core_assert(count <= c->count - first);
    encode_columns(&e, c, first, count, with_revision);
}

void codec_array_encode(struct buffer *out, const int64_t *values, size_t count,
                        struct codec_scratch *scratch)
{
    const struct encoder e = { .out = out, .cold = scratch };
    core_assert(count > 0);
    core_assert(count <= (scratch == NULL ? (size_t)CODEC_PACKED_ROWS_MAX : ROWS));
    core_assert(scratch == NULL || scratch->models == NULL);
    encoder_array(&e, values, count);
}
