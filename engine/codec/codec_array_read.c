/*
 * codec_array_read.c -- lists of integers from bytes: what codec_array.c writes.
 *
 * R1  A decoder writes `count` values, reads no byte beyond the reader, and needs no memory.
 *
 * Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_pack.c.
 */
#include "codec_impl.h"
#include "codec_lanes.h"

#include <string.h>

enum { ROWS = ARRAY_ROWS_MAX, ENTRIES_MAX = 256 };

bool places_decode(uint16_t *at, struct reader *r, size_t places, size_t count)
{
    uint64_t next = 0;
    for (size_t i = 0; i < places; i++) {
        uint64_t gap = get_varint(r);
        if (r->overrun || gap >= count || next + gap >= count)
            return false;
        at[i] = (uint16_t)(next + gap);
        next = at[i] + 1u;
    }
    return true;
}

static bool decode_constant(int64_t *out, struct reader *r, size_t count)
{
    int64_t value = get_zigzag(r);
    for (size_t i = 0; i < count; i++)
        out[i] = value;
    return !r->overrun;
}

static bool read_patches(uint16_t *at, int64_t *highs, size_t *count, struct reader *r,
                         size_t values)
{
    uint64_t patches = get_varint(r);
    if (r->overrun || patches == 0 || patches > values || !places_decode(at, r, patches, values))
        return false;
    unsigned high_width = get_u8(r);
    *count = (size_t)patches;
    return !r->overrun && high_width > 0 && high_width <= 64 &&
           unpack(highs, r, patches, high_width, 0);
}

static bool decode_patches(int64_t *out, struct reader *r, size_t count, unsigned width)
{
    uint16_t at[ROWS];
    int64_t highs[ROWS];
    size_t patches;
    if (!read_patches(at, highs, &patches, r, count))
        return false;
    for (size_t i = 0; width < 64 && i < patches; i++) {
        uint64_t high = (uint64_t)zigzag_decode((uint64_t)highs[i]) << width;
        out[at[i]] = (int64_t)((uint64_t)out[at[i]] + high);
    }
    return true;
}

static bool decode_packed(int64_t *out, struct reader *r, size_t count)
{
    int64_t base = get_zigzag(r);
    uint8_t form = get_u8(r);
    unsigned width = form & ~(unsigned)ARRAY_HAS_PATCHES;
    if (r->overrun || width > 64 || !unpack(out, r, count, width, base))
        return false;
    return (form & ARRAY_HAS_PATCHES) == 0 || decode_patches(out, r, count, width);
}

static bool decode_leaf(int64_t *out, struct reader *r, size_t count)
{
    uint8_t code = get_u8(r);
    if (code == ARRAY_CONSTANT)
        return decode_constant(out, r, count);
    return code == ARRAY_PACKED && decode_packed(out, r, count);
}

/* Indexes are unpacked into the places of the values. */
static bool decode_wide_dictionary(int64_t *out, struct reader *r, size_t count, bool has_escapes)
{
    int64_t list[ENTRIES_MAX];
    int64_t escapes[ROWS];
    size_t entries = (size_t)get_u8(r) + 1;
    if (has_escapes && entries == ENTRIES_MAX)
        return false;
    for (size_t i = 0; i < entries; i++)
        list[i] = get_zigzag(r);
    size_t greatest = has_escapes ? entries : entries - 1;
    if (r->overrun || !unpack(out, r, count, bits_of(greatest), 0))
        return false;
    size_t escaped = 0;
    uint64_t any_above = 0;
    for (size_t i = 0; i < count; i++) {
        any_above |= (uint64_t)((uint64_t)out[i] > greatest);
        escaped += (uint64_t)out[i] == entries;
    }
    if (any_above != 0 || (escaped > 0) != has_escapes ||
        (has_escapes && !decode_leaf(escapes, r, escaped)))
        return false;
    escaped = 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint64_t)out[i] < entries ? list[out[i]] : escapes[escaped++];
    return true;
}

/* ---- decoding small values -------------------------------------------------------------------
 *
 * Most gaps and changes are small: in 32 bits they take half the time. Whatever is not gives up, and is
 * read the other way, which also tells what is refused.
 */

static bool is_small(int64_t value)
{
    return value > -SMALL_END && value < SMALL_END;
}

static bool decode_small_constant(int32_t *out, struct reader *r, size_t count)
{
    int64_t value = get_zigzag(r);
    if (r->overrun || !is_small(value))
        return false;
    for (size_t i = 0; i < count; i++)
        out[i] = (int32_t)value;
    return true;
}

static bool decode_small_packed(int32_t *out, struct reader *r, size_t count)
{
    enum { SMALL_WIDTH_MAX = 16, BASE_END = SMALL_END - (1 << SMALL_WIDTH_MAX) };
    uint16_t at[ROWS];
    int64_t highs[ROWS];
    int64_t base = get_zigzag(r);
    uint8_t form = get_u8(r);
    unsigned width = form & ~(unsigned)ARRAY_HAS_PATCHES;
    if (r->overrun || width > SMALL_WIDTH_MAX || base <= -BASE_END || base >= BASE_END ||
        !unpack_small(out, r, count, width, (int32_t)base))
        return false;
    if ((form & ARRAY_HAS_PATCHES) == 0)
        return true;
    size_t patches;
    if (!read_patches(at, highs, &patches, r, count))
        return false;
    for (size_t i = 0; i < patches; i++) {
        int64_t high = zigzag_decode((uint64_t)highs[i]);
        if (!is_small(high) || !is_small(out[at[i]] + high * ((int64_t)1 << width)))
            return false;
        out[at[i]] += (int32_t)(high * ((int64_t)1 << width));
    }
    return true;
}

/* A leaf. */
static bool decode_small_escapes(int32_t *out, struct reader *r, size_t count)
{
    uint8_t code = get_u8(r);
    if (code == ARRAY_CONSTANT)
        return decode_small_constant(out, r, count);
    return code == ARRAY_PACKED && decode_small_packed(out, r, count);
}

/* Index `entries` is an escape's. */
static bool decode_small_dictionary(int32_t *out, struct reader *r, size_t count, bool has_escapes)
{
    enum { LIST_LEAST = 16 };
    int32_t list[ENTRIES_MAX];
    int32_t escapes[ROWS];
    size_t entries = (size_t)get_u8(r) + 1;
    if (has_escapes && entries == ENTRIES_MAX)
        return false;
    for (size_t i = 0; i < entries; i++) {
        int64_t value = get_zigzag(r);
        if (!is_small(value))
            return false;
        list[i] = (int32_t)value;
    }
    unsigned greatest = (unsigned)(has_escapes ? entries : entries - 1);
    size_t words = (size_t)1 << bits_of(greatest); /* that may come */
    for (size_t i = entries; i < words || i < LIST_LEAST; i++)
        list[i] = 0;
    struct small_places escaped;
    if (r->overrun || !unpack_listed(out, &escaped, r, count, list, greatest))
        return false;
    if (!has_escapes)
        return true;
    if (escaped.count == 0 || !decode_small_escapes(escapes, r, escaped.count))
        return false;
    small_replace(out, &escaped, escapes);
    return true;
}

static bool decode_dictionary(int64_t *out, struct reader *r, size_t count, bool has_escapes)
{
    struct small_values small;
    struct reader before = *r;
    if (!decode_small_dictionary(small.at, r, count, has_escapes)) {
        *r = before;
        return decode_wide_dictionary(out, r, count, has_escapes);
    }
    for (size_t i = 0; i < count; i++) {
        /* cppcheck-suppress uninitvar ; it is filled where decode_small_dictionary succeeds */
        out[i] = small.at[i];
    }
    return true;
}

static bool decode_small(int32_t *out, struct reader *r, size_t count)
{
    switch (get_u8(r)) {
    case ARRAY_CONSTANT:
        return decode_small_constant(out, r, count);
    case ARRAY_PACKED:
        return decode_small_packed(out, r, count);
    case ARRAY_DICTIONARY:
        return decode_small_dictionary(out, r, count, false);
    case ARRAY_DICTIONARY_ESCAPE:
        return decode_small_dictionary(out, r, count, true);
    default:
        return false;
    }
}

/* ---- decoding sums of small values ------------------------------------------------------------
 *
 * Of a short list, with few values beside it, sums are made without ever writing values down.
 */

/* Values with the bias, as words. False: some is too small or too large for one. */
static bool words_take(uint16_t *words, const int32_t *values, size_t count, unsigned bias)
{
    uint32_t any = 0;
    _Static_assert((LANES_SHORT_END & (LANES_SHORT_END - 1)) == 0, "any tells of all");
    for (size_t i = 0; i < count; i++) {
        uint32_t word = (uint32_t)values[i] + bias;
        any |= word;
        words[i] = (uint16_t)word;
    }
    return any < LANES_SHORT_END;
}

/* Others that are too large stand as 0 among the sums: at most FAR_MAX, whose numbers go to `far`. False: there are more. */
enum { FAR_MAX = 4 };
static bool far_take(uint16_t *words, uint16_t far[FAR_MAX], size_t *far_count,
                     const int32_t *others, size_t count, unsigned bias)
{
    for (size_t i = 0; i < count; i++) {
        if ((uint32_t)others[i] + bias < LANES_SHORT_END)
            continue;
        if (*far_count == FAR_MAX)
            return false;
        far[(*far_count)++] = (uint16_t)i;
        words[i] = (uint16_t)bias;
    }
    return true;
}

/* The place of the other value of a number, which rises from call to call. */
static size_t place_of(const uint32_t *found, size_t *stretch, size_t *before, size_t number)
{
    for (;; (*stretch)++) {
        size_t here = (size_t)__builtin_popcount(found[*stretch]);
        if (*before + here > number)
            break;
        *before += here;
    }
    uint32_t bits = found[*stretch];
    for (size_t i = *before; i < number; i++)
        bits &= bits - 1;
    return *stretch * LANES_STRETCH + (size_t)__builtin_ctz(bits);
}

/* A far value comes to all rows from its own on; that of row 0 stands for nothing. */
static void add_far(int64_t *out, size_t count, const uint32_t *found, const uint16_t *far,
                    size_t far_count, const int32_t *others, uint32_t scale)
{
    size_t stretch = 0;
    size_t before = 0;
    for (size_t f = 0; f < far_count; f++) {
        size_t at = place_of(found, &stretch, &before, far[f]);
        int64_t by = (int64_t)scale * others[far[f]];
        for (size_t i = at; at > 0 && i < count; i++)
            out[i] = wrap_add_i64(out[i], by);
    }
}

static int32_t least_of(const int32_t *values, size_t count)
{
    int32_t least = INT32_MAX;
    for (size_t i = 0; i < count; i++)
        least = values[i] < least ? values[i] : least;
    return least;
}

/* Behind the code. False: there is no quicker way for this one, or it is none. */
static bool decode_listed_sums(int64_t *out, int32_t *least, struct reader *r, size_t count,
                               int64_t first, uint32_t scale, bool has_escapes)
{
    const struct codec_lanes *loops = codec_lanes();
    int32_t entries[LANES_SHORT_LIST], others[ROWS];
    uint16_t list[LANES_SHORT_LIST] = { 0 }, words[ROWS + LANES_SHORT_LIST], far[FAR_MAX];
    uint32_t found[ROWS / LANES_STRETCH];
    size_t entry_count = (size_t)get_u8(r) + 1;
    size_t greatest = has_escapes ? entry_count : entry_count - 1;
    unsigned width = bits_of(greatest);
    size_t ones;
    size_t far_count = 0;
    if (loops->sums_listed == NULL || width == 0 || width > LANES_SHORT_BITS ||
        count % LANES_GROUP != 0)
        return false;
    for (size_t i = 0; i < entry_count; i++) {
        int64_t value = get_zigzag(r);
        entries[i] = is_small(value) ? (int32_t)value : SMALL_END;
    }
    *least = least_of(entries, entry_count);
    unsigned bias = scale == 1 ? LANES_SHORT_END / 2 : 0;
    struct lanes_listed listed = lanes_listed_read(r, count, (unsigned)greatest, has_escapes);
    listed.list = list;
    listed.others = words;
    listed.bias = (uint16_t)bias;
    if (r->overrun || !words_take(list, entries, entry_count, bias) ||
        loops->count_listed(found, &ones, &listed) > greatest)
        return false;
    if (has_escapes) {
        if (ones == 0 || !decode_small_escapes(others, r, ones) ||
            (!words_take(words, others, ones, bias) &&
             !far_take(words, far, &far_count, others, ones, bias)))
            return false;
        int32_t least_other = least_of(others, ones);
        *least = least_other < *least ? least_other : *least;
    }
    loops->sums_listed(out, &listed, first, scale);
    add_far(out, count, found, far, far_count, others, scale);
    return true;
}

bool array_decode_sums(int64_t *out, int32_t *least, struct reader *r, size_t count, int64_t first,
                       uint32_t scale)
{
    struct small_values small;
    struct reader before = *r;
    uint8_t code = get_u8(r);
    if (count > ROWS) {
        *r = before;
        return false;
    }
    if ((code == ARRAY_DICTIONARY || code == ARRAY_DICTIONARY_ESCAPE) &&
        decode_listed_sums(out, least, r, count, first, scale, code == ARRAY_DICTIONARY_ESCAPE))
        return true;
    *r = before;
    if (!decode_small(small.at, r, count)) {
        *r = before;
        return false;
    }
    *least = small_sums(out, &small, count, first, scale);
    return true;
}

/* ---- decoding one in the other --------------------------------------------------------------- */

static bool decode_inner(int64_t *out, struct reader *r, size_t count, uint8_t code)
{
    if (r->overrun)
        return false;
    if (code == ARRAY_CONSTANT)
        return decode_constant(out, r, count);
    if (code == ARRAY_PACKED)
        return decode_packed(out, r, count);
    if (code == ARRAY_DICTIONARY || code == ARRAY_DICTIONARY_ESCAPE)
        return decode_dictionary(out, r, count, code == ARRAY_DICTIONARY_ESCAPE);
    return false;
}

static bool decode_changes(int64_t *out, struct reader *r, size_t count)
{
    const int64_t far = (int64_t)1 << 62;
    int32_t least;
    int64_t value = get_zigzag(r);
    if (value > -far && value < far && array_decode_sums(out, &least, r, count, value, 1))
        return true;
    if (!decode_inner(out, r, count, get_u8(r)))
        return false;
    out[0] = value;
    for (size_t i = 1; i < count; i++) {
        value = wrap_add_i64(value, out[i]);
        out[i] = value;
    }
    return true;
}

static bool decode_runs(int64_t *out, struct reader *r, size_t count)
{
    int64_t lengths[ROWS];
    int64_t values[ROWS];
    uint64_t runs = get_varint(r);
    if (r->overrun || runs == 0 || runs > count || !decode_inner(lengths, r, runs, get_u8(r)) ||
        !decode_inner(values, r, runs, get_u8(r)))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < runs; i++) {
        if (lengths[i] < 1 || (uint64_t)lengths[i] > count - at)
            return false;
        for (size_t end = at + (size_t)lengths[i]; at < end; at++)
            out[at] = values[i];
    }
    return at == count;
}

bool array_decode_by_code(int64_t *out, struct reader *r, size_t count, uint8_t code)
{
    core_assert(count > 0);
    core_assert(count <= ROWS);
    if (code == ARRAY_CHANGES)
        return decode_changes(out, r, count);
    if (code == ARRAY_RUNS)
        return decode_runs(out, r, count);
    return decode_inner(out, r, count, code);
}

bool array_decode(int64_t *out, struct reader *r, size_t count)
{
    return array_decode_by_code(out, r, count, get_u8(r));
}

bool array_decode_constant(int64_t *value, struct reader *r)
{
    return get_u8(r) == ARRAY_CONSTANT && decode_constant(value, r, 1);
}
