/*
 * codec_float.c -- doubles as integers, where that gives the very same bits, and back.
 *
 * float64s that are decimals, as most measured ones are, become integers: the double nearest to
 * m / 10^e has the very bits that went in, or the value is an exception and keeps its bits. Those
 * that were float32s are multiples of the sensor's step, rounded to a float32, or else the ordered
 * bits of one.
 *
 * Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_bytes.c.
 */
#include "codec_cold.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* With either, a store that another build wrote would read as other values. */
#if FLT_EVAL_METHOD != 0 || defined(__FAST_MATH__) || defined(__RECIPROCAL_MATH__)
#error "quotients are stored as IEEE 754 has them: build without -ffast-math, and not for x87"
#endif

/* Stored. */
enum float_code { FLOAT_BITS = 7, FLOAT_DECIMAL = 8, FLOAT_SCALED = 12, FLOAT_SINGLE = 13 };

enum {
    EXPONENT_MAX = 18,
    FLOAT_SAMPLES = 16,
    FLOAT_LEAST_EXACT = 8,  /* of 9 values, to be decimal */
    EXCEPTION_BITS = 80,    /* of an exception: its place, its bits */
    EXPONENT_LONG = 7,      /* decimals of so many places are tried as singles first */
    SCALE_SAMPLES_FEW = 64, /* which tell most sensors' scale */
    SCALE_SAMPLES = 512,
    SINGLE_EXACT_BITS = 24 /* integers of so many bits are singles */
};

/* All exact. */
static const double power_of_ten[EXPONENT_MAX + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                       1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                       1e14, 1e15, 1e16, 1e17, 1e18 };

/* ---- float64 --------------------------------------------------------------------------------- */

static int64_t bits_of_decimal(int64_t mantissa, unsigned exponent)
{
    double value = (double)mantissa / power_of_ten[exponent];
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* m with m / 10^exponent equal to the value, bit by bit. */
static bool to_decimal(int64_t *mantissa, int64_t bits, unsigned exponent)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    double scaled = real_of(bits) * power_of_ten[exponent];
    if (!(scaled > -exact && scaled < exact)) /* NaN too */
        return false;
    *mantissa = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    return bits_of_decimal(*mantissa, exponent) == bits;
}

static bool is_too_many(size_t exceptions, size_t count)
{
    return exceptions * (FLOAT_LEAST_EXACT + 1) > count;
}

/* `most` serves all of a few values that have an exponent; `few` takes the fewest bits by them, each
   value that needs a greater one an exception. False: hardly a value has one. */
static bool choose_exponents(unsigned *few, unsigned *most, const int64_t *values, size_t count)
{
    size_t with[EXPONENT_MAX + 1] = { 0 }; /* values of which this is the least exponent */
    size_t step = count > FLOAT_SAMPLES ? count / FLOAT_SAMPLES : 1;
    size_t looked = 0;
    size_t found = 0;
    for (size_t i = 0; i < count; i += step) {
        int64_t mantissa;
        unsigned e = 0;
        looked++;
        while (e <= EXPONENT_MAX && !to_decimal(&mantissa, values[i], e))
            e++;
        if (e <= EXPONENT_MAX) {
            with[e]++;
            found++;
        }
    }
    size_t exceptions = 0;
    size_t least_bits = SIZE_MAX;
    *few = *most = 0;
    for (unsigned e = EXPONENT_MAX + 1; e-- > 0 && !is_too_many(exceptions, looked);) {
        size_t bits = looked * e * 10 / 3 + exceptions * EXCEPTION_BITS;
        if (with[e] > 0 && exceptions == 0)
            *most = e;
        if (bits < least_bits) {
            *few = e;
            least_bits = bits;
        }
        exceptions += with[e];
    }
    return found * 2 > looked;
}

/* How many are exceptions; in their place stands the mantissa before. */
static size_t to_decimals(int64_t *mantissas, uint16_t *at, const int64_t *values, size_t count,
                          unsigned exponent)
{
    size_t exceptions = 0;
    for (size_t i = 0; i < count; i++) {
        if (to_decimal(&mantissas[i], values[i], exponent))
            continue;
        mantissas[i] = i > 0 ? mantissas[i - 1] : 0;
        at[exceptions++] = (uint16_t)i;
    }
    return exceptions;
}

static void encode_float_bits(struct buffer *out, const int64_t *values, size_t count)
{
    buffer_append_u8(out, FLOAT_BITS);
    for (size_t i = 0; i < count; i++)
        buffer_append_i64(out, values[i]);
}

static void encode_exceptions(struct buffer *out, const uint16_t *at, size_t exceptions,
                              const int64_t *values)
{
    buffer_append_varint(out, exceptions);
    places_encode(out, at, exceptions);
    for (size_t i = 0; i < exceptions; i++)
        buffer_append_i64(out, values[at[i]]);
}

/* ---- singles: what a sensor's float32 became when it was written as a double ------------------ */

static float single_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_single(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static int64_t bits_of_double(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* All are finite and singles, bit by bit. */
static bool are_singles(const int64_t *values, size_t count)
{
    const double most = 3.4028234663852886e38; /* FLT_MAX */
    size_t are = 0;
    for (size_t i = 0; i < count; i++) {
        double value = real_of(values[i]);
        if (!(value >= -most && value <= most))
            return false;
        are += bits_of_double((double)(float)value) == values[i];
    }
    return are == count;
}

static int64_t bits_of_scaled(int64_t multiple, float scale)
{
    return bits_of_double((double)((float)multiple * scale));
}

static int compare_doubles(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The step that values are multiples of: the least distance between two sizes, then refined by each
   larger one, whose rounding tells ever more of it. 0: there is none. */
static float find_scale(const int64_t *values, size_t count, size_t samples)
{
    double sizes[SCALE_SAMPLES] = { 0 };
    size_t few = count < samples ? count : samples;
    for (size_t i = 0; i < few; i++)
        sizes[i] = real_of(values[i] & INT64_MAX);
    qsort(sizes, few, sizeof *sizes, compare_doubles);
    double scale = sizes[few - 1];
    for (size_t i = 0; i < few; i++) {
        double distance = i > 0 ? sizes[i] - sizes[i - 1] : sizes[0];
        if (distance > sizes[few - 1] * 1e-6 && distance < scale)
            scale = distance;
    }
    for (size_t i = 0; i < few && scale > 0; i++) {
        double multiple = sizes[i] / scale + 0.5;
        if (multiple < 1 || multiple >= 1 << SINGLE_EXACT_BITS)
            continue;
        multiple = (double)(int64_t)multiple;
        double by = sizes[i] / multiple;
        double off = (by > scale ? by - scale : scale - by) * multiple;
        if (off < 0.4 * scale)
            scale = by;
    }
    return (float)scale;
}

/* How many are exceptions; in their place stands the multiple before. */
static size_t to_multiples(int64_t *multiples, uint16_t *at, const int64_t *values, size_t count,
                           float scale)
{
    const double most = (1 << SINGLE_EXACT_BITS) - 1;
    size_t exceptions = 0;
    for (size_t i = 0; i < count; i++) {
        double exact = real_of(values[i]) / (double)scale;
        bool is_near = exact > -most && exact < most;
        multiples[i] = !is_near ? 0 : (int64_t)(exact < 0 ? exact - 0.5 : exact + 0.5);
        if (is_near && bits_of_scaled(multiples[i], scale) == values[i])
            continue;
        multiples[i] = i > 0 ? multiples[i - 1] : 0;
        at[exceptions++] = (uint16_t)i;
    }
    return exceptions;
}

/* The bits of a single in an order that is the values'. */
static int64_t single_ordered(uint32_t bits)
{
    return bits >> 31 != 0 ? -(int64_t)(bits & INT32_MAX) - 1 : (int64_t)bits;
}

static void encode_singles(const struct encoder *e, const int64_t *values, size_t count)
{
    size_t exceptions = count;
    float scale = 0;
    for (size_t samples = SCALE_SAMPLES_FEW; exceptions > 0 && samples <= SCALE_SAMPLES;
         samples *= SCALE_SAMPLES / SCALE_SAMPLES_FEW) {
        scale = find_scale(values, count, samples);
        exceptions = scale > 0 ? to_multiples(e->words, e->at, values, count, scale) : count;
    }
    if (!is_too_many(exceptions, count)) {
        buffer_append_u8(e->out, FLOAT_SCALED);
        buffer_append_u32(e->out, bits_of_single(scale));
        encoder_array(e, e->words, count);
        encode_exceptions(e->out, e->at, exceptions, values);
        return;
    }
    for (size_t i = 0; i < count; i++)
        e->words[i] = single_ordered(bits_of_single((float)real_of(values[i])));
    buffer_append_u8(e->out, FLOAT_SINGLE);
    encoder_array(e, e->words, count);
}

static bool decode_scaled(int64_t *out, struct reader *r, size_t count,
                          const struct codec_models *models)
{
    float scale = single_of(get_u32(r));
    if (r->overrun || !(scale > 0 && scale <= FLT_MAX) ||
        !block_array_decode(out, r, count, models))
        return false;
    int64_t any = 0;
    for (size_t i = 0; i < count; i++) {
        any |= out[i] < 0 ? ~out[i] : out[i];
        out[i] = bits_of_scaled(out[i], scale);
    }
    return any >> SINGLE_EXACT_BITS == 0;
}

static bool decode_singles(int64_t *out, struct reader *r, size_t count,
                           const struct codec_models *models)
{
    if (!block_array_decode(out, r, count, models))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (out[i] < INT32_MIN || out[i] > INT32_MAX)
            return false;
        uint32_t bits =
            out[i] < 0 ? (uint32_t)(-(out[i] + 1)) | UINT32_C(1) << 31 : (uint32_t)out[i];
        if ((bits & 0x7f800000) == 0x7f800000) /* infinite, or no number */
            return false;
        out[i] = bits_of_double((double)single_of(bits));
    }
    return true;
}

/* ---- any ------------------------------------------------------------------------------------- */

void floats_encode(const struct encoder *e, const int64_t *values, size_t count)
{
    struct buffer *out = e->out;
    int64_t *mantissas = e->words;
    uint16_t *at = e->at;
    unsigned exponent, most;
    size_t start = out->bytes;
    bool is_decimal = choose_exponents(&exponent, &most, values, count);
    if ((!is_decimal || exponent >= EXPONENT_LONG) && are_singles(values, count)) {
        encode_singles(e, values, count);
        return;
    }
    if (!is_decimal) {
        encode_float_bits(out, values, count);
        return;
    }
    size_t exceptions = to_decimals(mantissas, at, values, count, exponent);
    if (is_too_many(exceptions, count) && most != exponent) {
        exponent = most;
        exceptions = to_decimals(mantissas, at, values, count, exponent);
    }
    if (is_too_many(exceptions, count)) {
        encode_float_bits(out, values, count);
        return;
    }
    buffer_append_u8(out, FLOAT_DECIMAL);
    buffer_append_u8(out, (uint8_t)exponent);
    encoder_array(e, mantissas, count);
    encode_exceptions(out, at, exceptions, values);
    if (out->bytes - start > 1 + count * sizeof *values) { /* a few values of many digits */
        out->bytes = start;
        encode_float_bits(out, values, count);
    }
}

static bool decode_float_bits(int64_t *out, struct reader *r, size_t count)
{
    if (r->left < count * sizeof *out)
        return false;
    for (size_t i = 0; i < count; i++)
        out[i] = get_i64(r);
    return true;
}

static bool decode_decimals(int64_t *out, struct reader *r, size_t count,
                            const struct codec_models *models)
{
    unsigned exponent = get_u8(r);
    if (r->overrun || exponent > EXPONENT_MAX || !block_array_decode(out, r, count, models))
        return false;
    for (size_t i = 0; i < count; i++)
        out[i] = bits_of_decimal(out[i], exponent);
    return true;
}

static bool decode_exceptions(int64_t *out, struct reader *r, size_t count)
{
    uint16_t at[CODEC_BLOCK_ROWS_MAX];
    uint64_t exceptions = get_varint(r);
    if (r->overrun || exceptions > count || !places_decode(at, r, exceptions, count))
        return false;
    for (size_t i = 0; i < exceptions; i++)
        out[at[i]] = get_i64(r);
    return !r->overrun;
}

bool floats_decode(int64_t *out, struct reader *r, size_t count, const struct codec_models *models)
{
    switch (get_u8(r)) {
    case FLOAT_BITS:
        return decode_float_bits(out, r, count);
    case FLOAT_DECIMAL:
        return decode_decimals(out, r, count, models) && decode_exceptions(out, r, count);
    case FLOAT_SCALED:
        return decode_scaled(out, r, count, models) && decode_exceptions(out, r, count);
    case FLOAT_SINGLE:
        return decode_singles(out, r, count, models);
    default:
        return false;
    }
}
