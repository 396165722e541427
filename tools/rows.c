/*
 * rows.c -- rows and what stands for their users and sources, as CSV or JSON.
 */
#include "rows.h"

#include <stdio.h>
#include <string.h>

#include "flags.h"
#include "zones.h"

enum { VALUE_BYTES = 1024 };

/* ---- users, sources, bounds ------------------------------------------------------------------ */

int source_name_need(const struct output *output, struct person *person, uint32_t source)
{
    if (person->source == source)
        return TOOL_OK;
    holter_error err = { 0 };
    holter_source *found;
    if (holter_source_read(output->store, person->number, source, &found, &err) != HOLTER_OK)
        return say_error(&err);
    snprintf(person->source_name, sizeof person->source_name, "%s", found->name);
    person->source = source;
    holter_source_free(found);
    return TOOL_OK;
}

int person_read(const struct output *output, struct person *out, uint64_t user)
{
    *out = (struct person){ .number = user };
    if (output->numbers) {
        out->text_bytes = user_number_format(out->text, user);
        return TOOL_OK;
    }
    holter_error err = { 0 };
    holter_status status = holter_user_id(output->store, user, out->text, &out->text_bytes, &err);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

int source_find(const struct output *output, uint64_t user, uint32_t *source)
{
    *source = 0;
    holter_error err = { 0 };
    holter_status status =
        holter_source_find(output->store, user, output->source_name, source, &err);
    return status == HOLTER_OK || status == HOLTER_NOT_FOUND ? TOOL_OK : say_error(&err);
}

int source_check(const struct output *output, const struct user_list *users)
{
    if (output->source_name == NULL)
        return TOOL_OK;
    for (size_t i = 0; i < users->count; i++) {
        uint32_t source;
        int code = source_find(output, users->numbers[i], &source);
        if (code != TOOL_OK || source != 0)
            return code;
    }
    say("--source: %s no source of that name",
        users->count == 1 ? "the user has" : "these users have");
    return TOOL_NOT_FOUND;
}

int output_zone_find(struct output *output, const struct verb *verb, const char *name)
{
    if (name == NULL)
        return TOOL_OK;
    output->told = &output->zone;
    return zone_find(&output->zone, verb, name);
}

int bound_read(int64_t *out_ns, const struct verb *verb, const char *option, const char *text,
               struct time_zone *zone)
{
    switch (text == NULL ? TIME_OK : time_read_bound(out_ns, text, zone)) {
    case TIME_OK:
        return TOOL_OK;
    case TIME_OUT_OF_RANGE:
        return say_usage(verb, "%s: found a time outside 1677-09-21 to 2262-04-11", option);
    case TIME_TOO_FINE:
        return say_usage(verb, "%s: found more than nine digits of a second", option);
    case TIME_MALFORMED:
        break;
    }
    return say_usage(verb, "%s takes RFC 3339, such as 2016-04-12T07:21:00Z, or a date", option);
}

/* ---- printing -------------------------------------------------------------------------------- */

void row_header_print(const struct output *output)
{
    out_text("user,metric,source,time,duration");
    for (size_t f = 0; f < output->metric.field_count; f++)
        out_format(",%s", output->metric.fields[f].name);
    out_text(",flags\n");
}

static holter_value value_at(const holter_columns *columns, size_t field, size_t row)
{
    holter_value value = { 0 };
    switch (columns->types[field]) {
    case HOLTER_INT:
    case HOLTER_ENUM:
        value.integer = columns->fields[field].integer[row];
        break;
    case HOLTER_FLOAT:
        value.real = columns->fields[field].real[row];
        break;
    case HOLTER_TEXT:
        value.text.bytes = columns->fields[field].text[row].bytes;
        value.text.count = columns->fields[field].text[row].count;
        break;
    }
    return value;
}

/* A number that JSON has no way to write is a string there. */
static bool is_json_number(const char *text, size_t bytes)
{
    return bytes > 0 && (text[bytes - 1] >= '0' && text[bytes - 1] <= '9');
}

void number_print(const struct output *output, const char *text, size_t bytes)
{
    if (!output->json || is_json_number(text, bytes))
        out_bytes(text, bytes);
    else
        out_json(text, bytes);
}

void value_print(const struct output *output, size_t field, holter_value value)
{
    holter_type type = output->metric.fields[field].type;
    char small[VALUE_BYTES];
    const char *text = small;
    size_t bytes;
    if (type == HOLTER_TEXT) {
        text = value.text.bytes;
        bytes = value.text.count;
    } else {
        bytes = holter_value_format(small, sizeof small, &output->metric, field, value);
        if (bytes >= sizeof small)
            bytes = sizeof small - 1;
    }
    if (!output->json)
        out_csv(text, bytes);
    else if (type == HOLTER_INT || type == HOLTER_FLOAT)
        number_print(output, text, bytes);
    else
        out_json(text, bytes);
}

static void print_csv_row(const struct output *output, const struct person *person,
                          const holter_columns *columns, size_t row)
{
    char text[TIME_TEXT_BYTES_MAX > DURATION_TEXT_BYTES_MAX ? TIME_TEXT_BYTES_MAX
                                                            : DURATION_TEXT_BYTES_MAX];
    char flags[FLAGS_TEXT_BYTES_MAX];

    out_csv(person->text, person->text_bytes);
    out_bytes(",", 1);
    out_text(output->metric.name);
    out_bytes(",", 1);
    out_csv(person->source_name, strlen(person->source_name));
    out_bytes(",", 1);
    out_bytes(text, time_write(text, columns->time_ns[row], output->told));
    out_bytes(",", 1);
    if (columns->duration_ns != NULL)
        out_bytes(text, duration_write(text, columns->duration_ns[row]));
    for (size_t f = 0; f < columns->field_count; f++) {
        out_bytes(",", 1);
        value_print(output, f, value_at(columns, f, row));
    }
    out_bytes(",", 1);
    out_bytes(flags, flags_write(flags, columns->flags[row], "|"));
}

static void print_json_row(const struct output *output, const struct person *person,
                           const holter_columns *columns, size_t row)
{
    char text[TIME_TEXT_BYTES_MAX > DURATION_TEXT_BYTES_MAX ? TIME_TEXT_BYTES_MAX
                                                            : DURATION_TEXT_BYTES_MAX];
    char flags[FLAGS_TEXT_BYTES_MAX];

    out_text("\"user\": ");
    out_json(person->text, person->text_bytes);
    out_format(", \"metric\": \"%s\", \"source\": ", output->metric.name);
    out_json(person->source_name, strlen(person->source_name));
    out_text(", \"time\": \"");
    out_bytes(text, time_write(text, columns->time_ns[row], output->told));
    out_bytes("\"", 1);
    if (columns->duration_ns != NULL) {
        out_text(", \"duration\": ");
        out_bytes(text, duration_write(text, columns->duration_ns[row]));
    }
    out_text(", \"fields\": {");
    for (size_t f = 0; f < columns->field_count; f++) {
        out_format("%s\"%s\": ", f == 0 ? "" : ", ", output->metric.fields[f].name);
        value_print(output, f, value_at(columns, f, row));
    }
    out_text("}, \"flags\": [");
    if (columns->flags[row] != 0) {
        out_bytes("\"", 1);
        out_bytes(flags, flags_write(flags, columns->flags[row], "\", \""));
        out_bytes("\"", 1);
    }
    out_text("]");
}

void row_members_print(const struct output *output, const struct person *person,
                       const holter_columns *columns, size_t row)
{
    if (output->json)
        print_json_row(output, person, columns, row);
    else
        print_csv_row(output, person, columns, row);
}

void row_print(const struct output *output, const struct person *person,
               const holter_columns *columns, size_t row)
{
    if (output->json)
        out_text("{");
    row_members_print(output, person, columns, row);
    out_text(output->json ? "}\n" : "\n");
}
