/*
 * fuzz_body.c -- what a frame's body says, decoded and encoded again.
 *
 * Input: the body.
 */
#include "fuzz.h"
#include "wal/wal_impl.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct wal_body body;
    holter_status status = wal_body_decode(&body, bytes, count, 77);
    core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
    if (status != HOLTER_OK)
        return 0;
    struct buffer again;
    buffer_init(&again);
    wal_body_encode_begin(&again, body.tombstones, body.tombstone_count);
    for (size_t i = 0; i < body.part_count; i++) {
        const struct wal_part *part = &body.parts[i];
        wal_body_encode_rows(&again, part->metric, part->source, &part->columns, 0,
                             part->columns.count);
    }
    core_assert(!again.failed);
    core_assert(again.bytes == count);
    core_assert(count == 0 || memcmp(again.data, bytes, count) == 0);
    buffer_release(&again);
    wal_body_release(&body);
    return 0;
}
