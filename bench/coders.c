/*
 * coders.c -- the table of codecs, and groups of rows in their blocks.
 */
#include "coders.h"

#include "bench.h"
#include "columns_zstd.h"

#include <stdlib.h>
#include <string.h>

/* ---- codecs ---------------------------------------------------------------------------------- */

static void encode_log(struct buffer *out, const struct columns *c, size_t first, size_t count)
{
    codec_encode(out, c, first, count, false);
}

static holter_status decode_log(struct columns *out, struct reader *r, size_t count, int64_t begin)
{
    (void)begin;
    return codec_decode(out, r, count, false, 0, 0);
}

static void encode_packed(struct buffer *out, const struct columns *c, size_t first, size_t count)
{
    codec_block_encode(out, c, first, count, false, NULL);
}

static struct codec_models *own,
    *own_reading; /* to encode and to decode with; NULL: the rows at hand have none */

static struct codec_scratch *scratch_get(void)
{
    static struct codec_scratch *scratch; /* for the whole run */
    if (scratch == NULL && (scratch = codec_scratch_new()) == NULL)
        bench_fail("no memory");
    return scratch;
}

static void encode_with(struct buffer *out, const struct columns *c, size_t first, size_t count,
                        const struct codec_models *models)
{
    codec_scratch_use(scratch_get(), models);
    codec_block_encode(out, c, first, count, false, scratch_get());
}

static void encode_cold(struct buffer *out, const struct columns *c, size_t first, size_t count)
{
    encode_with(out, c, first, count, NULL);
}

static void encode_own(struct buffer *out, const struct columns *c, size_t first, size_t count)
{
    encode_with(out, c, first, count, own);
}

static holter_status decode_own(struct columns *out, struct reader *r, size_t count, int64_t begin)
{
    return codec_block_decode(out, r, count, begin, false, 0, 0, own_reading);
}

static holter_status decode_block_of_engine(struct columns *out, struct reader *r, size_t count,
                                            int64_t begin)
{
    return codec_block_decode(out, r, count, begin, false, 0, 0, NULL);
}

/* A new codec of the engine is a line here, before zstd's. */
const struct coder coders[] = {
    { "log 8192", 8192, encode_log, decode_log, 0, false },
    { "packed 1024", CODEC_PACKED_ROWS_MAX, encode_packed, decode_block_of_engine, 0, true },
    { "cold 4096", 4096, encode_cold, decode_block_of_engine, 0, true },
    { "cold 8192", CODEC_BLOCK_ROWS_MAX, encode_cold, decode_block_of_engine, 0, true },
    { "own 8192", CODEC_BLOCK_ROWS_MAX, encode_own, decode_own, 0, true },
    { "zstd -1 1024", 1024, NULL, NULL, 1, false },
    { "zstd -3 1024", 1024, NULL, NULL, 3, false },
    { "zstd -19 1024", 1024, NULL, NULL, 19, false },
    { "zstd -1 8192", GROUP_ROWS, NULL, NULL, 1, false },
    { "zstd -3 8192", GROUP_ROWS, NULL, NULL, 3, false },
    { "zstd -19 8192", GROUP_ROWS, NULL, NULL, 19, false },
};
const size_t coder_count = CORE_COUNT(coders);
_Static_assert(CORE_COUNT(coders) <= CODERS_MAX, "arrays of totals hold all coders");

bool coder_is_engine(const struct coder *coder)
{
    return coder->encode != NULL;
}

bool coder_is_own(const struct coder *coder)
{
    return coder->encode == encode_own;
}

size_t coder_of_zstd(int level, size_t rows)
{
    size_t i = 0;
    while (i < coder_count - 1 && (coders[i].level != level || coders[i].rows != rows))
        i++;
    return i;
}

static void encode(const struct coder *coder, struct buffer *out, const struct columns *c,
                   size_t first, size_t count)
{
    if (coder->encode != NULL)
        coder->encode(out, c, first, count);
    else
        zstd_encode(out, c, first, count, coder->level);
}

static void decode(const struct coder *coder, struct columns *out, struct reader *r, size_t count,
                   int64_t begin)
{
    if (coder->decode == NULL)
        zstd_decode(out, r, count, begin);
    else if (coder->decode(out, r, count, begin) != HOLTER_OK)
        bench_fail("%s: a block does not decode", coder->name);
}

/* ---- groups ---------------------------------------------------------------------------------- */

struct columns *group_of(const struct series_set *set, const struct series *series, size_t first)
{
    struct schema schema = {
        .kind = set->kind == HOLTER_INTERVAL ? SAMPLE_INTERVAL : SAMPLE_INSTANT,
        .field_count = (uint8_t)set->field_count,
        .key_field = SCHEMA_NO_KEY,
    };
    size_t count = series->count - first < GROUP_ROWS ? series->count - first : GROUP_ROWS;
    struct columns *c = malloc(sizeof *c);
    for (size_t f = 0; f < set->field_count; f++) {
        if (set->types[f] == HOLTER_TEXT)
            bench_fail("a kind with texts is not measured");
        schema.types[f] = (uint8_t)set->types[f];
    }
    if (c == NULL)
        bench_fail("no memory");
    columns_init(c, &schema);
    if (!columns_reserve(c, count))
        bench_fail("no memory");
    memcpy(c->time, series->time_ns + first, count * sizeof *c->time);
    if (c->duration != NULL)
        memcpy(c->duration, series->duration_ns + first, count * sizeof *c->duration);
    for (size_t f = 0; f < set->field_count; f++)
        memcpy(c->field[f], series->fields[f] + first, count * sizeof *c->field[f]);
    memcpy(c->flags, series->flags + first, count * sizeof *c->flags);
    memset(c->revision, 0, count * sizeof *c->revision);
    memset(c->sequence, 0, count * sizeof *c->sequence);
    c->count = count;
    return c;
}

void group_free(struct columns *c)
{
    columns_release(c);
    free(c);
}

void groups_add(struct groups *groups, struct columns *group)
{
    void *at = groups->at;
    if (!core_grow(&at, &groups->capacity, groups->count + 1, sizeof(struct columns *)))
        bench_fail("no memory");
    groups->at = at;
    groups->at[groups->count++] = group;
    groups->rows += group->count;
}

void groups_release(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        group_free(groups->at[i]);
    free(groups->at);
    *groups = (struct groups){ 0 };
}

size_t own_learn(const struct groups *groups)
{
    static struct codec_models *learned, *reading; /* memory for the whole run */
    struct buffer stored;
    struct codec_scratch *scratch = scratch_get();
    struct buffer before, after;
    size_t count = groups->count < CODEC_LEARN_BLOCKS ? groups->count : CODEC_LEARN_BLOCKS;
    size_t rows = 0;
    buffer_init(&before);
    buffer_init(&after);
    own = NULL;
    codec_scratch_learn(scratch);
    for (size_t i = 0; i < count; i++) {
        codec_block_encode(&before, groups->at[i], 0, groups->at[i]->count, false, scratch);
        rows += groups->at[i]->count;
    }
    if (codec_models_learn(&learned, scratch, before.bytes) != HOLTER_OK)
        bench_fail("no memory");
    if (rows >= CODEC_LEARN_ROWS_MIN && codec_models_bytes(learned) > 0)
        own = learned;
    for (size_t i = 0; own != NULL && i < count; i++)
        encode_own(&after, groups->at[i], 0, groups->at[i]->count);
    if (own != NULL && !codec_models_pay(own, before.bytes, after.bytes))
        own = NULL;
    own_reading = NULL;
    buffer_init(&stored);
    if (own != NULL) {
        codec_models_encode(&stored, own);
        if (stored.failed || codec_models_decode(&reading, stored.data, stored.bytes) != HOLTER_OK)
            bench_fail("models do not come back");
        own_reading = reading;
    }
    buffer_release(&stored);
    buffer_release(&before);
    buffer_release(&after);
    return codec_models_bytes(own);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

void blocks_add(struct blocks *blocks, const struct coder *coder, const struct columns *c)
{
    for (size_t first = 0; first < c->count; first += coder->rows) {
        size_t rest = c->count - first;
        size_t offset = blocks->bytes.bytes;
        size_t count = rest < coder->rows ? rest : coder->rows;
        void *at = blocks->at;
        if (!core_grow(&at, &blocks->capacity, blocks->count + 1, sizeof *blocks->at))
            bench_fail("no memory");
        blocks->at = at;
        encode(coder, &blocks->bytes, c, first, count);
        if (blocks->bytes.failed)
            bench_fail("no memory");
        blocks->at[blocks->count++] =
            (struct block){ offset, blocks->bytes.bytes - offset, count, c->time[first], 0, 0 };
    }
}

void blocks_add_all(struct blocks *blocks, const struct coder *coder, const struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        blocks_add(blocks, coder, groups->at[i]);
}

void blocks_clear(struct blocks *blocks)
{
    buffer_clear(&blocks->bytes);
    blocks->count = 0;
}

void blocks_release(struct blocks *blocks)
{
    buffer_release(&blocks->bytes);
    free(blocks->at);
    *blocks = (struct blocks){ 0 };
}

static struct reader bytes_of(const struct blocks *blocks, size_t index)
{
    return reader_over(blocks->bytes.data + blocks->at[index].offset, blocks->at[index].bytes);
}

static void decode_block(const struct coder *coder, struct columns *out,
                         const struct blocks *blocks, size_t index)
{
    const struct block *block = &blocks->at[index];
    struct reader r = bytes_of(blocks, index);
    decode(coder, out, &r, block->count, block->begin);
    if (!reader_is_done(&r))
        bench_fail("%s: a block has bytes that its rows do not take", coder->name);
}

/* Blocks behind one, which are decoded beside it. */
static size_t find_next(struct codec_next next[CODEC_AHEAD], const struct blocks *blocks,
                        size_t index)
{
    size_t count = 0;
    for (; count < CODEC_AHEAD && index + 1 + count < blocks->count; count++)
        next[count] = (struct codec_next){ bytes_of(blocks, index + 1 + count),
                                           blocks->at[index + 1 + count].count };
    return count;
}

/* One after the other in the same rows, as a scan does. */
static void decode_in_turn(const struct coder *coder, struct codec_rows *rows,
                           const struct blocks *blocks)
{
    codec_rows_use(rows, coder_is_own(coder) ? own_reading : NULL);
    for (size_t i = 0; i < blocks->count; i++) {
        const struct block *block = &blocks->at[i];
        struct reader r = bytes_of(blocks, i);
        struct codec_next next[CODEC_AHEAD];
        size_t next_count = find_next(next, blocks, i);
        if (codec_block_decode_next(rows, &r, block->count, block->begin, false, 0, next,
                                    next_count) != HOLTER_OK)
            bench_fail("a block does not decode");
    }
}

void blocks_tell(struct blocks *blocks, const struct groups *groups)
{
    size_t group = 0, row = 0;
    for (size_t i = 0; i < blocks->count; i++) {
        struct block *block = &blocks->at[i];
        codec_range(&block->min, &block->max, groups->at[group]->field[0] + row, block->count);
        row += block->count;
        if (row == groups->at[group]->count) {
            group++;
            row = 0;
        }
    }
}

struct codec_fold blocks_fold(const struct coder *coder, const struct blocks *blocks,
                              struct decoded *out, int64_t low, int64_t high)
{
    struct codec_fold all = { 0, 0, INT64_MAX, INT64_MIN };
    codec_rows_use(&out->rows, coder_is_own(coder) ? own_reading : NULL);
    for (size_t i = 0; i < blocks->count; i++) {
        const struct block *block = &blocks->at[i];
        struct codec_fold_spec spec = { .low = low > block->min ? low : block->min,
                                        .high = high < block->max ? high : block->max,
                                        .min = block->min,
                                        .max = block->max };
        struct codec_fold fold;
        struct reader r = bytes_of(blocks, i);
        struct codec_next next[CODEC_AHEAD];
        if (spec.low > spec.high)
            continue; /* as its header tells */
        size_t next_count = find_next(next, blocks, i);
        if (codec_block_fold_next(&fold, &spec, &out->rows, &r, block->count, block->begin, next,
                                  next_count) != HOLTER_OK)
            bench_fail("a block is not folded");
        all.count += fold.count;
        all.sum += fold.sum;
        all.min = fold.min < all.min ? fold.min : all.min;
        all.max = fold.max > all.max ? fold.max : all.max;
    }
    return all;
}

void decoded_init(struct decoded *decoded, const struct schema *schema)
{
    *decoded = (struct decoded){ 0 };
    columns_init(&decoded->columns, schema);
    columns_init(&decoded->rows.columns, schema);
}

void decoded_release(struct decoded *decoded)
{
    columns_release(&decoded->columns);
    codec_rows_release(&decoded->rows);
}

void blocks_decode(const struct coder *coder, const struct blocks *blocks, struct decoded *out)
{
    if (coder->is_block) {
        decode_in_turn(coder, &out->rows, blocks);
        return;
    }
    for (size_t i = 0; i < blocks->count; i++) {
        columns_clear(&out->columns);
        decode_block(coder, &out->columns, blocks, i);
    }
}

void blocks_check(const struct coder *coder, const struct blocks *blocks, const struct columns *c)
{
    struct columns back;
    columns_init(&back, &c->schema);
    for (size_t i = 0; i < blocks->count; i++)
        decode_block(coder, &back, blocks, i);
    bool is_equal =
        back.count == c->count && memcmp(back.flags, c->flags, c->count * sizeof *c->flags) == 0;
    for (size_t i = 0; is_equal && i < c->count; i++)
        is_equal = columns_row_is_equal(&back, i, c, i);
    if (!is_equal)
        bench_fail("%s: what comes back is not what went in", coder->name);
    columns_release(&back);
}
