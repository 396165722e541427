/*
 * edits_ledger.h -- for the tests of edits: an owner that remembers what was applied, and bodies
 * that can be told apart.
 *
 * The body of a version is a function of (version, attempt, part), of a length that follows from
 * the version, so a test knows of each body it finds which call submitted it.
 */
#ifndef TESTS_UNIT_EDITS_LEDGER_H
#define TESTS_UNIT_EDITS_LEDGER_H

#include "edits/edits.h"
#include "io/io_sim.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

enum { LEDGER_MAX = 64, LEDGER_BODY_MAX = 4096, LEDGER_SNAPSHOT = 1000 };

struct ledger_edit {
    uint64_t version;
    uint32_t attempt; /* LEDGER_SNAPSHOT: tells a whole state */
    uint32_t parts;
};

struct ledger {
    struct ledger_edit edits[LEDGER_MAX];
    size_t count;
    size_t resets;
    holter_status fail; /* the next apply */
};

static inline size_t ledger_body(uint8_t out[static LEDGER_BODY_MAX], uint64_t version,
                                 uint32_t attempt, uint32_t part)
{
    size_t bytes = 12 + (version * 337 + part * 91) % 1300;
    memset(out, (int)('a' + version % 26), bytes);
    memcpy(out, &version, 8);
    memcpy(out + 8, &attempt, 2);
    memcpy(out + 10, &part, 2);
    return bytes;
}

static inline void ledger_reset(void *context)
{
    struct ledger *ledger = context;
    ledger->count = 0;
    ledger->resets++;
}

static inline holter_status ledger_apply(void *context, uint64_t version, const uint8_t *body,
                                         size_t bytes, holter_error *err)
{
    struct ledger *ledger = context;
    if (ledger->fail != HOLTER_OK) {
        holter_status fail = ledger->fail;
        ledger->fail = HOLTER_OK;
        return error_set(err, fail, "the owner fails");
    }
    uint8_t wanted[LEDGER_BODY_MAX];
    uint64_t told;
    uint16_t attempt, part;
    CHECK(bytes >= 12);
    memcpy(&told, body, 8);
    memcpy(&attempt, body + 8, 2);
    memcpy(&part, body + 10, 2);
    CHECK(told == version);
    CHECK(bytes == ledger_body(wanted, version, attempt, part));
    CHECK(memcmp(body, wanted, bytes) == 0);

    struct ledger_edit *last = ledger->count == 0 ? NULL : &ledger->edits[ledger->count - 1];
    if (part > 0) {
        CHECK(last != NULL);
        CHECK(last->version == version);
        CHECK(last->attempt == attempt);
        CHECK(last->parts == part);
        last->parts++;
        return HOLTER_OK;
    }
    if (last != NULL)
        CHECK(last->version + 1 == version);
    else
        CHECK(attempt == LEDGER_SNAPSHOT);
    CHECK(ledger->count < LEDGER_MAX);
    ledger->edits[ledger->count++] = (struct ledger_edit){ version, attempt, 1 };
    return HOLTER_OK;
}

static inline struct edits_spec ledger_spec(struct io *io, struct ledger *ledger)
{
    return (struct edits_spec){
        .io = io,
        .directory = "d",
        .name = "catalog",
        .kind = EDITS_CATALOG,
        .store_id = { 4, 2 },
        .place = 3,
        .owner = { ledger_reset, ledger_apply, ledger },
    };
}

struct ledger_parts {
    uint8_t bodies[3][LEDGER_BODY_MAX];
    struct edits_part parts[3];
};

static inline const struct edits_part *ledger_parts(struct ledger_parts *out, uint64_t version,
                                                    uint32_t attempt, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out->parts[i].bytes = out->bodies[i];
        out->parts[i].count = ledger_body(out->bodies[i], version, attempt, (uint32_t)i);
    }
    return out->parts;
}

static inline holter_status ledger_create(struct io *io, holter_error *err)
{
    struct ledger_parts parts;
    struct edits_spec spec = ledger_spec(io, NULL);
    return edits_create(&spec, ledger_parts(&parts, 1, LEDGER_SNAPSHOT, 1), 1, err);
}

/* Versions that 3 divides have three parts. */
static inline holter_status ledger_append(struct edits *edits, uint32_t attempt, holter_error *err)
{
    struct ledger_parts parts;
    uint64_t version = edits_version(edits) + 1;
    size_t count = version % 3 == 0 ? 3 : 1;
    return edits_append(edits, ledger_parts(&parts, version, attempt, count), count, err);
}

static inline holter_status ledger_rewrite(struct edits *edits, holter_error *err)
{
    struct ledger_parts parts;
    return edits_rewrite(edits, ledger_parts(&parts, edits_version(edits), LEDGER_SNAPSHOT, 2), 2,
                         err);
}

/* The versions applied are a run that ends with the handle's. */
static inline void ledger_check(const struct ledger *ledger, const struct edits *edits)
{
    ck_assert_uint_gt(ledger->count, 0);
    ck_assert_uint_eq(ledger->edits[ledger->count - 1].version, edits_version(edits));
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_edit *edit = &ledger->edits[i];
        ck_assert_uint_eq(edit->version, ledger->edits[0].version + i);
        if (i > 0)
            ck_assert_uint_eq(edit->parts, edit->version % 3 == 0 ? 3 : 1);
    }
}

#endif
