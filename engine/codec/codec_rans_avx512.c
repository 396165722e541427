/*
 * codec_rans_avx512.c -- the loop of codec_rans.h for CPUs with AVX-512: the Makefile has the flags.
 *
 * A step looks up 16 slots and 16 next states with a gather each, and spreads as many words as there
 * are lanes that want one. By hand, as compilers make no such loop of the plain one.
 */
#include "codec_rans.h"

#if defined(__x86_64__)
#include <immintrin.h>

bool rans_steps_avx512(uint8_t *out, size_t steps, const struct rans_input *input,
                       const struct model_tables *tables)
{
    const uint8_t *words = input->words;
    const uint8_t *end = words + input->word_bytes;
    const __m512i slot_mask = _mm512_set1_epi32(MODEL_SUM - 1);
    const __m512i byte_mask = _mm512_set1_epi32(0xff);
    const __m512i least = _mm512_set1_epi32(RANS_LEAST);
    __m512i x = _mm512_loadu_si512(input->x);
    __m512i state = _mm512_set1_epi32(tables->model->start);
    size_t step = 0;
    for (; step < steps && (size_t)(end - words) >= RANS_LANES * RANS_WORD_BYTES; step++) {
        __m512i at = _mm512_or_si512(_mm512_slli_epi32(state, MODEL_SUM_BITS),
                                     _mm512_and_si512(x, slot_mask));
        __m512i slot = _mm512_i32gather_epi32(at, tables->slots, 4);
        __m512i symbol = _mm512_and_si512(slot, byte_mask);
        __m512i next = _mm512_or_si512(_mm512_slli_epi32(state, 8), symbol);
        state = _mm512_and_si512(_mm512_i32gather_epi32(next, tables->next, 1), byte_mask);
        __m512i frequency = _mm512_and_si512(_mm512_srli_epi32(slot, 8), slot_mask);
        x = _mm512_add_epi32(_mm512_mullo_epi32(frequency, _mm512_srli_epi32(x, MODEL_SUM_BITS)),
                             _mm512_srli_epi32(slot, 20));
        __mmask16 is_short = _mm512_cmplt_epu32_mask(x, least);
        __m512i more = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)words));
        more = _mm512_maskz_expand_epi32(is_short, more);
        x = _mm512_mask_or_epi32(x, is_short, _mm512_slli_epi32(x, 16), more);
        words += (size_t)_mm_popcnt_u32(is_short) * RANS_WORD_BYTES;
        _mm_storeu_si128((__m128i *)(out + step * RANS_LANES), _mm512_cvtepi32_epi8(symbol));
    }
    uint32_t x_left[RANS_LANES], state_left[RANS_LANES];
    _mm512_storeu_si512(x_left, x);
    _mm512_storeu_si512(state_left, state);
    return rans_steps_finish(out, RANS_LANES, step, steps, x_left, state_left, words, end, tables);
}
#endif
