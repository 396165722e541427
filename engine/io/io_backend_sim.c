/*
 * io_backend_sim.c -- the calls of io.h upon the simulated machine.
 *
 * Operations are not begun when they are submitted: io_wait draws one of those in flight, lets it
 * happen, and returns it. So any order among them can be seen, except as linked.
 *
 * B1  A sync covers what was written when it began: at its submission, or, behind a link, when that
 *     was done. It keeps that version of the file; who writes afterwards writes a copy (S1).
 * B2  No call of a dead process reaches the machine.
 */
#include "io_sim_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- clocks, randomness, processes ----------------------------------------------------------- */

static void backend_free(struct io *io)
{
    struct sim_process *process = process_of(io);
    core_assert(process->files == NULL);
    core_assert(process->maps == NULL);
    core_assert(process->queues == NULL);
    struct sim_process **at = &process->sim->processes;
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    free(process);
}

static int64_t monotonic_ns(struct io *io)
{
    struct sim_process *process = process_of(io);
    if (process->dead)
        process->dead_ns += INT64_C(1000000000);
    return process->sim->monotonic_ns + process->dead_ns;
}

static int64_t now_ns(struct io *io)
{
    return monotonic_ns(io) + process_of(io)->sim->wall_ahead_ns;
}

static void sleep_ns(struct io *io, int64_t ns)
{
    struct sim_process *process = process_of(io);
    if (sim_pass(process))
        fiber_sleep(process->sim, saturating_add_i64(process->sim->monotonic_ns, ns));
}

static int backend_random(struct io *io, void *out, size_t count)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_RANDOM, &bend);
    if (error != 0)
        return error;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)out)[i] = (uint8_t)(random_next(&process->sim->random) >> 32);
    return sim_leave(process, &bend, 0);
}

static int boot_id(struct io *io, uint8_t out[static IO_BOOT_ID_BYTES])
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_STAT, &bend);
    if (error != 0)
        return error;
    memcpy(out, process->sim->boot_id, IO_BOOT_ID_BYTES);
    return sim_leave(process, &bend, 0);
}

static uint32_t processors(struct io *io)
{
    (void)io;
    return 4;
}

static struct io_process process_self(struct io *io)
{
    return process_of(io)->self;
}

static bool process_is_alive(struct io *io, struct io_process wanted)
{
    for (const struct sim_process *p = process_of(io)->sim->processes; p != NULL; p = p->next) {
        if (p->self.pid == wanted.pid && p->self.start_ns == wanted.start_ns)
            return !p->dead;
    }
    return false;
}

static uint32_t user_id(struct io *io)
{
    (void)io;
    return 1000;
}

/* ---- files and directories ------------------------------------------------------------------- */

static int find_to_open(struct sim *sim, const char *path, uint32_t flags, uint32_t *node)
{
    if (flags & IO_UNNAMED)
        return tree_make_unnamed(sim, path, 0640, node);
    if (flags & IO_CREATE)
        return tree_make(sim, path, IO_KIND_FILE, flags & IO_PRIVATE ? 0600 : 0640, node);
    int error = tree_find(sim, path, node);
    if (error != 0)
        return error;
    if (sim_node(sim, *node)->kind != IO_KIND_FILE)
        return -EISDIR;
    return (flags & IO_WRITABLE) && sim->read_only ? -EROFS : 0;
}

static int backend_open(struct io_file **out, struct io *io, const char *path, uint32_t flags)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_OPEN, &bend);
    if (error != 0)
        return error;
    struct sim_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return sim_leave(process, &bend, -ENOMEM);
    error = sim_leave(process, &bend, find_to_open(process->sim, path, flags, &file->node));
    if (error != 0) {
        free(file);
        return error;
    }
    file->base.direct = (flags & IO_DIRECT) != 0;
    file->base.io = io;
    file->next = process->files;
    process->files = file;
    *out = &file->base;
    return 0;
}

static void backend_close(struct io_file *base)
{
    struct sim_file *file = (struct sim_file *)base;
    struct sim_process *process = process_of(base->io);
    locks_release(process->sim, file);
    struct sim_file **at = &process->files;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    free(file);
    sim_pass(process);
}

static void backend_abandon(struct io_file *base)
{
    struct sim_file *file = (struct sim_file *)base;
    file->abandoned = true;
    locks_release(process_of(base->io)->sim, file);
}

static int backend_size(uint64_t *bytes, struct io_file *base)
{
    struct sim_file *file = (struct sim_file *)base;
    struct sim_process *process = process_of(base->io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_STAT, &bend);
    if (error != 0)
        return error;
    if (file->abandoned)
        return sim_leave(process, &bend, -EBADF);
    *bytes = sim_node(process->sim, file->node)->bytes;
    return sim_leave(process, &bend, 0);
}

/* Looks only, so it is no call that is counted, cut or made to fail. */
static bool backend_is_linked(struct io_file *base)
{
    struct sim_file *file = (struct sim_file *)base;
    return tree_is_linked(process_of(base->io)->sim, file->node);
}

static int backend_stat(struct io_stat *out, struct io *io, const char *path)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_STAT, &bend);
    if (error != 0)
        return error;
    uint32_t number;
    error = tree_find(process->sim, path, &number);
    if (error == 0) {
        const struct sim_node *node = sim_node(process->sim, number);
        *out = (struct io_stat){ .kind = node->kind, .mode = node->mode, .owner = user_id(io) };
        out->bytes = node->kind == IO_KIND_FILE ? node->bytes : CORE_PAGE_BYTES;
        out->written_ns = node->written_ns;
    }
    return sim_leave(process, &bend, error);
}

static int backend_make_dir(struct io *io, const char *path)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    uint32_t node;
    int error = sim_enter(process, SIM_MAKE_DIR, &bend);
    if (error != 0)
        return error;
    error = tree_make(process->sim, path, IO_KIND_DIRECTORY, 0750, &node);
    return sim_leave(process, &bend, error);
}

static int backend_rename(struct io *io, const char *from, const char *to)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_RENAME, &bend);
    if (error != 0)
        return error;
    return sim_leave(process, &bend, tree_rename(process->sim, from, to));
}

static int backend_link(struct io_file *base, const char *path)
{
    struct sim_file *file = (struct sim_file *)base;
    struct sim_process *process = process_of(base->io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_LINK, &bend);
    if (error != 0)
        return error;
    if (file->abandoned)
        return sim_leave(process, &bend, -EBADF);
    return sim_leave(process, &bend, tree_link(process->sim, file->node, path));
}

static int backend_unlink(struct io *io, const char *path)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_UNLINK, &bend);
    if (error != 0)
        return error;
    return sim_leave(process, &bend, tree_unlink(process->sim, path));
}

static int backend_sync_dir(struct io *io, const char *path)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_SYNC_DIR, &bend);
    if (error != 0 || bend.lies)
        return error;
    struct sim *sim = process->sim;
    return sim_leave(process, &bend, tree_sync(sim, path, bend.torn ? &sim->random : NULL));
}

static int backend_list(struct io_names *out, struct io *io, const char *path)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_LIST, &bend);
    if (error != 0)
        return error;
    uint32_t number;
    error = tree_find(process->sim, path, &number);
    if (error == 0 && sim_node(process->sim, number)->kind != IO_KIND_DIRECTORY)
        error = -ENOTDIR;
    if (error == 0) {
        const struct sim_entries *entries = &sim_node(process->sim, number)->now;
        for (size_t i = 0; i < entries->count && error == 0; i++)
            error = io_names_add(out, entries->entry[i].name->text) ? 0 : -ENOMEM;
    }
    return sim_leave(process, &bend, error);
}

static uint64_t left_of(uint64_t max, uint64_t used)
{
    if (max == 0)
        return UINT64_C(1) << 50;
    return used < max ? max - used : 0;
}

static int backend_space(struct io_space *out, struct io *io, const char *path)
{
    struct sim_process *process = process_of(io);
    struct sim_bend bend;
    int error = sim_enter(process, SIM_STAT, &bend);
    if (error != 0)
        return error;
    uint32_t number;
    error = tree_find(process->sim, path, &number);
    if (error == 0) {
        uint64_t bytes, inodes;
        tree_space(process->sim, &bytes, &inodes);
        out->bytes_free = left_of(process->sim->options.bytes_max, bytes);
        out->inodes_free = left_of(process->sim->options.inodes_max, inodes);
    }
    return sim_leave(process, &bend, error);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool has_bad_sector(const struct sim *sim, uint32_t node, uint64_t offset, size_t bytes)
{
    for (size_t i = 0; i < sim->bad_count; i++) {
        uint64_t begin = sim->bad[i].sector * CORE_SECTOR_BYTES;
        if (sim->bad[i].node == node && begin < offset + bytes &&
            offset < begin + CORE_SECTOR_BYTES)
            return true;
    }
    return false;
}

static void heal_bad_sectors(struct sim *sim, uint32_t node, uint64_t offset, size_t bytes)
{
    size_t kept = 0;
    for (size_t i = 0; i < sim->bad_count; i++) {
        uint64_t begin = sim->bad[i].sector * CORE_SECTOR_BYTES;
        bool written = sim->bad[i].node == node && begin < offset + bytes &&
                       offset < begin + CORE_SECTOR_BYTES;
        if (!written)
            sim->bad[kept++] = sim->bad[i];
    }
    sim->bad_count = kept;
}

/* A part of a transfer: some of it, not all; whole sectors of a direct one. */
static size_t part_of(struct sim *sim, const struct io_op *op)
{
    size_t unit = op->file->flags & IO_DIRECT ? CORE_SECTOR_BYTES : 1;
    if (op->bytes <= unit)
        return op->bytes;
    return unit + unit * (size_t)random_below(&sim->random, (op->bytes - 1) / unit);
}

static int64_t op_read(struct sim *sim, const struct io_op *op, const struct sim_bend *bend)
{
    uint32_t number = ((const struct sim_file *)op->file)->node;
    if (has_bad_sector(sim, number, op->offset, op->bytes))
        return -EIO;
    size_t bytes = bend->short_transfer ? part_of(sim, op) : op->bytes;
    const struct sim_node *node = sim_node(sim, number);
    return (int64_t)(op->file->flags & IO_DIRECT
                         ? pages_read_past_cache(node, op->offset, op->memory, bytes)
                         : pages_read(node, op->offset, op->memory, bytes));
}

/* ---- writing --------------------------------------------------------------------------------- */

/* How many of the bytes find room. */
static size_t room_for(const struct sim *sim, uint32_t number, uint64_t offset, size_t bytes)
{
    const struct sim_node *node = sim_node(sim, number);
    uint64_t has = (uint64_t)node->page_count * CORE_PAGE_BYTES;
    if (sim->options.bytes_max == 0 || offset + bytes <= has)
        return bytes;
    uint64_t used, inodes;
    tree_space(sim, &used, &inodes);
    uint64_t left = left_of(sim->options.bytes_max, used);
    uint64_t end = has + left / CORE_PAGE_BYTES * CORE_PAGE_BYTES;
    if (end <= offset)
        return 0;
    return end - offset < bytes ? (size_t)(end - offset) : bytes;
}

/* Some of the sectors of a write, by a coin each, to the cache. */
static void write_some(struct sim *sim, const struct io_op *op)
{
    uint32_t number = ((const struct sim_file *)op->file)->node;
    size_t bytes = room_for(sim, number, op->offset, op->bytes);
    if (bytes == 0)
        return;
    struct sim_node *node = sim_node_writable(sim, number);
    for (size_t done = 0; done < bytes;) {
        size_t within = (op->offset + done) % CORE_SECTOR_BYTES;
        size_t part =
            CORE_SECTOR_BYTES - within < bytes - done ? CORE_SECTOR_BYTES - within : bytes - done;
        if (random_coin(&sim->random))
            pages_write(node, op->offset + done, (const uint8_t *)op->memory + done, part);
        done += part;
    }
}

/* All of it to the cache, where a crash finds it. */
static void write_pending(struct sim *sim, const struct io_op *op)
{
    uint32_t number = ((const struct sim_file *)op->file)->node;
    size_t bytes = room_for(sim, number, op->offset, op->bytes);
    if (bytes > 0)
        pages_write(sim_node_writable(sim, number), op->offset, op->memory, bytes);
}

static int check_write(const struct sim *sim, const struct io_op *op)
{
    if (!(op->file->flags & IO_WRITABLE))
        return -EBADF;
    if (sim->read_only)
        return -EROFS;
    return op->offset + op->bytes > SIM_FILE_BYTES_MAX ? -EFBIG : 0;
}

static int64_t op_write(struct sim *sim, const struct io_op *op, const struct sim_bend *bend)
{
    uint32_t number = ((const struct sim_file *)op->file)->node;
    int error = check_write(sim, op);
    if (error != 0)
        return error;
    if (bend->error != 0 || bend->torn) {
        if (bend->torn || random_coin(&sim->random))
            write_some(sim, op);
        return bend->error;
    }
    size_t bytes = bend->short_transfer ? part_of(sim, op) : op->bytes;
    bool is_phantom = bend->lies && (op->file->flags & IO_DIRECT);
    if (is_phantom || bytes == 0)
        return (int64_t)bytes;
    bytes = room_for(sim, number, op->offset, bytes);
    if (bytes == 0)
        return -ENOSPC;

    struct sim_node *node = sim_node_writable(sim, number);
    node->written_ns = sim->monotonic_ns + sim->wall_ahead_ns;
    if ((op->file->flags & IO_DSYNC) && !bend->lies)
        pages_write_through(node, op->offset, op->memory, bytes);
    else
        pages_write(node, op->offset, op->memory, bytes);
    if (bend->lies)
        pages_drop(node, op->offset, bytes);
    heal_bad_sectors(sim, number, op->offset, bytes);
    sim->written_bytes += bytes;
    return (int64_t)bytes;
}

/* ---- syncing --------------------------------------------------------------------------------- */

static int64_t op_sync(struct sim *sim, struct sim_flight *flight, const struct sim_bend *bend)
{
    uint32_t number = ((const struct sim_file *)flight->op->file)->node;
    if (bend->torn) {
        pages_sync_some(sim_node_writable(sim, number), &sim->random);
        return 0;
    }
    if (bend->error != 0) {
        if (bend->drops)
            pages_drop(sim_node_writable(sim, number), 0, UINT64_MAX);
        return bend->error;
    }
    if (bend->lies || !flight->covered->unsettled)
        return 0;
    struct sim_node *covered = flight->covered;
    if (covered == sim_node(sim, number)) {
        node_unref(covered); /* so that the node need not be copied */
        flight->covered = NULL;
        struct sim_node *node = sim_node_writable(sim, number);
        pages_sync(node, node);
    } else {
        pages_sync(sim_node_writable(sim, number), covered);
    }
    return 0;
}

/* ---- operations in flight -------------------------------------------------------------------- */

static void flight_begin(struct sim *sim, struct sim_flight *flight)
{
    flight->begun = true;
    if (flight->op->kind == IO_SYNC && !flight->cancelled)
        flight->covered = node_ref(sim_node(sim, ((struct sim_file *)flight->op->file)->node));
}

static int64_t flight_run(struct sim_process *process, struct sim_flight *flight)
{
    struct sim *sim = process->sim;
    struct io_op *op = flight->op;
    static const enum sim_call_kind kinds[] = {
        [IO_READ] = SIM_READ, [IO_WRITE] = SIM_WRITE, [IO_SYNC] = SIM_SYNC
    };
    struct sim_bend bend;
    int error = sim_enter(process, kinds[op->kind], &bend);
    if (error != 0)
        return error;
    if (((struct sim_file *)op->file)->abandoned)
        return sim_leave(process, &bend, -EBADF);

    int64_t result = op->kind == IO_READ    ? op_read(sim, op, &bend)
                     : op->kind == IO_WRITE ? op_write(sim, op, &bend)
                                            : op_sync(sim, flight, &bend);
    return bend.cut ? sim_leave(process, &bend, 0) : result;
}

/* What is linked behind an operation that is done begins, or is cancelled; it lies behind it. */
static void flight_pass_on(struct sim *sim, struct sim_queue *queue, size_t index)
{
    struct io_op *op = queue->flight[index].op;
    if (!op->linked || index + 1 == queue->count || queue->flight[index + 1].begun)
        return;
    struct sim_flight *next = &queue->flight[index + 1];
    next->cancelled = !io_op_is_whole(op);
    flight_begin(sim, next);
}

static int queue_open(struct io_queue **out, struct io *io, size_t depth)
{
    struct sim_process *process = process_of(io);
    struct sim_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL)
        return -ENOMEM;
    queue->flight = calloc(depth, sizeof *queue->flight);
    if (queue->flight == NULL) {
        free(queue);
        return -ENOMEM;
    }
    queue->next = process->queues;
    process->queues = queue;
    *out = &queue->base;
    return 0;
}

static void queue_close(struct io_queue *base)
{
    struct sim_queue *queue = (struct sim_queue *)base;
    struct sim_queue **at = &process_of(base->io)->queues;
    while (*at != queue)
        at = &(*at)->next;
    *at = queue->next;
    free(queue->flight);
    free(queue);
}

static void submit(struct io_queue *base, struct io_op *ops, size_t count)
{
    struct sim_queue *queue = (struct sim_queue *)base;
    struct sim_process *process = process_of(base->io);
    for (size_t i = 0; i < count; i++) {
        struct sim_flight *flight = &queue->flight[queue->count++];
        *flight = (struct sim_flight){ .op = &ops[i] };
        bool follows = i > 0 && ops[i - 1].linked;
        if (!follows && !process->dead)
            flight_begin(process->sim, flight);
        flight->begun = !follows;
    }
}

static size_t pick_begun(struct sim *sim, const struct sim_queue *queue)
{
    size_t begun = 0;
    for (size_t i = 0; i < queue->count; i++)
        begun += queue->flight[i].begun;
    core_assert(begun > 0);
    size_t pick = begun > 1 ? (size_t)random_below(&sim->random, begun) : 0;
    for (size_t i = 0;; i++) {
        if (queue->flight[i].begun && pick-- == 0)
            return i;
    }
}

static struct io_op *backend_wait(struct io_queue *base)
{
    struct sim_queue *queue = (struct sim_queue *)base;
    struct sim_process *process = process_of(base->io);
    size_t index = process->dead ? 0 : pick_begun(process->sim, queue);
    struct sim_flight *flight = &queue->flight[index];
    struct io_op *op = flight->op;

    flight->begun = false; /* it is ours now: a death in the middle of it decides no second time */
    if (process->dead)
        op->result = -ESHUTDOWN;
    else if (flight->cancelled)
        op->result = -ECANCELED;
    else
        op->result = flight_run(process, flight);
    if (!process->dead)
        flight_pass_on(process->sim, queue, index);
    node_unref(flight->covered);
    queue->count--;
    memmove(flight, flight + 1, (queue->count - index) * sizeof *flight);
    return op;
}

void flights_end(struct sim_process *process, bool torn)
{
    struct sim *sim = process->sim;
    for (struct sim_queue *queue = process->queues; queue != NULL; queue = queue->next) {
        for (size_t i = 0; i < queue->count; i++) {
            struct sim_flight *flight = &queue->flight[i];
            struct io_op *op = flight->op;
            bool writes = op->kind == IO_WRITE && flight->begun && !flight->cancelled;
            if (!writes || check_write(sim, op) != 0)
                continue;
            if (torn)
                write_pending(sim, op);
            else if (random_coin(&sim->random))
                op_write(sim, op, &(struct sim_bend){ 0 });
        }
    }
}

void flights_forget(struct sim_process *process)
{
    for (struct sim_queue *queue = process->queues; queue != NULL; queue = queue->next) {
        for (size_t i = 0; i < queue->count; i++) {
            node_unref(queue->flight[i].covered);
            queue->flight[i].covered = NULL;
        }
    }
}

/* ---- shared memory --------------------------------------------------------------------------- */

static int backend_map(struct io_shared **out, struct io_file *base, size_t bytes, bool writable)
{
    struct sim_file *file = (struct sim_file *)base;
    struct sim_process *process = process_of(base->io);
    (void)bytes;
    (void)writable;
    struct sim_bend bend;
    int error = sim_enter(process, SIM_MAP, &bend);
    if (error != 0)
        return error;
    struct sim_shared *shared = calloc(1, sizeof *shared);
    error = sim_leave(process, &bend, shared == NULL ? -ENOMEM : file->abandoned ? -EBADF : 0);
    if (error != 0) {
        free(shared);
        return error;
    }
    shared->node = file->node;
    shared->next = process->maps;
    process->maps = shared;
    *out = &shared->base;
    return 0;
}

static void backend_unmap(struct io_shared *base)
{
    struct sim_shared *shared = (struct sim_shared *)base;
    struct sim_shared **at = &process_of(base->io)->maps;
    while (*at != shared)
        at = &(*at)->next;
    *at = shared->next;
    free(shared);
}

static uint64_t shared_load(struct io_shared *base, size_t word)
{
    struct sim_shared *shared = (struct sim_shared *)base;
    struct sim_process *process = process_of(base->io);
    struct sim_bend bend;
    if (sim_enter(process, SIM_ANY, &bend) != 0)
        return 0;
    uint64_t value = pages_load_word(sim_node(process->sim, shared->node), word);
    return sim_leave(process, &bend, 0) == 0 ? value : 0;
}

static void shared_store(struct io_shared *base, size_t word, uint64_t value)
{
    struct sim_shared *shared = (struct sim_shared *)base;
    struct sim_process *process = process_of(base->io);
    struct sim_bend bend;
    if (sim_enter(process, SIM_ANY, &bend) != 0)
        return;
    pages_store_word(sim_node_writable(process->sim, shared->node), word, value);
    sim_leave(process, &bend, 0);
}

/* No moment to stop or crash at: such moments are worth the search where facts change. */
static void shared_add(struct io_shared *base, size_t word, uint64_t value)
{
    struct sim_shared *shared = (struct sim_shared *)base;
    struct sim_process *process = process_of(base->io);
    if (process->dead)
        return;
    uint64_t before = pages_load_word(sim_node(process->sim, shared->node), word);
    pages_store_word(sim_node_writable(process->sim, shared->node), word, before + value);
}

static void shared_wait(struct io_shared *base, size_t word, uint64_t seen, int64_t deadline_ns)
{
    struct sim_shared *shared = (struct sim_shared *)base;
    struct sim_process *process = process_of(base->io);
    struct sim *sim = process->sim;
    if (!process->dead && pages_load_word(sim_node(sim, shared->node), word) == seen &&
        sim->monotonic_ns < deadline_ns)
        (void)fiber_wait(sim, deadline_ns);
}

/* All of them: each one looks what it waits for. */
static void shared_wake_one(struct io_shared *base, size_t word)
{
    (void)word;
    fibers_wake(process_of(base->io)->sim);
}

/* ---- forks: there are none here -------------------------------------------------------------- */

static int fork_watch(struct io *io, void (*child)(void *context), void *context)
{
    (void)io;
    (void)child;
    (void)context;
    return 0;
}

static void fork_forget(struct io *io, void (*child)(void *context), void *context)
{
    (void)io;
    (void)child;
    (void)context;
}

const struct io_backend sim_backend = {
    .free = backend_free,
    .now_ns = now_ns,
    .monotonic_ns = monotonic_ns,
    .sleep_ns = sleep_ns,
    .random = backend_random,
    .boot_id = boot_id,
    .processors = processors,
    .process_self = process_self,
    .process_is_alive = process_is_alive,
    .user_id = user_id,
    .open = backend_open,
    .close = backend_close,
    .abandon = backend_abandon,
    .size = backend_size,
    .is_linked = backend_is_linked,
    .stat = backend_stat,
    .make_dir = backend_make_dir,
    .rename = backend_rename,
    .link = backend_link,
    .unlink = backend_unlink,
    .sync_dir = backend_sync_dir,
    .list = backend_list,
    .space = backend_space,
    .queue_open = queue_open,
    .queue_close = queue_close,
    .submit = submit,
    .wait = backend_wait,
    .lock = sim_lock,
    .unlock = sim_unlock,
    .lock_probe = sim_lock_probe,
    .map = backend_map,
    .unmap = backend_unmap,
    .shared_load = shared_load,
    .shared_store = shared_store,
    .shared_add = shared_add,
    .shared_wait = shared_wait,
    .shared_wake_one = shared_wake_one,
    .mutex_new = sim_mutex_new,
    .mutex_free = sim_mutex_free,
    .mutex_lock = sim_mutex_lock,
    .mutex_lock_until = sim_mutex_lock_until,
    .mutex_unlock = sim_mutex_unlock,
    .signal_new = sim_signal_new,
    .signal_free = sim_signal_free,
    .signal_set = sim_signal_set,
    .signal_wait_until = sim_signal_wait_until,
    .fork_watch = fork_watch,
    .fork_forget = fork_forget,
};
