/*
 * manifest.c -- the handle of a manifest: open, refresh, commit.
 *
 * Edits are applied to a draft, which becomes the current version only once a refresh has come to
 * its end; so who holds a version never sees it change, and no state between two edits is ever
 * current. A commit prepares its version first, writes the edit, and cannot fail any more once that
 * is durable.
 *
 *     current (v 7) --copy--> draft: edits 8, 9 --> current (v 9) v 7 lives on while it is counted
 *
 * C1, C2  manifest_version.c keeps them, for what is committed and for what is read.
 * P1, P2  manifest_pin.c, manifest_sweep.c.
 *
 * Bytes: format-spec/manifest.md. Tests: tests/unit/test_manifest_*.c.
 */
#include "manifest_impl.h"

#include <stdlib.h>
#include <string.h>

enum { REFRESHES_MAX = 8, REWRITE_BYTES_MIN = 64 << 10, REWRITE_FACTOR = 4 };

static const char manifest_name[] = "manifest";

/* ---- what left, and when (P2) ---------------------------------------------------------------- */

static bool reserve_left(struct manifest *manifest, size_t left, size_t steps)
{
    void *grown = manifest->left;
    if (!core_grow(&grown, &manifest->left_capacity, manifest->left_count + left + 1,
                   sizeof *manifest->left))
        return false;
    manifest->left = grown;
    grown = manifest->steps;
    if (!core_grow(&grown, &manifest->step_capacity, manifest->step_count + steps + 1,
                   sizeof *manifest->steps))
        return false;
    manifest->steps = grown;
    return true;
}

/* After reserve_left. */
static void note_left(struct manifest *manifest, const struct manifest_change *change,
                      uint64_t version)
{
    for (size_t i = 0; i < change->remove_count; i++) {
        struct manifest_left *left = &manifest->left[manifest->left_count++];
        *left = (struct manifest_left){ .version = version };
        memcpy(left->id, change->remove[i], MANIFEST_ID_BYTES);
    }
    size_t steps = manifest->step_count;
    if (change->has_flushed &&
        (steps == 0 || manifest->steps[steps - 1].log_file < change->flushed.file))
        manifest->steps[manifest->step_count++] =
            (struct manifest_step){ .version = version, .log_file = change->flushed.file };
}

/* ---- applying edits to the draft ------------------------------------------------------------- */

static void drop_draft(struct manifest *manifest)
{
    manifest_counted_unref(manifest->draft);
    manifest->draft = NULL;
    manifest_change_clear(&manifest->change);
    manifest->parts_left = 0;
}

static void owner_reset(void *context)
{
    struct manifest *manifest = context;
    drop_draft(manifest);
    manifest->is_reset = true;
    manifest->left_count = 0;
    manifest->step_count = 0;
}

/* All parts of an edit are here. */
static holter_status apply_change(struct manifest *manifest, uint64_t version, holter_error *err)
{
    struct manifest_change *change = &manifest->change;
    if (change->is_snapshot != manifest->is_reset)
        return error_set(err, HOLTER_CORRUPT, "manifest '%s': version %llu is %s",
                         manifest->spec.directory, (unsigned long long)version,
                         change->is_snapshot ? "a snapshot amid changes" : "a change of nothing");
    if (manifest->draft == NULL)
        manifest->draft =
            change->is_snapshot ? manifest_counted_new() : manifest_counted_copy(manifest->current);
    if (manifest->draft == NULL || !reserve_left(manifest, change->remove_count, 1))
        return error_set(err, HOLTER_NO_MEMORY, "manifest '%s': memory for a version",
                         manifest->spec.directory);

    holter_status status =
        change->is_snapshot ? manifest_snapshot_apply(manifest->draft, change, err)
                            : manifest_change_apply(manifest->draft, change, HOLTER_CORRUPT, err);
    if (status != HOLTER_OK)
        return status;
    if (change->is_snapshot)
        manifest->base = version;
    manifest->is_reset = false;
    manifest->draft->version.version = version;
    note_left(manifest, change, version);
    return HOLTER_OK;
}

static holter_status owner_apply(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                                 holter_error *err)
{
    struct manifest *manifest = context;
    if (manifest->is_own_commit)
        return HOLTER_OK;
    holter_status status =
        manifest_part_decode(&manifest->change, &manifest->parts_left, body, bytes);
    if (status == HOLTER_NO_MEMORY)
        return error_set(err, status, "manifest '%s': memory for an edit",
                         manifest->spec.directory);
    if (status != HOLTER_OK)
        return error_set(err, status,
                         "manifest '%s': the body of version %llu (%zu bytes) is malformed",
                         manifest->spec.directory, (unsigned long long)version, bytes);
    return manifest->parts_left == 0 ? apply_change(manifest, version, err) : HOLTER_OK;
}

/* ---- following and publishing ---------------------------------------------------------------- */

static uint64_t current_version(const struct manifest *manifest)
{
    return manifest->current == NULL ? 0 : manifest->current->version.version;
}

void manifest_follow(struct manifest *manifest, struct head *head)
{
    manifest->spec.head = head;
}

/* UINT64_MAX: nobody has published in this boot. */
static uint64_t published_version(const struct manifest *manifest)
{
    uint64_t words[HEAD_WORDS];
    if (manifest->spec.head == NULL || !head_read(manifest->spec.head, MANIFEST_HEAD_PAIR, words))
        return UINT64_MAX;
    return words[MANIFEST_HEAD_VERSION];
}

static void publish(struct manifest *manifest)
{
    uint64_t words[HEAD_WORDS] = { 0 }, found[HEAD_WORDS];
    words[MANIFEST_HEAD_VERSION] = current_version(manifest);
    words[MANIFEST_HEAD_GENERATION] = edits_generation(manifest->edits);
    if (manifest->spec.head == NULL)
        return;
    if (head_read(manifest->spec.head, MANIFEST_HEAD_PAIR, found) &&
        memcmp(found, words, sizeof words) == 0)
        return;
    head_publish(manifest->spec.head, MANIFEST_HEAD_PAIR, words);
}

/*
 * What was applied becomes current. A draft that ends amid an edit is corrupt: edits bring all
 * parts.
 */
static holter_status install_draft(struct manifest *manifest, holter_status status,
                                   holter_error *err)
{
    if (status == HOLTER_OK && manifest->parts_left != 0)
        status = error_set(err, HOLTER_CORRUPT, "manifest '%s': the last edit lacks %llu parts",
                           manifest->spec.directory, (unsigned long long)manifest->parts_left);
    if (status == HOLTER_OK && manifest->draft != NULL) {
        manifest_counted_unref(manifest->current);
        manifest->current = manifest->draft;
        manifest->draft = NULL;
    }
    drop_draft(manifest);
    return status;
}

static struct edits_spec edits_spec_of(const struct manifest_spec *spec, struct manifest *manifest)
{
    struct edits_spec edits = {
        .io = spec->io,
        .directory = spec->directory,
        .name = manifest_name,
        .kind = EDITS_MANIFEST,
        .place = spec->place,
        .statistics = spec->statistics,
        .owner = { .reset = owner_reset, .apply = owner_apply, .context = manifest },
    };
    memcpy(edits.store_id, spec->store_id, sizeof edits.store_id);
    return edits;
}

/* ---- entry points ---------------------------------------------------------------------------- */

holter_status manifest_create(const struct manifest_spec *spec, holter_error *err)
{
    struct edits_spec edits = edits_spec_of(spec, NULL);
    struct manifest_change change = {
        .is_snapshot = true, .has_flushed = true, .has_closed = true, .flushed = { .sequence = 1 }
    };
    struct manifest_parts parts;
    holter_status status = manifest_parts_encode(&parts, &change, err);
    if (status == HOLTER_OK)
        status = edits_create(&edits, parts.parts, parts.count, err);
    manifest_parts_release(&parts);
    return status;
}

holter_status manifest_open(struct manifest **out, const struct manifest_spec *spec, bool writable,
                            holter_error *err)
{
    *out = NULL;
    struct manifest *manifest = calloc(1, sizeof *manifest);
    if (manifest == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "manifest '%s': handle", spec->directory);
    manifest->spec = *spec;

    struct edits_spec edits = edits_spec_of(spec, manifest);
    holter_status status =
        edits_open(&manifest->edits, &edits, writable, published_version(manifest), err);
    status = install_draft(manifest, status, err);
    if (status == HOLTER_OK && !writable && current_version(manifest) > published_version(manifest))
        status = manifest_refresh(manifest, false, err);
    if (status != HOLTER_OK)
        goto done;
    if (writable)
        publish(manifest);

    *out = manifest;
    manifest = NULL; /* now the caller's */
done:
    manifest_close(manifest);
    return status;
}

void manifest_close(struct manifest *manifest)
{
    if (manifest == NULL)
        return;
    edits_close(manifest->edits);
    drop_draft(manifest);
    manifest_change_release(&manifest->change);
    manifest_counted_unref(manifest->current);
    free(manifest->left);
    free(manifest->steps);
    free(manifest->pins);
    free(manifest);
}

holter_status manifest_refresh(struct manifest *manifest, bool writable, holter_error *err)
{
    holter_status status = HOLTER_OK;
    for (unsigned i = 0; i < REFRESHES_MAX && status == HOLTER_OK; i++) {
        uint64_t published = published_version(manifest);
        status = edits_refresh(manifest->edits, writable, published, err);
        status = install_draft(manifest, status, err);
        if (writable || current_version(manifest) <= published)
            break; /* else the copies were made anew since the page was read */
    }
    if (status == HOLTER_OK && writable)
        publish(manifest);
    return status;
}

struct manifest_version *manifest_current(struct manifest *manifest)
{
    return manifest_version_ref(&manifest->current->version);
}

/* ---- commit ---------------------------------------------------------------------------------- */

/* A change in canonical order, in memory of its own. */
static holter_status change_of_edit(struct manifest_change *out, const struct manifest_edit *edit,
                                    holter_error *err)
{
    *out = (struct manifest_change){
        .has_flushed = edit->flushed.file != 0,
        .has_closed = edit->closed.file != 0,
        .flushed = edit->flushed,
        .closed = edit->closed,
    };
    if (edit->remove_count > MANIFEST_PART_REMOVED_MAX)
        return error_set(err, HOLTER_INVALID, "manifest: %zu files to remove at once, at most %d",
                         edit->remove_count, MANIFEST_PART_REMOVED_MAX);
    out->add = core_calloc(edit->add_count + 1, sizeof *out->add);
    out->remove = core_calloc(edit->remove_count + 1, sizeof *out->remove);
    if (out->add == NULL || out->remove == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "manifest: memory for an edit");

    out->add_count = edit->add_count;
    out->remove_count = edit->remove_count;
    if (edit->add_count > 0)
        memcpy(out->add, edit->add, edit->add_count * sizeof *out->add);
    if (edit->remove_count > 0)
        memcpy(out->remove, edit->remove, edit->remove_count * sizeof *out->remove);
    qsort(out->add, out->add_count, sizeof *out->add, manifest_file_compare);
    qsort(out->remove, out->remove_count, sizeof *out->remove, manifest_id_compare);
    return HOLTER_OK;
}

static uint64_t snapshot_bytes(const struct manifest_version *version)
{
    return 2 * CORE_SECTOR_BYTES + (uint64_t)version->file_count * MANIFEST_FILE_BYTES;
}

/*
 * The log is long: keep the whole state instead. A failure leaves the old copies, which are as
 * good.
 */
static void rewrite(struct manifest *manifest)
{
    const struct manifest_version *version = &manifest->current->version;
    struct manifest_change snapshot = {
        .is_snapshot = true,
        .has_flushed = true,
        .has_closed = true,
        .flushed = version->flushed,
        .closed = version->closed,
        .add = version->files,
        .add_count = version->file_count,
    };
    struct manifest_parts parts;
    holter_status status = manifest_parts_encode(&parts, &snapshot, NULL);
    if (status == HOLTER_OK)
        status = edits_rewrite(manifest->edits, parts.parts, parts.count, NULL);
    manifest_parts_release(&parts);
    if (status == HOLTER_OK)
        publish(manifest);
}

holter_status manifest_commit(struct manifest *manifest, const struct manifest_edit *edit,
                              holter_error *err)
{
    struct manifest_change change = { .add = NULL };
    struct manifest_parts parts = { .count = 0 };
    struct manifest_counted *next = NULL;
    holter_status status;
    if (edits_version(manifest->edits) != current_version(manifest))
        return error_set(err, HOLTER_INVALID, "manifest '%s': not refreshed for writing",
                         manifest->spec.directory);

    status = change_of_edit(&change, edit, err);
    if (status != HOLTER_OK)
        goto done;
    next = manifest_counted_copy(manifest->current);
    if (next == NULL || !reserve_left(manifest, change.remove_count, 1)) {
        status = error_set(err, HOLTER_NO_MEMORY, "manifest '%s': memory for a version",
                           manifest->spec.directory);
        goto done;
    }
    status = manifest_change_apply(next, &change, HOLTER_INVALID, err);
    if (status == HOLTER_OK)
        status = manifest_parts_encode(&parts, &change, err);
    if (status != HOLTER_OK)
        goto done;

    manifest->is_own_commit = true;
    status = edits_append(manifest->edits, parts.parts, parts.count, err);
    manifest->is_own_commit = false;
    if (status != HOLTER_OK)
        goto done;

    next->version.version = edits_version(manifest->edits);
    note_left(manifest, &change, next->version.version);
    manifest_counted_unref(manifest->current);
    manifest->current = next;
    next = NULL; /* now the handle's */
    publish(manifest);

    uint64_t log_bytes = edits_bytes(manifest->edits);
    if (log_bytes > REWRITE_BYTES_MIN &&
        log_bytes > REWRITE_FACTOR * snapshot_bytes(&manifest->current->version))
        rewrite(manifest);
done:
    manifest_counted_unref(next);
    manifest_parts_release(&parts);
    manifest_change_release(&change);
    return status;
}

/* ---- verify ---------------------------------------------------------------------------------- */

holter_status manifest_verify(struct manifest *manifest,
                              void (*report)(void *context, const char *sentence), void *context,
                              size_t *damaged, holter_error *err)
{
    holter_error fault = { .status = HOLTER_OK };
    holter_status status = manifest_check(&manifest->current->version, &fault);
    if (status == HOLTER_INVALID) {
        ++*damaged;
        if (report != NULL)
            report(context, fault.message);
    } else if (status != HOLTER_OK) {
        return error_set(err, status, "%s", fault.message);
    }
    return edits_verify(manifest->edits, report, context, damaged, err);
}
