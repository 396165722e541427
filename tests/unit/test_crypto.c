/*
 * test_crypto.c -- sealing and hashing equal the published vectors; an arena gives each slot to one
 * owner.
 *
 * Sealing: draft-irtf-cfrg-xchacha-03, A.3.1. Hashing: BLAKE2b-128 and -256 by an independent
 * implementation (Python's hashlib); of the empty message without key also found in the wild. Every
 * byte of a sealed message, its nonce, its associated data and its key is changed in turn.
 */
#include "run.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "crypto/crypto_impl.h"

static struct crypto_arena *arena;
static struct crypto_key *key;

static size_t from_hex(uint8_t *out, const char *hex)
{
    size_t count = strlen(hex) / 2;
    for (size_t i = 0; i < count; i++) {
        char digits[3] = { hex[2 * i], hex[2 * i + 1], 0 };
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return count;
}

static void setup(void)
{
    uint8_t bytes[CRYPTO_KEY_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(0x80 + i);
    ck_assert_int_eq(crypto_arena_new(&arena, 4, NULL), HOLTER_OK);
    key = crypto_key_new(arena, bytes);
    ck_assert_ptr_nonnull(key);
}

static void teardown(void)
{
    crypto_key_free(key);
    crypto_arena_free(arena);
}

static const char sunscreen[] =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip "
    "for the future, sunscreen would be it.";
enum { SUNSCREEN_BYTES = sizeof sunscreen - 1, SEALED_BYTES = SUNSCREEN_BYTES + CRYPTO_TAG_BYTES };
static const char nonce_hex[] = "404142434445464748494a4b4c4d4e4f5051525354555657";
static const char associated_hex[] = "50515253c0c1c2c3c4c5c6c7";
static const char sealed_hex[] =
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e"
    "39"
    "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3ff"
    "f9"
    "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";

START_TEST(sealing_equals_the_draft)
{
    uint8_t nonce[24], associated[12], want[SEALED_BYTES], got[SEALED_BYTES], back[SUNSCREEN_BYTES];
    from_hex(nonce, nonce_hex);
    from_hex(associated, associated_hex);
    ck_assert_uint_eq(from_hex(want, sealed_hex), SEALED_BYTES);

    crypto_seal(got, sunscreen, SUNSCREEN_BYTES, associated, sizeof associated, nonce, key);
    ck_assert_mem_eq(got, want, sizeof want);
    ck_assert(crypto_open(back, want, sizeof want, associated, sizeof associated, nonce, key));
    ck_assert_mem_eq(back, sunscreen, SUNSCREEN_BYTES);

    memcpy(got, sunscreen, SUNSCREEN_BYTES); /* in place, both ways */
    crypto_seal(got, got, SUNSCREEN_BYTES, associated, sizeof associated, nonce, key);
    ck_assert_mem_eq(got, want, sizeof want);
    ck_assert(crypto_open(got, got, sizeof got, associated, sizeof associated, nonce, key));
    ck_assert_mem_eq(got, sunscreen, SUNSCREEN_BYTES);
}
END_TEST

/* Once sealed (0), once with the checksum of a store without sealing (1). */
START_TEST(opening_refuses_every_change)
{
    const struct crypto_key *with = _i == 0 ? key : NULL;
    uint8_t nonce[24], associated[12], sealed[SEALED_BYTES], out[SUNSCREEN_BYTES];
    static const uint8_t zeros[SUNSCREEN_BYTES];
    from_hex(nonce, nonce_hex);
    from_hex(associated, associated_hex);
    crypto_seal(sealed, sunscreen, SUNSCREEN_BYTES, associated, sizeof associated, nonce, with);

    struct {
        uint8_t *bytes;
        size_t count;
    } parts[] = {
        { sealed, sizeof sealed },
        { nonce, sizeof nonce },
        { associated, sizeof associated },
    };
    for (size_t p = 0; p < CORE_COUNT(parts); p++)
        for (size_t bit = 0; bit < parts[p].count * 8; bit++) {
            parts[p].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memset(out, 1, sizeof out);
            ck_assert(!crypto_open(out, sealed, sizeof sealed, associated, sizeof associated, nonce,
                                   with));
            ck_assert_mem_eq(out, zeros, sizeof out);
            parts[p].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    for (size_t bytes = 0; bytes < sizeof sealed; bytes++)
        ck_assert(!crypto_open(out, sealed, bytes, associated, sizeof associated, nonce, with));
    ck_assert(
        !crypto_open(out, sealed, sizeof sealed, associated, sizeof associated - 1, nonce, with));
    ck_assert(!crypto_open(out, sealed, sizeof sealed, NULL, 0, nonce, with));
    ck_assert(!crypto_open(out, sealed, sizeof sealed, associated, sizeof associated, nonce,
                           with == NULL ? key : NULL));
    ck_assert(crypto_open(out, sealed, sizeof sealed, associated, sizeof associated, nonce, with));
    ck_assert_mem_eq(out, sunscreen, SUNSCREEN_BYTES);
}
END_TEST

START_TEST(nothing_can_be_sealed_too)
{
    const struct crypto_key *with = _i == 0 ? key : NULL;
    uint8_t nonce[24] = { 7 }, sealed[CRYPTO_TAG_BYTES], out[1] = { 9 };
    crypto_seal(sealed, NULL, 0, NULL, 0, nonce, with);
    ck_assert(crypto_open(out, sealed, sizeof sealed, NULL, 0, nonce, with));
    sealed[3] ^= 1;
    ck_assert(!crypto_open(out, sealed, sizeof sealed, NULL, 0, nonce, with));
    ck_assert_uint_eq(out[0], 9);
}
END_TEST

START_TEST(without_a_key_the_bytes_are_plain_and_xxh3_ends_them)
{
    uint8_t nonce[24], sealed[3 + CRYPTO_TAG_BYTES], all[24 + 2 + 3], tag[16];
    from_hex(nonce, nonce_hex);
    crypto_seal(sealed, "abc", 3, "xy", 2, nonce, NULL);
    ck_assert_mem_eq(sealed, "abc", 3);

    memcpy(all, nonce, 24);
    memcpy(all + 24, "xyabc", 5);
    struct hash128 hash = hash128(all, sizeof all);
    for (size_t i = 0; i < 8; i++) {
        tag[i] = (uint8_t)(hash.low >> 8 * i);
        tag[8 + i] = (uint8_t)(hash.high >> 8 * i);
    }
    ck_assert_mem_eq(sealed + 3, tag, sizeof tag);
}
END_TEST

static const struct {
    bool keyed;
    size_t count; /* of the message 00 01 02 .. */
    const char *hash;
} hashes[] = {
    { false, 0, "cae66941d9efbd404e4d88758ea67670" },
    { true, 0, "3daf97bce7888fd59773c66bf647459c" },
    { true, 128, "45d43af02414a146c8803c3f7da3554d" },
    { true, 255, "89cde4d1b8ea2dd5325db76af38ccb90" },
};

static struct crypto_key *counting_key(void)
{
    uint8_t bytes[CRYPTO_KEY_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    return crypto_key_new(arena, bytes);
}

START_TEST(hashes_equal_blake2b)
{
    uint8_t message[256], got[CRYPTO_ID_HASH_BYTES], want[CRYPTO_ID_HASH_BYTES];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    struct crypto_key *counting = counting_key();
    crypto_id_hash(got, message, hashes[_i].count, hashes[_i].keyed ? counting : NULL);
    from_hex(want, hashes[_i].hash);
    ck_assert_mem_eq(got, want, sizeof want);
    crypto_key_free(counting);
}
END_TEST

START_TEST(derived_keys_equal_blake2b_over_purpose_and_id)
{
    uint8_t id[16], want[32];
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)i;
    struct crypto_key *counting = counting_key();
    struct crypto_key *derived = crypto_key_derive(arena, counting, "purpose8", id);
    ck_assert_ptr_nonnull(derived);
    from_hex(want, "7962ff3487599e821c5085dfdc9fe5d6bd902c984a35a78ae1c7dd12d808203b");
    ck_assert_mem_eq(crypto_key_bytes(derived), want, sizeof want);
    crypto_key_free(derived);
    crypto_key_free(counting);
}
END_TEST

/* What crypto_seal makes of the key that crypto_key_derive gives. */
static void check_seal_derived(const struct crypto_key *by, const char *purpose, const uint8_t *id)
{
    static const uint8_t nonce[CRYPTO_NONCE_BYTES] = { 1 };
    uint8_t want[4 + CRYPTO_TAG_BYTES], found[4 + CRYPTO_TAG_BYTES];
    struct crypto_key *derived = crypto_key_derive(arena, by, purpose, id);
    ck_assert_ptr_nonnull(derived);
    crypto_seal(want, "rows", 4, "ad", 2, nonce, derived);
    crypto_key_free(derived);
    crypto_seal_derived(found, "rows", 4, "ad", 2, nonce, by, purpose, id);
    ck_assert_mem_eq(found, want, sizeof want);
}

/* Each key in its turn in the same slot, each asked for the same and for something else. */
START_TEST(sealing_by_a_derived_key_is_sealing_by_that_key)
{
    static const uint8_t ids[2][16] = { { 0 }, { [15] = 1 } };
    const struct crypto_key *slot = NULL;
    uint8_t bytes[CRYPTO_KEY_BYTES];
    for (unsigned i = 0; i < 8; i++) {
        memset(bytes, (int)(1 + i), sizeof bytes);
        struct crypto_key *by = crypto_key_new(arena, bytes);
        ck_assert_ptr_nonnull(by);
        ck_assert(slot == NULL || slot == by);
        slot = by;
        for (unsigned again = 0; again < 2; again++) {
            check_seal_derived(by, "purpose1", ids[i / 4]);
            check_seal_derived(by, "purpose1", ids[i / 4]);
            check_seal_derived(by, "purpose2", ids[i / 4]);
            check_seal_derived(by, "purpose2", ids[1 - i / 4]);
        }
        check_seal_derived(by, "purpose1", ids[0]); /* as the next one is asked for first */
        crypto_key_free(by);
    }
}
END_TEST

START_TEST(slots_run_out_and_come_back_empty)
{
    struct crypto_key *more[3];
    uint8_t bytes[CRYPTO_KEY_BYTES];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < CORE_COUNT(more); i++) {
            memset(bytes, (int)(1 + i), sizeof bytes);
            more[i] = crypto_key_new(arena, bytes);
            ck_assert_ptr_nonnull(more[i]);
        }
        ck_assert_ptr_null(crypto_key_new(arena, bytes));
        ck_assert_ptr_null(crypto_key_derive(arena, key, "12345678", bytes));
        for (size_t i = 0; i < CORE_COUNT(more); i++) {
            memset(bytes, (int)(1 + i), sizeof bytes);
            ck_assert_mem_eq(crypto_key_bytes(more[i]), bytes, sizeof bytes);
            crypto_key_free(more[i]);
        }
    }
    crypto_key_free(NULL);
}
END_TEST

START_TEST(wiping_overwrites_keys_in_use)
{
    static const uint8_t id[16] = { 1 };
    const uint8_t *bytes = crypto_key_bytes(key);
    const uint8_t *derived = crypto_key_bytes_derived(key, "purpose8", id);
    static const uint8_t zeros[CRYPTO_KEY_BYTES];
    ck_assert_mem_ne(derived, zeros, sizeof zeros);
    if (_i == 1)
        key->derived.is_there = false; /* a fork met the thread that derives */
    crypto_arena_wipe(arena);
    ck_assert_mem_eq(bytes, zeros, sizeof zeros);
    ck_assert_mem_eq(derived, zeros, sizeof zeros);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
START_TEST(sealing_with_a_wiped_key_asserts) /* ends by SIGABRT */
{
    uint8_t nonce[24] = { 0 }, out[CRYPTO_TAG_BYTES];
    crypto_arena_wipe(arena);
    crypto_seal(out, NULL, 0, NULL, 0, nonce, key);
}
END_TEST
#endif

/* Four threads share three slots; each finds in a slot only what it wrote itself. */
static void *take_and_give(void *context)
{
    uint8_t bytes[CRYPTO_KEY_BYTES];
    memset(bytes, *(int *)context, sizeof bytes);
    intptr_t wrong = 0;
    for (int i = 0; i < 20000; i++) {
        struct crypto_key *mine = crypto_key_new(arena, bytes);
        if (mine == NULL)
            continue;
        wrong += memcmp(crypto_key_bytes(mine), bytes, sizeof bytes) != 0;
        crypto_key_free(mine);
    }
    return (void *)wrong;
}

START_TEST(threads_never_share_a_slot)
{
    pthread_t threads[4];
    int marks[4] = { 1, 2, 3, 4 };
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, &marks[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
    struct crypto_key *rest[3]; /* none got lost */
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    for (size_t i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(rest[i] = crypto_key_new(arena, bytes));
    for (size_t i = 0; i < 3; i++)
        crypto_key_free(rest[i]);
}
END_TEST

/* More slots than are made at once: all of them, and no more. */
START_TEST(an_arena_grows_up_to_its_slots)
{
    enum { MANY = 1300 };
    static struct crypto_key *keys[MANY];
    struct crypto_arena *large;
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    ck_assert_int_eq(crypto_arena_new(&large, MANY, NULL), HOLTER_OK);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            memcpy(bytes, &i, sizeof i);
            keys[i] = crypto_key_new(large, bytes);
            ck_assert_ptr_nonnull(keys[i]);
        }
        ck_assert_ptr_null(crypto_key_new(large, bytes));
        for (unsigned i = 0; i < MANY; i++) {
            memcpy(bytes, &i, sizeof i);
            ck_assert_mem_eq(crypto_key_bytes(keys[i]), bytes, sizeof bytes);
        }
        for (unsigned i = 0; i < MANY && round == 0; i++)
            crypto_key_free(keys[(i * 7) % MANY]);
    }
    crypto_arena_wipe(large);
    memset(bytes, 0, sizeof bytes);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_mem_eq(keys[i]->bytes, bytes, sizeof bytes);
    crypto_arena_free(large);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Without memory for more slots those that there are go round; with it again, more are had. */
START_TEST(an_arena_that_cannot_grow_tells)
{
    enum { MANY = 1300 };
    static struct crypto_key *keys[MANY];
    struct crypto_arena *large;
    struct rlimit before;
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 1 };
    size_t count = 0;
    ck_assert_int_eq(crypto_arena_new(&large, MANY, NULL), HOLTER_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    const struct rlimit none = { 0, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    while (count < MANY && (keys[count] = crypto_key_new(large, bytes)) != NULL)
        count++;
    struct crypto_key *derived = crypto_key_derive(large, keys[0], "purpose8", bytes);
    crypto_key_free(keys[--count]);
    struct crypto_key *again = crypto_key_new(large, bytes);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    ck_assert(count > 0 && count < MANY - 1);
    ck_assert_ptr_null(derived);
    ck_assert_ptr_eq(again, keys[count++]);
    while (count < MANY && (keys[count] = crypto_key_new(large, bytes)) != NULL)
        count++;
    ck_assert_uint_eq(count, MANY);
    crypto_arena_free(large);
}
END_TEST
#endif

/* Four threads make the arena grow at once; every slot is had by one. */
static void *take_many(void *context)
{
    struct crypto_arena *of = context;
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 7 };
    for (unsigned i = 0; i < 1000; i++)
        CHECK(crypto_key_new(of, bytes) != NULL);
    return NULL;
}

START_TEST(threads_make_an_arena_grow)
{
    pthread_t threads[4];
    struct crypto_arena *large;
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    ck_assert_int_eq(crypto_arena_new(&large, 4000, NULL), HOLTER_OK);
    for (size_t i = 0; i < CORE_COUNT(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, large), 0);
    for (size_t i = 0; i < CORE_COUNT(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_ptr_null(crypto_key_new(large, bytes));
    crypto_arena_free(large);
}
END_TEST

START_TEST(the_arena_tells_whether_it_is_locked)
{
    struct crypto_arena *small;
    ck_assert_int_eq(crypto_arena_new(&small, 1, NULL), HOLTER_OK);
    (void)crypto_arena_is_locked(small); /* either answer is right; that it answers is all */
    crypto_arena_free(small);
    crypto_arena_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crypto");
    TCase *tcase = tcase_create("crypto");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, sealing_equals_the_draft);
    tcase_add_loop_test(tcase, opening_refuses_every_change, 0, 2);
    tcase_add_loop_test(tcase, nothing_can_be_sealed_too, 0, 2);
    tcase_add_test(tcase, without_a_key_the_bytes_are_plain_and_xxh3_ends_them);
    tcase_add_loop_test(tcase, hashes_equal_blake2b, 0, CORE_COUNT(hashes));
    tcase_add_test(tcase, derived_keys_equal_blake2b_over_purpose_and_id);
    tcase_add_test(tcase, sealing_by_a_derived_key_is_sealing_by_that_key);
    tcase_add_test(tcase, slots_run_out_and_come_back_empty);
    tcase_add_loop_test(tcase, wiping_overwrites_keys_in_use, 0, 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (getenv("CK_FORK") == NULL || strcmp(getenv("CK_FORK"), "no") != 0)
        tcase_add_test_raise_signal(tcase, sealing_with_a_wiped_key_asserts, SIGABRT);
#endif
    tcase_add_test(tcase, threads_never_share_a_slot);
    tcase_add_test(tcase, an_arena_grows_up_to_its_slots);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(tcase, an_arena_that_cannot_grow_tells);
#endif
    tcase_add_test(tcase, threads_make_an_arena_grow);
    tcase_add_test(tcase, the_arena_tells_whether_it_is_locked);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
