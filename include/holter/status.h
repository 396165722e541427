/*
 * status.h -- how a call ended, and the sentence that explains it.
 *
 * Statuses are few, so that a caller can act on each; the sentence in holter_error is for people.
 * It names files, offsets and users by number; never an external user id, a health value or key
 * bytes.
 */
#ifndef HOLTER_STATUS_H
#define HOLTER_STATUS_H

#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Numbers are never reused. A new status also needs: holter_status_name, the tool's exit codes. */
typedef enum holter_status {
    HOLTER_OK = 0,
    HOLTER_INVALID = 1,   /**< the caller's mistake: correct the call; nothing was done */
    HOLTER_NOT_FOUND = 2, /**< no such store, user, metric, source or sample */
    HOLTER_EXISTS = 3,    /**< it is there already; nothing was changed */
    HOLTER_DENIED = 4,    /**< permission or key is missing: an operator has to act */
    HOLTER_BUSY = 5, /**< another holder keeps a lock (named in the sentence): try again later */
    HOLTER_IO = 6,   /**< the device or file system failed: commit the rest again later */
    HOLTER_NO_SPACE = 7,     /**< no bytes, inodes or quota left: make room, then again */
    HOLTER_NO_MEMORY = 8,    /**< no memory or file descriptors: later, or with less at once */
    HOLTER_CORRUPT = 9,      /**< bytes read are not what was written: run `holter verify` */
    HOLTER_UNSUPPORTED = 10, /**< a newer format, or a file system without what is needed */
    HOLTER_EXPIRED = 11,     /**< what the token names is no longer kept: start from a snapshot */
    HOLTER_DONE = 12         /**< an iterator has no more; not an error, no sentence is set */
} holter_status;

/** Where a call puts the sentence of its failure; may be NULL. Says nothing after a success. */
typedef struct holter_error {
    holter_status status;
    char message[508]; /**< one sentence, UTF-8, zero-terminated, cut at a character's end */
} holter_error;

/** The name of a status, "HOLTER_OK" ..; a static string, "HOLTER_?" for an unknown number. */
HOLTER_API const char *holter_status_name(holter_status status);

#ifdef __cplusplus
}
#endif

#endif
