/*
 * wal_body.c -- what a frame's body says: tombstones, then rows by series.
 *
 * Bytes: format-spec/log.md, "Body". Tests: tests/unit/test_wal_body.c.
 */
#include "wal_impl.h"

#include <stdlib.h>
#include <string.h>

enum { REVISIONS_NONE = 0, REVISIONS_CONSTANT = 1, REVISIONS_COLUMN = 2 };
enum { TOMBSTONE_BYTES_MIN = 5 };

/* ---- encoding -------------------------------------------------------------------------------- */

void wal_body_encode_begin(struct buffer *out, const struct wal_tombstone *tombstones, size_t count)
{
    buffer_append_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct wal_tombstone *tombstone = &tombstones[i];
        core_assert(tombstone->begin < tombstone->end);
        core_assert(tombstone->metric != 0 || tombstone->source == 0);
        buffer_append_varint(out, tombstone->metric);
        buffer_append_varint(out, tombstone->source);
        buffer_append_zigzag(out, tombstone->begin);
        buffer_append_varint(out, (uint64_t)tombstone->end - (uint64_t)tombstone->begin);
        buffer_append_zigzag(out, tombstone->revision);
    }
}

static bool all_equal(const int64_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (values[i] != values[0])
            return false;
    }
    return true;
}

void wal_body_encode_rows(struct buffer *out, uint32_t metric, uint32_t source,
                          const struct columns *columns, size_t first, size_t count)
{
    core_assert(metric != 0);
    core_assert(source != 0);
    core_assert(count > 0);
    core_assert(count <= CODEC_ROWS_MAX);
    core_assert(first <= columns->count);
    core_assert(count <= columns->count - first);

    const int64_t *revision = columns->revision + first;
    bool with_revision = !all_equal(revision, count);
    buffer_append_varint(out, metric);
    buffer_append_varint(out, source);
    schema_encode(out, &columns->schema);
    buffer_append_varint(out, count);
    if (with_revision) {
        buffer_append_u8(out, REVISIONS_COLUMN);
    } else if (revision[0] != 0) {
        buffer_append_u8(out, REVISIONS_CONSTANT);
        buffer_append_zigzag(out, revision[0]);
    } else {
        buffer_append_u8(out, REVISIONS_NONE);
    }
    codec_encode(out, columns, first, count, with_revision);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static holter_status decode_tombstone(struct wal_tombstone *out, struct reader *r)
{
    uint64_t metric = get_varint(r);
    uint64_t source = get_varint(r);
    int64_t begin = get_zigzag(r);
    uint64_t length = get_varint(r);
    int64_t revision = get_zigzag(r);

    if (r->overrun || metric > UINT32_MAX || source > UINT32_MAX || (metric == 0 && source != 0))
        return HOLTER_CORRUPT;
    if (length == 0 || length > (uint64_t)INT64_MAX - (uint64_t)begin)
        return HOLTER_CORRUPT;
    *out = (struct wal_tombstone){ .metric = (uint32_t)metric,
                                   .source = (uint32_t)source,
                                   .begin = begin,
                                   .end = wrap_add_i64(begin, (int64_t)length),
                                   .revision = revision };
    return HOLTER_OK;
}

/* Parts come by (metric, source); those of one series have one schema. */
static bool is_in_order(const struct wal_body_reader *before, uint64_t metric, uint64_t source,
                        const struct schema *schema)
{
    if (before->metric != metric)
        return before->metric < metric;
    if (before->source != source)
        return before->source < source;
    return schema_is_equal(&before->schema, schema);
}

holter_status wal_body_open(struct wal_body_reader *out, struct wal_tombstone **tombstones,
                            size_t *count, const uint8_t *bytes, size_t byte_count)
{
    *out = (struct wal_body_reader){ .bytes = reader_over(bytes, byte_count) };
    *tombstones = NULL;
    *count = 0;
    uint64_t claimed = get_varint(&out->bytes);
    if (out->bytes.overrun || claimed > out->bytes.left / TOMBSTONE_BYTES_MIN)
        return HOLTER_CORRUPT;
    if (claimed == 0)
        return HOLTER_OK;
    struct wal_tombstone *found = core_calloc((size_t)claimed, sizeof *found);
    if (found == NULL)
        return HOLTER_NO_MEMORY;
    holter_status status = HOLTER_OK;
    for (size_t i = 0; i < claimed && status == HOLTER_OK; i++)
        status = decode_tombstone(&found[i], &out->bytes);
    if (status != HOLTER_OK) {
        free(found);
        return status;
    }
    *tombstones = found;
    *count = (size_t)claimed;
    return HOLTER_OK;
}

holter_status wal_body_next(struct wal_body_reader *reader)
{
    struct reader *r = &reader->bytes;
    struct schema schema;
    if (r->left == 0)
        return HOLTER_DONE;
    uint64_t metric = get_varint(r);
    uint64_t source = get_varint(r);
    if (r->overrun || metric == 0 || metric > UINT32_MAX || source == 0 || source > UINT32_MAX)
        return HOLTER_CORRUPT;
    holter_status status = schema_decode(&schema, r);
    if (status != HOLTER_OK)
        return status;
    uint64_t rows = get_varint(r);
    uint8_t revisions = get_u8(r);
    if (r->overrun || rows == 0 || rows > CODEC_ROWS_MAX || revisions > REVISIONS_COLUMN)
        return HOLTER_CORRUPT;
    int64_t revision = revisions == REVISIONS_CONSTANT ? get_zigzag(r) : 0;
    if (r->overrun || (revisions == REVISIONS_CONSTANT && revision == 0))
        return HOLTER_CORRUPT;
    if (reader->metric != 0 && !is_in_order(reader, metric, source, &schema))
        return HOLTER_CORRUPT;
    reader->metric = (uint32_t)metric;
    reader->source = (uint32_t)source;
    reader->schema = schema;
    reader->rows = (size_t)rows;
    reader->with_revision = revisions == REVISIONS_COLUMN;
    reader->revision = revision;
    return HOLTER_OK;
}

holter_status wal_body_rows(struct columns *out, struct wal_body_reader *reader, uint64_t sequence)
{
    size_t first = out->count;
    size_t text_bytes = out->text.bytes;
    holter_status status = codec_decode(out, &reader->bytes, reader->rows, reader->with_revision,
                                        reader->revision, sequence);
    if (status == HOLTER_OK && reader->with_revision &&
        all_equal(out->revision + first, reader->rows)) {
        columns_truncate(out, first, text_bytes);
        return HOLTER_CORRUPT;
    }
    return status;
}

/* ---- a body as a whole ----------------------------------------------------------------------- */

static holter_status decode_part(struct wal_body *body, size_t *capacity, size_t offset,
                                 struct wal_body_reader *reader, uint64_t sequence)
{
    void *parts = body->parts;
    if (!core_grow(&parts, capacity, body->part_count + 1, sizeof *body->parts))
        return HOLTER_NO_MEMORY;
    body->parts = parts;
    struct wal_part *part = &body->parts[body->part_count++]; /* so that a failure releases it */
    *part =
        (struct wal_part){ .metric = reader->metric, .source = reader->source, .offset = offset };
    columns_init(&part->columns, &reader->schema);
    return wal_body_rows(&part->columns, reader, sequence);
}

holter_status wal_body_decode(struct wal_body *out, const uint8_t *bytes, size_t count,
                              uint64_t sequence)
{
    struct wal_body body = { 0 };
    struct wal_body_reader reader;
    size_t capacity = 0;
    holter_status status =
        wal_body_open(&reader, &body.tombstones, &body.tombstone_count, bytes, count);
    while (status == HOLTER_OK) {
        size_t offset = count - reader.bytes.left;
        status = wal_body_next(&reader);
        if (status == HOLTER_OK)
            status = decode_part(&body, &capacity, offset, &reader, sequence);
    }
    if (status == HOLTER_DONE) {
        *out = body;
        return HOLTER_OK;
    }
    wal_body_release(&body);
    return status;
}

void wal_body_release(struct wal_body *body)
{
    for (size_t i = 0; i < body->part_count; i++)
        columns_release(&body->parts[i].columns);
    free(body->parts);
    free(body->tombstones);
    *body = (struct wal_body){ 0 };
}
