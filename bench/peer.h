/*
 * peer.h -- the same rows in SQLite, which everybody has: WAL, synchronous=FULL, a table WITHOUT ROWID
 * whose key is (user, metric, source, time), and of rows with one key the one that stands.
 *
 * Built without its library there is no peer, and a run says so; with BENCH_NO_PEER in the environment
 * it is left out.
 *
 * Threads: one.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "bench.h"

/** Is there one? Where there is not, the first call says so on stderr. */
bool peer_is_there(void);

struct peer;

/** A new database in the run's directory. */
struct peer *peer_open(const char *name);
void peer_close(struct peer *peer);
/** A transaction of `count` rows: durable on return. */
void peer_commit(struct peer *peer, const struct cohort_row *rows, size_t count);
/** All rows, `at_once` a transaction. */
void peer_load(struct peer *peer, const struct cohort_row *rows, size_t count, size_t at_once);
void peer_remove(const char *name); /**< of one that is closed */

#endif
