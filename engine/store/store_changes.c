/*
 * store_changes.c -- the change feed over all shards, and over the vault.
 *
 * A feed goes in steps. Each looks at how far the logs are durable, then at the vault, and then
 * tells all of that: users first, then shard after shard. As a user is in the vault before any frame
 * of his is in a log, he is told before his rows are.
 *
 * Users keep their index in the vault, so a count tells which ones were told. Who was erased is not
 * in an order: when their count has changed, all erased ones are told.
 *
 * Tests: tests/unit/test_store_changes.c, tests/real/mirror.py.
 */
#include "store/store_impl.h"

#include <stdlib.h>
#include <string.h>

struct holter_feed {
    holter_store *store;
    uint64_t user;
    uint32_t metric;
    struct shard_feed **shards; /* region after region */
    size_t shard_count, shard_capacity;
    size_t region_count;

    bool is_stepping;                       /* a step is not told whole yet */
    size_t users, erased_users;             /* told, of the vault's */
    size_t users_found, erased_users_found; /* by this step */
    size_t erased_next;                     /* the next index to look at for erased ones */

    size_t at;                   /* the shard that is told */
    bool is_told;                /* its last frame, whole */
    struct shard_change change;  /* where not is_told: that frame */
    size_t tombstone, part, row; /* what is told next of it */
    struct holter_text *texts[HOLTER_FIELDS_MAX];
    char *token;
    bool has_failed;
};

/* ---- opening --------------------------------------------------------------------------------- */

static void feed_free(holter_feed *feed)
{
    if (feed == NULL)
        return;
    for (size_t i = 0; i < feed->shard_count; i++)
        shard_feed_close(feed->shards[i]);
    for (size_t f = 0; f < HOLTER_FIELDS_MAX; f++)
        free(feed->texts[f]);
    free(feed->shards);
    free(feed->token);
    free(feed);
}

void holter_feed_close(holter_feed *feed)
{
    if (feed != NULL && !atomic_load(&feed->store->is_forked))
        feed_free(feed);
}

/* Of the next region to follow; 0: there is none. */
static uint16_t next_region_shards(const holter_feed *feed)
{
    holter_store *store = feed->store;
    io_mutex_lock(store->mutex);
    uint16_t count = feed->region_count < store->region_count
                         ? store->regions[feed->region_count].shard_count
                         : 0;
    io_mutex_unlock(store->mutex);
    return count;
}

/* Follow the next region's shards. from: one bookmark a shard, or NULL. */
static holter_status follow_region(holter_feed *feed, uint16_t count,
                                   const struct wal_bookmark *from, bool from_now,
                                   holter_error *err)
{
    holter_store *store = feed->store;
    uint16_t region = (uint16_t)feed->region_count;
    void *shards = feed->shards;
    if (!core_grow(&shards, &feed->shard_capacity, feed->shard_count + count,
                   sizeof(struct shard_feed *)))
        return error_set(err, HOLTER_NO_MEMORY, "no memory for a feed");
    feed->shards = shards;
    for (uint16_t i = 0; i < count; i++) {
        struct shard *shard;
        io_mutex_lock(store->mutex);
        holter_status status = store_shard(&shard, store, region, i, err);
        io_mutex_unlock(store->mutex);
        if (status == HOLTER_OK)
            status = shard_feed_open(&feed->shards[feed->shard_count], shard,
                                     from != NULL ? &from[i] : NULL, from_now, err);
        if (status != HOLTER_OK)
            return status;
        feed->shard_count++;
    }
    feed->region_count++;
    return HOLTER_OK;
}

/* Regions that are not followed yet: from their first frames on. */
static holter_status follow_new_regions(holter_feed *feed, holter_error *err)
{
    holter_status status = HOLTER_OK;
    uint16_t count = 0;
    while (status == HOLTER_OK && (count = next_region_shards(feed)) > 0) {
        struct wal_bookmark *first = core_calloc(count, sizeof *first);
        if (first == NULL)
            return error_set(err, HOLTER_NO_MEMORY, "no memory for a feed");
        for (uint16_t i = 0; i < count; i++)
            first[i].place.sequence = 1;
        status = follow_region(feed, count, first, false, err);
        free(first);
    }
    return status;
}

static holter_status is_another_state(holter_error *err)
{
    return error_set(err, HOLTER_EXPIRED,
                     "the token is of a later or another state of the store than this one");
}

static holter_status open_from_token(holter_feed *feed, const char *text, holter_error *err)
{
    holter_store *store = feed->store;
    struct store_token token;
    holter_status status = store_token_decode(&token, text, err);
    if (status != HOLTER_OK)
        return status;
    if (memcmp(token.store_id, store->id, sizeof token.store_id) != 0)
        status = error_set(err, HOLTER_INVALID, "the token is another store's");
    else if (token.users > feed->users || token.erased_users > feed->erased_users)
        status = is_another_state(err);
    while (status == HOLTER_OK && feed->shard_count < token.shard_count) {
        uint16_t count = next_region_shards(feed);
        if (count == 0 || count > token.shard_count - feed->shard_count)
            status = is_another_state(err);
        else
            status = follow_region(feed, count, token.shards + feed->shard_count, false, err);
    }
    if (status == HOLTER_OK)
        status = follow_new_regions(feed, err);
    feed->users = (size_t)token.users;
    feed->erased_users = (size_t)token.erased_users;
    store_token_release(&token);
    return status;
}

/* What was asked for exists; *users, *erased_users as of now. */
static holter_status check_asked(holter_feed *feed, holter_error *err)
{
    holter_store *store = feed->store;
    struct vault_user found;
    io_mutex_lock(store->mutex);
    holter_status status = store_refresh(store, err);
    if (status == HOLTER_OK && feed->user != 0)
        status = vault_find_number(&found, store->vault, feed->user, err);
    if (status == HOLTER_OK && feed->metric != 0 &&
        catalog_metric_by_number(store->catalog, feed->metric) == NULL)
        status =
            error_set(err, HOLTER_NOT_FOUND, "there is no metric with number %u", feed->metric);
    feed->users = vault_user_count(store->vault);
    feed->erased_users = vault_erased_count(store->vault);
    io_mutex_unlock(store->mutex);
    return status;
}

static holter_status feed_open(holter_feed *feed, const holter_feed_options *options,
                               holter_error *err)
{
    feed->user = options->user;
    feed->metric = options->metric;
    feed->is_told = true;
    holter_status status = check_asked(feed, err);
    if (status == HOLTER_OK && options->token != NULL)
        return open_from_token(feed, options->token, err);
    if (!options->from_now)
        feed->users = 0; /* who was erased by now is not told */
    uint16_t count = 0;
    while (status == HOLTER_OK && (count = next_region_shards(feed)) > 0)
        status = follow_region(feed, count, NULL, options->from_now != 0, err);
    return status;
}

holter_status holter_feed_open(holter_feed **out, holter_store *store,
                               const holter_feed_options *options, holter_error *err)
{
    static const holter_feed_options defaults;
    const holter_feed_options *asked = options != NULL ? options : &defaults;
    if (out == NULL)
        return error_set(err, HOLTER_INVALID, "there is no place for the feed");
    *out = NULL;
    holter_status status = store_check_reserved(asked->reserved, CORE_COUNT(asked->reserved), err);
    if (status == HOLTER_OK)
        status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    holter_feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for a feed");
    } else {
        feed->store = store;
        status = feed_open(feed, asked, err);
    }
    if (status == HOLTER_OK)
        *out = feed;
    else
        feed_free(feed);
    store_leave(store);
    return status;
}

/* ---- telling --------------------------------------------------------------------------------- */

static holter_status step_begin(holter_feed *feed, holter_error *err)
{
    holter_store *store = feed->store;
    io_mutex_lock(store->mutex);
    holter_status status = store_refresh(store, err);
    io_mutex_unlock(store->mutex);
    for (size_t i = 0; status == HOLTER_OK && i < feed->shard_count; i++)
        status = shard_feed_refresh(feed->shards[i], err);
    if (status == HOLTER_OK)
        status = follow_new_regions(feed, err);
    if (status != HOLTER_OK)
        return status;

    io_mutex_lock(store->mutex);
    status = store_refresh(store, err);
    feed->users_found = vault_user_count(store->vault);
    feed->erased_users_found = vault_erased_count(store->vault);
    io_mutex_unlock(store->mutex);
    feed->erased_next = feed->erased_users_found == feed->erased_users ? feed->users : 0;
    feed->at = 0;
    feed->is_stepping = status == HOLTER_OK;
    return status;
}

/* HOLTER_DONE: all users were told. */
static holter_status next_user(holter_change *out, holter_feed *feed)
{
    holter_store *store = feed->store;
    struct vault_user user = { 0 };
    bool is_found = false;
    io_mutex_lock(store->mutex);
    while (!is_found && feed->erased_next < feed->users) {
        user = vault_user_at(store->vault, feed->erased_next++);
        is_found = user.is_erased && (feed->user == 0 || user.number == feed->user);
    }
    holter_change_kind kind = is_found ? HOLTER_USER_REMOVED : HOLTER_USER_ADDED;
    if (!is_found)
        feed->erased_users = feed->erased_users_found;
    while (!is_found && feed->users < feed->users_found) {
        user = vault_user_at(store->vault, feed->users++);
        is_found = !user.is_erased && (feed->user == 0 || user.number == feed->user);
        feed->erased_next = feed->users;
    }
    io_mutex_unlock(store->mutex);
    if (!is_found)
        return HOLTER_DONE;
    *out = (holter_change){ .kind = kind, .user = user.number };
    return HOLTER_OK;
}

static bool is_asked_for(const holter_feed *feed, uint32_t metric)
{
    return feed->metric == 0 || metric == 0 || metric == feed->metric;
}

/* Step over what is not asked for; the frame is told once nothing is left of it. */
static void skip(holter_feed *feed)
{
    const struct wal_body *body = feed->change.body;
    while (feed->tombstone < body->tombstone_count &&
           !is_asked_for(feed, body->tombstones[feed->tombstone].metric))
        feed->tombstone++;
    while (feed->part < body->part_count && (feed->row == body->parts[feed->part].columns.count ||
                                             !is_asked_for(feed, body->parts[feed->part].metric))) {
        feed->part++;
        feed->row = 0;
    }
    feed->is_told = feed->tombstone == body->tombstone_count && feed->part == body->part_count;
}

/* The user was erased since the frame was opened. */
static bool is_erased(holter_store *store, uint64_t user)
{
    struct vault_user found;
    io_mutex_lock(store->mutex);
    (void)store_follow(store, NULL);
    bool is = vault_find_number(&found, store->vault, user, NULL) == HOLTER_OK && found.is_erased;
    io_mutex_unlock(store->mutex);
    return is;
}

/* The next piece of the frame at hand, which is not told yet. */
static holter_status next_piece(holter_change *out, holter_feed *feed, holter_error *err)
{
    const struct wal_body *body = feed->change.body;
    holter_change change = { .user = feed->change.user, .sequence = feed->change.sequence };
    holter_status status = HOLTER_OK;
    if (feed->tombstone < body->tombstone_count) {
        const struct wal_tombstone *tombstone = &body->tombstones[feed->tombstone++];
        change.kind = HOLTER_DELETE;
        change.deletion = (holter_deletion){ .metric = tombstone->metric,
                                             .source = tombstone->source,
                                             .begin_ns = tombstone->begin,
                                             .end_ns = tombstone->end,
                                             .revision = tombstone->revision };
    } else {
        const struct wal_part *part = &body->parts[feed->part];
        size_t count = part->columns.count - feed->row;
        if (count > QUERY_ROWS_MAX)
            count = QUERY_ROWS_MAX;
        change.kind = HOLTER_UPSERT;
        status = store_columns_show(&change.rows, feed->texts, change.user, part->metric,
                                    part->source, &part->columns, feed->row, count, err);
        if (status == HOLTER_OK)
            feed->row += count;
    }
    if (status != HOLTER_OK)
        return status;
    skip(feed);
    *out = change;
    return HOLTER_OK;
}

static holter_status next_change(holter_change *out, holter_feed *feed, holter_error *err)
{
    holter_status status = feed->is_stepping ? HOLTER_OK : step_begin(feed, err);
    if (status == HOLTER_OK)
        status = next_user(out, feed);
    if (status != HOLTER_DONE)
        return status;
    while (feed->at < feed->shard_count) {
        if (!feed->is_told && is_erased(feed->store, feed->change.user))
            feed->is_told = true;
        if (!feed->is_told)
            return next_piece(out, feed, err);
        feed->is_told = false; /* whatever becomes of it */
        feed->tombstone = feed->part = feed->row = 0;
        status = shard_feed_next(&feed->change, feed->shards[feed->at], feed->user, err);
        if (status == HOLTER_OK) {
            skip(feed);
        } else if (status == HOLTER_DONE) {
            feed->is_told = true;
            feed->at++;
        } else {
            return status;
        }
    }
    feed->is_stepping = false;
    return HOLTER_DONE;
}

holter_status holter_feed_next(holter_feed *feed, holter_change *out, holter_error *err)
{
    if (feed == NULL || out == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         feed == NULL ? "feed" : "place for a change");
    holter_status status = store_enter(feed->store, err);
    if (status != HOLTER_OK)
        return status;
    if (feed->has_failed)
        status = error_set(err, HOLTER_INVALID,
                           "the feed failed before: open another one from its token");
    else
        status = next_change(out, feed, err);
    /* A frame that did not open would be left out next time. */
    feed->has_failed = feed->is_stepping && status != HOLTER_OK && status != HOLTER_DONE;
    store_leave(feed->store);
    return status;
}

holter_status holter_feed_token(holter_feed *feed, const char **token, holter_error *err)
{
    if (feed == NULL || token == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         feed == NULL ? "feed" : "place for a token");
    holter_status status = store_enter(feed->store, err);
    if (status != HOLTER_OK)
        return status;
    struct store_token told = { .users = feed->users, .erased_users = feed->erased_users };
    memcpy(told.store_id, feed->store->id, sizeof told.store_id);
    status = store_token_init(&told, feed->shard_count, err);
    for (size_t i = 0; status == HOLTER_OK && i < feed->shard_count; i++)
        told.shards[i] = shard_feed_bookmark(feed->shards[i], i != feed->at || feed->is_told);
    char *text = NULL;
    if (status == HOLTER_OK)
        status = store_token_encode(&text, &told, err);
    store_token_release(&told);
    if (status == HOLTER_OK) {
        free(feed->token);
        feed->token = text;
        *token = text;
    }
    store_leave(feed->store);
    return status;
}

/* ---- what a copy begins with ----------------------------------------------------------------- */

holter_status holter_deletions(holter_deletion **out, size_t *count, holter_snapshot *snapshot,
                               uint64_t user, holter_error *err)
{
    struct shard_snapshot *of;
    struct tombstones found;
    if (out == NULL || count == NULL || snapshot == NULL)
        return error_set(err, HOLTER_INVALID, "there is no %s",
                         snapshot == NULL ? "snapshot" : "place for deletions");
    holter_store *store = store_of_snapshot(snapshot);
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    tombstones_init(&found);
    status = store_snapshot_of_user(&of, snapshot, user, err);
    if (status == HOLTER_OK && of != NULL)
        status = query_deletions(&found, of, user, err);
    holter_deletion *made = NULL;
    if (status == HOLTER_OK) {
        made = core_calloc(found.count + 1, sizeof *made);
        if (made == NULL)
            status = error_set(err, HOLTER_NO_MEMORY, "no memory for %zu deletions", found.count);
    }
    if (status == HOLTER_OK) {
        for (size_t i = 0; i < found.count; i++)
            made[i] = (holter_deletion){ .metric = found.at[i].metric,
                                         .source = found.at[i].source,
                                         .begin_ns = found.at[i].begin,
                                         .end_ns = found.at[i].end,
                                         .revision = found.at[i].revision };
        *out = made;
        *count = found.count;
    }
    tombstones_release(&found);
    store_leave(store);
    return status;
}

void holter_deletions_free(holter_deletion *deletions)
{
    free(deletions);
}

/* ---- what is kept ---------------------------------------------------------------------------- */

holter_status holter_feed_keep(holter_store *store, int64_t age_ns, uint64_t bytes,
                               holter_error *err)
{
    const struct catalog_feed feed = { .age_ns = age_ns, .bytes = bytes };
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = store_change_begin(store, err);
    if (status == HOLTER_OK) {
        status = catalog_set_feed(store->catalog, &feed, err);
        store_change_end(store);
    }
    store_leave(store);
    return status;
}
