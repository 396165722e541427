/*
 * import_fitabase.c -- the files of a Fitabase export of Fitbit data, and the metrics that they
 * become.
 *
 * What Fitbit sums up by hour and day gets metrics of its own, so that no sum counts it beside the
 * minutes. The table in holter-import(1) says the same.
 */
#include "import_preset.h"

#define FITABASE_TIME "%m/%d/%Y %I:%M:%S %p"
#define FITABASE_DATE "%m/%d/%Y"
#define METRICS(list) .metrics = (list), .metric_count = TOOL_COUNT(list)

/* clang-format off */
static const struct preset_metric heart[] = {
    { "heart_rate", NULL, SPAN_INSTANT, HOLTER_MEAN, HOLTER_VITALS, 1,
      { { "Value", "value", HOLTER_INT, 0 } } },
};
static const struct preset_metric minute_steps[] = {
    { "steps", NULL, SPAN_MINUTES, HOLTER_SUM, HOLTER_ACTIVITY, 1,
      { { "Steps", "value", HOLTER_INT, 0 } } },
};
static const struct preset_metric minute_intensity[] = {
    { "intensity", NULL, SPAN_MINUTES, HOLTER_STATES, HOLTER_ACTIVITY, 1,
      { { "Intensity", "value", HOLTER_INT, 0 } } },
};
static const struct preset_metric hourly_steps[] = {
    { "fitabase_hourly_steps", "{steps}", SPAN_HOUR, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "StepTotal", "value", HOLTER_INT, 0 } } },
};
static const struct preset_metric hourly_calories[] = {
    { "fitabase_hourly_calories", "kcal", SPAN_HOUR, HOLTER_SUM, HOLTER_RECORDS, 1,
      { { "Calories", "value", HOLTER_INT, 0 } } },
};
static const struct preset_metric hourly_intensity[] = {
    { "fitabase_hourly_intensity", "1", SPAN_HOUR, HOLTER_SUM, HOLTER_RECORDS, 2,
      { { "TotalIntensity", "total", HOLTER_INT, 0 },
        { "AverageIntensity", "average", HOLTER_INT, -6 } } },
};
static const struct preset_metric daily[] = {
    { "fitabase_daily_activity", "1", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 6,
      { { "TotalSteps", "steps", HOLTER_INT, 0 },
        { "Calories", "calories", HOLTER_INT, 0 },
        { "VeryActiveMinutes", "very_active_minutes", HOLTER_INT, 0 },
        { "FairlyActiveMinutes", "fairly_active_minutes", HOLTER_INT, 0 },
        { "LightlyActiveMinutes", "lightly_active_minutes", HOLTER_INT, 0 },
        { "SedentaryMinutes", "sedentary_minutes", HOLTER_INT, 0 } } },
    { "fitabase_daily_distance", "km", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 7,
      { { "TotalDistance", "total", HOLTER_FLOAT, 0 },
        { "TrackerDistance", "tracker", HOLTER_FLOAT, 0 },
        { "LoggedActivitiesDistance", "logged", HOLTER_FLOAT, 0 },
        { "VeryActiveDistance", "very_active", HOLTER_FLOAT, 0 },
        { "ModeratelyActiveDistance", "moderately_active", HOLTER_FLOAT, 0 },
        { "LightActiveDistance", "light_active", HOLTER_FLOAT, 0 },
        { "SedentaryActiveDistance", "sedentary_active", HOLTER_FLOAT, 0 } } },
};
static const struct preset_metric sleep_day[] = {
    { "fitabase_sleep_day", "min", SPAN_DAY, HOLTER_SUM, HOLTER_RECORDS, 3,
      { { "TotalSleepRecords", "records", HOLTER_INT, 0 },
        { "TotalMinutesAsleep", "asleep", HOLTER_INT, 0 },
        { "TotalTimeInBed", "in_bed", HOLTER_INT, 0 } } },
};
static const struct preset_metric weight_log[] = {
    { "weight", NULL, SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "WeightKg", "value", HOLTER_FLOAT, 0 } } },
    { "body_fat", NULL, SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "Fat", "value", HOLTER_INT, -2 } } },
    { "body_mass_index", NULL, SPAN_INSTANT, HOLTER_MEAN, HOLTER_RECORDS, 1,
      { { "BMI", "value", HOLTER_FLOAT, 0 } } },
    { "fitabase_weight_log", "1", SPAN_INSTANT, HOLTER_LAST, HOLTER_RECORDS, 2,
      { { "WeightPounds", "pounds", HOLTER_FLOAT, 0 },
        { "LogId", "log_id", HOLTER_INT, 0 } } },
};

static const struct preset_file files[] = {
    { .name = "heartrate_seconds", .user = "Id", .time = "Time", .time_format = FITABASE_TIME,
      METRICS(heart) },
    { .name = "minuteStepsWide", .user = "Id", .time = "ActivityHour",
      .time_format = FITABASE_TIME, METRICS(minute_steps) },
    { .name = "minuteIntensitiesWide", .user = "Id", .time = "ActivityHour",
      .time_format = FITABASE_TIME, METRICS(minute_intensity) },
    { .name = "hourlySteps", .user = "Id", .time = "ActivityHour", .time_format = FITABASE_TIME,
      METRICS(hourly_steps) },
    { .name = "hourlyCalories", .user = "Id", .time = "ActivityHour",
      .time_format = FITABASE_TIME, METRICS(hourly_calories) },
    { .name = "hourlyIntensities", .user = "Id", .time = "ActivityHour",
      .time_format = FITABASE_TIME, METRICS(hourly_intensity) },
    { .name = "dailyActivity", .user = "Id", .time = "ActivityDate",
      .time_format = FITABASE_DATE, METRICS(daily) },
    { .name = "sleepDay", .user = "Id", .time = "SleepDay", .time_format = FITABASE_TIME,
      METRICS(sleep_day) },
    { .name = "weightLogInfo", .user = "Id", .time = "Date", .time_format = FITABASE_TIME,
      .flag_column = "IsManualReport", .flag = HOLTER_MANUAL, METRICS(weight_log) },
};
/* clang-format on */

const struct preset preset_fitabase = { .name = "fitabase",
                                        .files = files,
                                        .file_count = TOOL_COUNT(files) };
