/*
 * fuzz_presets.c -- hostile files of the vendors that presets know, from bytes to samples.
 *
 * Input: a byte, which preset; then the text of a file. A row gives samples within the preset's
 * promises, or a sentence and none.
 */
#include "../tools/import_preset.h"
#include "fuzz.h"

#include <string.h>

struct stream {
    const uint8_t *at;
    size_t left;
};

static bool stream_read(void *context, void *out, size_t room, size_t *got)
{
    struct stream *stream = context;
    *got = stream->left < room ? stream->left : room;
    if (*got > 0)
        memcpy(out, stream->at, *got);
    stream->at += *got;
    stream->left -= *got;
    return true;
}

static void samples_check(const struct preset_reader *reader)
{
    core_assert(reader->sample_count <= PRESET_SAMPLES_MAX + PRESET_METRICS_MAX);
    core_assert(reader->id.count > 0 && reader->id.count <= HOLTER_USER_ID_BYTES_MAX);
    for (size_t i = 0; i < reader->sample_count; i++) {
        const struct preset_sample *sample = &reader->samples[i];
        core_assert(sample->metric < reader->file->metric_count);
        const holter_metric *metric = &reader->metrics[sample->metric];
        int64_t end_ns;
        core_assert(sample->duration_ns >= 0);
        core_assert(metric->kind == HOLTER_INTERVAL || sample->duration_ns == 0);
        core_assert(!__builtin_add_overflow(sample->time_ns, sample->duration_ns, &end_ns));
        core_assert(sample->time_ns != HOLTER_TIME_MIN && end_ns != HOLTER_TIME_MAX);
    }
}

static void file_read(struct csv *csv, const struct preset *preset)
{
    static struct preset_reader reader; /* too large for a stack */
    size_t columns = 0;
    enum csv_result result;
    while ((result = csv_next(csv)) == CSV_RECORD || result == CSV_BAD) {
        if (result == CSV_BAD && columns > 0)
            continue;
        if (columns == 0) {
            if (result == CSV_BAD ||
                !preset_bind(&reader, preset, NULL, csv_fields(csv), csv_field_count(csv)))
                break;
            columns = csv_field_count(csv);
            continue;
        }
        if (csv_field_count(csv) != columns)
            continue;
        enum preset_result row = preset_row_read(&reader, csv_fields(csv));
        core_assert(row != PRESET_NO_MEMORY);
        if (row == PRESET_OK)
            samples_check(&reader);
        else
            core_assert(reader.problem[0] != '\0' && reader.sample_count == 0);
    }
    preset_reader_release(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    const struct preset *preset = get_u8(&in) % 2 == 0 ? &preset_fitabase : &preset_welltory;
    struct stream stream = { .at = in.at, .left = in.left };
    static struct csv *csv; /* its buffer anew each time is most of an execution */
    if (csv == NULL)
        csv = csv_new();
    core_assert(csv != NULL);
    csv_begin(csv, NULL, stream_read, &stream);
    file_read(csv, preset);
    return 0;
}
