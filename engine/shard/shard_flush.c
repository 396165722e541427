/*
 * shard_flush.c -- the log's rows into hot segments, at most one a tier class (C1, C5, D3).
 *
 * The flush works on a snapshot: all users in rising order, each user's rows and tombstones
 * gathered, merged by the one rule (merge.h), written to the writer of its class. The segments are
 * read back by segment_writer_finish before the edit that names them; only then does the log go. A log that is larger
 * than memory is flushed as several prefixes, one after the other.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

struct flush {
    struct shard *shard;
    struct shard_snapshot *snapshot;
    struct segment_writer *writers[MANIFEST_CLASSES];
    struct manifest_file files[MANIFEST_CLASSES];
    size_t file_count;
    uint64_t users_max; /* of a file */
    uint64_t rows;
    uint64_t until; /* the sequence that the flush goes to; 0: not known yet */
    bool has_flushed;
    struct buffer classes; /* of the user at hand: of each series, then of each tombstone */
};

enum { CLASS_ALL = MANIFEST_CLASSES };

holter_status shard_maintenance_begin(struct shard *shard, bool wait, holter_error *err)
{
    if (!shard->spec.is_writable)
        return error_set(err, HOLTER_INVALID, "'%s': opened for reading only", shard->directory);
    int64_t deadline = wait ? shard_deadline(shard) : 0;
    if (!io_mutex_lock_until(shard->maintenance_mutex, deadline))
        return error_set(err, HOLTER_BUSY,
                         "'%s': another thread of this process maintains the shard",
                         shard->directory);
    holter_status status = shard_take(shard, SHARD_LOCK_MAINTENANCE, deadline, err);
    if (status != HOLTER_OK) {
        io_mutex_unlock(shard->maintenance_mutex);
        return status;
    }
    shard_name_holder(shard, SHARD_LOCK_MAINTENANCE);
    shard->job_work.since_ns = io_monotonic_ns(shard->spec.io);
    shard->job_work.is_urgent = false;
    io_mutex_lock(shard->mutex);
    status = manifest_refresh(shard->manifest, true, err);
    io_mutex_unlock(shard->mutex);
    if (status != HOLTER_OK)
        shard_maintenance_end(shard);
    return status;
}

void shard_maintenance_end(struct shard *shard)
{
    shard_give(shard, SHARD_LOCK_MAINTENANCE);
    io_mutex_unlock(shard->maintenance_mutex);
}

static bool class_has_files(const struct manifest_version *version, uint8_t class)
{
    for (size_t i = 0; i < version->file_count; i++) {
        if (version->files[i].class == class)
            return true;
    }
    return false;
}

/*
 * Asked once for each, so that the passes over the classes agree; a row or tombstone whose class
 * cannot be told stays in the log with all others.
 */
static holter_status find_classes(struct flush *flush, const struct memtable_rows *rows,
                                  holter_error *err)
{
    const struct shard_spec *spec = &flush->shard->spec;
    size_t count = rows->series_count + rows->tombstones.count;
    buffer_clear(&flush->classes);
    for (size_t i = 0; i < count; i++) {
        uint32_t metric = i < rows->series_count
                              ? rows->series[i].metric
                              : rows->tombstones.at[i - rows->series_count].metric;
        uint8_t class = metric != 0 ? spec->class_of(spec->class_context, metric) : CLASS_ALL;
        if (metric != 0 && class >= MANIFEST_CLASSES)
            return error_set(err, HOLTER_IO, "'%s': the tier class of metric %u cannot be told",
                             flush->shard->directory, metric);
        buffer_append_u8(&flush->classes, class);
    }
    if (flush->classes.failed)
        return error_set(err, HOLTER_NO_MEMORY, "flush: no memory for the classes of %zu series",
                         count);
    return HOLTER_OK;
}

/* The user's tombstones for one class; without those that can hide nothing that is stored (C4). */
static holter_status class_tombstones(struct tombstones *out, const struct flush *flush,
                                      const struct memtable_rows *rows, uint8_t class,
                                      holter_error *err)
{
    const struct tombstones *all = &rows->tombstones;
    const uint8_t *classes = all->count > 0 ? flush->classes.data + rows->series_count : NULL;
    bool has_files = class_has_files(flush->snapshot->version, class);
    for (size_t i = 0; i < all->count; i++) {
        const struct tombstone *one = &all->at[i];
        if (classes[i] != class && classes[i] != CLASS_ALL)
            continue;
        if (one->revision == 0 && !has_files)
            continue;
        if (!tombstones_add(out, one))
            return error_set(err, HOLTER_NO_MEMORY, "flush: no memory for tombstones");
    }
    tombstones_coalesce(out);
    return HOLTER_OK;
}

static holter_status flush_series(struct flush *flush, struct segment_writer *writer,
                                  const struct memtable_series *series,
                                  const struct tombstones *tombstones, bool *is_begun,
                                  holter_error *err)
{
    struct memtable_run *memory = NULL;
    struct merge_run run;
    struct merge *merge = NULL;
    struct columns own;
    struct merge_spec spec = { .runs = &run,
                               .run_count = 1,
                               .tombstones = tombstones,
                               .metric = series->metric,
                               .source = series->source,
                               .schema = series->schema,
                               .from = INT64_MIN,
                               .to = INT64_MAX,
                               .ends_after = INT64_MAX };
    columns_init(&own, &series->schema);
    holter_status status = memtable_run_open(&memory, series, INT64_MIN, err);
    if (status == HOLTER_OK) {
        memtable_run_merge(memory, &run);
        status = merge_new(&merge, &spec, err);
    }
    while (status == HOLTER_OK) {
        struct merge_rows rows;
        status = merge_take(merge, &rows, &own, 4 * SEGMENT_BLOCK_ROWS, err);
        if (status == HOLTER_OK && !*is_begun) {
            status =
                segment_writer_series(writer, series->metric, series->source, &series->schema, err);
            *is_begun = status == HOLTER_OK;
        }
        if (status == HOLTER_OK)
            status = segment_writer_rows(writer, rows.columns, rows.first, rows.count, err);
        if (status == HOLTER_OK)
            flush->rows += rows.count;
    }
    merge_free(merge);
    memtable_run_close(memory);
    columns_release(&own);
    return status == HOLTER_DONE ? HOLTER_OK : status;
}

static holter_status writer_of_class(struct segment_writer **out, struct flush *flush,
                                     uint8_t class, holter_error *err)
{
    if (flush->writers[class] == NULL) {
        struct segment_spec spec = shard_segment_spec(flush->shard);
        struct segment_traits traits = {
            .tier = TIER_HOT,
            .class = class,
            .partition = MANIFEST_HOT_PARTITION,
            .sequence_min = flush->snapshot->version->flushed.sequence,
            .sequence_max = flush->snapshot->end.sequence - 1,
        };
        if (traits.sequence_min == 0)
            traits.sequence_min = 1;
        holter_status status =
            segment_writer_new(&flush->writers[class], &spec, &traits, flush->users_max, err);
        if (status != HOLTER_OK)
            return status;
    }
    *out = flush->writers[class];
    return HOLTER_OK;
}

/* One user's rows of one class. */
static holter_status flush_class(struct flush *flush, uint64_t user,
                                 const struct memtable_rows *rows, uint8_t class,
                                 const struct crypto_key *key, uint32_t generation,
                                 holter_error *err)
{
    const struct shard_spec *spec = &flush->shard->spec;
    struct tombstones tombstones;
    struct segment_writer *writer;
    tombstones_init(&tombstones);
    holter_status status = class_tombstones(&tombstones, flush, rows, class, err);
    bool has_rows = false;
    for (size_t i = 0; i < rows->series_count; i++)
        has_rows = has_rows || flush->classes.data[i] == class;
    if (status != HOLTER_OK || (!has_rows && tombstones.count == 0))
        goto done;

    status = writer_of_class(&writer, flush, class, err);
    if (status == HOLTER_OK)
        status = segment_writer_user(writer, user, generation, spec->arena, key, err);
    if (status == HOLTER_OK && tombstones.count > 0)
        status = segment_writer_tombstones(writer, &tombstones, err);
    for (size_t i = 0; status == HOLTER_OK && i < rows->series_count; i++) {
        bool is_begun = false;
        if (flush->classes.data[i] == class)
            status =
                flush_series(flush, writer, &rows->series[i], &rows->tombstones, &is_begun, err);
    }
done:
    tombstones_release(&tombstones);
    return status;
}

static holter_status flush_user(struct flush *flush, uint64_t user, holter_error *err)
{
    struct shard *shard = flush->shard;
    const struct memtable_filter everything = { .from = INT64_MIN, .to = INT64_MAX };
    struct memtable_rows rows = { 0 };
    const struct crypto_key *key = NULL;
    uint32_t generation;
    holter_status status =
        shard->spec.keys.get(shard->spec.keys.context, user, 0, &key, &generation, err);
    if (status == HOLTER_EXPIRED)
        return HOLTER_OK; /* D5 */
    if (status != HOLTER_OK)
        return status;
    status = shard_snapshot_rows(&rows, flush->snapshot, user, &everything, err);
    if (status == HOLTER_OK)
        status = find_classes(flush, &rows, err);
    for (unsigned c = 0; status == HOLTER_OK && c < MANIFEST_CLASSES; c++)
        status = flush_class(flush, user, &rows, (uint8_t)c, key, generation, err);
    memtable_rows_release(&rows);
    shard->spec.keys.put(shard->spec.keys.context, key);
    return status;
}

static holter_status finish_class(struct flush *flush, uint8_t class, holter_error *err)
{
    struct segment_summary summary;
    holter_status status = segment_writer_finish(flush->writers[class], &summary, err);
    if (status == HOLTER_NOT_FOUND)
        return HOLTER_OK; /* it got no user */
    if (status != HOLTER_OK)
        return status;
    struct head *statistics = flush->shard->spec.statistics;
    head_count(statistics, HEAD_SEGMENT_BYTES, summary.bytes);
    head_count(statistics, HEAD_SEGMENT_BLOCK_BYTES, summary.block_bytes);
    head_count(statistics, HEAD_SEGMENT_ROLLUP_BYTES, summary.rollup_bytes);
    uint64_t flushed = flush->snapshot->version->flushed.sequence;
    struct manifest_file *file = &flush->files[flush->file_count++];
    *file = (struct manifest_file){ .tier = TIER_HOT,
                                    .class = class,
                                    .partition = MANIFEST_HOT_PARTITION,
                                    .sequence_min = flushed > 0 ? flushed : 1,
                                    .sequence_max = flush->snapshot->end.sequence - 1,
                                    .user_min = summary.user_min,
                                    .user_max = summary.user_max,
                                    .rows = summary.rows,
                                    .begin_min = summary.begin_min,
                                    .begin_max = summary.begin_max,
                                    .end_max = summary.end_max,
                                    .tombstones = summary.tombstones,
                                    .tombstone_begin = summary.tombstone_begin,
                                    .tombstone_end = summary.tombstone_end,
                                    .bytes = summary.bytes,
                                    .footer_hash = summary.footer_hash };
    memcpy(file->id, summary.id, sizeof file->id);
    return HOLTER_OK;
}

/* Name the new files, and forget the log up to `end`. */
static holter_status flush_commit(struct shard *shard, const struct wal_place *end,
                                  const struct manifest_file *files, size_t count,
                                  holter_error *err)
{
    struct manifest_edit edit = {
        .add = files,
        .add_count = count,
        .flushed = { .file = end->file, .offset = end->offset, .sequence = end->sequence }
    };
    io_mutex_lock(shard->mutex);
    holter_status status = manifest_commit(shard->manifest, &edit, err);
    if (status == HOLTER_OK) {
        struct manifest_version *version = manifest_current(shard->manifest);
        status = shard_drop_flushed(shard, version, err);
        manifest_version_unref(version);
    }
    io_mutex_unlock(shard->mutex);
    return status;
}

static holter_status flush_run(struct flush *flush, holter_error *err)
{
    uint64_t *users = NULL;
    size_t user_count = 0;
    struct shard *shard = flush->shard;
    io_mutex_lock(shard->mutex);
    holter_status status = memtable_users(&users, &user_count, flush->snapshot->memtable,
                                          flush->snapshot->end.sequence, err);
    io_mutex_unlock(shard->mutex);
    flush->users_max = user_count;
    for (size_t i = 0; status == HOLTER_OK && i < user_count; i++)
        status = flush_user(flush, users[i], err);
    free(users);
    for (unsigned c = 0; status == HOLTER_OK && c < MANIFEST_CLASSES; c++) {
        if (flush->writers[c] != NULL)
            status = finish_class(flush, (uint8_t)c, err);
    }
    if (status == HOLTER_OK)
        status = flush_commit(shard, &flush->snapshot->end, flush->files, flush->file_count, err);
    for (unsigned c = 0; c < MANIFEST_CLASSES; c++) {
        segment_writer_free(flush->writers[c]);
        flush->writers[c] = NULL;
    }
    flush->file_count = 0;
    return status;
}

/* Rows, or log files that hold none. */
static bool has_what_to_flush(const struct shard_snapshot *snapshot)
{
    const struct wal_place *end = &snapshot->end;
    const struct manifest_log_place *flushed = &snapshot->version->flushed;
    return end->file != 0 && (end->sequence > flushed->sequence || end->file > flushed->file);
}

/*
 * A log that nobody appends to goes on in a small file: those before it can go. One that is appended to
 * would only have to make a large one again.
 */
static holter_status rest_where_idle(struct shard *shard, holter_error *err)
{
    struct wal_place place;
    io_mutex_lock(shard->mutex);
    struct manifest_version *version = manifest_current(shard->manifest);
    uint64_t flushed = version->flushed.sequence > 0 ? version->flushed.sequence : 1;
    manifest_version_unref(version);
    io_mutex_unlock(shard->mutex);
    return shard_rest_log(&place, shard, flushed) ? flush_commit(shard, &place, NULL, 0, err)
                                                  : HOLTER_OK;
}

/* What a snapshot has, or as much from its begin as memory holds. HOLTER_DONE: nothing is left. */
static holter_status flush_some(struct flush *flush, holter_error *err)
{
    struct shard *shard = flush->shard;
    uint64_t rows = flush->rows;
    int64_t begin_ns = io_monotonic_ns(shard->spec.io);
    holter_status status = shard_snapshot_open(&flush->snapshot, shard, err);
    if (status != HOLTER_OK)
        return status;
    if (flush->until == 0)
        flush->until = flush->snapshot->end.sequence;
    bool is_last = !has_what_to_flush(flush->snapshot);
    if (is_last)
        goto done;
    io_mutex_lock(shard->mutex); /* commits add to it */
    bool is_whole = memtable_is_whole(flush->snapshot->memtable);
    io_mutex_unlock(shard->mutex);
    if (!is_whole)
        status = shard_snapshot_shorten(flush->snapshot, err);
    shard->job_work.is_urgent = shard_flush_due(shard) == SHARD_FLUSH_OVERDUE;
    if (status == HOLTER_OK)
        status = flush_run(flush, err);
    if (status != HOLTER_OK)
        goto done;
    is_last = flush->snapshot->end.sequence >= flush->until;
    flush->has_flushed = true;
    shard_measure_time(shard, HEAD_FLUSH_US, begin_ns);
    head_count(shard->spec.statistics, HEAD_FLUSHED_ROWS, flush->rows - rows);
done:
    shard_snapshot_close(flush->snapshot);
    return status == HOLTER_OK && is_last ? HOLTER_DONE : status;
}

holter_status shard_flush(uint64_t *rows, struct shard *shard, bool wait, holter_error *err)
{
    struct flush flush = { .shard = shard };
    holter_status status = shard_maintenance_begin(shard, wait, err);
    if (status != HOLTER_OK)
        return status;
    buffer_init(&flush.classes);
    do {
        status = flush_some(&flush, err);
        if (status == HOLTER_OK) /* the next one may need the room that this one makes */
            status = shard_sweep(shard, err);
    } while (status == HOLTER_OK);
    buffer_release(&flush.classes);
    status = status == HOLTER_DONE ? HOLTER_OK : status;
    if (status == HOLTER_OK && wait)
        status = rest_where_idle(shard, err);
    if (flush.has_flushed || wait) { /* else nothing can go, but logs that expired */
        holter_status swept = shard_sweep(shard, status == HOLTER_OK ? err : NULL);
        status = status == HOLTER_OK ? swept : status;
    }
    shard_maintenance_end(shard);
    if (status == HOLTER_OK && rows != NULL)
        *rows = flush.rows;
    return status;
}
