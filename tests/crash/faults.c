/*
 * faults.c -- every call of a workload fails, every allocation fails; once, and from then on.
 *
 * Claim: nothing is half acknowledged; what reading answers meanwhile is right; and once the fault
 * is gone the same handles go on: what was not stored is committed again, all is read, verified,
 * and survives a power cut. Method: the workloads of the crash explorer, whose acts may now fail,
 * with one fault each:
 *     call     the n-th call that can fail answers one of ten errnos; failed writes may have
 *              written a part
 *     dropped  the n-th sync fails, and the disk forgets what it was to make durable
 *     short    the n-th read or write moves a part only
 *     memory   the n-th allocation fails
 * In the short form each call fails with one errno only, which changes from call to call.
 */
#include "crash.h"

#include "core/core.h"
#include "../unit/alloc_fail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum fault_kind { FAULT_CALL, FAULT_DROPPED, FAULT_SHORT, FAULT_MEMORY, FAULT_KINDS };

static const char *const kind_names[FAULT_KINDS] = { "call", "dropped", "short", "memory" };

static const struct {
    int error;
    const char *name;
} errnos[] = {
    { EIO, "EIO" },       { ENOSPC, "ENOSPC" }, { EDQUOT, "EDQUOT" }, { EACCES, "EACCES" },
    { EROFS, "EROFS" },   { EMFILE, "EMFILE" }, { ENOMEM, "ENOMEM" }, { EINTR, "EINTR" },
    { ENOENT, "ENOENT" }, { EBUSY, "EBUSY" },
};

struct fault {
    enum fault_kind kind;
    uint64_t nth;
    size_t error; /* index into errnos */
    bool for_ever;
};

struct tester {
    const struct workload *workload;
    struct world *base;
    uint64_t seed;
    uint64_t stride; /* of memory faults */
    bool is_long, is_verbose;
    uint64_t runs[FAULT_KINDS];
    uint64_t violations;
};

static void violation(struct tester *tester, const struct fault *fault, const char *what)
{
    if (++tester->violations > 10)
        return;
    printf("VIOLATION: %s\n  replay: --workload %s --seed %" PRIu64 " --fault %s:%" PRIu64
           ":%s:%s -v\n",
           what, tester->workload->name, tester->seed, kind_names[fault->kind], fault->nth,
           errnos[fault->error].name, fault->for_ever ? "ever" : "once");
    fflush(stdout);
}

static void fault_begin(struct world *world, const struct fault *fault)
{
    struct sim_fault armed = { .nth = fault->nth, .for_ever = fault->for_ever };
    world->faults_allowed = true;
    world->corrupt_allowed = false;
    switch (fault->kind) {
    case FAULT_MEMORY:
        alloc_fail.is_exempt = sim_is_allocating;
        alloc_fail_arm(fault->nth, fault->for_ever);
        return;
    case FAULT_CALL:
        armed.error = errnos[fault->error].error;
        world->corrupt_allowed = armed.error == ENOENT; /* a file that must be there is not */
        break;
    case FAULT_DROPPED:
        armed.kind = SIM_SYNC;
        armed.error = errnos[fault->error].error;
        armed.drops = true;
        break;
    case FAULT_SHORT:
    case FAULT_KINDS:
        armed.short_transfer = true;
        break;
    }
    sim_fault_set(world->sim, &armed);
}

/* Whether it came to pass. */
static bool fault_end(struct world *world, const struct fault *fault)
{
    world->faults_allowed = false;
    if (fault->kind == FAULT_MEMORY)
        return alloc_fail_disarm();
    bool was_hit = sim_fault_was_hit(world->sim);
    sim_fault_clear(world->sim);
    return was_hit;
}

/* The same handles go on: what failed is done again. */
static void go_on(struct world *world)
{
    for (size_t i = 0; i < ACTORS_MAX; i++) {
        struct actor *actor = &world->actors[i];
        if (actor->io == NULL)
            continue;
        if (actor->store == NULL)
            actor_start(actor);
        if (actor->store == NULL)
            continue; /* it was not made */
        act_read(actor);
        if (actor->is_reader)
            continue;
        if (actor->batch != NULL && holter_batch_count(actor->batch) > 0)
            batch_again(actor);
        act_rows(actor, 0, M_HEART, week_ns(5) + minute_ns((int64_t)i), 2);
        act_flush(actor);
        act_rows(actor, 1, M_HEART, week_ns(5) + minute_ns((int64_t)i), 2);
        act_read(actor);
        act_verify(actor);
    }
}

/* False: the workload has no n-th such call. */
static bool run_fault(struct tester *tester, const struct fault *fault)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL)
        abort();
    world_copy(world, tester->base, tester->seed);
    world->is_verbose = tester->is_verbose;
    fault_begin(world, fault);
    tester->workload->run(world);
    bool was_hit = fault_end(world, fault);
    if (was_hit) {
        tester->runs[fault->kind]++;
        go_on(world);
    }
    world_close(world);
    if (was_hit && !world->has_trouble) {
        sim_crash(world->sim, fault->nth % 2 == 0 ? SIM_CRASH_DURABLE : SIM_CRASH_RANDOM,
                  fault->nth);
        recovery_session(world);
    }
    if (world->has_trouble)
        violation(tester, fault, world->trouble);
    world_free(world);
    free(world);
    return was_hit;
}

static void run_kind(struct tester *tester, enum fault_kind kind)
{
    size_t error_count = kind == FAULT_CALL ? CORE_COUNT(errnos) : 1;
    uint64_t step = kind == FAULT_MEMORY ? tester->stride : 1;
    bool was_hit = true;
    for (uint64_t nth = 0; was_hit; nth += step) {
        for (size_t e = 0; was_hit && e < error_count; e++) {
            size_t error = tester->is_long ? e : (size_t)(nth % error_count);
            for (unsigned for_ever = 0; was_hit && for_ever < 2; for_ever++) {
                if (!tester->is_long && for_ever != (nth / error_count + nth) % 2)
                    continue;
                struct fault fault = {
                    .kind = kind, .nth = nth, .error = error, .for_ever = for_ever != 0
                };
                was_hit = run_fault(tester, &fault);
            }
            if (!tester->is_long)
                break;
        }
    }
}

static struct world *base_of(const struct workload *workload, uint64_t seed)
{
    struct world *base = calloc(1, sizeof *base);
    if (base == NULL)
        abort();
    world_prepare(base, workload, seed);
    if (base->has_trouble) {
        printf("VIOLATION: %s: preparing: %s\n", workload->name, base->trouble);
        exit(EXIT_FAILURE);
    }
    return base;
}

static bool parse_fault(struct fault *out, const char *text)
{
    char kind[16], error[16], often[16];
    if (sscanf(text, "%15[a-z]:%" SCNu64 ":%15[A-Z]:%15[a-z]", kind, &out->nth, error, often) != 4)
        return false;
    out->kind = FAULT_KINDS;
    for (enum fault_kind k = 0; k < FAULT_KINDS; k++)
        out->kind = strcmp(kind, kind_names[k]) == 0 ? k : out->kind;
    out->error = CORE_COUNT(errnos);
    for (size_t e = 0; e < CORE_COUNT(errnos); e++)
        out->error = strcmp(error, errnos[e].name) == 0 ? e : out->error;
    out->for_ever = strcmp(often, "ever") == 0;
    return out->kind < FAULT_KINDS && out->error < CORE_COUNT(errnos);
}

static bool test(const struct tester *common, const struct workload *workload,
                 const struct fault *only)
{
    struct tester tester = *common;
    tester.workload = workload;
    tester.base = base_of(workload, tester.seed);
    if (only != NULL)
        run_fault(&tester, only);
    for (enum fault_kind kind = 0; only == NULL && kind < FAULT_KINDS; kind++)
        run_kind(&tester, kind);
    printf("%-9s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %4" PRIu64 "\n",
           workload->name, tester.runs[FAULT_CALL], tester.runs[FAULT_DROPPED],
           tester.runs[FAULT_SHORT], tester.runs[FAULT_MEMORY], tester.violations);
    fflush(stdout);
    world_free(tester.base);
    free(tester.base);
    return tester.violations == 0;
}

/* Each workload in a process of its own, `jobs` at a time. */
static bool test_all(const struct tester *common, const char *only, size_t jobs)
{
    bool is_well = true;
    size_t running = 0;
    for (size_t w = 0; w < workload_count || running > 0;) {
        while (w < workload_count && running < jobs) {
            const struct workload *workload = &workloads[w++];
            if (workload->has_fibers || (only != NULL && strcmp(only, workload->name) != 0))
                continue;
            fflush(stdout);
            pid_t pid = fork();
            if (pid < 0)
                return false;
            if (pid == 0)
                exit(test(common, workload, NULL) ? EXIT_SUCCESS : EXIT_FAILURE);
            running++;
        }
        int status = 0;
        if (running > 0 && wait(&status) > 0) {
            is_well = is_well && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
            if (!WIFEXITED(status))
                printf("a workload crashed\n");
            running--;
        }
    }
    return is_well;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: faults [--effort tiny|short|long] [--workload W] [--seed S] [--jobs N]\n"
            "              [--fault call|dropped|short|memory:N:EIO:once|ever [-v]]\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    const char *fault_text = NULL;
    size_t jobs = 2;
    struct tester common = { .seed = 1, .stride = 17 };
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "-v") == 0) {
            common.is_verbose = true;
            continue;
        }
        if (value == NULL)
            return usage();
        if (strcmp(argv[i], "--effort") == 0) {
            common.is_long = strcmp(value, "long") == 0;
            common.stride = strcmp(value, "long") == 0 ? 1 : strcmp(value, "tiny") == 0 ? 61 : 17;
        } else if (strcmp(argv[i], "--workload") == 0)
            only = value;
        else if (strcmp(argv[i], "--seed") == 0)
            common.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--fault") == 0)
            fault_text = value;
        else if (strcmp(argv[i], "--jobs") == 0)
            jobs = strtoull(value, NULL, 10);
        else
            return usage();
        i++;
    }
    if (jobs == 0)
        return usage();
    printf("%-9s %8s %8s %8s %8s %4s\n", "workload", "calls", "dropped", "short", "memory", "bad");
    if (fault_text == NULL)
        return test_all(&common, only, jobs) ? EXIT_SUCCESS : EXIT_FAILURE;

    struct fault fault;
    for (size_t w = 0; w < workload_count; w++) {
        if (only != NULL && strcmp(only, workloads[w].name) == 0 && parse_fault(&fault, fault_text))
            return test(&common, &workloads[w], &fault) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return usage();
}
