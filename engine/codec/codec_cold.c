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
#include "codec_lanes.h"

#include <stdlib.h>
#include <string.h>

enum {
    CODED_LEAST = 96, /* shorter arrays are packed */
    ORDER_MAX = 3,    /* stored */
    ORDER_TRIED_MAX = 2,
    SHIFT_MAX = 56,  /* stored */
    SYMBOL_BITS = 1, /* of a usual residual that its symbol keeps */
    STEPS_MAX = 255, /* model 4 has symbols for values below */
    LAG_SHARE = 4,   /* a model that takes so much more than packing is no model of these values */
    CODED_HEAD_BYTES = 8, /* code, model, order, base, counts */
    SAMPLES = 32,
    STRETCHES = 8, /* of a block that tell which model suits it */
    STRETCH_ROWS = 128,
    TRIAL_BYTES = ARRAY_ROWS_MAX * 16 /* an array takes 8 bytes a value and 13, or little more */
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
    for (size_t i = 0; order == 0 && base != 0 && i < count; i++)
        values[i] = wrap_add_i64(values[i], base);
    for (unsigned pass = 0; pass < order; pass++) {
        int64_t at = pass + 1 == order ? base : 0; /* which is in every sum of the last pass */
        values[0] = at;
        for (size_t i = 1; i < count; i++)
            values[i] = at = wrap_add_i64(at, values[i]);
    }
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

/* `plan` with its model; the symbols stay in s->symbols[0] if it is better than `best`. */
static void try_tables(struct coded_plan *best, struct codec_scratch *s, struct coded_plan plan,
                       size_t count)
{
    size_t bits;
    uint8_t *symbols = s->symbols[1];
    for (size_t i = 0; i < count; i++)
        symbols[i] = model_symbol_of_value(plan.tables, s->residuals[i] >> plan.shift);
    rans_fit(symbols, &plan.escapes, &bits, plan.tables, count);
    plan.bytes =
        CODED_HEAD_BYTES + bits / 8 + pack_bytes(count, plan.shift) + plan.escapes * ESCAPE_BYTES;
    if (plan.bytes >= best->bytes)
        return;
    *best = plan;
    memcpy(s->symbols[0], symbols, count);
}

/* By a built-in model, and by the own one of its machine where there is one. */
static void try_model(struct coded_plan *best, struct codec_scratch *s, struct coded_plan plan,
                      size_t count)
{
    plan.tables = model_find(plan.model);
    try_tables(best, s, plan, count);
    plan.model |= MODEL_OWN;
    plan.tables = models_find(s->models, plan.model);
    if (plan.tables != NULL)
        try_tables(best, s, plan, count);
}

static int64_t middle_of_few(const int64_t *values, size_t count)
{
    int64_t few[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++)
        few[i] = values[i * count / SAMPLES];
    qsort(few, SAMPLES, sizeof *few, codec_compare_values);
    return few[SAMPLES / 2];
}

/* The order is chosen by a stretch in the middle. */
static void try_residuals(struct coded_plan *best, struct codec_scratch *s, const int64_t *values,
                          size_t count, int64_t middle)
{
    size_t some = count < ARRAY_ROWS_MAX ? count : ARRAY_ROWS_MAX;
    unsigned order = 0;
    size_t least = SIZE_MAX;
    for (unsigned o = 0; o <= ORDER_TRIED_MAX; o++) {
        residuals_of(s->residuals, values + (count - some) / 2, some, o, middle);
        size_t bits = size_bits(s->residuals, some);
        if (bits < least) {
            least = bits;
            order = o;
        }
    }
    unsigned usual = (unsigned)(least / some); /* with the sign's bit */
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
    if (plan.shift > 0) { /* one bit more is noise, or is none */
        plan.shift++;
        if (plan.shift <= SHIFT_MAX)
            try_model(best, s, plan, count);
        plan.model = MODEL_NOISE; /* of finer symbols */
        for (unsigned less = 1; less <= 2; less++) {
            plan.shift--;
            try_model(best, s, plan, count);
        }
        return;
    }
    if (order > 1) {
        plan.order = 1;
        residuals_of(s->residuals, values, count, plan.order, plan.base);
    }
    plan.model = order == 0 ? MODEL_DRIFTING_GAPS : MODEL_SLOW_CHANGES;
    try_model(best, s, plan, count);
}

/* Few symbols would be escapes, and zeros are as common as in what was counted. */
static bool is_like_steps(const int64_t *values, size_t count)
{
    size_t zeros = 0;
    size_t large = 0; /* negative ones too */
    for (size_t i = 0; i < count; i++) {
        zeros += values[i] == 0;
        large += (uint64_t)values[i] >= STEPS_MAX;
    }
    return zeros > count / 16 && large < count / 16;
}

struct coded_plan coded_plan(struct codec_scratch *s, const int64_t *values, size_t count,
                             int64_t middle, size_t bytes)
{
    struct coded_plan best = { .bytes = bytes };
    if (count < CODED_LEAST)
        return best;
    try_residuals(&best, s, values, count, middle);
    if (is_like_steps(values, count)) {
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

/* What it would take packed, by its first cut. */
static size_t packed_bytes(struct codec_scratch *s, const int64_t *values, size_t count)
{
    size_t first = count < ARRAY_ROWS_MAX ? count : ARRAY_ROWS_MAX;
    buffer_clear(&s->trial);
    array_encode(&s->trial, values, first);
    core_assert(!s->trial.failed); /* it has room for any array */
    return s->trial.bytes * count / first;
}

void escapes_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values,
                    const uint8_t *symbols, size_t escapes)
{
    size_t at = 0;
    for (size_t i = 0; i < escapes; i++, at++) {
        while (symbols[at] != 0)
            at++;
        s->escapes[i] = values[at];
    }
    if (escapes > 0)
        cuts_encode(out, s->escapes, escapes);
}

/* What the residuals are coded as, or would be, is told to who learns. */
static void coded_learn(struct codec_scratch *s, size_t count, const struct coded_plan *by)
{
    for (size_t i = 0; i < count; i++)
        s->symbols[1][i] = model_symbol_of_value(by->tables, s->residuals[i] >> by->shift);
    models_count(s, by->tables, s->symbols[1], count);
}

void coded_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values, size_t count,
                  const struct coded_plan *by)
{
    buffer_append_u8(out, ARRAY_CODED);
    buffer_append_u8(out, by->model);
    buffer_append_u8(out, (uint8_t)(by->shift << 2 | by->order));
    buffer_append_zigzag(out, by->base);
    rans_encode(out, &s->rans, by->tables, s->symbols[0], count);
    residuals_of(s->residuals, values, count, by->order, by->base);
    if (s->is_learning)
        coded_learn(s, count, by);
    pack_append(out, (const uint64_t *)s->residuals, count, by->shift);
    buffer_append_varint(out, by->escapes);
    escapes_encode(out, s, s->residuals, s->symbols[0], by->escapes);
}

/* ---- arrays: writing, whole ------------------------------------------------------------------ */

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

/* Where another form takes fewer `bytes` than coding, but not by much, those who learn are told all the same. */
static void learn_of_other(struct codec_scratch *s, const int64_t *values, size_t count,
                           const struct coded_plan *coded, size_t bytes)
{
    if (!s->is_learning || coded->tables == NULL || coded->bytes < bytes ||
        coded->bytes - bytes >= bytes / LAG_SHARE)
        return;
    residuals_of(s->residuals, values, count, coded->order, coded->base);
    coded_learn(s, count, coded);
    s->lag[coded->model % MODEL_OWN - 1] += coded->bytes - bytes;
}

/* Packing all of it is tried where its first cut does not tell that coding is clearly smaller. */
static void whole_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values,
                         size_t count)
{
    struct rests_plan rests = { .bytes = SIZE_MAX };
    size_t start = out->bytes;
    int64_t middle = middle_of_few(values, count);
    struct coded_plan coded = coded_plan(s, values, count, middle, SIZE_MAX);
    size_t packed = packed_bytes(s, values, count);
    bool is_packed_known = count <= ARRAY_ROWS_MAX;
    memcpy(s->symbols[2], s->symbols[0], count);
    if (coded.tables != NULL && (coded.order > 0 || coded.shift > 0) &&
        wave_encode(out, s, values, count, middle,
                    is_packed_known && packed < coded.bytes ? packed : coded.bytes))
        return;
    memcpy(s->symbols[0], s->symbols[2], count);
    if (is_like_steps(values, count))
        rests = rests_plan(s, values, count);
    size_t least = rests.bytes < coded.bytes ? rests.bytes : coded.bytes;
    if (least > packed / 5 * 4) {
        cuts_encode(out, values, count);
        size_t bytes = out->bytes - start;
        if (least >= bytes) {
            learn_of_other(s, values, count, &coded, bytes);
            return;
        }
        out->bytes = start;
    }
    if (rests.bytes < coded.bytes) {
        rests_encode(out, s, values, &rests);
        learn_of_other(s, values, count, &coded, rests.bytes);
    } else {
        core_assert(coded.tables != NULL); /* packing takes fewer bytes than SIZE_MAX */
        coded_encode(out, s, values, count, &coded);
    }
}

void cold_array_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values,
                       size_t count)
{
    core_assert(count > 0);
    core_assert(count <= CODEC_BLOCK_ROWS_MAX);
    if (codec_is_constant(values, count)) {
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
    whole_encode(out, s, values, count);
}

/* About what cold_array_encode makes of it, by a stretch in its middle. */
static size_t cold_array_bytes(struct codec_scratch *s, const int64_t *values, size_t count)
{
    size_t some = count < ARRAY_ROWS_MAX ? count : ARRAY_ROWS_MAX;
    const int64_t *middle = values + (count - some) / 2;
    if (codec_is_constant(middle, some))
        return 0;
    size_t packed = packed_bytes(s, middle, some) * count / some;
    size_t coded = coded_plan(s, middle, some, middle_of_few(middle, some), SIZE_MAX).bytes;
    if (coded == SIZE_MAX)
        return packed;
    coded = (coded - rans_bytes_least(some)) * count / some + rans_bytes_least(count);
    return coded < packed ? coded : packed;
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

bool escapes_count(size_t *escapes, struct reader *r, const uint8_t *symbols, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i += UINT8_MAX) {
        size_t end = count - i < UINT8_MAX ? count : i + UINT8_MAX;
        uint8_t some = 0;
        for (size_t k = i; k < end; k++)
            some = (uint8_t)(some + (symbols[k] == 0));
        found += some;
    }
    *escapes = found;
    return get_varint(r) == found && !r->overrun;
}

/* The place of the next symbol 0 from `at` on: there is one. */
static size_t next_escape(const uint8_t *symbols, size_t at, size_t count)
{
    const uint8_t *found = memchr(symbols + at, 0, count - at);
    return (size_t)(found - symbols);
}

bool escapes_take(int64_t *out, struct reader *r, const uint8_t *symbols, size_t count,
                  size_t escapes)
{
    int64_t cut[ARRAY_ROWS_MAX];
    uint8_t code = escapes > ARRAY_ROWS_MAX ? get_u8(r) : ARRAY_CUT;
    if (code == ARRAY_CONSTANT) {
        int64_t value = get_zigzag(r);
        for (size_t at = 0; escapes > 0; escapes--, at++) {
            at = next_escape(symbols, at, count);
            out[at] = value;
        }
        return !r->overrun;
    }
    if (code != ARRAY_CUT)
        return false;
    for (size_t at = 0; escapes > 0;) {
        size_t some = escapes < ARRAY_ROWS_MAX ? escapes : ARRAY_ROWS_MAX;
        if (!array_decode(cut, r, some))
            return false;
        for (size_t i = 0; i < some; i++, at++) {
            at = next_escape(symbols, at, count);
            out[at] = cut[i];
        }
        escapes -= some;
    }
    return true;
}

static bool coded_decode(int64_t *out, struct reader *r, size_t count,
                         const struct codec_models *models)
{
    uint8_t symbols[CODEC_BLOCK_ROWS_MAX];
    size_t escapes;
    const struct model_tables *tables = models_find(models, get_u8(r));
    unsigned how = get_u8(r);
    unsigned order = how & ORDER_MAX;
    unsigned shift = how >> 2;
    int64_t base = get_zigzag(r);
    if (r->overrun || tables == NULL || tables->model->gaps != NULL ||
        tables->model->lengths != NULL || shift > SHIFT_MAX ||
        !rans_decode(symbols, r, tables, count) || (shift > 0 && !unpack(out, r, count, shift, 0)))
        return false;
    int64_t meaning[MODEL_SYMBOLS_MAX];
    for (size_t symbol = 0; symbol < tables->model->symbols; symbol++)
        meaning[symbol] = (int64_t)((uint64_t)(int64_t)tables->model->values[symbol] << shift);
    for (size_t i = 0; i < count; i++)
        out[i] = shift > 0 ? wrap_add_i64(out[i], meaning[symbols[i]]) : meaning[symbols[i]];
    if (!escapes_count(&escapes, r, symbols, count) ||
        !escapes_take(out, r, symbols, count, escapes))
        return false;
    values_of(out, count, order, base);
    return true;
}

/* Codes 1 to 6, and those that stand outermost, or in multiples. */
static bool decode_by_code(int64_t *out, struct reader *r, size_t count, uint8_t code,
                           const struct codec_models *models)
{
    if (code == ARRAY_CODED)
        return coded_decode(out, r, count, models);
    if (code == ARRAY_RESTS)
        return rests_decode(out, r, count, models);
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

bool residuals_decode(int64_t *out, struct reader *r, size_t count,
                      const struct codec_models *models)
{
    return decode_by_code(out, r, count, get_u8(r), models);
}

static bool unfactored_decode(int64_t *out, struct reader *r, size_t count, uint8_t code,
                              const struct codec_models *models)
{
    return code == ARRAY_PREDICTED || code == ARRAY_SWITCHED
               ? wave_decode(out, r, count, code, models)
               : decode_by_code(out, r, count, code, models);
}

bool block_array_decode(int64_t *out, struct reader *r, size_t count,
                        const struct codec_models *models)
{
    core_assert(count > 0);
    core_assert(count <= CODEC_BLOCK_ROWS_MAX);
    uint8_t code = get_u8(r);
    if (code != ARRAY_MULTIPLES)
        return unfactored_decode(out, r, count, code, models);
    uint64_t factor = get_varint(r);
    if (r->overrun || factor == 0 || !unfactored_decode(out, r, count, get_u8(r), models))
        return false;
    for (size_t i = 0; i < count; i++)
        out[i] = (int64_t)((uint64_t)out[i] * factor);
    return true;
}

bool block_array_pass(int64_t *room, struct reader *r, size_t count,
                      const struct codec_models *models)
{
    struct reader before = *r;
    uint8_t code = get_u8(r);
    if (code == ARRAY_CUT && count > ARRAY_ROWS_MAX) {
        for (; count > ARRAY_ROWS_MAX; count -= ARRAY_ROWS_MAX) {
            if (!array_pass(r, ARRAY_ROWS_MAX))
                return false;
        }
        return array_pass(r, count);
    }
    *r = before;
    if (code == ARRAY_CONSTANT || (code <= ARRAY_RUNS && count <= ARRAY_ROWS_MAX))
        return array_pass(r, count);
    return block_array_decode(room, r, count, models);
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static size_t pairs_bytes(size_t bits, size_t escapes)
{
    return CODED_HEAD_BYTES + bits / 8 + escapes * ESCAPE_BYTES;
}

/* Symbols of rows [from, from + count), row 0 having none. */
static void pairs_stretch(uint8_t *symbols, const struct model_tables *tables, const int64_t *gaps,
                          const int64_t *values, size_t from, size_t count)
{
    if (from == 0)
        symbols[0] = tables->likely[tables->model->start];
    for (size_t i = from == 0 ? 1 : 0; i < count; i++)
        symbols[i] = model_symbol_of_pair(tables, gaps[from + i],
                                          wrap_sub_i64(values[from + i], values[from + i - 1]));
}

/* About what they take by the model of `plan`, whose escapes are counted: all, or `stretches` of
   STRETCH_ROWS spread over them. */
static size_t pairs_try(struct pairs_plan *plan, uint8_t *symbols, const int64_t *gaps,
                        const int64_t *values, size_t count, size_t stretches)
{
    const struct model_tables *tables = plan->tables;
    size_t bits;
    if (stretches == 0)
        pairs_stretch(symbols, tables, gaps, values, 0, count);
    for (size_t i = 0; i < stretches; i++)
        pairs_stretch(symbols + i * STRETCH_ROWS, tables, gaps, values,
                      (count - STRETCH_ROWS) * i / (stretches - 1), STRETCH_ROWS);
    rans_fit(symbols, &plan->escapes, &bits, tables,
             stretches == 0 ? count : stretches * STRETCH_ROWS);
    return pairs_bytes(bits, plan->escapes);
}

/* Of many rows the model is chosen by some. */
bool pairs_fit(struct pairs_plan *plan, struct codec_scratch *s, const int64_t *gaps,
               const int64_t *values, size_t count)
{
    static const uint8_t models[] = { MODEL_HEART_RATE, MODEL_HEART_RATE_LOOSE,
                                      MODEL_HEART_RATE_OTHER };
    size_t stretches = count < 2 * STRETCHES * STRETCH_ROWS ? 0 : STRETCHES;
    size_t least = SIZE_MAX;
    if (count < CODED_LEAST)
        return false;
    for (size_t m = 0; m < 2 * CORE_COUNT(models); m++) { /* and the own ones of their machines */
        struct pairs_plan with = { .model = (uint8_t)(models[m / 2] + m % 2 * MODEL_OWN) };
        with.tables = models_find(s->models, with.model);
        if (with.tables == NULL)
            continue;
        size_t bytes = pairs_try(&with, s->symbols[2], gaps, values, count, stretches);
        if (bytes >= least)
            continue;
        least = bytes;
        *plan = with;
    }
    least = pairs_try(plan, s->symbols[2], gaps, values, count, 0);
    if (plan->escapes > count / 8)
        return false;
    size_t apart = cold_array_bytes(s, gaps, count);
    return apart + cold_array_bytes(s, values, count) > least;
}

void pairs_encode(struct buffer *out, struct codec_scratch *s, const int64_t *gaps,
                  const int64_t *values, size_t count, const struct pairs_plan *plan)
{
    buffer_append_u8(out, plan->model);
    buffer_append_zigzag(out, values[0]);
    rans_encode(out, &s->rans, plan->tables, s->symbols[2], count);
    if (s->is_learning) {
        pairs_stretch(s->symbols[1], plan->tables, gaps, values, 0, count);
        models_count(s, plan->tables, s->symbols[1], count);
    }
    buffer_append_varint(out, plan->escapes);
    escapes_encode(out, s, gaps, s->symbols[2], plan->escapes);
    residuals_of(s->residuals, values, count, 1, values[0]);
    escapes_encode(out, s, s->residuals, s->symbols[2], plan->escapes);
}

/* The gaps and changes of escapes, in 32 bits. False: one is too large, or a time might pass the end of time. */
static bool pairs_are_small(int32_t *small_gaps, int32_t *small_changes, const int64_t *gaps,
                            const int64_t *changes, size_t escapes, int64_t begin, uint64_t ns)
{
    uint64_t most = (uint64_t)MODEL_GAPS * CODEC_BLOCK_ROWS_MAX;
    for (size_t i = 0; i < escapes; i++) {
        if (gaps[i] < 0 || gaps[i] >= SMALL_END || changes[i] <= -SMALL_END ||
            changes[i] >= SMALL_END)
            return false;
        small_gaps[i] = (int32_t)gaps[i];
        small_changes[i] = (int32_t)changes[i];
        most += (uint64_t)gaps[i];
    }
    return ns <= UINT32_MAX && most <= ((uint64_t)INT64_MAX - 1 - (uint64_t)begin) / ns;
}

/* What is before the symbols. */
static const struct model_tables *pairs_head(int64_t *first, struct reader *r,
                                             const struct codec_models *models)
{
    const struct model_tables *tables = models_find(models, get_u8(r));
    *first = get_zigzag(r);
    return !r->overrun && tables != NULL && tables->model->gaps != NULL ? tables : NULL;
}

void ahead_forget(struct codec_ahead *ahead)
{
    for (size_t i = 0; i < CODEC_AHEAD; i++)
        ahead->blocks[i].at = NULL;
}

/* NULL: what was decoded ahead is something else, and is forgotten. */
static const uint8_t *ahead_take(struct codec_ahead *ahead, struct reader *r,
                                 const struct model_tables *tables, size_t count)
{
    for (size_t i = 0; i < CODEC_AHEAD; i++) {
        struct ahead_block *block = &ahead->blocks[i];
        if (block->at == NULL || block->at != r->at || block->bytes > r->left ||
            block->count != count || block->tables != tables ||
            hash64(block->at, block->bytes) != block->hash)
            continue;
        block->at = NULL;
        (void)get_bytes(r, block->bytes);
        return block->symbols;
    }
    ahead_forget(ahead);
    return NULL;
}

/* Those of the block at hand to `symbols`, those of the next ones to *ahead, as far as these are some. */
static bool decode_some(uint8_t *symbols, struct reader *r, const struct model_tables *tables,
                        size_t count, const struct codec_models *models, struct codec_ahead *ahead,
                        const struct codec_next *next, size_t next_count)
{
    struct reader coming[CODEC_AHEAD] = { 0 };
    const uint8_t *begin[CODEC_AHEAD] = { NULL };
    size_t ahead_count = 0;
    struct rans_some some = {
        .runs = 1, .symbols = { symbols }, .r = { r }, .tables = { tables }, .counts = { count }
    };
    _Static_assert((int)RANS_SIDE_BY_SIDE == (int)CODEC_AHEAD + 1, "a run for each block");
    for (size_t i = 0; i < next_count && some.runs < rans_at_a_time(); i++, ahead_count++) {
        int64_t first;
        coming[i] = next[i].bytes;
        const struct model_tables *of_next = pairs_head(&first, &coming[i], models);
        if (of_next == NULL)
            break;
        begin[i] = coming[i].at;
        some.symbols[some.runs] = ahead->blocks[i].symbols;
        some.r[some.runs] = &coming[i];
        some.counts[some.runs] = next[i].count;
        some.tables[some.runs++] = of_next;
    }
    rans_decode_some(&some);
    for (size_t i = 0; i < ahead_count; i++) {
        struct ahead_block *block = &ahead->blocks[i];
        block->tables = some.tables[i + 1];
        block->count = next[i].count;
        block->bytes = (size_t)(coming[i].at - begin[i]);
        block->at = some.is_right[i + 1] ? begin[i] : NULL;
        block->hash = block->at != NULL ? hash64(block->at, block->bytes) : 0;
    }
    return some.is_right[0];
}

/* Decoded now, to `room`, or ahead. NULL: these bytes are none. */
static const uint8_t *pairs_symbols(uint8_t *room, struct reader *r,
                                    const struct model_tables *tables, size_t count,
                                    const struct codec_models *models, struct codec_ahead *ahead,
                                    const struct codec_next *next, size_t next_count)
{
    const uint8_t *known = ahead != NULL ? ahead_take(ahead, r, tables, count) : NULL;
    if (known != NULL)
        return known;
    bool is_right = ahead != NULL && next_count > 0
                        ? decode_some(room, r, tables, count, models, ahead, next, next_count)
                        : rans_decode(room, r, tables, count);
    return is_right ? room : NULL;
}

bool pairs_decode(int64_t *time, int64_t *values, struct reader *r, size_t count, int64_t begin,
                  uint64_t ns, const struct codec_models *models, struct codec_ahead *ahead,
                  const struct codec_next *next, size_t next_count, bool *is_rising)
{
    uint8_t room[CODEC_BLOCK_ROWS_MAX];
    int64_t gaps[ARRAY_ROWS_MAX], changes[ARRAY_ROWS_MAX];
    int32_t small_gaps[ARRAY_ROWS_MAX + SMALL_ROOM], small_changes[ARRAY_ROWS_MAX + SMALL_ROOM];
    size_t escapes;
    int64_t first;
    const struct model_tables *tables = pairs_head(&first, r, models);
    const uint8_t *symbols =
        tables == NULL ? NULL
                       : pairs_symbols(room, r, tables, count, models, ahead, next, next_count);
    if (symbols == NULL || !escapes_count(&escapes, r, symbols, count))
        return false;
    struct reader from_escapes = *r;
    if (escapes <= ARRAY_ROWS_MAX) {
        if (escapes > 0 && (!array_decode(gaps, r, escapes) || !array_decode(changes, r, escapes)))
            return false;
        if (pairs_are_small(small_gaps, small_changes, gaps, changes, escapes, begin, ns)) {
            const struct lanes_pairs pairs = {
                .symbols = symbols,
                .count = count,
                .gap_of = tables->gap_of,
                .change_of = tables->change_of,
                .gaps = small_gaps,
                .changes = small_changes,
                .time = begin,
                .value = first,
                .ns = (uint32_t)ns,
            };
            codec_lanes()->pairs(time, values, &pairs);
            *is_rising = tables->gaps_rise;
            for (size_t i = symbols[0] == 0; i < escapes; i++)
                *is_rising = *is_rising && gaps[i] > 0;
            return true;
        }
    }
    *r = from_escapes; /* many of them, or times near the end of time: column by column */
    for (size_t i = 0; i < count; i++) {
        time[i] = tables->model->gaps[symbols[i]];
        values[i] = tables->model->values[symbols[i]];
    }
    if (!escapes_take(time, r, symbols, count, escapes) ||
        !escapes_take(values, r, symbols, count, escapes))
        return false;
    values_of(values, count, 1, first);
    return codec_times_of_gaps(time, count, begin, ns);
}

bool pairs_fold(struct codec_fold *fold, const struct codec_fold_spec *spec, struct reader *r,
                size_t count, const struct codec_models *models, struct codec_ahead *ahead,
                const struct codec_next *next, size_t next_count)
{
    uint8_t room[CODEC_BLOCK_ROWS_MAX];
    int64_t changes[ARRAY_ROWS_MAX];
    uint16_t words[ARRAY_ROWS_MAX + LANES_STRETCH];
    size_t escapes;
    int64_t first;
    if (codec_lanes()->fold_pairs == NULL || !codec_fold_is_narrow(spec))
        return false;
    const struct model_tables *tables = pairs_head(&first, r, models);
    const uint8_t *symbols =
        tables == NULL ? NULL
                       : pairs_symbols(room, r, tables, count, models, ahead, next, next_count);
    if (symbols == NULL || !escapes_count(&escapes, r, symbols, count) ||
        escapes > ARRAY_ROWS_MAX ||
        (escapes > 0 && (!array_pass(r, escapes) || !array_decode(changes, r, escapes))))
        return false;
    for (size_t i = 0; i < escapes; i++)
        words[i] = codec_fold_word(changes[i], 0);
    const struct lanes_pairs_folded by = {
        .symbols = symbols,
        .count = count,
        .change_of = tables->change_of,
        .changes = words,
        .first = codec_fold_word(first, spec->low),
        .span = codec_fold_word(spec->high, spec->low),
    };
    codec_lanes()->fold_pairs(fold, &by);
    codec_fold_from(fold, spec->low);
    return true;
}

struct codec_scratch *codec_scratch_new(void)
{
    struct codec_scratch *s = malloc(sizeof *s);
    if (s != NULL) {
        buffer_init(&s->trial);
        codec_scratch_use(s, NULL);
    }
    if (s != NULL && !buffer_reserve(&s->trial, TRIAL_BYTES)) {
        free(s);
        return NULL;
    }
    return s;
}

void codec_scratch_free(struct codec_scratch *s)
{
    if (s == NULL)
        return;
    buffer_release(&s->trial);
    free(s);
}
