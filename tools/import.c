/*
 * import.c -- holter import: rows of CSV files into a store.
 *
 *     file -> input (zstd) -> csv (records) -> row_read (here) -> import_rows (commit)
 *
 *   I1  A row is stored whole or refused with a sentence that names file, line and column.
 *   I2  With --on-error stop every row before the first refused one is stored, and none after it.
 *   I3  A signal ends the import after the batch at hand, with the summary.
 */
#include "tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"
#include "flags.h"
#include "import_map.h"
#include "import_rows.h"
#include "input.h"
#include "times.h"
#include "zones.h"

enum { REFUSALS_SHOWN_MAX = 10, PLANS_MAX = 1024, TEXT_BYTES = 400, NO_PLAN = -1 };

static int run(int count, char **arguments);

const struct verb verb_import = {
    .name = "import",
    .summary = "store the rows of CSV files",
    .help =
        "usage: holter import STORE --format csv --map PART=COLUMN,... --time-format T [options] "
        "FILE...\n"
        "\n"
        "Stores the rows of CSV files (plain or Zstandard; - is stdin), each with a header line. "
        "Running it again\n"
        "does no harm: rows that are there already are counted as duplicates.\n"
        "\n"
        "  --map LIST       what the columns hold: user, time, value, value.FIELD, metric, source, "
        "duration, key,\n"
        "                   revision, flags; may be given again; \"\\,\" is a comma in a column's "
        "name\n"
        "  --time-format T  unix_s, unix_ms, unix_ns, rfc3339, or a pattern: %Y %y %m %b %d %j %H "
        "%I %M %S %p %f\n"
        "                   %z %s %T %F %D %R\n"
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
        "  --round          round values that are finer than the metric keeps, instead of refusing "
        "them\n"
        "  --on-error E     at a bad row: stop (default; rows before it stay stored) or skip\n"
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
        "      --map time=when,value.systolic=sys,value.diastolic=dia pressure.csv\n",
    .run = run,
};

/* A metric of the import, and the slot that holds each of its fields. */
struct plan {
    holter_metric metric;
    enum slot slots[HOLTER_FIELDS_MAX];
    size_t unmapped_field; /* SIZE_MAX: every field is mapped */
};

struct import {
    /* what was asked for */
    const char *format, *metric_name, *user_text, *source_name, *duration_text, *time_text, *zone,
        *on_error;
    const char *region, *keyring;
    struct option_list map_texts;
    bool round, json, skips;
    struct map map;
    struct time_format time_format;
    struct time_zone time_zone; /* that --tz names */
    int64_t duration_ns;        /* -1: none was given */
    char *user;                 /* owned; NULL: none was given */
    /* what there is */
    holter_store *store;
    struct import_rows rows;
    struct plan *plans[PLANS_MAX];
    int plan_count;
    int default_plan;
    int last_plan;
    int64_t last_user, last_source; /* indexes of names, or NAMES_MISSING */
    /* where we are */
    char **files;
    uint32_t file;
    uint64_t line;
    int columns[SLOT_COUNT];
    const struct csv_field *fields;
    uint64_t refusals_shown;
    bool shows_progress;
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

/* The row at hand; false always. */
TOOL_PRINTF(3, 4)
static bool refuse(struct import *im, enum slot slot, const char *format, ...)
{
    char why[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    im->rows.counts.refused++;
    refusal_say(im, file_name(im, im->file), im->line,
                slot == SLOT_COUNT ? NULL : im->map.columns[slot], why);
    return false;
}

static bool refused_by_store(void *context, const struct import_row *row, const char *why)
{
    struct import *im = context;
    return refusal_say(im, file_name(im, row->file), row->line, NULL, why);
}

/* What a field takes, after "expected ". */
static void expectation_write(char out[static TEXT_BYTES], const holter_field *field, bool round)
{
    size_t at;
    switch (field->type) {
    case HOLTER_INT:
        if (field->exponent < 0)
            snprintf(out, TEXT_BYTES, "a number with at most %d decimal%s%s", -field->exponent,
                     field->exponent == -1 ? "" : "s",
                     round ? " after rounding" : " (--round rounds finer ones)");
        else if (field->exponent > 0)
            snprintf(out, TEXT_BYTES, "a multiple of 10^%d%s", field->exponent,
                     round ? " after rounding" : " (--round rounds finer ones)");
        else
            snprintf(out, TEXT_BYTES, "a whole number%s",
                     round ? " after rounding" : " (--round rounds finer ones)");
        break;
    case HOLTER_FLOAT:
        snprintf(out, TEXT_BYTES, "a number");
        break;
    case HOLTER_ENUM:
        at = (size_t)snprintf(out, TEXT_BYTES, "a label's number or one of");
        for (size_t i = 0; i < field->label_count; i++) {
            if (at + strlen(field->labels[i]) + 8 > TEXT_BYTES / 2) {
                snprintf(out + at, TEXT_BYTES - at, " ...");
                break;
            }
            at += (size_t)snprintf(out + at, TEXT_BYTES - at, "%s%s", i == 0 ? " " : ", ",
                                   field->labels[i]);
        }
        break;
    case HOLTER_TEXT:
        snprintf(out, TEXT_BYTES, "text");
        break;
    }
}

/* ---- one row -------------------------------------------------------------------------------- */

static struct csv_field cell(const struct import *im, enum slot slot)
{
    if (slot == SLOT_COUNT || im->columns[slot] == MAP_NO_COLUMN)
        return (struct csv_field){ "", 0 };
    return im->fields[im->columns[slot]];
}

/* The index of a plan, made where the metric is new. NO_PLAN: *code is TOOL_OK when there is no
   such metric. */
static int plan_need(struct import *im, const char *name, size_t bytes, int *code)
{
    *code = TOOL_OK;
    for (int i = -1; i < im->plan_count; i++) {
        int index = i < 0 ? im->last_plan : i; /* mostly it is the last again */
        if (index == NO_PLAN)
            continue;
        const char *known = im->plans[index]->metric.name;
        if (strlen(known) == bytes && memcmp(known, name, bytes) == 0)
            return im->last_plan = index;
    }
    char text[HOLTER_NAME_BYTES_MAX + 1];
    if (bytes > HOLTER_NAME_BYTES_MAX)
        return NO_PLAN;
    memcpy(text, name, bytes);
    text[bytes] = '\0';
    holter_error err = { 0 };
    holter_metric metric;
    holter_status status = holter_metric_find(im->store, text, &metric, &err);
    if (status == HOLTER_NOT_FOUND || status == HOLTER_INVALID)
        return NO_PLAN;
    if (status != HOLTER_OK) {
        *code = say_error(&err);
        return NO_PLAN;
    }
    if (im->plan_count == PLANS_MAX) {
        say("found more than %d metrics, expected at most that many in one import", PLANS_MAX);
        *code = TOOL_FAILED;
        return NO_PLAN;
    }
    struct plan *plan = malloc(sizeof *plan);
    if (plan == NULL) {
        *code = say_no_memory();
        return NO_PLAN;
    }
    plan->metric = metric;
    plan->unmapped_field = SIZE_MAX;
    for (size_t f = metric.field_count; f-- > 0;) {
        plan->slots[f] = map_slot_of_field(&im->map, &metric, f);
        if (plan->slots[f] == SLOT_COUNT)
            plan->unmapped_field = f;
    }
    im->plans[im->plan_count] = plan;
    return im->last_plan = im->plan_count++;
}

/* The plan of the row at hand. NULL: refused, or *code is not TOOL_OK. */
static const struct plan *row_plan_find(struct import *im, int *code)
{
    struct csv_field text = cell(im, SLOT_METRIC);
    int index = text.count == 0 ? im->default_plan : plan_need(im, text.bytes, text.count, code);
    if (*code != TOOL_OK)
        return NULL;
    if (index == NO_PLAN) {
        char form[FORM_BYTES_MAX];
        refuse(im, SLOT_METRIC, "found %s, expected the name of a metric",
               form_of(form, text.bytes, text.count));
        return NULL;
    }
    const struct plan *plan = im->plans[index];
    if (plan->unmapped_field == SIZE_MAX)
        return plan;
    refuse(im, SLOT_METRIC,
           "found metric %s, expected --map to tell which column holds its field %s",
           plan->metric.name, plan->metric.fields[plan->unmapped_field].name);
    return NULL;
}

static bool row_time_read(struct import *im, int64_t *out_ns)
{
    struct csv_field text = cell(im, SLOT_TIME);
    char form[FORM_BYTES_MAX];
    switch (time_read(out_ns, &im->time_format, text.bytes, text.count)) {
    case TIME_OK:
        return true;
    case TIME_OUT_OF_RANGE:
        return refuse(
            im, SLOT_TIME,
            "found a time out of range, expected 1677-09-21T00:12:43Z to 2262-04-11T23:47:16Z");
    case TIME_TOO_FINE:
        return refuse(
            im, SLOT_TIME,
            "found a time finer than a nanosecond, expected at most nine decimals of a second");
    case TIME_MALFORMED:
        break;
    }
    return refuse(im, SLOT_TIME, "found %s, expected a time of the form %s",
                  form_of(form, text.bytes, text.count), im->time_text);
}

static bool row_duration_read(struct import *im, const holter_metric *metric, int64_t *out_ns)
{
    struct csv_field text = cell(im, SLOT_DURATION);
    char form[FORM_BYTES_MAX];
    *out_ns = metric->kind == HOLTER_INTERVAL ? im->duration_ns : 0;
    if (text.count > 0) {
        enum time_result result = duration_read(out_ns, text.bytes, text.count);
        if (result == TIME_OUT_OF_RANGE)
            return refuse(im, SLOT_DURATION,
                          "found a duration out of range, expected less than 292 years");
        if (result == TIME_TOO_FINE)
            return refuse(
                im, SLOT_DURATION,
                "found a duration finer than a nanosecond, expected at most nine decimals");
        if (result != TIME_OK)
            return refuse(im, SLOT_DURATION,
                          "found %s, expected a duration such as 60, 60s or 1.5h",
                          form_of(form, text.bytes, text.count));
        if (metric->kind == HOLTER_INSTANT && *out_ns != 0)
            return refuse(im, SLOT_DURATION,
                          "found a duration, expected none, as metric %s is of instants",
                          metric->name);
    }
    if (*out_ns < 0)
        return refuse(im, im->map.columns[SLOT_DURATION] != NULL ? SLOT_DURATION : SLOT_COUNT,
                      "found no duration, expected one, as metric %s is of intervals",
                      metric->name);
    return true;
}

static bool row_revision_read(struct import *im, int64_t *out)
{
    struct csv_field text = cell(im, SLOT_REVISION);
    *out = 0;
    if (text.count == 0)
        return true;
    bool is_negative = text.bytes[0] == '-';
    int64_t number = 0;
    bool ok = text.count > is_negative;
    for (size_t i = is_negative; ok && i < text.count; i++) {
        ok = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        int64_t digit = text.bytes[i] - '0';
        ok = ok && number <= (INT64_MAX - digit) / 10;
        if (ok)
            number = number * 10 + digit;
    }
    char form[FORM_BYTES_MAX];
    if (!ok)
        return refuse(im, SLOT_REVISION, "found %s, expected a whole number of 64 bits",
                      form_of(form, text.bytes, text.count));
    *out = is_negative ? -number : number;
    return true;
}

static bool row_flags_read(struct import *im, uint16_t *out)
{
    struct csv_field text = cell(im, SLOT_FLAGS);
    char form[FORM_BYTES_MAX];
    uint16_t flags = 0;
    if (!flags_read(&flags, text.bytes, text.count))
        return refuse(im, SLOT_FLAGS, "found %s, expected a number, or names such as manual|bit8",
                      form_of(form, text.bytes, text.count));
    if ((flags & 0xf0) != 0)
        return refuse(im, SLOT_FLAGS, "found one of the bits 4 to 7, expected them clear");
    /* Those that the store finds by itself are not the writer's to say. */
    *out = (uint16_t)(flags & ~(HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE));
    return true;
}

static bool value_read(struct import *im, const struct plan *plan, size_t f, holter_value *out)
{
    const holter_field *field = &plan->metric.fields[f];
    enum slot slot = plan->slots[f];
    struct csv_field text = cell(im, slot);
    if (field->type == HOLTER_TEXT && text.count > HOLTER_TEXT_BYTES_MAX)
        return refuse(im, slot, "found %zu bytes, expected at most %d", text.count,
                      HOLTER_TEXT_BYTES_MAX);
    if (field->type == HOLTER_TEXT && !is_utf8(text.bytes, text.count))
        return refuse(im, slot, "found bytes that are no UTF-8, expected text");

    bool is_missing = text.count == 0 && field->type != HOLTER_TEXT;
    if (is_missing || holter_value_parse(out, &plan->metric, f, text.bytes, text.count, im->round,
                                         NULL) != HOLTER_OK) {
        char form[FORM_BYTES_MAX];
        char expectation[TEXT_BYTES];
        expectation_write(expectation, field, im->round);
        return refuse(im, slot, "found %s, expected %s", form_of(form, text.bytes, text.count),
                      expectation);
    }
    if (field->type == HOLTER_TEXT)
        out->text.bytes = import_rows_keep(&im->rows, text.bytes, text.count);
    return true;
}

static bool row_values_read(struct import *im, const struct plan *plan, struct import_row *row)
{
    const holter_metric *metric = &plan->metric;
    holter_value *values = im->rows.values + im->rows.value_count;
    for (size_t f = 0; f < metric->field_count; f++)
        if (!value_read(im, plan, f, &values[f]))
            return false;
    row->metric = metric->number;
    row->key_field = metric->key_field;
    row->key_is_text = row->key_field >= 0 && metric->fields[row->key_field].type == HOLTER_TEXT;
    row->first_value = (uint32_t)im->rows.value_count;
    row->value_count = (uint32_t)metric->field_count;
    return true;
}

/* Comes last in a row, so that a refused one makes no user. */
static bool row_names_read(struct import *im, struct import_row *row, int *code)
{
    struct csv_field id = cell(im, SLOT_USER);
    if (id.count == 0 && im->user != NULL)
        id = (struct csv_field){ im->user, strlen(im->user) };
    if (id.count == 0 || id.count > HOLTER_USER_ID_BYTES_MAX)
        return refuse(im, SLOT_USER, "found %zu bytes, expected an id of 1 to %d bytes", id.count,
                      HOLTER_USER_ID_BYTES_MAX);
    struct csv_field source = cell(im, SLOT_SOURCE);
    if (source.count == 0)
        source = (struct csv_field){ im->source_name, strlen(im->source_name) };
    if (source.count > HOLTER_SOURCE_NAME_BYTES_MAX || !is_utf8(source.bytes, source.count))
        return refuse(im, SLOT_SOURCE, "found %zu bytes, expected a name of 1 to %d bytes of UTF-8",
                      source.count, HOLTER_SOURCE_NAME_BYTES_MAX);

    /* Rows of one user mostly follow each other. */
    const struct names *users = &im->rows.users;
    bool is_last_user = im->last_user >= 0 && users->items[im->last_user].count == id.count &&
                        memcmp(users->items[im->last_user].bytes, id.bytes, id.count) == 0;
    if (!is_last_user) {
        if (!is_utf8(id.bytes, id.count))
            return refuse(im, SLOT_USER, "found bytes that are no UTF-8, expected an id");
        im->last_user = import_rows_user(&im->rows, id.bytes, id.count);
        im->last_source = NAMES_MISSING;
    }
    bool is_last_source = im->last_source >= 0 && im->columns[SLOT_SOURCE] == MAP_NO_COLUMN;
    if (im->last_user >= 0 && !is_last_source)
        im->last_source =
            import_rows_source(&im->rows, (uint32_t)im->last_user, source.bytes, source.count);
    if (im->last_user < 0 || im->last_source < 0) {
        *code = say_no_memory();
        return false;
    }
    row->user = (uint32_t)im->last_user;
    row->source = (uint32_t)im->last_source;
    return true;
}

/* The record at hand, at the end of the rows. false: refused, or *code is not TOOL_OK. */
static bool row_read(struct import *im, int *code)
{
    struct import_row row = { .file = im->file, .line = im->line };
    const struct plan *plan = row_plan_find(im, code);
    if (plan == NULL || !row_time_read(im, &row.time_ns) ||
        !row_duration_read(im, &plan->metric, &row.duration_ns) ||
        !row_revision_read(im, &row.revision) || !row_flags_read(im, &row.flags) ||
        !row_values_read(im, plan, &row) || !row_names_read(im, &row, code))
        return false;
    im->rows.rows[im->rows.row_count++] = row;
    im->rows.value_count += row.value_count;
    return true;
}

/* ---- files ---------------------------------------------------------------------------------- */

static int commit(struct import *im)
{
    int code = import_rows_commit(&im->rows, refused_by_store, im);
    im->last_user = im->last_source = NAMES_MISSING;
    if (im->shows_progress)
        fprintf(stderr, "\r%llu rows\x1b[K", (unsigned long long)im->rows.counts.rows);
    return code;
}

static int header_read(struct import *im, struct csv *csv)
{
    const char *file = file_name(im, im->file);
    enum slot missing;
    size_t found;
    if (map_bind(&im->map, csv_fields(csv), csv_field_count(csv), im->columns, &missing, &found))
        return TOOL_OK;
    say("%s:%llu: header: found %zu columns '%s' among %zu, expected one", file,
        (unsigned long long)csv_line(csv), found, im->map.columns[missing], csv_field_count(csv));
    return TOOL_FAILED;
}

static int record_read(struct import *im, struct csv *csv, size_t column_count)
{
    int code = TOOL_OK;
    im->rows.counts.rows++;
    im->line = csv_line(csv);
    im->fields = csv_fields(csv);
    bool ok;
    if (csv_field_count(csv) != column_count)
        ok = refuse(im, SLOT_COUNT, "row: found %zu columns, expected %zu as in the header",
                    csv_field_count(csv), column_count);
    else
        ok = row_read(im, &code);
    if (code == TOOL_OK && !ok && !im->skips)
        code = TOOL_FAILED;
    if (code == TOOL_OK && import_rows_full(&im->rows))
        code = commit(im);
    return code;
}

static int records_read(struct import *im, struct csv *csv, struct input *input)
{
    const char *file = file_name(im, im->file);
    int code = TOOL_OK;
    bool has_header = false;
    size_t column_count = 0;
    while (code == TOOL_OK && signal_noted() == 0) {
        enum csv_result result = csv_next(csv);
        im->line = csv_line(csv);
        if (result == CSV_END)
            break;
        if (result == CSV_BROKEN || result == CSV_BINARY) {
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
            code = header_read(im, csv);
        } else if (result == CSV_BAD) {
            im->rows.counts.rows++;
            refuse(im, SLOT_COUNT, "row: %s", csv_problem(csv));
            code = im->skips ? TOOL_OK : TOOL_FAILED;
        } else {
            code = record_read(im, csv, column_count);
        }
    }
    if (code == TOOL_OK && !has_header && signal_noted() == 0) {
        say("%s: found %s, expected a header line and rows", file,
            input_is_empty(input) ? "an empty file" : "nothing but empty lines");
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
    struct csv *csv = csv_new(input_read, input);
    int code = csv == NULL ? say_no_memory() : records_read(im, csv, input);
    csv_free(csv);
    input_close(input);
    return code;
}

/* ---- the import ----------------------------------------------------------------------------- */

static int options_check(struct import *im)
{
    const struct map *map = &im->map;
    if (im->format == NULL || strcmp(im->format, "csv") != 0)
        return say_usage(&verb_import, "import needs --format csv");
    if (im->time_text == NULL)
        return say_usage(&verb_import, "import needs --time-format");
    const char *problem = time_format_read(&im->time_format, im->time_text);
    if (problem != NULL)
        return say_usage(&verb_import, "--time-format: %s", problem);
    int code = im->zone == NULL ? TOOL_OK : zone_find(&im->time_zone, &verb_import, im->zone);
    if (code != TOOL_OK)
        return code;
    im->time_format.zone = &im->time_zone;
    if (im->on_error != NULL && strcmp(im->on_error, "stop") != 0 &&
        strcmp(im->on_error, "skip") != 0)
        return say_usage(&verb_import, "--on-error takes stop or skip");
    im->skips = im->on_error != NULL && strcmp(im->on_error, "skip") == 0;
    im->duration_ns = -1;
    if (im->duration_text != NULL &&
        duration_read(&im->duration_ns, im->duration_text, strlen(im->duration_text)) != TIME_OK)
        return say_usage(&verb_import, "--duration takes a duration such as 60s, 1m or 0.5h");
    if (map->columns[SLOT_TIME] == NULL)
        return say_usage(&verb_import, "--map needs a time column: --map time=COLUMN,...");
    if (map->columns[SLOT_USER] == NULL && im->user_text == NULL)
        return say_usage(&verb_import, "import needs --user, or a user column in --map");
    if (map->columns[SLOT_METRIC] == NULL && im->metric_name == NULL)
        return say_usage(&verb_import, "import needs --metric, or a metric column in --map");
    if (map->columns[SLOT_VALUE] == NULL && map->columns[SLOT_KEY] == NULL && map->field_count == 0)
        return say_usage(&verb_import,
                         "--map needs a value column: value=COLUMN, or value.FIELD=COLUMN");
    if (im->source_name == NULL)
        im->source_name = "import";
    size_t source_bytes = strlen(im->source_name);
    if (source_bytes == 0 || source_bytes > HOLTER_SOURCE_NAME_BYTES_MAX ||
        !is_utf8(im->source_name, source_bytes))
        return say_usage(&verb_import, "--source takes 1 to %d bytes of UTF-8",
                         HOLTER_SOURCE_NAME_BYTES_MAX);
    return im->user_text == NULL ? TOOL_OK : user_id_read(&im->user, &verb_import, im->user_text);
}

static bool metric_has_field(const holter_metric *metric, const char *name)
{
    for (size_t f = 0; f < metric->field_count; f++)
        if (strcmp(metric->fields[f].name, name) == 0)
            return true;
    return false;
}

/* With --metric a wrong mapping is told before any file is read. */
static int default_plan_make(struct import *im)
{
    holter_metric metric;
    int code = metric_find(im->store, im->metric_name, &metric);
    if (code != TOOL_OK)
        return code;
    im->default_plan = plan_need(im, metric.name, strlen(metric.name), &code);
    if (code != TOOL_OK || im->default_plan == NO_PLAN || im->map.columns[SLOT_METRIC] != NULL)
        return code;
    const struct plan *plan = im->plans[im->default_plan];
    if (plan->unmapped_field != SIZE_MAX)
        return say_usage(&verb_import,
                         "metric %s has a field '%s' that --map does not give: add value.%s=COLUMN",
                         metric.name, metric.fields[plan->unmapped_field].name,
                         metric.fields[plan->unmapped_field].name);
    for (size_t i = 0; i < im->map.field_count; i++)
        if (!metric_has_field(&metric, im->map.field_names[i]))
            return say_usage(&verb_import, "metric %s has no field '%s'", metric.name,
                             im->map.field_names[i]);
    if (im->map.columns[SLOT_KEY] != NULL && metric.key_field < 0)
        return say_usage(&verb_import, "metric %s has no key field, so --map cannot give key",
                         metric.name);
    if (metric.kind == HOLTER_INSTANT && im->duration_text != NULL)
        return say_usage(&verb_import, "metric %s is of instants, so --duration cannot be given",
                         metric.name);
    if (metric.kind == HOLTER_INTERVAL && im->duration_text == NULL &&
        im->map.columns[SLOT_DURATION] == NULL)
        return say_usage(
            &verb_import,
            "metric %s is of intervals: give --duration, or a duration column in --map",
            metric.name);
    return TOOL_OK;
}

static int region_check(const struct import *im)
{
    if (im->region == NULL)
        return TOOL_OK;
    for (size_t i = 0; i < holter_region_count(im->store); i++) {
        holter_error err = { 0 };
        const char *name;
        uint32_t shards;
        if (holter_region_at(im->store, i, &name, &shards, &err) != HOLTER_OK)
            return say_error(&err);
        if (strcmp(name, im->region) == 0)
            return TOOL_OK;
    }
    say("the store has no region '%s'; 'holter init STORE --add-region R' adds one", im->region);
    return TOOL_NOT_FOUND;
}

static void summary_print(const struct import *im)
{
    const struct import_counts *c = &im->rows.counts;
    if (im->json)
        out_format(
            "{\"rows\": %llu, \"new\": %llu, \"duplicate\": %llu, \"corrected\": %llu, "
            "\"superseded\": %llu, "
            "\"flagged\": %llu, \"refused\": %llu, \"not_stored\": %llu, \"ambiguous\": %llu, "
            "\"missing\": %llu}\n",
            (unsigned long long)c->rows, (unsigned long long)c->fresh,
            (unsigned long long)c->duplicate, (unsigned long long)c->corrected,
            (unsigned long long)c->superseded, (unsigned long long)c->flagged,
            (unsigned long long)c->refused, (unsigned long long)c->not_stored,
            (unsigned long long)im->time_zone.ambiguous, (unsigned long long)im->time_zone.missing);
    else
        out_format("%llu rows: %llu new, %llu duplicate, %llu corrected, %llu superseded, %llu "
                   "flagged, %llu refused",
                   (unsigned long long)c->rows, (unsigned long long)c->fresh,
                   (unsigned long long)c->duplicate, (unsigned long long)c->corrected,
                   (unsigned long long)c->superseded, (unsigned long long)c->flagged,
                   (unsigned long long)c->refused);
    if (!im->json && c->not_stored > 0)
        out_format(", %llu not stored", (unsigned long long)c->not_stored);
    if (!im->json && im->time_zone.ambiguous + im->time_zone.missing > 0)
        out_format(", %llu ambiguous, %llu missing local times",
                   (unsigned long long)im->time_zone.ambiguous,
                   (unsigned long long)im->time_zone.missing);
    if (!im->json)
        out_text("\n");
}

static int files_read(struct import *im, int file_count)
{
    signals_note();

    int code = TOOL_OK;
    for (int i = 0; i < file_count && code == TOOL_OK && signal_noted() == 0; i++) {
        im->file = (uint32_t)i;
        code = file_read(im);
    }
    /* What came before a bad row or a signal is stored (I2, I3). */
    int last = commit(im);
    if (im->shows_progress)
        fputs("\r\x1b[K", stderr);
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
        code = region_check(im);
    if (code == TOOL_OK && im->metric_name != NULL)
        code = default_plan_make(im);
    if (code == TOOL_OK)
        code = import_rows_init(&im->rows, im->store, im->region);
    if (code == TOOL_OK)
        code = files_read(im, file_count);
    import_rows_release(&im->rows);
    for (int i = 0; i < im->plan_count; i++)
        free(im->plans[i]);
    holter_close(im->store);
    return code;
}

static int run(int count, char **arguments)
{
    static struct import im; /* too large for a stack */
    im.default_plan = im.last_plan = NO_PLAN;
    im.last_user = im.last_source = NAMES_MISSING;
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
    im.shows_progress = isatty(STDERR_FILENO) != 0;
    code = map_read(&im.map, &verb_import, &im.map_texts);
    if (code == TOOL_OK)
        code = options_check(&im);
    if (code == TOOL_OK)
        code = import_run(&im, arguments[0], plain - 1);
    map_release(&im.map);
    time_zone_close(&im.time_zone);
    free(im.user);
    return code;
}
