/*
 * codec_impl.h -- what the files of codec share: words packed to bits, arrays of integers. Bytes:
 * format-spec/blocks.md.
 */
#ifndef CODEC_CODEC_IMPL_H
#define CODEC_CODEC_IMPL_H

#include "codec.h"

#include <string.h>

/* ---- units of time: each divides the next one ------------------------------------------------ */

enum { UNIT_LAST = 4 };
extern const int64_t codec_unit_ns[UNIT_LAST + 1];

/* ---- columns, in either form (codec_bytes.c) ------------------------------------------------- */

bool codec_has_negative(const int64_t *values, size_t count);
bool codec_is_constant(const int64_t *values, size_t count);
/**
 * Gaps, unsigned and in units of `ns`, become times in their place; time[0] is `begin`. False: one
 * is out of range.
 */
bool codec_times_of_gaps(int64_t *time, size_t count, int64_t begin, uint64_t ns);
/** False: a word is not allowed as flags. */
bool codec_flags_take(uint16_t *flags, const int64_t *words, size_t count);
/**
 * Lengths in `words`, `total` together, become places in the columns' text, whose bytes are read
 * from *r. HOLTER_CORRUPT: there are fewer; HOLTER_NO_MEMORY.
 */
holter_status codec_texts_take(struct columns *c, int64_t *words, struct reader *r, size_t count,
                               uint64_t total);
/** Count in `count` rows that are decoded behind the last, with what is the same in all. */
void codec_rows_take(struct columns *out, size_t count, bool with_revision, int64_t revision,
                     uint64_t sequence);

/** Zeros over what tells of rows, before it is freed; not left out by a compiler. */
static inline void codec_wipe(void *memory, size_t bytes)
{
    memset(memory, 0, bytes);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* ---- bits (codec_pack.c) --------------------------------------------------------------------- */

/** How many bits a number has: 0 to 64. */
static inline unsigned bits_of(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/** The bytes that `count` words of `width` bits take. */
size_t pack_bytes(size_t count, unsigned width);
/** Append them; higher bits of a word are left out. No memory: out->failed. */
void pack_append(struct buffer *out, const uint64_t *words, size_t count, unsigned width);
/** Read `count` words, each with `base` added, which wraps. False: there are too few bytes. */
bool unpack(int64_t *out, struct reader *r, size_t count, unsigned width, int64_t base);

/** Values between -SMALL_END and SMALL_END, both excluded: their sums over a block need 31 bits. */
enum {
    SMALL_END = 1 << 20,
    SMALL_ROOM = 16,
    SMALL_LIST = 256,
    SMALL_STRETCH = 32,
    SMALL_STRETCHES = CODEC_PACKED_ROWS_MAX / SMALL_STRETCH,
};
struct small_values {
    int32_t at[CODEC_PACKED_ROWS_MAX];
};
/** As unpack; width is at most 16, and base small. */
bool unpack_small(int32_t *out, struct reader *r, size_t count, unsigned width, int32_t base);
/** Where among small values some stand. */
struct small_places {
    uint32_t found[SMALL_STRETCHES]; /* a bit for each value, of `stretches` stretches */
    size_t stretches, count;
};
/**
 * Read words of as many bits as `greatest` has, and give what the list has for them; *places: where the greatest one
 * stands. False: there are too few bytes, or a word is above the greatest.
 */
bool unpack_listed(int32_t *out, struct small_places *places, struct reader *r, size_t count,
                   const int32_t list[static SMALL_LIST], unsigned greatest);
/** What stands at the places becomes the next of others each. */
void small_replace(int32_t *values, const struct small_places *places, const int32_t *others);
/**
 * out[i] = first + scale x (values from the second up to value i): the sum does not wrap, what is made of it does.
 * Answers the least value behind the first, INT32_MAX where there is none.
 */
int32_t small_sums(int64_t *out, const struct small_values *values, size_t count, int64_t first,
                   uint32_t scale);

/* ---- arrays of integers (codec_array.c, _read.c, _fold.c) ----------------------------------- */

enum { ARRAY_ROWS_MAX = CODEC_PACKED_ROWS_MAX };

/* Stored. From ARRAY_CODED on those of codec_cold.h; floats have the numbers between. */
enum array_code {
    ARRAY_CONSTANT = 1,
    ARRAY_PACKED = 2,
    ARRAY_DICTIONARY = 3,
    ARRAY_DICTIONARY_ESCAPE = 4,
    ARRAY_CHANGES = 5,
    ARRAY_RUNS = 6,
    ARRAY_CODED = 9,
    ARRAY_CUT = 10,
    ARRAY_MULTIPLES = 11,
    ARRAY_PREDICTED = 14,
    ARRAY_SWITCHED = 16,
    ARRAY_RESTS = 17
};
enum { ARRAY_HAS_PATCHES = 0x80 /* stored, in the width of ARRAY_PACKED */ };

/**
 * Append 1 .. ARRAY_ROWS_MAX values in the form that takes the fewest bytes. No memory:
 * out->failed.
 * Cost     some ten passes over the values; about 60 KiB of stack.
 */
void array_encode(struct buffer *out, const int64_t *values, size_t count);
/** Read `count` of them, 1 .. ARRAY_ROWS_MAX. False: these bytes are no such array. */
bool array_decode(int64_t *out, struct reader *r, size_t count);
/** The same, of which the code is read already. */
bool array_decode_by_code(int64_t *out, struct reader *r, size_t count, uint8_t code);

/**
 * Read them where all are small, as sums: out[i] = first + scale x (values from the second up to value i). The sum of
 * values does not wrap, what is made of it does. *least: no value behind the first is less. False: there are others, the
 * array is one in another, or it is none; then *r stands where it stood.
 */
bool array_decode_sums(int64_t *out, int32_t *least, struct reader *r, size_t count, int64_t first,
                       uint32_t scale);
/**
 * Pass by an array of 1 .. ARRAY_ROWS_MAX values. False: these bytes are none, as far as that is told.
 */
bool array_pass(struct reader *r, size_t count);

/**
 * Fold an array without writing its values down, which the spec says are of a narrow range. False: there is no quicker way
 * for this one, or it is none; *r stands where it stood.
 */
bool array_fold(struct codec_fold *fold, struct reader *r, size_t count,
                const struct codec_fold_spec *spec);
/** Values that differ by so much less than 2^16 are told apart by their distance from one, as a word. */
static inline bool codec_fold_is_narrow(const struct codec_fold_spec *spec)
{
    return (uint64_t)spec->max - (uint64_t)spec->min <= UINT16_MAX;
}
static inline uint16_t codec_fold_word(int64_t value, int64_t low)
{
    return (uint16_t)((uint64_t)value - (uint64_t)low);
}
/** Of values less `low`, of which there may be none: *fold becomes that of values. */
static inline void codec_fold_from(struct codec_fold *fold, int64_t low)
{
    if (fold->count == 0) {
        *fold = (struct codec_fold){ 0, 0, INT64_MAX, INT64_MIN };
        return;
    }
    fold->sum = wrap_add_i64(fold->sum, (int64_t)(fold->count * (uint64_t)low));
    fold->min = wrap_add_i64(fold->min, low);
    fold->max = wrap_add_i64(fold->max, low);
}

/** The value of an array of equal ones; false: these bytes are no such array. */
bool array_decode_constant(int64_t *value, struct reader *r);

/** Two int64_t, for qsort. */
int codec_compare_values(const void *a, const void *b);

/** Places, rising, below `count`: `places` of them, as gaps. False: they are not. */
void places_encode(struct buffer *out, const uint16_t *at, size_t places);
bool places_decode(uint16_t *at, struct reader *r, size_t places, size_t count);

#endif
