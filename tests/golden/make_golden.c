/*
 * make_golden.c -- make a small store of known content, and say what must stand in it.
 *
 *     make_golden KIND STORE > expected.csv
 *
 * Kinds:
 *     sealed      regions, users, sources; hot and warm segments, revisions, deletions, replaced
 *                 ranges, late rows, all types, a metric of its own; a log that is not flushed;
 *                 closed
 *     plain       the same without sealing
 *     unclosed    sealed: the same with fewer rows and a log of several files, whose maker ends
 *                 without closing: the log has no mark
 *     kept        sealed: with fewer rows; flushed logs are kept for the change feed
 *     linked      without sealing: parts larger than a frame, in the log
 *     large       sealed: parts larger than a frame, in a segment and in the log
 *     device      sealed: a long series of a device that no built-in model knows, in a cold segment
 *     random-N    sealed where N is even: 400 steps drawn from the seed N, in a world so small
 *                 that rows meet
 *
 * What must stand is reckoned here, from what was committed and by the rules of
 * format-spec/columns.md, over plain arrays: the engine that wrote the store is not asked.
 * Everything is drawn from one seed; only what the engine draws itself (numbers of users, ids,
 * keys, nonces) differs from run to run, and nothing of it is printed.
 */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden_form.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define BEGIN (INT64_C(1709251200) * SECOND) /* 2024-03-01T00:00:00Z */

enum { ALICE, BOB, ZOE, LONG, GUL, PERSON_COUNT };
enum { WATCH = 1, PHONE = 2, SOURCE_COUNT = 2 };

static const struct {
    const char *id;
    const char *region;
} people[PERSON_COUNT] = {
    [ALICE] = { "alice", "main" },
    [BOB] = { "bob", "main" },
    [ZOE] = { "Zo\xc3\xab, \"the\" \\ runner", "main" },
    [LONG] = { "a-long-id-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-"
               "0123456789",
               "main" },
    [GUL] = { "g\xc3\xbcl@example.org", "eu-west" },
};
static const char *const source_names[SOURCE_COUNT + 1] = { NULL, "watch", "phone, old" };

/* one row as it was committed, or one tombstone */
struct row {
    int person;
    uint32_t metric;
    uint32_t source;
    int64_t time;
    int64_t revision;
    uint64_t commit;
    size_t order;
    char key[64]; /* so that bytes compare as keys do */
    size_t key_bytes;
    char *line;
    int is_hidden;
};
struct tombstone {
    int person;
    uint32_t metric;
    uint32_t source;
    int64_t begin, end;
    int64_t revision;
    uint64_t commit;
};

static struct {
    const char *path;
    holter_options options;
    holter_store *store;
    holter_batch *batch;
    uint64_t users[PERSON_COUNT];
    uint64_t commit;
    uint64_t random;
    struct row *rows;
    size_t row_count, row_room;
    struct tombstone tombstones[512];
    size_t tombstone_count;
} world = { .commit = 1, .random = 20240301 };
static holter_error error;

static _Noreturn void stop(const char *what)
{
    fprintf(stderr, "make_golden: %s: %s\n", what, error.message);
    exit(1);
}

static void need(holter_status status, const char *what)
{
    if (status != HOLTER_OK)
        stop(what);
}

/* xorshift64*, below `bound` */
static int64_t draw(int64_t bound)
{
    world.random ^= world.random >> 12;
    world.random ^= world.random << 25;
    world.random ^= world.random >> 27;
    return (int64_t)((world.random * UINT64_C(2685821657736338717)) >> 33) % bound;
}

/* ---- writing, and remembering what was written */

static holter_value integer(int64_t value)
{
    return (holter_value){ .integer = value };
}

static holter_value real(double value)
{
    return (holter_value){ .real = value };
}

static holter_value text(const char *value)
{
    return (holter_value){ .text = { value, strlen(value) } };
}

static holter_metric metric_named(const char *name)
{
    holter_metric metric;
    need(holter_metric_find(world.store, name, &metric, &error), name);
    return metric;
}

static void remember(struct row *row, const holter_metric *metric, const holter_row *added,
                     unsigned flags)
{
    if (metric->key_field >= 0) {
        holter_value key = added->values[metric->key_field];
        if (metric->fields[metric->key_field].type == HOLTER_TEXT) {
            if (key.text.count > sizeof row->key)
                stop("a key is too long for the expectation");
            memcpy(row->key, key.text.bytes, key.text.count);
            row->key_bytes = key.text.count;
        } else {
            uint64_t rising = (uint64_t)key.integer ^ UINT64_C(1) << 63;
            for (int i = 0; i < 8; i++)
                row->key[i] = (char)(rising >> (56 - 8 * i));
            row->key_bytes = 8;
        }
    }
    struct golden_series series = { people[row->person].id, strlen(people[row->person].id), metric,
                                    source_names[row->source] };
    size_t line_bytes = 0;
    FILE *line = open_memstream(&row->line, &line_bytes);
    if (line == NULL)
        stop("no memory");
    golden_print(line, &series, added->time_ns, added->duration_ns, flags, added->revision,
                 added->values);
    fclose(line);
}

/* one row: `put` for instants, `span` for intervals */
static void span(int person, const holter_metric *metric, uint32_t source, int64_t time,
                 int64_t duration, unsigned flags, int64_t revision, const holter_value *values)
{
    holter_row added = { .user = world.users[person],
                         .metric = metric->number,
                         .source = source,
                         .time_ns = time,
                         .duration_ns = duration,
                         .values = values,
                         .value_count = metric->field_count,
                         .flags = (uint16_t)flags,
                         .revision = revision };
    size_t index;
    need(holter_batch_add(world.batch, &added, &index, &error), "add");
    if (world.row_count == world.row_room) {
        world.row_room = world.row_room * 2 + 1024;
        world.rows = realloc(world.rows, world.row_room * sizeof *world.rows);
        if (world.rows == NULL)
            stop("no memory");
    }
    struct row *row = &world.rows[world.row_count];
    *row = (struct row){ .person = person,
                         .metric = metric->number,
                         .source = source,
                         .time = time,
                         .revision = revision,
                         .commit = world.commit,
                         .order = world.row_count };
    remember(row, metric, &added, holter_batch_answer(world.batch, index).flags);
    world.row_count++;
}

static void put(int person, const holter_metric *metric, uint32_t source, int64_t time,
                unsigned flags, int64_t revision, const holter_value *values)
{
    span(person, metric, source, time, 0, flags, revision, values);
}

/* metric NULL: every metric; source 0: every source */
static void erase(int person, const holter_metric *metric, uint32_t source, int64_t begin,
                  int64_t end, int64_t revision)
{
    uint32_t number = metric == NULL ? 0 : metric->number;
    need(holter_batch_delete(world.batch, world.users[person], number, source, begin, end, revision,
                             &error),
         "delete");
    if (world.tombstone_count == sizeof world.tombstones / sizeof world.tombstones[0])
        stop("too many tombstones for the expectation");
    world.tombstones[world.tombstone_count++] =
        (struct tombstone){ person, number, source, begin, end, revision, world.commit };
}

static void commit(void)
{
    need(holter_commit(world.store, world.batch, &error), "commit");
    holter_batch_clear(world.batch);
    world.commit++;
}

static void flush(void)
{
    need(holter_flush(world.store, NULL, &error), "flush");
}

static void compact(holter_tier to)
{
    holter_compact_options options = { .to = to };
    need(holter_compact(world.store, &options, NULL, &error), "compact");
}

/* ---- what must stand */

static int is_hidden_by(const struct row *row, const struct tombstone *t)
{
    if (t->person != row->person || (t->metric != 0 && t->metric != row->metric) ||
        (t->source != 0 && t->source != row->source) || row->time < t->begin || row->time >= t->end)
        return 0;
    if (t->revision != 0 && row->revision != t->revision)
        return row->revision < t->revision;
    return row->commit < t->commit;
}

static int compare_identity(const struct row *a, const struct row *b)
{
    int order = strcmp(people[a->person].id, people[b->person].id);
    if (order != 0)
        return order;
    if (a->metric != b->metric) {
        holter_metric x, y;
        need(holter_metric_by_number(world.store, a->metric, &x, &error), "metric");
        need(holter_metric_by_number(world.store, b->metric, &y, &error), "metric");
        return strcmp(x.name, y.name);
    }
    order = strcmp(source_names[a->source], source_names[b->source]);
    if (order != 0)
        return order;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return golden_compare(a->key, a->key_bytes, b->key, b->key_bytes);
}

/* by identity; of one identity the row that stands comes last */
static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = compare_identity(a, b);
    if (order != 0)
        return order;
    if (a->revision != b->revision)
        return a->revision < b->revision ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static void print_expected(void)
{
    size_t count = 0;
    for (size_t i = 0; i < world.row_count; i++) {
        struct row *row = &world.rows[i];
        for (size_t t = 0; t < world.tombstone_count; t++)
            row->is_hidden |= is_hidden_by(row, &world.tombstones[t]);
        if (row->is_hidden)
            free(row->line);
        else
            world.rows[count++] = *row;
    }
    qsort(world.rows, count, sizeof *world.rows, compare_rows);
    fputs(GOLDEN_HEADER, stdout);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || compare_identity(&world.rows[i], &world.rows[i + 1]) != 0)
            fputs(world.rows[i].line, stdout);
        free(world.rows[i].line);
    }
    free(world.rows);
}

/* ---- the content */

static void make_people(void)
{
    for (int p = 0; p < PERSON_COUNT; p++) {
        holter_id id = { people[p].id, strlen(people[p].id) };
        need(holter_users_add(world.store, &id, 1, people[p].region, &world.users[p], &error),
             "user");
        uint32_t heart_rate = metric_named("heart_rate").number;
        holter_setting settings[] = { { heart_rate, 5, SECOND }, { heart_rate + 9, -1, MINUTE } };
        holter_source watch = { .name = source_names[WATCH],
                                .type = "watch",
                                .model = "W\xc3\xb6rk 3",
                                .firmware = "1.0.2",
                                .registered_ns = BEGIN,
                                .settings = settings,
                                .setting_count = 2 };
        holter_source phone = { .name = source_names[PHONE], .type = "phone", .retired = p == BOB };
        uint32_t number;
        need(holter_source_put(world.store, world.users[p], &watch, &number, &error), "source");
        need(holter_source_put(world.store, world.users[p], &phone, &number, &error), "source");
        watch.number = WATCH; /* changed once: the later record stands */
        watch.firmware = "1.1.0";
        need(holter_source_put(world.store, world.users[p], &watch, &number, &error), "source");
    }
}

/* a metric of its own, with every type, a key and exponents below and above 0 */
static holter_metric define_mixture(void)
{
    static const char *const labels[] = { "low", "a, b", "h\xc3\xb6her" };
    holter_metric metric = { .name = "golden_mixture",
                             .unit = "1",
                             .kind = HOLTER_INTERVAL,
                             .field_count = 5,
                             .key_field = 3,
                             .aggregation = HOLTER_LAST,
                             .tier_class = HOLTER_RECORDS,
                             .loinc = "8867-4" };
    metric.fields[0] = (holter_field){ .name = "cents",
                                       .type = HOLTER_INT,
                                       .exponent = -2,
                                       .has_range = 1,
                                       .min = integer(-1000),
                                       .max = integer(100000) };
    metric.fields[1] = (holter_field){ .name = "thousands", .type = HOLTER_INT, .exponent = 3 };
    metric.fields[2] = (holter_field){ .name = "real", .type = HOLTER_FLOAT };
    metric.fields[3] =
        (holter_field){ .name = "level", .type = HOLTER_ENUM, .labels = labels, .label_count = 3 };
    metric.fields[4] = (holter_field){ .name = "words", .type = HOLTER_TEXT };
    uint32_t number;
    need(holter_metric_define(world.store, &metric, &number, &error), "define");
    return metric_named("golden_mixture");
}

static void put_mixture(int person, const holter_metric *mixture, int64_t begin, int count)
{
    static const char *const words[] = { "", "one", "line\nfeed, \"quotes\" and \\", "\xe2\x82\xac",
                                         "=1+1" };
    for (int i = 0; i < count; i++) {
        holter_value values[] = { integer(draw(3000) - 1500), integer(draw(9) - 4),
                                  real((double)draw(1000) / 7), integer(i % 3),
                                  text(words[i % 5]) };
        span(person, mixture, WATCH, begin + i / 3 * HOUR, draw(3) * MINUTE + i,
             i % 4 == 0 ? HOLTER_MANUAL : 0, i % 7 == 0 ? 3 : 0, values);
    }
}

static void put_heart_rate(int person, int64_t begin, int count, int64_t step, uint32_t source)
{
    holter_metric heart_rate = metric_named("heart_rate");
    int64_t bpm = 60 + draw(20);
    for (int i = 0; i < count; i++) {
        bpm += draw(5) - 2;
        bpm = bpm < 40 ? 40 : bpm > 180 ? 180 : bpm;
        holter_value value =
            integer(i % 211 == 210 ? 900 : bpm); /* 900 is out of range: stored with a flag */
        put(person, &heart_rate, source, begin + i * step,
            i % 97 == 0 ? HOLTER_ANOMALY | 0x8100 : 0, 0, &value);
        if (i % 500 == 499)
            begin += HOUR; /* a gap */
    }
}

static void put_steps(int person, int64_t begin, int count, int64_t revision)
{
    holter_metric steps = metric_named("steps");
    for (int i = 0; i < count; i++) {
        holter_value value = integer(draw(3) == 0 ? draw(140) : 0);
        span(person, &steps, PHONE, begin + i * MINUTE, MINUTE, 0, revision, &value);
    }
}

static void put_night(int person, int64_t begin, int count, int64_t length)
{
    holter_metric stage = metric_named("sleep_stage");
    for (int i = 0; i < count; i++) {
        holter_value value = integer(1 + draw(4));
        span(person, &stage, WATCH, begin + i * length, length, 0, 0, &value);
    }
}

static void put_weights(int person, int64_t begin, int64_t revision)
{
    holter_metric weight = metric_named("weight");
    const double kilograms[] = { 80.5,     80.4,      0.1, -0.0,  5e-324,
                                 INFINITY, -INFINITY, NAN, 1e300, 79.999999999999986 };
    for (size_t i = 0; i < sizeof kilograms / sizeof kilograms[0]; i++) {
        holter_value value = real(kilograms[i]);
        put(person, &weight, WATCH, begin + (int64_t)i * DAY / 4, HOLTER_MANUAL, revision, &value);
    }
}

static void put_doses(int person, int64_t begin, int64_t revision)
{
    static const char *const drugs[] = { "aspirin", "aspirin b", "zinc", "\xc3\x9cml\xc3\xa4ut" };
    holter_metric dose = metric_named("medication_dose");
    for (int i = 0; i < 12; i++) {
        holter_value values[] = { text(drugs[(i * 7) % 4]), real(0.5 * (double)(i + 1)) };
        put(person, &dose, PHONE, begin + i / 4 * 8 * HOUR, 0, revision, values);
    }
}

static void put_eda(int person, int64_t begin, int count)
{
    holter_metric eda = metric_named("eda");
    for (int i = 0; i < count; i++) {
        holter_value value = real(0.3 + sqrt((double)draw(1000)) / 100);
        put(person, &eda, WATCH, begin + i * SECOND / 4 + i % 2, 0, 0, &value);
    }
}

static void put_pressure(int person, int64_t begin, int64_t revision)
{
    holter_metric pressure = metric_named("blood_pressure");
    for (int i = 0; i < 8; i++) {
        holter_value values[] = { integer(110 + draw(30)), integer(70 + draw(15)) };
        put(person, &pressure, PHONE, begin + i * 12 * HOUR, 0, revision + i % 3, values);
    }
}

/* a night told anew under new begin times: what began in it goes, these stand in its place */
static void replace_night(int person, int64_t begin, int64_t end)
{
    holter_metric stage = metric_named("sleep_stage");
    erase(person, &stage, WATCH, begin, end, 0);
    put_night(person, begin + 90 * SECOND, 20, 11 * MINUTE);
}

static void reopen(void)
{
    holter_batch_free(world.batch);
    holter_close(world.store);
    need(holter_open(&world.store, world.path, &world.options, &error), "open");
    need(holter_batch_new(&world.batch, world.store, NULL, &error), "batch");
}

/* is_long: series of several blocks, one of them in several pieces, two that get rollups */
static void fill(int is_long)
{
    holter_metric mixture = define_mixture();
    holter_metric heart_rate = metric_named("heart_rate"), steps = metric_named("steps");
    holter_metric weight = metric_named("weight");

    /* the first segments: 20 days, three partitions */
    put_heart_rate(ALICE, BEGIN, is_long ? 2100 : 150, 5 * SECOND, WATCH);
    put_eda(ALICE, BEGIN + 2 * DAY, is_long ? 1030 : 9);
    put_steps(ALICE, BEGIN + HOUR, is_long ? 1200 : 120, 0);
    put_night(ALICE, BEGIN + 22 * HOUR, 40, 10 * MINUTE);
    put_mixture(ALICE, &mixture, BEGIN + DAY, 30);
    commit();
    for (int p = BOB; p < PERSON_COUNT; p++) {
        put_heart_rate(p,
                       BEGIN + p * DAY +
                           (p == BOB   ? 1000000
                            : p == ZOE ? 1
                                       : 0),
                       60, p == ZOE ? SECOND + 7 : SECOND, p % 2 ? WATCH : PHONE);
        put_steps(p, BEGIN + p * 5 * DAY, 30, p);
        put_weights(p, BEGIN + DAY, p == ZOE ? -2 : 0);
        put_doses(p, BEGIN + 3 * DAY, 0);
        put_pressure(p, BEGIN + 4 * DAY, 100);
    }
    commit();
    flush();

    /* corrections, lower revisions, duplicates, deletions, a replaced night; then partitions */
    for (int i = 100; i < 140; i++) {
        holter_value value = integer(100 + i % 10);
        put(ALICE, &heart_rate, WATCH, BEGIN + i * 5 * SECOND, 0, i % 2 ? 5 : 0, &value);
    }
    replace_night(ALICE, BEGIN + 22 * HOUR, BEGIN + DAY + 6 * HOUR);
    erase(ALICE, &steps, PHONE, BEGIN + HOUR + 30 * MINUTE, BEGIN + HOUR + 40 * MINUTE, 0);
    erase(BOB, NULL, 0, BEGIN + 3 * DAY, BEGIN + 3 * DAY + 9 * HOUR, 0);
    erase(ZOE, &weight, 0, BEGIN + DAY, BEGIN + 2 * DAY, 10);
    commit();
    for (int i = 110; i < 130; i++) {
        holter_value value = integer(50);
        put(ALICE, &heart_rate, WATCH, BEGIN + i * 5 * SECOND, 0, 3,
            &value); /* stands only where there is no 5 */
    }
    put_weights(ZOE, BEGIN + DAY + HOUR, 9); /* later than the deletion, but of a lower revision */
    put_weights(ZOE, BEGIN + DAY + 2 * HOUR, 11);
    commit();
    flush();
    compact(HOLTER_WARM);

    /* late rows, and a label more; these stay in two hot files beside the warm ones */
    int64_t level;
    need(holter_metric_add_label(world.store, mixture.number, 3, "beyond", &level, &error),
         "label");
    mixture = metric_named("golden_mixture");
    holter_value late[] = { integer(INT64_MIN), integer(INT64_MAX / 1000), real(-1.5),
                            integer(level), text("late") };
    span(GUL, &mixture, PHONE, BEGIN - 400 * DAY, DAY, 0, -7, late);
    span(GUL, &mixture, PHONE, -1, 0, 0, INT64_MAX, late);
    span(GUL, &mixture, PHONE, INT64_MAX - 1, INT64_MAX, 0, INT64_MIN, late);
    put_heart_rate(BOB, BEGIN + DAY + 30 * SECOND, 50, SECOND, WATCH);
    erase(LONG, &weight, WATCH, BEGIN, BEGIN + 2 * DAY, 0);
    commit();
    flush();
    put_steps(ALICE, BEGIN + HOUR + 35 * MINUTE, 3, 0); /* into what was deleted */
    put_pressure(GUL, BEGIN + 4 * DAY, 101);
    erase(GUL, &heart_rate, 0, HOLTER_TIME_MIN, HOLTER_TIME_MAX, 0);
    put_doses(BOB, BEGIN + 3 * DAY, 4);
    commit();
    flush();
    reopen();
    mixture = metric_named("golden_mixture"); /* what it borrowed went with the first handle */
    steps = metric_named("steps");

    /* not flushed: groups of several users, rows, a deletion, a replaced night */
    put_heart_rate(GUL, BEGIN + 9 * DAY, 20, MINUTE, PHONE);
    put_heart_rate(ALICE, BEGIN + 50 * SECOND, 30, 5 * SECOND, WATCH);
    put_mixture(ZOE, &mixture, BEGIN + 8 * DAY, 17);
    commit();
    erase(ALICE, NULL, 0, BEGIN + HOUR + 10 * MINUTE, BEGIN + HOUR + 12 * MINUTE, 0);
    replace_night(ALICE, BEGIN + 23 * HOUR, BEGIN + DAY + HOUR);
    erase(BOB, &steps, PHONE, BEGIN, BEGIN + 30 * DAY, 6);
    put_steps(BOB, BEGIN + 10 * DAY, 4, 6);
    commit();
    put_steps(BOB, BEGIN + 11 * DAY, 4, 5); /* of a lower revision than the deletion: hidden */
    put_steps(BOB, BEGIN + 12 * DAY, 4, 7);
    put_weights(LONG, BEGIN + DAY, 0);
    put_doses(LONG, BEGIN + 3 * DAY, -1);
    commit();
}

/* a group takes a page, a file of 64 KiB has 15: so the log has several, and marks in between */
static void fill_log(void)
{
    for (int i = 0; i < 36; i++) {
        put_heart_rate(i % 2 ? ALICE : GUL, BEGIN + 15 * DAY + i * HOUR, 2, SECOND, WATCH);
        put_steps(BOB, BEGIN + 15 * DAY + i * HOUR, 1, 6 + i % 2);
        commit();
        if (i % 10 == 9)
            reopen();
    }
}

/* parts that take more than a frame: notes of 60,000 bytes, a deletion before them */
static void fill_linked(int rounds)
{
    holter_metric note = metric_named("note");
    enum { NOTE_BYTES = 60000, NOTES = 6 };
    char *words = malloc(NOTE_BYTES + 1);
    if (words == NULL)
        stop("no memory");
    for (int round = 0; round < rounds; round++) {
        put_heart_rate(BOB, BEGIN + round * HOUR, 10, SECOND, WATCH);
        commit();
        erase(ALICE, &note, WATCH, BEGIN, BEGIN + 3 * MINUTE, 0);
        for (int i = 0; i < NOTES; i++) {
            memset(words, 'a' + i + round, NOTE_BYTES);
            words[NOTE_BYTES - i] = 0;
            holter_value value = text(words);
            put(ALICE, &note, WATCH, BEGIN + (i + 2 * round) * MINUTE, 0, 0, &value);
        }
        put_heart_rate(ALICE, BEGIN + round * HOUR, 10, SECOND, WATCH);
        put_steps(BOB, BEGIN, 3, 0);
        commit();
        put_heart_rate(ALICE, BEGIN + round * HOUR + 5 * SECOND, 10, SECOND, WATCH);
        commit();
        if (round + 1 < rounds)
            flush();
    }
    free(words);
}

/* gaps of 11 and 13 seconds, even changes: half of it, at least, is in one partition */
static void fill_device(void)
{
    enum { BATCHES = 9, BATCH_ROWS = 4000 };
    holter_metric heart_rate = metric_named("heart_rate");
    int64_t time = BEGIN;
    int64_t rate = 100;
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < BATCH_ROWS; i++) {
            time += (11 + 2 * draw(2)) * SECOND;
            rate += 2 * (draw(5) - 2);
            rate = rate < 40 ? 40 : rate > 200 ? 200 : rate;
            holter_value value = integer(rate);
            put(ALICE, &heart_rate, WATCH, time, 0, 0, &value);
        }
        commit();
    }
    flush();
    compact(HOLTER_COLD);
}

/* a row of one of four metrics, of 4 x 40 times in three partitions */
static void put_random(int person, int64_t revision)
{
    static const char *const words[] = { "", "a", "ab", "b\xc3\xa9" };
    int64_t time = BEGIN + draw(4) * 5 * DAY + draw(40) * MINUTE;
    unsigned flags = draw(9) == 0 ? HOLTER_ANOMALY : 0;
    uint32_t source = (uint32_t)(1 + draw(2));
    const char *const names[] = { "heart_rate", "steps", "weight", "medication_dose" };
    holter_metric metric = metric_named(names[draw(4)]);
    holter_value values[2];
    if (metric.fields[0].type == HOLTER_INT)
        values[0] = integer(draw(400));
    else if (metric.fields[0].type == HOLTER_FLOAT)
        values[0] = real((double)draw(1000) / 10);
    else
        values[0] = text(words[draw(4)]);
    values[1] = real((double)draw(8));
    span(person, &metric, source, time, metric.kind == HOLTER_INTERVAL ? draw(100) * SECOND : 0,
         flags, revision, values);
}

static void fill_random(uint64_t seed)
{
    world.random ^= seed * UINT64_C(0x9e3779b97f4a7c15);
    for (int step = 0; step < 400; step++) {
        int person = (int)draw(PERSON_COUNT - 2) + 1;
        int64_t kind = draw(100), revision = draw(3) == 0 ? draw(7) - 3 : 0;
        if (kind < 20) {
            holter_metric metric = metric_named(draw(2) == 0 ? "heart_rate" : "medication_dose");
            int is_all = draw(4) == 0;
            int64_t begin = BEGIN + draw(4) * 5 * DAY + draw(40) * MINUTE;
            erase(person, is_all ? NULL : &metric, is_all ? 0 : (uint32_t)draw(3), begin,
                  begin + 1 + (draw(5) == 0 ? 6 * DAY : draw(20) * MINUTE), revision);
            for (int64_t i = draw(4); i > 0; i--)
                put_random(person, revision);
        } else if (kind < 88) {
            for (int64_t i = 1 + draw(12); i > 0; i--)
                put_random(draw(2) == 0 ? person : BOB, draw(3) == 0 ? draw(7) - 3 : 0);
        } else if (kind < 94) {
            flush();
        } else if (kind < 97) {
            compact(kind < 96 ? HOLTER_WARM : HOLTER_COLD);
        } else {
            reopen();
        }
        commit();
    }
}

/* whether `argument` names `kind`; one that ends in '-' is followed by a number */
static int is_kind(const char *argument, const char *kind)
{
    size_t bytes = strlen(kind);
    return kind[bytes - 1] == '-' ? strncmp(argument, kind, bytes) == 0
                                  : strcmp(argument, kind) == 0;
}

int main(int count, char **arguments)
{
    static const char *const kinds[] = { "sealed", "plain", "unclosed", "kept",
                                         "linked", "large", "device",   "random-" };
    enum { SEALED, PLAIN, UNCLOSED, KEPT, LINKED, LARGE, DEVICE, RANDOM, KINDS };
    int kind = 0;
    while (count == 3 && kind < KINDS && !is_kind(arguments[1], kinds[kind]))
        kind++;
    if (count != 3 || kind == KINDS) {
        fputs("usage: make_golden sealed|plain|unclosed|kept|linked|large|device|random-N STORE\n",
              stderr);
        return 2;
    }
    uint64_t seed = kind == RANDOM ? strtoull(arguments[1] + strlen(kinds[RANDOM]), NULL, 10) : 0;
    int is_linked = kind == LINKED || kind == LARGE;
    holter_create_options create = { .shards = is_linked ? 1 : 2,
                                     .no_sealing =
                                         kind == PLAIN || kind == LINKED || seed % 2 == 1 };
    world.path = arguments[2];
    world.options =
        (holter_options){ .log_file_bytes = is_linked ? 1 << 19 : 1 << 16, .no_auto_flush = 1 };
    need(holter_create(world.path, &create, &error), "create");
    need(holter_open(&world.store, world.path, &world.options, &error), "open");
    need(holter_add_region(world.store, "eu-west", 1, &error), "region");
    need(holter_batch_new(&world.batch, world.store, NULL, &error), "batch");
    make_people();
    if (kind == KEPT)
        need(holter_feed_keep(world.store, 400 * DAY, 1 << 26, &error), "feed");
    if (is_linked)
        fill_linked(kind == LARGE ? 2 : 1);
    else if (kind == DEVICE)
        fill_device();
    else if (kind == RANDOM)
        fill_random(seed);
    else
        fill(kind != UNCLOSED && kind != KEPT);
    if (kind == UNCLOSED)
        fill_log();
    print_expected();
    holter_batch_free(world.batch);
    if (fflush(stdout) != 0)
        return 1;
    if (kind == UNCLOSED)
        _exit(0); /* as if it had been killed */
    holter_close(world.store);
    return 0;
}
