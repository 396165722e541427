/*
 * import_csv.c -- rows of a CSV file whose columns --map tells.
 */
#include "import_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flags.h"

/* The row at hand; false always. */
TOOL_PRINTF(3, 4)
static bool refuse(struct import *im, enum slot slot, const char *format, ...)
{
    char why[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return import_refuse(im, slot == SLOT_COUNT ? NULL : im->map.columns[slot], "%s", why);
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
        field_expectation(expectation, sizeof expectation, field, im->round);
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

bool import_csv_row(struct import *im, int *code)
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
    im->rows.counts.samples++;
    return true;
}

/* ---- the metric of --metric ----------------------------------------------------------------- */

static bool metric_has_field(const holter_metric *metric, const char *name)
{
    for (size_t f = 0; f < metric->field_count; f++)
        if (strcmp(metric->fields[f].name, name) == 0)
            return true;
    return false;
}

int import_csv_default_plan(struct import *im)
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
