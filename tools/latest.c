/*
 * latest.c -- holter latest: the newest sample of each metric.
 */
#include "rows.h"

#include <string.h>

static int run(int count, char **arguments);

const struct verb verb_latest = {
    .name = "latest",
    .summary = "print the newest sample of each metric",
    .help =
        "usage: holter latest STORE --user U|--all [--metric M] [--source S] [--json] [--numbers]\n"
        "                     [--keyring FILE]\n"
        "\n"
        "Prints the newest sample of a metric, or of each metric that a user has. Where times tie\n"
        "it is the one of the later source. Writes nothing to the store.\n"
        "\n"
        "  --user U      an id; '#' and a number; @FILE with one of these a line; - for such lines "
        "on stdin\n"
        "                (other users of this machine see arguments: prefer @FILE or -)\n"
        "  --all         every user\n"
        "  --metric M    by name, such as heart_rate; else every metric\n"
        "  --source S    samples of this source only\n"
        "  --json        an object a line; else CSV, with a header for each metric's columns\n"
        "  --numbers     print the numbers that stand for users, not their ids\n"
        "\n"
        "examples:\n"
        "  holter latest /srv/wear --user @ids.txt --metric weight\n"
        "  holter latest /srv/wear --all --json\n",
    .run = run,
};

/* The newest row of the metric at hand. *has_header: it was printed. */
static int print_latest(struct output *output, uint64_t user, bool *has_header)
{
    struct person person;
    uint32_t source = 0;
    int code = person_read(output, &person, user);
    if (code == TOOL_OK && output->source_name != NULL) {
        code = source_find(output, user, &source);
        if (source == 0)
            return code;
    }
    if (code != TOOL_OK)
        return code;
    holter_error err = { 0 };
    holter_cursor *cursor;
    holter_columns columns;
    if (holter_latest(&cursor, output->snapshot, user, output->metric.number, source, &err) !=
        HOLTER_OK)
        return say_error(&err);
    holter_status status = holter_cursor_next(cursor, &columns, &err);
    if (status == HOLTER_OK) {
        code = source_name_need(output, &person, columns.source);
        if (code == TOOL_OK && !output->json && !*has_header)
            row_header_print(output);
        *has_header = true;
        if (code == TOOL_OK)
            row_print(output, &person, &columns, 0);
    } else if (status != HOLTER_DONE) {
        code = say_error(&err);
    }
    holter_cursor_close(cursor);
    return code;
}

/* Metric by metric, so that rows of the same columns are together. */
static int print_metric(struct output *output, const struct user_list *users)
{
    bool has_header = false;
    int code = TOOL_OK;
    for (size_t i = 0; code == TOOL_OK && i < users->count && !out_failed(); i++)
        code = print_latest(output, users->numbers[i], &has_header);
    return code;
}

static int print_all(struct output *output, const char *metric, const struct user_list *users)
{
    holter_error err = { 0 };
    int code = TOOL_OK;
    if (metric != NULL)
        return print_metric(output, users);
    size_t count = holter_metric_count(output->store);
    for (size_t i = 0; code == TOOL_OK && i < count && !out_failed(); i++) {
        if (holter_metric_at(output->store, i, &output->metric, &err) != HOLTER_OK)
            return say_error(&err);
        code = print_metric(output, users);
    }
    return code;
}

static int latest_run(struct output *output, const char *metric, const char *user)
{
    holter_error err = { 0 };
    struct user_list users = { 0 };
    int code = metric == NULL ? TOOL_OK : metric_find(output->store, metric, &output->metric);
    if (code == TOOL_OK)
        code = user == NULL ? user_list_all(&users, output->store)
                            : user_list_find(&users, &verb_latest, output->store, user);
    if (code == TOOL_OK &&
        holter_snapshot_open(&output->snapshot, output->store, &err) != HOLTER_OK)
        code = say_error(&err);
    if (code == TOOL_OK)
        code = source_check(output, &users);
    if (code == TOOL_OK)
        code = print_all(output, metric, &users);
    holter_snapshot_close(output->snapshot);
    user_list_release(&users);
    return code;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL, *user = NULL, *metric = NULL;
    bool all = false;
    struct output output = { 0 };
    const struct option options[] = {
        { "--user", OPTION_TEXT, &user },        { "--all", OPTION_FLAG, &all },
        { "--metric", OPTION_TEXT, &metric },    { "--source", OPTION_TEXT, &output.source_name },
        { "--json", OPTION_FLAG, &output.json }, { "--numbers", OPTION_FLAG, &output.numbers },
        { "--keyring", OPTION_TEXT, &keyring },
    };
    int plain;
    int code = args_parse(&verb_latest, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_latest, "latest takes one STORE, found %d", plain);
    if ((user != NULL) == all)
        return say_usage(&verb_latest, "latest takes either --user or --all");
    code = store_open(&output.store, arguments[0], keyring, true);
    if (code != TOOL_OK)
        return code;
    code = latest_run(&output, metric, user);
    holter_close(output.store);
    return code;
}
