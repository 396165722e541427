/*
 * core.h -- the door of core: cursors over bytes, checked arithmetic, buffers, hashing, error text.
 *
 * Promise: nothing here touches the system, and no byte that it is given can make it overrun.
 * Needs nothing but xxHash. Threads: functions without state are for any thread; an object is for
 * one thread at a time.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holter/status.h"

/* ---- assertions ------------------------------------------------------------------------------ */

/** What only our own bug can break; stays on in release. One fact each. */
#define core_assert(fact) ((fact) ? (void)0 : core_assert_failed(#fact, __FILE__, __LINE__))

_Noreturn void core_assert_failed(const char *fact, const char *file, int line);

#define CORE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Compiler built-ins, under our names. */
#define CORE_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define CORE_LIKELY(x) __builtin_expect(!!(x), 1)
#define CORE_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- error text ------------------------------------------------------------------------------ */

/**
 * Set *err (which may be NULL) to a status and its sentence; return the status. A macro over two
 * functions, so that compilers and analyzers see at the call which status comes back. `status` is
 * evaluated twice.
 */
#define error_set(err, status, ...)                                                                \
    error_returned(error_tell((err), (status), __VA_ARGS__), (status))

holter_status error_tell(holter_error *err, holter_status status, const char *format, ...)
    CORE_PRINTF(3, 4);

static inline holter_status error_returned(holter_status told, holter_status status)
{
    (void)told;
    return status;
}

/* ---- checked arithmetic: false, and *out untouched, when the result does not fit ------------- */

static inline bool checked_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool checked_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

static inline bool checked_add_i64(int64_t *out, int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool checked_mul_i64(int64_t *out, int64_t a, int64_t b)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* Wrapping arithmetic, which codecs specify exactly. */
static inline int64_t wrap_add_i64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t wrap_sub_i64(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/** a + b, held at INT64_MAX or INT64_MIN where it does not fit: the end of an interval. */
int64_t saturating_add_i64(int64_t a, int64_t b);

/** a / b rounded towards minus infinity; b > 0. */
int64_t floor_div_i64(int64_t a, int64_t b);

static inline uint64_t zigzag_encode(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t zigzag_decode(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

/* ---- reading bytes: an overrun is remembered, and reads zero from then on -------------------- */

struct reader {
    const uint8_t *at;
    size_t left;  /* 0 once there was an overrun */
    bool overrun; /* also set by a varint that is over-long or over 64 bits */
};

struct reader reader_over(const void *bytes, size_t count);
/** What is read means nothing: from here on as after an overrun. */
void reader_give_up(struct reader *r);

static inline uint8_t get_u8(struct reader *r)
{
    if (CORE_UNLIKELY(r->left == 0)) {
        r->overrun = true;
        return 0;
    }
    r->left--;
    return *r->at++;
}

uint16_t get_u16(struct reader *r);
uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
int64_t get_i64(struct reader *r);
uint64_t get_varint_long(struct reader *r);

/** LEB128, 1 .. 10 bytes, shortest form only. */
static inline uint64_t get_varint(struct reader *r)
{
    return CORE_LIKELY(r->left > 0 && *r->at < 0x80) ? get_u8(r) : get_varint_long(r);
}

static inline int64_t get_zigzag(struct reader *r)
{
    return zigzag_decode(get_varint(r));
}

/**
 * The next `count` bytes, borrowed from the bytes under the reader; NULL (and overrun) where there
 * are fewer.
 */
const uint8_t *get_bytes(struct reader *r, size_t count);
/** Copy the next `count` bytes; zeros where there are fewer. */
void get_copy(struct reader *r, void *out, size_t count);
/** The reader consumed all bytes, and no more. */
bool reader_is_done(const struct reader *r);
bool bytes_are_zero(const void *bytes, size_t count);

/* ---- writing bytes into a place of fixed size ------------------------------------------------ */

struct writer {
    uint8_t *at;
    size_t left;
    bool overrun;
};

struct writer writer_over(void *bytes, size_t count);
void put_u8(struct writer *w, uint8_t value);
void put_u16(struct writer *w, uint16_t value);
void put_u32(struct writer *w, uint32_t value);
void put_u64(struct writer *w, uint64_t value);
void put_i64(struct writer *w, int64_t value);
void put_bytes(struct writer *w, const void *bytes, size_t count);
void put_zeros(struct writer *w, size_t count);

/* ---- a growing run of bytes; a failed allocation is remembered, later appends do nothing ----- */

struct buffer {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
    bool failed; /* an allocation failed: what is here is incomplete */
};

void buffer_init(struct buffer *b);
void buffer_release(struct buffer *b); /* wipes nothing; see crypto_wipe */
void buffer_clear(struct buffer *b);   /* keeps the memory, forgets a failure */
/** Make room for `count` more bytes; false when there is no memory. */
bool buffer_reserve(struct buffer *b, size_t count);
void buffer_append(struct buffer *b, const void *bytes, size_t count);
void buffer_append_zeros(struct buffer *b, size_t count);
void buffer_append_u8(struct buffer *b, uint8_t value);
void buffer_append_u16(struct buffer *b, uint16_t value);
void buffer_append_u32(struct buffer *b, uint32_t value);
void buffer_append_u64(struct buffer *b, uint64_t value);
void buffer_append_i64(struct buffer *b, int64_t value);
void buffer_append_varint(struct buffer *b, uint64_t value);
void buffer_append_zigzag(struct buffer *b, int64_t value);

/* ---- memory ---------------------------------------------------------------------------------- */

enum { CORE_PAGE_BYTES = 4096, CORE_SECTOR_BYTES = 512 };

/** calloc with the multiplication checked; NULL also for count * bytes over PTRDIFF_MAX. */
void *core_calloc(size_t count, size_t bytes);
/**
 * Grow *array (of `bytes` each) so that `count` fit, doubling; *capacity in elements. False:
 * untouched.
 */
bool core_grow(void **array, size_t *capacity, size_t count, size_t bytes);
/** Zeroed memory at a 4,096-byte boundary, `bytes` rounded up to it; free() it. */
void *core_alloc_pages(size_t bytes);

/** Memory of one job, dropped whole. */
struct arena {
    struct arena_chunk *chunks;
    size_t bytes; /* handed out */
};

void arena_init(struct arena *a);
/** Zeroed, 16-byte aligned; NULL when there is no memory. */
void *arena_alloc(struct arena *a, size_t bytes);
void arena_release(struct arena *a);

/* ---- hashing (XXH3, seed 0) ------------------------------------------------------------------ */

struct hash128 {
    uint64_t low, high;
};

uint64_t hash64(const void *bytes, size_t count);
struct hash128 hash128(const void *bytes, size_t count);

/** A running XXH3-64. */
struct hash64_stream;
struct hash64_stream *hash64_stream_new(void);
void hash64_stream_add(struct hash64_stream *s, const void *bytes, size_t count);
uint64_t hash64_stream_get(const struct hash64_stream *s);
void hash64_stream_free(struct hash64_stream *s);

/**
 * In builds for fuzzing every checksum and tag counts as right, so that bytes reach the decoders
 * behind them. The one switch for all rooms.
 */
#ifdef HOLTER_FUZZ
#define CORE_TRUSTS_CHECKSUMS true
#else
#define CORE_TRUSTS_CHECKSUMS false
#endif

/** A stored checksum is the one that its bytes have. */
static inline bool checksum_fits(uint64_t found, uint64_t expected)
{
    return CORE_TRUSTS_CHECKSUMS || found == expected;
}

/** UTF-8 in shortest form, without surrogates, up to U+10FFFF; no bytes at all are valid. */
bool utf8_is_valid(const void *bytes, size_t count);

/** `bytes` as lower-case hexadecimal digits, zero-terminated; out holds 2 * count + 1. */
void hex_encode(char *out, const void *bytes, size_t count);

#endif
