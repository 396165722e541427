/*
 * columns_zstd.h -- rows as zstd would have them: gaps and changes as varints, a frame a column.
 *
 * What a store without codecs of its own does, as well as can be: gaps and zig-zag changes are
 * divided by their common divisor; floats are planes of bytes, four where float32 holds them all;
 * columns without news (all gaps alike, all values alike) are left out. The first time of a block is
 * known from outside, as it is to the engine's blocks.
 *
 * Only what this wrote is read: nothing here is for bytes of others. Threads: one.
 */
#ifndef BENCH_COLUMNS_ZSTD_H
#define BENCH_COLUMNS_ZSTD_H

#include "codec/codec.h"

enum { ZSTD_ROWS_MAX = 8192 };

void zstd_begin(void);
void zstd_end(void);
/** Append rows [first, first + count), 1 .. ZSTD_ROWS_MAX of them, without texts. */
void zstd_encode(struct buffer *out, const struct columns *c, size_t first, size_t count,
                 int level);
/** Append them to *out, whose schema is set. */
void zstd_decode(struct columns *out, struct reader *r, size_t count, int64_t begin);

#endif
