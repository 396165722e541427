/*
 * import.c -- holter import: rows of files into a store.
 *
 *     file -> input (zstd) -> csv (records) -> import_csv or import_preset (rows)
 *          -> import_rows, or import_replace (commit)
 *
 *   I1  A row is stored whole or refused with a sentence that names file, line and column.
 *   I2  With --on-error stop every row before the first refused one is stored, and none after it.
 *   I3  A signal ends the import after the batch at hand, with the summary.
 */
#include "import_csv.h"
#include "import_queue.h"
#include "import_preset.h"
#include "import_replace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "progress.h"
#include "zones.h"

enum { REFUSALS_SHOWN_MAX = 10, ROWS_A_LOOK = 1024, TEXT_BYTES = 400 };

struct import {
    /* what was asked for */
    const char *format, *metric_name, *user_text, *source_name, *duration_text, *time_text, *zone,
        *on_error;
    const char *region, *keyring;
    struct option_list map_texts;
    bool round, json, skips;
    const struct preset *preset; /* NULL: --format csv */
    const char *revision_text;   /* NULL: none was given */
    const char *delimiter_text;  /* likewise */
    struct csv_form form;
    uint32_t skip_lines;
    struct time_zone time_zone; /* that --tz names */
    char *user;                 /* owned; NULL: none was given */
    /* what there is */
    holter_store *store;
    struct csv *csv;
    struct import_queue queue;
    struct import_rows *rows;    /* of the queue: the set that is filled */
    struct mapped_reader mapped; /* of --format csv */
    struct preset_reader reader; /* of a preset */
    struct replace replace;      /* of a preset that replaces */
    /* where we are */
    char **files;
    uint32_t file;
    uint64_t line;
    uint64_t rows_read; /* for the progress: counts may be those of a thread */
    uint64_t refusals_shown;
    struct progress progress;
    uint64_t bytes_before; /* of the files before this one */
    bool replaces_now;     /* a file was begun in `replace` */
};

static int run(int count, char **arguments);

const struct verb verb_import = {
    .name = "import",
    .summary = "store the rows of CSV files and exports",
    .help =
        "usage: holter import STORE --format csv --map PART=COLUMN,... --time-format T [options] "
        "FILE...\n"
        "       holter import STORE --format fitabase|welltory [--tz ZONE] [--revision T] "
        "[options] "
        "FILE...\n"
        "\n"
        "Stores the rows of CSV files (plain or Zstandard; - is stdin), each with a header line. "
        "Running it again\n"
        "does no harm: rows that are there already are counted as duplicates.\n"
        "Presets know the columns of every file of an export, whose kind its header line tells: "
        "fitabase\n"
        "(Fitbit data), welltory (each publication takes the place of older ones).\n"
        "\n"
        "  --map LIST       what the columns hold: user, time, value, value.FIELD, metric, source, "
        "duration, end,\n"
        "                   key, revision, flags; may be given again; \"\\,\" is a comma in a "
        "column's name\n"
        "  --time-format T  unix_s, unix_ms, unix_ns, rfc3339, or a pattern: %Y %y %m %b %B %h %d "
        "%e "
        "%j %H %I %M\n"
        "                   %S %p %f %z %s %T %F %D %R %n %t %%\n"
        "  --tz ZONE        of times that do not tell: UTC (default), an offset such as +05:30, or "
        "a name such as\n"
        "                   America/New_York: then local times shown twice (the first is taken) or "
        "never are counted\n"
        "  --metric M       of rows without a metric column\n"
        "  --user U         of rows without a user column: an id, @FILE or - (others see "
        "arguments: prefer @FILE)\n"
        "  --source S       of rows without a source column (import)\n"
        "  --duration D     of intervals without a duration column: 60s, 1m, 0.5h; plain numbers "
        "are seconds\n"
        "  --delimiter C    what columns are apart by, in the place of a comma: ';', tab ..\n"
        "  --decimal-comma  values and durations have a comma for a point (36,5)\n"
        "  --skip-lines N   pass over so many lines before the header\n"
        "  --skip-empty     pass over rows without a value, instead of refusing them; they are "
        "counted\n"
        "  --round          round values that are finer than the metric keeps, instead of refusing "
        "them\n"
        "  --on-error E     at a bad row: stop (default; rows before it stay stored) or skip\n"
        "  --revision T     welltory: the time of the publication, where no folder "
        "export-YYYY-MM-DDTHHMM tells it\n"
        "  --region R       where new users are placed (the store's first region)\n"
        "  --keyring FILE   (STORE.keyring)\n"
        "  --json           the summary as JSON\n"
        "\n"
        "examples:\n"
        "  holter import /srv/wear --format csv --metric heart_rate --map "
        "user=Id,time=Time,value=Value \\\n"
        "      --time-format '%m/%d/%Y %I:%M:%S %p' heartrate_seconds_merged.csv.zst\n"
        "  holter import /srv/wear --format csv --metric steps --duration 60s \\\n"
        "      --map user=user,time=datetime,value=steps --time-format '%Y-%m-%d %H:%M:%S' "
        "*_steps.csv.zst\n"
        "  holter import /srv/wear --format csv --metric blood_pressure --user @me.txt "
        "--time-format rfc3339 \\\n"
        "      --map time=when,value.systolic=sys,value.diastolic=dia pressure.csv\n"
        "  holter import /srv/wear --format fitabase --tz -05:00 'Fitabase Data'*/*.csv\n",
    .run = run,
};

/* ---- sentences about rows ------------------------------------------------------------------- */

/* One refused row; whether to go on. `column` NULL: the sentence is about the whole row. */
static bool refusal_say(struct import *im, const char *file, uint64_t line, const char *column,
                        const char *why)
{
    if (!im->skips || im->refusals_shown < REFUSALS_SHOWN_MAX)
        say("%s:%llu: %s%s%s", file, (unsigned long long)line, column != NULL ? column : "",
            column != NULL ? ": " : "", why);
    im->refusals_shown++;
    return im->skips;
}

/* The file's name for sentences. */
static const char *file_name(const struct import *im, uint32_t file)
{
    return strcmp(im->files[file], "-") == 0 ? "stdin" : im->files[file];
}

/*
 * The row at hand is refused; false always. Rows before it are stored first, where it ends the import: all of them, so that
 * where one of these is refused it counts as not read (I2), and *code is not TOOL_OK.
 */
static bool row_refuse(struct import *im, const char *column, const char *why, int *code)
{
    bool is_last = !im->skips && (im->preset == NULL || !im->preset->replaces);
    *code = is_last ? import_queue_drain(&im->queue) : import_queue_wait(&im->queue);
    im->rows = import_queue_rows(&im->queue);
    if (*code != TOOL_OK)
        return false;
    im->rows->counts.rows++;
    im->rows->counts.refused++;
    refusal_say(im, file_name(im, im->file), im->line, column, why);
    return false;
}

static bool refused_by_store(void *context, const struct import_row *row, const char *why)
{
    struct import *im = context;
    return refusal_say(im, file_name(im, row->file), row->line, NULL, why);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* The metrics of a preset's file, defined where they are its own. */
static int preset_metrics_need(struct import *im)
{
    struct preset_reader *reader = &im->reader;
    for (size_t m = 0; m < reader->file->metric_count; m++) {
        holter_metric *metric = &reader->metrics[m];
        size_t field_count = metric->field_count;
        holter_kind kind = metric->kind;
        bool is_builtin = reader->file->metrics[m].unit == NULL;
        holter_error err = { 0 };
        uint32_t number;
        holter_status status =
            is_builtin ? HOLTER_OK : holter_metric_define(im->store, metric, &number, &err);
        if (status == HOLTER_OK)
            status = holter_metric_find(im->store, reader->file->metrics[m].name, metric, &err);
        if (status != HOLTER_OK)
            return say_error(&err);
        if (metric->field_count != field_count || metric->kind != kind) {
            say("metric %s: found other fields than --format %s stores, expected those of the "
                "catalog",
                metric->name, im->format);
            return TOOL_FAILED;
        }
    }
    return TOOL_OK;
}

static int preset_header_read(struct import *im, struct csv *csv)
{
    const char *file = file_name(im, im->file);
    if (!preset_bind(&im->reader, im->preset, &im->time_zone, csv_fields(csv),
                     csv_field_count(csv))) {
        char known[TEXT_BYTES] = "";
        for (size_t i = 0; i < im->preset->file_count; i++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s",
                     i == 0 ? "" : ", ", im->preset->files[i].name);
        say("%s:%llu: header: found %zu columns that are no file of --format %s, expected one of "
            "%s",
            file, (unsigned long long)csv_line(csv), csv_field_count(csv), im->format, known);
        return TOOL_FAILED;
    }
    int code = preset_metrics_need(im);
    if (code != TOOL_OK || !im->preset->replaces)
        return code;
    int64_t revision;
    if (im->revision_text != NULL ? !replace_revision_read(&revision, im->revision_text)
                                  : !replace_revision_of_path(&revision, im->files[im->file])) {
        say("%s: found no time of publication in the path, expected a folder named "
            "export-YYYY-MM-DDTHHMM, or --revision T",
            file);
        return TOOL_USAGE;
    }
    code = replace_file_begin(&im->replace, &im->reader, revision);
    im->replaces_now = code == TOOL_OK;
    return code;
}

static int header_read(struct import *im)
{
    if (im->preset != NULL)
        return preset_header_read(im, im->csv);
    if (mapped_bind(&im->mapped, csv_fields(im->csv), csv_field_count(im->csv)) == MAPPED_OK)
        return TOOL_OK;
    say("%s:%llu: header: %s", file_name(im, im->file), (unsigned long long)csv_line(im->csv),
        im->mapped.problem);
    return TOOL_FAILED;
}

/* Whose the samples are that follow; `is_same`: as those before. */
struct person {
    struct csv_field id, source;
    bool is_same;
};

/* As room_make, where rows have to go first, or a person is looked up. */
TOOL_APART
static int room_find(struct import *im, size_t samples, size_t values, const struct person *person)
{
    if (!import_rows_have_room(im->rows, samples, values)) {
        int code = import_queue_next(&im->queue);
        im->rows = import_queue_rows(&im->queue);
        if (code != TOOL_OK)
            return code;
    }
    struct import_counts *counts = &im->rows->counts;
    counts->rows++;
    counts->samples += samples;
    if (import_rows_need_room(im->rows, samples, values) &&
        import_rows_person(im->rows, person->id, person->source))
        return TOOL_OK;
    counts->not_stored += samples;
    return say_no_memory();
}

/*
 * There is room for so many samples of a person, which follow and are of the row at hand: both are counted.
 * Where rows before it were not stored it counts as not read (I2).
 */
static inline int room_make(struct import *im, size_t samples, size_t values,
                            const struct person *person)
{
    struct import_rows *rows = im->rows;
    bool has_all = person->is_same && import_rows_know_person(rows) &&
                   import_rows_have_room(rows, samples, values) &&
                   import_rows_need_room(rows, samples, values);
    if (!has_all)
        return room_find(im, samples, values, person);
    rows->counts.rows++;
    rows->counts.samples += samples;
    return TOOL_OK;
}

/* As room_make, where users' parts are replaced. */
static int replace_room_make(struct import *im, size_t values)
{
    const char *problem;
    int code = replace_row_begin(&im->replace, values, &problem);
    if (problem != NULL)
        say("%s:%llu: %s", file_name(im, im->file), (unsigned long long)im->line, problem);
    return code;
}

/* The samples of the reader to the end of the rows. */
static int preset_rows_add(struct import *im)
{
    const struct preset_reader *reader = &im->reader;
    size_t value_count = 0;
    for (size_t i = 0; i < reader->sample_count; i++)
        value_count += reader->metrics[reader->samples[i].metric].field_count;
    int code = TOOL_OK;
    struct import_counts *counts = &im->rows->counts;
    if (!im->preset->replaces && reader->sample_count > 0) {
        const struct person person = { .id = reader->id,
                                       .source = { im->source_name, strlen(im->source_name) } };
        code = room_make(im, reader->sample_count, value_count, &person);
    } else {
        counts->rows++;
        counts->samples += reader->sample_count;
        if (im->preset->replaces)
            code = replace_room_make(im, value_count);
        if (code != TOOL_OK)
            counts->not_stored += reader->sample_count;
    }
    for (size_t i = 0; code == TOOL_OK && i < reader->sample_count; i++) {
        const struct preset_sample *sample = &reader->samples[i];
        const struct import_sample added = {
            .metric = &reader->metrics[sample->metric],
            .values = sample->values,
            .time_ns = sample->time_ns,
            .duration_ns = sample->duration_ns,
            .revision = im->preset->replaces ? im->replace.revision : 0,
            .flags = sample->flags,
        };
        import_rows_add(im->rows, im->file, im->line, &added);
    }
    return code;
}

/* The record at hand of a preset's file. false: refused, or *code is not TOOL_OK. */
static bool preset_record_read(struct import *im, int *code)
{
    switch (preset_row_read(&im->reader, csv_fields(im->csv))) {
    case PRESET_NO_MEMORY:
        *code = say_no_memory();
        return false;
    case PRESET_REFUSED:
        return row_refuse(im, im->reader.problem_column, im->reader.problem, code);
    case PRESET_OK:
        break;
    }
    if (im->preset->replaces && replace_is_old(&im->replace)) {
        im->rows->counts.rows++;
        im->rows->counts.samples += im->reader.sample_count;
        im->rows->counts.superseded += im->reader.sample_count;
    } else {
        *code = preset_rows_add(im);
    }
    return *code == TOOL_OK;
}

/* The record at hand of a file that --map tells. false: refused, or *code is not TOOL_OK. */
static bool mapped_record_read(struct import *im, int *code)
{
    struct mapped_reader *mapped = &im->mapped;
    switch (mapped_row_read(mapped, csv_fields(im->csv))) {
    case MAPPED_REFUSED:
        return row_refuse(im, mapped->problem_column, mapped->problem, code);
    case MAPPED_FAILED:
        *code = say_error(&mapped->err);
        return false;
    case MAPPED_NO_MEMORY:
        *code = say_no_memory();
        return false;
    case MAPPED_EMPTY:
        im->rows->counts.rows++;
        im->rows->counts.empty++;
        return true;
    case MAPPED_OK:
        break;
    }
    const struct person person = { mapped->row_user, mapped->row_source, mapped->is_same_person };
    *code = room_make(im, 1, mapped->sample.metric->field_count, &person);
    if (*code == TOOL_OK)
        import_rows_add(im->rows, im->file, im->line, &mapped->sample);
    return *code == TOOL_OK;
}

static int record_read(struct import *im, size_t column_count)
{
    int code = TOOL_OK;
    im->rows_read++;
    bool ok;
    if (csv_field_count(im->csv) != column_count) {
        char why[TEXT_BYTES];
        snprintf(why, sizeof why, "row: found %zu columns, expected %zu as in the header",
                 csv_field_count(im->csv), column_count);
        ok = row_refuse(im, NULL, why, &code);
    } else if (im->preset != NULL) {
        ok = preset_record_read(im, &code);
    } else {
        ok = mapped_record_read(im, &code);
    }
    return code == TOOL_OK && !ok && !im->skips ? TOOL_FAILED : code;
}

static int records_read(struct import *im, struct input *input)
{
    struct csv *csv = im->csv;
    const char *file = file_name(im, im->file);
    int code = TOOL_OK;
    bool has_header = false;
    size_t column_count = 0;
    while (code == TOOL_OK && signal_noted() == 0) {
        enum csv_result result = csv_next(csv);
        im->line = csv_line(csv);
        if (im->rows_read % ROWS_A_LOOK == 0)
            progress_show(&im->progress, im->rows_read, im->bytes_before + input_bytes(input));
        if (result == CSV_END)
            break;
        if (result == CSV_BROKEN || result == CSV_BINARY) {
            code = import_queue_wait(&im->queue);
            if (code != TOOL_OK)
                return code;
            say("%s:%llu: %s", file, (unsigned long long)im->line,
                result == CSV_BROKEN ? input_problem(input) : csv_problem(csv));
            return TOOL_FAILED;
        }
        if (!has_header) {
            if (result == CSV_BAD) {
                say("%s:%llu: header: %s", file, (unsigned long long)im->line, csv_problem(csv));
                return TOOL_FAILED;
            }
            has_header = true;
            column_count = csv_field_count(csv);
            code = header_read(im);
        } else if (result == CSV_BAD) {
            im->rows_read++;
            char why[TEXT_BYTES];
            snprintf(why, sizeof why, "row: %s", csv_problem(csv));
            row_refuse(im, NULL, why, &code);
            if (code == TOOL_OK && !im->skips)
                code = TOOL_FAILED;
        } else {
            code = record_read(im, column_count);
        }
    }
    if (code == TOOL_OK && !has_header && signal_noted() == 0) {
        say("%s: found %s, expected a header line and rows", file,
            input_is_empty(input) ? "an empty file"
            : im->skip_lines > 0  ? "nothing behind the lines that --skip-lines passes over"
                                  : "nothing but empty lines");
        code = TOOL_FAILED;
    }
    return code;
}

static int file_read(struct import *im)
{
    const char *problem;
    struct input *input;
    if (!input_open(&input, im->files[im->file], &problem)) {
        say("%s: %s", file_name(im, im->file), problem);
        return TOOL_FAILED;
    }
    csv_begin(im->csv, &im->form, input_read, input);
    im->replaces_now = false;
    int code = records_read(im, input);
    if (im->replaces_now) {
        int ended = replace_file_end(&im->replace, code == TOOL_OK && signal_noted() == 0);
        code = code != TOOL_OK ? code : ended;
    }
    im->bytes_before += input_bytes(input);
    input_close(input);
    return code;
}

/* ---- the import ----------------------------------------------------------------------------- */

static int delimiter_read(struct import *im)
{
    const char *text = im->delimiter_text;
    im->form.skip_lines = im->skip_lines;
    if (text == NULL)
        return TOOL_OK;
    bool is_tab = strcmp(text, "tab") == 0;
    char one = is_tab ? '\t' : text[0];
    if ((!is_tab && strlen(text) != 1) || !csv_can_delimit(one))
        return say_usage(&verb_import, "--delimiter takes one character, such as ';', or tab");
    im->form.delimiter = one;
    return TOOL_OK;
}

/* What --format csv needs. */
static int csv_options_check(struct import *im)
{
    struct mapped_reader *mapped = &im->mapped;
    const struct map *map = &mapped->map;
    if (im->time_text == NULL)
        return say_usage(&verb_import, "import needs --time-format");
    int code = delimiter_read(im);
    if (code != TOOL_OK)
        return code;
    const char *problem = time_format_read(&mapped->time_format, im->time_text);
    if (problem != NULL)
        return say_usage(&verb_import, "--time-format: %s", problem);
    mapped->time_text = im->time_text;
    mapped->time_format.zone = im->zone == NULL ? NULL : &im->time_zone;
    mapped->round = im->round;
    mapped->end_format = mapped->time_format;
    if (map->columns[SLOT_END] != NULL && map->columns[SLOT_DURATION] != NULL)
        return say_usage(&verb_import, "--map takes either a duration column or an end column");
    mapped->source = im->source_name;
    mapped->duration_ns = -1;
    if (im->duration_text != NULL && duration_read(&mapped->duration_ns, im->duration_text,
                                                   strlen(im->duration_text)) != TIME_OK)
        return say_usage(&verb_import, "--duration takes a duration such as 60s, 1m or 0.5h");
    if (im->revision_text != NULL)
        return say_usage(&verb_import, "--revision is of --format welltory; --map gives revision");
    if (map->columns[SLOT_TIME] == NULL)
        return say_usage(&verb_import, "--map needs a time column: --map time=COLUMN,...");
    if (map->columns[SLOT_USER] == NULL && im->user_text == NULL)
        return say_usage(&verb_import, "import needs --user, or a user column in --map");
    if (map->columns[SLOT_METRIC] == NULL && im->metric_name == NULL)
        return say_usage(&verb_import, "import needs --metric, or a metric column in --map");
    if (map->columns[SLOT_VALUE] == NULL && map->columns[SLOT_KEY] == NULL && map->field_count == 0)
        return say_usage(&verb_import,
                         "--map needs a value column: value=COLUMN, or value.FIELD=COLUMN");
    code = im->user_text == NULL ? TOOL_OK : user_id_read(&im->user, &verb_import, im->user_text);
    mapped->user = im->user;
    return code;
}

/* A preset knows what the columns hold. */
static int preset_options_check(struct import *im)
{
    const struct {
        const char *name;
        bool is_given;
    } options[] = { { "--map", im->map_texts.count > 0 },
                    { "--metric", im->metric_name != NULL },
                    { "--user", im->user_text != NULL },
                    { "--duration", im->duration_text != NULL },
                    { "--time-format", im->time_text != NULL },
                    { "--delimiter", im->delimiter_text != NULL },
                    { "--skip-lines", im->skip_lines > 0 },
                    { "--skip-empty", im->mapped.skips_empty },
                    { "--decimal-comma", im->mapped.decimal_comma } };
    for (size_t i = 0; i < TOOL_COUNT(options); i++)
        if (options[i].is_given)
            return say_usage(&verb_import, "--format %s knows its columns: leave %s out",
                             im->format, options[i].name);
    int64_t revision;
    if (im->revision_text == NULL)
        return TOOL_OK;
    if (!im->preset->replaces)
        return say_usage(&verb_import, "--revision is of --format welltory");
    if (!replace_revision_read(&revision, im->revision_text))
        return say_usage(&verb_import,
                         "--revision takes a time such as 2020-06-19T19:46:00Z, in whole seconds");
    return TOOL_OK;
}

static int options_check(struct import *im)
{
    if (im->format != NULL)
        im->preset = preset_find(im->format);
    if (im->format == NULL || (im->preset == NULL && strcmp(im->format, "csv") != 0))
        return say_usage(&verb_import, "import needs --format csv, fitabase or welltory");
    int code = im->zone == NULL ? TOOL_OK : zone_find(&im->time_zone, &verb_import, im->zone);
    if (code != TOOL_OK)
        return code;
    if (im->on_error != NULL && strcmp(im->on_error, "stop") != 0 &&
        strcmp(im->on_error, "skip") != 0)
        return say_usage(&verb_import, "--on-error takes stop or skip");
    im->skips = im->on_error != NULL && strcmp(im->on_error, "skip") == 0;
    if (im->source_name == NULL)
        im->source_name = im->preset != NULL ? im->preset->name : "import";
    size_t source_bytes = strlen(im->source_name);
    if (source_bytes == 0 || source_bytes > HOLTER_SOURCE_NAME_BYTES_MAX ||
        !is_utf8(im->source_name, source_bytes))
        return say_usage(&verb_import, "--source takes 1 to %d bytes of UTF-8",
                         HOLTER_SOURCE_NAME_BYTES_MAX);
    return im->preset != NULL ? preset_options_check(im) : csv_options_check(im);
}

static holter_status store_metric_find(void *store, holter_metric *out, const char *name,
                                       holter_error *err)
{
    return holter_metric_find(store, name, out, err);
}

/* The metric of --metric: a wrong mapping is told before any file is read. */
static int default_metric_find(struct import *im)
{
    holter_metric metric;
    int code = metric_find(im->store, im->metric_name, &metric);
    if (code != TOOL_OK)
        return code;
    switch (mapped_default(&im->mapped, &metric)) {
    case MAPPED_OK:
        return TOOL_OK;
    case MAPPED_NO_MEMORY:
        return say_no_memory();
    case MAPPED_EMPTY:
    case MAPPED_REFUSED:
    case MAPPED_FAILED:
        break;
    }
    return say_usage(&verb_import, "%s", im->mapped.problem);
}

static void summary_print(const struct import *im)
{
    const struct import_counts counts = import_queue_counts(&im->queue);
    const struct import_counts *c = &counts;
    const struct {
        const char *name;
        uint64_t count;
    } parts[] = {
        { "new", c->fresh },           { "duplicate", c->duplicate },
        { "corrected", c->corrected }, { "superseded", c->superseded },
        { "flagged", c->flagged },     { "refused", c->refused },
    };
    /* With a preset a row is several samples, and these are what is counted. */
    if (im->json)
        out_format("{\"rows\": %llu", (unsigned long long)c->rows);
    else
        out_format("%llu rows", (unsigned long long)c->rows);
    if (im->preset != NULL)
        out_format(im->json ? ", \"samples\": %llu" : ", %llu samples",
                   (unsigned long long)c->samples);
    for (size_t i = 0; i < TOOL_COUNT(parts); i++)
        if (im->json)
            out_format(", \"%s\": %llu", parts[i].name, (unsigned long long)parts[i].count);
        else
            out_format("%s %llu %s", i == 0 ? ":" : ",", (unsigned long long)parts[i].count,
                       parts[i].name);
    if (c->empty > 0)
        out_format(im->json ? ", \"empty\": %llu" : ", %llu empty", (unsigned long long)c->empty);
    if (im->json)
        out_format(", \"not_stored\": %llu, \"ambiguous\": %llu, \"missing\": %llu}",
                   (unsigned long long)c->not_stored, (unsigned long long)im->time_zone.ambiguous,
                   (unsigned long long)im->time_zone.missing);
    else if (c->not_stored > 0)
        out_format(", %llu not stored", (unsigned long long)c->not_stored);
    if (!im->json && im->time_zone.ambiguous + im->time_zone.missing > 0)
        out_format(", %llu ambiguous, %llu missing local times",
                   (unsigned long long)im->time_zone.ambiguous,
                   (unsigned long long)im->time_zone.missing);
    out_text("\n");
}

static int files_read(struct import *im, int file_count)
{
    signals_note();
    uint64_t bytes_all = 0;
    for (int i = 0; i < file_count; i++)
        bytes_all += input_size(im->files[i]);
    progress_begin(&im->progress, bytes_all);

    int code = TOOL_OK;
    for (int i = 0; i < file_count && code == TOOL_OK && signal_noted() == 0; i++) {
        im->file = (uint32_t)i;
        code = file_read(im);
    }
    /* What came before a bad row or a signal is stored (I2, I3). A store that has failed need not say so twice. */
    int before;
    holter_status stored = import_queue_end(&im->queue, &before);
    bool is_said = code != TOOL_OK && im->refusals_shown == 0;
    int last = is_said ? code : import_rows_say(im->rows, stored);
    if (before != TOOL_OK)
        last = before;
    progress_end(&im->progress);
    if (im->skips && im->refusals_shown > REFUSALS_SHOWN_MAX)
        say("and %llu more rows were refused",
            (unsigned long long)(im->refusals_shown - REFUSALS_SHOWN_MAX));
    summary_print(im);
    if (code == TOOL_OK)
        code = last;
    if (code == TOOL_OK && signal_noted() != 0) {
        say("stopped by a signal; the rows counted are stored");
        code = 128 + signal_noted();
    }
    return code;
}

static int import_run(struct import *im, const char *path, int file_count)
{
    int code = store_open(&im->store, path, im->keyring, false);
    if (code == TOOL_OK)
        code = region_check(im->store, im->region);
    im->mapped.metric_find = store_metric_find;
    im->mapped.context = im->store;
    if (code == TOOL_OK && im->metric_name != NULL)
        code = default_metric_find(im);
    if (code == TOOL_OK)
        code = import_queue_init(&im->queue, im->store, im->region, true, refused_by_store, im);
    im->rows = import_queue_rows(&im->queue);
    im->csv = csv_new();
    if (code == TOOL_OK && im->csv == NULL)
        code = say_no_memory();
    if (code == TOOL_OK && im->preset != NULL && im->preset->replaces)
        code = replace_init(&im->replace, im->rows, im->source_name);
    if (code == TOOL_OK)
        code = files_read(im, file_count);
    replace_release(&im->replace);
    preset_reader_release(&im->reader);
    import_queue_release(&im->queue);
    mapped_release(&im->mapped);
    csv_free(im->csv);
    holter_close(im->store);
    return code;
}

static int run(int count, char **arguments)
{
    static struct import im; /* too large for a stack */
    const struct option options[] = {
        { "--format", OPTION_TEXT, &im.format },
        { "--map", OPTION_LIST, &im.map_texts },
        { "--metric", OPTION_TEXT, &im.metric_name },
        { "--user", OPTION_TEXT, &im.user_text },
        { "--source", OPTION_TEXT, &im.source_name },
        { "--duration", OPTION_TEXT, &im.duration_text },
        { "--time-format", OPTION_TEXT, &im.time_text },
        { "--tz", OPTION_TEXT, &im.zone },
        { "--on-error", OPTION_TEXT, &im.on_error },
        { "--revision", OPTION_TEXT, &im.revision_text },
        { "--delimiter", OPTION_TEXT, &im.delimiter_text },
        { "--skip-lines", OPTION_COUNT, &im.skip_lines },
        { "--skip-empty", OPTION_FLAG, &im.mapped.skips_empty },
        { "--decimal-comma", OPTION_FLAG, &im.mapped.decimal_comma },
        { "--round", OPTION_FLAG, &im.round },
        { "--region", OPTION_TEXT, &im.region },
        { "--keyring", OPTION_TEXT, &im.keyring },
        { "--json", OPTION_FLAG, &im.json },
    };
    int plain;
    int code = args_parse(&verb_import, options, TOOL_COUNT(options), count, arguments, &plain);
    if (code != ARGS_GO)
        return code;
    if (plain < 2)
        return say_usage(&verb_import, "import takes a STORE and one FILE or more ('-' is stdin)");
    im.files = arguments + 1;
    char problem[IMPORT_PROBLEM_BYTES_MAX];
    switch (map_read(&im.mapped.map, &im.map_texts, problem)) {
    case MAP_OK:
        code = options_check(&im);
        break;
    case MAP_WRONG:
        return say_usage(&verb_import, "%s", problem);
    case MAP_NO_MEMORY:
        return say_no_memory();
    }
    if (code == TOOL_OK)
        code = import_run(&im, arguments[0], plain - 1);
    map_release(&im.mapped.map);
    time_zone_close(&im.time_zone);
    free(im.user);
    return code;
}
