/*
 * fuzz_map.c -- a hostile --map with the options beside it, and a hostile file, to samples.
 *
 * Input: a byte of options (bits 0-2 the metric of --metric, 7 is none; bit 3 --round, bit 4 --tz,
 * bit 5 --user); then --map, --time-format and --duration (empty: none), each ended by a zero byte;
 * then the text of the file. A row gives a sample within the reader's promises, or a sentence.
 */
#include "../tools/import_csv.h"
#include "fuzz.h"

#include <string.h>

/* Every kind and type, more fields than one, a key. */
static const holter_metric metrics[] = {
    { .name = "heart_rate",
      .number = 1,
      .kind = HOLTER_INSTANT,
      .field_count = 1,
      .fields = { { .name = "value", .type = HOLTER_INT } },
      .key_field = -1 },
    { .name = "steps",
      .number = 2,
      .kind = HOLTER_INTERVAL,
      .field_count = 1,
      .fields = { { .name = "value", .type = HOLTER_INT, .exponent = 1 } },
      .key_field = -1 },
    { .name = "blood_pressure",
      .number = 3,
      .kind = HOLTER_INSTANT,
      .field_count = 2,
      .fields = { { .name = "systolic", .type = HOLTER_INT, .exponent = -1 },
                  { .name = "diastolic", .type = HOLTER_FLOAT } },
      .key_field = -1 },
    { .name = "dose",
      .number = 4,
      .kind = HOLTER_INSTANT,
      .field_count = 2,
      .fields = { { .name = "medication", .type = HOLTER_TEXT },
                  { .name = "mg", .type = HOLTER_INT, .exponent = -2 } },
      .key_field = 0 },
    { .name = "stage",
      .number = 5,
      .kind = HOLTER_INTERVAL,
      .field_count = 1,
      .fields = { { .name = "value",
                    .type = HOLTER_ENUM,
                    .label_count = 2,
                    .labels = (const char *const[]){ "wake", "light" } } },
      .key_field = -1 },
};

static holter_status table_find(void *context, holter_metric *out, const char *name,
                                holter_error *err)
{
    (void)context;
    (void)err;
    for (size_t i = 0; i < CORE_COUNT(metrics); i++)
        if (strcmp(metrics[i].name, name) == 0) {
            *out = metrics[i];
            return HOLTER_OK;
        }
    return HOLTER_NOT_FOUND;
}

static bool stream_read(void *context, void *out, size_t room, size_t *got)
{
    struct reader *in = context;
    *got = in->left < room ? in->left : room;
    if (*got > 0)
        memcpy(out, get_bytes(in, *got), *got);
    return true;
}

/* The row before changes no time. */
static void time_check(const struct mapped_reader *reader)
{
    struct time_format fresh = reader->time_format;
    fresh.head.bytes = 0;
    int64_t time_ns = 0;
    const struct csv_field text = reader->columns[SLOT_TIME] == MAP_NO_COLUMN
                                      ? (struct csv_field){ "", 0 }
                                      : reader->fields[reader->columns[SLOT_TIME]];
    core_assert(time_read(&time_ns, &fresh, text.bytes, text.count) == TIME_OK);
    core_assert(time_ns == reader->sample.time_ns);
}

static void sample_check(const struct mapped_reader *reader)
{
    const struct import_sample *sample = &reader->sample;
    const holter_metric *metric = sample->metric;
    core_assert(reader->row_user.count > 0);
    core_assert(reader->row_user.count <= HOLTER_USER_ID_BYTES_MAX);
    core_assert(reader->row_source.count <= HOLTER_SOURCE_NAME_BYTES_MAX);
    core_assert(sample->time_ns != HOLTER_TIME_MIN && sample->time_ns != HOLTER_TIME_MAX);
    core_assert(sample->duration_ns >= 0);
    core_assert(metric->kind == HOLTER_INTERVAL || sample->duration_ns == 0);
    core_assert((sample->flags & ~(HOLTER_ANOMALY | HOLTER_MANUAL | 0xff00)) == 0);
    for (size_t f = 0; f < metric->field_count; f++) {
        const holter_value *value = &sample->values[f];
        if (metric->fields[f].type == HOLTER_TEXT)
            core_assert(value->text.count <= HOLTER_TEXT_BYTES_MAX &&
                        is_utf8(value->text.bytes, value->text.count));
        if (metric->fields[f].type == HOLTER_ENUM)
            core_assert(value->integer >= 0 &&
                        (size_t)value->integer < metric->fields[f].label_count);
    }
}

static void file_read(struct mapped_reader *reader, struct csv *csv)
{
    size_t columns = 0;
    enum csv_result result;
    while ((result = csv_next(csv)) == CSV_RECORD || result == CSV_BAD) {
        if (columns == 0) {
            if (result == CSV_BAD ||
                mapped_bind(reader, csv_fields(csv), csv_field_count(csv)) != MAPPED_OK)
                break;
            columns = csv_field_count(csv);
            continue;
        }
        if (result == CSV_BAD || csv_field_count(csv) != columns)
            continue;
        reader->problem[0] = '\0';
        enum mapped_result row = mapped_row_read(reader, csv_fields(csv));
        core_assert(row == MAPPED_OK || row == MAPPED_REFUSED);
        if (row == MAPPED_OK) {
            sample_check(reader);
            time_check(reader);
        } else {
            core_assert(reader->problem[0] != '\0');
        }
    }
}

/* Up to a zero byte, or NULL: there is none. */
static const char *text_get(struct reader *in)
{
    const uint8_t *end = in->left > 0 ? memchr(in->at, 0, in->left) : NULL;
    return end == NULL ? NULL : (const char *)get_bytes(in, (size_t)(end + 1 - in->at));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct mapped_reader reader; /* too large for a stack */
    static struct csv *csv;             /* its buffer anew each time is most of an execution */
    static struct time_zone zone;
    if (csv == NULL) {
        csv = csv_new();
        core_assert(csv != NULL && time_zone_open(&zone, "-05:00", NULL) == HOLTER_OK);
    }
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    const struct option_list map = { .items = { text_get(&in) }, .count = 1 };
    const char *time_text = text_get(&in);
    const char *duration = text_get(&in);
    if (map.items[0] == NULL || time_text == NULL || duration == NULL)
        return 0;
    memset(&reader, 0, sizeof reader);
    if (map_read(&reader.map, &map, reader.problem) != MAP_OK) {
        core_assert(reader.problem[0] != '\0');
        return 0;
    }
    reader.time_text = time_text;
    reader.duration_ns = -1;
    reader.round = (options & 8) != 0;
    reader.user = (options & 32) != 0 ? "u" : NULL;
    reader.source = "import";
    reader.metric_find = table_find;
    size_t metric = options & 7;
    bool ok = time_format_read(&reader.time_format, time_text) == NULL;
    reader.time_format.zone = (options & 16) != 0 ? &zone : NULL;
    ok = ok && (*duration == '\0' ||
                duration_read(&reader.duration_ns, duration, strlen(duration)) == TIME_OK);
    if (ok && metric < 7)
        ok = mapped_default(&reader, &metrics[metric % CORE_COUNT(metrics)]) == MAPPED_OK;
    if (ok) {
        csv_begin(csv, stream_read, &in);
        file_read(&reader, csv);
    }
    mapped_release(&reader);
    map_release(&reader.map);
    return 0;
}
