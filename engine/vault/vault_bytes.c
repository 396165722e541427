/*
 * vault_bytes.c -- the records in the vault's edits: reading them into memory, writing them,
 * sealing entries.
 *
 *   B1  A body is checked for form and room is made for all of it before its first record counts;
 *       only what contradicts the state then is found later, and the state waits for a reset.
 *   B2  An entry's plain bytes are on the stack of a function, and wiped.
 *
 * Bytes: format-spec/vault.md. Tests: tests/unit/test_vault_bytes.c.
 */
#include "vault_impl.h"

#include <stdlib.h>
#include <string.h>

/** Stored. A new kind also needs: vault.md, vault_apply, vault_bodies_put_all. */
enum record_kind {
    RECORD_INDEX = 1,
    RECORD_USER = 2,
    RECORD_ERASED = 3,
    RECORD_SKIPPABLE_MIN = 128, /* below it, an unknown kind must be understood */
};

enum { ERASED_PER_RECORD_MAX = 65536 };

/* ---- sealing ---- */

static void associated_of_index(uint8_t out[static 28], const uint8_t store_id[static 16],
                                uint32_t epoch)
{
    struct writer w = writer_over(out, 28);
    put_bytes(&w, "HLTINDEX", 8);
    put_bytes(&w, store_id, 16);
    put_u32(&w, epoch);
    core_assert(w.left == 0 && !w.overrun);
}

enum { ENTRY_ASSOCIATED_BYTES = 8 + 16 + VAULT_USER_HEAD_BYTES };

static void put_user_head(struct writer *w, const struct vault_entry *entry)
{
    put_u64(w, entry->number);
    put_u16(w, entry->region);
    put_u32(w, entry->key_generation);
    put_u32(w, entry->epoch);
    put_bytes(w, entry->id_hash, sizeof entry->id_hash);
}

static void associated_of_entry(uint8_t out[static ENTRY_ASSOCIATED_BYTES],
                                const uint8_t store_id[static 16], const struct vault_entry *entry)
{
    struct writer w = writer_over(out, ENTRY_ASSOCIATED_BYTES);
    put_bytes(&w, "HLTENTRY", 8);
    put_bytes(&w, store_id, 16);
    put_user_head(&w, entry);
    core_assert(w.left == 0 && !w.overrun);
}

void vault_blob_seal(uint8_t *blob, const struct vault *vault, const struct vault_entry *entry,
                     const uint8_t data_key[static CRYPTO_KEY_BYTES], const void *id,
                     size_t id_bytes)
{
    core_assert(id_bytes > 0 && id_bytes <= VAULT_ID_BYTES_MAX);
    core_assert(entry->is_long == (id_bytes > VAULT_SHORT_ID_BYTES));
    const struct crypto_key *key = NULL;
    if (vault->spec.keyring != NULL) {
        key = keyring_key(vault->spec.keyring, entry->epoch);
        core_assert(key != NULL);
    }

    size_t plain_bytes = entry->is_long ? VAULT_LONG_PLAIN_BYTES : VAULT_SHORT_PLAIN_BYTES;
    uint8_t plain[VAULT_LONG_PLAIN_BYTES] = { 0 };
    memcpy(plain, data_key, CRYPTO_KEY_BYTES);
    plain[CRYPTO_KEY_BYTES] = (uint8_t)id_bytes;
    memcpy(plain + CRYPTO_KEY_BYTES + 1, id, id_bytes);

    uint8_t associated[ENTRY_ASSOCIATED_BYTES];
    associated_of_entry(associated, vault->spec.store_id, entry);
    crypto_seal(blob + CRYPTO_NONCE_BYTES, plain, plain_bytes, associated, sizeof associated, blob,
                key);
    crypto_wipe(plain, sizeof plain); /* B2 */
}

holter_status vault_blob_open(struct opened *out, const struct vault *vault,
                              const struct vault_entry *entry, holter_error *err)
{
    const struct crypto_key *key = NULL;
    if (vault->spec.keyring != NULL) {
        key = keyring_key(vault->spec.keyring, entry->epoch);
        if (key == NULL)
            return error_set(
                err, HOLTER_DENIED,
                "vault in '%s': the keyring has no epoch %u, which seals user #%016llx",
                vault->spec.directory, (unsigned)entry->epoch, (unsigned long long)entry->number);
    }

    uint8_t associated[ENTRY_ASSOCIATED_BYTES];
    associated_of_entry(associated, vault->spec.store_id, entry);
    const uint8_t *blob = vault_users_blob(&vault->users, entry);
    size_t plain_bytes = entry->is_long ? VAULT_LONG_PLAIN_BYTES : VAULT_SHORT_PLAIN_BYTES;
    bool is_right =
        crypto_open(out->plain, blob + CRYPTO_NONCE_BYTES, plain_bytes + CRYPTO_TAG_BYTES,
                    associated, sizeof associated, blob, key);

    out->data_key = out->plain;
    out->id = out->plain + CRYPTO_KEY_BYTES + 1;
    out->id_bytes = out->plain[CRYPTO_KEY_BYTES];
    size_t room = plain_bytes - CRYPTO_KEY_BYTES - 1;
    is_right = is_right && out->id_bytes > 0 && out->id_bytes <= room &&
               entry->is_long == (out->id_bytes > VAULT_SHORT_ID_BYTES) &&
               utf8_is_valid(out->id, out->id_bytes);
    for (size_t i = out->id_bytes; is_right && i < room; i++)
        is_right = out->id[i] == 0;
    for (size_t i = 0; is_right && key == NULL && i < CRYPTO_KEY_BYTES; i++)
        is_right = out->data_key[i] == 0;
    if (is_right)
        return HOLTER_OK;
    crypto_wipe(out, sizeof *out); /* B2 */
    return error_set(err, HOLTER_CORRUPT,
                     "vault in '%s': the entry of user #%016llx does not open with its key",
                     vault->spec.directory, (unsigned long long)entry->number);
}

/* ---- writing ---- */

void vault_bodies_put_user(struct edits_bodies *b, const struct vault_entry *entry,
                           const uint8_t *blob)
{
    struct buffer *body =
        edits_bodies_begin(b, RECORD_USER, VAULT_USER_HEAD_BYTES + blob_bytes(entry->is_long));
    if (body == NULL)
        return;
    uint8_t head[VAULT_USER_HEAD_BYTES];
    struct writer w = writer_over(head, sizeof head);
    put_user_head(&w, entry);
    core_assert(w.left == 0 && !w.overrun);
    buffer_append(body, head, sizeof head);
    buffer_append(body, blob, blob_bytes(entry->is_long));
}

void vault_bodies_put_erased(struct edits_bodies *b, const uint64_t *numbers, size_t count)
{
    while (count > 0) {
        size_t now = count < ERASED_PER_RECORD_MAX ? count : ERASED_PER_RECORD_MAX;
        struct buffer *body = edits_bodies_begin(b, RECORD_ERASED, now * sizeof *numbers);
        for (size_t i = 0; body != NULL && i < now; i++)
            buffer_append_u64(body, numbers[i]);
        numbers += now;
        count -= now;
    }
}

holter_status vault_bodies_put_index(struct edits_bodies *b, const struct vault_spec *spec,
                                     const uint8_t *index_key, holter_error *err)
{
    if (spec->keyring == NULL) {
        struct buffer *body = edits_bodies_begin(b, RECORD_INDEX, 1);
        if (body != NULL)
            buffer_append_u8(body, 0);
        return HOLTER_OK;
    }

    uint32_t epoch = keyring_newest(spec->keyring);
    uint8_t nonce[CRYPTO_NONCE_BYTES], associated[28], sealed[CRYPTO_KEY_BYTES + CRYPTO_TAG_BYTES];
    holter_status status = io_random(spec->io, nonce, sizeof nonce, err);
    if (status != HOLTER_OK)
        return status;
    associated_of_index(associated, spec->store_id, epoch);
    crypto_seal(sealed, index_key, CRYPTO_KEY_BYTES, associated, sizeof associated, nonce,
                keyring_key(spec->keyring, epoch));

    struct buffer *body = edits_bodies_begin(b, RECORD_INDEX, VAULT_INDEX_SEALED_BYTES);
    if (body == NULL)
        return HOLTER_OK; /* b->failed tells */
    buffer_append_u8(body, 1);
    buffer_append_u32(body, epoch);
    buffer_append(body, nonce, sizeof nonce);
    buffer_append(body, sealed, sizeof sealed);
    return HOLTER_OK;
}

holter_status vault_bodies_put_all(struct edits_bodies *b, const struct vault *vault,
                                   holter_error *err)
{
    holter_status status =
        vault_bodies_put_index(b, &vault->spec,
                               vault->index_key == NULL ? NULL : crypto_key_bytes(vault->index_key),
                               err);
    if (status != HOLTER_OK)
        return status;

    uint64_t erased[256];
    size_t erased_count = 0;
    for (uint32_t i = 0; i < vault->users.entries.count && !b->failed; i++) {
        const struct vault_entry *entry = vault_users_at(&vault->users, i);
        if (entry->is_erased)
            erased[erased_count++] = entry->number;
        if (erased_count > 0 && (!entry->is_erased || erased_count == CORE_COUNT(erased))) {
            vault_bodies_put_erased(b, erased, erased_count);
            erased_count = 0;
        }
        if (!entry->is_erased)
            vault_bodies_put_user(b, entry, vault_users_blob(&vault->users, entry));
    }
    vault_bodies_put_erased(b, erased, erased_count);
    return HOLTER_OK;
}

uint64_t vault_snapshot_bytes(const struct vault *vault)
{
    enum { RECORD_HEAD_BYTES = 1 + 2 };
    const struct users *u = &vault->users;
    uint64_t bytes =
        RECORD_HEAD_BYTES + VAULT_INDEX_SEALED_BYTES + (uint64_t)u->erased_count * sizeof(uint64_t);
    for (int is_long = 0; is_long < 2; is_long++)
        bytes += (uint64_t)u->living[is_long] *
                 (RECORD_HEAD_BYTES + VAULT_USER_HEAD_BYTES + blob_bytes(is_long));
    return bytes;
}

/* ---- reading ---- */

struct record {
    uint8_t kind;
    struct reader payload;
    size_t offset; /* in the body */
};

/* The next record; false at the end, with r->overrun where it is cut. */
static bool record_next(struct record *out, struct reader *r, const uint8_t *body)
{
    if (r->left == 0)
        return false;
    out->offset = (size_t)(r->at - body);
    out->kind = get_u8(r);
    uint64_t bytes = get_varint(r);
    if (r->overrun || bytes > r->left) {
        reader_give_up(r);
        return false;
    }
    out->payload = reader_over(get_bytes(r, (size_t)bytes), (size_t)bytes);
    return true;
}

static holter_status bad_record(const struct vault *vault, uint64_t version, size_t offset,
                                const char *what, holter_error *err)
{
    return error_set(err, HOLTER_CORRUPT, "vault in '%s', edit %llu, byte %zu of its body: %s",
                     vault->spec.directory, (unsigned long long)version, offset, what);
}

static holter_status apply_index(struct vault *vault, uint64_t version, struct record *record,
                                 holter_error *err)
{
    struct reader *r = &record->payload;
    size_t bytes = r->left;
    uint8_t is_sealed = get_u8(r);
    if (is_sealed > 1 || bytes != (is_sealed == 1 ? VAULT_INDEX_SEALED_BYTES : 1))
        return bad_record(vault, version, record->offset, "found a malformed index record", err);
    if (is_sealed == 0 && vault->spec.keyring != NULL)
        return error_set(err, HOLTER_INVALID,
                         "vault in '%s' is not sealed, but a keyring was given",
                         vault->spec.directory);
    if (is_sealed == 1 && vault->spec.keyring == NULL)
        return error_set(err, HOLTER_DENIED, "vault in '%s' is sealed, and no keyring was given",
                         vault->spec.directory);
    if (is_sealed == 0) {
        vault->has_index = true;
        return HOLTER_OK;
    }

    uint8_t nonce[CRYPTO_NONCE_BYTES], sealed[CRYPTO_KEY_BYTES + CRYPTO_TAG_BYTES], associated[28];
    uint32_t epoch = get_u32(r);
    get_copy(r, nonce, sizeof nonce);
    get_copy(r, sealed, sizeof sealed);
    core_assert(reader_is_done(r)); /* the length was checked */
    if (epoch == 0)
        return bad_record(vault, version, record->offset, "found a malformed index record", err);

    const struct crypto_key *key = keyring_key(vault->spec.keyring, epoch);
    if (key == NULL)
        return error_set(err, HOLTER_DENIED,
                         "vault in '%s': the keyring has no epoch %u, which seals the index",
                         vault->spec.directory, (unsigned)epoch);
    associated_of_index(associated, vault->spec.store_id, epoch);
    uint8_t plain[CRYPTO_KEY_BYTES];
    if (!crypto_open(plain, sealed, sizeof sealed, associated, sizeof associated, nonce, key))
        return error_set(err, HOLTER_DENIED, "vault in '%s' does not open with this keyring",
                         vault->spec.directory);
    crypto_key_free(vault->index_key);
    vault->index_key = crypto_key_new(vault->spec.arena, plain);
    crypto_wipe(plain, sizeof plain);
    if (vault->index_key == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "vault in '%s': all slots for keys are in use",
                         vault->spec.directory);
    vault->has_index = true;
    return HOLTER_OK;
}

static holter_status apply_user(struct vault *vault, uint64_t version, struct record *record,
                                holter_error *err)
{
    struct reader *r = &record->payload;
    struct vault_entry entry = { 0 };
    bool is_sealed = vault->spec.keyring != NULL;
    entry.number = get_u64(r);
    entry.region = get_u16(r);
    entry.key_generation = get_u32(r);
    entry.epoch = get_u32(r);
    get_copy(r, entry.id_hash, sizeof entry.id_hash);
    entry.is_long = r->left == VAULT_LONG_BLOB_BYTES;
    const uint8_t *blob = get_bytes(r, blob_bytes(entry.is_long));
    core_assert(reader_is_done(r)); /* the length was checked */

    bool has_nonce = false;
    for (size_t i = 0; i < CRYPTO_NONCE_BYTES; i++)
        has_nonce |= blob[i] != 0;
    if (entry.number == 0 || entry.key_generation == 0 || (entry.epoch != 0) != is_sealed ||
        (has_nonce && !is_sealed))
        return bad_record(vault, version, record->offset, "found a malformed user record", err);
    if (vault_users_find_number(&vault->users, entry.number) != USERS_NONE)
        return bad_record(vault, version, record->offset,
                          "found a user's number that there is already", err);
    if (vault_users_find_id(&vault->users, entry.id_hash) != USERS_NONE)
        return bad_record(vault, version, record->offset,
                          "found a user's id hash that there is already", err);
    vault_users_add(&vault->users, &entry, blob);
    return HOLTER_OK;
}

static holter_status apply_erased(struct vault *vault, uint64_t version, struct record *record,
                                  holter_error *err)
{
    while (record->payload.left > 0) {
        uint64_t number = get_u64(&record->payload);
        uint32_t index = vault_users_find_number(&vault->users, number);
        if (number == 0 || (index != USERS_NONE && vault_users_at(&vault->users, index)->is_erased))
            return bad_record(vault, version, record->offset,
                              "found a number of 0, or one erased before", err);
        vault->erased_in_log += index != USERS_NONE;
        vault_users_erase(&vault->users, number);
        vault->must_sweep = true;
    }
    return HOLTER_OK;
}

/* B1: forms, and how many users of each size may come. */
static holter_status check_body(size_t counts[static 3], const struct vault *vault,
                                uint64_t version, const uint8_t *body, size_t bytes,
                                holter_error *err)
{
    struct reader r = reader_over(body, bytes);
    struct record record = { 0 };
    bool has_index = vault->has_index;
    while (record_next(&record, &r, body)) {
        size_t left = record.payload.left;
        if (has_index != (record.kind != RECORD_INDEX))
            return bad_record(vault, version, record.offset,
                              has_index ? "found a second index record"
                                        : "found no index record first",
                              err);
        has_index = true;
        switch (record.kind) {
        case RECORD_INDEX:
            if (left != 1 && left != VAULT_INDEX_SEALED_BYTES)
                return bad_record(vault, version, record.offset,
                                  "found an index record of a wrong length", err);
            break;
        case RECORD_USER:
            if (left != VAULT_USER_HEAD_BYTES + VAULT_SHORT_BLOB_BYTES &&
                left != VAULT_USER_HEAD_BYTES + VAULT_LONG_BLOB_BYTES)
                return bad_record(vault, version, record.offset,
                                  "found a user record of a wrong length", err);
            counts[left == VAULT_USER_HEAD_BYTES + VAULT_LONG_BLOB_BYTES]++;
            break;
        case RECORD_ERASED:
            if (left == 0 || left % sizeof(uint64_t) != 0)
                return bad_record(vault, version, record.offset,
                                  "found an erased record of a wrong length", err);
            counts[2] += left / sizeof(uint64_t);
            break;
        default:
            if (record.kind == 0)
                return bad_record(vault, version, record.offset, "found a record of kind 0", err);
            if (record.kind < RECORD_SKIPPABLE_MIN)
                return error_set(
                    err, HOLTER_UNSUPPORTED,
                    "vault in '%s', edit %llu: a record of kind %u needs a newer version",
                    vault->spec.directory, (unsigned long long)version, record.kind);
        }
    }
    if (r.overrun)
        return bad_record(vault, version, bytes - r.left,
                          "found a record that is longer than the body", err);
    return HOLTER_OK;
}

void vault_reset(void *context)
{
    struct vault *vault = context;
    vault_users_clear(&vault->users);
    vault->has_index = vault->is_broken = vault->has_skipped = false;
    vault->must_sweep = true;
    vault->erased_in_log = 0;
}

holter_status vault_apply(void *context, uint64_t version, const uint8_t *body, size_t bytes,
                          holter_error *err)
{
    struct vault *vault = context;
    size_t counts[3] = { 0 };
    holter_status status = check_body(counts, vault, version, body, bytes, err);
    if (status != HOLTER_OK)
        return status;
    if (!vault_users_reserve(&vault->users, counts[0] + counts[1] + counts[2], counts[0],
                             counts[1]))
        return error_set(err, HOLTER_NO_MEMORY, "vault in '%s': no memory for its users",
                         vault->spec.directory);

    struct reader r = reader_over(body, bytes);
    struct record record;
    while (status == HOLTER_OK && record_next(&record, &r, body)) {
        if (record.kind == RECORD_INDEX)
            status = apply_index(vault, version, &record, err);
        else if (record.kind == RECORD_USER)
            status = apply_user(vault, version, &record, err);
        else if (record.kind == RECORD_ERASED)
            status = apply_erased(vault, version, &record, err);
        else
            vault->has_skipped = true;
    }
    if (status != HOLTER_OK)
        vault->is_broken = true;
    return status;
}
