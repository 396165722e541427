/*
 * wal_format.c -- the headers of files, groups and frames as bytes, and back.
 *
 * Bytes: format-spec/log.md. Tests: tests/unit/test_wal_header.c.
 */
#include "wal_impl.h"

#include <string.h>

static const uint8_t file_magic[8] = { 0x89, 'H', 'L', 'T', 'L', 'O', 'G', 'F' };
static const uint8_t group_magic[8] = { 0x89, 'H', 'L', 'T', 'L', 'O', 'G', 'G' };

enum {
    FORMAT_MAJOR = 0,
    FORMAT_MINOR = 1,
    FILE_CHECKED_BYTES = WAL_HEADER_BYTES - 8,
    GROUP_CHECKED_FROM = 16,
    GROUP_MARK = 1,
};

/* A group's fields by their offsets, for what is looked at before the rest is trusted. */
enum { GROUP_AT_CHECKSUM = 8, GROUP_AT_LOG_ID = 16, GROUP_AT_OFFSET = 32, GROUP_AT_BYTES = 64 };

/* ---- the file's header ----------------------------------------------------------------------- */

static bool header_is_valid(const struct wal_header *header)
{
    if (header->number == 0 || header->first_sequence == 0)
        return false;
    if (header->file_bytes % WAL_PAGE_BYTES != 0 || header->file_bytes < WAL_FILE_BYTES_REST ||
        header->file_bytes > WAL_FILE_BYTES_MAX)
        return false;
    if (header->previous_number == 0)
        return header->previous_end == 0 && bytes_are_zero(header->previous_log_id, WAL_ID_BYTES);
    return header->previous_number < header->number && header->previous_end >= WAL_PAGE_BYTES &&
           header->previous_end <= WAL_FILE_BYTES_MAX && header->previous_end % WAL_PAGE_BYTES == 0;
}

void wal_header_encode(uint8_t page[static WAL_PAGE_BYTES], const struct wal_header *header)
{
    core_assert(header_is_valid(header));
    memset(page, 0, WAL_PAGE_BYTES);
    struct writer w = writer_over(page, WAL_HEADER_BYTES);
    put_bytes(&w, file_magic, sizeof file_magic);
    put_u16(&w, FORMAT_MAJOR);
    put_u16(&w, FORMAT_MINOR);
    put_u32(&w, 0); /* must understand */
    put_u32(&w, 0); /* may ignore */
    put_bytes(&w, header->store_id, sizeof header->store_id);
    put_u32(&w, header->place);
    put_bytes(&w, header->log_id, sizeof header->log_id);
    put_u64(&w, header->number);
    put_u64(&w, header->file_bytes);
    put_u64(&w, header->previous_number);
    put_u64(&w, header->previous_end);
    put_bytes(&w, header->previous_log_id, sizeof header->previous_log_id);
    put_u64(&w, header->first_sequence);
    put_bytes(&w, header->boot_id, sizeof header->boot_id);
    put_u64(&w, hash64(page, FILE_CHECKED_BYTES));
    core_assert(w.left == 0);
    core_assert(!w.overrun);
    memcpy(page + WAL_HEADER_COPY_BYTES, page, WAL_HEADER_BYTES);
}

/* One copy and the zeros behind it. */
static holter_status header_copy_decode(struct wal_header *out, const uint8_t *copy,
                                        const char **found)
{
    struct reader r = reader_over(copy, WAL_HEADER_BYTES);
    struct wal_header header;

    const uint8_t *magic = get_bytes(&r, sizeof file_magic);
    *found = "no magic of a log file";
    if (memcmp(magic, file_magic, sizeof file_magic) != 0)
        return HOLTER_CORRUPT;
    uint16_t major = get_u16(&r);
    get_u16(&r); /* minor: any */
    uint32_t must_understand = get_u32(&r);
    get_u32(&r); /* may ignore: any */
    *found = "a newer format";
    if (major != FORMAT_MAJOR || must_understand != 0)
        return HOLTER_UNSUPPORTED;
    get_copy(&r, header.store_id, sizeof header.store_id);
    header.place = get_u32(&r);
    get_copy(&r, header.log_id, sizeof header.log_id);
    header.number = get_u64(&r);
    header.file_bytes = get_u64(&r);
    header.previous_number = get_u64(&r);
    header.previous_end = get_u64(&r);
    get_copy(&r, header.previous_log_id, sizeof header.previous_log_id);
    header.first_sequence = get_u64(&r);
    get_copy(&r, header.boot_id, sizeof header.boot_id);
    uint64_t checksum = get_u64(&r);
    core_assert(reader_is_done(&r));

    *found = "a wrong checksum";
    if (checksum != hash64(copy, FILE_CHECKED_BYTES) && !CRYPTO_TRUSTS_TAGS)
        return HOLTER_CORRUPT;
    *found = "spare bytes that are not zero";
    if (!bytes_are_zero(copy + WAL_HEADER_BYTES, WAL_HEADER_COPY_BYTES - WAL_HEADER_BYTES))
        return HOLTER_CORRUPT;
    *found = "a field out of its range";
    if (!header_is_valid(&header))
        return HOLTER_CORRUPT;
    *out = header;
    return HOLTER_OK;
}

holter_status wal_header_decode(struct wal_header *out, const uint8_t page[static WAL_PAGE_BYTES],
                                unsigned *bad, const char **found)
{
    struct wal_header header[WAL_HEADER_COPIES];
    holter_status worst = HOLTER_OK;
    unsigned mask = 0;

    for (unsigned i = 0; i < WAL_HEADER_COPIES; i++) {
        const char *why;
        holter_status status =
            header_copy_decode(&header[i], page + i * WAL_HEADER_COPY_BYTES, &why);
        if (status == HOLTER_OK)
            continue;
        mask |= 1u << i;
        if (worst != HOLTER_UNSUPPORTED) {
            worst = status;
            *found = why;
        }
    }
    *bad = mask;
    if (mask == 3)
        return worst;
    if (mask == 0 && memcmp(page, page + WAL_HEADER_COPY_BYTES, WAL_HEADER_BYTES) != 0) {
        *found = "two headers that contradict each other";
        return HOLTER_CORRUPT;
    }
    *out = header[mask == 1 ? 1 : 0];
    return HOLTER_OK;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static uint64_t u64_at(const uint8_t *bytes)
{
    struct reader r = reader_over(bytes, 8);
    return get_u64(&r);
}

static bool group_is_valid(const struct wal_group_header *header)
{
    if (header->first_sequence == 0 || header->watermark >= header->first_sequence)
        return false;
    if (header->synced % WAL_PAGE_BYTES != 0 || header->synced < WAL_PAGE_BYTES ||
        header->synced > header->offset)
        return false;
    if (header->frame_count > UINT64_MAX - header->first_sequence)
        return false;
    if (!header->is_mark)
        return header->frame_count > 0 && header->frame_count <= WAL_FRAMES_PER_GROUP_MAX;
    return header->frame_count == 0 && header->bytes == WAL_GROUP_HEADER_BYTES &&
           header->watermark == header->first_sequence - 1 && header->synced == header->offset;
}

void wal_group_header_encode(uint8_t *group, const struct wal_group_header *header)
{
    core_assert(group_is_valid(header));
    struct writer w = writer_over(group, WAL_GROUP_HEADER_BYTES);
    put_bytes(&w, group_magic, sizeof group_magic);
    put_u64(&w, 0); /* the checksum, below */
    put_bytes(&w, header->log_id, sizeof header->log_id);
    put_u64(&w, header->offset);
    put_u64(&w, header->first_sequence);
    put_u64(&w, header->watermark);
    put_u64(&w, header->synced);
    put_u32(&w, header->bytes);
    put_u32(&w, header->frame_count);
    put_u32(&w, header->is_mark ? GROUP_MARK : 0);
    put_u32(&w, 0); /* spare */
    core_assert(w.left == 0);
    core_assert(!w.overrun);

    uint64_t padded = wal_padded(header->bytes);
    w = writer_over(group + GROUP_AT_CHECKSUM, 8);
    put_u64(&w, hash64(group + GROUP_CHECKED_FROM, padded - GROUP_CHECKED_FROM));
}

uint64_t wal_group_probe(const uint8_t page[static WAL_PAGE_BYTES],
                         const uint8_t log_id[static WAL_ID_BYTES], uint64_t offset,
                         uint64_t bytes_max, const char **found)
{
    *found = "no magic of a group";
    if (memcmp(page, group_magic, sizeof group_magic) != 0)
        return 0;
    *found = "a group of another log file";
    if (memcmp(page + GROUP_AT_LOG_ID, log_id, WAL_ID_BYTES) != 0)
        return 0;
    *found = "a group of another offset";
    if (u64_at(page + GROUP_AT_OFFSET) != offset)
        return 0;
    struct reader r = reader_over(page + GROUP_AT_BYTES, 4);
    uint32_t bytes = get_u32(&r);
    *found = "a group whose length is out of range";
    if (bytes < WAL_GROUP_HEADER_BYTES || bytes > WAL_GROUP_BYTES_MAX ||
        wal_padded(bytes) > bytes_max)
        return 0;
    return wal_padded(bytes);
}

bool wal_group_is_whole(const uint8_t *group, uint64_t padded_bytes)
{
    uint64_t checksum = u64_at(group + GROUP_AT_CHECKSUM);
    return CRYPTO_TRUSTS_TAGS || checksum == hash64(group + GROUP_CHECKED_FROM,
                                                    (size_t)padded_bytes - GROUP_CHECKED_FROM);
}

holter_status wal_group_header_decode(struct wal_group_header *out, const uint8_t *group,
                                      const char **found)
{
    struct wal_group_header header;
    struct reader r =
        reader_over(group + GROUP_AT_LOG_ID, WAL_GROUP_HEADER_BYTES - GROUP_AT_LOG_ID);
    get_copy(&r, header.log_id, sizeof header.log_id);
    header.offset = get_u64(&r);
    header.first_sequence = get_u64(&r);
    header.watermark = get_u64(&r);
    header.synced = get_u64(&r);
    header.bytes = get_u32(&r);
    header.frame_count = get_u32(&r);
    uint32_t flags = get_u32(&r);
    uint32_t spare = get_u32(&r);
    core_assert(reader_is_done(&r));
    core_assert(header.bytes >= WAL_GROUP_HEADER_BYTES); /* probed */

    *found = "a group with spare bits";
    if ((flags & ~(uint32_t)GROUP_MARK) != 0 || spare != 0)
        return HOLTER_CORRUPT;
    header.is_mark = (flags & GROUP_MARK) != 0;
    *found = "a group with a field out of its range";
    if (!group_is_valid(&header))
        return HOLTER_CORRUPT;
    *found = "a group whose padding is not zero";
    if (!bytes_are_zero(group + header.bytes, (size_t)wal_padded(header.bytes) - header.bytes))
        return HOLTER_CORRUPT;
    *out = header;
    return HOLTER_OK;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static bool frame_is_valid(const struct wal_frame_header *header)
{
    return header->sequence != 0 && header->user != 0 &&
           (header->flags & ~(uint32_t)WAL_FRAME_FLAGS) == 0 &&
           header->sealed_bytes > CRYPTO_TAG_BYTES &&
           header->sealed_bytes <= WAL_FRAME_BODY_BYTES_MAX + CRYPTO_TAG_BYTES;
}

void wal_frame_header_encode(uint8_t out[static WAL_FRAME_HEADER_BYTES],
                             const struct wal_frame_header *header,
                             const uint8_t nonce[static CRYPTO_NONCE_BYTES])
{
    core_assert(frame_is_valid(header));
    struct writer w = writer_over(out, WAL_FRAME_HEADER_BYTES);
    put_u64(&w, header->sequence);
    put_u64(&w, header->user);
    put_u32(&w, header->key_generation);
    put_u32(&w, header->flags);
    put_u32(&w, header->sealed_bytes);
    put_u32(&w, 0); /* spare */
    put_bytes(&w, nonce, CRYPTO_NONCE_BYTES);
    core_assert(w.left == 0);
    core_assert(!w.overrun);
}

holter_status wal_frame_header_decode(struct wal_frame_header *out,
                                      const uint8_t in[static WAL_FRAME_HEADER_BYTES])
{
    struct reader r = reader_over(in, WAL_FRAME_HEADER_BYTES);
    struct wal_frame_header header;
    header.sequence = get_u64(&r);
    header.user = get_u64(&r);
    header.key_generation = get_u32(&r);
    header.flags = get_u32(&r);
    header.sealed_bytes = get_u32(&r);
    uint32_t spare = get_u32(&r);

    if (spare != 0 || !frame_is_valid(&header))
        return HOLTER_CORRUPT;
    *out = header;
    return HOLTER_OK;
}
