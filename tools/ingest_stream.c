/*
 * ingest_stream.c -- who sends lines and gets answers.
 */
#include "ingest_stream.h"

#include <stdlib.h>
#include <string.h>

#include "line.h"

void stream_release(struct ingest_stream *stream)
{
    free(stream->bytes);
    free(stream->answers);
    memset(stream, 0, sizeof *stream);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static bool bytes_resize(struct ingest_stream *stream, size_t room)
{
    char *bytes = realloc(stream->bytes, room);
    if (bytes == NULL)
        return false;
    stream->bytes = bytes;
    stream->room = room;
    return true;
}

char *stream_room(struct ingest_stream *stream, size_t *room)
{
    size_t kept = stream->end - stream->begin;
    if (stream->begin > 0)
        memmove(stream->bytes, stream->bytes + stream->begin, kept);
    stream->begin = 0;
    stream->end = kept;
    if (stream->room > STREAM_BYTES && kept < STREAM_BYTES / 2)
        bytes_resize(stream, STREAM_BYTES); /* a long line is over */
    /* A line of LINE_BYTES_MAX, its end, and a byte for who reads. */
    size_t wanted = stream->room == 0                       ? STREAM_BYTES
                    : stream->end < stream->room            ? stream->room
                    : stream->room * 2 < LINE_BYTES_MAX + 2 ? stream->room * 2
                                                            : LINE_BYTES_MAX + 2;
    if (wanted > stream->room && !bytes_resize(stream, wanted))
        return NULL;
    *room = stream->room - stream->end;
    return stream->bytes + stream->end;
}

void stream_filled(struct ingest_stream *stream, size_t bytes)
{
    stream->end += bytes;
}

/* The end of the line that begins at `begin`; NULL: it did not come yet. */
static char *line_end(struct ingest_stream *stream)
{
    size_t bytes = stream->end - stream->begin;
    if (bytes == stream->looked)
        return NULL;
    char *end =
        memchr(stream->bytes + stream->begin + stream->looked, '\n', bytes - stream->looked);
    if (end == NULL)
        stream->looked = bytes;
    return end;
}

bool stream_is_full(const struct ingest_stream *stream)
{
    return stream->answers_end - stream->answers_begin >= STREAM_ANSWERS_MAX;
}

/* The line's rest, as far as it came; true: its end did. */
static bool line_skip(struct ingest_stream *stream)
{
    char *end = line_end(stream);
    stream->begin = end == NULL ? stream->end : (size_t)(end - stream->bytes) + 1;
    stream->looked = 0;
    stream->skips = end == NULL;
    return end != NULL;
}

bool stream_has_line(struct ingest_stream *stream)
{
    if (stream_is_full(stream) || stream->is_gone)
        return false;
    if (stream->skips && !line_skip(stream))
        return false;
    return line_end(stream) != NULL || stream->end - stream->begin > LINE_BYTES_MAX ||
           (stream->is_at_end && stream->begin < stream->end);
}

enum stream_result stream_next(struct ingest_stream *stream, char **line, size_t *bytes)
{
    if (!stream_has_line(stream))
        return STREAM_NONE;
    char *end = line_end(stream);
    stream->line++;
    *line = stream->bytes + stream->begin;
    *bytes = end == NULL ? stream->end - stream->begin : (size_t)(end - *line);
    if (*bytes > LINE_BYTES_MAX) {
        line_skip(stream);
        return STREAM_LONG;
    }
    stream->begin += *bytes + (end != NULL);
    stream->looked = 0;
    if (stream->line == 1 && *bytes >= 3 && memcmp(*line, "\xef\xbb\xbf", 3) == 0) {
        *line += 3; /* a byte order mark */
        *bytes -= 3;
    }
    return end == NULL ? STREAM_CUT : STREAM_LINE;
}

/* ---- answers -------------------------------------------------------------------------------- */

void stream_answer(struct ingest_stream *stream, const char *bytes, size_t count)
{
    if (stream->is_gone)
        return;
    size_t waiting = stream->answers_end - stream->answers_begin;
    if (stream->answers_begin >= waiting) { /* what is moved is no more than what was taken */
        if (stream->answers_begin > 0 && waiting > 0)
            memmove(stream->answers, stream->answers + stream->answers_begin, waiting);
        stream->answers_begin = 0;
        stream->answers_end = waiting;
    }
    if (stream->answers_room - stream->answers_end < count) {
        size_t room = 2 * (stream->answers_end + count);
        char *answers = realloc(stream->answers, room);
        if (answers == NULL) {
            stream->is_gone = true;
            return;
        }
        stream->answers = answers;
        stream->answers_room = room;
    }
    memcpy(stream->answers + stream->answers_end, bytes, count);
    stream->answers_end += count;
}

void stream_taken(struct ingest_stream *stream, size_t bytes)
{
    stream->answers_begin += bytes;
    if (stream->answers_begin < stream->answers_end || stream->answers_room <= STREAM_ANSWERS_MAX)
        return;
    free(stream->answers);
    stream->answers = NULL;
    stream->answers_room = stream->answers_begin = stream->answers_end = 0;
}
