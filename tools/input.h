/*
 * input.h -- the bytes of a file that is imported: plain, Zstandard, or stdin.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_INPUT_H
#define TOOLS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input;

/**
 * Open a file, "-" for stdin. A Zstandard frame is told by its first bytes; a name that ends in
 * .zst asks for one. false: *problem is why, a sentence without the file's name. *out owned:
 * input_close.
 */
bool input_open(struct input **out, const char *path, const char **problem);
void input_close(struct input *input);

/** A csv_read_fn over a struct input. */
bool input_read(void *input, void *out, size_t room, size_t *got);
/** After input_read answered false: why. */
const char *input_problem(const struct input *input);
/** Bytes of the file, as they lie, that were read so far. */
uint64_t input_bytes(const struct input *input);
/** Bytes of a file; 0: not known. */
uint64_t input_size(const char *path);
/** Nothing at all was in it. */
bool input_is_empty(const struct input *input);

#endif
