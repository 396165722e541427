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

/** The same of a few runs, in little more time than the longest takes alone: is_right tells which bytes are some. */
enum { RANS_SIDE_BY_SIDE = 3 };
struct rans_some {
    size_t runs; /* 1 to RANS_SIDE_BY_SIDE */
    uint8_t *symbols[RANS_SIDE_BY_SIDE];
    struct reader *r[RANS_SIDE_BY_SIDE];
    const struct model_tables *tables[RANS_SIDE_BY_SIDE];
    size_t counts[RANS_SIDE_BY_SIDE]; /* of symbols; fewer than RANS_COUNT_MANY are decoded alone */
    bool is_right[RANS_SIDE_BY_SIDE];
};
void rans_decode_some(struct rans_some *some);
/** How many of them are worth it on this CPU: 2 or more. */
size_t rans_at_a_time(void);

/* ---- loops that decode, by instruction set (codec_lanes.h has the chosen ones) ----------------- */

/** A run that is being decoded, at the end of a step. */
struct rans_stream {
    const struct model_tables *tables;
    uint32_t x[RANS_LANES], state[RANS_LANES];
    const uint8_t *words; /* the next */
    size_t step, steps;   /* done, and in all */
    uint8_t *by_step;     /* out: [steps][lanes] symbols */
};
enum { RANS_STEP_BYTES = RANS_LANES * RANS_WORD_BYTES }; /* the words of a step, at most */
/**
 * Step on to the end, or until the words begin behind `last`, from where on RANS_STEP_BYTES can be read,
 * whatever they are.
 */
typedef void rans_run(struct rans_stream *stream, const uint8_t *last);
/** The same of a few, side by side, until one of them can go no further. */
struct rans_streams {
    size_t count; /* 2, or as many as rans_at_a_time says */
    struct rans_stream *at[RANS_SIDE_BY_SIDE];
    const uint8_t *last[RANS_SIDE_BY_SIDE];
};
typedef void rans_run_some(const struct rans_streams *streams);
/** Steps that all of them have. */
static inline size_t rans_steps_left(const struct rans_streams *streams)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < streams->count; i++) {
        size_t left = streams->at[i]->steps - streams->at[i]->step;
        least = left < least ? left : least;
    }
    return least;
}
rans_run rans_run_plain;
#if defined(__x86_64__)
rans_run rans_run_avx2;
rans_run_some rans_run_some_avx2;
rans_run rans_run_avx512;
rans_run_some rans_run_some_avx512;
#endif

#endif
