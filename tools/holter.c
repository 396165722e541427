/*
 * holter.c -- the tool: one binary, a verb a file.
 */
#include "tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUT_BYTES = 256 * 1024 };

static const struct verb *const verbs[] = {
    &verb_init,    &verb_import,  &verb_ingest, &verb_query,    &verb_aggregate, &verb_latest,
    &verb_flush,   &verb_compact, &verb_stat,   &verb_verify,   &verb_users,     &verb_metrics,
    &verb_sources, &verb_tail,    &verb_feed,   &verb_simulate,
};

static volatile sig_atomic_t noted;

static void on_signal(int number)
{
    noted = number;
}

void signals_note(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction note = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND };
    for (size_t i = 0; i < TOOL_COUNT(numbers); i++) {
        struct sigaction before;
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &note, NULL);
    }
}

int signal_noted(void)
{
    return noted;
}

bool thread_start(pthread_t *out, void *(*begin)(void *), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_create(out, NULL, begin, context) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_started;
}

static const char *verb_name_at(const void *context, size_t index)
{
    const struct verb *const *list = context;
    return list[index]->name;
}

static const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < TOOL_COUNT(verbs); i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *nearest = nearest_name(name, TOOL_COUNT(verbs), verb_name_at, verbs);
    if (nearest != NULL)
        return say_usage(NULL, "there is no such verb; did you mean 'holter %s'?", nearest);
    return say_usage(NULL, "there is no such verb");
}

static int help(int count, char **arguments)
{
    if (count > 1)
        return say_usage(NULL, "help takes one verb");
    if (count == 1) {
        const struct verb *verb = verb_find(arguments[0]);
        if (verb == NULL)
            return unknown_verb(arguments[0]);
        out_text(verb->help);
        return TOOL_OK;
    }
    out_text("holter " HOLTER_VERSION_STRING
             " -- stores what wearables measure, sealed, and reads it back\n"
             "\n"
             "usage: holter VERB ...\n"
             "\n");
    for (size_t i = 0; i < TOOL_COUNT(verbs); i++)
        out_format("  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
    out_text("\n"
             "  holter init /srv/wear\n"
             "  holter import /srv/wear --format csv --metric heart_rate --time-format rfc3339 \\\n"
             "      --map user=Id,time=Time,value=Value heartrate.csv.zst\n"
             "  holter query /srv/wear --user 2022484408 --metric heart_rate --from 2016-04-12 "
             "--to 2016-04-13\n"
             "\n"
             "'holter help VERB' shows a verb's options and examples; the manual pages tell all.\n"
             "Exit codes: 0 ok, 1 failure, 2 usage, 3 corruption found, 4 not found, 5 locked, 6 "
             "token expired.\n");
    return TOOL_OK;
}

static int run(int count, char **arguments)
{
    if (count == 0) {
        help(0, NULL);
        return TOOL_USAGE;
    }
    const char *name = arguments[0];
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        out_format("holter %s (format %d.%d)\n", holter_version(), HOLTER_FORMAT_MAJOR,
                   HOLTER_FORMAT_MINOR);
        return TOOL_OK;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(count - 1, arguments + 1);
    const struct verb *verb = verb_find(name);
    return verb == NULL ? unknown_verb(name) : verb->run(count - 1, arguments + 1);
}

int main(int count, char **arguments)
{
    /* A closed pipe and a file size limit are errors of the write, not ends of the process. */
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);

    static char buffer[OUTPUT_BYTES];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    return out_close(run(count - 1, arguments + 1));
}
