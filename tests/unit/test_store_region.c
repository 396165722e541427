/*
 * test_store_region.c -- a region's directory lies beside the store's own files.
 *
 * A store on a simulated disk, made or enlarged with names that are those of its files.
 */
#include "run.h"

#include "io/io_sim.h"
#include "store/store.h"

static const char *const taken[] = { "head", "lock" };

START_TEST(a_region_is_not_named_as_a_file_of_the_store)
{
    const holter_create_options options = { .region = taken[_i] };
    holter_store *store;
    struct sim *sim = sim_new(NULL);
    struct io *io = sim_process_new(sim);
    ck_assert_int_eq(store_create_on(io, "other", &options, NULL), HOLTER_INVALID);
    ck_assert_int_eq(store_create_on(io, "store", NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(store_open_on(&store, io, "store", NULL, NULL), HOLTER_OK);
    ck_assert_int_eq(holter_add_region(store, taken[_i], 1, NULL), HOLTER_INVALID);
    ck_assert_int_eq(holter_add_region(store, "headland", 1, NULL), HOLTER_OK);
    holter_close(store);
    io_free(io);
    sim_free(sim);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store: regions");
    TCase *tests = tcase_create("regions");
    tcase_add_loop_test(tests, a_region_is_not_named_as_a_file_of_the_store, 0, CORE_COUNT(taken));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
