/*
 * ingest_batch.h -- lines of many streams, committed together and answered in order.
 *
 *   H1  A line is answered with what it says is durable, or with a sentence and nothing of it stored. But one that is
 *       answered "retry" may be stored where it deletes; sending it again is right in any case.
 *   H2  Lines take effect in the order in which they were taken: a deletion or a replaced range is committed by
 *       itself, after what came before it.
 *   H3  Memory is bounded: lines without an answer by `lines_max`, their sentences by INGEST_REASONS_MAX.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_INGEST_BATCH_H
#define TOOLS_INGEST_BATCH_H

#include "import_rows.h"
#include "ingest_read.h"
#include "ingest_stream.h"

enum { INGEST_REASONS_MAX = 1 << 20 };

/** What became of a line. A new one also needs: its word and its page in holter-ingest(1). */
enum ingest_answer {
    ANSWER_OK,
    ANSWER_NEW,
    ANSWER_DUPLICATE,
    ANSWER_CORRECTED,
    ANSWER_SUPERSEDED,
    ANSWER_DELETED,
    ANSWER_REPLACED,
    ANSWER_REFUSED,
    ANSWER_RETRY,
    ANSWER_COUNT,
};

extern const char *const ingest_words[ANSWER_COUNT];

/** A line without an answer. */
struct ingest_entry {
    struct ingest_stream *stream;
    uint64_t line;
    enum ingest_answer answer;
    uint16_t flags;
    uint32_t rows;      /* of a replaced range */
    const char *reason; /* NULL: none, or why the batch failed */
};

struct ingest {
    struct ingest_reader reader; /* what is the caller's there, too */
    holter_store *store;
    bool json;
    /** What became of a line, which is not answered then; NULL: lines are answered. */
    void (*told)(void *context, const struct ingest_entry *entry);
    void *context;
    struct import_rows rows;
    size_t lines_max;
    struct ingest_entry *entries;
    size_t entry_count;
    char *reasons;
    size_t reason_bytes;
    const char *last_reason;
    holter_status status; /* of the last commit */
    uint64_t lines, flagged, counts[ANSWER_COUNT];
};

/** `exact`: answers tell what is new. Returns TOOL_OK or the exit code, said. Then or not:
    ingest_release. */
int ingest_init(struct ingest *ingest, holter_store *store, size_t lines_max, const char *region,
                bool exact, bool adds_none);
void ingest_release(struct ingest *ingest);

/** Take the lines that a stream has. Commits whenever there are `lines_max`. */
void ingest_take(struct ingest *ingest, struct ingest_stream *stream);
/** Commit what was taken, and answer it. */
void ingest_commit(struct ingest *ingest);

#endif
