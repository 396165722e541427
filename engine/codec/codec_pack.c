/*
 * codec_pack.c -- words of equal width as bits: groups of 512 in lanes, the tail one after another.
 *
 * The loops over groups are those of the best instruction set that this CPU has; all give the same
 * bytes. Bytes: format-spec/blocks.md, "Bits".
 */
#include "codec_impl.h"
#include "codec_lanes.h"

#include <stdatomic.h>
#include <string.h>

/* NULL: this CPU does not run them. */
static const struct codec_lanes *lanes_find(enum codec_loops loops)
{
    if (loops == CODEC_LOOPS_PLAIN)
        return &codec_lanes_plain;
#if defined(__x86_64__)
    if (loops == CODEC_LOOPS_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2")
                   ? &codec_lanes_avx512
                   : NULL;
    if (loops == CODEC_LOOPS_AVX2)
        return __builtin_cpu_supports("avx2") ? &codec_lanes_avx2 : NULL;
#endif
    const struct codec_lanes *found = NULL;
    for (int l = CODEC_LOOPS_AVX512; loops == CODEC_LOOPS_BEST && found == NULL; l--)
        found = lanes_find((enum codec_loops)l);
    return found;
}

static _Atomic(const struct codec_lanes *) chosen;

/* Chosen once; threads that race choose the same. */
const struct codec_lanes *codec_lanes(void)
{
    const struct codec_lanes *best = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (CORE_LIKELY(best != NULL))
        return best;
    best = lanes_find(CODEC_LOOPS_BEST);
    atomic_store_explicit(&chosen, best, memory_order_relaxed);
    return best;
}

bool codec_loops_use(enum codec_loops loops)
{
    const struct codec_lanes *found = lanes_find(loops);
    if (found == NULL)
        return false;
    atomic_store_explicit(&chosen, found, memory_order_relaxed);
    return true;
}

static size_t tail_bytes(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

size_t pack_bytes(size_t count, unsigned width)
{
    size_t groups = count / LANES_GROUP;
    return groups * LANES_REGISTER_BYTES * width + tail_bytes(count % LANES_GROUP, width);
}

struct lanes_listed lanes_listed_read(struct reader *r, size_t count, unsigned greatest,
                                      bool has_others)
{
    unsigned width = bits_of(greatest);
    return (struct lanes_listed){
        .in = get_bytes(r, pack_bytes(count, width)),
        .groups = count / LANES_GROUP,
        .width = width,
        .sought = has_others ? greatest : UINT16_MAX,
    };
}

static uint64_t mask_of(unsigned width)
{
    return width == 0 ? 0 : UINT64_MAX >> (64 - width);
}

/* Through an accumulator of 64 bits, of which fewer than 8 are left over from word to word; so a
   word goes in halves. */
static void tail_pack(uint8_t *out, const uint64_t *words, size_t count, unsigned width)
{
    uint64_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t left = words[i] & mask_of(width);
        for (unsigned todo = width; todo > 0;) {
            unsigned take = todo < 32 ? todo : 32;
            bits |= (left & mask_of(take)) << held;
            held += take;
            left >>= take;
            todo -= take;
            for (; held >= 8; held -= 8) {
                *out++ = (uint8_t)bits;
                bits >>= 8;
            }
        }
    }
    if (held > 0)
        *out = (uint8_t)bits;
}

void pack_append(struct buffer *out, const uint64_t *words, size_t count, unsigned width)
{
    core_assert(width <= 64);
    size_t bytes = pack_bytes(count, width);
    if (bytes == 0 || !buffer_reserve(out, bytes))
        return;
    uint8_t *at = out->data + out->bytes;
    for (; count >= LANES_GROUP; count -= LANES_GROUP) {
        codec_lanes()->pack(at, words, width);
        at += (size_t)LANES_REGISTER_BYTES * width;
        words += LANES_GROUP;
    }
    tail_pack(at, words, count, width);
    out->bytes += bytes;
}

bool unpack(int64_t *out, struct reader *r, size_t count, unsigned width, int64_t base)
{
    core_assert(width <= 64);
    if (width == 0) {
        for (size_t i = 0; i < count; i++)
            out[i] = base;
        return !r->overrun;
    }
    const uint8_t *in = get_bytes(r, pack_bytes(count, width));
    if (in == NULL)
        return false;
    for (; count >= LANES_GROUP; count -= LANES_GROUP) {
        codec_lanes()->unpack(out, in, width, base);
        in += (size_t)LANES_REGISTER_BYTES * width;
        out += LANES_GROUP;
    }
    codec_lanes()->tail(out, in, tail_bytes(count, width), count, width, base);
    return true;
}

bool unpack_small(int32_t *out, struct reader *r, size_t count, unsigned width, int32_t base)
{
    int64_t tail[LANES_GROUP];
    core_assert(width <= LANES_SMALL_BITS);
    if (width == 0) {
        for (size_t i = 0; i < count; i++)
            out[i] = base;
        return !r->overrun;
    }
    const uint8_t *in = get_bytes(r, pack_bytes(count, width));
    if (in == NULL)
        return false;
    for (; count >= LANES_GROUP; count -= LANES_GROUP) {
        codec_lanes()->unpack_small(out, in, width, base);
        in += (size_t)LANES_REGISTER_BYTES * width;
        out += LANES_GROUP;
    }
    codec_lanes()->tail(tail, in, tail_bytes(count, width), count, width, 0);
    for (size_t i = 0; i < count; i++)
        out[i] = base + (int32_t)tail[i];
    return true;
}

bool unpack_listed(int32_t *out, struct small_places *places, struct reader *r, size_t count,
                   const int32_t list[static SMALL_LIST], unsigned greatest)
{
    int64_t tail[LANES_GROUP];
    unsigned width = bits_of(greatest);
    unsigned most = 0;
    uint32_t *found = places->found;
    core_assert(width <= LANES_LIST_BITS);
    core_assert(count <= CODEC_PACKED_ROWS_MAX);
    places->count = 0;
    places->stretches = (count + LANES_STRETCH - 1) / LANES_STRETCH;
    const uint8_t *in = get_bytes(r, pack_bytes(count, width));
    if (r->overrun)
        return false;
    for (; width > 0 && count >= LANES_GROUP; count -= LANES_GROUP) {
        unsigned of_group =
            codec_lanes()->unpack_listed(out, found, &places->count, in, width, list, greatest);
        most = of_group > most ? of_group : most;
        in += (size_t)LANES_REGISTER_BYTES * width;
        out += LANES_GROUP;
        found += LANES_GROUP / LANES_STRETCH;
    }
    for (size_t done = 0; done < count; done += LANES_GROUP) { /* more than one only of width 0 */
        size_t some = count - done < LANES_GROUP ? count - done : LANES_GROUP;
        codec_lanes()->tail(tail, in, tail_bytes(some, width), some, width, 0);
        for (size_t i = 0; i < some; i++) {
            unsigned word = (unsigned)tail[i];
            if (i % LANES_STRETCH == 0)
                found[i / LANES_STRETCH] = 0;
            found[i / LANES_STRETCH] |= (uint32_t)(word == greatest) << i % LANES_STRETCH;
            places->count += word == greatest;
            most = word > most ? word : most;
            out[done + i] = list[word];
        }
    }
    return most <= greatest;
}

void small_replace(int32_t *values, const struct small_places *places, const int32_t *others)
{
    codec_lanes()->replace(values, places->found, places->stretches, others);
}

int32_t small_sums(int64_t *out, const struct small_values *values, size_t count, int64_t first,
                   uint32_t scale)
{
    return codec_lanes()->sums(out, values->at, count, first, scale);
}
