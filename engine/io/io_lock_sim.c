/*
 * io_lock_sim.c -- locks of byte ranges between simulated open files.
 *
 * As the kernel's locks of open file descriptions: a lock replaces what its own file holds in the
 * range, and conflicts with those of every other file, of the same process or another.
 */
#include "io_sim_impl.h"

#include <errno.h>
#include <stdlib.h>

static bool conflicts(const struct sim *sim, const struct sim_file *file, uint64_t begin,
                      uint64_t end, enum io_lock_mode mode)
{
    for (const struct sim_lock *lock = sim->locks; lock != NULL; lock = lock->next) {
        if (lock->file == file || lock->node != file->node || lock->end <= begin ||
            end <= lock->begin)
            continue;
        if (mode == IO_LOCK_EXCLUSIVE || lock->mode == IO_LOCK_EXCLUSIVE)
            return true;
    }
    return false;
}

static void lock_add(struct sim *sim, struct sim_file *file, uint64_t begin, uint64_t end,
                     enum io_lock_mode mode)
{
    struct sim_lock *lock = sim_alloc(sizeof *lock);
    *lock = (struct sim_lock){ .next = sim->locks,
                               .file = file,
                               .node = file->node,
                               .begin = begin,
                               .end = end,
                               .mode = mode };
    sim->locks = lock;
}

/* Take [begin, end) out of what the file holds. */
static void lock_remove(struct sim *sim, struct sim_file *file, uint64_t begin, uint64_t end)
{
    struct sim_lock **at = &sim->locks;
    while (*at != NULL) {
        struct sim_lock *lock = *at;
        if (lock->file != file || lock->end <= begin || end <= lock->begin) {
            at = &lock->next;
            continue;
        }
        *at = lock->next;
        if (lock->begin < begin)
            lock_add(sim, file, lock->begin, begin, lock->mode);
        if (end < lock->end)
            lock_add(sim, file, end, lock->end, lock->mode);
        free(lock);
        at = &sim->locks; /* the list has other heads now; what was split no longer overlaps */
    }
}

int sim_lock(struct io_file *base, uint64_t offset, uint64_t bytes, enum io_lock_mode mode,
             int64_t deadline_ns)
{
    struct sim_file *file = (struct sim_file *)base;
    struct sim_process *process = process_of(base->io);
    struct sim *sim = process->sim;
    struct sim_bend bend;
    int error = sim_enter(process, SIM_LOCK, &bend);
    if (error != 0)
        return error;
    if (file->abandoned)
        return sim_leave(process, &bend, -EBADF);

    while (conflicts(sim, file, offset, offset + bytes, mode)) {
        if (bend.cut)
            return sim_leave(process, &bend, 0);
        if (deadline_ns <= sim->monotonic_ns)
            return -EAGAIN;
        if (!fiber_wait(sim, deadline_ns))
            return -EDEADLK;
        if (process->dead)
            return -ESHUTDOWN;
    }
    lock_remove(sim, file, offset, offset + bytes);
    lock_add(sim, file, offset, offset + bytes, mode);
    if (mode == IO_LOCK_SHARED)
        fibers_wake(sim); /* it may have been an exclusive one */
    return sim_leave(process, &bend, 0);
}

void sim_unlock(struct io_file *base, uint64_t offset, uint64_t bytes)
{
    struct sim_file *file = (struct sim_file *)base;
    struct sim_process *process = process_of(base->io);
    struct sim_bend bend;
    if (sim_enter(process, SIM_ANY, &bend) != 0 || file->abandoned)
        return;
    lock_remove(process->sim, file, offset, offset + bytes);
    fibers_wake(process->sim);
    sim_leave(process, &bend, 0);
}

int sim_lock_probe(bool *held, struct io_file *base, uint64_t offset, uint64_t bytes)
{
    struct sim_file *file = (struct sim_file *)base;
    struct sim_process *process = process_of(base->io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_LOCK, &bend);
    if (error != 0)
        return error;
    if (file->abandoned)
        return sim_leave(process, &bend, -EBADF);
    *held = conflicts(process->sim, file, offset, offset + bytes, IO_LOCK_EXCLUSIVE);
    return sim_leave(process, &bend, 0);
}

void locks_release(struct sim *sim, const struct sim_file *file)
{
    struct sim_lock **at = &sim->locks;
    while (*at != NULL) {
        struct sim_lock *lock = *at;
        if (lock->file != file) {
            at = &lock->next;
            continue;
        }
        *at = lock->next;
        free(lock);
    }
    fibers_wake(sim);
}
