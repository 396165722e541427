/*
 * codec_lanes_plain.c -- the loops of codec_lanes.h, for any CPU.
 */
#define CODEC_LANES codec_lanes_plain
#define LANES_RANS rans_run_plain
#define LANES_RANS_SOME NULL
#define LANES_RANS_AT_A_TIME 1
#include "codec_lanes_body.h"
