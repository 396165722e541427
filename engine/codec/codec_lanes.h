/*
 * codec_lanes.h -- groups of 512 words of equal width, to bytes and back: one loop, built for
 * several instruction sets.
 *
 * codec_lanes_body.h is the loop; codec_lanes_plain.c and its like compile it, each with the flags
 * that the Makefile gives it. All read and write the same bytes (tests/unit/test_codec_pack.c).
 */
#ifndef CODEC_CODEC_LANES_H
#define CODEC_CODEC_LANES_H

#include "codec_rans.h"

enum {
    LANES_GROUP = 512,
    LANES_REGISTER_BYTES = 64,
    LANES_SMALL_BITS = 16, /* the widest words of unpack_small */
    LANES_STRETCH = 32,
    LANES_LIST_BITS = 8,
    LANES_LIST = 1 << LANES_LIST_BITS,
    LANES_SUM_ROW = 16,
    LANES_SUM_VALUES = 1024, /* at most: whole rows */
    LANES_PAIRS = 64,
    LANES_TURN = 16,
    LANES_LAGS = 17,
    LANES_WEIGHED = 8,
};

/** Eight numbers side by side, whatever a register holds. */
typedef double lanes_weighed_row __attribute__((vector_size(LANES_WEIGHED * sizeof(double))));

/** With x the LANES_WEIGHED values before y, the earliest first: weight * x * x and weight * x * y, added up over all y. */
struct lanes_weighed {
    lanes_weighed_row squares[LANES_WEIGHED], products;
};

/**
 * Words that stand for entries of a list, for one word the next of others. Entries and others are values with the bias
 * added, which makes them LANES_SHORT_END at most, so that sums of 32 stay below 2^16.
 */
enum { LANES_SHORT_BITS = 5, LANES_SHORT_LIST = 1 << LANES_SHORT_BITS, LANES_SHORT_END = 2048 };
struct lanes_listed {
    const uint8_t *in; /* LANES_GROUP words a group */
    size_t groups;
    unsigned width;         /* 1 to LANES_SHORT_BITS */
    unsigned sought;        /* the word of others; one that does not come: there are none */
    const uint16_t *list;   /* LANES_SHORT_LIST */
    const uint16_t *others; /* LANES_SHORT_LIST more can be read */
    uint16_t bias;
};

/** `count` words that are read, whole groups of them, the greatest of which may be `greatest`: that is sought where it stands for
    others. *r overruns where there are fewer. List and others are the caller's to add. */
struct lanes_listed lanes_listed_read(struct reader *r, size_t count, unsigned greatest,
                                      bool has_others);

/**
 * What is folded: words, or what a list has for them (list NULL: each word, of at most LANES_SMALL_BITS, with the bias added), or
 * sums of that; less the low end of a range, and all of 16 bits, which wrap.
 */
struct lanes_folded {
    uint16_t span;    /* of the range */
    bool are_changes; /* from `first` on: the first word stands for nothing */
    uint16_t first;
};

/** Rows of which a symbol tells the gap before each and the change to it; one in seconds, say. */
struct lanes_pairs {
    const uint8_t *symbols; /* `count`; readable to the next multiple of LANES_PAIRS */
    size_t count;
    const uint8_t *gap_of; /* of 256 symbols */
    const int8_t *change_of;
    const int32_t *gaps,
        *changes; /* of symbols 0, in order, 0 or more; small; LANES_SUM_ROW more can be read */
    int64_t time, value; /* of the first row, whatever its symbol */
    uint32_t ns;         /* of a gap of 1 */
};

/** Values of pairs, to be folded as lanes_folded is. */
struct lanes_pairs_folded {
    const uint8_t *symbols; /* as of lanes_pairs, and so here */
    size_t count;
    const int8_t *change_of;
    const uint16_t *changes; /* of symbols 0; LANES_STRETCH more can be read */
    uint16_t first, span;
};

struct codec_lanes {
    /** 512 words of `width` bits, 1 to 64, to 64 * width bytes. Higher bits of a word are left out. */
    void (*pack)(uint8_t *out, const uint64_t *words, unsigned width);
    /** And back, each with `base` added, which wraps. */
    void (*unpack)(int64_t *out, const uint8_t *in, unsigned width, int64_t base);
    /** Words one after another in one run of bits, of which there are `bytes`: what is no whole group. */
    void (*tail)(int64_t *out, const uint8_t *in, size_t bytes, size_t count, unsigned width,
                 int64_t base);
    /** The least and the greatest of 1 or more values. */
    void (*range)(int64_t *min, int64_t *max, const int64_t *values, size_t count);
    /** Of what is in [0, span]. NULL: there is no quicker way than by values. */
    void (*fold_listed)(struct codec_fold *fold, const struct lanes_listed *listed,
                        const struct lanes_folded *by);
    void (*fold_pairs)(struct codec_fold *fold, const struct lanes_pairs_folded *by); /* the same */
    /** Of values, less `low` each, what is in [0, high - low]: number, sum, least and greatest, where there is one. */
    void (*fold)(struct codec_fold *fold, const int64_t *values, size_t count, int64_t low,
                 int64_t high);
    /** codec_filter, of a range by its span; and codec_places. */
    void (*filter)(uint8_t *passes, const int64_t *values, size_t count, int64_t low,
                   uint64_t span);
    size_t (*places)(uint16_t *places, const uint8_t *passes, size_t count);
    /** Words to 32 bits, of at most LANES_SMALL_BITS. */
    void (*unpack_small)(int32_t *out, const uint8_t *in, unsigned width, int32_t base);
    /**
     * Words of `width` bits, at most LANES_LIST_BITS, to 512 values that the list has for them. Bit i of found[s] says
     * that word s * LANES_STRETCH + i is `sought`; *ones grows by how many are. Answers the greatest word.
     */
    unsigned (*unpack_listed)(int32_t *out, uint32_t *found, size_t *ones, const uint8_t *in,
                              unsigned width, const int32_t *list, unsigned sought);
    /** Where found[s] has bit i, values[s * LANES_STRETCH + i] becomes the next of others. */
    void (*replace)(int32_t *values, const uint32_t *found, size_t stretches,
                    const int32_t *others);
    /**
     * found and *ones as in unpack_listed, but *ones is set. Answers the greatest word. NULL, as is the next one: there is
     * no quicker way than by values.
     */
    unsigned (*count_listed)(uint32_t *found, size_t *ones, const struct lanes_listed *listed);
    /** As sums, of the values that words stand for; the scale is 1, or the bias 0. */
    void (*sums_listed)(int64_t *out, const struct lanes_listed *listed, int64_t first,
                        uint32_t scale);
    /**
     * out[i] = first + scale * (values[1] + .. + values[i]), for 1 .. LANES_SUM_VALUES values, of which a whole row
     * can be read. The sum of the values does not wrap, what is made of it does. Answers the least of values[1] and
     * those behind it; INT32_MAX: there is none.
     */
    int32_t (*sums)(int64_t *out, const int32_t *values, size_t count, int64_t first,
                    uint32_t scale);
    /** Times, which do not wrap, and values, which do. */
    void (*pairs)(int64_t *time, int64_t *values, const struct lanes_pairs *pairs);
    /** From [steps][RANS_LANES] bytes to [RANS_LANES][steps]; there are LANES_TURN steps or more. */
    void (*turn)(uint8_t *out, const uint8_t *by_step, size_t steps);
    /** sums[k], for k below LANES_LAGS: values[i] * values[i - k], added up over all i from k on. It does not wrap. */
    void (*lags)(int64_t *sums, const int32_t *values, size_t count);
    /**
     * For y each of the values at `rows`; the LANES_WEIGHED before it can be read. Sums of doubles are in the same
     * order everywhere, so to the bit the same.
     */
    void (*weighed)(struct lanes_weighed *sums, const int32_t *values, const uint16_t *rows,
                    const double *weights, size_t count);
    /**
     * out[i] = values[i] - (half + taps[0] * values[i - 1] + taps[1] * values[i - 2] + .. >> shift), where half rounds;
     * the tap_count values before the first can be read, and no sum wraps.
     */
    void (*untold)(int64_t *out, const int32_t *values, size_t count, const int32_t *taps,
                   size_t tap_count, unsigned shift);
    /** Slots of symbols, which rise, MODEL_SUM in all: of symbols[i] counts[i], each symbol | count << 8 | number << 20. */
    void (*unfold)(uint32_t *slots, const uint16_t *symbols, const uint16_t *counts, size_t count);
    rans_run *rans;
    size_t rans_at_a_time; /* runs that are quickest side by side; 1: there is no rans_some */
    rans_run_some *rans_some;
};

extern const struct codec_lanes codec_lanes_plain;
#if defined(__x86_64__)
extern const struct codec_lanes codec_lanes_avx2;   /* needs AVX2 */
extern const struct codec_lanes codec_lanes_avx512; /* needs AVX-512 F, BW, DQ, VL, VBMI, VBMI2 */
#endif
/** Those that this process uses now. */
const struct codec_lanes *codec_lanes(void);

#endif
