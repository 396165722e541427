/*
 * fuzz_csv.c -- records out of hostile text, in reads of any size: the size changes no answer.
 *
 * Input: a byte, the size of a read, which also tells delimiter and lines to skip; a byte, the read after
 * which the stream breaks (0: none); then the text.
 */
#include "../tools/csv.h"
#include "fuzz.h"

#include <string.h>

struct stream {
    const uint8_t *at;
    size_t left;
    size_t step;   /* of a read at most */
    size_t breaks; /* reads until the stream breaks; 0: never */
};

static bool stream_read(void *context, void *out, size_t room, size_t *got)
{
    struct stream *stream = context;
    if (stream->breaks > 0 && --stream->breaks == 0)
        return false;
    size_t take = stream->step < room ? stream->step : room;
    take = take < stream->left ? take : stream->left;
    if (take > 0)
        memcpy(out, stream->at, take);
    stream->at += take;
    stream->left -= take;
    *got = take;
    return true;
}

/* All that a reading says, in one number. */
static uint64_t read_all(struct stream stream, const struct csv_form *form)
{
    uint64_t said = 0;
    uint64_t line = 0;
    static struct csv *csv; /* its buffer anew each time is most of an execution */
    if (csv == NULL)
        csv = csv_new();
    core_assert(csv != NULL);
    csv_begin(csv, form, stream_read, &stream);
    enum csv_result result;
    do {
        result = csv_next(csv);
        uint64_t parts[4] = { said, (uint64_t)result };
        if (result == CSV_RECORD || result == CSV_BAD) {
            core_assert(csv_line(csv) > line);
            line = csv_line(csv);
            parts[2] = line;
        }
        if (result == CSV_BAD || result == CSV_BINARY) {
            core_assert(csv_problem(csv)[0] != '\0');
            parts[3] = hash64(csv_problem(csv), strlen(csv_problem(csv)));
        }
        said = hash64(parts, sizeof parts);
        if (result != CSV_RECORD)
            continue;
        core_assert(csv_field_count(csv) > 0 && csv_field_count(csv) <= CSV_COLUMNS_MAX);
        for (size_t i = 0; i < csv_field_count(csv); i++) {
            const struct csv_field *field = &csv_fields(csv)[i];
            uint64_t both[2] = { said, hash64(field->bytes, field->count) };
            said = hash64(both, sizeof both);
        }
    } while (result == CSV_RECORD || result == CSV_BAD);
    return said;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    size_t step = 1 + (size_t)get_u8(&in);
    size_t breaks = get_u8(&in);
    struct stream stream = { .at = in.at, .left = in.left, .step = step, .breaks = breaks };
    const struct csv_form form = { .delimiter = step % 5 == 4 ? ';' : 0,
                                   .skip_lines = step % 7 == 6 ? 2 : 0 };
    uint64_t said = read_all(stream, &form);
    if (breaks > 0)
        return 0;
    stream.step = SIZE_MAX;
    core_assert(read_all(stream, &form) == said);
    return 0;
}
