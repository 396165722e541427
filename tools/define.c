/*
 * define.c -- a metric as text.
 */
#include "define.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "times.h"

enum { EXPONENT_MAX = 18, VALUE_BYTES = 512 };

struct word {
    const char *name;
    int value;
};

static const struct word kinds[] = { { "instant", HOLTER_INSTANT },
                                     { "interval", HOLTER_INTERVAL } };
static const struct word aggregations[] = { { "mean", HOLTER_MEAN },
                                            { "sum", HOLTER_SUM },
                                            { "states", HOLTER_STATES },
                                            { "last", HOLTER_LAST } };
static const struct word classes[] = { { "vitals", HOLTER_VITALS },
                                       { "activity", HOLTER_ACTIVITY },
                                       { "waveform", HOLTER_WAVEFORM },
                                       { "records", HOLTER_RECORDS } };
static const struct word types[] = { { "int", HOLTER_INT },
                                     { "float", HOLTER_FLOAT },
                                     { "enum", HOLTER_ENUM },
                                     { "text", HOLTER_TEXT } };

static const char *name_of(const struct word *words, size_t count, int value)
{
    for (size_t i = 0; i < count; i++)
        if (words[i].value == value)
            return words[i].name;
    return "?";
}

static bool word_read(int *out, const struct word *words, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].name, text) == 0) {
            *out = words[i].value;
            return true;
        }
    return false;
}

const char *kind_name(holter_kind kind)
{
    return name_of(kinds, TOOL_COUNT(kinds), (int)kind);
}

const char *aggregation_name(holter_aggregation aggregation)
{
    return name_of(aggregations, TOOL_COUNT(aggregations), (int)aggregation);
}

const char *class_name(holter_class tier_class)
{
    return name_of(classes, TOOL_COUNT(classes), (int)tier_class);
}

const char *type_name(holter_type type)
{
    return name_of(types, TOOL_COUNT(types), (int)type);
}

/* ---- steps ---------------------------------------------------------------------------------- */

void step_write(char out[static STEP_BYTES_MAX], int exponent)
{
    static const char zeros[] = "000000000000000000";
    if (exponent >= 0)
        snprintf(out, STEP_BYTES_MAX, "1%.*s", exponent, zeros);
    else
        snprintf(out, STEP_BYTES_MAX, "0.%.*s1", -exponent - 1, zeros);
}

static bool step_read(int *exponent, const char *text)
{
    char step[STEP_BYTES_MAX];
    for (int at = -EXPONENT_MAX; at <= EXPONENT_MAX; at++) {
        step_write(step, at);
        if (strcmp(step, text) == 0) {
            *exponent = at;
            return true;
        }
    }
    return false;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Cut `text` at its first `end` that no backslash precedes; NULL: there is none. */
static char *cut(char *text, char end)
{
    for (char *at = text; *at != '\0'; at++) {
        if (at[0] == '\\' && at[1] != '\0') {
            at++;
        } else if (*at == end) {
            *at = '\0';
            return at + 1;
        }
    }
    return NULL;
}

/* "\," is ',' and "\\" is '\'. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] == '\\' && (from[1] == ',' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    *to = '\0';
}

static int labels_read(struct definition *out, const struct verb *verb, size_t field, char *text)
{
    holter_field *of = &out->metric.fields[field];
    while (text != NULL) {
        char *next = cut(text, ',');
        if (of->label_count == DEFINE_LABELS_MAX)
            return say_usage(verb, "--field '%s': found more than %d labels", of->name,
                             DEFINE_LABELS_MAX);
        unescape(text);
        out->labels[field][of->label_count++] = text;
        text = next;
    }
    of->labels = out->labels[field];
    return TOOL_OK;
}

static int range_read(struct definition *out, const struct verb *verb, size_t field, char *text)
{
    holter_field *of = &out->metric.fields[field];
    char *dots = strstr(text, "..");
    *dots = '\0';
    const char *ends[] = { text, dots + 2 };
    holter_value *const values[] = { &of->min, &of->max };
    for (size_t i = 0; i < TOOL_COUNT(ends); i++) {
        holter_error err = { 0 };
        if (holter_value_parse(values[i], &out->metric, field, ends[i], strlen(ends[i]), 0, &err) !=
            HOLTER_OK)
            return say_usage(verb, "--field '%s': its range: %s", of->name, err.message);
    }
    of->has_range = 1;
    return TOOL_OK;
}

/* What follows NAME:TYPE of an int or float: a step, a range. */
static int numbers_read(struct definition *out, const struct verb *verb, size_t field, char *text)
{
    holter_field *of = &out->metric.fields[field];
    char *next = text == NULL ? NULL : cut(text, ':');
    if (text != NULL && of->type == HOLTER_INT && strstr(text, "..") == NULL) {
        if (!step_read(&of->exponent, text))
            return say_usage(verb,
                             "--field '%s': expected a step such as 1 or 0.01, or a range such as "
                             "30..45, after int:",
                             of->name);
        text = next;
        next = text == NULL ? NULL : cut(text, ':');
    }
    if (text == NULL)
        return TOOL_OK;
    if (next != NULL || strstr(text, "..") == NULL)
        return say_usage(verb, "--field '%s': expected one range such as 30..45, and no more",
                         of->name);
    return range_read(out, verb, field, text);
}

static int field_read(struct definition *out, const struct verb *verb, size_t field,
                      const char *given, const char *key)
{
    holter_field *of = &out->metric.fields[field];
    char *text = strdup(given);
    out->texts[field] = text;
    if (text == NULL)
        return say_no_memory();
    char *type = cut(text, ':');
    of->name = text;
    if (key != NULL && strcmp(text, key) == 0)
        out->metric.key_field = (int)field;
    if (type == NULL)
        return say_usage(verb, "--field takes NAME:TYPE, such as value:int:0.01:30..45");
    char *more = cut(type, ':');
    int found;
    if (!word_read(&found, types, TOOL_COUNT(types), type))
        return say_usage(verb, "--field '%s': expected a type, int, float, enum or text, after %s:",
                         of->name, of->name);
    of->type = (holter_type)found;
    switch (of->type) {
    case HOLTER_INT:
    case HOLTER_FLOAT:
        return numbers_read(out, verb, field, more);
    case HOLTER_ENUM:
        if (more == NULL)
            return say_usage(verb, "--field '%s': expected labels, apart by commas, after enum:",
                             of->name);
        return labels_read(out, verb, field, more);
    case HOLTER_TEXT:
        break;
    }
    if (more != NULL)
        return say_usage(verb, "--field '%s': expected nothing after text", of->name);
    return TOOL_OK;
}

/* By the first field that is no key. */
static holter_aggregation aggregation_default(const holter_metric *metric)
{
    size_t first = metric->key_field == 0 && metric->field_count > 1 ? 1 : 0;
    switch (metric->fields[first].type) {
    case HOLTER_INT:
    case HOLTER_FLOAT:
        return metric->kind == HOLTER_INTERVAL ? HOLTER_SUM : HOLTER_MEAN;
    case HOLTER_ENUM:
        return HOLTER_STATES;
    case HOLTER_TEXT:
        break;
    }
    return HOLTER_LAST;
}

static int words_read(struct definition *out, const struct verb *verb,
                      const struct define_options *options)
{
    int kind = HOLTER_INSTANT;
    if (options->kind != NULL && !word_read(&kind, kinds, TOOL_COUNT(kinds), options->kind))
        return say_usage(verb, "--kind takes instant or interval");
    out->metric.kind = (holter_kind)kind;
    int aggregation = (int)aggregation_default(&out->metric);
    if (options->aggregation != NULL &&
        !word_read(&aggregation, aggregations, TOOL_COUNT(aggregations), options->aggregation))
        return say_usage(verb, "--aggregation takes mean, sum, states or last");
    out->metric.aggregation = (holter_aggregation)aggregation;
    int tier_class = kind == HOLTER_INTERVAL ? HOLTER_ACTIVITY : HOLTER_RECORDS;
    if (options->tier_class != NULL &&
        !word_read(&tier_class, classes, TOOL_COUNT(classes), options->tier_class))
        return say_usage(verb, "--class takes vitals, activity, waveform or records");
    out->metric.tier_class = (holter_class)tier_class;
    if (options->carry != NULL &&
        duration_read(&out->metric.carry_ns, options->carry, strlen(options->carry)) != TIME_OK)
        return say_usage(verb, "--carry takes a duration such as 60s, 15m or 24h");
    return TOOL_OK;
}

int define_read(struct definition *out, const struct verb *verb,
                const struct define_options *options)
{
    memset(out, 0, sizeof *out);
    if (options->fields.count == 0 || options->fields.count > HOLTER_FIELDS_MAX)
        return say_usage(verb, "--define needs 1 to %d --field NAME:TYPE, found %zu",
                         HOLTER_FIELDS_MAX, options->fields.count);
    if (options->unit == NULL)
        return say_usage(verb, "--define needs --unit, in UCUM: 1 for a plain number, %% or mg/dL");
    out->metric = (holter_metric){ .name = options->name,
                                   .unit = options->unit,
                                   .field_count = options->fields.count,
                                   .key_field = -1,
                                   .healthkit = options->healthkit,
                                   .health_connect = options->health_connect,
                                   .open_mhealth = options->open_mhealth,
                                   .loinc = options->loinc };
    int code = TOOL_OK;
    for (size_t f = 0; f < options->fields.count && code == TOOL_OK; f++)
        code = field_read(out, verb, f, options->fields.items[f], options->key);
    if (code == TOOL_OK && options->key != NULL && out->metric.key_field < 0)
        code = say_usage(verb, "--key names no field of the metric");
    if (code == TOOL_OK)
        code = words_read(out, verb, options);
    return code;
}

void define_release(struct definition *definition)
{
    for (size_t f = 0; f < HOLTER_FIELDS_MAX; f++)
        free(definition->texts[f]);
    memset(definition, 0, sizeof *definition);
}

/* ---- showing -------------------------------------------------------------------------------- */

static void out_value(const holter_metric *metric, size_t field, holter_value value)
{
    char text[VALUE_BYTES];
    holter_value_format(text, sizeof text, metric, field, value);
    out_text(text);
}

static void out_label(const char *label)
{
    for (; *label != '\0'; label++) {
        if (*label == ',' || *label == '\\')
            out_text("\\");
        out_bytes(label, 1);
    }
}

void out_field(const holter_metric *metric, size_t field, bool labels)
{
    const holter_field *of = &metric->fields[field];
    out_format("%s:%s", of->name, type_name(of->type));
    if (of->type == HOLTER_INT && of->exponent != 0) {
        char step[STEP_BYTES_MAX];
        step_write(step, of->exponent);
        out_format(":%s", step);
    }
    if (of->has_range) {
        out_text(":");
        out_value(metric, field, of->min);
        out_text("..");
        out_value(metric, field, of->max);
    }
    for (size_t i = 0; labels && i < of->label_count; i++) {
        out_text(i == 0 ? ":" : ",");
        out_label(of->labels[i]);
    }
}
