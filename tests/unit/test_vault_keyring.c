/*
 * test_vault_keyring.c -- a keyring opens for its owner, for its store, and with every bit as it
 * was written.
 *
 * Every bit is flipped, every length cut, and structures that no writer makes are given a right
 * checksum. Modes and owners are tried on the real system too.
 */
#include "alloc_fail.h"
#include "vault_world.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEYRING_BYTES = 40 + 40 + 8 };

static struct keyring *keyring;

static void setup(void)
{
    world_setup(true);
    keyring = NULL;
}

static holter_status try_open(const char *path)
{
    holter_status status =
        keyring_open(&keyring, world.io, path, world_store_id, world.arena, &world.err);
    ck_assert(status == HOLTER_OK || keyring == NULL);
    keyring_close(keyring);
    return status;
}

START_TEST(a_new_keyring_has_the_bytes_of_the_page)
{
    struct buffer bytes = world_bytes("k");
    struct io_stat stat;
    MUST(io_stat(&stat, world.io, "k", &world.err));
    ck_assert_uint_eq(stat.mode & 0777, 0600);
    ck_assert_uint_eq(bytes.bytes, KEYRING_BYTES);
    ck_assert_mem_eq(bytes.data, "\x89HLTKEYR\0\0\1\0\0\0\0\0\0\0\0\0", 20);
    ck_assert_mem_eq(bytes.data + 20, world_store_id, 16);
    ck_assert_mem_eq(bytes.data + 36, "\1\0\0\0\1\0\0\0\0\0\0\0", 12);
    struct reader end = reader_over(bytes.data + 80, 8);
    ck_assert_uint_eq(get_u64(&end), hash64(bytes.data, 80));
    buffer_release(&bytes);
    ck_assert_int_eq(try_open("k"), HOLTER_OK);
}
END_TEST

START_TEST(two_keyrings_differ_and_neither_replaces_the_other)
{
    ck_assert_int_eq(keyring_create(world.io, "k", world_store_id, &world.err), HOLTER_EXISTS);
    MUST(keyring_create(world.io, "k2", world_store_id, &world.err));
    struct buffer a = world_bytes("k"), b = world_bytes("k2");
    ck_assert_mem_ne(a.data + 48, b.data + 48, 32);
    buffer_release(&a);
    buffer_release(&b);
}
END_TEST

START_TEST(only_the_keyring_of_that_store_is_discarded)
{
    struct io_stat stat;
    uint8_t other_id[16];
    memcpy(other_id, world_store_id, sizeof other_id);
    other_id[15] ^= 1;
    MUST(io_stat(&stat, world.io, "k", &world.err));
    keyring_discard(world.io, "k", other_id);
    MUST(io_stat(&stat, world.io, "k", &world.err));
    keyring_discard(world.io, "missing", world_store_id);
    keyring_discard(world.io, "k", world_store_id);
    ck_assert_int_eq(io_stat(&stat, world.io, "k", NULL), HOLTER_NOT_FOUND);
}
END_TEST

START_TEST(what_is_no_keyring_is_told)
{
    uint8_t other[16] = { 99 };
    ck_assert_int_eq(try_open("none"), HOLTER_NOT_FOUND);
    ck_assert_int_eq(try_open("d"), HOLTER_INVALID);
    ck_assert_int_eq(keyring_open(&keyring, world.io, "k", other, world.arena, &world.err),
                     HOLTER_DENIED);
    ck_assert_ptr_null(keyring);
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
    for (uint64_t bit = 0; bit < KEYRING_BYTES * 8; bit++) {
        MUST(sim_file_flip(world.sim, "k", bit));
        holter_status status = try_open("k");
        ck_assert_msg(status == HOLTER_CORRUPT || status == HOLTER_UNSUPPORTED, "bit %u: %d",
                      (unsigned)bit, status);
        MUST(sim_file_flip(world.sim, "k", bit));
    }
    ck_assert_int_eq(try_open("k"), HOLTER_OK);
}
END_TEST

START_TEST(every_other_length_is_refused)
{
    struct buffer bytes = world_bytes("k");
    buffer_append_zeros(&bytes, 3000);
    for (size_t count = 0; count < bytes.bytes; count += count < 100 ? 1 : 97) {
        MUST(io_write_file(world.io, "cut", bytes.data, count, IO_PRIVATE, &world.err));
        ck_assert_int_eq(try_open("cut"), count == KEYRING_BYTES ? HOLTER_OK : HOLTER_CORRUPT);
    }
    buffer_release(&bytes);
}
END_TEST

/* A change at an offset, with the checksum made right again. */
static const struct {
    size_t offset;
    uint8_t byte;
    holter_status status;
} forms[] = {
    { 0, 0x88, HOLTER_CORRUPT },
    { 8, 1, HOLTER_UNSUPPORTED },
    { 10, 9, HOLTER_OK }, /* a minor version */
    { 15, 0x80, HOLTER_UNSUPPORTED },
    { 19, 0x80, HOLTER_OK }, /* may be ignored */
    { 20, 7, HOLTER_DENIED },
    { 36, 0, HOLTER_CORRUPT },
    { 36, 2, HOLTER_CORRUPT },
    { 36, 65, HOLTER_CORRUPT },
    { 39, 0xff, HOLTER_CORRUPT },
    { 40, 0, HOLTER_CORRUPT }, /* epoch 0 */
    { 44, 1, HOLTER_CORRUPT }, /* a flag */
};

START_TEST(forms_that_no_writer_makes_are_refused)
{
    struct buffer bytes = world_bytes("k");
    bytes.data[forms[_i].offset] = forms[_i].byte;
    uint64_t hash = hash64(bytes.data, KEYRING_BYTES - 8);
    struct writer w = writer_over(bytes.data + KEYRING_BYTES - 8, 8);
    put_u64(&w, hash);
    MUST(io_write_file(world.io, "form", bytes.data, bytes.bytes, IO_PRIVATE, &world.err));
    ck_assert_int_eq(try_open("form"), forms[_i].status);
    buffer_release(&bytes);
}
END_TEST

/* 64 rising epochs are as many as there can be; the last must be above the one before. */
START_TEST(many_epochs_open_and_must_rise)
{
    struct buffer bytes, head = world_bytes("k");
    for (uint32_t last = 63; last <= 64; last++) {
        buffer_init(&bytes);
        buffer_append(&bytes, head.data, 36);
        buffer_append_u32(&bytes, 64);
        for (uint32_t i = 0; i < 64; i++) {
            buffer_append_u32(&bytes, i == 63 ? last : i + 1);
            buffer_append_u32(&bytes, 0);
            buffer_append(&bytes, head.data + 48, 32);
        }
        buffer_append_u64(&bytes, hash64(bytes.data, bytes.bytes));
        MUST(io_write_file(world.io, "many", bytes.data, bytes.bytes, IO_PRIVATE, &world.err));
        ck_assert_int_eq(try_open("many"), last == 64 ? HOLTER_OK : HOLTER_CORRUPT);
        buffer_release(&bytes);
    }
    buffer_release(&head);
}
END_TEST

START_TEST(a_full_arena_is_told)
{
    struct crypto_arena *small;
    struct crypto_key *key;
    static const uint8_t zeros[CRYPTO_KEY_BYTES];
    MUST(crypto_arena_new(&small, 1, &world.err));
    key = crypto_key_new(small, zeros);
    ck_assert_int_eq(keyring_open(&keyring, world.io, "k", world_store_id, small, &world.err),
                     HOLTER_NO_MEMORY);
    crypto_key_free(key);
    ck_assert_int_eq(keyring_open(&keyring, world.io, "k", world_store_id, small, &world.err),
                     HOLTER_OK);
    keyring_close(keyring);
    crypto_arena_free(small);
}
END_TEST

START_TEST(every_failing_call_is_told)
{
    holter_status status = HOLTER_IO;
    for (uint64_t nth = 0; status != HOLTER_OK; nth++) {
        ck_assert_uint_lt(nth, 100);
        sim_fault_set(world.sim, &(struct sim_fault){ .nth = nth, .error = EIO });
        status = try_open("k");
        ck_assert(status == HOLTER_OK || sim_fault_was_hit(world.sim));
        sim_fault_clear(world.sim);
    }
    status = HOLTER_IO;
    for (uint64_t nth = 0; status != HOLTER_OK; nth++) {
        ck_assert_uint_lt(nth, 100);
        sim_fault_set(world.sim, &(struct sim_fault){ .nth = nth, .error = ENOSPC });
        status = keyring_create(world.io, "new", world_store_id, &world.err);
        sim_fault_clear(world.sim);
        if (status != HOLTER_OK && try_open("new") == HOLTER_OK)
            break; /* only what came after the rename failed */
    }
    ck_assert_int_eq(try_open("new"), HOLTER_OK);
}
END_TEST

START_TEST(every_failing_allocation_is_told)
{
    holter_status status = HOLTER_NO_MEMORY;
    for (unsigned long nth = 0; status != HOLTER_OK; nth++) {
        alloc_fail_arm(nth, false);
        status = keyring_open(&keyring, world.io, "k", world_store_id, world.arena, &world.err);
        bool has_failed = alloc_fail_disarm();
        ck_assert(status == HOLTER_OK ? !has_failed
                                      : status == HOLTER_NO_MEMORY && keyring == NULL);
    }
    keyring_close(keyring);
}
END_TEST

/* ---- the real system ---- */

static const struct {
    mode_t mode;
    holter_status status;
} modes[] = {
    { 0600, HOLTER_OK },     { 0400, HOLTER_OK },     { 0640, HOLTER_DENIED },
    { 0604, HOLTER_DENIED }, { 0620, HOLTER_DENIED }, { 0610, HOLTER_DENIED },
    { 0601, HOLTER_DENIED }, { 0666, HOLTER_DENIED },
};

START_TEST(a_keyring_that_others_may_use_is_denied)
{
    char directory[] = "/tmp/holter_keyring_XXXXXX", path[64];
    struct io *io;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/k", directory);
    MUST(io_posix_new(&io, &world.err));
    MUST(keyring_create(io, path, world_store_id, &world.err));
    for (size_t i = 0; i < CORE_COUNT(modes); i++) {
        ck_assert_int_eq(chmod(path, modes[i].mode), 0);
        holter_status status =
            keyring_open(&keyring, io, path, world_store_id, world.arena, &world.err);
        ck_assert_int_eq(status, modes[i].status);
        keyring_close(keyring);
    }
    ck_assert_int_eq(chmod(path, 0600), 0);
    if (geteuid() == 0) { /* only root can give a file away */
        ck_assert_int_eq(chown(path, 12345, (gid_t)-1), 0);
        ck_assert_int_eq(keyring_open(&keyring, io, path, world_store_id, world.arena, &world.err),
                         HOLTER_DENIED);
    }
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
    io_free(io);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vault_keyring");
    TCase *tcase = tcase_create("keyring");
    tcase_add_checked_fixture(tcase, setup, world_teardown);
    tcase_add_test(tcase, a_new_keyring_has_the_bytes_of_the_page);
    tcase_add_test(tcase, two_keyrings_differ_and_neither_replaces_the_other);
    tcase_add_test(tcase, only_the_keyring_of_that_store_is_discarded);
    tcase_add_test(tcase, what_is_no_keyring_is_told);
    tcase_add_test(tcase, every_flipped_bit_is_refused);
    tcase_add_test(tcase, every_other_length_is_refused);
    tcase_add_loop_test(tcase, forms_that_no_writer_makes_are_refused, 0, CORE_COUNT(forms));
    tcase_add_test(tcase, many_epochs_open_and_must_rise);
    tcase_add_test(tcase, a_full_arena_is_told);
    tcase_add_test(tcase, every_failing_call_is_told);
    tcase_add_test(tcase, every_failing_allocation_is_told);
    tcase_add_test(tcase, a_keyring_that_others_may_use_is_denied);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
