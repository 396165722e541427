/*
 * delivery.c -- batches delivered several times, in any order, by several processes, equal one ideal delivery.
 *
 *     delivery ROUNDS [SEED]
 *
 * Batches are drawn by a seed; each has a revision of its own (a vendor's last-modified time), or none and then rows
 * that no other batch has. Many replace ranges or delete. Each is delivered one to five times; all deliveries are
 * shuffled and dealt to forked processes, which commit them to one store in a real directory, plain, exact or buffered,
 * and now and then sync, flush, compact or open the store anew. Each process's wall clock jumps between commits, by up to
 * ten years. Processes are killed at any moment; who comes after delivers again what was not acknowledged: a commit that
 * did not answer, and a buffered one that was not known to be durable when the store was closed or the process killed.
 * In the end the store must answer what a second one answers, to which one process delivered each batch once, by rising
 * revision, and what an oracle answers.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../unit/random.h"
#include "oracle.h"
#include "rows.h"

#define STEP_NS (INT64_C(3600) * 1000000000)
#define BASE_NS (INT64_C(1764547200) * 1000000000)
#define TEN_YEARS_S INT64_C(315576000)

enum {
    PROCESSES = 4,
    USERS = 5,
    SOURCES = 2,
    OWN_SOURCE = 2, /* of rows without a revision */
    TIMES = 300,
    BATCHES = 80,
    COPIES_MAX = 5,
    ROWS_MAX = 24,
    DELIVERIES_MAX = BATCHES * COPIES_MAX,
    LIFE_MS_MAX =
        150, /* of every other process; others end after a buffered commit, or when all is done */
};
enum mode { PLAIN, EXACT, BUFFERED, MODES };

struct batch {
    int64_t revision; /* 0: none */
    struct rows_row rows[ROWS_MAX];
    size_t row_count;
    bool deletes, is_user_wide;
    uint8_t user, metric, source; /* of the deletion; source 0: all */
    int64_t begin, end;
};

struct round {
    struct random random;
    struct batch batches[BATCHES];
    unsigned deliveries[DELIVERIES_MAX]; /* indexes of batches */
    size_t delivery_count;
    char directory[64];
    char store[80], ideal[80];
};

/* What all processes see. */
struct shared {
    _Atomic bool is_acknowledged[DELIVERIES_MAX]; /* else it is made again */
    _Atomic uint64_t made, kills;                 /* in all rounds */
    _Atomic uint64_t told_wrongly;                /* times that a wall clock was wrong */
};

static struct shared *shared;

static const uint8_t metrics[] = { 0, 3, 6, 10 };

static void need(holter_status status, const holter_error *err, const char *what)
{
    if (status == HOLTER_OK)
        return;
    fprintf(stderr, "delivery: %s: %s: %s\n", what, holter_status_name(status), err->message);
    exit(1);
}

/* ---- the wall clock, as the engine reads it ------------------------------------------------------------------ */

static _Atomic int64_t wall_ahead_s; /* of this process */

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    int error = __real_clock_gettime(clock, out);
    int64_t ahead_s = clock == CLOCK_REALTIME ? atomic_load(&wall_ahead_s) : 0;
    out->tv_sec += ahead_s;
    atomic_fetch_add(&shared->told_wrongly, ahead_s != 0);
    return error;
}

/* Up to ten years from what is right, or back to that. */
static void jump_clock(struct random *random)
{
    int64_t ahead_s = (int64_t)random_below(random, 2 * TEN_YEARS_S) - TEN_YEARS_S;
    atomic_store(&wall_ahead_s, random_below(random, 3) == 0 ? 0 : ahead_s);
}

/* ---- drawing --------------------------------------------------------------------------------------------- */

static struct rows_row draw_row(struct round *round, uint8_t user, uint8_t metric, uint8_t source,
                                uint64_t time)
{
    struct random *random = &round->random;
    const struct rows_metric *of = rows_metric_at(metric);
    struct rows_row row = {
        .user = user, .metric = metric, .source = source, .time = BASE_NS + (int64_t)time * STEP_NS
    };
    if (of->kind == HOLTER_INTERVAL)
        row.duration = (int64_t)random_below(random, 3) * STEP_NS;
    for (size_t f = 0; f < of->field_count; f++)
        row.words[f] = (int64_t)random_below(random, (int)f == of->key_field ? 3 : 60) + 40;
    return row;
}

/* Rows of one series that lie together, as of a night; some replace what was there. */
static void draw_batch(struct round *round, unsigned number, int64_t revision)
{
    struct random *random = &round->random;
    struct batch *batch = &round->batches[number];
    uint64_t first = random_below(random, TIMES);
    *batch = (struct batch){ .revision = revision,
                             .user = (uint8_t)random_below(random, USERS),
                             .metric = metrics[random_below(random, CORE_COUNT(metrics))],
                             .source = 1 };
    batch->row_count = random_below(random, ROWS_MAX);
    if (revision == 0) {
        batch->row_count++;
        for (size_t i = 0; i < batch->row_count; i++)
            batch->rows[i] =
                draw_row(round, batch->user, batch->metric, OWN_SOURCE, TIMES * (1 + number) + i);
        return;
    }
    for (size_t i = 0; i < batch->row_count; i++) {
        if (random_below(random, 8) == 0)
            batch->user = (uint8_t)random_below(random, USERS);
        batch->rows[i] = draw_row(round, batch->user, batch->metric, 1, first + i);
    }
    batch->deletes = batch->row_count == 0 || random_below(random, 2) == 0;
    batch->begin = BASE_NS + (int64_t)first * STEP_NS;
    batch->end = batch->begin + (int64_t)(1 + random_below(random, 2 * ROWS_MAX)) * STEP_NS;
    batch->is_user_wide = random_below(random, 12) == 0;
    if (random_below(random, 4) == 0)
        batch->source = 0;
}

static void draw_round(struct round *round, uint64_t seed)
{
    *round = (struct round){ .random = { seed } };
    struct random *random = &round->random;
    for (unsigned i = 0; i < BATCHES; i++)
        draw_batch(round, i, random_below(random, 6) == 0 ? 0 : (int64_t)i + 1);
    for (unsigned i = 0; i < BATCHES; i++) {
        uint64_t copies = 1 + random_below(random, COPIES_MAX);
        for (uint64_t c = 0; c < copies; c++)
            round->deliveries[round->delivery_count++] = i;
    }
    for (size_t i = round->delivery_count; i > 1; i--) {
        size_t other = random_below(random, i);
        unsigned one = round->deliveries[i - 1];
        round->deliveries[i - 1] = round->deliveries[other];
        round->deliveries[other] = one;
    }
}

/* ---- delivering ------------------------------------------------------------------------------------------ */

static void deliver(holter_store *store, const struct rows_world *world, const struct batch *from,
                    enum mode mode)
{
    holter_error err;
    holter_batch *batch;
    holter_batch_options options = { .exact = mode == EXACT,
                                     .buffered = mode == BUFFERED,
                                     .revision = from->revision };
    need(holter_batch_new(&batch, store, &options, &err), &err, "a batch");
    for (size_t i = 0; i < from->row_count; i++)
        need(rows_add(batch, world, &from->rows[i], NULL, &err), &err, "a row");
    if (from->deletes)
        need(holter_batch_delete(batch, world->users[from->user],
                                 from->is_user_wide ? 0 : world->metrics[from->metric],
                                 from->is_user_wide ? 0 : from->source, from->begin, from->end, 0,
                                 &err),
             &err, "a deletion");
    holter_status status = HOLTER_BUSY;
    while (status == HOLTER_BUSY) /* others hold a shard: what was stored has left the batch */
        status = holter_commit(store, batch, &err);
    need(status, &err, "a commit");
    holter_batch_free(batch);
}

static holter_store *open_store(const char *path)
{
    holter_error err;
    holter_store *store;
    holter_options options = { .log_file_bytes = 1 << 16, .log_bytes_flush = 1 << 18 };
    need(holter_open(&store, path, &options, &err), &err, "opening");
    return store;
}

static void maintain(holter_store *store, struct random *random)
{
    holter_error err;
    static const holter_tier tiers[] = { (holter_tier)0, HOLTER_WARM, (holter_tier)0, HOLTER_COLD };
    holter_compact_options options = { .to = tiers[random_below(random, CORE_COUNT(tiers))] };
    holter_status status = random_below(random, 2) == 0
                               ? holter_flush(store, NULL, &err)
                               : holter_compact(store, &options, NULL, &err);
    if (status != HOLTER_BUSY)
        need(status, &err, "maintenance");
}

/* A process and its share: every PROCESSES-th delivery. */
struct worker {
    const struct round *round;
    const struct rows_world *world;
    unsigned process;
    struct random random;
    holter_store *store;
    struct {
        size_t delivery;
        uint64_t number; /* of the buffered commit */
    } accepted[DELIVERIES_MAX];
    size_t accepted_count;
};

static void acknowledge_durable(struct worker *worker)
{
    uint64_t durable = holter_durable(worker->store);
    size_t left = 0;
    for (size_t i = 0; i < worker->accepted_count; i++) {
        if (worker->accepted[i].number <= durable)
            shared->is_acknowledged[worker->accepted[i].delivery] = true;
        else
            worker->accepted[left++] = worker->accepted[i];
    }
    worker->accepted_count = left;
}

static void sync_buffered(struct worker *worker)
{
    holter_error err;
    holter_status status = HOLTER_BUSY;
    while (status == HOLTER_BUSY)
        status = holter_sync(worker->store, &err);
    need(status, &err, "a sync");
    acknowledge_durable(worker);
    if (worker->accepted_count > 0)
        need(HOLTER_INVALID, &(holter_error){ .message = "less is durable than was accepted" },
             "a sync");
}

/* Closing writes what was accepted; whether it did, nobody was told. */
static void reopen(struct worker *worker)
{
    holter_close(worker->store);
    worker->accepted_count = 0;
    worker->store = open_store(worker->round->store);
}

static void make_delivery(struct worker *worker, size_t at)
{
    struct random *random = &worker->random;
    enum mode mode = (enum mode)random_below(random, MODES);
    jump_clock(random);
    deliver(worker->store, worker->world, &worker->round->batches[worker->round->deliveries[at]],
            mode);
    shared->made++;
    if (mode == BUFFERED) {
        if (random_below(random, 25) == 0) /* before the disk can have it */
            raise(SIGKILL);
        worker->accepted[worker->accepted_count].delivery = at;
        worker->accepted[worker->accepted_count++].number = holter_accepted(worker->store);
    } else {
        shared->is_acknowledged[at] = true;
    }
    if (random_below(random, 4) == 0)
        acknowledge_durable(worker);
    if (random_below(random, 10) == 0)
        sync_buffered(worker);
    if (random_below(random, 12) == 0)
        maintain(worker->store, random);
    if (random_below(random, 15) == 0)
        reopen(worker);
}

/* Until all of its share is acknowledged, or the process killed. */
static void work(struct worker *worker)
{
    size_t made;
    struct itimerval life = {
        .it_value.tv_usec = 1 + (suseconds_t)random_below(&worker->random, 1000 * LIFE_MS_MAX)
    };
    if (random_below(&worker->random, 2) == 0)
        setitimer(ITIMER_REAL, &life, NULL); /* nobody handles SIGALRM, which then kills */
    worker->store = open_store(worker->round->store);
    do {
        made = 0;
        for (size_t i = worker->process; i < worker->round->delivery_count; i += PROCESSES) {
            if (!shared->is_acknowledged[i]) {
                make_delivery(worker, i);
                made++;
            }
        }
        sync_buffered(worker);
    } while (made > 0);
    holter_close(worker->store);
}

/* The process-th worker, which may take up what another left. */
static pid_t start(const struct round *round, const struct rows_world *world, unsigned process)
{
    static struct worker worker;
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("delivery: fork");
        exit(1);
    }
    if (child != 0)
        return child;
    worker =
        (struct worker){ .round = round,
                         .world = world,
                         .process = process,
                         .random = { round->random.state + process + PROCESSES * shared->kills } };
    work(&worker);
    _exit(0);
}

static void deliver_all(const struct round *round, const struct rows_world *world)
{
    pid_t children[PROCESSES];
    for (size_t i = 0; i < DELIVERIES_MAX; i++)
        shared->is_acknowledged[i] = false;
    for (unsigned p = 0; p < PROCESSES; p++)
        children[p] = start(round, world, p);
    for (unsigned left = PROCESSES; left > 0;) {
        int status;
        pid_t child = wait(&status);
        unsigned p = 0;
        while (p < PROCESSES && children[p] != child)
            p++;
        bool is_killed =
            WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGALRM);
        if (p == PROCESSES || !(is_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0))) {
            fprintf(stderr, "delivery: a process failed\n");
            exit(1);
        }
        shared->kills += is_killed;
        left -= !is_killed;
        children[p] = is_killed ? start(round, world, p) : 0;
    }
    for (size_t i = 0; i < round->delivery_count; i++) {
        if (!shared->is_acknowledged[i]) {
            fprintf(stderr, "delivery: delivery %zu was not acknowledged\n", i);
            exit(1);
        }
    }
}

static void tell(struct oracle *oracle, const struct rows_world *world, const struct batch *from,
                 uint64_t sequence)
{
    for (size_t i = 0; i < from->row_count; i++) {
        struct rows_row row = from->rows[i];
        row.revision = from->revision;
        rows_tell(oracle, world, &row, sequence);
    }
    struct oracle_tombstone gone = { .user = world->users[from->user],
                                     .metric =
                                         from->is_user_wide ? 0 : world->metrics[from->metric],
                                     .source = from->is_user_wide ? 0 : from->source,
                                     .begin = from->begin,
                                     .end = from->end,
                                     .revision = from->revision,
                                     .sequence = sequence };
    if (from->deletes)
        oracle_add_tombstone(oracle, &gone);
}

/* ---- comparing ------------------------------------------------------------------------------------------- */

static void prepare(const char *path, struct rows_world *world)
{
    holter_error err;
    holter_create_options options = { .shards = 2 };
    need(holter_create(path, &options, &err), &err, "creating");
    holter_store *store = open_store(path);
    need(rows_prepare(world, store, USERS, SOURCES, &err), &err, "preparing");
    int64_t day_ns = 24 * STEP_NS;
    need(holter_feed_keep(store, day_ns, UINT64_MAX, &err), &err, "keeping logs");
    holter_close(store);
}

static void read_all(struct buffer *out, holter_store *store, const struct rows_world *world)
{
    holter_error err;
    holter_snapshot *snapshot;
    buffer_init(out);
    need(holter_snapshot_open(&snapshot, store, &err), &err, "a snapshot");
    need(rows_scan_all(out, snapshot, world, &err), &err, "scanning");
    holter_snapshot_close(snapshot);
}

static bool is_equal(const struct buffer *a, const struct buffer *b)
{
    if (a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0)
        return true;
    rows_explain(a, b);
    return false;
}

static size_t run_round(struct round *round, uint64_t seed)
{
    struct rows_world world, ideal_world;
    struct buffer expected, found, found_compacted, ideal;
    holter_error err;
    size_t damaged;
    draw_round(round, seed);
    const char *temporary = getenv("TMPDIR");
    snprintf(round->directory, sizeof round->directory, "%.40s/delivery-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(round->directory) == NULL) {
        perror("delivery: mkdtemp");
        exit(1);
    }
    snprintf(round->store, sizeof round->store, "%s/store", round->directory);
    snprintf(round->ideal, sizeof round->ideal, "%s/ideal", round->directory);
    prepare(round->store, &world);
    prepare(round->ideal, &ideal_world);
    deliver_all(round, &world);

    struct oracle *oracle = oracle_new();
    holter_store *store = open_store(round->ideal);
    for (unsigned i = 0; i < BATCHES; i++) {
        deliver(store, &ideal_world, &round->batches[i], PLAIN);
        tell(oracle, &ideal_world, &round->batches[i], i + 1);
    }
    read_all(&ideal, store, &ideal_world);
    holter_close(store);
    buffer_init(&expected);
    rows_expect_all(&expected, oracle, &ideal_world);
    oracle_free(oracle);

    holter_compact_options all = { .to = seed % 2 == 0 ? HOLTER_WARM : HOLTER_COLD };
    store = open_store(round->store);
    read_all(&found, store, &world);
    need(holter_verify(store, NULL, NULL, &damaged, &err), &err, "verifying");
    need(holter_compact(store, &all, NULL, &err), &err, "compacting");
    read_all(&found_compacted, store, &world);
    holter_close(store);
    if (!is_equal(&expected, &ideal) || !is_equal(&ideal, &found) ||
        !is_equal(&ideal, &found_compacted)) {
        fprintf(stderr, "delivery: seed %" PRIu64 ", store kept at '%s'\n", seed, round->directory);
        exit(1);
    }
    size_t rows = rows_count(&found);
    buffer_release(&expected);
    buffer_release(&found);
    buffer_release(&found_compacted);
    buffer_release(&ideal);

    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", round->directory);
    if (system(command) != 0)
        fprintf(stderr, "delivery: '%s' is left\n", round->directory);
    return rows;
}

int main(int argc, char **argv)
{
    static struct round round;
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    size_t deliveries = 0, rows = 0;
    if (rounds == 0) {
        fprintf(stderr, "usage: delivery ROUNDS [SEED]\n");
        return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("delivery: mmap");
        return 1;
    }
    for (uint64_t i = 0; i < rounds; i++) {
        rows += run_round(&round, seed + i);
        deliveries += round.delivery_count;
    }
    printf("delivery: %" PRIu64
           " rounds of %d batches, %zu deliveries by %d processes, made %" PRIu64 " times; %" PRIu64
           " kills; a wrong clock read %" PRIu64 " times; %zu rows stand: all equal\n",
           rounds, BATCHES, deliveries, PROCESSES, shared->made, shared->kills,
           shared->told_wrongly, rows);
    return shared->kills > 0 && shared->told_wrongly > 0 ? 0 : 1;
}
