/*
 * segment_section.c -- a user's section: its index, and runs over the blocks of a series.
 *
 *     section: index opened once (a whole section: all of it)
 *     run:     block headers opened at the start, then piece by piece, each block decoded
 *              into the same columns
 *
 * Piece and columns belong to the run, so a block is borrowed until the next read.
 */
#include "segment_impl.h"

#include <stdlib.h>

struct segment_section {
    struct segment *segment;
    struct segment_user user;
    struct io_queue *queue;
    struct crypto_key *key;
    bool is_whole;
    uint8_t *plain; /* of the index piece; kept where it is the whole section, else NULL */
    struct segment_index index;
};

struct segment_run {
    struct segment_section *section;
    const struct segment_entry *entry;
    int64_t from, to, ends_after;
    struct segment_block *blocks;
    struct segment_place *places;
    size_t next; /* block to look at */
    uint8_t *piece;
    size_t piece_capacity;
    uint64_t piece_offset; /* which piece is opened, where has_piece */
    bool has_piece;
    struct columns columns;
};

/* Read and open a piece of `bytes` (sealed, checked to lie in the section) into memory. */
static holter_status piece_read(const struct segment_section *section, enum segment_piece_kind kind,
                                uint64_t offset, uint8_t *memory, size_t bytes, holter_error *err)
{
    struct segment *segment = section->segment;
    const struct segment_user *user = &section->user;
    holter_status status =
        io_read_exactly(section->queue, segment->file, offset, memory, bytes, err);
    if (status != HOLTER_OK)
        return status;
    struct segment_piece piece = { user->user, user->key_generation, kind, offset };
    if (!segment_piece_open(memory, bytes, &segment->identity, &piece, section->key))
        return error_set(err, HOLTER_CORRUPT,
                         "segment '%s': user #%016llx: the %zu bytes at offset %llu are not what "
                         "was sealed there",
                         segment->path, (unsigned long long)user->user, bytes,
                         (unsigned long long)offset);
    return HOLTER_OK;
}

/* ---- sections -------------------------------------------------------------------------------- */

/* The directory is not sealed: what it says of times has to be what the index says. */
static bool is_directory_right(const struct segment_section *section)
{
    const struct segment_index *index = &section->index;
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
    return begin_min == section->user.begin_min && begin_max == section->user.begin_max &&
           end_max == section->user.end_max;
}

static holter_status section_read(struct segment_section *section, holter_error *err)
{
    const struct segment_user *user = &section->user;
    struct segment *segment = section->segment;
    section->plain = malloc(user->index_bytes);
    if (section->plain == NULL)
        return error_set(err, HOLTER_NO_MEMORY,
                         "segment '%s': user #%016llx: no memory for an index of %u bytes",
                         segment->path, (unsigned long long)user->user, user->index_bytes);
    enum segment_piece_kind kind = section->is_whole ? SEGMENT_PIECE_WHOLE : SEGMENT_PIECE_INDEX;
    holter_status status =
        piece_read(section, kind, user->index_offset, section->plain, user->index_bytes, err);
    if (status != HOLTER_OK)
        return status;

    const char *what = NULL;
    status =
        segment_index_decode(&section->index, section->plain, user->index_bytes - CRYPTO_TAG_BYTES,
                             section->is_whole, user->section_bytes, user->index_bytes,
                             segment->footer.traits.sequence_max, &what);
    if (status == HOLTER_OK && !is_directory_right(section)) {
        status = HOLTER_CORRUPT;
        what = "its times are not those of the directory";
    }
    if (status != HOLTER_OK)
        return error_set(err, status, "segment '%s': user #%016llx: index at offset %llu: %s",
                         segment->path, (unsigned long long)user->user,
                         (unsigned long long)user->index_offset, what);
    return HOLTER_OK;
}

holter_status segment_section_open(struct segment_section **out, struct segment *segment,
                                   const struct segment_user *user, struct io_queue *queue,
                                   struct crypto_arena *arena, const struct crypto_key *key,
                                   holter_error *err)
{
    *out = NULL;
    const struct segment_footer *footer = &segment->footer;
    if (segment->identity.is_sealed && key == NULL)
        return error_set(err, HOLTER_INVALID, "segment '%s': user #%016llx has no key",
                         segment->path, (unsigned long long)user->user);
    if (user->section_offset < SEGMENT_SECTIONS_OFFSET ||
        user->section_offset > footer->sections_end ||
        user->section_bytes > footer->sections_end - user->section_offset ||
        user->index_bytes <= CRYPTO_TAG_BYTES || user->index_bytes > user->section_bytes ||
        user->index_offset != user->section_offset + user->section_bytes - user->index_bytes)
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': user #%016llx has a place outside of it", segment->path,
                         (unsigned long long)user->user);

    struct segment_section *section = calloc(1, sizeof *section);
    if (section == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory for a section",
                         segment->path);
    section->segment = segment;
    section->user = *user;
    section->queue = queue;
    section->is_whole = user->index_bytes == user->section_bytes;
    tombstones_init(&section->index.tombstones);

    holter_status status = HOLTER_OK;
    if (segment->identity.is_sealed) {
        section->key = crypto_key_derive(arena, key, "holt-seg", segment->identity.id);
        if (section->key == NULL)
            status =
                error_set(err, HOLTER_NO_MEMORY, "segment '%s': no room for a key", segment->path);
    }
    if (status == HOLTER_OK)
        status = section_read(section, err);
    if (status != HOLTER_OK)
        goto done;
    if (!section->is_whole) {
        free(section->plain);
        section->plain = NULL;
    }
    *out = section;
    section = NULL; /* now the caller's */
done:
    segment_section_close(section);
    return status;
}

void segment_section_close(struct segment_section *section)
{
    if (section == NULL)
        return;
    crypto_key_free(section->key);
    segment_index_release(&section->index);
    free(section->plain);
    free(section);
}

const struct tombstones *segment_section_tombstones(const struct segment_section *section)
{
    return &section->index.tombstones;
}

size_t segment_section_series_count(const struct segment_section *section)
{
    return section->index.count;
}

const struct segment_series *segment_section_series(const struct segment_section *section,
                                                    size_t index)
{
    core_assert(index < section->index.count);
    return &section->index.entries[index].series;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static holter_status run_no_memory(const struct segment_run *run, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY,
                     "segment '%s': user #%016llx: no memory to read a series",
                     run->section->segment->path, (unsigned long long)run->section->user.user);
}

static bool run_reserve(struct segment_run *run, uint64_t bytes)
{
    if (bytes <= run->piece_capacity)
        return true;
    uint8_t *grown = realloc(run->piece, (size_t)bytes);
    if (grown == NULL)
        return false;
    run->piece = grown;
    run->piece_capacity = (size_t)bytes;
    return true;
}

static holter_status blocks_read(struct segment_run *run, holter_error *err)
{
    const struct segment_section *section = run->section;
    const struct segment_entry *entry = run->entry;
    uint64_t offset = section->user.section_offset + entry->header_offset;
    size_t count = entry->series.blocks;
    const uint8_t *plain = section->is_whole ? section->plain + entry->header_offset : NULL;
    uint64_t bytes = entry->header_bytes;
    const char *what = "it has fewer bytes than blocks";
    holter_status status = HOLTER_CORRUPT;

    if (!section->is_whole && bytes > CRYPTO_TAG_BYTES) {
        if (!run_reserve(run, bytes))
            return run_no_memory(run, err);
        status = piece_read(section, SEGMENT_PIECE_BLOCKS, offset, run->piece, (size_t)bytes, err);
        if (status != HOLTER_OK)
            return status;
        plain = run->piece;
        bytes -= CRYPTO_TAG_BYTES;
        status = HOLTER_CORRUPT;
    }
    if (plain != NULL && count <= bytes / SEGMENT_BLOCK_BYTES_MIN) {
        run->blocks = core_calloc(count, sizeof *run->blocks);
        run->places = core_calloc(count, sizeof *run->places);
        if (run->blocks == NULL || run->places == NULL)
            return run_no_memory(run, err);
        status = segment_blocks_decode(run->blocks, run->places, plain, (size_t)bytes, entry,
                                       section->is_whole,
                                       segment_block_rows(&section->segment->footer.traits), &what);
    }
    if (status != HOLTER_OK)
        return error_set(err, status,
                         "segment '%s': user #%016llx: block headers at offset %llu: %s",
                         section->segment->path, (unsigned long long)section->user.user,
                         (unsigned long long)offset, what);
    return HOLTER_OK;
}

static bool is_wanted(const struct segment_run *run, const struct segment_block *block)
{
    if (block->begin_min < run->to && block->begin_max >= run->from)
        return true;
    return block->begin_min < run->from && run->ends_after != INT64_MAX &&
           block->end_max > run->ends_after;
}

/* The plain piece that holds a block. */
static holter_status run_piece(struct segment_run *run, const struct segment_place *place,
                               const uint8_t **plain, holter_error *err)
{
    const struct segment_section *section = run->section;
    if (section->is_whole) {
        *plain = section->plain + run->entry->payload_offset;
        return HOLTER_OK;
    }
    if (!run->has_piece || run->piece_offset != place->piece_offset) {
        uint64_t bytes = place->piece_bytes + CRYPTO_TAG_BYTES;
        run->has_piece = false;
        if (!run_reserve(run, bytes))
            return run_no_memory(run, err);
        uint64_t offset =
            section->user.section_offset + run->entry->payload_offset + place->piece_offset;
        holter_status status =
            piece_read(section, SEGMENT_PIECE_PAYLOAD, offset, run->piece, (size_t)bytes, err);
        if (status != HOLTER_OK)
            return status;
        run->piece_offset = place->piece_offset;
        run->has_piece = true;
    }
    *plain = run->piece;
    return HOLTER_OK;
}

static holter_status block_decode(struct segment_run *run, size_t index, const uint8_t *plain,
                                  holter_error *err)
{
    const struct segment_block *block = &run->blocks[index];
    const struct segment_place *place = &run->places[index];
    struct columns *columns = &run->columns;
    struct reader r = reader_over(plain + place->offset, place->bytes);
    columns_clear(columns);
    holter_status status = codec_block_decode(columns, &r, block->rows, block->begin_min,
                                              place->has_revision, run->entry->revision_base, 0);
    if (status == HOLTER_NO_MEMORY)
        return run_no_memory(run, err);
    if (status != HOLTER_OK || !reader_is_done(&r) || columns->count != block->rows ||
        columns->time[columns->count - 1] != block->begin_max)
        return error_set(
            err, HOLTER_CORRUPT,
            "segment '%s': user #%016llx: block %zu of metric %u, source %u is not what "
            "its header says",
            run->section->segment->path, (unsigned long long)run->section->user.user, index,
            run->entry->series.metric, run->entry->series.source);
    return HOLTER_OK;
}

static holter_status run_read(struct merge_run *merge, const struct columns **block, size_t *first,
                              size_t *count, holter_error *err)
{
    struct segment_run *run = merge->context;
    size_t blocks = run->entry->series.blocks;
    while (run->next < blocks && !is_wanted(run, &run->blocks[run->next]))
        run->next++;
    if (run->next == blocks)
        return HOLTER_DONE;

    const uint8_t *plain = NULL;
    holter_status status = run_piece(run, &run->places[run->next], &plain, err);
    if (status == HOLTER_OK)
        status = block_decode(run, run->next, plain, err);
    if (status != HOLTER_OK)
        return status;
    run->next++;
    *block = &run->columns;
    *first = 0;
    *count = run->columns.count;
    return HOLTER_OK;
}

holter_status segment_run_open(struct segment_run **out, struct segment_section *section,
                               size_t series, int64_t from, int64_t to, int64_t ends_after,
                               holter_error *err)
{
    core_assert(series < section->index.count);
    *out = NULL;
    struct segment_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory to read a series",
                         section->segment->path);
    run->section = section;
    run->entry = &section->index.entries[series];
    run->from = from;
    run->to = to;
    run->ends_after = ends_after;
    columns_init(&run->columns, &run->entry->series.schema);

    holter_status status = blocks_read(run, err);
    if (status != HOLTER_OK)
        goto done;
    *out = run;
    run = NULL; /* now the caller's */
done:
    segment_run_close(run);
    return status;
}

void segment_run_close(struct segment_run *run)
{
    if (run == NULL)
        return;
    columns_release(&run->columns);
    free(run->blocks);
    free(run->places);
    free(run->piece);
    free(run);
}

void segment_run_merge(struct segment_run *run, struct merge_run *merge, uint64_t sequence_min,
                       uint64_t sequence_max)
{
    *merge = (struct merge_run){
        .read = run_read,
        .context = run,
        .is_exact = false,
        .sequence_min = sequence_min,
        .sequence_max = sequence_max,
    };
}

size_t segment_run_block_count(const struct segment_run *run)
{
    return run->entry->series.blocks;
}

const struct segment_block *segment_run_block(const struct segment_run *run, size_t index)
{
    core_assert(index < run->entry->series.blocks);
    return &run->blocks[index];
}
