/*
 * ingest_read.h -- a line that a gateway sends, as rows: line protocol, or a JSON object.
 *
 *     heart_rate,user=7f3a,source=watch value=62i 1465839830100400200
 *     {"user": "7f3a", "source": "watch", "metric": "heart_rate", "time": "2016-06-13T17:43:50Z", "value": 62}
 *
 *   G1  A line gives what it says as a whole, or a sentence: what it holds beyond that is refused, not passed over,
 *       so that no series is stored as part of another.
 *   G2  Reading needs no store, but a way to find metrics by name.
 *   G3  Lines of no time get times that rise from line to line, so that none takes another's place, unless
 *       the clock is put right.
 *
 * Threads: one at a time. Tests: tests/unit/test_tool_ingest.c, tests/cli/ingest.test, fuzz/fuzz_line.c.
 */
#ifndef TOOLS_INGEST_READ_H
#define TOOLS_INGEST_READ_H

#include "import_csv.h"
#include "line.h"

enum { INGEST_METRICS = 256 };

enum ingest_format { INGEST_TELL, INGEST_INFLUX, INGEST_NDJSON }; /* TELL: '{' begins an object */

enum ingest_kind {
    INGEST_NOTHING, /* an empty line or a comment */
    INGEST_SAMPLE,
    INGEST_DELETE,
    INGEST_REPLACE,
};

enum ingest_result {
    INGEST_OK,
    INGEST_REFUSED, /* `problem` says why */
    INGEST_FAILED,  /* a metric could not be looked up: `err` */
    INGEST_NO_MEMORY,
};

struct json_t;
struct ingest_metric;

struct ingest_reader {
    /* the caller's: what was asked for, borrowed */
    enum ingest_format format;
    int64_t unit_ns; /* of times that are numbers */
    const char *user_tag, *source_tag;
    const char *user;           /* of lines without one; NULL: none was given */
    const char *source;         /* of lines without one */
    struct option_list ignored; /* tags and fields to pass over */
    bool round;
    int64_t (*now_ns)(void);
    metric_find_fn *metric_find; /* what *out points at outlives the reader */
    void *context;
    /* metrics that lines had, by a hash of their names */
    struct ingest_metric *metrics[INGEST_METRICS];
    const struct ingest_metric *last;
    int64_t last_now_ns;
    struct time_format rfc3339;
    /* the line at hand; texts are borrowed from it, until the next one */
    enum ingest_kind kind;
    const holter_metric *metric; /* NULL: a deletion of every one */
    struct csv_field line_user;
    struct csv_field line_source; /* bytes NULL: a deletion of every one */
    int64_t begin_ns, end_ns;     /* of a deletion or replaced range */
    int64_t revision;             /* of these */
    struct import_sample sample;  /* of INGEST_SAMPLE, and of ingest_sample_next */
    holter_value values[HOLTER_FIELDS_MAX];
    size_t sample_count; /* of a replaced range */
    struct json_t *object, *samples;
    struct line line;
    char problem[IMPORT_PROBLEM_BYTES_MAX];
    holter_error err;
};

/** All zero, but what is the caller's, is a reader. */
void ingest_reader_release(struct ingest_reader *reader);

/** Read a line without its end, at most LINE_BYTES_MAX, which may be changed. */
enum ingest_result ingest_line_read(struct ingest_reader *reader, char *bytes, size_t count);
/** reader->sample becomes the index-th of a replaced range, which were all well. */
void ingest_sample_read(struct ingest_reader *reader, size_t index);

#endif
