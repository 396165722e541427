/*
 * codec_lanes_quads.h -- sums of short words, in registers of AVX-512: what times and values become of gaps and changes.
 *
 * A register has 32 words of 16 bits in eight numbers of 64, a *quad* of words each: word j of number q is value 8 j + q. So
 * three shifts by whole numbers add up four runs of eight values at once, a product adds to each run those
 * before it, and every word of all numbers is a run in order, ready to be 64 bits wide: a third of the
 * shuffles that sums of 16 values in 32 bits take, of which a CPU does one or two at a time.
 *
 * Words are unsigned: a value and what makes the least one 0, the *bias*. Sums of 32 stay below 2^16.
 */
#ifndef CODEC_CODEC_LANES_QUADS_H
#define CODEC_CODEC_LANES_QUADS_H

#include "codec_lanes.h"

#include <immintrin.h>

enum { QUADS_WORDS = 32, QUADS_RUNS = 4, QUADS_RUN = 8 };

#define TIMES_8(F, j) F(j, 0), F(j, 1), F(j, 2), F(j, 3), F(j, 4), F(j, 5), F(j, 6), F(j, 7)

/* Values in order to quads: words, and bytes 0 to 31 or 32 to 63, whose upper halves a mask leaves out. */
#define QUAD(q) (q), 8 + (q), 16 + (q), 24 + (q)
#define BYTE_QUAD(at, q) (at) + (q), 0, (at) + 8 + (q), 0, (at) + 16 + (q), 0, (at) + 24 + (q), 0
static const uint16_t quads_of_words[QUADS_WORDS] = { QUAD(0), QUAD(1), QUAD(2), QUAD(3),
                                                      QUAD(4), QUAD(5), QUAD(6), QUAD(7) };
#define IN_ORDER(q) 4 * (q), 4 * (q) + 1, 4 * (q) + 2, 4 * (q) + 3
static const uint16_t words_in_order[QUADS_WORDS] = { IN_ORDER(0), IN_ORDER(1), IN_ORDER(2),
                                                      IN_ORDER(3), IN_ORDER(4), IN_ORDER(5),
                                                      IN_ORDER(6), IN_ORDER(7) };
static const uint8_t quads_of_bytes[2][64] = { { TIMES_8(BYTE_QUAD, 0) },
                                               { TIMES_8(BYTE_QUAD, 32) } };
/* Word j of a number alone, within 16 bytes. */
#define ALONE(j)                                                                                   \
    2 * (j), 2 * (j) + 1, 128, 128, 128, 128, 128, 128, 8 + 2 * (j), 8 + 2 * (j) + 1, 128, 128,    \
        128, 128, 128, 128
static const uint8_t quads_alone[QUADS_RUNS - 1][64] = { { ALONE(1), ALONE(1), ALONE(1), ALONE(1) },
                                                         { ALONE(2), ALONE(2), ALONE(2), ALONE(2) },
                                                         { ALONE(3), ALONE(3), ALONE(3),
                                                           ALONE(3) } };
/* How many values there are up to each, less. */
#define UP_TO(j, q) -(8 * (j) + (q) + 1)
static const int64_t quads_up_to[QUADS_RUNS][QUADS_RUN] = {
    { TIMES_8(UP_TO, 0) }, { TIMES_8(UP_TO, 1) }, { TIMES_8(UP_TO, 2) }, { TIMES_8(UP_TO, 3) }
};

struct quads {
    __m512i spread, alone[QUADS_RUNS - 1];
};

static inline struct quads quads_load(void)
{
    struct quads quads = { .spread = _mm512_set1_epi64(0x0001000100010000) };
    __asm__("" : "+v"(quads.spread)); /* a product stays one, and no row of shifts */
    for (unsigned j = 1; j < QUADS_RUNS; j++)
        quads.alone[j - 1] = _mm512_loadu_si512(quads_alone[j - 1]);
    return quads;
}

/* The last of eight numbers, in all of them. */
static inline __m512i quads_last(__m512i numbers)
{
    return _mm512_permutexvar_epi64(_mm512_set1_epi64(QUADS_RUN - 1), numbers);
}

/* Of quads the sums of each word and those before it in its run. */
static inline __m512i quads_within_runs(__m512i words)
{
    const __m512i zero = _mm512_setzero_si512();
    words = _mm512_add_epi16(words, _mm512_alignr_epi64(words, zero, 7));
    words = _mm512_add_epi16(words, _mm512_alignr_epi64(words, zero, 6));
    return _mm512_add_epi16(words, _mm512_alignr_epi64(words, zero, 4));
}

/* And of all words before it, in their places, where sums wrap: a product would carry from word to word. */
static inline __m512i quads_wrapped(__m512i words)
{
    words = quads_within_runs(words);
    __m512i before = _mm512_slli_epi64(quads_last(words), 16);
    before = _mm512_add_epi16(before, _mm512_slli_epi64(before, 16));
    before = _mm512_add_epi16(before, _mm512_slli_epi64(before, 32));
    return _mm512_add_epi16(words, before);
}

/* Of 32 words the sums of each and those before it: run j to sums[j]. */
static inline __attribute__((always_inline)) void quads_sum(__m512i sums[QUADS_RUNS],
                                                            const struct quads *quads,
                                                            __m512i words)
{
    words = quads_within_runs(words);
    __m512i before = _mm512_mullo_epi64(quads_last(words), quads->spread);
    words = _mm512_add_epi16(words, before);
    sums[0] = _mm512_and_si512(words, _mm512_set1_epi64(UINT16_MAX));
    for (unsigned j = 1; j < QUADS_RUNS; j++)
        sums[j] = _mm512_shuffle_epi8(words, quads->alone[j - 1]);
}

/* 32 numbers from words without a bias: before + scale x sums. Answers the last one. */
static inline __attribute__((always_inline)) __m512i quads_scaled(int64_t *out,
                                                                  const struct quads *quads,
                                                                  __m512i words, __m512i before,
                                                                  __m512i scale)
{
    __m512i sums[QUADS_RUNS];
    quads_sum(sums, quads, words);
    for (unsigned j = 0; j < QUADS_RUNS; j++) {
        sums[j] = _mm512_add_epi64(before, _mm512_mul_epu32(sums[j], scale));
        _mm512_storeu_si512(out + (size_t)QUADS_RUN * j, sums[j]);
    }
    return quads_last(sums[QUADS_RUNS - 1]);
}

/* Where a bias is: what it adds to the sums up to each of 32 values, less. */
static inline void quads_biases(__m512i biases[QUADS_RUNS], int64_t bias)
{
    for (unsigned j = 0; j < QUADS_RUNS; j++)
        biases[j] = _mm512_mullo_epi64(_mm512_set1_epi64(bias), _mm512_loadu_si512(quads_up_to[j]));
}

/* 32 numbers from words with a bias: before + sums. Answers the last one. */
static inline __attribute__((always_inline)) __m512i quads_biased(int64_t *out,
                                                                  const struct quads *quads,
                                                                  __m512i words, __m512i before,
                                                                  const __m512i biases[QUADS_RUNS])
{
    __m512i sums[QUADS_RUNS];
    quads_sum(sums, quads, words);
    for (unsigned j = 0; j < QUADS_RUNS; j++) {
        sums[j] = _mm512_add_epi64(_mm512_add_epi64(before, biases[j]), sums[j]);
        _mm512_storeu_si512(out + (size_t)QUADS_RUN * j, sums[j]);
    }
    return quads_last(sums[QUADS_RUNS - 1]);
}

#undef TIMES_8
#undef QUAD
#undef IN_ORDER
#undef BYTE_QUAD
#undef ALONE
#undef UP_TO
#endif
