/*
 * holter.h -- all of Holter's C interface.
 */
#ifndef HOLTER_HOLTER_H
#define HOLTER_HOLTER_H

#include "aggregate.h"
#include "changes.h"
#include "query.h"
#include "status.h"
#include "store.h"
#include "types.h"
#include "version.h"
#include "zone.h"

#endif
