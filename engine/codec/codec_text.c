/*
 * codec_text.c -- texts: their lengths as an array, then their bytes, which Zstandard packs where that
 * is smaller and the block is coded.
 *
 * Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_cold.c.
 */
#include "codec_cold.h"

#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    TEXTS_ZSTD = 15, /* stored, where else the code of an array stands */
    ZSTD_LEAST = 64, /* fewer bytes are not worth a frame */
    ZSTD_LEVEL = 19,
    ZSTD_TEXT_BYTES_MAX =
        65535 + CODEC_TEXT_BYTES_MAX /* stored: all texts of a block that a segment has */
};

bool frame_encode(struct buffer *frame, const uint8_t *plain, size_t count, int level)
{
    size_t room = ZSTD_compressBound(count);
    if (count < ZSTD_LEAST || count > ZSTD_TEXT_BYTES_MAX || !buffer_reserve(frame, room))
        return false;
    size_t bytes = ZSTD_compress(frame->data, room, plain, count, level);
    if (ZSTD_isError(bytes))
        frame->failed = ZSTD_getErrorCode(bytes) == ZSTD_error_memory_allocation;
    if (ZSTD_isError(bytes) || bytes + 4 >= count) /* 4: the code and the count of bytes */
        return false;
    frame->bytes = bytes;
    return true;
}

/* False: they are not smaller so. */
static bool encode_zstd(const struct encoder *e, const struct columns *c, size_t field,
                        size_t first, size_t count)
{
    struct buffer texts, frame;
    uint32_t bytes;
    buffer_init(&texts);
    buffer_init(&frame);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *text = columns_text(c, field, first + i, &bytes);
        buffer_append(&texts, text, bytes);
    }
    bool is_smaller = !texts.failed && frame_encode(&frame, texts.data, texts.bytes, ZSTD_LEVEL);
    if (is_smaller) {
        buffer_append_u8(e->out, TEXTS_ZSTD);
        encoder_array(e, e->words, count);
        buffer_append_varint(e->out, frame.bytes);
        buffer_append(e->out, frame.data, frame.bytes);
    }
    buffer_release(&texts);
    buffer_release(&frame);
    return is_smaller;
}

void texts_encode(const struct encoder *e, const struct columns *c, size_t field, size_t first,
                  size_t count)
{
    uint32_t bytes;
    for (size_t i = 0; i < count; i++) {
        columns_text(c, field, first + i, &bytes);
        core_assert(bytes <= CODEC_TEXT_BYTES_MAX);
        e->words[i] = bytes;
    }
    if (e->cold != NULL && encode_zstd(e, c, field, first, count))
        return;
    encoder_array(e, e->words, count);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *text = columns_text(c, field, first + i, &bytes);
        buffer_append(e->out, text, bytes);
    }
}

holter_status frame_decode(struct buffer *out, struct reader *r, size_t total, void **context)
{
    uint64_t bytes = get_varint(r);
    const uint8_t *frame = bytes <= r->left ? get_bytes(r, (size_t)bytes) : NULL;
    if (r->overrun || frame == NULL || ZSTD_getFrameContentSize(frame, (size_t)bytes) != total ||
        ZSTD_findFrameCompressedSize(frame, (size_t)bytes) != bytes)
        return HOLTER_CORRUPT;
    if (*context == NULL)
        *context = ZSTD_createDCtx();
    if (*context == NULL)
        return HOLTER_NO_MEMORY;
    size_t made =
        ZSTD_decompressDCtx(*context, out->data + out->bytes, total, frame, (size_t)bytes);
    if (ZSTD_isError(made) && ZSTD_getErrorCode(made) == ZSTD_error_memory_allocation)
        return HOLTER_NO_MEMORY;
    return made == total ? HOLTER_OK : HOLTER_CORRUPT;
}

void frame_context_free(void *context)
{
    ZSTD_freeDCtx(context);
}

/* In place of the bytes that codec_texts_take reads. */
static holter_status decode_zstd(struct columns *c, int64_t *lengths, struct reader *r,
                                 size_t count, uint64_t total)
{
    struct buffer texts;
    void *context = NULL;
    buffer_init(&texts);
    if (total == 0 || total > ZSTD_TEXT_BYTES_MAX)
        return HOLTER_CORRUPT;
    if (!buffer_reserve(&texts, (size_t)total))
        return HOLTER_NO_MEMORY;
    holter_status status = frame_decode(&texts, r, (size_t)total, &context);
    frame_context_free(context);
    struct reader plain = reader_over(texts.data, (size_t)total);
    if (status == HOLTER_OK)
        status = codec_texts_take(c, lengths, &plain, count, total);
    buffer_release(&texts);
    return status;
}

holter_status texts_decode(struct columns *c, int64_t *lengths, struct reader *r, size_t count,
                           const struct codec_models *models)
{
    uint64_t total = 0;
    struct reader before = *r;
    bool is_zstd = get_u8(r) == TEXTS_ZSTD;
    if (!is_zstd)
        *r = before;
    if (!block_array_decode(lengths, r, count, models))
        return HOLTER_CORRUPT;
    for (size_t i = 0; i < count; i++) {
        if (lengths[i] < 0 || lengths[i] > CODEC_TEXT_BYTES_MAX)
            return HOLTER_CORRUPT;
        total += (uint64_t)lengths[i];
    }
    return is_zstd ? decode_zstd(c, lengths, r, count, total)
                   : codec_texts_take(c, lengths, r, count, total);
}
