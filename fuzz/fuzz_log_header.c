/*
 * fuzz_log_header.c -- the fixed structures of a log: file header, group header, frame header.
 *
 * Input: a byte that chooses, then a page.
 */
#include "fuzz.h"
#include "wal/wal_impl.h"

#include <string.h>

static void file_header(const uint8_t page[static WAL_PAGE_BYTES])
{
    struct wal_header header;
    unsigned bad = 0;
    const char *found = NULL;
    holter_status status = wal_header_decode(&header, page, &bad, &found);
    core_assert(status == HOLTER_OK || found != NULL);
    if (status != HOLTER_OK || bad == 3)
        return;
    struct wal_header again;
    uint8_t encoded[WAL_PAGE_BYTES] = { 0 };
    wal_header_encode(encoded, &header);
    unsigned none = 0;
    core_assert(wal_header_decode(&again, encoded, &none, &found) == HOLTER_OK);
    core_assert(none == 0);
    core_assert(again.number == header.number && again.previous_end == header.previous_end &&
                again.first_sequence == header.first_sequence);
}

static void group_header(const uint8_t page[static WAL_PAGE_BYTES])
{
    struct wal_group_header header;
    const char *found = NULL;
    struct reader r = reader_over(page + 16, WAL_ID_BYTES + 8);
    const uint8_t *log_id = get_bytes(&r, WAL_ID_BYTES);
    uint64_t offset = get_u64(&r);
    uint64_t padded = wal_group_probe(page, log_id, offset, WAL_PAGE_BYTES, &found);
    core_assert(padded <= WAL_PAGE_BYTES);
    if (padded == 0) {
        core_assert(found != NULL);
        return;
    }
    core_assert(wal_group_is_whole(page, padded));
    if (wal_group_header_decode(&header, page, &found) != HOLTER_OK) {
        core_assert(found != NULL);
        return;
    }
    uint8_t encoded[WAL_PAGE_BYTES];
    memcpy(encoded, page, sizeof encoded);
    wal_group_header_encode(encoded, &header);
    core_assert(memcmp(encoded, page, 8) == 0);
    core_assert(memcmp(encoded + 16, page + 16, WAL_GROUP_HEADER_BYTES - 16) ==
                0); /* but the checksum */
}

static void frame_header(const uint8_t page[static WAL_PAGE_BYTES])
{
    struct wal_frame_header header;
    if (wal_frame_header_decode(&header, page) != HOLTER_OK)
        return;
    uint8_t encoded[WAL_FRAME_HEADER_BYTES];
    wal_frame_header_encode(encoded, &header, page + WAL_FRAME_HEADER_BYTES - CRYPTO_NONCE_BYTES);
    core_assert(memcmp(encoded, page, sizeof encoded) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    uint8_t page[WAL_PAGE_BYTES] = { 0 };
    struct reader in = reader_over(bytes, count);
    uint8_t which = get_u8(&in) % 3;
    size_t take = in.left < sizeof page ? in.left : sizeof page;
    get_copy(&in, page, take);
    if (which == 0)
        file_header(page);
    else if (which == 1)
        group_header(page);
    else
        frame_header(page);
    return 0;
}
