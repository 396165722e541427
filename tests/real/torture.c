/*
 * torture.c -- real processes on one store, killed and stopped at random.
 *
 * Claim: whatever is killed when, every sample that was acknowledged is in every snapshot opened
 * afterwards, with its value, batches are whole, nothing that was not submitted is there, and the
 * store is found to be sound at the end.
 *
 * Method: three writers (plainly, with exact answers, buffered), four readers and a maintainer (flush,
 * compact) run as processes of their own and share a page of memory: how far each writer went and was
 * acknowledged, and what each process is doing. The parent kills one of them with SIGKILL, at random
 * moments and, so that the rare ones are hit often, while the maintainer says that it flushes or
 * compacts; every third time it stops one for a while. Batch b of writer w holds rows of
 * one user whose times and values follow from w and b alone, so no other record is needed.
 *
 *     torture DIR [kills [seed]]
 *     torture DIR SECONDSs [seed]
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "holter/holter.h"

enum { WRITERS = 3, READERS = 4, MAINTAINER = WRITERS + READERS, ROLES, USERS = 5, ROWS = 7 };
enum { PLAIN, EXACT, BUFFERED }; /* writers */
enum phase { IDLE = 0, COMMITTING, READING, FLUSHING, COMPACTING, PHASES };
static const char *const phase_names[PHASES] = { "between calls", "commit", "read", "flush",
                                                 "compaction" };

/* What all processes see. */
struct shared {
    _Atomic uint64_t acknowledged[WRITERS]; /* batches below it are */
    _Atomic uint64_t submitted[WRITERS];    /* and below this one may be there */
    _Atomic int phase[ROLES];
    _Atomic int violations;
    _Atomic uint64_t reads;
};

static struct shared *shared;
static const char *store_path;

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

static int64_t value_of(unsigned writer, uint64_t batch, unsigned row)
{
    return 30 + (int64_t)(mix((uint64_t)writer << 48 ^ batch << 8 ^ row) % 170);
}

/* Times rise with the batch; every eleventh batch is months late, so that partitions are many. */
enum { LATE_EVERY = 11, BATCHES_MAX = 160000 };
static const int64_t begin_s = 1700000000, begin_late_s = 1690000000;

static int64_t time_of(uint64_t batch, unsigned row)
{
    int64_t s = batch % LATE_EVERY == 0 ? begin_late_s : begin_s;
    return (s + (int64_t)batch * 60 + (int64_t)row * 5) * 1000000000;
}

static void must(holter_status status, const holter_error *err, const char *what)
{
    if (status == HOLTER_OK || status == HOLTER_DONE)
        return;
    fprintf(stderr, "torture: %s: %s: %s\n", what, holter_status_name(status), err->message);
    atomic_fetch_add(&shared->violations, 1);
    _exit(1);
}

static void pause_us(uint64_t us)
{
    struct timespec wait = { .tv_sec = (time_t)(us / 1000000),
                             .tv_nsec = (long)(us % 1000000) * 1000 };
    nanosleep(&wait, NULL);
}

static void violation(const char *what, unsigned writer, uint64_t batch)
{
    fprintf(stderr, "torture: %s: writer %u, batch %" PRIu64 "\n", what, writer, batch);
    atomic_fetch_add(&shared->violations, 1);
}

static holter_store *open_store(void)
{
    holter_store *store;
    holter_error err;
    holter_options options = { .log_file_bytes = 256 << 10,
                               .log_bytes_flush = 1 << 20,
                               .lock_wait_ms = 20000 };
    must(holter_open(&store, store_path, &options, &err), &err, "open");
    return store;
}

static uint64_t user_of(holter_store *store, unsigned index)
{
    char id[32];
    uint64_t user;
    holter_error err;
    int bytes = snprintf(id, sizeof id, "user-%u", index);
    must(holter_user_find(store, id, (size_t)bytes, &user, &err), &err, "user");
    return user;
}

static uint32_t source_of(holter_store *store, uint64_t user, unsigned writer)
{
    char name[32];
    uint32_t source;
    holter_error err;
    snprintf(name, sizeof name, "device-%u", writer);
    must(holter_source_need(store, user, name, &source, &err), &err, "source");
    return source;
}

static uint32_t heart_rate(holter_store *store)
{
    holter_metric metric;
    holter_error err;
    must(holter_metric_find(store, "heart_rate", &metric, &err), &err, "metric");
    return metric.number;
}

/* ---- roles ----------------------------------------------------------------------------------- */

static void write_for_ever(unsigned writer)
{
    holter_error err;
    holter_batch *batch;
    holter_store *store = open_store();
    uint32_t metric = heart_rate(store);
    holter_batch_options options = { .exact = writer == EXACT, .buffered = writer == BUFFERED };
    must(holter_batch_new(&batch, store, &options, &err), &err, "batch");
    uint64_t first = atomic_load(&shared->acknowledged[writer]);
    for (uint64_t number = first;; number++) {
        while (number >= BATCHES_MAX)
            pause();
        uint64_t user = user_of(store, (unsigned)(number % USERS));
        uint32_t source = source_of(store, user, writer);
        holter_batch_clear(batch);
        for (unsigned i = 0; i < ROWS; i++) {
            holter_value value = { .integer = value_of(writer, number, i) };
            holter_row row = { .user = user,
                               .metric = metric,
                               .source = source,
                               .time_ns = time_of(number, i),
                               .values = &value,
                               .value_count = 1 };
            must(holter_batch_add(batch, &row, NULL, &err), &err, "add");
        }
        if (atomic_load(&shared->submitted[writer]) < number + 1)
            atomic_store(&shared->submitted[writer], number + 1);
        atomic_store(&shared->phase[writer], COMMITTING);
        holter_status status;
        while ((status = holter_commit(store, batch, &err)) == HOLTER_BUSY && writer == BUFFERED)
            must(holter_sync(store, &err), &err, "sync");
        must(status, &err, "commit");
        if (writer == BUFFERED && number % 500 == 499)
            must(holter_sync(store, &err), &err, "sync");
        else if (writer == BUFFERED && number >= first + 4 && number % 3 == 0)
            must(holter_wait_durable(store, holter_accepted(store) - 4, &err), &err, "wait");
        atomic_store(&shared->acknowledged[writer],
                     writer == BUFFERED ? first + holter_durable(store) : number + 1);
        atomic_store(&shared->phase[writer], IDLE);
        if (writer == BUFFERED) /* not so fast that nothing else is to be read */
            pause_us(1000);
    }
}

/*
 * All rows of a user against what was acknowledged before the snapshot, and what can have been
 * submitted since.
 */
static void check_user(holter_store *store, holter_snapshot *snapshot, unsigned index,
                       const uint64_t *least, uint32_t metric)
{
    holter_error err;
    holter_cursor *cursor;
    holter_columns rows;
    uint64_t user = user_of(store, index);
    uint64_t most[WRITERS];
    for (unsigned w = 0; w < WRITERS; w++)
        most[w] = atomic_load(&shared->submitted[w]);
    for (unsigned w = 0; w < WRITERS; w++) {
        uint64_t seen = 0;
        uint32_t source = source_of(store, user, w);
        uint8_t *found = calloc(most[w] + 1, 1);
        holter_scan_spec spec = { .user = user, .metric = metric, .source = source };
        if (found == NULL)
            abort();
        must(holter_scan(&cursor, snapshot, &spec, &err), &err, "scan");
        holter_status status;
        while ((status = holter_cursor_next(cursor, &rows, &err)) == HOLTER_OK) {
            for (size_t i = 0; i < rows.count; i++) {
                int64_t s = rows.time_ns[i] / 1000000000;
                uint64_t batch = (uint64_t)(s - (s < begin_s ? begin_late_s : begin_s)) / 60;
                unsigned row = (unsigned)((rows.time_ns[i] - time_of(batch, 0)) / 5000000000);
                if (batch >= most[w] || row >= ROWS || batch % USERS != index ||
                    time_of(batch, row) != rows.time_ns[i])
                    violation("a row that nobody submitted", w, batch);
                else if (rows.fields[0].integer[i] != value_of(w, batch, row))
                    violation("a wrong value", w, batch);
                else
                    found[batch]++;
                seen++;
            }
        }
        must(status, &err, "next");
        holter_cursor_close(cursor);
        for (uint64_t batch = index; batch < most[w]; batch += USERS) {
            if (found[batch] != 0 && found[batch] != ROWS)
                violation("half a batch", w, batch);
            if (found[batch] == 0 && batch < least[w])
                violation("an acknowledged batch is missing", w, batch);
        }
        free(found);
        atomic_fetch_add(&shared->reads, seen);
    }
}

static void check_all(holter_store *store)
{
    holter_error err;
    holter_snapshot *snapshot;
    uint64_t least[WRITERS];
    uint32_t metric = heart_rate(store);
    for (unsigned w = 0; w < WRITERS; w++)
        least[w] = atomic_load(&shared->acknowledged[w]);
    must(holter_snapshot_open(&snapshot, store, &err), &err, "snapshot");
    for (unsigned u = 0; u < USERS; u++)
        check_user(store, snapshot, u, least, metric);
    holter_snapshot_close(snapshot);
}

static void read_for_ever(unsigned role)
{
    holter_store *store = open_store();
    for (;;) {
        atomic_store(&shared->phase[role], READING);
        check_all(store);
        atomic_store(&shared->phase[role], IDLE);
    }
}

static void maintain_for_ever(void)
{
    holter_error err;
    holter_store *store = open_store();
    static const holter_tier tiers[] = { HOLTER_WARM, (holter_tier)0, (holter_tier)0,
                                         HOLTER_COLD, (holter_tier)0, (holter_tier)0 };
    for (unsigned turn = 0;; turn++) {
        atomic_store(&shared->phase[MAINTAINER], FLUSHING);
        must(holter_flush(store, NULL, &err), &err, "flush");
        holter_compact_options options = { .to = tiers[turn % 6] };
        atomic_store(&shared->phase[MAINTAINER], COMPACTING);
        must(holter_compact(store, &options, NULL, &err), &err, "compact");
        atomic_store(&shared->phase[MAINTAINER], IDLE);
    }
}

static pid_t start(unsigned role)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    atomic_store(&shared->phase[role], IDLE);
    if (role < WRITERS)
        write_for_ever(role);
    else if (role < MAINTAINER)
        read_for_ever(role);
    else
        maintain_for_ever();
    _exit(0);
}

/* ---- the parent ------------------------------------------------------------------------------ */

static void make_store(void)
{
    holter_error err;
    holter_store *store;
    holter_create_options options = { .shards = 2 };
    must(holter_create(store_path, &options, &err), &err, "create");
    store = open_store();
    for (unsigned u = 0; u < USERS; u++) {
        char text[32];
        uint64_t user;
        holter_id id = { .bytes = text,
                         .count = (size_t)snprintf(text, sizeof text, "user-%u", u) };
        must(holter_users_add(store, &id, 1, NULL, &user, &err), &err, "add user");
        for (unsigned w = 0; w < WRITERS; w++)
            source_of(store, user, w);
    }
    holter_close(store);
}

static void print_finding(void *context, const char *sentence)
{
    (void)context;
    fprintf(stderr, "torture: verify: %s\n", sentence);
}

/* Wait, at most a while, until the role is in the phase. */
static void wait_for_phase(unsigned role, enum phase phase)
{
    for (int i = 0; i < 2000 && atomic_load(&shared->phase[role]) != (int)phase; i++)
        pause_us(100);
}

int main(int argc, char **argv)
{
    char *unit = NULL;
    unsigned asked = argc > 2 ? (unsigned)strtoul(argv[2], &unit, 10) : 200;
    bool is_time = unit != NULL && *unit == 's';
    time_t begin = time(NULL);
    unsigned kills = 0;
    unsigned stops = 0;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    unsigned killed_in[PHASES] = { 0 };
    unsigned ended = 0;
    pid_t pids[ROLES];
    if (argc < 2) {
        fprintf(stderr, "usage: torture DIR [kills | SECONDSs [seed]]\n");
        return 2;
    }
    store_path = argv[1];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("torture: mmap");
        return 2;
    }
    make_store();
    for (unsigned r = 0; r < ROLES; r++)
        pids[r] = start(r);
    for (unsigned k = 0; atomic_load(&shared->violations) == 0 &&
                         (is_time ? time(NULL) - begin < (time_t)asked : kills < asked);
         k++) {
        unsigned role = (unsigned)(random_next(&seed) % ROLES);
        pause_us(random_next(&seed) % 40000);
        if (k % 3 == 2) {
            kill(pids[role], SIGSTOP);
            pause_us(random_next(&seed) % 100000);
            kill(pids[role], SIGCONT);
            stops++;
            continue;
        }
        kills++;
        if (k % 4 == 0 || k % 4 == 2) {
            role = MAINTAINER;
            wait_for_phase(role, k % 4 == 0 ? FLUSHING : COMPACTING);
            pause_us(random_next(&seed) % 3000);
        }
        kill(pids[role], SIGKILL);
        int how;
        waitpid(pids[role], &how, 0);
        if (!WIFSIGNALED(how))
            ended++; /* it ended by itself: it has told why */
        killed_in[atomic_load(&shared->phase[role])]++;
        pids[role] = start(role);
    }
    for (unsigned r = 0; r < ROLES; r++)
        kill(pids[r], SIGKILL);
    for (unsigned r = 0; r < ROLES; r++)
        waitpid(pids[r], NULL, 0);

    holter_error err;
    size_t damaged = 0;
    holter_store *store = open_store();
    check_all(store);
    holter_status status = holter_verify(store, print_finding, NULL, &damaged, &err);
    holter_close(store);
    printf("torture: %lld s, %u stops, %u kills:", (long long)(time(NULL) - begin), stops, kills);
    for (int p = 0; p < PHASES; p++)
        printf(" %u in %s%s", killed_in[p], phase_names[p], p + 1 < PHASES ? "," : "");
    printf("\ntorture: acknowledged %" PRIu64 " + %" PRIu64 " + %" PRIu64 " batches, %" PRIu64
           " rows read and compared, verify %s, %d violations\n",
           atomic_load(&shared->acknowledged[PLAIN]), atomic_load(&shared->acknowledged[EXACT]),
           atomic_load(&shared->acknowledged[BUFFERED]), atomic_load(&shared->reads),
           status == HOLTER_OK ? "clean" : "NOT clean", atomic_load(&shared->violations));
    bool is_enough = kills < 200 || (killed_in[FLUSHING] >= 20 && killed_in[COMPACTING] >= 20);
    if (!is_enough)
        printf(
            "torture: too few kills in flush or compaction: the run shows less than it claims\n");
    return status == HOLTER_OK && ended == 0 && atomic_load(&shared->violations) == 0 && is_enough
               ? 0
               : 1;
}
