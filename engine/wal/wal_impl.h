/*
 * wal_impl.h -- what the files of wal share: headers and their bytes, files of a log, groups as
 * they are read.
 *
 *     wal_format.c   headers to bytes and back         wal_append.c   groups on their way out
 *     wal_file.c     names, making, opening, windows   wal_walk.c     group after group
 *     wal_frame.c    sealing and opening one frame     wal_read.c     the reader; the log's end
 *     wal_body.c     what a frame's body says          wal_verify.c   every group of every file
 *     wal_bookmark.c places remembered outside
 */
#ifndef WAL_WAL_IMPL_H
#define WAL_WAL_IMPL_H

#include "wal.h"

enum {
    WAL_ID_BYTES = 16,
    WAL_HEADER_BYTES = 136,
    WAL_HEADER_COPY_BYTES = 2048, /* from one copy of the header to the next */
    WAL_HEADER_COPIES = 2,
    WAL_GROUP_HEADER_BYTES = 80,
    WAL_FRAME_HEADER_BYTES = 56,
    WAL_ASSOCIATED_BYTES = 64,
    WAL_NAME_BYTES = 5 + 16 + 4 + 1, /* "log-" or "kept-", digits, ".tmp" */
    WAL_SOURCES_MAX = 4,
    WAL_WINDOW_BYTES = 256 << 10,
    WAL_FRAME_FLAGS = WAL_LINK_MORE | WAL_LINK_GOES_ON,
};

/* ---- headers (wal_format.c) ------------------------------------------------------------------ */

struct wal_header {
    uint8_t store_id[16];
    uint32_t place;
    uint8_t log_id[WAL_ID_BYTES];
    uint64_t number;
    uint64_t file_bytes;
    uint64_t previous_number; /* 0: the log begins here */
    uint64_t previous_end;
    uint8_t previous_log_id[WAL_ID_BYTES];
    uint64_t first_sequence;
    uint8_t boot_id[IO_BOOT_ID_BYTES]; /* in which it was made, and all of it was written */
};

/** Fill a whole page: the header twice, zeros between. */
void wal_header_encode(uint8_t page[static WAL_PAGE_BYTES], const struct wal_header *header);
/**
 * *bad        bit i: copy i does not count. *found: why not, a static string.
 * Errors      HOLTER_UNSUPPORTED, HOLTER_CORRUPT: no copy counts, or the two contradict each other.
 */
holter_status wal_header_decode(struct wal_header *out, const uint8_t page[static WAL_PAGE_BYTES],
                                unsigned *bad, const char **found);

struct wal_group_header {
    uint8_t log_id[WAL_ID_BYTES];
    uint64_t offset;
    uint64_t first_sequence;
    uint64_t watermark;
    uint64_t synced;
    uint32_t bytes; /* without padding */
    uint32_t frame_count;
    bool is_mark;
};

/** Bytes rounded up to whole pages. */
static inline uint64_t wal_padded(uint64_t bytes)
{
    return (bytes + WAL_PAGE_BYTES - 1) / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
}

/** Write the header into a group whose frames and padding stand already; the checksum last. */
void wal_group_header_encode(uint8_t *group, const struct wal_group_header *header);
/**
 * Whether a group can be here, by its first page: its padded bytes, at most bytes_max; 0: it is
 * not, for
 * *found.
 */
uint64_t wal_group_probe(const uint8_t page[static WAL_PAGE_BYTES],
                         const uint8_t log_id[static WAL_ID_BYTES], uint64_t offset,
                         uint64_t bytes_max, const char **found);
/** The checksum of a group that was probed fits. */
bool wal_group_is_whole(const uint8_t *group, uint64_t padded_bytes);
/** Of a whole group. Errors: HOLTER_CORRUPT: it breaks a rule of its own, *found. */
holter_status wal_group_header_decode(struct wal_group_header *out, const uint8_t *group,
                                      const char **found);

struct wal_frame_header {
    uint64_t sequence;
    uint64_t user;
    uint32_t key_generation;
    uint32_t flags;
    uint32_t sealed_bytes; /* without nonce */
};

/** `nonce` goes into the header's end. */
void wal_frame_header_encode(uint8_t out[static WAL_FRAME_HEADER_BYTES],
                             const struct wal_frame_header *header,
                             const uint8_t nonce[static CRYPTO_NONCE_BYTES]);
holter_status wal_frame_header_decode(struct wal_frame_header *out,
                                      const uint8_t in[static WAL_FRAME_HEADER_BYTES]);

/* ---- frames (wal_frame.c) -------------------------------------------------------------------- */

/**
 * Header, nonce and sealed body, as in a group: write wal_frame_bytes to out. Errors: HOLTER_INVALID, a key where none belongs,
 * or none.
 */
holter_status wal_frame_seal(uint8_t *out, const struct wal *wal,
                             const uint8_t log_id[static WAL_ID_BYTES], uint64_t sequence,
                             const struct wal_frame *frame,
                             const uint8_t nonce[static CRYPTO_NONCE_BYTES], holter_error *err);
/** `bytes`: of the frame, header first; borrowed. */
struct wal_frame_read wal_frame_read_of(const struct wal_frame_header *header, const uint8_t *bytes,
                                        const struct wal_header *file, uint64_t offset);

/* ---- files (wal_file.c) ---------------------------------------------------------------------- */

/** A file open for reading. */
struct wal_source {
    struct io_file *file; /* NULL: a free slot */
    struct wal_header header;
    unsigned bad_copies;
};

struct wal {
    struct io *io;
    char *directory;
    uint8_t store_id[16];
    uint32_t place;
    bool is_sealed, reads_kept;
    uint64_t file_bytes;
    uint64_t group_bytes_max;
    struct io_queue *queue; /* for what is done one at a time; idle between calls */
    uint8_t *page;          /* one page of aligned memory, for headers */

    struct wal_source sources[WAL_SOURCES_MAX];
    size_t source_next; /* the slot that is given up next */

    /*
     * Appending. `end` is the last place that callers were told or told us, known to be durable.
     * Where `file` is set, the next byte goes to `next` in it, and all of it from there on is
     * zeros (W2); `next` is `end`, or the beginning of a file that names `end`.
     */
    struct wal_place end;
    bool end_is_known;
    struct io_file *file; /* NULL: the next append begins a new file */
    struct wal_header header;
    struct wal_place next;
    uint64_t ended_bytes; /* of files that ended, since the log rested last: the next one's size */
    uint64_t own_bytes; /* that this wal wrote to the file at hand */
    struct io_file *(*take_spare)(void *context);
    void *spare_context;
    uint64_t spare_asked; /* the file for which one was wanted last */
    bool has_no_spares;   /* they cannot be given a name here */
    struct wal_written written;
    bool is_writing;    /* one write at a time has what follows (W6) */
    uint8_t *group;     /* whole pages; kept from write to write */
    size_t group_bytes; /* of them */
};

/**
 * The file `number`, open, its header checked; borrowed until the next call. HOLTER_CORRUPT also:
 * it is missing.
 */
holter_status wal_source_get(const struct wal_source **out, struct wal *wal, uint64_t number,
                             holter_error *err);
/** .. HOLTER_NOT_FOUND: it is missing. */
holter_status wal_source_find(const struct wal_source **out, struct wal *wal, uint64_t number,
                              holter_error *err);
/** Forget open files, so that the next look reads the disk. */
void wal_sources_close(struct wal *wal);

/** The numbers of the files in the directory, rising. *numbers owned: free. */
holter_status wal_list(uint64_t **numbers, size_t *count, struct wal *wal, holter_error *err);
/** The path of a file; HOLTER_INVALID: too long. */
holter_status wal_path(char out[static IO_PATH_BYTES_MAX], const struct wal *wal, uint64_t number,
                       const char *suffix, holter_error *err);
/**
 * Make the file that goes on at `previous` (file 0: the first one), durable, open to append.
 * *header  in: file_bytes, and the previous file's log id, if there is one; out: its own.
 * *named   also on failure: a file of that name may be there.
 * Errors: those of io.
 */
holter_status wal_file_make(struct io_file **out, struct wal_header *header, bool *named,
                            struct wal *wal, const struct wal_place *previous, holter_error *err);
holter_status wal_file_open_to_append(struct io_file **out, struct wal *wal, uint64_t number,
                                      holter_error *err);
/** Make durable what the file holds, whoever wrote it. */
holter_status wal_file_sync(struct wal *wal, uint64_t number, holter_error *err);

/** A stretch of a file in memory. */
struct wal_window {
    uint8_t *memory;
    size_t capacity;
    uint64_t file;
    uint64_t offset;
    size_t bytes;
};

void wal_window_release(struct wal_window *window);
/**
 * *out: [offset, offset + bytes), whole pages within the file; borrowed until the next call. More is read
 * ahead, but nothing from `until` on.
 */
holter_status wal_window_get(const uint8_t **out, struct wal_window *window, struct wal *wal,
                             const struct wal_header *file, uint64_t offset, uint64_t bytes,
                             uint64_t until, holter_error *err);

/** The bookmark of a place in the file of that header. */
struct wal_bookmark wal_bookmark_in(const struct wal_header *header, const struct wal_place *place);

/* ---- walking (wal_walk.c) -------------------------------------------------------------------- */

/** A group in memory. */
struct wal_group {
    struct wal_group_header header;
    const uint8_t *bytes; /* borrowed from the window */
    uint64_t padded_bytes;
};

/** A file of the chain. */
struct wal_walk_file {
    struct wal_header header;
    bool has_limit; /* groups end exactly at `limit`, where the next sequence is limit_sequence */
    uint64_t limit;
    uint64_t limit_sequence;
};

/** Group after group along the chain of files. */
struct wal_walk {
    struct wal *wal;
    struct wal_walk_file *files;
    size_t count;
    size_t index;      /* of the file at hand */
    uint64_t offset;   /* of the next group, */
    uint64_t sequence; /* and its first sequence */
    struct wal_window window;
    bool is_torn;   /* found at an open end: bytes that are not zero */
    bool is_linked; /* the last frame goes on in the next group */
    uint64_t linked_user;
    struct wal_place linked_begin; /* the place before the group where such a part begins */
};

/** end NULL: to the newest file. *walk: wal_walk_release, on failure too. */
holter_status wal_walk_init(struct wal_walk *walk, struct wal *wal, const struct wal_place *from,
                            const struct wal_place *end, holter_error *err);
void wal_walk_release(struct wal_walk *walk);
/** Back to `from`; what comes after `end` is left out. Both lie in the chain. */
void wal_walk_restart(struct wal_walk *walk, const struct wal_place *from,
                      const struct wal_place *end);
/** The next place to read. */
struct wal_place wal_walk_place(const struct wal_walk *walk);
/** HOLTER_DONE at the end; HOLTER_CORRUPT, with the sentence: no way on but wal_walk_skip. */
holter_status wal_walk_next(struct wal_group *group, struct wal_walk *walk, holter_error *err);
/**
 * After damage: go to the next group of the file that can be read, or to the next file. False:
 * there is none.
 */
bool wal_walk_skip(struct wal_walk *walk);
/**
 * The frame at *position of a group that wal_walk_next gave (0: the first one); *position moves
 * past it.
 */
struct wal_frame_read wal_group_frame(const struct wal_group *group, size_t *position,
                                      const struct wal_header *file);

#endif
