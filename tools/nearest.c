/*
 * nearest.c -- the name that was meant.
 */
#include "tool.h"

#include <string.h>

enum { NAME_BYTES_MAX = 63 };

/* Levenshtein's distance, by rows (Wagner and Fischer, "The string-to-string correction problem",
   1974). */
static size_t distance_between(const char *a, const char *b)
{
    size_t a_bytes = strlen(a);
    size_t b_bytes = strlen(b);
    size_t row[NAME_BYTES_MAX + 1];
    if (a_bytes > NAME_BYTES_MAX || b_bytes > NAME_BYTES_MAX)
        return SIZE_MAX;

    for (size_t j = 0; j <= b_bytes; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_bytes];
}

const char *nearest_name(const char *text, size_t count,
                         const char *(*name_at)(const void *, size_t), const void *context)
{
    const char *nearest = NULL;
    size_t best = strlen(text) / 3 + 2; /* farther away it is another word */
    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(context, i);
        size_t distance = name == NULL ? SIZE_MAX : distance_between(text, name);
        if (distance < best) {
            best = distance;
            nearest = name;
        }
    }
    return nearest;
}
