/*
 * segment_run.c -- runs over the blocks of a series, for a merge.
 *
 *     block headers of the outline, then some pieces read at once, opened one by one, each block decoded
 *     into the same columns
 *
 * A run that goes by half hours stands before a row, where a bucket of the rollup begins or a block does:
 *
 *     blocks   | 0 . . . . . . . . . . | 1 . . . . . . . . . . |
 *     buckets  | 9:00 . . | 9:30 . . . : . . | 10:00 . . | 10:30
 *
 * A bucket that is not taken is read: its rows in the one block, then those in the next, each block decoded
 * once. Whole blocks are not looked at, as after them no bucket begins.
 *
 * Pieces and columns belong to the run, so a block is borrowed until the next read. A run that has come
 * to its end leaves its memory to the next one of its pool.
 */
#include "segment_impl.h"

#include <stdlib.h>

enum {
    POOL_SPARES = 4,
    SPARES_KEPT = 2,       /* from query to query; each may be 0.7 MiB, with models 1.2 MiB */
    READ_BYTES = 64 << 10, /* of neighbouring pieces that are read at once */
    EXPECT_BYTES = 4 * READ_BYTES,
};

/* What a run needs to read, and leaves to the next one. */
struct memory {
    uint8_t *bytes; /* of pieces */
    size_t byte_capacity;
    struct codec_rows rows;
    bool has_columns;
    struct codec_models *models; /* of the series that had some last; NULL: there was none */
};

struct segment_pool {
    struct memory spare[POOL_SPARES];
    size_t count;
    uint64_t decoded; /* blocks */
};

/* Where a run stands that goes by half hours. */
struct place_in_rollup {
    const struct segment_headers *buckets; /* the outline's; NULL: not looked at yet */
    size_t bucket;                         /* the next one, or the one at hand */
    uint64_t row;                          /* of the series: the next one */
    uint64_t bucket_row, block_row;        /* where bucket and block begin */
};

struct segment_run {
    struct segment_section *section;
    size_t series;
    const struct segment_entry *entry;
    int64_t from, to, ends_after;
    struct segment_pool *pool; /* NULL: none */
    struct memory memory;
    bool has_memory;
    const struct segment_headers *headers; /* the outline's; NULL: not looked at yet */
    size_t next;                           /* block to look at */
    size_t decoded;                        /* the block in memory.rows and one more; 0: none */
    bool by_half_hours;                    /* as asked for, and the series has a rollup */
    struct place_in_rollup at;
    struct segment_block shown; /* that was asked for last */
    /* Payload [read_begin, read_end) of the series is in memory.bytes; pieces up to open_end are
       opened. */
    uint64_t read_begin, read_end, open_end;
};

/* ---- memory of runs -------------------------------------------------------------------------- */

static void memory_release(struct memory *memory)
{
    free(memory->bytes);
    if (memory->has_columns)
        codec_rows_release(&memory->rows);
    codec_models_free(memory->models);
    *memory = (struct memory){ 0 };
}

static void wipe(void *memory, size_t bytes)
{
    if (memory != NULL)
        crypto_wipe(memory, bytes);
}

/* Rows and pieces of whoever was read last. */
static void memory_wipe(struct memory *memory)
{
    struct columns *c = &memory->rows.columns;
    wipe(memory->bytes, memory->byte_capacity);
    if (!memory->has_columns)
        return;
    wipe(c->time, columns_bytes(c));
    wipe(c->text.data, c->text.capacity);
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
    while (pool->count > 0) {
        struct memory *memory = &pool->spare[--pool->count];
        memory_wipe(memory);
        memory_release(memory);
    }
    free(pool);
}

void segment_pool_trim(struct segment_pool *pool)
{
    size_t kept = 0;
    pool->decoded = 0;
    for (size_t i = 0; i < pool->count; i++) {
        struct memory *memory = &pool->spare[i];
        bool is_large = memory->byte_capacity > 2 * READ_BYTES ||
                        memory->rows.columns.text.capacity > 2 * READ_BYTES;
        if (kept < SPARES_KEPT && !is_large) {
            pool->spare[kept++] = *memory;
            continue;
        }
        memory_wipe(memory);
        memory_release(memory);
    }
    pool->count = kept;
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
        codec_rows_release(&memory->rows);
        memory->has_columns = false;
    }
    if (!memory->has_columns)
        init_rows(&memory->rows, schema);
    memory->has_columns = true;
    run->has_memory = true;
    run->read_begin = run->read_end = run->open_end = 0;
}

static void memory_leave(struct segment_run *run)
{
    if (run->pool != NULL && run->pool->count < POOL_SPARES && run->memory.has_columns)
        run->pool->spare[run->pool->count++] = run->memory;
    else
        memory_release(&run->memory);
    run->memory = (struct memory){ 0 };
    run->has_memory = false;
    run->decoded = 0;
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

/* ---- runs ------------------------------------------------------------------------------------ */

static holter_status run_no_memory(const struct segment_run *run, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "user #%016llx: no memory to read a series",
                     (unsigned long long)run->section->outline->user.user);
}

/* The block headers. */
static holter_status run_load(struct segment_run *run, holter_error *err)
{
    struct segment_section *section = run->section;
    if (run->headers == NULL)
        run->headers = segment_outline_known(section->outline, run->series);
    if (run->headers != NULL)
        return HOLTER_OK;
    holter_status status = segment_section_need(section, err);
    if (status != HOLTER_OK)
        return status;
    struct segment_access access = segment_section_access(section);
    return segment_outline_headers(&run->headers, section->outline, run->series, &access, err);
}

static bool is_wanted(const struct segment_run *run, const struct segment_header *block)
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
    const struct segment_place *places = run->headers->places;
    uint64_t begin = places[index].piece_offset;
    uint64_t end = begin + places[index].piece_bytes + CRYPTO_TAG_BYTES;
    for (size_t i = index + 1; i < run->entry->series.blocks; i++) {
        uint64_t next = places[i].piece_offset + places[i].piece_bytes + CRYPTO_TAG_BYTES;
        if (places[i].piece_offset > end || next - begin > READ_BYTES)
            break;
        if (is_wanted(run, &run->headers->blocks[i]))
            end = next;
    }
    return end;
}

/* Open the piece of a block, which is read, unless it is opened: pieces are opened in their order. */
static holter_status piece_open(struct segment_run *run, const struct segment_place *place,
                                holter_error *err)
{
    const struct segment_outline *outline = run->section->outline;
    uint64_t payload = outline->user.section_offset + run->entry->payload_offset;
    uint64_t end = place->piece_offset + place->piece_bytes + CRYPTO_TAG_BYTES;
    if (end <= run->open_end)
        return HOLTER_OK;
    struct segment_access access = segment_section_access(run->section);
    holter_status status =
        segment_access_open(&access, SEGMENT_PIECE_PAYLOAD, payload + place->piece_offset,
                            run->memory.bytes + (place->piece_offset - run->read_begin),
                            (size_t)(end - place->piece_offset), err);
    if (status == HOLTER_OK)
        run->open_end = end;
    return status;
}

/* The plain piece that holds a block. */
static holter_status run_piece(struct segment_run *run, size_t index, const uint8_t **plain,
                               holter_error *err)
{
    struct segment_section *section = run->section;
    const struct segment_outline *outline = section->outline;
    const struct segment_place *place = &run->headers->places[index];
    uint64_t payload = outline->user.section_offset + run->entry->payload_offset;
    if (outline->is_whole) {
        *plain = outline->plain + run->entry->payload_offset;
        return HOLTER_OK;
    }
    holter_status status = segment_section_need(section, err);
    if (status != HOLTER_OK)
        return status;
    uint64_t end = place->piece_offset + place->piece_bytes + CRYPTO_TAG_BYTES;
    if (end > run->read_end) {
        uint64_t read_end = run->by_half_hours ? end : read_end_of(run, index);
        uint64_t bytes = read_end - place->piece_offset;
        run->read_begin = run->read_end = run->open_end = place->piece_offset;
        if (!reserve_bytes(&run->memory, bytes))
            return run_no_memory(run, err);
        status =
            io_read_exactly(section->queue, section->segment->file, payload + place->piece_offset,
                            run->memory.bytes, (size_t)bytes, err);
        if (status != HOLTER_OK)
            return status;
        run->read_end = read_end;
    }
    status = piece_open(run, place, err);
    if (status != HOLTER_OK) {
        run->read_end = run->read_begin; /* what did not open is not there */
        return status;
    }
    *plain = run->memory.bytes + (place->piece_offset - run->read_begin);
    return HOLTER_OK;
}

/* A whole section that was known before is read without its file. */
static const char *path_of(const struct segment_section *section)
{
    return section->segment != NULL ? section->segment->path : "(known from before)";
}

/*
 * The block behind one, where it is wanted and was read with it: also of the next piece, which is opened
 * now, and is *plain then. One that does not open is told when its turn comes.
 */
static bool next_at_hand(struct codec_next *next, struct segment_run *run, size_t index,
                         const uint8_t **plain)
{
    const struct segment_headers *headers = run->headers;
    if (run->by_half_hours || index == run->entry->series.blocks ||
        !is_wanted(run, &headers->blocks[index]))
        return false;
    const struct segment_place *place = &headers->places[index];
    if (place->starts_piece) {
        if (place->piece_offset + place->piece_bytes + CRYPTO_TAG_BYTES > run->read_end ||
            piece_open(run, place, NULL) != HOLTER_OK)
            return false;
        *plain = run->memory.bytes + (place->piece_offset - run->read_begin);
    }
    next->bytes = reader_over(*plain + place->offset, place->bytes);
    next->count = headers->blocks[index].rows;
    return true;
}

/* What is decoded of a block: its own bytes, and blocks behind it that may come next. */
struct at_hand {
    struct reader bytes;
    struct codec_next next[CODEC_AHEAD];
    size_t next_count;
};

static void find_at_hand(struct at_hand *hand, struct segment_run *run, size_t index,
                         const uint8_t *plain)
{
    const struct segment_place *place = &run->headers->places[index];
    const uint8_t *in = plain;
    hand->bytes = reader_over(plain + place->offset, place->bytes);
    hand->next_count = 0;
    while (hand->next_count < CODEC_AHEAD &&
           next_at_hand(&hand->next[hand->next_count], run, index + 1 + hand->next_count, &in))
        hand->next_count++;
}

static holter_status block_decode(struct segment_run *run, size_t index, const uint8_t *plain,
                                  holter_error *err)
{
    const struct segment_header *block = &run->headers->blocks[index];
    struct columns *columns = &run->memory.rows.columns;
    struct at_hand hand;
    find_at_hand(&hand, run, index, plain);
    holter_status status =
        codec_block_decode_next(&run->memory.rows, &hand.bytes, block->rows, block->begin_min,
                                run->headers->places[index].has_revision, run->entry->revision_base,
                                hand.next, hand.next_count);
    if (status == HOLTER_NO_MEMORY)
        return run_no_memory(run, err);
    if (status != HOLTER_OK || !reader_is_done(&hand.bytes) || columns->count != block->rows ||
        columns->time[columns->count - 1] != block->begin_max)
        return error_set(
            err, HOLTER_CORRUPT,
            "segment '%s': user #%016llx: block %zu of metric %u, source %u is not what "
            "its header says",
            path_of(run->section), (unsigned long long)run->section->outline->user.user, index,
            run->entry->series.metric, run->entry->series.source);
    return HOLTER_OK;
}

/* False: there is none. */
static bool find_wanted(struct segment_run *run)
{
    size_t blocks = run->entry->series.blocks;
    while (run->next < blocks && !is_wanted(run, &run->headers->blocks[run->next]))
        run->next++;
    return run->next < blocks;
}

/* ---- by half hours ---- */

/* The rollup; and the place of the first rows that are wanted. */
static holter_status rollup_load(struct segment_run *run, holter_error *err)
{
    struct place_in_rollup *at = &run->at;
    struct segment_section *section = run->section;
    holter_status status = HOLTER_OK;
    if (at->buckets != NULL)
        return HOLTER_OK;
    at->buckets = segment_outline_known_rollup(section->outline, run->series);
    if (at->buckets == NULL) {
        status = segment_section_need(section, err);
        if (status != HOLTER_OK)
            return status;
        struct segment_access access = segment_section_access(section);
        status = segment_outline_rollup(&at->buckets, section->outline, run->series, &access, err);
    }
    if (status != HOLTER_OK)
        return status;
    (void)find_wanted(run);
    for (size_t i = 0; i < run->next; i++)
        at->block_row += run->headers->blocks[i].rows;
    at->row = at->block_row;
    return HOLTER_OK;
}

/* Go to the next row that is wanted, its bucket and its block; no later row is taken yet. False: none. */
static bool find_wanted_row(struct segment_run *run)
{
    struct place_in_rollup *at = &run->at;
    const struct segment_headers *buckets = at->buckets;
    while (at->bucket < buckets->count &&
           (at->row >= at->bucket_row + buckets->blocks[at->bucket].rows ||
            !is_wanted(run, &buckets->blocks[at->bucket])))
        at->bucket_row += buckets->blocks[at->bucket++].rows;
    if (at->bucket == buckets->count)
        return false;
    at->row = at->row > at->bucket_row ? at->row : at->bucket_row;
    while (at->row >= at->block_row + run->headers->blocks[run->next].rows)
        at->block_row += run->headers->blocks[run->next++].rows;
    return true;
}

/* As run_peek, of a bucket. Nothing is told of one whose rows were read in part. */
static holter_status bucket_peek(struct segment_run *run, struct merge_ahead *out)
{
    const struct place_in_rollup *at = &run->at;
    const struct segment_header *bucket = &at->buckets->blocks[at->bucket];
    if (at->row > at->bucket_row)
        return HOLTER_NOT_FOUND;
    segment_headers_block(&run->shown, at->buckets, at->bucket);
    *out = (struct merge_ahead){
        .first = bucket->begin_min,
        .last = bucket->begin_max,
        .next = at->bucket + 1 < at->buckets->count ? bucket[1].begin_min : INT64_MAX,
        .about = &run->shown,
        .context = run,
    };
    return HOLTER_OK;
}

static int64_t row_begin(const struct segment_run *run)
{
    const struct place_in_rollup *at = &run->at;
    return at->row > at->bucket_row ? run->headers->blocks[run->next].begin_min
                                    : at->buckets->blocks[at->bucket].begin_min;
}

/* Of the block at hand, decoded, the rows that begin in the bucket at hand. */
static holter_status bucket_rows(struct segment_run *run, size_t *first, size_t *count,
                                 holter_error *err)
{
    struct place_in_rollup *at = &run->at;
    int64_t begin = run->memory.rows.columns.time[at->row - at->block_row];
    if (begin != row_begin(run))
        return error_set(err, HOLTER_CORRUPT,
                         "segment '%s': user #%016llx: half hour %zu of metric %u, source %u is "
                         "not what the rollup says",
                         path_of(run->section),
                         (unsigned long long)run->section->outline->user.user, at->bucket,
                         run->entry->series.metric, run->entry->series.source);
    uint64_t block_end = at->block_row + run->headers->blocks[run->next].rows;
    uint64_t bucket_end = at->bucket_row + at->buckets->blocks[at->bucket].rows;
    uint64_t end = block_end < bucket_end ? block_end : bucket_end;
    *first = (size_t)(at->row - at->block_row);
    *count = (size_t)(end - at->row);
    at->row = end;
    return HOLTER_OK;
}

/* ---- what a merge asks ---- */

/* False: there is none. */
static bool find_next(struct segment_run *run)
{
    if (run->next == run->entry->series.blocks)
        return false;
    return run->at.buckets != NULL ? find_wanted_row(run) : find_wanted(run);
}

static int64_t run_next_begin(const struct merge_run *merge)
{
    struct segment_run *run = merge->context;
    if (run->next == run->entry->series.blocks)
        return INT64_MAX;
    if (run->headers == NULL)
        return run->entry->series.begin_min;
    if (!find_next(run))
        return INT64_MAX;
    return run->at.buckets != NULL ? row_begin(run) : run->headers->blocks[run->next].begin_min;
}

/* Nothing of the run is borrowed any longer: another one of the pool may have its memory. */
static holter_status run_done(struct segment_run *run)
{
    if (run->pool != NULL && run->has_memory)
        memory_leave(run);
    return HOLTER_DONE;
}

static holter_status run_peek(struct merge_run *merge, bool all, struct merge_ahead *out,
                              holter_error *err)
{
    struct segment_run *run = merge->context;
    size_t blocks = run->entry->series.blocks;
    if (run->next == blocks)
        return run_done(run);
    holter_status status = run_load(run, err);
    if (status == HOLTER_OK && !all && run->by_half_hours)
        status = rollup_load(run, err);
    if (status != HOLTER_OK)
        return status;
    if (!find_next(run))
        return run_done(run);
    if (all && (run->next > 0 || run->at.row > 0 || !run->headers->has_total))
        return HOLTER_NOT_FOUND;
    if (!all && run->by_half_hours)
        return bucket_peek(run, out);
    if (all) {
        segment_headers_block(&run->shown, run->headers, blocks);
        *out = (struct merge_ahead){
            .first = run->shown.begin_min,
            .last = run->shown.begin_max,
            .next = INT64_MAX,
            .blocks = blocks,
            .about = &run->shown,
            .context = run,
        };
        return HOLTER_OK;
    }
    const struct segment_header *block = &run->headers->blocks[run->next];
    segment_headers_block(&run->shown, run->headers, run->next);
    *out = (struct merge_ahead){
        .first = block->begin_min,
        .last = block->begin_max,
        .next = run->next + 1 < blocks ? block[1].begin_min : INT64_MAX,
        .blocks = 1,
        .about = &run->shown,
        .context = run,
    };
    return HOLTER_OK;
}

static void run_pass(struct merge_run *merge, bool all)
{
    struct segment_run *run = merge->context;
    struct place_in_rollup *at = &run->at;
    if (all)
        run->next = run->entry->series.blocks;
    else if (run->by_half_hours)
        at->row += at->buckets->blocks[at->bucket].rows;
    else
        run->next++;
}

/* The series' own models, unfolded only now that a block is read. */
static holter_status models_take(struct segment_run *run, holter_error *err)
{
    const struct segment_headers *headers = run->headers;
    struct memory *memory = &run->memory;
    codec_rows_use(&memory->rows, NULL);
    if (headers->model_bytes == 0)
        return HOLTER_OK;
    holter_status status =
        codec_models_decode(&memory->models, headers->models, headers->model_bytes);
    if (status == HOLTER_NO_MEMORY)
        return run_no_memory(run, err);
    if (status != HOLTER_OK)
        return error_set(err, status,
                         "segment '%s': user #%016llx: the %zu bytes of models of metric %u, "
                         "source %u are none",
                         path_of(run->section),
                         (unsigned long long)run->section->outline->user.user, headers->model_bytes,
                         run->entry->series.metric, run->entry->series.source);
    codec_rows_use(&memory->rows, memory->models);
    return HOLTER_OK;
}

/* The plain piece of the next block, and all that it takes to decode it. */
static holter_status run_prepare(struct segment_run *run, const uint8_t **plain, holter_error *err)
{
    holter_status status = HOLTER_OK;
    run->decoded = 0;
    if (!run->has_memory) {
        memory_take(run);
        status = models_take(run, err);
        if (status != HOLTER_OK) {
            memory_leave(run);
            return status;
        }
    }
    return run_piece(run, run->next, plain, err);
}

/* The next block into memory.rows. */
static holter_status run_decode(struct segment_run *run, holter_error *err)
{
    const uint8_t *plain = NULL;
    holter_status status = run_prepare(run, &plain, err);
    if (status == HOLTER_OK)
        status = block_decode(run, run->next, plain, err);
    if (status != HOLTER_OK)
        return status;
    run->decoded = run->next + 1;
    if (run->pool != NULL)
        run->pool->decoded++;
    return HOLTER_OK;
}

holter_status segment_run_fold(struct codec_fold *fold, struct segment_run *run,
                               const struct codec_fold_spec *spec)
{
    const uint8_t *plain = NULL;
    struct at_hand hand;
    core_assert(!run->by_half_hours);
    core_assert(run->next < run->entry->series.blocks);
    holter_status status = run_prepare(run, &plain, NULL);
    if (status != HOLTER_OK)
        return status;
    const struct segment_header *block = &run->headers->blocks[run->next];
    find_at_hand(&hand, run, run->next, plain);
    status = codec_block_fold_next(fold, spec, &run->memory.rows, &hand.bytes, block->rows,
                                   block->begin_min, hand.next, hand.next_count);
    if (status == HOLTER_OK && run->pool != NULL)
        run->pool->decoded++;
    return status;
}

static holter_status run_read(struct merge_run *merge, const struct columns **block, size_t *first,
                              size_t *count, holter_error *err)
{
    struct segment_run *run = merge->context;
    holter_status status = HOLTER_OK;
    if (run->next < run->entry->series.blocks)
        status = run_load(run, err);
    if (status == HOLTER_OK && run->by_half_hours && run->next < run->entry->series.blocks)
        status = rollup_load(run, err);
    if (status != HOLTER_OK)
        return status;
    if (!find_next(run))
        return run_done(run);

    if (run->decoded != run->next + 1)
        status = run_decode(run, err);
    if (status != HOLTER_OK)
        return status;
    *block = &run->memory.rows.columns;
    *first = 0;
    *count = run->memory.rows.columns.count;
    merge->is_rising = run->memory.rows.is_rising;
    if (run->by_half_hours)
        return bucket_rows(run, first, count, err);
    run->next++;
    return HOLTER_OK;
}

holter_status segment_run_plan(struct segment_run **out, struct segment_section *section,
                               size_t series, int64_t from, int64_t to, int64_t ends_after,
                               struct segment_pool *pool, holter_error *err)
{
    core_assert(series < section->outline->index.count);
    *out = NULL;
    struct segment_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "user #%016llx: no memory to read a series",
                         (unsigned long long)section->outline->user.user);
    run->section = section;
    run->series = series;
    run->entry = &section->outline->index.entries[series];
    run->from = from;
    run->to = to;
    run->ends_after = ends_after;
    run->pool = pool;
    *out = run;
    return HOLTER_OK;
}

void segment_run_by_half_hours(struct segment_run *run)
{
    core_assert(run->headers == NULL);
    core_assert(run->ends_after == INT64_MAX);
    run->by_half_hours = run->entry->rollup_bytes > 0;
}

holter_status segment_run_reach(int64_t *reach, struct segment_run *run, holter_error *err)
{
    holter_status status = run_load(run, err);
    if (status == HOLTER_OK && run->by_half_hours)
        status = rollup_load(run, err);
    if (status != HOLTER_OK)
        return status;
    const struct segment_headers *told = run->by_half_hours ? run->at.buckets : run->headers;
    for (size_t i = 0; i < told->count; i++) {
        const struct segment_header *one = &told->blocks[i];
        if (one->begin_min < run->from && one->end_max > run->from && one->begin_min < *reach)
            *reach = one->begin_min;
    }
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

/* From the first block that is wanted to the last, EXPECT_BYTES at most; without headers: all or nothing. */
void segment_run_expect(struct segment_run *run)
{
    const struct segment_outline *outline = run->section->outline;
    const struct segment_series *series = &run->entry->series;
    const struct segment_headers *headers = segment_outline_known(outline, run->series);
    uint64_t begin = 0, end = run->entry->payload_bytes;
    if (outline->is_whole ||
        (headers == NULL && (series->begin_min < run->from || series->begin_max >= run->to)))
        return;
    if (headers != NULL) {
        size_t first = 0, last = headers->count;
        while (first < last && !is_wanted(run, &headers->blocks[first]))
            first++;
        while (last > first && !is_wanted(run, &headers->blocks[last - 1]))
            last--;
        if (first == last)
            return;
        begin = headers->places[first].piece_offset;
        end = headers->places[last - 1].piece_offset + headers->places[last - 1].piece_bytes +
              CRYPTO_TAG_BYTES;
    }
    if (segment_section_need(run->section, NULL) != HOLTER_OK) /* it is told when it is read */
        return;
    io_expect(run->section->segment->file,
              outline->user.section_offset + run->entry->payload_offset + begin,
              end - begin < EXPECT_BYTES ? end - begin : EXPECT_BYTES);
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

const struct segment_block *segment_run_block(struct segment_run *run, size_t index)
{
    core_assert(index < run->entry->series.blocks);
    core_assert(run->headers != NULL);
    segment_headers_block(&run->shown, run->headers, index);
    return &run->shown;
}

/* ---- checking -------------------------------------------------------------------------------- */

holter_status segment_series_verify(struct segment_section *section, size_t series,
                                    holter_error *err)
{
    const struct segment_outline *outline = section->outline;
    const struct segment_entry *entry = &outline->index.entries[series];
    struct segment_rollup told = { 0 };
    struct segment_rollup found = { 0 };
    struct segment_run *run = NULL;
    struct merge_run merge;
    uint64_t rows = 0;
    holter_status status =
        segment_run_open(&run, section, series, INT64_MIN, INT64_MAX, INT64_MAX, err);
    if (status == HOLTER_OK)
        status = segment_section_need(section, err);
    if (status == HOLTER_OK && entry->rollup_bytes > 0) {
        struct segment_access access = segment_section_access(section);
        status = segment_outline_rollup_read(&told, outline, series, &access, true, err);
    }
    if (status != HOLTER_OK)
        goto done;
    segment_run_merge(run, &merge, 0, 0);
    while (status == HOLTER_OK) {
        const struct columns *block;
        size_t first, count;
        status = merge.read(&merge, &block, &first, &count, err);
        if (status != HOLTER_OK)
            break;
        rows += count;
        if (entry->rollup_bytes > 0 && !segment_rollup_add(&found, block, first, count))
            status = run_no_memory(run, err);
    }
    if (status != HOLTER_DONE)
        goto done;
    status = HOLTER_OK;
    if (rows != entry->series.rows)
        status = error_set(err, HOLTER_CORRUPT,
                           "segment '%s': user #%016llx: found %llu rows of metric %u, source %u, "
                           "expected %llu",
                           section->segment->path, (unsigned long long)outline->user.user,
                           (unsigned long long)rows, entry->series.metric, entry->series.source,
                           (unsigned long long)entry->series.rows);
    else if (entry->rollup_bytes > 0 &&
             !segment_rollup_is_equal(&told, &found, &entry->series.schema))
        status = error_set(err, HOLTER_CORRUPT,
                           "segment '%s': user #%016llx: the rollup of metric %u, source %u is not "
                           "what its rows say",
                           section->segment->path, (unsigned long long)outline->user.user,
                           entry->series.metric, entry->series.source);
done:
    segment_run_close(run);
    segment_rollup_release(&told);
    segment_rollup_release(&found);
    return status;
}
