/*
 * codec_lanes_body.h -- the loops of codec_lanes.h, for whoever defines CODEC_LANES, the name of
 * what they make up, and LANES_RANS, LANES_RANS_SOME and LANES_RANS_AT_A_TIME, the loops of
 * codec_rans.h that go with them. Bytes: format-spec/blocks.md, "Bits".
 *
 * A row is what 64 bytes of lanes hold once: 32 words of 16 bits, 16 of 32 or 8 of 64. All its lanes
 * are shifted alike, which is one instruction for each register. Bytes are little-endian.
 */
#include "codec_lanes.h"

#include <string.h>

#if defined(__AVX512F__)
#include "codec_lanes_quads.h"
#elif defined(__AVX2__)
#include <immintrin.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "lane words are stored little-endian, as they are in memory"
#endif

/* Numbers as they lie, at any place. */
#define DEFINE_WORD(BITS)                                                                          \
    static inline uint##BITS##_t word_##BITS(const uint8_t *in, unsigned lane)                     \
    {                                                                                              \
        uint##BITS##_t word;                                                                       \
        memcpy(&word, in + (size_t)lane * sizeof word, sizeof word);                               \
        return word;                                                                               \
    }

DEFINE_WORD(16)
DEFINE_WORD(32)
DEFINE_WORD(64)

/* Words of a row to numbers of TO bits, from up to two rows of lane words of BITS. */
#define DEFINE_UNPACK(NAME, BITS, TO)                                                              \
    static void NAME(int##TO##_t *restrict out, const uint8_t *restrict in, unsigned width,        \
                     int##TO##_t base)                                                             \
    {                                                                                              \
        enum { LANE_BITS = (BITS), LANES = LANES_GROUP / LANE_BITS };                              \
        const uint##BITS##_t mask =                                                                \
            (uint##BITS##_t)((uint##BITS##_t) ~(uint##BITS##_t)0 >> (LANE_BITS - width));          \
        for (unsigned row = 0; row < LANE_BITS; row++) {                                           \
            const uint8_t *low = in + (size_t)LANES_REGISTER_BYTES * (row * width / LANE_BITS);    \
            const uint8_t *high = low + LANES_REGISTER_BYTES;                                      \
            unsigned shift = row * width % LANE_BITS;                                              \
            unsigned back = LANE_BITS - shift;                                                     \
            if (shift + width <= LANE_BITS) {                                                      \
                for (unsigned lane = 0; lane < LANES; lane++) {                                    \
                    uint##BITS##_t word = (uint##BITS##_t)(word_##BITS(low, lane) >> shift);       \
                    out[lane] = (int##TO##_t)((uint##TO##_t)base + (uint##BITS##_t)(word & mask)); \
                }                                                                                  \
            } else {                                                                               \
                for (unsigned lane = 0; lane < LANES; lane++) {                                    \
                    uint##BITS##_t word = (uint##BITS##_t)(word_##BITS(low, lane) >> shift);       \
                    uint##BITS##_t more = (uint##BITS##_t)(word_##BITS(high, lane) << back);       \
                    word = (uint##BITS##_t)(word | more);                                          \
                    out[lane] = (int##TO##_t)((uint##TO##_t)base + (uint##BITS##_t)(word & mask)); \
                }                                                                                  \
            }                                                                                      \
            out += LANES;                                                                          \
        }                                                                                          \
    }

DEFINE_UNPACK(unpack_16, 16, 64)
DEFINE_UNPACK(unpack_32, 32, 64)
DEFINE_UNPACK(unpack_64, 64, 64)
DEFINE_UNPACK(lanes_unpack_small, 16, 32)

/* Where the next word of a run of bits begins. */
struct tail_at {
    const uint8_t *in;
    size_t bytes; /* that can be read there */
    unsigned bit; /* of the first, 0 to 7 */
};

static inline void tail_go_on(struct tail_at *at, size_t bits)
{
    bits += at->bit;
    at->in += bits / 8;
    at->bytes -= bits / 8;
    at->bit = bits % 8;
}

/* Words until there are fewer than 9 bytes, in which any word lies. Eight narrow ones lie in 8. Answers how many. */
static inline size_t tail_some(int64_t *restrict out, struct tail_at *at, size_t count,
                               unsigned width, int64_t base)
{
    typedef uint64_t eight __attribute__((vector_size(64)));
    const uint64_t mask = UINT64_MAX >> (64 - width);
    eight shifts = { 0, 1, 2, 3, 4, 5, 6, 7 };
    size_t i = 0;
    shifts *= width;
    for (; 8 * width + at->bit <= 64 && i + 8 <= count && at->bytes >= 8; i += 8) {
        eight words = (word_64(at->in, 0) >> at->bit >> shifts & mask) + (uint64_t)base;
        memcpy(out + i, &words, sizeof words);
        tail_go_on(at, (size_t)8 * width);
    }
    for (; i < count && at->bytes > 8; i++) {
        uint64_t word = word_64(at->in, 0) >> at->bit;
        word |= (uint64_t)at->in[8] << 1 << (63 - at->bit);
        out[i] = (int64_t)((word & mask) + (uint64_t)base);
        tail_go_on(at, width);
    }
    return i;
}

#if defined(__AVX512F__)
/* Eight words of up to 56 bits begin within 64 bytes, and each lies in the 8 bytes from its first on. */
enum { EIGHT_BITS_MAX = 56 };

static void tail_by_eight(int64_t *restrict out, const uint8_t *restrict in, size_t bytes,
                          size_t count, unsigned width, int64_t base)
{
    const __m512i each = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i bit = _mm512_mullo_epi64(each, _mm512_set1_epi64(width));
    const __m512i shifts = _mm512_and_si512(bit, _mm512_set1_epi64(7));
    const __m512i first =
        _mm512_mullo_epi64(_mm512_srli_epi64(bit, 3), _mm512_set1_epi64(0x0101010101010101));
    const __m512i places = _mm512_add_epi64(first, _mm512_set1_epi64(0x0706050403020100));
    const __m512i mask = _mm512_set1_epi64((int64_t)(UINT64_MAX >> (64 - width)));
    const __m512i bases = _mm512_set1_epi64(base);
    for (size_t i = 0; i < count; i += 8, in += width, bytes -= width) {
        __mmask64 here = bytes < 64 ? (UINT64_C(1) << bytes) - 1 : UINT64_MAX;
        __m512i words = _mm512_permutexvar_epi8(places, _mm512_maskz_loadu_epi8(here, in));
        words = _mm512_and_si512(_mm512_srlv_epi64(words, shifts), mask);
        words = _mm512_add_epi64(words, bases);
        _mm512_mask_storeu_epi64(out + i,
                                 count - i < 8 ? (__mmask8)((1u << (count - i)) - 1) : 0xff, words);
    }
}
#endif

static void lanes_tail(int64_t *restrict out, const uint8_t *restrict in, size_t bytes,
                       size_t count, unsigned width, int64_t base)
{
    uint8_t rest[8 + 9] = { 0 };
    struct tail_at at = { in, bytes, 0 };
    if (width == 0) {
        for (size_t i = 0; i < count; i++)
            out[i] = base;
        return;
    }
#if defined(__AVX512F__)
    if (width <= EIGHT_BITS_MAX) {
        tail_by_eight(out, in, bytes, count, width, base);
        return;
    }
#endif
    size_t done = tail_some(out, &at, count, width, base);
    if (done == count)
        return;
    memcpy(rest, at.in, at.bytes);
    at.in = rest;
    at.bytes = sizeof rest;
    (void)tail_some(out + done, &at, count - done, width, base);
}

#define DEFINE_PACK(BITS, TYPE)                                                                    \
    static void pack_##BITS(uint8_t *restrict out, const uint64_t *restrict words, unsigned width) \
    {                                                                                              \
        enum { LANE_BITS = (BITS), LANES = LANES_GROUP / LANE_BITS };                              \
        const TYPE mask = (TYPE)((TYPE) ~(TYPE)0 >> (LANE_BITS - width));                          \
        TYPE at[LANES] = { 0 };                                                                    \
        for (unsigned row = 0; row < LANE_BITS; row++) {                                           \
            unsigned shift = row * width % LANE_BITS;                                              \
            TYPE value[LANES];                                                                     \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                value[lane] = (TYPE)((TYPE)words[row * LANES + lane] & mask);                      \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                at[lane] = (TYPE)(at[lane] | (TYPE)(value[lane] << shift));                        \
            if (shift + width < LANE_BITS)                                                         \
                continue;                                                                          \
            memcpy(out, at, sizeof at);                                                            \
            out += sizeof at;                                                                      \
            unsigned done = LANE_BITS - shift; /* bits of this row that are written */             \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                at[lane] = done < width ? (TYPE)(value[lane] >> done) : (TYPE)0;                   \
        }                                                                                          \
    }

DEFINE_PACK(16, uint16_t)
DEFINE_PACK(32, uint32_t)
DEFINE_PACK(64, uint64_t)

static unsigned listed_plain(int32_t *restrict out, uint32_t *restrict found, size_t *ones,
                             const uint8_t *restrict in, unsigned width,
                             const int32_t *restrict list, unsigned sought)
{
    int32_t words[LANES_GROUP];
    int32_t greatest[LANES_STRETCH] = { 0 };
    uint32_t bit[LANES_STRETCH];
    lanes_unpack_small(words, in, width, 0);
    for (unsigned i = 0; i < LANES_STRETCH; i++)
        bit[i] = (uint32_t)1 << i;
    for (size_t s = 0; s < LANES_GROUP / LANES_STRETCH; s++) {
        const int32_t *at = words + s * LANES_STRETCH;
        uint32_t bits = 0;
        for (unsigned i = 0; i < LANES_STRETCH; i++)
            bits |= at[i] == (int32_t)sought ? bit[i] : 0;
        found[s] = bits;
        *ones += (size_t)__builtin_popcount(bits);
        for (unsigned i = 0; i < LANES_STRETCH; i++)
            greatest[i] = at[i] > greatest[i] ? at[i] : greatest[i];
    }
    for (size_t i = 0; i < LANES_GROUP; i++)
        out[i] = list[words[i]];
    for (unsigned i = 1; i < LANES_STRETCH; i++)
        greatest[0] = greatest[i] > greatest[0] ? greatest[i] : greatest[0];
    return (unsigned)greatest[0];
}

/* A list of up to 16, or 8, is one register; 32 words of 16 bits lie in a row. */
#if defined(__AVX512F__)
#include "codec_lanes_short.h"
#elif defined(__AVX2__)
enum { LISTED_BITS = 3 };

static inline __m256i half_row(const uint8_t *at, unsigned shift, unsigned width)
{
    __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)at);
    words = _mm256_srl_epi16(words, _mm_cvtsi32_si128((int)shift));
    if (shift + width <= 16)
        return words;
    __m256i more = _mm256_loadu_si256((const __m256i *)(const void *)(at + LANES_REGISTER_BYTES));
    return _mm256_or_si256(words, _mm256_sll_epi16(more, _mm_cvtsi32_si128((int)(16 - shift))));
}

static unsigned listed_short(int32_t *restrict out, uint32_t *restrict found, size_t *ones,
                             const uint8_t *restrict in, unsigned width,
                             const int32_t *restrict list, unsigned sought)
{
    const __m256i table = _mm256_loadu_si256((const __m256i *)(const void *)list);
    const __m256i mask = _mm256_set1_epi16((short)((1u << width) - 1));
    const __m256i wanted = _mm256_set1_epi16((short)sought);
    __m256i greatest = _mm256_setzero_si256();
    for (unsigned row = 0; row < LANES_GROUP / LANES_STRETCH; row++) {
        unsigned shift = row * width % 16;
        const uint8_t *at = in + (size_t)LANES_REGISTER_BYTES * (row * width / 16);
        __m256i is_wanted[2];
        for (unsigned half = 0; half < 2; half++) {
            __m256i words = _mm256_and_si256(half_row(at + 32 * half, shift, width), mask);
            greatest = _mm256_max_epu16(greatest, words);
            is_wanted[half] = _mm256_cmpeq_epi16(words, wanted);
            __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words));
            __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1));
            _mm256_storeu_si256((__m256i *)(void *)out, _mm256_permutevar8x32_epi32(table, low));
            _mm256_storeu_si256((__m256i *)(void *)(out + 8),
                                _mm256_permutevar8x32_epi32(table, high));
            out += 16;
        }
        __m256i both = _mm256_packs_epi16(is_wanted[0], is_wanted[1]);
        found[row] = (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(both, 0xd8));
        *ones += (size_t)__builtin_popcount(found[row]);
    }
    uint16_t each[16];
    _mm256_storeu_si256((__m256i *)(void *)each, greatest);
    for (unsigned i = 1; i < 16; i++)
        each[0] = each[i] > each[0] ? each[i] : each[0];
    return each[0];
}
#endif

static unsigned lanes_unpack_listed(int32_t *out, uint32_t *found, size_t *ones, const uint8_t *in,
                                    unsigned width, const int32_t *list, unsigned sought)
{
#if defined(__AVX2__)
    if (width <= LISTED_BITS)
        return listed_short(out, found, ones, in, width, list, sought);
#endif
    return listed_plain(out, found, ones, in, width, list, sought);
}

static void lanes_replace(int32_t *values, const uint32_t *found, size_t stretches,
                          const int32_t *others)
{
    for (size_t s = 0; s < stretches; s++, values += LANES_STRETCH) {
#if defined(__AVX512F__)
        for (unsigned half = 0; half < LANES_STRETCH; half += 16) {
            __mmask16 here = (__mmask16)(found[s] >> half);
            _mm512_mask_storeu_epi32(values + half, here,
                                     _mm512_maskz_expandloadu_epi32(here, others));
            others += __builtin_popcount(here);
        }
#else
        for (uint32_t bits = found[s]; bits != 0; bits &= bits - 1)
            values[__builtin_ctz(bits)] = *others++;
#endif
    }
}

#if defined(__AVX512F__)
static inline __m512i sums_of_row(__m512i row)
{
    const __m512i zero = _mm512_setzero_si512();
    row = _mm512_add_epi32(row, _mm512_alignr_epi32(row, zero, 15));
    row = _mm512_add_epi32(row, _mm512_alignr_epi32(row, zero, 14));
    row = _mm512_add_epi32(row, _mm512_alignr_epi32(row, zero, 12));
    return _mm512_add_epi32(row, _mm512_alignr_epi32(row, zero, 8));
}

/* The first `left` of 16 numbers, of 64 bits each. */
static inline void store_some(int64_t *out, __m512i low, __m512i high, size_t left)
{
    if (left >= 16) {
        _mm512_storeu_si512(out, low);
        _mm512_storeu_si512(out + 8, high);
    } else {
        unsigned some = (1u << left) - 1;
        _mm512_mask_storeu_epi64(out, (__mmask8)some, low);
        _mm512_mask_storeu_epi64(out + 8, (__mmask8)(some >> 8), high);
    }
}

/* Sums that go on from row to row. */
struct row_sums {
    __m512i before, least;
};

/* Of a row those values that are counted; the others are 0. */
static inline void sum_row(int32_t *sums, struct row_sums *at, const int32_t *values,
                           unsigned counted)
{
    __m512i row = _mm512_maskz_loadu_epi32((__mmask16)counted, values);
    at->least = _mm512_mask_min_epi32(at->least, (__mmask16)counted, at->least, row);
    row = sums_of_row(row);
    _mm512_storeu_si512(sums, _mm512_add_epi32(row, at->before));
    row = _mm512_permutexvar_epi32(_mm512_set1_epi32(15), row);
    at->before = _mm512_add_epi32(at->before, row);
}

/* Two passes: so the sums of one row do not wait for the shuffles that make numbers of the row before. */
static int32_t lanes_sums(int64_t *restrict out, const int32_t *restrict values, size_t count,
                          int64_t first, uint32_t scale)
{
    int32_t sums[LANES_SUM_VALUES];
    const __m512i scales = _mm512_set1_epi64((int64_t)scale);
    const __m512i base = _mm512_set1_epi64(first);
    struct row_sums at = { _mm512_setzero_si512(), _mm512_set1_epi32(INT32_MAX) };
    unsigned head = count < 16 ? (1u << count) - 1 : UINT16_MAX;
    sum_row(sums, &at, values, head & ~1u);
    size_t i = 16;
    for (; i + 16 <= count; i += 16)
        sum_row(sums + i, &at, values + i, UINT16_MAX);
    if (i < count)
        sum_row(sums + i, &at, values + i, (1u << (count - i)) - 1);
    for (i = 0; i < count; i += 8) {
        __m256i row = _mm256_loadu_si256((const __m256i *)(const void *)(sums + i));
        __m512i sum = _mm512_mul_epi32(_mm512_cvtepi32_epi64(row), scales);
        sum = _mm512_add_epi64(base, sum);
        if (CORE_LIKELY(i + 8 <= count))
            _mm512_storeu_si512(out + i, sum);
        else
            _mm512_mask_storeu_epi64(out + i, (__mmask8)((1u << (count - i)) - 1), sum);
    }
    return _mm512_reduce_min_epi32(at.least);
}

struct byte_list {
    __m512i at[4];
};

static inline struct byte_list list_load(const void *bytes)
{
    struct byte_list list;
    for (unsigned i = 0; i < 4; i++)
        list.at[i] = _mm512_loadu_si512((const uint8_t *)bytes + (size_t)64 * i);
    return list;
}

static inline __m512i list_look_up(const struct byte_list *list, __m512i at)
{
    __m512i low = _mm512_permutex2var_epi8(list->at[0], at, list->at[1]);
    __m512i high = _mm512_permutex2var_epi8(list->at[2], at, list->at[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(at), high);
}

/* Where rows of pairs stand: the last time and value, eight times each. */
struct pairs_at {
    __m512i time, value;
};

static inline void pairs_row(int64_t *time, int64_t *values, struct pairs_at *at, __m512i gaps,
                             __m512i changes, __m512i ns, size_t left)
{
    const __m512i last = _mm512_set1_epi64(7);
    gaps = sums_of_row(gaps);
    changes = sums_of_row(changes);
    __m512i low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(gaps));
    __m512i high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(gaps, 1));
    low = _mm512_add_epi64(at->time, _mm512_mul_epu32(low, ns));
    high = _mm512_add_epi64(at->time, _mm512_mul_epu32(high, ns));
    at->time = _mm512_permutexvar_epi64(last, high);
    store_some(time, low, high, left);
    low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(changes));
    high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(changes, 1));
    low = _mm512_add_epi64(at->value, low);
    high = _mm512_add_epi64(at->value, high);
    at->value = _mm512_permutexvar_epi64(last, high);
    store_some(values, low, high, left);
}

/* Changes of 8 bits, less the least one. */
enum { CHANGES_BIAS = 128 };

/* 64 symbols make four rows of 16, or two of 32 where no escape is among them, as is most often so. */
static void lanes_pairs(int64_t *restrict time, int64_t *restrict values,
                        const struct lanes_pairs *pairs)
{
    const struct byte_list gap_of = list_load(pairs->gap_of);
    const struct byte_list change_of = list_load(pairs->change_of);
    const __m512i ns = _mm512_set1_epi64(pairs->ns);
    const int32_t *other_gaps = pairs->gaps;
    const int32_t *other_changes = pairs->changes;
    const struct quads quads = quads_load();
    const __m512i order[2] = { _mm512_loadu_si512(quads_of_bytes[0]),
                               _mm512_loadu_si512(quads_of_bytes[1]) };
    const __mmask64 lower = 0x5555555555555555; /* bytes of words */
    __m512i biases[QUADS_RUNS];
    quads_biases(biases, CHANGES_BIAS);
    struct pairs_at at = { _mm512_set1_epi64(pairs->time), _mm512_set1_epi64(pairs->value) };
    for (size_t i = 0; i < pairs->count; i += LANES_PAIRS) {
        __m512i symbols = _mm512_loadu_si512(pairs->symbols + i);
        __m512i gap_bytes = list_look_up(&gap_of, symbols);
        __m512i change_bytes = list_look_up(&change_of, symbols);
        uint64_t escapes = _mm512_cmpeq_epi8_mask(symbols, _mm512_setzero_si512());
        if (CORE_LIKELY(pairs->count - i >= LANES_PAIRS && i > 0 && escapes == 0)) {
            change_bytes = _mm512_xor_si512(change_bytes, _mm512_set1_epi8((char)CHANGES_BIAS));
            for (unsigned half = 0; half < 2; half++) {
                size_t row = i + (size_t)half * QUADS_WORDS;
                __m512i gaps = _mm512_maskz_permutexvar_epi8(lower, order[half], gap_bytes);
                __m512i changes = _mm512_maskz_permutexvar_epi8(lower, order[half], change_bytes);
                at.time = quads_scaled(time + row, &quads, gaps, at.time, ns);
                at.value = quads_biased(values + row, &quads, changes, at.value, biases);
            }
            continue;
        }
        for (size_t row = i; row < i + LANES_PAIRS && row < pairs->count; row += 16) {
            __m512i gaps = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(gap_bytes));
            __m512i changes = _mm512_cvtepi8_epi32(_mm512_castsi512_si128(change_bytes));
            gap_bytes = _mm512_shuffle_i32x4(gap_bytes, gap_bytes, 0x39);
            change_bytes = _mm512_shuffle_i32x4(change_bytes, change_bytes, 0x39);
            size_t left = pairs->count - row;
            unsigned some = (unsigned)(escapes >> (row - i)) & UINT16_MAX;
            some &= left < 16 ? (1u << left) - 1 : UINT16_MAX;
            __m512i others = _mm512_loadu_si512(other_gaps);
            gaps = _mm512_mask_expand_epi32(gaps, (__mmask16)some, others);
            others = _mm512_loadu_si512(other_changes);
            changes = _mm512_mask_expand_epi32(changes, (__mmask16)some, others);
            other_gaps += _mm_popcnt_u32(some);
            other_changes += _mm_popcnt_u32(some);
            const __mmask16 counted = (__mmask16)(row == 0 ? UINT16_MAX - 1 : UINT16_MAX);
            gaps = _mm512_maskz_mov_epi32(counted, gaps);
            changes = _mm512_maskz_mov_epi32(counted, changes);
            pairs_row(time + row, values + row, &at, gaps, changes, ns, left);
        }
    }
}

static void fold_pairs(struct codec_fold *fold, const struct lanes_pairs_folded *by)
{
    const struct byte_list change_of = list_load(by->change_of);
    const __m512i order = _mm512_loadu_si512(quads_of_words);
    const __m512i span = _mm512_set1_epi16((short)by->span);
    const uint16_t *others = by->changes;
    struct words_folded at = words_none();
    __m512i before = _mm512_set1_epi16((short)by->first);
    for (size_t i = 0; i < by->count; i += LANES_PAIRS) {
        __m512i symbols = _mm512_loadu_si512(by->symbols + i);
        uint64_t escapes = _mm512_cmpeq_epi8_mask(symbols, _mm512_setzero_si512());
        __m512i changes = list_look_up(&change_of, symbols);
        for (size_t row = i; row < i + LANES_PAIRS && row < by->count; row += QUADS_WORDS) {
            size_t left = by->count - row;
            uint32_t found = (uint32_t)escapes;
            uint32_t counted = UINT32_MAX; /* in the order of quads */
            __m512i words = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(changes));
            changes = _mm512_shuffle_i64x2(changes, changes, 0x4e);
            escapes >>= QUADS_WORDS;
            if (CORE_UNLIKELY(left < QUADS_WORDS)) {
                found &= (1u << left) - 1;
                counted = _mm512_cmplt_epu16_mask(order, _mm512_set1_epi16((short)left));
            }
            words = _mm512_mask_expand_epi16(words, found, _mm512_loadu_si512(others));
            words = _mm512_maskz_mov_epi16(row == 0 ? ~1u : UINT32_MAX, words);
            others += __builtin_popcount(found);
            words = quads_wrapped(_mm512_permutexvar_epi16(order, words));
            words = _mm512_add_epi16(words, before);
            before = last_word(words);
            fold_row(&at, words, span, counted);
        }
    }
    *fold = fold_of_words(&at, by->span);
}
#else
/* As many values as any register holds; each becomes the sum of those up to it. */
typedef uint32_t four __attribute__((vector_size(16)));

static inline four sums_of_four(four row)
{
    const four zero = { 0 };
    row += __builtin_shufflevector(zero, row, 0, 4, 5, 6);
    return row + __builtin_shufflevector(zero, row, 0, 1, 4, 5);
}

static int32_t least_behind_first(const int32_t *values, size_t count)
{
    int32_t least = INT32_MAX;
    for (size_t i = 1; i < count; i++)
        least = values[i] < least ? values[i] : least;
    return least;
}

static int32_t lanes_sums(int64_t *restrict out, const int32_t *restrict values, size_t count,
                          int64_t first, uint32_t scale)
{
    uint32_t sums[LANES_SUM_VALUES];
    const uint32_t half = (uint32_t)1
                          << 31; /* makes sums unsigned, whose product is one instruction */
    const uint64_t base = (uint64_t)first - (uint64_t)half * scale;
    const uint32_t none = 0 - (uint32_t)values[0];
    four before = { none, none, none, none };
    for (size_t i = 0; i < count; i += 4) {
        four row;
        memcpy(&row, values + i, sizeof row);
        row = sums_of_four(row) + before;
        before = __builtin_shufflevector(row, row, 3, 3, 3, 3);
        memcpy(sums + i, &row, sizeof row);
    }
    for (size_t i = 0; i < count; i++)
        out[i] = (int64_t)(base + (uint64_t)(sums[i] ^ half) * scale);
    return least_behind_first(values, count);
}

/* What a symbol adds to time and value. */
struct pair_step {
    int64_t ns, change;
};

static void lanes_pairs(int64_t *restrict time, int64_t *restrict values,
                        const struct lanes_pairs *pairs)
{
    const uint8_t *symbols = pairs->symbols;
    struct pair_step steps[256];
    int64_t at = pairs->time;
    int64_t value = pairs->value;
    for (size_t symbol = 0; symbol < 256; symbol++)
        steps[symbol] = (struct pair_step){ (int64_t)pairs->gap_of[symbol] * pairs->ns,
                                            pairs->change_of[symbol] };
    size_t escape = symbols[0] == 0; /* the first row's stands for nothing */
    time[0] = at;
    values[0] = value;
    for (size_t i = 1; i < pairs->count;) {
        const uint8_t *next = memchr(symbols + i, 0, pairs->count - i);
        size_t end = next == NULL ? pairs->count : (size_t)(next - symbols);
        for (; i < end; i++) {
            at += steps[symbols[i]].ns;
            value = wrap_add_i64(value, steps[symbols[i]].change);
            time[i] = at;
            values[i] = value;
        }
        if (i == pairs->count)
            break;
        at += (int64_t)pairs->gaps[escape] * pairs->ns;
        value = wrap_add_i64(value, pairs->changes[escape++]);
        time[i] = at;
        values[i++] = value;
    }
}
#endif

typedef uint8_t lanes_bytes __attribute__((vector_size(LANES_TURN)));

#if defined(__AVX512F__)
/* Four steps lie in a register: each lane's bytes come together first, then those of 16 steps. */
static void lanes_turn(uint8_t *restrict out, const uint8_t *restrict by_step, size_t steps)
{
    uint8_t by_lane[64];
    for (unsigned i = 0; i < sizeof by_lane; i++)
        by_lane[i] = (uint8_t)(RANS_LANES * (i % 4) + i / 4);
    const __m512i order = _mm512_loadu_si512(by_lane);
    for (size_t done = 0; done < steps; done += LANES_TURN) {
        size_t step = steps - done < LANES_TURN ? steps - LANES_TURN : done;
        __m512i four[4];
        for (unsigned k = 0; k < 4; k++) {
            const uint8_t *at = by_step + (step + (size_t)4 * k) * RANS_LANES;
            four[k] = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(at));
        }
        __m512i low[2], high[2];
        for (unsigned k = 0; k < 2; k++) {
            low[k] = _mm512_unpacklo_epi32(four[2 * k], four[2 * k + 1]);
            high[k] = _mm512_unpackhi_epi32(four[2 * k], four[2 * k + 1]);
        }
        const __m512i lanes[4] = { _mm512_unpacklo_epi64(low[0], low[1]),
                                   _mm512_unpackhi_epi64(low[0], low[1]),
                                   _mm512_unpacklo_epi64(high[0], high[1]),
                                   _mm512_unpackhi_epi64(high[0], high[1]) };
        for (unsigned lane = 0; lane < RANS_LANES; lane++)
            memcpy(out + lane * steps + step, (const uint8_t *)&lanes[lane % 4] + lane / 4 * 16,
                   LANES_TURN);
    }
}
#else
/* 16 rows of 16 bytes become columns in four rounds, each of which lays the bytes of two rows one by one. */
static void lanes_turn(uint8_t *restrict out, const uint8_t *restrict by_step, size_t steps)
{
    lanes_bytes rows[2][LANES_TURN];
    for (size_t done = 0; done < steps; done += LANES_TURN) {
        size_t step = steps - done < LANES_TURN ? steps - LANES_TURN : done;
        memcpy(rows[0], by_step + step * RANS_LANES, sizeof rows[0]);
        for (unsigned round = 0; round < 4; round++) {
            const lanes_bytes *from = rows[round % 2];
            lanes_bytes *to = rows[1 - round % 2];
            for (unsigned i = 0; i < LANES_TURN / 2; i++) {
                lanes_bytes a = from[i];
                lanes_bytes b = from[i + LANES_TURN / 2];
                to[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                                    6, 22, 7, 23);
                to[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                                        13, 29, 14, 30, 15, 31);
            }
        }
        for (unsigned lane = 0; lane < RANS_LANES; lane++)
            memcpy(out + lane * steps + step, &rows[0][lane], LANES_TURN);
    }
}
#endif

static void lanes_range(int64_t *min, int64_t *max, const int64_t *values, size_t count)
{
    int64_t least = values[0];
    int64_t greatest = values[0];
    for (size_t i = 1; i < count; i++) {
        least = values[i] < least ? values[i] : least;
        greatest = values[i] > greatest ? values[i] : greatest;
    }
    *min = least;
    *max = greatest;
}

/* By distances from either end, which have no sign: what is out of the range is further from an end than the other one. */
static void lanes_fold(struct codec_fold *fold, const int64_t *values, size_t count, int64_t low,
                       int64_t high)
{
    const uint64_t span = (uint64_t)high - (uint64_t)low;
    uint64_t out = 0;
    uint64_t sum = 0;
    uint64_t above = UINT64_MAX;
    uint64_t below = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        uint64_t from_low = (uint64_t)values[i] - (uint64_t)low;
        uint64_t to_high = (uint64_t)high - (uint64_t)values[i];
        uint64_t is_out = from_low > span;
        out += is_out;
        sum += from_low & (is_out - 1);
        above = from_low < above ? from_low : above;
        below = to_high < below ? to_high : below;
    }
    *fold =
        (struct codec_fold){ count - out, (int64_t)sum, (int64_t)above, (int64_t)(span - below) };
}

static void lanes_filter(uint8_t *restrict passes, const int64_t *restrict values, size_t count,
                         int64_t low, uint64_t span)
{
    for (size_t i = 0; i < count; i++)
        passes[i] = (uint64_t)values[i] - (uint64_t)low <= span ? passes[i] : 0;
}

#if defined(__AVX512F__)
static size_t lanes_places(uint16_t *places, const uint8_t *passes, size_t count)
{
    const __m512i step = _mm512_set1_epi16(QUADS_WORDS);
    __m512i at = _mm512_loadu_si512(words_in_order);
    size_t kept = 0;
    for (size_t i = 0; i < count; i += QUADS_WORDS) {
        size_t left = count - i;
        uint32_t some = left < QUADS_WORDS ? (1u << left) - 1 : UINT32_MAX;
        __m256i bytes = _mm256_maskz_loadu_epi8(some, passes + i);
        uint32_t in = _mm256_test_epi8_mask(bytes, bytes);
        uint32_t here = (uint32_t)__builtin_popcount(in);
        __m512i kept_here = _mm512_maskz_compress_epi16(in, at);
        _mm512_mask_storeu_epi16(places + kept, here < QUADS_WORDS ? (1u << here) - 1 : UINT32_MAX,
                                 kept_here);
        kept += here;
        at = _mm512_add_epi16(at, step);
    }
    return kept;
}
#else
static size_t lanes_places(uint16_t *places, const uint8_t *passes, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        places[kept] = (uint16_t)i;
        kept += passes[i] != 0;
    }
    return kept;
}
#endif

/* ---- models ---------------------------------------------------------------------------------- */

/* Eight at a time, over the beginning of the next symbol's, which follow. */
static void lanes_unfold(uint32_t *restrict slots, const uint16_t *restrict symbols,
                         const uint16_t *restrict counts, size_t count)
{
    typedef uint32_t eight __attribute__((vector_size(32)));
    enum { NUMBER_AT = 20, AT_ONCE = 8 };
    const eight numbers = { 0, 1, 2, 3, 4, 5, 6, 7 };
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t end = at + counts[i];
        uint32_t slot = symbols[i] | (uint32_t)counts[i] << 8;
        eight some = (numbers << NUMBER_AT) + slot;
        if (CORE_LIKELY(end + AT_ONCE <= MODEL_SUM)) {
            for (; at < end; at += AT_ONCE, some += (uint32_t)AT_ONCE << NUMBER_AT)
                memcpy(slots + at, &some, sizeof some);
        } else {
            for (; at < end; at++, slot += (uint32_t)1 << NUMBER_AT)
                slots[at] = slot;
        }
        at = end;
    }
}

/* ---- linear prediction ----------------------------------------------------------------------- */

static void lanes_lags(int64_t *sums, const int32_t *values, size_t count)
{
    for (size_t lag = 0; lag < LANES_LAGS; lag++) {
        int64_t sum = 0;
        for (size_t i = lag; i < count; i++)
            sum += (int64_t)values[i] * values[i - lag];
        sums[lag] = sum;
    }
}

static void lanes_weighed(struct lanes_weighed *sums, const int32_t *values, const uint16_t *rows,
                          const double *weights, size_t count)
{
    typedef int32_t eight __attribute__((vector_size(LANES_WEIGHED * sizeof(int32_t))));
    struct lanes_weighed at = { 0 };
    for (size_t i = 0; i < count; i++) {
        const int32_t *value = values + rows[i];
        eight before;
        memcpy(&before, value - LANES_WEIGHED, sizeof before);
        lanes_weighed_row x = __builtin_convertvector(before, lanes_weighed_row);
        lanes_weighed_row weighed = weights[i] * x;
        for (unsigned k = 0; k < LANES_WEIGHED; k++)
            at.squares[k] += weighed[k] * x;
        at.products += weighed * (double)*value;
    }
    *sums = at;
}

static void lanes_untold(int64_t *restrict out, const int32_t *restrict values, size_t count,
                         const int32_t *restrict taps, size_t tap_count, unsigned shift)
{
    enum { SOME = 64 };
    for (size_t done = 0; done < count; done += SOME) {
        int64_t sums[SOME];
        size_t some = count - done < SOME ? count - done : SOME;
        const int32_t *at = values + done;
        for (size_t i = 0; i < some; i++)
            sums[i] = (int64_t)1 << (shift - 1);
        for (size_t k = 0; k < tap_count; k++) {
            const int32_t *before = at - k - 1;
            for (size_t i = 0; i < some; i++)
                sums[i] += (int64_t)taps[k] * before[i];
        }
        for (size_t i = 0; i < some; i++)
            out[done + i] = at[i] - (sums[i] >> shift);
    }
}

static void lanes_unpack(int64_t *out, const uint8_t *in, unsigned width, int64_t base)
{
    if (width <= 16)
        unpack_16(out, in, width, base);
    else if (width <= 32)
        unpack_32(out, in, width, base);
    else
        unpack_64(out, in, width, base);
}

static void lanes_pack(uint8_t *out, const uint64_t *words, unsigned width)
{
    if (width <= 16)
        pack_16(out, words, width);
    else if (width <= 32)
        pack_32(out, words, width);
    else
        pack_64(out, words, width);
}

const struct codec_lanes CODEC_LANES = {
    .pack = lanes_pack,
    .unpack = lanes_unpack,
    .tail = lanes_tail,
    .range = lanes_range,
    .fold = lanes_fold,
    .filter = lanes_filter,
    .places = lanes_places,
    .unpack_small = lanes_unpack_small,
    .unpack_listed = lanes_unpack_listed,
    .replace = lanes_replace,
#if defined(__AVX512F__)
    .count_listed = count_listed,
    .sums_listed = sums_listed,
    .fold_listed = fold_listed,
    .fold_pairs = fold_pairs,
#endif
    .sums = lanes_sums,
    .pairs = lanes_pairs,
    .turn = lanes_turn,
    .lags = lanes_lags,
    .weighed = lanes_weighed,
    .untold = lanes_untold,
    .unfold = lanes_unfold,
    .rans = LANES_RANS,
    .rans_at_a_time = LANES_RANS_AT_A_TIME,
    .rans_some = LANES_RANS_SOME,
};
