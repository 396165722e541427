/*
 * io_sim.h -- the simulated machine: one disk in memory, several processes on it, every fault on
 * demand.
 *
 * Tests only. What is not synced is kept apart from what is; a power cut keeps any part of it. A
 * process that died (killed, or the power cut) gets -ESHUTDOWN from every further call, without
 * effect, so that the engine under test unwinds by its own error paths and its memory is freed.
 *
 * A run is repeated by its seed. One host thread; simulated threads of execution are fibers, which
 * hand over at I/O calls only.
 */
#ifndef IO_IO_SIM_H
#define IO_IO_SIM_H

#include "io/io.h"

struct sim;

struct sim_options {
    uint64_t seed;
    uint64_t bytes_max;  /* of the disk; 0: no limit */
    uint64_t inodes_max; /* 0: no limit */
    bool switch_always;  /* fibers may hand over at every call; else only where they must wait */
};

struct sim *sim_new(const struct sim_options *options);
void sim_free(struct sim *sim); /* after all io of it are freed */
/**
 * A copy of disk (volatile and durable state, bad sectors), clock and boot; without processes,
 * faults and calls counted. The two share memory until one of them writes, so that a copy is cheap.
 */
struct sim *sim_copy(const struct sim *sim, uint64_t seed);
/**
 * True while the simulator itself takes memory, which a real system would not: a test that makes
 * allocations fail lets these through.
 */
bool sim_is_allocating(void);

/**
 * A new process on the machine; its io is freed by io_free. Its pid is 1 + the number before it.
 */
struct io *sim_process_new(struct sim *sim);
/** kill -9: its locks and maps are gone, its written bytes stay in the cache. */
void sim_process_kill(struct io *io);
bool sim_process_is_dead(const struct io *io);

/* ---- counting and stopping at calls ---------------------------------------------------------- */

/**
 * Calls so far that could change or fail: each op, open, rename, unlink, lock, map, sync, shared
 * load..
 */
uint64_t sim_call_count(const struct sim *sim);
uint64_t sim_written_bytes(const struct sim *sim); /* by all writes that answered */
/** At the call with this number (counted from 0 over all processes), before its effect ... */
enum sim_event {
    SIM_NOTHING = 0,
    SIM_POWER_CUT = 1, /* ... every process dies */
    SIM_KILL = 2,      /* ... the calling process dies; its other writes in flight happen or not */
    SIM_POWER_CUT_TORN = 3, /* ... after part of its effect (a write: some sectors) every process
                               dies; what else is in flight is pending, each write of it whole */
};
void sim_stop_at(struct sim *sim, uint64_t call, enum sim_event event);
bool sim_has_stopped(const struct sim *sim); /* the event came to pass */
/**
 * See each counted call before its effect, to sim_copy the machine at every point of one run.
 * `watch` may copy, and run other simulations; it must not touch this one. NULL ends.
 */
void sim_watch(struct sim *sim, void (*watch)(void *context, const struct sim *sim, uint64_t call),
               void *context);

/* ---- what a power cut leaves ----------------------------------------------------------------- */

enum sim_crash_mode {
    SIM_CRASH_DURABLE = 0, /* only what was synced */
    SIM_CRASH_ALL = 1,     /* everything that was written, too */
    SIM_CRASH_RANDOM =
        2, /* each unsynced sector, size and directory change by a coin of `seed`, whose
                              bias is drawn for each file; shared words old, new or garbage */
};
/** End all processes, choose what is left, start a new boot (id, monotonic clock). */
void sim_crash(struct sim *sim, enum sim_crash_mode mode, uint64_t seed);
/** Number of directory changes, sizes and unsynced sectors that a crash now would choose among. */
size_t sim_pending_count(const struct sim *sim);
/** A crash that keeps exactly the pending items whose bit is set (item i: bit i of keep). */
void sim_crash_keep(struct sim *sim, const uint8_t *keep, size_t keep_bytes);
/**
 * How many files have something pending, shared pages not counted; and one more where changes of directories
 * are, which come first then.
 */
size_t sim_pending_files(const struct sim *sim);
/** A crash that keeps all that is pending of those whose bit is set, nothing of others; shared words by `seed`. */
void sim_crash_keep_files(struct sim *sim, uint64_t keep, uint64_t seed);
/**
 * A hash of the tree as a fresh boot would find it: names, sizes, bytes. Head pages excluded by
 * suffix.
 */
uint64_t sim_image_hash(const struct sim *sim, const char *name_excluded);

/* ---- faults ---------------------------------------------------------------------------------- */

enum sim_call_kind {
    SIM_ANY = 0,
    SIM_OPEN,
    SIM_READ,
    SIM_WRITE,
    SIM_SYNC,
    SIM_RENAME,
    SIM_LINK,
    SIM_UNLINK,
    SIM_MAKE_DIR,
    SIM_SYNC_DIR,
    SIM_LIST,
    SIM_STAT,
    SIM_LOCK,
    SIM_MAP,
    SIM_RANDOM,
};

enum { SIM_FAULTS_MAX = 8 };

struct sim_fault {
    enum sim_call_kind kind; /* SIM_ANY counts all that can fail */
    uint64_t nth;            /* the nth such call from now, from 0 */
    int error;               /* errno; 0 with short_bytes */
    bool for_ever;           /* and all such calls after it */
    bool short_transfer;     /* instead of an error: move only a part (reads, writes) */
    bool drops; /* a failed sync: the unsynced bytes are gone from the disk, not from the cache */
    bool lies;  /* a write or sync answers success and does nothing durable (phantom write);
                                a direct write is not even read back */
};
/** Faults add up, SIM_FAULTS_MAX at most, until sim_fault_clear. */
void sim_fault_set(struct sim *sim, const struct sim_fault *fault);
void sim_fault_clear(struct sim *sim);
bool sim_fault_was_hit(const struct sim *sim);

/* ---- damage, at rest (both in cache and on disk) --------------------------------------------- */

holter_status sim_file_read(struct buffer *out, const struct sim *sim, const char *path);
/** Replace or make a file with exactly these bytes, durable. */
holter_status sim_file_write(struct sim *sim, const char *path, const void *bytes, size_t count);
holter_status sim_file_flip(struct sim *sim, const char *path, uint64_t bit);
/** All files, sorted, as "dir/dir/name". */
holter_status sim_files(struct io_names *out, const struct sim *sim);
/** From now on, reading this 512-byte sector gives EIO until it is written. */
void sim_sector_bad(struct sim *sim, const char *path, uint64_t sector);
/** Everything is mounted read-only. */
void sim_read_only(struct sim *sim, bool read_only);

/* ---- fibers ---------------------------------------------------------------------------------- */

/** A thread of execution in a process; runs in sim_run. */
void sim_spawn(struct sim *sim, struct io *io, void (*body)(void *context), void *context);
/**
 * Run all fibers to their ends; false when all that are left wait for ever (reported to stderr):
 * then their processes are killed, so that they unwind.
 */
bool sim_run(struct sim *sim);
/** Hand over from within a fiber; outside of one does nothing. */
void sim_yield(struct sim *sim);

/* ---- clock, and the bookkeeping of nonces ---------------------------------------------------- */

void sim_clock_advance(struct sim *sim, int64_t ns);
/** The wall clock alone. */
void sim_wall_clock_set(struct sim *sim, int64_t ns);

#endif
