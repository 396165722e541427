/*
 * test_store_faults.c -- a store on the real disk whose reads, writes and syncs fail, by either backend.
 *
 * Claim: a commit, flush or compaction that met an error says so, or did without; what was acknowledged is read
 * before and after, nothing else is; the same handle goes on once the disk does. Where io_uring may not be had,
 * the store works by plain calls and says why. Method: the n-th operation of each kind fails, for all n that a
 * step has; calls are wrapped by the linker (real_faults.h). The same on the simulated machine: tests/crash/faults.c.
 */
#include "holter/holter.h"

#include "real_faults.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS = 6, SHARDS = 2, COMMITS = 6, FAULTS_MAX = 400 };

static char path[128], keyring[160], command[320];
static holter_error err;
static uint64_t users[USERS];
static size_t rows; /* acknowledged */

#define OK(call)                                                                                   \
    do {                                                                                           \
        holter_status ok_status = (call);                                                          \
        ck_assert_msg(ok_status == HOLTER_OK, "%s: %s", #call, err.message);                       \
    } while (0)

static void setup(void)
{
    memset(&real_fault, 0, sizeof real_fault);
    const char *under = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(path, sizeof path, "%.80s/holter-faults-XXXXXX", under != NULL ? under : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    ck_assert_int_eq(rmdir(path), 0);
    snprintf(keyring, sizeof keyring, "%s.keyring", path);
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", path, keyring);
    OK(holter_create(path, &(holter_create_options){ .shards = SHARDS }, &err));
    rows = 0;
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
    if (backend == HOLTER_BACKEND_URING && status == HOLTER_UNSUPPORTED)
        return NULL;
    OK(status);
    for (unsigned i = 0; i < USERS; i++) {
        char name[16];
        holter_id id = { .bytes = name, .count = (size_t)snprintf(name, sizeof name, "u%u", i) };
        OK(holter_users_add(store, &id, 1, NULL, &users[i], &err));
    }
    return store;
}

/* A row of each user, over all shards. */
static holter_batch *batch_of(holter_store *store)
{
    holter_batch *batch;
    holter_metric metric;
    OK(holter_metric_find(store, "heart_rate", &metric, &err));
    OK(holter_batch_new(&batch, store, NULL, &err));
    for (unsigned i = 0; i < USERS; i++) {
        holter_value value = { .integer = 60 + (int64_t)i };
        holter_row row = { .metric = metric.number,
                           .user = users[i],
                           .time_ns = 1700000000000000000 + (int64_t)rows,
                           .values = &value,
                           .value_count = 1 };
        OK(holter_source_need(store, row.user, "watch", &row.source, &err));
        OK(holter_batch_add(batch, &row, NULL, &err));
    }
    return batch;
}

static size_t rows_of(holter_store *store)
{
    size_t count = 0;
    holter_snapshot *snapshot;
    OK(holter_snapshot_open(&snapshot, store, &err));
    for (unsigned i = 0; i < USERS; i++) {
        holter_scan_spec spec = { .user = users[i] };
        holter_cursor *cursor;
        holter_columns columns;
        holter_status status;
        OK(holter_scan(&cursor, snapshot, &spec, &err));
        while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK)
            count += columns.count;
        ck_assert_msg(status == HOLTER_DONE, "%s", err.message);
        holter_cursor_close(cursor);
    }
    holter_snapshot_close(snapshot);
    return count;
}

static void commit_rows(holter_store *store)
{
    holter_batch *batch = batch_of(store);
    OK(holter_commit(store, batch, &err));
    holter_batch_free(batch);
    rows += USERS;
}

static const struct {
    enum io_op_kind kind;
    int error; /* 0: short */
} cases[] = {
    { IO_WRITE, EIO }, { IO_WRITE, ENOSPC }, { IO_WRITE, 0 },
    { IO_SYNC, EIO },  { IO_READ, EIO },     { IO_READ, 0 },
};

enum { CASES = CORE_COUNT(cases) };

static void check_status(holter_status status, bool was_hit, size_t c)
{
    bool is_told = status == HOLTER_IO || status == HOLTER_NO_SPACE ||
                   (status == HOLTER_CORRUPT && cases[c].kind == IO_READ && cases[c].error == 0);
    ck_assert_msg(status == HOLTER_OK || (was_hit && is_told), "%s: %s", holter_status_name(status),
                  err.message);
}

static void fail_commits(holter_store *store, size_t c)
{
    for (unsigned long nth = 0; nth < COMMITS; nth++) {
        holter_batch *batch = batch_of(store);
        real_fault_arm(cases[c].kind, nth, cases[c].error, false);
        holter_status status = holter_commit(store, batch, &err);
        bool was_hit = real_fault_disarm();
        check_status(status, was_hit, c);
        if (status != HOLTER_OK) /* what was not stored is still in the batch */
            OK(holter_commit(store, batch, &err));
        holter_batch_free(batch);
        rows += USERS;
        ck_assert_uint_eq(rows_of(store), rows);
    }
}

static holter_status flush(holter_store *store)
{
    return holter_flush(store, NULL, &err);
}

static holter_status compact(holter_store *store)
{
    return holter_compact(store, &(holter_compact_options){ .to = HOLTER_WARM }, NULL, &err);
}

/* Until it has no n-th operation of that kind any more. */
static void fail_step(holter_store *store, size_t c, holter_status (*step)(holter_store *store))
{
    bool was_hit = true;
    for (unsigned long nth = 0; was_hit; nth++) {
        ck_assert_uint_lt(nth, FAULTS_MAX);
        commit_rows(store);
        real_fault_arm(cases[c].kind, nth, cases[c].error, false);
        holter_status status = step(store);
        was_hit = real_fault_disarm();
        check_status(status, was_hit, c);
        ck_assert_uint_eq(rows_of(store), rows);
    }
}

START_TEST(a_store_whose_disk_fails_goes_on)
{
    size_t c = (size_t)_i % CASES;
    int backend = (size_t)_i < CASES ? HOLTER_BACKEND_POSIX : HOLTER_BACKEND_URING;
    holter_store *store = opened(backend);
    if (store == NULL)
        return;
    commit_rows(store);
    fail_commits(store, c);
    fail_step(store, c, flush);
    fail_step(store, c, compact);
    size_t damaged;
    OK(holter_verify(store, NULL, NULL, &damaged, &err));
    holter_close(store);
    ck_assert(backend != HOLTER_BACKEND_URING || real_fault.in_ring > 0);
    store = opened(HOLTER_BACKEND_CHOOSE);
    ck_assert_uint_eq(rows_of(store), rows);
    holter_close(store);
}
END_TEST

START_TEST(without_a_ring_plain_calls_are_chosen)
{
    static const int errors[] = { -EPERM, -ENOSYS };
    holter_store *store;
    holter_stat stat;
    char reason[128];
    real_fault.ring_error = errors[_i];
    snprintf(reason, sizeof reason, "io_uring: %s", strerror(-errors[_i]));
    store = opened(HOLTER_BACKEND_CHOOSE);
    OK(holter_stat_read(store, &stat, &err));
    ck_assert_str_eq(stat.backend, "posix");
    ck_assert_str_eq(stat.backend_reason, reason);
    commit_rows(store);
    ck_assert_uint_eq(rows_of(store), rows);
    holter_close(store);
    holter_options options = { .backend = HOLTER_BACKEND_URING };
    ck_assert_int_eq(holter_open(&store, path, &options, &err), HOLTER_UNSUPPORTED);
    ck_assert_str_eq(err.message, reason);
}
END_TEST

/* A policy that refuses linkat costs nothing but spares: no commit fails, buffered or not, and none is asked for again. */
START_TEST(without_linkat_files_are_made_as_they_are_needed)
{
    static const int errors[] = { 0, EPERM, EACCES, EXDEV, ENOSYS };
    enum { ROWS_EACH = 500, COMMITS_MAX = 400 };
    holter_store *store = opened(HOLTER_BACKEND_POSIX);
    holter_close(store);
    const holter_options options = { .backend = HOLTER_BACKEND_POSIX, .log_file_bytes = 64 << 10 };
    OK(holter_open(&store, path, &options, &err));
    holter_metric metric;
    holter_batch *batch;
    uint32_t source;
    holter_value value = { .integer = 60 };
    OK(holter_metric_find(store, "heart_rate", &metric, &err));
    OK(holter_source_need(store, users[0], "watch", &source, &err));
    OK(holter_batch_new(&batch, store, &(holter_batch_options){ .buffered = 1 }, &err));
    holter_row row = { .user = users[0],
                       .metric = metric.number,
                       .source = source,
                       .values = &value,
                       .value_count = 1 };
    real_fault.link_error = errors[_i];
    unsigned long before = real_fault.links;
    for (int i = 0; i < COMMITS_MAX && (i < 100 || real_fault.links == before); i++) {
        for (int j = 0; j < ROWS_EACH; j++) {
            row.time_ns += 1 + (j * 7919) % 100003;
            value.integer = 60 + (j * 31) % 97;
            OK(holter_batch_add(batch, &row, NULL, &err));
        }
        OK(holter_commit(store, batch, &err));
        OK(holter_wait_durable(store, holter_batch_accepted(batch), &err));
        holter_batch_clear(batch);
    }
    ck_assert_uint_gt(real_fault.links, before);
    holter_batch_free(batch);
    holter_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_faults");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_store_whose_disk_fails_goes_on, 0, 2 * CASES);
    tcase_add_loop_test(tcase, without_a_ring_plain_calls_are_chosen, 0, 2);
    tcase_add_loop_test(tcase, without_linkat_files_are_made_as_they_are_needed, 0, 5);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
