/*
 * test_store_identity.c -- the file that makes a directory a store: either copy will do, and nothing else.
 *
 * Every bit of either copy is flipped, either sector cannot be read, fields are forged under a checksum that fits, and
 * every call fails once. Bytes: format-spec/store.md.
 */
#include "io/io_sim.h"
#include "run.h"
#include "store/store_impl.h"

#include <errno.h>
#include <string.h>

static const char path[] = "d/holter.store";
static struct sim *sim;
static struct io *io;
static holter_error err;
static const struct store_identity told = { .id = { 1, 2, 3 }, .is_sealed = true, .made_ns = 77 };
static struct buffer sound;

static void setup(void)
{
    sim = sim_new(&(struct sim_options){ .seed = 3 });
    io = sim_process_new(sim);
    ck_assert_int_eq(io_make_dir(io, "d", NULL), HOLTER_OK);
    ck_assert_int_eq(io_sync_dir(io, ".", NULL), HOLTER_OK);
    ck_assert_int_eq(store_identity_write(io, path, &told, &err), HOLTER_OK);
    buffer_init(&sound);
    ck_assert_int_eq(sim_file_read(&sound, sim, path), HOLTER_OK);
    ck_assert_uint_eq(sound.bytes, STORE_IDENTITY_BYTES);
}

static void teardown(void)
{
    buffer_release(&sound);
    io_free(io);
    sim_free(sim);
}

static bool is_told(const struct store_identity *found)
{
    return memcmp(found->id, told.id, sizeof told.id) == 0 && found->is_sealed == told.is_sealed &&
           found->made_ns == told.made_ns;
}

/* The status; where it is OK, what was told has been found. */
static holter_status read_back(unsigned damaged_wanted)
{
    struct store_identity found = { .made_ns = 5 };
    unsigned damaged = 9;
    err = (holter_error){ .status = HOLTER_OK };
    holter_status status = store_identity_read(&found, &damaged, io, "d", &err);
    if (status == HOLTER_OK) {
        ck_assert(is_told(&found));
        ck_assert_uint_eq(damaged, damaged_wanted);
    } else {
        ck_assert_int_eq(err.status, status);
        ck_assert(err.message[0] != '\0');
        ck_assert_int_eq(found.made_ns, 5); /* outputs stay untouched */
        ck_assert_uint_eq(damaged, 9);
    }
    return status;
}

/* One byte of the copies whose bit is set, under a checksum that fits. */
static void forge(unsigned copies, size_t at, uint8_t value)
{
    uint8_t bytes[STORE_IDENTITY_BYTES];
    memcpy(bytes, sound.data, sizeof bytes);
    for (size_t c = 0; c < 2; c++) {
        uint8_t *copy = bytes + c * 512;
        if ((copies & 1u << c) == 0)
            continue;
        copy[at] = value;
        struct writer w = writer_over(copy + 504, 8);
        put_u64(&w, hash64(copy, 504));
    }
    ck_assert_int_eq(sim_file_write(sim, path, bytes, sizeof bytes), HOLTER_OK);
}

START_TEST(what_is_written_is_read)
{
    ck_assert_int_eq(read_back(0), HOLTER_OK);
}
END_TEST

START_TEST(either_copy_will_do)
{
    for (uint64_t bit = 0; bit < 8 * STORE_IDENTITY_BYTES; bit++) {
        ck_assert_int_eq(sim_file_flip(sim, path, bit), HOLTER_OK);
        ck_assert_int_eq(read_back(1), HOLTER_OK);
        ck_assert_int_eq(sim_file_flip(sim, path, bit), HOLTER_OK);
    }
}
END_TEST

START_TEST(a_sector_that_cannot_be_read_loses_nothing)
{
    sim_sector_bad(sim, path, (uint64_t)_i);
    ck_assert_int_eq(read_back(1), HOLTER_OK);
}
END_TEST

START_TEST(without_a_copy_nothing_is_told)
{
    ck_assert_int_eq(sim_file_flip(sim, path, 8 * 40), HOLTER_OK);
    ck_assert_int_eq(sim_file_flip(sim, path, 8 * (512 + 50)), HOLTER_OK);
    ck_assert_int_eq(read_back(0), HOLTER_CORRUPT);
    sim_sector_bad(sim, path, 0);
    sim_sector_bad(sim, path, 1);
    ck_assert_int_eq(read_back(0), HOLTER_IO);
}
END_TEST

START_TEST(copies_that_contradict_each_other_are_refused)
{
    forge(2, 20, 9); /* another id */
    ck_assert_int_eq(read_back(0), HOLTER_CORRUPT);
    forge(1, 36, 0); /* not sealed */
    ck_assert_int_eq(read_back(0), HOLTER_CORRUPT);
    forge(1, 40, 1); /* made at another time */
    ck_assert_int_eq(read_back(0), HOLTER_CORRUPT);
}
END_TEST

START_TEST(fields_that_no_writer_writes_are_refused)
{
    static const struct {
        size_t at;
        uint8_t value;
        holter_status wanted;
    } wrong[] = {
        { 0, 'x', HOLTER_CORRUPT },    /* magic */
        { 8, 1, HOLTER_UNSUPPORTED },  /* major */
        { 12, 1, HOLTER_UNSUPPORTED }, /* must be understood */
        { 36, 2, HOLTER_CORRUPT },     /* neither sealed nor not */
        { 37, 1, HOLTER_CORRUPT },     /* spare */
        { 503, 1, HOLTER_CORRUPT },    /* zeros */
        { 10, 9, HOLTER_OK },          /* a newer minor */
        { 16, 1, HOLTER_OK },          /* may be ignored */
    };
    for (size_t i = 0; i < CORE_COUNT(wrong); i++) {
        forge(3, wrong[i].at, wrong[i].value);
        ck_assert_int_eq(read_back(0), wrong[i].wanted);
    }
}
END_TEST

START_TEST(what_is_no_such_file_is_told)
{
    struct store_identity found;
    unsigned damaged;
    ck_assert_int_eq(sim_file_write(sim, path, sound.data, sound.bytes - 1), HOLTER_OK);
    ck_assert_int_eq(read_back(0), HOLTER_CORRUPT);
    ck_assert_int_eq(io_unlink(io, path, NULL), HOLTER_OK);
    ck_assert_int_eq(read_back(0), HOLTER_INVALID);
    ck_assert_int_eq(io_make_dir(io, path, NULL), HOLTER_OK);
    ck_assert_int_eq(read_back(0), HOLTER_INVALID);
    ck_assert_int_eq(sim_file_write(sim, "f", "x", 1), HOLTER_OK);
    ck_assert_int_eq(store_identity_read(&found, &damaged, io, "f", &err), HOLTER_INVALID);
    ck_assert_int_eq(store_identity_read(&found, &damaged, io, "missing", &err), HOLTER_NOT_FOUND);
}
END_TEST

START_TEST(a_failing_call_is_told_or_does_no_harm)
{
    bool was_hit = true;
    for (uint64_t nth = 0; was_hit; nth++) {
        struct store_identity found;
        unsigned damaged = 9;
        sim_fault_set(sim, &(struct sim_fault){ .nth = nth, .error = EIO });
        holter_status status = store_identity_read(&found, &damaged, io, "d", &err);
        was_hit = sim_fault_was_hit(sim);
        sim_fault_clear(sim);
        ck_assert(status == HOLTER_OK || (was_hit && status == HOLTER_IO));
        if (status == HOLTER_OK) {
            ck_assert(is_told(&found));
            ck_assert_uint_eq(damaged, was_hit);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_identity");
    TCase *tests = tcase_create("identity");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_test(tests, either_copy_will_do);
    tcase_add_loop_test(tests, a_sector_that_cannot_be_read_loses_nothing, 0, 2);
    tcase_add_test(tests, without_a_copy_nothing_is_told);
    tcase_add_test(tests, copies_that_contradict_each_other_are_refused);
    tcase_add_test(tests, fields_that_no_writer_writes_are_refused);
    tcase_add_test(tests, what_is_no_such_file_is_told);
    tcase_add_test(tests, a_failing_call_is_told_or_does_no_harm);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
