/*
 * test_edits_damage.c -- one damaged copy loses nothing; damage in both is told or harmless.
 *
 * Every bit of one copy flipped, every sector zeroed or unreadable, every length, a copy missing,
 * an older one put back, a directory in its place: the state reads back whole, verify tells of it,
 * a writer mends it, and then the other copy can be damaged too. The same bit flipped in both:
 * corrupt, or the last edit is torn.
 */
#include "edits/edits_impl.h"
#include "edits_ledger.h"

enum { VERSIONS = 6 };

static holter_error err;
static struct sim *sim;
static struct io *io;
static const char *const paths[2] = { "d/catalog.a", "d/catalog.b" };
static struct buffer sound; /* the bytes of both copies */
static size_t last_offset;  /* of the last edit */

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != HOLTER_OK)                                                                   \
            ck_abort_msg("%s", err.message);                                                       \
    } while (0)

static void setup(void)
{
    struct ledger ledger = { .count = 0 };
    struct edits *edits;
    sim = sim_new(&(struct sim_options){ .seed = 5 });
    io = sim_process_new(sim);
    struct edits_spec spec = ledger_spec(io, &ledger);
    MUST(io_make_dir(io, "d", &err));
    MUST(io_sync_dir(io, ".", &err));
    MUST(ledger_create(io, &err));
    MUST(edits_open(&edits, &spec, true, UINT64_MAX, &err));
    while (edits_version(edits) < VERSIONS) {
        last_offset = (size_t)edits_bytes(edits);
        MUST(ledger_append(edits, 1, &err));
    }
    edits_close(edits);
    buffer_init(&sound);
    MUST(sim_file_read(&sound, sim, paths[0]));
}

static void teardown(void)
{
    buffer_release(&sound);
    io_free(io);
    sim_free(sim);
}

static void put_back(void)
{
    for (size_t c = 0; c < 2; c++)
        MUST(sim_file_write(sim, paths[c], sound.data, sound.bytes));
}

struct outcome {
    holter_status status;
    uint64_t version;
    size_t damaged;
};

static void count(void *context, const char *sentence)
{
    (void)context;
    CHECK(strstr(sentence, "catalog") != NULL);
}

static struct outcome open_log(bool writable, uint64_t version_max)
{
    struct outcome outcome = { .status = HOLTER_OK };
    struct ledger ledger = { .count = 0 };
    struct edits_spec spec = ledger_spec(io, &ledger);
    struct edits *edits;
    outcome.status = edits_open(&edits, &spec, writable, version_max, &err);
    if (outcome.status == HOLTER_OK) {
        outcome.version = edits_version(edits);
        ledger_check(&ledger, edits);
        CHECK(ledger.count == outcome.version);
        MUST(edits_verify(edits, count, NULL, &outcome.damaged, &err));
    } else {
        CHECK(strstr(err.message, "catalog") != NULL);
    }
    edits_close(edits);
    return outcome;
}

static void check_whole(bool is_seen)
{
    struct outcome outcome = open_log(false, VERSIONS);
    CHECK(outcome.status == HOLTER_OK);
    CHECK(outcome.version == VERSIONS);
    CHECK((outcome.damaged > 0) == is_seen);
    outcome = open_log(false, UINT64_MAX);
    CHECK(outcome.status == HOLTER_OK);
    CHECK(outcome.version == VERSIONS);
}

static void check_mended(void)
{
    struct outcome outcome = open_log(true, VERSIONS);
    CHECK(outcome.status == HOLTER_OK);
    CHECK(outcome.version == VERSIONS);
    CHECK(outcome.damaged == 0);
    check_whole(false);
}

START_TEST(any_bit_of_one_copy_may_flip)
{
    const char *path = paths[_i];
    for (uint64_t bit = 0; bit < sound.bytes * 8; bit++) {
        MUST(sim_file_flip(sim, path, bit));
        struct outcome outcome = open_log(false, VERSIONS);
        if (outcome.status != HOLTER_OK)
            ck_abort_msg("bit %llu: %s", (unsigned long long)bit, err.message);
        CHECK(outcome.version == VERSIONS);
        CHECK(outcome.damaged > 0);
        if (bit % 61 == 0) {
            check_mended();
            put_back();
        } else {
            MUST(sim_file_flip(sim, path, bit));
        }
    }
    check_whole(false);
}
END_TEST

START_TEST(any_sector_of_one_copy_may_be_zeroed)
{
    static const uint8_t zeros[512];
    for (size_t at = 0; at < sound.bytes; at += 512) {
        struct buffer damaged;
        buffer_init(&damaged);
        buffer_append(&damaged, sound.data, sound.bytes);
        memcpy(damaged.data + at, zeros, sizeof zeros);
        MUST(sim_file_write(sim, paths[_i], damaged.data, damaged.bytes));
        buffer_release(&damaged);
        check_whole(true);
        check_mended();
        put_back();
    }
}
END_TEST

START_TEST(any_sector_of_one_copy_may_be_unreadable)
{
    for (size_t at = 0; at < sound.bytes; at += 512) {
        sim_sector_bad(sim, paths[_i], at / 512);
        check_whole(true);
        check_mended();
        MUST(io_unlink(io, paths[_i], &err));
        put_back();
    }
}
END_TEST

START_TEST(one_copy_may_have_any_length)
{
    for (size_t bytes = 0; bytes < sound.bytes; bytes += bytes % 512 < 40 ? 1 : 13) {
        MUST(sim_file_write(sim, paths[_i], sound.data, bytes));
        check_whole(true);
        if (bytes % 7 == 0) {
            check_mended();
            put_back();
        }
    }
}
END_TEST

START_TEST(one_copy_may_be_missing)
{
    MUST(io_unlink(io, paths[_i], &err));
    check_whole(true);
    check_mended();
    struct outcome outcome;
    MUST(io_unlink(io, paths[1 - _i], &err)); /* the other one now */
    outcome = open_log(true, VERSIONS);
    ck_assert_int_eq(outcome.status, HOLTER_OK);
    MUST(io_unlink(io, paths[0], &err));
    MUST(io_unlink(io, paths[1], &err));
    ck_assert_int_eq(open_log(true, VERSIONS).status, HOLTER_NOT_FOUND);
}
END_TEST

START_TEST(a_directory_in_place_of_a_copy_stops_writers_only)
{
    MUST(io_unlink(io, paths[_i], &err));
    MUST(io_make_dir(io, paths[_i], &err));
    check_whole(true);
    ck_assert_int_ne(open_log(true, VERSIONS).status, HOLTER_OK);
    check_whole(true);
}
END_TEST

START_TEST(an_older_copy_put_back_is_seen)
{
    struct ledger ledger = { .count = 0 };
    struct edits_spec spec = ledger_spec(io, &ledger);
    struct edits *edits;
    MUST(edits_open(&edits, &spec, true, UINT64_MAX, &err));
    MUST(ledger_append(edits, 1, &err));
    edits_close(edits);
    MUST(sim_file_write(sim, paths[_i], sound.data, sound.bytes)); /* shorter, same generation */
    struct outcome outcome = open_log(false, VERSIONS + 1);
    ck_assert_int_eq(outcome.status, HOLTER_OK);
    ck_assert_uint_eq(outcome.version, VERSIONS + 1);
    ck_assert_uint_eq(outcome.damaged, 1);

    outcome = open_log(true, VERSIONS + 1); /* mended: a higher generation */
    ck_assert_int_eq(outcome.status, HOLTER_OK);
    MUST(sim_file_write(sim, paths[_i], sound.data, sound.bytes));
    outcome = open_log(false, VERSIONS + 1);
    ck_assert_int_eq(outcome.status, HOLTER_OK);
    ck_assert_uint_eq(outcome.version, VERSIONS + 1);
    ck_assert_uint_gt(outcome.damaged, 0);

    put_back(); /* both: only who knows what was published can tell */
    ck_assert_int_eq(open_log(false, VERSIONS + 1).status, HOLTER_CORRUPT);
    ck_assert_int_eq(open_log(true, VERSIONS + 1).status, HOLTER_CORRUPT);
}
END_TEST

START_TEST(damage_in_both_copies_is_told_or_is_a_torn_end)
{
    for (uint64_t bit = 0; bit < sound.bytes * 8; bit += 1 + bit % 5) {
        MUST(sim_file_flip(sim, paths[0], bit));
        MUST(sim_file_flip(sim, paths[1], bit));
        struct outcome told = open_log(false, VERSIONS);
        ck_assert(told.status == HOLTER_CORRUPT ||
                  (told.status == HOLTER_UNSUPPORTED && bit / 8 < 16));
        struct outcome outcome = open_log(false, UINT64_MAX);
        if (bit / 8 >= last_offset) {
            ck_assert_int_eq(outcome.status, HOLTER_OK);
            ck_assert_uint_eq(outcome.version, VERSIONS - 1);
        } else {
            ck_assert_int_eq(outcome.status, told.status);
            ck_assert_int_eq(open_log(true, UINT64_MAX).status, told.status);
        }
        MUST(sim_file_flip(sim, paths[0], bit));
        MUST(sim_file_flip(sim, paths[1], bit));
    }
    check_whole(false);
}
END_TEST

START_TEST(different_edits_may_be_damaged_in_each_copy)
{
    MUST(sim_file_flip(sim, paths[0], 8 * 20)); /* the header of one */
    MUST(sim_file_flip(sim, paths[0], 8 * (512 + 40)));
    MUST(sim_file_flip(sim, paths[1], 8 * (last_offset + 50)));
    check_whole(true);
    check_mended();
}
END_TEST

START_TEST(a_copy_of_another_store_place_or_kind_is_not_taken)
{
    struct ledger ledger = { .count = 0 };
    struct edits_spec spec = ledger_spec(io, &ledger);
    struct edits *edits;
    spec.place = 4;
    ck_assert_int_eq(edits_open(&edits, &spec, false, UINT64_MAX, &err), HOLTER_CORRUPT);
    spec.place = 3;
    spec.store_id[15] = 1;
    ck_assert_int_eq(edits_open(&edits, &spec, true, UINT64_MAX, &err), HOLTER_CORRUPT);
    spec.store_id[15] = 0;
    spec.kind = EDITS_VAULT;
    ck_assert_int_eq(edits_open(&edits, &spec, true, UINT64_MAX, &err), HOLTER_CORRUPT);
}
END_TEST

/* A header of other fields, its checksum right; one copy only, or both. */
static void put_header(unsigned copies, size_t at, uint8_t value)
{
    struct buffer changed;
    buffer_init(&changed);
    buffer_append(&changed, sound.data, sound.bytes);
    changed.data[at] = value;
    struct writer w = writer_over(changed.data + 56, 8);
    put_u64(&w, hash64(changed.data, 56));
    for (size_t c = 0; c < 2; c++)
        if ((copies & 1u << c) != 0)
            MUST(sim_file_write(sim, paths[c], changed.data, changed.bytes));
    buffer_release(&changed);
}

START_TEST(a_newer_format_is_refused_and_left_alone)
{
    static const size_t offsets[] = { 8 /* major */, 12 /* must-understand features */, 15 };
    for (size_t i = 0; i < CORE_COUNT(offsets); i++)
        for (unsigned copies = 1; copies < 4; copies++) {
            put_header(copies, offsets[i], 1);
            ck_assert_int_eq(open_log(false, VERSIONS).status, HOLTER_UNSUPPORTED);
            ck_assert_int_eq(open_log(true, VERSIONS).status, HOLTER_UNSUPPORTED);
            put_back();
        }
    put_header(3, 10, 9); /* a newer minor */
    ck_assert_int_eq(open_log(false, VERSIONS).status, HOLTER_OK);
    put_header(3, 16, 1); /* a may-ignore feature */
    ck_assert_int_eq(open_log(false, VERSIONS).status, HOLTER_OK);
}
END_TEST

START_TEST(fields_that_no_writer_writes_are_refused)
{
    put_header(3, 40, 0); /* generation 0 */
    ck_assert_int_eq(open_log(false, UINT64_MAX).status, HOLTER_CORRUPT);
    put_header(3, 48, 0); /* base 0 */
    ck_assert_int_eq(open_log(false, UINT64_MAX).status, HOLTER_CORRUPT);
    put_header(3, 48, 2); /* a base that the first edit has not */
    ck_assert_int_eq(open_log(false, UINT64_MAX).status, HOLTER_CORRUPT);
    put_header(1, 48, 2); /* copies that differ */
    ck_assert_int_eq(open_log(true, UINT64_MAX).status, HOLTER_CORRUPT);
}
END_TEST

/* Nothing may count past them: a number of the greatest ones, its checksum right, and the log opened for writing. */
START_TEST(numbers_that_leave_no_next_are_refused)
{
    static const size_t last_bytes[] = { 40 + 7, 48 + 7 }; /* of generation and base */
    for (unsigned copies = 1; copies < 4; copies++) {
        put_header(copies, last_bytes[_i], 0xff);
        struct outcome found = open_log(true, copies == 3 ? UINT64_MAX : VERSIONS);
        ck_assert_int_eq(found.status, copies == 3 ? HOLTER_CORRUPT : HOLTER_OK);
        put_back();
    }
}
END_TEST

/* The greatest generation reads; but the copies cannot be made anew, which is told. */
START_TEST(the_last_generation_is_read_and_not_passed)
{
    static const uint8_t greatest[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f };
    struct buffer changed;
    buffer_init(&changed);
    buffer_append(&changed, sound.data, 512);
    memcpy(changed.data + 40, greatest, sizeof greatest);
    struct writer w = writer_over(changed.data + 56, 8);
    put_u64(&w, hash64(changed.data, 56));
    struct ledger ledger = { .count = 0 };
    struct edits_spec spec = ledger_spec(io, &ledger);
    uint8_t body[LEDGER_BODY_MAX];
    size_t body_bytes = ledger_body(body, 1, LEDGER_SNAPSHOT, 0);
    edits_record_encode(&changed, &spec, INT64_MAX, 1, 0, 0, body, body_bytes);
    for (size_t c = 0; c < 2; c++)
        MUST(sim_file_write(sim, paths[c], changed.data, changed.bytes));
    buffer_release(&changed);
    struct edits *edits;
    MUST(edits_open(&edits, &spec, true, UINT64_MAX, &err));
    const struct edits_part part = { "all", 3 };
    ck_assert_int_eq(edits_rewrite(edits, &part, 1, &err), HOLTER_CORRUPT);
    edits_close(edits);
}
END_TEST

/* A record at the end with a checksum that fits and some field wrong. */
START_TEST(a_record_that_does_not_follow_is_refused)
{
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {
        { 8, VERSIONS },     /* the version of the one before */
        { 8, VERSIONS + 2 }, /* one left out */
        { 16, 2 },           /* an unknown flag */
        { 20, 1 },           /* a part without the one before it */
    };
    uint8_t record[512] = { 0 }, seed[64];
    struct writer w = writer_over(record, sizeof record);
    put_u32(&w, 0x54494445);
    put_u32(&w, 7);
    put_u64(&w, VERSIONS + 1);
    record[wrong[_i].at] = wrong[_i].value;
    memcpy(record + 32, "invalid", 7);

    w = writer_over(seed, sizeof seed);
    static const uint8_t store_id[16] = { 4, 2 };
    put_bytes(&w, store_id, 16);
    put_u32(&w, EDITS_CATALOG);
    put_u32(&w, 3);
    put_u64(&w, 1);
    put_bytes(&w, record, 24);
    put_u64(&w, hash64("invalid", 7));
    ck_assert_uint_eq(w.left, 0);
    w = writer_over(record + 24, 8);
    put_u64(&w, hash64(seed, sizeof seed));

    buffer_append(&sound, record, sizeof record);
    put_back();
    ck_assert_int_eq(open_log(false, UINT64_MAX).status, HOLTER_CORRUPT);
    ck_assert_int_eq(open_log(true, UINT64_MAX).status, HOLTER_CORRUPT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edits_damage");
    TCase *tests = tcase_create("damage");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, any_bit_of_one_copy_may_flip, 0, 2);
    tcase_add_loop_test(tests, any_sector_of_one_copy_may_be_zeroed, 0, 2);
    tcase_add_loop_test(tests, any_sector_of_one_copy_may_be_unreadable, 0, 2);
    tcase_add_loop_test(tests, one_copy_may_have_any_length, 0, 2);
    tcase_add_loop_test(tests, one_copy_may_be_missing, 0, 2);
    tcase_add_loop_test(tests, a_directory_in_place_of_a_copy_stops_writers_only, 0, 2);
    tcase_add_loop_test(tests, an_older_copy_put_back_is_seen, 0, 2);
    tcase_add_test(tests, damage_in_both_copies_is_told_or_is_a_torn_end);
    tcase_add_test(tests, different_edits_may_be_damaged_in_each_copy);
    tcase_add_test(tests, a_copy_of_another_store_place_or_kind_is_not_taken);
    tcase_add_test(tests, a_newer_format_is_refused_and_left_alone);
    tcase_add_test(tests, fields_that_no_writer_writes_are_refused);
    tcase_add_loop_test(tests, numbers_that_leave_no_next_are_refused, 0, 2);
    tcase_add_test(tests, the_last_generation_is_read_and_not_passed);
    tcase_add_loop_test(tests, a_record_that_does_not_follow_is_refused, 0, 4);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
