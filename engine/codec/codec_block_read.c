/*
 * codec_block_read.c -- the rows of a block from what codec_block.c writes.
 *
 * A decoder works behind the last row of its columns and counts the rows in at the end, so a refusal
 * changes nothing. Bytes: format-spec/blocks.md. Tests: tests/unit/test_codec_bytes.c.
 */
#include "codec_block.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = CODEC_BLOCK_ROWS_MAX };

/* ---- times ----------------------------------------------------------------------------------- */

static bool decode_rate(int64_t *time, struct reader *r, size_t count, int64_t begin, uint64_t ns)
{
    uint64_t ticks = get_varint(r);
    uint64_t rows = get_varint(r);
    uint64_t phase = get_varint(r);
    uint64_t last;
    if (r->overrun || ticks >> RATE_TICK_BITS != 0 || rows == 0 || rows >> RATE_ROW_BITS != 0 ||
        phase >= rows)
        return false;
    uint64_t room = (uint64_t)INT64_MAX - 1 - (uint64_t)begin;
    if (!checked_mul_u64(&last, (phase + (count - 1) * ticks) / rows, ns) || last > room)
        return false;
    int64_t step = (int64_t)(ticks / rows * ns);
    uint64_t rest = ticks % rows;
    for (size_t i = 0; i < count; i++) {
        time[i] = begin;
        if (i + 1 == count)
            break;
        begin += step;
        phase += rest;
        if (phase >= rows) {
            phase -= rows;
            begin += (int64_t)ns;
        }
    }
    return true;
}

/* How times are told, where other columns have to be read first. */
struct derived {
    bool is_derived;
    unsigned unit;
    uint8_t source;
    bool by_starts;
    size_t exceptions;
};

/* Places that are told in an array, each by what lies between it and the one before. False: one is too large. */
static bool places_read(uint16_t *places, int64_t *words, struct reader *r, size_t exceptions,
                        size_t count, const struct codec_models *models)
{
    uint64_t at = 0;
    if (exceptions > 0 && !block_array_decode(words, r, exceptions, models))
        return false;
    for (size_t i = 0; i < exceptions; i++) {
        if ((uint64_t)words[i] >= count - at - 1)
            return false;
        at += (uint64_t)words[i] + 1;
        places[i] = (uint16_t)at;
    }
    return true;
}

/* Exceptions wait where flags and sequences come in the end: places here, gaps there. */
static bool derived_read(struct derived *d, struct codec_rows *rows, struct reader *r, size_t count)
{
    struct columns *out = &rows->columns;
    uint16_t *places = out->flags + out->count;
    int64_t *gaps = (int64_t *)(out->sequence + out->count);
    uint8_t source = get_u8(r);
    uint64_t exceptions = get_varint(r);
    d->is_derived = true;
    d->by_starts = source >= GAP_SOURCE_STARTS;
    d->source = source % GAP_SOURCE_STARTS;
    if (r->overrun || exceptions > count || source >= 2 * GAP_SOURCE_STARTS ||
        source_of(out, out->count, d->source, d->unit) == NULL)
        return false;
    d->exceptions = exceptions;
    return (d->by_starts ? places_read(places, gaps, r, exceptions, count, rows->models)
                         : places_decode(places, r, exceptions, count)) &&
           (exceptions == 0 || block_array_decode(gaps, r, exceptions, rows->models));
}

/* Starts, each less the one before, become gaps. All sums wrap: what is no time is found out later. */
static void gaps_of_starts(int64_t *gaps, const uint16_t *places, size_t exceptions,
                           const int64_t *from, int64_t first_own, bool is_own, size_t count)
{
    int64_t at = 0;
    int64_t start = is_own ? wrap_sub_i64(0, first_own) : 0;
    size_t next = 0;
    for (size_t i = 1; i < count && next < exceptions; i++) {
        if (places[next] == i) {
            start = wrap_add_i64(start, gaps[next]);
            gaps[next] = wrap_sub_i64(is_own ? wrap_add_i64(start, from[i - 1]) : start, at);
            at = wrap_add_i64(at, gaps[next++]);
        } else {
            at = wrap_add_i64(at, from[i - 1]);
        }
    }
}

static bool derived_times(struct columns *out, const struct derived *d, size_t count, int64_t begin)
{
    int64_t *time = out->time + out->count;
    const int64_t *from = source_of(out, out->count, d->source, d->unit);
    int64_t *gaps = (int64_t *)(out->sequence + out->count);
    bool is_own = d->source == GAP_IS_VALUE;
    if (d->by_starts)
        gaps_of_starts(gaps, out->flags + out->count, d->exceptions, from,
                       is_own ? out->field[0][out->count] : 0, is_own, count);
    for (size_t i = 1; i < count; i++)
        time[i] = from[i - 1];
    for (size_t i = 0; i < d->exceptions; i++)
        time[out->flags[out->count + i]] = gaps[i];
    return codec_times_of_gaps(time, count, begin, (uint64_t)codec_unit_ns[d->unit]);
}

/* Times by one gap. False: one is out of range. */
static bool times_of_gap(int64_t *time, size_t count, int64_t begin, uint64_t gap, uint64_t ns)
{
    uint64_t step, span;
    if (!checked_mul_u64(&step, gap, ns) || !checked_mul_u64(&span, step, count - 1) ||
        span > (uint64_t)INT64_MAX - 1 - (uint64_t)begin)
        return false;
    for (size_t i = 0; i < count; i++)
        time[i] = (int64_t)((uint64_t)begin + i * step);
    return true;
}

/* Gaps that are all equal. False: they are not, or a time is out of range; *r stands where it stood. */
static bool decode_equal_gaps(int64_t *time, struct reader *r, size_t count, int64_t begin,
                              uint64_t ns)
{
    struct reader before = *r;
    int64_t gap;
    if (array_decode_constant(&gap, r) && times_of_gap(time, count, begin, (uint64_t)gap, ns))
        return true;
    *r = before;
    return false;
}

/* Even intervals: their times and durations. */
static bool decode_even(struct columns *out, struct reader *r, size_t count, int64_t begin,
                        uint64_t ns)
{
    uint64_t gap = get_varint(r);
    if (r->overrun || gap > INT64_MAX / ns ||
        !times_of_gap(out->time + out->count, count, begin, gap, ns))
        return false;
    for (size_t i = out->count; i < out->count + count; i++)
        out->duration[i] = (int64_t)(gap * ns);
    return true;
}

/* Small gaps become times without ever being 64 bits wide. False: they are not small, or times could
   reach the end of time; *r stands where it stood. */
static bool decode_small_gaps(int64_t *time, struct reader *r, size_t count, int64_t begin,
                              unsigned unit, bool *is_rising)
{
    enum { SECOND_BITS = 30 /* of its nanoseconds */, MINUTE_ZEROS = 11 /* of its, behind */ };
    int32_t least;
    struct reader before = *r;
    const int64_t room = ((int64_t)SMALL_END * CODEC_PACKED_ROWS_MAX) << SECOND_BITS;
    bool is_minutes = unit > UNIT_SECOND; /* too many nanoseconds for a scale */
    int64_t scale = is_minutes ? codec_unit_ns[unit] >> MINUTE_ZEROS : codec_unit_ns[unit];
    if (begin > INT64_MAX - 1 - room ||
        !array_decode_sums(time, &least, r, count, is_minutes ? 0 : begin, (uint32_t)scale))
        return false;
    *is_rising = least > 0;
    bool is_right = least >= 0;
    if (is_minutes && is_right) {
        uint64_t left = (uint64_t)INT64_MAX - 1 - (uint64_t)begin;
        is_right = (uint64_t)time[count - 1] <= left >> MINUTE_ZEROS;
        for (size_t i = 0; is_right && i < count; i++)
            time[i] = wrap_add_i64(begin, time[i] * (1 << MINUTE_ZEROS));
    }
    if (!is_right)
        *r = before;
    return is_right;
}

/* What is decoded, and where, beside the columns. */
struct decoding {
    struct codec_rows *rows;
    const struct codec_next *next;
    size_t next_count;
};

/* Pairs that may come next, of so many rows that their symbols are decoded together with those at hand. */
static size_t find_coming(struct codec_next coming[CODEC_AHEAD], const struct decoding *d,
                          size_t count)
{
    struct codec_rows *rows = d->rows;
    size_t found = 0;
    while (count >= RANS_COUNT_MANY && found < d->next_count &&
           d->next[found].count >= RANS_COUNT_MANY && d->next[found].count <= ROWS) {
        coming[found] = d->next[found];
        if (get_u8(&coming[found].bytes) >> TIME_UNIT_BITS != TIME_PAIRS)
            break;
        found++;
    }
    if (found > 0 && rows->ahead == NULL)
        rows->ahead = core_calloc(1, sizeof *rows->ahead); /* without it they come one by one */
    return found;
}

static bool decode_pairs(const struct decoding *d, int64_t *values, struct reader *r, size_t count,
                         int64_t begin, unsigned unit)
{
    struct codec_rows *rows = d->rows;
    struct codec_next coming[CODEC_AHEAD];
    size_t coming_count = find_coming(coming, d, count);
    return pairs_decode(rows->columns.time + rows->columns.count, values, r, count, begin,
                        (uint64_t)codec_unit_ns[unit], rows->models, rows->ahead, coming,
                        coming_count, &rows->is_rising);
}

static bool decode_spells(struct columns *out, struct reader *r, size_t count, int64_t begin)
{
    size_t at = out->count;
    int64_t *values = out->field[0] + at;
    return spells_decode(out->time + at, out->duration + at, values, r, count, begin) &&
           (out->schema.types[0] != FIELD_ENUM || !codec_has_negative(values, count));
}

static bool decode_times(const struct decoding *decoding, struct derived *d, enum time_form *form,
                         struct reader *r, size_t count, int64_t begin)
{
    struct codec_rows *rows = decoding->rows;
    struct columns *out = &rows->columns;
    int64_t *time = out->time + out->count;
    int64_t *only = only_field(out);
    uint8_t how = get_u8(r);
    *d = (struct derived){ .unit = how & ((1u << TIME_UNIT_BITS) - 1) };
    *form = (enum time_form)(how >> TIME_UNIT_BITS);
    rows->is_rising = false;
    if (r->overrun || d->unit > UNIT_LAST || !sample_time_is_valid(begin))
        return false;
    switch (*form) {
    case TIME_GAPS:
        if (decode_equal_gaps(time, r, count, begin, (uint64_t)codec_unit_ns[d->unit])) {
            rows->is_rising = count == 1 || time[1] > time[0];
            return true;
        }
        if (decode_small_gaps(time, r, count, begin, d->unit, &rows->is_rising))
            return true;
        if (!block_array_decode(time, r, count, rows->models))
            return false;
        break;
    case TIME_PAIRS:
        return only != NULL && decode_pairs(decoding, only + out->count, r, count, begin, d->unit);
    case TIME_DERIVED:
        rows->flags_count = rows->sequence_count = out->count; /* exceptions wait there */
        return derived_read(d, rows, r, count);
    case TIME_RATE:
        return decode_rate(time, r, count, begin, (uint64_t)codec_unit_ns[d->unit]);
    case TIME_SPELLS:
        return only_value(out) != NULL && d->unit == 0 && decode_spells(out, r, count, begin);
    case TIME_EVEN:
        if (out->schema.kind != SAMPLE_INTERVAL ||
            !decode_even(out, r, count, begin, (uint64_t)codec_unit_ns[d->unit]))
            return false;
        rows->is_rising = count == 1 || time[1] > time[0];
        return true;
    default:
        return false;
    }
    return codec_times_of_gaps(time, count, begin, (uint64_t)codec_unit_ns[d->unit]);
}

/* ---- columns --------------------------------------------------------------------------------- */

bool codec_array_decode(int64_t *out, struct reader *r, size_t count)
{
    return count > 0 && count <= ROWS && block_array_decode(out, r, count, NULL);
}

static bool decode_natural(int64_t *values, struct reader *r, size_t count,
                           const struct codec_models *models)
{
    return block_array_decode(values, r, count, models) && !codec_has_negative(values, count);
}

static holter_status decode_field(struct columns *c, size_t field, struct reader *r, size_t count,
                                  const struct codec_models *models)
{
    int64_t *values = c->field[field] + c->count;
    bool is_right = false;
    switch (c->schema.types[field]) {
    case FIELD_INT:
        is_right = block_array_decode(values, r, count, models);
        break;
    case FIELD_ENUM:
        is_right = decode_natural(values, r, count, models);
        break;
    case FIELD_FLOAT:
        is_right = floats_decode(values, r, count, models);
        break;
    default:
        return texts_decode(c, values, r, count, models);
    }
    return is_right ? HOLTER_OK : HOLTER_CORRUPT;
}

static void take_equal_flags(struct codec_rows *rows, size_t at, size_t count, uint16_t flags)
{
    if (flags != rows->flags)
        rows->flags_count = at;
    rows->flags = flags;
    for (; rows->flags_count < at + count; rows->flags_count++)
        rows->columns.flags[rows->flags_count] = flags;
}

/* Flags, by way of the revisions' room; all equal as a rule. */
static bool decode_flags(struct codec_rows *rows, size_t at, struct reader *r, size_t count)
{
    struct columns *out = &rows->columns;
    struct reader before = *r;
    int64_t flags;
    if (array_decode_constant(&flags, r)) {
        uint16_t word;
        if (!codec_flags_take(&word, &flags, 1))
            return false;
        take_equal_flags(rows, at, count, word);
        return true;
    }
    *r = before;
    rows->flags_count = rows->revision_count = at;
    int64_t *words = out->revision + at;
    return block_array_decode(words, r, count, rows->models) &&
           codec_flags_take(out->flags + at, words, count);
}

static bool decode_revisions(struct codec_rows *rows, size_t at, struct reader *r, size_t count,
                             bool with_revision, int64_t revision)
{
    int64_t *revisions = rows->columns.revision;
    if (with_revision || revision != rows->revision)
        rows->revision_count = at;
    if (with_revision)
        return block_array_decode(revisions + at, r, count, rows->models);
    rows->revision = revision;
    for (; rows->revision_count < at + count; rows->revision_count++)
        revisions[rows->revision_count] = revision;
    return true;
}

/* Behind the rows that are there. */
static holter_status decode_columns(const struct decoding *decoding, struct reader *r, size_t count,
                                    int64_t begin, bool with_revision, int64_t revision)
{
    struct codec_rows *rows = decoding->rows;
    struct columns *out = &rows->columns;
    size_t at = out->count;
    struct derived derived;
    enum time_form form;
    if (!decode_times(decoding, &derived, &form, r, count, begin))
        return HOLTER_CORRUPT;
    bool has_values = form == TIME_PAIRS || form == TIME_SPELLS;
    bool has_durations = form == TIME_SPELLS || form == TIME_EVEN;
    if (out->schema.kind == SAMPLE_INTERVAL && !has_durations &&
        !decode_natural(out->duration + at, r, count, rows->models))
        return HOLTER_CORRUPT;
    for (size_t f = has_values ? 1 : 0; f < out->schema.field_count; f++) {
        holter_status status = decode_field(out, f, r, count, rows->models);
        if (status != HOLTER_OK)
            return status;
    }
    if (derived.is_derived && !derived_times(out, &derived, count, begin))
        return HOLTER_CORRUPT;
    if (form == TIME_EVEN)
        take_equal_flags(rows, at, count, 0);
    if ((form != TIME_EVEN && !decode_flags(rows, at, r, count)) ||
        !decode_revisions(rows, at, r, count, with_revision, revision))
        return HOLTER_CORRUPT;
    return HOLTER_OK;
}

static holter_status decode_block(const struct decoding *decoding, struct reader *r, size_t count,
                                  int64_t begin, bool with_revision, int64_t revision)
{
    struct codec_rows *rows = decoding->rows;
    if (count == 0 || count > ROWS || r->overrun)
        return HOLTER_CORRUPT;
    if (!columns_reserve(&rows->columns, count))
        return HOLTER_NO_MEMORY;
    size_t text_bytes = rows->columns.text.bytes;
    holter_status status = decode_columns(decoding, r, count, begin, with_revision, revision);
    if (status != HOLTER_OK)
        rows->columns.text.bytes = text_bytes;
    return status;
}

holter_status codec_block_decode(struct columns *out, struct reader *r, size_t count, int64_t begin,
                                 bool with_revision, int64_t revision, uint64_t sequence,
                                 const struct codec_models *models)
{
    core_assert(models_can_decode(models));
    struct codec_rows rows = { .columns = *out, .models = models, .flags_count = out->count };
    rows.revision_count = out->count;
    const struct decoding decoding = { .rows = &rows };
    holter_status status = decode_block(&decoding, r, count, begin, with_revision, revision);
    *out = rows.columns;
    for (size_t i = out->count; status == HOLTER_OK && i < out->count + count; i++)
        out->sequence[i] = sequence;
    if (status == HOLTER_OK)
        out->count += count;
    return status;
}

holter_status codec_block_decode_next(struct codec_rows *rows, struct reader *r, size_t count,
                                      int64_t begin, bool with_revision, int64_t revision,
                                      const struct codec_next *next, size_t next_count)
{
    const struct decoding decoding = { rows, next, next_count };
    struct columns *columns = &rows->columns;
    core_assert(next_count <= CODEC_AHEAD);
    columns_clear(columns);
    holter_status status = decode_block(&decoding, r, count, begin, with_revision, revision);
    if (status != HOLTER_OK)
        return status;
    for (; rows->sequence_count < count; rows->sequence_count++)
        columns->sequence[rows->sequence_count] = 0;
    columns->count = count;
    return HOLTER_OK;
}

/* ---- one field, folded ----------------------------------------------------------------------- */

bool codec_can_fold(const struct schema *schema, size_t field)
{
    bool are_integers = field < schema->field_count;
    for (size_t f = 0; are_integers && f <= field; f++)
        are_integers = schema->types[f] == FIELD_INT || schema->types[f] == FIELD_ENUM;
    return are_integers;
}

/* Times and durations, and values where they go with them. False: these bytes are none. */
static bool pass_times(const struct decoding *decoding, enum time_form *form, struct reader *r,
                       size_t count, int64_t begin)
{
    const struct codec_rows *rows = decoding->rows;
    const struct columns *c = &rows->columns;
    struct derived derived;
    struct reader before = *r;
    *form = (enum time_form)(get_u8(r) >> TIME_UNIT_BITS);
    bool is_right = !r->overrun;
    switch (*form) {
    case TIME_GAPS:
        is_right = is_right && block_array_pass(c->time, r, count, rows->models);
        break;
    case TIME_RATE:
        for (unsigned i = 0; i < 3; i++)
            (void)get_varint(r);
        break;
    case TIME_EVEN:
        (void)get_varint(r);
        return !r->overrun && c->schema.kind == SAMPLE_INTERVAL;
    default:
        *r = before;
        is_right = decode_times(decoding, &derived, form, r, count, begin);
    }
    if (is_right && c->schema.kind == SAMPLE_INTERVAL && *form != TIME_SPELLS)
        is_right = block_array_pass(c->duration, r, count, rows->models);
    return is_right && !r->overrun;
}

/* False: it is no pairs, or there is no quicker way for these; *r stands where it stood. */
static bool fold_pairs(struct codec_fold *fold, const struct codec_fold_spec *spec,
                       const struct decoding *d, struct reader *r, size_t count)
{
    struct codec_rows *rows = d->rows;
    struct reader before = *r;
    struct codec_next coming[CODEC_AHEAD];
    if (only_field(&rows->columns) != NULL && get_u8(r) >> TIME_UNIT_BITS == TIME_PAIRS) {
        size_t coming_count = find_coming(coming, d, count);
        if (pairs_fold(fold, spec, r, count, rows->models, rows->ahead, coming, coming_count))
            return true;
    }
    *r = before;
    return false;
}

holter_status codec_block_fold_next(struct codec_fold *fold, const struct codec_fold_spec *spec,
                                    struct codec_rows *rows, struct reader *r, size_t count,
                                    int64_t begin, const struct codec_next *next, size_t next_count)
{
    const struct decoding decoding = { rows, next, next_count };
    struct columns *c = &rows->columns;
    enum time_form form;
    core_assert(codec_can_fold(&c->schema, spec->field));
    core_assert(spec->low >= -CODEC_FOLD_END);
    core_assert(spec->min <= spec->low);
    core_assert(spec->low <= spec->high);
    core_assert(spec->high <= spec->max);
    core_assert(spec->high <= CODEC_FOLD_END);
    columns_clear(c);
    if (count == 0 || count > ROWS || r->overrun)
        return HOLTER_CORRUPT;
    if (!columns_reserve(c, count))
        return HOLTER_NO_MEMORY;
    if (fold_pairs(fold, spec, &decoding, r, count))
        return HOLTER_OK;
    if (!pass_times(&decoding, &form, r, count, begin))
        return HOLTER_CORRUPT;
    if (form != TIME_PAIRS && form != TIME_SPELLS) {
        for (size_t f = 0; f < spec->field; f++) {
            if (!block_array_pass(c->field[f], r, count, rows->models))
                return HOLTER_CORRUPT;
        }
        if (array_fold(fold, r, count, spec))
            return HOLTER_OK;
        if (!block_array_decode(c->field[spec->field], r, count, rows->models))
            return HOLTER_CORRUPT;
    }
    codec_fold_values(fold, c->field[spec->field], count, spec->low, spec->high);
    return HOLTER_OK;
}

/* ---- memory of rows -------------------------------------------------------------------------- */

void codec_rows_use(struct codec_rows *rows, const struct codec_models *models)
{
    core_assert(models_can_decode(models));
    rows->models = models;
    if (rows->ahead != NULL)
        ahead_forget(rows->ahead);
}

void codec_rows_release(struct codec_rows *rows)
{
    columns_release(&rows->columns);
    if (rows->ahead != NULL)
        codec_wipe(rows->ahead, sizeof *rows->ahead);
    free(rows->ahead);
    rows->ahead = NULL;
}
