/*
 * ingest_stream.h -- who sends lines and gets answers: lines out of bytes, answers kept until they are taken.
 *
 *   K1  Memory is bounded: a line by LINE_BYTES_MAX, answers by STREAM_ANSWERS_MAX and those of one batch more, as a
 *       stream that is full gives no line.
 *   K2  A line that is too long is told once and passed over to its end. What follows the last line's end is told,
 *       too: it can be half a line.
 *
 * Threads: one at a time. Tests: tests/unit/test_tool_ingest.c.
 */
#ifndef TOOLS_INGEST_STREAM_H
#define TOOLS_INGEST_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_BYTES = 128 << 10, STREAM_ANSWERS_MAX = 256 << 10 };

struct ingest_stream {
    uint64_t line; /* of the one given last, from 1 */
    char *bytes;
    size_t begin, end, room; /* of bytes that are not given yet */
    size_t looked;           /* so many of these hold no line's end */
    bool skips;              /* the rest of a line that was too long */
    bool is_at_end;          /* there are no more bytes */
    bool is_gone;            /* nobody takes answers any more */
    char *answers;
    size_t answers_begin, answers_end, answers_room;
    size_t waiting; /* lines without an answer yet */
};

enum stream_result {
    STREAM_LINE,
    STREAM_NONE, /* more bytes are needed, or answers are to be taken first */
    STREAM_LONG, /* a line of more than LINE_BYTES_MAX */
    STREAM_CUT,  /* the end came before a line's */
};

void stream_release(struct ingest_stream *stream);

/** Room for more bytes, *room > 0 of it; NULL: no memory. stream_filled tells how many came. */
char *stream_room(struct ingest_stream *stream, size_t *room);
void stream_filled(struct ingest_stream *stream, size_t bytes);

/** The next line without its end, borrowed until stream_room. */
enum stream_result stream_next(struct ingest_stream *stream, char **line, size_t *bytes);
/** A call of stream_next would not say STREAM_NONE. */
bool stream_has_line(struct ingest_stream *stream);
/** Too many answers wait. */
bool stream_is_full(const struct ingest_stream *stream);

/** Keep a part of an answer. No memory: the stream is gone. */
void stream_answer(struct ingest_stream *stream, const char *bytes, size_t count);
/** So many of the answers that wait were taken. */
void stream_taken(struct ingest_stream *stream, size_t bytes);

#endif
