/*
 * compaction_partitions.c -- which warm partitions the hot files of a job hit.
 *
 * A split makes one file for each partition, so it has to know them before it writes. Directory and
 * block headers tell nearly all: the first row of a block begins at its begin_min, the last at its
 * begin_max, so both of these partitions are hit; only where a block straddles three or more are
 * its rows looked at. There are at most 30,502 partitions in all of time, which bounds the memory.
 */
#include "compaction_impl.h"

#include <stdlib.h>
#include <string.h>

static int64_t partition_of(int64_t time_ns)
{
    return manifest_partition(TIER_WARM, time_ns);
}

static void visit(struct compaction_hits *hits, uint64_t users)
{
    hits->visit++;
    hits->users = users;
}

void compaction_hits_release(struct compaction_hits *hits)
{
    free(hits->at);
    *hits = (struct compaction_hits){ 0 };
}

holter_status compaction_hits_add(struct compaction_hits *hits, int64_t partition, uint64_t rows,
                                  holter_error *err)
{
    size_t low = 0, high = hits->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hits->at[middle].partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == hits->count || hits->at[low].partition != partition) {
        void *at = hits->at;
        bool grown = core_grow(&at, &hits->capacity, hits->count + 1, sizeof *hits->at);
        hits->at = at;
        if (!grown)
            return error_set(err, HOLTER_NO_MEMORY, "compaction: %zu partitions", hits->count + 1);
        memmove(&hits->at[low + 1], &hits->at[low], (hits->count - low) * sizeof *hits->at);
        hits->at[low] = (struct compaction_hit){ .partition = partition };
        hits->count++;
    }
    struct compaction_hit *hit = &hits->at[low];
    hit->rows += rows;
    if (hit->visit != hits->visit)
        hit->users += hits->users;
    hit->visit = hits->visit;
    return HOLTER_OK;
}

/* Rows that begin in [from, to), by their times. */
static holter_status hits_of_rows(struct compaction_hits *hits, struct segment_section *section,
                                  size_t series, int64_t from, int64_t to, holter_error *err)
{
    struct segment_run *run = NULL;
    struct merge_run blocks = { 0 };
    holter_status status = segment_run_open(&run, section, series, from, to, INT64_MAX, err);
    if (status != HOLTER_OK)
        goto done;
    segment_run_merge(run, &blocks, 0, 0);

    for (;;) {
        const struct columns *block = NULL;
        size_t first = 0, count = 0;
        status = blocks.read(&blocks, &block, &first, &count, err);
        if (status != HOLTER_OK)
            break;
        for (size_t row = first; row < first + count; row++) {
            int64_t time = block->time[row];
            if (time < from || time >= to)
                continue;
            status = compaction_hits_add(hits, partition_of(time), 0, err);
            if (status != HOLTER_OK)
                goto done;
        }
    }
    if (status == HOLTER_DONE)
        status = HOLTER_OK;
done:
    segment_run_close(run);
    return status;
}

/* The two ends of an extent are hit; *straddles: what lies between them is not known. */
static holter_status hits_of_extent(struct compaction_hits *hits, int64_t begin_min,
                                    int64_t begin_max, uint64_t rows, bool *straddles,
                                    holter_error *err)
{
    int64_t first = partition_of(begin_min);
    int64_t last = partition_of(begin_max);
    *straddles = last > first + 1;
    if (first == last)
        return compaction_hits_add(hits, first, rows, err);
    holter_status status = compaction_hits_add(hits, first, rows / 2, err);
    if (status == HOLTER_OK)
        status = compaction_hits_add(hits, last, rows - rows / 2, err);
    return status;
}

static holter_status hits_of_series(struct compaction_hits *hits, struct segment_section *section,
                                    size_t index, holter_error *err)
{
    const struct segment_series *series = segment_section_series(section, index);
    if (partition_of(series->begin_min) == partition_of(series->begin_max))
        return compaction_hits_add(hits, partition_of(series->begin_min), series->rows, err);

    struct segment_run *run = NULL;
    holter_status status =
        segment_run_open(&run, section, index, INT64_MIN, INT64_MAX, INT64_MAX, err);
    for (size_t i = 0; status == HOLTER_OK && i < segment_run_block_count(run); i++) {
        const struct segment_block *block = segment_run_block(run, i);
        bool straddles = false;
        status =
            hits_of_extent(hits, block->begin_min, block->begin_max, block->rows, &straddles, err);
        if (status != HOLTER_OK || !straddles)
            continue;
        int64_t from = manifest_partition_to(TIER_WARM, partition_of(block->begin_min));
        int64_t to = manifest_partition_from(TIER_WARM, partition_of(block->begin_max));
        status = hits_of_rows(hits, section, index, from, to, err);
    }
    segment_run_close(run);
    return status;
}

static holter_status hits_of_user(struct compaction_hits *hits, struct compaction_job *job,
                                  struct segment *segment, const struct segment_user *user,
                                  holter_error *err)
{
    struct compaction_key key = { 0 };
    struct segment_section *section = NULL;
    holter_status status = compaction_key_get(&key, job, user->user, user->key_generation, err);
    if (status == HOLTER_EXPIRED) {
        status = HOLTER_OK;
        goto done;
    }
    if (status == HOLTER_OK)
        status = segment_section_open(&section, segment, user, job->queue, job->spec->arena,
                                      key.key, err);
    if (status != HOLTER_OK)
        goto done;

    const struct tombstones *tombstones = segment_section_tombstones(section);
    for (size_t i = 0; status == HOLTER_OK && i < tombstones->count; i++)
        status = compaction_hits_add(hits, partition_of(tombstones->at[i].begin), 0, err); /* C6 */
    size_t series_count = segment_section_series_count(section);
    for (size_t i = 0; status == HOLTER_OK && i < series_count; i++)
        status = hits_of_series(hits, section, i, err);
done:
    segment_section_close(section);
    compaction_key_put(job, &key);
    return status;
}

holter_status compaction_hits_of_file(struct compaction_hits *hits, struct compaction_job *job,
                                      struct segment *segment, const struct manifest_file *file,
                                      holter_error *err)
{
    if (file->tombstones == 0 && file->rows > 0 &&
        partition_of(file->begin_min) == partition_of(file->begin_max)) {
        visit(hits, segment_user_count(segment));
        return compaction_hits_add(hits, partition_of(file->begin_min), file->rows, err);
    }

    holter_status status = HOLTER_OK;
    uint64_t count = segment_user_count(segment);
    for (uint64_t i = 0; status == HOLTER_OK && i < count; i++) {
        struct segment_user user;
        status = segment_user_at(&user, segment, job->queue, i, err);
        visit(hits, 1);
        if (status == HOLTER_OK)
            status = hits_of_user(hits, job, segment, &user, err);
        if (status == HOLTER_OK)
            status = compaction_go_on(job, err);
    }
    return status;
}
