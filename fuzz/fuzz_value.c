/*
 * fuzz_value.c -- values of every type from hostile text; what was read is written, and reads as
 * the same.
 *
 * Input: a byte of options, a byte of exponent, then the text.
 */
#include "fuzz.h"
#include "holter/store.h"

#include <stdlib.h>
#include <string.h>

enum { TYPES = 4, ROUND = 4, ROOM = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const char *const labels[] = { "awake", "light", "deep", "rem", "17", "-1", "1e1" };
    struct reader in = reader_over(bytes, count);
    uint8_t options = get_u8(&in);
    int exponent = get_u8(&in) % 37 - 18;
    static const holter_type types[TYPES] = { HOLTER_INT, HOLTER_FLOAT, HOLTER_ENUM, HOLTER_TEXT };
    holter_metric metric = { .name = "m", .field_count = 1, .key_field = -1 };
    metric.fields[0] =
        (holter_field){ .name = "value", .type = types[options % TYPES], .exponent = exponent };
    if (metric.fields[0].type == HOLTER_ENUM) {
        metric.fields[0].labels = labels;
        metric.fields[0].label_count = CORE_COUNT(labels);
    }
    int round = (options & ROUND) != 0;
    holter_value value = { .integer = 99 };
    holter_error err = { .status = HOLTER_OK };
    const char *text = in.left > 0 ? (const char *)in.at : "";
    holter_status status = holter_value_parse(&value, &metric, 0, text, in.left, round, &err);
    fuzz_check(status, &err);
    core_assert(status == HOLTER_OK || status == HOLTER_INVALID);
    if (status != HOLTER_OK)
        return 0;

    char written[ROOM];
    size_t length = holter_value_format(written, sizeof written, &metric, 0, value);
    if (metric.fields[0].type == HOLTER_TEXT) {
        core_assert(length == in.left);
        return 0;
    }
    core_assert(length > 0 && length < sizeof written && strlen(written) == length);
    holter_value again = { .integer = 98 };
    status = holter_value_parse(&again, &metric, 0, written, length, 0, &err);
    core_assert(status == HOLTER_OK);
    bool is_equal = again.integer == value.integer;
    if (metric.fields[0].type == HOLTER_FLOAT)
        is_equal = memcmp(&again.real, &value.real, sizeof value.real) == 0 ||
                   (again.real != again.real && value.real != value.real);
    core_assert(is_equal);
    char small[4];
    (void)holter_value_format(small, sizeof small, &metric, 0, value);
    return 0;
}
