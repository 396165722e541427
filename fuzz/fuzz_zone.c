/*
 * fuzz_zone.c -- time zones out of hostile files: what is accepted answers for every instant, back
 * and forth, and its windows follow each other.
 *
 * Input: a byte that chooses, 8 bytes of an instant, then a whole file, the footer of one that is
 * otherwise right, or a name.
 */
#include "fuzz.h"

#include "../tests/unit/zone_world.h"

#include <stdlib.h>

enum which { WHOLE, FOOTER, NAME, CHOICES };

static void check_zone(const struct zone *zone, int64_t time_ns)
{
    const int64_t times_ns[] = { time_ns,     INT64_MIN,     INT64_MAX, ~time_ns / 2,
                                 time_ns / 3, INT64_MAX - 1, 0,         1616893200 * ZONE_TEST_S };
    for (size_t i = 0; i < CORE_COUNT(times_ns); i++)
        zone_holds_at(zone, times_ns[i]);
}

static char *string_of(const struct reader *in)
{
    char *string = malloc(in->left + 1);
    core_assert(string != NULL);
    if (in->left > 0)
        memcpy(string, in->at, in->left);
    string[in->left] = '\0';
    return string;
}

static void read_name(struct reader *in)
{
    struct fuzz_world world;
    struct zone *zone = NULL;
    char *name = string_of(in);
    fuzz_world_init(&world);
    holter_status status = zone_open(&zone, world.io, "d", name, &world.err);
    fuzz_check(status, &world.err);
    core_assert(status == HOLTER_OK || status == HOLTER_INVALID || status == HOLTER_NOT_FOUND);
    core_assert((zone != NULL) == (status == HOLTER_OK));
    zone_close(zone);
    fuzz_world_release(&world);
    free(name);
}

static void read_zone(const void *bytes, size_t count, int64_t time_ns)
{
    struct zone *zone = NULL;
    holter_error err = { 0 };
    holter_status status = zone_decode(&zone, bytes, count, "f", &err);
    fuzz_check(status, &err);
    core_assert((zone != NULL) == (status == HOLTER_OK));
    if (zone != NULL)
        check_zone(zone, time_ns);
    zone_close(zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct reader in = reader_over(bytes, count);
    uint8_t which = get_u8(&in);
    int64_t time_ns = get_i64(&in);
    if (in.overrun)
        return 0;
    if (which % CHOICES == NAME) {
        read_name(&in);
    } else if (which % CHOICES == FOOTER) {
        char *footer = string_of(&in);
        struct buffer file;
        zone_sample_write(&file, (char)('2' + which / CHOICES % 3), footer);
        read_zone(file.data, file.bytes, time_ns);
        buffer_release(&file);
        free(footer);
    } else { /* memory of exactly its size: what is read beyond is seen */
        uint8_t *copy = malloc(in.left + 1);
        core_assert(copy != NULL);
        if (in.left > 0)
            memcpy(copy + 1, in.at, in.left);
        read_zone(copy + 1, in.left, time_ns);
        free(copy);
    }
    return 0;
}
