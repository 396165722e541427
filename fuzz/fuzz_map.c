/*
 * fuzz_map.c -- a hostile --map with the options beside it, and a hostile file, to samples.
 *
 * Input: a byte of options (bits 0-2 the metric of --metric, 7 is none; bit 3 --round, bit 4 --tz,
 * bit 5 --user, bit 6 --skip-empty and semicolons, bit 7 --decimal-comma and a line before the header); then --map, --time-format and --duration (empty: none), each ended by a zero byte;
 * then the text of the file. A row gives a sample within the reader's promises, or a sentence.
 */
#include "../tools/import_csv.h"
#include "rows.h"

#include <string.h>

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
    core_assert(reader->row_user.count > 0);
    core_assert(reader->row_user.count <= HOLTER_USER_ID_BYTES_MAX);
    core_assert(reader->row_source.count <= HOLTER_SOURCE_NAME_BYTES_MAX);
    fuzz_sample_check(&reader->sample);
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
        core_assert(row == MAPPED_OK || row == MAPPED_REFUSED || row == MAPPED_EMPTY);
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
    reader.skips_empty = (options & 64) != 0;
    reader.decimal_comma = (options & 128) != 0;
    reader.user = (options & 32) != 0 ? "u" : NULL;
    reader.source = "import";
    reader.metric_find = fuzz_metric_find;
    size_t metric = options & 7;
    bool ok = time_format_read(&reader.time_format, time_text) == NULL;
    reader.time_format.zone = (options & 16) != 0 ? &zone : NULL;
    ok = ok && (*duration == '\0' ||
                duration_read(&reader.duration_ns, duration, strlen(duration)) == TIME_OK);
    reader.end_format = reader.time_format;
    const struct csv_form form = { .delimiter = (options & 64) != 0 ? ';' : 0,
                                   .skip_lines = (options & 128) != 0 };
    if (ok && metric < 7)
        ok = mapped_default(&reader, &fuzz_metrics[metric % FUZZ_METRICS]) == MAPPED_OK;
    if (ok) {
        csv_begin(csv, &form, stream_read, &in);
        file_read(&reader, csv);
    }
    mapped_release(&reader);
    map_release(&reader.map);
    return 0;
}
