/*
 * tail.c -- holter tail: what is committed, as it is committed.
 *
 * T1  A token is printed once all that it stands for was printed, so that who stops anywhere goes on
 *     from the last token that he read, and misses nothing.
 */
#include "tool.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rows.h"

enum {
    POLL_MS = 200,
    TOKEN_ROWS = 20000, /* so many rows are told again, at most, after a stop while catching up */
};

static int run(int count, char **arguments);

const struct verb verb_tail = {
    .name = "tail",
    .summary = "print what is committed, as it is committed",
    .help =
        "usage: holter tail STORE [--follow] [--since TOKEN|now] [--rescan] [--user U] [--metric "
        "M]\n"
        "                   [--json] [--tz ZONE] [--numbers] [--keyring FILE]\n"
        "\n"
        "Prints changes, a line each: rows (upsert), deletions and replaced ranges (delete), "
        "users\n"
        "added and removed; those of a user in the order of their commits. After each batch it\n"
        "prints a token: with --since it goes on from there, and tells nothing less, perhaps a "
        "few\n"
        "changes again. Writes nothing to the store, and keeps no writer waiting.\n"
        "\n"
        "  --follow        wait for more, until a signal comes or nobody reads\n"
        "  --since TOKEN   begin after a token of before; 'now': with what is committed from now\n"
        "                  on; else with the oldest change that is kept\n"
        "  --rescan        begin with all that the store holds, as if it were committed now\n"
        "  --user U        changes of one user: an id; '#' and a number; @FILE, or - for stdin\n"
        "  --metric M      rows of one metric, and deletions that concern it\n"
        "  --json          an object a line; a token is {\"token\": \"...\"}\n"
        "  --tz ZONE       times in this zone instead of UTC\n"
        "  --numbers       print the numbers that stand for users, not their ids\n"
        "\n"
        "Changes are kept until they are flushed, or as long as 'holter feed' says.\n"
        "Where a token is older, tail ends with code 6: drop the copy, and begin anew with "
        "--rescan.\n"
        "\n"
        "examples:\n"
        "  holter tail /srv/wear --follow\n"
        "  holter tail /srv/wear --follow --json --since \"$(cat token)\"\n"
        "  holter tail /srv/wear --rescan --json --metric heart_rate\n",
    .run = run,
};

struct tail {
    struct output output;
    bool follow, rescan;
    const char *since;
    uint64_t user;
    uint32_t metric;
    holter_feed *feed;
    struct person person;
    char *token;         /* the last one that was printed */
    uint64_t rows_since; /* .. and the rows since it */
};

/* ---- a line ---------------------------------------------------------------------------------- */

static void print_token(struct tail *tail, const char *token)
{
    char *copy = strdup(token);
    if (tail->token != NULL && strcmp(tail->token, token) == 0 && tail->rows_since == 0) {
        free(copy);
        return;
    }
    free(tail->token);
    tail->token = copy;
    tail->rows_since = 0;
    if (tail->output.json)
        out_format("{\"token\": \"");
    else
        out_text("token,");
    out_text(token);
    out_text(tail->output.json ? "\"}\n" : "\n");
}

static void begin_line(const struct tail *tail, const char *kind)
{
    if (tail->output.json)
        out_format("{\"change\": \"%s\", ", kind);
    else
        out_format("%s,", kind);
}

static void end_line(const struct tail *tail)
{
    out_text(tail->output.json ? "}\n" : "\n");
}

static void print_user(const struct tail *tail, uint64_t user, const char *kind, const char *id,
                       size_t id_bytes)
{
    char number[USER_NUMBER_BYTES_MAX];
    size_t bytes = user_number_format(number, user);
    begin_line(tail, kind);
    if (tail->output.json) {
        out_format("\"number\": \"%.*s\"", (int)bytes, number);
        if (id != NULL) {
            out_text(", \"user\": ");
            out_json(id, id_bytes);
        }
    } else {
        out_bytes(number, bytes);
        out_bytes(",", 1);
        if (id != NULL)
            out_csv(id, id_bytes);
    }
    end_line(tail);
}

static void print_bound(const struct tail *tail, const char *name, int64_t time_ns)
{
    char text[TIME_TEXT_BYTES_MAX];
    bool is_open = time_ns == HOLTER_TIME_MIN || time_ns == HOLTER_TIME_MAX;
    size_t bytes = is_open ? 0 : time_write(text, time_ns, tail->output.told);
    if (!tail->output.json) {
        out_bytes(",", 1);
        out_bytes(text, bytes);
    } else if (is_open) {
        out_format(", \"%s\": null", name);
    } else {
        out_format(", \"%s\": \"%.*s\"", name, (int)bytes, text);
    }
}

static void print_deletion(const struct tail *tail, const holter_deletion *deletion)
{
    const char *source = deletion->source != 0 ? tail->person.source_name : NULL;
    begin_line(tail, "delete");
    if (tail->output.json) {
        out_text("\"user\": ");
        out_json(tail->person.text, tail->person.text_bytes);
        if (deletion->metric != 0)
            out_format(", \"metric\": \"%s\"", tail->output.metric.name);
        else
            out_text(", \"metric\": null");
        out_text(", \"source\": ");
        if (source != NULL)
            out_json(source, strlen(source));
        else
            out_text("null");
    } else {
        out_csv(tail->person.text, tail->person.text_bytes);
        out_format(",%s,", deletion->metric != 0 ? tail->output.metric.name : "");
        if (source != NULL)
            out_csv(source, strlen(source));
    }
    print_bound(tail, "from", deletion->begin_ns);
    print_bound(tail, "to", deletion->end_ns);
    out_format(tail->output.json ? ", \"revision\": %lld" : ",%lld", (long long)deletion->revision);
    end_line(tail);
}

static void print_rows(struct tail *tail, const holter_columns *rows)
{
    for (size_t i = 0; i < rows->count && !out_failed(); i++) {
        begin_line(tail, "upsert");
        row_members_print(&tail->output, &tail->person, rows, i);
        out_format(tail->output.json ? ", \"revision\": %lld" : ",%lld",
                   (long long)rows->revision[i]);
        end_line(tail);
    }
    tail->rows_since += rows->count;
}

/* ---- whose it is ----------------------------------------------------------------------------- */

/*
 * *is_gone: the user was erased by now, so nothing of him is printed any more. source 0: none is
 * needed.
 */
static int find_names(struct tail *tail, uint64_t user, uint32_t metric, uint32_t source,
                      bool *is_gone)
{
    holter_error err = { 0 };
    holter_status status = HOLTER_OK;
    struct person *person = &tail->person;
    *is_gone = false;
    if (person->number != user) {
        *person = (struct person){ .number = user };
        if (tail->output.numbers)
            person->text_bytes = user_number_format(person->text, user);
        else
            status =
                holter_user_id(tail->output.store, user, person->text, &person->text_bytes, &err);
    }
    if (status == HOLTER_OK && source != 0 && person->source != source) {
        holter_source *found;
        status = holter_source_read(tail->output.store, user, source, &found, &err);
        if (status == HOLTER_OK) {
            snprintf(person->source_name, sizeof person->source_name, "%s", found->name);
            person->source = source;
            holter_source_free(found);
        }
    }
    if (status == HOLTER_OK && metric != 0)
        status = holter_metric_by_number(tail->output.store, metric, &tail->output.metric, &err);
    if (status == HOLTER_OK)
        return TOOL_OK;
    person->number = 0;
    *is_gone = status == HOLTER_EXPIRED;
    return *is_gone ? TOOL_OK : say_error(&err);
}

static int print_change(struct tail *tail, const holter_change *change)
{
    bool is_gone = false;
    int code = TOOL_OK;
    switch (change->kind) {
    case HOLTER_UPSERT:
        code = find_names(tail, change->user, change->rows.metric, change->rows.source, &is_gone);
        if (code == TOOL_OK && !is_gone)
            print_rows(tail, &change->rows);
        return code;
    case HOLTER_DELETE:
        code = find_names(tail, change->user, change->deletion.metric, change->deletion.source,
                          &is_gone);
        if (code == TOOL_OK && !is_gone)
            print_deletion(tail, &change->deletion);
        break;
    case HOLTER_USER_ADDED:
        code = find_names(tail, change->user, 0, 0, &is_gone);
        if (code == TOOL_OK && !is_gone)
            print_user(tail, change->user, "user_added", tail->person.text,
                       tail->person.text_bytes);
        break;
    case HOLTER_USER_REMOVED:
        print_user(tail, change->user, "user_removed", NULL, 0);
        break;
    }
    tail->rows_since++;
    return code;
}

/* ---- all that there is ----------------------------------------------------------------------- */

static int rescan_user(struct tail *tail, holter_snapshot *snapshot, uint64_t user)
{
    holter_error err = { 0 };
    holter_deletion *deletions = NULL;
    size_t count = 0;
    holter_cursor *cursor = NULL;
    const holter_scan_spec spec = { .user = user, .metric = tail->metric };
    holter_change change = { .kind = HOLTER_USER_ADDED, .user = user };
    int code = print_change(tail, &change);
    holter_status status = holter_deletions(&deletions, &count, snapshot, user, &err);
    if (status == HOLTER_OK)
        status = holter_scan(&cursor, snapshot, &spec, &err);
    change.kind = HOLTER_DELETE;
    for (size_t i = 0; status == HOLTER_OK && code == TOOL_OK && i < count; i++) {
        change.deletion = deletions[i];
        if (tail->metric == 0 || deletions[i].metric == 0 || deletions[i].metric == tail->metric)
            code = print_change(tail, &change);
    }
    change.kind = HOLTER_UPSERT;
    while (status == HOLTER_OK && code == TOOL_OK && !out_failed() && signal_noted() == 0) {
        status = holter_cursor_next(cursor, &change.rows, &err);
        if (status == HOLTER_OK)
            code = print_change(tail, &change);
    }
    holter_deletions_free(deletions);
    holter_cursor_close(cursor);
    if (code == TOOL_OK && status != HOLTER_OK && status != HOLTER_DONE && status != HOLTER_EXPIRED)
        code = say_error(&err);
    return code;
}

static int rescan(struct tail *tail, holter_snapshot *snapshot)
{
    holter_error err = { 0 };
    const char *token;
    struct user_list users = { 0 };
    int code = TOOL_OK;
    if (tail->user != 0)
        code = rescan_user(tail, snapshot, tail->user);
    else
        code = user_list_all(&users, tail->output.store);
    for (size_t i = 0; code == TOOL_OK && i < users.count && !out_failed() && signal_noted() == 0;
         i++)
        code = rescan_user(tail, snapshot, users.numbers[i]);
    user_list_release(&users);
    if (code != TOOL_OK || out_failed() || signal_noted() != 0)
        return code;
    if (holter_snapshot_token(snapshot, &token, &err) != HOLTER_OK)
        return say_error(&err);
    print_token(tail, token);
    return TOOL_OK;
}

/* ---- changes --------------------------------------------------------------------------------- */

static int say_feed_error(const holter_error *err)
{
    if (err->status != HOLTER_EXPIRED)
        return say_error(err);
    say("%s: drop the copy, and begin anew with 'holter tail STORE --rescan'", err->message);
    return TOOL_EXPIRED;
}

static int show_token(struct tail *tail)
{
    holter_error err = { 0 };
    const char *token;
    if (holter_feed_token(tail->feed, &token, &err) != HOLTER_OK)
        return say_error(&err);
    print_token(tail, token);
    return TOOL_OK;
}

/* Until there is more to be had, or nobody is there to read it. */
static void wait_for_more(void)
{
    struct pollfd output = { .fd = STDOUT_FILENO };
    if (poll(&output, 1, POLL_MS) > 0 && (output.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        out_give_up();
}

static int show_changes(struct tail *tail)
{
    holter_error err = { 0 };
    holter_change change;
    int code = TOOL_OK;
    while (code == TOOL_OK && !out_failed() && signal_noted() == 0) {
        holter_status status = holter_feed_next(tail->feed, &change, &err);
        if (status == HOLTER_OK) {
            code = print_change(tail, &change);
            if (code == TOOL_OK && tail->rows_since >= TOKEN_ROWS)
                code = show_token(tail);
            continue;
        }
        if (status != HOLTER_DONE)
            code = say_feed_error(&err);
        if (code == TOOL_OK)
            code = show_token(tail);
        if (!tail->follow || code != TOOL_OK)
            break;
        out_flush();
        wait_for_more();
    }
    if (code == TOOL_OK && signal_noted() != 0)
        code = show_token(tail);
    return code == TOOL_OK && signal_noted() != 0 ? 128 + signal_noted() : code;
}

static int find_asked(struct tail *tail, const char *user, const char *metric)
{
    int code = TOOL_OK;
    if (metric != NULL)
        code = metric_find(tail->output.store, metric, &tail->output.metric);
    if (code == TOOL_OK && metric != NULL)
        tail->metric = tail->output.metric.number;
    if (code != TOOL_OK || user == NULL)
        return code;
    struct user_list users = { 0 };
    code = user_list_find(&users, &verb_tail, tail->output.store, user);
    if (code == TOOL_OK && users.count != 1)
        code = say_usage(&verb_tail, "--user takes one user, found %zu", users.count);
    if (code == TOOL_OK)
        tail->user = users.numbers[0];
    user_list_release(&users);
    return code;
}

static int tail_run(struct tail *tail)
{
    holter_error err = { 0 };
    holter_snapshot *snapshot = NULL;
    int code = TOOL_OK;
    if (tail->rescan) {
        if (holter_snapshot_open(&snapshot, tail->output.store, &err) != HOLTER_OK)
            return say_error(&err);
        code = rescan(tail, snapshot);
        if (code == TOOL_OK && signal_noted() != 0)
            code = 128 + signal_noted();
    }
    bool is_over = tail->rescan && (!tail->follow || code != TOOL_OK || out_failed());
    if (!is_over) {
        bool is_now = tail->since != NULL && strcmp(tail->since, "now") == 0;
        const holter_feed_options options = {
            .token = tail->rescan ? tail->token
                     : is_now     ? NULL
                                  : tail->since,
            .from_now = is_now,
            .user = tail->user,
            .metric = tail->metric,
        };
        /* Before the snapshot goes: what it keeps is what comes after it. */
        if (holter_feed_open(&tail->feed, tail->output.store, &options, &err) != HOLTER_OK)
            code = say_feed_error(&err);
    }
    holter_snapshot_close(snapshot);
    if (!is_over && code == TOOL_OK)
        code = show_changes(tail);
    holter_feed_close(tail->feed);
    return code;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL, *user = NULL, *metric = NULL, *zone = NULL;
    struct tail tail = { 0 };
    const struct option options[] = {
        { "--follow", OPTION_FLAG, &tail.follow },
        { "--since", OPTION_TEXT, &tail.since },
        { "--rescan", OPTION_FLAG, &tail.rescan },
        { "--user", OPTION_TEXT, &user },
        { "--metric", OPTION_TEXT, &metric },
        { "--json", OPTION_FLAG, &tail.output.json },
        { "--tz", OPTION_TEXT, &zone },
        { "--numbers", OPTION_FLAG, &tail.output.numbers },
        { "--keyring", OPTION_TEXT, &keyring },
    };
    int plain;
    int code = args_parse(&verb_tail, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_tail, "tail takes one STORE, found %d", plain);
    if (tail.rescan && tail.since != NULL)
        return say_usage(&verb_tail,
                         "--rescan begins anew, and --since does not: give one of them");
    code = output_zone_find(&tail.output, &verb_tail, zone);
    if (code == TOOL_OK)
        code = store_open(&tail.output.store, arguments[0], keyring, true);
    if (code == TOOL_OK)
        code = find_asked(&tail, user, metric);
    if (code == TOOL_OK) {
        signals_note();
        code = tail_run(&tail);
    }
    holter_close(tail.output.store);
    time_zone_close(&tail.output.zone);
    free(tail.token);
    return code;
}
