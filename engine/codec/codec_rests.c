/*
 * codec_rests.c -- values with rests between them, such as steps by the minute: a run of zeros is a symbol as a
 * value is, so there are few symbols, and each knows what came before the rest.
 *
 * A run's symbol tells its least length; what it is longer by follows as bits, by way of the coder's state
 * itself. A single lane of rANS (codec_rans.h) suffices, as most rows are in runs: it takes 4 bytes of a
 * block where 16 lanes take 56.
 *
 * Bytes: format-spec/blocks.md, "Rests". Tests: tests/unit/test_codec_cold.c.
 */
#include "codec_cold.h"

#include <string.h>

enum {
    ROWS_LEAST = 16,
    HEAD_BYTES = 10 /* code, model, state, counts of words and escapes */
};

/* ---- writing --------------------------------------------------------------------------------- */

/* The symbol of a run of zeros, which is the last one whose least length is not more. */
static uint8_t symbol_of_run(const struct codec_model *model, size_t length)
{
    size_t symbol = model->symbols - 1u;
    while (model->lengths[symbol] > length)
        symbol--;
    return (uint8_t)symbol;
}

static size_t run_length(const int64_t *values, size_t count)
{
    size_t length = 0;
    while (length < count && values[length] == 0)
        length++;
    return length;
}

/* Symbols, the state before each, and what is behind runs. In s->symbols[1] rows without a symbol are 0. *cost: in 1/256 bit. */
static size_t rests_symbols(struct codec_scratch *s, const struct model_tables *tables,
                            const int64_t *values, size_t count, size_t *escapes, uint64_t *cost)
{
    struct rests_scratch *rests = &s->rests;
    const struct codec_model *model = tables->model;
    size_t state = model->start;
    size_t symbols = 0;
    *escapes = 0;
    *cost = 0;
    memset(s->symbols[1], 1, count);
    for (size_t i = 0; i < count; symbols++) {
        size_t run = run_length(values + i, count - i);
        uint8_t symbol =
            run > 0 ? symbol_of_run(model, run) : model_symbol_of_value(tables, values[i]);
        uint16_t takes = tables->cost[state << 8 | symbol];
        core_assert(run == 0 || takes != UINT16_MAX); /* a run is of all zeros that there are */
        if (takes == UINT16_MAX)
            symbol = 0;
        if (symbol == 0) {
            s->symbols[1][i] = 0;
            (*escapes)++;
        }
        *cost +=
            tables->cost[state << 8 | symbol] + ((uint64_t)model->bits[symbol] << MODEL_COST_BITS);
        rests->symbols[symbols] = symbol;
        rests->states[symbols] = (uint8_t)state;
        rests->more[symbols] = run > 0 ? (uint16_t)(run - model->lengths[symbol]) : 0;
        state = tables->next[state << 8 | symbol];
        i += run > 0 ? run : 1;
    }
    return symbols;
}

/* The words of a single lane, from the last symbol on; a run's bits come out behind it, so they go in before. */
static uint32_t rests_code(struct rests_scratch *rests, const struct model_tables *tables,
                           size_t symbols, size_t *word_count)
{
    uint32_t x = RANS_LEAST;
    size_t words = 0;
    for (size_t i = symbols; i-- > 0;) {
        uint8_t symbol = rests->symbols[i];
        unsigned bits = tables->model->bits[symbol];
        uint32_t range = tables->ranges[(size_t)rests->states[i] << 8 | symbol];
        uint32_t frequency = range >> 16;
        if (x >> (RANS_STATE_BITS - bits) != 0) {
            rests->words[words++] = (uint16_t)x;
            x >>= 16;
        }
        x = x << bits | rests->more[i];
        if (x >= frequency << (RANS_STATE_BITS - MODEL_SUM_BITS)) {
            rests->words[words++] = (uint16_t)x;
            x >>= 16;
        }
        x = (x / frequency << MODEL_SUM_BITS) + (range & 0xffff) + x % frequency;
    }
    *word_count = words;
    return x;
}

struct rests_plan rests_plan(struct codec_scratch *s, const int64_t *values, size_t count)
{
    struct rests_plan plan = { .bytes = SIZE_MAX };
    uint64_t cost;
    if (count < ROWS_LEAST)
        return plan;
    plan.symbols =
        rests_symbols(s, model_find(MODEL_STEPS_AND_RESTS), values, count, &plan.escapes, &cost);
    plan.bytes = HEAD_BYTES + (size_t)(cost >> MODEL_COST_BITS) / 8 + plan.escapes * ESCAPE_BYTES;
    return plan;
}

void rests_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values,
                  const struct rests_plan *plan)
{
    struct rests_scratch *rests = &s->rests;
    size_t words;
    uint32_t x = rests_code(rests, model_find(MODEL_STEPS_AND_RESTS), plan->symbols, &words);
    buffer_append_u8(out, ARRAY_RESTS);
    buffer_append_u8(out, MODEL_STEPS_AND_RESTS);
    buffer_append_u32(out, x);
    buffer_append_varint(out, words);
    while (words > 0)
        buffer_append_u16(out, rests->words[--words]);
    buffer_append_varint(out, plan->escapes);
    escapes_encode(out, s, values, s->symbols[1], plan->escapes);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The coder's single lane. */
struct lane {
    uint32_t x;
    const uint8_t *words, *end;
};

/* False: there are no words left. */
static inline bool lane_fill(struct lane *lane)
{
    if (CORE_LIKELY(lane->x >= RANS_LEAST))
        return true;
    if (lane->words == lane->end)
        return false;
    lane->x = lane->x << 16 | (uint32_t)lane->words[0] | (uint32_t)lane->words[1] << 8;
    lane->words += RANS_WORD_BYTES;
    return true;
}

/* Values; rows of escapes are 0 in `is_told`. False: these bytes are none. */
static bool rests_read(int64_t *out, uint8_t *is_told, struct lane *lane,
                       const struct model_tables *tables, size_t count)
{
    const struct codec_model *model = tables->model;
    size_t state = model->start;
    memset(is_told, 1, count);
    for (size_t i = 0; i < count;) {
        uint32_t slot = tables->slots[state << MODEL_SUM_BITS | (lane->x & (MODEL_SUM - 1))];
        uint32_t symbol = slot & 0xff;
        lane->x = (slot >> 8 & (MODEL_SUM - 1)) * (lane->x >> MODEL_SUM_BITS) + (slot >> 20);
        if (!lane_fill(lane))
            return false;
        state = tables->next[state << 8 | symbol];
        size_t length = model->lengths[symbol];
        if (length == 0) {
            is_told[i] = symbol != 0;
            out[i++] = model->values[symbol];
            continue;
        }
        unsigned bits = model->bits[symbol];
        length += lane->x & ((1u << bits) - 1);
        lane->x >>= bits;
        if (!lane_fill(lane) || length > count - i)
            return false;
        memset(out + i, 0, length * sizeof *out);
        i += length;
    }
    return lane->x == RANS_LEAST && lane->words == lane->end;
}

bool rests_decode(int64_t *out, struct reader *r, size_t count, const struct codec_models *models)
{
    uint8_t is_told[CODEC_BLOCK_ROWS_MAX];
    size_t escapes;
    const struct model_tables *tables = models_find(models, get_u8(r));
    struct lane lane = { .x = get_u32(r) };
    uint64_t words = get_varint(r);
    if (r->overrun || tables == NULL || tables->model->lengths == NULL || lane.x < RANS_LEAST ||
        lane.x >> RANS_STATE_BITS != 0 || words > r->left / RANS_WORD_BYTES)
        return false;
    lane.words = get_bytes(r, (size_t)words * RANS_WORD_BYTES);
    lane.end = lane.words + words * RANS_WORD_BYTES;
    return rests_read(out, is_told, &lane, tables, count) &&
           escapes_count(&escapes, r, is_told, count) &&
           escapes_take(out, r, is_told, count, escapes);
}
