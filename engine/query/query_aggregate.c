/*
 * query_aggregate.c -- windows over a metric: the scans of its sources, advanced together.
 *
 *     window              | w0        | w1        | w2        |
 *     source 1, a lane     ──── ──── ───── (open) ─────          rows up to w0's end are taken
 *     source 2, a lane       │    │  │        │
 *
 * Each source has a scan of its own, a lane, so that all lanes stand at the same window and no
 * window is held but the one at hand. Rows of a lane that begin in it are taken as one stretch of
 * columns. An interval that lasts beyond the window's end becomes an open one: its share is added
 * now and in each window to come, until it ends.
 *
 * Where the header of a block tells what is asked for, and its rows all stand and begin in the window at
 * hand, they are not read (take_block): so of long windows only the edges are decoded. A block that begins
 * beyond the window waits for its own. Where a filter lets through a part of such a block, the values of its field are
 * folded as they are decoded, without rows (take_part). Of a series that has a rollup its half hours are asked for in the
 * place of blocks: so of windows that begin and end with one nothing is decoded.
 *
 *   A1  Between windows each lane's next row begins at or after the end of the window before.
 *   A2  Each open interval began before that end and ends after it.
 *   A3  What is in a window's sum does not depend on the order of adding (query_sum.h); ties of
 *       first and last are decided by (time, source, key), in the order of lanes and their rows.
 */
#include "query_impl.h"
#include "query_sum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    AGGREGATE_TEXT_BYTES = 1 << 20,
    WINDOWS_ROOM_MIN = 16,
    EXCLUDED_FLAGS = SAMPLE_OUT_OF_RANGE | SAMPLE_NON_FINITE
};

/* A source's rows. */
struct lane {
    struct query_scan *scan;
    const struct columns *rows; /* NULL: none are at hand */
    size_t at;
    int64_t begin; /* of the next row, which is not at hand; INT64_MAX: there is none */
};

/* An interval that lasts beyond a window. */
struct open_interval {
    int64_t begin, duration;
    int64_t values[SCHEMA_FIELDS_MAX];
};

/* A field in the window at hand. */
struct tally {
    struct whole_sum total;  /* of integers that begin in the window; their fraction is 0 */
    struct whole_sum shares; /* what the sum has beyond the total */
    struct real_sum *real_total, *real_shares; /* the same of floats; NULL for other types */
    int64_t min, max;                          /* the words of values, here and below */
    int64_t first, last;
    uint32_t first_text, first_bytes, last_text, last_bytes; /* places in `texts` */
};

/* The columns of a field that are given out. */
struct column {
    holter_sum *sum;
    double *mean;
    holter_value *min, *max, *first, *last;
};

struct query_aggregate {
    struct query_aggregate_spec spec;
    bool has_shares;    /* sums or times of intervals */
    struct lane *lanes; /* by rising source */
    size_t lane_count;
    struct open_interval *open;
    size_t open_count, open_capacity;
    int64_t begin, end; /* the window at hand; before the first: end is `from` */

    bool is_taking; /* rows of the window at hand are being taken: blocks may be, too */
    struct codec_fold_spec fold; /* of take_part */
    uint64_t passed;             /* blocks taken by their headers */
    uint64_t half_hours;         /* taken */
    uint64_t samples, excluded, parts;
    int128
        time; /* of intervals, within the window; until its end of all that begin in it, wholly */
    int64_t first_time, last_time;
    struct tally tallies[SCHEMA_FIELDS_MAX];

    size_t count, room; /* windows in the columns, and how many they have room for */
    int64_t *begins, *ends;
    uint64_t *sample_counts, *excluded_counts;
    int64_t *times; /* NULL: not asked for */
    struct column columns[SCHEMA_FIELDS_MAX];
    struct buffer texts; /* of this batch: offsets stand in for pointers until it is given out */
    holter_status failed;
};

static bool has_function(const struct query_aggregate *a, uint32_t function)
{
    return (a->spec.functions & function) != 0;
}

static bool has_field(const struct query_aggregate *a, size_t field)
{
    return (a->spec.fields >> field & 1) != 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static holter_status no_memory(holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "query: no memory for windows");
}

static bool column_grow(void **column, size_t room, size_t bytes)
{
    void *grown = realloc(*column, room * bytes);
    if (grown == NULL)
        return false;
    *column = grown;
    return true;
}

static bool field_columns_grow(struct query_aggregate *a, size_t field, size_t room)
{
    const struct {
        uint32_t function;
        void **column;
        size_t bytes;
    } wanted[] = {
        { HOLTER_FN_SUM, (void **)&a->columns[field].sum, sizeof(holter_sum) },
        { HOLTER_FN_MEAN, (void **)&a->columns[field].mean, sizeof(double) },
        { HOLTER_FN_MIN, (void **)&a->columns[field].min, sizeof(holter_value) },
        { HOLTER_FN_MAX, (void **)&a->columns[field].max, sizeof(holter_value) },
        { HOLTER_FN_FIRST, (void **)&a->columns[field].first, sizeof(holter_value) },
        { HOLTER_FN_LAST, (void **)&a->columns[field].last, sizeof(holter_value) },
    };
    for (size_t i = 0; i < CORE_COUNT(wanted); i++) {
        if (has_function(a, wanted[i].function) &&
            !column_grow(wanted[i].column, room, wanted[i].bytes))
            return false;
    }
    return true;
}

/* Most aggregates have few windows. */
static holter_status columns_grow(struct query_aggregate *a, holter_error *err)
{
    size_t room = a->room == 0 ? WINDOWS_ROOM_MIN : 4 * a->room;
    if (room > QUERY_WINDOWS_MAX)
        room = QUERY_WINDOWS_MAX;
    bool has_memory = column_grow((void **)&a->begins, room, sizeof *a->begins) &&
                      column_grow((void **)&a->ends, room, sizeof *a->ends) &&
                      column_grow((void **)&a->sample_counts, room, sizeof *a->sample_counts) &&
                      column_grow((void **)&a->excluded_counts, room, sizeof *a->excluded_counts);
    if (has_function(a, HOLTER_FN_TIME))
        has_memory = has_memory && column_grow((void **)&a->times, room, sizeof *a->times);
    for (size_t f = 0; has_memory && f < a->spec.schema.field_count; f++)
        has_memory = !has_field(a, f) || field_columns_grow(a, f, room);
    if (!has_memory)
        return no_memory(err);
    a->room = room;
    return HOLTER_OK;
}

static bool sums_new(struct query_aggregate *a, size_t field)
{
    if (a->spec.schema.types[field] != FIELD_FLOAT)
        return true;
    a->tallies[field].real_total = core_calloc(1, sizeof(struct real_sum));
    a->tallies[field].real_shares = core_calloc(1, sizeof(struct real_sum));
    return a->tallies[field].real_total != NULL && a->tallies[field].real_shares != NULL;
}

static holter_status tallies_new(struct query_aggregate *a, holter_error *err)
{
    for (size_t f = 0; f < a->spec.schema.field_count; f++) {
        if (has_field(a, f) && !sums_new(a, f))
            return no_memory(err);
    }
    return HOLTER_OK;
}

static int64_t lane_begin(const struct lane *lane)
{
    return lane->rows != NULL ? lane->rows->time[lane->at] : lane->begin;
}

/* The next rows of a lane that has gone through its own. */
static holter_status lane_fill(struct lane *lane, holter_error *err)
{
    uint32_t metric, source;
    lane->at = 0;
    lane->begin = INT64_MAX;
    holter_status status = query_scan_next(lane->scan, &metric, &source, &lane->rows, err);
    if (status == HOLTER_OK && lane->rows->count == 0)
        lane->begin = query_scan_next_begin(lane->scan);
    if (status == HOLTER_DONE || (status == HOLTER_OK && lane->rows->count == 0)) {
        lane->rows = NULL;
        return HOLTER_OK;
    }
    return status;
}

/* -0.0 is below 0.0, so that no order of rows matters. */
static bool is_below(double a, double b)
{
    return a < b || (a == b && signbit(a) && !signbit(b));
}

/*
 * Which columns headers suffice for: counts, integers' sums, least and greatest of integers and floats. Not
 * sums of floats: a header's pair of doubles is rounded, and a sum here is that of all values, rounded once.
 */
static bool headers_suffice(const struct query_aggregate *a)
{
    bool has_sums = has_function(a, HOLTER_FN_SUM) || has_function(a, HOLTER_FN_MEAN);
    if ((a->spec.functions & (HOLTER_FN_FIRST | HOLTER_FN_LAST | HOLTER_FN_TIME)) != 0)
        return false;
    for (size_t f = 0; f < a->spec.schema.field_count; f++) {
        if (a->spec.schema.types[f] == FIELD_FLOAT && has_field(a, f) && has_sums)
            return false;
    }
    return true;
}

/*
 * Of floats a header counts what is not finite with the flagged, flagged or not, and does not tell which
 * sign a zero has, while here -0.0 is less than 0.0.
 */
static bool floats_are_told(const struct query_aggregate *a, const struct segment_block *block)
{
    for (size_t f = 0; f < a->spec.schema.field_count; f++) {
        if (a->spec.schema.types[f] != FIELD_FLOAT)
            continue;
        if (block->flagged > 0)
            return false;
        if (has_field(a, f) && (a->spec.functions & (HOLTER_FN_MIN | HOLTER_FN_MAX)) != 0 &&
            (real_of(block->field[f].min) == 0 || real_of(block->field[f].max) == 0))
            return false;
    }
    return true;
}

static void take_extremes(const struct query_aggregate *a, struct tally *tally, size_t field,
                          int64_t min, int64_t max)
{
    bool is_float = a->spec.schema.types[field] == FIELD_FLOAT;
    if (a->samples == 0 ||
        (is_float ? is_below(real_of(min), real_of(tally->min)) : min < tally->min))
        tally->min = min;
    if (a->samples == 0 ||
        (is_float ? is_below(real_of(tally->max), real_of(max)) : max > tally->max))
        tally->max = max;
}

/* Which of these rollups have, too, and whether windows hold half hours enough to ask for them. */
static bool half_hours_suffice(const struct query_aggregate *a)
{
    const int64_t half_hour_ns = INT64_C(1800) * 1000000000;
    bool has_extremes = has_function(a, HOLTER_FN_MIN) || has_function(a, HOLTER_FN_MAX);
    const holter_every *every = &a->spec.every;
    return (a->spec.schema.kind == SAMPLE_INSTANT || !has_extremes) &&
           (every->calendar != HOLTER_FIXED || every->width_ns % half_hour_ns == 0 ||
            every->width_ns / half_hour_ns >= 4);
}

/* Whether all rows of a block begin in the window at hand, and end where that matters: MERGE_TAKEN. */
static enum merge_verdict place_block(const struct query_aggregate *a,
                                      const struct segment_block *block)
{
    if (block->begin_min >= a->end)
        return MERGE_WAIT; /* the window comes first */
    bool may_last = block->end_max > a->end || block->end_max == INT64_MAX; /* or later */
    return !a->is_taking || block->begin_min < a->begin || block->begin_max >= a->end ||
                   (a->has_shares && may_last)
               ? MERGE_READ
               : MERGE_TAKEN;
}

/* Of headers_suffice. The sum of an interval is its share, which is the whole where it ends in time. */
static enum merge_verdict take_block(void *context, const struct segment_block *block,
                                     size_t blocks)
{
    struct query_aggregate *a = context;
    uint64_t kept = block->rows - block->flagged;
    enum merge_verdict verdict = place_block(a, block);
    if (verdict != MERGE_TAKEN)
        return verdict;
    if (!floats_are_told(a, block))
        return MERGE_READ;
    for (size_t f = 0; kept > 0 && f < a->spec.schema.field_count; f++) {
        struct tally *tally = &a->tallies[f];
        uint8_t type = a->spec.schema.types[f];
        if (!has_field(a, f) || (type != FIELD_INT && type != FIELD_FLOAT))
            continue;
        if (type == FIELD_INT)
            tally->total.whole += (int128)((uint128)(uint64_t)block->field[f].sum_high << 64 |
                                           (uint64_t)block->field[f].sum_low);
        take_extremes(a, tally, f, block->field[f].min, block->field[f].max);
    }
    a->samples += kept;
    a->parts += kept;
    a->excluded += block->flagged;
    a->passed += blocks;
    a->half_hours += blocks == 0;
    return MERGE_TAKEN;
}

/*
 * Of headers_suffice, where filters and what is asked for are of one field, which can be folded: the range that filters
 * leave of it. False: it is not so.
 */
static bool find_fold(struct codec_fold_spec *fold, const struct query_aggregate *a)
{
    const struct query_spec *rows = &a->spec.rows;
    if (rows->filter_count == 0 || !headers_suffice(a))
        return false;
    size_t field = rows->filters[0].field;
    *fold = (struct codec_fold_spec){ .field = field, .low = INT64_MIN, .high = INT64_MAX };
    for (size_t i = 0; i < rows->filter_count; i++) {
        const struct query_filter *filter = &rows->filters[i];
        if (filter->field != field)
            return false;
        fold->low = filter->min > fold->low ? filter->min : fold->low;
        fold->high = filter->max < fold->high ? filter->max : fold->high;
    }
    for (size_t f = 0; f < a->spec.schema.field_count; f++) {
        if (f != field && has_field(a, f) && a->spec.schema.types[f] != FIELD_ENUM &&
            a->spec.schema.types[f] != FIELD_TEXT)
            return false;
    }
    return fold->low <= fold->high && codec_can_fold(&a->spec.schema, field);
}

/* Of find_fold. What fails is told when it is read. */
static enum merge_verdict take_part(void *context, const struct segment_block *block,
                                    struct segment_run *run)
{
    struct query_aggregate *a = context;
    const struct segment_field *header = &block->field[a->fold.field];
    struct codec_fold_spec spec = a->fold;
    struct codec_fold fold;
    enum merge_verdict verdict = place_block(a, block);
    if (verdict != MERGE_TAKEN)
        return verdict;
    spec.min = header->min;
    spec.max = header->max;
    spec.low = spec.low > spec.min ? spec.low : spec.min;
    spec.high = spec.high < spec.max ? spec.high : spec.max;
    if (spec.low > spec.high || spec.low < -CODEC_FOLD_END || spec.high > CODEC_FOLD_END ||
        segment_run_fold(&fold, run, &spec) != HOLTER_OK)
        return MERGE_READ;
    struct tally *tally = &a->tallies[spec.field];
    if (fold.count > 0 && has_field(a, spec.field) &&
        a->spec.schema.types[spec.field] == FIELD_INT) {
        tally->total.whole += fold.sum;
        take_extremes(a, tally, spec.field, fold.min, fold.max);
    }
    a->samples += fold.count;
    a->parts += fold.count;
    return MERGE_TAKEN;
}

/* The first lane's scan is opened for all sources, as it tells which there are. */
static holter_status lanes_open(struct query_aggregate *a, struct shard_snapshot *snapshot,
                                holter_error *err)
{
    struct query_series *series = NULL;
    size_t count = 0;
    struct query_scan *scan = NULL;
    struct query_spec spec = a->spec.rows;
    spec.take_block = headers_suffice(a) ? take_block : NULL;
    spec.take_part = find_fold(&a->fold, a) ? take_part : NULL;
    spec.take_context = a;
    spec.by_half_hours = headers_suffice(a) && half_hours_suffice(a) &&
                         spec.filter_count == 0; /* theirs tell less */
    holter_status status = query_scan_open(&scan, snapshot, &spec, err);
    if (status == HOLTER_OK)
        status = query_scan_list(&series, &count, scan, err);
    if (status == HOLTER_OK) {
        a->lanes = core_calloc(count, sizeof *a->lanes);
        if (a->lanes == NULL && count > 0)
            status = no_memory(err);
    }
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        if (!schema_is_equal(&series[i].schema, &a->spec.schema)) {
            status =
                error_set(err, HOLTER_CORRUPT,
                          "user #%016llx, metric %u, source %u: found rows that are not of the "
                          "metric's fields",
                          (unsigned long long)a->spec.rows.user, series[i].metric,
                          series[i].source);
            break;
        }
        spec.source = series[i].source;
        if (scan != NULL)
            query_scan_narrow(scan, spec.source);
        else
            status = query_scan_open(&scan, snapshot, &spec, err);
        if (status != HOLTER_OK)
            break;
        a->lanes[a->lane_count++].scan = scan;
        scan = NULL;
        status = lane_fill(&a->lanes[i], err);
    }
    query_scan_close(scan);
    free(series);
    return status;
}

void query_aggregate_close(struct query_aggregate *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->lane_count; i++)
        query_scan_close(a->lanes[i].scan);
    free(a->lanes);
    free(a->open);
    free(a->begins);
    free(a->ends);
    free(a->sample_counts);
    free(a->excluded_counts);
    free(a->times);
    for (size_t f = 0; f < SCHEMA_FIELDS_MAX; f++) {
        free(a->columns[f].sum);
        free(a->columns[f].mean);
        free(a->columns[f].min);
        free(a->columns[f].max);
        free(a->columns[f].first);
        free(a->columns[f].last);
        free(a->tallies[f].real_total);
        free(a->tallies[f].real_shares);
    }
    buffer_release(&a->texts);
    free(a);
}

void query_aggregate_blocks(const struct query_aggregate *a, uint64_t *passed, uint64_t *decoded)
{
    *passed = a->passed;
    *decoded = 0;
    for (size_t i = 0; i < a->lane_count; i++)
        *decoded += query_scan_decoded(a->lanes[i].scan);
}

uint64_t query_aggregate_half_hours(const struct query_aggregate *a)
{
    return a->half_hours;
}

/* ---- the window at hand ---------------------------------------------------------------------- */

/* Where a row's interval ends, held at INT64_MAX. */
static int64_t open_end(const struct open_interval *interval)
{
    return saturating_add_i64(interval->begin, interval->duration);
}

static holter_status open_add(struct query_aggregate *a, const struct columns *rows, size_t row,
                              holter_error *err)
{
    void *at = a->open;
    bool has_room = core_grow(&at, &a->open_capacity, a->open_count + 1, sizeof *a->open);
    a->open = at;
    if (!has_room)
        return error_set(err, HOLTER_NO_MEMORY, "query: %zu intervals that last over a window",
                         a->open_count + 1);
    struct open_interval *interval = &a->open[a->open_count++];
    *interval = (struct open_interval){ rows->time[row], rows->duration[row], { 0 } };
    for (size_t f = 0; f < rows->schema.field_count; f++)
        interval->values[f] = rows->field[f][row];
    return HOLTER_OK;
}

/* The share of each open interval in the window; those that end in it are open no more (A2). */
static void take_shares(struct query_aggregate *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->open_count; i++) {
        const struct open_interval *interval = &a->open[i];
        int64_t end = open_end(interval);
        int64_t from = interval->begin > a->begin ? interval->begin : a->begin;
        int64_t part = (end < a->end ? end : a->end) - from;
        a->time += part;
        for (size_t f = 0; f < a->spec.schema.field_count; f++) {
            struct tally *tally = &a->tallies[f];
            double value;
            if (!has_field(a, f) || !has_function(a, HOLTER_FN_SUM))
                continue;
            memcpy(&value, &interval->values[f], sizeof value);
            if (a->spec.schema.types[f] == FIELD_FLOAT)
                real_sum_add_share(tally->real_shares, value, part, interval->duration);
            else
                whole_sum_add_share(&tally->shares, interval->values[f], part, interval->duration);
        }
        a->parts++;
        if (end > a->end)
            a->open[kept++] = *interval;
    }
    a->open_count = kept;
}

/* Rows that begin before `from` and last beyond it are open from the start. */
static holter_status take_early(struct query_aggregate *a, struct lane *lane, holter_error *err)
{
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK && lane_begin(lane) < a->end) {
        core_assert(lane->rows != NULL);
        if ((lane->rows->flags[lane->at] & EXCLUDED_FLAGS) == 0)
            status = open_add(a, lane->rows, lane->at, err);
        if (status == HOLTER_OK && ++lane->at == lane->rows->count)
            status = lane_fill(lane, err);
    }
    return status;
}

/* Of the rows of a stretch those that last beyond the window: their share is not the whole. */
static holter_status take_lasting(struct query_aggregate *a, const struct columns *rows,
                                  size_t begin, size_t end, holter_error *err)
{
    for (size_t row = begin; row < end; row++) {
        if ((uint64_t)rows->duration[row] <= (uint64_t)a->end - (uint64_t)rows->time[row])
            continue;
        holter_status status = open_add(a, rows, row, err);
        if (status != HOLTER_OK)
            return status;
        a->time -= rows->duration[row];
        for (size_t f = 0; has_function(a, HOLTER_FN_SUM) && f < rows->schema.field_count; f++) {
            double value;
            memcpy(&value, &rows->field[f][row], sizeof value);
            if (has_field(a, f) && rows->schema.types[f] == FIELD_FLOAT)
                real_sum_add(a->tallies[f].real_shares, value, true);
            else if (has_field(a, f))
                a->tallies[f].shares.whole -= rows->field[f][row];
        }
    }
    return HOLTER_OK;
}

/* The sum in 64 bits where no value is so large that they might not suffice; 128 take many times as long. */
static void take_integers(const struct query_aggregate *a, struct tally *tally,
                          const int64_t *values, size_t count)
{
    const int64_t far = INT64_MAX / QUERY_ROWS_MAX;
    struct codec_fold all;
    core_assert(count <= QUERY_ROWS_MAX);
    codec_fold_values(&all, values, count, INT64_MIN, INT64_MAX);
    if (CORE_LIKELY(all.min >= -far && all.max <= far)) {
        tally->total.whole += all.sum;
    } else {
        for (size_t i = 0; i < count; i++)
            tally->total.whole += values[i];
    }
    tally->min = a->samples == 0 || all.min < tally->min ? all.min : tally->min;
    tally->max = a->samples == 0 || all.max > tally->max ? all.max : tally->max;
}

static void take_reals(const struct query_aggregate *a, struct tally *tally, const int64_t *values,
                       size_t count)
{
    if ((a->spec.functions & (HOLTER_FN_SUM | HOLTER_FN_MEAN)) != 0) {
        for (size_t i = 0; i < count; i++)
            real_sum_add(tally->real_total, real_of(values[i]), false);
    }
    if ((a->spec.functions & (HOLTER_FN_MIN | HOLTER_FN_MAX)) != 0) {
        int64_t min = a->samples == 0 ? values[0] : tally->min;
        int64_t max = a->samples == 0 ? values[0] : tally->max;
        for (size_t i = 0; i < count; i++) {
            min = is_below(real_of(values[i]), real_of(min)) ? values[i] : min;
            max = is_below(real_of(max), real_of(values[i])) ? values[i] : max;
        }
        tally->min = min;
        tally->max = max;
    }
}

/* A value of any type is kept as its word; a text is copied. */
static void keep_value(struct query_aggregate *a, const struct columns *rows, size_t field,
                       size_t row, bool is_first)
{
    struct tally *tally = &a->tallies[field];
    if (!has_function(a, is_first ? HOLTER_FN_FIRST : HOLTER_FN_LAST))
        return;
    *(is_first ? &tally->first : &tally->last) = rows->field[field][row];
    if (rows->schema.types[field] != FIELD_TEXT)
        return;
    uint32_t bytes;
    const uint8_t *text = columns_text(rows, field, row, &bytes);
    *(is_first ? &tally->first_text : &tally->last_text) = (uint32_t)a->texts.bytes;
    *(is_first ? &tally->first_bytes : &tally->last_bytes) = bytes;
    buffer_append(&a->texts, text, bytes);
}

/* Ties: a later lane's first row is not before one of the same time, its last row is after (A3). */
static void take_ends(struct query_aggregate *a, const struct columns *rows, size_t begin,
                      size_t end)
{
    bool is_first = a->samples == 0 || rows->time[begin] < a->first_time;
    bool is_last = a->samples == 0 || rows->time[end - 1] >= a->last_time;
    for (size_t f = 0; f < rows->schema.field_count; f++) {
        if (is_first && has_field(a, f))
            keep_value(a, rows, f, begin, true);
        if (is_last && has_field(a, f))
            keep_value(a, rows, f, end - 1, false);
    }
    a->first_time = is_first ? rows->time[begin] : a->first_time;
    a->last_time = is_last ? rows->time[end - 1] : a->last_time;
}

/* Rows [begin, end) of a batch, none of them flagged, that begin in the window. */
static holter_status take_stretch(struct query_aggregate *a, const struct columns *rows,
                                  size_t begin, size_t end, holter_error *err)
{
    if ((a->spec.functions & (HOLTER_FN_FIRST | HOLTER_FN_LAST)) != 0)
        take_ends(a, rows, begin, end);
    for (size_t f = 0; f < rows->schema.field_count; f++) {
        if (!has_field(a, f))
            continue;
        if (rows->schema.types[f] == FIELD_FLOAT)
            take_reals(a, &a->tallies[f], rows->field[f] + begin, end - begin);
        else if (rows->schema.types[f] == FIELD_INT)
            take_integers(a, &a->tallies[f], rows->field[f] + begin, end - begin);
    }
    for (size_t row = begin; has_function(a, HOLTER_FN_TIME) && row < end; row++)
        a->time += rows->duration[row];
    a->samples += end - begin;
    a->parts += end - begin;
    return a->has_shares ? take_lasting(a, rows, begin, end, err) : HOLTER_OK;
}

static bool is_excluded(const struct columns *rows, size_t row)
{
    return (rows->flags[row] & EXCLUDED_FLAGS) != 0;
}

/* Four at a time. */
static bool has_excluded(const uint16_t *flags, size_t count)
{
    const uint64_t each = UINT64_C(0x0001000100010001);
    uint64_t seen = 0, four;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        memcpy(&four, flags + i, sizeof four);
        seen |= four;
    }
    for (; i < count; i++)
        seen |= flags[i];
    return (seen & EXCLUDED_FLAGS * each) != 0;
}

/* Rows [begin, end) of a batch that begin in the window: between flagged ones, stretches. */
static holter_status take_rows(struct query_aggregate *a, const struct columns *rows, size_t begin,
                               size_t end, holter_error *err)
{
    if (!has_excluded(rows->flags + begin, end - begin))
        return take_stretch(a, rows, begin, end, err);
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK && begin < end) {
        size_t at = begin;
        while (at < end && !is_excluded(rows, at))
            at++;
        if (at > begin)
            status = take_stretch(a, rows, begin, at, err);
        for (; at < end && is_excluded(rows, at); at++)
            a->excluded++;
        begin = at;
    }
    return status;
}

/* The first row from `begin` on that begins at `time` or later: near it as a rule. */
static size_t rows_before(const struct columns *rows, size_t begin, int64_t time)
{
    size_t low = begin, step = 1;
    while (low + step < rows->count && rows->time[low + step] < time) {
        low += step;
        step *= 2;
    }
    size_t high = low + step < rows->count ? low + step : rows->count;
    return columns_from(rows, low, high, time);
}

static holter_status take_lane(struct query_aggregate *a, struct lane *lane, holter_error *err)
{
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK && lane_begin(lane) < a->end) {
        if (lane->rows == NULL) {
            status = lane_fill(lane, err);
            continue;
        }
        size_t end = rows_before(lane->rows, lane->at, a->end);
        status = take_rows(a, lane->rows, lane->at, end, err);
        lane->at = end;
        if (status == HOLTER_OK && end == lane->rows->count)
            status = lane_fill(lane, err);
    }
    return status;
}

/* ---- windows --------------------------------------------------------------------------------- */

static void begin_window(struct query_aggregate *a)
{
    a->samples = a->excluded = a->parts = 0;
    a->time = 0;
    for (size_t f = 0; f < a->spec.schema.field_count; f++) {
        struct real_sum *total = a->tallies[f].real_total, *shares = a->tallies[f].real_shares;
        if (!has_field(a, f))
            continue;
        a->tallies[f] = (struct tally){ .real_total = total, .real_shares = shares };
        if (total != NULL && (a->spec.functions & (HOLTER_FN_SUM | HOLTER_FN_MEAN)) != 0) {
            memset(total, 0, sizeof *total);
            memset(shares, 0, sizeof *shares);
        }
    }
}

static holter_sum sum_of(const struct query_aggregate *a, size_t field, bool has_shares)
{
    const struct tally *tally = &a->tallies[field];
    holter_sum sum = { .is_there = a->parts > 0 };
    if (a->spec.schema.types[field] == FIELD_FLOAT) {
        real_sum_merge(tally->real_shares, tally->real_total);
        sum.value = real_sum_double(tally->real_shares, 1);
        return sum;
    }
    struct whole_sum whole = tally->shares;
    whole.whole += tally->total.whole;
    sum.value = whole_sum_double(&whole, a->spec.exponents[field], 1);
    sum.is_whole = !has_shares;
    if (sum.is_whole) {
        sum.high = (int64_t)(whole.whole >> 64);
        sum.low = (uint64_t)whole.whole;
    }
    return sum;
}

static double mean_of(const struct query_aggregate *a, size_t field)
{
    const struct tally *tally = &a->tallies[field];
    if (a->samples == 0)
        return 0;
    if (a->spec.schema.types[field] == FIELD_FLOAT)
        return real_sum_double(tally->real_total, a->samples);
    return whole_sum_double(&tally->total, a->spec.exponents[field], a->samples);
}

static holter_value value_of(const struct query_aggregate *a, size_t field, int64_t word,
                             uint32_t text, uint32_t bytes)
{
    holter_value value = { 0 };
    switch (a->spec.schema.types[field]) {
    case FIELD_FLOAT:
        value.real = real_of(word);
        break;
    case FIELD_TEXT: /* an offset, until the batch is given out */
        value.text.bytes = (const char *)(uintptr_t)text;
        value.text.count = bytes;
        break;
    default:
        value.integer = word;
    }
    return value;
}

static void end_window(struct query_aggregate *a, bool has_shares)
{
    size_t at = a->count++;
    a->begins[at] = a->begin;
    a->ends[at] = a->end;
    a->sample_counts[at] = a->samples;
    a->excluded_counts[at] = a->excluded;
    if (a->times != NULL)
        a->times[at] = a->time > INT64_MAX ? INT64_MAX : (int64_t)a->time;
    for (size_t f = 0; f < a->spec.schema.field_count; f++) {
        const struct tally *tally = &a->tallies[f];
        const struct column *column = &a->columns[f];
        if (column->sum != NULL)
            column->sum[at] = sum_of(a, f, has_shares);
        if (column->mean != NULL)
            column->mean[at] = mean_of(a, f);
        if (column->min != NULL)
            column->min[at] = value_of(a, f, tally->min, 0, 0);
        if (column->max != NULL)
            column->max[at] = value_of(a, f, tally->max, 0, 0);
        if (column->first != NULL)
            column->first[at] = value_of(a, f, tally->first, tally->first_text, tally->first_bytes);
        if (column->last != NULL)
            column->last[at] = value_of(a, f, tally->last, tally->last_text, tally->last_bytes);
    }
}

/* An instant in the next window in which there is something. False: there is none. */
static bool find_next(const struct query_aggregate *a, int64_t *time)
{
    bool found = false;
    if (a->open_count > 0) {
        *time = a->end;
        return a->end < a->spec.rows.to;
    }
    for (size_t i = 0; i < a->lane_count; i++) {
        int64_t begin = lane_begin(&a->lanes[i]);
        if (begin == INT64_MAX || (found && begin >= *time))
            continue;
        *time = begin;
        found = true;
    }
    return found;
}

static holter_status next_window(struct query_aggregate *a, holter_error *err)
{
    int64_t time = 0, begin, end;
    if (!find_next(a, &time))
        return HOLTER_DONE;
    holter_status status = zone_window(&begin, &end, a->spec.zone, &a->spec.every, time, err);
    if (status != HOLTER_OK)
        return status;
    a->begin = begin > a->spec.rows.from ? begin : a->spec.rows.from;
    a->end = end < a->spec.rows.to ? end : a->spec.rows.to;
    if (a->count == a->room)
        status = columns_grow(a, err);
    if (status != HOLTER_OK)
        return status;
    begin_window(a);
    a->is_taking = true;
    for (size_t i = 0; status == HOLTER_OK && i < a->lane_count; i++)
        status = take_lane(a, &a->lanes[i], err);
    a->is_taking = false;
    if (status != HOLTER_OK)
        return status;
    bool has_shares = a->open_count > 0;
    take_shares(a);
    if (a->texts.failed)
        return no_memory(err);
    bool has_any = a->samples > 0 || a->excluded > 0 || a->parts > 0;
    if (has_any) /* else only a block began in it, of which nothing passed (take_part) */
        end_window(a, has_shares);
    return HOLTER_OK;
}

/* ---- the door -------------------------------------------------------------------------------- */

holter_status query_aggregate_open(struct query_aggregate **out, struct shard_snapshot *snapshot,
                                   const struct query_aggregate_spec *spec, holter_error *err)
{
    *out = NULL;
    holter_status status = zone_every_check(spec->zone, &spec->every, err);
    if (status != HOLTER_OK)
        return status;
    struct query_aggregate *a = core_calloc(1, sizeof *a);
    if (a == NULL)
        return no_memory(err);
    a->spec = *spec;
    a->has_shares = (spec->functions & (HOLTER_FN_SUM | HOLTER_FN_TIME)) != 0 &&
                    spec->schema.kind == SAMPLE_INTERVAL;
    a->spec.rows.overlapping = a->has_shares;
    a->end = spec->rows.from;
    buffer_init(&a->texts);
    status = tallies_new(a, err);
    if (status == HOLTER_OK && spec->rows.from < spec->rows.to)
        status = lanes_open(a, snapshot, err);
    for (size_t i = 0; status == HOLTER_OK && a->has_shares && i < a->lane_count; i++)
        status = take_early(a, &a->lanes[i], err);
    if (status == HOLTER_OK) {
        *out = a;
        a = NULL;
    }
    query_aggregate_close(a);
    return status;
}

static void point_to_texts(const struct query_aggregate *a, holter_value *values)
{
    for (size_t i = 0; values != NULL && i < a->count; i++)
        values[i].text.bytes = (const char *)a->texts.data + (uintptr_t)values[i].text.bytes;
}

static void show(const struct query_aggregate *a, holter_windows *out)
{
    *out = (holter_windows){ .count = a->count,
                             .begin_ns = a->begins,
                             .end_ns = a->ends,
                             .samples = a->sample_counts,
                             .excluded = a->excluded_counts,
                             .time_ns = a->times };
    for (size_t f = 0; f < a->spec.schema.field_count; f++) {
        const struct column *column = &a->columns[f];
        if (!has_field(a, f))
            continue;
        if (a->spec.schema.types[f] == FIELD_TEXT) {
            point_to_texts(a, column->first);
            point_to_texts(a, column->last);
        }
        out->fields[out->field_count++] =
            (holter_window_field){ .field = f,
                                   .type = (holter_type)a->spec.schema.types[f],
                                   .sum = column->sum,
                                   .mean = column->mean,
                                   .min = column->min,
                                   .max = column->max,
                                   .first = column->first,
                                   .last = column->last };
    }
}

holter_status query_aggregate_next(struct query_aggregate *a, holter_windows *out,
                                   holter_error *err)
{
    if (a->failed == HOLTER_DONE)
        return HOLTER_DONE;
    if (a->failed != HOLTER_OK)
        return error_set(err, a->failed, "the aggregator has failed before");
    holter_status status = HOLTER_OK;
    a->count = 0;
    buffer_clear(&a->texts);
    while (status == HOLTER_OK && a->count < QUERY_WINDOWS_MAX &&
           a->texts.bytes < AGGREGATE_TEXT_BYTES)
        status = next_window(a, err);
    a->failed = status;
    if (status == HOLTER_DONE && a->count == 0)
        return HOLTER_DONE;
    if (status != HOLTER_OK && status != HOLTER_DONE)
        return status;
    show(a, out);
    return HOLTER_OK;
}
