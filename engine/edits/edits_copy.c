/*
 * edits_copy.c -- two copies of a log, read as one: headers, records, and what is whole where.
 *
 * A copy that is missing, unreadable or damaged is a copy without the bytes in question; only where
 * the other one has not got them either does it become a failure.
 *
 * E2  A record is looked for at one offset in both copies, under the generation of the header that
 *     counts, so that nothing of a lower generation is ever taken for it.
 *
 * Bytes: format-spec/edits.md. Tests: tests/unit/test_edits_damage.c.
 */
#include "edits_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_MAGIC = 0x54494445, WINDOW_BYTES = 64 << 10, SEED_BYTES = 16 + 4 + 4 + 8 };

static const char *const copy_names[EDITS_COPIES] = { "a", "b" };

holter_status edits_copy_path(char out[static IO_PATH_BYTES_MAX], const struct edits_spec *spec,
                              size_t copy, bool aside, holter_error *err)
{
    int wanted = snprintf(out, IO_PATH_BYTES_MAX, "%s/%s.%s%s", spec->directory, spec->name,
                          copy_names[copy], aside ? ".tmp" : "");
    if (wanted > 0 && wanted < IO_PATH_BYTES_MAX)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%.64s..': the path is longer than %d bytes",
                     spec->directory, IO_PATH_BYTES_MAX - 1);
}

/* ---- header ---------------------------------------------------------------------------------- */

static const char *magic_of(enum edits_kind kind)
{
    switch (kind) {
    case EDITS_CATALOG:
        return "\x89HLTCATA";
    case EDITS_VAULT:
        return "\x89HLTVAUL";
    case EDITS_MANIFEST:
        return "\x89HLTMANI";
    }
    core_assert(!"a kind of edits");
    return NULL;
}

void edits_header_encode(uint8_t out[static CORE_SECTOR_BYTES], const struct edits_spec *spec,
                         const struct edits_header *header)
{
    core_assert(header->generation > 0);
    core_assert(header->base > 0);
    core_assert(header->generation <= EDITS_NUMBER_MAX);
    core_assert(header->base <= EDITS_NUMBER_MAX);

    memset(out, 0, CORE_SECTOR_BYTES);
    struct writer w = writer_over(out, EDITS_HEADER_BYTES);
    put_bytes(&w, magic_of(spec->kind), 8);
    put_u16(&w, HOLTER_FORMAT_MAJOR);
    put_u16(&w, HOLTER_FORMAT_MINOR);
    put_u32(&w, 0); /* must-understand features */
    put_u32(&w, 0); /* may-ignore features */
    put_bytes(&w, spec->store_id, sizeof spec->store_id);
    put_u32(&w, spec->place);
    put_u64(&w, header->generation);
    put_u64(&w, header->base);
    put_u64(&w, hash64(out, EDITS_HEADER_BYTES - 8));
    core_assert(w.left == 0 && !w.overrun);
}

/*
 * *fault NULL: the header counts. *is_sound: its checksum fits, so what it says is what was
 * written.
 */
static holter_status header_decode(struct edits_header *out, const char **fault, bool *is_sound,
                                   const struct edits_spec *spec,
                                   const uint8_t in[static CORE_SECTOR_BYTES])
{
    uint8_t store_id[16];
    struct reader r = reader_over(in, EDITS_HEADER_BYTES);
    const uint8_t *magic = get_bytes(&r, 8);
    uint16_t major = get_u16(&r);
    (void)get_u16(&r); /* a newer minor changes nothing that must be understood */
    uint32_t must_understand = get_u32(&r);
    (void)get_u32(&r); /* may-ignore features */
    get_copy(&r, store_id, sizeof store_id);
    uint32_t place = get_u32(&r);
    uint64_t generation = get_u64(&r);
    uint64_t base = get_u64(&r);
    uint64_t checksum = get_u64(&r);

    *is_sound = checksum_fits(checksum, hash64(in, EDITS_HEADER_BYTES - 8));
    if (memcmp(magic, magic_of(spec->kind), 8) != 0)
        return *fault = "its first bytes are not those of its kind", HOLTER_CORRUPT;
    if (major > HOLTER_FORMAT_MAJOR || must_understand != 0)
        return *fault = "its format is newer than this version reads", HOLTER_UNSUPPORTED;
    if (!*is_sound)
        return *fault = "the checksum of its header does not fit", HOLTER_CORRUPT;
    if (!bytes_are_zero(in + EDITS_HEADER_BYTES, CORE_SECTOR_BYTES - EDITS_HEADER_BYTES))
        return *fault = "spare bytes of its header are not zero", HOLTER_CORRUPT;
    if (memcmp(store_id, spec->store_id, sizeof store_id) != 0 || place != spec->place)
        return *fault = "it belongs to another store or shard", HOLTER_CORRUPT;
    if (generation == 0 || base == 0)
        return *fault = "its generation or first version is 0", HOLTER_CORRUPT;
    if (generation > EDITS_NUMBER_MAX || base > EDITS_NUMBER_MAX)
        return *fault = "its generation or first version is over 2^63 - 1", HOLTER_CORRUPT;
    *out = (struct edits_header){ .generation = generation, .base = base };
    *fault = NULL;
    return HOLTER_OK;
}

/* ---- reading bytes of a copy ----------------------------------------------------------------- */

/* Move the window to [offset, offset + bytes), which the file has. */
static enum edits_found window_move(struct edits_copy *copy, struct io_queue *queue,
                                    uint64_t offset, size_t bytes)
{
    copy->window_bytes = 0;
    if (bytes > copy->window_capacity) {
        uint8_t *window = realloc(copy->window, bytes);
        if (window == NULL)
            return EDITS_NO_MEMORY;
        copy->window = window;
        copy->window_capacity = bytes;
    }
    holter_status status =
        io_read_exactly(queue, copy->file, offset, copy->window, bytes, &copy->unread);
    if (status == HOLTER_CORRUPT) /* it became shorter */
        return EDITS_NOT_WHOLE;
    if (status != HOLTER_OK)
        return EDITS_UNREADABLE;
    copy->window_offset = offset;
    copy->window_bytes = bytes;
    return EDITS_WHOLE;
}

static enum edits_found copy_get(const uint8_t **out, struct edits_copy *copy,
                                 struct io_queue *queue, uint64_t offset, uint64_t bytes)
{
    if (copy->file == NULL)
        return copy->fault.status == HOLTER_IO ? EDITS_UNREADABLE : EDITS_NOT_WHOLE;
    if (offset > copy->bytes || bytes > copy->bytes - offset)
        return EDITS_NOT_WHOLE;

    uint64_t begin = copy->window_offset;
    bool is_there = offset >= begin && offset - begin <= copy->window_bytes &&
                    bytes <= copy->window_bytes - (offset - begin);
    if (!is_there) {
        uint64_t left = copy->bytes - offset;
        uint64_t ahead = left < WINDOW_BYTES ? left : WINDOW_BYTES;
        enum edits_found found = EDITS_UNREADABLE;
        if (ahead > bytes)
            found = window_move(copy, queue, offset, (size_t)ahead);
        if (found ==
            EDITS_UNREADABLE) /* a bad sector further on is not in the way of this record */
            found = window_move(copy, queue, offset, (size_t)bytes);
        if (found != EDITS_WHOLE)
            return found;
    }
    *out = copy->window + (offset - copy->window_offset);
    return EDITS_WHOLE;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* What is wrong with one copy is its fault; the failures returned are those of the whole log. */
static holter_status copy_open(struct edits_copy *copy, struct edits_header *header,
                               struct edits_log *log, const char *path, bool writable,
                               bool *is_surely_newer, holter_error *err)
{
    const struct edits_spec *spec = log->spec;
    holter_status status;
    status = io_open(&copy->file, spec->io, path, writable ? IO_WRITABLE : 0, &copy->fault);
    if (status == HOLTER_OK)
        status = io_size(&copy->bytes, copy->file, &copy->fault);
    if (status != HOLTER_OK) {
        io_close(copy->file);
        copy->file = NULL;
        copy->unread = copy->fault;
        if (status == HOLTER_NOT_FOUND || status == HOLTER_INVALID || status == HOLTER_IO)
            return HOLTER_OK;
        return error_set(err, status, "%s", copy->fault.message);
    }

    const uint8_t *bytes;
    const char *fault = "it is shorter than its header";
    status = HOLTER_CORRUPT;
    switch (copy_get(&bytes, copy, log->queue, 0, CORE_SECTOR_BYTES)) {
    case EDITS_WHOLE: {
        bool is_sound;
        status = header_decode(header, &fault, &is_sound, spec, bytes);
        *is_surely_newer |= status == HOLTER_UNSUPPORTED && is_sound;
        break;
    }
    case EDITS_UNREADABLE:
        copy->fault = copy->unread;
        return HOLTER_OK;
    case EDITS_NO_MEMORY:
        return error_set(err, HOLTER_NO_MEMORY, "'%s': memory to read it", path);
    case EDITS_NOT_WHOLE:
    case EDITS_REFUSED:
        break;
    }
    if (status == HOLTER_OK) {
        copy->generation = header->generation;
        copy->fault.status = HOLTER_OK;
        return HOLTER_OK;
    }
    error_set(&copy->fault, status, "'%s': %s", path, fault);
    if (*is_surely_newer)
        return error_set(err, status, "%s", copy->fault.message);
    return HOLTER_OK;
}

/* No header counts: which of the two faults tells best what is wrong. */
static holter_status no_header(const struct edits_log *log, holter_error *err)
{
    static const holter_status by_weight[] = { HOLTER_UNSUPPORTED, HOLTER_IO, HOLTER_CORRUPT,
                                               HOLTER_INVALID, HOLTER_NOT_FOUND };
    for (size_t i = 0; i < CORE_COUNT(by_weight); i++)
        for (size_t c = 0; c < EDITS_COPIES; c++)
            if (log->copies[c].fault.status == by_weight[i]) {
                holter_status status = by_weight[i];
                return error_set(err, status, "%s; the other copy is no better",
                                 log->copies[c].fault.message);
            }
    core_assert(!"a fault that is known");
    return HOLTER_CORRUPT;
}

holter_status edits_log_open(struct edits_log *log, const struct edits_spec *spec,
                             struct io_queue *queue, bool writable, uint64_t *generation_seen,
                             holter_error *err)
{
    *log = (struct edits_log){ .spec = spec, .queue = queue };
    struct edits_header headers[EDITS_COPIES] = { 0 };
    bool is_surely_newer = false;

    for (size_t c = 0; c < EDITS_COPIES; c++) {
        char path[IO_PATH_BYTES_MAX];
        holter_status status = edits_copy_path(path, spec, c, false, err);
        if (status == HOLTER_OK)
            status =
                copy_open(&log->copies[c], &headers[c], log, path, writable, &is_surely_newer, err);
        if (status != HOLTER_OK)
            return status;
        if (log->copies[c].fault.status != HOLTER_OK)
            continue;
        if (headers[c].generation > *generation_seen)
            *generation_seen = headers[c].generation;
        if (headers[c].generation > log->header.generation)
            log->header = headers[c];
    }
    if (log->header.generation == 0)
        return no_header(log, err);

    for (size_t c = 0; c < EDITS_COPIES; c++) {
        struct edits_copy *copy = &log->copies[c];
        copy->is_current =
            copy->fault.status == HOLTER_OK && headers[c].generation == log->header.generation;
        if (copy->is_current && headers[c].base != log->header.base)
            return error_set(
                err, HOLTER_CORRUPT,
                "'%s/%s': both copies are of generation %llu, but one begins with version "
                "%llu, the other with %llu",
                spec->directory, spec->name, (unsigned long long)log->header.generation,
                (unsigned long long)headers[0].base, (unsigned long long)headers[1].base);
    }
    return HOLTER_OK;
}

holter_status edits_find_aside(bool *found, struct edits_log *log, size_t copy, holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    struct edits_copy aside = { .file = NULL };
    struct edits_header header = { .generation = 0 };
    bool is_newer = false;
    holter_status status = edits_copy_path(path, log->spec, copy, true, err);
    if (status == HOLTER_OK)
        status = copy_open(&aside, &header, log, path, false, &is_newer, err);
    *found = status == HOLTER_OK && aside.fault.status == HOLTER_OK &&
             header.generation == log->header.generation && header.base == log->header.base;
    free(aside.window);
    io_close(aside.file);
    return status;
}

void edits_log_forget(struct edits_log *log)
{
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        free(log->copies[c].window);
        log->copies[c].window = NULL;
        log->copies[c].window_capacity = 0;
        log->copies[c].window_bytes = 0;
    }
}

void edits_log_release(struct edits_log *log)
{
    edits_log_forget(log);
    for (size_t c = 0; c < EDITS_COPIES; c++) {
        io_close(log->copies[c].file);
        log->copies[c].file = NULL;
    }
}

/* ---- records --------------------------------------------------------------------------------- */

static uint64_t padded(uint64_t body_bytes)
{
    uint64_t sectors =
        (EDITS_RECORD_BYTES + body_bytes + CORE_SECTOR_BYTES - 1) / CORE_SECTOR_BYTES;
    return sectors * CORE_SECTOR_BYTES;
}

static uint64_t record_checksum(const struct edits_spec *spec, uint64_t generation,
                                const uint8_t fields[static 24], const void *body,
                                size_t body_bytes)
{
    uint8_t bytes[SEED_BYTES + 24 + 8];
    struct writer w = writer_over(bytes, sizeof bytes);
    put_bytes(&w, spec->store_id, sizeof spec->store_id);
    put_u32(&w, (uint32_t)spec->kind);
    put_u32(&w, spec->place);
    put_u64(&w, generation);
    put_bytes(&w, fields, 24);
    put_u64(&w, hash64(body, body_bytes));
    core_assert(w.left == 0 && !w.overrun);
    return hash64(bytes, sizeof bytes);
}

void edits_record_encode(struct buffer *out, const struct edits_spec *spec, uint64_t generation,
                         uint64_t version, uint32_t flags, uint32_t part, const void *body,
                         size_t body_bytes)
{
    core_assert(body_bytes > 0);
    core_assert(body_bytes <= EDITS_BODY_BYTES_MAX);
    core_assert((flags & ~(uint32_t)EDITS_MORE) == 0);

    uint8_t head[EDITS_RECORD_BYTES];
    struct writer w = writer_over(head, sizeof head);
    put_u32(&w, RECORD_MAGIC);
    put_u32(&w, (uint32_t)body_bytes);
    put_u64(&w, version);
    put_u32(&w, flags);
    put_u32(&w, part);
    put_u64(&w, record_checksum(spec, generation, head, body, body_bytes));
    core_assert(w.left == 0 && !w.overrun);

    buffer_append(out, head, sizeof head);
    buffer_append(out, body, body_bytes);
    buffer_append_zeros(out, (size_t)(padded(body_bytes) - EDITS_RECORD_BYTES - body_bytes));
}

enum edits_found edits_record_read(struct edits_record *out, struct edits_log *log, size_t copy,
                                   uint64_t offset)
{
    const uint8_t *bytes;
    enum edits_found found =
        copy_get(&bytes, &log->copies[copy], log->queue, offset, CORE_SECTOR_BYTES);
    if (found != EDITS_WHOLE)
        return found;

    struct reader r = reader_over(bytes, EDITS_RECORD_BYTES);
    uint32_t magic = get_u32(&r);
    uint32_t body_bytes = get_u32(&r);
    if (magic != RECORD_MAGIC || body_bytes == 0 || body_bytes > EDITS_BODY_BYTES_MAX)
        return EDITS_NOT_WHOLE;
    struct edits_record record = { .body_bytes = body_bytes, .bytes = padded(body_bytes) };
    record.version = get_u64(&r);
    record.flags = get_u32(&r);
    record.part = get_u32(&r);
    record.checksum = get_u64(&r);

    found = copy_get(&bytes, &log->copies[copy], log->queue, offset, record.bytes);
    if (found != EDITS_WHOLE)
        return found;
    record.body = bytes + EDITS_RECORD_BYTES;
    const uint8_t *end = record.body + body_bytes;
    if (!checksum_fits(record.checksum, record_checksum(log->spec, log->header.generation, bytes,
                                                        record.body, body_bytes)))
        return EDITS_NOT_WHOLE;
    if (!bytes_are_zero(end, (size_t)(bytes + record.bytes - end)))
        return EDITS_NOT_WHOLE;
    *out = record;
    return (record.flags & ~(uint32_t)EDITS_MORE) == 0 ? EDITS_WHOLE : EDITS_REFUSED;
}

/* Both bodies are borrowed from windows of their own. */
static bool is_same_record(const struct edits_record *a, const struct edits_record *b)
{
    return a->checksum == b->checksum && a->version == b->version && a->flags == b->flags &&
           a->part == b->part && a->body_bytes == b->body_bytes &&
           memcmp(a->body, b->body, a->body_bytes) == 0;
}

holter_status edits_record_find(struct edits_record *out, unsigned *copies, struct edits_log *log,
                                uint64_t offset, bool both, holter_error *err)
{
    const struct edits_spec *spec = log->spec;
    const char *unread = NULL;
    *copies = 0;
    for (size_t c = 0; c < EDITS_COPIES && (both || *copies == 0); c++) {
        struct edits_record record;
        switch (edits_record_read(&record, log, c, offset)) {
        case EDITS_WHOLE:
            if (*copies != 0 && !is_same_record(&record, out))
                return error_set(err, HOLTER_CORRUPT,
                                 "'%s/%s': the copies have different edits at offset %llu",
                                 spec->directory, spec->name, (unsigned long long)offset);
            *out = record;
            *copies |= 1u << c;
            break;
        case EDITS_NOT_WHOLE:
            break;
        case EDITS_UNREADABLE:
            unread = log->copies[c].unread.message;
            break;
        case EDITS_REFUSED:
            return error_set(err, HOLTER_CORRUPT,
                             "'%s/%s.%s': the edit at offset %llu has flags %#x, expected 0 or 1",
                             spec->directory, spec->name, copy_names[c], (unsigned long long)offset,
                             (unsigned)record.flags);
        case EDITS_NO_MEMORY:
            return error_set(err, HOLTER_NO_MEMORY, "'%s/%s': memory for an edit", spec->directory,
                             spec->name);
        }
    }
    if (*copies == 0 && unread != NULL)
        return error_set(err, HOLTER_IO, "%s; the other copy has no whole edit at offset %llu",
                         unread, (unsigned long long)offset);
    return HOLTER_OK;
}

holter_status edits_later_find(bool *found, struct edits_log *log, uint64_t offset,
                               uint64_t version, holter_error *err)
{
    const struct edits_spec *spec = log->spec;
    uint64_t end = 0;
    for (size_t c = 0; c < EDITS_COPIES; c++)
        if (log->copies[c].file != NULL && log->copies[c].bytes > end)
            end = log->copies[c].bytes;

    *found = false;
    for (; offset < end; offset += CORE_SECTOR_BYTES)
        for (size_t c = 0; c < EDITS_COPIES; c++) {
            struct edits_record record = { 0 };
            enum edits_found what = edits_record_read(&record, log, c, offset);
            if (what == EDITS_UNREADABLE)
                return error_set(err, HOLTER_IO, "%s", log->copies[c].unread.message);
            if (what == EDITS_NO_MEMORY)
                return error_set(err, HOLTER_NO_MEMORY, "'%s/%s': memory for an edit",
                                 spec->directory, spec->name);
            if ((what == EDITS_WHOLE || what == EDITS_REFUSED) && record.version > version) {
                *found = true;
                return HOLTER_OK;
            }
        }
    return HOLTER_OK;
}

bool edits_is_torn(struct edits_log *log, size_t copy, uint64_t offset, uint64_t bytes)
{
    size_t other = 1 - copy;
    struct edits_copy *torn = &log->copies[copy];
    uint64_t end = torn->file == NULL ? 0 : torn->bytes;
    for (uint64_t at = offset; at < offset + bytes && at < end; at += CORE_SECTOR_BYTES) {
        uint64_t there = end - at < CORE_SECTOR_BYTES ? end - at : CORE_SECTOR_BYTES;
        const uint8_t *found, *wanted;
        if (copy_get(&found, torn, log->queue, at, there) != EDITS_WHOLE ||
            copy_get(&wanted, &log->copies[other], log->queue, at, there) != EDITS_WHOLE)
            return false;
        if (memcmp(found, wanted, (size_t)there) != 0 && !bytes_are_zero(found, (size_t)there))
            return false;
    }
    return true;
}

/* ---- operations ------------------------------------------------------------------------------ */

holter_status edits_run(struct io_queue *queue, struct io_op *ops, size_t count, holter_error *err)
{
    io_submit(queue, ops, count);
    while (io_wait(queue) != NULL)
        continue;

    /* What was cancelled tells less than what it was cancelled for. */
    const struct io_op *failed = NULL;
    for (size_t i = 0; i < count; i++) {
        if (io_op_status(&ops[i], NULL) == HOLTER_OK)
            continue;
        if (failed == NULL || failed->result == -ECANCELED)
            failed = &ops[i];
    }
    return failed == NULL ? HOLTER_OK : io_op_status(failed, err);
}
