/*
 * compaction.h -- the door of compaction: segments in; segments and a manifest edit out.
 *
 * Promise: what a query answers is the same before and after a job, and after a kill at any step of
 * it.
 *
 *   C1, C2  manifest.h.
 *   C3  A merge applies every tombstone of its version (of any live file of the class, whatever its
 *       partition) that hides a row by M2; what the log holds later is not applied.
 *   C4  A tombstone without a revision is dropped when no live file holds anything older in its
 *       span (rows of lower sequence that begin in it, in another file of the class than those
 *       merged, of whatever tier); one with
 *       a revision is kept, coalesced.
 *   C5  A flush writes at most one hot segment per tier class; splitting by partition is done here.
 *   C6  A tombstone lies in the partition in which its span begins, as an interval sample does.
 *   C7  A row goes from hot to warm to cold and never back; a cold partition that is due, or was
 *       asked for, ends as one file, but for what came late and does not pay yet.
 *
 * A step is one job and one manifest edit; the caller repeats it until there is nothing to do.
 * Memory is bounded by the directory of the inputs and a few blocks per input. Needs core, io,
 * codec, crypto, merge, segment, manifest. Threads: the holder of the maintenance lock.
 */
#ifndef COMPACTION_COMPACTION_H
#define COMPACTION_COMPACTION_H

#include "manifest/manifest.h"
#include "segment/segment.h"

/** How long a partition has been over when its files leave a tier. */
#define COMPACTION_HOT_NS (INT64_C(2) * 86400 * 1000000000)
#define COMPACTION_WARM_NS (INT64_C(90) * 86400 * 1000000000)

/** How to get and give back a user's key. */
struct compaction_keys {
    /**
     * HOLTER_EXPIRED: the user is erased; the section is left out, as erased. HOLTER_NOT_FOUND,
     * DENIED ..: the job fails. *generation: the user's newest, under which the output is sealed;
     * *newest its key; *key that of `stored`.
     */
    holter_status (*get)(void *context, uint64_t user, uint32_t stored,
                         const struct crypto_key **key, uint32_t *generation,
                         const struct crypto_key **newest, holter_error *err);
    void (*put)(void *context, const struct crypto_key *key, const struct crypto_key *newest);
    void *context;
};

struct compaction_spec {
    struct segment_spec segment;
    const struct manifest_version
        *version; /* the current one; the caller keeps it and the maintenance lock */
    /**
     * Make the edit durable and published: manifest_commit, under the lock that guards the
     * manifest.
     */
    holter_status (*commit)(void *context, const struct manifest_edit *edit, holter_error *err);
    void *commit_context;
    struct crypto_arena *arena;
    struct compaction_keys keys;
    /**
     * A hot file is due when all warm partitions that its rows lie in ended COMPACTION_HOT_NS ago (a
     * file of tombstones: that of its least begin), a cold partition COMPACTION_WARM_NS after its
     * end.
     */
    int64_t now_ns;
    /**
     * 0: what is due. TIER_WARM, TIER_COLD: everything, at once, one file a partition of that tier;
     * what is cold stays cold.
     */
    enum manifest_tier to;
    /**
     * After each user of a job, and before its edit; false: give the job up (HOLTER_BUSY). May be
     * NULL.
     */
    bool (*go_on)(void *context, uint64_t rows_done, uint64_t rows_all);
    void *go_on_context;
};

struct compaction_result {
    bool did_work;
    uint64_t jobs; /* 1 where work was done; for sums */
    uint64_t files_in, files_out;
    uint64_t rows_in, rows_out;
    uint64_t tombstones_in, tombstones_out;
    uint64_t bytes_out, block_bytes, rollup_bytes; /* of the files out, as in segment_summary */
};

/**
 * One job, if one is due, of a class: its oldest due hot files, split by warm partition (with the
 * newest warm file of a partition where that is small and adjacent); else the files of a due cold
 * partition, when that pays: there is no cold one yet, or the others come to a quarter of the
 * largest; else adjacent warm files of a partition, at least 4 of similar size.
 * Errors   HOLTER_CORRUPT an input; HOLTER_NO_SPACE, HOLTER_IO; nothing changes then but files a
 *          sweep removes.
 */
holter_status compaction_step(struct compaction_result *result, const struct compaction_spec *spec,
                              holter_error *err);

#endif
