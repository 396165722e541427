/*
 * simulate.c -- holter simulate: a made-up cohort as CSV, as line protocol, or into a store.
 *
 * What is made up is in cohort.c; here it is only written.
 */
#include "cohort.h"
#include "times.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { LINE_BYTES_MAX = 256, PATH_BYTES_MAX = 4096, COMMIT_ROWS_MAX = 50000 };

#define NS INT64_C(1000000000)

static int run(int count, char **arguments);

const struct verb verb_simulate = {
    .name = "simulate",
    .summary = "make up what a cohort's wearables deliver",
    .help =
        "usage: holter simulate [--format csv|line-protocol] [--out DIR] [cohort options]\n"
        "       holter simulate --store STORE [--keyring FILE] [--json] [cohort options]\n"
        "\n"
        "Makes up heart rate, steps, sleep stages, skin temperature, SpO2, RR intervals and UTC "
        "offsets of people\n"
        "who do not exist, in the order in which a gateway would see them: late, repeated and "
        "corrected rows too.\n"
        "The same options give the same bytes.\n"
        "\n"
        "  --seed N        another cohort for another number (1)\n"
        "  --users N       people (10), called sim-0000001 and on\n"
        "  --days N        days (7)\n"
        "  --from DATE     the first moment: a date or RFC 3339 (2025-01-01)\n"
        "  --tz OFFSET     where all live: UTC, +05:30; or mixed: everyone somewhere else (UTC)\n"
        "  --metric M,...  only these metrics\n"
        "  --format F      csv, or line-protocol, as InfluxDB reads it (csv)\n"
        "  --out DIR       files in a directory, which is made: METRIC.csv, or cohort.lp; "
        "- is stdout (-)\n"
        "  --store STORE   into a store that there is\n"
        "  --keyring FILE  its keyring (STORE.keyring)\n"
        "  --json          the summary as JSON\n"
        "\n"
        "examples:\n"
        "  holter simulate --users 100 --days 30 --tz mixed --store /srv/wear\n"
        "  holter simulate --users 2 --days 1 --metric heart_rate,steps | head\n",
    .run = run,
};

/* ---- text ----------------------------------------------------------------------------------- */

enum format { FORMAT_CSV, FORMAT_LINE_PROTOCOL };

/* Where lines go: stdout, or a file for each metric, which several metrics may share. */
struct text_output {
    enum format format;
    const char *directory; /* NULL: stdout */
    FILE *files[COHORT_METRICS];
    char path[PATH_BYTES_MAX];
};

static size_t put_text(char *out, const char *text)
{
    size_t bytes = strlen(text);
    memcpy(out, text, bytes);
    return bytes;
}

static size_t put_number(char *out, uint64_t number)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return count;
}

static size_t put_integer(char *out, int64_t number)
{
    if (number >= 0)
        return put_number(out, (uint64_t)number);
    *out = '-';
    return 1 + put_number(out + 1, (uint64_t)-number);
}

/* A value as people read it: 36.50 at exponent -2. */
static size_t put_value(char *out, const struct cohort_row *row)
{
    if (row->metric == COHORT_SLEEP_STAGE)
        return put_text(out, cohort_stage_name((enum cohort_stage)row->value));
    int digits = -cohort_exponent((enum cohort_metric)row->metric);
    if (digits == 0)
        return put_integer(out, row->value);
    int32_t unit = digits == 1 ? 10 : 100;
    size_t bytes = put_integer(out, row->value / unit);
    out[bytes++] = '.';
    int32_t rest = row->value % unit;
    if (digits == 2)
        out[bytes++] = (char)('0' + rest / 10);
    out[bytes++] = (char)('0' + rest % 10);
    return bytes;
}

static const char csv_header[] = "user,metric,source,time,duration,value,revision\n";

static size_t csv_line(char *out, const struct cohort_row *row)
{
    char *at = out;
    char user[COHORT_ID_BYTES_MAX];
    char time[TIME_TEXT_BYTES_MAX];
    cohort_user_id(user, row->user);
    time_write(time, row->time_ns, NULL);
    at += put_text(at, user);
    *at++ = ',';
    at += put_text(at, cohort_metric_name((enum cohort_metric)row->metric));
    *at++ = ',';
    at += put_text(at, cohort_source_name((enum cohort_source)row->source));
    *at++ = ',';
    at += put_text(at, time);
    *at++ = ',';
    if (row->duration_ns != 0)
        at += put_integer(at, row->duration_ns / NS);
    *at++ = ',';
    at += put_value(at, row);
    *at++ = ',';
    at += put_integer(at, row->revision);
    *at++ = '\n';
    return (size_t)(at - out);
}

/* Names and ids hold nothing that line protocol would have escaped. */
static size_t protocol_line(char *out, const struct cohort_row *row)
{
    char *at = out;
    char user[COHORT_ID_BYTES_MAX];
    cohort_user_id(user, row->user);
    bool is_label = row->metric == COHORT_SLEEP_STAGE;
    at += put_text(at, cohort_metric_name((enum cohort_metric)row->metric));
    at += put_text(at, ",source=");
    at += put_text(at, cohort_source_name((enum cohort_source)row->source));
    at += put_text(at, ",user=");
    at += put_text(at, user);
    at += put_text(at, is_label ? " value=\"" : " value=");
    at += put_value(at, row);
    if (is_label)
        *at++ = '"';
    else if (cohort_exponent((enum cohort_metric)row->metric) == 0)
        *at++ = 'i';
    if (row->duration_ns != 0) {
        at += put_text(at, ",duration=");
        at += put_integer(at, row->duration_ns / NS);
        *at++ = 'i';
    }
    if (row->revision != 0) {
        at += put_text(at, ",revision=");
        at += put_integer(at, row->revision);
        *at++ = 'i';
    }
    *at++ = ' ';
    at += put_integer(at, row->time_ns);
    *at++ = '\n';
    return (size_t)(at - out);
}

static int say_unwritten(const char *path)
{
    say("'%s': %s", path, strerror(errno));
    return TOOL_FAILED;
}

/* The file of a metric, made when its first row comes; NULL: said. */
static FILE *file_of(struct text_output *output, size_t metric)
{
    size_t slot = output->format == FORMAT_CSV ? metric : 0;
    if (output->files[slot] != NULL)
        return output->files[slot];
    int wanted =
        output->format == FORMAT_CSV
            ? snprintf(output->path, sizeof output->path, "%s/%s.csv", output->directory,
                       cohort_metric_name((enum cohort_metric)metric))
            : snprintf(output->path, sizeof output->path, "%s/cohort.lp", output->directory);
    if (wanted < 0 || (size_t)wanted >= sizeof output->path) {
        say("--out: the path is longer than %d bytes", PATH_BYTES_MAX - 1);
        return NULL;
    }
    FILE *file = fopen(output->path, "wx");
    if (file == NULL) {
        say_unwritten(output->path);
        return NULL;
    }
    output->files[slot] = file;
    if (output->format == FORMAT_CSV)
        fputs(csv_header, file); /* a failure is found when the file is closed */
    return file;
}

static int text_rows(struct text_output *output, const struct cohort_row *rows, size_t count)
{
    char line[LINE_BYTES_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t bytes =
            output->format == FORMAT_CSV ? csv_line(line, &rows[i]) : protocol_line(line, &rows[i]);
        if (output->directory == NULL) {
            out_bytes(line, bytes);
            continue;
        }
        FILE *file = file_of(output, rows[i].metric);
        if (file == NULL)
            return TOOL_FAILED;
        if (fwrite(line, 1, bytes, file) != bytes)
            return say_unwritten(output->directory);
    }
    return TOOL_OK;
}

static int write_text(struct cohort *cohort, enum format format, const char *directory)
{
    struct text_output output = { .format = format, .directory = directory };
    if (directory != NULL && mkdir(directory, 0777) != 0 && errno != EEXIST)
        return say_unwritten(directory);
    if (directory == NULL && format == FORMAT_CSV)
        out_text(csv_header);
    int code = TOOL_OK;
    while (code == TOOL_OK && !out_failed()) {
        const struct cohort_row *rows;
        size_t count;
        enum cohort_result result = cohort_next(cohort, &rows, &count);
        if (result == COHORT_END)
            break;
        code = result == COHORT_NO_MEMORY ? say_no_memory() : text_rows(&output, rows, count);
    }
    for (size_t i = 0; i < COHORT_METRICS; i++)
        if (output.files[i] != NULL) {
            bool has_failed = ferror(output.files[i]) != 0;
            if ((fclose(output.files[i]) != 0 || has_failed) && code == TOOL_OK)
                code = say_unwritten(directory);
        }
    return code;
}

/* ---- into a store --------------------------------------------------------------------------- */

struct store_output {
    holter_store *store;
    holter_batch *batch;
    uint32_t user_count;
    uint64_t *users;                     /* numbers by person */
    uint32_t (*sources)[COHORT_SOURCES]; /* 0: not there yet */
    uint32_t metrics[COHORT_METRICS];
    int64_t stages[COHORT_STAGES];
    uint64_t rows, commits;
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int find_metrics(struct store_output *output)
{
    for (size_t i = 0; i < COHORT_METRICS; i++) {
        holter_metric metric;
        int code = metric_find(output->store, cohort_metric_name((enum cohort_metric)i), &metric);
        if (code != TOOL_OK)
            return code;
        output->metrics[i] = metric.number;
        if (i != COHORT_SLEEP_STAGE)
            continue;
        for (size_t stage = 0; stage < COHORT_STAGES; stage++) {
            holter_error err = { 0 };
            if (holter_metric_add_label(output->store, metric.number, 0,
                                        cohort_stage_name((enum cohort_stage)stage),
                                        &output->stages[stage], &err) != HOLTER_OK)
                return say_error(&err);
        }
    }
    return TOOL_OK;
}

static int add_users(struct store_output *output)
{
    enum { AT_ONCE = 1024 };
    static char texts[AT_ONCE][COHORT_ID_BYTES_MAX];
    static holter_id ids[AT_ONCE];
    for (uint32_t first = 0; first < output->user_count; first += AT_ONCE) {
        uint32_t left = output->user_count - first;
        uint32_t count = left < AT_ONCE ? left : AT_ONCE;
        for (uint32_t i = 0; i < count; i++) {
            ids[i].bytes = texts[i];
            ids[i].count = cohort_user_id(texts[i], first + i);
        }
        holter_error err = { 0 };
        if (holter_users_add(output->store, ids, count, NULL, output->users + first, &err) !=
            HOLTER_OK)
            return say_error(&err);
    }
    return TOOL_OK;
}

static int commit(struct store_output *output)
{
    holter_error err = { 0 };
    if (holter_commit(output->store, output->batch, &err) != HOLTER_OK)
        return say_error(&err);
    output->rows += holter_batch_count(output->batch);
    output->commits++;
    holter_batch_clear(output->batch);
    return TOOL_OK;
}

static int store_rows(struct store_output *output, const struct cohort_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cohort_row *row = &rows[i];
        uint32_t *source = &output->sources[row->user][row->source];
        holter_error err = { 0 };
        const char *name = cohort_source_name((enum cohort_source)row->source);
        if (*source == 0 && holter_source_need(output->store, output->users[row->user], name,
                                               source, &err) != HOLTER_OK)
            return say_error(&err);
        holter_value value = { .integer = row->metric == COHORT_SLEEP_STAGE
                                              ? output->stages[row->value]
                                              : row->value };
        const holter_row stored = {
            .user = output->users[row->user],
            .metric = output->metrics[row->metric],
            .source = *source,
            .time_ns = row->time_ns,
            .duration_ns = row->duration_ns,
            .values = &value,
            .value_count = 1,
            .revision = row->revision,
        };
        if (holter_batch_add(output->batch, &stored, NULL, &err) != HOLTER_OK)
            return say_error(&err);
    }
    return TOOL_OK;
}

static int fill_store(struct store_output *output, struct cohort *cohort)
{
    output->users = calloc(output->user_count, sizeof *output->users);
    output->sources = calloc(output->user_count, sizeof *output->sources);
    if (output->users == NULL || output->sources == NULL)
        return say_no_memory();
    int code = find_metrics(output);
    if (code == TOOL_OK)
        code = add_users(output);
    if (code != TOOL_OK)
        return code;
    holter_error err = { 0 };
    if (holter_batch_new(&output->batch, output->store, NULL, &err) != HOLTER_OK)
        return say_error(&err);
    while (code == TOOL_OK && signal_noted() == 0) {
        const struct cohort_row *rows;
        size_t count;
        enum cohort_result result = cohort_next(cohort, &rows, &count);
        if (result == COHORT_END)
            break;
        code = result == COHORT_NO_MEMORY ? say_no_memory() : store_rows(output, rows, count);
        if (code == TOOL_OK && holter_batch_count(output->batch) >= COMMIT_ROWS_MAX)
            code = commit(output);
    }
    if (code == TOOL_OK && holter_batch_count(output->batch) > 0)
        code = commit(output);
    if (code == TOOL_OK && signal_noted() != 0) {
        say("stopped by a signal; what was committed is stored");
        code = 128 + signal_noted();
    }
    return code;
}

static int write_store(struct cohort *cohort, uint32_t user_count, const char *path,
                       const char *keyring, bool json)
{
    struct store_output output = { .user_count = user_count };
    int code = store_open(&output.store, path, keyring, false);
    if (code != TOOL_OK)
        return code;
    signals_note();
    double begin_s = seconds_now();
    code = fill_store(&output, cohort);
    double taken_s = seconds_now() - begin_s;
    if (code == TOOL_OK)
        out_format(json ? "{\"users\": %u, \"rows\": %llu, \"commits\": %llu, \"seconds\": %.3f, "
                          "\"rows_per_second\": %.0f}\n"
                        : "%u users, %llu rows in %llu commits: %.1f s, %.0f rows/s\n",
                   user_count, (unsigned long long)output.rows, (unsigned long long)output.commits,
                   taken_s, taken_s > 0 ? (double)output.rows / taken_s : 0.0);
    holter_batch_free(output.batch);
    holter_close(output.store);
    free(output.users);
    free(output.sources);
    return code;
}

/* ---- options -------------------------------------------------------------------------------- */

static const char *metric_name_at(const void *context, size_t index)
{
    (void)context;
    return cohort_metric_name((enum cohort_metric)index);
}

/* "heart_rate,steps". Returns ARGS_GO or TOOL_USAGE. */
static int metrics_read(bool wanted[static COHORT_METRICS], const char *text)
{
    size_t bytes;
    for (const char *at = text;; at += bytes + 1) {
        bytes = strcspn(at, ",");
        size_t metric = 0;
        while (metric < COHORT_METRICS && (strlen(metric_name_at(NULL, metric)) != bytes ||
                                           memcmp(metric_name_at(NULL, metric), at, bytes) != 0))
            metric++;
        if (metric == COHORT_METRICS) {
            char name[HOLTER_NAME_BYTES_MAX + 1] = "";
            if (bytes < sizeof name)
                memcpy(name, at, bytes);
            const char *nearest = nearest_name(name, COHORT_METRICS, metric_name_at, NULL);
            return say_usage(&verb_simulate, "--metric names one that is not made up%s%s%s",
                             nearest != NULL ? "; did you mean '" : "",
                             nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
        }
        wanted[metric] = true;
        if (at[bytes] == '\0')
            return ARGS_GO;
    }
}

/* What the cohort is to be. Returns ARGS_GO or TOOL_USAGE. */
static int cohort_read(struct cohort_options *out, bool wanted[static COHORT_METRICS],
                       const char *from, const char *tz, const char *metrics)
{
    int64_t from_ns;
    if (time_read_bound(&from_ns, from, NULL) != TIME_OK || from_ns % (60 * NS) != 0 ||
        from_ns < 86400 * NS || from_ns > UINT32_MAX * NS)
        return say_usage(&verb_simulate, "--from takes a date or an RFC 3339 time of whole minutes "
                                         "from 1970-01-02 to 2106");
    out->from_s = from_ns / NS;
    int64_t offset_s = 0;
    out->mixed_offsets = strcmp(tz, "mixed") == 0;
    if (!out->mixed_offsets && (!time_offset_read(&offset_s, tz) || offset_s < -64800 ||
                                offset_s > 64800 || offset_s % 60 != 0))
        return say_usage(&verb_simulate, "--tz takes UTC, an offset such as +05:30, or mixed");
    out->offset_s = (int32_t)offset_s;
    if (out->users > COHORT_USERS_MAX)
        return say_usage(&verb_simulate, "--users takes a whole number from 1 to %d",
                         COHORT_USERS_MAX);
    if (out->days > COHORT_DAYS_MAX)
        return say_usage(&verb_simulate, "--days takes a whole number from 1 to %d",
                         COHORT_DAYS_MAX);
    if (metrics == NULL)
        return ARGS_GO;
    out->metrics = wanted;
    return metrics_read(wanted, metrics);
}

static int run(int count, char **arguments)
{
    uint32_t seed = 1;
    struct cohort_options cohort_options = { .users = 10, .days = 7 };
    const char *from = NULL;
    const char *tz = NULL;
    const char *metrics = NULL;
    const char *format = NULL;
    const char *directory = NULL;
    const char *store = NULL;
    const char *keyring = NULL;
    bool json = false;
    const struct option options[] = {
        { "--seed", OPTION_COUNT, &seed },
        { "--users", OPTION_COUNT, &cohort_options.users },
        { "--days", OPTION_COUNT, &cohort_options.days },
        { "--from", OPTION_TEXT, &from },
        { "--tz", OPTION_TEXT, &tz },
        { "--metric", OPTION_TEXT, &metrics },
        { "--format", OPTION_TEXT, &format },
        { "--out", OPTION_TEXT, &directory },
        { "--store", OPTION_TEXT, &store },
        { "--keyring", OPTION_TEXT, &keyring },
        { "--json", OPTION_FLAG, &json },
    };
    int plain;
    int code = args_parse(&verb_simulate, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain != 0)
        return say_usage(&verb_simulate, "simulate takes options only; a store goes with --store");
    if (store != NULL && (format != NULL || directory != NULL))
        return say_usage(&verb_simulate, "--store goes without --format and --out");
    if (store == NULL && (keyring != NULL || json))
        return say_usage(&verb_simulate, "--keyring and --json go with --store only");
    bool is_csv = format == NULL || strcmp(format, "csv") == 0;
    if (!is_csv && strcmp(format, "line-protocol") != 0)
        return say_usage(&verb_simulate, "--format takes csv or line-protocol");
    bool wanted[COHORT_METRICS] = { false };
    code = cohort_read(&cohort_options, wanted, from != NULL ? from : "2025-01-01",
                       tz != NULL ? tz : "UTC", metrics);
    if (code != ARGS_GO)
        return code;
    cohort_options.seed = seed;

    struct cohort *cohort;
    if (!cohort_new(&cohort, &cohort_options))
        return say_no_memory();
    if (store != NULL)
        code = write_store(cohort, cohort_options.users, store, keyring, json);
    else
        code = write_text(cohort, is_csv ? FORMAT_CSV : FORMAT_LINE_PROTOCOL,
                          directory != NULL && strcmp(directory, "-") == 0 ? NULL : directory);
    cohort_free(cohort);
    return code;
}
