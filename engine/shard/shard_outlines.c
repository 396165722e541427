/*
 * shard_outlines.c -- the outlines of sections that were read last: what a query of the same user finds
 * there again, without a read and without a key. And memory that queries read with: to take it from the
 * system anew, a page at a time, costs a query of one user a tenth of its time or more.
 *
 *     (file, user) ──hash──> entry ──> outline, or none: the user has no section in that file
 *                              └── in a list, from the least to the most recently asked for
 *
 *   O1  An entry never is wrong: files never change, and their names are never used again.
 *   O2  Together they take at most `bytes_max`, entries included; the least recently asked for leaves
 *       first. What an outline grew by since is counted when it is asked for or kept next.
 *   O3  Those of an erased user go when the vault is seen to have erased (store_refresh), before any
 *       call that sees it answers; who was reading then keeps nothing; an outline goes with its last
 *       reader. Memory of earlier queries, which may hold rows of such a user, goes likewise.
 *
 * The mutex is taken last of all, and nothing is called under it but what wipes and frees.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUCKETS_MIN = 256,
    POOLS_KEPT = 2,
    ENTRY_PART = 4 /* of all memory: what takes more is not kept */
};

struct outline_entry {
    uint8_t file[MANIFEST_ID_BYTES];
    uint64_t user;
    struct segment_outline *outline; /* counted; NULL: there is no section */
    size_t bytes;                    /* counted in `bytes` below */
    struct outline_entry *next;      /* of the bucket */
    struct outline_entry *older, *newer;
};

struct shard_outlines {
    struct io_mutex *mutex; /* guards all that follows */
    size_t bytes_max, bytes;
    struct outline_entry **buckets;
    size_t bucket_count, count;
    struct outline_entry *oldest, *newest;
    struct segment_pool *pools[POOLS_KEPT];
    size_t pool_count;
    uint64_t forgotten; /* how often shard_outlines_forget was called */
    uint64_t found, missed;
};

holter_status shard_outlines_new(struct shard_outlines **out, struct io *io, uint64_t bytes_max,
                                 holter_error *err)
{
    *out = NULL;
    struct shard_outlines *outlines = calloc(1, sizeof *outlines);
    if (outlines != NULL)
        outlines->buckets = core_calloc(BUCKETS_MIN, sizeof(struct outline_entry *));
    holter_status status =
        outlines != NULL && outlines->buckets != NULL
            ? io_mutex_new(&outlines->mutex, io, err)
            : error_set(err, HOLTER_NO_MEMORY, "no memory for outlines of sections");
    if (status != HOLTER_OK) {
        shard_outlines_free(outlines);
        return status;
    }
    outlines->bucket_count = BUCKETS_MIN;
    outlines->bytes_max = bytes_max < SIZE_MAX ? (size_t)bytes_max : SIZE_MAX;
    *out = outlines;
    return HOLTER_OK;
}

/* File ids and user numbers are random. */
static size_t bucket_of(const struct shard_outlines *outlines, const uint8_t *file, uint64_t user)
{
    uint64_t id;
    memcpy(&id, file, sizeof id);
    uint64_t mixed = (id ^ user) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32) & (outlines->bucket_count - 1);
}

static void list_remove(struct shard_outlines *outlines, struct outline_entry *entry)
{
    *(entry->older != NULL ? &entry->older->newer : &outlines->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &outlines->newest) = entry->older;
}

static void list_append(struct shard_outlines *outlines, struct outline_entry *entry)
{
    entry->older = outlines->newest;
    entry->newer = NULL;
    *(outlines->newest != NULL ? &outlines->newest->newer : &outlines->oldest) = entry;
    outlines->newest = entry;
}

static struct outline_entry *entry_find(const struct shard_outlines *outlines, const uint8_t *file,
                                        uint64_t user)
{
    struct outline_entry *entry = outlines->buckets[bucket_of(outlines, file, user)];
    while (entry != NULL &&
           (entry->user != user || memcmp(entry->file, file, sizeof entry->file) != 0))
        entry = entry->next;
    return entry;
}

static void entry_drop(struct shard_outlines *outlines, struct outline_entry *entry)
{
    struct outline_entry **at = &outlines->buckets[bucket_of(outlines, entry->file, entry->user)];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    list_remove(outlines, entry);
    outlines->bytes -= entry->bytes;
    outlines->count--;
    segment_outline_unref(entry->outline);
    free(entry);
}

void shard_outlines_free(struct shard_outlines *outlines)
{
    if (outlines == NULL)
        return;
    while (outlines->oldest != NULL)
        entry_drop(outlines, outlines->oldest);
    while (outlines->pool_count > 0)
        segment_pool_free(outlines->pools[--outlines->pool_count]);
    io_mutex_free(outlines->mutex);
    free(outlines->buckets);
    free(outlines);
}

/* O2 */
static void entry_count_bytes(struct shard_outlines *outlines, struct outline_entry *entry)
{
    size_t bytes = sizeof *entry;
    if (entry->outline != NULL)
        bytes += segment_outline_bytes(entry->outline);
    outlines->bytes += bytes - entry->bytes;
    entry->bytes = bytes;
}

static void make_room(struct shard_outlines *outlines)
{
    while (outlines->bytes > outlines->bytes_max)
        entry_drop(outlines, outlines->oldest);
}

/* Chains stay short; where there is no memory they grow. */
static void buckets_grow(struct shard_outlines *outlines)
{
    if (outlines->count < outlines->bucket_count)
        return;
    struct outline_entry **buckets =
        core_calloc(2 * outlines->bucket_count, sizeof(struct outline_entry *));
    if (buckets == NULL)
        return;
    free(outlines->buckets);
    outlines->buckets = buckets;
    outlines->bucket_count *= 2;
    for (struct outline_entry *e = outlines->oldest; e != NULL; e = e->newer) {
        struct outline_entry **bucket = &buckets[bucket_of(outlines, e->file, e->user)];
        e->next = *bucket;
        *bucket = e;
    }
}

uint64_t shard_outlines_find(struct shard_outlines *outlines, uint64_t user,
                             struct shard_outline *asked, size_t count)
{
    io_mutex_lock(outlines->mutex);
    uint64_t forgotten = outlines->forgotten;
    for (size_t i = 0; i < count; i++) {
        struct outline_entry *entry = entry_find(outlines, asked[i].file, user);
        asked[i].is_known = entry != NULL;
        asked[i].outline = NULL;
        *(entry != NULL ? &outlines->found : &outlines->missed) += 1;
        if (entry == NULL)
            continue;
        if (entry->outline != NULL)
            asked[i].outline = segment_outline_ref(entry->outline);
        entry_count_bytes(outlines, entry);
        list_remove(outlines, entry);
        list_append(outlines, entry);
    }
    make_room(outlines);
    io_mutex_unlock(outlines->mutex);
    return forgotten;
}

void shard_outlines_keep(struct shard_outlines *outlines, uint64_t asked_at, const uint8_t *file,
                         uint64_t user, struct segment_outline *outline)
{
    struct outline_entry *entry = calloc(1, sizeof *entry);
    size_t bytes = outline != NULL ? segment_outline_bytes(outline) : 0;
    io_mutex_lock(outlines->mutex);
    struct outline_entry *there = entry_find(outlines, file, user);
    if (there != NULL) { /* it grew, or another thread was faster */
        free(entry);
        entry_count_bytes(outlines, there);
    } else if (entry == NULL || asked_at != outlines->forgotten || /* O3 */
               bytes > outlines->bytes_max / ENTRY_PART) {
        free(entry);
    } else {
        buckets_grow(outlines);
        memcpy(entry->file, file, sizeof entry->file);
        entry->user = user;
        if (outline != NULL)
            entry->outline = segment_outline_ref(outline);
        struct outline_entry **bucket = &outlines->buckets[bucket_of(outlines, file, user)];
        entry->next = *bucket;
        *bucket = entry;
        outlines->count++;
        list_append(outlines, entry);
        entry_count_bytes(outlines, entry);
    }
    make_room(outlines);
    io_mutex_unlock(outlines->mutex);
}

void shard_outlines_forget(struct shard_outlines *outlines,
                           bool (*is_gone)(void *context, uint64_t user), void *context)
{
    io_mutex_lock(outlines->mutex);
    outlines->forgotten++;
    for (struct outline_entry *entry = outlines->oldest; entry != NULL;) {
        struct outline_entry *newer = entry->newer;
        if (is_gone(context, entry->user))
            entry_drop(outlines, entry);
        entry = newer;
    }
    while (outlines->pool_count > 0)
        segment_pool_free(outlines->pools[--outlines->pool_count]);
    io_mutex_unlock(outlines->mutex);
}

holter_status shard_pool_take(struct segment_pool **out, uint64_t *taken_at,
                              struct shard_outlines *outlines, holter_error *err)
{
    *out = NULL;
    io_mutex_lock(outlines->mutex);
    *taken_at = outlines->forgotten;
    if (outlines->pool_count > 0)
        *out = outlines->pools[--outlines->pool_count];
    io_mutex_unlock(outlines->mutex);
    return *out != NULL ? HOLTER_OK : segment_pool_new(out, err);
}

void shard_pool_give(struct shard_outlines *outlines, uint64_t taken_at, struct segment_pool *pool)
{
    if (pool == NULL)
        return;
    segment_pool_trim(pool);
    io_mutex_lock(outlines->mutex);
    if (taken_at == outlines->forgotten && outlines->pool_count < POOLS_KEPT) {
        outlines->pools[outlines->pool_count++] = pool;
        pool = NULL;
    }
    io_mutex_unlock(outlines->mutex);
    segment_pool_free(pool);
}

struct shard_outlines_stat shard_outlines_stat(struct shard_outlines *outlines)
{
    io_mutex_lock(outlines->mutex);
    struct shard_outlines_stat stat = { .count = outlines->count,
                                        .bytes = outlines->bytes,
                                        .bytes_max = outlines->bytes_max,
                                        .found = outlines->found,
                                        .missed = outlines->missed };
    io_mutex_unlock(outlines->mutex);
    return stat;
}
