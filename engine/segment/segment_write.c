/*
 * segment_write.c -- writing a segment: rows stream in, sealed pieces stream out.
 *
 *     rows -> pending block -> piece (16 KiB, sealed) -> chunk (1 MiB, hashed) -> "seg-ID.tmp"
 *
 * What is held in memory: a chunk, a piece, a block, blocks that wait, the block headers, rollups and index of the user at
 * hand, 64 bytes for each user of the directory and 8 for each chunk. While a section may still be
 * one piece (S5), its payload is held back too, which is at most 4 KiB.
 *
 *   SW1  Every byte is written once, at rising offsets but for the front of the file, which is not sealed and comes last: so
 *        no nonce comes twice.
 *   SW2  After any failure nothing more is written; freeing the writer unlinks the file.
 *   SW3  Chunks are hashed as they are handed to the disk, and again as they come back past its
 *        cache (S4); only then does the file get its name.
 */
#include "segment_write_impl.h"

#include <stdlib.h>
#include <string.h>

/* A rollup is written where its bytes stand for many rows, and are few beside the payload's: notes/0006. */
enum { ROLLUP_ROWS_MIN = 1024, ROLLUP_BYTE_ROWS = 8, ROLLUP_PAYLOAD_SHARE = 2 };

/* Keep the first failure; from here on every call answers it. */
static holter_status writer_fail(struct segment_writer *writer, holter_status status)
{
    if (status != HOLTER_OK && writer->given_up == HOLTER_OK)
        writer->given_up = status;
    return status;
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
        return writer_no_memory(writer, err);
    if (!segment_rollup_encode(&writer->rollups, &writer->rollup, schema, writer->rollup_scratch))
        return HOLTER_OK;
    if (writer->rollups.failed)
        return writer_no_memory(writer, err);
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
    holter_status status = writer_write_pending(writer, err);
    if (status == HOLTER_OK && writer->is_waiting)
        status = writer_end_waiting(writer, err);
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
        writer_drop_models(writer);
        entry->header_bytes = writer->headers.bytes - before;
        if (writer->is_held) {
            buffer_append(&writer->held, writer->piece.data, writer->piece.bytes);
            entry->payload_bytes = writer->piece.bytes;
            buffer_clear(&writer->piece);
        } else {
            status = writer_write_payload(writer, writer->piece.bytes, err);
        }
        if (status == HOLTER_OK && (writer->headers.failed || writer->held.failed))
            status = writer_no_memory(writer, err);
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
    holter_status status = plain.failed ? writer_no_memory(writer, err) : HOLTER_OK;
    *is_written =
        writer->entry_count == 0 || plain.bytes + CRYPTO_TAG_BYTES < SEGMENT_SMALL_SECTION_BYTES;
    if (status == HOLTER_OK && *is_written) {
        status = writer_write_piece(writer, SEGMENT_PIECE_WHOLE, plain.data, plain.bytes, err);
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
            writer_write_piece(writer, SEGMENT_PIECE_ROLLUP, writer->rollups.data + at, bytes, err);
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
            writer_write_piece(writer, SEGMENT_PIECE_BLOCKS, writer->headers.data + at, bytes, err);
        if (status != HOLTER_OK)
            return status;
        entry->header_bytes += CRYPTO_TAG_BYTES;
        at += bytes;
    }
    core_assert(at == writer->headers.bytes);

    struct buffer plain;
    buffer_init(&plain);
    segment_index_encode(&plain, &writer->tombstones, writer->entries, writer->entry_count);
    holter_status status = plain.failed ? writer_no_memory(writer, err) : HOLTER_OK;
    if (status == HOLTER_OK)
        status = writer_write_piece(writer, SEGMENT_PIECE_INDEX, plain.data, plain.bytes, err);
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

/* The directory in front has room for one more. */
static holter_status room_check(const struct segment_writer *writer, holter_error *err)
{
    const struct segment_footer *footer = &writer->footer;
    uint64_t bytes = footer->sections_begin - SEGMENT_FOOTER_BYTES;
    uint64_t room = bytes == 0 ? UINT64_MAX : bytes / SEGMENT_ENTRY_BYTES - 1;
    if (footer->summary.users < room)
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "segment '%s': there were to be %llu users at the most",
                     writer->path_aside, (unsigned long long)room);
}

static holter_status section_end(struct segment_writer *writer, holter_error *err)
{
    if (!writer->has_user)
        return HOLTER_OK;
    holter_status status = series_end(writer, err);
    if (status != HOLTER_OK)
        return status;

    if (writer->entry_count > 0 || writer->has_tombstones) {
        status = room_check(writer, err);
        if (status != HOLTER_OK)
            return status;
        bool is_written = false;
        if (writer->is_held)
            status = section_write_whole(writer, &is_written, err);
        if (status == HOLTER_OK && !is_written && writer->is_held)
            status = writer_write_held(writer, err);
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
            return writer_no_memory(writer, err);
    }
    crypto_key_free(writer->key);
    writer->key = NULL;
    hash64_stream_free(writer->hash);
    writer->hash = NULL;
    writer->has_user = false;
    return HOLTER_OK;
}

static holter_status finish(struct segment_writer *writer, holter_error *err)
{
    holter_status status = section_end(writer, err);
    if (status != HOLTER_OK)
        return status;
    if (writer->footer.summary.users == 0)
        return error_set(err, HOLTER_NOT_FOUND, "segment '%s': there is nothing to write",
                         writer->path_aside);
    status = writer_publish(writer, err);
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
        return writer_no_memory(writer, err);
    if (writer->footer.traits.tier == SEGMENT_TIER_COLD) {
        writer->scratch = codec_scratch_new();
        if (writer->scratch == NULL)
            return writer_no_memory(writer, err);
    }
    status = io_queue_open(&writer->queue, writer->spec.io, 1, err);
    if (status != HOLTER_OK)
        return status;
    status = io_open(&writer->file, writer->spec.io, writer->path_aside, IO_CREATE, err);
    if (status != HOLTER_OK)
        return status;
    writer->name = NAME_ASIDE;
    return HOLTER_OK;
}

holter_status segment_writer_new(struct segment_writer **out, const struct segment_spec *spec,
                                 const struct segment_traits *traits, uint64_t users_max,
                                 holter_error *err)
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
    writer->footer.sections_begin = segment_sections_begin(users_max);
    writer->offset = writer->chunk_used = writer->footer.sections_begin;
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
        return writer_fail(writer, writer_no_memory(writer, err));
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
        return writer_fail(writer, writer_no_memory(writer, err));
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
        return writer_fail(writer, writer_no_memory(writer, err));
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
        return writer_fail(writer, writer_no_memory(writer, err));
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
        size_t take = writer_rows_taken(&is_full, writer, columns, first, count);
        if (is_full && writer->pending.count == 0) {
            status = writer_write_block(writer, columns, first, take, err);
        } else if (!columns_append_rows(&writer->pending, columns, first, take)) {
            status = writer_no_memory(writer, err);
        } else if (is_full) {
            status = writer_write_pending(writer, err);
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
