/*
 * compaction_impl.h -- what the files of compaction share: partitions, the choice of a job, the job
 * itself.
 *
 *     compaction.c             one step: plan, job, edit
 *     compaction_plan.c        which files a job takes; looks at a version only
 *     compaction_partitions.c  which partitions the hot files of a job hit
 *     compaction_job.c         the job: inputs to outputs, pass by pass
 *     compaction_user.c        one user in one pass
 *     compaction_veil.c        tombstones: all that hide (C3), those that are still needed (C4)
 */
#ifndef COMPACTION_COMPACTION_IMPL_H
#define COMPACTION_COMPACTION_IMPL_H

#include "compaction/compaction.h"

enum {
    COMPACTION_HOT_FILES_MAX = 16,     /* of a job that splits */
    COMPACTION_WARM_FILES_MIN = 4,     /* of a merge to a warm file that pays .. */
    COMPACTION_WARM_RATIO_MAX = 4,     /* .. the largest to the smallest of them */
    COMPACTION_COLD_RATIO = 4,         /* a cold file to what makes its merge pay */
    COMPACTION_FILES_MAX = 32,         /* of a merge */
    COMPACTION_OUTPUTS_AT_ONCE = 16,   /* written in one pass over the inputs */
    COMPACTION_OPEN_MAX = 32,          /* files beside the inputs, kept open for their tombstones */
    COMPACTION_SMALL_BYTES = 64 << 10, /* files up to this count as equally small */
    COMPACTION_ROWS = 4096,            /* of a batch on its way */
};

/* ---- partitions of a split ------------------------------------------------------------------- */

/** A warm partition that a hot file hits, by a row's begin or a tombstone's. */
struct compaction_hit {
    int64_t partition;
    uint64_t rows;  /* about */
    uint64_t users; /* not more */
    uint64_t visit; /* the last one that hit it */
};

struct compaction_hits {
    struct compaction_hit *at; /* by rising partition, each once */
    size_t count;
    size_t capacity;
    uint64_t visit; /* from 1 on: of one user in a file, or of a file .. */
    uint64_t users; /* .. with so many */
};

void compaction_hits_release(struct compaction_hits *hits);
/** Errors: HOLTER_NO_MEMORY. */
holter_status compaction_hits_add(struct compaction_hits *hits, int64_t partition, uint64_t rows,
                                  holter_error *err);

/* ---- plans ----------------------------------------------------------------------------------- */

/** The files of one job: of one class, rising by sequence_min, none left out between them (C2). */
struct compaction_plan {
    uint8_t class;
    bool is_split;           /* hot files; else warm and cold ones of `partition` */
    enum manifest_tier tier; /* of the outputs */
    int64_t partition;       /* of that tier */
    const struct manifest_file *files[COMPACTION_FILES_MAX]; /* borrowed from the version */
    size_t count;                                            /* 0: nothing is due */
};

/** The job that is due, by now_ns and to as in compaction_spec. No reads; a walk over the version's
    files for each of them at most. */
struct compaction_plan compaction_plan_find(const struct manifest_version *version, int64_t now_ns,
                                            enum manifest_tier to);
/**
 * The warm file of a partition that a split takes in: the newest below the plan's files, adjacent
 * to them, and no larger than `share`, the bytes that the split brings to the partition, or small
 * anyway. NULL: none.
 */
const struct manifest_file *compaction_plan_neighbour(const struct manifest_version *version,
                                                      const struct compaction_plan *plan,
                                                      int64_t partition, uint64_t share);

/* ---- jobs ------------------------------------------------------------------------------------ */

/** A user's keys, from spec.keys.get to put. */
struct compaction_key {
    const struct crypto_key *key; /* of the stored section */
    const struct crypto_key *newest;
    uint32_t generation; /* of `newest` */
    bool is_held;
};

/** A file that is read row by row. */
struct compaction_input {
    const struct manifest_file *file;
    size_t live;             /* its place in job->live */
    size_t output;           /* where all its rows go; SIZE_MAX: of a hot file, to many */
    struct segment *segment; /* open during the passes that it takes part in, else NULL */
    uint64_t next;           /* the index, in the segment, of the user after `user` */
    bool has_user;
    struct segment_user user;        /* the next one to come */
    struct segment_section *section; /* the user's at hand; NULL: none here */
    size_t series;                   /* the next one of the section */
    struct segment_run *run;         /* of the series at hand */
    struct compaction_key key;
};

/** A file to be, of one partition. */
struct compaction_output {
    int64_t partition;
    int64_t from, to; /* its times */
    uint64_t sequence_min, sequence_max;
    uint64_t users_hit; /* by files that are split; not more */
    struct segment_writer
        *writer;               /* NULL until the first row or tombstone comes, and when finished */
    uint64_t user;             /* of the section begun last */
    struct compaction_key key; /* which the writer borrows */
    bool has_series;           /* the series at hand was begun here */
    struct tombstones tombstones; /* of the user at hand */
    bool is_finished;             /* `summary` is set, the file is there */
    struct segment_summary summary;
};

/** A live file of the class, for what others need to know of it. */
struct compaction_live {
    const struct manifest_file *file;
    bool is_input;
    bool is_at_hand;         /* an input that takes part in the pass */
    struct segment *segment; /* NULL: not open */
};

struct compaction_job {
    const struct compaction_spec *spec;
    const struct manifest_version *version;
    uint8_t class;
    enum manifest_tier tier; /* of the outputs */
    struct io_queue *queue;
    struct compaction_input
        *inputs; /* by rising sequence those of the plan, then the warm ones taken in */
    size_t input_count;
    struct compaction_output *outputs; /* by rising partition */
    size_t output_count;
    struct compaction_live *live;
    size_t live_count;
    size_t live_open;  /* how many of `live` are open .. */
    size_t live_evict; /* .. and where to look for one to close */

    /* The pass at hand: outputs [first, end), which is the times [from, to). */
    size_t first, end;
    int64_t from, to;
    uint64_t users_max; /* of its inputs together; 0: they are too many to be counted */

    /* The user at hand. */
    struct tombstones tombstones; /* all that may hide a row of the pass (C3) */
    struct merge_run *runs;       /* input_count of them */

    uint64_t rows_all;  /* of the inputs, as the manifest tells */
    uint64_t rows_seen; /* of the inputs' series, as they were opened */
    uint64_t rows_done; /* of these: written, superseded or hidden */
    bool met_erased;
};

/**
 * The user's keys for a section stored under a generation. HOLTER_EXPIRED (without a sentence):
 * erased.
 */
holter_status compaction_key_get(struct compaction_key *out, struct compaction_job *job,
                                 uint64_t user, uint32_t stored, holter_error *err);
void compaction_key_put(struct compaction_job *job, struct compaction_key *key);
/** Ask whether to go on. Errors: HOLTER_BUSY. */
holter_status compaction_go_on(const struct compaction_job *job, holter_error *err);
holter_status compaction_segment_open(struct segment **out, const struct compaction_job *job,
                                      const struct manifest_file *file, holter_error *err);

/** HOLTER_CORRUPT: a file is not what is told of it elsewhere; `found` says how. */
holter_status compaction_misfit(const struct compaction_job *job, const struct manifest_file *file,
                                const char *found, holter_error *err);
holter_status compaction_no_memory(holter_error *err);

/**
 * Write the user's tombstones and rows of the pass at hand, from the inputs that come to the user.
 * Errors   HOLTER_EXPIRED (without a sentence) the user is erased; what a writer has of it was
 *          sealed under a key that is gone.
 */
holter_status compaction_user_write(struct compaction_job *job, uint64_t user, holter_error *err);
/** Close what an input has open of the user at hand. */
void compaction_user_close(struct compaction_input *input, struct compaction_job *job);

/**
 * Add the partitions that a hot file hits. Cost: block headers, and the blocks that straddle three
 * partitions.
 */
holter_status compaction_hits_of_file(struct compaction_hits *hits, struct compaction_job *job,
                                      struct segment *segment, const struct manifest_file *file,
                                      holter_error *err);

/**
 * Add to job->tombstones those of a user in the live files that are not at hand in this pass (C3).
 */
holter_status compaction_veil_gather(struct compaction_job *job, uint64_t user, holter_error *err);
/**
 * Drop from `tombstones` of a user those that nothing older needs (C4), and coalesce what stays.
 */
holter_status compaction_veil_drop(struct compaction_job *job, uint64_t user,
                                   struct tombstones *tombstones, holter_error *err);

/**
 * Set up inputs and outputs for a plan. *job is zeroed but for spec, version;
 * compaction_job_release in any case.
 */
holter_status compaction_job_init(struct compaction_job *job, const struct compaction_plan *plan,
                                  holter_error *err);
/** Write and finish all outputs. */
holter_status compaction_job_run(struct compaction_job *job, holter_error *err);
/**
 * Take the outputs in and the inputs out. On failure the outputs may be named by a torn edit: leave
 * them be.
 */
holter_status compaction_job_commit(struct compaction_job *job, struct compaction_result *result,
                                    holter_error *err);
/** Unlink outputs, as far as it goes: only before compaction_job_commit. */
void compaction_job_unlink(struct compaction_job *job);
void compaction_job_release(struct compaction_job *job);

#endif
