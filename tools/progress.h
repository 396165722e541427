/*
 * progress.h -- how far a long command is, on a terminal: rows a second, share of bytes, time left.
 *
 * Silent where stderr is no terminal. One line, rewritten at most five times a second, without
 * colours.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool is_on;
    uint64_t bytes_all;         /* 0: not known */
    int64_t begin_ns, shown_ns; /* of a clock that only goes forward */
};

/** Begin; `bytes_all` 0: not known. */
void progress_begin(struct progress *progress, uint64_t bytes_all);
/** Show where it is, if enough time went by. Cost: a look at the clock. */
void progress_show(struct progress *progress, uint64_t rows, uint64_t bytes);
/** Clear the line. */
void progress_end(struct progress *progress);

#endif
