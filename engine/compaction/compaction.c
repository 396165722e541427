/*
 * compaction.c -- one step: a plan, a job, one edit.
 *
 *     version ──> plan ──> job ──> files, finished and read back ──> edit: outputs in, inputs out
 *                                                              ^ up to here a sweep undoes it all
 *
 * Readers go by a version that they pinned, so nothing that a job does is seen before its edit, and
 * what its edit takes out stays on the disk for as long as somebody reads it (manifest P2).
 */
#include "compaction_impl.h"

holter_status compaction_step(struct compaction_result *result, const struct compaction_spec *spec,
                              holter_error *err)
{
    struct compaction_job job = { .spec = spec, .version = spec->version };
    struct compaction_plan plan = compaction_plan_find(spec->version, spec->now_ns, spec->to);
    holter_status status = HOLTER_OK;
    if (plan.count == 0) {
        *result = (struct compaction_result){ 0 };
        goto done;
    }

    status = compaction_job_init(&job, &plan, err);
    if (status == HOLTER_OK)
        status = compaction_job_run(&job, err);
    if (status == HOLTER_OK)
        status = compaction_go_on(&job, err);
    if (status != HOLTER_OK) {
        compaction_job_unlink(&job);
        goto done;
    }
    status = compaction_job_commit(&job, result, err);
done:
    compaction_job_release(&job);
    return status;
}
