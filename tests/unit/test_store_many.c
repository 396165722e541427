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
    for (size_t i = 0; i < USERS; i++) {
        uint32_t source;
        holter_value value = { .integer = 60 };
        ck_assert_int_eq(holter_source_need(store, users[i], "watch", &source, NULL), HOLTER_OK);
        holter_row row = { .user = users[i],
                           .metric = metric.number,
                           .source = source,
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

int main(void)
{
    Suite *suite = suite_create("store: many users");
    TCase *tests = tcase_create("many users");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_batch_of_more_users_than_open_keys_is_stored);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
