/*
 * io_posix_threads.c -- the real system: what threads of a process wait for, and threads of the engine's own.
 *
 * Threads sleep at words (futex(2)): who wakes one holds nothing by then that the woken thread needs, as it does
 * with a condition variable. A wait is for a time, and looks at the clock of deadlines (P3) again afterwards.
 *
 * T1  A mutex goes to who waits longest, but that threads which run may take it until that one is awake; one that
 *     woke to find it taken has it handed over. pthread mutexes let threads wait for ever, and handing it over
 *     to a thread that is still asleep lets those that are awake wait for it.
 * T2  Who was told by a signal may free it, and a waiter may be gone once the guard is let go: from then on its word is
 *     an address to wake at, which the system does not look into.
 */
#define _GNU_SOURCE
#include "io_impl.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct posix_mutex {
    struct io_mutex base;
    pthread_mutex_t guard; /* guards what follows; held for a moment only */
    bool locked;
    struct waiter *first;
    struct waiter **end;
};

/* ---- sleep ----------------------------------------------------------------------------------- */

/* While the word is `seen`, until it is woken, the deadline has come, or for no reason. */
static void sleep_at(const void *word, uint32_t seen, int64_t deadline_ns)
{
    struct timespec left;
    if (deadline_ns != INT64_MAX) {
        int64_t left_ns = deadline_ns - io_posix_clock_ns(CLOCK_BOOTTIME);
        if (left_ns <= 0)
            return;
        left = io_posix_timespec(left_ns);
    }
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, deadline_ns != INT64_MAX ? &left : NULL,
            NULL, 0);
}

static void wake_at(const void *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- mutexes --------------------------------------------------------------------------------- */

/* A thread that waits, on its own stack. Guarded by the mutex's guard, but that it sleeps at its word without. */
struct waiter {
    struct waiter *next;
    _Atomic uint32_t looks; /* 1: woken, as the mutex was free */
    bool was_passed;        /* it was not any more: the next time it is handed over */
    bool given;             /* the mutex is its own now */
};

int io_posix_mutex_new(struct io_mutex **out, struct io *io)
{
    (void)io;
    struct posix_mutex *mutex = calloc(1, sizeof *mutex);
    if (mutex == NULL)
        return -ENOMEM;
    int error = pthread_mutex_init(&mutex->guard, NULL);
    if (error != 0) {
        free(mutex);
        return -error;
    }
    mutex->end = &mutex->first;
    *out = &mutex->base;
    return 0;
}

void io_posix_mutex_free(struct io_mutex *base)
{
    struct posix_mutex *mutex = (struct posix_mutex *)base;
    pthread_mutex_destroy(&mutex->guard);
    free(mutex);
}

static void guard_lock(struct posix_mutex *mutex)
{
    int error = pthread_mutex_lock(&mutex->guard);
    core_assert(error == 0);
}

static void guard_unlock(struct posix_mutex *mutex)
{
    int error = pthread_mutex_unlock(&mutex->guard);
    core_assert(error == 0);
}

static void waiter_leave(struct posix_mutex *mutex, const struct waiter *waiter)
{
    struct waiter **at = &mutex->first;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    if (waiter->next == NULL)
        mutex->end = at;
}

/* In the queue, until it has the mutex (and left the queue) or the deadline has come. */
static bool waiter_wait(struct posix_mutex *mutex, struct waiter *waiter, int64_t deadline_ns)
{
    for (;;) {
        bool is_late = false;
        while (atomic_load(&waiter->looks) == 0 && !is_late) {
            guard_unlock(mutex);
            sleep_at(&waiter->looks, 0, deadline_ns);
            is_late = deadline_ns <= io_posix_clock_ns(CLOCK_BOOTTIME);
            guard_lock(mutex);
        }
        if (waiter->given)
            return true;
        bool was_told = atomic_load(&waiter->looks) != 0;
        if (was_told && !mutex->locked) {
            waiter_leave(mutex, waiter);
            return true;
        }
        waiter->was_passed = true;
        atomic_store(&waiter->looks, 0);
        if (was_told)
            continue;
        waiter_leave(mutex, waiter);
        return false;
    }
}

bool io_posix_mutex_lock_until(struct io_mutex *base, int64_t deadline_ns)
{
    struct posix_mutex *mutex = (struct posix_mutex *)base;
    guard_lock(mutex);
    bool locked = !mutex->locked;
    if (!locked && deadline_ns > 0) {
        struct waiter waiter = { 0 };
        *mutex->end = &waiter;
        mutex->end = &waiter.next;
        locked = waiter_wait(mutex, &waiter, deadline_ns);
    }
    mutex->locked = mutex->locked || locked;
    guard_unlock(mutex);
    return locked;
}

void io_posix_mutex_lock(struct io_mutex *mutex)
{
    bool locked = io_posix_mutex_lock_until(mutex, INT64_MAX);
    core_assert(locked);
}

void io_posix_mutex_unlock(struct io_mutex *base)
{
    struct posix_mutex *mutex = (struct posix_mutex *)base;
    guard_lock(mutex);
    core_assert(mutex->locked);
    struct waiter *first = mutex->first;
    mutex->locked = false;
    const void *word = NULL;
    if (first != NULL) {
        if (first->was_passed) { /* it stays locked, and changes hands */
            waiter_leave(mutex, first);
            mutex->locked = first->given = true;
        }
        /* Else it was woken before, and is about to look. */
        if (atomic_exchange(&first->looks, 1) == 0)
            word = &first->looks;
    }
    guard_unlock(mutex);
    if (word != NULL)
        wake_at(word); /* T2 */
}

/* ---- signals, threads ------------------------------------------------------------------------ */

/* One word, so that who sets it touches it once only (T2). */
struct posix_signal {
    struct io_signal base;
    _Atomic uint64_t state; /* sets that no wait took yet, and SLEEPER where one sleeps, or will */
};

enum { COUNT_BITS = 32 };
#define SLEEPER (UINT64_C(1) << COUNT_BITS)

int io_posix_signal_new(struct io_signal **out, struct io *io)
{
    (void)io;
    struct posix_signal *signal = calloc(1, sizeof *signal);
    if (signal == NULL)
        return -ENOMEM;
    *out = &signal->base;
    return 0;
}

void io_posix_signal_free(struct io_signal *base)
{
    free((struct posix_signal *)base);
}

void io_posix_signal_set(struct io_signal *base)
{
    struct posix_signal *signal = (struct posix_signal *)base;
    const void *word = &signal->state; /* its lower half: a supported machine is little-endian */
    if (atomic_fetch_add(&signal->state, 1) >= SLEEPER)
        wake_at(word);
}

bool io_posix_signal_wait_until(struct io_signal *base, int64_t deadline_ns)
{
    struct posix_signal *signal = (struct posix_signal *)base;
    uint64_t state = atomic_load(&signal->state);
    bool is_late = deadline_ns <= 0;
    for (;;) {
        uint64_t next = state | SLEEPER;
        if ((uint32_t)state > 0)
            next = (uint32_t)state - 1;
        else if (is_late)
            next = 0;
        if (!atomic_compare_exchange_weak(&signal->state, &state, next))
            continue;
        if (next < SLEEPER)
            return (uint32_t)state > 0;
        sleep_at(&signal->state, 0, deadline_ns);
        is_late = deadline_ns <= io_posix_clock_ns(CLOCK_BOOTTIME);
        state = atomic_load(&signal->state);
    }
}

struct posix_thread {
    struct io_thread base;
    pthread_t thread;
    void (*run)(void *context);
    void *context;
};

static void *thread_main(void *argument)
{
    struct posix_thread *thread = argument;
    thread->run(thread->context);
    return NULL;
}

int io_posix_thread_start(struct io_thread **out, struct io *io, void (*run)(void *context),
                          void *context)
{
    (void)io;
    struct posix_thread *thread = calloc(1, sizeof *thread);
    sigset_t all, before;
    if (thread == NULL)
        return -ENOMEM;
    thread->run = run;
    thread->context = context;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's handlers run in its own threads */
    int error = pthread_create(&thread->thread, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(thread);
        return -error;
    }
    *out = &thread->base;
    return 0;
}

void io_posix_thread_join(struct io_thread *base)
{
    struct posix_thread *thread = (struct posix_thread *)base;
    pthread_join(thread->thread, NULL);
    free(thread);
}
