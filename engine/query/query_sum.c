/*
 * query_sum.c -- sums that no order of adding changes.
 *
 * Both kinds end the same way: a magnitude of many 32-bit digits, scaled by whole numbers, whose
 * division leaves a rest that is remembered as "something below", and one rounding, half to even.
 */
#include "query_sum.h"

#include <math.h>
#include <string.h>

/* ---- a magnitude, rounded -------------------------------------------------------------------- */

enum { MAGNITUDE_DIGITS = REAL_DIGITS };

/* digits x 2^exponent, lowest first. */
struct magnitude {
    uint32_t digits[MAGNITUDE_DIGITS];
    size_t count;
    int exponent;
    bool has_rest; /* the number is greater than its digits tell, by less than the last one */
    bool is_near;  /* shares are in it, so it may be off by some of its last places */
};

static void divide(struct magnitude *m, uint64_t by)
{
    uint128 rest = 0;
    for (size_t i = m->count; i-- > 0;) {
        uint128 at_hand = rest << 32 | m->digits[i];
        m->digits[i] = (uint32_t)(at_hand / by);
        rest = at_hand % by;
    }
    m->has_rest = m->has_rest || rest != 0;
}

/* The highest digits have room for it. */
static void multiply(struct magnitude *m, uint64_t by)
{
    uint128 carry = 0;
    for (size_t i = 0; i < m->count; i++) {
        carry += (uint128)m->digits[i] * by;
        m->digits[i] = (uint32_t)carry;
        carry >>= 32;
    }
    core_assert(carry == 0);
}

static bool bit_at(const struct magnitude *m, int64_t bit)
{
    return bit >= 0 && (m->digits[bit / 32] >> (bit % 32) & 1) != 0;
}

static bool has_bits_below(const struct magnitude *m, int64_t bit)
{
    if (m->has_rest)
        return true;
    for (int64_t i = 0; i < bit / 32; i++) {
        if (m->digits[i] != 0)
            return true;
    }
    return bit > 0 && (m->digits[bit / 32] & (((uint32_t)1 << (bit % 32)) - 1)) != 0;
}

/*
 * Half between two doubles. Two fifths of one interval and three of another may be exactly that,
 * while the sum of the shares as they were rounded is a little beside it: what is nearer than 2^-60
 * of the last place is taken for it.
 */
static bool is_tie(const struct magnitude *m, int64_t half)
{
    enum { DIGITS_BELOW = 59 };
    uint64_t below = 0;
    if (!m->is_near)
        return bit_at(m, half) && !has_bits_below(m, half);
    for (int64_t bit = half; bit >= half - DIGITS_BELOW; bit--)
        below = below << 1 | (uint64_t)bit_at(m, bit);
    return below == (uint64_t)1 << DIGITS_BELOW || below == ((uint64_t)1 << DIGITS_BELOW) - 1;
}

/* IEEE 754, round half to even; below 2^-1022 a double has fewer digits. */
static double round_once(const struct magnitude *m)
{
    enum { DIGITS = 53, LOWEST = -1074 };
    int64_t top = (int64_t)m->count * 32 - 1;
    while (top >= 0 && m->digits[top / 32] == 0)
        top -= 32;
    while (top >= 0 && !bit_at(m, top))
        top--;
    if (top < 0)
        return 0;
    int64_t lowest = top - (DIGITS - 1); /* the last bit that is kept */
    if (lowest < LOWEST - m->exponent)
        lowest = LOWEST - m->exponent;
    uint64_t kept = 0;
    for (int64_t bit = top; bit >= lowest; bit--)
        kept = kept << 1 | (uint64_t)bit_at(m, bit);
    if (is_tie(m, lowest - 1) ? (kept & 1) != 0 : bit_at(m, lowest - 1))
        kept++;
    return ldexp((double)kept, (int)lowest + m->exponent);
}

/* ---- integers -------------------------------------------------------------------------------- */

/* magnitude x part / of, as a whole part and 128 bits after the point, to the nearest. */
static void share(uint64_t *whole, uint128 *fraction, uint64_t magnitude, int64_t part, int64_t of)
{
    uint64_t by = (uint64_t)of;
    uint128 product = (uint128)magnitude * (uint64_t)part;
    *whole = (uint64_t)(product / by);
    uint128 rest = (product % by) << 64;
    uint64_t high = (uint64_t)(rest / by);
    rest = (rest % by) << 64;
    uint64_t low = (uint64_t)(rest / by);
    *fraction = (uint128)high << 64 | low;
    if ((rest % by) * 2 >= by) {
        *fraction += 1;
        *whole += *fraction == 0;
    }
}

void whole_sum_add_share(struct whole_sum *sum, int64_t value, int64_t part, int64_t of)
{
    uint64_t whole;
    uint128 fraction;
    share(&whole, &fraction, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, part, of);
    uint128 before = sum->fraction;
    if (value < 0) {
        sum->fraction = before - fraction;
        sum->whole -= (int128)whole + (before < fraction);
    } else {
        sum->fraction = before + fraction;
        sum->whole += (int128)whole + (sum->fraction < before);
    }
}

/* Where a whole number and what it is divided by are doubles, their quotient is rounded once. */
static bool quotient_of_doubles(double *out, const struct whole_sum *sum, int exponent,
                                uint64_t count)
{
    const int128 exact = (int128)1 << 53;
    int128 whole = sum->whole;
    int128 divisor = count;
    if (sum->fraction != 0 || whole < -exact || whole > exact)
        return false;
    for (; exponent > 0; exponent--)
        whole *= 10;
    for (; exponent < 0; exponent++)
        divisor *= 10;
    if (whole < -exact || whole > exact || divisor > exact)
        return false;
    *out = (double)whole / (double)divisor;
    return true;
}

double whole_sum_double(const struct whole_sum *sum, int exponent, uint64_t count)
{
    static const uint64_t ten = 10;
    double quotient;
    if (CORE_LIKELY(quotient_of_doubles(&quotient, sum, exponent, count)))
        return quotient;
    bool is_negative = sum->whole < 0;
    uint128 whole = (uint128)sum->whole;
    uint128 fraction = sum->fraction;
    if (is_negative) {
        fraction = 0 - fraction;
        whole = ~whole + (fraction == 0);
    }
    /* Below the 128 bits of the fraction 256 of zeros, so that a quotient has enough digits. */
    enum { ZERO_DIGITS = 8, HALF_DIGITS = 4, SCALE_DIGITS = 2 };
    struct magnitude m = { .count = ZERO_DIGITS + 2 * HALF_DIGITS + SCALE_DIGITS,
                           .exponent = -128 - 32 * ZERO_DIGITS,
                           .is_near = sum->fraction != 0 };
    for (size_t i = 0; i < HALF_DIGITS; i++) {
        m.digits[ZERO_DIGITS + i] = (uint32_t)(fraction >> (32 * i));
        m.digits[ZERO_DIGITS + HALF_DIGITS + i] = (uint32_t)(whole >> (32 * i));
    }
    uint64_t scale = 1;
    for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--)
        scale *= ten;
    if (exponent > 0)
        multiply(&m, scale);
    else if (exponent < 0)
        divide(&m, scale);
    if (count > 1)
        divide(&m, count);
    double value = round_once(&m);
    return is_negative ? -value : value;
}

/* ---- floats ---------------------------------------------------------------------------------- */

enum { DIGIT_BITS = 32, FRACTION_BITS = 52, EXPONENT_MAX = 0x7ff, LAST_PLACE = -1075 };
/* Each addition adds less than 2^32 to a digit, which has 63 bits. */
enum { PENDING_MAX = 1 << 30 };

struct parts {
    uint64_t magnitude;
    int exponent; /* the value is magnitude x 2^(exponent + LAST_PLACE) */
    bool is_negative;
};

/* False: not finite. */
static bool take_apart(struct parts *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> FRACTION_BITS & EXPONENT_MAX);
    if (exponent == EXPONENT_MAX)
        return false;
    out->magnitude = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    if (exponent > 0)
        out->magnitude |= (uint64_t)1 << FRACTION_BITS;
    out->exponent = exponent > 0 ? exponent : 1;
    out->is_negative = bits >> 63 != 0;
    return true;
}

/* What a digit has beyond its 32 bits belongs to the next one; the last keeps the sign. */
static void carry(struct real_sum *sum)
{
    for (size_t i = 0; i + 1 < REAL_DIGITS; i++) {
        int64_t over = floor_div_i64(sum->digits[i], INT64_C(1) << DIGIT_BITS);
        sum->digits[i] -= over * (INT64_C(1) << DIGIT_BITS);
        sum->digits[i + 1] += over;
    }
    sum->pending = 0;
}

/* Add 64 bits at a place of the accumulator. */
static void add_bits(struct real_sum *sum, uint64_t bits, int place, bool negative)
{
    uint128 at_place = (uint128)bits << (place % DIGIT_BITS);
    int64_t *digits = sum->digits + place / DIGIT_BITS;
    for (int i = 0; i < 3; i++) {
        int64_t digit = (uint32_t)(at_place >> (DIGIT_BITS * i));
        digits[i] += negative ? -digit : digit;
    }
    if (++sum->pending >= PENDING_MAX)
        carry(sum);
}

void real_sum_add(struct real_sum *sum, double value, bool negative)
{
    struct parts p;
    if (take_apart(&p, value))
        add_bits(sum, p.magnitude, p.exponent + LAST_PLACE - REAL_EXPONENT,
                 p.is_negative != negative);
}

void real_sum_add_share(struct real_sum *sum, double value, int64_t part, int64_t of)
{
    struct parts p;
    uint64_t whole;
    uint128 fraction;
    if (!take_apart(&p, value))
        return;
    share(&whole, &fraction, p.magnitude, part, of);
    sum->has_shares = true;
    int place = p.exponent + LAST_PLACE - REAL_EXPONENT;
    add_bits(sum, whole, place, p.is_negative);
    add_bits(sum, (uint64_t)(fraction >> 64), place - 64, p.is_negative);
    add_bits(sum, (uint64_t)fraction, place - 128, p.is_negative);
}

void real_sum_merge(struct real_sum *sum, const struct real_sum *other)
{
    struct real_sum own = *other;
    carry(&own);
    carry(sum);
    for (size_t i = 0; i < REAL_DIGITS; i++)
        sum->digits[i] += own.digits[i];
    sum->pending = 1;
    sum->has_shares = sum->has_shares || own.has_shares;
}

double real_sum_double(const struct real_sum *sum, uint64_t count)
{
    struct real_sum own = *sum;
    carry(&own);
    bool is_negative = own.digits[REAL_DIGITS - 1] < 0;
    if (is_negative) {
        for (size_t i = 0; i < REAL_DIGITS; i++)
            own.digits[i] = -own.digits[i];
        carry(&own);
    }
    struct magnitude m = { .count = REAL_DIGITS,
                           .exponent = REAL_EXPONENT,
                           .is_near = own.has_shares };
    for (size_t i = 0; i < REAL_DIGITS; i++)
        m.digits[i] = (uint32_t)own.digits[i];
    if (count > 1)
        divide(&m, count);
    double value = round_once(&m);
    return is_negative ? -value : value;
}
