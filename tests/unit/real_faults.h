/*
 * real_faults.h -- the n-th read, write or sync of the real system fails, or moves a part only; by a plain call or in
 * a ring.
 *
 * Takes the place of the calls of io_posix.c and io_uring.c in the one program that includes it, which the linker
 * wraps (WRAPS_FAULTS in the Makefile). The simulated machine's are sim_fault_set.
 */
#ifndef TESTS_UNIT_REAL_FAULTS_H
#define TESTS_UNIT_REAL_FAULTS_H

#include "io/io.h"

#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <unistd.h>

static struct {
    bool is_armed;
    enum io_op_kind kind; /* counts */
    unsigned long left;   /* that still succeed */
    int error;            /* 0: half of it is moved */
    bool for_ever;        /* also all after it */
    bool was_hit;
    unsigned long calls, in_ring; /* of all kinds, armed or not */
    int ring_error;               /* of new rings; 0: none */
    int link_error;               /* of every linkat; 0: none */
    _Atomic unsigned long links;  /* linkats so far */
} real_fault;

int __real_linkat(int from, const char *from_path, int to, const char *to_path, int flags);
int __wrap_linkat(int from, const char *from_path, int to, const char *to_path, int flags);

int __wrap_linkat(int from, const char *from_path, int to, const char *to_path, int flags)
{
    real_fault.links++;
    errno = real_fault.link_error;
    return errno != 0 ? -1 : __real_linkat(from, from_path, to, to_path, flags);
}

/* From now on. */
static inline void real_fault_arm(enum io_op_kind kind, unsigned long left, int error,
                                  bool for_ever)
{
    real_fault.is_armed = true;
    real_fault.kind = kind;
    real_fault.left = left;
    real_fault.error = error;
    real_fault.for_ever = for_ever;
    real_fault.was_hit = false;
}

/* Whether it came to pass. */
static inline bool real_fault_disarm(void)
{
    real_fault.is_armed = false;
    return real_fault.was_hit;
}

static inline bool real_fault_hits(enum io_op_kind kind)
{
    bool is_short_sync = real_fault.error == 0 && kind == IO_SYNC;
    if (!real_fault.is_armed || kind != real_fault.kind || is_short_sync)
        return false;
    if (real_fault.left > 0) {
        real_fault.left--;
        return false;
    }
    bool hits = real_fault.for_ever || !real_fault.was_hit;
    real_fault.was_hit = true;
    return hits;
}

ssize_t __real_pread64(int descriptor, void *memory, size_t bytes, off_t offset);
ssize_t __wrap_pread64(int descriptor, void *memory, size_t bytes, off_t offset);
ssize_t __real_pwrite64(int descriptor, const void *memory, size_t bytes, off_t offset);
ssize_t __wrap_pwrite64(int descriptor, const void *memory, size_t bytes, off_t offset);
int __real_fdatasync(int descriptor);
int __wrap_fdatasync(int descriptor);
int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

/* True: the call answers -1. Else *bytes are to be moved. */
static inline bool real_fault_fails(enum io_op_kind kind, size_t *bytes)
{
    real_fault.calls++;
    if (!real_fault_hits(kind))
        return false;
    errno = real_fault.error;
    *bytes /= 2;
    return real_fault.error != 0;
}

ssize_t __wrap_pread64(int descriptor, void *memory, size_t bytes, off_t offset)
{
    return real_fault_fails(IO_READ, &bytes) ? -1
                                             : __real_pread64(descriptor, memory, bytes, offset);
}

ssize_t __wrap_pwrite64(int descriptor, const void *memory, size_t bytes, off_t offset)
{
    return real_fault_fails(IO_WRITE, &bytes) ? -1
                                              : __real_pwrite64(descriptor, memory, bytes, offset);
}

int __wrap_fdatasync(int descriptor)
{
    size_t none = 0;
    return real_fault_fails(IO_SYNC, &none) ? -1 : __real_fdatasync(descriptor);
}

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *p)
{
    int error = real_fault.ring_error;
    return error != 0 ? error : __real_io_uring_queue_init_params(entries, ring, p);
}

/* Its completion, once it is there. */
static inline struct io_uring_cqe *real_fault_await(struct io_uring *ring, const struct io_op *op)
{
    for (;;) {
        unsigned head = *ring->cq.khead, count = io_uring_cq_ready(ring);
        for (unsigned i = 0; i < count; i++) {
            struct io_uring_cqe *cqe = &ring->cq.cqes[(head + i) & *ring->cq.kring_mask];
            if (io_uring_cqe_get_data(cqe) == op)
                return cqe;
        }
        sched_yield();
    }
}

/* Everything happens; the result of what fails is changed where it lies. */
int __wrap_io_uring_submit(struct io_uring *ring)
{
    const struct io_op *hit[IO_QUEUE_DEPTH_MAX];
    size_t hit_count = 0;
    for (unsigned at = *ring->sq.khead; at != ring->sq.sqe_tail; at++) {
        uint64_t data = ring->sq.sqes[at & *ring->sq.kring_mask].user_data;
        const struct io_op *op = (const struct io_op *)(uintptr_t)data;
        if (op != NULL && real_fault_hits(op->kind))
            hit[hit_count++] = op;
    }
    unsigned ready = io_uring_sq_ready(ring);
    int taken = __real_io_uring_submit(ring);
    real_fault.in_ring += taken > 0 ? (unsigned)taken : 0;
    for (size_t i = 0; taken == (int)ready && i < hit_count; i++) {
        struct io_uring_cqe *cqe = real_fault_await(ring, hit[i]);
        cqe->res = real_fault.error != 0 ? -real_fault.error : cqe->res / 2;
    }
    return taken;
}

#endif
