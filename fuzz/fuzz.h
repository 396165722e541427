/*
 * fuzz.h -- what the fuzz targets share: their entry, a simulated machine, hostile files in few
 * bytes.
 *
 * Each fuzz_<decoder>.c defines LLVMFuzzerTestOneInput and is linked with libFuzzer (`make fuzz`)
 * or with driver.c, which replays a corpus (`make corpora`). All is built with HOLTER_FUZZ:
 * checksums and tags count as right, so that bytes reach the decoders behind them, and nothing is
 * enciphered.
 *
 *   F1  An input leads to a status, whatever it holds: no assertion, no sanitizer's report, no
 *       leak, no hang.
 *   F2  What is decoded without complaint encodes to the bytes that it came from, where there is an
 *       encoder.
 *   F3  Memory follows from the size of an input, never from a number in it: HOLTER_NO_MEMORY is a
 *       finding.
 *
 * A file is written in an input as its pages, and a page as runs: 16 bits count the zeros, 16 bits the bytes which
 * follow them; a run without bytes ends the page, whose rest is zeros; a run that does not fit ends the file. So a file
 * of 64 KiB takes some hundred bytes, and a change of one page moves no other.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "crypto/crypto.h"
#include "edits/edits_impl.h"
#include "io/io_sim.h"

/** The entry of every target; always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { FUZZ_PAGE_BYTES = 4096, FUZZ_PAGES_MAX = 64, FUZZ_EDITS_MAX = 64, FUZZ_PLACE = 1 << 16 | 3 };

/** The store that every hostile file claims to be of. */
extern const uint8_t fuzz_store_id[16];

/** A machine with an empty directory "d". */
struct fuzz_world {
    struct sim *sim;
    struct io *io;
    struct io_queue *queue;
    holter_error err;
};
void fuzz_world_init(struct fuzz_world *world);
void fuzz_world_release(struct fuzz_world *world);

/** Keys live here; one for the whole process, which is never freed. */
struct crypto_arena *fuzz_arena(void);
/** The key of every user; borrowed. NULL where nothing is sealed. */
const struct crypto_key *fuzz_key(bool is_sealed);

/** F3, and that a failure came with a sentence. */
void fuzz_check(holter_status status, const holter_error *err);

/** A file out of its pages, of `page_bytes` each. buffer_release. */
struct buffer fuzz_pages_read(struct reader *in, size_t page_bytes);
/**
 * And back; trailing zeros are not written, so that reading gives the file up to its last page that
 * has bytes.
 */
void fuzz_pages_write(struct buffer *out, const uint8_t *file, size_t bytes, size_t page_bytes);

/**
 * Put both copies of a log of edits into "d": each edit in the input is 16 bits of count, whose
 * highest bit says that more parts of its version follow, then as many bytes of its body. The frame
 * around the bodies is right.
 */
void fuzz_edits_put(struct fuzz_world *world, struct reader *in, const char *name,
                    enum edits_kind kind, uint32_t place);
/** And back: the bodies of the log whose first copy is the file at `path`. */
void fuzz_edits_write(struct buffer *out, const struct buffer *copy);

#endif
