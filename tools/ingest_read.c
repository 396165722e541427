/*
 * ingest_read.c -- what both forms of a line share on its way to a row.
 */
#include "ingest_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "ingest_impl.h"

enum ingest_result ingest_refuse(struct ingest_reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->problem, sizeof reader->problem, format, args);
    va_end(args);
    return INGEST_REFUSED;
}

enum ingest_result ingest_refuse_part(struct ingest_reader *reader, const char *part)
{
    char why[IMPORT_PROBLEM_BYTES_MAX];
    memcpy(why, reader->problem, sizeof why);
    return ingest_refuse(reader, "%s: %s", part, why);
}

bool ingest_is_name(struct csv_field name, const char *text)
{
    return strlen(text) == name.count && memcmp(text, name.bytes, name.count) == 0;
}

/* ---- metrics -------------------------------------------------------------------------------- */

static void metric_describe(struct ingest_metric *metric)
{
    size_t others = 0;
    metric->only_field = -1;
    for (size_t f = 0; f < metric->metric.field_count; f++) {
        metric->name_bytes[f] = strlen(metric->metric.fields[f].name);
        if ((int)f == metric->metric.key_field)
            continue;
        metric->only_field = others++ == 0 ? (int)f : -1;
    }
}

static enum ingest_result metric_find_failed(struct ingest_reader *reader, holter_status status,
                                             struct csv_field name)
{
    if (status != HOLTER_NOT_FOUND && status != HOLTER_INVALID)
        return INGEST_FAILED;
    char form[FORM_BYTES_MAX];
    return ingest_refuse(reader, "metric: found %s, expected the name of a metric",
                         form_of(form, name.bytes, name.count));
}

enum ingest_result ingest_metric_need(struct ingest_reader *reader, struct csv_field name)
{
    if (reader->last != NULL && ingest_is_name(name, reader->last->metric.name))
        return INGEST_OK; /* mostly it is the last again */
    if (name.count == 0 || name.count > HOLTER_NAME_BYTES_MAX)
        return metric_find_failed(reader, HOLTER_NOT_FOUND, name);
    struct ingest_metric **slot =
        &reader->metrics[XXH3_64bits(name.bytes, name.count) % INGEST_METRICS];
    reader->last = NULL;
    if (*slot == NULL || !ingest_is_name(name, (*slot)->metric.name)) {
        char text[HOLTER_NAME_BYTES_MAX + 1];
        memcpy(text, name.bytes, name.count);
        text[name.count] = '\0';
        holter_metric metric;
        holter_status status = reader->metric_find(reader->context, &metric, text, &reader->err);
        if (status != HOLTER_OK)
            return metric_find_failed(reader, status, name);
        if (*slot == NULL)
            *slot = malloc(sizeof **slot);
        if (*slot == NULL)
            return INGEST_NO_MEMORY;
        (*slot)->metric = metric;
        metric_describe(*slot);
    }
    reader->last = *slot;
    return INGEST_OK;
}

bool ingest_metric_renew(struct ingest_reader *reader)
{
    size_t before = 0, after = 0;
    holter_metric metric;
    struct ingest_metric *slot =
        reader->metrics[XXH3_64bits(reader->last->metric.name, strlen(reader->last->metric.name)) %
                        INGEST_METRICS];
    if (reader->metric_find(reader->context, &metric, slot->metric.name, NULL) != HOLTER_OK ||
        metric.number != slot->metric.number || metric.field_count != slot->metric.field_count)
        return false;
    for (size_t f = 0; f < metric.field_count; f++) {
        before += slot->metric.fields[f].label_count;
        after += metric.fields[f].label_count;
    }
    slot->metric = metric;
    return after > before;
}

int ingest_field_of(const struct ingest_metric *metric, struct csv_field name)
{
    for (size_t f = 0; f < metric->metric.field_count; f++)
        if (metric->name_bytes[f] == name.count &&
            memcmp(metric->metric.fields[f].name, name.bytes, name.count) == 0)
            return (int)f;
    if (ingest_is_name(name, "value"))
        return metric->only_field;
    return ingest_is_name(name, "key") ? metric->metric.key_field : -1;
}

enum ingest_part ingest_part_of(struct csv_field name)
{
    return ingest_is_name(name, "duration")   ? PART_DURATION
           : ingest_is_name(name, "revision") ? PART_REVISION
           : ingest_is_name(name, "flags")    ? PART_FLAGS
                                              : PART_NONE;
}

/* ---- values --------------------------------------------------------------------------------- */

bool ingest_value_read(struct ingest_reader *reader, int field, struct csv_field text)
{
    const holter_metric *metric = &reader->last->metric;
    holter_value *value = &reader->values[field];
    return import_value_read(value, metric, (size_t)field, text, reader->round, reader->problem) ||
           (metric->fields[field].type == HOLTER_ENUM && ingest_metric_renew(reader) &&
            import_value_read(value, metric, (size_t)field, text, reader->round, reader->problem));
}

bool ingest_boolean_read(struct ingest_reader *reader, int field, bool is_true)
{
    switch (reader->last->metric.fields[field].type) {
    case HOLTER_INT:
        return ingest_value_read(reader, field, (struct csv_field){ is_true ? "1" : "0", 1 });
    case HOLTER_FLOAT:
        reader->values[field].real = is_true;
        return true;
    case HOLTER_ENUM:
        return ingest_value_read(reader, field,
                                 is_true ? (struct csv_field){ "true", 4 }
                                         : (struct csv_field){ "false", 5 });
    case HOLTER_TEXT:
        break;
    }
    ingest_refuse(reader, "found a boolean, expected a string");
    return false;
}

/* ---- samples -------------------------------------------------------------------------------- */

/* G3. A clock that went back by a second or more was wrong before: it is followed. */
static int64_t now_take(struct ingest_reader *reader)
{
    static const int64_t second_ns = 1000000000;
    int64_t now = reader->now_ns();
    bool is_behind = now <= reader->last_now_ns && reader->last_now_ns - now < second_ns;
    reader->last_now_ns = is_behind ? reader->last_now_ns + 1 : now;
    return reader->last_now_ns;
}

void ingest_sample_begin(struct ingest_reader *reader)
{
    reader->metric = &reader->last->metric;
    reader->sample = (struct import_sample){ .metric = reader->metric,
                                             .values = reader->values,
                                             .duration_ns = -1 };
}

enum ingest_result ingest_sample_end(struct ingest_reader *reader, unsigned fields, bool has_time)
{
    const holter_metric *metric = reader->metric;
    struct import_sample *sample = &reader->sample;
    for (size_t f = 0; f < metric->field_count; f++)
        if ((fields >> f & 1) == 0)
            return ingest_refuse(reader, "found no field %s, expected one, as metric %s has it",
                                 metric->fields[f].name, metric->name);
    if (!import_duration_check(sample->duration_ns, metric, reader->problem))
        return INGEST_REFUSED;
    if (metric->kind == HOLTER_INSTANT)
        sample->duration_ns = 0;
    if (!has_time)
        sample->time_ns = now_take(reader);
    return INGEST_OK;
}

enum ingest_result ingest_person_check(struct ingest_reader *reader)
{
    if (reader->line_user.bytes == NULL && reader->user != NULL)
        reader->line_user = (struct csv_field){ reader->user, strlen(reader->user) };
    if (!import_user_check(reader->line_user, reader->problem))
        return ingest_refuse_part(reader, "user");
    if (!import_source_check(reader->line_source, reader->problem))
        return ingest_refuse_part(reader, "source");
    return INGEST_OK;
}

enum ingest_result ingest_time_take(struct ingest_reader *reader, const char *part, int64_t units,
                                    int64_t *out_ns)
{
    if (!__builtin_mul_overflow(units, reader->unit_ns, out_ns) && *out_ns != HOLTER_TIME_MIN &&
        *out_ns != HOLTER_TIME_MAX)
        return INGEST_OK;
    return ingest_refuse(reader,
                         "%s: found one out of range, expected 1677-09-21T00:12:43Z to "
                         "2262-04-11T23:47:16Z (--precision tells its unit)",
                         part);
}

/* ---- lines ---------------------------------------------------------------------------------- */

enum ingest_result ingest_line_read(struct ingest_reader *reader, char *bytes, size_t count)
{
    ingest_json_release(reader);
    reader->kind = INGEST_NOTHING;
    if (count > 0 && bytes[count - 1] == '\r')
        count--;
    if (line_is_blank(bytes, count))
        return INGEST_OK;
    if (memchr(bytes, '\0', count) != NULL)
        return ingest_refuse(reader, "found a zero byte, expected text");
    if (!is_utf8(bytes, count))
        return ingest_refuse(reader, "found bytes that are no UTF-8, expected text");
    reader->line_user = (struct csv_field){ NULL, 0 };
    reader->line_source = (struct csv_field){ reader->source, strlen(reader->source) };
    bool is_object = reader->format == INGEST_NDJSON ||
                     (reader->format == INGEST_TELL && bytes[strspn(bytes, " \t")] == '{');
    return is_object ? ingest_json_read(reader, bytes, count)
                     : ingest_influx_read(reader, bytes, count);
}

void ingest_reader_release(struct ingest_reader *reader)
{
    ingest_json_release(reader);
    for (size_t i = 0; i < INGEST_METRICS; i++)
        free(reader->metrics[i]);
    memset(reader->metrics, 0, sizeof reader->metrics);
    reader->last = NULL;
}
