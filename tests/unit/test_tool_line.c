/*
 * test_tool_line.c -- line protocol is taken apart as InfluxDB's documentation says, and what is none gets a sentence.
 *
 * A line that was taken apart is written down as "measurement|tag=text|field:type=text|@time", with ^ for the type of
 * a float, i, u, b and s for the others, and compared as one string.
 */
#include "random.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "../../tools/line.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { TEXT_BYTES = 1024 };

static void part_write(char out[static TEXT_BYTES], const char *before, struct csv_field part)
{
    size_t at = strlen(out);
    snprintf(out + at, TEXT_BYTES - at, "%s%.*s", before, (int)part.count, part.bytes);
}

static void line_write(char out[static TEXT_BYTES], const struct line *line)
{
    static const char *const types[] = { ":^=", ":i=", ":u=", ":b=", ":s=" };
    out[0] = '\0';
    part_write(out, "", line->measurement);
    for (size_t i = 0; i < line->tag_count; i++) {
        part_write(out, "|", line->tags[i].name);
        part_write(out, "=", line->tags[i].text);
    }
    for (size_t i = 0; i < line->field_count; i++) {
        part_write(out, "|", line->fields[i].name);
        part_write(out, types[line->fields[i].type], line->fields[i].text);
    }
    size_t at = strlen(out);
    if (line->has_time)
        snprintf(out + at, TEXT_BYTES - at, "|@%lld", (long long)line->time);
}

/* The line stands where a sanitizer sees a byte too many. */
static bool text_read(struct line *line, char **kept, const char *text, size_t bytes)
{
    *kept = malloc(bytes > 0 ? bytes : 1);
    ck_assert_ptr_nonnull(*kept);
    memcpy(*kept, text, bytes);
    return line_read(line, *kept, bytes);
}

static const struct {
    const char *text;
    const char *parts;
} lines[] = {
    /* of the references of versions 1 to 3 */
    { "myMeasurement,tag1=value1,tag2=value2 fieldKey=\"fieldValue\" 1556813561098000000",
      "myMeasurement|tag1=value1|tag2=value2|fieldKey:s=fieldValue|@1556813561098000000" },
    { "measurementName,tagKey=tagValue fieldKey=\"fieldValue\" 1465839830100400200",
      "measurementName|tagKey=tagValue|fieldKey:s=fieldValue|@1465839830100400200" },
    { "myMeasurement fieldKey=1.0", "myMeasurement|fieldKey:^=1.0" },
    { "myMeasurement fieldKey=1", "myMeasurement|fieldKey:^=1" },
    { "myMeasurement fieldKey=-1.234456e+78", "myMeasurement|fieldKey:^=-1.234456e+78" },
    { "myMeasurement fieldKey=1i", "myMeasurement|fieldKey:i=1" },
    { "myMeasurement fieldKey=12485903i", "myMeasurement|fieldKey:i=12485903" },
    { "myMeasurement fieldKey=-12485903i", "myMeasurement|fieldKey:i=-12485903" },
    { "myMeasurement fieldKey=1u", "myMeasurement|fieldKey:u=1" },
    { "myMeasurement fieldKey=12485903u", "myMeasurement|fieldKey:u=12485903" },
    { "myMeasurement fieldKey=\"this is a string\"", "myMeasurement|fieldKey:s=this is a string" },
    { "myMeasurement fieldKey=true", "myMeasurement|fieldKey:b=true" },
    { "myMeasurement fieldKey=t", "myMeasurement|fieldKey:b=true" },
    { "myMeasurement fieldKey=T", "myMeasurement|fieldKey:b=true" },
    { "myMeasurement fieldKey=True", "myMeasurement|fieldKey:b=true" },
    { "myMeasurement fieldKey=TRUE", "myMeasurement|fieldKey:b=true" },
    { "myMeasurement fieldKey=false", "myMeasurement|fieldKey:b=false" },
    { "myMeasurement fieldKey=f", "myMeasurement|fieldKey:b=false" },
    { "myMeasurement fieldKey=F", "myMeasurement|fieldKey:b=false" },
    { "myMeasurement fieldKey=False", "myMeasurement|fieldKey:b=false" },
    { "myMeasurement fieldKey=FALSE", "myMeasurement|fieldKey:b=false" },
    { "my\\ Measurement fieldKey=\"string value\"", "my Measurement|fieldKey:s=string value" },
    { "myMeasurement fieldKey=\"\\\"string\\\" within a string\"",
      "myMeasurement|fieldKey:s=\"string\" within a string" },
    { "myMeasurement,tag\\ Key1=tag\\ Value1,tag\\ Key2=tag\\ Value2 fieldKey=100",
      "myMeasurement|tag Key1=tag Value1|tag Key2=tag Value2|fieldKey:^=100" },
    { "myMeasurement,tagKey=\xf0\x9f\x8d\xad fieldKey=\"Launch \xf0\x9f\x9a\x80\" "
      "1556813561098000000",
      "myMeasurement|tagKey=\xf0\x9f\x8d\xad|fieldKey:s=Launch \xf0\x9f\x9a\x80|@"
      "1556813561098000000" },
    { "foo,a\\ b=x,aB=y value=99", "foo|a b=x|aB=y|value:^=99" },
    { "weather,location=us-midwest temperature=82 1465839830100400200",
      "weather|location=us-midwest|temperature:^=82|@1465839830100400200" },
    { "weather,location=us-midwest temperature=82,humidity=71 1465839830100400200",
      "weather|location=us-midwest|temperature:^=82|humidity:^=71|@1465839830100400200" },
    { "weather temperature=82 1465839830100400200",
      "weather|temperature:^=82|@1465839830100400200" },
    { "weather,location=us-midwest temperature=82",
      "weather|location=us-midwest|temperature:^=82" },
    { "weather,location=us\\,midwest temperature=82 1465839830100400200",
      "weather|location=us,midwest|temperature:^=82|@1465839830100400200" },
    { "weather,location=us-midwest temp\\=rature=82 1465839830100400200",
      "weather|location=us-midwest|temp=rature:^=82|@1465839830100400200" },
    { "weather,location\\ place=us-midwest temperature=82 1465839830100400200",
      "weather|location place=us-midwest|temperature:^=82|@1465839830100400200" },
    { "wea\\,ther,location=us-midwest temperature=82 1465839830100400200",
      "wea,ther|location=us-midwest|temperature:^=82|@1465839830100400200" },
    { "wea\\ ther,location=us-midwest temperature=82",
      "wea ther|location=us-midwest|temperature:^=82" },
    { "\"weather\",location=us-midwest \"temperature\"=82",
      "\"weather\"|location=us-midwest|\"temperature\":^=82" },
    { "weather,location=us-midwest temperature=\"82\"",
      "weather|location=us-midwest|temperature:s=82" },
    { "weather,location=us-midwest temperature_str=\"too hot/cold\"",
      "weather|location=us-midwest|temperature_str:s=too hot/cold" },
    /* one backslash to five of them */
    { "weather t=\"too hot\\cold\"", "weather|t:s=too hot\\cold" },
    { "weather t=\"too hot\\\\cold\"", "weather|t:s=too hot\\cold" },
    { "weather t=\"too hot\\\\\\cold\"", "weather|t:s=too hot\\\\cold" },
    { "weather t=\"too hot\\\\\\\\cold\"", "weather|t:s=too hot\\\\cold" },
    { "weather t=\"too hot\\\\\\\\\\cold\"", "weather|t:s=too hot\\\\\\cold" },
    /* more that is well formed */
    { "m v=1 0", "m|v:^=1|@0" },
    { "m v=1 -1", "m|v:^=1|@-1" },
    { "m v=1 9223372036854775807", "m|v:^=1|@9223372036854775807" },
    { "  m  v=1   7  ", "m|v:^=1|@7" },
    { "\tm v=1 \t", "m|v:^=1" },
    { "m=n v=1", "m=n|v:^=1" },
    { "m\\=n v=1", "m\\=n|v:^=1" },
    { "m\\n v=1", "m\\n|v:^=1" },
    { "m\\\\,a=b v=1", "m\\,a=b|v:^=1" },
    { "m,a=\\b v=1", "m|a=\\b|v:^=1" },
    { "m,a=\"b\" v=1", "m|a=\"b\"|v:^=1" },
    { "m,\\,=\\=,\\=\\,=\\  v=1", "m|,==|=,= |v:^=1" },
    { "m v=\"\"", "m|v:s=" },
    { "m v=\"a,b c=d\",w=2", "m|v:s=a,b c=d|w:^=2" },
    { "m v=\"\\\"\"", "m|v:s=\"" },
    { "m v=\"\\\\\"", "m|v:s=\\" },
    { "m v=\"a\\tb\"", "m|v:s=a\\tb" },
    { "m a=1.,b=.5,c=-0,d=+3,e=1e5,f=1E-5", "m|a:^=1.|b:^=.5|c:^=-0|d:^=+3|e:^=1e5|f:^=1E-5" },
    { "m v=18446744073709551615u", "m|v:u=18446744073709551615" },
    { "m a=1,a=2", "m|a:^=1|a:^=2" }, /* what a name twice means is the caller's */
};

START_TEST(line_is_taken_apart)
{
    static struct line line;
    char *kept;
    char parts[TEXT_BYTES];
    if (!text_read(&line, &kept, lines[_i].text, strlen(lines[_i].text)))
        ck_abort_msg("%s: %s", lines[_i].text, line.problem);
    line_write(parts, &line);
    ck_assert_str_eq(parts, lines[_i].parts);
    free(kept);
}
END_TEST

static const struct {
    const char *text;
    const char *problem; /* its begin */
} bad[] = {
    { "", "byte 1: found no measurement" },
    { ",a=b v=1", "byte 1: found no measurement" },
    { "m", "byte 2: found no field" },
    { "m,a=b", "byte 6: found no field" },
    { "m ", "byte 3: found no field" },
    { "m, v=1", "byte 3: found no name, expected that of a tag" },
    { "m,=b v=1", "byte 3: found no name, expected that of a tag" },
    { "m,a v=1", "byte 4: found no '='" },
    { "m,a", "byte 4: found no '='" },
    { "m,a= v=1", "byte 5: found an empty tag" },
    { "m,a=,b=c v=1", "byte 5: found an empty tag" },
    { "m,a=b=c v=1", "byte 6: found '=' in a tag's text" },
    { "m =1", "byte 3: found no name, expected that of a field" },
    { "m v", "byte 4: found no '='" },
    { "m v w=1", "byte 4: found no '='" },
    { "m v=", "byte 5: found nothing, expected a number" },
    { "m v= 7", "byte 5: found nothing, expected a number" },
    { "m v=1,", "byte 7: found no name" },
    { "m v=1,,w=2", "byte 7: found no name" },
    { "m v=1, w=2", "byte 7: found no name" },
    { "m v='too warm'", "byte 5: found ''aaa'" },
    { "m v=\"open", "byte 10: found the line's end in a string" },
    { "m v=\"open\\\"", "byte 12: found the line's end in a string" },
    { "m v=\"a\"b", "byte 8: found more after a string" },
    { "m v=\"a\"\"b\"", "byte 8: found more after a string" },
    { "m v=hello", "byte 5: found 'aaaaa', expected a number" },
    { "m v=tRUE", "byte 5: found 'aaaa'" },
    { "m v=1.5i", "byte 5: found '9.9a'" },
    { "m v=+1i", "byte 5: found '+9a'" },
    { "m v=-1u", "byte 5: found '-9a'" },
    { "m v=i", "byte 5: found 'a'" },
    { "m v=-", "byte 5: found '-'" },
    { "m v=.", "byte 5: found '.'" },
    { "m v=1e", "byte 5: found '9a'" },
    { "m v=1e+", "byte 5: found '9a+'" },
    { "m v=1.2.3", "byte 5: found '9.9.9'" },
    { "m v=0x10", "byte 5: found '9a99'" },
    { "m v=NaN", "byte 5: found 'aaa'" },
    { "m v=1 1.5", "byte 7: found '9.9', expected a time" },
    { "m v=1 1i", "byte 7: found '9a', expected a time" },
    { "m v=1 7 8", "byte 7: found '9 9', expected a time" },
    { "m v=1 9223372036854775808", "byte 7: found '9999999999999999999', expected a time" },
    { "m v=1 2016-06-13T17:43:50Z", "byte 7: found '9999-99-99a99:99:99a', expected a time" },
    { "m,a\\ v=1", "byte 9: found no field" },
};

START_TEST(bad_line_is_refused_with_its_place)
{
    static struct line line;
    char *kept;
    ck_assert(!text_read(&line, &kept, bad[_i].text, strlen(bad[_i].text)));
    ck_assert_msg(strncmp(line.problem, bad[_i].problem, strlen(bad[_i].problem)) == 0,
                  "%s: %s, expected %s", bad[_i].text, line.problem, bad[_i].problem);
    free(kept);
}
END_TEST

START_TEST(blank_lines_and_comments_are_told)
{
    static const char *const blank[] = { "", " ", "\t \r", "# m v=1", "  #" };
    static const char *const other[] = { "m v=1", " m", "\\#", ",#" };
    for (size_t i = 0; i < COUNT(blank); i++)
        ck_assert(line_is_blank(blank[i], strlen(blank[i])));
    for (size_t i = 0; i < COUNT(other); i++)
        ck_assert(!line_is_blank(other[i], strlen(other[i])));
}
END_TEST

START_TEST(parts_have_a_limit)
{
    static struct line line;
    static char text[LINE_PARTS_MAX * 16];
    for (int kind = 0; kind < 2; kind++)
        for (size_t more = 0; more < 2; more++) {
            size_t at = (size_t)snprintf(text, sizeof text, kind == 0 ? "m" : "m ");
            for (size_t i = 0; i < LINE_PARTS_MAX + more; i++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%sa%zu=%zu",
                                       kind == 0 || i > 0 ? "," : "", i, i);
            at += (size_t)snprintf(text + at, sizeof text - at, kind == 0 ? " v=1" : "");
            ck_assert(line_read(&line, text, at) == (more == 0));
            if (more > 0)
                ck_assert_ptr_nonnull(strstr(line.problem, "found more than 64"));
        }
}
END_TEST

/* Lines of the bytes that matter, at random: nothing is read beyond them, and parts lie within. */
START_TEST(random_lines_are_taken_apart_or_refused)
{
    static const char alphabet[] = "mv11,,==  \"\"\\\\it-.e#\xc3\xa9\t";
    static struct line line;
    struct random random = { (uint64_t)_i + 1 };
    for (int round = 0; round < 20000; round++) {
        char text[32];
        size_t bytes = random_below(&random, sizeof text);
        for (size_t i = 0; i < bytes; i++)
            text[i] = alphabet[random_below(&random, sizeof alphabet - 1)];
        char *kept;
        line.problem[0] = '\0';
        bool ok = text_read(&line, &kept, text, bytes);
        ck_assert(ok == (line.problem[0] == '\0'));
        if (ok) {
            ck_assert(line.field_count > 0 && line.measurement.count > 0);
            ck_assert(line.measurement.bytes >= kept &&
                      line.measurement.bytes + line.measurement.count <= kept + bytes);
        }
        free(kept);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool line");
    TCase *tests = tcase_create("line");
    tcase_add_loop_test(tests, line_is_taken_apart, 0, (int)COUNT(lines));
    tcase_add_loop_test(tests, bad_line_is_refused_with_its_place, 0, (int)COUNT(bad));
    tcase_add_test(tests, blank_lines_and_comments_are_told);
    tcase_add_test(tests, parts_have_a_limit);
    tcase_add_loop_test(tests, random_lines_are_taken_apart_or_refused, 0, 4);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
