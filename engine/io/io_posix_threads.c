/*
 * io_posix_threads.c -- the real system: what threads of a process wait for, and threads of the engine's own.
 *
 * No pthread call waits on io_monotonic_ns (P3), so a deadline is turned into one of CLOCK_MONOTONIC, and
 * looked at again afterwards.
 *
 * T1  A mutex goes to who waits longest, but that threads which run may take it until that one is awake; one that
 *     woke to find it taken has it handed over. pthread mutexes let threads wait for ever, and handing it over
 *     to a thread that is still asleep lets those that are awake wait for it. (pthreads also know no monotonic deadline that
 *     thread sanitizers understand.)
 * T2  Who was told by a signal may free it: nothing of it is touched once its guard is let go.
 */
#define _GNU_SOURCE
#include "io_impl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct posix_mutex {
    struct io_mutex base;
    pthread_mutex_t guard; /* guards what follows; held for a moment only */
    bool locked;
    struct waiter *first;
    struct waiter **end;
};

/* ---- mutexes --------------------------------------------------------------------------------- */

/* A thread that waits, on its own stack. Guarded by the mutex's guard. */
struct waiter {
    struct waiter *next;
    pthread_cond_t woken;
    bool looks;      /* the mutex was free: it may take it, where nobody else did meanwhile */
    bool was_passed; /* somebody did: the next time it is handed over */
    bool given;      /* the mutex is its own now */
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

static void woken_init(pthread_cond_t *woken)
{
    pthread_condattr_t monotonic;
    int error = pthread_condattr_init(&monotonic);
    core_assert(error == 0);
    error = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    core_assert(error == 0);
    error = pthread_cond_init(woken, &monotonic);
    core_assert(error == 0);
    pthread_condattr_destroy(&monotonic);
}

/* Until *is_woken, which the guard guards, or the deadline. */
static void woken_wait(pthread_cond_t *woken, pthread_mutex_t *guard, const bool *is_woken,
                       int64_t deadline_ns)
{
    while (!*is_woken) {
        if (deadline_ns == INT64_MAX) {
            pthread_cond_wait(woken, guard);
            continue;
        }
        int64_t left_ns = deadline_ns - io_posix_clock_ns(CLOCK_BOOTTIME);
        if (left_ns <= 0)
            return;
        struct timespec until =
            io_posix_timespec(saturating_add_i64(io_posix_clock_ns(CLOCK_MONOTONIC), left_ns));
        pthread_cond_timedwait(woken, guard, &until);
    }
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
        woken_wait(&waiter->woken, &mutex->guard, &waiter->looks, deadline_ns);
        if (waiter->given)
            return true;
        bool was_told = waiter->looks;
        if (was_told && !mutex->locked) {
            waiter_leave(mutex, waiter);
            return true;
        }
        waiter->was_passed = true;
        waiter->looks = false;
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
        woken_init(&waiter.woken);
        *mutex->end = &waiter;
        mutex->end = &waiter.next;
        locked = waiter_wait(mutex, &waiter, deadline_ns);
        pthread_cond_destroy(&waiter.woken);
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
    if (first != NULL) {
        if (first->was_passed) { /* it stays locked, and changes hands */
            waiter_leave(mutex, first);
            mutex->locked = first->given = true;
        }
        first->looks = true;
        pthread_cond_signal(&first->woken);
    }
    guard_unlock(mutex);
}

/* ---- signals, threads ------------------------------------------------------------------------ */

struct posix_signal {
    struct io_signal base;
    pthread_mutex_t guard;
    pthread_cond_t woken;
    size_t count; /* sets that no wait took yet */
    bool is_set;  /* there are some */
};

int io_posix_signal_new(struct io_signal **out, struct io *io)
{
    (void)io;
    struct posix_signal *signal = calloc(1, sizeof *signal);
    if (signal == NULL)
        return -ENOMEM;
    int error = pthread_mutex_init(&signal->guard, NULL);
    if (error != 0) {
        free(signal);
        return -error;
    }
    woken_init(&signal->woken);
    *out = &signal->base;
    return 0;
}

void io_posix_signal_free(struct io_signal *base)
{
    struct posix_signal *signal = (struct posix_signal *)base;
    pthread_cond_destroy(&signal->woken);
    pthread_mutex_destroy(&signal->guard);
    free(signal);
}

void io_posix_signal_set(struct io_signal *base)
{
    struct posix_signal *signal = (struct posix_signal *)base;
    pthread_mutex_lock(&signal->guard);
    signal->count++;
    signal->is_set = true;
    pthread_cond_signal(&signal->woken); /* under the guard: who is woken may free the signal */
    pthread_mutex_unlock(&signal->guard);
}

bool io_posix_signal_wait_until(struct io_signal *base, int64_t deadline_ns)
{
    struct posix_signal *signal = (struct posix_signal *)base;
    pthread_mutex_lock(&signal->guard);
    if (deadline_ns > 0)
        woken_wait(&signal->woken, &signal->guard, &signal->is_set, deadline_ns);
    bool was_set = signal->is_set;
    signal->count -= was_set;
    signal->is_set = signal->count > 0;
    pthread_mutex_unlock(&signal->guard);
    return was_set;
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
