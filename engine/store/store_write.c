/*
 * store_write.c -- writes to several shards, of one thread: led, or taken along by others.
 *
 * They stand in line at each shard (shard.h). Where it leads they are in flight together, begun by rising place,
 * and each ends for itself; what others lead they write, or let it lead next.
 */
#include "store/store_impl.h"

static void end(struct store_writes *all, struct store_write *one)
{
    holter_error error;
    holter_status status = shard_write_end(one->write, &error);
    one->write = NULL;
    one->leads = false;
    one->has_ended = true;
    if (status != HOLTER_OK && all->status == HOLTER_OK)
        all->status = error_set(all->err, status, "%s", error.message);
}

/* The next operation that is done, and with its last one a write. False: none is in flight. */
static bool wait_for_one(struct store_writes *all)
{
    const struct io_op *done = io_wait(all->queue);
    if (done == NULL)
        return false;
    for (size_t i = 0; i < all->count; i++) {
        struct store_write *one = &all->at[i];
        if (one->ops_left == 0 || done < one->ops || done >= one->ops + one->op_count)
            continue;
        if (--one->ops_left == 0)
            end(all, one);
        break;
    }
    return true;
}

/*
 * All shards where it leads, as many operations at once as the queue holds: while the first ones are written,
 * the next one is sealed.
 */
static void write_led(struct store_writes *all)
{
    size_t in_flight = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct store_write *one = &all->at[i];
        if (!one->leads)
            continue;
        io_start(all->queue); /* what was submitted goes on while this one is sealed */
        bool is_sealed = one->is_sealed || shard_write_lead(one->write, NULL) == HOLTER_OK;
        one->op_count = 0;
        one->ops = is_sealed ? shard_write_ops(one->write, &one->op_count) : NULL;
        one->ops_left = one->op_count;
        if (one->op_count == 0) {
            end(all, one);
            continue;
        }
        while (in_flight + one->op_count > IO_QUEUE_DEPTH_MAX && wait_for_one(all))
            in_flight--;
        io_submit(all->queue, one->ops, one->op_count);
        in_flight += one->op_count;
    }
    while (wait_for_one(all))
        continue;
}

/* What changed: where it leads now it writes, all of it together; what others wrote is done. */
static void take_turns(struct store_writes *all)
{
    for (size_t i = 0; i < all->count; i++) {
        struct store_write *one = &all->at[i];
        if (one->write == NULL)
            continue;
        enum shard_turn turn = shard_write_turn(one->write);
        one->leads = turn == SHARD_LEADS;
        if (turn == SHARD_WRITTEN)
            end(all, one);
    }
    write_led(all);
}

/* It has waited for long enough: out of the lines where it still stands. The sets that are due no more. */
static size_t leave_lines(struct store_writes *all)
{
    size_t left = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct store_write *one = &all->at[i];
        holter_error error;
        if (one->write == NULL || !shard_write_leave(one->write, &error))
            continue;
        if (all->status == HOLTER_OK)
            all->status = error_set(all->err, HOLTER_BUSY, "%s", error.message);
        shard_write_abort(one->write);
        one->write = NULL;
        left++;
    }
    return left;
}

void store_writes_end(struct store_writes *all)
{
    holter_store *store = all->store;
    int64_t deadline = saturating_add_i64(io_monotonic_ns(store->io), store->lock_wait_ns);
    size_t sets_due = 0; /* shard_line.c, L3 */
    for (size_t i = 0; i < all->count; i++) {
        struct store_write *one = &all->at[i];
        if (one->write == NULL)
            continue;
        one->leads = one->is_sealed || shard_write_queue(one->write, all->signal);
        sets_due += !one->leads;
    }
    write_led(all);
    while (sets_due > 0) { /* also for sets of what was seen to have changed before */
        if (io_signal_wait_until(all->signal, deadline)) {
            sets_due--;
            take_turns(all);
            continue;
        }
        sets_due -= leave_lines(all);
        deadline = INT64_MAX; /* those that are left are being written, or lead */
    }
    for (size_t i = 0; i < all->count; i++) {
        if (shard_wants_spare(all->at[i].shard) && !store_worker_tell(&store->preparer))
            shard_make_spare(all->at[i].shard, NULL);
    }
}
