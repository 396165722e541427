/*
 * coders.h -- every way of the benchmark from rows to bytes and back: the engine's codecs and zstd.
 *
 * Rows come in groups, each of one series; a coder cuts a group into blocks of its own length. What
 * fails ends the program.
 *
 * Sees the codec room of the engine, which is no part of the public interface. Threads: one.
 */
#ifndef BENCH_CODERS_H
#define BENCH_CODERS_H

#include "series.h"

#include "codec/codec.h"

enum { GROUP_ROWS = 8192, CODERS_MAX = 24 };

struct coder {
    const char *name;
    size_t rows; /* of a block, GROUP_ROWS at most */
    void (*encode)(struct buffer *out, const struct columns *c, size_t first, size_t count);
    holter_status (*decode)(struct columns *out, struct reader *r, size_t count, int64_t begin);
    int level;     /* zstd, where there are no functions */
    bool is_block; /* of a segment: decoded in turn */
};

/** Those of the engine first. */
extern const struct coder coders[];
extern const size_t coder_count; /* CODERS_MAX at most */
bool coder_is_engine(const struct coder *coder);
/** With the models of own_learn, too. */
bool coder_is_own(const struct coder *coder);
/** The index of zstd at that level, with blocks of so many rows; the last one: there are none. */
size_t coder_of_zstd(int level, size_t rows);

/* ---- groups of rows -------------------------------------------------------------------------- */

struct groups {
    struct columns **at;
    size_t count, capacity, rows;
};

/** Rows [first, first + GROUP_ROWS) of a series without texts, or those there are. Owned: group_free. */
struct columns *group_of(const struct series_set *set, const struct series *series, size_t first);
void group_free(struct columns *group);
void groups_add(struct groups *groups, struct columns *group); /* moved */
void groups_release(struct groups *groups);
/** Models for the rows that follow, of one series, of which the first groups are given: as the writer of a segment learns
    them. Answers their bytes; 0: there are none. */
size_t own_learn(const struct groups *groups);

/* ---- their blocks in a coder ----------------------------------------------------------------- */

struct blocks {
    struct buffer bytes;
    struct block {
        size_t offset, bytes, count;
        int64_t begin;
        int64_t min, max; /* of its first field: blocks_tell */
    } * at;
    size_t count, capacity;
};

void blocks_add(struct blocks *blocks, const struct coder *coder, const struct columns *group);
void blocks_add_all(struct blocks *blocks, const struct coder *coder, const struct groups *groups);
void blocks_clear(struct blocks *blocks);
void blocks_release(struct blocks *blocks);
/** Where blocks are decoded to, each in the place of the one before. */
struct decoded {
    struct columns columns;
    struct codec_rows rows; /* of blocks of a segment */
};
void decoded_init(struct decoded *decoded, const struct schema *schema);
void decoded_release(struct decoded *decoded);
/** One after the other, as a log or a scan is read. */
void blocks_decode(const struct coder *coder, const struct blocks *blocks, struct decoded *out);
/** What block headers would tell of the first field, which can be folded, of the rows that the blocks were made of. */
void blocks_tell(struct blocks *blocks, const struct groups *groups);
/** The values of that field within the range folded, without rows; one block after the other. */
struct codec_fold blocks_fold(const struct coder *coder, const struct blocks *blocks,
                              struct decoded *out, int64_t low, int64_t high);
/** Fails where rows do not come back as they went in. */
void blocks_check(const struct coder *coder, const struct blocks *blocks,
                  const struct columns *group);

#endif
