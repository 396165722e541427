/*
 * ingest_json.c -- a line that is a JSON object, as a sample, a deletion or a replaced range.
 *
 *     {"user": U, "metric": M, "time": T, "value": V}            "source", "duration", "revision", "flags"; "fields"
 *     {"op": "delete", "user": U, "metric": M, "source": S, "from": T, "to": T}                         "revision"
 *     {"op": "replace", "user": U, "metric": M, "from": T, "to": T, "samples": [{"time": T, "value": V}, ...]}
 *
 * Times and durations are texts, or whole numbers of nanoseconds. null is an open end, every metric or every source.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest_impl.h"

/* Members of an object, a bit each; what an operation takes is a set of them. */
enum {
    OP = 1,
    USER = 2,
    METRIC = 4,
    SOURCE = 8,
    TIME = 16,
    DURATION = 32,
    VALUE = 64,
    FIELDS = 128,
    FLAGS = 256,
    REVISION = 512,
    FROM = 1024,
    TO = 2048,
    SAMPLES = 4096,
};

enum {
    OF_SERIES = OP | USER | METRIC | SOURCE | REVISION,
    OF_RANGE = OF_SERIES | FROM | TO,
    OF_PART = TIME | DURATION | VALUE | FIELDS | FLAGS,
};

static const struct {
    const char *name;
    unsigned bit;
} members[] = {
    { "op", OP },           { "user", USER },         { "metric", METRIC }, { "source", SOURCE },
    { "time", TIME },       { "duration", DURATION }, { "value", VALUE },   { "fields", FIELDS },
    { "flags", FLAGS },     { "revision", REVISION }, { "from", FROM },     { "to", TO },
    { "samples", SAMPLES },
};

static unsigned member_of(const char *name)
{
    for (size_t i = 0; i < TOOL_COUNT(members); i++)
        if (strcmp(members[i].name, name) == 0)
            return members[i].bit;
    return 0;
}

static struct csv_field text_of(const json_t *text)
{
    return (struct csv_field){ json_string_value(text), json_string_length(text) };
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a decimal", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return value == NULL ? "nothing" : names[json_typeof(value)];
}

static enum ingest_result refuse_type(struct ingest_reader *reader, const char *member,
                                      const json_t *found, const char *expected)
{
    return ingest_refuse(reader, "%s: found %s, expected %s", member, type_name(found), expected);
}

/* The object has members of a set only, and all that it needs. */
static enum ingest_result members_check(struct ingest_reader *reader, json_t *object,
                                        unsigned taken, unsigned needed)
{
    const char *name;
    json_t *value;
    unsigned found = 0;
    json_object_foreach(object, name, value)
    {
        unsigned member = member_of(name);
        char form[FORM_BYTES_MAX];
        if (member == 0)
            return ingest_refuse(reader,
                                 "found a member %s, expected user, metric, source, time, "
                                 "duration, value, fields, flags, revision, op, from, to "
                                 "or samples",
                                 form_of(form, name, strlen(name)));
        if ((member & taken) == 0)
            return ingest_refuse(reader, "found a member '%s', expected none of this name here",
                                 name);
        found |= member;
    }
    for (size_t i = 0; i < TOOL_COUNT(members); i++)
        if ((members[i].bit & needed & ~found) != 0)
            return ingest_refuse(reader, "found no member '%s', expected one", members[i].name);
    return INGEST_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

enum { NUMBER_BYTES_MAX = 64 };

/* As the gateway wrote it: of a double the shortest form. */
static size_t number_format(char digits[static NUMBER_BYTES_MAX], const json_t *number)
{
    static const holter_metric plain = { .field_count = 1, .fields = { { .type = HOLTER_FLOAT } } };
    if (json_is_integer(number))
        return (size_t)snprintf(digits, NUMBER_BYTES_MAX, "%" JSON_INTEGER_FORMAT,
                                json_integer_value(number));
    return holter_value_format(digits, NUMBER_BYTES_MAX, &plain, 0,
                               (holter_value){ .real = json_real_value(number) });
}

/* ---- parts ---------------------------------------------------------------------------------- */

static enum ingest_result time_member(struct ingest_reader *reader, const char *member,
                                      const json_t *value, int64_t *out_ns)
{
    if (json_is_integer(value))
        return ingest_time_take(reader, member, json_integer_value(value), out_ns);
    reader->rfc3339.kind = TIME_RFC3339;
    if (!json_is_string(value))
        return refuse_type(reader, member, value,
                           "a time in RFC 3339, or a whole number of --precision's units");
    if (import_time_read(out_ns, &reader->rfc3339, "rfc3339", text_of(value), reader->problem))
        return INGEST_OK;
    return ingest_refuse_part(reader, member);
}

/* To the nanosecond, as far as a double tells it apart from its neighbours: up to 52 days. */
static enum ingest_result duration_of_real(struct ingest_reader *reader, double seconds)
{
    const double held_max = 4503599.0; /* 2^52 ns */
    if (!(seconds >= 0) || seconds >= held_max)
        return ingest_refuse(
            reader, "duration: found a decimal that is %s, expected a text such as \"60s\"",
            seconds < 0 ? "negative" : "too large to tell nanoseconds");
    long double ns = (long double)seconds * 1e9L;
    long double whole = roundl(ns);
    if (fabsl(ns - whole) > 1e-4L + ns * 0x1p-52L)
        return ingest_refuse(reader,
                             "duration: found one finer than a nanosecond, expected at most "
                             "nine decimals");
    reader->sample.duration_ns = (int64_t)whole;
    return INGEST_OK;
}

/* A number is of seconds, as it is in what holter query prints. */
static enum ingest_result duration_member(struct ingest_reader *reader, const json_t *value)
{
    char digits[NUMBER_BYTES_MAX];
    struct csv_field text = { digits, 0 };
    if (json_is_real(value))
        return duration_of_real(reader, json_real_value(value));
    if (json_is_integer(value))
        text.count = number_format(digits, value);
    else if (json_is_string(value))
        text = text_of(value);
    else
        return refuse_type(reader, "duration", value,
                           "a number of seconds, or a text such as \"60s\"");
    if (import_duration_read(&reader->sample.duration_ns, text, reader->problem))
        return INGEST_OK;
    return ingest_refuse_part(reader, "duration");
}

static enum ingest_result revision_member(struct ingest_reader *reader, const json_t *value,
                                          int64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) == INT64_MIN)
        return refuse_type(reader, "revision", value, "a whole number of 64 bits");
    *out = json_integer_value(value);
    return INGEST_OK;
}

/* "manual|bit8", ["manual", "bit8"], or their number. */
static enum ingest_result flags_member(struct ingest_reader *reader, const json_t *value)
{
    char digits[32];
    uint16_t *out = &reader->sample.flags;
    size_t i = 0;
    const json_t *item = value;
    if (json_is_array(value) && json_array_size(value) == 0)
        return INGEST_OK;
    do {
        uint16_t flags;
        struct csv_field text = { digits, 0 };
        if (json_is_array(value))
            item = json_array_get(value, i);
        if (json_is_integer(item))
            text.count = (size_t)snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT,
                                          json_integer_value(item));
        else if (json_is_string(item))
            text = text_of(item);
        else
            return refuse_type(reader, "flags", item, "names of flags, or their number");
        if (!import_flags_read(&flags, text, reader->problem))
            return ingest_refuse_part(reader, "flags");
        *out = (uint16_t)(*out | flags);
    } while (json_is_array(value) && ++i < json_array_size(value));
    return INGEST_OK;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool number_read(struct ingest_reader *reader, int field, const json_t *number)
{
    const holter_field *of = &reader->metric->fields[field];
    holter_value *value = &reader->values[field];
    char digits[NUMBER_BYTES_MAX];
    if (of->type == HOLTER_TEXT) {
        ingest_refuse(reader, "found a number, expected a string");
        return false;
    }
    if (of->type == HOLTER_FLOAT) {
        value->real = json_number_value(number);
        return true;
    }
    if (of->type == HOLTER_INT && of->exponent == 0 && json_is_integer(number)) {
        value->integer = json_integer_value(number);
        return true;
    }
    size_t count = number_format(digits, number);
    return ingest_value_read(reader, field, (struct csv_field){ digits, count });
}

/* Texts are for any type: decimals of more digits than a double has come so. */
static enum ingest_result value_member(struct ingest_reader *reader, int field, const json_t *value)
{
    const char *name = reader->metric->fields[field].name;
    bool ok;
    if (json_is_number(value))
        ok = number_read(reader, field, value);
    else if (json_is_string(value))
        ok = ingest_value_read(reader, field, text_of(value));
    else if (json_is_boolean(value))
        ok = ingest_boolean_read(reader, field, json_is_true(value));
    else
        return refuse_type(reader, name, value, "a number, a string or a boolean");
    return ok ? INGEST_OK : ingest_refuse_part(reader, name);
}

static enum ingest_result fields_member(struct ingest_reader *reader, json_t *object,
                                        unsigned *fields)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return refuse_type(reader, "fields", object, "an object of values by names of fields");
    json_object_foreach(object, name, value)
    {
        struct csv_field text = { name, strlen(name) };
        int field = ingest_field_of(reader->last, text);
        char form[FORM_BYTES_MAX];
        if (field < 0)
            return ingest_refuse(reader, "fields: found %s, expected a field of metric %s",
                                 form_of(form, name, text.count), reader->metric->name);
        if ((*fields >> field & 1) != 0)
            return ingest_refuse(reader, "fields: found %s twice, expected it once",
                                 reader->metric->fields[field].name);
        enum ingest_result result = value_member(reader, field, value);
        if (result != INGEST_OK)
            return result;
        *fields |= 1u << field;
    }
    return INGEST_OK;
}

static enum ingest_result values_read(struct ingest_reader *reader, json_t *object,
                                      unsigned *fields)
{
    json_t *value = json_object_get(object, "value");
    json_t *others = json_object_get(object, "fields");
    enum ingest_result result = INGEST_OK;
    if (value != NULL) {
        int field = reader->last->only_field;
        if (field < 0)
            return ingest_refuse(reader,
                                 "found a member 'value', expected 'fields', as metric %s has "
                                 "several fields",
                                 reader->metric->name);
        *fields |= 1u << field;
        result = value_member(reader, field, value);
    }
    return result == INGEST_OK && others != NULL ? fields_member(reader, others, fields) : result;
}

/* What a sample is beside its series. */
static enum ingest_result part_read(struct ingest_reader *reader, json_t *object)
{
    const json_t *time = json_object_get(object, "time");
    const json_t *duration = json_object_get(object, "duration");
    const json_t *flags = json_object_get(object, "flags");
    unsigned fields = 0;
    ingest_sample_begin(reader);
    enum ingest_result result = values_read(reader, object, &fields);
    if (result == INGEST_OK && time != NULL)
        result = time_member(reader, "time", time, &reader->sample.time_ns);
    if (result == INGEST_OK && duration != NULL)
        result = duration_member(reader, duration);
    if (result == INGEST_OK && flags != NULL)
        result = flags_member(reader, flags);
    return result == INGEST_OK ? ingest_sample_end(reader, fields, time != NULL) : result;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* User and source; a deletion can be of every source. */
static enum ingest_result person_read(struct ingest_reader *reader, bool any_source)
{
    const json_t *user = json_object_get(reader->object, "user");
    const json_t *source = json_object_get(reader->object, "source");
    if (user != NULL && !json_is_string(user))
        return refuse_type(reader, "user", user, "a string");
    if (source != NULL && !json_is_string(source) && !(any_source && json_is_null(source)))
        return refuse_type(reader, "source", source, "a string");
    if (user != NULL)
        reader->line_user = text_of(user);
    if (json_is_string(source))
        reader->line_source = text_of(source);
    enum ingest_result result = ingest_person_check(reader);
    if (json_is_null(source))
        reader->line_source = (struct csv_field){ NULL, 0 };
    return result;
}

static enum ingest_result metric_read(struct ingest_reader *reader)
{
    const json_t *metric = json_object_get(reader->object, "metric");
    if (!json_is_string(metric))
        return refuse_type(reader, "metric", metric, "a string");
    enum ingest_result result = ingest_metric_need(reader, text_of(metric));
    if (result == INGEST_OK)
        reader->metric = &reader->last->metric;
    return result;
}

static enum ingest_result range_read(struct ingest_reader *reader)
{
    static const char *const names[] = { "from", "to" };
    int64_t *const ends[] = { &reader->begin_ns, &reader->end_ns };
    const json_t *revision = json_object_get(reader->object, "revision");
    reader->begin_ns = HOLTER_TIME_MIN;
    reader->end_ns = HOLTER_TIME_MAX;
    reader->revision = 0;
    for (int i = 0; i < 2; i++) {
        const json_t *end = json_object_get(reader->object, names[i]);
        enum ingest_result result =
            json_is_null(end) ? INGEST_OK : time_member(reader, names[i], end, ends[i]);
        if (result != INGEST_OK)
            return result;
    }
    if (reader->begin_ns >= reader->end_ns)
        return ingest_refuse(reader,
                             "to: found a time not after that of from, expected a later one");
    return revision != NULL ? revision_member(reader, revision, &reader->revision) : INGEST_OK;
}

static enum ingest_result sample_read(struct ingest_reader *reader)
{
    const json_t *revision = json_object_get(reader->object, "revision");
    enum ingest_result result = members_check(reader, reader->object, OF_SERIES | OF_PART, METRIC);
    if (result == INGEST_OK)
        result = metric_read(reader);
    if (result == INGEST_OK)
        result = person_read(reader, false);
    if (result == INGEST_OK)
        result = part_read(reader, reader->object);
    if (result == INGEST_OK && revision != NULL)
        result = revision_member(reader, revision, &reader->sample.revision);
    return result;
}

static enum ingest_result delete_read(struct ingest_reader *reader)
{
    enum ingest_result result =
        members_check(reader, reader->object, OF_RANGE, METRIC | SOURCE | FROM | TO);
    if (result == INGEST_OK)
        result = person_read(reader, true);
    reader->metric = NULL;
    if (result == INGEST_OK && json_is_null(json_object_get(reader->object, "metric"))) {
        if (reader->line_source.bytes != NULL)
            return ingest_refuse(reader, "source: found one, expected null, as every metric goes");
    } else if (result == INGEST_OK) {
        result = metric_read(reader);
    }
    return result == INGEST_OK ? range_read(reader) : result;
}

/* One of a replaced range. */
static enum ingest_result range_sample_read(struct ingest_reader *reader, json_t *object)
{
    if (!json_is_object(object))
        return refuse_type(reader, "samples", object, "objects");
    enum ingest_result result = members_check(reader, object, OF_PART, TIME);
    if (result == INGEST_OK)
        result = part_read(reader, object);
    if (result == INGEST_OK &&
        (reader->sample.time_ns < reader->begin_ns || reader->sample.time_ns >= reader->end_ns))
        return ingest_refuse(reader,
                             "time: found one outside the range, expected one of from to to");
    reader->sample.revision = reader->revision;
    return result;
}

static enum ingest_result replace_read(struct ingest_reader *reader)
{
    enum ingest_result result =
        members_check(reader, reader->object, OF_RANGE | SAMPLES, METRIC | FROM | TO | SAMPLES);
    if (result == INGEST_OK)
        result = metric_read(reader);
    if (result == INGEST_OK)
        result = person_read(reader, false);
    if (result == INGEST_OK)
        result = range_read(reader);
    if (result != INGEST_OK)
        return result;
    reader->samples = json_object_get(reader->object, "samples");
    if (!json_is_array(reader->samples))
        return refuse_type(reader, "samples", reader->samples, "an array");
    reader->sample_count = json_array_size(reader->samples);
    for (size_t i = 0; i < reader->sample_count; i++) {
        result = range_sample_read(reader, json_array_get(reader->samples, i));
        if (result == INGEST_REFUSED) {
            char place[48];
            snprintf(place, sizeof place, "sample %zu", i + 1);
            return ingest_refuse_part(reader, place);
        }
        if (result != INGEST_OK)
            return result;
    }
    return INGEST_OK;
}

void ingest_sample_read(struct ingest_reader *reader, size_t index)
{
    (void)range_sample_read(reader, json_array_get(reader->samples, index));
}

void ingest_json_release(struct ingest_reader *reader)
{
    json_decref(reader->object);
    reader->object = reader->samples = NULL;
    reader->sample_count = 0;
}

enum ingest_result ingest_json_read(struct ingest_reader *reader, const char *bytes, size_t count)
{
    static const struct {
        const char *name;
        enum ingest_kind kind;
        enum ingest_result (*read)(struct ingest_reader *reader);
    } operations[] = { { "sample", INGEST_SAMPLE, sample_read },
                       { "delete", INGEST_DELETE, delete_read },
                       { "replace", INGEST_REPLACE, replace_read } };
    json_error_t error;
    reader->object = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &error);
    if (reader->object == NULL && json_error_code(&error) == json_error_out_of_memory)
        return INGEST_NO_MEMORY;
    if (reader->object == NULL)
        return ingest_refuse(reader, "byte %d: found what is no JSON, expected an object",
                             error.position);
    if (!json_is_object(reader->object))
        return ingest_refuse(reader, "found %s, expected an object", type_name(reader->object));
    const json_t *op = json_object_get(reader->object, "op");
    const char *name = op == NULL ? "sample" : json_string_value(op);
    for (size_t i = 0; name != NULL && i < TOOL_COUNT(operations); i++) {
        if (strcmp(name, operations[i].name) != 0)
            continue;
        enum ingest_result result = operations[i].read(reader);
        if (result == INGEST_OK)
            reader->kind = operations[i].kind;
        return result;
    }
    return refuse_type(reader, "op", op, "\"sample\", \"delete\" or \"replace\"");
}
