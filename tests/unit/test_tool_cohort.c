/*
 * test_tool_cohort.c -- one seed gives the same rows everywhere: their hash (FNV-1a) is pinned.
 */
#include "run.h"

#include "../../tools/cohort.h"

static uint64_t mixed_in(uint64_t hash, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        hash = (hash ^ (number >> 8 * i & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

START_TEST(one_seed_gives_the_same_rows_everywhere)
{
    const struct cohort_options options = {
        .seed = 7, .users = 5, .days = 20, .from_s = 1735689600, .mixed_offsets = true
    };
    struct cohort *cohort;
    ck_assert(cohort_new(&cohort, &options));
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const struct cohort_row *rows;
    size_t count;
    enum cohort_result result;
    while ((result = cohort_next(cohort, &rows, &count)) == COHORT_ROWS)
        for (size_t i = 0; i < count; i++) {
            hash = mixed_in(hash, (uint64_t)rows[i].time_ns);
            hash = mixed_in(hash, (uint64_t)rows[i].duration_ns);
            hash = mixed_in(hash, (uint64_t)rows[i].value);
            hash = mixed_in(hash, rows[i].user);
            hash = mixed_in(hash, rows[i].revision);
            hash = mixed_in(hash, (uint64_t)rows[i].metric << 8 | rows[i].source);
        }
    ck_assert_int_eq(result, COHORT_END);
    ck_assert_uint_eq(hash, UINT64_C(6270011494216535890));
    cohort_free(cohort);
}
END_TEST

static Suite *cohort_suite(void)
{
    Suite *suite = suite_create("tool cohort");
    TCase *tcase = tcase_create("cohort");
    tcase_add_test(tcase, one_seed_gives_the_same_rows_everywhere);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(cohort_suite());
}
