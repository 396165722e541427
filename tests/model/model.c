/*
 * model.c -- a store answers what an oracle answers, whatever is done to it in whatever order.
 *
 *     model OPERATIONS [SEED [CHECK_EVERY]]
 *
 * Operations are drawn by a seed and done by three instances of the engine, each a process of its
 * own on one simulated disk; an oracle is told of every acknowledged commit. Every query is
 * compared with the oracle: rows, values, flags, revisions, order. Few users, metrics and times
 * make every row meet others.
 *
 * The work is cut into worlds: each begins with an empty store of other options, another choice of
 * metrics and another seed, and is repeated alone by its number. Within a world:
 *
 *   - an exact commit's answers are those that the oracle's state before it calls for;
 *   - a snapshot is asked again after later operations, also by a cursor that was begun, and
 *   answers as at first;
 *   - a process is killed, or the power cut, between operations or at any call within one. The
 *   batch of a commit
 *     that did not answer is committed again by another instance at once, which is what a gateway
 *     does; as a batch delivered twice is as good as once, the oracle is told of it once;
 *   - the wall clock jumps, by up to ten years.
 *
 * Prints how often each operation was done; none may be under 1 %. Exit 1 at the first difference.
 * CHECK_EVERY asks for everything after so many operations, to see where a difference begins.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/random.h"
#include "io/io_sim.h"
#include "oracle.h"
#include "rows.h"
#include "store/store.h"

#define SECOND_NS INT64_C(1000000000)
#define TIME_STEP_NS (45 * 60 * SECOND_NS)
#define TIME_BASE_NS                                                                               \
    (INT64_C(1764547200) * SECOND_NS) /* a month before the simulated clock begins */
#define TEN_YEARS_S INT64_C(315576000)
#define STORE "store"

enum {
    INSTANCES = 3,
    USERS = 8,
    METRICS = 4,
    SOURCES = 2,
    TIMES = 2000,
    WORLD_OPERATIONS = 20000,
    HISTORY = 4096, /* rows remembered, to be repeated and changed */
    PLANS = 64,     /* batches remembered, to be delivered again */
    PLAN_ROWS_MAX = 64,
    PLAN_DELETES_MAX = 4,
    HELD_MAX = 4, /* snapshots held open */
    HELD_QUESTIONS = 3,
    PRUNE_EVERY = 256,
    JUMP_EVERY = 40, /* operations between jumps of the wall clock, on average */
};

enum operation {
    OP_IN_ORDER,
    OP_LATE,
    OP_DUPLICATE,
    OP_CORRECTED,
    OP_LOWER_REVISION,
    OP_HIGHER_REVISION,
    OP_DELIVERED_AGAIN,
    OP_IMPLAUSIBLE,
    OP_REPLACED,
    OP_REPLACED_REVISION,
    OP_DELETED_METRIC,
    OP_DELETED_METRIC_REVISION,
    OP_DELETED_SOURCE,
    OP_DELETED_SOURCE_REVISION,
    OP_DELETED_USER,
    OP_DELETED_USER_REVISION,
    OP_QUERY_SOURCE,
    OP_QUERY_METRIC,
    OP_QUERY_OVERLAPPING,
    OP_QUERY_EVERYTHING,
    OP_QUERY_LATEST,
    OP_SNAPSHOT_HELD,
    OP_SNAPSHOT_ASKED_AGAIN,
    OP_FLUSHED,
    OP_COMPACTED_BY_POLICY,
    OP_COMPACTED_ALL,
    OP_VERIFIED,
    OP_REOPENED,
    OP_KILLED,
    OP_KILLED_WITHIN,
    OP_POWER_CUT,
    OP_POWER_CUT_WITHIN,
    OP_COUNT,
};

/* How often each is drawn, per 1,000. A new operation also needs: operation_names, do_operation. */
static const unsigned operation_weights[OP_COUNT] = {
    [OP_IN_ORDER] = 97,
    [OP_LATE] = 68,
    [OP_DUPLICATE] = 55,
    [OP_CORRECTED] = 70,
    [OP_LOWER_REVISION] = 50,
    [OP_HIGHER_REVISION] = 60,
    [OP_DELIVERED_AGAIN] = 40,
    [OP_IMPLAUSIBLE] = 20,
    [OP_REPLACED] = 35,
    [OP_REPLACED_REVISION] = 30,
    [OP_DELETED_METRIC] = 13,
    [OP_DELETED_METRIC_REVISION] = 13,
    [OP_DELETED_SOURCE] = 15,
    [OP_DELETED_SOURCE_REVISION] = 15,
    [OP_DELETED_USER] = 13,
    [OP_DELETED_USER_REVISION] = 13,
    [OP_QUERY_SOURCE] = 60,
    [OP_QUERY_METRIC] = 50,
    [OP_QUERY_OVERLAPPING] = 50,
    [OP_QUERY_EVERYTHING] = 20,
    [OP_QUERY_LATEST] = 50,
    [OP_SNAPSHOT_HELD] = 22,
    [OP_SNAPSHOT_ASKED_AGAIN] = 20,
    [OP_FLUSHED] = 17,
    [OP_COMPACTED_BY_POLICY] = 13,
    [OP_COMPACTED_ALL] = 13,
    [OP_VERIFIED] = 13,
    [OP_REOPENED] = 13,
    [OP_KILLED] = 13,
    [OP_KILLED_WITHIN] = 13,
    [OP_POWER_CUT] = 13,
    [OP_POWER_CUT_WITHIN] = 13,
};

static const char *const operation_names[OP_COUNT] = {
    [OP_IN_ORDER] = "in order",
    [OP_LATE] = "late",
    [OP_DUPLICATE] = "duplicate",
    [OP_CORRECTED] = "corrected",
    [OP_LOWER_REVISION] = "lower revision",
    [OP_HIGHER_REVISION] = "higher revision",
    [OP_DELIVERED_AGAIN] = "batch delivered again",
    [OP_IMPLAUSIBLE] = "implausible values",
    [OP_REPLACED] = "range replaced",
    [OP_REPLACED_REVISION] = "range replaced, with revision",
    [OP_DELETED_METRIC] = "metric deleted",
    [OP_DELETED_METRIC_REVISION] = "metric deleted, with revision",
    [OP_DELETED_SOURCE] = "source deleted",
    [OP_DELETED_SOURCE_REVISION] = "source deleted, with revision",
    [OP_DELETED_USER] = "user-wide deletion",
    [OP_DELETED_USER_REVISION] = "user-wide, with revision",
    [OP_QUERY_SOURCE] = "query: one source",
    [OP_QUERY_METRIC] = "query: all sources",
    [OP_QUERY_OVERLAPPING] = "query: overlapping",
    [OP_QUERY_EVERYTHING] = "query: all metrics",
    [OP_QUERY_LATEST] = "query: latest",
    [OP_SNAPSHOT_HELD] = "snapshot held",
    [OP_SNAPSHOT_ASKED_AGAIN] = "snapshot asked again",
    [OP_FLUSHED] = "flushed",
    [OP_COMPACTED_BY_POLICY] = "compacted by policy",
    [OP_COMPACTED_ALL] = "compacted wholly",
    [OP_VERIFIED] = "verified",
    [OP_REOPENED] = "reopened",
    [OP_KILLED] = "killed",
    [OP_KILLED_WITHIN] = "killed within a call",
    [OP_POWER_CUT] = "power cut",
    [OP_POWER_CUT_WITHIN] = "power cut within a call",
};

struct delete
{
    uint8_t user;
    uint32_t metric, source; /* numbers; 0: every one */
    int64_t begin, end, revision;
};

/* A batch. */
struct plan {
    struct rows_row rows[PLAN_ROWS_MAX];
    size_t row_count;
    struct delete deletes[PLAN_DELETES_MAX];
    size_t delete_count;
    int64_t revision; /* of the batch */
    bool is_exact, refuses_implausible;
};

struct instance {
    struct io *io;
    holter_store *store; /* NULL: not open */
    bool is_read_only;
};

/* A snapshot held open, and what it is to answer. */
struct held {
    holter_snapshot *snapshot; /* NULL: free */
    size_t instance;
    holter_scan_spec questions[HELD_QUESTIONS];
    struct buffer answers[HELD_QUESTIONS];
    holter_cursor *cursor; /* begun; asks the first question */
    struct buffer so_far;
};

struct world {
    uint64_t seed;
    struct random random;
    struct sim *sim;
    struct oracle *oracle;
    struct rows_world rows;
    size_t user_count;
    uint8_t metrics[METRICS]; /* indexes of rows_metric_at */
    holter_options options;
    uint64_t text_bytes_max; /* of a value */
    struct instance instances[INSTANCES];
    struct held held[HELD_MAX];
    uint64_t sequence; /* of the oracle: commits so far */
    uint64_t operation;
    enum operation last;
    uint32_t cursors[USERS][METRICS][SOURCES]; /* how far rows in order have come */
    struct rows_row history[HISTORY];
    size_t history_count; /* ever */
    struct plan *plans;   /* PLANS */
    size_t plan_count;    /* ever */
};

struct figures {
    uint64_t operations[OP_COUNT];
    uint64_t commits, commits_exact, answers[HOLTER_SUPERSEDED + 1];
    uint64_t rows, deletes, rows_refused;
    uint64_t superseded, hidden;
    uint64_t rows_answered, queries;
    uint64_t died_within, committed_again;
    uint64_t jobs, files_in, files_out;
};

static struct figures figures;

/* ---- failing --------------------------------------------------------------------------------- */

static const struct world *world_now; /* for the message of a failure */

static _Noreturn void fail(const char *format, ...) CORE_PRINTF(1, 2);

static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr,
            "model: world with seed %" PRIu64 ", operation %" PRIu64 " (%s): ", world_now->seed,
            world_now->operation, operation_names[world_now->last]);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static void need(holter_status status, const holter_error *err, const char *what)
{
    if (status != HOLTER_OK)
        fail("%s: %s: %s", what, holter_status_name(status), err->message);
}

static void compare(const struct buffer *expected, const struct buffer *found, const char *what)
{
    if (expected->failed || found->failed)
        fail("no memory");
    bool is_equal = expected->bytes == found->bytes &&
                    (found->bytes == 0 || memcmp(expected->data, found->data, found->bytes) == 0);
    if (is_equal)
        return;
    rows_explain(expected, found);
    fail("%s", what);
}

static uint64_t below(struct world *world, uint64_t count)
{
    return random_below(&world->random, count);
}

static bool is_one_in(struct world *world, uint64_t count)
{
    return below(world, count) == 0;
}

/* ---- instances ------------------------------------------------------------------------------- */

static void release_held(struct held *held)
{
    holter_cursor_close(held->cursor);
    holter_snapshot_close(held->snapshot);
    for (size_t i = 0; i < HELD_QUESTIONS; i++)
        buffer_release(&held->answers[i]);
    buffer_release(&held->so_far);
    *held = (struct held){ 0 };
}

static void close_instance(struct world *world, size_t at)
{
    struct instance *instance = &world->instances[at];
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (world->held[i].snapshot != NULL && world->held[i].instance == at)
            release_held(&world->held[i]);
    }
    holter_close(instance->store);
    instance->store = NULL;
}

static void end_process(struct world *world, size_t at)
{
    close_instance(world, at);
    io_free(world->instances[at].io);
    world->instances[at].io = NULL;
}

static holter_status open_instance(struct world *world, size_t at, holter_error *err)
{
    struct instance *instance = &world->instances[at];
    holter_options options = world->options;
    if (instance->io == NULL)
        instance->io = sim_process_new(world->sim);
    instance->is_read_only = at == INSTANCES - 1 && is_one_in(world, 2);
    options.read_only = instance->is_read_only;
    return store_open_on(&instance->store, instance->io, STORE, &options, err);
}

static void reopen(struct world *world, size_t at)
{
    holter_error err;
    need(open_instance(world, at, &err), &err, "opening");
}

/* What died is opened anew, by a new process. */
static void raise_the_dead(struct world *world)
{
    for (size_t i = 0; i < INSTANCES; i++) {
        if (sim_process_is_dead(world->instances[i].io)) {
            end_process(world, i);
            reopen(world, i);
        }
    }
}

/* The power is gone: what is left of the disk is chosen, everybody begins again. */
static void cut_power(struct world *world)
{
    static const enum sim_crash_mode modes[] = { SIM_CRASH_DURABLE, SIM_CRASH_ALL, SIM_CRASH_RANDOM,
                                                 SIM_CRASH_RANDOM };
    for (size_t i = 0; i < INSTANCES; i++)
        sim_process_kill(world->instances[i].io);
    for (size_t i = 0; i < INSTANCES; i++)
        end_process(world, i);
    enum sim_crash_mode mode = modes[below(world, CORE_COUNT(modes))];
    sim_crash(world->sim, mode, random_u64(&world->random));
    size_t first = below(world, INSTANCES);
    for (size_t i = 0; i < INSTANCES; i++)
        reopen(world, (first + i) % INSTANCES);
}

static size_t any_instance(struct world *world)
{
    return below(world, INSTANCES);
}

static size_t any_writer(struct world *world)
{
    size_t at = below(world, INSTANCES);
    return world->instances[at].is_read_only ? 0 : at;
}

/* ---- drawing rows ---------------------------------------------------------------------------- */

static int64_t time_at(uint64_t index)
{
    return TIME_BASE_NS + (int64_t)index * TIME_STEP_NS;
}

static int64_t draw_word(struct world *world, holter_type type, bool is_key)
{
    if (is_key)
        return (int64_t)below(world, 4);
    switch (type) {
    case HOLTER_FLOAT:
        return is_one_in(world, 20) ? 7001 + (int64_t)below(world, 6) : (int64_t)below(world, 300);
    case HOLTER_TEXT:
        return is_one_in(world, 1000) ? 1000000 + (int64_t)below(world, world->text_bytes_max)
                                      : (int64_t)below(world, 40);
    default:
        return 40 + (int64_t)below(world, 60);
    }
}

static void draw_values(struct world *world, struct rows_row *row)
{
    static const int64_t durations[] = {
        0, 1, SECOND_NS, TIME_STEP_NS / 2, TIME_STEP_NS, 7 * TIME_STEP_NS, 200 * TIME_STEP_NS,
    };
    const struct rows_metric *metric = rows_metric_at(row->metric);
    for (size_t f = 0; f < metric->field_count; f++) {
        if ((int)f != metric->key_field)
            row->words[f] = draw_word(world, metric->types[f], false);
    }
    row->duration = 0;
    if (metric->kind == HOLTER_INTERVAL)
        row->duration = is_one_in(world, 500) ? INT64_MAX : durations[below(world, 7)];
    row->flags = 0;
    if (is_one_in(world, 10))
        row->flags = (uint16_t)(HOLTER_MANUAL | below(world, 256) << 8);
}

/*
 * Revisions rise with the age of the world, so that what tombstones hide for ever is left behind.
 */
static int64_t draw_revision(struct world *world)
{
    int64_t base = 10 + (int64_t)(world->operation / 2000);
    switch (below(world, 4)) {
    case 0:
        return 0;
    case 1:
        return base + (int64_t)below(world, 5) - 2;
    default:
        return base;
    }
}

static struct rows_row draw_row(struct world *world, uint8_t user, bool is_in_order)
{
    size_t slot = below(world, METRICS);
    struct rows_row row = { .user = user,
                            .metric = world->metrics[slot],
                            .source = (uint8_t)(1 + below(world, SOURCES)),
                            .revision = draw_revision(world) };
    uint32_t *cursor = &world->cursors[user][slot][row.source - 1];
    if (is_in_order || *cursor == 0) {
        row.time = time_at(*cursor % TIMES);
        ++*cursor;
    } else {
        uint32_t reached = *cursor < TIMES ? *cursor : TIMES;
        row.time = time_at(below(world, reached));
    }
    const struct rows_metric *metric = rows_metric_at(row.metric);
    if (metric->key_field >= 0)
        row.words[metric->key_field] = draw_word(world, metric->types[metric->key_field], true);
    draw_values(world, &row);
    return row;
}

static struct rows_row draw_known_row(struct world *world)
{
    if (world->history_count == 0)
        return draw_row(world, 0, true);
    uint64_t count = world->history_count < HISTORY ? world->history_count : HISTORY;
    return world->history[below(world, count)];
}

/* A span of a few times, now and then of many or all. */
static void draw_span(struct world *world, int64_t *begin, int64_t *end)
{
    static const uint64_t lengths[] = { 1, 2, 4, 8, 16, 32, 150 };
    if (is_one_in(world, 60)) {
        *begin = HOLTER_TIME_MIN;
        *end = HOLTER_TIME_MAX;
        return;
    }
    uint64_t first = below(world, TIMES);
    uint64_t length = 1 + below(world, lengths[below(world, 7)]);
    *begin = time_at(first) - (int64_t)below(world, 2);
    *end = time_at(first + length) + (int64_t)below(world, 2);
}

/* ---- commits --------------------------------------------------------------------------------- */

static int64_t revision_of(const struct plan *plan, const struct rows_row *row)
{
    return row->revision != 0 ? row->revision : plan->revision;
}

/* The row of the batch that stands among those of one identity. */
static size_t standing_in(const struct plan *plan, size_t row)
{
    size_t standing = row;
    for (size_t i = 0; i < plan->row_count; i++) {
        if (!rows_is_same_identity(&plan->rows[i], &plan->rows[row]))
            continue;
        int64_t revision = revision_of(plan, &plan->rows[i]);
        int64_t greatest = revision_of(plan, &plan->rows[standing]);
        if (revision > greatest || (revision == greatest && i > standing))
            standing = i;
    }
    return standing;
}

static bool is_equal_payload(const struct rows_row *row, const void *payload, size_t payload_bytes)
{
    struct buffer mine;
    buffer_init(&mine);
    rows_payload(&mine, row);
    bool is_equal = mine.bytes == payload_bytes && memcmp(mine.data, payload, payload_bytes) == 0;
    buffer_release(&mine);
    return is_equal;
}

static bool covers(const struct world *world, const struct delete *delete,
                   const struct rows_row *row)
{
    return delete->user == row->user &&
           (delete->metric == 0 || delete->metric == world->rows.metrics[row->metric]) &&
           (delete->source == 0 || delete->source == row->source) && row->time >= delete->begin &&
           row->time < delete->end;
}

/*
 * What an exact commit answers for a row that stands in its batch, by the state before it; PENDING:
 * not told.
 */
static holter_answer expect_exact(struct world *world, const struct plan *plan,
                                  const struct rows_row *row)
{
    const struct oracle_row *stored = rows_standing(world->oracle, &world->rows, row);
    int64_t revision = revision_of(plan, row);
    if (stored == NULL)
        return HOLTER_NEW;
    if (is_equal_payload(row, stored->payload, stored->payload_bytes))
        return HOLTER_DUPLICATE;
    if (revision >= stored->revision)
        return HOLTER_CORRECTED;
    for (size_t i = 0; i < plan->delete_count; i++) {
        const struct delete *delete = &plan->deletes[i];
        int64_t of_delete = delete->revision != 0 ? delete->revision : plan->revision;
        if (!covers(world, delete, row))
            continue;
        if (of_delete == 0 || (of_delete >= stored->revision && revision >= of_delete))
            return HOLTER_CORRECTED; /* the batch itself removes what was greater */
    }
    return HOLTER_SUPERSEDED;
}

static void expect_answers(struct world *world, const struct plan *plan,
                           holter_answer answers[PLAN_ROWS_MAX])
{
    struct buffer of_standing;
    buffer_init(&of_standing);
    for (size_t i = 0; i < plan->row_count; i++) {
        const struct rows_row *standing = &plan->rows[standing_in(plan, i)];
        buffer_clear(&of_standing);
        rows_payload(&of_standing, standing);
        if (standing != &plan->rows[i])
            answers[i] = is_equal_payload(&plan->rows[i], of_standing.data, of_standing.bytes)
                             ? HOLTER_DUPLICATE
                             : HOLTER_SUPERSEDED;
        else if (plan->is_exact)
            answers[i] = expect_exact(world, plan, standing);
        else
            answers[i] = HOLTER_ACCEPTED;
    }
    buffer_release(&of_standing);
}

static void tell_oracle(struct world *world, const struct plan *plan)
{
    uint64_t sequence = ++world->sequence;
    for (size_t i = 0; i < plan->row_count; i++) {
        struct rows_row row = plan->rows[i];
        row.revision = revision_of(plan, &row);
        rows_tell(world->oracle, &world->rows, &row, sequence);
        world->history[world->history_count++ % HISTORY] = row;
    }
    for (size_t i = 0; i < plan->delete_count; i++) {
        const struct delete *delete = &plan->deletes[i];
        struct oracle_tombstone told = {
            .user = world->rows.users[delete->user],
            .metric = delete->metric,
            .source = delete->source,
            .begin = delete->begin,
            .end = delete->end,
            .revision = delete->revision != 0 ? delete->revision : plan->revision,
            .sequence = sequence,
        };
        oracle_add_tombstone(world->oracle, &told);
    }
    figures.commits++;
    figures.commits_exact += plan->is_exact;
    figures.rows += plan->row_count;
    figures.deletes += plan->delete_count;
}

static holter_status make_batch(holter_batch **out, struct world *world, holter_store *store,
                                const struct plan *plan, holter_error *err)
{
    holter_batch_options options = { .refuse_implausible = plan->refuses_implausible,
                                     .exact = plan->is_exact,
                                     .revision = plan->revision };
    holter_status status = holter_batch_new(out, store, &options, err);
    for (size_t i = 0; status == HOLTER_OK && i < plan->row_count; i++)
        status = rows_add(*out, &world->rows, &plan->rows[i], NULL, err);
    for (size_t i = 0; status == HOLTER_OK && i < plan->delete_count; i++) {
        const struct delete *delete = &plan->deletes[i];
        status =
            holter_batch_delete(*out, world->rows.users[delete->user], delete->metric,
                                delete->source, delete->begin, delete->end, delete->revision, err);
    }
    return status;
}

static void check_answers(const struct plan *plan, const holter_batch *batch,
                          const holter_answer expected[PLAN_ROWS_MAX])
{
    for (size_t i = 0; i < plan->row_count; i++) {
        holter_row_answer answer = holter_batch_answer(batch, i);
        if (answer.flags != rows_flags(&plan->rows[i]))
            fail("row %zu: found flags %#x, expected %#x", i, answer.flags,
                 rows_flags(&plan->rows[i]));
        if (answer.answer != expected[i])
            fail("row %zu of %zu, %s commit: found answer %d, expected %d", i, plan->row_count,
                 plan->is_exact ? "exact" : "plain", (int)answer.answer, (int)expected[i]);
        if (plan->is_exact)
            figures.answers[answer.answer]++;
    }
}

/*
 * Commit by one instance. Where it dies of it before it answered, the next one commits the batch
 * again: what then is new or a duplicate nobody can tell, so answers are left aside.
 */
static void commit(struct world *world, const struct plan *plan)
{
    holter_answer expected[PLAN_ROWS_MAX];
    holter_error err;
    expect_answers(world, plan, expected);
    for (int attempt = 0;; attempt++) {
        size_t at = any_writer(world);
        struct instance *instance = &world->instances[at];
        holter_batch *batch = NULL;
        holter_status status = make_batch(&batch, world, instance->store, plan, &err);
        if (status == HOLTER_OK)
            status = holter_commit(instance->store, batch, &err);
        bool is_dead = sim_process_is_dead(instance->io); /* then it told nobody what it answered */
        if (status == HOLTER_OK && attempt == 0 && !is_dead)
            check_answers(plan, batch, expected);
        holter_batch_free(batch);
        if (!is_dead) {
            need(status, &err, "committing");
            break;
        }
        figures.committed_again++;
        if (sim_process_is_dead(world->instances[(at + 1) % INSTANCES].io))
            cut_power(world);
        else
            raise_the_dead(world);
    }
    tell_oracle(world, plan);
    if (world->sequence % PRUNE_EVERY == 0)
        oracle_prune(world->oracle);
}

/* Rows that begin an implausible batch: refused where the batch says so, and then no part of it. */
static void drop_refused(struct world *world, struct plan *plan)
{
    holter_error err;
    holter_batch *batch;
    holter_batch_options options = { .refuse_implausible = 1 };
    size_t kept = 0;
    need(holter_batch_new(&batch, world->instances[0].store, &options, &err), &err, "a batch");
    for (size_t i = 0; i < plan->row_count; i++) {
        bool is_implausible =
            (rows_flags(&plan->rows[i]) & (HOLTER_OUT_OF_RANGE | HOLTER_NON_FINITE)) != 0;
        holter_status status = rows_add(batch, &world->rows, &plan->rows[i], NULL, &err);
        if (status != (is_implausible ? HOLTER_INVALID : HOLTER_OK))
            fail("an implausible row: found %s", holter_status_name(status));
        if (!is_implausible)
            plan->rows[kept++] = plan->rows[i];
        figures.rows_refused += is_implausible;
    }
    plan->row_count = kept;
    holter_batch_free(batch);
}

static void add_row(struct plan *plan, struct rows_row row)
{
    if (plan->row_count < PLAN_ROWS_MAX)
        plan->rows[plan->row_count++] = row;
}

static void plan_rows(struct world *world, struct plan *plan, enum operation operation)
{
    size_t count = 1 + below(world, is_one_in(world, 8) ? PLAN_ROWS_MAX - 8 : 4);
    uint8_t user = (uint8_t)below(world, world->user_count);
    bool is_mixed = is_one_in(world, 4);
    for (size_t i = 0; i < count; i++) {
        struct rows_row row;
        if (operation == OP_IN_ORDER || operation == OP_LATE) {
            if (is_mixed)
                user = (uint8_t)below(world, world->user_count);
            row = draw_row(world, user, operation == OP_IN_ORDER);
        } else {
            row = draw_known_row(world);
        }
        if (operation == OP_CORRECTED || operation == OP_HIGHER_REVISION)
            draw_values(world, &row);
        if (operation == OP_LOWER_REVISION) {
            if (is_one_in(world, 2))
                draw_values(world, &row);
            row.revision -= 1 + (int64_t)below(world, 3);
        }
        if (operation == OP_HIGHER_REVISION)
            row.revision += 1 + (int64_t)below(world, 3);
        if (operation == OP_IMPLAUSIBLE) {
            const struct rows_metric *metric = rows_metric_at(row.metric);
            for (size_t f = 0; f < metric->field_count; f++) {
                if (metric->has_range[f])
                    row.words[f] = -5000 + (int64_t)below(world, 6000);
            }
        }
        add_row(plan, row);
        if (is_one_in(world, 10)) { /* twice in one batch, equal or not */
            if (is_one_in(world, 2))
                draw_values(world, &row);
            add_row(plan, row);
        }
    }
}

static void plan_delete(struct world *world, struct plan *plan, enum operation operation)
{
    struct rows_row known = draw_known_row(world);
    struct delete *delete = &plan->deletes[plan->delete_count++];
    *delete = (struct delete){ .user = known.user };
    draw_span(world, &delete->begin, &delete->end);
    if (operation != OP_DELETED_USER && operation != OP_DELETED_USER_REVISION)
        delete->metric = world->rows.metrics[known.metric];
    if (operation == OP_DELETED_SOURCE || operation == OP_DELETED_SOURCE_REVISION)
        delete->source = known.source;
    bool has_revision = operation == OP_DELETED_METRIC_REVISION ||
                        operation == OP_DELETED_SOURCE_REVISION ||
                        operation == OP_DELETED_USER_REVISION || operation == OP_REPLACED_REVISION;
    if (has_revision)
        delete->revision = 6 + (int64_t)(world->operation / 2000) + (int64_t)below(world, 5);
}

/* A range of one series, and rows that begin in it. */
static void plan_replacement(struct world *world, struct plan *plan, enum operation operation)
{
    struct rows_row known = draw_known_row(world);
    plan_delete(world, plan, operation);
    struct delete *delete = &plan->deletes[plan->delete_count - 1];
    uint64_t first = below(world, TIMES);
    uint64_t length = 1 + below(world, 20);
    delete->user = known.user;
    delete->metric = world->rows.metrics[known.metric];
    delete->source = known.source;
    delete->begin = time_at(first);
    delete->end = time_at(first + length);
    for (uint64_t i = 0; i < length; i++) {
        struct rows_row row = known;
        if (is_one_in(world, 3))
            continue;
        row.time = time_at(first + i);
        row.revision = delete->revision;
        if (is_one_in(world, 5))
            row.revision = draw_revision(world);
        draw_values(world, &row);
        add_row(plan, row);
    }
}

static void do_commit(struct world *world, enum operation operation)
{
    struct plan *plan = &world->plans[world->plan_count % PLANS];
    if (operation == OP_DELIVERED_AGAIN && world->plan_count > 0) {
        uint64_t count = world->plan_count < PLANS ? world->plan_count : PLANS;
        commit(world, &world->plans[below(world, count)]);
        return;
    }
    *plan = (struct plan){ .is_exact = is_one_in(world, 4) };
    if (is_one_in(world, 4))
        plan->revision = draw_revision(world);
    if (operation <= OP_IMPLAUSIBLE)
        plan_rows(world, plan, operation);
    else if (operation <= OP_REPLACED_REVISION)
        plan_replacement(world, plan, operation);
    else
        plan_delete(world, plan, operation);
    if (operation == OP_IMPLAUSIBLE && is_one_in(world, 2)) {
        plan->refuses_implausible = true;
        drop_refused(world, plan);
    }
    if (plan->row_count + plan->delete_count == 0)
        return;
    world->plan_count++;
    commit(world, plan);
}

/* ---- queries --------------------------------------------------------------------------------- */

static holter_scan_spec draw_question(struct world *world, enum operation operation)
{
    struct rows_row known = draw_known_row(world);
    holter_scan_spec spec = { .user = world->rows.users[known.user] };
    if (!is_one_in(world, 12))
        draw_span(world, &spec.from_ns, &spec.to_ns);
    if (operation == OP_QUERY_EVERYTHING) {
        spec.overlapping = is_one_in(world, 3);
        return spec;
    }
    spec.metric = world->rows.metrics[known.metric];
    spec.overlapping = operation == OP_QUERY_OVERLAPPING;
    if (operation == OP_QUERY_SOURCE || (operation == OP_QUERY_OVERLAPPING && is_one_in(world, 2)))
        spec.source = known.source;
    return spec;
}

static void count_answer(const struct buffer *answer)
{
    figures.queries++;
    figures.rows_answered += rows_count(answer);
}

/* Ask, and compare. An instance that dies meanwhile has answered nothing. */
static void ask(struct world *world, enum operation operation)
{
    holter_error err;
    struct buffer expected, found;
    holter_snapshot *snapshot = NULL;
    size_t at = any_instance(world);
    holter_scan_spec spec = draw_question(world, operation);
    buffer_init(&expected);
    buffer_init(&found);
    holter_status status = holter_snapshot_open(&snapshot, world->instances[at].store, &err);
    if (status == HOLTER_OK && operation == OP_QUERY_LATEST) {
        holter_cursor *cursor = NULL;
        if (is_one_in(world, 2))
            spec.source = (uint32_t)(1 + below(world, SOURCES));
        status = holter_latest(&cursor, snapshot, spec.user, spec.metric, spec.source, &err);
        if (status == HOLTER_OK)
            status = rows_drain(&found, cursor, &err);
        holter_cursor_close(cursor);
        rows_expect_latest(&expected, world->oracle, &world->rows, spec.user, spec.metric,
                           spec.source);
    } else if (status == HOLTER_OK) {
        status = rows_scan(&found, snapshot, &spec, &err);
        rows_expect(&expected, world->oracle, &world->rows, &spec);
    }
    holter_snapshot_close(snapshot);
    if (!sim_process_is_dead(world->instances[at].io)) {
        need(status, &err, "a query");
        compare(&expected, &found, "a query");
        count_answer(&found);
    }
    buffer_release(&expected);
    buffer_release(&found);
}

static void check_everything(struct world *world)
{
    holter_error err;
    struct buffer expected, found;
    buffer_init(&expected);
    buffer_init(&found);
    rows_expect_all(&expected, world->oracle, &world->rows);
    for (size_t i = 0; i < INSTANCES; i++) {
        holter_snapshot *snapshot;
        need(holter_snapshot_open(&snapshot, world->instances[i].store, &err), &err, "a snapshot");
        buffer_clear(&found);
        need(rows_scan_all(&found, snapshot, &world->rows, &err), &err, "scanning all");
        compare(&expected, &found, "everything");
        count_answer(&found);
        holter_snapshot_close(snapshot);
    }
    buffer_release(&expected);
    buffer_release(&found);
}

/* ---- snapshots held open --------------------------------------------------------------------- */

static void hold(struct world *world)
{
    static const enum operation kinds[HELD_QUESTIONS] = { OP_QUERY_EVERYTHING, OP_QUERY_METRIC,
                                                          OP_QUERY_OVERLAPPING };
    holter_error err;
    struct held *held = &world->held[below(world, HELD_MAX)];
    if (held->snapshot != NULL)
        release_held(held);
    held->instance = any_instance(world);
    holter_store *store = world->instances[held->instance].store;
    need(holter_snapshot_open(&held->snapshot, store, &err), &err, "a snapshot to hold");
    for (size_t i = 0; i < HELD_QUESTIONS; i++) {
        held->questions[i] = draw_question(world, kinds[i]);
        buffer_init(&held->answers[i]);
        rows_expect(&held->answers[i], world->oracle, &world->rows, &held->questions[i]);
    }
    buffer_init(&held->so_far);
    if (is_one_in(world, 2)) {
        need(holter_scan(&held->cursor, held->snapshot, &held->questions[0], &err), &err,
             "a cursor");
        holter_status status = rows_step(&held->so_far, held->cursor, &err);
        if (status != HOLTER_DONE)
            need(status, &err, "a cursor's first rows");
    }
}

static void ask_again(struct world *world)
{
    holter_error err;
    struct held *held = &world->held[below(world, HELD_MAX)];
    for (size_t i = 0; held->snapshot == NULL && i < HELD_MAX; i++)
        held = &world->held[i];
    if (held->snapshot == NULL)
        return;
    if (held->cursor != NULL) {
        need(rows_drain(&held->so_far, held->cursor, &err), &err, "a cursor that was held");
        compare(&held->answers[0], &held->so_far, "a cursor that was held");
        holter_cursor_close(held->cursor);
        held->cursor = NULL;
    }
    for (size_t i = 0; i < HELD_QUESTIONS; i++) {
        struct buffer found;
        buffer_init(&found);
        need(rows_scan(&found, held->snapshot, &held->questions[i], &err), &err,
             "a snapshot that was held");
        compare(&held->answers[i], &found, "a snapshot that was held");
        count_answer(&found);
        buffer_release(&found);
    }
    if (is_one_in(world, 3))
        release_held(held);
}

/* ---- maintenance, endings -------------------------------------------------------------------- */

static void survive(struct world *world, size_t at, holter_status status, const holter_error *err,
                    const char *what)
{
    if (status != HOLTER_OK && !sim_process_is_dead(world->instances[at].io))
        need(status, err, what);
}

static void flush(struct world *world)
{
    holter_error err;
    size_t at = any_writer(world);
    survive(world, at, holter_flush(world->instances[at].store, NULL, &err), &err, "flushing");
}

static void compact(struct world *world, bool is_all)
{
    holter_error err;
    size_t at = any_writer(world);
    holter_compact_options options = { 0 };
    if (is_all)
        options.to = is_one_in(world, 3) ? HOLTER_COLD : HOLTER_WARM;
    holter_compact_result result = { 0 };
    holter_status status = holter_compact(world->instances[at].store, &options, &result, &err);
    survive(world, at, status, &err, "compacting");
    figures.jobs += result.jobs;
    figures.files_in += result.files_in;
    figures.files_out += result.files_out;
}

static void print_finding(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "verify: %s\n", sentence);
}

static void verify(struct world *world)
{
    holter_error err;
    size_t damaged;
    size_t at = any_instance(world);
    need(holter_verify(world->instances[at].store, print_finding, NULL, &damaged, &err), &err,
         "verifying");
}

/* Close and open one instance; dying at either leaves it to be raised. */
static void reopen_one(struct world *world)
{
    holter_error err;
    size_t at = any_instance(world);
    close_instance(world, at);
    holter_status status = open_instance(world, at, &err);
    survive(world, at, status, &err, "opening");
}

/* Something is done while a process, or the machine, is to end at one of its calls. */
static void end_within(struct world *world, bool is_power_cut)
{
    static const enum operation within[] = {
        OP_IN_ORDER, OP_REPLACED,      OP_DELETED_USER,        OP_DUPLICATE,
        OP_FLUSHED,  OP_COMPACTED_ALL, OP_COMPACTED_BY_POLICY, OP_REOPENED,
        OP_FLUSHED,  OP_COMPACTED_ALL, OP_QUERY_METRIC,
    };
    static const uint64_t calls[] = { 8, 40, 200, 1000 };
    enum operation operation = within[below(world, CORE_COUNT(within))];
    enum sim_event event = SIM_KILL;
    if (is_power_cut)
        event = is_one_in(world, 2) ? SIM_POWER_CUT : SIM_POWER_CUT_TORN;
    uint64_t call =
        sim_call_count(world->sim) + below(world, calls[below(world, CORE_COUNT(calls))]);
    sim_stop_at(world->sim, call, event);
    switch (operation) {
    case OP_FLUSHED:
        flush(world);
        break;
    case OP_COMPACTED_ALL:
    case OP_COMPACTED_BY_POLICY:
        compact(world, operation == OP_COMPACTED_ALL);
        break;
    case OP_REOPENED:
        reopen_one(world);
        break;
    case OP_QUERY_METRIC:
        ask(world, operation);
        break;
    default:
        do_commit(world, operation);
        break;
    }
    figures.died_within += sim_has_stopped(world->sim);
    sim_stop_at(world->sim, 0, SIM_NOTHING);
    size_t dead = 0;
    for (size_t i = 0; i < INSTANCES; i++)
        dead += sim_process_is_dead(world->instances[i].io);
    if (dead == INSTANCES)
        cut_power(world);
    else
        raise_the_dead(world);
}

static void do_operation(struct world *world, enum operation operation)
{
    switch (operation) {
    case OP_QUERY_SOURCE:
    case OP_QUERY_METRIC:
    case OP_QUERY_OVERLAPPING:
    case OP_QUERY_EVERYTHING:
    case OP_QUERY_LATEST:
        ask(world, operation);
        break;
    case OP_SNAPSHOT_HELD:
        hold(world);
        break;
    case OP_SNAPSHOT_ASKED_AGAIN:
        ask_again(world);
        break;
    case OP_FLUSHED:
        flush(world);
        break;
    case OP_COMPACTED_BY_POLICY:
    case OP_COMPACTED_ALL:
        compact(world, operation == OP_COMPACTED_ALL);
        break;
    case OP_VERIFIED:
        verify(world);
        break;
    case OP_REOPENED:
        reopen_one(world);
        break;
    case OP_KILLED:
        sim_process_kill(world->instances[any_instance(world)].io);
        raise_the_dead(world);
        break;
    case OP_POWER_CUT:
        cut_power(world);
        break;
    case OP_KILLED_WITHIN:
    case OP_POWER_CUT_WITHIN:
        end_within(world, operation == OP_POWER_CUT_WITHIN);
        break;
    default:
        do_commit(world, operation);
        break;
    }
}

/* ---- worlds ---------------------------------------------------------------------------------- */

static enum operation draw_operation(struct world *world)
{
    unsigned total = 0;
    for (size_t i = 0; i < OP_COUNT; i++)
        total += operation_weights[i];
    uint64_t left = below(world, total);
    for (size_t i = 0; i < OP_COUNT; i++) {
        if (left < operation_weights[i])
            return (enum operation)i;
        left -= operation_weights[i];
    }
    return OP_LATE;
}

/* An instant, an interval, one with a key and one of text, in random choice. */
static void draw_metrics(struct world *world)
{
    world->metrics[0] = (uint8_t)below(world, 3);
    world->metrics[1] = (uint8_t)(3 + below(world, 3));
    world->metrics[2] = (uint8_t)(6 + below(world, 3));
    world->metrics[3] = (uint8_t)(9 + below(world, 2));
}

static void begin_world(struct world *world, uint64_t seed)
{
    holter_error err;
    *world = (struct world){ .seed = seed, .random = { seed } };
    world_now = world;
    struct sim_options machine = { .seed = random_u64(&world->random) };
    world->sim = sim_new(&machine);
    world->oracle = oracle_new();
    world->plans = core_calloc(PLANS, sizeof *world->plans);
    if (world->plans == NULL)
        fail("no memory");
    world->user_count = 1 + below(world, USERS);
    draw_metrics(world);
    world->options = (holter_options){
        .log_file_bytes = UINT64_C(65536) << below(world, 3),
        .log_bytes_flush = UINT64_C(1) << (17 + below(world, 8)),
        .memory_bytes_max = UINT64_C(1) << (18 + below(world, 8)),
        .no_auto_flush = is_one_in(world, 3),
    };
    /* What a row may have at most, over the texts that one has. */
    world->text_bytes_max = world->options.log_file_bytes / 8 / 2 + 1;
    holter_create_options options = { .shards = (uint32_t)(1 + below(world, 3)),
                                      .no_sealing = is_one_in(world, 5) };
    world->instances[0].io = sim_process_new(world->sim);
    need(store_create_on(world->instances[0].io, STORE, &options, &err), &err, "creating");
    for (size_t i = 0; i < INSTANCES; i++)
        reopen(world, i);
    need(rows_prepare(&world->rows, world->instances[0].store, world->user_count, SOURCES, &err),
         &err, "preparing");
}

static void end_world(struct world *world)
{
    check_everything(world);
    struct oracle_counts counts = oracle_count(world->oracle);
    figures.superseded += counts.superseded;
    figures.hidden += counts.hidden;
    for (size_t i = 0; i < INSTANCES; i++)
        end_process(world, i);
    sim_free(world->sim);
    oracle_free(world->oracle);
    free(world->plans);
}

/* Up to ten years from where it was at first, or back to there. */
static void jump_clock(struct world *world)
{
    int64_t begin_s = 1767225600; /* where a simulated machine begins */
    if (is_one_in(world, 2))
        begin_s += (int64_t)below(world, 2 * TEN_YEARS_S) - TEN_YEARS_S;
    sim_wall_clock_set(world->sim, begin_s * SECOND_NS);
}

static void run_world(uint64_t seed, uint64_t operations, uint64_t check_every)
{
    static struct world world;
    begin_world(&world, seed);
    for (world.operation = 0; world.operation < operations; world.operation++) {
        world.last = draw_operation(&world);
        figures.operations[world.last]++;
        do_operation(&world, world.last);
        if (check_every != 0 && world.operation % check_every == 0)
            check_everything(&world);
        sim_clock_advance(world.sim, (int64_t)below(&world, 200) * SECOND_NS);
        if (is_one_in(&world, JUMP_EVERY))
            jump_clock(&world);
    }
    end_world(&world);
}

/* ---- figures --------------------------------------------------------------------------------- */

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* False: one of them is too rare to count as tested. */
static bool print_figures(uint64_t operations)
{
    static const char *const answers[] = { "pending",   "accepted",  "new",
                                           "duplicate", "corrected", "superseded" };
    bool is_enough = true;
    for (size_t i = 0; i < OP_COUNT; i++) {
        double share = percent(figures.operations[i], operations);
        printf("  %-32s %8" PRIu64 "  %5.2f %%\n", operation_names[i], figures.operations[i],
               share);
        is_enough = is_enough && share >= 1;
    }
    printf("  commits %" PRIu64 ", of these exact %" PRIu64 " (%.1f %%); died in a call %" PRIu64
           ", committed again %" PRIu64 "\n",
           figures.commits, figures.commits_exact, percent(figures.commits_exact, figures.commits),
           figures.died_within, figures.committed_again);
    printf("  rows %" PRIu64 ", superseded %" PRIu64 " (%.1f %%), deleted or replaced %" PRIu64
           " (%.1f %%), refused %" PRIu64 "; deletions %" PRIu64 "\n",
           figures.rows, figures.superseded, percent(figures.superseded, figures.rows),
           figures.hidden, percent(figures.hidden, figures.rows), figures.rows_refused,
           figures.deletes);
    printf("  exact answers:");
    for (size_t i = HOLTER_NEW; i <= HOLTER_SUPERSEDED; i++)
        printf(" %s %" PRIu64, answers[i], figures.answers[i]);
    printf("\n  queries compared %" PRIu64 ", rows compared %" PRIu64 "; compaction jobs %" PRIu64
           ", files %" PRIu64 " into %" PRIu64 "\n",
           figures.queries, figures.rows_answered, figures.jobs, figures.files_in,
           figures.files_out);
    is_enough = is_enough && percent(figures.superseded, figures.rows) >= 1 &&
                percent(figures.hidden, figures.rows) >= 1;
    if (!is_enough)
        fprintf(stderr, "model: something is under 1 %%\n");
    return is_enough;
}

int main(int argc, char **argv)
{
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t check_every = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    if (operations == 0) {
        fprintf(stderr, "usage: model OPERATIONS [SEED [CHECK_EVERY]]\n");
        return 2;
    }
    /*
     * Large buffers come and go with each opening: the time would go into pages that the kernel
     * clears.
     */
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    for (uint64_t done = 0, world = 0; done < operations; world++) {
        uint64_t left = operations - done;
        uint64_t count = left < WORLD_OPERATIONS ? left : WORLD_OPERATIONS;
        run_world(seed + world, count, check_every);
        done += count;
    }
    printf("model: %" PRIu64 " operations from seed %" PRIu64 " on, all equal\n", operations, seed);
    return print_figures(operations) || operations < 20000 ? 0 : 1;
}
