/*
 * series_rows.h -- the rows of a series in memory, as its run gives them, in columns of their own.
 *
 * Blocks are checked on the way: none is empty, and each begins where the run said it would, or
 * later, and after the times of the one before.
 */
#ifndef TESTS_UNIT_SERIES_ROWS_H
#define TESTS_UNIT_SERIES_ROWS_H

#include "memtable/memtable.h"

/* Appends to *out (of the series' schema); *blocks may be NULL. HOLTER_OK at the end. */
static inline holter_status series_rows(struct columns *out, const struct memtable_series *series,
                                        int64_t from, size_t *blocks, holter_error *err)
{
    struct memtable_run *run;
    struct merge_run merge;
    int64_t last = INT64_MIN;
    holter_status status = memtable_run_open(&run, series, from, err);
    if (status != HOLTER_OK)
        return status;
    memtable_run_merge(run, &merge);
    for (size_t i = 0;; i++) {
        const struct columns *block;
        size_t first, count;
        int64_t begin = merge.next_begin(&merge);
        status = merge.read(&merge, &block, &first, &count, err);
        if (status != HOLTER_OK)
            break;
        bool is_told = count > 0 && block->time[first] == begin && begin > last;
        for (size_t row = first + 1; merge.is_rising && row < first + count; row++)
            is_told = is_told && block->time[row - 1] < block->time[row];
        if (!is_told || !columns_append_rows(out, block, first, count)) {
            status = error_set(err, is_told ? HOLTER_NO_MEMORY : HOLTER_CORRUPT, "a block");
            break;
        }
        last = block->time[first + count - 1];
        if (blocks != NULL)
            *blocks = i + 1;
    }
    if (status == HOLTER_DONE)
        status = merge.next_begin(&merge) == INT64_MAX ? HOLTER_OK : HOLTER_CORRUPT;
    memtable_run_close(run);
    return status;
}

#endif
