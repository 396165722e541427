/*
 * processes.c -- threads, forked children, stopped holders and pins, with real processes.
 *
 * Claim: what include/holter/store.h says of threads, processes and waiting holds on the real
 * system. Method: one scene a claim, each in a store of its own under DIR; a scene asserts at once
 * and ends the program.
 *
 *     processes DIR
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "holter/holter.h"

#define CHECK(fact) ((fact) ? (void)0 : check_failed(#fact, __LINE__))

static holter_error err;
static const char *directory;

static void check_failed(const char *fact, int line)
{
    fprintf(stderr, "processes.c:%d: does not hold: %s (last sentence: %s)\n", line, fact,
            err.message);
    _exit(1);
}

static void pause_ms(long ms)
{
    struct timespec wait = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&wait, NULL);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct world {
    char path[512];
    holter_store *store;
    uint64_t user;
    uint32_t source, metric;
};

static void world_open(struct world *world, uint32_t lock_wait_ms)
{
    holter_metric metric;
    holter_options options = { .log_file_bytes = 256 << 10, .lock_wait_ms = lock_wait_ms };
    CHECK(holter_open(&world->store, world->path, &options, &err) == HOLTER_OK);
    CHECK(holter_user_find(world->store, "ann", 3, &world->user, &err) == HOLTER_OK);
    CHECK(holter_source_need(world->store, world->user, "watch", &world->source, &err) ==
          HOLTER_OK);
    CHECK(holter_metric_find(world->store, "heart_rate", &metric, &err) == HOLTER_OK);
    world->metric = metric.number;
}

static void world_make(struct world *world, const char *name, uint32_t lock_wait_ms)
{
    holter_create_options options = { .shards = 1 };
    holter_store *store;
    holter_id id = { .bytes = "ann", .count = 3 };
    uint64_t user;
    snprintf(world->path, sizeof world->path, "%s/%s", directory, name);
    CHECK(holter_create(world->path, &options, &err) == HOLTER_OK);
    CHECK(holter_open(&store, world->path, NULL, &err) == HOLTER_OK);
    CHECK(holter_users_add(store, &id, 1, NULL, &user, &err) == HOLTER_OK);
    holter_close(store);
    world_open(world, lock_wait_ms);
}

static holter_status put(struct world *world, int64_t second, int64_t bpm, holter_error *error)
{
    holter_batch *batch;
    holter_value value = { .integer = bpm };
    holter_row row = { .user = world->user,
                       .metric = world->metric,
                       .source = world->source,
                       .time_ns = second * 1000000000,
                       .values = &value,
                       .value_count = 1 };
    holter_status status = holter_batch_new(&batch, world->store, NULL, error);
    if (status == HOLTER_OK)
        status = holter_batch_add(batch, &row, NULL, error);
    if (status == HOLTER_OK)
        status = holter_commit(world->store, batch, error);
    holter_batch_free(batch);
    return status;
}

/* Rows and sum of the user's heart rate in a snapshot. */
static uint64_t sum_in(struct world *world, holter_snapshot *snapshot, int64_t *sum)
{
    holter_cursor *cursor;
    holter_columns rows;
    holter_error error;
    uint64_t count = 0;
    holter_status status;
    holter_scan_spec spec = { .user = world->user, .metric = world->metric };
    *sum = 0;
    CHECK(holter_scan(&cursor, snapshot, &spec, &error) == HOLTER_OK);
    while ((status = holter_cursor_next(cursor, &rows, &error)) == HOLTER_OK) {
        for (size_t i = 0; i < rows.count; i++)
            *sum += rows.fields[0].integer[i];
        count += rows.count;
    }
    CHECK(status == HOLTER_DONE);
    holter_cursor_close(cursor);
    return count;
}

static uint64_t count_now(struct world *world)
{
    holter_snapshot *snapshot;
    holter_error error;
    int64_t sum;
    CHECK(holter_snapshot_open(&snapshot, world->store, &error) == HOLTER_OK);
    uint64_t count = sum_in(world, snapshot, &sum);
    holter_snapshot_close(snapshot);
    return count;
}

/* ---- threads share one handle ---------------------------------------------------------------- */

enum { THREADS = 4, COMMITS = 120 };
static struct world threaded;

static void *thread_commits(void *context)
{
    int64_t base = (int64_t)(intptr_t)context * 1000000;
    holter_error error;
    for (int64_t i = 0; i < COMMITS; i++)
        CHECK(put(&threaded, base + i, 60, &error) == HOLTER_OK);
    return NULL;
}

static void *thread_reads(void *context)
{
    uint64_t before = 0;
    (void)context;
    for (int i = 0; i < 60; i++) {
        uint64_t count = count_now(&threaded);
        CHECK(count >= before);
        before = count;
    }
    return NULL;
}

static void *thread_maintains(void *context)
{
    holter_error error;
    (void)context;
    for (int i = 0; i < 12; i++) {
        holter_compact_options options = { .to = HOLTER_WARM };
        CHECK(holter_compact(threaded.store, &options, NULL, &error) == HOLTER_OK);
    }
    return NULL;
}

static void scene_threads(void)
{
    pthread_t threads[THREADS + 2];
    size_t damaged;
    world_make(&threaded, "threads", 20000);
    for (intptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, thread_commits, (void *)i) == 0);
    CHECK(pthread_create(&threads[THREADS], NULL, thread_reads, NULL) == 0);
    CHECK(pthread_create(&threads[THREADS + 1], NULL, thread_maintains, NULL) == 0);
    for (int i = 0; i < THREADS + 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(count_now(&threaded) == THREADS * COMMITS);
    CHECK(holter_verify(threaded.store, NULL, NULL, &damaged, &err) == HOLTER_OK);
    holter_close(threaded.store);
    printf("processes: %d threads committed on one handle beside a reader and a maintainer\n",
           THREADS);
}

/* ---- a forked child -------------------------------------------------------------------------- */

static void child_of_fork(struct world *world)
{
    holter_snapshot *snapshot;
    holter_error error;
    uint64_t user;
    struct world own = *world;
    CHECK(put(world, 500, 99, &error) == HOLTER_INVALID);
    CHECK(holter_snapshot_open(&snapshot, world->store, &error) == HOLTER_INVALID);
    CHECK(holter_user_find(world->store, "ann", 3, &user, &error) == HOLTER_INVALID);
    CHECK(holter_flush(world->store, NULL, &error) == HOLTER_INVALID);
    CHECK(strstr(error.message, "parent") != NULL);
    holter_close(world->store);
    world_open(&own, 5000);
    CHECK(put(&own, 600, 61, &error) == HOLTER_OK);
    holter_close(own.store);
    _exit(0);
}

static void scene_fork(void)
{
    struct world world;
    int how;
    holter_snapshot *before;
    int64_t sum;
    world_make(&world, "fork", 5000);
    CHECK(put(&world, 1, 60, &err) == HOLTER_OK);
    CHECK(holter_snapshot_open(&before, world.store, &err) == HOLTER_OK);
    pid_t pid = fork();
    if (pid == 0)
        child_of_fork(&world);
    CHECK(waitpid(pid, &how, 0) == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0);
    /*
     * The parent's pin outlived the child that had inherited its descriptor: compaction elsewhere
     * leaves its files.
     */
    CHECK(put(&world, 2, 60, &err) == HOLTER_OK);
    CHECK(sum_in(&world, before, &sum) == 1 && sum == 60);
    holter_snapshot_close(before);
    CHECK(count_now(&world) == 3);
    holter_close(world.store);
    printf("processes: a forked child's calls on the parent's handle are refused; its own handle "
           "works\n");
}

/* ---- a stopped holder ------------------------------------------------------------------------ */

static void commit_for_ever(const struct world *world)
{
    struct world own = *world;
    holter_error error;
    world_open(&own, 5000);
    for (int64_t i = 1000;; i++)
        CHECK(put(&own, i, 70, &error) == HOLTER_OK);
}

/* Stop the child until it is caught with the append lock in its hands. */
static void scene_stop(void)
{
    struct world world;
    bool is_caught = false;
    char name[64];
    double waited = 0;
    world_make(&world, "stop", 300);
    CHECK(put(&world, 1, 60, &err) == HOLTER_OK);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        commit_for_ever(&world);
    pause_ms(200);
    for (int i = 0; i < 300 && !is_caught; i++) {
        pause_ms(i % 7);
        CHECK(kill(pid, SIGSTOP) == 0);
        double begin = now_s();
        holter_status status = put(&world, 10 + i, 60, &err);
        waited = now_s() - begin;
        CHECK(status == HOLTER_OK || status == HOLTER_BUSY);
        if (status == HOLTER_BUSY) {
            snprintf(name, sizeof name, "process %d", (int)pid);
            is_caught =
                strstr(err.message, name) != NULL; /* it may have had no time to name itself */
            CHECK(count_now(&world) >= 1);         /* readers do not wait */
        }
        CHECK(kill(pid, SIGCONT) == 0);
    }
    CHECK(is_caught);
    CHECK(waited >= 0.29 && waited < 5);
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    CHECK(put(&world, 5, 60, &err) == HOLTER_OK); /* what the dead one held is free */
    holter_close(world.store);
    printf("processes: a writer stopped with the append lock: BUSY after %.2f s naming it, readers "
           "went on\n",
           waited);
}

/* ---- two pins in one process ----------------------------------------------------------------- */

static unsigned files_of(const struct world *world, const char *prefix)
{
    char command[700];
    unsigned count = 0;
    snprintf(command, sizeof command, "ls '%s/main/000'", world->path);
    FILE *list = popen(command, "r");
    char name[256];
    CHECK(list != NULL);
    while (fgets(name, sizeof name, list) != NULL)
        count += strncmp(name, prefix, strlen(prefix)) == 0;
    pclose(list);
    return count;
}

static void compact_elsewhere(const struct world *world)
{
    int how;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct world own = *world;
        holter_error error;
        holter_compact_options options = { .to = HOLTER_WARM };
        world_open(&own, 5000);
        CHECK(holter_compact(own.store, &options, NULL, &error) == HOLTER_OK);
        holter_close(own.store);
        _exit(0);
    }
    CHECK(waitpid(pid, &how, 0) == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static void scene_pins(void)
{
    struct world world;
    holter_snapshot *a, *b;
    int64_t sum;
    world_make(&world, "pins", 5000);
    for (int64_t i = 0; i < 10; i++)
        CHECK(put(&world, i, 60, &err) == HOLTER_OK);
    CHECK(holter_flush(world.store, NULL, &err) == HOLTER_OK);
    CHECK(holter_snapshot_open(&a, world.store, &err) == HOLTER_OK);
    CHECK(put(&world, 3, 80, &err) == HOLTER_OK);
    CHECK(holter_flush(world.store, NULL, &err) == HOLTER_OK);
    CHECK(holter_snapshot_open(&b, world.store, &err) == HOLTER_OK);
    compact_elsewhere(&world);
    CHECK(files_of(&world, "seg-") == 3); /* the merged one, and the two that the pins need */
    CHECK(sum_in(&world, a, &sum) == 10 && sum == 600);
    CHECK(sum_in(&world, b, &sum) == 10 && sum == 620);
    holter_snapshot_close(a);
    compact_elsewhere(&world);
    CHECK(sum_in(&world, b, &sum) == 10 && sum == 620);
    holter_snapshot_close(b);
    CHECK(put(&world, 100, 60, &err) == HOLTER_OK);
    compact_elsewhere(&world);
    CHECK(files_of(&world, "seg-") == 1);
    CHECK(count_now(&world) == 11);
    holter_close(world.store);
    printf("processes: two pins of one process kept their files while another compacted, and no "
           "longer\n");
}

/* ---- waiting is bounded ---------------------------------------------------------------------- */

static void scene_waiting(void)
{
    enum { CHILDREN = 4, EACH = 150 };
    struct world world;
    pid_t pids[CHILDREN];
    double begin = now_s();
    world_make(&world, "waiting", 5000);
    fflush(NULL);
    for (int c = 0; c < CHILDREN; c++) {
        pids[c] = fork();
        if (pids[c] != 0)
            continue;
        struct world own = world;
        holter_error error;
        world_open(&own, 5000);
        for (int64_t i = 0; i < EACH; i++)
            CHECK(put(&own, c * 100000 + i, 60, &error) == HOLTER_OK);
        holter_close(own.store);
        _exit(0);
    }
    for (int c = 0; c < CHILDREN; c++) {
        int how;
        CHECK(waitpid(pids[c], &how, 0) == pids[c] && WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    CHECK(count_now(&world) == CHILDREN * EACH);
    holter_close(world.store);
    printf("processes: %d processes committed %d times each to one shard in %.2f s; none waited "
           "for 5 s\n",
           CHILDREN, EACH, now_s() - begin);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: processes DIR\n");
        return 2;
    }
    directory = argv[1];
    CHECK(mkdir(directory, 0700) == 0);
    scene_threads();
    scene_fork();
    scene_stop();
    scene_pins();
    scene_waiting();
    return 0;
}
