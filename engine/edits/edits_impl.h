/*
 * edits_impl.h -- what the files of edits share: copies and their records, and the making of new
 * copies.
 *
 * A `struct edits_log` is a pair of open copies under the header that counts; it knows nothing of
 * versions applied. edits_copy.c reads it, edits_make.c makes a new one, edits.c keeps the state of
 * a handle.
 */
#ifndef EDITS_EDITS_IMPL_H
#define EDITS_EDITS_IMPL_H

#include "edits.h"

enum {
    EDITS_COPIES = 2,
    EDITS_HEADER_BYTES = 64,
    EDITS_FIRST_OFFSET = CORE_SECTOR_BYTES, /* of the first record */
    EDITS_RECORD_BYTES = 32,                /* of a record before its body */
    EDITS_MORE = 1,                         /* the only flag of a record */
};

/** Of generations and versions told by a header: numbers that can be counted on from. */
#define EDITS_NUMBER_MAX ((uint64_t)INT64_MAX)

struct edits_header {
    uint64_t generation; /* 1 .. EDITS_NUMBER_MAX */
    uint64_t base;       /* version of the first edit, 1 .. EDITS_NUMBER_MAX */
};

struct edits_copy {
    struct io_file *file; /* NULL: not there, or not to be opened */
    uint64_t bytes;
    bool is_current;     /* its header is the log's */
    holter_error fault;  /* HOLTER_OK, or why its header does not count */
    holter_error unread; /* why bytes of it could not be read, the last time */
    uint64_t generation; /* of its header, where that counts */
    /* What was read last. */
    uint8_t *window;
    size_t window_capacity;
    uint64_t window_offset;
    size_t window_bytes;
};

struct edits_log {
    const struct edits_spec *spec;
    struct io_queue *queue; /* borrowed; depth 4 */
    struct edits_header header;
    struct edits_copy copies[EDITS_COPIES];
};

struct edits_record {
    uint64_t version;
    uint32_t flags;
    uint32_t part;
    uint64_t checksum;
    const uint8_t *body; /* borrowed until the next read of that copy */
    size_t body_bytes;
    uint64_t bytes; /* padded, in the file */
};

/** Whether a copy has a record, or what came in the way. */
enum edits_found { EDITS_WHOLE, EDITS_NOT_WHOLE, EDITS_UNREADABLE, EDITS_REFUSED, EDITS_NO_MEMORY };

/** The name of a copy (0 or 1) or of what is made aside for it. Errors: HOLTER_INVALID too long. */
holter_status edits_copy_path(char out[static IO_PATH_BYTES_MAX], const struct edits_spec *spec,
                              size_t copy, bool aside, holter_error *err);

/** Open both copies and choose the header. *generation_seen is raised. Release on failure too. */
holter_status edits_log_open(struct edits_log *log, const struct edits_spec *spec,
                             struct io_queue *queue, bool writable, uint64_t *generation_seen,
                             holter_error *err);
void edits_log_release(struct edits_log *log);
/**
 * *found: what is to take a copy's place lies aside, with the header that was chosen: whoever makes
 * the copies anew is at it, or was killed between the two renames. Errors: as edits_log_open.
 */
holter_status edits_find_aside(bool *found, struct edits_log *log, size_t copy, holter_error *err);
/** Give back the memory of windows. */
void edits_log_forget(struct edits_log *log);

enum edits_found edits_record_read(struct edits_record *out, struct edits_log *log, size_t copy,
                                   uint64_t offset);
/**
 * The record at an offset, from whichever copy has it whole. *copies: a bit for each that has; with
 * `both`, each is looked at. 0: neither has it and both could be read.
 * Errors   HOLTER_IO it may be in a copy that cannot be read; HOLTER_CORRUPT the copies differ, or
 *          flags are unknown.
 */
holter_status edits_record_find(struct edits_record *out, unsigned *copies, struct edits_log *log,
                                uint64_t offset, bool both, holter_error *err);
/**
 * *found: a whole record of a version above `version` begins at `offset` or later. Errors:
 * HOLTER_IO.
 */
holter_status edits_later_find(bool *found, struct edits_log *log, uint64_t offset,
                               uint64_t version, holter_error *err);
/**
 * One sector of a copy differs from that of the other otherwise than a torn write would make it.
 */
bool edits_is_torn(struct edits_log *log, size_t copy, uint64_t offset, uint64_t bytes);

void edits_header_encode(uint8_t out[static CORE_SECTOR_BYTES], const struct edits_spec *spec,
                         const struct edits_header *header);
/** Append a padded record. */
void edits_record_encode(struct buffer *out, const struct edits_spec *spec, uint64_t generation,
                         uint64_t version, uint32_t flags, uint32_t part, const void *body,
                         size_t body_bytes);

/* ---- making both copies anew: edits_make.c --------------------------------------------------- */

struct edits_maker {
    const struct edits_spec *spec;
    struct io_queue *queue;
    struct edits_header header;
    struct io_file *files[EDITS_COPIES];
    bool is_aside[EDITS_COPIES]; /* a file lies under the name aside */
    uint64_t offset;             /* of what was written */
    struct buffer pending;
};

/** Release on failure too. */
holter_status edits_maker_begin(struct edits_maker *maker, const struct edits_spec *spec,
                                struct io_queue *queue, struct edits_header header,
                                holter_error *err);
holter_status edits_maker_record(struct edits_maker *maker, uint64_t version, uint32_t flags,
                                 uint32_t part, const void *body, size_t body_bytes,
                                 holter_error *err);
/** An edit of these parts. */
holter_status edits_maker_edit(struct edits_maker *maker, uint64_t version,
                               const struct edits_part *parts, size_t count, holter_error *err);
/** Sync, rename, sync the directory: the new copies stand. */
holter_status edits_maker_finish(struct edits_maker *maker, holter_error *err);
/** After a finish: the maker's files become the log's, in the place of those it had. */
void edits_maker_move(struct edits_maker *maker, struct edits_log *log);
/** After a finish that failed, of a log that was not there before: take away what was renamed. */
void edits_maker_undo(struct edits_maker *maker);
void edits_maker_release(struct edits_maker *maker);

/** Submit, wait for all, tell the first that failed by itself. */
holter_status edits_run(struct io_queue *queue, struct io_op *ops, size_t count, holter_error *err);

#endif
