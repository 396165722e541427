/*
 * test_store_many.c -- batches of more users than keys are held open at once.
 *
 * A store on a simulated disk; one batch with a row of each user.
 */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "io/io_sim.h"
#include "store/store.h"
#include "vault/vault.h"

enum { USERS = VAULT_KEYS_OPEN + 200 };

START_TEST(a_batch_of_more_users_than_open_keys_is_stored)
{
    static char names[USERS][16];
    static holter_id ids[USERS];
    static uint64_t users[USERS];
    static uint32_t sources[USERS];
    holter_store *store;
    holter_batch *batch;
    holter_metric metric;
    holter_error err = { 0 };
    struct sim *sim = sim_new(NULL);
    struct io *io = sim_process_new(sim);
    ck_assert_int_eq(store_create_on(io, "store", NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(store_open_on(&store, io, "store", NULL, NULL), HOLTER_OK);
    for (size_t i = 0; i < USERS; i++)
        ids[i] = (holter_id){ .bytes = names[i],
                              .count = (size_t)snprintf(names[i], sizeof names[i], "user %zu", i) };
    ck_assert_int_eq(holter_users_add(store, ids, USERS, NULL, users, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_metric_find(store, "heart_rate", &metric, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_batch_new(&batch, store, NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_sources_need(store, users, USERS, "watch", sources, NULL), HOLTER_OK);
    for (size_t i = 0; i < USERS; i++) {
        holter_value value = { .integer = 60 };
        holter_row row = { .user = users[i],
                           .metric = metric.number,
                           .source = sources[i],
                           .time_ns = 1000,
                           .values = &value,
                           .value_count = 1 };
        ck_assert_int_eq(holter_batch_add(batch, &row, NULL, NULL), HOLTER_OK);
    }
    holter_status status = holter_commit(store, batch, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    for (size_t i = 0; i < USERS; i++)
        ck_assert_int_eq(holter_batch_answer(batch, i).answer, HOLTER_ACCEPTED);
    holter_batch_free(batch);
    holter_close(store);
    io_free(io);
    sim_free(sim);
}
END_TEST

/* What the warm files of 40 people take, each with a row of one week, and the first with one of long before. */
static uint64_t warm_bytes(bool has_late, uint64_t *files)
{
    enum { PEOPLE = 40 };
    const int64_t week_ns = INT64_C(7) * 86400 * 1000000000;
    const holter_create_options create = { .shards = 1 };
    const holter_compact_options options = { .to = HOLTER_WARM };
    holter_store *store;
    holter_batch *batch;
    holter_metric metric;
    holter_shard_stat stat;
    struct sim *sim = sim_new(NULL);
    struct io *io = sim_process_new(sim);
    ck_assert_int_eq(store_create_on(io, "store", &create, NULL), HOLTER_OK);
    ck_assert_int_eq(store_open_on(&store, io, "store", NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_metric_find(store, "heart_rate", &metric, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_batch_new(&batch, store, NULL, NULL), HOLTER_OK);
    for (size_t i = 0; i < PEOPLE; i++) {
        char name[16];
        holter_id id = { .bytes = name, .count = (size_t)snprintf(name, sizeof name, "%zu", i) };
        holter_value value = { .integer = 60 };
        holter_row row = {
            .metric = metric.number, .time_ns = 100 * week_ns, .values = &value, .value_count = 1
        };
        ck_assert_int_eq(holter_users_add(store, &id, 1, NULL, &row.user, NULL), HOLTER_OK);
        ck_assert_int_eq(holter_source_need(store, row.user, "watch", &row.source, NULL),
                         HOLTER_OK);
        ck_assert_int_eq(holter_batch_add(batch, &row, NULL, NULL), HOLTER_OK);
        row.time_ns = 10 * week_ns;
        if (has_late && i == 0)
            ck_assert_int_eq(holter_batch_add(batch, &row, NULL, NULL), HOLTER_OK);
    }
    ck_assert_int_eq(holter_commit(store, batch, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_compact(store, &options, NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_stat_shard(store, 0, &stat, NULL), HOLTER_OK);
    *files = stat.tiers[HOLTER_WARM].files;
    holter_batch_free(batch);
    holter_close(store);
    io_free(io);
    sim_free(sim);
    return stat.tiers[HOLTER_WARM].bytes;
}

START_TEST(a_late_row_takes_the_room_of_one_user)
{
    enum { FILE_BYTES_LEAST = 8192 };
    uint64_t files, with_late_files;
    uint64_t bytes = warm_bytes(false, &files);
    uint64_t with_late = warm_bytes(true, &with_late_files);
    ck_assert_uint_eq(files, 1);
    ck_assert_uint_eq(with_late_files, 2);
    ck_assert_uint_gt(bytes, FILE_BYTES_LEAST);
    ck_assert_uint_eq(with_late, bytes + FILE_BYTES_LEAST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store: many users");
    TCase *tests = tcase_create("many users");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_batch_of_more_users_than_open_keys_is_stored);
    tcase_add_test(tests, a_late_row_takes_the_room_of_one_user);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
