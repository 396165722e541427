/*
 * memtable_run.c -- the rows of a series in memory, in order, for a merge.
 *
 *     stretch 0  |-------------|
 *     stretch 1                  |----------------------|
 *     stretch 2                          |---|                  came late
 *                 lent           lent    window  lent
 *
 * Stretches begin one after another. Where one is alone, up to the begin of the next, its rows are
 * lent where they lie. Where several have rows, or so few are alone that a block of them is not
 * worth it, the rows of a window of time are copied together and sorted. A window is as long as it
 * has some WINDOW_ROWS, so its memory is small whatever a series has, and used again and again: a
 * month of rows copied at once costs more in page faults than in all else.
 *
 * A time lies in one block, wherever stretches meet: so do the rows of one identity that several
 * frames have.
 */
#include "memtable/memtable.h"

#include <stdlib.h>
#include <string.h>

/*
 * Fewer rows than LENT_LEAST are not worth a block. A window has at least WINDOW_ROWS_EACH for each stretch
 * that has begun: a few rows here and a few there are slow to fetch.
 */
enum { LENT_LEAST = 256, WINDOW_ROWS = 1024, WINDOW_ROWS_EACH = 32 };

#define WINDOW_FIRST_NS INT64_C(3600000000000)

struct memtable_run {
    const struct memtable_series *series;
    int64_t from;
    size_t next;                    /* the first stretch that has not begun */
    struct memtable_stretch *begun; /* what is left of each */
    size_t begun_count, begun_capacity;
    bool is_shuffled; /* they are not in the order of their places */
    int64_t span;     /* of the last window, in time */
    int64_t
        next_row; /* no row that is still to be given begins before it; INT64_MAX: there is none */
    struct columns window;
};

/* The end of its rows that begin before `time`. */
static size_t before(const struct memtable_stretch *stretch, int64_t time)
{
    return columns_from(stretch->columns, stretch->first, stretch->end, time);
}

/* Its rows before `first` are given. False: it has no others. */
static bool cut_stretch(struct memtable_stretch *stretch, size_t first)
{
    stretch->first = first;
    if (first < stretch->end)
        stretch->begin = stretch->columns->time[first];
    return first < stretch->end;
}

/* Where the first stretch that has not begun does; INT64_MAX: all have. */
static int64_t next_stretch(const struct memtable_run *run)
{
    return run->next < run->series->stretch_count ? run->series->stretches[run->next].begin
                                                  : INT64_MAX;
}

static void find_next_row(struct memtable_run *run)
{
    run->next_row = next_stretch(run);
    for (size_t i = 0; i < run->begun_count; i++) {
        int64_t begin = run->begun[i].begin;
        run->next_row = begin < run->next_row ? begin : run->next_row;
    }
}

/* The next stretch begins; without its rows before `from`. False: no memory. */
static bool begin_stretch(struct memtable_run *run)
{
    struct memtable_stretch stretch = run->series->stretches[run->next];
    if (cut_stretch(&stretch, before(&stretch, run->from))) {
        void *begun = run->begun;
        bool grown = core_grow(&begun, &run->begun_capacity, run->begun_count + 1, sizeof stretch);
        run->begun = begun;
        if (!grown)
            return false;
        size_t at = run->begun_count++;
        run->is_shuffled = run->is_shuffled || (at > 0 && run->begun[at - 1].place > stretch.place);
        run->begun[at] = stretch;
    }
    run->next++;
    return true;
}

static void drop_stretch(struct memtable_run *run, struct memtable_stretch *stretch)
{
    struct memtable_stretch *end = run->begun + --run->begun_count;
    memmove(stretch, stretch + 1, (size_t)(end - stretch) * sizeof *stretch);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Rows before `until` of all that is left; more than `most` are not counted on. */
static size_t rows_before(const struct memtable_run *run, int64_t until, size_t most)
{
    const struct memtable_series *series = run->series;
    size_t rows = 0;
    for (size_t i = 0; i < run->begun_count && rows <= most; i++)
        rows += before(&run->begun[i], until) - run->begun[i].first;
    for (size_t i = run->next; i < series->stretch_count && rows <= most; i++) {
        if (series->stretches[i].begin >= until)
            break;
        rows += before(&series->stretches[i], until) - series->stretches[i].first;
    }
    return rows;
}

/*
 * Where a window ends that begins at `begin`: as long as the last one, or, until it has about as many
 * rows as it should, longer or shorter. Times may be anywhere, so once shorter it does not grow again.
 */
static int64_t window_end(struct memtable_run *run, int64_t begin)
{
    size_t target = WINDOW_ROWS_EACH * run->begun_count;
    bool has_shrunk = false;
    if (target < WINDOW_ROWS)
        target = WINDOW_ROWS;
    for (;;) {
        int64_t until = saturating_add_i64(begin, run->span);
        size_t rows = rows_before(run, until, 2 * target);
        if (rows > 2 * target && run->span > 1) {
            run->span /= 2;
            has_shrunk = true;
        } else if (rows < target / 2 && !has_shrunk && run->span < INT64_MAX &&
                   until <= run->series->begin_max) {
            run->span = saturating_add_i64(run->span, run->span);
        } else {
            return until;
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const struct memtable_stretch *left = a, *right = b;
    return (left->place > right->place) - (left->place < right->place);
}

/* The rows before `until` of all that is left. False: no memory. */
static bool fill_window(struct memtable_run *run, int64_t until)
{
    size_t left = 0;
    while (next_stretch(run) < until) {
        if (!begin_stretch(run))
            return false;
    }
    if (run->is_shuffled)
        qsort(run->begun, run->begun_count, sizeof *run->begun, by_place);
    run->is_shuffled = false;
    columns_clear(&run->window);
    for (size_t i = 0; i < run->begun_count; i++) {
        struct memtable_stretch *stretch = &run->begun[i];
        size_t end = before(stretch, until);
        if (!columns_append_rows(&run->window, stretch->columns, stretch->first,
                                 end - stretch->first))
            return false;
        if (cut_stretch(stretch, end))
            run->begun[left++] = *stretch;
    }
    run->begun_count = left;
    return columns_sort(&run->window);
}

/* ---- for a merge ----------------------------------------------------------------------------- */

/*
 * Of the stretch that begins first, of those that have begun: its rows before those of any other. 0: too
 * few, or not in order.
 */
static size_t lendable_rows(struct memtable_stretch **out, const struct memtable_run *run,
                            bool *is_rising)
{
    size_t least = 0;
    int64_t until = next_stretch(run);
    for (size_t i = 1; i < run->begun_count; i++)
        least = run->begun[i].begin < run->begun[least].begin ? i : least;
    for (size_t i = 0; i < run->begun_count; i++) {
        if (i != least && run->begun[i].begin < until)
            until = run->begun[i].begin;
    }
    struct memtable_stretch *first = &run->begun[least];
    *out = first;
    size_t rows = before(first, until) - first->first;
    if (rows < LENT_LEAST && until < INT64_MAX)
        return 0;
    return columns_is_sorted(first->columns, first->first, rows, is_rising) ? rows : 0;
}

static holter_status read_block(struct merge_run *merge, const struct columns **block,
                                size_t *first, size_t *count, holter_error *err)
{
    struct memtable_run *run = merge->context;
    struct memtable_stretch *alone;
    while (run->next < run->series->stretch_count && next_stretch(run) <= run->next_row) {
        if (!begin_stretch(run))
            goto no_memory;
    }
    if (run->begun_count == 0)
        return HOLTER_DONE;

    size_t rows = lendable_rows(&alone, run, &merge->is_rising);
    if (rows > 0) {
        *block = alone->columns;
        *first = alone->first;
        *count = rows;
        if (!cut_stretch(alone, alone->first + rows))
            drop_stretch(run, alone);
    } else {
        if (!fill_window(run, window_end(run, run->next_row)))
            goto no_memory;
        *block = &run->window;
        *first = 0;
        *count = run->window.count;
        merge->is_rising = false;
    }
    find_next_row(run);
    return HOLTER_OK;
no_memory:
    return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a window of rows");
}

static int64_t next_begin(const struct merge_run *merge)
{
    const struct memtable_run *run = merge->context;
    return run->next_row;
}

void memtable_run_merge(struct memtable_run *run, struct merge_run *merge)
{
    *merge = (struct merge_run){
        .read = read_block, .next_begin = next_begin, .context = run, .is_exact = true
    };
}

/* ---- entry points ---------------------------------------------------------------------------- */

holter_status memtable_run_open(struct memtable_run **out, const struct memtable_series *series,
                                int64_t from, holter_error *err)
{
    *out = NULL;
    struct memtable_run *run = core_calloc(1, sizeof *run);
    if (run == NULL)
        goto no_memory;
    run->series = series;
    run->from = from;
    run->span = WINDOW_FIRST_NS;
    columns_init(&run->window, &series->columns.schema);
    while (run->next < series->stretch_count && next_stretch(run) < from) {
        if (!begin_stretch(run))
            goto no_memory;
    }
    find_next_row(run);
    *out = run;
    return HOLTER_OK;
no_memory:
    memtable_run_close(run);
    return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a run of rows");
}

void memtable_run_close(struct memtable_run *run)
{
    if (run == NULL)
        return;
    columns_release(&run->window);
    free(run->begun);
    free(run);
}
