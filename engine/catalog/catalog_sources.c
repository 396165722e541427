/*
 * catalog_sources.c -- each user's sources: sealed in memory as on disk, found by user in constant
 * time.
 *
 *   S1  A user's sources are a chain from the last to the first, with numbers that fall by one.
 *   S2  Plain descriptions are in the caller's struct or on the stack, and wiped there.
 *
 * Bytes: format-spec/catalog.md, "Source".
 */
#include "catalog_impl.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 64, ASSOCIATED_BYTES = 8 + 16 + 8 + 4 + 4 };

/* ---- finding ---- */

static size_t slot_of(const struct sources *s, uint64_t user)
{
    uint64_t hash = user * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (hash ^ hash >> 32) & (s->slots - 1);
    while (s->newest[at] != 0 && s->all[s->newest[at] - 1].user != user)
        at = (at + 1) & (s->slots - 1);
    return at;
}

void catalog_sources_release(struct sources *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->all[i].blob);
    free(s->all);
    free(s->newest);
    *s = (struct sources){ 0 };
}

bool catalog_sources_reserve(struct sources *s, size_t count)
{
    size_t needed = s->count + count;
    void *all = s->all;
    if (needed >= UINT32_MAX || !core_grow(&all, &s->capacity, needed, sizeof *s->all))
        return false;
    s->all = all;
    /* As many users as sources, at worst; at most 3/4 full. */
    size_t users = s->users + count, slots = s->slots == 0 ? SLOTS_MIN : s->slots;
    while (slots / 4 * 3 < users)
        slots *= 2;
    if (slots == s->slots)
        return true;
    struct sources grown = *s;
    grown.slots = slots;
    grown.newest = core_calloc(slots, sizeof *grown.newest);
    if (grown.newest == NULL)
        return false;
    for (size_t i = 0; i < s->slots; i++)
        if (s->newest[i] != 0)
            grown.newest[slot_of(&grown, s->all[s->newest[i] - 1].user)] = s->newest[i];
    free(s->newest);
    *s = grown;
    return true;
}

struct source *catalog_sources_newest(const struct sources *s, uint64_t user)
{
    if (s->slots == 0)
        return NULL;
    uint32_t newest = s->newest[slot_of(s, user)];
    return newest == 0 ? NULL : &s->all[newest - 1];
}

struct source *catalog_sources_find(const struct sources *s, uint64_t user, uint32_t number)
{
    struct source *source = catalog_sources_newest(s, user);
    while (source != NULL && source->number > number)
        source = sources_before(s, source);
    return source != NULL && source->number == number ? source : NULL;
}

void catalog_sources_add(struct sources *s, const struct source *source)
{
    size_t slot = slot_of(s, source->user);
    s->users += s->newest[slot] == 0;
    s->all[s->count] = *source;
    s->all[s->count].before = s->newest[slot];
    s->newest[slot] = (uint32_t)++s->count;
}

/* ---- descriptions ---- */

const char *catalog_source_check(const struct catalog_source *source)
{
    size_t name_bytes = catalog_bounded_length(source->name, sizeof source->name);
    if (name_bytes == 0 || name_bytes > CATALOG_SOURCE_NAME_BYTES_MAX ||
        !catalog_words_are_valid(source->name, name_bytes))
        return "its name needs 1 to 127 bytes of UTF-8 without control characters";
    const char *const words[] = { source->type, source->model, source->firmware };
    for (size_t i = 0; i < CORE_COUNT(words); i++) {
        size_t bytes = catalog_bounded_length(words[i], CATALOG_NAME_BYTES_MAX + 1);
        if (bytes > CATALOG_NAME_BYTES_MAX || !catalog_words_are_valid(words[i], bytes))
            return "its type, model and firmware need at most 63 bytes of UTF-8 without control "
                   "characters";
    }
    if (source->status > 1)
        return "its status is unknown";
    if (source->setting_count > CATALOG_SETTINGS_MAX)
        return "its settings are more than 32";
    for (size_t i = 0; i < source->setting_count; i++) {
        if (source->settings[i].metric == 0 || source->settings[i].period_ns < 0)
            return "its settings need a metric, and a period that is not negative";
        for (size_t k = 0; k < i; k++)
            if (source->settings[i].metric == source->settings[k].metric)
                return "its settings name a metric twice";
    }
    return NULL;
}

static void put_string(struct writer *w, const char *string)
{
    size_t bytes = strlen(string);
    put_u8(w, (uint8_t)bytes);
    put_bytes(w, string, bytes);
}

static int compare_settings(const void *a, const void *b)
{
    uint32_t x = ((const struct catalog_setting *)a)->metric,
             y = ((const struct catalog_setting *)b)->metric;
    return (x > y) - (x < y);
}

/* Into zeroed bytes; how many of them, padding included. */
static size_t description_encode(uint8_t out[static SOURCE_PLAIN_BYTES_MAX],
                                 const struct catalog_source *source)
{
    core_assert(catalog_source_check(source) == NULL);
    struct catalog_setting settings[CATALOG_SETTINGS_MAX];
    memcpy(settings, source->settings, source->setting_count * sizeof *settings);
    qsort(settings, source->setting_count, sizeof *settings, compare_settings);

    struct writer w = writer_over(out, SOURCE_PLAIN_BYTES_MAX);
    put_string(&w, source->name);
    put_string(&w, source->type);
    put_string(&w, source->model);
    put_string(&w, source->firmware);
    put_i64(&w, source->registered_ns);
    put_u8(&w, source->status);
    put_u8(&w, (uint8_t)source->setting_count);
    for (size_t i = 0; i < source->setting_count; i++) {
        put_u32(&w, settings[i].metric);
        put_u32(&w, (uint32_t)settings[i].priority);
        put_i64(&w, settings[i].period_ns);
    }
    core_assert(!w.overrun);
    size_t bytes = SOURCE_PLAIN_BYTES_MAX - w.left;
    return (bytes + SOURCE_UNIT_BYTES - 1) / SOURCE_UNIT_BYTES * SOURCE_UNIT_BYTES;
}

static bool description_decode(struct catalog_source *out, const uint8_t *bytes, size_t count)
{
    struct reader r = reader_over(bytes, count);
    if (!catalog_string_decode(out->name, CATALOG_SOURCE_NAME_BYTES_MAX, &r,
                               catalog_words_are_valid) ||
        !catalog_string_decode(out->type, CATALOG_NAME_BYTES_MAX, &r, catalog_words_are_valid) ||
        !catalog_string_decode(out->model, CATALOG_NAME_BYTES_MAX, &r, catalog_words_are_valid) ||
        !catalog_string_decode(out->firmware, CATALOG_NAME_BYTES_MAX, &r, catalog_words_are_valid))
        return false;
    out->registered_ns = get_i64(&r);
    out->status = get_u8(&r);
    out->setting_count = get_u8(&r);
    if (out->setting_count > CATALOG_SETTINGS_MAX)
        return false;
    for (size_t i = 0; i < out->setting_count; i++) {
        struct catalog_setting *setting = &out->settings[i];
        setting->metric = get_u32(&r);
        uint32_t priority = get_u32(&r);
        setting->priority =
            (int32_t)(priority <= INT32_MAX ? priority : (int64_t)priority - (INT64_C(1) << 32));
        setting->period_ns = get_i64(&r);
        if (i > 0 && setting->metric <= out->settings[i - 1].metric)
            return false;
    }
    if (r.overrun || r.left >= SOURCE_UNIT_BYTES)
        return false;
    while (r.left > 0)
        if (get_u8(&r) != 0)
            return false;
    return catalog_source_check(out) == NULL;
}

/* ---- sealing ---- */

static void associated_of(uint8_t out[static ASSOCIATED_BYTES], const uint8_t store_id[static 16],
                          uint64_t user, uint32_t number, uint32_t generation)
{
    struct writer w = writer_over(out, ASSOCIATED_BYTES);
    put_bytes(&w, "HLTSOURC", 8);
    put_bytes(&w, store_id, 16);
    put_u64(&w, user);
    put_u32(&w, number);
    put_u32(&w, generation);
    core_assert(w.left == 0 && !w.overrun);
}

size_t catalog_source_seal(uint8_t *out, const struct catalog_source *source, uint32_t number,
                           uint32_t generation, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                           const uint8_t store_id[static 16], const struct crypto_key *key)
{
    uint8_t plain[SOURCE_PLAIN_BYTES_MAX] = { 0 }, associated[ASSOCIATED_BYTES];
    size_t plain_bytes = description_encode(plain, source);
    associated_of(associated, store_id, source->user, number, generation);

    struct writer w = writer_over(out, SOURCE_HEAD_BYTES);
    put_u64(&w, source->user);
    put_u32(&w, number);
    put_u32(&w, generation);
    put_bytes(&w, nonce, CRYPTO_NONCE_BYTES);
    core_assert(w.left == 0 && !w.overrun);
    crypto_seal(out + SOURCE_HEAD_BYTES, plain, plain_bytes, associated, sizeof associated, nonce,
                key);
    crypto_wipe(plain, sizeof plain); /* S2 */
    return SOURCE_HEAD_BYTES + plain_bytes + CRYPTO_TAG_BYTES;
}

bool catalog_source_open(struct catalog_source *out, const struct source *source,
                         const uint8_t store_id[static 16], const struct crypto_key *key)
{
    uint8_t plain[SOURCE_PLAIN_BYTES_MAX], associated[ASSOCIATED_BYTES];
    size_t sealed_bytes = source->blob_bytes - CRYPTO_NONCE_BYTES;
    core_assert(sealed_bytes <= SOURCE_PLAIN_BYTES_MAX + CRYPTO_TAG_BYTES);
    associated_of(associated, store_id, source->user, source->number, source->generation);
    memset(out, 0, sizeof *out);
    bool is_right = crypto_open(plain, source->blob + CRYPTO_NONCE_BYTES, sealed_bytes, associated,
                                sizeof associated, source->blob, key) &&
                    description_decode(out, plain, sealed_bytes - CRYPTO_TAG_BYTES);
    out->user = source->user;
    out->number = source->number;
    crypto_wipe(plain, sizeof plain); /* S2 */
    return is_right;
}
