/*
 * fuzz_time.c -- times, durations, offsets and patterns from hostile text; what was read is
 * written, and reads as the same.
 *
 * Input: a byte that chooses; for times, a pattern and its end, then the text.
 */
#include "../tools/times.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum which { FORMATTED, BOUND, DURATION, OFFSET, CHOICES };

static char *string_of(const uint8_t *bytes, size_t count)
{
    char *string = malloc(count + 1);
    core_assert(string != NULL);
    if (count > 0)
        memcpy(string, bytes, count);
    string[count] = '\0';
    return string;
}

static void check_time(int64_t time_ns)
{
    char written[TIME_TEXT_BYTES_MAX];
    int64_t again = 0;
    size_t length = time_write(written, time_ns, NULL);
    core_assert(length < sizeof written && strlen(written) == length);
    core_assert(time_read_bound(&again, written, NULL) == TIME_OK);
    core_assert(again == time_ns);
}

static void read_formatted(struct reader *in)
{
    size_t length = 0;
    while (length < in->left && in->at[length] != '\0' && in->at[length] != '|')
        length++;
    char *pattern = string_of(in->at, length);
    (void)get_bytes(in, length < in->left ? length + 1 : length);
    struct time_format format = { .kind = TIME_UNIX_S };
    const char *problem = time_format_read(&format, pattern);
    core_assert(problem == NULL || problem[0] != '\0');
    free(pattern);
    if (problem != NULL)
        return;
    struct time_zone zone;
    core_assert(time_zone_open(&zone, "+01:00", NULL) == HOLTER_OK);
    format.zone = &zone;
    /* Memory of exactly its size: what is read beyond is seen. */
    char *text = malloc(in->left + 1);
    core_assert(text != NULL);
    size_t bytes = in->left;
    if (bytes > 0)
        memcpy(text + 1, in->at, bytes);
    int64_t time_ns = 0;
    if (time_read(&time_ns, &format, text + 1, bytes) == TIME_OK)
        check_time(time_ns);
    free(text);
    time_zone_close(&zone);
}

static void read_duration(struct reader *in)
{
    int64_t duration_ns = -1;
    const char *text = in->left > 0 ? (const char *)in->at : "";
    if (duration_read(&duration_ns, text, in->left) != TIME_OK)
        return;
    core_assert(duration_ns >= 0);
    char written[DURATION_TEXT_BYTES_MAX];
    int64_t again = -1;
    size_t length = duration_write(written, duration_ns);
    core_assert(length < sizeof written && strlen(written) == length);
    core_assert(duration_read(&again, written, length) == TIME_OK);
    core_assert(again == duration_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t which = get_u8(&in) % CHOICES;
    if (which == FORMATTED) {
        read_formatted(&in);
        return 0;
    }
    if (which == DURATION) {
        read_duration(&in);
        return 0;
    }
    char *text = string_of(in.at, in.left);
    int64_t found = 0;
    if (which == BOUND && time_read_bound(&found, text, NULL) == TIME_OK)
        check_time(found);
    if (which == OFFSET && time_offset_read(&found, text))
        core_assert(found > -100 * 3600 && found < 100 * 3600);
    free(text);
    return 0;
}
