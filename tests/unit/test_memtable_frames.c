/*
 * test_memtable_frames.c -- a memtable gives each frame of a user once, in order, and to whoever
 * holds it.
 *
 * Claim: what was added is what users and their frames tell, between any sequences and times;
 * truncating and leaving out what was flushed keep the rest; a memtable that somebody holds stays as it was. Method: a
 * seeded run of all calls against a plain array of frames, and the edges one by one.
 */
#include "memtable_world.h"

static const struct memtable_filter everything = { .from = INT64_MIN, .to = INT64_MAX };

START_TEST(an_empty_memtable_has_nothing)
{
    struct memtable *memtable = world_memtable();
    struct memtable *after;
    uint64_t *users;
    struct memtable_frame **frames;
    size_t count = 9;
    ck_assert_uint_eq(memtable_bytes(memtable), 0);
    ck_assert_uint_eq(memtable_frame_count(memtable), 0);
    ck_assert_uint_eq(memtable_sequence_first(memtable), UINT64_MAX);
    ck_assert_int_eq(memtable_users(&users, &count, memtable, UINT64_MAX, NULL), HOLTER_OK);
    ck_assert_uint_eq(count, 0);
    free(users);
    count = 9;
    ck_assert_int_eq(memtable_user(&frames, &count, memtable, 5, 0, UINT64_MAX, &everything, NULL),
                     HOLTER_OK);
    ck_assert_uint_eq(count, 0);
    memtable_frames_free(frames, count);
    memtable_truncate(memtable, 0);
    ck_assert_int_eq(memtable_after(&after, memtable, 0, NULL), HOLTER_OK);
    ck_assert_uint_eq(memtable_frame_count(after), 0);
    memtable_unref(after);
    memtable_unref(memtable);
    memtable_unref(NULL);
    memtable_frame_unref(NULL);
}
END_TEST

START_TEST(a_frame_tells_what_was_read)
{
    struct wal_body *body = world_body();
    world_body_rows(body, 1, 1, 100, 5, 0, 42);
    struct wal_frame_read read = { .sequence = 42,
                                   .user = 8,
                                   .key_generation = 2,
                                   .flags = WAL_LINK_GOES_ON,
                                   .file = 3,
                                   .offset = 8192 };
    struct memtable_frame *frame;
    struct memtable_body known;
    struct buffer bytes;
    world_encode(&known, &bytes, body);
    ck_assert_int_eq(memtable_frame_new(&frame, &read, 41, &known, NULL), HOLTER_OK);
    ck_assert_uint_eq(frame->sequence, 42);
    ck_assert_uint_eq(frame->first_sequence, 41);
    ck_assert_uint_eq(frame->user, 8);
    ck_assert_uint_eq(frame->key_generation, 2);
    ck_assert_uint_eq(frame->flags, WAL_LINK_GOES_ON);
    ck_assert_uint_eq(frame->file, 3);
    ck_assert_uint_eq(frame->offset, 8192);
    ck_assert(frame->is_open);
    ck_assert_mem_eq(frame->body, bytes.data, bytes.bytes);
    ck_assert_uint_eq(frame->body_bytes, bytes.bytes);
    ck_assert_int_eq(frame->begin_min, 100);
    ck_assert_int_eq(frame->begin_max, 140);
    ck_assert_uint_ge(frame->bytes, 5 * 3 * sizeof(int64_t));
    ck_assert_ptr_eq(memtable_frame_ref(frame), frame);
    memtable_frame_unref(frame);
    ck_assert_mem_eq(frame->body, bytes.data, bytes.bytes); /* still there */
    memtable_frame_unref(frame);
    memtable_body_release(&known);
    buffer_release(&bytes);
}
END_TEST

START_TEST(a_tailed_frame_is_kept_as_it_was_sealed)
{
    uint8_t sealed[100];
    memset(sealed, 7, sizeof sealed);
    struct wal_frame_read read = { .sequence = 42,
                                   .user = 8,
                                   .key_generation = 2,
                                   .flags = WAL_LINK_MORE,
                                   .sealed = sealed,
                                   .sealed_bytes = sizeof sealed,
                                   .file = 3,
                                   .offset = 8192,
                                   .log_id = { 1, 2, 3 } };
    struct memtable_frame *frame, *bare;
    ck_assert_int_eq(memtable_frame_new_tailed(&frame, &read, 41, true, NULL), HOLTER_OK);
    ck_assert_int_eq(memtable_frame_new_tailed(&bare, &read, 41, false, NULL), HOLTER_OK);
    ck_assert(!frame->is_open);
    ck_assert_ptr_null(bare->sealed);
    ck_assert_uint_eq(frame->first_sequence, 41);
    ck_assert_uint_eq(frame->bytes, bare->bytes + sizeof sealed);
    struct wal_frame_read again = memtable_frame_sealed(frame);
    ck_assert_mem_eq(again.sealed, sealed, sizeof sealed);
    ck_assert_ptr_ne(again.sealed, sealed);
    again.sealed = sealed;
    ck_assert_mem_eq(&again, &read, sizeof read);
    memtable_frame_unref(frame);
    memtable_frame_unref(bare);
}
END_TEST

START_TEST(deletions_count_as_memory)
{
    struct wal_body *body = world_body();
    struct memtable_frame *bare = world_frame(1, 1, NULL);
    for (int i = 0; i < 8; i++)
        world_body_tombstone(body, 1, 1, i, i + 1, 0);
    struct memtable_frame *frame = world_frame(1, 1, body);
    ck_assert_uint_ge(frame->bytes, bare->bytes + 8 * 5);
    memtable_frame_unref(frame);
    memtable_frame_unref(bare);
}
END_TEST

START_TEST(truncating_all_lets_lower_sequences_come_again)
{
    struct memtable *memtable = world_memtable();
    for (uint64_t s = 10; s < 20; s++)
        world_add(memtable, s, 1 + s % 3);
    memtable_truncate(memtable, 10);
    ck_assert_uint_eq(memtable_frame_count(memtable), 0);
    ck_assert_uint_eq(memtable_bytes(memtable), 0);
    ck_assert_uint_eq(memtable_sequence_first(memtable), UINT64_MAX);
    world_add(memtable, 4, 77);
    ck_assert_uint_eq(memtable_sequence_first(memtable), 4);
    world_add(memtable, 12, 1);
    memtable_truncate(memtable, 5);
    ck_assert_uint_eq(memtable_frame_count(memtable), 1);
    world_add(memtable, 5, 1); /* the next after the one that stayed */
    ck_assert_uint_eq(memtable_frame_count(memtable), 2);
    memtable_unref(memtable);
}
END_TEST

START_TEST(frames_are_shared_and_outlive_their_memtables)
{
    struct memtable *old = world_memtable();
    struct memtable *new;
    struct memtable_frame **frames;
    size_t count;
    for (uint64_t s = 1; s <= 6; s++)
        world_add(old, s, 5);
    ck_assert_int_eq(memtable_after(&new, old, 4, NULL), HOLTER_OK);
    ck_assert_uint_eq(memtable_frame_count(new), 3);
    ck_assert_uint_eq(memtable_sequence_first(new), 4);
    ck_assert_uint_eq(memtable_frame_count(old), 6);
    ck_assert_uint_eq(memtable_bytes(old), 2 * memtable_bytes(new));

    /* The old one, which a snapshot holds, is not told of what is added to the new one. */
    ck_assert_ptr_eq(memtable_ref(old), old);
    world_add(new, 7, 5);
    memtable_unref(old);
    ck_assert_int_eq(memtable_user(&frames, &count, old, 5, 0, UINT64_MAX, &everything, NULL),
                     HOLTER_OK);
    ck_assert_uint_eq(count, 6);
    memtable_unref(old);
    memtable_unref(new);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(frames[i]->sequence, i + 1);
    memtable_frames_free(frames, count);
}
END_TEST

/* ---- against a plain array ------------------------------------------------------------------- */

enum { PLAIN_MAX = 4096, PLAIN_USERS = 200, PLAIN_BUSY = 4 };

struct plain {
    uint64_t sequence[PLAIN_MAX], user[PLAIN_MAX];
    bool is_open[PLAIN_MAX];
    int64_t begin[PLAIN_MAX],
        end[PLAIN_MAX]; /* of its rows; everything: of those that may not be left out */
    size_t count;
};

static uint64_t plain_user(struct random *random)
{
    /* Many that fall on one slot of the table; a few that have hundreds of frames. */
    uint64_t number =
        1 + random_below(random, random_below(random, 3) > 0 ? PLAIN_BUSY : PLAIN_USERS);
    return number % 2 == 0 ? number << 32 : number;
}

/* A frame with rows, mostly later than those before, or with a deletion, or without a body. */
static void plain_add(struct plain *plain, struct memtable *memtable, struct random *random,
                      uint64_t sequence, uint64_t user)
{
    static const int64_t unopened[] = { 1, 40, 8 };
    /* Hundreds of frames of one kind, and then of another. */
    int64_t choice = (int64_t)random_below(random, 40);
    size_t at = plain->count++;
    bool is_open = choice >= unopened[sequence / 500 % CORE_COUNT(unopened)];
    struct wal_body *body = is_open ? world_body() : NULL;
    int64_t begin = (int64_t)sequence * 10 - (int64_t)random_below(random, 300);
    plain->is_open[at] = body != NULL;
    plain->user[at] = user;
    plain->sequence[at] = sequence;
    bool has_deletion = is_open && choice % 20 == 1;
    plain->begin[at] = is_open && !has_deletion ? begin : INT64_MIN;
    plain->end[at] = is_open && !has_deletion ? begin + 21 : INT64_MAX;
    if (is_open)
        world_body_rows(body, 1, 1, begin, 3, 0, sequence);
    if (has_deletion)
        world_body_tombstone(body, 1, 1, 0, 1, 0);
    struct memtable_frame *frame = world_frame(sequence, user, body);
    CHECK(memtable_add(memtable, frame, NULL) == HOLTER_OK);
    memtable_frame_unref(frame);
}

/* A frame is opened and offered; it stays if it was there unopened. */
static void plain_keep(struct plain *plain, struct memtable *memtable, uint64_t sequence,
                       uint64_t user)
{
    struct wal_body *body = world_body();
    size_t before = memtable_bytes(memtable);
    world_body_rows(body, 1, 1, (int64_t)sequence, 2, 0, sequence);
    struct memtable_frame *frame = world_frame(sequence, user, body);
    memtable_keep(memtable, frame);
    bool is_kept = memtable_bytes(memtable) != before;
    for (size_t p = 0; p < plain->count; p++) {
        if (plain->sequence[p] != sequence || plain->user[p] != user || plain->is_open[p])
            continue;
        CHECK(is_kept);
        is_kept = false;
        plain->is_open[p] = true;
        plain->begin[p] = (int64_t)sequence;
        plain->end[p] = (int64_t)sequence + 11;
    }
    CHECK(!is_kept);
    memtable_frame_unref(frame);
}

static void compare_ranges(const struct memtable *memtable, const struct plain *plain,
                           uint64_t user, uint64_t begin, uint64_t end, int64_t from, int64_t to)
{
    struct memtable_filter filter = { .from = from, .to = to };
    struct memtable_frame **frames;
    size_t count, expected = 0;
    CHECK(memtable_user(&frames, &count, memtable, user, begin, end, &filter, NULL) == HOLTER_OK);
    for (size_t p = 0; p < plain->count; p++) {
        if (plain->user[p] != user || plain->sequence[p] < begin || plain->sequence[p] >= end ||
            plain->begin[p] >= to || plain->end[p] <= from)
            continue;
        CHECK(expected < count && frames[expected]->sequence == plain->sequence[p]);
        CHECK(frames[expected]->user == user);
        expected++;
    }
    CHECK(expected == count);
    memtable_frames_free(frames, count);
}

static void compare(const struct memtable *memtable, const struct plain *plain, uint64_t user,
                    uint64_t end)
{
    uint64_t *users;
    size_t count;
    CHECK(memtable_users(&users, &count, memtable, end, NULL) == HOLTER_OK);
    for (size_t i = 0; i < count; i++) {
        bool is_there = false;
        CHECK(i == 0 || users[i - 1] < users[i]);
        for (size_t p = 0; p < plain->count && !is_there; p++)
            is_there = plain->user[p] == users[i] && plain->sequence[p] < end;
        CHECK(is_there);
    }
    for (size_t p = 0; p < plain->count; p++) {
        bool is_listed = plain->sequence[p] >= end;
        for (size_t i = 0; i < count && !is_listed; i++)
            is_listed = users[i] == plain->user[p];
        CHECK(is_listed);
    }
    free(users);
    int64_t last = plain->count > 0 ? 10 * (int64_t)plain->sequence[plain->count - 1] : 0;
    compare_ranges(memtable, plain, user, 0, end, INT64_MIN, INT64_MAX);
    compare_ranges(memtable, plain, user, end / 2, end, INT64_MIN, INT64_MAX);
    compare_ranges(memtable, plain, user, 0, end, last - 100, INT64_MAX);
    compare_ranges(memtable, plain, user, 0, end, last / 2, last / 2 + 50);
    compare_ranges(memtable, plain, user, 0, end, INT64_MIN, last / 4);
    CHECK(memtable_frame_count(memtable) == plain->count);
    CHECK(memtable_sequence_first(memtable) ==
          (plain->count > 0 ? plain->sequence[0] : UINT64_MAX));
}

static void plain_after(struct plain *plain, uint64_t sequence)
{
    size_t kept = 0;
    for (size_t p = 0; p < plain->count; p++) {
        if (plain->sequence[p] >= sequence) {
            plain->sequence[kept] = plain->sequence[p];
            plain->is_open[kept] = plain->is_open[p];
            plain->begin[kept] = plain->begin[p];
            plain->end[kept] = plain->end[p];
            plain->user[kept++] = plain->user[p];
        }
    }
    plain->count = kept;
}

START_TEST(any_run_of_calls_answers_as_a_plain_array)
{
    struct random random = { .state = (uint64_t)_i + 1 };
    struct memtable *memtable = world_memtable();
    struct plain *plain = calloc(1, sizeof *plain);
    ck_assert_ptr_nonnull(plain);
    uint64_t next = 1;
    for (int step = 0; step < 3000; step++) {
        uint64_t choice = random_below(&random, 100);
        uint64_t at = plain->count == 0 ? next
                                        : plain->sequence[0] +
                                              random_below(&random, next - plain->sequence[0] + 2);
        if (choice < 90 && plain->count < PLAIN_MAX) {
            next += random_below(&random, 3);
            plain_add(plain, memtable, &random, next++, plain_user(&random));
        } else if (choice < 91) {
            for (int tries = 0; tries < 20 && plain->count > 0; tries++) {
                size_t p = random_below(&random, plain->count);
                plain_keep(plain, memtable, plain->sequence[p], plain->user[p]);
            }
            plain_keep(plain, memtable, at, plain_user(&random));
        } else if (choice < 92) {
            struct memtable *after;
            CHECK(memtable_after(&after, memtable, at, NULL) == HOLTER_OK);
            memtable_unref(memtable);
            memtable = after;
            plain_after(plain, at);
        } else if (choice < 94) {
            at = next > 20 ? next - random_below(&random, 20) : next;
            memtable_truncate(memtable, at);
            while (plain->count > 0 && plain->sequence[plain->count - 1] >= at)
                plain->count--;
            next = plain->count > 0 ? plain->sequence[plain->count - 1] + 1 : at;
        } else {
            compare(memtable, plain, plain_user(&random), choice < 97 ? at : UINT64_MAX);
        }
    }
    compare(memtable, plain, plain_user(&random), UINT64_MAX);
    memtable_unref(memtable);
    free(plain);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memtable_frames");
    TCase *tcase = tcase_create("frames");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, an_empty_memtable_has_nothing);
    tcase_add_test(tcase, a_frame_tells_what_was_read);
    tcase_add_test(tcase, a_tailed_frame_is_kept_as_it_was_sealed);
    tcase_add_test(tcase, deletions_count_as_memory);
    tcase_add_test(tcase, truncating_all_lets_lower_sequences_come_again);
    tcase_add_test(tcase, frames_are_shared_and_outlive_their_memtables);
    tcase_add_loop_test(tcase, any_run_of_calls_answers_as_a_plain_array, 0, 8);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
