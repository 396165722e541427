/*
 * import_csv.c -- rows of a CSV file whose columns --map tells.
 */
#include "import_csv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES_MAX = 64 };

/* A metric, and the slot that holds each of its fields. */
struct plan {
    holter_metric metric;
    size_t name_bytes;
    enum slot slots[HOLTER_FIELDS_MAX];
    size_t unmapped_field; /* SIZE_MAX: every field is mapped */
};

/* SLOT_COUNT: the sentence is about the whole row. MAPPED_REFUSED always. */
TOOL_PRINTF(3, 4)
static enum mapped_result refuse(struct mapped_reader *reader, enum slot slot, const char *format,
                                 ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->problem, sizeof reader->problem, format, args);
    va_end(args);
    reader->problem_column = slot == SLOT_COUNT ? NULL : reader->map.columns[slot];
    return MAPPED_REFUSED;
}

/* ---- plans ---------------------------------------------------------------------------------- */

static enum mapped_result plan_add(struct mapped_reader *reader, const holter_metric *metric)
{
    if (reader->plan_count == PLANS_MAX)
        return refuse(reader, SLOT_METRIC,
                      "found more than %d metrics, expected at most that many in one import",
                      PLANS_MAX);
    struct plan *plan = malloc(sizeof *plan);
    if (plan == NULL)
        return MAPPED_NO_MEMORY;
    plan->metric = *metric;
    plan->name_bytes = strlen(metric->name);
    plan->unmapped_field = SIZE_MAX;
    for (size_t f = metric->field_count; f-- > 0;) {
        plan->slots[f] = map_slot_of_field(&reader->map, metric, f);
        if (plan->slots[f] == SLOT_COUNT)
            plan->unmapped_field = f;
    }
    reader->plans[reader->plan_count++] = plan;
    reader->last_plan = plan;
    return MAPPED_OK;
}

static bool plan_is(const struct plan *plan, struct csv_field name)
{
    return csv_field_is(name, plan->metric.name, plan->name_bytes);
}

/* reader->last_plan becomes that of a name, which it was not. */
TOOL_APART
static enum mapped_result plan_find(struct mapped_reader *reader, struct csv_field name)
{
    for (size_t i = 0; i < reader->plan_count; i++)
        if (plan_is(reader->plans[i], name)) {
            reader->last_plan = reader->plans[i];
            return MAPPED_OK;
        }
    holter_metric metric;
    holter_status status = HOLTER_NOT_FOUND;
    if (name.count > 0 && name.count <= HOLTER_NAME_BYTES_MAX) {
        char text[HOLTER_NAME_BYTES_MAX + 1];
        memcpy(text, name.bytes, name.count);
        text[name.count] = '\0';
        status = reader->metric_find(reader->context, &metric, text, &reader->err);
    }
    if (status == HOLTER_OK)
        return plan_add(reader, &metric);
    if (status != HOLTER_NOT_FOUND && status != HOLTER_INVALID)
        return MAPPED_FAILED;
    char form[FORM_BYTES_MAX];
    return refuse(reader, SLOT_METRIC, "found %s, expected the name of a metric",
                  form_of(form, name.bytes, name.count));
}

/* ---- one row -------------------------------------------------------------------------------- */

static struct csv_field cell(const struct mapped_reader *reader, enum slot slot)
{
    if (reader->columns[slot] == MAP_NO_COLUMN)
        return (struct csv_field){ "", 0 };
    return reader->fields[reader->columns[slot]];
}

static enum mapped_result plan_read(struct mapped_reader *reader, const struct plan **out)
{
    struct csv_field text = cell(reader, SLOT_METRIC);
    *out = reader->default_plan;
    if (text.count > 0 || *out == NULL) {
        bool is_last = reader->last_plan != NULL && plan_is(reader->last_plan, text); /* mostly */
        enum mapped_result result = is_last ? MAPPED_OK : plan_find(reader, text);
        if (result != MAPPED_OK)
            return result;
        *out = reader->last_plan;
    }
    const struct plan *plan = *out;
    if (plan->unmapped_field == SIZE_MAX)
        return MAPPED_OK;
    return refuse(reader, SLOT_METRIC,
                  "found metric %s, expected --map to tell which column holds its field %s",
                  plan->metric.name, plan->metric.fields[plan->unmapped_field].name);
}

/* The sentence about a slot is in reader->problem. */
static enum mapped_result refused(struct mapped_reader *reader, enum slot slot)
{
    reader->problem_column = slot == SLOT_COUNT ? NULL : reader->map.columns[slot];
    return MAPPED_REFUSED;
}

/* *text: a number's decimal comma becomes a point, in `room`. A point would be of thousands: that is refused. */
static bool comma_replace(struct mapped_reader *reader, struct csv_field *text,
                          char room[static NUMBER_BYTES_MAX])
{
    const char *comma = memchr(text->bytes, ',', text->count);
    size_t behind = comma == NULL ? 0 : (size_t)(text->bytes + text->count - comma) - 1;
    if (text->count > NUMBER_BYTES_MAX || memchr(text->bytes, '.', text->count) != NULL ||
        (comma != NULL && memchr(comma + 1, ',', behind) != NULL)) {
        char form[FORM_BYTES_MAX];
        snprintf(reader->problem, sizeof reader->problem,
                 "found %s, expected a number with a decimal comma and no other sign in it",
                 form_of(form, text->bytes, text->count));
        return false;
    }
    if (comma == NULL)
        return true;
    memcpy(room, text->bytes, text->count);
    room[comma - text->bytes] = '.';
    text->bytes = room;
    return true;
}

/* Where numbers have decimal commas. */
static bool decimal_point(struct mapped_reader *reader, struct csv_field *text,
                          char room[static NUMBER_BYTES_MAX])
{
    return !reader->decimal_comma || text->count == 0 || comma_replace(reader, text, room);
}

static enum mapped_result time_cell_read(struct mapped_reader *reader, int64_t *out_ns)
{
    return import_time_read(out_ns, &reader->time_format, reader->time_text,
                            cell(reader, SLOT_TIME), reader->problem)
               ? MAPPED_OK
               : refused(reader, SLOT_TIME);
}

/* The duration up to an end. */
static enum mapped_result end_cell_read(struct mapped_reader *reader, const holter_metric *metric,
                                        int64_t *out_ns)
{
    int64_t end_ns;
    if (!import_time_read(&end_ns, &reader->end_format, reader->time_text, cell(reader, SLOT_END),
                          reader->problem))
        return refused(reader, SLOT_END);
    if (end_ns < reader->sample.time_ns)
        end_ns = time_second_showing(reader->end_format.zone, end_ns);
    if (end_ns < reader->sample.time_ns)
        return refuse(reader, SLOT_END,
                      "found an end before the time, expected one at or after it");
    if (__builtin_sub_overflow(end_ns, reader->sample.time_ns, out_ns))
        return refuse(reader, SLOT_END,
                      "found an end out of range, expected less than 292 years after the time");
    return import_duration_check(*out_ns, metric, reader->problem) ? MAPPED_OK
                                                                   : refused(reader, SLOT_END);
}

static enum mapped_result duration_cell_read(struct mapped_reader *reader,
                                             const holter_metric *metric, int64_t *out_ns)
{
    char room[NUMBER_BYTES_MAX];
    struct csv_field text = cell(reader, SLOT_DURATION);
    *out_ns = metric->kind == HOLTER_INTERVAL ? reader->duration_ns : 0;
    if (cell(reader, SLOT_END).count > 0)
        return end_cell_read(reader, metric, out_ns);
    if (decimal_point(reader, &text, room) &&
        (text.count == 0 || import_duration_read(out_ns, text, reader->problem)) &&
        import_duration_check(*out_ns, metric, reader->problem))
        return MAPPED_OK;
    return refused(reader, reader->map.columns[SLOT_DURATION] != NULL ? SLOT_DURATION : SLOT_COUNT);
}

static enum mapped_result revision_cell_read(struct mapped_reader *reader, int64_t *out)
{
    struct csv_field text = cell(reader, SLOT_REVISION);
    *out = 0;
    return text.count == 0 || import_revision_read(out, text, reader->problem)
               ? MAPPED_OK
               : refused(reader, SLOT_REVISION);
}

static enum mapped_result flags_cell_read(struct mapped_reader *reader, uint16_t *out)
{
    struct csv_field text = cell(reader, SLOT_FLAGS);
    *out = 0;
    return text.count == 0 || import_flags_read(out, text, reader->problem)
               ? MAPPED_OK
               : refused(reader, SLOT_FLAGS);
}

static enum mapped_result values_read(struct mapped_reader *reader, const struct plan *plan)
{
    for (size_t f = 0; f < plan->metric.field_count; f++) {
        char room[NUMBER_BYTES_MAX];
        struct csv_field text = cell(reader, plan->slots[f]);
        holter_type type = plan->metric.fields[f].type;
        bool is_number = type == HOLTER_INT || type == HOLTER_FLOAT;
        if ((!is_number || decimal_point(reader, &text, room)) &&
            import_value_read(&reader->values[f], &plan->metric, f, text, reader->round,
                              reader->problem))
            continue;
        return refused(reader, plan->slots[f]);
    }
    return MAPPED_OK;
}

/* Does a field that is no key lack its value? */
static bool is_empty(const struct mapped_reader *reader, const struct plan *plan)
{
    for (size_t f = 0; f < plan->metric.field_count; f++) {
        if ((int)f != plan->metric.key_field && cell(reader, plan->slots[f]).count == 0)
            return true;
    }
    return false;
}

static bool known_is(const struct known_text *known, struct csv_field text)
{
    return known->count > 0 && csv_field_is(text, known->bytes, known->count);
}

/* These were checked. */
TOOL_APART
static void person_know(struct mapped_reader *reader)
{
    reader->known_user.count = reader->row_user.count;
    memcpy(reader->known_user.bytes, reader->row_user.bytes, reader->row_user.count);
    reader->known_source.count = reader->row_source.count;
    memcpy(reader->known_source.bytes, reader->row_source.bytes, reader->row_source.count);
}

static enum mapped_result user_read(struct mapped_reader *reader)
{
    struct csv_field id = cell(reader, SLOT_USER);
    if (id.count == 0 && reader->user != NULL)
        id = (struct csv_field){ reader->user, strlen(reader->user) };
    reader->row_user = id;
    reader->is_same_person = known_is(&reader->known_user, id);
    return reader->is_same_person || import_user_check(id, reader->problem)
               ? MAPPED_OK
               : refused(reader, SLOT_USER);
}

static enum mapped_result source_read(struct mapped_reader *reader)
{
    struct csv_field source = cell(reader, SLOT_SOURCE);
    if (source.count == 0)
        source = (struct csv_field){ reader->source, strlen(reader->source) };
    reader->row_source = source;
    bool is_known = known_is(&reader->known_source, source);
    reader->is_same_person = reader->is_same_person && is_known;
    return is_known || import_source_check(source, reader->problem) ? MAPPED_OK
                                                                    : refused(reader, SLOT_SOURCE);
}

enum mapped_result mapped_row_read(struct mapped_reader *reader, const struct csv_field *fields)
{
    struct import_sample *sample = &reader->sample;
    const struct plan *plan;
    reader->fields = fields;
    enum mapped_result result = plan_read(reader, &plan);
    if (result == MAPPED_OK && reader->skips_empty && is_empty(reader, plan))
        return MAPPED_EMPTY;
    if (result == MAPPED_OK)
        result = time_cell_read(reader, &sample->time_ns);
    if (result == MAPPED_OK)
        result = duration_cell_read(reader, &plan->metric, &sample->duration_ns);
    if (result == MAPPED_OK)
        result = revision_cell_read(reader, &sample->revision);
    if (result == MAPPED_OK)
        result = flags_cell_read(reader, &sample->flags);
    if (result == MAPPED_OK)
        result = values_read(reader, plan);
    if (result == MAPPED_OK)
        result = user_read(reader);
    if (result == MAPPED_OK)
        result = source_read(reader);
    if (result != MAPPED_OK)
        return result;
    if (!reader->is_same_person) /* rows of one user and source mostly follow each other */
        person_know(reader);
    sample->metric = &plan->metric;
    sample->values = reader->values;
    return MAPPED_OK;
}

/* ---- before rows ---------------------------------------------------------------------------- */

static bool metric_has_field(const holter_metric *metric, const char *name)
{
    for (size_t f = 0; f < metric->field_count; f++)
        if (strcmp(metric->fields[f].name, name) == 0)
            return true;
    return false;
}

enum mapped_result mapped_default(struct mapped_reader *reader, const holter_metric *metric)
{
    const struct map *map = &reader->map;
    enum mapped_result result = plan_add(reader, metric);
    if (result != MAPPED_OK)
        return result;
    const struct plan *plan = reader->default_plan = reader->last_plan;
    if (map->columns[SLOT_METRIC] != NULL)
        return MAPPED_OK;
    for (size_t i = 0; i < map->field_count; i++)
        if (!metric_has_field(metric, map->field_names[i]))
            return refuse(reader, SLOT_COUNT, "metric %s has no field '%s'", metric->name,
                          map->field_names[i]);
    if (plan->unmapped_field != SIZE_MAX)
        return refuse(reader, SLOT_COUNT,
                      "metric %s has a field '%s' that --map does not give: add value.%s=COLUMN",
                      metric->name, metric->fields[plan->unmapped_field].name,
                      metric->fields[plan->unmapped_field].name);
    if (map->columns[SLOT_KEY] != NULL && metric->key_field < 0)
        return refuse(reader, SLOT_COUNT, "metric %s has no key field, so --map cannot give key",
                      metric->name);
    if (metric->kind == HOLTER_INSTANT && reader->duration_ns >= 0)
        return refuse(reader, SLOT_COUNT, "metric %s is of instants, so --duration cannot be given",
                      metric->name);
    if (metric->kind == HOLTER_INTERVAL && reader->duration_ns < 0 &&
        map->columns[SLOT_DURATION] == NULL && map->columns[SLOT_END] == NULL)
        return refuse(reader, SLOT_COUNT,
                      "metric %s is of intervals: give --duration, or a duration or end column in "
                      "--map",
                      metric->name);
    return MAPPED_OK;
}

enum mapped_result mapped_bind(struct mapped_reader *reader, const struct csv_field *header,
                               size_t count)
{
    enum slot missing;
    size_t found;
    if (map_bind(&reader->map, header, count, reader->columns, &missing, &found))
        return MAPPED_OK;
    const char *hint = "";
    if (count == 1 && memchr(header[0].bytes, ';', header[0].count) != NULL)
        hint = " (are columns apart by ';'? --delimiter)";
    else if (count == 1 && memchr(header[0].bytes, '\t', header[0].count) != NULL)
        hint = " (are columns apart by tabs? --delimiter tab)";
    else if (count == 1 && memchr(header[0].bytes, ',', header[0].count) != NULL)
        hint = " (are columns apart by commas?)";
    else if (found == 0 && count == 1)
        hint = " (does the header come later? --skip-lines)";
    return refuse(reader, SLOT_COUNT, "found %zu columns '%s' among %zu, expected one%s", found,
                  reader->map.columns[missing], count, hint);
}

void mapped_release(struct mapped_reader *reader)
{
    for (size_t i = 0; i < reader->plan_count; i++)
        free(reader->plans[i]);
    reader->plan_count = 0;
    reader->last_plan = reader->default_plan = NULL;
}
