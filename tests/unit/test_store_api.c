/*
 * test_store_api.c -- the public calls beside batches: errors, regions, metrics, users, sources,
 * reading, upkeep.
 *
 * Claim: every call answers as include/holter/ says, with a sentence that names no external id;
 * what one handle changes another one sees with its next call; snapshots never change; a store
 * opens again from whatever is left of its head pages. Method: up to three processes with a handle
 * each on one simulated machine.
 */
#include "store_world.h"

enum { SECOND = 1000000000 };

/* ---- making and opening ---------------------------------------------------------------------- */

START_TEST(a_store_is_made_once)
{
    struct sim *sim = sim_new(&(struct sim_options){ .seed = 1 });
    struct io *io = sim_process_new(sim);
    holter_store *store;
    const holter_create_options defaults = { 0 };
#define MAKES(path, status, says, ...)                                                             \
    FAILS(store_create_on(io, path, &(holter_create_options){ __VA_ARGS__ }, &err), status, says)

    MAKES("", HOLTER_INVALID, "path", .shards = 1);
    FAILS(store_create_on(io, NULL, &defaults, &err), HOLTER_INVALID, "path");
    MAKES("s", HOLTER_INVALID, "257", .shards = 257);
    MAKES("s", HOLTER_INVALID, "region name", .region = "");
    MAKES("s", HOLTER_INVALID, "region name", .region = "EU");
    MAKES("s", HOLTER_INVALID, "region name", .region = "-eu");
    MAKES("s", HOLTER_INVALID, "region name", .region = "eu/de");
    MAKES("s", HOLTER_INVALID, "region name", .region = "..");
    MAKES("s", HOLTER_INVALID, "reserved", .reserved = { 0, 1 });
    MAKES("s/deep/er", HOLTER_NOT_FOUND, "s/deep", .shards = 1);
    FAILS(store_open_on(&store, io, "s", NULL, &err), HOLTER_NOT_FOUND,
          "'s'"); /* nothing was made */
    ck_assert_ptr_null(store);

    OK(store_create_on(io, "s/", &(holter_create_options){ .shards = 256, .region = "a-0" }, &err));
    OK(store_open_on(&store, io, "s", NULL, &err)); /* its keyring is s.keyring */
    holter_close(store);
    MAKES("s", HOLTER_EXISTS, "s", .keyring_path = "k2");
    MAKES("t", HOLTER_EXISTS, "s.keyring", .keyring_path = "s.keyring");
    MAKES("s", HOLTER_EXISTS, "s", .no_sealing = 1);
    OK(sim_file_write(sim, "a-file", "x", 1));
    MAKES("a-file", HOLTER_EXISTS, "a-file", .no_sealing = 1);
#undef MAKES
    OK(io_make_dir(io, "empty", &err));
    OK(store_create_on(io, "empty", NULL, &err));
    io_free(io);
    sim_free(sim);
}
END_TEST

/* Every call of a create fails once: afterwards it is a store, or there is no keyring beside it that
 * would stand in the way of the next attempt. */
START_TEST(a_create_that_fails_leaves_no_keyring)
{
    struct io_stat stat;
    bool was_hit = true;
    uint64_t failures = 0;
    for (uint64_t nth = 0; was_hit; nth++) {
        struct sim *sim = sim_new(&(struct sim_options){ .seed = nth });
        struct io *io = sim_process_new(sim);
        sim_fault_set(sim,
                      &(struct sim_fault){ .kind = SIM_ANY, .nth = nth, .error = 5 /* EIO */ });
        holter_status status =
            store_create_on(io, "s", &(holter_create_options){ .shards = 1 }, &err);
        was_hit = sim_fault_was_hit(sim);
        sim_fault_clear(sim);
        bool is_store = io_stat(&stat, io, "s/holter.store", NULL) == HOLTER_OK;
        if (status != HOLTER_OK && !is_store) {
            failures++;
            if (io_stat(&stat, io, "s.keyring", NULL) != HOLTER_NOT_FOUND)
                ck_abort_msg("call %d: a keyring is left, after '%s'", (int)nth, err.message);
            OK(store_create_on(io, "other", &(holter_create_options){ .keyring_path = "s.keyring" },
                               &err));
        }
        io_free(io);
        sim_free(sim);
    }
    CHECK(failures > 50);
}
END_TEST

static holter_status open_as(holter_store **out, const char *path, const holter_options *options)
{
    return store_open_on(out, world.io[0], path, options, &err);
}

START_TEST(what_is_no_store_is_not_opened)
{
    struct buffer bytes;
    holter_store *store;
    world_init(NULL, NULL);
    world_close(0);
    struct io *io = world.io[0];
#define OPENS(path, status, says, ...)                                                             \
    FAILS(open_as(&store, path, &(holter_options){ __VA_ARGS__ }), status, says);                  \
    ck_assert_ptr_null(store)

    OPENS("", HOLTER_INVALID, "path", .read_only = 0);
    OPENS("nowhere", HOLTER_NOT_FOUND, "nowhere", .read_only = 1);
    OK(sim_file_write(world.sim, "a-file", "x", 1));
    OPENS("a-file", HOLTER_INVALID, "expected a directory", .read_only = 0);
    OK(io_make_dir(io, "a-dir", &err));
    OPENS("a-dir", HOLTER_INVALID, "holter.store", .read_only = 0);
    OPENS(STORE, HOLTER_INVALID, "reserved", .reserved = { 0, 0, 0, 1 });
    OPENS(STORE, HOLTER_INVALID, "65536", .log_file_bytes = 4096);
    OPENS(STORE, HOLTER_INVALID, "4096", .log_file_bytes = 65537);
    OPENS(STORE, HOLTER_INVALID, "found log_file_bytes", .log_file_bytes = UINT64_C(1) << 40);
    OPENS(STORE, HOLTER_DENIED, "no-keyring", .keyring_path = "no-keyring");
    OPENS(STORE, HOLTER_INVALID, "a-dir", .keyring_path = "a-dir");
    OK(store_create_on(io, "other", NULL, &err));
    OPENS(STORE, HOLTER_DENIED, "other.keyring", .keyring_path = "other.keyring");
    OPENS(STORE, HOLTER_DENIED, "a-file", .keyring_path = "a-file");
#undef OPENS
    /* A newer format, and neither copy of the identity whole. */
    buffer_init(&bytes);
    OK(sim_file_read(&bytes, world.sim, STORE "/holter.store"));
    OK(sim_file_write(world.sim, STORE "/holter.store", bytes.data, bytes.bytes - 1));
    FAILS(open_as(&store, STORE, NULL), HOLTER_CORRUPT, "holter.store");
    for (size_t copy = 0; copy < 2; copy++)
        bytes.data[512 * copy + 100] ^= 1;
    OK(sim_file_write(world.sim, STORE "/holter.store", bytes.data, bytes.bytes));
    FAILS(open_as(&store, STORE, NULL), HOLTER_CORRUPT, "neither");
    for (size_t copy = 0; copy < 2; copy++) {
        uint8_t *at = bytes.data + 512 * copy;
        at[100] ^= 1;
        at[8] = 99; /* major */
        uint64_t sum = hash64(at, 504);
        for (int i = 0; i < 8; i++)
            at[504 + i] = (uint8_t)(sum >> 8 * i);
    }
    OK(sim_file_write(world.sim, STORE "/holter.store", bytes.data, bytes.bytes));
    FAILS(open_as(&store, STORE, NULL), HOLTER_UNSUPPORTED, "newer");
    buffer_release(&bytes);
    world_release();
}
END_TEST

START_TEST(no_handle_is_an_error_not_a_crash)
{
    holter_metric metric;
    holter_batch *batch;
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    holter_columns columns;
    uint64_t user;
    uint32_t number;
    FAILS(holter_metric_find(NULL, "steps", &metric, &err), HOLTER_INVALID, "NULL");
    FAILS(holter_user_find(NULL, "x", 1, &user, &err), HOLTER_INVALID, "NULL");
    FAILS(holter_batch_new(&batch, NULL, NULL, &err), HOLTER_INVALID, "NULL");
    FAILS(holter_snapshot_open(&snapshot, NULL, &err), HOLTER_INVALID, "NULL");
    FAILS(holter_scan(&cursor, NULL, &(holter_scan_spec){ 0 }, &err), HOLTER_INVALID, "snapshot");
    FAILS(holter_latest(&cursor, NULL, 1, 1, 1, &err), HOLTER_INVALID, "snapshot");
    FAILS(holter_cursor_next(NULL, &columns, &err), HOLTER_INVALID, "cursor");
    FAILS(holter_flush(NULL, NULL, &err), HOLTER_INVALID, "NULL");
    FAILS(holter_compact(NULL, NULL, NULL, &err), HOLTER_INVALID, "NULL");
    FAILS(holter_verify(NULL, NULL, NULL, NULL, &err), HOLTER_INVALID, "NULL");
    FAILS(holter_source_find(NULL, 1, "x", &number, &err), HOLTER_INVALID, "NULL");
    ck_assert_uint_eq(holter_metric_count(NULL), 0);
    ck_assert_uint_eq(holter_user_count(NULL), 0);
    ck_assert_uint_eq(holter_region_count(NULL), 0);
    ck_assert_int_eq(holter_flush(NULL, NULL, NULL), HOLTER_INVALID);
    holter_close(NULL);
    holter_batch_free(NULL);
    holter_snapshot_close(NULL);
    holter_cursor_close(NULL);
    holter_source_free(NULL);
}
END_TEST

/* ---- regions --------------------------------------------------------------------------------- */

START_TEST(users_of_two_regions_lie_in_their_own_shards)
{
    static const holter_id ids[] = { { WORLD_ID "-eu", 7 }, { WORLD_ID "-us", 7 } };
    uint64_t users[2];
    const char *name;
    uint32_t shards, number;
    holter_shard_stat stat;
    uint64_t frames[2] = { 0, 0 };
    world_init(&(holter_create_options){ .shards = 2, .region = "eu" }, NULL);
    OK(world_open(1));
    holter_store *store = world.store[0];
    FAILS(holter_add_region(store, "US", 1, &err), HOLTER_INVALID, "region name");
    FAILS(holter_add_region(store, NULL, 1, &err), HOLTER_INVALID, "region name");
    FAILS(holter_add_region(store, "us", 257, &err), HOLTER_INVALID, "257");
    FAILS(holter_add_region(store, "eu", 1, &err), HOLTER_EXISTS, "eu");
    OK(holter_add_region(store, "us", 3, &err));
    FAILS(holter_add_region(world.store[1], "us", 3, &err), HOLTER_EXISTS, "us");
    ck_assert_uint_eq(holter_region_count(world.store[1]), 2);
    OK(holter_region_at(world.store[1], 1, &name, &shards, &err));
    ck_assert_str_eq(name, "us");
    ck_assert_uint_eq(shards, 3);
    FAILS(holter_region_at(store, 2, &name, &shards, &err), HOLTER_NOT_FOUND, "2");
    FAILS(holter_users_add(store, ids, 1, "asia", users, &err), HOLTER_NOT_FOUND, "asia");
    OK(holter_users_add(store, &ids[0], 1, "eu", &users[0], &err));
    OK(holter_users_add(world.store[1], &ids[1], 1, "us", &users[1], &err));
    for (size_t i = 0; i < 2; i++) {
        world.users[i] = users[i];
        OK(holter_source_need(store, users[i], "watch", &number, &err));
    }
    TEXT_IS(commit(store, "heart_rate/1: 1=60 @1 heart_rate/1: 1=61"), "AA");
    TEXT_IS(ask(world.store[1], 0), "heart_rate/1: 1=60");
    TEXT_IS(ask(world.store[1], 1), "heart_rate/1: 1=61");
    for (size_t i = 0; i < 5; i++) {
        OK(holter_stat_shard(world.store[1], i, &stat, &err));
        ck_assert_str_eq(stat.region, i < 2 ? "eu" : "us");
        ck_assert_uint_eq(stat.shard, i < 2 ? i : i - 2);
        frames[i >= 2] += stat.memtable_frames;
    }
    ck_assert_uint_eq(frames[0], 1);
    ck_assert_uint_eq(frames[1], 1);
    FAILS(holter_stat_shard(store, 5, &stat, &err), HOLTER_NOT_FOUND, "5");
    for (size_t i = 0; i < 2; i++) { /* one shard flushed at a time */
        size_t shard;
        holter_compact_options one = { .to = HOLTER_HOT };
        OK(holter_user_shard(world.store[1], users[i], &shard, &err));
        ck_assert_int_eq(shard >= 2, i == 1);
        one.only_shard = 1 + shard;
        OK(holter_compact(world.store[1], &one, NULL, &err));
        frames[0] = 0;
        for (size_t s = 0; s < 5; s++) {
            OK(holter_stat_shard(world.store[1], s, &stat, &err));
            frames[0] += stat.memtable_frames;
        }
        ck_assert_uint_eq(frames[0], 1 - i);
    }
    size_t none;
    FAILS(holter_user_shard(store, 1, &none, &err), HOLTER_NOT_FOUND, "user");
    FAILS(holter_compact(store, &(holter_compact_options){ .only_shard = 6 }, NULL, &err),
          HOLTER_NOT_FOUND, "5");
    flush(world.store[1]);
    verify(store);
    world_release();
}
END_TEST

/* ---- metrics --------------------------------------------------------------------------------- */

START_TEST(what_one_handle_defines_another_sees_at_once)
{
    static const char *const labels[] = { "low", "high" };
    holter_metric metric = { .name = "worry",
                             .unit = "1",
                             .kind = HOLTER_INSTANT,
                             .field_count = 2,
                             .key_field = -1,
                             .aggregation = HOLTER_LAST,
                             .tier_class = HOLTER_RECORDS };
    holter_metric found, other;
    uint32_t number, again;
    int64_t value;
    metric.fields[0] =
        (holter_field){ .name = "level", .type = HOLTER_ENUM, .labels = labels, .label_count = 2 };
    metric.fields[1] = (holter_field){ .name = "weight", .type = HOLTER_INT, .exponent = -3 };
    world_init(NULL, NULL);
    OK(world_open(1));
    world.options.read_only = 1;
    OK(world_open(2));
    size_t count = holter_metric_count(world.store[1]);
    FAILS(holter_metric_find(world.store[1], "worry", &found, &err), HOLTER_NOT_FOUND, "worry");
    OK(holter_metric_define(world.store[0], &metric, &number, &err));
    for (size_t at = 1; at < 3; at++) {
        OK(holter_metric_find(world.store[at], "worry", &found, &err));
        ck_assert_uint_eq(found.number, number);
        ck_assert_uint_eq(found.fields[0].label_count, 2);
        ck_assert_str_eq(found.fields[0].labels[1], "high");
        ck_assert_int_eq(found.fields[1].exponent, -3);
        ck_assert_int_eq(found.key_field, -1);
        ck_assert_uint_eq(holter_metric_count(world.store[at]), count + 1);
    }
    OK(holter_metric_define(world.store[1], &metric, &again, &err)); /* an equal one */
    ck_assert_uint_eq(again, number);
    OK(holter_metric_add_label(world.store[1], number, 0, "panic", &value, &err));
    ck_assert_int_eq(value, 2);
    OK(holter_metric_add_label(world.store[0], number, 0, "high", &value, &err));
    ck_assert_int_eq(value, 1);
    OK(holter_metric_by_number(world.store[2], number, &other, &err));
    ck_assert_uint_eq(other.fields[0].label_count, 3);
    ck_assert_str_eq(other.fields[0].labels[2], "panic");
    ck_assert_uint_eq(found.fields[0].label_count, 2); /* borrowed until the store is closed */
    ck_assert_str_eq(found.fields[0].labels[1], "high");
    TEXT_IS(commit(world.store[0], "worry/1: 5=panic,0.125"), "A");
    TEXT_IS(ask(world.store[2], 0), "worry/1: 5=panic,0.125");

    metric.fields[1].exponent = -2;
    FAILS(holter_metric_define(world.store[1], &metric, &again, &err), HOLTER_EXISTS, "worry");
    FAILS(holter_metric_define(world.store[2], &metric, &again, &err), HOLTER_INVALID, "reading");
    FAILS(holter_metric_define(world.store[0], NULL, &again, &err), HOLTER_INVALID, "metric");
    metric.name = "Worry";
    FAILS(holter_metric_define(world.store[0], &metric, &again, &err), HOLTER_INVALID, "name");
    metric.name = NULL;
    FAILS(holter_metric_define(world.store[0], &metric, &again, &err), HOLTER_INVALID, "name");
    metric.name = "w";
    metric.fields[1].exponent = 19;
    FAILS(holter_metric_define(world.store[0], &metric, &again, &err), HOLTER_INVALID, "19");
    metric.fields[1].exponent = 0;
    metric.key_field = 2;
    FAILS(holter_metric_define(world.store[0], &metric, &again, &err), HOLTER_INVALID, "key");
    metric.key_field = -1;
    metric.field_count = 0;
    FAILS(holter_metric_define(world.store[0], &metric, &again, &err), HOLTER_INVALID, "fields");
    metric.field_count = 9;
    FAILS(holter_metric_define(world.store[0], &metric, &again, &err), HOLTER_INVALID, "fields");
    FAILS(holter_metric_add_label(world.store[0], number, 1, "x", &value, &err), HOLTER_INVALID,
          "");
    FAILS(holter_metric_add_label(world.store[0], number, 7, "x", &value, &err), HOLTER_INVALID,
          "");
    FAILS(holter_metric_add_label(world.store[0], 99999, 0, "x", &value, &err), HOLTER_NOT_FOUND,
          "");
    FAILS(holter_metric_add_label(world.store[0], number, 0, NULL, &value, &err), HOLTER_INVALID,
          "label");
    FAILS(holter_metric_at(world.store[0], count + 1, &found, &err), HOLTER_NOT_FOUND, "index");
    FAILS(holter_metric_by_number(world.store[0], 0, &found, &err), HOLTER_NOT_FOUND, "number 0");
    FAILS(holter_metric_find(world.store[0], NULL, &found, &err), HOLTER_NOT_FOUND, "metric");
    uint32_t before = 0;
    for (size_t i = 0; i <= count; i++) {
        OK(holter_metric_at(world.store[1], i, &found, &err));
        ck_assert_uint_gt(found.number, before);
        before = found.number;
    }
    world_release();
}
END_TEST

/* ---- users and sources ----------------------------------------------------------------------- */

START_TEST(users_of_one_handle_are_users_of_all)
{
    static const char bad[] = { WORLD_ID "\xff" };
    char large[HOLTER_USER_ID_BYTES_MAX + 2];
    char id[HOLTER_USER_ID_BYTES_MAX + 1];
    const holter_id ids[] = { { WORLD_ID "-new", 8 },
                              { WORLD_ID "-0@example.org", 0 },
                              { WORLD_ID "-new", 8 } };
    uint64_t users[3], user;
    size_t bytes;
    int erased = 9;
    memset(large, 'm', sizeof large);
    world_init(NULL, NULL);
    OK(world_open(1));
    size_t count = holter_user_count(world.store[1]);
    ck_assert_uint_eq(count, WORLD_USERS);
    holter_id known = ids[1];
    known.count = strlen(known.bytes);
    holter_id asked[] = { ids[0], known, ids[2] };
    OK(holter_users_add(world.store[0], asked, 3, NULL, users, &err));
    ck_assert_uint_eq(users[0], users[2]);
    ck_assert_uint_eq(users[1], world.users[0]);
    ck_assert_uint_eq(holter_user_count(world.store[1]), count + 1);
    OK(holter_user_find(world.store[1], WORLD_ID "-new", 8, &user, &err));
    ck_assert_uint_eq(user, users[0]);
    OK(holter_user_id(world.store[1], user, id, &bytes, &err));
    ck_assert_str_eq(id, WORLD_ID "-new");
    ck_assert_uint_eq(bytes, 8);
    OK(holter_user_at(world.store[1], count, &user, &erased, &err));
    ck_assert_uint_eq(user, users[0]);
    ck_assert_int_eq(erased, 0);
    OK(holter_users_add(world.store[0], NULL, 0, NULL, NULL, &err));
    FAILS(holter_user_at(world.store[1], count + 1, &user, &erased, &err), HOLTER_NOT_FOUND, "");
    FAILS(holter_user_find(world.store[0], WORLD_ID "-?", 6, &user, &err), HOLTER_NOT_FOUND, "");
    FAILS(holter_user_find(world.store[0], WORLD_ID, 0, &user, &err), HOLTER_INVALID, "");
    FAILS(holter_user_find(world.store[0], bad, sizeof bad - 1, &user, &err), HOLTER_INVALID, "");
    FAILS(holter_user_find(world.store[0], large, 129, &user, &err), HOLTER_INVALID, "");
    FAILS(holter_user_id(world.store[0], 5, id, &bytes, &err), HOLTER_NOT_FOUND, "");
    asked[0] = (holter_id){ WORLD_ID "-newer", 10 };
    asked[1] = (holter_id){ large, 129 };
    FAILS(holter_users_add(world.store[0], asked, 2, NULL, users, &err), HOLTER_INVALID, "");
    FAILS(holter_user_find(world.store[0], WORLD_ID "-newer", 10, &user, &err), HOLTER_NOT_FOUND,
          "");
    OK(holter_users_add(world.store[1], &(holter_id){ large, 128 }, 1, NULL, users, &err));
    OK(holter_user_id(world.store[0], users[0], id, &bytes, &err));
    ck_assert_uint_eq(bytes, 128);
    world_release();
}
END_TEST

/* One publishing after the other, of vault and catalog, by two handles in turn. */
START_TEST(each_of_many_changes_is_seen_at_once)
{
    enum { CHANGES = 9 };
    char id[16], label[16];
    uint64_t user, found;
    int64_t value;
    holter_metric stage;
    world_init(NULL, NULL);
    OK(world_open(1));
    world.options.read_only = 1;
    OK(world_open(2));
    uint32_t metric = metric_number(world.store[0], "sleep_stage");
    for (size_t i = 0; i < CHANGES; i++) {
        holter_store *one = world.store[i / 2 % 2];
        snprintf(id, sizeof id, WORLD_ID "-%zu", 100 + i);
        snprintf(label, sizeof label, "kind %zu", i);
        OK(holter_users_add(one, &(holter_id){ id, strlen(id) }, 1, NULL, &user, &err));
        for (size_t at = 0; at < 3; at++) {
            OK(holter_user_find(world.store[at], id, strlen(id), &found, &err));
            ck_assert_uint_eq(found, user);
        }
        OK(holter_metric_add_label(one, metric, 0, label, &value, &err));
        for (size_t at = 0; at < 3; at++) {
            OK(holter_metric_by_number(world.store[at], metric, &stage, &err));
            ck_assert_uint_eq(stage.fields[0].label_count, (uint64_t)value + 1);
        }
    }
    world_release();
}
END_TEST

START_TEST(sources_are_seen_by_all_and_read_back_whole)
{
    const holter_setting settings[] = { { .metric = 1, .priority = 5, .period_ns = SECOND },
                                        { .metric = 10, .priority = -2 } };
    char large[HOLTER_SOURCE_NAME_BYTES_MAX + 2] = { 0 };
    holter_source source = { .name = "AB:CD",
                             .type = "ring",
                             .model = "R2",
                             .firmware = "1.0",
                             .registered_ns = 77,
                             .settings = settings,
                             .setting_count = 2 };
    holter_source *read;
    uint32_t number, other;
    size_t count;
    world_init(NULL, NULL);
    OK(world_open(1));
    uint64_t user = world.users[0];
    holter_store *a = world.store[0], *b = world.store[1];
    OK(holter_source_put(a, user, &source, &number, &err));
    ck_assert_uint_eq(number, 3);
    OK(holter_source_find(b, user, "AB:CD", &other, &err));
    ck_assert_uint_eq(other, 3);
    OK(holter_source_need(b, user, "AB:CD", &other, &err));
    ck_assert_uint_eq(other, 3);
    OK(holter_source_count(b, user, &count, &err));
    ck_assert_uint_eq(count, 3);
    OK(holter_source_read(b, user, 3, &read, &err));
    ck_assert_uint_eq(read->number, 3);
    ck_assert_str_eq(read->name, "AB:CD");
    ck_assert_str_eq(read->type, "ring");
    ck_assert_str_eq(read->model, "R2");
    ck_assert_str_eq(read->firmware, "1.0");
    ck_assert_int_eq(read->registered_ns, 77);
    ck_assert_int_eq(read->retired, 0);
    ck_assert_uint_eq(read->setting_count, 2);
    ck_assert_uint_eq(read->settings[0].metric, 1);
    ck_assert_int_eq(read->settings[0].priority, 5);
    ck_assert_int_eq(read->settings[0].period_ns, SECOND);
    ck_assert_int_eq(read->settings[1].priority, -2);
    holter_source_free(read);
    FAILS(holter_source_put(b, user, &source, &number, &err), HOLTER_EXISTS, "");
    source.number = 3;
    source.retired = 1;
    source.model = NULL;
    source.setting_count = 0;
    OK(holter_source_put(b, user, &source, NULL, &err));
    OK(holter_source_read(a, user, 3, &read, &err));
    ck_assert_int_eq(read->retired, 1);
    ck_assert_str_eq(read->model, "");
    ck_assert_uint_eq(read->setting_count, 0);
    holter_source_free(read);
    TEXT_IS(commit(a, "heart_rate/3: 1=60"), "A");

    source.number = 9;
    FAILS(holter_source_put(a, user, &source, &number, &err), HOLTER_NOT_FOUND, "9");
    source.number = 0;
    source.name = "";
    FAILS(holter_source_put(a, user, &source, &number, &err), HOLTER_INVALID, "name");
    source.name = NULL;
    FAILS(holter_source_put(a, user, &source, &number, &err), HOLTER_INVALID, "name");
    memset(large, 'n', sizeof large - 1);
    source.name = large;
    FAILS(holter_source_put(a, user, &source, &number, &err), HOLTER_INVALID, "127");
    FAILS(holter_source_need(a, user, large, &number, &err), HOLTER_INVALID, "127");
    FAILS(holter_source_need(a, user, "", &number, &err), HOLTER_INVALID, "name");
    large[HOLTER_SOURCE_NAME_BYTES_MAX] = '\0';
    source.setting_count = 33;
    FAILS(holter_source_put(a, user, &source, &number, &err), HOLTER_INVALID, "32");
    source.setting_count = 0;
    OK(holter_source_put(a, user, &source, &number, &err));
    FAILS(holter_source_put(a, user, NULL, &number, &err), HOLTER_INVALID, "source");
    FAILS(holter_source_put(a, 5, &source, &number, &err), HOLTER_NOT_FOUND, "user #");
    FAILS(holter_source_need(a, 5, "x", &number, &err), HOLTER_NOT_FOUND, "user #");
    FAILS(holter_source_find(a, 5, "x", &number, &err), HOLTER_NOT_FOUND, "user #");
    FAILS(holter_source_find(a, user, "x", &number, &err), HOLTER_NOT_FOUND, "");
    FAILS(holter_source_find(a, user, NULL, &number, &err), HOLTER_INVALID, "name");
    FAILS(holter_source_count(a, 5, &count, &err), HOLTER_NOT_FOUND, "user #");
    FAILS(holter_source_read(a, user, 5, &read, &err), HOLTER_NOT_FOUND, "");
    FAILS(holter_source_read(a, user, 0, &read, &err), HOLTER_NOT_FOUND, "");
    FAILS(holter_source_read(a, 5, 1, &read, &err), HOLTER_NOT_FOUND, "user #");
    ck_assert_ptr_null(read);
    world_release();
}
END_TEST

/* ---- erased users ---------------------------------------------------------------------------- */

/* Entries of outlines that the handle's shards keep. */
static size_t outlines_kept(const holter_store *store)
{
    size_t count = 0;
    for (size_t s = 0; s < store->regions[0].shard_count; s++) {
        if (store->regions[0].shards[s] != NULL)
            count += shard_outlines_stat(shard_outlines_of(store->regions[0].shards[s])).count;
    }
    return count;
}

START_TEST(what_was_read_of_an_erased_user_is_kept_by_nobody)
{
    holter_snapshot *snapshot;
    size_t kept[2];
    world_init(&(holter_create_options){ .shards = 2, .no_sealing = _i == 1 }, NULL);
    OK(world_open(1));
    TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60 @1 heart_rate/1: 1=61"), "AA");
    compact(world.store[0]);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 2=60 @1 heart_rate/1: 2=61"), "AA");
    flush(world.store[0]);
    for (size_t at = 0; at < 2; at++) {
        TEXT_IS(ask(world.store[at], 1), "heart_rate/1: 1=61 2=61");
        kept[at] = outlines_kept(world.store[at]);
        ck_assert_uint_ge(kept[at], 2);
        TEXT_IS(ask(world.store[at], 0), "heart_rate/1: 1=60 2=60");
        ck_assert_uint_gt(outlines_kept(world.store[at]), kept[at]);
    }
    world_erase(world.store[0], world.users[0]);
    ck_assert_uint_eq(outlines_kept(world.store[0]), kept[0]);
    OK(holter_snapshot_open(&snapshot, world.store[1], &err)); /* any call */
    ck_assert_uint_eq(outlines_kept(world.store[1]), kept[1]);
    holter_snapshot_close(snapshot);
    for (size_t at = 0; at < 2; at++)
        TEXT_IS(ask(world.store[at], 1), "heart_rate/1: 1=61 2=61");
    world_release();
}
END_TEST

START_TEST(an_erased_user_is_gone_everywhere)
{
    char id[HOLTER_USER_ID_BYTES_MAX + 1];
    size_t bytes;
    uint32_t number;
    uint64_t user, again;
    int is_erased;
    holter_snapshot *before, *snapshot;
    holter_cursor *cursor;
    holter_source *source;
    holter_stat stat;
    world_init(&(holter_create_options){ .shards = 1, .no_sealing = _i == 1 }, NULL);
    OK(world_open(1));
    holter_store *a = world.store[0], *b = world.store[1];
    /* Rows in a warm file, in a hot one, and in the log: tailed by the other handle only. */
    TEXT_IS(commit(a, "heart_rate/1: 1=60 @1 heart_rate/1: 1=61"), "AA");
    compact(a);
    TEXT_IS(commit(a, "heart_rate/1: 2=60 @1 heart_rate/1: 2=61"), "AA");
    flush(b);
    TEXT_IS(commit(a, "heart_rate/1: 3=60 x1..2 @1 heart_rate/1: 3=61"), "AA");
    OK(holter_snapshot_open(&before, b, &err));
    holter_batch *batch = batch_new(b, _i, 0);
    OK(batch_fill(batch, "heart_rate/1: 4=60 @1 heart_rate/1: 4=61"));

    user = world.users[0];
    world_erase(a, user);
    FAILS(holter_commit(b, batch, &err), HOLTER_EXPIRED, "erased");
    TEXT_IS(batch_answers(batch), _i == 1 ? "PN" : "PA");
    FAILS(holter_commit(b, batch, &err), HOLTER_EXPIRED, "erased");
    holter_batch_clear(batch);
    OK(batch_fill(batch, "@1 heart_rate/1: 5=61"));
    OK(holter_commit(b, batch, &err));
    for (size_t at = 0; at < 2; at++) {
        holter_store *store = world.store[at];
        holter_batch *fresh = batch_new(store, 0, 0);
        FAILS(batch_fill(fresh, "heart_rate/1: 4=60"), HOLTER_EXPIRED, "erased");
        FAILS(batch_fill(fresh, "*/0: x1..2"), HOLTER_EXPIRED, "erased");
        holter_batch_free(fresh);
        OK(holter_snapshot_open(&snapshot, store, &err));
        FAILS(holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = user }, &err),
              HOLTER_EXPIRED, "erased");
        ck_assert_ptr_null(cursor);
        FAILS(holter_latest(&cursor, snapshot, user, 1, 1, &err), HOLTER_EXPIRED, "erased");
        holter_snapshot_close(snapshot);
        FAILS(holter_user_id(store, user, id, &bytes, &err), HOLTER_EXPIRED, "erased");
        FAILS(holter_source_find(store, user, "watch", &number, &err), HOLTER_EXPIRED, "erased");
        FAILS(holter_source_need(store, user, "watch", &number, &err), HOLTER_EXPIRED, "erased");
        FAILS(holter_source_read(store, user, 1, &source, &err), HOLTER_EXPIRED, "erased");
        FAILS(holter_user_find(store, WORLD_ID "-0@example.org", strlen(WORLD_ID "-0@example.org"),
                               &again, &err),
              HOLTER_NOT_FOUND, "");
        OK(holter_user_at(store, 0, &again, &is_erased, &err));
        ck_assert_uint_eq(again, user);
        ck_assert_int_eq(is_erased, 1);
        OK(holter_stat_read(store, &stat, &err));
        ck_assert_uint_eq(stat.erased_users, 1);
        ck_assert_uint_eq(stat.users, WORLD_USERS - 1);
        TEXT_IS(ask(store, 1), "heart_rate/1: 1=61 2=61 3=61 4=61 5=61");
        verify(store);
    }
    FAILS(holter_scan(&cursor, before, &(holter_scan_spec){ .user = user }, &err), HOLTER_EXPIRED,
          "erased");
    TEXT_IS(ask_snapshot(b, before, &(holter_scan_spec){ .user = world.users[1] }),
            "heart_rate/1: 1=61 2=61 3=61");
    holter_snapshot_close(before);
    flush(b);
    verify(a);
    compact(a);
    verify(b);
    TEXT_IS(ask(b, 1), "heart_rate/1: 1=61 2=61 3=61 4=61 5=61");

    /* The same person, should they come back, is another user. */
    OK(holter_users_add(b,
                        &(holter_id){ WORLD_ID "-0@example.org",
                                      strlen(WORLD_ID "-0@example.org") },
                        1, NULL, &again, &err));
    ck_assert_uint_ne(again, user);
    holter_batch_free(batch);
    world_release();
}
END_TEST

START_TEST(frames_and_sections_of_erased_users_alone_are_no_damage)
{
    world_init(&(holter_create_options){ .shards = 1 }, NULL);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60"), "A");
    if (_i > 0)
        flush(world.store[0]);
    if (_i > 1)
        compact(world.store[0]);
    world_erase(world.store[0], world.users[0]);
    world_end(0);
    OK(world_open(0));
    verify(world.store[0]);
    flush(world.store[0]);
    verify(world.store[0]);
    compact(world.store[0]);
    verify(world.store[0]);
    TEXT_IS(commit(world.store[0], "@1 heart_rate/1: 1=60"), "A");
    compact(world.store[0]);
    TEXT_IS(ask(world.store[0], 1), "heart_rate/1: 1=60");
    world_release();
}
END_TEST

/* ---- reading --------------------------------------------------------------------------------- */

static const struct scan_case {
    const char *metric; /* NULL: all */
    uint32_t source;
    int64_t from, to;
    int overlapping;
    const char *expected;
} scan_cases[] = {
    { NULL, 0, 0, 0, 0,
      "heart_rate/1: 10=60 20=61 30=62 heart_rate/2: 20=70 steps/1: 0+100=1 15+5=2 20+5=3" },
    { "heart_rate", 0, 0, 0, 0, "heart_rate/1: 10=60 20=61 30=62 heart_rate/2: 20=70" },
    { "heart_rate", 2, 0, 0, 0, "heart_rate/2: 20=70" },
    { NULL, 2, 0, 0, 0, "heart_rate/2: 20=70" },
    { "heart_rate", 3, 0, 0, 0, "" },
    { "weight", 0, 0, 0, 0, "" },
    { "heart_rate", 1, 10, 30, 0, "heart_rate/1: 10=60 20=61" },
    { "heart_rate", 1, 11, 31, 0, "heart_rate/1: 20=61 30=62" },
    { "heart_rate", 1, 20, 20, 0, "" },
    { "heart_rate", 1, HOLTER_TIME_MIN, 20, 0, "heart_rate/1: 10=60" },
    { "heart_rate", 1, 20, HOLTER_TIME_MAX, 0, "heart_rate/1: 20=61 30=62" },
    { "heart_rate", 1, 21, 29, 1, "" },
    { "steps", 1, 20, 30, 0, "steps/1: 20+5=3" },
    { "steps", 1, 20, 30, 1, "steps/1: 0+100=1 20+5=3" }, /* 15+5 ends at 20 */
    { "steps", 1, 19, 20, 1, "steps/1: 0+100=1 15+5=2" },
    { "steps", 1, 99, 200, 1, "steps/1: 0+100=1" },
    { "steps", 1, 100, 200, 1, "" },
    { "steps", 0, 50, 60, 1, "steps/1: 0+100=1" },
    { NULL, 0, 20, 21, 0, "heart_rate/1: 20=61 heart_rate/2: 20=70 steps/1: 20+5=3" },
};

START_TEST(a_scan_gives_what_is_asked_for)
{
    const struct scan_case *one = &scan_cases[_i % (int)CORE_COUNT(scan_cases)];
    int place = _i / (int)CORE_COUNT(scan_cases);
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    TEXT_IS(commit(store, "heart_rate/1: 30=62 10=60 steps/1: 0+100=1 20+5=3"), "AAAA");
    if (place > 0)
        flush(store);
    TEXT_IS(commit(store, "heart_rate/1: 20=61 heart_rate/2: 20=70 steps/1: 15+5=2"), "AAA");
    if (place == 2)
        compact(store);
    holter_scan_spec spec = { .user = world.users[0],
                              .source = one->source,
                              .from_ns = one->from,
                              .to_ns = one->to,
                              .overlapping = one->overlapping };
    if (one->metric != NULL)
        spec.metric = metric_number(store, one->metric);
    TEXT_IS(ask_spec(store, &spec), one->expected);
    world_release();
}
END_TEST

START_TEST(a_wrong_question_is_told)
{
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    holter_columns columns;
    world_init(NULL, NULL);
    OK(holter_snapshot_open(&snapshot, world.store[0], &err));
    uint64_t user = world.users[0];
#define SCANS(status, says, ...)                                                                   \
    FAILS(holter_scan(&cursor, snapshot, &(holter_scan_spec){ __VA_ARGS__ }, &err), status, says); \
    ck_assert_ptr_null(cursor)
    SCANS(HOLTER_NOT_FOUND, "user #", .user = 5);
    SCANS(HOLTER_NOT_FOUND, "99999", .user = user, .metric = 99999);
    SCANS(HOLTER_INVALID, "before", .user = user, .from_ns = 2, .to_ns = 1);
    SCANS(HOLTER_INVALID, "reserved", .user = user, .reserved = { 1 });
    const uint32_t rate = metric_number(world.store[0], "heart_rate");
    const uint32_t weight = metric_number(world.store[0], "weight");
    const uint32_t note = metric_number(world.store[0], "note");
    const holter_filter narrow = { .min.integer = 1, .max.integer = 0 };
    const holter_filter no_number = { .min.real = NAN, .max.real = 1 };
    const holter_filter beyond = { .field = 1 };
    SCANS(HOLTER_INVALID, "every metric", .user = user, .filters = &beyond, .filter_count = 1);
    SCANS(HOLTER_NOT_FOUND, "99999", .user = user, .metric = 99999, .filters = &beyond,
          .filter_count = 1);
    SCANS(HOLTER_INVALID, "one beyond", .user = user, .metric = rate, .filters = &beyond,
          .filter_count = 1);
    SCANS(HOLTER_INVALID, "nothing can pass", .user = user, .metric = rate, .filters = &narrow,
          .filter_count = 1);
    SCANS(HOLTER_INVALID, "nothing can pass", .user = user, .metric = weight, .filters = &no_number,
          .filter_count = 1);
    SCANS(HOLTER_INVALID, "is a text", .user = user, .metric = note, .filters = &narrow,
          .filter_count = 1);
    SCANS(HOLTER_INVALID, "at most 8", .user = user, .metric = rate, .filters = &narrow,
          .filter_count = 9);
    SCANS(HOLTER_INVALID, "there are none", .user = user, .metric = rate, .filter_count = 1);
#undef SCANS
    FAILS(holter_scan(&cursor, snapshot, NULL, &err), HOLTER_INVALID, "scan");
    FAILS(holter_latest(&cursor, snapshot, 5, 1, 0, &err), HOLTER_NOT_FOUND, "user #");
    FAILS(holter_latest(&cursor, snapshot, user, 99999, 0, &err), HOLTER_NOT_FOUND, "99999");
    FAILS(holter_latest(&cursor, snapshot, user, 0, 0, &err), HOLTER_INVALID, "metric");
    OK(holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = user }, &err));
    FAILS(holter_cursor_next(cursor, NULL, &err), HOLTER_INVALID, "rows");
    ck_assert_int_eq(holter_cursor_next(cursor, &columns, &err), HOLTER_DONE);
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    world_release();
}
END_TEST

START_TEST(the_latest_row_is_the_newest_that_stands)
{
    world_init(NULL, NULL);
    holter_store *store = world.store[0];
    TEXT_IS(ask_latest(store, 0, "heart_rate", 0), "");
    TEXT_IS(commit(store, "heart_rate/1: 10=60 30=61 heart_rate/2: 30=70 20=71 weight/1: 99=70"),
            "AAAAA");
    for (int place = 0; place < 3; place++) {
        TEXT_IS(ask_latest(store, 0, "heart_rate", 0), "heart_rate/2: 30=70"); /* times tie */
        TEXT_IS(ask_latest(store, 0, "heart_rate", 1), "heart_rate/1: 30=61");
        TEXT_IS(ask_latest(store, 0, "heart_rate", 3), "");
        TEXT_IS(ask_latest(store, 0, "steps", 0), "");
        TEXT_IS(ask_latest(store, 1, "heart_rate", 0), "");
        if (place == 0)
            flush(store);
        else
            compact(store);
    }
    TEXT_IS(commit(store, "heart_rate/2: x30..31"), "");
    TEXT_IS(ask_latest(store, 0, "heart_rate", 0), "heart_rate/1: 30=61");
    TEXT_IS(commit(store, "heart_rate/0: x30..max"), "");
    flush(store);
    TEXT_IS(ask_latest(store, 0, "heart_rate", 0), "heart_rate/2: 20=71");
    TEXT_IS(commit(store, "*/0: xmin..max"), "");
    TEXT_IS(ask_latest(store, 0, "heart_rate", 0), "");
    compact(store);
    TEXT_IS(ask_latest(store, 0, "heart_rate", 0), "");
    TEXT_IS(commit(store, "heart_rate/2: 5=71"), "A");
    TEXT_IS(ask_latest(store, 0, "heart_rate", 0), "heart_rate/2: 5=71");
    world_release();
}
END_TEST

START_TEST(a_snapshot_stays_as_it_was)
{
    enum { ROUNDS = 8 };
    holter_snapshot *snapshots[ROUNDS];
    char *expected[ROUNDS];
    holter_cursor *begun;
    world_init(&(holter_create_options){ .shards = 1 },
               &(holter_options){ .log_file_bytes = 64 << 10 });
    OK(world_open(1));
    const holter_scan_spec spec = { .user = world.users[0] };
    for (int r = 0; r < ROUNDS; r++) {
        char text[256];
        holter_store *writer = world.store[r % 2];
        snprintf(text, sizeof text, "heart_rate/1: %d=60 %d=61 5=%d steps/2: %d+9=1%s", 10 * r,
                 10 * r + 1, 60 + r, r, r % 3 == 2 ? " heart_rate/1: x10..21" : "");
        commit(writer, text);
        OK(holter_snapshot_open(&snapshots[r], world.store[1], &err));
        expected[r] = strdup(ask(world.store[0], 0));
        if (r == 1)
            OK(holter_scan(&begun, snapshots[1], &spec, &err));
        if (r == 3)
            flush(world.store[0]);
        else if (r == 4)
            compact(world.store[1]);
        else if (r == 6)
            compact(world.store[0]);
    }
    flush(world.store[0]);
    compact(world.store[0]);
    TEXT_IS(drain(world.store[1], begun), expected[1]);
    for (int r = ROUNDS; r-- > 0;) {
        TEXT_IS(ask_snapshot(world.store[1], snapshots[r], &spec), expected[r]);
        verify(world.store[0]);
    }
    for (int r = 0; r < ROUNDS; r++) {
        TEXT_IS(ask_snapshot(world.store[1], snapshots[r], &spec), expected[r]);
        holter_snapshot_close(snapshots[r]);
        free(expected[r]);
    }
    world_release();
}
END_TEST

START_TEST(many_rows_come_in_batches_of_at_most_4096)
{
    enum { ROWS = 3 * 4096 + 5 };
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    holter_columns columns;
    world_init(&(holter_create_options){ .shards = 1 },
               &(holter_options){ .log_file_bytes = 64 << 10 });
    holter_store *store = world.store[0];
    holter_batch *batch = batch_new(store, 0, 0);
    for (int64_t i = 0; i < ROWS; i++) {
        holter_value value = { .integer = 60 + i % 100 };
        holter_row row = { .user = world.users[0],
                           .metric = 1,
                           .source = 1,
                           .time_ns = (i * 7919) % ROWS * SECOND, /* in no order */
                           .values = &value,
                           .value_count = 1 };
        value.integer = 60 + row.time_ns / SECOND % 100;
        OK(holter_batch_add(batch, &row, NULL, &err));
    }
    OK(holter_commit(store, batch, &err));
    for (size_t i = 0; i < ROWS; i++)
        CHECK(holter_batch_answer(batch, i).answer == HOLTER_ACCEPTED);
    holter_batch_free(batch);
    for (int place = 0; place < 3; place++) {
        int64_t next = 0;
        OK(holter_snapshot_open(&snapshot, store, &err));
        OK(holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = world.users[0] }, &err));
        while (holter_cursor_next(cursor, &columns, &err) == HOLTER_OK) {
            CHECK(columns.count > 0 && columns.count <= 4096);
            CHECK(columns.kind == HOLTER_INSTANT && columns.duration_ns == NULL);
            CHECK(columns.user == world.users[0] && columns.metric == 1 && columns.source == 1);
            for (size_t i = 0; i < columns.count; i++, next++) {
                CHECK(columns.time_ns[i] == next * SECOND);
                CHECK(columns.fields[0].integer[i] == 60 + next % 100);
                CHECK(columns.flags[i] == 0 && columns.revision[i] == 0);
            }
        }
        ck_assert_int_eq(next, ROWS);
        holter_cursor_close(cursor);
        holter_snapshot_close(snapshot);
        if (place == 0)
            flush(store);
        else
            compact(store);
    }
    verify(store);
    world_release();
}
END_TEST

/* ---- upkeep ---------------------------------------------------------------------------------- */

static holter_shard_stat stat_of(holter_store *store)
{
    holter_shard_stat stat;
    OK(holter_stat_shard(store, 0, &stat, &err));
    return stat;
}

START_TEST(figures_follow_what_is_done)
{
    holter_stat stat;
    uint64_t rows = 99;
    holter_compact_result result;
    world_init(&(holter_create_options){ .shards = 1 }, NULL);
    holter_store *store = world.store[0];
    OK(holter_stat_read(store, &stat, &err));
    ck_assert_int_eq(stat.direct, 1);
    OK(holter_flush(store, &rows, &err)); /* of nothing */
    ck_assert_uint_eq(rows, 0);
    for (int i = 0; i < 50; i++) {
        char text[64];
        snprintf(text, sizeof text, "@%d heart_rate/1: %d=60", i % 2, i);
        commit(store, text);
    }
    holter_shard_stat shard = stat_of(store);
    ck_assert_uint_eq(shard.memtable_frames, 50);
    ck_assert_uint_eq(shard.next_sequence, 51);
    ck_assert_uint_eq(shard.pins, 0);
    ck_assert_uint_gt(shard.memtable_bytes, 0);
    ck_assert_uint_gt(shard.log_bytes, 50 * 4096 - 1);
    holter_snapshot *snapshot;
    OK(holter_snapshot_open(&snapshot, store, &err));
    ck_assert_uint_eq(stat_of(store).pins, 1);
    holter_snapshot_close(snapshot);
    OK(holter_flush(store, &rows, &err));
    ck_assert_uint_eq(rows, 50);
    shard = stat_of(store);
    ck_assert_uint_eq(shard.memtable_frames, 0);
    ck_assert_uint_eq(shard.memtable_bytes, 0);
    ck_assert_uint_eq(shard.log_bytes, 0);
    ck_assert_uint_eq(shard.flushed_sequence, 51);
    ck_assert_uint_eq(shard.tiers[HOLTER_HOT].files, 1);
    ck_assert_uint_eq(shard.tiers[HOLTER_HOT].rows, 50);
    commit(store, "heart_rate/1: x0..10^3");
    OK(holter_compact(store, &(holter_compact_options){ .to = HOLTER_HOT }, &result, &err));
    ck_assert_uint_eq(result.jobs, 0);
    ck_assert_uint_ge(stat_of(store).tombstones, 1);
    OK(holter_compact(store, &(holter_compact_options){ .to = HOLTER_WARM }, &result, &err));
    ck_assert_uint_gt(result.jobs, 0);
    ck_assert_uint_gt(result.files_in, 0);
    ck_assert_uint_ge(result.rows_in, 50);
    shard = stat_of(store);
    ck_assert_uint_eq(shard.tiers[HOLTER_HOT].rows, 0);
    ck_assert_uint_eq(shard.tiers[HOLTER_WARM].rows, 45);
    OK(holter_compact(store, &(holter_compact_options){ .to = HOLTER_COLD }, &result, &err));
    ck_assert_uint_gt(result.jobs, 0);
    OK(holter_compact(store, &(holter_compact_options){ .to = HOLTER_WARM }, &result, &err));
    ck_assert_uint_eq(result.jobs, 0); /* what is cold stays cold */
    shard = stat_of(store);
    ck_assert_uint_eq(shard.tiers[HOLTER_WARM].files, 0);
    ck_assert_uint_eq(shard.tiers[HOLTER_COLD].rows, 45);
    FAILS(holter_compact(store, &(holter_compact_options){ .to = (holter_tier)4 }, NULL, &err),
          HOLTER_INVALID, "tier");
    FAILS(holter_compact(store, &(holter_compact_options){ .reserved = { 1 } }, NULL, &err),
          HOLTER_INVALID, "reserved");
    OK(holter_stat_read(store, &stat, &err));
    ck_assert_uint_eq(stat.users, WORLD_USERS);
    ck_assert_uint_eq(stat.shard_count, 1);
    ck_assert_int_eq(stat.sealed, 1);
    ck_assert_uint_gt(stat.metrics, 40);
    ck_assert_uint_eq(stat.format_major, HOLTER_FORMAT_MAJOR);
    world_release();
}
END_TEST

static int stop_at_once(void *context, uint64_t rows_done, uint64_t rows_all)
{
    (void)rows_done;
    (void)rows_all;
    ++*(int *)context;
    return 0;
}

START_TEST(compaction_stops_when_told_and_is_begun_anew)
{
    int calls = 0;
    holter_compact_options options = { .to = HOLTER_WARM,
                                       .progress = stop_at_once,
                                       .context = &calls };
    world_init(&(holter_create_options){ .shards = 1 }, NULL);
    holter_store *store = world.store[0];
    commit(store, "heart_rate/1: 1=60 2=60");
    FAILS(holter_compact(store, &options, NULL, &err), HOLTER_BUSY, "");
    ck_assert_int_gt(calls, 0);
    ck_assert_uint_eq(stat_of(store).tiers[HOLTER_WARM].files, 0);
    compact(store);
    ck_assert_uint_eq(stat_of(store).tiers[HOLTER_WARM].files, 1);
    TEXT_IS(ask(store, 0), "heart_rate/1: 1=60 2=60");
    verify(store);
    world_release();
}
END_TEST

START_TEST(commits_flush_by_themselves)
{
    static const holter_options limits[] = { { .memory_bytes_max = 20000 },
                                             { .log_bytes_flush = 100000 },
                                             { .memory_bytes_max = 1, .no_auto_flush = 1 } };
    bool has_flushed = false;
    holter_options options = limits[_i];
    options.log_file_bytes = 64 << 10;
    world_init(&(holter_create_options){ .shards = 1 }, &options);
    OK(world_open(1));
    for (int i = 0; i < 60; i++) {
        char text[2048];
        size_t at = (size_t)snprintf(text, sizeof text, "heart_rate/1:");
        for (int row = 0; row < 20; row++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %d=60", 20 * i + row);
        commit(world.store[i % 2], text);
        holter_shard_stat stat = stat_of(world.store[0]);
        has_flushed = has_flushed || stat.tiers[HOLTER_HOT].files > 0;
        if (_i == 0)
            ck_assert_uint_le(stat.memtable_bytes, 20000);
        if (_i == 1)
            ck_assert_uint_le(stat.log_bytes, 100000 + (64 << 10));
    }
    ck_assert_int_eq(has_flushed, _i != 2);
    holter_columns columns;
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    OK(holter_snapshot_open(&snapshot, world.store[0], &err));
    OK(holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = world.users[0] }, &err));
    size_t rows = 0;
    while (holter_cursor_next(cursor, &columns, &err) == HOLTER_OK)
        rows += columns.count;
    ck_assert_uint_eq(rows, 1200);
    holter_cursor_close(cursor);
    holter_snapshot_close(snapshot);
    verify(world.store[0]);
    world_release();
}
END_TEST

START_TEST(a_read_only_handle_follows_and_writes_nothing)
{
    uint64_t users[1];
    uint32_t number;
    world_init(&(holter_create_options){ .shards = 2 }, NULL);
    holter_store *writer = world.store[0];
    world.options.read_only = 1;
    OK(world_open(1));
    holter_store *reader = world.store[1];
    holter_batch *batch;
    const holter_id known = { WORLD_ID "-1@example.org", strlen(WORLD_ID "-1@example.org") };
    TEXT_IS(commit(writer, "heart_rate/1: 1=60"), "A");
    TEXT_IS(ask(reader, 0), "heart_rate/1: 1=60");
    flush(writer);
    TEXT_IS(commit(writer, "heart_rate/1: 2=60"), "A");
    TEXT_IS(ask(reader, 0), "heart_rate/1: 1=60 2=60");
    compact(writer);
    TEXT_IS(ask(reader, 0), "heart_rate/1: 1=60 2=60");
    verify(reader);

    OK(holter_batch_new(&batch, reader, NULL, &err));
    OK(batch_fill(batch, "heart_rate/1: 3=60"));
    FAILS(holter_commit(reader, batch, &err), HOLTER_INVALID, "reading only");
    TEXT_IS(batch_answers(batch), "P");
    holter_batch_free(batch);
    FAILS(holter_flush(reader, NULL, &err), HOLTER_INVALID, "reading only");
    FAILS(holter_compact(reader, NULL, NULL, &err), HOLTER_INVALID, "reading only");
    FAILS(holter_add_region(reader, "us", 1, &err), HOLTER_INVALID, "reading only");
    FAILS(holter_users_add(reader, &(holter_id){ WORLD_ID, 4 }, 1, NULL, users, &err),
          HOLTER_INVALID, "reading only");
    FAILS(holter_source_need(reader, world.users[0], "new", &number, &err), HOLTER_INVALID,
          "reading only");
    OK(holter_source_need(reader, world.users[0], "watch", &number, &err));
    OK(holter_users_add(reader, &known, 1, NULL, users, &err)); /* there is nothing to add */
    ck_assert_uint_eq(users[0], world.users[1]);
    world_release();
}
END_TEST

START_TEST(a_read_only_mount_is_read)
{
    world_init(&(holter_create_options){ .shards = 2, .no_sealing = _i == 1 }, NULL);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60 @1 heart_rate/2: 9=61"), "AA");
    flush(world.store[0]);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 2=60"), "A");
    world_end(0);
    sim_crash(world.sim, SIM_CRASH_DURABLE, 1);
    sim_read_only(world.sim, true);
    world.io[0] = sim_process_new(world.sim);
    FAILS(world_open(0), HOLTER_DENIED, "'");
    world.options.read_only = 1;
    OK(world_open(0));
    TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 2=60");
    TEXT_IS(ask(world.store[0], 1), "heart_rate/2: 9=61");
    verify(world.store[0]);
    world_release();
}
END_TEST

/* ---- opening again --------------------------------------------------------------------------- */

static void damage_heads(int how)
{
    struct io_names files;
    uint8_t garbage[4096];
    struct io *io = sim_process_new(world.sim);
    memset(garbage, how == 2 ? 0xa5 : 0, sizeof garbage);
    OK(sim_files(&files, world.sim));
    for (size_t i = 0; i < files.count; i++) {
        size_t bytes = strlen(files.name[i]);
        if (bytes < 5 || strcmp(files.name[i] + bytes - 5, "/head") != 0)
            continue;
        if (how == 0)
            OK(io_unlink(io, files.name[i], &err));
        else
            OK(sim_file_write(world.sim, files.name[i], garbage, how == 3 ? 100 : sizeof garbage));
    }
    io_names_release(&files);
    io_free(io);
}

/* head pages: removed, zeros, garbage, cut */
START_TEST(a_store_opens_without_its_head_pages)
{
    static const char expected[] = "heart_rate/1: 1=60 2=61 3=62";
    world_init(&(holter_create_options){ .shards = 2 }, NULL);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60"), "A");
    flush(world.store[0]);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 2=61"), "A");
    TEXT_IS(commit(world.store[0], "heart_rate/1: 3=62"), "A");
    if (_i < 4) {
        world_end(0);
    } else { /* the machine stops instead */
        sim_crash(world.sim, SIM_CRASH_DURABLE, 1);
        world_end(0);
    }
    damage_heads(_i % 4);
    world.options.read_only = 1;
    OK(world_open(1));
    TEXT_IS(ask(world.store[1], 0), expected);
    world.options.read_only = 0;
    OK(world_open(0));
    TEXT_IS(ask(world.store[0], 0), expected);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 4=63 @1 heart_rate/1: 4=63"), "AA");
    TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 2=61 3=62 4=63");
    verify(world.store[0]);
    world_end(1);
    world.options.read_only = 1;
    OK(world_open(1));
    TEXT_IS(ask(world.store[1], 0), "heart_rate/1: 1=60 2=61 3=62 4=63");
    TEXT_IS(ask(world.store[1], 1), "heart_rate/1: 4=63");
    verify(world.store[1]);
    world_release();
}
END_TEST

START_TEST(closing_and_opening_changes_nothing)
{
    char *expected = NULL;
    world_init(&(holter_create_options){ .shards = 1, .no_sealing = _i == 1 },
               &(holter_options){ .log_file_bytes = 64 << 10 });
    for (int round = 0; round < 12; round++) {
        char text[256];
        snprintf(text, sizeof text,
                 "heart_rate/1: %d=60 7=%d medication_dose/2: 5=drug%d,1 note/1: %d=x", round,
                 60 + round, round, round);
        commit(world.store[0], text);
        if (round % 5 == 1)
            flush(world.store[0]);
        if (round % 5 == 3)
            compact(world.store[0]);
        expected = strdup(ask(world.store[0], 0));
        if (round % 2 == 0)
            world_close(0);
        else
            world_end(0);
        if (round % 3 == 2)
            sim_crash(world.sim, SIM_CRASH_DURABLE, (uint64_t)round);
        if (round % 3 == 2 && world.io[0] != NULL)
            world_end(0);
        OK(world_open(0));
        TEXT_IS(ask(world.store[0], 0), expected);
        verify(world.store[0]);
        free(expected);
    }
    world_release();
}
END_TEST

START_TEST(a_store_without_sealing_needs_no_keyring)
{
    struct io_stat stat;
    holter_stat figures;
    world_init(&(holter_create_options){ .no_sealing = 1 }, NULL);
    ck_assert_int_eq(io_stat(&stat, world.io[0], STORE ".keyring", NULL), HOLTER_NOT_FOUND);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60 note/1: 2=secret"), "AA");
    compact(world.store[0]);
    TEXT_IS(commit_exact(world.store[0], "heart_rate/1: 1=60"), "D");
    TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 note/1: 2=secret");
    OK(holter_stat_read(world.store[0], &figures, &err));
    ck_assert_int_eq(figures.sealed, 0);
    verify(world.store[0]);
    world_release();
}
END_TEST

/* ---- locks that others hold ------------------------------------------------------------------ */

static struct io_file *hold(struct io *io, const char *path, uint64_t byte)
{
    struct io_file *file;
    OK(io_open(&file, io, path, IO_WRITABLE, &err));
    OK(io_lock(file, byte, 1, IO_LOCK_EXCLUSIVE, 0, &err));
    return file;
}

START_TEST(a_held_lock_is_waited_for_and_its_holder_named)
{
    char holder[64];
    uint32_t number;
    uint64_t rows;
    world_init(&(holter_create_options){ .shards = 1 },
               &(holter_options){ .lock_wait_ms = 200, .no_auto_flush = 1 });
    OK(world_open(1));
    snprintf(holder, sizeof holder, "process %llu",
             (unsigned long long)io_process_self(world.io[1]).pid);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 1=60"), "A");
    TEXT_IS(commit(world.store[1], "heart_rate/1: 2=60"),
            "A"); /* it took over: its name is there */
    struct io_file *held = hold(world.io[1], STORE "/main/000/lock", SHARD_LOCK_APPEND);
    holter_batch *batch = batch_new(world.store[0], 0, 0);
    OK(batch_fill(batch, "heart_rate/1: 3=60"));
    int64_t before = io_monotonic_ns(world.io[0]);
    FAILS(holter_commit(world.store[0], batch, &err), HOLTER_BUSY, holder);
    ck_assert_int_ge(io_monotonic_ns(world.io[0]) - before, 200 * 1000000);
    ck_assert_int_le(io_monotonic_ns(world.io[0]) - before, 400 * 1000000);
    TEXT_IS(batch_answers(batch), "P");
    TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 2=60"); /* readers wait for nobody */
    OK(holter_flush(world.store[0], &rows, &err));              /* flushing needs no append lock */
    ck_assert_uint_eq(rows, 2);
    io_close(held);
    OK(holter_commit(world.store[0], batch, &err));
    TEXT_IS(batch_answers(batch), "A");
    holter_batch_free(batch);

    flush(world.store[1]);
    held = hold(world.io[1], STORE "/main/000/lock", SHARD_LOCK_MAINTENANCE);
    FAILS(holter_flush(world.store[0], &rows, &err), HOLTER_BUSY, holder);
    FAILS(holter_compact(world.store[0], NULL, NULL, &err), HOLTER_BUSY, holder);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 4=60"), "A");
    TEXT_IS(ask(world.store[1], 0), "heart_rate/1: 1=60 2=60 3=60 4=60");
    io_close(held);

    held = hold(world.io[1], STORE "/lock", 0);
    FAILS(holter_source_need(world.store[0], world.users[0], "new", &number, &err), HOLTER_BUSY,
          "store lock");
    TEXT_IS(commit(world.store[0], "heart_rate/1: 5=60"), "A");
    io_close(held);
    OK(holter_source_need(world.store[0], world.users[0], "new", &number, &err));
    world_release();
}
END_TEST

START_TEST(a_dead_holder_holds_nothing)
{
    world_init(&(holter_create_options){ .shards = 1 }, NULL);
    OK(world_open(1));
    TEXT_IS(commit(world.store[1], "heart_rate/1: 1=60"), "A");
    struct io_file *held = hold(world.io[1], STORE "/main/000/lock", SHARD_LOCK_APPEND);
    sim_process_kill(world.io[1]);
    TEXT_IS(commit(world.store[0], "heart_rate/1: 2=60"), "A");
    TEXT_IS(ask(world.store[0], 0), "heart_rate/1: 1=60 2=60");
    io_close(held);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_api");
    TCase *tcase = tcase_create("api");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_store_is_made_once);
    tcase_add_test(tcase, a_create_that_fails_leaves_no_keyring);
    tcase_add_test(tcase, what_is_no_store_is_not_opened);
    tcase_add_test(tcase, no_handle_is_an_error_not_a_crash);
    tcase_add_test(tcase, users_of_two_regions_lie_in_their_own_shards);
    tcase_add_test(tcase, what_one_handle_defines_another_sees_at_once);
    tcase_add_test(tcase, users_of_one_handle_are_users_of_all);
    tcase_add_test(tcase, each_of_many_changes_is_seen_at_once);
    tcase_add_test(tcase, sources_are_seen_by_all_and_read_back_whole);
    tcase_add_loop_test(tcase, an_erased_user_is_gone_everywhere, 0, 2);
    tcase_add_loop_test(tcase, what_was_read_of_an_erased_user_is_kept_by_nobody, 0, 2);
    tcase_add_loop_test(tcase, frames_and_sections_of_erased_users_alone_are_no_damage, 0, 3);
    tcase_add_loop_test(tcase, a_scan_gives_what_is_asked_for, 0, 3 * (int)CORE_COUNT(scan_cases));
    tcase_add_test(tcase, a_wrong_question_is_told);
    tcase_add_test(tcase, the_latest_row_is_the_newest_that_stands);
    tcase_add_test(tcase, a_snapshot_stays_as_it_was);
    tcase_add_test(tcase, many_rows_come_in_batches_of_at_most_4096);
    tcase_add_test(tcase, figures_follow_what_is_done);
    tcase_add_test(tcase, compaction_stops_when_told_and_is_begun_anew);
    tcase_add_loop_test(tcase, commits_flush_by_themselves, 0, 3);
    tcase_add_test(tcase, a_read_only_handle_follows_and_writes_nothing);
    tcase_add_loop_test(tcase, a_read_only_mount_is_read, 0, 2);
    tcase_add_loop_test(tcase, a_store_opens_without_its_head_pages, 0, 8);
    tcase_add_loop_test(tcase, closing_and_opening_changes_nothing, 0, 2);
    tcase_add_test(tcase, a_store_without_sealing_needs_no_keyring);
    tcase_add_test(tcase, a_held_lock_is_waited_for_and_its_holder_named);
    tcase_add_test(tcase, a_dead_holder_holds_nothing);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
