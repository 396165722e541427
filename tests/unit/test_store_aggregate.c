/*
 * test_store_aggregate.c -- windows of a metric: what is in them, cut at edges, over several
 * sources.
 *
 * Claim: what include/holter/aggregate.h says. Method: a table of commits, questions and answers;
 * each is asked of rows in memory, flushed and compacted. An answer is a line of windows
 *
 *     begin..end samples[-excluded] [sum] [mean] [min] [max] [first] [last]
 *
 * with the functions asked for, '-' for what is not there, '/' between fields.
 */
#include "store_world.h"

#define ALL_TIME HOLTER_TIME_MIN, HOLTER_TIME_MAX

enum {
    COUNT = HOLTER_FN_COUNT,
    SUM = HOLTER_FN_SUM,
    MEAN = HOLTER_FN_MEAN,
    MIN = HOLTER_FN_MIN,
    MAX = HOLTER_FN_MAX,
    FIRST = HOLTER_FN_FIRST,
    LAST = HOLTER_FN_LAST,
    NUMBERS = SUM | MEAN | MIN | MAX | FIRST | LAST,
};

static const struct question {
    const char *batch;
    const char *metric;
    uint32_t source;
    int64_t from, to, width;
    uint32_t functions;
    const char *answer;
} questions[] = {
    /* instants: in the window in which they lie; the end is not in it */
    { "heart_rate/1: 0=60 9=62 10=70 25=80", "heart_rate", 0, ALL_TIME, 10, NUMBERS,
      "0..10 2 122 61 60 62 60 62; 10..20 1 70 70 70 70 70 70; 20..30 1 80 80 80 80 80 80" },
    { "heart_rate/1: -1=60 -10=62 -11=70", "heart_rate", 0, ALL_TIME, 10, COUNT | SUM,
      "-20..-10 1 70; -10..0 2 122" },
    { "heart_rate/1: 0=60", "heart_rate", 2, ALL_TIME, 10, COUNT, "" },
    { "note/1: 0=x", "heart_rate", 0, ALL_TIME, 10, NUMBERS, "" },
    /* the ends are cut, and show it */
    { "heart_rate/1: 3=60 4=61 5=62 18=63 19=64", "heart_rate", 0, 4, 19, 10, COUNT | SUM,
      "4..10 2 123; 10..19 1 63" },
    { "heart_rate/1: 3=60", "heart_rate", 0, 3, 3, 10, COUNT, "" },
    { "heart_rate/1: 3=60", "heart_rate", 0, 4, 9, 10, COUNT | SUM, "" },
    /* intervals: sums take shares, the rest is of what begins in the window */
    { "steps/1: 5+10=10", "steps", 0, ALL_TIME, 10, NUMBERS,
      "0..10 1 5 10 10 10 10 10; 10..20 0 5 - - - - -" },
    { "steps/1: 5+10=10", "steps", 0, ALL_TIME, 10, COUNT, "0..10 1" },
    { "steps/1: 5+10=10", "steps", 0, ALL_TIME, 10, MEAN, "0..10 1 10" },
    { "steps/1: 5+5=10 10+10=7", "steps", 0, ALL_TIME, 10, SUM, "0..10 1 10; 10..20 1 7" },
    { "steps/1: 0+30=10", "steps", 0, ALL_TIME, 10, SUM,
      "0..10 1 3.3333333333333335; 10..20 0 3.3333333333333335; 20..30 0 3.3333333333333335" },
    { "steps/1: 0+30=10 1+2=1", "steps", 0, 10, 21, 10, SUM,
      "10..20 0 3.3333333333333335; 20..21 0 0.3333333333333333" },
    { "steps/1: 0+10=10", "steps", 0, 10, 20, 10, SUM, "" },
    { "steps/1: 0+10=0 40+1=5", "steps", 0, 5, 50, 50, SUM, "5..50 1 5" },
    { "steps/1: 5+30=6 8+4=4", "steps", 0, 9, 33, 30, SUM, "9..30 0 7.2; 30..33 0 0.6" },
    /* of no length: wholly where it begins */
    { "steps/1: 10+0=10 19+1=1 20+0=4", "steps", 0, ALL_TIME, 10, SUM, "10..20 2 11; 20..30 1 4" },
    { "steps/1: 9+0=10 10+0=3", "steps", 0, 10, 20, 10, SUM, "10..20 1 3" },
    /* several sources are one stream; ties of first and last go by source */
    { "steps/1: 0+20=2 30+1=3 steps/2: 5+10=10 25+1=4", "steps", 0, ALL_TIME, 10,
      SUM | FIRST | LAST, "0..10 2 6 2 10; 10..20 0 6 - -; 20..30 1 4 4 4; 30..40 1 3 3 3" },
    { "steps/1: 0+20=2 30+1=3 steps/2: 5+10=10 25+1=4", "steps", 2, ALL_TIME, 10, SUM,
      "0..10 1 5; 10..20 0 5; 20..30 1 4" },
    { "heart_rate/2: 1=70 5=71 heart_rate/1: 1=60 5=61", "heart_rate", 0, ALL_TIME, 10,
      FIRST | LAST | MIN | MAX, "0..10 4 60 71 60 71" },
    /* deletions and revisions are seen through */
    { "steps/1: 5+10=10 x5..6 25+10=10^2 25+2=7^3", "steps", 0, ALL_TIME, 10, SUM,
      "0..10 1 5; 10..20 0 5; 20..30 1 7" },
    /* flagged ones are in nothing, and counted apart */
    { "heart_rate/1: 1=60 2=900 3=62", "heart_rate", 0, ALL_TIME, 10, NUMBERS,
      "0..10 2-1 122 61 60 62 60 62" },
    { "heart_rate/1: 2=900", "heart_rate", 0, ALL_TIME, 10, NUMBERS, "0..10 0-1 - - - - - -" },
    { "weight/1: 1=nan 2=70.5 3=inf", "weight", 0, ALL_TIME, 10, NUMBERS,
      "0..10 1-2 70.5 70.5 70.5 70.5 70.5 70.5" },
    { "steps/1: 0+20=1000000 5+10=4", "steps", 0, ALL_TIME, 10, SUM, "0..10 1-1 2; 10..20 0 2" },
    { "heart_rate/1: 1=60!4 2=61!108", "heart_rate", 0, ALL_TIME, 10, SUM, "0..10 2 121" },
    /* scale: exact decimals where whole, the nearest double else */
    { "body_temperature/1: 1=36.55 2=36.6 3=36.45", "body_temperature", 0, ALL_TIME, 10, NUMBERS,
      "0..10 3 109.60 36.53333333333333 36.45 36.60 36.55 36.45" },
    { "body_temperature/1: 1=36.55", "body_temperature", 0, ALL_TIME, 10, SUM | MEAN,
      "0..10 1 36.55 36.55" },
    { "weight/1: 1=0.3 2=0.6 3=0.7", "weight", 0, ALL_TIME, 10, SUM | MEAN,
      "0..10 3 1.5999999999999999 0.5333333333333333" },
    { "active_energy/1: 0+30=0.7 10+10=0.1", "active_energy", 0, ALL_TIME, 10, SUM,
      "0..10 1 0.2333333333333333; 10..20 1 0.3333333333333333; 20..30 0 0.2333333333333333" },
    /* several fields; texts and enums */
    { "blood_pressure/1: 1=120,80 2=130,90", "blood_pressure", 0, ALL_TIME, 10, MEAN | MAX,
      "0..10 2 125 130/85 90" },
    { "note/1: 1=a 2=b 11=c note/2: 2=d", "note", 0, ALL_TIME, 10, FIRST | LAST,
      "0..10 3 a d; 10..20 1 c c" },
    { "sleep_stage/1: 1+20=deep 2+3=light", "sleep_stage", 0, ALL_TIME, 10, COUNT | FIRST | LAST,
      "0..10 2 deep light" },
    /* the ends of time */
    { "steps/1: 9223372036854775800+1000=6", "steps", 0, HOLTER_TIME_MIN, HOLTER_TIME_MAX, 10, SUM,
      "9223372036854775800..9223372036854775807 1 0.042" },
    { "steps/1: -9223372036854775807+9223372036854775807=4", "steps", 0, ALL_TIME,
      INT64_C(6000000000000000000), SUM,
      "-9223372036854775808..-6000000000000000000 1 1.3979147860347894; "
      "-6000000000000000000..0 0 2.6020852139652106" },
};

static void write_value(const holter_metric *metric, size_t field, holter_value value)
{
    char text[256];
    holter_value_format(text, sizeof text, metric, field, value);
    write_text(" %s", text);
}

static void write_field(const holter_windows *windows, const holter_window_field *field,
                        const holter_metric *metric, size_t at)
{
    char text[64];
    bool has_samples = windows->samples[at] > 0;
    const holter_value *const values[] = { field->min, field->max, field->first, field->last };
    if (field->sum != NULL) {
        holter_sum_format(text, sizeof text, metric, field->field, &field->sum[at]);
        write_text(" %s", field->sum[at].is_there ? text : "-");
    }
    if (field->mean != NULL && !has_samples) {
        write_text(" -");
    } else if (field->mean != NULL) {
        const holter_metric plain = { .field_count = 1, .fields = { { .type = HOLTER_FLOAT } } };
        write_value(&plain, 0, (holter_value){ .real = field->mean[at] });
    }
    for (size_t i = 0; i < CORE_COUNT(values); i++) {
        if (values[i] != NULL && has_samples)
            write_value(metric, field->field, values[i][at]);
        else if (values[i] != NULL)
            write_text(" -");
    }
}

static holter_status write_windows(holter_snapshot *snapshot, const holter_aggregate_spec *spec,
                                   const holter_metric *metric)
{
    holter_aggregator *aggregator;
    holter_windows windows;
    world_text_bytes = 0;
    world_text[0] = '\0';
    holter_status status = holter_aggregate(&aggregator, snapshot, spec, &err);
    if (status != HOLTER_OK)
        return status;
    while ((status = holter_aggregate_next(aggregator, &windows, &err)) == HOLTER_OK) {
        CHECK(windows.count > 0 && windows.count <= 1024);
        for (size_t i = 0; i < windows.count; i++) {
            write_text("%s%" PRId64 "..%" PRId64 " %" PRIu64, world_text_bytes > 0 ? "; " : "",
                       windows.begin_ns[i], windows.end_ns[i], windows.samples[i]);
            if (windows.excluded[i] > 0)
                write_text("-%" PRIu64, windows.excluded[i]);
            for (size_t f = 0; f < windows.field_count; f++) {
                write_text("%s", f > 0 ? "/" : "");
                size_t begin = world_text_bytes;
                write_field(&windows, &windows.fields[f], metric, i);
                if (f > 0) { /* no space after '/' */
                    memmove(world_text + begin, world_text + begin + 1, world_text_bytes - begin);
                    world_text_bytes--;
                }
            }
        }
    }
    if (status == HOLTER_DONE)
        CHECK(holter_aggregate_next(aggregator, &windows, &err) == HOLTER_DONE);
    holter_aggregate_close(aggregator);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static const char *windows_of(const holter_aggregate_spec *spec, const holter_metric *metric)
{
    holter_snapshot *snapshot;
    OK(holter_snapshot_open(&snapshot, world.store[0], &err));
    OK(write_windows(snapshot, spec, metric));
    holter_snapshot_close(snapshot);
    return world_text;
}

START_TEST(windows_are_as_told)
{
    const struct question *question = &questions[_i];
    holter_metric metric;
    world_init(NULL, NULL);
    commit(world.store[0], question->batch);
    OK(holter_metric_find(world.store[0], question->metric, &metric, &err));
    holter_aggregate_spec spec = { .user = world.users[0],
                                   .metric = metric.number,
                                   .source = question->source,
                                   .from_ns = question->from,
                                   .to_ns = question->to,
                                   .every = { HOLTER_FIXED, question->width, { 0 } },
                                   .functions = question->functions };
    TEXT_IS(windows_of(&spec, &metric), question->answer);
    flush(world.store[0]);
    TEXT_IS(windows_of(&spec, &metric), question->answer);
    compact(world.store[0]);
    TEXT_IS(windows_of(&spec, &metric), question->answer);
    world_release();
}
END_TEST

/* ---- what does not fit ----------------------------------------------------------------------- */

static const struct refusal {
    const char *metric;
    holter_aggregate_spec spec;
    holter_status status;
    const char *says;
} refusals[] = {
    { "note", { .functions = SUM }, HOLTER_INVALID, "which count, time, first and last fit" },
    { "sleep_stage",
      { .functions = MIN | COUNT },
      HOLTER_INVALID,
      "which count, time, first and last" },
    { "steps", { .functions = 0 }, HOLTER_INVALID, "no functions" },
    { "steps", { .functions = 256 | COUNT }, HOLTER_INVALID, "functions that do not exist" },
    { "heart_rate", { .functions = HOLTER_FN_TIME }, HOLTER_INVALID, "is of instants" },
    { "steps",
      { .functions = COUNT, .filter_count = 1 },
      HOLTER_INVALID,
      "found 1 filters, expected none" },
    { "steps", { .functions = COUNT, .fields = 2 }, HOLTER_INVALID, "1 fields" },
    { "steps", { .functions = COUNT, .from_ns = 2, .to_ns = 1 }, HOLTER_INVALID, "before it" },
    { "steps",
      { .functions = COUNT, .every = { HOLTER_FIXED, 0, { 0 } } },
      HOLTER_INVALID,
      "width" },
    { "steps",
      { .functions = COUNT, .every = { HOLTER_FIXED, -1, { 0 } } },
      HOLTER_INVALID,
      "width" },
    { "steps", { .functions = COUNT, .reserved = { 1 } }, HOLTER_INVALID, "" },
    { "steps", { .functions = COUNT, .user = 12 }, HOLTER_NOT_FOUND, "user" },
    { NULL, { .functions = COUNT }, HOLTER_NOT_FOUND, "metric" },
};

START_TEST(what_does_not_fit_is_refused)
{
    const struct refusal *refusal = &refusals[_i];
    holter_snapshot *snapshot;
    holter_aggregator *aggregator;
    world_init(NULL, NULL);
    holter_aggregate_spec spec = refusal->spec;
    if (spec.user == 0)
        spec.user = world.users[0];
    spec.metric = refusal->metric == NULL ? 999999 : metric_number(world.store[0], refusal->metric);
    if (strcmp(refusal->says, "width") != 0)
        spec.every.width_ns = 10;
    OK(holter_snapshot_open(&snapshot, world.store[0], &err));
    FAILS(holter_aggregate(&aggregator, snapshot, &spec, &err), refusal->status, refusal->says);
    CHECK(aggregator == NULL);
    holter_snapshot_close(snapshot);
    world_release();
}
END_TEST

/* ---- exactness ------------------------------------------------------------------------------- */

START_TEST(integer_sums_pass_64_bits)
{
    const holter_metric big = {
        .name = "big",
        .unit = "1",
        .kind = HOLTER_INTERVAL,
        .field_count = 1,
        .fields = { { .name = "value", .type = HOLTER_INT, .exponent = -3 } },
        .key_field = -1,
        .aggregation = HOLTER_SUM,
        .tier_class = HOLTER_RECORDS,
    };
    holter_metric metric;
    uint32_t number;
    world_init(NULL, NULL);
    OK(holter_metric_define(world.store[0], &big, &number, &err));
    OK(holter_metric_by_number(world.store[0], number, &metric, &err));
    commit(world.store[0], "big/1: 0+1=9223372036854775.807 1+1=9223372036854775.807 "
                           "2+1=9223372036854775.806 10+0=-9223372036854775.808 "
                           "11+0=-9223372036854775.808 20+20=-9223372036854775.808");
    holter_aggregate_spec spec = { .user = world.users[0],
                                   .metric = number,
                                   .every = { HOLTER_FIXED, 10, { 0 } },
                                   .functions = SUM | MEAN | MIN | MAX };
    TEXT_IS(windows_of(&spec, &metric),
            "0..10 3 27670116110564327.420 9223372036854776 9223372036854775.806 "
            "9223372036854775.807; "
            "10..20 2 -18446744073709551.616 -9223372036854776 -9223372036854775.808 "
            "-9223372036854775.808; "
            "20..30 1 -4611686018427388 -9223372036854776 -9223372036854775.808 "
            "-9223372036854775.808; 30..40 0 -4611686018427388 - - -");
    world_release();
}
END_TEST

START_TEST(float_sums_lose_nothing)
{
    const holter_metric wide = {
        .name = "wide",
        .unit = "1",
        .kind = HOLTER_INSTANT,
        .field_count = 1,
        .fields = { { .name = "value", .type = HOLTER_FLOAT } },
        .key_field = -1,
        .aggregation = HOLTER_SUM,
        .tier_class = HOLTER_RECORDS,
    };
    holter_metric metric;
    uint32_t number;
    world_init(NULL, NULL);
    OK(holter_metric_define(world.store[0], &wide, &number, &err));
    OK(holter_metric_by_number(world.store[0], number, &metric, &err));
    commit(world.store[0],
           "wide/1: 0=1e300 1=1 2=-1e300 3=1e-300 4=-1 "
           "10=1.7976931348623157e308 11=1.7976931348623157e308 "
           "12=-1.7976931348623157e308 20=5e-324 21=5e-324 22=5e-324 30=-5e-324 "
           "40=1.7976931348623157e308 41=1.7976931348623157e308 "
           "50=-0.0 51=0 60=9007199254740992 61=1 70=9007199254740992 71=1 72=5e-324");
    holter_aggregate_spec spec = { .user = world.users[0],
                                   .metric = number,
                                   .every = { HOLTER_FIXED, 10, { 0 } },
                                   .functions = SUM | MEAN };
    TEXT_IS(
        windows_of(&spec, &metric),
        "0..10 5 1e-300 2e-301; 10..20 3 1.7976931348623157e+308 5.992310449541053e+307; "
        "20..30 3 1.5e-323 5e-324; 30..40 1 -5e-324 -5e-324; "
        "40..50 2 inf 1.7976931348623157e+308; 50..60 2 0 0; "
        "60..70 2 9007199254740992 4503599627370496; 70..80 3 9007199254740994 3002399751580331");
    spec.functions = MIN | MAX;
    spec.from_ns = 50;
    spec.to_ns = 60;
    TEXT_IS(windows_of(&spec, &metric), "50..60 2 -0 0");
    world_release();
}
END_TEST

START_TEST(many_windows_come_in_batches)
{
    enum { ROWS = 2500 };
    holter_metric metric;
    world_init(NULL, NULL);
    OK(holter_metric_find(world.store[0], "note", &metric, &err));
    holter_batch *batch = batch_new(world.store[0], 0, 0);
    for (int64_t i = 0; i < ROWS; i++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "text %" PRId64, i);
        holter_value value = { .text = { .bytes = text, .count = (size_t)bytes } };
        OK(holter_batch_add(batch,
                            &(holter_row){ .user = world.users[0],
                                           .metric = metric.number,
                                           .source = 1 + (uint32_t)(i % 2),
                                           .time_ns = i * 10,
                                           .values = &value,
                                           .value_count = 1 },
                            NULL, &err));
    }
    OK(holter_commit(world.store[0], batch, &err));
    holter_batch_free(batch);

    holter_snapshot *snapshot;
    holter_aggregator *aggregator;
    holter_windows windows;
    holter_aggregate_spec spec = { .user = world.users[0],
                                   .metric = metric.number,
                                   .every = { HOLTER_FIXED, 10, { 0 } },
                                   .functions = FIRST | LAST };
    size_t seen = 0;
    OK(holter_snapshot_open(&snapshot, world.store[0], &err));
    OK(holter_aggregate(&aggregator, snapshot, &spec, &err));
    while (holter_aggregate_next(aggregator, &windows, &err) == HOLTER_OK) {
        for (size_t i = 0; i < windows.count; i++, seen++) {
            char text[32];
            int bytes = snprintf(text, sizeof text, "text %zu", seen);
            CHECK(windows.begin_ns[i] == (int64_t)seen * 10 && windows.samples[i] == 1);
            CHECK(windows.fields[0].first[i].text.count == (size_t)bytes);
            CHECK(memcmp(windows.fields[0].first[i].text.bytes, text, (size_t)bytes) == 0);
            CHECK(memcmp(windows.fields[0].last[i].text.bytes, text, (size_t)bytes) == 0);
        }
    }
    ck_assert_uint_eq(seen, ROWS);
    holter_aggregate_close(aggregator);
    holter_snapshot_close(snapshot);
    world_release();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_aggregate");
    TCase *tcase = tcase_create("aggregate");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, windows_are_as_told, 0, (int)CORE_COUNT(questions));
    tcase_add_loop_test(tcase, what_does_not_fit_is_refused, 0, (int)CORE_COUNT(refusals));
    tcase_add_test(tcase, integer_sums_pass_64_bits);
    tcase_add_test(tcase, float_sums_lose_nothing);
    tcase_add_test(tcase, many_windows_come_in_batches);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
