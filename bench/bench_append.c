/*
 * bench_append.c -- how many samples a second become durable, and how near is that to the disk?
 *
 * On paper: a commit is one sync of each shard that it touches, all shards at once. A batch of
 * one user, and a single sample, touch one shard of four: a commit each sync of the disk, ratio 1
 * at most. A batch of 50 users touches all four: four syncs, which a disk that takes them at once
 * does in the time of one or two, so a ratio of 0.5 to 1 and, at 1,000 samples a commit, some 1,000
 * times that many samples a second, as long as the processor (about a microsecond a sample, to
 * encode and seal) takes less than the sync.
 *
 * Method: syncs of the disk and commits alternate, a slice of each at a time, so that both meet the
 * same disk; a ratio is of two neighbours. The disk's figure is of 4 KiB written with
 * O_DIRECT | O_DSYNC over a file that was written before. Rows are of a cohort, in the order in
 * which its devices deliver; one slice warms up. No flush falls into a run.
 */
#define _GNU_SOURCE /* O_DIRECT */

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, DISK_PAGES = 256, USERS = 100, DAYS = 2, BATCH_ROWS = 1000 };

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

/* ---- the disk -------------------------------------------------------------------------------- */

struct disk {
    int file;
    void *page;
    uint32_t at;
};

static void disk_write(struct disk *disk)
{
    off_t offset = (off_t)(disk->at++ % DISK_PAGES) * PAGE_BYTES;
    if (pwrite(disk->file, disk->page, PAGE_BYTES, offset) != PAGE_BYTES)
        bench_fail("the file beside the store: %s", strerror(errno));
}

static void disk_open(struct disk *disk)
{
    *disk = (struct disk){ 0 };
    if (posix_memalign(&disk->page, PAGE_BYTES, PAGE_BYTES) != 0)
        bench_fail("no memory");
    memset(disk->page, 0x5a, PAGE_BYTES);
    disk->file = open(bench_path("disk"), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    if (disk->file < 0)
        bench_fail("a file beside the store with O_DIRECT: %s", strerror(errno));
    for (uint32_t i = 0; i < DISK_PAGES; i++)
        disk_write(disk);
    int flags = O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC;
    if (fsync(disk->file) != 0 || close(disk->file) != 0 ||
        (disk->file = open(bench_path("disk"), flags)) < 0)
        bench_fail("the file beside the store: %s", strerror(errno));
}

static void disk_close(struct disk *disk)
{
    close(disk->file);
    free(disk->page);
}

static double disk_syncs_per_s(struct disk *disk, uint32_t count)
{
    double begin_s = bench_now_s();
    for (uint32_t i = 0; i < count; i++)
        disk_write(disk);
    return count / (bench_now_s() - begin_s);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* A person's rows, in the order in which they were delivered. */
struct person {
    struct cohort_row *rows;
    size_t count, room, taken;
};

static struct person people[USERS];

static void gather(void)
{
    const struct cohort_row *rows;
    size_t count;
    struct cohort *cohort = bench_cohort(USERS, DAYS, NULL);
    while (bench_cohort_next(cohort, &rows, &count)) {
        struct person *person = &people[rows[0].user];
        if (person->room - person->count < count) {
            person->room = 2 * person->room + count;
            person->rows = realloc(person->rows, person->room * sizeof *person->rows);
            if (person->rows == NULL)
                bench_fail("no memory");
        }
        memcpy(person->rows + person->count, rows, count * sizeof *rows);
        person->count += count;
    }
    cohort_free(cohort);
}

/* The next rows of people drawn at random, each at most once. */
static void draw(struct bench_store *store, const struct shape *shape)
{
    bool is_drawn[USERS] = { false };
    uint32_t tries = 0;
    for (uint32_t i = 0; i < shape->users;) {
        uint32_t user = (uint32_t)bench_random_below(USERS);
        struct person *person = &people[user];
        if (tries++ > 100 * USERS)
            bench_fail("the cohort's rows are used up");
        if (is_drawn[user] || person->count - person->taken < shape->rows_each)
            continue;
        is_drawn[user] = true;
        i++;
        for (uint32_t row = 0; row < shape->rows_each; row++)
            bench_store_add(store, &person->rows[person->taken++]);
    }
}

/* ---- the run --------------------------------------------------------------------------------- */

static void measure(struct bench_store *store, struct disk *disk, const struct shape *shape)
{
    struct bench_series rates = { 0 };
    struct bench_series times = { 0 };
    struct bench_series syncs = { 0 };
    struct bench_series ratios = { 0 };
    uint32_t slices = bench_is_quick() ? 2 : 15;
    uint32_t commits = bench_is_quick() ? 2 : shape->commits;
    uint32_t rows = shape->users * shape->rows_each;
    for (uint32_t slice = 0; slice <= slices; slice++) {
        double disk_rate = disk_syncs_per_s(disk, commits);
        double taken_s = 0;
        for (uint32_t i = 0; i < commits; i++) {
            holter_error err = { 0 };
            draw(store, shape);
            double begin_s = bench_now_s();
            bench_try(holter_commit(store->store, store->batch, &err), &err);
            double commit_s = bench_now_s() - begin_s;
            holter_batch_clear(store->batch);
            taken_s += commit_s;
            if (slice > 0)
                bench_add(&times, 1e3 * commit_s);
        }
        if (slice == 0)
            continue; /* the warm-up */
        bench_add(&rates, rows * commits / taken_s);
        bench_add(&syncs, disk_rate);
        bench_add(&ratios, commits / taken_s / disk_rate);
    }
    bench_report(shape->name, "durable samples", "samples/s", &rates);
    bench_report(shape->name, "commit", "ms", &times);
    bench_report(shape->name, "disk", "syncs/s", &syncs);
    bench_report(shape->name, "commits a sync of disk", "ratio", &ratios);
}

int main(int count, char **arguments)
{
    bench_begin("append", count, arguments, NULL, NULL);
    gather();
    struct disk disk;
    struct bench_store store;
    disk_open(&disk);
    bench_store_make(&store, "store", USERS, NULL);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        measure(&store, &disk, &shapes[i]);
    bench_store_close(&store);
    disk_close(&disk);
    for (uint32_t i = 0; i < USERS; i++)
        free(people[i].rows);
    bench_end();
    return 0;
}
