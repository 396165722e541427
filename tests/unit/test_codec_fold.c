/*
 * test_codec_fold.c -- what is folded of a block's field without rows is what its rows say.
 *
 * Claim: filters leave the places that pass. Number, sum, least and greatest of the values in a range are those of the decoded rows, in blocks of every shape, packed
 * and coded, by all loops; passing by an array ends where reading it does; the quick way is taken where it is meant to be;
 * damaged bytes do no harm. Method: seeded columns, ranges from one value to all, compared with a plain loop; flips and cuts.
 */
#include "codec/codec_cold.h"
#include "random.h"
#include "run.h"
#include "shapes.h"

#include <string.h>

static const size_t counts[] = { 1, 2, 17, 96, 511, 512, 1023, 1024, 1025, 4096, 8191, 8192 };

static struct codec_fold plain_fold(const int64_t *values, size_t count, int64_t low, int64_t high)
{
    struct codec_fold fold = { 0, 0, INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < count; i++) {
        if (values[i] < low || values[i] > high)
            continue;
        fold.count++;
        fold.sum += values[i];
        fold.min = values[i] < fold.min ? values[i] : fold.min;
        fold.max = values[i] > fold.max ? values[i] : fold.max;
    }
    return fold;
}

static bool folds_are_equal(const struct codec_fold *a, const struct codec_fold *b)
{
    return a->count == b->count && a->sum == b->sum && a->min == b->min && a->max == b->max;
}

/* Of a field's values, two of them and what lies between; as far as a fold may go. False: that is too far. */
static bool range_of(struct codec_fold_spec *spec, struct random *random, const int64_t *values,
                     size_t count)
{
    int64_t a = values[random_below(random, count)], b = values[random_below(random, count)];
    unsigned kind = (unsigned)random_below(random, 4);
    codec_range(&spec->min, &spec->max, values, count);
    spec->low = a < b ? a : b;
    spec->high = a < b ? b : a;
    if (kind == 0) {
        spec->low = spec->min;
        spec->high = spec->max;
    } else if (kind == 1 && spec->low < spec->high) {
        spec->low++; /* perhaps a value that does not come */
    } else if (kind == 2) {
        spec->high = spec->low;
    }
    return spec->low >= -CODEC_FOLD_END && spec->high <= CODEC_FOLD_END;
}

/* Answers how many ranges were asked for. */
static size_t check_block(const struct columns *c, const struct buffer *bytes,
                          const struct codec_next *next, uint64_t seed)
{
    size_t asked = 0;
    struct random random = { seed };
    struct codec_rows rows = { 0 };
    columns_init(&rows.columns, &c->schema);
    for (size_t f = 0; f < c->schema.field_count && codec_can_fold(&c->schema, f); f++) {
        for (unsigned times = 0; times < 4; times++) {
            struct codec_fold_spec spec = { .field = f };
            struct codec_fold fold, expected;
            struct reader r = reader_over(bytes->data, bytes->bytes);
            if (!range_of(&spec, &random, c->field[f], c->count))
                continue;
            expected = plain_fold(c->field[f], c->count, spec.low, spec.high);
            CHECK(codec_block_fold_next(&fold, &spec, &rows, &r, c->count, c->time[0], next,
                                        times % (CODEC_AHEAD + 1)) == HOLTER_OK);
            CHECK(folds_are_equal(&fold, &expected));
            CHECK(rows.columns.count == 0);
            asked++;
        }
    }
    struct reader r =
        reader_over(bytes->data, bytes->bytes); /* and nothing is left to whole rows */
    CHECK(codec_block_decode_next(&rows, &r, c->count, c->time[0], true, 0, NULL, 0) == HOLTER_OK);
    for (size_t i = 0; i < c->count; i++)
        CHECK(columns_row_is_equal(&rows.columns, i, c, i) &&
              rows.columns.flags[i] == c->flags[i] && rows.columns.sequence[i] == 0);
    codec_rows_release(&rows);
    return asked;
}

START_TEST(folds_are_what_rows_say)
{
    size_t asked = 0;
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t s = 0; s < CORE_COUNT(schemas); s++) {
        for (size_t n = 0; n < CORE_COUNT(counts); n++) {
            struct columns c;
            struct buffer bytes;
            uint64_t seed = (uint64_t)_i * 1000 + s * 100 + n;
            bool is_packed = counts[n] <= CODEC_PACKED_ROWS_MAX && n % 2 == 0;
            fill(&c, &schemas[s], seed, _i % SHAPES, counts[n]);
            buffer_init(&bytes);
            codec_block_encode(&bytes, &c, 0, c.count, true, is_packed ? NULL : scratch);
            CHECK(!bytes.failed);
            const struct codec_next same = { reader_over(bytes.data, bytes.bytes), c.count };
            const struct codec_next next[CODEC_AHEAD] = { same, same };
            for (int loops = CODEC_LOOPS_PLAIN; loops <= CODEC_LOOPS_AVX512; loops++) {
                if (codec_loops_use((enum codec_loops)loops))
                    asked += check_block(&c, &bytes, next, seed);
            }
            CHECK(codec_loops_use(CODEC_LOOPS_BEST));
            buffer_release(&bytes);
            columns_release(&c);
        }
    }
    codec_scratch_free(scratch);
    ck_assert_uint_gt(asked, 100);
}
END_TEST

/* ---- arrays ----------------------------------------------------------------------------------- */

START_TEST(passing_by_ends_where_reading_does)
{
    static int64_t values[CODEC_PACKED_ROWS_MAX], back[CODEC_PACKED_ROWS_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct random random = { seed * 100 + (uint64_t)_i };
        size_t count = 1 + random_below(&random, CODEC_PACKED_ROWS_MAX);
        for (size_t i = 0; i < count; i++)
            values[i] = shaped(&random, (enum shape)_i, i, i > 0 ? values[i - 1] : 0);
        buffer_clear(&bytes);
        array_encode(&bytes, values, count);
        CHECK(!bytes.failed);
        size_t end = bytes.bytes;
        buffer_append_u64(&bytes, random_u64(&random));
        struct reader r = reader_over(bytes.data, bytes.bytes);
        CHECK(array_pass(&r, count) && r.left == bytes.bytes - end);
        r = reader_over(bytes.data, bytes.bytes);
        CHECK(array_decode(back, &r, count) && r.left == bytes.bytes - end);
        for (size_t cut = 0; cut < end; cut += 1 + end / 50) {
            r = reader_over(bytes.data, cut);
            CHECK(!array_pass(&r, count));
        }
    }
    buffer_release(&bytes);
}
END_TEST

/* How values of the quick way come about. */
static int64_t quick_value(struct random *random, unsigned form, size_t i, int64_t before)
{
    static const int64_t few[] = { 0, 7, 1000, 60000, 61000, 65535 };
    int64_t little = (int64_t)random_below(random, 7) - 3;
    switch (form) {
    case 0: /* packed */
        return (int64_t)random_below(random, 65536) - 40000;
    case 1: /* a dictionary */
        return few[random_below(random, CORE_COUNT(few))] - 65535;
    case 2: /* with others */
        return random_below(random, 60) == 0 ? (int64_t)random_below(random, 60000)
                                             : few[random_below(random, 3)];
    case 3: /* changes of a list */
        return i == 0 ? 1000000 : before + 1000 * (before > 1000000 ? -(little & 3) : little & 3);
    case 4: /* and others */
        if (i == 0 || random_below(random, 70) == 0)
            return (int64_t)random_below(random, 65000);
        return before + 1000 * (before > 60000  ? -(little & 3)
                                : before < 5000 ? little & 3
                                                : little);
    default: /* packed changes */
        return i == 0 ? 0 : before + (before > 60000 ? -1 : 1) * (int64_t)random_below(random, 100);
    }
}

START_TEST(narrow_values_are_folded_as_words)
{
    enum { COUNT = CODEC_PACKED_ROWS_MAX };
    static const uint8_t codes[][2] = {
        { 2, 0 }, { 3, 0 }, { 4, 0 }, { 5, 3 }, { 5, 4 }, { 5, 2 }
    };
    static int64_t values[COUNT];
    struct random random = { 3 + (uint64_t)_i };
    struct buffer bytes;
    bool has_way = codec_loops_use(CODEC_LOOPS_AVX512);
    buffer_init(&bytes);
    for (unsigned time = 0; time < 200; time++) {
        struct codec_fold_spec spec = { 0 };
        struct codec_fold fold = { 0 };
        size_t count = time % 2 == 0 ? COUNT : COUNT / 2;
        for (size_t i = 0; i < count; i++)
            values[i] = quick_value(&random, (unsigned)_i, i, i > 0 ? values[i - 1] : 0);
        buffer_clear(&bytes);
        array_encode(&bytes, values, count);
        struct reader code = reader_over(bytes.data, bytes.bytes);
        ck_assert_uint_eq(get_u8(&code), codes[_i][0]);
        if (codes[_i][1] != 0) {
            (void)get_zigzag(&code);
            ck_assert_uint_eq(get_u8(&code), codes[_i][1]);
        }
        CHECK(range_of(&spec, &random, values, count));
        struct codec_fold expected = plain_fold(values, count, spec.low, spec.high);
        struct reader r = reader_over(bytes.data, bytes.bytes);
        CHECK(array_fold(&fold, &r, count, &spec) == has_way);
        CHECK(!has_way || (folds_are_equal(&fold, &expected) && reader_is_done(&r)));
        r = reader_over(bytes.data, bytes.bytes - 1);
        CHECK(!array_fold(&fold, &r, count, &spec) && r.left == bytes.bytes - 1);
        spec.max = spec.min + 65536;
        r = reader_over(bytes.data, bytes.bytes);
        CHECK(!array_fold(&fold, &r, count, &spec) && r.left == bytes.bytes);
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    buffer_release(&bytes);
}
END_TEST

/* Heart rate that a device stores where it has changed, with jumps that have no symbol. */
static void fill_heart_rate(struct columns *c, struct random *random, size_t count)
{
    struct row row = { .time = SECOND, .field = { 70 } };
    columns_clear(c);
    for (size_t i = 0; i < count; i++) {
        bool is_rare = random_below(random, 150) == 0;
        row.time += SECOND * (is_rare ? 1 + (int64_t)random_below(random, 100000)
                                      : 5 + 5 * (int64_t)random_below(random, 2));
        row.field[0] = is_rare ? (int64_t)random_below(random, 65000) - 30000
                               : row.field[0] + (int64_t)random_below(random, 5) - 2;
        CHECK(columns_append(c, &row));
    }
}

START_TEST(pairs_are_folded_as_words)
{
    static const size_t lengths[] = { 8192, 8191, 8160, 4097, 4096, 2048, 1000, 131, 129 };
    size_t folded = 0;
    struct random random = { 12 };
    struct columns c;
    struct buffer bytes;
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    bool has_way = codec_loops_use(CODEC_LOOPS_AVX512);
    columns_init(&c, &schemas[0]);
    buffer_init(&bytes);
    for (unsigned time = 0; time < 40 * CORE_COUNT(lengths); time++) {
        struct codec_fold_spec spec = { 0 };
        struct codec_fold fold = { 0 };
        size_t count = lengths[time % CORE_COUNT(lengths)];
        fill_heart_rate(&c, &random, count);
        buffer_clear(&bytes);
        codec_block_encode(&bytes, &c, 0, count, false, scratch);
        CHECK(!bytes.failed);
        struct reader r = reader_over(bytes.data, bytes.bytes);
        if (get_u8(&r) >> 3 != 1)
            continue; /* another form was shorter */
        CHECK(range_of(&spec, &random, c.field[0], count));
        struct codec_fold expected = plain_fold(c.field[0], count, spec.low, spec.high);
        CHECK(pairs_fold(&fold, &spec, &r, count, NULL, NULL, NULL, 0) == has_way);
        CHECK(!has_way || folds_are_equal(&fold, &expected));
        folded++;
    }
    ck_assert_uint_gt(folded, 20 * CORE_COUNT(lengths));
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    buffer_release(&bytes);
    columns_release(&c);
    codec_scratch_free(scratch);
}
END_TEST

START_TEST(filters_leave_the_places_that_pass)
{
    enum { COUNT = 4096 };
    static int64_t values[COUNT];
    struct random random = { 8 + (uint64_t)_i };
    for (unsigned time = 0; time < 300; time++) {
        size_t count = time < 100 ? time : random_below(&random, COUNT + 1);
        uint8_t *passes = malloc(count + 1), *before = malloc(count + 1);
        uint16_t *places =
            malloc((count + 1) * sizeof *places); /* just as large, for a sanitizer */
        CHECK(passes != NULL && before != NULL && places != NULL);
        for (size_t i = 0; i < count; i++) {
            values[i] = shaped(&random, (enum shape)_i, i, i > 0 ? values[i - 1] : 0);
            before[i] = random_below(&random, 4) > 0;
        }
        int64_t a = count > 0 ? values[random_below(&random, count)] : 0;
        int64_t b = count > 0 ? values[random_below(&random, count)] : 1; /* may be below a */
        for (int loops = CODEC_LOOPS_PLAIN; loops <= CODEC_LOOPS_AVX512; loops++) {
            if (!codec_loops_use((enum codec_loops)loops))
                continue;
            size_t kept = 0;
            memcpy(passes, before, count);
            codec_filter(passes, values, count, a, b);
            size_t found = codec_places(places, passes, count);
            for (size_t i = 0; i < count; i++) {
                CHECK(passes[i] == (before[i] && values[i] >= a && values[i] <= b));
                CHECK(passes[i] == 0 || places[kept++] == i);
            }
            CHECK(kept == found);
        }
        free(passes);
        free(before);
        free(places);
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
}
END_TEST

/* ---- damage ----------------------------------------------------------------------------------- */

/* What a header says may be wrong, too: then so is the answer. */
START_TEST(damaged_bytes_do_no_harm)
{
    size_t refused = 0;
    struct random random = { 77 + (uint64_t)_i };
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t s = 0; s < CORE_COUNT(schemas); s++) {
        struct columns c;
        struct buffer bytes;
        struct codec_rows rows = { 0 };
        fill(&c, &schemas[s], (uint64_t)_i, _i % SHAPES, 1024);
        buffer_init(&bytes);
        columns_init(&rows.columns, &c.schema);
        codec_block_encode(&bytes, &c, 0, c.count, false, _i % 2 == 0 ? NULL : scratch);
        CHECK(!bytes.failed);
        for (unsigned time = 0; codec_can_fold(&c.schema, 0) && time < 300; time++) {
            struct codec_fold_spec spec = { .min = -100, .low = 20, .high = 80, .max = 100 };
            struct codec_fold fold;
            size_t left = time % 3 == 0 ? random_below(&random, bytes.bytes) : bytes.bytes;
            uint8_t *exact = malloc(left > 0 ? left : 1);
            CHECK(exact != NULL);
            memcpy(exact, bytes.data, left);
            for (unsigned flips = time % 4; left > 0 && flips > 0; flips--)
                exact[random_below(&random, left)] ^= (uint8_t)(1u << random_below(&random, 8));
            struct reader r = reader_over(exact, left);
            holter_status status =
                codec_block_fold_next(&fold, &spec, &rows, &r, c.count, c.time[0], NULL, 0);
            CHECK(status == HOLTER_OK || status == HOLTER_CORRUPT);
            refused += status != HOLTER_OK;
            free(exact);
        }
        codec_rows_release(&rows);
        buffer_release(&bytes);
        columns_release(&c);
    }
    codec_scratch_free(scratch);
    ck_assert_uint_gt(refused, 30);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_fold");
    TCase *tcase = tcase_create("fold");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, folds_are_what_rows_say, 0, 2 * SHAPES);
    tcase_add_loop_test(tcase, passing_by_ends_where_reading_does, 0, SHAPES);
    tcase_add_loop_test(tcase, narrow_values_are_folded_as_words, 0, 6);
    tcase_add_test(tcase, pairs_are_folded_as_words);
    tcase_add_loop_test(tcase, filters_leave_the_places_that_pass, 0, SHAPES);
    tcase_add_loop_test(tcase, damaged_bytes_do_no_harm, 0, 2 * SHAPES);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
