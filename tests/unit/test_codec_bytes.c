/*
 * test_codec_bytes.c -- columns to bytes and back.
 *
 * Claim: rows come back bit by bit, in a log frame's form and in a block's; the bytes are those of
 * format-spec/columns.md and blocks.md (their vectors, which were not made by this code); and
 * whatever bytes the decoder accepts, the encoder writes the same again (B1), or in a block, which
 * has many encodings, the same rows. Method: seeded rows of every type
 * with extremes, decimals among them, every truncation, every flipped bit, random bytes.
 */
#include "codec/codec.h"
#include "alloc_fail.h"
#include "random.h"
#include "run.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct schema schemas[] = {
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_ENUM } },
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_FLOAT } },
    { SAMPLE_INSTANT, 2, 1, { FIELD_INT, FIELD_TEXT } },
    { SAMPLE_INTERVAL, 8, 0, { 1, 2, 3, 4, 1, 2, 3, 4 } },
};

/* ---- random rows ----------------------------------------------------------------------------- */

static int64_t random_value(struct random *random, uint8_t type)
{
    static const int64_t edges[] = { 0, 1, -1, INT64_MIN, INT64_MAX, INT64_MIN + 1, 127, 128 };
    int64_t value = (int64_t)(random_u64(random) >> random_below(random, 64));
    if (random_below(random, 3) == 0)
        value = edges[random_below(random, CORE_COUNT(edges))];
    if (type == FIELD_ENUM && value < 0)
        value = ~value;
    return value;
}

static int64_t random_gap(struct random *random, int64_t unit)
{
    if (random_below(random, 64) == 0)
        return (int64_t)(random_u64(random) >> 2) / unit * unit;
    return (int64_t)random_below(random, 300) * unit;
}

/* Rows in which columns are constant more often than chance would have it. */
static void random_rows(struct columns *c, struct random *random, size_t count)
{
    static const int64_t units[] = { 1, 7, 1000, 1000000, 1000000000, 60000000000 };
    uint8_t text[300];
    int64_t unit = units[random_below(random, CORE_COUNT(units))];
    uint64_t constant = random_u64(random); /* a bit for each column */
    struct row row = { .time = (int64_t)(random_u64(random) >> 3) / unit * unit };
    if (random_below(random, 2) == 0)
        row.time = -row.time;
    if (random_below(random, 16) == 0)
        row.time = INT64_MIN + 1;

    for (size_t i = 0; i < count; i++) {
        int64_t time;
        if (i > 0 && checked_add_i64(&time, row.time, random_gap(random, unit)) && time < INT64_MAX)
            row.time = time;
        if (i == 0 || (constant & 1) == 0)
            row.duration = random_value(random, FIELD_ENUM);
        if (i == 0 || (constant & 2) == 0)
            row.flags = (uint16_t)(random_u64(random) & 0xff0f);
        if (i == 0 || (constant & 4) == 0)
            row.revision = random_value(random, FIELD_INT);
        for (size_t j = 0; j < c->schema.field_count; j++) {
            if (i == 0 || (constant >> (j + 3) & 1) == 0)
                row.field[j] = random_value(random, c->schema.types[j]);
            row.text_bytes[j] = (uint32_t)random_below(random, random_below(random, 8) ? 9 : 300);
            row.text[j] = text;
        }
        for (size_t j = 0; j < sizeof text; j++)
            text[j] = (uint8_t)random_u64(random);
        CHECK(columns_append(c, &row));
    }
}

static bool is_equal(const struct columns *a, size_t row_a, const struct columns *b, size_t row_b,
                     bool with_revision)
{
    if (!columns_row_is_equal(a, row_a, b, row_b) || a->flags[row_a] != b->flags[row_b])
        return false;
    return !with_revision || a->revision[row_a] == b->revision[row_b];
}

/* ---- either form: rows of a log frame, or a block of a segment ------------------------------- */

enum form { FORM_ROWS = 0, FORM_BLOCK = 1, FORMS };

static void encode(enum form form, struct buffer *out, const struct columns *c, size_t first,
                   size_t count, bool with_revision)
{
    if (form == FORM_BLOCK)
        codec_block_encode(out, c, first, count, with_revision, NULL);
    else
        codec_encode(out, c, first, count, with_revision);
}

static holter_status decode(enum form form, struct columns *out, struct reader *r, size_t count,
                            int64_t begin, bool with_revision, int64_t revision, uint64_t sequence)
{
    if (form == FORM_BLOCK)
        return codec_block_decode(out, r, count, begin, with_revision, revision, sequence, NULL);
    return codec_decode(out, r, count, with_revision, revision, sequence);
}

/* What was decoded, all of `c`, encodes to the same bytes; of a block, to the same rows. */
static void assert_means_itself(enum form form, const struct columns *c, const uint8_t *bytes,
                                size_t count, bool with_revision)
{
    struct buffer again;
    buffer_init(&again);
    encode(form, &again, c, 0, c->count, with_revision);
    CHECK(!again.failed);
    if (form == FORM_ROWS) {
        CHECK(again.bytes == count);
        CHECK(memcmp(again.data, bytes, count) == 0);
    } else {
        struct columns back;
        columns_init(&back, &c->schema);
        struct reader r = reader_over(again.data, again.bytes);
        CHECK(decode(form, &back, &r, c->count, c->time[0], with_revision, 0, 0) == HOLTER_OK);
        CHECK(reader_is_done(&r));
        for (size_t i = 0; i < c->count; i++)
            CHECK(is_equal(&back, i, c, i, with_revision));
        columns_release(&back);
    }
    buffer_release(&again);
}

START_TEST(rows_come_back_bit_by_bit)
{
    enum form form = _i % FORMS;
    struct random random = { (uint64_t)_i };
    const struct schema *schema = &schemas[(size_t)_i / FORMS % CORE_COUNT(schemas)];
    for (size_t round = 0; round < 300; round++) {
        struct columns c, back;
        struct buffer bytes;
        bool with_revision = random_below(&random, 2) == 0;
        size_t first = random_below(&random, 4);
        size_t count = 1 + random_below(&random, random_below(&random, 4) ? 10 : 200);
        columns_init(&c, schema);
        columns_init(&back, schema);
        buffer_init(&bytes);
        random_rows(&c, &random, first + count + 2);
        buffer_append_u8(&bytes, 0xaa); /* appended to what is there, read from where it is */
        encode(form, &bytes, &c, first, count, with_revision);
        buffer_append_u8(&bytes, 0xbb);

        size_t lead = random_below(&random, 3);
        CHECK(columns_append_rows(&back, &c, 0, lead));
        struct reader r = reader_over(bytes.data, bytes.bytes);
        get_u8(&r);
        CHECK(decode(form, &back, &r, count, c.time[first], with_revision, -3, 77) == HOLTER_OK);
        CHECK(r.left == 1 && *r.at == 0xbb && !r.overrun);
        CHECK(back.count == lead + count);
        for (size_t i = 0; i < back.count; i++) {
            size_t from = i < lead ? i : first + i - lead;
            CHECK(is_equal(&back, i, &c, from, with_revision || i < lead));
            CHECK(i < lead || back.sequence[i] == 77);
            CHECK(i < lead || with_revision || back.revision[i] == -3);
        }
        columns_release(&c);
        columns_release(&back);
        buffer_release(&bytes);
    }
}
END_TEST

START_TEST(a_full_block_of_rows_comes_back)
{
    struct columns c, back;
    struct buffer bytes;
    struct random random = { 5 };
    columns_init(&c, &schemas[0]);
    columns_init(&back, &schemas[0]);
    buffer_init(&bytes);
    random_rows(&c, &random, CODEC_ROWS_MAX);
    codec_encode(&bytes, &c, 0, c.count, true);
    struct reader r = reader_over(bytes.data, bytes.bytes);
    ck_assert_int_eq(codec_decode(&back, &r, c.count, true, 0, 0), HOLTER_OK);
    ck_assert(reader_is_done(&r));
    for (size_t i = 0; i < c.count; i++)
        CHECK(is_equal(&back, i, &c, i, true));

    uint8_t *zeros =
        calloc(1, CODEC_ROWS_MAX + 10); /* one row too many, though the bytes are there */
    ck_assert_ptr_nonnull(zeros);
    memcpy(zeros, (uint8_t[]){ CODEC_GAPS, 4 }, 2);
    zeros[CODEC_ROWS_MAX + 3] = zeros[CODEC_ROWS_MAX + 5] = CODEC_CONSTANT;
    r = reader_over(zeros, CODEC_ROWS_MAX + 7);
    ck_assert_int_eq(codec_decode(&back, &r, CODEC_ROWS_MAX + 1, false, 0, 0), HOLTER_CORRUPT);
    zeros[CODEC_ROWS_MAX + 2] = zeros[CODEC_ROWS_MAX + 4] = CODEC_CONSTANT;
    zeros[CODEC_ROWS_MAX + 3] = zeros[CODEC_ROWS_MAX + 5] = 0;
    r = reader_over(zeros, CODEC_ROWS_MAX + 6);
    ck_assert_int_eq(codec_decode(&back, &r, CODEC_ROWS_MAX, false, 0, 0), HOLTER_OK);
    ck_assert_uint_eq(back.count, 2 * CODEC_ROWS_MAX);
    free(zeros);
    columns_release(&c);
    columns_release(&back);
    buffer_release(&bytes);
}
END_TEST

START_TEST(a_text_has_a_mebibyte_at_most)
{
    struct columns c, back;
    struct buffer bytes;
    uint8_t *text = calloc(1, CODEC_TEXT_BYTES_MAX);
    ck_assert_ptr_nonnull(text);
    columns_init(&c, &schemas[3]);
    columns_init(&back, &schemas[3]);
    buffer_init(&bytes);
    struct row row = { .text = { NULL, text }, .text_bytes = { 0, CODEC_TEXT_BYTES_MAX } };
    ck_assert(columns_append(&c, &row));
    codec_encode(&bytes, &c, 0, 1, false);
    struct reader r = reader_over(bytes.data, bytes.bytes);
    ck_assert_int_eq(codec_decode(&back, &r, 1, false, 0, 0), HOLTER_OK);
    ck_assert(reader_is_done(&r));
    ck_assert(columns_row_is_equal(&c, 0, &back, 0));

    /* time (3 bytes), the integer (2), the text's codec, and its length: 2^20, now one more. */
    ck_assert_uint_eq(bytes.data[6], 0x80);
    bytes.data[6] = 0x81;
    buffer_append_u8(&bytes, 0);
    r = reader_over(bytes.data, bytes.bytes);
    ck_assert_int_eq(codec_decode(&back, &r, 1, false, 0, 0), HOLTER_CORRUPT);
    ck_assert_uint_eq(back.count, 1);
    free(text);
    columns_release(&c);
    columns_release(&back);
    buffer_release(&bytes);
}
END_TEST

/* ---- floats of a block ------------------------------------------------------------------------ */

/* Bytes of a block of these values, a second apart, all of which come back. */
static size_t floats_take(const double *values, size_t count)
{
    struct columns c, back;
    struct buffer bytes;
    columns_init(&c, &schemas[2]);
    columns_init(&back, &schemas[2]);
    buffer_init(&bytes);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = (int64_t)i * 1000000000 };
        memcpy(&row.field[0], &values[i], sizeof values[i]);
        CHECK(columns_append(&c, &row));
    }
    codec_block_encode(&bytes, &c, 0, count, false, NULL);
    struct reader r = reader_over(bytes.data, bytes.bytes);
    CHECK(codec_block_decode(&back, &r, count, 0, false, 0, 0, NULL) == HOLTER_OK);
    CHECK(reader_is_done(&r));
    for (size_t i = 0; i < count; i++)
        CHECK(is_equal(&back, i, &c, i, false));
    size_t took = bytes.bytes;
    columns_release(&c);
    columns_release(&back);
    buffer_release(&bytes);
    return took;
}

START_TEST(floats_of_a_block_come_back_bit_by_bit)
{
    static const double edges[] = {
        0.0,
        -0.0,
        NAN,
        -NAN,
        INFINITY,
        -INFINITY,
        DBL_MIN,
        -DBL_MAX,
        5e-324,
        0.5,
        1e-18,
        1e18,
        0.1,
        0.1 + 0.2,
        1.0 / 3,
        72.33333333333333,
        1e15 / 3,
        2.5,
        1e22,
        -0.25,
        1e23,
        9007199254740991,
        -9007199254740992,
        9007199254740994,
    };
    double values[CODEC_PACKED_ROWS_MAX];
    struct random random = { (uint64_t)_i };
    for (size_t count = 1; count <= CODEC_PACKED_ROWS_MAX; count += 1 + count / 2) {
        uint64_t rare = 1 + random_below(&random, 40);
        double scale = pow(10, (double)random_below(&random, 19));
        for (size_t i = 0; i < count; i++) {
            double mantissa = (double)(random_u64(&random) >> (11 + random_below(&random, 53)));
            values[i] = random_below(&random, rare) == 0
                            ? edges[random_below(&random, CORE_COUNT(edges))]
                            : mantissa / scale;
        }
        size_t column = floats_take(values, count) - 2 /* flags */;
        size_t times = count == 1 ? 3 : 6; /* at most */
        CHECK(column <= times + 1 + 8 * count);
    }
}
END_TEST

/* Each alone, in every place of those that are looked at or not. */
START_TEST(a_value_of_many_digits_does_not_widen_the_others)
{
    static const double odd[] = { 36.123456789, 36.1234567890123, 5e-5, 0.1 + 0.2, 1e18, NAN };
    double values[CODEC_PACKED_ROWS_MAX];
    struct random random = { 3 };
    for (size_t i = 0; i < CODEC_PACKED_ROWS_MAX; i++)
        values[i] = (double)(3000 + random_below(&random, 900)) / 100;
    size_t without = floats_take(values, CODEC_PACKED_ROWS_MAX);
    for (size_t at = 0; at < 200; at++) {
        double before = values[at];
        values[at] = odd[at % CORE_COUNT(odd)];
        ck_assert_uint_le(floats_take(values, CODEC_PACKED_ROWS_MAX), without + 20);
        values[at] = before;
    }
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------- */

/* Refused, leaving the rows as they were; or rows that mean themselves. True: accepted. */
static bool assert_refused_or_right(enum form form, const struct schema *schema,
                                    const uint8_t *bytes, size_t byte_count, size_t count,
                                    int64_t begin, bool with_revision)
{
    struct columns back;
    columns_init(&back, schema);
    struct reader r = reader_over(bytes, byte_count);
    holter_status status = decode(form, &back, &r, count, begin, with_revision, 0, 0);
    if (status == HOLTER_OK) {
        CHECK(back.count == count);
        assert_means_itself(form, &back, bytes, byte_count - r.left, with_revision);
    } else {
        CHECK(status == HOLTER_CORRUPT);
        CHECK(back.count == 0 && back.text.bytes == 0);
    }
    columns_release(&back);
    return status == HOLTER_OK;
}

START_TEST(damage_is_refused_or_means_itself)
{
    enum form form = _i % FORMS;
    struct random random = { 100 + (uint64_t)_i };
    const struct schema *schema = &schemas[(size_t)_i / FORMS % CORE_COUNT(schemas)];
    size_t refused = 0;
    for (size_t round = 0; round < 12; round++) {
        struct columns c;
        struct buffer bytes;
        size_t count = 1 + random_below(&random, 12);
        bool with_revision = round % 2 == 0;
        columns_init(&c, schema);
        buffer_init(&bytes);
        random_rows(&c, &random, count);
        encode(form, &bytes, &c, 0, count, with_revision);
        CHECK(assert_refused_or_right(form, schema, bytes.data, bytes.bytes, count, c.time[0],
                                      with_revision));

        for (size_t cut = 0; cut < bytes.bytes; cut++) {
            uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees each byte too many */
            CHECK(exact != NULL);
            memcpy(exact + 1, bytes.data, cut);
            CHECK(!assert_refused_or_right(form, schema, exact + 1, cut, count, c.time[0],
                                           with_revision));
            free(exact);
        }
        for (size_t bit = 0; bit < 8 * bytes.bytes; bit++) {
            bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            refused += !assert_refused_or_right(form, schema, bytes.data, bytes.bytes, count,
                                                c.time[0], with_revision);
            bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        columns_release(&c);
        buffer_release(&bytes);
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(random_bytes_are_refused_or_mean_themselves)
{
    enum form form = _i % FORMS;
    struct random random = { 200 + (uint64_t)_i };
    const struct schema *schema = &schemas[(size_t)_i / FORMS % CORE_COUNT(schemas)];
    size_t accepted = 0;
    for (size_t round = 0; round < 40000; round++) {
        uint8_t bytes[64];
        size_t byte_count = random_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < byte_count; i++)
            bytes[i] = (uint8_t)(random_below(&random, 2) ? random_below(&random, 6)
                                                          : random_u64(&random));
        if (byte_count > 0)
            bytes[0] = form == FORM_BLOCK ? 3 /* a unit */ : CODEC_GAPS;
        accepted += assert_refused_or_right(form, schema, bytes, byte_count,
                                            random_below(&random, 5), 1, round % 2 == 0);
    }
    if (_i < FORMS)
        ck_assert_uint_gt(accepted, 0);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    enum form form = _i % FORMS;
    bool is_for_ever = _i / FORMS == 1;
    struct columns c;
    struct buffer whole;
    struct random random = { 7 };
    const struct schema *schema = &schemas[CORE_COUNT(schemas) - 1];
    columns_init(&c, schema);
    buffer_init(&whole);
    random_rows(&c, &random, 50);
    encode(form, &whole, &c, 0, c.count, true);

    bool has_failed = true;
    unsigned long nth = 0;
    for (; has_failed; nth++) {
        struct buffer bytes;
        buffer_init(&bytes);
        alloc_fail_arm(nth, is_for_ever);
        encode(form, &bytes, &c, 0, c.count, true);
        has_failed = alloc_fail_disarm();
        ck_assert_int_eq(bytes.failed, has_failed);
        buffer_release(&bytes);
    }
    ck_assert_uint_gt(nth, 2);
    has_failed = true;
    for (nth = 0; has_failed; nth++) {
        struct columns back;
        columns_init(&back, schema);
        ck_assert(columns_append_rows(&back, &c, 0, 1));
        size_t text_bytes = back.text.bytes;
        struct reader r = reader_over(whole.data, whole.bytes);
        alloc_fail_arm(nth, is_for_ever);
        holter_status status = decode(form, &back, &r, c.count, c.time[0], true, 0, 0);
        has_failed = alloc_fail_disarm();
        ck_assert_int_eq(status, has_failed ? HOLTER_NO_MEMORY : HOLTER_OK);
        if (has_failed) {
            ck_assert_uint_eq(back.count, 1);
            ck_assert_uint_eq(back.text.bytes, text_bytes);
            ck_assert(is_equal(&back, 0, &c, 0, true));
            r = reader_over(whole.data, whole.bytes); /* later, with memory */
            ck_assert_int_eq(decode(form, &back, &r, c.count, c.time[0], true, 0, 0), HOLTER_OK);
        }
        columns_release(&back);
    }
    ck_assert_uint_gt(nth, 2); /* of the columns, and of their texts */
    columns_release(&c);
    buffer_release(&whole);
}
END_TEST

/* ---- the vectors of the format page ---------------------------------------------------------- */

enum {
    VECTOR_ROWS_MAX = CODEC_BLOCK_ROWS_MAX,
    VECTOR_BYTES_MAX = 8192,
    VECTOR_LINE_BYTES_MAX = 2 * VECTOR_BYTES_MAX,
};

struct vector {
    char name[64];
    char kind[16];
    struct schema schema;
    size_t count;
    bool with_revision;
    int64_t begin;                    /* of blocks */
    uint8_t models[VECTOR_BYTES_MAX]; /* of blocks: the series' own ones, as stored */
    size_t model_bytes;
    uint8_t bytes[VECTOR_BYTES_MAX];
    size_t byte_count;
    struct row rows[VECTOR_ROWS_MAX];
    uint8_t texts[VECTOR_BYTES_MAX]; /* of all rows */
    size_t text_bytes;
};

/* Into `out`, which has room for `count_max` bytes; `-` are none, and `*` ends them. */
static size_t parse_hex(uint8_t *out, size_t count_max, const char *hex)
{
    size_t count = strcspn(hex, "-*") / 2;
    unsigned byte;
    char digits[3] = { 0 }; /* sscanf measures all of its input, each time */
    CHECK(count <= count_max);
    for (size_t i = 0; i < count; i++) {
        memcpy(digits, hex + 2 * i, 2);
        CHECK(sscanf(digits, "%2x", &byte) == 1);
        out[i] = (uint8_t)byte;
    }
    return count;
}

static void parse_value(struct vector *v, const char *column, size_t row, const char *value)
{
    struct row *out = &v->rows[row];
    int64_t number = (int64_t)strtoll(value, NULL, 10);
    if (strcmp(column, "time") == 0) {
        out->time = number;
    } else if (strcmp(column, "duration") == 0) {
        out->duration = number;
    } else if (strcmp(column, "flags") == 0) {
        out->flags = (uint16_t)number;
    } else if (strcmp(column, "revision") == 0) {
        out->revision = number;
    } else {
        CHECK(strncmp(column, "field", 5) == 0 && column[5] >= '0' && column[5] <= '7');
        size_t field = (size_t)(column[5] - '0');
        out->field[field] = number;
        if (v->schema.types[field] == FIELD_FLOAT)
            out->field[field] = (int64_t)strtoull(value, NULL, 16);
        if (v->schema.types[field] == FIELD_TEXT) {
            uint8_t *text = v->texts + v->text_bytes;
            size_t text_bytes = parse_hex(text, VECTOR_BYTES_MAX - v->text_bytes, value);
            out->text[field] = text;
            out->text_bytes[field] = (uint32_t)text_bytes;
            v->text_bytes += text_bytes;
        }
    }
}

static void parse_line(struct vector *v, char *line)
{
    char *rest = NULL;
    const char *name = strtok_r(line, " \n", &rest);
    const char *value = strtok_r(NULL, " \n", &rest);
    CHECK(name != NULL);
    value = value != NULL ? value : ""; /* no bytes at all */
    if (strcmp(name, "vector") == 0) {
        snprintf(v->name, sizeof v->name, "%s", value);
    } else if (strcmp(name, "kind") == 0) {
        snprintf(v->kind, sizeof v->kind, "%s", value);
    } else if (strcmp(name, "schema") == 0) {
        uint8_t bytes[VECTOR_BYTES_MAX];
        struct reader r = reader_over(bytes, parse_hex(bytes, sizeof bytes, value));
        CHECK(schema_decode(&v->schema, &r) == HOLTER_OK && reader_is_done(&r));
    } else if (strcmp(name, "count") == 0) {
        v->count = strtoul(value, NULL, 10);
    } else if (strcmp(name, "with_revision") == 0) {
        v->with_revision = strcmp(value, "1") == 0;
    } else if (strcmp(name, "begin") == 0) {
        v->begin = strtoll(value, NULL, 10);
    } else if (strcmp(name, "models") == 0) {
        v->model_bytes = parse_hex(v->models, sizeof v->models, value);
    } else if (strcmp(name, "bytes") == 0) {
        v->byte_count = parse_hex(v->bytes, sizeof v->bytes, value);
    } else if (strcmp(v->kind, "rows") == 0) {
        size_t row = 0;
        for (; value != NULL; value = strtok_r(NULL, " \n", &rest)) {
            const char *star = strchr(value, '*'); /* and how many rows have it */
            size_t repeats = star == NULL ? 1 : strtoul(star + 1, NULL, 10);
            CHECK(repeats > 0 && repeats <= v->count - row && v->count <= VECTOR_ROWS_MAX);
            for (size_t i = 0; i < repeats; i++, row++)
                parse_value(v, name, row, value);
        }
        CHECK(row == v->count);
    }
}

/* With its own models, where it names some. */
static holter_status decode_vector(enum form form, struct columns *back, struct reader *r,
                                   const struct vector *v)
{
    struct codec_models *models = NULL;
    holter_status status = HOLTER_OK;
    if (v->model_bytes == 0)
        return decode(form, back, r, v->count, v->begin, v->with_revision, 0, 0);
    status = codec_models_decode(&models, v->models, v->model_bytes);
    if (status == HOLTER_OK)
        status = codec_block_decode(back, r, v->count, v->begin, v->with_revision, 0, 0, models);
    codec_models_free(models);
    return status;
}

static void assert_rows(enum form form, const struct vector *v)
{
    struct columns c, back;
    columns_init(&c, &v->schema);
    columns_init(&back, &v->schema);
    for (size_t i = 0; i < v->count; i++)
        ck_assert(columns_append(&c, &v->rows[i]));
    if (form == FORM_ROWS)
        assert_means_itself(form, &c, v->bytes, v->byte_count, v->with_revision);
    struct reader r = reader_over(v->bytes, v->byte_count);
    ck_assert_msg(decode_vector(form, &back, &r, v) == HOLTER_OK, "%s", v->name);
    ck_assert(reader_is_done(&r));
    for (size_t i = 0; i < v->count; i++)
        ck_assert_msg(is_equal(&back, i, &c, i, v->with_revision), "%s, row %zu", v->name, i);
    columns_release(&c);
    columns_release(&back);
}

static void assert_refused(enum form form, const struct vector *v)
{
    struct columns back;
    columns_init(&back, &v->schema);
    struct reader r = reader_over(v->bytes, v->byte_count);
    holter_status status = decode_vector(form, &back, &r, v);
    if (form == FORM_BLOCK && status == HOLTER_OK && !reader_is_done(&r))
        status = HOLTER_CORRUPT; /* by whoever holds the block */
    ck_assert_msg(status == HOLTER_CORRUPT, "%s: status %d", v->name, (int)status);
    columns_release(&back);
}

START_TEST(the_vectors_of_the_format_page_hold)
{
    enum form form = _i % FORMS;
    FILE *file = fopen(form == FORM_BLOCK ? "format-spec/vectors/blocks.txt"
                                          : "format-spec/vectors/columns.txt",
                       "r");
    ck_assert_msg(file != NULL, "run from the top of the tree");
    struct vector *v = calloc(1, sizeof *v);
    ck_assert_ptr_nonnull(v);
    size_t rows = 0, refused = 0;
    char line[VECTOR_LINE_BYTES_MAX + 1];
    for (bool is_last = false; !is_last;) {
        is_last = fgets(line, sizeof line, file) == NULL;
        bool is_end = is_last || line[0] == '\n';
        ck_assert_msg(is_last || strchr(line, '\n') != NULL, "a line too long");
        if (!is_end && line[0] != '#')
            parse_line(v, line);
        if (!is_end)
            continue;
        if (strcmp(v->kind, "rows") == 0) {
            assert_rows(form, v);
            rows++;
        } else if (strcmp(v->kind, "refuse") == 0) {
            assert_refused(form, v);
            refused++;
        }
        memset(v, 0, sizeof *v);
    }
    fclose(file);
    free(v);
    ck_assert_uint_ge(rows, form == FORM_BLOCK ? 150 : 11);
    ck_assert_uint_ge(refused, form == FORM_BLOCK ? 150 : 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codec_bytes");
    TCase *tcase = tcase_create("bytes");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, rows_come_back_bit_by_bit, 0, 20);
    tcase_add_test(tcase, a_full_block_of_rows_comes_back);
    tcase_add_test(tcase, a_text_has_a_mebibyte_at_most);
    tcase_add_loop_test(tcase, floats_of_a_block_come_back_bit_by_bit, 0, 40);
    tcase_add_test(tcase, a_value_of_many_digits_does_not_widen_the_others);
    tcase_add_loop_test(tcase, damage_is_refused_or_means_itself, 0, 20);
    tcase_add_loop_test(tcase, random_bytes_are_refused_or_mean_themselves, 0, 10);
    tcase_add_loop_test(tcase, any_allocation_may_fail, 0, 4);
    tcase_add_loop_test(tcase, the_vectors_of_the_format_page_hold, 0, FORMS);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
