/*
 * test_store_readers.c -- a read-only store sees what others acknowledge, whenever it was opened.
 */
#include "run.h"

#include <string.h>

#include "io/io_sim.h"
#include "store/store.h"

struct fixture {
    struct sim *sim;
    struct io *reader_io, *writer_io;
    holter_store *reader, *writer;
    uint64_t user;
    uint32_t metric;
};

static struct fixture fixture;

static void setup(void)
{
    fixture = (struct fixture){ .sim = sim_new(NULL) };
    fixture.reader_io = sim_process_new(fixture.sim);
    fixture.writer_io = sim_process_new(fixture.sim);
    ck_assert_int_eq(store_create_on(fixture.writer_io, "store", NULL, NULL), HOLTER_OK);
}

static void teardown(void)
{
    holter_close(fixture.reader);
    holter_close(fixture.writer);
    io_free(fixture.reader_io);
    io_free(fixture.writer_io);
    sim_free(fixture.sim);
}

static void open_writer(void)
{
    holter_id id = { .bytes = "somebody", .count = 8 };
    holter_metric metric;
    uint32_t source;
    holter_store **writer = &fixture.writer;
    ck_assert_int_eq(store_open_on(writer, fixture.writer_io, "store", NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_users_add(*writer, &id, 1, NULL, &fixture.user, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_source_need(*writer, fixture.user, "watch", &source, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_metric_find(*writer, "heart_rate", &metric, NULL), HOLTER_OK);
    fixture.metric = metric.number;
}

static void open_reader(void)
{
    holter_options options = { .read_only = 1 };
    ck_assert_int_eq(store_open_on(&fixture.reader, fixture.reader_io, "store", &options, NULL),
                     HOLTER_OK);
}

static void write_row(int64_t time)
{
    holter_batch *batch;
    holter_value value = { .integer = 70 };
    holter_row row = { .user = fixture.user,
                       .metric = fixture.metric,
                       .source = 1,
                       .time_ns = time,
                       .values = &value,
                       .value_count = 1 };
    ck_assert_int_eq(holter_batch_new(&batch, fixture.writer, NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_batch_add(batch, &row, NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_commit(fixture.writer, batch, NULL), HOLTER_OK);
    holter_batch_free(batch);
}

static size_t rows_seen(void)
{
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    holter_columns columns;
    size_t count = 0;
    holter_scan_spec spec = { .user = fixture.user };
    ck_assert_int_eq(holter_snapshot_open(&snapshot, fixture.reader, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_scan(&cursor, snapshot, &spec, NULL), HOLTER_OK);
    while (holter_cursor_next(cursor, &columns, NULL) == HOLTER_OK)
        count += columns.count;
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    return count;
}

/* No writer has opened the shards yet, so that they have no head pages. */
static void look_first(void)
{
    holter_snapshot *snapshot;
    open_reader();
    ck_assert_int_eq(holter_snapshot_open(&snapshot, fixture.reader, NULL), HOLTER_OK);
    holter_snapshot_close(snapshot);
}

START_TEST(a_reader_that_was_first_sees_each_acknowledged_row)
{
    look_first();
    open_writer();
    for (int64_t i = 1; i <= 3; i++) {
        write_row(i);
        ck_assert_uint_eq(rows_seen(), (size_t)i);
    }
}
END_TEST

START_TEST(a_reader_that_was_first_follows_flush_and_compaction)
{
    holter_compact_options all = { .to = HOLTER_WARM };
    look_first();
    open_writer();
    write_row(1);
    ck_assert_int_eq(holter_flush(fixture.writer, NULL, NULL), HOLTER_OK);
    ck_assert_uint_eq(rows_seen(), 1);
    write_row(2);
    ck_assert_int_eq(holter_compact(fixture.writer, &all, NULL, NULL), HOLTER_OK);
    ck_assert_uint_eq(rows_seen(), 2);
}
END_TEST

/* A head page as it was after the first of three rows, within one boot. */
START_TEST(a_head_page_that_was_put_back_hides_nothing)
{
    struct io_names names;
    holter_snapshot *snapshot;
    open_writer();
    write_row(1);
    ck_assert_int_eq(sim_files(&names, fixture.sim), HOLTER_OK);
    struct buffer *old = calloc(names.count, sizeof *old);
    for (size_t i = 0; i < names.count; i++)
        ck_assert_int_eq(sim_file_read(&old[i], fixture.sim, names.name[i]), HOLTER_OK);
    write_row(2);
    if (_i % 2 != 0)
        ck_assert_int_eq(holter_flush(fixture.writer, NULL, NULL), HOLTER_OK);
    write_row(3);
    if (_i / 4 != 0) /* all that the head page knows of the log went */
        ck_assert_int_eq(holter_flush(fixture.writer, NULL, NULL), HOLTER_OK);
    holter_close(fixture.writer);
    fixture.writer = NULL;
    for (size_t i = 0; i < names.count; i++) {
        if (strstr(names.name[i], "/head") != NULL)
            ck_assert_int_eq(sim_file_write(fixture.sim, names.name[i], old[i].data, old[i].bytes),
                             HOLTER_OK);
        buffer_release(&old[i]);
    }
    free(old);
    io_names_release(&names);

    if (_i / 2 % 2 != 0) { /* a writer is the first to open it */
        ck_assert_int_eq(store_open_on(&fixture.writer, fixture.writer_io, "store", NULL, NULL),
                         HOLTER_OK);
        ck_assert_int_eq(holter_snapshot_open(&snapshot, fixture.writer, NULL), HOLTER_OK);
        holter_snapshot_close(snapshot);
    }
    open_reader();
    ck_assert_uint_eq(rows_seen(), 3);
    if (_i / 2 % 2 == 0)
        ck_assert_int_eq(store_open_on(&fixture.writer, fixture.writer_io, "store", NULL, NULL),
                         HOLTER_OK);
    write_row(4);
    ck_assert_uint_eq(rows_seen(), 4);
}
END_TEST

/*
 * D7: files that hold nothing of the store itself are removed under two open handles; what another process
 * then acknowledges is never overwritten, and never missing from an answer.
 */
static const char *const removed[] = { "/head", "/lock" };

START_TEST(a_handle_whose_files_were_removed_writes_and_reads_no_more)
{
    struct io_names names;
    holter_batch *batch;
    holter_value value = { .integer = 71 };
    holter_snapshot *snapshot;
    holter_error err;
    open_writer();
    write_row(1);
    open_reader();
    ck_assert_uint_eq(rows_seen(), 1);
    ck_assert_int_eq(sim_files(&names, fixture.sim), HOLTER_OK);
    for (size_t i = 0; i < names.count; i++) {
        size_t bytes = strlen(names.name[i]), end = strlen(removed[_i]);
        if (bytes < end || strcmp(names.name[i] + bytes - end, removed[_i]) != 0)
            continue;
        ck_assert_int_eq(io_unlink(fixture.reader_io, names.name[i], NULL), HOLTER_OK);
        if (_i == 1) /* locks are made with the store only: another takes the place */
            ck_assert_int_eq(sim_file_write(fixture.sim, names.name[i], "", 0), HOLTER_OK);
    }
    io_names_release(&names);

    holter_store *stale = fixture.writer;
    fixture.writer = NULL;
    struct io *third = sim_process_new(fixture.sim);
    ck_assert_int_eq(store_open_on(&fixture.writer, third, "store", NULL, NULL), HOLTER_OK);
    write_row(2);
    write_row(3);

    holter_row row = { .user = fixture.user,
                       .metric = fixture.metric,
                       .source = 1,
                       .time_ns = 4,
                       .values = &value,
                       .value_count = 1 };
    holter_status status = holter_batch_new(&batch, stale, NULL, &err);
    if (status == HOLTER_OK)
        status = holter_batch_add(batch, &row, NULL, &err);
    if (status == HOLTER_OK)
        status = holter_commit(stale, batch, &err);
    ck_assert_int_eq(status, HOLTER_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "was removed while it was in use"));
    holter_batch_free(batch);
    holter_close(stale);
    if (_i == 0) { /* a reader takes no lock */
        ck_assert_int_eq(holter_snapshot_open(&snapshot, fixture.reader, &err), HOLTER_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "was removed while it was in use"));
    }
    holter_close(fixture.reader);

    open_reader();
    ck_assert_uint_eq(rows_seen(), 3);
    holter_close(fixture.writer);
    io_free(third);
    ck_assert_int_eq(store_open_on(&fixture.writer, fixture.writer_io, "store", NULL, NULL),
                     HOLTER_OK);
    write_row(4);
    ck_assert_uint_eq(rows_seen(), 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store: readers");
    TCase *tests = tcase_create("readers");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_reader_that_was_first_sees_each_acknowledged_row);
    tcase_add_test(tests, a_reader_that_was_first_follows_flush_and_compaction);
    tcase_add_loop_test(tests, a_head_page_that_was_put_back_hides_nothing, 0, 8);
    tcase_add_loop_test(tests, a_handle_whose_files_were_removed_writes_and_reads_no_more, 0,
                        CORE_COUNT(removed));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
