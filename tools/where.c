/*
 * where.c -- conditions of --where, such as "value>=120", as filters: a range of each field.
 */
#include "where.h"

#include <math.h>
#include <string.h>

enum relation { EQUAL, BELOW, AT_MOST, ABOVE, AT_LEAST };

/* "FIELD <= VALUE", in its parts. */
struct condition {
    const char *field, *value;
    size_t field_bytes, value_bytes;
    enum relation relation;
};

static bool condition_read(struct condition *out, const char *text)
{
    text += strspn(text, " ");
    size_t at = strcspn(text, "<>=!");
    if (text[at] == '\0' || text[at] == '!')
        return false;
    *out = (struct condition){ .field = text, .field_bytes = at };
    bool or_equal = text[at] != '=' && text[at + 1] == '=';
    if (text[at] == '=')
        out->relation = EQUAL;
    else if (text[at] == '<')
        out->relation = or_equal ? AT_MOST : BELOW;
    else
        out->relation = or_equal ? AT_LEAST : ABOVE;
    out->value = text + at + 1 + or_equal;
    out->value += strspn(out->value, " ");
    out->value_bytes = strlen(out->value);
    while (out->value_bytes > 0 && out->value[out->value_bytes - 1] == ' ')
        out->value_bytes--;
    while (out->field_bytes > 0 && text[out->field_bytes - 1] == ' ')
        out->field_bytes--;
    return out->value_bytes > 0;
}

/* metric->field_count: there is none. */
static size_t field_find(const holter_metric *metric, const char *name, size_t bytes)
{
    size_t only = metric->field_count;
    for (size_t f = 0; f < metric->field_count; f++) {
        if (bytes > 0 && strlen(metric->fields[f].name) == bytes &&
            memcmp(metric->fields[f].name, name, bytes) == 0)
            return f;
        if (bytes > 0 || (int)f == metric->key_field)
            continue;
        if (only < metric->field_count)
            return metric->field_count; /* several */
        only = f;
    }
    return only;
}

/* Everything of a field. */
static holter_filter filter_of_all(size_t field, holter_type type)
{
    holter_filter filter = { .field = field };
    if (type == HOLTER_FLOAT) {
        filter.min.real = -INFINITY;
        filter.max.real = INFINITY;
    } else {
        filter.min.integer = INT64_MIN;
        filter.max.integer = INT64_MAX;
    }
    return filter;
}

/* What is left of a range of whole numbers. false: nothing. */
static bool narrow_whole(holter_filter *filter, enum relation relation, int64_t value)
{
    int64_t min = INT64_MIN, max = INT64_MAX;
    if (relation == EQUAL || relation == AT_LEAST)
        min = value;
    if (relation == EQUAL || relation == AT_MOST)
        max = value;
    if ((relation == ABOVE && value == INT64_MAX) || (relation == BELOW && value == INT64_MIN))
        return false;
    if (relation == ABOVE)
        min = value + 1;
    if (relation == BELOW)
        max = value - 1;
    filter->min.integer = min > filter->min.integer ? min : filter->min.integer;
    filter->max.integer = max < filter->max.integer ? max : filter->max.integer;
    return filter->min.integer <= filter->max.integer;
}

static bool narrow_real(holter_filter *filter, enum relation relation, double value)
{
    double min = -INFINITY, max = INFINITY;
    if (relation == EQUAL || relation == AT_LEAST)
        min = value;
    if (relation == EQUAL || relation == AT_MOST)
        max = value;
    if (isnan(value) || (relation == ABOVE && value == INFINITY) ||
        (relation == BELOW && value == -INFINITY))
        return false;
    if (relation == ABOVE)
        min = nextafter(value, INFINITY);
    if (relation == BELOW)
        max = nextafter(value, -INFINITY);
    filter->min.real = min > filter->min.real ? min : filter->min.real;
    filter->max.real = max < filter->max.real ? max : filter->max.real;
    return filter->min.real <= filter->max.real;
}

/* The library's sentence speaks of rounding, which nobody asks a condition for. */
static int value_refuse(const struct verb *verb, const holter_metric *metric,
                        const holter_field *field, const holter_error *err)
{
    if (field->type != HOLTER_INT)
        return say_usage(verb, "--where: %s", err->message);
    if (field->exponent > 0)
        return say_usage(verb, "--where: field '%s' of %s takes multiples of 10^%d", field->name,
                         metric->name, field->exponent);
    if (field->exponent == 0)
        return say_usage(verb, "--where: field '%s' of %s takes whole numbers of 64 bits",
                         field->name, metric->name);
    return say_usage(verb, "--where: field '%s' of %s takes numbers with at most %d decimal%s",
                     field->name, metric->name, -field->exponent, field->exponent == -1 ? "" : "s");
}

static int condition_add(struct where *out, const struct verb *verb, const char *text,
                         const holter_metric *metric)
{
    struct condition condition;
    if (!condition_read(&condition, text))
        return say_usage(verb,
                         "--where takes a condition such as 'value>=120': a field, one of = < "
                         "<= > >=, a value");
    size_t f = field_find(metric, condition.field, condition.field_bytes);
    if (f == metric->field_count && condition.field_bytes == 0)
        return say_usage(verb, "--where: metric '%s' has several fields: name one", metric->name);
    if (f == metric->field_count) {
        say("--where: metric '%s' has no field of that name", metric->name);
        return TOOL_NOT_FOUND;
    }
    const holter_field *field = &metric->fields[f];
    if (field->type == HOLTER_TEXT)
        return say_usage(verb, "--where: field '%s' of %s is a text, which no condition fits",
                         field->name, metric->name);
    if (field->type == HOLTER_ENUM && condition.relation != EQUAL)
        return say_usage(verb, "--where: field '%s' of %s is an enum, which only = fits",
                         field->name, metric->name);
    holter_value value;
    holter_error err = { 0 };
    if (holter_value_parse(&value, metric, f, condition.value, condition.value_bytes, 0, &err) !=
        HOLTER_OK)
        return value_refuse(verb, metric, field, &err);
    size_t at = 0;
    while (at < out->count && out->filters[at].field != f)
        at++;
    if (at == out->count)
        out->filters[out->count++] = filter_of_all(f, field->type);
    holter_filter *filter = &out->filters[at];
    if (out->is_nothing)
        return TOOL_OK;
    bool is_left = field->type == HOLTER_FLOAT
                       ? narrow_real(filter, condition.relation, value.real)
                       : narrow_whole(filter, condition.relation, value.integer);
    out->is_nothing = !is_left;
    return TOOL_OK;
}

int where_read(struct where *out, const struct verb *verb, const struct option_list *texts,
               const holter_metric *metric)
{
    int code = TOOL_OK;
    *out = (struct where){ 0 };
    for (size_t i = 0; code == TOOL_OK && i < texts->count; i++)
        code = condition_add(out, verb, texts->items[i], metric);
    return code;
}
