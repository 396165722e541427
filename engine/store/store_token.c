/*
 * store_token.c -- a token of the change feed to text and back.
 *
 * Tokens are kept by others and come back as any bytes at all.
 *
 * Bytes: format-spec/feed.md. Tests: tests/unit/test_store_token.c.
 */
#include "store/store_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOKEN_VERSION = 1,
    TOKEN_CHECKSUM_BYTES = 8,
    TOKEN_SHARD_BYTES_MIN = 1 + 1 + 1 + 4,
    TOKEN_PAGES_MAX = WAL_FILE_BYTES_MAX / WAL_PAGE_BYTES,
};

holter_status store_token_init(struct store_token *token, size_t shard_count, holter_error *err)
{
    token->shards = core_calloc(shard_count > 0 ? shard_count : 1, sizeof *token->shards);
    if (token->shards == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for a token of %zu shards", shard_count);
    token->shard_count = shard_count;
    return HOLTER_OK;
}

void store_token_release(struct store_token *token)
{
    free(token->shards);
    *token = (struct store_token){ 0 };
}

holter_status store_token_encode(char **out, const struct store_token *token, holter_error *err)
{
    struct buffer bytes;
    buffer_init(&bytes);
    buffer_append_u8(&bytes, TOKEN_VERSION);
    buffer_append(&bytes, token->store_id, sizeof token->store_id);
    buffer_append_varint(&bytes, token->users);
    buffer_append_varint(&bytes, token->erased_users);
    buffer_append_varint(&bytes, token->shard_count);
    for (size_t i = 0; i < token->shard_count; i++) {
        const struct wal_bookmark *shard = &token->shards[i];
        buffer_append_varint(&bytes, shard->place.file);
        buffer_append_varint(&bytes, shard->place.offset / WAL_PAGE_BYTES);
        buffer_append_varint(&bytes, shard->place.sequence);
        buffer_append_u32(&bytes, shard->log);
    }
    if (!bytes.failed)
        buffer_append_u64(&bytes, hash64(bytes.data, bytes.bytes));
    char *text = bytes.failed ? NULL : malloc(2 * bytes.bytes + 1);
    if (text != NULL)
        hex_encode(text, bytes.data, bytes.bytes);
    buffer_release(&bytes);
    if (text == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "no memory for a token of %zu shards",
                         token->shard_count);
    *out = text;
    return HOLTER_OK;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: it is no even number of digits, or there is no memory, which *out remembers. */
static bool hex_decode(struct buffer *out, const char *text)
{
    size_t count = strlen(text);
    if (count % 2 != 0 || !buffer_reserve(out, count / 2 + 1))
        return false;
    for (size_t i = 0; i < count; i += 2) {
        int high = digit_of(text[i]), low = digit_of(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        buffer_append_u8(out, (uint8_t)(high << 4 | low));
    }
    return true;
}

static bool shard_decode(struct wal_bookmark *out, struct reader *r)
{
    out->place.file = get_varint(r);
    uint64_t page = get_varint(r);
    out->place.sequence = get_varint(r);
    out->log = get_u32(r);
    if (r->overrun || page > TOKEN_PAGES_MAX || out->place.sequence == 0)
        return false;
    out->place.offset = page * WAL_PAGE_BYTES;
    return out->place.file != 0 ? page != 0
                                : page == 0 && out->place.sequence == 1 && out->log == 0;
}

/* HOLTER_CORRUPT: these are the bytes of no token. */
static holter_status decode(struct store_token *token, struct reader *r)
{
    get_copy(r, token->store_id, sizeof token->store_id);
    token->users = get_varint(r);
    token->erased_users = get_varint(r);
    uint64_t count = get_varint(r);
    if (r->overrun || count > r->left / TOKEN_SHARD_BYTES_MIN)
        return HOLTER_CORRUPT;
    holter_status status = store_token_init(token, (size_t)count, NULL);
    for (size_t i = 0; status == HOLTER_OK && i < token->shard_count; i++) {
        if (!shard_decode(&token->shards[i], r))
            status = HOLTER_CORRUPT;
    }
    return status == HOLTER_OK && !reader_is_done(r) ? HOLTER_CORRUPT : status;
}

holter_status store_token_decode(struct store_token *out, const char *text, holter_error *err)
{
    struct store_token token = { 0 };
    struct buffer bytes;
    buffer_init(&bytes);
    holter_status status = HOLTER_CORRUPT;
    if (hex_decode(&bytes, text) && bytes.bytes > TOKEN_CHECKSUM_BYTES) {
        size_t count = bytes.bytes - TOKEN_CHECKSUM_BYTES;
        struct reader r = reader_over(bytes.data, count);
        struct reader checksum = reader_over(bytes.data + count, TOKEN_CHECKSUM_BYTES);
        bool is_whole = checksum_fits(get_u64(&checksum), hash64(bytes.data, count));
        uint8_t version = get_u8(&r);
        if (is_whole && version > TOKEN_VERSION)
            status = HOLTER_UNSUPPORTED;
        else if (is_whole && version == TOKEN_VERSION)
            status = decode(&token, &r);
    }
    if (bytes.failed)
        status = HOLTER_NO_MEMORY;
    buffer_release(&bytes);
    if (status == HOLTER_OK) {
        *out = token;
        return HOLTER_OK;
    }
    store_token_release(&token);
    if (status == HOLTER_NO_MEMORY)
        return error_set(err, status, "no memory to read a token");
    if (status == HOLTER_UNSUPPORTED)
        return error_set(err, status, "the token is of a newer version of Holter");
    return error_set(err, HOLTER_INVALID, "what was given is no token, or not all of one");
}
