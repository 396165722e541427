/*
 * test_tool_csv.c -- the CSV reader gives RFC 4180's records, and a sentence for what is none.
 *
 * Every text is read in pieces of 1, 2, 3, 7 and all bytes: where a read ends must change nothing.
 * Records are written down as "line:field|field", bad ones as "line!", what is binary as "line?",
 * and compared as one string.
 */
#include "random.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "../../tools/csv.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct source {
    const char *bytes;
    size_t count, at, piece_bytes;
    size_t broken_at; /* SIZE_MAX: never */
};

static bool source_read(void *context, void *out, size_t room, size_t *got)
{
    struct source *source = context;
    if (source->at >= source->broken_at)
        return false;
    size_t bytes = source->count - source->at;
    bytes = bytes < source->piece_bytes ? bytes : source->piece_bytes;
    bytes = bytes < room ? bytes : room;
    memcpy(out, source->bytes + source->at, bytes);
    source->at += bytes;
    *got = bytes;
    return true;
}

static void record_write(char *out, size_t room, const struct csv *csv)
{
    size_t at = strlen(out);
    at += (size_t)snprintf(out + at, room - at, "%llu:", (unsigned long long)csv_line(csv));
    for (size_t i = 0; i < csv_field_count(csv); i++)
        at += (size_t)snprintf(out + at, room - at, "%s%.*s", i == 0 ? "" : "|",
                               (int)csv_fields(csv)[i].count, csv_fields(csv)[i].bytes);
    snprintf(out + at, room - at, ";");
}

static void read_all(char *out, size_t room, struct source *source)
{
    static struct csv *csv; /* AddressSanitizer takes milliseconds to make one */
    if (csv == NULL)
        csv = csv_new();
    ck_assert_ptr_nonnull(csv);
    csv_begin(csv, NULL, source_read, source);
    out[0] = '\0';
    for (;;) {
        enum csv_result result = csv_next(csv);
        if (result == CSV_END)
            break;
        if (result == CSV_RECORD) {
            record_write(out, room, csv);
            continue;
        }
        size_t at = strlen(out);
        snprintf(out + at, room - at, "%llu%s;", (unsigned long long)csv_line(csv),
                 result == CSV_BAD      ? "!"
                 : result == CSV_BINARY ? "?"
                                        : "x");
        if (result == CSV_BROKEN)
            break;
        ck_assert_ptr_nonnull(strstr(csv_problem(csv), "found "));
        ck_assert_ptr_nonnull(strstr(csv_problem(csv), ", expected "));
    }
}

static const struct {
    const char *text;
    const char *records;
} cases[] = {
    { "", "" },
    { "\n\r\n\n", "" },
    { "a", "1:a;" },
    { "a\n", "1:a;" },
    { "a,b\r\n1,2\r\n", "1:a|b;2:1|2;" },
    { "a,b\n1,2", "1:a|b;2:1|2;" },
    { "a,\n,\n", "1:a|;2:|;" },
    { "a,", "1:a|;" },
    { "\xef\xbb\xbf"
      "a,b\n1,2\n",
      "1:a|b;2:1|2;" },
    { "\xef\xbb\xbf", "" },
    { "\xef\xbb\xbf\n\nx\n", "3:x;" },
    { "a\n\n\nb\n", "1:a;4:b;" },
    { "\"a\",\"b\"\n\"1\",2\n", "1:a|b;2:1|2;" },
    { "\"a,b\",c\n", "1:a,b|c;" },
    { "\"a\"\"b\",\"\"\"\"\n", "1:a\"b|\";" },
    { "\"\"\n\"\",\"\"\n", "1:;2:|;" },
    { "\"a\nb\",c\nd,e\n", "1:a\nb|c;3:d|e;" },
    { "\"a\r\nb\"\r\nd\r\n", "1:a\r\nb;3:d;" },
    { "\"a\"", "1:a;" },
    { "\"a\"\r", "1:a;" },
    { "a\r", "1:a;" },
    { "a\rb\nc\n", "1:a\rb;2:c;" },
    { "a\n\tb c \n", "1:a;2:\tb c ;" },
    { "a\nb\"c\nd\n", "1:a;2!;3:d;" },
    { "a\n\"b\"c\nd\n", "1:a;2!;3:d;" },
    { "a\n\"b\" ,c\nd\n", "1:a;2!;3:d;" },
    { "a\n\"b\r,c\nd\n", "1:a;2!;3:d;" },
    { "a\n\"b\"\rc\nd\n", "1:a;2!;3:d;" },
    { "a\n\"never closed\nd\ne", "1:a;2!;3:d;4:e;" },
    { "a\nb\n\"", "1:a;2:b;3!;" },
    { "a\x01"
      "b\nc\n",
      "1?;" },
    { "\x1f\x8b\x08\n", "1?;" },
    { "a\nb\x01\n", "1:a;2:b\x01;" },
};

static const size_t pieces[] = { 1, 2, 3, 7, 1000 };

START_TEST(records_are_those_of_rfc_4180)
{
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct source source = { cases[_i].text, strlen(cases[_i].text), 0, pieces[i], SIZE_MAX };
        char records[256];
        read_all(records, sizeof records, &source);
        ck_assert_str_eq(records, cases[_i].records);
    }
}
END_TEST

START_TEST(zero_byte_is_binary)
{
    static const char *const places[] = { "a,b\n1,\0002\nc\n", "a,b\n1,\"\0002\"\nc\n" };
    static const size_t bytes[] = { 12, 14 };
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct source source = { places[_i], bytes[_i], 0, pieces[i], SIZE_MAX };
        char records[256];
        read_all(records, sizeof records, &source);
        ck_assert_str_eq(records, "1:a|b;2?;");
    }
}
END_TEST

START_TEST(broken_stream_is_told)
{
    struct source source = { "a\nb\nc\n", 6, 0, 2, 4 };
    char records[256];
    read_all(records, sizeof records, &source);
    ck_assert_str_eq(records, "1:a;2:b;3x;");
}
END_TEST

/* Texts of the bytes that matter, at random: where a read ends changes nothing, and every record is
   within its text. */
START_TEST(pieces_change_nothing)
{
    static const char alphabet[] = "aa,,\"\"\n\n\r\xef\xbb\xbf\0\1";
    struct random random = { (uint64_t)_i + 1 };
    for (int round = 0; round < 2000; round++) {
        char text[40];
        char whole[1024], parts[1024];
        size_t bytes = random_below(&random, sizeof text);
        for (size_t i = 0; i < bytes; i++)
            text[i] = alphabet[random_below(&random, sizeof alphabet - 1)];
        struct source source = { text, bytes, 0, 1000, SIZE_MAX };
        read_all(whole, sizeof whole, &source);
        for (size_t i = 0; i < 4; i++) {
            source = (struct source){ text, bytes, 0, pieces[i], SIZE_MAX };
            read_all(parts, sizeof parts, &source);
            ck_assert_str_eq(parts, whole);
        }
    }
}
END_TEST

/* A line at the limit is read, one byte more is not; the line after either is. */
START_TEST(line_limit_is_exact)
{
    size_t line_bytes = CSV_LINE_BYTES_MAX + (size_t)_i; /* with its end */
    size_t bytes = 2 + line_bytes + 2;
    char *text = malloc(bytes);
    ck_assert_ptr_nonnull(text);
    memcpy(text, "h\n", 2);
    memset(text + 2, 'x', line_bytes);
    text[2 + line_bytes - 1] = '\n';
    memcpy(text + 2 + line_bytes, "z\n", 2);
    static const size_t large_pieces[] = { 1000, 65536, 100000000 };
    for (size_t i = 0; i < COUNT(large_pieces); i++) {
        struct source source = { text, bytes, 0, large_pieces[i], SIZE_MAX };
        struct csv *csv = csv_new();
        csv_begin(csv, NULL, source_read, &source);
        ck_assert_int_eq(csv_next(csv), CSV_RECORD);
        ck_assert_int_eq(csv_next(csv), _i == 0 ? CSV_RECORD : CSV_BAD);
        ck_assert_uint_eq(csv_line(csv), 2);
        ck_assert_int_eq(csv_next(csv), CSV_RECORD);
        ck_assert_uint_eq(csv_line(csv), 3);
        ck_assert_int_eq(csv_fields(csv)[0].bytes[0], 'z');
        ck_assert_int_eq(csv_next(csv), CSV_END);
        csv_free(csv);
    }
    free(text);
}
END_TEST

/* Looked at anew after each byte, a record of this length would take 5 * 10^11 steps. */
START_TEST(long_record_in_reads_of_a_byte_is_read_once_or_twice)
{
    char *text = malloc(CSV_LINE_BYTES_MAX);
    ck_assert_ptr_nonnull(text);
    memset(text, 'z', CSV_LINE_BYTES_MAX);
    text[CSV_LINE_BYTES_MAX - 1] = '\n';
    struct source source = { text, CSV_LINE_BYTES_MAX, 0, 1, SIZE_MAX };
    struct csv *csv = csv_new();
    ck_assert_ptr_nonnull(csv);
    csv_begin(csv, NULL, source_read, &source);
    ck_assert_int_eq(csv_next(csv), CSV_RECORD);
    ck_assert_uint_eq(csv_fields(csv)[0].count, CSV_LINE_BYTES_MAX - 1);
    ck_assert_int_eq(csv_next(csv), CSV_END);
    csv_free(csv);
    free(text);
}
END_TEST

START_TEST(column_limit_is_exact)
{
    size_t columns = CSV_COLUMNS_MAX + (size_t)_i;
    char *text = malloc(columns);
    ck_assert_ptr_nonnull(text);
    memset(text, ',', columns);
    text[columns - 1] = '\n';
    struct source source = { text, columns, 0, 100, SIZE_MAX };
    struct csv *csv = csv_new();
    csv_begin(csv, NULL, source_read, &source);
    ck_assert_int_eq(csv_next(csv), _i == 0 ? CSV_RECORD : CSV_BAD);
    if (_i == 0)
        ck_assert_uint_eq(csv_field_count(csv), CSV_COLUMNS_MAX);
    ck_assert_int_eq(csv_next(csv), CSV_END);
    csv_free(csv);
    free(text);
}
END_TEST

static Suite *csv_suite(void)
{
    Suite *suite = suite_create("tool csv");
    TCase *tcase = tcase_create("csv");
    tcase_add_loop_test(tcase, records_are_those_of_rfc_4180, 0, (int)COUNT(cases));
    tcase_add_loop_test(tcase, zero_byte_is_binary, 0, 2);
    tcase_add_test(tcase, broken_stream_is_told);
    tcase_add_loop_test(tcase, pieces_change_nothing, 0, 10);
    tcase_add_loop_test(tcase, line_limit_is_exact, 0, 2);
    tcase_add_test(tcase, long_record_in_reads_of_a_byte_is_read_once_or_twice);
    tcase_add_loop_test(tcase, column_limit_is_exact, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(csv_suite());
}
