/*
 * test_store_class.c -- a tier class that cannot be told is never guessed.
 *
 * Rows lie in the files of their metric's class, and a query asks those files only. A process that
 * has to flush rows of a metric which another one has just defined reads the catalog for it; where
 * that cannot be read, rows must stay in the log, not go to files where nobody looks for them.
 */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "io/io_sim.h"
#include "store/store.h"

enum { IDS = 32 };

struct fixture {
    struct sim *sim;
    struct io *io, *other_io;
    holter_store *store, *other;
    uint64_t user, later_user; /* in two shards, the first of which is compacted first */
    uint32_t metric;
    bool has_defined;
};

static struct fixture fixture;

static void must(holter_status status)
{
    ck_assert_int_eq(status, HOLTER_OK);
}

static void put(holter_store *store, uint64_t user, uint32_t metric, int64_t time)
{
    holter_batch *batch;
    uint32_t source;
    holter_value value = { .integer = 60 };
    must(holter_source_need(store, user, "watch", &source, NULL));
    holter_row row = { .user = user,
                       .metric = metric,
                       .source = source,
                       .time_ns = time,
                       .values = &value,
                       .value_count = 1 };
    must(holter_batch_new(&batch, store, NULL, NULL));
    must(holter_batch_add(batch, &row, NULL, NULL));
    must(holter_commit(store, batch, NULL));
    holter_batch_free(batch);
}

static size_t rows_of(holter_store *store, uint64_t user, uint32_t metric)
{
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    holter_columns columns;
    holter_scan_spec spec = { .user = user, .metric = metric };
    size_t count = 0;
    must(holter_snapshot_open(&snapshot, store, NULL));
    must(holter_scan(&cursor, snapshot, &spec, NULL));
    while (holter_cursor_next(cursor, &columns, NULL) == HOLTER_OK)
        count += columns.count;
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    return count;
}

/* The shard that a user's frames lie in, as the figures tell. */
static size_t shard_with_frames(holter_store *store)
{
    for (size_t i = 0;; i++) {
        holter_shard_stat stat;
        must(holter_stat_shard(store, i, &stat, NULL));
        if (stat.memtable_frames > 0)
            return i;
    }
}

static size_t shard_of(holter_store *store, uint64_t user, uint32_t metric)
{
    put(store, user, metric, 1);
    size_t shard = shard_with_frames(store);
    must(holter_flush(store, NULL, NULL));
    return shard;
}

static void catalog_sectors(bool bad)
{
    static const char *const copies[] = { "store/catalog.a", "store/catalog.b" };
    for (size_t c = 0; c < CORE_COUNT(copies); c++) {
        struct buffer bytes;
        buffer_init(&bytes);
        must(sim_file_read(&bytes, fixture.sim, copies[c]));
        if (bad)
            for (uint64_t s = 0; s < bytes.bytes / 512; s++)
                sim_sector_bad(fixture.sim, copies[c], s);
        buffer_release(&bytes);
    }
}

/*
 * While the first shard is compacted, another process uses the later one, and the catalog goes bad.
 */
static int define_meanwhile(void *context, uint64_t rows_done, uint64_t rows_all)
{
    (void)context;
    (void)rows_done;
    (void)rows_all;
    if (fixture.has_defined)
        return 1;
    fixture.has_defined = true;
    holter_metric metric;
    must(holter_metric_find(fixture.other, "heart_rate", &metric, NULL));
    metric.name = "step_rate";
    must(holter_metric_define(fixture.other, &metric, &fixture.metric, NULL));
    put(fixture.other, fixture.later_user, fixture.metric, 2000);
    catalog_sectors(true);
    return 1;
}

static void setup(void)
{
    holter_metric metric;
    fixture = (struct fixture){ .sim = sim_new(NULL) };
    fixture.io = sim_process_new(fixture.sim);
    fixture.other_io = sim_process_new(fixture.sim);
    must(store_create_on(fixture.io, "store", NULL, NULL));
    must(store_open_on(&fixture.store, fixture.io, "store", NULL, NULL));
    must(store_open_on(&fixture.other, fixture.other_io, "store", NULL, NULL));
    must(holter_metric_find(fixture.store, "heart_rate", &metric, NULL));
    fixture.metric = metric.number;

    size_t first = SIZE_MAX;
    for (size_t i = 0; i < IDS && fixture.later_user == 0; i++) {
        char name[16];
        holter_id id = { .bytes = name,
                         .count = (size_t)snprintf(name, sizeof name, "user %zu", i) };
        uint64_t user;
        must(holter_users_add(fixture.store, &id, 1, NULL, &user, NULL));
        size_t shard = shard_of(fixture.store, user, metric.number);
        if (shard < first) {
            first = shard;
            fixture.user = user;
        } else if (shard > first) {
            fixture.later_user = user;
        }
    }
    ck_assert_uint_ne(fixture.later_user, 0);
}

static void teardown(void)
{
    holter_close(fixture.store);
    holter_close(fixture.other);
    io_free(fixture.io);
    io_free(fixture.other_io);
    sim_free(fixture.sim);
}

START_TEST(rows_whose_class_cannot_be_told_stay_in_the_log)
{
    holter_compact_options options = { .to = HOLTER_WARM, .progress = define_meanwhile };
    holter_error err = { 0 };
    ck_assert_int_eq(holter_compact(fixture.store, &options, NULL, &err), HOLTER_IO);
    ck_assert(fixture.has_defined);
    ck_assert_uint_eq(rows_of(fixture.other, fixture.later_user, fixture.metric), 1);
    /* Whoever has the catalog flushes them. */
    must(holter_flush(fixture.other, NULL, NULL));
    ck_assert_uint_eq(rows_of(fixture.other, fixture.later_user, fixture.metric), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store: classes");
    TCase *tests = tcase_create("classes");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rows_whose_class_cannot_be_told_stay_in_the_log);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
