/*
 * test_segment_rollup.c -- what rows say by half hours, against a plain reckoning of them.
 *
 * Claim: a rollup says of each half hour exactly what its rows say, or there is none; a decoder refuses
 * what is none, and does not fall over any change of a byte; warm and cold files carry rollups of series
 * that are long enough, hot files never, and the full check compares them with the rows. Method: seeded
 * rows of each kind, extreme ones among them, in stretches of any length; a reckoning row by row.
 */
#include "segment/segment_impl.h"
#include "segment_world.h"

#define HALF_HOUR INT64_C(1800000000000)
#define MINUTE INT64_C(60000000000)

__extension__ typedef __int128 wide;

static holter_error err;

static const struct schema kinds[] = {
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INSTANT, 3, SCHEMA_NO_KEY, { FIELD_INT, FIELD_ENUM, FIELD_INT } },
    { SAMPLE_INTERVAL, 2, SCHEMA_NO_KEY, { FIELD_ENUM, FIELD_ENUM } },
    { SAMPLE_INTERVAL, 3, SCHEMA_NO_KEY, { FIELD_INT, FIELD_ENUM, FIELD_INT } },
};

struct shape {
    int64_t first; /* time of the first row */
    int64_t step;  /* greatest gap */
    bool is_wild;  /* values of any 63 bits, long intervals */
};

static const struct shape shapes[] = {
    { INT64_C(1700000000) * 1000000000, 10 * INT64_C(1000000000), false },
    { -INT64_C(3000000000) * 1000000000, MINUTE, false },
    { INT64_C(1700000123) * 1000000000 + 7, HALF_HOUR / 3 + 1, true },
    { -5 * HALF_HOUR, 3 * HALF_HOUR, false },
    { 0, INT64_C(1000000), true },
};

static void make_rows(struct columns *rows, const struct schema *schema, const struct shape *shape,
                      uint64_t seed, size_t count)
{
    struct random random = { seed };
    int64_t time = shape->first;
    bool is_even = random_below(&random, 2) == 0;
    columns_init(rows, schema);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = time };
        if (schema->kind == SAMPLE_INTERVAL)
            row.duration = shape->is_wild && i % 97 == 0
                               ? INT64_C(1) << 57
                               : (int64_t)random_below(&random, 2) * shape->step;
        for (size_t f = 0; f < schema->field_count; f++) {
            if (schema->types[f] == FIELD_ENUM)
                row.field[f] = (int64_t)random_below(&random, 5);
            else if (shape->is_wild && schema->kind == SAMPLE_INSTANT)
                row.field[f] = (int64_t)random_u64(&random) / 2;
            else
                row.field[f] = (int64_t)random_below(&random, 200) - 70;
        }
        bool is_bad = random_below(&random, 40) == 0 || (i > 100 && i < 160);
        row.flags = is_bad ? SAMPLE_OUT_OF_RANGE : i % 9 == 0 ? SAMPLE_MANUAL : 0;
        CHECK(columns_append(rows, &row));
        time += is_even ? shape->step : (int64_t)random_below(&random, (uint64_t)shape->step) + 1;
    }
}

static int64_t half_hour_of(int64_t time)
{
    int64_t whole = time / HALF_HOUR;
    return whole * HALF_HOUR > time ? whole - 1 : whole;
}

/* Rows [first, end), which begin in one half hour and in no other. */
static void bucket_check(const struct segment_block *bucket, const int64_t *states,
                         const struct columns *rows, size_t first, size_t end)
{
    int64_t greatest = INT64_MIN;
    uint32_t flagged = 0;
    for (size_t i = first; i < end; i++) {
        greatest = columns_end(rows, i) > greatest ? columns_end(rows, i) : greatest;
        flagged += (rows->flags[i] & SAMPLE_OUT_OF_RANGE) != 0;
        CHECK(half_hour_of(rows->time[i]) == half_hour_of(rows->time[first]));
    }
    CHECK(bucket->rows == end - first);
    CHECK(bucket->flagged == flagged);
    CHECK(bucket->begin_min == rows->time[first]);
    CHECK(bucket->begin_max == rows->time[end - 1]);
    CHECK(bucket->end_max == greatest);
    for (size_t f = 0; f < rows->schema.field_count; f++) {
        int64_t of_label[SEGMENT_LABELS_MAX] = { 0 };
        bool is_first = true;
        wide sum = 0;
        int64_t min = 0;
        int64_t max = 0;
        for (size_t i = first; i < end; i++) {
            int64_t value = rows->field[f][i];
            if ((rows->flags[i] & SAMPLE_OUT_OF_RANGE) != 0)
                continue;
            if (rows->schema.types[f] == FIELD_ENUM) {
                of_label[value] += rows->duration != NULL ? rows->duration[i] : 1;
                continue;
            }
            sum += value;
            min = is_first || value < min ? value : min;
            max = is_first || value > max ? value : max;
            is_first = false;
        }
        bool has_extremes = rows->schema.kind == SAMPLE_INSTANT;
        CHECK((uint64_t)bucket->field[f].sum_low == (uint64_t)sum);
        CHECK(bucket->field[f].sum_high == (int64_t)(sum >> 64));
        CHECK(bucket->field[f].min == (has_extremes ? min : 0));
        CHECK(bucket->field[f].max == (has_extremes ? max : 0));
        if (rows->schema.types[f] != FIELD_ENUM)
            continue;
        CHECK(memcmp(states, of_label, sizeof of_label) == 0);
        states += SEGMENT_LABELS_MAX;
    }
}

static size_t state_words_of(const struct schema *schema)
{
    size_t words = 0;
    for (size_t f = 0; f < schema->field_count; f++)
        words += schema->types[f] == FIELD_ENUM ? SEGMENT_LABELS_MAX : 0;
    return words;
}

static void rollup_check(const struct segment_rollup *rollup, const struct columns *rows)
{
    size_t words = state_words_of(&rows->schema);
    size_t at = 0;
    for (size_t b = 0; b < rollup->count; b++) {
        size_t end = at + rollup->buckets[b].rows;
        CHECK(end <= rows->count);
        CHECK(at == 0 || half_hour_of(rows->time[at]) > half_hour_of(rows->time[at - 1]));
        bucket_check(&rollup->buckets[b], words > 0 ? rollup->states + b * words : NULL, rows, at,
                     end);
        at = end;
    }
    CHECK(at == rows->count);
}

static void gather(struct segment_rollup *rollup, const struct columns *rows, uint64_t seed)
{
    struct random random = { seed };
    segment_rollup_clear(rollup);
    for (size_t at = 0; at < rows->count;) {
        size_t take = 1 + random_below(&random, random_below(&random, 2) ? 900 : 7);
        take = take < rows->count - at ? take : rows->count - at;
        CHECK(segment_rollup_add(rollup, rows, at, take));
        at += take;
    }
}

static struct segment_series series_of(const struct columns *rows)
{
    struct segment_series series = { .schema = rows->schema,
                                     .rows = rows->count,
                                     .begin_min = rows->time[0],
                                     .begin_max = rows->time[rows->count - 1],
                                     .end_max = INT64_MIN };
    for (size_t i = 0; i < rows->count; i++)
        series.end_max =
            columns_end(rows, i) > series.end_max ? columns_end(rows, i) : series.end_max;
    return series;
}

START_TEST(a_rollup_says_what_its_rows_say)
{
    struct segment_rollup found = { 0 };
    struct segment_rollup told = { 0 };
    struct codec_scratch *scratch = codec_scratch_new();
    size_t fits = 0;
    CHECK(scratch != NULL);
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct random random = { seed };
        struct columns rows;
        struct buffer plain;
        const char *what = NULL;
        buffer_init(&plain);
        make_rows(&rows, &kinds[seed % CORE_COUNT(kinds)],
                  &shapes[random_below(&random, CORE_COUNT(shapes))], seed,
                  1 + random_below(&random, 2000));
        gather(&found, &rows, seed);
        if (segment_rollup_encode(&plain, &found, &rows.schema, scratch)) {
            struct segment_series series = series_of(&rows);
            rollup_check(&found, &rows);
            ck_assert_msg(segment_rollup_decode(&told, plain.data, plain.bytes, &series, true,
                                                &what) == HOLTER_OK,
                          "seed %llu: %s", (unsigned long long)seed, what);
            rollup_check(&told, &rows);
            CHECK(segment_rollup_is_equal(&told, &found, &rows.schema));
            CHECK(segment_rollup_decode(&told, plain.data, plain.bytes, &series, false, &what) ==
                  HOLTER_OK);
            CHECK(memcmp(told.buckets, found.buckets, found.count * sizeof *found.buckets) == 0);
            told.buckets[told.count / 2].field[0].sum_low++;
            CHECK(!segment_rollup_is_equal(&told, &found, &rows.schema));
            fits++;
        } else {
            CHECK(found.is_lost && plain.bytes == 0);
        }
        buffer_release(&plain);
        columns_release(&rows);
    }
    ck_assert_uint_gt(fits, 250);
    segment_rollup_release(&found);
    segment_rollup_release(&told);
    codec_scratch_free(scratch);
}
END_TEST

START_TEST(changed_bytes_are_refused_or_mean_another_rollup)
{
    struct codec_scratch *scratch = codec_scratch_new();
    for (size_t k = 0; k < CORE_COUNT(kinds); k++) {
        struct segment_rollup rollup = { 0 };
        struct columns rows;
        struct buffer plain;
        const char *what = NULL;
        size_t refused = 0;
        buffer_init(&plain);
        make_rows(&rows, &kinds[k], &shapes[0], 9 + k, 700);
        gather(&rollup, &rows, 1);
        CHECK(segment_rollup_encode(&plain, &rollup, &rows.schema, scratch));
        struct segment_series series = series_of(&rows);
        for (size_t i = 0; i < plain.bytes * 256; i++) {
            uint8_t was = plain.data[i / 256];
            plain.data[i / 256] = (uint8_t)i;
            what = NULL;
            holter_status status =
                segment_rollup_decode(&rollup, plain.data, plain.bytes, &series, true, &what);
            CHECK(status == HOLTER_OK || (status == HOLTER_CORRUPT && what != NULL));
            CHECK(status == HOLTER_OK || rollup.count == 0);
            uint64_t total = 0;
            for (size_t b = 0; b < rollup.count; b++)
                total += rollup.buckets[b].rows;
            CHECK(status != HOLTER_OK || total == rows.count);
            refused += status != HOLTER_OK;
            plain.data[i / 256] = was;
        }
        ck_assert_uint_gt(refused, plain.bytes * 20);
        for (size_t bytes = 0; bytes < plain.bytes; bytes++)
            CHECK(segment_rollup_decode(&rollup, plain.data, bytes, &series, true, &what) ==
                  HOLTER_CORRUPT);
        series.rows++;
        CHECK(segment_rollup_decode(&rollup, plain.data, plain.bytes, &series, true, &what) ==
              HOLTER_CORRUPT);
        ck_assert_str_eq(what, "the rows of its buckets are not those of the series");
        series.rows--;
        series.end_max++;
        CHECK(segment_rollup_decode(&rollup, plain.data, plain.bytes, &series, true, &what) ==
              HOLTER_CORRUPT);
        ck_assert_str_eq(what, "the times of its buckets are not those of the series");
        buffer_release(&plain);
        columns_release(&rows);
        segment_rollup_release(&rollup);
    }
    codec_scratch_free(scratch);
}
END_TEST

/* Rows of one half hour, or, of many, one in each; `values` in turn. */
static bool has_room(const struct schema *schema, int64_t from, int64_t step, size_t count,
                     const int64_t *values, size_t value_count, int64_t duration)
{
    struct segment_rollup rollup = { 0 };
    struct codec_scratch *scratch = codec_scratch_new();
    struct columns rows;
    struct buffer plain;
    buffer_init(&plain);
    columns_init(&rows, schema);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = from + (int64_t)i * step, .duration = duration };
        row.field[0] = values[i % value_count];
        CHECK(columns_append(&rows, &row));
    }
    CHECK(segment_rollup_add(&rollup, &rows, 0, count));
    bool fits = segment_rollup_encode(&plain, &rollup, schema, scratch);
    CHECK(fits || plain.bytes == 0);
    if (fits) {
        struct segment_series series = series_of(&rows);
        const char *what = NULL;
        ck_assert_msg(segment_rollup_decode(&rollup, plain.data, plain.bytes, &series, true,
                                            &what) == HOLTER_OK,
                      "%s", what);
    }
    buffer_release(&plain);
    columns_release(&rows);
    codec_scratch_free(scratch);
    segment_rollup_release(&rollup);
    return fits;
}

START_TEST(what_does_not_fit_has_no_rollup)
{
    static const int64_t small[] = { 3, 4, 1 };
    static const int64_t far[] = { INT64_MIN, INT64_MAX };
    static const int64_t most[] = { INT64_MAX };
    static const int64_t least[] = { INT64_MIN };
    static const int64_t labels[] = { 0, SEGMENT_LABELS_MAX - 1 };
    static const int64_t more_labels[] = { 0, SEGMENT_LABELS_MAX };
    const struct schema *instant = &kinds[0];
    const struct schema *interval = &kinds[1];
    const struct schema *states = &kinds[3];
    const struct schema floats = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_FLOAT } };
    const struct schema texts = { SAMPLE_INSTANT, 2, SCHEMA_NO_KEY, { FIELD_INT, FIELD_TEXT } };
    CHECK(segment_rollup_fits(instant) && segment_rollup_fits(states));
    CHECK(!segment_rollup_fits(&floats) && !segment_rollup_fits(&texts));
    CHECK(has_room(instant, 0, 1000, 5000, small, 3, 0));
    CHECK(has_room(instant, 0, 1000, 5000, most, 1, 0)); /* a sum of 76 bits: mean and rest */
    CHECK(has_room(instant, 0, 1000, 5000, least, 1, 0));
    CHECK(!has_room(instant, 0, 1000, 5000, far, 2, 0)); /* further apart than 63 bits */
    CHECK(has_room(interval, 0, 1000, 1, most, 1, 5));
    CHECK(!has_room(interval, 0, 1000, 2, most, 1, 5)); /* a sum over 63 bits */
    CHECK(has_room(interval, 0, 1000, 2, small, 1, INT64_MAX));
    CHECK(has_room(states, 0, 1000, 9, labels, 2, 5));
    CHECK(!has_room(states, 0, 1000, 9, more_labels, 2, 5));
    CHECK(!has_room(states, 0, 1000, 2, small, 1, INT64_MAX));
    CHECK(has_room(instant, -HALF_HOUR, HALF_HOUR, SEGMENT_BUCKETS_MAX, small, 3, 0));
    CHECK(!has_room(instant, -HALF_HOUR, HALF_HOUR, SEGMENT_BUCKETS_MAX + 1, small, 3, 0));
    CHECK(!has_room(instant, INT64_MIN + 1, 1000, 5, small, 3, 0));
    CHECK(!has_room(instant, INT64_MAX - 6000, 1000, 5, small, 3, 0));
    CHECK(has_room(instant, INT64_MIN + 2 * HALF_HOUR, 1000, 5, small, 3, 0));
    CHECK(has_room(instant, INT64_MAX - 2 * HALF_HOUR, 1000, 5, small, 3, 0));
}
END_TEST

static struct segment_section *open_section(struct world *world, struct segment *segment,
                                            uint64_t number)
{
    struct segment_user user;
    struct segment_section *section = NULL;
    struct crypto_key *key = world_key(world, number);
    CHECK(segment_user_find(&user, segment, world->queue, number, &err) == HOLTER_OK);
    holter_status status =
        segment_section_open(&section, segment, &user, world->queue, world->arena, key, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    crypto_key_free(key);
    return section;
}

/* Bytes of a file with two series: the one asked for, and 200 rows. */
static uint64_t write_series(struct world *world, uint8_t tier, const struct schema *schema,
                             const struct shape *shape, size_t count)
{
    struct content_user user = { .user = 7, .series_count = 2 };
    struct content content = { .tier = tier, .users = &user, .user_count = 1 };
    struct segment_summary summary;
    struct segment *segment = NULL;
    for (size_t s = 0; s < 2; s++) {
        user.series[s].metric = 1;
        user.series[s].source = (uint32_t)s + 1;
        make_rows(&user.series[s].rows, schema, shape, 5 + s, s == 0 ? count : 200);
    }
    holter_status status = content_write(world, &content, &summary, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    status = content_check(world, &content, summary.id, summary.footer_hash, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    CHECK(segment_open(&segment, &world->spec, summary.id, 0, &err) == HOLTER_OK);
    struct segment_section *section = open_section(world, segment, 7);
    for (size_t s = 0; s < 2; s++) {
        status = segment_series_verify(section, s, &err);
        ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    }
    struct segment_rollup rollup = { 0 };
    struct segment_outline *outline = segment_section_outline(section);
    struct crypto_key *key = world_key(world, 7);
    struct crypto_key *own =
        key != NULL ? crypto_key_derive(world->arena, key, "holt-seg", summary.id) : NULL;
    struct segment_access access = {
        .segment = segment, .user = &outline->user, .queue = world->queue, .key = own
    };
    uint64_t bytes = outline->index.entries[0].rollup_bytes;
    ck_assert_uint_eq(outline->index.entries[1].rollup_bytes, 0);
    ck_assert_uint_eq(summary.rollup_bytes, bytes);
    if (bytes > 0) {
        status = segment_outline_rollup_read(&rollup, outline, 0, &access, true, &err);
        ck_assert_msg(status == HOLTER_OK, "%s", err.message);
        rollup_check(&rollup, &user.series[0].rows);
    }
    crypto_key_free(own);
    crypto_key_free(key);
    segment_rollup_release(&rollup);
    segment_section_close(section);
    segment_close(segment);
    columns_release(&user.series[0].rows);
    columns_release(&user.series[1].rows);
    return bytes;
}

/* Bytes of a rollup that mean another one of equal size: its last byte that may change so. */
static void change_rollup(struct buffer *plain, const struct segment_series *series)
{
    struct segment_rollup was = { 0 };
    struct segment_rollup now = { 0 };
    const char *what;
    CHECK(segment_rollup_decode(&was, plain->data, plain->bytes, series, true, &what) == HOLTER_OK);
    for (size_t i = plain->bytes; i-- > 0;) {
        plain->data[i] ^= 1;
        if (segment_rollup_decode(&now, plain->data, plain->bytes, series, true, &what) ==
                HOLTER_OK &&
            !segment_rollup_is_equal(&was, &now, &series->schema))
            break;
        plain->data[i] ^= 1;
        CHECK(i > 0);
    }
    segment_rollup_release(&was);
    segment_rollup_release(&now);
}

START_TEST(a_rollup_that_its_rows_do_not_say_is_found)
{
    struct content_user user = { .user = 7, .series_count = 1 };
    struct content content = { .tier = 2, .users = &user, .user_count = 1 };
    struct world world;
    struct segment_summary summary;
    struct segment *segment = NULL;
    struct buffer file, plain;
    char path[64];
    buffer_init(&file);
    buffer_init(&plain);
    world_init(&world, 4, false);
    user.series[0].metric = user.series[0].source = 1;
    make_rows(&user.series[0].rows, &kinds[0], &shapes[0], 5, 20000);
    CHECK(content_write(&world, &content, &summary, &err) == HOLTER_OK);
    CHECK(segment_open(&segment, &world.spec, summary.id, 0, &err) == HOLTER_OK);
    struct segment_section *section = open_section(&world, segment, 7);
    struct segment_outline *outline = segment_section_outline(section);
    const struct segment_entry *entry = &outline->index.entries[0];
    CHECK(segment_series_verify(section, 0, &err) == HOLTER_OK);

    content_path(path, summary.id);
    CHECK(sim_file_read(&file, world.sim, path) == HOLTER_OK);
    struct segment_piece piece = { 7, user.key_generation, SEGMENT_PIECE_ROLLUP,
                                   outline->user.section_offset + entry->rollup_offset };
    buffer_append(&plain, file.data + piece.offset, entry->rollup_bytes);
    CHECK(segment_piece_open(plain.data, plain.bytes, &segment->identity, &piece, NULL));
    plain.bytes -= CRYPTO_TAG_BYTES;
    change_rollup(&plain, &entry->series);
    segment_piece_seal(file.data + piece.offset, plain.data, plain.bytes, &segment->identity,
                       &piece, NULL);
    CHECK(sim_file_write(world.sim, path, file.data, file.bytes) == HOLTER_OK);
    segment_section_close(section);
    section = open_section(&world, segment, 7);
    ck_assert_int_eq(segment_series_verify(section, 0, &err), HOLTER_CORRUPT);
    ck_assert_ptr_nonnull(
        strstr(err.message, "rollup of metric 1, source 1 is not what its rows say"));

    segment_section_close(section);
    segment_close(segment);
    columns_release(&user.series[0].rows);
    buffer_release(&file);
    buffer_release(&plain);
    world_release(&world);
}
END_TEST

START_TEST(long_series_of_warm_and_cold_files_have_one)
{
    const struct shape *seconds = &shapes[0];
    const struct shape *minutes = &shapes[1];
    struct world world;
    world_init(&world, 4, _i % 2 == 0);
    ck_assert_uint_eq(write_series(&world, 1, &kinds[0], seconds, 20000), 0);
    for (uint8_t tier = 2; tier <= 3; tier++) {
        ck_assert_uint_gt(write_series(&world, tier, &kinds[0], seconds, 20000), 100);
        ck_assert_uint_gt(write_series(&world, tier, &kinds[4], seconds, 20000), 100);
        ck_assert_uint_gt(write_series(&world, tier, &kinds[1], seconds, 1500),
                          20); /* in one piece */
        ck_assert_uint_eq(write_series(&world, tier, &kinds[0], seconds, 1000), 0);
        ck_assert_uint_eq(write_series(&world, tier, &kinds[2], minutes, 20000), 0);
        ck_assert_uint_eq(write_series(&world, tier, &kinds[0], &shapes[3], 20000), 0);
    }
    world_release(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment_rollup");
    TCase *tests = tcase_create("rollup");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_rollup_says_what_its_rows_say);
    tcase_add_test(tests, changed_bytes_are_refused_or_mean_another_rollup);
    tcase_add_test(tests, what_does_not_fit_has_no_rollup);
    tcase_add_test(tests, a_rollup_that_its_rows_do_not_say_is_found);
    tcase_add_loop_test(tests, long_series_of_warm_and_cold_files_have_one, 0, 2);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
