/*
 * crash.h -- what the crash explorer and the faults test share: a machine, actors on it, a ledger
 * of promises.
 *
 *     workload ──acts──> actor (a process with a store open) ──> simulated disk
 *         │                                                          │ cut, torn, killed, failed
 *         └──> ledger: what was tried, what was answered             v
 *                      what a reader saw ──compare── a new process that opens what is left
 *
 * L1  A part (one user's share of a commit) that was acknowledged, or that a reader saw, is there
 *     for ever after.
 * L2  What is there was tried. A part is there whole or not at all: a user's rows are exactly those
 *     of some subset of his parts, applied in the order in which they were tried.
 * L3  Facts (users, sources, metrics, labels, regions) keep L1 and L2 likewise.
 * L4  Each user is written by one actor at a time, so that the order of tries is the order of
 *     sequences.
 *
 * A world is plain memory apart from machine and actors, so that it is copied by assignment.
 * Everything follows from seeds. The first violation of a world is kept in `trouble`; acts upon a
 * dead process do nothing.
 */
#ifndef TESTS_CRASH_CRASH_H
#define TESTS_CRASH_CRASH_H

#include "io/io_sim.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LEDGER_USERS_MAX = 20,
    LEDGER_PARTS_MAX = 160,
    LEDGER_ROWS_MAX = 2400,
    LEDGER_CUTS_MAX = 48,
    LEDGER_FACTS_MAX = 64,
    ACTORS_MAX = 4,
    OPEN_PARTS_MAX = 12, /* of one user that may or may not be there */
};

#define CRASH_STORE "store"

/* Metrics that workloads write: one of each kind of value. */
enum metric_index {
    M_HEART,
    M_STEPS,
    M_PRESSURE,
    M_WEIGHT,
    M_STAGE,
    M_NOTE,
    M_DOSE,
    M_OWN,
    METRICS
};

struct ledger_row {
    int64_t time_ns;
    int64_t value; /* all fields follow from it */
    int64_t revision;
    uint8_t metric; /* enum metric_index */
    uint8_t source; /* number within the user */
};

/* A deleted or replaced range. */
struct ledger_cut {
    int64_t begin_ns, end_ns;
    int64_t revision;
    int8_t metric;  /* enum metric_index; -1: every metric */
    uint8_t source; /* 0: every source */
};

enum ledger_state {
    LEDGER_TRIED = 1,        /* may be there */
    LEDGER_ACKNOWLEDGED = 2, /* must be */
    LEDGER_SEEN = 3,         /* must be: a reader saw it */
};

struct ledger_part {
    uint8_t user; /* index */
    uint8_t state;
    uint16_t row_first, row_count;
    uint16_t cut_first, cut_count;
};

enum fact_kind { FACT_USER = 1, FACT_SOURCE, FACT_METRIC, FACT_LABEL, FACT_REGION, FACT_FIRMWARE };

/* Something small and durable, of which the store has a number. */
struct ledger_fact {
    uint8_t kind;
    uint8_t state;
    uint8_t user;    /* FACT_SOURCE, FACT_FIRMWARE */
    uint8_t serial;  /* its name follows */
    uint64_t number; /* once known */
};

struct ledger {
    struct ledger_fact facts[LEDGER_FACTS_MAX];
    struct ledger_part parts[LEDGER_PARTS_MAX];
    struct ledger_row rows[LEDGER_ROWS_MAX];
    struct ledger_cut cuts[LEDGER_CUTS_MAX];
    uint16_t fact_count, part_count, row_count, cut_count;
    uint8_t user_fact[LEDGER_USERS_MAX]; /* the user's fact, by index */
    uint8_t user_count;
    uint8_t sources[LEDGER_USERS_MAX]; /* tried so far */
    uint8_t store;                     /* enum ledger_state; 0: nobody tried to make it */
};

struct world;

/* What a snapshot must and may show. */
struct ledger_view {
    bool parts[LEDGER_PARTS_MAX]; /* acknowledged or seen by then: must be there */
    bool facts[LEDGER_FACTS_MAX];
    size_t fact_count;
    size_t part_end; /* what was tried by the time it was open: may be there */
};

/* A process, and the store that it has open. */
struct actor {
    struct world *world;
    struct io *io;
    holter_store *store;
    holter_batch *batch;
    bool is_reader;
    uint16_t part_first, part_count; /* of the batch, in the ledger */
    holter_snapshot *pinned;
    struct ledger_view pinned_view;
    bool pinned_is_read;
    uint64_t pinned_hash[LEDGER_USERS_MAX]; /* once it was read */
};

struct world {
    struct sim *sim;
    struct ledger ledger;
    struct actor actors[ACTORS_MAX];
    uint64_t serial;      /* makes values differ */
    bool faults_allowed;  /* a status that is not OK is no violation by itself */
    bool corrupt_allowed; /* with faults_allowed: also HOLTER_CORRUPT */
    bool is_verbose;
    bool has_trouble;
    char trouble[700];
};

/* ---- crash_world.c: acts. Each returns whether it was done; false: the process is dead, or trouble, or a fault  */

void world_trouble(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** A store whose first users, one for each shard, are in different ones and have a source each. */
void world_setup(struct world *world, uint64_t seed, uint32_t shards);
/** Ledger and machine of `from`, no actors. */
void world_copy(struct world *out, const struct world *from, uint64_t seed);
/** Closes all actors' handles; the machine stays. */
void world_close(struct world *world);
void world_free(struct world *world);

/** A process, without a store yet. */
struct actor *actor_new(struct world *world, size_t index, bool is_reader);
/** It opens the store. */
void actor_start(struct actor *actor);
struct actor *actor_open(struct world *world, size_t index, bool is_reader); /* both */
/** A new process makes the store and opens it. */
struct actor *actor_create(struct world *world, size_t index, uint32_t shards);
/** Each in a fiber of its own, until all have ended. */
void actors_run_together(struct world *world, void (*const *bodies)(void *actor), size_t count);
void actor_close(struct actor *actor);
bool actor_is_alive(const struct actor *actor);

bool act_user(struct actor *actor, unsigned region); /* the serial of one, 0: the first */
bool act_source(struct actor *actor, size_t user);
bool act_firmware(struct actor *actor, size_t user, unsigned version);
bool act_metric(struct actor *actor, unsigned serial);
bool act_label(struct actor *actor, unsigned serial);
bool act_region(struct actor *actor, unsigned serial);

/**
 * A batch: begin; for each user in turn: part, then rows and cuts; commit. Until commit nothing but
 * the ledger is touched, so that no other fiber comes between.
 */
bool batch_begin(struct actor *actor);
void batch_part(struct actor *actor, size_t user);
void batch_row(struct actor *actor, enum metric_index metric, size_t source, int64_t time_ns,
               int64_t revision);
void batch_cut(struct actor *actor, int metric, size_t source, int64_t begin_ns, int64_t end_ns,
               int64_t revision);
bool batch_commit(struct actor *actor);
/** Commit again what a failure left. */
bool batch_again(struct actor *actor);
/** One user, `count` rows of a metric from `time_ns` on, a minute apart: begin to commit. */
bool act_rows(struct actor *actor, size_t user, enum metric_index metric, int64_t time_ns,
              size_t count);

bool act_flush(struct actor *actor);
bool act_compact(struct actor *actor, holter_tier to);
/** Read everything, compare with the ledger, note what was seen. */
bool act_read(struct actor *actor);
/** Open a snapshot, and read nothing yet. */
bool act_pin(struct actor *actor);
/** The pinned snapshot shows what it must, and what it did before. */
bool act_read_pinned(struct actor *actor);
bool act_unpin(struct actor *actor);
bool act_verify(struct actor *actor);

int64_t week_ns(int week); /* the beginning of a partition of 7 days */
int64_t minute_ns(int64_t minutes);

/* ---- crash_ledger.c -------------------------------------------------------------------------- */

uint64_t mix64(uint64_t a, uint64_t b);
size_t ledger_fact_add(struct ledger *ledger, enum fact_kind kind, size_t user, size_t serial);
size_t ledger_part_add(struct ledger *ledger, size_t user);
/** States alone: with an image's hash it tells whether there is anything new to check. */
uint64_t ledger_digest(const struct ledger *ledger);
/** One row as it comes out. */
uint64_t ledger_row_hash(const struct ledger_row *row);
/**
 * Find a subset of the user's parts [0, part_end) whose rows have `hash` in order: those of `must`
 * and any of the others. Notes the parts as seen (of several subsets that fit: what all have).
 * False: there is none.
 */
bool ledger_explain(struct ledger *ledger, size_t user, size_t part_end, const bool *must,
                    uint64_t hash);
/** The rows that stand if exactly the parts that must be there are; for messages. */
void ledger_print(const struct ledger *ledger, size_t user);
/** The hash that no rows have. */
uint64_t ledger_empty_hash(void);

/* ---- crash_workloads.c ----------------------------------------------------------------------- */

struct workload {
    const char *name;
    const char *what;
    void (*prepare)(struct world *world); /* upon world_setup; not cut */
    void (*run)(struct world *world);
    uint32_t shards;       /* 0: two */
    bool is_without_store; /* begins on an empty disk */
    bool has_fibers;
};

extern const struct workload workloads[];
extern const size_t workload_count;

/** The world that the workload's run begins with. */
void world_prepare(struct world *out, const struct workload *workload, uint64_t seed);
/** What follows a crash: a reader, then a writer that checks everything and goes on. */
void recovery_session(struct world *world);

#endif
