/*
 * crash_workloads.c -- what is cut, killed and failed at each of its calls.
 *
 * A workload is short, so that every one of its calls can be a point to stop at, and repeats by the
 * machine's seed. User 0 and user 1 are in different shards. Acts upon a dead process do nothing,
 * so that where one actor is killed the others go on.
 */
#include "crash.h"

#include <stddef.h>

/* A batch for the first users, and so for as many shards. */
static bool commit_users(struct actor *actor, size_t users, enum metric_index metric,
                         int64_t time_ns, size_t count)
{
    if (!batch_begin(actor))
        return false;
    for (size_t user = 0; user < users; user++) {
        batch_part(actor, user);
        for (size_t i = 0; i < count; i++)
            batch_row(actor, metric, 1, time_ns + minute_ns((int64_t)i), 0);
    }
    return batch_commit(actor);
}

/* ---- two shards, two writers, takeovers ------------------------------------------------------ */

static void run_takeover(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *b = actor_open(world, 1, false);
    struct actor *reader = actor_open(world, 2, true);
    commit_users(a, 2, M_HEART, week_ns(0), 3);
    commit_users(b, 2, M_HEART, week_ns(0) + minute_ns(1), 3);
    act_read(reader);
    act_rows(b, 0, M_STEPS, week_ns(0), 2);
    commit_users(a, 2, M_PRESSURE, week_ns(0), 2);
    act_rows(b, 1, M_WEIGHT, week_ns(0), 1);
    act_read(reader);
    actor_close(a);
    commit_users(b, 2, M_HEART, week_ns(1), 2);
    act_read(reader);
}

/* ---- commits over three shards, whose logs are written by one submission ---------------------- */

static void run_shards(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *b = actor_open(world, 1, false);
    commit_users(a, 3, M_HEART, week_ns(0), 1);
    commit_users(a, 3, M_STEPS, week_ns(0), 1);
    commit_users(b, 3, M_HEART, week_ns(0) + minute_ns(1), 1);
    act_read(a);
}

/* ---- late data over three partitions --------------------------------------------------------- */

static void prepare_late(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    for (int week = 0; week < 3; week++)
        act_rows(a, 0, M_HEART, week_ns(week), 4);
    act_flush(a);
    act_compact(a, HOLTER_WARM);
    actor_close(a);
}

static void run_late(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *reader = actor_open(world, 1, true);
    if (batch_begin(a)) {
        batch_part(a, 0);
        for (int week = 0; week < 3; week++) {
            for (int i = 0; i < 3; i++)
                batch_row(a, i < 2 ? M_HEART : M_STAGE, 1, week_ns(week) + minute_ns(3 * i), 0);
        }
        batch_commit(a);
    }
    act_flush(a);
    act_read(reader);
    act_rows(a, 0, M_HEART, week_ns(1) + minute_ns(2), 3);
    act_compact(a, HOLTER_WARM);
    act_read(reader);
    act_rows(a, 1, M_HEART, week_ns(0), 2);
    act_flush(a);
}

/* ---- replaced ranges ------------------------------------------------------------------------- */

static void replace(struct actor *actor, size_t user, enum metric_index metric, int64_t begin_ns,
                    int64_t minutes, size_t count, int64_t revision)
{
    if (!batch_begin(actor))
        return;
    batch_part(actor, user);
    batch_cut(actor, metric, 1, begin_ns, begin_ns + minute_ns(minutes), revision);
    for (size_t i = 0; i < count; i++)
        batch_row(actor, metric, 1, begin_ns + minute_ns(2 * (int64_t)i + 1), revision);
    batch_commit(actor);
}

static void prepare_replace(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    act_rows(a, 0, M_STAGE, week_ns(0), 8);
    act_flush(a);
    actor_close(a);
}

static void run_replace(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *reader = actor_open(world, 1, true);
    act_rows(a, 0, M_STAGE, week_ns(0) + minute_ns(8), 4);
    replace(a, 0, M_STAGE, week_ns(0) + minute_ns(2), 8, 3, 0);
    act_read(reader);
    replace(a, 0, M_STAGE, week_ns(0) + minute_ns(1), 5, 2, 5);
    act_rows(a, 0, M_STAGE, week_ns(0) + minute_ns(3),
             2); /* hidden by the revision before it came */
    act_flush(a);
    act_read(reader);
    replace(a, 0, M_STAGE, week_ns(0), 20, 2, 6);
    act_compact(a, HOLTER_WARM);
    act_read(reader);
}

/* ---- compaction with tombstones, and a snapshot that lives through it ------------------------ */

static void prepare_compact(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    act_rows(a, 0, M_HEART, week_ns(0), 6);
    act_rows(a, 0, M_DOSE, week_ns(0), 3);
    act_flush(a);
    act_rows(a, 0, M_HEART, week_ns(0) + minute_ns(3), 6);
    act_flush(a);
    actor_close(a);
}

static void remove_range(struct actor *actor, size_t user, int metric, int64_t begin_ns,
                         int64_t end_ns, int64_t revision)
{
    if (!batch_begin(actor))
        return;
    batch_part(actor, user);
    batch_cut(actor, metric, 0, begin_ns, end_ns, revision);
    batch_commit(actor);
}

static void run_compact(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *reader = actor_open(world, 1, true);
    act_pin(reader);
    remove_range(a, 0, M_HEART, week_ns(0) + minute_ns(2), week_ns(0) + minute_ns(5), 0);
    act_flush(a);
    remove_range(a, 0, -1, week_ns(0) + minute_ns(7), week_ns(0) + minute_ns(8), 3);
    act_compact(a, HOLTER_WARM);
    act_read_pinned(reader);
    act_rows(a, 0, M_HEART, week_ns(0) + minute_ns(1), 3);
    act_compact(a, HOLTER_WARM);
    act_read_pinned(reader);
    act_unpin(reader);
    act_read(reader);
    act_compact(a, HOLTER_WARM); /* now the old files go */
    act_read(reader);
}

/* ---- late data and a tombstone over two cold partitions -------------------------------------- */

static void prepare_cold(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    for (int week = 0; week < 6; week += 3)
        commit_users(a, 2, M_HEART, week_ns(week), 3);
    act_rows(a, 0, M_HEART, week_ns(4), 4);
    act_compact(a, HOLTER_COLD);
    actor_close(a);
}

static void run_cold(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *reader = actor_open(world, 1, true);
    act_pin(reader);
    remove_range(a, 0, M_HEART, week_ns(2), week_ns(4) + minute_ns(2), 0);
    act_rows(a, 0, M_STAGE, week_ns(3) + minute_ns(1), 2);
    act_compact(a, HOLTER_WARM); /* beside the cold files, which stay */
    act_read(reader);
    act_rows(a, 0, M_HEART, week_ns(1), 2);
    act_compact(a, HOLTER_COLD);
    act_read_pinned(reader);
    act_unpin(reader);
    act_read(reader);
    act_compact(a, (holter_tier)0); /* now the old files go */
    act_read(reader);
}

/* ---- a new user's first frame ---------------------------------------------------------------- */

static void run_newuser(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *b = actor_open(world, 1, false);
    for (int i = 0; i < 2; i++) {
        struct actor *actor = i == 0 ? a : b;
        size_t user = world->ledger.user_count;
        act_user(actor, 0);
        act_source(actor, user);
        act_rows(actor, user, M_HEART, week_ns(0), 2);
        act_rows(i == 0 ? b : a, user, M_STEPS, week_ns(0), 2);
    }
    act_read(b);
    act_metric(b, 7);
    act_flush(a);
    act_rows(b, 0, M_OWN, week_ns(0), 2);
}

/* ---- vault, catalog and manifest edits, until they are rewritten ----------------------------- */

enum { EDITS_UNTIL_REWRITE = 124 }; /* of 512 bytes, a little less than 64 KiB */

static void prepare_meta(struct world *world)
{
    for (int i = 0; i < EDITS_UNTIL_REWRITE; i++) {
        struct actor *a = actor_open(world, 0, false);
        act_rows(a, 0, M_HEART, week_ns(0), 1);
        actor_close(a); /* an edit of the manifest */
        world->ledger.part_count = world->ledger.row_count =
            0; /* the next one writes the same row anew */
    }
    struct actor *a = actor_open(world, 0, false);
    for (int i = 0; i < EDITS_UNTIL_REWRITE; i++) {
        act_firmware(a, 0, (unsigned)i % 2);
        world->ledger.fact_count--;
    }
    act_rows(a, 0, M_HEART, week_ns(0), 1);
    act_flush(a);
    actor_close(a);
}

static void run_meta(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *b = actor_open(world, 1, false);
    act_metric(a, 1);
    act_firmware(b, 0, 2);
    act_user(b, 0);
    act_label(a, 1);
    act_region(a, 1);
    act_read(b);
    act_user(b, 1);
    act_firmware(a, 0, 3);
    act_rows(a, 0, M_HEART, week_ns(0) + minute_ns(5), 2);
    act_flush(a);
    act_label(b, 2);
    act_firmware(b, 0, 4);
    act_rows(b, 0, M_HEART, week_ns(0) + minute_ns(7), 2);
    act_flush(b);
    act_read(a);
}

/* ---- linked frames --------------------------------------------------------------------------- */

static void run_linked(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    struct actor *reader = actor_open(world, 1, true);
    act_rows(a, 0, M_HEART, week_ns(0), 2);
    act_rows(a, 0, M_NOTE, week_ns(0),
             14); /* some 40 KiB: three frames or more, and a group of their own */
    act_read(reader);
    if (batch_begin(a)) {
        batch_part(a, 0);
        batch_cut(a, M_NOTE, 1, week_ns(0), week_ns(0) + minute_ns(6), 0);
        for (int i = 0; i < 10; i++)
            batch_row(a, M_NOTE, 1, week_ns(0) + minute_ns(2 * i), 0);
        batch_part(a, 1);
        for (int i = 0; i < 9; i++)
            batch_row(a, M_NOTE, 1, week_ns(0) + minute_ns(2 * i), 0);
        batch_commit(a);
    }
    act_read(reader);
    act_flush(a);
    act_read(reader);
}

/* ---- making a store -------------------------------------------------------------------------- */

static void run_create(struct world *world)
{
    struct actor *a = actor_create(world, 0, 2);
    act_user(a, 0);
    if (world->ledger.user_count > 0)
        act_source(a, 0);
    act_metric(a, 0);
    act_rows(a, 0, M_HEART, week_ns(0), 2);
    act_flush(a);
}

/* ---- three instances at once ----------------------------------------------------------------- */

static void trio_writer(void *context)
{
    struct actor *a = context;
    actor_start(a);
    for (int i = 0; i < 3; i++) {
        commit_users(a, 2, M_HEART, week_ns(i) + minute_ns(i), 3);
        remove_range(a, 0, M_HEART, week_ns(i) + minute_ns(i + 1), week_ns(i) + minute_ns(i + 2),
                     0);
    }
    commit_users(a, 2, M_STEPS, week_ns(0), 2);
}

static void trio_reader(void *context)
{
    struct actor *a = context;
    a->is_reader = true;
    actor_start(a);
    act_read(a);
    act_pin(a);
    act_read(a);
    act_read_pinned(a);
    act_unpin(a);
    act_read(a);
}

static void trio_compactor(void *context)
{
    struct actor *a = context;
    actor_start(a);
    act_flush(a);
    act_compact(a, HOLTER_WARM);
    act_flush(a);
    act_compact(a, HOLTER_WARM);
}

static void prepare_trio(struct world *world)
{
    struct actor *a = actor_open(world, 0, false);
    commit_users(a, 2, M_HEART, week_ns(0), 4);
    act_flush(a);
    commit_users(a, 2, M_HEART, week_ns(0) + minute_ns(2), 4);
    actor_close(a);
}

static void run_trio(struct world *world)
{
    static void (*const bodies[])(void *context) = { trio_writer, trio_reader, trio_compactor };
    actors_run_together(world, bodies, 3);
    struct actor *last = actor_open(world, 3, false);
    act_read(last);
}

void world_prepare(struct world *out, const struct workload *workload, uint64_t seed)
{
    world_setup(out, seed,
                workload->shards > 0 ? workload->shards
                                     : 2); /* also where it is not wanted: it learns the metrics */
    if (workload->prepare != NULL && !out->has_trouble)
        workload->prepare(out);
    world_close(out);
    if (workload->is_without_store && !out->has_trouble) {
        struct sim_options options = { .seed = seed };
        world_free(out);
        *out = (struct world){ .sim = sim_new(&options) };
    }
}

/* ---- what follows a crash -------------------------------------------------------------------- */

void recovery_session(struct world *world)
{
    uint64_t image = sim_image_hash(world->sim, NULL);
    struct actor *reader = actor_open(world, 0, true);
    act_read(reader);
    if (actor_is_alive(reader) && sim_image_hash(world->sim, NULL) != image)
        world_trouble(world, "who opens for reading only has written");
    actor_close(reader);

    struct actor *writer = actor_open(world, 1, false);
    act_read(writer);
    act_verify(writer);
    size_t user = world->ledger.part_count % 2;
    act_rows(writer, user, M_HEART, week_ns(4) + minute_ns(world->ledger.part_count), 2);
    act_flush(writer);
    act_read(writer);
    actor_close(writer);
}

const struct workload workloads[] = {
    /* the longest first */
    { .name = "trio",
      .what = "writer, reader and compactor at once",
      .prepare = prepare_trio,
      .run = run_trio,
      .has_fibers = true },
    { .name = "takeover", .what = "two shards, two writers, takeovers", .run = run_takeover },
    { .name = "shards",
      .what = "commits over three shards, two writers",
      .run = run_shards,
      .shards = 3 },
    { .name = "late",
      .what = "late rows over three partitions",
      .prepare = prepare_late,
      .run = run_late },
    { .name = "replace",
      .what = "replaced ranges",
      .prepare = prepare_replace,
      .run = run_replace },
    { .name = "compact",
      .what = "compaction with tombstones and a live pin",
      .prepare = prepare_compact,
      .run = run_compact },
    { .name = "cold",
      .what = "cold files, late rows and a tombstone over two of them",
      .prepare = prepare_cold,
      .run = run_cold },
    { .name = "newuser", .what = "a new user's first frame", .run = run_newuser },
    { .name = "meta",
      .what = "vault, catalog and manifest edits",
      .prepare = prepare_meta,
      .run = run_meta },
    { .name = "linked", .what = "linked frames", .run = run_linked },
    { .name = "create", .what = "making a store", .run = run_create, .is_without_store = true },
};
const size_t workload_count = sizeof workloads / sizeof workloads[0];
