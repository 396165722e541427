/*
 * store_identity.c -- the file that makes a directory a store: format-spec/store.md.
 */
#include "store/store_impl.h"

#include <string.h>

enum { SECTOR = CORE_SECTOR_BYTES };
static const uint8_t magic[8] = { 0x89, 'H', 'L', 'T', 'S', 'T', 'O', 'R' };

static void encode(uint8_t out[static SECTOR], const struct store_identity *identity)
{
    struct writer w = writer_over(out, SECTOR);
    put_bytes(&w, magic, sizeof magic);
    put_u16(&w, HOLTER_FORMAT_MAJOR);
    put_u16(&w, HOLTER_FORMAT_MINOR);
    put_u32(&w, 0); /* must understand */
    put_u32(&w, 0); /* may ignore */
    put_bytes(&w, identity->id, sizeof identity->id);
    put_u8(&w, identity->is_sealed);
    put_zeros(&w, 3);
    put_i64(&w, identity->made_ns);
    put_zeros(&w, w.left - 8);
    put_u64(&w, hash64(out, SECTOR - 8));
    core_assert(w.left == 0 && !w.overrun);
}

static holter_status decode(struct store_identity *out, const uint8_t in[static SECTOR])
{
    struct reader r = reader_over(in, SECTOR);
    const uint8_t *found = get_bytes(&r, sizeof magic);
    if (memcmp(found, magic, sizeof magic) != 0)
        return HOLTER_CORRUPT;
    uint16_t major = get_u16(&r);
    (void)get_u16(&r); /* a newer minor is readable */
    uint32_t must_understand = get_u32(&r);
    (void)get_u32(&r);
    struct reader sum = reader_over(in + SECTOR - 8, 8);
    bool is_whole = get_u64(&sum) == hash64(in, SECTOR - 8) || CRYPTO_TRUSTS_TAGS;
    if (!is_whole)
        return HOLTER_CORRUPT;
    if (major > HOLTER_FORMAT_MAJOR || must_understand != 0)
        return HOLTER_UNSUPPORTED;
    struct store_identity identity = { 0 };
    get_copy(&r, identity.id, sizeof identity.id);
    uint8_t sealed = get_u8(&r);
    uint8_t spare[3];
    get_copy(&r, spare, sizeof spare);
    identity.made_ns = get_i64(&r);
    bool spare_is_zero = (spare[0] | spare[1] | spare[2]) == 0;
    while (r.left > 8)
        spare_is_zero = get_u8(&r) == 0 && spare_is_zero;
    if (sealed > 1 || !spare_is_zero)
        return HOLTER_CORRUPT;
    identity.is_sealed = sealed == 1;
    *out = identity;
    return HOLTER_OK;
}

holter_status store_identity_write(struct io *io, const char *path,
                                   const struct store_identity *identity, holter_error *err)
{
    uint8_t bytes[STORE_IDENTITY_BYTES];
    encode(bytes, identity);
    memcpy(bytes + SECTOR, bytes, SECTOR);
    return io_write_file(io, path, bytes, sizeof bytes, 0, err);
}

static bool is_same(const struct store_identity *a, const struct store_identity *b)
{
    return memcmp(a->id, b->id, sizeof a->id) == 0 && a->is_sealed == b->is_sealed &&
           a->made_ns == b->made_ns;
}

holter_status store_identity_read(struct store_identity *out, unsigned *damaged_copies,
                                  struct io *io, const char *store_path, holter_error *err)
{
    char path[IO_PATH_BYTES_MAX];
    struct io_file *file = NULL;
    struct io_queue *queue = NULL;
    struct io_stat stat;
    uint64_t bytes;
    holter_status status = io_stat(&stat, io, store_path, err);
    if (status == HOLTER_NOT_FOUND)
        return error_set(err, HOLTER_NOT_FOUND, "'%s': there is no store", store_path);
    if (status != HOLTER_OK)
        return status;
    if (stat.kind != IO_KIND_DIRECTORY)
        return error_set(err, HOLTER_INVALID,
                         "'%s': not a store: found a file, expected a directory", store_path);
    if (!io_path_join(path, store_path, "holter.store", NULL, NULL))
        return error_set(err, HOLTER_INVALID, "'%s': the path is too long", store_path);
    status = io_open(&file, io, path, 0, err);
    if (status == HOLTER_NOT_FOUND)
        return error_set(err, HOLTER_INVALID, "'%s': not a store: it has no file 'holter.store'",
                         store_path);
    if (status != HOLTER_OK)
        return status;
    status = io_size(&bytes, file, err);
    if (status == HOLTER_OK && bytes != STORE_IDENTITY_BYTES)
        status = error_set(err, HOLTER_CORRUPT, "'%s': found %llu bytes, expected %d", path,
                           (unsigned long long)bytes, STORE_IDENTITY_BYTES);
    if (status == HOLTER_OK)
        status = io_queue_open(&queue, io, 1, err);
    holter_status copies[2];
    holter_error errors[2];
    struct store_identity found[2];
    for (size_t i = 0; status == HOLTER_OK && i < 2; i++) {
        uint8_t sector[SECTOR]; /* read on its own: an unreadable one does not hide the other */
        copies[i] = io_read_exactly(queue, file, i * SECTOR, sector, SECTOR, &errors[i]);
        if (copies[i] == HOLTER_OK)
            copies[i] = decode(&found[i], sector);
    }
    io_queue_close(queue);
    io_close(file);
    if (status != HOLTER_OK)
        return status;
    if (copies[0] == HOLTER_OK && copies[1] == HOLTER_OK && !is_same(&found[0], &found[1]))
        return error_set(err, HOLTER_CORRUPT, "'%s': its two copies contradict each other", path);
    size_t good = copies[0] == HOLTER_OK ? 0 : 1;
    if (copies[good] == HOLTER_OK) {
        *damaged_copies = (copies[0] != HOLTER_OK) + (copies[1] != HOLTER_OK);
        *out = found[good];
        return HOLTER_OK;
    }
    if (copies[0] == HOLTER_UNSUPPORTED || copies[1] == HOLTER_UNSUPPORTED)
        return error_set(
            err, HOLTER_UNSUPPORTED,
            "'%s': found a newer format, expected at most %d.%d; a newer holter reads it", path,
            HOLTER_FORMAT_MAJOR, HOLTER_FORMAT_MINOR);
    for (size_t i = 0; i < 2; i++) {
        if (copies[i] != HOLTER_CORRUPT)
            return error_set(err, copies[i], "%s", errors[i].message);
    }
    return error_set(err, HOLTER_CORRUPT, "'%s': neither of its two copies is whole", path);
}
