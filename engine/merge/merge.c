/*
 * merge.c -- sorted runs of one series in, the rows that stand out.
 *
 *     run 0  ──> | block |──┐
 *     run 1  ──> | block |──┼─> heap of heads ─> veil (tombstones) ─> out
 *     run 2  ──> | block |──┘
 *
 * The head of a run is its next row; the heap orders the heads by (time, key, place of the run). A
 * block is read once its head is the least, as far as the run tells its begin before that (next_begin):
 * so runs that follow each other in time are at hand one after another, not all at once.
 * From the least head on, three things may happen:
 *   skip     its rows are hidden, for as long as they are;
 *   stretch  its rows stand, being alone with their identities, up to the next head of another run:
 *            they are copied as one, or lent where they lie (merge_take);
 *   group    other rows follow with its identity, or the block ends and they may: these are looked
 *            at one by one, and the one that stands is copied.
 *
 * The sequence of a row is its own in an exact run, else the greatest of its run (M4). M1-M4 are
 * told in merge.h. Rows that begin before `from` take part until the end, as only the one that
 * stands of an identity can tell whether it lasts beyond `ends_after`.
 */
#include "merge_impl.h"

#include <stdlib.h>

/* A run, and its block at hand, of which [at, end) are still to come. */
struct head {
    int64_t time; /* of the next row; without a block: it begins then, or later */
    struct merge_run *run;
    const struct columns *block; /* NULL: the next one is not read yet */
    size_t at, end;
    size_t rising_end; /* each row of [at, rising_end) begins before the one after it */
    size_t place;      /* of the run in the spec */
    int64_t time_last; /* of the block */
};

struct merge {
    struct merge_spec spec;
    struct veil veil;
    size_t stretch;     /* of the veil, at the least head */
    struct head *heads; /* a heap, the least on top */
    size_t head_count;
    size_t lent;          /* rows from the least head on that were lent by the last call */
    struct columns saved; /* the row that stands so far, where its block had to go */
    bool is_started;
    bool is_waiting;      /* for take_whole to say other than MERGE_WAIT of what is at the top */
    holter_status failed; /* HOLTER_OK, or what ended the merge */
    uint64_t superseded;
    uint64_t hidden;
};

/* The row that stands so far in a group. */
struct standing {
    const struct columns *columns;
    size_t row;
    const struct merge_run *run; /* whose block it lies in; NULL once saved */
    int64_t revision;
    uint64_t sequence;
};

/* ---- heads ----------------------------------------------------------------------------------- */

static uint64_t sequence_of(const struct head *head, size_t row)
{
    return head->run->is_exact ? head->block->sequence[row] : head->run->sequence_max;
}

static bool is_before(const struct head *a, const struct head *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    if (a->block == NULL || b->block == NULL) /* what is not read comes first, to be read */
        return a->block == NULL && (b->block != NULL || a->place < b->place);
    int order = columns_compare(a->block, a->at, b->block, b->at);
    return order != 0 ? order < 0 : a->place < b->place;
}

static void sift_down(struct merge *merge, size_t at)
{
    struct head *heads = merge->heads;
    for (size_t child; (child = 2 * at + 1) < merge->head_count; at = child) {
        if (child + 1 < merge->head_count && is_before(&heads[child + 1], &heads[child]))
            child++;
        if (!is_before(&heads[child], &heads[at]))
            return;
        struct head swap = heads[at];
        heads[at] = heads[child];
        heads[child] = swap;
    }
}

/* The least head of the other runs; NULL where the top's run is the only one. */
static const struct head *second_head(const struct merge *merge)
{
    if (merge->head_count < 2)
        return NULL;
    if (merge->head_count == 2 || is_before(&merge->heads[1], &merge->heads[2]))
        return &merge->heads[1];
    return &merge->heads[2];
}

/* Where rows begin together, or out of order, `rising_end` stays at the first of them. */
static void find_rising(struct head *head)
{
    const int64_t *time = head->block->time;
    size_t last = head->end - 1;
    size_t row = head->at;
    if (head->run->is_rising)
        row = last;
    while (row < last && time[row] < time[row + 1])
        row++;
    head->rising_end = row;
}

/* HOLTER_DONE: the run has no more rows. */
static holter_status head_read(struct merge *merge, struct head *head, holter_error *err)
{
    for (;;) {
        const struct columns *block = NULL;
        size_t first = 0, count = 0;
        holter_status status = head->run->read(head->run, &block, &first, &count, err);
        if (status != HOLTER_OK)
            return status;
        core_assert(count > 0);
        core_assert(schema_is_equal(&block->schema, &merge->spec.schema));
        if (block->time[first] < head->time)
            return error_set(err, HOLTER_CORRUPT,
                             "a block begins at %lld ns, expected %lld ns or later",
                             (long long)block->time[first], (long long)head->time);
        head->block = block;
        head->at = first;
        head->end = first + count;
        head->time_last = block->time[head->end - 1];
        head->time = head->time_last;
        if (merge->spec.ends_after == INT64_MAX)
            head->at = columns_from(block, first, head->end, merge->spec.from);
        if (head->at < head->end)
            break;
    }
    head->time = head->block->time[head->at];
    find_rising(head);
    return HOLTER_OK;
}

/* Where the run goes on, as far as it is known: `least`, or later. */
static int64_t next_begin(const struct merge_run *run, int64_t least)
{
    int64_t begin = run->next_begin != NULL ? run->next_begin(run) : least;
    return begin > least ? begin : least;
}

/* Times at the top never fall, so the stretch only moves on. */
static const struct veil_stretch *veil_at(struct merge *merge, int64_t time)
{
    const struct veil *veil = &merge->veil;
    while (merge->stretch + 1 < veil->count && veil->at[merge->stretch + 1].begin <= time)
        merge->stretch++;
    return &veil->at[merge->stretch];
}

/* Whether all rows of a block at the top stand, and no other run has rows among them. */
static bool is_whole(struct merge *merge, const struct merge_ahead *ahead, uint64_t sequence)
{
    const struct merge_spec *spec = &merge->spec;
    const struct head *second = second_head(merge);
    if (ahead->first < spec->from || ahead->last >= spec->to || ahead->next <= ahead->last ||
        (second != NULL && second->time <= ahead->last))
        return false;
    const struct veil *veil = &merge->veil;
    const struct veil_stretch *stretch = veil_at(merge, ahead->first);
    bool is_over =
        merge->stretch + 1 < veil->count && veil->at[merge->stretch + 1].begin <= ahead->last;
    return !is_over && veil_is_clear(stretch, sequence);
}

/* What is to be done with what lies ahead of the top's run. *ahead, *all: what was taken. */
static holter_status look_ahead(struct merge *merge, struct head *top, enum merge_verdict *verdict,
                                struct merge_ahead *ahead, bool *all, holter_error *err)
{
    struct merge_run *run = top->run;
    const struct merge_spec *spec = &merge->spec;
    *verdict = MERGE_READ;
    for (int more = 1; more >= 0 && *verdict == MERGE_READ; more--) {
        *all = more != 0;
        holter_status status = run->peek(run, *all, ahead, err);
        if (status == HOLTER_NOT_FOUND)
            continue;
        if (status != HOLTER_OK)
            return status;
        if (ahead->first >= top->time && is_whole(merge, ahead, run->sequence_max))
            *verdict = spec->take_whole(spec->take_context, ahead);
    }
    return HOLTER_OK;
}

/* Pass over blocks at the top that are taken whole. HOLTER_DONE: its run has no more. */
static holter_status pass_whole(struct merge *merge, struct head *top, holter_error *err)
{
    struct merge_run *run = top->run;
    while (merge->spec.take_whole != NULL && run->peek != NULL && !run->is_exact) {
        struct merge_ahead ahead;
        enum merge_verdict verdict;
        bool all;
        holter_status status = look_ahead(merge, top, &verdict, &ahead, &all, err);
        if (status != HOLTER_OK)
            return status;
        if (verdict == MERGE_WAIT) {
            merge->is_waiting = true;
            top->time = ahead.first; /* before all other heads */
        }
        if (verdict != MERGE_TAKEN)
            break;
        run->pass(run, all);
        top->time_last = ahead.last;
        top->time = ahead.next;
    }
    return HOLTER_OK;
}

/*
 * Read at the top, until the least head has a block, or begins beyond what is asked for, or take_whole
 * says to wait.
 */
static holter_status settle(struct merge *merge, holter_error *err)
{
    struct head *top = &merge->heads[0];
    merge->is_waiting = false;
    while (merge->head_count > 0 && top->block == NULL && top->time < merge->spec.to) {
        int64_t time = top->time;
        holter_status status = pass_whole(merge, top, err);
        if (merge->is_waiting)
            return status;
        if (status == HOLTER_OK && top->time == time)
            status = head_read(merge, top, err);
        if (status == HOLTER_DONE)
            *top = merge->heads[--merge->head_count];
        else if (status != HOLTER_OK)
            return status;
        sift_down(merge, 0);
    }
    return HOLTER_OK;
}

/* Go to a later row of the top's run, or its next block, or drop the run; the heap is in order again. */
static holter_status advance(struct merge *merge, size_t rows, holter_error *err)
{
    struct head *top = &merge->heads[0];
    top->at += rows;
    if (top->at < top->end) {
        top->time = top->block->time[top->at];
        if (top->at > top->rising_end)
            find_rising(top);
    } else {
        top->block = NULL;
        top->time = next_begin(top->run, top->time_last);
        holter_status status = top->time == INT64_MAX ? head_read(merge, top, err) : HOLTER_OK;
        if (status == HOLTER_DONE)
            *top = merge->heads[--merge->head_count];
        else if (status != HOLTER_OK)
            return status;
    }
    sift_down(merge, 0);
    return settle(merge, err);
}

static holter_status start(struct merge *merge, holter_error *err)
{
    merge->is_started = true;
    for (size_t i = 0; i < merge->spec.run_count; i++) {
        struct merge_run *run = &merge->spec.runs[i];
        merge->heads[merge->head_count++] = (struct head){
            .run = run,
            .place = i,
            .time = next_begin(run, INT64_MIN),
        };
    }
    for (size_t i = merge->head_count / 2; i > 0; i--)
        sift_down(merge, i - 1);
    return settle(merge, err);
}

/* ---- the veil -------------------------------------------------------------------------------- */

/* Rows of the top's block that the stretch at hand covers: [at, the result). */
static size_t veil_end(const struct merge *merge, const struct head *top)
{
    int64_t to = merge->spec.to;
    if (merge->stretch + 1 < merge->veil.count && merge->veil.at[merge->stretch + 1].begin < to)
        to = merge->veil.at[merge->stretch + 1].begin;
    if (top->time_last < to)
        return top->end;
    return columns_from(top->block, top->at, top->end, to);
}

static bool row_is_hidden(const struct veil_stretch *veil, const struct head *head, size_t row)
{
    return veil_hides(veil, head->block->revision[row], sequence_of(head, row));
}

/* ---- skip, stretch, group -------------------------------------------------------------------- */

static size_t hidden_rows(const struct veil_stretch *veil, const struct head *top, size_t end)
{
    size_t row = top->at;
    while (row < end && row_is_hidden(veil, top, row))
        row++;
    return row - top->at;
}

/*
 * How many rows from the top on stand alone with their identities: in the block, before `end`, each
 * before the one after it and before the head of every other run. *is_sorted: the run is in order
 * so far.
 */
static size_t stretch_rows(const struct merge *merge, const struct veil_stretch *veil, size_t end,
                           bool *is_sorted)
{
    const struct head *top = &merge->heads[0];
    const struct head *second = second_head(merge);
    const struct columns *block = top->block;

    if (second != NULL)
        end = columns_from(block, top->at, end, second->time);
    if (end == top->end)
        end--; /* the one after the last row is not known yet */

    uint64_t sequence_min = top->run->is_exact ? 0 : top->run->sequence_max;
    bool is_clear = veil_is_clear(veil, sequence_min);
    size_t row = top->at;
    if (is_clear)
        row = end < top->rising_end ? end : top->rising_end;
    while (row < end && (is_clear || !row_is_hidden(veil, top, row))) {
        if (CORE_UNLIKELY(block->time[row] >= block->time[row + 1])) {
            int order = columns_compare(block, row, block, row + 1);
            *is_sorted = order <= 0;
            if (order >= 0)
                break;
        }
        row++;
    }
    return row - top->at;
}

/* Rows from `from` on stay, and earlier ones that last beyond `ends_after`. */
static bool is_asked_for(const struct merge *merge, const struct columns *columns, size_t row)
{
    return columns->time[row] >= merge->spec.from ||
           columns_end(columns, row) > merge->spec.ends_after;
}

static holter_status append_rows(struct columns *out, const struct columns *from, size_t first,
                                 size_t count, holter_error *err)
{
    if (!columns_append_rows(out, from, first, count))
        return error_set(err, HOLTER_NO_MEMORY, "merge: %zu rows", count);
    return HOLTER_OK;
}

/* Rows [first, end) of a block, without those that were not asked for. */
static holter_status append_stretch(const struct merge *merge, struct columns *out,
                                    const struct columns *block, size_t first, size_t end,
                                    holter_error *err)
{
    size_t from = columns_from(block, first, end, merge->spec.from);
    for (size_t row = first; row < from; row++) {
        if (columns_end(block, row) <= merge->spec.ends_after)
            continue;
        holter_status status = append_rows(out, block, row, 1, err);
        if (status != HOLTER_OK)
            return status;
    }
    return append_rows(out, block, from, end - from, err);
}

static struct standing standing_at(const struct head *head)
{
    return (struct standing){
        .columns = head->block,
        .row = head->at,
        .run = head->run,
        .revision = head->block->revision[head->at],
        .sequence = sequence_of(head, head->at),
    };
}

/* One row on; if the block that holds `best` has to go, the row is saved first. */
static holter_status advance_in_group(struct merge *merge, struct standing *best, holter_error *err)
{
    const struct head *top = &merge->heads[0];
    if (top->at + 1 == top->end && best->run == top->run) {
        columns_clear(&merge->saved);
        holter_status status = append_rows(&merge->saved, best->columns, best->row, 1, err);
        if (status != HOLTER_OK)
            return status;
        best->columns = &merge->saved;
        best->row = 0;
        best->run = NULL;
    }
    return advance(merge, 1, err);
}

/* The top is not hidden. All rows of its identity are consumed; the one that stands is appended. */
static holter_status append_group(struct merge *merge, struct columns *out,
                                  const struct veil_stretch *veil, holter_error *err)
{
    struct standing best = standing_at(&merge->heads[0]);
    for (;;) {
        holter_status status = advance_in_group(merge, &best, err);
        if (status != HOLTER_OK)
            return status;
        const struct head *top = &merge->heads[0];
        if (merge->head_count == 0 || top->block == NULL)
            break;
        int order = columns_compare(best.columns, best.row, top->block, top->at);
        if (order > 0)
            return error_set(err, HOLTER_CORRUPT, "rows at %lld ns are out of order",
                             (long long)top->time);
        if (order < 0)
            break;
        if (row_is_hidden(veil, top, top->at)) {
            merge->hidden++;
            continue;
        }
        merge->superseded++;
        struct standing next = standing_at(top);
        if (next.revision > best.revision ||
            (next.revision == best.revision && next.sequence >= best.sequence))
            best = next;
    }
    if (!is_asked_for(merge, best.columns, best.row))
        return HOLTER_OK;
    return append_rows(out, best.columns, best.row, 1, err);
}

/*
 * What the least head leads to: rows skipped, a stretch, or a group. HOLTER_DONE: no rows in the
 * range.
 */
static holter_status merge_step(struct merge *merge, struct columns *out, size_t rows_max,
                                holter_error *err)
{
    if (merge->head_count == 0 || merge->heads[0].time >= merge->spec.to)
        return HOLTER_DONE;

    const struct head *top = &merge->heads[0];
    const struct veil_stretch *veil = veil_at(merge, top->time);
    size_t end = veil_end(merge, top);
    size_t rows = hidden_rows(veil, top, end);
    if (rows > 0) {
        merge->hidden += rows;
        return advance(merge, rows, err);
    }
    if (end - top->at > rows_max)
        end = top->at + rows_max;
    bool is_sorted = true;
    rows = stretch_rows(merge, veil, end, &is_sorted);
    if (!is_sorted)
        return error_set(err, HOLTER_CORRUPT, "rows at %lld ns are out of order",
                         (long long)top->block->time[top->at + rows]);
    if (rows == 0)
        return append_group(merge, out, veil, err);

    holter_status status = append_stretch(merge, out, top->block, top->at, top->at + rows, err);
    return status == HOLTER_OK ? advance(merge, rows, err) : status;
}

/* ---- lending ----------------------------------------------------------------------------------
 *
 * A stretch is lent where it is worth a batch of its own. Its block's last row may go along where the
 * next block is known to begin later.
 */

enum { LENT_LEAST = 256 };

static bool is_last_known(const struct head *top)
{
    return top->run->next_begin != NULL && top->run->next_begin(top->run) > top->time_last;
}

/* How many rows from the top on may be lent; too few are none. */
static size_t lendable_rows(struct merge *merge, size_t rows_max)
{
    const struct head *top = &merge->heads[0];
    const struct head *second = second_head(merge);
    if (top->time < merge->spec.from || (second != NULL && second->time <= top->time))
        return 0;
    const struct veil_stretch *veil = veil_at(merge, top->time);
    if (!veil_is_clear(veil, top->run->is_exact ? 0 : top->run->sequence_max))
        return 0;
    size_t end = veil_end(merge, top);
    if (second != NULL && second->time <= top->time_last)
        end = columns_from(top->block, top->at, end, second->time);
    size_t known = top->rising_end;
    if (known + 1 == top->end && is_last_known(top))
        known++;
    end = end < known ? end : known;
    if (end - top->at < merge->spec.lent_least)
        return 0;
    return end - top->at < rows_max ? end - top->at : rows_max;
}

/* Steps, until rows can be lent or there are enough. */
static holter_status take(struct merge *merge, struct merge_rows *out, struct columns *own,
                          size_t rows_max, holter_error *err)
{
    holter_status status = merge->is_started ? HOLTER_OK : start(merge, err);
    if (status == HOLTER_OK && merge->lent > 0)
        status = advance(merge, merge->lent, err);
    else if (status == HOLTER_OK && merge->is_waiting)
        status = settle(merge, err);
    merge->lent = 0;
    while (status == HOLTER_OK && own->count < rows_max && !merge->is_waiting) {
        if (merge->head_count == 0 || merge->heads[0].time >= merge->spec.to) {
            status = HOLTER_DONE;
            break;
        }
        size_t lendable = lendable_rows(merge, rows_max);
        if (lendable > 0 && own->count > 0)
            break;
        if (lendable > 0) {
            merge->lent = lendable;
            *out = (struct merge_rows){ .columns = merge->heads[0].block,
                                        .first = merge->heads[0].at,
                                        .count = lendable };
            return HOLTER_OK;
        }
        status = merge_step(merge, own, rows_max - own->count, err);
    }
    if (own->count > 0 && (status == HOLTER_OK || status == HOLTER_DONE)) {
        *out = (struct merge_rows){ .columns = own, .count = own->count };
        return HOLTER_OK;
    }
    if (status == HOLTER_OK) /* waiting */
        *out = (struct merge_rows){ .next_begin = merge->heads[0].time };
    return status;
}

/* ---- entry points ---------------------------------------------------------------------------- */

holter_status merge_new(struct merge **out, const struct merge_spec *spec, holter_error *err)
{
    *out = NULL;
    holter_status status = HOLTER_NO_MEMORY;
    struct merge *merge = core_calloc(1, sizeof *merge);
    if (merge == NULL)
        goto done;
    merge->spec = *spec;
    if (spec->schema.kind == SAMPLE_INSTANT && spec->ends_after >= spec->from)
        merge->spec.ends_after = INT64_MAX; /* an instant before `from` ends before it, too */
    if (spec->lent_least == 0)
        merge->spec.lent_least = LENT_LEAST;
    columns_init(&merge->saved, &spec->schema);
    merge->heads = core_calloc(spec->run_count, sizeof *merge->heads);
    if (merge->heads == NULL)
        goto done;
    int64_t from = merge->spec.ends_after == INT64_MAX ? spec->from : INT64_MIN;
    status = veil_init(&merge->veil, spec->tombstones, spec->metric, spec->source, from, spec->to);
    if (status != HOLTER_OK)
        goto done;

    *out = merge;
    merge = NULL;
done:
    merge_free(merge);
    return status == HOLTER_OK ? status
                               : error_set(err, status, "merge of %zu runs", spec->run_count);
}

void merge_free(struct merge *merge)
{
    if (merge == NULL)
        return;
    veil_release(&merge->veil);
    columns_release(&merge->saved);
    free(merge->heads);
    free(merge);
}

holter_status merge_next(struct merge *merge, struct columns *out, size_t rows_max,
                         holter_error *err)
{
    if (merge->failed != HOLTER_OK)
        return error_set(err, merge->failed, "the merge has failed before");
    core_assert(merge->lent == 0);

    size_t count = out->count, text_bytes = out->text.bytes;
    holter_status status = merge->is_started ? HOLTER_OK : start(merge, err);
    while (status == HOLTER_OK && out->count - count < rows_max) {
        core_assert(!merge->is_waiting);
        status = merge_step(merge, out, rows_max - (out->count - count), err);
    }

    if (status == HOLTER_DONE)
        return out->count > count ? HOLTER_OK : HOLTER_DONE;
    if (status != HOLTER_OK) {
        merge->failed = status;
        columns_truncate(out, count, text_bytes);
    }
    return status;
}

holter_status merge_take(struct merge *merge, struct merge_rows *out, struct columns *own,
                         size_t rows_max, holter_error *err)
{
    if (merge->failed != HOLTER_OK)
        return error_set(err, merge->failed, "the merge has failed before");
    columns_clear(own);
    holter_status status = take(merge, out, own, rows_max, err);
    if (status != HOLTER_OK && status != HOLTER_DONE)
        merge->failed = status;
    return status;
}

void merge_counts(const struct merge *merge, uint64_t *superseded, uint64_t *hidden)
{
    *superseded = merge->superseded;
    *hidden = merge->hidden;
}
