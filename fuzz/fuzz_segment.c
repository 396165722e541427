/*
 * fuzz_segment.c -- a hostile segment: opened, every user found, every section and block read, and read again
 * from its outline, verified.
 *
 * Input: a byte of options, the file's id, then the file in pages (fuzz.h). Its last byte, whatever else it is, names a
 * sector that cannot be read, where that is asked for.
 */
#include "fuzz.h"
#include "segment/segment_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option { IS_SEALED = 1, IS_PART = 2, BAD_SECTOR = 4 };
enum { USERS_MAX = 12 }; /* asked for, spread over all */

static void report(void *context, const char *sentence)
{
    core_assert(sentence[0] != '\0');
    *(size_t *)context += 1;
}

/* Rows rise, and are as many as the series says where all of it is read. */
static void read_series(struct fuzz_world *world, struct segment_section *section, size_t index,
                        bool is_part)
{
    const struct segment_series *series = segment_section_series(section, index);
    struct segment_run *run = NULL;
    int64_t middle = series->begin_min +
                     (int64_t)(((uint64_t)series->begin_max - (uint64_t)series->begin_min) / 2);
    holter_status status = segment_run_open(&run, section, index, is_part ? middle : INT64_MIN,
                                            INT64_MAX, is_part ? middle : INT64_MAX, &world->err);
    fuzz_check(status, &world->err);
    if (status != HOLTER_OK)
        return;
    for (size_t b = 0; b < segment_run_block_count(run); b++) {
        const struct segment_block *block = segment_run_block(run, b);
        core_assert(block->rows > 0 && block->flagged <= block->rows);
        core_assert(block->begin_min <= block->begin_max && block->begin_max <= block->end_max);
    }
    struct merge_run merge;
    segment_run_merge(run, &merge, 1, 2);
    const struct columns *block = NULL;
    size_t first = 0;
    size_t count = 0;
    uint64_t rows = 0;
    int64_t time = INT64_MIN;
    while ((status = merge.read(&merge, &block, &first, &count, &world->err)) == HOLTER_OK) {
        core_assert(count > 0 && first + count <= block->count);
        core_assert(block->time[first] >= time);
        time = block->time[first + count - 1];
        rows += count;
    }
    fuzz_check(status, &world->err);
    core_assert(status != HOLTER_DONE || is_part || rows == series->rows);
    segment_run_close(run);
}

/* Half of a field's values; whatever the header says of them, as a sealed one does not lie. */
static void fold_block(struct segment_run *run, const struct segment_block *block,
                       const struct schema *schema)
{
    struct codec_fold fold;
    if (!codec_can_fold(schema, 0))
        return;
    int64_t min = block->field[0].min, max = block->field[0].max;
    if (min > max || min < -CODEC_FOLD_END || max > CODEC_FOLD_END)
        return;
    const struct codec_fold_spec spec = {
        .low = min, .high = min + (max - min) / 2, .min = min, .max = max
    };
    if (segment_run_fold(&fold, run, &spec) == HOLTER_OK)
        core_assert(fold.count <= block->rows);
}

/* What is ahead, block by block and together, is as sound as what is read. */
static void look_ahead(struct fuzz_world *world, struct segment_section *section, size_t index)
{
    struct segment_run *run = NULL;
    struct merge_run merge;
    struct merge_ahead ahead;
    holter_status status;
    if (segment_run_plan(&run, section, index, INT64_MIN, INT64_MAX, INT64_MAX, NULL,
                         &world->err) != HOLTER_OK)
        return;
    segment_run_expect(run);
    segment_run_merge(run, &merge, 1, 2);
    status = merge.peek(&merge, true, &ahead, &world->err);
    core_assert(status != HOLTER_OK || (ahead.first <= ahead.last && ahead.next == INT64_MAX));
    while ((status = merge.peek(&merge, false, &ahead, &world->err)) == HOLTER_OK) {
        core_assert(ahead.first <= ahead.last && ahead.last <= ahead.next);
        fold_block(run, ahead.about, &segment_section_series(section, index)->schema);
        merge.pass(&merge, false);
    }
    fuzz_check(status, &world->err);
    segment_run_close(run);
}

/* By half hours: every other one is read, or all that nothing is told of. */
static void go_by_half_hours(struct fuzz_world *world, struct segment_section *section,
                             size_t index)
{
    struct segment_run *run = NULL;
    struct merge_run merge;
    struct merge_ahead ahead;
    const struct columns *block = NULL;
    size_t first, count;
    holter_status status = HOLTER_OK;
    if (segment_run_plan(&run, section, index, INT64_MIN, INT64_MAX, INT64_MAX, NULL,
                         &world->err) != HOLTER_OK)
        return;
    segment_run_by_half_hours(run);
    segment_run_merge(run, &merge, 1, 2);
    for (size_t i = 0; status == HOLTER_OK || status == HOLTER_NOT_FOUND; i++) {
        status = merge.peek(&merge, false, &ahead, &world->err);
        core_assert(status != HOLTER_OK || ahead.first <= ahead.last);
        if (status == HOLTER_OK && i % 2 == 0) {
            merge.pass(&merge, false);
        } else if (status == HOLTER_OK || status == HOLTER_NOT_FOUND) {
            status = merge.read(&merge, &block, &first, &count, &world->err);
            core_assert(status != HOLTER_OK || (count > 0 && first + count <= block->count));
        }
    }
    fuzz_check(status, &world->err);
    segment_run_close(run);
    fuzz_check(segment_series_verify(section, index, &world->err), &world->err);
}

struct lending {
    struct segment *segment;
    uint8_t options;
};

static holter_status lend(void *context, struct segment **segment, const struct crypto_key **key,
                          holter_error *err)
{
    struct lending *lending = context;
    (void)err;
    *segment = lending->segment;
    *key = fuzz_key((lending->options & IS_SEALED) != 0);
    return HOLTER_OK;
}

/* Once more from the outline of a section that is closed. */
static void read_known(struct fuzz_world *world, struct segment *segment,
                       struct segment_outline *outline, uint8_t options)
{
    struct segment_section *section;
    struct lending lending = { segment, options };
    struct segment_lender lender = {
        .lend = lend, .context = &lending, .queue = world->queue, .arena = fuzz_arena()
    };
    if (segment_section_of(&section, outline, &lender, &world->err) != HOLTER_OK)
        return;
    for (size_t i = 0; i < segment_section_series_count(section); i++) {
        look_ahead(world, section, i);
        go_by_half_hours(world, section, i);
        read_series(world, section, i, (options & IS_PART) == 0);
    }
    segment_section_close(section);
}

static void read_user(struct fuzz_world *world, struct segment *segment,
                      const struct segment_user *user, uint8_t options)
{
    struct segment_section *section = NULL;
    holter_status status = segment_section_open(&section, segment, user, world->queue, fuzz_arena(),
                                                fuzz_key((options & IS_SEALED) != 0), &world->err);
    fuzz_check(status, &world->err);
    if (status != HOLTER_OK)
        return;
    (void)segment_section_tombstones(section);
    for (size_t i = 0; i < segment_section_series_count(section); i++)
        read_series(world, section, i, (options & IS_PART) != 0);
    struct segment_outline *outline = segment_outline_ref(segment_section_outline(section));
    segment_section_close(section);
    read_known(world, segment, outline, options);
    core_assert(segment_outline_bytes(outline) > 0);
    segment_outline_unref(outline);
}

static void read_users(struct fuzz_world *world, struct segment *segment, uint8_t options)
{
    uint64_t count = segment_user_count(segment);
    uint64_t step = count / USERS_MAX + 1;
    for (uint64_t i = 0; i < count; i += step) {
        struct segment_user user;
        holter_status status = segment_user_at(&user, segment, world->queue, i, &world->err);
        fuzz_check(status, &world->err);
        if (status != HOLTER_OK)
            return;
        struct segment_user found;
        status = segment_user_find(&found, segment, world->queue, user.user, &world->err);
        fuzz_check(status, &world->err);
        core_assert(status != HOLTER_OK || found.user == user.user);
        status = segment_user_find(&found, segment, world->queue, user.user + 1, &world->err);
        fuzz_check(status, &world->err);
        read_user(world, segment, &user, options);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    uint8_t id[SEGMENT_ID_BYTES];
    get_copy(&in, id, sizeof id);

    struct fuzz_world world;
    fuzz_world_init(&world);
    struct buffer file = fuzz_pages_read(&in, FUZZ_PAGE_BYTES);
    char digits[2 * SEGMENT_ID_BYTES + 1];
    char path[64];
    hex_encode(digits, id, sizeof id);
    snprintf(path, sizeof path, "d/seg-%s", digits);
    core_assert(sim_file_write(world.sim, path, file.data, file.bytes) == HOLTER_OK);
    if ((options & BAD_SECTOR) != 0 && file.bytes > 0)
        sim_sector_bad(world.sim, path, bytes[count - 1] % (file.bytes / CORE_SECTOR_BYTES));
    buffer_release(&file);

    struct segment_spec spec = { .io = world.io,
                                 .directory = "d",
                                 .place = FUZZ_PLACE,
                                 .is_sealed = (options & IS_SEALED) != 0 };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct segment *segment = NULL;
    holter_status status = segment_open(&segment, &spec, id, 0, &world.err);
    fuzz_check(status, &world.err);
    if (status == HOLTER_OK) {
        read_users(&world, segment, options);
        size_t damaged = 0;
        size_t reported = 0;
        fuzz_check(segment_verify(segment, world.queue, report, &reported, &damaged, &world.err),
                   &world.err);
        core_assert(reported == damaged);
    }
    segment_close(segment);
    fuzz_world_release(&world);
    return 0;
}
