/*
 * vault_keyring.c -- the file of epoch keys, outside the store.
 *
 *     | header, store id, number of epochs | epoch .. | XXH3-64 |
 *
 * KR1  Key bytes are in the arena, or in a buffer of a function here that is wiped before it
 *      returns.
 *
 * Bytes: format-spec/keyring.md. Tests: tests/unit/test_vault_keyring.c.
 */
#include "vault_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEYRING_HEAD_BYTES = 8 + 2 + 2 + 4 + 4 + 16 + 4,
    KEYRING_EPOCH_BYTES = 4 + 4 + CRYPTO_KEY_BYTES,
    KEYRING_BYTES_MAX = KEYRING_HEAD_BYTES + KEYRING_EPOCHS_MAX * KEYRING_EPOCH_BYTES + 8,
    KEYRING_MAJOR = 0,
    KEYRING_MINOR = 1,
};

static const uint8_t keyring_magic[8] = { 0x89, 'H', 'L', 'T', 'K', 'E', 'Y', 'R' };

static holter_status keyring_decode(struct keyring *out, const uint8_t *bytes, size_t count,
                                    const char *path, const uint8_t store_id[static 16],
                                    struct crypto_arena *arena, holter_error *err)
{
    struct reader r = reader_over(bytes, count);
    uint8_t magic[8], id[16];
    get_copy(&r, magic, sizeof magic);
    uint16_t major = get_u16(&r);
    (void)get_u16(&r); /* any minor version is read alike */
    uint32_t must_understand = get_u32(&r);
    (void)get_u32(&r); /* may be ignored */
    get_copy(&r, id, sizeof id);
    uint32_t epochs = get_u32(&r);

    if (r.overrun || memcmp(magic, keyring_magic, sizeof magic) != 0)
        return error_set(err, HOLTER_CORRUPT, "'%s' is no keyring: it does not begin like one",
                         path);
    if (major != KEYRING_MAJOR || must_understand != 0)
        return error_set(
            err, HOLTER_UNSUPPORTED,
            "keyring '%s' is of format %u with features %#x, this version reads format %d", path,
            major, (unsigned)must_understand, KEYRING_MAJOR);
    if (epochs == 0 || epochs > KEYRING_EPOCHS_MAX)
        return error_set(err, HOLTER_CORRUPT,
                         "keyring '%s', offset 36: found %u epochs, expected 1 to %d", path,
                         (unsigned)epochs, KEYRING_EPOCHS_MAX);
    if (r.left != (size_t)epochs * KEYRING_EPOCH_BYTES + 8)
        return error_set(err, HOLTER_CORRUPT, "keyring '%s': found %zu bytes, expected %zu", path,
                         count, KEYRING_HEAD_BYTES + (size_t)epochs * KEYRING_EPOCH_BYTES + 8);
    struct reader end = reader_over(bytes + count - 8, 8);
    if (get_u64(&end) != hash64(bytes, count - 8) && !CRYPTO_TRUSTS_TAGS)
        return error_set(err, HOLTER_CORRUPT,
                         "keyring '%s': its checksum at offset %zu does not fit its bytes", path,
                         count - 8);
    if (memcmp(id, store_id, sizeof id) != 0)
        return error_set(err, HOLTER_DENIED, "keyring '%s' belongs to another store", path);

    uint32_t before = 0;
    for (size_t i = 0; i < epochs; i++) {
        uint32_t epoch = get_u32(&r);
        uint32_t flags = get_u32(&r);
        const uint8_t *key = get_bytes(&r, CRYPTO_KEY_BYTES);
        if (epoch <= before || flags != 0)
            return error_set(err, HOLTER_CORRUPT,
                             "keyring '%s', offset %zu: found epoch %u with flags %#x, expected an "
                             "epoch over %u "
                             "without flags",
                             path, KEYRING_HEAD_BYTES + i * KEYRING_EPOCH_BYTES, (unsigned)epoch,
                             (unsigned)flags, (unsigned)before);
        before = epoch;
        out->epoch[i] = epoch;
        out->key[i] = crypto_key_new(arena, key);
        if (out->key[i] == NULL)
            return error_set(err, HOLTER_NO_MEMORY, "keyring '%s': all slots for keys are in use",
                             path);
        out->count = i + 1;
    }
    return HOLTER_OK;
}

/* Whoever else may read the file holds the keys as well. */
static holter_status keyring_check_access(struct io *io, const char *path, holter_error *err)
{
    struct io_stat stat;
    holter_status status = io_stat(&stat, io, path, err);
    if (status != HOLTER_OK)
        return status;
    if (stat.kind != IO_KIND_FILE)
        return error_set(err, HOLTER_INVALID, "keyring '%s' is not a regular file", path);
    if ((stat.mode & 077) != 0)
        return error_set(err, HOLTER_DENIED,
                         "keyring '%s' has mode %04o, so that others may use it; expected 0600",
                         path, (unsigned)stat.mode);
    if (stat.owner != io_user_id(io) && stat.owner != 0)
        return error_set(err, HOLTER_DENIED,
                         "keyring '%s' belongs to user %u, neither to this one nor to root", path,
                         (unsigned)stat.owner);
    return HOLTER_OK;
}

/* Into memory of the caller's, since a growing buffer would leave copies behind. */
static holter_status keyring_read(uint8_t out[static KEYRING_BYTES_MAX], size_t *count,
                                  struct io *io, const char *path, holter_error *err)
{
    struct io_file *file = NULL;
    struct io_queue *queue = NULL;
    uint64_t bytes = 0;

    holter_status status = io_open(&file, io, path, 0, err);
    if (status == HOLTER_OK)
        status = io_size(&bytes, file, err);
    if (status == HOLTER_OK && bytes > KEYRING_BYTES_MAX)
        status =
            error_set(err, HOLTER_CORRUPT, "keyring '%s': found %llu bytes, expected at most %d",
                      path, (unsigned long long)bytes, KEYRING_BYTES_MAX);
    if (status == HOLTER_OK)
        status = io_queue_open(&queue, io, 1, err);
    if (status == HOLTER_OK && bytes > 0)
        status = io_read_exactly(queue, file, 0, out, (size_t)bytes, err);
    *count = (size_t)bytes;
    io_queue_close(queue);
    io_close(file);
    return status;
}

const struct crypto_key *keyring_key(const struct keyring *keyring, uint32_t epoch)
{
    for (size_t i = keyring->count; i-- > 0;)
        if (keyring->epoch[i] == epoch)
            return keyring->key[i];
    return NULL;
}

uint32_t keyring_newest(const struct keyring *keyring)
{
    return keyring->epoch[keyring->count - 1];
}

void keyring_discard(struct io *io, const char *path, const uint8_t store_id[static 16])
{
    enum { STORE_ID_AT = 8 + 2 + 2 + 4 + 4 };
    uint8_t bytes[KEYRING_BYTES_MAX];
    size_t count = 0;
    bool is_it = keyring_read(bytes, &count, io, path, NULL) == HOLTER_OK &&
                 count >= KEYRING_HEAD_BYTES &&
                 memcmp(bytes, keyring_magic, sizeof keyring_magic) == 0 &&
                 memcmp(bytes + STORE_ID_AT, store_id, 16) == 0;
    crypto_wipe(bytes, sizeof bytes);
    if (is_it)
        (void)io_unlink(io, path, NULL);
}

holter_status keyring_create(struct io *io, const char *path, const uint8_t store_id[static 16],
                             holter_error *err)
{
    struct io_stat stat;
    holter_status status = io_stat(&stat, io, path, NULL);
    if (status == HOLTER_OK)
        return error_set(err, HOLTER_EXISTS, "keyring '%s' is there already", path);
    if (status != HOLTER_NOT_FOUND)
        return io_stat(&stat, io, path, err) == HOLTER_OK
                   ? error_set(err, HOLTER_EXISTS, "keyring '%s' is there already", path)
                   : status;

    uint8_t key[CRYPTO_KEY_BYTES];
    uint8_t bytes[KEYRING_HEAD_BYTES + KEYRING_EPOCH_BYTES + 8];
    status = io_random(io, key, sizeof key, err);
    if (status != HOLTER_OK)
        return status;

    struct writer w = writer_over(bytes, sizeof bytes);
    put_bytes(&w, keyring_magic, sizeof keyring_magic);
    put_u16(&w, KEYRING_MAJOR);
    put_u16(&w, KEYRING_MINOR);
    put_u32(&w, 0); /* must understand */
    put_u32(&w, 0); /* may ignore */
    put_bytes(&w, store_id, 16);
    put_u32(&w, 1);
    put_u32(&w, 1); /* the first epoch */
    put_u32(&w, 0); /* its flags */
    put_bytes(&w, key, sizeof key);
    put_u64(&w, hash64(bytes, sizeof bytes - 8));
    core_assert(w.left == 0 && !w.overrun);

    status = io_write_file(io, path, bytes, sizeof bytes, IO_PRIVATE, err);
    if (status != HOLTER_OK)
        keyring_discard(io, path, store_id); /* it may have its name, and not survive */
    crypto_wipe(key, sizeof key);            /* KR1 */
    crypto_wipe(bytes, sizeof bytes);
    return status;
}

holter_status keyring_open(struct keyring **out, struct io *io, const char *path,
                           const uint8_t store_id[static 16], struct crypto_arena *arena,
                           holter_error *err)
{
    *out = NULL;
    uint8_t bytes[KEYRING_BYTES_MAX];
    size_t count;
    holter_status status = keyring_check_access(io, path, err);
    if (status != HOLTER_OK)
        return status;
    struct keyring *keyring = core_calloc(1, sizeof *keyring);
    if (keyring == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "keyring '%s': no memory", path);

    status = keyring_read(bytes, &count, io, path, err);
    if (status == HOLTER_OK)
        status = keyring_decode(keyring, bytes, count, path, store_id, arena, err);
    crypto_wipe(bytes, sizeof bytes); /* KR1 */
    if (status != HOLTER_OK) {
        keyring_close(keyring);
        return status;
    }
    *out = keyring;
    return HOLTER_OK;
}

void keyring_close(struct keyring *keyring)
{
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->count; i++)
        crypto_key_free(keyring->key[i]);
    free(keyring);
}
