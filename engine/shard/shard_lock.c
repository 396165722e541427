/*
 * shard_lock.c -- the shard's locks, and who holds them.
 *
 * The kernel does not tell who holds a lock, so a holder writes its pid, start and purpose into a
 * slot of the lock file beside it: format-spec/README.md, "Lock files". The slot is a courtesy for
 * messages: a stale or torn one does no harm.
 */
#include "shard/shard_impl.h"

#include <string.h>

enum { SLOT_BYTES = 64, SLOT_PURPOSE_BYTES = 24 };
#define SLOT_MAGIC UINT64_C(0x4b434f4c544c4889) /* 89 "HLTLOCK" */
#define LOCK_WAIT_DEFAULT_NS INT64_C(5000000000)
#define LOOK_AGAIN_NS INT64_C(10000000)

int64_t shard_deadline(struct shard *shard)
{
    int64_t wait = shard->spec.lock_wait_ns > 0 ? shard->spec.lock_wait_ns : LOCK_WAIT_DEFAULT_NS;
    return saturating_add_i64(io_monotonic_ns(shard->spec.io), wait);
}

/* The queue of the mutex under which the lock is taken. */
static struct io_queue *queue_of(struct shard *shard, int lock)
{
    return lock == SHARD_LOCK_APPEND ? shard->append_queue : shard->job_queue;
}

static uint64_t slot_offset(int lock)
{
    return CORE_PAGE_BYTES + (uint64_t)lock * SLOT_BYTES;
}

void shard_name_holder(struct shard *shard, int lock)
{
    uint8_t slot[SLOT_BYTES];
    char purpose[SLOT_PURPOSE_BYTES] = { 0 };
    strncpy(purpose, lock == SHARD_LOCK_APPEND ? "append" : "maintenance", sizeof purpose - 1);
    struct writer w = writer_over(slot, sizeof slot);
    put_u64(&w, SLOT_MAGIC);
    put_u64(&w, shard->self.pid);
    put_u64(&w, shard->self.start_ns);
    put_bytes(&w, purpose, sizeof purpose);
    put_zeros(&w, w.left - 8);
    put_u64(&w, hash64(slot, SLOT_BYTES - 8));
    core_assert(w.left == 0 && !w.overrun);
    struct io_op op = { .kind = IO_WRITE,
                        .file = shard->lock_file,
                        .offset = slot_offset(lock),
                        .memory = slot,
                        .bytes = sizeof slot };
    struct io_queue *queue = queue_of(shard, lock);
    io_submit(queue, &op, 1);
    io_wait(queue); /* a courtesy: a failure is no one's concern */
}

static bool read_holder(struct shard *shard, int lock, uint64_t *pid)
{
    uint8_t slot[SLOT_BYTES];
    struct io_op op = { .kind = IO_READ,
                        .file = shard->lock_file,
                        .offset = slot_offset(lock),
                        .memory = slot,
                        .bytes = sizeof slot };
    struct io_queue *queue = queue_of(shard, lock);
    io_submit(queue, &op, 1);
    io_wait(queue);
    if (op.result != SLOT_BYTES)
        return false;
    struct reader r = reader_over(slot, sizeof slot);
    uint64_t magic = get_u64(&r);
    struct io_process holder;
    holder.pid = get_u64(&r);
    holder.start_ns = get_u64(&r);
    r = reader_over(slot + SLOT_BYTES - 8, 8);
    if (magic != SLOT_MAGIC || get_u64(&r) != hash64(slot, SLOT_BYTES - 8) ||
        !io_process_is_alive(shard->spec.io, holder))
        return false;
    *pid = holder.pid;
    return true;
}

void shard_give(struct shard *shard, int lock)
{
    io_unlock(shard->lock_file, (uint64_t)lock, 1);
    if (lock == SHARD_LOCK_APPEND)
        head_pass_turn(shard->head);
}

/*
 * Appenders hand the lock to each other in their order. The kernel's lock is what counts: its holder may be
 * killed, and tells nobody.
 */
static holter_status wait_for_turn(struct shard *shard, int64_t deadline_ns, holter_error *err)
{
    struct io *io = shard->spec.io;
    for (;;) {
        uint64_t turn = head_turn(shard->head);
        holter_status status =
            io_lock(shard->lock_file, SHARD_LOCK_APPEND, 1, IO_LOCK_EXCLUSIVE, 0, err);
        int64_t now_ns = io_monotonic_ns(io);
        if (status != HOLTER_BUSY || now_ns >= deadline_ns)
            return status;
        int64_t look_ns = saturating_add_i64(now_ns, LOOK_AGAIN_NS);
        head_wait(shard->head, turn, look_ns < deadline_ns ? look_ns : deadline_ns);
    }
}

holter_status shard_take(struct shard *shard, int lock, int64_t deadline_ns, holter_error *err)
{
    holter_status status = lock == SHARD_LOCK_APPEND ? wait_for_turn(shard, deadline_ns, err)
                                                     : io_lock(shard->lock_file, (uint64_t)lock, 1,
                                                               IO_LOCK_EXCLUSIVE, deadline_ns, err);
    if (status == HOLTER_BUSY) {
        const char *name = lock == SHARD_LOCK_APPEND ? "append" : "maintenance";
        uint64_t pid;
        if (read_holder(shard, lock, &pid))
            return error_set(err, HOLTER_BUSY, "'%s': the %s lock is held by process %llu",
                             io_path(shard->lock_file), name, (unsigned long long)pid);
        return error_set(err, HOLTER_BUSY, "'%s': the %s lock is held by another process or handle",
                         io_path(shard->lock_file), name);
    }
    if (status != HOLTER_OK)
        return status;
    status = io_check_linked(shard->lock_file, err); /* D7 */
    if (status != HOLTER_OK)
        shard_give(shard, lock);
    return status;
}
