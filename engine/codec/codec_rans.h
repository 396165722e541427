/*
 * codec_rans.h -- symbols of a model to bytes and back: an entropy coder of 16 lanes, or 4.
 *
 * Short runs of symbols have 4 lanes, as the state of a lane takes 28 bits.
 *
 * The coder is rANS (J. Duda, Asymmetric numeral systems, arXiv 1311.2540, 2013) with states of 28
 * bits and words of 16. A lane codes a run of consecutive symbols, so each symbol's state of the
 * model follows from the one before it; the lanes share one run of words (F. Giesen, Interleaved
 * entropy coders, arXiv 1402.3392, 2014). Bytes: format-spec/blocks.md, "Coded symbols".
 */
#ifndef CODEC_CODEC_RANS_H
#define CODEC_CODEC_RANS_H

#include "codec.h"
#include "codec_model.h"

enum {
    RANS_LANES = 16,
    RANS_LANES_FEW = 4,
    RANS_COUNT_MANY = 2048, /* from so many symbols on there are RANS_LANES */
    RANS_LEAST = MODEL_SUM, /* a state of the coder is at least this, and below 2^28 */
    RANS_STATE_BITS = 28,
    RANS_COUNT_MAX = CODEC_BLOCK_ROWS_MAX,
    RANS_WORD_BYTES = 2,
};

static inline size_t rans_lanes(size_t count)
{
    return count < RANS_COUNT_MANY ? RANS_LANES_FEW : RANS_LANES;
}
/** What `count` symbols take at least. */
static inline size_t rans_bytes_least(size_t count)
{
    return rans_lanes(count) * RANS_STATE_BITS / 8 + 1;
}

/** Memory of an encoder, about 32 KiB. */
struct rans_scratch {
    uint8_t states[RANS_COUNT_MAX]; /* of the model, before each symbol */
    uint16_t words[RANS_COUNT_MAX]; /* no symbol makes more than one */
    uint8_t padded[RANS_COUNT_MAX];
};

/**
 * Append 1 .. RANS_COUNT_MAX symbols, none of which has the frequency 0 where it stands: see
 * rans_fit. No memory: out->failed.
 */
void rans_encode(struct buffer *out, struct rans_scratch *scratch,
                 const struct model_tables *tables, const uint8_t *symbols, size_t count);
/**
 * Put the escape where a symbol cannot be coded in its state. *escapes: how many there are;
 * *bits: about how many bits the symbols take.
 */
void rans_fit(uint8_t *symbols, size_t *escapes, size_t *bits, const struct model_tables *tables,
              size_t count);
/**
 * Read `count` symbols, 1 .. RANS_COUNT_MAX; `symbols` has room for RANS_COUNT_MAX. False: these
 * bytes are none.
 */
bool rans_decode(uint8_t *symbols, struct reader *r, const struct model_tables *tables,
                 size_t count);

/* ---- the loop that decodes, by instruction set ----------------------------------------------- */

struct rans_input {
    uint32_t x[RANS_LANES];
    const uint8_t *words;
    size_t word_bytes; /* even */
};
/**
 * Symbols of `steps` steps of 16 lanes to out[lane * steps + step]. False: the words were too few or
 * too many, or the states do not end as they began to be coded.
 */
typedef bool rans_steps(uint8_t *out, size_t steps, const struct rans_input *input,
                        const struct model_tables *tables);
rans_steps rans_steps_plain;
#if defined(__x86_64__)
rans_steps rans_steps_avx512; /* needs AVX-512 F, BW and VL */
#endif
/** Decode with these loops from now on, or the plain one where there is none for them. */
void rans_loops_use(enum codec_loops loops);
/**
 * Symbols of steps [step, steps) of `lanes` lanes to out[lane * steps + step], given where they
 * stand: what a quick loop leaves, and all of a few lanes.
 */
bool rans_steps_finish(uint8_t *out, size_t lanes, size_t step, size_t steps, uint32_t *x,
                       uint32_t *state, const uint8_t *words, const uint8_t *end,
                       const struct model_tables *tables);

#endif
