/*
 * codec.h -- the door of codec: rows of one series in columns, and columns to bytes and back.
 *
 * Promise: what is encoded decodes to the same bits, and bytes that mean no rows are refused. A log
 * frame has one form, quick to write; a block of a segment the smallest of several. Bytes to bytes,
 * no files. Needs core. Bytes: format-spec/columns.md, format-spec/blocks.md.
 * Threads: functions any thread, one `struct columns` one thread at a time.
 */
#ifndef CODEC_CODEC_H
#define CODEC_CODEC_H

#include "core/core.h"

#include <string.h>

/* ---- what a row of a metric consists of ------------------------------------------------------ */

enum { SCHEMA_FIELDS_MAX = 8, SCHEMA_NO_KEY = 255 };

/**
 * Stored. A new type also needs: columns_append_row, codec_encode/decode, codec_block_encode/decode,
 * segment statistics, columns.md, blocks.md.
 */
enum field_type { FIELD_INT = 1, FIELD_FLOAT = 2, FIELD_ENUM = 3, FIELD_TEXT = 4 };

/** Stored. An instant sample has no duration. */
enum sample_kind { SAMPLE_INSTANT = 1, SAMPLE_INTERVAL = 2 };

struct schema {
    uint8_t kind;        /* enum sample_kind */
    uint8_t field_count; /* 1 .. SCHEMA_FIELDS_MAX */
    uint8_t
        key_field; /* index of the field that is part of a sample's identity; else SCHEMA_NO_KEY */
    uint8_t
        types[SCHEMA_FIELDS_MAX]; /* enum field_type; 0 from field_count on; the key is no float */
};

bool schema_is_valid(const struct schema *schema);
bool schema_is_equal(const struct schema *a, const struct schema *b);
/** 3 + field_count bytes. Decode: HOLTER_CORRUPT. */
void schema_encode(struct buffer *out, const struct schema *schema);
holter_status schema_decode(struct schema *out, struct reader *r);

/* ---- rows in columns ------------------------------------------------------------------------------------
 *
 * Each value is a 64-bit word: FIELD_INT and FIELD_ENUM the integer, FIELD_FLOAT the bits of the
 * double, FIELD_TEXT a place in the columns' own `text`: offset << 32 | bytes.
 */

struct columns {
    struct schema schema;
    size_t count;
    size_t capacity;
    int64_t *time;                     /* begin, ns */
    int64_t *duration;                 /* ns, >= 0; NULL where schema.kind is SAMPLE_INSTANT */
    int64_t *field[SCHEMA_FIELDS_MAX]; /* NULL from field_count on */
    uint16_t *flags;
    int64_t *revision;
    uint64_t *sequence; /* which commit a row came with; 0 where that is not known per row */
    struct buffer text;
};

/** The double whose bits a column of float64 keeps as `word`. */
static inline double real_of(int64_t word)
{
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/** Empty columns of a valid schema; no allocation. */
void columns_init(struct columns *c, const struct schema *schema);
void columns_release(struct columns *c);
/** What lies from c->time on: all columns, but their texts. */
size_t columns_bytes(const struct columns *c);
void columns_clear(struct columns *c); /* keeps memory and schema */
/** Room for `count` more rows; false: no memory, nothing changed. */
bool columns_reserve(struct columns *c, size_t count);

/** One row as scalars; texts as pointers, borrowed for the call. */
struct row {
    int64_t time;
    int64_t duration;
    int64_t field[SCHEMA_FIELDS_MAX]; /* of texts: ignored */
    const uint8_t *text[SCHEMA_FIELDS_MAX];
    uint32_t text_bytes[SCHEMA_FIELDS_MAX];
    uint16_t flags;
    int64_t revision;
    uint64_t sequence;
};
/** False: no memory, or the texts together would pass 4 GiB; c unchanged. */
bool columns_append(struct columns *c, const struct row *row);
/** Back to an earlier c->count and c->text.bytes: what was appended since is dropped. */
void columns_truncate(struct columns *c, size_t count, size_t text_bytes);
/**
 * Append rows [first, first + count) of `from` (not c), of an equal schema. False: no memory, c
 * unchanged.
 */
bool columns_append_rows(struct columns *c, const struct columns *from, size_t first, size_t count);
/** The text at a row's field, borrowed until c changes. */
const uint8_t *columns_text(const struct columns *c, size_t field, size_t row, uint32_t *bytes);

/** Order by (time, key); texts by bytes, then length. < 0, 0, > 0. */
int columns_compare(const struct columns *a, size_t row_a, const struct columns *b, size_t row_b);
/** All of time, duration and fields have equal bits (flags, revision and sequence aside). */
bool columns_row_is_equal(const struct columns *a, size_t row_a, const struct columns *b,
                          size_t row_b);
/** Sort by (time, key, revision, sequence), stable. False: no memory, order unchanged. */
bool columns_sort(struct columns *c);
/** Rows [first, first + count) stand in that order; *is_rising: and each begins after the one before. */
bool columns_is_sorted(const struct columns *c, size_t first, size_t count, bool *is_rising);
/** The first row of [at, end), which rise, that begins at `time` or later; `end`: none does. */
size_t columns_from(const struct columns *c, size_t at, size_t end, int64_t time);
/** The end of a row: time + duration, held at INT64_MAX; an instant ends where it begins. */
int64_t columns_end(const struct columns *c, size_t row);

/* ---- columns to bytes ------------------------------------------------------------------------ */

enum { CODEC_ROWS_MAX = 65536, CODEC_TEXT_BYTES_MAX = 1 << 20 };

/**
 * Stored, one byte before each column. A new codec also needs: columns.md, the reader in tests/,
 * vectors.
 */
enum codec_kind {
    CODEC_GAPS = 1,     /* times, always: unit, first, unsigned gaps */
    CODEC_CHANGES = 2,  /* integers: zig-zag of each change from the one before, from 0 */
    CODEC_BITS = 3,     /* floats, always: 64 bits each */
    CODEC_TEXT = 4,     /* texts, always: lengths, then bytes */
    CODEC_CONSTANT = 5, /* integers that are all equal: one zig-zag value */
};

/**
 * Rows as a log frame has them, quick to write; blocks of a segment are below.
 * Append rows [first, first + count), 1 .. CODEC_ROWS_MAX of them in rising order of time: the
 * columns time, duration (intervals), fields, flags, and with `with_revision` revision. Sequences
 * are not stored. What codec_decode would refuse (see its Errors, and texts over
 * CODEC_TEXT_BYTES_MAX) is asserted: whoever takes samples in refuses it first. Equal rows give
 * equal bytes. No memory: out->failed is set.
 */
void codec_encode(struct buffer *out, const struct columns *c, size_t first, size_t count,
                  bool with_revision);
/**
 * Append `count` rows to *out, whose schema is set; without `with_revision` each gets `revision`;
 * each gets `sequence`. *r stands after them on success.
 * Errors   HOLTER_CORRUPT (also: times that fall or equal INT64_MIN or INT64_MAX, negative
 *          durations, spare flags, an enum value below 0, any form that codec_encode does not
 *          write); HOLTER_NO_MEMORY. The rows of *out are unchanged then; *r is not.
 * Cost     allocates for `count` rows only once the bytes left could hold them.
 */
holter_status codec_decode(struct columns *out, struct reader *r, size_t count, bool with_revision,
                           int64_t revision, uint64_t sequence);

/* ---- blocks of a segment: columns packed or coded -------------------------------------------- */

enum { CODEC_PACKED_ROWS_MAX = 1024, CODEC_BLOCK_ROWS_MAX = 8192 };

/** Memory with which columns are coded, about 1.3 MiB. NULL: no memory. One thread at a time. */
struct codec_scratch;
struct codec_scratch *codec_scratch_new(void);
void codec_scratch_free(struct codec_scratch *scratch);

/**
 * A series' own models: machines of built-in models with frequencies that were learned from its rows.
 * Its memory, up to 0.5 MiB for each to decode with, 50 KiB to encode with, is wiped when freed, as it tells of these rows. Any thread.
 */
struct codec_models;
void codec_models_free(struct codec_models *models);
/**
 * Code blocks with these models, too; borrowed until another call. NULL, as it is at first: only with
 * built-in ones.
 */
void codec_scratch_use(struct codec_scratch *scratch, const struct codec_models *models);
/** The same of NULL, and count from now on what blocks are coded as. */
void codec_scratch_learn(struct codec_scratch *scratch);
/* From so many blocks of a series, and of so many rows at the least, models are learned. */
enum { CODEC_LEARN_BLOCKS = 16, CODEC_LEARN_ROWS_MIN = 16384 };
/**
 * Models to encode with, after what was counted, which ends; the blocks took `bytes`. *models as in codec_models_decode; there are
 * none then where none would save enough beside its own bytes, as far as that is told by what symbols cost.
 * Errors   HOLTER_NO_MEMORY.
 * Cost     0.2 ms; a millisecond or more where there is something to be gained.
 */
holter_status codec_models_learn(struct codec_models **models, struct codec_scratch *scratch,
                                 size_t bytes);
/** What they take as they are written; 0: there are none. */
size_t codec_models_bytes(const struct codec_models *models);
/** Blocks that took `before` bytes take `after` with these models: that is worth their bytes and a reader's time. */
bool codec_models_pay(const struct codec_models *models, size_t before, size_t after);
/** Append them as they are written; there are some. Bytes: format-spec/models.md. No memory: out->failed. */
void codec_models_encode(struct buffer *out, const struct codec_models *models);
/**
 * All of these bytes as models. *models: owned; NULL, or used before, and so is its memory then: what it was made of
 * bytes that are equal is not made again. After a failure it has no models. These are for decoding, learned ones for codec_scratch_use.
 * Errors   HOLTER_CORRUPT, HOLTER_NO_MEMORY.
 * Cost     some 30 us for each model, more at first.
 */
holter_status codec_models_decode(struct codec_models **models, const uint8_t *bytes, size_t count);

/**
 * Append rows [first, first + count) in rising order of time, each column in the form that takes the
 * fewest bytes: with `scratch` up to CODEC_BLOCK_ROWS_MAX rows, packed or entropy-coded; without it
 * up to CODEC_PACKED_ROWS_MAX, packed, which is quicker to write and to read. Asserts as
 * codec_encode does. Bytes: format-spec/blocks.md. No memory: out->failed is set.
 * Cost     by columns; about 0.1 MiB of stack, no allocation beside *out's.
 */
void codec_block_encode(struct buffer *out, const struct columns *c, size_t first, size_t count,
                        bool with_revision, struct codec_scratch *scratch);
/**
 * As codec_decode; the first row's time is known, and is `begin`. Bytes that no encoder would have
 * chosen are accepted where they mean rows. `models`: the series' own ones; NULL: it has none.
 * Errors   HOLTER_CORRUPT; HOLTER_NO_MEMORY. The rows of *out are unchanged then; *r is not.
 * Cost     by columns; about 0.1 MiB of stack at the most.
 */
holter_status codec_block_decode(struct columns *out, struct reader *r, size_t count, int64_t begin,
                                 bool with_revision, int64_t revision, uint64_t sequence,
                                 const struct codec_models *models);

/**
 * Append integers that are no column of rows, 1 .. as many as a block has rows, in the same forms ("Arrays"
 * in format-spec/blocks.md), without own models; and read `count` of them. No memory: out->failed. False: these bytes are none.
 */
void codec_array_encode(struct buffer *out, const int64_t *values, size_t count,
                        struct codec_scratch *scratch);
bool codec_array_decode(int64_t *out, struct reader *r, size_t count);

/**
 * Rows of one block after another, in the same columns: flags, revisions and sequences that are equal
 * throughout stand there once, for all blocks. Begin with columns_init of the columns, all else 0; only
 * codec_block_decode_next and codec_block_fold_next change them then.
 */
struct codec_rows {
    struct columns columns;
    bool is_rising;                    /* each row begins after the one before it; false: perhaps */
    struct codec_ahead *ahead;         /* what is known of next blocks; NULL: nothing yet */
    const struct codec_models *models; /* codec_rows_use has set them */
    /* What the first `.._count` rows of the columns hold, whatever their number of rows. */
    uint16_t flags;
    int64_t revision;
    size_t flags_count, revision_count, sequence_count;
};
/** Blocks that follow are of a series with these own models, borrowed until another call; NULL: with none. */
void codec_rows_use(struct codec_rows *rows, const struct codec_models *models);
void codec_rows_release(struct codec_rows *rows); /* wipes what it knows of next blocks */
/** The bytes of a block that will perhaps be decoded next, or behind that one, and how many rows it has. */
enum { CODEC_AHEAD = 2 };
struct codec_next {
    struct reader bytes;
    size_t count;
};
/**
 * As codec_block_decode, in the place of the rows before; sequences are 0. A refusal leaves no rows.
 * Symbols of coded blocks are decoded three blocks at a time, in little more time than one: those of `next`, 0 to
 * CODEC_AHEAD blocks, are kept for the calls that decode them. Whatever is decoded instead is decoded rightly.
 */
holter_status codec_block_decode_next(struct codec_rows *rows, struct reader *r, size_t count,
                                      int64_t begin, bool with_revision, int64_t revision,
                                      const struct codec_next *next, size_t next_count);

/* ---- one field, folded ----------------------------------------------------------------------- */

/** Ends of ranges lie in [-CODEC_FOLD_END, CODEC_FOLD_END], so that no sum wraps. */
#define CODEC_FOLD_END (INT64_MAX / CODEC_BLOCK_ROWS_MAX)
/** Values in [low, high], within [min, max], in which the block's header says that all are; where they are not, the answer is wrong. */
struct codec_fold_spec {
    size_t field;
    int64_t low, high;
    int64_t min, max;
};
struct codec_fold {
    uint64_t count;
    int64_t sum, min, max; /* of none: 0, INT64_MAX, INT64_MIN */
};
/** Of values those in [low, high]; the sum wraps. */
void codec_fold_values(struct codec_fold *fold, const int64_t *values, size_t count, int64_t low,
                       int64_t high);
/** A field's values can be read without rows: none before it is a float or text, nor is it itself. */
bool codec_can_fold(const struct schema *schema, size_t field);
/**
 * As codec_block_decode_next, but no rows are made: what is not needed for the field's values is passed by. Of what is behind
 * them nothing is read, and *r stands before it.
 */
holter_status codec_block_fold_next(struct codec_fold *fold, const struct codec_fold_spec *spec,
                                    struct codec_rows *rows, struct reader *r, size_t count,
                                    int64_t begin, const struct codec_next *next,
                                    size_t next_count);

/* ---- loops ----------------------------------------------------------------------------------- */

enum codec_loops {
    CODEC_LOOPS_BEST = 0, /* that this CPU runs: the default */
    CODEC_LOOPS_PLAIN = 1,
    CODEC_LOOPS_AVX2 = 2,
    CODEC_LOOPS_AVX512 = 3
};
/**
 * The loops that this process packs and decodes with from now on, or the next lesser ones where a codec
 * has none of these; all give the same bytes. For tests and benchmarks. False: this CPU does not run them, and nothing changed.
 */
bool codec_loops_use(enum codec_loops loops);

/** The least and the greatest of 1 or more values. */
void codec_range(int64_t *min, int64_t *max, const int64_t *values, size_t count);

/** Where values[i] is not in [low, high], passes[i] becomes 0; the others stay. */
void codec_filter(uint8_t *passes, const int64_t *values, size_t count, int64_t low, int64_t high);
/** The places, rising, of bytes that are not 0, of up to 65,536. `places` has room for all. Answers how many. */
size_t codec_places(uint16_t *places, const uint8_t *passes, size_t count);

/** A sample begins in (INT64_MIN, INT64_MAX), so that [begin, end) ranges can hold it. */
static inline bool sample_time_is_valid(int64_t time_ns)
{
    return time_ns != INT64_MIN && time_ns != INT64_MAX;
}

/** Bits 0-3 are Holter's, 4-7 spare (zero), 8-15 the writer's. */
enum sample_flag {
    SAMPLE_OUT_OF_RANGE = 1,
    SAMPLE_NON_FINITE = 2,
    SAMPLE_ANOMALY = 4,
    SAMPLE_MANUAL = 8,
    SAMPLE_FLAGS_SPARE = 0xf0
};

#endif
