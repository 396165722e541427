/*
 * compact.c -- holter compact: merge segments and move them to the tier that they are due for.
 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(int count, char **arguments);

const struct verb verb_compact = {
    .name = "compact",
    .summary = "merge segments and move them to the tier they are due for",
    .help =
        "usage: holter compact STORE [--to hot|warm|cold] [--keyring FILE] [--json]\n"
        "\n"
        "Flushes, then merges segments, drops what was deleted or replaced, and moves old data "
        "to colder tiers.\n"
        "Reading and writing go on meanwhile, and come first (nice 10). Ctrl-C stops it after the "
        "job at hand; nothing is lost.\n"
        "\n"
        "  --to TIER  everything at once, whatever its age: hot only flushes, warm makes files "
        "of 7 days, cold\n"
        "             files of 28, which take the fewest bytes; what is cold stays cold. Without "
        "it, what is due:\n"
        "             warm 2 days after its 7 days are over, cold 90 days after its 28\n"
        "\n"
        "examples:\n"
        "  holter compact /srv/wear\n"
        "  holter compact /srv/wear --to cold\n",
    .run = run,
};

static int progress(void *context, uint64_t rows_done, uint64_t rows_all)
{
    const bool *is_shown = context;
    if (*is_shown)
        fprintf(stderr, "\r%llu of %llu rows\x1b[K", (unsigned long long)rows_done,
                (unsigned long long)rows_all);
    return signal_noted() == 0;
}

static bool tier_read(holter_tier *out, const char *name)
{
    static const char *const names[] = { "hot", "warm", "cold" };
    for (size_t i = 0; i < TOOL_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (holter_tier)(HOLTER_HOT + i);
            return true;
        }
    return false;
}

static int run(int count, char **arguments)
{
    const char *keyring = NULL;
    const char *to = NULL;
    bool json = false;
    const struct option options[] = {
        { "--to", OPTION_TEXT, &to },
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &json },
    };
    int plain;
    int code = args_parse(&verb_compact, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_compact, "compact takes one STORE, found %d", plain);
    bool is_shown = isatty(STDERR_FILENO) != 0;
    holter_compact_options compact = { .progress = progress, .context = &is_shown };
    if (to != NULL && !tier_read(&compact.to, to))
        return say_usage(&verb_compact, "--to takes hot, warm or cold");

    holter_store *store;
    yield_to_others();
    code = store_open(&store, arguments[0], keyring, false);
    if (code != TOOL_OK)
        return code;
    signals_note();

    holter_error err = { 0 };
    holter_compact_result result = { 0 };
    holter_status status = holter_compact(store, &compact, &result, &err);
    if (is_shown)
        fputs("\r\x1b[K", stderr);
    if (status != HOLTER_OK && signal_noted() != 0) {
        say("stopped by a signal; what was not done is left for the next compact");
        code = 128 + signal_noted();
    } else if (status != HOLTER_OK) {
        code = say_error(&err);
    }
    if (status == HOLTER_OK)
        out_format(
            json ? "{\"jobs\": %llu, \"files_in\": %llu, \"files_out\": %llu, \"rows_in\": %llu, "
                   "\"rows_out\": %llu}\n"
                 : "%llu jobs: %llu files became %llu, %llu rows became %llu\n",
            (unsigned long long)result.jobs, (unsigned long long)result.files_in,
            (unsigned long long)result.files_out, (unsigned long long)result.rows_in,
            (unsigned long long)result.rows_out);
    holter_close(store);
    return code;
}
