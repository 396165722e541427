/*
 * test_tool_ingest.c -- a line becomes a sample, a deletion or a replaced range as it says, or a sentence; streams
 * give whole lines and keep bounds.
 *
 * Metrics are a table here. What a line gave is written down as one string and compared.
 */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../tools/ingest_read.h"
#include "../../tools/ingest_stream.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { TEXT_BYTES = 1024 };

static const char *labels[] = { "wake", "light", "true" };
static size_t label_count; /* another process adds some */
static bool catalog_is_broken;

static holter_status table_find(void *context, holter_metric *out, const char *name,
                                holter_error *err)
{
    const holter_metric metrics[] = {
        { .name = "heart_rate",
          .number = 1,
          .kind = HOLTER_INSTANT,
          .field_count = 1,
          .fields = { { .name = "value", .type = HOLTER_INT } },
          .key_field = -1 },
        { .name = "steps",
          .number = 2,
          .kind = HOLTER_INTERVAL,
          .field_count = 1,
          .fields = { { .name = "value", .type = HOLTER_INT } },
          .key_field = -1 },
        { .name = "blood_pressure",
          .number = 3,
          .kind = HOLTER_INSTANT,
          .field_count = 2,
          .fields = { { .name = "systolic", .type = HOLTER_INT, .exponent = -1 },
                      { .name = "diastolic", .type = HOLTER_FLOAT } },
          .key_field = -1 },
        { .name = "dose",
          .number = 4,
          .kind = HOLTER_INSTANT,
          .field_count = 2,
          .fields = { { .name = "drug", .type = HOLTER_TEXT },
                      { .name = "mg", .type = HOLTER_INT, .exponent = -2 } },
          .key_field = 0 },
        { .name = "stage",
          .number = 5,
          .kind = HOLTER_INTERVAL,
          .field_count = 1,
          .fields = { { .name = "value",
                        .type = HOLTER_ENUM,
                        .label_count = label_count,
                        .labels = labels } },
          .key_field = -1 },
        { .name = "note",
          .number = 6,
          .kind = HOLTER_INSTANT,
          .field_count = 1,
          .fields = { { .name = "text", .type = HOLTER_TEXT } },
          .key_field = -1 },
    };
    (void)context;
    if (catalog_is_broken) {
        if (err != NULL)
            snprintf(err->message, sizeof err->message, "catalog: broken");
        return HOLTER_IO;
    }
    for (size_t i = 0; i < COUNT(metrics); i++)
        if (strcmp(metrics[i].name, name) == 0) {
            *out = metrics[i];
            return HOLTER_OK;
        }
    return HOLTER_NOT_FOUND;
}

static int64_t clock_ns;
static int64_t now_ns(void)
{
    return clock_ns;
}

static struct ingest_reader reader; /* too large for a stack */

static void reader_begin(void)
{
    static char host[] = "host";
    ingest_reader_release(&reader);
    memset(&reader, 0, sizeof reader);
    reader.unit_ns = 1;
    reader.user_tag = "user";
    reader.source_tag = "source";
    reader.source = "ingest";
    reader.ignored = (struct option_list){ { host }, 1 };
    reader.now_ns = now_ns;
    reader.metric_find = table_find;
    clock_ns = 1000;
    label_count = 2;
    catalog_is_broken = false;
}

/* The line stands where a sanitizer sees a byte too many. */
static enum ingest_result read_text(char **kept, const char *text)
{
    size_t bytes = strlen(text);
    *kept = malloc(bytes > 0 ? bytes : 1);
    ck_assert_ptr_nonnull(*kept);
    memcpy(*kept, text, bytes);
    return ingest_line_read(&reader, *kept, bytes);
}

TOOL_PRINTF(2, 3)
static void add(char out[static TEXT_BYTES], const char *format, ...)
{
    size_t at = strlen(out);
    va_list args;
    va_start(args, format);
    vsnprintf(out + at, TEXT_BYTES - at, format, args);
    va_end(args);
}

/* "metric=1,2 @time +duration rREVISION fFLAGS"; what is zero is left out. */
static void sample_write(char out[static TEXT_BYTES])
{
    const struct import_sample *sample = &reader.sample;
    add(out, "%s=", sample->metric->name);
    for (size_t f = 0; f < sample->metric->field_count; f++) {
        const holter_value *value = &sample->values[f];
        add(out, "%s", f > 0 ? "," : "");
        if (sample->metric->fields[f].type == HOLTER_TEXT)
            add(out, "%.*s", (int)value->text.count, value->text.bytes);
        else if (sample->metric->fields[f].type == HOLTER_FLOAT)
            add(out, "%g", value->real);
        else
            add(out, "%lld", (long long)value->integer);
    }
    add(out, " @%lld", (long long)sample->time_ns);
    if (sample->duration_ns > 0)
        add(out, " +%lld", (long long)sample->duration_ns);
    if (sample->revision != 0)
        add(out, " r%lld", (long long)sample->revision);
    if (sample->flags != 0)
        add(out, " f%d", sample->flags);
}

static void result_write(char out[static TEXT_BYTES])
{
    out[0] = '\0';
    if (reader.kind == INGEST_NOTHING)
        return;
    add(out, "%.*s/", (int)reader.line_user.count, reader.line_user.bytes);
    if (reader.line_source.bytes == NULL)
        add(out, "*");
    else
        add(out, "%.*s", (int)reader.line_source.count, reader.line_source.bytes);
    if (reader.kind == INGEST_SAMPLE) {
        add(out, " ");
        sample_write(out);
        return;
    }
    add(out, " %s %s", reader.kind == INGEST_DELETE ? "delete" : "replace",
        reader.metric == NULL ? "*" : reader.metric->name);
    if (reader.begin_ns != HOLTER_TIME_MIN)
        add(out, " from %lld", (long long)reader.begin_ns);
    if (reader.end_ns != HOLTER_TIME_MAX)
        add(out, " to %lld", (long long)reader.end_ns);
    if (reader.revision != 0)
        add(out, " r%lld", (long long)reader.revision);
    for (size_t i = 0; i < reader.sample_count; i++) {
        ingest_sample_read(&reader, i);
        add(out, "; ");
        sample_write(out);
    }
}

static const struct {
    const char *text, *result;
} good[] = {
    { "", "" },
    { "   ", "" },
    { "# a comment", "" },
    { "\r", "" },
    /* line protocol */
    { "heart_rate,user=u,source=watch value=62i 5", "u/watch heart_rate=62 @5" },
    { "heart_rate,user=u value=62i 5\r", "u/ingest heart_rate=62 @5" },
    { "heart_rate,user=u value=62", "u/ingest heart_rate=62 @1000" },
    { "heart_rate,user=u value=62.0 5", "u/ingest heart_rate=62 @5" },
    { "heart_rate,user=u value=6.2e1 5", "u/ingest heart_rate=62 @5" },
    { "heart_rate,user=u value=62u 5", "u/ingest heart_rate=62 @5" },
    { "heart_rate,user=u value=t 5", "u/ingest heart_rate=1 @5" },
    { "heart_rate,user=u,host=a value=62,host=\"b\" 5", "u/ingest heart_rate=62 @5" },
    { "heart_rate,user=u\\ 1 value=-9223372036854775808i 5",
      "u 1/ingest heart_rate=-9223372036854775808 @5" },
    { "heart_rate,user=u,revision=7,flags=manual|bit8 value=62i 5",
      "u/ingest heart_rate=62 @5 r7 f264" },
    { "heart_rate,user=u value=62i,revision=7i,flags=9i 5", "u/ingest heart_rate=62 @5 r7 f8" },
    { "steps,user=u,duration=60s value=3i 5", "u/ingest steps=3 @5 +60000000000" },
    { "steps,user=u value=3i,duration=1.5 5", "u/ingest steps=3 @5 +1500000000" },
    { "steps,user=u value=3i,duration=\"1m\" 5", "u/ingest steps=3 @5 +60000000000" },
    { "steps,user=u value=3i,duration=60i 5", "u/ingest steps=3 @5 +60000000000" },
    { "blood_pressure,user=u diastolic=80,systolic=120.5 5", "u/ingest blood_pressure=1205,80 @5" },
    { "blood_pressure,user=u diastolic=t,systolic=f 5", "u/ingest blood_pressure=0,1 @5" },
    { "dose,user=u,drug=a value=4 5", "u/ingest dose=a,400 @5" },
    { "dose,user=u,key=a mg=4.25 5", "u/ingest dose=a,425 @5" },
    { "dose,user=u drug=\"a b\",mg=4 5", "u/ingest dose=a b,400 @5" },
    { "stage,user=u,duration=30 value=\"light\" 5", "u/ingest stage=1 @5 +30000000000" },
    { "stage,user=u,duration=30 value=1i 5", "u/ingest stage=1 @5 +30000000000" },
    { "note,user=u text=\"line\\\\n\" 5", "u/ingest note=line\\n @5" },
    { "note,user=u value=\"\" 5", "u/ingest note= @5" },
    /* objects */
    { "{\"user\":\"u\",\"metric\":\"heart_rate\",\"source\":\"w\",\"time\":5,\"value\":62}",
      "u/w heart_rate=62 @5" },
    { "  {\"user\":\"u\",\"metric\":\"heart_rate\",\"value\":62}", "u/ingest heart_rate=62 @1000" },
    { "{\"op\":\"sample\",\"user\":\"u\",\"metric\":\"heart_rate\",\"time\":\"1970-01-01T00:00:"
      "01Z\","
      "\"value\":62.0,\"revision\":7,\"flags\":[\"manual\",\"bit8\",4]}",
      "u/ingest heart_rate=62 @1000000000 r7 f268" },
    { "{\"user\":\"u\",\"metric\":\"heart_rate\",\"time\":5,\"value\":\"62\",\"flags\":[]}",
      "u/ingest heart_rate=62 @5" },
    { "{\"user\":\"u\",\"metric\":\"heart_rate\",\"time\":5,\"value\":true,\"flags\":\"manual\"}",
      "u/ingest heart_rate=1 @5 f8" },
    { "{\"user\":\"u\",\"metric\":\"steps\",\"time\":5,\"value\":3,\"duration\":\"1m\"}",
      "u/ingest steps=3 @5 +60000000000" },
    { "{\"user\":\"u\",\"metric\":\"steps\",\"time\":5,\"value\":3,\"duration\":60}",
      "u/ingest steps=3 @5 +60000000000" },
    { "{\"user\":\"u\",\"metric\":\"steps\",\"time\":5,\"value\":3,\"duration\":0.25}",
      "u/ingest steps=3 @5 +250000000" },
    { "{\"user\":\"u\",\"metric\":\"steps\",\"time\":5,\"value\":3,\"duration\":1e-05}",
      "u/ingest steps=3 @5 +10000" },
    { "{\"user\":\"u\",\"metric\":\"steps\",\"time\":5,\"value\":3,\"duration\":4503598.123456789}",
      "u/ingest steps=3 @5 +4503598123456789" },
    { "{\"user\":\"u\",\"metric\":\"blood_pressure\",\"time\":5,"
      "\"fields\":{\"systolic\":120.1,\"diastolic\":80}}",
      "u/ingest blood_pressure=1201,80 @5" },
    { "{\"user\":\"u\",\"metric\":\"dose\",\"time\":5,\"value\":4.35,\"fields\":{\"key\":\"a\"}}",
      "u/ingest dose=a,435 @5" },
    { "{\"user\":\"u\\u00e9\",\"metric\":\"stage\",\"time\":5,\"duration\":1,\"value\":\"wake\"}",
      "u\xc3\xa9/ingest stage=0 @5 +1000000000" },
    { "{\"op\":\"delete\",\"user\":\"u\",\"metric\":\"steps\",\"source\":\"w\",\"from\":5,\"to\":"
      "9}",
      "u/w delete steps from 5 to 9" },
    { "{\"op\":\"delete\",\"user\":\"u\",\"metric\":null,\"source\":null,\"from\":null,\"to\":null,"
      "\"revision\":3}",
      "u/* delete * r3" },
    { "{\"op\":\"delete\",\"user\":\"u\",\"metric\":\"steps\",\"source\":null,"
      "\"from\":\"1970-01-01T00:00:01Z\",\"to\":null}",
      "u/* delete steps from 1000000000" },
    { "{\"op\":\"replace\",\"user\":\"u\",\"metric\":\"heart_rate\",\"from\":5,\"to\":9,"
      "\"revision\":3,"
      "\"samples\":[{\"time\":5,\"value\":1},{\"time\":8,\"value\":2,\"flags\":8}]}",
      "u/ingest replace heart_rate from 5 to 9 r3; heart_rate=1 @5 r3; heart_rate=2 @8 r3 f8" },
    { "{\"op\":\"replace\",\"user\":\"u\",\"metric\":\"heart_rate\",\"from\":5,\"to\":9,"
      "\"samples\":[]}",
      "u/ingest replace heart_rate from 5 to 9" },
};

START_TEST(line_gives_what_it_says)
{
    char *kept;
    char result[TEXT_BYTES];
    reader_begin();
    if (read_text(&kept, good[_i].text) != INGEST_OK)
        ck_abort_msg("%s: %s", good[_i].text, reader.problem);
    result_write(result);
    ck_assert_str_eq(result, good[_i].result);
    free(kept);
}
END_TEST

#define HEART "{\"user\":\"u\",\"metric\":\"heart_rate\","
#define DELETE "{\"op\":\"delete\",\"user\":\"u\",\"metric\":\"steps\","
#define REPLACE "{\"op\":\"replace\",\"user\":\"u\",\"metric\":\"heart_rate\",\"from\":5,\"to\":9,"

static const struct {
    const char *text, *problem; /* a part of it */
} bad[] = {
    { "heart_rate value=62i", "user: found 0 bytes, expected an id" },
    { "heart_rat,user=u value=62i", "metric: found 'aaaaa_aaa', expected the name of a metric" },
    { "heart_rate,user=u,user=v value=62i", "tag 2: found it twice" },
    { "heart_rate,user=u,source=v,source=v value=62i", "tag 3: found it twice" },
    { "heart_rate,user=u,city=x value=62i",
      "tag 2: found 'aaaa', expected user, source, duration" },
    { "heart_rate,user=u value=62i,x=1", "field 2: found 'a', expected a field of metric" },
    { "heart_rate,user=u value=62i,value=63i", "field 2: found it twice" },
    { "heart_rate,user=u,value=62 value=63i", "field 1: found it twice" },
    { "heart_rate,user=u host=1", "found no field value, expected one" },
    { "heart_rate,user=u value=62.5", "field 1: found '99.9', expected a whole number" },
    { "heart_rate,user=u value=\"62\"", "field 1: found a string, expected a number" },
    { "heart_rate,user=u value=18446744073709551615u", "field 1: found '99999999999999999999'" },
    { "heart_rate,user=u value=62i,duration=60", "found a duration, expected none" },
    { "heart_rate,user=u value=62i,revision=1.5", "field 2: found '9.9', expected a whole number" },
    { "heart_rate,user=u value=62i,flags=16i", "field 2: found one of the bits 4 to 7" },
    { "heart_rate,user=u value=62i 9223372036854775807", "time: found one out of range" },
    { "heart_rate,user=u,duration=1,duration=1 value=62i", "tag 3: found it twice" },
    { "steps,user=u value=3i", "found no duration, expected one" },
    { "steps,user=u value=3i,duration=\"soon\"", "field 2: found 'aaaa', expected a duration" },
    { "blood_pressure,user=u systolic=120", "found no field diastolic" },
    { "blood_pressure,user=u value=120", "field 1: found 'aaaaa'" },
    { "blood_pressure,user=u,key=a systolic=1,diastolic=1", "tag 2: found 'aaa'" },
    { "dose,user=u mg=4", "found no field drug" },
    { "note,user=u text=5i", "field 1: found a number, expected a string" },
    { "note,user=u text=t", "field 1: found a boolean, expected a string" },
    { "stage,user=u,duration=1 value=\"deep\"",
      "field 1: found 'aaaa', expected a label's number" },
    { "stage,user=u,duration=1 value=t", "field 1: found 'aaaa', expected a label's number" },
    { "note,user=u text=\"\xff\"", "found bytes that are no UTF-8" },
    { "heart_rate,user=u", "byte 18: found no field" },
    /* objects */
    { "{", "found what is no JSON" },
    { "{} x", "found what is no JSON" },
    { "{\"user\":\"u\",\"user\":\"v\"}", "found what is no JSON" },
    { "{\"user\":\"\\u0000\"}", "found what is no JSON" },
    { "{}", "found no member 'metric'" },
    { "{\"metric\":\"heart_rate\",\"value\":62}", "user: found 0 bytes" },
    { "{\"metric\":\"heart_rate\",\"user\":5}", "user: found a number, expected a string" },
    { "{\"metric\":5,\"user\":\"u\"}", "metric: found a number, expected a string" },
    { "{\"metric\":\"hr\",\"user\":\"u\"}", "metric: found 'aa'" },
    { HEART "\"source\":null,\"value\":1}", "source: found null" },
    { HEART "\"source\":\"\",\"value\":1}", "source: found 0 bytes" },
    { HEART "\"valu\":1}", "found a member 'aaaa'" },
    { HEART "\"from\":1,\"value\":1}", "found a member 'from', expected none" },
    { HEART "\"value\":null}", "value: found null" },
    { HEART "\"value\":[1]}", "value: found an array" },
    { HEART "\"value\":1.5}", "value: found '9.9', expected a whole number" },
    { HEART "\"value\":\"x\"}", "value: found 'a'" },
    { HEART "\"fields\":5}", "fields: found a number" },
    { HEART "\"fields\":{\"x\":5}}", "fields: found 'a', expected a field" },
    { HEART "\"value\":5,\"fields\":{\"value\":5}}", "fields: found value twice" },
    { HEART "\"time\":5}", "found no field value" },
    { HEART "\"value\":5,\"time\":5.5}", "time: found a decimal" },
    { HEART "\"value\":5,\"time\":\"noon\"}", "time: found 'aaaa', expected a time" },
    { HEART "\"value\":5,\"time\":9223372036854775807}", "time: found one out of range" },
    { HEART "\"value\":5,\"duration\":-1}", "duration: found '-9'" },
    { HEART "\"value\":5,\"duration\":\"x\"}", "duration: found 'a'" },
    { HEART "\"value\":5,\"duration\":null}", "duration: found null" },
    { HEART "\"value\":5,\"duration\":-0.5}", "duration: found a decimal that is negative" },
    { HEART "\"value\":5,\"duration\":1e16}", "duration: found a decimal that is too large" },
    { HEART "\"value\":5,\"duration\":4503599.5}", "duration: found a decimal that is too large" },
    { HEART "\"value\":5,\"duration\":0.00000000051}", "duration: found one finer" },
    { HEART "\"value\":5,\"duration\":1000000000000}", "duration: found a duration out of range" },
    { HEART "\"value\":5,\"revision\":\"5\"}", "revision: found a string" },
    { HEART "\"value\":5,\"flags\":[null]}", "flags: found null" },
    { HEART "\"value\":5,\"flags\":\"x\"}", "flags: found 'a'" },
    { HEART "\"op\":\"upsert\"}", "op: found a string, expected \"sample\"" },
    { HEART "\"op\":5}", "op: found a number" },
    { "{\"user\":\"u\",\"metric\":\"blood_pressure\",\"value\":1}", "expected 'fields'" },
    { "{\"user\":\"u\",\"metric\":\"note\",\"value\":1}",
      "text: found a number, expected a string" },
    { DELETE "\"source\":null,\"from\":5}", "found no member 'to'" },
    { DELETE "\"from\":5,\"to\":9}", "found no member 'source'" },
    { DELETE "\"source\":null,\"from\":9,\"to\":9}", "to: found a time not after" },
    { DELETE "\"source\":null,\"from\":9,\"to\":true}", "to: found true" },
    { DELETE "\"source\":null,\"from\":1,\"to\":2,\"value\":1}", "found a member 'value'" },
    { "{\"op\":\"delete\",\"user\":\"u\",\"metric\":null,\"source\":\"w\",\"from\":null,\"to\":"
      "null}",
      "source: found one, expected null" },
    { REPLACE "\"samples\":5}", "samples: found a number" },
    { REPLACE "\"samples\":[5]}", "sample 1: samples: found a number" },
    { REPLACE "\"samples\":[{\"time\":5,\"value\":1},{\"time\":9,\"value\":1}]}",
      "sample 2: time: found one outside" },
    { REPLACE "\"samples\":[{\"value\":1}]}", "sample 1: found no member 'time'" },
    { REPLACE "\"samples\":[{\"time\":5,\"value\":1,\"revision\":1}]}",
      "sample 1: found a member 'revision'" },
};

START_TEST(line_that_says_too_much_or_little_is_refused)
{
    char *kept;
    reader_begin();
    ck_assert_int_eq(read_text(&kept, bad[_i].text), INGEST_REFUSED);
    ck_assert_int_eq(reader.kind, INGEST_NOTHING);
    ck_assert_msg(strstr(reader.problem, bad[_i].problem) != NULL, "%s: %s", bad[_i].text,
                  reader.problem);
    free(kept);
}
END_TEST

static void expect(const char *text, const char *expected)
{
    char *kept;
    char result[TEXT_BYTES] = "refused";
    if (read_text(&kept, text) == INGEST_OK)
        result_write(result);
    ck_assert_str_eq(result, expected);
    free(kept);
}

START_TEST(zero_byte_is_refused)
{
    char text[] = "heart_rate,user=a\0b value=1";
    reader_begin();
    ck_assert_int_eq(ingest_line_read(&reader, text, sizeof text - 1), INGEST_REFUSED);
}
END_TEST

START_TEST(times_have_the_unit_that_was_asked_for)
{
    reader_begin();
    reader.unit_ns = 1000000000;
    expect("heart_rate,user=u value=1i 1465839830", "u/ingest heart_rate=1 @1465839830000000000");
    expect("heart_rate,user=u value=1i -9223372036", "u/ingest heart_rate=1 @-9223372036000000000");
    expect("heart_rate,user=u value=1i 9223372037", "refused");
    expect("heart_rate,user=u value=1i -9223372037", "refused");
}
END_TEST

START_TEST(lines_of_no_time_get_times_that_rise)
{
    reader_begin();
    expect("heart_rate,user=u value=1i", "u/ingest heart_rate=1 @1000");
    expect("heart_rate,user=u value=1i", "u/ingest heart_rate=1 @1001");
    clock_ns = 500; /* it was set back */
    expect("{\"user\":\"u\",\"metric\":\"heart_rate\",\"value\":1}", "u/ingest heart_rate=1 @1002");
    clock_ns = 2000;
    expect("heart_rate,user=u value=1i", "u/ingest heart_rate=1 @2000");
}
END_TEST

START_TEST(a_clock_that_was_years_ahead_is_followed_back)
{
    reader_begin();
    clock_ns = INT64_C(2083000000000000000);
    expect("heart_rate,user=u value=1i", "u/ingest heart_rate=1 @2083000000000000000");
    clock_ns = INT64_C(1767225600000000000);
    expect("heart_rate,user=u value=1i", "u/ingest heart_rate=1 @1767225600000000000");
    clock_ns -= 999999999; /* a step of less than a second */
    expect("heart_rate,user=u value=1i", "u/ingest heart_rate=1 @1767225600000000001");
}
END_TEST

START_TEST(labels_that_were_added_meanwhile_are_found)
{
    reader_begin();
    expect("stage,user=u,duration=1 value=\"true\" 5", "refused");
    label_count = 3;
    expect("stage,user=u,duration=1 value=\"true\" 5", "u/ingest stage=2 @5 +1000000000");
    expect("stage,user=u,duration=1 value=t 5", "u/ingest stage=2 @5 +1000000000");
}
END_TEST

START_TEST(catalog_that_cannot_be_read_is_not_the_lines_fault)
{
    char *kept;
    reader_begin();
    catalog_is_broken = true;
    ck_assert_int_eq(read_text(&kept, "heart_rate,user=u value=1i"), INGEST_FAILED);
    ck_assert_str_eq(reader.err.message, "catalog: broken");
    free(kept);
}
END_TEST

START_TEST(what_was_asked_for_holds_where_a_line_does_not_tell)
{
    reader_begin();
    reader.user = "me";
    reader.user_tag = "patient";
    reader.round = true;
    reader.format = INGEST_INFLUX;
    expect("heart_rate value=61.5 5", "me/ingest heart_rate=62 @5");
    expect("heart_rate,patient=u value=61 5", "u/ingest heart_rate=61 @5");
    expect("{\"metric\":\"heart_rate\",\"value\":1}", "refused");
    reader.format = INGEST_NDJSON;
    expect("{\"metric\":\"heart_rate\",\"value\":61.5,\"time\":5}", "me/ingest heart_rate=62 @5");
    expect("heart_rate value=61 5", "refused");
}
END_TEST

/* ---- streams -------------------------------------------------------------------------------- */

/* As many as there is room for. */
static size_t fill_some(struct ingest_stream *stream, const char *bytes, size_t count)
{
    size_t room;
    char *to = stream_room(stream, &room);
    ck_assert_ptr_nonnull(to);
    ck_assert_uint_gt(room, 0);
    size_t taken = room < count ? room : count;
    memcpy(to, bytes, taken);
    stream_filled(stream, taken);
    return taken;
}

static void fill(struct ingest_stream *stream, const char *bytes, size_t count)
{
    ck_assert_uint_eq(fill_some(stream, bytes, count), count);
}

START_TEST(lines_come_whole_however_bytes_come)
{
    static const char text[] = "one\n\ntwo\r\nthree";
    static const char *const expected[] = { "one", "", "two\r", "three" };
    for (size_t step = 1; step < sizeof text; step++) {
        struct ingest_stream stream = { 0 };
        size_t given = 0;
        for (size_t at = 0; at < sizeof text - 1 || !stream.is_at_end; at += step) {
            char *line;
            size_t bytes, left = at < sizeof text - 1 ? sizeof text - 1 - at : 0;
            fill(&stream, text + at, left < step ? left : step);
            stream.is_at_end = left == 0;
            enum stream_result result;
            while ((result = stream_next(&stream, &line, &bytes)) != STREAM_NONE) {
                ck_assert_uint_lt(given, COUNT(expected));
                ck_assert_int_eq(result, given == 3 ? STREAM_CUT : STREAM_LINE);
                ck_assert_uint_eq(bytes, strlen(expected[given]));
                ck_assert_mem_eq(line, expected[given], bytes);
                ck_assert_uint_eq(stream.line, ++given);
            }
        }
        ck_assert_uint_eq(given, COUNT(expected));
        stream_release(&stream);
    }
}
END_TEST

/* A line at the limit is given, one byte more is told and passed over; the next one follows either. */
START_TEST(line_that_is_too_long_is_told_once)
{
    size_t bytes = LINE_BYTES_MAX + (size_t)_i * 700000 + (_i > 0);
    char *text = malloc(bytes);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', bytes);
    struct ingest_stream stream = { 0 };
    char *line;
    size_t count, told = 0;
    for (size_t at = 0; at < bytes;) {
        at += fill_some(&stream, text + at, bytes - at < 4096 ? bytes - at : 4096);
        while (stream_next(&stream, &line, &count) != STREAM_NONE)
            told++;
        ck_assert_uint_le(stream.room, LINE_BYTES_MAX + 2);
    }
    fill(&stream, "\n", 1);
    if (_i == 0) {
        ck_assert_int_eq(stream_next(&stream, &line, &count), STREAM_LINE);
        ck_assert_uint_eq(count, LINE_BYTES_MAX);
    } else {
        ck_assert_uint_eq(told, 1);
    }
    fill(&stream, "next\n", 5);
    ck_assert_int_eq(stream_next(&stream, &line, &count), STREAM_LINE);
    ck_assert_uint_eq(count, 4);
    ck_assert_uint_eq(stream.line, 2);
    fill(&stream, "x", 1);
    ck_assert_uint_eq(stream.room, STREAM_BYTES);
    stream_release(&stream);
    free(text);
}
END_TEST

/* Answers that nobody takes end what is read; a slow taker gets every byte in order, in bounded memory. */
START_TEST(answers_that_wait_are_bounded)
{
    struct ingest_stream stream = { 0 };
    char *line;
    size_t bytes;
    uint32_t given = 0, taken = 0;
    for (int round = 0; round < 200000; round++) {
        fill(&stream, "x\n", 2);
        while (stream_next(&stream, &line, &bytes) == STREAM_LINE) {
            stream_answer(&stream, (const char *)&given, sizeof given);
            given++;
        }
        if (!stream_is_full(&stream))
            continue;
        for (int i = 0; i < 1000; i++) {
            ck_assert_mem_eq(stream.answers + stream.answers_begin, &taken, sizeof taken);
            stream_taken(&stream, sizeof taken);
            taken++;
        }
        ck_assert_uint_le(stream.answers_room, 4 * STREAM_ANSWERS_MAX);
        while (stream_next(&stream, &line, &bytes) == STREAM_LINE)
            stream_answer(&stream, (const char *)&given, sizeof given), given++;
    }
    ck_assert_uint_gt(taken, 100000);
    stream_taken(&stream, stream.answers_end - stream.answers_begin);
    ck_assert_uint_le(stream.answers_room, STREAM_ANSWERS_MAX);
    stream.is_gone = true;
    stream_answer(&stream, "x", 1);
    ck_assert_uint_eq(stream.answers_begin, stream.answers_end);
    stream_release(&stream);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool ingest");
    TCase *tests = tcase_create("lines");
    tcase_add_loop_test(tests, line_gives_what_it_says, 0, (int)COUNT(good));
    tcase_add_loop_test(tests, line_that_says_too_much_or_little_is_refused, 0, (int)COUNT(bad));
    tcase_add_test(tests, zero_byte_is_refused);
    tcase_add_test(tests, times_have_the_unit_that_was_asked_for);
    tcase_add_test(tests, lines_of_no_time_get_times_that_rise);
    tcase_add_test(tests, a_clock_that_was_years_ahead_is_followed_back);
    tcase_add_test(tests, labels_that_were_added_meanwhile_are_found);
    tcase_add_test(tests, catalog_that_cannot_be_read_is_not_the_lines_fault);
    tcase_add_test(tests, what_was_asked_for_holds_where_a_line_does_not_tell);
    suite_add_tcase(suite, tests);
    tests = tcase_create("streams");
    tcase_add_test(tests, lines_come_whole_however_bytes_come);
    tcase_add_loop_test(tests, line_that_is_too_long_is_told_once, 0, 3);
    tcase_add_test(tests, answers_that_wait_are_bounded);
    suite_add_tcase(suite, tests);
    int code = run_suite(suite);
    ingest_reader_release(&reader);
    return code;
}
