/*
 * bench_late.c -- how many late samples a second does a store take that is compacted already, and is
 * every answer right then?
 *
 * On paper: a commit does not read what is there, so late rows are durable as fast as any, but that
 * each series gets few of them at a time, out of order: some 0.3 us a row for sorting and small
 * columns. A flush writes one hot segment a class and shard, whatever their times are. Compaction
 * then rewrites the partitions where that pays.
 *
 * Method: a cohort is loaded and compacted to warm, but for one row in 30. These come late, and half
 * as many again that repeat a stored row or correct it (by turns), all of them shuffled: 5 % of the
 * cohort. Timed until they are durable; until they are in segments too; until compaction to warm has
 * nothing left to do. Then everything is scanned, in the same handle and a new one, and compared with
 * the rows that should stand, which the benchmark finds by sorting all that was committed. SQLite,
 * with the same rows before, takes the same late ones, in turn with the store.
 */
#include "ingest.h"
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_EVERY = 30, LOAD_COMMIT_ROWS = 50000 };

struct late {
    uint32_t users;
    size_t commit_rows;
    struct ingest_rows base, late;
    struct ingest_rows standing; /* by user, metric, source, time */
    /* what it found */
    double commit_s, flush_s, compact_s;
    double computed_s; /* by all threads, until they are in segments */
    uint64_t late_hot_rows, late_warm_rows, base_hot_rows, base_warm_rows, cold_rows;
    struct ingest_bytes bytes; /* of late samples, to warm */
};

/* ---- rows ------------------------------------------------------------------------------------ */

static void swap_rows(struct cohort_row *a, struct cohort_row *b)
{
    struct cohort_row row = *a;
    *a = *b;
    *b = row;
}

static struct cohort_row corrected(struct cohort_row row)
{
    row.value = row.metric == COHORT_SLEEP_STAGE ? (row.value + 1) % COHORT_STAGES : row.value + 1;
    return row;
}

/* Splits a cohort into what is there and what comes late. */
static void make_rows(struct late *late, uint32_t days)
{
    struct ingest_rows all;
    ingest_rows_make(&all, late->users, days);
    size_t held = all.count / LATE_EVERY;
    ingest_rows_new(&late->late, held + held / 2);
    ingest_rows_new(&late->base, all.count - held);
    size_t base = 0, taken = 0;
    for (size_t i = 0; i < all.count; i++) {
        bool is_held = bench_random_below(all.count - i) < held - taken;
        if (is_held)
            late->late.at[taken++] = all.at[i];
        else
            late->base.at[base++] = all.at[i];
    }
    for (size_t i = 0; i < held / 2; i++) {
        struct cohort_row row = late->base.at[bench_random_below(base)];
        late->late.at[held + i] = i % 2 == 0 ? row : corrected(row);
    }
    for (size_t i = late->late.count; i > 1; i--)
        swap_rows(&late->late.at[i - 1], &late->late.at[bench_random_below(i)]);
    ingest_rows_free(&all);
}

/* A row, and its place among all that were committed. */
struct committed {
    struct cohort_row row;
    size_t place;
};

static int compare_keys(const struct cohort_row *a, const struct cohort_row *b)
{
    if (a->user != b->user)
        return a->user < b->user ? -1 : 1;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    return (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
}

static int compare_committed(const void *a, const void *b)
{
    const struct committed *left = a, *right = b;
    int order = compare_keys(&left->row, &right->row);
    if (order == 0)
        order =
            (left->row.revision > right->row.revision) - (left->row.revision < right->row.revision);
    if (order == 0)
        order = (left->place > right->place) - (left->place < right->place);
    return order;
}

/* Of rows of one key the last of those of the greatest revision. */
static void find_standing(struct late *late)
{
    size_t count = late->base.count + late->late.count, kept = 0;
    struct committed *all = malloc(count * sizeof *all);
    if (all == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < count; i++)
        all[i] = (struct committed){ i < late->base.count ? late->base.at[i]
                                                          : late->late.at[i - late->base.count],
                                     i };
    qsort(all, count, sizeof *all, compare_committed);
    ingest_rows_new(&late->standing, count);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || compare_keys(&all[i].row, &all[i + 1].row) != 0)
            late->standing.at[kept++] = all[i].row;
    }
    late->standing.count = kept;
    free(all);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void check_series(const struct bench_store *store, holter_snapshot *snapshot,
                         const struct cohort_row *rows, size_t count)
{
    holter_error err = { 0 };
    holter_cursor *cursor;
    holter_columns columns;
    holter_status status;
    size_t at = 0;
    const holter_scan_spec spec = { .user = store->users[rows->user],
                                    .metric = store->metrics[rows->metric],
                                    .source = store->sources[rows->user][rows->source] };
    bench_try(holter_scan(&cursor, snapshot, &spec, &err), &err);
    while ((status = holter_cursor_next(cursor, &columns, &err)) == HOLTER_OK) {
        for (size_t i = 0; i < columns.count; i++, at++) {
            int64_t value = at < count ? rows[at].value : 0;
            if (at < count && rows[at].metric == COHORT_SLEEP_STAGE)
                value = store->stages[value];
            if (at >= count || columns.time_ns[i] != rows[at].time_ns ||
                columns.fields[0].integer[i] != value ||
                (columns.duration_ns != NULL && columns.duration_ns[i] != rows[at].duration_ns))
                bench_fail("user %u, %s: row %zu of %zu is another one than should stand",
                           rows->user, cohort_metric_name((enum cohort_metric)rows->metric), at,
                           count);
        }
    }
    if (status != HOLTER_DONE)
        bench_try(status, &err);
    holter_cursor_close(cursor);
    if (at != count)
        bench_fail("user %u, %s: found %zu rows, expected %zu", rows->user,
                   cohort_metric_name((enum cohort_metric)rows->metric), at, count);
}

/* Every row of every series, and none beside. */
static void check_answers(const struct bench_store *store, const struct ingest_rows *standing)
{
    holter_error err = { 0 };
    holter_snapshot *snapshot;
    bench_try(holter_snapshot_open(&snapshot, store->store, &err), &err);
    for (size_t first = 0, end; first < standing->count; first = end) {
        const struct cohort_row *row = &standing->at[first];
        for (end = first; end < standing->count; end++) {
            const struct cohort_row *other = &standing->at[end];
            if (other->user != row->user || other->metric != row->metric ||
                other->source != row->source)
                break;
        }
        check_series(store, snapshot, row, end - first);
    }
    holter_snapshot_close(snapshot);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void take_in_child(void *context)
{
    struct late *late = context;
    struct bench_store store;
    ingest_rows_touch(&late->base);
    ingest_rows_touch(&late->late);
    bench_store_make(&store, "store", late->users, NULL);
    struct ingest_loader *loader = ingest_loader_new(&store);
    ingest_loader_commit(loader, &late->base, LOAD_COMMIT_ROWS);
    ingest_loader_compact(loader, HOLTER_HOT);
    late->base_hot_rows = ingest_tier_of(&store, HOLTER_HOT).rows;
    late->base_warm_rows = ingest_loader_compact(loader, HOLTER_WARM).rows_out;

    struct ingest_bytes before = ingest_bytes_since(&store, NULL);
    double begin_s = bench_now_s(), computed_s = bench_process_s();
    ingest_loader_commit(loader, &late->late, late->commit_rows);
    late->commit_s = bench_now_s() - begin_s;
    ingest_loader_compact(loader, HOLTER_HOT);
    late->flush_s = bench_now_s() - begin_s - late->commit_s;
    late->computed_s = bench_process_s() - computed_s;
    late->late_hot_rows = ingest_tier_of(&store, HOLTER_HOT).rows;
    check_answers(&store, &late->standing);
    begin_s = bench_now_s();
    late->late_warm_rows = ingest_loader_compact(loader, HOLTER_WARM).rows_out;
    late->compact_s = bench_now_s() - begin_s;
    late->bytes = ingest_bytes_since(&store, &before);
    check_answers(&store, &late->standing);
    late->cold_rows = ingest_loader_compact(loader, HOLTER_COLD).rows_out;
    ingest_loader_free(loader);

    struct bench_store again = store;
    holter_error err = { 0 };
    bench_try(holter_open(&again.store, bench_path("store"), NULL, &err), &err);
    check_answers(&again, &late->standing);
    holter_close(again.store);
    bench_store_close(&store);
}

static double peer_late_s(const struct late *late)
{
    struct peer *peer = peer_open("peer");
    peer_load(peer, late->base.at, late->base.count, LOAD_COMMIT_ROWS);
    double begin_s = bench_now_s();
    peer_load(peer, late->late.at, late->late.count, late->commit_rows);
    double taken_s = bench_now_s() - begin_s;
    peer_close(peer);
    peer_remove("peer");
    return taken_s;
}

static void measure(struct late *late, const char *at, uint32_t passes)
{
    struct bench_series durable = { 0 }, flushed = { 0 }, settled = { 0 }, computed = { 0 },
                        peer_rates = { 0 }, ratios = { 0 };
    double samples = (double)late->late.count, all = samples + (double)late->base.count;
    for (uint32_t pass = 0; pass < passes; pass++) {
        ingest_in_child(take_in_child, late);
        bench_remove("store");
        double flushed_s = late->commit_s + late->flush_s;
        bench_add(&durable, samples / late->commit_s);
        bench_add(&flushed, samples / flushed_s);
        bench_add(&settled, samples / (flushed_s + late->compact_s));
        bench_add(&computed, 1e9 * late->computed_s / samples);
        if (!peer_is_there())
            continue;
        double peer_s = peer_late_s(late);
        bench_add(&peer_rates, samples / peer_s);
        bench_add(&ratios, peer_s / flushed_s);
    }
    bench_report_one(at, "late samples", "samples", samples);
    bench_report_one(at, "samples before", "samples", (double)late->base.count);
    bench_report(at, "durable", "samples/s", &durable);
    bench_report(at, "durable and flushed", "samples/s", &flushed);
    bench_report(at, "and compacted", "samples/s", &settled);
    bench_report(at, "computed until flushed", "ns/sample", &computed);
    if (peer_rates.count > 0) {
        bench_report(at, "sqlite, durable", "samples/s", &peer_rates);
        bench_report(at, "flushed, of sqlite's", "ratio", &ratios);
    }
    double warm = all + (double)(late->base_hot_rows + late->base_warm_rows + late->late_hot_rows +
                                 late->late_warm_rows);
    bench_report_one(at, "written, log to warm", "samples/sample", warm / all);
    bench_report_one(at, "written, log to cold", "samples/sample",
                     (warm + (double)late->cold_rows) / all);
    ingest_report_bytes(at, &late->bytes, samples);
    bench_report_one(at, "rows checked", "rows", (double)late->standing.count);
}

int main(int count, char **arguments)
{
    const char *users = NULL, *days = NULL, *passes = NULL;
    const struct bench_option options[] = { { "--users", "COUNT", &users },
                                            { "--days", "COUNT", &days },
                                            { "--passes", "COUNT", &passes } };
    bench_begin_with("late", count, arguments, options, sizeof options / sizeof options[0]);
    bool is_quick = bench_is_quick();
    struct late *late = ingest_shared(sizeof *late);
    late->users = bench_number("--users", users, 1, COHORT_USERS_MAX, is_quick ? 4 : 50);
    uint32_t day_count = bench_number("--days", days, 1, COHORT_DAYS_MAX, is_quick ? 1 : 14);
    uint32_t pass_count = bench_number("--passes", passes, 1, 100, is_quick ? 1 : 3);
    make_rows(late, day_count);
    find_standing(late);
    late->commit_rows = 50000;
    measure(late, "50,000 a commit", pass_count);
    late->commit_rows = 1000;
    measure(late, "1,000 a commit", pass_count);
    bench_end();
    return 0;
}
