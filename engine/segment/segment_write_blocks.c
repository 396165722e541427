/*
 * segment_write_blocks.c -- rows of a series become blocks, and blocks pieces.
 *
 * The first blocks of a cold series wait, coded: once there are CODEC_LEARN_BLOCKS of them, or the series ends,
 * models are learned from what they were coded as. Where these would save enough, the blocks are decoded and coded anew
 * with them, and kept so if they are smaller by more than the models take; later blocks may use them, too.
 */
#include "segment_write_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The section is too large for one piece: write the payload that was held back, a piece for each
   finished series. */
holter_status writer_write_held(struct segment_writer *writer, holter_error *err)
{
    core_assert(writer->is_held);
    writer->is_held = false;
    size_t at = 0;
    for (size_t i = 0; i < writer->entry_count; i++) {
        struct segment_entry *entry = &writer->entries[i];
        size_t bytes = (size_t)entry->payload_bytes;
        holter_status status =
            writer_write_piece(writer, SEGMENT_PIECE_PAYLOAD, writer->held.data + at, bytes, err);
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
holter_status writer_write_payload(struct segment_writer *writer, size_t bytes, holter_error *err)
{
    struct segment_entry *entry = &writer->entries[writer->entry_count];
    holter_status status =
        writer_write_piece(writer, SEGMENT_PIECE_PAYLOAD, writer->piece.data, bytes, err);
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
            return writer_no_memory(writer, err);
        from += place->bytes;
        holter_status status = HOLTER_OK;
        if (writer->is_held &&
            writer->held.bytes + writer->piece.bytes >= SEGMENT_SMALL_SECTION_BYTES)
            status = writer_write_held(writer, err);
        bool is_full = start > 0 && writer->piece.bytes > SEGMENT_PIECE_BYTES;
        if (status == HOLTER_OK && is_full)
            status = writer_write_payload(writer, start, err);
        if (status != HOLTER_OK)
            return status;
        place->starts_piece = start == 0 || is_full;
    }
    buffer_clear(&writer->coded);
    return HOLTER_OK;
}

/* Blocks that follow are coded by built-in models alone. */
void writer_drop_models(struct segment_writer *writer)
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
        writer_drop_models(writer);
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
holter_status writer_end_waiting(struct segment_writer *writer, holter_error *err)
{
    bool has_memory = true;
    writer->is_waiting = false;
    if (writer->entries[writer->entry_count].series.rows >= CODEC_LEARN_ROWS_MIN)
        has_memory = codec_models_learn(&writer->models, writer->scratch, writer->coded.bytes) ==
                         HOLTER_OK &&
                     (codec_models_bytes(writer->models) == 0 || code_again(writer));
    if (!has_memory)
        return writer_no_memory(writer, err);
    return coded_place(writer, err);
}

holter_status writer_write_block(struct segment_writer *writer, const struct columns *c,
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
        return writer_no_memory(writer, err);
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
        return writer_no_memory(writer, err);

    struct segment_block *block = &writer->blocks[writer->block_count];
    segment_block_measure(block, c, first, count);
    if (writer->has_rollup && !segment_rollup_add(&writer->rollup, c, first, count))
        return writer_no_memory(writer, err);
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
        return writer_no_memory(writer, err);
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
    return writer->block_count < CODEC_LEARN_BLOCKS ? HOLTER_OK : writer_end_waiting(writer, err);
}

holter_status writer_write_pending(struct segment_writer *writer, holter_error *err)
{
    if (writer->pending.count == 0)
        return HOLTER_OK;
    holter_status status =
        writer_write_block(writer, &writer->pending, 0, writer->pending.count, err);
    columns_clear(&writer->pending);
    return status;
}

/* How many of the rows join the pending ones in a block; *is_full: the block ends with them. */
size_t writer_rows_taken(bool *is_full, const struct segment_writer *writer,
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
