/*
 * query.c -- holter query: a metric's rows of some users, as CSV or JSON.
 */
#include "tool.h"

#include <string.h>

#include "rows.h"
#include "zones.h"

static int run(int count, char **arguments);

const struct verb verb_query = {
    .name = "query",
    .summary = "print a metric's rows as CSV or JSON",
    .help = "usage: holter query STORE --user U --metric M [--source S] [--from T] [--to T] "
            "[--tz ZONE]\n"
            "                    [--where COND] [--format csv|json] [--numbers] [--keyring FILE]\n"
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
            "  --where COND  rows whose value meets it, such as 'value>=120' or =deep (again "
            "for more, which all hold)\n"
            "  --format F    csv (with a header) or json (an object a line)\n"
            "  --numbers     print the numbers that stand for users, not their ids\n"
            "\n"
            "examples:\n"
            "  holter query /srv/wear --user @ids.txt --metric steps --from 2016-04-12 --to "
            "2016-04-13\n"
            "  holter query /srv/wear --user - --metric heart_rate --where '>=180' --format json < "
            "ids.txt\n",
    .run = run,
};

static int print_user(const struct output *query, uint64_t user)
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
    if (query->from_ns == query->to_ns || query->where.is_nothing)
        return TOOL_OK; /* to the library, both ends 0 would be all time */

    holter_error err = { 0 };
    holter_scan_spec spec = {
        .user = user,
        .metric = query->metric.number,
        .source = source,
        .from_ns = query->from_ns,
        .to_ns = query->to_ns,
        .filters = query->where.filters,
        .filter_count = query->where.count,
    };
    holter_cursor *cursor;
    if (holter_scan(&cursor, query->snapshot, &spec, &err) != HOLTER_OK)
        return say_error(&err);
    holter_columns columns;
    holter_status status = HOLTER_OK;
    while (code == TOOL_OK && !out_failed() &&
           (status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK) {
        code = source_name_need(query, &person, columns.source);
        for (size_t row = 0; code == TOOL_OK && row < columns.count; row++)
            row_print(query, &person, &columns, row);
    }
    if (status != HOLTER_OK && status != HOLTER_DONE)
        code = say_error(&err);
    holter_cursor_close(cursor);
    return code;
}

static int query_run(struct output *query, const char *metric, const char *user,
                     const struct option_list *where)
{
    holter_error err = { 0 };
    struct user_list users = { 0 };
    int code = metric_find(query->store, metric, &query->metric);
    if (code == TOOL_OK)
        code = where_read(&query->where, &verb_query, where, &query->metric);
    if (code == TOOL_OK)
        code = user_list_find(&users, &verb_query, query->store, user);
    if (code == TOOL_OK && holter_snapshot_open(&query->snapshot, query->store, &err) != HOLTER_OK)
        code = say_error(&err);
    if (code == TOOL_OK)
        code = source_check(query, &users);
    if (code == TOOL_OK && !query->json)
        row_header_print(query);
    for (size_t i = 0; code == TOOL_OK && i < users.count && !out_failed(); i++)
        code = print_user(query, users.numbers[i]);
    holter_snapshot_close(query->snapshot);
    user_list_release(&users);
    return code;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL, *user = NULL, *metric = NULL, *from = NULL, *to = NULL,
               *format = NULL, *zone = NULL;
    struct option_list where = { 0 };
    struct output query = { .from_ns = HOLTER_TIME_MIN, .to_ns = HOLTER_TIME_MAX };
    const struct option options[] = {
        { "--user", OPTION_TEXT, &user },
        { "--metric", OPTION_TEXT, &metric },
        { "--source", OPTION_TEXT, &query.source_name },
        { "--from", OPTION_TEXT, &from },
        { "--to", OPTION_TEXT, &to },
        { "--tz", OPTION_TEXT, &zone },
        { "--where", OPTION_LIST, &where },
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
    code = output_zone_find(&query, &verb_query, zone);
    if (code == TOOL_OK)
        code = bound_read(&query.from_ns, &verb_query, "--from", from, query.told);
    if (code == TOOL_OK)
        code = bound_read(&query.to_ns, &verb_query, "--to", to, query.told);
    if (code == TOOL_OK && query.from_ns > query.to_ns)
        code = say_usage(&verb_query, "--from is later than --to");
    if (code == TOOL_OK)
        code = store_open(&query.store, arguments[0], keyring, true);
    if (code == TOOL_OK)
        code = query_run(&query, metric, user, &where);
    holter_close(query.store);
    time_zone_close(&query.zone);
    return code;
}
