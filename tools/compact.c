/*
 * compact.c -- holter compact: merge segments and move them to the tier that they are due for.
 */
#include "tool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(int count, char **arguments);

const struct verb verb_compact = {
    .name = "compact",
    .summary = "merge segments and move them to the tier they are due for",
    .help =
        "usage: holter compact STORE [--to hot|warm|cold] [--threads N] [--keyring FILE] [--json]\n"
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
        "  --threads N  that many shards at once (default 1), each on a core of its own\n"
        "\n"
        "examples:\n"
        "  holter compact /srv/wear\n"
        "  holter compact /srv/wear --to cold --threads 4\n",
    .run = run,
};

enum { THREADS_MAX = 64 };

/* Shards are taken by whoever is free. */
struct crew {
    holter_store *store;
    holter_tier to;
    size_t shard_count;
    bool is_shown;
    uint32_t worker_count;
    struct worker {
        struct crew *crew;
        pthread_t thread;
        uint64_t rows_done, rows_all; /* of its job */
    } workers[THREADS_MAX];
    pthread_mutex_t mutex; /* over what follows, and over workers' rows */
    size_t next_shard;
    holter_compact_result sum;
    holter_status status; /* of the first that failed, and why */
    holter_error err;
};

static int progress(void *context, uint64_t rows_done, uint64_t rows_all)
{
    struct worker *worker = context;
    struct crew *crew = worker->crew;
    uint64_t done = 0, all = 0;
    pthread_mutex_lock(&crew->mutex);
    worker->rows_done = rows_done;
    worker->rows_all = rows_all;
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        done += crew->workers[i].rows_done;
        all += crew->workers[i].rows_all;
    }
    if (crew->is_shown)
        fprintf(stderr, "\r%llu of %llu rows\x1b[K", (unsigned long long)done,
                (unsigned long long)all);
    bool goes_on = crew->status == HOLTER_OK && signal_noted() == 0;
    pthread_mutex_unlock(&crew->mutex);
    return goes_on;
}

static void result_add(struct crew *crew, const holter_compact_result *result)
{
    crew->sum.jobs += result->jobs;
    crew->sum.files_in += result->files_in;
    crew->sum.files_out += result->files_out;
    crew->sum.rows_in += result->rows_in;
    crew->sum.rows_out += result->rows_out;
}

static void *shards_compact(void *context)
{
    struct worker *worker = context;
    struct crew *crew = worker->crew;
    pthread_mutex_lock(&crew->mutex);
    while (crew->next_shard < crew->shard_count && crew->status == HOLTER_OK &&
           signal_noted() == 0) {
        const holter_compact_options options = { .to = crew->to,
                                                 .progress = progress,
                                                 .context = worker,
                                                 .only_shard = ++crew->next_shard };
        holter_compact_result result = { 0 };
        holter_error err = { 0 };
        pthread_mutex_unlock(&crew->mutex);
        holter_status status = holter_compact(crew->store, &options, &result, &err);
        pthread_mutex_lock(&crew->mutex);
        worker->rows_done = worker->rows_all = 0;
        result_add(crew, &result);
        if (status != HOLTER_OK && crew->status == HOLTER_OK) {
            crew->status = status;
            crew->err = err;
        }
    }
    pthread_mutex_unlock(&crew->mutex);
    return NULL;
}

/* Where a thread cannot be had, those that there are do its part. */
static int crew_run(struct crew *crew)
{
    holter_stat stat;
    if (holter_stat_read(crew->store, &stat, &crew->err) != HOLTER_OK)
        return say_error(&crew->err);
    crew->shard_count = stat.shard_count;
    if (crew->worker_count > crew->shard_count)
        crew->worker_count = (uint32_t)crew->shard_count;
    pthread_mutex_init(&crew->mutex, NULL);
    for (uint32_t i = 0; i < crew->worker_count; i++)
        crew->workers[i].crew = crew;
    uint32_t started = 1; /* this thread */
    while (started < crew->worker_count &&
           thread_start(&crew->workers[started].thread, shards_compact, &crew->workers[started]))
        started++;
    shards_compact(&crew->workers[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(crew->workers[i].thread, NULL);
    pthread_mutex_destroy(&crew->mutex);
    if (crew->is_shown)
        fputs("\r\x1b[K", stderr);
    bool is_over = crew->status == HOLTER_OK && crew->next_shard == crew->shard_count;
    if (is_over)
        return TOOL_OK;
    bool is_stopped = crew->status == HOLTER_OK || crew->status == HOLTER_BUSY;
    if (signal_noted() == 0 || !is_stopped)
        return say_error(&crew->err);
    say("stopped by a signal; what was not done is left for the next compact");
    return 128 + signal_noted();
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
    static struct crew crew; /* too large for a stack */
    const char *keyring = NULL;
    const char *to = NULL;
    bool json = false;
    crew.worker_count = 1;
    const struct option options[] = {
        { "--to", OPTION_TEXT, &to },
        { "--threads", OPTION_COUNT, &crew.worker_count },
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &json },
    };
    int plain;
    int code = args_parse(&verb_compact, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 1)
        return say_usage(&verb_compact, "compact takes one STORE, found %d", plain);
    if (to != NULL && !tier_read(&crew.to, to))
        return say_usage(&verb_compact, "--to takes hot, warm or cold");
    if (crew.worker_count > THREADS_MAX)
        return say_usage(&verb_compact, "--threads takes 1 to %d", THREADS_MAX);

    yield_to_others();
    code = store_open(&crew.store, arguments[0], keyring, false);
    if (code != TOOL_OK)
        return code;
    signals_note();
    crew.is_shown = isatty(STDERR_FILENO) != 0;
    code = crew_run(&crew);
    if (code == TOOL_OK)
        out_format(
            json ? "{\"jobs\": %llu, \"files_in\": %llu, \"files_out\": %llu, \"rows_in\": %llu, "
                   "\"rows_out\": %llu}\n"
                 : "%llu jobs: %llu files became %llu, %llu rows became %llu\n",
            (unsigned long long)crew.sum.jobs, (unsigned long long)crew.sum.files_in,
            (unsigned long long)crew.sum.files_out, (unsigned long long)crew.sum.rows_in,
            (unsigned long long)crew.sum.rows_out);
    holter_close(crew.store);
    return code;
}
