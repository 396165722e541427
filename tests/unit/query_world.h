/*
 * query_world.h -- a shard with seeded commits and the oracle beside it, for tests of query.
 *
 * Threads: one. A test program includes this once.
 */
#ifndef TESTS_UNIT_QUERY_WORLD_H
#define TESTS_UNIT_QUERY_WORLD_H

#include "io/io_sim.h"
#include "query/query.h"
#include "random.h"
#include "run.h"

#include "../model/oracle.c"

enum {
    WORLD_USERS = 3,
    WORLD_METRICS = 3,
    WORLD_SOURCES = 2,
    WORLD_WEEKS = 4,
    WORLD_BATCH_MAX = 8
};

#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        holter_status check_status = (call);                                                       \
        if (check_status != HOLTER_OK)                                                             \
            ck_abort_msg("%s: %s: %s", #call, holter_status_name(check_status), err.message);      \
    } while (0)

static holter_error err;

static const uint64_t world_users[WORLD_USERS] = { 3, 7, 900 };
static const struct schema world_schemas[WORLD_METRICS] = {
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INTERVAL, 2, 1, { FIELD_INT, FIELD_ENUM } },
    { SAMPLE_INTERVAL, 2, 1, { FIELD_INT, FIELD_TEXT } },
};
static const char *const world_texts[] = { "", "a", "ab" };

struct world {
    struct random random;
    struct sim *sim;
    struct io *io;
    struct io_queue *queue;
    struct crypto_arena *arena;
    struct oracle *oracle;
    struct shard_spec spec;
    struct shard *shard;
    int64_t value; /* each row has one of its own */
    uint64_t erased;
    uint64_t keys_held;
};

static uint8_t world_class(void *context, uint32_t metric)
{
    (void)context;
    return metric == 3;
}

static int64_t world_week(int64_t week)
{
    return (2800 + week) * MANIFEST_WARM_PARTITION_NS;
}

static holter_status world_keys_get(void *context, uint64_t user, uint32_t generation,
                                    const struct crypto_key **key, uint32_t *newest,
                                    holter_error *error)
{
    struct world *world = context;
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    if (user == world->erased)
        return error_set(error, HOLTER_EXPIRED, "user #%llu is erased", (unsigned long long)user);
    CHECK(generation <= 1);
    memcpy(bytes, &user, sizeof user);
    *newest = 1;
    *key = crypto_key_new(world->arena, bytes);
    CHECK(*key != NULL);
    world->keys_held++;
    return HOLTER_OK;
}

static void world_keys_put(void *context, const struct crypto_key *key)
{
    struct world *world = context;
    struct crypto_key *own;
    memcpy(&own, &key, sizeof own);
    crypto_key_free(own);
    world->keys_held--;
}

static inline struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    world->random.state = seed;
    world->oracle = oracle_new();
    CHECK_OK(crypto_arena_new(&world->arena, 512, &err));
    world->sim = sim_new(&(struct sim_options){ .seed = seed });
    world->io = sim_process_new(world->sim);
    CHECK_OK(io_queue_open(&world->queue, world->io, 16, &err));
    world->spec = (struct shard_spec){
        .io = world->io,
        .directory = "shard",
        .store_id = { 9 },
        .place = 1,
        .is_sealed = true,
        .is_writable = true,
        .log_file_bytes = WAL_FILE_BYTES_MIN,
        .arena = world->arena,
        .keys = { world_keys_get, world_keys_put, world },
        .class_of = world_class,
    };
    CHECK_OK(shard_create(&world->spec, &err));
    CHECK_OK(shard_open(&world->shard, &world->spec, &err));
    return world;
}

static inline void world_free(struct world *world)
{
    shard_close(world->shard);
    CHECK(world->keys_held == 0);
    io_queue_close(world->queue);
    io_free(world->io);
    sim_free(world->sim);
    crypto_arena_free(world->arena);
    oracle_free(world->oracle);
    free(world);
}

/* Few times, so that collisions are the rule, some of them at the edges of weeks. */
static int64_t world_time(struct world *world)
{
    int64_t week = (int64_t)random_below(&world->random, WORLD_WEEKS);
    return world_week(week) - 1 + (int64_t)random_below(&world->random, 4);
}

static int64_t world_revision(struct world *world)
{
    static const int64_t revisions[] = { 0, 0, 0, 0, 1, 2, -1 };
    return revisions[random_below(&world->random, CORE_COUNT(revisions))];
}

/* ---- commits --------------------------------------------------------------------------------- */

/* Write one user's part of sorted rows and tombstones, and let the shard answer. */
static void world_write(struct world *world, int user, struct wal_tombstone *tombstones,
                        size_t tombstone_count, struct wal_part *part, uint64_t *sequence)
{
    struct shard_write *write;
    struct shard_snapshot *before;
    struct shard_part whole = {
        .user = world_users[user],
        .tombstones = tombstones,
        .tombstone_count = tombstone_count,
        .parts = part,
        .part_count = part != NULL && part->columns.count > 0,
    };
    CHECK_OK(shard_write_begin(&write, world->shard, &err));
    CHECK_OK(shard_write_snapshot(&before, write, &err));
    *sequence = shard_snapshot_end(before);
    shard_snapshot_close(before);
    CHECK_OK(shard_write_put(write, &whole, 1, &err));
    size_t count;
    struct io_op *ops = shard_write_ops(write, &count);
    io_submit(world->queue, ops, count);
    while (io_wait(world->queue) != NULL)
        continue;
    CHECK_OK(shard_write_end(write, &err));
}

/* `rows` rows of metric 1 a second apart, with values drawn from one seed. */
static inline void world_write_series(struct world *world, int user, int64_t from, size_t rows)
{
    struct wal_part part = { .metric = 1, .source = 1 };
    struct random random = { 5 };
    uint64_t sequence;
    columns_init(&part.columns, &world_schemas[0]);
    for (size_t i = 0; i < rows; i++) {
        struct row row = { .time = from + (int64_t)i * INT64_C(1000000000) };
        row.field[0] = (int64_t)random_below(&random, 200) - 20;
        CHECK(columns_append(&part.columns, &row));
    }
    world_write(world, user, NULL, 0, &part, &sequence);
    columns_release(&part.columns);
}

static bool world_has_row(const struct columns *columns, const struct row *row, int metric,
                          size_t key)
{
    for (size_t i = 0; i < columns->count; i++) {
        uint32_t bytes = 0;
        if (columns->time[i] != row->time)
            continue;
        if (metric == 0 || (metric == 1 && columns->field[1][i] == (int64_t)key))
            return true;
        if (metric == 2 && columns_text(columns, 1, i, &bytes) != NULL &&
            bytes == strlen(world_texts[key]))
            return true;
    }
    return false;
}

/* One commit: perhaps a replaced range or a deletion, perhaps rows of one series. */
static inline void world_commit(struct world *world)
{
    int user = (int)random_below(&world->random, WORLD_USERS);
    int metric = (int)random_below(&world->random, WORLD_METRICS);
    struct wal_part part = {
        .metric = (uint32_t)metric + 1,
        .source = 1 + (uint32_t)random_below(&world->random, WORLD_SOURCES),
    };
    struct wal_tombstone tombstone = { 0 };
    size_t keys[WORLD_BATCH_MAX];
    bool has_tombstone = random_below(&world->random, 3) == 0;
    if (has_tombstone) {
        uint64_t scope = random_below(&world->random, 4);
        tombstone.metric = scope == 0 ? 0 : part.metric;
        tombstone.source = scope < 2 ? 0 : part.source;
        tombstone.begin = world_time(world);
        tombstone.end = tombstone.begin + 1 +
                        (int64_t)random_below(&world->random, 3) * MANIFEST_WARM_PARTITION_NS / 2;
        tombstone.revision = world_revision(world);
    }
    columns_init(&part.columns, &world_schemas[metric]);
    int64_t revision = world_revision(world);
    uint64_t rows = random_below(&world->random, WORLD_BATCH_MAX) + !has_tombstone;
    for (uint64_t i = 0; i < rows; i++) {
        size_t key = random_below(&world->random, CORE_COUNT(world_texts));
        struct row row = {
            .time = world_time(world),
            .field = { world->value++ },
            .flags = (uint16_t)(random_below(&world->random, 256) << 8),
            .revision = revision,
        };
        if (metric > 0) /* many last into the next week */
            row.duration =
                (int64_t)random_below(&world->random, 3) * MANIFEST_WARM_PARTITION_NS / 2;
        if (metric == 1)
            row.field[1] = (int64_t)key;
        if (metric == 2) {
            row.text[1] = (const uint8_t *)world_texts[key];
            row.text_bytes[1] = (uint32_t)strlen(world_texts[key]);
        }
        if (world_has_row(&part.columns, &row, metric, key))
            continue;
        CHECK(part.columns.count < WORLD_BATCH_MAX);
        CHECK(columns_append(&part.columns, &row));
    }
    CHECK(columns_sort(&part.columns));
    for (size_t i = 0; i < part.columns.count; i++) {
        uint32_t bytes = 0;
        if (metric == 1)
            keys[i] = (size_t)part.columns.field[1][i];
        if (metric == 2)
            (void)columns_text(&part.columns, 1, i, &bytes);
        if (metric == 2)
            keys[i] = bytes;
    }

    uint64_t sequence;
    world_write(world, user, &tombstone, has_tombstone, &part, &sequence);
    if (has_tombstone) {
        struct oracle_tombstone known = {
            .user = world_users[user],
            .metric = tombstone.metric,
            .source = tombstone.source,
            .begin = tombstone.begin,
            .end = tombstone.end,
            .revision = tombstone.revision,
            .sequence = sequence,
        };
        oracle_add_tombstone(world->oracle, &known);
    }
    for (size_t i = 0; i < part.columns.count; i++) {
        struct oracle_row known = {
            .user = world_users[user],
            .metric = part.metric,
            .source = part.source,
            .time = part.columns.time[i],
            .duration = metric > 0 ? part.columns.duration[i] : 0,
            .revision = revision,
            .sequence = sequence,
            .flags = part.columns.flags[i],
            .payload = &part.columns.field[0][i],
            .payload_bytes = sizeof part.columns.field[0][i],
        };
        if (metric == 1)
            known.key = (int64_t)keys[i];
        if (metric == 2) {
            known.text_key = world_texts[keys[i]];
            known.text_key_bytes = keys[i];
        }
        oracle_add_row(world->oracle, &known);
    }
    columns_release(&part.columns);
}

/* ---- the comparison -------------------------------------------------------------------------- */

static void world_compare_row(const struct columns *rows, size_t row,
                              const struct oracle_row *known)
{
    CHECK(rows->time[row] == known->time);
    CHECK(rows->duration == NULL || rows->duration[row] == known->duration);
    CHECK(memcmp(&rows->field[0][row], known->payload, sizeof rows->field[0][row]) == 0);
    CHECK(rows->flags[row] == known->flags);
    CHECK(rows->revision[row] == known->revision);
}

/* One scan answers as the oracle does, series by series. */
static void world_check_scan(struct world *world, struct shard_snapshot *snapshot,
                             const struct query_spec *spec)
{
    struct query_scan *scan;
    uint32_t metric = 0, source = 0;
    const struct columns *rows = NULL;
    size_t at = 0;
    CHECK_OK(query_scan_open(&scan, snapshot, spec, &err));
    for (uint32_t m = 1; m <= WORLD_METRICS; m++) {
        for (uint32_t s = 1; s <= WORLD_SOURCES; s++) {
            size_t count;
            if ((spec->metric != 0 && spec->metric != m) ||
                (spec->source != 0 && spec->source != s))
                continue;
            const struct oracle_row *const *known =
                oracle_ask(world->oracle, spec->user, m, s, spec->from, spec->to,
                           spec->overlapping ? spec->from : INT64_MAX, &count);
            for (size_t i = 0; i < count; i++) {
                if (rows == NULL || at == rows->count) {
                    CHECK_OK(query_scan_next(scan, &metric, &source, &rows, &err));
                    CHECK(rows->count > 0 && rows->count <= QUERY_ROWS_MAX);
                    at = 0;
                }
                CHECK(metric == m && source == s);
                world_compare_row(rows, at++, known[i]);
            }
            CHECK(rows == NULL || at == rows->count);
        }
    }
    CHECK(query_scan_next(scan, &metric, &source, &rows, &err) == HOLTER_DONE);
    CHECK(query_scan_next(scan, &metric, &source, &rows, &err) == HOLTER_DONE);
    query_scan_close(scan);
}

static void world_check_latest(struct world *world, struct shard_snapshot *snapshot,
                               const struct query_spec *spec)
{
    const struct oracle_row *last = NULL;
    static struct oracle_row kept;
    static int64_t payload;
    for (uint32_t s = 1; s <= WORLD_SOURCES; s++) {
        size_t count;
        if (spec->source != 0 && spec->source != s)
            continue;
        const struct oracle_row *const *known =
            oracle_ask(world->oracle, spec->user, spec->metric, s, spec->from, spec->to, INT64_MAX,
                       &count);
        if (count > 0 && (last == NULL || known[count - 1]->time >= last->time)) {
            kept = *known[count - 1];
            memcpy(&payload, kept.payload, sizeof payload);
            kept.payload = &payload;
            last = &kept;
        }
    }
    struct columns row;
    uint32_t source;
    holter_status status = query_latest(&row, &source, snapshot, spec, &err);
    if (last == NULL) {
        CHECK(status == HOLTER_DONE);
        return;
    }
    CHECK_OK(status);
    CHECK(row.count == 1 && source == last->source);
    world_compare_row(&row, 0, last);
    columns_release(&row);
}

static void world_check_series(struct world *world, struct shard_snapshot *snapshot, uint64_t user)
{
    struct query_spec spec = { .user = user, .from = INT64_MIN, .to = INT64_MAX };
    struct query_series *series;
    size_t count, at = 0;
    CHECK_OK(query_series_list(&series, &count, snapshot, &spec, &err));
    for (uint32_t m = 1; m <= WORLD_METRICS; m++) {
        for (uint32_t s = 1; s <= WORLD_SOURCES; s++) {
            size_t rows;
            oracle_ask(world->oracle, user, m, s, INT64_MIN, INT64_MAX, INT64_MAX, &rows);
            bool is_listed = at < count && series[at].metric == m && series[at].source == s;
            CHECK(is_listed || rows == 0);
            if (!is_listed)
                continue;
            CHECK(series[at].rows_at_most >= rows);
            CHECK(schema_is_equal(&series[at].schema, &world_schemas[m - 1]));
            at++;
        }
    }
    CHECK(at == count);
    free(series);
}

/* Scans of several kinds, the latest row, the list of series: of every user. */
static void world_check(struct world *world, struct shard_snapshot *snapshot)
{
    for (int u = 0; u < WORLD_USERS; u++) {
        struct query_spec spec = {
            .user = world_users[u], .from = INT64_MIN, .to = INT64_MAX, .class_of = world_class
        };
        world_check_scan(world, snapshot, &spec);
        world_check_series(world, snapshot, world_users[u]);
        for (int i = 0; i < 6; i++) {
            int64_t a = world_time(world), b = world_time(world) + 1;
            spec.from = a < b ? a : b;
            spec.to = a < b ? b : a;
            spec.metric = (uint32_t)random_below(&world->random, WORLD_METRICS + 1);
            spec.source = (uint32_t)random_below(&world->random, WORLD_SOURCES + 1);
            spec.overlapping = i % 2 == 0;
            world_check_scan(world, snapshot, &spec);
            spec.metric += spec.metric == 0;
            world_check_latest(world, snapshot, &spec);
            spec.from = INT64_MIN;
            world_check_latest(world, snapshot, &spec);
        }
    }
}

static inline void world_check_now(struct world *world)
{
    struct shard_snapshot *snapshot;
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    world_check(world, snapshot);
    shard_snapshot_close(snapshot);
}

#endif
