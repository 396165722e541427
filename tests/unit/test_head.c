/*
 * test_head.c -- the head page gives whole facts of this boot or none, whoever is stopped in the
 * middle.
 *
 * Two simulated processes map one page; the publisher is killed at every call of a publish, the
 * power is cut, the page is damaged bit by bit.
 */
#include "head/head.h"
#include "io/io_sim.h"
#include "run.h"

#include <string.h>

static const uint8_t store_id[16] = { 1, 2, 3, 4, 5 };
static struct sim *sim;
static struct io *writer_io, *reader_io;

static void setup(void)
{
    struct sim_options options = { .seed = 7 };
    sim = sim_new(&options);
    ck_assert_ptr_nonnull(sim);
    writer_io = sim_process_new(sim);
    reader_io = sim_process_new(sim);
}

static void teardown(void)
{
    io_free(writer_io);
    io_free(reader_io);
    sim_free(sim);
}

static struct head *must_open(struct io *io, bool writable)
{
    struct head *head;
    holter_error err = { .status = HOLTER_OK };
    holter_status status = head_open(&head, io, "head", store_id, 1, writable, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    return head;
}

/* Facts that belong together: each word follows from the first. */
static void publish(struct head *head, unsigned pair, uint64_t number)
{
    uint64_t words[HEAD_WORDS];
    for (uint64_t i = 0; i < HEAD_WORDS; i++)
        words[i] = number * (i + 1);
    head_publish(head, pair, words);
}

/* 0: no facts */
static uint64_t read_whole(struct head *head, unsigned pair)
{
    uint64_t words[HEAD_WORDS] = { 0 };
    if (!head_read(head, pair, words))
        return 0;
    for (uint64_t i = 0; i < HEAD_WORDS; i++)
        ck_assert_uint_eq(words[i], words[0] * (i + 1));
    return words[0];
}

START_TEST(a_reader_finds_no_page_where_there_is_none)
{
    struct head *head;
    holter_error err = { .status = HOLTER_OK };
    ck_assert_int_eq(head_open(&head, reader_io, "head", store_id, 1, false, &err),
                     HOLTER_NOT_FOUND);
    ck_assert_ptr_null(head);
    ck_assert_int_eq(sim_file_write(sim, "head", "short", 5), HOLTER_OK);
    ck_assert_int_eq(head_open(&head, reader_io, "head", store_id, 1, false, &err),
                     HOLTER_NOT_FOUND);
}
END_TEST

START_TEST(a_new_page_holds_no_facts)
{
    struct head *head = must_open(writer_io, true);
    ck_assert_uint_eq(read_whole(head, 0), 0);
    ck_assert_uint_eq(read_whole(head, 1), 0);
    head_close(head);
}
END_TEST

START_TEST(what_is_published_is_read_by_other_processes)
{
    struct head *writer = must_open(writer_io, true);
    struct head *reader = must_open(reader_io, false);
    for (uint64_t i = 1; i < 20; i++) {
        publish(writer, 0, i);
        ck_assert_uint_eq(read_whole(reader, 0), i);
        ck_assert_uint_eq(read_whole(reader, 1), i / 3);
        if ((i + 1) % 3 == 0)
            publish(writer, 1, (i + 1) / 3);
    }
    head_close(reader);
    head_close(writer);
}
END_TEST

START_TEST(a_second_opener_wipes_nothing)
{
    struct head *first = must_open(writer_io, true);
    publish(first, 0, 5);
    struct head *second = must_open(reader_io, true);
    ck_assert_uint_eq(read_whole(second, 0), 5);
    publish(second, 0, 6);
    ck_assert_uint_eq(read_whole(first, 0), 6);
    head_close(first);
    head_close(second);
}
END_TEST

START_TEST(a_page_too_short_is_filled_up)
{
    ck_assert_int_eq(sim_file_write(sim, "head", "short", 5), HOLTER_OK);
    struct head *head = must_open(writer_io, true);
    ck_assert_uint_eq(read_whole(head, 0), 0);
    publish(head, 0, 9);
    ck_assert_uint_eq(read_whole(head, 0), 9);
    head_close(head);
}
END_TEST

START_TEST(another_boot_store_or_place_has_no_facts)
{
    struct head *head = must_open(writer_io, true);
    publish(head, 0, 3);
    head_close(head);

    static const uint8_t other_id[16] = { 9 };
    ck_assert_int_eq(head_open(&head, reader_io, "head", other_id, 1, false, NULL), HOLTER_OK);
    ck_assert_uint_eq(read_whole(head, 0), 0);
    head_close(head);
    ck_assert_int_eq(head_open(&head, reader_io, "head", store_id, 2, false, NULL), HOLTER_OK);
    ck_assert_uint_eq(read_whole(head, 0), 0);
    head_close(head);

    head = must_open(reader_io, false);
    ck_assert_uint_eq(read_whole(head, 0), 3);
    head_close(head);

    sim_crash(sim, SIM_CRASH_ALL, 1);
    struct io *io = sim_process_new(sim);
    struct head *after;
    holter_status status = head_open(&after, io, "head", store_id, 1, true, NULL);
    ck_assert_int_eq(status, HOLTER_OK);
    ck_assert_uint_eq(read_whole(after, 0), 0);
    publish(after, 0, 4);
    ck_assert_uint_eq(read_whole(after, 0), 4);
    head_close(after);
    io_free(io);
}
END_TEST

START_TEST(a_killed_publisher_leaves_the_newer_facts)
{
    bool was_killed = true;
    uint64_t k;
    for (k = 0; was_killed; k++) {
        struct io *victim = sim_process_new(sim);
        struct head *head = must_open(victim, true);
        struct head *reader = must_open(reader_io, true);
        publish(reader, 0, 100 + k);
        struct head_stamp before = head_stamp(reader, 0);
        sim_stop_at(sim, sim_call_count(sim) + k, SIM_KILL);
        publish(head, 0, 1000 + k);
        was_killed = sim_process_is_dead(victim);
        sim_stop_at(sim, UINT64_MAX, SIM_NOTHING);
        struct head_stamp cut = head_stamp(reader, 0);
        uint64_t found = read_whole(reader, 0);
        ck_assert_uint_eq(found, was_killed ? 100 + k : 1000 + k);
        ck_assert(found == 100 + k || !head_stamp_is_equal(&before, &cut));
        publish(reader, 0, 2000 + k); /* life goes on */
        ck_assert_uint_eq(read_whole(reader, 0), 2000 + k);
        struct head_stamp after = head_stamp(reader, 0);
        ck_assert(!head_stamp_is_equal(&cut, &after));
        ck_assert(!head_stamp_is_equal(&before, &after));
        head_close(head);
        head_close(reader);
        io_free(victim);
    }
    ck_assert_uint_gt(k, 15); /* each store was cut at */
}
END_TEST

START_TEST(a_stamp_stays_until_somebody_publishes)
{
    struct head *head = must_open(writer_io, true);
    struct head *reader = must_open(reader_io, false);
    struct head_stamp none = head_stamp(reader, 0), seen;
    for (uint64_t i = 1; i < 5; i++) {
        struct head_stamp before = head_stamp(reader, 0);
        publish(head, 0, 7); /* the same facts, too */
        seen = head_stamp(reader, 0);
        ck_assert(!head_stamp_is_equal(&before, &seen));
        publish(head, 1, i);
        struct head_stamp later = head_stamp(reader, 0);
        ck_assert(head_stamp_is_equal(&seen, &later));
    }
    head_forget(head, 0);
    struct head_stamp forgotten = head_stamp(reader, 0);
    ck_assert(head_stamp_is_equal(&none, &forgotten));
    ck_assert(!head_stamp_is_equal(&seen, &forgotten));
    head_close(head);
    head_close(reader);
}
END_TEST

START_TEST(a_flipped_bit_is_never_a_fact)
{
    struct head *head = must_open(writer_io, true);
    publish(head, 0, 21);
    publish(head, 0, 22);
    for (uint64_t bit = 0; bit < 640 * 8; bit++) {
        ck_assert_int_eq(sim_file_flip(sim, "head", bit), HOLTER_OK);
        uint64_t found = read_whole(head, 0);
        ck_assert(found == 22 || found == 21);
        struct head *again = must_open(reader_io, false);
        ck_assert_uint_eq(read_whole(again, 0), found);
        head_close(again);
        ck_assert_int_eq(sim_file_flip(sim, "head", bit), HOLTER_OK);
    }
    head_close(head);
}
END_TEST

/*
 * A slot of this count under a right checksum, as format-spec/head.md has it, in the place of slot
 * 0 of pair 0.
 */
static void forge_count(uint64_t count)
{
    uint8_t bytes[8 + 2 + 16 + 4 + 4 + IO_BOOT_ID_BYTES + 128] = { 0 };
    const size_t slot_at = sizeof bytes - 128;
    struct writer w = writer_over(bytes, sizeof bytes);
    uint8_t boot_id[IO_BOOT_ID_BYTES];
    ck_assert_int_eq(io_boot_id(writer_io, boot_id, NULL), HOLTER_OK);
    put_bytes(&w, "\x89HLTHEAD", 8);
    put_u16(&w, 0);
    put_bytes(&w, store_id, sizeof store_id);
    put_u32(&w, 1);
    put_u32(&w, 0);
    put_bytes(&w, boot_id, sizeof boot_id);
    put_u64(&w, count);
    w = writer_over(bytes + sizeof bytes - 8, 8);
    put_u64(&w, hash64(bytes, sizeof bytes - 8));

    struct buffer page;
    buffer_init(&page);
    ck_assert_int_eq(sim_file_read(&page, sim, "head"), HOLTER_OK);
    memcpy(page.data + 128, bytes + slot_at, 128);
    ck_assert_int_eq(sim_file_write(sim, "head", page.data, page.bytes), HOLTER_OK);
    buffer_release(&page);
}

START_TEST(no_count_is_the_last)
{
    for (uint64_t less = 0; less < 3; less++) {
        struct head *head = must_open(writer_io, true);
        publish(head, 0, 21);
        publish(head, 0, 22);
        head_close(head);
        forge_count(UINT64_MAX - less);
        head = must_open(writer_io, true);
        for (uint64_t number = 23; number < 30; number++) {
            publish(head, 0, number);
            ck_assert_uint_eq(read_whole(head, 0), number);
        }
        head_close(head);
    }
}
END_TEST

START_TEST(statistics_add_up_over_processes_and_begin_anew_in_each_boot)
{
    struct head_statistics read;
    holter_error err = { .status = HOLTER_OK };
    struct head *a, *b, *reading;
    ck_assert_int_eq(head_open(&a, writer_io, "head", store_id, 0, true, &err), HOLTER_OK);
    head_count(a, HEAD_ROWS, 40);
    ck_assert_int_eq(head_open(&b, reader_io, "head", store_id, 0, true, &err), HOLTER_OK);
    ck_assert_int_eq(head_open(&reading, reader_io, "head", store_id, 0, false, &err), HOLTER_OK);
    head_count(b, HEAD_ROWS, 2);
    head_count(reading, HEAD_ROWS, 1000); /* it writes nothing */
    head_count(NULL, HEAD_ROWS, 1000);
    static const uint64_t values[] = { 0, 1, 2, 3, 4, UINT64_C(1) << 28, UINT64_MAX };
    for (size_t i = 0; i < CORE_COUNT(values); i++)
        head_measure(i % 2 == 0 ? a : b, HEAD_SYNC_US, values[i]);
    publish(a, 0, 3);
    head_statistics_read(reading, &read);
    ck_assert_uint_eq(read.counters[HEAD_ROWS], 42);
    ck_assert_uint_eq(read.sums[HEAD_SYNC_US], 10 + (UINT64_C(1) << 28) - 1);
    static const uint64_t expected[HEAD_BUCKETS] = { 1, 1, 2, 1, [29] = 2 };
    ck_assert_mem_eq(read.buckets[HEAD_SYNC_US], expected, sizeof expected);
    ck_assert_uint_eq(read_whole(reading, 0), 3);
    head_close(reading);
    head_close(b);
    head_close(a);

    sim_crash(sim, SIM_CRASH_ALL, 1);
    io_free(writer_io);
    io_free(reader_io);
    writer_io = sim_process_new(sim);
    reader_io = sim_process_new(sim);
    ck_assert_int_eq(head_open(&reading, reader_io, "head", store_id, 0, false, &err), HOLTER_OK);
    head_statistics_read(reading, &read);
    ck_assert_uint_eq(read.counters[HEAD_ROWS], 0);
    ck_assert_int_eq(head_open(&a, writer_io, "head", store_id, 0, true, &err), HOLTER_OK);
    head_count(a, HEAD_ROWS, 1);
    head_statistics_read(reading, &read);
    ck_assert_uint_eq(read.counters[HEAD_ROWS], 1);
    ck_assert_uint_eq(read.sums[HEAD_SYNC_US], 0);
    head_statistics_read(NULL, &read);
    ck_assert_uint_eq(read.counters[HEAD_ROWS], 0);
    head_close(reading);
    head_close(a);
}
END_TEST

/* What was there before, as a kill leaves it, makes nobody wait for longer than he asked. */
START_TEST(a_turn_is_passed_on)
{
    struct head *writer = must_open(writer_io, true);
    struct head *reader = must_open(reader_io, true);
    uint64_t turn = head_turn(reader);
    int64_t now_ns = io_monotonic_ns(reader_io);
    head_wait(reader, turn, now_ns + 1000);
    ck_assert_int_ge(io_monotonic_ns(reader_io), now_ns + 1000);
    head_pass_turn(writer);
    ck_assert_uint_ne(head_turn(reader), turn);
    now_ns = io_monotonic_ns(reader_io);
    head_wait(reader, turn, now_ns + 1000); /* it is over */
    ck_assert_int_lt(io_monotonic_ns(reader_io), now_ns + 1000);
    publish(writer, 0, 3);
    ck_assert_uint_eq(read_whole(reader, 0), 3); /* turns are no facts, and touch none */
    head_close(writer);
    head_close(reader);
}
END_TEST

START_TEST(a_newer_format_is_refused)
{
    struct head *head = must_open(writer_io, true);
    head_close(head);
    struct buffer page;
    buffer_init(&page);
    ck_assert_int_eq(sim_file_read(&page, sim, "head"), HOLTER_OK);
    page.data[8] = 1; /* major */
    uint64_t checksum = hash64(page.data, 56);
    struct writer w = writer_over(page.data + 56, 8);
    put_u64(&w, checksum);
    ck_assert_int_eq(sim_file_write(sim, "head", page.data, page.bytes), HOLTER_OK);
    ck_assert_int_eq(head_open(&head, writer_io, "head", store_id, 1, true, NULL),
                     HOLTER_UNSUPPORTED);
    ck_assert_int_eq(head_open(&head, reader_io, "head", store_id, 1, false, NULL),
                     HOLTER_UNSUPPORTED);
    buffer_release(&page);
}
END_TEST

START_TEST(every_failing_call_is_told)
{
    static const int errors[] = { 5 /* EIO */, 28 /* ENOSPC */, 12 /* ENOMEM */, 13 /* EACCES */ };
    for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++)
        for (uint64_t nth = 0;; nth++) {
            struct sim *fresh = sim_new(&(struct sim_options){ .seed = nth });
            struct io *io = sim_process_new(fresh);
            struct sim_fault fault = { .kind = SIM_ANY, .nth = nth, .error = errors[e] };
            struct head *head;
            sim_fault_set(fresh, &fault);
            holter_error err = { .status = HOLTER_OK };
            holter_status status = head_open(&head, io, "head", store_id, 1, true, &err);
            bool was_hit = sim_fault_was_hit(fresh);
            sim_fault_clear(fresh);
            if (status != HOLTER_OK) {
                ck_assert(was_hit);
                ck_assert_ptr_null(head);
                ck_assert(err.message[0] != '\0');
                ck_assert_int_eq(head_open(&head, io, "head", store_id, 1, true, NULL), HOLTER_OK);
            }
            publish(head, 1, 77);
            ck_assert_uint_eq(read_whole(head, 1), 77);
            head_close(head);
            io_free(io);
            sim_free(fresh);
            if (!was_hit)
                break;
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head");
    TCase *tests = tcase_create("page");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_reader_finds_no_page_where_there_is_none);
    tcase_add_test(tests, a_new_page_holds_no_facts);
    tcase_add_test(tests, what_is_published_is_read_by_other_processes);
    tcase_add_test(tests, a_second_opener_wipes_nothing);
    tcase_add_test(tests, a_page_too_short_is_filled_up);
    tcase_add_test(tests, another_boot_store_or_place_has_no_facts);
    tcase_add_test(tests, a_killed_publisher_leaves_the_newer_facts);
    tcase_add_test(tests, a_stamp_stays_until_somebody_publishes);
    tcase_add_test(tests, a_flipped_bit_is_never_a_fact);
    tcase_add_test(tests, no_count_is_the_last);
    tcase_add_test(tests, statistics_add_up_over_processes_and_begin_anew_in_each_boot);
    tcase_add_test(tests, a_turn_is_passed_on);
    tcase_add_test(tests, a_newer_format_is_refused);
    tcase_add_test(tests, every_failing_call_is_told);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
