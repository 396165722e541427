/*
 * segment_write_file.c -- the file of a segment that is being written: bytes at its end, sealed pieces of a section, and
 * at last its directory and footer, at both ends; then it is read back and gets its name (SW1, SW3 of segment_write.c).
 */
#include "segment_write_impl.h"

#include <string.h>

holter_status writer_no_memory(struct segment_writer *writer, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory to write it",
                     writer->path_aside);
}

/* ---- bytes to the file ----------------------------------------------------------------------- */

/* How much of a chunk comes in front of the sections: of the first one, if any. */
static size_t front_bytes(const struct segment_writer *writer, size_t chunk)
{
    return chunk == 0 ? (size_t)writer->footer.sections_begin : 0;
}

static holter_status chunk_flush(struct segment_writer *writer, holter_error *err)
{
    size_t front = front_bytes(writer, writer->chunk_count);
    size_t bytes = writer->chunk_used - front;
    if (writer->chunk_used == 0 || bytes == 0)
        return HOLTER_OK;
    void *hashes = writer->chunk_hashes;
    if (!core_grow(&hashes, &writer->chunk_capacity, writer->chunk_count + 1,
                   sizeof *writer->chunk_hashes))
        return writer_no_memory(writer, err);
    writer->chunk_hashes = hashes;
    writer->chunk_hashes[writer->chunk_count++] = hash64(writer->chunk + front, bytes);
    writer->chunk_used = 0;
    return io_write_exactly(writer->queue, writer->file, writer->offset - bytes,
                            writer->chunk + front, bytes, err);
}

holter_status writer_append(struct segment_writer *writer, const void *bytes, size_t count,
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
    return writer_append(writer, zeros, count, err);
}

/* Seal `bytes` of plain as the section's next piece. */
holter_status writer_write_piece(struct segment_writer *writer, enum segment_piece_kind kind,
                                 const uint8_t *plain, size_t bytes, holter_error *err)
{
    if (bytes > UINT32_MAX - CRYPTO_TAG_BYTES)
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': a piece of user #%016llx would take %zu bytes",
                         writer->path_aside, (unsigned long long)writer->user.user, bytes);
    buffer_clear(&writer->sealed);
    if (!buffer_reserve(&writer->sealed, bytes + CRYPTO_TAG_BYTES))
        return writer_no_memory(writer, err);
    struct segment_piece piece = { writer->user.user, writer->user.key_generation, kind,
                                   writer->offset };
    segment_piece_seal(writer->sealed.data, plain, bytes, &writer->identity, &piece, writer->key);
    hash64_stream_add(writer->hash, writer->sealed.data, bytes + CRYPTO_TAG_BYTES);
    return writer_append(writer, writer->sealed.data, bytes + CRYPTO_TAG_BYTES, err);
}

/* ---- directory and footer, at both ends of the file ------------------------------------------ */

static void page_encode(uint8_t out[static SEGMENT_PAGE_BYTES], const struct segment_writer *writer,
                        uint32_t page)
{
    const struct segment_footer *footer = &writer->footer;
    uint64_t entries = segment_page_entries(footer);
    uint64_t first = (uint64_t)page * entries;
    uint64_t left = footer->summary.users - first;
    segment_page_encode(out, footer, writer->identity.id, page,
                        writer->directory.data + first * SEGMENT_ENTRY_BYTES,
                        (size_t)(left < entries ? left : entries));
}

/* At `offset`, behind zeros. */
static holter_status directory_write(struct segment_writer *writer, uint64_t offset,
                                     holter_error *err)
{
    struct segment_footer *footer = &writer->footer;
    struct hash64_stream *hash = hash64_stream_new();
    if (hash == NULL)
        return writer_no_memory(writer, err);
    holter_status status = append_zeros(writer, (size_t)(offset - writer->offset), err);
    for (uint32_t page = 0; status == HOLTER_OK && page < footer->page_count; page++) {
        uint8_t bytes[SEGMENT_PAGE_BYTES];
        page_encode(bytes, writer, page);
        hash64_stream_add(hash, bytes + footer->page_bytes - 8, 8);
        status = writer_append(writer, bytes, footer->page_bytes, err);
    }
    footer->directory_hash = hash64_stream_get(hash);
    hash64_stream_free(hash);
    return status;
}

/* The footer, and the directory where it lies there: once all behind it is written. */
static holter_status front_write(struct segment_writer *writer,
                                 const uint8_t footer[static SEGMENT_FOOTER_BYTES],
                                 holter_error *err)
{
    uint8_t front[SEGMENT_FOOTER_BYTES + SEGMENT_PAGE_BYTES];
    size_t bytes = front_bytes(writer, 0);
    memcpy(front, footer, SEGMENT_FOOTER_BYTES);
    if (segment_is_in_front(&writer->footer))
        page_encode(front + SEGMENT_FOOTER_BYTES, writer, 0);
    writer->front_hash = hash64(front, bytes);
    return io_write_exactly(writer->queue, writer->file, 0, front, bytes, err);
}

static holter_status ends_write(struct segment_writer *writer, holter_error *err)
{
    struct segment_footer *footer = &writer->footer;
    uint64_t users = footer->summary.users;
    footer->sections_end = writer->offset;
    segment_directory_place(footer);
    bool is_in_front = segment_is_in_front(footer);
    core_assert(!is_in_front || footer->page_count == 1); /* as section_end has seen to */
    if (users / SEGMENT_PAGE_ENTRIES >= UINT32_MAX)
        return error_set(err, HOLTER_INVALID, "segment '%s': %llu users are too many",
                         writer->path_aside, (unsigned long long)users);

    uint8_t bytes[SEGMENT_FOOTER_BYTES];
    holter_status status = HOLTER_OK;
    if (!is_in_front)
        status = directory_write(writer, footer->directory_offset, err);
    if (status == HOLTER_OK)
        status = directory_write(writer, segment_page_offset(footer, 0, 1), err);
    if (status == HOLTER_OK) {
        footer->summary.footer_hash = segment_footer_encode(bytes, &writer->identity, footer);
        status = writer_append(writer, bytes, sizeof bytes, err);
    }
    if (status == HOLTER_OK)
        status = chunk_flush(writer, err);
    if (status == HOLTER_OK)
        status = front_write(writer, bytes, err);
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
        size_t front = front_bytes(writer, i);
        status = io_read_exactly(writer->queue, file, offset, writer->chunk, take, err);
        if (status == HOLTER_OK &&
            (hash64(writer->chunk + front, take - front) != writer->chunk_hashes[i] ||
             (front > 0 && hash64(writer->chunk, front) != writer->front_hash)))
            status = error_set(
                err, HOLTER_CORRUPT,
                "segment '%s': read back, the %zu bytes at offset %llu are not what was written",
                writer->path_aside, take, (unsigned long long)offset);
    }
    io_close(file);
    return status;
}

/* Forget the file, under whichever name it has. */
void writer_unlink(struct segment_writer *writer)
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
holter_status writer_publish(struct segment_writer *writer, holter_error *err)
{
    holter_status status = ends_write(writer, err);
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
