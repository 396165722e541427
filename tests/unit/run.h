/*
 * run.h -- the main of a unit test: one Check suite, one line of outcome.
 */
#ifndef TESTS_UNIT_RUN_H
#define TESTS_UNIT_RUN_H

#include <check.h>
#include <malloc.h>
#include <stdlib.h>

/*
 * Check notes where each assertion that holds was, by a system call, for a line about tests that crash. Millions
 * of them took longer than what they check.
 */
#define _mark_point(file, line) ((void)0)

#define CHECK(fact)                                                                                \
    do {                                                                                           \
        if (!(fact))                                                                               \
            ck_abort_msg("%s", #fact);                                                             \
    } while (0)

static inline int run_suite(Suite *suite)
{
    /* Large buffers come and go with each opening: the time would go into pages that the kernel clears. */
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
