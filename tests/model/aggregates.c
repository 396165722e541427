/*
 * aggregates.c -- windows of random stores, beside a slow answer.
 *
 * usage: aggregates QUERIES [SEED]
 *
 * Claim: whatever was written, corrected, deleted, flagged, flushed and compacted, holter_aggregate
 * gives what include/holter/aggregate.h says: windows, counts, sums to the last bit, values.
 * Method: the rows that stand are the oracle's (oracle.h); each is put into every window that it
 * touches, found instant by instant, and each window is then told from its own list of rows, in
 * 113-bit floats. Nothing of the engine's sums or merging is used; where a window lies is the
 * zone's word, which tests of its own hold against others.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_sim.h"
#include "oracle.h"
#include "store/store.h"

#include "../unit/random.h"

__extension__ typedef __float128 wide;

enum {
    SOURCES = 3,
    METRICS = 6,
    FIELDS = 2,
    COMMITS = 12,
    ROWS = 24,
    QUERIES_EACH = 60,
    TEXT_BYTES = 8
};
enum { EXCLUDED = HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE };

#define SECOND INT64_C(1000000000)
#define DAY (86400 * SECOND)

static const char *const metric_names[METRICS] = { "heart_rate",     "steps", "hydration",
                                                   "blood_pressure", "habit", "sleep_stage" };

static const char *const zone_names[] = {
    "UTC",           "+05:30", "-08", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
    "Asia/Kathmandu"
};
enum { ZONES = sizeof zone_names / sizeof zone_names[0] };

/* What a row holds, in the oracle's keeping. */
struct payload {
    holter_value values[FIELDS]; /* of texts: none */
    char text[TEXT_BYTES];
};

/* A row that stands. */
struct sample {
    uint32_t source;
    int64_t begin, duration;
    bool is_excluded;
    struct payload payload;
};

struct model {
    struct random random;
    struct sim *sim;
    struct io *io;
    holter_store *store;
    uint64_t user;
    holter_metric metrics[METRICS];
    holter_zone *zones[ZONES];
    struct oracle *oracle;
    uint64_t sequence;
    int64_t base, unit; /* times are base + n * unit, mostly */
    uint64_t queries, windows, shares, filtered;
    uint64_t seed;
};

static holter_error err;

#define CHECK(model, fact)                                                                         \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "aggregates: seed %" PRIu64 ", query %" PRIu64 ": %s (%s:%d): %s\n",   \
                    (model)->seed, (model)->queries, #fact, __FILE__, __LINE__, err.message);      \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int64_t below(struct model *model, int64_t count)
{
    return (int64_t)random_below(&model->random, (uint64_t)count);
}

/* ---- a random store -------------------------------------------------------------------------- */

static void open_world(struct model *model, uint64_t seed)
{
    static const int64_t bases[] = { INT64_C(1459036800) * SECOND, /* 2016-03-27 */
                                     INT64_C(1477699200) * SECOND, /* 2016-10-29 */
                                     0, -INT64_C(2000000000) * SECOND,
                                     INT64_C(1457841600) * SECOND /* 2016-03-13 */ };
    static const int64_t units[] = { 1, SECOND, 60 * SECOND, 3600 * SECOND, 900 * SECOND };
    const holter_id id = { .bytes = "a", .count = 1 };
    model->seed = seed;
    model->random.state = seed;
    model->base = bases[below(model, 5)];
    model->unit = units[below(model, 5)];
    model->sim = sim_new(&(struct sim_options){ .seed = seed });
    model->io = sim_process_new(model->sim);
    model->oracle = oracle_new();
    model->sequence = 0;
    CHECK(model, store_create_on(model->io, "store", &(holter_create_options){ .shards = 1 },
                                 &err) == HOLTER_OK);
    CHECK(model, store_open_on(&model->store, model->io, "store", NULL, &err) == HOLTER_OK);
    CHECK(model, holter_users_add(model->store, &id, 1, NULL, &model->user, &err) == HOLTER_OK);
    for (int s = 1; s <= SOURCES; s++) {
        const char name[2] = { (char)('0' + s), 0 };
        uint32_t number;
        CHECK(model,
              holter_source_need(model->store, model->user, name, &number, &err) == HOLTER_OK);
    }
    for (size_t m = 0; m < METRICS; m++)
        CHECK(model, holter_metric_find(model->store, metric_names[m], &model->metrics[m], &err) ==
                         HOLTER_OK);
}

static void close_world(struct model *model)
{
    holter_close(model->store);
    io_free(model->io);
    sim_free(model->sim);
    oracle_free(model->oracle);
}

static int64_t random_time(struct model *model)
{
    int64_t time = model->base + below(model, 120) * model->unit;
    return below(model, 4) == 0 ? time + below(model, model->unit) : time;
}

static int64_t random_duration(struct model *model)
{
    switch (below(model, 8)) {
    case 0:
        return 0;
    case 1:
        return below(model, 60 * model->unit) + 1;
    case 2:
        return 30 * model->unit;
    default:
        return (1 + below(model, 5)) * model->unit;
    }
}

static holter_value random_number(struct model *model, const holter_field *field)
{
    holter_value value = { 0 };
    if (field->type == HOLTER_ENUM) {
        value.integer = below(model, (int64_t)field->label_count);
    } else if (field->type == HOLTER_FLOAT) {
        static const double odd[] = { (double)NAN, (double)INFINITY, -0.0, 0.0, 0.1, 1e300 };
        value.real = below(model, 6) == 0 ? odd[below(model, 6)]
                                          : (double)below(model, INT64_C(1) << 50) / 1e12;
    } else {
        value.integer = below(model, 12) == 0 ? 100000000000 : below(model, 250);
    }
    return value;
}

static bool is_implausible(const holter_field *field, holter_value value)
{
    if (field->type == HOLTER_FLOAT && !isfinite(value.real))
        return true;
    if (!field->has_range)
        return false;
    return field->type == HOLTER_FLOAT
               ? value.real < field->min.real || value.real > field->max.real
               : value.integer < field->min.integer || value.integer > field->max.integer;
}

static void add_row(struct model *model, holter_batch *batch, const holter_metric *metric,
                    int64_t revision)
{
    static const char *const texts[] = { "", "a", "ab", "b" };
    struct payload payload = { 0 };
    holter_value values[HOLTER_FIELDS_MAX];
    holter_row row = { .user = model->user,
                       .metric = metric->number,
                       .source = (uint32_t)(1 + below(model, SOURCES)),
                       .time_ns = random_time(model),
                       .duration_ns = metric->kind == HOLTER_INTERVAL ? random_duration(model) : 0,
                       .values = values,
                       .value_count = metric->field_count,
                       .revision = revision };
    struct oracle_row known = { .user = row.user,
                                .metric = row.metric,
                                .source = row.source,
                                .time = row.time_ns,
                                .duration = row.duration_ns,
                                .revision = revision,
                                .sequence = model->sequence,
                                .payload = &payload,
                                .payload_bytes = sizeof payload };
    for (size_t f = 0; f < metric->field_count; f++) {
        if (metric->fields[f].type == HOLTER_TEXT) {
            const char *text = texts[below(model, 4)];
            values[f] = (holter_value){ .text = { .bytes = text, .count = strlen(text) } };
            memcpy(payload.text, text, strlen(text));
            known.text_key = text;
            known.text_key_bytes = strlen(text);
            continue;
        }
        payload.values[f] = values[f] = random_number(model, &metric->fields[f]);
        if (is_implausible(&metric->fields[f], values[f]))
            known.flags |= HOLTER_OUT_OF_RANGE;
    }
    CHECK(model, holter_batch_add(batch, &row, NULL, &err) == HOLTER_OK);
    oracle_add_row(model->oracle, &known);
}

static void add_deletion(struct model *model, holter_batch *batch, const holter_metric *metric)
{
    static const int64_t revisions[] = { 0, 0, 0, 1, 2 };
    struct oracle_tombstone known = { .user = model->user,
                                      .metric = metric->number,
                                      .source = (uint32_t)below(model, SOURCES + 1),
                                      .begin = random_time(model),
                                      .revision = revisions[below(model, 5)],
                                      .sequence = model->sequence };
    known.end = known.begin + 1 + below(model, 10 * model->unit);
    CHECK(model, holter_batch_delete(batch, known.user, known.metric, known.source, known.begin,
                                     known.end, known.revision, &err) == HOLTER_OK);
    oracle_add_tombstone(model->oracle, &known);
}

static void commit(struct model *model)
{
    static const int64_t revisions[] = { 0, 0, 0, 1, 2, -1 };
    holter_batch *batch;
    CHECK(model, holter_batch_new(&batch, model->store, NULL, &err) == HOLTER_OK);
    model->sequence++;
    for (size_t m = 0; m < METRICS; m++) {
        if (below(model, 4) == 0)
            add_deletion(model, batch, &model->metrics[m]);
        for (int64_t i = below(model, ROWS); i > 0; i--)
            add_row(model, batch, &model->metrics[m], revisions[below(model, 6)]);
    }
    CHECK(model, holter_commit(model->store, batch, &err) == HOLTER_OK);
    holter_batch_free(batch);
    int64_t then = below(model, 6);
    if (then == 0)
        CHECK(model, holter_flush(model->store, NULL, &err) == HOLTER_OK);
    if (then == 1) {
        holter_compact_options options = { .to = model->sequence % 3 == 0 ? HOLTER_COLD
                                                                          : HOLTER_WARM };
        CHECK(model, holter_compact(model->store, &options, NULL, &err) == HOLTER_OK);
    }
}

/* ---- the slow answer ------------------------------------------------------------------------- */

struct samples {
    struct sample *at;
    size_t count;
};

/* What stands of a metric: by time, source, key. */
static int sample_compare(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return strcmp(x->payload.text, y->payload.text); /* keys are texts here */
}

static struct samples standing(struct model *model, const holter_metric *metric, uint32_t source)
{
    struct samples all = { 0 };
    for (uint32_t s = 1; s <= SOURCES; s++) {
        size_t count;
        if (source != 0 && source != s)
            continue;
        const struct oracle_row *const *rows =
            oracle_ask(model->oracle, model->user, metric->number, s, INT64_MIN, INT64_MAX,
                       INT64_MAX, &count);
        all.at = realloc(all.at, (all.count + count + 1) * sizeof *all.at);
        CHECK(model, all.at != NULL);
        for (size_t i = 0; i < count; i++) {
            struct sample *sample = &all.at[all.count++];
            *sample = (struct sample){ .source = s,
                                       .begin = rows[i]->time,
                                       .duration = rows[i]->duration,
                                       .is_excluded = rows[i]->flags != 0 };
            memcpy(&sample->payload, rows[i]->payload, sizeof sample->payload);
        }
    }
    if (all.count > 0)
        qsort(all.at, all.count, sizeof *all.at, sample_compare);
    return all;
}

struct question {
    const holter_metric *metric;
    holter_aggregate_spec spec;
    int64_t from, to;
    struct samples samples;
};

static void cut_window(struct model *model, const struct question *question, int64_t time,
                       int64_t *begin, int64_t *end)
{
    CHECK(model, holter_zone_window(begin, end, question->spec.zone, &question->spec.every, time,
                                    &err) == HOLTER_OK);
    *begin = *begin < question->from ? question->from : *begin;
    *end = *end > question->to ? question->to : *end;
}

static int time_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The begins of all windows in which there is something; *count of them, to be freed. */
static int64_t *find_windows(struct model *model, const struct question *question, size_t *count)
{
    int64_t *begins = NULL;
    size_t found = 0, room = 0;
    bool has_shares = (question->spec.functions & (HOLTER_FN_SUM | HOLTER_FN_TIME)) != 0;
    for (size_t i = 0; i < question->samples.count; i++) {
        const struct sample *sample = &question->samples.at[i];
        int64_t last = has_shares && !sample->is_excluded && sample->duration > 0
                           ? sample->begin + sample->duration - 1
                           : sample->begin;
        int64_t time = sample->begin;
        if (time < question->from && last > sample->begin)
            time = question->from;
        while (time <= last && time >= question->from && time < question->to) {
            int64_t begin, end;
            cut_window(model, question, time, &begin, &end);
            if (found == room) {
                room = room == 0 ? 64 : room * 2;
                begins = realloc(begins, room * sizeof *begins);
                CHECK(model, begins != NULL);
            }
            begins[found++] = begin;
            time = end;
        }
    }
    if (found > 0)
        qsort(begins, found, sizeof *begins, time_compare);
    size_t kept = 0;
    for (size_t i = 0; i < found; i++) {
        if (kept == 0 || begins[kept - 1] != begins[i])
            begins[kept++] = begins[i];
    }
    *count = kept;
    return begins;
}

static wide scale_of(int exponent)
{
    wide scale = 1;
    for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--)
        scale *= 10;
    return scale;
}

/* A sum at the field's scale, over so many, rounded to a double once. */
static double round_sum(wide sum, const holter_field *field, uint64_t count)
{
    if (field->type != HOLTER_INT)
        return (double)(sum / count);
    if (field->exponent >= 0)
        return (double)(sum * scale_of(field->exponent) / count);
    return (double)(sum / (scale_of(field->exponent) * count));
}

/*
 * The nearest number of 96 bits (T. J. Dekker, "A floating-point technique for extending the
 * available precision", 1971). Shares were rounded to 113 bits each, and their sum may truly be
 * half between two doubles.
 */
static wide settle(wide sum)
{
    wide high = sum * (wide)((1 << 17) + 1);
    wide rest = high - sum;
    return high - rest;
}

static wide number_of(const struct sample *sample, const holter_field *field, size_t f)
{
    return field->type == HOLTER_FLOAT ? (wide)sample->payload.values[f].real
                                       : (wide)sample->payload.values[f].integer;
}

static bool is_same(double a, double b)
{
    return a == b;
}

static bool is_less(const holter_field *field, holter_value a, holter_value b)
{
    if (field->type != HOLTER_FLOAT)
        return a.integer < b.integer;
    return a.real < b.real || (a.real == b.real && signbit(a.real) && !signbit(b.real));
}

static bool is_value(const holter_field *field, const struct sample *sample, size_t f,
                     holter_value found)
{
    if (field->type == HOLTER_TEXT)
        return found.text.count == strlen(sample->payload.text) &&
               memcmp(found.text.bytes, sample->payload.text, found.text.count) == 0;
    if (field->type == HOLTER_FLOAT)
        return memcmp(&found.real, &sample->payload.values[f].real, sizeof found.real) == 0;
    return found.integer == sample->payload.values[f].integer;
}

static void check_field(struct model *model, const struct question *question,
                        const holter_window_field *of, size_t at, int64_t begin, int64_t end)
{
    size_t f = of->field;
    const holter_field *field = &question->metric->fields[f];
    wide sum = 0, total = 0;
    uint64_t count = 0, parts = 0;
    bool is_whole = field->type == HOLTER_INT, has_shares = false;
    const struct sample *first = NULL, *last = NULL, *least = NULL, *greatest = NULL;
    for (size_t i = 0; i < question->samples.count; i++) {
        const struct sample *sample = &question->samples.at[i];
        bool is_in = sample->begin >= begin && sample->begin < end;
        int64_t from = sample->begin > begin ? sample->begin : begin;
        int64_t to =
            sample->begin + sample->duration < end ? sample->begin + sample->duration : end;
        if (sample->is_excluded || (!is_in && to <= from))
            continue;
        if (field->type == HOLTER_INT || field->type == HOLTER_FLOAT) {
            wide value = number_of(sample, field, f);
            bool is_share = sample->duration > 0 && to - from < sample->duration;
            sum += is_share ? value * (wide)(to - from) / (wide)sample->duration : value;
            is_whole = is_whole && !is_share;
            has_shares = has_shares || is_share;
            model->shares += is_share;
            total += is_in ? value : 0;
        }
        parts++;
        if (!is_in)
            continue;
        count++;
        first = first == NULL ? sample : first;
        last = sample;
        if (least == NULL || is_less(field, sample->payload.values[f], least->payload.values[f]))
            least = sample;
        if (greatest == NULL ||
            is_less(field, greatest->payload.values[f], sample->payload.values[f]))
            greatest = sample;
    }
    if (of->sum != NULL) {
        double expected = round_sum(has_shares ? settle(sum) : sum, field, 1);
        CHECK(model, of->sum[at].is_there == (parts > 0));
        if (!is_same(of->sum[at].value, expected))
            fprintf(stderr, "sum: found %a, expected %a\n", of->sum[at].value, expected);
        CHECK(model, is_same(of->sum[at].value, expected));
        CHECK(model, of->sum[at].is_whole == is_whole);
        if (is_whole) {
            wide exact = (wide)of->sum[at].high * 18446744073709551616.0 + (wide)of->sum[at].low;
            CHECK(model, exact == sum);
        }
    }
    if (count == 0)
        return;
    CHECK(model, of->mean == NULL || is_same(of->mean[at], round_sum(total, field, count)));
    CHECK(model, of->min == NULL || is_value(field, least, f, of->min[at]));
    CHECK(model, of->max == NULL || is_value(field, greatest, f, of->max[at]));
    CHECK(model, of->first == NULL || is_value(field, first, f, of->first[at]));
    CHECK(model, of->last == NULL || is_value(field, last, f, of->last[at]));
}

/* How long samples last in a window. */
static int64_t time_within(const struct question *question, int64_t begin, int64_t end)
{
    int64_t time = 0;
    for (size_t i = 0; i < question->samples.count; i++) {
        const struct sample *sample = &question->samples.at[i];
        int64_t from = sample->begin > begin ? sample->begin : begin;
        int64_t to = sample->begin + sample->duration;
        to = to < end ? to : end;
        time += !sample->is_excluded && to > from ? to - from : 0;
    }
    return time;
}

static void check_window(struct model *model, const struct question *question,
                         const holter_windows *windows, size_t at, int64_t begin)
{
    int64_t cut_begin, end;
    uint64_t count = 0, excluded = 0;
    cut_window(model, question, begin, &cut_begin, &end);
    CHECK(model, windows->begin_ns[at] == begin && begin == cut_begin);
    CHECK(model, windows->end_ns[at] == end);
    for (size_t i = 0; i < question->samples.count; i++) {
        const struct sample *sample = &question->samples.at[i];
        if (sample->begin >= begin && sample->begin < end) {
            count += !sample->is_excluded;
            excluded += sample->is_excluded;
        }
    }
    CHECK(model, windows->samples[at] == count);
    CHECK(model, windows->excluded[at] == excluded);
    bool has_time = (question->spec.functions & HOLTER_FN_TIME) != 0;
    CHECK(model, (windows->time_ns != NULL) == has_time);
    CHECK(model, !has_time || windows->time_ns[at] == time_within(question, begin, end));
    for (size_t f = 0; f < windows->field_count; f++)
        check_field(model, question, &windows->fields[f], at, begin, end);
    model->windows++;
}

/* ---- questions ------------------------------------------------------------------------------- */

static void random_every(struct model *model, holter_aggregate_spec *spec)
{
    static const int64_t widths[] = { 900, 1800, 3600, 21600, 86400, 60 };
    size_t zone = (size_t)below(model, ZONES + 1);
    spec->zone = zone < ZONES ? model->zones[zone] : NULL;
    bool is_utc = spec->zone == NULL || zone == 0;
    if (below(model, 2) == 0) {
        spec->every.calendar = (holter_calendar)(1 + below(model, 5));
        return;
    }
    if (is_utc && below(model, 3) > 0) {
        spec->every.width_ns = (1 + below(model, 40)) * model->unit + below(model, 3);
        return;
    }
    do
        spec->every.width_ns = widths[below(model, 6)] * SECOND;
    while (spec->every.width_ns < model->unit / 60);
}

static void random_range(struct model *model, struct question *question)
{
    int64_t a = random_time(model), b = random_time(model);
    question->from = INT64_MIN;
    question->to = INT64_MAX;
    if (below(model, 3) > 0)
        question->from = a < b ? a : b;
    if (below(model, 3) > 0)
        question->to = a < b ? b : a;
    question->spec.from_ns = question->from;
    question->spec.to_ns = question->to;
}

/* A range of a field that is no text; what it leaves out is no sample of the question. */
static void random_filter(struct model *model, struct question *question, holter_filter *filter)
{
    const holter_metric *metric = question->metric;
    size_t f = (size_t)below(model, (int64_t)metric->field_count);
    const holter_field *field = &metric->fields[f];
    if (field->type == HOLTER_TEXT)
        return;
    holter_value a = random_number(model, field), b = random_number(model, field);
    if (field->type == HOLTER_FLOAT && (isnan(a.real) || isnan(b.real)))
        return;
    bool is_less = field->type == HOLTER_FLOAT ? a.real < b.real : a.integer < b.integer;
    *filter = (holter_filter){ .field = f, .min = is_less ? a : b, .max = is_less ? b : a };
    if (below(model, 8) == 0)
        filter->min = filter->max;
    question->spec.filters = filter;
    question->spec.filter_count = 1;
    size_t kept = 0;
    for (size_t i = 0; i < question->samples.count; i++) {
        holter_value value = question->samples.at[i].payload.values[f];
        bool passes =
            field->type == HOLTER_FLOAT
                ? value.real >= filter->min.real && value.real <= filter->max.real
                : value.integer >= filter->min.integer && value.integer <= filter->max.integer;
        if (passes)
            question->samples.at[kept++] = question->samples.at[i];
    }
    question->samples.count = kept;
    model->filtered++;
}

static void ask(struct model *model, holter_snapshot *snapshot)
{
    struct question question = { .metric = &model->metrics[below(model, METRICS)] };
    uint32_t all = HOLTER_FN_SUM | HOLTER_FN_MEAN | HOLTER_FN_MIN | HOLTER_FN_MAX;
    holter_aggregate_spec *spec = &question.spec;
    spec->user = model->user;
    spec->metric = question.metric->number;
    spec->source = (uint32_t)(below(model, 2) * below(model, SOURCES + 1));
    random_every(model, spec);
    random_range(model, &question);
    if (question.from == 0 && question.to == 0)
        return; /* that would be all */
    all |= HOLTER_FN_COUNT | HOLTER_FN_FIRST | HOLTER_FN_LAST;
    spec->functions = below(model, 3) > 0 ? all : (uint32_t)(1 + below(model, all));
    if (question.metric->kind == HOLTER_INTERVAL && below(model, 2) == 0)
        spec->functions |= HOLTER_FN_TIME;
    if (question.metric->fields[0].type == HOLTER_ENUM)
        spec->functions = HOLTER_FN_COUNT |
                          (spec->functions & (HOLTER_FN_FIRST | HOLTER_FN_LAST | HOLTER_FN_TIME));
    if (question.metric->field_count == 2 && question.metric->key_field < 0)
        spec->fields = (uint32_t)below(model, 4);
    question.samples = standing(model, question.metric, spec->source);
    holter_filter filter;
    if (below(model, 2) == 0)
        random_filter(model, &question, &filter);
    size_t expected, seen = 0;
    int64_t *begins = find_windows(model, &question, &expected);

    holter_aggregator *aggregator;
    holter_windows windows;
    holter_status status;
    CHECK(model, holter_aggregate(&aggregator, snapshot, spec, &err) == HOLTER_OK);
    while ((status = holter_aggregate_next(aggregator, &windows, &err)) == HOLTER_OK) {
        for (size_t at = 0; at < windows.count; at++, seen++) {
            CHECK(model, seen < expected);
            check_window(model, &question, &windows, at, begins[seen]);
        }
    }
    CHECK(model, status == HOLTER_DONE);
    CHECK(model, seen == expected);
    holter_aggregate_close(aggregator);
    free(begins);
    free(question.samples.at);
    model->queries++;
}

static void run_world(struct model *model, uint64_t seed)
{
    open_world(model, seed);
    for (int i = 0; i < COMMITS; i++) {
        commit(model);
        if (i % 4 != 3)
            continue;
        holter_snapshot *snapshot;
        CHECK(model, holter_snapshot_open(&snapshot, model->store, &err) == HOLTER_OK);
        for (int q = 0; q < QUERIES_EACH; q++)
            ask(model, snapshot);
        holter_snapshot_close(snapshot);
    }
    close_world(model);
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: aggregates QUERIES [SEED]\n");
        return 2;
    }
    uint64_t queries = strtoull(arguments[1], NULL, 10);
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    struct model model = { 0 };
    for (size_t i = 0; i < ZONES; i++) {
        if (holter_zone_open(&model.zones[i], zone_names[i], &err) != HOLTER_OK)
            printf("aggregates: UTC in place of %s: %s\n", zone_names[i], err.message);
    }
    while (model.queries < queries)
        run_world(&model, seed++);
    printf("aggregates: %" PRIu64 " queries, %" PRIu64 " of them filtered, %" PRIu64
           " windows, %" PRIu64 " shares: all equal\n",
           model.queries, model.filtered, model.windows, model.shares);
    for (size_t i = 0; i < ZONES; i++)
        holter_zone_close(model.zones[i]);
    return 0;
}
