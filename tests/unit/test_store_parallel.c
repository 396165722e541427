/*
 * test_store_parallel.c -- real threads commit, buffered, durably and exactly, and read, while the store flushes by itself.
 *
 * Claim: each row that was acknowledged, or was buffered before a sync that succeeded, is there, once; a thread's own durable
 * rows are in its next snapshot. Method: a store on the real disk by either backend, with a log so small that it is
 * flushed all the while; under thread sanitizer, too.
 */
#define _GNU_SOURCE /* F_OFD_SETLK */

#include "holter/holter.h"

#include "run.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SHARDS = 4, THREADS = 6, COMMITS = 60, USERS = 20, ROWS = 5 };

static char path[128], keyring[160], command[320];
static holter_store *store;
static uint64_t users[USERS];
static uint32_t source, metric;

static void fail_at(const char *what, const holter_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->message);
    abort();
}

static void setup(void)
{
    const char *under = getenv("TMPDIR");
    holter_error err = { 0 };
    snprintf(path, sizeof path, "%.80s/holter-parallel-XXXXXX", under != NULL ? under : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    ck_assert_int_eq(rmdir(path), 0);
    snprintf(keyring, sizeof keyring, "%s.keyring", path);
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", path, keyring);
    ck_assert_int_eq(holter_create(path, &(holter_create_options){ .shards = SHARDS }, &err),
                     HOLTER_OK);
}

static void teardown(void)
{
    ck_assert_int_eq(system(command), 0);
}

static size_t rows_of(uint64_t user, int64_t from, int64_t to)
{
    size_t count = 0;
    holter_error err = { 0 };
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    holter_columns columns;
    const holter_scan_spec spec = { .user = user, .from_ns = from, .to_ns = to };
    if (holter_snapshot_open(&snapshot, store, &err) != HOLTER_OK ||
        holter_scan(&cursor, snapshot, &spec, &err) != HOLTER_OK)
        fail_at("scan", &err);
    holter_status status;
    while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK)
        count += columns.count;
    if (status != HOLTER_DONE)
        fail_at("cursor", &err);
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    return count;
}

/* Thread t commits rows at times [t * 10^6, ..): every third commit buffered, half of these awaited, every fifth exact. */
static void *commit_all(void *context)
{
    size_t number = *(const size_t *)context;
    holter_error err = { 0 };
    holter_batch *batches[3];
    for (size_t kind = 0; kind < 3; kind++) {
        const holter_batch_options options = { .buffered = kind == 1, .exact = kind == 2 };
        if (holter_batch_new(&batches[kind], store, &options, &err) != HOLTER_OK)
            fail_at("batch", &err);
    }
    for (size_t i = 0; i < COMMITS; i++) {
        size_t kind = i % 3 == 0 ? 1 : i % 5 == 0 ? 2 : 0;
        uint64_t user = users[(number * 7 + i) % USERS];
        int64_t time = (int64_t)(number * 1000000 + i * ROWS);
        for (int64_t row = 0; row < ROWS; row++) {
            holter_value value = { .integer = 60 + row };
            holter_row one = { .user = user,
                               .metric = metric,
                               .source = source,
                               .time_ns = time + row,
                               .values = &value,
                               .value_count = 1 };
            if (holter_batch_add(batches[kind], &one, NULL, &err) != HOLTER_OK)
                fail_at("add", &err);
        }
        holter_status status;
        while ((status = holter_commit(store, batches[kind], &err)) == HOLTER_BUSY && kind == 1)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        if (status != HOLTER_OK)
            fail_at("commit", &err);
        bool is_awaited = kind == 1 && i % 2 == 0;
        if (is_awaited && holter_wait_durable(store, holter_batch_accepted(batches[kind]), &err) != HOLTER_OK)
            fail_at("wait", &err);
        if ((kind != 1 || is_awaited) && rows_of(user, time, time + ROWS) != ROWS)
            fail_at("an acknowledged row is missing", &err);
        holter_batch_clear(batches[kind]);
    }
    for (size_t kind = 0; kind < 3; kind++)
        holter_batch_free(batches[kind]);
    if (holter_sync(store, &err) != HOLTER_OK)
        fail_at("sync", &err);
    return NULL;
}

START_TEST(threads_commit_side_by_side_while_the_store_flushes)
{
    holter_error err = { 0 };
    holter_options options = { .backend = _i,
                               .log_bytes_flush = 64 << 10,
                               .log_file_bytes = 64 << 10,
                               .buffered_bytes_max = 64 << 10 };
    holter_metric found;
    holter_status status = holter_open(&store, path, &options, &err);
    if (status == HOLTER_UNSUPPORTED) {
        printf("left out: %s\n", err.message);
        return;
    }
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    ck_assert_int_eq(holter_metric_find(store, "heart_rate", &found, &err), HOLTER_OK);
    metric = found.number;
    for (size_t i = 0; i < USERS; i++) {
        char name[16];
        holter_id id = { .bytes = name, .count = (size_t)snprintf(name, sizeof name, "u%zu", i) };
        ck_assert_int_eq(holter_users_add(store, &id, 1, NULL, &users[i], &err), HOLTER_OK);
        ck_assert_int_eq(holter_source_need(store, users[i], "watch", &source, &err), HOLTER_OK);
    }
    pthread_t threads[THREADS];
    size_t numbers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, commit_all, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(holter_durable(store), holter_accepted(store));
    for (int again = 0; again < 2; again++) { /* as it is, and opened anew */
        size_t rows = 0;
        for (size_t i = 0; i < USERS; i++)
            rows += rows_of(users[i], HOLTER_TIME_MIN, HOLTER_TIME_MAX);
        ck_assert_uint_eq(rows, THREADS * COMMITS * ROWS);
        holter_close(store);
        status = holter_open(&store, path, &options, &err);
        ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    }
    size_t damaged;
    status = holter_verify(store, NULL, NULL, &damaged, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    holter_close(store);
}
END_TEST

/* Another process holds the append lock of every shard: byte 0 of its lock file. */
static int lock_shard(unsigned shard)
{
    char at[192];
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    snprintf(at, sizeof at, "%s/main/%03u/lock", path, shard);
    int file = open(at, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(fcntl(file, F_OFD_SETLK, &range), 0);
    return file;
}

/* The thread that makes buffered commits durable tries again and again; closing ends it none the less. */
START_TEST(a_store_closes_while_what_is_buffered_cannot_be_written)
{
    holter_error err = { 0 };
    holter_options options = { .lock_wait_ms = 20 };
    int locks[SHARDS];
    holter_metric found;
    holter_batch *batch;
    const holter_batch_options buffered = { .buffered = 1 };
    holter_id id = { .bytes = "u", .count = 1 };
    holter_value value = { .integer = 60 };
    holter_row row = { .time_ns = 1, .values = &value, .value_count = 1 };
    ck_assert_int_eq(holter_open(&store, path, &options, &err), HOLTER_OK);
    ck_assert_int_eq(holter_metric_find(store, "heart_rate", &found, &err), HOLTER_OK);
    row.metric = found.number;
    ck_assert_int_eq(holter_users_add(store, &id, 1, NULL, &row.user, &err), HOLTER_OK);
    ck_assert_int_eq(holter_source_need(store, row.user, "watch", &row.source, &err), HOLTER_OK);
    ck_assert_uint_eq(rows_of(row.user, HOLTER_TIME_MIN, HOLTER_TIME_MAX), 0); /* shards are open */
    for (unsigned i = 0; i < SHARDS; i++)
        locks[i] = lock_shard(i);
    ck_assert_int_eq(holter_batch_new(&batch, store, &buffered, &err), HOLTER_OK);
    ck_assert_int_eq(holter_batch_add(batch, &row, NULL, &err), HOLTER_OK);
    ck_assert_int_eq(holter_commit(store, batch, &err), HOLTER_OK);
    holter_batch_free(batch);
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 },
              NULL); /* it failed, and waits to try again */
    ck_assert_int_eq(holter_sync(store, &err), HOLTER_BUSY);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(holter_wait_durable(store, 1, &err), HOLTER_BUSY);
        ck_assert_ptr_nonnull(strstr(err.message, "the append lock is held by another process"));
    }
    ck_assert_uint_eq(holter_durable(store), 0);
    holter_close(store);
    for (unsigned i = 0; i < SHARDS; i++)
        close(locks[i]);
}
END_TEST

/* However short waits for locks are that nobody holds. */
START_TEST(a_store_closes_with_what_was_buffered_on_the_disk)
{
    enum { OPENINGS = 20, COMMITS_EACH = 4, ROWS_EACH = 2000 };
    holter_error err = { 0 };
    holter_options options = { .lock_wait_ms = 1 };
    const holter_batch_options buffered = { .buffered = 1 };
    holter_metric found;
    holter_batch *batch;
    holter_id id = { .bytes = "u", .count = 1 };
    holter_value value = { .integer = 60 };
    holter_row row = { .values = &value, .value_count = 1 };
    for (int i = 0; i < OPENINGS; i++) {
        ck_assert_int_eq(holter_open(&store, path, &options, &err), HOLTER_OK);
        ck_assert_int_eq(holter_metric_find(store, "heart_rate", &found, &err), HOLTER_OK);
        row.metric = metric = found.number;
        ck_assert_int_eq(holter_users_add(store, &id, 1, NULL, &row.user, &err), HOLTER_OK);
        ck_assert_int_eq(holter_source_need(store, row.user, "watch", &row.source, &err),
                         HOLTER_OK);
        ck_assert_int_eq(holter_batch_new(&batch, store, &buffered, &err), HOLTER_OK);
        for (int commit = 0; commit < COMMITS_EACH; commit++) {
            for (int j = 0; j < ROWS_EACH; j++, row.time_ns++)
                ck_assert_int_eq(holter_batch_add(batch, &row, NULL, &err), HOLTER_OK);
            ck_assert_int_eq(holter_commit(store, batch, &err), HOLTER_OK);
            holter_batch_clear(batch);
        }
        holter_batch_free(batch);
        if (i % 2 == 0)
            ck_assert_msg(holter_sync(store, &err) == HOLTER_OK, "%s", err.message);
        holter_close(store);
    }
    ck_assert_int_eq(holter_open(&store, path, NULL, &err), HOLTER_OK);
    ck_assert_uint_eq(rows_of(row.user, HOLTER_TIME_MIN, HOLTER_TIME_MAX), row.time_ns);
    holter_close(store);
}
END_TEST

/* What kept the thread from writing is told to who waits, and it stays to be written. */
START_TEST(who_waits_learns_why_the_disk_takes_nothing)
{
    holter_error err = { 0 };
    struct rlimit limit, none;
    holter_batch *batch;
    const holter_batch_options buffered = { .buffered = 1 };
    holter_id id = { .bytes = "u", .count = 1 };
    holter_value value = { .integer = 60 };
    holter_row row = { .time_ns = 1, .values = &value, .value_count = 1 };
    holter_metric found;
    ck_assert_int_eq(holter_open(&store, path, NULL, &err), HOLTER_OK);
    ck_assert_int_eq(holter_metric_find(store, "heart_rate", &found, &err), HOLTER_OK);
    row.metric = metric = found.number;
    ck_assert_int_eq(holter_users_add(store, &id, 1, NULL, &row.user, &err), HOLTER_OK);
    ck_assert_int_eq(holter_source_need(store, row.user, "watch", &row.source, &err), HOLTER_OK);
    ck_assert_uint_eq(rows_of(row.user, HOLTER_TIME_MIN, HOLTER_TIME_MAX), 0); /* shards are open */
    ck_assert_int_eq(holter_batch_new(&batch, store, &buffered, &err), HOLTER_OK);
    ck_assert_int_eq(holter_batch_add(batch, &row, NULL, &err), HOLTER_OK);

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    none = limit;
    none.rlim_cur = 64 << 10; /* less than any log file */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0); /* of this test's own process */
    ck_assert_int_eq(holter_commit(store, batch, &err), HOLTER_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(holter_wait_durable(store, 1, &err), HOLTER_NO_SPACE);
        ck_assert_ptr_nonnull(strstr(err.message, "/log-"));
    }
    ck_assert_uint_eq(holter_durable(store), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(holter_wait_durable(store, 1, &err), HOLTER_OK);
    ck_assert_uint_eq(rows_of(row.user, HOLTER_TIME_MIN, HOLTER_TIME_MAX), 1);
    holter_batch_free(batch);
    holter_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_parallel");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, threads_commit_side_by_side_while_the_store_flushes,
                        HOLTER_BACKEND_POSIX, HOLTER_BACKEND_URING + 1);
    tcase_add_test(tcase, a_store_closes_while_what_is_buffered_cannot_be_written);
    tcase_add_test(tcase, a_store_closes_with_what_was_buffered_on_the_disk);
    tcase_add_test(tcase, who_waits_learns_why_the_disk_takes_nothing);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
