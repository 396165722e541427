/*
 * test_manifest_bytes.c -- the bodies of edits have one form each; all else is refused.
 *
 * Bodies are encoded, decoded and encoded again; then each bit is flipped and each length tried:
 * the decoder refuses, or what it took encodes to just those bytes. Names go there and back.
 */
#include "manifest/manifest_impl.h"
#include "manifest_world.h"

static holter_status decode(struct manifest_change *change, uint64_t *left,
                            const struct edits_part *part)
{
    return manifest_part_decode(change, left, part->bytes, part->count);
}

static void check_same(const struct manifest_change *a, const struct manifest_change *b)
{
    ck_assert_int_eq(a->is_snapshot, b->is_snapshot);
    ck_assert_int_eq(a->has_flushed, b->has_flushed);
    ck_assert_int_eq(a->has_closed, b->has_closed);
    ck_assert_mem_eq(&a->flushed, &b->flushed, sizeof a->flushed);
    ck_assert_mem_eq(&a->closed, &b->closed, sizeof a->closed);
    ck_assert_uint_eq(a->add_count, b->add_count);
    ck_assert_uint_eq(a->remove_count, b->remove_count);
    for (size_t i = 0; i < a->add_count; i++) {
        ck_assert_mem_eq(a->add[i].id, b->add[i].id, MANIFEST_ID_BYTES);
        ck_assert_int_eq(manifest_file_compare(&a->add[i], &b->add[i]), 0);
        ck_assert_uint_eq(a->add[i].footer_hash, b->add[i].footer_hash);
        ck_assert_int_eq(a->add[i].tombstone_end, b->add[i].tombstone_end);
    }
}

static struct manifest_file files[3];
static uint8_t removed[2][MANIFEST_ID_BYTES] = { { 1 }, { 1, 2 } };

static struct manifest_change sample(int which)
{
    files[0] = world_file(1, 0, -1, 5, 9);
    files[1] = world_file(2, 0, 7, 1, 4);
    files[1].tombstones = 3;
    files[1].tombstone_begin = -9;
    files[1].tombstone_end = 99;
    files[2] = world_file(3, 1, 7, 1, 4);
    struct manifest_change changes[] = {
        { .is_snapshot = true, .has_flushed = true, .has_closed = true, .flushed = { 0, 0, 1 } },
        { .is_snapshot = true,
          .has_flushed = true,
          .has_closed = true,
          .flushed = { 1, 2, 10 },
          .closed = { 3, 4, 5 },
          .add = files,
          .add_count = 3 },
        { .remove = removed, .remove_count = 2, .add = files, .add_count = 2 },
        { .has_flushed = true, .flushed = { 9, 8, 7 }, .remove = removed, .remove_count = 1 },
        { .has_closed = true, .closed = { 9, 8, 7 }, .add = files + 1, .add_count = 1 },
        { .is_snapshot = false },
    };
    return changes[which];
}

enum { SAMPLES = 6 };

START_TEST(bodies_read_back_as_written)
{
    struct manifest_change change = sample(_i), back = { .add = NULL };
    struct manifest_parts parts;
    uint64_t left = 0;
    ck_assert_int_eq(manifest_parts_encode(&parts, &change, NULL), HOLTER_OK);
    ck_assert_uint_eq(parts.count, 1);
    ck_assert_int_eq(decode(&back, &left, &parts.parts[0]), HOLTER_OK);
    ck_assert_uint_eq(left, 0);
    check_same(&change, &back);
    manifest_parts_release(&parts);
    manifest_change_release(&back);
}
END_TEST

START_TEST(other_bytes_are_refused_or_mean_themselves)
{
    struct manifest_change change = sample(_i), back = { .add = NULL };
    struct manifest_parts parts, again;
    uint8_t bytes[1024];
    ck_assert_int_eq(manifest_parts_encode(&parts, &change, NULL), HOLTER_OK);
    size_t count = parts.parts[0].count;
    ck_assert_uint_le(count, sizeof bytes);
    memcpy(bytes, parts.parts[0].bytes, count);
    for (size_t bit = 0; bit < count * 8; bit++) {
        uint64_t left = 0;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (manifest_part_decode(&back, &left, bytes, count) == HOLTER_OK && left == 0) {
            ck_assert_int_eq(manifest_parts_encode(&again, &back, NULL), HOLTER_OK);
            ck_assert_uint_eq(again.parts[0].count, count);
            ck_assert_mem_eq(again.parts[0].bytes, bytes, count);
            manifest_parts_release(&again);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t shorter = 0; shorter < count; shorter++) {
        uint64_t left = 0;
        uint8_t *exact = malloc(shorter + 1); /* so that a sanitizer sees a read beyond it */
        memcpy(exact, bytes, shorter);
        ck_assert_int_eq(manifest_part_decode(&back, &left, exact, shorter), HOLTER_CORRUPT);
        free(exact);
    }
    uint64_t left = 0;
    bytes[count] = 0;
    ck_assert_int_eq(manifest_part_decode(&back, &left, bytes, count + 1), HOLTER_CORRUPT);
    manifest_parts_release(&parts);
    manifest_change_release(&back);
}
END_TEST

START_TEST(many_files_go_in_several_parts)
{
    enum { FILES = 2 * MANIFEST_PART_FILES_MAX + 5 };
    struct manifest_change change = { .has_flushed = true,
                                      .flushed = { 1, 1, FILES + 1 },
                                      .add = calloc(FILES, sizeof *change.add),
                                      .add_count = FILES };
    struct manifest_change back = { .add = NULL };
    struct manifest_parts parts;
    uint64_t left = 0;
    for (uint32_t i = 0; i < FILES; i++) {
        change.add[i] = world_file(1, 0, -1, i + 1, i + 1);
        memcpy(change.add[i].id + 4, &i, sizeof i);
    }
    ck_assert_int_eq(manifest_parts_encode(&parts, &change, NULL), HOLTER_OK);
    ck_assert_uint_eq(parts.count, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_le(parts.parts[i].count, EDITS_BODY_BYTES_MAX);
        ck_assert_int_eq(decode(&back, &left, &parts.parts[i]), HOLTER_OK);
        ck_assert_uint_eq(left, 2 - i);
    }
    check_same(&change, &back);

    ck_assert_int_eq(decode(&back, &left, &parts.parts[1]), HOLTER_CORRUPT); /* no beginning */
    left = 0;
    ck_assert_int_eq(decode(&back, &left, &parts.parts[0]), HOLTER_OK);
    ck_assert_int_eq(decode(&back, &left, &parts.parts[2]), HOLTER_CORRUPT); /* one left out */
    left = 2;
    ck_assert_int_eq(decode(&back, &left, &parts.parts[0]), HOLTER_CORRUPT); /* begun twice */
    manifest_parts_release(&parts);
    manifest_change_release(&back);
    free(change.add);
}
END_TEST

START_TEST(counts_beyond_the_body_allocate_nothing)
{
    uint8_t bytes[64];
    struct writer w = writer_over(bytes, sizeof bytes);
    struct manifest_change back = { .add = NULL };
    uint64_t left = 0;
    put_u16(&w, MANIFEST_CHANGE);
    put_u16(&w, 0);
    put_u32(&w, UINT32_MAX);
    put_u32(&w, UINT32_MAX);
    put_zeros(&w, w.left);
    ck_assert_int_eq(manifest_part_decode(&back, &left, bytes, sizeof bytes), HOLTER_CORRUPT);
    ck_assert_uint_eq(back.add_capacity + back.remove_capacity, 0);
    manifest_change_release(&back);
}
END_TEST

START_TEST(names_go_there_and_back)
{
    char name[MANIFEST_FILE_NAME_BYTES], log[MANIFEST_LOG_NAME_BYTES];
    uint8_t id[MANIFEST_ID_BYTES] = { 0x00, 0x1f, 0xff };
    uint64_t number = 0;
    manifest_file_name(name, id);
    ck_assert_str_eq(name, "seg-001fff00000000000000000000000000");
    manifest_log_name(log, 0xfeedfacecafe0123);
    ck_assert_str_eq(log, "log-feedfacecafe0123");
    ck_assert(manifest_log_name_parse(&number, log));
    ck_assert(number == 0xfeedfacecafe0123);
    static const char *const no_names[] = { "",
                                            "log-",
                                            "log-feedfacecafe012",
                                            "log-feedfacecafe01234",
                                            "log-FEEDFACECAFE0123",
                                            "lag-feedfacecafe0123",
                                            "log-feedfacecafe012g",
                                            "log-feedfacecafe0123.tmp" };
    for (size_t i = 0; i < CORE_COUNT(no_names); i++)
        ck_assert(!manifest_log_name_parse(&number, no_names[i]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manifest_bytes");
    TCase *tests = tcase_create("bytes");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, bodies_read_back_as_written, 0, SAMPLES);
    tcase_add_loop_test(tests, other_bytes_are_refused_or_mean_themselves, 0, SAMPLES);
    tcase_add_test(tests, many_files_go_in_several_parts);
    tcase_add_test(tests, counts_beyond_the_body_allocate_nothing);
    tcase_add_test(tests, names_go_there_and_back);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
