/*
 * memtable_run.c -- the rows of a series in memory, in order, for a merge.
 *
 *     stretch 0  |-------------|
 *     stretch 1                  |----------------------|
 *     stretch 2                          |---|                  came late
 *                 lent           lent    window  lent
 *
 * Stretches are decoded as they begin, one after another; small ones that follow one another in time
 * together. Where one is alone, up to the begin of the next, its rows are
 * lent where they lie. Where several have rows, or so few are alone that a block of them is not
 * worth it, the rows of a window of time are copied together and sorted. A window is as long as it
 * has some WINDOW_ROWS, so its memory is small whatever a series has, and used again and again, as that
 * of decoded rows: a month of rows at once costs more in page faults than in all else.
 *
 * A time lies in one block, wherever stretches meet: so do the rows of one identity that several
 * frames have.
 */
#include "memtable/memtable.h"

#include <stdlib.h>
#include <string.h>

/*
 * Fewer rows than LENT_LEAST are not worth a block. A window has at least WINDOW_ROWS_EACH for each stretch
 * that has begun: a few rows here and a few there are slow to fetch. Stretches of fewer than TOGETHER_ROWS are decoded
 * together, up to about as many.
 */
enum { LENT_LEAST = 256, WINDOW_ROWS = 1024, WINDOW_ROWS_EACH = 32, TOGETHER_ROWS = 4096 };

#define WINDOW_FIRST_NS INT64_C(3600000000000)

/* Rows [first, end) are left of what was decoded of one stretch, or of several. */
struct begun {
    struct columns *columns;
    size_t first, end;
    int64_t begin; /* of the first */
    size_t place;  /* of the first stretch */
};

struct memtable_run {
    const struct memtable_series *series;
    int64_t from;
    size_t next; /* the first stretch that has not begun */
    struct begun *begun;
    size_t begun_count, begun_capacity;
    struct columns **spare; /* to be decoded into; room for as many as there are columns */
    size_t spare_count, spare_capacity, columns_count;
    bool is_shuffled; /* they are not in the order of their places */
    int64_t span;     /* of the last window, in time */
    int64_t
        next_row; /* no row that is still to be given begins before it; INT64_MAX: there is none */
    struct columns window;
};

/* The end of its rows that begin before `time`. */
static size_t before(const struct begun *begun, int64_t time)
{
    return columns_from(begun->columns, begun->first, begun->end, time);
}

/* Its rows before `first` are given. False: it has no others. */
static bool cut_begun(struct begun *begun, size_t first)
{
    begun->first = first;
    if (first < begun->end)
        begun->begin = begun->columns->time[first];
    return first < begun->end;
}

/* Where the first stretch that has not begun does; INT64_MAX: all have. */
static int64_t next_stretch(const struct memtable_run *run)
{
    return run->next < run->series->stretch_count ? run->series->stretches[run->next].part->begin
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

/* Columns to decode into. NULL: no memory. */
static struct columns *columns_take(struct memtable_run *run)
{
    if (run->spare_count > 0) {
        struct columns *columns = run->spare[--run->spare_count];
        columns_clear(columns);
        return columns;
    }
    void *spare = run->spare;
    bool grown =
        core_grow(&spare, &run->spare_capacity, run->columns_count + 1, sizeof *run->spare);
    run->spare = spare;
    struct columns *columns = grown ? malloc(sizeof *columns) : NULL;
    if (columns == NULL)
        return NULL;
    columns_init(columns, &run->series->schema);
    run->columns_count++;
    return columns;
}

static void columns_give(struct memtable_run *run, struct columns *columns)
{
    run->spare[run->spare_count++] = columns;
}

/* Does the next stretch go on where the last one ended, as it was committed and in time? */
static bool goes_on(const struct memtable_run *run, const struct memtable_stretch *last,
                    const struct columns *decoded)
{
    if (run->next == run->series->stretch_count)
        return false;
    const struct memtable_stretch *next = &run->series->stretches[run->next];
    return next->place == last->place + 1 && next->part->begin > last->part->last &&
           decoded->count + next->part->rows <= TOGETHER_ROWS;
}

/* The next stretch begins, and those that go on after it; without rows before `from`. */
static holter_status begin_stretch(struct memtable_run *run, holter_error *err)
{
    const struct memtable_stretch *stretch = &run->series->stretches[run->next++];
    struct begun one = { .place = stretch->place };
    if (stretch->part->last < run->from)
        return HOLTER_OK;
    void *begun = run->begun;
    bool grown = core_grow(&begun, &run->begun_capacity, run->begun_count + 1, sizeof one);
    run->begun = begun;
    one.columns = grown ? columns_take(run) : NULL;
    if (one.columns == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for rows");
    holter_status status = memtable_stretch_read(one.columns, stretch, err);
    while (status == HOLTER_OK && goes_on(run, stretch, one.columns)) {
        stretch = &run->series->stretches[run->next++];
        status = memtable_stretch_read(one.columns, stretch, err);
    }
    one.end = one.columns->count;
    if (status != HOLTER_OK || !cut_begun(&one, before(&one, run->from))) {
        columns_give(run, one.columns);
        return status;
    }
    size_t at = run->begun_count++;
    run->is_shuffled = run->is_shuffled || (at > 0 && run->begun[at - 1].place > one.place);
    run->begun[at] = one;
    return HOLTER_OK;
}

/* What was lent of it stays until the next one begins. */
static void drop_begun(struct memtable_run *run, struct begun *begun)
{
    struct begun *end = run->begun + --run->begun_count;
    columns_give(run, begun->columns);
    memmove(begun, begun + 1, (size_t)(end - begun) * sizeof *begun);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* About how many of a stretch's rows begin before `until`, which is after its first one's begin. */
static size_t rows_about(const struct memtable_part *part, int64_t until)
{
    if (part->last < until)
        return part->rows;
    double share =
        ((double)until - (double)part->begin) / ((double)part->last - (double)part->begin);
    return (size_t)(share * part->rows) + 1;
}

/* Rows before `until` of all that is left, about; more than `most` are not counted on. */
static size_t rows_before(const struct memtable_run *run, int64_t until, size_t most)
{
    const struct memtable_series *series = run->series;
    size_t rows = 0;
    for (size_t i = 0; i < run->begun_count && rows <= most; i++)
        rows += before(&run->begun[i], until) - run->begun[i].first;
    for (size_t i = run->next; i < series->stretch_count && rows <= most; i++) {
        if (series->stretches[i].part->begin >= until)
            break;
        rows += rows_about(series->stretches[i].part, until);
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
    const struct begun *left = a, *right = b;
    return (left->place > right->place) - (left->place < right->place);
}

static holter_status no_memory(holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a window of rows");
}

/* The rows before `until` of all that is left. */
static holter_status fill_window(struct memtable_run *run, int64_t until, holter_error *err)
{
    size_t left = 0;
    while (next_stretch(run) < until) {
        holter_status status = begin_stretch(run, err);
        if (status != HOLTER_OK)
            return status;
    }
    if (run->is_shuffled)
        qsort(run->begun, run->begun_count, sizeof *run->begun, by_place);
    run->is_shuffled = false;
    columns_clear(&run->window);
    bool has_memory = true;
    for (size_t i = 0; i < run->begun_count; i++) {
        struct begun one = run->begun[i];
        size_t end = before(&one, until);
        has_memory = has_memory &&
                     columns_append_rows(&run->window, one.columns, one.first, end - one.first);
        if (cut_begun(&one, end))
            run->begun[left++] = one;
        else
            columns_give(run, one.columns);
    }
    run->begun_count = left;
    return has_memory && columns_sort(&run->window) ? HOLTER_OK : no_memory(err);
}

/* ---- for a merge ----------------------------------------------------------------------------- */

/*
 * Of the stretch that begins first, of those that have begun: its rows before those of any other. 0: too
 * few, or not in order.
 */
static size_t lendable_rows(struct begun **out, const struct memtable_run *run, bool *is_rising)
{
    size_t least = 0;
    int64_t until = next_stretch(run);
    for (size_t i = 1; i < run->begun_count; i++)
        least = run->begun[i].begin < run->begun[least].begin ? i : least;
    for (size_t i = 0; i < run->begun_count; i++) {
        if (i != least && run->begun[i].begin < until)
            until = run->begun[i].begin;
    }
    struct begun *first = &run->begun[least];
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
    struct begun *alone;
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK && run->next < run->series->stretch_count &&
           next_stretch(run) <= run->next_row) {
        status = begin_stretch(run, err);
        find_next_row(run); /* a stretch may have nothing from `from` on */
    }
    if (status != HOLTER_OK)
        return status;
    if (run->begun_count == 0)
        return HOLTER_DONE;

    size_t rows = lendable_rows(&alone, run, &merge->is_rising);
    if (rows > 0) {
        *block = alone->columns;
        *first = alone->first;
        *count = rows;
        if (!cut_begun(alone, alone->first + rows))
            drop_begun(run, alone);
    } else {
        status = fill_window(run, window_end(run, run->next_row), err);
        if (status != HOLTER_OK)
            return status;
        *block = &run->window;
        *first = 0;
        *count = run->window.count;
        merge->is_rising = false;
    }
    find_next_row(run);
    return HOLTER_OK;
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
        return error_set(err, HOLTER_NO_MEMORY, "memtable: no memory for a run of rows");
    run->series = series;
    run->from = from;
    run->span = WINDOW_FIRST_NS;
    columns_init(&run->window, &series->schema);
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK && run->next < series->stretch_count && next_stretch(run) < from)
        status = begin_stretch(run, err);
    find_next_row(run);
    if (status == HOLTER_OK)
        *out = run;
    else
        memtable_run_close(run);
    return status;
}

void memtable_run_close(struct memtable_run *run)
{
    if (run == NULL)
        return;
    for (size_t i = 0; i < run->begun_count; i++)
        columns_give(run, run->begun[i].columns);
    for (size_t i = 0; i < run->spare_count; i++) {
        columns_release(run->spare[i]);
        free(run->spare[i]);
    }
    columns_release(&run->window);
    free(run->spare);
    free(run->begun);
    free(run);
}
