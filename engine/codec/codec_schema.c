/*
 * codec_schema.c -- what a row of a metric consists of: checked, compared, encoded.
 *
 * Bytes: format-spec/columns.md, "Schema".
 */
#include "codec.h"

#include <string.h>

bool schema_is_valid(const struct schema *schema)
{
    if (schema->kind != SAMPLE_INSTANT && schema->kind != SAMPLE_INTERVAL)
        return false;
    if (schema->field_count == 0 || schema->field_count > SCHEMA_FIELDS_MAX)
        return false;
    for (size_t i = 0; i < SCHEMA_FIELDS_MAX; i++) {
        bool is_type = schema->types[i] >= FIELD_INT && schema->types[i] <= FIELD_TEXT;
        if (i < schema->field_count ? !is_type : schema->types[i] != 0)
            return false;
    }
    if (schema->key_field == SCHEMA_NO_KEY)
        return true;
    return schema->key_field < schema->field_count &&
           schema->types[schema->key_field] != FIELD_FLOAT;
}

bool schema_is_equal(const struct schema *a, const struct schema *b)
{
    return a->kind == b->kind && a->field_count == b->field_count && a->key_field == b->key_field &&
           memcmp(a->types, b->types, sizeof a->types) == 0;
}

void schema_encode(struct buffer *out, const struct schema *schema)
{
    core_assert(schema_is_valid(schema));
    buffer_append_u8(out, schema->kind);
    buffer_append_u8(out, schema->field_count);
    buffer_append_u8(out, schema->key_field);
    buffer_append(out, schema->types, schema->field_count);
}

holter_status schema_decode(struct schema *out, struct reader *r)
{
    struct schema schema = { 0 };

    schema.kind = get_u8(r);
    schema.field_count = get_u8(r);
    schema.key_field = get_u8(r);
    if (schema.field_count > SCHEMA_FIELDS_MAX)
        return HOLTER_CORRUPT;
    get_copy(r, schema.types, schema.field_count);

    if (r->overrun || !schema_is_valid(&schema))
        return HOLTER_CORRUPT;
    *out = schema;
    return HOLTER_OK;
}
