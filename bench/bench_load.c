/*
 * bench_load.c -- how many samples a second does a bulk load bring into warm segments, in how much
 * memory, and how many bytes and samples does it write?
 *
 * On paper: a sample is coded three times (log, hot, warm) and decoded twice, read back after each
 * segment, sorted and merged: some 50 ns with sealing. Two threads, a core each, 20 to 40 million
 * samples a second as long as nobody waits for the disk. Written are some 6 bytes to the log, 2 to
 * a hot segment and 1 to a warm one, so a sample written 3 times, and 4 with a cold tier.
 *
 * Method: each load runs in a process of its own into a store of its own, its rows made beforehand in
 * memory that it shares: two threads, each with half of the
 * shards and the people in them, commits of 50,000 rows, added one by one or in columns (those of a metric that a
 * device delivers at once, some hours). Timed are opening, load, flush and compaction to warm together;
 * then to cold, for what is written. Bytes are the store's counts of what it wrote up to then, and the
 * system's of the process: what these are more is the file system's. Shares are of log and segments together. CSV comes from the tool's own import, from files made by the
 * tool; its compact has two threads, too. SQLite takes the same rows, in turn with the store.
 */
#include "ingest.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMIT_ROWS = 50000 };

struct load {
    uint32_t users;
    bool is_in_columns;
    struct ingest_rows rows;
    /* what it found */
    double load_s, flush_s, warm_s;
    double computed_load_s, computed_s; /* by all threads, for the load, and to warm */
    uint64_t peak_bytes;
    uint64_t written_bytes; /* to warm, as the system counts */
    struct ingest_bytes bytes;
    struct ingest_tier hot, warm;
    uint64_t cold_rows;
};

/* ---- from memory ----------------------------------------------------------------------------- */

static void load_in_child(void *context)
{
    struct load *load = context;
    struct bench_store store;
    ingest_rows_touch(&load->rows);
    bench_store_make(&store, "store", load->users, NULL);
    struct ingest_columns columns = { 0 };
    if (load->is_in_columns)
        ingest_columns_make(&columns, &store, &load->rows);
    struct ingest_loader *loader = ingest_loader_new(&store);
    uint64_t written = ingest_written_bytes();
    double begin_s = bench_now_s();
    double computed_s = bench_process_s();
    if (load->is_in_columns)
        ingest_loader_commit_columns(loader, &columns, COMMIT_ROWS);
    else
        ingest_loader_commit(loader, &load->rows, COMMIT_ROWS);
    load->load_s = bench_now_s() - begin_s;
    load->computed_load_s = bench_process_s() - computed_s;
    ingest_loader_compact(loader, HOLTER_HOT);
    load->flush_s = bench_now_s() - begin_s - load->load_s;
    load->hot = ingest_tier_of(&store, HOLTER_HOT);
    ingest_loader_compact(loader, HOLTER_WARM);
    load->warm_s = bench_now_s() - begin_s - load->load_s - load->flush_s;
    load->computed_s = bench_process_s() - computed_s;
    load->written_bytes = ingest_written_bytes() - written;
    load->bytes = ingest_bytes_since(&store, NULL);
    load->warm = ingest_tier_of(&store, HOLTER_WARM);
    load->peak_bytes = ingest_peak_bytes();
    load->cold_rows = ingest_loader_compact(loader, HOLTER_COLD).rows_out;
    ingest_loader_free(loader);
    if (load->is_in_columns)
        ingest_columns_free(&columns);
    bench_store_close(&store);
}

static double peer_load_s(const struct ingest_rows *rows)
{
    struct peer *peer = peer_open("peer");
    double begin_s = bench_now_s();
    peer_load(peer, rows->at, rows->count, COMMIT_ROWS);
    double taken_s = bench_now_s() - begin_s;
    peer_close(peer);
    peer_remove("peer");
    return taken_s;
}

/* What the last pass wrote. */
static void report_written(const struct load *load, const char *at, double samples)
{
    const struct ingest_bytes *bytes = &load->bytes;
    double warm = samples + (double)(load->hot.rows + load->warm.rows);
    double rest = (double)load->written_bytes -
                  (double)(bytes->log + bytes->log_ahead + bytes->segments + bytes->edits);
    bench_report_one(at, "written, log to warm", "samples/sample", warm / samples);
    bench_report_one(at, "written, log to cold", "samples/sample",
                     (warm + (double)load->cold_rows) / samples);
    bench_report_one(at, "bytes, all", "B/sample", (double)load->written_bytes / samples);
    bench_report_one(at, "bytes, hot", "B/sample", (double)load->hot.bytes / samples);
    bench_report_one(at, "bytes, warm", "B/sample", (double)load->warm.bytes / samples);
    ingest_report_bytes(at, bytes, samples);
    bench_report_one(at, "bytes, the file system's", "B/sample", rest / samples);
}

/* Row by row, beside SQLite, or in columns. */
static void measure_memory(const char *at, bool is_in_columns, uint32_t users, uint32_t days,
                           uint32_t passes)
{
    struct bench_series rates = { 0 }, load_share = { 0 }, flush_share = { 0 }, warm_share = { 0 },
                        peaks = { 0 }, computed = { 0 }, computed_load = { 0 }, peer_rates = { 0 },
                        ratios = { 0 };
    struct load *load = ingest_shared(sizeof *load);
    struct ingest_rows rows;
    ingest_rows_make(&rows, users, days);
    double samples = (double)rows.count;
    for (uint32_t pass = 0; pass < passes; pass++) {
        *load = (struct load){ .users = users, .rows = rows, .is_in_columns = is_in_columns };
        ingest_in_child(load_in_child, load);
        bench_remove("store");
        double all_s = load->load_s + load->flush_s + load->warm_s;
        bench_add(&rates, samples / all_s);
        bench_add(&load_share, 100 * load->load_s / all_s);
        bench_add(&flush_share, 100 * load->flush_s / all_s);
        bench_add(&warm_share, 100 * load->warm_s / all_s);
        bench_add(&computed, 1e9 * load->computed_s / samples);
        bench_add(&computed_load, 1e9 * load->computed_load_s / samples);
        bench_add(&peaks, (double)load->peak_bytes / (1 << 20));
        if (is_in_columns || !peer_is_there())
            continue;
        double peer_s = peer_load_s(&rows);
        bench_add(&peer_rates, samples / peer_s);
        bench_add(&ratios, peer_s / all_s);
    }
    bench_report_one(at, "rows", "samples", samples);
    bench_report(at, "load to warm", "samples/s", &rates);
    bench_report(at, "load", "%", &load_share);
    bench_report(at, "flush", "%", &flush_share);
    bench_report(at, "compaction", "%", &warm_share);
    bench_report(at, "computed", "ns/sample", &computed);
    bench_report(at, "computed, load", "ns/sample", &computed_load);
    bench_report(at, "peak memory", "MiB", &peaks);
    if (peer_rates.count > 0) {
        bench_report(at, "sqlite", "samples/s", &peer_rates);
        bench_report(at, "rate of sqlite's", "ratio", &ratios);
    }
    report_written(load, at, samples);
    ingest_rows_free(&rows);
}

/* ---- from CSV -------------------------------------------------------------------------------- */

/* The tool's import of the cohort's files into a new store, and its compaction to warm. */
static void load_csv(const char *tool, double *import_s, double *compact_s, uint64_t *peak_bytes)
{
    char store[BENCH_PATH_BYTES_MAX], files[COHORT_METRICS][BENCH_PATH_BYTES_MAX];
    holter_error err = { 0 };
    const char *import[] = {
        tool,
        "import",
        store,
        "--format",
        "csv",
        "--time-format",
        "rfc3339",
        "--map",
        "user=user,metric=metric,source=source,time=time,duration=duration,value=value,"
        "revision=revision",
        files[0],
        files[1],
        files[2],
        files[3],
        files[4],
        files[5],
        files[6],
        NULL
    };
    const char *compact_it[] = { tool, "compact", store, "--to", "warm", "--threads", "2", NULL };
    snprintf(store, sizeof store, "%s", bench_path("store"));
    for (size_t i = 0; i < COHORT_METRICS; i++)
        snprintf(files[i], sizeof files[i], "%s/%s.csv", bench_path("csv"),
                 cohort_metric_name((enum cohort_metric)i));
    bench_try(holter_create(store, NULL, &err), &err);
    uint64_t compact_peak;
    *import_s = bench_run(import, peak_bytes);
    *compact_s = bench_run(compact_it, &compact_peak);
    if (compact_peak > *peak_bytes)
        *peak_bytes = compact_peak;
    bench_remove("store");
}

static void measure_csv(const char *tool, uint32_t users, uint32_t days, uint32_t passes)
{
    const char *at = "from CSV";
    char users_text[16], days_text[16], directory[BENCH_PATH_BYTES_MAX];
    const char *simulate[] = { tool,      "simulate", "--users", users_text, "--days",
                               days_text, "--out",    directory, NULL };
    struct bench_series rates = { 0 }, import_rates = { 0 }, peaks = { 0 };
    snprintf(users_text, sizeof users_text, "%u", users);
    snprintf(days_text, sizeof days_text, "%u", days);
    snprintf(directory, sizeof directory, "%s", bench_path("csv"));
    bench_run(simulate, NULL);
    double rows = (double)ingest_rows_count(users, days);
    for (uint32_t pass = 0; pass < passes; pass++) {
        double import_s, compact_s;
        uint64_t peak_bytes;
        load_csv(tool, &import_s, &compact_s, &peak_bytes);
        bench_add(&rates, rows / (import_s + compact_s));
        bench_add(&import_rates, rows / import_s);
        bench_add(&peaks, (double)peak_bytes / (1 << 20));
    }
    bench_remove("csv");
    bench_report_one(at, "rows", "rows", rows);
    bench_report(at, "load to warm", "rows/s", &rates);
    bench_report(at, "import", "rows/s", &import_rates);
    bench_report(at, "peak memory", "MiB", &peaks);
}

int main(int count, char **arguments)
{
    const char *users_text = NULL, *days_text = NULL, *passes_text = NULL, *tool = NULL;
    const struct bench_option options[] = { { "--users", "COUNT", &users_text },
                                            { "--days", "COUNT", &days_text },
                                            { "--passes", "COUNT", &passes_text },
                                            { "--holter", "PATH", &tool } };
    bench_begin_with("load", count, arguments, options, sizeof options / sizeof options[0]);
    bool is_quick = bench_is_quick();
    uint32_t users = bench_number("--users", users_text, 1, COHORT_USERS_MAX, is_quick ? 4 : 50);
    uint32_t days = bench_number("--days", days_text, 1, COHORT_DAYS_MAX, is_quick ? 1 : 14);
    uint32_t passes = bench_number("--passes", passes_text, 1, 100, is_quick ? 1 : 5);
    if (tool != NULL) /* first, while this process is small */
        measure_csv(tool, users, days, passes);
    else
        fprintf(stderr, "bench_load: without --holter nothing is loaded from CSV\n");
    measure_memory("from memory", false, users, days, passes);
    measure_memory("from memory, in columns", true, users, days, passes);
    bench_end();
    return 0;
}
