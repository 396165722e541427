/*
 * codec_rans_avx2.c -- the loops of codec_rans.h for CPUs with AVX2: the Makefile has the flags.
 *
 * As codec_rans_avx512.c, in halves of 8 lanes; words are spread by a table of the 256 ways in which
 * 8 lanes may want one. By hand, as compilers make no such loop of the plain one.
 */
#include "codec_rans.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { HALVES = 2, HALF = RANS_LANES / HALVES, WAYS = 1 << HALF };

/* For each lane, which of the words it takes: the number of lanes before it that take one. */
#define BEFORE(way, lane) ((uint64_t)__builtin_popcount((way) & ((1u << (lane)) - 1)) << 8 * (lane))
#define WAY(way)                                                                                   \
    (BEFORE(way, 0) | BEFORE(way, 1) | BEFORE(way, 2) | BEFORE(way, 3) | BEFORE(way, 4) |          \
     BEFORE(way, 5) | BEFORE(way, 6) | BEFORE(way, 7))
#define WAYS_4(way) WAY(way), WAY((way) + 1), WAY((way) + 2), WAY((way) + 3)
#define WAYS_16(way) WAYS_4(way), WAYS_4((way) + 4), WAYS_4((way) + 8), WAYS_4((way) + 12)
#define WAYS_64(way) WAYS_16(way), WAYS_16((way) + 16), WAYS_16((way) + 32), WAYS_16((way) + 48)
static const uint64_t ways[WAYS] = { WAYS_64(0), WAYS_64(64), WAYS_64(128), WAYS_64(192) };

/* A stream in registers. */
struct lanes {
    __m256i x[HALVES], state[HALVES];
    const uint8_t *words;
    const int *slots;
    const int *next; /* bytes */
};

static inline __m256i load_half(const uint32_t *lanes)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)lanes);
}

static inline struct lanes lanes_load(const struct rans_stream *s)
{
    return (struct lanes){
        .x = { load_half(s->x), load_half(s->x + HALF) },
        .state = { load_half(s->state), load_half(s->state + HALF) },
        .words = s->words,
        .slots = (const int *)s->tables->slots,
        .next = (const int *)(const void *)s->tables->next,
    };
}

static inline void lanes_store(struct rans_stream *s, const struct lanes *l, size_t step)
{
    for (unsigned half = 0; half < HALVES; half++) {
        _mm256_storeu_si256((__m256i *)(void *)(s->x + (size_t)half * HALF), l->x[half]);
        _mm256_storeu_si256((__m256i *)(void *)(s->state + (size_t)half * HALF), l->state[half]);
    }
    s->words = l->words;
    s->step = step;
}

static inline __m256i half_step(struct lanes *l, unsigned half)
{
    const __m256i slot_mask = _mm256_set1_epi32(MODEL_SUM - 1);
    const __m256i byte_mask = _mm256_set1_epi32(0xff);
    __m256i at = _mm256_or_si256(_mm256_slli_epi32(l->state[half], MODEL_SUM_BITS),
                                 _mm256_and_si256(l->x[half], slot_mask));
    __m256i slot = _mm256_i32gather_epi32(l->slots, at, 4);
    __m256i symbol = _mm256_and_si256(slot, byte_mask);
    __m256i next = _mm256_or_si256(_mm256_slli_epi32(l->state[half], 8), symbol);
    l->state[half] = _mm256_and_si256(_mm256_i32gather_epi32(l->next, next, 1), byte_mask);
    __m256i frequency = _mm256_and_si256(_mm256_srli_epi32(slot, 8), slot_mask);
    __m256i x = _mm256_add_epi32(_mm256_mullo_epi32(frequency,
                                                    _mm256_srli_epi32(l->x[half], MODEL_SUM_BITS)),
                                 _mm256_srli_epi32(slot, 20));
    __m256i is_short = _mm256_cmpgt_epi32(_mm256_set1_epi32(RANS_LEAST), x);
    unsigned way = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(is_short));
    __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)ways[way]));
    __m256i more = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)l->words));
    more = _mm256_or_si256(_mm256_permutevar8x32_epi32(more, order), _mm256_slli_epi32(x, 16));
    l->x[half] = _mm256_blendv_epi8(x, more, is_short);
    l->words += (size_t)__builtin_popcount(way) * RANS_WORD_BYTES;
    return symbol;
}

static inline void step_of(struct lanes *l, uint8_t *out)
{
    __m256i low = half_step(l, 0);
    __m256i high = half_step(l, 1);
    __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)out, _mm_packus_epi16(_mm256_castsi256_si128(both),
                                                              _mm256_extracti128_si256(both, 1)));
}

void rans_run_avx2(struct rans_stream *s, const uint8_t *last)
{
    struct lanes l = lanes_load(s);
    size_t step = s->step;
    for (; step < s->steps && l.words <= last; step++)
        step_of(&l, s->by_step + step * RANS_LANES);
    lanes_store(s, &l, step);
}

void rans_run_some_avx2(const struct rans_streams *streams)
{
    struct rans_stream *a = streams->at[0], *b = streams->at[1];
    struct lanes la = lanes_load(a);
    struct lanes lb = lanes_load(b);
    size_t steps = 0;
    size_t most = rans_steps_left(streams);
    for (; steps < most && la.words <= streams->last[0] && lb.words <= streams->last[1]; steps++) {
        step_of(&la, a->by_step + (a->step + steps) * RANS_LANES);
        step_of(&lb, b->by_step + (b->step + steps) * RANS_LANES);
    }
    lanes_store(a, &la, a->step + steps);
    lanes_store(b, &lb, b->step + steps);
}
#endif
