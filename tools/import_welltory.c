/*
 * import_welltory.c -- the files of the Welltory COVID-19 open data, and the metrics that they
 * become.
 *
 * Every publication is the whole set again (import_replace.h). Most columns may be empty, so each
 * is a metric of its own, but for those that come together. The table in holter-import(1) says the
 * same.
 */
#include "import_preset.h"

#define WELLTORY_TIME "%Y-%m-%d %H:%M:%S"
#define METRICS(list) .metrics = (list), .metric_count = TOOL_COUNT(list)

enum { RESTING_FLAG = 1 << 8 };

/* clang-format off */
static const struct preset_metric heart[] = {
    { "heart_rate", NULL, SPAN_INSTANT, HOLTER_MEAN, HOLTER_VITALS, 1,
      { { "heart_rate", "value", HOLTER_INT, 0 } } },
};
static const struct preset_metric hrv[] = {
    { "welltory_hrv_time", "1", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 8,
      { { "bpm", "bpm", HOLTER_INT, 0 },
        { "meanrr", "meanrr", HOLTER_INT, -3 },
        { "mxdmn", "mxdmn", HOLTER_INT, -3 },
        { "sdnn", "sdnn", HOLTER_INT, -3 },
        { "rmssd", "rmssd", HOLTER_INT, -3 },
        { "pnn50", "pnn50", HOLTER_INT, -3 },
        { "mode", "mode", HOLTER_INT, -3 },
        { "amo", "amo", HOLTER_INT, -3 } } },
    { "welltory_hrv_frequency", "ms2", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 5,
      { { "lf", "lf", HOLTER_INT, -3 },
        { "hf", "hf", HOLTER_INT, -3 },
        { "vlf", "vlf", HOLTER_INT, -3 },
        { "lfhf", "lf_hf", HOLTER_INT, -3 },
        { "total_power", "total_power", HOLTER_INT, -3 } } },
    { "welltory_how_feel", "{score}", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "how_feel", "value", HOLTER_INT, 0 } } },
    { "welltory_how_mood", "{score}", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "how_mood", "value", HOLTER_INT, 0 } } },
    { "welltory_how_sleep", "{score}", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "how_sleep", "value", HOLTER_INT, 0 } } },
    { "welltory_hrv_context", "1", SPAN_INSTANT, HOLTER_LAST, HOLTER_RECORDS, 3,
      { { "rr_code", "code", HOLTER_TEXT, 0 },
        { "time_of_day", "time_of_day", HOLTER_TEXT, 0 },
        { "tags", "tags", HOLTER_TEXT, 0 } } },
    { "rr_interval", NULL, SPAN_BEATS, HOLTER_MEAN, HOLTER_VITALS, 1,
      { { "rr_data", "value", HOLTER_INT, 0 } } },
};
static const struct preset_metric sleep[] = {
    { "welltory_sleep", "s", SPAN_TO_END, HOLTER_SUM, HOLTER_RECORDS, 2,
      { { "sleep_duration", "duration", HOLTER_INT, -3 },
        { "day", "day", HOLTER_TEXT, 0 } } },
    { "welltory_sleep_awake", "s", SPAN_TO_END, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "sleep_awake_duration", "value", HOLTER_INT, -3 } } },
    { "welltory_sleep_rem", "s", SPAN_TO_END, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "sleep_rem_duration", "value", HOLTER_INT, -3 } } },
    { "welltory_sleep_light", "s", SPAN_TO_END, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "sleep_light_duration", "value", HOLTER_INT, -3 } } },
    { "welltory_sleep_deep", "s", SPAN_TO_END, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "sleep_deep_duration", "value", HOLTER_INT, -3 } } },
    { "welltory_sleep_pulse", "/min", SPAN_TO_END, HOLTER_MEAN, HOLTER_RECORDS, 3,
      { { "pulse_min", "min", HOLTER_INT, -3 },
        { "pulse_max", "max", HOLTER_INT, -3 },
        { "pulse_average", "average", HOLTER_INT, -3 } } },
};
static const struct preset_metric wearables[] = {
    { "resting_heart_rate", NULL, SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "resting_pulse", "value", HOLTER_INT, -2 } } },
    { "welltory_day_pulse", "/min", SPAN_DAY, HOLTER_MEAN, HOLTER_RECORDS, 3,
      { { "pulse_average", "average", HOLTER_INT, -3 },
        { "pulse_min", "min", HOLTER_INT, -3 },
        { "pulse_max", "max", HOLTER_INT, -3 } } },
    { "welltory_day_spo2", "1", SPAN_DAY, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "average_spo2_value", "value", HOLTER_INT, -3 } } },
    { "welltory_day_body_temperature", "Cel", SPAN_DAY, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "body_temperature_avg", "value", HOLTER_INT, -3 } } },
    { "welltory_day_stand_hours", "h", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "stand_hours_total", "value", HOLTER_INT, -3 } } },
    { "welltory_day_steps", "{steps}", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "steps_count", "value", HOLTER_INT, -3 } } },
    { "welltory_day_distance", "m", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "distance", "value", HOLTER_INT, -3 } } },
    { "welltory_day_steps_speed", "1", SPAN_DAY, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "steps_speed", "value", HOLTER_INT, -3 } } },
    { "welltory_day_floors", "{floors}", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "total_number_of_flights_climbed", "value", HOLTER_INT, -3 } } },
    { "welltory_day_active_energy", "kcal", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "active_calories_burned", "value", HOLTER_INT, -3 } } },
    { "welltory_day_basal_energy", "kcal", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "basal_calories_burned", "value", HOLTER_INT, -3 } } },
    { "welltory_day_total_energy", "kcal", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "total_calories_burned", "value", HOLTER_INT, -3 } } },
    { "welltory_day_headphone_exposure", "dB", SPAN_DAY, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "average_headphone_exposure", "value", HOLTER_INT, -3 } } },
    { "welltory_day_environment_exposure", "dB", SPAN_DAY, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "average_environment_exposure", "value", HOLTER_INT, -3 } } },
};
static const struct preset_metric pressure[] = {
    { "blood_pressure", NULL, SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 2,
      { { "systolic", "systolic", HOLTER_INT, 0 },
        { "diastolic", "diastolic", HOLTER_INT, 0 } } },
    { "welltory_functional_changes_index", "1", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "functional_changes_index", "value", HOLTER_INT, -3 } } },
    { "welltory_circulatory_efficiency", "1", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "circulatory_efficiency", "value", HOLTER_INT, -3 } } },
    { "welltory_kerdo_vegetation_index", "1", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "kerdo_vegetation_index", "value", HOLTER_INT, -3 } } },
    { "welltory_robinson_index", "1", SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "robinson_index", "value", HOLTER_INT, -3 } } },
};

static const struct preset_file files[] = {
    { .name = "heart_rate", .user = "user_code", .time = "datetime", .time_format = WELLTORY_TIME,
      .flag_column = "is_resting", .flag = RESTING_FLAG, METRICS(heart) },
    { .name = "hrv_measurements", .user = "user_code", .time = "measurement_datetime",
      .time_format = WELLTORY_TIME, METRICS(hrv) },
    { .name = "sleep", .user = "user_code", .time = "sleep_begin", .end = "sleep_end",
      .time_format = WELLTORY_TIME, METRICS(sleep) },
    { .name = "wearables", .user = "user_code", .time = "day", .time_format = "%Y-%m-%d",
      METRICS(wearables) },
    { .name = "blood_pressure", .user = "user_code", .time = "measurement_datetime",
      .time_format = WELLTORY_TIME, METRICS(pressure) },
};
/* clang-format on */

const struct preset preset_welltory = {
    .name = "welltory", .files = files, .file_count = TOOL_COUNT(files), .replaces = true
};
