/*
 * vault.c -- opening the vault, finding and adding users, and their keys.
 *
 *     id ──keyed hash──> by_id ──> entry ──epoch key──> data key, id
 *     number ──────────> by_number ──┘
 *
 * The log of edits (engine/edits) is the truth; memory holds all entries, sealed as they are on
 * disk.
 * Invariants: vault.h (V1 to V4). Bytes: format-spec/vault.md. Tests: tests/unit/test_vault_*.c.
 */
#include "vault_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    REWRITE_BYTES_MIN = 64 << 10, /* a log below this is never long */
    REWRITE_FACTOR = 4,
    RANDOM_USERS = 64, /* whose random bytes are drawn at once */
    RANDOM_BYTES = 8 + CRYPTO_KEY_BYTES + CRYPTO_NONCE_BYTES,
};

static struct edits_spec edits_spec_of(const struct vault_spec *spec)
{
    struct edits_spec edits = {
        .io = spec->io,
        .directory = spec->directory,
        .name = "vault",
        .kind = EDITS_VAULT,
        .is_private = true,
        .statistics = spec->statistics,
    };
    memcpy(edits.store_id, spec->store_id, sizeof edits.store_id);
    return edits;
}

static holter_status no_memory(const struct vault *vault, holter_error *err)
{
    return error_set(err, HOLTER_NO_MEMORY, "vault in '%s': no memory", vault->spec.directory);
}

/* ---- what memory answers ---- */

static holter_status check_ready(const struct vault *vault, holter_error *err)
{
    if (vault->is_broken || !vault->has_index || edits_version(vault->edits) == 0)
        return error_set(err, HOLTER_IO, "vault in '%s': its last refresh failed, refresh it again",
                         vault->spec.directory);
    return HOLTER_OK;
}

static struct vault_user user_of(const struct vault_entry *entry)
{
    return (struct vault_user){
        .number = entry->number,
        .region = entry->region,
        .key_generation = entry->key_generation,
        .is_erased = entry->is_erased,
    };
}

static bool id_is_valid(const void *id, size_t bytes)
{
    return bytes > 0 && bytes <= VAULT_ID_BYTES_MAX && utf8_is_valid(id, bytes);
}

static holter_status find_entry(const struct vault_entry **out, const struct vault *vault,
                                uint64_t number, holter_error *err)
{
    holter_status status = check_ready(vault, err);
    if (status != HOLTER_OK)
        return status;
    uint32_t index = vault_users_find_number(&vault->users, number);
    if (index == USERS_NONE)
        return error_set(err, HOLTER_NOT_FOUND, "there is no user #%016llx",
                         (unsigned long long)number);
    *out = vault_users_at(&vault->users, index);
    return HOLTER_OK;
}

static bool key_is_living(void *context, uint64_t number, uint32_t generation)
{
    const struct vault *vault = context;
    uint32_t index = vault_users_find_number(&vault->users, number);
    return index != USERS_NONE &&
           vault_users_at(&vault->users, index)->key_generation == generation;
}

/* Erased users' keys are wiped before anything is answered from the new state. */
static void sweep(struct vault *vault)
{
    if (!vault->must_sweep)
        return;
    vault_keys_sweep(&vault->keys, key_is_living, vault);
    vault->must_sweep = false;
    vault->sweeps++;
}

holter_status vault_find(struct vault_user *out, struct vault *vault, const void *id,
                         size_t id_bytes, holter_error *err)
{
    holter_status status = check_ready(vault, err);
    if (status != HOLTER_OK)
        return status;
    if (!id_is_valid(id, id_bytes))
        return error_set(err, HOLTER_INVALID,
                         "an external id has 1 to %d bytes of UTF-8, this one does not",
                         VAULT_ID_BYTES_MAX);
    uint8_t hash[CRYPTO_ID_HASH_BYTES];
    crypto_id_hash(hash, id, id_bytes, vault->index_key);
    uint32_t index = vault_users_find_id(&vault->users, hash);
    if (index == USERS_NONE)
        return error_set(err, HOLTER_NOT_FOUND, "there is no user of this external id");
    *out = user_of(vault_users_at(&vault->users, index));
    return HOLTER_OK;
}

holter_status vault_find_number(struct vault_user *out, struct vault *vault, uint64_t number,
                                holter_error *err)
{
    const struct vault_entry *entry = NULL;
    holter_status status = find_entry(&entry, vault, number, err);
    if (status == HOLTER_OK)
        *out = user_of(entry);
    return status;
}

/* An entry of a living user. */
static holter_status open_entry(struct opened *out, const struct vault *vault,
                                const struct vault_entry *entry, holter_error *err)
{
    if (entry->is_erased)
        return error_set(err, HOLTER_EXPIRED, "user #%016llx is erased",
                         (unsigned long long)entry->number);
    return vault_blob_open(out, vault, entry, err);
}

holter_status vault_id(char out[static VAULT_ID_BYTES_MAX + 1], size_t *bytes, struct vault *vault,
                       uint64_t number, holter_error *err)
{
    const struct vault_entry *entry = NULL;
    struct opened opened;
    holter_status status = find_entry(&entry, vault, number, err);
    if (status == HOLTER_OK)
        status = open_entry(&opened, vault, entry, err);
    if (status != HOLTER_OK)
        return status;
    memcpy(out, opened.id, opened.id_bytes);
    out[opened.id_bytes] = '\0';
    *bytes = opened.id_bytes;
    crypto_wipe(&opened, sizeof opened);
    return HOLTER_OK;
}

size_t vault_user_count(const struct vault *vault)
{
    return vault->users.entries.count;
}

size_t vault_erased_count(const struct vault *vault)
{
    return vault->users.erased_count;
}

struct vault_user vault_user_at(const struct vault *vault, size_t index)
{
    core_assert(index < vault->users.entries.count);
    return user_of(vault_users_at(&vault->users, (uint32_t)index));
}

holter_status vault_key(const struct crypto_key **key, struct vault *vault, uint64_t number,
                        uint32_t generation, holter_error *err)
{
    const struct vault_entry *entry = NULL;
    holter_status status = find_entry(&entry, vault, number, err);
    if (status != HOLTER_OK)
        return status;
    if (!entry->is_erased && entry->key_generation != generation)
        return error_set(err, HOLTER_NOT_FOUND, "user #%016llx has no key of generation %u",
                         (unsigned long long)number, (unsigned)generation);
    if (!entry->is_erased && vault->spec.keyring == NULL) {
        *key = NULL;
        return HOLTER_OK;
    }
    if (!entry->is_erased) {
        const struct crypto_key *open = vault_keys_find(&vault->keys, number, generation);
        if (open != NULL) {
            *key = open;
            return HOLTER_OK;
        }
    }

    struct opened opened;
    status = open_entry(&opened, vault, entry, err);
    if (status != HOLTER_OK)
        return status;
    const struct crypto_key *added =
        vault_keys_add(&vault->keys, vault->spec.arena, number, generation, opened.data_key);
    crypto_wipe(&opened, sizeof opened);
    if (added == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "vault in '%s': all slots for keys are in use",
                         vault->spec.directory);
    *key = added;
    return HOLTER_OK;
}

void vault_key_unref(struct vault *vault, const struct crypto_key *key)
{
    if (key != NULL)
        vault_keys_unref(&vault->keys, key);
}

/* ---- changes ---- */

static holter_status append(struct vault *vault, const struct edits_bodies *bodies,
                            holter_error *err)
{
    struct edits_part *parts = edits_bodies_parts(bodies);
    if (parts == NULL)
        return no_memory(vault, err);
    holter_status status = edits_append(vault->edits, parts, bodies->count, err);
    free(parts);
    sweep(vault);
    return status;
}

static holter_status rewrite(struct vault *vault, holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    struct edits_part *parts = NULL;
    holter_status status = vault_bodies_put_all(&bodies, vault, err);
    if (status != HOLTER_OK)
        goto done;
    parts = edits_bodies_parts(&bodies);
    if (parts == NULL) {
        status = no_memory(vault, err);
        goto done;
    }
    status = edits_rewrite(vault->edits, parts, bodies.count, err);
    if (status == HOLTER_OK)
        vault->erased_in_log = 0;
done:
    free(parts);
    edits_bodies_release(&bodies);
    return status;
}

/* Before a change: it may be written, and the log is not left to grow without end. */
static holter_status prepare(struct vault *vault, holter_error *err)
{
    holter_status status = check_ready(vault, err);
    if (status != HOLTER_OK)
        return status;
    if (vault->has_skipped)
        return error_set(err, HOLTER_UNSUPPORTED,
                         "vault in '%s' holds records of a newer version, which writing would lose",
                         vault->spec.directory);
    uint64_t bytes = edits_bytes(vault->edits);
    if (vault->erased_in_log > 0 ||
        (bytes > REWRITE_BYTES_MIN && bytes / REWRITE_FACTOR > vault_snapshot_bytes(vault)))
        return rewrite(vault, err);
    return HOLTER_OK;
}

/* New users of one call, before they are users: found by id and number through two small tables. */
struct pending {
    struct vault_entry *entry; /* of new users; blob is unused */
    uint32_t *id_index;        /* entry i is of ids[id_index[i]] */
    size_t count;
    uint32_t *by_id, *by_number; /* 1 + index of entry */
    size_t capacity;             /* of each: a power of two over 2 * ids */
};

static bool pending_init(struct pending *p, size_t ids)
{
    *p = (struct pending){ .capacity = 4 };
    while (p->capacity < 2 * ids)
        p->capacity *= 2;
    p->entry = core_calloc(ids, sizeof *p->entry);
    p->id_index = core_calloc(ids, sizeof *p->id_index);
    p->by_id = core_calloc(p->capacity, sizeof *p->by_id);
    p->by_number = core_calloc(p->capacity, sizeof *p->by_number);
    return p->entry != NULL && p->id_index != NULL && p->by_id != NULL && p->by_number != NULL;
}

static void pending_release(struct pending *p)
{
    free(p->entry);
    free(p->id_index);
    free(p->by_id);
    free(p->by_number);
}

/* The slot of a hash: that of an equal entry, or a free one. */
static uint32_t *pending_by_id(const struct pending *p,
                               const uint8_t hash[static CRYPTO_ID_HASH_BYTES])
{
    uint64_t word;
    memcpy(&word, hash, sizeof word);
    size_t at = word & (p->capacity - 1);
    while (p->by_id[at] != 0 &&
           memcmp(p->entry[p->by_id[at] - 1].id_hash, hash, CRYPTO_ID_HASH_BYTES) != 0)
        at = (at + 1) & (p->capacity - 1);
    return &p->by_id[at];
}

static uint32_t *pending_by_number(const struct pending *p, uint64_t number)
{
    size_t at = number & (p->capacity - 1);
    while (p->by_number[at] != 0 && p->entry[p->by_number[at] - 1].number != number)
        at = (at + 1) & (p->capacity - 1);
    return &p->by_number[at];
}

/*
 * Which ids are new; numbers[i] is set for those that there are, else 1 + the index among the new
 * ones.
 */
static void pending_collect(struct pending *p, uint64_t *numbers, bool *is_new,
                            const struct vault *vault, const struct vault_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t hash[CRYPTO_ID_HASH_BYTES];
        crypto_id_hash(hash, ids[i].bytes, ids[i].count, vault->index_key);
        uint32_t there = vault_users_find_id(&vault->users, hash);
        is_new[i] = there == USERS_NONE;
        if (!is_new[i]) {
            numbers[i] = vault_users_at(&vault->users, there)->number;
            continue;
        }
        uint32_t *slot = pending_by_id(p, hash);
        if (*slot == 0) {
            struct vault_entry *entry = &p->entry[p->count];
            memcpy(entry->id_hash, hash, sizeof hash);
            entry->key_generation = 1;
            entry->epoch = vault->spec.keyring == NULL ? 0 : keyring_newest(vault->spec.keyring);
            entry->region = ids[i].region;
            entry->is_long = ids[i].count > VAULT_SHORT_ID_BYTES;
            p->id_index[p->count] = (uint32_t)i;
            *slot = (uint32_t)++p->count;
        }
        numbers[i] = *slot - 1;
    }
}

/* Draw numbers, keys and nonces, and write the users' records. */
static holter_status pending_write(struct edits_bodies *bodies, struct pending *p,
                                   const struct vault *vault, const struct vault_id *ids,
                                   holter_error *err)
{
    uint8_t random[RANDOM_USERS * RANDOM_BYTES], blob[VAULT_LONG_BLOB_BYTES];
    static const uint8_t no_key[CRYPTO_KEY_BYTES];
    bool is_sealed = vault->spec.keyring != NULL;
    holter_status status = HOLTER_OK;
    size_t drawn = 0; /* whose random bytes are left in `random`, at its end */

    for (size_t i = 0; i < p->count && status == HOLTER_OK && !bodies->failed;) {
        if (drawn == 0) {
            drawn = p->count - i < RANDOM_USERS ? p->count - i : RANDOM_USERS;
            status = io_random(vault->spec.io, random, drawn * RANDOM_BYTES, err);
            if (status != HOLTER_OK)
                break;
        }
        struct reader r = reader_over(random + --drawn * RANDOM_BYTES, RANDOM_BYTES);
        struct vault_entry *entry = &p->entry[i];
        entry->number = get_u64(&r);
        uint32_t *slot = pending_by_number(p, entry->number);
        if (entry->number == 0 || *slot != 0 ||
            vault_users_find_number(&vault->users, entry->number) != USERS_NONE)
            continue; /* draw again */
        *slot = (uint32_t)(i + 1);

        const uint8_t *data_key = get_bytes(&r, CRYPTO_KEY_BYTES);
        get_copy(&r, blob, CRYPTO_NONCE_BYTES);
        if (!is_sealed)
            memset(blob, 0, CRYPTO_NONCE_BYTES);
        const struct vault_id *id = &ids[p->id_index[i]];
        vault_blob_seal(blob, vault, entry, is_sealed ? data_key : no_key, id->bytes, id->count);
        vault_bodies_put_user(bodies, entry, blob);
        i++;
    }
    crypto_wipe(random, sizeof random);
    return status;
}

static holter_status add_pending(struct vault *vault, struct pending *p, const struct vault_id *ids,
                                 holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    size_t long_count = 0;
    for (size_t i = 0; i < p->count; i++)
        long_count += p->entry[i].is_long;

    holter_status status = prepare(vault, err);
    if (status != HOLTER_OK)
        goto done;
    /* Once the edit is durable, taking it into memory must not fail. */
    if (!vault_users_reserve(&vault->users, p->count, p->count - long_count, long_count)) {
        status = no_memory(vault, err);
        goto done;
    }
    status = pending_write(&bodies, p, vault, ids, err);
    if (status == HOLTER_OK)
        status = append(vault, &bodies, err);
done:
    edits_bodies_release(&bodies);
    return status;
}

holter_status vault_add(uint64_t *numbers, struct vault *vault, const struct vault_id *ids,
                        size_t count, holter_error *err)
{
    struct pending pending = { 0 };
    uint64_t *found = NULL;
    bool *is_new = NULL;

    holter_status status = check_ready(vault, err);
    if (status != HOLTER_OK || count == 0)
        return status;
    if (count > USERS_MAX / 4)
        return error_set(err, HOLTER_INVALID, "%zu users are too many at once", count);
    for (size_t i = 0; i < count; i++)
        if (!id_is_valid(ids[i].bytes, ids[i].count))
            return error_set(
                err, HOLTER_INVALID,
                "an external id has 1 to %d bytes of UTF-8, number %zu of %zu does not",
                VAULT_ID_BYTES_MAX, i + 1, count);

    found = core_calloc(count, sizeof *found);
    is_new = core_calloc(count, sizeof *is_new);
    if (!pending_init(&pending, count) || found == NULL || is_new == NULL) {
        status = no_memory(vault, err);
        goto done;
    }
    pending_collect(&pending, found, is_new, vault, ids, count);
    if (pending.count > 0)
        status = add_pending(vault, &pending, ids, err);
    for (size_t i = 0; status == HOLTER_OK && i < count; i++)
        numbers[i] = is_new[i] ? pending.entry[found[i]].number : found[i];
done:
    pending_release(&pending);
    free(found);
    free(is_new);
    return status;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Those of `numbers` that live, each once; sorted. */
static holter_status living_of(uint64_t *out, size_t *out_count, const struct vault *vault,
                               const uint64_t *numbers, size_t count, holter_error *err)
{
    memcpy(out, numbers, count * sizeof *out);
    qsort(out, count, sizeof *out, compare_numbers);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct vault_entry *entry = NULL;
        holter_status status = find_entry(&entry, vault, out[i], err);
        if (status != HOLTER_OK)
            return status;
        if (!entry->is_erased && (kept == 0 || out[kept - 1] != out[i]))
            out[kept++] = out[i];
    }
    *out_count = kept;
    return HOLTER_OK;
}

holter_status vault_erase(struct vault *vault, const uint64_t *numbers, size_t count,
                          holter_error *err)
{
    struct edits_bodies bodies = { 0 };
    size_t living_count = 0;

    if (count == 0)
        return check_ready(vault, err);
    uint64_t *living = core_calloc(count, sizeof *living);
    if (living == NULL)
        return no_memory(vault, err);
    holter_status status = living_of(living, &living_count, vault, numbers, count, err);
    if (status == HOLTER_OK)
        status = prepare(vault,
                         err); /* also ends an erasing that was interrupted before its rewriting */
    if (status == HOLTER_OK && living_count > 0) {
        vault_bodies_put_erased(&bodies, living, living_count);
        status = append(vault, &bodies, err);
        if (status == HOLTER_OK)
            status = rewrite(vault, err);
    }
    edits_bodies_release(&bodies);
    free(living);
    return status;
}

/* ---- checking ---- */

holter_status vault_verify(struct vault *vault, void (*report)(void *context, const char *sentence),
                           void *context, size_t *damaged, holter_error *err)
{
    size_t found = 0;
    holter_status status = check_ready(vault, err);
    if (status == HOLTER_OK)
        status = edits_verify(vault->edits, report, context, &found, err);
    if (status != HOLTER_OK)
        return status;

    for (uint32_t i = 0; i < vault->users.entries.count; i++) {
        const struct vault_entry *entry = vault_users_at(&vault->users, i);
        struct opened opened;
        holter_error why;
        if (entry->is_erased)
            continue;
        bool is_right = vault_blob_open(&opened, vault, entry, &why) == HOLTER_OK;
        if (is_right) {
            uint8_t hash[CRYPTO_ID_HASH_BYTES];
            crypto_id_hash(hash, opened.id, opened.id_bytes, vault->index_key);
            crypto_wipe(&opened, sizeof opened);
            is_right = memcmp(hash, entry->id_hash, sizeof hash) == 0;
            if (!is_right)
                error_set(&why, HOLTER_CORRUPT,
                          "vault in '%s': the id hash of user #%016llx is not that of the id",
                          vault->spec.directory, (unsigned long long)entry->number);
        }
        if (!is_right) {
            report(context, why.message);
            found++;
        }
    }
    *damaged += found;
    return HOLTER_OK;
}

/* ---- opening ---- */

holter_status vault_create(const struct vault_spec *spec, holter_error *err)
{
    struct edits_spec edits = edits_spec_of(spec);
    struct edits_bodies bodies = { 0 };
    uint8_t index_key[CRYPTO_KEY_BYTES];

    holter_status status = io_random(spec->io, index_key, sizeof index_key, err);
    if (status == HOLTER_OK)
        status = vault_bodies_put_index(&bodies, spec, index_key, err);
    crypto_wipe(index_key, sizeof index_key);
    if (status != HOLTER_OK)
        goto done;
    struct edits_part *parts = edits_bodies_parts(&bodies);
    if (parts == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "vault in '%s': no memory", spec->directory);
        goto done;
    }
    status = edits_create(&edits, parts, bodies.count, err);
    free(parts);
done:
    edits_bodies_release(&bodies);
    return status;
}

holter_status vault_open(struct vault **out, const struct vault_spec *spec, bool writable,
                         uint64_t version_max, holter_error *err)
{
    *out = NULL;
    struct vault *vault = core_calloc(1, sizeof *vault);
    if (vault == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "vault in '%s': no memory", spec->directory);
    vault->spec = *spec;
    vault_users_init(&vault->users);

    struct edits_spec edits = edits_spec_of(spec);
    edits.owner =
        (struct edits_owner){ .reset = vault_reset, .apply = vault_apply, .context = vault };
    holter_status status = edits_open(&vault->edits, &edits, writable, version_max, err);
    if (status == HOLTER_OK)
        status = check_ready(vault, err);
    if (status != HOLTER_OK) {
        vault_close(vault);
        return status;
    }
    sweep(vault);
    *out = vault;
    return HOLTER_OK;
}

void vault_close(struct vault *vault)
{
    if (vault == NULL)
        return;
    edits_close(vault->edits);
    vault_keys_release(&vault->keys);
    crypto_key_free(vault->index_key);
    vault_users_release(&vault->users);
    free(vault);
}

uint64_t vault_sweeps(const struct vault *vault)
{
    return vault->sweeps;
}

uint64_t vault_version(const struct vault *vault)
{
    return edits_version(vault->edits);
}

uint64_t vault_generation(const struct vault *vault)
{
    return edits_generation(vault->edits);
}

holter_status vault_refresh(struct vault *vault, bool writable, uint64_t version_max,
                            holter_error *err)
{
    holter_status status = edits_refresh(vault->edits, writable, version_max, err);
    if (status == HOLTER_OK)
        sweep(vault);
    return status;
}
