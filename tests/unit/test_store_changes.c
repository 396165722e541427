/*
 * test_store_changes.c -- the change feed tells everything that is committed, in order, and a
 * receiver that comes back with a token misses nothing.
 *
 * Stores on a simulated machine. What a feed tells is written in the notation of store_world.h, with
 * "+1" for user 1 added and "-1" for the user removed. A receiver that keeps a copy by the rules of
 * changes.h is compared with scans: after random work of several processes, and after a power cut at
 * every call of a run.
 */
#include <errno.h>

#include "store_world.h"

#include "random.h"

static const holter_create_options one_shard = { .shards = 1 };
static const holter_create_options two_shards = { .shards = 2 };

static char token[4096];

static size_t user_index(uint64_t user)
{
    for (size_t i = 0; i < WORLD_USERS; i++) {
        if (world.users[i] == user)
            return i;
    }
    return WORLD_USERS;
}

static void write_series(holter_store *store, uint64_t user, uint32_t metric, uint32_t source,
                         holter_metric *found)
{
    *found = (holter_metric){ .name = "*" };
    if (metric != 0)
        OK(holter_metric_by_number(store, metric, found, &err));
    write_text("@%zu %s/%u:", user_index(user), found->name, source);
}

static void write_bound(int64_t time)
{
    if (time == HOLTER_TIME_MIN || time == HOLTER_TIME_MAX)
        write_text(time == HOLTER_TIME_MIN ? "min" : "max");
    else
        write_text("%" PRId64, time);
}

static void write_change(holter_store *store, const holter_change *change)
{
    holter_metric metric;
    if (world_text_bytes > 0)
        write_text(" ");
    if (change->kind == HOLTER_USER_ADDED || change->kind == HOLTER_USER_REMOVED) {
        write_text("%c%zu", change->kind == HOLTER_USER_ADDED ? '+' : '-',
                   user_index(change->user));
    } else if (change->kind == HOLTER_DELETE) {
        write_series(store, change->user, change->deletion.metric, change->deletion.source,
                     &metric);
        write_text(" x");
        write_bound(change->deletion.begin_ns);
        write_text("..");
        write_bound(change->deletion.end_ns);
        if (change->deletion.revision != 0)
            write_text("^%" PRId64, change->deletion.revision);
    } else {
        write_series(store, change->user, change->rows.metric, change->rows.source, &metric);
        CHECK(change->rows.user == change->user);
        for (size_t i = 0; i < change->rows.count; i++)
            write_row(&change->rows, &metric, i);
    }
}

static holter_feed *feed_open(holter_store *store, const holter_feed_options *options)
{
    holter_feed *feed;
    OK(holter_feed_open(&feed, store, options, &err));
    return feed;
}

static holter_feed *feed_from(holter_store *store, const char *from)
{
    return feed_open(store, &(holter_feed_options){ .token = from });
}

static holter_feed *feed_from_now(holter_store *store)
{
    return feed_open(store, &(holter_feed_options){ .from_now = 1 });
}

/* All that it has to tell now; the token after it. Borrowed until the next. */
static const char *told(holter_store *store, holter_feed *feed)
{
    holter_change change;
    holter_status status;
    const char *given;
    world_text_bytes = 0;
    world_text[0] = '\0';
    while ((status = holter_feed_next(feed, &change, &err)) == HOLTER_OK)
        write_change(store, &change);
    if (status != HOLTER_DONE)
        ck_abort_msg("%s: %s", holter_status_name(status), err.message);
    OK(holter_feed_token(feed, &given, &err));
    CHECK(strlen(given) < sizeof token);
    strcpy(token, given);
    return world_text;
}

/* .. by a feed of its own, which is closed. */
static const char *told_from(holter_store *store, const char *from)
{
    char asked[sizeof token];
    snprintf(asked, sizeof asked, "%s", from != NULL ? from : "");
    holter_feed *feed = feed_from(store, from != NULL ? asked : NULL);
    const char *text = told(store, feed);
    holter_feed_close(feed);
    return text;
}

/* ---- what is told ---------------------------------------------------------------------------- */

START_TEST(a_feed_tells_what_is_committed_in_order)
{
    world_init(&one_shard, NULL);
    holter_feed *feed = feed_from_now(world.store[0]);
    TEXT_IS(told(world.store[0], feed), "");
    commit(world.store[0], "@1 heart_rate/1: 100=60 200=61^7 steps/2: 100+30=5");
    commit(world.store[0], "@0 heart_rate/2: 50=70!4");
    TEXT_IS(told(world.store[0], feed),
            "@1 heart_rate/1: 100=60 200=61^7 @1 steps/2: 100+30=5 @0 heart_rate/2: 50=70!4");
    TEXT_IS(told(world.store[0], feed), "");
    commit(world.store[0], "@1 heart_rate/1: x50..150 120=62 */0: xmin..max^3");
    commit(world.store[0], "@1 heart_rate/1: 100=60");
    TEXT_IS(told(world.store[0], feed),
            "@1 heart_rate/1: x50..150 @1 */0: xmin..max^3 @1 heart_rate/1: 120=62 "
            "@1 heart_rate/1: 100=60");
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(values_of_every_type_come_through)
{
    world_init(&one_shard, NULL);
    holter_feed *feed = feed_from_now(world.store[0]);
    commit(world.store[0], "blood_pressure/1: 100=120,80 weight/1: 100=70.5 "
                           "sleep_stage/1: 100+60=rem note/2: 100=tired");
    TEXT_IS(told(world.store[0], feed),
            "@0 sleep_stage/1: 100+60=rem @0 blood_pressure/1: 100=120,80 @0 weight/1: 100=70.5 "
            "@0 note/2: 100=tired");
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(only_what_is_asked_for_is_told)
{
    world_init(&two_shards, NULL);
    holter_store *store = world.store[0];
    holter_feed *user =
        feed_open(store, &(holter_feed_options){ .from_now = 1, .user = world.users[1] });
    holter_feed *metric =
        feed_open(store,
                  &(holter_feed_options){ .from_now = 1, .metric = metric_number(store, "steps") });
    commit(store, "@1 heart_rate/1: 100=60 steps/1: x0..9 100+30=5");
    commit(store, "@2 heart_rate/1: 100=61 x0..9 */0: x7..8");
    TEXT_IS(told(store, user), "@1 steps/1: x0..9 @1 heart_rate/1: 100=60 @1 steps/1: 100+30=5");
    CHECK(strstr(told(store, metric), "heart_rate") == NULL);
    CHECK(strstr(world_text, "@1 steps/1: x0..9 @1 steps/1: 100+30=5") != NULL);
    CHECK(strstr(world_text, "@2 */0: x7..8") != NULL);
    holter_feed *feed;
    FAILS(holter_feed_open(&feed, store, &(holter_feed_options){ .metric = 999 }, &err),
          HOLTER_NOT_FOUND, "no metric");
    FAILS(holter_feed_open(&feed, store, &(holter_feed_options){ .user = 12345 }, &err),
          HOLTER_NOT_FOUND, "no user");
    CHECK(feed == NULL);
    holter_feed_close(user);
    holter_feed_close(metric);
    world_release();
}
END_TEST

START_TEST(without_a_token_all_that_is_kept_is_told_and_all_users)
{
    world_init(&one_shard, NULL);
    commit(world.store[0], "heart_rate/1: 100=60");
    commit(world.store[0], "heart_rate/1: 200=61");
    TEXT_IS(told_from(world.store[0], NULL),
            "+0 +1 +2 +3 +4 +5 @0 heart_rate/1: 100=60 @0 heart_rate/1: 200=61");
    flush(world.store[0]);
    TEXT_IS(told_from(world.store[0], NULL), "+0 +1 +2 +3 +4 +5");
    world_release();
}
END_TEST

/* Texts of so many bytes: frames of 256 KiB or less, linked, over groups and files. */
static void commit_large(holter_store *store, int64_t begin, int count, size_t bytes)
{
    static char text[60000];
    memset(text, 'x', sizeof text);
    CHECK(bytes <= sizeof text);
    holter_batch *batch = batch_new(store, 0, 0);
    for (int i = 0; i < count; i++) {
        holter_value value = { .text = { .bytes = text, .count = bytes } };
        holter_row row = { .user = world.users[0],
                           .metric = metric_number(store, "note"),
                           .source = 1,
                           .time_ns = begin + i,
                           .values = &value,
                           .value_count = 1 };
        OK(holter_batch_add(batch, &row, NULL, &err));
    }
    OK(holter_commit(store, batch, &err));
    holter_batch_free(batch);
}

START_TEST(a_part_of_many_frames_is_told_whole_again_after_a_token_within)
{
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    holter_feed *feed = feed_from_now(store);
    const char *given;
    holter_change change;
    size_t rows = 0;
    commit(store, "heart_rate/1: 1=60");
    commit_large(store, 100, 60, 60000);
    commit(store, "heart_rate/1: 2=61");
    OK(holter_feed_next(feed, &change, &err));
    CHECK(change.rows.time_ns[0] == 1);
    OK(holter_feed_next(feed, &change, &err));
    CHECK(change.rows.count < 60);
    OK(holter_feed_token(feed, &given, &err));
    holter_feed *again = feed_from(store, given);
    holter_status status;
    int64_t last = 0;
    while ((status = holter_feed_next(again, &change, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < change.rows.count; i++) {
            CHECK(rows == 60 ? change.rows.time_ns[i] == 2 : change.rows.time_ns[i] == 100 + last);
            rows++;
            last++;
        }
    }
    CHECK(status == HOLTER_DONE);
    CHECK(rows == 61);
    holter_feed_close(again);
    holter_feed_close(feed);
    world_release();
}
END_TEST

/* ---- processes, flushes, erasure ------------------------------------------------------------- */

START_TEST(what_other_processes_commit_is_told_and_a_reader_may_follow)
{
    world_init(&two_shards, NULL);
    OK(world_open(1));
    world.options.read_only = 1;
    OK(world_open(2));
    holter_feed *feed = feed_from_now(world.store[2]);
    commit(world.store[0], "@1 heart_rate/1: 100=60");
    commit(world.store[1], "@1 heart_rate/1: 101=61");
    TEXT_IS(told(world.store[2], feed), "@1 heart_rate/1: 100=60 @1 heart_rate/1: 101=61");
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(an_open_feed_misses_nothing_whatever_is_flushed_and_compacted)
{
    world_init(&one_shard, NULL);
    OK(world_open(1));
    holter_feed *feed = feed_from_now(world.store[1]);
    for (int round = 0; round < 3; round++) {
        commit(world.store[0], "heart_rate/1: 100=60");
        flush(world.store[0]);
        commit(world.store[0], "heart_rate/1: 101=61");
        compact(world.store[0]);
        flush(world.store[0]);
        TEXT_IS(told(world.store[1], feed), "@0 heart_rate/1: 100=60 @0 heart_rate/1: 101=61");
    }
    flush(world.store[0]);
    TEXT_IS(told(world.store[1], feed), "");
    commit(world.store[0], "heart_rate/1: 102=62");
    TEXT_IS(told(world.store[1], feed), "@0 heart_rate/1: 102=62");
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(a_token_holds_while_its_changes_are_in_the_log_and_expires_with_them)
{
    holter_feed *feed;
    world_init(&one_shard, NULL);
    commit(world.store[0], "heart_rate/1: 100=60");
    feed = feed_from_now(world.store[0]);
    told(world.store[0], feed);
    holter_feed_close(feed);
    flush(world.store[0]); /* nothing came since: nothing is lost */
    TEXT_IS(told_from(world.store[0], token), "");
    world_end(0);
    OK(world_open(0));
    commit(world.store[0], "heart_rate/1: 101=61");
    TEXT_IS(told_from(world.store[0], token), "@0 heart_rate/1: 101=61");
    char before[sizeof token];
    strcpy(before, token);
    commit(world.store[0], "heart_rate/1: 102=62");
    flush(world.store[0]);
    FAILS(holter_feed_open(&feed, world.store[0], &(holter_feed_options){ .token = before }, &err),
          HOLTER_EXPIRED, "no longer kept");
    CHECK(feed == NULL);
    world_release();
}
END_TEST

START_TEST(what_is_beyond_a_snapshot_is_told_from_its_token)
{
    holter_snapshot *snapshot;
    const char *given, *again;
    world_init(&two_shards, NULL);
    holter_store *store = world.store[0];
    commit(store, "@1 heart_rate/1: 100=60");
    flush(store);
    commit(store, "@2 heart_rate/1: 100=61");
    OK(holter_snapshot_open(&snapshot, store, &err));
    commit(store, "@3 heart_rate/1: 100=62");
    OK(holter_snapshot_token(snapshot, &given, &err));
    OK(holter_snapshot_token(snapshot, &again, &err));
    CHECK(given == again);
    TEXT_IS(told_from(store, given), "@3 heart_rate/1: 100=62");
    holter_snapshot_close(snapshot);
    world_release();
}
END_TEST

START_TEST(users_are_told_before_their_rows_and_erased_ones_without_them)
{
    uint64_t user;
    uint32_t number;
    world_init(&two_shards, NULL);
    holter_store *store = world.store[0];
    holter_feed *feed = feed_from_now(store);
    TEXT_IS(told(store, feed), "");
    const holter_id id = { .bytes = WORLD_ID "-new", .count = strlen(WORLD_ID "-new") };
    OK(holter_users_add(store, &id, 1, NULL, &user, &err));
    OK(holter_source_need(store, user, "watch", &number, &err));
    world.users[0] = user;
    commit(store, "@0 heart_rate/1: 100=60");
    TEXT_IS(told(store, feed), "+0 @0 heart_rate/1: 100=60");
    char before[sizeof token];
    strcpy(before, token);

    commit(store, "@0 heart_rate/1: 200=61");
    commit(store, "@1 heart_rate/1: 200=62");
    world_erase(store, user);
    TEXT_IS(told(store, feed), "-0 @1 heart_rate/1: 200=62");
    TEXT_IS(told(store, feed), "");
    TEXT_IS(told_from(store, before), "-0 @1 heart_rate/1: 200=62");
    TEXT_IS(told_from(store, token), "");
    verify(store);
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(a_frame_under_way_is_told_no_further_once_its_user_is_erased)
{
    holter_change change;
    world_init(&one_shard, NULL);
    holter_feed *feed = feed_from_now(world.store[0]);
    commit(world.store[0], "heart_rate/1: 100=60 steps/1: 100+1=5");
    OK(holter_feed_next(feed, &change, &err));
    CHECK(change.kind == HOLTER_UPSERT && change.rows.count == 1);
    world_erase(world.store[0], world.users[0]);
    TEXT_IS(told(world.store[0], feed), "");
    TEXT_IS(told(world.store[0], feed), "-0");
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(regions_that_were_added_later_are_told_from_their_beginning)
{
    uint64_t user;
    uint32_t number;
    world_init(&two_shards, NULL);
    holter_store *store = world.store[0];
    holter_feed *feed = feed_from_now(store);
    told(store, feed);
    char before[sizeof token];
    strcpy(before, token);
    OK(holter_add_region(store, "eu", 3, &err));
    const holter_id id = { .bytes = WORLD_ID "-eu", .count = strlen(WORLD_ID "-eu") };
    OK(holter_users_add(store, &id, 1, "eu", &user, &err));
    OK(holter_source_need(store, user, "watch", &number, &err));
    world.users[0] = user;
    commit(store, "@0 heart_rate/1: 100=60");
    TEXT_IS(told(store, feed), "+0 @0 heart_rate/1: 100=60");
    TEXT_IS(told_from(store, token), "");
    TEXT_IS(told_from(store, before), "+0 @0 heart_rate/1: 100=60");
    holter_feed_close(feed);
    flush(store);
    FAILS(holter_feed_open(&feed, store, &(holter_feed_options){ .token = before }, &err),
          HOLTER_EXPIRED, "no longer kept");
    world_release();
}
END_TEST

/* ---- tokens are any bytes -------------------------------------------------------------------- */

START_TEST(a_changed_token_is_refused_and_one_of_another_store)
{
    holter_feed *feed;
    world_init(&two_shards, NULL);
    holter_store *store = world.store[0];
    commit(store, "heart_rate/1: 100=60");
    feed = feed_from_now(store);
    told(store, feed);
    holter_feed_close(feed);
    char changed[sizeof token];
    for (size_t i = 0; i < strlen(token); i++) {
        strcpy(changed, token);
        changed[i] = changed[i] == '3' ? '4' : '3';
        FAILS(holter_feed_open(&feed, store, &(holter_feed_options){ .token = changed }, &err),
              HOLTER_INVALID, "no token");
        changed[i] = '\0';
        FAILS(holter_feed_open(&feed, store, &(holter_feed_options){ .token = changed }, &err),
              HOLTER_INVALID, "no token");
    }
    struct io *io = world.io[0];
    holter_store *other;
    OK(store_create_on(io, "other", &two_shards, &err));
    OK(store_open_on(&other, io, "other", NULL, &err));
    FAILS(holter_feed_open(&feed, other, &(holter_feed_options){ .token = token }, &err),
          HOLTER_INVALID, "another store's");
    holter_close(other);
    world_release();
}
END_TEST

/* A token with right checksum that says something else. */
static void try_other(holter_store *store, const struct store_token *other, holter_status expected)
{
    char *text;
    holter_feed *feed;
    OK(store_token_encode(&text, other, &err));
    holter_status status =
        holter_feed_open(&feed, store, &(holter_feed_options){ .token = text }, &err);
    if (status != expected)
        ck_abort_msg("%s: %s", holter_status_name(status), err.message);
    holter_feed_close(feed);
    free(text);
}

START_TEST(a_token_of_another_history_is_expired)
{
    struct store_token is, other;
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    commit(store, "heart_rate/1: 100=60");
    commit(store, "heart_rate/1: 101=60");
    holter_feed *feed = feed_from_now(store);
    told(store, feed);
    holter_feed_close(feed);
    OK(store_token_decode(&is, token, &err));
    CHECK(is.shard_count == 1 && is.users == WORLD_USERS && is.shards[0].place.sequence == 3);
    struct wal_bookmark shards[2] = { is.shards[0] };
    other = is;
    other.shards = shards;
    try_other(store, &other, HOLTER_OK);
    shards[0].log++;
    try_other(store, &other, HOLTER_EXPIRED);
    shards[0] = is.shards[0];
    shards[0].place.sequence++;
    try_other(store, &other, HOLTER_EXPIRED);
    shards[0] = is.shards[0];
    shards[0].place.file++;
    try_other(store, &other, HOLTER_EXPIRED);
    shards[0] = is.shards[0];
    shards[1] = is.shards[0];
    other.shard_count = 2;
    try_other(store, &other, HOLTER_EXPIRED);
    other.shard_count = 0;
    try_other(store, &other, HOLTER_OK);
    other.users++;
    try_other(store, &other, HOLTER_EXPIRED);
    store_token_release(&is);
    world_release();
}
END_TEST

/* ---- logs that are kept ---------------------------------------------------------------------- */

static const int64_t second_ns = 1000000000;

static holter_shard_stat stat_of(holter_store *store, size_t index)
{
    holter_shard_stat stat;
    OK(holter_stat_shard(store, index, &stat, &err));
    return stat;
}

/* The paths of kept files, on the simulated disk. */
static size_t kept_paths(char paths[][64], size_t room)
{
    struct io_names names;
    size_t count = 0;
    OK(sim_files(&names, world.sim));
    for (size_t i = 0; i < names.count; i++) {
        if (strstr(names.name[i], "/kept-") == NULL)
            continue;
        CHECK(count < room);
        snprintf(paths[count++], 64, "%s", names.name[i]);
    }
    io_names_release(&names);
    return count;
}

START_TEST(a_store_that_keeps_its_logs_tells_what_was_flushed)
{
    world_init(&one_shard, NULL);
    OK(world_open(1));
    holter_feed *feed = feed_from_now(world.store[0]);
    told(world.store[0], feed);
    holter_feed_close(feed);
    char before[sizeof token];
    strcpy(before, token);
    OK(holter_feed_keep(world.store[0], INT64_MAX, UINT64_MAX, &err));
    for (int i = 0; i < 3; i++) {
        commit(world.store[i % 2], "heart_rate/1: 100=60 x7..8");
        flush(world.store[i % 2]);
        if (i == 1)
            compact(world.store[0]);
    }
    world_end(1); /* also the one that did not set it kept what it flushed */
    world_end(0);
    OK(world_open(0));
    const char *expected = "@0 heart_rate/1: x7..8 @0 heart_rate/1: 100=60 @0 heart_rate/1: x7..8 "
                           "@0 heart_rate/1: 100=60 @0 heart_rate/1: x7..8 @0 heart_rate/1: 100=60";
    TEXT_IS(told_from(world.store[0], before), expected);
    char at_end[sizeof token];
    strcpy(at_end, token);
    commit(world.store[0], "heart_rate/1: 101=61");
    TEXT_IS(told_from(world.store[0], at_end), "@0 heart_rate/1: 101=61");
    holter_shard_stat stat = stat_of(world.store[0], 0);
    CHECK(stat.kept_files >= 3 && stat.kept_bytes >= 3 * 8192);
    verify(world.store[0]);

    OK(holter_feed_keep(world.store[0], 0, 0, &err));
    flush(world.store[0]);
    CHECK(stat_of(world.store[0], 0).kept_files == 0);
    FAILS(holter_feed_open(&feed, world.store[0], &(holter_feed_options){ .token = before }, &err),
          HOLTER_EXPIRED, "no longer kept");
    world_release();
}
END_TEST

START_TEST(kept_logs_go_by_age)
{
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    holter_feed *feed = feed_from_now(store);
    told(store, feed);
    holter_feed_close(feed);
    char first[sizeof token];
    strcpy(first, token);
    OK(holter_feed_keep(store, 100 * second_ns, UINT64_MAX, &err));
    commit(store, "heart_rate/1: 100=60");
    flush(store);
    sim_clock_advance(world.sim, 60 * second_ns);
    TEXT_IS(told_from(store, first), "@0 heart_rate/1: 100=60");
    char second[sizeof token];
    strcpy(second, token);
    commit(store, "heart_rate/1: 101=61");
    flush(store);
    TEXT_IS(told_from(store, first), "@0 heart_rate/1: 100=60 @0 heart_rate/1: 101=61");
    sim_clock_advance(world.sim, 60 * second_ns);
    compact(store); /* the first one is 120 s old now */
    FAILS(holter_feed_open(&feed, store, &(holter_feed_options){ .token = first }, &err),
          HOLTER_EXPIRED, "no longer kept");
    TEXT_IS(told_from(store, second), "@0 heart_rate/1: 101=61");
    TEXT_IS(told_from(store, NULL), "+0 +1 +2 +3 +4 +5 @0 heart_rate/1: 101=61");
    sim_clock_advance(world.sim, 60 * second_ns);
    commit(store, "heart_rate/1: 102=62"); /* begins another file */
    compact(store);
    FAILS(holter_feed_open(&feed, store, &(holter_feed_options){ .token = second }, &err),
          HOLTER_EXPIRED, "no longer kept");
    world_release();
}
END_TEST

START_TEST(kept_logs_go_by_size)
{
    world_init(&two_shards, &(holter_options){ .log_file_bytes = 65536 });
    holter_store *store = world.store[0];
    OK(holter_feed_keep(store, INT64_MAX, 2 << 20, &err)); /* 1 MiB for each shard */
    for (int i = 0; i < 40; i++) {
        commit_large(store, 1000 * i, 16, 8000);
        flush(store);
        CHECK(stat_of(store, 0).kept_bytes <= 1 << 20);
        CHECK(stat_of(store, 1).kept_bytes <= 1 << 20);
    }
    CHECK(stat_of(store, 0).kept_bytes + stat_of(store, 1).kept_bytes > 512 << 10);
    verify(store);
    holter_feed *feed = feed_from(store, NULL);
    holter_change change;
    int64_t last = 0;
    holter_status status;
    while ((status = holter_feed_next(feed, &change, &err)) == HOLTER_OK) {
        if (change.kind == HOLTER_UPSERT)
            last = change.rows.time_ns[change.rows.count - 1];
    }
    CHECK(status == HOLTER_DONE && last == 39015);
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(what_goes_while_a_feed_reads_it_is_told)
{
    holter_feed *feed;
    holter_change change;
    world_init(&one_shard, &(holter_options){ .log_file_bytes = 65536 });
    holter_store *store = world.store[0];
    OK(holter_feed_keep(store, INT64_MAX, UINT64_MAX, &err));
    for (int i = 0; i < 20; i++)
        commit_large(store, 1000 * i, 16, 8000);
    flush(store);
    feed = feed_open(store, &(holter_feed_options){ .user = world.users[0] });
    OK(holter_feed_next(feed, &change, &err));
    CHECK(change.kind == HOLTER_USER_ADDED);
    OK(holter_feed_next(feed, &change, &err));
    OK(holter_feed_keep(store, 0, 0, &err));
    compact(store);
    holter_status status;
    while ((status = holter_feed_next(feed, &change, &err)) == HOLTER_OK)
        continue;
    CHECK(status == HOLTER_EXPIRED);
    FAILS(holter_feed_next(feed, &change, &err), HOLTER_INVALID, "failed before");
    holter_feed_close(feed);
    world_release();
}
END_TEST

START_TEST(frames_of_erased_users_are_left_out_of_what_is_kept)
{
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    OK(holter_feed_keep(store, INT64_MAX, UINT64_MAX, &err));
    commit(store, "@0 heart_rate/1: 100=60 @1 heart_rate/1: 100=61");
    flush(store);
    commit(store, "@0 heart_rate/1: 101=60 @1 heart_rate/1: 101=61");
    world_erase(store, world.users[0]);
    TEXT_IS(told_from(store, NULL),
            "+1 +2 +3 +4 +5 @1 heart_rate/1: 100=61 @1 heart_rate/1: 101=61");
    verify(store);
    world_release();
}
END_TEST

START_TEST(damage_to_what_is_kept_is_found_and_harms_nothing_else)
{
    char paths[8][64];
    world_init(&one_shard, NULL);
    holter_store *store = world.store[0];
    OK(holter_feed_keep(store, INT64_MAX, UINT64_MAX, &err));
    commit(store, "heart_rate/1: 100=60");
    flush(store);
    commit(store, "heart_rate/1: 101=61");
    size_t count = kept_paths(paths, CORE_COUNT(paths));
    CHECK(count >= 1);
    static const uint64_t offsets[] = { 0, 2048 + 10, 4096 + 3, 4096 + 100, 4096 + 200 };
    for (size_t i = 0; i < CORE_COUNT(offsets); i++) {
        size_t damaged = 0;
        holter_feed *feed;
        holter_change change;
        OK(sim_file_flip(world.sim, paths[0], 8 * offsets[i]));
        FAILS(holter_verify(store, NULL, NULL, &damaged, &err), HOLTER_CORRUPT, "");
        CHECK(damaged == 1);
        TEXT_IS(ask(store, 0), "heart_rate/1: 100=60 101=61");
        holter_status status = holter_feed_open(&feed, store, NULL, &err);
        while (status == HOLTER_OK)
            status = holter_feed_next(feed, &change, &err);
        CHECK(status == (offsets[i] < 4096 ? HOLTER_DONE : HOLTER_CORRUPT));
        holter_feed_close(feed);
        OK(sim_file_flip(world.sim, paths[0], 8 * offsets[i]));
    }
    verify(store);
    world_release();
}
END_TEST

START_TEST(a_limit_that_is_none_is_refused)
{
    world_init(&one_shard, NULL);
    FAILS(holter_feed_keep(world.store[0], 0, 1, &err), HOLTER_INVALID, "neither of them 0");
    FAILS(holter_feed_keep(world.store[0], 1, 0, &err), HOLTER_INVALID, "neither of them 0");
    FAILS(holter_feed_keep(world.store[0], -1, 1, &err), HOLTER_INVALID, "neither of them 0");
    holter_stat stat;
    OK(holter_stat_read(world.store[0], &stat, &err));
    CHECK(stat.feed_age_ns == 0 && stat.feed_bytes == 0);
    world_release();
}
END_TEST

/* ---- a copy that is kept --------------------------------------------------------------------- */

enum { COPY_TIMES = 12, COPY_CUTS_MAX = 256 };

/* Rows of heart_rate of source 1, times 0 to COPY_TIMES. */
struct copy {
    struct {
        bool is_there;
        int64_t value, revision;
    } rows[WORLD_USERS][COPY_TIMES];
    struct {
        size_t user;
        holter_deletion of;
    } cuts[COPY_CUTS_MAX];
    size_t cut_count;
    char token[512];
    unsigned expired; /* times that it had to begin anew */
    bool may_expire;
};

static void copy_cut(struct copy *copy, size_t user, const holter_deletion *deletion)
{
    for (int64_t t = 0; t < COPY_TIMES; t++) {
        if (t < deletion->begin_ns || t >= deletion->end_ns)
            continue;
        if (deletion->revision == 0 || copy->rows[user][t].revision <= deletion->revision)
            copy->rows[user][t].is_there = false;
    }
    if (deletion->revision == 0)
        return;
    CHECK(copy->cut_count < COPY_CUTS_MAX);
    copy->cuts[copy->cut_count].user = user;
    copy->cuts[copy->cut_count++].of = *deletion;
}

static void copy_row(struct copy *copy, size_t user, int64_t t, int64_t value, int64_t revision)
{
    for (size_t i = 0; i < copy->cut_count; i++) {
        const holter_deletion *of = &copy->cuts[i].of;
        if (copy->cuts[i].user == user && t >= of->begin_ns && t < of->end_ns &&
            revision < of->revision)
            return;
    }
    if (copy->rows[user][t].is_there && copy->rows[user][t].revision > revision)
        return;
    copy->rows[user][t].is_there = true;
    copy->rows[user][t].value = value;
    copy->rows[user][t].revision = revision;
}

static void copy_change(struct copy *copy, const holter_change *change)
{
    if (change->kind == HOLTER_DELETE)
        copy_cut(copy, user_index(change->user), &change->deletion);
    for (size_t i = 0; change->kind == HOLTER_UPSERT && i < change->rows.count; i++)
        copy_row(copy, user_index(change->user), change->rows.time_ns[i],
                 change->rows.fields[0].integer[i], change->rows.revision[i]);
}

/* Begin anew: what a snapshot shows, and its token. */
static void copy_begin(struct copy *copy, holter_store *store)
{
    holter_snapshot *snapshot;
    const char *given;
    *copy = (struct copy){ .expired = copy->expired, .may_expire = copy->may_expire };
    OK(holter_snapshot_open(&snapshot, store, &err));
    OK(holter_snapshot_token(snapshot, &given, &err));
    CHECK(strlen(given) < sizeof copy->token);
    strcpy(copy->token, given);
    for (size_t user = 0; user < WORLD_USERS; user++) {
        holter_cursor *cursor;
        holter_columns rows;
        holter_deletion *deletions;
        size_t count;
        OK(holter_deletions(&deletions, &count, snapshot, world.users[user], &err));
        for (size_t i = 0; i < count; i++)
            copy_cut(copy, user, &deletions[i]);
        holter_deletions_free(deletions);
        OK(holter_scan(&cursor, snapshot, &(holter_scan_spec){ .user = world.users[user] }, &err));
        while (holter_cursor_next(cursor, &rows, &err) == HOLTER_OK) {
            for (size_t i = 0; i < rows.count; i++)
                copy_row(copy, user, rows.time_ns[i], rows.fields[0].integer[i], rows.revision[i]);
        }
        holter_cursor_close(cursor);
    }
    holter_snapshot_close(snapshot);
}

/*
 * Go on from the token; at most `most` changes, so that the next token lies within. Answers whether
 * the call died on the way: what was told is in the copy then, but not the token.
 */
static bool copy_go_on(struct copy *copy, holter_store *store, size_t most)
{
    holter_feed *feed;
    holter_change change;
    const char *given;
    holter_status status =
        holter_feed_open(&feed, store,
                         &(holter_feed_options){ .token =
                                                     copy->token[0] != '\0' ? copy->token : NULL },
                         &err);
    if (status == HOLTER_EXPIRED && copy->may_expire) {
        copy->expired++;
        copy_begin(copy, store);
        return true;
    }
    if (status == HOLTER_EXPIRED)
        ck_abort_msg("%s", err.message);
    for (size_t i = 0; status == HOLTER_OK && i < most; i++) {
        status = holter_feed_next(feed, &change, &err);
        if (status == HOLTER_OK)
            copy_change(copy, &change);
    }
    bool is_told = status == HOLTER_OK || status == HOLTER_DONE;
    if (is_told) {
        OK(holter_feed_token(feed, &given, &err));
        CHECK(strlen(given) < sizeof copy->token);
        strcpy(copy->token, given);
    }
    holter_feed_close(feed);
    return is_told;
}

static void copy_equals(const struct copy *copy, holter_store *store)
{
    char expected[2048];
    for (size_t user = 0; user < WORLD_USERS; user++) {
        size_t at = 0;
        expected[0] = '\0';
        for (size_t t = 0; t < COPY_TIMES; t++) {
            if (!copy->rows[user][t].is_there)
                continue;
            at += (size_t)snprintf(expected + at, sizeof expected - at, "%s %zu=%" PRId64,
                                   at == 0 ? "heart_rate/1:" : "", t, copy->rows[user][t].value);
            if (copy->rows[user][t].revision != 0)
                at += (size_t)snprintf(expected + at, sizeof expected - at, "^%" PRId64,
                                       copy->rows[user][t].revision);
        }
        TEXT_IS(ask(store, user), expected);
    }
}

/* A batch of some users: rows, deletions, replaced ranges, some with revisions. */
static holter_status commit_random(holter_store *store, struct random *random)
{
    char text[1024];
    size_t at = 0;
    for (uint64_t parts = 1 + random_below(random, 3); parts > 0; parts--) {
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "@%d heart_rate/1: ", (int)random_below(random, WORLD_USERS));
        if (random_below(random, 4) == 0) {
            int begin = (int)random_below(random, COPY_TIMES);
            at += (size_t)snprintf(text + at, sizeof text - at, "x%d..%d^%d ", begin, begin + 4,
                                   random_below(random, 2) == 0 ? 0
                                                                : 1 + (int)random_below(random, 3));
        }
        for (uint64_t rows = random_below(random, 4); rows > 0; rows--)
            at += (size_t)
                snprintf(text + at, sizeof text - at, "%d=%d^%d ",
                         (int)random_below(random, COPY_TIMES), 60 + (int)random_below(random, 60),
                         (int)random_below(random, 4) == 0 ? 1 + (int)random_below(random, 3) : 0);
    }
    holter_batch *batch = batch_new(store, 0, 0);
    holter_status status = batch_fill(batch, text);
    if (status == HOLTER_OK)
        status = holter_commit(store, batch, &err);
    holter_batch_free(batch);
    return status;
}

START_TEST(a_copy_equals_the_store_whatever_was_done_by_whom)
{
    struct random random = { (uint64_t)_i + 1 };
    struct copy copy = { 0 };
    world_init(&two_shards, &(holter_options){ .log_file_bytes = 65536 });
    OK(world_open(1));
    holter_feed *pin = feed_from_now(world.store[1]); /* keeps what is told, whatever is flushed */
    for (int i = 0; i < 80; i++) {
        holter_store *store = world.store[random_below(&random, 2)];
        switch (random_below(&random, 6)) {
        case 0:
            flush(store);
            break;
        case 1:
            if (random_below(&random, 4) == 0)
                compact(store);
            break;
        case 2:
            CHECK(copy_go_on(&copy, store, random_below(&random, 12)));
            break;
        default:
            OK(commit_random(store, &random));
        }
    }
    CHECK(copy_go_on(&copy, world.store[0], SIZE_MAX));
    copy_equals(&copy, world.store[0]);
    holter_feed_close(pin);
    world_release();
}
END_TEST

START_TEST(a_copy_equals_a_store_that_keeps_its_logs_however_seldom_it_looks)
{
    struct random random = { (uint64_t)_i + 2000 };
    struct copy copy = { 0 };
    world_init(&two_shards, &(holter_options){ .log_file_bytes = 65536 });
    OK(holter_feed_keep(world.store[0], INT64_MAX, UINT64_MAX, &err));
    OK(world_open(1));
    for (int i = 0; i < 120; i++) {
        size_t at = random_below(&random, 2);
        switch (random_below(&random, 8)) {
        case 0:
            flush(world.store[at]);
            break;
        case 1:
            compact(world.store[at]);
            break;
        case 2:
            if (random_below(&random, 3) == 0)
                CHECK(copy_go_on(&copy, world.store[at], random_below(&random, 40)));
            break;
        case 3:
            world_end(at);
            OK(world_open(at));
            break;
        default:
            OK(commit_random(world.store[at], &random));
        }
    }
    CHECK(copy_go_on(&copy, world.store[0], SIZE_MAX));
    copy_equals(&copy, world.store[0]);
    verify(world.store[0]);
    world_release();
}
END_TEST

/* Up to ten years from where it was at first, or back to there. */
static void jump_clock(struct random *random)
{
    static const int64_t ten_years_s = 315576000, begin_s = 1767225600;
    int64_t at_s = begin_s;
    if (random_below(random, 2) == 0)
        at_s += (int64_t)random_below(random, 2 * (uint64_t)ten_years_s) - ten_years_s;
    sim_wall_clock_set(world.sim, at_s * second_ns);
}

/* What is told from then on is whole, and what was kept goes as it would have. */
START_TEST(a_copy_equals_the_store_however_the_wall_clock_jumps)
{
    static const int64_t day_ns = 86400 * second_ns;
    struct random random = { (uint64_t)_i + 3000 };
    struct copy copy = { .may_expire = true };
    world_init(&two_shards, &(holter_options){ .log_file_bytes = 65536 });
    OK(holter_feed_keep(world.store[0], day_ns, UINT64_MAX, &err));
    OK(world_open(1));
    for (int i = 0; i < 160; i++) {
        holter_store *store = world.store[random_below(&random, 2)];
        if (random_below(&random, 6) == 0)
            jump_clock(&random);
        switch (random_below(&random, 8)) {
        case 0:
            flush(store);
            break;
        case 1: /* by policy, too: a row's age counts from a wall clock */
            if (random_below(&random, 2) == 0)
                compact(store);
            OK(holter_compact(store, NULL, NULL, &err));
            break;
        case 2:
            CHECK(copy_go_on(&copy, store, random_below(&random, 40)));
            break;
        default:
            OK(commit_random(store, &random));
        }
    }
    sim_wall_clock_set(world.sim, INT64_C(1767225600) * second_ns);
    for (size_t user = 0; user < WORLD_USERS; user++) {
        char text[64];
        snprintf(text, sizeof text, "@%zu heart_rate/1: 1=61", user);
        commit(world.store[0], text);
    }
    flush(world.store[0]);
    CHECK(copy_go_on(&copy, world.store[0], SIZE_MAX));
    CHECK(copy_go_on(&copy, world.store[0], SIZE_MAX)); /* it may have begun anew */
    copy_equals(&copy, world.store[0]);
    verify(world.store[0]);
    CHECK(copy.expired > 0);
    sim_clock_advance(world.sim, 2 * day_ns);
    compact(world.store[0]);
    CHECK(stat_of(world.store[0], 0).kept_files == 0 && stat_of(world.store[0], 1).kept_files == 0);
    world_release();
}
END_TEST

/* One run that is cut: commits, flushes, and a receiver whose copy and token outlive the machine. */
static void run_to_be_cut(struct copy *copy, uint64_t seed)
{
    struct random random = { seed };
    holter_status status = world_open(1);
    for (int i = 0; i < 14 && status == HOLTER_OK; i++) {
        holter_store *store = world.store[i % 2];
        status = commit_random(store, &random);
        if (status == HOLTER_OK && i % 4 == 3)
            status = holter_flush(store, NULL, &err);
        if (status == HOLTER_OK && i == 9)
            status =
                holter_compact(store, &(holter_compact_options){ .to = HOLTER_WARM }, NULL, &err);
        if (status == HOLTER_OK && i % 3 == 1 && !copy_go_on(copy, store, 5))
            break;
    }
}

START_TEST(a_copy_equals_the_store_after_a_power_cut_at_any_call)
{
    bool is_over = false;
    for (uint64_t call = (uint64_t)_i * 61; !is_over; call += 397) {
        struct copy copy = { 0 };
        world_init(&two_shards, &(holter_options){ .log_file_bytes = 65536 });
        OK(holter_feed_keep(world.store[0], INT64_MAX, UINT64_MAX, &err));
        sim_stop_at(world.sim, sim_call_count(world.sim) + call,
                    call % 3 == 0 ? SIM_POWER_CUT_TORN : SIM_POWER_CUT);
        run_to_be_cut(&copy, 77);
        is_over = !sim_has_stopped(world.sim);
        if (is_over) {
            sim_stop_at(world.sim, 0, SIM_NOTHING);
        } else {
            world_end(0);
            world_end(1);
            sim_crash(world.sim, call % 2 == 0 ? SIM_CRASH_RANDOM : SIM_CRASH_DURABLE, call);
            OK(world_open(0));
        }
        CHECK(copy_go_on(&copy, world.store[0], SIZE_MAX));
        copy_equals(&copy, world.store[0]);
        struct random random = { call };
        OK(commit_random(world.store[0], &random));
        flush(world.store[0]);
        OK(commit_random(world.store[0], &random));
        CHECK(copy_go_on(&copy, world.store[0], SIZE_MAX));
        copy_equals(&copy, world.store[0]);
        verify(world.store[0]);
        world_release();
    }
}
END_TEST

START_TEST(a_call_that_fails_costs_a_receiver_nothing)
{
    struct random random = { 4000 };
    struct copy copy = { 0 };
    world_init(&one_shard, &(holter_options){ .log_file_bytes = 65536 });
    OK(holter_feed_keep(world.store[0], INT64_MAX, UINT64_MAX, &err));
    for (int i = 0; i < 12; i++) {
        OK(commit_random(world.store[0], &random));
        if (i % 4 == 2)
            flush(world.store[0]);
    }
    bool was_hit = true;
    for (uint64_t nth = 0; was_hit; nth++) {
        copy.token[0] = '\0'; /* from the oldest change on: all is told again */
        sim_fault_set(world.sim, &(struct sim_fault){ .nth = nth, .error = EIO });
        bool is_told = copy_go_on(&copy, world.store[0], SIZE_MAX);
        was_hit = sim_fault_was_hit(world.sim);
        sim_fault_clear(world.sim);
        CHECK(is_told || was_hit);
        CHECK(is_told || copy_go_on(&copy, world.store[0], SIZE_MAX));
        copy_equals(&copy, world.store[0]);
    }
    world_release();
}
END_TEST

START_TEST(a_copy_begun_anew_from_a_snapshot_equals_the_store)
{
    struct random random = { (uint64_t)_i + 1000 };
    struct copy copy = { 0 };
    world_init(&two_shards, NULL);
    holter_store *store = world.store[0];
    for (int i = 0; i < 60; i++) {
        OK(commit_random(store, &random));
        if (random_below(&random, 8) == 0)
            flush(store);
        if (random_below(&random, 16) == 0)
            compact(store);
    }
    copy_begin(&copy, store);
    copy_equals(&copy, store);
    for (int i = 0; i < 60; i++) {
        OK(commit_random(store, &random));
        CHECK(copy_go_on(&copy, store, random_below(&random, 6)));
    }
    CHECK(copy_go_on(&copy, store, SIZE_MAX));
    copy_equals(&copy, store);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store: the change feed");
    TCase *tests = tcase_create("feed");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_feed_tells_what_is_committed_in_order);
    tcase_add_test(tests, values_of_every_type_come_through);
    tcase_add_test(tests, only_what_is_asked_for_is_told);
    tcase_add_test(tests, without_a_token_all_that_is_kept_is_told_and_all_users);
    tcase_add_test(tests, a_part_of_many_frames_is_told_whole_again_after_a_token_within);
    tcase_add_test(tests, what_other_processes_commit_is_told_and_a_reader_may_follow);
    tcase_add_test(tests, an_open_feed_misses_nothing_whatever_is_flushed_and_compacted);
    tcase_add_test(tests, a_token_holds_while_its_changes_are_in_the_log_and_expires_with_them);
    tcase_add_test(tests, what_is_beyond_a_snapshot_is_told_from_its_token);
    tcase_add_test(tests, users_are_told_before_their_rows_and_erased_ones_without_them);
    tcase_add_test(tests, a_frame_under_way_is_told_no_further_once_its_user_is_erased);
    tcase_add_test(tests, regions_that_were_added_later_are_told_from_their_beginning);
    tcase_add_test(tests, a_changed_token_is_refused_and_one_of_another_store);
    tcase_add_test(tests, a_token_of_another_history_is_expired);
    tcase_add_test(tests, a_store_that_keeps_its_logs_tells_what_was_flushed);
    tcase_add_test(tests, kept_logs_go_by_age);
    tcase_add_test(tests, kept_logs_go_by_size);
    tcase_add_test(tests, what_goes_while_a_feed_reads_it_is_told);
    tcase_add_test(tests, frames_of_erased_users_are_left_out_of_what_is_kept);
    tcase_add_test(tests, damage_to_what_is_kept_is_found_and_harms_nothing_else);
    tcase_add_test(tests, a_limit_that_is_none_is_refused);
    tcase_add_test(tests, a_call_that_fails_costs_a_receiver_nothing);
    tcase_add_loop_test(tests, a_copy_equals_a_store_that_keeps_its_logs_however_seldom_it_looks, 0,
                        20);
    tcase_add_loop_test(tests, a_copy_equals_the_store_however_the_wall_clock_jumps, 0, 10);
    tcase_add_loop_test(tests, a_copy_equals_the_store_after_a_power_cut_at_any_call, 0, 6);
    tcase_add_loop_test(tests, a_copy_equals_the_store_whatever_was_done_by_whom, 0, 20);
    tcase_add_loop_test(tests, a_copy_begun_anew_from_a_snapshot_equals_the_store, 0, 20);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
