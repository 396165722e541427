/*
 * test_tool_names.c -- the table of names gives each name one index, and flags are written as they
 * are read.
 */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "../../tools/flags.h"
#include "../../tools/names.h"

enum { MANY = 20000 };

START_TEST(name_keeps_its_index)
{
    struct names names;
    names_init(&names, (uint64_t)_i);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY; i++) {
            char text[32];
            int bytes = snprintf(text, sizeof text, "user %d", i);
            ck_assert_int_eq(names_need(&names, text, (size_t)bytes), i);
        }
    ck_assert_uint_eq(names.count, MANY);
    ck_assert_str_eq(names.items[MANY - 1].bytes, "user 19999");
    ck_assert(!names.items[0].is_known);
    ck_assert_int_eq(names_need(&names, "user 1\0x", 8), MANY); /* zero bytes count */
    names_clear(&names);
    ck_assert_int_eq(names_need(&names, "user 7", 6), 0);
    names_release(&names);
}
END_TEST

START_TEST(long_name_is_kept)
{
    struct names names;
    size_t bytes = 600000;
    char *text = malloc(bytes);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', bytes);
    names_init(&names, 1);
    ck_assert_int_eq(names_need(&names, text, bytes), 0);
    ck_assert_int_eq(names_need(&names, text, bytes - 1), 1);
    ck_assert_int_eq(names_need(&names, text, bytes), 0);
    names_release(&names);
    free(text);
}
END_TEST

static const struct {
    const char *text;
    uint16_t flags;
    const char *written; /* NULL: refused */
} flags[] = {
    { "", 0, "" },
    { "0", 0, "" },
    { "manual", 8, "manual" },
    { "out_of_range|manual|bit8", 0x109, "out_of_range|manual|bit8" },
    { "bit15|bit8", 0x8100, "bit8|bit15" },
    { "65535", 0xffff,
      "out_of_range|non_finite|anomaly|manual|bit4|bit5|bit6|bit7|bit8|bit9|bit10|bit11|bit12|"
      "bit13|bit14|bit15" },
    { "65536", 0, NULL },
    { "12x", 0, NULL },
    { "manua", 0, NULL },
    { "manual|", 8, "manual" },
    { "|manual", 0, NULL },
    { "bit16", 0, NULL },
};

START_TEST(flags_are_written_as_read)
{
    uint16_t read = 77;
    ck_assert_int_eq(flags_read(&read, flags[_i].text, strlen(flags[_i].text)),
                     flags[_i].written != NULL);
    if (flags[_i].written == NULL) {
        ck_assert_uint_eq(read, 77);
        return;
    }
    ck_assert_uint_eq(read, flags[_i].flags);
    char text[FLAGS_TEXT_BYTES_MAX];
    ck_assert_uint_eq(flags_write(text, read, "|"), strlen(flags[_i].written));
    ck_assert_str_eq(text, flags[_i].written);
}
END_TEST

static Suite *names_suite(void)
{
    Suite *suite = suite_create("tool names");
    TCase *tcase = tcase_create("names");
    tcase_add_loop_test(tcase, name_keeps_its_index, 0, 2);
    tcase_add_test(tcase, long_name_is_kept);
    tcase_add_loop_test(tcase, flags_are_written_as_read, 0, (int)(sizeof flags / sizeof flags[0]));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(names_suite());
}
