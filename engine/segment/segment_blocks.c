/*
 * segment_blocks.c -- what the headers of a series' blocks say, measured, and as columns of bytes.
 *
 * Sums of integers are exact: values are summed in halves of 32 bits, which cannot overflow over a
 * block and which the compiler turns into SIMD, and put together in 128 bits. They are stored less
 * min * count, which takes few bytes. Sums of floats are double-doubles by TwoSum. Bytes:
 * format-spec/segment.md, "Block headers".
 */
#include "segment_impl.h"

#include <math.h>
#include <string.h>

/* Stored. */
enum blocks_form { BLOCKS_FORM = 2, BLOCKS_FORM_WITH_MODELS = 3 };

enum { WIDE_BYTES_MAX = 19 };

const uint64_t segment_units[SEGMENT_UNITS] = { 1, 1000, 1000000, 1000000000,
                                                UINT64_C(60000000000) };

static holter_status refuse(const char **what, const char *sentence)
{
    *what = sentence;
    return HOLTER_CORRUPT;
}

/* ---- 128 bits, modulo 2^128 ------------------------------------------------------------------ */

struct wide {
    uint64_t low, high;
};

static struct wide wide_add(struct wide a, struct wide b)
{
    struct wide sum = { a.low + b.low, a.high + b.high };
    sum.high += sum.low < a.low;
    return sum;
}

static struct wide wide_sub(struct wide a, struct wide b)
{
    struct wide difference = { a.low - b.low, a.high - b.high };
    difference.high -= a.low < b.low;
    return difference;
}

/* high * 2^32 + low */
static struct wide wide_join(int64_t high, uint64_t low)
{
    struct wide shifted = { (uint64_t)high << 32, (uint64_t)(high >> 32) };
    return wide_add(shifted, (struct wide){ low, 0 });
}

static struct wide wide_times(int64_t value, uint32_t count)
{
    core_assert(count <= CODEC_BLOCK_ROWS_MAX);
    return wide_join((value >> 32) * (int64_t)count, ((uint64_t)value & UINT32_MAX) * count);
}

static struct wide wide_times_unsigned(uint64_t value, uint32_t count)
{
    core_assert(count <= CODEC_BLOCK_ROWS_MAX);
    return wide_join((int64_t)(value >> 32) * (int64_t)count, (value & UINT32_MAX) * count);
}

static bool wide_is_less(struct wide a, struct wide b)
{
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static void append_wide(struct buffer *out, struct wide value)
{
    while (value.high != 0 || value.low >= 0x80) {
        buffer_append_u8(out, (uint8_t)(value.low | 0x80));
        value.low = value.low >> 7 | value.high << 57;
        value.high >>= 7;
    }
    buffer_append_u8(out, (uint8_t)value.low);
}

static struct wide get_wide(struct reader *r)
{
    struct wide value = { 0 };
    for (unsigned i = 0; i < WIDE_BYTES_MAX; i++) {
        uint8_t byte = get_u8(r);
        uint64_t group = byte & 0x7f;
        unsigned shift = 7 * i;
        if (shift < 64) {
            value.low |= group << shift;
            if (shift > 57)
                value.high |= group >> (64 - shift);
        } else {
            value.high |= group << (shift - 64);
        }
        if ((byte & 0x80) != 0)
            continue;
        if ((byte == 0 && i > 0) || (i == WIDE_BYTES_MAX - 1 && byte > 3))
            break; /* over-long, or over 128 bits */
        return value;
    }
    reader_give_up(r);
    return (struct wide){ 0 };
}

/* ---- rows ------------------------------------------------------------------------------------ */

uint32_t segment_block_rows(const struct segment_traits *traits)
{
    return traits->tier == SEGMENT_TIER_COLD ? SEGMENT_COLD_BLOCK_ROWS : SEGMENT_BLOCK_ROWS;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static uint64_t double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* keep[i]: all bits where the statistics count a row, else 0. Answers how many they leave out. */
static uint32_t rows_keep(int64_t *keep, const struct columns *c, size_t first, size_t count)
{
    const uint16_t *flags = c->flags + first;
    for (size_t i = 0; i < count; i++)
        keep[i] = -(int64_t)((flags[i] & (SAMPLE_OUT_OF_RANGE | SAMPLE_NON_FINITE)) == 0);
    for (size_t f = 0; f < c->schema.field_count; f++) {
        if (c->schema.types[f] != FIELD_FLOAT)
            continue;
        const int64_t *words = c->field[f] + first;
        const uint64_t exponent = UINT64_C(0x7ff) << 52;
        for (size_t i = 0; i < count; i++)
            keep[i] &= -(int64_t)(((uint64_t)words[i] & exponent) != exponent);
    }
    uint32_t flagged = 0;
    for (size_t i = 0; i < count; i++)
        flagged += keep[i] == 0;
    return flagged;
}

/* Nothing can be left out, as is the rule: a look at the flags alone. */
static bool rows_are_plain(const struct columns *c, size_t first, size_t count)
{
    unsigned any = 0;
    for (size_t i = first; i < first + count; i++)
        any |= c->flags[i];
    for (size_t f = 0; f < c->schema.field_count; f++)
        if (c->schema.types[f] == FIELD_FLOAT)
            return false;
    return (any & (SAMPLE_OUT_OF_RANGE | SAMPLE_NON_FINITE)) == 0;
}

/* As measure_ints where all rows count, and their sum is one of 64 bits. false: it may not be. */
static bool measure_near(struct segment_block *out, size_t field, const int64_t *words,
                         size_t count, bool has_sum)
{
    const int64_t far = INT64_MAX / CODEC_BLOCK_ROWS_MAX;
    int64_t min, max;
    int64_t sum = 0;
    codec_range(&min, &max, words, count);
    if (has_sum && (min < -far || max > far))
        return false;
    for (size_t i = 0; has_sum && i < count; i++)
        sum += words[i];
    out->field[field].min = min;
    out->field[field].max = max;
    out->field[field].sum_low = sum;
    out->field[field].sum_high = sum < 0 ? -1 : 0;
    return true;
}

static void measure_ints(struct segment_block *out, size_t field, const int64_t *words,
                         const int64_t *keep, size_t count, bool has_sum)
{
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    int64_t high = 0;
    uint64_t low = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t for_min = keep[i] ? words[i] : INT64_MAX;
        int64_t for_max = keep[i] ? words[i] : INT64_MIN;
        int64_t value = words[i] & keep[i];
        min = for_min < min ? for_min : min;
        max = for_max > max ? for_max : max;
        high += value >> 32;
        low += (uint64_t)value & UINT32_MAX;
    }
    struct wide sum = has_sum ? wide_join(high, low) : (struct wide){ 0 };
    out->field[field].min = min;
    out->field[field].max = max;
    out->field[field].sum_low = (int64_t)sum.low;
    out->field[field].sum_high = (int64_t)sum.high;
}

/* TwoSum: Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B. */
static void measure_floats(struct segment_block *out, size_t field, const int64_t *words,
                           const int64_t *keep, size_t count)
{
    double min = INFINITY;
    double max = -INFINITY;
    double high = 0.0;
    double low = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (!keep[i])
            continue;
        double value = real_of(words[i]);
        min = value < min ? value : min;
        max = value > max ? value : max;
        double sum = high + value;
        double part = sum - high;
        double error = (high - (sum - part)) + (value - part) + low;
        high = sum + error;
        low = error - (high - sum);
    }
    if (!isfinite(high))
        low = 0.0;
    out->field[field].min = (int64_t)double_bits(min);
    out->field[field].max = (int64_t)double_bits(max);
    out->field[field].sum_low = (int64_t)double_bits(high);
    out->field[field].sum_high = (int64_t)double_bits(low);
}

void segment_block_measure(struct segment_block *out, const struct columns *c, size_t first,
                           size_t count)
{
    core_assert(count > 0);
    core_assert(count <= CODEC_BLOCK_ROWS_MAX);
    int64_t keep[CODEC_BLOCK_ROWS_MAX];
    bool is_near = rows_are_plain(c, first, count);
    *out = (struct segment_block){
        .rows = (uint32_t)count,
        .begin_min = c->time[first],
        .begin_max = c->time[first + count - 1],
        .end_max = c->time[first + count - 1],
    };
    if (c->schema.kind == SAMPLE_INTERVAL) {
        for (size_t i = first; i < first + count; i++) {
            int64_t end = columns_end(c, i);
            out->end_max = end > out->end_max ? end : out->end_max;
        }
    }
    for (size_t f = 0; is_near && f < c->schema.field_count; f++) {
        uint8_t type = c->schema.types[f];
        if (type == FIELD_INT || type == FIELD_ENUM)
            is_near = measure_near(out, f, c->field[f] + first, count, type == FIELD_INT);
    }
    if (is_near)
        return;
    out->flagged = rows_keep(keep, c, first, count);
    if (out->flagged == count)
        return;
    for (size_t f = 0; f < c->schema.field_count; f++) {
        const int64_t *words = c->field[f] + first;
        uint8_t type = c->schema.types[f];
        if (type == FIELD_INT || type == FIELD_ENUM)
            measure_ints(out, f, words, keep, count, type == FIELD_INT);
        else if (type == FIELD_FLOAT)
            measure_floats(out, f, words, keep, count);
    }
}

/* ---- encoding -------------------------------------------------------------------------------- */

static uint64_t gap_of(const struct segment_block *blocks, size_t i)
{
    return (uint64_t)blocks[i].begin_min - (uint64_t)blocks[i - 1].begin_max;
}

static uint64_t span_of(const struct segment_block *block)
{
    return (uint64_t)block->begin_max - (uint64_t)block->begin_min;
}

static uint64_t end_span_of(const struct segment_block *block)
{
    return (uint64_t)block->end_max - (uint64_t)block->begin_max;
}

static bool divides_all(uint64_t unit, const struct schema *schema,
                        const struct segment_block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (gap_of(blocks, i) % unit != 0 || span_of(&blocks[i - 1]) % unit != 0))
            return false;
        if (schema->kind == SAMPLE_INTERVAL && end_span_of(&blocks[i]) % unit != 0)
            return false;
    }
    return true;
}

static size_t unit_choose(const struct schema *schema, const struct segment_block *blocks,
                          size_t count)
{
    size_t unit = SEGMENT_UNITS - 1;
    while (unit > 0 && !divides_all(segment_units[unit], schema, blocks, count))
        unit--;
    return unit;
}

static void field_encode(struct buffer *out, uint8_t type, const struct segment_block *blocks,
                         size_t count, size_t f)
{
    if (type == FIELD_INT || type == FIELD_ENUM) {
        for (size_t i = 0; i < count; i++)
            buffer_append_zigzag(out, wrap_sub_i64(blocks[i].field[f].min,
                                                   i > 0 ? blocks[i - 1].field[f].min : 0));
        for (size_t i = 0; i < count; i++)
            buffer_append_varint(out, (uint64_t)blocks[i].field[f].max -
                                          (uint64_t)blocks[i].field[f].min);
    }
    if (type == FIELD_INT) {
        for (size_t i = 0; i < count; i++) {
            struct wide sum = { (uint64_t)blocks[i].field[f].sum_low,
                                (uint64_t)blocks[i].field[f].sum_high };
            append_wide(out, wide_sub(sum, wide_times(blocks[i].field[f].min,
                                                      blocks[i].rows - blocks[i].flagged)));
        }
    }
    if (type == FIELD_FLOAT) {
        for (size_t i = 0; i < count; i++)
            buffer_append_i64(out, blocks[i].field[f].min);
        for (size_t i = 0; i < count; i++)
            buffer_append_i64(out, blocks[i].field[f].max);
        for (size_t i = 0; i < count; i++)
            buffer_append_i64(out, blocks[i].field[f].sum_low);
        for (size_t i = 0; i < count; i++)
            buffer_append_i64(out, blocks[i].field[f].sum_high);
    }
}

void segment_blocks_encode(struct buffer *out, const struct schema *schema,
                           const struct segment_block *blocks, const struct segment_place *places,
                           size_t count, struct reader models)
{
    core_assert(count > 0);
    size_t unit = unit_choose(schema, blocks, count);
    buffer_append_u8(out, models.left == 0 ? BLOCKS_FORM : BLOCKS_FORM_WITH_MODELS);
    buffer_append_u8(out, (uint8_t)unit);
    for (size_t i = 0; i + 1 < count; i++)
        buffer_append_zigzag(out,
                             (int64_t)blocks[i].rows - (i > 0 ? (int64_t)blocks[i - 1].rows : 0));
    for (size_t i = 1; i < count; i++)
        buffer_append_varint(out, gap_of(blocks, i) / segment_units[unit]);
    for (size_t i = 0; i + 1 < count; i++)
        buffer_append_varint(out, span_of(&blocks[i]) / segment_units[unit]);
    if (schema->kind == SAMPLE_INTERVAL) {
        for (size_t i = 0; i < count; i++)
            buffer_append_varint(out, end_span_of(&blocks[i]) / segment_units[unit]);
    }
    for (size_t i = 0; i < count; i++)
        buffer_append_varint(out, blocks[i].flagged);
    for (size_t f = 0; f < schema->field_count; f++)
        field_encode(out, schema->types[f], blocks, count, f);
    for (size_t i = 0; i < count; i++)
        buffer_append_varint(out, (uint64_t)places[i].bytes << 2 |
                                      (uint64_t)places[i].starts_piece << 1 |
                                      (uint64_t)places[i].has_revision);
    buffer_append(out, models.at, models.left);
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* base + steps * unit, at most `limit`; false where it is not. */
static bool time_add(int64_t *out, int64_t base, uint64_t steps, uint64_t unit, int64_t limit)
{
    uint64_t span;
    if (!checked_mul_u64(&span, steps, unit) || base > limit ||
        span > (uint64_t)limit - (uint64_t)base)
        return false;
    *out = (int64_t)((uint64_t)base + span);
    return true;
}

static holter_status rows_decode(struct segment_block *blocks, struct reader *r,
                                 const struct segment_series *series, uint32_t rows_max,
                                 const char **what)
{
    uint64_t left = series->rows;
    int64_t rows = 0;
    size_t count = series->blocks;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count)
            rows = wrap_add_i64(rows, get_zigzag(r));
        else
            rows = left <= rows_max ? (int64_t)left : 0;
        if (rows < 1 || rows > (int64_t)rows_max || (uint64_t)rows > left)
            return refuse(what, "the rows of its blocks are not those of the series");
        blocks[i].rows = (uint32_t)rows;
        left -= (uint64_t)rows;
    }
    return HOLTER_OK;
}

/* Gaps and spans are put into begin_min and begin_max first, as the one column ends before the
   other begins. */
static holter_status times_decode(struct segment_block *blocks, struct reader *r,
                                  const struct segment_series *series, size_t unit,
                                  const char **what)
{
    size_t count = series->blocks;
    for (size_t i = 1; i < count; i++)
        blocks[i].begin_min = (int64_t)get_varint(r);
    for (size_t i = 0; i + 1 < count; i++)
        blocks[i].begin_max = (int64_t)get_varint(r);
    bool is_right = true;
    int64_t end_max = INT64_MIN;
    int64_t at = series->begin_min;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            is_right = is_right && time_add(&at, at, (uint64_t)blocks[i].begin_min,
                                            segment_units[unit], series->begin_max);
        blocks[i].begin_min = at;
        if (i + 1 < count)
            is_right = is_right && time_add(&at, at, (uint64_t)blocks[i].begin_max,
                                            segment_units[unit], series->begin_max);
        else
            at = series->begin_max;
        blocks[i].begin_max = at;
        blocks[i].end_max = at;
    }
    for (size_t i = 0; i < count; i++) {
        if (series->schema.kind == SAMPLE_INTERVAL)
            is_right = is_right && time_add(&blocks[i].end_max, blocks[i].begin_max, get_varint(r),
                                            segment_units[unit], series->end_max);
        end_max = blocks[i].end_max > end_max ? blocks[i].end_max : end_max;
    }
    if (!is_right || end_max != series->end_max)
        return refuse(what, "the times of its blocks are not those of the series");
    if (unit + 1 < SEGMENT_UNITS &&
        divides_all(segment_units[unit + 1], &series->schema, blocks, count))
        return refuse(what, "the times of its blocks have a larger unit than it names");
    return HOLTER_OK;
}

static holter_status ints_decode(struct segment_block *blocks, struct reader *r, size_t count,
                                 size_t f, bool has_sum, const char **what)
{
    for (size_t i = 0; i < count; i++)
        blocks[i].field[f].min =
            wrap_add_i64(i > 0 ? blocks[i - 1].field[f].min : 0, get_zigzag(r));
    for (size_t i = 0; i < count; i++) {
        uint64_t span = get_varint(r);
        int64_t min = blocks[i].field[f].min;
        if (span > (uint64_t)INT64_MAX - (uint64_t)min)
            return refuse(what, "the greatest value of a block is out of range");
        blocks[i].field[f].max = (int64_t)((uint64_t)min + span);
        if (blocks[i].flagged == blocks[i].rows && (min != 0 || span != 0))
            return refuse(what, "a block without values has statistics");
    }
    for (size_t i = 0; has_sum && i < count; i++) {
        uint32_t kept = blocks[i].rows - blocks[i].flagged;
        uint64_t span = (uint64_t)blocks[i].field[f].max - (uint64_t)blocks[i].field[f].min;
        struct wide above = get_wide(r);
        if (wide_is_less(wide_times_unsigned(span, kept), above))
            return refuse(what, "the sum of a block is out of range");
        struct wide sum = wide_add(above, wide_times(blocks[i].field[f].min, kept));
        blocks[i].field[f].sum_low = (int64_t)sum.low;
        blocks[i].field[f].sum_high = (int64_t)sum.high;
    }
    return HOLTER_OK;
}

static holter_status floats_decode(struct segment_block *blocks, struct reader *r, size_t count,
                                   size_t f, const char **what)
{
    for (size_t i = 0; i < count; i++)
        blocks[i].field[f].min = get_i64(r);
    for (size_t i = 0; i < count; i++)
        blocks[i].field[f].max = get_i64(r);
    for (size_t i = 0; i < count; i++)
        blocks[i].field[f].sum_low = get_i64(r);
    for (size_t i = 0; i < count; i++)
        blocks[i].field[f].sum_high = get_i64(r);
    for (size_t i = 0; i < count; i++) {
        int64_t any = blocks[i].field[f].min | blocks[i].field[f].max | blocks[i].field[f].sum_low |
                      blocks[i].field[f].sum_high;
        if (blocks[i].flagged == blocks[i].rows && any != 0)
            return refuse(what, "a block without values has statistics");
    }
    return HOLTER_OK;
}

/* Where pieces begin, and what they hold, follows from the bytes of the blocks. */
static holter_status places_decode(struct segment_place *places, struct reader *r,
                                   const struct segment_entry *entry, bool is_whole,
                                   const char **what)
{
    size_t count = entry->series.blocks;
    uint64_t tag = is_whole ? 0 : CRYPTO_TAG_BYTES;
    uint64_t piece_offset = 0; /* of the piece that is being gathered */
    uint64_t piece_bytes = 0;
    size_t piece_first = 0;
    for (size_t i = 0; i <= count; i++) {
        uint64_t word = i < count ? get_varint(r) : 2;
        bool starts = (word & 2) != 0;
        if ((i == 0 || (is_whole && i < count)) && starts != (i == 0))
            return refuse(what, "its blocks do not begin with a piece");
        if (starts) {
            for (size_t k = piece_first; k < i; k++)
                places[k].piece_bytes = piece_bytes;
            piece_first = i;
            piece_offset += i > 0 ? piece_bytes + tag : 0;
            piece_bytes = 0;
        }
        if (i == count)
            break;
        uint64_t bytes = word >> 2;
        if (bytes == 0 || bytes > UINT32_MAX || bytes > entry->payload_bytes - piece_bytes ||
            piece_offset > entry->payload_bytes - piece_bytes - bytes)
            return refuse(what, "its blocks take more bytes than the series has");
        if ((word & 1) != 0 && entry->series.revision_min == entry->series.revision_max)
            return refuse(what, "a block has revisions and the series has one");
        places[i] = (struct segment_place){
            .bytes = (uint32_t)bytes,
            .starts_piece = starts,
            .has_revision = (word & 1) != 0,
            .piece_offset = piece_offset,
            .offset = piece_bytes,
        };
        piece_bytes += bytes;
    }
    if (piece_offset != entry->payload_bytes)
        return refuse(what, "its blocks do not take the bytes that the series has");
    return HOLTER_OK;
}

holter_status segment_blocks_decode(struct segment_block *blocks, struct segment_place *places,
                                    const uint8_t *plain, size_t bytes,
                                    const struct segment_entry *entry, bool is_whole,
                                    uint32_t rows_max, struct reader *models, const char **what)
{
    const struct segment_series *series = &entry->series;
    size_t count = series->blocks;
    core_assert(count <= bytes / SEGMENT_BLOCK_BYTES_MIN);
    memset(blocks, 0, count * sizeof *blocks);

    struct reader r = reader_over(plain, bytes);
    uint8_t form = get_u8(&r);
    uint8_t unit = get_u8(&r);
    bool has_models = form == BLOCKS_FORM_WITH_MODELS;
    if ((form != BLOCKS_FORM && !has_models) || unit >= SEGMENT_UNITS)
        return refuse(what, "its form or unit is unknown");
    holter_status status = rows_decode(blocks, &r, series, rows_max, what);
    if (status == HOLTER_OK)
        status = times_decode(blocks, &r, series, unit, what);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        uint64_t flagged = get_varint(&r);
        if (flagged > blocks[i].rows)
            status = refuse(what, "a block leaves out more rows than it has");
        blocks[i].flagged = (uint32_t)flagged;
    }
    for (size_t f = 0; status == HOLTER_OK && f < series->schema.field_count; f++) {
        uint8_t type = series->schema.types[f];
        if (type == FIELD_INT || type == FIELD_ENUM)
            status = ints_decode(blocks, &r, count, f, type == FIELD_INT, what);
        else if (type == FIELD_FLOAT)
            status = floats_decode(blocks, &r, count, f, what);
    }
    if (status == HOLTER_OK)
        status = places_decode(places, &r, entry, is_whole, what);
    if (status == HOLTER_OK && (r.overrun || (r.left > 0) != has_models))
        status = refuse(what, "it is longer or shorter than its blocks");
    *models = r;
    return status;
}
