/*
 * io_machine_sim.c -- simulated machines and processes: clock, the counting of calls, faults.
 *
 * Every call that can change something or fail begins with sim_enter, which hands over to another
 * fiber, counts, lets the watcher look, and then, by the call's number or kind, stops or bends it.
 */
#include "io_sim_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory that does not fail --------------------------------------------------------------- */

static volatile bool
    is_allocating; /* volatile: a compiler knows that calloc looks at no static of ours */

bool sim_is_allocating(void)
{
    return is_allocating;
}

void *sim_resize(void *memory, size_t bytes)
{
    is_allocating = true;
    void *grown = realloc(memory, bytes);
    is_allocating = false;
    core_assert(grown != NULL);
    return grown;
}

void *sim_alloc(size_t bytes)
{
    is_allocating = true;
    void *memory = calloc(1, bytes);
    is_allocating = false;
    core_assert(memory != NULL);
    return memory;
}

/* ---- machines -------------------------------------------------------------------------------- */

struct sim *sim_new(const struct sim_options *options)
{
    struct sim *sim = sim_alloc(sizeof *sim);
    if (options != NULL)
        sim->options = *options;
    sim->random.state = sim->options.seed;
    sim->monotonic_ns = INT64_C(1000000000);
    sim->wall_ahead_ns = INT64_C(1767225600) * 1000000000; /* 2026-01-01 */
    for (size_t i = 0; i < sizeof sim->boot_id; i++)
        sim->boot_id[i] = (uint8_t)random_next(&sim->random);
    uint32_t root = sim_node_add(sim, node_new(IO_KIND_DIRECTORY, 0750));
    core_assert(root == SIM_ROOT);
    return sim;
}

struct sim *sim_copy(const struct sim *from, uint64_t seed)
{
    struct sim *sim = sim_alloc(sizeof *sim);
    sim->options = from->options;
    sim->options.seed = seed;
    sim->random.state = seed ^ (from->random.state * UINT64_C(0x9e3779b97f4a7c15));
    sim->read_only = from->read_only;
    sim->monotonic_ns = from->monotonic_ns;
    sim->wall_ahead_ns = from->wall_ahead_ns;
    memcpy(sim->boot_id, from->boot_id, sizeof sim->boot_id);
    sim->pid_last = from->pid_last;

    sim->node_count = from->node_count;
    sim->node_capacity = from->node_count;
    sim->node = sim_resize(NULL, from->node_count * sizeof *sim->node);
    for (size_t i = 0; i < sim->node_count; i++)
        sim->node[i] = node_ref(from->node[i]);
    if (from->change_count > 0) {
        sim->change_count = from->change_count;
        sim->change_capacity = from->change_count;
        sim->change = sim_resize(NULL, from->change_count * sizeof *sim->change);
        memcpy(sim->change, from->change, from->change_count * sizeof *sim->change);
        for (size_t i = 0; i < sim->change_count; i++) {
            name_ref(sim->change[i].name);
            name_ref(sim->change[i].name_to);
        }
    }
    if (from->bad_count > 0) {
        sim->bad_count = from->bad_count;
        sim->bad_capacity = from->bad_count;
        sim->bad = sim_resize(NULL, from->bad_count * sizeof *sim->bad);
        memcpy(sim->bad, from->bad, from->bad_count * sizeof *sim->bad);
    }
    return sim;
}

void sim_free(struct sim *sim)
{
    if (sim == NULL)
        return;
    core_assert(sim->processes == NULL);
    core_assert(sim->locks == NULL);
    fibers_free(sim);
    for (size_t i = 0; i < sim->change_count; i++)
        change_release(&sim->change[i]);
    for (size_t i = 0; i < sim->node_count; i++)
        node_unref(sim->node[i]);
    free(sim->change);
    free(sim->node);
    free(sim->bad);
    free(sim);
}

/* ---- processes ------------------------------------------------------------------------------- */

struct io *sim_process_new(struct sim *sim)
{
    struct sim_process *process = sim_alloc(sizeof *process);
    process->base.backend = &sim_backend;
    process->sim = sim;
    process->self.pid = ++sim->pid_last;
    process->self.start_ns = (uint64_t)sim->monotonic_ns;
    process->next = sim->processes;
    sim->processes = process;
    return &process->base;
}

/* What it has open stays until it closes it, for its memory's sake, but holds nothing any more. */
void process_die(struct sim_process *process)
{
    if (process->dead)
        return;
    process->dead = true;
    flights_forget(process);
    for (const struct sim_file *file = process->files; file != NULL; file = file->next)
        locks_release(process->sim, file);
    fibers_wake(process->sim);
}

void sim_process_kill(struct io *io)
{
    struct sim_process *process = process_of(io);
    if (process->dead)
        return;
    flights_end(process, false);
    process_die(process);
}

bool sim_process_is_dead(const struct io *io)
{
    return ((const struct sim_process *)io)->dead;
}

void sim_power_cut(struct sim *sim, bool torn)
{
    for (struct sim_process *process = sim->processes; process != NULL; process = process->next) {
        if (process->dead)
            continue;
        if (torn)
            flights_end(process, true);
        process_die(process);
    }
}

/* ---- the beginning and end of calls ---------------------------------------------------------- */

void sim_stop_at(struct sim *sim, uint64_t call, enum sim_event event)
{
    sim->stop_at = call;
    sim->stop_event = event;
    sim->stopped = false;
}

bool sim_has_stopped(const struct sim *sim)
{
    return sim->stopped;
}

uint64_t sim_written_bytes(const struct sim *sim)
{
    return sim->written_bytes;
}

uint64_t sim_call_count(const struct sim *sim)
{
    return sim->calls;
}

void sim_watch(struct sim *sim, void (*watch)(void *context, const struct sim *sim, uint64_t call),
               void *context)
{
    sim->watch = watch;
    sim->watch_context = context;
}

/* Calls of which a part can have happened. */
static bool is_divisible(enum sim_call_kind kind)
{
    return kind == SIM_WRITE || kind == SIM_SYNC || kind == SIM_SYNC_DIR;
}

static int stop(struct sim_process *process, enum sim_call_kind kind, struct sim_bend *bend)
{
    struct sim *sim = process->sim;
    enum sim_event event = sim->stop_event;
    sim->stop_event = SIM_NOTHING;
    sim->stopped = true;
    if (event == SIM_POWER_CUT_TORN) {
        bend->torn = is_divisible(kind);
        if (bend->torn || random_coin(&sim->random)) {
            bend->cut = true;
            return 0;
        }
    }
    if (event == SIM_KILL)
        sim_process_kill(&process->base);
    else
        sim_power_cut(sim, event == SIM_POWER_CUT_TORN);
    return -ESHUTDOWN;
}

static bool fault_counts(const struct sim_fault *fault, enum sim_call_kind kind)
{
    bool transfer = kind == SIM_READ || kind == SIM_WRITE;
    if (fault->short_transfer && !transfer)
        return false;
    if (fault->lies && kind != SIM_WRITE && kind != SIM_SYNC && kind != SIM_SYNC_DIR)
        return false;
    return fault->kind == SIM_ANY || fault->kind == kind;
}

static int bend_by_faults(struct sim *sim, enum sim_call_kind kind, struct sim_bend *bend)
{
    int error = 0;
    for (size_t i = 0; i < sim->fault_count; i++) {
        struct sim_armed_fault *armed = &sim->fault[i];
        const struct sim_fault *fault = &armed->fault;
        if (!fault_counts(fault, kind))
            continue;
        uint64_t number = armed->seen++;
        if (number != fault->nth && !(fault->for_ever && number > fault->nth))
            continue;
        armed->hit = true;
        if (fault->short_transfer)
            bend->short_transfer = true;
        else if (fault->lies)
            bend->lies = true;
        else
            error = -fault->error;
        bend->drops = bend->drops || fault->drops;
    }
    if (error != 0 && (kind == SIM_WRITE || kind == SIM_SYNC)) {
        bend->error = error;
        return 0;
    }
    return error;
}

/* Shared loads and stores, unlocks: counted, and a place to stop, but they cannot fail. */
static const enum sim_call_kind KIND_UNFAILING = SIM_ANY;

int sim_enter(struct sim_process *process, enum sim_call_kind kind, struct sim_bend *bend)
{
    struct sim *sim = process->sim;
    *bend = (struct sim_bend){ 0 };
    if (!process->dead)
        fibers_hand_over(sim);
    if (process->dead)
        return -ESHUTDOWN;

    uint64_t call = sim->calls++;
    if (sim->watch != NULL)
        sim->watch(sim->watch_context, sim, call);
    sim->monotonic_ns += SIM_CALL_NS;
    if (sim->stop_event != SIM_NOTHING && call == sim->stop_at) {
        int error = stop(process, kind, bend);
        if (error != 0)
            return error;
    }
    return kind == KIND_UNFAILING ? 0 : bend_by_faults(sim, kind, bend);
}

int sim_leave(struct sim_process *process, const struct sim_bend *bend, int error)
{
    if (!bend->cut)
        return error;
    sim_power_cut(process->sim, true);
    return -ESHUTDOWN;
}

bool sim_pass(struct sim_process *process)
{
    if (!process->dead)
        fibers_hand_over(process->sim);
    return !process->dead;
}

/* ---- faults ---------------------------------------------------------------------------------- */

void sim_fault_set(struct sim *sim, const struct sim_fault *fault)
{
    core_assert(sim->fault_count < SIM_FAULTS_MAX);
    core_assert(fault->error != 0 || fault->short_transfer || fault->lies);
    sim->fault[sim->fault_count++] = (struct sim_armed_fault){ .fault = *fault };
}

void sim_fault_clear(struct sim *sim)
{
    sim->fault_count = 0;
}

bool sim_fault_was_hit(const struct sim *sim)
{
    for (size_t i = 0; i < sim->fault_count; i++) {
        if (sim->fault[i].hit)
            return true;
    }
    return false;
}

/* ---- clock ----------------------------------------------------------------------------------- */

void sim_clock_advance(struct sim *sim, int64_t ns)
{
    sim->monotonic_ns += ns;
}

void sim_wall_clock_set(struct sim *sim, int64_t ns)
{
    sim->wall_ahead_ns = ns - sim->monotonic_ns;
}
