/*
 * manifest_impl.h -- what the files of manifest share: the version under construction, changes, and
 * the handle.
 */
#ifndef MANIFEST_MANIFEST_IMPL_H
#define MANIFEST_MANIFEST_IMPL_H

#include "manifest.h"

#include <stdatomic.h>

enum {
    MANIFEST_PLACE_BYTES = 24,
    MANIFEST_FILE_BYTES = 136,
    MANIFEST_PART_FILES_MAX = 65536,
    MANIFEST_PART_REMOVED_MAX = 65536,
};

/** Stored. */
enum manifest_kind { MANIFEST_SNAPSHOT = 1, MANIFEST_CHANGE = 2, MANIFEST_MORE = 3 };

/** A version and its count; may be changed only while nobody else has it. */
struct manifest_counted {
    struct manifest_version version; /* the first member: callers hold a pointer to it */
    atomic_size_t count;
    size_t capacity; /* of version.files */
};

/**
 * One edit, as decoded or about to be encoded. Added files by manifest_file_compare, removed ids
 * rising.
 */
struct manifest_change {
    bool is_snapshot;
    bool has_flushed, has_closed;
    struct manifest_log_place flushed, closed;
    struct manifest_file *add;
    size_t add_count, add_capacity;
    uint8_t (*remove)[MANIFEST_ID_BYTES];
    size_t remove_count, remove_capacity;
};

/** A file that left, and in which version. */
struct manifest_left {
    uint8_t id[MANIFEST_ID_BYTES];
    uint64_t version;
    bool is_there; /* sweep: it still lies in the directory */
};

/** From this version on the log is read from that file. */
struct manifest_step {
    uint64_t version;
    uint64_t log_file;
};

struct manifest_pin {
    uint64_t version;
    size_t count;
};

struct manifest {
    struct manifest_spec spec;
    struct edits *edits;
    struct manifest_counted *current;

    /* While edits are being applied. */
    struct manifest_counted *draft; /* NULL: nothing applied yet */
    struct manifest_change change;  /* the parts of an edit so far */
    uint64_t parts_left;            /* of that edit */
    bool is_reset;                  /* the next edit is a snapshot */
    bool is_own_commit;             /* what is applied is known already */

    /*
     * P2: since when what left is not needed. What left earlier did so in version `base` or before.
     */
    uint64_t base;
    struct manifest_left *left;
    size_t left_count, left_capacity;
    struct manifest_step *steps;
    size_t step_count, step_capacity;

    struct manifest_pin *pins;
    size_t pin_count, pin_capacity;
};

/* ---- versions: manifest_version.c ------------------------------------------------------------ */

/** *out counted once, empty but for the places of a new shard. NULL: no memory. */
struct manifest_counted *manifest_counted_new(void);
struct manifest_counted *manifest_counted_copy(const struct manifest_counted *from);
void manifest_counted_unref(struct manifest_counted *counted);
/** Order by (class, tier, partition, sequence_min). */
int manifest_file_compare(const void *a, const void *b);
/** Ids as byte strings. */
int manifest_id_compare(const void *a, const void *b);
/** What is wrong with a file's fields by themselves; NULL: nothing. */
const char *manifest_file_fault(const struct manifest_file *file);
/** Apply a change by its rules (format-spec/manifest.md). `broken`: the status of breaking one. */
holter_status manifest_change_apply(struct manifest_counted *version,
                                    const struct manifest_change *change, holter_status broken,
                                    holter_error *err);
/** The version that a snapshot tells. */
holter_status manifest_snapshot_apply(struct manifest_counted *version,
                                      const struct manifest_change *change, holter_error *err);

/* ---- bytes: manifest_bytes.c ----------------------------------------------------------------- */

/** The parts of an edit, as edits takes them. */
struct manifest_parts {
    struct buffer bytes;
    struct edits_part *parts;
    size_t count;
};

holter_status manifest_parts_encode(struct manifest_parts *out,
                                    const struct manifest_change *change, holter_error *err);
void manifest_parts_release(struct manifest_parts *parts);
/**
 * Add a part to a change. *left: in: parts that were to follow the one before (0: this one begins
 * an edit); out: those that follow this one. Errors: HOLTER_CORRUPT, HOLTER_NO_MEMORY; bare.
 */
holter_status manifest_part_decode(struct manifest_change *change, uint64_t *left,
                                   const uint8_t *bytes, size_t count);
void manifest_change_clear(struct manifest_change *change);
void manifest_change_release(struct manifest_change *change);

#endif
