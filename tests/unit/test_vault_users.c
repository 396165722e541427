/*
 * test_vault_users.c -- users are found by id and number, keep their keys, and are erased; sealed
 * and not.
 *
 * Most tests run on a sealed vault (0) and on one without sealing (1).
 */
#include "vault_world.h"

static bool is_sealed;

static void setup_sealed(void)
{
    world_setup(is_sealed = true);
}

static void setup_plain(void)
{
    world_setup(is_sealed = false);
}

static const char long_id[] =
    "an-id-of-more-than-63-bytes-which-is-sealed-in-the-longer-form-0123456789";

START_TEST(users_are_found_by_id_and_by_number)
{
    static const char *const ids[] = { "a", "b@example.org", long_id, "\xe4\xba\xba", "ab" };
    uint64_t numbers[CORE_COUNT(ids)];
    struct vault_user user;
    for (size_t i = 0; i < CORE_COUNT(ids); i++)
        MUST(world_add(&numbers[i], ids[i]));

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < CORE_COUNT(ids); i++) {
            char id[VAULT_ID_BYTES_MAX + 1];
            size_t bytes;
            MUST(world_find(&user, ids[i]));
            ck_assert_uint_eq(user.number, numbers[i]);
            ck_assert_uint_eq(user.region, 3);
            ck_assert_uint_eq(user.key_generation, 1);
            ck_assert(!user.is_erased);
            MUST(vault_find_number(&user, world.vault, numbers[i], &world.err));
            ck_assert_uint_eq(user.number, numbers[i]);
            ck_assert_uint_eq(vault_user_at(world.vault, i).number, numbers[i]);
            MUST(vault_id(id, &bytes, world.vault, numbers[i], &world.err));
            ck_assert_str_eq(id, ids[i]);
            ck_assert_uint_eq(bytes, strlen(ids[i]));
        }
        ck_assert_uint_eq(vault_user_count(world.vault), CORE_COUNT(ids));
        ck_assert_int_eq(world_find(&user, "c"), HOLTER_NOT_FOUND);
        ck_assert_int_eq(vault_find_number(&user, world.vault, 1, &world.err), HOLTER_NOT_FOUND);
        world_reopen();
    }
}
END_TEST

START_TEST(an_id_that_is_there_or_comes_twice_has_one_number)
{
    static const struct vault_id ids[] = {
        { "new", 3, 1 }, { "old", 3, 2 }, { "new", 3, 1 }, { "newer", 5, 1 }, { "new", 3, 1 },
    };
    uint64_t old, numbers[CORE_COUNT(ids)];
    MUST(world_add(&old, "old"));
    uint64_t version = vault_version(world.vault);
    MUST(vault_add(numbers, world.vault, ids, CORE_COUNT(ids), &world.err));
    ck_assert_uint_eq(vault_version(world.vault), version + 1);
    ck_assert_uint_eq(numbers[1], old);
    ck_assert_uint_eq(numbers[0], numbers[2]);
    ck_assert_uint_eq(numbers[0], numbers[4]);
    ck_assert_uint_ne(numbers[0], numbers[3]);
    ck_assert_uint_ne(numbers[0], old);
    ck_assert_uint_eq(vault_user_count(world.vault), 3);

    MUST(vault_add(numbers, world.vault, ids, CORE_COUNT(ids),
                   &world.err)); /* all are there: no edit */
    ck_assert_uint_eq(vault_version(world.vault), version + 1);
}
END_TEST

static const struct {
    const char *bytes;
    size_t count;
} bad_ids[] = {
    { "", 0 },
    { "0123456789012345678901234567890123456789012345678901234567890123"
      "01234567890123456789012345678901234567890123456789012345678901234",
      129 },
    { "\xff", 1 },
    { "a\x80", 2 },
    { "\xc0\xaf", 2 },         /* over-long */
    { "\xe0\x80\x80", 3 },     /* over-long */
    { "\xed\xa0\x80", 3 },     /* a surrogate */
    { "\xf4\x90\x80\x80", 4 }, /* over U+10FFFF */
    { "\xe4\xba", 2 },         /* cut */
};

START_TEST(ids_that_are_none_are_refused_without_being_told)
{
    struct vault_id ids[2] = { { "fine", 4, 0 }, { bad_ids[_i].bytes, bad_ids[_i].count, 0 } };
    struct vault_user user;
    uint64_t numbers[2] = { 77, 77 };
    ck_assert_int_eq(vault_add(numbers, world.vault, ids, 2, &world.err), HOLTER_INVALID);
    ck_assert_uint_eq(numbers[0], 77);
    ck_assert_uint_eq(vault_user_count(world.vault), 0);
    ck_assert_int_eq(vault_find(&user, world.vault, ids[1].bytes, ids[1].count, &world.err),
                     HOLTER_INVALID);
    if (ids[1].count > 4)
        ck_assert_ptr_null(strstr(world.err.message, "01234"));
}
END_TEST

START_TEST(no_sentence_repeats_an_id)
{
    struct vault_user user;
    memset(&world.err, 0, sizeof world.err);
    ck_assert_int_eq(world_find(&user, "secret-person"), HOLTER_NOT_FOUND);
    ck_assert_ptr_null(strstr(world.err.message, "secret"));
}
END_TEST

START_TEST(ids_of_every_length_come_back)
{
    char id[VAULT_ID_BYTES_MAX + 1], back[VAULT_ID_BYTES_MAX + 1];
    for (size_t bytes = 1; bytes <= VAULT_ID_BYTES_MAX; bytes++) {
        uint64_t number;
        size_t count;
        memset(id, 'x', bytes);
        id[bytes] = '\0';
        MUST(world_add(&number, id));
        world_reopen();
        MUST(vault_id(back, &count, world.vault, number, &world.err));
        ck_assert_str_eq(back, id);
    }
}
END_TEST

START_TEST(the_length_of_an_id_does_not_show)
{
    uint64_t bytes[2];
    uint64_t number;
    MUST(world_add(&number, "x"));
    bytes[0] = world_size("d/vault.a");
    MUST(world_add(&number,
                   "012345678901234567890123456789012345678901234567890123456789012")); /* 63 */
    bytes[1] = world_size("d/vault.a");
    MUST(world_add(&number, "y"));
    ck_assert_uint_eq(world_size("d/vault.a") - bytes[1], bytes[1] - bytes[0]);
}
END_TEST

/* ---- keys ---- */

START_TEST(each_user_has_one_key_for_ever)
{
    uint64_t a, b;
    uint8_t bytes[CRYPTO_KEY_BYTES];
    const struct crypto_key *key_a, *key_b, *again;
    MUST(world_add(&a, "a"));
    MUST(world_add(&b, "b"));
    MUST(vault_key(&key_a, world.vault, a, 1, &world.err));
    MUST(vault_key(&key_b, world.vault, b, 1, &world.err));
    MUST(vault_key(&again, world.vault, a, 1, &world.err));
    ck_assert_ptr_eq(again, key_a);
    ck_assert_mem_ne(crypto_key_bytes(key_a), crypto_key_bytes(key_b), CRYPTO_KEY_BYTES);
    memcpy(bytes, crypto_key_bytes(key_a), sizeof bytes);
    vault_key_unref(world.vault, key_a);
    vault_key_unref(world.vault, key_b);
    vault_key_unref(world.vault, again);

    world_reopen();
    MUST(vault_key(&key_a, world.vault, a, 1, &world.err));
    ck_assert_mem_eq(crypto_key_bytes(key_a), bytes, sizeof bytes);
    vault_key_unref(world.vault, key_a);
    ck_assert_int_eq(vault_key(&key_a, world.vault, a, 2, &world.err), HOLTER_NOT_FOUND);
    ck_assert_int_eq(vault_key(&key_a, world.vault, a + 1, 1, &world.err), HOLTER_NOT_FOUND);
}
END_TEST

START_TEST(without_sealing_the_key_is_null)
{
    static const char none = 0;
    uint64_t a;
    const struct crypto_key *key = (const struct crypto_key *)(const void *)&none;
    MUST(world_add(&a, "a"));
    MUST(vault_key(&key, world.vault, a, 1, &world.err));
    ck_assert_ptr_null(key);
    vault_key_unref(world.vault, key);
}
END_TEST

static void add_many(uint64_t *numbers, size_t count, const char *prefix)
{
    struct vault_id *ids = calloc(count, sizeof *ids);
    char(*text)[24] = calloc(count, sizeof *text);
    for (size_t i = 0; i < count; i++) {
        int bytes = snprintf(text[i], sizeof text[i], "%s%zu", prefix, i);
        ids[i] = (struct vault_id){ text[i], (size_t)bytes, 0 };
    }
    MUST(vault_add(numbers, world.vault, ids, count, &world.err));
    free(ids);
    free(text);
}

enum { MANY = VAULT_KEYS_OPEN + 100 };

START_TEST(the_least_recently_used_key_leaves_first)
{
    static uint64_t numbers[MANY];
    static const struct crypto_key *keys[MANY];
    add_many(numbers, MANY, "u");
    for (size_t i = 0; i < VAULT_KEYS_OPEN; i++)
        MUST(vault_key(&keys[i], world.vault, numbers[i], 1, &world.err));
    /* V4: all are referenced. */
    ck_assert_int_eq(vault_key(&keys[MANY - 1], world.vault, numbers[MANY - 1], 1, &world.err),
                     HOLTER_NO_MEMORY);

    /* Give back 5, then 3; the next one to open takes the place of 5. */
    const struct crypto_key *three = keys[3];
    vault_key_unref(world.vault, keys[5]);
    vault_key_unref(world.vault, keys[3]);
    MUST(vault_key(&keys[VAULT_KEYS_OPEN], world.vault, numbers[VAULT_KEYS_OPEN], 1, &world.err));
    MUST(vault_key(&keys[3], world.vault, numbers[3], 1, &world.err));
    ck_assert_ptr_eq(keys[3], three);
    ck_assert_int_eq(vault_key(&keys[5], world.vault, numbers[5], 1, &world.err), HOLTER_NO_MEMORY);
    for (size_t i = 0; i <= VAULT_KEYS_OPEN; i++)
        if (i != 5)
            vault_key_unref(world.vault, keys[i]);
}
END_TEST

/* Random references, against a plain count of them. */
START_TEST(keys_stay_while_they_are_referenced)
{
    enum { USERS = MANY, STEPS = 40000, HELD = 600 };
    static uint64_t numbers[USERS];
    static uint8_t bytes[USERS][CRYPTO_KEY_BYTES];
    static struct {
        const struct crypto_key *key;
        size_t user;
    } held[HELD];
    struct random random = { 5 };
    size_t count = 0;
    add_many(numbers, USERS, "u");
    for (size_t i = 0; i < USERS; i++) {
        const struct crypto_key *key;
        MUST(vault_key(&key, world.vault, numbers[i], 1, &world.err));
        memcpy(bytes[i], crypto_key_bytes(key), CRYPTO_KEY_BYTES);
        vault_key_unref(world.vault, key);
    }
    for (size_t step = 0; step < STEPS; step++) {
        if (count == HELD || (count > 0 && random_below(&random, 2) == 0)) {
            size_t at = random_below(&random, count);
            ck_assert_mem_eq(crypto_key_bytes(held[at].key), bytes[held[at].user],
                             CRYPTO_KEY_BYTES);
            vault_key_unref(world.vault, held[at].key);
            held[at] = held[--count];
        } else {
            size_t user = random_below(&random, USERS);
            MUST(vault_key(&held[count].key, world.vault, numbers[user], 1, &world.err));
            ck_assert_mem_eq(crypto_key_bytes(held[count].key), bytes[user], CRYPTO_KEY_BYTES);
            held[count++].user = user;
        }
    }
    while (count > 0)
        vault_key_unref(world.vault, held[--count].key);
}
END_TEST

/* ---- who may open ---- */

START_TEST(another_keyring_does_not_open_the_vault)
{
    struct keyring *right = world.keyring;
    world_close();
    MUST(keyring_create(world.io, "k2", world_store_id, &world.err));
    MUST(keyring_open(&world.keyring, world.io, "k2", world_store_id, world.arena, &world.err));
    ck_assert_int_eq(world_open(true), HOLTER_DENIED);
    ck_assert_ptr_null(world.vault);
    keyring_close(world.keyring);

    world.keyring = NULL;
    ck_assert_int_eq(world_open(true), HOLTER_DENIED);
    world.keyring = right;
    MUST(world_open(true));
}
END_TEST

START_TEST(a_keyring_for_an_unsealed_vault_is_a_mistake)
{
    world_close();
    MUST(keyring_create(world.io, "k2", world_store_id, &world.err));
    MUST(keyring_open(&world.keyring, world.io, "k2", world_store_id, world.arena, &world.err));
    ck_assert_int_eq(world_open(true), HOLTER_INVALID);
}
END_TEST

START_TEST(a_vault_is_made_once)
{
    struct vault_spec spec = world_spec();
    ck_assert_int_eq(vault_create(&spec, &world.err), HOLTER_EXISTS);
}
END_TEST

/* ---- erasing (V3) ---- */

static bool file_holds(const char *path, const void *bytes, size_t count)
{
    struct buffer file = world_bytes(path);
    bool holds = false;
    for (size_t i = 0; !holds && i + count <= file.bytes; i++)
        holds = memcmp(file.data + i, bytes, count) == 0;
    buffer_release(&file);
    return holds;
}

START_TEST(an_erased_number_stays_erased)
{
    uint64_t numbers[5], again;
    struct vault_user user;
    char id[VAULT_ID_BYTES_MAX + 1];
    size_t bytes;
    const struct crypto_key *key;
    add_many(numbers, 5, "person-");
    MUST(vault_key(&key, world.vault, numbers[1], 1,
                   &world.err)); /* in use while its user is erased */
    uint64_t generation = vault_generation(world.vault), version = vault_version(world.vault);
    MUST(vault_erase(world.vault, (uint64_t[]){ numbers[3], numbers[1], numbers[3] }, 3,
                     &world.err));
    vault_key_unref(world.vault, key);
    ck_assert_uint_gt(vault_generation(world.vault), generation);
    ck_assert_uint_eq(vault_version(world.vault), version + 1);

    for (int round = 0; round < 2; round++) {
        ck_assert_uint_eq(vault_user_count(world.vault), 5);
        for (size_t i = 0; i < 5; i++) {
            char name[16];
            bool is_erased = i == 1 || i == 3;
            snprintf(name, sizeof name, "person-%zu", i);
            ck_assert_uint_eq(vault_user_at(world.vault, i).number,
                              numbers[i]); /* in their order */
            MUST(vault_find_number(&user, world.vault, numbers[i], &world.err));
            ck_assert(user.is_erased == is_erased);
            ck_assert_int_eq(world_find(&user, name), is_erased ? HOLTER_NOT_FOUND : HOLTER_OK);
            ck_assert_int_eq(vault_id(id, &bytes, world.vault, numbers[i], &world.err),
                             is_erased ? HOLTER_EXPIRED : HOLTER_OK);
            holter_status status = vault_key(&key, world.vault, numbers[i], 1, &world.err);
            ck_assert_int_eq(status, is_erased ? HOLTER_EXPIRED : HOLTER_OK);
            if (status == HOLTER_OK)
                vault_key_unref(world.vault, key);
            if (!is_sealed)
                for (int copy = 0; copy < 2; copy++)
                    ck_assert(file_holds(copy == 0 ? "d/vault.a" : "d/vault.b", name,
                                         strlen(name)) == !is_erased);
        }
        world_reopen();
    }
    MUST(world_add(&again, "person-1")); /* who comes back is another */
    ck_assert_uint_ne(again, numbers[1]);
    version = vault_version(world.vault);
    MUST(vault_erase(world.vault, numbers + 1, 1, &world.err)); /* nothing to do */
    ck_assert_uint_eq(vault_version(world.vault), version);
    MUST(world_find(&user, "person-1"));
    ck_assert_uint_eq(user.number, again);
}
END_TEST

START_TEST(erasing_an_unknown_number_does_nothing)
{
    uint64_t number;
    MUST(world_add(&number, "a"));
    ck_assert_int_eq(vault_erase(world.vault, (uint64_t[]){ number, number + 1 }, 2, &world.err),
                     HOLTER_NOT_FOUND);
    ck_assert(!vault_user_at(world.vault, 0).is_erased);
}
END_TEST

/* A second process follows by version, and forgets an erased user's key. */
START_TEST(another_process_follows)
{
    struct vault_spec spec = world_spec();
    struct vault *other;
    struct vault_user user;
    const struct crypto_key *key;
    uint64_t a, b;
    spec.io = sim_process_new(world.sim);
    MUST(world_add(&a, "a"));
    MUST(vault_open(&other, &spec, false, vault_version(world.vault), &world.err));
    MUST(vault_key(&key, other, a, 1, &world.err));
    vault_key_unref(other, key);
    MUST(world_add(&b, "b"));
    MUST(vault_refresh(other, false, vault_version(world.vault) - 1, &world.err));
    ck_assert_int_eq(vault_find(&user, other, "b", 1, &world.err), HOLTER_NOT_FOUND);
    MUST(vault_refresh(other, false, vault_version(world.vault), &world.err));
    MUST(vault_find(&user, other, "b", 1, &world.err));
    ck_assert_uint_eq(user.number, b);

    MUST(vault_erase(world.vault, &a, 1, &world.err));
    MUST(vault_refresh(other, false, vault_version(world.vault), &world.err));
    ck_assert_int_eq(vault_key(&key, other, a, 1, &world.err), HOLTER_EXPIRED);
    vault_close(other);
    io_free(spec.io);
}
END_TEST

START_TEST(many_random_users_equal_a_plain_list)
{
    enum { USERS = 3000 };
    static uint64_t numbers[USERS];
    static bool erased[USERS];
    struct random random = { 21 };
    add_many(numbers, 1000, "u");
    for (size_t i = 1000; i < USERS; i++) {
        char id[24];
        snprintf(id, sizeof id, "u%zu", i);
        MUST(world_add(&numbers[i], id));
        if (random_below(&random, 50) == 0) {
            size_t gone = random_below(&random, i);
            MUST(vault_erase(world.vault, &numbers[gone], 1, &world.err));
            erased[gone] = true;
        }
    }
    world_reopen();
    ck_assert_uint_eq(vault_user_count(world.vault), USERS);
    for (size_t i = 0; i < USERS; i++) {
        char id[24];
        struct vault_user user = { 0 };
        snprintf(id, sizeof id, "u%zu", i);
        ck_assert_int_eq(world_find(&user, id), erased[i] ? HOLTER_NOT_FOUND : HOLTER_OK);
        ck_assert_uint_eq(user.number, erased[i] ? 0 : numbers[i]);
        ck_assert_uint_eq(vault_user_at(world.vault, i).number, numbers[i]);
        ck_assert(vault_user_at(world.vault, i).is_erased == erased[i]);
    }
}
END_TEST

/* ---- damage ---- */

static size_t reported;

static void report(void *context, const char *sentence)
{
    (void)context;
    reported += strstr(sentence, "vault") != NULL;
}

START_TEST(damage_in_one_copy_is_reported_and_loses_nothing)
{
    uint64_t number;
    size_t damaged = 0;
    struct vault_user user;
    MUST(world_add(&number, "a"));
    MUST(vault_verify(world.vault, report, NULL, &damaged, &world.err));
    ck_assert_uint_eq(damaged, 0);
    MUST(sim_file_flip(world.sim, "d/vault.a", 8 * (512 + 60)));
    MUST(vault_verify(world.vault, report, NULL, &damaged, &world.err));
    ck_assert_uint_gt(damaged, 0);
    ck_assert_uint_gt(reported, 0);
    world_close();
    MUST(world_open(false));
    MUST(world_find(&user, "a"));
    ck_assert_uint_eq(user.number, number);
}
END_TEST

/* ---- loading many; only with HOLTER_LONG in the environment ---- */

START_TEST(a_million_users_load_in_seconds)
{
    enum { USERS = 1000000, STEP = 50000 };
    uint64_t *numbers = calloc(USERS, sizeof *numbers);
    for (size_t i = 0; i < USERS / STEP; i++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "user-%zu-", i);
        add_many(numbers + i * STEP, STEP, prefix);
    }
    struct io *clock;
    MUST(io_posix_new(&clock, &world.err));
    world_close();
    int64_t begin = io_monotonic_ns(clock);
    MUST(world_open(false));
    int64_t opened = io_monotonic_ns(clock);
    struct vault_user user;
    for (size_t i = 0; i < USERS; i++)
        MUST(vault_find_number(&user, world.vault, numbers[i], &world.err));
    int64_t found = io_monotonic_ns(clock);
    printf("vault: %d users load in %.2f s; finding one by number takes %.0f ns\n", USERS,
           (double)(opened - begin) / 1e9, (double)(found - opened) / USERS);
    ck_assert_int_lt(opened - begin, INT64_C(10000000000));
    io_free(clock);
    free(numbers);
}
END_TEST

int main(void)
{
    static const struct {
        const char *name;
        void (*setup)(void);
    } kinds[] = { { "sealed", setup_sealed }, { "plain", setup_plain } };
    Suite *suite = suite_create("vault_users");
    for (size_t i = 0; i < CORE_COUNT(kinds); i++) {
        TCase *tcase = tcase_create(kinds[i].name);
        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, kinds[i].setup, world_teardown);
        tcase_add_test(tcase, users_are_found_by_id_and_by_number);
        tcase_add_test(tcase, an_id_that_is_there_or_comes_twice_has_one_number);
        tcase_add_loop_test(tcase, ids_that_are_none_are_refused_without_being_told, 0,
                            CORE_COUNT(bad_ids));
        tcase_add_test(tcase, no_sentence_repeats_an_id);
        tcase_add_test(tcase, ids_of_every_length_come_back);
        tcase_add_test(tcase, a_vault_is_made_once);
        tcase_add_test(tcase, an_erased_number_stays_erased);
        tcase_add_test(tcase, erasing_an_unknown_number_does_nothing);
        tcase_add_test(tcase, another_process_follows);
        tcase_add_test(tcase, many_random_users_equal_a_plain_list);
        tcase_add_test(tcase, damage_in_one_copy_is_reported_and_loses_nothing);
        if (i == 0) {
            tcase_add_test(tcase, the_length_of_an_id_does_not_show);
            tcase_add_test(tcase, each_user_has_one_key_for_ever);
            tcase_add_test(tcase, the_least_recently_used_key_leaves_first);
            tcase_add_test(tcase, keys_stay_while_they_are_referenced);
            tcase_add_test(tcase, another_keyring_does_not_open_the_vault);
            if (getenv("HOLTER_LONG") != NULL)
                tcase_add_test(tcase, a_million_users_load_in_seconds);
        } else {
            tcase_add_test(tcase, without_sealing_the_key_is_null);
            tcase_add_test(tcase, a_keyring_for_an_unsealed_vault_is_a_mistake);
        }
        suite_add_tcase(suite, tcase);
    }
    return run_suite(suite);
}
