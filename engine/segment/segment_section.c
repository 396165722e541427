/*
 * segment_section.c -- a user's section: its index, and runs over the blocks of a series.
 *
 *     section: index opened once (a whole section: all of it)
 *     run:     block headers opened, then some pieces read at once, opened one by one, each block
 *              decoded into the same columns
 *
 * Pieces and columns belong to the run, so a block is borrowed until the next read. A run that has come
 * to its end leaves its memory to the next one of its pool.
 */
#include "segment_impl.h"

#include <stdlib.h>

enum {
    POOL_SPARES = 4,
    READ_BYTES = 64 << 10, /* of neighbouring pieces that are read at once */
};

struct segment_section {
    struct segment *segment;
    struct segment_user user;
    struct io_queue *queue;
    struct crypto_key *key;
    bool is_whole;
    uint8_t *plain; /* of the index piece; kept where it is the whole section, else NULL */
    struct segment_index index;
};

/* What a run needs to read, and leaves to the next one. */
struct memory {
    struct segment_block *blocks;
    struct segment_place *places;
    size_t block_capacity;
    uint8_t *bytes; /* of block headers, then of pieces */
    size_t byte_capacity;
    struct codec_rows rows;
    bool has_columns;
};

struct segment_pool {
    struct memory spare[POOL_SPARES];
    size_t count;
    uint64_t decoded; /* blocks */
};

struct segment_run {
    struct segment_section *section;
    const struct segment_entry *entry;
    int64_t from, to, ends_after;
    struct segment_pool *pool; /* NULL: none */
    struct memory memory;
    bool is_loaded; /* block headers are there */
    size_t next;    /* block to look at */
    /* Payload [read_begin, read_end) of the series is in memory.bytes; pieces up to open_end are
       opened. */
    uint64_t read_begin, read_end, open_end;
};

/* Open a piece of `bytes`, read from `offset`, in its place. */
static holter_status piece_open(const struct segment_section *section, enum segment_piece_kind kind,
                                uint64_t offset, uint8_t *memory, size_t bytes, holter_error *err)
{
    struct segment *segment = section->segment;
    const struct segment_user *user = &section->user;
    struct segment_piece piece = { user->user, user->key_generation, kind, offset };
    if (!segment_piece_open(memory, bytes, &segment->identity, &piece, section->key))
        return error_set(err, HOLTER_CORRUPT,
                         "segment '%s': user #%016llx: the %zu bytes at offset %llu are not what "
                         "was sealed there",
                         segment->path, (unsigned long long)user->user, bytes,
                         (unsigned long long)offset);
    return HOLTER_OK;
}

/* Read and open a piece of `bytes` (sealed, checked to lie in the section) into memory. */
static holter_status piece_read(const struct segment_section *section, enum segment_piece_kind kind,
                                uint64_t offset, uint8_t *memory, size_t bytes, holter_error *err)
{
    holter_status status =
        io_read_exactly(section->queue, section->segment->file, offset, memory, bytes, err);
    return status == HOLTER_OK ? piece_open(section, kind, offset, memory, bytes, err) : status;
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

/* ---- memory of runs -------------------------------------------------------------------------- */

static void memory_release(struct memory *memory)
{
    free(memory->blocks);
    free(memory->places);
    free(memory->bytes);
    if (memory->has_columns)
        columns_release(&memory->rows.columns);
    *memory = (struct memory){ 0 };
}

holter_status segment_pool_new(struct segment_pool **out, holter_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? HOLTER_OK
                        : error_set(err, HOLTER_NO_MEMORY, "no memory to read segments with");
}

void segment_pool_free(struct segment_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->count > 0)
        memory_release(&pool->spare[--pool->count]);
    free(pool);
}

static void init_rows(struct codec_rows *rows, const struct schema *schema)
{
    *rows = (struct codec_rows){ 0 };
    columns_init(&rows->columns, schema);
}

uint64_t segment_pool_decoded(const struct segment_pool *pool)
{
    return pool->decoded;
}

static void memory_take(struct segment_run *run)
{
    const struct schema *schema = &run->entry->series.schema;
    struct memory *memory = &run->memory;
    if (run->pool != NULL && run->pool->count > 0)
        *memory = run->pool->spare[--run->pool->count];
    if (memory->has_columns && !schema_is_equal(&memory->rows.columns.schema, schema)) {
        columns_release(&memory->rows.columns);
        memory->has_columns = false;
    }
    if (!memory->has_columns)
        init_rows(&memory->rows, schema);
    memory->has_columns = true;
}

static void memory_leave(struct segment_run *run)
{
    if (run->pool != NULL && run->pool->count < POOL_SPARES && run->memory.has_columns)
        run->pool->spare[run->pool->count++] = run->memory;
    else
        memory_release(&run->memory);
    run->memory = (struct memory){ 0 };
    run->is_loaded = false;
}

static bool reserve_bytes(struct memory *memory, uint64_t bytes)
{
    if (bytes <= memory->byte_capacity)
        return true;
    free(memory->bytes);
    memory->byte_capacity = 0;
    memory->bytes = malloc((size_t)bytes);
    if (memory->bytes == NULL)
        return false;
    memory->byte_capacity = (size_t)bytes;
    return true;
}

static bool reserve_blocks(struct memory *memory, size_t count)
{
    if (count <= memory->block_capacity)
        return true;
    free(memory->blocks);
    free(memory->places);
    memory->block_capacity = 0;
    memory->blocks = core_calloc(count, sizeof *memory->blocks);
    memory->places = core_calloc(count, sizeof *memory->places);
    if (memory->blocks == NULL || memory->places == NULL)
        return false;
    memory->block_capacity = count;
    return true;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static holter_status run_no_memory(const struct segment_run *run, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY,
                     "segment '%s': user #%016llx: no memory to read a series",
                     run->section->segment->path, (unsigned long long)run->section->user.user);
}

/* The block headers. */
static holter_status run_load(struct segment_run *run, holter_error *err)
{
    const struct segment_section *section = run->section;
    const struct segment_entry *entry = run->entry;
    struct memory *memory = &run->memory;
    uint64_t offset = section->user.section_offset + entry->header_offset;
    size_t count = entry->series.blocks;
    const uint8_t *plain = section->is_whole ? section->plain + entry->header_offset : NULL;
    uint64_t bytes = entry->header_bytes;
    const char *what = "it has fewer bytes than blocks";
    holter_status status = HOLTER_CORRUPT;
    if (run->is_loaded)
        return HOLTER_OK;

    memory_take(run);
    if (!section->is_whole && bytes > CRYPTO_TAG_BYTES) {
        if (!reserve_bytes(memory, bytes))
            return run_no_memory(run, err);
        status =
            piece_read(section, SEGMENT_PIECE_BLOCKS, offset, memory->bytes, (size_t)bytes, err);
        if (status != HOLTER_OK)
            return status;
        plain = memory->bytes;
        bytes -= CRYPTO_TAG_BYTES;
        status = HOLTER_CORRUPT;
    }
    if (plain != NULL && count <= bytes / SEGMENT_BLOCK_BYTES_MIN) {
        if (!reserve_blocks(memory, count))
            return run_no_memory(run, err);
        status = segment_blocks_decode(memory->blocks, memory->places, plain, (size_t)bytes, entry,
                                       section->is_whole,
                                       segment_block_rows(&section->segment->footer.traits), &what);
    }
    if (status != HOLTER_OK)
        return error_set(err, status,
                         "segment '%s': user #%016llx: block headers at offset %llu: %s",
                         section->segment->path, (unsigned long long)section->user.user,
                         (unsigned long long)offset, what);
    run->is_loaded = true;
    run->read_begin = run->read_end = run->open_end = 0;
    return HOLTER_OK;
}

static bool is_wanted(const struct segment_run *run, const struct segment_block *block)
{
    if (block->begin_min < run->to && block->begin_max >= run->from)
        return true;
    return block->begin_min < run->from && run->ends_after != INT64_MAX &&
           block->end_max > run->ends_after;
}

/*
 * How far to read from a block's piece on: over the pieces that follow and are wanted, too, up to
 * READ_BYTES. `index` is the first block of its piece that is wanted.
 */
static uint64_t read_end_of(const struct segment_run *run, size_t index)
{
    const struct segment_place *places = run->memory.places;
    uint64_t begin = places[index].piece_offset;
    uint64_t end = begin + places[index].piece_bytes + CRYPTO_TAG_BYTES;
    for (size_t i = index + 1; i < run->entry->series.blocks; i++) {
        uint64_t next = places[i].piece_offset + places[i].piece_bytes + CRYPTO_TAG_BYTES;
        if (places[i].piece_offset > end || next - begin > READ_BYTES)
            break;
        if (is_wanted(run, &run->memory.blocks[i]))
            end = next;
    }
    return end;
}

/* The plain piece that holds a block. Blocks come in their order, so pieces are opened in theirs. */
static holter_status run_piece(struct segment_run *run, size_t index, const uint8_t **plain,
                               holter_error *err)
{
    const struct segment_section *section = run->section;
    const struct segment_place *place = &run->memory.places[index];
    uint64_t payload = section->user.section_offset + run->entry->payload_offset;
    if (section->is_whole) {
        *plain = section->plain + run->entry->payload_offset;
        return HOLTER_OK;
    }
    uint64_t end = place->piece_offset + place->piece_bytes + CRYPTO_TAG_BYTES;
    if (end > run->read_end) {
        uint64_t read_end = read_end_of(run, index);
        uint64_t bytes = read_end - place->piece_offset;
        run->read_begin = run->read_end = run->open_end = place->piece_offset;
        if (!reserve_bytes(&run->memory, bytes))
            return run_no_memory(run, err);
        holter_status status =
            io_read_exactly(section->queue, section->segment->file, payload + place->piece_offset,
                            run->memory.bytes, (size_t)bytes, err);
        if (status != HOLTER_OK)
            return status;
        run->read_end = read_end;
    }
    uint8_t *piece = run->memory.bytes + (place->piece_offset - run->read_begin);
    if (end > run->open_end) {
        holter_status status =
            piece_open(section, SEGMENT_PIECE_PAYLOAD, payload + place->piece_offset, piece,
                       (size_t)(end - place->piece_offset), err);
        if (status != HOLTER_OK) {
            run->read_end = run->read_begin; /* what did not open is not there */
            return status;
        }
        run->open_end = end;
    }
    *plain = piece;
    return HOLTER_OK;
}

static holter_status block_decode(struct segment_run *run, size_t index, const uint8_t *plain,
                                  holter_error *err)
{
    const struct segment_block *block = &run->memory.blocks[index];
    const struct segment_place *place = &run->memory.places[index];
    struct columns *columns = &run->memory.rows.columns;
    struct reader r = reader_over(plain + place->offset, place->bytes);
    holter_status status =
        codec_block_decode_next(&run->memory.rows, &r, block->rows, block->begin_min,
                                place->has_revision, run->entry->revision_base);
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

/* False: there is none. */
static bool find_wanted(struct segment_run *run)
{
    size_t blocks = run->entry->series.blocks;
    while (run->next < blocks && !is_wanted(run, &run->memory.blocks[run->next]))
        run->next++;
    return run->next < blocks;
}

static int64_t run_next_begin(const struct merge_run *merge)
{
    struct segment_run *run = merge->context;
    if (run->next == run->entry->series.blocks)
        return INT64_MAX;
    if (!run->is_loaded)
        return run->entry->series.begin_min;
    return find_wanted(run) ? run->memory.blocks[run->next].begin_min : INT64_MAX;
}

static holter_status run_peek(struct merge_run *merge, struct merge_ahead *out, holter_error *err)
{
    struct segment_run *run = merge->context;
    size_t blocks = run->entry->series.blocks;
    if (run->next == blocks)
        return HOLTER_DONE;
    holter_status status = run_load(run, err);
    if (status != HOLTER_OK)
        return status;
    if (!find_wanted(run))
        return HOLTER_DONE;
    const struct segment_block *block = &run->memory.blocks[run->next];
    *out = (struct merge_ahead){
        .first = block->begin_min,
        .last = block->begin_max,
        .next = run->next + 1 < blocks ? block[1].begin_min : INT64_MAX,
        .about = block,
    };
    return HOLTER_OK;
}

static void run_pass(struct merge_run *merge)
{
    struct segment_run *run = merge->context;
    run->next++;
}

static holter_status run_read(struct merge_run *merge, const struct columns **block, size_t *first,
                              size_t *count, holter_error *err)
{
    struct segment_run *run = merge->context;
    holter_status status = HOLTER_OK;
    if (run->next < run->entry->series.blocks)
        status = run_load(run, err);
    if (status != HOLTER_OK)
        return status;
    if (run->next == run->entry->series.blocks || !find_wanted(run)) {
        if (run->pool != NULL)
            memory_leave(run);
        return HOLTER_DONE;
    }

    const uint8_t *plain = NULL;
    status = run_piece(run, run->next, &plain, err);
    if (status == HOLTER_OK)
        status = block_decode(run, run->next, plain, err);
    if (status != HOLTER_OK)
        return status;
    run->next++;
    if (run->pool != NULL)
        run->pool->decoded++;
    merge->is_rising = run->memory.rows.is_rising;
    *block = &run->memory.rows.columns;
    *first = 0;
    *count = run->memory.rows.columns.count;
    return HOLTER_OK;
}

holter_status segment_run_plan(struct segment_run **out, struct segment_section *section,
                               size_t series, int64_t from, int64_t to, int64_t ends_after,
                               struct segment_pool *pool, holter_error *err)
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
    run->pool = pool;
    *out = run;
    return HOLTER_OK;
}

holter_status segment_run_open(struct segment_run **out, struct segment_section *section,
                               size_t series, int64_t from, int64_t to, int64_t ends_after,
                               holter_error *err)
{
    *out = NULL;
    struct segment_run *run = NULL;
    holter_status status = segment_run_plan(&run, section, series, from, to, ends_after, NULL, err);
    if (status == HOLTER_OK)
        status = run_load(run, err);
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
    memory_leave(run);
    free(run);
}

void segment_run_merge(struct segment_run *run, struct merge_run *merge, uint64_t sequence_min,
                       uint64_t sequence_max)
{
    *merge = (struct merge_run){
        .peek = run_peek,
        .pass = run_pass,
        .read = run_read,
        .next_begin = run_next_begin,
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
    core_assert(run->is_loaded);
    return &run->memory.blocks[index];
}
