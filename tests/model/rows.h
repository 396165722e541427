/*
 * rows.h -- the rows of the model tests: what goes into a store, what an oracle is told, how
 * answers compare.
 *
 * A row is small: its values are words, of which values are made, so that a test can keep many and
 * change them. An answer is a string of bytes, every row of it in full and in order, so that two
 * answers are equal only where rows, values, flags, revisions and order are.
 *
 * Out of memory ends the program. Threads: one at a time.
 */
#ifndef TESTS_MODEL_ROWS_H
#define TESTS_MODEL_ROWS_H

#include "core/core.h"
#include "holter/holter.h"
#include "oracle.h"

enum { ROWS_FIELDS_MAX = 3, ROWS_USERS_MAX = 8, ROWS_METRICS_MAX = 16, ROWS_TEXT_MAX = 65536 };

/** A metric as the test knows it; told apart from what the catalog says of it. */
struct rows_metric {
    const char *name;
    holter_kind kind;
    size_t field_count;
    holter_type types[ROWS_FIELDS_MAX];
    int key_field; /* -1: none */
    bool has_range[ROWS_FIELDS_MAX];
    double min[ROWS_FIELDS_MAX], max[ROWS_FIELDS_MAX];
    bool is_own; /* defined by the test */
};

size_t rows_metric_count(void);
const struct rows_metric *rows_metric_at(size_t index);

/** The numbers that a store gave to users and metrics. */
struct rows_world {
    uint64_t users[ROWS_USERS_MAX];
    size_t user_count;
    uint32_t metrics[ROWS_METRICS_MAX]; /* as rows_metric_at */
    uint32_t source_count;              /* of each user: 1 .. source_count */
};

/** Define the metrics, add users and their sources, in a new store or one that has them. */
holter_status rows_prepare(struct rows_world *out, holter_store *store, size_t user_count,
                           uint32_t source_count, holter_error *err);

struct rows_row {
    uint8_t user;   /* index in the world */
    uint8_t metric; /* index of rows_metric_at */
    uint8_t source; /* number */
    uint16_t flags; /* the writer's */
    int64_t time, duration, revision;
    int64_t words[ROWS_FIELDS_MAX];
};

/**
 * Add to a batch; the batch's revision is no part of it.
 * Errors: those of holter_batch_add.
 */
holter_status rows_add(holter_batch *batch, const struct rows_world *world,
                       const struct rows_row *row, size_t *index, holter_error *err);
/** The flags that a store gives to a row: the writer's, with those of implausible values. */
uint16_t rows_flags(const struct rows_row *row);
/** Duration, flags and values in bytes. */
void rows_payload(struct buffer *out, const struct rows_row *row);
void rows_tell(struct oracle *oracle, const struct rows_world *world, const struct rows_row *row,
               uint64_t sequence);
/** The standing row of the same identity; NULL: none. Borrowed until the oracle is asked again. */
const struct oracle_row *rows_standing(struct oracle *oracle, const struct rows_world *world,
                                       const struct rows_row *row);
bool rows_is_same_identity(const struct rows_row *a, const struct rows_row *b);

/** What an oracle answers to a scan; appended. */
void rows_expect(struct buffer *out, struct oracle *oracle, const struct rows_world *world,
                 const holter_scan_spec *spec);
/** What it answers to holter_latest; appended. */
void rows_expect_latest(struct buffer *out, struct oracle *oracle, const struct rows_world *world,
                        uint64_t user, uint32_t metric, uint32_t source);
/**
 * The rest of a cursor, appended; HOLTER_OK at its end. Also checks what a cursor promises of its
 * columns.
 */
holter_status rows_drain(struct buffer *out, holter_cursor *cursor, holter_error *err);
/** At most one step of a cursor; HOLTER_DONE at its end. */
holter_status rows_step(struct buffer *out, holter_cursor *cursor, holter_error *err);
holter_status rows_scan(struct buffer *out, holter_snapshot *snapshot, const holter_scan_spec *spec,
                        holter_error *err);
/** Everything of all users, appended. */
holter_status rows_scan_all(struct buffer *out, holter_snapshot *snapshot,
                            const struct rows_world *world, holter_error *err);
void rows_expect_all(struct buffer *out, struct oracle *oracle, const struct rows_world *world);

/** How many rows an answer has. */
size_t rows_count(const struct buffer *answer);
/** Print the first difference of two answers to stderr. */
void rows_explain(const struct buffer *expected, const struct buffer *found);

#endif
