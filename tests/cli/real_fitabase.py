#!/usr/bin/env python3
"""real_fitabase.py -- every file of two Fitabase exports in one store: each value is there once, and sums agree.

Claims: per metric the store holds what Python reads, the last file standing where exports overlap; the sums of minute
steps are the vendor's hourly ones wherever minutes exist, and its daily ones on 540 of the 646 whole days; importing
again adds nothing. Without the files this skips (code 77).
"""
import collections
import csv
import datetime
import glob
import io
import json
import os
import shutil
import sys
import tempfile

from real_data import DATA, check, failures, holter
from real_welltory import records, write

NUMBERS = {
    "hourlySteps": [("fitabase_hourly_steps", 3600, ["StepTotal"])],
    "hourlyCalories": [("fitabase_hourly_calories", 3600, ["Calories"])],
    "hourlyIntensities": [("fitabase_hourly_intensity", 3600, ["TotalIntensity", "AverageIntensity"])],
    "dailyActivity": [
        ("fitabase_daily_activity", 86400, ["TotalSteps", "Calories", "VeryActiveMinutes", "FairlyActiveMinutes",
                                            "LightlyActiveMinutes", "SedentaryMinutes"]),
        ("fitabase_daily_distance", 86400, ["TotalDistance", "TrackerDistance", "LoggedActivitiesDistance",
                                            "VeryActiveDistance", "ModeratelyActiveDistance", "LightActiveDistance",
                                            "SedentaryActiveDistance"])],
    "sleepDay": [("fitabase_sleep_day", 86400, ["TotalSleepRecords", "TotalMinutesAsleep", "TotalTimeInBed"])],
    "heartrate_seconds": [("heart_rate", 0, ["Value"])],
    "weightLogInfo": [("weight", 0, ["WeightKg"]), ("body_fat", 0, ["Fat"]), ("body_mass_index", 0, ["BMI"]),
                      ("fitabase_weight_log", 0, ["WeightPounds", "LogId"])],
}
LEVELS = ("sedentary", "light", "moderate", "vigorous")


def moment(text):
    form = "%m/%d/%Y %I:%M:%S %p" if " " in text else "%m/%d/%Y"
    return datetime.datetime.strptime(text, form)


MOMENTS = {}


def at_of(row):
    text = row.get("Time") or row.get("ActivityHour") or row.get("ActivityDate") or row.get("SleepDay") or row["Date"]
    if text not in MOMENTS:
        MOMENTS[text] = moment(text)
    return MOMENTS[text]


def expect(paths):
    rows = collections.defaultdict(dict)
    for path in paths:
        kind = os.path.basename(path).split("_merged")[0]
        for row in records(path):
            at = at_of(row)
            if kind in ("minuteStepsWide", "minuteIntensitiesWide"):
                is_steps = kind == "minuteStepsWide"
                for minute in range(60):
                    value = row[("Steps%02d" if is_steps else "Intensity%02d") % minute]
                    time = write(at + datetime.timedelta(minutes=minute))
                    rows["steps" if is_steps else "intensity"][row["Id"], time] = (
                        "60", float(value) if is_steps else LEVELS[int(value)], "")
                continue
            flags = "manual" if row.get("IsManualReport") == "True" else ""
            for metric, seconds, columns in NUMBERS[kind]:
                values = [row[column] for column in columns]
                if "" not in values:
                    rows[metric][row["Id"], write(at)] = (str(seconds or ""), *map(float, values), flags)
    return rows


def stored(store, metric, users):
    text = holter("query", store, "--metric", metric, "--user", "-", stdin="\n".join(users).encode()).decode()
    reader = csv.reader(io.StringIO(text))
    next(reader)
    rows = {}
    for row in reader:
        key = row[0], row[3]
        assert key not in rows
        values = row[5:-1] if metric == "intensity" else [float(v) for v in row[5:-1]]
        rows[key] = (row[4], *values, row[-1])
    return rows


def sums_check(minutes, hours, days):
    by_hour, by_day = collections.defaultdict(list), collections.defaultdict(list)
    for (user, time), (_, steps, _) in minutes.items():
        by_hour[user, time[:13]].append(steps)
        by_day[user, time[:10]].append(steps)
    of_hours = {(user, time[:13]): steps for (user, time), (_, steps, _) in hours.items()}
    both = [key for key in by_hour if key in of_hours]
    check(len(both) > 15000 and all(sum(by_hour[key]) == of_hours[key] for key in both),
          "steps: the minutes of each of %d hours sum up to hourlySteps" % len(both))
    of_days = {(user, time[:10]): row[1] for (user, time), row in days.items()}
    whole = [key for key, steps in by_day.items() if len(steps) == 1440 and key in of_days]
    exact = sum(sum(by_day[key]) == of_days[key] for key in whole)
    check((len(whole), exact) == (646, 540), "steps: of %d days with all minutes %d sum up to TotalSteps" %
          (len(whole), exact))


def main():
    paths = sorted(glob.glob(os.path.join(DATA, "fitbit-fitabase-2016", "*", "*.csv*")))
    if not paths:
        print("skip  real_fitabase.py: there are no data files in %s" % DATA)
        return 77
    expected = expect(paths)
    users = sorted({user for rows in expected.values() for user, _ in rows})
    total = sum(len(rows) for rows in expected.values())
    directory = tempfile.mkdtemp(prefix="holter-fitabase-")
    try:
        store = os.path.join(directory, "store")
        holter("init", store)
        first = json.loads(holter("import", store, "--format", "fitabase", "--json", *paths))
        print("      import of %d files: %s" % (len(paths), first))
        check(first["new"] == total and first["refused"] == 0, "%d samples are new, none is refused" % total)
        for again in (False, True):
            if again:
                second = json.loads(holter("import", store, "--format", "fitabase", "--json", *paths))
                check(second["new"] == 0, "again: none is new")
            found = {metric: stored(store, metric, users) for metric in expected}
            for metric in sorted(expected):
                check(found[metric] == expected[metric], "%s%s: the %d rows are Python's" %
                      ("again: " if again else "", metric, len(expected[metric])))
        sums_check(found["steps"], found["fitabase_hourly_steps"], found["fitabase_daily_activity"])
        holter("verify", store)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
