/*
 * crash_ledger.c -- what was tried and what was answered, and whether what is there can be
 * explained by it.
 *
 * A user's rows are told apart by the sum of their hashes. All subsets of the parts that may or may
 * not be there are tried (L2): few parts are open at a time. The rule of what stands is told anew
 * here, for plain arrays.
 */
#include "crash.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t mix64(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6))) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- entries --------------------------------------------------------------------------------- */

size_t ledger_fact_add(struct ledger *ledger, enum fact_kind kind, size_t user, size_t serial)
{
    assert(ledger->fact_count < LEDGER_FACTS_MAX);
    size_t index = ledger->fact_count++;
    ledger->facts[index] = (struct ledger_fact){ .kind = (uint8_t)kind,
                                                 .state = LEDGER_TRIED,
                                                 .user = (uint8_t)user,
                                                 .serial = (uint8_t)serial };
    if (kind == FACT_USER) {
        assert(ledger->user_count < LEDGER_USERS_MAX);
        ledger->user_fact[ledger->user_count++] = (uint8_t)index;
    }
    return index;
}

size_t ledger_part_add(struct ledger *ledger, size_t user)
{
    assert(ledger->part_count < LEDGER_PARTS_MAX);
    size_t index = ledger->part_count++;
    ledger->parts[index] = (struct ledger_part){ .user = (uint8_t)user,
                                                 .state = LEDGER_TRIED,
                                                 .row_first = ledger->row_count,
                                                 .cut_first = ledger->cut_count };
    return index;
}

uint64_t ledger_digest(const struct ledger *ledger)
{
    uint64_t digest = mix64(ledger->part_count, ledger->fact_count);
    for (size_t i = 0; i < ledger->part_count; i++)
        digest = mix64(digest, ledger->parts[i].state >= LEDGER_ACKNOWLEDGED);
    for (size_t i = 0; i < ledger->fact_count; i++)
        digest = mix64(digest, ledger->facts[i].state >= LEDGER_ACKNOWLEDGED);
    return digest;
}

uint64_t ledger_empty_hash(void)
{
    return 0;
}

/* ---- what stands ----------------------------------------------------------------------------- */

/* A row, and the place of its part in the user's order: its sequence. */
struct placed_row {
    const struct ledger_row *row;
    uint16_t part; /* index into the candidates */
    uint64_t hash;
};

struct placed_cut {
    const struct ledger_cut *cut;
    uint16_t part;
};

struct candidates {
    uint16_t parts[LEDGER_PARTS_MAX]; /* of the user, in order */
    bool is_there[LEDGER_PARTS_MAX];
    uint16_t part_count;
    struct placed_row rows[LEDGER_ROWS_MAX];
    size_t row_count;
    struct placed_cut cuts[LEDGER_CUTS_MAX];
    size_t cut_count;
};

static int64_t key_of(const struct ledger_row *row)
{
    return row->metric == M_DOSE ? row->value % 3 : 0;
}

#define COMPARE(a, b)                                                                              \
    do {                                                                                           \
        if ((a) != (b))                                                                            \
            return (a) < (b) ? -1 : 1;                                                             \
    } while (0)

static int compare_identity(const struct ledger_row *a, const struct ledger_row *b)
{
    COMPARE(a->metric, b->metric);
    COMPARE(a->source, b->source);
    COMPARE(a->time_ns, b->time_ns);
    COMPARE(key_of(a), key_of(b));
    return 0;
}

static int compare_rows(const void *left, const void *right)
{
    const struct placed_row *a = left;
    const struct placed_row *b = right;
    int identity = compare_identity(a->row, b->row);
    if (identity != 0)
        return identity;
    COMPARE(a->row->revision, b->row->revision);
    COMPARE(a->part, b->part);
    COMPARE(a->row, b->row);
    return 0;
}

static void gather(struct candidates *out, const struct ledger *ledger, size_t user,
                   size_t part_end)
{
    out->part_count = 0;
    out->row_count = 0;
    out->cut_count = 0;
    for (size_t p = 0; p < part_end; p++) {
        const struct ledger_part *part = &ledger->parts[p];
        if (part->user != user)
            continue;
        uint16_t place = out->part_count++;
        out->parts[place] = (uint16_t)p;
        for (size_t i = 0; i < part->row_count; i++) {
            const struct ledger_row *row = &ledger->rows[part->row_first + i];
            out->rows[out->row_count++] =
                (struct placed_row){ .row = row, .part = place, .hash = ledger_row_hash(row) };
        }
        for (size_t i = 0; i < part->cut_count; i++)
            out->cuts[out->cut_count++] =
                (struct placed_cut){ .cut = &ledger->cuts[part->cut_first + i], .part = place };
    }
    if (out->row_count > 1)
        qsort(out->rows, out->row_count, sizeof *out->rows, compare_rows);
}

static bool hides(const struct placed_cut *by, const struct placed_row *placed)
{
    const struct ledger_cut *cut = by->cut;
    const struct ledger_row *row = placed->row;
    if (cut->metric >= 0 && cut->metric != row->metric)
        return false;
    if (cut->source != 0 && cut->source != row->source)
        return false;
    if (row->time_ns < cut->begin_ns || row->time_ns >= cut->end_ns)
        return false;
    if (cut->revision != 0 && row->revision != cut->revision)
        return row->revision < cut->revision;
    return placed->part < by->part;
}

static bool stands(const struct candidates *all, const struct placed_row *row)
{
    if (!all->is_there[row->part])
        return false;
    for (size_t i = 0; i < all->cut_count; i++) {
        if (all->is_there[all->cuts[i].part] && hides(&all->cuts[i], row))
            return false;
    }
    return true;
}

static uint64_t hash_of_standing(const struct candidates *all, bool is_printing)
{
    uint64_t sum = ledger_empty_hash();
    for (size_t i = 0; i < all->row_count;) {
        const struct placed_row *best = NULL;
        size_t first = i;
        for (; i < all->row_count && compare_identity(all->rows[i].row, all->rows[first].row) == 0;
             i++) {
            if (stands(all, &all->rows[i]))
                best = &all->rows[i];
        }
        if (best == NULL)
            continue;
        sum += best->hash;
        if (is_printing)
            printf("    expected metric %u source %u time %lld value %lld revision %lld hash "
                   "%016llx\n",
                   best->row->metric, best->row->source, (long long)best->row->time_ns,
                   (long long)best->row->value, (long long)best->row->revision,
                   (unsigned long long)best->hash);
    }
    return sum;
}

static struct candidates all; /* large; one thread */

void ledger_print(const struct ledger *ledger, size_t user)
{
    gather(&all, ledger, user, ledger->part_count);
    for (size_t i = 0; i < all.part_count; i++) {
        const struct ledger_part *part = &ledger->parts[all.parts[i]];
        static const char *const names[] = { "?", "tried", "acknowledged", "seen" };
        all.is_there[i] = part->state >= LEDGER_ACKNOWLEDGED;
        printf("    part %u of user %zu: %s, %u rows, %u cuts\n", all.parts[i], user,
               names[part->state], part->row_count, part->cut_count);
    }
    hash_of_standing(&all, true);
}

bool ledger_explain(struct ledger *ledger, size_t user, size_t part_end, const bool *must,
                    uint64_t hash)
{
    uint16_t open[OPEN_PARTS_MAX];
    size_t open_count = 0;
    gather(&all, ledger, user, part_end);
    for (uint16_t i = 0; i < all.part_count; i++) {
        all.is_there[i] = must[all.parts[i]];
        if (all.is_there[i])
            continue;
        assert(open_count < OPEN_PARTS_MAX);
        open[open_count++] = i;
    }
    uint32_t end = UINT32_C(1) << open_count;
    uint32_t in_all = end - 1;
    bool is_explained = false;
    for (uint32_t mask = 0; mask < end; mask++) {
        for (size_t i = 0; i < open_count; i++)
            all.is_there[open[i]] = mask >> i & 1;
        if (hash_of_standing(&all, false) != hash)
            continue;
        is_explained = true;
        in_all &= mask;
    }
    for (size_t i = 0; is_explained && i < open_count; i++) {
        struct ledger_part *part = &ledger->parts[all.parts[open[i]]];
        if ((in_all >> i & 1) && part->state == LEDGER_TRIED)
            part->state = LEDGER_SEEN;
    }
    return is_explained;
}
