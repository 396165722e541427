/*
 * codec_model.h -- models of coded arrays: how likely each symbol is in each state, and which state
 * it leads to.
 *
 * A model is a machine of a few states. Symbol 0 is the escape; each other one means a value, or a
 * gap and a change. The tables are made by bench/train_models.py and never change under their number;
 * a better one gets a new number. A series may have *own* models: the machine of a built-in one with
 * frequencies that were learned from its rows (codec_own.c). Bytes and meaning: format-spec/models.md,
 * format-spec/models.txt.
 */
#ifndef CODEC_CODEC_MODEL_H
#define CODEC_CODEC_MODEL_H

#include "core/core.h"

/* Stored, less 1 the index in codec_models. A new one also needs: codec_cold.c, the reader in tests/. */
enum model_number {
    MODEL_HEART_RATE = 1,
    MODEL_HEART_RATE_LOOSE = 2, /* of a clock that leaves its raster */
    MODEL_RESIDUALS = 3,
    MODEL_STEPS = 4,
    MODEL_LEVELS = 5,
    MODEL_SLOW_CHANGES = 6,
    MODEL_DRIFTING_GAPS = 7,
    MODEL_HEART_RATE_OTHER = 8, /* of the wearer least like the others */
    MODEL_NOISE = 9, /* residuals of a noisy signal, such as the intervals between heart beats */
    MODEL_STEPS_AND_RESTS = 10,
    CODEC_MODELS = 10,
    MODEL_OWN = 128 /* added to the number of the model whose machine an own one has */
};

enum {
    MODEL_SUM_BITS = 12, /* the frequencies of a state add up to 2^12 */
    MODEL_SUM = 1 << MODEL_SUM_BITS,
    MODEL_SYMBOLS_MAX = 256,
    MODEL_COST_BITS = 8, /* costs are in 1/256 bit */
    MODEL_VALUE_FROM = -256,
    MODEL_VALUES = 1024,
    MODEL_GAPS = 64,
    MODEL_CHANGES = 256,
    MODEL_STATES = 288, /* of all built-in models; unfolding asserts it */
    MODEL_WEIGHTS = 32, /* stored: weights of symbols are below; 0: it never comes */
};

/** As it is in codec_tables.c. */
struct codec_model {
    uint16_t states, start, symbols, classes;
    const int16_t *gaps;   /* by symbol; NULL: symbols mean values alone */
    const int16_t *values; /* by symbol: values, or changes */
    const uint16_t *
        lengths; /* by symbol: the least one of a run of zeros, 0 of a value; NULL: there are no runs */
    const uint8_t *bits;         /* likewise: how many follow, that tell what a run is longer by */
    const uint8_t *class_of;     /* by symbol */
    const uint8_t *next;         /* [states][classes] */
    const uint16_t *frequencies; /* [states][symbols]; 0: never, so the escape is taken */
};
extern const struct codec_model codec_models[CODEC_MODELS];

/** A model unfolded, to code with. */
struct model_tables {
    const struct codec_model *model; /* the machine; of an own model its frequencies are others */
    size_t row;                      /* of its first state among those of all built-in models */
    const uint32_t *slots;  /* [states][MODEL_SUM]: symbol | frequency << 8 | slot - first << 20 */
    const uint8_t *next;    /* [states][256] the next state; readable for 4 bytes at each */
    const uint32_t *ranges; /* [states][256] first slot of a symbol | frequency << 16 */
    const uint16_t
        *cost; /* [states][256] of a symbol, in 1/256 bit; of one that never comes 0xffff */
    const uint8_t *likely; /* [states] the symbol that costs the least */
    const uint8_t
        *of_value; /* the symbol of value - MODEL_VALUE_FROM, below MODEL_VALUES; 0: none */
    const uint8_t *of_pair;  /* of gap << 8 | change + 128; gap below MODEL_GAPS; 0: none */
    const uint8_t *gap_of;   /* of symbols of pairs, [256]; 0 for the escape */
    const int8_t *change_of; /* likewise */
    bool gaps_rise;          /* no gap is 0, but the escape's */
    bool next_by_symbol;     /* the next state is the same from any state: that in the first 256 */
};

/**
 * NULL: no model has this number. Cost: the first call for a model unfolds it, some 0.5 MiB.
 * Threads: any.
 */
const struct model_tables *model_find(unsigned number);

/** The weight, 1 to `top`, that is nearest to count / most of that of `top`. */
uint8_t model_weight(uint64_t count, uint64_t most, uint8_t top);
/**
 * First slots of symbols by their weights, and what is behind the last one's: [symbols + 1]. Without any weight
 * the first symbol has all.
 */
void model_share_slots(uint16_t *first, const uint8_t *weights, size_t symbols);
/** log2(2^12 / frequency) in 1/256 bit, rounded down; of 0 it is UINT16_MAX. */
uint16_t model_cost(uint16_t frequency);
/**
 * The machine of a built-in model, with frequencies by weights: [states][symbols]. A state without weights keeps those
 * that it has; any other has one of symbol 0 and of a further one. There are slots alone, for decoding, or what encoding
 * asks for. *memory, *bytes of it, is the caller's to free; NULL and 0 at first, and used again by the same function for
 * the same base: slots that stay as they are are not written anew. False: no memory.
 */
bool model_unfold_slots(struct model_tables *out, void **memory, size_t *bytes,
                        const struct model_tables *base, const uint8_t *weights);
bool model_unfold_ranges(struct model_tables *out, void **memory, size_t *bytes,
                         const struct model_tables *base, const uint8_t *weights);

/** The symbol that means a value: 0 where none does. */
static inline uint8_t model_symbol_of_value(const struct model_tables *tables, int64_t value)
{
    uint64_t index = (uint64_t)value - (uint64_t)(int64_t)MODEL_VALUE_FROM;
    return index < MODEL_VALUES ? tables->of_value[index] : 0;
}

/** The symbol that means a gap and a change: 0 where none does. */
static inline uint8_t model_symbol_of_pair(const struct model_tables *tables, int64_t gap,
                                           int64_t change)
{
    uint64_t index = (uint64_t)change + MODEL_CHANGES / 2;
    return (uint64_t)gap < MODEL_GAPS && index < MODEL_CHANGES
               ? tables->of_pair[(uint64_t)gap * MODEL_CHANGES + index]
               : 0;
}

#endif
