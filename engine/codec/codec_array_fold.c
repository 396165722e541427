/*
 * codec_array_fold.c -- what lists of integers say without being written down: where they end, and how many of their values
 * lie in a range, their sum, least and greatest.
 *
 * Values that differ by less than 2^16 are told apart by 16 bits: so words are looked up, summed and compared as 32 in a register.
 * All of it wraps: how far a value is from the range's low end comes out right whatever its parts are.
 *
 * Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_fold.c.
 */
#include "codec_impl.h"
#include "codec_lanes.h"

#include <string.h>

enum { ROWS = ARRAY_ROWS_MAX, ENTRIES_MAX = 256 };

/* ---- passing by: only as much is looked at as tells where an array ends ----------------------- */

static bool pass_words(struct reader *r, size_t count, unsigned width)
{
    (void)get_bytes(r, pack_bytes(count, width));
    return !r->overrun;
}

static bool pass_packed(struct reader *r, size_t count)
{
    uint16_t at[ROWS];
    (void)get_zigzag(r);
    uint8_t form = get_u8(r);
    unsigned width = form & ~(unsigned)ARRAY_HAS_PATCHES;
    if (r->overrun || width > 64 || !pass_words(r, count, width))
        return false;
    if ((form & ARRAY_HAS_PATCHES) == 0)
        return true;
    uint64_t patches = get_varint(r);
    if (r->overrun || patches > count || !places_decode(at, r, patches, count))
        return false;
    unsigned high_width = get_u8(r);
    return !r->overrun && high_width <= 64 && pass_words(r, patches, high_width);
}

/* Words of as many bits as `greatest` has, and how many are the greatest. */
static bool pass_listed(size_t *ones, struct reader *r, size_t count, unsigned greatest)
{
    const struct codec_lanes *loops = codec_lanes();
    unsigned width = bits_of(greatest);
    if (loops->count_listed != NULL && width <= LANES_SHORT_BITS && count % LANES_GROUP == 0) {
        uint32_t found[ROWS / LANES_STRETCH];
        const struct lanes_listed listed = lanes_listed_read(r, count, greatest, true);
        return !r->overrun && loops->count_listed(found, ones, &listed) <= greatest;
    }
    int32_t list[ENTRIES_MAX] = { 0 }, words[ROWS];
    struct small_places places;
    bool is_right = unpack_listed(words, &places, r, count, list, greatest);
    *ones = places.count;
    return is_right;
}

static bool pass_dictionary(struct reader *r, size_t count, bool has_escapes)
{
    size_t others = 0;
    size_t entries = (size_t)get_u8(r) + 1;
    for (size_t i = 0; i < entries; i++)
        (void)get_zigzag(r);
    if (r->overrun || (has_escapes && entries == ENTRIES_MAX))
        return false;
    if (!has_escapes)
        return pass_words(r, count, bits_of(entries - 1));
    if (!pass_listed(&others, r, count, (unsigned)entries) || others == 0)
        return false;
    uint8_t code = get_u8(r);
    if (code == ARRAY_CONSTANT) {
        (void)get_zigzag(r);
        return !r->overrun;
    }
    return code == ARRAY_PACKED && pass_packed(r, others);
}

static bool pass_inner(struct reader *r, size_t count)
{
    switch (get_u8(r)) {
    case ARRAY_CONSTANT:
        (void)get_zigzag(r);
        return !r->overrun;
    case ARRAY_PACKED:
        return pass_packed(r, count);
    case ARRAY_DICTIONARY:
        return pass_dictionary(r, count, false);
    case ARRAY_DICTIONARY_ESCAPE:
        return pass_dictionary(r, count, true);
    default:
        return false;
    }
}

bool array_pass(struct reader *r, size_t count)
{
    struct reader before = *r;
    uint8_t code = get_u8(r);
    if (code == ARRAY_CHANGES) {
        (void)get_zigzag(r);
        return !r->overrun && pass_inner(r, count);
    }
    if (code == ARRAY_RUNS) {
        uint64_t runs = get_varint(r);
        return !r->overrun && runs > 0 && runs <= count && pass_inner(r, runs) &&
               pass_inner(r, runs);
    }
    *r = before;
    return pass_inner(r, count);
}

/* ---- folding --------------------------------------------------------------------------------- */

/* What a dictionary does not have, as words; they are behind it. */
static bool read_others(uint16_t *words, struct reader *r, size_t count, int64_t low)
{
    int64_t others[ROWS];
    uint8_t code = r->left > 0 ? r->at[0] : 0;
    if (count == 0 || (code != ARRAY_CONSTANT && code != ARRAY_PACKED) ||
        !array_decode(others, r, count))
        return false;
    for (size_t i = 0; i < count; i++)
        words[i] = codec_fold_word(others[i], low);
    return true;
}

/* Behind the code. `low` is taken off values; off changes nothing. */
static bool fold_dictionary(struct codec_fold *fold, const struct lanes_folded *by,
                            struct reader *r, size_t count, int64_t low, bool has_escapes)
{
    const struct codec_lanes *loops = codec_lanes();
    uint16_t list[LANES_SHORT_LIST] = { 0 }, others[ROWS + LANES_SHORT_LIST];
    uint32_t found[ROWS / LANES_STRETCH];
    size_t entries = (size_t)get_u8(r) + 1;
    unsigned greatest = (unsigned)(has_escapes ? entries : entries - 1);
    size_t ones;
    if (greatest == 0 || bits_of(greatest) > LANES_SHORT_BITS)
        return false;
    for (size_t i = 0; i < entries; i++)
        list[i] = codec_fold_word(get_zigzag(r), low);
    struct lanes_listed listed = lanes_listed_read(r, count, greatest, has_escapes);
    listed.list = list;
    listed.others = others;
    if (r->overrun || loops->count_listed(found, &ones, &listed) > greatest ||
        (has_escapes && !read_others(others, r, ones, low)))
        return false;
    loops->fold_listed(fold, &listed, by);
    return true;
}

/* The same, without patches. */
static bool fold_packed(struct codec_fold *fold, const struct lanes_folded *by, struct reader *r,
                        size_t count, int64_t low)
{
    int64_t base = get_zigzag(r);
    unsigned width = get_u8(r);
    if (r->overrun || width == 0 || width > LANES_SMALL_BITS)
        return false;
    struct lanes_listed listed = lanes_listed_read(r, count, (1u << width) - 1, false);
    listed.bias = codec_fold_word(base, low);
    if (r->overrun)
        return false;
    codec_lanes()->fold_listed(fold, &listed, by);
    return true;
}

static bool fold_words(struct codec_fold *fold, struct reader *r, size_t count,
                       const struct codec_fold_spec *spec)
{
    struct lanes_folded by = { .span = codec_fold_word(spec->high, spec->low) };
    int64_t low = spec->low;
    uint8_t code = get_u8(r);
    if (code == ARRAY_CHANGES) {
        by.are_changes = true;
        by.first = codec_fold_word(get_zigzag(r), low);
        low = 0;
        code = get_u8(r);
    }
    switch (code) {
    case ARRAY_PACKED:
        return fold_packed(fold, &by, r, count, low);
    case ARRAY_DICTIONARY:
    case ARRAY_DICTIONARY_ESCAPE:
        return fold_dictionary(fold, &by, r, count, low, code == ARRAY_DICTIONARY_ESCAPE);
    default:
        return false;
    }
}

bool array_fold(struct codec_fold *fold, struct reader *r, size_t count,
                const struct codec_fold_spec *spec)
{
    struct reader before = *r;
    if (codec_lanes()->fold_listed != NULL && count <= ROWS && count % LANES_GROUP == 0 &&
        codec_fold_is_narrow(spec) && fold_words(fold, r, count, spec)) {
        codec_fold_from(fold, spec->low);
        return true;
    }
    *r = before;
    return false;
}
