/*
 * io_impl.h -- what the files of io share: the table of calls that a backend provides.
 *
 * A backend answers 0 or a negative errno and makes no sentences; io.c turns errors into statuses
 * and sentences, so that every backend fails in the same words. Every handle begins with the struct
 * below that names its io; a backend embeds it as the first member of its own.
 */
#ifndef IO_IO_IMPL_H
#define IO_IO_IMPL_H

#include "io/io.h"

#include <time.h>

struct io_backend {
    const char *name;
    void (*free)(struct io *io);
    int64_t (*now_ns)(struct io *io);
    int64_t (*monotonic_ns)(struct io *io);
    void (*sleep_ns)(struct io *io, int64_t ns);
    int (*random)(struct io *io, void *out, size_t count);
    int (*boot_id)(struct io *io, uint8_t out[static IO_BOOT_ID_BYTES]);
    uint32_t (*processors)(struct io *io);
    struct io_process (*process_self)(struct io *io);
    bool (*process_is_alive)(struct io *io, struct io_process process);
    uint32_t (*user_id)(struct io *io);

    /* Leaves `io`, `path` and `flags` of the file to the caller; sets `direct`. IO_CREATE and IO_UNNAMED
     * come with IO_WRITABLE. -EISDIR for a directory, -ENXIO for what else is no regular file; IO_UNNAMED:
     * -EOPNOTSUPP where there are none. */
    int (*open)(struct io_file **out, struct io *io, const char *path, uint32_t flags);
    void (*close)(struct io_file *file);
    void (*abandon)(struct io_file *file);
    int (*size)(uint64_t *bytes, struct io_file *file);
    void (*expect)(struct io_file *file, uint64_t offset, uint64_t bytes); /* NULL: no such hint */
    bool (*is_linked)(struct io_file *file);
    int (*stat)(struct io_stat *out, struct io *io, const char *path);
    int (*make_dir)(struct io *io, const char *path);
    int (*rename)(struct io *io, const char *from, const char *to);
    int (*link)(struct io_file *file, const char *path); /* of IO_UNNAMED; -EOPNOTSUPP it cannot */
    int (*unlink)(struct io *io, const char *path);
    int (*sync_dir)(struct io *io, const char *path);
    /* Calls io_names_add for each name, in any order; what it added stays on failure. */
    int (*list)(struct io_names *out, struct io *io, const char *path);
    int (*space)(struct io_space *out, struct io *io, const char *path);

    int (*queue_open)(struct io_queue **out, struct io *io, size_t depth);
    void (*queue_close)(struct io_queue *queue); /* nothing is in flight */
    void (*submit)(struct io_queue *queue, struct io_op *ops, size_t count);
    void (*start)(struct io_queue *queue); /* NULL: nothing starts before it is waited for */
    struct io_op *(*wait)(struct io_queue *queue); /* something is in flight */

    /* -EAGAIN at the deadline; -EINVAL, -ENOSYS, -EOPNOTSUPP, -ENOLCK without such locks. */
    int (*lock)(struct io_file *file, uint64_t offset, uint64_t bytes, enum io_lock_mode mode,
                int64_t deadline_ns);
    void (*unlock)(struct io_file *file, uint64_t offset, uint64_t bytes);
    int (*lock_probe)(bool *held, struct io_file *file, uint64_t offset, uint64_t bytes);

    int (*map)(struct io_shared **out, struct io_file *file, size_t bytes, bool writable);
    void (*unmap)(struct io_shared *shared);
    uint64_t (*shared_load)(struct io_shared *shared, size_t word);
    void (*shared_store)(struct io_shared *shared, size_t word, uint64_t value);
    void (*shared_add)(struct io_shared *shared, size_t word, uint64_t value);
    void (*shared_wait)(struct io_shared *shared, size_t word, uint64_t seen, int64_t deadline_ns);
    void (*shared_wake_one)(struct io_shared *shared, size_t word);

    int (*mutex_new)(struct io_mutex **out, struct io *io);
    void (*mutex_free)(struct io_mutex *mutex);
    void (*mutex_lock)(struct io_mutex *mutex);
    bool (*mutex_lock_until)(struct io_mutex *mutex, int64_t deadline_ns);
    void (*mutex_unlock)(struct io_mutex *mutex);

    int (*signal_new)(struct io_signal **out, struct io *io);
    void (*signal_free)(struct io_signal *signal);
    void (*signal_set)(struct io_signal *signal);
    bool (*signal_wait_until)(struct io_signal *signal, int64_t deadline_ns);

    /* NULL: it has no threads. */
    int (*thread_start)(struct io_thread **out, struct io *io, void (*run)(void *context),
                        void *context);
    void (*thread_join)(struct io_thread *thread);

    int (*fork_watch)(struct io *io, void (*child)(void *context), void *context);
    void (*fork_forget)(struct io *io, void (*child)(void *context), void *context);
};

struct io {
    const struct io_backend *backend;
};

struct io_file {
    struct io *io;
    char *path; /* owned by the front */
    uint32_t flags;
    bool direct; /* IO_DIRECT was asked for, and the file system does it */
};

struct io_queue {
    struct io *io;
    size_t depth;
    size_t in_flight;
};

struct io_shared {
    struct io *io;
    size_t words;
    bool writable;
};

struct io_mutex {
    struct io *io;
};

struct io_signal {
    struct io *io;
};

struct io_thread {
    struct io *io;
};

/* ---- what the backends of the real system share (io_posix.c) ---------------------------------- */

extern const struct io_backend io_posix_backend;
int io_posix_descriptor(const struct io_file *file);
/** Do it now. Answers its result. */
int64_t io_posix_run(const struct io_op *op);

int64_t io_posix_clock_ns(clockid_t clock);
struct timespec io_posix_timespec(int64_t ns);

/* io_posix_threads.c; io_backend tells what they do */
int io_posix_mutex_new(struct io_mutex **out, struct io *io);
void io_posix_mutex_free(struct io_mutex *mutex);
void io_posix_mutex_lock(struct io_mutex *mutex);
bool io_posix_mutex_lock_until(struct io_mutex *mutex, int64_t deadline_ns);
void io_posix_mutex_unlock(struct io_mutex *mutex);
int io_posix_signal_new(struct io_signal **out, struct io *io);
void io_posix_signal_free(struct io_signal *signal);
void io_posix_signal_set(struct io_signal *signal);
bool io_posix_signal_wait_until(struct io_signal *signal, int64_t deadline_ns);
int io_posix_thread_start(struct io_thread **out, struct io *io, void (*run)(void *context),
                          void *context);
void io_posix_thread_join(struct io_thread *thread);

/** Operations that have completed, in order. */
struct io_done {
    struct io_op *first;
    struct io_op **end;
};
void io_done_init(struct io_done *done);
void io_done_add(struct io_done *done, struct io_op *op);
struct io_op *io_done_take(struct io_done *done); /* NULL: none */
/** Do operations of a submission one after the other, as they are linked. */
void io_done_run(struct io_done *done, struct io_op *ops, size_t count);

enum { IO_ERROR_TEXT_BYTES = 128 };
/** The system's sentence for an errno, in `out`. */
const char *io_error_text(char out[static IO_ERROR_TEXT_BYTES], int error);
/** Append a copy of `name`; false when there is no memory. */
bool io_names_add(struct io_names *names, const char *name);

/** The operation did all that it was asked for, so that the one linked behind it may start. */
static inline bool io_op_is_whole(const struct io_op *op)
{
    return op->kind == IO_SYNC ? op->result == 0 : op->result == (int64_t)op->bytes;
}

#endif
