/*
 * test_segment_damage.c -- whatever happens to its bytes, a segment answers right or
 * HOLTER_CORRUPT.
 *
 * Claim: no wrong value and no silently shorter answer; what is kept twice (S3) loses nothing to
 * one bad sector; verify finds every damage without a key. Method: every bit of a small file
 * flipped, one random bit of every byte of a larger one, every sector zeroed, every sector
 * unreadable, every length; the answers are compared with the contents, value by value. A whole
 * section and sections of many pieces, sealed and not.
 */
#include "segment/segment_impl.h"
#include "segment_world.h"

#ifdef __SANITIZE_ADDRESS__
enum {
    STRIDE = 5
}; /* of bits, bytes and lengths: coprime to 8, so that all bits of bytes are met */
#else
enum { STRIDE = 1 };
#endif

static holter_error err;

struct damage {
    struct world world;
    struct content content;
    struct segment_summary summary;
    char path[64];
    struct buffer bytes;
    uint64_t sections_begin, sections_end, directory_offset, second_directory;
    size_t page_bytes;
};

/* Seeds whose contents are small (one piece each) or larger; the second of them unsealed. The directory lies in front of
   the sections, or behind them. */
static const struct {
    uint64_t seed;
    size_t users, series, rows;
    bool is_sealed, is_behind;
} cases[] = {
    { 5, 2, 2, 30, true, false },   { 5, 2, 2, 30, false, true },   { 5, 2, 2, 30, true, true },
    { 7, 64, 1, 500, true, false }, { 7, 64, 1, 500, false, true }, { 9, 60, 1, 700, false, false },
};
enum { SMALL_CASES = 3, CASES = 6, TWO_PAGES = 3 };

static void damage_init(struct damage *d, int number)
{
    struct segment *segment;
    struct segment_footer footer;
    world_init(&d->world, cases[number].seed, cases[number].is_sealed);
    content_make(&d->content, cases[number].seed, cases[number].users, cases[number].series,
                 cases[number].rows);
    d->content.is_behind = cases[number].is_behind;
    holter_status status = content_write(&d->world, &d->content, &d->summary, &err);
    ck_assert_msg(status == HOLTER_OK, "%s", err.message);
    content_path(d->path, d->summary.id);
    buffer_init(&d->bytes);
    ck_assert_int_eq(sim_file_read(&d->bytes, d->world.sim, d->path), HOLTER_OK);
    ck_assert_int_eq(segment_open(&segment, &d->world.spec, d->summary.id, 0, &err), HOLTER_OK);
    footer = segment->footer;
    segment_close(segment);
    d->sections_begin = footer.sections_begin;
    d->sections_end = footer.sections_end;
    d->directory_offset = footer.directory_offset;
    d->second_directory = segment_page_offset(&footer, 0, 1);
    d->page_bytes = footer.page_bytes;
}

static void damage_release(struct damage *d)
{
    buffer_release(&d->bytes);
    content_release(&d->content);
    world_release(&d->world);
}

static void damage_heal(struct damage *d)
{
    CHECK(sim_file_write(d->world.sim, d->path, d->bytes.data, d->bytes.bytes) == HOLTER_OK);
}

static bool is_in_section(const struct damage *d, uint64_t offset)
{
    return offset >= d->sections_begin && offset < d->sections_end;
}

static holter_status damage_check(struct damage *d)
{
    return content_check(&d->world, &d->content, d->summary.id, d->summary.footer_hash, &err);
}

static void count_report(void *context, const char *sentence)
{
    CHECK(strncmp(sentence, "segment 'shard/seg-", 19) == 0);
    (*(size_t *)context)++;
}

static size_t damage_verify(struct damage *d)
{
    struct segment *segment;
    size_t damaged = 0;
    size_t reported = 0;
    CHECK(segment_open(&segment, &d->world.spec, d->summary.id, 0, &err) == HOLTER_OK);
    CHECK(segment_verify(segment, d->world.queue, count_report, &reported, &damaged, &err) ==
          HOLTER_OK);
    CHECK(reported == damaged);
    segment_close(segment);
    return damaged;
}

/* Damage of one sector: in a section it is told, elsewhere it loses nothing. */
static void expect_one_sector(struct damage *d, uint64_t offset, holter_status told)
{
    holter_status status = damage_check(d);
    if (is_in_section(d, offset)) {
        ck_assert_msg(status == told, "offset %d: %s", (int)offset, holter_status_name(status));
        CHECK(err.message[0] != '\0');
    } else {
        ck_assert_msg(status == HOLTER_OK, "offset %d: %s", (int)offset, err.message);
    }
}

START_TEST(the_whole_file_is_whole)
{
    struct damage d;
    damage_init(&d, _i);
    ck_assert_int_eq(damage_check(&d), HOLTER_OK);
    ck_assert_uint_eq(damage_verify(&d), 0);
    damage_release(&d);
}
END_TEST

START_TEST(every_bit_of_a_small_file)
{
    struct damage d;
    damage_init(&d, _i);
    for (uint64_t bit = 0; bit < d.bytes.bytes * 8; bit += STRIDE) {
        CHECK(sim_file_flip(d.world.sim, d.path, bit) == HOLTER_OK);
        expect_one_sector(&d, bit / 8, HOLTER_CORRUPT);
        if (bit % 61 == 0)
            CHECK(damage_verify(&d) > 0);
        CHECK(sim_file_flip(d.world.sim, d.path, bit) == HOLTER_OK);
    }
    ck_assert_int_eq(damage_check(&d), HOLTER_OK);
    damage_release(&d);
}
END_TEST

START_TEST(a_bit_of_every_byte_of_a_larger_file)
{
    struct damage d;
    struct random random = { 2 };
    size_t forms[2] = { 0, 0 }; /* hits of sections of many pieces, and of one */
    damage_init(&d, _i);
    ck_assert_uint_gt(d.bytes.bytes, 60000);
    ck_assert_uint_lt(d.bytes.bytes, 200000);
    for (uint64_t byte = 0; byte < d.bytes.bytes; byte += STRIDE) {
        uint64_t bit = byte * 8 + random_below(&random, 8);
        CHECK(sim_file_flip(d.world.sim, d.path, bit) == HOLTER_OK);
        if (byte % 16 == 0)
            expect_one_sector(&d, byte, HOLTER_CORRUPT);
        if (byte % 1999 == 0)
            CHECK(damage_verify(&d) > 0);

        /* the user whose section it is gets no answer, every other one all of his */
        struct segment *segment;
        CHECK(segment_open(&segment, &d.world.spec, d.summary.id, d.summary.footer_hash, &err) ==
              HOLTER_OK);
        size_t u = (size_t)random_below(&random, d.content.user_count);
        struct segment_user user;
        CHECK(segment_user_at(&user, segment, d.world.queue, u, &err) == HOLTER_OK);
        bool is_hit =
            byte >= user.section_offset && byte < user.section_offset + user.section_bytes;
        holter_status status = user_check(&d.world, segment, &d.content.users[u], &err);
        CHECK(status == (is_hit ? HOLTER_CORRUPT : HOLTER_OK));
        if (is_hit)
            forms[user.index_bytes == user.section_bytes]++;
        segment_close(segment);
        CHECK(sim_file_flip(d.world.sim, d.path, bit) == HOLTER_OK);
    }
    ck_assert_uint_gt(forms[0], 50);
    ck_assert_uint_gt(forms[1], 10);
    damage_release(&d);
}
END_TEST

START_TEST(every_sector_zeroed_or_full_of_noise)
{
    struct damage d;
    struct random random = { 6 };
    damage_init(&d, _i);
    for (uint64_t offset = 0; offset < d.bytes.bytes; offset += CORE_SECTOR_BYTES) {
        for (int noise = 0; noise < 2; noise++) {
            struct buffer bytes;
            buffer_init(&bytes);
            buffer_append(&bytes, d.bytes.data, d.bytes.bytes);
            for (size_t i = 0; i < CORE_SECTOR_BYTES; i++)
                bytes.data[offset + i] = noise ? (uint8_t)random_u64(&random) : 0;
            CHECK(sim_file_write(d.world.sim, d.path, bytes.data, bytes.bytes) == HOLTER_OK);
            holter_status status = damage_check(&d);
            bool was_changed = memcmp(bytes.data, d.bytes.data, bytes.bytes) != 0;
            bool touches_section = offset >= d.sections_begin && offset < d.sections_end;
            ck_assert_int_eq(status, was_changed && touches_section ? HOLTER_CORRUPT : HOLTER_OK);
            CHECK((damage_verify(&d) > 0) == was_changed);
            buffer_release(&bytes);
        }
    }
    damage_release(&d);
}
END_TEST

START_TEST(every_sector_unreadable)
{
    struct damage d;
    damage_init(&d, _i);
    for (uint64_t offset = 0; offset < d.bytes.bytes; offset += CORE_SECTOR_BYTES) {
        sim_sector_bad(d.world.sim, d.path, offset / CORE_SECTOR_BYTES);
        expect_one_sector(&d, offset, HOLTER_IO);
        CHECK(damage_verify(&d) > 0);
        struct io_file *file;
        CHECK(io_open(&file, d.world.io, d.path, IO_WRITABLE, &err) == HOLTER_OK);
        CHECK(io_write_exactly(d.world.queue, file, offset, d.bytes.data + offset,
                               CORE_SECTOR_BYTES, &err) == HOLTER_OK);
        io_close(file);
    }
    ck_assert_uint_eq(damage_verify(&d), 0);
    damage_release(&d);
}
END_TEST

START_TEST(every_length)
{
    struct damage d;
    struct segment *segment = NULL;
    damage_init(&d, _i);
    size_t stride = _i < SMALL_CASES ? STRIDE : 97;
    for (size_t bytes = 0; bytes < d.bytes.bytes; bytes += stride) {
        CHECK(sim_file_write(d.world.sim, d.path, d.bytes.data, bytes) == HOLTER_OK);
        CHECK(segment_open(&segment, &d.world.spec, d.summary.id, 0, &err) == HOLTER_CORRUPT);
        CHECK(segment == NULL);
    }
    for (size_t bytes = 0; bytes <= d.bytes.bytes; bytes += CORE_SECTOR_BYTES) {
        CHECK(sim_file_write(d.world.sim, d.path, d.bytes.data, bytes) == HOLTER_OK);
        holter_status status = segment_open(&segment, &d.world.spec, d.summary.id, 0, &err);
        CHECK(status == (bytes < d.bytes.bytes ? HOLTER_CORRUPT : HOLTER_OK));
        segment_close(segment);
    }
    static const size_t more[] = { 1, 512, 4096, 8192, 100000 };
    for (size_t i = 0; i < CORE_COUNT(more); i++) {
        struct buffer longer;
        buffer_init(&longer);
        buffer_append(&longer, d.bytes.data, d.bytes.bytes);
        buffer_append_zeros(&longer, more[i]);
        CHECK(sim_file_write(d.world.sim, d.path, longer.data, longer.bytes) == HOLTER_OK);
        CHECK(segment_open(&segment, &d.world.spec, d.summary.id, 0, &err) == HOLTER_CORRUPT);
        buffer_release(&longer);
    }
    damage_release(&d);
}
END_TEST

START_TEST(both_copies_gone_is_told)
{
    struct damage d;
    struct segment *segment;
    struct segment_user user;
    damage_init(&d, TWO_PAGES);
    uint8_t *bytes = d.bytes.data;
    uint64_t last = d.bytes.bytes - SEGMENT_FOOTER_BYTES;
    bytes[5] ^= 1;
    bytes[last + 100] ^= 2;
    damage_heal(&d);
    ck_assert_int_eq(segment_open(&segment, &d.world.spec, d.summary.id, 0, &err), HOLTER_CORRUPT);
    bytes[5] ^= 1;
    bytes[last + 100] ^= 2;
    uint64_t second = d.second_directory;
    bytes[d.directory_offset + 9] ^= 1;
    bytes[second + 8] ^= 1;
    damage_heal(&d);
    ck_assert_int_eq(segment_open(&segment, &d.world.spec, d.summary.id, 0, &err), HOLTER_OK);
    ck_assert_int_eq(segment_user_at(&user, segment, d.world.queue, 0, &err), HOLTER_CORRUPT);
    ck_assert_int_eq(segment_user_at(&user, segment, d.world.queue, 63, &err), HOLTER_OK);
    segment_close(segment);
    ck_assert_uint_eq(damage_verify(&d), 2);
    bytes[d.directory_offset + 9] ^= 1;

    /* the first page from the one copy, the second from the other */
    bytes[d.directory_offset + SEGMENT_PAGE_BYTES + 9] ^= 1;
    damage_heal(&d);
    ck_assert_int_eq(damage_check(&d), HOLTER_OK);
    damage_release(&d);
}
END_TEST

/* A directory that passes its checksums and lies is refused, or the sealed index contradicts it. */
START_TEST(a_lying_directory_is_refused)
{
    struct damage d;
    struct random random = { 6 };
    struct segment *segment;
    damage_init(&d, 0);
    size_t refused = 0;
    for (int i = 0; i < 3000; i++) {
        uint64_t at = random_below(&random, d.content.user_count * SEGMENT_ENTRY_BYTES -
                                                8); /* not its last hash */
        at = at % SEGMENT_ENTRY_BYTES / 4 == 2
                 ? at - 8
                 : at; /* nor a key generation, which the caller follows */
        uint8_t *page = d.bytes.data + (i % 2 == 0 ? d.directory_offset : d.second_directory);
        uint8_t was = page[at];
        page[at] ^= (uint8_t)(1u << random_below(&random, 8));
        struct writer w = writer_over(page + d.page_bytes - 8, 8);
        put_u64(&w, hash64(page, d.page_bytes - 8));
        damage_heal(&d);
        CHECK(segment_open(&segment, &d.world.spec, d.summary.id, 0, &err) == HOLTER_OK);
        CHECK(damage_verify(&d) > 0);
        holter_status status = damage_check(&d);
        CHECK(status == HOLTER_OK || status == HOLTER_CORRUPT || status == HOLTER_NOT_FOUND);
        refused += status != HOLTER_OK;
        segment_close(segment);
        page[at] = was;
        w = writer_over(page + d.page_bytes - 8, 8);
        put_u64(&w, hash64(page, d.page_bytes - 8));
    }
    ck_assert_uint_gt(refused, 100);
    damage_release(&d);
}
END_TEST

static Suite *segment_damage_suite(void)
{
    Suite *suite = suite_create("segment_damage");
    TCase *tests = tcase_create("damage");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, the_whole_file_is_whole, 0, CASES);
    tcase_add_loop_test(tests, every_bit_of_a_small_file, 0, SMALL_CASES);
    tcase_add_loop_test(tests, a_bit_of_every_byte_of_a_larger_file, SMALL_CASES, CASES);
    tcase_add_loop_test(tests, every_sector_zeroed_or_full_of_noise, 0, CASES);
    tcase_add_loop_test(tests, every_sector_unreadable, 0, CASES);
    tcase_add_loop_test(tests, every_length, 0, CASES);
    tcase_add_test(tests, both_copies_gone_is_told);
    tcase_add_test(tests, a_lying_directory_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return run_suite(segment_damage_suite());
}
