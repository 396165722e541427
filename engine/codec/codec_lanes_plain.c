/*
 * codec_lanes_plain.c -- the loops of codec_lanes.h, for any CPU.
 */
#define CODEC_LANES codec_lanes_plain
#include "codec_lanes_body.h"
