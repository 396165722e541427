/*
 * segment_impl.h -- what the files of segment share: the fixed structures, the index of a section,
 * block headers, outlines.
 *
 * Each structure of format-spec/segment.md has an encode and a decode here, bytes to bytes and
 * back, without files, so that each is tested and fuzzed alone. Decoders answer a bare status and,
 * where asked, the word for what is wrong; whoever knows file and offset makes the sentence.
 */
#ifndef SEGMENT_SEGMENT_IMPL_H
#define SEGMENT_SEGMENT_IMPL_H

#include "segment/segment.h"

#include <stdatomic.h>

enum {
    SEGMENT_FOOTER_BYTES = 512,
    SEGMENT_SECTOR_BYTES = 512,   /* what directory and footers are aligned to */
    SEGMENT_PAGE_BYTES_MIN = 512, /* of a directory of few users */
    SEGMENT_PAGE_BYTES = 4096,    /* at most */
    SEGMENT_ENTRY_BYTES = 64,
    SEGMENT_PAGE_ENTRIES = 63, /* at most */
    SEGMENT_FILE_BYTES_MIN = 2 * SEGMENT_PAGE_BYTES,
    SEGMENT_ASSOCIATED_BYTES = 64,
    SEGMENT_SERIES_BYTES_MIN = 16,    /* of an index */
    SEGMENT_BLOCK_BYTES_MIN = 2,      /* of block headers */
    SEGMENT_BLOCK_TEXT_BYTES = 65536, /* of texts: a block ends with the row that reaches it */
    SEGMENT_CHUNK_BYTES = 1 << 20,    /* of what is written and read back at once */
    SEGMENT_NAME_BYTES = 4 + 2 * SEGMENT_ID_BYTES + 1,
    SEGMENT_TIERS = 3,
    SEGMENT_TIER_HOT = 1,
    SEGMENT_TIER_COLD = 3,
    SEGMENT_CLASSES = 4,
    SEGMENT_UNITS = 5,
    SEGMENT_BUCKETS_MAX = 28 * 48, /* of a rollup: the half hours of a cold file's partition */
    SEGMENT_LABELS_MAX = 16,       /* of a field whose states are counted */
};
#define SEGMENT_BUCKET_NS INT64_C(1800000000000)

/** Of times in block headers and rollups, in ns; each divides the next one. */
extern const uint64_t segment_units[SEGMENT_UNITS];

/** Stored, in associated data. A new kind also needs: format-spec/segment.md,
    segment_index_decode's sum of places. */
enum segment_piece_kind {
    SEGMENT_PIECE_PAYLOAD = 1,
    SEGMENT_PIECE_BLOCKS = 2,
    SEGMENT_PIECE_INDEX = 3,
    SEGMENT_PIECE_WHOLE = 4,
    SEGMENT_PIECE_ROLLUP = 5,
};

/* ---- segment_format.c: footer, directory, sealing -------------------------------------------- */

/** What every structure of a file is bound to. */
struct segment_identity {
    uint8_t store_id[16];
    uint8_t id[SEGMENT_ID_BYTES];
    uint32_t place;
    bool is_sealed;
};

struct segment_footer {
    struct segment_traits traits;
    struct segment_summary summary; /* id, bytes and footer_hash too */
    uint32_t page_bytes;            /* of a directory page */
    uint32_t page_count;
    uint64_t sections_begin; /* behind a page of the directory, or the footer alone */
    uint64_t sections_end;
    uint64_t directory_offset; /* of the first copy */
    uint64_t directory_hash;
};

/** Answers the footer hash. */
uint64_t segment_footer_encode(uint8_t out[static SEGMENT_FOOTER_BYTES],
                               const struct segment_identity *identity,
                               const struct segment_footer *footer);
/** `file_bytes` is the file's length. Errors: HOLTER_CORRUPT, HOLTER_UNSUPPORTED. */
holter_status segment_footer_decode(struct segment_footer *out,
                                    const uint8_t in[static SEGMENT_FOOTER_BYTES],
                                    const struct segment_identity *expected, uint64_t file_bytes,
                                    const char **what);

void segment_entry_encode(uint8_t out[static SEGMENT_ENTRY_BYTES], const struct segment_user *user);
/** Where sections begin in a file that will have so many at the most; 0: that is not known. */
uint64_t segment_sections_begin(uint64_t users_max);
/** Pages and place of the directory, by the number of users and where sections begin and end; and the file's length. */
void segment_directory_place(struct segment_footer *footer);
/** The first directory lies before the sections. */
static inline bool segment_is_in_front(const struct segment_footer *footer)
{
    return footer->sections_begin > SEGMENT_FOOTER_BYTES;
}
/** The entries that a page has, but for the last one. */
static inline size_t segment_page_entries(const struct segment_footer *footer)
{
    return footer->page_bytes / SEGMENT_ENTRY_BYTES - 1;
}
/** A page of footer->page_bytes, with `count` entries of SEGMENT_ENTRY_BYTES each. Answers its checksum. */
uint64_t segment_page_encode(uint8_t out[static SEGMENT_PAGE_BYTES],
                             const struct segment_footer *footer,
                             const uint8_t id[static SEGMENT_ID_BYTES], uint32_t page,
                             const uint8_t *entries, size_t count);
/** Entries of page `page`, into `out`, of which there are *count. Errors: HOLTER_CORRUPT. */
holter_status segment_page_decode(struct segment_user out[static SEGMENT_PAGE_ENTRIES],
                                  size_t *count, const uint8_t in[static SEGMENT_PAGE_BYTES],
                                  const struct segment_footer *footer, uint32_t page,
                                  const char **what);
/** As stored. */
uint64_t segment_page_checksum(const uint8_t in[static SEGMENT_PAGE_BYTES],
                               const struct segment_footer *footer);

/** Offsets of directory pages and footers, first copy (0: the footer begins the file) and second (1). */
uint64_t segment_page_offset(const struct segment_footer *footer, uint32_t page, int copy);
uint64_t segment_footer_offset(const struct segment_footer *footer, int copy);

/** Whose piece it is, and where. */
struct segment_piece {
    uint64_t user;
    uint32_t key_generation;
    enum segment_piece_kind kind;
    uint64_t offset; /* in the file */
};
/** out[bytes + CRYPTO_TAG_BYTES]; out may be plain. */
void segment_piece_seal(uint8_t *out, const uint8_t *plain, size_t bytes,
                        const struct segment_identity *identity, const struct segment_piece *piece,
                        const struct crypto_key *key);
/** In place; `bytes` include the tag. False: it is not what was sealed under this key, at this
    place. */
bool segment_piece_open(uint8_t *bytes_in_place, size_t bytes,
                        const struct segment_identity *identity, const struct segment_piece *piece,
                        const struct crypto_key *key);

void segment_name(char out[static SEGMENT_NAME_BYTES], const uint8_t id[static SEGMENT_ID_BYTES]);

/* ---- segment_index.c: the index of a section ------------------------------------------------- */

struct segment_entry {
    struct segment_series series;
    int64_t revision_base;  /* of rows in blocks without revisions */
    uint64_t payload_bytes; /* as in the index */
    uint64_t header_bytes;
    uint64_t rollup_bytes; /* 0: it has none */
    /* By decode only: from the section's first byte, or in the plain bytes of a whole one. */
    uint64_t payload_offset;
    uint64_t header_offset;
    uint64_t rollup_offset;
};

struct segment_index {
    struct tombstones tombstones;
    struct segment_entry *entries;
    size_t count;
};

/** Append an index. `tombstones` in their stored form. */
void segment_index_encode(struct buffer *out, const struct buffer *tombstones,
                          const struct segment_entry *entries, size_t count);
/**
 * *out release it. `is_whole`: what follows the index in the piece are the section's blocks and
 * block headers.
 * section_bytes  of the section, index_bytes of its index piece, both with tags; not looked at
 * where it is whole.
 * Errors         HOLTER_CORRUPT, HOLTER_NO_MEMORY.
 */
holter_status segment_index_decode(struct segment_index *out, const uint8_t *plain, size_t bytes,
                                   bool is_whole, uint64_t section_bytes, uint64_t index_bytes,
                                   uint64_t sequence_max, const char **what);
void segment_index_release(struct segment_index *index);

/* ---- segment_blocks.c: block headers --------------------------------------------------------- */

/** Where a block lies. The first three are stored, the others follow from them. */
struct segment_place {
    uint32_t bytes;
    bool starts_piece;
    bool has_revision;
    uint64_t piece_offset; /* of the sealed piece, from the first of the series' payload bytes */
    uint64_t piece_bytes;  /* plain */
    uint64_t offset;       /* in the plain piece */
};

/** Fill in statistics and times of rows [first, first + count), count at most
    CODEC_BLOCK_ROWS_MAX. */
void segment_block_measure(struct segment_block *out, const struct columns *c, size_t first,
                           size_t count);
/** models: the series' own ones as they are stored; none are left where it has none. */
void segment_blocks_encode(struct buffer *out, const struct schema *schema,
                           const struct segment_block *blocks, const struct segment_place *places,
                           size_t count, struct reader models);
/**
 * Arrays of entry->series.blocks each, which the caller allocated once he saw that `bytes` are at
 * least SEGMENT_BLOCK_BYTES_MIN for each. rows_max: of a block in this file. *models: those of `plain` that are the
 * series' own models, which are not looked at; none are left where it has none.
 * Errors   HOLTER_CORRUPT.
 */
holter_status segment_blocks_decode(struct segment_block *blocks, struct segment_place *places,
                                    const uint8_t *plain, size_t bytes,
                                    const struct segment_entry *entry, bool is_whole,
                                    uint32_t rows_max, struct reader *models, const char **what);

/* ---- segment_rollup.c: statistics by half hours ---------------------------------------------- */

/** All zeros is an empty one. */
struct segment_rollup {
    struct segment_block *buckets; /* rising; what rollups do not tell of rows is 0 */
    int64_t *states; /* by bucket, ENUM field and label: of intervals the time, else the rows */
    size_t count, capacity, state_capacity;
    bool is_lost; /* the rows do not fit into one */
};

/** Whether series of these fields may have one: all are INT or ENUM. */
bool segment_rollup_fits(const struct schema *schema);
void segment_rollup_clear(struct segment_rollup *rollup);
void segment_rollup_release(struct segment_rollup *rollup);
/** Rows of one series that follow those before; segment_rollup_fits holds. False: no memory. */
bool segment_rollup_add(struct segment_rollup *rollup, const struct columns *c, size_t first,
                        size_t count);
/** False: the rows had no room in a rollup, or there were none; nothing is appended then. */
bool segment_rollup_encode(struct buffer *out, const struct segment_rollup *rollup,
                           const struct schema *schema, struct codec_scratch *scratch);
/**
 * *out as all zeros, or used before. Without `with_states` the states are not read, nor what is behind
 * the last integer. Errors: HOLTER_CORRUPT, HOLTER_NO_MEMORY.
 */
holter_status segment_rollup_decode(struct segment_rollup *out, const uint8_t *plain, size_t bytes,
                                    const struct segment_series *series, bool with_states,
                                    const char **what);
bool segment_rollup_is_equal(const struct segment_rollup *a, const struct segment_rollup *b,
                             const struct schema *schema);

/* ---- segment_outline.c ----------------------------------------------------------------------- */

/** What it takes to read and open pieces of a section. */
struct segment_access {
    struct segment *segment;
    const struct segment_user *user;
    struct io_queue *queue;
    const struct crypto_key *key; /* the file's, derived from the user's */
};

/** Open a piece of `bytes`, read from `offset`, in its place. Errors: HOLTER_CORRUPT. */
holter_status segment_access_open(const struct segment_access *access, enum segment_piece_kind kind,
                                  uint64_t offset, uint8_t *memory, size_t bytes,
                                  holter_error *err);

/** The part of a struct segment_block that every block has. */
struct segment_header {
    int64_t begin_min, begin_max, end_max;
    uint32_t rows, flagged;
};

/** Block headers of a series, decoded. */
struct segment_headers {
    size_t count, field_count;
    struct segment_header *blocks; /* `count` of them, then all of the series in one .. */
    struct segment_field *fields;  /* `field_count` for each, likewise */
    struct segment_place *places;
    uint8_t
        *models; /* the series' own ones as they are stored, `model_bytes` of them; NULL: none */
    size_t model_bytes;
    bool has_total; /* .. whose rows and fields are told, too */
};

struct segment_outline {
    _Atomic uint32_t references;
    _Atomic size_t bytes; /* of memory */
    struct segment_user user;
    uint32_t block_rows; /* of a block of the file, at most */
    bool is_whole;
    uint8_t *plain; /* where it is whole: the section */
    size_t plain_bytes;
    uint8_t
        *tail; /* sealed block headers, [tail_offset, user.index_offset) of the file; NULL: none */
    uint64_t tail_offset;
    size_t tail_bytes;
    struct segment_index index;
    _Atomic(struct segment_headers *) *headers; /* of each series; NULL: not read yet */
    _Atomic(struct segment_headers *)
        *rollups; /* likewise: its buckets, as blocks without places */
};

/** `access` is borrowed for the call. Errors: those of segment_section_open. Cost: one read. */
holter_status segment_outline_open(struct segment_outline **out,
                                   const struct segment_access *access, holter_error *err);
/** Of a series, where they were read; else NULL. */
const struct segment_headers *segment_outline_known(const struct segment_outline *outline,
                                                    size_t series);
const struct segment_headers *segment_outline_known_rollup(const struct segment_outline *outline,
                                                           size_t series);
/** Read and decode those that are not known. *out is borrowed from the outline. Cost: at most one read. */
holter_status segment_outline_headers(const struct segment_headers **out,
                                      struct segment_outline *outline, size_t series,
                                      const struct segment_access *access, holter_error *err);
/** The rollup of a series that has one, known or read now. *out is borrowed from the outline. */
holter_status segment_outline_rollup(const struct segment_headers **out,
                                     struct segment_outline *outline, size_t series,
                                     const struct segment_access *access, holter_error *err);
/** Read a series' rollup: *rollup as all zeros, or used before; there is one. Cost: at most one read. */
holter_status segment_outline_rollup_read(struct segment_rollup *rollup,
                                          const struct segment_outline *outline, size_t series,
                                          const struct segment_access *access, bool with_states,
                                          holter_error *err);
void segment_headers_block(struct segment_block *out, const struct segment_headers *headers,
                           size_t index);

/* ---- segment_section.c ----------------------------------------------------------------------- */

struct segment_section {
    struct segment_outline *outline; /* counted */
    struct segment *segment;         /* NULL: the lender is not asked yet */
    struct segment_lender lender;
    struct io_queue *queue;
    struct crypto_key *key;
};

/** Before anything is read: the file and the key. Errors: those of the lender. */
holter_status segment_section_need(struct segment_section *section, holter_error *err);
/** To read with, once that is there. */
struct segment_access segment_section_access(const struct segment_section *section);

/* ---- segment_read.c -------------------------------------------------------------------------- */

enum { SEGMENT_PAGES_KEPT = 4 };

/** A directory page, decoded. */
struct segment_page {
    uint32_t number;
    size_t count;
    struct segment_user users[SEGMENT_PAGE_ENTRIES];
};

struct segment {
    struct io *io;
    struct segment_identity identity;
    struct segment_footer footer;
    struct io_file *file;
    /* The first pages that were searched, by number modulo their count; they stay. */
    _Atomic(struct segment_page *) pages[SEGMENT_PAGES_KEPT];
    char path[IO_PATH_BYTES_MAX];
};

#endif
