/*
 * io.h -- the door of io: files, locks, shared pages, clock, randomness; the only room that calls
 * the system.
 *
 * Promise: every backend behaves as this page says, and one conformance suite holds them to it:
 *   posix       the real system, a call for each operation (io_posix.c)
 *   io_uring    the same, with batches of operations in flight at once (io_uring.c)
 *   simulated   one disk in memory under several simulated processes (io_sim.c, io_sim.h; tests
 *               only)
 * Operations are submitted in batches and completed in any order.
 *
 * A `struct io` is one process's view of a machine. Needs core.
 * Threads: `struct io` any thread; a file may be used by several threads at once; a queue, one
 * thread at a time. Paths are plain byte strings of at most IO_PATH_BYTES_MAX - 1 bytes.
 *
 * Durability, as every backend keeps it and format-spec/README.md assumes it:
 *   - bytes of a completed IO_WRITE survive a power cut once an IO_SYNC of that file that was
 *   submitted
 *     after its completion, or linked behind it, has completed with 0; or at once on a file opened
 *     with IO_DSYNC;
 *   - an entry made, linked, renamed or unlinked in a directory survives once io_sync_dir of it returned
 *   OK;
 *     before that any subset of a directory's changes may be there, each rename whole or not at
 *     all;
 *   - unsynced bytes may survive, be lost, or be torn at any 512-byte sector (older bytes or
 *   zeros);
 *   - after a failed write or sync nothing is known of that file's unsynced bytes, ever.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include "core/core.h"

enum { IO_PATH_BYTES_MAX = 4096, IO_BOOT_ID_BYTES = 16 };

struct io;
struct io_file;
struct io_queue;
struct io_shared;
struct io_mutex;
struct io_signal;
struct io_thread;

/* ---- a process's view of a machine ----------------------------------------------------------- */

/** The real system. *out owned: io_free. Errors: HOLTER_NO_MEMORY. */
holter_status io_posix_new(struct io **out, holter_error *err);
/**
 * The same by io_uring. Errors: HOLTER_UNSUPPORTED the kernel has none, or this process may not use it, and the
 * sentence says why; HOLTER_NO_MEMORY.
 */
holter_status io_uring_new(struct io **out, holter_error *err);
void io_free(struct io *io);
const char *io_backend_name(const struct io *io); /* as above; static */

/** Wall clock, nanoseconds since 1970 UTC. May jump. */
int64_t io_now_ns(struct io *io);
/** A clock that never goes back within a boot, nanoseconds; also counts suspended time. */
int64_t io_monotonic_ns(struct io *io);
/** Let other threads and processes run for about this long. */
void io_sleep_ns(struct io *io, int64_t ns);
/** Fill with unpredictable bytes. Errors: HOLTER_IO. */
holter_status io_random(struct io *io, void *out, size_t count, holter_error *err);

/** Changes with every start of the machine, and only then. Errors: HOLTER_IO. */
holter_status io_boot_id(struct io *io, uint8_t out[static IO_BOOT_ID_BYTES], holter_error *err);

/** Processors that this process may run on, 1 or more. */
uint32_t io_processors(struct io *io);

/** Who a lock's holder is. start_ns (since boot) tells a process from a later one with its pid. */
struct io_process {
    uint64_t pid;
    uint64_t start_ns;
};
struct io_process io_process_self(struct io *io);
/** That very process (pid and start) is alive. */
bool io_process_is_alive(struct io *io, struct io_process process);

/* ---- files and directories ------------------------------------------------------------------- */

enum io_open_flag {
    IO_WRITABLE = 1, /* else for reading only; reading never needs permission to write */
    IO_CREATE = 2,   /* must not exist yet: HOLTER_EXISTS; implies IO_WRITABLE */
    IO_DIRECT = 4, /* past the cache where the file system can (else through it): offset, bytes and
                         memory at multiples of 4,096 */
    IO_DSYNC = 8,  /* each write is durable when it completes */
    IO_PRIVATE = 16, /* with IO_CREATE: mode 0600, whatever the umask; else 0660 less the umask */
    IO_UNNAMED = 32, /* the path is a directory: a new file in it without a name, which goes when it is closed
                         unless io_link gave it one; implies IO_WRITABLE */
};

/**
 * Open a regular file. *out owned: io_close.
 * Errors   HOLTER_NOT_FOUND; HOLTER_EXISTS (IO_CREATE); HOLTER_DENIED (permission, read-only file
 *          system); HOLTER_NO_SPACE; HOLTER_NO_MEMORY (also of descriptors); HOLTER_INVALID not a
 *          regular file, or a path that is too long; HOLTER_UNSUPPORTED (IO_UNNAMED) a file system without such
 *          files; HOLTER_IO.
 */
holter_status io_open(struct io_file **out, struct io *io, const char *path, uint32_t flags,
                      holter_error *err);
/** NULL does nothing. Never syncs. Releases the locks of this file. */
void io_close(struct io_file *file);
const char *io_path(const struct io_file *file); /* as opened; borrowed until io_close */
/** IO_DIRECT was asked for, and the file system does it. */
bool io_is_direct(const struct io_file *file);
holter_status io_size(uint64_t *bytes, struct io_file *file, holter_error *err);
/**
 * A hint that these bytes will be read soon, so that the system may fetch them, several places at once,
 * while the caller computes. It cannot fail and may do nothing. Cost: a system call.
 */
void io_expect(struct io_file *file, uint64_t offset, uint64_t bytes);
/**
 * HOLTER_IO: no name leads to the open file any more, it was unlinked or another took its place.
 * Then who opens it now gets another file, and locks and maps of this one are shared with nobody.
 */
holter_status io_check_linked(struct io_file *file, holter_error *err);

enum io_kind { IO_KIND_FILE = 1, IO_KIND_DIRECTORY = 2, IO_KIND_OTHER = 3 };

struct io_stat {
    enum io_kind kind;
    uint32_t mode;  /* permission bits, 07777 */
    uint32_t owner; /* user id */
    uint64_t bytes;
    int64_t written_ns; /* when a file was last written to, by the wall clock */
};

/** What is at a path, links followed. Errors: HOLTER_NOT_FOUND, HOLTER_DENIED, HOLTER_IO. */
holter_status io_stat(struct io_stat *out, struct io *io, const char *path, holter_error *err);
/** The user id that files of this process are made with, for io_stat.owner. */
uint32_t io_user_id(struct io *io);
/** Mode 0770 less the umask. Errors: HOLTER_EXISTS and those of io_open. */
holter_status io_make_dir(struct io *io, const char *path, holter_error *err);
/**
 * Put `from` in the place of `to` at once, over a file that may be there. Errors: those of io_open.
 */
holter_status io_rename(struct io *io, const char *from, const char *to, holter_error *err);
/**
 * Name a file that was opened IO_UNNAMED, in the same file system; io_path stays as it was. Errors: HOLTER_EXISTS;
 * HOLTER_UNSUPPORTED the system cannot, or may not (no /proc, a policy): nothing was named; those of io_open.
 */
holter_status io_link(struct io_file *file, const char *path, holter_error *err);
/** An open file stays readable. Errors: HOLTER_NOT_FOUND and those of io_open. */
holter_status io_unlink(struct io *io, const char *path, holter_error *err);
holter_status io_sync_dir(struct io *io, const char *path, holter_error *err);

/** Names in a directory, sorted by their bytes, without "." and "..". Release: io_names_release. */
struct io_names {
    char **name;
    size_t count;
};
holter_status io_list(struct io_names *out, struct io *io, const char *path, holter_error *err);
void io_names_release(struct io_names *names);

/** Bytes and inodes that the file system has left for this user. */
struct io_space {
    uint64_t bytes_free;
    uint64_t inodes_free;
};
holter_status io_space(struct io_space *out, struct io *io, const char *path, holter_error *err);

/* ---- batches of reads, writes, syncs --------------------------------------------------------- */

enum io_op_kind { IO_READ = 1, IO_WRITE = 2, IO_SYNC = 3 };

/**
 * One operation; the caller's memory, which with `memory` belongs to the queue until it completed.
 */
struct io_op {
    enum io_op_kind kind;
    bool linked; /* the next one in this submission starts after this one wholly succeeded, and is
                             cancelled (-ECANCELED) where it did not: failed, or was short */
    struct io_file *file;
    uint64_t offset;
    void *memory; /* read into, or written from */
    size_t bytes;
    int64_t result; /* out: bytes moved, which may be fewer than asked (a read: the file's end; a
                             write: no space, a signal), 0 for a sync; or -errno */
    struct io_op *next; /* the backend's, until completed */
};

enum { IO_QUEUE_DEPTH_MAX = 256 };

/** A place to submit to; `depth` operations at most in flight. *out owned: io_queue_close. */
holter_status io_queue_open(struct io_queue **out, struct io *io, size_t depth, holter_error *err);
/** Waits for what is in flight. */
void io_queue_close(struct io_queue *queue);
/**
 * Start `count` operations of an array, at the latest when somebody waits; order among them is free, except as
 * linked. Asserts the depth.
 */
void io_submit(struct io_queue *queue, struct io_op *ops, size_t count);
/**
 * What was submitted starts now, where the system goes on with it meanwhile: its caller has more to do before
 * it waits, or submits more. Else it starts when somebody waits.
 */
void io_start(struct io_queue *queue);
/** The next completed operation, waiting for it; NULL when none is in flight. */
struct io_op *io_wait(struct io_queue *queue);

/**
 * Read exactly [offset, offset + bytes): submit, wait, go on after short reads. The queue must be
 * idle.
 * Errors   HOLTER_CORRUPT the file ends before; HOLTER_IO. The sentence names path and offset.
 */
holter_status io_read_exactly(struct io_queue *queue, struct io_file *file, uint64_t offset,
                              void *memory, size_t bytes, holter_error *err);
/**
 * Write exactly. A short write is a failure, not gone on with. Errors: HOLTER_NO_SPACE, HOLTER_IO.
 */
holter_status io_write_exactly(struct io_queue *queue, struct io_file *file, uint64_t offset,
                               const void *memory, size_t bytes, holter_error *err);
/** Errors: HOLTER_NO_SPACE, HOLTER_IO; never to be retried on this file. */
holter_status io_sync(struct io_queue *queue, struct io_file *file, holter_error *err);
/** The status and sentence of a completed operation that is no full success (else HOLTER_OK). */
holter_status io_op_status(const struct io_op *op, holter_error *err);

/* ---- locks between open files (of processes and within one) ------------------------------------------
 *
 * Byte ranges of a file, which need not have the bytes; they belong to the io_file, not to the
 * process or thread, and two io_files of one process exclude each other like two processes. Death
 * frees them.
 */

enum io_lock_mode { IO_LOCK_SHARED = 1, IO_LOCK_EXCLUSIVE = 2 };

/**
 * Take [offset, offset + bytes), waiting until `deadline_ns` (io_monotonic_ns; 0: do not wait).
 * A range held in the other mode is converted, without an unlocked moment.
 * Errors   HOLTER_BUSY; HOLTER_DENIED IO_LOCK_EXCLUSIVE on a file opened for reading only;
 *          HOLTER_UNSUPPORTED a file system without such locks; HOLTER_IO.
 */
holter_status io_lock(struct io_file *file, uint64_t offset, uint64_t bytes, enum io_lock_mode mode,
                      int64_t deadline_ns, holter_error *err);
void io_unlock(struct io_file *file, uint64_t offset, uint64_t bytes);
/** *held: another io_file holds a lock in the range that excludes an exclusive one. */
holter_status io_lock_probe(bool *held, struct io_file *file, uint64_t offset, uint64_t bytes,
                            holter_error *err);

/* ---- memory shared by every process that maps a file: head pages ------------------------------------
 *
 * 64-bit words, each loaded and stored whole; a store is seen by every later load that it happens
 * before (release, acquire). The words also are the file's bytes (host order): what a power cut
 * leaves of them is unknown, so that a page must be recognised as stale by its content.
 */

/** Map the first `bytes` (a multiple of 4,096, which the file has). *out owned: io_unmap. */
holter_status io_map(struct io_shared **out, struct io_file *file, size_t bytes, bool writable,
                     holter_error *err);
void io_unmap(struct io_shared *shared);
uint64_t io_shared_load(struct io_shared *shared, size_t word);
void io_shared_store(struct io_shared *shared, size_t word, uint64_t value);
/** Add at once, whoever else adds; orders nothing. */
void io_shared_add(struct io_shared *shared, size_t word, uint64_t value);
/**
 * Sleep while the word has the value `seen`, until it is woken or the deadline is over; or a little. Whoever
 * waits longest is woken first. A hint: who must go on looks again by himself, as who wakes may be killed.
 */
void io_shared_wait(struct io_shared *shared, size_t word, uint64_t seen, int64_t deadline_ns);
void io_shared_wake_one(struct io_shared *shared, size_t word);

/* ---- mutexes, which the simulator schedules ----------------------------------------------------------
 *
 * Not recursive; unlocked by who locked it. On the real system threads that wait get it in order,
 * passed by others only until they are awake.
 */

holter_status io_mutex_new(struct io_mutex **out, struct io *io, holter_error *err);
void io_mutex_free(struct io_mutex *mutex);
void io_mutex_lock(struct io_mutex *mutex);
/** False at the deadline (io_monotonic_ns; 0: do not wait). */
bool io_mutex_lock_until(struct io_mutex *mutex, int64_t deadline_ns);
void io_mutex_unlock(struct io_mutex *mutex);

/* ---- signals between threads, and threads ---------------------------------------------------------------
 *
 * A signal is set by any thread, and waited for by one at a time. What was done before it was set is seen by
 * who waited.
 */

holter_status io_signal_new(struct io_signal **out, struct io *io, holter_error *err);
void io_signal_free(struct io_signal *signal);
/** One wait ends: the one at hand, or else a later one. Nothing of the signal is touched after that. */
void io_signal_set(struct io_signal *signal);
/** Wait for a set that no other wait took. False at the deadline (io_monotonic_ns; 0: do not wait). */
bool io_signal_wait_until(struct io_signal *signal, int64_t deadline_ns);

/**
 * A thread of the engine's own, which takes no signals of the system. *out owned: io_thread_join.
 * Errors: HOLTER_UNSUPPORTED (simulated), HOLTER_NO_MEMORY.
 */
holter_status io_thread_start(struct io_thread **out, struct io *io, void (*run)(void *context),
                              void *context, holter_error *err);
/** Wait until it returned. NULL does nothing. */
void io_thread_join(struct io_thread *thread);

/** Run `child` in a child right after fork() of this process, until io_fork_forget. Any thread. */
holter_status io_fork_watch(struct io *io, void (*child)(void *context), void *context,
                            holter_error *err);
void io_fork_forget(struct io *io, void (*child)(void *context), void *context);
/**
 * In a forked child only: close the descriptor so that the parent's locks are not shared on; keep
 * the handle.
 */
void io_abandon(struct io_file *file);

/* ---- conveniences over the above ------------------------------------------------------------- */

/** Join up to four parts with '/', NULL ends. False: it does not fit. */
bool io_path_join(char out[static IO_PATH_BYTES_MAX], const char *a, const char *b, const char *c,
                  const char *d);
/**
 * Make `path` hold exactly these bytes, durable and at once: write `path`.tmp aside, sync, rename,
 * sync the directory. A .tmp left by a dead process is replaced. The caller excludes other writers.
 * flags    IO_PRIVATE or 0.
 */
holter_status io_write_file(struct io *io, const char *path, const void *bytes, size_t count,
                            uint32_t flags, holter_error *err);
/**
 * Read a whole file of at most `bytes_max`. *out becomes a fresh buffer, empty on failure;
 * buffer_release. Errors: HOLTER_CORRUPT it is larger; those of io_open.
 */
holter_status io_read_file(struct buffer *out, struct io *io, const char *path, size_t bytes_max,
                           holter_error *err);

#endif
