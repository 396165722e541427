/*
 * segment_world.h -- a machine with a shard's directory, seeded contents, and a segment's answers
 * against them.
 *
 * Every value of a field is bounded away from what a neighbour has, so that a wrong row is seen,
 * not only a missing one.
 */
#ifndef TESTS_UNIT_SEGMENT_WORLD_H
#define TESTS_UNIT_SEGMENT_WORLD_H

#include "io/io_sim.h"
#include "random.h"
#include "run.h"
#include "segment/segment.h"

#include <stdio.h>
#include <string.h>

enum { WORLD_SERIES_MAX = 24, WORLD_SEQUENCE_MAX = 900 };

struct world {
    struct sim *sim;
    struct io *io;
    struct io_queue *queue;
    struct crypto_arena *arena;
    struct segment_spec spec;
};

struct content_series {
    uint32_t metric, source;
    struct columns rows;
};

struct content_user {
    uint64_t user;
    uint32_t key_generation;
    struct tombstones tombstones;
    struct content_series series[WORLD_SERIES_MAX];
    size_t series_count;
};

struct content {
    uint8_t tier, class;
    struct content_user *users;
    size_t user_count;
    bool is_behind; /* the writer is not told how many */
};

static inline void world_process(struct world *world)
{
    world->io = sim_process_new(world->sim);
    world->spec.io = world->io;
    CHECK(io_queue_open(&world->queue, world->io, 4, NULL) == HOLTER_OK);
}

static inline void world_process_end(struct world *world)
{
    io_queue_close(world->queue);
    io_free(world->io);
    world->queue = NULL;
    world->io = NULL;
}

static inline void world_init(struct world *world, uint64_t seed, bool is_sealed)
{
    *world = (struct world){
        .spec = { .directory = "shard", .place = 1 << 16 | 3, .is_sealed = is_sealed }
    };
    memset(world->spec.store_id, 0x5a, sizeof world->spec.store_id);
    world->sim = sim_new(&(struct sim_options){ .seed = seed });
    world_process(world);
    CHECK(crypto_arena_new(&world->arena, 8, NULL) == HOLTER_OK);
    CHECK(io_make_dir(world->io, "shard", NULL) == HOLTER_OK);
    CHECK(io_sync_dir(world->io, ".", NULL) == HOLTER_OK);
}

static inline void world_release(struct world *world)
{
    crypto_arena_free(world->arena);
    world_process_end(world);
    sim_free(world->sim);
}

/* The key of a user, from the number alone; NULL where the world is not sealed. */
static inline struct crypto_key *world_key(struct world *world, uint64_t user)
{
    uint8_t bytes[CRYPTO_KEY_BYTES] = { 0 };
    if (!world->spec.is_sealed)
        return NULL;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(user >> (i % 8 * 8)) ^ (uint8_t)(i * 7);
    struct crypto_key *key = crypto_key_new(world->arena, bytes);
    CHECK(key != NULL);
    return key;
}

/* ---- contents -------------------------------------------------------------------------------- */

static const struct schema world_schemas[] = {
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_ENUM } },
    { SAMPLE_INSTANT, 2, SCHEMA_NO_KEY, { FIELD_FLOAT, FIELD_INT } },
    { SAMPLE_INTERVAL, 3, 1, { FIELD_FLOAT, FIELD_ENUM, FIELD_TEXT } },
    { SAMPLE_INSTANT, 2, 0, { FIELD_TEXT, FIELD_INT } },
    { SAMPLE_INSTANT,
      8,
      SCHEMA_NO_KEY,
      { FIELD_INT, FIELD_FLOAT, FIELD_ENUM, FIELD_TEXT, FIELD_INT, FIELD_FLOAT, FIELD_ENUM,
        FIELD_INT } },
};

/* Revisions: 0 all the same, 1 one block in four differs, 2 each row has its own. */
static inline void rows_make(struct columns *rows, const struct schema *schema,
                             struct random *random, size_t count)
{
    static const int64_t steps[] = { 1, 1000000, 1000000000, 60000000000 };
    columns_init(rows, schema);
    int64_t step = steps[random_below(random, CORE_COUNT(steps))];
    int64_t time = (int64_t)random_below(random, 1u << 30) * 1000000000;
    uint64_t revised = random_below(random, 3);
    int64_t revision = (int64_t)random_below(random, 1000) - 500;
    bool is_wide = random_below(random, 4) == 0;
    for (size_t i = 0; i < count; i++) {
        char text[SCHEMA_FIELDS_MAX][64];
        bool repeats = i > 0 && schema->key_field != SCHEMA_NO_KEY && random_below(random, 3) == 0;
        time += repeats ? 0 : step * (int64_t)(1 + random_below(random, 3));
        struct row row = { .time = time, .revision = revision };
        if (schema->kind == SAMPLE_INTERVAL)
            row.duration = random_below(random, 200) == 0 ? INT64_MAX
                                                          : step * (int64_t)random_below(random, 5);
        if (revised == 2 || (revised == 1 && i / SEGMENT_BLOCK_ROWS % 4 == 1))
            row.revision = revision + (int64_t)random_below(random, 100);
        if (random_below(random, 50) == 0)
            row.flags = random_below(random, 2) ? SAMPLE_OUT_OF_RANGE : SAMPLE_ANOMALY | 0x300;
        for (size_t f = 0; f < schema->field_count; f++) {
            bool is_key = f == schema->key_field;
            double value = (double)random_below(random, 100000) / 100.0 - 300.0;
            switch (schema->types[f]) {
            case FIELD_INT:
                row.field[f] =
                    is_wide ? (int64_t)random_u64(random) : (int64_t)random_below(random, 200) - 20;
                break;
            case FIELD_ENUM: /* as a key it rises with the row, so that equal times stay apart */
                row.field[f] = is_key ? (int64_t)i : (int64_t)random_below(random, 6);
                break;
            case FIELD_FLOAT:
                memcpy(&row.field[f], &value, sizeof value);
                break;
            default:
                row.text_bytes[f] = (uint32_t)snprintf(text[f], sizeof text[f], "%08zu-%.*s", i,
                                                       (int)random_below(random, 30),
                                                       "the evening was a quiet one .. ");
                if (!is_key && random_below(random, 3) == 0)
                    row.text_bytes[f] = 0;
                row.text[f] = (const uint8_t *)text[f];
            }
        }
        CHECK(columns_append(rows, &row));
    }
}

static inline void content_make(struct content *content, uint64_t seed, size_t users,
                                size_t series_max, size_t rows_max)
{
    struct random random = { seed };
    content->tier = (uint8_t)(1 + seed % 3);
    content->class = (uint8_t)(seed / 3 % 4);
    content->users = calloc(users, sizeof *content->users);
    content->user_count = users;
    content->is_behind = false;
    uint64_t number = random_below(&random, 1000);
    for (size_t u = 0; u < users; u++) {
        struct content_user *user = &content->users[u];
        number += 1 + (random_u64(&random) >> 20);
        user->user = number;
        user->key_generation = (uint32_t)random_below(&random, 5);
        tombstones_init(&user->tombstones);
        size_t tombstones = random_below(&random, 3) == 0 ? random_below(&random, 6) : 0;
        user->series_count = random_below(&random, series_max + 1);
        if (user->series_count == 0 && tombstones == 0)
            tombstones = 1;
        for (size_t t = 0; t < tombstones; t++) {
            int64_t begin = (int64_t)random_below(&random, 1u << 30);
            uint32_t metric = (uint32_t)random_below(&random, 4);
            struct tombstone one = {
                metric,
                metric ? (uint32_t)random_below(&random, 3) : 0,
                begin,
                begin + 1 + (int64_t)random_below(&random, 1u << 30),
                (int64_t)random_below(&random, 3),
                random_below(&random, WORLD_SEQUENCE_MAX + 1),
            };
            CHECK(tombstones_add(&user->tombstones, &one));
        }
        uint32_t metric = 0;
        uint32_t source = 0;
        for (size_t s = 0; s < user->series_count; s++) {
            bool is_next = s == 0 || random_below(&random, 2) == 0;
            metric += is_next;
            source = is_next ? 1 + (uint32_t)random_below(&random, 3) : source + 1;
            user->series[s].metric = metric;
            user->series[s].source = source;
            size_t rows = random_below(&random, 3) == 0
                              ? 1 + random_below(&random, rows_max)
                              : 1 + random_below(&random, 1 + rows_max / 100);
            rows_make(&user->series[s].rows,
                      &world_schemas[random_below(&random, CORE_COUNT(world_schemas))], &random,
                      rows);
        }
    }
}

static inline void content_release(struct content *content)
{
    for (size_t u = 0; u < content->user_count; u++) {
        tombstones_release(&content->users[u].tombstones);
        for (size_t s = 0; s < content->users[u].series_count; s++)
            columns_release(&content->users[u].series[s].rows);
    }
    free(content->users);
}

/* ---- writing --------------------------------------------------------------------------------- */

static inline holter_status user_write(struct world *world, struct segment_writer *writer,
                                       const struct content_user *user, struct random *random,
                                       holter_error *err)
{
    struct crypto_key *key = world_key(world, user->user);
    holter_status status =
        segment_writer_user(writer, user->user, user->key_generation, world->arena, key, err);
    if (status == HOLTER_OK && user->tombstones.count > 0)
        status = segment_writer_tombstones(writer, &user->tombstones, err);
    for (size_t s = 0; status == HOLTER_OK && s < user->series_count; s++) {
        const struct content_series *series = &user->series[s];
        status = segment_writer_series(writer, series->metric, series->source, &series->rows.schema,
                                       err);
        for (size_t at = 0; status == HOLTER_OK && at < series->rows.count;) {
            size_t left = series->rows.count - at;
            size_t take = 1 + random_below(random, random_below(random, 2) ? 3000 : 40);
            take = take < left ? take : left;
            status = segment_writer_rows(writer, &series->rows, at, take, err);
            at += take;
        }
    }
    crypto_key_free(key); /* the writer derived what it needs */
    return status;
}

static inline holter_status content_write(struct world *world, const struct content *content,
                                          struct segment_summary *summary, holter_error *err)
{
    struct random random = { 77 };
    struct segment_traits traits = { .tier = content->tier,
                                     .class = content->class,
                                     .partition = -5,
                                     .sequence_min = 100,
                                     .sequence_max = WORLD_SEQUENCE_MAX };
    struct segment_writer *writer = NULL;
    holter_status status = segment_writer_new(&writer, &world->spec, &traits,
                                              content->is_behind ? 0 : content->user_count, err);
    for (size_t u = 0; status == HOLTER_OK && u < content->user_count; u++)
        status = user_write(world, writer, &content->users[u], &random, err);
    if (status == HOLTER_OK)
        status = segment_writer_finish(writer, summary, err);
    segment_writer_free(writer);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static inline double world_double(int64_t word)
{
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Statistics of a block against a plain loop over its rows. */
static inline void block_check(const struct segment_block *block, const struct columns *rows,
                               size_t first)
{
    CHECK(block->begin_min == rows->time[first]);
    CHECK(block->begin_max == rows->time[first + block->rows - 1]);
    int64_t end = INT64_MIN;
    uint32_t flagged = 0;
    for (size_t i = first; i < first + block->rows; i++) {
        end = columns_end(rows, i) > end ? columns_end(rows, i) : end;
        flagged += (rows->flags[i] & (SAMPLE_OUT_OF_RANGE | SAMPLE_NON_FINITE)) != 0;
    }
    CHECK(block->end_max == end);
    CHECK(block->flagged == flagged);
    for (size_t f = 0; f < rows->schema.field_count; f++) {
        uint8_t type = rows->schema.types[f];
        int64_t min = 0, max = 0;
        __extension__ __int128 sum = 0;
        long double float_sum = 0;
        bool is_first = true;
        for (size_t i = first; i < first + block->rows; i++) {
            int64_t word = rows->field[f][i];
            if (type == FIELD_TEXT ||
                (rows->flags[i] & (SAMPLE_OUT_OF_RANGE | SAMPLE_NON_FINITE)) != 0)
                continue;
            if (type == FIELD_FLOAT) {
                float_sum += (long double)world_double(word);
                min = is_first || world_double(word) < world_double(min) ? word : min;
                max = is_first || world_double(word) > world_double(max) ? word : max;
            } else {
                sum += type == FIELD_INT ? word : 0;
                min = is_first || word < min ? word : min;
                max = is_first || word > max ? word : max;
            }
            is_first = false;
        }
        CHECK(block->field[f].min == min);
        CHECK(block->field[f].max == max);
        if (type == FIELD_FLOAT) {
            long double found = (long double)world_double(block->field[f].sum_low) +
                                (long double)world_double(block->field[f].sum_high);
            long double error = found - float_sum;
            CHECK(error < 1e-9L && error > -1e-9L);
        } else {
            CHECK((uint64_t)block->field[f].sum_low == (uint64_t)sum);
            CHECK(block->field[f].sum_high == (int64_t)(sum >> 64));
        }
    }
}

static inline bool is_row_equal(const struct columns *a, size_t row_a, const struct columns *b,
                                size_t row_b)
{
    return columns_row_is_equal(a, row_a, b, row_b) && a->flags[row_a] == b->flags[row_b] &&
           a->revision[row_a] == b->revision[row_b];
}

/* All rows of one series: OK and equal, in blocks of block_rows (S1), or the status of the failure. */
static inline holter_status series_check(struct segment_section *section, size_t index,
                                         const struct content_series *expected, uint32_t block_rows,
                                         holter_error *err)
{
    bool has_texts = expected->rows.text.bytes > 0;
    struct segment_run *run = NULL;
    holter_status status =
        segment_run_open(&run, section, index, INT64_MIN, INT64_MAX, INT64_MAX, err);
    if (status != HOLTER_OK)
        return status;
    struct merge_run merge;
    segment_run_merge(run, &merge, 100, WORLD_SEQUENCE_MAX);
    CHECK(!merge.is_exact && merge.sequence_min == 100 && merge.sequence_max == WORLD_SEQUENCE_MAX);
    size_t at = 0;
    for (size_t b = 0;; b++) {
        const struct columns *block = NULL;
        size_t first = 0;
        size_t count = 0;
        status = merge.read(&merge, &block, &first, &count, err);
        if (status != HOLTER_OK)
            break;
        CHECK(count > 0 && count <= expected->rows.count - at && count <= block_rows);
        CHECK(count == block_rows || count == expected->rows.count - at || has_texts);
        CHECK(segment_run_block(run, b)->rows == count);
        block_check(segment_run_block(run, b), &expected->rows, at);
        for (size_t i = 0; i < count; i++)
            CHECK(is_row_equal(block, first + i, &expected->rows, at + i));
        at += count;
    }
    CHECK(status != HOLTER_DONE || at == expected->rows.count);
    segment_run_close(run);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static inline holter_status user_check(struct world *world, struct segment *segment,
                                       const struct content_user *expected, holter_error *err)
{
    struct segment_user user = { 0 };
    struct segment_section *section = NULL;
    struct segment_traits traits = segment_traits_get(segment);
    struct crypto_key *key = world_key(world, expected->user);
    holter_status status = segment_user_find(&user, segment, world->queue, expected->user, err);
    if (status == HOLTER_OK) {
        CHECK(user.user == expected->user && user.key_generation == expected->key_generation);
        status =
            segment_section_open(&section, segment, &user, world->queue, world->arena, key, err);
    }
    if (status == HOLTER_OK) {
        const struct tombstones *tombstones = segment_section_tombstones(section);
        CHECK(tombstones->count == expected->tombstones.count);
        for (size_t i = 0; i < tombstones->count; i++) {
            const struct tombstone *a = &tombstones->at[i];
            const struct tombstone *b = &expected->tombstones.at[i];
            CHECK(a->metric == b->metric && a->source == b->source && a->begin == b->begin &&
                  a->end == b->end && a->revision == b->revision && a->sequence == b->sequence);
        }
        CHECK(segment_section_series_count(section) == expected->series_count);
    }
    for (size_t s = 0; status == HOLTER_OK && s < expected->series_count; s++) {
        const struct segment_series *series = segment_section_series(section, s);
        CHECK(series->metric == expected->series[s].metric &&
              series->source == expected->series[s].source);
        CHECK(series->rows == expected->series[s].rows.count);
        CHECK(schema_is_equal(&series->schema, &expected->series[s].rows.schema));
        status = series_check(section, s, &expected->series[s], segment_block_rows(&traits), err);
        if (status == HOLTER_OK)
            status = segment_series_verify(section, s, err);
    }
    segment_section_close(section);
    crypto_key_free(key);
    return status;
}

/* Everything of a segment: OK and equal to `content`, or the first failure. A wrong answer
   aborts. */
static inline holter_status content_check(struct world *world, const struct content *content,
                                          const uint8_t id[static SEGMENT_ID_BYTES],
                                          uint64_t footer_hash, holter_error *err)
{
    struct segment *segment = NULL;
    holter_status status = segment_open(&segment, &world->spec, id, footer_hash, err);
    if (status != HOLTER_OK) {
        CHECK(segment == NULL);
        return status;
    }
    CHECK(segment_user_count(segment) == content->user_count);
    for (size_t u = 0; status == HOLTER_OK && u < content->user_count; u++)
        status = user_check(world, segment, &content->users[u], err);
    segment_close(segment);
    return status;
}

static inline void content_path(char out[static 64], const uint8_t id[static SEGMENT_ID_BYTES])
{
    strcpy(out, "shard/seg-");
    hex_encode(out + strlen(out), id, SEGMENT_ID_BYTES);
}

#endif
