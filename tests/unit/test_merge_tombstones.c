/*
 * test_merge_tombstones.c -- tombstones hide what M2 says, coalesced or not, and survive their
 * bytes.
 *
 * Claim: coalescing changes nothing for any row, and leaves no tombstone that another one covers.
 * Method: a small world in which all rows can be tried - every time, revision, sequence, metric and
 * source that a tombstone of that world can tell apart - and random lists over it. Bytes: every
 * truncation and every flipped bit is refused, or gives a list that encodes to the same bytes.
 */
#include "merge/merge.h"
#include "alloc_fail.h"
#include "random.h"
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TIMES = 6, SCOPES = 3, LISTS = 16000 };

static const int64_t revisions[] = {
    INT64_MIN, INT64_MIN + 1, -1, 0, 1, 2, INT64_MAX - 1, INT64_MAX
};
static const uint64_t sequences[] = { 0, 1, 2, 3, UINT64_MAX - 1, UINT64_MAX };

/* ---- hiding ---------------------------------------------------------------------------------- */

static const struct {
    int64_t tombstone_revision;
    uint64_t tombstone_sequence;
    int64_t revision;
    uint64_t sequence;
    bool hides;
} rules[] = {
    { 0, 5, 0, 4, true }, /* without a revision: all of lower sequence .. */
    { 0, 5, 9, 4, true }, /* .. whatever their revision */
    { 0, 5, -9, 4, true },  { 0, 5, 0, 5, false }, /* a batch does not hide its own rows */
    { 0, 5, 0, 6, false },  { 3, 5, 2, 9, true },  /* with one: lower revisions, however late */
    { 3, 5, 0, 9, true },   { 3, 5, 3, 4, true },  /* its own revision only if earlier */
    { 3, 5, 3, 5, false },  { 3, 5, 3, 6, false }, { 3, 5, 4, 1, false }, /* a higher one never */
    { -3, 5, 0, 1, false }, /* rows without one have 0, which is higher */
    { -3, 5, -4, 9, true },
};

START_TEST(a_tombstone_hides_by_revision_and_sequence)
{
    struct tombstone t = {
        1, 1, 10, 20, rules[_i].tombstone_revision, rules[_i].tombstone_sequence
    };
    int64_t revision = rules[_i].revision;
    uint64_t sequence = rules[_i].sequence;
    ck_assert_int_eq(tombstone_hides(&t, 10, revision, sequence), rules[_i].hides);
    ck_assert_int_eq(tombstone_hides(&t, 19, revision, sequence), rules[_i].hides);
    ck_assert(!tombstone_hides(&t, 9, revision, sequence));
    ck_assert(!tombstone_hides(&t, 20, revision, sequence));
}
END_TEST

START_TEST(a_tombstone_applies_to_its_scope)
{
    struct tombstone user = { .metric = 0, .source = 0 };
    struct tombstone metric = { .metric = 2, .source = 0 };
    struct tombstone source = { .metric = 2, .source = 3 };
    ck_assert(tombstone_applies(&user, 1, 1));
    ck_assert(tombstone_applies(&metric, 2, 1));
    ck_assert(!tombstone_applies(&metric, 1, 1));
    ck_assert(tombstone_applies(&source, 2, 3));
    ck_assert(!tombstone_applies(&source, 2, 1));
    ck_assert(!tombstone_applies(&source, 3, 3));
}
END_TEST

/* ---- coalescing ------------------------------------------------------------------------------ */

static struct tombstone random_tombstone(struct random *random)
{
    struct tombstone t = { 0 };
    t.metric = (uint32_t)random_below(random, SCOPES);
    t.source = t.metric == 0 ? 0 : (uint32_t)random_below(random, SCOPES);
    t.begin = (int64_t)random_below(random, TIMES);
    t.end = t.begin + 1 + (int64_t)random_below(random, (uint64_t)(TIMES - t.begin));
    t.revision = revisions[random_below(random, CORE_COUNT(revisions))];
    if (random_below(random, 3) == 0)
        t.revision = 0;
    t.sequence = sequences[1 + random_below(random, CORE_COUNT(sequences) - 1)];
    return t;
}

static bool any_hides(const struct tombstones *t, uint32_t metric, uint32_t source, int64_t time,
                      int64_t revision, uint64_t sequence)
{
    for (size_t i = 0; i < t->count; i++) {
        if (tombstone_applies(&t->at[i], metric, source) &&
            tombstone_hides(&t->at[i], time, revision, sequence))
            return true;
    }
    return false;
}

/*
 * Whether two lists hide the same of all rows of the world; of series (0, 0): numbers no tombstone
 * names.
 */
static bool hide_alike(const struct tombstones *a, const struct tombstones *b,
                       bool only_what_b_hides)
{
    for (uint32_t metric = 1; metric <= SCOPES; metric++) {
        for (uint32_t source = 1; source <= SCOPES; source++) {
            for (size_t i = 0; i < TIMES * CORE_COUNT(revisions) * CORE_COUNT(sequences); i++) {
                int64_t time = (int64_t)(i % TIMES);
                int64_t revision = revisions[i / TIMES % CORE_COUNT(revisions)];
                uint64_t sequence = sequences[i / TIMES / CORE_COUNT(revisions)];
                bool hidden_b = any_hides(b, metric, source, time, revision, sequence);
                if (only_what_b_hides && !hidden_b)
                    continue;
                if (any_hides(a, metric, source, time, revision, sequence) != hidden_b)
                    return false;
            }
        }
    }
    return true;
}

static bool is_rising(const struct tombstone *a, const struct tombstone *b)
{
    if (a->metric != b->metric)
        return a->metric < b->metric;
    if (a->source != b->source)
        return a->source < b->source;
    if (a->begin != b->begin)
        return a->begin < b->begin;
    if (a->end != b->end)
        return a->end < b->end;
    if (a->revision != b->revision)
        return a->revision < b->revision;
    return a->sequence < b->sequence;
}

START_TEST(coalescing_changes_nothing_for_any_row)
{
    struct random random = { (uint64_t)_i };
    size_t dropped = 0;
    for (size_t list = 0; list < LISTS / 4; list++) {
        struct tombstones all, few;
        tombstones_init(&all);
        tombstones_init(&few);
        for (size_t i = random_below(&random, 9); i > 0; i--) {
            struct tombstone one = random_tombstone(&random);
            CHECK(tombstones_add(&all, &one));
            CHECK(tombstones_add(&few, &one));
        }
        if (list % 5 == 0) /* without memory it is slower, no more */
            alloc_fail_arm(0, true);
        tombstones_coalesce(&few);
        alloc_fail_disarm();
        CHECK(few.count <= all.count);
        CHECK(hide_alike(&all, &few, false));
        for (size_t i = 1; i < few.count; i++)
            CHECK(is_rising(&few.at[i - 1], &few.at[i]));
        dropped += all.count - few.count;
        tombstones_release(&all);
        tombstones_release(&few);
    }
    ck_assert_uint_gt(dropped, LISTS / 8);
}
END_TEST

START_TEST(coalescing_leaves_none_that_another_one_covers)
{
    struct random random = { 1000 + (uint64_t)_i };
    for (size_t list = 0; list < LISTS / 20; list++) {
        struct tombstones t;
        tombstones_init(&t);
        for (size_t i = random_below(&random, 7); i > 0; i--) {
            struct tombstone one = random_tombstone(&random);
            CHECK(tombstones_add(&t, &one));
        }
        tombstones_coalesce(&t);
        for (size_t i = 0; i < t.count * t.count; i++) {
            struct tombstones a = { .at = &t.at[i / t.count], .count = 1 };
            struct tombstones b = { .at = &t.at[i % t.count], .count = 1 };
            CHECK(a.at == b.at || !hide_alike(&a, &b, true));
        }
        tombstones_release(&t);
    }
}
END_TEST

START_TEST(a_re_published_night_leaves_one_tombstone)
{
    struct tombstones t;
    tombstones_init(&t);
    for (uint64_t sequence = 1; sequence <= 3000; sequence++) {
        int64_t night = (int64_t)(sequence % 1000) * 100;
        struct tombstone one = { 4, 2, night, night + 90, (int64_t)sequence, sequence };
        ck_assert(tombstones_add(&t, &one));
    }
    tombstones_coalesce(&t);
    ck_assert_uint_eq(t.count, 1000);
    for (size_t i = 0; i < t.count; i++)
        ck_assert_int_gt(t.at[i].revision, 2000);
    tombstones_release(&t);
}
END_TEST

/* ---- bytes ----------------------------------------------------------------------------------- */

static void sample_list(struct tombstones *t)
{
    static const struct tombstone list[] = {
        { 0, 0, INT64_MIN, INT64_MAX, 0, 1000 },
        { 1, 0, -5, 7, INT64_MIN, 1000 },
        { UINT32_MAX, UINT32_MAX, INT64_MAX - 1, INT64_MAX, INT64_MAX, UINT64_MAX },
        { 3, 4, 0, 86400000000000, 1700000000, 1234 },
    };
    tombstones_init(t);
    for (size_t i = 0; i < CORE_COUNT(list); i++)
        ck_assert(tombstones_add(t, &list[i]));
}

START_TEST(tombstones_come_back_from_their_bytes)
{
    struct tombstones t, back;
    struct buffer bytes;
    buffer_init(&bytes);
    sample_list(&t);
    tombstones_encode(&bytes, &t, 1000);
    tombstones_init(&back);
    struct reader r = reader_over(bytes.data, bytes.bytes);
    ck_assert_int_eq(tombstones_decode(&back, &r, 1000), HOLTER_OK);
    ck_assert(reader_is_done(&r));
    ck_assert_uint_eq(back.count, t.count);
    for (size_t i = 0; i < t.count; i++) {
        ck_assert_uint_eq(back.at[i].metric, t.at[i].metric);
        ck_assert_uint_eq(back.at[i].source, t.at[i].source);
        ck_assert_int_eq(back.at[i].begin, t.at[i].begin);
        ck_assert_int_eq(back.at[i].end, t.at[i].end);
        ck_assert_int_eq(back.at[i].revision, t.at[i].revision);
        ck_assert_uint_eq(back.at[i].sequence, t.at[i].sequence);
    }
    /* A base that lifts a sequence over 64 bits is refused, and what was there stays. */
    r = reader_over(bytes.data, bytes.bytes);
    ck_assert_int_eq(tombstones_decode(&back, &r, 1001), HOLTER_CORRUPT);
    ck_assert_uint_eq(back.count, t.count);
    tombstones_release(&t);
    tombstones_release(&back);
    buffer_release(&bytes);
}
END_TEST

START_TEST(damaged_bytes_are_refused_or_mean_themselves)
{
    struct tombstones t;
    struct buffer bytes;
    buffer_init(&bytes);
    sample_list(&t);
    tombstones_encode(&bytes, &t, 1000);
    for (size_t cut = 0; cut < bytes.bytes; cut++) {
        struct tombstones back;
        tombstones_init(&back);
        struct reader r = reader_over(bytes.data, cut);
        ck_assert_int_eq(tombstones_decode(&back, &r, 1000), HOLTER_CORRUPT);
        ck_assert_uint_eq(back.count, 0);
        tombstones_release(&back);
    }
    for (size_t bit = 0; bit < 8 * bytes.bytes; bit++) {
        struct tombstones back;
        tombstones_init(&back);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct reader r = reader_over(bytes.data, bytes.bytes);
        if (tombstones_decode(&back, &r, 1000) == HOLTER_OK) {
            struct buffer again;
            buffer_init(&again);
            tombstones_encode(&again, &back, 1000);
            ck_assert_uint_eq(again.bytes, bytes.bytes - r.left);
            ck_assert_int_eq(memcmp(again.data, bytes.data, again.bytes), 0);
            buffer_release(&again);
        }
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        tombstones_release(&back);
    }
    tombstones_release(&t);
    buffer_release(&bytes);
}
END_TEST

static const struct {
    uint8_t bytes[24];
    size_t count;
} refused[] = {
    { { 1, 0, 1, 0, 1, 0, 0 }, 7 },                             /* a source of every metric */
    { { 1, 1, 1, 0, 0, 0, 0 }, 7 },                             /* an empty span */
    { { 2, 1, 1, 0, 1, 0, 0 }, 7 },                             /* more than the bytes could hold */
    { { 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 1, 0, 0 }, 11 }, /* metric 2^32 */
    { { 1, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 1, 0, 0 }, 11 }, /* source 2^32 */
    { { 1, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0 },
      16 },                               /* over the end */
    { { 1, 1, 1, 0x80, 0, 1, 0, 0 }, 8 }, /* an over-long varint */
};

START_TEST(what_no_encoder_writes_is_refused)
{
    struct tombstones back;
    tombstones_init(&back);
    struct reader r = reader_over(refused[_i].bytes, refused[_i].count);
    ck_assert_int_eq(tombstones_decode(&back, &r, 0), HOLTER_CORRUPT);
    tombstones_release(&back);
}
END_TEST

static size_t parse_hex(uint8_t *out, const char *hex)
{
    size_t count = 0;
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[count++] = (uint8_t)byte;
    return count;
}

/* Those of kind "tombstones"; others have no line of that name, so they are passed over. */
START_TEST(the_vectors_of_the_format_page_hold)
{
    FILE *file = fopen("format-spec/vectors/columns.txt", "r");
    ck_assert_msg(file != NULL, "run from the top of the tree");
    static char line[8192];
    static uint8_t bytes[sizeof line];
    size_t byte_count = 0, lists = 0, tombstone_count = 0;
    uint64_t base = 0;
    struct tombstones t;
    tombstones_init(&t);
    bool is_list = false;
    for (bool is_last = false; !is_last;) {
        struct tombstone one;
        is_last = fgets(line, sizeof line, file) == NULL;
        if (is_last || line[0] == '\n') {
            struct buffer again;
            buffer_init(&again);
            tombstones_encode(&again, &t, base);
            if (is_list) {
                lists++;
                tombstone_count += t.count;
                ck_assert_uint_eq(again.bytes, byte_count);
                ck_assert_int_eq(memcmp(again.data, bytes, byte_count), 0);
                struct reader r = reader_over(bytes, byte_count);
                ck_assert_int_eq(tombstones_decode(&t, &r, base), HOLTER_OK);
                ck_assert(reader_is_done(&r));
            }
            buffer_release(&again);
            is_list = false;
            t.count = 0;
        } else if (strncmp(line, "kind ", 5) == 0) {
            is_list = strcmp(line + 5, "tombstones\n") == 0;
        } else if (strncmp(line, "bytes ", 6) == 0) {
            byte_count = parse_hex(bytes, line + 6);
        } else if (sscanf(line, "sequence_base %" SCNu64, &base) == 1) {
            ck_assert(is_list);
        } else if (sscanf(line,
                          "tombstone %" SCNu32 " %" SCNu32 " %" SCNd64 " %" SCNd64 " %" SCNd64
                          " %" SCNu64,
                          &one.metric, &one.source, &one.begin, &one.end, &one.revision,
                          &one.sequence) == 6) {
            ck_assert(tombstones_add(&t, &one));
        }
    }
    ck_assert_uint_eq(lists, 3);
    ck_assert_uint_eq(tombstone_count, 4);
    tombstones_release(&t);
    fclose(file);
}
END_TEST

START_TEST(decoding_without_memory_changes_nothing)
{
    struct tombstones t;
    struct buffer bytes;
    buffer_init(&bytes);
    sample_list(&t);
    tombstones_encode(&bytes, &t, 0);
    struct reader r = reader_over(bytes.data, bytes.bytes);
    size_t count = t.count;
    for (size_t i = 0; i < 3; i++) { /* until the list is full: the next needs memory */
        struct tombstone one = t.at[0];
        ck_assert(tombstones_add(&t, &one));
        count++;
    }
    alloc_fail_arm(0, true);
    holter_status status = tombstones_decode(&t, &r, 0);
    ck_assert(alloc_fail_disarm());
    ck_assert_int_eq(status, HOLTER_NO_MEMORY);
    ck_assert_uint_eq(t.count, count);
    tombstones_release(&t);
    buffer_release(&bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merge_tombstones");
    TCase *tcase = tcase_create("tombstones");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_tombstone_hides_by_revision_and_sequence, 0, CORE_COUNT(rules));
    tcase_add_test(tcase, a_tombstone_applies_to_its_scope);
    tcase_add_loop_test(tcase, coalescing_changes_nothing_for_any_row, 0, 4);
    tcase_add_loop_test(tcase, coalescing_leaves_none_that_another_one_covers, 0, 4);
    tcase_add_test(tcase, a_re_published_night_leaves_one_tombstone);
    tcase_add_test(tcase, tombstones_come_back_from_their_bytes);
    tcase_add_test(tcase, damaged_bytes_are_refused_or_mean_themselves);
    tcase_add_loop_test(tcase, what_no_encoder_writes_is_refused, 0, CORE_COUNT(refused));
    tcase_add_test(tcase, the_vectors_of_the_format_page_hold);
    tcase_add_test(tcase, decoding_without_memory_changes_nothing);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
