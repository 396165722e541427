/*
 * segment_rollup.c -- what the rows of a series say by half hour of UTC, gathered, and as arrays of bytes.
 *
 * A bucket is a small block by time: it has a header as a block has one, over the rows that begin in
 * its half hour, so whoever takes blocks by their headers takes buckets too. A day of any zone whose
 * edges are whole half hours is a few dozen of them, which need no payload.
 *
 *     rows      | .. | ......... | ... |  | ....... | ..      one series, rising
 *     buckets   |    9:00     |    9:30      |    12:00 ..     only those in which rows begin
 *
 *   R1  The buckets of a rollup hold every row of the series, each once, in order: so counts tell
 *       where among the rows a bucket begins.
 *   R2  Statistics are exact, or the series has no rollup: one that does not fit is left out.
 *   R3  Rows that block headers leave out of statistics are left out here too.
 *
 * An integer's sum is stored as mean and rest, its least and greatest as distances from the mean: these
 * are small numbers that change slowly, which the codecs of blocks make small. Intervals add up, so they
 * have sums alone. Bytes: format-spec/segment.md, "Rollups". Why these, and which series: notes/0006.
 */
#include "segment_impl.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 int128;

enum { ROLLUP_FORM = 2, LABELS = SEGMENT_LABELS_MAX };

static holter_status refuse(const char **what, const char *sentence)
{
    *what = sentence;
    return HOLTER_CORRUPT;
}

/* ---- which, and where ------------------------------------------------------------------------ */

/* Nor does a bucket reach beyond the ends of time. */
static bool times_fit(int64_t begin_min, int64_t begin_max)
{
    return begin_min > INT64_MIN + SEGMENT_BUCKET_NS && begin_max < INT64_MAX - SEGMENT_BUCKET_NS;
}

bool segment_rollup_fits(const struct schema *schema)
{
    for (size_t f = 0; f < schema->field_count; f++) {
        if (schema->types[f] != FIELD_INT && schema->types[f] != FIELD_ENUM)
            return false;
    }
    return true;
}

static size_t state_words(const struct schema *schema)
{
    size_t words = 0;
    for (size_t f = 0; f < schema->field_count; f++)
        words += schema->types[f] == FIELD_ENUM ? LABELS : 0;
    return words;
}

static int64_t bucket_of(int64_t time)
{
    return floor_div_i64(time, SEGMENT_BUCKET_NS);
}

/* From the begin of its bucket on; and from it to the bucket's end. */
static uint64_t into_bucket(int64_t time)
{
    return (uint64_t)time - (uint64_t)bucket_of(time) * (uint64_t)SEGMENT_BUCKET_NS;
}

static uint64_t left_of_bucket(int64_t time)
{
    return (uint64_t)SEGMENT_BUCKET_NS - into_bucket(time);
}

static uint32_t kept_of(const struct segment_block *bucket)
{
    return bucket->rows - bucket->flagged;
}

static int128 sum_of(const struct segment_block *bucket, size_t field)
{
    return (int128)bucket->field[field].sum_high * ((int128)1 << 64) +
           (uint64_t)bucket->field[field].sum_low;
}

static uint64_t span_of(const struct segment_block *bucket, size_t field)
{
    return (uint64_t)bucket->field[field].max - (uint64_t)bucket->field[field].min;
}

static void sum_set(struct segment_block *bucket, size_t field, int128 sum)
{
    bucket->field[field].sum_low = (int64_t)(uint64_t)sum;
    bucket->field[field].sum_high = (int64_t)(sum >> 64);
}

/* ---- gathering ------------------------------------------------------------------------------- */

void segment_rollup_clear(struct segment_rollup *rollup)
{
    rollup->count = 0;
    rollup->is_lost = false;
}

void segment_rollup_release(struct segment_rollup *rollup)
{
    if (rollup->buckets != NULL)
        crypto_wipe(rollup->buckets, rollup->capacity * sizeof *rollup->buckets);
    if (rollup->states != NULL)
        crypto_wipe(rollup->states, rollup->state_capacity * sizeof *rollup->states);
    free(rollup->buckets);
    free(rollup->states);
    *rollup = (struct segment_rollup){ 0 };
}

static bool rollup_grow(struct segment_rollup *rollup, size_t count, size_t words)
{
    void *buckets = rollup->buckets;
    void *states = rollup->states;
    bool fits = core_grow(&buckets, &rollup->capacity, count, sizeof *rollup->buckets);
    rollup->buckets = buckets;
    fits = fits && (words == 0 || core_grow(&states, &rollup->state_capacity, count * words,
                                            sizeof *rollup->states));
    rollup->states = states;
    return fits;
}

/* Statistics that a rollup of these fields does not have are 0 in it. */
static void strip(struct segment_block *bucket, const struct schema *schema)
{
    for (size_t f = 0; f < schema->field_count; f++) {
        if (schema->types[f] != FIELD_INT || schema->kind == SAMPLE_INTERVAL)
            bucket->field[f].min = bucket->field[f].max = 0;
    }
}

/* Rows of one bucket that follow those it has. */
static void join(struct segment_block *bucket, const struct segment_block *more, size_t fields)
{
    bool is_first = kept_of(bucket) == 0;
    for (size_t f = 0; kept_of(more) > 0 && f < fields; f++) {
        sum_set(bucket, f, sum_of(bucket, f) + sum_of(more, f));
        if (is_first || more->field[f].min < bucket->field[f].min)
            bucket->field[f].min = more->field[f].min;
        if (is_first || more->field[f].max > bucket->field[f].max)
            bucket->field[f].max = more->field[f].max;
    }
    bucket->rows += more->rows;
    bucket->flagged += more->flagged;
    bucket->begin_max = more->begin_max;
    bucket->end_max = more->end_max > bucket->end_max ? more->end_max : bucket->end_max;
}

/* False: a label or a time beyond what a rollup has room for. */
static bool states_add(int64_t *states, const struct columns *c, size_t field, size_t first,
                       size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        int64_t label = c->field[field][i];
        if ((c->flags[i] & (SAMPLE_OUT_OF_RANGE | SAMPLE_NON_FINITE)) != 0)
            continue;
        if (label >= LABELS || !checked_add_i64(&states[label], states[label],
                                                c->duration != NULL ? c->duration[i] : 1))
            return false;
    }
    return true;
}

/* Rows that all begin in one bucket. False: no memory. */
static bool stretch_add(struct segment_rollup *rollup, const struct columns *c, size_t first,
                        size_t count)
{
    struct segment_block more;
    const struct schema *schema = &c->schema;
    size_t words = state_words(schema);
    segment_block_measure(&more, c, first, count);
    strip(&more, schema);
    struct segment_block *last = rollup->count > 0 ? &rollup->buckets[rollup->count - 1] : NULL;
    if (last != NULL && bucket_of(last->begin_min) == bucket_of(more.begin_min)) {
        join(last, &more, schema->field_count);
    } else if (rollup->count == SEGMENT_BUCKETS_MAX) {
        rollup->is_lost = true;
        return true;
    } else {
        if (!rollup_grow(rollup, rollup->count + 1, words))
            return false;
        rollup->buckets[rollup->count] = more;
        if (words > 0)
            memset(rollup->states + rollup->count * words, 0, words * sizeof *rollup->states);
        rollup->count++;
    }
    if (words == 0)
        return true;
    int64_t *states = rollup->states + (rollup->count - 1) * words;
    for (size_t f = 0; f < schema->field_count; f++) {
        if (schema->types[f] != FIELD_ENUM)
            continue;
        if (!states_add(states, c, f, first, count))
            rollup->is_lost = true;
        states += LABELS;
    }
    return true;
}

bool segment_rollup_add(struct segment_rollup *rollup, const struct columns *c, size_t first,
                        size_t count)
{
    size_t end = first + count;
    if (!times_fit(c->time[first], c->time[end - 1]))
        rollup->is_lost = true;
    while (!rollup->is_lost && first < end) {
        uint64_t left = left_of_bucket(c->time[first]);
        size_t at = first + 1;
        while (at < end && (uint64_t)c->time[at] - (uint64_t)c->time[first] < left)
            at++;
        if (!stretch_add(rollup, c, first, at - first))
            return false;
        first = at;
    }
    return true;
}

/* ---- encoding -------------------------------------------------------------------------------- */

/* The array at hand of all buckets. */
struct arrays {
    struct buffer *out;
    struct codec_scratch *scratch;
    int64_t values[SEGMENT_BUCKETS_MAX];
    size_t count;
};

static void array_end(struct arrays *a)
{
    codec_array_encode(a->out, a->values, a->count, a->scratch);
}

/* From the last row of the bucket before. */
static uint64_t gap_of(const struct segment_block *buckets, size_t i)
{
    return (uint64_t)buckets[i].begin_min - (uint64_t)buckets[i - 1].begin_max;
}

static uint64_t end_span_of(const struct segment_block *bucket)
{
    return (uint64_t)bucket->end_max - (uint64_t)bucket->begin_max;
}

static bool states_divide(uint64_t unit, const int64_t *states, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((uint64_t)states[i] % unit != 0)
            return false;
    }
    return true;
}

static bool unit_divides(uint64_t unit, const struct segment_rollup *rollup,
                         const struct schema *schema)
{
    bool is_interval = schema->kind == SAMPLE_INTERVAL;
    for (size_t i = 0; i < rollup->count; i++) {
        const struct segment_block *bucket = &rollup->buckets[i];
        if ((i > 0 && gap_of(rollup->buckets, i) % unit != 0) ||
            left_of_bucket(bucket->begin_max) % unit != 0 ||
            (is_interval && end_span_of(bucket) % unit != 0))
            return false;
    }
    return !is_interval || states_divide(unit, rollup->states, rollup->count * state_words(schema));
}

static void times_encode(struct arrays *a, const struct segment_rollup *rollup,
                         const struct schema *schema, uint64_t unit)
{
    const struct segment_block *buckets = rollup->buckets;
    for (size_t i = 1; i < a->count; i++)
        a->values[i] = (int64_t)(gap_of(buckets, i) / unit);
    a->values[0] = a->count > 1 ? a->values[1] : 0;
    array_end(a);
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = (int64_t)(left_of_bucket(buckets[i].begin_max) / unit);
    array_end(a);
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = buckets[i].rows;
    array_end(a);
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = buckets[i].flagged;
    array_end(a);
    if (schema->kind != SAMPLE_INTERVAL)
        return;
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = (int64_t)(end_span_of(&buckets[i]) / unit);
    array_end(a);
}

/* Rounded down; the rest is at least 0, and below the count. */
static int64_t mean_of(const struct segment_block *bucket, size_t field, int64_t *rest)
{
    int128 sum = sum_of(bucket, field);
    int128 kept = kept_of(bucket) > 0 ? kept_of(bucket) : 1;
    int128 mean = sum / kept;
    mean -= sum % kept < 0;
    *rest = (int64_t)(sum - mean * kept);
    return (int64_t)mean;
}

/* False: a sum, or a distance between two values, that takes more than 64 bits. */
static bool ints_fit(const struct segment_rollup *rollup, const struct schema *schema, size_t field)
{
    for (size_t i = 0; i < rollup->count; i++) {
        const struct segment_block *bucket = &rollup->buckets[i];
        if (schema->kind == SAMPLE_INTERVAL
                ? sum_of(bucket, field) != (int64_t)bucket->field[field].sum_low
                : span_of(bucket, field) > INT64_MAX)
            return false;
    }
    return true;
}

static void sums_encode(struct arrays *a, const struct segment_rollup *rollup, size_t field)
{
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = rollup->buckets[i].field[field].sum_low;
    array_end(a);
}

static void ints_encode(struct arrays *a, const struct segment_rollup *rollup, size_t field)
{
    const struct segment_block *buckets = rollup->buckets;
    int64_t rest;
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = mean_of(&buckets[i], field, &rest);
    array_end(a);
    for (size_t i = 0; i < a->count; i++)
        mean_of(&buckets[i], field, &a->values[i]);
    array_end(a);
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = mean_of(&buckets[i], field, &rest) - buckets[i].field[field].min;
    array_end(a);
    for (size_t i = 0; i < a->count; i++)
        a->values[i] = buckets[i].field[field].max - mean_of(&buckets[i], field, &rest);
    array_end(a);
}

/* `states` of the field in the first bucket; labels up to the greatest that has any. */
static void states_encode(struct arrays *a, const int64_t *states, size_t words, uint64_t unit)
{
    size_t labels = LABELS;
    for (bool is_there = false; labels > 0; labels--) {
        for (size_t i = 0; i < a->count; i++)
            is_there = is_there || states[i * words + labels - 1] != 0;
        if (is_there)
            break;
    }
    buffer_append_u8(a->out, (uint8_t)labels);
    for (size_t label = 0; label < labels; label++) {
        for (size_t i = 0; i < a->count; i++)
            a->values[i] = (int64_t)((uint64_t)states[i * words + label] / unit);
        array_end(a);
    }
}

bool segment_rollup_encode(struct buffer *out, const struct segment_rollup *rollup,
                           const struct schema *schema, struct codec_scratch *scratch)
{
    struct arrays a = { .out = out, .scratch = scratch, .count = rollup->count };
    if (rollup->is_lost || rollup->count == 0)
        return false;
    for (size_t i = 1; i < rollup->count; i++) {
        if (gap_of(rollup->buckets, i) > INT64_MAX)
            return false;
    }
    for (size_t f = 0; f < schema->field_count; f++) {
        if (schema->types[f] == FIELD_INT && !ints_fit(rollup, schema, f))
            return false;
    }
    size_t unit = SEGMENT_UNITS - 1;
    while (unit > 0 && !unit_divides(segment_units[unit], rollup, schema))
        unit--;
    buffer_append_u8(out, ROLLUP_FORM);
    buffer_append_u8(out, (uint8_t)unit);
    buffer_append_varint(out, rollup->count);
    times_encode(&a, rollup, schema, segment_units[unit]);
    for (size_t f = 0; f < schema->field_count; f++) {
        if (schema->types[f] == FIELD_INT && schema->kind == SAMPLE_INTERVAL)
            sums_encode(&a, rollup, f);
        else if (schema->types[f] == FIELD_INT)
            ints_encode(&a, rollup, f);
    }
    size_t words = state_words(schema);
    const int64_t *states = rollup->states;
    for (size_t f = 0; f < schema->field_count; f++) {
        if (schema->types[f] != FIELD_ENUM)
            continue;
        states_encode(&a, states, words, schema->kind == SAMPLE_INTERVAL ? segment_units[unit] : 1);
        states += LABELS;
    }
    return true;
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* What is decoded, and the array at hand. */
struct decoding {
    struct reader r;
    struct segment_rollup *rollup;
    const struct segment_series *series;
    uint64_t unit;
    int64_t values[SEGMENT_BUCKETS_MAX];
    const char **what;
};

static bool array_next(struct decoding *d)
{
    return codec_array_decode(d->values, &d->r, d->rollup->count);
}

/* Values from 0 to `most`. */
static bool naturals_next(struct decoding *d, uint64_t most)
{
    if (!array_next(d))
        return false;
    for (size_t i = 0; i < d->rollup->count; i++) {
        if (d->values[i] < 0 || (uint64_t)d->values[i] > most)
            return false;
    }
    return true;
}

static holter_status not_an_array(struct decoding *d)
{
    return refuse(d->what, "an array of it is not valid, or out of range");
}

static holter_status counts_decode(struct decoding *d)
{
    struct segment_block *buckets = d->rollup->buckets;
    size_t count = d->rollup->count;
    uint64_t left = d->series->rows;
    if (!naturals_next(d, UINT32_MAX))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++) {
        uint64_t rows = (uint64_t)d->values[i];
        if (rows == 0 || rows > left)
            return refuse(d->what, "the rows of its buckets are not those of the series");
        buckets[i].rows = (uint32_t)rows;
        left -= rows;
    }
    if (left != 0)
        return refuse(d->what, "the rows of its buckets are not those of the series");
    if (!naturals_next(d, UINT32_MAX))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++) {
        if ((uint64_t)d->values[i] > buckets[i].rows)
            return refuse(d->what, "a bucket leaves out more rows than it has");
        buckets[i].flagged = (uint32_t)d->values[i];
    }
    return HOLTER_OK;
}

/* Gaps are put into end_max first, as the one array ends before the other begins. */
static holter_status times_decode(struct decoding *d)
{
    struct segment_block *buckets = d->rollup->buckets;
    const struct segment_series *series = d->series;
    size_t count = d->rollup->count;
    bool is_right = true;
    int64_t at = series->begin_min;
    if (!naturals_next(d, (uint64_t)INT64_MAX / d->unit))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++)
        buckets[i].end_max = i > 0 ? (int64_t)((uint64_t)d->values[i] * d->unit) : 0;
    if (!naturals_next(d, (uint64_t)SEGMENT_BUCKET_NS / d->unit))
        return not_an_array(d);
    for (size_t i = 0; is_right && i < count; i++) {
        uint64_t left = (uint64_t)d->values[i] * d->unit;
        int64_t bucket = bucket_of(at);
        is_right = checked_add_i64(&at, at, buckets[i].end_max) && at <= series->begin_max &&
                   (i == 0 || bucket_of(at) > bucket) && left > 0 && left <= left_of_bucket(at);
        if (!is_right)
            break;
        buckets[i].begin_min = at;
        at += (int64_t)(left_of_bucket(at) - left);
        buckets[i].begin_max = buckets[i].end_max = at;
    }
    if (!is_right || at != series->begin_max)
        return refuse(d->what, "the times of its buckets are not those of the series");
    return HOLTER_OK;
}

static holter_status ends_decode(struct decoding *d)
{
    struct segment_block *buckets = d->rollup->buckets;
    size_t count = d->rollup->count;
    bool is_right = true;
    int64_t end_max = INT64_MIN;
    bool is_interval = d->series->schema.kind == SAMPLE_INTERVAL;
    if (is_interval && !naturals_next(d, (uint64_t)INT64_MAX / d->unit))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++) {
        if (is_interval)
            is_right = checked_add_i64(&buckets[i].end_max, buckets[i].begin_max,
                                       (int64_t)((uint64_t)d->values[i] * d->unit)) &&
                       is_right;
        end_max = buckets[i].end_max > end_max ? buckets[i].end_max : end_max;
    }
    if (!is_right || end_max != d->series->end_max)
        return refuse(d->what, "the times of its buckets are not those of the series");
    return HOLTER_OK;
}

static holter_status sums_decode(struct decoding *d, size_t field)
{
    if (!array_next(d))
        return not_an_array(d);
    for (size_t i = 0; i < d->rollup->count; i++) {
        struct segment_block *bucket = &d->rollup->buckets[i];
        if (kept_of(bucket) == 0 && d->values[i] != 0)
            return refuse(d->what, "a bucket without values has statistics");
        sum_set(bucket, field, d->values[i]);
    }
    return HOLTER_OK;
}

/* Mean and rest, then how far the least and the greatest are from the mean. */
static holter_status ints_decode(struct decoding *d, size_t field)
{
    struct segment_block *buckets = d->rollup->buckets;
    size_t count = d->rollup->count;
    bool is_right = true;
    if (!array_next(d))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++) {
        is_right = is_right && (kept_of(&buckets[i]) > 0 || d->values[i] == 0);
        buckets[i].field[field].min = buckets[i].field[field].max = d->values[i];
    }
    if (!naturals_next(d, UINT32_MAX))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++) {
        uint32_t kept = kept_of(&buckets[i]);
        is_right = is_right && (d->values[i] == 0 || d->values[i] < kept);
        sum_set(&buckets[i], field, (int128)buckets[i].field[field].min * kept + d->values[i]);
    }
    if (!naturals_next(d, INT64_MAX))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++)
        is_right = checked_add_i64(&buckets[i].field[field].min, buckets[i].field[field].min,
                                   -d->values[i]) &&
                   (kept_of(&buckets[i]) > 0 || d->values[i] == 0) && is_right;
    if (!naturals_next(d, INT64_MAX))
        return not_an_array(d);
    for (size_t i = 0; i < count; i++) {
        struct segment_block *bucket = &buckets[i];
        is_right =
            checked_add_i64(&bucket->field[field].max, bucket->field[field].max, d->values[i]) &&
            (kept_of(bucket) > 0 || d->values[i] == 0) &&
            sum_of(bucket, field) <= (int128)bucket->field[field].max * kept_of(bucket) && is_right;
    }
    return is_right ? HOLTER_OK
                    : refuse(d->what, "the statistics of a bucket are not those of any values");
}

static holter_status states_decode(struct decoding *d, int64_t *states, size_t words)
{
    uint64_t unit = d->series->schema.kind == SAMPLE_INTERVAL ? d->unit : 1;
    uint8_t labels = get_u8(&d->r);
    bool is_there = labels == 0;
    if (d->r.overrun || labels > LABELS)
        return refuse(d->what, "it has more labels than it may");
    for (size_t label = 0; label < labels; label++) {
        if (!naturals_next(d, (uint64_t)INT64_MAX / unit))
            return not_an_array(d);
        for (size_t i = 0; i < d->rollup->count; i++) {
            states[i * words + label] = (int64_t)((uint64_t)d->values[i] * unit);
            is_there = is_there || (label + 1 == labels && d->values[i] != 0);
        }
    }
    return is_there ? HOLTER_OK : refuse(d->what, "its last label is in no bucket");
}

static holter_status fields_decode(struct decoding *d, bool with_states)
{
    const struct schema *schema = &d->series->schema;
    holter_status status = HOLTER_OK;
    for (size_t f = 0; status == HOLTER_OK && f < schema->field_count; f++) {
        if (schema->types[f] == FIELD_INT)
            status = schema->kind == SAMPLE_INTERVAL ? sums_decode(d, f) : ints_decode(d, f);
    }
    if (!with_states)
        return status;
    size_t words = state_words(schema);
    int64_t *states = d->rollup->states;
    for (size_t f = 0; status == HOLTER_OK && f < schema->field_count; f++) {
        if (schema->types[f] != FIELD_ENUM)
            continue;
        status = states_decode(d, states, words);
        states += LABELS;
    }
    if (status == HOLTER_OK && !reader_is_done(&d->r))
        status = refuse(d->what, "it is longer than its buckets");
    return status;
}

holter_status segment_rollup_decode(struct segment_rollup *out, const uint8_t *plain, size_t bytes,
                                    const struct segment_series *series, bool with_states,
                                    const char **what)
{
    struct decoding d = {
        .r = reader_over(plain, bytes), .rollup = out, .series = series, .what = what
    };
    uint8_t form = get_u8(&d.r);
    uint8_t unit = get_u8(&d.r);
    uint64_t count = get_varint(&d.r);
    uint64_t words = state_words(&series->schema);
    uint64_t span = (uint64_t)bucket_of(series->begin_max) - (uint64_t)bucket_of(series->begin_min);
    segment_rollup_clear(out);
    if (d.r.overrun || form != ROLLUP_FORM || unit >= SEGMENT_UNITS)
        return refuse(what, "its form or unit is unknown");
    if (!segment_rollup_fits(&series->schema) || !times_fit(series->begin_min, series->begin_max))
        return refuse(what, "a series of such fields or times has none");
    if (count == 0 || count > SEGMENT_BUCKETS_MAX || count > series->rows || count - 1 > span)
        return refuse(what, "its count of buckets does not fit the series");
    d.unit = segment_units[unit];
    if (!rollup_grow(out, (size_t)count, with_states ? (size_t)words : 0)) {
        *what = "no memory for it";
        return HOLTER_NO_MEMORY;
    }
    memset(out->buckets, 0, (size_t)count * sizeof *out->buckets);
    if (with_states && words > 0)
        memset(out->states, 0, (size_t)(count * words) * sizeof *out->states);
    out->count = (size_t)count;
    holter_status status = times_decode(&d);
    if (status == HOLTER_OK)
        status = counts_decode(&d);
    if (status == HOLTER_OK)
        status = ends_decode(&d);
    if (status == HOLTER_OK)
        status = fields_decode(&d, with_states);
    if (status == HOLTER_OK && with_states && unit + 1 < SEGMENT_UNITS &&
        unit_divides(segment_units[unit + 1], out, &series->schema))
        status = refuse(what, "its times have a larger unit than it names");
    if (status != HOLTER_OK)
        segment_rollup_clear(out);
    return status;
}

bool segment_rollup_is_equal(const struct segment_rollup *a, const struct segment_rollup *b,
                             const struct schema *schema)
{
    size_t words = state_words(schema);
    return !a->is_lost && !b->is_lost && a->count == b->count &&
           memcmp(a->buckets, b->buckets, a->count * sizeof *a->buckets) == 0 &&
           (words == 0 || memcmp(a->states, b->states, a->count * words * sizeof *a->states) == 0);
}
