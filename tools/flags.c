/*
 * flags.c -- flags of a row as text.
 */
#include "flags.h"

#include <string.h>

/* By bit; bits 4 to 7 are spare. A name must fit FLAGS_TEXT_BYTES_MAX together with all others. */
static const char *const names[16] = {
    "out_of_range", "non_finite", "anomaly", "manual", "bit4",  "bit5",  "bit6",  "bit7",
    "bit8",         "bit9",       "bit10",   "bit11",  "bit12", "bit13", "bit14", "bit15",
};

size_t flags_write(char out[static FLAGS_TEXT_BYTES_MAX], uint16_t flags, const char *separator)
{
    size_t at = 0;
    for (int bit = 0; bit < 16; bit++) {
        if ((flags >> bit & 1) == 0)
            continue;
        if (at > 0) {
            memcpy(out + at, separator, strlen(separator));
            at += strlen(separator);
        }
        memcpy(out + at, names[bit], strlen(names[bit]));
        at += strlen(names[bit]);
    }
    out[at] = '\0';
    return at;
}

static bool name_read(uint16_t *flags, const char *text, size_t bytes)
{
    for (int bit = 0; bit < 16; bit++)
        if (strlen(names[bit]) == bytes && memcmp(names[bit], text, bytes) == 0) {
            *flags = (uint16_t)(*flags | 1u << bit);
            return true;
        }
    return false;
}

bool flags_read(uint16_t *out, const char *text, size_t bytes)
{
    uint16_t flags = 0;
    if (bytes > 0 && text[0] >= '0' && text[0] <= '9') {
        uint32_t number = 0;
        for (size_t i = 0; i < bytes; i++) {
            if (text[i] < '0' || text[i] > '9')
                return false;
            number = number * 10 + (uint32_t)(text[i] - '0');
            if (number > UINT16_MAX)
                return false;
        }
        *out = (uint16_t)number;
        return true;
    }
    while (bytes > 0) {
        const char *bar = memchr(text, '|', bytes);
        size_t name_bytes = bar == NULL ? bytes : (size_t)(bar - text);
        if (!name_read(&flags, text, name_bytes))
            return false;
        text += name_bytes + (bar != NULL);
        bytes -= name_bytes + (bar != NULL);
    }
    *out = flags;
    return true;
}
