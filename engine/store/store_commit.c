/*
 * store_commit.c -- a batch to its shards: sort, settle what a batch holds twice, answer exactly
 * where asked, write.
 *
 * The batch's users are grouped by shard. It stands in line at each (shard.h); the synced writes to
 * the shards where it leads are in flight at once. Each user's part stands or falls on its own: what
 * was stored leaves the batch and has its answers, the rest stays pending.
 */
#include "store/store_impl.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Users at a time: while they are written their keys are held open, of which others need some too.
 */
enum { COMMIT_USERS_MAX = 256 };
/* Rows that are older count as late: their partition may be compacted. */
#define LATE_NS (INT64_C(2) * 86400 * 1000000000)

/* A series of the batch, as it will be written. */
struct commit_series {
    uint64_t user;
    uint32_t metric, source;
    struct batch_series *from;
    struct columns kept; /* a copy without the rows that are not written; else empty */
    bool has_kept;
};

/* A user of the batch. */
struct commit_user {
    uint64_t user;
    struct shard *shard;
    const struct shard_part *part; /* NULL: nothing of it is left to write */
    size_t series_first, series_count;
    size_t tombstone_first, tombstone_count;
    bool is_stored;
};

struct commit {
    holter_store *store;
    holter_batch *batch;
    struct commit_user *all_users; /* by number, but for those at hand */
    size_t all_user_count;
    struct commit_user *users; /* those at hand, a stretch of all: by shard's place, then number */
    size_t user_count;
    struct store_write *shards; /* of those at hand */
    size_t shard_count;
    struct commit_series *series;       /* by user, metric, source */
    struct batch_tombstone *tombstones; /* by user */
    struct wal_part *wal_parts;         /* as series */
    struct wal_tombstone *wal_tombstones;
    struct shard_part *parts;   /* as users */
    holter_row_answer *answers; /* what they will be */
    uint8_t *drops;             /* of one series: 1 for rows that are not written */
    uint8_t *memory;            /* all of these arrays */
    struct buffered_commit *buffered; /* NULL: nothing was accepted yet */
    holter_status status;             /* the first failure */
    holter_error *err;
};

static void fail(struct commit *commit, holter_status status, const holter_error *one)
{
    if (commit->status != HOLTER_OK)
        return;
    commit->status = status;
    error_set(commit->err, status, "%s", one->message);
}

/* ---- grouping -------------------------------------------------------------------------------- */

static int by_series(const void *a, const void *b)
{
    const struct commit_series *left = a;
    const struct commit_series *right = b;
    if (left->user != right->user)
        return left->user < right->user ? -1 : 1;
    if (left->metric != right->metric)
        return left->metric < right->metric ? -1 : 1;
    return (left->source > right->source) - (left->source < right->source);
}

static int by_tombstone_user(const void *a, const void *b)
{
    uint64_t left = ((const struct batch_tombstone *)a)->user;
    uint64_t right = ((const struct batch_tombstone *)b)->user;
    return (left > right) - (left < right);
}

static int by_shard(const void *a, const void *b)
{
    const struct commit_user *left = a;
    const struct commit_user *right = b;
    uint32_t left_place = left->shard != NULL ? shard_spec_get(left->shard)->place : 0;
    uint32_t right_place = right->shard != NULL ? shard_spec_get(right->shard)->place : 0;
    if (left_place != right_place)
        return left_place < right_place ? -1 : 1;
    return (left->user > right->user) - (left->user < right->user);
}

/* The next of several arrays in one piece of memory, which begins at NULL while they are counted. */
static void *array_at(uint8_t *memory, size_t *bytes, size_t count, size_t item_bytes)
{
    size_t at = *bytes;
    *bytes += (count * item_bytes + alignof(max_align_t) - 1) / alignof(max_align_t) *
              alignof(max_align_t);
    return memory == NULL ? NULL : memory + at;
}

/* What of a batch's counts the work on it takes: less than 2^58 each, as what is counted is in memory. */
static size_t lay_out(struct commit *commit, uint8_t *memory)
{
    const holter_batch *batch = commit->batch;
    size_t users_max = batch->series_count + batch->tombstone_count;
    size_t bytes = 0;
    commit->all_users = array_at(memory, &bytes, users_max, sizeof *commit->all_users);
    commit->shards = array_at(memory, &bytes, users_max, sizeof *commit->shards);
    commit->parts = array_at(memory, &bytes, users_max, sizeof *commit->parts);
    commit->series = array_at(memory, &bytes, batch->series_count, sizeof *commit->series);
    commit->wal_parts = array_at(memory, &bytes, batch->series_count, sizeof *commit->wal_parts);
    commit->tombstones =
        array_at(memory, &bytes, batch->tombstone_count, sizeof *commit->tombstones);
    commit->wal_tombstones =
        array_at(memory, &bytes, batch->tombstone_count, sizeof *commit->wal_tombstones);
    commit->answers = array_at(memory, &bytes, batch->row_count, sizeof *commit->answers);
    commit->drops = array_at(memory, &bytes, batch->row_count, sizeof *commit->drops);
    return bytes;
}

static bool allocate(struct commit *commit)
{
    commit->memory = core_calloc(lay_out(commit, NULL), 1);
    if (commit->memory == NULL)
        return false;
    lay_out(commit, commit->memory);
    return true;
}

/* The users of the batch, with the ranges of their series and deletions. */
static void find_users(struct commit *commit)
{
    const holter_batch *batch = commit->batch;
    size_t s = 0;
    size_t t = 0;
    for (size_t i = 0; i < batch->series_count; i++) {
        struct batch_series *from = &batch->series[i];
        commit->series[i] = (struct commit_series){
            .user = from->user, .metric = from->metric, .source = from->source, .from = from
        };
    }
    if (batch->series_count > 1)
        qsort(commit->series, batch->series_count, sizeof *commit->series, by_series);
    if (batch->tombstone_count > 0)
        memcpy(commit->tombstones, batch->tombstones,
               batch->tombstone_count * sizeof *commit->tombstones);
    if (batch->tombstone_count > 1)
        qsort(commit->tombstones, batch->tombstone_count, sizeof *commit->tombstones,
              by_tombstone_user);
    for (size_t i = 0; i < batch->tombstone_count; i++)
        commit->wal_tombstones[i] = commit->tombstones[i].tombstone;
    while (s < batch->series_count || t < batch->tombstone_count) {
        uint64_t of_series = s < batch->series_count ? commit->series[s].user : UINT64_MAX;
        uint64_t of_tombstone =
            t < batch->tombstone_count ? commit->tombstones[t].user : UINT64_MAX;
        struct commit_user *user = &commit->all_users[commit->all_user_count++];
        user->user = of_series < of_tombstone ? of_series : of_tombstone;
        user->series_first = s;
        user->tombstone_first = t;
        while (s < batch->series_count && commit->series[s].user == user->user)
            s++;
        while (t < batch->tombstone_count && commit->tombstones[t].user == user->user)
            t++;
        user->series_count = s - user->series_first;
        user->tombstone_count = t - user->tombstone_first;
    }
}

/* Each user's shard. Who has none stays in the batch. */
static void find_shards(struct commit *commit)
{
    io_mutex_lock(commit->store->mutex);
    for (size_t i = 0; i < commit->user_count; i++) {
        struct commit_user *user = &commit->users[i];
        holter_error one;
        holter_status status = store_user_shard(&user->shard, commit->store, user->user, &one);
        if (status != HOLTER_OK) {
            user->shard = NULL;
            fail(commit, status, &one);
        }
    }
    io_mutex_unlock(commit->store->mutex);
    if (commit->user_count > 1)
        qsort(commit->users, commit->user_count, sizeof *commit->users, by_shard);
    for (size_t i = 0; i < commit->user_count; i++) {
        struct commit_user *user = &commit->users[i];
        if (user->shard == NULL)
            continue;
        bool is_next = commit->shard_count == 0 ||
                       commit->shards[commit->shard_count - 1].shard != user->shard;
        if (is_next)
            commit->shards[commit->shard_count++] =
                (struct store_write){ .shard = user->shard, .user_first = i };
        commit->shards[commit->shard_count - 1].user_count++;
    }
}

/* ---- what a batch holds twice ---------------------------------------------------------------- */

/* Leave out the rows that commit->drops marks. */
static bool keep_rest(struct commit_series *series, const struct columns *from,
                      const uint8_t *drops)
{
    struct columns kept;
    columns_init(&kept, &from->schema);
    bool has_memory = true;
    for (size_t i = 0; i < from->count && has_memory;) {
        size_t first = i;
        uint8_t is_dropped = drops[i];
        while (i < from->count && drops[i] == is_dropped)
            i++;
        if (!is_dropped)
            has_memory = columns_append_rows(&kept, from, first, i - first);
    }
    if (!has_memory) {
        columns_release(&kept);
        return false;
    }
    if (series->has_kept)
        columns_release(&series->kept);
    series->kept = kept;
    series->has_kept = true;
    return true;
}

static const struct columns *rows_of(const struct commit_series *series)
{
    return series->has_kept ? &series->kept : &series->from->columns;
}

static bool is_same_row(const struct columns *a, size_t row_a, const struct columns *b,
                        size_t row_b)
{
    return columns_row_is_equal(a, row_a, b, row_b) && a->flags[row_a] == b->flags[row_b];
}

/* Of sorted rows. */
static bool has_equal_times(const struct columns *rows)
{
    uint64_t equal = 0;
    for (size_t i = 1; i < rows->count; i++)
        equal |= rows->time[i - 1] == rows->time[i];
    return equal != 0;
}

/*
 * Sort, and of rows with one identity keep the one that stands: the greatest revision, of these the
 * last.
 */
static bool settle_series(struct commit *commit, struct commit_series *series)
{
    struct columns *rows = &series->from->columns;
    bool has_dropped = false;
    if (!columns_sort(rows))
        return false;
    for (size_t i = 0; i < rows->count; i++)
        commit->answers[rows->sequence[i]] =
            (holter_row_answer){ .answer = HOLTER_ACCEPTED, .flags = rows->flags[i] };
    if (!has_equal_times(rows))
        return true;
    memset(commit->drops, 0, rows->count);
    for (size_t i = rows->count; i-- > 1;) {
        if (columns_compare(rows, i - 1, rows, i) != 0)
            continue;
        size_t standing = i;
        while (commit->drops[standing] != 0)
            standing++;
        commit->drops[i - 1] = 1;
        has_dropped = true;
        commit->answers[rows->sequence[i - 1]].answer =
            is_same_row(rows, i - 1, rows, standing) ? HOLTER_DUPLICATE : HOLTER_SUPERSEDED;
    }
    return !has_dropped || keep_rest(series, rows, commit->drops);
}

/* ---- exact answers --------------------------------------------------------------------------- */

/*
 * What the batch's own deletions do to a stored row and to the batch's row of its identity. Rows in
 * a span that the batch replaces are written whatever is there.
 */
struct replacing {
    bool is_in_span;
    bool makes_way; /* the stored row goes, and the batch's stays */
};

static struct replacing replacing_of(const struct commit *commit, const struct commit_user *user,
                                     const struct commit_series *series, int64_t time,
                                     int64_t stored_revision, int64_t revision)
{
    struct replacing found = { 0 };
    for (size_t i = 0; i < user->tombstone_count; i++) {
        const struct wal_tombstone *one = &commit->wal_tombstones[user->tombstone_first + i];
        bool applies = (one->metric == 0 || one->metric == series->metric) &&
                       (one->source == 0 || one->source == series->source);
        if (!applies || time < one->begin || time >= one->end)
            continue;
        found.is_in_span = true;
        if (one->revision == 0 || (stored_revision <= one->revision && revision >= one->revision))
            found.makes_way = true;
    }
    return found;
}

/*
 * One row against the stored row of its identity: its answer, and whether it needs to be written.
 */
static holter_answer answer_against(const struct columns *rows, size_t row,
                                    const struct columns *stored, size_t stored_row,
                                    const struct replacing *replacing, bool *is_needed)
{
    bool is_newer = rows->revision[row] >= stored->revision[stored_row];
    *is_needed = replacing->is_in_span;
    if (is_same_row(rows, row, stored, stored_row)) {
        *is_needed = *is_needed || rows->revision[row] > stored->revision[stored_row];
        return HOLTER_DUPLICATE;
    }
    *is_needed = *is_needed || is_newer;
    return is_newer || replacing->makes_way ? HOLTER_CORRECTED : HOLTER_SUPERSEDED;
}

/* Walk the stored rows and the batch's, both rising, and answer each of the batch's. */
static holter_status answer_series(struct commit *commit, const struct commit_user *user,
                                   struct commit_series *series, struct shard_snapshot *snapshot,
                                   holter_error *err)
{
    const struct columns *rows = rows_of(series);
    if (rows->count == 0)
        return HOLTER_OK;
    struct query_scan *scan = NULL;
    const struct columns *stored = NULL;
    size_t at = 0;
    bool is_done = false;
    bool has_dropped = false;
    uint32_t metric, source;
    struct query_spec spec = { .user = series->user,
                               .metric = series->metric,
                               .source = series->source,
                               .from = rows->time[0],
                               .to = rows->time[rows->count - 1] + 1,
                               .class_of = store_class_of };
    memset(commit->drops, 0, rows->count);
    holter_status status = query_scan_open(&scan, snapshot, &spec, err);
    for (size_t i = 0; status == HOLTER_OK && i < rows->count; i++) {
        int order = -1;
        while (status == HOLTER_OK && !is_done) {
            if (stored == NULL || at == stored->count) {
                status = query_scan_next(scan, &metric, &source, &stored, err);
                at = 0;
                is_done = status == HOLTER_DONE;
                status = is_done ? HOLTER_OK : status;
                if (is_done || status != HOLTER_OK)
                    break;
            }
            order = columns_compare(stored, at, rows, i);
            if (order >= 0)
                break;
            at++;
        }
        if (status != HOLTER_OK)
            break;
        holter_row_answer *answer = &commit->answers[rows->sequence[i]];
        bool is_needed = true;
        answer->answer = HOLTER_NEW;
        if (!is_done && order == 0) {
            struct replacing replacing = replacing_of(commit, user, series, rows->time[i],
                                                      stored->revision[at], rows->revision[i]);
            answer->answer = answer_against(rows, i, stored, at, &replacing, &is_needed);
        }
        if (!is_needed) {
            commit->drops[i] = 1;
            has_dropped = true;
        }
    }
    query_scan_close(scan);
    if (status == HOLTER_OK && has_dropped && !keep_rest(series, rows, commit->drops))
        status = error_set(err, HOLTER_NO_MEMORY, "no memory to compare a batch");
    return status;
}

static holter_status answer_shard(struct commit *commit, const struct store_write *shard,
                                  holter_error *err)
{
    struct shard_snapshot *snapshot;
    holter_status status = shard_write_snapshot(&snapshot, shard->write, err);
    if (status != HOLTER_OK)
        return status;
    for (size_t u = 0; status == HOLTER_OK && u < shard->user_count; u++) {
        const struct commit_user *user = &commit->users[shard->user_first + u];
        for (size_t s = 0; status == HOLTER_OK && s < user->series_count; s++)
            status =
                answer_series(commit, user, &commit->series[user->series_first + s], snapshot, err);
    }
    shard_snapshot_close(snapshot);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The parts of a shard's users; those without anything left to write are left out. */
static size_t make_parts(struct commit *commit, const struct store_write *shard)
{
    size_t count = 0;
    for (size_t u = 0; u < shard->user_count; u++) {
        struct commit_user *user = &commit->users[shard->user_first + u];
        size_t rows = 0;
        size_t series_count = 0;
        for (size_t s = 0; s < user->series_count; s++) {
            const struct commit_series *series = &commit->series[user->series_first + s];
            const struct columns *columns = rows_of(series);
            if (columns->count == 0)
                continue;
            rows += columns->count;
            commit->wal_parts[user->series_first + series_count++] = (struct wal_part){
                .metric = series->metric, .source = series->source, .columns = *columns
            };
        }
        if (rows == 0 && user->tombstone_count == 0)
            continue;
        user->part = &commit->parts[shard->user_first + count];
        commit->parts[shard->user_first + count++] =
            (struct shard_part){ .user = user->user,
                                 .tombstones = commit->wal_tombstones + user->tombstone_first,
                                 .tombstone_count = user->tombstone_count,
                                 .parts = commit->wal_parts + user->series_first,
                                 .part_count = series_count };
    }
    return count;
}

static void begin_shard(struct commit *commit, struct store_write *shard)
{
    bool is_exact = commit->batch->is_exact;
    holter_error one;
    holter_status status = is_exact ? shard_write_begin(&shard->write, shard->shard, &one)
                                    : shard_write_new(&shard->write, shard->shard, &one);
    if (status == HOLTER_OK && is_exact)
        status = answer_shard(commit, shard, &one);
    if (status == HOLTER_OK) {
        size_t count = make_parts(commit, shard);
        status = shard_write_put(shard->write, commit->parts + shard->user_first, count, &one);
    }
    if (status != HOLTER_OK) {
        shard_write_abort(shard->write);
        shard->write = NULL;
        fail(commit, status, &one);
    }
    shard->is_sealed = is_exact;
}

/* The user's part is stored, and has its answers. */
static void settle_user(struct commit *commit, struct commit_user *user)
{
    user->is_stored = true;
    for (size_t s = 0; s < user->series_count; s++) {
        const struct columns *rows = &commit->series[user->series_first + s].from->columns;
        for (size_t i = 0; i < rows->count; i++)
            commit->batch->answers[rows->sequence[i]] = commit->answers[rows->sequence[i]];
    }
}

/* Of whom nothing is left to write, all is durable already. */
static void settle_shard(struct commit *commit, const struct store_write *shard)
{
    for (size_t u = 0; shard->has_ended && u < shard->user_count; u++) {
        struct commit_user *user = &commit->users[shard->user_first + u];
        if (user->part == NULL || user->part->status == HOLTER_OK)
            settle_user(commit, user);
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = ((const struct commit_user *)a)->user;
    uint64_t right = ((const struct commit_user *)b)->user;
    return (left > right) - (left < right);
}

static bool user_is_stored(void *context, uint64_t user)
{
    const struct commit *commit = context;
    const struct commit_user wanted = { .user = user };
    const struct commit_user *found =
        bsearch(&wanted, commit->all_users, commit->all_user_count, sizeof wanted, by_number);
    return found != NULL && found->is_stored;
}

static void release(struct commit *commit)
{
    for (size_t i = 0; commit->memory != NULL && i < commit->batch->series_count; i++) {
        if (commit->series[i].has_kept)
            columns_release(&commit->series[i].kept);
    }
    free(commit->memory);
}

/*
 * A flush that is due is the flusher's; one that is overdue is waited for, or there would be no end
 * to the log. One that fails is tried again by a later commit, and by holter_flush, which tells why.
 */
static void flush_where_due(const struct commit *commit)
{
    holter_store *store = commit->store;
    for (size_t i = 0; store->flushes_by_itself && i < commit->shard_count; i++) {
        enum shard_due due = shard_flush_due(commit->shards[i].shard);
        if (due == SHARD_FLUSH_NOT_DUE)
            continue;
        bool is_told = store_worker_tell(&store->flusher);
        if (!is_told || due == SHARD_FLUSH_OVERDUE)
            (void)shard_flush(NULL, commit->shards[i].shard, is_told, NULL);
    }
}

/* ---- buffered -------------------------------------------------------------------------------- */

/* A shard whose flush is overdue takes nothing that is buffered: its log would grow without end. */
static bool is_overdue(const struct commit *commit)
{
    for (size_t i = 0; commit->store->flushes_by_itself && i < commit->shard_count; i++) {
        enum shard_due due = shard_flush_due(commit->shards[i].shard);
        if (due == SHARD_FLUSH_NOT_DUE)
            continue;
        bool is_told = store_worker_tell(&commit->store->flusher);
        if (is_told && due == SHARD_FLUSH_OVERDUE)
            return true;
    }
    return false;
}

static holter_status accept(struct commit *commit, holter_error *err)
{
    size_t bytes = 0;
    holter_status status = HOLTER_OK;
    if (is_overdue(commit))
        return error_set(err, HOLTER_BUSY, "a flush is overdue: the log of a shard waits for it");
    for (size_t i = 0; status == HOLTER_OK && i < commit->shard_count; i++) {
        struct store_write *shard = &commit->shards[i];
        status = shard_write_new(&shard->write, shard->shard, err);
        if (status == HOLTER_OK) {
            size_t count = make_parts(commit, shard);
            status = shard_write_put(shard->write, commit->parts + shard->user_first, count, err);
            bytes += shard_write_bytes(shard->write);
        }
    }
    if (status == HOLTER_OK && commit->shard_count > 0)
        status =
            store_buffered_add(&commit->buffered, commit->store, bytes, commit->shard_count, err);
    for (size_t i = 0; i < commit->shard_count; i++) {
        struct store_write *shard = &commit->shards[i];
        if (status == HOLTER_OK)
            shard_write_leave_behind(shard->write, store_buffered_written, commit->buffered);
        else
            shard_write_abort(shard->write);
        shard->write = NULL;
    }
    return status;
}

/* All users at hand or none, with nothing waited for. */
static void accept_users(struct commit *commit)
{
    holter_error one;
    commit->shard_count = 0;
    find_shards(commit);
    holter_status status = accept(commit, &one);
    if (status != HOLTER_OK) {
        fail(commit, status, &one);
        return;
    }
    for (size_t i = 0; i < commit->shard_count; i++) {
        for (size_t u = 0; u < commit->shards[i].user_count; u++)
            settle_user(commit, &commit->users[commit->shards[i].user_first + u]);
    }
}

/* Write the users at hand. */
static void commit_users(struct commit *commit)
{
    holter_error one;
    commit->shard_count = 0;
    find_shards(commit);
    for (size_t i = 0; i < commit->shard_count; i++)
        begin_shard(commit, &commit->shards[i]);
    struct store_writes writes = { .store = commit->store,
                                   .at = commit->shards,
                                   .count = commit->shard_count,
                                   .queue = commit->batch->queue,
                                   .signal = commit->batch->signal,
                                   .err = &one };
    store_writes_end(&writes);
    if (writes.status != HOLTER_OK)
        fail(commit, writes.status, &one);
    for (size_t i = 0; i < commit->shard_count; i++)
        settle_shard(commit, &commit->shards[i]);
    flush_where_due(commit);
}

/* Before its answered rows leave the batch. */
static void count_answers(const struct commit *commit)
{
    struct head *statistics = commit->store->head;
    int64_t late_ns = saturating_add_i64(io_now_ns(commit->store->io), -LATE_NS);
    uint64_t rows = 0;
    uint64_t late = 0;
    uint64_t duplicates = 0;
    uint64_t superseded = 0;
    for (size_t u = 0; u < commit->all_user_count; u++) {
        const struct commit_user *user = &commit->all_users[u];
        for (size_t s = 0; user->is_stored && s < user->series_count; s++) {
            const struct commit_series *series = &commit->series[user->series_first + s];
            const struct columns *all = &series->from->columns;
            const struct columns *kept = rows_of(series);
            rows += kept->count;
            late += columns_from(kept, 0, kept->count, late_ns);
            for (size_t i = 0; all->count > kept->count && i < all->count; i++) {
                holter_answer answer = commit->answers[all->sequence[i]].answer;
                duplicates += answer == HOLTER_DUPLICATE;
                superseded += answer == HOLTER_SUPERSEDED;
            }
        }
    }
    head_count(statistics, HEAD_ROWS, rows);
    head_count(statistics, HEAD_ROWS_LATE, late);
    head_count(statistics, HEAD_ROWS_DUPLICATE, duplicates);
    head_count(statistics, HEAD_ROWS_SUPERSEDED, superseded);
}

static holter_status commit_batch(struct commit *commit)
{
    holter_batch *batch = commit->batch;
    bool has_memory = allocate(commit);
    if (has_memory)
        find_users(commit);
    for (size_t i = 0; has_memory && i < batch->series_count; i++)
        has_memory = settle_series(commit, &commit->series[i]);
    if (!has_memory) {
        release(commit);
        return error_set(commit->err, HOLTER_NO_MEMORY, "no memory to commit a batch of %zu rows",
                         batch->row_count);
    }
    for (size_t at = 0; at < commit->all_user_count; at += commit->user_count) {
        size_t left = commit->all_user_count - at;
        commit->users = commit->all_users + at;
        commit->user_count = left < COMMIT_USERS_MAX ? left : COMMIT_USERS_MAX;
        if (batch->is_buffered)
            accept_users(commit);
        else
            commit_users(commit);
    }
    if (commit->buffered != NULL) {
        batch->accepted = store_buffered_end(commit->buffered);
        store_worker_tell(&commit->store->syncer);
    }
    count_answers(commit);
    qsort(commit->all_users, commit->all_user_count, sizeof *commit->all_users, by_number);
    /* The copies go before the series of the batch that they were made from. */
    for (size_t i = 0; i < batch->series_count; i++) {
        if (commit->series[i].has_kept)
            columns_release(&commit->series[i].kept);
        commit->series[i].has_kept = false;
    }
    batch_drop(batch, user_is_stored, commit);
    release(commit);
    return commit->status;
}

holter_status holter_commit(holter_store *store, holter_batch *batch, holter_error *err)
{
    if (batch == NULL || batch->store != store)
        return error_set(err, HOLTER_INVALID, "there is no batch of this store");
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    if (!store->is_writable) {
        status = error_set(err, HOLTER_INVALID, "'%s': opened for reading only", store->path);
    } else if (batch->series_count + batch->tombstone_count > 0) {
        struct commit commit = { .store = store, .batch = batch, .err = err, .status = HOLTER_OK };
        status = store_check_linked(store, err);
        int64_t begin_ns = io_monotonic_ns(store->io);
        if (status == HOLTER_OK)
            status = commit_batch(&commit);
        if (!batch->is_buffered) /* which waits for nothing */
            head_measure(store->head, HEAD_COMMIT_US,
                         (uint64_t)(io_monotonic_ns(store->io) - begin_ns) / 1000);
        head_count(store->head, HEAD_COMMITS_FAILED, status != HOLTER_OK);
        head_count(store->head, HEAD_COMMITS_BUSY, status == HOLTER_BUSY);
    }
    store_leave(store);
    return status;
}
