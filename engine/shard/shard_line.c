/*
 * shard_line.c -- who appends next, and what goes into one group (D1).
 *
 *     line:   w1  w2  w3  w4  ..       the first one that has a thread leads
 *              \___|___/
 *               round                  one group, one sync: the leader's, and of the others in order as
 *                                      many as it has room for, those before the leader first
 *
 *   L1  Order: what stands earlier in line has the lower sequence, also where it failed and is tried
 *       again. So commits of one thread count in the order that it made them in.
 *   L2  A write that is alone puts what it writes under the lock; until it has, nobody else is taken.
 *   L3  A write that did not lead at once is told about by one io_signal_set, after it leads or is done.
 *       Who waits takes a set for each such write before the signal goes, so that none comes too late.
 *   L4  The file lock is given before the lead changes hands: both use one description of the file.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

/* Users whose keys a leader opens for others. */
enum { ROUND_USERS_MAX = 128, WAIT_SHARE = 4, WAIT_NS_MAX = 5000000 };

holter_status shard_line_init(struct shard_line *line, struct io *io, holter_error *err)
{
    holter_status status = io_mutex_new(&line->mutex, io, err);
    if (status == HOLTER_OK)
        status = io_signal_new(&line->is_full, io, err);
    return status;
}

/* ---- the line -------------------------------------------------------------------------------- */

/* True: the leader has no more to wait for, and is to be told. */
static bool line_add(struct shard_line *line, struct shard_write *write)
{
    write->next = NULL;
    if (line->last == NULL)
        line->first = write;
    else
        line->last->next = write;
    line->last = write;
    line->count++;
    bool is_full = line->wanted > 0 && line->count >= line->wanted;
    if (is_full)
        line->wanted = 0;
    return is_full;
}

/* It may have been taken out before. */
static void line_remove(struct shard_line *line, const struct shard_write *write)
{
    struct shard_write *before = NULL;
    struct shard_write **at = &line->first;
    while (*at != NULL && *at != write) {
        before = *at;
        at = &before->next;
    }
    if (*at == NULL)
        return;
    *at = write->next;
    if (line->last == write)
        line->last = before;
    line->count--;
}

/* The first that has a thread leads from now on; its signal, to be set once the mutex is left. */
static struct io_signal *line_pass_on(struct shard_line *line)
{
    line->is_led = false;
    for (struct shard_write *write = line->first; write != NULL; write = write->next) {
        if (write->signal == NULL)
            continue;
        struct io_signal *signal = write->signal;
        line->is_led = true;
        atomic_store_explicit(&write->state, WRITE_LEADS, memory_order_release);
        return signal;
    }
    return NULL;
}

bool shard_write_queue(struct shard_write *write, struct io_signal *signal)
{
    struct shard_line *line = &write->shard->line;
    io_mutex_lock(line->mutex);
    bool leads = signal != NULL && !line->is_led;
    write->signal = signal;
    atomic_store_explicit(&write->state, leads ? WRITE_LEADS : WRITE_WAITS, memory_order_relaxed);
    line->is_led = line->is_led || leads;
    bool is_full = line_add(line, write);
    io_mutex_unlock(line->mutex);
    if (is_full)
        io_signal_set(line->is_full);
    return leads;
}

void shard_write_leave_behind(struct shard_write *write,
                              void (*written)(void *context, holter_status status), void *context)
{
    write->parts = NULL;
    write->written = written;
    write->context = context;
    shard_write_queue(write, NULL);
}

bool shard_write_is_left(struct shard *shard)
{
    struct shard_line *line = &shard->line;
    bool is_left = false;
    io_mutex_lock(line->mutex);
    for (const struct shard_write *write = line->first; write != NULL && !is_left;
         write = write->next)
        is_left = write->signal == NULL;
    is_left = is_left || line->is_led; /* a round may hold some */
    io_mutex_unlock(line->mutex);
    return is_left;
}

enum shard_turn shard_write_turn(struct shard_write *write)
{
    switch (atomic_load_explicit(&write->state, memory_order_acquire)) {
    case WRITE_LEADS:
        return SHARD_LEADS;
    case WRITE_DONE:
        return SHARD_WRITTEN;
    default:
        return SHARD_WAITS;
    }
}

bool shard_write_leave(struct shard_write *write, holter_error *err)
{
    struct shard_line *line = &write->shard->line;
    io_mutex_lock(line->mutex);
    bool leaves = atomic_load_explicit(&write->state, memory_order_relaxed) == WRITE_WAITS;
    if (leaves) {
        line_remove(line, write);
        atomic_store_explicit(&write->state, WRITE_IDLE, memory_order_relaxed);
    }
    io_mutex_unlock(line->mutex);
    if (leaves)
        error_set(err, HOLTER_BUSY, "'%s': another thread of this process holds the shard",
                  write->shard->directory);
    return leaves;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static bool holds_again(holter_status status)
{
    return status == HOLTER_NO_SPACE || status == HOLTER_IO || status == HOLTER_NO_MEMORY ||
           status == HOLTER_BUSY;
}

/*
 * Take from the head of the line what one group has room for; one write at least. True: the leader
 * is among them, or was taken before.
 */
static bool take_round(struct shard_write *leader)
{
    struct shard_line *line = &leader->shard->line;
    size_t room = wal_group_room(leader->shard->append_wal);
    size_t frames = 0;
    size_t users = 0;
    size_t bytes = 0;
    bool has_leader = leader->is_alone && leader->round == leader;
    struct shard_write **end = &leader->round;
    for (; *end != NULL; end = &(*end)->next) {
        frames += (*end)->frame_count;
        bytes += (*end)->log_bytes;
    }
    io_mutex_lock(line->mutex);
    while (line->first != NULL) {
        struct shard_write *write = line->first;
        if (write->is_alone)
            break; /* L2 */
        frames += write->frame_count;
        users += write == leader ? 0 : write->part_count;
        bytes += write->log_bytes;
        bool fits = frames <= WAL_FRAMES_PER_GROUP_MAX && bytes <= room && users <= ROUND_USERS_MAX;
        if (leader->round != NULL && !fits)
            break;
        line_remove(line, write);
        if (write == leader)
            has_leader = true;
        else
            atomic_store_explicit(&write->state, WRITE_TAKEN, memory_order_relaxed);
        write->next = NULL;
        *end = write;
        end = &write->next;
    }
    io_mutex_unlock(line->mutex);
    return has_leader;
}

static void leave_out(struct shard_write *write, size_t part, holter_status status,
                      const holter_error *one)
{
    for (size_t i = 0; i < write->frame_count; i++) {
        if (write->frames[i].part != part)
            continue;
        memtable_frame_unref(write->frames[i].memory);
        write->frames[i].memory = NULL;
    }
    if (write->parts != NULL)
        write->parts[part].status = status;
    if (write->error.status == HOLTER_OK)
        error_set(&write->error, status, "%s", one->message);
}

/*
 * The frames of one write, with their users' keys, each held once; *count moves past them. A user whose
 * key cannot be had now fails the round, which is tried again; one who has none is left out.
 */
static holter_status add_frames(struct wal_frame *frames, size_t *count, struct shard_write *write,
                                holter_error *err)
{
    const struct shard_keys *keys = &write->shard->spec.keys;
    size_t of_part = *count;
    for (size_t i = 0; i < write->frame_count; i++) {
        struct write_frame *from = &write->frames[i];
        holter_error one;
        struct wal_frame frame = { .user = from->user,
                                   .body = write->bodies.data + from->body_offset,
                                   .body_bytes = from->body_bytes,
                                   .flags = from->flags };
        if (i == 0 || from->part != write->frames[i - 1].part)
            of_part = *count;
        if (from->memory == NULL)
            continue; /* was left out */
        holter_status status =
            keys->get(keys->context, from->user, 0, &frame.key, &frame.key_generation, &one);
        if (holds_again(status))
            return error_set(err, status, "%s", one.message);
        if (status != HOLTER_OK) {
            while (*count > of_part)
                keys->put(keys->context, frames[--*count].key);
            leave_out(write, from->part, status, &one);
            continue;
        }
        from->memory->key_generation = frame.key_generation;
        frames[(*count)++] = frame;
    }
    return HOLTER_OK;
}

/* Seal the round for one submission, as one group where it fits. */
static holter_status seal_round(struct shard_write *leader, holter_error *err)
{
    struct shard *shard = leader->shard;
    const struct shard_keys *keys = &shard->spec.keys;
    size_t room = 0;
    size_t count = 0;
    for (const struct shard_write *write = leader->round; write != NULL; write = write->next)
        room += write->frame_count;
    leader->wal_frames = core_calloc(room, sizeof *leader->wal_frames);
    if (leader->wal_frames == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a commit", shard->directory);
    holter_status status = HOLTER_OK;
    for (struct shard_write *write = leader->round; status == HOLTER_OK && write != NULL;
         write = write->next)
        status = add_frames(leader->wal_frames, &count, write, err);
    if (status == HOLTER_OK && count > 0)
        status = wal_write_begin(&leader->wal_write, shard->append_wal, &leader->place,
                                 leader->wal_frames, count, err);
    for (size_t i = 0; i < count; i++)
        keys->put(keys->context, leader->wal_frames[i].key);
    leader->sealed_ns = io_monotonic_ns(shard->spec.io);
    return status;
}

/*
 * Take what was acknowledged into the memtable. Where there is no memory for it, or a flush is long overdue, the
 * tail stays behind: then the frames are known by their places in the log, and read from there.
 */
static void remember(struct shard_write *leader, const struct wal_place *before)
{
    struct shard *shard = leader->shard;
    uint64_t sequence = before->sequence;
    uint64_t first_sequence = sequence;
    bool has_memory = shard->tail.sequence == before->sequence &&
                      memtable_bytes(shard->memtable) < 2 * shard_memory_limit(shard);
    for (struct shard_write *write = leader->round; has_memory && write != NULL;
         write = write->next) {
        for (size_t i = 0; has_memory && i < write->frame_count; i++) {
            struct memtable_frame *memory = write->frames[i].memory;
            if (memory == NULL)
                continue; /* was left out */
            if ((write->frames[i].flags & WAL_LINK_GOES_ON) == 0)
                first_sequence = sequence;
            memtable_frame_place(memory, sequence, first_sequence, write->frames[i].flags);
            has_memory = memtable_add(shard->memtable, memory, NULL) == HOLTER_OK;
            sequence++;
        }
    }
    if (has_memory)
        shard->tail = leader->place;
    else if (shard->tail.sequence == before->sequence)
        memtable_truncate(shard->memtable, before->sequence); /* the tail stays where it was */
}

/* Before who appended leaves. */
static void count_written(struct shard *shard)
{
    struct head *statistics = shard->spec.statistics;
    struct wal_written written = wal_written_take(shard->append_wal);
    head_count(statistics, HEAD_GROUPS, written.groups);
    head_count(statistics, HEAD_LOG_BYTES, written.bytes);
    head_count(statistics, HEAD_LOG_BODY_BYTES, written.body_bytes);
    head_count(statistics, HEAD_LOG_PADDING_BYTES, written.padding_bytes);
    head_count(statistics, HEAD_LOG_AHEAD_BYTES, written.ahead_bytes);
}

/*
 * Its operations completed: the round is durable from now on, and everybody sees it; or none of it is. `is_last`: nothing
 * is written behind it before the lock is given.
 */
static holter_status publish_round(struct shard_write *leader, bool is_last, holter_error *err)
{
    struct shard *shard = leader->shard;
    struct wal_place before = leader->place;
    if (leader->wal_write == NULL)
        return HOLTER_OK; /* there was nothing to write */
    size_t commits = 0;
    for (const struct shard_write *write = leader->round; write != NULL; write = write->next)
        commits += write->frame_count > 0;
    holter_status status = wal_write_end(leader->wal_write, &leader->place, err);
    leader->wal_write = NULL;
    shard_measure_time(shard, HEAD_SYNC_US, leader->sealed_ns);
    count_written(shard);
    head_count(shard->spec.statistics, HEAD_GROUPS_FAILED, status != HOLTER_OK);
    if (status != HOLTER_OK)
        return status;
    head_count(shard->spec.statistics, HEAD_COMMITS, commits);
    head_measure(shard->spec.statistics, HEAD_GROUP_COMMITS, commits);
    shard->has_appended = true;
    uint64_t spare_bytes = wal_spare_wanted(shard->append_wal);
    if (spare_bytes > 0)
        atomic_store(&shard->spare.wanted, spare_bytes);
    io_mutex_lock(shard->mutex);
    leader->is_untouched = is_last && wal_is_untouched(shard->append_wal, &leader->place);
    shard_publish_end(shard, &leader->place, leader->is_untouched); /* W1 */
    remember(leader, &before);
    io_mutex_unlock(shard->mutex);
    return HOLTER_OK;
}

static void fail_parts(struct shard_write *write, holter_status status, const holter_error *error)
{
    for (size_t i = 0; write->parts != NULL && i < write->part_count; i++)
        write->parts[i].status = status;
    error_set(&write->error, status, "%s", error->message);
}

/* Those who left their write behind, where it failed for now: before all others, in their order (L1). */
static void put_back(struct shard_write *leader, struct shard_write **round, holter_status status)
{
    struct shard_line *line = &leader->shard->line;
    struct shard_write *first = NULL;
    struct shard_write **end = &first;
    struct shard_write *last = NULL;
    struct shard_write **at = round;
    while (*at != NULL) {
        struct shard_write *write = *at;
        if (write == leader || write->signal != NULL || !holds_again(status)) {
            at = &write->next;
            continue;
        }
        *at = write->next;
        atomic_store_explicit(&write->state, WRITE_WAITS, memory_order_relaxed);
        *end = last = write;
        end = &write->next;
        line->count++;
    }
    if (last == NULL)
        return;
    *end = line->first;
    line->first = first;
    if (line->last == NULL)
        line->last = last;
}

/*
 * Tell the round what became of it; `passes_on`: the lead goes to the next one, too. `leader` keeps
 * what it was told itself.
 */
static void tell_round(struct shard_write *leader, bool passes_on, holter_status status,
                       const holter_error *error)
{
    struct shard_line *line = &leader->shard->line;
    struct shard_write *round = leader->round;
    struct io_signal *next_leader = NULL;
    leader->round = NULL;
    free(leader->wal_frames);
    leader->wal_frames = NULL;
    size_t count = 0;
    for (const struct shard_write *write = round; write != NULL; write = write->next)
        count += write->signal != NULL;
    io_mutex_lock(line->mutex);
    if (count > 0) {
        line->round_count = count;
        line->round_ns = io_monotonic_ns(leader->shard->spec.io) - leader->sealed_ns;
    }
    if (status != HOLTER_OK)
        put_back(leader, &round, status);
    if (passes_on)
        next_leader = line_pass_on(line);
    io_mutex_unlock(line->mutex);
    if (next_leader != NULL)
        io_signal_set(next_leader);
    while (round != NULL) {
        struct shard_write *write = round;
        round = write->next;
        if (status != HOLTER_OK)
            fail_parts(write, status, error);
        if (write == leader)
            continue;
        struct io_signal *signal = write->signal;
        if (signal == NULL) {
            write->written(write->context, write->error.status);
            shard_write_free(write);
            continue;
        }
        atomic_store_explicit(&write->state, WRITE_DONE, memory_order_release);
        io_signal_set(signal); /* L3 */
    }
}

/* ---- leading --------------------------------------------------------------------------------- */

/*
 * The lock is held: find the log's end, and go on there. That what follows may be touched from now
 * on is said before anything is written: whoever is killed meanwhile leaves a file that nobody goes on in (W2).
 */
static holter_status prepare(struct shard_write *write, holter_error *err)
{
    struct shard *shard = write->shard;
    struct shard_end end;
    io_mutex_lock(shard->mutex);
    holter_status status = shard_append_end(&end, shard, err);
    io_mutex_unlock(shard->mutex);
    if (status != HOLTER_OK)
        return status;
    if (end.appender != shard->appender)
        shard_name_holder(shard, SHARD_LOCK_APPEND);
    status = wal_take_over(shard->append_wal, &end.place, end.is_untouched, err);
    if (status != HOLTER_OK)
        return status;
    write->place = end.place;
    io_mutex_lock(shard->mutex);
    shard_publish_end(shard, &end.place, false);
    io_mutex_unlock(shard->mutex);
    return HOLTER_OK;
}

/* The round at hand is not the leader's own: write it. */
static holter_status write_round(struct shard_write *leader, holter_error *err)
{
    struct shard *shard = leader->shard;
    holter_status status = seal_round(leader, err);
    if (status == HOLTER_OK && leader->wal_write != NULL) {
        size_t count;
        struct io_op *ops = wal_write_ops(leader->wal_write, &count);
        io_submit(shard->append_queue, ops, count);
        while (io_wait(shard->append_queue) != NULL)
            continue;
        status = publish_round(leader, false, err);
    }
    holter_error error = { .status = status };
    if (status != HOLTER_OK && err != NULL)
        error = *err;
    tell_round(leader, false, status, &error);
    return status;
}

/* Out of the line, with all that stood before it written. */
static holter_status come_first(struct shard_write *leader, holter_error *err)
{
    struct shard_line *line = &leader->shard->line;
    for (;;) {
        io_mutex_lock(line->mutex);
        bool is_first = line->first == leader;
        if (is_first)
            line_remove(line, leader);
        io_mutex_unlock(line->mutex);
        leader->round = NULL;
        if (is_first) {
            leader->next = NULL;
            return HOLTER_OK;
        }
        take_round(leader);
        holter_status status = write_round(leader, err);
        if (status != HOLTER_OK)
            return status;
    }
}

/* Who comes next learns that it may go on in the same file, where that is so. */
static void unlock(struct shard_write *leader)
{
    struct shard *shard = leader->shard;
    if (!leader->has_lock)
        return;
    leader->has_lock = false;
    if (!leader->is_untouched && wal_is_untouched(shard->append_wal, &leader->place)) {
        io_mutex_lock(shard->mutex);
        shard_publish_end(shard, &leader->place, true);
        io_mutex_unlock(shard->mutex);
    }
    shard_give(shard, SHARD_LOCK_APPEND);
}

/* Before anything was sealed: it and nobody else failed, or gave up. */
static void stop_leading(struct shard_write *leader, holter_status status,
                         const holter_error *error)
{
    struct shard_line *line = &leader->shard->line;
    unlock(leader);
    io_mutex_lock(line->mutex);
    line_remove(line, leader);
    io_mutex_unlock(line->mutex);
    if (status != HOLTER_OK)
        fail_parts(leader, status, error);
    tell_round(leader, true, HOLTER_OK, NULL);
    atomic_store_explicit(&leader->state, WRITE_DONE, memory_order_relaxed);
}

static holter_status take_lead(struct shard_write *leader, holter_error *err)
{
    struct shard *shard = leader->shard;
    int64_t begin_ns = io_monotonic_ns(shard->spec.io);
    holter_status status = shard_take(shard, SHARD_LOCK_APPEND, leader->deadline_ns, err);
    shard_measure_time(shard, HEAD_LOCK_US, begin_ns);
    if (status != HOLTER_OK)
        return status;
    leader->has_lock = true;
    return prepare(leader, err);
}

holter_status shard_write_seal(struct shard_write *leader, holter_error *err)
{
    holter_error one = { 0 };
    leader->round = leader;
    take_round(leader);
    holter_status status = seal_round(leader, &one);
    if (status != HOLTER_OK) {
        tell_round(leader, false, status, &one);
        error_set(err, status, "%s", one.message);
    }
    return status;
}

/*
 * Threads that were told of the last round come back with their next commits about now: a sync for a few of
 * them, and the next one for the rest, would halve what a sync is worth. So wait for as many, a part of a
 * sync's time at most. A thread alone never waits.
 */
static void wait_for_others(struct shard_write *leader)
{
    struct shard_line *line = &leader->shard->line;
    struct io *io = leader->shard->spec.io;
    io_mutex_lock(line->mutex);
    bool waits = line->round_count > 1 && line->count < line->round_count;
    line->wanted = waits ? line->round_count : 0;
    int64_t share_ns = line->round_ns / WAIT_SHARE;
    int64_t deadline =
        saturating_add_i64(io_monotonic_ns(io), share_ns < WAIT_NS_MAX ? share_ns : WAIT_NS_MAX);
    io_mutex_unlock(line->mutex);
    if (!waits)
        return;
    while (io_signal_wait_until(line->is_full, 0)) /* set for an earlier leader, too late */
        continue;
    io_signal_wait_until(line->is_full, deadline);
    io_mutex_lock(line->mutex);
    line->wanted = 0;
    io_mutex_unlock(line->mutex);
}

holter_status shard_write_lead(struct shard_write *write, holter_error *err)
{
    holter_error one = { 0 };
    wait_for_others(write);
    holter_status status = take_lead(write, &one);
    bool has_own = false;
    while (status == HOLTER_OK && !has_own) {
        has_own = take_round(write);
        if (!has_own)
            status = write_round(write, &one);
    }
    if (status != HOLTER_OK) {
        stop_leading(write, status, &one);
        return error_set(err, status, "%s", one.message);
    }
    status = seal_round(write, &one);
    if (status != HOLTER_OK) {
        unlock(write);
        tell_round(write, true, status, &one);
        atomic_store_explicit(&write->state, WRITE_DONE, memory_order_relaxed);
        return error_set(err, status, "%s", one.message);
    }
    return HOLTER_OK;
}

static holter_status write_begin(struct shard_write **out, struct shard *shard, int64_t deadline,
                                 holter_error *err)
{
    struct shard_write *write;
    holter_error one = { 0 };
    *out = NULL;
    holter_status status = shard_write_new(&write, shard, err);
    if (status != HOLTER_OK)
        return status;
    status = io_signal_new(&write->own_signal, shard->spec.io, err);
    if (status != HOLTER_OK) {
        shard_write_free(write);
        return status;
    }
    write->is_alone = true;
    write->deadline_ns = deadline;
    bool leads = shard_write_queue(write, write->own_signal) ||
                 io_signal_wait_until(write->own_signal, deadline);
    if (!leads && shard_write_leave(write, err)) {
        shard_write_free(write);
        return HOLTER_BUSY;
    }
    if (!leads) /* it got the lead at the last moment: the signal is on its way */
        io_signal_wait_until(write->own_signal, INT64_MAX);
    status = take_lead(write, &one);
    if (status == HOLTER_OK)
        status = come_first(write, &one);
    if (status != HOLTER_OK) {
        stop_leading(write, status, &one);
        shard_write_free(write);
        return error_set(err, status, "%s", one.message);
    }
    *out = write;
    return HOLTER_OK;
}

holter_status shard_write_begin(struct shard_write **out, struct shard *shard, holter_error *err)
{
    return write_begin(out, shard, shard_deadline(shard), err);
}

holter_status shard_write_snapshot(struct shard_snapshot **out, struct shard_write *write,
                                   holter_error *err)
{
    struct shard *shard = write->shard;
    io_mutex_lock(shard->mutex);
    holter_status status = shard_snapshot_make(out, shard, true, err);
    io_mutex_unlock(shard->mutex);
    return status;
}

struct io_op *shard_write_ops(struct shard_write *write, size_t *count)
{
    *count = 0;
    return write->wal_write == NULL ? NULL : wal_write_ops(write->wal_write, count);
}

holter_status shard_write_end(struct shard_write *write, holter_error *err)
{
    if (atomic_load_explicit(&write->state, memory_order_acquire) == WRITE_LEADS) {
        holter_error one = { 0 };
        holter_status status = publish_round(write, true, &one);
        unlock(write);
        tell_round(write, true, status, &one);
    }
    holter_status status = write->error.status;
    if (status != HOLTER_OK)
        error_set(err, status, "%s", write->error.message);
    shard_write_free(write);
    return status;
}

void shard_write_abort(struct shard_write *write)
{
    if (write == NULL)
        return;
    if (atomic_load_explicit(&write->state, memory_order_relaxed) == WRITE_LEADS) {
        if (write->wal_write != NULL)
            wal_write_abort(write->wal_write); /* its operations were not submitted */
        write->wal_write = NULL;
        if (write->round != NULL) {
            holter_error one;
            error_set(&one, HOLTER_BUSY, "'%s': the commit that took this one along was given up",
                      write->shard->directory);
            tell_round(write, false, HOLTER_BUSY, &one);
        }
        stop_leading(write, HOLTER_OK, NULL);
    }
    shard_write_free(write);
}

/* ---- courtesies ------------------------------------------------------------------------------ */

/* Publish where the log ends now, and leave. */
static void end_at_place(struct shard_write *write, holter_status status)
{
    struct shard *shard = write->shard;
    count_written(shard);
    if (status == HOLTER_OK) {
        io_mutex_lock(shard->mutex);
        shard_publish_end(shard, &write->place, false);
        io_mutex_unlock(shard->mutex);
    }
    shard_write_abort(write);
}

holter_status shard_write_mark(struct shard_write *write, struct wal_place *place)
{
    struct shard *shard = write->shard;
    holter_status status = wal_mark(shard->append_wal, &write->place, NULL);
    if (status == HOLTER_OK) {
        shard->has_appended = false;
        *place = write->place;
    }
    end_at_place(write, status);
    return status;
}

bool shard_wants_spare(struct shard *shard)
{
    return atomic_load_explicit(&shard->spare.wanted, memory_order_relaxed) > 0;
}

void shard_make_spare(struct shard *shard, const atomic_bool *stops)
{
    enum { SPACE_PART = 16 }; /* of what is free at most: flushes need room, too */
    struct io *io = shard->spec.io;
    struct io_file *made = NULL;
    struct io_space space;
    uint64_t drops = atomic_load(&shard->spare.drops);
    uint64_t bytes = atomic_exchange(&shard->spare.wanted, 0);
    if (bytes == 0 || io_space(&space, io, shard->directory, NULL) != HOLTER_OK ||
        bytes > space.bytes_free / SPACE_PART ||
        wal_spare_make(&made, io, shard->directory, bytes, stops, NULL) != HOLTER_OK)
        return;
    head_count(shard->spec.statistics, HEAD_LOG_AHEAD_BYTES, bytes);
    io_close(atomic_exchange(&shard->spare.made, made));
    if (drops != atomic_load(&shard->spare.drops))
        io_close(atomic_exchange(&shard->spare.made, NULL));
}

bool shard_drop_spare(struct shard *shard)
{
    atomic_store(&shard->spare.wanted, 0);
    atomic_fetch_add(&shard->spare.drops, 1);
    struct io_file *spare = atomic_exchange(&shard->spare.made, NULL);
    io_close(spare);
    return spare != NULL;
}

bool shard_rest_log(struct wal_place *place, struct shard *shard, uint64_t sequence)
{
    struct shard_write *write;
    if (write_begin(&write, shard, 0, NULL) != HOLTER_OK)
        return false;
    uint64_t file = write->place.file;
    if (write->place.sequence != sequence) {
        shard_write_abort(write);
        return false;
    }
    shard_drop_spare(shard);
    holter_status status = wal_rest(shard->append_wal, &write->place, NULL);
    *place = write->place;
    end_at_place(write, status);
    return status == HOLTER_OK && place->file != file;
}

holter_status shard_find_end(struct shard *shard, holter_error *err)
{
    struct shard_write *write;
    holter_status status = shard_write_begin(&write, shard, err);
    if (status == HOLTER_OK)
        shard_write_abort(write);
    return status;
}

void shard_line_release(struct shard_line *line)
{
    while (line->first != NULL) {
        struct shard_write *write = line->first;
        line_remove(line, write);
        shard_write_free(write);
    }
    io_signal_free(line->is_full);
    io_mutex_free(line->mutex);
}
