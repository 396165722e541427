/*
 * codec_wave.c -- waves: arrays of which each value is foretold by those before it, and only what is left is
 * stored, as an array again.
 *
 * Either a value is a sum of the values before it, each times a coefficient; or, the other way, a change is one of
 * the changes before it, and there are two lists of coefficients: one for where the last few changes were small, one
 * for where they were not. What a heart does between its beats is little but noise, and foretold otherwise
 * than a beat. An array has its coefficients with it.
 *
 * Coefficients leave the least squares. They are found in doubles, by the same operations in the same order whatever the
 * CPU, so equal values make equal bytes.
 *
 * Bytes: format-spec/blocks.md, "Arrays". Tests: tests/unit/test_codec_cold.c.
 */
#include "codec_cold.h"
#include "codec_lanes.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAPS_MAX = 32, /* stored */
    TAPS_TRIED = 16,
    TAP_BITS = 12,       /* stored: a coefficient of values is in 1/4096 */
    TAP_LIMIT = 1 << 20, /* stored: coefficients are smaller */
    TAP_BYTES = 2,       /* about what one takes */
    SWITCHED_TAPS = LANES_WEIGHED,
    SWITCHED_BITS = 8,         /* stored: a coefficient of changes is in 1/256 */
    SWITCHED_ROWS_LEAST = 16,  /* of fewer rows no coefficients are learned */
    SWITCHED_ABOVE_MIDDLE = 2, /* so many times the usual activity is no longer calm */
    ROWS_LEAST = 2048,         /* shorter arrays are not worth many coefficients */
    FEW_TAPS = LANES_WEIGHED,
    FEW_ROWS_LEAST = 160, /* .. nor few */
    GAIN_SHARE = 256,     /* what a reader's time is worth */
    SAMPLES = 256,        /* rows that tell the usual activity */
    NEAR = 1 << 24        /* nor are larger values */
};

/* ---- coefficients ---------------------------------------------------------------------------- */

/* In the form they are stored in. False: one is too large. */
static bool taps_of(int64_t *taps, const double *exact, size_t count, unsigned bits)
{
    for (size_t k = 0; k < count; k++) {
        double tap = exact[k] * (1 << bits);
        if (!(tap > -TAP_LIMIT + 1 && tap < TAP_LIMIT - 1))
            return false;
        taps[k] = (int64_t)(tap < 0 ? tap - 0.5 : tap + 0.5);
    }
    return true;
}

/* Of values, by the Levinson-Durbin recursion (J. Makhoul, Linear prediction: a tutorial review, Proceedings of the
   IEEE 63(4), 1975, equations 38a to 38e). False: there are none. */
static bool find_taps(int64_t *taps, const int32_t *near, size_t count)
{
    double a[TAPS_TRIED + 1] = { 0 }, before[TAPS_TRIED + 1];
    int64_t lag[LANES_LAGS];
    _Static_assert((int)LANES_LAGS == (int)TAPS_TRIED + 1, "a lag for each coefficient, and none");
    codec_lanes()->lags(lag, near, count);
    double error = (double)lag[0] * (1 + 1e-9);
    for (size_t order = 1; order <= TAPS_TRIED; order++) {
        if (!(error > 0))
            return false;
        double reflected = (double)lag[order];
        for (size_t k = 1; k < order; k++)
            reflected -= a[k] * (double)lag[order - k];
        reflected /= error;
        memcpy(before, a, sizeof a);
        a[order] = reflected;
        for (size_t k = 1; k < order; k++)
            a[k] = before[k] - reflected * before[order - k];
        error *= 1 - reflected * reflected;
    }
    return taps_of(taps, a + 1, TAPS_TRIED, TAP_BITS);
}

/* The coefficients of normal equations, by Cholesky's factors, which take the place of the upper half. False: there are
   none. */
static bool solve(double *solved, double sums[LANES_WEIGHED][LANES_WEIGHED + 1])
{
    enum { N = LANES_WEIGHED };
    for (size_t j = 0; j < N; j++) {
        double pivot = sums[j][j] * (1 + 1e-7);
        if (!(pivot > 0))
            return false;
        for (size_t i = j + 1; i < N; i++) {
            double by = sums[j][i] / pivot;
            for (size_t k = i; k <= N; k++)
                sums[i][k] -= by * sums[j][k];
        }
        sums[j][j] = pivot;
    }
    for (size_t j = N; j-- > 0;) {
        double rest = sums[j][N];
        for (size_t k = j + 1; k < N; k++)
            rest -= sums[j][k] * solved[k];
        solved[j] = rest / sums[j][j];
    }
    return true;
}

/* As many coefficients as sums of rows have values before each. False: there are none. */
static bool taps_of_sums(int64_t *taps, const struct lanes_weighed *weighed, unsigned bits)
{
    enum { N = LANES_WEIGHED };
    double sums[N][N + 1], solved[N] = { 0 };
    for (size_t j = 0; j < N; j++) { /* the nearest one comes first */
        for (size_t k = 0; k < N; k++)
            sums[j][k] = weighed->squares[N - 1 - j][N - 1 - k];
        sums[j][N] = weighed->products[N - 1 - j];
    }
    return solve(solved, sums) && taps_of(taps, solved, N, bits);
}

/* Few of values: the calmer a row, the more it weighs, as what is left of it is smaller. False: there are none. */
static bool find_few_taps(int64_t *taps, struct wave_scratch *w, size_t count)
{
    struct lanes_weighed weighed;
    for (size_t i = FEW_TAPS; i < count; i++) {
        double active = 8.0 + w->activity[i];
        w->rows[i - FEW_TAPS] = (uint16_t)i;
        w->weights[i - FEW_TAPS] = 1 / (active * active);
    }
    codec_lanes()->weighed(&weighed, w->near, w->rows, w->weights, count - FEW_TAPS);
    return taps_of_sums(taps, &weighed, TAP_BITS);
}

/* Of changes, by those rows whose activity is above the threshold, or those whose is not. False: there are none. */
static bool find_switched_taps(int64_t *taps, struct wave_scratch *w, size_t count,
                               int32_t threshold, bool is_above)
{
    struct lanes_weighed weighed;
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        w->rows[rows] = (uint16_t)i;
        w->weights[rows] = 1 / (8.0 + w->activity[i]);
        rows += (w->activity[i] > threshold) == is_above;
    }
    if (rows < SWITCHED_ROWS_LEAST)
        return false;
    codec_lanes()->weighed(&weighed, wave_changes(w), w->rows, w->weights, rows);
    return taps_of_sums(taps, &weighed, SWITCHED_BITS);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int64_t middle_of_some(const int32_t *values, size_t count)
{
    int64_t some[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++)
        some[i] = values[i * count / SAMPLES];
    qsort(some, SAMPLES, sizeof *some, codec_compare_values);
    return some[SAMPLES / 2];
}

/* Values less the one in the middle, the changes between them, and how much of late they changed. False: a value is too
   large for the sums that follow. */
static bool wave_survey(struct wave_scratch *w, int64_t base, const int64_t *values, size_t count)
{
    int32_t *changes = wave_changes(w);
    int32_t activity = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t off = wrap_sub_i64(values[i], base);
        if (off <= -NEAR || off >= NEAR)
            return false;
        w->near[i] = (int32_t)off;
    }
    _Static_assert((int)SWITCHED_ACTIVE >= (int)LANES_WEIGHED, "zeros before the first change");
    memset(w->changes, 0, SWITCHED_ACTIVE * sizeof *w->changes);
    changes[0] = 0;
    for (size_t i = 1; i < count; i++)
        changes[i] = w->near[i] - w->near[i - 1];
    for (size_t i = 0; i < count; i++) {
        w->activity[i] = activity;
        activity += abs(changes[i]) - abs(w->changes[i]);
    }
    return true;
}

/* What a wave may be foretold by. */
struct wave {
    enum { BY_VALUES, BY_CHANGES } by;
    size_t tap_count; /* of each list */
    int64_t taps[2][TAPS_TRIED];
    int32_t threshold;
    const int64_t *left; /* NULL: there are no coefficients */
};

/* What is left of values; their first ones are foretold by fewer. */
static void foretell(int64_t *left, const struct wave_scratch *w, const struct wave *wave,
                     size_t count)
{
    int32_t taps[TAPS_TRIED];
    size_t tap_count = wave->tap_count;
    for (size_t k = 0; k < tap_count; k++)
        taps[k] = (int32_t)wave->taps[0][k];
    for (size_t i = 0; i < tap_count; i++)
        codec_lanes()->untold(left + i, w->near + i, 1, taps, i, TAP_BITS);
    codec_lanes()->untold(left + tap_count, w->near + tap_count, count - tap_count, taps, tap_count,
                          TAP_BITS);
}

static void wave_of_many(struct wave *wave, struct wave_scratch *w, size_t count)
{
    *wave = (struct wave){ .by = BY_VALUES, .tap_count = TAPS_TRIED };
    if (!find_taps(wave->taps[0], w->near, count))
        return;
    foretell(w->left[0], w, wave, count);
    wave->left = w->left[0];
}

static void wave_of_few(struct wave *wave, struct wave_scratch *w, size_t count)
{
    *wave = (struct wave){ .by = BY_VALUES, .tap_count = FEW_TAPS };
    if (!find_few_taps(wave->taps[0], w, count))
        return;
    foretell(w->left[1], w, wave, count);
    wave->left = w->left[1];
}

static void wave_of_changes(struct wave *wave, struct wave_scratch *w, size_t count)
{
    int32_t taps[SWITCHED_TAPS];
    *wave = (struct wave){ .by = BY_CHANGES, .tap_count = SWITCHED_TAPS };
    wave->threshold = (int32_t)(SWITCHED_ABOVE_MIDDLE * middle_of_some(w->activity, count));
    for (unsigned list = 0; list < 2; list++) {
        if (!find_switched_taps(wave->taps[list], w, count, wave->threshold, list == 1))
            return;
        for (size_t k = 0; k < SWITCHED_TAPS; k++)
            taps[k] = (int32_t)wave->taps[list][k];
        codec_lanes()->untold(w->left[2 + list], wave_changes(w), count, taps, SWITCHED_TAPS,
                              SWITCHED_BITS);
    }
    for (size_t i = 0; i < count; i++)
        w->left[2][i] = w->left[w->activity[i] > wave->threshold ? 3 : 2][i];
    wave->left = w->left[2];
}

/* About what a stretch in the middle takes; SIZE_MAX: there is nothing to take. */
static size_t stretch_bytes(struct codec_scratch *s, const struct wave *wave, size_t count)
{
    size_t some = count < ROWS_LEAST ? count : ROWS_LEAST;
    return wave->left == NULL
               ? SIZE_MAX
               : coded_plan(s, wave->left + (count - some) / 2, some, 0, SIZE_MAX).bytes;
}

static void taps_append(struct buffer *out, const int64_t *taps, size_t count)
{
    buffer_append_u8(out, (uint8_t)count);
    for (size_t k = 0; k < count; k++)
        buffer_append_zigzag(out, taps[k]);
}

static void wave_append(struct buffer *out, const struct wave *wave, int64_t first, int64_t middle)
{
    if (wave->by == BY_CHANGES) {
        buffer_append_u8(out, ARRAY_SWITCHED);
        buffer_append_zigzag(out, first);
        buffer_append_varint(out, (uint64_t)wave->threshold);
        taps_append(out, wave->taps[0], wave->tap_count);
        taps_append(out, wave->taps[1], wave->tap_count);
    } else {
        buffer_append_u8(out, ARRAY_PREDICTED);
        taps_append(out, wave->taps[0], wave->tap_count);
        buffer_append_zigzag(out, middle);
    }
}

/* Of three the one that makes least of a stretch in the middle. */
bool wave_encode(struct buffer *out, struct codec_scratch *s, const int64_t *values, size_t count,
                 int64_t middle, size_t bytes)
{
    struct wave_scratch *w = &s->wave;
    struct wave waves[3];
    size_t wave_count = count < ROWS_LEAST ? 1 : CORE_COUNT(waves);
    size_t best = 0;
    size_t least = SIZE_MAX;
    if (count < FEW_ROWS_LEAST || !wave_survey(w, middle, values, count))
        return false;
    wave_of_few(&waves[0], w, count);
    if (wave_count > 1) {
        wave_of_many(&waves[1], w, count);
        wave_of_changes(&waves[2], w, count);
    }
    for (size_t i = 0; i < wave_count; i++) {
        size_t takes = stretch_bytes(s, &waves[i], count);
        best = takes < least ? i : best;
        least = takes < least ? takes : least;
    }
    const struct wave *wave = &waves[best];
    size_t takes = TAP_BYTES * (wave->tap_count + 1) + bytes / GAIN_SHARE;
    if (wave->left == NULL || takes >= bytes)
        return false;
    struct coded_plan coded = coded_plan(s, wave->left, count, 0, bytes - takes);
    if (coded.tables == NULL)
        return false;
    wave_append(out, wave, values[0], middle);
    coded_encode(out, s, wave->left, count, &coded);
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* *count: how many there are; behind them stand zeros. False: these bytes are none. */
static bool taps_read(int64_t taps[static TAPS_MAX], size_t *count, struct reader *r)
{
    *count = get_u8(r);
    memset(taps, 0, TAPS_MAX * sizeof *taps);
    if (r->overrun || *count == 0 || *count > TAPS_MAX)
        return false;
    for (size_t k = 0; k < *count; k++) {
        taps[k] = get_zigzag(r);
        if (taps[k] <= -TAP_LIMIT || taps[k] >= TAP_LIMIT)
            return false;
    }
    return !r->overrun;
}

/* What is foretold for value i, by those before it less base; before the first stand zeros. The nearest one comes
   last: when values are decoded, only its product waits for it. */
static inline int64_t foretold(const int64_t *less_base, size_t i, const int64_t *taps,
                               size_t tap_count)
{
    uint64_t sum = 1 << (TAP_BITS - 1);
    size_t k = i < tap_count ? i : tap_count;
    const int64_t *before = less_base + i - k;
    for (; k % 4 != 0; k--)
        sum += (uint64_t)taps[k - 1] * (uint64_t)*before++;
    for (; k > 0; k -= 4, before += 4) {
        sum += (uint64_t)taps[k - 1] * (uint64_t)before[0];
        sum += (uint64_t)taps[k - 2] * (uint64_t)before[1];
        sum += (uint64_t)taps[k - 3] * (uint64_t)before[2];
        sum += (uint64_t)taps[k - 4] * (uint64_t)before[3];
    }
    return (int64_t)sum >> TAP_BITS;
}

/* Residuals become values less base. A constant number of coefficients makes a loop of its own. */
static inline __attribute__((always_inline)) void predicted_run(int64_t *values, size_t count,
                                                                const int64_t *taps,
                                                                size_t tap_count)
{
    size_t i = 0;
    for (; i < count && i < tap_count; i++)
        values[i] = wrap_add_i64(values[i], foretold(values, i, taps, tap_count));
    int64_t at = i > 0 ? values[i - 1] : 0;
    for (; i < count; i++) {
        uint64_t sum = 1 << (TAP_BITS - 1);
        for (size_t k = tap_count; k > 1; k--)
            sum += (uint64_t)taps[k - 1] * (uint64_t)values[i - k];
        sum += (uint64_t)taps[0] * (uint64_t)at;
        values[i] = at = wrap_add_i64(values[i], (int64_t)sum >> TAP_BITS);
    }
}

static bool predicted_decode(int64_t *values, struct reader *r, size_t count,
                             const struct codec_models *models)
{
    int64_t taps[TAPS_MAX];
    size_t tap_count;
    if (!taps_read(taps, &tap_count, r))
        return false;
    int64_t base = get_zigzag(r);
    if (r->overrun || !residuals_decode(values, r, count, models))
        return false;
    if (tap_count <= FEW_TAPS)
        predicted_run(values, count, taps, FEW_TAPS);
    else if (tap_count <= TAPS_TRIED)
        predicted_run(values, count, taps, TAPS_TRIED);
    else
        predicted_run(values, count, taps, TAPS_MAX);
    for (size_t i = 0; i < count; i++)
        values[i] = wrap_add_i64(values[i], base);
    return true;
}

static inline uint64_t size_of(int64_t change)
{
    return change < 0 ? 0 - (uint64_t)change : (uint64_t)change;
}

/* Some values at a time, with the changes to them, behind those before. */
enum { STRETCH = 512 };
struct switched_run {
    int64_t changes[TAPS_MAX + STRETCH];
    int64_t *values;
    size_t count; /* at hand, at most STRETCH */
    uint64_t activity, threshold;
    int64_t at; /* the value before */
};

/* From `i` on while the same list of coefficients stands; answers where it ends. The nearest change waits in a register,
   as all else of a sum is known before it. */
static inline __attribute__((always_inline)) size_t run_on(struct switched_run *run, size_t i,
                                                           const int64_t *taps, size_t tap_count)
{
    const bool is_above = run->activity > run->threshold;
    uint64_t activity = run->activity;
    int64_t at = run->at;
    int64_t *changes = run->changes + TAPS_MAX;
    int64_t change = changes[(ptrdiff_t)i - 1];
    do {
        int64_t *before = changes + i;
        uint64_t sum = 1 << (SWITCHED_BITS - 1);
        for (size_t k = tap_count; k > 1; k--)
            sum += (uint64_t)taps[k - 1] * (uint64_t)before[-(ptrdiff_t)k];
        sum += (uint64_t)taps[0] * (uint64_t)change;
        change = wrap_add_i64(run->values[i], (int64_t)sum >> SWITCHED_BITS);
        *before = change;
        run->values[i] = at = wrap_add_i64(at, change);
        activity += size_of(change) - size_of(before[-SWITCHED_ACTIVE]);
        i++;
    } while (i < run->count && (activity > run->threshold) == is_above);
    run->activity = activity;
    run->at = at;
    return i;
}

static bool switched_decode(int64_t *values, struct reader *r, size_t count,
                            const struct codec_models *models)
{
    struct switched_run run;
    int64_t taps[2][TAPS_MAX];
    size_t tap_count[2];
    int64_t base = get_zigzag(r);
    uint64_t threshold = get_varint(r);
    if (r->overrun || !taps_read(taps[0], &tap_count[0], r) ||
        !taps_read(taps[1], &tap_count[1], r) || !residuals_decode(values, r, count, models))
        return false;
    memset(run.changes, 0, TAPS_MAX * sizeof *run.changes);
    run.activity = 0;
    run.threshold = threshold;
    run.at = base;
    for (size_t done = 0; done < count; done += run.count) {
        run.values = values + done;
        run.count = count - done < STRETCH ? count - done : STRETCH;
        for (size_t i = 0; i < run.count;) {
            bool list = run.activity > threshold;
            if (tap_count[list] <= SWITCHED_TAPS) /* a constant makes a loop of its own */
                i = run_on(&run, i, taps[list], SWITCHED_TAPS);
            else
                i = run_on(&run, i, taps[list], TAPS_MAX);
        }
        memmove(run.changes, run.changes + run.count, TAPS_MAX * sizeof *run.changes);
    }
    return true;
}

bool wave_decode(int64_t *values, struct reader *r, size_t count, uint8_t code,
                 const struct codec_models *models)
{
    return code == ARRAY_SWITCHED ? switched_decode(values, r, count, models)
                                  : predicted_decode(values, r, count, models);
}
