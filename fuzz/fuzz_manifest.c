/*
 * fuzz_manifest.c -- the bodies of a manifest's edits, in a sound frame: decoded and encoded again,
 * then opened, checked, committed to.
 *
 * Input: a byte of options, then edits (fuzz.h).
 */
#include "fuzz.h"
#include "manifest/manifest_impl.h"

#include <stdlib.h>
#include <string.h>

enum option { WRITABLE = 1 };

/* F2 of each body that is an edit by itself. */
static void round_trips(struct reader in)
{
    while (in.left >= 3) {
        uint16_t word = get_u16(&in);
        size_t bytes = word & 0x7fff;
        bytes = bytes < in.left ? bytes : in.left;
        const uint8_t *body = get_bytes(&in, bytes);
        struct manifest_change change = { .is_snapshot = false };
        uint64_t left = 0;
        holter_status status = manifest_part_decode(&change, &left, body, bytes);
        core_assert(status == HOLTER_OK || status == HOLTER_CORRUPT);
        if (status == HOLTER_OK && left == 0) {
            struct manifest_parts parts;
            core_assert(manifest_parts_encode(&parts, &change, NULL) == HOLTER_OK);
            core_assert(parts.count == 1);
            core_assert(parts.parts[0].count == bytes);
            core_assert(memcmp(parts.parts[0].bytes, body, bytes) == 0);
            manifest_parts_release(&parts);
        }
        manifest_change_release(&change);
    }
}

static void report(void *context, const char *sentence)
{
    core_assert(sentence[0] != '\0');
    *(size_t *)context += 1;
}

/* A flush of one file more, then the same again by who opens. */
static void go_on(struct fuzz_world *world, struct manifest *manifest,
                  const struct manifest_spec *spec)
{
    struct manifest_version *before = manifest_current(manifest);
    uint64_t sequence = before->flushed.sequence;
    size_t files = before->file_count;
    struct manifest_log_place flushed = before->flushed;
    manifest_version_unref(before);
    if (sequence > UINT32_MAX || flushed.file > UINT32_MAX)
        return;
    struct manifest_file file = {
        .id = { 0xee, 1, 2 },
        .tier = TIER_HOT,
        .class = 0,
        .partition = MANIFEST_HOT_PARTITION,
        .sequence_min = sequence,
        .sequence_max = sequence + 4,
        .user_min = 1,
        .user_max = 2,
        .rows = 1,
        .bytes = 4096,
    };
    flushed = (struct manifest_log_place){ flushed.file + 1, 4096, sequence + 5 };
    const struct manifest_edit edit = { .add = &file, .add_count = 1, .flushed = flushed };
    holter_status status = manifest_commit(manifest, &edit, &world->err);
    fuzz_check(status, &world->err);
    size_t left = 0;
    fuzz_check(manifest_sweep(manifest, &(struct manifest_keep){ 0 }, &left, &world->err),
               &world->err);
    if (status != HOLTER_OK)
        return;
    struct manifest *again = NULL;
    status = manifest_open(&again, spec, false, &world->err);
    core_assert(status == HOLTER_OK);
    struct manifest_version *found = NULL;
    core_assert(manifest_pin(&found, again, &world->err) == HOLTER_OK);
    core_assert(found->file_count == files + 1);
    manifest_unpin(again, found);
    manifest_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    bool writable = (get_u8(&in) & WRITABLE) != 0;
    round_trips(in);

    struct fuzz_world world;
    fuzz_world_init(&world);
    fuzz_edits_put(&world, &in, "manifest", EDITS_MANIFEST, FUZZ_PLACE);
    core_assert(sim_file_write(world.sim, "d/lock", "", 0) == HOLTER_OK);
    struct manifest_spec spec = { .io = world.io, .directory = "d", .place = FUZZ_PLACE };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    core_assert(io_open(&spec.lock_file, world.io, "d/lock", IO_WRITABLE, NULL) == HOLTER_OK);

    struct manifest *manifest = NULL;
    holter_status status = manifest_open(&manifest, &spec, writable, &world.err);
    fuzz_check(status, &world.err);
    if (status == HOLTER_OK) {
        struct manifest_version *version = manifest_current(manifest);
        core_assert(manifest_check(version, &world.err) == HOLTER_OK);
        manifest_version_unref(version);
        size_t damaged = 0;
        size_t reported = 0;
        fuzz_check(manifest_verify(manifest, report, &reported, &damaged, &world.err), &world.err);
        core_assert(reported == damaged);
        if (writable)
            go_on(&world, manifest, &spec);
    }
    manifest_close(manifest);
    io_close(spec.lock_file);
    fuzz_world_release(&world);
    return 0;
}
