/*
 * core_utf8.c -- whether bytes are UTF-8.
 *
 * Source: the Unicode Standard 15.0, table 3-7, "Well-Formed UTF-8 Byte Sequences".
 */
#include "core.h"

bool utf8_is_valid(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    size_t left = count;
    while (left > 0) {
        uint8_t first = at[0];
        size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || left <= more)
            return false;
        /* Only the second byte's bounds depend on the first one. */
        uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t greatest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        for (size_t i = 1; i <= more; i++) {
            if (at[i] < least || at[i] > greatest)
                return false;
            least = 0x80;
            greatest = 0xbf;
        }
        at += 1 + more;
        left -= 1 + more;
    }
    return true;
}
