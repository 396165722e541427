/*
 * progress.c -- how far a long command is, on a terminal.
 */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

static int64_t now_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

void progress_begin(struct progress *progress, uint64_t bytes_all)
{
    *progress = (struct progress){ .is_on = isatty(STDERR_FILENO) != 0, .bytes_all = bytes_all };
    if (progress->is_on)
        progress->begin_ns = progress->shown_ns = now_ns();
}

void progress_show(struct progress *progress, uint64_t rows, uint64_t bytes)
{
    if (!progress->is_on)
        return;
    int64_t now = now_ns();
    if (now - progress->shown_ns < SECOND_NS / 5)
        return;
    progress->shown_ns = now;
    double seconds = (double)(now - progress->begin_ns) / 1e9;
    fprintf(stderr, "\r%llu rows, %.0f/s", (unsigned long long)rows, (double)rows / seconds);
    if (progress->bytes_all > 0 && bytes > 0 && bytes <= progress->bytes_all) {
        double share = (double)bytes / (double)progress->bytes_all;
        double left = seconds / share - seconds;
        long long left_s = left < 360000 ? (long long)left : 360000;
        fprintf(stderr, ", %.1f of %.1f MB (%.0f %%), %lld:%02lld left", (double)bytes / 1e6,
                (double)progress->bytes_all / 1e6, share * 100, left_s / 60, left_s % 60);
    }
    fputs("\x1b[K", stderr);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->is_on)
        fputs("\r\x1b[K", stderr);
}
