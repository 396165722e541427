/*
 * core_bytes.c -- little-endian cursors over bytes, and the growing buffer.
 *
 * A reader or writer that is asked for more than is left remembers the overrun and moves no
 * further, so a decoder reads like its table and asks once, at the end.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

int64_t saturating_add_i64(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

int64_t floor_div_i64(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return quotient - (a % b < 0);
}

struct reader reader_over(const void *bytes, size_t count)
{
    return (struct reader){ .at = bytes, .left = count, .overrun = false };
}

void reader_give_up(struct reader *r)
{
    r->overrun = true;
    r->left = 0;
}

const uint8_t *get_bytes(struct reader *r, size_t count)
{
    if (r->overrun || count > r->left) {
        reader_give_up(r);
        return NULL;
    }
    const uint8_t *bytes = r->at;
    if (count > 0) {
        r->at += count;
        r->left -= count;
    }
    return bytes;
}

void get_copy(struct reader *r, void *out, size_t count)
{
    const uint8_t *bytes = get_bytes(r, count);
    if (r->overrun)
        memset(out, 0, count);
    else if (count > 0)
        memcpy(out, bytes, count);
}

static uint64_t get_little_endian(struct reader *r, size_t count)
{
    const uint8_t *bytes = get_bytes(r, count);
    if (bytes == NULL)
        return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

uint16_t get_u16(struct reader *r)
{
    return (uint16_t)get_little_endian(r, 2);
}

uint32_t get_u32(struct reader *r)
{
    return (uint32_t)get_little_endian(r, 4);
}

uint64_t get_u64(struct reader *r)
{
    return get_little_endian(r, 8);
}

int64_t get_i64(struct reader *r)
{
    return (int64_t)get_little_endian(r, 8);
}

uint64_t get_varint_long(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = get_u8(r);
        if (r->overrun)
            return 0;
        bool too_long = byte == 0 && shift > 0;
        bool too_large = shift == 63 && byte > 1;
        if (too_long || too_large)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reader_give_up(r);
    return 0;
}

bool reader_is_done(const struct reader *r)
{
    return !r->overrun && r->left == 0;
}

bool bytes_are_zero(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    return count == 0 || (at[0] == 0 && memcmp(at, at + 1, count - 1) == 0);
}

struct writer writer_over(void *bytes, size_t count)
{
    return (struct writer){ .at = bytes, .left = count, .overrun = false };
}

void put_bytes(struct writer *w, const void *bytes, size_t count)
{
    if (w->overrun || count > w->left) {
        w->overrun = true;
        return;
    }
    if (count == 0)
        return;
    memcpy(w->at, bytes, count);
    w->at += count;
    w->left -= count;
}

void put_zeros(struct writer *w, size_t count)
{
    if (w->overrun || count > w->left) {
        w->overrun = true;
        return;
    }
    if (count == 0)
        return;
    memset(w->at, 0, count);
    w->at += count;
    w->left -= count;
}

/* Written out, as compilers make one store of it then, and of a loop eight. */
static void little_endian(uint8_t out[static 8], uint64_t value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
    out[2] = (uint8_t)(value >> 16);
    out[3] = (uint8_t)(value >> 24);
    out[4] = (uint8_t)(value >> 32);
    out[5] = (uint8_t)(value >> 40);
    out[6] = (uint8_t)(value >> 48);
    out[7] = (uint8_t)(value >> 56);
}

static void put_little_endian(struct writer *w, uint64_t value, size_t count)
{
    uint8_t bytes[8];
    little_endian(bytes, value);
    put_bytes(w, bytes, count);
}

void put_u8(struct writer *w, uint8_t value)
{
    put_little_endian(w, value, 1);
}

void put_u16(struct writer *w, uint16_t value)
{
    put_little_endian(w, value, 2);
}

void put_u32(struct writer *w, uint32_t value)
{
    put_little_endian(w, value, 4);
}

void put_u64(struct writer *w, uint64_t value)
{
    put_little_endian(w, value, 8);
}

void put_i64(struct writer *w, int64_t value)
{
    put_little_endian(w, (uint64_t)value, 8);
}

void buffer_init(struct buffer *b)
{
    *b = (struct buffer){ 0 };
}

void buffer_release(struct buffer *b)
{
    free(b->data);
    buffer_init(b);
}

void buffer_clear(struct buffer *b)
{
    b->bytes = 0;
    b->failed = false;
}

bool buffer_reserve(struct buffer *b, size_t count)
{
    if (b->failed)
        return false;
    if (count <= b->capacity - b->bytes)
        return true;
    uint64_t wanted;
    void *data = b->data;
    if (!checked_add_u64(&wanted, b->bytes, count) ||
        !core_grow(&data, &b->capacity, (size_t)wanted, 1)) {
        b->failed = true;
        return false;
    }
    b->data = data;
    return true;
}

void buffer_append(struct buffer *b, const void *bytes, size_t count)
{
    if (count == 0 || !buffer_reserve(b, count))
        return;
    memcpy(b->data + b->bytes, bytes, count);
    b->bytes += count;
}

void buffer_append_zeros(struct buffer *b, size_t count)
{
    if (count == 0 || !buffer_reserve(b, count))
        return;
    memset(b->data + b->bytes, 0, count);
    b->bytes += count;
}

static void buffer_append_little_endian(struct buffer *b, uint64_t value, size_t count)
{
    uint8_t bytes[8];
    little_endian(bytes, value);
    buffer_append(b, bytes, count);
}

void buffer_append_u8(struct buffer *b, uint8_t value)
{
    buffer_append_little_endian(b, value, 1);
}

void buffer_append_u16(struct buffer *b, uint16_t value)
{
    buffer_append_little_endian(b, value, 2);
}

void buffer_append_u32(struct buffer *b, uint32_t value)
{
    buffer_append_little_endian(b, value, 4);
}

void buffer_append_u64(struct buffer *b, uint64_t value)
{
    buffer_append_little_endian(b, value, 8);
}

void buffer_append_i64(struct buffer *b, int64_t value)
{
    buffer_append_little_endian(b, (uint64_t)value, 8);
}

void buffer_append_varint(struct buffer *b, uint64_t value)
{
    uint8_t bytes[10];
    size_t count = 0;
    while (value >= 0x80) {
        bytes[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[count++] = (uint8_t)value;
    buffer_append(b, bytes, count);
}

void buffer_append_zigzag(struct buffer *b, int64_t value)
{
    buffer_append_varint(b, zigzag_encode(value));
}

void hex_encode(char *out, const void *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[at[i] >> 4];
        out[2 * i + 1] = digits[at[i] & 15];
    }
    out[2 * count] = '\0';
}
