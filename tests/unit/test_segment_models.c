/*
 * test_segment_models.c -- series of cold files have models of their own where these pay.
 *
 * Claim: a long series of a device that no built-in model knows is written with models learned from
 * it, and reads back as any other, whatever the calls were cut into; short and noisy series, and those
 * of other files, have none. Models that are damaged under a good seal are refused when a block is
 * read, and not missed before. Method: contents written and checked on the simulated machine; block
 * headers opened, changed and sealed again.
 */
#include "segment/segment_impl.h"
#include "segment_world.h"

static holter_error err;

enum {
    FULL = SEGMENT_COLD_BLOCK_ROWS,
    WAITING = 16 * FULL, /* rows of blocks that wait */
};

/* Gaps of 11 and 13 seconds and even changes; where it is noise: even gaps and any values. */
static void device_make(struct content_series *series, uint32_t metric, size_t rows, bool is_noise)
{
    struct random random = { metric };
    struct row row = { .time = INT64_C(1700000000000000000), .field = { 70 } };
    *series = (struct content_series){ .metric = metric, .source = 1 };
    columns_init(&series->rows, &world_schemas[0]);
    for (size_t i = 0; i < rows; i++) {
        bool is_rare = random_below(&random, 300) == 0;
        int64_t gap = is_noise ? 60 : 11 + 2 * (int64_t)random_below(&random, 2);
        row.time += INT64_C(1000000000) * (is_rare ? 5000 : gap);
        row.field[0] = is_noise ? (int64_t)random_below(&random, 1 << 17)
                                : row.field[0] + 2 * ((int64_t)random_below(&random, 5) - 2);
        row.flags = is_rare ? SAMPLE_ANOMALY : 0;
        row.revision =
            i >= FULL && i < FULL + 100 ? (int64_t)i : 0; /* the second block has its own */
        CHECK(columns_append(&series->rows, &row));
    }
}

static void release(struct content_user *user)
{
    for (size_t i = 0; i < user->series_count; i++)
        columns_release(&user->series[i].rows);
}

static struct segment_section *open_section(struct world *world, struct segment *segment,
                                            uint64_t number)
{
    struct segment_user user;
    struct segment_section *section = NULL;
    struct crypto_key *key = world_key(world, number);
    CHECK(segment_user_find(&user, segment, world->queue, number, &err) == HOLTER_OK);
    CHECK(segment_section_open(&section, segment, &user, world->queue, world->arena, key, &err) ==
          HOLTER_OK);
    crypto_key_free(key);
    return section;
}

/* Bytes of a series' models; its block headers are read. */
static size_t model_bytes(struct segment_section *section, size_t series)
{
    struct segment_run *run = NULL;
    CHECK(segment_run_open(&run, section, series, INT64_MIN, INT64_MAX, INT64_MAX, &err) ==
          HOLTER_OK);
    segment_run_close(run);
    return segment_outline_known(segment_section_outline(section), series)->model_bytes;
}

START_TEST(long_series_of_cold_files_have_some)
{
    static const struct {
        size_t rows;
        bool is_noise, has_models;
    } cases[] = {
        { 2 * WAITING + 77, false, true },
        { WAITING + 1, false, true },
        { WAITING, false, true },
        { WAITING + 5, true, false },
        { WAITING - 1, false, true },
        { 2 * FULL + 1, true, false },
        { 2 * FULL, false, true },
        { 2 * FULL - 1, false, false },
        { FULL, false, false },
        { 10, false, false },
    };
    struct content_user users[2] = { { .user = 7, .series_count = CORE_COUNT(cases) },
                                     { .user = 8, .series_count = 1 } };
    struct content content = { .tier = _i < 2 ? 3 : 2, .users = users, .user_count = 2 };
    struct segment_summary summary;
    struct segment *segment = NULL;
    struct world world;
    world_init(&world, 4, _i % 2 == 0);
    for (size_t i = 0; i < CORE_COUNT(cases); i++)
        device_make(&users[0].series[i], (uint32_t)i + 1, cases[i].rows, cases[i].is_noise);
    device_make(&users[1].series[0], 1, 3 * FULL, false);
    CHECK(content_write(&world, &content, &summary, &err) == HOLTER_OK);
    holter_status status = content_check(&world, &content, summary.id, summary.footer_hash, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);

    CHECK(segment_open(&segment, &world.spec, summary.id, 0, &err) == HOLTER_OK);
    struct segment_section *section = open_section(&world, segment, 7);
    for (size_t i = 0; i < CORE_COUNT(cases); i++)
        ck_assert_msg((model_bytes(section, i) > 0) == (cases[i].has_models && content.tier == 3),
                      "series %zu", i);
    segment_section_close(section);
    section = open_section(&world, segment, 8);
    CHECK((model_bytes(section, 0) > 0) == (content.tier == 3));
    segment_section_close(section);
    segment_close(segment);
    release(&users[0]);
    release(&users[1]);
    world_release(&world);
}
END_TEST

/* All rows of a series by a run of this pool. */
static holter_status read_all(struct segment_section *section, size_t series,
                              struct segment_pool *pool, size_t *rows)
{
    struct segment_run *run = NULL;
    struct merge_run merge;
    const struct columns *block;
    size_t first, count;
    CHECK(segment_run_plan(&run, section, series, INT64_MIN, INT64_MAX, INT64_MAX, pool, &err) ==
          HOLTER_OK);
    segment_run_merge(run, &merge, 0, 0);
    holter_status status = HOLTER_OK;
    for (*rows = 0; status == HOLTER_OK; *rows += status == HOLTER_OK ? count : 0)
        status = merge.read(&merge, &block, &first, &count, &err);
    segment_run_close(run);
    return status;
}

START_TEST(damaged_models_are_refused_when_a_block_is_read)
{
    struct content_user user = { .user = 7, .series_count = 2 };
    struct content content = { .tier = 3, .users = &user, .user_count = 1 };
    struct segment_summary summary;
    struct segment *segment = NULL;
    struct segment_pool *pool = NULL;
    struct world world;
    struct buffer file, plain;
    char path[64];
    size_t rows;
    buffer_init(&file);
    buffer_init(&plain);
    world_init(&world, 4, false);
    device_make(&user.series[0], 1, 3 * FULL, false);
    device_make(&user.series[1], 2, 3 * FULL, true);
    CHECK(content_write(&world, &content, &summary, &err) == HOLTER_OK);
    CHECK(segment_open(&segment, &world.spec, summary.id, 0, &err) == HOLTER_OK);
    CHECK(segment_pool_new(&pool, &err) == HOLTER_OK);
    struct segment_section *section = open_section(&world, segment, 7);
    size_t bytes = model_bytes(section, 0);
    ck_assert_uint_gt(bytes, 0);
    ck_assert_int_eq(read_all(section, 0, pool, &rows), HOLTER_DONE);
    ck_assert_uint_eq(rows, 3 * FULL);

    const struct segment_outline *outline = segment_section_outline(section);
    const struct segment_entry *entry = &outline->index.entries[0];
    content_path(path, summary.id);
    CHECK(sim_file_read(&file, world.sim, path) == HOLTER_OK);
    struct segment_piece piece = { 7, user.key_generation, SEGMENT_PIECE_BLOCKS,
                                   outline->user.section_offset + entry->header_offset };
    buffer_append(&plain, file.data + piece.offset, entry->header_bytes);
    CHECK(segment_piece_open(plain.data, plain.bytes, &segment->identity, &piece, NULL));
    plain.bytes -= CRYPTO_TAG_BYTES;
    plain.data[plain.bytes - bytes] ^= 64; /* how many models there are */
    segment_piece_seal(file.data + piece.offset, plain.data, plain.bytes, &segment->identity,
                       &piece, NULL);
    CHECK(sim_file_write(world.sim, path, file.data, file.bytes) == HOLTER_OK);
    segment_section_close(section);

    section = open_section(&world, segment, 7);
    ck_assert_uint_eq(model_bytes(section, 0), bytes); /* headers are read all the same */
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(read_all(section, 0, pool, &rows), HOLTER_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.message, "models of metric 1, source 1 are none"));
        ck_assert_uint_eq(rows, 0);
    }
    ck_assert_int_eq(segment_series_verify(section, 0, &err), HOLTER_CORRUPT);
    ck_assert_int_eq(read_all(section, 1, pool, &rows), HOLTER_DONE); /* the other one has none */
    ck_assert_uint_eq(rows, 3 * FULL);
    ck_assert_int_eq(segment_series_verify(section, 1, &err), HOLTER_OK);

    segment_section_close(section);
    segment_close(segment);
    segment_pool_free(pool);
    release(&user);
    buffer_release(&file);
    buffer_release(&plain);
    world_release(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment_models");
    TCase *tests = tcase_create("models");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, long_series_of_cold_files_have_some, 0, 3);
    tcase_add_test(tests, damaged_models_are_refused_when_a_block_is_read);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
