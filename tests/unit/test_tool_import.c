/*
 * test_tool_import.c -- a row of a mapped file gives the sample that it tells, or a sentence.
 *
 * Each case is a mapping, options and one row, read with a table of two metrics instead of a store;
 * the sample is written down as "user source time duration revision flags values" and compared.
 */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "../../tools/import_csv.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const holter_metric metrics[] = {
    { .name = "rate",
      .kind = HOLTER_INSTANT,
      .field_count = 1,
      .fields = { { .name = "value", .type = HOLTER_INT } },
      .key_field = -1 },
    { .name = "dose",
      .kind = HOLTER_INTERVAL,
      .field_count = 2,
      .fields = { { .name = "what", .type = HOLTER_TEXT },
                  { .name = "mg", .type = HOLTER_INT, .exponent = -1 } },
      .key_field = 0 },
};

static holter_status table_find(void *context, holter_metric *out, const char *name,
                                holter_error *err)
{
    (void)err;
    if (context != NULL)
        return HOLTER_IO;
    for (size_t i = 0; i < COUNT(metrics); i++)
        if (strcmp(metrics[i].name, name) == 0) {
            *out = metrics[i];
            return HOLTER_OK;
        }
    return HOLTER_NOT_FOUND;
}

/* Fields apart by '|'. */
static size_t fields_cut(struct csv_field *out, const char *text)
{
    size_t count = 0;
    for (const char *at = text;; at++) {
        size_t bytes = strcspn(at, "|");
        out[count++] = (struct csv_field){ at, bytes };
        at += bytes;
        if (*at == '\0')
            return count;
    }
}

static void reader_init(struct mapped_reader *reader, const char *map)
{
    memset(reader, 0, sizeof *reader);
    const struct option_list texts = { .items = { map }, .count = 1 };
    ck_assert_int_eq(map_read(&reader->map, &texts, reader->problem), MAP_OK);
    reader->time_text = "unix_ns";
    ck_assert_ptr_null(time_format_read(&reader->time_format, reader->time_text));
    reader->duration_ns = -1;
    reader->source = "import";
    reader->metric_find = table_find;
}

static void row_write(char *out, size_t room, const struct mapped_reader *reader)
{
    const struct import_sample *sample = &reader->sample;
    int at = snprintf(out, room, "%.*s %.*s %s %lld %lld %lld %d", (int)reader->row_user.count,
                      reader->row_user.bytes, (int)reader->row_source.count,
                      reader->row_source.bytes, sample->metric->name, (long long)sample->time_ns,
                      (long long)sample->duration_ns, (long long)sample->revision, sample->flags);
    for (size_t f = 0; f < sample->metric->field_count; f++) {
        const holter_value *value = &sample->values[f];
        if (sample->metric->fields[f].type == HOLTER_TEXT)
            at += snprintf(out + at, room - (size_t)at, " %.*s", (int)value->text.count,
                           value->text.bytes);
        else
            at += snprintf(out + at, room - (size_t)at, " %lld", (long long)value->integer);
    }
}

#define RATE "user=u,time=t,value=v,source=s,revision=r,flags=f"
#define RATE_HEADER "u|t|v|s|r|f"
#define DOSE "user=u,time=t,key=k,value=v,metric=m,duration=d"
#define DOSE_HEADER "u|t|k|v|m|d"

static const struct {
    const char *map, *header, *row, *told;
} rows[] = {
    { RATE, RATE_HEADER, "a|5|60|||", "a import rate 5 0 0 0 60" },
    { RATE, RATE_HEADER, "a|-5|-60|w|-7|manual", "a w rate -5 0 -7 8 -60" },
    { RATE, RATE_HEADER, "a|5|6e1|w|9223372036854775807|0",
      "a w rate 5 0 9223372036854775807 0 60" },
    { RATE, RATE_HEADER, "a|5|9223372036854775807|||",
      "a import rate 5 0 0 0 9223372036854775807" },
    { RATE, RATE_HEADER, "a|5|-9223372036854775808|||",
      "a import rate 5 0 0 0 -9223372036854775808" },
    { RATE, RATE_HEADER, "a|5|60||9223372036854775808|",
      "r: found '9999999999999999999', expected a whole number of 64 bits" },
    { RATE, RATE_HEADER, "a|5|60||-|", "r: found '-', expected a whole number of 64 bits" },
    { RATE, RATE_HEADER, "a|5||||",
      "v: found nothing, expected a whole number (--round rounds finer ones)" },
    { RATE, RATE_HEADER, "a|5|60|||16", "f: found one of the bits 4 to 7, expected them clear" },
    { RATE, RATE_HEADER, "a|x|60|||", "t: found 'a', expected a time of the form unix_ns" },
    { RATE, RATE_HEADER, "|5|60|||", "u: found 0 bytes, expected an id of 1 to 128 bytes" },
    { RATE, RATE_HEADER, "\xff|5|60|||", "u: found bytes that are no UTF-8, expected an id" },
    { DOSE, DOSE_HEADER, "a|5|ibu|2.5|dose|60", "a import dose 5 60000000000 0 0 ibu 25" },
    { DOSE, DOSE_HEADER, "a|5|ibu|2.5|dose|",
      "d: found no duration, expected one, as metric dose is of intervals" },
    { DOSE, DOSE_HEADER, "a|5||60||", "a import rate 5 0 0 0 60" },
    { DOSE, DOSE_HEADER, "a|5||60|rate|1",
      "d: found a duration, expected none, as metric rate is of instants" },
    { DOSE, DOSE_HEADER, "a|5||60|other|1", "m: found 'aaaaa', expected the name of a metric" },
    { DOSE, DOSE_HEADER, "a|5|\xff|1|dose|1", "k: found bytes that are no UTF-8, expected text" },
    { DOSE, DOSE_HEADER, "a|5|k|1.25|dose|1",
      "v: found '9.99', expected a number with at most 1 decimal (--round rounds finer ones)" },
};

START_TEST(row_gives_its_sample_or_a_sentence)
{
    static struct mapped_reader reader;
    reader_init(&reader, rows[_i].map);
    struct csv_field fields[8];
    ck_assert_int_eq(mapped_default(&reader, &metrics[0]), MAPPED_OK);
    ck_assert_int_eq(mapped_bind(&reader, fields, fields_cut(fields, rows[_i].header)), MAPPED_OK);
    fields_cut(fields, rows[_i].row);
    char told[IMPORT_PROBLEM_BYTES_MAX + 8];
    if (mapped_row_read(&reader, fields) == MAPPED_OK)
        row_write(told, sizeof told, &reader);
    else
        snprintf(told, sizeof told, "%s: %s", reader.problem_column, reader.problem);
    ck_assert_str_eq(told, rows[_i].told);
    mapped_release(&reader);
    map_release(&reader.map);
}
END_TEST

static const struct {
    const char *map, *problem;
} maps[] = {
    { "time", "--map takes parts such as time=Column, apart by commas" },
    { "tine=t", "--map has no 'tine'; did you mean 'time'?" },
    { "time=t,time=u", "--map has 'time' twice" },
    { "quite_another=t", "--map has no 'quite_another'; it knows user, time, value, value.FIELD, "
                         "metric, source, duration, end, key, revision and flags" },
    { "value.a=,value.b=,value.c=,value.d=,value.e=,value.f=,value.g=,value.h=,value.i=,value.j=,"
      "value.k=,value.l=,value.m=,value.n=,value.o=,value.p=,value.q=",
      "--map names more than 16 fields" },
};

START_TEST(wrong_mapping_is_told)
{
    struct map map;
    char problem[IMPORT_PROBLEM_BYTES_MAX] = "";
    const struct option_list texts = { .items = { maps[_i].map }, .count = 1 };
    ck_assert_int_eq(map_read(&map, &texts, problem), MAP_WRONG);
    ck_assert_str_eq(problem, maps[_i].problem);
}
END_TEST

static const struct {
    const char *map;
    int metric;
    int64_t duration_ns;
    const char *problem;
} defaults[] = {
    { "user=u,time=t,value=v", 1, 5,
      "metric dose has a field 'what' that --map does not give: "
      "add value.what=COLUMN" },
    { "user=u,time=t,value=v,value.x=x", 0, -1, "metric rate has no field 'x'" },
    { "user=u,time=t,value=v,key=k", 0, -1,
      "metric rate has no key field, so --map cannot give key" },
    { "user=u,time=t,value=v", 0, 5, "metric rate is of instants, so --duration cannot be given" },
    { "user=u,time=t,value=v,key=k", 1, -1,
      "metric dose is of intervals: give --duration, or a duration or end column in --map" },
};

START_TEST(mapping_that_does_not_fit_the_metric_is_told)
{
    static struct mapped_reader reader;
    reader_init(&reader, defaults[_i].map);
    reader.duration_ns = defaults[_i].duration_ns;
    ck_assert_int_eq(mapped_default(&reader, &metrics[defaults[_i].metric]), MAPPED_REFUSED);
    ck_assert_str_eq(reader.problem, defaults[_i].problem);
    mapped_release(&reader);
    map_release(&reader.map);
}
END_TEST

START_TEST(header_without_a_mapped_column_is_told)
{
    static struct mapped_reader reader;
    struct csv_field fields[8];
    reader_init(&reader, "user=u,time=t,value=v");
    ck_assert_int_eq(mapped_bind(&reader, fields, fields_cut(fields, "u|v|u")), MAPPED_REFUSED);
    ck_assert_str_eq(reader.problem, "found 2 columns 'u' among 3, expected one");
    map_release(&reader.map);
}
END_TEST

START_TEST(failed_search_for_a_metric_is_no_refusal)
{
    static struct mapped_reader reader;
    struct csv_field fields[8];
    reader_init(&reader, DOSE);
    reader.context = &reader; /* the table fails */
    ck_assert_int_eq(mapped_bind(&reader, fields, fields_cut(fields, DOSE_HEADER)), MAPPED_OK);
    fields_cut(fields, "a|5|ibu|2.5|dose|60");
    ck_assert_int_eq(mapped_row_read(&reader, fields), MAPPED_FAILED);
    mapped_release(&reader);
    map_release(&reader.map);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool import");
    TCase *tcase = tcase_create("mapped");
    tcase_add_loop_test(tcase, row_gives_its_sample_or_a_sentence, 0, COUNT(rows));
    tcase_add_loop_test(tcase, wrong_mapping_is_told, 0, COUNT(maps));
    tcase_add_loop_test(tcase, mapping_that_does_not_fit_the_metric_is_told, 0, COUNT(defaults));
    tcase_add_test(tcase, header_without_a_mapped_column_is_told);
    tcase_add_test(tcase, failed_search_for_a_metric_is_no_refusal);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
