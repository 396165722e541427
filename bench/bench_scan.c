/*
 * bench_scan.c -- how many rows a second come out of a scan and into an aggregate, and how many latest
 * samples?
 *
 * On paper: a packed block of heart rate decodes at some 1 ns a row; its 0.8 bytes are opened at 1.3
 * GB/s, 0.6 ns. So a thread that reads from the page cache can have at most 1 / (1 / decoding + bytes /
 * opening) rows a second, and two threads twice as many: the bound, of which the three parts are
 * measured in the run (decoding: the scan of a store that is not sealed, so reading is in it). A whole
 * block of an aggregate costs its header, 10 bytes for a thousand rows; what is left is opening a
 * user's part of each file, some 15 us.
 *
 * Method: two stores of one cohort's heart rate, one sealed and one not, asked when everything is in
 * memory, flushed, compacted to warm, and cold where there is such a tier. The pages of the files are in
 * the cache, or dropped before each pass (from disk). All questions are asked in turn, pass by pass; each
 * must find equally many rows in every tier. A pass warms up. One user: one call after the other for each.
 */
#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 2, LABEL_BYTES_MAX = 96, PASSES_MAX = 9, PIECE_BYTES = 16 << 10 };

enum question { TIME_AND_VALUE, ONE_DAY, SUM_OF_BLOCKS, SUM_OF_ROWS, SUM_BY_DAY, QUESTIONS };

static const char *const question_names[QUESTIONS] = {
    "time and value",    /* a scan of all, added up */
    "one day",           /* a scan of one day of each */
    "sum, from headers", /* sum, least and greatest by year */
    "sum, from rows",    /* the same and the first value, which needs rows */
    "sum by day",
};

struct place {
    struct bench_store store;
    const char *name; /* of its directory */
    bool is_sealed;
    uint32_t days;
};

/* What a thread of a pass did. */
struct work {
    struct place *place;
    holter_snapshot *snapshot;
    enum question question;
    uint32_t first, step; /* of its users */
    uint64_t rows, sum;
};

/* ---- questions ------------------------------------------------------------------------------- */

static void scan(struct work *work, uint64_t user)
{
    holter_error err = { 0 };
    holter_cursor *cursor;
    holter_columns columns;
    holter_status status;
    struct bench_store *store = &work->place->store;
    holter_scan_spec spec = { .user = user, .metric = store->metrics[COHORT_HEART_RATE] };
    if (work->question == ONE_DAY) {
        spec.from_ns = (BENCH_DAY_FROM_S + 86400 * (int64_t)(work->place->days / 2)) * 1000000000;
        spec.to_ns = spec.from_ns + INT64_C(86400) * 1000000000;
    }
    bench_try(holter_scan(&cursor, work->snapshot, &spec, &err), &err);
    while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK) {
        uint64_t sum = 0;
        for (size_t i = 0; i < columns.count; i++)
            sum += (uint64_t)columns.time_ns[i] + (uint64_t)columns.fields[0].integer[i];
        work->sum += sum;
        work->rows += columns.count;
    }
    if (status != HOLTER_DONE)
        bench_try(status, &err);
    holter_cursor_close(cursor);
}

static void aggregate(struct work *work, uint64_t user)
{
    holter_error err = { 0 };
    holter_aggregator *aggregator;
    holter_windows windows;
    holter_status status;
    struct bench_store *store = &work->place->store;
    holter_aggregate_spec spec = {
        .user = user,
        .metric = store->metrics[COHORT_HEART_RATE],
        .every = { .calendar = work->question == SUM_BY_DAY ? HOLTER_DAYS : HOLTER_YEARS },
        .functions = HOLTER_FN_SUM | HOLTER_FN_MIN | HOLTER_FN_MAX,
    };
    if (work->question == SUM_OF_ROWS)
        spec.functions |= HOLTER_FN_FIRST;
    bench_try(holter_aggregate(&aggregator, work->snapshot, &spec, &err), &err);
    while ((status = holter_aggregate_next(aggregator, &windows, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < windows.count; i++) {
            work->sum += windows.fields[0].sum[i].low;
            work->rows += windows.samples[i] + windows.excluded[i];
        }
    }
    if (status != HOLTER_DONE)
        bench_try(status, &err);
    holter_aggregate_close(aggregator);
}

static void ask(struct work *work, uint64_t user)
{
    if (work->question == TIME_AND_VALUE || work->question == ONE_DAY)
        scan(work, user);
    else
        aggregate(work, user);
}

static void *run_thread(void *context)
{
    struct work *work = context;
    struct bench_store *store = &work->place->store;
    for (uint32_t i = work->first; i < store->user_count; i += work->step)
        ask(work, store->users[i]);
    return NULL;
}

/* Rows a second of all users, the snapshot included. *rows, *sum: what was found. */
static double pass(struct place *place, enum question question, uint32_t threads, uint64_t *rows,
                   uint64_t *sum)
{
    struct work works[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    holter_error err = { 0 };
    holter_snapshot *snapshot;
    double begin_s = bench_now_s();
    bench_try(holter_snapshot_open(&snapshot, place->store.store, &err), &err);
    for (uint32_t i = 0; i < threads; i++) {
        works[i] = (struct work){ place, snapshot, question, i, threads, 0, 0 };
        if (pthread_create(&ids[i], NULL, run_thread, &works[i]) != 0)
            bench_fail("no thread");
    }
    *rows = *sum = 0;
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        *rows += works[i].rows;
        *sum += works[i].sum;
    }
    holter_snapshot_close(snapshot);
    return (double)*rows / (bench_now_s() - begin_s);
}

/* ---- what bounds it -------------------------------------------------------------------------- */

/* Bytes a second at which pieces are opened. */
static double cipher_rate(void)
{
    static unsigned char plain[PIECE_BYTES], sealed[PIECE_BYTES + 16];
    unsigned char nonce[24] = { 1 }, key[32] = { 2 };
    unsigned long long bytes = 0;
    uint32_t pieces = bench_is_quick() ? 10 : 2000;
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, &bytes, plain, sizeof plain, NULL, 0, NULL,
                                               nonce, key);
    double begin_s = bench_now_s();
    for (uint32_t i = 0; i < pieces; i++) {
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, bytes, NULL, 0,
                                                       nonce, key) != 0)
            bench_fail("what was sealed does not open");
    }
    return (double)pieces * PIECE_BYTES / (bench_now_s() - begin_s);
}

static double bytes_per_row(const struct place *place)
{
    holter_error err = { 0 };
    holter_stat stat;
    uint64_t bytes = 0, rows = 0;
    bench_try(holter_stat_read(place->store.store, &stat, &err), &err);
    for (size_t i = 0; i < stat.shard_count; i++) {
        holter_shard_stat shard;
        bench_try(holter_stat_shard(place->store.store, i, &shard, &err), &err);
        for (size_t tier = HOLTER_HOT; tier <= HOLTER_COLD; tier++) {
            bytes += shard.tiers[tier].bytes;
            rows += shard.tiers[tier].rows;
        }
    }
    return rows == 0 ? 0 : (double)bytes / (double)rows;
}

static bool has_cold(const struct place *place)
{
    holter_error err = { 0 };
    holter_stat stat;
    bench_try(holter_stat_read(place->store.store, &stat, &err), &err);
    for (size_t i = 0; i < stat.shard_count; i++) {
        holter_shard_stat shard;
        bench_try(holter_stat_shard(place->store.store, i, &shard, &err), &err);
        if (shard.tiers[HOLTER_COLD].rows > 0)
            return true;
    }
    return false;
}

/* ---- from disk ------------------------------------------------------------------------------- */

static void drop_pages(const char *path)
{
    char below[BENCH_PATH_BYTES_MAX];
    DIR *directory = opendir(path);
    if (directory == NULL) {
        int file = open(path, O_RDONLY);
        if (file >= 0) {
            posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
            close(file);
        }
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int bytes = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && bytes > 0 && (size_t)bytes < sizeof below)
            drop_pages(below);
    }
    closedir(directory);
}

/* ---- measuring ------------------------------------------------------------------------------- */

struct figures {
    struct bench_series rates[QUESTIONS][THREADS_MAX];
    struct bench_series disk[THREADS_MAX];
    struct bench_series one_user;
};

static void measure_one_user(struct place *place, struct figures *figures)
{
    struct work work = { .place = place, .question = TIME_AND_VALUE, .step = 1 };
    holter_error err = { 0 };
    bench_try(holter_snapshot_open(&work.snapshot, place->store.store, &err), &err);
    for (uint32_t i = 0; i < place->store.user_count; i++) {
        double begin_s = bench_now_s();
        work.rows = 0;
        ask(&work, place->store.users[i]);
        bench_add(&figures->one_user, (double)work.rows / (bench_now_s() - begin_s));
    }
    holter_snapshot_close(work.snapshot);
}

/* Every question once, of a store; what it answers has to be what it answered before. */
static void measure_pass(struct place *place, struct figures *figures,
                         uint64_t answers[QUESTIONS][2], bool has_files, bool is_warm_up)
{
    struct figures dropped = { 0 };
    struct figures *into = is_warm_up ? &dropped : figures;
    for (unsigned question = 0; question < QUESTIONS; question++) {
        for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
            uint64_t rows, sum;
            double rate = pass(place, (enum question)question, threads, &rows, &sum);
            if (answers[question][0] == 0) {
                answers[question][0] = rows;
                answers[question][1] = sum;
            }
            if (rows != answers[question][0] || sum != answers[question][1])
                bench_fail("%s: found %" PRIu64 " rows, expected %" PRIu64 ", or another sum",
                           question_names[question], rows, answers[question][0]);
            bench_add(&into->rates[question][threads - 1], rate);
        }
    }
    for (uint32_t threads = 1; has_files && threads <= THREADS_MAX; threads++) {
        uint64_t rows, sum;
        drop_pages(bench_path(place->name));
        bench_add(&into->disk[threads - 1], pass(place, TIME_AND_VALUE, threads, &rows, &sum));
    }
    measure_one_user(place, into);
    if (!is_warm_up)
        return;
    for (unsigned question = 0; question < QUESTIONS; question++) {
        for (uint32_t threads = 0; threads < THREADS_MAX; threads++)
            free(dropped.rates[question][threads].samples);
    }
    for (uint32_t threads = 0; threads < THREADS_MAX; threads++)
        free(dropped.disk[threads].samples);
    free(dropped.one_user.samples);
}

static double median(const struct bench_series *series)
{
    double sorted[PASSES_MAX];
    size_t count = series->count < PASSES_MAX ? series->count : PASSES_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > series->samples[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = series->samples[i];
    }
    return count == 0 ? 0 : sorted[(count - 1) / 2];
}

static void report(const struct place *place, const char *tier, struct figures *figures)
{
    char at[LABEL_BYTES_MAX], figure[LABEL_BYTES_MAX];
    snprintf(at, sizeof at, "%s, %s", place->is_sealed ? "sealed" : "not sealed", tier);
    for (unsigned question = 0; question < QUESTIONS; question++) {
        for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
            snprintf(figure, sizeof figure, "%s, %u thread%s", question_names[question], threads,
                     threads > 1 ? "s" : "");
            bench_report(at, figure, "rows/s", &figures->rates[question][threads - 1]);
        }
    }
    for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
        snprintf(figure, sizeof figure, "from disk, %u thread%s", threads, threads > 1 ? "s" : "");
        if (figures->disk[threads - 1].count > 0)
            bench_report(at, figure, "rows/s", &figures->disk[threads - 1]);
    }
    bench_report(at, "one user after the other", "rows/s", &figures->one_user);
}

/* Of the scan of time and value by all threads. */
static void report_bound(const struct place *sealed, const char *tier, double decoding,
                         double found)
{
    char at[LABEL_BYTES_MAX];
    double opening = cipher_rate();
    double bytes = bytes_per_row(sealed);
    double bound = THREADS_MAX / (1 / decoding + bytes / opening);
    snprintf(at, sizeof at, "sealed, %s", tier);
    if (bytes <= 0)
        return;
    bench_report_one(at, "opening pieces", "B/s", opening);
    bench_report_one(at, "bytes of files", "B/row", bytes);
    bench_report_one(at, "bound, 2 threads", "rows/s", bound);
    bench_report_one(at, "of the bound", "%", 100 * found / bound);
}

static void measure(struct place *places, const char *tier, uint64_t answers[QUESTIONS][2])
{
    struct figures figures[2] = { 0 };
    uint32_t passes = bench_is_quick() ? 1 : PASSES_MAX;
    bool has_files = bytes_per_row(&places[0]) > 0;
    for (uint32_t i = 0; i <= passes; i++) {
        for (unsigned p = 0; p < 2; p++)
            measure_pass(&places[p], &figures[p], answers, has_files, i == 0);
    }
    double decoding = median(&figures[1].rates[TIME_AND_VALUE][0]);
    double found = median(&figures[0].rates[TIME_AND_VALUE][THREADS_MAX - 1]);
    double headers = median(&figures[0].rates[SUM_OF_BLOCKS][0]);
    double rows = median(&figures[0].rates[SUM_OF_ROWS][0]);
    for (unsigned p = 0; p < 2; p++)
        report(&places[p], tier, &figures[p]);
    report_bound(&places[0], tier, decoding, found);
    if (has_files)
        bench_report_one("sealed", tier, "x, headers against rows", headers / rows);
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

/* ---- the run --------------------------------------------------------------------------------- */

static void make(struct place *place)
{
    static const bool wanted[COHORT_METRICS] = { [COHORT_HEART_RATE] = true };
    const holter_options options = { .no_auto_flush = 1, .memory_bytes_max = UINT64_C(1) << 30 };
    const holter_create_options create = { .no_sealing = !place->is_sealed };
    place->days = bench_is_quick() ? 2 : 30;
    bench_store_make_as(&place->store, place->name, bench_is_quick() ? 2 : 20, &create, &options);
    bench_store_fill(&place->store, place->days, wanted);
}

static void compact(struct place *places, holter_tier to)
{
    for (unsigned p = 0; p < 2; p++) {
        holter_error err = { 0 };
        bench_try(holter_compact(places[p].store.store, &(holter_compact_options){ .to = to }, NULL,
                                 &err),
                  &err);
    }
}

int main(int count, char **arguments)
{
    struct place places[] = { { .name = "sealed", .is_sealed = true }, { .name = "open" } };
    uint64_t answers[QUESTIONS][2] = { { 0 } };
    bench_begin("scan", count, arguments, NULL, NULL);
    if (sodium_init() < 0)
        bench_fail("libsodium cannot be used");
    for (unsigned p = 0; p < 2; p++)
        make(&places[p]);
    measure(places, "unflushed", answers);
    measure_latest(&places[0].store, "unflushed");
    compact(places, HOLTER_HOT);
    measure(places, "hot", answers);
    measure_latest(&places[0].store, "hot");
    compact(places, HOLTER_WARM);
    measure(places, "warm", answers);
    measure_latest(&places[0].store, "warm");
    compact(places, HOLTER_COLD);
    if (has_cold(&places[0])) {
        measure(places, "cold", answers);
        measure_latest(&places[0].store, "cold");
    }
    bench_report_one("all", "rows", "rows", (double)answers[TIME_AND_VALUE][0]);
    for (unsigned p = 0; p < 2; p++)
        bench_store_close(&places[p].store);
    bench_end();
    return 0;
}
