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
 *       span (rows of lower sequence that begin in it, in another file than those merged); one with
 *       a revision is kept, coalesced.
 *   C5  A flush writes at most one hot segment per tier class; splitting by partition is done here.
 *   C6  A tombstone lies in the partition in which its span begins, as an interval sample does.
 *
 * A step is one job and one manifest edit; the caller repeats it until there is nothing to do.
 * Memory is bounded by the directory of the inputs and a few blocks per input. Needs core, io,
 * codec, crypto, merge, segment, manifest. Threads: the holder of the maintenance lock.
 */
#ifndef COMPACTION_COMPACTION_H
#define COMPACTION_COMPACTION_H

#include "manifest/manifest.h"
#include "segment/segment.h"

#define COMPACTION_PARTITION_NS (INT64_C(7) * 86400 * 1000000000)
#define COMPACTION_HOT_NS (INT64_C(2) * 86400 * 1000000000)

/** The partition a time lies in. */
int64_t compaction_partition(int64_t time_ns);

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
    int64_t
        now_ns; /* a hot file is due when all partitions that its rows lie in ended COMPACTION_HOT_NS
                                    ago (a file of tombstones: that of its least begin) */
    bool everything; /* hot files are due at once, and partitions are merged to one file each */
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
};

/**
 * One job, if one is due: the oldest due hot files of a class, split by partition (with the newest
 * warm file of a partition where that is small and adjacent); else adjacent warm files of a
 * partition, when that pays: at least 4 of similar size, or `everything`.
 * Errors   HOLTER_CORRUPT an input; HOLTER_NO_SPACE, HOLTER_IO; nothing changes then but files a
 *          sweep removes.
 */
holter_status compaction_step(struct compaction_result *result, const struct compaction_spec *spec,
                              holter_error *err);

#endif
