/*
 * compaction_job.c -- the job: inputs to outputs, user by user.
 *
 *     hot   [ user 3 | user 7 | .. ]──┐                          ┌─> week 6
 *     hot   [ user 3 | user 9 | .. ]──┼─> series by series ─────┼─> week 7
 *     warm 7 [ user 7 | .. ]──────────┘    merge, tombstones     └─> week 8
 *
 *     warm 8  [ user 3 | .. ]──┐
 *     warm 9  [ user 7 | .. ]──┼─────────> ..                    ──> the 28 days of weeks 8 to 11
 *     cold 2  [ user 3 | .. ]──┘
 *
 * A job goes over its inputs once for every COMPACTION_OUTPUTS_AT_ONCE outputs, and reads only
 * blocks of their times; so memory is bounded by the number of inputs and that one, whatever times
 * the rows hold. A merge is a job with one output, warm or cold.
 *
 *   J1, J2  compaction_user.c.
 *   J3  The range of an output's sequences is that of all inputs that could hold rows of it: those
 *       of the plan, and the warm file taken in. No other file of its time lies in it (C2).
 *
 * C1-C6 are told in manifest.h and compaction.h, M1-M4 in merge.h.
 */
#include "compaction_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- keys, files, leave to go on ------------------------------------------------------------- */

holter_status compaction_key_get(struct compaction_key *out, struct compaction_job *job,
                                 uint64_t user, uint32_t stored, holter_error *err)
{
    const struct compaction_keys *keys = &job->spec->keys;
    struct compaction_key key = { .is_held = true };
    holter_error own = { 0 };
    holter_status status =
        keys->get(keys->context, user, stored, &key.key, &key.generation, &key.newest, &own);
    if (status == HOLTER_OK)
        *out = key;
    else if (status == HOLTER_EXPIRED)
        job->met_erased = true;
    else if (err != NULL)
        *err = own;
    return status;
}

void compaction_key_put(struct compaction_job *job, struct compaction_key *key)
{
    if (key->is_held)
        job->spec->keys.put(job->spec->keys.context, key->key, key->newest);
    *key = (struct compaction_key){ 0 };
}

holter_status compaction_go_on(const struct compaction_job *job, holter_error *err)
{
    const struct compaction_spec *spec = job->spec;
    if (spec->go_on == NULL || spec->go_on(spec->go_on_context, job->rows_done, job->rows_all))
        return HOLTER_OK;
    return error_set(err, HOLTER_BUSY, "compaction in '%s': given up as asked",
                     spec->segment.directory);
}

holter_status compaction_misfit(const struct compaction_job *job, const struct manifest_file *file,
                                const char *found, holter_error *err)
{
    char name[MANIFEST_FILE_NAME_BYTES];
    manifest_file_name(name, file->id);
    return error_set(err, HOLTER_CORRUPT, "segment '%s/%s': found %s", job->spec->segment.directory,
                     name, found);
}

holter_status compaction_segment_open(struct segment **out, const struct compaction_job *job,
                                      const struct manifest_file *file, holter_error *err)
{
    holter_status status = segment_open(out, &job->spec->segment, file->id, file->footer_hash, err);
    if (status == HOLTER_NOT_FOUND)
        status = compaction_misfit(job, file, "no such file, though the manifest names it", err);
    if (status == HOLTER_OK)
        segment_expect(*out);
    return status;
}

holter_status compaction_no_memory(holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "compaction: memory of a job");
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static holter_status input_next_user(struct compaction_input *input, struct compaction_job *job,
                                     holter_error *err)
{
    input->has_user = input->next < segment_user_count(input->segment);
    if (!input->has_user)
        return HOLTER_OK;
    return segment_user_at(&input->user, input->segment, job->queue, input->next++, err);
}

/* From its first user on; opened where it is not. */
static holter_status input_start(struct compaction_input *input, struct compaction_job *job,
                                 holter_error *err)
{
    if (input->segment == NULL) {
        holter_status status = compaction_segment_open(&input->segment, job, input->file, err);
        if (status != HOLTER_OK)
            return status;
    }
    input->next = 0;
    return input_next_user(input, job, err);
}

static void input_close(struct compaction_input *input, struct compaction_job *job)
{
    compaction_user_close(input, job);
    segment_close(input->segment);
    input->segment = NULL;
    input->has_user = false;
}

static bool input_is_at_hand(const struct compaction_input *input, const struct compaction_job *job)
{
    return input->output == SIZE_MAX || (input->output >= job->first && input->output < job->end);
}

/* ---- outputs --------------------------------------------------------------------------------- */

static holter_status output_finish(struct compaction_output *output, struct compaction_job *job,
                                   holter_error *err)
{
    if (output->writer == NULL)
        return HOLTER_OK;
    holter_status status = segment_writer_finish(output->writer, &output->summary, err);
    output->is_finished = status == HOLTER_OK;
    segment_writer_free(output->writer);
    output->writer = NULL;
    compaction_key_put(job, &output->key);
    tombstones_release(&output->tombstones);
    return status;
}

/* ---- a pass, the job ------------------------------------------------------------------------- */

/* The least user that some input comes to; false: none is left. */
static bool find_user(uint64_t *user, const struct compaction_job *job)
{
    bool found = false;
    for (size_t i = 0; i < job->input_count; i++) {
        const struct compaction_input *input = &job->inputs[i];
        if (!input->has_user || (found && input->user.user >= *user))
            continue;
        *user = input->user.user;
        found = true;
    }
    return found;
}

static holter_status advance_user(struct compaction_job *job, uint64_t user, holter_error *err)
{
    for (size_t i = 0; i < job->input_count; i++) {
        struct compaction_input *input = &job->inputs[i];
        if (!input->has_user || input->user.user != user)
            continue;
        holter_status status = input_next_user(input, job, err);
        if (status != HOLTER_OK)
            return status;
        if (input->has_user && input->user.user <= user)
            return compaction_misfit(job, input->file, "users that do not rise", err);
    }
    return HOLTER_OK;
}

/* All inputs that are at hand, from their first user on. */
static holter_status inputs_start(struct compaction_job *job, holter_error *err)
{
    holter_status status = HOLTER_OK;
    for (size_t i = 0; status == HOLTER_OK && i < job->input_count; i++) {
        struct compaction_input *input = &job->inputs[i];
        bool is_at_hand = input_is_at_hand(input, job);
        job->live[input->live].is_at_hand = is_at_hand;
        if (is_at_hand)
            status = input_start(input, job, err);
    }
    return status;
}

/* Few users are counted, so that an output has no room for more in its front; many are not known. */
static holter_status count_users(struct compaction_job *job, holter_error *err)
{
    uint64_t user = 0, count = 0;
    holter_status status = inputs_start(job, err);
    while (status == HOLTER_OK && count <= SEGMENT_USERS_IN_FRONT && find_user(&user, job)) {
        count++;
        status = advance_user(job, user, err);
    }
    job->users_max = count <= SEGMENT_USERS_IN_FRONT ? count : 0;
    return status;
}

static holter_status run_pass(struct compaction_job *job, holter_error *err)
{
    holter_status status = count_users(job, err);
    if (status == HOLTER_OK)
        status = inputs_start(job, err);
    uint64_t user = 0;
    while (status == HOLTER_OK && find_user(&user, job)) {
        status = compaction_user_write(job, user, err);
        if (status == HOLTER_EXPIRED)
            status = HOLTER_OK; /* left out */
        if (status == HOLTER_OK)
            status = advance_user(job, user, err);
        if (status == HOLTER_OK)
            status = compaction_go_on(job, err);
    }
    for (size_t i = job->first; status == HOLTER_OK && i < job->end; i++)
        status = output_finish(&job->outputs[i], job, err);
    for (size_t i = 0; i < job->input_count; i++) {
        if (job->inputs[i].output != SIZE_MAX)
            input_close(&job->inputs[i], job);
    }
    return status;
}

holter_status compaction_job_run(struct compaction_job *job, holter_error *err)
{
    holter_status status = HOLTER_OK;
    while (status == HOLTER_OK && job->end < job->output_count) {
        job->first = job->end;
        job->end = job->output_count - job->first > COMPACTION_OUTPUTS_AT_ONCE
                       ? job->first + COMPACTION_OUTPUTS_AT_ONCE
                       : job->output_count;
        job->from = job->outputs[job->first].from;
        job->to = job->outputs[job->end - 1].to;
        status = run_pass(job, err);
    }
    if (status == HOLTER_OK && !job->met_erased && job->rows_done != job->rows_seen)
        status = error_set(
            err, HOLTER_CORRUPT,
            "compaction in '%s': found %llu rows in the blocks of its inputs, expected %llu",
            job->spec->segment.directory, (unsigned long long)job->rows_done,
            (unsigned long long)job->rows_seen); /* J1 */
    return status;
}

/* ---- setting up ------------------------------------------------------------------------------ */

static size_t live_find(const struct compaction_job *job, const struct manifest_file *file)
{
    size_t index = 0;
    while (job->live[index].file != file)
        index++;
    return index;
}

static void add_input(struct compaction_job *job, const struct manifest_file *file, size_t output)
{
    struct compaction_input *input = &job->inputs[job->input_count++];
    input->file = file;
    input->output = output;
    input->live = live_find(job, file);
    job->live[input->live].is_input = true;
    job->rows_all += file->rows;
}

static void add_output(struct compaction_job *job, const struct compaction_plan *plan,
                       int64_t partition)
{
    struct compaction_output *output = &job->outputs[job->output_count++];
    *output = (struct compaction_output){
        .partition = partition,
        .from = manifest_partition_from(job->tier, partition),
        .to = manifest_partition_to(job->tier, partition),
        .sequence_min = plan->files[0]->sequence_min,
    };
    for (size_t i = 0; i < plan->count; i++) { /* J3 */
        if (plan->files[i]->sequence_max > output->sequence_max)
            output->sequence_max = plan->files[i]->sequence_max;
    }
}

/* A warm or cold file holds rows of its partition only. */
static holter_status check_times(const struct compaction_job *job, const struct manifest_file *file,
                                 holter_error *err)
{
    enum manifest_tier tier = (enum manifest_tier)file->tier;
    if (file->rows > 0 && (manifest_partition(tier, file->begin_min) != file->partition ||
                           manifest_partition(tier, file->begin_max) != file->partition))
        return compaction_misfit(job, file, "rows of another partition", err);
    return HOLTER_OK;
}

static holter_status find_hits(struct compaction_hits *hits, struct compaction_job *job,
                               holter_error *err)
{
    for (size_t i = 0; i < job->input_count; i++) {
        struct compaction_input *input = &job->inputs[i];
        holter_status status = compaction_segment_open(&input->segment, job, input->file, err);
        if (status == HOLTER_OK)
            status = compaction_hits_of_file(hits, job, input->segment, input->file, err);
        if (status != HOLTER_OK)
            return status;
    }
    return HOLTER_OK;
}

/* About the bytes that a split brings to a partition. */
static uint64_t share_of(const struct compaction_plan *plan, const struct compaction_hit *hit)
{
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < plan->count; i++) {
        rows += plan->files[i]->rows;
        bytes += plan->files[i]->bytes;
    }
    return rows > 0 ? (uint64_t)((double)bytes * (double)hit->rows / (double)rows) : 0;
}

static holter_status init_split(struct compaction_job *job, const struct compaction_plan *plan,
                                holter_error *err)
{
    struct compaction_hits hits = { 0 };
    for (size_t i = 0; i < plan->count; i++)
        add_input(job, plan->files[i], SIZE_MAX);
    holter_status status = find_hits(&hits, job, err);
    if (status != HOLTER_OK)
        goto done;

    /* There may be a warm file to take in for each. */
    struct compaction_input *inputs = core_calloc(plan->count + hits.count, sizeof *inputs);
    if (inputs == NULL) {
        status = compaction_no_memory(err);
        goto done;
    }
    memcpy(inputs, job->inputs, plan->count * sizeof *inputs);
    free(job->inputs);
    job->inputs = inputs;
    job->outputs = core_calloc(hits.count, sizeof *job->outputs);
    if (job->outputs == NULL)
        status = compaction_no_memory(err);
    for (size_t i = 0; status == HOLTER_OK && i < hits.count; i++) {
        add_output(job, plan, hits.at[i].partition);
        job->outputs[i].users_hit = hits.at[i].users;
        const struct manifest_file *neighbour =
            compaction_plan_neighbour(job->version, plan, hits.at[i].partition,
                                      share_of(plan, &hits.at[i]));
        if (neighbour == NULL)
            continue;
        add_input(job, neighbour, i);
        job->outputs[i].sequence_min = neighbour->sequence_min; /* J3 */
        status = check_times(job, neighbour, err);
    }
done:
    compaction_hits_release(&hits);
    return status;
}

static holter_status init_merge(struct compaction_job *job, const struct compaction_plan *plan,
                                holter_error *err)
{
    job->outputs = core_calloc(1, sizeof *job->outputs);
    if (job->outputs == NULL)
        return compaction_no_memory(err);
    add_output(job, plan, plan->partition);
    for (size_t i = 0; i < plan->count; i++) {
        add_input(job, plan->files[i], 0);
        holter_status status = check_times(job, plan->files[i], err);
        if (status != HOLTER_OK)
            return status;
    }
    return HOLTER_OK;
}

holter_status compaction_job_init(struct compaction_job *job, const struct compaction_plan *plan,
                                  holter_error *err)
{
    job->class = plan->class;
    job->tier = plan->tier;
    job->inputs = core_calloc(plan->count, sizeof *job->inputs);
    job->live = core_calloc(job->version->file_count, sizeof *job->live);
    if (job->inputs == NULL || job->live == NULL)
        return compaction_no_memory(err);
    for (size_t i = 0; i < job->version->file_count; i++) {
        if (job->version->files[i].class == plan->class)
            job->live[job->live_count++].file = &job->version->files[i];
    }
    holter_status status =
        io_queue_open(&job->queue, job->spec->segment.io, IO_QUEUE_DEPTH_MAX, err);
    if (status == HOLTER_OK)
        status = plan->is_split ? init_split(job, plan, err) : init_merge(job, plan, err);
    if (status != HOLTER_OK)
        return status;
    job->runs = core_calloc(job->input_count, sizeof *job->runs);
    return job->runs == NULL ? compaction_no_memory(err) : HOLTER_OK;
}

/* ---- the end --------------------------------------------------------------------------------- */

static struct manifest_file entry_of(const struct compaction_job *job,
                                     const struct compaction_output *output)
{
    const struct segment_summary *summary = &output->summary;
    struct manifest_file file = {
        .tier = (uint8_t)job->tier,
        .class = job->class,
        .partition = output->partition,
        .sequence_min = output->sequence_min,
        .sequence_max = output->sequence_max,
        .user_min = summary->user_min,
        .user_max = summary->user_max,
        .rows = summary->rows,
        .begin_min = summary->begin_min,
        .begin_max = summary->begin_max,
        .end_max = summary->end_max,
        .tombstones = summary->tombstones,
        .tombstone_begin = summary->tombstone_begin,
        .tombstone_end = summary->tombstone_end,
        .bytes = summary->bytes,
        .footer_hash = summary->footer_hash,
    };
    memcpy(file.id, summary->id, sizeof file.id);
    return file;
}

holter_status compaction_job_commit(struct compaction_job *job, struct compaction_result *result,
                                    holter_error *err)
{
    struct compaction_result done = { .did_work = true, .jobs = 1, .files_in = job->input_count };
    struct manifest_file *add = core_calloc(job->output_count, sizeof *add);
    uint8_t(*remove)[MANIFEST_ID_BYTES] = core_calloc(job->input_count, sizeof *remove);
    holter_status status = HOLTER_NO_MEMORY;
    if (add == NULL || remove == NULL) {
        compaction_no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < job->output_count; i++) {
        if (!job->outputs[i].is_finished)
            continue;
        add[done.files_out] = entry_of(job, &job->outputs[i]);
        done.rows_out += add[done.files_out].rows;
        done.tombstones_out += add[done.files_out].tombstones;
        done.bytes_out += job->outputs[i].summary.bytes;
        done.block_bytes += job->outputs[i].summary.block_bytes;
        done.rollup_bytes += job->outputs[i].summary.rollup_bytes;
        done.files_out++;
    }
    for (size_t i = 0; i < job->input_count; i++) {
        const struct manifest_file *file = job->inputs[i].file;
        memcpy(remove[i], file->id, sizeof remove[i]);
        done.rows_in += file->rows;
        done.tombstones_in += file->tombstones;
    }
    struct manifest_edit edit = {
        .add = add,
        .add_count = done.files_out,
        .remove = (const uint8_t(*)[MANIFEST_ID_BYTES])remove,
        .remove_count = job->input_count,
    };
    status = job->spec->commit(job->spec->commit_context, &edit, err);
    if (status == HOLTER_OK)
        *result = done;
done:
    free(add);
    free(remove);
    return status;
}

void compaction_job_unlink(struct compaction_job *job)
{
    for (size_t i = 0; i < job->output_count; i++) {
        char name[MANIFEST_FILE_NAME_BYTES];
        char path[IO_PATH_BYTES_MAX];
        if (!job->outputs[i].is_finished)
            continue;
        manifest_file_name(name, job->outputs[i].summary.id);
        if (io_path_join(path, job->spec->segment.directory, name, NULL, NULL))
            (void)io_unlink(job->spec->segment.io, path, NULL); /* else a sweep does it */
    }
}

void compaction_job_release(struct compaction_job *job)
{
    for (size_t i = 0; i < job->input_count; i++)
        input_close(&job->inputs[i], job);
    for (size_t i = 0; i < job->output_count; i++) {
        segment_writer_free(job->outputs[i].writer);
        compaction_key_put(job, &job->outputs[i].key);
        tombstones_release(&job->outputs[i].tombstones);
    }
    for (size_t i = 0; i < job->live_count; i++)
        segment_close(job->live[i].segment);
    tombstones_release(&job->tombstones);
    free(job->inputs);
    free(job->outputs);
    free(job->live);
    free(job->runs);
    io_queue_close(job->queue);
}
