/*
 * wal.h -- the door of wal: the log of one shard; what was acknowledged survives a power cut.
 *
 * A log is a run of numbered files; a file is a header page and groups at 4 KiB boundaries; a group
 * is what one sync made durable: frames, zero padded. One frame is one user's part of a batch,
 * sealed on its own.
 *
 *     log-..07  | header | group: frame frame | group: frame | group: mark | zeros ..
 *                                                                           ^ durable end
 *
 *   W1  A caller is answered, and a snapshot sees its frames, only below the durable end (head
 *       page), which is published after the synced write.
 *   W2  Nothing written is ever written again: a file is appended to only by whoever knows that
 *       beyond the durable end nothing was written. Else it is closed: the next file's header, synced
 *       before its first group, names the file before it, the offset where that one ends, and the
 *       next sequence. Nobody reads it further.
 *   W3  A file leaves the log only once segments in the manifest hold all of its frames (manifest
 *       P2): it is removed, or kept for the change feed under another name.
 *   W4  Every frame has a sequence of its own, rising by one; a group names the first of its
 *       frames'.
 *   W5  A part larger than a frame is linked frames of consecutive sequences; they count only with
 *       the last.
 *   W6  A group names a watermark: all frames up to it were synced when the group was written. A
 *       group that cannot be read below a later group's watermark is damage; else it is a torn
 *       tail, which is void.
 *
 * Needs core, io, codec, crypto. Threads: one at a time (the shard's mutex); append: under the
 * append lock. Bytes: format-spec/log.md. Tests: tests/unit/test_wal_*.c, tests/crash.
 */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include <stdatomic.h>

#include "codec/codec.h"
#include "crypto/crypto.h"
#include "io/io.h"

enum {
    WAL_PAGE_BYTES = 4096,
    WAL_FRAME_BODY_BYTES_MAX = 256 << 10, /* of a frame's plain body */
    WAL_GROUP_BYTES_MAX = 1 << 20, /* whole, padded; and at most a quarter of wal_spec.file_bytes */
    WAL_FILE_BYTES_REST = 2 * WAL_PAGE_BYTES, /* the least there is: see wal_rest */
    WAL_FILE_BYTES_MIN = 64 << 10,            /* of wal_spec.file_bytes, and of all others */
    WAL_FILE_BYTES_FIRST = 256 << 10,         /* where nothing is known of what is written */
    WAL_FILE_BYTES_DEFAULT = 4 << 20,
    WAL_FILE_BYTES_MAX = 1 << 30,
    WAL_FRAMES_PER_GROUP_MAX = 4096,
};

struct wal;

struct wal_spec {
    struct io *io;
    const char *directory; /* the shard's; borrowed until wal_close */
    uint8_t store_id[16];
    uint32_t place; /* 1 + region << 16 | shard */
    bool is_sealed;
    /*
     * Files made from now on have as many at most, a multiple of 4,096; 0: WAL_FILE_BYTES_DEFAULT.
     * They begin small and follow what is written.
     */
    uint64_t file_bytes;
    bool reads_kept; /* also files that left the log and are kept for the change feed (W3) */
    /* A spare, owned by who took it, for a new file; NULL: there is none. No function: there never is. */
    struct io_file *(*take_spare)(void *context);
    void *spare_context;
};

/** The next byte to write, and the sequence that the next frame gets. */
struct wal_place {
    uint64_t file; /* number; 0: the log has no file yet */
    uint64_t offset;
    uint64_t sequence; /* from 1 */
};

/** Nothing is read or written yet. *out owned: wal_close. */
holter_status wal_open(struct wal **out, const struct wal_spec *spec, holter_error *err);
void wal_close(struct wal *wal);
/**
 * The longest body that a frame may have here: WAL_FRAME_BODY_BYTES_MAX, or less where file_bytes
 * is small.
 */
size_t wal_frame_body_bytes_max(const struct wal *wal);

/* ---- frames ---------------------------------------------------------------------------------- */

enum wal_frame_flag {
    WAL_LINK_MORE = 1,    /* the frame with the next sequence goes on with this part */
    WAL_LINK_GOES_ON = 2, /* this frame goes on with the part of the frame before it */
};

/** A frame to append: its plain body, which is sealed on the way. */
struct wal_frame {
    uint64_t user;
    uint32_t key_generation;
    const struct crypto_key *key; /* the user's data key; NULL in a store without sealing */
    const uint8_t *body;          /* 1 .. WAL_FRAME_BODY_BYTES_MAX bytes */
    size_t body_bytes;
    uint32_t flags; /* enum wal_frame_flag */
};

/** What a frame of so long a body takes in a group, and what a group has room for. */
size_t wal_frame_bytes(size_t body_bytes);
size_t wal_group_room(const struct wal *wal);

/** A frame as read: borrowed until the reader's next call. */
struct wal_frame_read {
    uint64_t sequence;
    uint64_t user;
    uint32_t key_generation;
    uint32_t flags;
    const uint8_t *sealed; /* nonce, then the sealed body */
    size_t sealed_bytes;
    uint64_t file, offset; /* where it lies: for messages, and to read it again (wal_read_frame) */
    uint8_t log_id[16];    /* of its file */
};

/**
 * Open a frame into *body (appended). Errors: HOLTER_CORRUPT (tag), naming file and offset;
 * HOLTER_NO_MEMORY. Cost: derives the file's subkey of the user's key.
 */
holter_status wal_frame_open(struct buffer *body, struct wal *wal,
                             const struct wal_frame_read *frame, struct crypto_arena *arena,
                             const struct crypto_key *key, holter_error *err);

/* ---- appending: the caller holds the append lock --------------------------------------------- */

/**
 * Several logs append at once: begin on each (which seals the frames and writes nothing), submit its
 * operations, wait for them, finish each. wal_append does this for one.
 *
 * *place      in: the published durable end; out: the place after. Frames too many for a group go
 *             in several.
 * Errors   HOLTER_NO_SPACE, HOLTER_IO, HOLTER_NO_MEMORY: nothing counts, *place is untouched; this
 *          wal will begin a new file with its next append, naming *place as the end of the old one
 *          (W2).
 * Cost     one synced write a group; a new file (zeros, synced, renamed; or a spare) now and then.
 */
holter_status wal_append(struct wal *wal, struct wal_place *place, const struct wal_frame *frames,
                         size_t count, holter_error *err);

struct wal_write; /* an append under way */
/** Everything but the last synced write: the file at hand or a new one, earlier groups, sealing. */
holter_status wal_write_begin(struct wal_write **out, struct wal *wal,
                              const struct wal_place *place, const struct wal_frame *frames,
                              size_t count, holter_error *err);
/** The operations to submit together, linked as they must be; borrowed until wal_write_end. */
struct io_op *wal_write_ops(struct wal_write *write, size_t *count);
/**
 * All operations completed: *place moves past what was written, or the failure is told. Frees
 * `write`.
 */
holter_status wal_write_end(struct wal_write *write, struct wal_place *place, holter_error *err);

/**
 * Instead of wal_write_end, where its operations were not submitted: nothing counts. Frees `write`;
 * NULL does nothing.
 */
void wal_write_abort(struct wal_write *write);

/** What appending wrote to the disk, or part of it. */
struct wal_written {
    uint64_t groups;        /* of frames */
    uint64_t bytes;         /* of groups and marks */
    uint64_t body_bytes;    /* of these, frames' bodies */
    uint64_t padding_bytes; /* of these, up to whole pages */
    uint64_t ahead_bytes;   /* beside these, of files that were made */
};
/** All of it since the last call. */
struct wal_written wal_written_take(struct wal *wal);

/** Append a mark: a group without frames whose watermark covers all before it. */
holter_status wal_mark(struct wal *wal, struct wal_place *place, holter_error *err);

/**
 * Go on in a new file of WAL_FILE_BYTES_REST, so that those before it can go once they are flushed
 * (W3). Does nothing where there is no log, and where it is in such a file already.
 *
 * *place   in: the published durable end; out: the begin of the new file, to be published.
 * Errors   as wal_append; where there is no room for the file, the one at hand goes on.
 */
holter_status wal_rest(struct wal *wal, struct wal_place *place, holter_error *err);

/**
 * The caller has the append lock, and goes on at *place, the published durable end: in its file where
 * the one before told that it left it untouched from there on (wal_is_untouched, published), else in a
 * new one. An append at a place that this wal neither reached nor took over (a recovered one) begins a
 * new file, too, and syncs the old one first. Cost: nothing where this wal has the file open. Errors:
 * HOLTER_IO, HOLTER_CORRUPT, HOLTER_INVALID (no place).
 */
holter_status wal_take_over(struct wal *wal, const struct wal_place *place, bool is_untouched,
                            holter_error *err);
/**
 * Nobody wrote anything behind *place, which this wal reached or took over, nor began a file after it: who
 * appends next may go on there. Not where an append failed or was given up.
 */
bool wal_is_untouched(const struct wal *wal, const struct wal_place *place);

/*
 * A spare is a file for the log to go on in, made ahead: zeros, synced, without a name, so that it goes with whoever made
 * it. Only its header is left to be written when a file is full.
 */
/**
 * *out owned: io_close, or wal_spec.take_spare gives it away. Any thread, without a lock. Errors: HOLTER_UNSUPPORTED the
 * file system has no files without a name; HOLTER_BUSY *stops (may be NULL) became true; HOLTER_NO_SPACE, HOLTER_IO,
 * HOLTER_NO_MEMORY. Cost: writes all of it.
 */
holter_status wal_spare_make(struct io_file **out, struct io *io, const char *directory,
                             uint64_t bytes, const atomic_bool *stops, holter_error *err);
/**
 * The bytes that a spare has here, once for each file: where this one is half full, large enough for that to pay, and so
 * far written by this wal that it will be wanted. 0: none is wanted now.
 */
uint64_t wal_spare_wanted(struct wal *wal);

/* ---- reading --------------------------------------------------------------------------------- */

struct wal_reader;

/**
 * Read frames from a place on. `end`: the durable end; the reader stops exactly there and what is
 * missing before it is HOLTER_CORRUPT. NULL: recovery; the end is found by W6:
 *   - where `covered_only` and the newest file is of this boot, the last frame that a later
 *   watermark or mark covers
 *     (a read-only opener cannot know what was synced), else every whole frame.
 * `closed`   in recovery, a place that the log reached at a clean close, or file 0: ending before
 *            it is HOLTER_CORRUPT.
 * Frames of a part whose last link is missing are left out (W5).
 */
struct wal_read_spec {
    struct wal_place from; /* file 0: the lowest-numbered file there is, if any */
    const struct wal_place *end;
    const struct wal_place *closed;
    bool covered_only;
};
holter_status wal_reader_open(struct wal_reader **out, struct wal *wal,
                              const struct wal_read_spec *spec, holter_error *err);
void wal_reader_close(struct wal_reader *reader);
/** HOLTER_DONE at the end; HOLTER_CORRUPT, naming file and offset, at damage. */
holter_status wal_reader_next(struct wal_reader *reader, struct wal_frame_read *frame,
                              holter_error *err);
/** After HOLTER_DONE: the place after the last frame that counts. */
struct wal_place wal_reader_place(const struct wal_reader *reader);
/**
 * A place from which on all is read that wal_reader_next has not given yet, and as little as can be
 * of what it has: between two groups, where no part of linked frames is under way.
 */
struct wal_bookmark {
    struct wal_place place;
    uint32_t log; /* what tells the place's file from another of its number; 0 with file 0 */
};
struct wal_bookmark wal_reader_bookmark(const struct wal_reader *reader);
/** After HOLTER_DONE in recovery: bytes lie beyond the end (a torn tail). */
bool wal_reader_tail_is_torn(const struct wal_reader *reader);

/** The bookmark of a place. Errors: HOLTER_IO; HOLTER_CORRUPT its file is damaged or gone. */
holter_status wal_bookmark(struct wal_bookmark *out, struct wal *wal, const struct wal_place *place,
                           holter_error *err);
/**
 * Where reading goes on from a bookmark that was kept outside the store: *out is its place, or the
 * begin of a later file where nothing lay between. bookmark NULL: the oldest frame that is there.
 * Errors   HOLTER_EXPIRED what it names is gone, or not of this log; HOLTER_CORRUPT; HOLTER_IO.
 * Cost     reads the header of each file from `end` back to it.
 */
holter_status wal_bookmark_find(struct wal_place *out, struct wal *wal,
                                const struct wal_bookmark *bookmark, const struct wal_place *end,
                                holter_error *err);

/**
 * Add the bytes of the files with numbers in [first, last), void ones among them; one that cannot
 * be read counts as large as they get. Errors: HOLTER_IO, HOLTER_NO_MEMORY. Cost: lists the
 * directory, reads their headers.
 */
holter_status wal_files_bytes(uint64_t *bytes, struct wal *wal, uint64_t first, uint64_t last,
                              holter_error *err);

/** Read one frame again, by the file and offset of an earlier wal_frame_read. Memory: *scratch. */
holter_status wal_read_frame(struct wal_frame_read *frame, struct buffer *scratch, struct wal *wal,
                             uint64_t file, uint64_t offset, holter_error *err);
/**
 * Check every group of every file present, without keys. Findings are reported; *damaged counts
 * them. Of a wal that reads what is kept, only the files before that of spec->end.
 */
holter_status wal_verify(struct wal *wal, const struct wal_read_spec *spec,
                         void (*report)(void *context, const char *sentence), void *context,
                         size_t *damaged, holter_error *err);

/* ---- what a frame's body says (format-spec/log.md, "Body") ----------------------------------- */

/** Rows of one series, sorted by columns_sort. */
struct wal_part {
    uint32_t metric;
    uint32_t source;
    size_t offset;          /* of a decoded body: where wal_body_next finds it */
    struct columns columns; /* of a decoded body: owned by it */
};

/**
 * A tombstone as a commit carries it; its sequence is that of the frame (of the first linked one).
 */
struct wal_tombstone {
    uint32_t metric, source; /* 0: all */
    int64_t begin, end;
    int64_t revision;
};

struct wal_body {
    struct wal_tombstone *tombstones; /* only in the first frame of a part */
    size_t tombstone_count;
    struct wal_part *parts;
    size_t part_count;
};

/** Append the body's bytes. Rows are taken from [first, first + count) of columns. */
void wal_body_encode_begin(struct buffer *out, const struct wal_tombstone *tombstones,
                           size_t count);
void wal_body_encode_rows(struct buffer *out, uint32_t metric, uint32_t source,
                          const struct columns *columns, size_t first, size_t count);
/** A frame's body, read part by part: */
struct wal_body_reader {
    struct reader bytes; /* what is left */
    /* the part at hand */
    uint32_t metric, source;
    struct schema schema;
    size_t rows; /* 1 .. CODEC_ROWS_MAX */
    bool with_revision;
    int64_t revision;
};
/** `bytes` borrowed while it is read. *tombstones owned: free. Errors: HOLTER_CORRUPT, HOLTER_NO_MEMORY. */
holter_status wal_body_open(struct wal_body_reader *out, struct wal_tombstone **tombstones,
                            size_t *count, const uint8_t *bytes, size_t byte_count);
/** The next part, once the rows of the one before were taken. HOLTER_DONE: there is none. */
holter_status wal_body_next(struct wal_body_reader *reader);
/**
 * Append the part's rows, each with `sequence`, to columns of its schema, which stay as they were on failure. Errors:
 * HOLTER_CORRUPT, HOLTER_NO_MEMORY.
 */
holter_status wal_body_rows(struct columns *out, struct wal_body_reader *reader, uint64_t sequence);
/**
 * All of it. Every row gets `sequence`. *out: release with wal_body_release. Errors: HOLTER_CORRUPT,
 * HOLTER_NO_MEMORY.
 */
holter_status wal_body_decode(struct wal_body *out, const uint8_t *bytes, size_t count,
                              uint64_t sequence);
void wal_body_release(struct wal_body *body);

#endif
