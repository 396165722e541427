/*
 * test_store_backend.c -- a store on the real disk, by either backend.
 *
 * Claim: rows committed by one backend are read by the other; the one that was forced is at work, and the one that was chosen
 * is io_uring, or why not is told; a number that is none is refused. Method: a store of four shards under TMPDIR.
 */
#include "holter/holter.h"

#include "run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { USERS = 40 };

static char path[128], keyring[160], command[320];
static holter_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        holter_status ok_status = (call);                                                          \
        ck_assert_msg(ok_status == HOLTER_OK, "%s: %s", #call, err.message);                       \
    } while (0)

static void setup(void)
{
    const char *under = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.80s/holter-backend-XXXXXX", under != NULL ? under : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    ck_assert_int_eq(rmdir(path), 0);
    snprintf(keyring, sizeof keyring, "%s.keyring", path);
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", path, keyring);
    OK(holter_create(path, &(holter_create_options){ .shards = 4 }, &err));
}

static void teardown(void)
{
    ck_assert_int_eq(system(command), 0);
}

/* NULL: this backend is not to be had here. */
static holter_store *opened(int backend)
{
    holter_store *store;
    holter_options options = { .backend = backend };
    holter_status status = holter_open(&store, path, &options, &err);
    if (backend == HOLTER_BACKEND_URING && status == HOLTER_UNSUPPORTED) {
        ck_assert_ptr_nonnull(strstr(err.message, "io_uring"));
        return NULL;
    }
    OK(status);
    return store;
}

/* One row of each user, in one commit over all shards. */
static void commit_rows(holter_store *store, int64_t time)
{
    holter_batch *batch;
    holter_metric metric;
    OK(holter_metric_find(store, "heart_rate", &metric, &err));
    OK(holter_batch_new(&batch, store, NULL, &err));
    for (unsigned i = 0; i < USERS; i++) {
        char name[16];
        holter_id id = { .bytes = name, .count = (size_t)snprintf(name, sizeof name, "u%u", i) };
        holter_value value = { .integer = 60 + (int64_t)i };
        holter_row row = {
            .metric = metric.number, .time_ns = time, .values = &value, .value_count = 1
        };
        OK(holter_users_add(store, &id, 1, NULL, &row.user, &err));
        OK(holter_source_need(store, row.user, "watch", &row.source, &err));
        OK(holter_batch_add(batch, &row, NULL, &err));
    }
    OK(holter_commit(store, batch, &err));
    holter_batch_free(batch);
}

static size_t rows_of(holter_store *store)
{
    size_t count = 0;
    holter_snapshot *snapshot;
    OK(holter_snapshot_open(&snapshot, store, &err));
    for (unsigned i = 0; i < USERS; i++) {
        char name[16];
        holter_id id = { .bytes = name, .count = (size_t)snprintf(name, sizeof name, "u%u", i) };
        holter_scan_spec spec = { 0 };
        holter_cursor *cursor;
        holter_columns columns;
        OK(holter_users_add(store, &id, 1, NULL, &spec.user, &err)); /* who is there is found */
        OK(holter_scan(&cursor, snapshot, &spec, &err));
        while (holter_cursor_next(cursor, &columns, &err) == HOLTER_OK)
            count += columns.count;
        holter_cursor_close(cursor);
    }
    holter_snapshot_close(snapshot);
    return count;
}

START_TEST(either_backend_reads_what_the_other_wrote)
{
    static const int backends[] = { HOLTER_BACKEND_CHOOSE, HOLTER_BACKEND_POSIX,
                                    HOLTER_BACKEND_URING };
    size_t rows = 0;
    for (size_t i = 0; i < 2 * 3; i++) {
        int backend = backends[i % 3];
        holter_stat stat;
        holter_store *store = opened(backend);
        if (store == NULL)
            continue;
        ck_assert_uint_eq(rows_of(store), rows);
        commit_rows(store, 1700000000000000000 + (int64_t)i);
        rows += USERS;
        ck_assert_uint_eq(rows_of(store), rows);
        OK(holter_stat_read(store, &stat, &err));
        if (backend == HOLTER_BACKEND_CHOOSE)
            ck_assert_int_eq(strcmp(stat.backend, "io_uring") == 0, stat.backend_reason == NULL);
        else
            ck_assert_str_eq(stat.backend, backend == HOLTER_BACKEND_POSIX ? "posix" : "io_uring");
        ck_assert(backend == HOLTER_BACKEND_CHOOSE || stat.backend_reason == NULL);
        holter_close(store);
    }
}
END_TEST

START_TEST(a_backend_that_is_none_is_refused)
{
    holter_store *store = NULL;
    holter_options options = { .backend = HOLTER_BACKEND_URING + 1 };
    ck_assert_int_eq(holter_open(&store, path, &options, &err), HOLTER_INVALID);
    ck_assert_ptr_null(store);
    ck_assert_str_eq(err.message, "found backend 3, expected 0 to 2");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_backend");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, either_backend_reads_what_the_other_wrote);
    tcase_add_test(tcase, a_backend_that_is_none_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
