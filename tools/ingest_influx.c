/*
 * ingest_influx.c -- a line of line protocol as a sample: its measurement is the metric, its tags say who measured,
 * its fields are the metric's.
 */
#include <stdio.h>
#include <string.h>

#include "ingest_impl.h"

/* The line at hand on its way to a sample. */
struct mapping {
    struct ingest_reader *reader;
    unsigned fields, parts; /* a bit for each that was there */
};

static bool is_ignored(const struct ingest_reader *reader, struct csv_field name)
{
    for (size_t i = 0; i < reader->ignored.count; i++)
        if (ingest_is_name(name, reader->ignored.items[i]))
            return true;
    return false;
}

/* "tag 2: found ...": names are not repeated, as a wrong mapping can put an id there. */
static enum ingest_result refuse_at(struct ingest_reader *reader, const char *kind, size_t index)
{
    char place[32];
    snprintf(place, sizeof place, "%s %zu", kind, index + 1);
    return ingest_refuse_part(reader, place);
}

static bool part_read(struct mapping *mapping, enum ingest_part part, struct csv_field text)
{
    struct ingest_reader *reader = mapping->reader;
    struct import_sample *sample = &reader->sample;
    if ((mapping->parts >> part & 1) != 0) {
        ingest_refuse(reader, "found it twice, expected it once");
        return false;
    }
    mapping->parts |= 1u << part;
    switch (part) {
    case PART_USER:
        reader->line_user = text;
        return true;
    case PART_SOURCE:
        reader->line_source = text;
        return true;
    case PART_DURATION:
        return import_duration_read(&sample->duration_ns, text, reader->problem);
    case PART_REVISION:
        return import_revision_read(&sample->revision, text, reader->problem);
    case PART_FLAGS:
        return import_flags_read(&sample->flags, text, reader->problem);
    case PART_NONE:
        break;
    }
    return false;
}

static bool field_note(struct mapping *mapping, int field)
{
    bool is_new = (mapping->fields >> field & 1) == 0;
    mapping->fields |= 1u << field;
    if (!is_new)
        ingest_refuse(mapping->reader, "found it twice, expected it once");
    return is_new;
}

static bool tag_read(struct mapping *mapping, const struct line_tag *tag)
{
    struct ingest_reader *reader = mapping->reader;
    if (ingest_is_name(tag->name, reader->user_tag))
        return part_read(mapping, PART_USER, tag->text);
    if (ingest_is_name(tag->name, reader->source_tag))
        return part_read(mapping, PART_SOURCE, tag->text);
    int field = ingest_field_of(reader->last, tag->name);
    if (field >= 0)
        return field_note(mapping, field) && ingest_value_read(reader, field, tag->text);
    enum ingest_part part = ingest_part_of(tag->name);
    if (part != PART_NONE)
        return part_read(mapping, part, tag->text);
    if (is_ignored(reader, tag->name))
        return true;
    char form[FORM_BYTES_MAX];
    ingest_refuse(reader,
                  "found %s, expected %s, %s, duration, revision, flags or a field of %s "
                  "(--ignore passes over others)",
                  form_of(form, tag->name.bytes, tag->name.count), reader->user_tag,
                  reader->source_tag, reader->metric->name);
    return false;
}

/* Strings are texts and labels, numbers are numbers. */
static bool value_read(struct mapping *mapping, int field, const struct line_field *from)
{
    struct ingest_reader *reader = mapping->reader;
    holter_type type = reader->metric->fields[field].type;
    bool is_string = from->type == LINE_STRING;
    if (from->type == LINE_BOOLEAN)
        return ingest_boolean_read(reader, field, from->text.count == 4);
    if (is_string ? type == HOLTER_INT || type == HOLTER_FLOAT : type == HOLTER_TEXT) {
        ingest_refuse(reader, "found a %s, expected a %s", is_string ? "string" : "number",
                      is_string ? "number" : "string");
        return false;
    }
    return ingest_value_read(reader, field, from->text);
}

static bool field_read(struct mapping *mapping, const struct line_field *from)
{
    struct ingest_reader *reader = mapping->reader;
    int field = ingest_field_of(reader->last, from->name);
    if (field >= 0)
        return field_note(mapping, field) && value_read(mapping, field, from);
    enum ingest_part part = ingest_part_of(from->name);
    if (part != PART_NONE)
        return part_read(mapping, part, from->text);
    if (is_ignored(reader, from->name))
        return true;
    char form[FORM_BYTES_MAX];
    ingest_refuse(reader,
                  "found %s, expected a field of metric %s, duration, revision or flags "
                  "(--ignore passes over others)",
                  form_of(form, from->name.bytes, from->name.count), reader->metric->name);
    return false;
}

static enum ingest_result time_take(struct ingest_reader *reader)
{
    const struct line *line = &reader->line;
    return line->has_time ? ingest_time_take(reader, "time", line->time, &reader->sample.time_ns)
                          : INGEST_OK;
}

enum ingest_result ingest_influx_read(struct ingest_reader *reader, char *bytes, size_t count)
{
    struct line *line = &reader->line;
    struct mapping mapping = { .reader = reader };
    if (!line_read(line, bytes, count))
        return ingest_refuse(reader, "%s", line->problem);
    enum ingest_result result = ingest_metric_need(reader, line->measurement);
    if (result != INGEST_OK)
        return result;
    ingest_sample_begin(reader);
    for (size_t i = 0; i < line->tag_count; i++)
        if (!tag_read(&mapping, &line->tags[i]))
            return refuse_at(reader, "tag", i);
    for (size_t i = 0; i < line->field_count; i++)
        if (!field_read(&mapping, &line->fields[i]))
            return refuse_at(reader, "field", i);
    result = ingest_person_check(reader);
    if (result == INGEST_OK)
        result = time_take(reader);
    if (result == INGEST_OK)
        result = ingest_sample_end(reader, mapping.fields, line->has_time);
    if (result == INGEST_OK)
        reader->kind = INGEST_SAMPLE;
    return result;
}
