/*
 * codec_lanes_short.h -- packed words of a few bits, in registers of AVX-512: looked up in a short list, counted, summed and
 * folded without being written down. A part of codec_lanes_body.h.
 *
 * A register has a row of 32 words of 16 bits (codec_lanes_body.h). What sums and folds take of them is in the order of
 * quads (codec_lanes_quads.h).
 */
#ifndef CODEC_CODEC_LANES_SHORT_H
#define CODEC_CODEC_LANES_SHORT_H

#include "codec_lanes_quads.h"

enum { LISTED_BITS = 4 };

/* The 32 words of a row of a group, with something above them. */
static inline __m512i row_of_words(const uint8_t *in, unsigned row, unsigned width)
{
    unsigned shift = row * width % 16;
    const uint8_t *at = in + (size_t)LANES_REGISTER_BYTES * (row * width / 16);
    __m512i words = _mm512_srl_epi16(_mm512_loadu_si512(at), _mm_cvtsi32_si128((int)shift));
    if (shift + width <= 16)
        return words;
    __m512i more = _mm512_loadu_si512(at + LANES_REGISTER_BYTES);
    return _mm512_or_si512(words, _mm512_sll_epi16(more, _mm_cvtsi32_si128((int)(16 - shift))));
}

static unsigned greatest_of_words(__m512i greatest)
{
    __m512i pairs = _mm512_max_epu16(greatest, _mm512_srli_epi32(greatest, 16));
    return (unsigned)_mm512_reduce_max_epu32(_mm512_and_si512(pairs, _mm512_set1_epi32(0xffff)));
}

static unsigned listed_short(int32_t *restrict out, uint32_t *restrict found, size_t *ones,
                             const uint8_t *restrict in, unsigned width,
                             const int32_t *restrict list, unsigned sought)
{
    const __m512i table = _mm512_loadu_si512(list);
    const __m512i mask = _mm512_set1_epi16((short)((1u << width) - 1));
    const __m512i wanted = _mm512_set1_epi16((short)sought);
    __m512i greatest = _mm512_setzero_si512();
    for (unsigned row = 0; row < LANES_GROUP / LANES_STRETCH; row++) {
        __m512i words = _mm512_and_si512(row_of_words(in, row, width), mask);
        greatest = _mm512_max_epu16(greatest, words);
        found[row] = _mm512_cmpeq_epi16_mask(words, wanted);
        *ones += (size_t)__builtin_popcount(found[row]);
        __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words));
        __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1));
        _mm512_storeu_si512(out, _mm512_permutexvar_epi32(low, table));
        _mm512_storeu_si512(out + 16, _mm512_permutexvar_epi32(high, table));
        out += LANES_STRETCH;
    }
    return greatest_of_words(greatest);
}

static unsigned count_listed(uint32_t *restrict found, size_t *ones,
                             const struct lanes_listed *listed)
{
    const __m512i mask = _mm512_set1_epi16((short)((1u << listed->width) - 1));
    const __m512i wanted = _mm512_set1_epi16((short)listed->sought);
    const uint8_t *in = listed->in;
    __m512i greatest = _mm512_setzero_si512();
    size_t count = 0;
    for (size_t group = 0; group < listed->groups; group++) {
        for (unsigned row = 0; row < LANES_GROUP / LANES_STRETCH; row++) {
            __m512i words = _mm512_and_si512(row_of_words(in, row, listed->width), mask);
            greatest = _mm512_max_epu16(greatest, words);
            *found = _mm512_cmpeq_epi16_mask(words, wanted);
            count += (size_t)__builtin_popcount(*found++);
        }
        in += (size_t)LANES_REGISTER_BYTES * listed->width;
    }
    *ones = count;
    return greatest_of_words(greatest);
}

/* With a constant for is_scaled, each is a loop of its own. */
static inline __attribute__((always_inline)) void sums_of_listed(int64_t *restrict out,
                                                                 const struct lanes_listed *listed,
                                                                 __m512i before, uint32_t scale,
                                                                 bool is_scaled)
{
    const unsigned width = listed->width;
    const __m512i table = _mm512_loadu_si512(listed->list);
    const __m512i order = _mm512_loadu_si512(quads_of_words);
    const __m512i mask = _mm512_set1_epi16((short)((1u << width) - 1));
    const __m512i wanted = _mm512_set1_epi16((short)listed->sought);
    const __m512i scales = _mm512_set1_epi64(scale);
    const struct quads quads = quads_load();
    const uint16_t *others = listed->others;
    const uint8_t *in = listed->in;
    __m512i biases[QUADS_RUNS];
    quads_biases(biases, listed->bias);
    for (size_t group = 0; group < listed->groups; group++) {
        for (unsigned row = 0; row < LANES_GROUP / LANES_STRETCH; row++) {
            __m512i words = _mm512_and_si512(row_of_words(in, row, width), mask);
            uint32_t found = _mm512_cmpeq_epi16_mask(words, wanted);
            __m512i more = _mm512_loadu_si512(others);
            __asm__("" : "+v"(more)); /* spread from a register, which is quicker */
            words = _mm512_permutexvar_epi16(words, table);
            words = _mm512_mask_expand_epi16(words, found, more);
            words = _mm512_permutexvar_epi16(order, words);
            others += __builtin_popcount(found);
            before = is_scaled ? quads_scaled(out, &quads, words, before, scales)
                               : quads_biased(out, &quads, words, before, biases);
            out += LANES_STRETCH;
        }
        in += (size_t)LANES_REGISTER_BYTES * width;
    }
}

/* The first word stands for nothing: sums begin with as much less. */
static void sums_listed(int64_t *out, const struct lanes_listed *listed, int64_t first,
                        uint32_t scale)
{
    unsigned word = listed->in[0] & ((1u << listed->width) - 1);
    unsigned value = word == listed->sought ? listed->others[0] : listed->list[word];
    int64_t less = (int64_t)scale * ((int64_t)value - listed->bias);
    __m512i before = _mm512_set1_epi64(wrap_sub_i64(first, less));
    if (scale == 1)
        sums_of_listed(out, listed, before, scale, false);
    else
        sums_of_listed(out, listed, before, scale, true);
}

/* What was folded of words, by distances as in lanes_fold. */
struct words_folded {
    __m512i sum, above, below; /* sums in 32 bits */
    size_t count;
};

static inline struct words_folded words_none(void)
{
    return (struct words_folded){ _mm512_setzero_si512(), _mm512_set1_epi16(-1),
                                  _mm512_set1_epi16(-1), 0 };
}

static inline __attribute__((always_inline)) void fold_row(struct words_folded *at, __m512i words,
                                                           __m512i span, uint32_t counted)
{
    uint32_t in = _mm512_mask_cmple_epu16_mask(counted, words, span);
    __m512i inside = _mm512_maskz_mov_epi16(in, words);
    at->count += (size_t)__builtin_popcount(in);
    at->above = _mm512_mask_min_epu16(at->above, counted, at->above, words);
    at->below = _mm512_mask_min_epu16(at->below, counted, at->below, _mm512_sub_epi16(span, words));
    at->sum = _mm512_add_epi32(at->sum, _mm512_and_si512(inside, _mm512_set1_epi32(UINT16_MAX)));
    at->sum = _mm512_add_epi32(at->sum, _mm512_srli_epi32(inside, 16));
}

static unsigned least_of_words(__m512i least)
{
    __m512i pairs = _mm512_min_epu16(least, _mm512_srli_epi32(least, 16));
    return (unsigned)_mm512_reduce_min_epu32(_mm512_and_si512(pairs, _mm512_set1_epi32(0xffff)));
}

static struct codec_fold fold_of_words(const struct words_folded *at, unsigned span)
{
    return (struct codec_fold){ at->count, (uint32_t)_mm512_reduce_add_epi32(at->sum),
                                least_of_words(at->above), span - least_of_words(at->below) };
}

/* The last of 32 words in the order of quads, in all of them. */
static inline __m512i last_word(__m512i words)
{
    return _mm512_permutexvar_epi16(_mm512_set1_epi16(QUADS_WORDS - 1), words);
}

/* With constants for the two, each is a loop of its own. Sums are in the order of quads, which does not matter here. */
static inline __attribute__((always_inline)) void fold_words(struct codec_fold *fold,
                                                             const struct lanes_listed *listed,
                                                             const struct lanes_folded *by,
                                                             bool is_listed, bool are_changes)
{
    const unsigned width = listed->width;
    const __m512i zero = _mm512_setzero_si512();
    const __m512i table = is_listed ? _mm512_loadu_si512(listed->list) : zero;
    const __m512i order = _mm512_loadu_si512(quads_of_words);
    const __m512i mask = _mm512_set1_epi16((short)((1u << width) - 1));
    const __m512i wanted = _mm512_set1_epi16((short)listed->sought);
    const __m512i bias = _mm512_set1_epi16((short)listed->bias);
    const __m512i span = _mm512_set1_epi16((short)by->span);
    const uint16_t *others = listed->others;
    const uint8_t *in = listed->in;
    struct words_folded at = words_none();
    __m512i before = zero;
    if (are_changes) {
        unsigned word = in[0] | (unsigned)in[1] << 8;
        word &= (1u << width) - 1;
        unsigned value = word + listed->bias;
        if (is_listed)
            value = word == listed->sought ? others[0] : listed->list[word];
        before = _mm512_set1_epi16((short)(by->first - value));
    }
    for (size_t group = 0; group < listed->groups; group++) {
        for (unsigned row = 0; row < LANES_GROUP / LANES_STRETCH; row++) {
            __m512i words = _mm512_and_si512(row_of_words(in, row, width), mask);
            if (is_listed) {
                uint32_t found = _mm512_cmpeq_epi16_mask(words, wanted);
                __m512i more = _mm512_loadu_si512(others);
                __asm__("" : "+v"(more)); /* as above */
                words = _mm512_permutexvar_epi16(words, table);
                words = _mm512_mask_expand_epi16(words, found, more);
                others += __builtin_popcount(found);
            } else {
                words = _mm512_add_epi16(words, bias);
            }
            if (are_changes) {
                words = _mm512_permutexvar_epi16(order, words);
                words = _mm512_add_epi16(quads_wrapped(words), before);
                before = last_word(words);
            }
            fold_row(&at, words, span, UINT32_MAX);
        }
        in += (size_t)LANES_REGISTER_BYTES * width;
    }
    *fold = fold_of_words(&at, by->span);
}

static void fold_listed(struct codec_fold *fold, const struct lanes_listed *listed,
                        const struct lanes_folded *by)
{
    if (listed->list == NULL && by->are_changes)
        fold_words(fold, listed, by, false, true);
    else if (listed->list == NULL)
        fold_words(fold, listed, by, false, false);
    else if (by->are_changes)
        fold_words(fold, listed, by, true, true);
    else
        fold_words(fold, listed, by, true, false);
}

#endif
