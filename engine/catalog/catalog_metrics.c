/*
 * catalog_metrics.c -- what a metric may be, and its bytes.
 *
 * The same check stands before a caller's metric and behind a metric's bytes.
 * Bytes: format-spec/catalog.md.
 */
#include "catalog_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXPONENT_MAX = 18 };

/* ---- strings ---- */

bool catalog_identifier_is_valid(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > CATALOG_NAME_BYTES_MAX || name[0] < 'a' || name[0] > 'z')
        return false;
    for (size_t i = 1; i < bytes; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            name[i] != '_')
            return false;
    return true;
}

bool catalog_region_bytes_are_valid(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > CATALOG_NAME_BYTES_MAX || name[0] == '-')
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            name[i] != '-')
            return false;
    return true;
}

bool catalog_code_is_valid(const char *code, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (code[i] < 0x21 || code[i] > 0x7e)
            return false;
    return bytes <= CATALOG_NAME_BYTES_MAX;
}

bool catalog_words_are_valid(const char *words, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)words[i] < 0x20 || words[i] == 0x7f)
            return false;
    return utf8_is_valid(words, bytes);
}

size_t catalog_bounded_length(const char *string, size_t room)
{
    const char *end = memchr(string, '\0', room);
    return end == NULL ? room : (size_t)(end - string);
}

void catalog_string_encode(struct buffer *out, const char *string)
{
    size_t bytes = strlen(string);
    core_assert(bytes <= UINT8_MAX);
    buffer_append_u8(out, (uint8_t)bytes);
    buffer_append(out, string, bytes);
}

bool catalog_string_decode(char *out, size_t most, struct reader *r,
                           bool (*is_valid)(const char *, size_t))
{
    size_t bytes = get_u8(r);
    if (bytes > most || bytes > r->left)
        return false;
    get_copy(r, out, bytes);
    out[bytes] = '\0';
    return is_valid(out, bytes);
}

/* ---- checking ---- */

static bool is_label(const char *label)
{
    size_t bytes = catalog_bounded_length(label, CATALOG_NAME_BYTES_MAX + 1);
    return bytes > 0 && bytes <= CATALOG_NAME_BYTES_MAX && catalog_words_are_valid(label, bytes);
}

static const char *field_check(const struct catalog_field *field, uint8_t type)
{
    if (!catalog_identifier_is_valid(field->name,
                                     catalog_bounded_length(field->name, sizeof field->name)))
        return "its fields need names of a-z, 0-9 and _, a letter first, of 1 to 63 bytes";
    if (field->type != type)
        return "its fields need the types of its schema";
    if (field->exponent < -EXPONENT_MAX || field->exponent > EXPONENT_MAX ||
        (type != FIELD_INT && field->exponent != 0))
        return "its exponents are for int fields, from -18 to 18";
    if (field->has_range && type != FIELD_INT && type != FIELD_FLOAT)
        return "its ranges are for int and float64 fields";
    if (field->has_range && type == FIELD_INT && field->min > field->max)
        return "its ranges need a least value that is not above the greatest";
    if (field->has_range && type == FIELD_FLOAT &&
        !(isfinite(real_of(field->min)) && isfinite(real_of(field->max)) &&
          real_of(field->min) <= real_of(field->max)))
        return "its ranges need finite values, the least not above the greatest";
    if (!field->has_range && (field->min != 0 || field->max != 0))
        return "its fields without a range must not tell one";
    if ((type == FIELD_ENUM) != (field->label_count > 0) || field->label_count > CATALOG_LABELS_MAX)
        return "its enum fields, and no others, need 1 to 256 labels";
    for (size_t i = 0; i < field->label_count; i++) {
        if (!is_label(field->labels[i]))
            return "its labels need 1 to 63 bytes of UTF-8 without control characters";
        for (size_t k = 0; k < i; k++)
            if (strcmp(field->labels[i], field->labels[k]) == 0)
                return "its labels must differ from each other";
    }
    return NULL;
}

const char *catalog_metric_check(const struct catalog_metric *metric)
{
    const struct schema *schema = &metric->schema;
    if (!catalog_identifier_is_valid(metric->name,
                                     catalog_bounded_length(metric->name, sizeof metric->name)))
        return "its name needs a-z, 0-9 and _, a letter first, and 1 to 63 bytes";
    size_t unit_bytes = catalog_bounded_length(metric->unit, sizeof metric->unit);
    if (unit_bytes == 0 || !catalog_code_is_valid(metric->unit, unit_bytes))
        return "its unit needs 1 to 63 bytes of printable ASCII without spaces";
    const char *const codes[] = { metric->healthkit, metric->health_connect, metric->open_mhealth,
                                  metric->loinc };
    for (size_t i = 0; i < CORE_COUNT(codes); i++)
        if (!catalog_code_is_valid(codes[i],
                                   catalog_bounded_length(codes[i], CATALOG_NAME_BYTES_MAX + 1)))
            return "its names elsewhere need printable ASCII without spaces, of at most 63 bytes";
    if (!schema_is_valid(schema))
        return "its schema needs a kind, 1 to 8 typed fields, and a key field that is no float64, "
               "or none";
    if (metric->aggregation < AGGREGATION_MEAN || metric->aggregation > AGGREGATION_LAST)
        return "its aggregation is unknown";
    if (metric->class >= CATALOG_CLASSES)
        return "its tier class is unknown";
    if (metric->carry_ns < 0 || (schema->kind == SAMPLE_INTERVAL && metric->carry_ns != 0))
        return "its carry must not be negative, and is for instants";

    bool has_number = false, has_states = false;
    for (size_t i = 0; i < schema->field_count; i++) {
        const char *wrong = field_check(&metric->fields[i], schema->types[i]);
        if (wrong != NULL)
            return wrong;
        for (size_t k = 0; k < i; k++)
            if (strcmp(metric->fields[i].name, metric->fields[k].name) == 0)
                return "its fields need names that differ";
        has_number |= schema->types[i] == FIELD_INT || schema->types[i] == FIELD_FLOAT;
        has_states |= schema->types[i] == FIELD_ENUM;
    }
    if ((metric->aggregation == AGGREGATION_MEAN || metric->aggregation == AGGREGATION_SUM) &&
        !has_number)
        return "its aggregation needs an int or float64 field";
    if (metric->aggregation == AGGREGATION_STATES && !has_states)
        return "its aggregation needs an enum field";
    return NULL;
}

/* Labels that `there` has grown since are no difference (K2). */
bool catalog_metric_is_equal(const struct catalog_metric *there, const struct catalog_metric *given)
{
    if (strcmp(there->name, given->name) != 0 || strcmp(there->unit, given->unit) != 0 ||
        !schema_is_equal(&there->schema, &given->schema) ||
        there->aggregation != given->aggregation || there->class != given->class ||
        there->carry_ns != given->carry_ns || strcmp(there->healthkit, given->healthkit) != 0 ||
        strcmp(there->health_connect, given->health_connect) != 0 ||
        strcmp(there->open_mhealth, given->open_mhealth) != 0 ||
        strcmp(there->loinc, given->loinc) != 0)
        return false;
    for (size_t i = 0; i < there->schema.field_count; i++) {
        const struct catalog_field *a = &there->fields[i], *b = &given->fields[i];
        if (strcmp(a->name, b->name) != 0 || a->exponent != b->exponent ||
            a->has_range != b->has_range || a->min != b->min || a->max != b->max ||
            b->label_count > a->label_count)
            return false;
        for (size_t k = 0; k < b->label_count; k++)
            if (strcmp(a->labels[k], b->labels[k]) != 0)
                return false;
    }
    return true;
}

/* ---- bytes ---- */

void catalog_metric_encode(struct buffer *out, const struct catalog_metric *metric)
{
    core_assert(catalog_metric_check(metric) == NULL);
    core_assert(metric->number > 0);
    buffer_append_u32(out, metric->number);
    catalog_string_encode(out, metric->name);
    catalog_string_encode(out, metric->unit);
    schema_encode(out, &metric->schema);
    buffer_append_u8(out, metric->aggregation);
    buffer_append_u8(out, metric->class);
    buffer_append_i64(out, metric->carry_ns);
    catalog_string_encode(out, metric->healthkit);
    catalog_string_encode(out, metric->health_connect);
    catalog_string_encode(out, metric->open_mhealth);
    catalog_string_encode(out, metric->loinc);
    for (size_t i = 0; i < metric->schema.field_count; i++) {
        const struct catalog_field *field = &metric->fields[i];
        catalog_string_encode(out, field->name);
        buffer_append_u8(out, (uint8_t)field->exponent);
        buffer_append_u8(out, field->has_range);
        if (field->has_range) {
            buffer_append_i64(out, field->min);
            buffer_append_i64(out, field->max);
        }
        if (field->type != FIELD_ENUM)
            continue;
        buffer_append_varint(out, field->label_count);
        for (size_t k = 0; k < field->label_count; k++)
            catalog_string_encode(out, field->labels[k]);
    }
}

static holter_status labels_decode(struct metric *metric, size_t index, struct reader *r)
{
    struct catalog_field *field = &metric->told.fields[index];
    uint64_t count = get_varint(r);
    if (count == 0 || count > CATALOG_LABELS_MAX || count > r->left)
        return HOLTER_CORRUPT;
    char **labels = core_calloc(CATALOG_LABELS_MAX, sizeof *labels);
    if (labels == NULL)
        return HOLTER_NO_MEMORY;
    metric->labels[index] = labels;
    field->labels = (const char *const *)labels;
    for (size_t i = 0; i < count; i++) {
        char label[CATALOG_NAME_BYTES_MAX + 1];
        if (!catalog_string_decode(label, CATALOG_NAME_BYTES_MAX, r, catalog_words_are_valid))
            return HOLTER_CORRUPT;
        labels[i] = core_calloc(strlen(label) + 1, 1);
        if (labels[i] == NULL)
            return HOLTER_NO_MEMORY;
        memcpy(labels[i], label, strlen(label));
        field->label_count = i + 1;
    }
    return HOLTER_OK;
}

static holter_status field_decode(struct metric *metric, size_t index, struct reader *r)
{
    struct catalog_field *field = &metric->told.fields[index];
    field->type = metric->told.schema.types[index];
    if (!catalog_string_decode(field->name, CATALOG_NAME_BYTES_MAX, r, catalog_identifier_is_valid))
        return HOLTER_CORRUPT;
    uint8_t exponent = get_u8(r);
    uint8_t has_range = get_u8(r);
    if (has_range > 1)
        return HOLTER_CORRUPT;
    field->exponent = (int8_t)(exponent < 128 ? exponent : exponent - 256);
    field->has_range = has_range == 1;
    if (field->has_range) {
        field->min = get_i64(r);
        field->max = get_i64(r);
    }
    return field->type == FIELD_ENUM ? labels_decode(metric, index, r) : HOLTER_OK;
}

holter_status catalog_metric_decode(struct metric **out, struct reader *r)
{
    struct metric *metric = core_calloc(1, sizeof *metric);
    if (metric == NULL)
        return HOLTER_NO_MEMORY;
    struct catalog_metric *told = &metric->told;
    holter_status status = HOLTER_CORRUPT;

    told->number = get_u32(r);
    if (!catalog_string_decode(told->name, CATALOG_NAME_BYTES_MAX, r,
                               catalog_identifier_is_valid) ||
        !catalog_string_decode(told->unit, CATALOG_NAME_BYTES_MAX, r, catalog_code_is_valid) ||
        schema_decode(&told->schema, r) != HOLTER_OK)
        goto done;
    told->aggregation = get_u8(r);
    told->class = get_u8(r);
    told->carry_ns = get_i64(r);
    if (!catalog_string_decode(told->healthkit, CATALOG_NAME_BYTES_MAX, r, catalog_code_is_valid) ||
        !catalog_string_decode(told->health_connect, CATALOG_NAME_BYTES_MAX, r,
                               catalog_code_is_valid) ||
        !catalog_string_decode(told->open_mhealth, CATALOG_NAME_BYTES_MAX, r,
                               catalog_code_is_valid) ||
        !catalog_string_decode(told->loinc, CATALOG_NAME_BYTES_MAX, r, catalog_code_is_valid))
        goto done;
    for (size_t i = 0; i < told->schema.field_count; i++) {
        status = field_decode(metric, i, r);
        if (status != HOLTER_OK)
            goto done;
    }
    status = reader_is_done(r) && told->number > 0 && catalog_metric_check(told) == NULL
                 ? HOLTER_OK
                 : HOLTER_CORRUPT;
done:
    if (status != HOLTER_OK) {
        catalog_metric_free(metric);
        return status;
    }
    *out = metric;
    return HOLTER_OK;
}

void catalog_metric_free(struct metric *metric)
{
    if (metric == NULL)
        return;
    for (size_t i = 0; i < SCHEMA_FIELDS_MAX; i++) {
        for (size_t k = 0; metric->labels[i] != NULL && k < CATALOG_LABELS_MAX; k++)
            free(metric->labels[i][k]);
        free(metric->labels[i]);
    }
    free(metric);
}

bool catalog_region_name_is_valid(const char *name)
{
    return catalog_region_bytes_are_valid(name,
                                          catalog_bounded_length(name, CATALOG_NAME_BYTES_MAX + 1));
}
