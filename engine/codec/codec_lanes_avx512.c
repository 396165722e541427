/*
 * codec_lanes_avx512.c -- the loops of codec_lanes.h, for CPUs with AVX-512: the Makefile has
 * the flags.
 */
#include "codec_lanes.h"

#if defined(__x86_64__)
#define CODEC_LANES codec_lanes_avx512
#define LANES_RANS rans_run_avx512
#define LANES_RANS_SOME rans_run_some_avx512
#define LANES_RANS_AT_A_TIME 3
#include "codec_lanes_body.h"
#endif
