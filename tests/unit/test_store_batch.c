/*
 * test_store_batch.c -- what a batch takes, and what a commit answers, against the public interface.
 *
 * A store on a simulated disk; each test makes a batch or two.
 */
#include "run.h"

#include <string.h>

#include "io/io_sim.h"
#include "store/store.h"

#define LOG_FILE_BYTES 65536

struct fixture {
    struct sim *sim;
    struct io *io;
    holter_store *store;
    uint64_t user;
    uint32_t heart_rate, note;
};

static struct fixture fixture;

static void setup(void)
{
    holter_id id = { .bytes = "somebody", .count = 8 };
    holter_options options = { .log_file_bytes = LOG_FILE_BYTES };
    holter_metric metric;
    uint32_t source;
    fixture = (struct fixture){ .sim = sim_new(NULL) };
    fixture.io = sim_process_new(fixture.sim);
    ck_assert_int_eq(store_create_on(fixture.io, "store", NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(store_open_on(&fixture.store, fixture.io, "store", &options, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_users_add(fixture.store, &id, 1, NULL, &fixture.user, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_source_need(fixture.store, fixture.user, "watch", &source, NULL),
                     HOLTER_OK);
    ck_assert_int_eq(holter_metric_find(fixture.store, "heart_rate", &metric, NULL), HOLTER_OK);
    fixture.heart_rate = metric.number;
    ck_assert_int_eq(holter_metric_find(fixture.store, "note", &metric, NULL), HOLTER_OK);
    fixture.note = metric.number;
}

static void teardown(void)
{
    holter_close(fixture.store);
    io_free(fixture.io);
    sim_free(fixture.sim);
}

static holter_batch *batch_with(int64_t time, int64_t value, int64_t revision)
{
    holter_batch *batch;
    holter_batch_options options = { .exact = 1 };
    holter_value values[1] = { { .integer = value } };
    holter_row row = { .user = fixture.user,
                       .metric = fixture.heart_rate,
                       .source = 1,
                       .time_ns = time,
                       .values = values,
                       .value_count = 1,
                       .revision = revision };
    ck_assert_int_eq(holter_batch_new(&batch, fixture.store, &options, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_batch_add(batch, &row, NULL, NULL), HOLTER_OK);
    return batch;
}

static holter_answer commit(holter_batch *batch)
{
    ck_assert_int_eq(holter_commit(fixture.store, batch, NULL), HOLTER_OK);
    holter_answer answer = holter_batch_answer(batch, 0).answer;
    holter_batch_free(batch);
    return answer;
}

/* A stored row of revision 7 and value 70; then a deletion and a row of one batch; the row's answer. */
static const struct {
    int64_t deletes; /* its revision; -1: nothing is deleted */
    int64_t revision, value;
    holter_answer answer;
} replaced[] = {
    { -1, 3, 71, HOLTER_SUPERSEDED },
    { -1, 7, 71, HOLTER_CORRECTED },
    { -1, 3, 70, HOLTER_DUPLICATE },
    { 0, 3, 71, HOLTER_CORRECTED }, /* what was greater goes with this very batch */
    { 0, 3, 70, HOLTER_DUPLICATE },
    { 6, 6, 71, HOLTER_SUPERSEDED }, /* the deletion leaves what is stored */
    { 7, 6, 71, HOLTER_SUPERSEDED }, /* it hides the batch's row, too */
    { 7, 7, 71, HOLTER_CORRECTED },
};

START_TEST(an_exact_answer_knows_what_its_batch_deletes)
{
    ck_assert_int_eq(commit(batch_with(1000, 70, 7)), HOLTER_NEW);
    holter_batch *batch = batch_with(1000, replaced[_i].value, replaced[_i].revision);
    if (replaced[_i].deletes >= 0)
        ck_assert_int_eq(holter_batch_delete(batch, fixture.user, fixture.heart_rate, 1, 0, 2000,
                                             replaced[_i].deletes, NULL),
                         HOLTER_OK);
    ck_assert_int_eq(commit(batch), replaced[_i].answer);
}
END_TEST

/* Texts of this many bytes, and what adding a row with one says. */
static const struct {
    size_t bytes;
    holter_status status;
} notes[] = {
    { 0, HOLTER_OK },
    { LOG_FILE_BYTES / 8, HOLTER_OK },
    { LOG_FILE_BYTES / 8 + 1, HOLTER_INVALID },
    { HOLTER_TEXT_BYTES_MAX, HOLTER_INVALID },
};

START_TEST(a_row_that_is_taken_can_be_committed)
{
    static char text[HOLTER_TEXT_BYTES_MAX];
    holter_batch *batch;
    memset(text, 'x', sizeof text);
    holter_value values[1] = { { .text = { .bytes = text, .count = notes[_i].bytes } } };
    holter_row row = { .user = fixture.user,
                       .metric = fixture.note,
                       .source = 1,
                       .time_ns = 1,
                       .values = values,
                       .value_count = 1 };
    ck_assert_int_eq(holter_batch_new(&batch, fixture.store, NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_batch_add(batch, &row, NULL, NULL), notes[_i].status);
    ck_assert_int_eq(holter_commit(fixture.store, batch, NULL), HOLTER_OK);
    holter_batch_free(batch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store: batches");
    TCase *tests = tcase_create("batches");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, an_exact_answer_knows_what_its_batch_deletes, 0,
                        CORE_COUNT(replaced));
    tcase_add_loop_test(tests, a_row_that_is_taken_can_be_committed, 0, CORE_COUNT(notes));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
