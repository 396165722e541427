/*
 * io_fiber_sim.c -- simulated threads of execution, the mutexes and signals between them.
 *
 * A fiber has a stack of its own (ucontext) and runs until it waits, or, with switch_always, until
 * a coin at one of its calls says so. The scheduler draws the next among those that can run; when
 * none can, the clock jumps to the first deadline. Sanitizers are told of every change of stacks.
 *
 * Mutexes keep excluding the fibers of a dead process, whose calls all return at once: so they
 * unwind one after the other, and none sees what another left half done. Outside of fibers they let
 * it pass.
 */
#include "io_sim_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#endif
#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include) && !defined(__cppcheck__)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define FIBER_VALGRIND 1
#endif
#endif

enum { STACK_BYTES = 1 << 20 };

enum fiber_state { FIBER_READY = 1, FIBER_WAITING = 2, FIBER_SLEEPING = 3, FIBER_DONE = 4 };

/* A place that control can go to: a fiber, or the scheduler. */
struct place {
    ucontext_t context;
    void *stack; /* for sanitizers */
    size_t stack_bytes;
    void *fake_stack;
    void *tsan_fiber;
};

struct fiber {
    struct place place;
    struct sim *sim;
    struct sim_process *process;
    void (*body)(void *context);
    void *context;
    enum fiber_state state;
    int64_t wake_ns; /* INT64_MAX: by fibers_wake alone */
    uint8_t *memory;
    unsigned valgrind_stack;
};

struct sim_fibers {
    struct fiber **fiber;
    size_t count;
    size_t capacity;
    struct fiber *current; /* NULL outside of all */
    struct place scheduler;
    uint8_t **spare; /* stacks to use again */
    size_t spare_count;
    size_t spare_capacity;
    bool deadlocked;
};

struct sim_mutex {
    struct io_mutex base;
    bool locked;
};

struct sim_signal {
    struct io_signal base;
    size_t count; /* sets that no wait took yet */
};

/* ---- changing stacks ------------------------------------------------------------------------- */

static _Thread_local struct fiber *starting;

static void change_place(struct place *from, struct place *to, bool for_ever)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(for_ever ? NULL : &from->fake_stack, to->stack, to->stack_bytes);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    (void)for_ever;
    int error = swapcontext(&from->context, &to->context);
    core_assert(error == 0);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

static void fiber_main(void)
{
    struct fiber *fiber = starting;
    struct sim_fibers *fibers = fiber->sim->fibers;
#ifdef FIBER_ASAN
    const void *stack;
    __sanitizer_finish_switch_fiber(NULL, &stack, &fibers->scheduler.stack_bytes);
    fibers->scheduler.stack = (void *)(uintptr_t)stack;
#endif
    fiber->body(fiber->context);
    fiber->state = FIBER_DONE;
    change_place(&fiber->place, &fibers->scheduler, true);
}

static void leave_fiber(struct sim *sim)
{
    struct fiber *fiber = sim->fibers->current;
    change_place(&fiber->place, &sim->fibers->scheduler, false);
}

static void enter_fiber(struct sim *sim, struct fiber *fiber)
{
    struct sim_fibers *fibers = sim->fibers;
#ifdef FIBER_TSAN
    fibers->scheduler.tsan_fiber = __tsan_get_current_fiber();
#endif
    fibers->current = fiber;
    starting = fiber;
    change_place(&fibers->scheduler, &fiber->place, false);
    fibers->current = NULL;
}

/* ---- making and freeing ---------------------------------------------------------------------- */

void sim_spawn(struct sim *sim, struct io *io, void (*body)(void *context), void *context)
{
    if (sim->fibers == NULL)
        sim->fibers = sim_alloc(sizeof *sim->fibers);
    struct sim_fibers *fibers = sim->fibers;
    struct fiber *fiber = sim_alloc(sizeof *fiber);
    fiber->sim = sim;
    fiber->process = process_of(io);
    fiber->body = body;
    fiber->context = context;
    fiber->state = FIBER_READY;
    fiber->memory = fibers->spare_count > 0 ? fibers->spare[--fibers->spare_count]
                                            : sim_resize(NULL, STACK_BYTES);

    int error = getcontext(&fiber->place.context);
    core_assert(error == 0);
    fiber->place.stack = fiber->memory;
    fiber->place.stack_bytes = STACK_BYTES;
    fiber->place.context.uc_stack.ss_sp = fiber->memory;
    fiber->place.context.uc_stack.ss_size = STACK_BYTES;
    fiber->place.context.uc_link = NULL;
    makecontext(&fiber->place.context, fiber_main, 0);
#ifdef FIBER_TSAN
    fiber->place.tsan_fiber = __tsan_create_fiber(0);
#endif
#ifdef FIBER_VALGRIND
    fiber->valgrind_stack = VALGRIND_STACK_REGISTER(fiber->memory, fiber->memory + STACK_BYTES);
#endif
    SIM_GROW(fibers->fiber, fibers->count, fibers->capacity);
    fibers->fiber[fibers->count++] = fiber;
}

static void fiber_free(struct sim_fibers *fibers, struct fiber *fiber)
{
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(fiber->place.tsan_fiber);
#endif
#ifdef FIBER_VALGRIND
    VALGRIND_STACK_DEREGISTER(fiber->valgrind_stack);
#endif
    SIM_GROW(fibers->spare, fibers->spare_count, fibers->spare_capacity);
    fibers->spare[fibers->spare_count++] = fiber->memory;
    free(fiber);
}

void fibers_free(struct sim *sim)
{
    struct sim_fibers *fibers = sim->fibers;
    if (fibers == NULL)
        return;
    for (size_t i = 0; i < fibers->count; i++) /* spawned and never run */
        fiber_free(fibers, fibers->fiber[i]);
    for (size_t i = 0; i < fibers->spare_count; i++)
        free(fibers->spare[i]);
    free(fibers->spare);
    free(fibers->fiber);
    free(fibers);
    sim->fibers = NULL;
}

/* ---- waiting --------------------------------------------------------------------------------- */

bool fiber_is_inside(const struct sim *sim)
{
    return sim->fibers != NULL && sim->fibers->current != NULL;
}

bool fiber_wait(struct sim *sim, int64_t deadline_ns)
{
    if (!fiber_is_inside(sim)) {
        if (deadline_ns == INT64_MAX)
            return false; /* nobody else runs, so nothing would change */
        if (sim->monotonic_ns < deadline_ns)
            sim->monotonic_ns = deadline_ns;
        return true;
    }
    struct fiber *fiber = sim->fibers->current;
    fiber->state = FIBER_WAITING;
    fiber->wake_ns = deadline_ns;
    leave_fiber(sim);
    return true;
}

void fiber_sleep(struct sim *sim, int64_t until_ns)
{
    if (!fiber_is_inside(sim)) {
        if (sim->monotonic_ns < until_ns)
            sim->monotonic_ns = until_ns;
        return;
    }
    struct fiber *fiber = sim->fibers->current;
    fiber->state = FIBER_SLEEPING;
    fiber->wake_ns = until_ns;
    leave_fiber(sim);
}

void fibers_wake(struct sim *sim)
{
    if (sim->fibers == NULL)
        return;
    for (size_t i = 0; i < sim->fibers->count; i++) {
        struct fiber *fiber = sim->fibers->fiber[i];
        if (fiber->state == FIBER_WAITING ||
            (fiber->state == FIBER_SLEEPING && fiber->process->dead))
            fiber->state = FIBER_READY;
    }
}

void sim_yield(struct sim *sim)
{
    if (fiber_is_inside(sim))
        leave_fiber(sim);
}

void fibers_hand_over(struct sim *sim)
{
    if (sim->options.switch_always && fiber_is_inside(sim) && random_coin(&sim->random))
        leave_fiber(sim);
}

/* ---- the scheduler --------------------------------------------------------------------------- */

static void forget_done(struct sim_fibers *fibers)
{
    size_t kept = 0;
    for (size_t i = 0; i < fibers->count; i++) {
        if (fibers->fiber[i]->state == FIBER_DONE)
            fiber_free(fibers, fibers->fiber[i]);
        else
            fibers->fiber[kept++] = fibers->fiber[i];
    }
    fibers->count = kept;
}

static size_t count_ready(struct sim *sim)
{
    size_t ready = 0;
    for (size_t i = 0; i < sim->fibers->count; i++) {
        struct fiber *fiber = sim->fibers->fiber[i];
        if (fiber->state != FIBER_READY && fiber->wake_ns <= sim->monotonic_ns)
            fiber->state = FIBER_READY;
        ready += fiber->state == FIBER_READY;
    }
    return ready;
}

static struct fiber *pick_ready(struct sim *sim, size_t ready)
{
    size_t pick = (size_t)random_below(&sim->random, ready);
    for (size_t i = 0;; i++) {
        if (sim->fibers->fiber[i]->state == FIBER_READY && pick-- == 0)
            return sim->fibers->fiber[i];
    }
}

static bool jump_clock(struct sim *sim)
{
    int64_t first_ns = INT64_MAX;
    for (size_t i = 0; i < sim->fibers->count; i++) {
        if (sim->fibers->fiber[i]->wake_ns < first_ns)
            first_ns = sim->fibers->fiber[i]->wake_ns;
    }
    if (first_ns == INT64_MAX)
        return false;
    sim->monotonic_ns = first_ns;
    return true;
}

static void break_deadlock(struct sim *sim)
{
    struct sim_fibers *fibers = sim->fibers;
    fprintf(stderr, "simulator: %zu fibers wait for ever\n", fibers->count);
    fibers->deadlocked = true;
    for (size_t i = 0; i < fibers->count; i++) {
        process_die(fibers->fiber[i]->process);
        fibers->fiber[i]->state = FIBER_READY;
    }
}

bool sim_run(struct sim *sim)
{
    struct sim_fibers *fibers = sim->fibers;
    if (fibers == NULL)
        return true;
    core_assert(fibers->current == NULL);
    fibers->deadlocked = false;
    while (fibers->count > 0) {
        size_t ready = count_ready(sim);
        if (ready == 0) {
            if (!jump_clock(sim))
                break_deadlock(sim);
            continue;
        }
        enter_fiber(sim, pick_ready(sim, ready));
        forget_done(fibers);
    }
    return !fibers->deadlocked;
}

/* ---- mutexes --------------------------------------------------------------------------------- */

int sim_mutex_new(struct io_mutex **out, struct io *io)
{
    (void)io;
    struct sim_mutex *mutex = calloc(1, sizeof *mutex);
    if (mutex == NULL)
        return -ENOMEM;
    *out = &mutex->base;
    return 0;
}

void sim_mutex_free(struct io_mutex *base)
{
    free(base);
}

bool sim_mutex_lock_until(struct io_mutex *base, int64_t deadline_ns)
{
    struct sim_mutex *mutex = (struct sim_mutex *)base;
    struct sim_process *process = process_of(base->io);
    struct sim *sim = process->sim;
    sim_pass(process);
    while (mutex->locked) {
        bool inside = fiber_is_inside(sim);
        if (process->dead && (!inside || sim->fibers->deadlocked))
            return true;
        if (deadline_ns <= sim->monotonic_ns)
            return false;
        bool can_wait = fiber_wait(sim, deadline_ns);
        core_assert(can_wait); /* else the caller waits for itself */
    }
    mutex->locked = true;
    return true;
}

void sim_mutex_lock(struct io_mutex *mutex)
{
    bool locked = sim_mutex_lock_until(mutex, INT64_MAX);
    core_assert(locked);
}

void sim_mutex_unlock(struct io_mutex *base)
{
    struct sim_mutex *mutex = (struct sim_mutex *)base;
    struct sim_process *process = process_of(base->io);
    core_assert(mutex->locked || process->dead);
    mutex->locked = false;
    fibers_wake(process->sim);
    sim_pass(process);
}

/* ---- signals --------------------------------------------------------------------------------- */

int sim_signal_new(struct io_signal **out, struct io *io)
{
    (void)io;
    struct sim_signal *signal = calloc(1, sizeof *signal);
    if (signal == NULL)
        return -ENOMEM;
    *out = &signal->base;
    return 0;
}

void sim_signal_free(struct io_signal *base)
{
    free(base);
}

void sim_signal_set(struct io_signal *base)
{
    struct sim_signal *signal = (struct sim_signal *)base;
    struct sim_process *process = process_of(base->io);
    signal->count++;
    fibers_wake(process->sim);
}

bool sim_signal_wait_until(struct io_signal *base, int64_t deadline_ns)
{
    struct sim_signal *signal = (struct sim_signal *)base;
    struct sim_process *process = process_of(base->io);
    struct sim *sim = process->sim;
    sim_pass(process);
    while (signal->count == 0) {
        bool inside = fiber_is_inside(sim);
        if (process->dead && (!inside || sim->fibers->deadlocked))
            return true;
        if (deadline_ns <= sim->monotonic_ns)
            return false;
        bool can_wait = fiber_wait(sim, deadline_ns);
        core_assert(can_wait); /* else nobody is there to set it */
    }
    signal->count--;
    return true;
}
