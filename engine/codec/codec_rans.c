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
#include "codec_lanes.h"

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

static inline uint32_t word_at(const uint8_t *words)
{
    return (uint32_t)words[0] | (uint32_t)words[1] << 8;
}

/* No branch depends on a symbol: a word is read for each lane, and left where it is not wanted. */
static inline void run_lanes(struct rans_stream *s, const uint8_t *last, size_t lanes)
{
    const uint32_t *slots = s->tables->slots;
    const uint8_t *next = s->tables->next;
    const uint8_t *words = s->words;
    uint32_t x[RANS_LANES], state[RANS_LANES];
    size_t step = s->step;
    memcpy(x, s->x, sizeof x);
    memcpy(state, s->state, sizeof state);
    for (; step < s->steps && words <= last; step++) {
        uint8_t *out = s->by_step + step * lanes;
        for (size_t lane = 0; lane < lanes; lane++) {
            uint32_t slot = slots[state[lane] << MODEL_SUM_BITS | (x[lane] & (MODEL_SUM - 1))];
            uint32_t symbol = slot & 0xff;
            x[lane] = (slot >> 8 & (MODEL_SUM - 1)) * (x[lane] >> MODEL_SUM_BITS) + (slot >> 20);
            state[lane] = next[state[lane] << 8 | symbol];
            out[lane] = (uint8_t)symbol;
        }
        for (size_t lane = 0; lane < lanes; lane++) {
            uint32_t more = x[lane] << 16 | word_at(words);
            bool is_short = x[lane] < RANS_LEAST;
            x[lane] = is_short ? more : x[lane];
            words += is_short ? RANS_WORD_BYTES : 0;
        }
    }
    memcpy(s->x, x, sizeof x);
    memcpy(s->state, state, sizeof state);
    s->words = words;
    s->step = step;
}

void rans_run_plain(struct rans_stream *s, const uint8_t *last)
{
    run_lanes(s, last, RANS_LANES);
}

static void run_few(struct rans_stream *s, const uint8_t *last)
{
    run_lanes(s, last, RANS_LANES_FEW);
}

/* What is decoded by step, in the order of symbols. */
static void turn(uint8_t *symbols, const uint8_t *by_step, size_t lanes, size_t steps)
{
    for (size_t lane = 0; lane < lanes; lane++) {
        for (size_t step = 0; step < steps; step++)
            symbols[lane * steps + step] = by_step[step * lanes + lane];
    }
}

/* A run of symbols, and its bytes. */
struct run {
    struct rans_stream stream;
    const uint8_t *end; /* of its words */
    uint8_t by_step[RANS_COUNT_MAX];
};

static bool run_begin(struct run *run, struct reader *r, const struct model_tables *tables,
                      size_t count)
{
    int64_t x[RANS_LANES];
    struct rans_stream *s = &run->stream;
    size_t lanes = rans_lanes(count);
    if (!unpack(x, r, lanes, RANS_STATE_BITS, 0))
        return false;
    for (size_t lane = 0; lane < lanes; lane++) {
        if (x[lane] < RANS_LEAST)
            return false;
        s->x[lane] = (uint32_t)x[lane];
        s->state[lane] = tables->model->start;
    }
    uint64_t words = get_varint(r);
    if (r->overrun || words > r->left / RANS_WORD_BYTES)
        return false;
    s->tables = tables;
    s->words = get_bytes(r, (size_t)words * RANS_WORD_BYTES);
    s->step = 0;
    s->steps = steps_of(count);
    s->by_step = run->by_step;
    run->end = s->words + words * RANS_WORD_BYTES;
    return true;
}

/* As many steps as read no byte behind the words. */
static const uint8_t *run_last(const struct run *run)
{
    return run->end - RANS_STEP_BYTES;
}

static bool run_has_room(const struct run *run)
{
    return run->end - run->stream.words >= RANS_STEP_BYTES;
}

/* The last steps read words from a place with zeros behind it. */
static bool run_end(struct run *run, rans_run *loop, size_t lanes)
{
    uint8_t rest[2 * RANS_STEP_BYTES] = { 0 };
    struct rans_stream *s = &run->stream;
    if (run_has_room(run))
        loop(s, run_last(run));
    size_t left = (size_t)(run->end - s->words);
    if (left >= RANS_STEP_BYTES)
        return false; /* there are more words than steps to read them */
    memcpy(rest, s->words, left);
    s->words = rest;
    loop(s, rest + left);
    uint32_t off = 0;
    for (size_t lane = 0; lane < lanes; lane++)
        off |= s->x[lane] ^ RANS_LEAST;
    return off == 0 && s->step == s->steps && s->words == rest + left;
}

static bool run_finish(uint8_t *symbols, struct run *run, size_t count)
{
    const struct codec_lanes *loops = codec_lanes();
    size_t lanes = rans_lanes(count);
    if (!run_end(run, lanes == RANS_LANES ? loops->rans : run_few, lanes))
        return false;
    if (lanes == RANS_LANES)
        loops->turn(symbols, run->by_step, run->stream.steps);
    else
        turn(symbols, run->by_step, RANS_LANES_FEW, run->stream.steps);
    return true;
}

bool rans_decode(uint8_t *symbols, struct reader *r, const struct model_tables *tables,
                 size_t count)
{
    struct run run;
    core_assert(count > 0);
    core_assert(count <= RANS_COUNT_MAX);
    return run_begin(&run, r, tables, count) && run_finish(symbols, &run, count);
}

size_t rans_at_a_time(void)
{
    size_t most = codec_lanes()->rans_at_a_time;
    return most > 2 ? most : 2;
}

/* Those that can go on with the others. */
static void keep_going(struct rans_streams *streams)
{
    size_t kept = 0;
    for (size_t i = 0; i < streams->count; i++) {
        const struct rans_stream *stream = streams->at[i];
        if (stream->step == stream->steps || stream->words > streams->last[i])
            continue;
        streams->at[kept] = streams->at[i];
        streams->last[kept++] = streams->last[i];
    }
    streams->count = kept;
}

void rans_decode_some(struct rans_some *some)
{
    struct run runs[RANS_SIDE_BY_SIDE];
    struct rans_streams streams = { 0 };
    const struct codec_lanes *loops = codec_lanes();
    core_assert(some->runs <= RANS_SIDE_BY_SIDE);
    for (size_t i = 0; i < some->runs; i++) {
        core_assert(some->counts[i] > 0);
        core_assert(some->counts[i] <= RANS_COUNT_MAX);
        some->is_right[i] = run_begin(&runs[i], some->r[i], some->tables[i], some->counts[i]);
        if (!some->is_right[i] || !run_has_room(&runs[i]) ||
            rans_lanes(some->counts[i]) != RANS_LANES || streams.count == loops->rans_at_a_time)
            continue;
        streams.at[streams.count] = &runs[i].stream;
        streams.last[streams.count++] = run_last(&runs[i]);
    }
    while (streams.count > 1) {
        loops->rans_some(&streams);
        keep_going(&streams);
    }
    for (size_t i = 0; i < some->runs; i++)
        some->is_right[i] =
            some->is_right[i] && run_finish(some->symbols[i], &runs[i], some->counts[i]);
}
