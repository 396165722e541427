/*
 * codec_cold.c -- arrays of up to CODEC_BLOCK_ROWS_MAX values: in cuts that are packed
 * (codec_array.c), or as symbols of a model (codec_rans.c), whichever takes fewer bytes.
 *
 * A residual is a value less what is foretold for it: the base, the value before, or the line through
 * the two before. Its upper bits are a symbol, its lower ones are stored as they are, where the scale
 * is so large that they are noise. What no symbol means is an escape, kept aside.
 *
 * Heart rate is gaps and changes in pairs: a device that stores a sample when the rate has changed
 * tells much of the one by the other.
 *
 * Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_cold.c.
 */
#include "codec_cold.h"

#include <stdlib.h>
#include <string.h>

/* Stored; codec_array.c has 1 to 6. */
enum cold_code { ARRAY_CONSTANT = 1, ARRAY_CODED = 9, ARRAY_CUT = 10, ARRAY_MULTIPLES = 11 };

enum {
    CODED_LEAST = 96, /* shorter arrays are packed: the states of the coder take 56 bytes */
    ORDER_MAX = 3,    /* stored */
    ORDER_TRIED_MAX = 2,
    SHIFT_MAX = 56,       /* stored */
    SYMBOL_BITS = 3,      /* of a usual residual that its symbol keeps */
    ESCAPE_BYTES = 4,     /* about what one takes */
    CODED_HEAD_BYTES = 8, /* code, model, order, base, counts */
    SAMPLES = 32
};

/* ---- residuals ------------------------------------------------------------------------------- */

static void residuals_of(int64_t *out, const int64_t *values, size_t count, unsigned order,
                         int64_t base)
{
    for (size_t i = 0; i < count; i++)
        out[i] = wrap_sub_i64(values[i], base);
    for (unsigned pass = 0; pass < order; pass++) {
        for (size_t i = count - 1; i > 0; i--)
            out[i] = wrap_sub_i64(out[i], out[i - 1]);
        out[0] = 0;
    }
}

static void values_of(int64_t *values, size_t count, unsigned order, int64_t base)
{
    for (unsigned pass = 0; pass < order; pass++) {
        values[0] = 0;
        for (size_t i = 1; i < count; i++)
            values[i] = wrap_add_i64(values[i], values[i - 1]);
    }
    for (size_t i = 0; i < count; i++)
        values[i] = wrap_add_i64(values[i], base);
}

/* Bits of all residuals' sizes together: outliers weigh little. */
static size_t size_bits(const int64_t *residuals, size_t count)
{
    size_t bits = 0;
    for (size_t i = 0; i < count; i++)
        bits += bits_of(zigzag_encode(residuals[i]));
    return bits;
}

/* ---- the best model -------------------------------------------------------------------------- */

struct coded_plan {
    size_t bytes; /* about what it takes */
    const struct model_tables *tables;
    uint8_t model; /* its number */
    unsigned order, shift;
    int64_t base;
    size_t escapes;
};

/* `plan` with the model; its symbols stay in s->symbols[0] if it is better than `best`. */
static void try_model(struct coded_plan *best, struct cold_scratch *s, struct coded_plan plan,
                      size_t count)
{
    uint64_t bits;
    uint8_t *symbols = s->symbols[1];
    plan.tables = model_find(plan.model);
    for (size_t i = 0; i < count; i++)
        symbols[i] = model_symbol_of_value(plan.tables, s->residuals[i] >> plan.shift);
    plan.escapes = rans_fit(symbols, s->escape_at[1], &bits, plan.tables, count);
    plan.bytes = CODED_HEAD_BYTES + (size_t)(bits / 8) + pack_bytes(count, plan.shift) +
                 plan.escapes * ESCAPE_BYTES;
    if (plan.bytes >= best->bytes)
        return;
    *best = plan;
    memcpy(s->symbols[0], symbols, count);
    memcpy(s->escape_at[0], s->escape_at[1], plan.escapes * sizeof *s->escape_at[0]);
}

static int compare_values(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static int64_t middle_of_few(const int64_t *values, size_t count)
{
    int64_t few[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++)
        few[i] = values[i * count / SAMPLES];
    qsort(few, SAMPLES, sizeof *few, compare_values);
    return few[SAMPLES / 2];
}

static void try_residuals(struct coded_plan *best, struct cold_scratch *s, const int64_t *values,
                          size_t count)
{
    int64_t middle = middle_of_few(values, count);
    unsigned order = 0;
    size_t least = SIZE_MAX;
    for (unsigned o = 0; o <= ORDER_TRIED_MAX; o++) {
        residuals_of(s->residuals, values, count, o, middle);
        size_t bits = size_bits(s->residuals, count);
        if (bits < least) {
            least = bits;
            order = o;
        }
    }
    unsigned usual = (unsigned)(least / count); /* with the sign's bit */
    struct coded_plan plan = {
        .model = MODEL_RESIDUALS,
        .order = order,
        .shift = usual > SYMBOL_BITS + 1 ? usual - SYMBOL_BITS - 1 : 0,
        .base = order == 0 ? middle : values[0],
    };
    if (plan.shift > SHIFT_MAX)
        return;
    residuals_of(s->residuals, values, count, order, plan.base);
    try_model(best, s, plan, count);
}

static struct coded_plan plan_coded(struct cold_scratch *s, const int64_t *values, size_t count,
                                    size_t bytes)
{
    struct coded_plan best = { .bytes = bytes };
    bool is_natural = !codec_has_negative(values, count);
    try_residuals(&best, s, values, count);
    if (is_natural) {
        residuals_of(s->residuals, values, count, 0, 0);
        try_model(&best, s, (struct coded_plan){ .model = MODEL_STEPS }, count);
        try_model(&best, s, (struct coded_plan){ .model = MODEL_LEVELS }, count);
    }
    return best;
}

/* ---- arrays: writing ------------------------------------------------------------------------- */

static void cuts_encode(struct buffer *out, const int64_t *values, size_t count)
{
    if (count <= ARRAY_ROWS_MAX) {
        array_encode(out, values, count);
        return;
    }
    buffer_append_u8(out, ARRAY_CUT);
    for (size_t at = 0; at < count; at += ARRAY_ROWS_MAX)
        array_encode(out, values + at, count - at < ARRAY_ROWS_MAX ? count - at : ARRAY_ROWS_MAX);
}

/* Values at the places of escapes, as a packed array. */
static void escapes_encode(struct buffer *out, struct cold_scratch *s, const int64_t *values,
                           size_t escapes)
{
    for (size_t i = 0; i < escapes; i++)
        s->escapes[i] = values[s->escape_at[0][i]];
    if (escapes > 0)
        cuts_encode(out, s->escapes, escapes);
}

static void coded_encode(struct buffer *out, struct cold_scratch *s, const int64_t *values,
                         size_t count, const struct coded_plan *by)
{
    buffer_append_u8(out, ARRAY_CODED);
    buffer_append_u8(out, by->model);
    buffer_append_u8(out, (uint8_t)(by->shift << 2 | by->order));
    buffer_append_zigzag(out, by->base);
    rans_encode(out, &s->rans, by->tables, s->symbols[0], count);
    residuals_of(s->residuals, values, count, by->order, by->base);
    pack_append(out, (const uint64_t *)s->residuals, count, by->shift);
    buffer_append_varint(out, by->escapes);
    escapes_encode(out, s, s->residuals, by->escapes);
}

static uint64_t common_factor(const int64_t *values, size_t count)
{
    uint64_t factor = 0;
    for (size_t i = 0; i < count && factor != 1; i++) {
        uint64_t rest = values[i] < 0 ? 0 - (uint64_t)values[i] : (uint64_t)values[i];
        while (rest != 0) {
            uint64_t next = factor % rest;
            factor = rest;
            rest = next;
        }
    }
    return factor;
}

void cold_array_encode(struct buffer *out, struct cold_scratch *s, const int64_t *values,
                       size_t count)
{
    core_assert(count > 0);
    core_assert(count <= CODEC_BLOCK_ROWS_MAX);
    size_t same = 1;
    while (same < count && values[same] == values[0])
        same++;
    if (same == count) {
        buffer_append_u8(out, ARRAY_CONSTANT);
        buffer_append_zigzag(out, values[0]);
        return;
    }
    uint64_t factor = common_factor(values, count);
    if (factor > 1 && factor <= INT64_MAX) {
        for (size_t i = 0; i < count; i++)
            s->quotients[i] = values[i] / (int64_t)factor;
        values = s->quotients;
        buffer_append_u8(out, ARRAY_MULTIPLES);
        buffer_append_varint(out, factor);
    }
    size_t start = out->bytes;
    cuts_encode(out, values, count);
    if (count < CODED_LEAST || out->failed)
        return;
    struct coded_plan coded = plan_coded(s, values, count, out->bytes - start);
    if (coded.tables != NULL) {
        out->bytes = start;
        coded_encode(out, s, values, count, &coded);
    }
}

/* ---- arrays: reading ------------------------------------------------------------------------- */

static bool cuts_decode(int64_t *out, struct reader *r, size_t count)
{
    for (size_t at = 0; at < count; at += ARRAY_ROWS_MAX) {
        if (!array_decode(out + at, r, count - at < ARRAY_ROWS_MAX ? count - at : ARRAY_ROWS_MAX))
            return false;
    }
    return true;
}

/* Read how many escapes there are, which has to be the number of symbols 0. */
static bool escapes_count(size_t *escapes, struct reader *r, const uint8_t *symbols, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += symbols[i] == 0;
    *escapes = found;
    return get_varint(r) == found && !r->overrun;
}

/* Read the values of the escapes to their places. */
static bool escapes_take(int64_t *out, struct reader *r, const uint8_t *symbols, size_t escapes)
{
    int64_t cut[ARRAY_ROWS_MAX];
    if (escapes > ARRAY_ROWS_MAX && get_u8(r) != ARRAY_CUT)
        return false;
    for (size_t i = 0; escapes > 0;) {
        size_t count = escapes < ARRAY_ROWS_MAX ? escapes : ARRAY_ROWS_MAX;
        if (!array_decode(cut, r, count))
            return false;
        for (size_t taken = 0; taken < count; i++) {
            if (symbols[i] == 0)
                out[i] = cut[taken++];
        }
        escapes -= count;
    }
    return true;
}

static bool coded_decode(int64_t *out, struct reader *r, size_t count)
{
    uint8_t symbols[CODEC_BLOCK_ROWS_MAX];
    size_t escapes;
    const struct model_tables *tables = model_find(get_u8(r));
    unsigned how = get_u8(r);
    unsigned order = how & ORDER_MAX;
    unsigned shift = how >> 2;
    int64_t base = get_zigzag(r);
    if (r->overrun || tables == NULL || tables->model->gaps != NULL || shift > SHIFT_MAX ||
        !rans_decode(symbols, r, tables, count) || !unpack(out, r, count, shift, 0))
        return false;
    int64_t meaning[MODEL_SYMBOLS_MAX];
    for (size_t symbol = 0; symbol < tables->model->symbols; symbol++)
        meaning[symbol] = (int64_t)((uint64_t)(int64_t)tables->model->values[symbol] << shift);
    for (size_t i = 0; i < count; i++)
        out[i] = wrap_add_i64(out[i], meaning[symbols[i]]);
    if (!escapes_count(&escapes, r, symbols, count) || !escapes_take(out, r, symbols, escapes))
        return false;
    values_of(out, count, order, base);
    return true;
}

/* Codes 1 to 6, and those that only stand outermost. */
static bool decode_by_code(int64_t *out, struct reader *r, size_t count, uint8_t code)
{
    if (code == ARRAY_CODED)
        return coded_decode(out, r, count);
    if (code == ARRAY_CUT)
        return count > ARRAY_ROWS_MAX && cuts_decode(out, r, count);
    if (code == ARRAY_CONSTANT) {
        int64_t value = get_zigzag(r);
        for (size_t i = 0; i < count; i++)
            out[i] = value;
        return !r->overrun;
    }
    return count <= ARRAY_ROWS_MAX && array_decode_by_code(out, r, count, code);
}

bool block_array_decode(int64_t *out, struct reader *r, size_t count)
{
    core_assert(count > 0);
    core_assert(count <= CODEC_BLOCK_ROWS_MAX);
    uint8_t code = get_u8(r);
    if (code != ARRAY_MULTIPLES)
        return decode_by_code(out, r, count, code);
    uint64_t factor = get_varint(r);
    if (r->overrun || factor == 0 || !decode_by_code(out, r, count, get_u8(r)))
        return false;
    for (size_t i = 0; i < count; i++)
        out[i] = (int64_t)((uint64_t)out[i] * factor);
    return true;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

bool pairs_encode(struct buffer *out, struct cold_scratch *s, const int64_t *gaps,
                  const int64_t *values, size_t count)
{
    static const uint8_t models[] = { MODEL_HEART_RATE, MODEL_HEART_RATE_LOOSE };
    uint8_t model = 0;
    size_t escapes = 0;
    uint64_t least = UINT64_MAX;
    if (count < CODED_LEAST)
        return false;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        const struct model_tables *tables = model_find(models[m]);
        uint64_t bits;
        uint8_t *symbols = s->symbols[1];
        symbols[0] = tables->likely[tables->model->start];
        for (size_t i = 1; i < count; i++)
            symbols[i] =
                model_symbol_of_pair(tables, gaps[i], wrap_sub_i64(values[i], values[i - 1]));
        size_t missed = rans_fit(symbols, s->escape_at[1], &bits, tables, count);
        bits += missed * ESCAPE_BYTES * 8;
        if (bits >= least)
            continue;
        least = bits;
        model = models[m];
        escapes = missed;
        memcpy(s->symbols[0], symbols, count);
        memcpy(s->escape_at[0], s->escape_at[1], missed * sizeof *s->escape_at[0]);
    }
    if (escapes * 4 > count)
        return false;
    buffer_append_u8(out, model);
    buffer_append_zigzag(out, values[0]);
    rans_encode(out, &s->rans, model_find(model), s->symbols[0], count);
    buffer_append_varint(out, escapes);
    escapes_encode(out, s, gaps, escapes);
    residuals_of(s->residuals, values, count, 1, values[0]);
    escapes_encode(out, s, s->residuals, escapes);
    return true;
}

bool pairs_decode(int64_t *gaps, int64_t *values, struct reader *r, size_t count)
{
    uint8_t symbols[CODEC_BLOCK_ROWS_MAX];
    size_t escapes;
    const struct model_tables *tables = model_find(get_u8(r));
    int64_t first = get_zigzag(r);
    if (r->overrun || tables == NULL || tables->model->gaps == NULL ||
        !rans_decode(symbols, r, tables, count) || !escapes_count(&escapes, r, symbols, count))
        return false;
    const int16_t *gap_of = tables->model->gaps;
    const int16_t *change_of = tables->model->values;
    for (size_t i = 0; i < count; i++) {
        gaps[i] = gap_of[symbols[i]];
        values[i] = change_of[symbols[i]];
    }
    if (!escapes_take(gaps, r, symbols, escapes) || !escapes_take(values, r, symbols, escapes))
        return false;
    values_of(values, count, 1, first);
    return true;
}
