/*
 * fuzz_log.c -- a log of hostile files: read, recovered, verified, and gone on with.
 *
 * Input: a byte of options, the places that they ask for, then up to three files in pages (fuzz.h). The last three
 * bytes, whatever else they are, name a file and an offset where a frame may be, or where the
 * disk cannot be read.
 */
#include "fuzz.h"
#include "wal/wal_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 3, FRAMES_MAX = 4096 };
enum option {
    COVERED_ONLY = 1,
    HAS_END = 2,
    HAS_CLOSED = 4,
    HAS_FROM = 8,
    GOES_ON = 16,
    READS_ANY = 32,
    BAD_SECTOR = 64
};

struct frames {
    uint64_t count;
    struct {
        uint64_t file, offset, sequence;
    } at[FRAMES_MAX];
};

static struct frames frames;

static struct wal_place get_wal_place(struct reader *r)
{
    struct wal_place place = { .file = get_u8(r) % (FILES_MAX + 1) };
    place.offset = (uint64_t)get_u8(r) * FUZZ_PAGE_BYTES;
    place.sequence = get_u16(r);
    return place;
}

static void files_put(struct fuzz_world *world, struct reader *in)
{
    for (unsigned number = 1; number <= FILES_MAX && in->left > 0; number++) {
        char path[32];
        struct buffer file = fuzz_pages_read(in, FUZZ_PAGE_BYTES);
        if (file.bytes < WAL_FILE_BYTES_MIN)
            buffer_append_zeros(&file, WAL_FILE_BYTES_MIN - file.bytes);
        snprintf(path, sizeof path, "d/log-%016x", number);
        core_assert(sim_file_write(world->sim, path, file.data, file.bytes) == HOLTER_OK);
        buffer_release(&file);
    }
}

/* Sequences rise, and what a frame says decodes or is refused. */
static holter_status read_all(struct fuzz_world *world, struct wal *wal,
                              const struct wal_read_spec *spec, struct wal_place *place)
{
    struct wal_reader *reader = NULL;
    struct wal_frame_read frame;
    holter_status status = wal_reader_open(&reader, wal, spec, &world->err);
    fuzz_check(status, &world->err);
    if (status != HOLTER_OK)
        return status;
    frames.count = 0;
    uint64_t sequence = 0;
    while ((status = wal_reader_next(reader, &frame, &world->err)) == HOLTER_OK) {
        core_assert(frame.sequence > sequence);
        sequence = frame.sequence;
        struct buffer plain;
        struct wal_body body;
        buffer_init(&plain);
        status = wal_frame_open(&plain, wal, &frame, fuzz_arena(), fuzz_key(true), &world->err);
        fuzz_check(status, &world->err);
        if (status == HOLTER_OK &&
            wal_body_decode(&body, plain.data, plain.bytes, frame.sequence) == HOLTER_OK)
            wal_body_release(&body);
        buffer_release(&plain);
        if (frames.count < FRAMES_MAX) {
            frames.at[frames.count].file = frame.file;
            frames.at[frames.count].offset = frame.offset;
            frames.at[frames.count++].sequence = frame.sequence;
        }
    }
    fuzz_check(status, &world->err);
    if (status == HOLTER_DONE) {
        *place = wal_reader_place(reader);
        (void)wal_reader_tail_is_torn(reader);
    }
    wal_reader_close(reader);
    return status;
}

static void read_again(struct fuzz_world *world, struct wal *wal)
{
    struct buffer scratch;
    buffer_init(&scratch);
    for (uint64_t i = 0; i < frames.count; i++) {
        struct wal_frame_read frame;
        holter_status status = wal_read_frame(&frame, &scratch, wal, frames.at[i].file,
                                              frames.at[i].offset, &world->err);
        core_assert(status == HOLTER_OK);
        core_assert(frame.sequence == frames.at[i].sequence);
    }
    buffer_release(&scratch);
}

static void sector_spoil(struct fuzz_world *world, const uint8_t last[static 3])
{
    char path[32];
    struct io_stat stat;
    struct reader r = reader_over(last, 3);
    snprintf(path, sizeof path, "d/log-%016x", get_u8(&r) % (FILES_MAX + 1u));
    uint64_t offset = get_u16(&r);
    if (io_stat(&stat, world->io, path, NULL) == HOLTER_OK && offset < stat.bytes)
        sim_sector_bad(world->sim, path, offset / CORE_SECTOR_BYTES);
}

/* A frame read from where nobody said that one is. */
static void read_any(struct fuzz_world *world, struct wal *wal, const uint8_t last[static 3])
{
    struct wal_frame_read frame;
    struct buffer scratch;
    struct reader r = reader_over(last, 3);
    uint64_t file = get_u8(&r) % (FILES_MAX + 1);
    uint64_t offset = get_u16(&r);
    buffer_init(&scratch);
    holter_status status = wal_read_frame(&frame, &scratch, wal, file, offset, &world->err);
    fuzz_check(status, &world->err);
    if (status == HOLTER_OK) {
        struct buffer plain;
        buffer_init(&plain);
        fuzz_check(wal_frame_open(&plain, wal, &frame, fuzz_arena(), fuzz_key(true), &world->err),
                   &world->err);
        buffer_release(&plain);
    }
    buffer_release(&scratch);
}

/*
 * What recovery found is built upon: the frame appended then is read after all that was read
 * before.
 */
static void go_on(struct fuzz_world *world, struct wal *wal, struct wal_read_spec spec,
                  struct wal_place place)
{
    static const uint8_t body[] = { 0 };
    const struct wal_frame frame = { .user = 9,
                                     .key_generation = 1,
                                     .key = fuzz_key(true),
                                     .body = body,
                                     .body_bytes = sizeof body };
    uint64_t before = frames.count;
    holter_status status = wal_take_over(wal, &place, false, &world->err);
    fuzz_check(status, &world->err);
    if (status == HOLTER_OK)
        status = wal_append(wal, &place, &frame, 1, &world->err);
    fuzz_check(status, &world->err);
    if (status == HOLTER_OK)
        status = wal_mark(wal, &place, &world->err);
    fuzz_check(status, &world->err);
    if (status != HOLTER_OK)
        return;
    struct wal_place end;
    spec.end = &place;
    spec.closed = NULL;
    status = read_all(world, wal, &spec, &end);
    core_assert(status == HOLTER_DONE);
    core_assert(frames.count == before + 1);
}

static void report(void *context, const char *sentence)
{
    core_assert(sentence[0] != '\0');
    *(size_t *)context += 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    struct wal_place end = { 0 };
    struct wal_place closed = { 0 };
    struct wal_read_spec read = { .covered_only = (options & COVERED_ONLY) != 0 };
    if ((options & HAS_END) != 0) {
        end = get_wal_place(&in);
        read.end = &end;
    }
    if ((options & HAS_CLOSED) != 0) {
        closed = get_wal_place(&in);
        read.closed = &closed;
    }
    if ((options & HAS_FROM) != 0)
        read.from = get_wal_place(&in);

    struct fuzz_world world;
    fuzz_world_init(&world);
    files_put(&world, &in);
    if ((options & BAD_SECTOR) != 0 && count > 3)
        sector_spoil(&world, bytes + count - 3);
    struct wal_spec spec = { .io = world.io,
                             .directory = "d",
                             .place = FUZZ_PLACE,
                             .is_sealed = true,
                             .file_bytes = WAL_FILE_BYTES_MIN };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    struct wal *wal = NULL;
    core_assert(wal_open(&wal, &spec, &world.err) == HOLTER_OK);

    struct wal_place place = { 0 };
    holter_status status = read_all(&world, wal, &read, &place);
    if (status == HOLTER_DONE)
        read_again(&world, wal);
    if ((options & READS_ANY) != 0 && count > 3)
        read_any(&world, wal, bytes + count - 3);
    size_t damaged = 0;
    size_t reported = 0;
    fuzz_check(wal_verify(wal, &read, report, &reported, &damaged, &world.err), &world.err);
    core_assert(reported == damaged);
    if (status == HOLTER_DONE && (options & GOES_ON) != 0 && frames.count < FRAMES_MAX - 1)
        go_on(&world, wal, read, place);

    wal_close(wal);
    fuzz_world_release(&world);
    return 0;
}
