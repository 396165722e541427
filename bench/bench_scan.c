/*
 * bench_scan.c -- how many rows a second come out of a scan, and how many latest samples?
 *
 * On paper: a scan of unflushed rows merges frames in memory, a flushed one opens, decompresses and
 * decodes blocks of 4,096 rows at some 20 ns a row: tens of millions of rows a second, of which
 * merging a user's few files takes the larger part. Warm files hold a partition of time each, so
 * that nothing has to be merged: at least as fast as hot ones. holter_latest reads one block of
 * each file that may hold the newest row: tens of microseconds, some 10,000 a second, and more from
 * memory.
 *
 * Method: one store of a cohort, scanned before its flush, after it, and after everything was
 * compacted to warm; files are in the page cache. One user: a scan of every metric of one user in
 * turn; all users: one snapshot, then all of them in turn. Scans of all three must show equally
 * many rows. A pass over all users warms up.
 */
#include "bench.h"

#include <inttypes.h>

static uint64_t scan_user(holter_snapshot *snapshot, uint64_t user)
{
    holter_error err = { 0 };
    holter_cursor *cursor;
    holter_columns columns;
    holter_status status;
    uint64_t rows = 0;
    bench_try(holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = user }, &err), &err);
    while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK)
        rows += columns.count;
    if (status != HOLTER_DONE)
        bench_try(status, &err);
    holter_cursor_close(cursor);
    return rows;
}

/* Returns the rows of all users. */
static uint64_t measure_scans(struct bench_store *store, const char *tier)
{
    struct bench_series one = { 0 };
    struct bench_series all = { 0 };
    uint64_t rows = 0;
    uint32_t passes = bench_is_quick() ? 1 : 7;
    for (uint32_t pass = 0; pass <= passes; pass++) {
        holter_error err = { 0 };
        holter_snapshot *snapshot;
        double begin_s = bench_now_s();
        bench_try(holter_snapshot_open(&snapshot, store->store, &err), &err);
        rows = 0;
        for (uint32_t i = 0; i < store->user_count; i++) {
            double user_begin_s = bench_now_s();
            uint64_t user_rows = scan_user(snapshot, store->users[i]);
            rows += user_rows;
            if (pass > 0)
                bench_add(&one, (double)user_rows / (bench_now_s() - user_begin_s));
        }
        holter_snapshot_close(snapshot);
        if (pass > 0)
            bench_add(&all, (double)rows / (bench_now_s() - begin_s));
    }
    bench_report(tier, "scan of one user", "rows/s", &one);
    bench_report(tier, "scan of all users", "rows/s", &all);
    return rows;
}

static void measure_latest(struct bench_store *store, const char *tier)
{
    struct bench_series rates = { 0 };
    uint32_t slices = bench_is_quick() ? 1 : 20;
    uint32_t calls = bench_is_quick() ? 20 : 200;
    holter_error err = { 0 };
    holter_snapshot *snapshot;
    bench_try(holter_snapshot_open(&snapshot, store->store, &err), &err);
    for (uint32_t slice = 0; slice <= slices; slice++) {
        double begin_s = bench_now_s();
        for (uint32_t i = 0; i < calls; i++) {
            holter_cursor *cursor;
            holter_columns columns;
            uint64_t user = store->users[bench_random_below(store->user_count)];
            bench_try(holter_latest(&cursor, snapshot, user, store->metrics[COHORT_HEART_RATE], 0,
                                    &err),
                      &err);
            bench_try(holter_cursor_next(cursor, &columns, &err), &err);
            holter_cursor_close(cursor);
        }
        if (slice > 0)
            bench_add(&rates, calls / (bench_now_s() - begin_s));
    }
    holter_snapshot_close(snapshot);
    bench_report(tier, "latest heart rate", "calls/s", &rates);
}

static void measure(struct bench_store *store, const char *tier, uint64_t *rows)
{
    uint64_t found = measure_scans(store, tier);
    measure_latest(store, tier);
    if (*rows != 0 && found != *rows)
        bench_fail("%s: found %" PRIu64 " rows, expected %" PRIu64, tier, found, *rows);
    *rows = found;
}

int main(int count, char **arguments)
{
    bench_begin("scan", count, arguments, NULL, NULL);
    const holter_options options = {
        .no_auto_flush = 1,
        .memory_bytes_max = UINT64_C(1) << 30,
    };
    struct bench_store store;
    uint64_t rows = 0;
    holter_error err = { 0 };
    bench_store_make(&store, "store", bench_is_quick() ? 2 : 20, &options);
    bench_store_fill(&store, bench_is_quick() ? 1 : 3, NULL);
    measure(&store, "unflushed", &rows);
    bench_try(holter_flush(store.store, NULL, &err), &err);
    measure(&store, "hot", &rows);
    bench_try(holter_compact(store.store, &(holter_compact_options){ .to = HOLTER_WARM }, NULL,
                             &err),
              &err);
    measure(&store, "warm", &rows);
    bench_report_one("all", "rows", "rows", (double)rows);
    bench_store_close(&store);
    bench_end();
    return 0;
}
