/*
 * fuzz_columns.c -- rows of one series, and tombstones, decoded and encoded again.
 *
 * Input: a byte of options. Then tombstones; or a schema, 16 bits of rows, and their columns as a log
 * frame has them; or the time of the first row (64 bits) and the columns of a block, which all loops decode alike;
 * before these, where the options say so, the series' own models, 16 bits of their length first.
 */
#include "fuzz.h"
#include "merge/merge.h"

#include <string.h>

enum option { WITH_REVISION = 1, TOMBSTONES = 2, BLOCK = 4, OWN_MODELS = 8 };

static void check_bytes(const struct buffer *again, const uint8_t *from, const struct reader *r)
{
    size_t taken = (size_t)(r->at - from);
    core_assert(!again->failed);
    core_assert(again->bytes == taken);
    core_assert(taken == 0 || memcmp(again->data, from, taken) == 0);
}

static void decode_tombstones(struct reader *r)
{
    const uint8_t *from = r->at;
    struct tombstones t;
    struct buffer again;
    tombstones_init(&t);
    buffer_init(&again);
    holter_status status = tombstones_decode(&t, r, 5);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    if (status == HOLTER_OK) {
        tombstones_encode(&again, &t, 5);
        check_bytes(&again, from, r);
        tombstones_coalesce(&t);
        size_t once = t.count;
        tombstones_coalesce(&t);
        core_assert(t.count == once);
    }
    buffer_release(&again);
    tombstones_release(&t);
}

/* A block has many encodings: the rows have to come back, not the bytes. */
static void check_block(const struct columns *c, bool with_revision, struct codec_scratch *scratch,
                        const struct codec_models *models)
{
    struct buffer again;
    struct columns back;
    buffer_init(&again);
    columns_init(&back, &c->schema);
    codec_block_encode(&again, c, 0, c->count, with_revision, scratch);
    core_assert(!again.failed);
    struct reader r = reader_over(again.data, again.bytes);
    holter_status status =
        codec_block_decode(&back, &r, c->count, c->time[0], with_revision, 3, 4, models);
    core_assert(status == HOLTER_OK);
    core_assert(reader_is_done(&r));
    for (size_t i = 0; i < c->count; i++) {
        core_assert(columns_row_is_equal(c, i, &back, i));
        core_assert(c->flags[i] == back.flags[i] && c->revision[i] == back.revision[i]);
    }
    columns_release(&back);
    buffer_release(&again);
}

/* Learned models to decode with; NULL: there are none. */
static struct codec_models *to_decode(const struct codec_models *learned)
{
    struct codec_models *models = NULL;
    struct buffer stored;
    if (codec_models_bytes(learned) == 0)
        return NULL;
    buffer_init(&stored);
    codec_models_encode(&stored, learned);
    core_assert(codec_models_decode(&models, stored.data, stored.bytes) == HOLTER_OK);
    buffer_release(&stored);
    return models;
}

static void check_blocks(const struct columns *c, bool with_revision)
{
    struct codec_scratch *scratch = codec_scratch_new();
    core_assert(scratch != NULL);
    struct codec_models *learned = NULL;
    codec_scratch_learn(scratch);
    check_block(c, with_revision, scratch, NULL);
    core_assert(codec_models_learn(&learned, scratch, 0) == HOLTER_OK);
    struct codec_models *reading = to_decode(learned);
    codec_scratch_use(scratch, learned);
    check_block(c, with_revision, scratch, reading);
    codec_scratch_use(scratch, NULL);
    codec_models_free(reading);
    codec_models_free(learned);
    if (c->count <= CODEC_PACKED_ROWS_MAX)
        check_block(c, with_revision, NULL, NULL);
    codec_scratch_free(scratch);
}

/* Whatever was decoded before, or refused: rows of zeros come back as they are. */
static void check_zeros_behind(struct codec_rows *rows)
{
    enum { COUNT = 7 };
    struct columns zeros;
    struct buffer bytes;
    columns_init(&zeros, &rows->columns.schema);
    buffer_init(&bytes);
    for (size_t i = 0; i < COUNT; i++)
        core_assert(columns_append(&zeros, &(struct row){ .time = 5 }));
    codec_block_encode(&bytes, &zeros, 0, COUNT, false, NULL);
    struct reader r = reader_over(bytes.data, bytes.bytes);
    core_assert(codec_block_decode_next(rows, &r, COUNT, 5, false, 0, NULL, 0) == HOLTER_OK);
    for (size_t i = 0; i < COUNT; i++) {
        core_assert(columns_row_is_equal(&rows->columns, i, &zeros, i));
        core_assert(rows->columns.flags[i] == 0 && rows->columns.revision[i] == 0);
        core_assert(rows->columns.sequence[i] == 0);
    }
    columns_release(&zeros);
    buffer_release(&bytes);
}

/* What is folded of a block, decoded or refused before, is what its rows say; of one that is refused it is anything. */
static void check_folds(struct codec_rows *rows, const struct reader *bytes, size_t count,
                        int64_t begin, const struct columns *expected)
{
    const struct columns *c = &rows->columns;
    for (size_t f = 0; f < c->schema.field_count && codec_can_fold(&c->schema, f); f++) {
        struct codec_fold_spec spec = { f, -3, 70, -100, 100 };
        struct codec_fold fold;
        uint64_t in = 0;
        int64_t sum = 0;
        const int64_t *values = expected->field[f];
        if (expected->count > 0) {
            int64_t middle = values[expected->count / 2];
            codec_range(&spec.min, &spec.max, values, expected->count);
            spec.low = middle < values[0] ? middle : values[0];
            spec.high = middle < values[0] ? values[0] : middle;
            if (spec.low < -CODEC_FOLD_END || spec.high > CODEC_FOLD_END)
                continue;
        }
        for (size_t i = 0; i < expected->count; i++) {
            bool is_in = values[i] >= spec.low && values[i] <= spec.high;
            in += is_in;
            sum += is_in ? values[i] : 0;
        }
        struct reader r = *bytes;
        holter_status status = codec_block_fold_next(&fold, &spec, rows, &r, count, begin, NULL, 0);
        core_assert(status == HOLTER_OK || (status == HOLTER_CORRUPT && expected->count == 0));
        core_assert(expected->count == 0 ||
                    (fold.count == in && fold.sum == sum && fold.min == spec.low &&
                     fold.max == spec.high)); /* two values of the block */
    }
}

/* Each loop that this CPU runs makes the same of a block's bytes, also where it is the next ones of itself. */
static void check_loops(const struct schema *schema, const struct reader *bytes, size_t rows,
                        int64_t begin, bool with_revision, const struct codec_models *models,
                        const struct columns *expected)
{
    const struct codec_next next[CODEC_AHEAD] = { { *bytes, rows }, { *bytes, rows } };
    for (int loops = CODEC_LOOPS_PLAIN; loops <= CODEC_LOOPS_AVX512; loops++) {
        if (!codec_loops_use((enum codec_loops)loops))
            continue;
        struct codec_rows back = { 0 };
        columns_init(&back.columns, schema);
        codec_rows_use(&back, models);
        check_zeros_behind(&back); /* so that it has rows that others could spoil */
        for (unsigned time = 0; time < 5; time++) { /* alone, and beside one and two others */
            struct reader r = *bytes;
            holter_status status = codec_block_decode_next(&back, &r, rows, begin, with_revision, 3,
                                                           next, time % (CODEC_AHEAD + 1));
            core_assert(status == (expected->count > 0 ? HOLTER_OK : HOLTER_CORRUPT));
            core_assert(back.columns.count == expected->count);
            for (size_t i = 0; i < expected->count; i++) {
                core_assert(columns_row_is_equal(&back.columns, i, expected, i));
                core_assert(back.columns.flags[i] == expected->flags[i]);
                core_assert(back.columns.revision[i] == expected->revision[i]);
                core_assert(!back.is_rising || i == 0 ||
                            back.columns.time[i - 1] < back.columns.time[i]);
            }
        }
        check_folds(&back, bytes, rows, begin, expected);
        check_zeros_behind(&back);
        codec_rows_release(&back);
    }
    core_assert(codec_loops_use(CODEC_LOOPS_BEST));
}

/* NULL: these bytes are none. */
static struct codec_models *decode_models(struct reader *r)
{
    struct codec_models *models = NULL;
    struct buffer again;
    size_t bytes = get_u16(r);
    const uint8_t *from = get_bytes(r, bytes);
    holter_status status =
        from != NULL ? codec_models_decode(&models, from, bytes) : HOLTER_CORRUPT;
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    if (status != HOLTER_OK) {
        codec_models_free(models);
        return NULL;
    }
    buffer_init(&again);
    codec_models_encode(&again, models);
    core_assert(again.bytes == bytes && memcmp(again.data, from, bytes) == 0);
    buffer_release(&again);
    return models;
}

static void decode_rows(struct reader *r, bool with_revision, bool is_block, bool has_models)
{
    const uint8_t *from = r->at;
    struct schema schema;
    if (schema_decode(&schema, r) != HOLTER_OK)
        return;
    core_assert(schema_is_valid(&schema));
    struct buffer again;
    buffer_init(&again);
    schema_encode(&again, &schema);
    check_bytes(&again, from, r);

    struct columns c;
    columns_init(&c, &schema);
    size_t rows = get_u16(r);
    int64_t begin = is_block ? get_i64(r) : 0;
    struct codec_models *models = is_block && has_models ? decode_models(r) : NULL;
    from = r->at;
    const struct reader before = *r;
    holter_status status = is_block
                               ? codec_block_decode(&c, r, rows, begin, with_revision, 3, 4, models)
                               : codec_decode(&c, r, rows, with_revision, 3, 4);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    core_assert(c.count == (status == HOLTER_OK ? rows : 0));
    if (is_block)
        check_loops(&schema, &before, rows, begin, with_revision, models, &c);
    if (status == HOLTER_OK) {
        if (is_block) {
            check_blocks(&c, with_revision);
        } else {
            buffer_clear(&again);
            codec_encode(&again, &c, 0, c.count, with_revision);
            check_bytes(&again, from, r);
        }

        struct columns copy;
        columns_init(&copy, &schema);
        core_assert(columns_append_rows(&copy, &c, 0, c.count));
        core_assert(columns_sort(&copy));
        for (size_t i = 0; i < copy.count; i++) {
            core_assert(i == 0 || columns_compare(&copy, i - 1, &copy, i) <= 0);
            core_assert(columns_row_is_equal(&c, i, &c, i));
            core_assert(columns_end(&c, i) >= c.time[i]);
        }
        columns_release(&copy);
    }
    columns_release(&c);
    buffer_release(&again);
    codec_models_free(models);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    if ((options & TOMBSTONES) != 0)
        decode_tombstones(&in);
    else
        decode_rows(&in, (options & WITH_REVISION) != 0, (options & BLOCK) != 0,
                    (options & OWN_MODELS) != 0);
    return 0;
}
