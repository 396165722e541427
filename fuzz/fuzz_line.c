/*
 * fuzz_line.c -- hostile lines of gateways, in reads of any size, to samples: the size changes no answer.
 *
 * Input: a byte of options (bits 0-1 the format, 2-3 the unit of times, 4 --round, 5 --user); a byte, the size of a
 * read; then the text. A line gives what a store takes, or a sentence. What line protocol was taken apart into is
 * taken apart into the same when it is written anew.
 */
#include "../tools/ingest_read.h"
#include "../tools/ingest_stream.h"
#include "rows.h"

#include <stdio.h>
#include <string.h>

static int64_t now_ns(void)
{
    return 5;
}

/* ---- line protocol, written anew ------------------------------------------------------------ */

static void part_write(struct buffer *out, struct csv_field part, const char *escaped)
{
    for (size_t i = 0; i < part.count; i++) {
        if (part.bytes[i] != '\0' && strchr(escaped, part.bytes[i]) != NULL)
            buffer_append_u8(out, '\\');
        buffer_append_u8(out, (uint8_t)part.bytes[i]);
    }
}

static void line_write(struct buffer *out, const struct line *line)
{
    static const char *const suffixes[] = { "", "i", "u", "", "\"" };
    buffer_init(out);
    part_write(out, line->measurement, ", ");
    for (size_t i = 0; i < line->tag_count; i++) {
        buffer_append_u8(out, ',');
        part_write(out, line->tags[i].name, ",= ");
        buffer_append_u8(out, '=');
        part_write(out, line->tags[i].text, ",= ");
    }
    for (size_t i = 0; i < line->field_count; i++) {
        const struct line_field *field = &line->fields[i];
        bool is_string = field->type == LINE_STRING;
        buffer_append_u8(out, i == 0 ? ' ' : ',');
        part_write(out, field->name, ",= ");
        buffer_append(out, "=\"", is_string ? 2 : 1);
        part_write(out, field->text, is_string ? "\"\\" : "");
        buffer_append(out, suffixes[field->type], strlen(suffixes[field->type]));
    }
    char time[32];
    if (line->has_time)
        buffer_append(out, time,
                      (size_t)snprintf(time, sizeof time, " %lld", (long long)line->time));
    core_assert(!out->failed);
}

static void line_check(const char *bytes, size_t count)
{
    static struct line line, again; /* too large for a stack */
    struct buffer copy, written, third;
    buffer_init(&copy);
    buffer_append(&copy, bytes, count);
    if (count == 0 || !line_read(&line, (char *)copy.data, count)) {
        buffer_release(&copy);
        return;
    }
    line_write(&written, &line);
    buffer_init(&third);
    buffer_append(&third, written.data, written.bytes);
    core_assert(line_read(&again, (char *)third.data, third.bytes));
    struct buffer rewritten;
    line_write(&rewritten, &again);
    core_assert(line.tag_count == again.tag_count && line.field_count == again.field_count);
    core_assert(rewritten.bytes == written.bytes &&
                memcmp(rewritten.data, written.data, written.bytes) == 0);
    buffer_release(&copy);
    buffer_release(&written);
    buffer_release(&third);
    buffer_release(&rewritten);
}

/* ---- samples -------------------------------------------------------------------------------- */

static void result_check(struct ingest_reader *reader)
{
    if (reader->kind == INGEST_NOTHING)
        return;
    core_assert(reader->line_user.count > 0);
    core_assert(reader->line_user.count <= HOLTER_USER_ID_BYTES_MAX);
    core_assert(reader->line_source.count <= HOLTER_SOURCE_NAME_BYTES_MAX);
    if (reader->kind == INGEST_SAMPLE) {
        fuzz_sample_check(&reader->sample);
        return;
    }
    core_assert(reader->begin_ns < reader->end_ns);
    for (size_t i = 0; i < reader->sample_count; i++) {
        ingest_sample_read(reader, i);
        fuzz_sample_check(&reader->sample);
        core_assert(reader->sample.time_ns >= reader->begin_ns &&
                    reader->sample.time_ns < reader->end_ns);
    }
}

/* All that a reading says, in one number. */
static uint64_t read_all(struct ingest_reader *reader, const uint8_t *bytes, size_t count,
                         size_t step)
{
    static struct ingest_stream stream; /* its buffer anew each time is most of an execution */
    uint64_t said = 0;
    stream.line = 0;
    stream.begin = stream.end = stream.looked = 0;
    stream.skips = stream.is_at_end = false;
    reader->last_now_ns = 0;
    while (!stream.is_at_end) {
        size_t room;
        char *to = stream_room(&stream, &room);
        core_assert(to != NULL && room > 0);
        size_t taken = step < room ? step : room;
        taken = taken < count ? taken : count;
        if (taken > 0)
            memcpy(to, bytes, taken);
        stream_filled(&stream, taken);
        bytes += taken;
        count -= taken;
        stream.is_at_end = taken == 0;
        char *line;
        size_t line_bytes;
        enum stream_result result;
        while ((result = stream_next(&stream, &line, &line_bytes)) != STREAM_NONE) {
            uint64_t parts[5] = { said, (uint64_t)result, stream.line };
            if (result == STREAM_LINE) {
                line_check(line, line_bytes);
                reader->problem[0] = '\0';
                enum ingest_result read = ingest_line_read(reader, line, line_bytes);
                core_assert(read == INGEST_OK || read == INGEST_REFUSED);
                core_assert(read == INGEST_OK || reader->problem[0] != '\0');
                parts[3] = (uint64_t)read * 8 + (uint64_t)reader->kind;
                if (read == INGEST_REFUSED)
                    parts[4] = hash64(reader->problem, strlen(reader->problem));
                else if (reader->kind == INGEST_SAMPLE)
                    parts[4] = (uint64_t)reader->sample.time_ns;
                if (read == INGEST_OK)
                    result_check(reader);
            }
            said = hash64(parts, sizeof parts);
        }
    }
    return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const int64_t units[] = { 1, 1000, 1000000, 1000000000 };
    static struct ingest_reader reader; /* too large for a stack */
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    size_t step = 1 + (size_t)get_u8(&in);
    memset(&reader, 0, sizeof reader);
    reader.format = (enum ingest_format)((options & 3) % 3);
    reader.unit_ns = units[options >> 2 & 3];
    reader.round = (options & 16) != 0;
    reader.user = (options & 32) != 0 ? "u" : NULL;
    reader.user_tag = "user";
    reader.source_tag = "source";
    reader.source = "ingest";
    reader.ignored = (struct option_list){ { "host" }, 1 };
    reader.now_ns = now_ns;
    reader.metric_find = fuzz_metric_find;
    uint64_t said = read_all(&reader, in.at, in.left, step);
    core_assert(read_all(&reader, in.at, in.left, SIZE_MAX) == said);
    ingest_reader_release(&reader);
    return 0;
}
