/*
 * merge_veil.c -- from many overlapping tombstones to one line of stretches.
 *
 * A sweep over the begins and ends, in order of time. Those that have begun wait in one of two
 * heaps, strongest on top; one that has ended stays there until it comes to the top. So thousands
 * of nightly replaced ranges cost a sort, once for each merge, and nothing for each row.
 */
#include "merge_impl.h"

#include <stdlib.h>

struct heap {
    const struct tombstone **at;
    size_t count;
};

/* Those without a revision have revision 0, all of them, so one order serves both heaps. */
static bool is_stronger(const struct tombstone *a, const struct tombstone *b)
{
    if (a->revision != b->revision)
        return a->revision > b->revision;
    return a->sequence > b->sequence;
}

static void heap_swap(struct heap *heap, size_t a, size_t b)
{
    const struct tombstone *swap = heap->at[a];
    heap->at[a] = heap->at[b];
    heap->at[b] = swap;
}

static void heap_push(struct heap *heap, const struct tombstone *tombstone)
{
    size_t at = heap->count++;
    heap->at[at] = tombstone;
    while (at > 0 && is_stronger(heap->at[at], heap->at[(at - 1) / 2])) {
        heap_swap(heap, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void heap_pop(struct heap *heap)
{
    heap->at[0] = heap->at[--heap->count];
    for (size_t at = 0, child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && is_stronger(heap->at[child + 1], heap->at[child]))
            child++;
        if (!is_stronger(heap->at[child], heap->at[at]))
            return;
        heap_swap(heap, at, child);
    }
}

/* The strongest that has not ended at `time`; NULL where there is none. */
static const struct tombstone *heap_top(struct heap *heap, int64_t time)
{
    while (heap->count > 0 && heap->at[0]->end <= time)
        heap_pop(heap);
    return heap->count > 0 ? heap->at[0] : NULL;
}

static int compare_begins(const void *a, const void *b)
{
    const struct tombstone *const *left = a, *const *right = b;
    return ((*left)->begin > (*right)->begin) - ((*left)->begin < (*right)->begin);
}

static int compare_times(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void add_stretch(struct veil *veil, struct veil_stretch stretch)
{
    const struct veil_stretch *last = &veil->at[veil->count - 1];
    if (last->sequence == stretch.sequence && last->revision == stretch.revision &&
        last->revision_sequence == stretch.revision_sequence)
        return;
    veil->at[veil->count++] = stretch;
}

/* `chosen` rising by begin; `times` their begins and ends, rising; the heaps have room for all. */
static void sweep(struct veil *veil, const struct tombstone *const *chosen, size_t chosen_count,
                  const int64_t *times, struct heap *plain, struct heap *revised)
{
    size_t begun = 0;
    for (size_t i = 0; i < 2 * chosen_count; i++) {
        if (i > 0 && times[i] == times[i - 1])
            continue;
        while (begun < chosen_count && chosen[begun]->begin <= times[i]) {
            heap_push(chosen[begun]->revision == 0 ? plain : revised, chosen[begun]);
            begun++;
        }
        const struct tombstone *top_plain = heap_top(plain, times[i]);
        const struct tombstone *top_revised = heap_top(revised, times[i]);
        add_stretch(veil, (struct veil_stretch){
                              .begin = times[i],
                              .sequence = top_plain != NULL ? top_plain->sequence : 0,
                              .revision = top_revised != NULL ? top_revised->revision : INT64_MIN,
                              .revision_sequence = top_revised != NULL ? top_revised->sequence : 0,
                          });
    }
}

static bool is_chosen(const struct tombstone *t, uint32_t metric, uint32_t source, int64_t from,
                      int64_t to)
{
    return tombstone_applies(t, metric, source) && t->begin < to && t->end > from;
}

holter_status veil_init(struct veil *out, const struct tombstones *tombstones, uint32_t metric,
                        uint32_t source, int64_t from, int64_t to)
{
    size_t chosen_count = 0;
    for (size_t i = 0; tombstones != NULL && i < tombstones->count; i++)
        chosen_count += is_chosen(&tombstones->at[i], metric, source, from, to);

    const struct tombstone **places = core_calloc(chosen_count, 3 * sizeof *places);
    int64_t *times = core_calloc(chosen_count, 2 * sizeof *times);
    struct veil veil = { .at = core_calloc(2 * chosen_count + 1, sizeof *veil.at) };
    holter_status status = HOLTER_NO_MEMORY;
    if (places == NULL || times == NULL || veil.at == NULL)
        goto done;

    veil.at[veil.count++] = (struct veil_stretch){ .begin = INT64_MIN, .revision = INT64_MIN };
    size_t filled = 0;
    for (size_t i = 0; filled < chosen_count; i++) {
        const struct tombstone *t = &tombstones->at[i];
        if (!is_chosen(t, metric, source, from, to))
            continue;
        places[filled] = t;
        times[2 * filled] = t->begin;
        times[2 * filled + 1] = t->end;
        filled++;
    }
    if (chosen_count > 0) {
        struct heap plain = { .at = places + chosen_count };
        struct heap revised = { .at = places + 2 * chosen_count };
        qsort(places, chosen_count, sizeof *places, compare_begins);
        qsort(times, 2 * chosen_count, sizeof *times, compare_times);
        sweep(&veil, places, chosen_count, times, &plain, &revised);
    }

    *out = veil;
    veil.at = NULL;
    status = HOLTER_OK;
done:
    free(places);
    free(times);
    free(veil.at);
    return status;
}

void veil_release(struct veil *veil)
{
    free(veil->at);
    *veil = (struct veil){ 0 };
}
