/*
 * test_segment_write.c -- what the writer is given reads back, and a failed attempt leaves nothing
 * behind.
 *
 * Claim: S1-S5 and SW1-SW3. Method: seeded contents of every type and size, written in stretches of
 * random length on the simulated machine and read back whole; then the same writing with the power
 * cut, the process killed and an errno at each call, after which the directory holds no segment, or
 * a whole one.
 */
#include "segment/segment_impl.h"
#include "segment_world.h"

#include <errno.h>

#ifdef __SANITIZE_ADDRESS__
enum { CASES = 40 };
#else
enum { CASES = 200 };
#endif

static holter_error err;

START_TEST(everything_written_reads_back)
{
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct world world;
        struct content content;
        struct segment_summary summary;
        world_init(&world, seed, seed % 4 != 0);
        content_make(&content, seed, 1 + seed % 9, seed % 7, seed % 10 == 0 ? 20000 : 3000);
        holter_status status = content_write(&world, &content, &summary, &err);
        ck_assert_msg(status == HOLTER_OK, "seed %d: %s", (int)seed, err.message);
        status = content_check(&world, &content, summary.id, summary.footer_hash, &err);
        ck_assert_msg(status == HOLTER_OK, "seed %d: %s", (int)seed, err.message);
        content_release(&content);
        world_release(&world);
    }
}
END_TEST

START_TEST(the_summary_says_what_is_there)
{
    struct world world;
    struct content content;
    struct segment_summary summary;
    world_init(&world, 1, true);
    content_make(&content, 5, 150, 3, 300);
    ck_assert_int_eq(content_write(&world, &content, &summary, &err), HOLTER_OK);

    uint64_t rows = 0;
    uint64_t tombstones = 0;
    int64_t begin_min = INT64_MAX, begin_max = INT64_MIN, end_max = INT64_MIN;
    int64_t tombstone_begin = INT64_MAX, tombstone_end = INT64_MIN;
    for (size_t u = 0; u < content.user_count; u++) {
        const struct content_user *user = &content.users[u];
        tombstones += user->tombstones.count;
        for (size_t t = 0; t < user->tombstones.count; t++) {
            const struct tombstone *one = &user->tombstones.at[t];
            tombstone_begin = one->begin < tombstone_begin ? one->begin : tombstone_begin;
            tombstone_end = one->end > tombstone_end ? one->end : tombstone_end;
        }
        for (size_t s = 0; s < user->series_count; s++) {
            const struct columns *c = &user->series[s].rows;
            rows += c->count;
            for (size_t i = 0; i < c->count; i++) {
                begin_min = c->time[i] < begin_min ? c->time[i] : begin_min;
                begin_max = c->time[i] > begin_max ? c->time[i] : begin_max;
                end_max = columns_end(c, i) > end_max ? columns_end(c, i) : end_max;
            }
        }
    }
    struct segment *segment = NULL;
    ck_assert_int_eq(segment_open(&segment, &world.spec, summary.id, summary.footer_hash, &err),
                     HOLTER_OK);
    struct segment_summary again = segment_summary_get(segment);
    const struct segment_summary *both[] = { &summary, &again };
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(both[i]->users, content.user_count);
        ck_assert_uint_eq(both[i]->user_min, content.users[0].user);
        ck_assert_uint_eq(both[i]->user_max, content.users[content.user_count - 1].user);
        ck_assert_uint_eq(both[i]->rows, rows);
        ck_assert_int_eq(both[i]->begin_min, begin_min);
        ck_assert_int_eq(both[i]->begin_max, begin_max);
        ck_assert_int_eq(both[i]->end_max, end_max);
        ck_assert_uint_eq(both[i]->tombstones, tombstones);
        ck_assert_int_eq(both[i]->tombstone_begin, tombstone_begin);
        ck_assert_int_eq(both[i]->tombstone_end, tombstone_end);
        ck_assert_uint_eq(both[i]->footer_hash, summary.footer_hash);
        ck_assert_mem_eq(both[i]->id, summary.id, SEGMENT_ID_BYTES);
    }
    char path[64];
    content_path(path, summary.id);
    struct io_stat stat;
    ck_assert_int_eq(io_stat(&stat, world.io, path, &err), HOLTER_OK);
    ck_assert_uint_eq(stat.bytes, summary.bytes);
    struct segment_traits traits = segment_traits_get(segment);
    ck_assert_uint_eq(traits.tier, content.tier);
    ck_assert_uint_eq(traits.class, content.class);
    ck_assert_int_eq(traits.partition, -5);
    ck_assert_uint_eq(traits.sequence_min, 100);
    ck_assert_uint_eq(traits.sequence_max, WORLD_SEQUENCE_MAX);
    segment_close(segment);
    content_release(&content);
    world_release(&world);
}
END_TEST

START_TEST(blocks_are_longer_in_cold_files_only)
{
    static const uint32_t rows[] = { 1024, 1024, 8192 };
    for (uint8_t tier = 1; tier <= CORE_COUNT(rows); tier++) {
        struct segment_traits traits = { .tier = tier };
        ck_assert_uint_eq(segment_block_rows(&traits), rows[tier - 1]);
    }
}
END_TEST

/* Bytes of the block headers of a heart rate of `count` blocks, once a second or so. */
static size_t heart_rate_header_bytes(size_t count, int64_t step_ns)
{
    static const struct schema schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    struct random random = { 9 };
    struct columns rows;
    columns_init(&rows, &schema);
    int64_t time = INT64_C(1700000000123456789) / step_ns * step_ns;
    for (size_t i = 0; i < count * SEGMENT_BLOCK_ROWS; i++) {
        time += step_ns * (int64_t)(1 + random_below(&random, 3));
        struct row row = { .time = time, .field = { 50 + (int64_t)random_below(&random, 150) } };
        CHECK(columns_append(&rows, &row));
    }
    struct segment_block *blocks = calloc(count, sizeof *blocks);
    struct segment_place *places = calloc(count, sizeof *places);
    struct buffer payload, headers;
    buffer_init(&payload);
    buffer_init(&headers);
    for (size_t b = 0; b < count; b++) {
        size_t before = payload.bytes;
        segment_block_measure(&blocks[b], &rows, b * SEGMENT_BLOCK_ROWS, SEGMENT_BLOCK_ROWS);
        codec_block_encode(&payload, &rows, b * SEGMENT_BLOCK_ROWS, SEGMENT_BLOCK_ROWS, false,
                           NULL);
        places[b] = (struct segment_place){ .bytes = (uint32_t)(payload.bytes - before),
                                            .starts_piece = b % 5 == 0 };
    }
    segment_blocks_encode(&headers, &schema, blocks, places, count, reader_over(NULL, 0));
    size_t bytes = headers.bytes;
    buffer_release(&payload);
    buffer_release(&headers);
    columns_release(&rows);
    free(blocks);
    free(places);
    return bytes;
}

static const int64_t header_steps[] = { 1000000000, 1000000, 1000, 1 };

START_TEST(a_block_header_of_one_int_takes_at_most_32_bytes)
{
    size_t bytes = heart_rate_header_bytes(100, header_steps[_i]);
    ck_assert_uint_le(bytes, 100 * 32);
    if (_i == 0)
        ck_assert_uint_le(bytes, 100 * 15); /* whole seconds, as most devices tell them */
}
END_TEST

static const struct schema int_schema = { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } };

static void ints_make(struct columns *rows, size_t count, int64_t revision)
{
    struct random random = { 4 };
    columns_init(rows, &int_schema);
    for (size_t i = 0; i < count; i++) {
        struct row row = { .time = (int64_t)i * 1000000000,
                           .field = { (int64_t)random_below(&random, 65536) },
                           .revision = revision };
        CHECK(columns_append(rows, &row));
    }
}

/* A file of user 7 with one series; *user: its place. */
static void ints_write(struct world *world, struct segment_user *user,
                       uint8_t id[static SEGMENT_ID_BYTES], size_t count, int64_t revision)
{
    struct content_user one = { .user = 7, .series_count = 1 };
    struct content content = { 2, 1, &one, 1, false };
    struct segment_summary summary;
    struct segment *segment = NULL;
    one.series[0] = (struct content_series){ .metric = 1, .source = 1 };
    ints_make(&one.series[0].rows, count, revision);
    CHECK(content_write(world, &content, &summary, &err) == HOLTER_OK);
    CHECK(content_check(world, &content, summary.id, summary.footer_hash, &err) == HOLTER_OK);
    CHECK(segment_open(&segment, &world->spec, summary.id, 0, &err) == HOLTER_OK);
    CHECK(segment_user_at(user, segment, world->queue, 0, &err) == HOLTER_OK);
    memcpy(id, summary.id, SEGMENT_ID_BYTES);
    segment_close(segment);
    columns_release(&one.series[0].rows);
}

START_TEST(a_section_under_4_kib_is_one_piece)
{
    struct world world;
    uint8_t id[SEGMENT_ID_BYTES];
    bool seen[2] = { false, false };
    world_init(&world, 3, true);
    for (size_t count = 1; count < 3000; count += count < 1400 || count > 2200 ? 97 : 7) {
        struct segment_user user;
        ints_write(&world, &user, id, count, 0);
        bool is_whole = user.section_bytes == user.index_bytes;
        seen[is_whole] = true;
        if (is_whole)
            ck_assert_uint_lt(user.section_bytes, SEGMENT_SMALL_SECTION_BYTES);
        else
            ck_assert_uint_ge(user.section_bytes, SEGMENT_SMALL_SECTION_BYTES);
    }
    ck_assert(seen[0] && seen[1]);
    world_release(&world);
}
END_TEST

START_TEST(a_constant_revision_costs_its_directory_entry_only)
{
    struct world world;
    struct segment_user without, with;
    uint8_t id[SEGMENT_ID_BYTES];
    world_init(&world, 3, true);
    ints_write(&world, &without, id, 50000, 0);
    ints_write(&world, &with, id, 50000, 1700000000000);
    ck_assert_uint_le(with.section_bytes, without.section_bytes + 8);
    world_release(&world);
}
END_TEST

static void mistake(holter_status status)
{
    ck_assert_msg(status == HOLTER_INVALID, "found %s: %s", holter_status_name(status),
                  err.message);
    ck_assert_str_ne(err.message, "");
}

START_TEST(mistakes_of_the_caller_are_refused)
{
    struct world world;
    struct segment_writer *writer = NULL;
    struct segment_summary summary;
    struct columns rows;
    struct schema bad = { 0 };
    struct schema other = { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } };
    struct segment_traits traits = { .tier = 1, .sequence_max = 5 };
    struct tombstone late = { .begin = 1, .end = 2, .sequence = 6 };
    struct tombstones tombstones = { &late, 1, 1 };
    world_init(&world, 3, false);
    ints_make(&rows, 10, 0);

    mistake(
        segment_writer_new(&writer, &world.spec, &(struct segment_traits){ .tier = 0 }, 0, &err));
    mistake(segment_writer_new(&writer, &world.spec,
                               &(struct segment_traits){ .tier = 1, .class = 4 }, 0, &err));
    mistake(segment_writer_new(&writer, &world.spec,
                               &(struct segment_traits){ .tier = 1, .sequence_min = 1 }, 0, &err));
    ck_assert_ptr_null(writer);

    ck_assert_int_eq(segment_writer_new(&writer, &world.spec, &traits, 0, &err), HOLTER_OK);
    mistake(segment_writer_series(writer, 1, 1, &int_schema, &err));
    mistake(segment_writer_tombstones(writer, &tombstones, &err));
    mistake(segment_writer_rows(writer, &rows, 0, 1, &err));
    ck_assert_int_eq(segment_writer_user(writer, 9, 0, NULL, NULL, &err), HOLTER_OK);
    mistake(segment_writer_user(writer, 9, 0, NULL, NULL, &err));
    mistake(segment_writer_tombstones(writer, &tombstones, &err));
    mistake(segment_writer_series(writer, 0, 1, &int_schema, &err));
    mistake(segment_writer_series(writer, 1, 0, &int_schema, &err));
    mistake(segment_writer_series(writer, 1, 1, &bad, &err));
    ck_assert_int_eq(segment_writer_series(writer, 2, 2, &int_schema, &err), HOLTER_OK);
    mistake(segment_writer_series(writer, 2, 2, &int_schema, &err));
    mistake(segment_writer_series(writer, 1, 3, &int_schema, &err));
    mistake(segment_writer_rows(writer, &rows, 8, 3, &err));
    rows.schema = other;
    mistake(segment_writer_rows(writer, &rows, 0, 1, &err));
    rows.schema = int_schema;
    ck_assert_int_eq(segment_writer_rows(writer, &rows, 0, 10, &err), HOLTER_OK);
    ck_assert_int_eq(segment_writer_rows(writer, &rows, 9, 1, &err),
                     HOLTER_OK); /* the last one again: seen at the end */
    mistake(segment_writer_finish(writer, &summary, &err));
    mistake(segment_writer_finish(writer, &summary, &err)); /* and from then on */
    segment_writer_free(writer);

    world.spec.is_sealed = true;
    ck_assert_int_eq(segment_writer_new(&writer, &world.spec, &traits, 0, &err), HOLTER_OK);
    mistake(segment_writer_user(writer, 9, 0, world.arena, NULL, &err));
    segment_writer_free(writer);
    columns_release(&rows);

    struct io_names names;
    ck_assert_int_eq(io_list(&names, world.io, "shard", &err), HOLTER_OK);
    ck_assert_uint_eq(names.count, 0);
    io_names_release(&names);
    world_release(&world);
}
END_TEST

/* Who said that there would be few users writes no more: the last one that fits ends the file well. */
START_TEST(no_more_users_than_were_told)
{
    static const uint64_t told[] = { 1, 7, 8, 63, 64 };
    struct world world;
    struct columns rows;
    struct segment_traits traits = { .tier = 1, .sequence_max = 1 };
    world_init(&world, 3, false);
    ints_make(&rows, 1, 0);
    for (size_t i = 0; i < CORE_COUNT(told); i++) {
        uint64_t room = told[i] <= 7 ? 7 : told[i] <= 15 ? 15 : told[i] <= 63 ? 63 : UINT64_MAX;
        for (uint64_t users = told[i]; users <= told[i] + 80; users += 1 + users / 20) {
            struct segment_writer *writer;
            struct segment_summary summary;
            holter_status status = segment_writer_new(&writer, &world.spec, &traits, told[i], &err);
            for (uint64_t u = 1; status == HOLTER_OK && u <= users; u++) {
                status = segment_writer_user(writer, u, 0, NULL, NULL, &err);
                if (status == HOLTER_OK && u % 3 == 0) /* one without rows is left out */
                    status = segment_writer_user(writer, u = u + 1, 0, NULL, NULL, &err);
                if (status == HOLTER_OK)
                    status = segment_writer_series(writer, 1, 1, &int_schema, &err);
                if (status == HOLTER_OK)
                    status = segment_writer_rows(writer, &rows, 0, 1, &err);
            }
            if (status == HOLTER_OK)
                status = segment_writer_finish(writer, &summary, &err);
            uint64_t written = 0;
            for (uint64_t u = 1; u <= users; u++, written++)
                u += u % 3 == 0;
            ck_assert_msg(status == (written <= room ? HOLTER_OK : HOLTER_INVALID), "%d of %d: %s",
                          (int)written, (int)told[i], holter_status_name(status));
            segment_writer_free(writer);
        }
    }
    columns_release(&rows);
    world_release(&world);
}
END_TEST

START_TEST(nothing_to_write_makes_no_file)
{
    struct world world;
    struct segment_writer *writer = NULL;
    struct segment_summary summary;
    world_init(&world, 3, false);
    for (int users = 0; users < 3; users++) {
        struct segment_traits traits = { .tier = 1, .sequence_max = 5 };
        ck_assert_int_eq(segment_writer_new(&writer, &world.spec, &traits, 0, &err), HOLTER_OK);
        for (uint64_t u = 1; u <= (uint64_t)users; u++) {
            ck_assert_int_eq(segment_writer_user(writer, u, 0, NULL, NULL, &err), HOLTER_OK);
            ck_assert_int_eq(segment_writer_series(writer, 1, 1, &int_schema, &err), HOLTER_OK);
        }
        ck_assert_int_eq(segment_writer_finish(writer, &summary, &err), HOLTER_NOT_FOUND);
        struct io_names names;
        ck_assert_int_eq(io_list(&names, world.io, "shard", &err), HOLTER_OK);
        ck_assert_uint_eq(names.count, 0);
        io_names_release(&names);
        segment_writer_free(writer);
    }
    world_release(&world);
}
END_TEST

/* ---- faults ---------------------------------------------------------------------------------- */

/* More than one chunk, so that there are writes before the last; warm, as each cut writes all of it. */
static void faults_content(struct content *content)
{
    content_make(content, 5, 6, 4, 25000);
    content->tier = 2;
}

/* Segments in the directory: each is whole. Answers how many; *aside counts unfinished ones. */
static size_t segments_check(struct world *world, const struct content *content, size_t *aside)
{
    struct io_names names;
    size_t count = 0;
    *aside = 0;
    CHECK(io_list(&names, world->io, "shard", &err) == HOLTER_OK);
    for (size_t i = 0; i < names.count; i++) {
        uint8_t id[SEGMENT_ID_BYTES];
        if (strstr(names.name[i], ".tmp") != NULL) {
            (*aside)++;
            continue;
        }
        CHECK(strlen(names.name[i]) == 4 + 2 * SEGMENT_ID_BYTES);
        for (size_t k = 0; k < SEGMENT_ID_BYTES; k++) {
            unsigned byte = 0;
            CHECK(sscanf(names.name[i] + 4 + 2 * k, "%2x", &byte) == 1);
            id[k] = (uint8_t)byte;
        }
        holter_status status = content_check(world, content, id, 0, &err);
        ck_assert_msg(status == HOLTER_OK, "%s: %s", names.name[i], err.message);
        count++;
    }
    io_names_release(&names);
    return count;
}

START_TEST(a_cut_at_any_call_leaves_a_whole_file_or_none)
{
    static const enum sim_event events[] = { SIM_POWER_CUT, SIM_KILL, SIM_POWER_CUT_TORN };
    struct content content;
    faults_content(&content);
    size_t outcomes[2] = { 0, 0 };
    for (size_t e = 0; e < CORE_COUNT(events); e++) {
        for (uint64_t call = 0;; call++) {
            struct world world;
            struct segment_summary summary;
            world_init(&world, call, true);
            sim_stop_at(world.sim, sim_call_count(world.sim) + call, events[e]);
            holter_status status = content_write(&world, &content, &summary, &err);
            bool is_cut = sim_has_stopped(world.sim);
            ck_assert(is_cut == (status != HOLTER_OK));
            struct sim *cut = sim_copy(world.sim, call);
            for (unsigned mode = 0; mode < 4; mode++) {
                struct world after = world;
                size_t aside = 0;
                after.sim = sim_copy(cut, call);
                static const enum sim_crash_mode modes[] = { SIM_CRASH_DURABLE, SIM_CRASH_ALL,
                                                             SIM_CRASH_RANDOM, SIM_CRASH_RANDOM };
                sim_crash(after.sim, modes[mode], call * 4 + mode);
                world_process(&after);
                size_t found = segments_check(&after, &content, &aside);
                ck_assert_uint_le(found, 1);
                ck_assert(status != HOLTER_OK || found == 1);
                outcomes[found]++;
                world_process_end(&after);
                sim_free(after.sim);
            }
            sim_free(cut);
            world_release(&world);
            if (!is_cut)
                break;
        }
    }
    ck_assert_uint_gt(outcomes[0], 10);
    ck_assert_uint_gt(outcomes[1], 3);
    content_release(&content);
}
END_TEST

static const int errnos[] = { EIO, ENOSPC, EDQUOT, EACCES, ENOMEM, EROFS };

START_TEST(an_errno_at_any_call_leaves_nothing)
{
    struct content content;
    content_make(&content, 5, 6, 4, 6000); /* small, as there are many calls to fail */
    content.tier = errnos[_i] == EIO ? 3 : 2;
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (uint64_t nth = 0;; nth++) {
            struct world world;
            struct segment_summary summary;
            size_t aside = 0;
            world_init(&world, nth, true);
            sim_fault_set(world.sim, &(struct sim_fault){ .kind = SIM_ANY,
                                                          .nth = nth,
                                                          .error = errnos[_i],
                                                          .for_ever = for_ever == 1 });
            holter_status status = content_write(&world, &content, &summary, &err);
            bool was_hit = sim_fault_was_hit(world.sim);
            sim_fault_clear(world.sim);
            ck_assert_msg(was_hit == (status != HOLTER_OK), "call %d: %s", (int)nth, err.message);
            size_t found = segments_check(&world, &content, &aside);
            if (status == HOLTER_OK)
                ck_assert_uint_eq(found, 1);
            else if (for_ever == 0) /* for ever, not even the unlink succeeds */
                ck_assert_uint_eq(found + aside, 0);
            ck_assert(status != HOLTER_CORRUPT);
            world_release(&world);
            if (!was_hit)
                break;
        }
    }
    content_release(&content);
}
END_TEST

static const struct sim_fault short_or_lost[] = {
    { .kind = SIM_WRITE, .short_transfer = true },
    { .kind = SIM_SYNC, .error = EIO, .drops = true },
    { .kind = SIM_WRITE, .lies = true },
};

START_TEST(a_write_that_did_not_happen_is_caught_before_the_name)
{
    struct content content;
    faults_content(&content);
    for (uint64_t nth = 0;; nth++) {
        struct world world;
        struct segment_summary summary;
        size_t aside = 0;
        struct sim_fault fault = short_or_lost[_i];
        fault.nth = nth;
        world_init(&world, nth, true);
        sim_fault_set(world.sim, &fault);
        holter_status status = content_write(&world, &content, &summary, &err);
        bool was_hit = sim_fault_was_hit(world.sim);
        sim_fault_clear(world.sim);
        ck_assert_msg(was_hit == (status != HOLTER_OK), "call %d", (int)nth);
        if (fault.lies && was_hit)
            ck_assert_int_eq(status, HOLTER_CORRUPT);
        ck_assert_uint_eq(segments_check(&world, &content, &aside), status == HOLTER_OK);
        ck_assert_uint_eq(aside, 0);
        world_release(&world);
        if (!was_hit) {
            ck_assert_uint_ge(nth, 1);
            break;
        }
    }
    content_release(&content);
}
END_TEST

START_TEST(a_full_disk_is_told_and_left_clean)
{
    struct content content;
    faults_content(&content);
    struct world world = { .spec = { .directory = "shard", .place = 1 } };
    world.sim = sim_new(&(struct sim_options){ .seed = 1, .bytes_max = 700000 });
    world_process(&world);
    ck_assert_int_eq(io_make_dir(world.io, "shard", &err), HOLTER_OK);
    struct segment_summary summary;
    size_t aside = 0;
    ck_assert_int_eq(content_write(&world, &content, &summary, &err), HOLTER_NO_SPACE);
    ck_assert_uint_eq(segments_check(&world, &content, &aside), 0);
    ck_assert_uint_eq(aside, 0);
    content_release(&content);
    world_release(&world);
}
END_TEST

static Suite *segment_write_suite(void)
{
    Suite *suite = suite_create("segment_write");
    TCase *plain = tcase_create("plain");
    tcase_set_timeout(plain, 120);
    tcase_add_test(plain, everything_written_reads_back);
    tcase_add_test(plain, no_more_users_than_were_told);
    tcase_add_test(plain, the_summary_says_what_is_there);
    tcase_add_test(plain, blocks_are_longer_in_cold_files_only);
    tcase_add_loop_test(plain, a_block_header_of_one_int_takes_at_most_32_bytes, 0,
                        CORE_COUNT(header_steps));
    tcase_add_test(plain, a_section_under_4_kib_is_one_piece);
    tcase_add_test(plain, a_constant_revision_costs_its_directory_entry_only);
    tcase_add_test(plain, mistakes_of_the_caller_are_refused);
    tcase_add_test(plain, nothing_to_write_makes_no_file);
    suite_add_tcase(suite, plain);
    TCase *faults = tcase_create("faults");
    tcase_set_timeout(faults, 120);
    tcase_add_test(faults, a_cut_at_any_call_leaves_a_whole_file_or_none);
    tcase_add_loop_test(faults, an_errno_at_any_call_leaves_nothing, 0, CORE_COUNT(errnos));
    tcase_add_loop_test(faults, a_write_that_did_not_happen_is_caught_before_the_name, 0,
                        CORE_COUNT(short_or_lost));
    tcase_add_test(faults, a_full_disk_is_told_and_left_clean);
    suite_add_tcase(suite, faults);
    return suite;
}

int main(void)
{
    return run_suite(segment_write_suite());
}
