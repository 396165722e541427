/*
 * segment_write_impl.h -- a segment that is being written, and what the files of its writer share: bytes
 * to the file and its end (segment_write_file.c), blocks (segment_write_blocks.c), series and sections (segment_write.c).
 */
#ifndef SEGMENT_SEGMENT_WRITE_IMPL_H
#define SEGMENT_SEGMENT_WRITE_IMPL_H

#include "segment_impl.h"

enum writer_name { NAME_NONE = 0, NAME_ASIDE, NAME_FINAL };

struct segment_writer {
    struct segment_spec spec;
    struct segment_identity identity;
    struct segment_footer footer; /* traits; the summary grows with each section */
    holter_status given_up;       /* the failure after which nothing goes on */
    bool is_finished;

    /* the file */
    char path_aside[IO_PATH_BYTES_MAX];
    char path[IO_PATH_BYTES_MAX];
    enum writer_name name;
    struct io_queue *queue;
    struct io_file *file;
    uint8_t *chunk;
    size_t chunk_used; /* of the first one: what comes in front, too, which is written last */
    uint64_t front_hash;
    uint64_t offset; /* of the next byte */
    uint64_t *chunk_hashes;
    size_t chunk_count, chunk_capacity;
    struct buffer directory; /* entries of finished sections */

    /* the section at hand */
    bool has_user;
    bool is_held; /* it may still become one piece: nothing of it is written */
    struct segment_user user;
    struct crypto_key *key;
    struct hash64_stream *hash;
    bool has_tombstones;
    struct buffer tombstones; /* in their stored form */
    struct segment_entry *entries;
    size_t entry_count, entry_capacity;
    struct buffer held;    /* blocks of the finished series, where is_held */
    struct buffer headers; /* block headers of the finished series */
    struct buffer rollups; /* of the finished series */
    struct buffer sealed;

    /* the series at hand: the last entry, which does not count before it ends */
    bool has_series;
    struct columns pending;        /* rows of a block that is not full */
    struct columns last;           /* the last row of the block before */
    struct codec_scratch *scratch; /* NULL: blocks are packed only, as the file is not cold */
    bool is_waiting;               /* its blocks so far are all in `coded` */
    struct buffer coded;           /* blocks that are in no piece yet: the last ones */
    size_t coded_count;            /* of them */
    struct buffer again;           /* the same by own models */
    struct codec_models *models;   /* the series' own ones; NULL: none */
    struct buffer model_bytes;
    struct buffer piece; /* blocks not yet sealed */
    struct segment_block *blocks;
    struct segment_place *places;
    size_t block_count, block_capacity, place_capacity;
    bool has_rollup; /* it may get one */
    struct segment_rollup rollup;
    struct codec_scratch *rollup_scratch; /* made once there is one to write */
};

/** Set *err to "no memory". */
holter_status writer_no_memory(struct segment_writer *writer, holter_error *err);

/* ---- the file ---- */

holter_status writer_append(struct segment_writer *writer, const void *bytes, size_t count,
                            holter_error *err);
/** Seal `bytes` of plain as the section's next piece. */
holter_status writer_write_piece(struct segment_writer *writer, enum segment_piece_kind kind,
                                 const uint8_t *plain, size_t bytes, holter_error *err);
/** Directory and footer to both ends; the whole file is durable under its name then. */
holter_status writer_publish(struct segment_writer *writer, holter_error *err);
/** Forget the file, under whichever name it has. */
void writer_unlink(struct segment_writer *writer);

/* ---- blocks of the series at hand ---- */

/**
 * The section is too large for one piece: write the payload that was held back, a piece for each
 * finished series.
 */
holter_status writer_write_held(struct segment_writer *writer, holter_error *err);
/** Seal the first `bytes` of the piece at hand. */
holter_status writer_write_payload(struct segment_writer *writer, size_t bytes, holter_error *err);
/** Blocks that follow are coded by built-in models alone. */
void writer_drop_models(struct segment_writer *writer);
/** No block of the series waits any longer. */
holter_status writer_end_waiting(struct segment_writer *writer, holter_error *err);
/** Rows that make a block: coded, with its header and what it adds to the rollup. */
holter_status writer_write_block(struct segment_writer *writer, const struct columns *c,
                                 size_t first, size_t count, holter_error *err);
/** The rows that wait for a block to be full make one now. */
holter_status writer_write_pending(struct segment_writer *writer, holter_error *err);
/** How many of the rows join the pending ones in a block; *is_full: the block ends with them. */
size_t writer_rows_taken(bool *is_full, const struct segment_writer *writer,
                         const struct columns *c, size_t first, size_t count);

#endif
