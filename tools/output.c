/*
 * output.c -- what the tool writes: sentences on stderr, results on stdout.
 */
#include "tool.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE_BYTES_MAX = 2048 };

static int out_error; /* the errno of the first write that failed */

/* ---- sentences ------------------------------------------------------------------------------ */

static void say_text(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    /* Results come before the sentence about them, also where both go to one terminal. */
    out_flush();
    fprintf(stderr, "holter: %s\n", text);
}

void say(const char *format, ...)
{
    char text[SENTENCE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say_text(text);
}

int say_usage(const struct verb *verb, const char *format, ...)
{
    char text[SENTENCE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t at = wanted < 0 ? 0 : strlen(text);
    snprintf(text + at, sizeof text - at, " (see 'holter help%s%s')", verb == NULL ? "" : " ",
             verb == NULL ? "" : verb->name);
    say_text(text);
    return TOOL_USAGE;
}

int exit_of_status(holter_status status)
{
    switch (status) {
    case HOLTER_OK:
    case HOLTER_DONE:
        return TOOL_OK;
    case HOLTER_NOT_FOUND:
    case HOLTER_EXPIRED:
        return TOOL_NOT_FOUND;
    case HOLTER_BUSY:
        return TOOL_LOCKED;
    case HOLTER_CORRUPT:
        return TOOL_DAMAGED;
    case HOLTER_INVALID:
    case HOLTER_EXISTS:
    case HOLTER_DENIED:
    case HOLTER_IO:
    case HOLTER_NO_SPACE:
    case HOLTER_NO_MEMORY:
    case HOLTER_UNSUPPORTED:
        return TOOL_FAILED;
    }
    return TOOL_FAILED;
}

int say_error(const holter_error *err)
{
    say("%s", err->message);
    return exit_of_status(err->status);
}

int say_no_memory(void)
{
    say("no memory left");
    return TOOL_FAILED;
}

/* ---- results -------------------------------------------------------------------------------- */

void out_bytes(const void *bytes, size_t count)
{
    if (out_error != 0 || count == 0)
        return;
    if (fwrite(bytes, 1, count, stdout) != count)
        out_error = errno == 0 ? EIO : errno;
}

void out_text(const char *text)
{
    out_bytes(text, strlen(text));
}

void out_format(const char *format, ...)
{
    char text[SENTENCE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (wanted > 0)
        out_bytes(text, (size_t)wanted < sizeof text ? (size_t)wanted : sizeof text - 1);
}

void out_give_up(void)
{
    if (out_error == 0)
        out_error = EPIPE;
}

bool out_failed(void)
{
    return out_error != 0;
}

void out_flush(void)
{
    if (out_error == 0 && fflush(stdout) != 0)
        out_error = errno == 0 ? EIO : errno;
}

int out_close(int code)
{
    out_flush();
    if (out_error == 0)
        return code;
    if (out_error != EPIPE)
        say("the output could not be written: %s", strerror(out_error));
    return code == TOOL_OK ? TOOL_FAILED : code;
}

void out_csv(const char *bytes, size_t count)
{
    bool plain = true;
    for (size_t i = 0; i < count && plain; i++)
        plain = bytes[i] != ',' && bytes[i] != '"' && bytes[i] != '\n' && bytes[i] != '\r';
    if (plain) {
        out_bytes(bytes, count);
        return;
    }
    out_bytes("\"", 1);
    size_t begin = 0;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '"')
            continue;
        out_bytes(bytes + begin, i + 1 - begin); /* the quote, and once more with what follows */
        begin = i;
    }
    out_bytes(bytes + begin, count - begin);
    out_bytes("\"", 1);
}

static int out_json_part(const char *bytes, size_t count, void *context)
{
    (void)context;
    out_bytes(bytes, count);
    return 0;
}

void out_json(const char *bytes, size_t count)
{
    json_t *text = json_stringn(bytes, count);
    if (text != NULL && json_dump_callback(text, out_json_part, NULL, JSON_ENCODE_ANY) == 0) {
        json_decref(text);
        return;
    }
    json_decref(text);

    /* No UTF-8: keep what is ASCII. */
    out_bytes("\"", 1);
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\')
            out_format("\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            out_format("\\u%04x", c);
        else if (c < 0x7f)
            out_bytes(&bytes[i], 1);
        else
            out_text("\\ufffd");
    }
    out_bytes("\"", 1);
}
