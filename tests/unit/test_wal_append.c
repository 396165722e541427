/*
 * test_wal_append.c -- what an append acknowledged is read back, whatever failed before, and
 * places only move with it.
 *
 * Small files (64 KiB), so that groups, linked parts and appends run over their ends. Every call
 * fails in turn, once and for ever, by each of several errnos; every allocation fails in turn.
 */
#include "alloc_fail.h"
#include "wal_world.h"

#include <errno.h>
#include <stdio.h>

static struct world world;

static void setup(void)
{
    world_init(&world, 11);
}

static void teardown(void)
{
    world_release(&world);
}

/* What a test of failures does: every way of appending, over several files. Stops nowhere. */
static void work(struct world *w)
{
    (void)world_append(w, 1, 100, false, NULL);
    (void)world_append(w, 5, 300, false, NULL);
    (void)world_append(w, 4, 9000, true, NULL); /* a part over several groups */
    (void)wal_mark(w->wal, &w->end, NULL);
    (void)wal_rest(w->wal, &w->end, NULL);
    (void)wal_mark(w->wal, &w->end, NULL);
    (void)world_append(w, 2, 7000, false, NULL); /* more than is left there */
    (void)world_append(w, 3, 7000, false, NULL); /* over the file's end */
    (void)world_append_parts(w, 2, 5, 5000, NULL);
    (void)world_append(w, 1, 16, false, NULL);
    (void)wal_mark(w->wal, &w->end, NULL);
}

START_TEST(an_append_is_read_back)
{
    must_append(&world, 3, 50, false);
    ck_assert_uint_eq(world.end.file, 1);
    ck_assert_uint_eq(world.end.offset, 2 * WAL_PAGE_BYTES);
    must_read_to_end(&world);
    struct wal_place end;
    bool is_torn = true;
    must_recover(&world, NULL, &end, &is_torn);
    ck_assert_mem_eq(&end, &world.end, sizeof end);
    ck_assert(!is_torn);
}
END_TEST

START_TEST(an_empty_log_has_no_frames)
{
    struct wal_place end;
    bool is_torn = true;
    must_recover(&world, NULL, &end, &is_torn);
    ck_assert_uint_eq(end.file, 0);
    ck_assert_uint_eq(end.sequence, 1);
    ck_assert(!is_torn);
    must_mark(&world); /* there is nothing to cover */
    ck_assert_uint_eq(world.end.file, 0);
}
END_TEST

START_TEST(appends_run_over_groups_and_files)
{
    work(&world);
    for (size_t i = 0; i < world.try_count; i++)
        ck_assert(world.tried[i].is_acknowledged);
    ck_assert_uint_ge(world.end.file, 2);
    must_read_to_end(&world);
    struct wal_place end;
    must_recover(&world, &world.end, &end, NULL);
    ck_assert_mem_eq(&end, &world.end, sizeof end);
}
END_TEST

START_TEST(a_reader_goes_on_from_any_published_place)
{
    struct wal_place places[8] = { { 0, 0, 1 } };
    for (size_t i = 1; i < 8; i++) {
        must_append(&world, 2, 6000, i % 2 == 0);
        places[i] = world.end;
    }
    ck_assert_uint_ge(world.end.file, 2);
    for (size_t from = 0; from < 8; from++) {
        for (size_t to = from; to < 8; to++) {
            struct wal_read_spec spec = { .from = places[from], .end = &places[to] };
            struct wal_reader *reader;
            struct wal_frame_read frame;
            ck_assert_int_eq(wal_reader_open(&reader, world.wal, &spec, NULL), HOLTER_OK);
            for (uint64_t s = places[from].sequence; s < places[to].sequence; s++) {
                ck_assert_int_eq(wal_reader_next(reader, &frame, NULL), HOLTER_OK);
                ck_assert_uint_eq(frame.sequence, s);
                world_find(&world, &frame);
            }
            ck_assert_int_eq(wal_reader_next(reader, &frame, NULL), HOLTER_DONE);
            wal_reader_close(reader);
        }
    }
}
END_TEST

START_TEST(a_frame_is_read_again_by_its_place)
{
    struct {
        uint64_t file, offset, sequence;
    } seen[WORLD_TRIES_MAX];
    size_t count = 0;
    work(&world);
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .end = &world.end };
    struct wal_reader *reader;
    struct wal_frame_read frame;
    struct buffer scratch;
    ck_assert_int_eq(wal_reader_open(&reader, world.wal, &spec, NULL), HOLTER_OK);
    for (; wal_reader_next(reader, &frame, NULL) == HOLTER_OK; count++) {
        seen[count].file = frame.file;
        seen[count].offset = frame.offset;
        seen[count].sequence = frame.sequence;
    }
    wal_reader_close(reader);
    ck_assert_uint_eq(count, world.try_count);

    buffer_init(&scratch);
    for (size_t i = count; i-- > 0;) {
        ck_assert_int_eq(wal_read_frame(&frame, &scratch, world.wal, seen[i].file, seen[i].offset,
                                        NULL),
                         HOLTER_OK);
        ck_assert_uint_eq(frame.sequence, seen[i].sequence);
        world_find(&world, &frame);
    }
    static const uint64_t wrong[] = { 0, WAL_PAGE_BYTES, WORLD_FILE_BYTES - 8, WORLD_FILE_BYTES,
                                      UINT64_MAX };
    for (size_t i = 0; i < CORE_COUNT(wrong); i++)
        ck_assert_int_eq(wal_read_frame(&frame, &scratch, world.wal, 1, wrong[i], NULL),
                         HOLTER_CORRUPT);
    ck_assert_int_eq(wal_read_frame(&frame, &scratch, world.wal, 99, seen[0].offset, NULL),
                     HOLTER_CORRUPT);
    buffer_release(&scratch);
}
END_TEST

START_TEST(a_frame_opens_only_as_what_it_was)
{
    must_append(&world, 1, 40, false);
    struct wal_read_spec spec = { .from = { 0, 0, 1 }, .end = &world.end };
    struct wal_reader *reader;
    struct wal_frame_read frame;
    struct buffer body;
    buffer_init(&body);
    ck_assert_int_eq(wal_reader_open(&reader, world.wal, &spec, NULL), HOLTER_OK);
    ck_assert_int_eq(wal_reader_next(reader, &frame, NULL), HOLTER_OK);
    struct crypto_key *key = world.key[frame.user - 1];
    for (int i = 0; i < 6; i++) {
        struct wal_frame_read other = frame;
        other.sequence += i == 0;
        other.user += i == 1;
        other.key_generation += i == 2;
        other.flags ^= i == 3 ? WAL_LINK_MORE : 0u;
        other.log_id[15] ^= i == 4;
        holter_error err = { 0 };
        ck_assert_int_eq(wal_frame_open(&body, world.wal, &other, world.arena,
                                        i == 5 ? world.key[frame.user % WORLD_USERS] : key, &err),
                         HOLTER_CORRUPT);
        ck_assert_uint_eq(body.bytes, 0);
    }
    ck_assert_int_eq(wal_frame_open(&body, world.wal, &frame, world.arena, NULL, NULL),
                     HOLTER_INVALID);
    ck_assert_int_eq(wal_frame_open(&body, world.wal, &frame, world.arena, key, NULL), HOLTER_OK);
    ck_assert_uint_eq(body.bytes, 40);
    buffer_release(&body);
    wal_reader_close(reader);
}
END_TEST

START_TEST(a_store_without_sealing_works_too)
{
    struct wal_spec spec = {
        .io = world.io, .directory = WORLD_DIRECTORY, .place = 1, .file_bytes = WORLD_FILE_BYTES
    };
    struct wal *wal;
    uint8_t body[] = "plain";
    struct wal_frame frame = { .user = 9, .body = body, .body_bytes = sizeof body };
    struct wal_place place = { 0, 0, 1 }, from = place;
    ck_assert_int_eq(wal_open(&wal, &spec, NULL), HOLTER_OK);
    ck_assert_int_eq(wal_append(wal, &place, &frame, 1, NULL), HOLTER_OK);
    struct wal_read_spec read = { .from = from, .end = &place };
    struct wal_reader *reader;
    struct wal_frame_read got;
    struct buffer plain;
    buffer_init(&plain);
    ck_assert_int_eq(wal_reader_open(&reader, wal, &read, NULL), HOLTER_OK);
    ck_assert_int_eq(wal_reader_next(reader, &got, NULL), HOLTER_OK);
    ck_assert_int_eq(wal_frame_open(&plain, wal, &got, NULL, NULL, NULL), HOLTER_OK);
    ck_assert_uint_eq(plain.bytes, sizeof body);
    ck_assert_mem_eq(plain.data, body, sizeof body);
    frame.key = world.key[0];
    ck_assert_int_eq(wal_append(wal, &place, &frame, 1, NULL), HOLTER_INVALID);
    buffer_release(&plain);
    wal_reader_close(reader);
    wal_close(wal);
}
END_TEST

START_TEST(frames_that_no_reader_would_take_are_refused)
{
    uint8_t body[64] = { 1 };
    struct wal_frame good = {
        .user = 1, .key = world.key[0], .body = body, .body_bytes = sizeof body
    };
    struct wal_place place = world.end;
    struct wal_frame frames[2];
    static const struct {
        size_t bytes;
        uint32_t flags[2];
        uint64_t user;
    } refused[] = {
        { 0, { 0, 0 }, 1 },
        { 1 << 20, { 0, 0 }, 1 },
        { 64, { WAL_LINK_GOES_ON, 0 }, 1 },
        { 64, { WAL_LINK_MORE, 0 }, 1 },
        { 64, { 0, WAL_LINK_MORE }, 1 },
        { 64, { WAL_LINK_MORE, WAL_LINK_GOES_ON | WAL_LINK_MORE }, 1 },
        { 64, { WAL_LINK_MORE, WAL_LINK_GOES_ON }, 2 },
        { 64, { 4, 0 }, 1 },
    };
    for (size_t i = 0; i < CORE_COUNT(refused); i++) {
        for (size_t f = 0; f < 2; f++) {
            frames[f] = good;
            frames[f].flags = refused[i].flags[f];
        }
        frames[0].body_bytes = refused[i].bytes;
        frames[1].user = refused[i].user;
        ck_assert_int_eq(wal_append(world.wal, &place, frames, 2, NULL), HOLTER_INVALID);
    }
    ck_assert_int_eq(wal_append(world.wal, &place, frames, 0, NULL), HOLTER_INVALID);
    struct wal_place wrong = { 1, 100, 1 };
    ck_assert_int_eq(wal_append(world.wal, &wrong, &good, 1, NULL), HOLTER_INVALID);
    wrong = (struct wal_place){ 0, 0, 0 };
    ck_assert_int_eq(wal_append(world.wal, &wrong, &good, 1, NULL), HOLTER_INVALID);
    ck_assert_mem_eq(&place, &world.end, sizeof place);
    must_append(&world, 1, wal_frame_body_bytes_max(world.wal), false);
    must_read_to_end(&world);
}
END_TEST

START_TEST(an_append_given_up_leaves_nothing)
{
    uint8_t body[64] = { 1 };
    struct wal_frame frame = {
        .user = 1, .key = world.key[0], .body = body, .body_bytes = sizeof body
    };
    struct wal_write *write;
    must_append(&world, 1, 100, false);
    ck_assert_int_eq(wal_write_begin(&write, world.wal, &world.end, &frame, 1, NULL), HOLTER_OK);
    wal_write_abort(write);
    wal_write_abort(NULL);
    uint64_t file = world.end.file;
    must_append(&world, 1, 100, false);
    ck_assert_uint_eq(world.end.file, file);
    must_read_to_end(&world);
}
END_TEST

START_TEST(several_logs_append_in_one_submission)
{
    struct wal *wals[2];
    struct wal_write *writes[2];
    struct wal_place places[2] = { { 0, 0, 1 }, { 0, 0, 1 } };
    struct io_op ops[2];
    struct io_queue *queue;
    uint8_t body[64] = { 1 };
    struct wal_frame frame = {
        .user = 1, .key = world.key[0], .body = body, .body_bytes = sizeof body
    };
    static const char *const directories[] = { "a", "b" };
    ck_assert_int_eq(io_queue_open(&queue, world.io, 8, NULL), HOLTER_OK);
    for (uint32_t i = 0; i < 2; i++) {
        struct wal_spec spec = { .io = world.io,
                                 .directory = directories[i],
                                 .place = 1 + i,
                                 .is_sealed = true,
                                 .file_bytes = WORLD_FILE_BYTES };
        size_t count;
        ck_assert_int_eq(io_make_dir(world.io, directories[i], NULL), HOLTER_OK);
        ck_assert_int_eq(wal_open(&wals[i], &spec, NULL), HOLTER_OK);
        ck_assert_int_eq(wal_write_begin(&writes[i], wals[i], &places[i], &frame, 1, NULL),
                         HOLTER_OK);
        ck_assert_ptr_nonnull(wal_write_ops(writes[i], &count));
        ck_assert_uint_eq(count, 1);
        ops[i] = *wal_write_ops(writes[i], &count);
    }
    io_submit(queue, ops, 2);
    while (io_wait(queue) != NULL)
        continue;
    for (size_t i = 0; i < 2; i++) {
        size_t count;
        wal_write_ops(writes[i], &count)->result = ops[i].result;
        ck_assert_int_eq(wal_write_end(writes[i], &places[i], NULL), HOLTER_OK);
        ck_assert_uint_eq(places[i].sequence, 2);
        wal_close(wals[i]);
    }
    io_queue_close(queue);
}
END_TEST

/* ---- how large files are --------------------------------------------------------------------- */

static uint64_t file_bytes(uint64_t number)
{
    char path[64];
    struct io_stat stat;
    snprintf(path, sizeof path, WORLD_DIRECTORY "/log-%016llx", (unsigned long long)number);
    return io_stat(&stat, world.io, path, NULL) == HOLTER_OK ? stat.bytes : 0;
}

enum { LARGE_FILE_BYTES = 2 << 20 };

static struct io_file *spare; /* that the log may take */

static struct io_file *take_spare(void *context)
{
    struct io_file **at = context;
    struct io_file *taken = *at;
    *at = NULL;
    return taken;
}

/* The log's next files may be that large. */
static void open_large(void)
{
    struct wal_spec spec = { .io = world.io,
                             .take_spare = take_spare,
                             .spare_context = &spare,
                             .directory = WORLD_DIRECTORY,
                             .store_id = { 7, 7, 7 },
                             .place = 3,
                             .is_sealed = true,
                             .file_bytes = LARGE_FILE_BYTES };
    wal_close(world.wal);
    ck_assert_int_eq(wal_open(&world.wal, &spec, NULL), HOLTER_OK);
}

static void fill_to_file(uint64_t number)
{
    while (world.end.file < number)
        must_append(&world, 1, 15000, false);
}

START_TEST(files_follow_what_is_written)
{
    open_large();
    fill_to_file(4);
    ck_assert_uint_eq(file_bytes(1), WAL_FILE_BYTES_FIRST);
    ck_assert_uint_gt(file_bytes(2), 3 * file_bytes(1));
    ck_assert_uint_le(file_bytes(2), 4 * file_bytes(1));
    ck_assert_uint_eq(file_bytes(3), LARGE_FILE_BYTES);
    ck_assert_uint_eq(file_bytes(4), LARGE_FILE_BYTES);
    for (int i = 0; i < 20; i++)
        must_append(&world, 1, 15000, false);
    uint64_t filled = world.end.offset;
    must_take_over(&world, false);
    must_append(&world, 1, 15000, false);
    ck_assert_uint_eq(file_bytes(5), 4 * filled);
    must_take_over(&world, false);
    must_append(&world, 1, 15000, false);
    ck_assert_uint_eq(file_bytes(6), WAL_FILE_BYTES_FIRST);
    must_read_to_end(&world);
}
END_TEST

START_TEST(a_large_group_gets_a_file_that_it_fills_a_quarter_of)
{
    open_large();
    ck_assert_int_eq(world_append(&world, 10, 10000, false, NULL), HOLTER_OK);
    ck_assert_uint_eq(world.end.offset, WAL_PAGE_BYTES + 25 * WAL_PAGE_BYTES);
    ck_assert_uint_eq(file_bytes(1), 100 * WAL_PAGE_BYTES);
    must_read_to_end(&world);
}
END_TEST

START_TEST(a_log_at_rest_is_one_small_file)
{
    open_large();
    fill_to_file(3);
    uint64_t written = world.end.sequence;
    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK);
    struct wal_place rest = world.end;
    ck_assert_uint_eq(rest.file, 4);
    ck_assert_uint_eq(rest.offset, WAL_PAGE_BYTES);
    ck_assert_uint_eq(rest.sequence, written);
    ck_assert_uint_eq(file_bytes(4), WAL_FILE_BYTES_REST);
    must_read_to_end(&world);
    struct wal_place end;
    must_recover(&world, &world.end, &end, NULL);
    ck_assert_mem_eq(&end, &world.end, sizeof end);

    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK); /* it rests */
    ck_assert_uint_eq(world.end.file, 4);
    world_new_process(&world);
    must_take_over(&world, true);
    must_mark(&world);
    ck_assert_uint_eq(world.end.file, 4);
    must_append(&world, 1, 16, false);
    ck_assert_uint_eq(world.end.file, 5);
    must_read_to_end(&world);

    /* Those before it are needed no more. */
    for (uint64_t number = 1; number < 4; number++) {
        char path[64];
        snprintf(path, sizeof path, WORLD_DIRECTORY "/log-%016llx", (unsigned long long)number);
        ck_assert_int_eq(io_unlink(world.io, path, NULL), HOLTER_OK);
    }
    struct wal_read_spec spec = { .from = rest };
    struct wal_reader *reader;
    struct wal_frame_read frame;
    wal_close(world.wal);
    world_open_wal(&world);
    ck_assert_int_eq(wal_reader_open(&reader, world.wal, &spec, NULL), HOLTER_OK);
    ck_assert_int_eq(wal_reader_next(reader, &frame, NULL), HOLTER_OK);
    ck_assert_uint_eq(frame.sequence, written);
    ck_assert_int_eq(wal_reader_next(reader, &frame, NULL), HOLTER_DONE);
    wal_reader_close(reader);
}
END_TEST

START_TEST(a_group_of_a_page_goes_into_the_file_of_a_rest)
{
    must_append(&world, 1, 9000, false);
    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK);
    must_append(&world, 1, 16, false);
    ck_assert_uint_eq(world.end.file, 2);
    ck_assert_uint_eq(world.end.offset, WAL_FILE_BYTES_REST);
    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK);
    ck_assert_uint_eq(world.end.file, 2);
    must_append(&world, 1, 16, false);
    ck_assert_uint_eq(world.end.file, 3);
    must_read_to_end(&world);
}
END_TEST

START_TEST(after_a_rest_a_file_is_as_large_as_what_was_written)
{
    open_large();
    fill_to_file(3);
    uint64_t written = 2 * WAL_PAGE_BYTES; /* their headers, and the groups of 4 pages */
    written += (world.end.sequence - 2) * 4 * WAL_PAGE_BYTES + world.end.offset;
    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK);
    must_append(&world, 1, 15000, false);
    ck_assert_uint_eq(file_bytes(5), written);
    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK);
    must_append(&world, 1, 15000, false);
    ck_assert_uint_eq(file_bytes(7), WAL_FILE_BYTES_FIRST);
    must_read_to_end(&world);
}
END_TEST

START_TEST(an_empty_log_does_not_rest)
{
    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK);
    ck_assert_uint_eq(world.end.file, 0);
    ck_assert_uint_eq(file_bytes(1), 0);
}
END_TEST

/* ---- spares ---------------------------------------------------------------------------------- */

/* Fills files until a spare is wanted. */
static uint64_t fill_until_wanted(void)
{
    uint64_t bytes = 0;
    while (bytes == 0) {
        must_append(&world, 1, 15000, false);
        bytes = wal_spare_wanted(world.wal);
    }
    return bytes;
}

static void give_spare(uint64_t bytes)
{
    ck_assert_int_eq(wal_spare_make(&spare, world.io, WORLD_DIRECTORY, bytes, NULL, NULL),
                     HOLTER_OK);
}

START_TEST(a_full_file_is_followed_by_its_spare)
{
    open_large();
    ck_assert_uint_eq(fill_until_wanted(), LARGE_FILE_BYTES);
    ck_assert_uint_eq(world.end.file, 2); /* the first one is small */
    ck_assert_uint_ge(world.end.offset, file_bytes(2) / 2);
    ck_assert_uint_eq(wal_spare_wanted(world.wal), 0); /* once */
    give_spare(LARGE_FILE_BYTES);
    ck_assert_uint_eq(file_bytes(3), 0);
    while (file_bytes(2) - world.end.offset >= 4 * WAL_PAGE_BYTES)
        must_append(&world, 1, 15000, false);
    wal_written_take(world.wal);
    uint64_t before = sim_written_bytes(world.sim);
    must_append(&world, 1, 15000, false);
    ck_assert_uint_eq(world.end.file, 3);
    ck_assert_uint_eq(file_bytes(3), LARGE_FILE_BYTES);
    ck_assert_uint_eq(sim_written_bytes(world.sim) - before, 5 * WAL_PAGE_BYTES);
    ck_assert_uint_eq(wal_written_take(world.wal).ahead_bytes, WAL_PAGE_BYTES);
    ck_assert_uint_eq(fill_until_wanted(), LARGE_FILE_BYTES);
    must_read_to_end(&world);
    struct wal_place end;
    must_recover(&world, &world.end, &end, NULL);
    ck_assert_mem_eq(&end, &world.end, sizeof end);
}
END_TEST

static const struct sim_fault spare_faults[] = {
    { .kind = SIM_WRITE, .error = EIO },  { .kind = SIM_WRITE, .short_transfer = true },
    { .kind = SIM_SYNC, .error = EIO },   { .kind = SIM_LINK, .error = EOPNOTSUPP },
    { .kind = SIM_LINK, .error = ENOSPC }, /* it may have its name */
};

START_TEST(without_its_spare_a_file_is_made)
{
    const struct sim_fault *fault = &spare_faults[_i];
    bool is_named = fault->kind == SIM_LINK && fault->error != EOPNOTSUPP;
    open_large();
    give_spare(fill_until_wanted());
    while (file_bytes(2) - world.end.offset >= 4 * WAL_PAGE_BYTES)
        must_append(&world, 1, 15000, false);
    wal_written_take(world.wal);
    sim_fault_set(world.sim, fault);
    ck_assert_int_eq(world_append(&world, 1, 15000, false, NULL),
                     is_named ? HOLTER_NO_SPACE : HOLTER_OK);
    ck_assert(sim_fault_was_hit(world.sim));
    sim_fault_clear(world.sim);
    if (!is_named) /* what was written to the spare, and all of another file */
        ck_assert_uint_eq(wal_written_take(world.wal).ahead_bytes,
                          WAL_PAGE_BYTES + LARGE_FILE_BYTES);
    must_append(&world, 1, 15000, false);
    ck_assert_uint_eq(world.end.file, 3);
    fill_to_file(4);
    must_read_to_end(&world);
    bool has_asked = false;
    while (world.end.file < 6) {
        must_append(&world, 1, 15000, false);
        has_asked = has_asked || wal_spare_wanted(world.wal) > 0;
    }
    ck_assert_int_eq(has_asked, fault->error != EOPNOTSUPP);
}
END_TEST

START_TEST(a_spare_is_not_for_a_rest_nor_for_who_writes_little)
{
    open_large();
    fill_until_wanted();
    give_spare(LARGE_FILE_BYTES);
    ck_assert_int_eq(wal_rest(world.wal, &world.end, NULL), HOLTER_OK);
    ck_assert_uint_eq(file_bytes(3), WAL_FILE_BYTES_REST);
    ck_assert_ptr_nonnull(spare);
    io_close(spare);
    spare = NULL;
    while (world.end.file < 5 || world.end.offset < file_bytes(5) / 2)
        must_append(&world, 1, 15000, false);
    ck_assert_uint_gt(wal_spare_wanted(world.wal), 0);
    wal_close(world.wal);
    world.wal = NULL;
    open_large(); /* another process: it wrote nothing to the file yet */
    must_take_over(&world, true);
    must_append(&world, 1, 15000, false);
    ck_assert_uint_eq(world.end.file, 5);
    ck_assert_uint_eq(wal_spare_wanted(world.wal), 0);
    uint64_t begin = world.end.offset;
    uint64_t wanted = 0;
    while (wanted == 0 && world.end.file == 5) {
        must_append(&world, 1, 15000, false);
        wanted = wal_spare_wanted(world.wal);
    }
    ck_assert_uint_eq(wanted, LARGE_FILE_BYTES);
    ck_assert_uint_ge(world.end.offset - begin, file_bytes(5) / 8 - 4 * WAL_PAGE_BYTES);
    must_read_to_end(&world);
}
END_TEST

START_TEST(a_spare_is_given_up_when_it_is_not_needed_any_more)
{
    atomic_bool stops = true;
    struct io_file *made = NULL;
    uint64_t before = sim_written_bytes(world.sim);
    ck_assert_int_eq(wal_spare_make(&made, world.io, WORLD_DIRECTORY, LARGE_FILE_BYTES, &stops, NULL),
                     HOLTER_BUSY);
    ck_assert_ptr_null(made);
    ck_assert_uint_lt(sim_written_bytes(world.sim) - before, LARGE_FILE_BYTES);
}
END_TEST

/* ---- taking over ----------------------------------------------------------------------------- */

START_TEST(a_successor_goes_on_in_a_file_that_was_left_untouched)
{
    must_append(&world, 2, 100, false);
    ck_assert(wal_is_untouched(world.wal, &world.end));
    world_new_process(&world);
    ck_assert(!wal_is_untouched(world.wal, &world.end)); /* not that it knows of */
    must_take_over(&world, true);
    ck_assert(wal_is_untouched(world.wal, &world.end));
    must_append(&world, 2, 100, false);
    ck_assert_uint_eq(world.end.file, 1);
    must_read_to_end(&world);
}
END_TEST

/* A byte in the first, in a later page of what a torn group could reach; or nothing that could be seen. */
START_TEST(a_successor_leaves_a_file_that_may_have_been_touched)
{
    must_append(&world, 2, 100, false);
    uint64_t at = _i == 0 ? world.end.offset : WORLD_FILE_BYTES - 1;
    if (_i < 2)
        ck_assert_int_eq(sim_file_flip(world.sim, WORLD_DIRECTORY "/log-0000000000000001", 8 * at),
                         HOLTER_OK);
    world_new_process(&world);
    must_take_over(&world, false);
    ck_assert(!wal_is_untouched(world.wal, &world.end));
    must_append(&world, 2, 100, false);
    ck_assert_uint_eq(world.end.file, 2);
    must_read_to_end(&world);
}
END_TEST

START_TEST(a_successor_leaves_a_file_that_a_newer_one_follows)
{
    must_append(&world, 2, 100, false);
    struct wal_place published = world.end;
    must_take_over(&world, false);
    must_append(&world, 1, 100, false); /* file 2, never published */
    world.end = published;
    world.tried[world.try_count - 1].is_acknowledged = false;
    ck_assert(!wal_is_untouched(world.wal, &published));
    world_new_process(&world);
    must_take_over(&world, false);
    must_append(&world, 1, 100, false);
    ck_assert_uint_eq(world.end.file, 3);
    must_read_to_end(&world);
    struct wal_place end;
    must_recover(&world, &world.end, &end, NULL); /* file 2 is void */
    ck_assert_mem_eq(&end, &world.end, sizeof end);
}
END_TEST

/* By turns, each with its own file open: nothing is opened or read again. */
START_TEST(appenders_by_turns_go_on_in_one_file)
{
    struct wal *wals[2] = { world.wal, NULL };
    world_open_wal(&world);
    wals[1] = world.wal;
    for (size_t i = 0; i < 2; i++) {
        world.wal = wals[i];
        must_take_over(&world, i > 0);
        must_append(&world, 1, 100, false);
    }
    uint64_t before = sim_call_count(world.sim);
    for (size_t i = 0; i < 6; i++) {
        world.wal = wals[i % 2];
        must_take_over(&world, true);
        ck_assert(wal_is_untouched(world.wal, &world.end));
    }
    ck_assert_uint_eq(sim_call_count(world.sim), before);
    for (size_t i = 0; i < 6; i++) {
        world.wal = wals[i % 2];
        must_take_over(&world, true);
        must_append(&world, 1, 100, false);
    }
    ck_assert_uint_eq(world.end.file, 1);
    must_read_to_end(&world);
    wal_close(wals[0]);
    world.wal = wals[1];
}
END_TEST

START_TEST(an_append_at_a_place_not_taken_over_begins_a_new_file)
{
    must_append(&world, 2, 100, false);
    world_new_process(&world);
    must_append(&world, 2, 100, false);
    ck_assert_uint_eq(world.end.file, 2);
    must_read_to_end(&world);
}
END_TEST

/*
 * Another one appended meanwhile; this one was not told to take over, and knows less than the
 * place does.
 */
START_TEST(an_append_where_another_one_was_begins_a_new_file)
{
    must_append(&world, 2, 100, false);
    struct wal *first = world.wal;
    world_open_wal(&world);
    must_take_over(&world, true);
    must_append(&world, 2, 100, false);
    ck_assert_uint_eq(world.end.file, 1);
    wal_close(world.wal);
    world.wal = first;
    must_append(&world, 2, 100, false);
    ck_assert_uint_eq(world.end.file, 2);
    must_read_to_end(&world);
}
END_TEST

START_TEST(a_part_that_needs_several_groups_begins_one)
{
    ck_assert_int_eq(world_append_parts(&world, 2, 3, 7000, NULL), HOLTER_OK);
    ck_assert_int_eq(world_append_parts(&world, 1, 2, 3000, NULL),
                     HOLTER_OK); /* fits in one with what is before */
    must_read_to_end(&world);
    struct wal_place end;
    must_recover(&world, &world.end, &end, NULL);
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

static const int errnos[] = { EIO, ENOSPC, EDQUOT, EINTR, EACCES, ENOMEM, EMFILE };

static void check_after_faults(struct world *w, uint64_t seed)
{
    must_append(w, 2, 500, false); /* writes go on */
    must_read_to_end(w);
    sim_crash(w->sim, (enum sim_crash_mode)(seed % 3), seed);
    world_new_process(w);
    struct wal_place end;
    must_recover(w, &w->end, &end, NULL);
    must_read_to_end(w);
}

static void fail_every(enum sim_call_kind kind, int error, bool for_ever, bool short_transfer)
{
    bool was_hit = true;
    for (uint64_t nth = 0; was_hit; nth++) {
        struct world w;
        world_init(&w, 100 + nth);
        struct sim_fault fault = { .kind = kind,
                                   .nth = nth,
                                   .error = error,
                                   .for_ever = for_ever,
                                   .short_transfer = short_transfer,
                                   .drops = true };
        sim_fault_set(w.sim, &fault);
        work(&w);
        was_hit = sim_fault_was_hit(w.sim);
        sim_fault_clear(w.sim);
        check_after_faults(&w, nth);
        world_release(&w);
        ck_assert_uint_lt(nth, 1000);
    }
}

START_TEST(any_call_may_fail_once)
{
    fail_every(SIM_ANY, errnos[_i], false, false);
}
END_TEST

START_TEST(any_call_may_fail_for_ever)
{
    fail_every(SIM_ANY, errnos[_i], true, false);
}
END_TEST

START_TEST(any_transfer_may_be_short)
{
    fail_every(_i == 0 ? SIM_WRITE : SIM_READ, 0, false, true);
}
END_TEST

START_TEST(a_failed_append_gives_up_its_file)
{
    must_append(&world, 1, 100, false);
    struct sim_fault fault = { .kind = SIM_WRITE, .error = EIO };
    sim_fault_set(world.sim, &fault);
    ck_assert_int_eq(world_append(&world, 1, 100, false, NULL), HOLTER_IO);
    must_append(&world, 1, 100, false);
    ck_assert_uint_eq(world.end.file, 2);
    must_read_to_end(&world);
}
END_TEST

/* The new file is there although its directory was not synced: then the old one has ended. */
START_TEST(a_file_that_could_not_be_followed_is_given_up)
{
    must_append(&world, 1, 100, false);
    for (int i = 0; i < 4; i++)
        must_append(&world, 1, 9000, false);
    ck_assert_uint_eq(world.end.file, 1);
    struct sim_fault fault = { .kind = SIM_SYNC_DIR, .error = EIO };
    sim_fault_set(world.sim, &fault);
    ck_assert_int_eq(world_append(&world, 1, 15000, false, NULL), HOLTER_IO);
    ck_assert(sim_fault_was_hit(world.sim));
    must_append(&world, 1, 100, false); /* would have had room in file 1 */
    ck_assert_uint_eq(world.end.file, 3);
    sim_crash(world.sim, SIM_CRASH_ALL, 1);
    world_new_process(&world);
    struct wal_place end;
    must_recover(&world, &world.end, &end, NULL);
}
END_TEST

START_TEST(a_full_disk_refuses_and_loses_nothing)
{
    world_release(&world);
    world_init(&world, 5);
    struct sim_options options = { .seed = 5, .bytes_max = 3 * WORLD_FILE_BYTES + (20 << 10) };
    struct world w = { .next_id = 1, .end = { 0, 0, 1 } };
    w.sim = sim_new(&options);
    w.io = sim_process_new(w.sim);
    ck_assert_int_eq(io_make_dir(w.io, WORLD_DIRECTORY, NULL), HOLTER_OK);
    ck_assert_int_eq(io_sync_dir(w.io, ".", NULL), HOLTER_OK);
    world_keys(&w);
    world_open_wal(&w);
    holter_status status = HOLTER_OK;
    for (int i = 0; i < 60 && status == HOLTER_OK; i++)
        status = world_append(&w, 1, 5000, false, NULL);
    ck_assert_int_eq(status, HOLTER_NO_SPACE);
    ck_assert_int_eq(world_append(&w, 1, 5000, false, NULL), HOLTER_NO_SPACE);
    must_read_to_end(&w);
    world_release(&w);
}
END_TEST

START_TEST(a_disk_too_full_for_another_file_leaves_the_one_at_hand)
{
    struct sim_options options = { .seed = 5, .bytes_max = WORLD_FILE_BYTES + WAL_PAGE_BYTES };
    struct world w = { .next_id = 1, .end = { 0, 0, 1 } };
    w.sim = sim_new(&options);
    w.io = sim_process_new(w.sim);
    ck_assert_int_eq(io_make_dir(w.io, WORLD_DIRECTORY, NULL), HOLTER_OK);
    ck_assert_int_eq(io_sync_dir(w.io, ".", NULL), HOLTER_OK);
    world_keys(&w);
    world_open_wal(&w);
    must_append(&w, 3, 14000, false);
    struct wal_place end = w.end;
    ck_assert_int_eq(wal_rest(w.wal, &w.end, NULL), HOLTER_NO_SPACE);
    ck_assert_mem_eq(&end, &w.end, sizeof end);
    ck_assert_int_eq(world_append(&w, 1, 15000, false, NULL), HOLTER_NO_SPACE);
    must_append(&w, 1, 7000, false);
    ck_assert_uint_eq(w.end.file, 1);
    must_read_to_end(&w);
    must_recover(&w, &w.end, &end, NULL);
    world_release(&w);
}
END_TEST

START_TEST(any_allocation_may_fail)
{
    bool has_failed = true;
    alloc_fail.is_exempt = sim_is_allocating;
    for (unsigned long left = 0; has_failed; left++) {
        struct world w;
        struct wal_read_spec spec = { .from = { 0, 0, 1 } };
        struct wal_reader *reader;
        struct wal_frame_read frame;
        world_init(&w, left);
        alloc_fail_arm(left, _i == 1);
        work(&w);
        if (wal_reader_open(&reader, w.wal, &spec, NULL) == HOLTER_OK) {
            while (wal_reader_next(reader, &frame, NULL) == HOLTER_OK)
                continue;
            wal_reader_close(reader);
        }
        (void)wal_take_over(w.wal, &w.end, left % 2 == 0, NULL);
        has_failed = alloc_fail_disarm();
        check_after_faults(&w, left);
        world_release(&w);
        ck_assert_uint_lt(left, 2000);
    }
}
END_TEST

/* ---- nonces ---------------------------------------------------------------------------------- */

static uint32_t u32_at(const uint8_t *bytes)
{
    struct reader r = reader_over(bytes, 4);
    return get_u32(&r);
}

static uint64_t u64_at(const uint8_t *bytes)
{
    struct reader r = reader_over(bytes, 8);
    return get_u64(&r);
}

static int compare_nonces(const void *a, const void *b)
{
    return memcmp(a, b, CRYPTO_NONCE_BYTES);
}

/*
 * Nonces of all frames in all whole groups of a file, void or not, by the offsets of
 * format-spec/log.md. A torn group has zeros in the place of some.
 */
static size_t collect_nonces(uint8_t (*out)[CRYPTO_NONCE_BYTES], const struct buffer *file)
{
    static const uint8_t magic[] = { 0x89, 'H', 'L', 'T', 'L', 'O', 'G', 'G' };
    size_t count = 0;
    for (size_t page = WAL_PAGE_BYTES; page < file->bytes; page += WAL_PAGE_BYTES) {
        if (memcmp(file->data + page, magic, sizeof magic) != 0)
            continue;
        size_t padded = (u32_at(file->data + page + 64) + 4095u) / 4096 * 4096;
        if (u64_at(file->data + page + 8) != hash64(file->data + page + 16, padded - 16))
            continue;
        size_t at = page + 80;
        for (uint32_t left = u32_at(file->data + page + 68); left > 0; left--) {
            memcpy(out[count++], file->data + at + 32, CRYPTO_NONCE_BYTES);
            at += 56 + u32_at(file->data + at + 24);
        }
    }
    return count;
}

START_TEST(no_nonce_comes_twice)
{
    static uint8_t nonces[4 * WORLD_TRIES_MAX][CRYPTO_NONCE_BYTES];
    size_t count = 0;
    work(&world);
    for (uint64_t nth = 0; nth < 6; nth++) { /* failures make the same sequences come again */
        struct sim_fault fault = { .kind = SIM_WRITE, .nth = nth, .error = EIO };
        sim_fault_set(world.sim, &fault);
        work(&world);
        sim_fault_clear(world.sim);
    }
    struct io_names names;
    struct buffer file;
    buffer_init(&file);
    ck_assert_int_eq(sim_files(&names, world.sim), HOLTER_OK);
    for (size_t i = 0; i < names.count; i++) {
        ck_assert_int_eq(sim_file_read(&file, world.sim, names.name[i]), HOLTER_OK);
        count += collect_nonces(nonces + count, &file);
    }
    ck_assert_uint_gt(names.count, 6);
    io_names_release(&names);
    buffer_release(&file);
    ck_assert_uint_ge(count, 100);
    qsort(nonces, count, sizeof nonces[0], compare_nonces);
    for (size_t i = 1; i < count; i++)
        ck_assert(memcmp(nonces[i - 1], nonces[i], CRYPTO_NONCE_BYTES) != 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_append");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, an_append_is_read_back);
    tcase_add_test(all, an_empty_log_has_no_frames);
    tcase_add_test(all, appends_run_over_groups_and_files);
    tcase_add_test(all, a_reader_goes_on_from_any_published_place);
    tcase_add_test(all, a_frame_is_read_again_by_its_place);
    tcase_add_test(all, a_frame_opens_only_as_what_it_was);
    tcase_add_test(all, a_store_without_sealing_works_too);
    tcase_add_test(all, frames_that_no_reader_would_take_are_refused);
    tcase_add_test(all, an_append_given_up_leaves_nothing);
    tcase_add_test(all, several_logs_append_in_one_submission);
    tcase_add_test(all, files_follow_what_is_written);
    tcase_add_test(all, a_large_group_gets_a_file_that_it_fills_a_quarter_of);
    tcase_add_test(all, a_log_at_rest_is_one_small_file);
    tcase_add_test(all, a_group_of_a_page_goes_into_the_file_of_a_rest);
    tcase_add_test(all, after_a_rest_a_file_is_as_large_as_what_was_written);
    tcase_add_test(all, an_empty_log_does_not_rest);
    tcase_add_test(all, a_full_file_is_followed_by_its_spare);
    tcase_add_loop_test(all, without_its_spare_a_file_is_made, 0, (int)CORE_COUNT(spare_faults));
    tcase_add_test(all, a_spare_is_not_for_a_rest_nor_for_who_writes_little);
    tcase_add_test(all, a_spare_is_given_up_when_it_is_not_needed_any_more);
    tcase_add_test(all, a_successor_goes_on_in_a_file_that_was_left_untouched);
    tcase_add_loop_test(all, a_successor_leaves_a_file_that_may_have_been_touched, 0, 3);
    tcase_add_test(all, a_successor_leaves_a_file_that_a_newer_one_follows);
    tcase_add_test(all, appenders_by_turns_go_on_in_one_file);
    tcase_add_test(all, an_append_at_a_place_not_taken_over_begins_a_new_file);
    tcase_add_test(all, an_append_where_another_one_was_begins_a_new_file);
    tcase_add_test(all, a_part_that_needs_several_groups_begins_one);
    tcase_add_loop_test(all, any_call_may_fail_once, 0, (int)CORE_COUNT(errnos));
    tcase_add_loop_test(all, any_call_may_fail_for_ever, 0, (int)CORE_COUNT(errnos));
    tcase_add_loop_test(all, any_transfer_may_be_short, 0, 2);
    tcase_add_test(all, a_failed_append_gives_up_its_file);
    tcase_add_test(all, a_file_that_could_not_be_followed_is_given_up);
    tcase_add_test(all, a_full_disk_refuses_and_loses_nothing);
    tcase_add_test(all, a_disk_too_full_for_another_file_leaves_the_one_at_hand);
    tcase_add_loop_test(all, any_allocation_may_fail, 0, 2);
    tcase_add_test(all, no_nonce_comes_twice);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
