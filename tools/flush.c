/*
 * flush.c -- holter flush: write what the logs hold into segments.
 */
#include "tool.h"

#include <stdlib.h>

static int run(int count, char **arguments);

const struct verb verb_flush = {
    .name = "flush",
    .summary = "write what the logs hold into segments",
    .help = "usage: holter flush STORE [--keyring FILE] [--json]\n"
            "\n"
            "Writes the rows that only the logs hold into segments, and lets go of these logs.\n"
            "The store does so by itself as logs grow; this does it at once.\n"
            "\n"
            "example:\n"
            "  holter flush /srv/wear\n",
    .run = run,
};

static int run(int count, char **arguments)
{
    const char *keyring = NULL;
    bool json = false;
    const struct option options[] = {
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &json },
    };
    int plain;
    int code = args_parse(&verb_flush, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_flush, "flush takes one STORE, found %d", plain);

    holter_store *store;
    code = store_open(&store, arguments[0], keyring, false);
    if (code != TOOL_OK)
        return code;
    holter_error err = { 0 };
    uint64_t rows = 0;
    if (holter_flush(store, &rows, &err) != HOLTER_OK)
        code = say_error(&err);
    else
        out_format(json ? "{\"rows\": %llu}\n" : "%llu rows flushed\n", (unsigned long long)rows);
    holter_close(store);
    return code;
}
