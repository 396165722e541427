/*
 * test_merge_random.c -- merge agrees with the oracle, whatever the store did with the rows before.
 *
 * Claim: M1-M4 hold through flush and compaction. Method: a handful of commits - rows that collide,
 * revisions that rise and fall, replaced ranges and deletions - go to an oracle that knows each
 * row's sequence. The same commits become files with disjoint sequence ranges, written by the merge
 * itself as a flush would, joined as a compaction would, and memtables; then a question over all of
 * them must be answered alike. Each row has a value of its own, so the right row stands, not only
 * an equal one.
 */
#include "merge/merge.h"
#include "random.h"
#include "run.h"

#include "../model/oracle.c"

#ifdef __SANITIZE_ADDRESS__
enum { CASES = 20000 };
#else
enum { CASES = 250000 };
#endif

enum {
    COMMITS_MAX = 12,
    PLACES_MAX = 8, /* files and memtables */
    TIMES = 10,
    METRIC = 7,
    SOURCE = 3,
    USER = 1
};

/* What one commit range became. */
struct place {
    struct columns rows;
    struct tombstones tombstones;
    uint64_t sequence_min, sequence_max;
    bool is_exact;
};

struct world {
    struct random random;
    struct schema schema;
    struct oracle *oracle;
    struct place places[PLACES_MAX];
    size_t place_count;
    int64_t next_value;
};

static uint64_t totals[2]; /* superseded and hidden rows of all cases */

static const struct schema schemas[] = {
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INTERVAL, 2, 1, { FIELD_INT, FIELD_ENUM } },
    { SAMPLE_INSTANT, 3, 2, { FIELD_INT, FIELD_FLOAT, FIELD_TEXT } },
};

static const char *const text_keys[] = { "", "a", "ab" };

/* ---- commits --------------------------------------------------------------------------------- */

static int64_t random_revision(struct world *world)
{
    static const int64_t revisions[] = { 0, 0, 0, 1, 2, 3, -1, INT64_MIN, INT64_MAX };
    return revisions[random_below(&world->random, CORE_COUNT(revisions))];
}

static void add_row(struct world *world, struct place *place, uint64_t sequence, int64_t revision)
{
    size_t key = random_below(&world->random, CORE_COUNT(text_keys));
    bool is_interval = world->schema.kind == SAMPLE_INTERVAL;
    struct row row = {
        .time = (int64_t)random_below(&world->random, TIMES),
        .duration = is_interval ? (int64_t)random_below(&world->random, TIMES) : 0,
        .field = { world->next_value++ },
        .flags = (uint16_t)(random_below(&world->random, 256) << 8),
        .revision = revision,
        .sequence = sequence,
    };
    struct oracle_row known = {
        .user = USER,
        .metric = METRIC,
        .source = SOURCE,
        .time = row.time,
        .duration = row.duration,
        .revision = revision,
        .sequence = sequence,
        .flags = row.flags,
        .payload = row.field,
        .payload_bytes = sizeof row.field[0],
    };
    if (world->schema.key_field == 1)
        known.key = row.field[1] = (int64_t)key;
    if (world->schema.key_field == 2) {
        row.text[2] = (const uint8_t *)text_keys[key];
        row.text_bytes[2] = (uint32_t)strlen(text_keys[key]);
        known.text_key = text_keys[key];
        known.text_key_bytes = strlen(text_keys[key]);
    }
    CHECK(columns_append(&place->rows, &row));
    oracle_add_row(world->oracle, &known);
}

static void add_tombstone(struct world *world, struct place *place, uint64_t sequence,
                          int64_t revision)
{
    static const uint32_t scopes[][2] = { { METRIC, SOURCE }, { METRIC, SOURCE }, { METRIC, 0 },
                                          { 0, 0 },           { METRIC, 4 },      { 8, SOURCE } };
    const uint32_t *scope = scopes[random_below(&world->random, CORE_COUNT(scopes))];
    int64_t begin = (int64_t)random_below(&world->random, TIMES);
    int64_t end = begin + 1 + (int64_t)random_below(&world->random, TIMES);
    if (random_below(&world->random, 16) == 0) {
        begin = INT64_MIN;
        end = INT64_MAX;
    }
    struct tombstone one = { scope[0], scope[1], begin, end, revision, sequence };
    struct oracle_tombstone known = { USER, scope[0], scope[1], begin, end, revision, sequence };
    CHECK(tombstones_add(&place->tombstones, &one));
    oracle_add_tombstone(world->oracle, &known);
}

static void commit(struct world *world, struct place *place, uint64_t sequence)
{
    int64_t revision = random_revision(world);
    bool has_own_revisions = random_below(&world->random, 4) == 0;
    if (random_below(&world->random, 3) == 0)
        add_tombstone(world, place, sequence, revision);
    for (size_t i = random_below(&world->random, 6); i > 0; i--)
        add_row(world, place, sequence, has_own_revisions ? random_revision(world) : revision);
    place->sequence_max = sequence;
}

static void place_init(struct world *world, struct place *place)
{
    columns_init(&place->rows, &world->schema);
    tombstones_init(&place->tombstones);
    place->sequence_min = place->sequence_max = 0;
    place->is_exact = true;
}

static void place_release(struct place *place)
{
    columns_release(&place->rows);
    tombstones_release(&place->tombstones);
}

/* ---- merging places -------------------------------------------------------------------------- */

/* A run that hands its rows out in small blocks, each of which is gone when the next is read. */
struct chopped {
    const struct columns *rows;
    size_t at;
    size_t block_rows;
    bool tells; /* where it goes on, and whether its rows rise */
    struct columns block;
};

static uint64_t lent; /* batches that were not copied */

static holter_status chopped_read(struct merge_run *run, const struct columns **block,
                                  size_t *first, size_t *count, holter_error *err)
{
    (void)err;
    struct chopped *chopped = run->context;
    size_t left = chopped->rows->count - chopped->at;
    if (left == 0)
        return HOLTER_DONE;
    size_t rows = left < chopped->block_rows ? left : chopped->block_rows;
    struct schema schema = chopped->rows->schema;
    columns_release(&chopped->block);
    columns_init(&chopped->block, &schema);
    size_t lead = chopped->at > 0; /* a row before the block's own, which is none of it */
    CHECK(columns_append_rows(&chopped->block, chopped->rows, chopped->at - lead, rows + lead));
    chopped->at += rows;
    *block = &chopped->block;
    *first = lead;
    *count = rows;
    run->is_rising = chopped->tells;
    for (size_t i = lead; run->is_rising && i + 1 < chopped->block.count; i++)
        run->is_rising = chopped->block.time[i] < chopped->block.time[i + 1];
    return HOLTER_OK;
}

/* As much as a run may know: the very begin, or less. */
static int64_t chopped_next_begin(const struct merge_run *run)
{
    const struct chopped *chopped = run->context;
    if (chopped->at == chopped->rows->count)
        return INT64_MAX;
    int64_t begin = chopped->rows->time[chopped->at];
    return chopped->at % 3 == 0 ? begin - 1 : begin;
}

/* The next rows, as they lie in blocks where they may. */
static holter_status take(struct merge *merge, struct columns *out, size_t rows_max)
{
    struct columns own;
    struct merge_rows rows = { 0 };
    columns_init(&own, &out->schema);
    holter_status status = merge_take(merge, &rows, &own, rows_max, NULL);
    if (status == HOLTER_OK)
        CHECK(columns_append_rows(out, rows.columns, rows.first, rows.count));
    lent += status == HOLTER_OK && rows.columns != &own;
    columns_release(&own);
    return status;
}

/* The rows that stand of places [first, end), under the tombstones given. */
static void merge_places(struct world *world, struct columns *out, size_t first, size_t end,
                         const struct tombstones *tombstones, int64_t from, int64_t to,
                         int64_t ends_after)
{
    struct merge_run runs[PLACES_MAX] = { 0 };
    struct chopped chopped[PLACES_MAX];
    for (size_t i = first; i < end; i++) {
        struct place *place = &world->places[i];
        chopped[i] = (struct chopped){ .rows = &place->rows,
                                       .block_rows = 1 + random_below(&world->random, 9),
                                       .tells = random_below(&world->random, 2) == 0 };
        columns_init(&chopped[i].block, &world->schema);
        runs[i - first] =
            (struct merge_run){ .read = chopped_read,
                                .next_begin = chopped[i].tells ? chopped_next_begin : NULL,
                                .context = &chopped[i],
                                .is_exact = place->is_exact,
                                .sequence_min = place->sequence_min,
                                .sequence_max = place->sequence_max };
    }
    struct merge_spec spec = {
        .runs = runs,
        .run_count = end - first,
        .tombstones = tombstones,
        .metric = METRIC,
        .source = SOURCE,
        .schema = world->schema,
        .from = from,
        .to = to,
        .ends_after = ends_after,
        .lent_least = 1 + random_below(&world->random, 3),
    };
    struct merge *merge;
    CHECK(merge_new(&merge, &spec, NULL) == HOLTER_OK);
    size_t rows_max = 1 + random_below(&world->random, 8);
    bool takes = random_below(&world->random, 2) == 0;
    for (;;) {
        size_t before = out->count;
        holter_status status =
            takes ? take(merge, out, rows_max) : merge_next(merge, out, rows_max, NULL);
        if (status == HOLTER_DONE) {
            CHECK(out->count == before);
            break;
        }
        CHECK(status == HOLTER_OK);
        CHECK(out->count > before);
        CHECK(out->count - before <= rows_max);
    }
    uint64_t superseded, hidden;
    merge_counts(merge, &superseded, &hidden);
    totals[0] += superseded;
    totals[1] += hidden;
    merge_free(merge);
    for (size_t i = first; i < end; i++)
        columns_release(&chopped[i].block);
}

/* Tombstones of places [first, end), coalesced or not. */
static void gather(struct world *world, struct tombstones *out, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        for (size_t j = 0; j < world->places[i].tombstones.count; j++)
            CHECK(tombstones_add(out, &world->places[i].tombstones.at[j]));
    }
    if (random_below(&world->random, 2) == 0)
        tombstones_coalesce(out);
}

/* Files carry no sequences: what a merge must not look at says so. */
static void forget_sequences(struct columns *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        rows->sequence[i] = 0x5151515151515151;
}

/*
 * Places [first, end) become one file in the place of the first. Applied are the tombstones of
 * these places, as they must be, and of others up to `known`, as they may be; kept are those of the
 * places joined, but for those that hide nothing any more (C4).
 */
static void join(struct world *world, size_t first, size_t end, size_t known)
{
    struct tombstones applied, kept;
    struct columns rows;
    tombstones_init(&applied);
    tombstones_init(&kept);
    columns_init(&rows, &world->schema);
    gather(world, &applied, random_below(&world->random, 2) == 0 ? 0 : first, known);
    merge_places(world, &rows, first, end, &applied, INT64_MIN, INT64_MAX, INT64_MAX);
    forget_sequences(&rows);

    gather(world, &kept, first, end);
    if (first == 0) {
        size_t count = 0;
        for (size_t i = 0; i < kept.count; i++) {
            if (kept.at[i].revision != 0)
                kept.at[count++] = kept.at[i];
        }
        kept.count = count;
    }
    struct place joined = {
        .rows = rows,
        .tombstones = kept,
        .sequence_min = world->places[first].sequence_min,
        .sequence_max = world->places[end - 1].sequence_max,
        .is_exact = false,
    };
    for (size_t i = first; i < end; i++)
        place_release(&world->places[i]);
    world->places[first] = joined;
    for (size_t i = end; i < world->place_count; i++)
        world->places[first + 1 + i - end] = world->places[i];
    world->place_count -= end - first - 1;
    tombstones_release(&applied);
}

/* ---- a case ---------------------------------------------------------------------------------- */

static void fill(struct world *world)
{
    size_t commits = 1 + random_below(&world->random, COMMITS_MAX);
    uint64_t sequence = random_below(&world->random, 3);
    place_init(world, &world->places[world->place_count++]);
    for (size_t i = 0; i < commits; i++) {
        struct place *place = &world->places[world->place_count - 1];
        sequence += 1 + random_below(&world->random, 2);
        if (place->sequence_min == 0)
            place->sequence_min = sequence;
        commit(world, place, sequence);
        if (i + 1 < commits && world->place_count < PLACES_MAX &&
            random_below(&world->random, 2) == 0)
            place_init(world, &world->places[world->place_count++]);
    }
    for (size_t i = 0; i < world->place_count; i++)
        CHECK(columns_sort(&world->places[i].rows));
}

/* The first places are flushed, some neighbours compacted; the rest stay memtables. */
static void settle(struct world *world)
{
    size_t files = random_below(&world->random, world->place_count + 1);
    for (size_t i = 0; i < files; i++) {
        size_t later = world->place_count - i;
        join(world, i, i + 1, i + 1 + random_below(&world->random, later));
    }
    for (size_t i = random_below(&world->random, 3); i > 0 && files > 1; i--) {
        size_t first = random_below(&world->random, files - 1);
        size_t count = 2 + random_below(&world->random, files - first - 1);
        join(world, first, first + count, world->place_count);
        files -= count - 1;
    }
}

static void assert_answer(struct world *world, const struct columns *rows,
                          const struct oracle_row *const *expected, size_t count, uint64_t seed)
{
    if (rows->count != count)
        ck_abort_msg("seed %llu: %zu rows, expected %zu", (unsigned long long)seed, rows->count,
                     count);
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        memcpy(&value, expected[i]->payload, sizeof value);
        if (rows->field[0][i] != value)
            ck_abort_msg("seed %llu, row %zu: value %lld, expected %lld", (unsigned long long)seed,
                         i, (long long)rows->field[0][i], (long long)value);
        CHECK(rows->time[i] == expected[i]->time);
        CHECK(columns_end(rows, i) == end_of(expected[i]));
        CHECK(rows->revision[i] == expected[i]->revision);
        CHECK(rows->flags[i] == expected[i]->flags);
        if (world->schema.key_field == 1)
            CHECK(rows->field[1][i] == expected[i]->key);
        if (world->schema.key_field == 2) {
            uint32_t bytes;
            const uint8_t *text = columns_text(rows, 2, i, &bytes);
            CHECK(bytes == expected[i]->text_key_bytes);
            CHECK(memcmp(text, expected[i]->text_key, bytes) == 0);
        }
    }
}

static void ask(struct world *world, uint64_t seed)
{
    int64_t from = INT64_MIN, to = INT64_MAX, ends_after = INT64_MAX;
    if (random_below(&world->random, 4) > 0) {
        from = (int64_t)random_below(&world->random, TIMES);
        to = from + (int64_t)random_below(&world->random, TIMES);
        if (random_below(&world->random, 2) == 0)
            ends_after = from;
        else if (random_below(&world->random, 4) == 0)
            ends_after = (int64_t)random_below(&world->random, TIMES);
    }
    struct tombstones tombstones;
    struct columns rows;
    tombstones_init(&tombstones);
    columns_init(&rows, &world->schema);
    gather(world, &tombstones, 0, world->place_count);
    merge_places(world, &rows, 0, world->place_count, &tombstones, from, to, ends_after);

    size_t count;
    const struct oracle_row *const *expected =
        oracle_ask(world->oracle, USER, METRIC, SOURCE, from, to, ends_after, &count);
    assert_answer(world, &rows, expected, count, seed);
    columns_release(&rows);
    tombstones_release(&tombstones);
}

static void run_case(uint64_t seed)
{
    struct world world = {
        .random = { seed },
        .schema = schemas[seed % CORE_COUNT(schemas)],
        .oracle = oracle_new(),
    };
    fill(&world);
    settle(&world);
    ask(&world, seed);
    if (seed % 3 == 0)
        oracle_prune(world.oracle);
    ask(&world, seed);
    for (size_t i = 0; i < world.place_count; i++)
        place_release(&world.places[i]);
    oracle_free(world.oracle);
}

START_TEST(whatever_was_flushed_and_compacted_the_right_rows_stand)
{
    for (uint64_t i = 0; i < CASES / 4; i++)
        run_case((uint64_t)_i * CASES + i);
    ck_assert_uint_gt(lent, CASES / 8);
    ck_assert_uint_gt(totals[0], CASES / 4);
    ck_assert_uint_gt(totals[1], CASES / 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merge_random");
    TCase *tcase = tcase_create("random");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, whatever_was_flushed_and_compacted_the_right_rows_stand, 0, 4);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
