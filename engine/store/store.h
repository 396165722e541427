/*
 * store.h -- the door of store: the public API over any io backend.
 *
 * Promise: include/holter/ says what each call does; here it is done, by the rooms below. Tests
 * open stores on a simulated machine through the two functions here; everything else is the public
 * API.
 *
 * Threads: any. The store's mutex guards vault, catalog and what is cached of them, and is the last
 * one taken: shards call back for keys and classes while they hold theirs.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "holter/holter.h"
#include "io/io.h"

/** holter_create, holter_open on a machine of the caller's, borrowed until the store is closed. */
holter_status store_create_on(struct io *io, const char *path, const holter_create_options *options,
                              holter_error *err);
holter_status store_open_on(holter_store **out, struct io *io, const char *path,
                            const holter_options *options, holter_error *err);

#endif
