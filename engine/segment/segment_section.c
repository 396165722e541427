/*
 * segment_section.c -- a user's section: its outline (segment_outline.c), which is read or was known before. File
 * and key are asked for when something has to be read.
 */
#include "segment_impl.h"

#include <stdlib.h>

struct segment_access segment_section_access(const struct segment_section *section)
{
    return (struct segment_access){ .segment = section->segment,
                                    .user = &section->outline->user,
                                    .queue = section->queue,
                                    .key = section->key };
}

static holter_status key_derive(struct crypto_key **out, const struct segment *segment,
                                struct crypto_arena *arena, const struct crypto_key *key,
                                holter_error *err)
{
    if (!segment->identity.is_sealed)
        return HOLTER_OK;
    *out = crypto_key_derive(arena, key, "holt-seg", segment->identity.id);
    if (*out == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no room for a key", segment->path);
    return HOLTER_OK;
}

holter_status segment_section_need(struct segment_section *section, holter_error *err)
{
    const struct crypto_key *key = NULL;
    struct segment *segment = NULL;
    if (section->segment != NULL)
        return HOLTER_OK;
    holter_status status = section->lender.lend(section->lender.context, &segment, &key, err);
    if (status == HOLTER_OK)
        status = key_derive(&section->key, segment, section->lender.arena, key, err);
    if (status == HOLTER_OK)
        section->segment = segment;
    return status;
}

holter_status segment_section_open(struct segment_section **out, struct segment *segment,
                                   const struct segment_user *user, struct io_queue *queue,
                                   struct crypto_arena *arena, const struct crypto_key *key,
                                   holter_error *err)
{
    *out = NULL;
    const struct segment_footer *footer = &segment->footer;
    if (segment->identity.is_sealed && key == NULL)
        return error_set(err, HOLTER_INVALID, "segment '%s': user #%016llx has no key",
                         segment->path, (unsigned long long)user->user);
    if (user->section_offset < footer->sections_begin ||
        user->section_offset > footer->sections_end ||
        user->section_bytes > footer->sections_end - user->section_offset ||
        user->index_bytes <= CRYPTO_TAG_BYTES || user->index_bytes > user->section_bytes ||
        user->index_offset != user->section_offset + user->section_bytes - user->index_bytes)
        return error_set(err, HOLTER_INVALID,
                         "segment '%s': user #%016llx has a place outside of it", segment->path,
                         (unsigned long long)user->user);

    struct segment_section *section = calloc(1, sizeof *section);
    if (section == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "segment '%s': no memory for a section",
                         segment->path);
    section->segment = segment;
    section->queue = queue;
    holter_status status = key_derive(&section->key, segment, arena, key, err);
    if (status == HOLTER_OK) {
        struct segment_access access = {
            .segment = segment, .user = user, .queue = queue, .key = section->key
        };
        status = segment_outline_open(&section->outline, &access, err);
    }
    if (status != HOLTER_OK)
        goto done;
    *out = section;
    section = NULL; /* now the caller's */
done:
    segment_section_close(section);
    return status;
}

holter_status segment_section_of(struct segment_section **out, struct segment_outline *outline,
                                 const struct segment_lender *lender, holter_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "user #%016llx: no memory for a section",
                         (unsigned long long)outline->user.user);
    (*out)->outline = segment_outline_ref(outline);
    (*out)->lender = *lender;
    (*out)->queue = lender->queue;
    return HOLTER_OK;
}

void segment_section_close(struct segment_section *section)
{
    if (section == NULL)
        return;
    crypto_key_free(section->key);
    segment_outline_unref(section->outline);
    free(section);
}

struct segment_outline *segment_section_outline(struct segment_section *section)
{
    return section->outline;
}

const struct tombstones *segment_section_tombstones(const struct segment_section *section)
{
    return &section->outline->index.tombstones;
}

size_t segment_section_series_count(const struct segment_section *section)
{
    return section->outline->index.count;
}

const struct segment_series *segment_section_series(const struct segment_section *section,
                                                    size_t index)
{
    core_assert(index < section->outline->index.count);
    return &section->outline->index.entries[index].series;
}
