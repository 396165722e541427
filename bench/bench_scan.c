/*
 * bench_scan.c -- how many rows a second come out of a scan and into an aggregate, and how many latest
 * samples?
 *
 * On paper: a packed block of heart rate decodes at some 1 ns a row; its 0.8 bytes are opened at 1.3
 * GB/s, 0.6 ns. So a thread that reads from the page cache can have at most 1 / (1 / decoding + bytes /
 * opening) rows a second, and two threads twice as many: the bound, of which the three parts are
 * measured right before the scans, pass by pass: the store's own rows in the codec's blocks, decoded one
 * after the other, and their bytes; the cipher. Nobody looks at the rows there, so the share is of a scan whose rows are not looked at;
 * beside it stands that of one whose caller adds them up. Shares are by the time that threads computed, so that other work on the
 * machine hardly shows. What a whole series says costs the same for a thousand rows and a million: a
 * microsecond a file where its headers are known from before, and else a read, the opening and decoding
 * of the headers, 8 us.
 *
 * Method: two stores of one cohort's heart rate, one sealed and one not, asked when everything is in
 * memory, flushed, compacted to warm, and cold where there is such a tier. The pages of the files are in
 * the cache, or dropped before each pass (from disk). All questions are asked in turn, pass by pass; each
 * must find equally many rows in every tier. A pass warms up. A second handle of each store may keep
 * nothing, so that each of its queries is the first. A third store has the same rows, not flushed, in
 * commits that each have some of all times. --users and --days: of another cohort. One user: one call
 * after the other for each. Reads are system calls as the system counts them (/proc/self/io).
 */
#include "bench.h"
#include "coders.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    THREADS_MAX = 2,
    LABEL_BYTES_MAX = 96,
    PASSES_MAX = 9,
    BOUND_TURNS = 3, /* of each pass */
    PIECE_BYTES = 16 << 10,
    DECODED_ROWS_MAX = 100000000,
    SHUFFLED_COMMIT_ROWS = 50000
};

enum question {
    TIME_AND_VALUE,
    AS_THEY_COME,
    ONE_DAY,
    NEWEST_HOUR,
    SUM_OF_BLOCKS,
    SUM_AT_FIRST,
    SUM_OF_ROWS,
    SUM_BY_DAY,
    FILTERED,
    SUM_OF_ZONE,
    QUESTIONS
};

static const char *const question_names[QUESTIONS] = {
    "time and value",    /* a scan of all, added up */
    "rows as they come", /* the same, its rows not looked at */
    "one day",           /* a scan of one day of each */
    "newest hour",       /* and of the last hour */
    "sum, from headers", /* sum, least and greatest by year */
    "sum, at first",     /* the same of who was not asked for before */
    "sum, from rows",    /* the same of a scan */
    "sum by day",
    "150 and more",     /* a filter; its rates are of the rows that are looked through */
    "60 to 99, summed", /* sum, least and greatest of a zone by year; rates in the same way */
};

struct place {
    struct bench_store store;
    holter_store *forgetful; /* a handle that keeps nothing */
    const char *name;        /* of its directory */
    bool is_sealed;
    uint32_t days;
    uint64_t rows; /* of heart rate, once they were scanned */
};

/* What a thread of a pass did. */
struct work {
    struct place *place;
    holter_snapshot *snapshot;
    enum question question;
    uint32_t first, step; /* of its users */
    uint64_t rows, sum;
    double computed_s;
};

/* ---- questions ------------------------------------------------------------------------------- */

/* All times and values, in four sums, so that adding takes little of a scan's time. */
static uint64_t add_up(const holter_columns *columns)
{
    const int64_t *times = columns->time_ns, *values = columns->fields[0].integer;
    uint64_t sums[4] = { 0 };
    size_t i = 0;
    for (; i + 4 <= columns->count; i += 4) {
        for (size_t k = 0; k < 4; k++)
            sums[k] += (uint64_t)times[i + k] + (uint64_t)values[i + k];
    }
    for (; i < columns->count; i++)
        sums[0] += (uint64_t)times[i] + (uint64_t)values[i];
    return sums[0] + sums[1] + sums[2] + sums[3];
}

/* Sum, least and greatest of a batch, as an aggregate has them. */
static uint64_t tally(const holter_columns *columns)
{
    const int64_t *values = columns->fields[0].integer;
    int64_t sum = 0, least = values[0], greatest = values[0];
    for (size_t i = 0; i < columns->count; i++) {
        sum += values[i];
        least = values[i] < least ? values[i] : least;
        greatest = values[i] > greatest ? values[i] : greatest;
    }
    if (least > greatest)
        bench_fail("the least of a batch is above its greatest");
    return (uint64_t)sum;
}

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
    } else if (work->question == NEWEST_HOUR) {
        spec.to_ns = (BENCH_DAY_FROM_S + 86400 * (int64_t)work->place->days) * 1000000000;
        spec.from_ns = spec.to_ns - INT64_C(3600) * 1000000000;
    }
    const holter_filter high = { .min.integer = 150, .max.integer = INT64_MAX };
    if (work->question == FILTERED) {
        spec.filters = &high;
        spec.filter_count = 1;
    }
    bench_try(holter_scan(&cursor, work->snapshot, &spec, &err), &err);
    while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK) {
        work->sum += work->question == SUM_OF_ROWS    ? tally(&columns)
                     : work->question == AS_THEY_COME ? columns.count
                                                      : add_up(&columns);
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
    const holter_filter zone = { .min.integer = 60, .max.integer = 99 };
    if (work->question == SUM_OF_ZONE) {
        spec.filters = &zone;
        spec.filter_count = 1;
    }
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
    if (work->question == TIME_AND_VALUE || work->question == AS_THEY_COME ||
        work->question == ONE_DAY || work->question == NEWEST_HOUR ||
        work->question == SUM_OF_ROWS || work->question == FILTERED)
        scan(work, user);
    else
        aggregate(work, user);
}

static void *run_thread(void *context)
{
    struct work *work = context;
    struct bench_store *store = &work->place->store;
    double begin_s = bench_thread_s();
    for (uint32_t i = work->first; i < store->user_count; i += work->step)
        ask(work, store->users[i]);
    work->computed_s = bench_thread_s() - begin_s;
    return NULL;
}

/* What a pass found, and how fast. */
struct found {
    uint64_t rows, sum;
    double rate;     /* rows a second of all users, the snapshot included */
    double computed; /* the same of the time that all threads computed, times threads */
};

static struct found pass(struct place *place, enum question question, uint32_t threads)
{
    struct work works[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    holter_error err = { 0 };
    holter_snapshot *snapshot;
    struct found found = { 0 };
    double computed_s = 0, begin_s = bench_now_s();
    holter_store *store = question == SUM_AT_FIRST ? place->forgetful : place->store.store;
    bench_try(holter_snapshot_open(&snapshot, store, &err), &err);
    for (uint32_t i = 0; i < threads; i++) {
        works[i] = (struct work){ place, snapshot, question, i, threads, 0, 0, 0 };
        if (pthread_create(&ids[i], NULL, run_thread, &works[i]) != 0)
            bench_fail("no thread");
    }
    for (uint32_t i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        found.rows += works[i].rows;
        found.sum += works[i].sum;
        computed_s += works[i].computed_s;
    }
    holter_snapshot_close(snapshot);
    if (question == TIME_AND_VALUE)
        place->rows = found.rows;
    bool is_filtered = question == FILTERED || question == SUM_OF_ZONE;
    double looked = (double)(is_filtered ? place->rows : found.rows);
    found.rate = looked / (bench_now_s() - begin_s);
    found.computed = looked * threads / computed_s;
    return found;
}

/* ---- what bounds it -------------------------------------------------------------------------- */

/* The parts of the bound, measured pass by pass beside the scans that they bound. */
struct bound {
    const struct coder *coder;
    struct blocks blocks; /* of the store's heart rate */
    struct decoded decoded;
    double rows, bytes; /* in blocks; and of a row */
    struct bench_series decoding, opening, rate;
    struct bench_series shares[THREADS_MAX], added[THREADS_MAX];
};

/* `codec`: of the tier's blocks. */
static void bound_init(struct bound *bound, const struct place *place, const char *codec)
{
    struct series_set set;
    struct groups groups = { 0 };
    holter_error err = { 0 };
    *bound = (struct bound){ .coder = &coders[0] };
    for (size_t i = 0; i < coder_count; i++)
        bound->coder = strcmp(coders[i].name, codec) == 0 ? &coders[i] : bound->coder;
    bench_try(series_read(&set, bench_path(place->name), cohort_metric_name(COHORT_HEART_RATE),
                          DECODED_ROWS_MAX, &err),
              &err);
    for (size_t s = 0; s < set.count; s++) {
        for (size_t at = 0; at < set.series[s].count; at += GROUP_ROWS)
            groups_add(&groups, group_of(&set, &set.series[s], at));
    }
    buffer_init(&bound->blocks.bytes);
    blocks_add_all(&bound->blocks, bound->coder, &groups);
    bound->rows = (double)groups.rows;
    bound->bytes = (double)bound->blocks.bytes.bytes / bound->rows;
    decoded_init(&bound->decoded, &groups.at[0]->schema);
    groups_release(&groups);
    series_release(&set);
}

static void bound_release(struct bound *bound)
{
    decoded_release(&bound->decoded);
    blocks_release(&bound->blocks);
}

/* Bytes a second at which pieces are opened. */
static double cipher_rate(void)
{
    static unsigned char plain[PIECE_BYTES], sealed[PIECE_BYTES + 16];
    unsigned char nonce[24] = { 1 }, key[32] = { 2 };
    unsigned long long bytes = 0;
    uint32_t pieces = bench_is_quick() ? 200 : 2000;
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, &bytes, plain, sizeof plain, NULL, 0, NULL,
                                               nonce, key);
    double begin_s = bench_thread_s();
    for (uint32_t i = 0; i < pieces; i++) {
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, bytes, NULL, 0,
                                                       nonce, key) != 0)
            bench_fail("what was sealed does not open");
    }
    return (double)pieces * PIECE_BYTES / (bench_thread_s() - begin_s);
}

/* The bound and the scans that it is of, right after each other: once more. */
static void bound_measure(struct bound *bound, struct place *place)
{
    double begin_s = bench_thread_s();
    blocks_decode(bound->coder, &bound->blocks, &bound->decoded);
    double decoding = bound->rows / (bench_thread_s() - begin_s);
    double opening = cipher_rate();
    double rate = 1 / (1 / decoding + bound->bytes / opening);
    bench_add(&bound->decoding, decoding);
    bench_add(&bound->opening, opening);
    bench_add(&bound->rate, rate);
    for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
        bench_add(&bound->shares[threads - 1],
                  100 * pass(place, AS_THEY_COME, threads).computed / (threads * rate));
        bench_add(&bound->added[threads - 1],
                  100 * pass(place, TIME_AND_VALUE, threads).computed / (threads * rate));
    }
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
    struct bench_series computed[QUESTIONS][THREADS_MAX];
    double reads[QUESTIONS]; /* a user, in the last pass of one thread */
    struct bench_series disk[THREADS_MAX], sum_disk[THREADS_MAX];
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

/* Read calls of this process so far; 0 where the system does not count them. */
static uint64_t read_calls(void)
{
    char line[LABEL_BYTES_MAX];
    uint64_t calls = 0;
    FILE *file = fopen("/proc/self/io", "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "syscr: ", 7) == 0)
            calls = strtoull(line + 7, NULL, 10);
    }
    fclose(file);
    return calls;
}

/* Every question once, of a store; what it answers has to be what it answered before. */
static void measure_pass(struct place *place, struct figures *figures,
                         uint64_t answers[QUESTIONS][2], bool has_files, bool is_warm_up)
{
    struct figures dropped = { 0 };
    struct figures *into = is_warm_up ? &dropped : figures;
    for (unsigned question = 0; question < QUESTIONS; question++) {
        for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
            uint64_t calls = read_calls();
            uint64_t own = read_calls() - calls;
            struct found found = pass(place, (enum question)question, threads);
            if (threads == 1)
                figures->reads[question] =
                    (double)(read_calls() - calls - 2 * own) / place->store.user_count;
            if (answers[question][0] == 0) {
                answers[question][0] = found.rows;
                answers[question][1] = found.sum;
            }
            if (found.rows != answers[question][0] || found.sum != answers[question][1])
                bench_fail("%s: found %" PRIu64 " rows, expected %" PRIu64 ", or another sum",
                           question_names[question], found.rows, answers[question][0]);
            bench_add(&into->rates[question][threads - 1], found.rate);
            bench_add(&into->computed[question][threads - 1], found.computed);
        }
    }
    for (uint32_t threads = 1; has_files && threads <= THREADS_MAX; threads++) {
        drop_pages(bench_path(place->name));
        bench_add(&into->disk[threads - 1], pass(place, TIME_AND_VALUE, threads).rate);
        drop_pages(bench_path(place->name));
        bench_add(&into->sum_disk[threads - 1], pass(place, SUM_AT_FIRST, threads).rate);
    }
    measure_one_user(place, into);
    if (!is_warm_up)
        return;
    for (unsigned question = 0; question < QUESTIONS; question++) {
        for (uint32_t threads = 0; threads < THREADS_MAX; threads++) {
            free(dropped.rates[question][threads].samples);
            free(dropped.computed[question][threads].samples);
        }
    }
    for (uint32_t threads = 0; threads < THREADS_MAX; threads++) {
        free(dropped.disk[threads].samples);
        free(dropped.sum_disk[threads].samples);
    }
    free(dropped.one_user.samples);
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
            free(figures->computed[question][threads - 1].samples);
        }
        snprintf(figure, sizeof figure, "%s, reads", question_names[question]);
        bench_report_one(at, figure, "calls/user", figures->reads[question]);
    }
    for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
        snprintf(figure, sizeof figure, "from disk, %u thread%s", threads, threads > 1 ? "s" : "");
        if (figures->disk[threads - 1].count > 0)
            bench_report(at, figure, "rows/s", &figures->disk[threads - 1]);
        snprintf(figure, sizeof figure, "sum, at first, from disk, %u thread%s", threads,
                 threads > 1 ? "s" : "");
        if (figures->sum_disk[threads - 1].count > 0)
            bench_report(at, figure, "rows/s", &figures->sum_disk[threads - 1]);
    }
    bench_report(at, "one user after the other", "rows/s", &figures->one_user);
}

static void report_bound(const struct place *sealed, const char *tier, struct bound *bound)
{
    char at[LABEL_BYTES_MAX], figure[LABEL_BYTES_MAX];
    snprintf(at, sizeof at, "sealed, %s", tier);
    bench_report(at, "opening pieces", "B/s", &bound->opening);
    bench_report(at, "decoding blocks", "rows/s", &bound->decoding);
    bench_report_one(at, "bytes of blocks", "B/row", bound->bytes);
    bench_report_one(at, "bytes of files", "B/row", bytes_per_row(sealed));
    bench_report(at, "bound, 1 thread", "rows/s", &bound->rate);
    for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
        snprintf(figure, sizeof figure, "of the bound, %u thread%s", threads,
                 threads > 1 ? "s" : "");
        bench_report(at, figure, "%", &bound->shares[threads - 1]);
        snprintf(figure, sizeof figure, "added up, of the bound, %u thread%s", threads,
                 threads > 1 ? "s" : "");
        bench_report(at, figure, "%", &bound->added[threads - 1]);
    }
}

/* `codec`: of the tier's blocks; NULL: it has none. */
static void measure(struct place *places, const char *tier, const char *codec,
                    uint64_t answers[QUESTIONS][2])
{
    struct figures figures[2] = { 0 };
    struct bound bound;
    uint32_t passes = bench_is_quick() ? 1 : PASSES_MAX;
    if (codec != NULL)
        bound_init(&bound, &places[0], codec);
    for (uint32_t i = 0; i <= passes; i++) {
        for (unsigned p = 0; p < 2; p++)
            measure_pass(&places[p], &figures[p], answers, codec != NULL, i == 0);
        for (int turn = 0; codec != NULL && i > 0 && turn < BOUND_TURNS; turn++)
            bound_measure(&bound, &places[0]);
    }
    double headers = median(&figures[0].computed[SUM_OF_BLOCKS][0]);
    double first = median(&figures[0].computed[SUM_AT_FIRST][0]);
    double rows = median(&figures[0].computed[SUM_OF_ROWS][0]);
    for (unsigned p = 0; p < 2; p++)
        report(&places[p], tier, &figures[p]);
    if (codec == NULL)
        return;
    report_bound(&places[0], tier, &bound);
    bound_release(&bound);
    bench_report_one("sealed", tier, "x, headers against rows", headers / rows);
    bench_report_one("sealed", tier, "x, at first", first / rows);
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

/* ---- stores ---------------------------------------------------------------------------------- */

typedef uint64_t fill_store(struct bench_store *store, uint32_t days, const bool *metrics);

static void make(struct place *place, uint32_t users, uint32_t days, fill_store *fill)
{
    static const bool wanted[COHORT_METRICS] = { [COHORT_HEART_RATE] = true };
    const holter_options options = { .no_auto_flush = 1, .memory_bytes_max = UINT64_C(1) << 30 };
    const holter_create_options create = { .no_sealing = !place->is_sealed };
    place->days = days;
    bench_store_make_as(&place->store, place->name, users, &create, &options);
    fill(&place->store, place->days, wanted);
    holter_error err = { 0 };
    bench_try(holter_open(&place->forgetful, bench_path(place->name),
                          &(holter_options){ .read_only = 1, .memory_bytes_max = 1 }, &err),
              &err);
}

static void close_place(struct place *place)
{
    holter_close(place->forgetful);
    bench_store_close(&place->store);
}

/* ---- late and shuffled ----------------------------------------------------------------------- */

static void shuffle(struct cohort_row *rows, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = bench_random_below(i);
        struct cohort_row row = rows[i - 1];
        rows[i - 1] = rows[other];
        rows[other] = row;
    }
}

/* As bench_store_fill, but each commit has some of all times. */
static uint64_t fill_shuffled(struct bench_store *store, uint32_t days, const bool *metrics)
{
    struct cohort_row *all = NULL;
    const struct cohort_row *rows;
    size_t count, total = 0, capacity = 0;
    struct cohort *cohort = bench_cohort(store->user_count, days, metrics);
    while (bench_cohort_next(cohort, &rows, &count)) {
        void *grown = all;
        if (!core_grow(&grown, &capacity, total + count, sizeof *all))
            bench_fail("no memory");
        all = grown;
        for (size_t i = 0; i < count; i++)
            all[total++] = rows[i];
    }
    cohort_free(cohort);
    shuffle(all, total);
    for (size_t i = 0; i < total; i++) {
        bench_store_add(store, &all[i]);
        if ((i + 1) % SHUFFLED_COMMIT_ROWS == 0 || i + 1 == total)
            bench_store_commit(store);
    }
    free(all);
    return total;
}

/* Scans of what is not flushed, where every commit has rows of all times. */
static void measure_shuffled(uint32_t users, uint32_t days, uint64_t answers[QUESTIONS][2])
{
    static const enum question asked[] = { TIME_AND_VALUE, ONE_DAY, NEWEST_HOUR };
    struct place place = { .name = "shuffled", .is_sealed = true };
    struct bench_series rates[CORE_COUNT(asked)] = { { 0 } };
    char figure[LABEL_BYTES_MAX];
    make(&place, users, days, fill_shuffled);
    for (uint32_t i = 0; i <= (bench_is_quick() ? 1 : PASSES_MAX); i++) {
        for (size_t q = 0; q < CORE_COUNT(asked); q++) {
            struct found found = pass(&place, asked[q], 1);
            if (found.rows != answers[asked[q]][0] || found.sum != answers[asked[q]][1])
                bench_fail("shuffled, %s: found %" PRIu64 " rows, expected %" PRIu64
                           ", or another sum",
                           question_names[asked[q]], found.rows, answers[asked[q]][0]);
            if (i > 0)
                bench_add(&rates[q], found.rate);
        }
    }
    for (size_t q = 0; q < CORE_COUNT(asked); q++) {
        snprintf(figure, sizeof figure, "%s, 1 thread", question_names[asked[q]]);
        bench_report("sealed, unflushed, shuffled", figure, "rows/s", &rates[q]);
    }
    close_place(&place);
}

/* ---- the run --------------------------------------------------------------------------------- */

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
    const char *users_text = NULL, *days_text = NULL;
    const struct bench_option options[] = { { "--users", "COUNT", &users_text },
                                            { "--days", "COUNT", &days_text } };
    bench_begin_with("scan", count, arguments, options, CORE_COUNT(options));
    uint32_t users = bench_number("--users", users_text, 1, 1000, bench_is_quick() ? 2 : 20);
    uint32_t days = bench_number("--days", days_text, 1, 365, bench_is_quick() ? 2 : 30);
    if (sodium_init() < 0)
        bench_fail("libsodium cannot be used");
    for (unsigned p = 0; p < 2; p++)
        make(&places[p], users, days, bench_store_fill);
    measure(places, "unflushed", NULL, answers);
    measure_latest(&places[0].store, "unflushed");
    measure_shuffled(users, days, answers);
    compact(places, HOLTER_HOT);
    measure(places, "hot", "packed 1024", answers);
    measure_latest(&places[0].store, "hot");
    compact(places, HOLTER_WARM);
    measure(places, "warm", "packed 1024", answers);
    measure_latest(&places[0].store, "warm");
    compact(places, HOLTER_COLD);
    if (has_cold(&places[0])) {
        measure(places, "cold", "cold 8192", answers);
        measure_latest(&places[0].store, "cold");
    }
    bench_report_one("all", "rows", "rows", (double)answers[TIME_AND_VALUE][0]);
    for (unsigned p = 0; p < 2; p++)
        close_place(&places[p]);
    bench_end();
    return 0;
}
