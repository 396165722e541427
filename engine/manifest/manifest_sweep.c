/*
 * manifest_sweep.c -- unlinking what no version needs any more.
 *
 * Each file in the directory is needed by the versions before one, the version it left in; it goes
 * once nobody can have one of those pinned. When it left is known from the edits this handle
 * applied; of anything else that is not live it is only known that it left before the first of
 * them, or was never named at all.
 *
 * P2  A file that left in version r is unlinked only under the maintenance lock, when no version
 *     below r is pinned by another handle (probe of the lock file) or by this one (count).
 *
 * A log file leaves in the version whose flushed.file passes it. Where the change feed keeps it, it
 * gets another name then: so the log itself is as short as without (a head page that was put back, say,
 * is known by the file that its end lies in being gone), and nobody but feeds looks at what is kept.
 * From the newest one back, files stay until they are too old or too large together; the chain that
 * feeds read ends there.
 * What log appenders make aside
 * belongs to them unless it is of a file that the log has passed. Nothing is synced: what a power
 * cut brings back is swept again.
 *
 * Tests: tests/unit/test_manifest_pins.c.
 */
#include "manifest_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sweep {
    struct manifest *manifest;
    const struct manifest_keep *keep;
    uint64_t free_below;   /* no version below it is pinned */
    uint64_t pinned_below; /* some version below it is */
    size_t left;
};

/* P2: may a file go that left in this version? Pins below only go away while a sweep lasts. */
static holter_status may_go(bool *may, struct sweep *sweep, uint64_t version, holter_error *err)
{
    struct manifest *manifest = sweep->manifest;
    *may = version <= sweep->free_below;
    if (*may || version >= sweep->pinned_below)
        return HOLTER_OK;

    bool is_held = false;
    for (size_t i = 0; i < manifest->pin_count; i++)
        is_held |= manifest->pins[i].version < version;
    if (!is_held) {
        holter_status status =
            io_lock_probe(&is_held, manifest->spec.lock_file, MANIFEST_PIN_BASE, version, err);
        if (status != HOLTER_OK)
            return status;
    }
    if (is_held)
        sweep->pinned_below = version;
    else
        sweep->free_below = version;
    *may = !is_held;
    return HOLTER_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end)
{
    size_t bytes = strlen(name), end_bytes = strlen(end);
    return bytes > end_bytes && strcmp(name + bytes - end_bytes, end) == 0;
}

static bool parse_segment_name(uint8_t id[static MANIFEST_ID_BYTES], const char *name)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(name) != MANIFEST_FILE_NAME_BYTES - 1 || memcmp(name, "seg-", 4) != 0)
        return false;
    for (size_t i = 0; i < MANIFEST_ID_BYTES; i++) {
        const char *high = strchr(digits, name[4 + 2 * i]);
        const char *low = strchr(digits, name[4 + 2 * i + 1]);
        if (high == NULL || low == NULL)
            return false;
        id[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return true;
}

/* What a job that died was making; the maintenance lock says that it is dead. */
static bool is_left_aside(const struct manifest *manifest, const char *name)
{
    uint64_t number;
    char log[MANIFEST_LOG_NAME_BYTES];
    if (!ends_in(name, ".tmp"))
        return false;
    if (strncmp(name, "seg-", 4) == 0 || strncmp(name, "manifest.", 9) == 0)
        return true;
    if (strlen(name) != sizeof log - 1 + strlen(".tmp"))
        return false;
    memcpy(log, name, sizeof log - 1);
    log[sizeof log - 1] = '\0';
    return manifest_log_name_parse(&number, log) &&
           number < manifest->current->version.flushed.file;
}

/* ---- when it left ---------------------------------------------------------------------------- */

static bool is_live(const struct manifest *manifest, const uint8_t id[static MANIFEST_ID_BYTES])
{
    const struct manifest_version *version = &manifest->current->version;
    for (size_t i = 0; i < version->file_count; i++)
        if (memcmp(version->files[i].id, id, MANIFEST_ID_BYTES) == 0)
            return true;
    return false;
}

static struct manifest_left *find_left(struct manifest *manifest,
                                       const uint8_t id[static MANIFEST_ID_BYTES])
{
    for (size_t i = 0; i < manifest->left_count; i++)
        if (memcmp(manifest->left[i].id, id, MANIFEST_ID_BYTES) == 0)
            return &manifest->left[i];
    return NULL;
}

static uint64_t log_left(const struct manifest *manifest, uint64_t number)
{
    for (size_t i = 0; i < manifest->step_count; i++)
        if (manifest->steps[i].log_file > number)
            return manifest->steps[i].version;
    return manifest->current->version.version;
}

/* *version: the one that the named file left in, 0: none needs it. False: it has to stay. */
static bool find_departure(uint64_t *version, struct manifest_left **left,
                           struct manifest *manifest, const char *name)
{
    uint8_t id[MANIFEST_ID_BYTES];
    uint64_t number;
    *left = NULL;
    *version = 0;
    if (is_left_aside(manifest, name))
        return true;
    if (parse_segment_name(id, name)) {
        if (is_live(manifest, id))
            return false;
        *left = find_left(manifest, id);
        *version = *left == NULL ? manifest->base : (*left)->version;
        return true;
    }
    if (manifest_log_name_parse(&number, name) &&
        number < manifest->current->version.flushed.file) {
        *version = log_left(manifest, number);
        return true;
    }
    return false;
}

/* ---- what is kept for the change feed -------------------------------------------------------- */

enum { KEPT_NAME_BYTES = MANIFEST_LOG_NAME_BYTES + 1 };

static void kept_name(char out[static KEPT_NAME_BYTES], uint64_t number)
{
    char log[MANIFEST_LOG_NAME_BYTES];
    manifest_log_name(log, number);
    snprintf(out, KEPT_NAME_BYTES, "kept-%s", log + strlen("log-"));
}

static bool kept_name_parse(uint64_t *number, const char *name)
{
    char log[MANIFEST_LOG_NAME_BYTES];
    if (strlen(name) != KEPT_NAME_BYTES - 1 || strncmp(name, "kept-", strlen("kept-")) != 0)
        return false;
    snprintf(log, sizeof log, "log-%s", name + strlen("kept-"));
    return manifest_log_name_parse(number, log);
}

static holter_status path_of(char out[static IO_PATH_BYTES_MAX], const struct manifest *manifest,
                             const char *name, holter_error *err)
{
    if (io_path_join(out, manifest->spec.directory, name, NULL, NULL))
        return HOLTER_OK;
    return error_set(err, HOLTER_INVALID, "'%s/%s': the path is too long", manifest->spec.directory,
                     name);
}

static holter_status keep_log(struct manifest *manifest, const char *path, uint64_t number,
                              holter_error *err)
{
    char name[KEPT_NAME_BYTES], to[IO_PATH_BYTES_MAX];
    kept_name(name, number);
    holter_status status = path_of(to, manifest, name, err);
    return status == HOLTER_OK ? io_rename(manifest->spec.io, path, to, err) : status;
}

/*
 * Count what is kept, from the newest one back (names come sorted, so it is last), and let go of what is
 * beyond a limit. keep NULL: it all stays.
 */
static holter_status go_through_kept(uint64_t *files, uint64_t *bytes, struct manifest *manifest,
                                     const struct manifest_keep *keep, holter_error *err)
{
    struct io_names names = { .count = 0 };
    int64_t now = io_now_ns(manifest->spec.io);
    uint64_t number;
    bool is_over = false;
    *files = *bytes = 0;
    holter_status status = io_list(&names, manifest->spec.io, manifest->spec.directory, err);
    for (size_t i = names.count; status == HOLTER_OK && i-- > 0;) {
        char path[IO_PATH_BYTES_MAX];
        struct io_stat stat = { 0 };
        if (!kept_name_parse(&number, names.name[i]))
            continue;
        status = path_of(path, manifest, names.name[i], err);
        if (status == HOLTER_OK)
            status = io_stat(&stat, manifest->spec.io, path, err);
        if (status == HOLTER_OK && keep != NULL)
            is_over = is_over || stat.bytes > keep->bytes - *bytes ||
                      saturating_add_i64(stat.written_ns, keep->age_ns) < now;
        if (status == HOLTER_OK && is_over) {
            status = io_unlink(manifest->spec.io, path, err);
        } else if (status == HOLTER_OK) {
            *files += 1;
            *bytes += stat.bytes;
        }
        if (status == HOLTER_NOT_FOUND) /* it went meanwhile */
            status = HOLTER_OK;
    }
    io_names_release(&names);
    return status;
}

holter_status manifest_kept(uint64_t *files, uint64_t *bytes, struct manifest *manifest,
                            holter_error *err)
{
    return go_through_kept(files, bytes, manifest, NULL, err);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static holter_status sweep_name(struct sweep *sweep, const char *name, holter_error *err)
{
    struct manifest *manifest = sweep->manifest;
    struct manifest_left *left;
    uint64_t version;
    char path[IO_PATH_BYTES_MAX];
    if (!find_departure(&version, &left, manifest, name))
        return HOLTER_OK;

    bool may;
    holter_status status = may_go(&may, sweep, version, err);
    if (status == HOLTER_OK && may) {
        uint64_t number;
        status = path_of(path, manifest, name, err);
        if (status == HOLTER_OK && sweep->keep->bytes > 0 && manifest_log_name_parse(&number, name))
            status = keep_log(manifest, path, number, err);
        else if (status == HOLTER_OK)
            status = io_unlink(manifest->spec.io, path, err);
        if (status == HOLTER_OK || status == HOLTER_NOT_FOUND)
            return HOLTER_OK;
    }
    sweep->left++;
    if (left != NULL)
        left->is_there = true;
    return status;
}

/* What lies in the directory no more need not be remembered. */
static void forget_gone(struct manifest *manifest)
{
    size_t kept = 0;
    for (size_t i = 0; i < manifest->left_count; i++)
        if (manifest->left[i].is_there)
            manifest->left[kept++] = manifest->left[i];
    manifest->left_count = kept;
}

holter_status manifest_sweep(struct manifest *manifest, const struct manifest_keep *keep,
                             size_t *left, holter_error *err)
{
    struct io_names names = { .count = 0 };
    struct sweep sweep = { .manifest = manifest, .keep = keep, .pinned_below = UINT64_MAX };
    uint64_t number, files, bytes;
    bool has_kept = keep->bytes > 0;
    if (manifest->spec.lock_file == NULL)
        return error_set(err, HOLTER_INVALID, "manifest '%s': no lock file to see pins in",
                         manifest->spec.directory);

    /* What a failed commit left open is settled first: another writer might still take it up. */
    holter_status status = manifest_refresh(manifest, true, err);
    if (status == HOLTER_OK)
        status = io_list(&names, manifest->spec.io, manifest->spec.directory, err);
    if (status != HOLTER_OK)
        return status;

    for (size_t i = 0; i < manifest->left_count; i++)
        manifest->left[i].is_there = false;
    for (size_t i = 0; i < names.count; i++) {
        has_kept = has_kept || kept_name_parse(&number, names.name[i]);
        holter_error fault = { .status = HOLTER_OK };
        holter_status failed = sweep_name(&sweep, names.name[i], &fault);
        if (failed != HOLTER_OK && status == HOLTER_OK) /* the first is told; the others still go */
            status = error_set(err, failed, "%s", fault.message);
    }
    forget_gone(manifest);
    io_names_release(&names);
    *left = sweep.left;
    if (status == HOLTER_OK && has_kept)
        status = go_through_kept(&files, &bytes, manifest, keep, err);
    return status;
}
