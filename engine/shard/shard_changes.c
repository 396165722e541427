/*
 * shard_changes.c -- the change feed of a shard: the log's frames, opened, in order.
 *
 *     kept-..05 kept-..06 | log-..07 log-..08 | end of the newest snapshot
 *            ^ begun here   ^ pinned from here on
 *
 * A feed has a log handle of its own, so that it reads beside commits and maintenance. Its pin is of
 * a snapshot whose end has been given; a newer one replaces it only once all up to that one's end
 * was given, too: so what comes next is always in the log still, whether the feed is kept or not.
 * Only what a bookmark named, older than the pin, may go meanwhile; that is HOLTER_EXPIRED.
 *
 * Tests: tests/unit/test_store_changes.c.
 */
#include "shard/shard_impl.h"

#include <stdlib.h>

struct shard_feed {
    struct shard *shard;
    struct wal *wal;
    struct shard_snapshot *pin;  /* NULL: begun at a place that may be older than what is pinned */
    struct shard_snapshot *next; /* what is read up to; NULL: all up to the pin's end was given */
    struct wal_reader *reader;   /* NULL: nothing lies between */
    struct wal_bookmark at;      /* where there is no reader */
    struct wal_bookmark before;  /* the frame that was given last */
    struct wal_body body;
    struct buffer plain;
};

static void body_drop(struct shard_feed *feed)
{
    wal_body_release(&feed->body);
    feed->body = (struct wal_body){ 0 };
    if (feed->plain.data != NULL)
        crypto_wipe(feed->plain.data, feed->plain.capacity);
    buffer_clear(&feed->plain);
}

void shard_feed_close(struct shard_feed *feed)
{
    if (feed == NULL)
        return;
    wal_reader_close(feed->reader);
    shard_snapshot_close(feed->next);
    shard_snapshot_close(feed->pin);
    wal_close(feed->wal);
    body_drop(feed);
    buffer_release(&feed->plain);
    free(feed);
}

struct wal_bookmark shard_feed_bookmark(const struct shard_feed *feed, bool is_told)
{
    if (!is_told)
        return feed->before;
    return feed->reader != NULL ? wal_reader_bookmark(feed->reader) : feed->at;
}

/* All up to the end of `next` was given. */
static holter_status arrive(struct shard_feed *feed, holter_error *err)
{
    holter_status status = wal_bookmark(&feed->at, feed->wal, &feed->next->end, err);
    if (status != HOLTER_OK)
        return status;
    wal_reader_close(feed->reader);
    feed->reader = NULL;
    shard_snapshot_close(feed->pin);
    feed->pin = feed->next;
    feed->next = NULL;
    feed->before = feed->at;
    return HOLTER_OK;
}

static holter_status read_from(struct shard_feed *feed, const struct wal_place *place,
                               holter_error *err)
{
    struct wal_read_spec spec = { .from = *place, .end = &feed->next->end };
    if (place->sequence >= feed->next->end.sequence)
        return arrive(feed, err);
    return wal_reader_open(&feed->reader, feed->wal, &spec, err);
}

holter_status shard_feed_refresh(struct shard_feed *feed, holter_error *err)
{
    if (feed->next != NULL)
        return HOLTER_OK;
    struct shard_snapshot *snapshot;
    holter_status status = shard_snapshot_open(&snapshot, feed->shard, err);
    if (status != HOLTER_OK)
        return status;
    /* Without a head page a reader may find the end earlier than it was told before. */
    if (snapshot->end.sequence < feed->at.place.sequence) {
        shard_snapshot_close(snapshot);
        return HOLTER_OK;
    }
    feed->next = snapshot;
    status = read_from(feed, &feed->at.place, err);
    if (status != HOLTER_OK) {
        shard_snapshot_close(feed->next);
        feed->next = NULL;
    }
    return status;
}

/* What is older than the pin may go between two looks at it: then the next one tells. */
enum { BEGIN_TRIES_MAX = 3 };

static holter_status begin(struct shard_feed *feed, const struct wal_bookmark *from, bool from_now,
                           holter_error *err)
{
    struct wal_place place;
    holter_status status = shard_snapshot_open(&feed->next, feed->shard, err);
    if (status != HOLTER_OK)
        return status;
    if (from_now)
        return arrive(feed, err);
    status = HOLTER_CORRUPT;
    for (int i = 0; i < BEGIN_TRIES_MAX && status == HOLTER_CORRUPT; i++) {
        status = wal_bookmark_find(&place, feed->wal, from, &feed->next->end, err);
        if (status == HOLTER_OK)
            status = read_from(feed, &place, err);
    }
    if (status == HOLTER_OK && feed->reader != NULL)
        feed->before = wal_reader_bookmark(feed->reader);
    return status;
}

holter_status shard_feed_open(struct shard_feed **out, struct shard *shard,
                              const struct wal_bookmark *from, bool from_now, holter_error *err)
{
    *out = NULL;
    struct shard_feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "'%s': no memory for a feed", shard->directory);
    feed->shard = shard;
    buffer_init(&feed->plain);
    holter_status status = shard_wal_open(&feed->wal, shard, true, err);
    if (status == HOLTER_OK)
        status = begin(feed, from, from_now, err);
    if (status != HOLTER_OK) {
        shard_feed_close(feed);
        return status;
    }
    *out = feed;
    return HOLTER_OK;
}

/* A file that went while it was read looks like damage. */
static holter_status tell_gone(struct shard_feed *feed, holter_status status, holter_error *err)
{
    struct wal_place place;
    struct wal_bookmark mark = wal_reader_bookmark(feed->reader);
    if (status == HOLTER_CORRUPT && feed->pin == NULL &&
        wal_bookmark_find(&place, feed->wal, &mark, &feed->next->end, NULL) == HOLTER_EXPIRED)
        return error_set(err, HOLTER_EXPIRED,
                         "'%s': the changes from sequence %llu on went while they were read",
                         feed->shard->directory, (unsigned long long)mark.place.sequence);
    return status;
}

static holter_status frame_open(struct shard_feed *feed, const struct wal_frame_read *frame,
                                holter_error *err)
{
    const struct shard_spec *spec = &feed->shard->spec;
    const struct crypto_key *key;
    uint32_t newest;
    holter_status status =
        spec->keys.get(spec->keys.context, frame->user, frame->key_generation, &key, &newest, err);
    if (status != HOLTER_OK)
        return status;
    status = shard_frame_open(&feed->body, feed->shard, feed->wal, frame, key, &feed->plain, err);
    spec->keys.put(spec->keys.context, key);
    return status;
}

holter_status shard_feed_next(struct shard_change *out, struct shard_feed *feed, uint64_t user,
                              holter_error *err)
{
    for (;;) {
        struct wal_frame_read frame;
        body_drop(feed);
        if (feed->reader == NULL)
            return HOLTER_DONE;
        feed->before = wal_reader_bookmark(feed->reader);
        holter_status status = wal_reader_next(feed->reader, &frame, err);
        if (status == HOLTER_DONE) {
            status = arrive(feed, err);
            return status == HOLTER_OK ? HOLTER_DONE : status;
        }
        if (status != HOLTER_OK)
            return tell_gone(feed, status, err);
        if (user != 0 && frame.user != user)
            continue;
        status = frame_open(feed, &frame, err);
        if (status == HOLTER_EXPIRED)
            continue; /* D5 */
        if (status != HOLTER_OK)
            return status;
        *out = (struct shard_change){ .user = frame.user,
                                      .sequence = frame.sequence,
                                      .body = &feed->body };
        return HOLTER_OK;
    }
}
