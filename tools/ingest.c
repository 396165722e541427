/*
 * ingest.c -- holter ingest: lines of gateways into a store, each answered when it is durable.
 *
 *     stdin, a socket (ingest_serve) or files -> lines (ingest_stream) -> rows (ingest_read: ingest_influx, ingest_json)
 *          -> one commit for all that came (ingest_batch) -> answers
 *
 *   Lines of files are not answered, as nobody waits for them: those that are refused are told as import does.
 */
#include "ingest_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "input.h"
#include "progress.h"

enum { LINES_DEFAULT = 8192, REFUSALS_SHOWN_MAX = 10 };

struct ingesting {
    /* what was asked for */
    const char *format, *precision, *user_text, *source, *user_tag, *source_tag;
    const char *region, *keyring, *listen;
    struct option_list ignored;
    bool for_group, exact, known_only, round, json;
    uint32_t lines_max;
    char *user; /* owned; NULL: none was given */
    /* what there is */
    holter_store *store;
    struct ingest ingest;
    const char *file; /* the one at hand */
    uint64_t refusals;
};

static int run(int count, char **arguments);

const struct verb verb_ingest = {
    .name = "ingest",
    .summary = "store lines that gateways send, each answered when it is durable",
    .help =
        "usage: holter ingest STORE [--format influx|ndjson] [--precision ns|us|ms|s] [options] "
        "[FILE...]\n"
        "       holter ingest STORE --listen PATH [options]\n"
        "\n"
        "Stores samples that come as lines: InfluxDB line protocol, or a JSON object a line. Each "
        "line from stdin or a\n"
        "client of a Unix socket is answered, in order, once it would survive a power cut; lines "
        "that come meanwhile\n"
        "share the next commit. A bad line is refused and the next one is read. Files (plain or "
        "Zstandard) get no answers;\n"
        "what is refused in them is told on stderr.\n"
        "\n"
        "  heart_rate,user=7f3a,source=watch value=62i 1465839830100400200\n"
        "  {\"user\": \"7f3a\", \"source\": \"watch\", \"metric\": \"heart_rate\", \"time\": "
        "\"2016-06-13T17:43:50Z\", \"value\": 62}\n"
        "\n"
        "Answers: LINE ok (new, duplicate, corrected, superseded; deleted, replaced ROWS): stored. "
        "LINE refused REASON:\n"
        "never will be as it is. LINE retry REASON: is not stored, send it again later. Empty "
        "lines "
        "and comments have none.\n"
        "\n"
        "  --format F         line protocol or objects only; told by each line's first byte "
        "otherwise\n"
        "  --precision P      the unit of times that are numbers (ns)\n"
        "  --user-tag NAME    the tag that holds the user's id (user)\n"
        "  --source-tag NAME  the tag that holds the source (source)\n"
        "  --user U           of lines without one: an id, @FILE, or - with --listen or files\n"
        "  --source S         of lines without one (ingest)\n"
        "  --ignore NAME      a tag or field of line protocol to pass over; may be given again. "
        "Others that are unknown\n"
        "                     are refused\n"
        "  --round            round values that are finer than the metric keeps, instead of "
        "refusing "
        "them\n"
        "  --known-only       refuse users and sources that the store does not have, instead of "
        "adding them\n"
        "  --region R         where new users are placed (the store's first region)\n"
        "  --exact            tell in answers what is new, a duplicate or a correction\n"
        "  --listen PATH      serve the clients of a Unix socket, until SIGTERM or SIGINT\n"
        "  --group            the socket is for the owner's group, too: mode 0660, not 0600\n"
        "  --batch N          lines in a commit at most, 1 to 50000 (8192)\n"
        "  --keyring FILE     (STORE.keyring)\n"
        "  --json             answers and summary as JSON, one object a line\n"
        "\n"
        "examples:\n"
        "  echo 'heart_rate,user=7f3a,source=watch value=62i' | holter ingest /srv/wear\n"
        "  holter ingest /srv/wear --listen /run/holter/ingest --group --known-only &\n"
        "  printf 'steps,user=7f3a,source=phone value=31i,duration=\"60s\" 1465839780\\n' |\n"
        "      holter ingest /srv/wear --precision s\n"
        "  printf '{\"op\": \"delete\", \"user\": \"7f3a\", \"metric\": \"steps\", \"source\": "
        "null, "
        "\"from\": \"2016-06-13T00:00:00Z\", \\\n"
        "      \"to\": \"2016-06-14T00:00:00Z\"}\\n' | holter ingest /srv/wear\n"
        "  holter ingest /srv/wear --user-tag patient --ignore host dump.lp.zst\n",
    .run = run,
};

/* ---- files ---------------------------------------------------------------------------------- */

/* A line of a file that is not stored. */
static void line_told(void *context, const struct ingest_entry *entry)
{
    struct ingesting *in = context;
    if (entry->answer != ANSWER_REFUSED && entry->answer != ANSWER_RETRY)
        return;
    if (in->refusals++ < REFUSALS_SHOWN_MAX)
        say("%s:%llu: %s", in->file, (unsigned long long)entry->line, entry->reason);
}

/* Up to a signal, or a commit that fails: what follows would fail, too. */
static int file_read(struct ingesting *in, const char *path, struct progress *progress,
                     uint64_t *bytes)
{
    const char *problem;
    struct input *input;
    in->file = strcmp(path, "-") == 0 ? "stdin" : path;
    if (!input_open(&input, path, &problem)) {
        say("%s: %s", in->file, problem);
        return TOOL_FAILED;
    }
    int code = TOOL_OK;
    struct ingest_stream stream = { 0 };
    while (code == TOOL_OK && !stream.is_at_end && signal_noted() == 0 &&
           in->ingest.counts[ANSWER_RETRY] == 0) {
        size_t room, got = 0;
        char *to = stream_room(&stream, &room);
        if (to == NULL) {
            code = say_no_memory();
        } else if (!input_read(input, to, room, &got)) {
            say("%s:%llu: %s", in->file, (unsigned long long)stream.line + 1, input_problem(input));
            code = TOOL_FAILED;
        } else {
            stream_filled(&stream, got);
            stream.is_at_end = got == 0;
            ingest_take(&in->ingest, &stream);
        }
        progress_show(progress, in->ingest.lines, *bytes + input_bytes(input));
    }
    ingest_commit(&in->ingest);
    *bytes += input_bytes(input);
    stream_release(&stream);
    input_close(input);
    return code;
}

static int files_read(struct ingesting *in, char **files, int count)
{
    struct progress progress;
    uint64_t bytes_all = 0, bytes = 0;
    in->ingest.told = line_told;
    in->ingest.context = in;
    for (int i = 0; i < count; i++)
        bytes_all += input_size(files[i]);
    progress_begin(&progress, bytes_all);
    int code = TOOL_OK;
    for (int i = 0; i < count && code == TOOL_OK && signal_noted() == 0 &&
                    in->ingest.counts[ANSWER_RETRY] == 0;
         i++)
        code = file_read(in, files[i], &progress, &bytes);
    progress_end(&progress);
    if (in->refusals > REFUSALS_SHOWN_MAX)
        say("and %llu more lines were not stored",
            (unsigned long long)(in->refusals - REFUSALS_SHOWN_MAX));
    return code;
}

/* ---- the verb ------------------------------------------------------------------------------- */

static void summary_print(const struct ingesting *in)
{
    const struct ingest *ingest = &in->ingest;
    if (in->json)
        out_format("{\"end\":true,\"lines\":%llu", (unsigned long long)ingest->lines);
    else
        out_format("end: %llu lines", (unsigned long long)ingest->lines);
    const char *before = ": ";
    for (size_t i = 0; i < ANSWER_COUNT; i++) {
        if (in->json)
            out_format(",\"%s\":%llu", ingest_words[i], (unsigned long long)ingest->counts[i]);
        else if (ingest->counts[i] > 0)
            out_format("%s%llu %s", before, (unsigned long long)ingest->counts[i], ingest_words[i]);
        if (ingest->counts[i] > 0)
            before = ", ";
    }
    if (in->json)
        out_format(",\"flagged\":%llu}\n", (unsigned long long)ingest->flagged);
    else if (ingest->flagged > 0)
        out_format("%s%llu flagged\n", before, (unsigned long long)ingest->flagged);
    else
        out_text("\n");
}

static void defaults_set(struct ingesting *in)
{
    in->precision = in->precision != NULL ? in->precision : "ns";
    in->user_tag = in->user_tag != NULL ? in->user_tag : "user";
    in->source_tag = in->source_tag != NULL ? in->source_tag : "source";
    in->source = in->source != NULL ? in->source : "ingest";
    in->lines_max = in->lines_max != 0 ? in->lines_max : LINES_DEFAULT;
}

static int format_check(struct ingesting *in)
{
    static const struct {
        const char *name;
        int64_t unit_ns;
    } units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
    struct ingest_reader *reader = &in->ingest.reader;
    if (in->format == NULL)
        reader->format = INGEST_TELL;
    else if (strcmp(in->format, "influx") == 0)
        reader->format = INGEST_INFLUX;
    else if (strcmp(in->format, "ndjson") == 0)
        reader->format = INGEST_NDJSON;
    else
        return say_usage(&verb_ingest, "--format takes influx or ndjson");
    for (size_t i = 0; i < TOOL_COUNT(units); i++)
        if (strcmp(in->precision, units[i].name) == 0)
            reader->unit_ns = units[i].unit_ns;
    if (reader->unit_ns == 0)
        return say_usage(&verb_ingest, "--precision takes ns, us, ms or s");
    return TOOL_OK;
}

static int options_check(struct ingesting *in, int file_count)
{
    struct ingest_reader *reader = &in->ingest.reader;
    char problem[IMPORT_PROBLEM_BYTES_MAX];
    int code = format_check(in);
    if (code != TOOL_OK)
        return code;
    if (in->listen != NULL && file_count > 0)
        return say_usage(&verb_ingest, "ingest takes --listen or files, not both");
    if (in->for_group && in->listen == NULL)
        return say_usage(&verb_ingest, "--group is of --listen");
    if (in->user_text != NULL && strcmp(in->user_text, "-") == 0 && in->listen == NULL &&
        file_count == 0)
        return say_usage(&verb_ingest, "--user - reads stdin, as the lines do: give --user @FILE");
    if (in->lines_max > IMPORT_ROWS_MAX)
        return say_usage(&verb_ingest, "--batch takes a number of 1 to %d", IMPORT_ROWS_MAX);
    if (!import_source_check((struct csv_field){ in->source, strlen(in->source) }, problem))
        return say_usage(&verb_ingest, "--source: %s", problem);
    if (strcmp(in->user_tag, in->source_tag) == 0)
        return say_usage(&verb_ingest, "--user-tag and --source-tag are to differ");
    if (in->user_text != NULL)
        code = user_id_read(&in->user, &verb_ingest, in->user_text);
    reader->user = in->user;
    reader->source = in->source;
    reader->user_tag = in->user_tag;
    reader->source_tag = in->source_tag;
    reader->ignored = in->ignored;
    reader->round = in->round;
    in->ingest.json = in->json;
    return code;
}

static holter_status store_metric_find(void *store, holter_metric *out, const char *name,
                                       holter_error *err)
{
    return holter_metric_find(store, name, out, err);
}

static int64_t now_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int lines_ingest(struct ingesting *in, char **files, int file_count)
{
    const uint64_t *counts = in->ingest.counts;
    int code = in->listen != NULL ? serve_socket(&in->ingest, in->listen, in->for_group)
               : file_count > 0   ? files_read(in, files, file_count)
                                  : serve_stdin(&in->ingest);
    if (in->listen == NULL || code == TOOL_OK)
        summary_print(in);
    if (in->listen != NULL || code != TOOL_OK)
        return code; /* a server that was asked to end did all that it was to do */
    if (signal_noted() != 0) {
        say("stopped by a signal; the lines that were answered are stored");
        return 128 + signal_noted();
    }
    if (file_count > 0 && counts[ANSWER_RETRY] > 0)
        return exit_of_status(in->ingest.status);
    return counts[ANSWER_REFUSED] + counts[ANSWER_RETRY] > 0 ? TOOL_FAILED : TOOL_OK;
}

static int ingest_run(struct ingesting *in, char **arguments, int file_count)
{
    int code = store_open(&in->store, arguments[0], in->keyring, false);
    if (code == TOOL_OK)
        code = region_check(in->store, in->region);
    in->ingest.reader.metric_find = store_metric_find;
    in->ingest.reader.context = in->store;
    in->ingest.reader.now_ns = now_ns;
    if (code == TOOL_OK)
        code = ingest_init(&in->ingest, in->store, in->lines_max, in->region, in->exact,
                           in->known_only);
    signals_note();
    if (code == TOOL_OK)
        code = lines_ingest(in, arguments + 1, file_count);
    ingest_release(&in->ingest);
    holter_close(in->store);
    return code;
}

static int run(int count, char **arguments)
{
    static struct ingesting in; /* too large for a stack */
    const struct option options[] = {
        { "--format", OPTION_TEXT, &in.format },
        { "--precision", OPTION_TEXT, &in.precision },
        { "--user-tag", OPTION_TEXT, &in.user_tag },
        { "--source-tag", OPTION_TEXT, &in.source_tag },
        { "--user", OPTION_TEXT, &in.user_text },
        { "--source", OPTION_TEXT, &in.source },
        { "--ignore", OPTION_LIST, &in.ignored },
        { "--round", OPTION_FLAG, &in.round },
        { "--known-only", OPTION_FLAG, &in.known_only },
        { "--region", OPTION_TEXT, &in.region },
        { "--exact", OPTION_FLAG, &in.exact },
        { "--listen", OPTION_TEXT, &in.listen },
        { "--group", OPTION_FLAG, &in.for_group },
        { "--batch", OPTION_COUNT, &in.lines_max },
        { "--keyring", OPTION_TEXT, &in.keyring },
        { "--json", OPTION_FLAG, &in.json },
    };
    int plain;
    int code = args_parse(&verb_ingest, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain < 1)
        return say_usage(&verb_ingest, "ingest takes a STORE, and files where they are to be read");
    defaults_set(&in);
    code = options_check(&in, plain - 1);
    if (code == TOOL_OK)
        code = ingest_run(&in, arguments, plain - 1);
    free(in.user);
    return code;
}
