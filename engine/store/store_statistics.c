/*
 * store_statistics.c -- what the statistics of the store's head page are called.
 */
#include "store/store_impl.h"

struct listed {
    const char *name, *help;
};

static const struct listed counters[HEAD_COUNTERS] = {
    [HEAD_COMMITS] = { "commits", "durable commits, one for each shard that a batch touches" },
    [HEAD_COMMITS_FAILED] = { "commits_failed", "commits that did not store all of their batch" },
    [HEAD_COMMITS_BUSY] = { "commits_busy", "of the failed ones, those that answered HOLTER_BUSY" },
    [HEAD_GROUPS] = { "log_groups", "groups of commits written to the logs, one sync each" },
    [HEAD_GROUPS_FAILED] = { "log_groups_failed", "groups that could not be written" },
    [HEAD_LOG_BYTES] = { "log_bytes", "bytes written to the logs, padding included" },
    [HEAD_LOG_BODY_BYTES] = { "log_body_bytes", "of these, bytes of samples and deletions" },
    [HEAD_LOG_PADDING_BYTES] = { "log_padding_bytes", "of these, zeros up to whole pages" },
    [HEAD_LOG_AHEAD_BYTES] = { "log_ahead_bytes", "zeros that log files were filled with before" },
    [HEAD_SEGMENT_BYTES] = { "segment_bytes", "bytes of the files of flushes and compaction" },
    [HEAD_SEGMENT_BLOCK_BYTES] = { "segment_block_bytes", "of these, bytes of samples" },
    [HEAD_SEGMENT_ROLLUP_BYTES] = { "segment_rollup_bytes",
                                    "of these, bytes of statistics by half hours" },
    [HEAD_EDIT_BYTES] = { "edit_bytes", "bytes written to manifests, catalog and vault" },
    [HEAD_ROWS] = { "rows", "samples that were committed" },
    [HEAD_ROWS_LATE] = { "rows_late", "of these, samples more than two days old" },
    [HEAD_ROWS_DUPLICATE] = { "rows_duplicate",
                              "samples that were not written, as equal ones were there" },
    [HEAD_ROWS_SUPERSEDED] = { "rows_superseded",
                               "samples that were not written, as others stood for them" },
    [HEAD_ROWS_REFUSED] = { "rows_refused", "samples that were refused" },
    [HEAD_FLUSHED_ROWS] = { "flushed_rows", "samples that flushes wrote" },
    [HEAD_COMPACTED_FILES_IN] = { "compacted_files_in", "files that compaction read" },
    [HEAD_COMPACTED_FILES_OUT] = { "compacted_files_out", "files that compaction wrote" },
    [HEAD_COMPACTED_ROWS_IN] = { "compacted_rows_in", "samples that compaction read" },
    [HEAD_COMPACTED_ROWS_OUT] = { "compacted_rows_out", "samples that compaction wrote" },
    [HEAD_OUTLINES_FOUND] = { "headers_found", "block headers of sections, found in memory" },
    [HEAD_OUTLINES_MISSED] = { "headers_missed", "block headers of sections, read from files" },
};

static const struct {
    const char *name, *help;
    double unit;
} histograms[HEAD_HISTOGRAMS] = {
    [HEAD_COMMIT_US] = { "commit_seconds", "time of a commit", 1e-6 },
    [HEAD_LOCK_US] = { "append_lock_seconds", "wait for the append lock of a shard", 1e-6 },
    [HEAD_SYNC_US] = { "sync_seconds", "time until a group of commits is on the disk", 1e-6 },
    [HEAD_GROUP_COMMITS] = { "group_commits", "commits that share a sync", 1 },
    [HEAD_FLUSH_US] = { "flush_seconds", "time of a flush of a shard", 1e-6 },
    [HEAD_COMPACTION_US] = { "compaction_seconds", "time of a compaction job", 1e-6 },
};

_Static_assert((int)HOLTER_BUCKETS == (int)HEAD_BUCKETS, "the public number of buckets");

size_t holter_statistic_count(void)
{
    return (size_t)HEAD_COUNTERS + HEAD_HISTOGRAMS;
}

holter_status holter_statistic_at(holter_store *store, size_t index, holter_statistic *out,
                                  holter_error *err)
{
    struct head_statistics all;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    head_statistics_read(store->head, &all);
    store_leave(store);
    if (index < HEAD_COUNTERS) {
        *out = (holter_statistic){ .name = counters[index].name,
                                   .help = counters[index].help,
                                   .unit = 1,
                                   .count = all.counters[index] };
        return HOLTER_OK;
    }
    index -= HEAD_COUNTERS;
    if (index >= HEAD_HISTOGRAMS)
        return error_set(err, HOLTER_NOT_FOUND, "there is no statistic with index %zu",
                         index + HEAD_COUNTERS);
    *out = (holter_statistic){ .name = histograms[index].name,
                               .help = histograms[index].help,
                               .is_histogram = 1,
                               .unit = histograms[index].unit,
                               .sum = (double)all.sums[index] * histograms[index].unit };
    for (size_t i = 0; i < HEAD_BUCKETS; i++) {
        out->buckets[i] = all.buckets[index][i];
        out->count += all.buckets[index][i];
    }
    return HOLTER_OK;
}
