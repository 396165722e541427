/*
 * store_worker.c -- the threads of a handle: one makes buffered commits durable, one flushes, one makes log files ahead.
 *
 *     commit, buffered ──> line of its shard ──> the next leader's group: a durable commit's, or
 *                                                that of the thread here
 *
 * Each is started when it is first needed and ends with the handle. Where there are no threads
 * (simulated), a commit flushes itself and makes its log files, and buffered commits wait for a durable one, for who
 * waits for them (holter_sync, holter_wait_durable) or for holter_close.
 *
 *   B1  Buffered commits count in the order that they were accepted in: those up to
 *       holter_durable() are on the disk, whatever shards they went to.
 */
#include "store/store_impl.h"

#include <stdlib.h>

/* Between tries to write what could not be written. */
#define RETRY_NS INT64_C(200000000)

/* A buffered commit that is not durable in all of its shards yet. */
struct buffered_commit {
    struct buffered_commit *next;
    holter_store *store;
    uint64_t number;
    size_t bytes, writes_left;
    bool has_ended;       /* its writes are all of them */
    holter_status status; /* why a part of it is lost */
};

/*
 * A call that waits until the buffered commits up to a number are durable, or a try failed that began after the call.
 * Whoever finds one of both takes it out of the list and then sets its signal.
 */
struct buffered_wait {
    struct buffered_wait *next;
    uint64_t number, after_try;
    struct io_signal *signal;
    holter_error error; /* why it failed */
    bool is_over;
};

/* ---- threads --------------------------------------------------------------------------------- */

static void run_worker(void *argument)
{
    struct store_worker *worker = argument;
    while (!atomic_load(&worker->stops)) { /* its work may have taken the set that says so */
        io_signal_wait_until(worker->signal, INT64_MAX);
        atomic_store(&worker->is_told, false);
        worker->work(worker->store);
    }
}

holter_status store_worker_init(struct store_worker *worker, holter_store *store,
                                void (*work)(holter_store *store), holter_error *err)
{
    worker->store = store;
    worker->work = work;
    return io_signal_new(&worker->signal, store->io, err);
}

bool store_worker_tell(struct store_worker *worker)
{
    holter_store *store = worker->store;
    io_mutex_lock(store->buffered.mutex);
    if (worker->thread == NULL && !worker->is_refused)
        worker->is_refused =
            io_thread_start(&worker->thread, store->io, run_worker, worker, NULL) != HOLTER_OK;
    bool is_there = worker->thread != NULL;
    io_mutex_unlock(store->buffered.mutex);
    if (is_there && !atomic_exchange(&worker->is_told, true))
        io_signal_set(worker->signal);
    return is_there;
}

static void stop_worker(struct store_worker *worker)
{
    if (worker->signal == NULL)
        return;
    atomic_store(&worker->stops, true);
    io_signal_set(worker->signal);
    io_thread_join(worker->thread);
    io_signal_free(worker->signal);
}

void store_workers_stop(holter_store *store)
{
    stop_worker(&store->flusher);
    stop_worker(&store->syncer);
    stop_worker(&store->preparer);
}

/* ---- flush ----------------------------------------------------------------------------------- */

/* Shards are only ever added. */
static struct shard *shard_at(holter_store *store, size_t *region, size_t *index)
{
    struct shard *found = NULL;
    io_mutex_lock(store->mutex);
    while (found == NULL && *region < store->region_count) {
        if (*index >= store->regions[*region].shard_count) {
            ++*region;
            *index = 0;
            continue;
        }
        found = store->regions[*region].shards[(*index)++];
    }
    io_mutex_unlock(store->mutex);
    return found;
}

bool store_drop_spares(holter_store *store)
{
    size_t region = 0;
    size_t index = 0;
    bool has_any = false;
    for (struct shard *shard; (shard = shard_at(store, &region, &index)) != NULL;)
        has_any = shard_drop_spare(shard) || has_any;
    return has_any;
}

/* One that fails is tried again after a later commit, and by holter_flush, which tells why. */
void store_flush_due(holter_store *store)
{
    size_t region = 0;
    size_t index = 0;
    for (struct shard *shard; (shard = shard_at(store, &region, &index)) != NULL;) {
        if (!atomic_load(&store->flusher.stops) && shard_flush_due(shard) != SHARD_FLUSH_NOT_DUE &&
            shard_flush(NULL, shard, false, NULL) == HOLTER_NO_SPACE)
            store_drop_spares(store);
    }
}

void store_make_spares(holter_store *store)
{
    size_t region = 0;
    size_t index = 0;
    for (struct shard *shard; (shard = shard_at(store, &region, &index)) != NULL;) {
        if (!atomic_load(&store->preparer.stops))
            shard_make_spare(shard, &store->preparer.stops);
    }
}

/* ---- buffered commits ------------------------------------------------------------------------ */

static void commit_append(struct store_buffered *all, struct buffered_commit *one)
{
    one->number = ++all->accepted;
    if (all->first == NULL)
        all->first = one;
    else
        all->last->next = one;
    all->last = one;
}

holter_status store_buffered_add(struct buffered_commit **commit, holter_store *store, size_t bytes,
                                 size_t writes, holter_error *err)
{
    struct store_buffered *all = &store->buffered;
    struct buffered_commit *one = *commit != NULL ? *commit : calloc(1, sizeof *one);
    if (one == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for a buffered commit");
    one->store = store;
    io_mutex_lock(all->mutex);
    size_t waiting = all->bytes;
    bool has_room =
        waiting == 0 || (waiting < all->bytes_max && bytes <= all->bytes_max - waiting);
    if (has_room && *commit == NULL)
        commit_append(all, one);
    if (has_room) {
        all->bytes += bytes;
        all->writes_left += writes;
        one->bytes += bytes;
        one->writes_left += writes;
    }
    io_mutex_unlock(all->mutex);
    if (has_room) {
        *commit = one;
        return HOLTER_OK;
    }
    if (*commit == NULL)
        free(one);
    return error_set(err, HOLTER_BUSY,
                     "%zu bytes of buffered commits wait for the disk, of %zu at most", waiting,
                     all->bytes_max);
}

/* Under the mutex: out of the list, to be ended by end_waits. */
static void take_wait(struct buffered_wait **at, struct buffered_wait **taken)
{
    struct buffered_wait *one = *at;
    *at = one->next;
    one->next = *taken;
    one->is_over = true;
    *taken = one;
}

/* Without the mutex. A wait is gone once its signal is set. */
static void end_waits(struct buffered_wait *taken)
{
    while (taken != NULL) {
        struct io_signal *signal = taken->signal;
        taken = taken->next;
        io_signal_set(signal);
    }
}

/* Under the mutex: what is durable goes, in order (B1). */
static void settle_commits(struct store_buffered *all, struct buffered_wait **taken)
{
    while (all->first != NULL && all->first->has_ended && all->first->writes_left == 0) {
        struct buffered_commit *done = all->first;
        all->first = done->next;
        all->bytes -= done->bytes;
        all->durable = done->number;
        if (done->status != HOLTER_OK) {
            size_t at = all->lost_count++ % STORE_LOST_MAX;
            all->lost[at].number = done->number;
            all->lost[at].why = done->status;
        }
        free(done);
    }
    while (all->waits != NULL && all->waits->number <= all->durable)
        take_wait(&all->waits, taken);
}

uint64_t store_buffered_end(struct buffered_commit *commit)
{
    struct store_buffered *all = &commit->store->buffered;
    struct buffered_wait *taken = NULL;
    uint64_t number = commit->number;
    io_mutex_lock(all->mutex);
    commit->has_ended = true;
    settle_commits(all, &taken);
    io_mutex_unlock(all->mutex);
    end_waits(taken);
    return number;
}

void store_buffered_written(void *context, holter_status status)
{
    struct buffered_commit *commit = context;
    struct store_buffered *all = &commit->store->buffered;
    struct buffered_wait *taken = NULL;
    io_mutex_lock(all->mutex);
    if (commit->status == HOLTER_OK)
        commit->status = status;
    commit->writes_left--;
    all->writes_left--;
    settle_commits(all, &taken);
    io_mutex_unlock(all->mutex);
    end_waits(taken);
}

void store_buffered_release(struct store_buffered *all)
{
    while (all->first != NULL) {
        struct buffered_commit *one = all->first;
        all->first = one->next;
        free(one);
    }
    io_queue_close(all->queue);
    io_signal_free(all->signal);
    io_mutex_free(all->mutex);
}

/* Empty writes stand behind what was left in line, in every shard. */
static holter_status make_writes(struct store_writes *all, holter_error *err)
{
    size_t region = 0;
    size_t index = 0;
    size_t capacity = 0;
    void *at = NULL;
    for (struct shard *shard; (shard = shard_at(all->store, &region, &index)) != NULL;) {
        if (!shard_write_is_left(shard))
            continue;
        bool has_memory = core_grow(&at, &capacity, all->count + 1, sizeof *all->at);
        all->at = at;
        if (!has_memory)
            return error_set(err, HOLTER_NO_MEMORY, "no memory to sync buffered commits");
        all->at[all->count] = (struct store_write){ .shard = shard };
        holter_status status = shard_write_new(&all->at[all->count].write, shard, err);
        if (status != HOLTER_OK)
            return status;
        all->count++;
    }
    return HOLTER_OK;
}

/* Write what was left in line, of all shards at once, by a queue and a signal that nobody else uses. */
static holter_status sync_shards(holter_store *store, struct io_queue *queue,
                                 struct io_signal *signal, holter_error *err)
{
    struct store_writes all = { .store = store, .queue = queue, .signal = signal, .err = err };
    holter_status status = make_writes(&all, err);
    if (status == HOLTER_OK) {
        store_writes_end(&all);
        status = all.status;
    } else {
        for (size_t i = 0; i < all.count; i++)
            shard_write_abort(all.at[i].write);
    }
    free(all.at);
    return status;
}

static bool has_writes_left(struct store_buffered *all)
{
    io_mutex_lock(all->mutex);
    bool has = all->writes_left > 0;
    io_mutex_unlock(all->mutex);
    return has;
}

/* Whoever waited when a try began learns why it failed. */
static void fail_waits(struct store_buffered *all, uint64_t failed_try, const holter_error *error)
{
    struct buffered_wait *taken = NULL;
    io_mutex_lock(all->mutex);
    for (struct buffered_wait **at = &all->waits; *at != NULL;) {
        struct buffered_wait *one = *at;
        if (one->after_try >= failed_try) {
            at = &one->next;
            continue;
        }
        one->error = *error;
        take_wait(at, &taken);
    }
    io_mutex_unlock(all->mutex);
    end_waits(taken);
}

/* One try of the thread's. */
static holter_status try_to_sync(holter_store *store)
{
    struct store_buffered *all = &store->buffered;
    holter_error one = { 0 };
    holter_status status = HOLTER_OK;
    io_mutex_lock(all->mutex);
    uint64_t number = ++all->tries;
    io_mutex_unlock(all->mutex);
    if (all->queue == NULL)
        status = io_queue_open(&all->queue, store->io, IO_QUEUE_DEPTH_MAX, &one);
    if (status == HOLTER_OK && all->signal == NULL)
        status = io_signal_new(&all->signal, store->io, &one);
    if (status == HOLTER_OK)
        status = sync_shards(store, all->queue, all->signal, &one);
    core_assert(status == one.status); /* who waits is told by it */
    if (status != HOLTER_OK)
        fail_waits(all, number, &one);
    return status;
}

void store_sync_buffered(holter_store *store)
{
    struct store_worker *syncer = &store->syncer;
    while (has_writes_left(&store->buffered) && !atomic_load(&syncer->stops)) {
        if (try_to_sync(store) == HOLTER_OK)
            continue;
        io_signal_wait_until(syncer->signal,
                             saturating_add_i64(io_monotonic_ns(store->io), RETRY_NS));
        atomic_store(&syncer->is_told, false);
    }
}

/* Where there is no thread that does. */
static holter_status sync_here(holter_store *store, holter_error *err)
{
    struct io_queue *queue = NULL;
    struct io_signal *signal = NULL;
    holter_status status = io_queue_open(&queue, store->io, IO_QUEUE_DEPTH_MAX, err);
    if (status == HOLTER_OK)
        status = io_signal_new(&signal, store->io, err);
    if (status == HOLTER_OK)
        status = sync_shards(store, queue, signal, err);
    io_signal_free(signal);
    io_queue_close(queue);
    return status;
}

/* False: what it waits for is durable already. */
static bool begin_wait(struct store_buffered *all, struct buffered_wait *wait)
{
    io_mutex_lock(all->mutex);
    bool begins = wait->number > all->durable;
    if (begins) {
        struct buffered_wait **at = &all->waits;
        while (*at != NULL && (*at)->number <= wait->number)
            at = &(*at)->next;
        wait->after_try = all->tries;
        wait->next = *at;
        *at = wait;
    }
    io_mutex_unlock(all->mutex);
    return begins;
}

/* It waited for long enough. False: it is over, and its signal was set. */
static bool leave_wait(struct store_buffered *all, struct buffered_wait *wait)
{
    io_mutex_lock(all->mutex);
    bool leaves = !wait->is_over;
    struct buffered_wait **at = &all->waits;
    while (leaves && *at != wait)
        at = &(*at)->next;
    if (leaves)
        *at = wait->next;
    io_mutex_unlock(all->mutex);
    if (!leaves) /* or is about to be */
        io_signal_wait_until(wait->signal, INT64_MAX);
    return leaves;
}

/*
 * The thread makes a try, which bounds its own waiting for locks and says who holds them. Where there is none the caller
 * does, and then only waits for another one that writes some of them, too.
 */
static holter_status wait_durable(holter_store *store, uint64_t number, holter_error *err)
{
    struct store_buffered *all = &store->buffered;
    struct buffered_wait wait = { .number = number };
    holter_error here = { .status = HOLTER_OK };
    int64_t deadline = INT64_MAX;
    holter_status status = io_signal_new(&wait.signal, store->io, err);
    if (status != HOLTER_OK || !begin_wait(all, &wait)) {
        io_signal_free(wait.signal);
        return status;
    }
    if (!store_worker_tell(&store->syncer)) {
        status = sync_here(store, &here);
        deadline = status != HOLTER_OK ? 0
                                       : saturating_add_i64(io_monotonic_ns(store->io),
                                                            store->lock_wait_ns);
    }
    bool is_over = io_signal_wait_until(wait.signal, deadline) || !leave_wait(all, &wait);
    if (is_over)
        here = wait.error;
    else if (here.status == HOLTER_OK)
        error_set(&here, HOLTER_BUSY, "buffered commits are being written");
    io_signal_free(wait.signal);
    return here.status == HOLTER_OK ? HOLTER_OK
                                    : error_set(err, here.status, "%s", here.message);
}

/* Under the mutex: why the commit lost a part. Of what was lost too long ago that is not known any more. */
static holter_status why_lost(const struct store_buffered *all, uint64_t number)
{
    uint64_t kept = all->lost_count < STORE_LOST_MAX ? all->lost_count : STORE_LOST_MAX;
    for (uint64_t i = all->lost_count - kept; i < all->lost_count; i++) {
        if (all->lost[i % STORE_LOST_MAX].number == number)
            return all->lost[i % STORE_LOST_MAX].why;
    }
    uint64_t oldest = all->lost[all->lost_count % STORE_LOST_MAX].number;
    return all->lost_count > kept && number < oldest ? HOLTER_EXPIRED : HOLTER_OK;
}

static holter_status lost(uint64_t number, holter_status why, holter_error *err)
{
    return error_set(err, why, "parts of buffered commit %llu could not be stored (%s)",
                     (unsigned long long)number, holter_status_name(why));
}

holter_status holter_wait_durable(holter_store *store, uint64_t number, holter_error *err)
{
    struct store_buffered *all = &store->buffered;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    io_mutex_lock(all->mutex);
    uint64_t accepted = all->accepted;
    bool is_durable = number <= all->durable; /* mostly, of who waits for earlier ones */
    io_mutex_unlock(all->mutex);
    if (number > accepted)
        status = error_set(err, HOLTER_INVALID,
                           "found the number %llu of a buffered commit, expected %llu at most",
                           (unsigned long long)number, (unsigned long long)accepted);
    else if (!is_durable)
        status = wait_durable(store, number, err);
    io_mutex_lock(all->mutex);
    holter_status why = status == HOLTER_OK ? why_lost(all, number) : HOLTER_OK;
    io_mutex_unlock(all->mutex);
    if (why != HOLTER_OK)
        status = lost(number, why, err);
    store_leave(store);
    return status;
}

holter_status holter_sync(holter_store *store, holter_error *err)
{
    struct store_buffered *all = &store->buffered;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    io_mutex_lock(all->mutex);
    uint64_t accepted = all->accepted;
    io_mutex_unlock(all->mutex);
    status = wait_durable(store, accepted, err);
    io_mutex_lock(all->mutex);
    if (status == HOLTER_OK && all->lost_told < all->lost_count) {
        uint64_t first = all->lost_count - all->lost_told < STORE_LOST_MAX
                             ? all->lost_told
                             : all->lost_count - STORE_LOST_MAX;
        all->lost_told = all->lost_count;
        status = lost(all->lost[first % STORE_LOST_MAX].number,
                      all->lost[first % STORE_LOST_MAX].why, err);
    }
    io_mutex_unlock(all->mutex);
    store_leave(store);
    return status;
}

static uint64_t number_of(holter_store *store, bool is_durable)
{
    if (store_enter(store, NULL) != HOLTER_OK)
        return 0;
    io_mutex_lock(store->buffered.mutex);
    uint64_t found = is_durable ? store->buffered.durable : store->buffered.accepted;
    io_mutex_unlock(store->buffered.mutex);
    store_leave(store);
    return found;
}

uint64_t holter_accepted(holter_store *store)
{
    return number_of(store, false);
}

uint64_t holter_durable(holter_store *store)
{
    return number_of(store, true);
}
