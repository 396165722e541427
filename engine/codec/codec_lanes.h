/*
 * codec_lanes.h -- groups of 512 words of equal width, to bytes and back: one loop, built for
 * several instruction sets.
 *
 * codec_lanes_body.h is the loop; codec_lanes_plain.c and its like compile it, each with the flags
 * that the Makefile gives it. All read and write the same bytes (tests/unit/test_codec_pack.c).
 */
#ifndef CODEC_CODEC_LANES_H
#define CODEC_CODEC_LANES_H

#include <stdint.h>

enum { LANES_GROUP = 512, LANES_REGISTER_BYTES = 64 };

struct codec_lanes {
    /** 512 words of `width` bits, 1 to 64, to 64 * width bytes. Higher bits of a word are left out. */
    void (*pack)(uint8_t *out, const uint64_t *words, unsigned width);
    /** And back, each with `base` added, which wraps. */
    void (*unpack)(int64_t *out, const uint8_t *in, unsigned width, int64_t base);
};

extern const struct codec_lanes codec_lanes_plain;
#if defined(__x86_64__)
extern const struct codec_lanes codec_lanes_avx2;   /* needs AVX2 */
extern const struct codec_lanes codec_lanes_avx512; /* needs AVX-512 F, BW, DQ and VL */
#endif

#endif
