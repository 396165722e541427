/*
 * segment_index.c -- the index of a user's section: tombstones, and for each series what it is and
 * where it lies.
 *
 * No offset is stored: series lie one after another, so that sizes tell all places, nothing can
 * overlap, and a section whose sizes do not add up is refused. Bytes: format-spec/segment.md,
 * "Index".
 */
#include "segment_impl.h"

#include <stdlib.h>

static holter_status refuse(const char **what, const char *sentence)
{
    *what = sentence;
    return HOLTER_CORRUPT;
}

void segment_index_encode(struct buffer *out, const struct buffer *tombstones,
                          const struct segment_entry *entries, size_t count)
{
    buffer_append(out, tombstones->data, tombstones->bytes);
    buffer_append_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct segment_entry *entry = &entries[i];
        const struct segment_series *series = &entry->series;
        uint64_t revision_span = (uint64_t)series->revision_max - (uint64_t)series->revision_min;
        core_assert(series->rows > 0);
        core_assert(series->blocks > 0);
        buffer_append_varint(out, series->metric);
        buffer_append_varint(out, series->source);
        schema_encode(out, &series->schema);
        buffer_append_varint(out, series->rows);
        buffer_append_varint(out, series->blocks);
        buffer_append_zigzag(out, series->begin_min);
        buffer_append_varint(out, (uint64_t)series->begin_max - (uint64_t)series->begin_min);
        buffer_append_varint(out, (uint64_t)series->end_max - (uint64_t)series->begin_max);
        buffer_append_zigzag(out, series->revision_min);
        buffer_append_varint(out, revision_span);
        if (revision_span != 0)
            buffer_append_zigzag(out, entry->revision_base);
        buffer_append_varint(out, entry->payload_bytes);
        buffer_append_varint(out, entry->header_bytes);
        buffer_append_varint(out, entry->rollup_bytes);
    }
}

/* base + span, where span is the difference of two signed numbers; false: it does not fit. */
static bool add_span(int64_t *out, int64_t base, uint64_t span)
{
    if (span > (uint64_t)INT64_MAX - (uint64_t)base)
        return false;
    *out = (int64_t)((uint64_t)base + span);
    return true;
}

static holter_status entry_decode(struct segment_entry *out, struct reader *r, const char **what)
{
    struct segment_series *series = &out->series;
    uint64_t metric = get_varint(r);
    uint64_t source = get_varint(r);
    if (r->overrun)
        return refuse(what, "its index ends too early");
    if (metric == 0 || metric > UINT32_MAX || source == 0 || source > UINT32_MAX)
        return refuse(what, "a series has no metric or source");
    if (schema_decode(&series->schema, r) != HOLTER_OK)
        return refuse(what, "the schema of a series is not valid");
    series->metric = (uint32_t)metric;
    series->source = (uint32_t)source;
    series->rows = get_varint(r);
    uint64_t blocks = get_varint(r);
    series->begin_min = get_zigzag(r);
    uint64_t begin_span = get_varint(r);
    uint64_t end_span = get_varint(r);
    series->revision_min = get_zigzag(r);
    uint64_t revision_span = get_varint(r);
    out->revision_base = revision_span != 0 ? get_zigzag(r) : series->revision_min;
    out->payload_bytes = get_varint(r);
    out->header_bytes = get_varint(r);
    out->rollup_bytes = get_varint(r);
    if (r->overrun)
        return refuse(what, "its index ends too early");

    if (series->rows == 0 || blocks == 0 || blocks > series->rows || blocks > UINT32_MAX)
        return refuse(what, "a series' counts of rows and blocks do not fit");
    series->blocks = (uint32_t)blocks;
    if (!sample_time_is_valid(series->begin_min) ||
        !add_span(&series->begin_max, series->begin_min, begin_span) ||
        !sample_time_is_valid(series->begin_max) ||
        !add_span(&series->end_max, series->begin_max, end_span))
        return refuse(what, "a series' times are out of range");
    if (series->schema.kind == SAMPLE_INSTANT && end_span != 0)
        return refuse(what, "a series of instants has an end of its own");
    if (!add_span(&series->revision_max, series->revision_min, revision_span) ||
        out->revision_base < series->revision_min || out->revision_base > series->revision_max)
        return refuse(what, "a series' revisions are out of range");
    if (out->payload_bytes == 0 || out->header_bytes == 0)
        return refuse(what, "a series' sizes are out of range");
    if (out->rollup_bytes != 0 && !segment_rollup_fits(&series->schema))
        return refuse(what, "a series of such fields has a rollup");
    return HOLTER_OK;
}

/* Places follow from sizes; false: they do not add up to `bytes`. */
static bool entries_place(struct segment_entry *entries, size_t count, uint64_t first,
                          uint64_t bytes)
{
    uint64_t at = first;
    for (size_t i = 0; i < count; i++) {
        entries[i].payload_offset = at;
        if (!checked_add_u64(&at, at, entries[i].payload_bytes))
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i].rollup_offset = at;
        if (!checked_add_u64(&at, at, entries[i].rollup_bytes))
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i].header_offset = at;
        if (!checked_add_u64(&at, at, entries[i].header_bytes))
            return false;
    }
    return at == bytes;
}

holter_status segment_index_decode(struct segment_index *out, const uint8_t *plain, size_t bytes,
                                   bool is_whole, uint64_t section_bytes, uint64_t index_bytes,
                                   uint64_t sequence_max, const char **what)
{
    struct segment_index index = { 0 };
    tombstones_init(&index.tombstones);

    struct reader r = reader_over(plain, bytes);
    holter_status status = tombstones_decode(&index.tombstones, &r, 0);
    if (status != HOLTER_OK) {
        *what = status == HOLTER_CORRUPT ? "its tombstones are not valid"
                                         : "no memory for its tombstones";
        goto done;
    }
    for (size_t i = 0; i < index.tombstones.count; i++) {
        if (index.tombstones.at[i].sequence > sequence_max) {
            status = refuse(what, "a tombstone's sequence is beyond the file's");
            goto done;
        }
    }

    uint64_t count = get_varint(&r);
    if (r.overrun || count > r.left / SEGMENT_SERIES_BYTES_MIN) {
        status = refuse(what, "its count of series is larger than its index");
        goto done;
    }
    if (count == 0 && index.tombstones.count == 0) {
        status = refuse(what, "it holds nothing");
        goto done;
    }
    index.entries = core_calloc((size_t)count, sizeof *index.entries);
    if (index.entries == NULL) {
        *what = "no memory for its index";
        status = HOLTER_NO_MEMORY;
        goto done;
    }
    for (; index.count < count; index.count++) {
        struct segment_entry *entry = &index.entries[index.count];
        status = entry_decode(entry, &r, what);
        if (status != HOLTER_OK)
            goto done;
        const struct segment_series *series = &entry->series;
        const struct segment_series *before = index.count > 0 ? &entry[-1].series : NULL;
        if (before != NULL &&
            (series->metric < before->metric ||
             (series->metric == before->metric && series->source <= before->source))) {
            status = refuse(what, "its series do not rise");
            goto done;
        }
    }

    uint64_t first = is_whole ? bytes - r.left : 0;
    uint64_t end = is_whole ? bytes : section_bytes - index_bytes;
    if ((!is_whole && (r.left != 0 || count == 0)) ||
        !entries_place(index.entries, index.count, first, end)) {
        status = refuse(what, "its sizes do not add up");
        goto done;
    }
    *out = index;
    index = (struct segment_index){ 0 }; /* now the caller's */
done:
    segment_index_release(&index);
    return status;
}

void segment_index_release(struct segment_index *index)
{
    tombstones_release(&index->tombstones);
    free(index->entries);
    *index = (struct segment_index){ 0 };
}
