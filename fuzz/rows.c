/*
 * rows.c -- metrics that the fuzz targets of the tool know, and what holds of every sample that is read.
 */
#include "rows.h"

#include <string.h>

/* Every kind and type, more fields than one, a key. */
const holter_metric fuzz_metrics[FUZZ_METRICS] = {
    { .name = "heart_rate",
      .number = 1,
      .kind = HOLTER_INSTANT,
      .field_count = 1,
      .fields = { { .name = "value", .type = HOLTER_INT } },
      .key_field = -1 },
    { .name = "steps",
      .number = 2,
      .kind = HOLTER_INTERVAL,
      .field_count = 1,
      .fields = { { .name = "value", .type = HOLTER_INT, .exponent = 1 } },
      .key_field = -1 },
    { .name = "blood_pressure",
      .number = 3,
      .kind = HOLTER_INSTANT,
      .field_count = 2,
      .fields = { { .name = "systolic", .type = HOLTER_INT, .exponent = -1 },
                  { .name = "diastolic", .type = HOLTER_FLOAT } },
      .key_field = -1 },
    { .name = "dose",
      .number = 4,
      .kind = HOLTER_INSTANT,
      .field_count = 2,
      .fields = { { .name = "medication", .type = HOLTER_TEXT },
                  { .name = "mg", .type = HOLTER_INT, .exponent = -2 } },
      .key_field = 0 },
    { .name = "stage",
      .number = 5,
      .kind = HOLTER_INTERVAL,
      .field_count = 1,
      .fields = { { .name = "value",
                    .type = HOLTER_ENUM,
                    .label_count = 2,
                    .labels = (const char *const[]){ "wake", "light" } } },
      .key_field = -1 },
};

holter_status fuzz_metric_find(void *context, holter_metric *out, const char *name,
                               holter_error *err)
{
    (void)context;
    (void)err;
    for (size_t i = 0; i < FUZZ_METRICS; i++)
        if (strcmp(fuzz_metrics[i].name, name) == 0) {
            *out = fuzz_metrics[i];
            return HOLTER_OK;
        }
    return HOLTER_NOT_FOUND;
}

void fuzz_sample_check(const struct import_sample *sample)
{
    const holter_metric *metric = sample->metric;
    core_assert(sample->time_ns != HOLTER_TIME_MIN && sample->time_ns != HOLTER_TIME_MAX);
    core_assert(sample->duration_ns >= 0);
    core_assert(metric->kind == HOLTER_INTERVAL || sample->duration_ns == 0);
    core_assert((sample->flags & ~(HOLTER_ANOMALY | HOLTER_MANUAL | 0xff00)) == 0);
    for (size_t f = 0; f < metric->field_count; f++) {
        const holter_value *value = &sample->values[f];
        if (metric->fields[f].type == HOLTER_TEXT)
            core_assert(value->text.count <= HOLTER_TEXT_BYTES_MAX &&
                        is_utf8(value->text.bytes, value->text.count));
        if (metric->fields[f].type == HOLTER_ENUM)
            core_assert(value->integer >= 0 &&
                        (size_t)value->integer < metric->fields[f].label_count);
    }
}
