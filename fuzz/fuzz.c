/*
 * fuzz.c -- what the fuzz targets share.
 */
#include "fuzz.h"

#include <string.h>

enum { ARENA_SLOTS = 1200, END_OF_FILE = 0xffff, ZEROS_MIN = 8, MORE_PARTS = 0x8000 };

const uint8_t fuzz_store_id[16] = { 's', 't', 'o', 'r', 'e', ' ', 'o', 'f',
                                    ' ', 'a', ' ', 'f', 'u', 'z', 'z', '.' };

/* ---- the machine ----------------------------------------------------------------------------- */

void fuzz_world_init(struct fuzz_world *world)
{
    *world = (struct fuzz_world){ .sim = sim_new(&(struct sim_options){ .seed = 1 }) };
    world->io = sim_process_new(world->sim);
    core_assert(io_queue_open(&world->queue, world->io, 4, NULL) == HOLTER_OK);
    core_assert(io_make_dir(world->io, "d", NULL) == HOLTER_OK);
    core_assert(io_sync_dir(world->io, ".", NULL) == HOLTER_OK);
}

void fuzz_world_release(struct fuzz_world *world)
{
    io_queue_close(world->queue);
    io_free(world->io);
    sim_free(world->sim);
}

struct crypto_arena *fuzz_arena(void)
{
    static struct crypto_arena *arena;
    if (arena == NULL)
        core_assert(crypto_arena_new(&arena, ARENA_SLOTS, NULL) == HOLTER_OK);
    return arena;
}

const struct crypto_key *fuzz_key(bool is_sealed)
{
    static const uint8_t bytes[CRYPTO_KEY_BYTES] = { 1, 2, 3 };
    static struct crypto_key *key;
    if (key == NULL)
        key = crypto_key_new(fuzz_arena(), bytes);
    core_assert(key != NULL);
    return is_sealed ? key : NULL;
}

void fuzz_check(holter_status status, const holter_error *err)
{
    core_assert(status != HOLTER_NO_MEMORY);
    if (status != HOLTER_OK && status != HOLTER_DONE) {
        core_assert(err->status == status);
        core_assert(err->message[0] != '\0');
        core_assert(memchr(err->message, '\0', sizeof err->message) != NULL);
    }
}

/* ---- files of pages -------------------------------------------------------------------------- */

/* False: the file ends before this page. */
static bool page_read(struct buffer *file, struct reader *in, size_t page_bytes)
{
    size_t left = page_bytes;
    while (in->left >= 4) {
        size_t zeros = get_u16(in);
        size_t bytes = get_u16(in);
        if (zeros + bytes > left)
            break;
        left -= zeros + bytes;
        bytes = bytes < in->left ? bytes : in->left;
        buffer_append_zeros(file, zeros);
        buffer_append(file, get_bytes(in, bytes), bytes);
        if (bytes == 0) {
            buffer_append_zeros(file, left);
            return true;
        }
    }
    file->bytes -= file->bytes % page_bytes;
    return false;
}

struct buffer fuzz_pages_read(struct reader *in, size_t page_bytes)
{
    struct buffer file;
    buffer_init(&file);
    for (size_t page = 0; page < FUZZ_PAGES_MAX && page_read(&file, in, page_bytes); page++)
        continue;
    core_assert(!file.failed);
    return file;
}

static size_t zeros_from(const uint8_t *at, size_t bytes)
{
    size_t zeros = 0;
    while (zeros < bytes && at[zeros] == 0)
        zeros++;
    return zeros;
}

/* Bytes up to the next ZEROS_MIN zeros, or to the zeros at the end. */
static size_t bytes_from(const uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        size_t zeros = zeros_from(at + i, bytes - i);
        if (zeros >= ZEROS_MIN || i + zeros == bytes)
            return i;
        i += zeros + 1;
    }
    return bytes;
}

void fuzz_pages_write(struct buffer *out, const uint8_t *file, size_t bytes, size_t page_bytes)
{
    while (bytes > 0 && file[bytes - 1] == 0)
        bytes--;
    for (size_t page = 0; page < bytes; page += page_bytes) {
        size_t end = bytes - page < page_bytes ? bytes : page + page_bytes;
        size_t run = 1;
        for (size_t at = page; run > 0; at += run) {
            size_t zeros = zeros_from(file + at, end - at);
            at += zeros;
            run = bytes_from(file + at, end - at);
            buffer_append_u16(out, run > 0 ? (uint16_t)zeros : 0);
            buffer_append_u16(out, (uint16_t)run);
            buffer_append(out, file + at, run);
        }
    }
    buffer_append_u16(out, END_OF_FILE);
    buffer_append_u16(out, END_OF_FILE);
}

/* ---- logs of edits --------------------------------------------------------------------------- */

void fuzz_edits_put(struct fuzz_world *world, struct reader *in, const char *name,
                    enum edits_kind kind, uint32_t place)
{
    struct edits_spec spec = {
        .io = world->io, .directory = "d", .name = name, .kind = kind, .place = place
    };
    memcpy(spec.store_id, fuzz_store_id, sizeof spec.store_id);
    const struct edits_header header = { .generation = 1, .base = 1 };
    uint8_t sector[CORE_SECTOR_BYTES] = { 0 };
    struct buffer file;
    buffer_init(&file);
    edits_header_encode(sector, &spec, &header);
    buffer_append(&file, sector, sizeof sector);

    uint64_t version = header.base;
    uint32_t part = 0;
    for (size_t i = 0; i < FUZZ_EDITS_MAX && in->left >= 3; i++) {
        uint16_t count = get_u16(in);
        bool has_more = (count & MORE_PARTS) != 0;
        size_t bytes = count & (MORE_PARTS - 1);
        bytes = bytes < in->left ? bytes : in->left;
        if (bytes == 0)
            continue;
        edits_record_encode(&file, &spec, header.generation, version, has_more ? EDITS_MORE : 0,
                            part, get_bytes(in, bytes), bytes);
        version += !has_more;
        part = has_more ? part + 1 : 0;
    }
    core_assert(!file.failed);
    for (size_t copy = 0; copy < EDITS_COPIES; copy++) {
        char path[IO_PATH_BYTES_MAX];
        core_assert(edits_copy_path(path, &spec, copy, false, NULL) == HOLTER_OK);
        core_assert(sim_file_write(world->sim, path, file.data, file.bytes) == HOLTER_OK);
    }
    buffer_release(&file);
}

void fuzz_edits_write(struct buffer *out, const struct buffer *copy)
{
    for (size_t at = EDITS_FIRST_OFFSET; at < copy->bytes;) {
        struct reader r = reader_over(copy->data + at, copy->bytes - at);
        (void)get_u32(&r); /* magic */
        size_t bytes = get_u32(&r);
        (void)get_u64(&r); /* version */
        uint32_t flags = get_u32(&r);
        size_t whole = EDITS_RECORD_BYTES + bytes;
        core_assert(!r.overrun && whole <= copy->bytes - at && bytes < MORE_PARTS);
        buffer_append_u16(out, (uint16_t)(bytes | ((flags & EDITS_MORE) != 0 ? MORE_PARTS : 0)));
        buffer_append(out, copy->data + at + EDITS_RECORD_BYTES, bytes);
        at += (whole + CORE_SECTOR_BYTES - 1) / CORE_SECTOR_BYTES * CORE_SECTOR_BYTES;
    }
}
