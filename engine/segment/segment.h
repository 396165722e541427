/*
 * segment.h -- the door of segment: immutable sorted files, a section for each user, sealed under
 * that user's key.
 *
 * Promise: a segment that was finished reads back bit by bit or answers HOLTER_CORRUPT, for one
 * user without touching another's section, and tells nothing about a person to who has no key but
 * number, extents and time range.
 *
 *     | footer | directory | section user 3 | section user 7 | .. | directory | footer |
 *     section: | pieces of payload .. | of rollups | of block headers | index piece |
 *
 *   S1  Sorted by (user, metric, source, time, key); an identity comes once. Blocks are of one
 *       series, segment_block_rows of the file each but the last of a series; one of texts also
 *       ends once they reach 64 KiB.
 *   S2  A piece is sealed on its own: nonce = the file's random 16-byte id and the piece's offset;
 *       associated data binds store, file, user, key generation, offset, kind and length. Ids are
 *       drawn anew at every attempt.
 *   S3  Directory and footer are there twice; either will do, page by page.
 *   S4  The file is written aside, synced, read back past the cache and verified, then renamed, the
 *       directory synced.
 *   S5  A section that takes less than 4 KiB as one piece is one, and so is one of tombstones
 *       alone.
 *   S6  A series of a warm or cold file may have a rollup: what its rows say by half hours of UTC,
 *       exactly, and of all of them.
 *
 * Needs core, io, codec, crypto, merge. Threads: a writer one at a time; an open segment is
 * immutable, any thread with a queue of its own. Bytes: format-spec/segment.md.
 */
#ifndef SEGMENT_SEGMENT_H
#define SEGMENT_SEGMENT_H

#include "codec/codec.h"
#include "crypto/crypto.h"
#include "io/io.h"
#include "merge/merge.h"

enum {
    SEGMENT_BLOCK_ROWS = CODEC_PACKED_ROWS_MAX,     /* of hot and warm files */
    SEGMENT_COLD_BLOCK_ROWS = CODEC_BLOCK_ROWS_MAX, /* notes/0005 */
    SEGMENT_PIECE_BYTES =
        16 << 10, /* plain payload bytes sealed together, where one block is not larger */
    SEGMENT_SMALL_SECTION_BYTES = 4096,
    SEGMENT_ID_BYTES = 16,
};

struct segment_spec {
    struct io *io;
    const char *directory; /* the shard's; borrowed until the writer or segment is closed */
    uint8_t store_id[16];
    uint32_t place; /* 1 + region << 16 | shard */
    bool is_sealed;
    void (*give_way)(void *context); /* between blocks that are written; may be NULL */
    void *give_way_context;
};

/* ---- writing --------------------------------------------------------------------------------- */

struct segment_writer;

struct segment_traits {
    uint8_t tier, class; /* as in the manifest: told again in the footer */
    int64_t partition;
    uint64_t sequence_min, sequence_max; /* tombstones' sequences lie in [0, sequence_max] */
};

/** The rows of a block in such a file; the last block of a series may have fewer. */
uint32_t segment_block_rows(const struct segment_traits *traits);

/** What a finished segment holds: the manifest's entry follows from it. */
struct segment_summary {
    uint8_t id[SEGMENT_ID_BYTES];
    uint64_t user_min, user_max;
    uint64_t users, rows;
    int64_t begin_min, begin_max, end_max; /* 0 where rows is 0 */
    uint64_t tombstones;
    int64_t tombstone_begin, tombstone_end; /* 0 where tombstones is 0 */
    uint64_t bytes;
    uint64_t footer_hash;
    /* of those bytes; 0 where the file was not written just now */
    uint64_t block_bytes; /* rows, without seals */
    uint64_t rollup_bytes;
};

/** So many users fit in the front of a file, whose directory takes fewer bytes there. */
enum { SEGMENT_USERS_IN_FRONT = 63 };
/**
 * Draws the id, makes "seg-ID.tmp". There will be `users_max` users at the most; 0: that is not known, or they do not fit
 * in front. *out owned: segment_writer_free. After any failure of a write
 * the writer is given up: every later call answers that status, and nothing more is written.
 * Errors   HOLTER_INVALID an unknown tier or class; HOLTER_NO_SPACE, HOLTER_IO, HOLTER_NO_MEMORY,
 *          as in all below.
 * Cost     about 1.5 MiB of memory (cold: up to 4), 64 bytes for each user, 300 for each block and half hour of the series at
 *          hand, warm and cold 0.4 MiB once a rollup is written; writes of 1 MiB.
 */
holter_status segment_writer_new(struct segment_writer **out, const struct segment_spec *spec,
                                 const struct segment_traits *traits, uint64_t users_max,
                                 holter_error *err);
/** Unlinks what was not finished. */
void segment_writer_free(struct segment_writer *writer);
/**
 * Begin a user's section; numbers rise. Where neither tombstones nor rows follow, the user is left
 * out. `key` is borrowed for the call, `arena` until the section ends: a slot of it is taken.
 * Errors: HOLTER_NO_MEMORY also where no slot is free; HOLTER_INVALID, which the end of the section that was begun before tells:
 * more than there were to be.
 */
holter_status segment_writer_user(struct segment_writer *writer, uint64_t user,
                                  uint32_t key_generation, struct crypto_arena *arena,
                                  const struct crypto_key *key, holter_error *err);
/** The user's tombstones, once, before any series. */
holter_status segment_writer_tombstones(struct segment_writer *writer,
                                        const struct tombstones *tombstones, holter_error *err);
/**
 * Begin a series; (metric, source) rise within a user, neither is 0. A series without rows is left
 * out.
 */
holter_status segment_writer_series(struct segment_writer *writer, uint32_t metric, uint32_t source,
                                    const struct schema *schema, holter_error *err);
/**
 * Rows that go on where the last ended, rising by (time, key). Any number at a time; revisions too.
 * Errors: HOLTER_INVALID rows that do not rise, which gives the writer up; it may be told by a
 * later call.
 */
holter_status segment_writer_rows(struct segment_writer *writer, const struct columns *columns,
                                  size_t first, size_t count, holter_error *err);
/**
 * Directory, footers, sync, read back, rename, sync of the directory (S4). A writer without any
 * user finishes to no file: HOLTER_NOT_FOUND, nothing is left.
 * Errors   HOLTER_CORRUPT what was read back differs from what was written; HOLTER_NO_SPACE,
 *          HOLTER_IO.
 */
holter_status segment_writer_finish(struct segment_writer *writer, struct segment_summary *summary,
                                    holter_error *err);

/* ---- reading --------------------------------------------------------------------------------- */

struct segment;

/**
 * Open "seg-ID" and check its footer against `footer_hash` (0: any).
 * Errors   HOLTER_NOT_FOUND; HOLTER_CORRUPT; HOLTER_UNSUPPORTED. Cost: a read. The directory is
 *          read by pages.
 */
holter_status segment_open(struct segment **out, const struct segment_spec *spec,
                           const uint8_t id[static SEGMENT_ID_BYTES], uint64_t footer_hash,
                           holter_error *err);
void segment_close(struct segment *segment);

/** A user's place in a segment, from the directory (no key needed). */
struct segment_user {
    uint64_t user;
    uint32_t key_generation;
    uint64_t section_offset, section_bytes;
    uint64_t index_offset;                 /* of the index piece in the file */
    uint32_t index_bytes;                  /* sealed */
    int64_t begin_min, begin_max, end_max; /* 0 where it has tombstones only */
    uint64_t section_hash;                 /* XXH3 of the section as it lies there */
};

uint64_t segment_user_count(const struct segment *segment);
/**
 * The index-th user, by rising number. Errors: HOLTER_CORRUPT, HOLTER_IO. Cost: at most one read.
 */
holter_status segment_user_at(struct segment_user *out, struct segment *segment,
                              struct io_queue *queue, uint64_t index, holter_error *err);
/** Errors: HOLTER_NOT_FOUND the user has no section here. Cost: O(log) page reads. */
holter_status segment_user_find(struct segment_user *out, struct segment *segment,
                                struct io_queue *queue, uint64_t user, holter_error *err);

/** A hint that segment_user_find, segment_section_open follow: io_expect. Nothing where it is known. */
void segment_user_expect(struct segment *segment, uint64_t user);
void segment_section_expect(struct segment *segment, const struct segment_user *user);
/** A hint that it will be read from its beginning on: io_expect of the first MiB. */
void segment_expect(struct segment *segment);

struct segment_section; /* a user's opened index */

struct segment_series {
    uint32_t metric, source;
    struct schema schema;
    uint64_t rows;
    uint32_t blocks;
    int64_t begin_min, begin_max, end_max;
    int64_t revision_min, revision_max;
};

/**
 * Open and decode a user's index. `queue` and `arena` (a slot of it) borrowed until closed, `key`
 * for the call. *out owned. Errors: HOLTER_CORRUPT also where it was sealed under another key;
 * HOLTER_NO_MEMORY also where no slot is free. Cost: one read, of 4 to 8 KiB or the index, which brings
 * the block headers along as far as they lie in it.
 */
holter_status segment_section_open(struct segment_section **out, struct segment *segment,
                                   const struct segment_user *user, struct io_queue *queue,
                                   struct crypto_arena *arena, const struct crypto_key *key,
                                   holter_error *err);
void segment_section_close(struct segment_section *section);

/**
 * The outline of a section: its index, and the block headers that were read so far. Whoever counts it
 * keeps it, after the section and the segment are closed, too; it holds no key. What it held is wiped
 * when the last one goes. Threads: any.
 */
struct segment_outline;
struct segment_outline *segment_outline_ref(struct segment_outline *outline);
void segment_outline_unref(struct segment_outline *outline); /* NULL does nothing */
uint32_t segment_outline_key_generation(const struct segment_outline *outline);
/** Of memory; grows as headers of further series are read. */
size_t segment_outline_bytes(const struct segment_outline *outline);
/** Borrowed from the section. */
struct segment_outline *segment_section_outline(struct segment_section *section);
/** Who gives a section of a known outline its file and the user's key, both until it is closed. */
struct segment_lender {
    holter_status (*lend)(void *context, struct segment **segment, const struct crypto_key **key,
                          holter_error *err);
    void *context;
    struct io_queue *queue;
    struct crypto_arena *arena;
};
/**
 * A section that is known by its outline, which it counts. `lender` is asked, once, when something has to
 * be read. *out owned. Errors: HOLTER_NO_MEMORY.
 */
holter_status segment_section_of(struct segment_section **out, struct segment_outline *outline,
                                 const struct segment_lender *lender, holter_error *err);

const struct tombstones *segment_section_tombstones(const struct segment_section *section);
size_t segment_section_series_count(const struct segment_section *section);
const struct segment_series *segment_section_series(const struct segment_section *section,
                                                    size_t index);

/**
 * What the block headers of a series say. Sums leave out rows flagged out-of-range or non-finite.
 */
struct segment_block {
    uint32_t rows;
    uint32_t flagged; /* rows that the statistics leave out */
    int64_t begin_min, begin_max, end_max;
    struct segment_field {
        int64_t min,
            max; /* words as in columns (floats: bits); INT, FLOAT and ENUM only; 0 where all are left out */
        int64_t sum_low,
            sum_high; /* INT: 128-bit two's complement; FLOAT: bits of a double-double (high, low) */
    } field[SCHEMA_FIELDS_MAX];
};

/**
 * A run over the blocks of a series which hold rows that begin in [from, to), or that begin before
 * `from` and end after `ends_after` (INT64_MAX: none such): for struct merge_run. Rows of other
 * times may come along. The segment must stay open. *out owned: segment_run_close.
 * Cost: the series' block headers, then a read for some 64 KiB of payload that lie together.
 */
struct segment_run;
holter_status segment_run_open(struct segment_run **out, struct segment_section *section,
                               size_t series, int64_t from, int64_t to, int64_t ends_after,
                               holter_error *err);
/**
 * As segment_run_open, but nothing is read before rows are asked for. A run that ends leaves its memory
 * to the next one of its pool, which stays until they are closed; NULL: to none.
 */
struct segment_pool;
holter_status segment_run_plan(struct segment_run **out, struct segment_section *section,
                               size_t series, int64_t from, int64_t to, int64_t ends_after,
                               struct segment_pool *pool, holter_error *err);
/** A hint that all of it will be read soon, as far as that can be told without a read: io_expect. */
void segment_run_expect(struct segment_run *run);
/**
 * Of a run that was planned, with `ends_after` INT64_MAX: what is ahead is told by the half hours of the
 * series' rollup, as blocks of which a run may take or read each alone. Without effect where there is none.
 */
void segment_run_by_half_hours(struct segment_run *run);
/**
 * *reach becomes the least begin of what is told as one (blocks, or half hours) and begins before the run's
 * `from` and ends after it, where that is lower.
 */
holter_status segment_run_reach(int64_t *reach, struct segment_run *run, holter_error *err);
void segment_run_close(struct segment_run *run);
/** *out owned: segment_pool_free. Errors: HOLTER_NO_MEMORY. */
holter_status segment_pool_new(struct segment_pool **out, holter_error *err);
void segment_pool_free(struct segment_pool *pool); /* wipes what was read */
/** Before it is kept for another query: let go of all but 2 MiB at most, and count blocks anew. */
void segment_pool_trim(struct segment_pool *pool);
/** Blocks that its runs have decoded. */
uint64_t segment_pool_decoded(const struct segment_pool *pool);
/** Fill in a merge_run that reads from `run`: not exact, about each block its segment_block, with the segment's sequence range. */
void segment_run_merge(struct segment_run *run, struct merge_run *merge, uint64_t sequence_min,
                       uint64_t sequence_max);
/**
 * Of the block that a merge was told of last: what lies ahead of a run that does not go by half hours (merge_ahead.context).
 * Its rows are not made. After a failure, of which a read of the block tells more, *fold is nothing.
 */
holter_status segment_run_fold(struct codec_fold *fold, struct segment_run *run,
                               const struct codec_fold_spec *spec);
/**
 * All blocks of the series, also those that the run leaves out; of a run that was opened, not planned.
 * Borrowed until the next call.
 */
size_t segment_run_block_count(const struct segment_run *run);
const struct segment_block *segment_run_block(struct segment_run *run, size_t index);

/**
 * Read every row of a series, and compare with them their number and the rollup. Errors: HOLTER_CORRUPT,
 * HOLTER_IO, HOLTER_NO_MEMORY.
 */
holter_status segment_series_verify(struct segment_section *section, size_t series,
                                    holter_error *err);

/**
 * Hash every section, page and copy, without keys. Findings are reported; *damaged grows by their
 * number.
 */
holter_status segment_verify(struct segment *segment, struct io_queue *queue,
                             void (*report)(void *context, const char *sentence), void *context,
                             size_t *damaged, holter_error *err);
struct segment_traits segment_traits_get(const struct segment *segment);
struct segment_summary segment_summary_get(const struct segment *segment);

#endif
