/*
 * io_uring.c -- the real system, whose batches of operations are in flight at once (io_uring(7)).
 *
 * All but queues is as in io_posix.c. What is submitted starts when somebody waits, so that submissions one after
 * the other are one batch, or when it is told to. One chain alone that somebody waits for is plain calls, which a ring
 * would not make quicker; a queue makes its ring at the first batch that is more, and most never do.
 *
 * U1  What is linked goes on here, not in the kernel: the next operation of a chain is submitted when the
 *     one before has wholly succeeded, and cancelled where it was short or failed. So no result depends on
 *     which errors a kernel breaks its own links at.
 * U2  An operation that the kernel does not take, or takes and does not begin (no memory, a limit, an
 *     interrupted or dying worker), runs as a plain call. Its entry, where it cannot be taken back, becomes one
 *     that does nothing.
 * U3  At most `depth` operations are in flight, and beside them as many entries that do nothing. Twice `depth`
 *     completions fit the ring, which keeps what does not fit (IORING_FEAT_NODROP, without which there is none).
 * U4  A forked child shares its parent's ring. It only ever closes it.
 *
 * Why no buffers are registered, and reads are hinted instead of batched: notes/0008.
 */
#define _GNU_SOURCE
#include "io_impl.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

enum { LOOK_AGAIN_NS = 50 * 1000 };

struct uring {
    struct io base;
    struct io_backend backend;
};

struct uring_queue {
    struct io_queue base;
    struct io_done done;
    struct io_uring ring;
    bool has_ring, has_none; /* it has one; it cannot have one */
    bool is_plain;           /* what starts now is a plain call */
    size_t in_ring;          /* operations */
    size_t chain_count;      /* that have not started */
    struct io_op *chains[];  /* the first operation of each; as many as there may be in flight */
};

/* ---- a ring ---------------------------------------------------------------------------------- */

/* 0, or why there is none. */
static int ring_open(struct io_uring *ring, size_t depth)
{
    struct io_uring_params asked = { .flags = IORING_SETUP_CLAMP };
    int error = io_uring_queue_init_params((unsigned)depth, ring, &asked);
    if (error < 0)
        return error;
    if ((asked.features & IORING_FEAT_NODROP) != 0)
        return 0;
    io_uring_queue_exit(ring);
    return -ENOSYS;
}

static int ring_probe(void)
{
    static const int needed[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC };
    struct io_uring ring;
    int error = ring_open(&ring, 2);
    if (error != 0)
        return error;
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring);
    if (probe == NULL)
        error = -ENOSYS;
    for (size_t i = 0; error == 0 && i < CORE_COUNT(needed); i++)
        error = io_uring_opcode_supported(probe, needed[i]) ? 0 : -ENOSYS;
    io_uring_free_probe(probe);
    io_uring_queue_exit(&ring);
    return error;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static int uring_queue_open(struct io_queue **out, struct io *io, size_t depth)
{
    (void)io;
    struct uring_queue *queue = calloc(1, sizeof *queue + depth * sizeof *queue->chains);
    if (queue == NULL)
        return -ENOMEM;
    io_done_init(&queue->done);
    *out = &queue->base;
    return 0;
}

static void uring_queue_close(struct io_queue *base)
{
    struct uring_queue *queue = (struct uring_queue *)base;
    if (queue->has_ring)
        io_uring_queue_exit(&queue->ring);
    free(queue);
}

static bool queue_has_ring(struct uring_queue *queue)
{
    if (!queue->has_ring && !queue->has_none) {
        queue->has_ring = ring_open(&queue->ring, queue->base.depth) == 0;
        queue->has_none = !queue->has_ring; /* descriptors or locked memory are used up */
    }
    return queue->has_ring;
}

/* The operation has its result; one that is linked behind it follows, into the ring or not at all. */
static void op_end(struct uring_queue *queue, struct io_op *op);

static void op_run(struct uring_queue *queue, struct io_op *op)
{
    op->result = io_posix_run(op);
    op_end(queue, op);
}

/* An entry for the operation; false: the ring has no room, or the kernel moves less at once. */
static bool op_prepare(struct uring_queue *queue, struct io_op *op)
{
    const size_t bytes_max = (size_t)1 << 30;
    struct io_uring_sqe *entry = op->bytes > bytes_max ? NULL : io_uring_get_sqe(&queue->ring);
    if (entry == NULL)
        return false;
    int descriptor = io_posix_descriptor(op->file);
    switch (op->kind) {
    case IO_READ:
        io_uring_prep_read(entry, descriptor, op->memory, (unsigned)op->bytes, op->offset);
        break;
    case IO_WRITE:
        io_uring_prep_write(entry, descriptor, op->memory, (unsigned)op->bytes, op->offset);
        break;
    case IO_SYNC:
        io_uring_prep_fsync(entry, descriptor, IORING_FSYNC_DATASYNC);
        break;
    }
    io_uring_sqe_set_data(entry, op);
    queue->in_ring++;
    return true;
}

/* Entries that the kernel did not take do nothing when it does; what they were for runs now. */
static void take_back(struct uring_queue *queue)
{
    struct io_uring_sq *sq = &queue->ring.sq;
    struct io_op *left = NULL;
    for (unsigned at = *sq->khead; at != sq->sqe_tail; at++) {
        struct io_uring_sqe *entry = &sq->sqes[at & *sq->kring_mask];
        struct io_op *op = (struct io_op *)(uintptr_t)entry->user_data;
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data(entry, NULL);
        if (op == NULL)
            continue;
        queue->in_ring--;
        op->result = (int64_t)(intptr_t)left; /* a list of them, as its result is not known yet */
        left = op;
    }
    queue->is_plain = true; /* also what follows in their chains */
    while (left != NULL) {
        struct io_op *op = left;
        left = (struct io_op *)(intptr_t)op->result;
        op_run(queue, op);
    }
    queue->is_plain = false;
}

static void entries_submit(struct uring_queue *queue)
{
    while (io_uring_sq_ready(&queue->ring) > 0) {
        int taken = io_uring_submit(&queue->ring);
        if (taken == -EINTR)
            continue;
        if (taken <= 0) {
            take_back(queue);
            return;
        }
    }
}

static void op_start(struct uring_queue *queue, struct io_op *op)
{
    if (queue->is_plain || !op_prepare(queue, op))
        op_run(queue, op);
}

static void op_end(struct uring_queue *queue, struct io_op *op)
{
    struct io_op *next = op->next;
    bool goes_on = io_op_is_whole(op);
    io_done_add(&queue->done, op);
    if (next != NULL && goes_on)
        op_start(queue, next);
    while (next != NULL && !goes_on) {
        struct io_op *cancelled = next;
        next = next->next;
        cancelled->result = -ECANCELED;
        io_done_add(&queue->done, cancelled);
    }
}

static void uring_submit(struct io_queue *base, struct io_op *ops, size_t count)
{
    struct uring_queue *queue = (struct uring_queue *)base;
    for (size_t i = 0; i < count; i++) {
        ops[i].next = ops[i].linked && i + 1 < count ? &ops[i + 1] : NULL;
        if (i == 0 || !ops[i - 1].linked)
            queue->chains[queue->chain_count++] = &ops[i];
    }
}

/* All that was submitted. */
static void start_all(struct uring_queue *queue, bool is_plain)
{
    if (queue->has_ring && queue->in_ring == 0) /* U3: what has completed did nothing */
        io_uring_cq_advance(&queue->ring, io_uring_cq_ready(&queue->ring));
    queue->is_plain = is_plain;
    for (size_t i = 0; i < queue->chain_count; i++)
        op_start(queue, queue->chains[i]);
    queue->chain_count = 0;
    queue->is_plain = false;
    if (queue->has_ring)
        entries_submit(queue);
}

static void uring_start(struct io_queue *base)
{
    struct uring_queue *queue = (struct uring_queue *)base;
    if (queue->chain_count > 0 && queue_has_ring(queue))
        start_all(queue, false);
}

/* What the kernel may answer for a transfer that it did not begin. */
static bool is_refused(const struct io_op *op, int64_t result)
{
    return op->kind != IO_SYNC &&
           (result == -EAGAIN || result == -EINTR || result == -ECANCELED || result == -ENOMEM);
}

/*
 * The next completion, or none yet. Memory of operations in flight cannot be given back: where the kernel
 * does not even answer (as by a filter of calls that came later), the ring is looked at from time to time.
 */
static void ring_wait(struct uring_queue *queue)
{
    struct io_uring_cqe *found = NULL;
    int error = io_uring_wait_cqe(&queue->ring, &found);
    if (error != 0) {
        core_assert(error != -EBADF); /* who closed it? */
        core_assert(error != -EBADR); /* U3 */
        if (error != -EINTR)
            io_sleep_ns(queue->base.io, LOOK_AGAIN_NS);
        return;
    }
    struct io_op *op = io_uring_cqe_get_data(found);
    int64_t result = found->res;
    io_uring_cqe_seen(&queue->ring, found);
    if (op == NULL)
        return;
    queue->in_ring--;
    if (is_refused(op, result)) {
        op_run(queue, op);
    } else {
        op->result = result;
        op_end(queue, op);
    }
    entries_submit(queue);
}

static struct io_op *uring_wait(struct io_queue *base)
{
    struct uring_queue *queue = (struct uring_queue *)base;
    struct io_op *op;
    bool is_alone = queue->chain_count == 1 && queue->in_ring == 0;
    if (queue->chain_count > 0)
        start_all(queue, is_alone || !queue_has_ring(queue));
    while ((op = io_done_take(&queue->done)) == NULL)
        ring_wait(queue);
    return op;
}

/* ---- the door -------------------------------------------------------------------------------- */

holter_status io_uring_new(struct io **out, holter_error *err)
{
    *out = NULL;
    char text[IO_ERROR_TEXT_BYTES];
    int error = ring_probe();
    if (error != 0)
        return error_set(err, HOLTER_UNSUPPORTED, "io_uring: %s", io_error_text(text, -error));
    struct uring *uring = calloc(1, sizeof *uring);
    if (uring == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for the handle of the system");
    uring->backend = io_posix_backend;
    uring->backend.name = "io_uring";
    uring->backend.queue_open = uring_queue_open;
    uring->backend.queue_close = uring_queue_close;
    uring->backend.submit = uring_submit;
    uring->backend.start = uring_start;
    uring->backend.wait = uring_wait;
    uring->base.backend = &uring->backend;
    *out = &uring->base;
    return HOLTER_OK;
}
