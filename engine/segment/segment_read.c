/*
 * segment_read.c -- opening a segment, and finding a user in its directory.
 *
 * An open segment is immutable but for directory pages that join it: the footer is checked once, a
 * page is read with the caller's queue, and the first few that were searched stay, so that any thread
 * may look up. Of two copies either
 * will do: the second is looked at only where the first is not whole (S3).
 */
#include "segment_impl.h"

#include <stdlib.h>
#include <string.h>

/* Whether a failed read may be the fault of one bad sector, so that the other copy is worth a
   look. */
static bool is_damage(holter_status status)
{
    return status == HOLTER_IO || status == HOLTER_CORRUPT || status == HOLTER_UNSUPPORTED;
}

static holter_status footer_read_at(struct segment *segment, struct io_queue *queue,
                                    uint64_t offset, uint64_t file_bytes, holter_error *err)
{
    uint8_t bytes[SEGMENT_FOOTER_BYTES];
    const char *what = NULL;
    holter_status status = io_read_exactly(queue, segment->file, offset, bytes, sizeof bytes, err);
    if (status != HOLTER_OK)
        return status;
    status = segment_footer_decode(&segment->footer, bytes, &segment->identity, file_bytes, &what);
    if (status != HOLTER_OK)
        error_set(err, status, "segment '%s': footer at offset %llu: %s", segment->path,
                  (unsigned long long)offset, what);
    return status;
}

/* That at the end, else that at the beginning; neither: what is wrong with the former. */
static holter_status footer_read(struct segment *segment, struct io_queue *queue, holter_error *err)
{
    uint64_t file_bytes = 0;
    holter_status status = io_size(&file_bytes, segment->file, err);
    if (status != HOLTER_OK)
        return status;
    if (file_bytes < SEGMENT_FILE_BYTES_MIN || file_bytes % SEGMENT_PAGE_BYTES != 0)
        return error_set(
            err, HOLTER_CORRUPT,
            "segment '%s': found %llu bytes, expected a multiple of %d, and %d at the least",
            segment->path, (unsigned long long)file_bytes, SEGMENT_PAGE_BYTES,
            SEGMENT_FILE_BYTES_MIN);
    status = footer_read_at(segment, queue, file_bytes - SEGMENT_FOOTER_BYTES, file_bytes, err);
    if (is_damage(status) && footer_read_at(segment, queue, 0, file_bytes, NULL) == HOLTER_OK)
        return HOLTER_OK;
    return status;
}

holter_status segment_open(struct segment **out, const struct segment_spec *spec,
                           const uint8_t id[static SEGMENT_ID_BYTES], uint64_t footer_hash,
                           holter_error *err)
{
    *out = NULL;
    struct io_queue *queue = NULL;
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, id);
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory to open it", name);
    segment->io = spec->io;
    memcpy(segment->identity.store_id, spec->store_id, sizeof segment->identity.store_id);
    memcpy(segment->identity.id, id, SEGMENT_ID_BYTES);
    segment->identity.place = spec->place;
    segment->identity.is_sealed = spec->is_sealed;

    holter_status status = HOLTER_OK;
    if (!io_path_join(segment->path, spec->directory, name, NULL, NULL))
        status = error_set(err, HOLTER_INVALID, "segment: the path of directory '%s' is too long",
                           spec->directory);
    if (status == HOLTER_OK)
        status = io_open(&segment->file, spec->io, segment->path, 0, err);
    if (status == HOLTER_OK)
        status = io_queue_open(&queue, spec->io, 1, err);
    if (status != HOLTER_OK)
        goto done;
    status = footer_read(segment, queue, err);
    if (status == HOLTER_OK && footer_hash != 0 &&
        segment->footer.summary.footer_hash != footer_hash)
        status = error_set(err, HOLTER_CORRUPT,
                           "segment '%s': found footer hash %016llx, expected %016llx",
                           segment->path, (unsigned long long)segment->footer.summary.footer_hash,
                           (unsigned long long)footer_hash);
    if (status != HOLTER_OK)
        goto done;
    *out = segment;
    segment = NULL; /* now the caller's */
done:
    io_queue_close(queue);
    segment_close(segment);
    return status;
}

void segment_close(struct segment *segment)
{
    if (segment == NULL)
        return;
    io_close(segment->file);
    for (size_t i = 0; i < SEGMENT_PAGES_KEPT; i++)
        free(atomic_load_explicit(&segment->pages[i], memory_order_relaxed));
    free(segment);
}

/* ---- directory ------------------------------------------------------------------------------- */

static holter_status page_read(struct segment_user users[static SEGMENT_PAGE_ENTRIES],
                               size_t *count, struct segment *segment, struct io_queue *queue,
                               uint32_t page, holter_error *err)
{
    holter_status status = HOLTER_OK;
    for (int copy = 0; copy < 2; copy++) {
        uint8_t bytes[SEGMENT_PAGE_BYTES];
        uint64_t offset = segment_page_offset(&segment->footer, page, copy);
        const char *what = NULL;
        status =
            io_read_exactly(queue, segment->file, offset, bytes, segment->footer.page_bytes, err);
        if (status == HOLTER_OK) {
            status = segment_page_decode(users, count, bytes, &segment->footer, page, &what);
            if (status != HOLTER_OK)
                error_set(err, status, "segment '%s': directory page at offset %llu: %s",
                          segment->path, (unsigned long long)offset, what);
        }
        if (!is_damage(status))
            break;
    }
    return status;
}

/*
 * A page to search: one that is kept, or *own, read, and kept where its place is free. Pair: pages are
 * stored with release, loaded with acquire.
 */
static holter_status page_find(const struct segment_page **out, struct segment_page *own,
                               struct segment *segment, struct io_queue *queue, uint32_t number,
                               holter_error *err)
{
    _Atomic(struct segment_page *) *place = &segment->pages[number % SEGMENT_PAGES_KEPT];
    struct segment_page *kept = atomic_load_explicit(place, memory_order_acquire);
    if (kept != NULL && kept->number == number) {
        *out = kept;
        return HOLTER_OK;
    }
    own->number = number;
    holter_status status = page_read(own->users, &own->count, segment, queue, number, err);
    if (status != HOLTER_OK)
        return status;
    *out = own;
    if (kept != NULL)
        return HOLTER_OK;
    struct segment_page *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory for a directory page",
                         segment->path);
    *copy = *own;
    if (!atomic_compare_exchange_strong_explicit(place, &kept, copy, memory_order_release,
                                                 memory_order_relaxed))
        free(copy);
    return HOLTER_OK;
}

uint64_t segment_user_count(const struct segment *segment)
{
    return segment->footer.summary.users;
}

holter_status segment_user_at(struct segment_user *out, struct segment *segment,
                              struct io_queue *queue, uint64_t index, holter_error *err)
{
    if (index >= segment->footer.summary.users)
        return error_set(err, HOLTER_INVALID, "segment '%s': user at index %llu of %llu",
                         segment->path, (unsigned long long)index,
                         (unsigned long long)segment->footer.summary.users);
    struct segment_user users[SEGMENT_PAGE_ENTRIES];
    size_t entries = segment_page_entries(&segment->footer);
    size_t count = 0;
    holter_status status =
        page_read(users, &count, segment, queue, (uint32_t)(index / entries), err);
    if (status == HOLTER_OK)
        *out = users[index % entries];
    return status;
}

static holter_status user_not_found(const struct segment *segment, uint64_t user, holter_error *err)
{
    return error_set(err, HOLTER_NOT_FOUND, "segment '%s': user #%016llx has nothing here",
                     segment->path, (unsigned long long)user);
}

/*
 * A page between `low` and `high` (excluded) to look at. User numbers are random, so the place is
 * guessed from the number at first, which finds it in one or two reads; halving then bounds the
 * count.
 */
static uint32_t page_guess(uint32_t low, uint32_t high, uint64_t user, uint64_t user_low,
                           uint64_t user_high, unsigned reads)
{
    uint32_t pages = high - low;
    if (reads >= 3 || user_high <= user_low || user < user_low)
        return low + pages / 2;
    double part = (double)(user - user_low) / (double)(user_high - user_low);
    double guess = part * (double)pages;
    return guess < (double)(pages - 1) ? low + (uint32_t)guess : high - 1;
}

holter_status segment_user_find(struct segment_user *out, struct segment *segment,
                                struct io_queue *queue, uint64_t user, holter_error *err)
{
    uint64_t user_low = segment->footer.summary.user_min;
    uint64_t user_high = segment->footer.summary.user_max;
    if (user < user_low || user > user_high)
        return user_not_found(segment, user, err);

    uint32_t low = 0;
    uint32_t high = segment->footer.page_count;
    for (unsigned reads = 0; low < high; reads++) {
        uint32_t page = page_guess(low, high, user, user_low, user_high, reads);
        struct segment_page own;
        const struct segment_page *found = NULL;
        holter_status status = page_find(&found, &own, segment, queue, page, err);
        if (status != HOLTER_OK)
            return status;
        const struct segment_user *users = found->users;
        size_t count = found->count;
        if (user < users[0].user) {
            high = page;
            user_high = users[0].user;
        } else if (user > users[count - 1].user) {
            low = page + 1;
            user_low = users[count - 1].user;
        } else {
            for (size_t i = 0; i < count; i++) {
                if (users[i].user == user) {
                    *out = users[i];
                    return HOLTER_OK;
                }
            }
            break;
        }
    }
    return user_not_found(segment, user, err);
}

void segment_user_expect(struct segment *segment, uint64_t user)
{
    const struct segment_summary *summary = &segment->footer.summary;
    if (user < summary->user_min || user > summary->user_max)
        return;
    uint32_t number =
        page_guess(0, segment->footer.page_count, user, summary->user_min, summary->user_max, 0);
    const struct segment_page *kept =
        atomic_load_explicit(&segment->pages[number % SEGMENT_PAGES_KEPT], memory_order_acquire);
    if (kept == NULL || kept->number != number)
        io_expect(segment->file, segment_page_offset(&segment->footer, number, 0),
                  segment->footer.page_bytes);
}

void segment_expect(struct segment *segment)
{
    static const uint64_t bytes = 1 << 20; /* what follows the system reads ahead by itself */
    io_expect(segment->file, 0, bytes);
}

struct segment_traits segment_traits_get(const struct segment *segment)
{
    return segment->footer.traits;
}

struct segment_summary segment_summary_get(const struct segment *segment)
{
    return segment->footer.summary;
}
