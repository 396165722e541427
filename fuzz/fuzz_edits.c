/*
 * fuzz_edits.c -- both copies of a log of edits, hostile: opened, verified, gone on with, opened
 * again.
 *
 * Input: a byte of options, a byte of the version that was published, then copy a and copy b in
 * sectors (fuzz.h).
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum option { WRITABLE = 1, HAS_VERSION = 2, ONE_COPY = 4, SAME_COPIES = 8 };

/* The state: how many parts there were, and a hash of them in their order. */
struct state {
    uint64_t version;
    uint64_t parts;
    uint64_t hash;
};

static void reset(void *context)
{
    *(struct state *)context = (struct state){ 0 };
}

static holter_status apply(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                           holter_error *err)
{
    struct state *state = context;
    (void)err;
    core_assert(bytes > 0);
    core_assert(version >= state->version);
    state->version = version;
    state->parts++;
    uint64_t both[2] = { state->hash, hash64(body, bytes) };
    state->hash = hash64(both, sizeof both);
    return HOLTER_OK;
}

static void report(void *context, const char *sentence)
{
    core_assert(sentence[0] != '\0');
    *(size_t *)context += 1;
}

static void verify(struct fuzz_world *world, struct edits *edits, bool must_be_clean)
{
    size_t damaged = 0;
    size_t reported = 0;
    fuzz_check(edits_verify(edits, report, &reported, &damaged, &world->err), &world->err);
    core_assert(reported == damaged);
    core_assert(!must_be_clean || damaged == 0);
}

/* A writer appends and rewrites; whoever opens then has the same state. */
static void go_on(struct fuzz_world *world, struct edits *edits, struct state *state,
                  const struct edits_spec *spec)
{
    static const struct edits_part parts[] = { { "one", 3 }, { "two", 3 } };
    holter_status status = edits_append(edits, parts, CORE_COUNT(parts), &world->err);
    fuzz_check(status, &world->err);
    if (status != HOLTER_OK)
        return;
    core_assert(state->version == edits_version(edits));
    verify(world, edits, true);

    struct state found = { 0 };
    struct edits_spec reader = *spec;
    reader.owner.context = &found;
    struct edits *again = NULL;
    status = edits_open(&again, &reader, false, UINT64_MAX, &world->err);
    core_assert(status == HOLTER_OK);
    core_assert(edits_version(again) == edits_version(edits));
    core_assert(found.hash == state->hash && found.parts == state->parts);

    status = edits_rewrite(edits, parts, 1, &world->err);
    core_assert(status == HOLTER_OK);
    status = edits_refresh(again, false, UINT64_MAX, &world->err);
    core_assert(status == HOLTER_OK);
    core_assert(found.parts == 1 && edits_generation(again) == edits_generation(edits));
    edits_close(again);
}

static void copy_put(struct fuzz_world *world, const char *path, struct reader *in)
{
    struct buffer file = fuzz_pages_read(in, CORE_SECTOR_BYTES);
    core_assert(sim_file_write(world->sim, path, file.data, file.bytes) == HOLTER_OK);
    buffer_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    uint8_t published = get_u8(&in);
    struct fuzz_world world;
    fuzz_world_init(&world);
    struct reader start = in;
    copy_put(&world, "d/e.a", &in);
    if ((options & SAME_COPIES) != 0)
        in = start;
    if ((options & ONE_COPY) == 0)
        copy_put(&world, "d/e.b", &in);

    struct state state = { 0 };
    struct edits_spec spec = { .io = world.io,
                               .directory = "d",
                               .name = "e",
                               .kind = EDITS_MANIFEST,
                               .place = FUZZ_PLACE,
                               .owner = { .reset = reset, .apply = apply, .context = &state } };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct edits *edits = NULL;
    bool writable = (options & WRITABLE) != 0;
    uint64_t version_max = (options & HAS_VERSION) != 0 ? published : UINT64_MAX;
    holter_status status = edits_open(&edits, &spec, writable, version_max, &world.err);
    fuzz_check(status, &world.err);
    if (status == HOLTER_OK) {
        core_assert(edits_version(edits) == state.version);
        verify(&world, edits, writable);
        status = edits_refresh(edits, writable, version_max, &world.err);
        fuzz_check(status, &world.err);
        if (status == HOLTER_OK && writable)
            go_on(&world, edits, &state, &spec);
    }
    edits_close(edits);
    fuzz_world_release(&world);
    return 0;
}
