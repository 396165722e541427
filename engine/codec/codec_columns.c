/*
 * codec_columns.c -- rows of one series in columns: growing, appending, comparing.
 *
 * All columns have one capacity. Texts lie in `text`, one after another as they were appended; a
 * row's word names its place there. A text that no row names any more (after a sort nothing
 * changes, after a truncation the tail goes) stays until the columns are cleared.
 */
#include "codec.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 8 };

static int64_t text_word(size_t offset, size_t bytes)
{
    return (int64_t)((uint64_t)offset << 32 | bytes);
}

static size_t text_word_offset(int64_t word)
{
    return (size_t)((uint64_t)word >> 32);
}

static uint32_t text_word_bytes(int64_t word)
{
    return (uint32_t)(uint64_t)word;
}

void columns_init(struct columns *c, const struct schema *schema)
{
    core_assert(schema_is_valid(schema));
    *c = (struct columns){ .schema = *schema };
    buffer_init(&c->text);
}

void columns_release(struct columns *c)
{
    free(c->time); /* and what lies behind it */
    buffer_release(&c->text);
    struct schema schema = c->schema;
    *c = (struct columns){ .schema = schema };
}

void columns_clear(struct columns *c)
{
    columns_truncate(c, 0, 0);
}

void columns_truncate(struct columns *c, size_t count, size_t text_bytes)
{
    core_assert(count <= c->count);
    core_assert(text_bytes <= c->text.bytes);
    c->count = count;
    c->text.bytes = text_bytes;
}

/*
 * The room that empty columns are given is what is asked for, as most are copies that stay as they are;
 * then it doubles.
 */
static bool capacity_for(size_t *out, const struct columns *c, size_t count)
{
    uint64_t wanted;
    if (!checked_add_u64(&wanted, c->count, count) || c->capacity > SIZE_MAX / 2)
        return false;
    size_t least = c->capacity > 0 ? 2 * c->capacity : CAPACITY_MIN;
    *out = wanted > least ? (size_t)wanted : least;
    return true;
}

/* Columns of many rows lie some cache lines further apart, as those whose rows are a power of two apart fall into the
   same lines of a cache. */
static size_t gap_words(size_t capacity)
{
    enum { MANY = 256, GAP_WORDS = 40 };
    return capacity < MANY ? 0 : GAP_WORDS;
}

/* False: no allocation is so large. */
static bool bytes_for(uint64_t *out, const struct columns *c, size_t capacity)
{
    size_t words = 3 + (c->schema.kind == SAMPLE_INTERVAL) + c->schema.field_count;
    uint64_t row_bytes = words * sizeof *c->time + sizeof *c->flags;
    uint64_t gap_bytes = words * gap_words(capacity) * sizeof *c->time;
    return checked_mul_u64(out, capacity, row_bytes) && checked_add_u64(out, *out, gap_bytes) &&
           *out <= PTRDIFF_MAX;
}

size_t columns_bytes(const struct columns *c)
{
    uint64_t bytes = 0;
    return bytes_for(&bytes, c, c->capacity) ? (size_t)bytes : 0;
}

/* All columns lie in one allocation, which begins with the times; what they held comes along. */
static bool grow(struct columns *c, size_t capacity)
{
    struct columns old = *c;
    uint64_t bytes;
    size_t step = capacity + gap_words(capacity);
    int64_t *at = bytes_for(&bytes, c, capacity) ? malloc((size_t)bytes) : NULL;
    if (at == NULL)
        return false;
    int64_t **columns[3 + SCHEMA_FIELDS_MAX] = { &c->time, &c->revision };
    size_t count = 2;
    if (c->schema.kind == SAMPLE_INTERVAL)
        columns[count++] = &c->duration;
    for (size_t i = 0; i < c->schema.field_count; i++)
        columns[count++] = &c->field[i];
    for (size_t i = 0; i < count; i++, at += step) {
        if (old.capacity > 0)
            memcpy(at, *columns[i], old.capacity * sizeof *at);
        *columns[i] = at;
    }
    c->sequence = (uint64_t *)at;
    c->flags = (uint16_t *)(at + step);
    if (old.capacity > 0) {
        memcpy(c->sequence, old.sequence, old.capacity * sizeof *c->sequence);
        memcpy(c->flags, old.flags, old.capacity * sizeof *c->flags);
    }
    c->capacity = capacity;
    free(old.time);
    return true;
}

bool columns_reserve(struct columns *c, size_t count)
{
    size_t capacity;
    return count <= c->capacity - c->count ||
           (capacity_for(&capacity, c, count) && grow(c, capacity));
}

/* Offsets have 32 bits. A failure is not remembered: the columns stay as they were, and usable. */
static bool text_reserve(struct columns *c, uint64_t bytes)
{
    if (bytes > UINT32_MAX - c->text.bytes)
        return false;
    bool reserved = buffer_reserve(&c->text, (size_t)bytes);
    c->text.failed = false;
    return reserved;
}

static int64_t text_append(struct columns *c, const uint8_t *text, uint32_t bytes)
{
    int64_t word = text_word(c->text.bytes, bytes);
    buffer_append(&c->text, text, bytes);
    return word;
}

bool columns_append(struct columns *c, const struct row *row)
{
    uint64_t text_bytes = 0;
    for (size_t i = 0; i < c->schema.field_count; i++) {
        if (c->schema.types[i] == FIELD_TEXT)
            text_bytes += row->text_bytes[i];
    }
    if (!columns_reserve(c, 1) || !text_reserve(c, text_bytes))
        return false;

    size_t at = c->count++;
    c->time[at] = row->time;
    if (c->duration != NULL)
        c->duration[at] = row->duration;
    for (size_t i = 0; i < c->schema.field_count; i++) {
        if (c->schema.types[i] == FIELD_TEXT)
            c->field[i][at] = text_append(c, row->text[i], row->text_bytes[i]);
        else
            c->field[i][at] = row->field[i];
    }
    c->flags[at] = row->flags;
    c->revision[at] = row->revision;
    c->sequence[at] = row->sequence;
    return true;
}

static void append_texts(struct columns *c, const struct columns *from, size_t field, size_t first,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bytes;
        const uint8_t *text = columns_text(from, field, first + i, &bytes);
        c->field[field][c->count + i] = text_append(c, text, bytes);
    }
}

bool columns_append_rows(struct columns *c, const struct columns *from, size_t first, size_t count)
{
    core_assert(c != from);
    core_assert(schema_is_equal(&c->schema, &from->schema));
    core_assert(first <= from->count);
    core_assert(count <= from->count - first);
    if (count == 0)
        return true;

    uint64_t text_bytes = 0;
    for (size_t i = 0; i < c->schema.field_count; i++) {
        if (c->schema.types[i] != FIELD_TEXT)
            continue;
        for (size_t row = first; row < first + count; row++)
            text_bytes += text_word_bytes(from->field[i][row]);
    }
    if (!columns_reserve(c, count) || !text_reserve(c, text_bytes))
        return false;

    size_t at = c->count;
    memcpy(c->time + at, from->time + first, count * sizeof *c->time);
    if (c->duration != NULL)
        memcpy(c->duration + at, from->duration + first, count * sizeof *c->duration);
    for (size_t i = 0; i < c->schema.field_count; i++) {
        if (c->schema.types[i] == FIELD_TEXT)
            append_texts(c, from, i, first, count);
        else
            memcpy(c->field[i] + at, from->field[i] + first, count * sizeof *c->field[i]);
    }
    memcpy(c->flags + at, from->flags + first, count * sizeof *c->flags);
    memcpy(c->revision + at, from->revision + first, count * sizeof *c->revision);
    memcpy(c->sequence + at, from->sequence + first, count * sizeof *c->sequence);
    c->count += count;
    return true;
}

const uint8_t *columns_text(const struct columns *c, size_t field, size_t row, uint32_t *bytes)
{
    static const uint8_t empty[1];
    int64_t word = c->field[field][row];
    *bytes = text_word_bytes(word);
    return *bytes > 0 ? c->text.data + text_word_offset(word) : empty;
}

static int compare_words(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_texts(const struct columns *a, size_t row_a, const struct columns *b,
                         size_t row_b, size_t field)
{
    uint32_t bytes_a, bytes_b;
    const uint8_t *text_a = columns_text(a, field, row_a, &bytes_a);
    const uint8_t *text_b = columns_text(b, field, row_b, &bytes_b);
    int order = memcmp(text_a, text_b, bytes_a < bytes_b ? bytes_a : bytes_b);
    return order != 0 ? order : compare_words(bytes_a, bytes_b);
}

int columns_compare(const struct columns *a, size_t row_a, const struct columns *b, size_t row_b)
{
    int order = compare_words(a->time[row_a], b->time[row_b]);
    size_t key = a->schema.key_field;
    if (order != 0 || key == SCHEMA_NO_KEY)
        return order;
    if (a->schema.types[key] == FIELD_TEXT)
        return compare_texts(a, row_a, b, row_b, key);
    return compare_words(a->field[key][row_a], b->field[key][row_b]);
}

bool columns_row_is_equal(const struct columns *a, size_t row_a, const struct columns *b,
                          size_t row_b)
{
    if (a->time[row_a] != b->time[row_b])
        return false;
    if (a->duration != NULL && a->duration[row_a] != b->duration[row_b])
        return false;
    for (size_t i = 0; i < a->schema.field_count; i++) {
        bool is_equal = a->schema.types[i] == FIELD_TEXT ? compare_texts(a, row_a, b, row_b, i) == 0
                                                         : a->field[i][row_a] == b->field[i][row_b];
        if (!is_equal)
            return false;
    }
    return true;
}

size_t columns_from(const struct columns *c, size_t at, size_t end, int64_t time)
{
    while (at < end) {
        size_t middle = at + (end - at) / 2;
        if (c->time[middle] < time)
            at = middle + 1;
        else
            end = middle;
    }
    return at;
}

int64_t columns_end(const struct columns *c, size_t row)
{
    return c->duration == NULL ? c->time[row] : saturating_add_i64(c->time[row], c->duration[row]);
}
