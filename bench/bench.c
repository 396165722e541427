/*
 * bench.c -- options, directory, figures and filled stores of the benchmarks.
 */
#define _DEFAULT_SOURCE /* wait4 */

#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COMMIT_ROWS_MAX = 50000, LABEL_BYTES_MAX = 128 };

static struct {
    const char *name, *commit;
    bool is_json, is_quick;
    bool has_heading;
    char directory[BENCH_PATH_BYTES_MAX];
    char path[BENCH_PATH_BYTES_MAX];
    char machine[LABEL_BYTES_MAX];
    uint64_t random;
} run = { .random = BENCH_SEED };

void bench_fail(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "bench_%s: ", run.name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void bench_try(holter_status status, const holter_error *err)
{
    if (status != HOLTER_OK)
        bench_fail("%s: %s", holter_status_name(status), err->message);
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* The processor's model; the host's name is nobody's business. */
static void read_machine(void)
{
    char line[256];
    strcpy(run.machine, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", strlen("model name")) != 0 || colon == NULL)
            continue;
        size_t bytes = 0;
        for (const char *at = colon + 2; *at != '\n' && *at != '\0'; at++)
            if (*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\' &&
                bytes < LABEL_BYTES_MAX - 16)
                run.machine[bytes++] = *at;
        snprintf(run.machine + bytes, LABEL_BYTES_MAX - bytes, " x %ld",
                 sysconf(_SC_NPROCESSORS_ONLN));
        break;
    }
    if (file != NULL)
        fclose(file);
}

_Noreturn static void fail_usage(const char *option, const struct bench_option *more,
                                 size_t more_count)
{
    char text[BENCH_PATH_BYTES_MAX] = "";
    for (size_t i = 0; i < more_count; i++) {
        size_t bytes = strlen(text);
        snprintf(text + bytes, sizeof text - bytes, " [%s %s]", more[i].name, more[i].what);
    }
    bench_fail("unknown option '%s'; usage: bench_%s [--json] [--quick] [--dir DIR]%s", option,
               run.name, text);
}

uint32_t bench_number(const char *option, const char *text, uint32_t least, uint32_t most,
                      uint32_t otherwise)
{
    char *end;
    if (text == NULL)
        return otherwise;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || number < least ||
        number > most)
        bench_fail("%s '%s': expected a number from %u to %u", option, text, least, most);
    return (uint32_t)number;
}

void bench_begin(const char *name, int count, char **arguments, const char *more,
                 const char **more_text)
{
    const struct bench_option option = { more, "TEXT", more_text };
    bench_begin_with(name, count, arguments, &option, more != NULL);
}

void bench_begin_with(const char *name, int count, char **arguments,
                      const struct bench_option *more, size_t more_count)
{
    const char *directory = ".";
    run.name = name;
    run.commit = getenv("BENCH_COMMIT");
    if (run.commit == NULL)
        run.commit = "unknown";
    for (int i = 1; i < count; i++) {
        const char *option = arguments[i];
        size_t known = 0;
        while (known < more_count && strcmp(option, more[known].name) != 0)
            known++;
        if (strcmp(option, "--json") == 0)
            run.is_json = true;
        else if (strcmp(option, "--quick") == 0)
            run.is_quick = true;
        else if (strcmp(option, "--dir") == 0 && i + 1 < count)
            directory = arguments[++i];
        else if (known < more_count && i + 1 < count)
            *more[known].text = arguments[++i];
        else
            fail_usage(option, more, more_count);
    }
    int bytes = snprintf(run.directory, sizeof run.directory, "%s/bench-XXXXXX", directory);
    if (bytes < 0 || (size_t)bytes >= sizeof run.directory || mkdtemp(run.directory) == NULL) {
        run.directory[0] = '\0';
        bench_fail("a directory in '%s': %s", directory, strerror(errno));
    }
    atexit(bench_end);
    read_machine();
}

static void remove_tree(const char *path)
{
    char below[BENCH_PATH_BYTES_MAX];
    struct stat stat;
    if (lstat(path, &stat) != 0)
        return;
    DIR *directory = S_ISDIR(stat.st_mode) ? opendir(path) : NULL;
    if (directory != NULL) {
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            int bytes = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
            if (bytes > 0 && (size_t)bytes < sizeof below)
                remove_tree(below);
        }
        closedir(directory);
    }
    remove(path);
}

void bench_end(void)
{
    if (run.directory[0] != '\0')
        remove_tree(run.directory);
    run.directory[0] = '\0';
}

bool bench_is_quick(void)
{
    return run.is_quick;
}

const char *bench_path(const char *name)
{
    int bytes = snprintf(run.path, sizeof run.path, "%s/%s", run.directory, name);
    if (bytes < 0 || (size_t)bytes >= sizeof run.path)
        bench_fail("the path of '%s' is too long", name);
    return run.path;
}

void bench_remove(const char *name)
{
    char keyring[LABEL_BYTES_MAX];
    remove_tree(bench_path(name));
    snprintf(keyring, sizeof keyring, "%s.keyring", name);
    remove_tree(bench_path(keyring));
}

static double clock_s(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_now_s(void)
{
    return clock_s(CLOCK_MONOTONIC);
}

double bench_run(const char *const *arguments, uint64_t *peak_bytes)
{
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    pid_t child;
    int status;
    double begin_s = bench_now_s();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    int failure = posix_spawn(&child, arguments[0], &actions, NULL,
                              (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        bench_fail("'%s': %s", arguments[0], strerror(failure));
    if (wait4(child, &status, 0, &usage) != child || status != 0)
        bench_fail("'%s %s' failed", arguments[0], arguments[1]);
    if (peak_bytes != NULL)
        *peak_bytes = 1024 * (uint64_t)usage.ru_maxrss;
    return bench_now_s() - begin_s;
}

double bench_thread_s(void)
{
    return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

double bench_process_s(void)
{
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- figures --------------------------------------------------------------------------------- */

void bench_add(struct bench_series *series, double sample)
{
    if (series->count == series->room) {
        series->room = series->room == 0 ? 64 : series->room * 2;
        series->samples = realloc(series->samples, series->room * sizeof *series->samples);
        if (series->samples == NULL)
            bench_fail("no memory");
    }
    series->samples[series->count++] = sample;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank: the least sample that is not below `percent` % of them. */
static double percentile(const struct bench_series *series, size_t percent)
{
    size_t rank = (series->count * percent + 99) / 100;
    return series->samples[rank == 0 ? 0 : rank - 1];
}

#ifdef __clang__
#define COMPILER "clang "
#else
#define COMPILER "gcc "
#endif

static void print(const char *at, const char *metric, const char *unit, double value, double low,
                  double high, size_t samples)
{
    if (run.is_json) {
        printf("{\"bench\": \"%s\", \"case\": \"%s\", \"metric\": \"%s\", \"unit\": \"%s\", "
               "\"value\": %.10g, \"low\": %.10g, \"high\": %.10g, \"samples\": %zu, "
               "\"machine\": \"%s\", \"compiler\": \"%s\", \"commit\": \"%s\"}\n",
               run.name, at, metric, unit, value, low, high, samples, run.machine,
               COMPILER __VERSION__, run.commit);
    } else {
        if (!run.has_heading)
            printf("%s: %s; %s; commit %s\n%-28s %-22s %12s %12s %12s %-12s %7s\n", run.name,
                   run.machine, COMPILER __VERSION__, run.commit, "case", "figure", "median", "1 %",
                   "99 %", "unit", "samples");
        run.has_heading = true;
        printf("%-28s %-22s %12.6g %12.6g %12.6g %-12s %7zu\n", at, metric, value, low, high, unit,
               samples);
    }
    fflush(stdout);
}

void bench_report(const char *at, const char *metric, const char *unit, struct bench_series *series)
{
    if (series->count == 0)
        bench_fail("%s: %s: no sample", at, metric);
    qsort(series->samples, series->count, sizeof *series->samples, compare);
    print(at, metric, unit, percentile(series, 50), percentile(series, 1), percentile(series, 99),
          series->count);
    free(series->samples);
    *series = (struct bench_series){ 0 };
}

void bench_report_one(const char *at, const char *metric, const char *unit, double value)
{
    print(at, metric, unit, value, value, value, 1);
}

/* ---- stores and rows ------------------------------------------------------------------------- */

uint64_t bench_random_below(uint64_t count)
{
    uint64_t z = run.random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % count;
}

static void find_metrics(struct bench_store *store)
{
    for (size_t i = 0; i < COHORT_METRICS; i++) {
        holter_error err = { 0 };
        holter_metric metric;
        bench_try(holter_metric_find(store->store, cohort_metric_name((enum cohort_metric)i),
                                     &metric, &err),
                  &err);
        store->metrics[i] = metric.number;
        store->kinds[i] = metric.kind;
        store->types[i] = metric.fields[0].type;
    }
    for (size_t stage = 0; stage < COHORT_STAGES; stage++) {
        holter_error err = { 0 };
        bench_try(holter_metric_add_label(store->store, store->metrics[COHORT_SLEEP_STAGE], 0,
                                          cohort_stage_name((enum cohort_stage)stage),
                                          &store->stages[stage], &err),
                  &err);
    }
}

static void add_users(struct bench_store *store)
{
    holter_id *ids = calloc(store->user_count, sizeof *ids);
    char(*texts)[COHORT_ID_BYTES_MAX] = calloc(store->user_count, sizeof *texts);
    uint32_t *numbers = calloc(store->user_count, sizeof *numbers);
    store->users = calloc(store->user_count, sizeof *store->users);
    store->sources = calloc(store->user_count, sizeof *store->sources);
    if (ids == NULL || texts == NULL || numbers == NULL || store->users == NULL ||
        store->sources == NULL)
        bench_fail("no memory");
    for (uint32_t i = 0; i < store->user_count; i++)
        ids[i] = (holter_id){ texts[i], cohort_user_id(texts[i], i) };
    holter_error err = { 0 };
    bench_try(holter_users_add(store->store, ids, store->user_count, NULL, store->users, &err),
              &err);
    for (size_t source = 0; source < COHORT_SOURCES; source++) {
        bench_try(holter_sources_need(store->store, store->users, store->user_count,
                                      cohort_source_name((enum cohort_source)source), numbers,
                                      &err),
                  &err);
        for (uint32_t i = 0; i < store->user_count; i++)
            store->sources[i][source] = numbers[i];
    }
    free(ids);
    free(texts);
    free(numbers);
}

void bench_store_make_as(struct bench_store *out, const char *name, uint32_t user_count,
                         const holter_create_options *create, const holter_options *options)
{
    *out = (struct bench_store){ .user_count = user_count };
    holter_error err = { 0 };
    bench_try(holter_create(bench_path(name), create, &err), &err);
    bench_try(holter_open(&out->store, bench_path(name), options, &err), &err);
    find_metrics(out);
    add_users(out);
    bench_try(holter_batch_new(&out->batch, out->store, NULL, &err), &err);
}

void bench_store_make(struct bench_store *out, const char *name, uint32_t user_count,
                      const holter_options *options)
{
    bench_store_make_as(out, name, user_count, NULL, options);
}

void bench_store_close(struct bench_store *store)
{
    holter_batch_free(store->batch);
    holter_close(store->store);
    free(store->users);
    free(store->sources);
    *store = (struct bench_store){ 0 };
}

void bench_store_add(struct bench_store *store, const struct cohort_row *row)
{
    holter_error err = { 0 };
    const holter_value value = { .integer = row->metric == COHORT_SLEEP_STAGE
                                                ? store->stages[row->value]
                                                : row->value };
    const holter_row added = {
        .user = store->users[row->user],
        .metric = store->metrics[row->metric],
        .source = store->sources[row->user][row->source],
        .time_ns = row->time_ns,
        .duration_ns = row->duration_ns,
        .values = &value,
        .value_count = 1,
        .revision = row->revision,
    };
    bench_try(holter_batch_add(store->batch, &added, NULL, &err), &err);
}

void bench_store_commit(struct bench_store *store)
{
    holter_error err = { 0 };
    bench_try(holter_commit(store->store, store->batch, &err), &err);
    holter_batch_clear(store->batch);
}

struct cohort *bench_cohort(uint32_t user_count, uint32_t days, const bool *metrics)
{
    const struct cohort_options options = {
        .seed = BENCH_SEED,
        .users = user_count,
        .days = days,
        .from_s = BENCH_DAY_FROM_S,
        .metrics = metrics,
    };
    struct cohort *cohort;
    if (!cohort_new(&cohort, &options))
        bench_fail("no cohort of %u people for %u days", user_count, days);
    return cohort;
}

bool bench_cohort_next(struct cohort *cohort, const struct cohort_row **rows, size_t *count)
{
    enum cohort_result result = cohort_next(cohort, rows, count);
    if (result != COHORT_ROWS && result != COHORT_END)
        bench_fail("no memory");
    return result == COHORT_ROWS;
}

uint64_t bench_store_fill(struct bench_store *store, uint32_t days, const bool *metrics)
{
    const struct cohort_row *rows;
    size_t count;
    uint64_t total = 0;
    struct cohort *cohort = bench_cohort(store->user_count, days, metrics);
    while (bench_cohort_next(cohort, &rows, &count)) {
        for (size_t i = 0; i < count; i++)
            bench_store_add(store, &rows[i]);
        total += count;
        if (holter_batch_count(store->batch) >= COMMIT_ROWS_MAX)
            bench_store_commit(store);
    }
    if (holter_batch_count(store->batch) > 0)
        bench_store_commit(store);
    cohort_free(cohort);
    return total;
}
