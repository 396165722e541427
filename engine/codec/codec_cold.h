/*
 * codec_cold.h -- what blocks of the cold tier have beside packed arrays: arrays and times whose
 * symbols are coded by a model. Bytes: format-spec/blocks.md.
 */
#ifndef CODEC_CODEC_COLD_H
#define CODEC_CODEC_COLD_H

#include "codec_impl.h"
#include "codec_rans.h"

struct spell_symbol {
    uint8_t state, symbol;
};
enum { ESCAPE_BYTES = 4 };                             /* about what an escaped value takes */
enum { SPELL_SYMBOLS_MAX = 3 * CODEC_BLOCK_ROWS_MAX }; /* of a block */

/* What waves are written with. */
enum { SWITCHED_ACTIVE = 8 /* stored: changes that tell how active a signal is */ };
struct wave_scratch {
    int32_t near[CODEC_BLOCK_ROWS_MAX];                      /* values less the base */
    int32_t changes[SWITCHED_ACTIVE + CODEC_BLOCK_ROWS_MAX]; /* behind zeros */
    int32_t activity[CODEC_BLOCK_ROWS_MAX];                  /* before each */
    uint16_t rows[CODEC_BLOCK_ROWS_MAX];
    double weights[CODEC_BLOCK_ROWS_MAX];
    int64_t left[4][CODEC_BLOCK_ROWS_MAX]; /* of values, twice; of changes, by either list */
};
static inline int32_t *wave_changes(struct wave_scratch *w)
{
    return w->changes + SWITCHED_ACTIVE;
}

/* What values with rests are written with. */
struct rests_scratch {
    uint8_t symbols[CODEC_BLOCK_ROWS_MAX], states[CODEC_BLOCK_ROWS_MAX];
    uint16_t more[CODEC_BLOCK_ROWS_MAX];      /* than the least length of a run */
    uint16_t words[2 * CODEC_BLOCK_ROWS_MAX]; /* no symbol makes more than two */
};

struct codec_scratch {
    int64_t words[CODEC_BLOCK_ROWS_MAX]; /* of the block: gaps, mantissas, lengths, flags */
    uint16_t at[CODEC_BLOCK_ROWS_MAX];   /* of the block: places of floats that are no decimals */
    int64_t quotients[CODEC_BLOCK_ROWS_MAX]; /* values by their common factor */
    int64_t residuals[CODEC_BLOCK_ROWS_MAX];
    struct wave_scratch wave;
    struct rests_scratch rests;
    int64_t escapes[CODEC_BLOCK_ROWS_MAX];
    uint8_t symbols[3][CODEC_BLOCK_ROWS_MAX]; /* of the best model so far, the one at hand, pairs */
    struct buffer trial;
    struct rans_scratch rans;
    const struct codec_models *models; /* of the series, beside the built-in ones; NULL: none */
    bool is_learning;
    /* Of symbols that were coded, or could be; and by how many bytes such arrays were larger than packed, by model. */
    uint32_t counts[MODEL_STATES][MODEL_SYMBOLS_MAX];
    size_t lag[CODEC_MODELS];
    uint8_t weights[MODEL_STATES * MODEL_SYMBOLS_MAX];
    struct spell_scratch {
        struct spell_symbol symbols[SPELL_SYMBOLS_MAX];
        uint16_t words[SPELL_SYMBOLS_MAX];
    } spells;
};

/**
 * Append 1 .. CODEC_BLOCK_ROWS_MAX values in the form that takes the fewest bytes: packed, in cuts
 * of ARRAY_ROWS_MAX, or coded. No memory: out->failed.
 */
void cold_array_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values,
                       size_t count);
/** Any array of a block, packed or not, 1 .. CODEC_BLOCK_ROWS_MAX values. False: it is none. */
bool block_array_decode(int64_t *out, struct reader *r, size_t count,
                        const struct codec_models *models);

/** Pass by one: `room`, as large, is for values without which its end is not known. False: it is none, as far as that is told. */
bool block_array_pass(int64_t *room, struct reader *r, size_t count,
                      const struct codec_models *models);

/** How an array is coded by a model, and about how many bytes that takes. */
struct coded_plan {
    size_t bytes;
    const struct model_tables *tables;
    uint8_t model; /* its number */
    unsigned order, shift;
    int64_t base;
    size_t escapes;
};
/**
 * The best one, whose symbols are left in *s until the next call. `middle` is one of usual values. The tables are NULL where
 * it takes `bytes` or more; the symbols are those of the call before then.
 */
struct coded_plan coded_plan(struct codec_scratch *s, const int64_t *values, size_t count,
                             int64_t middle, size_t bytes);
/** Append values as they were just planned. No memory: out->failed. */
void coded_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values, size_t count,
                  const struct coded_plan *by);
/** An array that is no wave and no multiple of one. False: it is none. */
bool residuals_decode(int64_t *out, struct reader *r, size_t count,
                      const struct codec_models *models);

/** Append the values at the places of escapes, which are those of symbols 0, as a packed array. */
void escapes_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values,
                    const uint8_t *symbols, size_t escapes);
/** Read how many escapes there are. False: not as many as symbols 0. */
bool escapes_count(size_t *escapes, struct reader *r, const uint8_t *symbols, size_t count);
/** Read their values to their places. False: they are none. */
bool escapes_take(int64_t *out, struct reader *r, const uint8_t *symbols, size_t count,
                  size_t escapes);

/* ---- values with rests (codec_rests.c) ------------------------------------------------------- */

struct rests_plan {
    size_t bytes; /* about what they take; SIZE_MAX: they are too few */
    size_t symbols, escapes;
};
/** The symbols are left in *s until the next plan of an array. */
struct rests_plan rests_plan(struct codec_scratch *s, const int64_t *values, size_t count);
/** Append values as they were just planned. No memory: out->failed. */
void rests_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values,
                  const struct rests_plan *plan);
/** False: these bytes are none. */
bool rests_decode(int64_t *out, struct reader *r, size_t count, const struct codec_models *models);

/* ---- waves (codec_wave.c) -------------------------------------------------------------------- */

/**
 * Append values as a wave. False, and nothing is appended: it would not take clearly fewer than `bytes`. `middle` is one of usual
 * values. No memory: out->failed.
 */
bool wave_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values, size_t count,
                 int64_t middle, size_t bytes);
/** Of code ARRAY_PREDICTED or ARRAY_SWITCHED, which is read already. False: these bytes are none. */
bool wave_decode(int64_t *values, struct reader *r, size_t count, uint8_t code,
                 const struct codec_models *models);

struct pairs_plan {
    uint8_t model;
    const struct model_tables *tables;
    size_t escapes;
};
/**
 * Gaps in seconds and values go into pairs with fewer bytes than as two arrays; the symbols are
 * left in *s until the next call. gaps[0] and the first change stand for nothing.
 */
bool pairs_fit(struct pairs_plan *plan, struct codec_scratch *s, const int64_t *gaps,
               const int64_t *values, size_t count);
/** Append what was just found to fit. No memory: out->failed. */
void pairs_encode(struct buffer *out, struct codec_scratch *s, const int64_t *gaps,
                  const int64_t *values, size_t count, const struct pairs_plan *plan);
/** The symbols of blocks that were decoded beside those of one before. */
struct codec_ahead {
    struct ahead_block {
        const uint8_t *at; /* where they are coded; NULL: there are none */
        size_t bytes;
        uint64_t hash; /* of these bytes, as others may come to lie there */
        const struct model_tables *tables;
        size_t count;
        uint8_t symbols[CODEC_BLOCK_ROWS_MAX];
    } blocks[CODEC_AHEAD];
};
void ahead_forget(struct codec_ahead *ahead);
/**
 * Times from `begin` on, gaps in units of `ns`, and values. False: these bytes are no pairs, or a
 * time is out of range. next: pairs, whose symbols go to *ahead, which may be NULL. *is_rising is set
 * where each time is known to be after the one before.
 */
bool pairs_decode(int64_t *time, int64_t *values, struct reader *r, size_t count, int64_t begin,
                  uint64_t ns, const struct codec_models *models, struct codec_ahead *ahead,
                  const struct codec_next *next, size_t next_count, bool *is_rising);

/** As array_fold, of what pairs_decode reads. After false *r stands anywhere. */
bool pairs_fold(struct codec_fold *fold, const struct codec_fold_spec *spec, struct reader *r,
                size_t count, const struct codec_models *models, struct codec_ahead *ahead,
                const struct codec_next *next, size_t next_count);

/* ---- own models (codec_own.c) ---------------------------------------------------------------- */

/** They were decoded, not learned; or there are none. */
bool models_can_decode(const struct codec_models *models);
/** As model_find; a number from MODEL_OWN on is that of an own model. NULL: there is none. */
const struct model_tables *models_find(const struct codec_models *models, unsigned number);
/** Learn from symbols that a built-in model coded, or would have if its frequencies had let it. */
void models_count(struct codec_scratch *s, const struct model_tables *tables,
                  const uint8_t *symbols, size_t count);

/* ---- spells (codec_spell.c) ------------------------------------------------------------------ */

/**
 * Append times but the first, durations and values of intervals. False, and nothing is appended: they
 * overlap, or are hardly spells. No memory: out->failed.
 */
bool spells_encode(struct buffer *out, struct codec_scratch *scratch, const int64_t *time,
                   const int64_t *duration, const int64_t *value, size_t count);
/** False: these bytes are no spells, or a time is out of range. */
bool spells_decode(int64_t *time, int64_t *duration, int64_t *value, struct reader *r, size_t count,
                   int64_t begin);

/* ---- columns of a block ---------------------------------------------------------------------- */

/** Where columns go, and memory for one of integers. */
struct encoder {
    struct buffer *out;
    int64_t *words;             /* as many as the block has rows */
    uint16_t *at;               /* places, as many */
    struct codec_scratch *cold; /* NULL: arrays are packed */
};

static inline void encoder_array(const struct encoder *e, const int64_t *values, size_t count)
{
    if (e->cold != NULL)
        cold_array_encode(e->out, e->cold, values, count);
    else
        array_encode(e->out, values, count);
}

/** Doubles by their bits (codec_float.c). No memory: out->failed. */
void floats_encode(const struct encoder *e, const int64_t *values, size_t count);
/** False: these bytes are none. */
bool floats_decode(int64_t *out, struct reader *r, size_t count, const struct codec_models *models);
/** Texts. No memory: out->failed. */
void texts_encode(const struct encoder *e, const struct columns *c, size_t field, size_t first,
                  size_t count);
/** To the columns' text, and their places to `words`. HOLTER_CORRUPT; HOLTER_NO_MEMORY. */
holter_status texts_decode(struct columns *c, int64_t *words, struct reader *r, size_t count,
                           const struct codec_models *models);
/** A Zstandard frame into an empty buffer. False, and it is empty: it is not smaller; no memory: frame->failed. */
bool frame_encode(struct buffer *frame, const uint8_t *plain, size_t count, int level);
/**
 * Its length, the frame, and what it contains: `total` bytes into *out, which has room for them. *context: what that takes, some
 * 96 KiB, is made where it is NULL, and is for others, too, until it is freed.
 */
holter_status frame_decode(struct buffer *out, struct reader *r, size_t total, void **context);
void frame_context_free(void *context);

#endif
