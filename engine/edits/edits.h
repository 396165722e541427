/*
 * edits.h -- the door of edits: an append-only log of edits, kept twice, from which a state is
 * rebuilt.
 *
 * Promise: an edit is there whole or not at all; one bad sector in either copy loses nothing; what
 * was appended with OK survives a power cut. Catalog, vault and manifest are such logs.
 *
 *     DIR/NAME.a   | header | edit (version 1) | edit (version 2) | .. each padded to 512 bytes
 *     DIR/NAME.b   the same again
 *
 *   E1  A byte that was synced is never written again: an edit begins at a sector of its own; after
 *       a torn tail or a failed write both copies are made anew, one generation higher, by
 *       write-aside and rename.
 *   E2  An edit counts when either copy has it whole. Copies of different generations: only the
 *       higher counts. A gap (a later edit whole, an earlier one whole in neither) is
 *       HOLTER_CORRUPT.
 *   E3  A reader passes `version_max`, the version that was published (head page): it takes nothing
 *       later, as that may not be synced; but a log's first edit is always taken, as copies are
 *       made anew only of what is synced. A writer that finds later edits makes both copies anew
 *       (synced) before it builds on them.
 *
 * The caller excludes other writers by a lock. Needs core, io, head. Threads: one at a time. Bytes:
 * format-spec/edits.md.
 */
#ifndef EDITS_EDITS_H
#define EDITS_EDITS_H

#include "head/head.h"
#include "io/io.h"

enum { EDITS_BODY_BYTES_MAX = 16 << 20, EDITS_NAME_BYTES_MAX = 32 };

/** Stored in the header. A new kind also needs: format-spec/edits.md. */
enum edits_kind { EDITS_CATALOG = 1, EDITS_VAULT = 2, EDITS_MANIFEST = 3 };

/** The owner of the state. */
struct edits_owner {
    /** Forget everything: a new generation is about to be applied from its beginning. */
    void (*reset)(void *context);
    /**
     * Take one edit's body (borrowed). Its parts, where it has several, come in order with one
     * version; a state between parts is not shown to anyone. An error ends the reading and is
     * passed on.
     */
    holter_status (*apply)(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                           holter_error *err);
    void *context;
};

struct edits_spec {
    struct io *io;
    const char *directory; /* borrowed until edits_close */
    const char *name;      /* borrowed until edits_close */
    enum edits_kind kind;
    uint8_t store_id[16];
    uint32_t place;          /* as of head_open */
    bool is_private;         /* files for the owner only: IO_PRIVATE */
    struct head *statistics; /* where bytes are counted; borrowed; may be NULL */
    struct edits_owner owner;
};

/** One body of an edit. */
struct edits_part {
    const void *bytes;
    size_t count; /* 1 .. EDITS_BODY_BYTES_MAX */
};

/**
 * The bodies of one edit as records, each u8 kind, varint bytes, payload; a new body begins where
 * one would grow over EDITS_BODY_BYTES_MAX. Zeroed memory is empty.
 */
struct edits_bodies {
    struct buffer *body;
    size_t count, capacity;
    bool failed; /* an allocation failed: what is here is incomplete */
};
void edits_bodies_release(struct edits_bodies *b);
/**
 * Write a record's kind and size; its payload goes into the buffer that is returned. NULL: no
 * memory.
 */
struct buffer *edits_bodies_begin(struct edits_bodies *b, uint8_t kind, size_t payload_bytes);
/** A whole record. A failed payload fails the bodies. */
void edits_bodies_put(struct edits_bodies *b, uint8_t kind, const struct buffer *payload);
/**
 * As edits_append takes them, borrowed from the bodies; free() it. NULL: no memory, now or before.
 */
struct edits_part *edits_bodies_parts(const struct edits_bodies *b);

struct edits;

/**
 * Make a new log whose first edit (version 1) has these parts; both copies durable on return. Not
 * opened.
 * Errors   HOLTER_EXISTS; those of io_write_file.
 */
holter_status edits_create(const struct edits_spec *spec, const struct edits_part *parts,
                           size_t count, holter_error *err);
/**
 * Open and apply everything up to version_max (UINT64_MAX: all).
 * writable  the caller holds the lock: what is torn, damaged in one copy, or later than version_max
 *           (which is then passed as published) is mended on disk first, so that all that was
 *           applied is durable.
 * Errors   HOLTER_NOT_FOUND neither copy; HOLTER_CORRUPT; HOLTER_UNSUPPORTED a newer format; those
 *          of io.
 */
holter_status edits_open(struct edits **out, const struct edits_spec *spec, bool writable,
                         uint64_t version_max, holter_error *err);
void edits_close(struct edits *edits);

uint64_t edits_version(const struct edits *edits); /* of the last edit applied */
uint64_t edits_generation(const struct edits *edits);
uint64_t edits_bytes(const struct edits *edits); /* of one copy */

/**
 * Apply what others have appended since, up to version_max. Resets first where the generation
 * changed, or where this handle holds more than version_max.
 * writable as in edits_open: call so after taking the lock, before edits_append. What this handle
 * failed to append is
 *           dropped where version_max is edits_version and nobody made the copies anew since; else
 *           it may be found and applied, as another writer may have taken it.
 * Cost     not writable and version_max is edits_version: no call at all. Else two opens and a read
 *          of each copy.
 * On an error the state is what it was, or reset and incomplete: then edits_version is 0 and the
 * owner answers nothing.
 */
holter_status edits_refresh(struct edits *edits, bool writable, uint64_t version_max,
                            holter_error *err);
/**
 * Append one edit of these parts to both copies, sync, then apply it. Its version is edits_version
 * + 1. On failure it is not applied, and the next append or rewrite makes both copies anew first,
 * without it. Until then another process that takes the lock may find it and keep it: so what it
 * named must not be removed on its failure. Where only the owner's apply fails the edit stands,
 * edits_version is 0, and the next refresh applies it.
 * Errors   HOLTER_INVALID not refreshed (writable); HOLTER_NO_SPACE, HOLTER_IO, HOLTER_NO_MEMORY;
 *          of apply.
 * Cost     two writes, two syncs, in one submission.
 */
holter_status edits_append(struct edits *edits, const struct edits_part *parts, size_t count,
                           holter_error *err);
/**
 * Replace all edits by one with these parts, which tell the whole state at edits_version (kept).
 * Not applied. Publish edits_version before it. Failed, the old copies still stand, as after a
 * failed append. Errors: as edits_append.
 */
holter_status edits_rewrite(struct edits *edits, const struct edits_part *parts, size_t count,
                            holter_error *err);
/**
 * Check both copies fully, as read now. Each finding is reported as a sentence; *damaged counts
 * them. Errors: those of reading at all.
 */
holter_status edits_verify(struct edits *edits, void (*report)(void *context, const char *sentence),
                           void *context, size_t *damaged, holter_error *err);

#endif
