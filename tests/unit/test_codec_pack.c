/*
 * test_codec_pack.c -- words as bits, and arrays of integers.
 *
 * Claim: words of every width and number come back; the bytes are those of format-spec/blocks.md,
 * "Bits", whatever instruction set wrote them. Every array comes back in whichever form was chosen,
 * each form is chosen where it is the smallest, and no bytes make a decoder overrun. Method: the page
 * written down bit by bit, against the loops; series of many shapes; truncations, flips and noise.
 */
#include "codec/codec_impl.h"
#include "codec/codec_lanes.h"
#include "random.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bits ------------------------------------------------------------------------------------ */

/* "Bits" of blocks.md, one bit at a time. */
static void bits_by_the_page(uint8_t *out, const uint64_t *words, size_t count, unsigned width)
{
    size_t lane_bits = width <= 16 ? 16 : width <= 32 ? 32 : 64;
    size_t lanes = 512 / lane_bits;
    size_t groups = count / 512;
    memset(out, 0, pack_bytes(count, width));
    for (size_t i = 0; i < count; i++) {
        for (size_t b = 0; b < width; b++) {
            size_t at; /* of the bit, from the first of `out` */
            if (i < groups * 512) {
                size_t lane = i % 512 % lanes;
                size_t bit = i % 512 / lanes * width + b; /* of the lane */
                size_t word = bit / lane_bits * lanes + lane;
                at = i / 512 * 512 * width + word * lane_bits + bit % lane_bits;
            } else {
                at = groups * 512 * width + (i - groups * 512) * width + b;
            }
            out[at / 8] = (uint8_t)(out[at / 8] | (words[i] >> b & 1) << at % 8);
        }
    }
}

START_TEST(words_of_every_width_are_laid_out_as_the_page_says)
{
    static uint64_t words[1100];
    static uint8_t expected[1100 * 8];
    static int64_t back[1101];
    static const size_t counts[] = { 1, 2, 7, 31, 511, 512, 513, 1023, 1024, 1100 };
    struct random random = { (uint64_t)_i };
    unsigned width = (unsigned)_i;
    for (size_t c = 0; c < CORE_COUNT(counts); c++) {
        size_t count = counts[c];
        struct buffer packed;
        buffer_init(&packed);
        for (size_t i = 0; i < count; i++)
            words[i] = random_u64(&random); /* higher bits are left out */
        pack_append(&packed, words, count, width);
        bits_by_the_page(expected, words, count, width);
        CHECK(packed.bytes == pack_bytes(count, width));
        CHECK(packed.bytes == 0 || memcmp(packed.data, expected, packed.bytes) == 0);

        struct reader r = reader_over(packed.data, packed.bytes);
        int64_t base = (int64_t)random_u64(&random);
        uint64_t mask = width == 0 ? 0 : UINT64_MAX >> (64 - width);
        back[count] = 77;
        CHECK(unpack(back, &r, count, width, base));
        CHECK(reader_is_done(&r) && back[count] == 77);
        for (size_t i = 0; i < count; i++)
            CHECK(back[i] == wrap_add_i64((int64_t)(words[i] & mask), base));
        if (packed.bytes > 0) {
            r = reader_over(packed.data, packed.bytes - 1);
            CHECK(!unpack(back, &r, count, width, base));
        }
        buffer_release(&packed);
    }
}
END_TEST

static void check_lanes(const struct codec_lanes *lanes, const char *name, struct random *random)
{
    static uint64_t words[LANES_GROUP];
    static uint8_t expected[LANES_GROUP * 8], packed[LANES_GROUP * 8 + 1];
    static int64_t back[LANES_GROUP + 1], plain[LANES_GROUP];
    for (unsigned width = 1; width <= 64; width++) {
        for (size_t i = 0; i < LANES_GROUP; i++)
            words[i] = random_u64(random);
        int64_t base = (int64_t)random_u64(random);
        packed[width * 64] = 0xaa;
        back[LANES_GROUP] = 77;
        codec_lanes_plain.pack(expected, words, width);
        lanes->pack(packed, words, width);
        codec_lanes_plain.unpack(plain, expected, width, base);
        lanes->unpack(back, packed, width, base);
        if (memcmp(packed, expected, (size_t)width * 64) != 0 || packed[width * 64] != 0xaa ||
            memcmp(back, plain, sizeof plain) != 0 || back[LANES_GROUP] != 77)
            ck_abort_msg("%s: width %u", name, width);
    }
}

/* The loops over small values, against what they say in codec_lanes.h, value by value. */
static void check_small(const struct codec_lanes *lanes, const char *name, struct random *random)
{
    enum { VALUES = LANES_SUM_VALUES, GUARD = 99 };
    static int32_t values[VALUES + 1], list[LANES_LIST];
    static int64_t sums[VALUES + 1];
    static uint64_t words[LANES_GROUP];
    static uint8_t packed[LANES_GROUP * 2];
    for (unsigned width = 1; width <= LANES_SMALL_BITS; width++) {
        int32_t base = (int32_t)random_below(random, 2000) - 1000;
        for (size_t i = 0; i < LANES_GROUP; i++)
            words[i] = random_below(random, (uint64_t)1 << width);
        codec_lanes_plain.pack(packed, words, width);
        values[LANES_GROUP] = GUARD;
        lanes->unpack_small(values, packed, width, base);
        for (size_t i = 0; i < LANES_GROUP; i++) {
            if (values[i] != base + (int32_t)words[i] || values[LANES_GROUP] != GUARD)
                ck_abort_msg("%s: small words of %u bits", name, width);
        }
    }
    for (unsigned width = 1; width <= LANES_LIST_BITS; width++) {
        for (unsigned round = 0; round < 20; round++) {
            unsigned entries = 1 + (unsigned)random_below(random, (uint64_t)1 << width);
            unsigned sought = (unsigned)random_below(random, entries);
            unsigned expected = 0;
            size_t ones = 5;
            uint32_t found[LANES_GROUP / LANES_STRETCH];
            for (size_t i = 0; i < LANES_LIST; i++)
                list[i] = (int32_t)random_u64(random);
            for (size_t i = 0; i < LANES_GROUP; i++) {
                words[i] = random_below(random, entries);
                expected = words[i] > expected ? (unsigned)words[i] : expected;
            }
            codec_lanes_plain.pack(packed, words, width);
            values[LANES_GROUP] = GUARD;
            if (lanes->unpack_listed(values, found, &ones, packed, width, list, sought) !=
                    expected ||
                values[LANES_GROUP] != GUARD)
                ck_abort_msg("%s: the greatest of %u bits", name, width);
            for (size_t i = 0; i < LANES_GROUP; i++) {
                bool is_found = (found[i / LANES_STRETCH] >> i % LANES_STRETCH & 1) != 0;
                if (is_found != (words[i] == sought) || values[i] != list[words[i]])
                    ck_abort_msg("%s: listed word %zu of %u bits", name, i, width);
                ones -= is_found;
            }
            ck_assert_uint_eq(ones, 5);
            int32_t others[LANES_GROUP], next = 0;
            for (size_t i = 0; i < LANES_GROUP; i++)
                others[i] = (int32_t)random_u64(random);
            lanes->replace(values, found, LANES_GROUP / LANES_STRETCH, others);
            for (size_t i = 0; i < LANES_GROUP; i++) {
                int32_t value = words[i] == sought ? others[next++] : list[words[i]];
                if (values[i] != value || values[LANES_GROUP] != GUARD)
                    ck_abort_msg("%s: replaced value %zu of %u bits", name, i, width);
            }
        }
    }
    for (unsigned round = 0; round < 200; round++) {
        size_t count = 1 + random_below(random, VALUES);
        int64_t first = (int64_t)random_u64(random) >> 3;
        uint32_t scale = round % 3 == 0 ? 1 : 1 + (uint32_t)random_below(random, 1000000000);
        int64_t sum = 0;
        int32_t least = INT32_MAX;
        for (size_t i = 0; i < count; i++) {
            values[i] = (int32_t)random_below(random, 1 << 21) - (1 << 20) + (i < 9);
            least = i > 0 && values[i] < least ? values[i] : least;
        }
        sums[count] = GUARD;
        if (lanes->sums(sums, values, count, first, scale) != least)
            ck_abort_msg("%s: the least of %zu", name, count);
        for (size_t i = 0; i < count; i++) {
            sum += i > 0 ? values[i] : 0;
            if (sums[i] != first + sum * scale || sums[count] != GUARD)
                ck_abort_msg("%s: sum %zu of %zu", name, i, count);
        }
    }
}

/* Sums of listed words, as codec_lanes.h says, up to the greatest that words of 16 bits hold. */
static void check_listed(const struct codec_lanes *lanes, const char *name, struct random *random)
{
    enum { VALUES = 2 * LANES_GROUP, GUARD = 99 };
    static uint64_t words[VALUES];
    static uint8_t packed[VALUES * 2];
    static uint16_t list[LANES_SHORT_LIST], others[VALUES + LANES_SHORT_LIST];
    static int64_t sums[VALUES + 1];
    for (unsigned round = 0; lanes->sums_listed != NULL && round < 600; round++) {
        struct lanes_listed listed = { .in = packed, .list = list, .others = others };
        uint32_t found[VALUES / LANES_STRETCH];
        unsigned expected = 0;
        size_t ones = 5, next = 0;
        listed.width = 1 + round % LANES_SHORT_BITS;
        listed.groups = 1 + round % 2;
        listed.bias = (uint16_t)(round % 3 == 0 ? 0 : random_below(random, LANES_SHORT_END));
        uint32_t scale = listed.bias != 0 ? 1 : 1 + (uint32_t)random_below(random, 1000000000);
        int64_t first = (int64_t)random_u64(random) >> 2;
        uint64_t entries = 1 + random_below(random, (uint64_t)1 << listed.width);
        listed.sought = round % 4 == 0 ? UINT16_MAX : (unsigned)random_below(random, entries);
        for (size_t i = 0; i < LANES_SHORT_LIST; i++)
            list[i] = (uint16_t)(LANES_SHORT_END - 1 - random_below(random, round % 7 ? 2048 : 1));
        for (size_t i = 0; i < CORE_COUNT(others); i++)
            others[i] = (uint16_t)random_below(random, LANES_SHORT_END);
        for (size_t i = 0; i < listed.groups * LANES_GROUP; i++) {
            words[i] = random_below(random, entries);
            expected = words[i] > expected ? (unsigned)words[i] : expected;
        }
        for (size_t group = 0; group < listed.groups; group++)
            codec_lanes_plain.pack(packed + group * LANES_REGISTER_BYTES * listed.width,
                                   words + group * LANES_GROUP, listed.width);
        sums[listed.groups * LANES_GROUP] = GUARD;
        if (lanes->count_listed(found, &ones, &listed) != expected)
            ck_abort_msg("%s: the greatest of %u bits", name, listed.width);
        lanes->sums_listed(sums, &listed, first, scale);
        int64_t at = first;
        for (size_t i = 0; i < listed.groups * LANES_GROUP; i++) {
            bool is_found = words[i] == listed.sought;
            int64_t value = (is_found ? others[next] : list[words[i]]) - listed.bias;
            next += is_found;
            at += i > 0 ? value * scale : 0;
            if (sums[i] != at || (found[i / LANES_STRETCH] >> i % LANES_STRETCH & 1) != is_found)
                ck_abort_msg("%s: listed sum %zu of %u bits", name, i, listed.width);
        }
        CHECK(next == ones && sums[listed.groups * LANES_GROUP] == GUARD);
    }
}

/* Rows of pairs, as codec_lanes.h says; more rows than there are have symbols that are escapes. */
static void check_pairs(const struct codec_lanes *lanes, const char *name, struct random *random)
{
    enum { ROWS = 640, GUARD = 99 };
    static uint8_t symbols[ROWS], gap_of[256];
    static int8_t change_of[256];
    static int32_t gaps[ROWS + LANES_SUM_ROW], changes[ROWS + LANES_SUM_ROW];
    static int64_t time[ROWS + 1], values[ROWS + 1];
    for (unsigned round = 0; round < 300; round++) {
        size_t count = 1 + random_below(random, ROWS);
        uint64_t rare = 1 + random_below(random, 300);
        struct lanes_pairs pairs = {
            .symbols = symbols,
            .count = count,
            .gap_of = gap_of,
            .change_of = change_of,
            .gaps = gaps,
            .changes = changes,
            .time = (int64_t)random_u64(random) >> 2,
            .value = (int64_t)random_u64(random),
            .ns = (uint32_t)random_u64(random),
        };
        for (size_t i = 1; i < 256; i++) {
            gap_of[i] = (uint8_t)random_u64(random);
            change_of[i] = (int8_t)random_u64(random);
        }
        memset(symbols, 0, sizeof symbols);
        for (size_t i = 0; i < count; i++) {
            symbols[i] = random_below(random, rare) == 0 ? 0 : (uint8_t)random_u64(random);
            gaps[i] = (int32_t)random_below(random, 1 << 20);
            changes[i] = (int32_t)random_below(random, 1 << 21) - (1 << 20);
        }
        time[count] = values[count] = GUARD;
        lanes->pairs(time, values, &pairs);
        int64_t at = pairs.time;
        int64_t value = pairs.value;
        size_t escapes = 0;
        for (size_t i = 0; i < count; i++) {
            bool is_escape = symbols[i] == 0;
            if (i > 0) {
                at += (int64_t)(is_escape ? gaps[escapes] : gap_of[symbols[i]]) * pairs.ns;
                value = wrap_add_i64(value, is_escape ? changes[escapes] : change_of[symbols[i]]);
            }
            escapes += is_escape;
            if (time[i] != at || values[i] != value)
                ck_abort_msg("%s: pair %zu of %zu", name, i, count);
        }
        CHECK(time[count] == GUARD && values[count] == GUARD);
    }
}

static void check_turn(const struct codec_lanes *lanes, struct random *random)
{
    static uint8_t by_step[RANS_COUNT_MAX], out[RANS_COUNT_MAX];
    for (size_t steps = LANES_TURN; steps <= RANS_COUNT_MAX / RANS_LANES; steps++) {
        for (size_t i = 0; i < steps * RANS_LANES; i++)
            by_step[i] = (uint8_t)random_u64(random);
        lanes->turn(out, by_step, steps);
        for (size_t i = 0; i < steps * RANS_LANES; i++)
            CHECK(out[i] == by_step[i % steps * RANS_LANES + i / steps]);
    }
}

START_TEST(every_instruction_set_reads_and_writes_the_same)
{
    static const char *const names[] = { "plain", "avx2", "avx512" };
    struct random random = { 9 };
    for (size_t i = 0; i < CORE_COUNT(names); i++) {
        if (!codec_loops_use((enum codec_loops)(CODEC_LOOPS_PLAIN + i))) {
            printf("%s: left out, this CPU has none\n", names[i]);
            continue;
        }
        check_lanes(codec_lanes(), names[i], &random);
        check_small(codec_lanes(), names[i], &random);
        check_listed(codec_lanes(), names[i], &random);
        check_pairs(codec_lanes(), names[i], &random);
        check_turn(codec_lanes(), &random);
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
}
END_TEST

/* ---- arrays ---------------------------------------------------------------------------------- */

enum { ROWS = CODEC_PACKED_ROWS_MAX };

static size_t encoded(struct buffer *out, const int64_t *values, size_t count)
{
    buffer_clear(out);
    array_encode(out, values, count);
    CHECK(!out->failed);
    int64_t back[ROWS + 1];
    back[count] = 77;
    struct reader r = reader_over(out->data, out->bytes);
    CHECK(array_decode(back, &r, count));
    CHECK(reader_is_done(&r));
    CHECK(back[count] == 77);
    for (size_t i = 0; i < count; i++) {
        if (back[i] != values[i])
            ck_abort_msg("value %zu of %zu, code %u: %lld, expected %lld", i, count, out->data[0],
                         (long long)back[i], (long long)values[i]);
    }
    return out->bytes;
}

enum { SHAPES = 18 };

static int64_t shape_value(struct random *random, int shape, size_t i, int64_t before)
{
    uint64_t x = random_u64(random);
    switch (shape) {
    case 0: /* equal */
        return -7;
    case 1: /* heart rate */
        return before + (int64_t)(x % 7) - 3 + (x >> 32 < (UINT64_C(1) << 27) ? 40 : 0);
    case 2: /* gaps between samples */
        return (x & 15) < 9 ? 5 : (x & 15) < 14 ? 10 : (x & 15) < 15 ? 1 : (int64_t)(x >> 50);
    case 3: /* steps a minute */
        return (x & 7) < 6 ? 0 : (int64_t)(x >> 57);
    case 4: /* stages of sleep */
        return i % 97 == 0 ? (int64_t)(x >> 62) : before;
    case 5: /* a regular clock */
        return (int64_t)i * 1000 - 5000;
    case 6: /* 64 bits of noise */
        return (int64_t)x;
    case 7: /* the ends of the range */
        return (x & 3) == 0 ? INT64_MIN : (x & 3) == 1 ? INT64_MAX : (int64_t)(x >> 60);
    case 8: /* one far outlier, below and above */
        return i == 300 ? -1000000 : i == 301 ? 1000000000 : 960 + (int64_t)(x >> 58);
    case 9: /* few values, far apart */
        return (int64_t)(x >> 62) * 1000000007 - 5;
    case 10: /* two values */
        return (int64_t)(x >> 63);
    case 11: /* 40 bits */
        return (int64_t)(x >> 24);
    case 12: /* a noisy ramp of 20 bits a step */
        return before + (int64_t)(x >> 44);
    case 13: /* runs of few values */
        return i % 5 == 0 ? (int64_t)(x >> 62) : before;
    case 14: /* narrow, with an outlier below */
        return (x & 63) == 0 ? 50 : 955 + (int64_t)(x >> 60);
    case 15: /* a counter that mostly stands still */
        return before + ((x & 7) == 0);
    case 16: /* narrow, but for the ends of the range */
        return i == 500 ? INT64_MIN : i == 501 ? INT64_MAX : 1000 + (int64_t)(x % 700);
    default: /* negative 33 bits */
        return -(int64_t)(x >> 31);
    }
}

static void shape_fill(int64_t *values, size_t count, int shape, uint64_t seed)
{
    struct random random = { seed };
    for (size_t i = 0; i < count; i++)
        values[i] = shape_value(&random, shape, i, i > 0 ? values[i - 1] : 60);
}

START_TEST(arrays_of_every_shape_come_back)
{
    int64_t values[ROWS];
    struct buffer bytes;
    buffer_init(&bytes);
    for (size_t count = 1; count <= ROWS; count += count < 40 ? 1 : 61) {
        shape_fill(values, count, _i, count);
        size_t took = encoded(&bytes, values, count);
        CHECK(took <= 8 * count + 13); /* A1 */
    }
    shape_fill(values, ROWS, _i, 3);
    encoded(&bytes, values, ROWS);
    buffer_release(&bytes);
}
END_TEST

START_TEST(loops_that_are_chosen_give_the_same_bytes)
{
    static int64_t values[ROWS];
    struct buffer plain, other;
    buffer_init(&plain);
    buffer_init(&other);
    CHECK(codec_loops_use(CODEC_LOOPS_PLAIN));
    shape_fill(values, ROWS, _i, 5);
    encoded(&plain, values, ROWS);
    for (int loops = CODEC_LOOPS_AVX512; loops >= CODEC_LOOPS_BEST; loops--) {
        if (!codec_loops_use((enum codec_loops)loops))
            continue;
        encoded(&other, values, ROWS);
        CHECK(other.bytes == plain.bytes);
        CHECK(memcmp(other.data, plain.data, plain.bytes) == 0);
    }
    CHECK(!codec_loops_use((enum codec_loops)(CODEC_LOOPS_AVX512 + 1)));
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    buffer_release(&plain);
    buffer_release(&other);
}
END_TEST

/* Few values and others beside them, some of which are far too large for short words; whatever the first one is. */
START_TEST(sums_of_few_values_are_the_same_by_all_loops)
{
    static int64_t values[ROWS], sums[ROWS];
    struct random random = { (uint64_t)_i };
    struct buffer bytes;
    size_t count =
        _i % 5 == 0 ? 1 + random_below(&random, ROWS) : LANES_GROUP * (1 + (size_t)_i % 2);
    uint32_t scale = _i % 2 == 0 ? 1 : 1000000000;
    int64_t few = 1 + (int64_t)random_below(&random, 30);
    size_t far = random_below(&random, 7);
    int64_t first = (int64_t)random_u64(&random) >> 3;
    buffer_init(&bytes);
    for (size_t i = 0; i < count; i++) {
        values[i] = (int64_t)random_below(&random, (uint64_t)few) - (scale == 1 ? few / 2 : 0);
        if (random_below(&random, 20) == 0)
            values[i] = (int64_t)random_below(&random, 1000);
    }
    for (size_t i = 0; i < far; i++)
        values[random_below(&random, _i % 3 == 0 && i == 0 ? 1 : count)] =
            (int64_t)random_below(&random, SMALL_END) - (scale == 1 ? SMALL_END / 2 : 0);
    array_encode(&bytes, values, count);
    int64_t least = INT32_MAX;
    bool was_taken = false;
    for (size_t i = 1; i < count; i++)
        least = values[i] < least ? values[i] : least;
    for (int loops = CODEC_LOOPS_PLAIN; loops <= CODEC_LOOPS_AVX512; loops++) {
        struct reader r = reader_over(bytes.data, bytes.bytes);
        int64_t at = first;
        int32_t told;
        if (!codec_loops_use((enum codec_loops)loops) || bytes.data[0] > 4)
            continue;
        bool is_taken = array_decode_sums(sums, &told, &r, count, first, scale);
        was_taken = loops == CODEC_LOOPS_PLAIN ? is_taken : was_taken;
        CHECK(is_taken == was_taken && (is_taken || far > 0));
        if (!is_taken)
            continue;
        CHECK(reader_is_done(&r) && told <= least);
        for (size_t i = 0; i < count; i++) {
            at += i > 0 ? values[i] * scale : 0;
            ck_assert_int_eq(sums[i], at);
        }
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    buffer_release(&bytes);
}
END_TEST

/* A list of what is common, however many different values the rest has: a bit each, and the rest in 10. */
START_TEST(a_common_value_among_many_rare_ones_is_a_list)
{
    int64_t values[ROWS];
    struct buffer bytes;
    struct random random = { 4 };
    buffer_init(&bytes);
    for (size_t i = 0; i < ROWS; i++)
        values[i] = i % 3 != 0 ? 0 : 1 + (int64_t)(i * 691 % 1000);
    for (size_t i = 0; i < ROWS; i++) {
        size_t other = random_below(&random, ROWS);
        int64_t value = values[i];
        values[i] = values[other];
        values[other] = value;
    }
    ck_assert_uint_lt(encoded(&bytes, values, ROWS), ROWS / 8 + ROWS / 3 * 10 / 8 + 40);
    buffer_release(&bytes);
}
END_TEST

START_TEST(the_form_is_the_one_that_suits)
{
    static const struct {
        int shape;
        uint8_t code, inner; /* inner: of changes */
        size_t bytes_most;   /* of 1,024 values */
    } expected[] = {
        { 0, 1, 0, 2 },     { 1, 5, 4, 420 },  { 2, 4, 0, 400 },  { 4, 6, 0, 60 },
        { 5, 5, 1, 6 },     { 6, 2, 0, 8207 }, { 10, 2, 0, 134 }, { 9, 3, 0, 290 },
        { 12, 5, 2, 2600 }, { 8, 2, 0, 800 },  { 14, 2, 0, 600 }, { 15, 5, 2, 135 },
        { 16, 2, 0, 1320 },
    };
    int64_t values[ROWS];
    struct buffer bytes;
    buffer_init(&bytes);
    for (size_t i = 0; i < CORE_COUNT(expected); i++) {
        shape_fill(values, ROWS, expected[i].shape, 5);
        size_t took = encoded(&bytes, values, ROWS);
        if (bytes.data[0] != expected[i].code || took > expected[i].bytes_most)
            ck_abort_msg("shape %d: code %u of %zu bytes", expected[i].shape, bytes.data[0], took);
        if (expected[i].inner != 0) {
            struct reader r = reader_over(bytes.data + 1, took - 1);
            (void)get_zigzag(&r);
            uint8_t inner = get_u8(&r);
            if (inner != expected[i].inner)
                ck_abort_msg("shape %d: changes in code %u of %zu bytes", expected[i].shape, inner,
                             took);
        }
    }
    buffer_release(&bytes);
}
END_TEST

/* Cut, flipped, random: refused, or values; never more than was given. */
START_TEST(no_bytes_make_a_decoder_overrun)
{
    int64_t values[ROWS];
    int64_t back[ROWS];
    struct buffer bytes;
    struct random random = { (uint64_t)_i };
    buffer_init(&bytes);
    size_t count = _i % 2 == 0 ? 600 : 40;
    shape_fill(values, count, _i, 5);
    size_t took = encoded(&bytes, values, count);
    for (size_t cut = 0; cut < took; cut++) {
        uint8_t *copy = malloc(cut > 0 ? cut : 1); /* its own, so that a sanitizer sees its end */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes.data, cut);
        struct reader r = reader_over(copy, cut);
        CHECK(!array_decode(back, &r, count));
        free(copy);
    }
    for (size_t round = 0; round < 4000; round++) {
        uint8_t *copy = malloc(took);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, bytes.data, took);
        for (size_t flips = 1 + random_below(&random, 3); flips > 0; flips--) {
            size_t bit = random_below(&random, (took < 24 ? took : 24) * 8);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        struct reader r = reader_over(copy, took);
        (void)array_decode(back, &r, count);
        free(copy);
    }
    for (size_t round = 0; round < 4000; round++) {
        size_t length = random_below(&random, 300);
        uint8_t *noise = malloc(length > 0 ? length : 1);
        ck_assert_ptr_nonnull(noise);
        for (size_t i = 0; i < length; i++)
            noise[i] = (uint8_t)random_u64(&random);
        if (length > 0)
            noise[0] = (uint8_t)(1 + random_below(&random, 7));
        struct reader r = reader_over(noise, length);
        (void)array_decode(back, &r, 1 + random_below(&random, ROWS));
        free(noise);
    }
    buffer_release(&bytes);
}
END_TEST

START_TEST(what_the_page_forbids_is_refused)
{
    static const struct {
        const char *hex;
        size_t count;
        bool is_right;
    } cases[] = {
        { "0102", 3, true },                       /* constant 1 */
        { "0002", 3, false },                      /* no such code */
        { "0702", 3, false },                      /* of floats */
        { "0200 00", 3, true },                    /* packed, width 0 */
        { "0200 41", 3, false },                   /* 65 bits */
        { "0200 80 01 00 01 01", 3, true },        /* one patch, at 0 */
        { "0200 80 00", 3, false },                /* none, and told of */
        { "0200 80 04 00000000 01 0f", 3, false }, /* more than values */
        { "0200 80 01 03 01 01", 3, false },       /* beyond the last */
        { "0200 80 02 00 02 01 03", 3, false },    /* 0, then 3 */
        { "0200 80 01 00 00 01", 3, false },       /* highs of no bits */
        { "0200 80 01 00 41 01", 3, false },       /* of 65 */
        { "0300 04", 3, true },                    /* one entry */
        { "0301 0406 03", 3, true },               /* 1, 1, 0 */
        { "0302 040608 3f", 3, false },            /* index 3 of 3 */
        { "0400 04 01 0102", 3, true },            /* an escape */
        { "0400 04 00 0102", 3, false },           /* none, and told of */
        { "0400 04 01 0300 02", 3, false },        /* escapes are no dictionary */
        { "0502 0102", 3, true },                  /* 1, 2, 3 */
        { "0502 0502 0102", 3, false },            /* changes of changes */
        { "0502 0601 0106 0102", 3, false },       /* runs in changes */
        { "0601 0106 0102", 3, true },             /* 3 ones */
        { "0600 0106 0102", 3, false },            /* no runs */
        { "0604 0106 0102", 3, false },            /* 4 of 3 */
        { "0601 0104 0102", 3, false },            /* 2 of 3 */
        { "0601 0108 0102", 3, false },            /* 4 of 3 */
        { "0602 0100 0102", 3, false },            /* runs of nothing */
        { "0601 0502 0106 0102", 3, false },       /* changes in runs */
    };
    for (size_t i = 0; i < CORE_COUNT(cases); i++) {
        uint8_t bytes[32];
        int64_t back[ROWS];
        size_t count = 0;
        for (const char *at = cases[i].hex; *at != '\0'; at++) {
            unsigned byte;
            if (*at == ' ')
                continue;
            ck_assert_int_eq(sscanf(at, "%2x", &byte), 1);
            bytes[count++] = (uint8_t)byte;
            at++;
        }
        struct reader r = reader_over(bytes, count);
        bool is_right = array_decode(back, &r, cases[i].count) && reader_is_done(&r);
        if (is_right != cases[i].is_right)
            ck_abort_msg("%s: %s", cases[i].hex, is_right ? "accepted" : "refused");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_pack");
    TCase *tcase = tcase_create("pack");
    tcase_add_loop_test(tcase, words_of_every_width_are_laid_out_as_the_page_says, 0, 65);
    tcase_add_test(tcase, every_instruction_set_reads_and_writes_the_same);
    tcase_add_loop_test(tcase, arrays_of_every_shape_come_back, 0, SHAPES);
    tcase_add_loop_test(tcase, loops_that_are_chosen_give_the_same_bytes, 0, SHAPES);
    tcase_add_loop_test(tcase, sums_of_few_values_are_the_same_by_all_loops, 0, 400);
    tcase_add_test(tcase, a_common_value_among_many_rare_ones_is_a_list);
    tcase_add_test(tcase, the_form_is_the_one_that_suits);
    tcase_add_loop_test(tcase, no_bytes_make_a_decoder_overrun, 0, SHAPES);
    tcase_add_test(tcase, what_the_page_forbids_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
