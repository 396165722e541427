/*
 * columns_zstd.c -- columns to frames of zstd and back.
 *
 *     block    | times | duration | field 0 | .. | flags |
 *     column   | form | what is constant, or divisor and first word | bytes of the frame, frame |
 */
#include "columns_zstd.h"

#include "bench.h"

#include <string.h>
#include <zstd.h>

enum { VARINT_BYTES_MAX = 10 };

enum column_form { COLUMN_CONSTANT, COLUMN_STEPS, COLUMN_PLANES_4, COLUMN_PLANES_8 };

static struct {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
    uint8_t plain[ZSTD_ROWS_MAX * VARINT_BYTES_MAX];
} zstd;

static void append_frame(struct buffer *out, size_t plain_bytes, int level)
{
    size_t room = ZSTD_compressBound(plain_bytes);
    if (!buffer_reserve(out, room + VARINT_BYTES_MAX))
        bench_fail("no memory");
    /* Its length goes in front, which two bytes hold in all cases but the largest. */
    uint8_t *at = out->data + out->bytes;
    size_t bytes = ZSTD_compressCCtx(zstd.compressor, at + 3, room, zstd.plain, plain_bytes, level);
    if (ZSTD_isError(bytes))
        bench_fail("zstd: %s", ZSTD_getErrorName(bytes));
    size_t before = out->bytes;
    buffer_append_varint(out, bytes);
    memmove(out->data + out->bytes, out->data + before + 3, bytes);
    out->bytes += bytes;
}

static size_t take_frame(struct reader *r)
{
    size_t bytes = get_varint(r);
    const uint8_t *at = get_bytes(r, bytes);
    if (at == NULL)
        bench_fail("zstd: a frame is cut short");
    size_t plain_bytes =
        ZSTD_decompressDCtx(zstd.decompressor, zstd.plain, sizeof zstd.plain, at, bytes);
    if (ZSTD_isError(plain_bytes))
        bench_fail("zstd: %s", ZSTD_getErrorName(plain_bytes));
    return plain_bytes;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The first word, then changes from word to word, or the gaps of rising ones. */
static void append_steps(struct buffer *out, const int64_t *words, size_t count, bool is_rising,
                         int level)
{
    uint64_t divisor = 0;
    bool is_even = true;
    for (size_t i = 1; i < count; i++) {
        int64_t change = wrap_sub_i64(words[i], words[i - 1]);
        is_even = is_even && change == wrap_sub_i64(words[1], words[0]);
        if (divisor != 1)
            divisor =
                common_divisor(change < 0 && !is_rising ? 0 - (uint64_t)change : (uint64_t)change,
                               divisor);
    }
    if (is_even && (is_rising || divisor == 0)) {
        buffer_append_u8(out, COLUMN_CONSTANT);
        buffer_append_zigzag(out, count > 1 ? wrap_sub_i64(words[1], words[0]) : 0);
        if (!is_rising)
            buffer_append_zigzag(out, words[0]);
        return;
    }
    uint8_t *at = zstd.plain;
    for (size_t i = 1; i < count; i++) {
        int64_t change = wrap_sub_i64(words[i], words[i - 1]);
        uint64_t step;
        if (is_rising)
            step = divisor == 1 ? (uint64_t)change : (uint64_t)change / divisor;
        else if (divisor > INT64_MAX)
            step = zigzag_encode(change < 0 ? -1 : change > 0);
        else
            step = zigzag_encode(divisor == 1 ? change : change / (int64_t)divisor);
        for (; step >= 0x80; step >>= 7)
            *at++ = (uint8_t)(step | 0x80);
        *at++ = (uint8_t)step;
    }
    buffer_append_u8(out, COLUMN_STEPS);
    buffer_append_varint(out, divisor);
    if (!is_rising)
        buffer_append_zigzag(out, words[0]);
    append_frame(out, (size_t)(at - zstd.plain), level);
}

/* Rising words begin with `words[0]`, which is there already. */
static void take_steps(int64_t *words, struct reader *r, size_t count, bool is_rising)
{
    uint8_t form = get_u8(r);
    if (form == COLUMN_CONSTANT) {
        int64_t step = get_zigzag(r);
        if (!is_rising)
            words[0] = get_zigzag(r);
        for (size_t i = 1; i < count; i++)
            words[i] = wrap_add_i64(words[i - 1], step);
        return;
    }
    uint64_t divisor = get_varint(r);
    if (!is_rising)
        words[0] = get_zigzag(r);
    const uint8_t *at = zstd.plain;
    const uint8_t *end = at + take_frame(r);
    uint64_t word = (uint64_t)words[0];
    for (size_t i = 1; i < count && at < end; i++) {
        uint64_t step = *at++;
        if (CORE_UNLIKELY(step >= 0x80)) {
            step &= 0x7f;
            unsigned shift = 7;
            do
                step |= (uint64_t)(*at & 0x7f) << shift;
            while (shift += 7, *at++ >= 0x80);
        }
        word += (is_rising ? step : (uint64_t)zigzag_decode(step)) * divisor;
        words[i] = (int64_t)word;
    }
}

static bool is_float32(int64_t bits)
{
    double value;
    int64_t back;
    memcpy(&value, &bits, sizeof value);
    value = (double)(float)value;
    memcpy(&back, &value, sizeof back);
    return back == bits;
}

static void append_planes(struct buffer *out, const int64_t *words, size_t count, int level)
{
    size_t planes = 4;
    for (size_t i = 0; i < count && planes == 4; i++)
        planes = is_float32(words[i]) ? 4 : 8;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = (uint64_t)words[i];
        if (planes == 4) {
            double value;
            uint32_t narrow;
            memcpy(&value, &words[i], sizeof value);
            float single = (float)value;
            memcpy(&narrow, &single, sizeof narrow);
            bits = narrow;
        }
        for (size_t plane = 0; plane < planes; plane++)
            zstd.plain[plane * count + i] = (uint8_t)(bits >> (8 * plane));
    }
    buffer_append_u8(out, planes == 4 ? COLUMN_PLANES_4 : COLUMN_PLANES_8);
    append_frame(out, planes * count, level);
}

static void take_planes(int64_t *words, struct reader *r, size_t count)
{
    uint8_t form = get_u8(r);
    size_t planes = form == COLUMN_PLANES_4 ? 4 : 8;
    if (take_frame(r) != planes * count)
        bench_fail("zstd: a column has the wrong length");
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = 0;
        for (size_t plane = 0; plane < planes; plane++)
            bits |= (uint64_t)zstd.plain[plane * count + i] << (8 * plane);
        if (planes == 4) {
            uint32_t narrow = (uint32_t)bits;
            float single;
            memcpy(&single, &narrow, sizeof single);
            double value = (double)single;
            memcpy(&words[i], &value, sizeof value);
        } else {
            words[i] = (int64_t)bits;
        }
    }
}

void zstd_encode(struct buffer *out, const struct columns *c, size_t first, size_t count, int level)
{
    int64_t flags[ZSTD_ROWS_MAX];
    core_assert(count > 0);
    core_assert(count <= ZSTD_ROWS_MAX);
    append_steps(out, c->time + first, count, true, level);
    if (c->schema.kind == SAMPLE_INTERVAL)
        append_steps(out, c->duration + first, count, false, level);
    for (size_t f = 0; f < c->schema.field_count; f++) {
        if (c->schema.types[f] == FIELD_FLOAT)
            append_planes(out, c->field[f] + first, count, level);
        else
            append_steps(out, c->field[f] + first, count, false, level);
    }
    for (size_t i = 0; i < count; i++)
        flags[i] = c->flags[first + i];
    append_steps(out, flags, count, false, level);
}

void zstd_decode(struct columns *out, struct reader *r, size_t count, int64_t begin)
{
    int64_t flags[ZSTD_ROWS_MAX];
    if (!columns_reserve(out, count))
        bench_fail("no memory");
    size_t at = out->count;
    out->time[at] = begin;
    take_steps(out->time + at, r, count, true);
    if (out->schema.kind == SAMPLE_INTERVAL)
        take_steps(out->duration + at, r, count, false);
    for (size_t f = 0; f < out->schema.field_count; f++) {
        if (out->schema.types[f] == FIELD_FLOAT)
            take_planes(out->field[f] + at, r, count);
        else
            take_steps(out->field[f] + at, r, count, false);
    }
    take_steps(flags, r, count, false);
    for (size_t i = 0; i < count; i++)
        out->flags[at + i] = (uint16_t)flags[i];
    memset(out->revision + at, 0, count * sizeof *out->revision);
    memset(out->sequence + at, 0, count * sizeof *out->sequence);
    out->count += count;
}

void zstd_begin(void)
{
    zstd.compressor = ZSTD_createCCtx();
    zstd.decompressor = ZSTD_createDCtx();
    if (zstd.compressor == NULL || zstd.decompressor == NULL)
        bench_fail("no memory");
}

void zstd_end(void)
{
    ZSTD_freeCCtx(zstd.compressor);
    ZSTD_freeDCtx(zstd.decompressor);
}
