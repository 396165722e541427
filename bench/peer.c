/*
 * peer.c -- SQLite with the settings that make a commit durable.
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef BENCH_SQLITE

#include <sqlite3.h>

struct peer {
    sqlite3 *database;
    sqlite3_stmt *begin, *put, *commit;
};

bool peer_is_there(void)
{
    return getenv("BENCH_NO_PEER") == NULL;
}

static void try(const struct peer *peer, int result)
{
    if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW)
        bench_fail("sqlite: %s", sqlite3_errmsg(peer->database));
}

static void prepare(struct peer *peer, sqlite3_stmt **out, const char *text)
{
    try(peer, sqlite3_prepare_v2(peer->database, text, -1, out, NULL));
}

struct peer *peer_open(const char *name)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        bench_fail("no memory");
    try(peer, sqlite3_open(bench_path(name), &peer->database));
    try(peer, sqlite3_exec(peer->database,
                           "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                           "CREATE TABLE samples (user INTEGER, metric INTEGER, source INTEGER,"
                           " time INTEGER, duration INTEGER, value INTEGER, revision INTEGER,"
                           " PRIMARY KEY (user, metric, source, time)) WITHOUT ROWID;",
                           NULL, NULL, NULL));
    prepare(peer, &peer->begin, "BEGIN");
    prepare(peer, &peer->commit, "COMMIT");
    prepare(peer, &peer->put,
            "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET duration = excluded.duration, value = excluded.value,"
            " revision = excluded.revision WHERE excluded.revision >= revision");
    return peer;
}

void peer_close(struct peer *peer)
{
    sqlite3_finalize(peer->begin);
    sqlite3_finalize(peer->put);
    sqlite3_finalize(peer->commit);
    sqlite3_close(peer->database);
    free(peer);
}

static void step(struct peer *peer, sqlite3_stmt *statement)
{
    try(peer, sqlite3_step(statement));
    try(peer, sqlite3_reset(statement));
}

void peer_commit(struct peer *peer, const struct cohort_row *rows, size_t count)
{
    step(peer, peer->begin);
    for (size_t i = 0; i < count; i++) {
        const int64_t words[] = { rows[i].user,    rows[i].metric,      rows[i].source,
                                  rows[i].time_ns, rows[i].duration_ns, rows[i].value,
                                  rows[i].revision };
        for (int word = 0; word < (int)(sizeof words / sizeof words[0]); word++)
            try(peer, sqlite3_bind_int64(peer->put, word + 1, words[word]));
        step(peer, peer->put);
    }
    step(peer, peer->commit);
}

#else

bool peer_is_there(void)
{
    static bool has_told;
    if (!has_told)
        fprintf(stderr, "sqlite3 was not there when this was built: no peer beside\n");
    has_told = true;
    return false;
}

struct peer *peer_open(const char *name)
{
    bench_fail("'%s': there is no sqlite", name);
}

void peer_close(struct peer *peer)
{
    (void)peer;
}

void peer_commit(struct peer *peer, const struct cohort_row *rows, size_t count)
{
    (void)peer;
    (void)rows;
    (void)count;
}

#endif

void peer_load(struct peer *peer, const struct cohort_row *rows, size_t count, size_t at_once)
{
    for (size_t at = 0; at < count; at += at_once)
        peer_commit(peer, rows + at, count - at < at_once ? count - at : at_once);
}

void peer_remove(const char *name)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char file[64];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(file, sizeof file, "%s%s", name, ends[i]);
        bench_remove(file);
    }
}
