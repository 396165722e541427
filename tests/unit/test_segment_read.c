/*
 * test_segment_read.c -- finding, pruning, refusing: what a reader asks of a segment that is whole.
 *
 * Claim: each user is found and no other; a run gives all rows of the times asked for, and skips
 * blocks; a section opens under its own key at its own place in its own file only; decoders refuse
 * what no encoder writes. Method: seeded contents, sections swapped by hand, structures rebuilt
 * with one thing wrong.
 */
#include "segment/segment_impl.h"
#include "segment_world.h"

static holter_error err;

static void segment_make(struct world *world, const struct content *content,
                         struct segment_summary *summary, struct segment **segment)
{
    holter_status status = content_write(world, content, summary, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    ck_assert_int_eq(segment_open(segment, &world->spec, summary->id, summary->footer_hash, &err),
                     HOLTER_OK);
}

static const size_t user_counts[] = { 1, 62, 63, 64, 126, 127, 4000 };

START_TEST(each_user_is_found_and_no_other)
{
    struct world world;
    struct content content;
    struct segment_summary summary;
    struct segment *segment;
    world_init(&world, 2, false);
    content_make(&content, 11, user_counts[_i], 1, 3);
    segment_make(&world, &content, &summary, &segment);
    ck_assert_uint_eq(segment_user_count(segment), user_counts[_i]);
    for (size_t u = 0; u < content.user_count; u++) {
        uint64_t number = content.users[u].user;
        struct segment_user at, found;
        CHECK(segment_user_at(&at, segment, world.queue, u, &err) == HOLTER_OK);
        CHECK(segment_user_find(&found, segment, world.queue, number, &err) == HOLTER_OK);
        CHECK(at.user == number && found.user == number &&
              found.section_offset == at.section_offset);
        bool next_is_there = u + 1 < content.user_count && content.users[u + 1].user == number + 1;
        if (!next_is_there)
            CHECK(segment_user_find(&found, segment, world.queue, number + 1, &err) ==
                  HOLTER_NOT_FOUND);
    }
    struct segment_user none = { .user = 99 };
    ck_assert_int_eq(segment_user_at(&none, segment, world.queue, user_counts[_i], &err),
                     HOLTER_INVALID);
    ck_assert_int_eq(segment_user_find(&none, segment, world.queue, 0, &err), HOLTER_NOT_FOUND);
    ck_assert_int_eq(segment_user_find(&none, segment, world.queue, UINT64_MAX, &err),
                     HOLTER_NOT_FOUND);
    ck_assert_uint_eq(none.user, 99);
    segment_close(segment);
    content_release(&content);
    world_release(&world);
}
END_TEST

START_TEST(a_run_gives_all_rows_of_its_times_and_skips_blocks)
{
    struct random random = { 4 };
    uint64_t skipped = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct world world;
        struct content_user one = { .user = 5, .series_count = 1 };
        struct content content = { 2, 1, &one, 1, false };
        struct segment_summary summary;
        struct segment *segment;
        struct segment_user user;
        struct segment_section *section;
        world_init(&world, seed, true);
        one.series[0] = (struct content_series){ .metric = 3, .source = 2 };
        rows_make(&one.series[0].rows, &world_schemas[seed % CORE_COUNT(world_schemas)], &random,
                  9000);
        segment_make(&world, &content, &summary, &segment);
        struct crypto_key *key = world_key(&world, 5);
        ck_assert_int_eq(segment_user_find(&user, segment, world.queue, 5, &err), HOLTER_OK);
        ck_assert_int_eq(segment_section_open(&section, segment, &user, world.queue, world.arena,
                                              key, &err),
                         HOLTER_OK);
        const struct columns *rows = &one.series[0].rows;
        for (int i = 0; i < 40; i++) {
            int64_t from =
                rows->time[random_below(&random, rows->count)] - (int64_t)random_below(&random, 2);
            int64_t to =
                rows->time[random_below(&random, rows->count)] + (int64_t)random_below(&random, 2);
            int64_t ends_after = random_below(&random, 2) ? INT64_MAX : from;
            struct segment_run *run;
            struct merge_run merge;
            ck_assert_int_eq(segment_run_open(&run, section, 0, from, to, ends_after, &err),
                             HOLTER_OK);
            segment_run_merge(run, &merge, 1, 2);
            CHECK(segment_run_block_count(run) == segment_section_series(section, 0)->blocks);
            size_t at = 0; /* every row before `at` was given, or need not be */
            for (;;) {
                const struct columns *block;
                size_t first, count;
                holter_status status = merge.read(&merge, &block, &first, &count, &err);
                size_t start = status == HOLTER_OK ? at : rows->count;
                if (status == HOLTER_OK)
                    while (start < rows->count && !is_row_equal(rows, start, block, first))
                        start++;
                else
                    CHECK(status == HOLTER_DONE);
                for (size_t k = at; k < start; k++) {
                    bool is_asked = rows->time[k] >= from && rows->time[k] < to;
                    bool reaches = rows->time[k] < from && ends_after != INT64_MAX &&
                                   columns_end(rows, k) > ends_after;
                    CHECK(!is_asked && !reaches);
                    skipped++;
                }
                if (status == HOLTER_DONE)
                    break;
                for (size_t k = 0; k < count; k++)
                    CHECK(is_row_equal(rows, start + k, block, first + k));
                at = start + count;
            }
            segment_run_close(run);
        }
        segment_section_close(section);
        crypto_key_free(key);
        segment_close(segment);
        columns_release(&one.series[0].rows);
        world_release(&world);
    }
    ck_assert_uint_gt(skipped, 100000);
}
END_TEST

/* ---- what must not open ---------------------------------------------------------------------- */

/* Two users with the same rows, so that their sections have the same size. */
static void twins_make(struct content_user twins[static 2], size_t rows)
{
    for (size_t i = 0; i < 2; i++) {
        struct random random = { 8 };
        twins[i] = (struct content_user){ .user = 20 + i, .key_generation = 1, .series_count = 2 };
        tombstones_init(&twins[i].tombstones);
        for (size_t s = 0; s < 2; s++) {
            twins[i].series[s] = (struct content_series){ .metric = 1 + (uint32_t)s, .source = 1 };
            rows_make(&twins[i].series[s].rows, &world_schemas[0], &random, rows);
        }
    }
}

static void twins_release(struct content_user twins[static 2])
{
    for (size_t i = 0; i < 2; i++)
        for (size_t s = 0; s < 2; s++)
            columns_release(&twins[i].series[s].rows);
}

static holter_status section_open_with(struct world *world, struct segment *segment,
                                       const struct segment_user *user, uint64_t key_of)
{
    struct segment_section *section = NULL;
    struct crypto_key *key = world_key(world, key_of);
    holter_status status =
        segment_section_open(&section, segment, user, world->queue, world->arena, key, &err);
    segment_section_close(section);
    crypto_key_free(key);
    return status;
}

static const size_t twin_rows[] = { 20, 30000 };

START_TEST(a_section_opens_at_its_own_place_only)
{
    struct world world;
    struct content_user twins[2];
    struct content content = { 2, 1, twins, 2, false };
    struct segment_summary summary[2];
    struct segment *segment[2];
    struct segment_user user[2][2];
    struct buffer bytes[2];
    char path[2][64];
    world_init(&world, 9, true);
    twins_make(twins, twin_rows[_i]);
    for (size_t i = 0; i < 2; i++) {
        segment_make(&world, &content, &summary[i], &segment[i]);
        content_path(path[i], summary[i].id);
        buffer_init(&bytes[i]);
        ck_assert_int_eq(sim_file_read(&bytes[i], world.sim, path[i]), HOLTER_OK);
        for (size_t u = 0; u < 2; u++)
            ck_assert_int_eq(segment_user_at(&user[i][u], segment[i], world.queue, u, &err),
                             HOLTER_OK);
    }
    struct segment_user *a = &user[0][0];
    struct segment_user *b = &user[0][1];
    ck_assert_uint_eq(a->section_bytes, b->section_bytes);

    /* another user's key, and a generation that it was not sealed under */
    ck_assert_int_eq(section_open_with(&world, segment[0], a, 20), HOLTER_OK);
    ck_assert_int_eq(section_open_with(&world, segment[0], a, 21), HOLTER_CORRUPT);
    struct segment_user other = *a;
    other.key_generation++;
    ck_assert_int_eq(section_open_with(&world, segment[0], &other, 20), HOLTER_CORRUPT);
    other = *a;
    other.user = 21;
    ck_assert_int_eq(section_open_with(&world, segment[0], &other, 20), HOLTER_CORRUPT);

    /* between users of a file */
    struct buffer swapped;
    buffer_init(&swapped);
    buffer_append(&swapped, bytes[0].data, bytes[0].bytes);
    memcpy(swapped.data + a->section_offset, bytes[0].data + b->section_offset, a->section_bytes);
    memcpy(swapped.data + b->section_offset, bytes[0].data + a->section_offset, a->section_bytes);
    ck_assert_int_eq(sim_file_write(world.sim, path[0], swapped.data, swapped.bytes), HOLTER_OK);
    for (uint64_t k = 20; k < 22; k++) {
        ck_assert_int_eq(section_open_with(&world, segment[0], a, k), HOLTER_CORRUPT);
        ck_assert_int_eq(section_open_with(&world, segment[0], b, k), HOLTER_CORRUPT);
    }

    /* between files, at the same offset */
    memcpy(swapped.data, bytes[0].data, bytes[0].bytes);
    memcpy(swapped.data + a->section_offset, bytes[1].data + a->section_offset, a->section_bytes);
    ck_assert_int_eq(sim_file_write(world.sim, path[0], swapped.data, swapped.bytes), HOLTER_OK);
    ck_assert_int_eq(section_open_with(&world, segment[0], a, 20), HOLTER_CORRUPT);
    ck_assert_int_eq(section_open_with(&world, segment[0], b, 21), HOLTER_OK);

    /* a whole file under another's name */
    struct segment *none = NULL;
    ck_assert_int_eq(sim_file_write(world.sim, path[0], bytes[1].data, bytes[1].bytes), HOLTER_OK);
    ck_assert_int_eq(segment_open(&none, &world.spec, summary[0].id, 0, &err), HOLTER_CORRUPT);
    ck_assert_int_eq(sim_file_write(world.sim, path[0], bytes[0].data, bytes[0].bytes), HOLTER_OK);
    ck_assert_int_eq(segment_open(&none, &world.spec, summary[0].id, summary[0].footer_hash ^ 1,
                                  &err),
                     HOLTER_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "footer hash"));

    /* another shard, another store: also where header and footer say they belong there */
    struct world elsewhere = world;
    for (int i = 0; i < 2; i++) {
        elsewhere.spec = world.spec;
        if (i == 0)
            elsewhere.spec.place++;
        else
            elsewhere.spec.store_id[3] ^= 1;
        ck_assert_int_eq(segment_open(&none, &elsewhere.spec, summary[0].id, 0, &err),
                         HOLTER_CORRUPT);
        struct segment_identity here = segment[0]->identity;
        struct segment_identity there = here;
        struct segment_footer footer;
        const char *what;
        memcpy(there.store_id, elsewhere.spec.store_id, sizeof there.store_id);
        there.place = elsewhere.spec.place;
        memcpy(swapped.data, bytes[0].data, bytes[0].bytes);
        uint8_t *last = swapped.data + swapped.bytes - SEGMENT_FOOTER_BYTES;
        ck_assert_int_eq(segment_footer_decode(&footer, last, &here, swapped.bytes, &what),
                         HOLTER_OK);
        segment_footer_encode(swapped.data, &there, &footer);
        segment_footer_encode(last, &there, &footer);
        ck_assert_int_eq(sim_file_write(world.sim, path[0], swapped.data, swapped.bytes),
                         HOLTER_OK);
        ck_assert_int_eq(segment_open(&none, &elsewhere.spec, summary[0].id, 0, &err), HOLTER_OK);
        ck_assert_int_eq(section_open_with(&elsewhere, none, a, 20), HOLTER_CORRUPT);
        segment_close(none);
    }

    /* a pin on what is gone, and a place that no directory names */
    uint8_t unknown[SEGMENT_ID_BYTES] = { 1 };
    ck_assert_int_eq(segment_open(&none, &world.spec, unknown, 0, &err), HOLTER_NOT_FOUND);
    other = *a;
    other.section_bytes = UINT64_MAX;
    ck_assert_int_eq(section_open_with(&world, segment[1], &other, 20), HOLTER_INVALID);

    for (size_t i = 0; i < 2; i++) {
        segment_close(segment[i]);
        buffer_release(&bytes[i]);
    }
    buffer_release(&swapped);
    twins_release(twins);
    world_release(&world);
}
END_TEST

/* ---- fixed structures ------------------------------------------------------------------------ */

static const struct segment_identity identity = { { 1, 2 }, { 3, 4 }, 1 << 16, true };

static const struct {
    size_t offset;
    uint8_t value;
    holter_status status;
} identity_damage[] = {
    { 0, 0x88, HOLTER_CORRUPT },   /* magic */
    { 8, 1, HOLTER_UNSUPPORTED },  /* a newer format */
    { 12, 4, HOLTER_UNSUPPORTED }, /* a feature */
    { 20, 9, HOLTER_CORRUPT },     /* store */
    { 36, 1, HOLTER_CORRUPT },     /* place */
    { 40, 9, HOLTER_CORRUPT },     /* file */
    { 56, 0, HOLTER_CORRUPT },     /* not sealed */
    { 56, 2, HOLTER_CORRUPT },     /* what is that */
    { 503, 1, HOLTER_CORRUPT },    /* spare */
    { 10, 7, HOLTER_OK },          /* a newer minor version */
    { 16, 7, HOLTER_OK },          /* a feature that may be ignored */
};

static void checksum_renew(uint8_t *bytes, size_t count)
{
    struct writer w = writer_over(bytes + count - 8, 8);
    put_u64(&w, hash64(bytes, count - 8));
}

static const struct segment_footer footer_sample = {
    .traits = { .tier = 1, .class = 3, .partition = 4, .sequence_min = 5, .sequence_max = 6 },
    .summary = { .id = { 3, 4 },
                 .user_min = 7,
                 .user_max = 90,
                 .users = 70,
                 .rows = 5,
                 .begin_min = 10,
                 .begin_max = 20,
                 .end_max = 30,
                 .tombstones = 2,
                 .tombstone_begin = 4,
                 .tombstone_end = 9,
                 .bytes = 16384 + 8192 + 4096 },
    .page_count = 2,
    .sections_begin = SEGMENT_FOOTER_BYTES,
    .sections_end = 5000,
    .directory_hash = 77,
};

static const struct {
    size_t offset;
    uint8_t value;
} footer_damage[] = {
    { 57, 0 },     { 57, 4 },  { 58, 4 },     { 59, 1 },   { 60, 1 },   { 72, 7 },
    { 88, 0 },     { 88, 63 }, { 104, 21 },   { 112, 31 }, { 128, 91 }, { 152, 10 },
    { 169, 0x80 }, { 169, 0 }, { 177, 0x80 }, { 185, 0 },  { 200, 1 },  { 503, 1 },
};

START_TEST(footer_refuses_what_it_does_not_know)
{
    uint8_t bytes[SEGMENT_FOOTER_BYTES];
    const char *what = NULL;
    struct segment_footer back;
    const uint64_t length = footer_sample.summary.bytes;
    segment_footer_encode(bytes, &identity, &footer_sample);
    ck_assert_int_eq(segment_footer_decode(&back, bytes, &identity, length, &what), HOLTER_OK);
    bytes[identity_damage[_i].offset] = identity_damage[_i].value;
    if (identity_damage[_i].status != HOLTER_UNSUPPORTED) /* version comes before checksum */
        ck_assert_int_eq(segment_footer_decode(&back, bytes, &identity, length, &what),
                         HOLTER_CORRUPT);
    else
        ck_assert_int_eq(segment_footer_decode(&back, bytes, &identity, length, &what),
                         HOLTER_UNSUPPORTED);
    checksum_renew(bytes, sizeof bytes);
    ck_assert_int_eq(segment_footer_decode(&back, bytes, &identity, length, &what),
                     identity_damage[_i].status);
}
END_TEST

START_TEST(footer_refuses_what_cannot_be)
{
    uint8_t bytes[SEGMENT_FOOTER_BYTES];
    struct segment_footer back = { 0 };
    const char *what = NULL;
    uint64_t hash = segment_footer_encode(bytes, &identity, &footer_sample);
    ck_assert_int_eq(segment_footer_decode(&back, bytes, &identity, footer_sample.summary.bytes,
                                           &what),
                     HOLTER_OK);
    ck_assert_uint_eq(back.summary.footer_hash, hash);
    ck_assert_uint_eq(back.directory_hash, 77);
    ck_assert_uint_eq(back.page_count, 2);
    ck_assert_int_eq(segment_footer_decode(&back, bytes, &identity, footer_sample.summary.bytes + 1,
                                           &what),
                     HOLTER_CORRUPT);
    bytes[footer_damage[_i].offset] = footer_damage[_i].value;
    checksum_renew(bytes, sizeof bytes);
    ck_assert_int_eq(segment_footer_decode(&back, bytes, &identity, footer_sample.summary.bytes,
                                           &what),
                     HOLTER_CORRUPT);
}
END_TEST

/* A directory in front of the sections: of one page, which has room for all users. */
START_TEST(footer_tells_a_directory_in_front)
{
    static const struct {
        uint64_t users, begin, end, bytes;
        uint32_t pages;
        bool is_right;
    } files[] = {
        { 7, 1024, 3000, 8192, 1, true },        { 7, 1024, 7168, 8192, 1, true },
        { 7, 1024, 7169, 12288, 1, true },       { 1, 4608, 5000, 16384, 1, true },
        { 63, 4608, 11776, 16384, 1, true },     { 64, 4608, 11776, 16384, 1, false },
        { 8, 1024, 3000, 8192, 1, false },       { 8, 1024, 3000, 8192, 2, false },
        { 7, 1536, 3000, 8192, 1, true },        { 7, 1100, 3000, 8192, 1, false },
        { 7, 2048, 3000, 8192, 1, false },       { 7, 1024, 1024, 8192, 1, false },
        { 7, 1024, 7168, 12288, 1, false },      { 7, 1024, 7169, 8192, 1, false },
        { 7, 0, 3000, 8192, 1, false },          { 7, 512, 3000, 8192, 1, true },
        { 7, 512, 3200, 12288, 1, false },       { 7, UINT64_MAX, 3000, 8192, 1, false },
        { 7, 1024, UINT64_MAX, 8192, 1, false },
    };
    for (size_t i = 0; i < CORE_COUNT(files); i++) {
        uint8_t bytes[SEGMENT_FOOTER_BYTES];
        struct segment_footer footer = footer_sample, back;
        const char *what = NULL;
        footer.summary.users = files[i].users;
        footer.summary.bytes = files[i].bytes;
        footer.sections_begin = files[i].begin;
        footer.sections_end = files[i].end;
        footer.page_count = files[i].pages;
        segment_footer_encode(bytes, &identity, &footer);
        holter_status status =
            segment_footer_decode(&back, bytes, &identity, files[i].bytes, &what);
        ck_assert_msg(status == (files[i].is_right ? HOLTER_OK : HOLTER_CORRUPT), "file %zu", i);
        if (status != HOLTER_OK)
            continue;
        uint64_t first = segment_page_offset(&back, 0, 0),
                 second = segment_page_offset(&back, 0, 1);
        ck_assert_uint_eq(first, files[i].begin > 512 ? 512 : 3072);
        ck_assert_uint_lt((first + back.page_bytes - 1) / 4096, second / 4096);
        ck_assert_uint_eq(second + back.page_bytes + SEGMENT_FOOTER_BYTES, files[i].bytes);
    }
}
END_TEST

/* ---- index and block headers, of hostile bytes that pass a seal ------------------------------ */

START_TEST(index_and_block_headers_refuse_or_keep_every_change_of_a_byte)
{
    static const struct schema schema = {
        SAMPLE_INTERVAL, 2, SCHEMA_NO_KEY, { FIELD_INT, FIELD_FLOAT }
    };
    struct random random = { 3 };
    struct columns rows;
    struct segment_block blocks[3], decoded[3];
    struct segment_place places[3], placed[3];
    struct segment_entry entry = { .series = { 1, 2, schema, 0, 3, 0, 0, INT64_MIN, 0, 5 },
                                   .revision_base = 1 };
    struct buffer plain, tombstones, payload;
    const struct reader stored = reader_over("abc", _i == 0 ? 0 : 3); /* what stands for models */
    struct reader models;
    buffer_init(&plain);
    buffer_init(&tombstones);
    buffer_init(&payload);
    rows_make(&rows, &schema, &random, 2100);
    for (size_t b = 0; b < 3; b++) {
        size_t first = b * SEGMENT_BLOCK_ROWS;
        size_t count = b < 2 ? SEGMENT_BLOCK_ROWS : 2100 - 2 * SEGMENT_BLOCK_ROWS;
        segment_block_measure(&blocks[b], &rows, first, count);
        places[b] = (struct segment_place){ .bytes = 100 + (uint32_t)b,
                                            .starts_piece = b != 1,
                                            .has_revision = b == 2 };
        entry.series.end_max =
            blocks[b].end_max > entry.series.end_max ? blocks[b].end_max : entry.series.end_max;
    }
    entry.series.rows = 2100;
    entry.series.begin_min = blocks[0].begin_min;
    entry.series.begin_max = blocks[2].begin_max;
    entry.payload_bytes = 303 + 2 * CRYPTO_TAG_BYTES;
    segment_blocks_encode(&plain, &schema, blocks, places, 3, stored);

    const char *what = NULL;
    ck_assert_int_eq(segment_blocks_decode(decoded, placed, plain.data, plain.bytes, &entry, false,
                                           SEGMENT_BLOCK_ROWS, &models, &what),
                     HOLTER_OK);
    ck_assert_mem_eq(decoded, blocks, sizeof blocks);
    ck_assert_uint_eq(models.left, stored.left);
    CHECK(stored.left == 0 || memcmp(models.at, stored.at, stored.left) == 0);
    ck_assert_uint_eq(placed[1].offset, 100);
    ck_assert_uint_eq(placed[2].piece_offset, 201 + CRYPTO_TAG_BYTES);
    ck_assert_uint_eq(placed[0].piece_bytes, 201);
    ck_assert_int_eq(segment_blocks_decode(decoded, placed, plain.data, plain.bytes, &entry, true,
                                           SEGMENT_BLOCK_ROWS, &models, &what),
                     HOLTER_CORRUPT);
    ck_assert_int_eq(segment_blocks_decode(decoded, placed, plain.data, plain.bytes, &entry, false,
                                           SEGMENT_BLOCK_ROWS - 1, &models, &what),
                     HOLTER_CORRUPT);
    ck_assert_str_eq(what, "the rows of its blocks are not those of the series");
    size_t kept = 0;
    for (size_t i = 0; i < plain.bytes * 256; i++) {
        uint8_t was = plain.data[i / 256];
        plain.data[i / 256] = (uint8_t)i;
        if (segment_blocks_decode(decoded, placed, plain.data, plain.bytes, &entry, false,
                                  SEGMENT_BLOCK_ROWS, &models, &what) == HOLTER_OK) {
            struct buffer again;
            buffer_init(&again);
            segment_blocks_encode(&again, &schema, decoded, placed, 3, models);
            CHECK(again.bytes == plain.bytes && memcmp(again.data, plain.data, plain.bytes) == 0);
            buffer_release(&again);
            kept++;
        }
        plain.data[i / 256] = was;
    }
    ck_assert_uint_gt(kept, plain.bytes); /* at least as it was */
    for (size_t bytes = 6; bytes < plain.bytes - (stored.left > 0 ? stored.left - 1 : 0); bytes++)
        CHECK(segment_blocks_decode(decoded, placed, plain.data, bytes, &entry, false,
                                    SEGMENT_BLOCK_ROWS, &models, &what) == HOLTER_CORRUPT);

    struct tombstone one = { 1, 1, 5, 900, 3, 40 };
    tombstones_encode(&tombstones, &(struct tombstones){ &one, 1, 1 }, 0);
    entry.header_bytes = 40;
    struct segment_entry entries[2] = { entry, entry };
    entries[1].series.source++;
    buffer_clear(&plain);
    segment_index_encode(&plain, &tombstones, entries, 2);
    uint64_t index_bytes = plain.bytes + CRYPTO_TAG_BYTES;
    uint64_t section_bytes = index_bytes + 2 * (entry.payload_bytes + entry.header_bytes);
    struct segment_index index;
    ck_assert_int_eq(segment_index_decode(&index, plain.data, plain.bytes, false, section_bytes,
                                          index_bytes, 40, &what),
                     HOLTER_OK);
    ck_assert_uint_eq(index.count, 2);
    ck_assert_uint_eq(index.entries[1].payload_offset, entry.payload_bytes);
    ck_assert_uint_eq(index.entries[1].header_offset, 2 * entry.payload_bytes + 40);
    segment_index_release(&index);
    ck_assert_int_eq(segment_index_decode(&index, plain.data, plain.bytes, false, section_bytes + 1,
                                          index_bytes, 40, &what),
                     HOLTER_CORRUPT);
    ck_assert_int_eq(segment_index_decode(&index, plain.data, plain.bytes, false, section_bytes,
                                          index_bytes, 39, &what),
                     HOLTER_CORRUPT);
    for (size_t i = 0; i < plain.bytes * 256; i++) {
        uint8_t was = plain.data[i / 256];
        plain.data[i / 256] = (uint8_t)i;
        if (segment_index_decode(&index, plain.data, plain.bytes, false, section_bytes, index_bytes,
                                 40, &what) == HOLTER_OK) {
            struct buffer again, again_tombstones;
            buffer_init(&again);
            buffer_init(&again_tombstones);
            tombstones_encode(&again_tombstones, &index.tombstones, 0);
            segment_index_encode(&again, &again_tombstones, index.entries, index.count);
            CHECK(again.bytes == plain.bytes && memcmp(again.data, plain.data, plain.bytes) == 0);
            buffer_release(&again);
            buffer_release(&again_tombstones);
            segment_index_release(&index);
        }
        plain.data[i / 256] = was;
    }
    buffer_release(&plain);
    buffer_release(&tombstones);
    buffer_release(&payload);
    columns_release(&rows);
}
END_TEST

static Suite *segment_read_suite(void)
{
    Suite *suite = suite_create("segment_read");
    TCase *tests = tcase_create("read");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, each_user_is_found_and_no_other, 0, CORE_COUNT(user_counts));
    tcase_add_test(tests, a_run_gives_all_rows_of_its_times_and_skips_blocks);
    tcase_add_loop_test(tests, a_section_opens_at_its_own_place_only, 0, CORE_COUNT(twin_rows));
    tcase_add_loop_test(tests, footer_refuses_what_it_does_not_know, 0,
                        CORE_COUNT(identity_damage));
    tcase_add_test(tests, footer_tells_a_directory_in_front);
    tcase_add_loop_test(tests, footer_refuses_what_cannot_be, 0, CORE_COUNT(footer_damage));
    tcase_add_loop_test(tests, index_and_block_headers_refuse_or_keep_every_change_of_a_byte, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return run_suite(segment_read_suite());
}
