/*
 * manifest_bytes.c -- the bodies of a manifest's edits, and the names of the files that it names.
 *
 * Bytes: format-spec/manifest.md. Tests: tests/unit/test_manifest_bytes.c.
 */
#include "manifest_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLAG_FLUSHED = 1, FLAG_CLOSED = 2, BODY_HEAD_BYTES = 2 + 2 + 4 + 4 + 4 };

/* ---- encoding -------------------------------------------------------------------------------- */

static void append_place(struct buffer *out, const struct manifest_log_place *place)
{
    buffer_append_u64(out, place->file);
    buffer_append_u64(out, place->offset);
    buffer_append_u64(out, place->sequence);
}

static void append_file(struct buffer *out, const struct manifest_file *file)
{
    core_assert(manifest_file_fault(file) == NULL);

    buffer_append(out, file->id, sizeof file->id);
    buffer_append_u8(out, file->tier);
    buffer_append_u8(out, file->class);
    buffer_append_u16(out, 0); /* spare */
    buffer_append_u32(out, 0); /* spare */
    buffer_append_i64(out, file->partition);
    buffer_append_u64(out, file->sequence_min);
    buffer_append_u64(out, file->sequence_max);
    buffer_append_u64(out, file->user_min);
    buffer_append_u64(out, file->user_max);
    buffer_append_u64(out, file->rows);
    buffer_append_i64(out, file->begin_min);
    buffer_append_i64(out, file->begin_max);
    buffer_append_i64(out, file->end_max);
    buffer_append_u64(out, file->tombstones);
    buffer_append_i64(out, file->tombstone_begin);
    buffer_append_i64(out, file->tombstone_end);
    buffer_append_u64(out, file->bytes);
    buffer_append_u64(out, file->footer_hash);
}

static void append_part(struct buffer *out, const struct manifest_change *change, size_t first,
                        size_t count, size_t left)
{
    bool is_begin = first == 0;
    uint16_t kind = change->is_snapshot ? MANIFEST_SNAPSHOT : MANIFEST_CHANGE;
    uint16_t flags = (uint16_t)((change->has_flushed ? FLAG_FLUSHED : 0) |
                                (change->has_closed ? FLAG_CLOSED : 0));
    buffer_append_u16(out, is_begin ? kind : MANIFEST_MORE);
    buffer_append_u16(out, is_begin ? flags : 0);
    buffer_append_u32(out, (uint32_t)count);
    buffer_append_u32(out, is_begin ? (uint32_t)change->remove_count : 0);
    buffer_append_u32(out, (uint32_t)left);
    if (is_begin && change->has_flushed)
        append_place(out, &change->flushed);
    if (is_begin && change->has_closed)
        append_place(out, &change->closed);
    for (size_t i = 0; is_begin && i < change->remove_count; i++)
        buffer_append(out, change->remove[i], MANIFEST_ID_BYTES);
    for (size_t i = first; i < first + count; i++)
        append_file(out, &change->add[i]);
}

holter_status manifest_parts_encode(struct manifest_parts *out,
                                    const struct manifest_change *change, holter_error *err)
{
    core_assert(change->remove_count <= MANIFEST_PART_REMOVED_MAX);
    core_assert(!change->is_snapshot || (change->has_flushed && change->has_closed));

    size_t count = (change->add_count + MANIFEST_PART_FILES_MAX - 1) / MANIFEST_PART_FILES_MAX;
    if (count == 0)
        count = 1;
    *out = (struct manifest_parts){ .count = count };
    buffer_init(&out->bytes);
    out->parts = core_calloc(count, sizeof *out->parts);
    if (out->parts == NULL)
        return error_set(err, HOLTER_NO_MEMORY, "manifest: memory for an edit");

    for (size_t i = 0; i < count; i++) {
        size_t first = i * MANIFEST_PART_FILES_MAX;
        size_t files = change->add_count - first;
        size_t begin = out->bytes.bytes;
        append_part(&out->bytes, change, first,
                    files < MANIFEST_PART_FILES_MAX ? files : MANIFEST_PART_FILES_MAX,
                    count - 1 - i);
        out->parts[i].count = out->bytes.bytes - begin;
    }
    if (out->bytes.failed)
        return error_set(err, HOLTER_NO_MEMORY, "manifest: memory for an edit");
    for (size_t i = 0, begin = 0; i < count; begin += out->parts[i++].count)
        out->parts[i].bytes = out->bytes.data + begin;
    return HOLTER_OK;
}

void manifest_parts_release(struct manifest_parts *parts)
{
    buffer_release(&parts->bytes);
    free(parts->parts);
    parts->parts = NULL;
}

/* ---- decoding -------------------------------------------------------------------------------- */

static struct manifest_log_place get_place(struct reader *r)
{
    struct manifest_log_place place;
    place.file = get_u64(r);
    place.offset = get_u64(r);
    place.sequence = get_u64(r);
    return place;
}

static holter_status get_file(struct manifest_file *out, struct reader *r)
{
    struct manifest_file file;
    get_copy(r, file.id, sizeof file.id);
    file.tier = get_u8(r);
    file.class = get_u8(r);
    uint16_t spare_16 = get_u16(r);
    uint32_t spare_32 = get_u32(r);
    file.partition = get_i64(r);
    file.sequence_min = get_u64(r);
    file.sequence_max = get_u64(r);
    file.user_min = get_u64(r);
    file.user_max = get_u64(r);
    file.rows = get_u64(r);
    file.begin_min = get_i64(r);
    file.begin_max = get_i64(r);
    file.end_max = get_i64(r);
    file.tombstones = get_u64(r);
    file.tombstone_begin = get_i64(r);
    file.tombstone_end = get_i64(r);
    file.bytes = get_u64(r);
    file.footer_hash = get_u64(r);
    if (r->overrun || spare_16 != 0 || spare_32 != 0 || manifest_file_fault(&file) != NULL)
        return HOLTER_CORRUPT;
    *out = file;
    return HOLTER_OK;
}

static holter_status get_removed(struct manifest_change *change, struct reader *r, size_t count)
{
    void *grown = change->remove;
    if (!core_grow(&grown, &change->remove_capacity, count, MANIFEST_ID_BYTES))
        return HOLTER_NO_MEMORY;
    change->remove = grown;
    for (size_t i = 0; i < count; i++) {
        get_copy(r, change->remove[i], MANIFEST_ID_BYTES);
        if (i > 0 && memcmp(change->remove[i - 1], change->remove[i], MANIFEST_ID_BYTES) >= 0)
            return HOLTER_CORRUPT;
    }
    change->remove_count = count;
    return HOLTER_OK;
}

static holter_status get_added(struct manifest_change *change, struct reader *r, size_t count)
{
    void *grown = change->add;
    if (!core_grow(&grown, &change->add_capacity, change->add_count + count, sizeof *change->add))
        return HOLTER_NO_MEMORY;
    change->add = grown;
    for (size_t i = 0; i < count; i++) {
        struct manifest_file *file = &change->add[change->add_count];
        holter_status status = get_file(file, r);
        if (status != HOLTER_OK)
            return status;
        if (change->add_count > 0 && manifest_file_compare(file - 1, file) >= 0)
            return HOLTER_CORRUPT;
        change->add_count++;
    }
    return HOLTER_OK;
}

/* What begins an edit tells places; what goes on with one, nothing but files. */
static holter_status get_begin(struct manifest_change *change, struct reader *r, uint16_t kind,
                               uint16_t flags)
{
    manifest_change_clear(change);
    change->is_snapshot = kind == MANIFEST_SNAPSHOT;
    change->has_flushed = (flags & FLAG_FLUSHED) != 0;
    change->has_closed = (flags & FLAG_CLOSED) != 0;
    if (change->is_snapshot && flags != (FLAG_FLUSHED | FLAG_CLOSED))
        return HOLTER_CORRUPT;
    if (change->has_flushed)
        change->flushed = get_place(r);
    if (change->has_closed)
        change->closed = get_place(r);
    return r->overrun ? HOLTER_CORRUPT : HOLTER_OK;
}

holter_status manifest_part_decode(struct manifest_change *change, uint64_t *left,
                                   const uint8_t *bytes, size_t count)
{
    struct reader r = reader_over(bytes, count);
    uint16_t kind = get_u16(&r);
    uint16_t flags = get_u16(&r);
    uint32_t add_count = get_u32(&r);
    uint32_t remove_count = get_u32(&r);
    uint32_t parts_left = get_u32(&r);

    bool is_begin = *left == 0;
    if (r.overrun || (flags & ~(unsigned)(FLAG_FLUSHED | FLAG_CLOSED)) != 0)
        return HOLTER_CORRUPT;
    if (is_begin ? kind != MANIFEST_SNAPSHOT && kind != MANIFEST_CHANGE : kind != MANIFEST_MORE)
        return HOLTER_CORRUPT;
    if (!is_begin && (parts_left != *left - 1 || flags != 0))
        return HOLTER_CORRUPT;
    if (kind != MANIFEST_CHANGE && remove_count != 0)
        return HOLTER_CORRUPT;

    holter_status status = is_begin ? get_begin(change, &r, kind, flags) : HOLTER_OK;
    if (status != HOLTER_OK)
        return status;
    uint64_t wanted =
        (uint64_t)remove_count * MANIFEST_ID_BYTES + (uint64_t)add_count * MANIFEST_FILE_BYTES;
    if (wanted != r.left)
        return HOLTER_CORRUPT;
    status = remove_count > 0 ? get_removed(change, &r, remove_count) : HOLTER_OK;
    if (status == HOLTER_OK && add_count > 0)
        status = get_added(change, &r, add_count);
    if (status == HOLTER_OK)
        *left = parts_left;
    return status;
}

void manifest_change_clear(struct manifest_change *change)
{
    struct manifest_file *add = change->add;
    uint8_t(*remove)[MANIFEST_ID_BYTES] = change->remove;
    *change = (struct manifest_change){ .add = add,
                                        .add_capacity = change->add_capacity,
                                        .remove = remove,
                                        .remove_capacity = change->remove_capacity };
}

void manifest_change_release(struct manifest_change *change)
{
    free(change->add);
    free(change->remove);
    *change = (struct manifest_change){ .is_snapshot = false };
}

/* ---- names ----------------------------------------------------------------------------------- */

void manifest_file_name(char out[static MANIFEST_FILE_NAME_BYTES],
                        const uint8_t id[static MANIFEST_ID_BYTES])
{
    memcpy(out, "seg-", 4);
    hex_encode(out + 4, id, MANIFEST_ID_BYTES);
}

void manifest_log_name(char out[static MANIFEST_LOG_NAME_BYTES], uint64_t number)
{
    snprintf(out, MANIFEST_LOG_NAME_BYTES, "log-%016llx", (unsigned long long)number);
}

bool manifest_log_name_parse(uint64_t *number, const char *name)
{
    uint64_t found = 0;
    if (strlen(name) != MANIFEST_LOG_NAME_BYTES - 1 || memcmp(name, "log-", 4) != 0)
        return false;
    for (const char *digit = name + 4; *digit != '\0'; digit++) {
        static const char digits[] = "0123456789abcdef";
        const char *at = strchr(digits, *digit);
        if (at == NULL)
            return false;
        found = found << 4 | (uint64_t)(at - digits);
    }
    *number = found;
    return true;
}
