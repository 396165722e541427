/*
 * wal_bookmark.c -- places of the log that are remembered outside the store, and found again.
 *
 * What a bookmark names may be gone, or have been replaced by another history (a store that was put
 * back from a copy). So the chain is followed from the end that is known to be right backwards, and
 * a bookmark counts where it is in it: in the file that it names, or at the begin of a later one
 * when no frame lay between the two.
 *
 * Tests: tests/unit/test_store_changes.c.
 */
#include "wal_impl.h"

#include <inttypes.h>

/* Log ids are random: their first bytes tell two histories apart. */
static uint32_t log_of(const struct wal_header *header)
{
    struct reader r = reader_over(header->log_id, WAL_ID_BYTES);
    return get_u32(&r);
}

struct wal_bookmark wal_bookmark_in(const struct wal_header *header, const struct wal_place *place)
{
    return (struct wal_bookmark){ .place = *place, .log = log_of(header) };
}

holter_status wal_bookmark(struct wal_bookmark *out, struct wal *wal, const struct wal_place *place,
                           holter_error *err)
{
    const struct wal_source *source;
    if (place->file == 0) {
        *out = (struct wal_bookmark){ .place = *place };
        return HOLTER_OK;
    }
    holter_status status = wal_source_get(&source, wal, place->file, err);
    if (status == HOLTER_OK)
        *out = wal_bookmark_in(&source->header, place);
    return status;
}

static holter_status is_gone(const struct wal *wal, const struct wal_place *place,
                             holter_error *err)
{
    return error_set(err, HOLTER_EXPIRED,
                     "log '%s': the changes from sequence %" PRIu64 " on are no longer kept",
                     wal->directory, place->sequence);
}

static holter_status is_another(const struct wal *wal, const struct wal_place *place,
                                holter_error *err)
{
    return error_set(err, HOLTER_EXPIRED,
                     "log '%s': file %" PRIu64 ", sequence %" PRIu64
                     " is no place of this log, but of a later or another state of the store",
                     wal->directory, place->file, place->sequence);
}

holter_status wal_bookmark_find(struct wal_place *out, struct wal *wal,
                                const struct wal_bookmark *bookmark, const struct wal_place *end,
                                holter_error *err)
{
    static const struct wal_place oldest = { .sequence = 1 };
    const struct wal_place *place = bookmark != NULL ? &bookmark->place : &oldest;
    if (bookmark != NULL && (place->file > end->file || place->sequence > end->sequence))
        return is_another(wal, place, err);
    bool is_found = end->file == 0;
    if (is_found)
        *out = *end;

    for (uint64_t number = end->file; number != 0 && number >= place->file;) {
        const struct wal_source *source;
        holter_status status = number == end->file ? wal_source_get(&source, wal, number, err)
                                                   : wal_source_find(&source, wal, number, err);
        if (status == HOLTER_NOT_FOUND)
            break;
        if (status != HOLTER_OK)
            return status;
        const struct wal_header *header = &source->header;
        if (bookmark != NULL && number == place->file) {
            if (log_of(header) != bookmark->log || header->first_sequence > place->sequence)
                return is_another(wal, place, err);
            *out = *place;
            return HOLTER_OK;
        }
        if (bookmark != NULL && header->first_sequence < place->sequence)
            return is_another(wal, place, err);
        if (bookmark == NULL || header->first_sequence == place->sequence) {
            *out = (struct wal_place){ number, WAL_PAGE_BYTES, header->first_sequence };
            is_found = true;
        }
        number = header->previous_number;
    }
    return is_found ? HOLTER_OK : is_gone(wal, place, err);
}
