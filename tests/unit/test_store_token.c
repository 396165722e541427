/*
 * test_store_token.c -- a token comes back as it was given, and is refused where anything of it is changed.
 *
 * Fields are forged under a checksum that fits, too. Bytes: format-spec/feed.md.
 */
#include "run.h"
#include "store/store_impl.h"

#include <stdio.h>
#include <string.h>

static struct wal_bookmark shards[] = {
    { .place = { .sequence = 1 } },
    { .place = { .file = 7, .offset = 4096, .sequence = 300 }, .log = 0xfffefdfc },
    { .place = { .file = UINT64_MAX, .offset = 1 << 30, .sequence = UINT64_MAX }, .log = 0 },
};
static const struct store_token told = { .store_id = { 9, 8, 7 },
                                         .users = 1000,
                                         .erased_users = 3,
                                         .shards = shards,
                                         .shard_count = CORE_COUNT(shards) };
static holter_error err;

static char *encoded(void)
{
    char *text;
    ck_assert_int_eq(store_token_encode(&text, &told, &err), HOLTER_OK);
    return text;
}

START_TEST(a_token_comes_back_as_it_was_given)
{
    struct store_token found;
    char *text = encoded();
    ck_assert_str_eq(text, "0109080700000000000000000000000000"
                           "e8070303"
                           "00000100000000"
                           "0701ac02fcfdfeff"
                           "ffffffffffffffffff01808010ffffffffffffffffff0100000000"
                           "7594f15488af4b94");
    ck_assert_int_eq(store_token_decode(&found, text, &err), HOLTER_OK);
    ck_assert_mem_eq(found.store_id, told.store_id, sizeof told.store_id);
    ck_assert_uint_eq(found.users, told.users);
    ck_assert_uint_eq(found.erased_users, told.erased_users);
    ck_assert_uint_eq(found.shard_count, told.shard_count);
    for (size_t i = 0; i < found.shard_count; i++) {
        ck_assert_uint_eq(found.shards[i].place.file, shards[i].place.file);
        ck_assert_uint_eq(found.shards[i].place.offset, shards[i].place.offset);
        ck_assert_uint_eq(found.shards[i].place.sequence, shards[i].place.sequence);
        ck_assert_uint_eq(found.shards[i].log, shards[i].log);
    }
    store_token_release(&found);
    free(text);
}
END_TEST

/* Bytes before the checksum, as hexadecimal digits; it is put behind them. */
static holter_status read_forged(const char *digits)
{
    uint8_t bytes[256];
    char text[2 * sizeof bytes];
    size_t count = strlen(digits) / 2;
    struct store_token found = { .users = 77 };
    for (size_t i = 0; i < count; i++) {
        unsigned byte;
        ck_assert_int_eq(sscanf(digits + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    struct writer w = writer_over(bytes + count, 8);
    put_u64(&w, hash64(bytes, count));
    hex_encode(text, bytes, count + 8);
    err = (holter_error){ 0 };
    holter_status status = store_token_decode(&found, text, &err);
    if (status == HOLTER_OK) {
        store_token_release(&found);
    } else {
        ck_assert_int_eq(err.status, status);
        ck_assert(err.message[0] != '\0');
        ck_assert_uint_eq(found.users, 77); /* outputs stay untouched */
    }
    return status;
}

#define ID "00000000000000000000000000000000"
static const struct {
    const char *digits;
    holter_status status;
} forged[] = {
    { "01" ID "000001"
      "00000100000000",
      HOLTER_OK },
    { "01" ID "000000", HOLTER_OK },
    { "00" ID "000000", HOLTER_INVALID },                   /* no version */
    { "02" ID "000000", HOLTER_UNSUPPORTED },               /* a later one */
    { "01" ID "00000000", HOLTER_INVALID },                 /* a byte too many */
    { "01" ID "0000", HOLTER_INVALID },                     /* .. and too few */
    { "01" ID "0000ffffffffffffffffff01", HOLTER_INVALID }, /* more shards than bytes */
    { "01" ID "80000000", HOLTER_INVALID },                 /* a varint that is over-long */
    { "01" ID "00000100000000000000", HOLTER_INVALID },     /* sequence 0 */
    { "01" ID "00000100000200000000", HOLTER_INVALID },     /* no file, and a sequence */
    { "01" ID "00000100010100000000", HOLTER_INVALID },     /* .. and a page */
    { "01" ID "00000100000101000000", HOLTER_INVALID },     /* .. and a log */
    { "01" ID "00000105000100000000", HOLTER_INVALID },     /* a file's header page */
    { "01" ID "0000010581801001"
      "00000000",
      HOLTER_INVALID }, /* beyond the largest file */
    { "01" ID "0000010580801001"
      "00000000",
      HOLTER_OK }, /* at its end */
};

START_TEST(a_token_that_means_nothing_is_refused)
{
    ck_assert_int_eq(read_forged(forged[_i].digits), forged[_i].status);
}
END_TEST

static const char *const no_tokens[] = { "", "0", "00", "no token", "01xx", "0A", "\xc3\xa4" };

START_TEST(a_text_that_is_no_token_is_refused)
{
    struct store_token found;
    ck_assert_int_eq(store_token_decode(&found, no_tokens[_i], &err), HOLTER_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store: tokens of the change feed");
    TCase *tests = tcase_create("tokens");
    tcase_add_test(tests, a_token_comes_back_as_it_was_given);
    tcase_add_loop_test(tests, a_token_that_means_nothing_is_refused, 0, CORE_COUNT(forged));
    tcase_add_loop_test(tests, a_text_that_is_no_token_is_refused, 0, CORE_COUNT(no_tokens));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
