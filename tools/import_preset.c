/*
 * import_preset.c -- rows of a vendor's files, whose columns are known.
 */
#include "import_preset.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS (60 * MINUTE_NS)
#define DAY_NS (24 * HOUR_NS)

enum { BEAT_MS_MAX = 60000, NO_COLUMN = -1 };

static const struct preset *const presets[] = { &preset_fitabase, &preset_welltory };

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; i < TOOL_COUNT(presets); i++)
        if (strcmp(presets[i]->name, name) == 0)
            return presets[i];
    return NULL;
}

void preset_metric_describe(holter_metric *out, const struct preset_metric *metric)
{
    *out = (holter_metric){
        .name = metric->name,
        .unit = metric->unit,
        .kind = metric->span == SPAN_INSTANT || metric->span == SPAN_BEATS ? HOLTER_INSTANT
                                                                           : HOLTER_INTERVAL,
        .field_count = metric->field_count,
        .key_field = -1,
        .aggregation = metric->aggregation,
        .tier_class = metric->tier_class,
    };
    for (size_t f = 0; f < metric->field_count; f++)
        out->fields[f] = (holter_field){ .name = metric->fields[f].name,
                                         .type = metric->fields[f].type,
                                         .exponent = metric->fields[f].exponent };
}

/* ---- the header ----------------------------------------------------------------------------- */

/* The index of a column that is there once; NO_COLUMN else. */
static int column_find(const struct csv_field *header, size_t count, const char *name)
{
    int found = NO_COLUMN;
    for (size_t i = 0; i < count; i++) {
        if (header[i].count != strlen(name) || memcmp(header[i].bytes, name, header[i].count) != 0)
            continue;
        if (found != NO_COLUMN)
            return NO_COLUMN;
        found = (int)i;
    }
    return found;
}

static const char *spread_name(struct preset_reader *reader, const char *column, int minute)
{
    snprintf(reader->name, sizeof reader->name, "%s%02d", column, minute);
    return reader->name;
}

/* Every column of the kind is there once, and there are no others. */
static bool file_bind(struct preset_reader *reader, const struct preset_file *file,
                      const struct csv_field *header, size_t count)
{
    size_t used = 2;
    reader->user = column_find(header, count, file->user);
    reader->time = column_find(header, count, file->time);
    reader->end = reader->flag = NO_COLUMN;
    if (reader->user == NO_COLUMN || reader->time == NO_COLUMN)
        return false;
    if (file->end != NULL) {
        reader->end = column_find(header, count, file->end);
        used++;
    }
    if (file->flag_column != NULL) {
        reader->flag = column_find(header, count, file->flag_column);
        used++;
    }
    if ((file->end != NULL && reader->end == NO_COLUMN) ||
        (file->flag_column != NULL && reader->flag == NO_COLUMN))
        return false;
    for (size_t m = 0; m < file->metric_count; m++) {
        const struct preset_metric *metric = &file->metrics[m];
        bool is_spread = metric->span == SPAN_MINUTES;
        size_t columns = is_spread ? PRESET_SPREAD : metric->field_count;
        for (size_t i = 0; i < columns; i++) {
            const char *name = is_spread ? spread_name(reader, metric->fields[0].column, (int)i)
                                         : metric->fields[i].column;
            reader->columns[m][i] = column_find(header, count, name);
            if (reader->columns[m][i] == NO_COLUMN)
                return false;
        }
        used += columns;
    }
    return used == count;
}

bool preset_bind(struct preset_reader *reader, const struct preset *preset, struct time_zone *zone,
                 const struct csv_field *header, size_t count)
{
    for (size_t i = 0; i < preset->file_count; i++) {
        const struct preset_file *file = &preset->files[i];
        if (!file_bind(reader, file, header, count))
            continue;
        reader->file = file;
        if (time_format_read(&reader->time_format, file->time_format) != NULL)
            return false;
        reader->time_format.zone = zone;
        for (size_t m = 0; m < file->metric_count; m++)
            preset_metric_describe(&reader->metrics[m], &file->metrics[m]);
        return true;
    }
    return false;
}

void preset_reader_release(struct preset_reader *reader)
{
    free(reader->samples);
    reader->samples = NULL;
    reader->sample_count = reader->sample_room = 0;
}

/* ---- a row ---------------------------------------------------------------------------------- */

TOOL_PRINTF(3, 4)
static enum preset_result refuse(struct preset_reader *reader, const char *column,
                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reader->problem, sizeof reader->problem, format, args);
    va_end(args);
    reader->problem_column = column;
    return PRESET_REFUSED;
}

static struct preset_sample *sample_new(struct preset_reader *reader)
{
    if (reader->sample_count == reader->sample_room) {
        size_t room = reader->sample_room == 0 ? 64 : reader->sample_room * 2;
        struct preset_sample *grown = realloc(reader->samples, room * sizeof *grown);
        if (grown == NULL)
            return NULL;
        reader->samples = grown;
        reader->sample_room = room;
    }
    return &reader->samples[reader->sample_count++];
}

static enum preset_result value_read(struct preset_reader *reader, size_t m, size_t f,
                                     const char *column, struct csv_field text, holter_value *out)
{
    if (import_value_read(out, &reader->metrics[m], f, text, reader->round, reader->problem))
        return PRESET_OK;
    reader->problem_column = column;
    return PRESET_REFUSED;
}

static enum preset_result time_column_read(struct preset_reader *reader, const char *column,
                                           struct csv_field text, int64_t *out_ns)
{
    char form[FORM_BYTES_MAX];
    switch (time_read(out_ns, &reader->time_format, text.bytes, text.count)) {
    case TIME_OK:
        /* A row lasts a day at most, or as long as its beats. */
        if (*out_ns < HOLTER_TIME_MAX - 60 * DAY_NS)
            return PRESET_OK;
        break;
    case TIME_MALFORMED:
        return refuse(reader, column, "found %s, expected a time of the form %s",
                      form_of(form, text.bytes, text.count), reader->file->time_format);
    case TIME_OUT_OF_RANGE:
    case TIME_TOO_FINE:
        break;
    }
    return refuse(
        reader, column,
        "found a time out of range, expected 1677-09-21T00:12:43Z to 2262-02-10T00:00:00Z");
}

/* A list of intervals in ms; each sample lies where its interval ends. */
static enum preset_result beats_read(struct preset_reader *reader, size_t m, int64_t time_ns,
                                     const char *column, struct csv_field list)
{
    size_t begin = 0;
    for (size_t i = 0; i <= list.count; i++) {
        if (i < list.count && list.bytes[i] != ',')
            continue;
        struct csv_field text = { list.bytes + begin, i - begin };
        begin = i + 1;
        holter_value value = { 0 };
        enum preset_result result = value_read(reader, m, 0, column, text, &value);
        if (result != PRESET_OK)
            return result;
        if (value.integer < 1 || value.integer > BEAT_MS_MAX)
            return refuse(reader, column, "found an interval out of range, expected 1 to %d ms",
                          BEAT_MS_MAX);
        if (reader->sample_count == PRESET_SAMPLES_MAX)
            return refuse(reader, column, "found more intervals than %d, expected fewer",
                          PRESET_SAMPLES_MAX);
        struct preset_sample *sample = sample_new(reader);
        if (sample == NULL)
            return PRESET_NO_MEMORY;
        time_ns += value.integer * (SECOND_NS / 1000);
        *sample = (struct preset_sample){ .metric = m, .time_ns = time_ns };
        sample->values[0] = value;
    }
    return PRESET_OK;
}

static enum preset_result minutes_read(struct preset_reader *reader, size_t m, int64_t time_ns,
                                       const struct csv_field *fields)
{
    for (int i = 0; i < PRESET_SPREAD; i++) {
        struct csv_field text = fields[reader->columns[m][i]];
        if (text.count == 0)
            continue;
        holter_value value;
        const char *column = spread_name(reader, reader->file->metrics[m].fields[0].column, i);
        enum preset_result result = value_read(reader, m, 0, column, text, &value);
        if (result != PRESET_OK)
            return result;
        struct preset_sample *sample = sample_new(reader);
        if (sample == NULL)
            return PRESET_NO_MEMORY;
        *sample = (struct preset_sample){ .metric = m,
                                          .time_ns = time_ns + i * MINUTE_NS,
                                          .duration_ns = MINUTE_NS };
        sample->values[0] = value;
    }
    return PRESET_OK;
}

/* Its fields come together: all of them, or none. */
static enum preset_result metric_read(struct preset_reader *reader, size_t m,
                                      const struct preset_sample *whole,
                                      const struct csv_field *fields)
{
    const struct preset_metric *metric = &reader->file->metrics[m];
    size_t numbers = 0;
    size_t numbers_empty = 0;
    size_t texts_filled = 0;
    const char *empty = NULL;
    for (size_t f = 0; f < metric->field_count; f++) {
        bool is_empty = fields[reader->columns[m][f]].count == 0;
        if (metric->fields[f].type == HOLTER_TEXT) {
            texts_filled += !is_empty;
            continue;
        }
        numbers++;
        numbers_empty += is_empty;
        if (is_empty)
            empty = metric->fields[f].column;
    }
    if (numbers_empty == numbers && (numbers > 0 || texts_filled == 0))
        return PRESET_OK; /* P2 */
    if (numbers_empty > 0)
        return refuse(reader, empty, "found nothing, expected a value beside the others of %s",
                      metric->name);
    struct preset_sample *sample = sample_new(reader);
    if (sample == NULL)
        return PRESET_NO_MEMORY;
    *sample = *whole;
    sample->metric = m;
    if (metric->span == SPAN_INSTANT)
        sample->duration_ns = 0;
    else if (metric->span == SPAN_HOUR)
        sample->duration_ns = HOUR_NS;
    else if (metric->span == SPAN_DAY)
        sample->duration_ns =
            time_day_end(reader->time_format.zone, sample->time_ns) - sample->time_ns;
    for (size_t f = 0; f < metric->field_count; f++) {
        enum preset_result result = value_read(reader, m, f, metric->fields[f].column,
                                               fields[reader->columns[m][f]], &sample->values[f]);
        if (result != PRESET_OK)
            return result;
    }
    return PRESET_OK;
}

static enum preset_result flag_read(struct preset_reader *reader, struct csv_field text,
                                    uint16_t *flags)
{
    static const struct {
        const char *text;
        bool is_set;
    } words[] = { { "1", true }, { "True", true },   { "true", true },  { "0", false },
                  { "", false }, { "False", false }, { "false", false } };
    for (size_t i = 0; i < TOOL_COUNT(words); i++) {
        if (text.count != strlen(words[i].text) ||
            memcmp(text.bytes, words[i].text, text.count) != 0)
            continue;
        if (words[i].is_set)
            *flags |= reader->file->flag;
        return PRESET_OK;
    }
    char form[FORM_BYTES_MAX];
    return refuse(reader, reader->file->flag_column, "found %s, expected 0, 1, True or False",
                  form_of(form, text.bytes, text.count));
}

static enum preset_result row_read(struct preset_reader *reader, const struct csv_field *fields)
{
    const struct preset_file *file = reader->file;
    struct preset_sample whole = { 0 };
    enum preset_result result =
        time_column_read(reader, file->time, fields[reader->time], &whole.time_ns);
    if (result == PRESET_OK && file->end != NULL) {
        int64_t end_ns = 0;
        result = time_column_read(reader, file->end, fields[reader->end], &end_ns);
        if (result == PRESET_OK &&
            (end_ns < whole.time_ns ||
             __builtin_sub_overflow(end_ns, whole.time_ns, &whole.duration_ns)))
            result =
                refuse(reader, file->end, "found an end before its begin, expected a later one");
    }
    if (result == PRESET_OK && file->flag_column != NULL)
        result = flag_read(reader, fields[reader->flag], &whole.flags);
    for (size_t m = 0; m < file->metric_count && result == PRESET_OK; m++) {
        const struct preset_metric *metric = &file->metrics[m];
        if (metric->span == SPAN_MINUTES)
            result = minutes_read(reader, m, whole.time_ns, fields);
        else if (metric->span != SPAN_BEATS)
            result = metric_read(reader, m, &whole, fields);
        else if (fields[reader->columns[m][0]].count > 0)
            result = beats_read(reader, m, whole.time_ns, metric->fields[0].column,
                                fields[reader->columns[m][0]]);
    }
    if (result != PRESET_OK)
        return result;
    reader->id = fields[reader->user];
    if (reader->id.count == 0 || reader->id.count > HOLTER_USER_ID_BYTES_MAX)
        return refuse(reader, file->user, "found %zu bytes, expected an id of 1 to %d bytes",
                      reader->id.count, HOLTER_USER_ID_BYTES_MAX);
    if (!is_utf8(reader->id.bytes, reader->id.count))
        return refuse(reader, file->user, "found bytes that are no UTF-8, expected an id");
    return PRESET_OK;
}

enum preset_result preset_row_read(struct preset_reader *reader, const struct csv_field *fields)
{
    reader->sample_count = 0;
    reader->problem_column = NULL;
    reader->problem[0] = '\0';
    enum preset_result result = row_read(reader, fields);
    if (result != PRESET_OK)
        reader->sample_count = 0; /* P1 */
    return result;
}
