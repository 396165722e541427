/*
 * segment_write.c -- writing a segment: rows stream in, sealed pieces stream out.
 *
 *     rows -> pending block -> piece (16 KiB, sealed) -> chunk (1 MiB, hashed) -> "seg-ID.tmp"
 *
 * The first blocks of a cold series wait, coded: once there are CODEC_LEARN_BLOCKS of them, or the series ends,
 * models are learned from what they were coded as. Where these would save enough, the blocks are decoded and coded anew
 * with them, and kept so if they are smaller by more than the models take; later blocks may use them, too.
 *
 * What is held in memory: a chunk, a piece, a block, blocks that wait, the block headers, rollups and index of the user at
 * hand, 64 bytes for each user of the directory and 8 for each chunk. While a section may still be
 * one piece (S5), its payload is held back too, which is at most 4 KiB.
 *
 *   SW1  Every byte is written once, at rising offsets, so that no nonce comes twice.
 *   SW2  After any failure nothing more is written; freeing the writer unlinks the file.
 *   SW3  Chunks are hashed as they are handed to the disk, and again as they come back past its
 *        cache (S4); only then does the file get its name.
 */
#include "segment_impl.h"

#include <stdlib.h>
#include <string.h>

/* A rollup is written where its bytes stand for many rows, and are few beside the payload's: notes/0006. */
enum { ROLLUP_ROWS_MIN = 1024, ROLLUP_BYTE_ROWS = 8, ROLLUP_PAYLOAD_SHARE = 2 };

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
    size_t chunk_used;
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

/* Keep the first failure; from here on every call answers it. */
static holter_status writer_fail(struct segment_writer *writer, holter_status status)
{
    if (status != HOLTER_OK && writer->given_up == HOLTER_OK)
        writer->given_up = status;
    return status;
}

static holter_status no_memory(struct segment_writer *writer, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory to write it",
                     writer->path_aside);
}

static holter_status writer_check(struct segment_writer *writer, holter_error *err)
{
    if (writer->is_finished)
        return error_set(err, HOLTER_INVALID, "segment '%s': it is finished", writer->path);
    if (writer->given_up != HOLTER_OK)
        return error_set(err, writer->given_up,
                         "segment '%s': it was given up after an earlier failure",
                         writer->path_aside);
    return HOLTER_OK;
}

/* ---- bytes to the file ----------------------------------------------------------------------- */

static holter_status chunk_flush(struct segment_writer *writer, holter_error *err)
{
    if (writer->chunk_used == 0)
        return HOLTER_OK;
    void *hashes = writer->chunk_hashes;
    if (!core_grow(&hashes, &writer->chunk_capacity, writer->chunk_count + 1,
                   sizeof *writer->chunk_hashes))
        return no_memory(writer, err);
    writer->chunk_hashes = hashes;
    writer->chunk_hashes[writer->chunk_count++] = hash64(writer->chunk, writer->chunk_used);
    uint64_t offset = writer->offset - writer->chunk_used;
    size_t bytes = writer->chunk_used;
    writer->chunk_used = 0;
    return io_write_exactly(writer->queue, writer->file, offset, writer->chunk, bytes, err);
}

static holter_status append(struct segment_writer *writer, const void *bytes, size_t count,
                            holter_error *err)
{
    const uint8_t *at = bytes;
    while (count > 0) {
        size_t room = SEGMENT_CHUNK_BYTES - writer->chunk_used;
        size_t take = count < room ? count : room;
        memcpy(writer->chunk + writer->chunk_used, at, take);
        writer->chunk_used += take;
        writer->offset += take;
        at += take;
        count -= take;
        if (writer->chunk_used == SEGMENT_CHUNK_BYTES) {
            holter_status status = chunk_flush(writer, err);
            if (status != HOLTER_OK)
                return status;
        }
    }
    return HOLTER_OK;
}

static holter_status append_zeros(struct segment_writer *writer, size_t count, holter_error *err)
{
    static const uint8_t zeros[2 * CORE_PAGE_BYTES];
    core_assert(count <= sizeof zeros);
    return append(writer, zeros, count, err);
}

/* Seal `bytes` of plain as the section's next piece. */
static holter_status piece_write(struct segment_writer *writer, enum segment_piece_kind kind,
                                 const uint8_t *plain, size_t bytes, holter_error *err)
{
    if (bytes > UINT32_MAX - CRYPTO_TAG_BYTES)
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': a piece of user #%016llx would take %zu bytes",
                         writer->path_aside, (unsigned long long)writer->user.user, bytes);
    buffer_clear(&writer->sealed);
    if (!buffer_reserve(&writer->sealed, bytes + CRYPTO_TAG_BYTES))
        return no_memory(writer, err);
    struct segment_piece piece = { writer->user.user, writer->user.key_generation, kind,
                                   writer->offset };
    segment_piece_seal(writer->sealed.data, plain, bytes, &writer->identity, &piece, writer->key);
    hash64_stream_add(writer->hash, writer->sealed.data, bytes + CRYPTO_TAG_BYTES);
    return append(writer, writer->sealed.data, bytes + CRYPTO_TAG_BYTES, err);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The section is too large for one piece: write the payload that was held back, a piece for each
   finished series. */
static holter_status held_write(struct segment_writer *writer, holter_error *err)
{
    core_assert(writer->is_held);
    writer->is_held = false;
    size_t at = 0;
    for (size_t i = 0; i < writer->entry_count; i++) {
        struct segment_entry *entry = &writer->entries[i];
        size_t bytes = (size_t)entry->payload_bytes;
        holter_status status =
            piece_write(writer, SEGMENT_PIECE_PAYLOAD, writer->held.data + at, bytes, err);
        if (status != HOLTER_OK)
            return status;
        entry->payload_bytes += CRYPTO_TAG_BYTES;
        at += bytes;
    }
    core_assert(at == writer->held.bytes);
    buffer_clear(&writer->held);
    return HOLTER_OK;
}

/* Seal the first `bytes` of the piece at hand. */
static holter_status payload_write(struct segment_writer *writer, size_t bytes, holter_error *err)
{
    struct segment_entry *entry = &writer->entries[writer->entry_count];
    holter_status status =
        piece_write(writer, SEGMENT_PIECE_PAYLOAD, writer->piece.data, bytes, err);
    if (status != HOLTER_OK)
        return status;
    entry->payload_bytes += bytes + CRYPTO_TAG_BYTES;
    memmove(writer->piece.data, writer->piece.data + bytes, writer->piece.bytes - bytes);
    writer->piece.bytes -= bytes;
    return HOLTER_OK;
}

/* S1: rows rise by (time, key), also over the edge between blocks. */
static bool rows_rise(const struct segment_writer *writer, const struct columns *c, size_t first,
                      size_t count)
{
    if (writer->last.count > 0 && columns_compare(&writer->last, 0, c, first) >= 0)
        return false;
    for (size_t i = first + 1; i < first + count; i++) {
        if (c->time[i - 1] < c->time[i])
            continue;
        if (c->time[i - 1] > c->time[i] || columns_compare(c, i - 1, c, i) >= 0)
            return false;
    }
    return true;
}

/* Revisions of the series, and whether the block has to carry its own. */
static bool revisions_measure(struct segment_entry *entry, const struct columns *c, size_t first,
                              size_t count)
{
    struct segment_series *series = &entry->series;
    if (series->rows == 0) {
        entry->revision_base = c->revision[first];
        series->revision_min = series->revision_max = c->revision[first];
    }
    int64_t min = series->revision_min;
    int64_t max = series->revision_max;
    uint64_t differs = 0;
    for (size_t i = first; i < first + count; i++) {
        int64_t revision = c->revision[i];
        min = revision < min ? revision : min;
        max = revision > max ? revision : max;
        differs |= (uint64_t)revision ^ (uint64_t)entry->revision_base;
    }
    series->revision_min = min;
    series->revision_max = max;
    return differs != 0;
}

/* Blocks that are coded join the piece at hand, or begin the next one. */
static holter_status coded_place(struct segment_writer *writer, holter_error *err)
{
    const uint8_t *from = writer->coded.data;
    for (; writer->coded_count > 0; writer->coded_count--) {
        struct segment_place *place = &writer->places[writer->block_count - writer->coded_count];
        size_t start = writer->piece.bytes;
        buffer_append(&writer->piece, from, place->bytes);
        if (writer->piece.failed)
            return no_memory(writer, err);
        from += place->bytes;
        holter_status status = HOLTER_OK;
        if (writer->is_held &&
            writer->held.bytes + writer->piece.bytes >= SEGMENT_SMALL_SECTION_BYTES)
            status = held_write(writer, err);
        bool is_full = start > 0 && writer->piece.bytes > SEGMENT_PIECE_BYTES;
        if (status == HOLTER_OK && is_full)
            status = payload_write(writer, start, err);
        if (status != HOLTER_OK)
            return status;
        place->starts_piece = start == 0 || is_full;
    }
    buffer_clear(&writer->coded);
    return HOLTER_OK;
}

/* Blocks that follow are coded by built-in models alone. */
static void models_drop(struct segment_writer *writer)
{
    if (writer->scratch != NULL)
        codec_scratch_use(writer->scratch, NULL);
    buffer_clear(&writer->model_bytes);
}

/* All blocks so far by the models, if they take fewer bytes so. False: no memory. */
static bool code_again(struct segment_writer *writer)
{
    const struct segment_entry *entry = &writer->entries[writer->entry_count];
    struct reader coded = reader_over(writer->coded.data, writer->coded.bytes);
    struct codec_rows rows = { 0 };
    uint32_t bytes[CODEC_LEARN_BLOCKS];
    bool has_memory = true;
    columns_init(&rows.columns, &entry->series.schema);
    buffer_clear(&writer->again);
    codec_models_encode(&writer->model_bytes, writer->models);
    codec_scratch_use(writer->scratch, writer->models);
    for (size_t i = 0; has_memory && i < writer->block_count; i++) {
        bool has_revision = writer->places[i].has_revision;
        size_t start = writer->again.bytes;
        holter_status status = codec_block_decode_next(&rows, &coded, writer->blocks[i].rows,
                                                       writer->blocks[i].begin_min, has_revision,
                                                       entry->revision_base, NULL, 0);
        core_assert(status != HOLTER_CORRUPT);
        has_memory = status == HOLTER_OK;
        if (has_memory)
            codec_block_encode(&writer->again, &rows.columns, 0, rows.columns.count, has_revision,
                               writer->scratch);
        bytes[i] = (uint32_t)(writer->again.bytes - start);
    }
    codec_rows_release(&rows);
    if (!has_memory || writer->again.failed || writer->model_bytes.failed)
        return false;
    if (!codec_models_pay(writer->models, writer->coded.bytes, writer->again.bytes)) {
        models_drop(writer);
        return true;
    }
    struct buffer before = writer->coded;
    writer->coded = writer->again;
    writer->again = before;
    for (size_t i = 0; i < writer->block_count; i++)
        writer->places[i].bytes = bytes[i];
    return true;
}

/* No block of the series waits any longer. */
static holter_status waiting_end(struct segment_writer *writer, holter_error *err)
{
    bool has_memory = true;
    writer->is_waiting = false;
    if (writer->entries[writer->entry_count].series.rows >= CODEC_LEARN_ROWS_MIN)
        has_memory = codec_models_learn(&writer->models, writer->scratch, writer->coded.bytes) ==
                         HOLTER_OK &&
                     (codec_models_bytes(writer->models) == 0 || code_again(writer));
    if (!has_memory)
        return no_memory(writer, err);
    return coded_place(writer, err);
}

static holter_status block_write(struct segment_writer *writer, const struct columns *c,
                                 size_t first, size_t count, holter_error *err)
{
    struct segment_entry *entry = &writer->entries[writer->entry_count];
    struct segment_series *series = &entry->series;
    if (!rows_rise(writer, c, first, count))
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': rows of user #%016llx, metric %u do not rise",
                         writer->path_aside, (unsigned long long)writer->user.user, series->metric);
    if (writer->spec.give_way != NULL)
        writer->spec.give_way(writer->spec.give_way_context);
    columns_clear(&writer->last);
    if (!columns_append_rows(&writer->last, c, first + count - 1, 1))
        return no_memory(writer, err);
    if (series->blocks == UINT32_MAX)
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': a series of user #%016llx has too many blocks",
                         writer->path_aside, (unsigned long long)writer->user.user);

    void *blocks = writer->blocks;
    void *places = writer->places;
    bool fits = core_grow(&blocks, &writer->block_capacity, writer->block_count + 1,
                          sizeof *writer->blocks);
    writer->blocks = blocks;
    fits = fits && core_grow(&places, &writer->place_capacity, writer->block_count + 1,
                             sizeof *writer->places);
    writer->places = places;
    if (!fits)
        return no_memory(writer, err);

    struct segment_block *block = &writer->blocks[writer->block_count];
    segment_block_measure(block, c, first, count);
    if (writer->has_rollup && !segment_rollup_add(&writer->rollup, c, first, count))
        return no_memory(writer, err);
    bool has_revision = revisions_measure(entry, c, first, count);
    if (series->rows == 0) {
        series->begin_min = block->begin_min;
        series->end_max = block->end_max;
    }
    series->begin_max = block->begin_max;
    series->end_max = block->end_max > series->end_max ? block->end_max : series->end_max;
    series->rows += count;
    series->blocks++;

    if (writer->block_count == 0 && writer->scratch != NULL &&
        count == segment_block_rows(&writer->footer.traits)) {
        writer->is_waiting = true;
        codec_scratch_learn(writer->scratch);
    }
    size_t start = writer->coded.bytes;
    codec_block_encode(&writer->coded, c, first, count, has_revision, writer->scratch);
    if (writer->coded.failed)
        return no_memory(writer, err);
    size_t bytes = writer->coded.bytes - start;
    if (bytes > UINT32_MAX - CRYPTO_TAG_BYTES)
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': a block of user #%016llx would take %zu bytes",
                         writer->path_aside, (unsigned long long)writer->user.user, bytes);
    writer->coded_count++;
    writer->places[writer->block_count++] =
        (struct segment_place){ .bytes = (uint32_t)bytes, .has_revision = has_revision };
    if (!writer->is_waiting)
        return coded_place(writer, err);
    return writer->block_count < CODEC_LEARN_BLOCKS ? HOLTER_OK : waiting_end(writer, err);
}

static holter_status pending_write(struct segment_writer *writer, holter_error *err)
{
    if (writer->pending.count == 0)
        return HOLTER_OK;
    holter_status status = block_write(writer, &writer->pending, 0, writer->pending.count, err);
    columns_clear(&writer->pending);
    return status;
}

/* How many of the rows join the pending ones in a block; *is_full: the block ends with them. */
static size_t rows_taken(bool *is_full, const struct segment_writer *writer,
                         const struct columns *c, size_t first, size_t count)
{
    size_t text_bytes = writer->pending.text.bytes;
    size_t room = segment_block_rows(&writer->footer.traits) - writer->pending.count;
    size_t take = count < room ? count : room;
    *is_full = take == room;
    if (c->text.bytes == 0)
        return take;
    for (size_t i = 0; i < take; i++) {
        for (size_t f = 0; f < c->schema.field_count; f++) {
            uint32_t bytes = 0;
            if (c->schema.types[f] == FIELD_TEXT)
                columns_text(c, f, first + i, &bytes);
            text_bytes += bytes;
        }
        if (text_bytes >= SEGMENT_BLOCK_TEXT_BYTES) {
            *is_full = true;
            return i + 1;
        }
    }
    return take;
}

/* ---- series, sections ------------------------------------------------------------------------ */

/* The rollup of a series whose payload is complete, if it is worth its bytes. */
static holter_status rollup_write(struct segment_writer *writer, struct segment_entry *entry,
                                  holter_error *err)
{
    const struct schema *schema = &entry->series.schema;
    size_t before = writer->rollups.bytes;
    uint64_t rows = entry->series.rows;
    if (rows < ROLLUP_ROWS_MIN)
        return HOLTER_OK;
    if (writer->rollup_scratch == NULL)
        writer->rollup_scratch = codec_scratch_new();
    if (writer->rollup_scratch == NULL)
        return no_memory(writer, err);
    if (!segment_rollup_encode(&writer->rollups, &writer->rollup, schema, writer->rollup_scratch))
        return HOLTER_OK;
    if (writer->rollups.failed)
        return no_memory(writer, err);
    uint64_t bytes = writer->rollups.bytes - before;
    if (bytes > rows / ROLLUP_BYTE_ROWS || bytes > entry->payload_bytes / ROLLUP_PAYLOAD_SHARE)
        writer->rollups.bytes = before;
    else
        entry->rollup_bytes = bytes;
    return HOLTER_OK;
}

static holter_status series_end(struct segment_writer *writer, holter_error *err)
{
    if (!writer->has_series)
        return HOLTER_OK;
    writer->has_series = false;
    holter_status status = pending_write(writer, err);
    if (status == HOLTER_OK && writer->is_waiting)
        status = waiting_end(writer, err);
    if (status != HOLTER_OK)
        return status;

    struct segment_entry *entry = &writer->entries[writer->entry_count];
    if (entry->series.rows > 0) {
        size_t before = writer->headers.bytes;
        for (size_t i = 0; i < writer->block_count; i++)
            writer->footer.summary.block_bytes += writer->places[i].bytes;
        segment_blocks_encode(&writer->headers, &entry->series.schema, writer->blocks,
                              writer->places, writer->block_count,
                              reader_over(writer->model_bytes.data, writer->model_bytes.bytes));
        models_drop(writer);
        entry->header_bytes = writer->headers.bytes - before;
        if (writer->is_held) {
            buffer_append(&writer->held, writer->piece.data, writer->piece.bytes);
            entry->payload_bytes = writer->piece.bytes;
            buffer_clear(&writer->piece);
        } else {
            status = payload_write(writer, writer->piece.bytes, err);
        }
        if (status == HOLTER_OK && (writer->headers.failed || writer->held.failed))
            status = no_memory(writer, err);
        if (status == HOLTER_OK && writer->has_rollup)
            status = rollup_write(writer, entry, err);
        writer->entry_count++;
    }
    columns_release(&writer->pending);
    columns_release(&writer->last);
    return status;
}

/* S5. *is_written: the section was small enough, and is written. */
static holter_status section_write_whole(struct segment_writer *writer, bool *is_written,
                                         holter_error *err)
{
    struct buffer plain;
    buffer_init(&plain);
    segment_index_encode(&plain, &writer->tombstones, writer->entries, writer->entry_count);
    buffer_append(&plain, writer->held.data, writer->held.bytes);
    buffer_append(&plain, writer->rollups.data, writer->rollups.bytes);
    buffer_append(&plain, writer->headers.data, writer->headers.bytes);
    holter_status status = plain.failed ? no_memory(writer, err) : HOLTER_OK;
    *is_written =
        writer->entry_count == 0 || plain.bytes + CRYPTO_TAG_BYTES < SEGMENT_SMALL_SECTION_BYTES;
    if (status == HOLTER_OK && *is_written) {
        status = piece_write(writer, SEGMENT_PIECE_WHOLE, plain.data, plain.bytes, err);
        writer->user.index_bytes = (uint32_t)(plain.bytes + CRYPTO_TAG_BYTES);
    }
    buffer_release(&plain);
    return status;
}

/* What follows the payload: the rollups of every series, their block headers, the index. */
static holter_status section_write_index(struct segment_writer *writer, holter_error *err)
{
    size_t at = 0;
    for (size_t i = 0; i < writer->entry_count; i++) {
        struct segment_entry *entry = &writer->entries[i];
        size_t bytes = (size_t)entry->rollup_bytes;
        if (bytes == 0)
            continue;
        holter_status status =
            piece_write(writer, SEGMENT_PIECE_ROLLUP, writer->rollups.data + at, bytes, err);
        if (status != HOLTER_OK)
            return status;
        entry->rollup_bytes += CRYPTO_TAG_BYTES;
        at += bytes;
    }
    core_assert(at == writer->rollups.bytes);
    at = 0;
    for (size_t i = 0; i < writer->entry_count; i++) {
        struct segment_entry *entry = &writer->entries[i];
        size_t bytes = (size_t)entry->header_bytes;
        holter_status status =
            piece_write(writer, SEGMENT_PIECE_BLOCKS, writer->headers.data + at, bytes, err);
        if (status != HOLTER_OK)
            return status;
        entry->header_bytes += CRYPTO_TAG_BYTES;
        at += bytes;
    }
    core_assert(at == writer->headers.bytes);

    struct buffer plain;
    buffer_init(&plain);
    segment_index_encode(&plain, &writer->tombstones, writer->entries, writer->entry_count);
    holter_status status = plain.failed ? no_memory(writer, err) : HOLTER_OK;
    if (status == HOLTER_OK)
        status = piece_write(writer, SEGMENT_PIECE_INDEX, plain.data, plain.bytes, err);
    if (status == HOLTER_OK)
        writer->user.index_bytes = (uint32_t)(plain.bytes + CRYPTO_TAG_BYTES);
    buffer_release(&plain);
    return status;
}

/* Times of the user's series, into the directory's entry and the summary. */
static void section_count(struct segment_writer *writer)
{
    struct segment_user *user = &writer->user;
    struct segment_summary *summary = &writer->footer.summary;
    for (size_t i = 0; i < writer->entry_count; i++) {
        const struct segment_series *series = &writer->entries[i].series;
        if (i == 0 || series->begin_min < user->begin_min)
            user->begin_min = series->begin_min;
        if (i == 0 || series->begin_max > user->begin_max)
            user->begin_max = series->begin_max;
        if (i == 0 || series->end_max > user->end_max)
            user->end_max = series->end_max;
        if (summary->rows == 0 || series->begin_min < summary->begin_min)
            summary->begin_min = series->begin_min;
        if (summary->rows == 0 || series->begin_max > summary->begin_max)
            summary->begin_max = series->begin_max;
        if (summary->rows == 0 || series->end_max > summary->end_max)
            summary->end_max = series->end_max;
        summary->rows += series->rows;
    }
    if (summary->users == 0)
        summary->user_min = user->user;
    summary->user_max = user->user;
    summary->users++;
}

static holter_status section_end(struct segment_writer *writer, holter_error *err)
{
    if (!writer->has_user)
        return HOLTER_OK;
    holter_status status = series_end(writer, err);
    if (status != HOLTER_OK)
        return status;

    if (writer->entry_count > 0 || writer->has_tombstones) {
        bool is_written = false;
        if (writer->is_held)
            status = section_write_whole(writer, &is_written, err);
        if (status == HOLTER_OK && !is_written && writer->is_held)
            status = held_write(writer, err);
        if (status == HOLTER_OK && !is_written)
            status = section_write_index(writer, err);
        if (status != HOLTER_OK)
            return status;
        writer->user.section_bytes = writer->offset - writer->user.section_offset;
        for (size_t i = 0; i < writer->entry_count; i++)
            writer->footer.summary.rollup_bytes += writer->entries[i].rollup_bytes;
        writer->user.section_hash = hash64_stream_get(writer->hash);
        section_count(writer);
        uint8_t entry[SEGMENT_ENTRY_BYTES];
        segment_entry_encode(entry, &writer->user);
        buffer_append(&writer->directory, entry, sizeof entry);
        if (writer->directory.failed)
            return no_memory(writer, err);
    }
    crypto_key_free(writer->key);
    writer->key = NULL;
    hash64_stream_free(writer->hash);
    writer->hash = NULL;
    writer->has_user = false;
    return HOLTER_OK;
}

/* ---- the end of the file --------------------------------------------------------------------- */

static holter_status directory_write(struct segment_writer *writer, uint64_t *directory_hash,
                                     holter_error *err)
{
    struct hash64_stream *hash = hash64_stream_new();
    if (hash == NULL)
        return no_memory(writer, err);
    holter_status status = HOLTER_OK;
    const struct segment_footer *footer = &writer->footer;
    uint64_t users = footer->summary.users;
    uint64_t entries = segment_page_entries(footer);
    for (uint32_t page = 0; status == HOLTER_OK && page < footer->page_count; page++) {
        uint64_t first = (uint64_t)page * entries;
        uint64_t count = users - first < entries ? users - first : entries;
        uint8_t bytes[SEGMENT_PAGE_BYTES];
        segment_page_encode(bytes, footer, writer->identity.id, page,
                            writer->directory.data + first * SEGMENT_ENTRY_BYTES, (size_t)count);
        hash64_stream_add(hash, bytes + footer->page_bytes - 8, 8);
        status = append(writer, bytes, footer->page_bytes, err);
    }
    *directory_hash = hash64_stream_get(hash);
    hash64_stream_free(hash);
    return status;
}

static holter_status tail_write(struct segment_writer *writer, holter_error *err)
{
    struct segment_footer *footer = &writer->footer;
    uint64_t users = footer->summary.users;
    if (users / SEGMENT_PAGE_ENTRIES >= UINT32_MAX)
        return error_set(err, HOLTER_INVALID, "segment '%s': %llu users are too many",
                         writer->path_aside, (unsigned long long)users);
    footer->sections_end = writer->offset;
    segment_directory_place(footer);

    uint8_t bytes[SEGMENT_FOOTER_BYTES];
    holter_status status =
        append_zeros(writer, (size_t)(footer->directory_offset - writer->offset), err);
    if (status == HOLTER_OK)
        status = directory_write(writer, &footer->directory_hash, err);
    if (status == HOLTER_OK) {
        footer->summary.footer_hash = segment_footer_encode(bytes, &writer->identity, footer);
        status = append(writer, bytes, sizeof bytes, err);
    }
    if (status == HOLTER_OK)
        status =
            append_zeros(writer, (size_t)(segment_page_offset(footer, 0, 1) - writer->offset), err);
    if (status == HOLTER_OK)
        status = directory_write(writer, &footer->directory_hash, err);
    if (status == HOLTER_OK)
        status = append(writer, bytes, sizeof bytes, err);
    if (status == HOLTER_OK)
        status = chunk_flush(writer, err);
    core_assert(status != HOLTER_OK || writer->offset == footer->summary.bytes);
    return status;
}

/* SW3: what the disk gives back, past the cache, is what was given to it. */
static holter_status read_back(struct segment_writer *writer, holter_error *err)
{
    struct io_file *file = NULL;
    holter_status status = io_open(&file, writer->spec.io, writer->path_aside, IO_DIRECT, err);
    if (status != HOLTER_OK)
        return status;
    uint64_t bytes = 0;
    status = io_size(&bytes, file, err);
    if (status == HOLTER_OK && bytes != writer->offset)
        status = error_set(err, HOLTER_CORRUPT,
                           "segment '%s': read back it has %llu bytes, %llu were written",
                           writer->path_aside, (unsigned long long)bytes,
                           (unsigned long long)writer->offset);
    for (size_t i = 0; status == HOLTER_OK && i < writer->chunk_count; i++) {
        uint64_t offset = (uint64_t)i * SEGMENT_CHUNK_BYTES;
        uint64_t left = writer->offset - offset;
        size_t take = left < SEGMENT_CHUNK_BYTES ? (size_t)left : SEGMENT_CHUNK_BYTES;
        status = io_read_exactly(writer->queue, file, offset, writer->chunk, take, err);
        if (status == HOLTER_OK && hash64(writer->chunk, take) != writer->chunk_hashes[i])
            status = error_set(
                err, HOLTER_CORRUPT,
                "segment '%s': read back, the %zu bytes at offset %llu are not what was written",
                writer->path_aside, take, (unsigned long long)offset);
    }
    io_close(file);
    return status;
}

/* Forget the file, under whichever name it has. */
static void writer_unlink(struct segment_writer *writer)
{
    io_close(writer->file);
    writer->file = NULL;
    if (writer->name == NAME_ASIDE)
        (void)io_unlink(writer->spec.io, writer->path_aside, NULL);
    if (writer->name == NAME_FINAL)
        (void)io_unlink(writer->spec.io, writer->path, NULL);
    writer->name = NAME_NONE;
}

/* The whole file, durable under its name. */
static holter_status publish(struct segment_writer *writer, holter_error *err)
{
    holter_status status = tail_write(writer, err);
    if (status == HOLTER_OK)
        status = io_sync(writer->queue, writer->file, err);
    if (status != HOLTER_OK)
        return status;
    io_close(writer->file);
    writer->file = NULL;

    status = read_back(writer, err);
    if (status == HOLTER_OK)
        status = io_rename(writer->spec.io, writer->path_aside, writer->path, err);
    if (status != HOLTER_OK)
        return status;
    writer->name = NAME_FINAL;
    return io_sync_dir(writer->spec.io, writer->spec.directory, err);
}

static holter_status finish(struct segment_writer *writer, holter_error *err)
{
    holter_status status = section_end(writer, err);
    if (status != HOLTER_OK)
        return status;
    if (writer->footer.summary.users == 0)
        return error_set(err, HOLTER_NOT_FOUND, "segment '%s': there is nothing to write",
                         writer->path_aside);
    status = publish(writer, err);
    if (status == HOLTER_NOT_FOUND) /* which would say that there was nothing to write */
        return error_set(err, HOLTER_IO, "segment '%s': it vanished while it was written",
                         writer->path_aside);
    return status;
}

/* ---- entry points ---------------------------------------------------------------------------- */

static holter_status writer_begin(struct segment_writer *writer, holter_error *err)
{
    char name[SEGMENT_NAME_BYTES];
    char aside[SEGMENT_NAME_BYTES + 4];
    holter_status status = io_random(writer->spec.io, writer->identity.id, SEGMENT_ID_BYTES, err);
    if (status != HOLTER_OK)
        return status;
    memcpy(writer->footer.summary.id, writer->identity.id, SEGMENT_ID_BYTES);
    segment_name(name, writer->identity.id);
    memcpy(aside, name, sizeof name - 1);
    memcpy(aside + sizeof name - 1, ".tmp", 5);
    if (!io_path_join(writer->path, writer->spec.directory, name, NULL, NULL) ||
        !io_path_join(writer->path_aside, writer->spec.directory, aside, NULL, NULL))
        return error_set(err, HOLTER_INVALID, "segment: the path of directory '%s' is too long",
                         writer->spec.directory);

    writer->chunk = aligned_alloc(CORE_PAGE_BYTES, SEGMENT_CHUNK_BYTES); /* touched as it fills */
    if (writer->chunk == NULL)
        return no_memory(writer, err);
    if (writer->footer.traits.tier == SEGMENT_TIER_COLD) {
        writer->scratch = codec_scratch_new();
        if (writer->scratch == NULL)
            return no_memory(writer, err);
    }
    status = io_queue_open(&writer->queue, writer->spec.io, 1, err);
    if (status != HOLTER_OK)
        return status;
    status = io_open(&writer->file, writer->spec.io, writer->path_aside, IO_CREATE, err);
    if (status != HOLTER_OK)
        return status;
    writer->name = NAME_ASIDE;

    uint8_t header[SEGMENT_HEADER_BYTES];
    segment_header_encode(header, &writer->identity);
    status = append(writer, header, sizeof header, err);
    if (status == HOLTER_OK)
        status = append(writer, header, sizeof header, err);
    return status;
}

holter_status segment_writer_new(struct segment_writer **out, const struct segment_spec *spec,
                                 const struct segment_traits *traits, holter_error *err)
{
    *out = NULL;
    if (traits->tier == 0 || traits->tier > SEGMENT_TIERS || traits->class >= SEGMENT_CLASSES ||
        traits->sequence_min > traits->sequence_max)
        return error_set(err, HOLTER_INVALID,
                         "segment: tier %u, class %u or the range of sequences is not valid",
                         traits->tier, traits->class);
    struct segment_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment in '%s': no memory to write it",
                         spec->directory);
    writer->spec = *spec;
    writer->footer.traits = *traits;
    memcpy(writer->identity.store_id, spec->store_id, sizeof writer->identity.store_id);
    writer->identity.place = spec->place;
    writer->identity.is_sealed = spec->is_sealed;

    holter_status status = writer_begin(writer, err);
    if (status != HOLTER_OK)
        goto done;
    *out = writer;
    writer = NULL; /* now the caller's */
done:
    segment_writer_free(writer);
    return status;
}

void segment_writer_free(struct segment_writer *writer)
{
    if (writer == NULL)
        return;
    io_queue_close(writer->queue);
    if (!writer->is_finished)
        writer_unlink(writer);
    codec_scratch_free(writer->scratch);
    codec_scratch_free(writer->rollup_scratch);
    codec_models_free(writer->models);
    crypto_key_free(writer->key);
    hash64_stream_free(writer->hash);
    columns_release(&writer->pending);
    columns_release(&writer->last);
    buffer_release(&writer->coded);
    buffer_release(&writer->again);
    buffer_release(&writer->model_bytes);
    buffer_release(&writer->directory);
    buffer_release(&writer->tombstones);
    buffer_release(&writer->held);
    buffer_release(&writer->headers);
    buffer_release(&writer->rollups);
    segment_rollup_release(&writer->rollup);
    buffer_release(&writer->sealed);
    buffer_release(&writer->piece);
    free(writer->entries);
    free(writer->blocks);
    free(writer->places);
    free(writer->chunk_hashes);
    free(writer->chunk);
    free(writer);
}

holter_status segment_writer_user(struct segment_writer *writer, uint64_t user,
                                  uint32_t key_generation, struct crypto_arena *arena,
                                  const struct crypto_key *key, holter_error *err)
{
    holter_status status = writer_check(writer, err);
    if (status != HOLTER_OK)
        return status;
    if (writer->spec.is_sealed && key == NULL)
        return error_set(err, HOLTER_INVALID, "segment '%s': user #%016llx has no key",
                         writer->path_aside, (unsigned long long)user);
    bool rises = !writer->has_user || user > writer->user.user;
    if (!rises || (writer->footer.summary.users > 0 && user <= writer->footer.summary.user_max))
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': user #%016llx comes after a greater one",
                         writer->path_aside, (unsigned long long)user);
    status = section_end(writer, err);
    if (status != HOLTER_OK)
        return writer_fail(writer, status);

    writer->hash = hash64_stream_new();
    if (writer->hash == NULL)
        return writer_fail(writer, no_memory(writer, err));
    if (writer->spec.is_sealed) {
        writer->key = crypto_key_derive(arena, key, "holt-seg", writer->identity.id);
        if (writer->key == NULL)
            return writer_fail(writer,
                               error_set(err, HOLTER_NO_MEMORY, "segment '%s': no room for a key",
                                         writer->path_aside));
    }
    writer->has_user = true;
    writer->is_held = true;
    writer->user = (struct segment_user){
        .user = user,
        .key_generation = key_generation,
        .section_offset = writer->offset,
    };
    writer->has_tombstones = false;
    writer->entry_count = 0;
    buffer_clear(&writer->tombstones);
    tombstones_encode(&writer->tombstones, &(struct tombstones){ 0 }, 0);
    if (writer->tombstones.failed)
        return writer_fail(writer, no_memory(writer, err));
    buffer_clear(&writer->held);
    buffer_clear(&writer->headers);
    buffer_clear(&writer->rollups);
    return HOLTER_OK;
}

holter_status segment_writer_tombstones(struct segment_writer *writer,
                                        const struct tombstones *tombstones, holter_error *err)
{
    struct segment_summary *summary = &writer->footer.summary;
    holter_status status = writer_check(writer, err);
    if (status != HOLTER_OK)
        return status;
    if (!writer->has_user || writer->has_series || writer->entry_count > 0 ||
        writer->has_tombstones)
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': tombstones come once, before the series of a user",
                         writer->path_aside);
    for (size_t i = 0; i < tombstones->count; i++) {
        if (tombstones->at[i].sequence > writer->footer.traits.sequence_max)
            return error_set(err, HOLTER_INVALID,
                             "segment '%s': a tombstone of user #%016llx has sequence %llu",
                             writer->path_aside, (unsigned long long)writer->user.user,
                             (unsigned long long)tombstones->at[i].sequence);
    }
    if (tombstones->count == 0)
        return HOLTER_OK;
    writer->has_tombstones = true;
    buffer_clear(&writer->tombstones);
    tombstones_encode(&writer->tombstones, tombstones, 0);
    if (writer->tombstones.failed)
        return writer_fail(writer, no_memory(writer, err));
    for (size_t i = 0; i < tombstones->count; i++) {
        const struct tombstone *one = &tombstones->at[i];
        bool is_first = summary->tombstones == 0;
        if (is_first || one->begin < summary->tombstone_begin)
            summary->tombstone_begin = one->begin;
        if (is_first || one->end > summary->tombstone_end)
            summary->tombstone_end = one->end;
        summary->tombstones++;
    }
    return HOLTER_OK;
}

holter_status segment_writer_series(struct segment_writer *writer, uint32_t metric, uint32_t source,
                                    const struct schema *schema, holter_error *err)
{
    holter_status status = writer_check(writer, err);
    if (status != HOLTER_OK)
        return status;
    if (!writer->has_user || metric == 0 || source == 0 || !schema_is_valid(schema))
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': metric %u, source %u or its schema is not valid",
                         writer->path_aside, metric, source);
    if (writer->has_series || writer->entry_count > 0) {
        size_t last = writer->has_series ? writer->entry_count : writer->entry_count - 1;
        const struct segment_series *before = &writer->entries[last].series;
        if (metric < before->metric || (metric == before->metric && source <= before->source))
            return error_set(err, HOLTER_INVALID,
                             "segment '%s': metric %u, source %u comes after a greater one",
                             writer->path_aside, metric, source);
    }
    status = series_end(writer, err);
    if (status != HOLTER_OK)
        return writer_fail(writer, status);

    void *entries = writer->entries;
    if (!core_grow(&entries, &writer->entry_capacity, writer->entry_count + 1,
                   sizeof *writer->entries))
        return writer_fail(writer, no_memory(writer, err));
    writer->entries = entries;
    writer->entries[writer->entry_count] = (struct segment_entry){
        .series = { .metric = metric, .source = source, .schema = *schema },
    };
    columns_init(&writer->pending, schema);
    columns_init(&writer->last, schema);
    buffer_clear(&writer->piece);
    writer->block_count = 0;
    segment_rollup_clear(&writer->rollup);
    writer->has_rollup =
        writer->footer.traits.tier != SEGMENT_TIER_HOT && segment_rollup_fits(schema);
    writer->has_series = true;
    return HOLTER_OK;
}

holter_status segment_writer_rows(struct segment_writer *writer, const struct columns *columns,
                                  size_t first, size_t count, holter_error *err)
{
    holter_status status = writer_check(writer, err);
    if (status != HOLTER_OK)
        return status;
    if (!writer->has_series || first > columns->count || count > columns->count - first ||
        !schema_is_equal(&columns->schema, &writer->pending.schema))
        return error_set(err, HOLTER_INVALID, "segment '%s': rows without their series",
                         writer->path_aside);

    while (status == HOLTER_OK && count > 0) {
        bool is_full;
        size_t take = rows_taken(&is_full, writer, columns, first, count);
        if (is_full && writer->pending.count == 0) {
            status = block_write(writer, columns, first, take, err);
        } else if (!columns_append_rows(&writer->pending, columns, first, take)) {
            status = no_memory(writer, err);
        } else if (is_full) {
            status = pending_write(writer, err);
        }
        first += take;
        count -= take;
    }
    return writer_fail(writer, status);
}

holter_status segment_writer_finish(struct segment_writer *writer, struct segment_summary *summary,
                                    holter_error *err)
{
    holter_status status = writer_check(writer, err);
    if (status != HOLTER_OK)
        return status;
    status = finish(writer, err);
    if (status != HOLTER_OK) {
        writer_unlink(writer);
        return writer_fail(writer, status);
    }
    writer->is_finished = true;
    *summary = writer->footer.summary;
    return HOLTER_OK;
}
