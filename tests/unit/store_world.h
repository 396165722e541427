/*
 * store_world.h -- stores on a simulated machine, and a short notation for what goes in and comes
 * out.
 *
 * A batch is words:
 *
 *     @1              the rows and deletions that follow are user 1's (0 at first)
 *     steps/2:        .. and of this metric and source; '*' every metric, source 0 every one
 *                     (deletions)
 *     100=60          a row at time 100
 *     100+30=5,6      a row that lasts 30 and has two values
 *     100=60!4^7      .. with flags 4 (hexadecimal) and revision 7
 *     x100..200^7     a deletion of [100, 200) with revision 7; 'min' and 'max' are the open ends
 *
 * What a scan gives is written the same way, revisions where they are not 0. Answers are a letter
 * each: Pending, Accepted, New, Duplicate, Corrected, Superseded.
 *
 * Threads: one. A test program includes this once.
 */
#ifndef TESTS_UNIT_STORE_WORLD_H
#define TESTS_UNIT_STORE_WORLD_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/io_sim.h"
#include "run.h"
#include "store/store.h"
#include "store/store_impl.h"

enum { WORLD_PROCESSES = 3, WORLD_USERS = 6, WORLD_TEXT_BYTES = 1 << 20 };

#define STORE "store"
/* Every external id has this in it, and no sentence may. */
#define WORLD_ID "mara"

static holter_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        holter_status ok_status = (call);                                                          \
        if (ok_status != HOLTER_OK)                                                                \
            ck_abort_msg("%s: %s: %s", #call, holter_status_name(ok_status), err.message);         \
    } while (0)

/* The call answers this status, with one sentence that has `says` in it and no external id. */
#define FAILS(call, expected, says)                                                                \
    do {                                                                                           \
        err = (holter_error){ 0 };                                                                 \
        holter_status fails_status = (call);                                                       \
        if (fails_status != (expected))                                                            \
            ck_abort_msg("%s: %s: %s", #call, holter_status_name(fails_status), err.message);      \
        if (err.status != (expected) || strstr(err.message, (says)) == NULL ||                     \
            strstr(err.message, WORLD_ID) != NULL || strchr(err.message, '\n') != NULL)            \
            ck_abort_msg("%s: '%s'", #call, err.message);                                          \
    } while (0)

#define TEXT_IS(found, expected)                                                                   \
    do {                                                                                           \
        const char *is_found = (found);                                                            \
        if (strcmp(is_found, (expected)) != 0)                                                     \
            ck_abort_msg("found    %s\nexpected %s", is_found, (expected));                        \
    } while (0)

struct world {
    struct sim *sim;
    struct io *io[WORLD_PROCESSES];
    holter_store *store[WORLD_PROCESSES];
    holter_options options;
    uint64_t users[WORLD_USERS];
};

static struct world world;
/* Of the machine that world_init makes. */
static struct sim_options world_machine = { .seed = 1 };

/* ---- machine and stores ---------------------------------------------------------------------- */

static inline holter_status world_open(size_t at)
{
    if (world.io[at] == NULL)
        world.io[at] = sim_process_new(world.sim);
    return store_open_on(&world.store[at], world.io[at], STORE, &world.options, &err);
}

static inline void world_close(size_t at)
{
    holter_close(world.store[at]);
    world.store[at] = NULL;
}

/* The process is gone, too. */
static inline void world_end(size_t at)
{
    world_close(at);
    io_free(world.io[at]);
    world.io[at] = NULL;
}

/* A store with all users, each with the sources "watch" (1) and "phone" (2). */
static inline void world_init(const holter_create_options *create, const holter_options *options)
{
    char names[WORLD_USERS][32];
    holter_id ids[WORLD_USERS];
    memset(&world, 0, sizeof world);
    if (options != NULL)
        world.options = *options;
    world.sim = sim_new(&world_machine);
    world.io[0] = sim_process_new(world.sim);
    OK(store_create_on(world.io[0], STORE, create, &err));
    OK(world_open(0));
    for (size_t i = 0; i < WORLD_USERS; i++) {
        int bytes = snprintf(names[i], sizeof names[i], WORLD_ID "-%zu@example.org", i);
        ids[i] = (holter_id){ .bytes = names[i], .count = (size_t)bytes };
    }
    OK(holter_users_add(world.store[0], ids, WORLD_USERS, NULL, world.users, &err));
    for (size_t i = 0; i < WORLD_USERS; i++) {
        uint32_t number;
        OK(holter_source_need(world.store[0], world.users[i], "watch", &number, &err));
        CHECK(number == 1);
        OK(holter_source_need(world.store[0], world.users[i], "phone", &number, &err));
        CHECK(number == 2);
    }
}

static inline void world_release(void)
{
    for (size_t i = 0; i < WORLD_PROCESSES; i++) {
        holter_close(world.store[i]);
        if (world.io[i] != NULL)
            io_free(world.io[i]);
    }
    sim_free(world.sim);
    memset(&world, 0, sizeof world);
}

/* Erase a user, as a verb to come will. */
static inline void world_erase(holter_store *store, uint64_t user)
{
    OK(store_change_begin(store, &err));
    holter_status status = vault_erase(store->vault, &user, 1, &err);
    store_change_end(store);
    OK(status);
}

/* ---- the notation, read ---------------------------------------------------------------------- */

struct scope {
    uint64_t user;
    uint32_t source;
    bool has_metric;
    holter_metric metric;
};

static inline void read_scope(struct scope *scope, holter_store *store, const char *word)
{
    char name[64];
    unsigned source;
    if (sscanf(word, "%63[^/]/%u:", name, &source) != 2)
        ck_abort_msg("'%s' is no series", word);
    scope->source = source;
    scope->has_metric = strcmp(name, "*") != 0;
    if (scope->has_metric)
        OK(holter_metric_find(store, name, &scope->metric, &err));
}

static inline int64_t read_time(const char **at)
{
    char *end;
    if (strncmp(*at, "min", 3) == 0 || strncmp(*at, "max", 3) == 0) {
        int64_t time = (*at)[1] == 'i' ? HOLTER_TIME_MIN : HOLTER_TIME_MAX;
        *at += 3;
        return time;
    }
    int64_t time = strtoll(*at, &end, 10);
    CHECK(end != *at);
    *at = end;
    return time;
}

static inline int64_t read_after(const char **at, char mark, int base)
{
    char *end;
    if (**at != mark)
        return 0;
    int64_t value = strtoll(*at + 1, &end, base);
    *at = end;
    return value;
}

static inline holter_status batch_delete(holter_batch *batch, const struct scope *scope,
                                         const char *at)
{
    int64_t begin = read_time(&at);
    CHECK(strncmp(at, "..", 2) == 0);
    at += 2;
    int64_t end = read_time(&at);
    int64_t revision = read_after(&at, '^', 10);
    CHECK(*at == '\0');
    return holter_batch_delete(batch, scope->user, scope->has_metric ? scope->metric.number : 0,
                               scope->source, begin, end, revision, &err);
}

static inline holter_status batch_row(holter_batch *batch, const struct scope *scope,
                                      const char *at)
{
    holter_value values[HOLTER_FIELDS_MAX];
    holter_row row = { .user = scope->user,
                       .metric = scope->metric.number,
                       .source = scope->source,
                       .values = values };
    row.time_ns = read_time(&at);
    row.duration_ns = read_after(&at, '+', 10);
    CHECK(*at == '=');
    do {
        size_t bytes = strcspn(++at, ",!^");
        OK(holter_value_parse(&values[row.value_count], &scope->metric, row.value_count, at, bytes,
                              0, &err));
        row.value_count++;
        at += bytes;
    } while (*at == ',');
    row.flags = (uint16_t)read_after(&at, '!', 16);
    row.revision = read_after(&at, '^', 10);
    CHECK(*at == '\0');
    return holter_batch_add(batch, &row, NULL, &err);
}

/* Add all to a batch, up to the first failure. */
static inline holter_status batch_fill(holter_batch *batch, const char *text)
{
    struct scope scope = { .user = world.users[0] };
    holter_status status = HOLTER_OK;
    char *copy = strdup(text);
    char *rest = NULL;
    CHECK(copy != NULL);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL && status == HOLTER_OK;
         word = strtok_r(NULL, " ", &rest)) {
        if (word[0] == '@')
            scope.user = world.users[atoi(word + 1)];
        else if (word[strlen(word) - 1] == ':')
            read_scope(&scope, batch->store, word);
        else if (word[0] == 'x')
            status = batch_delete(batch, &scope, word + 1);
        else
            status = batch_row(batch, &scope, word);
    }
    free(copy);
    return status;
}

/* Borrowed until the next call. */
static inline const char *batch_answers(const holter_batch *batch)
{
    static const char letters[] = "PANDCS";
    static char text[1024];
    size_t count = holter_batch_count(batch);
    CHECK(count < sizeof text);
    for (size_t i = 0; i < count; i++)
        text[i] = letters[holter_batch_answer(batch, i).answer];
    text[count] = '\0';
    return text;
}

static inline holter_batch *batch_new(holter_store *store, int exact, int64_t revision)
{
    holter_batch *batch;
    const holter_batch_options options = { .exact = exact, .revision = revision };
    OK(holter_batch_new(&batch, store, &options, &err));
    return batch;
}

/* Commit a batch of its own, and tell the answers. */
static inline const char *commit_as(holter_store *store, int exact, int64_t revision,
                                    const char *text)
{
    holter_batch *batch = batch_new(store, exact, revision);
    OK(batch_fill(batch, text));
    OK(holter_commit(store, batch, &err));
    const char *answers = batch_answers(batch);
    holter_batch_free(batch);
    return answers;
}

static inline const char *commit(holter_store *store, const char *text)
{
    return commit_as(store, 0, 0, text);
}

static inline const char *commit_exact(holter_store *store, const char *text)
{
    return commit_as(store, 1, 0, text);
}

/* ---- the notation, written ------------------------------------------------------------------- */

static char world_text[WORLD_TEXT_BYTES];
static size_t world_text_bytes;

static inline void write_text(const char *format, ...) CORE_PRINTF(1, 2);

static inline void write_text(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(world_text + world_text_bytes, WORLD_TEXT_BYTES - world_text_bytes,
                          format, arguments);
    va_end(arguments);
    world_text_bytes += (size_t)bytes;
    CHECK(world_text_bytes < WORLD_TEXT_BYTES);
}

static inline void write_row(const holter_columns *columns, const holter_metric *metric, size_t row)
{
    write_text(" %" PRId64, columns->time_ns[row]);
    if (columns->duration_ns != NULL)
        write_text("+%" PRId64, columns->duration_ns[row]);
    for (size_t f = 0; f < columns->field_count; f++) {
        char text[256];
        holter_value value;
        if (columns->types[f] == HOLTER_TEXT) {
            value.text.bytes = columns->fields[f].text[row].bytes;
            value.text.count = columns->fields[f].text[row].count;
        } else if (columns->types[f] == HOLTER_FLOAT) {
            value.real = columns->fields[f].real[row];
        } else {
            value.integer = columns->fields[f].integer[row];
        }
        holter_value_format(text, sizeof text, metric, f, value);
        write_text("%s%s", f == 0 ? "=" : ",", text);
    }
    if (columns->flags[row] != 0)
        write_text("!%x", columns->flags[row]);
    if (columns->revision[row] != 0)
        write_text("^%" PRId64, columns->revision[row]);
}

/* The rest of a cursor, which is closed. Borrowed until the next. */
static inline const char *drain(holter_store *store, holter_cursor *cursor)
{
    holter_columns columns;
    holter_metric metric = { 0 };
    uint32_t source = 0;
    holter_status status;
    world_text_bytes = 0;
    world_text[0] = '\0';
    while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK) {
        CHECK(columns.count > 0 && columns.count <= 4096);
        if (columns.metric != metric.number || columns.source != source) {
            OK(holter_metric_by_number(store, columns.metric, &metric, &err));
            source = columns.source;
            write_text("%s%s/%u:", world_text_bytes > 0 ? " " : "", metric.name, source);
        }
        for (size_t i = 0; i < columns.count; i++)
            write_row(&columns, &metric, i);
    }
    if (status != HOLTER_DONE)
        ck_abort_msg("%s: %s", holter_status_name(status), err.message);
    CHECK(holter_cursor_next(cursor, &columns, &err) == HOLTER_DONE);
    holter_cursor_close(cursor);
    return world_text;
}

static inline const char *ask_snapshot(holter_store *store, holter_snapshot *snapshot,
                                       const holter_scan_spec *spec)
{
    holter_cursor *cursor;
    OK(holter_scan(&cursor, snapshot, spec, &err));
    return drain(store, cursor);
}

/* What a scan gives now. */
static inline const char *ask_spec(holter_store *store, const holter_scan_spec *spec)
{
    holter_snapshot *snapshot;
    OK(holter_snapshot_open(&snapshot, store, &err));
    const char *text = ask_snapshot(store, snapshot, spec);
    holter_snapshot_close(snapshot);
    return text;
}

/* All of a user's rows. */
static inline const char *ask(holter_store *store, size_t user)
{
    return ask_spec(store, &(holter_scan_spec){ .user = world.users[user] });
}

static inline uint32_t metric_number(holter_store *store, const char *name)
{
    holter_metric metric;
    OK(holter_metric_find(store, name, &metric, &err));
    return metric.number;
}

static inline const char *ask_latest(holter_store *store, size_t user, const char *metric,
                                     uint32_t source)
{
    holter_snapshot *snapshot;
    holter_cursor *cursor;
    OK(holter_snapshot_open(&snapshot, store, &err));
    OK(holter_latest(&cursor, snapshot, world.users[user], metric_number(store, metric), source,
                     &err));
    const char *text = drain(store, cursor);
    holter_snapshot_close(snapshot);
    return text;
}

static inline void flush(holter_store *store)
{
    OK(holter_flush(store, NULL, &err));
}

static inline void compact(holter_store *store)
{
    OK(holter_compact(store, &(holter_compact_options){ .to = HOLTER_WARM }, NULL, &err));
}

static inline void say_finding(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "%s\n", sentence);
}

static inline void verify(holter_store *store)
{
    size_t damaged;
    OK(holter_verify(store, say_finding, NULL, &damaged, &err));
    CHECK(damaged == 0);
}

#endif
