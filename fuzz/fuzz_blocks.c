/*
 * fuzz_blocks.c -- what lies in a section: its index, a series' block headers and its rollup, decoded
 * and encoded again.
 *
 * Input: a byte of options. Then of an index: bytes of the section (64 bits) and of the index (64),
 * then its bytes. Of block headers or a rollup: an index of one series without tombstones, 16 bits of its
 * length first, then the headers or the rollup. A rollup that was encoded again may take other bytes, as an
 * array has many forms; it has to mean the same.
 */
#include "fuzz.h"
#include "segment/segment_impl.h"

#include <stdlib.h>
#include <string.h>

enum option { IS_WHOLE = 1, IS_BLOCKS = 2, IS_COLD = 4, IS_ROLLUP = 8 };
enum { SEQUENCE_MAX = 1000 };

static void check_index(const struct segment_index *index, const uint8_t *bytes, size_t count,
                        bool is_whole)
{
    struct buffer tombstones;
    struct buffer again;
    buffer_init(&tombstones);
    buffer_init(&again);
    tombstones_encode(&tombstones, &index->tombstones, 0);
    segment_index_encode(&again, &tombstones, index->entries, index->count);
    core_assert(!again.failed);
    core_assert(is_whole ? again.bytes <= count : again.bytes == count);
    core_assert(again.bytes == 0 || memcmp(again.data, bytes, again.bytes) == 0);
    buffer_release(&tombstones);
    buffer_release(&again);
}

static void decode_index(struct reader *r, bool is_whole)
{
    uint64_t section_bytes = get_u64(r);
    uint64_t index_bytes = get_u64(r);
    struct segment_index index;
    const char *what = NULL;
    if (!is_whole && index_bytes > section_bytes)
        return; /* the directory's decoder refuses it */
    holter_status status = segment_index_decode(&index, r->at, r->left, is_whole, section_bytes,
                                                index_bytes, SEQUENCE_MAX, &what);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    if (status != HOLTER_OK) {
        core_assert(what != NULL);
        return;
    }
    check_index(&index, r->at, r->left, is_whole);
    segment_index_release(&index);
}

static void decode_blocks(const struct segment_entry *entry, const struct reader *r, bool is_whole,
                          uint32_t rows_max)
{
    size_t count = entry->series.blocks;
    const char *what = NULL;
    struct reader models;
    if (count > r->left / SEGMENT_BLOCK_BYTES_MIN)
        return;
    struct segment_block *blocks = core_calloc(count, sizeof *blocks);
    struct segment_place *places = core_calloc(count, sizeof *places);
    core_assert(blocks != NULL && places != NULL);
    holter_status status = segment_blocks_decode(blocks, places, r->at, r->left, entry, is_whole,
                                                 rows_max, &models, &what);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    core_assert(status == HOLTER_OK || what != NULL);
    uint64_t rows = 0;
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        rows += blocks[i].rows;
        core_assert(blocks[i].rows <= rows_max);
        core_assert(is_whole || places[i].piece_offset <= entry->payload_bytes);
        core_assert(places[i].offset <= places[i].piece_bytes &&
                    places[i].bytes <= places[i].piece_bytes - places[i].offset);
    }
    if (status == HOLTER_OK) {
        struct buffer again;
        buffer_init(&again);
        core_assert(rows == entry->series.rows);
        segment_blocks_encode(&again, &entry->series.schema, blocks, places, count, models);
        core_assert(!again.failed);
        core_assert(again.bytes == r->left);
        core_assert(memcmp(again.data, r->at, r->left) == 0);
        buffer_release(&again);
    }
    free(blocks);
    free(places);
}

static struct codec_scratch *scratch_get(void)
{
    static struct codec_scratch *scratch;
    if (scratch == NULL)
        scratch = codec_scratch_new();
    core_assert(scratch != NULL);
    return scratch;
}

static void decode_rollup(const struct segment_series *series, const struct reader *r)
{
    struct segment_rollup rollup = { 0 };
    struct segment_rollup again = { 0 };
    struct buffer bytes;
    const char *what = NULL;
    uint64_t rows = 0;
    buffer_init(&bytes);
    holter_status status = segment_rollup_decode(&rollup, r->at, r->left, series, true, &what);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    core_assert(status == HOLTER_OK || (what != NULL && rollup.count == 0));
    for (size_t i = 0; i < rollup.count; i++) {
        rows += rollup.buckets[i].rows;
        core_assert(rollup.buckets[i].begin_min <= rollup.buckets[i].begin_max);
        core_assert(rollup.buckets[i].begin_max <= rollup.buckets[i].end_max);
        core_assert(i == 0 || rollup.buckets[i].begin_min > rollup.buckets[i - 1].begin_max);
    }
    if (status == HOLTER_OK) {
        core_assert(rows == series->rows);
        core_assert(segment_rollup_encode(&bytes, &rollup, &series->schema, scratch_get()));
        status = segment_rollup_decode(&again, bytes.data, bytes.bytes, series, true, &what);
        core_assert(status == HOLTER_OK);
        core_assert(segment_rollup_is_equal(&again, &rollup, &series->schema));
    }
    buffer_release(&bytes);
    segment_rollup_release(&rollup);
    segment_rollup_release(&again);
}

/* The index says what the blocks, or the rollup, have to fit. */
static void decode_headers(struct reader *r, bool is_whole, bool is_rollup, uint32_t rows_max)
{
    size_t index_bytes = get_u16(r);
    index_bytes = index_bytes < r->left ? index_bytes : r->left;
    const uint8_t *bytes = get_bytes(r, index_bytes);
    struct segment_index index;
    const char *what = NULL;
    struct reader sizes = reader_over(bytes, index_bytes);
    uint64_t payload = get_u64(&sizes);
    if (sizes.overrun || payload > INT64_MAX)
        return;
    /* A section of one series holds its payload, its headers and the index. */
    uint64_t headers = r->left + CRYPTO_TAG_BYTES;
    uint64_t plain = sizes.left;
    uint64_t section = payload + headers + plain + CRYPTO_TAG_BYTES;
    holter_status status = segment_index_decode(&index, sizes.at, sizes.left, false, section,
                                                plain + CRYPTO_TAG_BYTES, SEQUENCE_MAX, &what);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    if (status != HOLTER_OK)
        return;
    for (size_t i = 0; i < index.count && i < 1; i++) {
        if (is_rollup)
            decode_rollup(&index.entries[i].series, r);
        else
            decode_blocks(&index.entries[i], r, is_whole, rows_max);
    }
    segment_index_release(&index);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    if ((options & (IS_BLOCKS | IS_ROLLUP)) != 0)
        decode_headers(&in, (options & IS_WHOLE) != 0, (options & IS_ROLLUP) != 0,
                       (options & IS_COLD) != 0 ? SEGMENT_COLD_BLOCK_ROWS : SEGMENT_BLOCK_ROWS);
    else
        decode_index(&in, (options & IS_WHOLE) != 0);
    return 0;
}
