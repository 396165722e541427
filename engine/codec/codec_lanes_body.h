/*
 * codec_lanes_body.h -- the loops of codec_lanes.h, for whoever defines CODEC_LANES, the name of
 * what they make up. Bytes: format-spec/blocks.md, "Bits".
 *
 * A row is what 64 bytes of lanes hold once: 32 words of 16 bits, 16 of 32 or 8 of 64. All its lanes
 * are shifted alike, which is one instruction for each register. Bytes are little-endian.
 */
#include "codec_lanes.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "lane words are stored little-endian, as they are in memory"
#endif

#define DEFINE_LANES(BITS, TYPE)                                                                   \
    static void unpack_##BITS(int64_t *restrict out, const uint8_t *restrict in, unsigned width,   \
                              uint64_t base)                                                       \
    {                                                                                              \
        enum { LANES = LANES_GROUP / BITS };                                                       \
        const TYPE mask = (TYPE)((TYPE) ~(TYPE)0 >> (BITS - width));                               \
        for (unsigned row = 0; row < BITS; row++) {                                                \
            unsigned word = row * width / BITS;                                                    \
            unsigned shift = row * width % BITS;                                                   \
            TYPE low[LANES];                                                                       \
            memcpy(low, in + word * sizeof low, sizeof low);                                       \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                low[lane] = (TYPE)(low[lane] >> shift);                                            \
            if (shift + width > BITS) {                                                            \
                TYPE high[LANES];                                                                  \
                memcpy(high, in + (word + 1) * sizeof high, sizeof high);                          \
                for (unsigned lane = 0; lane < LANES; lane++)                                      \
                    low[lane] = (TYPE)(low[lane] | (TYPE)(high[lane] << (BITS - shift)));          \
            }                                                                                      \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                out[row * LANES + lane] = (int64_t)(base + (uint64_t)(TYPE)(low[lane] & mask));    \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void pack_##BITS(uint8_t *restrict out, const uint64_t *restrict words, unsigned width) \
    {                                                                                              \
        enum { LANES = LANES_GROUP / BITS };                                                       \
        const TYPE mask = (TYPE)((TYPE) ~(TYPE)0 >> (BITS - width));                               \
        TYPE at[LANES] = { 0 };                                                                    \
        for (unsigned row = 0; row < BITS; row++) {                                                \
            unsigned shift = row * width % BITS;                                                   \
            TYPE value[LANES];                                                                     \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                value[lane] = (TYPE)((TYPE)words[row * LANES + lane] & mask);                      \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                at[lane] = (TYPE)(at[lane] | (TYPE)(value[lane] << shift));                        \
            if (shift + width < BITS)                                                              \
                continue;                                                                          \
            memcpy(out, at, sizeof at);                                                            \
            out += sizeof at;                                                                      \
            unsigned done = BITS - shift; /* bits of this row that are written */                  \
            for (unsigned lane = 0; lane < LANES; lane++)                                          \
                at[lane] = done < width ? (TYPE)(value[lane] >> done) : (TYPE)0;                   \
        }                                                                                          \
    }

DEFINE_LANES(16, uint16_t)
DEFINE_LANES(32, uint32_t)
DEFINE_LANES(64, uint64_t)

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

const struct codec_lanes CODEC_LANES = { .pack = lanes_pack, .unpack = lanes_unpack };
