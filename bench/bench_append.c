/*
 * bench_append.c -- how many samples a second become durable, and how near is that to the disk?
 *
 * On paper: a commit is one write of each shard that it touches, all shards at once. A batch of one
 * user, and a single sample, touch one shard: a commit each sync of the disk, ratio 1 at most; threads
 * that commit at once share syncs: how many is bound by what putting them to sleep and waking them takes
 * of the processor, which threads show that do nothing else. A batch of 50 users touches all shards, two
 * to four: what the disk takes of four writes at a time bounds it, as long as the processor (some 0.3 us a
 * sample, to check, sort, encode and seal) takes less than the sync. A writer that waits for each commit does one
 * after the other, processor and disk; one with several batches on their way does both at once, and those that
 * wait for the disk share a sync.
 *
 * Method: a slice of the disk alone (one write after the other, then four in flight), one of the
 * store and one of SQLite take turns, so that all meet the same disk; a ratio is of two neighbours.
 * The disk's figure is of 4 KiB written with O_DIRECT | O_DSYNC over a file that was written before.
 * Rows are of a cohort, in the order in which its devices deliver; a rate is of filling the batch and
 * committing it. One slice warms up. Calls of the system are counted by strace, where that is there, in
 * two more processes that differ in their number of commits alone. No flush falls into a run, but where
 * a process flushes and compacts on purpose. --shards: of another number of them.
 */
#define _DEFAULT_SOURCE /* usleep */

#include "ingest.h"
#include "peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PEOPLE = 10000,
    PERSON_ROWS = 512,
    BATCH_ROWS = 1000,
    IN_FLIGHT = 4,
    BATCHES_ON_THE_WAY = 8,
    THREADS = 64,
    PROCESSES_MAX = 8,
    QUICK_PEOPLE = 100, /* each of two processes draws 50 of its own */
    TRACED_PEOPLE = 100,
    DAY_S = 86400
};

struct shape {
    const char *name;
    uint32_t users, rows_each;
    uint32_t commits; /* of a slice */
};

static const struct shape shapes[] = {
    { "1,000 samples of 50 users", 50, BATCH_ROWS / 50, 20 },
    { "1,000 samples of one user", 1, BATCH_ROWS, 20 },
    { "one sample", 1, 1, 50 },
};

enum { MANY_USERS = 0, ONE_SAMPLE = 2 };

/* ---- rows ------------------------------------------------------------------------------------ */

/* A person's first rows, as they were delivered; when they are used up, the same a day later. */
struct person {
    struct cohort_row rows[PERSON_ROWS];
    uint32_t count, taken, days;
};

static struct person *people;
static uint32_t people_count;

static void gather(uint32_t count)
{
    const struct cohort_row *rows;
    size_t row_count;
    uint32_t full = 0;
    people_count = count;
    people = ingest_shared(count * sizeof *people);
    struct cohort *cohort = bench_cohort(count, 2, NULL);
    while (full < count && bench_cohort_next(cohort, &rows, &row_count)) {
        struct person *person = &people[rows[0].user];
        for (size_t i = 0; i < row_count && person->count < PERSON_ROWS; i++) {
            person->rows[person->count++] = rows[i];
            full += person->count == PERSON_ROWS;
        }
    }
    cohort_free(cohort);
    for (uint32_t i = 0; i < count; i++) {
        if (people[i].count == 0)
            bench_fail("a person without rows");
    }
}

static struct cohort_row next_row(struct person *person)
{
    struct cohort_row row = person->rows[person->taken];
    row.time_ns += INT64_C(1000000000) * DAY_S * person->days;
    if (++person->taken == person->count) {
        person->taken = 0;
        person->days += 2;
    }
    return row;
}

/*
 * The next rows of people drawn at random from those of number % of == which, each at most once: of
 * so many writers none has another's people.
 */
static void draw(struct cohort_row rows[static BATCH_ROWS], const struct shape *shape,
                 uint32_t which, uint32_t of)
{
    uint32_t users[BATCH_ROWS], count = 0, all = people_count / of;
    if (all < shape->users)
        bench_fail("%u people for %u writers", people_count, of);
    for (uint32_t i = 0; i < shape->users;) {
        uint32_t user = (uint32_t)bench_random_below(all) * of + which;
        uint32_t other = 0;
        while (other < i && users[other] != user)
            other++;
        if (other < i)
            continue;
        users[i++] = user;
        for (uint32_t row = 0; row < shape->rows_each; row++)
            rows[count++] = next_row(&people[user]);
    }
}

static uint32_t rows_of(const struct shape *shape)
{
    return shape->users * shape->rows_each;
}

/* Fills a batch with rows and commits it. The seconds of both, and of the commit alone. */
static double append(struct bench_store *store, const struct cohort_row *rows, uint32_t count,
                     double *commit_s)
{
    double begin_s = bench_now_s();
    for (uint32_t i = 0; i < count; i++)
        bench_store_add(store, &rows[i]);
    double filled_s = bench_now_s();
    bench_store_commit(store);
    double end_s = bench_now_s();
    *commit_s = end_s - filled_s;
    return end_s - begin_s;
}

/* ---- one writer ------------------------------------------------------------------------------ */

static double append_slice(struct bench_store *store, const struct shape *shape, uint32_t commits,
                           struct bench_series *times)
{
    struct cohort_row rows[BATCH_ROWS];
    double taken_s = 0;
    for (uint32_t i = 0; i < commits; i++) {
        double commit_s;
        draw(rows, shape, 0, 1);
        taken_s += append(store, rows, rows_of(shape), &commit_s);
        if (times != NULL)
            bench_add(times, 1e3 * commit_s);
    }
    return taken_s;
}

static double peer_slice(struct peer *peer, const struct shape *shape, uint32_t commits)
{
    struct cohort_row rows[BATCH_ROWS];
    double taken_s = 0;
    for (uint32_t i = 0; i < commits; i++) {
        draw(rows, shape, 0, 1);
        double begin_s = bench_now_s();
        peer_commit(peer, rows, rows_of(shape));
        taken_s += bench_now_s() - begin_s;
    }
    return taken_s;
}

static void measure(struct bench_store *store, struct ingest_disk *disk, struct peer *peer,
                    const struct shape *shape)
{
    struct bench_series rates = { 0 }, times = { 0 }, syncs = { 0 }, parallel = { 0 },
                        ratios = { 0 }, shares = { 0 }, peers = { 0 }, of_peer = { 0 };
    uint32_t slices = bench_is_quick() ? 2 : 15;
    uint32_t commits = bench_is_quick() ? 2 : shape->commits;
    struct ingest_bytes bytes = ingest_bytes_since(store, NULL);
    for (uint32_t slice = 0; slice <= slices; slice++) {
        double disk_rate = ingest_disk_rate(disk, commits, 1);
        double parallel_rate = ingest_disk_rate(disk, IN_FLIGHT * commits, IN_FLIGHT);
        double taken_s = append_slice(store, shape, commits, slice > 0 ? &times : NULL);
        double peer_s = peer != NULL ? peer_slice(peer, shape, commits) : 0;
        if (slice == 0)
            continue; /* the warm-up */
        bench_add(&rates, rows_of(shape) * commits / taken_s);
        bench_add(&syncs, disk_rate);
        bench_add(&parallel, parallel_rate);
        bench_add(&ratios, commits / taken_s / disk_rate);
        bench_add(&shares, commits / taken_s / (parallel_rate / IN_FLIGHT));
        if (peer == NULL)
            continue;
        bench_add(&peers, rows_of(shape) * commits / peer_s);
        bench_add(&of_peer, peer_s / taken_s);
    }
    bench_report(shape->name, "durable samples", "samples/s", &rates);
    bench_report(shape->name, "commit", "ms", &times);
    bench_report(shape->name, "disk", "syncs/s", &syncs);
    bench_report(shape->name, "disk, 4 in flight", "syncs/s", &parallel);
    bench_report(shape->name, "commits a sync of disk", "ratio", &ratios);
    bench_report(shape->name, "commits a 4 in flight", "ratio", &shares);
    bytes = ingest_bytes_since(store, &bytes);
    ingest_report_bytes(shape->name, &bytes, (double)rows_of(shape) * commits * (slices + 1));
    if (peer == NULL)
        return;
    bench_report(shape->name, "sqlite", "samples/s", &peers);
    bench_report(shape->name, "rate of sqlite's", "ratio", &of_peer);
}

/* ---- one writer, batches on their way -------------------------------------------------------- */

/*
 * Each batch is acknowledged once it is durable, up to BATCHES_ON_THE_WAY after it was handed over; the last ones are
 * waited for. `times`: from when a batch begins to be filled until then.
 */
static double append_on_the_way(struct bench_store *store, const struct shape *shape,
                                uint32_t commits, struct bench_series *times)
{
    struct cohort_row rows[BATCH_ROWS];
    double begun_s[BATCHES_ON_THE_WAY], taken_s = 0;
    uint64_t numbers[BATCHES_ON_THE_WAY];
    holter_error err = { 0 };
    for (uint32_t i = 0; i < commits + BATCHES_ON_THE_WAY; i++) {
        uint32_t slot = i % BATCHES_ON_THE_WAY;
        if (i < commits)
            draw(rows, shape, 0, 1);
        double begin_s = bench_now_s();
        if (i >= BATCHES_ON_THE_WAY) {
            bench_try(holter_wait_durable(store->store, numbers[slot], &err), &err);
            if (times != NULL)
                bench_add(times, 1e3 * (bench_now_s() - begun_s[slot]));
        }
        if (i < commits) {
            begun_s[slot] = bench_now_s();
            for (uint32_t row = 0; row < rows_of(shape); row++)
                bench_store_add(store, &rows[row]);
            bench_store_commit(store);
            numbers[slot] = holter_batch_accepted(store->batch);
        }
        taken_s += bench_now_s() - begin_s;
    }
    return taken_s;
}

/* The same store with a batch of its own, whose commits return at once. */
static struct bench_store with_buffered(const struct bench_store *store)
{
    struct bench_store buffered = *store;
    holter_error err = { 0 };
    bench_try(holter_batch_new(&buffered.batch, store->store,
                               &(holter_batch_options){ .buffered = 1 }, &err),
              &err);
    return buffered;
}

static void measure_on_the_way(const struct bench_store *store, struct ingest_disk *disk,
                               const struct shape *shape)
{
    struct bench_series rates = { 0 }, times = { 0 }, ratios = { 0 }, shares = { 0 };
    uint32_t slices = bench_is_quick() ? 2 : 15;
    uint32_t commits = bench_is_quick() ? 2 * BATCHES_ON_THE_WAY : 200;
    struct bench_store buffered = with_buffered(store);
    char at[64];
    snprintf(at, sizeof at, "%s, %d on their way", shape->name, BATCHES_ON_THE_WAY);
    for (uint32_t slice = 0; slice <= slices; slice++) {
        double disk_rate = ingest_disk_rate(disk, commits / 4, 1);
        double parallel_rate = ingest_disk_rate(disk, commits, IN_FLIGHT);
        double taken_s = append_on_the_way(&buffered, shape, commits, slice > 0 ? &times : NULL);
        if (slice == 0)
            continue; /* the warm-up */
        bench_add(&rates, rows_of(shape) * commits / taken_s);
        bench_add(&ratios, commits / taken_s / disk_rate);
        bench_add(&shares, commits / taken_s / (parallel_rate / IN_FLIGHT));
    }
    holter_batch_free(buffered.batch);
    bench_report(at, "durable samples", "samples/s", &rates);
    bench_report(at, "acknowledged after", "ms", &times);
    bench_report(at, "commits a sync of disk", "ratio", &ratios);
    bench_report(at, "commits a 4 in flight", "ratio", &shares);
}

/* ---- many threads ---------------------------------------------------------------------------- */

struct thread {
    struct bench_store store; /* with a batch of its own */
    uint32_t index, commits, on_the_way;
};

/* With commits that return at once, each is waited for, up to so many on their way. */
static void *append_one_by_one(void *context)
{
    struct thread *thread = context;
    uint64_t numbers[BATCHES_ON_THE_WAY];
    holter_error err = { 0 };
    for (uint32_t i = 0; i < thread->commits + thread->on_the_way; i++) {
        uint32_t slot = thread->on_the_way > 0 ? i % thread->on_the_way : 0;
        if (thread->on_the_way > 0 && i >= thread->on_the_way)
            bench_try(holter_wait_durable(thread->store.store, numbers[slot], &err), &err);
        if (i >= thread->commits)
            continue;
        struct cohort_row row = next_row(&people[thread->index]);
        bench_store_add(&thread->store, &row);
        bench_store_commit(&thread->store);
        if (thread->on_the_way > 0)
            numbers[slot] = holter_batch_accepted(thread->store.batch);
    }
    return NULL;
}

/* `on_the_way` 0: each commit returns once it is durable. */
static void measure_threads(struct bench_store *store, struct ingest_disk *disk,
                            uint32_t on_the_way)
{
    static struct thread threads[THREADS];
    pthread_t ids[THREADS];
    struct bench_series rates = { 0 }, ratios = { 0 }, bare = { 0 }, shares = { 0 };
    uint32_t slices = bench_is_quick() ? 2 : 10;
    uint32_t commits = bench_is_quick() ? 2 : 200; /* each: threads begin and end within */
    char at[64];
    snprintf(at, sizeof at, "one sample, %d threads", THREADS);
    if (on_the_way > 0)
        snprintf(at, sizeof at, "one sample, %d threads, %u each", THREADS, on_the_way);
    for (uint32_t i = 0; i < THREADS; i++) {
        holter_error err = { 0 };
        threads[i] = (struct thread){ *store, i % people_count, commits, on_the_way };
        if (on_the_way > 0)
            threads[i].store = with_buffered(store);
        else
            bench_try(holter_batch_new(&threads[i].store.batch, store->store, NULL, &err), &err);
    }
    for (uint32_t slice = 0; slice <= slices; slice++) {
        double disk_rate = ingest_disk_rate(disk, 2 * commits, 1);
        double bare_rate = on_the_way > 0 ? 0 : ingest_shared_rate(disk, THREADS, commits);
        double begin_s = bench_now_s();
        for (uint32_t i = 0; i < THREADS; i++) {
            if (pthread_create(&ids[i], NULL, append_one_by_one, &threads[i]) != 0)
                bench_fail("no thread");
        }
        for (uint32_t i = 0; i < THREADS; i++)
            pthread_join(ids[i], NULL);
        double rate = THREADS * commits / (bench_now_s() - begin_s);
        if (slice == 0)
            continue;
        bench_add(&rates, rate);
        bench_add(&ratios, rate / disk_rate);
        if (on_the_way > 0)
            continue;
        bench_add(&bare, bare_rate / disk_rate);
        bench_add(&shares, 100 * rate / bare_rate);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        holter_batch_free(threads[i].store.batch);
    bench_report(at, "durable samples", "samples/s", &rates);
    bench_report(at, "samples a sync of disk", "ratio", &ratios);
    if (on_the_way > 0)
        return;
    bench_report(at, "threads alone, a sync of disk", "ratio", &bare);
    bench_report(at, "of threads alone", "%", &shares);
}

/* ---- many processes -------------------------------------------------------------------------- */

struct writer {
    _Atomic uint64_t commits;
    _Atomic double longest_s, median_s; /* of the commits */
    _Atomic double end_s;               /* when it stopped, before it closed the store */
};

struct crowd {
    uint32_t count;
    _Atomic uint32_t ready;
    _Atomic bool has_begun, is_over;
    struct writer writers[PROCESSES_MAX];
};

static void open_again(struct bench_store *store, const char *name)
{
    holter_error err = { 0 };
    bench_try(holter_open(&store->store, bench_path(name), &(holter_options){ .no_auto_flush = 1 },
                          &err),
              &err);
    bench_try(holter_batch_new(&store->batch, store->store, NULL, &err), &err);
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In a child: commits until it is told to stop. */
static void write_on(struct bench_store store, const char *name, struct crowd *crowd,
                     uint32_t which)
{
    struct writer *writer = &crowd->writers[which];
    struct bench_series times = { 0 };
    struct cohort_row rows[BATCH_ROWS];
    double commit_s;
    open_again(&store, name);
    draw(rows, &shapes[MANY_USERS], which, crowd->count); /* the first one reads the whole log */
    append(&store, rows, rows_of(&shapes[MANY_USERS]), &commit_s);
    atomic_fetch_add(&crowd->ready, 1);
    while (!atomic_load(&crowd->has_begun))
        usleep(100);
    while (!atomic_load(&crowd->is_over)) {
        draw(rows, &shapes[MANY_USERS], which, crowd->count);
        append(&store, rows, rows_of(&shapes[MANY_USERS]), &commit_s);
        bench_add(&times, commit_s);
    }
    atomic_store(&writer->end_s, bench_now_s());
    qsort(times.samples, times.count, sizeof *times.samples, compare_times);
    atomic_store(&writer->commits, times.count);
    atomic_store(&writer->longest_s, times.count > 0 ? times.samples[times.count - 1] : 0);
    atomic_store(&writer->median_s, times.count > 0 ? times.samples[times.count / 2] : 0);
    holter_batch_free(store.batch);
    holter_close(store.store);
}

static pid_t start(struct bench_store *store, const char *name, struct crowd *crowd, uint32_t which)
{
    pid_t child = fork();
    if (child < 0)
        bench_fail("no process");
    if (child == 0) {
        write_on(*store, name, crowd, which);
        _exit(0);
    }
    return child;
}

static void wait_for(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        bench_fail("a process of this benchmark failed");
}

/* Commits a second of `count` processes together. */
static double run_crowd(struct bench_store *store, const char *name, struct crowd *crowd,
                        uint32_t count)
{
    pid_t children[PROCESSES_MAX];
    uint64_t commits = 0;
    atomic_store(&crowd->ready, 0);
    atomic_store(&crowd->has_begun, false);
    atomic_store(&crowd->is_over, false);
    crowd->count = count;
    fflush(stdout);
    for (uint32_t i = 0; i < count; i++)
        children[i] = start(store, name, crowd, i);
    while (atomic_load(&crowd->ready) < count)
        usleep(100);
    double begin_s = bench_now_s();
    atomic_store(&crowd->has_begun, true);
    usleep(bench_is_quick() ? 50000 : 500000);
    atomic_store(&crowd->is_over, true);
    for (uint32_t i = 0; i < count; i++)
        wait_for(children[i]);
    double end_s = begin_s;
    for (uint32_t i = 0; i < count; i++) {
        double ended_s = atomic_load(&crowd->writers[i].end_s);
        end_s = ended_s > end_s ? ended_s : end_s;
        commits += atomic_load(&crowd->writers[i].commits);
    }
    return (double)commits / (end_s - begin_s);
}

static void measure_processes(struct bench_store *store, const char *name)
{
    static const uint32_t counts[] = { 1, 2, 4, 8 };
    enum { COUNTS = sizeof counts / sizeof counts[0] };
    size_t asked = bench_is_quick() ? 2 : COUNTS;
    struct bench_series rates[COUNTS] = { { 0 } }, waits[COUNTS] = { { 0 } };
    struct crowd *crowd = ingest_shared(sizeof *crowd);
    double median_s = 0;
    for (uint32_t slice = 0; slice < (bench_is_quick() ? 1 : 5); slice++) {
        holter_error err = { 0 };
        bench_try(holter_flush(store->store, NULL, &err), &err); /* a short log for all to read */
        for (size_t i = 0; i < asked; i++) {
            double longest_s = 0;
            double rate = run_crowd(store, name, crowd, counts[i]);
            if (counts[i] == 1)
                median_s = atomic_load(&crowd->writers[0].median_s);
            for (uint32_t w = 0; w < counts[i]; w++) {
                double of_writer = atomic_load(&crowd->writers[w].longest_s);
                longest_s = of_writer > longest_s ? of_writer : longest_s;
            }
            bench_add(&rates[i], rate * BATCH_ROWS);
            bench_add(&waits[i], longest_s / median_s);
        }
    }
    for (size_t i = 0; i < asked; i++) {
        char at[64];
        snprintf(at, sizeof at, "%u process%s", counts[i], counts[i] == 1 ? "" : "es");
        bench_report(at, "durable samples", "samples/s", &rates[i]);
        bench_report(at, "longest, of a commit alone", "ratio", &waits[i]);
    }
}

/* ---- beside flush and compaction ------------------------------------------------------------- */

/* What operators do, again and again: in a process that shares no memory with this one. */
struct maintenance {
    const char *tool, *store;
    _Atomic bool has_begun, is_over;
};

static void *maintain(void *context)
{
    struct maintenance *maintenance = context;
    const char *arguments[] = {
        maintenance->tool, "compact", maintenance->store, "--to", "warm", NULL
    };
    atomic_store(&maintenance->has_begun, true);
    while (!atomic_load(&maintenance->is_over))
        bench_run(arguments, NULL);
    return NULL;
}

static double p99(struct bench_series *times)
{
    qsort(times->samples, times->count, sizeof *times->samples, compare_times);
    return times->samples[(times->count * 99 + 99) / 100 - 1];
}

static void measure_beside(struct bench_store *store, const char *name, const char *tool)
{
    const char *at = "1,000 samples of 50 users";
    char path[BENCH_PATH_BYTES_MAX];
    struct bench_series idle = { 0 }, beside = { 0 };
    const struct shape *shape = &shapes[MANY_USERS];
    uint32_t commits = bench_is_quick() ? 5 : 600;
    snprintf(path, sizeof path, "%s", bench_path(name));
    for (uint32_t slice = 0; slice < (bench_is_quick() ? 1 : 5); slice++) {
        append_slice(store, shape, 1, NULL); /* after others wrote */
        append_slice(store, shape, commits, &idle);
        struct maintenance maintenance = { .tool = tool, .store = path };
        pthread_t thread;
        if (pthread_create(&thread, NULL, maintain, &maintenance) != 0)
            bench_fail("no thread");
        while (!atomic_load(&maintenance.has_begun))
            usleep(100);
        append_slice(store, shape, commits, &beside);
        atomic_store(&maintenance.is_over, true);
        pthread_join(thread, NULL);
    }
    double idle_ms = p99(&idle), beside_ms = p99(&beside);
    bench_report_one(at, "p99, idle", "ms", idle_ms);
    bench_report_one(at, "p99, beside compaction", "ms", beside_ms);
    bench_report_one(at, "p99 beside, of idle", "ratio", beside_ms / idle_ms);
    bench_report(at, "commit, idle", "ms", &idle);
    bench_report(at, "commit, beside compaction", "ms", &beside);
}

/* ---- calls of the system --------------------------------------------------------------------- */

/* What strace counts of this program as it makes `commits` commits of a shape. */
static double calls_of(const char *strace, const char *self, size_t shape, uint32_t commits)
{
    char counts[BENCH_PATH_BYTES_MAX], directory[BENCH_PATH_BYTES_MAX], shape_text[16],
        commits_text[16], line[256], last[256] = "";
    snprintf(counts, sizeof counts, "%s", bench_path("calls"));
    snprintf(directory, sizeof directory, "%s", bench_path("."));
    snprintf(shape_text, sizeof shape_text, "%zu", shape);
    snprintf(commits_text, sizeof commits_text, "%u", commits);
    const char *arguments[] = { strace,     "-f",        "-c",         "-q",
                                "-U",       "calls",     "-o",         counts,
                                self,       "--dir",     directory,    "--shape",
                                shape_text, "--commits", commits_text, NULL };
    bench_run(arguments, NULL);
    FILE *file = fopen(counts, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        strcpy(last, line);
    if (file != NULL)
        fclose(file);
    return strtod(last, NULL); /* the sum of all */
}

static void count_calls(void)
{
    const char *strace = "/usr/bin/strace";
    char self[BENCH_PATH_BYTES_MAX];
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);
    if (access(strace, X_OK) != 0 || bytes < 0) {
        fprintf(stderr, "bench_append: no strace: calls of the system are not counted\n");
        return;
    }
    self[bytes] = '\0';
    uint32_t commits = bench_is_quick() ? 2 : 50;
    for (size_t i = bench_is_quick() ? ONE_SAMPLE : 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        double few = calls_of(strace, self, i, commits);
        double more = calls_of(strace, self, i, 3 * commits);
        bench_report_one(shapes[i].name, "calls of the system", "calls/commit",
                         (more - few) / (2 * commits));
    }
}

/* ---- the run --------------------------------------------------------------------------------- */

int main(int count, char **arguments)
{
    const char *shape_text = NULL, *commits_text = NULL, *tool = NULL, *shards_text = NULL;
    const struct bench_option options[] = { { "--shape", "INDEX", &shape_text },
                                            { "--commits", "COUNT", &commits_text },
                                            { "--shards", "COUNT", &shards_text },
                                            { "--holter", "PATH", &tool } };
    const holter_options no_flush = { .no_auto_flush = 1, .memory_bytes_max = UINT64_C(1) << 30 };
    struct bench_store store;
    bench_begin_with("append", count, arguments, options, sizeof options / sizeof options[0]);
    if (commits_text != NULL) { /* what strace counts */
        gather(TRACED_PEOPLE);
        bench_store_make(&store, "store", people_count, &no_flush);
        append_slice(&store, &shapes[bench_number("--shape", shape_text, 0, ONE_SAMPLE, 0)],
                     bench_number("--commits", commits_text, 1, 100000, 1), NULL);
        bench_store_close(&store);
        bench_end();
        return 0;
    }
    const holter_create_options create = {
        .shards = bench_number("--shards", shards_text, 1, 256, 0) /* 0: as many as by default */
    };
    gather(bench_is_quick() ? QUICK_PEOPLE : PEOPLE);
    struct ingest_disk *disk = ingest_disk_open();
    struct peer *peer = peer_is_there() ? peer_open("peer") : NULL;
    bench_store_make_as(&store, "store", people_count, &create, &no_flush);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        measure(&store, disk, peer, &shapes[i]);
    if (peer != NULL)
        peer_close(peer);
    measure_on_the_way(&store, disk, &shapes[MANY_USERS]);
    measure_on_the_way(&store, disk, &shapes[ONE_SAMPLE]);
    measure_threads(&store, disk, 0);
    measure_threads(&store, disk, BATCHES_ON_THE_WAY);
    ingest_disk_close(disk);
    measure_processes(&store, "store");
    if (tool != NULL)
        measure_beside(&store, "store", tool);
    else
        fprintf(stderr, "bench_append: without --holter nothing is compacted beside\n");
    bench_store_close(&store);
    count_calls();
    bench_end();
    return 0;
}
