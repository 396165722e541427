/*
 * ingest_batch.c -- lines of many streams, committed together and answered in order.
 */
#include "ingest_batch.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flags.h"

enum {
    STORE_FLAGS = HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE,
    NUMBER_BYTES_MAX = 24,
    REASON_BYTES_MAX = sizeof(((holter_error *)NULL)->message),
};

const char *const ingest_words[ANSWER_COUNT] = {
    "ok", "new", "duplicate", "corrected", "superseded", "deleted", "replaced", "refused", "retry",
};

/* ---- answers -------------------------------------------------------------------------------- */

static size_t number_write(char out[static NUMBER_BYTES_MAX], uint64_t number)
{
    char digits[NUMBER_BYTES_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(out, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

static void answer_text(struct ingest_stream *stream, const char *text)
{
    stream_answer(stream, text, strlen(text));
}

static void answer_number(struct ingest_stream *stream, uint64_t number)
{
    char digits[NUMBER_BYTES_MAX];
    stream_answer(stream, digits, number_write(digits, number));
}

static void answer_json_string(struct ingest_stream *stream, const char *text)
{
    json_t *value = json_string(text);
    char *written = json_dumps(value, JSON_ENCODE_ANY);
    answer_text(stream, written != NULL ? written : "\"\"");
    free(written);
    json_decref(value);
}

/* {"line":7,"answer":"refused","reason":"..."} */
static void answer_write_json(const struct ingest_entry *entry, const char *reason)
{
    struct ingest_stream *stream = entry->stream;
    answer_text(stream, "{\"line\":");
    answer_number(stream, entry->line);
    answer_text(stream, ",\"answer\":\"");
    answer_text(stream, ingest_words[entry->answer]);
    answer_text(stream, "\"");
    if (entry->answer == ANSWER_REPLACED) {
        answer_text(stream, ",\"rows\":");
        answer_number(stream, entry->rows);
    }
    if (entry->flags != 0) {
        char names[FLAGS_TEXT_BYTES_MAX];
        flags_write(names, entry->flags, "\",\"");
        answer_text(stream, ",\"flags\":[\"");
        answer_text(stream, names);
        answer_text(stream, "\"]");
    }
    if (reason != NULL) {
        answer_text(stream, ",\"reason\":");
        answer_json_string(stream, reason);
    }
    answer_text(stream, "}\n");
}

/* "7 refused tag 2: found ...", "8 ok out_of_range", "9 replaced 24" */
static void answer_write_text(const struct ingest_entry *entry, const char *reason)
{
    struct ingest_stream *stream = entry->stream;
    answer_number(stream, entry->line);
    answer_text(stream, " ");
    answer_text(stream, ingest_words[entry->answer]);
    if (entry->answer == ANSWER_REPLACED) {
        answer_text(stream, " ");
        answer_number(stream, entry->rows);
    }
    if (entry->flags != 0) {
        char names[FLAGS_TEXT_BYTES_MAX];
        flags_write(names, entry->flags, "|");
        answer_text(stream, " ");
        answer_text(stream, names);
    }
    if (reason != NULL) {
        answer_text(stream, " ");
        answer_text(stream, reason);
    }
    answer_text(stream, "\n");
}

static void entries_answer(struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->entry_count; i++) {
        struct ingest_entry *entry = &ingest->entries[i];
        if (entry->answer == ANSWER_RETRY && entry->reason == NULL)
            entry->reason = ingest->rows.err.message;
        ingest->counts[entry->answer]++;
        ingest->flagged += entry->flags != 0;
        entry->stream->waiting--;
        if (ingest->told != NULL)
            ingest->told(ingest->context, entry);
        else if (ingest->json)
            answer_write_json(entry, entry->reason);
        else
            answer_write_text(entry, entry->reason);
    }
    ingest->entry_count = 0;
    ingest->reason_bytes = 0;
    ingest->last_reason = NULL;
}

/* A sentence, kept for an entry as one line; mostly it is the last one again. */
static const char *reason_keep(struct ingest *ingest, const char *why)
{
    char *kept = ingest->reasons + ingest->reason_bytes;
    size_t bytes = strlen(why);
    if (ingest->last_reason != NULL && strcmp(ingest->last_reason, why) == 0)
        return ingest->last_reason;
    if (bytes >= INGEST_REASONS_MAX - ingest->reason_bytes)
        return "the store refuses it (more sentences than a batch keeps)";
    memcpy(kept, why, bytes + 1);
    for (char *at = kept; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    ingest->reason_bytes += bytes + 1;
    ingest->last_reason = kept;
    return kept;
}

static void entry_end(struct ingest *ingest, struct ingest_entry *entry, enum ingest_answer answer,
                      const char *why)
{
    entry->answer = answer;
    entry->reason = reason_keep(ingest, why);
}

/* ---- commit --------------------------------------------------------------------------------- */

static bool row_refused(void *context, const struct import_row *row, const char *why)
{
    struct ingest *ingest = context;
    entry_end(ingest, &ingest->entries[row->line], ANSWER_REFUSED, why);
    return !ingest->rows.is_all_or_none;
}

static void row_answered(void *context, const struct import_row *row, holter_row_answer answer)
{
    static const enum ingest_answer answers[] = {
        [HOLTER_PENDING] = ANSWER_RETRY,
        [HOLTER_ACCEPTED] = ANSWER_OK,
        [HOLTER_NEW] = ANSWER_NEW,
        [HOLTER_DUPLICATE] = ANSWER_DUPLICATE,
        [HOLTER_CORRECTED] = ANSWER_CORRECTED,
        [HOLTER_SUPERSEDED] = ANSWER_SUPERSEDED,
    };
    struct ingest *ingest = context;
    struct ingest_entry *entry = &ingest->entries[row->line];
    if (entry->answer == ANSWER_REFUSED)
        return; /* a replaced range, of which another row was refused */
    if (answer.answer != HOLTER_PENDING)
        entry->flags = (uint16_t)(entry->flags | (answer.flags & STORE_FLAGS));
    if (entry->answer != ANSWER_REPLACED || answer.answer == HOLTER_PENDING)
        entry->answer = answers[answer.answer];
}

/* The store's status is said once, not for each batch that it fails. */
static holter_status rows_store(struct ingest *ingest)
{
    holter_status status = import_rows_store(&ingest->rows);
    if (status != HOLTER_OK && status != ingest->status)
        import_rows_say(&ingest->rows, status);
    ingest->status = status;
    return status;
}

void ingest_commit(struct ingest *ingest)
{
    if (ingest->rows.row_count > 0)
        rows_store(ingest);
    entries_answer(ingest);
}

/* ---- deletions and replaced ranges ---------------------------------------------------------- */

static const char missing_person[] =
    "found a user or source that the store does not have, expected one that it has";

static enum ingest_answer answer_of(holter_status status)
{
    return status == HOLTER_INVALID || status == HOLTER_NOT_FOUND || status == HOLTER_EXPIRED
               ? ANSWER_REFUSED
               : ANSWER_RETRY;
}

/* Whose range it is; *source 0 for every one. */
static holter_status range_person(struct ingest *ingest, uint64_t *user, uint32_t *source,
                                  holter_error *err)
{
    const struct ingest_reader *reader = &ingest->reader;
    char name[HOLTER_SOURCE_NAME_BYTES_MAX + 1];
    *source = 0;
    holter_status status = holter_user_find(ingest->store, reader->line_user.bytes,
                                            reader->line_user.count, user, err);
    if (status != HOLTER_OK || reader->line_source.bytes == NULL)
        return status;
    memcpy(name, reader->line_source.bytes, reader->line_source.count);
    name[reader->line_source.count] = '\0';
    return holter_source_find(ingest->store, *user, name, source, err);
}

/* The range goes with the next commit. */
static holter_status range_delete(struct ingest *ingest, uint64_t user, uint32_t source,
                                  holter_error *err)
{
    const struct ingest_reader *reader = &ingest->reader;
    uint32_t metric = reader->metric == NULL ? 0 : reader->metric->number;
    return holter_batch_delete(ingest->rows.batch, user, metric, source, reader->begin_ns,
                               reader->end_ns, reader->revision, err);
}

static void delete_take(struct ingest *ingest, struct ingest_entry *entry)
{
    uint64_t user;
    uint32_t source;
    holter_error err = { 0 };
    holter_status status = range_person(ingest, &user, &source, &err);
    if (status == HOLTER_OK)
        status = range_delete(ingest, user, source, &err);
    if (status == HOLTER_OK) {
        status = rows_store(ingest);
        err = ingest->rows.err;
    }
    entry->answer = ANSWER_DELETED;
    if (status == HOLTER_NOT_FOUND)
        entry_end(ingest, entry, ANSWER_REFUSED, missing_person);
    else if (status != HOLTER_OK)
        entry_end(ingest, entry, answer_of(status), err.message);
}

/* Its rows behind the deletion in one batch. */
static holter_status replace_fill(struct ingest *ingest, struct ingest_entry *entry)
{
    struct ingest_reader *reader = &ingest->reader;
    struct import_rows *rows = &ingest->rows;
    size_t count = reader->sample_count;
    size_t values = count * reader->metric->field_count;
    if (!import_rows_need_room(rows, count, values) ||
        !import_rows_person(rows, reader->line_user, reader->line_source)) {
        snprintf(rows->err.message, sizeof rows->err.message, "no memory left");
        return HOLTER_NO_MEMORY;
    }
    holter_status status = import_rows_resolve(rows);
    const struct name *user = &rows->users.items[rows->last_user];
    const struct name *source = &rows->sources.items[rows->last_source];
    if (status == HOLTER_OK && !(user->is_known && source->is_known)) {
        snprintf(rows->err.message, sizeof rows->err.message, "%s", missing_person);
        status = HOLTER_NOT_FOUND;
    }
    if (status == HOLTER_OK)
        status = range_delete(ingest, user->number, (uint32_t)source->number, &rows->err);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        ingest_sample_read(reader, i);
        import_rows_add(rows, 0, (uint64_t)(entry - ingest->entries), &reader->sample);
    }
    return status;
}

static void replace_take(struct ingest *ingest, struct ingest_entry *entry)
{
    struct import_rows *rows = &ingest->rows;
    rows->is_all_or_none = true;
    entry->answer = ANSWER_REPLACED;
    entry->rows = (uint32_t)ingest->reader.sample_count;
    holter_status status = replace_fill(ingest, entry);
    if (status == HOLTER_OK)
        status = rows_store(ingest);
    else
        import_rows_drop(rows);
    if (status != HOLTER_OK && entry->answer != ANSWER_REFUSED)
        entry_end(ingest, entry, answer_of(status), rows->err.message);
    rows->is_all_or_none = false;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static struct ingest_entry *entry_begin(struct ingest *ingest, struct ingest_stream *stream)
{
    if (ingest->entry_count == ingest->lines_max ||
        INGEST_REASONS_MAX - ingest->reason_bytes < REASON_BYTES_MAX)
        ingest_commit(ingest);
    struct ingest_entry *entry = &ingest->entries[ingest->entry_count++];
    *entry =
        (struct ingest_entry){ .stream = stream, .line = stream->line, .answer = ANSWER_RETRY };
    stream->waiting++;
    ingest->lines++;
    return entry;
}

static void sample_take(struct ingest *ingest, struct ingest_stream *stream)
{
    struct ingest_reader *reader = &ingest->reader;
    if (!import_rows_have_room(&ingest->rows, 1, reader->metric->field_count))
        ingest_commit(ingest);
    struct ingest_entry *entry = entry_begin(ingest, stream);
    if (import_rows_person(&ingest->rows, reader->line_user, reader->line_source))
        import_rows_add(&ingest->rows, 0, (uint64_t)(entry - ingest->entries), &reader->sample);
    else
        entry_end(ingest, entry, ANSWER_RETRY, "no memory left");
}

static void line_take(struct ingest *ingest, struct ingest_stream *stream, char *line, size_t bytes)
{
    struct ingest_reader *reader = &ingest->reader;
    switch (ingest_line_read(reader, line, bytes)) {
    case INGEST_REFUSED:
        entry_end(ingest, entry_begin(ingest, stream), ANSWER_REFUSED, reader->problem);
        return;
    case INGEST_FAILED:
        entry_end(ingest, entry_begin(ingest, stream), ANSWER_RETRY, reader->err.message);
        return;
    case INGEST_NO_MEMORY:
        entry_end(ingest, entry_begin(ingest, stream), ANSWER_RETRY, "no memory left");
        return;
    case INGEST_OK:
        break;
    }
    if (reader->kind == INGEST_SAMPLE) {
        sample_take(ingest, stream);
    } else if (reader->kind != INGEST_NOTHING) {
        ingest_commit(ingest);
        struct ingest_entry *entry = entry_begin(ingest, stream);
        if (reader->kind == INGEST_DELETE)
            delete_take(ingest, entry);
        else
            replace_take(ingest, entry);
        entries_answer(ingest);
    }
}

void ingest_take(struct ingest *ingest, struct ingest_stream *stream)
{
    for (;;) {
        char *line;
        size_t bytes;
        char why[IMPORT_PROBLEM_BYTES_MAX];
        switch (stream_next(stream, &line, &bytes)) {
        case STREAM_LINE:
            line_take(ingest, stream, line, bytes);
            break;
        case STREAM_NONE:
            return;
        case STREAM_LONG:
            snprintf(why, sizeof why,
                     "found a line of more than %d bytes, expected at most that many",
                     LINE_BYTES_MAX);
            entry_end(ingest, entry_begin(ingest, stream), ANSWER_REFUSED, why);
            break;
        case STREAM_CUT:
            if (!line_is_blank(line, bytes))
                entry_end(ingest, entry_begin(ingest, stream), ANSWER_REFUSED,
                          "found the input's end within a line, expected the line's own");
            break;
        }
    }
}

int ingest_init(struct ingest *ingest, holter_store *store, size_t lines_max, const char *region,
                bool exact, bool adds_none)
{
    ingest->store = store;
    ingest->lines_max = lines_max;
    ingest->entries = malloc(lines_max * sizeof *ingest->entries);
    ingest->reasons = malloc(INGEST_REASONS_MAX);
    if (ingest->entries == NULL || ingest->reasons == NULL)
        return say_no_memory();
    int code = import_rows_init(&ingest->rows, store, region, exact, row_refused, ingest);
    ingest->rows.answered = row_answered;
    ingest->rows.adds_none = adds_none;
    return code;
}

void ingest_release(struct ingest *ingest)
{
    import_rows_release(&ingest->rows);
    ingest_reader_release(&ingest->reader);
    free(ingest->entries);
    free(ingest->reasons);
}
