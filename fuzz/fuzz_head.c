/*
 * fuzz_head.c -- a hostile head page: read, published over, read again.
 *
 * Input: a byte of options, then the file.
 */
#include "fuzz.h"
#include "head/head.h"

#include <string.h>

enum option { WRITABLE = 1 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    bool writable = (get_u8(&in) & WRITABLE) != 0;
    struct fuzz_world world;
    fuzz_world_init(&world);
    core_assert(sim_file_write(world.sim, "d/head", in.at, in.left) == HOLTER_OK);
    struct head *head = NULL;
    holter_status status =
        head_open(&head, world.io, "d/head", fuzz_store_id, FUZZ_PLACE, writable, &world.err);
    fuzz_check(status, &world.err);
    for (unsigned pair = 0; status == HOLTER_OK && pair < HEAD_PAIRS; pair++) {
        uint64_t words[HEAD_WORDS];
        (void)head_read(head, pair, words);
        if (!writable)
            continue;
        for (uint64_t i = 0; i < HEAD_WORDS; i++)
            words[i] = pair + i;
        uint64_t found[HEAD_WORDS];
        head_publish(head, pair, words);
        core_assert(head_read(head, pair, found));
        core_assert(memcmp(found, words, sizeof words) == 0);
    }
    head_close(head);
    fuzz_world_release(&world);
    return 0;
}
