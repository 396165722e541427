/*
 * flags.h -- flags of a row as text: out_of_range, non_finite, anomaly, manual, and bit8 .. bit15,
 * the writer's own.
 *
 * Any thread.
 */
#ifndef TOOLS_FLAGS_H
#define TOOLS_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FLAGS_TEXT_BYTES_MAX = 256 };

/** The names of the bits set, apart by `separator` (at most 4 bytes); zero-terminated. Returns its
   length. */
size_t flags_write(char out[static FLAGS_TEXT_BYTES_MAX], uint16_t flags, const char *separator);
/** Names apart by '|', or a decimal number. false: neither. */
bool flags_read(uint16_t *out, const char *text, size_t bytes);

#endif
