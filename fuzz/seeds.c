/*
 * seeds.c -- the first inputs of every target, made by the real encoders; the same ones each time.
 *
 * usage: seeds fuzz/corpus
 *
 * Writes DIRECTORY/<target>/seed-<name>. What libFuzzer found later lies beside them under the
 * names that it gave.
 */
#include "catalog/catalog.h"
#include "fuzz.h"
#include "head/head.h"
#include "manifest/manifest_impl.h"
#include "segment/segment_impl.h"
#include "store/store_impl.h"
#include "vault/vault_impl.h"
#include "wal/wal_impl.h"

#include "../tests/unit/random.h"
#include "../tests/unit/zone_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(call) core_assert((call) == HOLTER_OK)

static const char *corpus;

static void seed_write(const char *target, const char *name, const struct buffer *seed)
{
    char path[IO_PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/%s/seed-%s", corpus, target, name);
    core_assert(!seed->failed);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(seed->data, 1, seed->bytes, file) != seed->bytes ||
        fclose(file) != 0) {
        fprintf(stderr, "%s: cannot be written\n", path);
        exit(EXIT_FAILURE);
    }
}

static struct buffer seed_begin(uint8_t options)
{
    struct buffer seed;
    buffer_init(&seed);
    buffer_append_u8(&seed, options);
    return seed;
}

static void seed_end(const char *target, const char *name, struct buffer *seed)
{
    seed_write(target, name, seed);
    buffer_release(seed);
}

static void seed_text(const char *target, const char *name, uint8_t first, int second,
                      const char *text)
{
    struct buffer seed = seed_begin(first);
    if (second >= 0)
        buffer_append_u8(&seed, (uint8_t)second);
    buffer_append(&seed, text, strlen(text));
    seed_end(target, name, &seed);
}

static struct buffer file_of(struct fuzz_world *world, const char *path)
{
    struct buffer file;
    buffer_init(&file);
    MUST(sim_file_read(&file, world->sim, path));
    return file;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static const struct schema schemas[] = {
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

static void rows_make(struct columns *rows, size_t kind, size_t count, bool with_revision)
{
    static const int64_t steps[] = { 1, 1000000000, 60000000000 };
    struct random random = { kind * 100 + count };
    const struct schema *schema = &schemas[kind];
    columns_init(rows, schema);
    int64_t step = steps[kind % CORE_COUNT(steps)];
    int64_t time = INT64_C(1700000000000000000);
    for (size_t i = 0; i < count; i++) {
        time += step * (int64_t)(1 + random_below(&random, 3));
        struct row row = { .time = time,
                           .revision = with_revision ? (int64_t)(i % 7) : 0,
                           .sequence = i };
        if (schema->kind == SAMPLE_INTERVAL)
            row.duration = step;
        if (i % 11 == 10)
            row.flags = i % 2 == 0 ? SAMPLE_OUT_OF_RANGE : SAMPLE_MANUAL | 0x100;
        for (size_t f = 0; f < schema->field_count; f++) {
            double value = (double)random_below(&random, 1000) / 10.0;
            if (schema->types[f] == FIELD_FLOAT)
                memcpy(&row.field[f], &value, sizeof value);
            else
                row.field[f] = (int64_t)random_below(&random, 6);
            row.text[f] = (const uint8_t *)"a quiet evening";
            row.text_bytes[f] = (uint32_t)random_below(&random, 15);
        }
        core_assert(columns_append(rows, &row));
    }
}

/* A block of all rows, by the coded forms where there is a scratch. */
static void seed_block(const char *name, const struct schema *schema, const struct columns *rows,
                       struct codec_scratch *scratch)
{
    struct buffer seed = seed_begin(4);
    schema_encode(&seed, schema);
    buffer_append_u16(&seed, (uint16_t)rows->count);
    buffer_append_i64(&seed, rows->time[0]);
    codec_block_encode(&seed, rows, 0, rows->count, false, scratch);
    seed_end("columns", name, &seed);
}

/* Blocks of 600 ints, of the shapes that call for each form of an array. */
static void shape_seeds(void)
{
    enum { ROWS = 600, SHAPES = 5 };
    static const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    for (size_t shape = 0; shape < SHAPES; shape++) {
        char name[32];
        struct columns rows;
        struct random random = { shape };
        struct row row = { .time = 1700000000000000000 };
        columns_init(&rows, &schema);
        for (size_t i = 0; i < ROWS; i++) {
            int64_t x = (int64_t)random_below(&random, 1000);
            int64_t values[SHAPES] = { row.field[0] + x % 7 - 3 + (x == 7 ? 90 : 0),
                                       x < 950 ? x % 3 * 1000003 : x,
                                       i % 61 == 0 ? x : row.field[0], x << 20,
                                       x == 5 ? -1000000 : 300 + x % 13 };
            row.field[0] = values[shape];
            row.time += 1000000000 * (x < 500 ? 5 : x < 970 ? 10 : x);
            core_assert(columns_append(&rows, &row));
        }
        snprintf(name, sizeof name, "shape-%zu", shape);
        seed_block(name, &schema, &rows, NULL);
        columns_release(&rows);
    }
}

/* Steps by the minute with rests, and noise. */
static void more_coded_seeds(void)
{
    enum { ROWS = 2500, FEW = 300, KINDS = 2 };
    struct codec_scratch *scratch = codec_scratch_new();
    core_assert(scratch != NULL);
    for (size_t kind = 0; kind < 2 * KINDS; kind++) {
        char name[32];
        struct columns rows;
        struct random random = { kind };
        bool are_steps = kind % KINDS == 0;
        struct schema schema = {
            are_steps ? SAMPLE_INTERVAL : SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT }
        };
        struct row row = { .time = 1700000000000000000, .duration = 60000000000, .field = { 800 } };
        size_t count = kind < KINDS ? ROWS : FEW;
        columns_init(&rows, &schema);
        for (size_t i = 0; i < count; i++) {
            int64_t x = (int64_t)random_below(&random, 100);
            int64_t before = row.field[0];
            int64_t steps = x < (before == 0 ? 93 : 20) ? 0 : x == 99 ? 400 : 70 + x / 2;
            row.field[0] = are_steps ? steps : 800 + (before - 800) / 2 + x - 50;
            row.time += 60000000000;
            core_assert(columns_append(&rows, &row));
        }
        snprintf(name, sizeof name, "more-%zu", kind);
        seed_block(name, &schema, &rows, scratch);
        columns_release(&rows);
    }
    codec_scratch_free(scratch);
}

/* Waves by two lists of coefficients: of 8, and of 3 and 32. Residuals are given, whatever values they make. */
static void switched_seeds(void)
{
    enum { ROWS = 2500, SECONDS = 3, CONSTANT = 1, SWITCHED = 16 };
    static const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    static const uint8_t taps[2][2] = { { 8, 8 }, { 3, 32 } };
    int64_t residuals[ROWS];
    struct codec_scratch *scratch = codec_scratch_new();
    core_assert(scratch != NULL);
    for (size_t kind = 0; kind < CORE_COUNT(taps); kind++) {
        char name[32];
        struct random random = { kind };
        struct buffer seed = seed_begin(4);
        schema_encode(&seed, &schema);
        buffer_append_u16(&seed, ROWS);
        buffer_append_i64(&seed, 1700000000000000000);
        buffer_append_u8(&seed, SECONDS);
        buffer_append_u8(&seed, CONSTANT);
        buffer_append_zigzag(&seed, 1);
        buffer_append_u8(&seed, SWITCHED);
        buffer_append_zigzag(&seed, 5);
        buffer_append_varint(&seed, 40);
        for (size_t list = 0; list < 2; list++) {
            buffer_append_u8(&seed, taps[kind][list]);
            for (size_t k = 0; k < taps[kind][list]; k++)
                buffer_append_zigzag(&seed, (int64_t)random_below(&random, 60) - 30);
        }
        for (size_t i = 0; i < ROWS; i++)
            residuals[i] = (int64_t)random_below(&random, i % 90 < 9 ? 200 : 5) - 2;
        codec_array_encode(&seed, residuals, ROWS, scratch);
        buffer_append_u8(&seed, CONSTANT); /* no flags */
        buffer_append_zigzag(&seed, 0);
        snprintf(name, sizeof name, "switched-%zu", kind);
        seed_end("columns", name, &seed);
    }
    codec_scratch_free(scratch);
}

/* What the coded forms are for: heart rate, steps, beats, a wave; also so short that lanes are few. */
static void coded_seeds(void)
{
    enum { ROWS = 2500, FEW = 300, KINDS = 4 };
    static const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    struct codec_scratch *scratch = codec_scratch_new();
    core_assert(scratch != NULL);
    for (size_t kind = 0; kind < 2 * KINDS; kind++) {
        char name[32];
        struct columns rows;
        struct random random = { kind };
        struct row row = { .time = 1700000000000000000, .field = { 70 } };
        size_t count = kind < KINDS ? ROWS : FEW;
        columns_init(&rows, &schema);
        for (size_t i = 0; i < count; i++) {
            int64_t x = (int64_t)random_below(&random, 1000);
            int64_t beat = 800 + x % 60;
            int64_t gaps[KINDS] = { x < 5 ? 1000 : 5 + x % 3 * 5, 60, 0, 0 };
            int64_t values[KINDS] = { row.field[0] + x % 5 - 2, x < 800 ? 0 : x % 110, beat,
                                      row.field[0] + x % 41 - 20 };
            row.time += kind % KINDS == 2 ? beat * 1000000 : gaps[kind % KINDS] * 1000000000;
            row.time += kind % KINDS == 3 ? 2777777 + (int64_t)(i % 9 < 7) : 0;
            row.field[0] = values[kind % KINDS];
            core_assert(columns_append(&rows, &row));
        }
        snprintf(name, sizeof name, "coded-%zu", kind);
        seed_block(name, &schema, &rows, scratch);
        columns_release(&rows);
    }
    codec_scratch_free(scratch);
}

/* A heart rate and a wave of devices that no built-in model knows, by models learned from it. */
static void own_seeds(void)
{
    enum { ROWS = 8000, KINDS = 2 };
    static const int64_t changes[] = { -7, -5, -4, -2, 0, 0, 0, 2, 4, 5, 7 };
    static const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    struct codec_scratch *scratch = codec_scratch_new();
    core_assert(scratch != NULL);
    for (size_t kind = 0; kind < KINDS; kind++) {
        char name[16];
        struct columns rows;
        struct codec_models *models = NULL;
        struct buffer stored;
        struct random random = { kind };
        struct row row = { .time = 1700000000000000000, .field = { 70 } };
        columns_init(&rows, &schema);
        for (size_t i = 0; i < ROWS; i++) {
            int64_t x = (int64_t)random_below(&random, CORE_COUNT(changes));
            row.time += 1000000000 * (kind == 0 ? 11 + 2 * (x % 2) : 60);
            row.field[0] += kind == 0 ? 2 * (x / 2 - 2) : changes[x];
            core_assert(columns_append(&rows, &row));
        }
        buffer_init(&stored);
        codec_scratch_learn(scratch);
        codec_block_encode(&stored, &rows, 0, ROWS, false, scratch);
        core_assert(codec_models_learn(&models, scratch, 0) == HOLTER_OK);
        core_assert(codec_models_bytes(models) > 0);
        buffer_clear(&stored);
        codec_models_encode(&stored, models);
        codec_scratch_use(scratch, models);
        struct buffer seed = seed_begin(12);
        schema_encode(&seed, &schema);
        buffer_append_u16(&seed, 2500);
        buffer_append_i64(&seed, rows.time[0]);
        buffer_append_u16(&seed, (uint16_t)stored.bytes);
        buffer_append(&seed, stored.data, stored.bytes);
        codec_block_encode(&seed, &rows, 0, 2500, false, scratch);
        snprintf(name, sizeof name, "own-%zu", kind);
        seed_end("columns", name, &seed);
        codec_scratch_use(scratch, NULL);
        codec_models_free(models);
        buffer_release(&stored);
        columns_release(&rows);
    }
    codec_scratch_free(scratch);
}

/* Nights of four stages, which follow each other but for a pause here and there. */
static void spells_seed(void)
{
    enum { ROWS = 400 };
    static const struct schema schema = { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_ENUM } };
    struct codec_scratch *scratch = codec_scratch_new();
    core_assert(scratch != NULL);
    struct columns rows;
    struct random random = { 1 };
    struct row row = { .time = 1700000000000000000 };
    columns_init(&rows, &schema);
    for (size_t i = 0; i < ROWS; i++) {
        row.time += row.duration + (i % 7 == 6 ? 60000000000 * (int64_t)(i % 50) : 0);
        row.duration = 30000000000 * (int64_t)random_below(&random, 1 + random_below(&random, 40));
        row.field[0] = (int64_t)random_below(&random, 4);
        core_assert(columns_append(&rows, &row));
    }
    seed_block("spells", &schema, &rows, scratch);
    columns_release(&rows);
    codec_scratch_free(scratch);
}

static void columns_seeds(void)
{
    shape_seeds();
    coded_seeds();
    more_coded_seeds();
    switched_seeds();
    own_seeds();
    spells_seed();
    for (size_t kind = 0; kind < CORE_COUNT(schemas); kind++) {
        for (uint8_t with_revision = 0; with_revision < 1 + kind % 2; with_revision++) {
            char name[32];
            struct columns rows;
            size_t count = with_revision ? 3 : 40;
            rows_make(&rows, kind, count, with_revision);
            struct buffer seed = seed_begin(with_revision);
            schema_encode(&seed, &schemas[kind]);
            buffer_append_u16(&seed, (uint16_t)count);
            codec_encode(&seed, &rows, 0, count, with_revision);
            snprintf(name, sizeof name, "%zu-%u", kind, with_revision);
            seed_end("columns", name, &seed);

            seed = seed_begin(with_revision | 4);
            schema_encode(&seed, &schemas[kind]);
            buffer_append_u16(&seed, (uint16_t)count);
            buffer_append_i64(&seed, rows.time[0]);
            codec_block_encode(&seed, &rows, 0, count, with_revision, NULL);
            snprintf(name, sizeof name, "block-%zu-%u", kind, with_revision);
            seed_end("columns", name, &seed);
            columns_release(&rows);
        }
    }
    struct tombstones t;
    tombstones_init(&t);
    const struct tombstone all[] = { { 0, 0, -5, 100, 0, 6 },
                                     { 3, 0, INT64_MIN, INT64_MAX, 4, 7 },
                                     { 3, 1, 10, 20, 0, 8 },
                                     { 3, 1, 12, 18, 0, 7 } };
    for (size_t i = 0; i < CORE_COUNT(all); i++)
        core_assert(tombstones_add(&t, &all[i]));
    struct buffer seed = seed_begin(2);
    tombstones_encode(&seed, &t, 5);
    seed_end("columns", "tombstones", &seed);
    tombstones_release(&t);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void body_make(struct buffer *out, size_t kind, size_t count)
{
    const struct wal_tombstone tombstones[] = { { 3, 1, 10, 20, 0 }, { 0, 0, -100, 100, 5 } };
    struct columns rows;
    rows_make(&rows, kind, count, kind % 2 == 1);
    wal_body_encode_begin(out, tombstones, kind % 3);
    wal_body_encode_rows(out, 1 + (uint32_t)kind, 1, &rows, 0, count);
    if (count > 4)
        wal_body_encode_rows(out, 9 + (uint32_t)kind, 2, &rows, 1, 2);
    columns_release(&rows);
}

static void body_seeds(void)
{
    for (size_t kind = 0; kind < CORE_COUNT(schemas); kind++) {
        char name[32];
        struct buffer seed;
        buffer_init(&seed);
        body_make(&seed, kind, 1 + kind * 5);
        snprintf(name, sizeof name, "%zu", kind);
        seed_end("body", name, &seed);
    }
}

static void append(struct wal *wal, struct wal_place *place, size_t kind, size_t frames,
                   bool linked)
{
    struct buffer bodies[8];
    struct wal_frame frame[8];
    core_assert(frames <= CORE_COUNT(frame));
    for (size_t i = 0; i < frames; i++) {
        buffer_init(&bodies[i]);
        body_make(&bodies[i], (kind + i) % CORE_COUNT(schemas), 1 + i * 3);
        frame[i] = (struct wal_frame){ .user = linked ? 5 : 5 + i,
                                       .key_generation = 1,
                                       .key = fuzz_key(true),
                                       .body = bodies[i].data,
                                       .body_bytes = bodies[i].bytes };
        if (linked)
            frame[i].flags = (i > 0 ? (uint32_t)WAL_LINK_GOES_ON : 0) |
                             (i + 1 < frames ? (uint32_t)WAL_LINK_MORE : 0);
    }
    MUST(wal_append(wal, place, frame, frames, NULL));
    for (size_t i = 0; i < frames; i++)
        buffer_release(&bodies[i]);
}

static void put_place(struct buffer *out, const struct wal_place *place)
{
    buffer_append_u8(out, (uint8_t)place->file);
    buffer_append_u8(out, (uint8_t)(place->offset / FUZZ_PAGE_BYTES));
    buffer_append_u16(out, (uint16_t)place->sequence);
}

/* The files as they are, after a byte of options and the places that it asks for. */
static void log_write(struct fuzz_world *world, const char *name, uint8_t options, unsigned files,
                      const struct wal_place *end, const struct wal_place *closed)
{
    struct buffer seed = seed_begin(options);
    if (end != NULL)
        put_place(&seed, end);
    if (closed != NULL)
        put_place(&seed, closed);
    for (unsigned number = 1; number <= files; number++) {
        char path[32];
        snprintf(path, sizeof path, "d/log-%016x", number);
        struct buffer file = file_of(world, path);
        fuzz_pages_write(&seed, file.data, file.bytes, FUZZ_PAGE_BYTES);
        buffer_release(&file);
    }
    buffer_append_u8(&seed, 1); /* the file and offset of the first frame */
    buffer_append_u16(&seed, FUZZ_PAGE_BYTES + WAL_GROUP_HEADER_BYTES);
    seed_end("log", name, &seed);
}

static void log_seeds(void)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct wal_spec spec = { .io = world.io,
                             .directory = "d",
                             .place = FUZZ_PLACE,
                             .is_sealed = true,
                             .file_bytes = WAL_FILE_BYTES_MIN };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct wal *wal = NULL;
    struct wal_place place = { .sequence = 1 };
    MUST(wal_open(&wal, &spec, NULL));
    append(wal, &place, 0, 2, false);
    append(wal, &place, 3, 3, true);
    log_write(&world, "open", 16, 1, NULL, NULL);
    log_write(&world, "covered", 1 | 32, 1, NULL, NULL);
    log_write(&world, "end", 2 | 16, 1, &place, NULL);
    MUST(wal_mark(wal, &place, NULL));
    log_write(&world, "closed", 4 | 16, 1, NULL, &place);
    log_write(&world, "marked", 1 | 16, 1, NULL, NULL);
    MUST(wal_take_over(wal, &place, false, NULL));
    append(wal, &place, 5, 1, false);
    MUST(wal_take_over(wal, &place, false, NULL));
    append(wal, &place, 1, 4, true);
    append(wal, &place, 2, 4, false);
    log_write(&world, "chain", 16, 3, NULL, NULL);
    log_write(&world, "chain-end", 2, 3, &place, NULL);
    log_write(&world, "cut", 16 | 32, 2, NULL, NULL);
    log_write(&world, "bad-sector", 16 | 32 | 64, 2, NULL, NULL);

    for (uint8_t which = 0; which < 2; which++) {
        struct buffer file = file_of(&world, "d/log-0000000000000003");
        struct buffer seed = seed_begin(which);
        buffer_append(&seed, file.data + which * FUZZ_PAGE_BYTES,
                      which == 0 ? 2200 : FUZZ_PAGE_BYTES);
        seed_end("log_header", which == 0 ? "file" : "group", &seed);
        if (which == 1) {
            seed = seed_begin(2);
            buffer_append(&seed, file.data + FUZZ_PAGE_BYTES + WAL_GROUP_HEADER_BYTES, 80);
            seed_end("log_header", "frame", &seed);
        }
        buffer_release(&file);
    }
    wal_close(wal);
    fuzz_world_release(&world);
}

/* ---- segments -------------------------------------------------------------------------------- */

static void segment_write(struct segment_writer *writer, uint64_t user, bool is_sealed,
                          size_t kinds, size_t rows)
{
    MUST(segment_writer_user(writer, user, 1, fuzz_arena(), fuzz_key(is_sealed), NULL));
    if (user % 2 == 1) {
        struct tombstones t;
        const struct tombstone one = { 3, 1, 10, 20, 0, 8 };
        tombstones_init(&t);
        core_assert(tombstones_add(&t, &one));
        MUST(segment_writer_tombstones(writer, &t, NULL));
        tombstones_release(&t);
    }
    for (size_t kind = 0; kind < kinds; kind++) {
        struct columns columns;
        rows_make(&columns, kind, rows, kind % 2 == 1);
        MUST(segment_writer_series(writer, 1 + (uint32_t)kind, 1, &schemas[kind], NULL));
        MUST(segment_writer_rows(writer, &columns, 0, columns.count, NULL));
        columns_release(&columns);
    }
}

enum { SEGMENT_SEED_PART = 2, SEGMENT_SEED_BAD = 4 }; /* options of fuzz_segment.c */

static void segment_file(const char *name, uint8_t options, uint8_t last,
                         const struct segment_summary *summary, const struct buffer *file)
{
    char whole[64];
    struct buffer seed = seed_begin(options);
    buffer_append(&seed, summary->id, sizeof summary->id);
    fuzz_pages_write(&seed, file->data, file->bytes, FUZZ_PAGE_BYTES);
    buffer_append_u8(&seed, last);
    snprintf(whole, sizeof whole, "%s-%u-%u", name, options, last);
    seed_end("segment", whole, &seed);
}

static void segment_seed(const char *name, bool is_sealed, size_t users, size_t kinds, size_t rows)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct segment_spec spec = {
        .io = world.io, .directory = "d", .place = FUZZ_PLACE, .is_sealed = is_sealed
    };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    const struct segment_traits traits = {
        .tier = 2, .class = 1, .partition = 5, .sequence_min = 1, .sequence_max = 900
    };
    struct segment_writer *writer = NULL;
    struct segment_summary summary;
    MUST(segment_writer_new(&writer, &spec, &traits, rows > 10 ? users : 0, NULL));
    for (size_t user = 0; user < users; user++)
        segment_write(writer, 7 + user, is_sealed, user == 0 && users > 1 ? 0 : kinds, rows);
    MUST(segment_writer_finish(writer, &summary, NULL));
    segment_writer_free(writer);

    char digits[2 * SEGMENT_ID_BYTES + 1];
    char path[64];
    hex_encode(digits, summary.id, sizeof summary.id);
    snprintf(path, sizeof path, "d/seg-%s", digits);
    struct buffer file = file_of(&world, path);
    segment_file(name, (uint8_t)is_sealed, 0, &summary, &file);
    if (rows > 1000)
        segment_file(name, (uint8_t)(is_sealed | SEGMENT_SEED_PART), 0, &summary, &file);
    /* header, section, the first directory, its footer, zeros, the last footer */
    const uint8_t sectors[] = { 0, 2, 4, 5, 8, (uint8_t)(file.bytes / 512 - 1) };
    for (size_t i = 0; !is_sealed && i < CORE_COUNT(sectors); i++)
        segment_file(name, SEGMENT_SEED_BAD, sectors[i], &summary, &file);
    buffer_release(&file);
    fuzz_world_release(&world);
}

static void segment_seeds(void)
{
    segment_seed("small", true, 3, 3, 20);
    segment_seed("unsealed", false, 1, 6, 10);
    segment_seed("pieces", true, 1, 1, 1700);
    segment_seed("many", true, 65, 1, 1);
}

static void blocks_seed(const char *name, size_t kind, size_t rows, bool is_whole)
{
    enum { BLOCKS_MAX = 16 };
    struct columns columns;
    struct segment_block blocks[BLOCKS_MAX];
    struct segment_place places[BLOCKS_MAX] = { 0 };
    rows_make(&columns, kind, rows, false);
    size_t count = 0;
    uint64_t payload = 0;
    struct segment_entry entry = { .series = {
                                       .metric = 3, .source = 1, .schema = schemas[kind] } };
    for (size_t at = 0; at < rows; at += SEGMENT_BLOCK_ROWS, count++) {
        size_t take = rows - at < SEGMENT_BLOCK_ROWS ? rows - at : SEGMENT_BLOCK_ROWS;
        segment_block_measure(&blocks[count], &columns, at, take);
        places[count].bytes = 100;
        places[count].starts_piece = count == 0 || (!is_whole && count % 2 == 0);
        payload += 100 + (!is_whole && places[count].starts_piece ? CRYPTO_TAG_BYTES : 0);
        if (blocks[count].end_max > entry.series.end_max)
            entry.series.end_max = blocks[count].end_max;
    }
    entry.series.rows = rows;
    entry.series.blocks = (uint32_t)count;
    entry.series.begin_min = blocks[0].begin_min;
    entry.series.begin_max = blocks[count - 1].begin_max;
    struct buffer headers;
    buffer_init(&headers);
    /* those of sections in pieces have something where models stand: a reader of headers does not look */
    segment_blocks_encode(&headers, &schemas[kind], blocks, places, count,
                          reader_over("models", is_whole ? 0 : 6));
    entry.payload_bytes = payload;
    entry.header_bytes = headers.bytes + CRYPTO_TAG_BYTES;

    struct buffer tombstones;
    struct buffer index;
    buffer_init(&tombstones);
    buffer_init(&index);
    buffer_append_varint(&tombstones, 0);
    segment_index_encode(&index, &tombstones, &entry, 1);
    struct buffer seed = seed_begin((uint8_t)(2 | is_whole));
    buffer_append_u16(&seed, (uint16_t)(8 + index.bytes));
    buffer_append_u64(&seed, payload);
    buffer_append(&seed, index.data, index.bytes);
    buffer_append(&seed, headers.data, headers.bytes);
    seed_end("blocks", name, &seed);

    if (kind % 3 == 0) {
        char also[64];
        snprintf(also, sizeof also, "index-%s", name);
        seed = seed_begin(0);
        buffer_append_u64(&seed, payload + headers.bytes + CRYPTO_TAG_BYTES + index.bytes +
                                     CRYPTO_TAG_BYTES);
        buffer_append_u64(&seed, index.bytes + CRYPTO_TAG_BYTES);
        buffer_append(&seed, index.data, index.bytes);
        seed_end("blocks", also, &seed);
    }
    buffer_release(&index);
    buffer_release(&tombstones);
    buffer_release(&headers);
    columns_release(&columns);
}

static void rollup_seed(const char *name, const struct schema *schema, size_t rows)
{
    struct codec_scratch *scratch = codec_scratch_new();
    struct segment_rollup rollup = { 0 };
    struct columns columns;
    struct buffer tombstones, index, plain;
    struct random random = { rows };
    buffer_init(&tombstones);
    buffer_init(&index);
    buffer_init(&plain);
    columns_init(&columns, schema);
    int64_t time = INT64_C(1700000000000000000);
    for (size_t i = 0; i < rows; i++) {
        struct row row = { .time = time, .duration = INT64_C(60000000000) };
        for (size_t f = 0; f < schema->field_count; f++)
            row.field[f] = (int64_t)random_below(&random, 6);
        row.flags = i % 300 == 0 ? SAMPLE_OUT_OF_RANGE : 0;
        core_assert(columns_append(&columns, &row));
        time += INT64_C(1000000000) * (int64_t)(random_below(&random, 100) == 0 ? 7000 : 60);
    }
    core_assert(segment_rollup_add(&rollup, &columns, 0, rows));
    core_assert(segment_rollup_encode(&plain, &rollup, schema, scratch));
    struct segment_entry entry = { .series = { .metric = 3,
                                               .source = 1,
                                               .schema = *schema,
                                               .rows = rows,
                                               .blocks = 1,
                                               .begin_min = columns.time[0],
                                               .begin_max = columns.time[rows - 1],
                                               .end_max = columns_end(&columns, rows - 1) },
                                   .payload_bytes = 100 };
    /* A rollup stands where block headers do: decode_headers of fuzz_blocks.c. */
    entry.header_bytes = plain.bytes + CRYPTO_TAG_BYTES;
    buffer_append_varint(&tombstones, 0);
    segment_index_encode(&index, &tombstones, &entry, 1);
    struct buffer seed = seed_begin(8);
    buffer_append_u16(&seed, (uint16_t)(8 + index.bytes));
    buffer_append_u64(&seed, entry.payload_bytes);
    buffer_append(&seed, index.data, index.bytes);
    buffer_append(&seed, plain.data, plain.bytes);
    seed_end("blocks", name, &seed);
    buffer_release(&tombstones);
    buffer_release(&index);
    buffer_release(&plain);
    columns_release(&columns);
    segment_rollup_release(&rollup);
    codec_scratch_free(scratch);
}

static void blocks_seeds(void)
{
    static const struct schema rolled[] = {
        { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } },
        { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } },
        { SAMPLE_INTERVAL, 3, SCHEMA_NO_KEY, { FIELD_ENUM, FIELD_INT, FIELD_ENUM } },
        { SAMPLE_INSTANT, 3, SCHEMA_NO_KEY, { FIELD_INT, FIELD_ENUM, FIELD_INT } },
    };
    for (size_t kind = 0; kind < CORE_COUNT(rolled); kind++) {
        char name[16];
        snprintf(name, sizeof name, "rollup-%zu", kind);
        rollup_seed(name, &rolled[kind], 2000);
        snprintf(name, sizeof name, "rollup-few-%zu", kind);
        rollup_seed(name, &rolled[kind], 9);
    }
    for (size_t kind = 0; kind < CORE_COUNT(schemas); kind++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", kind);
        blocks_seed(name, kind, 2500 + kind, kind % 2 == 0);
    }
    blocks_seed("one", 0, 5, true);
}

/* ---- logs of edits --------------------------------------------------------------------------- */

static void reset(void *context)
{
    (void)context;
}

static holter_status apply(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                           holter_error *err)
{
    (void)context;
    (void)version;
    (void)body;
    (void)bytes;
    (void)err;
    return HOLTER_OK;
}

static void edits_seed(struct fuzz_world *world, const char *name, uint8_t options,
                       uint8_t published)
{
    struct buffer seed = seed_begin(options);
    buffer_append_u8(&seed, published);
    for (unsigned copy = 0; copy < 2; copy++) {
        struct buffer file = file_of(world, copy == 0 ? "d/e.a" : "d/e.b");
        fuzz_pages_write(&seed, file.data, file.bytes, CORE_SECTOR_BYTES);
        buffer_release(&file);
    }
    seed_end("edits", name, &seed);
}

static void edits_seeds(void)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct edits_spec spec = { .io = world.io,
                               .directory = "d",
                               .name = "e",
                               .kind = EDITS_MANIFEST,
                               .place = FUZZ_PLACE,
                               .owner = { .reset = reset, .apply = apply } };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    char long_body[1200];
    memset(long_body, 'x', sizeof long_body);
    const struct edits_part parts[] = { { "first", 5 },
                                        { long_body, sizeof long_body },
                                        { "last", 4 } };
    struct edits *edits = NULL;
    MUST(edits_create(&spec, parts, 1, NULL));
    edits_seed(&world, "first", 1, 0);
    MUST(edits_open(&edits, &spec, true, UINT64_MAX, NULL));
    MUST(edits_append(edits, parts, 3, NULL));
    MUST(edits_append(edits, parts, 1, NULL));
    edits_seed(&world, "three", 1, 0);
    edits_seed(&world, "three-read", 0, 0);
    edits_seed(&world, "three-to-two", 3, 2);
    edits_seed(&world, "three-one-copy", 4, 0);
    struct buffer file = file_of(&world, "d/e.b");
    memset(file.data + 2048, 0, 512);
    MUST(sim_file_write(world.sim, "d/e.b", file.data, file.bytes));
    edits_seed(&world, "damaged", 1, 0);
    MUST(sim_file_write(world.sim, "d/e.b", file.data, 1000));
    edits_seed(&world, "short", 0, 0);
    MUST(sim_file_write(world.sim, "d/e.b", file.data, file.bytes));
    buffer_release(&file);
    MUST(edits_refresh(edits, true, UINT64_MAX, NULL));
    MUST(edits_rewrite(edits, parts, 2, NULL));
    edits_seed(&world, "rewritten", 1, 0);
    edits_close(edits);
    fuzz_world_release(&world);
}

static void bodies_write(struct fuzz_world *world, const char *target, const char *path,
                         const char *name, uint8_t options)
{
    struct buffer file = file_of(world, path);
    struct buffer seed = seed_begin(options);
    fuzz_edits_write(&seed, &file);
    seed_end(target, name, &seed);
    buffer_release(&file);
}

static void manifest_seeds(void)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct manifest_spec spec = { .io = world.io, .directory = "d", .place = FUZZ_PLACE };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct manifest *manifest = NULL;
    MUST(manifest_create(&spec, NULL));
    bodies_write(&world, "manifest", "d/manifest.a", "empty", 1);
    MUST(manifest_open(&manifest, &spec, true, NULL));
    struct manifest_file file = {
        .id = { 1, 2, 3 },
        .tier = TIER_HOT,
        .class = 1,
        .partition = MANIFEST_HOT_PARTITION,
        .sequence_min = 1,
        .sequence_max = 9,
        .user_min = 1,
        .user_max = 2,
        .rows = 5,
        .begin_min = -3,
        .begin_max = 10,
        .end_max = 20,
        .tombstones = 1,
        .tombstone_begin = 5,
        .tombstone_end = 6,
        .bytes = 4096,
        .footer_hash = 77,
    };
    struct manifest_edit edit = { .add = &file, .add_count = 1, .flushed = { 1, 4096, 10 } };
    MUST(manifest_commit(manifest, &edit, NULL));
    file.id[0] = 2;
    file.sequence_min = 10;
    file.sequence_max = 19;
    edit.flushed = (struct manifest_log_place){ 2, 8192, 20 };
    edit.closed = (struct manifest_log_place){ 2, 8192, 20 };
    MUST(manifest_commit(manifest, &edit, NULL));
    bodies_write(&world, "manifest", "d/manifest.a", "flushed", 1);
    const uint8_t removed[2][MANIFEST_ID_BYTES] = { { 1, 2, 3 }, { 2, 2, 3 } };
    file.id[0] = 3;
    file.sequence_min = 1;
    file.tier = TIER_WARM;
    file.partition = 4;
    edit = (struct manifest_edit){
        .add = &file, .add_count = 1, .remove = removed, .remove_count = 2
    };
    MUST(manifest_commit(manifest, &edit, NULL));
    bodies_write(&world, "manifest", "d/manifest.a", "merged", 1);
    bodies_write(&world, "manifest", "d/manifest.a", "merged-read", 0);
    manifest_close(manifest);
    fuzz_world_release(&world);
}

static void vault_seed(bool is_sealed)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    static const uint8_t bytes[CRYPTO_KEY_BYTES] = { 11 };
    struct keyring keyring = { .count = 1, .epoch = { 1 } };
    keyring.key[0] = crypto_key_new(fuzz_arena(), bytes);
    struct vault_spec spec = { .io = world.io,
                               .directory = "d",
                               .keyring = is_sealed ? &keyring : NULL,
                               .arena = fuzz_arena() };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct vault *vault = NULL;
    uint8_t options = (uint8_t)(is_sealed << 1);
    MUST(vault_create(&spec, NULL));
    bodies_write(&world, "vault", "d/vault.a", is_sealed ? "empty" : "empty-plain", options | 1);
    MUST(vault_open(&vault, &spec, true, UINT64_MAX, NULL));
    char name[100];
    memset(name, 'l', sizeof name);
    const struct vault_id ids[] = { { "ana", 3, 0 },
                                    { name, sizeof name, 1 },
                                    { "b\xc3\xa9\x61", 4, 0 } };
    uint64_t numbers[3];
    MUST(vault_add(numbers, vault, ids, 3, NULL));
    bodies_write(&world, "vault", "d/vault.a", is_sealed ? "users" : "users-plain", options | 1);
    bodies_write(&world, "vault", "d/vault.a", is_sealed ? "users-read" : "users-plain-read",
                 options);
    MUST(vault_erase(vault, numbers, 1, NULL));
    bodies_write(&world, "vault", "d/vault.a", is_sealed ? "erased" : "erased-plain", options | 1);
    vault_close(vault);
    crypto_key_free(keyring.key[0]);
    fuzz_world_release(&world);
}

static void keyring_seed(void)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    MUST(keyring_create(world.io, "d/k", fuzz_store_id, NULL));
    struct buffer file = file_of(&world, "d/k");
    seed_write("keyring", "one", &file);
    buffer_release(&file);
    fuzz_world_release(&world);
}

/* As in catalog_impl.h, which cannot be read beside the vault's. */
enum {
    CATALOG_RECORD_METRIC = 2,
    CATALOG_RECORD_LABEL = 3,
    CATALOG_ONE_METRIC = 4,
    METRICS_STEP = 12
};

/*
 * The built-in metrics are told by one seed; this one says only what comes before and after them.
 */
static void catalog_write(const char *name, uint8_t options, struct reader edits)
{
    struct buffer seed = seed_begin(options);
    while (edits.left > 0) {
        uint16_t bytes = get_u16(&edits);
        struct reader body = reader_over(get_bytes(&edits, bytes), bytes);
        struct buffer kept;
        buffer_init(&kept);
        while (body.left > 0) {
            const uint8_t *record = body.at;
            uint8_t kind = get_u8(&body);
            size_t count = (size_t)get_varint(&body);
            core_assert(get_bytes(&body, count) != NULL);
            if (kind != CATALOG_RECORD_METRIC && kind != CATALOG_RECORD_LABEL)
                buffer_append(&kept, record, (size_t)(body.at - record));
        }
        if (kept.bytes > 0) {
            buffer_append_u16(&seed, (uint16_t)kept.bytes);
            buffer_append(&seed, kept.data, kept.bytes);
        }
        buffer_release(&kept);
    }
    seed_end("catalog", name, &seed);
}

/* Some of the built-in metrics, each by itself. */
static void metrics_write(struct reader edits)
{
    uint16_t bytes = get_u16(&edits);
    struct reader body = reader_over(get_bytes(&edits, bytes), bytes);
    for (size_t number = 0; body.left > 0; number++) {
        char name[32];
        uint8_t kind = get_u8(&body);
        size_t count = (size_t)get_varint(&body);
        const uint8_t *metric = get_bytes(&body, count);
        core_assert(!body.overrun);
        if (kind != CATALOG_RECORD_METRIC || number % METRICS_STEP != 0)
            continue;
        struct buffer seed = seed_begin(CATALOG_ONE_METRIC);
        buffer_append(&seed, metric, count);
        snprintf(name, sizeof name, "metric-%zu", number);
        seed_end("catalog", name, &seed);
    }
}

static void catalog_seed(bool is_sealed)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct catalog_spec spec = { .io = world.io, .directory = "d", .is_sealed = is_sealed };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct catalog *catalog = NULL;
    uint8_t options = (uint8_t)(is_sealed << 1 | 1);
    MUST(catalog_create(&spec, "eu-west", 4, NULL));
    if (is_sealed)
        bodies_write(&world, "catalog", "d/catalog.a", "builtin", options);
    MUST(catalog_open(&catalog, &spec, true, UINT64_MAX, NULL));
    uint16_t region = 0;
    int64_t value = 0;
    MUST(catalog_add_region(catalog, "us-east", 2, &region, NULL));
    MUST(catalog_add_label(catalog, catalog_metric_find(catalog, "sleep_stage")->number, 0,
                           "dozing", &value, NULL));
    const struct crypto_key *keys[2] = { fuzz_key(is_sealed), fuzz_key(is_sealed) };
    const uint32_t generations[2] = { 1, 1 };
    struct catalog_source sources[2] = {
        { .user = 7,
          .name = "watch-1",
          .type = "watch",
          .model = "m",
          .firmware = "1.2",
          .registered_ns = 5 },
        { .user = 7,
          .name = "phone",
          .settings = { { 1, 5, 1000 } },
          .setting_count = 1,
          .status = 1 },
    };
    MUST(catalog_put_sources(catalog, sources, 2, fuzz_arena(), keys, generations, NULL));
    MUST(catalog_set_feed(catalog, &(struct catalog_feed){ 86400, 1 << 30 }, NULL));

    struct buffer file = file_of(&world, "d/catalog.a");
    struct buffer all;
    buffer_init(&all);
    fuzz_edits_write(&all, &file);
    catalog_write(is_sealed ? "sources" : "sources-plain", options,
                  reader_over(all.data, all.bytes));
    if (is_sealed)
        metrics_write(reader_over(all.data, all.bytes));
    buffer_release(&all);
    buffer_release(&file);
    catalog_close(catalog);
    fuzz_world_release(&world);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void head_seeds(void)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct head *head = NULL;
    MUST(head_open(&head, world.io, "d/head", fuzz_store_id, FUZZ_PLACE, true, NULL));
    const uint64_t words[HEAD_WORDS] = { 1, 2, 3 };
    head_publish(head, 0, words);
    head_publish(head, 0, words);
    head_publish(head, 1, words);
    head_close(head);
    struct buffer file = file_of(&world, "d/head");
    struct buffer seed = seed_begin(1);
    buffer_append(&seed, file.data, file.bytes);
    seed_end("head", "published", &seed);
    seed = seed_begin(0);
    buffer_append(&seed, file.data, file.bytes);
    seed_end("head", "published-read", &seed);
    seed = seed_begin(1);
    buffer_append(&seed, file.data, 700);
    seed_end("head", "short", &seed);
    buffer_release(&file);
    fuzz_world_release(&world);
}

static void token_seeds(void)
{
    struct wal_bookmark shards[] = {
        { .place = { .sequence = 1 } },
        { .place = { .file = 7, .offset = 4096, .sequence = 300 }, .log = 0xfffefdfc },
        { .place = { .file = UINT64_MAX, .offset = 1 << 30, .sequence = UINT64_MAX } },
    };
    struct store_token token = { .users = 1000, .erased_users = 3, .shards = shards };
    memcpy(token.store_id, fuzz_store_id, sizeof token.store_id);
    for (token.shard_count = 0; token.shard_count <= CORE_COUNT(shards); token.shard_count++) {
        char name[24], *text;
        snprintf(name, sizeof name, "%zu-shards", token.shard_count);
        MUST(store_token_encode(&text, &token, NULL));
        seed_text("token", name, 1, -1, text);
        free(text);
    }
}

static void identity_seed(void)
{
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct store_identity identity = { .is_sealed = true, .made_ns = 5 };
    memcpy(identity.id, fuzz_store_id, sizeof identity.id);
    MUST(store_identity_write(world.io, "d/holter.store", &identity, NULL));
    struct buffer file = file_of(&world, "d/holter.store");
    seed_write("identity", "sealed", &file);
    buffer_release(&file);
    fuzz_world_release(&world);
}

static void map_seed(const char *name, uint8_t options, const char *map, const char *time_format,
                     const char *duration, const char *file)
{
    struct buffer seed = seed_begin(options);
    buffer_append(&seed, map, strlen(map) + 1);
    buffer_append(&seed, time_format, strlen(time_format) + 1);
    buffer_append(&seed, duration, strlen(duration) + 1);
    buffer_append(&seed, file, strlen(file));
    seed_end("map", name, &seed);
}

static void map_seeds(void)
{
    map_seed("heart", 0, "user=Id,time=Time,value=Value", "%m/%d/%Y %I:%M:%S %p", "",
             "Id,Time,Value\n1,4/12/2016 7:21:00 AM,97\n1,4/12/2016 7:21:05 AM,x\n"
             "1,4/12/2016 12:21:05 PM,-60\n");
    map_seed("steps", 1 | 16 | 32, "time=when,value=count\\, all,user=who,source=dev,duration=long",
             "%F %T.%f", "60s",
             "when,\"count, all\",who,dev,long\n2016-04-12 00:00:00.5,50,,watch,\n"
             "2016-04-12 00:01:00.25,7,s,,1.5m\n");
    map_seed("pressure", 2 | 8, "user=u,time=t,value.systolic=hi,value.diastolic=lo,revision=r",
             "rfc3339", "", "u,t,hi,lo,r\n1,2016-04-12T07:21:00Z,120.55,80.1,-7\n");
    map_seed("dose", 3, "user=u,time=t,key=what,value=mg,flags=f", "unix_ms", "",
             "u,t,what,mg,f\n1,1460445660123,\"ibu, \"\"profen\"\"\",400.25,manual|bit8\n");
    map_seed("stage", 4, "user=u,time=t,value=v,duration=d", "unix_s", "",
             "u,t,v,d\n1,0,light,30\n1,30.5,0,0.5h\n");
    map_seed("mixed", 7, "user=u,time=t,value=v,metric=m,duration=d", "unix_ns", "",
             "u,t,v,m,d\n1,1,60,heart_rate,\n1,2,wake,stage,60\n1,3,20,steps,60\n1,4,1,nothing,\n");
    map_seed("unknown", 0, "user=u,tine=t", "unix_s", "", "u,t\n");
}

static void text_seeds(void)
{
    seed_text("csv", "plain", 3, 0,
              "Id,Time,Value\n1,2016-04-12 00:00:00,97\r\n1,x,\n\n2,\"a \"\"b\"\", c\",\"\"\n");
    seed_text("csv", "bom", 0, 0,
              "\xef\xbb\xbf"
              "a,b\n1,2\n\"line\none\",2\n");
    seed_text("csv", "bad", 7, 0, "a,b\n\"x\"y,2\n3,\"open\n4,5\n");
    seed_text("csv", "broken", 2, 4, "a,b\n1,2\n3,4\n");
    static const char *const lines[] = {
        "heart_rate,user=u1,source=watch value=62i 1465839830100400200\n# none\n\n"
        "heart_rate,user=u\\ 2 value=62.0,revision=7i,flags=\"manual|bit8\"\r\n",
        "steps,user=u1,duration=60s value=30 5\nblood_pressure,user=u1 systolic=120.5,diastolic=80 "
        "-5\n"
        "dose,user=u1,medication=a\\,b mg=4.25 5\nstage,user=u1 value=\"wake\",duration=\"1m\" 5\n"
        "stage,user=u1,key=x value=t,duration=30i\n",
        "m,a=b v=1e5,w=t,x=\"a\\\"\\\\b\",y=3u\nm\\,n v='x'\nheart_rate,user=u,host=a "
        "value=1,x=2\nhalf,u",
        "{\"user\":\"u1\",\"metric\":\"heart_rate\",\"source\":\"w\",\"time\":\"2016-06-13T17:43:"
        "50.5Z\",\"value\":62,"
        "\"flags\":[\"manual\",256],\"revision\":3}\n"
        "{\"user\":\"u1\",\"metric\":\"blood_pressure\",\"fields\":{\"systolic\":120.5,"
        "\"diastolic\":\"80\"}}\n",
        "{\"op\":\"delete\",\"user\":\"u1\",\"metric\":null,\"source\":null,\"from\":null,\"to\":9}"
        "\n"
        "{\"op\":\"replace\",\"user\":\"u1\",\"metric\":\"steps\",\"from\":5,\"to\":9,\"revision\":"
        "2,"
        "\"samples\":[{\"time\":5,\"duration\":\"1m\",\"value\":10},{\"time\":6,\"duration\":1,"
        "\"value\":true}]}\n",
    };
    for (size_t i = 0; i < CORE_COUNT(lines); i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", i);
        seed_text("line", name,
                  (uint8_t)(i == 1   ? 32
                            : i == 2 ? 1
                                     : 0),
                  (int)(3 + i * 60), lines[i]);
    }
    static const char *const fitabase[] = {
        "Id,Time,Value\n1,4/1/2016 7:54:00 AM,93\n1,4/1/2016 7:54:05 AM,x\n",
        "Id,ActivityHour,TotalIntensity,AverageIntensity\n1,3/12/2016 12:00:00 AM,11,0.183333\n",
        "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed\n"
        "1,4/29/2016 12:00:00 AM,1,119,127\n",
        "Id,Date,WeightKg,WeightPounds,Fat,BMI,IsManualReport,LogId\n"
        "1,4/3/2016 11:59:59 PM,63.4000015258789,139.77,10,24.77,True,1459727999000\n"
        "1,4/3/2016 11:59:59 PM,63.4,139.77,,24.77,False,1\n",
    };
    static const char *const welltory[] = {
        "user_code,datetime,heart_rate,is_resting\na,2020-04-14  04:58:59,70,1\n",
        "user_code,measurement_datetime,diastolic,systolic,functional_changes_index,"
        "circulatory_efficiency,kerdo_vegetation_index,robinson_index\n"
        "a,2020-04-29  22:33:33,100,150,\"\",,-7.000,\"1.5\"\n",
        "user_code,day,sleep_begin,sleep_end,sleep_duration,sleep_awake_duration,"
        "sleep_rem_duration,sleep_light_duration,sleep_deep_duration,pulse_min,pulse_max,"
        "pulse_average\na,2020-01-02,2020-01-02 02:12:56,2020-01-02 08:52:03,23947.000,,,1,,58,67,"
        "62.000\n",
        "user_code,rr_code,measurement_datetime,time_of_day,bpm,meanrr,mxdmn,sdnn,rmssd,pnn50,mode,"
        "amo,lf,hf,vlf,lfhf,total_power,how_feel,how_mood,how_sleep,tags,rr_data\n"
        "a,1,2020-04-21 21:23:08,morning,75,795.9,0.12,45.8,54.1,15.1,0.7,53,508,1076,267,0.4,1851,"
        "0,-1,,t,\"819,1008,831\"\n",
    };
    for (size_t i = 0; i < CORE_COUNT(fitabase); i++) {
        char name[24];
        snprintf(name, sizeof name, "fitabase-%zu", i);
        seed_text("presets", name, 0, -1, fitabase[i]);
        snprintf(name, sizeof name, "welltory-%zu", i);
        seed_text("presets", name, 1, -1, welltory[i]);
    }
    static const char *const values[] = { "36.55",
                                          "-0.001e3",
                                          "1e-400",
                                          "nan",
                                          "-Infinity",
                                          "awake",
                                          "9223372036854775807",
                                          "00012.500",
                                          "-9223372036854775808" };
    for (size_t i = 0; i < CORE_COUNT(values); i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", i);
        seed_text("value", name, (uint8_t)(i % 8), (int)(18 - i), values[i]);
    }
    static const char *const times[] = { "unix_s|1460419200.123456789",
                                         "unix_ms|1460419200123",
                                         "unix_ns|-5",
                                         "rfc3339|2016-04-12T00:00:00.5+05:30",
                                         "%m/%d/%Y %I:%M:%S %p|4/12/2016 7:21:00 AM",
                                         "%d %b %Y %T %z|1 Apr 2020 01:02:03 -0330",
                                         "%s%f|12.5",
                                         "%F%t%R%n%%%j %y %e %h %B %D|x" };
    for (size_t i = 0; i < CORE_COUNT(times); i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", i);
        seed_text("time", name, 0, -1, times[i]);
    }
    seed_text("time", "bound", 1, -1, "2016-04-12T23:59:59.999999999Z");
    seed_text("time", "date", 1, -1, "2262-04-11");
    seed_text("time", "duration", 2, -1, "1.5min");
    seed_text("time", "duration-ns", 2, -1, "12ns");
    seed_text("time", "offset", 3, -1, "-05:30");
}

/* An instant within summer time, and what follows it. */
static struct buffer zone_seed_begin(uint8_t which)
{
    struct buffer seed = seed_begin(which);
    buffer_append_i64(&seed, INT64_C(1625000000123456789));
    return seed;
}

static void zone_seeds(void)
{
    static const char *const footers[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3",     "<+0530>-5:30",
        "IST-1GMT0,M10.5.0,M3.5.0/1",     "XXX3EDT4,0/0,J365/23",
        "EET-2EEST,M3.4.4/50,M10.4.4/50", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    };
    static const char *const names[] = { "Area/Town", "+05:30", "-0800", "UTC", "../d" };
    static const char versions[] = { 0, '2', '3' };
    char name[32];
    for (size_t i = 0; i < CORE_COUNT(versions); i++) {
        struct buffer file, seed = zone_seed_begin(0);
        zone_sample_write(&file, versions[i], footers[0]);
        buffer_append(&seed, file.data, file.bytes);
        buffer_release(&file);
        snprintf(name, sizeof name, "file-%zu", i);
        seed_end("zone", name, &seed);
    }
    for (size_t i = 0; i < CORE_COUNT(footers); i++) {
        struct buffer seed = zone_seed_begin(4);
        buffer_append(&seed, footers[i], strlen(footers[i]));
        snprintf(name, sizeof name, "footer-%zu", i);
        seed_end("zone", name, &seed);
    }
    for (size_t i = 0; i < CORE_COUNT(names); i++) {
        struct buffer seed = zone_seed_begin(2);
        buffer_append(&seed, names[i], strlen(names[i]));
        snprintf(name, sizeof name, "name-%zu", i);
        seed_end("zone", name, &seed);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seeds DIRECTORY\n");
        return 2;
    }
    corpus = argv[1];
    columns_seeds();
    body_seeds();
    log_seeds();
    segment_seeds();
    blocks_seeds();
    edits_seeds();
    manifest_seeds();
    vault_seed(true);
    vault_seed(false);
    keyring_seed();
    catalog_seed(true);
    catalog_seed(false);
    head_seeds();
    identity_seed();
    token_seeds();
    text_seeds();
    map_seeds();
    zone_seeds();
    return EXIT_SUCCESS;
}
