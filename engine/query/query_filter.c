/*
 * query_filter.c -- which rows a spec's filters let through: of a block by its header, of a batch row by row.
 *
 *   F1  A row passes where each filter's field lies in its [min, max]; a NaN lies in none.
 *   F2  What a header says of a block holds for its rows that no flag leaves out of the statistics; a block with
 *       others is looked at row by row.
 */
#include "query_impl.h"

#include <string.h>

/* One range lies outside of the other, within it, or neither. */
static enum query_verdict compare_ranges(const struct query_filter *filter, int64_t min,
                                         int64_t max)
{
    if (filter->type == FIELD_FLOAT) {
        double low = real_of(filter->min), high = real_of(filter->max);
        if (real_of(max) < low || real_of(min) > high)
            return QUERY_NONE;
        return real_of(min) >= low && real_of(max) <= high ? QUERY_ALL : QUERY_SOME;
    }
    if (max < filter->min || min > filter->max)
        return QUERY_NONE;
    return min >= filter->min && max <= filter->max ? QUERY_ALL : QUERY_SOME;
}

enum query_verdict query_filter_block(const struct query_spec *spec,
                                      const struct segment_block *block)
{
    enum query_verdict all = QUERY_ALL;
    if (spec->filter_count > 0 && block->flagged > 0)
        return QUERY_SOME; /* F2 */
    for (size_t i = 0; i < spec->filter_count; i++) {
        const struct query_filter *filter = &spec->filters[i];
        const struct segment_field *field = &block->field[filter->field];
        enum query_verdict one = compare_ranges(filter, field->min, field->max);
        if (one == QUERY_NONE)
            return QUERY_NONE;
        if (one == QUERY_SOME)
            all = QUERY_SOME;
    }
    return all;
}

bool query_filters_fit(const struct query_spec *spec, const struct schema *schema)
{
    for (size_t i = 0; i < spec->filter_count; i++) {
        const struct query_filter *filter = &spec->filters[i];
        if (filter->field >= schema->field_count || schema->types[filter->field] != filter->type)
            return false;
    }
    return true;
}

size_t query_filter_rows(uint16_t *places, const struct query_spec *spec,
                         const struct columns *rows)
{
    uint8_t passes[QUERY_ROWS_MAX];
    core_assert(rows->count <= QUERY_ROWS_MAX);
    memset(passes, 1, rows->count);
    for (size_t f = 0; f < spec->filter_count; f++) {
        const struct query_filter *filter = &spec->filters[f];
        const int64_t *words = rows->field[filter->field];
        if (filter->type == FIELD_FLOAT) {
            const double low = real_of(filter->min), high = real_of(filter->max);
            for (size_t i = 0; i < rows->count; i++)
                passes[i] &= real_of(words[i]) >= low && real_of(words[i]) <= high;
        } else {
            codec_filter(passes, words, rows->count, filter->min, filter->max);
        }
    }
    return codec_places(places, passes, rows->count);
}
