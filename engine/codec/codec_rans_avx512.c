/*
 * codec_rans_avx512.c -- the loop of codec_rans.h for CPUs with AVX-512: the Makefile has the flags.
 *
 * A step looks up 16 slots and 16 next states with a gather each, and spreads as many words as there
 * are lanes that want one; the symbols of four steps are scattered to their places. By hand, as compilers make no such loop of the plain one.
 */
#include "codec_rans.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum {
    TURN = 4,
    TURN_BYTES = TURN * RANS_LANES * RANS_WORD_BYTES
}; /* steps, and their most words */

struct lanes {
    __m512i x, state;
    const uint8_t *words;
};

/* One step: the symbols, of 32 bits each. At least RANS_LANES words are there. */
static inline __m512i step_of(struct lanes *l, const struct model_tables *tables)
{
    const __m512i slot_mask = _mm512_set1_epi32(MODEL_SUM - 1);
    const __m512i byte_mask = _mm512_set1_epi32(0xff);
    __m512i at = _mm512_or_si512(_mm512_slli_epi32(l->state, MODEL_SUM_BITS),
                                 _mm512_and_si512(l->x, slot_mask));
    __m512i slot = _mm512_i32gather_epi32(at, tables->slots, 4);
    __m512i symbol = _mm512_and_si512(slot, byte_mask);
    __m512i next = _mm512_or_si512(_mm512_slli_epi32(l->state, 8), symbol);
    l->state = _mm512_and_si512(_mm512_i32gather_epi32(next, tables->next, 1), byte_mask);
    __m512i frequency = _mm512_and_si512(_mm512_srli_epi32(slot, 8), slot_mask);
    __m512i x =
        _mm512_add_epi32(_mm512_mullo_epi32(frequency, _mm512_srli_epi32(l->x, MODEL_SUM_BITS)),
                         _mm512_srli_epi32(slot, 20));
    __mmask16 is_short = _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32(RANS_LEAST));
    __m512i more = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)l->words));
    more = _mm512_maskz_expand_epi32(is_short, more);
    l->x = _mm512_mask_or_epi32(x, is_short, _mm512_slli_epi32(x, 16), more);
    l->words += (size_t)_mm_popcnt_u32(is_short) * RANS_WORD_BYTES;
    return symbol;
}

bool rans_steps_avx512(uint8_t *out, size_t steps, const struct rans_input *input,
                       const struct model_tables *tables)
{
    const uint8_t *end = input->words + input->word_bytes;
    struct lanes l = {
        .x = _mm512_loadu_si512(input->x),
        .state = _mm512_set1_epi32(tables->model->start),
        .words = input->words,
    };
    __m512i place =
        _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                           _mm512_set1_epi32((int)steps));
    size_t step = 0;
    for (; step + TURN <= steps && end - l.words >= TURN_BYTES; step += TURN) {
        __m512i a = step_of(&l, tables);
        __m512i b = _mm512_slli_epi32(step_of(&l, tables), 8);
        __m512i c = _mm512_slli_epi32(step_of(&l, tables), 16);
        __m512i d = _mm512_slli_epi32(step_of(&l, tables), 24);
        __m512i four = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
        _mm512_i32scatter_epi32(out + step, place, four, 1);
    }
    uint32_t x[RANS_LANES], state[RANS_LANES];
    _mm512_storeu_si512(x, l.x);
    _mm512_storeu_si512(state, l.state);
    return rans_steps_finish(out, RANS_LANES, step, steps, x, state, l.words, end, tables);
}
#endif
