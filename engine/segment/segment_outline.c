/*
 * segment_outline.c -- the outline of a user's section: its index, and the block headers and rollups that
 * were asked for.
 *
 *     section: | pieces of payload .. | rollups .. | block headers .. | index |
 *                                           |<------ one read -------------->|   begins at a page
 *
 * An outline is read once and kept by whoever counts it, without the file and without a key: what it
 * tells needs neither any more. Headers and rollups join it as they are asked for, a series at a time; of two
 * threads that read the same ones the later drops its own. What an outline held is wiped when the last
 * count goes.
 *
 * Pair: an outline's `headers` and `rollups` are stored with release and loaded with acquire.
 */
#include "segment_impl.h"

#include <stdlib.h>
#include <string.h>

enum { TAIL_BYTES = 4096 }; /* of a section, at the least, that are read at once */

static holter_status no_memory(const struct segment_access *access, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "segment '%s': user #%016llx: no memory for its index",
                     access->segment->path, (unsigned long long)access->user->user);
}

holter_status segment_access_open(const struct segment_access *access, enum segment_piece_kind kind,
                                  uint64_t offset, uint8_t *memory, size_t bytes, holter_error *err)
{
    const struct segment *segment = access->segment;
    const struct segment_user *user = access->user;
    struct segment_piece piece = { user->user, user->key_generation, kind, offset };
    if (!segment_piece_open(memory, bytes, &segment->identity, &piece, access->key))
        return error_set(err, HOLTER_CORRUPT,
                         "segment '%s': user #%016llx: the %zu bytes at offset %llu are not what "
                         "was sealed there",
                         segment->path, (unsigned long long)user->user, bytes,
                         (unsigned long long)offset);
    return HOLTER_OK;
}

/* ---- counting -------------------------------------------------------------------------------- */

struct segment_outline *segment_outline_ref(struct segment_outline *outline)
{
    atomic_fetch_add_explicit(&outline->references, 1, memory_order_relaxed);
    return outline;
}

static void free_wiped(void *memory, size_t bytes)
{
    if (memory != NULL)
        crypto_wipe(memory, bytes);
    free(memory);
}

static void headers_free(struct segment_headers *headers)
{
    if (headers == NULL)
        return;
    size_t count = headers->count + 1;
    free_wiped(headers->blocks, count * sizeof *headers->blocks);
    free_wiped(headers->fields, count * headers->field_count * sizeof *headers->fields);
    free_wiped(headers->places, headers->count * sizeof *headers->places);
    free_wiped(headers->models, headers->model_bytes);
    free(headers);
}

void segment_outline_unref(struct segment_outline *outline)
{
    if (outline == NULL ||
        atomic_fetch_sub_explicit(&outline->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; outline->headers != NULL && i < outline->index.count; i++)
        headers_free(atomic_load_explicit(&outline->headers[i], memory_order_relaxed));
    for (size_t i = 0; outline->rollups != NULL && i < outline->index.count; i++)
        headers_free(atomic_load_explicit(&outline->rollups[i], memory_order_relaxed));
    free(outline->headers);
    free(outline->rollups);
    if (outline->index.entries != NULL)
        crypto_wipe(outline->index.entries, outline->index.count * sizeof *outline->index.entries);
    segment_index_release(&outline->index);
    free_wiped(outline->plain, outline->plain_bytes);
    free(outline->tail);
    free(outline);
}

uint32_t segment_outline_key_generation(const struct segment_outline *outline)
{
    return outline->user.key_generation;
}

size_t segment_outline_bytes(const struct segment_outline *outline)
{
    return atomic_load_explicit(&outline->bytes, memory_order_relaxed);
}

/* ---- the index ------------------------------------------------------------------------------- */

/* The directory is not sealed: what it says of times has to be what the index says. */
static bool is_directory_right(const struct segment_outline *outline)
{
    const struct segment_index *index = &outline->index;
    int64_t begin_min = 0;
    int64_t begin_max = 0;
    int64_t end_max = 0;
    for (size_t i = 0; i < index->count; i++) {
        const struct segment_series *series = &index->entries[i].series;
        if (i == 0 || series->begin_min < begin_min)
            begin_min = series->begin_min;
        if (i == 0 || series->begin_max > begin_max)
            begin_max = series->begin_max;
        if (i == 0 || series->end_max > end_max)
            end_max = series->end_max;
    }
    return begin_min == outline->user.begin_min && begin_max == outline->user.begin_max &&
           end_max == outline->user.end_max;
}

/* Where to read from, so that block headers come along with the index. */
static uint64_t tail_offset(const struct segment_user *user)
{
    uint64_t end = user->section_offset + user->section_bytes;
    uint64_t begin = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
    begin -= begin % CORE_PAGE_BYTES;
    begin = begin > user->section_offset ? begin : user->section_offset;
    return begin < user->index_offset ? begin : user->index_offset;
}

void segment_section_expect(struct segment *segment, const struct segment_user *user)
{
    uint64_t begin = tail_offset(user);
    io_expect(segment->file, begin, user->section_offset + user->section_bytes - begin);
}

/* *bytes [*offset, the section's end): a bad sector outside of the index is no concern of it. */
static holter_status tail_read(uint8_t **bytes, uint64_t *offset,
                               const struct segment_access *access, holter_error *err)
{
    const struct segment_user *user = access->user;
    uint64_t end = user->section_offset + user->section_bytes;
    uint64_t begin = tail_offset(user);
    *bytes = malloc((size_t)(end - begin));
    if (*bytes == NULL)
        return error_set(err, HOLTER_NO_MEMORY,
                         "segment '%s': user #%016llx: no memory for an index of %u bytes",
                         access->segment->path, (unsigned long long)user->user, user->index_bytes);
    *offset = begin;
    holter_error own = { 0 };
    holter_status status = io_read_exactly(access->queue, access->segment->file, begin, *bytes,
                                           (size_t)(end - begin), &own);
    if (status == HOLTER_IO && begin < user->index_offset) {
        *offset = user->index_offset;
        status = io_read_exactly(access->queue, access->segment->file, user->index_offset, *bytes,
                                 user->index_bytes, &own);
    }
    if (status != HOLTER_OK && err != NULL)
        *err = own;
    return status;
}

/* Of what was read keep the sealed rollups and block headers; `bytes` are from `offset` on. False: no memory. */
static bool tail_keep(struct segment_outline *outline, const uint8_t *bytes, uint64_t offset)
{
    const struct segment_user *user = &outline->user;
    uint64_t begin = user->section_offset + outline->index.entries[0].rollup_offset;
    begin = begin > offset ? begin : offset;
    if (begin >= user->index_offset)
        return true;
    size_t count = (size_t)(user->index_offset - begin);
    outline->tail = malloc(count);
    if (outline->tail == NULL)
        return false;
    memcpy(outline->tail, bytes + (begin - offset), count);
    outline->tail_offset = begin;
    outline->tail_bytes = count;
    return true;
}

static holter_status index_read(struct segment_outline *outline,
                                const struct segment_access *access, holter_error *err)
{
    const struct segment_user *user = &outline->user;
    const struct segment *segment = access->segment;
    enum segment_piece_kind kind = outline->is_whole ? SEGMENT_PIECE_WHOLE : SEGMENT_PIECE_INDEX;
    size_t plain_bytes = user->index_bytes - CRYPTO_TAG_BYTES;
    uint8_t *bytes = NULL;
    uint64_t offset = 0;
    const char *what = NULL;
    holter_status status = tail_read(&bytes, &offset, access, err);
    if (status != HOLTER_OK)
        goto done;
    uint8_t *index = bytes + (user->index_offset - offset);
    status = segment_access_open(access, kind, user->index_offset, index, user->index_bytes, err);
    if (status != HOLTER_OK)
        goto done;
    status = segment_index_decode(&outline->index, index, plain_bytes, outline->is_whole,
                                  user->section_bytes, user->index_bytes,
                                  segment->footer.traits.sequence_max, &what);
    for (size_t i = 0; status == HOLTER_OK && i < outline->index.count; i++) {
        if (outline->index.entries[i].rollup_bytes != 0 &&
            segment->footer.traits.tier == SEGMENT_TIER_HOT) {
            status = HOLTER_CORRUPT;
            what = "a series of a hot file has a rollup";
        }
    }
    if (status == HOLTER_OK && !is_directory_right(outline)) {
        status = HOLTER_CORRUPT;
        what = "its times are not those of the directory";
    }
    if (status != HOLTER_OK) {
        error_set(err, status, "segment '%s': user #%016llx: index at offset %llu: %s",
                  segment->path, (unsigned long long)user->user,
                  (unsigned long long)user->index_offset, what);
    } else if (outline->is_whole) {
        outline->plain = bytes; /* which begin with the index */
        outline->plain_bytes = plain_bytes;
        bytes = NULL;
    } else {
        status = tail_keep(outline, bytes, offset) ? HOLTER_OK : no_memory(access, err);
        crypto_wipe(index, plain_bytes);
    }
done:
    free(bytes);
    return status;
}

holter_status segment_outline_open(struct segment_outline **out,
                                   const struct segment_access *access, holter_error *err)
{
    *out = NULL;
    struct segment_outline *outline = calloc(1, sizeof *outline);
    if (outline == NULL)
        return no_memory(access, err);
    atomic_init(&outline->references, 1);
    outline->user = *access->user;
    outline->is_whole = access->user->index_bytes == access->user->section_bytes;
    outline->block_rows = segment_block_rows(&access->segment->footer.traits);
    tombstones_init(&outline->index.tombstones);
    holter_status status = index_read(outline, access, err);
    if (status == HOLTER_OK) {
        outline->headers = core_calloc(outline->index.count, sizeof *outline->headers);
        outline->rollups = core_calloc(outline->index.count, sizeof *outline->rollups);
        if (outline->headers == NULL || outline->rollups == NULL)
            status = no_memory(access, err);
    }
    if (status == HOLTER_OK) {
        size_t series_bytes = sizeof *outline->index.entries + 2 * sizeof *outline->headers;
        atomic_init(&outline->bytes,
                    sizeof *outline + outline->plain_bytes + outline->tail_bytes +
                        outline->index.count * series_bytes +
                        outline->index.tombstones.count * sizeof(struct tombstone));
        *out = outline;
        outline = NULL;
    }
    segment_outline_unref(outline);
    return status;
}

/* ---- block headers --------------------------------------------------------------------------- */

void segment_headers_block(struct segment_block *out, const struct segment_headers *headers,
                           size_t index)
{
    const struct segment_header *block = &headers->blocks[index];
    out->rows = block->rows;
    out->flagged = block->flagged;
    out->begin_min = block->begin_min;
    out->begin_max = block->begin_max;
    out->end_max = block->end_max;
    memcpy(out->field, headers->fields + index * headers->field_count,
           headers->field_count * sizeof *out->field);
}

static void headers_put(struct segment_headers *headers, size_t index,
                        const struct segment_block *block)
{
    headers->blocks[index] = (struct segment_header){ .begin_min = block->begin_min,
                                                      .begin_max = block->begin_max,
                                                      .end_max = block->end_max,
                                                      .rows = block->rows,
                                                      .flagged = block->flagged };
    memcpy(headers->fields + index * headers->field_count, block->field,
           headers->field_count * sizeof *block->field);
}

/* Of integers: false where a sum of all would not fit. */
static void total_add(struct segment_block *total, const struct segment_block *block,
                      const struct schema *schema)
{
    bool had_none = total->rows == total->flagged;
    bool has_none = block->rows == block->flagged;
    for (size_t f = 0; !has_none && f < schema->field_count; f++) {
        if (schema->types[f] != FIELD_INT && schema->types[f] != FIELD_ENUM)
            continue;
        uint64_t low = (uint64_t)total->field[f].sum_low;
        uint64_t sum = low + (uint64_t)block->field[f].sum_low;
        uint64_t high = (uint64_t)total->field[f].sum_high + (uint64_t)block->field[f].sum_high;
        total->field[f].sum_low = (int64_t)sum;
        total->field[f].sum_high = (int64_t)(high + (sum < low));
        if (had_none || block->field[f].min < total->field[f].min)
            total->field[f].min = block->field[f].min;
        if (had_none || block->field[f].max > total->field[f].max)
            total->field[f].max = block->field[f].max;
    }
    total->rows += block->rows;
    total->flagged += block->flagged;
}

/* All blocks in one, behind the others. Floats are left out: their sums are rounded at each block. */
static void headers_put_total(struct segment_headers *headers, const struct segment_block *blocks,
                              const struct segment_series *series)
{
    struct segment_block total = { 0 };
    headers->has_total = series->rows <= UINT32_MAX;
    for (size_t f = 0; f < series->schema.field_count; f++)
        headers->has_total = headers->has_total && series->schema.types[f] != FIELD_FLOAT;
    for (size_t i = 0; headers->has_total && i < headers->count; i++)
        total_add(&total, &blocks[i], &series->schema);
    total.begin_min = series->begin_min;
    total.begin_max = series->begin_max;
    total.end_max = series->end_max;
    headers_put(headers, headers->count, &total);
}

static holter_status headers_decode(struct segment_headers **out,
                                    const struct segment_outline *outline,
                                    const struct segment_access *access, size_t series,
                                    const uint8_t *plain, size_t bytes, holter_error *err)
{
    const struct segment_entry *entry = &outline->index.entries[series];
    size_t count = entry->series.blocks;
    const char *what = "it has fewer bytes than blocks";
    struct segment_block *blocks = NULL;
    struct segment_headers *headers = NULL;
    struct reader models;
    holter_status status = HOLTER_CORRUPT;
    if (count > bytes / SEGMENT_BLOCK_BYTES_MIN)
        goto done;
    status = HOLTER_NO_MEMORY;
    what = "no memory to decode them";
    core_assert(count > 0);                  /* or the index had been refused */
    blocks = malloc(count * sizeof *blocks); /* decoding zeroes them; bytes bound the count */
    headers = calloc(1, sizeof *headers);
    if (blocks == NULL || headers == NULL)
        goto done;
    headers->count = count;
    headers->field_count = entry->series.schema.field_count;
    headers->blocks = core_calloc(count + 1, sizeof *headers->blocks);
    headers->fields = core_calloc(count + 1, headers->field_count * sizeof *headers->fields);
    headers->places = core_calloc(count, sizeof *headers->places);
    if (headers->blocks == NULL || headers->fields == NULL || headers->places == NULL)
        goto done;
    status = segment_blocks_decode(blocks, headers->places, plain, bytes, entry, outline->is_whole,
                                   outline->block_rows, &models, &what);
    if (status == HOLTER_OK && models.left > 0) {
        headers->models = malloc(models.left);
        if (headers->models == NULL) {
            status = HOLTER_NO_MEMORY;
            what = "no memory for its models";
        } else {
            headers->model_bytes = models.left;
            memcpy(headers->models, models.at, models.left);
        }
    }
    if (status != HOLTER_OK)
        goto done;
    for (size_t i = 0; i < count; i++)
        headers_put(headers, i, &blocks[i]);
    headers_put_total(headers, blocks, &entry->series);
    *out = headers;
    headers = NULL;
done:
    if (status != HOLTER_OK)
        error_set(err, status, "segment '%s': user #%016llx: block headers at offset %llu: %s",
                  access->segment->path, (unsigned long long)outline->user.user,
                  (unsigned long long)(outline->user.section_offset + entry->header_offset), what);
    headers_free(headers);
    free_wiped(blocks, blocks != NULL ? count * sizeof *blocks : 0);
    return status;
}

/*
 * A piece of block headers or a rollup, `*bytes` of it at `place` in the section, opened: *piece owned, or
 * NULL where *plain lies in the outline.
 */
static holter_status plain_piece(uint8_t **piece, const uint8_t **plain, size_t *bytes,
                                 const struct segment_outline *outline,
                                 const struct segment_access *access, enum segment_piece_kind kind,
                                 uint64_t place, holter_error *err)
{
    *piece = NULL;
    if (outline->is_whole) {
        *plain = outline->plain + place;
        return HOLTER_OK;
    }
    uint64_t offset = outline->user.section_offset + place;
    if (*bytes <= CRYPTO_TAG_BYTES) {
        *bytes = 0; /* in which is nothing */
        return HOLTER_OK;
    }
    *piece = malloc(*bytes);
    if (*piece == NULL)
        return no_memory(access, err);
    holter_status status = HOLTER_OK;
    if (outline->tail != NULL && offset >= outline->tail_offset)
        memcpy(*piece, outline->tail + (offset - outline->tail_offset), *bytes);
    else
        status = io_read_exactly(access->queue, access->segment->file, offset, *piece, *bytes, err);
    if (status == HOLTER_OK)
        status = segment_access_open(access, kind, offset, *piece, *bytes, err);
    *plain = *piece;
    *bytes -= CRYPTO_TAG_BYTES;
    return status;
}

/* Into its place, unless another thread was faster. Answers what is there then. */
static const struct segment_headers *headers_publish(struct segment_outline *outline,
                                                     _Atomic(struct segment_headers *) *place,
                                                     struct segment_headers *headers)
{
    struct segment_headers *there = NULL;
    size_t block_bytes = sizeof *headers->blocks + headers->field_count * sizeof *headers->fields +
                         (headers->places != NULL ? sizeof *headers->places : 0);
    if (!atomic_compare_exchange_strong_explicit(place, &there, headers, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        headers_free(headers);
        return there;
    }
    atomic_fetch_add_explicit(&outline->bytes,
                              sizeof *headers + (headers->count + 1) * block_bytes +
                                  headers->model_bytes,
                              memory_order_relaxed);
    return headers;
}

const struct segment_headers *segment_outline_known(const struct segment_outline *outline,
                                                    size_t series)
{
    return atomic_load_explicit(&outline->headers[series], memory_order_acquire);
}

holter_status segment_outline_headers(const struct segment_headers **out,
                                      struct segment_outline *outline, size_t series,
                                      const struct segment_access *access, holter_error *err)
{
    uint8_t *piece;
    const uint8_t *plain = NULL;
    const struct segment_entry *entry = &outline->index.entries[series];
    size_t bytes = (size_t)entry->header_bytes;
    struct segment_headers *headers = NULL;
    holter_status status = plain_piece(&piece, &plain, &bytes, outline, access,
                                       SEGMENT_PIECE_BLOCKS, entry->header_offset, err);
    if (status == HOLTER_OK)
        status = headers_decode(&headers, outline, access, series, plain, bytes, err);
    free_wiped(piece, piece != NULL ? bytes : 0);
    if (status == HOLTER_OK)
        *out = headers_publish(outline, &outline->headers[series], headers);
    return status;
}

/* ---- rollups --------------------------------------------------------------------------------- */

holter_status segment_outline_rollup_read(struct segment_rollup *rollup,
                                          const struct segment_outline *outline, size_t series,
                                          const struct segment_access *access, bool with_states,
                                          holter_error *err)
{
    const struct segment_entry *entry = &outline->index.entries[series];
    uint8_t *piece;
    const uint8_t *plain = NULL;
    size_t bytes = (size_t)entry->rollup_bytes;
    const char *what = "it has no bytes";
    holter_status status = plain_piece(&piece, &plain, &bytes, outline, access,
                                       SEGMENT_PIECE_ROLLUP, entry->rollup_offset, err);
    if (status != HOLTER_OK)
        goto done;
    status = HOLTER_CORRUPT;
    if (bytes > 0)
        status = segment_rollup_decode(rollup, plain, bytes, &entry->series, with_states, &what);
    if (status != HOLTER_OK)
        status =
            error_set(err, status, "segment '%s': user #%016llx: rollup at offset %llu: %s",
                      access->segment->path, (unsigned long long)outline->user.user,
                      (unsigned long long)(outline->user.section_offset + entry->rollup_offset),
                      what);
done:
    free_wiped(piece, piece != NULL ? bytes : 0);
    return status;
}

const struct segment_headers *segment_outline_known_rollup(const struct segment_outline *outline,
                                                           size_t series)
{
    return atomic_load_explicit(&outline->rollups[series], memory_order_acquire);
}

/* Without places, as buckets have none. */
static struct segment_headers *headers_of_rollup(const struct segment_rollup *rollup,
                                                 size_t field_count)
{
    struct segment_headers *headers = calloc(1, sizeof *headers);
    if (headers == NULL)
        return NULL;
    headers->count = rollup->count;
    headers->field_count = field_count;
    headers->blocks = core_calloc(rollup->count + 1, sizeof *headers->blocks);
    headers->fields = core_calloc(rollup->count + 1, field_count * sizeof *headers->fields);
    if (headers->blocks == NULL || headers->fields == NULL) {
        headers_free(headers);
        return NULL;
    }
    for (size_t i = 0; i < rollup->count; i++)
        headers_put(headers, i, &rollup->buckets[i]);
    return headers;
}

holter_status segment_outline_rollup(const struct segment_headers **out,
                                     struct segment_outline *outline, size_t series,
                                     const struct segment_access *access, holter_error *err)
{
    struct segment_rollup rollup = { 0 };
    struct segment_headers *headers = NULL;
    size_t field_count = outline->index.entries[series].series.schema.field_count;
    holter_status status =
        segment_outline_rollup_read(&rollup, outline, series, access, false, err);
    if (status == HOLTER_OK) {
        headers = headers_of_rollup(&rollup, field_count);
        if (headers == NULL)
            status = no_memory(access, err);
    }
    if (status == HOLTER_OK)
        *out = headers_publish(outline, &outline->rollups[series], headers);
    segment_rollup_release(&rollup);
    return status;
}
