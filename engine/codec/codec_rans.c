/*
 * codec_rans.c -- symbols to bytes and back, in lanes.
 *
 * Lane l has the symbols from l * steps on; where count is no multiple of the lanes, what lies beyond
 * it is padded with what costs the least. So all lanes take the same number of steps and no step needs a
 * mask. An encoder goes backwards, from known states of the coder to those that a decoder starts
 * with; a decoder has to come out at the known ones with all words used.
 *
 * Tests: tests/unit/test_codec_cold.c.
 */
#include "codec_rans.h"

#include "codec_impl.h"

#include <stdatomic.h>
#include <string.h>

static size_t steps_of(size_t count)
{
    return (count + rans_lanes(count) - 1) / rans_lanes(count);
}

/* ---- encoding -------------------------------------------------------------------------------- */

/* Lanes side by side: each is a chain of lookups. */
void rans_fit(uint8_t *symbols, size_t *escapes, size_t *bits, const struct model_tables *tables,
              size_t count)
{
    size_t steps = steps_of(count);
    size_t lanes = (count + steps - 1) / steps;
    size_t last = count - (lanes - 1) * steps; /* symbols of the last lane */
    size_t state[RANS_LANES] = { 0 };
    uint64_t cost = 0;
    size_t found = 0;
    for (size_t lane = 0; lane < lanes; lane++)
        state[lane] = tables->model->start;
    for (size_t step = 0; step < steps; step++) {
        if (step == last)
            lanes--;
        for (size_t lane = 0; lane < lanes; lane++) {
            uint8_t *symbol = &symbols[lane * steps + step];
            uint32_t takes = tables->cost[state[lane] << 8 | *symbol];
            if (takes == UINT16_MAX) {
                *symbol = 0;
                takes = tables->cost[state[lane] << 8];
            }
            found += *symbol == 0;
            cost += takes;
            state[lane] = tables->next[state[lane] << 8 | *symbol];
        }
    }
    *escapes = found;
    *bits = (size_t)(cost >> MODEL_COST_BITS) + rans_bytes_least(count) * 8;
}

/* The state of the model before each symbol, and what pads the last lanes. */
static void walk(struct rans_scratch *s, const struct model_tables *tables, size_t count,
                 size_t steps)
{
    for (size_t lane = 0; lane < rans_lanes(count); lane++) {
        size_t state = tables->model->start;
        for (size_t i = lane * steps; i < (lane + 1) * steps; i++) {
            if (i >= count)
                s->padded[i] = tables->likely[state];
            s->states[i] = (uint8_t)state;
            state = tables->next[state << 8 | s->padded[i]];
        }
    }
}

void rans_encode(struct buffer *out, struct rans_scratch *scratch,
                 const struct model_tables *tables, const uint8_t *symbols, size_t count)
{
    size_t lanes = rans_lanes(count);
    size_t steps = steps_of(count);
    size_t words = 0;
    uint64_t x[RANS_LANES];
    core_assert(count > 0);
    core_assert(count <= RANS_COUNT_MAX);
    memcpy(scratch->padded, symbols, count);
    walk(scratch, tables, count, steps);
    for (size_t lane = 0; lane < lanes; lane++)
        x[lane] = RANS_LEAST;
    for (size_t step = steps; step-- > 0;) {
        for (size_t lane = lanes; lane-- > 0;) {
            size_t i = lane * steps + step;
            uint32_t range = tables->ranges[(size_t)scratch->states[i] << 8 | scratch->padded[i]];
            uint32_t first = range & 0xffff;
            uint32_t frequency = range >> 16;
            uint32_t value = (uint32_t)x[lane];
            if (value >= frequency << 16) {
                scratch->words[words++] = (uint16_t)value;
                value >>= 16;
            }
            x[lane] = ((value / frequency) << MODEL_SUM_BITS) + first + value % frequency;
        }
    }
    pack_append(out, x, lanes, RANS_STATE_BITS);
    buffer_append_varint(out, words);
    if (!buffer_reserve(out, words * RANS_WORD_BYTES))
        return;
    uint8_t *at = out->data + out->bytes;
    out->bytes += words * RANS_WORD_BYTES;
    for (; words > 0; at += RANS_WORD_BYTES) {
        uint16_t word = scratch->words[--words];
        at[0] = (uint8_t)word;
        at[1] = (uint8_t)(word >> 8);
    }
}

/* ---- decoding -------------------------------------------------------------------------------- */

bool rans_steps_finish(uint8_t *out, size_t lanes, size_t step, size_t steps, uint32_t *x,
                       uint32_t *state, const uint8_t *words, const uint8_t *end,
                       const struct model_tables *tables)
{
    for (; step < steps; step++) {
        for (size_t lane = 0; lane < lanes; lane++) {
            uint32_t slot =
                tables->slots[state[lane] << MODEL_SUM_BITS | (x[lane] & (MODEL_SUM - 1))];
            uint32_t symbol = slot & 0xff;
            x[lane] = (slot >> 8 & (MODEL_SUM - 1)) * (x[lane] >> MODEL_SUM_BITS) + (slot >> 20);
            state[lane] = tables->next[state[lane] << 8 | symbol];
            out[lane * steps + step] = (uint8_t)symbol;
        }
        for (size_t lane = 0; lane < lanes; lane++) {
            if (x[lane] >= RANS_LEAST)
                continue;
            if (words == end)
                return false;
            x[lane] = x[lane] << 16 | words[0] | (uint32_t)words[1] << 8;
            words += RANS_WORD_BYTES;
        }
    }
    uint32_t off = 0;
    for (size_t lane = 0; lane < lanes; lane++)
        off |= x[lane] ^ RANS_LEAST;
    return off == 0 && words == end;
}

static bool steps_plain(uint8_t *out, size_t lanes, size_t steps, const struct rans_input *input,
                        const struct model_tables *tables)
{
    uint32_t x[RANS_LANES], state[RANS_LANES];
    for (size_t lane = 0; lane < lanes; lane++) {
        x[lane] = input->x[lane];
        state[lane] = tables->model->start;
    }
    return rans_steps_finish(out, lanes, 0, steps, x, state, input->words,
                             input->words + input->word_bytes, tables);
}

bool rans_steps_plain(uint8_t *out, size_t steps, const struct rans_input *input,
                      const struct model_tables *tables)
{
    return steps_plain(out, RANS_LANES, steps, input, tables);
}

static _Atomic(rans_steps *) chosen;

void rans_loops_use(enum codec_loops loops)
{
    rans_steps *best = rans_steps_plain;
#if defined(__x86_64__)
    if ((loops == CODEC_LOOPS_BEST || loops == CODEC_LOOPS_AVX512) &&
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        best = rans_steps_avx512;
#endif
    (void)loops;
    atomic_store_explicit(&chosen, best, memory_order_relaxed);
}

/* Chosen once; threads that race choose the same. */
static rans_steps *steps_chosen(void)
{
    if (CORE_UNLIKELY(atomic_load_explicit(&chosen, memory_order_relaxed) == NULL))
        rans_loops_use(CODEC_LOOPS_BEST);
    return atomic_load_explicit(&chosen, memory_order_relaxed);
}

bool rans_decode(uint8_t *symbols, struct reader *r, const struct model_tables *tables,
                 size_t count)
{
    int64_t x[RANS_LANES];
    struct rans_input input;
    core_assert(count > 0);
    core_assert(count <= RANS_COUNT_MAX);
    size_t lanes = rans_lanes(count);
    if (!unpack(x, r, lanes, RANS_STATE_BITS, 0))
        return false;
    for (size_t lane = 0; lane < lanes; lane++) {
        if (x[lane] < RANS_LEAST)
            return false;
        input.x[lane] = (uint32_t)x[lane];
    }
    uint64_t words = get_varint(r);
    if (r->overrun || words > r->left / RANS_WORD_BYTES)
        return false;
    input.word_bytes = (size_t)words * RANS_WORD_BYTES;
    input.words = get_bytes(r, input.word_bytes);
    size_t steps = steps_of(count);
    return lanes == RANS_LANES ? steps_chosen()(symbols, steps, &input, tables)
                               : steps_plain(symbols, lanes, steps, &input, tables);
}
