/*
 * head.h -- the door of head: a small page shared by all processes, its facts published whole.
 *
 * Promise: a reader gets facts that belong together, as one publisher wrote them in this boot, or
 * learns that there are none; a publisher stopped or killed in the middle makes no reader wait.
 *
 *   H1  Each group of facts (a pair) has two slots; a publish overwrites the older one only, so the
 *       newer stays whole. A slot counts only when its checksum fits.
 *   H2  The checksum covers store, place, pair and boot id: a page of an earlier boot holds no
 *       fact.
 *   H3  Publishers of one pair exclude each other by a lock of theirs; pairs are independent.
 *
 * A head page is never needed for safety: whoever finds none recovers from the files. Needs core,
 * io. Threads: read any thread; publish, the holder of the pair's lock. Bytes: format-spec/head.md.
 */
#ifndef HEAD_HEAD_H
#define HEAD_HEAD_H

#include "io/io.h"

enum { HEAD_PAIRS = 2, HEAD_WORDS = 12, HEAD_BYTES = 4096 };

struct head;

/**
 * Map the head page at `path`. `writable`: made (zeros) where missing or too short; else
 * HOLTER_NOT_FOUND.
 * place    tells pages of one store apart: 0 the store's own, else 1 + region << 16 | shard.
 * Errors   those of io_open, io_map; HOLTER_IO.
 */
holter_status head_open(struct head **out, struct io *io, const char *path,
                        const uint8_t store_id[static 16], uint32_t place, bool writable,
                        holter_error *err);
void head_close(struct head *head);
/** HOLTER_IO: the page was removed, so that others publish to another one (io_check_linked). */
holter_status head_check_linked(const struct head *head, holter_error *err);
/**
 * The facts published last. False: none in this boot (after some repeats against running
 * publishers).
 */
bool head_read(struct head *head, unsigned pair, uint64_t words[static HEAD_WORDS]);
void head_publish(struct head *head, unsigned pair, const uint64_t words[static HEAD_WORDS]);
/** The pair has no facts from now on, until somebody publishes. */
void head_forget(struct head *head, unsigned pair);

#endif
