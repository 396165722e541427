/*
 * compaction_user.c -- one user in one pass: sections in, tombstones and series out.
 *
 *   J1  Every row of the inputs goes through exactly one merge of one pass: it is written,
 *       superseded or hidden, and counted. A job whose counts differ fails.
 *   J2  An output is made with its first row or tombstone, so there is none without.
 *
 * C1-C6 are told in manifest.h and compaction.h, M1-M4 in merge.h, J3 in compaction_job.c.
 */
#include "compaction_impl.h"

/* ---- inputs and outputs of the user at hand -------------------------------------------------- */

void compaction_user_close(struct compaction_input *input, struct compaction_job *job)
{
    segment_run_close(input->run);
    input->run = NULL;
    segment_section_close(input->section);
    input->section = NULL;
    compaction_key_put(job, &input->key);
}

/* The next series of the user at hand; NULL: none. */
static const struct segment_series *input_series(const struct compaction_input *input)
{
    if (input->section == NULL || input->series == segment_section_series_count(input->section))
        return NULL;
    return segment_section_series(input->section, input->series);
}

/* Of all outputs, that of the partition a time lies in; NULL: there is none. */
static struct compaction_output *output_find(struct compaction_job *job, int64_t time_ns)
{
    int64_t partition = manifest_partition(job->tier, time_ns);
    size_t low = 0, high = job->output_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (job->outputs[middle].partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == job->output_count || job->outputs[low].partition != partition)
        return NULL;
    return &job->outputs[low];
}

/* An output has no more users than its inputs together, nor than hit it and are in the files that it takes in. */
static uint64_t users_max_of(const struct compaction_job *job,
                             const struct compaction_output *output)
{
    uint64_t most = output->users_hit;
    size_t place = (size_t)(output - job->outputs);
    for (size_t i = 0; i < job->input_count; i++) {
        if (job->inputs[i].output == place)
            most += segment_user_count(job->inputs[i].segment);
    }
    return job->users_max > 0 && job->users_max < most ? job->users_max : most;
}

/* Have a section of the user begun, its tombstones written. */
static holter_status output_begin_user(struct compaction_output *output, struct compaction_job *job,
                                       uint64_t user, holter_error *err)
{
    holter_status status = HOLTER_OK;
    if (output->writer != NULL && output->key.is_held && output->user == user)
        return HOLTER_OK;
    if (output->writer == NULL) {
        struct segment_traits traits = {
            .tier = (uint8_t)job->tier,
            .class = job->class,
            .partition = output->partition,
            .sequence_min = output->sequence_min,
            .sequence_max = output->sequence_max,
        };
        status = segment_writer_new(&output->writer, &job->spec->segment, &traits,
                                    users_max_of(job, output), err);
        if (status != HOLTER_OK)
            return status;
    }

    /*
     * Sections are sealed under the user's newest key. The writer borrows the last one until it has
     * this one.
     */
    struct compaction_key before = output->key;
    struct compaction_key stored = { 0 };
    for (size_t i = 0; !stored.is_held && i < job->input_count; i++) {
        if (job->inputs[i].section != NULL)
            stored = job->inputs[i].key;
    }
    core_assert(stored.is_held);
    status = compaction_key_get(&output->key, job, user, stored.generation, err);
    if (status != HOLTER_OK)
        return status;
    output->user = user;
    status = segment_writer_user(output->writer, user, output->key.generation, job->spec->arena,
                                 output->key.newest, err);
    compaction_key_put(job, &before);
    if (status == HOLTER_OK && output->tombstones.count > 0)
        status = segment_writer_tombstones(output->writer, &output->tombstones, err);
    return status;
}

/* ---- a user's tombstones --------------------------------------------------------------------- */

/* Of an input at hand: each may hide rows here, and goes on in the output of its partition (C6). */
static holter_status take_tombstones(struct compaction_job *job,
                                     const struct compaction_input *input, holter_error *err)
{
    const struct tombstones *tombstones = segment_section_tombstones(input->section);
    for (size_t i = 0; i < tombstones->count; i++) {
        const struct tombstone *one = &tombstones->at[i];
        struct compaction_output *output = output_find(job, one->begin);
        if (output == NULL || (input->output != SIZE_MAX && output != &job->outputs[input->output]))
            return compaction_misfit(job, input->file, "a tombstone of another partition", err);
        size_t place = (size_t)(output - job->outputs);
        bool is_written_here = place >= job->first && place < job->end;
        bool reaches_here = one->begin < job->to && one->end > job->from;
        if ((is_written_here && !tombstones_add(&output->tombstones, one)) ||
            (reaches_here && !tombstones_add(&job->tombstones, one)))
            return compaction_no_memory(err);
    }
    return HOLTER_OK;
}

static holter_status write_tombstones(struct compaction_job *job, uint64_t user, holter_error *err)
{
    for (size_t i = job->first; i < job->end; i++) {
        struct compaction_output *output = &job->outputs[i];
        if (output->tombstones.count == 0)
            continue;
        holter_status status = compaction_veil_drop(job, user, &output->tombstones, err); /* C4 */
        if (status == HOLTER_OK && output->tombstones.count > 0)
            status = output_begin_user(output, job, user, err); /* J2 */
        if (status != HOLTER_OK)
            return status;
    }
    return HOLTER_OK;
}

/* ---- a user's series ------------------------------------------------------------------------- */

/* Whose rows are merged. */
struct target {
    uint64_t user;
    uint32_t metric, source;
    struct schema schema;
};

/* Rows rise by time, so each output gets one stretch of a batch. */
static holter_status write_rows(struct compaction_job *job, const struct target *target,
                                const struct columns *rows, holter_error *err)
{
    for (size_t at = 0, end; at < rows->count; at = end) {
        struct compaction_output *output = output_find(job, rows->time[at]);
        if (output == NULL || output < &job->outputs[job->first] ||
            output >= job->outputs + job->end)
            return error_set(err, HOLTER_CORRUPT,
                             "compaction in '%s': found a row of user #%016llx in a partition that "
                             "no block header tells",
                             job->spec->segment.directory, (unsigned long long)target->user);
        end = at + 1;
        while (end < rows->count && rows->time[end] < output->to)
            end++;

        holter_status status = output_begin_user(output, job, target->user, err);
        if (status == HOLTER_OK && !output->has_series) {
            output->has_series = true;
            status = segment_writer_series(output->writer, target->metric, target->source,
                                           &target->schema, err);
        }
        if (status == HOLTER_OK)
            status = segment_writer_rows(output->writer, rows, at, end - at, err);
        if (status != HOLTER_OK)
            return status;
    }
    return HOLTER_OK;
}

static holter_status merge_series(struct compaction_job *job, const struct target *target,
                                  size_t run_count, holter_error *err)
{
    struct merge_spec spec = {
        .runs = job->runs,
        .run_count = run_count,
        .tombstones = &job->tombstones, /* C3 */
        .metric = target->metric,
        .source = target->source,
        .schema = target->schema,
        .from = job->from,
        .to = job->to,
        .ends_after = INT64_MAX,
    };
    struct merge *merge = NULL;
    struct columns rows;
    columns_init(&rows, &target->schema);
    for (size_t i = job->first; i < job->end; i++)
        job->outputs[i].has_series = false;

    holter_status status = merge_new(&merge, &spec, err);
    while (status == HOLTER_OK) {
        columns_clear(&rows);
        status = merge_next(merge, &rows, COMPACTION_ROWS, err);
        if (status != HOLTER_OK)
            break;
        job->rows_done += rows.count;
        status = write_rows(job, target, &rows, err);
    }
    if (status == HOLTER_DONE) {
        uint64_t superseded, hidden;
        merge_counts(merge, &superseded, &hidden);
        job->rows_done += superseded + hidden;
        status = HOLTER_OK;
    }
    merge_free(merge);
    columns_release(&rows);
    return status;
}

/* The least series that some section comes to; false: none is left. */
static bool find_series(struct target *target, const struct compaction_job *job)
{
    const struct segment_series *least = NULL;
    for (size_t i = 0; i < job->input_count; i++) {
        const struct segment_series *series = input_series(&job->inputs[i]);
        if (series != NULL && (least == NULL || series->metric < least->metric ||
                               (series->metric == least->metric && series->source < least->source)))
            least = series;
    }
    if (least == NULL)
        return false;
    target->metric = least->metric;
    target->source = least->source;
    target->schema = least->schema;
    return true;
}

static holter_status write_series(struct compaction_job *job, const struct target *target,
                                  holter_error *err)
{
    holter_status status = HOLTER_OK;
    size_t run_count = 0;
    for (size_t i = 0; status == HOLTER_OK && i < job->input_count; i++) {
        struct compaction_input *input = &job->inputs[i];
        const struct segment_series *series = input_series(input);
        if (series == NULL || series->metric != target->metric || series->source != target->source)
            continue;
        size_t index = input->series++;
        if (!schema_is_equal(&series->schema, &target->schema)) {
            status = compaction_misfit(job, input->file,
                                       "a series of another schema than in other files", err);
            break;
        }
        if (input->output != SIZE_MAX || job->first == 0)
            job->rows_seen += series->rows; /* J1 */
        if (series->begin_min >= job->to || series->begin_max < job->from)
            continue;
        status = segment_run_open(&input->run, input->section, index, job->from, job->to, INT64_MAX,
                                  err);
        if (status == HOLTER_OK)
            segment_run_merge(input->run, &job->runs[run_count++], input->file->sequence_min,
                              input->file->sequence_max); /* M4 */
    }
    if (status == HOLTER_OK && run_count > 0)
        status = merge_series(job, target, run_count, err);
    for (size_t i = 0; i < job->input_count; i++) {
        segment_run_close(job->inputs[i].run);
        job->inputs[i].run = NULL;
    }
    return status;
}

/* ---- the user -------------------------------------------------------------------------------- */

static holter_status open_sections(struct compaction_job *job, uint64_t user, holter_error *err)
{
    for (size_t i = 0; i < job->input_count; i++) {
        struct compaction_input *input = &job->inputs[i];
        if (!input->has_user || input->user.user != user)
            continue;
        input->series = 0;
        holter_status status =
            compaction_key_get(&input->key, job, user, input->user.key_generation, err);
        if (status == HOLTER_OK)
            status = segment_section_open(&input->section, input->segment, &input->user, job->queue,
                                          job->spec->arena, input->key.key, err);
        if (status == HOLTER_OK)
            status = take_tombstones(job, input, err);
        if (status != HOLTER_OK)
            return status;
    }
    return HOLTER_OK;
}

holter_status compaction_user_write(struct compaction_job *job, uint64_t user, holter_error *err)
{
    struct target target = { .user = user };
    job->tombstones.count = 0;
    for (size_t i = job->first; i < job->end; i++)
        job->outputs[i].tombstones.count = 0;

    holter_status status = open_sections(job, user, err);
    if (status == HOLTER_OK)
        status = compaction_veil_gather(job, user, err); /* C3 */
    if (status == HOLTER_OK)
        status = write_tombstones(job, user, err);
    while (status == HOLTER_OK && find_series(&target, job))
        status = write_series(job, &target, err);

    for (size_t i = 0; i < job->input_count; i++)
        compaction_user_close(&job->inputs[i], job);
    return status;
}
