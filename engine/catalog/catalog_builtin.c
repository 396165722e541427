/*
 * catalog_builtin.c -- the metrics that every store knows.
 *
 *   T1  A number, once given, keeps its metric for ever, and a line here never changes what is
 *       stored: it goes into a catalog at the store's creation and is read from there. A new metric
 *       takes the next free number below 1024.
 *
 * Ranges are in stored units: at exponent -1, 500 is 50.0. Names elsewhere are left out where none
 * fits. Open mHealth schemas are named without a version. LOINC: codes of a single observation of
 * that kind, no panels but for blood pressure.
 *
 * Exponents follow what devices deliver: integers where all do, else a digit more than they print;
 * float64 where phones hand out binary fractions (distance, energies, weight), or float32 printed
 * in full (acceleration).
 */
#include "catalog_impl.h"

#include <string.h>

enum { BUILTIN_FIELDS_MAX = 3, SECOND = 1, MINUTE = 60, HOUR = 3600, DAY = 86400 };

struct builtin_field {
    const char *name;
    uint8_t type;
    int8_t exponent;
    bool has_range;
    int64_t min, max;            /* FIELD_INT */
    double float_min, float_max; /* FIELD_FLOAT */
    const char *const *labels;
    size_t label_count;
};

struct builtin_metric {
    uint32_t number;
    const char *name, *unit;
    uint8_t kind, aggregation, class;
    uint8_t key_of_field; /* 1 + the key field's index; 0: none */
    int64_t carry_s;
    struct builtin_field fields[BUILTIN_FIELDS_MAX];
    const char *healthkit, *health_connect, *open_mhealth, *loinc; /* NULL: none */
};

/* Labels: the position is the stored value, so that they may only grow at the end (K2). */
static const char *const sleep_stages[] = {
    "unknown", "awake",    "asleep",     "light", "deep",
    "rem",     "restless", "out_of_bed", "wake", /* Fitbit's word in staged nights; "awake" is its word in classic ones */
    "in_bed",
};
static const char *const intensities[] = { "sedentary", "light", "moderate",
                                           "vigorous" }; /* 0 to 3, as Fitbit does */
static const char *const activities[] = {
    "unknown", "still", "walking", "running", "cycling", "driving", "on_foot", "swimming", "other",
};
static const char *const workouts[] = {
    "other",
    "walking",
    "running",
    "cycling",
    "swimming",
    "hiking",
    "rowing",
    "elliptical",
    "stair_climbing",
    "strength_training",
    "interval_training",
    "yoga",
    "pilates",
    "dance",
    "skiing",
    "snowboarding",
    "skating",
    "climbing",
    "golf",
    "tennis",
    "badminton",
    "table_tennis",
    "squash",
    "football",
    "american_football",
    "basketball",
    "volleyball",
    "handball",
    "baseball",
    "cricket",
    "rugby",
    "hockey",
    "boxing",
    "martial_arts",
    "gymnastics",
    "surfing",
    "sailing",
    "paddling",
    "water_polo",
    "wheelchair",
    "stretching",
    "treadmill",
};
static const char *const mindfulness_types[] = {
    "unknown", "meditation", "breathing", "music", "movement", "unguided",
};
static const char *const postures[] = { "unknown", "lying", "sitting", "standing", "walking" };

/* NOLINTBEGIN(bugprone-macro-parentheses): they stand for initializers */
#define INT(field, power, least, greatest)                                                         \
    {                                                                                              \
        .name = field, .type = FIELD_INT, .exponent = power, .has_range = true, .min = least,      \
        .max = greatest                                                                            \
    }
#define INT_ANY(field, power)                                                                      \
    {                                                                                              \
        .name = field, .type = FIELD_INT, .exponent = power                                        \
    }
#define FLOAT(field, least, greatest)                                                              \
    {                                                                                              \
        .name = field, .type = FIELD_FLOAT, .has_range = true, .float_min = least,                 \
        .float_max = greatest                                                                      \
    }
#define ENUM(field, of)                                                                            \
    {                                                                                              \
        .name = field, .type = FIELD_ENUM, .labels = of, .label_count = CORE_COUNT(of)             \
    }
#define TEXT(field)                                                                                \
    {                                                                                              \
        .name = field, .type = FIELD_TEXT                                                          \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

/* clang-format off */
static const struct builtin_metric builtin[] = {
    { 1, "heart_rate", "/min", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 5 * MINUTE,
      { INT("value", 0, 20, 300) },
      "HKQuantityTypeIdentifierHeartRate", "HeartRateRecord", "omh:heart-rate", "8867-4" },
    { 2, "resting_heart_rate", "/min", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, DAY,
      { INT("value", -2, 2000, 20000) },
      "HKQuantityTypeIdentifierRestingHeartRate", "RestingHeartRateRecord", NULL, "40443-4" },
    { 3, "hrv_rmssd", "ms", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * MINUTE,
      { INT("value", -1, 0, 5000) },
      NULL, "HeartRateVariabilityRmssdRecord", NULL, NULL },
    { 4, "hrv_sdnn", "ms", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * MINUTE,
      { INT("value", -1, 0, 5000) },
      "HKQuantityTypeIdentifierHeartRateVariabilitySDNN", NULL, NULL, "80404-7" },
    { 5, "rr_interval", "ms", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 3 * SECOND,
      { INT("value", 0, 200, 3000) },
      "HKDataTypeIdentifierHeartbeatSeries", NULL, "omh:rr-interval", NULL },
    { 6, "spo2", "%", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * MINUTE,
      { INT("value", -1, 500, 1000) },
      "HKQuantityTypeIdentifierOxygenSaturation", "OxygenSaturationRecord", "omh:oxygen-saturation", "59408-5" },
    { 7, "respiratory_rate", "/min", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * MINUTE,
      { INT("value", -1, 30, 800) },
      "HKQuantityTypeIdentifierRespiratoryRate", "RespiratoryRateRecord", "omh:respiratory-rate", "9279-1" },
    { 8, "skin_temperature", "Cel", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * MINUTE,
      { INT("value", -2, 1000, 4500) },
      "HKQuantityTypeIdentifierAppleSleepingWristTemperature", "SkinTemperatureRecord", NULL, NULL },
    { 9, "body_temperature", "Cel", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, 4 * HOUR,
      { INT("value", -2, 3000, 4500) },
      "HKQuantityTypeIdentifierBodyTemperature", "BodyTemperatureRecord", "omh:body-temperature", "8310-5" },
    { 10, "steps", "{steps}", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_ACTIVITY, 0, 0,
      { INT("value", 0, 0, 200000) },
      "HKQuantityTypeIdentifierStepCount", "StepsRecord", "omh:step-count", "55423-8" },
    { 11, "distance", "m", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_ACTIVITY, 0, 0,
      { FLOAT("value", 0, 1e6) },
      "HKQuantityTypeIdentifierDistanceWalkingRunning", "DistanceRecord", NULL, NULL },
    { 12, "floors", "{floors}", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_ACTIVITY, 0, 0,
      { INT("value", -1, 0, 20000) },
      "HKQuantityTypeIdentifierFlightsClimbed", "FloorsClimbedRecord", NULL, NULL },
    { 13, "active_energy", "kcal", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_ACTIVITY, 0, 0,
      { FLOAT("value", 0, 20000) },
      "HKQuantityTypeIdentifierActiveEnergyBurned", "ActiveCaloriesBurnedRecord", NULL, NULL },
    { 14, "basal_energy", "kcal", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_ACTIVITY, 0, 0,
      { FLOAT("value", 0, 20000) },
      "HKQuantityTypeIdentifierBasalEnergyBurned", NULL, NULL, NULL },
    { 15, "total_energy", "kcal", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_ACTIVITY, 0, 0,
      { FLOAT("value", 0, 20000) },
      NULL, "TotalCaloriesBurnedRecord", "omh:calories-burned", "41981-2" },
    { 16, "mets", "[MET]", SAMPLE_INTERVAL, AGGREGATION_MEAN, CLASS_ACTIVITY, 0, 0,
      { INT("value", -1, 0, 300) },
      NULL, NULL, NULL, NULL },
    { 17, "intensity", "1", SAMPLE_INTERVAL, AGGREGATION_STATES, CLASS_ACTIVITY, 0, 0,
      { ENUM("value", intensities) },
      NULL, "ActivityIntensityRecord", NULL, NULL },
    { 18, "activity", "1", SAMPLE_INTERVAL, AGGREGATION_STATES, CLASS_ACTIVITY, 0, 0,
      { ENUM("value", activities) },
      NULL, NULL, NULL, NULL },
    { 19, "workout", "1", SAMPLE_INTERVAL, AGGREGATION_STATES, CLASS_ACTIVITY, 2, 0,
      { ENUM("type", workouts), TEXT("id") },
      "HKWorkoutTypeIdentifier", "ExerciseSessionRecord", "omh:physical-activity", NULL },
    { 20, "sleep_stage", "1", SAMPLE_INTERVAL, AGGREGATION_STATES, CLASS_ACTIVITY, 0, 0,
      { ENUM("value", sleep_stages) },
      "HKCategoryTypeIdentifierSleepAnalysis", "SleepSessionRecord", "omh:sleep-episode", NULL },
    { 21, "sleep_score", "{score}", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, DAY,
      { INT("value", 0, 0, 100) },
      NULL, NULL, NULL, NULL },
    { 22, "blood_pressure", "mm[Hg]", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, 12 * HOUR,
      { INT("systolic", 0, 40, 300), INT("diastolic", 0, 20, 200) },
      "HKCorrelationTypeIdentifierBloodPressure", "BloodPressureRecord", "omh:blood-pressure", "85354-9" },
    { 23, "glucose", "mg/dL", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 15 * MINUTE,
      { INT("value", -1, 100, 10000) },
      "HKQuantityTypeIdentifierBloodGlucose", "BloodGlucoseRecord", "omh:blood-glucose", "2339-0" },
    { 24, "weight", "kg", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, 30 * DAY,
      { FLOAT("value", 0.2, 700) },
      "HKQuantityTypeIdentifierBodyMass", "WeightRecord", "omh:body-weight", "29463-7" },
    { 25, "body_fat", "%", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, 30 * DAY,
      { INT("value", -2, 100, 8000) },
      "HKQuantityTypeIdentifierBodyFatPercentage", "BodyFatRecord", "omh:body-fat-percentage", "41982-0" },
    { 26, "vo2_max", "mL/kg/min", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, 30 * DAY,
      { INT("value", -2, 500, 10000) },
      "HKQuantityTypeIdentifierVO2Max", "Vo2MaxRecord", NULL, NULL },
    { 27, "stress", "{score}", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * MINUTE,
      { INT("value", 0, 0, 100) },
      NULL, NULL, NULL, NULL },
    { 28, "eda", "uS", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_WAVEFORM, 0, MINUTE,
      { FLOAT("value", 0, 1000) },
      "HKQuantityTypeIdentifierElectrodermalActivity", NULL, NULL, NULL },
    { 29, "acceleration", "m/s2", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_WAVEFORM, 0, SECOND,
      { FLOAT("x", -400, 400), FLOAT("y", -400, 400), FLOAT("z", -400, 400) },
      NULL, NULL, "omh:acceleration", NULL },
    { 30, "angular_velocity", "rad/s", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_WAVEFORM, 0, SECOND,
      { FLOAT("x", -100, 100), FLOAT("y", -100, 100), FLOAT("z", -100, 100) },
      NULL, NULL, NULL, NULL },
    { 31, "ppg", "{count}", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_WAVEFORM, 0, SECOND,
      { INT_ANY("value", 0) },
      NULL, NULL, NULL, NULL },
    { 32, "ecg", "uV", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_WAVEFORM, 0, SECOND,
      { INT("value", -3, -20000000, 20000000) },
      NULL, NULL, NULL, NULL },
    { 33, "mood", "{score}", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, DAY,
      { INT("value", 0, 1, 10) },
      NULL, NULL, NULL, NULL },
    { 34, "energy_level", "{score}", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, DAY,
      { INT("value", 0, 1, 10) },
      NULL, NULL, NULL, NULL },
    { 35, "stress_level", "{score}", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, DAY,
      { INT("value", 0, 1, 10) },
      NULL, NULL, NULL, NULL },
    { 36, "medication_dose", "mg", SAMPLE_INSTANT, AGGREGATION_SUM, CLASS_RECORDS, 1, 0,
      { TEXT("drug"), FLOAT("amount", 0, 1e6) },
      NULL, NULL, NULL, NULL },
    { 37, "habit", "1", SAMPLE_INSTANT, AGGREGATION_SUM, CLASS_RECORDS, 1, 0,
      { TEXT("habit"), INT("amount", -2, 0, 100000000) },
      NULL, NULL, NULL, NULL },
    { 38, "mindfulness", "1", SAMPLE_INTERVAL, AGGREGATION_STATES, CLASS_ACTIVITY, 0, 0,
      { ENUM("type", mindfulness_types) },
      "HKCategoryTypeIdentifierMindfulSession", "MindfulnessSessionRecord", NULL, NULL },
    { 39, "note", "1", SAMPLE_INSTANT, AGGREGATION_LAST, CLASS_RECORDS, 0, 0,
      { TEXT("text") },
      NULL, NULL, NULL, NULL },
    { 40, "utc_offset", "s", SAMPLE_INSTANT, AGGREGATION_LAST, CLASS_RECORDS, 0, INT64_C(7300) * DAY,
      { INT("value", 0, -18 * HOUR, 18 * HOUR) },
      NULL, NULL, NULL, NULL },
    { 41, "height", "m", SAMPLE_INSTANT, AGGREGATION_LAST, CLASS_RECORDS, 0, 365 * DAY,
      { FLOAT("value", 0.2, 3) },
      "HKQuantityTypeIdentifierHeight", "HeightRecord", "omh:body-height", "8302-2" },
    { 42, "body_mass_index", "kg/m2", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_RECORDS, 0, 30 * DAY,
      { FLOAT("value", 5, 200) },
      "HKQuantityTypeIdentifierBodyMassIndex", NULL, "omh:body-mass-index", "39156-5" },
    { 43, "hydration", "mL", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_RECORDS, 0, 0,
      { FLOAT("value", 0, 20000) },
      "HKQuantityTypeIdentifierDietaryWater", "HydrationRecord", NULL, NULL },
    { 44, "elevation_gained", "m", SAMPLE_INTERVAL, AGGREGATION_SUM, CLASS_ACTIVITY, 0, 0,
      { FLOAT("value", 0, 20000) },
      NULL, "ElevationGainedRecord", NULL, NULL },
    { 45, "speed", "m/s", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * SECOND,
      { FLOAT("value", 0, 100) },
      "HKQuantityTypeIdentifierWalkingSpeed", "SpeedRecord", NULL, NULL },
    { 46, "power", "W", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * SECOND,
      { FLOAT("value", 0, 5000) },
      NULL, "PowerRecord", NULL, NULL },
    { 47, "cadence", "/min", SAMPLE_INSTANT, AGGREGATION_MEAN, CLASS_VITALS, 0, 10 * SECOND,
      { FLOAT("value", 0, 500) },
      "HKQuantityTypeIdentifierCyclingCadence", "CyclingPedalingCadenceRecord", NULL, NULL },
    { 48, "location", "deg", SAMPLE_INSTANT, AGGREGATION_LAST, CLASS_VITALS, 0, 5 * MINUTE,
      { FLOAT("latitude", -90, 90), FLOAT("longitude", -180, 180) },
      NULL, NULL, "omh:geoposition", NULL },
    { 49, "place", "1", SAMPLE_INSTANT, AGGREGATION_LAST, CLASS_RECORDS, 0, DAY,
      { TEXT("text") },
      NULL, NULL, NULL, NULL },
    { 50, "weather", "1", SAMPLE_INSTANT, AGGREGATION_LAST, CLASS_RECORDS, 0, 3 * HOUR,
      { TEXT("text") },
      NULL, NULL, NULL, NULL },
    { 51, "posture", "1", SAMPLE_INTERVAL, AGGREGATION_STATES, CLASS_ACTIVITY, 0, 0,
      { ENUM("value", postures) },
      NULL, NULL, NULL, NULL },
};
/* clang-format on */

static void copy(char out[static CATALOG_NAME_BYTES_MAX + 1], const char *string)
{
    size_t bytes = string == NULL ? 0 : strlen(string);
    core_assert(bytes <= CATALOG_NAME_BYTES_MAX);
    memcpy(out, string == NULL ? "" : string, bytes);
}

size_t catalog_builtin_count(void)
{
    return CORE_COUNT(builtin);
}

void catalog_builtin_get(struct catalog_metric *out, size_t index)
{
    const struct builtin_metric *from = &builtin[index];
    memset(out, 0, sizeof *out);
    out->number = from->number;
    copy(out->name, from->name);
    copy(out->unit, from->unit);
    out->schema.kind = from->kind;
    out->schema.key_field =
        from->key_of_field == 0 ? SCHEMA_NO_KEY : (uint8_t)(from->key_of_field - 1);
    out->aggregation = from->aggregation;
    out->class = from->class;
    out->carry_ns = from->carry_s * INT64_C(1000000000);
    copy(out->healthkit, from->healthkit);
    copy(out->health_connect, from->health_connect);
    copy(out->open_mhealth, from->open_mhealth);
    copy(out->loinc, from->loinc);

    for (size_t i = 0; i < BUILTIN_FIELDS_MAX && from->fields[i].name != NULL; i++) {
        const struct builtin_field *field = &from->fields[i];
        struct catalog_field *to = &out->fields[i];
        copy(to->name, field->name);
        to->type = field->type;
        to->exponent = field->exponent;
        to->has_range = field->has_range;
        to->min = field->min;
        to->max = field->max;
        if (field->type == FIELD_FLOAT) {
            memcpy(&to->min, &field->float_min, sizeof to->min);
            memcpy(&to->max, &field->float_max, sizeof to->max);
        }
        to->labels = field->labels;
        to->label_count = field->label_count;
        out->schema.types[i] = field->type;
        out->schema.field_count = (uint8_t)(i + 1);
    }
}
