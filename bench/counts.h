/*
 * counts.h -- how many instructions a sample takes in each codec of the engine, there and back.
 *
 * A program runs itself once more under valgrind's callgrind, which counts in two functions alone.
 * The counts are the same on a busy machine, so that a regression shows in them.
 *
 * Threads: one.
 */
#ifndef BENCH_COUNTS_H
#define BENCH_COUNTS_H

#include "coders.h"

#define COUNTS_OPTION "--count"

/**
 * Reports the figures of the first groups, case by case, for the loops of each instruction set that
 * this CPU and valgrind run. Without valgrind it says so, once.
 */
void counts_measure(const char *program, const char *name, const struct groups *groups);
/** What the program does when it is run with COUNTS_OPTION and a path; returns its exit code. */
int counts_run(const char *path);

#endif
