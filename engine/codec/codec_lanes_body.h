/*
 * codec_lanes_body.h -- the loops of codec_lanes.h, for whoever defines CODEC_LANES, the name of
 * what they make up. Bytes: format-spec/blocks.md, "Bits".
 *
 * A row is what 64 bytes of lanes hold once: 32 words of 16 bits, 16 of 32 or 8 of 64. All its lanes
 * are shifted alike, which is one instruction for each register. Bytes are little-endian.
 */
#include "codec_lanes.h"

#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "lane words are stored little-endian, as they are in memory"
#endif

#define DEFINE_LANES(BITS, TYPE)                                                                   \
    static void unpack_##BITS(int64_t *restrict out, const uint8_t *restrict in, unsigned width,   \
                              uint64_t base)                                                       \
    {                                                                                              \
        enum { LANE_BITS = (BITS), LANES = LANES_GROUP / LANE_BITS };                              \
        const TYPE mask = (TYPE)((TYPE) ~(TYPE)0 >> (LANE_BITS - width));                          \
        for (unsigned row = 0; row < LANE_BITS; row++) {                                           \
            unsigned word = row * width / LANE_BITS;                                               \
            unsigned shift = row * width % LANE_BITS;                                              \
            TYPE low[LANES];                                                                       \
            memcpy(low, in + word * sizeof low, sizeof low);                                       \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                low[lane] = (TYPE)(low[lane] >> shift);                                            \
            if (shift + width > LANE_BITS) {                                                       \
                TYPE high[LANES];                                                                  \
                memcpy(high, in + (word + 1) * sizeof high, sizeof high);                          \
                for (unsigned lane = 0; lane < LANES; lane++)                                      \
                    low[lane] = (TYPE)(low[lane] | (TYPE)(high[lane] << (LANE_BITS - shift)));     \
            }                                                                                      \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                out[row * LANES + lane] = (int64_t)(base + (uint64_t)(TYPE)(low[lane] & mask));    \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
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

DEFINE_LANES(16, uint16_t)
DEFINE_LANES(32, uint32_t)
DEFINE_LANES(64, uint64_t)

static void lanes_unpack_small(int32_t *restrict out, const uint8_t *restrict in, unsigned width,
                               int32_t base)
{
    enum { BITS = 16, LANES = LANES_GROUP / BITS };
    const uint16_t mask = (uint16_t)(UINT16_MAX >> (BITS - width));
    for (unsigned row = 0; row < BITS; row++) {
        unsigned word = row * width / BITS;
        unsigned shift = row * width % BITS;
        uint16_t low[LANES];
        memcpy(low, in + word * sizeof low, sizeof low);
        for (unsigned lane = 0; lane < LANES; lane++)
            low[lane] = (uint16_t)(low[lane] >> shift);
        if (shift + width > BITS) {
            uint16_t high[LANES];
            memcpy(high, in + (word + 1) * sizeof high, sizeof high);
            for (unsigned lane = 0; lane < LANES; lane++)
                low[lane] = (uint16_t)(low[lane] | (uint16_t)(high[lane] << (BITS - shift)));
        }
        for (unsigned lane = 0; lane < LANES; lane++)
            out[row * LANES + lane] = base + (low[lane] & mask);
    }
}

static int32_t lanes_find(uint32_t *restrict found, size_t *restrict count,
                          const int32_t *restrict values, size_t stretches, int32_t value)
{
    size_t ones = 0;
    uint32_t bit[LANES_STRETCH];
    int32_t greatest[LANES_STRETCH] = { 0 };
    for (unsigned i = 0; i < LANES_STRETCH; i++)
        bit[i] = (uint32_t)1 << i;
    for (size_t s = 0; s < stretches; s++) {
        const int32_t *at = values + s * LANES_STRETCH;
        uint32_t bits = 0;
        for (unsigned i = 0; i < LANES_STRETCH; i++)
            bits |= at[i] == value ? bit[i] : 0;
        found[s] = bits;
        ones += (size_t)__builtin_popcount(bits);
    }
    *count = ones;
    for (size_t s = 0; s < stretches; s++) {
        const int32_t *at = values + s * LANES_STRETCH;
        for (unsigned i = 0; i < LANES_STRETCH; i++)
            greatest[i] = at[i] > greatest[i] ? at[i] : greatest[i];
    }
    for (unsigned i = 1; i < LANES_STRETCH; i++)
        greatest[0] = greatest[i] > greatest[0] ? greatest[i] : greatest[0];
    return greatest[0];
}

#if defined(__AVX512F__)
/* A list of up to 16 is one register. */
static void look_up_short(int32_t *restrict values, size_t stretches, const int32_t *restrict list,
                          const uint32_t *restrict found, const int32_t *restrict others)
{
    const __m512i table = _mm512_loadu_si512(list);
    for (size_t s = 0; s < stretches; s++) {
        uint32_t bits = found[s];
        for (unsigned half = 0; half < 2; half++, bits >>= 16) {
            int32_t *at = values + s * LANES_STRETCH + half * 16;
            __m512i listed = _mm512_permutexvar_epi32(_mm512_loadu_si512(at), table);
            __m512i next = _mm512_loadu_si512(others);
            _mm512_storeu_si512(at, _mm512_mask_expand_epi32(listed, (__mmask16)bits, next));
            others += __builtin_popcount(bits & 0xffff);
        }
    }
}
#endif

static void lanes_look_up(int32_t *restrict values, size_t stretches, const int32_t *restrict list,
                          const uint32_t *restrict found, const int32_t *restrict others,
                          bool is_short)
{
#if defined(__AVX512F__)
    if (is_short) {
        look_up_short(values, stretches, list, found, others);
        return;
    }
#else
    (void)is_short;
#endif
    for (size_t s = 0; s < stretches; s++) {
        int32_t *at = values + s * LANES_STRETCH;
        for (unsigned i = 0; i < LANES_STRETCH; i++)
            at[i] = list[at[i]];
        for (uint32_t bits = found[s]; bits != 0; bits &= bits - 1)
            at[__builtin_ctz(bits)] = *others++;
    }
}

/* A row of values, as many registers as it takes. */
typedef int32_t lanes_row __attribute__((vector_size(LANES_SUM_ROW * sizeof(int32_t))));

static inline void add_distant(int32_t *restrict to, const int32_t *restrict from, size_t count,
                               size_t distance)
{
    const int32_t *before = from - distance; /* there is room for it */
    for (size_t i = 0; i < count; i++)
        to[i] = from[i] + before[i];
}

/*
 * After steps of 1, 2, 4 and 8, in additions that do not wait for each other, each value is the sum of 16;
 * then the sums of a row are those of the row before and these.
 */
static void lanes_sums(int64_t *restrict out, int32_t *restrict values, size_t count, int64_t first,
                       int32_t scale)
{
    int32_t room[LANES_SUM_ROW + LANES_SUM_VALUES];
    int32_t *other = room + LANES_SUM_ROW;
    lanes_row sums = { 0 };
    memset(room, 0, LANES_SUM_ROW * sizeof *room);
    for (size_t i = count; i % LANES_SUM_ROW != 0; i++)
        values[i] = 0;
    add_distant(other, values, count, 1);
    add_distant(values, other, count, 2);
    add_distant(other, values, count, 4);
    add_distant(values, other, count, 8);
    for (size_t i = 0; i < count; i += LANES_SUM_ROW) {
        lanes_row row;
        memcpy(&row, values + i, sizeof row);
        sums += row;
        memcpy(values + i, &sums, sizeof sums);
    }
    for (size_t i = 0; i < count; i++)
        out[i] = first + (int64_t)values[i] * scale;
}

static void lanes_unpack(int64_t *out, const uint8_t *in, unsigned width, int64_t base)
{
    if (width <= 16)
        unpack_16(out, in, width, (uint64_t)base);
    else if (width <= 32)
        unpack_32(out, in, width, (uint64_t)base);
    else
        unpack_64(out, in, width, (uint64_t)base);
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
    .unpack_small = lanes_unpack_small,
    .find = lanes_find,
    .look_up = lanes_look_up,
    .sums = lanes_sums,
};
