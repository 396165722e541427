/*
 * verify.c -- holter verify: read and check every file, and with the keys every row.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

static int run(int count, char **arguments);

const struct verb verb_verify = {
    .name = "verify",
    .summary = "read and check every file and every row",
    .help = "usage: holter verify STORE [--keyring FILE] [--json]\n"
            "\n"
            "Reads and checks every file, and with the keys every row. Writes nothing; other "
            "processes go on, and come\n"
            "first (nice 10).\n"
            "Each finding is a sentence on stdout. Exit code 3 says that there are some.\n"
            "\n"
            "example:\n"
            "  holter verify /srv/wear && echo sound\n",
    .run = run,
};

struct report {
    bool json;
    size_t count;
};

static void report_finding(void *context, const char *sentence)
{
    struct report *report = context;
    if (report->json) {
        out_text(report->count == 0 ? "{\"findings\": [\n  " : ",\n  ");
        out_json(sentence, strlen(sentence));
    } else {
        out_text(sentence);
        out_text("\n");
    }
    report->count++;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL;
    struct report report = { 0 };
    const struct option options[] = {
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &report.json },
    };
    int plain;
    int code = args_parse(&verb_verify, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_verify, "verify takes one STORE, found %d", plain);

    holter_store *store;
    yield_to_others();
    code = store_open(&store, arguments[0], keyring, true);
    if (code != TOOL_OK)
        return code;
    holter_error err = { 0 };
    size_t damaged = 0;
    holter_status status = holter_verify(store, report_finding, &report, &damaged, &err);
    if (report.json)
        out_format("%s], \"damaged\": %zu}\n", report.count == 0 ? "{\"findings\": [" : "\n",
                   damaged);
    if (status == HOLTER_OK) {
        if (!report.json)
            out_text("no damage found\n");
    } else {
        code = say_error(&err);
    }
    holter_close(store);
    return code;
}
