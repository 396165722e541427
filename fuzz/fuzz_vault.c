/*
 * fuzz_vault.c -- the bodies of a vault's edits, in a sound frame: opened, every user asked for,
 * verified, gone on with.
 *
 * Input: a byte of options, then edits (fuzz.h).
 */
#include "fuzz.h"
#include "vault/vault_impl.h"

#include <stdlib.h>
#include <string.h>

enum option { WRITABLE = 1, IS_SEALED = 2 };
enum { USERS_ASKED_MAX = 200 };

/* The keyring of a sealed store: epochs 1 and 2. */
static struct keyring *keyring_get(void)
{
    static struct keyring keyring;
    static const uint8_t bytes[2][CRYPTO_KEY_BYTES] = { { 11 }, { 22 } };
    for (; keyring.count < 2; keyring.count++) {
        keyring.epoch[keyring.count] = (uint32_t)keyring.count + 1;
        keyring.key[keyring.count] = crypto_key_new(fuzz_arena(), bytes[keyring.count]);
        core_assert(keyring.key[keyring.count] != NULL);
    }
    return &keyring;
}

static void report(void *context, const char *sentence)
{
    core_assert(sentence[0] != '\0');
    *(size_t *)context += 1;
}

static void ask(struct fuzz_world *world, struct vault *vault, const struct vault_user *user)
{
    struct vault_user found;
    const struct crypto_key *key = NULL;
    char id[VAULT_ID_BYTES_MAX + 1];
    size_t bytes = 0;
    core_assert(vault_find_number(&found, vault, user->number, &world->err) == HOLTER_OK);
    core_assert(found.number == user->number && found.is_erased == user->is_erased);
    holter_status status = vault_key(&key, vault, user->number, user->key_generation, &world->err);
    fuzz_check(status, &world->err);
    core_assert(status != HOLTER_OK || !user->is_erased);
    if (status == HOLTER_OK && key != NULL)
        vault_key_unref(vault, key);
    status = vault_id(id, &bytes, vault, user->number, &world->err);
    fuzz_check(status, &world->err);
    if (status != HOLTER_OK)
        return;
    core_assert(bytes > 0 && bytes <= VAULT_ID_BYTES_MAX);
    core_assert(utf8_is_valid(id, bytes));
    fuzz_check(vault_find(&found, vault, id, bytes, &world->err), &world->err);
}

/* Who is added is found, also by who opens then; and no more once erased. */
static void go_on(struct fuzz_world *world, struct vault *vault, const struct vault_spec *spec)
{
    static const struct vault_id ids[] = { { "a new id", 8, 0 }, { "another one", 11, 3 } };
    uint64_t numbers[2];
    struct vault_user found;
    holter_status status = vault_add(numbers, vault, ids, 2, &world->err);
    fuzz_check(status, &world->err);
    if (status != HOLTER_OK)
        return;
    struct vault *again = NULL;
    status = vault_open(&again, spec, false, UINT64_MAX, &world->err);
    core_assert(status == HOLTER_OK);
    core_assert(vault_user_count(again) == vault_user_count(vault));
    for (size_t i = 0; i < 2; i++) {
        core_assert(vault_find(&found, again, ids[i].bytes, ids[i].count, &world->err) ==
                    HOLTER_OK);
        core_assert(found.number == numbers[i]);
    }
    status = vault_erase(vault, numbers, 1, &world->err);
    fuzz_check(status, &world->err);
    if (status == HOLTER_OK) {
        core_assert(vault_refresh(again, false, UINT64_MAX, &world->err) == HOLTER_OK);
        core_assert(vault_find_number(&found, again, numbers[0], &world->err) == HOLTER_OK);
        core_assert(found.is_erased);
    }
    vault_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    bool writable = (options & WRITABLE) != 0;
    struct fuzz_world world;
    fuzz_world_init(&world);
    fuzz_edits_put(&world, &in, "vault", EDITS_VAULT, 0);
    struct vault_spec spec = { .io = world.io,
                               .directory = "d",
                               .keyring = (options & IS_SEALED) != 0 ? keyring_get() : NULL,
                               .arena = fuzz_arena() };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);

    struct vault *vault = NULL;
    holter_status status = vault_open(&vault, &spec, writable, UINT64_MAX, &world.err);
    fuzz_check(status, &world.err);
    if (status == HOLTER_OK) {
        for (size_t i = 0; i < vault_user_count(vault) && i < USERS_ASKED_MAX; i++) {
            struct vault_user user = vault_user_at(vault, i);
            ask(&world, vault, &user);
        }
        size_t damaged = 0;
        size_t reported = 0;
        fuzz_check(vault_verify(vault, report, &reported, &damaged, &world.err), &world.err);
        core_assert(reported == damaged);
        if (writable)
            go_on(&world, vault, &spec);
    }
    vault_close(vault);
    fuzz_world_release(&world);
    return 0;
}
