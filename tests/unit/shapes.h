/*
 * shapes.h -- columns of many shapes for tests of codecs, from constant to noise over all of 64 bits.
 */
#ifndef TESTS_UNIT_SHAPES_H
#define TESTS_UNIT_SHAPES_H

#include "codec/codec.h"
#include "random.h"
#include "run.h"

#include <math.h>
#include <string.h>

enum { SECOND = 1000000000 };

enum shape {
    SHAPE_CONSTANT,
    SHAPE_WALK,
    SHAPE_SPIKES,
    SHAPE_FALLING,
    SHAPE_RAMP_THAT_WRAPS,
    SHAPE_PARABOLA,
    SHAPE_WAVE,
    SHAPE_BEATS, /* of a heart, and little between them */
    SHAPE_LEVELS,
    SHAPE_STEPS,
    SHAPE_RESTS, /* walks, and long pauses between them */
    SHAPE_MULTIPLES,
    SHAPE_HALVES, /* of all of 64 bits: 0 and INT64_MIN */
    SHAPE_EXTREMES,
    SHAPE_WIDE_NOISE,
    SHAPE_NOISE,
    SHAPES
};

/* A value of a shape, of which `before` came last, in row i. */
static inline int64_t shaped(struct random *random, enum shape shape, size_t i, int64_t before)
{
    int64_t little = (int64_t)random_below(random, 5) - 2;
    switch (shape) {
    case SHAPE_CONSTANT:
        return i == 0 ? little : before;
    case SHAPE_WALK:
        return i == 0 ? 72 : before + little;
    case SHAPE_SPIKES:
        return random_below(random, 50) == 0 ? (int64_t)(random_u64(random) >> 20) : 60 + little;
    case SHAPE_FALLING:
        return wrap_sub_i64(before, (int64_t)random_below(random, 9));
    case SHAPE_RAMP_THAT_WRAPS:
        return wrap_add_i64(before, INT64_MAX / 3 + little);
    case SHAPE_PARABOLA:
        return (int64_t)(i * i) * 37 - 1000 + little;
    case SHAPE_WAVE:
        return (int64_t)(sin((double)i / 20) * 30000) + 10 * little;
    case SHAPE_BEATS: {
        int64_t beat = i % 300 < 12 ? (int64_t)(sin((double)(i % 300)) * 900) : 0;
        return (int64_t)(sin((double)i / 25) * 200) + beat + little;
    }
    case SHAPE_LEVELS:
        return i > 0 && random_below(random, 30) > 0 ? before : (int64_t)random_below(random, 5);
    case SHAPE_STEPS:
        return random_below(random, 3) > 0 ? 0 : (int64_t)random_below(random, 180);
    case SHAPE_RESTS:
        if (i > 0 && random_below(random, before == 0 ? 40 : 8) > 0)
            return before == 0 ? 0 : 80 + (int64_t)random_below(random, 40);
        return before != 0                    ? 0
               : random_below(random, 9) == 0 ? 300 * little
                                              : 1 + before + 9 * (int64_t)(i % 20);
    case SHAPE_MULTIPLES:
        return 250 * ((int64_t)random_below(random, 40) - 20);
    case SHAPE_HALVES:
        return random_below(random, 2) == 0 ? 0 : INT64_MIN;
    case SHAPE_EXTREMES:
        return i % 2 == 0 ? INT64_MIN + little + 2 : INT64_MAX - little - 2;
    case SHAPE_WIDE_NOISE:
        return (int64_t)(random_u64(random) >> 24);
    default:
        return (int64_t)random_u64(random);
    }
}

static inline int64_t bits_of_double(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* What a field of this type makes of a shape's value. */
static inline int64_t typed(struct random *random, uint8_t type, int64_t value, unsigned kind)
{
    static const int64_t odd[] = { (int64_t)0x7ff8000000000001,
                                   (int64_t)0xfff4000000000abc,
                                   (int64_t)0x7ff0000000000000,
                                   INT64_MIN /* -0.0 */,
                                   1,
                                   0 };
    if (type == FIELD_ENUM)
        return value & INT64_MAX;
    if (type != FIELD_FLOAT || kind == 2)
        return value; /* as the bits of a double: denormals and NaNs among them */
    if (kind == 1 && random_below(random, 20) == 0)
        return odd[random_below(random, CORE_COUNT(odd))];
    return bits_of_double((double)value / 100);
}

/* How times go on: by the second, about every five seconds, all at once, from first to last. */
static inline int64_t timed(struct random *random, unsigned kind, size_t i, size_t count,
                            int64_t before)
{
    if (kind == 3) {
        uint64_t gap = (UINT64_MAX - 2) / count;
        return i == 0 ? INT64_MIN + 1 : (int64_t)((uint64_t)before + gap);
    }
    if (i == 0)
        return kind == 2 ? INT64_MAX - 1 : (int64_t)1700000000 * SECOND;
    if (kind == 2)
        return before;
    return before + SECOND * (kind == 0 ? 1 : 4 + (int64_t)random_below(random, 3));
}

/* `count` rows of a seed. Texts of many rows are short: zstd is a hundred times slower than the rest. */
static inline void fill(struct columns *c, const struct schema *schema, uint64_t seed,
                        enum shape shape, size_t count)
{
    static const uint8_t text[64] = "all texts are the beginning of this one";
    struct random random = { seed };
    struct row row = { 0 };
    int64_t before[SCHEMA_FIELDS_MAX] = { 0 };
    unsigned times = (unsigned)random_below(&random, 4);
    unsigned floats = (unsigned)random_below(&random, 3);
    size_t texts = count < 1000 ? sizeof text : 6;
    columns_init(c, schema);
    for (size_t i = 0; i < count; i++) {
        row.time = timed(&random, times, i, count, row.time);
        for (size_t j = 0; j < schema->field_count; j++) {
            before[j] = shaped(&random, (shape + j) % SHAPES, i, before[j]);
            row.field[j] = typed(&random, schema->types[j], before[j], floats);
            row.text[j] = text;
            row.text_bytes[j] = (uint32_t)((uint64_t)before[j] % texts);
        }
        row.duration = before[0] & INT64_MAX;
        row.flags = random_below(&random, 30) == 0 ? (uint16_t)(before[0] & 0xff0f) : row.flags;
        row.revision = shaped(&random, (shape + 1) % SHAPES, i, row.revision);
        CHECK(columns_append(c, &row));
    }
}

static const struct schema schemas[] = {
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INSTANT, 1, 0, { FIELD_ENUM } },
    { SAMPLE_INSTANT, 1, SCHEMA_NO_KEY, { FIELD_FLOAT } },
    { SAMPLE_INTERVAL, 1, SCHEMA_NO_KEY, { FIELD_INT } },
    { SAMPLE_INSTANT, 2, 1, { FIELD_INT, FIELD_INT } },
    { SAMPLE_INTERVAL, 4, 0, { FIELD_INT, FIELD_FLOAT, FIELD_ENUM, FIELD_TEXT } },
};

#endif
