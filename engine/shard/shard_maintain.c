/*
 * shard_maintain.c -- compaction steps, sweeping, figures, and checking every file.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOG_BYTES_FLUSH_DEFAULT = 64 << 20,
    MEMORY_BYTES_FLUSH_DEFAULT = 32 << 20,
    SHARD_OVERDUE = 4
};

/*
 * Bytes of log files between two places, about: whole files count whole. Those that were counted
 * before are known; of files that cannot be listed now nothing is said.
 */
static uint64_t log_bytes_between(struct shard *shard, const struct manifest_log_place *flushed,
                                  const struct wal_place *end)
{
    uint64_t first = flushed->file > 0 ? flushed->file : 1;
    uint64_t last = end->file;
    if (last < first)
        return 0;
    if (shard->log_files.first != first || shard->log_files.last > last) {
        shard->log_files.first = shard->log_files.last = first;
        shard->log_files.bytes = 0;
    }
    if (shard->log_files.last < last &&
        wal_files_bytes(&shard->log_files.bytes, shard->wal, shard->log_files.last, last, NULL) ==
            HOLTER_OK)
        shard->log_files.last = last;
    return shard->log_files.bytes + end->offset -
           (last == first && flushed->file > 0 ? flushed->offset : 0);
}

void shard_measure_time(const struct shard *shard, enum head_histogram histogram, int64_t begin_ns)
{
    if (shard->spec.statistics != NULL)
        head_measure(shard->spec.statistics, histogram,
                     (uint64_t)(io_monotonic_ns(shard->spec.io) - begin_ns) / 1000);
}

uint64_t shard_memory_limit(const struct shard *shard)
{
    return shard->spec.memory_bytes_flush > 0 ? shard->spec.memory_bytes_flush
                                              : MEMORY_BYTES_FLUSH_DEFAULT;
}

/* By the version at hand, which others may have left behind. */
static enum shard_due flush_due_now(struct shard *shard)
{
    uint64_t log_limit =
        shard->spec.log_bytes_flush > 0 ? shard->spec.log_bytes_flush : LOG_BYTES_FLUSH_DEFAULT;
    uint64_t memory_limit = shard_memory_limit(shard);
    uint64_t memory = memtable_bytes(shard->memtable);
    struct shard_end end;
    if (!shard_published_end(&end, shard))
        end.place = shard->tail;
    struct manifest_version *version = manifest_current(shard->manifest);
    uint64_t log = log_bytes_between(shard, &version->flushed, &end.place);
    manifest_version_unref(version);
    if (end.place.sequence != shard->tail.sequence && memory < log)
        memory = log; /* that a flush would take to read what others appended */
    if (log / SHARD_OVERDUE >= log_limit || memory / 2 >= memory_limit)
        return SHARD_FLUSH_OVERDUE;
    return log >= log_limit || memory >= memory_limit ? SHARD_FLUSH_DUE : SHARD_FLUSH_NOT_DUE;
}

enum shard_due shard_flush_due(struct shard *shard)
{
    io_mutex_lock(shard->mutex);
    enum shard_due due = flush_due_now(shard);
    if (due != SHARD_FLUSH_NOT_DUE) {
        shard_drop_flushed_by_others(shard);
        due = flush_due_now(shard);
    }
    io_mutex_unlock(shard->mutex);
    return due;
}

holter_status shard_sweep(struct shard *shard, holter_error *err)
{
    size_t left;
    const struct shard_spec *spec = &shard->spec;
    struct manifest_keep keep = { 0 };
    if (spec->keep != NULL)
        keep = spec->keep(spec->keep_context);
    io_mutex_lock(shard->mutex);
    shard_segments_forget(shard);
    holter_status status = manifest_sweep(shard->manifest, &keep, &left, err);
    io_mutex_unlock(shard->mutex);
    return status;
}

/* ---- work beside commits ---------------------------------------------------------------------- */

/*
 * Systems let a thread that works go on for milliseconds while others wake and wait, whatever its priority,
 * and a commit wakes several times. So a job sleeps now and then, as long as there are commits to the store (notes/0009).
 */
void shard_give_way(void *context)
{
    static const int64_t work_ns = 150000, rest_ns = 50000, calm_ns = 20000000;
    struct shard *shard = context;
    int64_t now_ns = io_monotonic_ns(shard->spec.io);
    if (shard->job_work.is_urgent || now_ns - shard->job_work.since_ns < work_ns)
        return;
    uint64_t commits = head_counted(shard->spec.statistics, HEAD_COMMITS);
    if (commits != shard->job_work.commits) {
        shard->job_work.commits = commits;
        shard->job_work.committed_ns = now_ns;
    }
    if (now_ns - shard->job_work.committed_ns < calm_ns) {
        io_sleep_ns(shard->spec.io, rest_ns);
        now_ns = io_monotonic_ns(shard->spec.io);
    }
    shard->job_work.since_ns = now_ns;
}

/* ---- compaction ------------------------------------------------------------------------------ */

static holter_status job_key_get(void *context, uint64_t user, uint32_t stored,
                                 const struct crypto_key **key, uint32_t *generation,
                                 const struct crypto_key **newest, holter_error *err)
{
    struct shard *shard = context;
    const struct shard_keys *keys = &shard->spec.keys;
    uint32_t ignored;
    holter_status status = keys->get(keys->context, user, stored, key, &ignored, err);
    if (status != HOLTER_OK)
        return status;
    status = keys->get(keys->context, user, 0, newest, generation, err);
    if (status != HOLTER_OK)
        keys->put(keys->context, *key);
    return status;
}

static void job_key_put(void *context, const struct crypto_key *key,
                        const struct crypto_key *newest)
{
    struct shard *shard = context;
    shard->spec.keys.put(shard->spec.keys.context, key);
    shard->spec.keys.put(shard->spec.keys.context, newest);
}

static holter_status job_commit(void *context, const struct manifest_edit *edit, holter_error *err)
{
    struct shard *shard = context;
    io_mutex_lock(shard->mutex);
    holter_status status = manifest_commit(shard->manifest, edit, err);
    io_mutex_unlock(shard->mutex);
    return status;
}

holter_status shard_compact(struct compaction_result *sum, struct shard *shard,
                            enum manifest_tier to, int64_t now_ns,
                            bool (*go_on)(void *context, uint64_t rows_done, uint64_t rows_all),
                            void *context, holter_error *err)
{
    struct compaction_result total = { 0 };
    holter_status status = shard_maintenance_begin(shard, true, err);
    if (status != HOLTER_OK)
        return status;
    bool did_work = true;
    while (status == HOLTER_OK && did_work) {
        struct compaction_result one = { 0 };
        io_mutex_lock(shard->mutex);
        struct manifest_version *version = manifest_current(shard->manifest);
        io_mutex_unlock(shard->mutex);
        struct compaction_spec spec = {
            .segment = shard_segment_spec(shard),
            .version = version,
            .commit = job_commit,
            .commit_context = shard,
            .arena = shard->spec.arena,
            .keys = { .get = job_key_get, .put = job_key_put, .context = shard },
            .now_ns = now_ns,
            .to = to,
            .go_on = go_on,
            .go_on_context = context,
        };
        int64_t begin_ns = io_monotonic_ns(shard->spec.io);
        status = compaction_step(&one, &spec, err);
        manifest_version_unref(version);
        did_work = one.did_work;
        if (status != HOLTER_OK || !did_work)
            break;
        total.did_work = true;
        struct head *statistics = shard->spec.statistics;
        shard_measure_time(shard, HEAD_COMPACTION_US, begin_ns);
        head_count(statistics, HEAD_COMPACTED_FILES_IN, one.files_in);
        head_count(statistics, HEAD_COMPACTED_FILES_OUT, one.files_out);
        head_count(statistics, HEAD_COMPACTED_ROWS_IN, one.rows_in);
        head_count(statistics, HEAD_COMPACTED_ROWS_OUT, one.rows_out);
        head_count(statistics, HEAD_SEGMENT_BYTES, one.bytes_out);
        head_count(statistics, HEAD_SEGMENT_BLOCK_BYTES, one.block_bytes);
        head_count(statistics, HEAD_SEGMENT_ROLLUP_BYTES, one.rollup_bytes);
        total.jobs += 1;
        total.files_in += one.files_in;
        total.files_out += one.files_out;
        total.rows_in += one.rows_in;
        total.rows_out += one.rows_out;
        total.rollup_bytes += one.rollup_bytes;
        total.tombstones_in += one.tombstones_in;
        total.tombstones_out += one.tombstones_out;
        status = shard_sweep(shard, err);
    }
    if (status == HOLTER_OK)
        status = shard_sweep(shard, err);
    shard_maintenance_end(shard);
    *sum = total;
    return status;
}

/* ---- figures --------------------------------------------------------------------------------- */

holter_status shard_stat(struct shard_stat *out, struct shard *shard, holter_error *err)
{
    struct shard_stat stat = { 0 };
    struct shard_snapshot *snapshot;
    holter_status status = shard_snapshot_open(&snapshot, shard, err);
    if (status != HOLTER_OK)
        return status;
    const struct manifest_version *version = snapshot->version;
    stat.manifest_version = version->version;
    stat.next_sequence = snapshot->end.sequence;
    stat.flushed_sequence = version->flushed.sequence;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        stat.files[file->tier]++;
        stat.file_bytes[file->tier] += file->bytes;
        stat.rows[file->tier] += file->rows;
        stat.tombstones += file->tombstones;
    }
    io_mutex_lock(shard->mutex);
    stat.log_files = snapshot->end.file == 0      ? 0
                     : version->flushed.file == 0 ? snapshot->end.file
                                                  : snapshot->end.file - version->flushed.file + 1;
    stat.log_bytes = log_bytes_between(shard, &version->flushed, &snapshot->end);
    stat.memtable_frames = memtable_frame_count(shard->memtable);
    stat.memtable_bytes = memtable_bytes(shard->memtable);
    stat.pins = manifest_pin_count(shard->manifest) - 1; /* without this one */
    struct shard_end end;
    stat.head_is_valid = shard_published_end(&end, shard);
    status = manifest_kept(&stat.kept_files, &stat.kept_bytes, shard->manifest, err);
    io_mutex_unlock(shard->mutex);
    shard_snapshot_close(snapshot);
    if (status == HOLTER_OK)
        *out = stat;
    return status;
}

/* ---- checking -------------------------------------------------------------------------------- */

struct verify {
    struct shard *shard;
    struct shard_snapshot *snapshot;
    void (*report)(void *context, const char *sentence);
    void *context;
    size_t damaged;
};

/*
 * A finding is told and counted, and the check goes on; what kept the check from being made ends
 * it.
 */
static holter_status finding(struct verify *verify, holter_status status, const holter_error *one)
{
    if (status != HOLTER_CORRUPT && status != HOLTER_IO)
        return status;
    verify->damaged++;
    if (verify->report != NULL)
        verify->report(verify->context, one->message);
    return HOLTER_OK;
}

static holter_status verify_user(struct shard *shard, struct segment *segment,
                                 const struct segment_user *user, holter_error *err)
{
    struct segment_section *section = NULL;
    const struct crypto_key *key;
    uint32_t newest;
    holter_status status = shard->spec.keys.get(shard->spec.keys.context, user->user,
                                                user->key_generation, &key, &newest, err);
    if (status == HOLTER_EXPIRED)
        return HOLTER_OK; /* D5 */
    if (status != HOLTER_OK)
        return status;
    status = segment_section_open(&section, segment, user, shard->job_queue, shard->spec.arena, key,
                                  err);
    for (size_t i = 0; status == HOLTER_OK && i < segment_section_series_count(section); i++)
        status = segment_series_verify(section, i, err);
    segment_section_close(section);
    shard->spec.keys.put(shard->spec.keys.context, key);
    return status;
}

static holter_status verify_file(struct verify *verify, const struct manifest_file *file,
                                 holter_error *err)
{
    struct segment *segment = NULL;
    struct shard *shard = verify->shard;
    holter_error one;
    holter_status status = shard_segment(&segment, verify->snapshot, file, &one);
    if (status != HOLTER_OK) {
        status = finding(verify, status, &one);
        return status == HOLTER_OK ? HOLTER_OK : error_set(err, status, "%s", one.message);
    }
    size_t damaged = 0;
    status =
        segment_verify(segment, shard->job_queue, verify->report, verify->context, &damaged, err);
    verify->damaged += damaged;
    for (uint64_t i = 0; status == HOLTER_OK && damaged == 0 && i < segment_user_count(segment);
         i++) {
        struct segment_user user;
        status = segment_user_at(&user, segment, shard->job_queue, i, &one);
        if (status == HOLTER_OK)
            status = verify_user(shard, segment, &user, &one);
        if (status != HOLTER_OK) {
            status = finding(verify, status, &one);
            if (status != HOLTER_OK)
                error_set(err, status, "%s", one.message);
        }
    }
    shard_segment_release(verify->snapshot, segment);
    return status;
}

/* Every frame of the log opens under its user's key and is well formed. */
static holter_status verify_frames(struct verify *verify, holter_error *err)
{
    struct shard *shard = verify->shard;
    uint64_t *users = NULL;
    size_t count = 0;
    io_mutex_lock(shard->mutex);
    holter_status status = memtable_users(&users, &count, verify->snapshot->memtable,
                                          verify->snapshot->end.sequence, err);
    io_mutex_unlock(shard->mutex);
    const struct memtable_filter everything = { .from = INT64_MIN, .to = INT64_MAX };
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        struct memtable_rows rows = { 0 };
        holter_error one;
        status = shard_snapshot_rows(&rows, verify->snapshot, users[i], &everything, &one);
        memtable_rows_release(&rows);
        if (status != HOLTER_OK) {
            status = finding(verify, status, &one);
            if (status != HOLTER_OK)
                error_set(err, status, "%s", one.message);
        }
    }
    free(users);
    return status;
}

static holter_status verify_log(struct verify *verify, holter_error *err)
{
    struct shard *shard = verify->shard;
    const struct manifest_version *version = verify->snapshot->version;
    struct wal_place end = verify->snapshot->end;
    struct wal_place from = { .file = version->flushed.file,
                              .offset = version->flushed.offset,
                              .sequence =
                                  version->flushed.sequence > 0 ? version->flushed.sequence : 1 };
    struct wal_read_spec spec = { .from = from, .end = &end };
    size_t damaged = 0;
    if (end.file == 0)
        return HOLTER_OK;
    io_mutex_lock(shard->mutex);
    holter_status status =
        wal_verify(shard->wal, &spec, verify->report, verify->context, &damaged, err);
    io_mutex_unlock(shard->mutex);
    verify->damaged += damaged;
    return status;
}

/* What is kept for the change feed, by a log handle of its own. */
static holter_status verify_kept(struct verify *verify, holter_error *err)
{
    struct shard *shard = verify->shard;
    const struct manifest_log_place *flushed = &verify->snapshot->version->flushed;
    struct wal_place from,
        end = { .file = flushed->file, .offset = flushed->offset, .sequence = flushed->sequence };
    struct wal_read_spec spec = { .end = &end };
    struct wal *wal = NULL;
    holter_error one = { 0 };
    size_t damaged = 0;
    if (end.file == 0)
        return HOLTER_OK;
    holter_status status = shard_wal_open(&wal, shard, true, err);
    if (status != HOLTER_OK)
        return status;
    status = wal_bookmark_find(&from, wal, NULL, &end, &one);
    if (status != HOLTER_OK) {
        status = finding(verify, status, &one);
        if (status != HOLTER_OK)
            error_set(err, status, "%s", one.message);
    } else if (from.file != end.file) {
        spec.from = from;
        status = wal_verify(wal, &spec, verify->report, verify->context, &damaged, err);
    }
    wal_close(wal);
    verify->damaged += damaged;
    return status;
}

holter_status shard_verify(struct shard *shard, void (*report)(void *context, const char *sentence),
                           void *context, size_t *damaged, holter_error *err)
{
    struct verify verify = { .shard = shard, .report = report, .context = context };
    size_t of_manifest = 0;
    *damaged = 0;
    if (!io_mutex_lock_until(shard->maintenance_mutex, shard_deadline(shard)))
        return error_set(err, HOLTER_BUSY,
                         "'%s': another thread of this process maintains the shard",
                         shard->directory);
    holter_error one;
    holter_status status = shard_snapshot_open(&verify.snapshot, shard, &one);
    if (status != HOLTER_OK) {
        /* Without a snapshot nothing else can be checked. */
        holter_status told = finding(&verify, status, &one);
        *damaged = verify.damaged;
        io_mutex_unlock(shard->maintenance_mutex);
        return told == HOLTER_OK ? HOLTER_OK : error_set(err, status, "%s", one.message);
    }
    io_mutex_lock(shard->mutex);
    status = manifest_verify(shard->manifest, report, context, &of_manifest, err);
    io_mutex_unlock(shard->mutex);
    verify.damaged += of_manifest;
    if (status == HOLTER_OK)
        status = verify_log(&verify, err);
    if (status == HOLTER_OK)
        status = verify_kept(&verify, err);
    if (status == HOLTER_OK)
        status = verify_frames(&verify, err);
    for (size_t i = 0; status == HOLTER_OK && i < verify.snapshot->version->file_count; i++)
        status = verify_file(&verify, &verify.snapshot->version->files[i], err);
    shard_snapshot_close(verify.snapshot);
    io_mutex_unlock(shard->maintenance_mutex);
    *damaged = verify.damaged;
    return status;
}
