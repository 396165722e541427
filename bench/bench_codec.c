/*
 * bench_codec.c -- how many bits does a sample take in each codec, and how fast is it there and back?
 *
 * On paper: heart rate every 5 to 15 s has 1.3 to 1.5 bits in its gaps and 2.3 to 2.6 in its changes,
 * once the changes before are known. Packed blocks of 1,024 give a gap 2 bits and a change 4 with its
 * patches, and unpack 16 or more values an instruction: some 2 G samples/s. zstd of gaps and changes
 * as varints comes to 4.6 bits at level 19 and 5.4 at level 1, and gives 0.2 to 0.3 G samples/s back,
 * for it writes them byte by byte. The log's form takes a byte for each.
 *
 * Method: each series kind, from real devices where their files are there (real.h) and from a
 * simulated cohort, is imported or written into a store and read back (series.h). A series is cut into
 * groups of 8,192 rows; each codec encodes a group in blocks of its own length, which the name of a
 * case tells, and decodes them into the same kind of columns. What comes back is compared.
 *   size            all blocks of all groups, headers within blocks included; the first time of a
 *                   block is known from outside (an index) to every codec but the log's. "own" is cold with
 *                   models that a series has of its own where they pay, these included; its rates are by
 *                   models of the groups that are timed, as if they were one series.
 *   encode, decode  samples a second of one core's time, over groups spread over the kind, 131,072
 *                   rows or all; the codecs take turns, and a figure is the median of its turns.
 *   fold            samples a second of an aggregate with a filter: of the first field those between its first and third
 *                   quarter are counted, added up and compared, without rows; of the engine's blocks, of integers.
 *   x zstd          ratios within a turn, beside zstd's blocks of 8,192 rows; "alike": beside zstd's blocks of as
 *                   many rows as the codec's.
 *   by time         bits by so much time that intervals last; "by night": with the pauses of up to an hour between
 *                   them, in which people sleep on though no stage was exported.
 *   instructions    of one sample (counts.h), of simulated kinds, where valgrind is installed.
 * --people 0/3 measures every third person only, in the order in which train_models.py --leave 0/3
 * leaves people out: of a model that was not trained on them (bench/unseen.py).
 * What zstd gets: columns_zstd.h; its rate includes the way from columns and back.
 */
#include "bench.h"
#include "coders.h"
#include "columns_zstd.h"
#include "counts.h"
#include "real.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TIMED_ROWS = 131072,
    ROWS_MAX = 4 << 20, /* of a kind */
    REPEATS = 9,
    LABEL_BYTES_MAX = 96
};
static const double TURN_S_MIN = 0.004;
static const int64_t SHORT_PAUSE_NS = INT64_C(3600000000000);

/* ---- sizes and rates of a kind --------------------------------------------------------------- */

struct totals {
    uint64_t bytes[CODERS_MAX];
    uint64_t rows;
    size_t kinds;         /* that are in it, where it is of several */
    double spans, nights; /* intervals in units of the kind's own, and with short pauses */
};

struct kind {
    const char *name, *metric;
    const char *set;     /* of real.h; NULL: simulated */
    int64_t gap_ns_from; /* series whose median gap is in [from, to); both 0: all */
    int64_t gap_ns_to;
    int64_t span_ns;         /* also bits by so much time of intervals; 0: not */
    struct totals *together; /* where kinds are also told as one */
};

/* Of the people whose number modulo `of` is `part`; all of them with the zeroes. */
static struct {
    uint32_t part, of;
} people;

static bool is_of_kind(const struct kind *kind, const struct series *series)
{
    if (people.of != 0 && series->person % people.of != people.part)
        return false;
    if (kind->gap_ns_to == 0)
        return true;
    int64_t gap = series_median_gap_ns(series);
    return gap >= kind->gap_ns_from && gap < kind->gap_ns_to;
}

/* Behind an interval, up to the next one of its group; 0: a longer one. */
static int64_t short_pause_ns(const struct columns *c, size_t i)
{
    if (i + 1 == c->count)
        return 0;
    int64_t pause = c->time[i + 1] - c->time[i] - c->duration[i];
    return pause > 0 && pause <= SHORT_PAUSE_NS ? pause : 0;
}

static void measure_sizes(struct totals *totals, const struct kind *kind,
                          const struct series_set *set, const struct series *series)
{
    struct blocks blocks = { 0 };
    struct groups early = { 0 };
    for (size_t first = 0; first < series->count && early.count < CODEC_LEARN_BLOCKS;
         first += GROUP_ROWS)
        groups_add(&early, group_of(set, series, first));
    size_t own_bytes = own_learn(&early);
    for (size_t i = 0; i < coder_count; i++)
        totals->bytes[i] += coder_is_own(&coders[i]) ? own_bytes : 0;
    groups_release(&early);
    for (size_t first = 0; first < series->count; first += GROUP_ROWS) {
        struct columns *c = group_of(set, series, first);
        for (size_t i = 0; i < coder_count; i++) {
            blocks_add(&blocks, &coders[i], c);
            blocks_check(&coders[i], &blocks, c);
            totals->bytes[i] += blocks.bytes.bytes;
            blocks_clear(&blocks);
        }
        totals->rows += c->count;
        for (size_t i = 0; kind->span_ns != 0 && i < c->count; i++) {
            totals->spans += (double)c->duration[i] / (double)kind->span_ns;
            totals->nights +=
                (double)(c->duration[i] + short_pause_ns(c, i)) / (double)kind->span_ns;
        }
        group_free(c);
    }
    blocks_release(&blocks);
}

static void report_sizes(const char *name, const struct totals *totals, int64_t span_ns)
{
    char at[LABEL_BYTES_MAX];
    size_t small = coder_of_zstd(19, GROUP_ROWS);
    bench_report_one(name, "samples", "samples", (double)totals->rows);
    for (size_t i = 0; i < coder_count; i++) {
        double bits = (double)totals->bytes[i] * 8;
        snprintf(at, sizeof at, "%s, %s", name, coders[i].name);
        bench_report_one(at, "size", "bits/sample", bits / (double)totals->rows);
        if (coder_is_engine(&coders[i]))
            bench_report_one(at, "size x zstd -19", "x",
                             (double)totals->bytes[i] / (double)totals->bytes[small]);
        if (span_ns != 0) {
            char unit[LABEL_BYTES_MAX];
            snprintf(unit, sizeof unit, "bits/%" PRId64 " s", span_ns / INT64_C(1000000000));
            bench_report_one(at, "size by time", unit, bits / totals->spans);
            bench_report_one(at, "size by night", unit, bits / totals->nights);
        }
    }
}

static size_t group_count(const struct series *series)
{
    return (series->count + GROUP_ROWS - 1) / GROUP_ROWS;
}

/* Groups spread over all series of a kind: TIMED_ROWS and less than a group more, or all. */
static void take_timed(struct groups *out, const struct kind *kind, const struct series_set *set)
{
    uint64_t rows = 0;
    size_t seen = 0;
    for (size_t i = 0; i < set->count; i++)
        if (is_of_kind(kind, &set->series[i]))
            rows += set->series[i].count;
    size_t step = rows > TIMED_ROWS ? (size_t)(rows / TIMED_ROWS) : 1;
    for (size_t i = 0; i < set->count; i++) {
        if (!is_of_kind(kind, &set->series[i]))
            continue;
        for (size_t g = 0; g < group_count(&set->series[i]); g++, seen++)
            if (seen % step == 0 && out->rows < TIMED_ROWS)
                groups_add(out, group_of(set, &set->series[i], g * GROUP_ROWS));
    }
}

/* As often as takes long enough to be told from the clock; samples/s. */
static double encode_rate(const struct coder *coder, struct blocks *blocks,
                          const struct groups *groups)
{
    double begin_s = bench_thread_s();
    size_t times = 0;
    double s;
    do {
        blocks_clear(blocks);
        blocks_add_all(blocks, coder, groups);
        times++;
        s = bench_thread_s() - begin_s;
    } while (s < TURN_S_MIN);
    return (double)(groups->rows * times) / s;
}

static double decode_rate(const struct coder *coder, const struct blocks *blocks,
                          struct decoded *out, size_t rows)
{
    double begin_s = bench_thread_s();
    size_t times = 0;
    double s;
    do {
        blocks_decode(coder, blocks, out);
        times++;
        s = bench_thread_s() - begin_s;
    } while (s < TURN_S_MIN);
    return (double)(rows * times) / s;
}

/* From the first quarter of some values to the third. */
static void range_of_middle(int64_t *low, int64_t *high, const struct groups *groups)
{
    enum { SOME = 256 };
    int64_t some[SOME];
    for (size_t i = 0; i < SOME; i++) {
        const struct columns *c = groups->at[i * groups->count / SOME];
        some[i] = c->field[0][i * 31 % c->count];
    }
    for (size_t i = 1; i < SOME; i++) {
        int64_t value = some[i];
        size_t at = i;
        for (; at > 0 && some[at - 1] > value; at--)
            some[at] = some[at - 1];
        some[at] = value;
    }
    *low = some[SOME / 4];
    *high = some[SOME / 4 * 3];
}

/* Fails where the answer is not what the rows say. */
static double fold_rate(const struct coder *coder, struct blocks *blocks, struct decoded *out,
                        const struct groups *groups)
{
    int64_t low, high, sum = 0;
    struct codec_fold fold;
    range_of_middle(&low, &high, groups);
    blocks_tell(blocks, groups);
    double begin_s = bench_thread_s();
    size_t times = 0;
    double s;
    do {
        fold = blocks_fold(coder, blocks, out, low, high);
        times++;
        s = bench_thread_s() - begin_s;
    } while (s < TURN_S_MIN);
    for (size_t g = 0; g < groups->count; g++) {
        const struct columns *c = groups->at[g];
        for (size_t i = 0; i < c->count; i++)
            sum += c->field[0][i] >= low && c->field[0][i] <= high ? c->field[0][i] : 0;
    }
    if (fold.sum != sum)
        bench_fail("%s: a sum is not that of the rows", coder->name);
    return (double)(groups->rows * times) / s;
}

static void measure_rates(const struct kind *kind, const struct groups *groups)
{
    struct bench_series encodes[CODERS_MAX] = { 0 };
    struct bench_series decodes[CODERS_MAX] = { 0 };
    struct bench_series folds[CODERS_MAX] = { 0 };
    struct bench_series by_fast[CODERS_MAX] = { 0 };
    struct bench_series by_small[CODERS_MAX] = { 0 };
    struct bench_series alike[CODERS_MAX] = { 0 }; /* none: zstd has no blocks of so many rows */
    struct blocks blocks = { 0 };
    struct decoded out;
    size_t fast = coder_of_zstd(1, GROUP_ROWS);
    size_t small = coder_of_zstd(19, GROUP_ROWS);
    size_t repeats = bench_is_quick() ? 1 : REPEATS;
    decoded_init(&out, &groups->at[0]->schema);
    (void)own_learn(groups);
    for (size_t repeat = 0; repeat <= repeats; repeat++) { /* the first one warms up */
        double rates[CODERS_MAX];
        for (size_t i = 0; i < coder_count; i++) {
            double rate = encode_rate(&coders[i], &blocks, groups);
            rates[i] = decode_rate(&coders[i], &blocks, &out, groups->rows);
            if (coders[i].is_block && codec_can_fold(&groups->at[0]->schema, 0)) {
                double folded = fold_rate(&coders[i], &blocks, &out, groups);
                if (repeat > 0)
                    bench_add(&folds[i], folded);
            }
            if (repeat > 0) {
                bench_add(&encodes[i], rate);
                bench_add(&decodes[i], rates[i]);
            }
        }
        for (size_t i = 0; repeat > 0 && i < coder_count && coder_is_engine(&coders[i]); i++) {
            bench_add(&by_fast[i], rates[i] / rates[fast]);
            bench_add(&by_small[i], rates[i] / rates[small]);
            size_t of_as_many = coder_of_zstd(1, coders[i].rows);
            if (coders[of_as_many].rows == coders[i].rows && coders[i].rows != GROUP_ROWS)
                bench_add(&alike[i], rates[i] / rates[of_as_many]);
        }
    }
    for (size_t i = 0; i < coder_count; i++) {
        char at[LABEL_BYTES_MAX];
        snprintf(at, sizeof at, "%s, %s", kind->name, coders[i].name);
        bench_report(at, "encode", "samples/s", &encodes[i]);
        bench_report(at, "decode", "samples/s", &decodes[i]);
        if (folds[i].count > 0)
            bench_report(at, "fold", "samples/s", &folds[i]);
        if (!coder_is_engine(&coders[i]))
            continue;
        bench_report(at, "decode x zstd -1", "x", &by_fast[i]);
        bench_report(at, "decode x zstd -19", "x", &by_small[i]);
        if (alike[i].count > 0)
            bench_report(at, "decode x zstd -1, alike", "x", &alike[i]);
    }
    decoded_release(&out);
    blocks_release(&blocks);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

#define SECONDS(count) ((count)*INT64_C(1000000000))

static struct totals both_heart_rates;

static const struct kind kinds[] = {
    { "heart rate, fitabase", "heart_rate", REAL_FITABASE, 0, 0, 0, &both_heart_rates },
    { "heart rate 5-15 s, covid", "heart_rate", REAL_COVID, 0, SECONDS(30), 0, &both_heart_rates },
    { "heart rate 1 min, covid", "heart_rate", REAL_COVID, SECONDS(30), INT64_MAX, 0, NULL },
    { "heart rate, welltory", "heart_rate", REAL_WELLTORY, 0, 0, 0, NULL },
    { "steps, fitabase", "steps", REAL_FITABASE, 0, 0, 0, NULL },
    { "steps, covid", "steps", REAL_COVID, 0, 0, 0, NULL },
    { "intensity, fitabase", "intensity", REAL_FITABASE, 0, 0, 0, NULL },
    { "sleep stages, covid", "sleep_stage", REAL_COVID, 0, 0, SECONDS(30), NULL },
    { "rr intervals, welltory", "rr_interval", REAL_WELLTORY, 0, 0, 0, NULL },
    { "blood pressure, welltory", "blood_pressure", REAL_WELLTORY, 0, 0, 0, NULL },
    { "glucose, hall", "glucose", REAL_GLUCOSE, 0, 0, 0, NULL },
    { "acceleration, spsw", "acceleration", REAL_MOTION, 0, 0, 0, NULL },
    { "angular velocity, spsw", "angular_velocity", REAL_MOTION, 0, 0, 0, NULL },
    { "ecg, mit-bih", "ecg", REAL_ECG, 0, 0, 0, NULL },
    { "heart rate, simulated", "heart_rate", NULL, 0, 0, 0, NULL },
    { "steps, simulated", "steps", NULL, 0, 0, 0, NULL },
    { "sleep stages, simulated", "sleep_stage", NULL, 0, 0, SECONDS(30), NULL },
    { "skin temperature, simulated", "skin_temperature", NULL, 0, 0, 0, NULL },
    { "spo2, simulated", "spo2", NULL, 0, 0, 0, NULL },
    { "rr intervals, simulated", "rr_interval", NULL, 0, 0, 0, NULL },
};

struct wanted {
    bool sizes, rates, counts;
    const char *program;
};

static void measure(const struct kind *kind, const char *store, const struct wanted *wanted)
{
    struct series_set set;
    struct groups timed = { 0 };
    struct totals totals = { 0 };
    holter_error err = { 0 };
    static bool is_counted; /* a quick run counts one kind */
    bench_try(series_read(&set, store, kind->metric, ROWS_MAX, &err), &err);
    take_timed(&timed, kind, &set);
    if (timed.count == 0 && people.of == 0)
        bench_fail("%s: no rows", kind->name);
    if (timed.count == 0) {
        series_release(&set);
        return;
    }
    if (wanted->sizes) {
        for (size_t i = 0; i < set.count; i++)
            if (is_of_kind(kind, &set.series[i]))
                measure_sizes(&totals, kind, &set, &set.series[i]);
        report_sizes(kind->name, &totals, kind->span_ns);
    }
    if (wanted->rates)
        measure_rates(kind, &timed);
    if (wanted->counts && kind->set == NULL && !(bench_is_quick() && is_counted))
        counts_measure(wanted->program, kind->name, &timed);
    is_counted = is_counted || kind->set == NULL;
    if (kind->together != NULL) {
        for (size_t i = 0; i < coder_count; i++)
            kind->together->bytes[i] += totals.bytes[i];
        kind->together->rows += totals.rows;
        kind->together->kinds++;
    }
    groups_release(&timed);
    series_release(&set);
}

/* Kinds of one metric and set stand together: the store of the one before serves them all. */
static void measure_all(const char *only, const char *tool, uint32_t users, uint32_t days,
                        const struct wanted *wanted)
{
    const struct kind *before = NULL;
    bool is_there = false;
    bool is_known = only == NULL;
    char store[BENCH_PATH_BYTES_MAX];
    snprintf(store, sizeof store, "%s", bench_path("store"));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct kind *kind = &kinds[i];
        bool is_real = kind->set != NULL;
        is_known = is_known || strstr(kind->name, only) != NULL;
        if ((only != NULL && strstr(kind->name, only) == NULL) || (is_real && tool == NULL))
            continue;
        bool is_same = before != NULL && before->set == kind->set &&
                       (!is_real || strcmp(before->metric, kind->metric) == 0);
        if (!is_same && before != NULL)
            bench_remove("store");
        if (!is_same && is_real) {
            is_there = real_import("store", tool, kind->metric, kind->set);
            if (!is_there)
                fprintf(stderr, "bench_codec: no files of '%s': left out\n", kind->name);
        } else if (!is_same) {
            struct bench_store made;
            bench_store_make(&made, "store", users, NULL);
            bench_store_fill(&made, days, NULL);
            bench_store_close(&made);
            is_there = true;
        }
        before = kind;
        if (is_there)
            measure(kind, store, wanted);
    }
    if (!is_known)
        bench_fail("--only '%s': no kind has that in its name", only);
    if (both_heart_rates.kinds == 2 && both_heart_rates.rows > 0)
        report_sizes("heart rate 5-15 s, both", &both_heart_rates, 0);
}

int main(int count, char **arguments)
{
    const char *tool = NULL;
    const char *only = NULL;
    const char *what = NULL;
    const char *part = NULL;
    const char *users = NULL;
    const char *days = NULL;
    const struct bench_option options[] = {
        { "--holter", "PATH", &tool },
        { "--only", "PART-OF-A-KIND", &only },
        { "--what", "sizes|rates|counts", &what },
        { "--people", "PART/OF", &part },
        { "--users", "COUNT", &users },
        { "--days", "COUNT", &days },
    };
    if (count == 3 && strcmp(arguments[1], COUNTS_OPTION) == 0)
        return counts_run(arguments[2]);
    bench_begin_with("codec", count, arguments, options, sizeof options / sizeof options[0]);
    struct wanted wanted = { .program = arguments[0] };
    wanted.sizes = what == NULL || strcmp(what, "sizes") == 0;
    wanted.rates = what == NULL || strcmp(what, "rates") == 0;
    wanted.counts = what == NULL || strcmp(what, "counts") == 0;
    if (!wanted.sizes && !wanted.rates && !wanted.counts)
        bench_fail("--what '%s': expected sizes, rates or counts", what);
    if (part != NULL && (sscanf(part, "%" SCNu32 "/%" SCNu32, &people.part, &people.of) != 2 ||
                         people.part >= people.of))
        bench_fail("--people '%s': expected a number below another, such as 0/3", part);
    bool is_quick = bench_is_quick();
    uint32_t user_count = bench_number("--users", users, 1, COHORT_USERS_MAX, is_quick ? 1 : 10);
    uint32_t day_count = bench_number("--days", days, 1, COHORT_DAYS_MAX, is_quick ? 2 : 30);
    zstd_begin();
    measure_all(only, is_quick || (!wanted.sizes && !wanted.rates) ? NULL : tool, user_count,
                day_count, &wanted);
    zstd_end();
    bench_end();
    return 0;
}
