/*
 * query.c -- holter query: a metric's rows of some users, as CSV or JSON.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flags.h"
#include "times.h"
#include "zones.h"

enum { VALUE_BYTES = 1024 };

static int run(int count, char **arguments);

const struct verb verb_query = {
    .name = "query",
    .summary = "print a metric's rows as CSV or JSON",
    .help = "usage: holter query STORE --user U --metric M [--source S] [--from T] [--to T] "
            "[--tz ZONE]\n"
            "                    [--format csv|json] [--numbers] [--keyring FILE]\n"
            "\n"
            "Prints rows, user by user and source by source, rising by time. Writes nothing to the "
            "store.\n"
            "\n"
            "  --user U      an id; '#' and a number; @FILE with one of these a line; - for such "
            "lines on stdin\n"
            "                (other users of this machine see arguments: prefer @FILE or -)\n"
            "  --metric M    by name, such as heart_rate\n"
            "  --source S    rows of this source only\n"
            "  --from T      rows that begin at T or later: RFC 3339, or a date (its first "
            "moment)\n"
            "  --to T        rows that begin before T\n"
            "  --tz ZONE     UTC (default), an offset such as +05:30, or a name such as "
            "America/New_York: times are\n"
            "                printed in it, and --from and --to without an offset are of it\n"
            "  --format F    csv (with a header) or json (an object a line)\n"
            "  --numbers     print the numbers that stand for users, not their ids\n"
            "\n"
            "examples:\n"
            "  holter query /srv/wear --user @ids.txt --metric steps --from 2016-04-12 --to "
            "2016-04-13\n"
            "  holter query /srv/wear --user - --metric heart_rate --format json < ids.txt\n",
    .run = run,
};

/* One query. */
struct query {
    holter_store *store;
    holter_snapshot *snapshot;
    holter_metric metric;
    const char *source_name;
    int64_t from_ns, to_ns;
    bool json;
    bool numbers;
    struct time_zone zone;
    struct time_zone *told; /* the zone, where --tz tells one; NULL is UTC */
};

/* A user's id, and the name of the source that rows came from last. */
struct person {
    uint64_t number;
    char text[HOLTER_USER_ID_BYTES_MAX + 1];
    size_t text_bytes;
    uint32_t source;
    char source_name[HOLTER_SOURCE_NAME_BYTES_MAX + 1];
};

static void print_header(const struct query *query)
{
    out_text("user,metric,source,time,duration");
    for (size_t f = 0; f < query->metric.field_count; f++)
        out_format(",%s", query->metric.fields[f].name);
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

static void print_value(const struct query *query, const holter_columns *columns, size_t field,
                        size_t row)
{
    holter_value value = value_at(columns, field, row);
    holter_type type = columns->types[field];
    char small[VALUE_BYTES];
    const char *text = small;
    size_t bytes;
    if (type == HOLTER_TEXT) {
        text = value.text.bytes;
        bytes = value.text.count;
    } else {
        bytes = holter_value_format(small, sizeof small, &query->metric, field, value);
        if (bytes >= sizeof small)
            bytes = sizeof small - 1;
    }
    if (!query->json)
        out_csv(text, bytes);
    else if ((type == HOLTER_INT || type == HOLTER_FLOAT) && is_json_number(text, bytes))
        out_bytes(text, bytes);
    else
        out_json(text, bytes);
}

static void print_csv_row(const struct query *query, const struct person *person,
                          const holter_columns *columns, size_t row)
{
    char text[TIME_TEXT_BYTES_MAX > DURATION_TEXT_BYTES_MAX ? TIME_TEXT_BYTES_MAX
                                                            : DURATION_TEXT_BYTES_MAX];
    char flags[FLAGS_TEXT_BYTES_MAX];

    out_csv(person->text, person->text_bytes);
    out_bytes(",", 1);
    out_text(query->metric.name);
    out_bytes(",", 1);
    out_csv(person->source_name, strlen(person->source_name));
    out_bytes(",", 1);
    out_bytes(text, time_write(text, columns->time_ns[row], query->told));
    out_bytes(",", 1);
    if (columns->duration_ns != NULL)
        out_bytes(text, duration_write(text, columns->duration_ns[row]));
    for (size_t f = 0; f < columns->field_count; f++) {
        out_bytes(",", 1);
        print_value(query, columns, f, row);
    }
    out_bytes(",", 1);
    out_bytes(flags, flags_write(flags, columns->flags[row], "|"));
    out_bytes("\n", 1);
}

static void print_json_row(const struct query *query, const struct person *person,
                           const holter_columns *columns, size_t row)
{
    char text[TIME_TEXT_BYTES_MAX > DURATION_TEXT_BYTES_MAX ? TIME_TEXT_BYTES_MAX
                                                            : DURATION_TEXT_BYTES_MAX];
    char flags[FLAGS_TEXT_BYTES_MAX];

    out_text("{\"user\": ");
    out_json(person->text, person->text_bytes);
    out_format(", \"metric\": \"%s\", \"source\": ", query->metric.name);
    out_json(person->source_name, strlen(person->source_name));
    out_text(", \"time\": \"");
    out_bytes(text, time_write(text, columns->time_ns[row], query->told));
    out_bytes("\"", 1);
    if (columns->duration_ns != NULL) {
        out_text(", \"duration\": ");
        out_bytes(text, duration_write(text, columns->duration_ns[row]));
    }
    out_text(", \"fields\": {");
    for (size_t f = 0; f < columns->field_count; f++) {
        out_format("%s\"%s\": ", f == 0 ? "" : ", ", query->metric.fields[f].name);
        print_value(query, columns, f, row);
    }
    out_text("}, \"flags\": [");
    if (columns->flags[row] != 0) {
        out_bytes("\"", 1);
        out_bytes(flags, flags_write(flags, columns->flags[row], "\", \""));
        out_bytes("\"", 1);
    }
    out_text("]}\n");
}

static int source_name_need(const struct query *query, struct person *person, uint32_t source)
{
    if (person->source == source)
        return TOOL_OK;
    holter_error err = { 0 };
    holter_source *found;
    if (holter_source_read(query->store, person->number, source, &found, &err) != HOLTER_OK)
        return say_error(&err);
    snprintf(person->source_name, sizeof person->source_name, "%s", found->name);
    person->source = source;
    holter_source_free(found);
    return TOOL_OK;
}

static int person_read(const struct query *query, struct person *out, uint64_t user)
{
    *out = (struct person){ .number = user };
    if (query->numbers) {
        out->text_bytes = user_number_format(out->text, user);
        return TOOL_OK;
    }
    holter_error err = { 0 };
    holter_status status = holter_user_id(query->store, user, out->text, &out->text_bytes, &err);
    return status == HOLTER_OK ? TOOL_OK : say_error(&err);
}

/* *source 0: the user has no source of that name, so no rows of it either. */
static int source_find(const struct query *query, uint64_t user, uint32_t *source)
{
    *source = 0;
    holter_error err = { 0 };
    holter_status status = holter_source_find(query->store, user, query->source_name, source, &err);
    return status == HOLTER_OK || status == HOLTER_NOT_FOUND ? TOOL_OK : say_error(&err);
}

/* That nobody has the source is told before anything is printed. */
static int source_check(const struct query *query, const struct user_list *users)
{
    if (query->source_name == NULL)
        return TOOL_OK;
    for (size_t i = 0; i < users->count; i++) {
        uint32_t source;
        int code = source_find(query, users->numbers[i], &source);
        if (code != TOOL_OK || source != 0)
            return code;
    }
    say("--source: %s no source of that name",
        users->count == 1 ? "the user has" : "these users have");
    return TOOL_NOT_FOUND;
}

static int print_user(const struct query *query, uint64_t user)
{
    struct person person;
    int code = person_read(query, &person, user);
    if (code != TOOL_OK)
        return code;
    uint32_t source = 0;
    if (query->source_name != NULL) {
        code = source_find(query, user, &source);
        if (code != TOOL_OK || source == 0)
            return code;
    }
    if (query->from_ns == query->to_ns)
        return TOOL_OK; /* to the library, both ends 0 would be all time */

    holter_error err = { 0 };
    holter_scan_spec spec = {
        .user = user,
        .metric = query->metric.number,
        .source = source,
        .from_ns = query->from_ns,
        .to_ns = query->to_ns,
    };
    holter_cursor *cursor;
    if (holter_scan(&cursor, query->snapshot, &spec, &err) != HOLTER_OK)
        return say_error(&err);
    holter_columns columns;
    holter_status status = HOLTER_OK;
    while (code == TOOL_OK && !out_failed() &&
           (status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK) {
        code = source_name_need(query, &person, columns.source);
        for (size_t row = 0; code == TOOL_OK && row < columns.count; row++) {
            if (query->json)
                print_json_row(query, &person, &columns, row);
            else
                print_csv_row(query, &person, &columns, row);
        }
    }
    if (status != HOLTER_OK && status != HOLTER_DONE)
        code = say_error(&err);
    holter_cursor_close(cursor);
    return code;
}

static int query_run(struct query *query, const char *metric, const char *user)
{
    holter_error err = { 0 };
    struct user_list users = { 0 };
    int code = metric_find(query->store, metric, &query->metric);
    if (code == TOOL_OK)
        code = user_list_find(&users, &verb_query, query->store, user);
    if (code == TOOL_OK && holter_snapshot_open(&query->snapshot, query->store, &err) != HOLTER_OK)
        code = say_error(&err);
    if (code == TOOL_OK)
        code = source_check(query, &users);
    if (code == TOOL_OK && !query->json)
        print_header(query);
    for (size_t i = 0; code == TOOL_OK && i < users.count && !out_failed(); i++)
        code = print_user(query, users.numbers[i]);
    holter_snapshot_close(query->snapshot);
    user_list_release(&users);
    return code;
}

static int bound_read(int64_t *out_ns, const char *option, const char *text, struct time_zone *zone)
{
    switch (text == NULL ? TIME_OK : time_read_bound(out_ns, text, zone)) {
    case TIME_OK:
        return TOOL_OK;
    case TIME_OUT_OF_RANGE:
        return say_usage(&verb_query, "%s: found a time outside 1677-09-21 to 2262-04-11", option);
    case TIME_TOO_FINE:
        return say_usage(&verb_query, "%s: found more than nine digits of a second", option);
    case TIME_MALFORMED:
        break;
    }
    return say_usage(&verb_query, "%s takes RFC 3339, such as 2016-04-12T07:21:00Z, or a date",
                     option);
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL, *user = NULL, *metric = NULL, *from = NULL, *to = NULL,
               *format = NULL, *zone = NULL;
    struct query query = { .from_ns = HOLTER_TIME_MIN, .to_ns = HOLTER_TIME_MAX };
    const struct option options[] = {
        { "--user", OPTION_TEXT, &user },
        { "--metric", OPTION_TEXT, &metric },
        { "--source", OPTION_TEXT, &query.source_name },
        { "--from", OPTION_TEXT, &from },
        { "--to", OPTION_TEXT, &to },
        { "--tz", OPTION_TEXT, &zone },
        { "--format", OPTION_TEXT, &format },
        { "--numbers", OPTION_FLAG, &query.numbers },
        { "--keyring", OPTION_TEXT, &keyring },
    };
    int plain;
    int code = args_parse(&verb_query, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_query, "query takes one STORE, found %d", plain);
    if (user == NULL || metric == NULL)
        return say_usage(&verb_query, "query needs --user and --metric");
    if (format != NULL && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
        return say_usage(&verb_query, "--format takes csv or json");
    query.json = format != NULL && strcmp(format, "json") == 0;
    if (zone != NULL) {
        code = zone_find(&query.zone, &verb_query, zone);
        query.told = &query.zone;
    } else {
        code = TOOL_OK;
    }
    if (code == TOOL_OK)
        code = bound_read(&query.from_ns, "--from", from, query.told);
    if (code == TOOL_OK)
        code = bound_read(&query.to_ns, "--to", to, query.told);
    if (code == TOOL_OK && query.from_ns > query.to_ns)
        code = say_usage(&verb_query, "--from is later than --to");
    if (code == TOOL_OK)
        code = store_open(&query.store, arguments[0], keyring, true);
    if (code == TOOL_OK)
        code = query_run(&query, metric, user);
    holter_close(query.store);
    time_zone_close(&query.zone);
    return code;
}
