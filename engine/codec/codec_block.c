/*
 * codec_block.c -- the rows of a block as packed columns, and back.
 *
 *     | unit | gaps of time | duration | field 0 | .. | flags | revision |
 *
 * Every column of integers is an array (codec_array.c, codec_cold.c), floats are codec_float.c, texts codec_text.c.
 *
 * A decoder works behind the last row of its columns and counts the rows in at the end, so a refusal
 * changes nothing. Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_bytes.c.
 */
#include "codec_cold.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = CODEC_BLOCK_ROWS_MAX };

/* Stored, above the unit. A new one also needs: blocks.md, the reader in tests/. */
enum time_form {
    TIME_GAPS = 0,
    TIME_PAIRS = 1, /* with the values of the only field */
    TIME_DERIVED = 2,
    TIME_RATE = 3,
    TIME_SPELLS = 4, /* with durations and the values of the only field */
    TIME_EVEN = 5    /* with durations and flags */
};

/* Stored. What a gap equals: sleep stages follow each other, a beat comes when its interval is over. */
enum gap_source {
    GAP_IS_DURATION_BEFORE = 0,
    GAP_IS_VALUE = 1,
    GAP_IS_VALUE_BEFORE = 2,
    GAP_SOURCES,
    GAP_SOURCE_STARTS = 4 /* added: exceptions are told by their starts */
};

enum {
    TIME_UNIT_BITS = 3,
    UNIT_SECOND = 3,
    STARTS_LEAST = 4,    /* fewer exceptions are hardly told by starts */
    SOURCE_ROWS = 32,    /* of a block that tell whether a source is worth a look */
    RATE_TICK_BITS = 48, /* stored: of the ticks between rows */
    RATE_ROW_BITS = 32,  /* stored: of the rows that they are between */
    RATE_LEAST = 16,     /* fewer rows are not worth one */
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

/* The field that may go with the times, or NULL. */
static int64_t *only_field(const struct columns *c)
{
    return c->schema.kind == SAMPLE_INSTANT && c->schema.field_count == 1 &&
                   c->schema.types[0] == FIELD_INT
               ? c->field[0]
               : NULL;
}

/* The only field of intervals, where it may go with their times and durations, or NULL. */
static int64_t *only_value(const struct columns *c)
{
    return c->schema.kind == SAMPLE_INTERVAL && c->schema.field_count == 1 &&
                   (c->schema.types[0] == FIELD_INT || c->schema.types[0] == FIELD_ENUM)
               ? c->field[0]
               : NULL;
}

/* Where a source has the gap of row 1, in units of the block; of the rows after it behind. NULL: the
   schema has no such source, or not in this unit. */
static const int64_t *source_of(const struct columns *c, size_t first, enum gap_source source,
                                unsigned unit)
{
    if (source == GAP_IS_DURATION_BEFORE)
        return c->schema.kind == SAMPLE_INTERVAL && unit == 0 ? c->duration + first : NULL;
    if (source >= GAP_SOURCES || c->schema.types[0] != FIELD_INT)
        return NULL;
    return c->field[0] + first + (source == GAP_IS_VALUE ? 1 : 0);
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

static bool decode_rate(int64_t *time, struct reader *r, size_t count, int64_t begin, uint64_t ns)
{
    uint64_t ticks = get_varint(r);
    uint64_t rows = get_varint(r);
    uint64_t phase = get_varint(r);
    uint64_t last;
    if (r->overrun || ticks >> RATE_TICK_BITS != 0 || rows == 0 || rows >> RATE_ROW_BITS != 0 ||
        phase >= rows)
        return false;
    uint64_t room = (uint64_t)INT64_MAX - 1 - (uint64_t)begin;
    if (!checked_mul_u64(&last, (phase + (count - 1) * ticks) / rows, ns) || last > room)
        return false;
    int64_t step = (int64_t)(ticks / rows * ns);
    uint64_t rest = ticks % rows;
    for (size_t i = 0; i < count; i++) {
        time[i] = begin;
        if (i + 1 == count)
            break;
        begin += step;
        phase += rest;
        if (phase >= rows) {
            phase -= rows;
            begin += (int64_t)ns;
        }
    }
    return true;
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

/* How times are told, where other columns have to be read first. */
struct derived {
    bool is_derived;
    unsigned unit;
    uint8_t source;
    bool by_starts;
    size_t exceptions;
};

/* Places that are told in an array, each by what lies between it and the one before. False: one is too large. */
static bool places_read(uint16_t *places, int64_t *words, struct reader *r, size_t exceptions,
                        size_t count, const struct codec_models *models)
{
    uint64_t at = 0;
    if (exceptions > 0 && !block_array_decode(words, r, exceptions, models))
        return false;
    for (size_t i = 0; i < exceptions; i++) {
        if ((uint64_t)words[i] >= count - at - 1)
            return false;
        at += (uint64_t)words[i] + 1;
        places[i] = (uint16_t)at;
    }
    return true;
}

/* Exceptions wait where flags and sequences come in the end: places here, gaps there. */
static bool derived_read(struct derived *d, struct codec_rows *rows, struct reader *r, size_t count)
{
    struct columns *out = &rows->columns;
    uint16_t *places = out->flags + out->count;
    int64_t *gaps = (int64_t *)(out->sequence + out->count);
    uint8_t source = get_u8(r);
    uint64_t exceptions = get_varint(r);
    d->is_derived = true;
    d->by_starts = source >= GAP_SOURCE_STARTS;
    d->source = source % GAP_SOURCE_STARTS;
    if (r->overrun || exceptions > count || source >= 2 * GAP_SOURCE_STARTS ||
        source_of(out, out->count, d->source, d->unit) == NULL)
        return false;
    d->exceptions = exceptions;
    return (d->by_starts ? places_read(places, gaps, r, exceptions, count, rows->models)
                         : places_decode(places, r, exceptions, count)) &&
           (exceptions == 0 || block_array_decode(gaps, r, exceptions, rows->models));
}

/* Starts, each less the one before, become gaps. All sums wrap: what is no time is found out later. */
static void gaps_of_starts(int64_t *gaps, const uint16_t *places, size_t exceptions,
                           const int64_t *from, int64_t first_own, bool is_own, size_t count)
{
    int64_t at = 0;
    int64_t start = is_own ? wrap_sub_i64(0, first_own) : 0;
    size_t next = 0;
    for (size_t i = 1; i < count && next < exceptions; i++) {
        if (places[next] == i) {
            start = wrap_add_i64(start, gaps[next]);
            gaps[next] = wrap_sub_i64(is_own ? wrap_add_i64(start, from[i - 1]) : start, at);
            at = wrap_add_i64(at, gaps[next++]);
        } else {
            at = wrap_add_i64(at, from[i - 1]);
        }
    }
}

static bool derived_times(struct columns *out, const struct derived *d, size_t count, int64_t begin)
{
    int64_t *time = out->time + out->count;
    const int64_t *from = source_of(out, out->count, d->source, d->unit);
    int64_t *gaps = (int64_t *)(out->sequence + out->count);
    bool is_own = d->source == GAP_IS_VALUE;
    if (d->by_starts)
        gaps_of_starts(gaps, out->flags + out->count, d->exceptions, from,
                       is_own ? out->field[0][out->count] : 0, is_own, count);
    for (size_t i = 1; i < count; i++)
        time[i] = from[i - 1];
    for (size_t i = 0; i < d->exceptions; i++)
        time[out->flags[out->count + i]] = gaps[i];
    return codec_times_of_gaps(time, count, begin, (uint64_t)codec_unit_ns[d->unit]);
}

/* Times by one gap. False: one is out of range. */
static bool times_of_gap(int64_t *time, size_t count, int64_t begin, uint64_t gap, uint64_t ns)
{
    uint64_t step, span;
    if (!checked_mul_u64(&step, gap, ns) || !checked_mul_u64(&span, step, count - 1) ||
        span > (uint64_t)INT64_MAX - 1 - (uint64_t)begin)
        return false;
    for (size_t i = 0; i < count; i++)
        time[i] = (int64_t)((uint64_t)begin + i * step);
    return true;
}

/* Gaps that are all equal. False: they are not, or a time is out of range; *r stands where it stood. */
static bool decode_equal_gaps(int64_t *time, struct reader *r, size_t count, int64_t begin,
                              uint64_t ns)
{
    struct reader before = *r;
    int64_t gap;
    if (array_decode_constant(&gap, r) && times_of_gap(time, count, begin, (uint64_t)gap, ns))
        return true;
    *r = before;
    return false;
}

/* Even intervals: their times and durations. */
static bool decode_even(struct columns *out, struct reader *r, size_t count, int64_t begin,
                        uint64_t ns)
{
    uint64_t gap = get_varint(r);
    if (r->overrun || gap > INT64_MAX / ns ||
        !times_of_gap(out->time + out->count, count, begin, gap, ns))
        return false;
    for (size_t i = out->count; i < out->count + count; i++)
        out->duration[i] = (int64_t)(gap * ns);
    return true;
}

/* Small gaps become times without ever being 64 bits wide. False: they are not small, or times could
   reach the end of time; *r stands where it stood. */
static bool decode_small_gaps(int64_t *time, struct reader *r, size_t count, int64_t begin,
                              unsigned unit, bool *is_rising)
{
    enum { SECOND_BITS = 30 /* of its nanoseconds */, MINUTE_ZEROS = 11 /* of its, behind */ };
    int32_t least;
    struct reader before = *r;
    const int64_t room = ((int64_t)SMALL_END * CODEC_PACKED_ROWS_MAX) << SECOND_BITS;
    bool is_minutes = unit > UNIT_SECOND; /* too many nanoseconds for a scale */
    int64_t scale = is_minutes ? codec_unit_ns[unit] >> MINUTE_ZEROS : codec_unit_ns[unit];
    if (begin > INT64_MAX - 1 - room ||
        !array_decode_sums(time, &least, r, count, is_minutes ? 0 : begin, (uint32_t)scale))
        return false;
    *is_rising = least > 0;
    bool is_right = least >= 0;
    if (is_minutes && is_right) {
        uint64_t left = (uint64_t)INT64_MAX - 1 - (uint64_t)begin;
        is_right = (uint64_t)time[count - 1] <= left >> MINUTE_ZEROS;
        for (size_t i = 0; is_right && i < count; i++)
            time[i] = wrap_add_i64(begin, time[i] * (1 << MINUTE_ZEROS));
    }
    if (!is_right)
        *r = before;
    return is_right;
}

/* What is decoded, and where, beside the columns. */
struct decoding {
    struct codec_rows *rows;
    const struct codec_next *next;
    size_t next_count;
};

/* Pairs, whose symbols may come together with those of the next blocks. */
static bool decode_pairs(const struct decoding *d, int64_t *values, struct reader *r, size_t count,
                         int64_t begin, unsigned unit)
{
    struct codec_rows *rows = d->rows;
    struct reader coming[CODEC_AHEAD];
    size_t coming_count = 0;
    while (coming_count < d->next_count && d->next[coming_count].count == count) {
        coming[coming_count] = d->next[coming_count].bytes;
        if (get_u8(&coming[coming_count]) >> TIME_UNIT_BITS != TIME_PAIRS)
            break;
        coming_count++;
    }
    if (coming_count > 0 && rows->ahead == NULL)
        rows->ahead = core_calloc(1, sizeof *rows->ahead); /* without it they come one by one */
    return pairs_decode(rows->columns.time + rows->columns.count, values, r, count, begin,
                        (uint64_t)codec_unit_ns[unit], rows->models, rows->ahead, coming,
                        coming_count, &rows->is_rising);
}

static bool decode_spells(struct columns *out, struct reader *r, size_t count, int64_t begin)
{
    size_t at = out->count;
    int64_t *values = out->field[0] + at;
    return spells_decode(out->time + at, out->duration + at, values, r, count, begin) &&
           (out->schema.types[0] != FIELD_ENUM || !codec_has_negative(values, count));
}

static bool decode_times(const struct decoding *decoding, struct derived *d, enum time_form *form,
                         struct reader *r, size_t count, int64_t begin)
{
    struct codec_rows *rows = decoding->rows;
    struct columns *out = &rows->columns;
    int64_t *time = out->time + out->count;
    int64_t *only = only_field(out);
    uint8_t how = get_u8(r);
    *d = (struct derived){ .unit = how & ((1u << TIME_UNIT_BITS) - 1) };
    *form = (enum time_form)(how >> TIME_UNIT_BITS);
    rows->is_rising = false;
    if (r->overrun || d->unit > UNIT_LAST || !sample_time_is_valid(begin))
        return false;
    switch (*form) {
    case TIME_GAPS:
        if (decode_equal_gaps(time, r, count, begin, (uint64_t)codec_unit_ns[d->unit])) {
            rows->is_rising = count == 1 || time[1] > time[0];
            return true;
        }
        if (decode_small_gaps(time, r, count, begin, d->unit, &rows->is_rising))
            return true;
        if (!block_array_decode(time, r, count, rows->models))
            return false;
        break;
    case TIME_PAIRS:
        return only != NULL && decode_pairs(decoding, only + out->count, r, count, begin, d->unit);
    case TIME_DERIVED:
        rows->flags_count = rows->sequence_count = out->count; /* exceptions wait there */
        return derived_read(d, rows, r, count);
    case TIME_RATE:
        return decode_rate(time, r, count, begin, (uint64_t)codec_unit_ns[d->unit]);
    case TIME_SPELLS:
        return only_value(out) != NULL && d->unit == 0 && decode_spells(out, r, count, begin);
    case TIME_EVEN:
        if (out->schema.kind != SAMPLE_INTERVAL ||
            !decode_even(out, r, count, begin, (uint64_t)codec_unit_ns[d->unit]))
            return false;
        rows->is_rising = count == 1 || time[1] > time[0];
        return true;
    default:
        return false;
    }
    return codec_times_of_gaps(time, count, begin, (uint64_t)codec_unit_ns[d->unit]);
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

bool codec_array_decode(int64_t *out, struct reader *r, size_t count)
{
    return count > 0 && count <= ROWS && block_array_decode(out, r, count, NULL);
}

static bool decode_natural(int64_t *values, struct reader *r, size_t count,
                           const struct codec_models *models)
{
    return block_array_decode(values, r, count, models) && !codec_has_negative(values, count);
}

static holter_status decode_field(struct columns *c, size_t field, struct reader *r, size_t count,
                                  const struct codec_models *models)
{
    int64_t *values = c->field[field] + c->count;
    bool is_right = false;
    switch (c->schema.types[field]) {
    case FIELD_INT:
        is_right = block_array_decode(values, r, count, models);
        break;
    case FIELD_ENUM:
        is_right = decode_natural(values, r, count, models);
        break;
    case FIELD_FLOAT:
        is_right = floats_decode(values, r, count, models);
        break;
    default:
        return texts_decode(c, values, r, count, models);
    }
    return is_right ? HOLTER_OK : HOLTER_CORRUPT;
}

static void take_equal_flags(struct codec_rows *rows, size_t at, size_t count, uint16_t flags)
{
    if (flags != rows->flags)
        rows->flags_count = at;
    rows->flags = flags;
    for (; rows->flags_count < at + count; rows->flags_count++)
        rows->columns.flags[rows->flags_count] = flags;
}

/* Flags, by way of the revisions' room; all equal as a rule. */
static bool decode_flags(struct codec_rows *rows, size_t at, struct reader *r, size_t count)
{
    struct columns *out = &rows->columns;
    struct reader before = *r;
    int64_t flags;
    if (array_decode_constant(&flags, r)) {
        uint16_t word;
        if (!codec_flags_take(&word, &flags, 1))
            return false;
        take_equal_flags(rows, at, count, word);
        return true;
    }
    *r = before;
    rows->flags_count = rows->revision_count = at;
    int64_t *words = out->revision + at;
    return block_array_decode(words, r, count, rows->models) &&
           codec_flags_take(out->flags + at, words, count);
}

static bool decode_revisions(struct codec_rows *rows, size_t at, struct reader *r, size_t count,
                             bool with_revision, int64_t revision)
{
    int64_t *revisions = rows->columns.revision;
    if (with_revision || revision != rows->revision)
        rows->revision_count = at;
    if (with_revision)
        return block_array_decode(revisions + at, r, count, rows->models);
    rows->revision = revision;
    for (; rows->revision_count < at + count; rows->revision_count++)
        revisions[rows->revision_count] = revision;
    return true;
}

/* Behind the rows that are there. */
static holter_status decode_columns(const struct decoding *decoding, struct reader *r, size_t count,
                                    int64_t begin, bool with_revision, int64_t revision)
{
    struct codec_rows *rows = decoding->rows;
    struct columns *out = &rows->columns;
    size_t at = out->count;
    struct derived derived;
    enum time_form form;
    if (!decode_times(decoding, &derived, &form, r, count, begin))
        return HOLTER_CORRUPT;
    bool has_values = form == TIME_PAIRS || form == TIME_SPELLS;
    bool has_durations = form == TIME_SPELLS || form == TIME_EVEN;
    if (out->schema.kind == SAMPLE_INTERVAL && !has_durations &&
        !decode_natural(out->duration + at, r, count, rows->models))
        return HOLTER_CORRUPT;
    for (size_t f = has_values ? 1 : 0; f < out->schema.field_count; f++) {
        holter_status status = decode_field(out, f, r, count, rows->models);
        if (status != HOLTER_OK)
            return status;
    }
    if (derived.is_derived && !derived_times(out, &derived, count, begin))
        return HOLTER_CORRUPT;
    if (form == TIME_EVEN)
        take_equal_flags(rows, at, count, 0);
    if ((form != TIME_EVEN && !decode_flags(rows, at, r, count)) ||
        !decode_revisions(rows, at, r, count, with_revision, revision))
        return HOLTER_CORRUPT;
    return HOLTER_OK;
}

static holter_status decode_block(const struct decoding *decoding, struct reader *r, size_t count,
                                  int64_t begin, bool with_revision, int64_t revision)
{
    struct codec_rows *rows = decoding->rows;
    if (count == 0 || count > ROWS || r->overrun)
        return HOLTER_CORRUPT;
    if (!columns_reserve(&rows->columns, count))
        return HOLTER_NO_MEMORY;
    size_t text_bytes = rows->columns.text.bytes;
    holter_status status = decode_columns(decoding, r, count, begin, with_revision, revision);
    if (status != HOLTER_OK)
        rows->columns.text.bytes = text_bytes;
    return status;
}

holter_status codec_block_decode(struct columns *out, struct reader *r, size_t count, int64_t begin,
                                 bool with_revision, int64_t revision, uint64_t sequence,
                                 const struct codec_models *models)
{
    struct codec_rows rows = { .columns = *out, .models = models, .flags_count = out->count };
    rows.revision_count = out->count;
    const struct decoding decoding = { .rows = &rows };
    holter_status status = decode_block(&decoding, r, count, begin, with_revision, revision);
    *out = rows.columns;
    for (size_t i = out->count; status == HOLTER_OK && i < out->count + count; i++)
        out->sequence[i] = sequence;
    if (status == HOLTER_OK)
        out->count += count;
    return status;
}

holter_status codec_block_decode_next(struct codec_rows *rows, struct reader *r, size_t count,
                                      int64_t begin, bool with_revision, int64_t revision,
                                      const struct codec_next *next, size_t next_count)
{
    const struct decoding decoding = { rows, next, next_count };
    struct columns *columns = &rows->columns;
    core_assert(next_count <= CODEC_AHEAD);
    columns_clear(columns);
    holter_status status = decode_block(&decoding, r, count, begin, with_revision, revision);
    if (status != HOLTER_OK)
        return status;
    for (; rows->sequence_count < count; rows->sequence_count++)
        columns->sequence[rows->sequence_count] = 0;
    columns->count = count;
    return HOLTER_OK;
}

void codec_rows_use(struct codec_rows *rows, const struct codec_models *models)
{
    rows->models = models;
    if (rows->ahead != NULL)
        ahead_forget(rows->ahead);
}

void codec_rows_release(struct codec_rows *rows)
{
    columns_release(&rows->columns);
    if (rows->ahead != NULL)
        codec_wipe(rows->ahead, sizeof *rows->ahead);
    free(rows->ahead);
    rows->ahead = NULL;
}
