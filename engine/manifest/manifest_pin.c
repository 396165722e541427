/*
 * manifest_pin.c -- pins: what keeps a version's files on disk while somebody reads them.
 *
 *     reader: lock version v | read the head page again: still v? it stands, else let go and retry
 *     writer:                   publish r > v | .. | probe below r     either it sees the lock, or
 *                                                                      the reader sees r
 *
 * P1  A pin is a shared lock on byte MANIFEST_PIN_BASE + version of the lock file, taken once per
 *     version and counted here; taken first, then checked.
 *
 * Tests: tests/unit/test_manifest_pins.c.
 */
#include "manifest_impl.h"

#include <string.h>

enum { PIN_TRIES_MAX = 64 };

/* The entry of a version, made with count 0 where there is none. NULL: no memory. */
static struct manifest_pin *pin_of(struct manifest *manifest, uint64_t version)
{
    for (size_t i = 0; i < manifest->pin_count; i++)
        if (manifest->pins[i].version == version)
            return &manifest->pins[i];
    void *grown = manifest->pins;
    if (!core_grow(&grown, &manifest->pin_capacity, manifest->pin_count + 1,
                   sizeof *manifest->pins))
        return NULL;
    manifest->pins = grown;
    manifest->pins[manifest->pin_count] = (struct manifest_pin){ .version = version };
    return &manifest->pins[manifest->pin_count++];
}

static void drop_pin(struct manifest *manifest, struct manifest_pin *pin)
{
    if (manifest->spec.lock_file != NULL)
        io_unlock(manifest->spec.lock_file, MANIFEST_PIN_BASE + pin->version, 1);
    *pin = manifest->pins[--manifest->pin_count];
}

/* Is the version still the one that is published, now that it is locked? */
static holter_status check_stands(bool *stands, struct manifest *manifest, uint64_t version,
                                  holter_error *err)
{
    uint64_t words[HEAD_WORDS];
    if (manifest->spec.head != NULL && head_read(manifest->spec.head, MANIFEST_HEAD_PAIR, words)) {
        *stands = words[MANIFEST_HEAD_VERSION] == version;
        return HOLTER_OK;
    }
    /* Nobody publishes, so the files themselves are asked once more. */
    holter_status status = manifest_refresh(manifest, false, err);
    *stands = status == HOLTER_OK && manifest->current->version.version == version;
    return status;
}

static holter_status try_pin(bool *stands, struct manifest *manifest, holter_error *err)
{
    *stands = false;
    holter_status status = manifest_refresh(manifest, false, err);
    if (status != HOLTER_OK)
        return status;

    uint64_t version = manifest->current->version.version;
    struct manifest_pin *pin = pin_of(manifest, version);
    if (pin == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "manifest '%s': memory for a pin",
                         manifest->spec.directory);
    if (pin->count > 0) { /* this handle's lock keeps it; being the published one, it stands */
        pin->count++;
        *stands = true;
        return HOLTER_OK;
    }
    if (manifest->spec.lock_file != NULL)
        status = io_lock(manifest->spec.lock_file, MANIFEST_PIN_BASE + version, 1, IO_LOCK_SHARED,
                         0, err);
    if (status != HOLTER_OK) {
        *pin = manifest->pins[--manifest->pin_count];
        return status;
    }
    status = check_stands(stands, manifest, version, err);
    if (*stands)
        pin->count = 1;
    else
        drop_pin(manifest, pin);
    return status;
}

holter_status manifest_pin(struct manifest_version **out, struct manifest *manifest,
                           holter_error *err)
{
    *out = NULL;
    for (unsigned i = 0; i < PIN_TRIES_MAX; i++) {
        bool stands;
        holter_status status = try_pin(&stands, manifest, err);
        if (status != HOLTER_OK)
            return status;
        if (stands) {
            *out = manifest_current(manifest);
            return HOLTER_OK;
        }
    }
    return error_set(err, HOLTER_BUSY,
                     "manifest '%s': its versions change faster than one can be pinned",
                     manifest->spec.directory);
}

void manifest_unpin(struct manifest *manifest, struct manifest_version *version)
{
    struct manifest_pin *pin = pin_of(manifest, version->version);
    core_assert(pin != NULL);
    core_assert(pin->count > 0);
    if (--pin->count == 0)
        drop_pin(manifest, pin);
    manifest_version_unref(version);
}

size_t manifest_pin_count(const struct manifest *manifest)
{
    size_t count = 0;
    for (size_t i = 0; i < manifest->pin_count; i++)
        count += manifest->pins[i].count;
    return count;
}
