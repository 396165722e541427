/*
 * query_view.c -- a user's part of a snapshot, opened: sections of files, rows in memory,
 * tombstones.
 *
 *     file ──> section ──┐ series 1 | series 2 | ..
 *     file ──> section ──┼──────────────────────────> query_view_next: the next series, and who has
 *     it memory ────────────┘
 *
 *   Q1  Every live file is asked whose users and times, by the manifest, reach into the spec: with
 *       rows, or with tombstones that may hide such rows. A file that cannot be read fails the
 *       view: no answer is better than one that lacks rows, or shows what was deleted.
 *   Q2  An interval that begins before `from` and lasts beyond it may have another version, of the
 *       same begin, that does not last, and which stands. So where such intervals are asked for,
 *       everything that begins from the least begin of one on is read, wherever it ends: `reach`.
 *   Q3  A metric's rows and tombstones lie in files of its class, and tombstones for all metrics in
 *       files of every class; so where a metric is named only its class is asked.
 */
#include "query_impl.h"

#include <stdlib.h>

/* ---- opening --------------------------------------------------------------------------------- */

/* Something with these extents may hold a row that is asked for, or another version of one. */
static bool has_rows_for(const struct query_view *view, int64_t begin_min, int64_t begin_max)
{
    return begin_min < view->spec.to && begin_max >= view->reach;
}

/* Of a file, a series or a block: may hold an interval that lasts beyond `from`. */
static bool may_last(int64_t from, int64_t begin_min, int64_t end_max)
{
    return begin_min < from && end_max > from;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool is_of_interest(const struct query_view *view, const struct manifest_file *file)
{
    return (!view->has_class || file->class == view->class) && view->spec.user >= file->user_min &&
           view->spec.user <= file->user_max;
}

/* Q2, over all series. */
static holter_status find_reach(struct query_view *view, holter_error *err)
{
    holter_status status = HOLTER_OK;
    const struct manifest_version *version = shard_snapshot_version(view->snapshot);
    view->reach = view->spec.from;
    if (!view->spec.overlapping)
        return HOLTER_OK;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (is_of_interest(view, file) && file->rows > 0 &&
            may_last(view->spec.from, file->begin_min, file->end_max))
            view->reach = least(view->reach, file->begin_min);
    }
    for (size_t i = 0; i < view->memory.series_count && status == HOLTER_OK; i++) {
        int64_t reach;
        status = memtable_series_reach(&reach, &view->memory.series[i], view->spec.from, err);
        view->reach = least(view->reach, reach);
    }
    return status;
}

static bool reaches_into(const struct query_view *view, const struct manifest_file *file)
{
    if (file->rows > 0 && has_rows_for(view, file->begin_min, file->begin_max))
        return true;
    return file->tombstones > 0 && file->tombstone_begin < view->spec.to &&
           file->tombstone_end > view->reach;
}

static holter_status add_tombstones(struct query_view *view, const struct tombstones *tombstones,
                                    holter_error *err)
{
    for (size_t i = 0; i < tombstones->count; i++) {
        if (!tombstones_add(&view->tombstones, &tombstones->at[i]))
            return error_set(err, HOLTER_NO_MEMORY, "query: tombstones of user #%016llx",
                             (unsigned long long)view->spec.user);
    }
    return HOLTER_OK;
}

static struct shard_outlines *outlines_of(const struct query_view *view)
{
    return shard_outlines_of(shard_snapshot_shard(view->snapshot));
}

static void close_source(struct query_view *view, struct query_source *source)
{
    segment_run_close(source->run);
    if (source->outline != NULL && segment_outline_bytes(source->outline) != source->outline_bytes)
        shard_outlines_keep(outlines_of(view), view->asked_at, source->file->id, view->spec.user,
                            source->outline);
    segment_section_close(source->section);
    if (source->segment != NULL)
        shard_segment_release(view->snapshot, source->segment);
    if (source->has_key) {
        const struct shard_keys *keys = &shard_spec_get(shard_snapshot_shard(view->snapshot))->keys;
        keys->put(keys->context, source->key);
    }
    *source = (struct query_source){ 0 };
}

/* The file and the key, once. */
static holter_status source_open(struct query_source *source, uint32_t key_generation,
                                 holter_error *err)
{
    const struct query_view *view = source->view;
    const struct shard_keys *keys = &shard_spec_get(shard_snapshot_shard(view->snapshot))->keys;
    uint32_t newest;
    holter_status status = HOLTER_OK;
    if (source->segment == NULL)
        status = shard_segment(&source->segment, view->snapshot, source->file, err);
    if (status == HOLTER_OK && !source->has_key) {
        status =
            keys->get(keys->context, view->spec.user, key_generation, &source->key, &newest, err);
        source->has_key = status == HOLTER_OK;
    }
    return status;
}

static holter_status lend(void *context, struct segment **segment, const struct crypto_key **key,
                          holter_error *err)
{
    struct query_source *source = context;
    holter_status status =
        source_open(source, segment_outline_key_generation(source->outline), err);
    *segment = source->segment;
    *key = source->key;
    return status;
}

/* A file that may have a section of the user. */
struct prospect {
    const struct manifest_file *file;
    struct segment *segment;  /* where nothing is known of it */
    struct segment_user user; /* its place there .. */
    bool is_found;            /* .. which there is */
};

/*
 * Of files of which nothing is known: where the user's sections lie. All but the first are told what will
 * be read of them before any is waited for.
 */
static holter_status find_sections(struct query_view *view, struct prospect *prospects,
                                   const struct shard_outline *known, size_t count,
                                   holter_error *err)
{
    size_t unknown = 0;
    for (size_t i = 0; i < count; i++) {
        if (known[i].is_known)
            continue;
        holter_status status =
            shard_segment(&prospects[i].segment, view->snapshot, prospects[i].file, err);
        if (status != HOLTER_OK)
            return status;
        if (unknown++ > 0)
            segment_user_expect(prospects[i].segment, view->spec.user);
    }
    unknown = 0;
    for (size_t i = 0; i < count; i++) {
        holter_error own = { 0 };
        if (known[i].is_known)
            continue;
        holter_status status = segment_user_find(&prospects[i].user, prospects[i].segment,
                                                 view->queue, view->spec.user, &own);
        if (status == HOLTER_NOT_FOUND) {
            shard_outlines_keep(outlines_of(view), view->asked_at, prospects[i].file->id,
                                view->spec.user, NULL);
        } else if (status != HOLTER_OK) {
            if (err != NULL)
                *err = own;
            return status;
        }
        prospects[i].is_found = status == HOLTER_OK;
        if (prospects[i].is_found && unknown++ > 0)
            segment_section_expect(prospects[i].segment, &prospects[i].user);
    }
    return HOLTER_OK;
}

static holter_status read_section(struct query_source *source, const struct segment_user *user,
                                  holter_error *err)
{
    struct query_view *view = source->view;
    const struct shard_spec *shard = shard_spec_get(shard_snapshot_shard(view->snapshot));
    holter_status status = source_open(source, user->key_generation, err);
    if (status == HOLTER_OK)
        status = segment_section_open(&source->section, source->segment, user, view->queue,
                                      shard->arena, source->key, err);
    if (status != HOLTER_OK)
        return status;
    source->outline = segment_section_outline(source->section);
    source->outline_bytes = segment_outline_bytes(source->outline);
    shard_outlines_keep(outlines_of(view), view->asked_at, source->file->id, view->spec.user,
                        source->outline);
    return HOLTER_OK;
}

/* A file in which the user has no section is passed over. */
static holter_status open_source(struct query_view *view, struct prospect *prospect,
                                 const struct shard_outline *known, holter_error *err)
{
    struct query_source *source = &view->sources[view->source_count];
    holter_status status;
    if (known->is_known ? known->outline == NULL : !prospect->is_found)
        return HOLTER_OK;
    *source = (struct query_source){ .view = view, .file = prospect->file };
    if (known->is_known) {
        const struct shard_spec *shard = shard_spec_get(shard_snapshot_shard(view->snapshot));
        struct segment_lender lender = {
            .lend = lend, .context = source, .queue = view->queue, .arena = shard->arena
        };
        source->outline = known->outline;
        source->outline_bytes = segment_outline_bytes(known->outline);
        status = segment_section_of(&source->section, known->outline, &lender, err);
    } else {
        source->segment = prospect->segment;
        prospect->segment = NULL;
        status = read_section(source, &prospect->user, err);
    }
    if (status == HOLTER_OK)
        status = add_tombstones(view, segment_section_tombstones(source->section), err);
    if (status == HOLTER_OK)
        view->source_count++;
    else
        close_source(view, source);
    return status;
}

static void count_known(const struct query_view *view, const struct shard_outline *known,
                        size_t count)
{
    struct head *statistics = shard_spec_get(shard_snapshot_shard(view->snapshot))->statistics;
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += known[i].is_known;
    head_count(statistics, HEAD_OUTLINES_FOUND, found);
    head_count(statistics, HEAD_OUTLINES_MISSED, count - found);
}

static holter_status open_sources(struct query_view *view, holter_error *err)
{
    const struct manifest_version *version = shard_snapshot_version(view->snapshot);
    size_t count = 0;
    view->sources = core_calloc(version->file_count, sizeof *view->sources);
    view->runs = core_calloc(version->file_count + 1, sizeof *view->runs);
    struct prospect *prospects = core_calloc(version->file_count, sizeof *prospects);
    struct shard_outline *known = core_calloc(version->file_count, sizeof *known);
    holter_status status = HOLTER_OK;
    if (view->sources == NULL || view->runs == NULL || prospects == NULL || known == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "query: %zu files", version->file_count);
        goto done;
    }
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *file = &version->files[i];
        if (!is_of_interest(view, file) || !reaches_into(view, file)) /* Q1, Q3 */
            continue;
        known[count].file = file->id;
        prospects[count++].file = file;
    }
    view->asked_at = shard_outlines_find(outlines_of(view), view->spec.user, known, count);
    count_known(view, known, count);
    status = find_sections(view, prospects, known, count, err);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++)
        status = open_source(view, &prospects[i], &known[i], err);
done:
    for (size_t i = 0; i < count; i++) {
        segment_outline_unref(known[i].outline);
        shard_segment_release(view->snapshot, prospects[i].segment);
    }
    free(known);
    free(prospects);
    return status;
}

/* Frames and sections of an erased user are skipped by whoever meets them; here it is said. */
static holter_status check_erased(const struct shard_spec *shard, uint64_t user, holter_error *err)
{
    const struct crypto_key *key = NULL;
    uint32_t newest;
    holter_error own = { 0 };
    holter_status status = shard->keys.get(shard->keys.context, user, 0, &key, &newest, &own);
    if (status == HOLTER_OK)
        shard->keys.put(shard->keys.context, key);
    if (status == HOLTER_NOT_FOUND)
        return HOLTER_OK; /* it has no rows then */
    if (status != HOLTER_OK && err != NULL)
        *err = own;
    return status;
}

holter_status query_view_open(struct query_view *view, struct shard_snapshot *snapshot,
                              const struct query_spec *spec, holter_error *err)
{
    const struct shard_spec *shard = shard_spec_get(shard_snapshot_shard(snapshot));
    view->snapshot = snapshot;
    view->spec = *spec;
    view->has_class = spec->metric != 0 && spec->class_of != NULL;
    if (view->has_class)
        view->class = spec->class_of(shard->class_context, spec->metric);
    view->has_class = view->has_class && view->class < MANIFEST_CLASSES; /* else all are asked */

    struct memtable_filter filter = {
        .metric = spec->metric,
        .source = spec->source,
        .from = spec->overlapping ? INT64_MIN : spec->from,
        .to = spec->to,
    };
    struct memtable_rows memory = { 0 };
    holter_status status = check_erased(shard, spec->user, err);
    if (status == HOLTER_OK)
        status = shard_snapshot_rows(&memory, snapshot, spec->user, &filter, err);
    if (status != HOLTER_OK)
        return status;
    view->memory = memory;
    status = find_reach(view, err);
    if (status == HOLTER_OK)
        status = add_tombstones(view, &view->memory.tombstones, err);
    if (status == HOLTER_OK)
        status = io_queue_open(&view->queue, shard->io, IO_QUEUE_DEPTH_MAX, err);
    if (status == HOLTER_OK)
        status = shard_pool_take(&view->pool, &view->pool_taken_at, outlines_of(view), err);
    if (status == HOLTER_OK)
        status = open_sources(view, err);
    return status;
}

void query_view_release(struct query_view *view)
{
    query_view_merge_end(view);
    for (size_t i = 0; i < view->source_count; i++)
        close_source(view, &view->sources[i]);
    free(view->sources);
    free(view->runs);
    if (view->pool != NULL)
        shard_pool_give(outlines_of(view), view->pool_taken_at, view->pool);
    memtable_rows_release(&view->memory);
    tombstones_release(&view->tombstones);
    io_queue_close(view->queue);
    *view = (struct query_view){ 0 };
}

/* ---- series by series ------------------------------------------------------------------------ */

void query_view_rewind(struct query_view *view)
{
    for (size_t i = 0; i < view->source_count; i++) {
        view->sources[i].next = 0;
        view->sources[i].series = NULL;
    }
    view->memory_next = 0;
    view->memory_series = NULL;
}

static bool is_asked_for(const struct query_spec *spec, uint32_t metric, uint32_t source)
{
    return (spec->metric == 0 || spec->metric == metric) &&
           (spec->source == 0 || spec->source == source);
}

/* The next series of a section that the spec asks for; NULL: none. */
static const struct segment_series *source_peek(const struct query_view *view,
                                                struct query_source *source)
{
    size_t count = segment_section_series_count(source->section);
    for (; source->next < count; source->next++) {
        const struct segment_series *series = segment_section_series(source->section, source->next);
        if (is_asked_for(&view->spec, series->metric, series->source) &&
            has_rows_for(view, series->begin_min, series->begin_max))
            return series;
    }
    return NULL;
}

static const struct memtable_series *memory_peek(struct query_view *view)
{
    for (; view->memory_next < view->memory.series_count; view->memory_next++) {
        const struct memtable_series *series = &view->memory.series[view->memory_next];
        if (is_asked_for(&view->spec, series->metric, series->source))
            return series;
    }
    return NULL;
}

/* Take (metric, source) where it is the first seen, or before the one seen so far. */
static void take_least(struct query_view *view, bool *found, uint32_t metric, uint32_t source,
                       const struct schema *schema)
{
    if (*found && (metric > view->metric || (metric == view->metric && source >= view->source)))
        return;
    *found = true;
    view->metric = metric;
    view->source = source;
    view->schema = *schema;
}

holter_status query_view_next(struct query_view *view, holter_error *err)
{
    bool found = false;
    for (size_t i = 0; i < view->source_count; i++) {
        const struct segment_series *series = source_peek(view, &view->sources[i]);
        if (series != NULL)
            take_least(view, &found, series->metric, series->source, &series->schema);
    }
    const struct memtable_series *memory = memory_peek(view);
    if (memory != NULL)
        take_least(view, &found, memory->metric, memory->source, &memory->schema);
    if (!found)
        return HOLTER_DONE;

    bool is_equal = true;
    for (size_t i = 0; i < view->source_count; i++) {
        struct query_source *source = &view->sources[i];
        source->series = source_peek(view, source);
        if (source->series != NULL &&
            (source->series->metric != view->metric || source->series->source != view->source))
            source->series = NULL;
        if (source->series == NULL)
            continue;
        source->next++;
        is_equal = is_equal && schema_is_equal(&source->series->schema, &view->schema);
    }
    view->memory_series = NULL;
    if (memory != NULL && memory->metric == view->metric && memory->source == view->source) {
        view->memory_series = memory;
        view->memory_next++;
        is_equal = is_equal && schema_is_equal(&memory->schema, &view->schema);
    }
    if (!is_equal)
        return error_set(err, HOLTER_CORRUPT,
                         "user #%016llx, metric %u, source %u: found two schemas in one series",
                         (unsigned long long)view->spec.user, view->metric, view->source);
    return HOLTER_OK;
}

/* ---- merging the series at hand -------------------------------------------------------------- */

/*
 * *reach: of one source, the least begin of a block, or half hour, that may last beyond `from` (Q2), where
 * that is lower.
 */
static holter_status source_reach(int64_t *reach, const struct query_source *source, int64_t from,
                                  holter_error *err)
{
    struct segment_run *run = NULL;
    if (source->series == NULL ||
        !may_last(from, source->series->begin_min, source->series->end_max))
        return HOLTER_OK;
    holter_status status = segment_run_plan(&run, source->section, source->next - 1, from,
                                            INT64_MAX, INT64_MAX, NULL, err);
    if (status != HOLTER_OK)
        return status;
    if (source->view->spec.by_half_hours)
        segment_run_by_half_hours(run);
    status = segment_run_reach(reach, run, err);
    segment_run_close(run);
    return status;
}

/* Q2, of the series at hand. */
static holter_status series_reach(int64_t *reach, const struct query_view *view, int64_t from,
                                  holter_error *err)
{
    *reach = from;
    if (view->schema.kind != SAMPLE_INTERVAL)
        return HOLTER_OK;
    for (size_t i = 0; i < view->source_count; i++) {
        holter_status status = source_reach(reach, &view->sources[i], from, err);
        if (status != HOLTER_OK)
            return status;
    }
    if (view->memory_series == NULL)
        return HOLTER_OK;
    int64_t of_memory;
    holter_status status = memtable_series_reach(&of_memory, view->memory_series, from, err);
    *reach = least(*reach, of_memory);
    return status;
}

static enum merge_verdict take_whole(void *context, const struct merge_ahead *ahead)
{
    const struct query_spec *spec = context;
    switch (query_filter_block(spec, ahead->about)) {
    case QUERY_NONE:
        return MERGE_TAKEN;
    case QUERY_SOME: {
        const struct segment_block *block = ahead->about;
        return spec->take_part == NULL || ahead->blocks != 1 || block->flagged > 0
                   ? MERGE_READ
                   : spec->take_part(spec->take_context, block, ahead->context);
    }
    case QUERY_ALL:
        break;
    }
    return spec->take_block == NULL
               ? MERGE_READ
               : spec->take_block(spec->take_context, ahead->about, ahead->blocks);
}

/* Blocks are asked for by their headers before they are read. */
static bool has_verdict(const struct query_spec *spec)
{
    return spec->take_block != NULL || spec->filter_count > 0;
}

/* All but the first are told what will be read of them before any is waited for. */
static void expect_runs(struct query_view *view)
{
    size_t count = 0;
    if (has_verdict(&view->spec)) /* which may suffice */
        return;
    for (size_t i = 0; i < view->source_count; i++) {
        if (view->sources[i].run != NULL && count++ > 0)
            segment_run_expect(view->sources[i].run);
    }
}

holter_status query_view_merge(struct query_view *view, int64_t from, int64_t to, bool overlapping,
                               holter_error *err)
{
    int64_t reach = from;
    if (overlapping) {
        holter_status status = series_reach(&reach, view, from, err);
        if (status != HOLTER_OK)
            return status;
    }
    size_t run_count = 0;
    for (size_t i = 0; i < view->source_count; i++) {
        struct query_source *source = &view->sources[i];
        if (source->series == NULL)
            continue;
        holter_status status = segment_run_plan(&source->run, source->section, source->next - 1,
                                                reach, to, INT64_MAX, view->pool, err);
        if (status != HOLTER_OK)
            return status;
        if (view->spec.by_half_hours)
            segment_run_by_half_hours(source->run);
        segment_run_merge(source->run, &view->runs[run_count++], source->file->sequence_min,
                          source->file->sequence_max); /* M4 */
    }
    expect_runs(view);
    if (view->memory_series != NULL) {
        holter_status status =
            memtable_run_open(&view->memory_run, view->memory_series, reach, err);
        if (status != HOLTER_OK)
            return status;
        memtable_run_merge(view->memory_run, &view->runs[run_count++]);
    }

    struct merge_spec spec = {
        .runs = view->runs,
        .run_count = run_count,
        .tombstones = &view->tombstones,
        .metric = view->metric,
        .source = view->source,
        .schema = view->schema,
        .from = from,
        .to = to,
        .ends_after = overlapping ? from : INT64_MAX,
        .take_whole = has_verdict(&view->spec) ? take_whole : NULL,
        .take_context = &view->spec,
    };
    return merge_new(&view->merge, &spec, err);
}

void query_view_merge_end(struct query_view *view)
{
    merge_free(view->merge);
    view->merge = NULL;
    memtable_run_close(view->memory_run);
    view->memory_run = NULL;
    for (size_t i = 0; i < view->source_count; i++) {
        segment_run_close(view->sources[i].run);
        view->sources[i].run = NULL;
    }
}
