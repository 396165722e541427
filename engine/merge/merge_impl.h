/*
 * merge_impl.h -- what the files of merge share: the veil that tombstones lay over a series.
 *
 * Whatever number of tombstones lie over an instant, M2 asks two questions of a row that begins
 * there: is its sequence below the greatest sequence among those without a revision, and is its
 * (revision, sequence) below the greatest (revision, sequence) among those with one. So the
 * tombstones of a series are one line of stretches, each with two thresholds, and a merge walks
 * along it.
 */
#ifndef MERGE_IMPL_H
#define MERGE_IMPL_H

#include "merge.h"

/** From `begin` to the begin of the next stretch. */
struct veil_stretch {
    int64_t begin;
    uint64_t sequence;          /* rows of a lower sequence are hidden; 0: none */
    int64_t revision;           /* rows of a lower (revision, sequence) are hidden; .. */
    uint64_t revision_sequence; /* .. (INT64_MIN, 0): none */
};

struct veil {
    struct veil_stretch *at; /* rising; the first begins at INT64_MIN; neighbours differ */
    size_t count;
};

/**
 * The veil of those tombstones that apply to a series and overlap [from, to). `tombstones` may be
 * NULL. *out: veil_release. Errors: HOLTER_NO_MEMORY.
 * Cost: n log n.
 */
holter_status veil_init(struct veil *out, const struct tombstones *tombstones, uint32_t metric,
                        uint32_t source, int64_t from, int64_t to);
void veil_release(struct veil *veil);

static inline bool veil_hides(const struct veil_stretch *stretch, int64_t revision,
                              uint64_t sequence)
{
    if (sequence < stretch->sequence || revision < stretch->revision)
        return true;
    return revision == stretch->revision && sequence < stretch->revision_sequence;
}

/** No row whatever its revision, of a sequence from `sequence_min` on, is hidden. */
static inline bool veil_is_clear(const struct veil_stretch *stretch, uint64_t sequence_min)
{
    return sequence_min >= stretch->sequence && stretch->revision == INT64_MIN &&
           sequence_min >= stretch->revision_sequence;
}

#endif
