/*
 * forms.c -- what a text looks like, without telling it; whether it is text at all.
 */
#include "tool.h"

#include <string.h>

enum { FORM_CHARACTERS_MAX = 32 };

const char *form_of(char out[static FORM_BYTES_MAX], const char *text, size_t bytes)
{
    if (bytes == 0) {
        memcpy(out, "nothing", sizeof "nothing");
        return out;
    }
    size_t at = 0;
    out[at++] = '\'';
    size_t shown = bytes < FORM_CHARACTERS_MAX ? bytes : FORM_CHARACTERS_MAX;
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= '0' && c <= '9')
            out[at++] = '9';
        else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            out[at++] = 'a';
        else if (c < 0x20 || c >= 0x7f)
            out[at++] = '?';
        else
            out[at++] = (char)c;
    }
    out[at++] = '\'';
    if (shown < bytes) {
        memcpy(out + at, "...", 3);
        at += 3;
    }
    out[at] = '\0';
    return out;
}

/* Most texts are. The last word overlaps the one before it. */
static bool is_ascii(const char *bytes, size_t count)
{
    uint64_t seen = 0, word;
    size_t i = 0;
    for (; count - i > sizeof word; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        seen |= word;
    }
    if (count >= sizeof word) {
        memcpy(&word, bytes + count - sizeof word, sizeof word);
        seen |= word;
    } else {
        for (; i < count; i++)
            seen |= (unsigned char)bytes[i];
    }
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

bool is_utf8(const char *bytes, size_t count)
{
    if (is_ascii(bytes, count))
        return true;
    const unsigned char *at = (const unsigned char *)bytes;
    const unsigned char *end = at + count;
    while (at < end) {
        unsigned char lead = *at++;
        if (lead < 0x80)
            continue;
        size_t more = lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : 3;
        if (lead < 0xc2 || lead > 0xf4 || more > (size_t)(end - at))
            return false;
        unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        if (*at < low || *at > high)
            return false;
        for (size_t i = 1; i < more; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        at += more;
    }
    return true;
}
