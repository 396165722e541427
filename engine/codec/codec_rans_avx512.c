/*
 * codec_rans_avx512.c -- the loops of codec_rans.h for CPUs with AVX-512: the Makefile has the flags.
 *
 * A step looks up 16 slots, and spreads as many words as there are lanes that want one. Where the symbol alone tells the
 * model's next state, that comes from 256 bytes in registers, else it is looked up, too. A run is a chain of lookups, most of it
 * waiting: three runs side by side take little more time than one. By hand, as compilers make no such loop of
 * the plain one.
 */
#include "codec_rans.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* With a constant for by_symbol, each is a loop of its own. */
#define SPECIAL static inline __attribute__((always_inline)) void

/* A stream in registers. */
struct lanes {
    __m512i x, state;
    const uint8_t *words;
    const uint32_t *slots;
    const uint8_t *next;
    __m512i next_of[4]; /* of symbols, 64 bytes each */
};

static inline struct lanes lanes_load(const struct rans_stream *s)
{
    struct lanes l = {
        .x = _mm512_loadu_si512(s->x),
        .state = _mm512_loadu_si512(s->state),
        .words = s->words,
        .slots = s->tables->slots,
        .next = s->tables->next,
    };
    for (unsigned i = 0; i < 4; i++)
        l.next_of[i] = _mm512_loadu_si512(l.next + (size_t)64 * i);
    return l;
}

static inline void lanes_store(struct rans_stream *s, const struct lanes *l, size_t step)
{
    _mm512_storeu_si512(s->x, l->x);
    _mm512_storeu_si512(s->state, l->state);
    s->words = l->words;
    s->step = step;
}

/* Lanes are looked up one by one: gathers take longer, on some CPUs twice as long. */
#define FOUR(NAME, TYPE)                                                                           \
    static inline __m128i NAME(const TYPE *from, __m128i at)                                       \
    {                                                                                              \
        uint64_t first = (uint64_t)_mm_cvtsi128_si64(at);                                          \
        uint64_t last = (uint64_t)_mm_extract_epi64(at, 1);                                        \
        __m128i four = _mm_cvtsi32_si128((int)from[(uint32_t)first]);                              \
        four = _mm_insert_epi32(four, (int)from[first >> 32], 1);                                  \
        four = _mm_insert_epi32(four, (int)from[(uint32_t)last], 2);                               \
        return _mm_insert_epi32(four, (int)from[last >> 32], 3);                                   \
    }
FOUR(four_slots, uint32_t)
FOUR(four_bytes, uint8_t)

#define SIXTEEN(NAME, TYPE, OF_FOUR)                                                               \
    static inline __m512i NAME(const TYPE *from, __m512i at)                                       \
    {                                                                                              \
        __m128i a = OF_FOUR(from, _mm512_castsi512_si128(at));                                     \
        __m128i b = OF_FOUR(from, _mm512_extracti32x4_epi32(at, 1));                               \
        __m128i c = OF_FOUR(from, _mm512_extracti32x4_epi32(at, 2));                               \
        __m128i d = OF_FOUR(from, _mm512_extracti32x4_epi32(at, 3));                               \
        __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);                    \
        __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);                   \
        return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);                           \
    }
SIXTEEN(look_up_slots, uint32_t, four_slots)
SIXTEEN(look_up_bytes, uint8_t, four_bytes)

/* The lowest byte of each lane by a list of 256; the others are 0. */
static inline __m512i look_up(const __m512i list[4], __m512i at)
{
    const __mmask64 lowest = 0x1111111111111111;
    __m512i low = _mm512_maskz_permutex2var_epi8(lowest, list[0], at, list[1]);
    __m512i high = _mm512_maskz_permutex2var_epi8(lowest, list[2], at, list[3]);
    return _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(at, _mm512_set1_epi32(0x80)), high);
}

/* One step, whose symbols go to `out`. RANS_STEP_BYTES of words can be read. */
SPECIAL step_of(struct lanes *l, uint8_t *out, bool by_symbol)
{
    const __m512i slot_mask = _mm512_set1_epi32(MODEL_SUM - 1);
    __m512i at = _mm512_or_si512(_mm512_slli_epi32(l->state, MODEL_SUM_BITS),
                                 _mm512_and_si512(l->x, slot_mask));
    __m512i slot = look_up_slots(l->slots, at);
    _mm_storeu_si128((__m128i *)(void *)out, _mm512_cvtepi32_epi8(slot));
    if (by_symbol) {
        l->state = look_up(l->next_of, slot);
    } else {
        __m512i symbol = _mm512_and_si512(slot, _mm512_set1_epi32(0xff));
        l->state = look_up_bytes(l->next, _mm512_or_si512(_mm512_slli_epi32(l->state, 8), symbol));
    }
    __m512i frequency = _mm512_and_si512(_mm512_srli_epi32(slot, 8), slot_mask);
    __m512i x =
        _mm512_add_epi32(_mm512_mullo_epi32(frequency, _mm512_srli_epi32(l->x, MODEL_SUM_BITS)),
                         _mm512_srli_epi32(slot, 20));
    __mmask16 is_short = _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32(RANS_LEAST));
    __m512i more =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)l->words));
    more = _mm512_maskz_expand_epi32(is_short, more);
    l->x = _mm512_mask_or_epi32(x, is_short, _mm512_slli_epi32(x, 16), more);
    l->words += (size_t)_mm_popcnt_u32(is_short) * RANS_WORD_BYTES;
}

SPECIAL run_one(struct rans_stream *s, const uint8_t *last, bool by_symbol)
{
    struct lanes l = lanes_load(s);
    size_t step = s->step;
    for (; step < s->steps && l.words <= last; step++)
        step_of(&l, s->by_step + step * RANS_LANES, by_symbol);
    lanes_store(s, &l, step);
}

void rans_run_avx512(struct rans_stream *s, const uint8_t *last)
{
    if (s->tables->next_by_symbol)
        run_one(s, last, true);
    else
        run_one(s, last, false);
}

/* With constants for both, each is a loop of its own. */
SPECIAL run_some(const struct rans_streams *streams, size_t count, bool by_symbol)
{
    struct lanes lanes[RANS_SIDE_BY_SIDE];
    uint8_t *out[RANS_SIDE_BY_SIDE];
    size_t steps = 0;
    size_t most = rans_steps_left(streams);
    bool has_room = true;
    for (size_t i = 0; i < count; i++) {
        lanes[i] = lanes_load(streams->at[i]);
        out[i] = streams->at[i]->by_step + streams->at[i]->step * RANS_LANES;
    }
    while (has_room && steps < most) {
        for (size_t i = 0; i < count; i++) {
            step_of(&lanes[i], out[i] + steps * RANS_LANES, by_symbol);
            has_room = has_room && lanes[i].words <= streams->last[i];
        }
        steps++;
    }
    for (size_t i = 0; i < count; i++)
        lanes_store(streams->at[i], &lanes[i], streams->at[i]->step + steps);
}

/* Each has room for a step at first. */
void rans_run_some_avx512(const struct rans_streams *streams)
{
    bool by_symbol = true;
    for (size_t i = 0; i < streams->count; i++)
        by_symbol = by_symbol && streams->at[i]->tables->next_by_symbol;
    if (by_symbol && streams->count == 3)
        run_some(streams, 3, true);
    else if (by_symbol)
        run_some(streams, 2, true);
    else if (streams->count == 3)
        run_some(streams, 3, false);
    else
        run_some(streams, 2, false);
}
#endif
