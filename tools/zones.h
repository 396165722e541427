/*
 * zones.h -- the zone that --tz names.
 */
#ifndef TOOLS_ZONES_H
#define TOOLS_ZONES_H

#include "times.h"
#include "tool.h"

/**
 * Open a zone; on failure say why, with the nearest name. Returns TOOL_OK or the exit code. Then
 * time_zone_close.
 */
int zone_find(struct time_zone *out, const struct verb *verb, const char *name);

#endif
