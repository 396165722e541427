/*
 * codec_bytes.c -- columns to bytes and back, in one plain and exact codec per type.
 *
 *     | time: GAPS | duration | field 0 | .. | flags | revision |
 *
 * B1  One list of rows has one encoding: the encoder has no choice, and the decoder refuses what
 *     the encoder would not have written.
 * B2  Before memory is reserved for rows, the bytes left are at least the least that so many rows
 *     take; the column of times alone takes more bytes than there are rows.
 * B3  A decoder works behind the last row of its columns and counts the rows in at the end, so a
 *     refusal changes nothing.
 *
 * Bytes: format-spec/columns.md. Tests: tests/unit/test_codec_bytes.c.
 */
#include "codec_impl.h"

#include <string.h>

enum { VARINT_BYTES_MAX = 10 };

const int64_t codec_unit_ns[UNIT_LAST + 1] = { 1, 1000, 1000000, 1000000000, 60000000000 };

/* ---- varints, most of which are one byte ----------------------------------------------------- */

static inline uint64_t next_varint(struct reader *r)
{
    if (CORE_LIKELY(r->left > 0 && *r->at < 0x80)) {
        r->left--;
        return *r->at++;
    }
    return get_varint(r);
}

static inline int64_t next_zigzag(struct reader *r)
{
    return zigzag_decode(next_varint(r));
}

/* Room was reserved: at least VARINT_BYTES_MAX. */
static inline uint8_t *write_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/*
 * Where `count` varints may be written behind out's bytes; NULL (and out->failed) without memory.
 */
static uint8_t *reserve_varints(struct buffer *out, size_t count)
{
    return buffer_reserve(out, count * VARINT_BYTES_MAX) ? out->data + out->bytes : NULL;
}

/* ---- encoding -------------------------------------------------------------------------------- */

static uint8_t largest_unit(const int64_t *time, size_t count)
{
    uint8_t unit = UNIT_LAST;
    for (size_t i = 0; i < count && unit > 0; i++) {
        while (time[i] % codec_unit_ns[unit] != 0)
            unit--;
    }
    return unit;
}

static void encode_gaps(struct buffer *out, const int64_t *time, size_t count)
{
    uint8_t unit = largest_unit(time, count);
    uint64_t ns = (uint64_t)codec_unit_ns[unit];

    buffer_append_u8(out, CODEC_GAPS);
    buffer_append_u8(out, unit);
    uint8_t *at = reserve_varints(out, count);
    if (at == NULL)
        return;
    core_assert(time[0] > INT64_MIN);
    core_assert(time[count - 1] < INT64_MAX);
    at = write_varint(at, zigzag_encode(time[0] / codec_unit_ns[unit]));
    for (size_t i = 1; i < count; i++) {
        core_assert(time[i - 1] <= time[i]);
        uint64_t gap = (uint64_t)time[i] - (uint64_t)time[i - 1];
        at = write_varint(at, ns == 1 ? gap : gap / ns);
    }
    out->bytes = (size_t)(at - out->data);
}

static void encode_integers(struct buffer *out, const int64_t *values, size_t count)
{
    size_t equal = 1;
    while (equal < count && values[equal] == values[0])
        equal++;
    if (equal == count) {
        buffer_append_u8(out, CODEC_CONSTANT);
        buffer_append_zigzag(out, values[0]);
        return;
    }
    buffer_append_u8(out, CODEC_CHANGES);
    uint8_t *at = reserve_varints(out, count);
    if (at == NULL)
        return;
    int64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        at = write_varint(at, zigzag_encode(wrap_sub_i64(values[i], before)));
        before = values[i];
    }
    out->bytes = (size_t)(at - out->data);
}

static void encode_flags(struct buffer *out, const uint16_t *flags, size_t count)
{
    size_t equal = 0;
    while (equal < count && flags[equal] == flags[0]) {
        core_assert((flags[equal] & SAMPLE_FLAGS_SPARE) == 0);
        equal++;
    }
    if (equal == count) {
        buffer_append_u8(out, CODEC_CONSTANT);
        buffer_append_zigzag(out, flags[0]);
        return;
    }
    buffer_append_u8(out, CODEC_CHANGES);
    int64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        core_assert((flags[i] & SAMPLE_FLAGS_SPARE) == 0);
        buffer_append_zigzag(out, flags[i] - before);
        before = flags[i];
    }
}

static void encode_bits(struct buffer *out, const int64_t *values, size_t count)
{
    buffer_append_u8(out, CODEC_BITS);
    if (!buffer_reserve(out, count * sizeof *values))
        return;
    struct writer w = writer_over(out->data + out->bytes, count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        put_i64(&w, values[i]);
    out->bytes += count * sizeof *values;
}

static void encode_texts(struct buffer *out, const struct columns *c, size_t field, size_t first,
                         size_t count)
{
    buffer_append_u8(out, CODEC_TEXT);
    for (size_t i = first; i < first + count; i++) {
        uint32_t bytes;
        columns_text(c, field, i, &bytes);
        core_assert(bytes <= CODEC_TEXT_BYTES_MAX);
        buffer_append_varint(out, bytes);
    }
    for (size_t i = first; i < first + count; i++) {
        uint32_t bytes;
        const uint8_t *text = columns_text(c, field, i, &bytes);
        buffer_append(out, text, bytes);
    }
}

bool codec_has_negative(const int64_t *values, size_t count)
{
    int64_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= values[i];
    return any < 0;
}

static void encode_field(struct buffer *out, const struct columns *c, size_t field, size_t first,
                         size_t count)
{
    const int64_t *values = c->field[field] + first;
    switch (c->schema.types[field]) {
    case FIELD_ENUM:
        core_assert(!codec_has_negative(values, count));
        encode_integers(out, values, count);
        break;
    case FIELD_INT:
        encode_integers(out, values, count);
        break;
    case FIELD_FLOAT:
        encode_bits(out, values, count);
        break;
    default:
        encode_texts(out, c, field, first, count);
        break;
    }
}

void codec_encode(struct buffer *out, const struct columns *c, size_t first, size_t count,
                  bool with_revision)
{
    core_assert(count > 0);
    core_assert(count <= CODEC_ROWS_MAX);
    core_assert(first <= c->count);
    core_assert(count <= c->count - first);

    encode_gaps(out, c->time + first, count);
    if (c->schema.kind == SAMPLE_INTERVAL) {
        core_assert(!codec_has_negative(c->duration + first, count));
        encode_integers(out, c->duration + first, count);
    }
    for (size_t i = 0; i < c->schema.field_count; i++)
        encode_field(out, c, i, first, count);
    encode_flags(out, c->flags + first, count);
    if (with_revision)
        encode_integers(out, c->revision + first, count);
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* The larger unit would have served as well: then the smaller one is not canonical. */
static bool unit_is_too_small(uint8_t unit, const int64_t *time, size_t count)
{
    if (unit == UNIT_LAST)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (time[i] % codec_unit_ns[unit + 1] != 0)
            return false;
    }
    return true;
}

static holter_status decode_gaps(int64_t *time, struct reader *r, size_t count)
{
    uint8_t codec = get_u8(r);
    uint8_t unit = get_u8(r);
    if (r->overrun || codec != CODEC_GAPS || unit > UNIT_LAST)
        return HOLTER_CORRUPT;

    int64_t first;
    if (!checked_mul_i64(&first, get_zigzag(r), codec_unit_ns[unit]))
        return HOLTER_CORRUPT;
    if (r->overrun || !sample_time_is_valid(first))
        return HOLTER_CORRUPT;
    time[0] = first;
    for (size_t i = 1; i < count; i++) {
        uint64_t gap;
        uint64_t room = (uint64_t)INT64_MAX - 1 - (uint64_t)time[i - 1];
        if (!checked_mul_u64(&gap, next_varint(r), (uint64_t)codec_unit_ns[unit]) || gap > room)
            return HOLTER_CORRUPT;
        time[i] = wrap_add_i64(time[i - 1], (int64_t)gap);
    }
    if (r->overrun || unit_is_too_small(unit, time, count))
        return HOLTER_CORRUPT;
    return HOLTER_OK;
}

static holter_status decode_integers(int64_t *values, struct reader *r, size_t count)
{
    uint8_t codec = get_u8(r);
    int64_t value = get_zigzag(r);
    if (r->overrun)
        return HOLTER_CORRUPT;
    values[0] = value;
    if (codec == CODEC_CONSTANT) {
        for (size_t i = 1; i < count; i++)
            values[i] = value;
        return HOLTER_OK;
    }
    if (codec != CODEC_CHANGES)
        return HOLTER_CORRUPT;
    int64_t any_change = 0;
    for (size_t i = 1; i < count; i++) {
        int64_t change = next_zigzag(r);
        any_change |= change;
        value = wrap_add_i64(value, change);
        values[i] = value;
    }
    return r->overrun || any_change == 0 ? HOLTER_CORRUPT : HOLTER_OK;
}

static holter_status decode_natural(int64_t *values, struct reader *r, size_t count)
{
    holter_status status = decode_integers(values, r, count);
    if (status == HOLTER_OK && codec_has_negative(values, count))
        status = HOLTER_CORRUPT;
    return status;
}

bool codec_is_constant(const int64_t *values, size_t count)
{
    int64_t differs = 0;
    for (size_t i = 1; i < count; i++)
        differs |= values[i] ^ values[0];
    return differs == 0;
}

/* Where all gaps together cannot reach the end of time, no sum needs to be checked. */
bool codec_times_of_gaps(int64_t *time, size_t count, int64_t begin, uint64_t ns)
{
    uint64_t room = (uint64_t)INT64_MAX - 1 - (uint64_t)begin;
    uint64_t any = 0;
    for (size_t i = 1; i < count; i++)
        any |= (uint64_t)time[i];
    int64_t at = begin;
    time[0] = begin;
    if (bits_of(any) + bits_of(ns) + bits_of(count) < bits_of(room)) {
        for (size_t i = 1; i < count; i++) {
            at += (int64_t)((uint64_t)time[i] * ns);
            time[i] = at;
        }
        return true;
    }
    for (size_t i = 1; i < count; i++) {
        uint64_t gap;
        if (!checked_mul_u64(&gap, (uint64_t)time[i], ns) || gap > room)
            return false;
        room -= gap;
        at = wrap_add_i64(at, (int64_t)gap);
        time[i] = at;
    }
    return true;
}

bool codec_flags_take(uint16_t *flags, const int64_t *words, size_t count)
{
    int64_t any = 0;
    for (size_t i = 0; i < count; i++) {
        any |= words[i];
        flags[i] = (uint16_t)words[i];
    }
    return any >= 0 && any <= UINT16_MAX && (any & SAMPLE_FLAGS_SPARE) == 0;
}

/* By way of `scratch`, a column of words whose rows are not decoded yet. */
static holter_status decode_flags(uint16_t *flags, int64_t *scratch, struct reader *r, size_t count)
{
    holter_status status = decode_integers(scratch, r, count);
    if (status == HOLTER_OK && !codec_flags_take(flags, scratch, count))
        status = HOLTER_CORRUPT;
    return status;
}

static holter_status decode_bits(int64_t *values, struct reader *r, size_t count)
{
    if (get_u8(r) != CODEC_BITS || r->left < count * sizeof *values)
        return HOLTER_CORRUPT;
    for (size_t i = 0; i < count; i++)
        values[i] = get_i64(r);
    return HOLTER_OK;
}

holter_status codec_texts_take(struct columns *c, int64_t *words, struct reader *r, size_t count,
                               uint64_t total)
{
    if (total > r->left)
        return HOLTER_CORRUPT;
    size_t offset = c->text.bytes;
    bool has_room = total <= UINT32_MAX - offset && buffer_reserve(&c->text, (size_t)total);
    c->text.failed = false;
    if (!has_room)
        return HOLTER_NO_MEMORY;
    buffer_append(&c->text, get_bytes(r, (size_t)total), (size_t)total);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = (size_t)words[i];
        words[i] = (int64_t)((uint64_t)offset << 32 | bytes);
        offset += bytes;
    }
    return HOLTER_OK;
}

static holter_status decode_texts(struct columns *c, int64_t *words, struct reader *r, size_t count)
{
    if (get_u8(r) != CODEC_TEXT)
        return HOLTER_CORRUPT;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = next_varint(r);
        if (bytes > CODEC_TEXT_BYTES_MAX)
            return HOLTER_CORRUPT;
        words[i] = (int64_t)bytes;
        total += bytes;
    }
    if (r->overrun)
        return HOLTER_CORRUPT;
    return codec_texts_take(c, words, r, count, total);
}

static holter_status decode_field(struct columns *c, size_t field, struct reader *r, size_t count)
{
    int64_t *values = c->field[field] + c->count;
    switch (c->schema.types[field]) {
    case FIELD_INT:
        return decode_integers(values, r, count);
    case FIELD_ENUM:
        return decode_natural(values, r, count);
    case FIELD_FLOAT:
        return decode_bits(values, r, count);
    default:
        return decode_texts(c, values, r, count);
    }
}

/* B2; the table "Limits" of columns.md. */
static size_t least_bytes(const struct schema *schema, size_t count, bool with_revision)
{
    size_t bytes = count + 2 + 2; /* time, flags */
    bytes += schema->kind == SAMPLE_INTERVAL ? 2 : 0;
    bytes += with_revision ? 2 : 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->types[i] == FIELD_FLOAT)
            bytes += 1 + 8 * count;
        else if (schema->types[i] == FIELD_TEXT)
            bytes += 1 + count;
        else
            bytes += 2;
    }
    return bytes;
}

static holter_status decode_columns(struct columns *out, struct reader *r, size_t count,
                                    bool with_revision)
{
    size_t at = out->count;
    holter_status status = decode_gaps(out->time + at, r, count);
    if (status == HOLTER_OK && out->schema.kind == SAMPLE_INTERVAL)
        status = decode_natural(out->duration + at, r, count);
    for (size_t i = 0; i < out->schema.field_count && status == HOLTER_OK; i++)
        status = decode_field(out, i, r, count);
    if (status == HOLTER_OK)
        status = decode_flags(out->flags + at, out->revision + at, r, count);
    if (status == HOLTER_OK && with_revision)
        status = decode_integers(out->revision + at, r, count);
    return status;
}

void codec_rows_take(struct columns *out, size_t count, bool with_revision, int64_t revision,
                     uint64_t sequence)
{
    for (size_t i = out->count; i < out->count + count; i++) {
        if (!with_revision)
            out->revision[i] = revision;
        out->sequence[i] = sequence;
    }
    out->count += count;
}

holter_status codec_decode(struct columns *out, struct reader *r, size_t count, bool with_revision,
                           int64_t revision, uint64_t sequence)
{
    if (count == 0 || count > CODEC_ROWS_MAX)
        return HOLTER_CORRUPT;
    if (r->overrun || r->left < least_bytes(&out->schema, count, with_revision))
        return HOLTER_CORRUPT;
    if (!columns_reserve(out, count))
        return HOLTER_NO_MEMORY;

    size_t text_bytes = out->text.bytes;
    holter_status status = decode_columns(out, r, count, with_revision);
    if (status != HOLTER_OK) {
        out->text.bytes = text_bytes;
        return status;
    }
    codec_rows_take(out, count, with_revision, revision, sequence);
    return HOLTER_OK;
}
