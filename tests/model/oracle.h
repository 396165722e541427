/*
 * oracle.h -- what a store must answer, by brute force.
 *
 * The oracle keeps every row and every tombstone that was ever written and compares all of them
 * with all. It shares nothing with the engine but the rule of which rows stand, and it includes
 * nothing of it:
 *
 *   - a tombstone hides the rows of its span, by begin, of its user and scope: with a revision R
 *   (not 0)
 *     those of a lower revision, and those of revision R with a lower sequence; without one, all of
 *     a lower sequence;
 *   - of the rows of one (user, metric, source, time, key) that are not hidden, the greatest
 *   (revision,
 *     sequence) stands; of equal ones the one added last.
 *
 * Out of memory ends the program. Threads: one oracle, one thread at a time.
 */
#ifndef TESTS_MODEL_ORACLE_H
#define TESTS_MODEL_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oracle_row {
    uint64_t user;
    uint32_t metric;
    uint32_t source;
    int64_t time;
    int64_t duration;     /* 0 for instants */
    int64_t key;          /* of an integer or enum key; else 0 */
    const char *text_key; /* bytes of a text key; NULL where there is none */
    size_t text_key_bytes;
    int64_t revision;
    uint64_t sequence;
    uint16_t flags;
    const void *payload; /* whatever the test compares: the values, in a form of its own */
    size_t payload_bytes;
};

struct oracle_tombstone {
    uint64_t user;
    uint32_t metric; /* 0: every metric */
    uint32_t source; /* 0: every source */
    int64_t begin, end;
    int64_t revision; /* 0: none */
    uint64_t sequence;
};

struct oracle;

struct oracle *oracle_new(void);
void oracle_free(struct oracle *oracle);
/** The key's text and the payload are copied. */
void oracle_add_row(struct oracle *oracle, const struct oracle_row *row);
void oracle_add_tombstone(struct oracle *oracle, const struct oracle_tombstone *tombstone);
/** Drop all that a user wrote, tombstones too: an erased user. */
void oracle_forget_user(struct oracle *oracle, uint64_t user);

/**
 * The standing rows of a series that begin in [from, to), and those that begin earlier and end
 * after `ends_after` (INT64_MAX: none of those), rising by (time, key).
 * Returns pointers, borrowed until the oracle changes or is asked again.
 */
const struct oracle_row *const *oracle_ask(struct oracle *oracle, uint64_t user, uint32_t metric,
                                           uint32_t source, int64_t from, int64_t to,
                                           int64_t ends_after, size_t *count);

/**
 * Drop the rows that can never stand again, so that a long run stays small. Right only where each
 * later tombstone has a greater sequence than every row added so far: what it hides of the one that
 * stands, it then hides of all that lost against that one. Without this call nothing is dropped.
 */
void oracle_prune(struct oracle *oracle);

struct oracle_counts {
    uint64_t rows;       /* held now */
    uint64_t tombstones; /* held now */
    uint64_t superseded; /* of those held or pruned so far: not hidden, but another stands */
    uint64_t hidden;     /* .. hidden by a tombstone */
};

/** Cost: asks for everything. */
struct oracle_counts oracle_count(struct oracle *oracle);

#endif
