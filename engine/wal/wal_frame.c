/*
 * wal_frame.c -- one frame: sealed on its way into a group, opened, and read again by its place.
 *
 * Bytes: format-spec/log.md, "Frames" and "Sealing".
 */
#include "wal_impl.h"

#include <inttypes.h>
#include <string.h>

static const char purpose[8] = { 'h', 'o', 'l', 't', '-', 'l', 'o', 'g' };

static void associated_data(uint8_t out[static WAL_ASSOCIATED_BYTES], const struct wal *wal,
                            const uint8_t log_id[static WAL_ID_BYTES],
                            const struct wal_frame_header *header)
{
    struct writer w = writer_over(out, WAL_ASSOCIATED_BYTES);
    put_bytes(&w, wal->store_id, sizeof wal->store_id);
    put_bytes(&w, log_id, WAL_ID_BYTES);
    put_u32(&w, wal->place);
    put_u64(&w, header->user);
    put_u32(&w, header->key_generation);
    put_u64(&w, header->sequence);
    put_u32(&w, header->flags);
    put_u32(&w, header->sealed_bytes - CRYPTO_TAG_BYTES);
    core_assert(w.left == 0);
    core_assert(!w.overrun);
}

static holter_status check_key(const struct wal *wal, const struct crypto_key *key,
                               holter_error *err)
{
    if (wal->is_sealed != (key != NULL))
        return error_set(err, HOLTER_INVALID, "log '%s': found %s key, expected %s", wal->directory,
                         key != NULL ? "a" : "no", wal->is_sealed ? "one" : "none");
    return HOLTER_OK;
}

/* The file's subkey of a user's key; *subkey NULL in a store without sealing. */
static holter_status derive(struct crypto_key **subkey, const struct wal *wal,
                            struct crypto_arena *arena, const struct crypto_key *key,
                            const uint8_t log_id[static WAL_ID_BYTES], holter_error *err)
{
    *subkey = NULL;
    holter_status status = check_key(wal, key, err);
    if (status != HOLTER_OK || !wal->is_sealed)
        return status;
    *subkey = crypto_key_derive(arena, key, purpose, log_id);
    if (*subkey == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "log '%s': no slot is free for a key",
                         wal->directory);
    return HOLTER_OK;
}

size_t wal_frame_bytes(size_t body_bytes)
{
    return WAL_FRAME_HEADER_BYTES + body_bytes + CRYPTO_TAG_BYTES;
}

size_t wal_group_room(const struct wal *wal)
{
    return (size_t)wal->group_bytes_max - WAL_GROUP_HEADER_BYTES;
}

holter_status wal_frame_seal(uint8_t *out, const struct wal *wal,
                             const uint8_t log_id[static WAL_ID_BYTES], uint64_t sequence,
                             const struct wal_frame *frame,
                             const uint8_t nonce[static CRYPTO_NONCE_BYTES], holter_error *err)
{
    struct wal_frame_header header = {
        .sequence = sequence,
        .user = frame->user,
        .key_generation = frame->key_generation,
        .flags = frame->flags,
        .sealed_bytes = (uint32_t)(frame->body_bytes + CRYPTO_TAG_BYTES),
    };
    uint8_t associated[WAL_ASSOCIATED_BYTES];
    holter_status status = check_key(wal, frame->key, err);
    if (status != HOLTER_OK)
        return status;
    associated_data(associated, wal, log_id, &header);
    wal_frame_header_encode(out, &header, nonce);
    crypto_seal_derived(out + WAL_FRAME_HEADER_BYTES, frame->body, frame->body_bytes, associated,
                        sizeof associated, nonce, frame->key, purpose, log_id);
    return HOLTER_OK;
}

holter_status wal_frame_open(struct buffer *body, struct wal *wal,
                             const struct wal_frame_read *frame, struct crypto_arena *arena,
                             const struct crypto_key *key, holter_error *err)
{
    struct wal_frame_header header = {
        .sequence = frame->sequence,
        .user = frame->user,
        .key_generation = frame->key_generation,
        .flags = frame->flags,
        .sealed_bytes = (uint32_t)(frame->sealed_bytes - CRYPTO_NONCE_BYTES),
    };
    core_assert(frame->sealed_bytes > CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES); /* from a reader */
    struct crypto_key *subkey;
    holter_status status = derive(&subkey, wal, arena, key, frame->log_id, err);
    if (status != HOLTER_OK)
        return status;

    size_t plain_bytes = header.sealed_bytes - CRYPTO_TAG_BYTES;
    uint8_t associated[WAL_ASSOCIATED_BYTES];
    associated_data(associated, wal, frame->log_id, &header);
    if (!buffer_reserve(body, plain_bytes)) {
        status =
            error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory to open a frame of %zu bytes",
                      wal->directory, plain_bytes);
    } else if (!crypto_open(body->data + body->bytes, frame->sealed + CRYPTO_NONCE_BYTES,
                            header.sealed_bytes, associated, sizeof associated, frame->sealed,
                            subkey)) {
        status = error_set(err, HOLTER_CORRUPT,
                           "log '%s', file %" PRIu64 ": at offset %" PRIu64
                           " found a frame of user #%016" PRIx64 " whose seal is broken",
                           wal->directory, frame->file, frame->offset, frame->user);
    } else {
        body->bytes += plain_bytes;
    }
    crypto_key_free(subkey);
    return status;
}

struct wal_frame_read wal_frame_read_of(const struct wal_frame_header *header, const uint8_t *bytes,
                                        const struct wal_header *file, uint64_t offset)
{
    struct wal_frame_read frame = {
        .sequence = header->sequence,
        .user = header->user,
        .key_generation = header->key_generation,
        .flags = header->flags,
        .sealed = bytes + WAL_FRAME_HEADER_BYTES - CRYPTO_NONCE_BYTES,
        .sealed_bytes = CRYPTO_NONCE_BYTES + header->sealed_bytes,
        .file = file->number,
        .offset = offset,
    };
    memcpy(frame.log_id, file->log_id, sizeof frame.log_id);
    return frame;
}

static holter_status frame_is_missing(struct wal *wal, uint64_t file, uint64_t offset,
                                      holter_error *err)
{
    return error_set(err, HOLTER_CORRUPT,
                     "log '%s', file %" PRIu64 ": at offset %" PRIu64
                     " found no frame, expected one",
                     wal->directory, file, offset);
}

/* [offset, offset + bytes) of a file into *scratch, by whole pages; NULL with *status set. */
static const uint8_t *read_pages(struct buffer *scratch, struct wal *wal,
                                 const struct wal_source *source, uint64_t offset, size_t bytes,
                                 holter_status *status, holter_error *err)
{
    uint64_t begin = offset / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
    size_t padded = (size_t)(wal_padded(offset + bytes) - begin);
    buffer_clear(scratch);
    if (!buffer_reserve(scratch, padded + WAL_PAGE_BYTES)) {
        *status =
            error_set(err, HOLTER_NO_MEMORY, "log '%s': no memory to read a frame of %zu bytes",
                      wal->directory, bytes);
        return NULL;
    }
    uint8_t *pages = scratch->data + (WAL_PAGE_BYTES - (uintptr_t)scratch->data % WAL_PAGE_BYTES);
    *status = io_read_exactly(wal->queue, source->file, begin, pages, padded, err);
    return *status == HOLTER_OK ? pages + (offset - begin) : NULL;
}

holter_status wal_read_frame(struct wal_frame_read *frame, struct buffer *scratch, struct wal *wal,
                             uint64_t file, uint64_t offset, holter_error *err)
{
    const struct wal_source *source;
    holter_status status = wal_source_get(&source, wal, file, err);
    if (status != HOLTER_OK)
        return status;
    uint64_t file_bytes = source->header.file_bytes;
    if (offset < WAL_PAGE_BYTES + WAL_GROUP_HEADER_BYTES ||
        offset > file_bytes - WAL_FRAME_HEADER_BYTES)
        return frame_is_missing(wal, file, offset, err);

    struct wal_frame_header header;
    const uint8_t *bytes =
        read_pages(scratch, wal, source, offset, WAL_FRAME_HEADER_BYTES, &status, err);
    if (bytes == NULL)
        return status;
    if (wal_frame_header_decode(&header, bytes) != HOLTER_OK ||
        header.sealed_bytes > file_bytes - offset - WAL_FRAME_HEADER_BYTES)
        return frame_is_missing(wal, file, offset, err);
    if (offset % WAL_PAGE_BYTES + WAL_FRAME_HEADER_BYTES + header.sealed_bytes > WAL_PAGE_BYTES) {
        bytes = read_pages(scratch, wal, source, offset,
                           WAL_FRAME_HEADER_BYTES + header.sealed_bytes, &status, err);
        if (bytes == NULL)
            return status;
        struct wal_frame_header again;
        if (wal_frame_header_decode(&again, bytes) != HOLTER_OK ||
            again.sealed_bytes != header.sealed_bytes)
            return frame_is_missing(wal, file, offset, err);
        header = again;
    }
    *frame = wal_frame_read_of(&header, bytes, &source->header, offset);
    return HOLTER_OK;
}
