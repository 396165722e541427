/*
 * test_wal_header.c -- headers of files, groups and frames are as format-spec/log.md says, and
 * refused where not.
 *
 * Bytes are written by the offsets of the page, with a checksum that fits, so that each rule is
 * met alone.
 */
#include "wal_world.h"

#define FILE_1 WORLD_DIRECTORY "/log-0000000000000001"

enum { HEADER_BYTES = 136, COPY = 2048, GROUP = WAL_PAGE_BYTES, FRAME = GROUP + 80 };

static struct world world;
static struct buffer file;

/*
 * One file: a group of two frames, the second one linked with the third in a group of its own;
 * then a mark.
 */
static void setup(void)
{
    world_init(&world, 5);
    must_append(&world, 2, 100, false);
    must_append(&world, 2, 50, true);
    must_mark(&world);
    buffer_init(&file);
    ck_assert_int_eq(sim_file_read(&file, world.sim, FILE_1), HOLTER_OK);
}

static void teardown(void)
{
    buffer_release(&file);
    world_release(&world);
}

static void write_at(size_t offset, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        file.data[offset + i] = (uint8_t)(value >> (8 * i));
}

static uint64_t read_at(size_t offset)
{
    struct reader r = reader_over(file.data + offset, 8);
    return get_u64(&r);
}

static void check_header_copy(size_t copy)
{
    write_at(copy + 128, hash64(file.data + copy, 128), 8);
}

static void check_group(size_t group, size_t pages)
{
    write_at(group + 8, hash64(file.data + group + 16, pages * WAL_PAGE_BYTES - 16), 8);
}

/* Without anything remembered of the file. */
static holter_status read_back(holter_error *err)
{
    struct wal_read_spec spec = { .from = { 0, 0, 1 } };
    struct wal_place end;
    ck_assert_int_eq(sim_file_write(world.sim, FILE_1, file.data, file.bytes), HOLTER_OK);
    wal_close(world.wal);
    world_open_wal(&world);
    return world_read(&world, &spec, UINT64_MAX, &end, NULL, err);
}

START_TEST(bytes_are_where_the_page_says)
{
    static const uint8_t file_magic[] = { 0x89, 'H', 'L', 'T', 'L', 'O', 'G', 'F' };
    static const uint8_t group_magic[] = { 0x89, 'H', 'L', 'T', 'L', 'O', 'G', 'G' };
    ck_assert_mem_eq(file.data, file_magic, 8);
    ck_assert_uint_eq(read_at(8), 1u << 16); /* major 0, minor 1, no feature it must understand */
    ck_assert_uint_eq(read_at(16) & 0xffffffff, 0);
    ck_assert_uint_eq(read_at(20), 0x070707);       /* store id */
    ck_assert_uint_eq(read_at(36) & 0xffffffff, 3); /* place */
    ck_assert_uint_eq(read_at(56), 1);              /* number */
    ck_assert_uint_eq(read_at(64), WORLD_FILE_BYTES);
    ck_assert_uint_eq(read_at(72), 0);
    ck_assert_uint_eq(read_at(80), 0);
    ck_assert_uint_eq(read_at(104), 1); /* first sequence */
    ck_assert_uint_eq(read_at(128), hash64(file.data, 128));
    ck_assert_mem_eq(file.data, file.data + COPY, HEADER_BYTES);
    for (size_t i = HEADER_BYTES; i < COPY; i++)
        ck_assert_uint_eq(file.data[i] | file.data[COPY + i], 0);

    ck_assert_mem_eq(file.data + GROUP, group_magic, 8);
    ck_assert_uint_eq(read_at(GROUP + 8), hash64(file.data + GROUP + 16, WAL_PAGE_BYTES - 16));
    ck_assert_mem_eq(file.data + GROUP + 16, file.data + 40, 16); /* log id */
    ck_assert_uint_eq(read_at(GROUP + 32), GROUP);
    ck_assert_uint_eq(read_at(GROUP + 40), 1);
    ck_assert_uint_eq(read_at(GROUP + 48), 0);     /* watermark */
    ck_assert_uint_eq(read_at(GROUP + 56), GROUP); /* synced */
    ck_assert_uint_eq(read_at(GROUP + 64), (uint64_t)2 << 32 | (80 + 2 * (56 + 100 + 16)));
    ck_assert_uint_eq(read_at(GROUP + 72), 0);
    ck_assert_uint_eq(read_at(FRAME), 1);
    ck_assert_uint_eq(read_at(FRAME + 8), 2);    /* user: 1 + id % 3 */
    ck_assert_uint_eq(read_at(FRAME + 16), 5);   /* generation, no flags */
    ck_assert_uint_eq(read_at(FRAME + 24), 116); /* sealed bytes, spare */
    size_t mark = GROUP + 2 * WAL_PAGE_BYTES;
    ck_assert_uint_eq(read_at(mark + 40), 5);
    ck_assert_uint_eq(read_at(mark + 48), 4);
    ck_assert_uint_eq(read_at(mark + 64), 80);
    ck_assert_uint_eq(read_at(mark + 72), 1);
}
END_TEST

/* The sealing of the page, with nothing of wal in between. */
START_TEST(a_frame_is_sealed_as_the_page_says)
{
    uint8_t associated[64], plain[100], want[100];
    struct writer w = writer_over(associated, sizeof associated);
    put_bytes(&w, file.data + 20, 16);           /* store id */
    put_bytes(&w, file.data + 40, 16);           /* log id */
    put_bytes(&w, file.data + 36, 4);            /* place */
    put_bytes(&w, file.data + FRAME + 8, 8 + 4); /* user, generation */
    put_bytes(&w, file.data + FRAME, 8);         /* sequence */
    put_bytes(&w, file.data + FRAME + 20, 4);    /* flags */
    put_u32(&w, 100);
    ck_assert_uint_eq(w.left, 0);
    struct crypto_key *subkey =
        crypto_key_derive(world.arena, world.key[1], "holt-log", file.data + 40);
    ck_assert(crypto_open(plain, file.data + FRAME + 56, 116, associated, 64,
                          file.data + FRAME + 32, subkey));
    world_body(want, 1, 100);
    ck_assert_mem_eq(plain, want, 100);
    crypto_key_free(subkey);
}
END_TEST

/* ---- the file's header ----------------------------------------------------------------------- */

static const struct change {
    size_t offset;
    size_t bytes;
    uint64_t value;
    holter_status status;
} header_changes[] = {
    { 0, 1, 0x88, HOLTER_CORRUPT },
    { 4, 4, 0x20474f4c, HOLTER_CORRUPT },
    { 8, 2, 1, HOLTER_UNSUPPORTED },  /* major */
    { 10, 2, 9, HOLTER_DONE },        /* minor */
    { 12, 4, 1, HOLTER_UNSUPPORTED }, /* must understand */
    { 16, 4, 1, HOLTER_DONE },        /* may ignore */
    { 20, 1, 8, HOLTER_CORRUPT },     /* store */
    { 36, 4, 4, HOLTER_CORRUPT },     /* place */
    { 56, 8, 2, HOLTER_CORRUPT },     /* number */
    { 56, 8, 0, HOLTER_CORRUPT },
    { 64, 8, 0, HOLTER_CORRUPT }, /* file bytes */
    { 64, 8, WORLD_FILE_BYTES - 1, HOLTER_CORRUPT },
    { 64, 8, WAL_FILE_BYTES_REST, HOLTER_CORRUPT },
    { 64, 8, WORLD_FILE_BYTES + 4096, HOLTER_CORRUPT },
    { 64, 8, UINT64_MAX - 4095, HOLTER_CORRUPT },
    { 72, 8, 1, HOLTER_CORRUPT }, /* previous number */
    { 72, 8, UINT64_MAX, HOLTER_CORRUPT },
    { 80, 8, 4096, HOLTER_CORRUPT }, /* previous end */
    { 88, 1, 1, HOLTER_CORRUPT },    /* previous log id */
    { 104, 8, 0, HOLTER_CORRUPT },   /* first sequence */
    { 104, 8, 2, HOLTER_CORRUPT },
    { 104, 8, UINT64_MAX, HOLTER_CORRUPT },
    { 136, 1, 1, HOLTER_CORRUPT }, /* spare */
    { 2047, 1, 1, HOLTER_CORRUPT },
};

START_TEST(headers_outside_the_format_are_refused)
{
    const struct change *change = &header_changes[_i];
    holter_error err = { 0 };
    for (size_t copy = 0; copy <= COPY; copy += COPY) {
        write_at(copy + change->offset, change->value, change->bytes);
        check_header_copy(copy);
    }
    holter_status status = read_back(&err);
    ck_assert_msg(status == change->status, "%d %s", status, err.message);
    if (status != HOLTER_DONE)
        ck_assert_msg(strstr(err.message, "log") != NULL, "%s", err.message);
}
END_TEST

START_TEST(one_bad_copy_of_the_header_does_no_harm)
{
    size_t copy = _i == 0 ? 0 : COPY;
    size_t damaged = 0;
    struct wal_read_spec spec = { .from = { 0, 0, 1 } };
    memset(file.data + copy, 0xff, COPY);
    ck_assert_int_eq(read_back(NULL), HOLTER_DONE);
    ck_assert_int_eq(wal_verify(world.wal, &spec, NULL, NULL, &damaged, NULL), HOLTER_OK);
    ck_assert_uint_eq(damaged, 1);
    must_take_over(&world, true);
    must_append(&world, 1, 100, false);
    memset(file.data, 0xff, 2 * COPY);
    ck_assert_int_eq(read_back(NULL), HOLTER_CORRUPT);
}
END_TEST

START_TEST(two_headers_that_contradict_each_other_are_refused)
{
    write_at(COPY + 104, 2, 8);
    check_header_copy(COPY);
    ck_assert_int_eq(read_back(NULL), HOLTER_CORRUPT);
}
END_TEST

/* ---- groups and frames ----------------------------------------------------------------------- */

/* In the first group, whose checksum fits afterwards: no reader takes it for a torn tail. */
static const struct change group_changes[] = {
    { GROUP + 40, 8, 2, HOLTER_CORRUPT }, /* first sequence */
    { GROUP + 40, 8, 0, HOLTER_CORRUPT },
    { GROUP + 40, 8, UINT64_MAX, HOLTER_CORRUPT },
    { GROUP + 48, 8, 1, HOLTER_CORRUPT }, /* watermark */
    { GROUP + 56, 8, 0, HOLTER_CORRUPT }, /* synced */
    { GROUP + 56, 8, GROUP - 1, HOLTER_CORRUPT },
    { GROUP + 56, 8, GROUP + 4096, HOLTER_CORRUPT },
    { GROUP + 64, 4, 80, HOLTER_CORRUPT }, /* bytes */
    { GROUP + 64, 4, 79, HOLTER_CORRUPT },
    { GROUP + 64, 4, 423, HOLTER_CORRUPT },
    { GROUP + 64, 4, 425, HOLTER_CORRUPT },
    { GROUP + 64, 4, UINT32_MAX, HOLTER_CORRUPT },
    { GROUP + 68, 4, 1, HOLTER_CORRUPT }, /* frame count */
    { GROUP + 68, 4, 3, HOLTER_CORRUPT },
    { GROUP + 68, 4, 0, HOLTER_CORRUPT },
    { GROUP + 68, 4, UINT32_MAX, HOLTER_CORRUPT },
    { GROUP + 72, 4, 1, HOLTER_CORRUPT }, /* flags */
    { GROUP + 72, 4, 2, HOLTER_CORRUPT },
    { GROUP + 76, 4, 1, HOLTER_CORRUPT },             /* spare */
    { FRAME, 8, 2, HOLTER_CORRUPT },                  /* sequence */
    { FRAME + 20, 4, WAL_LINK_MORE, HOLTER_CORRUPT }, /* the next one goes on with nothing */
    { FRAME + 20, 4, WAL_LINK_GOES_ON, HOLTER_CORRUPT },
    { FRAME + 20, 4, 4, HOLTER_CORRUPT },
    { FRAME + 172 + 20, 4, WAL_LINK_MORE,
      HOLTER_CORRUPT },                   /* leaves a group that it does not begin */
    { FRAME + 24, 4, 0, HOLTER_CORRUPT }, /* sealed bytes */
    { FRAME + 24, 4, 16, HOLTER_CORRUPT },
    { FRAME + 24, 4, 115, HOLTER_CORRUPT },
    { FRAME + 24, 4, UINT32_MAX, HOLTER_CORRUPT },
    { FRAME + 28, 4, 1, HOLTER_CORRUPT },  /* spare */
    { GROUP + 424, 1, 1, HOLTER_CORRUPT }, /* padding */
    { GROUP + 4095, 1, 1, HOLTER_CORRUPT },
};

START_TEST(groups_outside_the_format_are_refused)
{
    const struct change *change = &group_changes[_i];
    holter_error err = { 0 };
    write_at(change->offset, change->value, change->bytes);
    check_group(GROUP, 1);
    holter_status status = read_back(&err);
    ck_assert_msg(status == change->status, "%s", err.message);
    ck_assert_msg(strstr(err.message, "file 1: at offset 4096 found") != NULL, "%s", err.message);
}
END_TEST

START_TEST(a_group_begins_where_the_last_one_ended)
{
    size_t mark = GROUP + 2 * WAL_PAGE_BYTES;
    write_at(mark + 40, 6, 8);
    write_at(mark + 48, 5, 8);
    check_group(mark, 1);
    ck_assert_int_eq(read_back(NULL), HOLTER_CORRUPT);
}
END_TEST

START_TEST(links_across_groups_must_fit)
{
    size_t second = GROUP + WAL_PAGE_BYTES;
    if (_i == 0)
        write_at(second + 80 + 20, WAL_LINK_MORE | WAL_LINK_GOES_ON, 4);
    else if (_i == 1)
        write_at(second + 80 + 56 + 66 + 20, 0, 4);
    else
        write_at(second + 80 + 56 + 66 + 8, 2, 8); /* of another user */
    check_group(second, 1);
    ck_assert_int_eq(read_back(NULL), HOLTER_CORRUPT);
}
END_TEST

START_TEST(names_that_are_none_are_left_alone)
{
    static const char *const names[] = { "log-000000000000000",      "log-00000000000000011",
                                         "log-000000000000000g",     "log-0000000000000000",
                                         "LOG-0000000000000009",     "log-000000000000000A",
                                         "log-0000000000000009.tmp", "lock" };
    for (size_t i = 0; i < CORE_COUNT(names); i++) {
        char path[64] = WORLD_DIRECTORY "/";
        strcat(path, names[i]);
        ck_assert_int_eq(sim_file_write(world.sim, path, "?", 1), HOLTER_OK);
    }
    ck_assert_int_eq(read_back(NULL), HOLTER_DONE);
    ck_assert_int_eq(sim_file_write(world.sim, WORLD_DIRECTORY "/log-ffffffffffffffff", "?", 1),
                     HOLTER_OK);
    ck_assert_int_eq(read_back(NULL), HOLTER_CORRUPT);
    must_take_over(&world, false);
    ck_assert_int_eq(world_append(&world, 1, 100, false, NULL),
                     HOLTER_CORRUPT); /* no number is left */
}
END_TEST

static const uint64_t wrong_sizes[] = { 4096, WORLD_FILE_BYTES - 4096, WORLD_FILE_BYTES + 1,
                                        UINT64_C(2) << 30 };

START_TEST(files_of_a_wrong_size_are_refused_at_open)
{
    struct wal_spec spec = { .io = world.io,
                             .directory = WORLD_DIRECTORY,
                             .file_bytes = wrong_sizes[_i] };
    struct wal *wal;
    ck_assert_int_eq(wal_open(&wal, &spec, NULL), HOLTER_INVALID);
    ck_assert_ptr_null(wal);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_header");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, bytes_are_where_the_page_says);
    tcase_add_test(all, a_frame_is_sealed_as_the_page_says);
    tcase_add_loop_test(all, headers_outside_the_format_are_refused, 0,
                        (int)CORE_COUNT(header_changes));
    tcase_add_loop_test(all, one_bad_copy_of_the_header_does_no_harm, 0, 2);
    tcase_add_test(all, two_headers_that_contradict_each_other_are_refused);
    tcase_add_loop_test(all, groups_outside_the_format_are_refused, 0,
                        (int)CORE_COUNT(group_changes));
    tcase_add_test(all, a_group_begins_where_the_last_one_ended);
    tcase_add_loop_test(all, links_across_groups_must_fit, 0, 3);
    tcase_add_test(all, names_that_are_none_are_left_alone);
    tcase_add_loop_test(all, files_of_a_wrong_size_are_refused_at_open, 0,
                        (int)CORE_COUNT(wrong_sizes));
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
