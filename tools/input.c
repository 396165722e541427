/*
 * input.c -- the bytes of a file that is imported: plain, Zstandard, or stdin.
 *
 * Memory is one input buffer and the decoder's window, which libzstd bounds at 128 MiB.
 */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zstd.h>

enum { BUFFER_BYTES = 128 * 1024, MAGIC_BYTES = 4 };

struct input {
    FILE *file;
    ZSTD_DStream *decoder; /* NULL: plain */
    size_t begin, end;     /* of the buffer's bytes that are not used yet */
    bool is_at_end;        /* of the file */
    bool is_within_frame;
    bool has_bytes;
    uint64_t bytes; /* read so far */
    const char *problem;
    char buffer[BUFFER_BYTES];
};

static bool name_asks_for_zstd(const char *path)
{
    size_t bytes = strlen(path);
    return bytes > 4 && strcmp(path + bytes - 4, ".zst") == 0;
}

static bool is_zstd(const char *bytes, size_t count)
{
    static const unsigned char frame[MAGIC_BYTES] = { 0x28, 0xb5, 0x2f, 0xfd };
    static const unsigned char skippable[MAGIC_BYTES] = { 0x50, 0x2a, 0x4d, 0x18 };
    if (count < MAGIC_BYTES)
        return false;
    return memcmp(bytes, frame, MAGIC_BYTES) == 0 ||
           (((unsigned char)bytes[0] & 0xf0) == skippable[0] &&
            memcmp(bytes + 1, skippable + 1, MAGIC_BYTES - 1) == 0);
}

/* More bytes of the file. */
static bool file_read(struct input *input, void *out, size_t room, size_t *got)
{
    *got = fread(out, 1, room, input->file);
    if (*got == 0 && ferror(input->file)) {
        input->problem = strerror(errno);
        return false;
    }
    input->bytes += *got;
    input->is_at_end = *got == 0;
    input->has_bytes = input->has_bytes || *got > 0;
    return true;
}

/* .. behind those in the buffer, which is empty but at the start. */
static bool fill(struct input *input)
{
    size_t got;
    if (input->begin == input->end)
        input->begin = input->end = 0;
    if (!file_read(input, input->buffer + input->end, BUFFER_BYTES - input->end, &got))
        return false;
    input->end += got;
    return true;
}

bool input_open(struct input **out, const char *path, const char **problem)
{
    *out = NULL;
    *problem = "no memory left";
    struct input *input = malloc(sizeof *input);
    if (input == NULL)
        return false;
    memset(input, 0, offsetof(struct input, buffer));

    bool ok = false;
    if (strcmp(path, "-") == 0) {
        input->file = stdin;
    } else {
        input->file = fopen(path, "rb");
        if (input->file == NULL) {
            *problem = strerror(errno);
            goto done;
        }
    }
    struct stat info;
    if (fstat(fileno(input->file), &info) == 0 && S_ISDIR(info.st_mode)) {
        *problem = "found a directory, expected a file";
        goto done;
    }
    setvbuf(input->file, NULL, _IONBF, 0); /* the buffer is here */

    while (input->end < MAGIC_BYTES && !input->is_at_end)
        if (!fill(input)) {
            *problem = input->problem;
            goto done;
        }
    bool is_frame = is_zstd(input->buffer, input->end);
    if (input->end >= 2 && memcmp(input->buffer, "\x1f\x8b", 2) == 0) {
        *problem = "found gzip data, expected plain text or Zstandard (gzip -dc unpacks it)";
        goto done;
    }
    if (name_asks_for_zstd(path) && !is_frame && input->has_bytes) {
        *problem = "found no Zstandard frame, expected one in a file named .zst";
        goto done;
    }
    if (is_frame) {
        input->decoder = ZSTD_createDStream();
        if (input->decoder == NULL)
            goto done;
    }
    ok = true;
    *out = input;
    input = NULL;
done:
    input_close(input);
    return ok;
}

void input_close(struct input *input)
{
    if (input == NULL)
        return;
    ZSTD_freeDStream(input->decoder);
    if (input->file != NULL && input->file != stdin)
        fclose(input->file);
    free(input);
}

static bool read_plain(struct input *input, void *out, size_t room, size_t *got)
{
    size_t bytes = input->end - input->begin;
    if (bytes == 0 && !input->is_at_end)
        return file_read(input, out, room, got); /* straight to where it is wanted */
    if (bytes > room)
        bytes = room;
    memcpy(out, input->buffer + input->begin, bytes);
    input->begin += bytes;
    *got = bytes;
    return true;
}

static bool read_zstd(struct input *input, void *out, size_t room, size_t *got)
{
    ZSTD_outBuffer to = { out, room, 0 };
    while (to.pos == 0) {
        if (input->begin == input->end && !input->is_at_end && !fill(input))
            return false;
        ZSTD_inBuffer from = { input->buffer + input->begin, input->end - input->begin, 0 };
        if (from.size == 0 && !input->is_within_frame)
            break; /* the file ends where a frame does */
        size_t left = ZSTD_decompressStream(input->decoder, &to, &from);
        if (ZSTD_isError(left)) {
            input->problem = "found damaged Zstandard data";
            return false;
        }
        input->begin += from.pos;
        input->is_within_frame = left != 0;
        if (left != 0 && to.pos == 0 && input->is_at_end && from.pos == from.size) {
            input->problem = "found the end of the file within a Zstandard frame";
            return false;
        }
    }
    *got = to.pos;
    return true;
}

bool input_read(void *context, void *out, size_t room, size_t *got)
{
    struct input *input = context;
    return input->decoder == NULL ? read_plain(input, out, room, got)
                                  : read_zstd(input, out, room, got);
}

const char *input_problem(const struct input *input)
{
    return input->problem;
}

bool input_is_empty(const struct input *input)
{
    return !input->has_bytes;
}

uint64_t input_bytes(const struct input *input)
{
    return input->bytes;
}

uint64_t input_size(const char *path)
{
    struct stat info;
    bool is_file = strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISREG(info.st_mode);
    return is_file && info.st_size > 0 ? (uint64_t)info.st_size : 0;
}
