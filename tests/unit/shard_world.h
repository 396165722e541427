/*
 * shard_world.h -- handles of one shard, each in a process of its own on one simulated machine.
 *
 * Rows are heart rates at times of one's choice; a user's key is made from the number.
 * Threads: one, or the simulator's fibers. A test program includes this once.
 */
#ifndef TESTS_UNIT_SHARD_WORLD_H
#define TESTS_UNIT_SHARD_WORLD_H

#include <stdio.h>
#include <string.h>

#include "io/io_sim.h"
#include "run.h"
#include "series_rows.h"
#include "shard/shard.h"

enum { WORLD_HANDLES = 3 };

#define SHARD "shard"

static holter_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        holter_status ok_status = (call);                                                          \
        if (ok_status != HOLTER_OK)                                                                \
            ck_abort_msg("%s: %s: %s", #call, holter_status_name(ok_status), err.message);         \
    } while (0)

/* The call answers this status, with a sentence that has `says` in it. */
#define FAILS(call, expected, says)                                                                \
    do {                                                                                           \
        err = (holter_error){ 0 };                                                                 \
        holter_status fails_status = (call);                                                       \
        if (fails_status != (expected) || strstr(err.message, (says)) == NULL)                     \
            ck_abort_msg("%s: %s: %s", #call, holter_status_name(fails_status), err.message);      \
    } while (0)

struct world {
    struct sim *sim;
    struct crypto_arena *arena;
    struct io *io[WORLD_HANDLES];
    struct io_queue *queue[WORLD_HANDLES];
    struct shard *shard[WORLD_HANDLES];
    uint64_t erased;
    bool has_no_slots; /* no key can be had now */
    uint64_t keys_held;
    uint64_t log_file_bytes, memory_bytes_flush, prefix_bytes_min;
    int64_t lock_wait_ns;
};

static struct world world;

static const struct schema world_schema = {
    .kind = SAMPLE_INSTANT, .field_count = 1, .key_field = SCHEMA_NO_KEY, .types = { FIELD_INT }
};
static const struct memtable_filter everything = { .from = INT64_MIN, .to = INT64_MAX };

/* ---- machine and handles --------------------------------------------------------------------- */

static inline holter_status world_keys_get(void *context, uint64_t user, uint32_t generation,
                                           const struct crypto_key **key, uint32_t *newest,
                                           holter_error *error)
{
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    (void)context;
    if (user == world.erased)
        return error_set(error, HOLTER_EXPIRED, "user #%llu is erased", (unsigned long long)user);
    if (world.has_no_slots)
        return error_set(error, HOLTER_NO_MEMORY, "no slot for a key");
    CHECK(generation <= 1);
    memcpy(bytes, &user, sizeof user);
    *newest = 1;
    *key = crypto_key_new(world.arena, bytes);
    if (*key == NULL)
        return error_set(error, HOLTER_NO_MEMORY, "no slot for a key");
    world.keys_held++;
    return HOLTER_OK;
}

static inline void world_keys_put(void *context, const struct crypto_key *key)
{
    struct crypto_key *own;
    (void)context;
    memcpy(&own, &key, sizeof own);
    crypto_key_free(own);
    world.keys_held--;
}

static inline uint8_t world_class(void *context, uint32_t metric)
{
    (void)context;
    return metric == 2;
}

static inline struct shard_spec world_spec(size_t at, bool is_writable)
{
    return (struct shard_spec){
        .io = world.io[at],
        .directory = SHARD,
        .store_id = { 9 },
        .place = 1,
        .is_sealed = true,
        .is_writable = is_writable,
        .log_file_bytes = world.log_file_bytes,
        .memory_bytes_flush = world.memory_bytes_flush,
        .prefix_bytes_min = world.prefix_bytes_min,
        .lock_wait_ns = world.lock_wait_ns,
        .arena = world.arena,
        .keys = { world_keys_get, world_keys_put, NULL },
        .class_of = world_class,
    };
}

static inline holter_status world_open_as(size_t at, bool is_writable)
{
    if (world.io[at] == NULL) {
        world.io[at] = sim_process_new(world.sim);
        OK(io_queue_open(&world.queue[at], world.io[at], 16, &err));
    }
    struct shard_spec spec = world_spec(at, is_writable);
    return shard_open(&world.shard[at], &spec, &err);
}

static inline void world_open(size_t at)
{
    OK(world_open_as(at, true));
}

static inline void world_close(size_t at)
{
    shard_close(world.shard[at]);
    world.shard[at] = NULL;
}

/* The process is gone, too. */
static inline void world_end(size_t at)
{
    if (world.io[at] == NULL)
        return;
    world_close(at);
    io_queue_close(world.queue[at]);
    io_free(world.io[at]);
    world.io[at] = NULL;
}

static inline void world_kill(size_t at)
{
    sim_process_kill(world.io[at]);
    world_end(at);
}

/* The power goes; all processes with it. */
static inline void world_crash(enum sim_crash_mode mode, uint64_t seed)
{
    sim_crash(world.sim, mode, seed);
    for (size_t i = 0; i < WORLD_HANDLES; i++)
        world_end(i);
}

/* A new shard with `handles` handles. */
static inline void world_init(size_t handles, const struct sim_options *options)
{
    const struct sim_options plain = { .seed = 1 };
    memset(&world, 0, sizeof world);
    world.log_file_bytes = WAL_FILE_BYTES_MIN;
    world.prefix_bytes_min = 1;
    OK(crypto_arena_new(&world.arena, 256, &err));
    world.sim = sim_new(options != NULL ? options : &plain);
    world.io[0] = sim_process_new(world.sim);
    OK(io_queue_open(&world.queue[0], world.io[0], 16, &err));
    struct shard_spec spec = world_spec(0, true);
    OK(shard_create(&spec, &err));
    OK(io_sync_dir(world.io[0], ".", &err));
    for (size_t i = 0; i < handles; i++)
        world_open(i);
}

static inline void world_release(void)
{
    for (size_t i = 0; i < WORLD_HANDLES; i++)
        world_end(i);
    CHECK(world.keys_held == 0);
    sim_free(world.sim);
    crypto_arena_free(world.arena);
}

/* Files of the shard whose name begins so. */
static inline size_t world_file_count(const char *prefix)
{
    struct io_names files;
    size_t count = 0;
    OK(sim_files(&files, world.sim));
    for (size_t i = 0; i < files.count; i++)
        count += strncmp(files.name[i], prefix, strlen(prefix)) == 0;
    io_names_release(&files);
    return count;
}

/* ---- writing and reading --------------------------------------------------------------------- */

/*
 * One user's part: `count` rows of metric 1 from `first` on, and deletions. Ends the write,
 * whatever happens.
 */
static inline holter_status put(size_t at, uint64_t user, int64_t first, size_t count,
                                struct wal_tombstone *tombstones, size_t tombstone_count)
{
    struct shard_write *write;
    struct wal_part part = { .metric = 1, .source = 1 };
    size_t op_count;
    columns_init(&part.columns, &world_schema);
    bool has_memory = columns_reserve(&part.columns, count + 1);
    for (size_t i = 0; i < count && has_memory; i++) {
        struct row row = { .time = first + (int64_t)i };
        row.field[0] = 60 + row.time % 100;
        has_memory = columns_append(&part.columns, &row);
    }
    struct shard_part whole = { .user = user,
                                .tombstones = tombstones,
                                .tombstone_count = tombstone_count,
                                .parts = &part,
                                .part_count = count > 0 };
    holter_status status = has_memory ? shard_write_begin(&write, world.shard[at], &err)
                                      : error_set(&err, HOLTER_NO_MEMORY, "no memory for rows");
    if (status == HOLTER_OK) {
        status = shard_write_put(write, &whole, 1, &err);
        if (status != HOLTER_OK) {
            shard_write_abort(write);
        } else {
            struct io_op *ops = shard_write_ops(write, &op_count);
            if (op_count > 0)
                io_submit(world.queue[at], ops, op_count);
            while (io_wait(world.queue[at]) != NULL)
                continue;
            status = shard_write_end(write, &err);
        }
    }
    columns_release(&part.columns);
    return status;
}

static inline holter_status put_row(size_t at, uint64_t user, int64_t time)
{
    return put(at, user, time, 1, NULL, 0);
}

/* A user's rows in the log, or in files as well. */
struct found {
    size_t in_log, in_files, deletions;
    int64_t first, last; /* times in the log */
};

static inline holter_status find(struct found *out, struct shard_snapshot *snapshot, uint64_t user)
{
    struct memtable_rows rows;
    const struct manifest_version *version = shard_snapshot_version(snapshot);
    *out = (struct found){ 0 };
    holter_status status = shard_snapshot_rows(&rows, snapshot, user, &everything, &err);
    if (status != HOLTER_OK)
        return status;
    out->deletions = rows.tombstones.count;
    if (rows.series_count > 0) {
        struct columns columns;
        columns_init(&columns, &rows.series[0].schema);
        status = series_rows(&columns, &rows.series[0], INT64_MIN, NULL, &err);
        CHECK(status == HOLTER_OK || status == HOLTER_NO_MEMORY);
        if (status == HOLTER_OK) {
            CHECK(rows.series_count == 1 && rows.series[0].metric == 1 && columns.count > 0);
            CHECK(columns.count == rows.series[0].row_count);
            out->in_log = columns.count;
            out->first = columns.time[0];
            out->last = columns.time[columns.count - 1];
            for (size_t i = 0; i < columns.count; i++)
                CHECK(columns.field[0][i] == 60 + columns.time[i] % 100);
        }
        columns_release(&columns);
    }
    for (size_t i = 0; i < version->file_count; i++)
        out->in_files += version->files[i].rows;
    memtable_rows_release(&rows);
    return status;
}

static inline struct found find_now(size_t at, uint64_t user)
{
    struct shard_snapshot *snapshot;
    struct found found;
    OK(shard_snapshot_open(&snapshot, world.shard[at], &err));
    OK(find(&found, snapshot, user));
    shard_snapshot_close(snapshot);
    return found;
}

/* Rows of the log are `count` ones at times first, first + 1 .. */
static inline void check_log(size_t at, uint64_t user, int64_t first, size_t count)
{
    struct found found = find_now(at, user);
    if (found.in_log != count ||
        (count > 0 && (found.first != first || found.last != first + (int64_t)count - 1)))
        ck_abort_msg(
            "handle %zu, user %llu: found %zu rows from %lld to %lld, expected %zu from %lld", at,
            (unsigned long long)user, found.in_log, (long long)found.first, (long long)found.last,
            count, (long long)first);
}

static inline void say_finding(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "%s\n", sentence);
}

static inline void verify(size_t at)
{
    size_t damaged;
    OK(shard_verify(world.shard[at], say_finding, NULL, &damaged, &err));
    CHECK(damaged == 0);
}

static inline void compact(size_t at)
{
    struct compaction_result sum;
    OK(shard_flush(NULL, world.shard[at], true, &err));
    OK(shard_compact(&sum, world.shard[at], TIER_WARM, 0, NULL, NULL, &err));
}

#endif
