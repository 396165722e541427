/*
 * codec_block.h -- what writing and reading a block share: how times are told, and by which other columns.
 * Bytes: format-spec/blocks.md.
 */
#ifndef CODEC_CODEC_BLOCK_H
#define CODEC_CODEC_BLOCK_H

#include "codec_cold.h"

/** Stored, above the unit. A new one also needs: blocks.md, the reader in tests/. */
enum time_form {
    TIME_GAPS = 0,
    TIME_PAIRS = 1, /* with the values of the only field */
    TIME_DERIVED = 2,
    TIME_RATE = 3,
    TIME_SPELLS = 4, /* with durations and the values of the only field */
    TIME_EVEN = 5    /* with durations and flags */
};

/** Stored. What a gap equals: sleep stages follow each other, a beat comes when its interval is over. */
enum gap_source {
    GAP_IS_DURATION_BEFORE = 0,
    GAP_IS_VALUE = 1,
    GAP_IS_VALUE_BEFORE = 2,
    GAP_SOURCES,
    GAP_SOURCE_STARTS = 4 /* added: exceptions are told by their starts */
};

enum {
    TIME_UNIT_BITS = 3,
    UNIT_SECOND = 3,
    RATE_TICK_BITS = 48, /* stored: of the ticks between rows */
    RATE_ROW_BITS = 32   /* stored: of the rows that they are between */
};

/** The field that may go with the times, or NULL. */
static inline int64_t *only_field(const struct columns *c)
{
    return c->schema.kind == SAMPLE_INSTANT && c->schema.field_count == 1 &&
                   c->schema.types[0] == FIELD_INT
               ? c->field[0]
               : NULL;
}

/** The only field of intervals, where it may go with their times and durations, or NULL. */
static inline int64_t *only_value(const struct columns *c)
{
    return c->schema.kind == SAMPLE_INTERVAL && c->schema.field_count == 1 &&
                   (c->schema.types[0] == FIELD_INT || c->schema.types[0] == FIELD_ENUM)
               ? c->field[0]
               : NULL;
}

/** Where a source has the gap of row 1, in units of the block; of the rows after it behind. NULL: the
   schema has no such source, or not in this unit. */
static inline const int64_t *source_of(const struct columns *c, size_t first,
                                       enum gap_source source, unsigned unit)
{
    if (source == GAP_IS_DURATION_BEFORE)
        return c->schema.kind == SAMPLE_INTERVAL && unit == 0 ? c->duration + first : NULL;
    if (source >= GAP_SOURCES || c->schema.types[0] != FIELD_INT)
        return NULL;
    return c->field[0] + first + (source == GAP_IS_VALUE ? 1 : 0);
}

#endif
