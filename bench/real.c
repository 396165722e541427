/*
 * real.c -- real data sets, file by file, and how the tool is told to read them.
 */
#include "real.h"

#include "bench.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS_MAX = 12 };

#define CSV(map, form) "--format", "csv", "--map", map, "--time-format", form
#define FITABASE_FORM "--format", "fitabase"
#define WELLTORY_FORM "--format", "welltory"
#define MOTION(part)                                                                               \
    CSV("time=timestamp,value.x=x_" part ",value.y=y_" part ",value.z=z_" part, "unix_ms")

/* In the order in which they are read: of files that overlap the later one stands. */
static const struct real_file {
    const char *metric, *set, *pattern;
    const char *arguments[ARGUMENTS_MAX]; /* beside --metric, where the form does not know it */
} files[] = {
    { "heart_rate",
      REAL_FITABASE,
      "fitbit-fitabase-2016/*3.12.16*/heartrate_*",
      { FITABASE_FORM } },
    { "heart_rate",
      REAL_FITABASE,
      "fitbit-fitabase-2016/*4.12.16-5*/heartrate_*",
      { FITABASE_FORM } },
    { "heart_rate",
      REAL_COVID,
      "fitbit-covid-2020/*_hr.csv*",
      { CSV("user=user,time=datetime,value=heartrate", "%F %T") } },
    { "heart_rate", REAL_WELLTORY, "welltory-covid-2020/*/heart_rate.csv*", { WELLTORY_FORM } },
    { "steps", REAL_FITABASE, "fitbit-fitabase-2016/*/minuteStepsWide_*", { FITABASE_FORM } },
    { "steps",
      REAL_COVID,
      "fitbit-covid-2020/*_steps*.csv*",
      { CSV("user=user,time=datetime,value=steps", "%F %T"), "--duration", "60s" } },
    { "intensity",
      REAL_FITABASE,
      "fitbit-fitabase-2016/*/minuteIntensitiesWide_*",
      { FITABASE_FORM } },
    { "sleep_stage",
      REAL_COVID,
      "fitbit-covid-2020/*_sleep.csv*",
      { CSV("user=user,time=datetime,duration=stage_duration,value=stage", "%F %T") } },
    { "rr_interval",
      REAL_WELLTORY,
      "welltory-covid-2020/export-2020-06-19T1946/hrv_measurements.csv*",
      { WELLTORY_FORM } },
    { "blood_pressure",
      REAL_WELLTORY,
      "welltory-covid-2020/export-2020-06-19T1946/blood_pressure.csv*",
      { WELLTORY_FORM } },
    { "glucose",
      REAL_GLUCOSE,
      "cgm-hall-2018/example_data_hall.csv*",
      { CSV("user=id,time=time,value=gl", "%F %T"), "--tz", "-05:00" } },
    { "acceleration",
      REAL_MOTION,
      "imu-spsw-2023/s01_*_sw.csv*",
      { MOTION("acc"), "--user", "s01" } },
    { "acceleration",
      REAL_MOTION,
      "imu-spsw-2023/s03_*_sw.csv*",
      { MOTION("acc"), "--user", "s03" } },
    { "angular_velocity",
      REAL_MOTION,
      "imu-spsw-2023/s01_*_sw.csv*",
      { MOTION("gyro"), "--user", "s01" } },
    { "angular_velocity",
      REAL_MOTION,
      "imu-spsw-2023/s03_*_sw.csv*",
      { MOTION("gyro"), "--user", "s03" } },
    { "ecg",
      REAL_ECG,
      "ecg-mitbih-100/100.dat",
      { CSV("user=record,source=lead,time=at,value=microvolts", "unix_ns") } },
};

/* ---- an ECG that no tool reads: WFDB format 212, written out as CSV --------------------------- */

enum {
    ECG_HZ = 360,
    ECG_LEADS = 2,
    ECG_BASELINE = 1024,
    ECG_MICROVOLTS = 5 /* of a unit: 200 a millivolt */
};

static int32_t signed_12(unsigned bits)
{
    return bits < 2048 ? (int32_t)bits : (int32_t)bits - 4096;
}

/* Each three bytes are a sample of both leads. */
static void write_ecg(const char *from, const char *to)
{
    static const char *const leads[ECG_LEADS] = { "MLII", "V5" };
    uint8_t pair[3];
    FILE *in = fopen(from, "rb");
    if (in == NULL)
        bench_fail("'%s': %s", from, strerror(errno));
    FILE *out = fopen(to, "w");
    if (out == NULL)
        bench_fail("'%s': %s", to, strerror(errno));
    fputs("record,lead,at,microvolts\n", out);
    for (int64_t i = 0; fread(pair, 1, sizeof pair, in) == sizeof pair; i++) {
        const int32_t values[ECG_LEADS] = {
            signed_12(pair[0] | (pair[1] & 15U) << 8),
            signed_12(pair[2] | (pair[1] & 240U) << 4),
        };
        /* Exact to the nanosecond: 360 do not divide a second. */
        for (size_t lead = 0; lead < ECG_LEADS; lead++)
            fprintf(out, "100,%s,%" PRId64 ",%" PRId32 "\n", leads[lead],
                    i * INT64_C(1000000000) / ECG_HZ,
                    (values[lead] - ECG_BASELINE) * ECG_MICROVOLTS);
    }
    if (ferror(in) != 0)
        bench_fail("'%s': it cannot be read", from);
    fclose(in);
    if (fclose(out) != 0)
        bench_fail("'%s': %s", to, strerror(errno));
}

/* ---- the tool -------------------------------------------------------------------------------- */

static void run_import(const char *tool, const char *store, const struct real_file *file,
                       const char *path)
{
    const char *arguments[ARGUMENTS_MAX + 8] = { tool, "import", store, "--json" };
    size_t count = 4;
    for (size_t i = 0; i < ARGUMENTS_MAX && file->arguments[i] != NULL; i++)
        arguments[count++] = file->arguments[i];
    if (strcmp(file->arguments[1], "csv") == 0) {
        arguments[count++] = "--metric";
        arguments[count++] = file->metric;
    }
    arguments[count++] = path;

    bench_run(arguments, NULL);
}

static size_t import_files(const char *tool, const char *store, const char *data,
                           const struct real_file *file)
{
    char pattern[BENCH_PATH_BYTES_MAX];
    glob_t found;
    int bytes = snprintf(pattern, sizeof pattern, "%s/%s", data, file->pattern);
    if (bytes < 0 || (size_t)bytes >= sizeof pattern)
        bench_fail("the path of '%s' is too long", file->pattern);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    size_t count = found.gl_pathc;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(file->set, REAL_ECG) == 0) {
            char csv[BENCH_PATH_BYTES_MAX];
            snprintf(csv, sizeof csv, "%s", bench_path("ecg.csv"));
            write_ecg(found.gl_pathv[i], csv);
            run_import(tool, store, file, csv);
            bench_remove("ecg.csv");
        } else {
            run_import(tool, store, file, found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return count;
}

bool real_import(const char *name, const char *tool, const char *metric, const char *set)
{
    char store[BENCH_PATH_BYTES_MAX];
    const char *data = getenv("HOLTER_DATA");
    holter_error err = { 0 };
    size_t count = 0;
    snprintf(store, sizeof store, "%s", bench_path(name));
    bench_try(holter_create(store, NULL, &err), &err);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strcmp(files[i].metric, metric) == 0 && (set == NULL || strcmp(files[i].set, set) == 0))
            count += import_files(tool, store, data == NULL ? "../shared/data" : data, &files[i]);
    if (count == 0)
        bench_remove(name);
    return count > 0;
}
