/*
 * store_users.c -- users and their sources.
 */
#include "store/store_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- users ----------------------------------------------------------------------------------- */

holter_status holter_user_find(holter_store *store, const char *id, size_t id_bytes, uint64_t *user,
                               holter_error *err)
{
    struct vault_user found;
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    status = vault_find(&found, store->vault, id, id_bytes, err);
    if (status == HOLTER_OK)
        *user = found.number;
    store_read_end(store);
    return status;
}

/* Are all of them known already? Then nothing needs to be locked. */
static holter_status find_all(holter_store *store, const holter_id *ids, size_t count,
                              uint64_t *users, holter_error *err)
{
    struct vault_user found;
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    for (size_t i = 0; i < count && status == HOLTER_OK; i++) {
        status = vault_find(&found, store->vault, ids[i].bytes, ids[i].count, err);
        if (status == HOLTER_OK)
            users[i] = found.number;
    }
    store_read_end(store);
    return status;
}

holter_status holter_users_add(holter_store *store, const holter_id *ids, size_t count,
                               const char *region, uint64_t *users, holter_error *err)
{
    struct vault_id *asked = NULL;
    holter_status status = find_all(store, ids, count, users, err);
    if (status != HOLTER_NOT_FOUND)
        return status;
    status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    asked = core_calloc(count, sizeof *asked);
    if (asked == NULL) {
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for %zu users", count);
        goto done;
    }
    status = store_change_begin(store, err);
    if (status != HOLTER_OK)
        goto done;
    const struct catalog_region *in = region == NULL ? catalog_region_at(store->catalog, 0)
                                                     : catalog_region_find(store->catalog, region);
    if (in == NULL) {
        status = error_set(err, HOLTER_NOT_FOUND, "there is no region '%.63s'", region);
    } else {
        for (size_t i = 0; i < count; i++)
            asked[i] = (struct vault_id){ .bytes = ids[i].bytes,
                                          .count = ids[i].count,
                                          .region = in->number };
        status = vault_add(users, store->vault, asked, count, err);
    }
    store_change_end(store);
done:
    free(asked);
    store_leave(store);
    return status;
}

holter_status holter_user_shard(holter_store *store, uint64_t user, size_t *shard,
                                holter_error *err)
{
    struct shard *found = NULL;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    io_mutex_lock(store->mutex);
    status = store_user_shard(&found, store, user, err);
    if (status == HOLTER_OK) {
        uint32_t place = shard_spec_get(found)->place - 1;
        size_t index = place & 0xffff;
        for (uint32_t region = 0; region < place >> 16; region++)
            index += store->regions[region].shard_count;
        *shard = index;
    }
    io_mutex_unlock(store->mutex);
    store_leave(store);
    return status;
}

holter_status holter_user_id(holter_store *store, uint64_t user, char *out, size_t *id_bytes,
                             holter_error *err)
{
    size_t bytes;
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    status = vault_id(out, &bytes, store->vault, user, err);
    if (status == HOLTER_OK) {
        out[bytes] = '\0';
        if (id_bytes != NULL)
            *id_bytes = bytes;
    }
    store_read_end(store);
    return status;
}

size_t holter_user_count(holter_store *store)
{
    if (store_read_begin(store, NULL) != HOLTER_OK)
        return 0;
    size_t count = vault_user_count(store->vault);
    store_read_end(store);
    return count;
}

holter_status holter_user_at(holter_store *store, size_t index, uint64_t *user, int *erased,
                             holter_error *err)
{
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    if (index < vault_user_count(store->vault)) {
        struct vault_user found = vault_user_at(store->vault, index);
        *user = found.number;
        if (erased != NULL)
            *erased = found.is_erased;
    } else {
        status = error_set(err, HOLTER_NOT_FOUND, "there is no user with index %zu", index);
    }
    store_read_end(store);
    return status;
}

/* ---- sources --------------------------------------------------------------------------------- */

holter_status store_living_user(struct vault_user *out, holter_store *store, uint64_t user,
                                holter_error *err)
{
    holter_status status = vault_find_number(out, store->vault, user, err);
    if (status == HOLTER_OK && out->is_erased)
        return error_set(err, HOLTER_EXPIRED, "user #%016llx is erased", (unsigned long long)user);
    return status;
}

/* The user's newest key, under the mutex; *generation with it. */
static holter_status key_of(const struct crypto_key **key, uint32_t *generation,
                            holter_store *store, uint64_t user, holter_error *err)
{
    struct vault_user found;
    holter_status status = store_living_user(&found, store, user, err);
    if (status != HOLTER_OK)
        return status;
    *generation = found.key_generation;
    return vault_key(key, store->vault, user, found.key_generation, err);
}

static holter_status source_by_name(struct catalog_source *out, holter_store *store, uint64_t user,
                                    const char *name, holter_error *err)
{
    const struct crypto_key *key;
    uint32_t generation;
    holter_status status = key_of(&key, &generation, store, user, err);
    if (status != HOLTER_OK)
        return status;
    status = catalog_source_find(out, store->catalog, user, name, store->arena, key, err);
    vault_key_unref(store->vault, key);
    return status;
}

holter_status holter_source_find(holter_store *store, uint64_t user, const char *name,
                                 uint32_t *number, holter_error *err)
{
    struct catalog_source found;
    if (name == NULL)
        return error_set(err, HOLTER_INVALID, "there is no source name to look for");
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    status = source_by_name(&found, store, user, name, err);
    if (status == HOLTER_OK)
        *number = found.number;
    crypto_wipe(&found, sizeof found);
    store_read_end(store);
    return status;
}

static bool copy_text(char *out, size_t room, const char *from)
{
    size_t bytes = from != NULL ? strlen(from) : 0;
    if (bytes >= room)
        return false;
    memset(out, 0, room);
    memcpy(out, from != NULL ? from : "", bytes);
    return true;
}

static holter_status source_from(struct catalog_source *out, uint64_t user,
                                 const holter_source *source, holter_error *err)
{
    *out = (struct catalog_source){ .user = user,
                                    .number = source->number,
                                    .registered_ns = source->registered_ns,
                                    .status = source->retired != 0,
                                    .setting_count = source->setting_count };
    if (source->name == NULL || source->name[0] == '\0' ||
        source->setting_count > CATALOG_SETTINGS_MAX)
        return error_set(err, HOLTER_INVALID, "a source needs a name, and has at most %d settings",
                         CATALOG_SETTINGS_MAX);
    if (!copy_text(out->name, sizeof out->name, source->name) ||
        !copy_text(out->type, sizeof out->type, source->type) ||
        !copy_text(out->model, sizeof out->model, source->model) ||
        !copy_text(out->firmware, sizeof out->firmware, source->firmware))
        return error_set(err, HOLTER_INVALID,
                         "a source's name is at most %d bytes, its type, model and firmware %d",
                         HOLTER_SOURCE_NAME_BYTES_MAX, HOLTER_NAME_BYTES_MAX);
    for (size_t i = 0; i < source->setting_count; i++) {
        out->settings[i].metric = source->settings[i].metric;
        out->settings[i].priority = source->settings[i].priority;
        out->settings[i].period_ns = source->settings[i].period_ns;
    }
    return HOLTER_OK;
}

/*
 * Under store_change_begin. `must_be_new`: HOLTER_EXISTS where a new source's name is there; else
 * its number is given.
 */
static holter_status put_source(holter_store *store, struct catalog_source *source,
                                bool must_be_new, holter_error *err)
{
    const struct crypto_key *key;
    uint32_t generation;
    struct catalog_source found;
    holter_status status = key_of(&key, &generation, store, source->user, err);
    if (status != HOLTER_OK)
        return status;
    if (source->number == 0) {
        status = catalog_source_find(&found, store->catalog, source->user, source->name,
                                     store->arena, key, NULL);
        if (status == HOLTER_OK && must_be_new)
            status =
                error_set(err, HOLTER_EXISTS, "user #%016llx has a source of that name already",
                          (unsigned long long)source->user);
        else if (status == HOLTER_OK)
            source->number = found.number;
        else if (status == HOLTER_NOT_FOUND)
            status = catalog_put_sources(store->catalog, source, 1, store->arena, &key, &generation,
                                         err);
        crypto_wipe(&found, sizeof found);
    } else if (source->number > catalog_source_count(store->catalog, source->user)) {
        status = error_set(err, HOLTER_NOT_FOUND, "user #%016llx has no source with number %u",
                           (unsigned long long)source->user, source->number);
    } else {
        status =
            catalog_put_sources(store->catalog, source, 1, store->arena, &key, &generation, err);
    }
    vault_key_unref(store->vault, key);
    return status;
}

holter_status holter_source_put(holter_store *store, uint64_t user, const holter_source *source,
                                uint32_t *number, holter_error *err)
{
    struct catalog_source asked;
    holter_status status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = source != NULL ? source_from(&asked, user, source, err)
                            : error_set(err, HOLTER_INVALID, "there is no source to put");
    if (status == HOLTER_OK)
        status = store_change_begin(store, err);
    if (status == HOLTER_OK) {
        if (asked.number == 0 && asked.registered_ns == 0)
            asked.registered_ns = io_now_ns(store->io);
        status = put_source(store, &asked, true, err);
        store_change_end(store);
    }
    if (status == HOLTER_OK && number != NULL)
        *number = asked.number;
    crypto_wipe(&asked, sizeof asked);
    store_leave(store);
    return status;
}

holter_status holter_source_need(holter_store *store, uint64_t user, const char *name,
                                 uint32_t *number, holter_error *err)
{
    holter_status status = holter_source_find(store, user, name, number, err);
    if (status != HOLTER_NOT_FOUND)
        return status;
    struct catalog_source asked;
    const holter_source plain = { .name = name };
    status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    status = source_from(&asked, user, &plain, err);
    if (status == HOLTER_OK)
        status = store_change_begin(store, err);
    if (status == HOLTER_OK) {
        asked.registered_ns = io_now_ns(store->io);
        status = put_source(store, &asked, false, err);
        store_change_end(store);
    }
    if (status == HOLTER_OK)
        *number = asked.number;
    crypto_wipe(&asked, sizeof asked);
    store_leave(store);
    return status;
}

/* New sources of one name for users who have none, as many as one edit takes. */
enum { SOURCES_AT_ONCE = 256 };
struct new_sources {
    struct catalog_source sources[SOURCES_AT_ONCE];
    const struct crypto_key *keys[SOURCES_AT_ONCE];
    uint32_t key_generations[SOURCES_AT_ONCE];
    size_t places[SOURCES_AT_ONCE]; /* in the caller's arrays */
    size_t count;
};

/* Under store_change_begin: add those that were gathered. */
static holter_status put_new_sources(struct new_sources *new, holter_store *store,
                                     uint32_t *numbers, holter_error *err)
{
    holter_status status = HOLTER_OK;
    if (new->count > 0)
        status = catalog_put_sources(store->catalog, new->sources, new->count, store->arena,
                                     new->keys, new->key_generations, err);
    for (size_t i = 0; i < new->count; i++) {
        numbers[new->places[i]] = new->sources[i].number;
        vault_key_unref(store->vault, new->keys[i]);
    }
    crypto_wipe(new->sources, sizeof new->sources);
    new->count = 0;
    return status;
}

/* Under store_change_begin. */
static holter_status need_sources(struct new_sources *new, holter_store *store,
                                  const uint64_t *users, size_t count,
                                  const struct catalog_source *plain, uint32_t *numbers,
                                  holter_error *err)
{
    holter_status status = HOLTER_OK;
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        struct catalog_source found;
        status = source_by_name(&found, store, users[i], plain->name, err);
        numbers[i] = status == HOLTER_OK ? found.number : 0;
        crypto_wipe(&found, sizeof found);
        if (status != HOLTER_NOT_FOUND)
            continue;
        size_t at = new->count;
        status = key_of(&new->keys[at], &new->key_generations[at], store, users[i], err);
        if (status != HOLTER_OK)
            break;
        new->sources[at] = *plain;
        new->sources[at].user = users[i];
        new->places[at] = i;
        new->count++;
        if (new->count == SOURCES_AT_ONCE)
            status = put_new_sources(new, store, numbers, err);
    }
    holter_status rest = put_new_sources(new, store, numbers, status == HOLTER_OK ? err : NULL);
    return status == HOLTER_OK ? rest : status;
}

holter_status holter_sources_need(holter_store *store, const uint64_t *users, size_t count,
                                  const char *name, uint32_t *numbers, holter_error *err)
{
    struct catalog_source plain;
    const holter_source asked = { .name = name };
    struct new_sources *new = NULL;
    holter_status status = source_from(&plain, 0, &asked, err);
    if (status != HOLTER_OK)
        return status;
    status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    for (size_t i = 0; status == HOLTER_OK && i < count; i++) {
        struct catalog_source found;
        status = source_by_name(&found, store, users[i], name, err);
        numbers[i] = status == HOLTER_OK ? found.number : 0;
        crypto_wipe(&found, sizeof found);
    }
    store_read_end(store);
    if (status != HOLTER_NOT_FOUND)
        return status;

    status = store_enter(store, err);
    if (status != HOLTER_OK)
        return status;
    plain.registered_ns = io_now_ns(store->io);
    new = calloc(1, sizeof *new);
    if (new == NULL)
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for %zu sources", count);
    if (status == HOLTER_OK)
        status = store_change_begin(store, err);
    if (status == HOLTER_OK) {
        status = need_sources(new, store, users, count, &plain, numbers, err);
        store_change_end(store);
    }
    free(new);
    store_leave(store);
    return status;
}

holter_status holter_source_count(holter_store *store, uint64_t user, size_t *count,
                                  holter_error *err)
{
    struct vault_user found;
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    status = vault_find_number(&found, store->vault, user, err);
    if (status == HOLTER_OK)
        *count = catalog_source_count(store->catalog, user);
    store_read_end(store);
    return status;
}

/* One allocation: the source as callers see it, and what it points at. */
struct owned_source {
    holter_source view;
    struct catalog_source source;
    holter_setting settings[CATALOG_SETTINGS_MAX];
};

holter_status holter_source_read(holter_store *store, uint64_t user, uint32_t number,
                                 holter_source **out, holter_error *err)
{
    const struct crypto_key *key;
    uint32_t generation;
    *out = NULL;
    holter_status status = store_read_begin(store, err);
    if (status != HOLTER_OK)
        return status;
    struct owned_source *owned = calloc(1, sizeof *owned);
    if (owned == NULL)
        status = error_set(err, HOLTER_NO_MEMORY, "no memory for a source");
    if (status == HOLTER_OK)
        status = key_of(&key, &generation, store, user, err);
    if (status == HOLTER_OK) {
        status = catalog_source_by_number(&owned->source, store->catalog, user, number,
                                          store->arena, key, err);
        vault_key_unref(store->vault, key);
    }
    store_read_end(store);
    if (status != HOLTER_OK) {
        free(owned);
        return status;
    }
    for (size_t i = 0; i < owned->source.setting_count; i++)
        owned->settings[i] = (holter_setting){ .metric = owned->source.settings[i].metric,
                                               .priority = owned->source.settings[i].priority,
                                               .period_ns = owned->source.settings[i].period_ns };
    owned->view = (holter_source){ .number = owned->source.number,
                                   .name = owned->source.name,
                                   .type = owned->source.type,
                                   .model = owned->source.model,
                                   .firmware = owned->source.firmware,
                                   .registered_ns = owned->source.registered_ns,
                                   .retired = owned->source.status,
                                   .settings = owned->settings,
                                   .setting_count = owned->source.setting_count };
    *out = &owned->view;
    return HOLTER_OK;
}

void holter_source_free(holter_source *source)
{
    if (source == NULL)
        return;
    struct owned_source *owned = (struct owned_source *)source; /* its first member */
    crypto_wipe(owned, sizeof *owned);
    free(owned);
}
