/*
 * query_sum.h -- sums that no order of adding changes.
 *
 * Integers, and shares of them, in fixed point: 128 bits before the point and 128 after it. Floats
 * in fixed point, too, wide enough for every double (a long accumulator: U. Kulisch, "Very fast and
 * exact accumulation of products", 2011). A result is rounded once, half to even. Threads: one at a
 * time.
 */
#ifndef QUERY_QUERY_SUM_H
#define QUERY_QUERY_SUM_H

#include "core/core.h"

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

/** whole + fraction x 2^-128, in units of the field's last place. */
struct whole_sum {
    int128 whole;
    uint128 fraction;
};

/** The share of a value that `part` of `of` is, 0 <= part < of: to the nearest 2^-128. */
void whole_sum_add_share(struct whole_sum *sum, int64_t value, int64_t part, int64_t of);
/** sum x 10^exponent / count, -18 <= exponent <= 18, count > 0: the nearest double. */
double whole_sum_double(const struct whole_sum *sum, int exponent, uint64_t count);

/** Digits of 32 bits with room for carries; the first is worth 2^-1216. */
enum { REAL_DIGITS = 72, REAL_EXPONENT = -1216 };

struct real_sum {
    int64_t digits[REAL_DIGITS];
    uint32_t pending; /* additions since carries were passed on */
    bool has_shares;
};

/** Add a value, or with `negative` take it away. What is not finite is passed over. */
void real_sum_add(struct real_sum *sum, double value, bool negative);
/** The share of a value that `part` of `of` is: to the nearest 2^-128 of the value's last place. */
void real_sum_add_share(struct real_sum *sum, double value, int64_t part, int64_t of);
void real_sum_merge(struct real_sum *sum, const struct real_sum *other);
/** sum / count: the nearest double, infinite beyond all. count > 0. */
double real_sum_double(const struct real_sum *sum, uint64_t count);

#endif
