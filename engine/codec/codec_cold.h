/*
 * codec_cold.h -- what blocks of the cold tier have beside packed arrays: arrays and times whose
 * symbols are coded by a model. Bytes: format-spec/blocks.md.
 */
#ifndef CODEC_CODEC_COLD_H
#define CODEC_CODEC_COLD_H

#include "codec_impl.h"
#include "codec_rans.h"

/** Memory of an encoder, about 0.4 MiB. */
struct cold_scratch {
    int64_t words[CODEC_BLOCK_ROWS_MAX]; /* of the block: gaps, mantissas, lengths, flags */
    uint16_t at[CODEC_BLOCK_ROWS_MAX];   /* of the block: places of floats that are no decimals */
    int64_t quotients[CODEC_BLOCK_ROWS_MAX]; /* values by their common factor */
    int64_t residuals[CODEC_BLOCK_ROWS_MAX];
    int64_t escapes[CODEC_BLOCK_ROWS_MAX];
    uint8_t symbols[2][CODEC_BLOCK_ROWS_MAX]; /* of the best model so far, of the one at hand */
    uint16_t escape_at[2][CODEC_BLOCK_ROWS_MAX];
    struct rans_scratch rans;
};

/**
 * Append 1 .. CODEC_BLOCK_ROWS_MAX values in the form that takes the fewest bytes: packed, in cuts
 * of ARRAY_ROWS_MAX, or coded. No memory: out->failed.
 */
void cold_array_encode(struct buffer *out, struct cold_scratch *s, const int64_t *values,
                       size_t count);
/** Any array of a block, packed or not, 1 .. CODEC_BLOCK_ROWS_MAX values. False: it is none. */
bool block_array_decode(int64_t *out, struct reader *r, size_t count);

/**
 * Append gaps and values as pairs. False, and nothing is appended: too few of them are in the models.
 * gaps[0] and the first change stand for nothing.
 */
bool pairs_encode(struct buffer *out, struct cold_scratch *s, const int64_t *gaps,
                  const int64_t *values, size_t count);
/** False: there are none. */
bool pairs_decode(int64_t *gaps, int64_t *values, struct reader *r, size_t count);

#endif
