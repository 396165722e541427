/*
 * crash_explorer.c -- the power goes, or a process is killed, at every call; what is left is opened
 * and checked.
 *
 *     run of a workload ...k... every call k: cut before it, cut in the middle of it (torn), kill
 *                            └─ end images nothing unsynced, everything, subsets: all of them where
 *                            few, and of files written to by one submission
 *                                 └─ recovery ...j... cut, torn, killed again, at some of its calls
 *                                                  └─ end images
 *                                                       └─ recovery ...i...     and once more
 *
 * An image is checked by recovery_session: a reader, then a writer, compare what is there with the
 * ledger (crash.h, L1 to L3), all files are verified, and the writer goes on. Images are counted by
 * their hash, head pages left out, since those are void after a power cut; an image that comes
 * again under a ledger that promises more is checked again, but not counted. What follows a call
 * that changed neither disk nor ledger equals what follows the next one that does: there only the
 * first image is made.
 *
 * A violation is printed with the path to it, which the same program takes to show that one alone:
 *     crash_explorer --workload compact --seed 1 --path 812:torn:3/44:cut:1 -v
 */
#include "crash.h"

#include "core/core.h"

#include <assert.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 3,          /* of cuts: the workload's and two in recovery */
    PENDING_EXHAUSTIVE = 5, /* so few unsynced items: every subset of them */
    FILES_EXHAUSTIVE = 4,   /* so few files of a torn cut: every subset of them */
    VIOLATIONS_MAX = 10,
    JOBS_MAX = 16,
};

/* ---- sets of hashes -------------------------------------------------------------------------- */

struct set {
    uint64_t *slots; /* 0: empty */
    size_t count, capacity;
};

static bool set_add(struct set *set, uint64_t hash);

static void set_grow(struct set *set)
{
    struct set larger = { .capacity = set->capacity > 0 ? 2 * set->capacity : 4096 };
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        abort();
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i] != 0)
            set_add(&larger, set->slots[i]);
    }
    free(set->slots);
    *set = larger;
}

/* False: it was there. */
static bool set_add(struct set *set, uint64_t hash)
{
    if (2 * set->count >= set->capacity)
        set_grow(set);
    hash = hash == 0 ? 1 : hash;
    size_t at = (size_t)(hash % set->capacity);
    while (set->slots[at] != 0) {
        if (set->slots[at] == hash)
            return false;
        at = (at + 1) % set->capacity;
    }
    set->slots[at] = hash;
    set->count++;
    return true;
}

/* ---- where a machine was stopped, and what was chosen to be left ----------------------------- */

static const char *const event_names[] = { "nothing", "cut", "kill",
                                           "torn" }; /* by enum sim_event */

struct path {
    size_t depth;
    struct path_step {
        uint64_t call;
        enum sim_event event;
        unsigned choice;
    } steps[DEPTH_MAX];
};

static void path_print(FILE *out, const struct path *path)
{
    for (size_t i = 0; i < path->depth; i++)
        fprintf(out, "%s%" PRIu64 ":%s:%u", i > 0 ? "/" : "", path->steps[i].call,
                event_names[path->steps[i].event], path->steps[i].choice);
}

static bool path_parse(struct path *out, const char *text)
{
    *out = (struct path){ 0 };
    while (*text != '\0' && out->depth < DEPTH_MAX) {
        struct path_step *step = &out->steps[out->depth++];
        char event[8];
        int used = 0;
        if (sscanf(text, "%" SCNu64 ":%7[a-z]:%u%n", &step->call, event, &step->choice, &used) != 3)
            return false;
        for (unsigned e = SIM_POWER_CUT; e <= SIM_POWER_CUT_TORN; e++) {
            if (strcmp(event, event_names[e]) == 0)
                step->event = e;
        }
        if (step->event == SIM_NOTHING)
            return false;
        text += used;
        text += *text == '/';
    }
    return *text == '\0' && out->depth > 0;
}

static uint64_t path_hash(const struct path *path, uint64_t seed)
{
    uint64_t hash = mix64(seed, path->depth);
    for (size_t i = 0; i < path->depth; i++)
        hash = mix64(mix64(hash, path->steps[i].call),
                     (uint64_t)path->steps[i].event << 32 | path->steps[i].choice);
    return hash;
}

/* ---- exploring ------------------------------------------------------------------------------- */

/* How much, by depth. */
struct effort {
    unsigned subsets[DEPTH_MAX]; /* random ones of what was not synced, beside none and all */
    unsigned
        kill_stride; /* of the calls of fibers that have no effect, one in so many is killed at */
    bool stops_at_first;        /* violation */
    unsigned nested[DEPTH_MAX]; /* points in the recovery of each image, in 256ths */
};

struct figures {
    uint64_t calls; /* of the workload */
    uint64_t calls_cut, calls_torn, calls_killed;
    uint64_t images[DEPTH_MAX]; /* distinct ones after a power cut, by how many there were */
    uint64_t images_all;
    uint64_t kills; /* distinct states after a kill */
    uint64_t checks;
    uint64_t violations;
    double seconds;
};

struct explorer {
    const struct workload *workload;
    struct effort effort;
    uint64_t seed;
    bool is_verbose;
    struct world *base;
    struct set images, kills, checked;
    struct figures figures;
    /* while a run is watched */
    struct world *watched;
    struct path *watched_path;
    uint64_t state_before;
    uint8_t *has_effect; /* by call */
    size_t effect_capacity;
};

static struct world *world_alloc(void)
{
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL)
        abort();
    return world;
}

static void world_discard(struct world *world)
{
    world_free(world);
    free(world);
}

static void violation(struct explorer *explorer, const struct path *path, const char *what)
{
    if (explorer->figures.violations++ >= VIOLATIONS_MAX)
        return;
    printf("VIOLATION: %s\n  replay: --workload %s --seed %" PRIu64 " --path ", what,
           explorer->workload->name, explorer->seed);
    path_print(stdout, path);
    printf(" -v\n");
    fflush(stdout);
    if (explorer->effort.stops_at_first)
        _exit(EXIT_FAILURE);
}

/*
 * Run from `start` until the call; all handles are closed. NULL: it has not got there, or went
 * wrong on the way.
 */
static struct world *reach(struct explorer *explorer, const struct world *start,
                           void (*run)(struct world *world), const struct path *path)
{
    const struct path_step *step = &path->steps[path->depth - 1];
    struct path before = *path;
    before.depth--;
    struct world *point = world_alloc();
    world_copy(point, start, path_hash(&before, explorer->seed));
    point->is_verbose = explorer->is_verbose;
    sim_stop_at(point->sim, step->call, step->event);
    run(point);
    world_close(point);
    bool has_stopped = sim_has_stopped(point->sim);
    sim_stop_at(point->sim, UINT64_MAX, SIM_NOTHING);
    if (point->has_trouble)
        violation(explorer, path, point->trouble);
    if (point->has_trouble || !has_stopped) {
        world_discard(point);
        return NULL;
    }
    return point;
}

/* In the middle of a submission: of so many files each subset is left, all of its writes or none. 0: one, or too many. */
static size_t files_chosen(const struct world *point, const struct path *path)
{
    bool is_torn = path->depth == 1 && path->steps[0].event == SIM_POWER_CUT_TORN;
    size_t files = is_torn ? sim_pending_files(point->sim) : 0;
    return files > 1 && files <= FILES_EXHAUSTIVE ? files : 0;
}

/* How many end images a point gives at this depth. */
static unsigned choices_of(const struct explorer *explorer, const struct world *point,
                           const struct path *path)
{
    if (path->steps[path->depth - 1].event == SIM_KILL)
        return 1;
    size_t pending = sim_pending_count(point->sim);
    unsigned subsets = explorer->effort.subsets[path->depth - 1];
    if (pending <= PENDING_EXHAUSTIVE)
        return (1u << pending) + (subsets + 3) / 4;
    size_t files = files_chosen(point, path);
    return files > 0 ? (1u << files) + (subsets + 1) / 2 : 2 + subsets;
}

/* The machine after the event: started again, unless a process only was killed. */
static struct world *image_of(struct explorer *explorer, const struct world *point,
                              const struct path *path)
{
    const struct path_step *step = &path->steps[path->depth - 1];
    uint64_t seed = path_hash(path, explorer->seed);
    struct world *image = world_alloc();
    world_copy(image, point, seed);
    image->is_verbose = explorer->is_verbose;
    if (step->event == SIM_KILL)
        return image;
    size_t pending = sim_pending_count(point->sim);
    size_t files = files_chosen(point, path);
    if (pending <= PENDING_EXHAUSTIVE && step->choice < 1u << pending) {
        uint8_t keep = (uint8_t)step->choice;
        sim_crash_keep(image->sim, &keep, 1);
    } else if (pending > PENDING_EXHAUSTIVE && files > 0 && step->choice < 1u << files) {
        sim_crash_keep_files(image->sim, step->choice, seed);
    } else if (pending > PENDING_EXHAUSTIVE && files == 0 && step->choice < 2) {
        sim_crash(image->sim, step->choice == 0 ? SIM_CRASH_DURABLE : SIM_CRASH_ALL, seed);
    } else {
        sim_crash(image->sim, SIM_CRASH_RANDOM, seed);
    }
    return image;
}

static void explore_point(struct explorer *explorer, const struct world *point, struct path *path);

/* Stop at some calls of the image's recovery. */
static void explore_recovery(struct explorer *explorer, const struct world *image,
                             struct path *path, uint64_t calls)
{
    static const enum sim_event events[] = { SIM_POWER_CUT, SIM_POWER_CUT_TORN, SIM_POWER_CUT_TORN,
                                             SIM_KILL };
    uint64_t random = path_hash(path, explorer->seed + 1);
    unsigned wanted = explorer->effort.nested[path->depth - 1];
    unsigned count = wanted / 256 + (random % 256 < wanted % 256);
    for (unsigned i = 0; i < count; i++) {
        random = mix64(random, i);
        path->steps[path->depth++] =
            (struct path_step){ .call = (random >> 8) % calls, .event = events[random % 4] };
        struct world *point = reach(explorer, image, recovery_session, path);
        if (point != NULL) {
            explore_point(explorer, point, path);
            world_discard(point);
        }
        path->depth--;
    }
}

static void check_image(struct explorer *explorer, const struct world *image, struct path *path)
{
    bool is_kill = path->steps[path->depth - 1].event == SIM_KILL;
    uint64_t hash = sim_image_hash(image->sim, is_kill ? NULL : "head");
    if (!is_kill && set_add(&explorer->images, hash))
        explorer->figures.images[path->depth - 1]++;
    if (is_kill)
        explorer->figures.kills += set_add(&explorer->kills, hash);
    if (!set_add(&explorer->checked, mix64(hash, ledger_digest(&image->ledger) + is_kill)))
        return;

    struct world *world = world_alloc();
    world_copy(world, image, path_hash(path, explorer->seed));
    world->is_verbose = explorer->is_verbose;
    recovery_session(world);
    uint64_t calls = sim_call_count(world->sim);
    explorer->figures.checks++;
    if (world->has_trouble)
        violation(explorer, path, world->trouble);
    else if (path->depth < DEPTH_MAX)
        explore_recovery(explorer, image, path, calls);
    world_discard(world);
}

static void explore_point(struct explorer *explorer, const struct world *point, struct path *path)
{
    struct path_step *step = &path->steps[path->depth - 1];
    unsigned count = choices_of(explorer, point, path);
    for (unsigned choice = 0; choice < count; choice++) {
        step->choice = choice;
        struct world *image = image_of(explorer, point, path);
        check_image(explorer, image, path);
        world_discard(image);
    }
}

/* ---- the calls of a workload ----------------------------------------------------------------- */

static uint64_t state_of(const struct world *world, const struct sim *sim)
{
    return mix64(mix64(sim_image_hash(sim, NULL), sim_pending_count(sim)),
                 ledger_digest(&world->ledger));
}

static void note_effect(struct explorer *explorer, uint64_t call, bool has_effect)
{
    if (call >= explorer->effect_capacity) {
        size_t capacity = 2 * (size_t)call + 1024;
        explorer->has_effect = realloc(explorer->has_effect, capacity);
        if (explorer->has_effect == NULL)
            abort();
        memset(explorer->has_effect + explorer->effect_capacity, 0,
               capacity - explorer->effect_capacity);
        explorer->effect_capacity = capacity;
    }
    explorer->has_effect[call] = has_effect;
}

/* Before each call: the machine as a power cut would find it. */
static void watch(void *context, const struct sim *sim, uint64_t call)
{
    struct explorer *explorer = context;
    struct world *from = explorer->watched;
    uint64_t state = state_of(from, sim);
    bool has_changed = call == 0 || state != explorer->state_before;
    if (call > 0)
        note_effect(explorer, call - 1, has_changed);
    explorer->state_before = state;

    struct path path = { .depth = 1, .steps = { { .call = call, .event = SIM_POWER_CUT } } };
    struct path before = { 0 };
    struct world *point = world_alloc();
    const struct sim *whole = from->sim;
    assert(whole == sim);
    world_copy(point, from, path_hash(&before, explorer->seed));
    point->has_trouble = false;
    if (has_changed) {
        explore_point(explorer, point, &path);
    } else {
        struct world *image = image_of(explorer, point, &path);
        check_image(explorer, image, &path);
        world_discard(image);
    }
    explorer->figures.calls_cut++;
    world_discard(point);
}

static void explore_cuts(struct explorer *explorer)
{
    struct path none = { 0 };
    struct world *world = world_alloc();
    world_copy(world, explorer->base, path_hash(&none, explorer->seed));
    explorer->watched = world;
    sim_watch(world->sim, watch, explorer);
    explorer->workload->run(world);
    world_close(world);
    explorer->figures.calls = sim_call_count(world->sim);
    note_effect(explorer, explorer->figures.calls, false);
    sim_watch(world->sim, NULL, NULL);
    if (world->has_trouble) {
        struct path path = { .depth = 1,
                             .steps = { { .call = UINT64_MAX, .event = SIM_POWER_CUT } } };
        violation(explorer, &path, world->trouble);
    }
    world_discard(world);
}

static void explore_stops(struct explorer *explorer, enum sim_event event, uint64_t *stopped)
{
    for (uint64_t call = 0; call < explorer->figures.calls; call++) {
        bool is_wanted =
            explorer->has_effect[call] || (event == SIM_KILL && explorer->workload->has_fibers &&
                                           call % explorer->effort.kill_stride == 0);
        if (!is_wanted)
            continue;
        struct path path = { .depth = 1, .steps = { { .call = call, .event = event } } };
        struct world *point = reach(explorer, explorer->base, explorer->workload->run, &path);
        if (point == NULL)
            continue;
        ++*stopped;
        explore_point(explorer, point, &path);
        world_discard(point);
    }
}

static struct world *base_of(const struct workload *workload, uint64_t seed)
{
    struct world *base = world_alloc();
    world_prepare(base, workload,
                  mix64(seed, (uint64_t)(workload - workloads))); /* no two stores alike */
    return base;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct figures explore(const struct workload *workload, const struct effort *effort,
                              uint64_t seed)
{
    double begin = seconds_now();
    struct explorer explorer = { .workload = workload, .effort = *effort, .seed = seed };
    explorer.base = base_of(workload, seed);
    if (explorer.base->has_trouble) {
        printf("VIOLATION: %s: preparing: %s\n", workload->name, explorer.base->trouble);
        explorer.figures.violations++;
    } else {
        explore_cuts(&explorer);
        explore_stops(&explorer, SIM_POWER_CUT_TORN, &explorer.figures.calls_torn);
        explore_stops(&explorer, SIM_KILL, &explorer.figures.calls_killed);
    }
    explorer.figures.images_all = explorer.images.count;
    explorer.figures.seconds = seconds_now() - begin;
    world_discard(explorer.base);
    free(explorer.images.slots);
    free(explorer.kills.slots);
    free(explorer.checked.slots);
    free(explorer.has_effect);
    return explorer.figures;
}

static int replay(const struct workload *workload, const struct path *wanted, uint64_t seed,
                  bool is_verbose)
{
    struct explorer explorer = { .workload = workload, .seed = seed, .is_verbose = is_verbose };
    explorer.base = base_of(workload, seed);
    const struct world *start = explorer.base;
    struct world *image = NULL;
    struct path path = { 0 };
    void (*run)(struct world * world) = workload->run;
    while (path.depth < wanted->depth) {
        path.steps[path.depth] = wanted->steps[path.depth];
        path.depth++;
        printf("run %zu\n", path.depth);
        struct world *point = reach(&explorer, start, run, &path);
        if (point == NULL) {
            printf("the run did not get there\n");
            return explorer.figures.violations > 0;
        }
        if (image != NULL)
            world_discard(image);
        image = image_of(&explorer, point, &path);
        printf("  stopped; %zu items were pending\n", sim_pending_count(point->sim));
        world_discard(point);
        start = image;
        run = recovery_session;
    }
    printf("recovery\n");
    check_image(&explorer, image, &path);
    world_discard(image);
    world_discard(explorer.base);
    free(explorer.images.slots);
    free(explorer.kills.slots);
    free(explorer.checked.slots);
    return explorer.figures.violations > 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_head(void)
{
    printf("%-9s %7s %6s %6s %6s %9s %9s %9s %9s %7s %9s %4s %6s\n", "workload", "calls", "cut",
           "torn", "killed", "images", "1st cut", "2nd", "3rd", "kills", "checks", "bad", "s");
}

static void print_figures(const char *name, const struct figures *f)
{
    printf("%-9s %7" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %9" PRIu64 " %9" PRIu64
           " %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %9" PRIu64 " %4" PRIu64 " %6.1f\n",
           name, f->calls, f->calls_cut, f->calls_torn, f->calls_killed, f->images_all,
           f->images[0], f->images[1], f->images[2], f->kills, f->checks, f->violations,
           f->seconds);
    fflush(stdout);
}

static void add_figures(struct figures *sum, const struct figures *f)
{
    sum->calls += f->calls;
    sum->calls_cut += f->calls_cut;
    sum->calls_torn += f->calls_torn;
    sum->calls_killed += f->calls_killed;
    for (size_t d = 0; d < DEPTH_MAX; d++)
        sum->images[d] += f->images[d];
    sum->images_all += f->images_all;
    sum->kills += f->kills;
    sum->checks += f->checks;
    sum->violations += f->violations;
}

/* Each workload in a process of its own, `jobs` at a time; figures come back through pipes. */
struct job {
    pid_t pid;
    int from;
    size_t workload;
};

static bool job_start(struct job *job, size_t workload, const struct effort *effort, uint64_t seed)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0) {
        struct figures figures = explore(&workloads[workload], effort, seed);
        ssize_t written = write(ends[1], &figures, sizeof figures);
        fflush(stdout);
        _exit(written == (ssize_t)sizeof figures ? 0 : 1);
    }
    close(ends[1]);
    *job = (struct job){ .pid = pid, .from = ends[0], .workload = workload };
    return true;
}

static bool job_end(struct job *job, struct figures *sum)
{
    struct figures figures = { 0 };
    bool is_well = read(job->from, &figures, sizeof figures) == (ssize_t)sizeof figures;
    close(job->from);
    if (is_well) {
        print_figures(workloads[job->workload].name, &figures);
        add_figures(sum, &figures);
    } else {
        printf("%-9s ended without figures: it crashed\n", workloads[job->workload].name);
    }
    return is_well && figures.violations == 0 && figures.calls > 0 &&
           figures.calls_cut >= figures.calls;
}

static bool explore_all(const char *only, const struct effort *effort, uint64_t seed, size_t jobs,
                        uint64_t images_wanted)
{
    struct job running[JOBS_MAX];
    size_t running_count = 0;
    size_t next = 0;
    struct figures sum = { 0 };
    bool is_well = true;
    double begin = seconds_now();
    print_head();
    while (next < workload_count || running_count > 0) {
        while (next < workload_count && running_count < jobs) {
            bool is_wanted = only == NULL || strcmp(only, workloads[next].name) == 0;
            if (is_wanted && !job_start(&running[running_count++], next, effort, seed))
                return false;
            next++;
        }
        if (running_count == 0)
            break;
        int ignored;
        pid_t ended = wait(&ignored);
        for (size_t i = 0; i < running_count; i++) {
            if (running[i].pid != ended)
                continue;
            is_well = job_end(&running[i], &sum) && is_well;
            running[i] = running[--running_count];
            break;
        }
    }
    sum.seconds = seconds_now() - begin;
    print_figures("all", &sum);
    if (sum.images_all < images_wanted) {
        printf("found %" PRIu64 " distinct end images, expected %" PRIu64 " or more\n",
               sum.images_all, images_wanted);
        is_well = false;
    }
    return is_well;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: crash_explorer [--effort tiny|short|long] [--first] [--workload W] [--seed S] "
            "[--jobs N]\n"
            "                      [--images N] [--path CALL:cut|torn|kill:CHOICE[/..] [-v]]\n"
            "workloads:\n");
    for (size_t i = 0; i < workload_count; i++)
        fprintf(stderr, "  %-9s %s\n", workloads[i].name, workloads[i].what);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        struct effort effort;
    } efforts[] = {
        { "tiny",
          { .subsets = { 0, 0, 0 },
            .kill_stride = 256,
            .nested = { 8, 64, 0 } } }, /* under sanitizers */
        { "short", { .subsets = { 4, 1, 1 }, .kill_stride = 32, .nested = { 52, 96, 0 } } },
        { "long", { .subsets = { 22, 13, 9 }, .kill_stride = 4, .nested = { 512, 256, 0 } } },
    };
    struct effort effort = efforts[1].effort;
    const char *only = NULL;
    const char *path_text = NULL;
    uint64_t seed = 1;
    uint64_t images = 0;
    size_t jobs = 2;
    bool is_verbose = false;
    bool stops_at_first = false;
    /*
     * Machines and ledgers come and go all the time: keep their memory instead of giving it back.
     */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "-v") == 0) {
            is_verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--first") == 0) {
            stops_at_first = true;
            continue;
        }
        if (value == NULL)
            return usage();
        if (strcmp(argv[i], "--workload") == 0)
            only = value;
        else if (strcmp(argv[i], "--effort") == 0)
            for (size_t e = 0; e < CORE_COUNT(efforts); e++)
                effort = strcmp(value, efforts[e].name) == 0 ? efforts[e].effort : effort;
        else if (strcmp(argv[i], "--path") == 0)
            path_text = value;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--images") == 0)
            images = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            jobs = strtoull(value, NULL, 10);
        else
            return usage();
        i++;
    }
    if (jobs == 0 || jobs > JOBS_MAX)
        return usage();
    effort.stops_at_first = stops_at_first;
    if (path_text == NULL)
        return explore_all(only, &effort, seed, jobs, images) ? EXIT_SUCCESS : EXIT_FAILURE;

    struct path path;
    for (size_t i = 0; i < workload_count; i++) {
        if (only != NULL && strcmp(only, workloads[i].name) == 0 && path_parse(&path, path_text))
            return replay(&workloads[i], &path, seed, is_verbose);
    }
    return usage();
}
