/*
 * fuzz_keyring.c -- a hostile keyring.
 *
 * Input: the file.
 */
#include "fuzz.h"
#include "vault/vault_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    core_assert(io_write_file(world.io, "d/k", bytes, count, IO_PRIVATE, NULL) == HOLTER_OK);
    struct keyring *keyring = NULL;
    holter_status status =
        keyring_open(&keyring, world.io, "d/k", fuzz_store_id, fuzz_arena(), &world.err);
    fuzz_check(status, &world.err);
    if (status == HOLTER_OK) {
        core_assert(keyring->count > 0 && keyring->count <= KEYRING_EPOCHS_MAX);
        for (size_t i = 0; i < keyring->count; i++) {
            core_assert(i == 0 || keyring->epoch[i] > keyring->epoch[i - 1]);
            core_assert(keyring_key(keyring, keyring->epoch[i]) == keyring->key[i]);
        }
        core_assert(keyring_newest(keyring) == keyring->epoch[keyring->count - 1]);
        core_assert(keyring_key(keyring, 0) == NULL);
    }
    keyring_close(keyring);
    fuzz_world_release(&world);
    return 0;
}
