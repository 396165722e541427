/*
 * edits.c -- the handle of a log of edits: open, refresh, append, rewrite, verify.
 *
 * A handle follows the files by two passes: the first finds what is whole (and, for a writer, mends
 * the copies before anything is built on them), the second applies it.
 *
 *     | header | edit 1 | edit 2 | edit 3 | torn ..
 *                                         ^ offset: applied so far
 *
 * E1  No synced byte is written again: what is doubtful is left behind by copies of a higher
 *     generation.
 * E3  A reader stops at version_max; a writer that finds more makes it durable before it applies
 *     it.
 *
 * A handle reads copies that it opened after it was told version_max: they cannot be of a
 * generation that a failed append left behind, whose last edit was never published.
 *
 * Bytes: format-spec/edits.md. Tests: tests/unit/test_edits_*.c.
 */
#include "edits_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUEUE_DEPTH = 4,
    VERIFY_TRIES_MAX = 3, /* a rewrite is seen between its renames only for a moment */
};

struct edits {
    struct edits_spec spec;
    struct io_queue *queue;
    struct edits_log log;
    struct edits_header header; /* of the copies that the state was applied from */
    uint64_t generation_seen;   /* the greatest ever met or tried */
    uint64_t generation_synced; /* the one whose names this handle knows to be durable */
    uint64_t version;           /* 0: the owner's state is incomplete */
    uint64_t offset;            /* after the last edit applied */
    uint64_t version_published; /* version_max as told last */
    bool is_ready;    /* for appending: the copies are open, clean and hold just the state */
    bool is_poisoned; /* a write failed: nothing is known of the files beyond `offset` */
};

/* What lies in the copies from some place on. */
struct scan {
    uint64_t offset; /* in: where to begin; out: after the last edit that counts */
    uint64_t
        version; /* in: applied so far, 0 at the beginning; out: of the last edit that counts */
    bool is_doubtful; /* torn, damaged in a copy, or later than what was published */
};

/* ---- first pass: what is whole --------------------------------------------------------------- */

/*
 * One edit, all of its parts. *is_whole false: it ends the log. A reader (`limit`) that meets a
 * later one than it may take is told by *is_later.
 */
static holter_status scan_edit(struct scan *scan, bool *is_whole, bool *is_later,
                               struct edits_log *log, bool writable, uint64_t version_max,
                               holter_error *err)
{
    const struct edits_spec *spec = log->spec;
    bool is_first = scan->offset == EDITS_FIRST_OFFSET;
    uint64_t wanted = is_first ? log->header.base : scan->version + 1;
    uint64_t at = scan->offset;
    struct edits_record record = { .flags = EDITS_MORE };
    unsigned copies;

    *is_whole = false;
    *is_later = !is_first && wanted > version_max;
    for (uint32_t part = 0; (record.flags & EDITS_MORE) != 0; part++) {
        holter_status status = edits_record_find(&record, &copies, log, at, writable, err);
        if (status != HOLTER_OK || copies == 0)
            return status;
        if (record.version != wanted || record.part != part)
            return error_set(
                err, HOLTER_CORRUPT,
                "'%s/%s': offset %llu has version %llu part %lu, expected %llu part %lu",
                spec->directory, spec->name, (unsigned long long)at,
                (unsigned long long)record.version, (unsigned long)record.part,
                (unsigned long long)wanted, (unsigned long)part);
        if (*is_later && !writable)
            return HOLTER_OK;
        if (writable && copies != (1u << EDITS_COPIES) - 1)
            scan->is_doubtful = true;
        at += record.bytes;
    }
    *is_whole = true;
    scan->offset = at;
    scan->version = wanted;
    return HOLTER_OK;
}

static holter_status scan_log(struct scan *scan, struct edits_log *log, bool writable,
                              uint64_t version_max, holter_error *err)
{
    const struct edits_spec *spec = log->spec;
    bool is_whole, is_later;
    do {
        holter_status status =
            scan_edit(scan, &is_whole, &is_later, log, writable, version_max, err);
        if (status != HOLTER_OK)
            return status;
        if (is_whole && is_later)
            scan->is_doubtful = true;
    } while (is_whole);

    if (scan->version == 0)
        return error_set(err, HOLTER_CORRUPT, "'%s/%s': the first edit is whole in neither copy",
                         spec->directory, spec->name);
    if (version_max != UINT64_MAX && scan->version < version_max)
        return error_set(
            err, HOLTER_CORRUPT,
            "'%s/%s': ends with version %llu at offset %llu, but version %llu was published",
            spec->directory, spec->name, (unsigned long long)scan->version,
            (unsigned long long)scan->offset, (unsigned long long)version_max);

    /* A torn tail is the end; a whole edit after it means that the tail is no tail but damage. */
    if (writable || version_max == UINT64_MAX) {
        bool found;
        holter_status status = edits_later_find(&found, log, scan->offset, scan->version + 1, err);
        if (status != HOLTER_OK)
            return status;
        if (found)
            return error_set(
                err, HOLTER_CORRUPT,
                "'%s/%s': version %llu at offset %llu is whole in neither copy, and later "
                "ones follow",
                spec->directory, spec->name, (unsigned long long)(scan->version + 1),
                (unsigned long long)scan->offset);
    }
    for (size_t c = 0; c < EDITS_COPIES; c++)
        if (!log->copies[c].is_current || log->copies[c].bytes != scan->offset)
            scan->is_doubtful = true;
    return HOLTER_OK;
}

/* ---- making anew ----------------------------------------------------------------------------- */

/*
 * Both copies anew with the edits before `end`, which keep their places. The log moves to the new
 * copies.
 */
static holter_status make_anew(struct edits *edits, struct edits_log *log, uint64_t end,
                               holter_error *err)
{
    struct edits_maker maker;
    struct edits_header header = { ++edits->generation_seen, log->header.base };
    holter_status status = edits_maker_begin(&maker, &edits->spec, edits->queue, header, err);
    if (status != HOLTER_OK)
        goto done;

    for (uint64_t at = EDITS_FIRST_OFFSET; at < end;) {
        struct edits_record record;
        unsigned copies;
        status = edits_record_find(&record, &copies, log, at, false, err);
        if (status == HOLTER_OK && copies == 0)
            status = error_set(err, HOLTER_CORRUPT,
                               "'%s/%s': the edit at offset %llu is no longer whole",
                               edits->spec.directory, edits->spec.name, (unsigned long long)at);
        if (status == HOLTER_OK)
            status = edits_maker_record(&maker, record.version, record.flags, record.part,
                                        record.body, record.body_bytes, err);
        if (status != HOLTER_OK)
            goto done;
        at += record.bytes;
    }
    status = edits_maker_finish(&maker, err);
    if (status != HOLTER_OK)
        goto done;
    core_assert(maker.offset == end);
    edits_maker_move(&maker, log);
    edits->generation_synced = log->header.generation;
done:
    edits_maker_release(&maker);
    return status;
}

/*
 * Copies that are clean, but that this handle did not make: whoever renamed them may have died
 * before it synced the directory, and where nobody tells what was published, before it synced the
 * last edit. Where the sync fails the system may believe from then on that it has nothing to write: no later
 * one is asked for, but copies are made anew.
 */
static holter_status settle(struct edits *edits, struct edits_log *log, uint64_t end,
                            bool is_published, holter_error *err)
{
    holter_status status = HOLTER_OK;
    if (!is_published) {
        struct io_op ops[EDITS_COPIES];
        for (size_t c = 0; c < EDITS_COPIES; c++)
            ops[c] = (struct io_op){ .kind = IO_SYNC, .file = log->copies[c].file };
        if (edits_run(log->queue, ops, EDITS_COPIES, NULL) != HOLTER_OK)
            return make_anew(edits, log, end, err);
    }
    if (status == HOLTER_OK && edits->generation_synced != log->header.generation) {
        status = io_sync_dir(edits->spec.io, edits->spec.directory, err);
        if (status == HOLTER_OK)
            edits->generation_synced = log->header.generation;
    }
    return status;
}

/* ---- second pass: applying ------------------------------------------------------------------- */

static void forget_state(struct edits *edits)
{
    edits->spec.owner.reset(edits->spec.owner.context);
    edits->version = 0;
    edits->offset = 0;
    edits->is_ready = false;
}

static holter_status apply_until(struct edits *edits, uint64_t end, holter_error *err)
{
    while (edits->offset < end) {
        struct edits_record record;
        unsigned copies;
        holter_status status =
            edits_record_find(&record, &copies, &edits->log, edits->offset, false, err);
        if (status == HOLTER_OK && copies == 0)
            status = error_set(err, HOLTER_CORRUPT,
                               "'%s/%s': the edit at offset %llu is no longer whole",
                               edits->spec.directory, edits->spec.name,
                               (unsigned long long)edits->offset);
        if (status == HOLTER_OK)
            status = edits->spec.owner.apply(edits->spec.owner.context, record.version, record.body,
                                             record.body_bytes, err);
        if (status != HOLTER_OK)
            return status;
        edits->offset += record.bytes;
        edits->version = record.version;
    }
    return HOLTER_OK;
}

/* ---- following the files --------------------------------------------------------------------- */

static holter_status catch_up(struct edits *edits, bool writable, uint64_t version_max,
                              holter_error *err)
{
    struct edits_log log;
    edits->is_ready = false;
    holter_status status =
        edits_log_open(&log, &edits->spec, edits->queue, writable, &edits->generation_seen, err);
    if (status != HOLTER_OK)
        goto done;

    /* A rewritten log's first edit counts as published, so a handle may rightly stand there. */
    bool is_beyond = edits->version > version_max && edits->version != log.header.base;
    bool is_anew = edits->version == 0 || is_beyond ||
                   log.header.generation != edits->header.generation ||
                   log.header.base != edits->header.base;
    struct scan scan = { .offset = EDITS_FIRST_OFFSET };
    if (!is_anew)
        scan = (struct scan){ .offset = edits->offset,
                              .version = edits->version,
                              .is_doubtful = edits->is_poisoned };

    /*
     * What this handle failed to append is dropped where nobody has built on it: the generation is
     * still the one it was written to, and nothing later has been published.
     */
    bool is_dropped = writable && edits->is_poisoned && !is_anew && version_max == edits->version;
    if (!is_dropped)
        status = scan_log(&scan, &log, writable, version_max, err);
    if (status == HOLTER_OK && writable && scan.is_doubtful)
        status = make_anew(edits, &log, scan.offset, err);
    else if (status == HOLTER_OK && writable)
        status = settle(edits, &log, scan.offset, version_max != UINT64_MAX, err);
    if (status != HOLTER_OK)
        goto done;

    /* From here on the new copies are the handle's. */
    edits_log_release(&edits->log);
    edits->log = log;
    edits->log.spec = &edits->spec;
    log = (struct edits_log){ .spec = NULL };
    edits->header = edits->log.header;
    edits->version_published = version_max;
    edits->is_poisoned = edits->is_poisoned && !writable && !is_anew;
    if (is_anew) {
        forget_state(edits);
        edits->offset = EDITS_FIRST_OFFSET;
    }
    status = apply_until(edits, scan.offset, err);
    edits_log_forget(&edits->log);
    if (status != HOLTER_OK)
        forget_state(edits);
    else
        edits->is_ready = writable;
done:
    edits_log_release(&log);
    return status;
}

/* ---- entry points ---------------------------------------------------------------------------- */

static holter_status check_parts(const struct edits_spec *spec, const struct edits_part *parts,
                                 size_t count, holter_error *err)
{
    bool is_right = count > 0 && count <= UINT32_MAX;
    for (size_t i = 0; i < count && is_right; i++)
        is_right = parts[i].count > 0 && parts[i].count <= EDITS_BODY_BYTES_MAX;
    if (is_right)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%s/%s': an edit has parts of 1 to %d bytes",
                     spec->directory, spec->name, EDITS_BODY_BYTES_MAX);
}

static holter_status check_absent(const struct edits_spec *spec, holter_error *err)
{
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        char path[IO_PATH_BYTES_MAX];
        struct io_stat there;
        holter_status status = edits_copy_path(path, spec, c, false, err);
        if (status != HOLTER_OK)
            return status;
        status = io_stat(&there, spec->io, path, err);
        if (status == HOLTER_OK)
            return error_set(err, HOLTER_EXISTS, "'%s' is there already", path);
        if (status != HOLTER_NOT_FOUND)
            return status;
    }
    return HOLTER_OK;
}

holter_status edits_create(const struct edits_spec *spec, const struct edits_part *parts,
                           size_t count, holter_error *err)
{
    struct io_queue *queue = NULL;
    holter_status status = check_parts(spec, parts, count, err);
    if (status == HOLTER_OK)
        status = check_absent(spec, err);
    if (status == HOLTER_OK)
        status = io_queue_open(&queue, spec->io, QUEUE_DEPTH, err);
    if (status != HOLTER_OK)
        return status;

    struct edits_maker maker;
    struct edits_header header = { .generation = 1, .base = 1 };
    status = edits_maker_begin(&maker, spec, queue, header, err);
    if (status == HOLTER_OK)
        status = edits_maker_edit(&maker, header.base, parts, count, err);
    if (status == HOLTER_OK)
        status = edits_maker_finish(&maker, err);
    if (status != HOLTER_OK)
        edits_maker_undo(&maker);
    edits_maker_release(&maker);
    io_queue_close(queue);
    return status;
}

holter_status edits_open(struct edits **out, const struct edits_spec *spec, bool writable,
                         uint64_t version_max, holter_error *err)
{
    *out = NULL;
    core_assert(strlen(spec->name) < EDITS_NAME_BYTES_MAX);
    struct edits *edits = calloc(1, sizeof *edits);
    if (edits == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s/%s': handle", spec->directory, spec->name);
    edits->spec = *spec;
    edits->log.spec = &edits->spec;

    holter_status status = io_queue_open(&edits->queue, spec->io, QUEUE_DEPTH, err);
    if (status == HOLTER_OK)
        status = catch_up(edits, writable, version_max, err);
    if (status != HOLTER_OK)
        goto done;

    *out = edits;
    edits = NULL; /* now the caller's */
done:
    edits_close(edits);
    return status;
}

void edits_close(struct edits *edits)
{
    if (edits == NULL)
        return;
    edits_log_release(&edits->log);
    if (edits->queue != NULL)
        io_queue_close(edits->queue);
    free(edits);
}

uint64_t edits_version(const struct edits *edits)
{
    return edits->version;
}

uint64_t edits_generation(const struct edits *edits)
{
    return edits->header.generation;
}

uint64_t edits_bytes(const struct edits *edits)
{
    return edits->offset;
}

holter_status edits_refresh(struct edits *edits, bool writable, uint64_t version_max,
                            holter_error *err)
{
    if (!writable && edits->version != 0 && edits->version == version_max)
        return HOLTER_OK;
    return catch_up(edits, writable, version_max, err);
}

static holter_status check_ready(const struct edits *edits, holter_error *err)
{
    if (edits->is_ready && edits->version < EDITS_NUMBER_MAX)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%s/%s': not refreshed for writing",
                     edits->spec.directory, edits->spec.name);
}

/* The edit goes to the end of both copies, each write with its sync behind it. */
static holter_status write_edit(struct edits *edits, struct buffer *edit, holter_error *err)
{
    struct io_op ops[2 * EDITS_COPIES];
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        struct io_file *file = edits->log.copies[c].file;
        ops[2 * c] = (struct io_op){ .kind = IO_WRITE,
                                     .linked = true,
                                     .file = file,
                                     .offset = edits->offset,
                                     .memory = edit->data,
                                     .bytes = edit->bytes };
        ops[2 * c + 1] = (struct io_op){ .kind = IO_SYNC, .file = file };
    }
    holter_status status = edits_run(edits->queue, ops, CORE_COUNT(ops), err);
    edits->is_poisoned = status != HOLTER_OK;
    head_count(edits->spec.statistics, HEAD_EDIT_BYTES, EDITS_COPIES * edit->bytes);
    return status;
}

holter_status edits_append(struct edits *edits, const struct edits_part *parts, size_t count,
                           holter_error *err)
{
    struct buffer edit;
    buffer_init(&edit);
    holter_status status = check_ready(edits, err);
    if (status == HOLTER_OK)
        status = check_parts(&edits->spec, parts, count, err);
    if (status == HOLTER_OK && edits->is_poisoned)
        status = make_anew(edits, &edits->log, edits->offset, err);
    if (status != HOLTER_OK)
        goto done;
    edits->is_poisoned = false;
    edits->header = edits->log.header;

    uint64_t version = edits->version + 1;
    for (size_t i = 0; i < count; i++)
        edits_record_encode(&edit, &edits->spec, edits->header.generation, version,
                            i + 1 < count ? EDITS_MORE : 0, (uint32_t)i, parts[i].bytes,
                            parts[i].count);
    if (edit.failed) {
        status = error_set(err, HOLTER_NO_MEMORY, "'%s/%s': memory for an edit",
                           edits->spec.directory, edits->spec.name);
        goto done;
    }
    status = write_edit(edits, &edit, err);
    if (status != HOLTER_OK)
        goto done;

    edits->offset += edit.bytes;
    edits->version = version;
    for (size_t c = 0; c < EDITS_COPIES; c++)
        edits->log.copies[c].bytes = edits->offset;
    for (size_t i = 0; i < count && status == HOLTER_OK; i++)
        status = edits->spec.owner.apply(edits->spec.owner.context, version, parts[i].bytes,
                                         parts[i].count, err);
    if (status != HOLTER_OK)
        forget_state(edits); /* it is durable, though: the next refresh has it */
done:
    edits_log_forget(&edits->log);
    buffer_release(&edit);
    return status;
}

holter_status edits_rewrite(struct edits *edits, const struct edits_part *parts, size_t count,
                            holter_error *err)
{
    holter_status status = check_ready(edits, err);
    if (status == HOLTER_OK)
        status = check_parts(&edits->spec, parts, count, err);
    if (status != HOLTER_OK)
        return status;

    struct edits_maker maker;
    struct edits_header header = { ++edits->generation_seen, edits->version };
    status = edits_maker_begin(&maker, &edits->spec, edits->queue, header, err);
    if (status == HOLTER_OK)
        status = edits_maker_edit(&maker, header.base, parts, count, err);
    if (status == HOLTER_OK)
        status = edits_maker_finish(&maker, err);
    edits->is_poisoned = status != HOLTER_OK; /* a name may hold the new copy already */
    if (status == HOLTER_OK) {
        edits->offset = maker.offset;
        edits_maker_move(&maker, &edits->log);
        edits->header = edits->log.header;
        edits->generation_synced = edits->header.generation;
    }
    edits_maker_release(&maker);
    return status;
}

/* ---- verify ---------------------------------------------------------------------------------- */

struct findings {
    void (*report)(void *context, const char *sentence);
    void *context;
    size_t count;
};

static void find(struct findings *findings, const char *sentence)
{
    findings->count++;
    if (findings->report != NULL)
        findings->report(findings->context, sentence);
}

/*
 * The record at an offset in each copy. HOLTER_DONE: nothing can be said of what follows. What the
 * last append left unfinished in one copy is no damage, as long as nobody has published it.
 */
static holter_status verify_record(struct edits_record *record, unsigned *copies,
                                   struct edits_log *log, uint64_t offset, bool may_be_torn,
                                   struct findings *findings, holter_error *err)
{
    holter_error sentence = { .status = HOLTER_OK };
    const struct edits_spec *spec = log->spec;
    holter_status status = edits_record_find(record, copies, log, offset, true, &sentence);
    if (status == HOLTER_NO_MEMORY)
        return error_set(err, status, "%s", sentence.message);
    if (status != HOLTER_OK) {
        find(findings, sentence.message);
        return HOLTER_DONE;
    }
    for (size_t c = 0; c < EDITS_COPIES && *copies != 0; c++) {
        if ((*copies & 1u << c) != 0 || !log->copies[c].is_current)
            continue;
        if (may_be_torn && edits_is_torn(log, c, offset, record->bytes))
            continue;
        error_set(
            &sentence, HOLTER_CORRUPT,
            "'%s/%s.%c': the edit of version %llu at offset %llu is damaged; the other copy has it",
            spec->directory, spec->name, c == 0 ? 'a' : 'b', (unsigned long long)record->version,
            (unsigned long long)offset);
        find(findings, sentence.message);
    }
    return HOLTER_OK;
}

static holter_status verify_log(struct edits_log *log, uint64_t version, bool is_published,
                                struct findings *findings, holter_error *err)
{
    const struct edits_spec *spec = log->spec;
    uint64_t last = version > log->header.base ? version : log->header.base;
    uint64_t at = EDITS_FIRST_OFFSET;
    struct edits_record record = { .version = log->header.base, .flags = EDITS_MORE };
    while (record.version < last || (record.flags & EDITS_MORE) != 0) {
        unsigned copies;
        bool is_first = at == EDITS_FIRST_OFFSET;
        uint64_t wanted = record.version + (!is_first && (record.flags & EDITS_MORE) == 0);
        uint32_t part = !is_first && (record.flags & EDITS_MORE) != 0 ? record.part + 1 : 0;
        bool may_be_torn = !is_published && wanted == last && last != log->header.base;
        holter_status status = verify_record(&record, &copies, log, at, may_be_torn, findings, err);
        if (status != HOLTER_OK)
            return status == HOLTER_DONE ? HOLTER_OK : status;
        if (copies == 0 || record.version != wanted || record.part != part) {
            holter_error sentence;
            error_set(&sentence, HOLTER_CORRUPT,
                      "'%s/%s': version %llu at offset %llu is in neither copy", spec->directory,
                      spec->name, (unsigned long long)wanted, (unsigned long long)at);
            find(findings, sentence.message);
            return HOLTER_OK;
        }
        at += record.bytes;
    }
    return HOLTER_OK;
}

holter_status edits_verify(struct edits *edits, void (*report)(void *context, const char *sentence),
                           void *context, size_t *damaged, holter_error *err)
{
    struct findings findings = { .report = report, .context = context };
    struct edits_log log;
    holter_status status;
    holter_error fault = { .status = HOLTER_OK };
    for (unsigned i = 1;; i++) {
        status = edits_log_open(&log, &edits->spec, edits->queue, false, &edits->generation_seen,
                                &fault);
        bool is_clean = status == HOLTER_OK && log.copies[0].is_current && log.copies[1].is_current;
        if (is_clean || i == VERIFY_TRIES_MAX)
            break;
        edits_log_release(&log);
        io_sleep_ns(edits->spec.io, 1000000);
    }
    if (status == HOLTER_CORRUPT || status == HOLTER_NOT_FOUND || status == HOLTER_IO) {
        find(&findings, fault.message);
        status = HOLTER_OK;
        goto done;
    }
    if (status != HOLTER_OK) {
        error_set(err, status, "%s", fault.message);
        goto done;
    }

    for (size_t c = 0; c < EDITS_COPIES; c++) {
        const struct edits_copy *copy = &log.copies[c];
        bool is_half_renamed = false;
        if (copy->is_current)
            continue;
        if (copy->fault.status == HOLTER_OK) {
            status = edits_find_aside(&is_half_renamed, &log, c, err);
            if (status != HOLTER_OK)
                goto done;
        }
        if (is_half_renamed)
            continue; /* no damage: a writer was killed; the next edit makes both anew */
        if (copy->fault.status == HOLTER_OK)
            error_set(&fault, HOLTER_CORRUPT,
                      "'%s/%s.%c': generation %llu, the other copy has %llu", edits->spec.directory,
                      edits->spec.name, c == 0 ? 'a' : 'b', (unsigned long long)copy->generation,
                      (unsigned long long)log.header.generation);
        find(&findings, copy->fault.status == HOLTER_OK ? fault.message : copy->fault.message);
    }
    status =
        verify_log(&log, edits->version, edits->version_published != UINT64_MAX, &findings, err);
done:
    edits_log_release(&log);
    *damaged += findings.count;
    return status;
}
