/*
 * test_codec_cold.c -- blocks of up to 8,192 rows, entropy-coded, to bytes and back.
 *
 * Claim: rows of any shape come back bit by bit; damaged bytes are refused or mean rows; each form
 * is chosen where it is the smallest, and none is much larger than packed columns; the loops that
 * decode symbols agree, whatever they read. Method: seeded columns, from constant to noise over all
 * of 64 bits, in blocks of the lengths at which forms change; every model and state; flips, cuts and
 * noise in what is read; every allocation failing. Vectors that this code did not make:
 * test_codec_bytes.c.
 */
#include "codec/codec.h"
#include "codec/codec_rans.h"
#include "alloc_fail.h"
#include "random.h"
#include "run.h"
#include "shapes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const size_t counts[] = { 1,    2,    15,   17,   95,   96,   97,   511,
                                 1023, 1024, 1025, 2047, 2049, 4096, 8191, 8192 };

static void assert_equal(const struct columns *a, const struct columns *b, size_t first,
                         bool with_revision)
{
    CHECK(a->count - first == b->count);
    for (size_t i = 0; i < b->count; i++) {
        CHECK(columns_row_is_equal(a, first + i, b, i));
        CHECK(a->flags[first + i] == b->flags[i]);
        CHECK(!with_revision || a->revision[first + i] == b->revision[i]);
    }
}

/* ---- round trips ----------------------------------------------------------------------------- */

/* Bytes of the rows, coded, from which they come back behind `lead` others. */
static size_t take(struct codec_scratch *scratch, const struct columns *c, bool with_revision,
                   size_t lead)
{
    struct columns back;
    struct buffer bytes;
    columns_init(&back, &c->schema);
    buffer_init(&bytes);
    buffer_append_u8(&bytes, 0xaa); /* appended to what is there */
    codec_block_encode(&bytes, c, 0, c->count, with_revision, scratch);
    CHECK(!bytes.failed);
    CHECK(columns_append_rows(&back, c, 0, lead));
    uint8_t *exact = malloc(bytes.bytes - 1); /* so that a sanitizer sees each byte too many */
    CHECK(exact != NULL);
    memcpy(exact, bytes.data + 1, bytes.bytes - 1);
    struct reader r = reader_over(exact, bytes.bytes - 1);
    CHECK(codec_block_decode(&back, &r, c->count, c->time[0], with_revision, 7, 77, NULL) ==
          HOLTER_OK);
    CHECK(reader_is_done(&r));
    assert_equal(&back, c, lead, with_revision);
    for (size_t i = lead; i < back.count; i++) {
        CHECK(back.sequence[i] == 77);
        CHECK(with_revision || back.revision[i] == 7);
    }
    free(exact);
    size_t took = bytes.bytes - 1;
    columns_release(&back);
    buffer_release(&bytes);
    return took;
}

/* At most 8 bytes a value, and 13 for each 1,024 of them, for every column; texts aside. */
static size_t bytes_bound(const struct columns *c, bool with_revision)
{
    size_t columns = 2 + (c->duration != NULL) + c->schema.field_count + with_revision;
    size_t cuts = (c->count + CODEC_PACKED_ROWS_MAX - 1) / CODEC_PACKED_ROWS_MAX;
    return columns * (8 * c->count + 13 * cuts + 16) + c->text.bytes;
}

START_TEST(rows_of_every_shape_and_length_come_back_bit_by_bit)
{
    enum shape shape = _i % SHAPES;
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t s = 0; s < CORE_COUNT(schemas); s++) {
        for (size_t n = 0; n < CORE_COUNT(counts); n++) {
            struct columns c;
            uint64_t seed = (uint64_t)_i * 1000 + s * 100 + n;
            fill(&c, &schemas[s], seed, shape, counts[n]);
            size_t took = take(scratch, &c, seed % 2 == 0, n % 3 == 0 ? 1 : 0);
            CHECK(took <= bytes_bound(&c, seed % 2 == 0));
            columns_release(&c);
        }
    }
    codec_scratch_free(scratch);
}
END_TEST

START_TEST(coded_blocks_are_hardly_larger_than_packed_ones)
{
    enum shape shape = _i % SHAPES;
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t s = 0; s < CORE_COUNT(schemas); s++) {
        for (size_t n = 0; n < CORE_COUNT(counts) && counts[n] <= CODEC_PACKED_ROWS_MAX; n++) {
            struct columns c;
            struct buffer packed;
            fill(&c, &schemas[s], 31 * (uint64_t)_i + s, shape, counts[n]);
            buffer_init(&packed);
            codec_block_encode(&packed, &c, 0, c.count, true, NULL);
            size_t took = take(scratch, &c, true, 0);
            ck_assert_uint_le(took, packed.bytes + packed.bytes / 20 + 12);
            buffer_release(&packed);
            columns_release(&c);
        }
    }
    codec_scratch_free(scratch);
}
END_TEST

/* The loops at hand write what the first ones wrote. */
static void assert_loops_write_the_same(const struct columns *c, struct codec_scratch *scratch)
{
    struct buffer first, bytes;
    buffer_init(&first);
    buffer_init(&bytes);
    for (int loops = CODEC_LOOPS_PLAIN; loops <= CODEC_LOOPS_AVX512; loops++) {
        if (!codec_loops_use((enum codec_loops)loops))
            continue;
        struct buffer *to = loops == CODEC_LOOPS_PLAIN ? &first : &bytes;
        buffer_clear(&bytes);
        codec_block_encode(to, c, 0, c->count, true, scratch);
        CHECK(!to->failed);
        CHECK(to == &first ||
              (to->bytes == first.bytes && memcmp(to->data, first.data, first.bytes) == 0));
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    buffer_release(&first);
    buffer_release(&bytes);
}

START_TEST(all_loops_write_the_same_bytes)
{
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t s = 0; s < CORE_COUNT(schemas); s++) {
        for (size_t n = 6; n < CORE_COUNT(counts); n += 4) {
            struct columns c;
            fill(&c, &schemas[s], 77 * (uint64_t)_i + s, _i % SHAPES, counts[n]);
            assert_loops_write_the_same(&c, scratch);
            columns_release(&c);
        }
    }
    codec_scratch_free(scratch);
}
END_TEST

/* The greatest values that are foretold, in waves of every length: their sums of products come close to 2^61. */
START_TEST(the_largest_waves_come_back_bit_by_bit)
{
    const int64_t most = (1 << 24) - 1;
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t half = 1; half <= 1024; half = half * 3 + 1) {
        struct columns c;
        struct random random = { half };
        columns_init(&c, &schemas[0]);
        for (size_t i = 0; i < CODEC_BLOCK_ROWS_MAX; i++) {
            int64_t off = (int64_t)random_below(&random, 3);
            struct row row = { .time = (int64_t)i * SECOND };
            row.field[0] = i % 32 == 0 ? 0 : i / half % 2 == 0 ? most - off : off - most;
            CHECK(columns_append(&c, &row));
        }
        (void)take(scratch, &c, false, 0);
        assert_loops_write_the_same(&c, scratch);
        columns_release(&c);
    }
    codec_scratch_free(scratch);
}
END_TEST

/* ---- which form ------------------------------------------------------------------------------ */

/* The coded block of ints, whose bytes the caller gives back. */
static struct buffer coded_ints(const int64_t *times, const int64_t *values, size_t count)
{
    struct columns c;
    struct buffer bytes;
    struct codec_scratch *scratch = codec_scratch_new();
    CHECK(scratch != NULL);
    columns_init(&c, &schemas[0]);
    buffer_init(&bytes);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = times[i], .field = { values[i] } };
        CHECK(columns_append(&c, &row));
    }
    codec_block_encode(&bytes, &c, 0, count, false, scratch);
    CHECK(!bytes.failed);
    (void)take(scratch, &c, false, 0);
    columns_release(&c);
    codec_scratch_free(scratch);
    return bytes;
}

/* Intervals that follow each other, with what is not even in row `odd`, if that is one. */
static uint8_t form_of_intervals(size_t count, int64_t gap, size_t odd, bool in_flags,
                                 struct codec_scratch *scratch)
{
    struct columns c;
    struct buffer bytes;
    columns_init(&c, &(struct schema){ SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } });
    buffer_init(&bytes);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = (int64_t)i * gap - 7 * (int64_t)SECOND, .duration = gap };
        row.field[0] = (int64_t)i % 7;
        row.duration += i == odd && !in_flags;
        row.flags = i == odd && in_flags ? SAMPLE_MANUAL : 0;
        CHECK(columns_append(&c, &row));
    }
    codec_block_encode(&bytes, &c, 0, count, false, scratch);
    CHECK(!bytes.failed);
    uint8_t form = bytes.data[0];
    struct columns back;
    struct reader r = reader_over(bytes.data, bytes.bytes);
    columns_init(&back, &c.schema);
    ck_assert_int_eq(codec_block_decode(&back, &r, count, c.time[0], false, 0, 5, NULL), HOLTER_OK);
    CHECK(reader_is_done(&r));
    struct codec_rows rows = { 0 };
    columns_init(&rows.columns, &c.schema);
    r = reader_over(bytes.data, bytes.bytes);
    ck_assert_int_eq(codec_block_decode_next(&rows, &r, count, c.time[0], false, 0, NULL, 0),
                     HOLTER_OK);
    CHECK(rows.is_rising || form >> 3 != 5 || gap == 0);
    codec_rows_release(&rows);
    for (size_t i = 0; i < count; i++)
        CHECK(columns_row_is_equal(&back, i, &c, i) && back.flags[i] == c.flags[i]);
    CHECK(reader_is_done(&r) && back.sequence[count - 1] == 5);
    columns_release(&back);
    columns_release(&c);
    buffer_release(&bytes);
    return form;
}

START_TEST(even_intervals_take_the_bytes_of_one)
{
    enum { EVEN = 5 << 3, NONE = CODEC_BLOCK_ROWS_MAX };
    const int64_t minute = 60 * (int64_t)SECOND;
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (int coded = 0; coded < 2; coded++) {
        struct codec_scratch *by = coded ? scratch : NULL;
        size_t count = coded ? 8192 : 1024;
        ck_assert_uint_eq(form_of_intervals(count, minute, NONE, false, by), EVEN + 4);
        ck_assert_uint_eq(form_of_intervals(count, 30 * (int64_t)SECOND, NONE, false, by),
                          EVEN + 3);
        ck_assert_uint_eq(form_of_intervals(2, 1, NONE, false, by), EVEN);
        ck_assert_uint_eq(form_of_intervals(5, 0, NONE, false, by), EVEN + 4);
        for (int in_flags = 0; in_flags < 2; in_flags++) {
            ck_assert_uint_ne(form_of_intervals(count, minute, 0, in_flags, by) >> 3, 5);
            ck_assert_uint_ne(form_of_intervals(count, minute, count - 1, in_flags, by) >> 3, 5);
        }
        (void)form_of_intervals(1, minute, NONE, false, by);
    }
    codec_scratch_free(scratch);
}
END_TEST

/* Runs of zeros of each length, between values that have a symbol, or none. */
START_TEST(rests_of_all_lengths_come_back)
{
    enum { TIMES_BYTES = 3 /* unit, CONSTANT, 1 */, RESTS = 17 };
    static int64_t times[CODEC_BLOCK_ROWS_MAX], values[CODEC_BLOCK_ROWS_MAX];
    static const int64_t edges[] = { 1, 203, 204, -1, INT64_MIN, 110 };
    struct random random = { 1 };
    for (size_t i = 0; i < CODEC_BLOCK_ROWS_MAX; i++)
        times[i] = (int64_t)i * SECOND;
    for (size_t length = 1; length < CODEC_BLOCK_ROWS_MAX; length += length / 3 + 1) {
        size_t count = CODEC_BLOCK_ROWS_MAX, zeros = 0;
        for (size_t i = 0; i < count; i++) {
            bool is_rest = zeros > 0 ? zeros < length : random_below(&random, 3) == 0;
            zeros = is_rest ? zeros + 1 : 0;
            values[i] =
                is_rest ? 0 : 5 + (int64_t)(random_below(&random, 12) * random_below(&random, 11));
            if (!is_rest && random_below(&random, 100) == 0)
                values[i] = edges[random_below(&random, CORE_COUNT(edges))];
        }
        struct buffer bytes = coded_ints(times, values, count);
        ck_assert_uint_eq(bytes.data[TIMES_BYTES], RESTS);
        buffer_release(&bytes);
    }
}
END_TEST

/* A symbol as often as the model tells, and the state it leads to. */
static uint8_t symbol_foretold(struct random *random, const struct model_tables *tables,
                               size_t *state)
{
    uint32_t slot = tables->slots[*state << MODEL_SUM_BITS | random_below(random, MODEL_SUM)];
    *state = tables->next[*state << 8 | (slot & 0xff)];
    return (uint8_t)slot;
}

START_TEST(each_form_is_chosen_where_it_is_small)
{
    enum {
        ROWS = 4096,
        TIMES_BYTES = 3 /* unit, CONSTANT, 1 */,
        CODED = 9,
        CUT = 10,
        MULTIPLES = 11,
        PREDICTED = 14,
        SWITCHED = 16,
        RESTS = 17
    };
    static const struct {
        enum shape shape;
        uint8_t code, model; /* 0: any */
    } cases[] = {
        { SHAPE_CONSTANT, 1, 0 },          { SHAPE_WALK, CODED, MODEL_RESIDUALS },
        { SHAPE_WAVE, PREDICTED, 0 },      { SHAPE_LEVELS, CUT, 0 }, /* of runs */
        { SHAPE_MULTIPLES, MULTIPLES, 0 }, { SHAPE_NOISE, CUT, 0 },
        { SHAPE_BEATS, SWITCHED, 0 },      { SHAPE_EXTREMES, 0, 0 },
        { SHAPE_RESTS, RESTS, 0 },
    };
    static int64_t times[ROWS], values[ROWS];
    struct random random = { 4 };
    for (size_t k = 0; k < CORE_COUNT(cases); k++) {
        for (size_t i = 0; i < ROWS; i++) {
            times[i] = (int64_t)i * SECOND;
            values[i] = shaped(&random, cases[k].shape, i, i > 0 ? values[i - 1] : 0);
        }
        struct buffer bytes = coded_ints(times, values, ROWS);
        ck_assert_uint_eq(bytes.data[0], 3);
        if (cases[k].code != 0)
            ck_assert_uint_eq(bytes.data[TIMES_BYTES], cases[k].code);
        if (cases[k].model != 0)
            ck_assert_uint_eq(bytes.data[TIMES_BYTES + 1], cases[k].model);
        buffer_release(&bytes);
    }
    for (size_t i = 0; i < ROWS; i++)
        values[i] = 5 * ((int64_t)(sin((double)i / 20) * 3000) + (int64_t)random_below(&random, 5));
    struct buffer wave = coded_ints(times, values, ROWS);
    ck_assert_uint_eq(wave.data[TIMES_BYTES], MULTIPLES);
    ck_assert_uint_eq(wave.data[TIMES_BYTES + 1], 5);
    ck_assert_uint_eq(wave.data[TIMES_BYTES + 2], PREDICTED);
    buffer_release(&wave);
    for (unsigned model = 1; model <= CODEC_MODELS; model++) {
        size_t state = model_find(model)->model->start;
        if (model_find(model)->model->gaps != NULL || model_find(model)->model->lengths != NULL)
            continue;
        for (size_t i = 0; i < ROWS; i++) {
            uint8_t symbol = symbol_foretold(&random, model_find(model), &state);
            values[i] = model_find(model)->model->values[symbol];
            if (model == MODEL_SLOW_CHANGES && i > 0)
                values[i] += values[i - 1];
        }
        struct buffer bytes = coded_ints(times, values, ROWS);
        bool are_steps = model == MODEL_STEPS; /* whose rests are told at once */
        ck_assert_uint_eq(bytes.data[TIMES_BYTES], are_steps ? RESTS : CODED);
        ck_assert_uint_eq(bytes.data[TIMES_BYTES + 1],
                          are_steps ? (unsigned)MODEL_STEPS_AND_RESTS : model);
        buffer_release(&bytes);
    }
    for (unsigned model = 1; model <= CODEC_MODELS; model++) {
        size_t state = model_find(model)->model->start;
        if (model_find(model)->model->gaps == NULL)
            continue;
        values[0] = 72;
        for (size_t i = 1; i < ROWS; i++) {
            uint8_t symbol = symbol_foretold(&random, model_find(model), &state);
            times[i] = times[i - 1] + (int64_t)SECOND * model_find(model)->model->gaps[symbol];
            values[i] = values[i - 1] + model_find(model)->model->values[symbol];
        }
        struct buffer bytes = coded_ints(times, values, ROWS);
        ck_assert_uint_eq(bytes.data[0], 8 + 3);
        ck_assert_uint_eq(bytes.data[1], model);
        buffer_release(&bytes);
    }
}
END_TEST

START_TEST(beats_of_measurements_come_back_bit_by_bit)
{
    enum { MEASUREMENTS = 40, TIME_IS_DERIVED = 2 << 3 | 2 /* in milliseconds */, BY_STARTS = 4 };
    for (unsigned begins = 0; begins < 2;
         begins++) { /* a beat is told by its end, or by its begin */
        static int64_t times[MEASUREMENTS * 100], values[MEASUREMENTS * 100];
        struct random random = { 5 + begins };
        size_t count = 0;
        int64_t second = 1700000000;
        for (size_t m = 0; m < MEASUREMENTS; m++) {
            int64_t at = second * SECOND;
            size_t beats = 60 + (size_t)random_below(&random, 40);
            for (size_t i = 0; i < beats; i++, count++) {
                values[count] = 700 + (int64_t)random_below(&random, 200);
                times[count] = at + (begins ? 0 : values[count] * (SECOND / 1000));
                at += values[count] * (SECOND / 1000);
            }
            second += 200 + (int64_t)random_below(&random, 100000);
        }
        struct buffer bytes = coded_ints(times, values, count);
        ck_assert_uint_eq(bytes.data[0], TIME_IS_DERIVED);
        ck_assert_uint_eq(bytes.data[1], BY_STARTS + 1 + begins);
        buffer_release(&bytes);
    }
}
END_TEST

/* ---- spells ---------------------------------------------------------------------------------- */

enum { TIME_IS_SPELLS = 4 << 3 };

/* Rows of `values` values; durations and pauses are numbers of up to `bits` bits, in steps. */
static void fill_spells(struct columns *c, const struct schema *schema, uint64_t seed,
                        unsigned values, unsigned bits, int64_t step, size_t count)
{
    struct random random = { seed };
    struct row row = { .time = (int64_t)1700000000 * SECOND };
    int64_t at = row.time;
    columns_init(c, schema);
    for (size_t i = 0; i < count; i++) {
        unsigned wide = 1 + (unsigned)random_below(&random, bits);
        row.time = at;
        row.duration = step * (int64_t)random_below(&random, (uint64_t)1 << wide);
        row.field[0] = 3 * (int64_t)random_below(&random, values);
        if (schema->types[0] == FIELD_INT && row.field[0] == 0)
            row.field[0] = INT64_MIN;
        CHECK(columns_append(c, &row));
        at += row.duration;
        if (random_below(&random, 4) == 0)
            at += step * (int64_t)random_below(&random, (uint64_t)1 << wide);
    }
}

START_TEST(spells_come_back_bit_by_bit)
{
    static const struct schema kinds[] = {
        { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_ENUM } },
        { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    };
    static const struct {
        unsigned values, bits;
        int64_t step;
        bool are_spells;
    } cases[] = {
        { 1, 1, 1, true },
        { 4, 6, 30 * (int64_t)SECOND, true },
        { 16, 10, SECOND, true },
        { 17, 6, 30 * (int64_t)SECOND, false },
        { 3, 20, 1000, true },
        { 2, 2, (int64_t)40000000 * SECOND, true },
        { 5, 8, 60 * (int64_t)SECOND, true },
    };
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t k = 0; k < CORE_COUNT(cases) * 2; k++) {
        for (size_t count = 16; count <= CODEC_BLOCK_ROWS_MAX; count *= 2) {
            struct columns c;
            struct buffer bytes;
            size_t as = k / 2;
            if (cases[as].step > (int64_t)60 * SECOND && count > 64)
                continue; /* time ends */
            fill_spells(&c, &kinds[k % 2], 7 * k + count, cases[as].values, cases[as].bits,
                        cases[as].step, count);
            (void)take(scratch, &c, true, k % 3);
            buffer_init(&bytes);
            codec_block_encode(&bytes, &c, 0, count, true, scratch);
            if (count >= 1024 || !cases[as].are_spells)
                ck_assert_int_eq(bytes.data[0] == TIME_IS_SPELLS, cases[as].are_spells);
            buffer_release(&bytes);
            columns_release(&c);
        }
    }
    codec_scratch_free(scratch);
}
END_TEST

START_TEST(extreme_spells_come_back_bit_by_bit)
{
    static const struct schema kind = { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    static const int64_t durations[] = { 0, 1, 7, 8, 11, 12, 15, 16, INT64_MAX, 1 };
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t last = 0; last < CORE_COUNT(durations); last++) {
        struct columns c;
        struct row row = { .time = INT64_MIN + 1 };
        columns_init(&c, &kind);
        for (size_t i = 0; i < 200; i++) {
            row.duration = durations[i % 8];
            row.field[0] = i % 3 == 0 ? INT64_MAX : INT64_MIN;
            CHECK(columns_append(&c, &row));
            row.time += row.duration;
        }
        row.time = INT64_MAX - 1; /* the longest pause */
        row.duration = durations[last];
        CHECK(columns_append(&c, &row));
        size_t took = take(scratch, &c, false, 0);
        CHECK(took < 400);
        columns_release(&c);
    }
    codec_scratch_free(scratch);
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

/* Refused, leaving no rows; or rows, which come back. True: refused. */
static bool assert_refused_or_rows(struct codec_scratch *scratch, const struct columns *c,
                                   const uint8_t *bytes, size_t byte_count)
{
    struct columns back;
    columns_init(&back, &c->schema);
    struct reader r = reader_over(bytes, byte_count);
    holter_status status = codec_block_decode(&back, &r, c->count, c->time[0], true, 0, 77, NULL);
    if (status == HOLTER_OK)
        (void)take(scratch, &back, true, 0);
    else
        CHECK(status == HOLTER_CORRUPT && back.count == 0 && back.text.bytes == 0);
    columns_release(&back);
    return status != HOLTER_OK;
}

/* No beginning of a block is one, read from a place of just its size. */
static void assert_cuts_refused(struct codec_scratch *scratch, const struct columns *c,
                                const struct buffer *bytes, size_t step)
{
    for (size_t cut = 0; cut < bytes->bytes; cut += step) {
        uint8_t *exact = malloc(cut + 1);
        CHECK(exact != NULL);
        memcpy(exact + 1, bytes->data, cut);
        CHECK(assert_refused_or_rows(scratch, c, exact + 1, cut));
        free(exact);
    }
}

START_TEST(damaged_blocks_are_refused_or_mean_rows)
{
    const struct schema *schema = &schemas[(size_t)_i % CORE_COUNT(schemas)];
    struct random random = { 1000 + (uint64_t)_i };
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (size_t shape = 0; shape < SHAPES; shape++) {
        struct columns c;
        struct buffer bytes;
        size_t refused = 0;
        fill(&c, schema, shape * 10 + (uint64_t)_i, shape, shape % 2 == 0 ? 130 : 1100);
        buffer_init(&bytes);
        codec_block_encode(&bytes, &c, 0, c.count, true, scratch);
        for (size_t round = 0; round < 150; round++) {
            size_t at = random_below(&random, bytes.bytes);
            if (round % 2 == 0)
                at = random_below(&random, bytes.bytes < 80 ? bytes.bytes : 80); /* heads */
            uint8_t before = bytes.data[at];
            bytes.data[at] ^= (uint8_t)(1 << random_below(&random, 8));
            refused += assert_refused_or_rows(scratch, &c, bytes.data, bytes.bytes);
            bytes.data[at] = before;
        }
        CHECK(refused > 0);
        assert_cuts_refused(scratch, &c, &bytes, 1 + bytes.bytes / 150);
        buffer_release(&bytes);
        columns_release(&c);
    }
    codec_scratch_free(scratch);
}
END_TEST

START_TEST(damaged_spells_are_refused_or_mean_rows)
{
    static const struct schema kind = { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_ENUM } };
    struct random random = { 77 };
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    for (unsigned bits = 2; bits <= 12; bits += 5) {
        struct columns c;
        struct buffer bytes;
        size_t refused = 0;
        fill_spells(&c, &kind, bits, 5, bits, 30 * (int64_t)SECOND, 400);
        buffer_init(&bytes);
        codec_block_encode(&bytes, &c, 0, c.count, true, scratch);
        ck_assert_uint_eq(bytes.data[0], TIME_IS_SPELLS);
        for (size_t round = 0; round < 2000; round++) {
            size_t at = random_below(&random, round % 2 == 0 ? 20 : bytes.bytes);
            uint8_t before = bytes.data[at];
            bytes.data[at] = (uint8_t)random_below(&random, 256);
            refused += assert_refused_or_rows(scratch, &c, bytes.data, bytes.bytes);
            bytes.data[at] = before;
        }
        CHECK(refused > 1000);
        assert_cuts_refused(scratch, &c, &bytes, 1);
        buffer_release(&bytes);
        columns_release(&c);
    }
    codec_scratch_free(scratch);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    struct columns c;
    bool is_for_ever = _i == 1;
    bool has_failed = true;
    unsigned long nth = 0;
    fill(&c, &schemas[5], 12, SHAPE_WALK, 1500);
    for (; has_failed; nth++) {
        struct buffer bytes;
        buffer_init(&bytes);
        alloc_fail_arm(nth, is_for_ever);
        struct codec_scratch *scratch = codec_scratch_new();
        if (scratch != NULL)
            codec_block_encode(&bytes, &c, 0, c.count, true, scratch);
        has_failed = alloc_fail_disarm();
        CHECK(has_failed || (scratch != NULL && !bytes.failed));
        if (scratch != NULL &&
            !bytes.failed) { /* at most what would have been smaller is not seen */
            struct columns back;
            columns_init(&back, &schemas[5]);
            struct reader r = reader_over(bytes.data, bytes.bytes);
            CHECK(codec_block_decode(&back, &r, c.count, c.time[0], true, 0, 0, NULL) == HOLTER_OK);
            CHECK(reader_is_done(&r));
            assert_equal(&back, &c, 0, true);
            columns_release(&back);
        }
        if (scratch != NULL)
            (void)take(scratch, &c, true, 0); /* later, with memory */
        codec_scratch_free(scratch);
        buffer_release(&bytes);
    }
    ck_assert_uint_gt(nth, 2);
    codec_scratch_free(NULL);

    struct buffer whole;
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    buffer_init(&whole);
    codec_block_encode(&whole, &c, 0, c.count, true, scratch);
    has_failed = true;
    for (nth = 0; has_failed; nth++) {
        struct columns back;
        columns_init(&back, &schemas[5]);
        struct reader r = reader_over(whole.data, whole.bytes);
        alloc_fail_arm(nth, is_for_ever);
        holter_status status = codec_block_decode(&back, &r, c.count, c.time[0], true, 0, 0, NULL);
        has_failed = alloc_fail_disarm();
        ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
        ck_assert_uint_eq(back.count, has_failed ? 0 : c.count);
        columns_release(&back);
    }
    ck_assert_uint_gt(nth, 2);
    codec_scratch_free(scratch);
    buffer_release(&whole);
    columns_release(&c);
}
END_TEST

/* ---- symbols --------------------------------------------------------------------------------- */

/* Symbols that a model can code: some likely, some not, some rare ones. */
static void random_symbols(uint8_t *symbols, struct random *random,
                           const struct model_tables *tables, size_t count)
{
    size_t state = tables->model->start;
    uint64_t rare = 1 + random_below(random, 40);
    size_t escapes, bits;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = tables->slots[state << MODEL_SUM_BITS | random_below(random, MODEL_SUM)];
        symbols[i] = random_below(random, rare) == 0
                         ? (uint8_t)random_below(random, tables->model->symbols)
                         : (uint8_t)slot;
        state = tables->next[state << 8 | symbols[i]];
    }
    rans_fit(symbols, &escapes, &bits, tables, count);
    for (size_t i = 0; i < count; i++)
        escapes -= symbols[i] == 0;
    CHECK(escapes == 0);
}

START_TEST(symbols_of_every_model_come_back)
{
    static uint8_t symbols[RANS_COUNT_MAX], back[RANS_COUNT_MAX];
    static struct rans_scratch scratch;
    const struct model_tables *tables = model_find((unsigned)_i);
    struct random random = { (uint64_t)_i };
    for (size_t round = 0; round < 400; round++) {
        size_t count = round < 100 ? round + 1 : 1 + random_below(&random, RANS_COUNT_MAX);
        if (round == 100)
            count = RANS_COUNT_MAX;
        struct buffer bytes;
        buffer_init(&bytes);
        random_symbols(symbols, &random, tables, count);
        rans_encode(&bytes, &scratch, tables, symbols, count);
        CHECK(!bytes.failed);
        struct reader r = reader_over(bytes.data, bytes.bytes);
        CHECK(rans_decode(back, &r, tables, count));
        CHECK(reader_is_done(&r));
        CHECK(memcmp(symbols, back, count) == 0);
        buffer_release(&bytes);
    }
}
END_TEST

/* Decoded with the loops at hand, from a place of just their size. True: they are accepted. */
static bool decodes(uint8_t *symbols, const struct buffer *bytes, const struct model_tables *tables,
                    size_t count)
{
    uint8_t *exact = malloc(bytes->bytes + 1);
    CHECK(exact != NULL);
    memcpy(exact + 1, bytes->data, bytes->bytes);
    struct reader r = reader_over(exact + 1, bytes->bytes);
    bool is_right = rans_decode(symbols, &r, tables, count) && reader_is_done(&r);
    free(exact);
    return is_right;
}

/* The loops of this CPU agree with the plain ones, one run at a time and two, where `other` is right. */
static bool loops_agree(const struct buffer *bytes, const struct buffer *other, size_t other_count,
                        const struct model_tables *tables, size_t count)
{
    static uint8_t plain[RANS_COUNT_MAX], quick[RANS_COUNT_MAX], beside[RANS_COUNT_MAX];
    CHECK(codec_loops_use(CODEC_LOOPS_PLAIN));
    bool is_right = decodes(plain, bytes, tables, count);
    for (int loops = CODEC_LOOPS_PLAIN; loops <= CODEC_LOOPS_AVX512; loops++) {
        if (!codec_loops_use((enum codec_loops)loops))
            continue;
        CHECK(decodes(quick, bytes, tables, count) == is_right);
        CHECK(!is_right || memcmp(plain, quick, count) == 0);
        for (unsigned k = 0; k < 1 + 2 + 3; k++) { /* of one run, two and three: each in turn */
            struct reader r[RANS_SIDE_BY_SIDE];
            size_t runs = k == 0 ? 1 : k < 3 ? 2 : 3;
            size_t at = k - runs * (runs - 1) / 2;
            struct rans_some some = { .runs = runs };
            for (size_t i = 0; i < runs; i++) {
                const struct buffer *from = i == at ? bytes : other;
                r[i] = reader_over(from->data, from->bytes);
                some.symbols[i] = i == at ? quick : beside;
                some.r[i] = &r[i];
                some.tables[i] = tables;
                some.counts[i] = i == at ? count : other_count;
            }
            rans_decode_some(&some);
            for (size_t i = 0; i < runs; i++)
                CHECK((some.is_right[i] && reader_is_done(&r[i])) == (i != at || is_right));
            CHECK(!is_right || memcmp(plain, quick, count) == 0);
        }
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    return is_right;
}

static void damage(struct buffer *bytes, struct random *random, size_t count)
{
    size_t states = rans_lanes(count) * RANS_STATE_BITS / 8;
    size_t words_at = states + (bytes->data[states] >= 0x80 ? 2 : 1);
    size_t bits = (bytes->bytes - words_at) * 8;
    switch (random_below(random, 4)) {
    case 0:
        bytes->data[random_below(random, states)] ^= (uint8_t)(1 << random_below(random, 8));
        break;
    case 1:
        bytes->bytes -= random_below(random, bytes->bytes);
        break;
    case 2:
        if (bits > 0) {
            size_t bit = random_below(random, bits);
            bytes->data[words_at + bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        break;
    default:
        for (size_t i = words_at; i < bytes->bytes; i++)
            bytes->data[i] = (uint8_t)random_u64(random);
    }
}

static void random_bytes(struct buffer *bytes, struct random *random,
                         const struct model_tables *tables, size_t count)
{
    static uint8_t symbols[RANS_COUNT_MAX];
    static struct rans_scratch scratch;
    buffer_clear(bytes);
    random_symbols(symbols, random, tables, count);
    rans_encode(bytes, &scratch, tables, symbols, count);
    CHECK(!bytes->failed);
}

START_TEST(the_loops_agree_on_right_and_on_damaged_bytes)
{
    const struct model_tables *tables = model_find((unsigned)_i);
    struct random random = { 50 + (uint64_t)_i };
    struct buffer bytes, other;
    buffer_init(&bytes);
    buffer_init(&other);
    size_t refused = 0;
    for (size_t round = 0; round < 300; round++) {
        size_t more = round % 10 == 0 ? RANS_COUNT_MAX - RANS_COUNT_MANY + 1 : 300;
        size_t count = RANS_COUNT_MANY + random_below(&random, more);
        random_bytes(&bytes, &random, tables, count);
        size_t other_count = count; /* longer, shorter, and too short to be beside others */
        if (round % 4 != 0)
            other_count = RANS_COUNT_MANY - 100 + random_below(&random, 900);
        random_bytes(&other, &random, tables, other_count);
        CHECK(loops_agree(&bytes, &other, other_count, tables, count));
        damage(&bytes, &random, count);
        refused += !loops_agree(&bytes, &other, other_count, tables, count);
    }
    ck_assert_uint_gt(refused, 150);
    buffer_release(&bytes);
    buffer_release(&other);
}
END_TEST

/* ---- one block after another ----------------------------------------------------------------- */

/* Heart rate, as pairs of gap and change; with escapes. */
static void fill_pairs(struct columns *c, struct random *random, size_t count)
{
    int64_t time = SECOND;
    int64_t value = 70;
    columns_clear(c);
    for (size_t i = 0; i < count; i++) {
        bool is_rare = random_below(random, 200) == 0;
        time += (is_rare ? 1 + (int64_t)random_below(random, 100000)
                         : 5 + 5 * (int64_t)random_below(random, 2)) *
                SECOND;
        value += is_rare ? (int64_t)random_below(random, 1000) - 500
                         : (int64_t)random_below(random, 5) - 2;
        CHECK(columns_append(c, &(struct row){ .time = time, .field = { value } }));
    }
}

static bool block_is(struct codec_rows *rows, const struct columns *c, const uint8_t *bytes,
                     size_t count, const struct codec_next *next, size_t next_count)
{
    struct reader r = reader_over(bytes, count);
    return codec_block_decode_next(rows, &r, c->count, c->time[0], false, 0, next, next_count) ==
               HOLTER_OK &&
           rows->is_rising && reader_is_done(&r) && rows->columns.count == c->count &&
           memcmp(rows->columns.time, c->time, c->count * sizeof *c->time) == 0 &&
           memcmp(rows->columns.field[0], c->field[0], c->count * sizeof *c->field[0]) == 0;
}

/* A refused block whose times another column tells leaves nothing of its own in the rows of the next one. */
START_TEST(a_refused_block_leaves_no_flags)
{
    const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    static const uint8_t good[] = { 0x00, 0x01, 0x06, 0x01, 0x0e, 0x01, 0x00 };
    static const uint8_t derived[] = { 0x10, 0x01, 0x03, 0x01, 0x00, 0x05, 0x7f, 0x7f };
    struct codec_rows rows = { 0 };
    columns_init(&rows.columns, &schema);
    for (unsigned time = 0; time < 3; time++) {
        struct reader r =
            time == 1 ? reader_over(derived, sizeof derived) : reader_over(good, sizeof good);
        holter_status status = codec_block_decode_next(&rows, &r, 3, -7, false, 0, NULL, 0);
        ck_assert_int_eq(status, time == 1 ? HOLTER_CORRUPT : HOLTER_OK);
        for (size_t i = 0; i < rows.columns.count; i++)
            CHECK(rows.columns.flags[i] == 0 && rows.columns.sequence[i] == 0);
    }
    codec_rows_release(&rows);
}
END_TEST

START_TEST(what_was_decoded_ahead_is_used_only_where_it_is_meant)
{
    enum { BLOCKS = 3 };
    const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    struct random random = { 9 };
    struct columns c[BLOCKS];
    struct buffer bytes[BLOCKS];
    struct codec_rows rows = { 0 };
    struct codec_scratch *scratch = codec_scratch_new();
    ck_assert_ptr_nonnull(scratch);
    columns_init(&rows.columns, &schema);
    for (size_t i = 0; i < BLOCKS; i++) {
        columns_init(&c[i], &schema);
        buffer_init(&bytes[i]);
        fill_pairs(&c[i], &random, CODEC_BLOCK_ROWS_MAX - (i == 2));
        codec_block_encode(&bytes[i], &c[i], 0, c[i].count, false, scratch);
        ck_assert_uint_eq(bytes[i].data[0] >> 3, 1); /* pairs */
    }
    /* a place where one block comes to lie and then another */
    uint8_t *place = malloc(bytes[0].bytes + bytes[1].bytes);
    ck_assert_ptr_nonnull(place);
    const struct codec_next of_place = { reader_over(place, bytes[1].bytes), c[1].count };
    const struct codec_next shorter = { reader_over(bytes[2].data, bytes[2].bytes), c[2].count };
    for (int loops = CODEC_LOOPS_BEST; loops <= CODEC_LOOPS_AVX512; loops++) {
        if (!codec_loops_use((enum codec_loops)loops))
            continue;
        memcpy(place, bytes[1].data, bytes[1].bytes);
        CHECK(block_is(&rows, &c[0], bytes[0].data, bytes[0].bytes, &of_place, 1));
        CHECK(block_is(&rows, &c[1], place, bytes[1].bytes, &shorter, 1));
        CHECK(block_is(&rows, &c[2], bytes[2].data, bytes[2].bytes, NULL, 0));

        CHECK(block_is(&rows, &c[0], bytes[0].data, bytes[0].bytes, &of_place, 1));
        memcpy(place, bytes[0].data, bytes[0].bytes);
        CHECK(block_is(&rows, &c[0], place, bytes[0].bytes, NULL, 0));

        memcpy(place, bytes[1].data, bytes[1].bytes);
        CHECK(block_is(&rows, &c[0], bytes[0].data, bytes[0].bytes, &of_place, 1));
        struct reader r = reader_over(place, bytes[1].bytes / 2);
        CHECK(codec_block_decode_next(&rows, &r, c[1].count, c[1].time[0], false, 0, NULL, 0) ==
              HOLTER_CORRUPT);

        struct codec_rows fresh = {
            0
        }; /* without memory for the next block this one is read alone */
        columns_init(&fresh.columns, &schema);
        CHECK(block_is(&fresh, &c[0], bytes[0].data, bytes[0].bytes, NULL, 0));
        alloc_fail_arm(0, true);
        bool is_read = block_is(&fresh, &c[0], bytes[0].data, bytes[0].bytes, &of_place, 1);
        CHECK(alloc_fail_disarm() && is_read && fresh.ahead == NULL);
        codec_rows_release(&fresh);

        place[bytes[1].bytes / 2] ^= 1; /* the next block is damaged: this one is not */
        CHECK(block_is(&rows, &c[0], bytes[0].data, bytes[0].bytes, &of_place, 1));
        CHECK(!block_is(&rows, &c[1], place, bytes[1].bytes, NULL, 0));
        CHECK(block_is(&rows, &c[1], bytes[1].data, bytes[1].bytes, NULL, 0));
    }
    CHECK(codec_loops_use(CODEC_LOOPS_BEST));
    free(place);
    for (size_t i = 0; i < BLOCKS; i++) {
        columns_release(&c[i]);
        buffer_release(&bytes[i]);
    }
    codec_rows_release(&rows);
    codec_scratch_free(scratch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_cold");
    TCase *tcase = tcase_create("blocks");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, rows_of_every_shape_and_length_come_back_bit_by_bit, 0, SHAPES);
    tcase_add_loop_test(tcase, coded_blocks_are_hardly_larger_than_packed_ones, 0, SHAPES);
    tcase_add_loop_test(tcase, all_loops_write_the_same_bytes, 0, SHAPES);
    tcase_add_test(tcase, the_largest_waves_come_back_bit_by_bit);
    tcase_add_test(tcase, even_intervals_take_the_bytes_of_one);
    tcase_add_test(tcase, a_refused_block_leaves_no_flags);
    tcase_add_test(tcase, rests_of_all_lengths_come_back);
    tcase_add_test(tcase, each_form_is_chosen_where_it_is_small);
    tcase_add_test(tcase, beats_of_measurements_come_back_bit_by_bit);
    tcase_add_test(tcase, spells_come_back_bit_by_bit);
    tcase_add_test(tcase, extreme_spells_come_back_bit_by_bit);
    tcase_add_test(tcase, damaged_spells_are_refused_or_mean_rows);
    tcase_add_loop_test(tcase, damaged_blocks_are_refused_or_mean_rows, 0,
                        (int)CORE_COUNT(schemas));
    tcase_add_loop_test(tcase, any_allocation_may_fail, 0, 2);
    tcase_add_loop_test(tcase, symbols_of_every_model_come_back, 1, CODEC_MODELS + 1);
    tcase_add_loop_test(tcase, the_loops_agree_on_right_and_on_damaged_bytes, 1, CODEC_MODELS + 1);
    tcase_add_test(tcase, what_was_decoded_ahead_is_used_only_where_it_is_meant);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
