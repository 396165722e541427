/*
 * damage.c -- whatever happens to the bytes of a store at rest, no answer is wrong and none is silently shorter.
 *
 *     damage short | long | full [PART PARTS]
 *
 * A sealed store is filled on a simulated disk: two files of every kind and tier, a log that is not flushed, tombstones
 * and replaced ranges both in files and in the log, cleanly closed. Then, on a copy for each case, one thing is done to
 * one file:
 *
 *   bit        flipped: in the short form some, in the long form one random bit of every byte, in the full form each
 *   zeroed     a 512-byte sector
 *   EIO        a 512-byte sector that cannot be read
 *   cut        the file ends early: at every sector, a byte before and after it, and at random lengths
 *   put back   the file is what it was at an earlier moment
 *
 * and the store is opened (read-only or writable, in the same boot or after another), scanned whole and verified.
 * Whoever answers must answer right: equal to what was stored, or, before an error, the beginning of it. An error must be
 * one of damage, with a sentence. Where a structure is kept twice, one bad sector must not even cost an answer. A
 * store that took the damage well also takes another row, and has all of it when it is opened again.
 *
 * Prints a table: kind of file, damage, and how it ended. Exit 1 where anything was wrong. PART of PARTS: cases
 * whose number is PART modulo PARTS, so that several processes share a full run.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../model/rows.h"
#include "../unit/random.h"
#include "io/io_sim.h"
#include "store/store.h"

#define SECOND_NS INT64_C(1000000000)
#define DAY_NS (86400 * SECOND_NS)
#define BASE_NS (INT64_C(1764547200) * SECOND_NS)
#define STORE "store"

enum {
    USERS = 4,
    SOURCES = 2,
    FILES_MAX = 64,
    MOMENTS = 8,
    SECTOR = 512,
    STORE_BYTES_MIN = 256 << 10,
    FAILURES_PRINTED = 20,
    SEGMENT_TIER_AT = 57,      /* in a footer, which is the last sector of a segment (segment.md) */
    SEGMENT_SECTIONS_AT = 168, /* where they begin and end */
    LOG_HEADER_BYTES = 4096,
    KEPT_BYTES = 128 << 10, /* the newest kept ones: others are like them */
};

/* A new kind also needs: kind_names, kind_of, must_lose_nothing. */
enum file_kind {
    FILE_IDENTITY,
    FILE_KEYRING,
    FILE_VAULT,
    FILE_CATALOG,
    FILE_MANIFEST,
    FILE_LOG,
    FILE_KEPT,
    FILE_HOT,
    FILE_WARM,
    FILE_COLD,
    FILE_HEAD,
    FILE_LOCK,
    FILE_KINDS,
};

static const char *const kind_names[FILE_KINDS] = {
    "identity", "keyring",     "vault",        "catalog",      "manifest",  "log",
    "kept log", "hot segment", "warm segment", "cold segment", "head page", "lock",
};

enum damage { DAMAGE_BIT, DAMAGE_ZEROED, DAMAGE_EIO, DAMAGE_CUT, DAMAGE_PUT_BACK, DAMAGES };

static const char *const damage_names[DAMAGES] = {
    "bit flipped", "sector zeroed", "sector EIO", "cut short", "old file put back",
};

enum outcome { AT_OPEN, AT_READ, BY_VERIFY, HARMLESS, WRONG, OUTCOMES };

struct file {
    char *path;
    struct buffer bytes;
    enum file_kind kind;
};

/* A file as it was earlier. */
struct old_file {
    char *path;
    struct buffer bytes;
    enum file_kind kind;
    unsigned moment;
};

static struct {
    struct sim *sim; /* with the store, closed */
    struct rows_world world;
    struct oracle *oracle;
    uint64_t sequence;
    struct buffer answers[USERS];      /* all that a user has */
    struct buffer answers_more[USERS]; /* and one row more */
    struct rows_row more;
    struct file files[FILES_MAX];
    size_t file_count;
    struct old_file old[FILES_MAX * MOMENTS];
    size_t old_count;
    unsigned moments;
} image;

enum form { FORM_SHORT, FORM_LONG, FORM_FULL };

static enum form form;
static uint64_t table[FILE_KINDS][DAMAGES][OUTCOMES];
static uint64_t failures;
static struct random dice = { 4 };

/* ---- the store ------------------------------------------------------------------------------------------ */

static void need(holter_status status, const holter_error *err, const char *what)
{
    if (status == HOLTER_OK)
        return;
    fprintf(stderr, "damage: %s: %s\n", what, err->message);
    exit(1);
}

static struct rows_row make_row(uint8_t user, uint8_t metric, int64_t time, int64_t word)
{
    struct rows_row row = {
        .user = user, .metric = metric, .source = (uint8_t)(1 + word % SOURCES), .time = time
    };
    const struct rows_metric *of = rows_metric_at(metric);
    if (of->kind == HOLTER_INTERVAL)
        row.duration = word % 3 * 600 * SECOND_NS;
    for (size_t f = 0; f < of->field_count; f++)
        row.words[f] = 50 + (word * 7 + (int64_t)f * 13) % 40;
    return row;
}

/* Rows of every user and metric, spread over days; a replaced range and a deletion go with them. */
static void write_some(holter_store *store, unsigned round, int64_t first_day, unsigned days,
                       unsigned rows_a_day)
{
    static const uint8_t metrics[] = { 1, 6, 10 };
    holter_error err;
    for (uint8_t user = 0; user < USERS; user++) {
        holter_batch *batch;
        uint64_t sequence = ++image.sequence;
        need(holter_batch_new(&batch, store, NULL, &err), &err, "a batch");
        for (size_t m = 0; m < CORE_COUNT(metrics); m++) {
            for (unsigned i = 0; i < days * rows_a_day; i++) {
                int64_t word = (int64_t)(round * 31 + i * 3 + user + m);
                int64_t time = BASE_NS + first_day * DAY_NS + i * (DAY_NS / rows_a_day) +
                               (int64_t)random_below(&dice, 1000) * SECOND_NS;
                struct rows_row row = make_row(user, metrics[m], time, word);
                need(rows_add(batch, &image.world, &row, NULL, &err), &err, "a row");
                rows_tell(image.oracle, &image.world, &row, sequence);
            }
        }
        struct oracle_tombstone gone = { .user = image.world.users[user],
                                         .metric = image.world.metrics[user % 2 == 0 ? 1 : 10],
                                         .source = user % 3,
                                         .begin = BASE_NS + (first_day - 2) * DAY_NS,
                                         .end = BASE_NS + (first_day + 1) * DAY_NS,
                                         .revision = user == 1 ? 5 : 0,
                                         .sequence = sequence };
        if (user == 3)
            gone.metric = gone.source = 0;
        need(holter_batch_delete(batch, gone.user, gone.metric, gone.source, gone.begin, gone.end,
                                 gone.revision, &err),
             &err, "a deletion");
        oracle_add_tombstone(image.oracle, &gone);
        need(holter_commit(store, batch, &err), &err, "a commit");
        holter_batch_free(batch);
    }
}

static enum file_kind kind_of(const char *path, const struct buffer *bytes)
{
    static const struct {
        const char *part;
        enum file_kind kind;
    } parts[] = {
        { "holter.store", FILE_IDENTITY },
        { ".keyring", FILE_KEYRING },
        { "/vault.", FILE_VAULT },
        { "/catalog.", FILE_CATALOG },
        { "/manifest.", FILE_MANIFEST },
        { "/log-", FILE_LOG },
        { "/kept-", FILE_KEPT },
        { "/seg-", FILE_HOT },
        { "/head", FILE_HEAD },
        { "/lock", FILE_LOCK },
    };
    for (size_t i = 0; i < CORE_COUNT(parts); i++) {
        if (strstr(path, parts[i].part) == NULL)
            continue;
        if (parts[i].kind == FILE_HOT) /* the first tier */
            return FILE_HOT - 1 + bytes->data[bytes->bytes - SECTOR + SEGMENT_TIER_AT];
        return parts[i].kind;
    }
    fprintf(stderr, "damage: '%s' is a file of no known kind\n", path);
    exit(1);
}

static char *copy_of(const char *string)
{
    char *copy = strdup(string);
    core_assert(copy != NULL);
    return copy;
}

/* Keep every file as it is now. */
static void remember_moment(void)
{
    struct io_names names;
    need(sim_files(&names, image.sim), NULL, "listing");
    for (size_t i = 0; i < names.count; i++) {
        struct old_file *old = &image.old[image.old_count++];
        core_assert(image.old_count <= CORE_COUNT(image.old));
        *old = (struct old_file){ .path = copy_of(names.name[i]), .moment = image.moments };
        need(sim_file_read(&old->bytes, image.sim, names.name[i]), NULL, "reading");
    }
    io_names_release(&names);
    image.moments++;
}

static void take_files(void)
{
    struct io_names names;
    size_t bytes = 0;
    size_t counts[FILE_KINDS] = { 0 };
    need(sim_files(&names, image.sim), NULL, "listing");
    for (size_t i = 0; i < names.count; i++) {
        struct file *file = &image.files[image.file_count++];
        core_assert(image.file_count <= FILES_MAX);
        *file = (struct file){ .path = copy_of(names.name[i]) };
        need(sim_file_read(&file->bytes, image.sim, names.name[i]), NULL, "reading");
        file->kind = kind_of(file->path, &file->bytes);
        bytes += file->bytes.bytes;
        counts[file->kind]++;
    }
    io_names_release(&names);
    for (size_t i = 0; i < image.old_count; i++)
        image.old[i].kind = kind_of(image.old[i].path, &image.old[i].bytes);
    printf("damage: a store of %zu bytes in %zu files:", bytes, image.file_count);
    for (size_t k = 0; k < FILE_KINDS; k++) {
        bool is_single = k == FILE_IDENTITY || k == FILE_KEYRING; /* the one is kept twice inside */
        printf(" %s %zu,", kind_names[k], counts[k]);
        if (counts[k] < (is_single ? 1 : 2)) {
            fprintf(stderr, "\ndamage: too few files of kind %s\n", kind_names[k]);
            exit(1);
        }
    }
    printf(" %u earlier moments\n", image.moments);
    if (bytes < STORE_BYTES_MIN) {
        fprintf(stderr, "damage: expected at least %d bytes\n", STORE_BYTES_MIN);
        exit(1);
    }
}

static void expect_answers(struct buffer answers[USERS])
{
    for (size_t i = 0; i < USERS; i++) {
        holter_scan_spec spec = { .user = image.world.users[i] };
        buffer_init(&answers[i]);
        rows_expect(&answers[i], image.oracle, &image.world, &spec);
        core_assert(rows_count(&answers[i]) > 0);
    }
}

static void fill(void)
{
    holter_error err;
    holter_store *store;
    holter_create_options options = { .shards = 1 };
    holter_options opened = { .log_file_bytes = 64 << 10, .no_auto_flush = 1 };
    holter_compact_options cold = { .to = HOLTER_COLD };
    holter_compact_options warm = { .to = HOLTER_WARM };
    image.sim = sim_new(&(struct sim_options){ .seed = 7 });
    image.oracle = oracle_new();
    struct io *io = sim_process_new(image.sim);
    need(store_create_on(io, STORE, &options, &err), &err, "creating");
    need(store_open_on(&store, io, STORE, &opened, &err), &err, "opening");
    need(rows_prepare(&image.world, store, USERS, SOURCES, &err), &err, "preparing");
    need(holter_feed_keep(store, INT64_MAX, KEPT_BYTES, &err), &err, "keeping logs");
    remember_moment();

    write_some(store, 8, -40, 3, 9);
    write_some(store, 9, -10, 4, 9); /* in the 28 days of those that come */
    need(holter_compact(store, &cold, NULL, &err), &err, "compacting");
    write_some(store, 0, 1, 5, 12);
    write_some(store, 1, 9, 4, 15);
    remember_moment();
    need(holter_compact(store, &warm, NULL, &err), &err, "compacting");
    remember_moment();
    write_some(store, 2, 3, 9, 3);
    need(holter_flush(store, NULL, &err), &err, "flushing");
    remember_moment();
    write_some(store, 3, 8, 5, 4);
    need(holter_flush(store, NULL, &err), &err, "flushing");
    remember_moment();
    for (unsigned i = 0; i < 3; i++)
        write_some(store, 4 + i, 2 + 3 * i, 3, 4);
    remember_moment();
    for (unsigned i = 0; i < 1; i++)
        write_some(store, 7 + i, 4 + 3 * i, 3, 5);
    remember_moment(); /* before the log is marked */
    holter_close(store);
    io_free(io);

    take_files();
    expect_answers(image.answers);
    image.more = make_row(0, 1, BASE_NS + 20 * DAY_NS, 77);
    rows_tell(image.oracle, &image.world, &image.more, ++image.sequence);
    expect_answers(image.answers_more);
}

/* ---- one case ----------------------------------------------------------------------------------------------- */

struct damage_case {
    const char *path;
    enum file_kind kind;
    enum damage damage;
    uint64_t where;             /* bit, sector, length, moment */
    const struct buffer *bytes; /* to put back */
    bool is_writable, is_new_boot, writes_more;
    bool loses_nothing; /* must not cost an answer */
};

static void fail_case(const struct damage_case *one, const char *what, const char *sentence)
{
    if (failures++ >= FAILURES_PRINTED)
        return;
    fprintf(stderr, "damage: '%s', %s %" PRIu64 ", opened %s%s: %s%s%s\n", one->path,
            damage_names[one->damage], one->where, one->is_writable ? "writable" : "read-only",
            one->is_new_boot ? " in another boot" : "", what, sentence[0] != '\0' ? ": " : "",
            sentence);
}

static bool is_damage(holter_status status)
{
    return status == HOLTER_CORRUPT || status == HOLTER_INVALID || status == HOLTER_UNSUPPORTED ||
           status == HOLTER_DENIED || status == HOLTER_NOT_FOUND || status == HOLTER_IO;
}

/* Scan all users. False: an answer was wrong. *status: the first error. */
static bool scan(const struct damage_case *one, holter_store *store,
                 const struct buffer answers[USERS], holter_status *status, holter_error *err)
{
    holter_snapshot *snapshot;
    bool is_right = true;
    *status = holter_snapshot_open(&snapshot, store, err);
    if (*status != HOLTER_OK)
        return true;
    for (size_t i = 0; i < USERS && is_right; i++) {
        struct buffer found;
        holter_error of_user;
        holter_scan_spec spec = { .user = image.world.users[i] };
        buffer_init(&found);
        holter_status ended = rows_scan(&found, snapshot, &spec, &of_user);
        bool fits = found.bytes <= answers[i].bytes &&
                    (found.bytes == 0 || memcmp(found.data, answers[i].data, found.bytes) == 0);
        is_right = fits && (ended != HOLTER_OK || found.bytes == answers[i].bytes);
        if (!is_right) {
            fail_case(one, ended == HOLTER_OK ? "a wrong answer" : "wrong rows before an error",
                      "");
            if (failures <= FAILURES_PRINTED)
                rows_explain(&answers[i], &found);
        }
        if (ended != HOLTER_OK && *status == HOLTER_OK) {
            *status = ended;
            *err = of_user;
        }
        buffer_release(&found);
    }
    holter_snapshot_close(snapshot);
    return is_right;
}

static holter_status write_more(holter_store *store, holter_error *err)
{
    holter_batch *batch;
    holter_status status = holter_batch_new(&batch, store, NULL, err);
    if (status == HOLTER_OK)
        status = rows_add(batch, &image.world, &image.more, NULL, err);
    if (status == HOLTER_OK)
        status = holter_commit(store, batch, err);
    holter_batch_free(batch);
    return status;
}

static void inflict(struct sim *sim, const struct damage_case *one, const struct file *file)
{
    static const uint8_t zeros[SECTOR];
    struct buffer changed;
    switch (one->damage) {
    case DAMAGE_BIT:
        need(sim_file_flip(sim, one->path, one->where), NULL, "flipping");
        break;
    case DAMAGE_ZEROED:
        buffer_init(&changed);
        buffer_append(&changed, file->bytes.data, file->bytes.bytes);
        size_t at = (size_t)one->where * SECTOR;
        size_t count = file->bytes.bytes - at < SECTOR ? file->bytes.bytes - at : SECTOR;
        memcpy(changed.data + at, zeros, count);
        need(sim_file_write(sim, one->path, changed.data, changed.bytes), NULL, "writing");
        buffer_release(&changed);
        break;
    case DAMAGE_EIO:
        sim_sector_bad(sim, one->path, one->where);
        break;
    case DAMAGE_CUT:
        need(sim_file_write(sim, one->path, file->bytes.data, (size_t)one->where), NULL, "cutting");
        break;
    default:
        need(sim_file_write(sim, one->path, one->bytes->data, one->bytes->bytes), NULL, "writing");
        break;
    }
}

/* Write a row; whoever opens then has it, and everything else. */
static enum outcome go_on(const struct damage_case *one, struct sim *sim, holter_store *store)
{
    holter_error err;
    holter_store *again;
    holter_status status = write_more(store, &err);
    if (status != HOLTER_OK) {
        if (is_damage(status))
            return AT_READ;
        fail_case(one, "writing on", err.message);
        return WRONG;
    }
    struct io *io = sim_process_new(sim);
    status = store_open_on(&again, io, STORE, &(holter_options){ .read_only = 1 }, &err);
    bool is_right = true;
    if (status == HOLTER_OK) {
        is_right = scan(one, again, image.answers_more, &status, &err);
        holter_close(again);
    }
    io_free(io);
    if (is_right && status == HOLTER_OK)
        return HARMLESS;
    if (is_right)
        fail_case(one, "after writing on", err.message);
    return WRONG;
}

static enum outcome look(const struct damage_case *one, struct sim *sim, struct io *io)
{
    holter_error err = { 0 };
    holter_store *store;
    holter_options options = { .read_only = !one->is_writable, .log_file_bytes = 64 << 10 };
    holter_status status = store_open_on(&store, io, STORE, &options, &err);
    if (status != HOLTER_OK) {
        if (!is_damage(status) || err.message[0] == '\0') {
            fail_case(one, "opening", err.message);
            return WRONG;
        }
        return AT_OPEN;
    }
    enum outcome outcome = HARMLESS;
    size_t damaged = 0;
    if (!scan(one, store, image.answers, &status, &err))
        outcome = WRONG;
    else if (status != HOLTER_OK)
        outcome = AT_READ;
    if (outcome == AT_READ && (!is_damage(status) || err.message[0] == '\0')) {
        fail_case(one, "reading", err.message);
        outcome = WRONG;
    }
    /* What reading has found verify finds as well: the full form looks at that in every 16th case. */
    if (outcome == AT_READ && form == FORM_FULL && !one->writes_more) {
        holter_close(store);
        return outcome;
    }
    holter_status verified = holter_verify(store, NULL, NULL, &damaged, &err);
    if (outcome == AT_READ && verified == HOLTER_OK) {
        fail_case(one, "verify found nothing, reading did", err.message);
        outcome = WRONG;
    }
    if (verified != HOLTER_OK && !is_damage(verified)) {
        fail_case(one, "verifying", err.message);
        outcome = WRONG;
    }
    if (outcome == HARMLESS && verified != HOLTER_OK)
        outcome = BY_VERIFY;
    if (one->writes_more && one->is_writable && (outcome == HARMLESS || outcome == BY_VERIFY)) {
        enum outcome then = go_on(one, sim, store);
        outcome = then == HARMLESS ? outcome : then;
    }
    holter_close(store);
    return outcome;
}

static void run_case(const struct damage_case *one, const struct file *file)
{
    struct sim *sim = sim_copy(image.sim, 1);
    inflict(sim, one, file);
    if (one->is_new_boot)
        sim_crash(sim, SIM_CRASH_DURABLE, 1);
    struct io *io = sim_process_new(sim);
    enum outcome outcome = look(one, sim, io);
    if (one->loses_nothing && (outcome == AT_OPEN || outcome == AT_READ)) {
        fail_case(one, "what is kept twice was lost", outcome == AT_OPEN ? "at open" : "at read");
        outcome = WRONG;
    }
    io_free(io);
    sim_free(sim);
    table[one->kind][one->damage][outcome]++;
}

/* ---- which cases -------------------------------------------------------------------------------------------------- */

static uint64_t part, parts = 1, cases;

/* In the four ways of opening by turns; all four where `in_every_way`. */
static void run(struct damage_case one, const struct file *file, bool in_every_way)
{
    uint64_t number = cases++;
    if (number % parts != part)
        return;
    for (unsigned way = 0; way < 4; way++) {
        if (!in_every_way && way != (number / parts) % 4)
            continue;
        one.is_writable = way % 2 != 0;
        one.is_new_boot = way / 2 != 0;
        one.writes_more = in_every_way || number % 16 == 3;
        run_case(&one, file);
    }
}

/* One bad sector here must lose nothing. */
static bool must_lose_nothing(const struct file *file, uint64_t sector)
{
    uint64_t at = sector * SECTOR;
    switch (file->kind) {
    case FILE_IDENTITY:
    case FILE_VAULT:
    case FILE_CATALOG:
    case FILE_MANIFEST:
    case FILE_HEAD:
    case FILE_LOCK:
    case FILE_KEPT: /* for receivers of changes; what is stored is elsewhere, too */
        return true;
    case FILE_LOG:
        return at < LOG_HEADER_BYTES;
    case FILE_HOT:
    case FILE_WARM:
    case FILE_COLD: {
        struct reader r = reader_over(file->bytes.data + file->bytes.bytes - SECTOR, SECTOR);
        get_bytes(&r, SEGMENT_SECTIONS_AT);
        uint64_t begin = get_u64(&r), end = get_u64(&r);
        return at < begin || at >= end;
    }
    default:
        return false;
    }
}

static void flip_bits(const struct file *file)
{
    uint64_t bits = 8 * file->bytes.bytes;
    uint64_t step = form == FORM_FULL ? 1 : 8;
    if (form == FORM_SHORT)
        step = file->kind == FILE_KEPT ? 8 * 768 : 8 * 96;
    for (uint64_t bit = 0; bit < bits; bit += step) {
        uint64_t flipped = bit + random_below(&dice, step);
        if (flipped >= bits)
            flipped = bits - 1;
        run((struct damage_case){ .path = file->path,
                                  .kind = file->kind,
                                  .damage = DAMAGE_BIT,
                                  .where = flipped,
                                  .loses_nothing = must_lose_nothing(file, flipped / 8 / SECTOR) },
            file, false);
    }
}

static void lose_sectors(const struct file *file, enum damage damage)
{
    uint64_t sectors = (file->bytes.bytes + SECTOR - 1) / SECTOR;
    for (uint64_t sector = 0; sector < sectors; sector++)
        run((struct damage_case){ .path = file->path,
                                  .kind = file->kind,
                                  .damage = damage,
                                  .where = sector,
                                  .loses_nothing = must_lose_nothing(file, sector) },
            file, form != FORM_SHORT);
}

static void cut(const struct file *file)
{
    uint64_t bytes = file->bytes.bytes;
    struct damage_case one = { .path = file->path, .kind = file->kind, .damage = DAMAGE_CUT };
    if (form == FORM_FULL) {
        for (one.where = 0; one.where < bytes; one.where++)
            run(one, file, false);
        return;
    }
    uint64_t step = form == FORM_LONG ? SECTOR : 8 * SECTOR;
    for (uint64_t at = 0; at <= bytes; at += step) {
        for (int64_t beside = -1; beside <= 1; beside++) {
            one.where = at + (uint64_t)beside;
            if (one.where < bytes) /* also not below 0 */
                run(one, file, false);
        }
    }
    for (unsigned i = 0; bytes > 0 && i < (form == FORM_LONG ? 500 : 8); i++) {
        one.where = random_below(&dice, bytes);
        run(one, file, false);
    }
}

static void put_back(void)
{
    for (size_t i = 0; i < image.old_count; i++) {
        const struct old_file *old = &image.old[i];
        const struct file *now = NULL;
        for (size_t f = 0; f < image.file_count; f++) {
            if (strcmp(image.files[f].path, old->path) == 0)
                now = &image.files[f];
        }
        bool is_same = now != NULL && now->bytes.bytes == old->bytes.bytes &&
                       memcmp(now->bytes.data, old->bytes.data, old->bytes.bytes) == 0;
        if (is_same)
            continue;
        run((struct damage_case){ .path = old->path,
                                  .kind = old->kind,
                                  .damage = DAMAGE_PUT_BACK,
                                  .where = old->moment,
                                  .bytes = &old->bytes },
            now, true);
    }
}

/* ---- figures ---------------------------------------------------------------------------------------------------------- */

static void print_table(void)
{
    printf("  %-13s %-18s %10s %10s %10s %10s %6s\n", "file", "damage", "at open", "at read",
           "by verify", "harmless", "wrong");
    for (size_t k = 0; k < FILE_KINDS; k++) {
        for (size_t d = 0; d < DAMAGES; d++) {
            const uint64_t *of = table[k][d];
            if (of[AT_OPEN] + of[AT_READ] + of[BY_VERIFY] + of[HARMLESS] + of[WRONG] == 0)
                continue;
            printf("  %-13s %-18s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %6" PRIu64
                   "\n",
                   kind_names[k], damage_names[d], of[AT_OPEN], of[AT_READ], of[BY_VERIFY],
                   of[HARMLESS], of[WRONG]);
        }
    }
}

static void release(void)
{
    for (size_t i = 0; i < image.file_count; i++) {
        free(image.files[i].path);
        buffer_release(&image.files[i].bytes);
    }
    for (size_t i = 0; i < image.old_count; i++) {
        free(image.old[i].path);
        buffer_release(&image.old[i].bytes);
    }
    for (size_t i = 0; i < USERS; i++) {
        buffer_release(&image.answers[i]);
        buffer_release(&image.answers_more[i]);
    }
    oracle_free(image.oracle);
    sim_free(image.sim);
}

int main(int argc, char **argv)
{
    static const char *const forms[] = { "short", "long", "full" };
    int found = -1;
    for (int i = 0; argc > 1 && i < 3; i++) {
        if (strcmp(argv[1], forms[i]) == 0)
            found = i;
    }
    if (found < 0 || (argc != 2 && argc != 4)) {
        fprintf(stderr, "usage: damage short | long | full [PART PARTS]\n");
        return 2;
    }
    form = (enum form)found;
    if (argc == 4) {
        part = strtoull(argv[2], NULL, 10);
        parts = strtoull(argv[3], NULL, 10);
        parts = parts == 0 ? 1 : parts;
    }
    /* Large buffers come and go with each opening: the time would go into pages that the kernel clears. */
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    fill();
    put_back();
    for (size_t i = 0; i < image.file_count; i++) {
        const struct file *file = &image.files[i];
        lose_sectors(file, DAMAGE_ZEROED);
        lose_sectors(file, DAMAGE_EIO);
        cut(file);
        flip_bits(file);
    }
    print_table();
    printf("damage: %" PRIu64 " cases, %" PRIu64 " wrong\n", cases, failures);
    release();
    return failures == 0 ? 0 : 1;
}
