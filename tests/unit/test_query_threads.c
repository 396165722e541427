/*
 * test_query_threads.c -- queries of many threads over one snapshot share what was read.
 *
 * Claim: threads that ask for the same and for different users at once, with what is kept going and
 * coming, all get the same answers; nothing is read while another writes it (thread sanitizer).
 * Method: real files and threads; a limit that keeps about half; one thread forgets users all the while.
 */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "query_world.h"

#define STEP INT64_C(1000000000)

enum { THREADS = 4, ROUNDS = 60, FILES = 3, ROWS = 3500 };

static char directory[] = "/tmp/holter-query-XXXXXX";

/* As the world's, which counts. */
static holter_status key_get(void *context, uint64_t user, uint32_t generation,
                             const struct crypto_key **key, uint32_t *newest, holter_error *error)
{
    struct world *world = context;
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    (void)error;
    CHECK(generation <= 1);
    memcpy(bytes, &user, sizeof user);
    *newest = 1;
    *key = crypto_key_new(world->arena, bytes);
    CHECK(*key != NULL);
    return HOLTER_OK;
}

static void key_put(void *context, const struct crypto_key *key)
{
    struct crypto_key *own;
    (void)context;
    memcpy(&own, &key, sizeof own);
    crypto_key_free(own);
}

static struct world *world_real(void)
{
    char at[64];
    struct world *world = calloc(1, sizeof *world);
    CHECK(world != NULL && mkdtemp(directory) != NULL);
    snprintf(at, sizeof at, "%s/shard", directory);
    CHECK_OK(crypto_arena_new(&world->arena, 512, &err));
    CHECK_OK(io_posix_new(&world->io, &err));
    CHECK_OK(io_queue_open(&world->queue, world->io, 16, &err));
    world->spec = (struct shard_spec){
        .io = world->io,
        .directory = at,
        .store_id = { 9 },
        .place = 1,
        .is_sealed = true,
        .is_writable = true,
        .log_file_bytes = WAL_FILE_BYTES_MIN,
        .arena = world->arena,
        .keys = { key_get, key_put, world },
        .class_of = world_class,
        .outline_bytes_max = 16000,
    };
    CHECK_OK(shard_create(&world->spec, &err));
    CHECK_OK(shard_open(&world->shard, &world->spec, &err));
    return world;
}

static void world_remove(struct world *world)
{
    struct io_names names;
    char at[IO_PATH_BYTES_MAX], shard[64];
    shard_close(world->shard);
    snprintf(shard, sizeof shard, "%s/shard", directory);
    CHECK_OK(io_list(&names, world->io, shard, &err));
    for (size_t i = 0; i < names.count; i++) {
        CHECK(io_path_join(at, shard, names.name[i], NULL, NULL));
        CHECK_OK(io_unlink(world->io, at, &err));
    }
    io_names_release(&names);
    CHECK(rmdir(shard) == 0 && rmdir(directory) == 0);
    io_queue_close(world->queue);
    io_free(world->io);
    crypto_arena_free(world->arena);
    free(world);
}

static int64_t sum_of(struct shard_snapshot *snapshot, int user, bool of_rows)
{
    struct query_aggregate *aggregate;
    holter_windows windows;
    holter_error own = { 0 };
    int64_t sum = 0;
    struct query_aggregate_spec spec = {
        .rows = { .user = world_users[user], .metric = 1, .from = INT64_MIN, .to = INT64_MAX },
        .schema = world_schemas[0],
        .every = { .calendar = of_rows ? HOLTER_FIXED : HOLTER_YEARS, .width_ns = 100 * STEP },
        .fields = 1,
        .functions = HOLTER_FN_SUM,
    };
    if (!of_rows)
        spec.every.width_ns = 0;
    if (query_aggregate_open(&aggregate, snapshot, &spec, &own) != HOLTER_OK)
        return INT64_MIN;
    while (query_aggregate_next(aggregate, &windows, &own) == HOLTER_OK) {
        for (size_t i = 0; i < windows.count; i++)
            sum += (int64_t)windows.fields[0].sum[i].low;
    }
    query_aggregate_close(aggregate);
    return sum;
}

struct asking {
    struct world *world;
    struct shard_snapshot *snapshot;
    int64_t expected[WORLD_USERS];
    int thread;
    bool is_right;
};

static bool is_user(void *context, uint64_t user)
{
    const uint64_t *gone = context;
    return user == *gone;
}

static void *ask(void *context)
{
    struct asking *asking = context;
    for (int i = 0; i < ROUNDS; i++) {
        int user = (i / 2 + asking->thread / 2) % WORLD_USERS;
        int64_t sum = sum_of(asking->snapshot, user, (i + asking->thread) % 3 == 0);
        asking->is_right = asking->is_right && sum == asking->expected[user];
        uint64_t gone = world_users[i % WORLD_USERS];
        if (asking->thread == 0 && i % 5 == 0)
            shard_outlines_forget(shard_outlines_of(asking->world->shard), is_user, &gone);
    }
    return NULL;
}

START_TEST(threads_agree)
{
    struct world *world = world_real();
    struct shard_snapshot *snapshot;
    struct asking asking[THREADS];
    pthread_t threads[THREADS];
    for (int file = 0; file < FILES; file++) {
        for (int user = 0; user < WORLD_USERS; user++)
            world_write_series(world, user, world_week(1) + (int64_t)file * ROWS * STEP, ROWS);
        CHECK_OK(shard_flush(NULL, world->shard, true, &err));
    }
    CHECK_OK(shard_snapshot_open(&snapshot, world->shard, &err));
    for (int t = 0; t < THREADS; t++) {
        asking[t] =
            (struct asking){ .world = world, .snapshot = snapshot, .thread = t, .is_right = true };
        for (int user = 0; user < WORLD_USERS; user++)
            asking[t].expected[user] = sum_of(snapshot, user, true);
    }
    for (int t = 0; t < THREADS; t++)
        CHECK(pthread_create(&threads[t], NULL, ask, &asking[t]) == 0);
    for (int t = 0; t < THREADS; t++) {
        CHECK(pthread_join(threads[t], NULL) == 0);
        CHECK(asking[t].is_right);
    }
    struct shard_outlines_stat stat = shard_outlines_stat(shard_outlines_of(world->shard));
    ck_assert_uint_le(stat.bytes, stat.bytes_max);
    CHECK(stat.found > 0 && stat.missed > 0);
    shard_snapshot_close(snapshot);
    world_remove(world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_threads");
    TCase *tcase = tcase_create("threads");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, threads_agree);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
