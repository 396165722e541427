/*
 * test_edits_log.c -- a log of edits reads back what was appended, by one handle or two.
 *
 * The plain life of a log: create, append, rewrite, and a reader that follows a writer by the
 * version that the writer published, with the calls counted where nothing may be called.
 */
#include "edits_ledger.h"

static struct sim *sim;
static struct io *io, *other_io;
static struct ledger ledger, other;
static struct edits *edits, *reader;
static holter_error err;

#define MUST(call) ck_assert_msg((call) == HOLTER_OK, "%s", err.message)

static void setup(void)
{
    memset(&ledger, 0, sizeof ledger);
    memset(&other, 0, sizeof other);
    memset(&err, 0, sizeof err);
    edits = reader = NULL;
    sim = sim_new(&(struct sim_options){ .seed = 11 });
    io = sim_process_new(sim);
    other_io = sim_process_new(sim);
    MUST(io_make_dir(io, "d", &err));
    MUST(io_sync_dir(io, ".", &err));
    MUST(ledger_create(io, &err));
}

static void teardown(void)
{
    edits_close(edits);
    edits_close(reader);
    io_free(io);
    io_free(other_io);
    sim_free(sim);
}

static void open_writer(void)
{
    struct edits_spec spec = ledger_spec(io, &ledger);
    MUST(edits_open(&edits, &spec, true, UINT64_MAX, &err));
}

static void open_reader(uint64_t version_max)
{
    struct edits_spec spec = ledger_spec(other_io, &other);
    MUST(edits_open(&reader, &spec, false, version_max, &err));
}

static size_t damaged;
static void report(void *context, const char *sentence)
{
    (void)context;
    (void)sentence;
}

static size_t verify(struct edits *handle)
{
    damaged = 0;
    MUST(edits_verify(handle, report, NULL, &damaged, &err));
    return damaged;
}

START_TEST(a_log_is_made_once)
{
    ck_assert_int_eq(ledger_create(io, &err), HOLTER_EXISTS);
}
END_TEST

START_TEST(a_log_that_is_not_there_is_not_found)
{
    struct edits_spec spec = ledger_spec(io, &ledger);
    spec.name = "vault";
    spec.kind = EDITS_VAULT;
    ck_assert_int_eq(edits_open(&edits, &spec, true, UINT64_MAX, &err), HOLTER_NOT_FOUND);
    ck_assert_ptr_null(edits);
}
END_TEST

START_TEST(what_is_appended_is_applied_and_read_back)
{
    open_writer();
    for (uint64_t v = 2; v <= 20; v++) {
        MUST(ledger_append(edits, 1, &err));
        ck_assert_uint_eq(edits_version(edits), v);
        ledger_check(&ledger, edits);
    }
    ck_assert_uint_eq(ledger.count, 20);
    open_reader(UINT64_MAX);
    ledger_check(&other, reader);
    ck_assert_uint_eq(edits_version(reader), 20);
    ck_assert_uint_eq(edits_bytes(reader), edits_bytes(edits));
    ck_assert_uint_eq(verify(reader), 0);
    ck_assert_uint_eq(verify(edits), 0);
}
END_TEST

START_TEST(both_copies_have_the_same_bytes)
{
    struct buffer a, b;
    open_writer();
    for (unsigned i = 0; i < 7; i++)
        MUST(ledger_append(edits, 1, &err));
    buffer_init(&a);
    buffer_init(&b);
    MUST(sim_file_read(&a, sim, "d/catalog.a"));
    MUST(sim_file_read(&b, sim, "d/catalog.b"));
    ck_assert_uint_eq(a.bytes, edits_bytes(edits));
    ck_assert_uint_eq(a.bytes, b.bytes);
    ck_assert_mem_eq(a.data, b.data, a.bytes);
    ck_assert_mem_eq(a.data, "\x89HLTCATA", 8);
    ck_assert_uint_eq(a.bytes % 512, 0);
    buffer_release(&a);
    buffer_release(&b);
}
END_TEST

START_TEST(a_clean_log_is_not_made_anew_by_opening)
{
    open_writer();
    MUST(ledger_append(edits, 1, &err));
    uint64_t generation = edits_generation(edits);
    edits_close(edits);
    open_writer();
    ck_assert_uint_eq(edits_generation(edits), generation);
    MUST(edits_refresh(edits, true, UINT64_MAX, &err));
    MUST(edits_refresh(edits, true, edits_version(edits), &err));
    ck_assert_uint_eq(edits_generation(edits), generation);
}
END_TEST

START_TEST(a_reader_takes_nothing_later_than_was_published)
{
    open_writer();
    for (unsigned i = 0; i < 9; i++)
        MUST(ledger_append(edits, 1, &err));
    for (uint64_t v = 1; v <= 10; v++) {
        if (reader == NULL)
            open_reader(v);
        MUST(edits_refresh(reader, false, v, &err));
        ck_assert_uint_eq(edits_version(reader), v);
        ledger_check(&other, reader);
    }
    ck_assert_uint_eq(other.resets, 1);
    MUST(edits_refresh(reader, false, 4, &err)); /* it holds more: back to what was published */
    ck_assert_uint_eq(edits_version(reader), 4);
    ledger_check(&other, reader);
}
END_TEST

START_TEST(a_reader_that_is_current_makes_no_call)
{
    open_writer();
    MUST(ledger_append(edits, 1, &err));
    open_reader(2);
    uint64_t calls = sim_call_count(sim);
    MUST(edits_refresh(reader, false, 2, &err));
    ck_assert_uint_eq(sim_call_count(sim), calls);
}
END_TEST

START_TEST(a_log_shorter_than_published_is_corrupt)
{
    open_writer();
    open_reader(1);
    ck_assert_int_eq(edits_refresh(reader, false, 2, &err), HOLTER_CORRUPT);
    ck_assert_uint_eq(edits_version(reader), 1); /* the state is what it was */
    ck_assert_int_eq(edits_refresh(edits, true, 2, &err), HOLTER_CORRUPT);
    MUST(edits_refresh(edits, true, 1, &err));
    MUST(ledger_append(edits, 1, &err));
    MUST(edits_refresh(reader, false, 2, &err));
}
END_TEST

START_TEST(a_rewrite_keeps_the_version_and_readers_follow)
{
    open_writer();
    for (unsigned i = 0; i < 5; i++)
        MUST(ledger_append(edits, 1, &err));
    open_reader(4);
    uint64_t generation = edits_generation(edits);
    MUST(ledger_rewrite(edits, &err));
    ck_assert_uint_eq(edits_version(edits), 6);
    ck_assert_uint_gt(edits_generation(edits), generation);
    ck_assert_uint_eq(ledger.resets, 1); /* not applied */
    MUST(edits_refresh(reader, false, 6, &err));
    ck_assert_uint_eq(edits_version(reader), 6);
    ck_assert_uint_eq(other.count, 1);
    MUST(ledger_append(edits, 1, &err));
    MUST(ledger_append(edits, 1, &err));
    MUST(edits_refresh(reader, false, 8, &err));
    ledger_check(&other, reader);
    ck_assert_uint_eq(other.count, 3);
    ck_assert_uint_eq(edits_generation(reader), edits_generation(edits));
    ck_assert_uint_eq(verify(reader), 0);
}
END_TEST

START_TEST(the_first_edit_of_a_rewritten_log_counts_as_published)
{
    open_writer();
    for (unsigned i = 0; i < 5; i++)
        MUST(ledger_append(edits, 1, &err));
    MUST(ledger_rewrite(edits, &err));
    MUST(ledger_append(edits, 1, &err));
    open_reader(3);
    ck_assert_uint_eq(edits_version(reader), 6);
    MUST(edits_refresh(reader, false, 3, &err));
    ck_assert_uint_eq(edits_version(reader), 6);
    MUST(edits_refresh(reader, false, 7, &err));
    ledger_check(&other, reader);
}
END_TEST

START_TEST(writers_take_turns)
{
    struct edits_spec spec = ledger_spec(other_io, &other);
    open_writer();
    MUST(edits_open(&reader, &spec, true, UINT64_MAX, &err));
    struct edits *turn[2] = { edits, reader };
    for (uint64_t v = 2; v < 40; v++) {
        struct edits *now = turn[(v / 2) % 2];
        MUST(edits_refresh(now, true, v - 1, &err));
        if (v % 7 == 0)
            MUST(ledger_rewrite(now, &err));
        MUST(ledger_append(now, 1, &err));
        ck_assert_uint_eq(edits_version(now), v);
    }
    MUST(edits_refresh(edits, true, 39, &err));
    MUST(edits_refresh(reader, true, 39, &err));
    ledger_check(&ledger, edits);
    ledger_check(&other, reader);
    ck_assert_uint_eq(edits_generation(edits), 1 + 5); /* only rewrites made anew */
}
END_TEST

START_TEST(later_edits_of_a_dead_writer_are_made_durable_first)
{
    open_writer();
    MUST(ledger_append(edits, 1, &err));
    MUST(ledger_append(edits, 1, &err)); /* appended, never published: it died */
    sim_process_kill(io);
    struct edits_spec spec = ledger_spec(other_io, &other);
    MUST(edits_open(&reader, &spec, true, 2, &err));
    ck_assert_uint_eq(edits_version(reader), 3);
    ck_assert_uint_eq(edits_generation(reader), 2);
    sim_crash(sim, SIM_CRASH_DURABLE, 1);
    struct io *fresh = sim_process_new(sim);
    struct ledger after = { .count = 0 };
    struct edits *again;
    spec = ledger_spec(fresh, &after);
    MUST(edits_open(&again, &spec, false, UINT64_MAX, &err));
    ck_assert_uint_eq(edits_version(again), 3);
    edits_close(again);
    io_free(fresh);
}
END_TEST

START_TEST(a_failing_owner_leaves_no_half_state)
{
    open_writer();
    MUST(ledger_append(edits, 1, &err));
    ledger.fail = HOLTER_NO_MEMORY;
    ck_assert_int_eq(ledger_append(edits, 1, &err), HOLTER_NO_MEMORY);
    ck_assert_uint_eq(edits_version(edits), 0);
    ck_assert_int_eq(ledger_append(edits, 1, &err), HOLTER_INVALID);
    MUST(edits_refresh(edits, true, 2, &err)); /* durable all the same */
    ck_assert_uint_eq(edits_version(edits), 3);
    ledger_check(&ledger, edits);

    open_reader(2);
    other.fail = HOLTER_CORRUPT;
    ck_assert_int_eq(edits_refresh(reader, false, 3, &err), HOLTER_CORRUPT);
    ck_assert_uint_eq(edits_version(reader), 0);
    MUST(edits_refresh(reader, false, 3, &err));
    ledger_check(&other, reader);
}
END_TEST

START_TEST(an_edit_has_parts_of_allowed_sizes)
{
    static uint8_t large[EDITS_BODY_BYTES_MAX + 1];
    struct edits_part part = { large, sizeof large };
    open_writer();
    ck_assert_int_eq(edits_append(edits, &part, 1, &err), HOLTER_INVALID);
    part.count = 0;
    ck_assert_int_eq(edits_append(edits, &part, 1, &err), HOLTER_INVALID);
    ck_assert_int_eq(edits_append(edits, &part, 0, &err), HOLTER_INVALID);
    MUST(ledger_append(edits, 1, &err));
}
END_TEST

START_TEST(a_handle_that_reads_does_not_append)
{
    open_reader(1);
    ck_assert_int_eq(ledger_append(reader, 1, &err), HOLTER_INVALID);
    ck_assert_int_eq(ledger_rewrite(reader, &err), HOLTER_INVALID);
}
END_TEST

START_TEST(reading_works_on_a_read_only_disk)
{
    sim_read_only(sim, true);
    open_reader(UINT64_MAX);
    ck_assert_uint_eq(edits_version(reader), 1);
    struct edits_spec spec = ledger_spec(io, &ledger);
    ck_assert_int_eq(edits_open(&edits, &spec, true, UINT64_MAX, &err), HOLTER_DENIED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edits_log");
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_log_is_made_once);
    tcase_add_test(tests, a_log_that_is_not_there_is_not_found);
    tcase_add_test(tests, what_is_appended_is_applied_and_read_back);
    tcase_add_test(tests, both_copies_have_the_same_bytes);
    tcase_add_test(tests, a_clean_log_is_not_made_anew_by_opening);
    tcase_add_test(tests, a_reader_takes_nothing_later_than_was_published);
    tcase_add_test(tests, a_reader_that_is_current_makes_no_call);
    tcase_add_test(tests, a_log_shorter_than_published_is_corrupt);
    tcase_add_test(tests, a_rewrite_keeps_the_version_and_readers_follow);
    tcase_add_test(tests, the_first_edit_of_a_rewritten_log_counts_as_published);
    tcase_add_test(tests, writers_take_turns);
    tcase_add_test(tests, later_edits_of_a_dead_writer_are_made_durable_first);
    tcase_add_test(tests, a_failing_owner_leaves_no_half_state);
    tcase_add_test(tests, an_edit_has_parts_of_allowed_sizes);
    tcase_add_test(tests, a_handle_that_reads_does_not_append);
    tcase_add_test(tests, reading_works_on_a_read_only_disk);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
