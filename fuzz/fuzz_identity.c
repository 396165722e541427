/*
 * fuzz_identity.c -- the file that makes a directory a store; written again, it says the same.
 *
 * Input: the file.
 */
#include "fuzz.h"
#include "store/store_impl.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    core_assert(sim_file_write(world.sim, "d/holter.store", bytes, count) == HOLTER_OK);
    struct store_identity identity;
    unsigned damaged = 0;
    holter_status status = store_identity_read(&identity, &damaged, world.io, "d", &world.err);
    fuzz_check(status, &world.err);
    if (status == HOLTER_OK) {
        struct store_identity again;
        core_assert(damaged <= 1);
        core_assert(io_unlink(world.io, "d/holter.store", NULL) == HOLTER_OK);
        core_assert(store_identity_write(world.io, "d/holter.store", &identity, NULL) == HOLTER_OK);
        core_assert(store_identity_read(&again, &damaged, world.io, "d", NULL) == HOLTER_OK);
        core_assert(damaged == 0);
        core_assert(memcmp(again.id, identity.id, sizeof again.id) == 0);
        core_assert(again.is_sealed == identity.is_sealed && again.made_ns == identity.made_ns);
    }
    fuzz_world_release(&world);
    return 0;
}
