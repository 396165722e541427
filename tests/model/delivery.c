/*
 * delivery.c -- batches delivered several times, in any order, by several processes, equal one ideal delivery.
 *
 *     delivery ROUNDS [SEED]
 *
 * Batches are drawn by a seed; each has a revision of its own (a vendor's last-modified time), or none and then rows
 * that no other batch has. Many replace ranges or delete. Each is delivered one to five times; all deliveries are
 * shuffled and dealt to forked processes, which commit them to one store in a real directory, plain or exact, and
 * now and then flush, compact or open the store anew. In the end it must answer what a second store answers, to which
 * one process delivered each batch once, by rising revision, and what an oracle answers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../unit/random.h"
#include "oracle.h"
#include "rows.h"

#define STEP_NS (INT64_C(3600) * 1000000000)
#define BASE_NS (INT64_C(1764547200) * 1000000000)

enum {
    PROCESSES = 4,
    USERS = 5,
    SOURCES = 2,
    OWN_SOURCE = 2, /* of rows without a revision */
    TIMES = 300,
    BATCHES = 80,
    COPIES_MAX = 5,
    ROWS_MAX = 24,
};

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
    unsigned deliveries[BATCHES * COPIES_MAX]; /* indexes of batches */
    size_t delivery_count;
    char directory[64];
    char store[80], ideal[80];
};

static const uint8_t metrics[] = { 0, 3, 6, 10 };

static void need(holter_status status, const holter_error *err, const char *what)
{
    if (status == HOLTER_OK)
        return;
    fprintf(stderr, "delivery: %s: %s: %s\n", what, holter_status_name(status), err->message);
    exit(1);
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
                    bool is_exact)
{
    holter_error err;
    holter_batch *batch;
    holter_batch_options options = { .exact = is_exact, .revision = from->revision };
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

/* Every PROCESSES-th delivery, by a process of its own. */
static void deliver_share(const struct round *round, const struct rows_world *world,
                          unsigned process)
{
    struct random random = { round->random.state + process };
    holter_store *store = open_store(round->store);
    for (size_t i = process; i < round->delivery_count; i += PROCESSES) {
        bool is_exact = random_below(&random, 3) == 0;
        deliver(store, world, &round->batches[round->deliveries[i]], is_exact);
        if (random_below(&random, 12) == 0)
            maintain(store, &random);
        if (random_below(&random, 15) == 0) {
            holter_close(store);
            store = open_store(round->store);
        }
    }
    holter_close(store);
}

static void deliver_all(const struct round *round, const struct rows_world *world)
{
    pid_t children[PROCESSES];
    fflush(stdout);
    for (unsigned p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        if (children[p] < 0) {
            perror("delivery: fork");
            exit(1);
        }
        if (children[p] == 0) {
            deliver_share(round, world, p);
            _exit(0);
        }
    }
    for (unsigned p = 0; p < PROCESSES; p++) {
        int status;
        if (waitpid(children[p], &status, 0) != children[p] || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0) {
            fprintf(stderr, "delivery: a process failed\n");
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
        deliver(store, &ideal_world, &round->batches[i], false);
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
    for (uint64_t i = 0; i < rounds; i++) {
        rows += run_round(&round, seed + i);
        deliveries += round.delivery_count;
    }
    printf("delivery: %" PRIu64
           " rounds of %d batches, %zu deliveries by %d processes, %zu rows stand: all equal\n",
           rounds, BATCHES, deliveries, PROCESSES, rows);
    return 0;
}
