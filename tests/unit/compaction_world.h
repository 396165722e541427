/*
 * compaction_world.h -- a shard without log and manifest, for tests of compaction.
 *
 * Seeded commits - rows that collide, revisions that rise and fall, replaced ranges, deletions - go
 * to the oracle, and by the merge, as a flush would do it, into hot segments on the simulated disk.
 * The live files are a list in one small file, which an edit replaces durably; it refuses an edit
 * that breaks C2 or removes what is not there. Reading merges all live files of a class, and must
 * answer as the oracle does.
 *
 * Threads: one. A test program includes this once.
 */
#ifndef TESTS_UNIT_COMPACTION_WORLD_H
#define TESTS_UNIT_COMPACTION_WORLD_H

#include "compaction/compaction_impl.h"
#include "io/io_sim.h"
#include "memory_run.h"
#include "random.h"
#include "run.h"

#include "../model/oracle.c"

enum {
    WORLD_USERS = 4,
    WORLD_METRICS = 3,
    WORLD_SOURCES = 2,
    WORLD_CLASSES = 2,
    WORLD_FILES_MAX = 512,
    WORLD_WEEKS = 6,
    WORLD_WEEK_FIRST = 2800, /* of 2023 */
    WORLD_DIRECTORY_BYTES = 8,
};

#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        holter_status check_status = (call);                                                       \
        if (check_status != HOLTER_OK)                                                             \
            ck_abort_msg("%s: %s: %s", #call, holter_status_name(check_status), err.message);      \
    } while (0)

static holter_error err;

static const uint64_t world_users[WORLD_USERS] = { 3, 7, 8, 900 };
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
    struct crypto_arena *arena;
    struct oracle *oracle;
    struct manifest_version version;
    struct manifest_file files[WORLD_FILES_MAX];
    uint64_t sequence; /* of the next commit */
    int64_t value;     /* each row has one of its own */
    uint64_t erased;   /* a user; 0: none */
    uint64_t keys_held;
    int64_t weeks; /* that commits touch */
};

/* Metrics 1 and 2 are of class 0, metric 3 of class 1. */
static uint8_t world_class(uint32_t metric)
{
    return metric == 3;
}

static int64_t world_week(int64_t week)
{
    return (WORLD_WEEK_FIRST + week) * MANIFEST_WARM_PARTITION_NS;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static holter_status world_key_new(const struct crypto_key **out, struct world *world,
                                   uint64_t user, uint32_t generation)
{
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    memcpy(bytes, &user, sizeof user);
    memcpy(bytes + sizeof user, &generation, sizeof generation);
    *out = crypto_key_new(world->arena, bytes);
    CHECK(*out != NULL);
    world->keys_held++;
    return HOLTER_OK;
}

static void world_key_free(struct world *world, const struct crypto_key *key)
{
    struct crypto_key *own;
    memcpy(&own, &key, sizeof own);
    crypto_key_free(own);
    world->keys_held--;
}

/* Generation 2 is everybody's newest. */
static holter_status world_keys_get(void *context, uint64_t user, uint32_t stored,
                                    const struct crypto_key **key, uint32_t *generation,
                                    const struct crypto_key **newest, holter_error *error)
{
    struct world *world = context;
    if (user == world->erased)
        return error_set(error, HOLTER_EXPIRED, "user #%llu is erased", (unsigned long long)user);
    CHECK(stored == 1 || stored == 2);
    *generation = 2;
    world_key_new(key, world, user, stored);
    return world_key_new(newest, world, user, 2);
}

static void world_keys_put(void *context, const struct crypto_key *key,
                           const struct crypto_key *newest)
{
    world_key_free(context, key);
    world_key_free(context, newest);
}

/* ---- the live files -------------------------------------------------------------------------- */

static struct segment_spec world_segments(const struct world *world)
{
    return (struct segment_spec){
        .io = world->io, .directory = "shard", .store_id = { 9 }, .place = 1, .is_sealed = true
    };
}

static int world_compare_files(const void *left, const void *right)
{
    const struct manifest_file *a = left, *b = right;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    if (a->tier != b->tier)
        return a->tier < b->tier ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->sequence_min < b->sequence_min ? -1 : a->sequence_min > b->sequence_min;
}

/* Counted in weeks, a cold partition being four: independently of manifest_shares_time. */
static bool world_shares_time(const struct manifest_file *a, const struct manifest_file *b)
{
    if (a->tier == TIER_HOT || b->tier == TIER_HOT)
        return true;
    int64_t a_weeks = a->tier == TIER_COLD ? 4 : 1, b_weeks = b->tier == TIER_COLD ? 4 : 1;
    int64_t a_first = a->partition * a_weeks, b_first = b->partition * b_weeks;
    return a_first < b_first + b_weeks && b_first < a_first + a_weeks;
}

/* C2, and that each file holds what its partition may hold. */
static void world_check_files(const struct manifest_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct manifest_file *a = &files[i];
        CHECK(a->sequence_min <= a->sequence_max);
        CHECK(a->rows > 0 || a->tombstones > 0);
        CHECK((a->tier == TIER_HOT) == (a->partition == MANIFEST_HOT_PARTITION));
        if (a->rows > 0) {
            CHECK(manifest_partition(a->tier, a->begin_min) == a->partition);
            CHECK(manifest_partition(a->tier, a->begin_max) == a->partition);
        }
        if (a->tombstones > 0)
            CHECK(manifest_partition(a->tier, a->tombstone_begin) == a->partition); /* C6 */
        for (size_t j = i + 1; j < count; j++) {
            const struct manifest_file *b = &files[j];
            bool meet = a->class == b->class && world_shares_time(a, b);
            CHECK(!meet || a->sequence_max < b->sequence_min || b->sequence_max < a->sequence_min);
        }
    }
}

static holter_status world_commit(void *context, const struct manifest_edit *edit,
                                  holter_error *error)
{
    struct world *world = context;
    static struct manifest_file files[WORLD_FILES_MAX];
    size_t count = 0, removed = 0;
    for (size_t i = 0; i < world->version.file_count; i++) {
        bool goes = false;
        for (size_t j = 0; j < edit->remove_count; j++)
            goes = goes || memcmp(edit->remove[j], world->files[i].id, MANIFEST_ID_BYTES) == 0;
        removed += goes;
        if (!goes)
            files[count++] = world->files[i];
    }
    CHECK(removed == edit->remove_count);
    CHECK(count + edit->add_count <= WORLD_FILES_MAX);
    if (edit->add_count > 0)
        memcpy(&files[count], edit->add, edit->add_count * sizeof *files);
    count += edit->add_count;
    qsort(files, count, sizeof *files, world_compare_files);
    world_check_files(files, count);

    size_t bytes = count * sizeof *files;
    holter_status status = io_write_file(world->io, "shard/live", count > 0 ? (void *)files : "-",
                                         count > 0 ? bytes : 1, 0, error);
    if (status != HOLTER_OK)
        return status;
    memcpy(world->files, files, bytes);
    world->version.file_count = count;
    world->version.version++;
    return HOLTER_OK;
}

/* As after a failure or a crash: the list is what the disk says. */
static inline void world_reload(struct world *world)
{
    struct buffer live;
    holter_status status = io_read_file(&live, world->io, "shard/live", sizeof world->files, &err);
    if (status == HOLTER_NOT_FOUND)
        status = HOLTER_OK;
    CHECK_OK(status);
    world->version.file_count = live.bytes / sizeof *world->files;
    memcpy(world->files, live.data, world->version.file_count * sizeof *world->files);
    buffer_release(&live);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    CHECK(world != NULL);
    world->random.state = seed;
    world->sequence = 1;
    world->weeks = WORLD_WEEKS;
    world->version.files = world->files;
    world->oracle = oracle_new();
    CHECK_OK(crypto_arena_new(&world->arena, 512, &err));
    world->sim = sim_new(&(struct sim_options){ .seed = seed });
    world->io = sim_process_new(world->sim);
    CHECK_OK(io_make_dir(world->io, "shard", &err));
    struct manifest_edit nothing = { 0 };
    CHECK_OK(world_commit(world, &nothing, &err));
    CHECK_OK(io_sync_dir(world->io, ".", &err));
    return world;
}

static void world_free(struct world *world)
{
    CHECK(world->keys_held == 0);
    io_free(world->io);
    sim_free(world->sim);
    crypto_arena_free(world->arena);
    oracle_free(world->oracle);
    free(world);
}

/* A process of its own on a copy of the disk; oracle and arena are shared. */
static inline struct world *world_copy(const struct world *world)
{
    struct world *copy = malloc(sizeof *copy);
    CHECK(copy != NULL);
    *copy = *world;
    copy->version.files = copy->files;
    copy->sim = sim_copy(world->sim, 1);
    copy->io = sim_process_new(copy->sim);
    return copy;
}

static inline void world_copy_free(struct world *copy)
{
    CHECK(copy->keys_held == 0);
    io_free(copy->io);
    sim_free(copy->sim);
    free(copy);
}

/* ---- commits, and the flush of some ---------------------------------------------------------- */

/*
 * What commits since the last flush wrote: rows by user, metric, source; tombstones by user and
 * class.
 */
struct world_memory {
    struct columns rows[WORLD_USERS][WORLD_METRICS][WORLD_SOURCES];
    struct tombstones tombstones[WORLD_USERS][WORLD_CLASSES];
};

static void world_memory_init(struct world_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    for (int u = 0; u < WORLD_USERS; u++) {
        for (int m = 0; m < WORLD_METRICS; m++) {
            for (int s = 0; s < WORLD_SOURCES; s++)
                columns_init(&memory->rows[u][m][s], &world_schemas[m]);
        }
    }
}

static void world_memory_release(struct world_memory *memory)
{
    for (int u = 0; u < WORLD_USERS; u++) {
        for (int m = 0; m < WORLD_METRICS; m++) {
            for (int s = 0; s < WORLD_SOURCES; s++)
                columns_release(&memory->rows[u][m][s]);
        }
        for (int c = 0; c < WORLD_CLASSES; c++)
            tombstones_release(&memory->tombstones[u][c]);
    }
}

/* Few times, so that collisions are the rule, some of them at the edges of weeks. */
static int64_t world_time(struct world *world)
{
    int64_t week = (int64_t)random_below(&world->random, (uint64_t)world->weeks);
    return world_week(week) - 1 + (int64_t)random_below(&world->random, 4);
}

static int64_t world_revision(struct world *world)
{
    static const int64_t revisions[] = { 0, 0, 0, 0, 1, 2, -1 };
    return revisions[random_below(&world->random, CORE_COUNT(revisions))];
}

static void world_row(struct world *world, struct world_memory *memory, int user, int metric,
                      int source, int64_t time, int64_t revision)
{
    size_t key = random_below(&world->random, CORE_COUNT(world_texts));
    struct row row = {
        .time = time,
        .duration = metric > 0 ? (int64_t)random_below(&world->random, 5) : 0,
        .field = { world->value++ },
        .flags =
            (uint16_t)(random_below(&world->random, 256) << 8 | random_below(&world->random, 16)),
        .revision = revision,
        .sequence = world->sequence,
    };
    struct oracle_row known = {
        .user = world_users[user],
        .metric = (uint32_t)metric + 1,
        .source = (uint32_t)source + 1,
        .time = row.time,
        .duration = row.duration,
        .revision = revision,
        .sequence = row.sequence,
        .flags = row.flags,
        .payload = &row.field[0],
        .payload_bytes = sizeof row.field[0],
    };
    if (metric == 1)
        known.key = row.field[1] = (int64_t)key;
    if (metric == 2) {
        row.text[1] = (const uint8_t *)world_texts[key];
        row.text_bytes[1] = (uint32_t)strlen(world_texts[key]);
        known.text_key = world_texts[key];
        known.text_key_bytes = strlen(world_texts[key]);
    }
    CHECK(columns_append(&memory->rows[user][metric][source], &row));
    oracle_add_row(world->oracle, &known);
}

/* metric, source: 0 all. */
static void world_delete(struct world *world, struct world_memory *memory, int user,
                         uint32_t metric, uint32_t source, int64_t begin, int64_t end,
                         int64_t revision)
{
    struct tombstone one = {
        .metric = metric,
        .source = source,
        .begin = begin,
        .end = end,
        .revision = revision,
        .sequence = world->sequence,
    };
    struct oracle_tombstone known = {
        .user = world_users[user],
        .metric = metric,
        .source = source,
        .begin = begin,
        .end = end,
        .revision = revision,
        .sequence = one.sequence,
    };
    for (uint8_t class = 0; class < WORLD_CLASSES; class ++) {
        if (metric == 0 || world_class(metric) == class)
            CHECK(tombstones_add(&memory->tombstones[user][class], &one));
    }
    oracle_add_tombstone(world->oracle, &known);
}

/* One frame: perhaps a replaced range or a deletion, perhaps rows. */
static void world_frame(struct world *world, struct world_memory *memory)
{
    int user = (int)random_below(&world->random, WORLD_USERS);
    if (random_below(&world->random, 3) == 0) {
        static const uint32_t scopes[][2] = { { 0, 0 }, { 1, 0 }, { 1, 1 }, { 2, 0 },
                                              { 2, 2 }, { 3, 0 }, { 3, 1 } };
        const uint32_t *scope = scopes[random_below(&world->random, CORE_COUNT(scopes))];
        int64_t begin = world_time(world), end = world_time(world);
        if (begin > end) {
            int64_t swap = begin;
            begin = end;
            end = swap;
        }
        if (random_below(&world->random, 20) == 0) {
            begin = INT64_MIN;
            end = INT64_MAX;
        }
        world_delete(world, memory, user, scope[0], scope[1], begin, begin == end ? end + 1 : end,
                     world_revision(world));
    }
    int metric = (int)random_below(&world->random, WORLD_METRICS);
    int source = (int)random_below(&world->random, WORLD_SOURCES);
    int64_t revision = world_revision(world);
    for (uint64_t rows = random_below(&world->random, 8); rows > 0; rows--)
        world_row(world, memory, user, metric, source, world_time(world), revision);
    world->sequence++;
}

/*
 * The user's part of a hot file. Flags and revisions pass; what the flush's own tombstones hide
 * does not.
 */
static void world_flush_user(struct world *world, struct segment_writer *writer,
                             struct world_memory *memory, int user, uint8_t class)
{
    const struct crypto_key *key;
    uint32_t generation = 1 + (uint32_t)random_below(&world->random, 2);
    struct tombstones *tombstones = &memory->tombstones[user][class];
    bool has_rows = false;
    for (int m = 0; m < WORLD_METRICS; m++) {
        for (int s = 0; s < WORLD_SOURCES; s++)
            has_rows = has_rows || (world_class((uint32_t)m + 1) == class &&
                                    memory->rows[user][m][s].count > 0);
    }
    if (!has_rows && tombstones->count == 0)
        return;
    world_key_new(&key, world, world_users[user], generation);
    CHECK_OK(segment_writer_user(writer, world_users[user], generation, world->arena, key, &err));
    world_key_free(world, key);
    if (tombstones->count > 0)
        CHECK_OK(segment_writer_tombstones(writer, tombstones, &err));
    for (int m = 0; m < WORLD_METRICS; m++) {
        for (int s = 0; s < WORLD_SOURCES; s++) {
            struct columns *rows = &memory->rows[user][m][s];
            if (world_class((uint32_t)m + 1) != class || rows->count == 0)
                continue;
            CHECK(columns_sort(rows));
            struct merge_memory source;
            struct merge_run run;
            merge_memory_run(&run, &source, rows);
            struct merge_spec spec = {
                .runs = &run,
                .run_count = 1,
                .tombstones = tombstones,
                .metric = (uint32_t)m + 1,
                .source = (uint32_t)s + 1,
                .schema = rows->schema,
                .from = INT64_MIN,
                .to = INT64_MAX,
                .ends_after = INT64_MAX,
            };
            struct merge *merge;
            struct columns standing;
            columns_init(&standing, &rows->schema);
            CHECK_OK(merge_new(&merge, &spec, &err));
            holter_status status = merge_next(merge, &standing, SIZE_MAX, &err);
            if (status != HOLTER_DONE) {
                CHECK_OK(status);
                CHECK_OK(
                    segment_writer_series(writer, spec.metric, spec.source, &rows->schema, &err));
                CHECK_OK(segment_writer_rows(writer, &standing, 0, standing.count, &err));
            }
            merge_free(merge);
            columns_release(&standing);
        }
    }
}

/* C5: a hot file for each class that has something. */
static void world_flush(struct world *world, struct world_memory *memory, uint64_t sequence_first)
{
    struct manifest_file added[WORLD_CLASSES];
    struct manifest_edit edit = { .add = added };
    struct segment_spec spec = world_segments(world);
    for (uint8_t class = 0; class < WORLD_CLASSES; class ++) {
        struct segment_traits traits = {
            .tier = TIER_HOT,
            .class = class,
            .partition = MANIFEST_HOT_PARTITION,
            .sequence_min = sequence_first,
            .sequence_max = world->sequence - 1,
        };
        struct segment_writer *writer;
        struct segment_summary summary;
        CHECK_OK(segment_writer_new(&writer, &spec, &traits, WORLD_USERS, &err));
        for (int user = 0; user < WORLD_USERS; user++)
            world_flush_user(world, writer, memory, user, class);
        holter_status status = segment_writer_finish(writer, &summary, &err);
        segment_writer_free(writer);
        if (status == HOLTER_NOT_FOUND)
            continue;
        CHECK_OK(status);
        struct manifest_file *file = &added[edit.add_count++];
        *file = (struct manifest_file){
            .tier = TIER_HOT,
            .class = class,
            .partition = MANIFEST_HOT_PARTITION,
            .sequence_min = traits.sequence_min,
            .sequence_max = traits.sequence_max,
            .user_min = summary.user_min,
            .user_max = summary.user_max,
            .rows = summary.rows,
            .begin_min = summary.begin_min,
            .begin_max = summary.begin_max,
            .end_max = summary.end_max,
            .tombstones = summary.tombstones,
            .tombstone_begin = summary.tombstone_begin,
            .tombstone_end = summary.tombstone_end,
            .bytes = summary.bytes,
            .footer_hash = summary.footer_hash,
        };
        memcpy(file->id, summary.id, sizeof file->id);
    }
    CHECK_OK(world_commit(world, &edit, &err));
}

/* A few frames, flushed together. */
static inline void world_flush_random(struct world *world)
{
    struct world_memory memory;
    uint64_t first = world->sequence;
    world_memory_init(&memory);
    for (uint64_t frames = 1 + random_below(&world->random, 8); frames > 0; frames--)
        world_frame(world, &memory);
    world_flush(world, &memory, first);
    world_memory_release(&memory);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static holter_status world_step(struct world *world, struct compaction_result *result,
                                int64_t now_ns, enum manifest_tier to, holter_error *error)
{
    struct compaction_spec spec = {
        .segment = world_segments(world),
        .version = &world->version,
        .commit = world_commit,
        .commit_context = world,
        .arena = world->arena,
        .keys = { world_keys_get, world_keys_put, world },
        .now_ns = now_ns,
        .to = to,
    };
    /* The version is the caller's until the step ends, as a pinned one would be. */
    static struct manifest_file files[WORLD_FILES_MAX];
    struct manifest_version version = world->version;
    memcpy(files, world->files, sizeof files);
    version.files = files;
    spec.version = &version;
    return compaction_step(result, &spec, error);
}

/* Steps until there is nothing to do; they end. */
static inline struct compaction_result world_settle(struct world *world, int64_t now_ns,
                                                    enum manifest_tier to)
{
    struct compaction_result sum = { 0 };
    for (int steps = 0;; steps++) {
        struct compaction_result one;
        CHECK(steps < WORLD_FILES_MAX);
        CHECK_OK(world_step(world, &one, now_ns, to, &err));
        if (!one.did_work)
            return sum;
        sum.jobs += one.jobs;
        sum.rows_in += one.rows_in;
        sum.rows_out += one.rows_out;
        sum.tombstones_in += one.tombstones_in;
        sum.tombstones_out += one.tombstones_out;
        sum.files_in += one.files_in;
        sum.files_out += one.files_out;
    }
}

/* ---- reading, and the comparison ------------------------------------------------------------- */

/* A user in all live files of a class. */
struct world_reader {
    struct segment *segments[WORLD_FILES_MAX];
    struct segment_section *sections[WORLD_FILES_MAX];
    const struct crypto_key *keys[WORLD_FILES_MAX];
    const struct manifest_file *files[WORLD_FILES_MAX];
    size_t count;
    struct tombstones tombstones;
    struct io_queue *queue;
};

static void world_reader_open(struct world_reader *reader, struct world *world, uint64_t user,
                              uint8_t class)
{
    struct segment_spec spec = world_segments(world);
    memset(reader, 0, sizeof *reader);
    CHECK_OK(io_queue_open(&reader->queue, world->io, 64, &err));
    for (size_t i = 0; i < world->version.file_count; i++) {
        const struct manifest_file *file = &world->files[i];
        struct segment_user place;
        struct segment *segment;
        if (file->class != class)
            continue;
        CHECK_OK(segment_open(&segment, &spec, file->id, file->footer_hash, &err));
        holter_status status = segment_user_find(&place, segment, reader->queue, user, &err);
        if (status == HOLTER_NOT_FOUND) {
            segment_close(segment);
            continue;
        }
        CHECK_OK(status);
        size_t at = reader->count++;
        reader->files[at] = file;
        reader->segments[at] = segment;
        world_key_new(&reader->keys[at], world, user, place.key_generation);
        CHECK_OK(segment_section_open(&reader->sections[at], segment, &place, reader->queue,
                                      world->arena, reader->keys[at], &err));
        const struct tombstones *tombstones = segment_section_tombstones(reader->sections[at]);
        for (size_t t = 0; t < tombstones->count; t++) {
            CHECK(tombstones_add(&reader->tombstones, &tombstones->at[t]));
            CHECK(manifest_partition(file->tier, tombstones->at[t].begin) ==
                  file->partition); /* C6 */
        }
    }
}

static void world_reader_close(struct world_reader *reader, struct world *world)
{
    for (size_t i = 0; i < reader->count; i++) {
        segment_section_close(reader->sections[i]);
        world_key_free(world, reader->keys[i]);
        segment_close(reader->segments[i]);
    }
    tombstones_release(&reader->tombstones);
    io_queue_close(reader->queue);
}

/* The standing rows of a series, by all files. *out is initialised here. */
static void world_read(struct columns *out, struct world_reader *reader, uint32_t metric,
                       uint32_t source, int64_t from, int64_t to, int64_t ends_after)
{
    static struct merge_run runs[WORLD_FILES_MAX];
    static struct segment_run *open[WORLD_FILES_MAX];
    size_t count = 0;
    columns_init(out, &world_schemas[metric - 1]);
    for (size_t i = 0; i < reader->count; i++) {
        size_t series_count = segment_section_series_count(reader->sections[i]);
        for (size_t s = 0; s < series_count; s++) {
            const struct segment_series *series = segment_section_series(reader->sections[i], s);
            if (series->metric != metric || series->source != source)
                continue;
            /*
             * A file whose own row ends early may hold the one that stands, so ends prune nothing
             * here.
             */
            CHECK_OK(segment_run_open(&open[count], reader->sections[i], s,
                                      ends_after == INT64_MAX ? from : INT64_MIN, to, INT64_MAX,
                                      &err));
            segment_run_merge(open[count], &runs[count], reader->files[i]->sequence_min,
                              reader->files[i]->sequence_max);
            count++;
        }
    }
    struct merge_spec spec = {
        .runs = runs,
        .run_count = count,
        .tombstones = &reader->tombstones,
        .metric = metric,
        .source = source,
        .schema = world_schemas[metric - 1],
        .from = from,
        .to = to,
        .ends_after = ends_after,
    };
    struct merge *merge;
    CHECK_OK(merge_new(&merge, &spec, &err));
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK)
        status = merge_next(merge, out, 3, &err);
    CHECK(status == HOLTER_DONE);
    merge_free(merge);
    for (size_t i = 0; i < count; i++)
        segment_run_close(open[i]);
}

static void world_compare(const struct columns *rows, const struct oracle_row *const *known,
                          size_t count)
{
    CHECK(rows->count == count);
    for (size_t i = 0; i < count; i++) {
        CHECK(rows->time[i] == known[i]->time);
        CHECK(rows->duration == NULL || rows->duration[i] == known[i]->duration);
        CHECK(memcmp(&rows->field[0][i], known[i]->payload, sizeof rows->field[0][i]) == 0);
        CHECK(rows->flags[i] == known[i]->flags);
        CHECK(rows->revision[i] == known[i]->revision);
    }
}

/* Every series answers as the oracle does: whole, and in a range with what lasts into it. */
static void world_check(struct world *world)
{
    static struct world_reader reader;
    int64_t from = world_time(world), to = world_time(world);
    for (int u = 0; u < WORLD_USERS; u++) {
        if (world_users[u] == world->erased)
            continue;
        for (uint8_t class = 0; class < WORLD_CLASSES; class ++) {
            world_reader_open(&reader, world, world_users[u], class);
            for (uint32_t metric = 1; metric <= WORLD_METRICS; metric++) {
                if (world_class(metric) != class)
                    continue;
                for (uint32_t source = 1; source <= WORLD_SOURCES; source++) {
                    struct columns rows;
                    size_t count;
                    world_read(&rows, &reader, metric, source, INT64_MIN, INT64_MAX, INT64_MAX);
                    const struct oracle_row *const *known =
                        oracle_ask(world->oracle, world_users[u], metric, source, INT64_MIN,
                                   INT64_MAX, INT64_MAX, &count);
                    world_compare(&rows, known, count);
                    columns_release(&rows);
                    world_read(&rows, &reader, metric, source, from, to, from);
                    known = oracle_ask(world->oracle, world_users[u], metric, source, from, to,
                                       from, &count);
                    world_compare(&rows, known, count);
                    columns_release(&rows);
                }
            }
            world_reader_close(&reader, world);
        }
    }
}

#endif
