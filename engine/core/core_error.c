/*
 * core_error.c -- status names, the sentence of a failure, and the assertion that ends a process.
 */
#include "core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *holter_version(void)
{
    return HOLTER_VERSION_STRING;
}

const char *holter_status_name(holter_status status)
{
    switch (status) {
    case HOLTER_OK:
        return "HOLTER_OK";
    case HOLTER_INVALID:
        return "HOLTER_INVALID";
    case HOLTER_NOT_FOUND:
        return "HOLTER_NOT_FOUND";
    case HOLTER_EXISTS:
        return "HOLTER_EXISTS";
    case HOLTER_DENIED:
        return "HOLTER_DENIED";
    case HOLTER_BUSY:
        return "HOLTER_BUSY";
    case HOLTER_IO:
        return "HOLTER_IO";
    case HOLTER_NO_SPACE:
        return "HOLTER_NO_SPACE";
    case HOLTER_NO_MEMORY:
        return "HOLTER_NO_MEMORY";
    case HOLTER_CORRUPT:
        return "HOLTER_CORRUPT";
    case HOLTER_UNSUPPORTED:
        return "HOLTER_UNSUPPORTED";
    case HOLTER_EXPIRED:
        return "HOLTER_EXPIRED";
    case HOLTER_DONE:
        return "HOLTER_DONE";
    }
    return "HOLTER_?";
}

/* Cut an over-long sentence before a character that does not fit whole. */
static void cut_at_character(char *text, size_t bytes)
{
    size_t end = bytes;
    while (end > 0 && ((uint8_t)text[end - 1] & 0xc0) == 0x80)
        end--;
    if (end == 0)
        return;
    uint8_t lead = (uint8_t)text[end - 1];
    size_t want = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (bytes - (end - 1) < want)
        text[end - 1] = '\0';
}

holter_status error_tell(holter_error *err, holter_status status, const char *format, ...)
{
    if (err == NULL)
        return status;

    /* The new sentence may quote the old one, so it is made beside it. */
    char text[sizeof err->message];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (wanted < 0)
        text[0] = '\0';
    else if ((size_t)wanted >= sizeof text)
        cut_at_character(text, sizeof text - 1);

    err->status = status;
    memcpy(err->message, text, sizeof text);
    return status;
}

void core_assert_failed(const char *fact, const char *file, int line)
{
    fprintf(stderr, "holter: %s:%d: this must hold and does not: %s\n", file, line, fact);
    abort();
}
