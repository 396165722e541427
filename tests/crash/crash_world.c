/*
 * crash_world.c -- acts of simulated processes upon a store, each noted in the ledger before and
 * after.
 *
 * An answer counts only if the process still lives when it has it: what died in the middle of a
 * call told nobody.
 */
#include "crash.h"

#include "core/core.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_NS (INT64_C(60) * 1000000000)
#define WEEK_NS (7 * 24 * 60 * MINUTE_NS)

enum { NOTE_BYTES_MAX = 6000 };

static const char *const metric_names[METRICS] = { "heart_rate",      "steps",
                                                   "blood_pressure",  "weight",
                                                   "sleep_stage",     "note",
                                                   "medication_dose", "own_0" };

/*
 * Of every machine, since numbers of built-in metrics are fixed and own_0 is the first one defined.
 */
static struct {
    bool is_known;
    uint32_t number;
    holter_kind kind;
    size_t field_count;
    holter_type types[HOLTER_FIELDS_MAX];
} metrics[METRICS];

int64_t minute_ns(int64_t minutes)
{
    return minutes * MINUTE_NS;
}

int64_t week_ns(int week)
{
    return (INT64_C(2920) + week) * WEEK_NS; /* of the years 2025 and 2026 */
}

void world_trouble(struct world *world, const char *format, ...)
{
    if (world->has_trouble)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->trouble, sizeof world->trouble, format, arguments);
    va_end(arguments);
    world->has_trouble = true;
    if (world->is_verbose)
        printf("  TROUBLE: %s\n", world->trouble);
}

bool actor_is_alive(const struct actor *actor)
{
    return actor->io != NULL && !sim_process_is_dead(actor->io);
}

static bool is_going(const struct actor *actor)
{
    return actor_is_alive(actor) && actor->store != NULL && !actor->world->has_trouble;
}

/* Whether an act was done, and its answer heard. */
static bool settle(struct actor *actor, holter_status status, const holter_error *err,
                   const char *what)
{
    struct world *world = actor->world;
    if (!actor_is_alive(actor))
        return false;
    if (status == HOLTER_OK)
        return true;
    if (world->is_verbose)
        printf("    %s: %s: %s\n", what, holter_status_name(status), err->message);
    if (world->faults_allowed && (status != HOLTER_CORRUPT || world->corrupt_allowed))
        return false;
    world_trouble(world, "%s: %s: %s", what, holter_status_name(status), err->message);
    return false;
}

static void narrate(const struct actor *actor, const char *what)
{
    if (actor->world->is_verbose)
        printf("  [%llu] actor %zu: %s%s\n", (unsigned long long)sim_call_count(actor->world->sim),
               (size_t)(actor - actor->world->actors), what,
               actor_is_alive(actor) ? "" : " (dead)");
}

/* ---- actors ---------------------------------------------------------------------------------- */

struct actor *actor_new(struct world *world, size_t index, bool is_reader)
{
    struct actor *actor = &world->actors[index];
    assert(actor->io == NULL);
    *actor = (struct actor){ .world = world, .is_reader = is_reader };
    actor->io = sim_process_new(world->sim);
    return actor;
}

void actor_start(struct actor *actor)
{
    struct world *world = actor->world;
    holter_error err = { 0 };
    holter_options options = { .read_only = actor->is_reader,
                               .log_file_bytes = 64 << 10,
                               .no_auto_flush = 1 };
    if (!actor_is_alive(actor) || world->has_trouble)
        return;
    narrate(actor, actor->is_reader ? "open for reading" : "open");
    bool was_there = world->ledger.store >= LEDGER_ACKNOWLEDGED;
    holter_status status = store_open_on(&actor->store, actor->io, CRASH_STORE, &options, &err);
    if (!actor_is_alive(actor))
        return;
    bool is_no_store = status == HOLTER_NOT_FOUND || status == HOLTER_INVALID;
    if (is_no_store && !was_there)
        return; /* it was not made, and nobody was told that it was */
    if (settle(actor, status, &err, actor->is_reader ? "open for reading" : "open") && !was_there)
        world->ledger.store = LEDGER_SEEN;
}

struct actor *actor_open(struct world *world, size_t index, bool is_reader)
{
    struct actor *actor = actor_new(world, index, is_reader);
    actor_start(actor);
    return actor;
}

struct actor *actor_create(struct world *world, size_t index, uint32_t shards)
{
    struct actor *actor = actor_new(world, index, false);
    holter_create_options create = { .shards = shards };
    holter_error err = { 0 };
    world->ledger.store = LEDGER_TRIED;
    holter_status status = store_create_on(actor->io, CRASH_STORE, &create, &err);
    if (settle(actor, status, &err, "create")) {
        world->ledger.store = LEDGER_ACKNOWLEDGED;
        actor_start(actor);
    }
    return actor;
}

void actors_run_together(struct world *world, void (*const *bodies)(void *actor), size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct actor *actor = actor_new(world, i, false);
        sim_spawn(world->sim, actor->io, bodies[i], actor);
    }
    if (!sim_run(world->sim))
        world_trouble(world, "all that are left wait for each other");
}

void actor_close(struct actor *actor)
{
    if (actor->io == NULL)
        return;
    narrate(actor, "close");
    holter_snapshot_close(actor->pinned);
    holter_batch_free(actor->batch);
    holter_close(actor->store);
    io_free(actor->io);
    *actor = (struct actor){ 0 };
}

void world_close(struct world *world)
{
    for (size_t i = 0; i < ACTORS_MAX; i++)
        actor_close(&world->actors[i]);
}

void world_free(struct world *world)
{
    world_close(world);
    sim_free(world->sim);
    world->sim = NULL;
}

void world_copy(struct world *out, const struct world *from, uint64_t seed)
{
    out->sim = sim_copy(from->sim, seed);
    out->ledger = from->ledger;
    memset(out->actors, 0, sizeof out->actors);
    out->serial = from->serial;
    out->faults_allowed = from->faults_allowed;
    out->corrupt_allowed = from->corrupt_allowed;
    out->is_verbose = from->is_verbose;
    out->has_trouble = false;
    out->trouble[0] = '\0';
}

/* ---- values: all fields of a row follow from one number -------------------------------------- */

static bool learn_metric(struct actor *actor, enum metric_index index)
{
    holter_metric metric;
    holter_error err = { 0 };
    if (metrics[index].is_known)
        return true;
    holter_status status = holter_metric_find(actor->store, metric_names[index], &metric, &err);
    if (!settle(actor, status, &err, "find a metric"))
        return false;
    metrics[index].number = metric.number;
    metrics[index].kind = metric.kind;
    metrics[index].field_count = metric.field_count;
    for (size_t f = 0; f < metric.field_count; f++)
        metrics[index].types[f] = metric.fields[f].type;
    metrics[index].is_known = true;
    return true;
}

static int64_t duration_of(enum metric_index metric, int64_t value)
{
    return metrics[metric].kind == HOLTER_INTERVAL ? MINUTE_NS + value % 3 * (MINUTE_NS / 2) : 0;
}

static void fill_text(holter_value *out, char *memory, enum metric_index metric, int64_t value)
{
    size_t count;
    if (metric == M_DOSE) {
        count = (size_t)snprintf(memory, NOTE_BYTES_MAX, "drug %d", (int)(value % 3));
    } else {
        count = 1 + (size_t)(value * 977 % (NOTE_BYTES_MAX - 1));
        for (size_t i = 0; i < count; i++)
            memory[i] = (char)('a' + ((uint64_t)value * 31 + i * i + i / 7) % 26);
    }
    out->text.bytes = memory;
    out->text.count = count;
}

static void fill(holter_value values[static HOLTER_FIELDS_MAX], char *memory,
                 enum metric_index metric, int64_t value)
{
    for (size_t f = 0; f < metrics[metric].field_count; f++) {
        switch (metrics[metric].types[f]) {
        case HOLTER_INT:
            values[f].integer =
                40 + (value + (int64_t)f * 7) % 150; /* plausible for all that are used */
            break;
        case HOLTER_FLOAT:
            values[f].real = 1.0 + (double)(value % 1000) / 8;
            break;
        case HOLTER_ENUM:
            values[f].integer = value % 4;
            break;
        case HOLTER_TEXT:
            fill_text(&values[f], memory, metric, value);
            break;
        }
    }
}

static uint64_t hash_field(uint64_t hash, holter_type type, const holter_value *value)
{
    uint64_t bits;
    switch (type) {
    case HOLTER_FLOAT:
        memcpy(&bits, &value->real, sizeof bits);
        return mix64(hash, bits);
    case HOLTER_TEXT:
        return mix64(hash, hash64(value->text.bytes, value->text.count));
    case HOLTER_INT:
    case HOLTER_ENUM:
        break;
    }
    return mix64(hash, (uint64_t)value->integer);
}

static uint64_t hash_identity(enum metric_index metric, uint32_t source, int64_t time_ns,
                              int64_t duration_ns, int64_t revision, uint16_t flags)
{
    uint64_t hash = mix64((uint64_t)metric << 32 | source, (uint64_t)time_ns);
    hash = mix64(hash, (uint64_t)duration_ns);
    hash = mix64(hash, (uint64_t)revision);
    return mix64(hash, flags);
}

uint64_t ledger_row_hash(const struct ledger_row *row)
{
    char memory[NOTE_BYTES_MAX];
    holter_value values[HOLTER_FIELDS_MAX];
    enum metric_index metric = row->metric;
    fill(values, memory, metric, row->value);
    uint64_t hash = hash_identity(metric, row->source, row->time_ns,
                                  duration_of(metric, row->value), row->revision, 0);
    for (size_t f = 0; f < metrics[metric].field_count; f++)
        hash = hash_field(hash, metrics[metric].types[f], &values[f]);
    return hash;
}

/* ---- facts ----------------------------------------------------------------------------------- */

static struct ledger_fact *fact_of_user(struct world *world, size_t user)
{
    return &world->ledger.facts[world->ledger.user_fact[user]];
}

static bool user_is_known(const struct world *world, size_t user)
{
    return user < world->ledger.user_count &&
           world->ledger.facts[world->ledger.user_fact[user]].number != 0;
}

/* Rows need a source, which a process that died may not have added. */
static bool user_has_source(const struct world *world, size_t user)
{
    for (size_t i = 0; i < world->ledger.fact_count; i++) {
        const struct ledger_fact *fact = &world->ledger.facts[i];
        if (fact->kind == FACT_SOURCE && fact->user == user && fact->state >= LEDGER_ACKNOWLEDGED)
            return true;
    }
    return false;
}

static bool region_is_known(const struct world *world, unsigned serial)
{
    for (size_t i = 0; i < world->ledger.fact_count; i++) {
        const struct ledger_fact *fact = &world->ledger.facts[i];
        if (fact->kind == FACT_REGION && fact->serial == serial &&
            fact->state >= LEDGER_ACKNOWLEDGED)
            return true;
    }
    return false;
}

static void user_id(char out[static 32], const struct ledger_fact *fact)
{
    snprintf(out, 32, "person-%u@example.org", fact->serial);
}

/* The answer was heard: from now on the fact must be there. */
static bool fact_settle(struct actor *actor, size_t index, holter_status status, uint64_t number,
                        const holter_error *err, const char *what)
{
    if (!settle(actor, status, err, what))
        return false;
    struct ledger_fact *fact = &actor->world->ledger.facts[index];
    fact->number = number;
    fact->state = LEDGER_ACKNOWLEDGED;
    return true;
}

bool act_user(struct actor *actor, unsigned region)
{
    if (!is_going(actor))
        return false;
    char id[32], name_of_region[32];
    struct world *world = actor->world;
    if (region != 0 && !region_is_known(world, region))
        return false;
    snprintf(name_of_region, sizeof name_of_region, "region-%u", region);
    holter_error err = { 0 };
    uint64_t number = 0;
    narrate(actor, "add a user");
    size_t fact = ledger_fact_add(&world->ledger, FACT_USER, world->ledger.user_count,
                                  world->ledger.user_count);
    user_id(id, &world->ledger.facts[fact]);
    holter_id name = { id, strlen(id) };
    holter_status status = holter_users_add(actor->store, &name, 1,
                                            region != 0 ? name_of_region : NULL, &number, &err);
    return fact_settle(actor, fact, status, number, &err, "add a user");
}

bool act_source(struct actor *actor, size_t user)
{
    if (!is_going(actor) || !user_is_known(actor->world, user))
        return false;
    char name[32];
    struct world *world = actor->world;
    holter_error err = { 0 };
    uint32_t number = 0;
    size_t serial = ++world->ledger.sources[user];
    narrate(actor, "add a source");
    size_t fact = ledger_fact_add(&world->ledger, FACT_SOURCE, user, serial);
    snprintf(name, sizeof name, "watch-%zu", serial);
    holter_status status =
        holter_source_need(actor->store, fact_of_user(world, user)->number, name, &number, &err);
    return fact_settle(actor, fact, status, number, &err, "add a source");
}

bool act_firmware(struct actor *actor, size_t user, unsigned version)
{
    if (!is_going(actor))
        return false;
    char firmware[32];
    struct world *world = actor->world;
    holter_error err = { 0 };
    narrate(actor, "change a source");
    size_t fact = ledger_fact_add(&world->ledger, FACT_FIRMWARE, user, version);
    snprintf(firmware, sizeof firmware, "%u", version);
    holter_source source = {
        .number = 1, .name = "watch-1", .type = "watch", .firmware = firmware
    };
    holter_status status =
        holter_source_put(actor->store, fact_of_user(world, user)->number, &source, NULL, &err);
    return fact_settle(actor, fact, status, version, &err, "change a source");
}

bool act_metric(struct actor *actor, unsigned serial)
{
    if (!is_going(actor))
        return false;
    char name[32];
    holter_error err = { 0 };
    uint32_t number = 0;
    narrate(actor, "define a metric");
    size_t fact = ledger_fact_add(&actor->world->ledger, FACT_METRIC, 0, serial);
    snprintf(name, sizeof name, "own_%u", serial);
    holter_metric metric = { .name = name,
                             .unit = "1",
                             .kind = HOLTER_INSTANT,
                             .field_count = 1,
                             .fields = { { .name = "value", .type = HOLTER_FLOAT } },
                             .key_field = -1,
                             .aggregation = HOLTER_MEAN,
                             .tier_class = HOLTER_WAVEFORM,
                             .carry_ns = MINUTE_NS };
    holter_status status = holter_metric_define(actor->store, &metric, &number, &err);
    return fact_settle(actor, fact, status, number, &err, "define a metric");
}

bool act_label(struct actor *actor, unsigned serial)
{
    if (!is_going(actor) || !learn_metric(actor, M_STAGE))
        return false;
    char label[32];
    holter_error err = { 0 };
    int64_t value = 0;
    narrate(actor, "add a label");
    size_t fact = ledger_fact_add(&actor->world->ledger, FACT_LABEL, 0, serial);
    snprintf(label, sizeof label, "stage_%u", serial);
    holter_status status =
        holter_metric_add_label(actor->store, metrics[M_STAGE].number, 0, label, &value, &err);
    return fact_settle(actor, fact, status, (uint64_t)value, &err, "add a label");
}

bool act_region(struct actor *actor, unsigned serial)
{
    if (!is_going(actor))
        return false;
    char name[32];
    holter_error err = { 0 };
    narrate(actor, "add a region");
    size_t fact = ledger_fact_add(&actor->world->ledger, FACT_REGION, 0, serial);
    snprintf(name, sizeof name, "region-%u", serial);
    holter_status status = holter_add_region(actor->store, name, 1, &err);
    return fact_settle(actor, fact, status, serial, &err, "add a region");
}

/* ---- batches --------------------------------------------------------------------------------- */

bool batch_begin(struct actor *actor)
{
    if (!is_going(actor))
        return false;
    actor->part_count = 0;
    actor->part_first = actor->world->ledger.part_count;
    return true;
}

void batch_part(struct actor *actor, size_t user)
{
    size_t part = ledger_part_add(&actor->world->ledger, user);
    assert(part == (size_t)actor->part_first + actor->part_count);
    actor->part_count++;
}

static struct ledger_part *batch_last_part(struct actor *actor)
{
    return &actor->world->ledger.parts[actor->part_first + actor->part_count - 1];
}

void batch_row(struct actor *actor, enum metric_index metric, size_t source, int64_t time_ns,
               int64_t revision)
{
    struct world *world = actor->world;
    struct ledger *ledger = &world->ledger;
    assert(ledger->row_count < LEDGER_ROWS_MAX);
    int64_t value = (int64_t)(mix64(++world->serial, 7) % 100000);
    ledger->rows[ledger->row_count++] = (struct ledger_row){ .time_ns = time_ns,
                                                             .value = value,
                                                             .revision = revision,
                                                             .metric = (uint8_t)metric,
                                                             .source = (uint8_t)source };
    batch_last_part(actor)->row_count++;
}

void batch_cut(struct actor *actor, int metric, size_t source, int64_t begin_ns, int64_t end_ns,
               int64_t revision)
{
    struct ledger *ledger = &actor->world->ledger;
    assert(ledger->cut_count < LEDGER_CUTS_MAX);
    ledger->cuts[ledger->cut_count++] = (struct ledger_cut){ .begin_ns = begin_ns,
                                                             .end_ns = end_ns,
                                                             .revision = revision,
                                                             .metric = (int8_t)metric,
                                                             .source = (uint8_t)source };
    batch_last_part(actor)->cut_count++;
}

static bool put_row(struct actor *actor, uint64_t user, const struct ledger_row *row)
{
    char memory[NOTE_BYTES_MAX];
    holter_value values[HOLTER_FIELDS_MAX];
    holter_error err = { 0 };
    enum metric_index metric = row->metric;
    fill(values, memory, metric, row->value);
    holter_row out = { .user = user,
                       .metric = metrics[metric].number,
                       .source = row->source,
                       .time_ns = row->time_ns,
                       .duration_ns = duration_of(metric, row->value),
                       .values = values,
                       .value_count = metrics[metric].field_count,
                       .revision = row->revision };
    return settle(actor, holter_batch_add(actor->batch, &out, NULL, &err), &err, "add a row");
}

static bool put_cut(struct actor *actor, uint64_t user, const struct ledger_cut *cut)
{
    holter_error err = { 0 };
    uint32_t metric = cut->metric < 0 ? 0 : metrics[cut->metric].number;
    holter_status status = holter_batch_delete(actor->batch, user, metric, cut->source,
                                               cut->begin_ns, cut->end_ns, cut->revision, &err);
    return settle(actor, status, &err, "add a deletion");
}

/* The ledger's parts into a batch of the store. */
static bool fill_batch(struct actor *actor)
{
    struct world *world = actor->world;
    holter_error err = { 0 };
    holter_batch_free(actor->batch);
    actor->batch = NULL;
    if (!settle(actor, holter_batch_new(&actor->batch, actor->store, NULL, &err), &err,
                "make a batch"))
        return false;
    for (size_t i = 0; i < actor->part_count; i++) {
        const struct ledger_part *part = &world->ledger.parts[actor->part_first + i];
        uint64_t user = fact_of_user(world, part->user)->number;
        for (size_t r = 0; r < part->row_count; r++) {
            if (!put_row(actor, user, &world->ledger.rows[part->row_first + r]))
                return false;
        }
        for (size_t c = 0; c < part->cut_count; c++) {
            if (!put_cut(actor, user, &world->ledger.cuts[part->cut_first + c]))
                return false;
        }
    }
    return true;
}

/* Which parts the answers tell to be stored. */
static void hear_answers(struct actor *actor, holter_status status)
{
    size_t row = 0;
    for (size_t i = 0; i < actor->part_count; i++) {
        struct ledger_part *part = &actor->world->ledger.parts[actor->part_first + i];
        size_t stored = 0;
        for (size_t r = 0; r < part->row_count; r++)
            stored += holter_batch_answer(actor->batch, row++).answer != HOLTER_PENDING;
        if (stored != 0 && stored != part->row_count)
            world_trouble(actor->world, "commit: %zu of %u rows of a part were answered", stored,
                          part->row_count);
        if (status == HOLTER_OK && part->row_count > 0 && stored == 0)
            world_trouble(actor->world, "commit: answered OK, but a part's rows are pending");
        if (status == HOLTER_OK || (part->row_count > 0 && stored == part->row_count))
            part->state = LEDGER_ACKNOWLEDGED;
    }
}

bool batch_again(struct actor *actor)
{
    holter_error err = { 0 };
    if (!is_going(actor) || actor->batch == NULL)
        return false;
    narrate(actor, "commit");
    holter_status status = holter_commit(actor->store, actor->batch, &err);
    if (!actor_is_alive(actor))
        return false;
    hear_answers(actor, status);
    return settle(actor, status, &err, "commit");
}

bool batch_commit(struct actor *actor)
{
    if (!is_going(actor))
        return false;
    if (!fill_batch(actor)) {
        holter_batch_free(actor->batch); /* half of it is not to be committed */
        actor->batch = NULL;
        return false;
    }
    return batch_again(actor);
}

bool act_rows(struct actor *actor, size_t user, enum metric_index metric, int64_t time_ns,
              size_t count)
{
    struct world *world = actor->world;
    if (!is_going(actor) || !user_is_known(world, user) || !user_has_source(world, user) ||
        !batch_begin(actor))
        return false;
    batch_part(actor, user);
    for (size_t i = 0; i < count; i++)
        batch_row(actor, metric, 1, time_ns + (int64_t)i * MINUTE_NS, 0);
    return batch_commit(actor);
}

/* ---- maintenance ----------------------------------------------------------------------------- */

bool act_flush(struct actor *actor)
{
    holter_error err = { 0 };
    if (!is_going(actor))
        return false;
    narrate(actor, "flush");
    return settle(actor, holter_flush(actor->store, NULL, &err), &err, "flush");
}

bool act_compact(struct actor *actor, holter_tier to)
{
    holter_error err = { 0 };
    holter_compact_options options = { .to = to };
    if (!is_going(actor))
        return false;
    narrate(actor, "compact");
    return settle(actor, holter_compact(actor->store, &options, NULL, &err), &err, "compact");
}

static void tell_finding(void *context, const char *sentence)
{
    struct actor *actor = context;
    if (actor_is_alive(actor) && !actor->world->faults_allowed)
        world_trouble(actor->world, "verify: %s", sentence);
}

bool act_verify(struct actor *actor)
{
    holter_error err = { 0 };
    size_t damaged = 0;
    if (!is_going(actor))
        return false;
    narrate(actor, "verify");
    holter_status status = holter_verify(actor->store, tell_finding, actor, &damaged, &err);
    return settle(actor, status, &err, "verify");
}

/* ---- reading --------------------------------------------------------------------------------- */

static enum metric_index index_of_metric(uint32_t number)
{
    for (enum metric_index m = 0; m < METRICS; m++) {
        if (metrics[m].is_known && metrics[m].number == number)
            return m;
    }
    return METRICS;
}

static void columns_value(holter_value *out, const holter_columns *columns, size_t field,
                          size_t row)
{
    switch (columns->types[field]) {
    case HOLTER_FLOAT:
        out->real = columns->fields[field].real[row];
        break;
    case HOLTER_TEXT:
        out->text.bytes = columns->fields[field].text[row].bytes;
        out->text.count = columns->fields[field].text[row].count;
        break;
    case HOLTER_INT:
    case HOLTER_ENUM:
        out->integer = columns->fields[field].integer[row];
        break;
    }
}

static uint64_t hash_columns(struct world *world, const holter_columns *columns)
{
    uint64_t sum = 0;
    enum metric_index metric = index_of_metric(columns->metric);
    if (metric == METRICS) {
        world_trouble(world, "a scan gave rows of metric %u, which nobody wrote", columns->metric);
        return 0;
    }
    for (size_t i = 0; i < columns->count; i++) {
        int64_t duration = columns->duration_ns != NULL ? columns->duration_ns[i] : 0;
        uint64_t hash = hash_identity(metric, columns->source, columns->time_ns[i], duration,
                                      columns->revision[i], columns->flags[i]);
        for (size_t f = 0; f < columns->field_count; f++) {
            holter_value value;
            columns_value(&value, columns, f, i);
            hash = hash_field(hash, columns->types[f], &value);
        }
        if (i > 0 && columns->time_ns[i] < columns->time_ns[i - 1])
            world_trouble(world, "a scan gave times that fall");
        if (world->is_verbose && world->has_trouble)
            printf("    found metric %d source %u time %lld revision %lld hash %016llx\n",
                   (int)metric, columns->source, (long long)columns->time_ns[i],
                   (long long)columns->revision[i], (unsigned long long)hash);
        sum += hash;
    }
    return sum;
}

static bool scan_user(uint64_t *hash, struct actor *actor, holter_snapshot *snapshot,
                      uint64_t number)
{
    holter_error err = { 0 };
    holter_cursor *cursor = NULL;
    holter_scan_spec spec = { .user = number };
    holter_columns columns;
    *hash = ledger_empty_hash();
    holter_status status = holter_scan(&cursor, snapshot, &spec, &err);
    while (status == HOLTER_OK) {
        status = holter_cursor_next(cursor, &columns, &err);
        if (status == HOLTER_OK)
            *hash += hash_columns(actor->world, &columns);
    }
    holter_cursor_close(cursor);
    return settle(actor, status == HOLTER_DONE ? HOLTER_OK : status, &err, "scan");
}

struct fact_found {
    holter_status status;
    uint64_t number;
};

static holter_status find_label(uint64_t *number, struct actor *actor, unsigned serial,
                                holter_error *err)
{
    char label[32];
    holter_metric metric;
    snprintf(label, sizeof label, "stage_%u", serial);
    holter_status status = holter_metric_find(actor->store, metric_names[M_STAGE], &metric, err);
    if (status != HOLTER_OK)
        return status;
    for (size_t i = 0; i < metric.fields[0].label_count; i++) {
        if (strcmp(metric.fields[0].labels[i], label) == 0) {
            *number = i;
            return HOLTER_OK;
        }
    }
    return HOLTER_NOT_FOUND;
}

static holter_status find_region(uint64_t *number, struct actor *actor, unsigned serial,
                                 holter_error *err)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "region-%u", serial);
    *number = serial;
    for (size_t i = 0; i < holter_region_count(actor->store); i++) {
        const char *name;
        uint32_t shards;
        holter_status status = holter_region_at(actor->store, i, &name, &shards, err);
        if (status != HOLTER_OK || strcmp(name, wanted) == 0)
            return status;
    }
    return HOLTER_NOT_FOUND;
}

static holter_status find_firmware(uint64_t *number, struct actor *actor, size_t user,
                                   holter_error *err)
{
    holter_source *source;
    holter_status status =
        holter_source_read(actor->store, fact_of_user(actor->world, user)->number, 1, &source, err);
    if (status != HOLTER_OK)
        return status;
    *number = strtoull(source->firmware, NULL, 10);
    holter_source_free(source);
    return HOLTER_OK;
}

static holter_status find_fact(uint64_t *number, struct actor *actor,
                               const struct ledger_fact *fact, holter_error *err)
{
    char name[32];
    uint32_t small = 0;
    holter_metric metric;
    holter_status status = HOLTER_NOT_FOUND;
    switch ((enum fact_kind)fact->kind) {
    case FACT_USER:
        user_id(name, fact);
        return holter_user_find(actor->store, name, strlen(name), number, err);
    case FACT_SOURCE:
        snprintf(name, sizeof name, "watch-%u", fact->serial);
        status = holter_source_find(actor->store, fact_of_user(actor->world, fact->user)->number,
                                    name, &small, err);
        *number = small;
        return status;
    case FACT_METRIC:
        snprintf(name, sizeof name, "own_%u", fact->serial);
        status = holter_metric_find(actor->store, name, &metric, err);
        *number = status == HOLTER_OK ? metric.number : 0;
        return status;
    case FACT_LABEL:
        return find_label(number, actor, fact->serial, err);
    case FACT_REGION:
        return find_region(number, actor, fact->serial, err);
    case FACT_FIRMWARE:
        return find_firmware(number, actor, fact->user, err);
    }
    return status;
}

/* The greatest version that was acknowledged <= what is there <= the greatest that was tried. */
static void check_firmware(struct world *world, size_t fact_index, bool was_there, uint64_t found)
{
    struct ledger_fact *fact = &world->ledger.facts[fact_index];
    if (was_there && found < fact->serial)
        world_trouble(world,
                      "the firmware of user %u's source went back to %llu, expected %u or later",
                      fact->user, (unsigned long long)found, fact->serial);
    if (found == fact->serial && fact->state == LEDGER_TRIED)
        fact->state = LEDGER_SEEN;
}

static bool check_fact(struct actor *actor, size_t index, bool was_there)
{
    struct world *world = actor->world;
    struct ledger_fact *fact = &world->ledger.facts[index];
    holter_error err = { 0 };
    uint64_t number = 0;
    bool needs_user = fact->kind == FACT_SOURCE || fact->kind == FACT_FIRMWARE;
    if (needs_user && fact_of_user(world, fact->user)->number == 0)
        return true; /* never tried with a number */
    holter_status status = find_fact(&number, actor, fact, &err);
    if (status != HOLTER_OK && status != HOLTER_NOT_FOUND)
        return settle(actor, status, &err, "find a user, source, metric, label or region");
    if (!actor_is_alive(actor))
        return false;
    fact = &world->ledger.facts[index];
    if (status == HOLTER_NOT_FOUND) {
        if (was_there)
            world_trouble(world, "fact %zu (kind %u, serial %u) is lost, after it was %s", index,
                          fact->kind, fact->serial,
                          fact->state == LEDGER_SEEN ? "seen" : "acknowledged");
        return !world->has_trouble;
    }
    if (fact->kind == FACT_FIRMWARE) {
        check_firmware(world, index, was_there, number);
        return !world->has_trouble;
    }
    if (was_there && fact->number != number)
        world_trouble(world, "fact %zu (kind %u, serial %u): found number %llu, expected %llu",
                      index, fact->kind, fact->serial, (unsigned long long)number,
                      (unsigned long long)fact->number);
    if (fact->state == LEDGER_TRIED) {
        fact->state = LEDGER_SEEN;
        fact->number = number;
    }
    return !world->has_trouble;
}

static void view_begin(struct ledger_view *out, const struct ledger *ledger)
{
    memset(out->parts, 0, sizeof out->parts);
    for (size_t i = 0; i < ledger->part_count; i++)
        out->parts[i] = ledger->parts[i].state >= LEDGER_ACKNOWLEDGED;
    out->fact_count = ledger->fact_count;
    for (size_t i = 0; i < ledger->fact_count; i++)
        out->facts[i] = ledger->facts[i].state >= LEDGER_ACKNOWLEDGED;
}

static bool open_snapshot(holter_snapshot **out, struct ledger_view *view, struct actor *actor)
{
    holter_error err = { 0 };
    struct world *world = actor->world;
    view_begin(view, &world->ledger);
    bool is_open = settle(actor, holter_snapshot_open(out, actor->store, &err), &err, "snapshot");
    view->part_end = world->ledger.part_count;
    return is_open;
}

static bool check_user(uint64_t *hash, struct actor *actor, holter_snapshot *snapshot, size_t user,
                       const struct ledger_view *view)
{
    struct world *world = actor->world;
    uint64_t number = fact_of_user(world, user)->number;
    if (!scan_user(hash, actor, snapshot, number))
        return false;
    if (!world->has_trouble &&
        !ledger_explain(&world->ledger, user, view->part_end, view->parts, *hash)) {
        world_trouble(world, "%s: the rows of user %zu are those of no subset of what was tried",
                      actor->is_reader ? "reader" : "writer", user);
        if (world->is_verbose) {
            ledger_print(&world->ledger, user);
            scan_user(hash, actor, snapshot, number);
        }
    }
    return !world->has_trouble;
}

/* The users that were known when the snapshot was opened. */
static bool check_users(uint64_t hashes[static LEDGER_USERS_MAX], struct actor *actor,
                        holter_snapshot *snapshot, const struct ledger_view *view)
{
    const struct ledger *ledger = &actor->world->ledger;
    bool is_well = true;
    for (size_t u = 0; is_well && u < ledger->user_count; u++) {
        hashes[u] = ledger_empty_hash();
        if (ledger->user_fact[u] < view->fact_count && view->facts[ledger->user_fact[u]])
            is_well = check_user(&hashes[u], actor, snapshot, u, view);
    }
    return is_well;
}

bool act_read(struct actor *actor)
{
    struct ledger_view view;
    uint64_t hashes[LEDGER_USERS_MAX];
    holter_snapshot *snapshot = NULL;
    if (!is_going(actor))
        return false;
    for (enum metric_index m = 0; m < METRICS; m++) {
        if (!learn_metric(actor, m))
            return false;
    }
    narrate(actor, "read");
    bool is_well = open_snapshot(&snapshot, &view, actor);
    for (size_t i = 0; is_well && i < view.fact_count; i++)
        is_well = check_fact(actor, i, view.facts[i]);
    is_well = is_well && check_users(hashes, actor, snapshot, &view);
    holter_snapshot_close(snapshot);
    return is_well;
}

bool act_pin(struct actor *actor)
{
    if (!is_going(actor))
        return false;
    narrate(actor, "pin");
    actor->pinned_is_read = false;
    return open_snapshot(&actor->pinned, &actor->pinned_view, actor);
}

bool act_read_pinned(struct actor *actor)
{
    uint64_t hashes[LEDGER_USERS_MAX];
    struct world *world = actor->world;
    if (!is_going(actor) || actor->pinned == NULL)
        return false;
    narrate(actor, "read what is pinned");
    if (!check_users(hashes, actor, actor->pinned, &actor->pinned_view))
        return false;
    for (size_t u = 0; u < world->ledger.user_count; u++) {
        if (actor->pinned_is_read && hashes[u] != actor->pinned_hash[u])
            world_trouble(world, "a pinned snapshot shows other rows of user %zu than before", u);
        actor->pinned_hash[u] = hashes[u];
    }
    actor->pinned_is_read = true;
    return !world->has_trouble;
}

bool act_unpin(struct actor *actor)
{
    if (!is_going(actor))
        return false;
    narrate(actor, "unpin");
    holter_snapshot_close(actor->pinned);
    actor->pinned = NULL;
    return true;
}

/* ---- setup ----------------------------------------------------------------------------------- */

/* As store_user_shard. */
static uint64_t shard_of(struct world *world, size_t user, uint32_t shards)
{
    uint8_t number[8];
    struct writer w = writer_over(number, sizeof number);
    put_u64(&w, fact_of_user(world, user)->number);
    return hash64(number, sizeof number) % shards;
}

static void swap_users(struct ledger *ledger, size_t a, size_t b)
{
    uint8_t fact = ledger->user_fact[a];
    ledger->user_fact[a] = ledger->user_fact[b];
    ledger->user_fact[b] = fact;
}

void world_setup(struct world *world, uint64_t seed, uint32_t shards)
{
    struct sim_options options = { .seed = seed, .switch_always = true };
    *world = (struct world){ .sim = sim_new(&options) };
    struct actor *actor = actor_create(world, 0, shards);
    act_metric(actor, 0);
    for (size_t spread = 0; spread < shards && act_user(actor, 0);) {
        size_t last = world->ledger.user_count - 1u;
        bool is_new = true;
        for (size_t i = 0; i < spread; i++)
            is_new = is_new && shard_of(world, i, shards) != shard_of(world, last, shards);
        if (is_new)
            swap_users(&world->ledger, spread++, last);
    }
    for (size_t i = 0; i < shards; i++)
        act_source(actor, i);
    act_read(actor); /* learns the metrics */
    actor_close(actor);
}
