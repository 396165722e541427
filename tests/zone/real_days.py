#!/usr/bin/env python3
"""real_days.py -- Fitabase and COVID sets, read as if their wall clocks had hung in New York: each day is Python's.

    HOLTER=out/release/holter python3 tests/zone/real_days.py

Neither set tells its zone, both have rows where New York left an hour out or showed one twice (Fitabase: the vendor's hours
of 2016-03-13; COVID: three changes). The import's counts of ambiguous and missing times and, of each user, begin, end, count,
sum, min, max, first and last of every day are compared with what zoneinfo makes of the same files; of rows with one time the
last of the input stands. Without the files in ../shared/data, or where HOLTER_DATA says, this skips (code 77).
"""
import collections
import csv
import datetime
import glob
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zoneinfo

from days import FUNCTIONS, HOUR, Samples, check, compare_windows, day_begins, failures, holter, resolve, windows_of

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("HOLTER_DATA", os.path.join(HERE, "..", "..", "..", "shared", "data"))
ZONE = "America/New_York"
DURATIONS = {"steps": 60, "heart_rate": 0, "fitabase_hourly_steps": HOUR}


class Clock:
    """Wall clocks of one form to UTC, an hour asked once: no hour of this zone is cut by a change."""

    def __init__(self, form):
        self.form, self.hours = form, {}
        self.zone = zoneinfo.ZoneInfo(ZONE)

    def hour(self, text):
        """Seconds of the hour in which a time lies, and how often the clock showed it."""
        found = self.hours.get(text)
        if found is None:
            wall = datetime.datetime.strptime(text, self.form)
            found = resolve(wall, self.zone)
            last = resolve(wall + datetime.timedelta(minutes=59, seconds=59), self.zone)
            assert last == (found[0] + HOUR - 1, found[1])
            self.hours[text] = found
        return found


def lines_of(path):
    with subprocess.Popen(["zstd", "-dcf", path], stdout=subprocess.PIPE) as process:
        reader = csv.reader(io.TextIOWrapper(process.stdout, encoding="utf-8", newline=""))
        yield from reader


def fitabase(path):
    """(user, seconds, how, value) of a file of an export, in any of three forms."""
    clock = Clock("%m/%d/%Y %I %p")
    lines = lines_of(path)
    header = next(lines)
    wide = [column for column, name in enumerate(header) if name.startswith("Steps")]
    for line in lines:
        date, time, half = line[1].split(" ")
        hour, minute, second = time.split(":")
        begin, how = clock.hour("%s %s %s" % (date, hour, half))
        if wide:
            for row, column in enumerate(wide):
                yield line[0], begin + 60 * row, how, int(line[column])
        else:
            yield line[0], begin + int(minute) * 60 + int(second), how, int(line[2])


def covid(path):
    clock = Clock("%Y-%m-%d %H")
    lines = lines_of(path)
    header = next(lines)
    user, time = header.index("user"), header.index("datetime")
    for line in lines:
        text = line[time]
        begin, how = clock.hour(text[:13])
        yield line[user], begin + int(text[14:16]) * 60 + int(text[17:19]), how, int(line[-1])


def compare(store, metric, standing):
    """Every day of every user, beside Python's."""
    zone, duration, days = zoneinfo.ZoneInfo(ZONE), DURATIONS[metric], 0
    text = holter("aggregate", store, "--all", "--metric", metric, "--every", "1d", "--tz", ZONE, "--fn", ",".join(FUNCTIONS))
    header, *lines = text.splitlines(keepends=True)
    by_user = collections.defaultdict(list)
    for line in lines:
        by_user[line.split(",")[0]].append(line)
    check(set(by_user) == set(standing), "%s: all of %d users have days" % (metric, len(standing)))
    for user, rows in standing.items():
        samples = Samples([(time, 1, duration, value) for time, value in rows.items()])
        windows = windows_of("1d", day_begins(zone, samples.times[0], samples.ends[-1]), zone)
        days += compare_windows("%s of %s" % (metric, user), header + "".join(by_user[user]), zone, samples.windows(windows),
                                quiet=True)
        standing[user] = None
    return days


def run(store, name, metric, paths, read, *arguments):
    """Import files, and compare: the number of days."""
    standing, counts = collections.defaultdict(dict), collections.Counter()
    for path in paths:
        for user, seconds, how, value in read(path):
            counts[how] += 1
            standing[user][seconds] = value
    rows = sum(len(rows) for rows in standing.values())
    summary = json.loads(holter("import", store, "--tz", ZONE, "--json", *arguments, *paths))
    samples = summary["new"] + summary["duplicate"] + summary["corrected"]
    found = samples, summary["new"], summary["ambiguous"], summary["missing"], summary["refused"]
    wanted = sum(counts.values()), rows, counts["ambiguous"], counts["missing"], 0
    check(found == wanted, "%s, %s: of %d times %d stand, %d are ambiguous, %d missing" % (name, metric, *wanted[:4]))
    if found != wanted:
        print("      found %s" % (found,))
    days = compare(store, metric, standing)
    print("ok    %s, %s: %d days compared" % (name, metric, days))
    return days, counts


def main():
    fitabase_files = os.path.join(DATA, "fitbit-fitabase-2016", "*", "%s_merged.csv.zst")
    paths = {kind: sorted(glob.glob(fitabase_files % kind)) for kind in ("hourlySteps", "heartrate_seconds", "minuteStepsWide")}
    hearts = sorted(glob.glob(os.path.join(DATA, "fitbit-covid-2020", "*_hr.csv.zst")))
    steps = sorted(glob.glob(os.path.join(DATA, "fitbit-covid-2020", "*_steps*.csv.zst")))
    if not (all(paths.values()) and hearts and steps):
        print("skip  real_days.py: there are no data files in %s" % DATA)
        return 77
    csv_form = ["--format", "csv", "--time-format", "%Y-%m-%d %H:%M:%S"]
    sets = (
        ("Fitabase", "fitabase_hourly_steps", paths["hourlySteps"], fitabase, ("--format", "fitabase")),
        ("Fitabase", "heart_rate", paths["heartrate_seconds"], fitabase, ("--format", "fitabase")),
        ("Fitabase", "steps", paths["minuteStepsWide"], fitabase, ("--format", "fitabase")),
        ("COVID", "steps", steps, covid, (*csv_form, "--metric", "steps", "--duration", "60s", "--map",
                                          "user=user,time=datetime,value=steps")),
        ("COVID", "heart_rate", hearts, covid, (*csv_form, "--metric", "heart_rate", "--map",
                                                "user=user,time=datetime,value=heartrate")),
    )
    days, counts = 0, collections.Counter()
    for name, metric, files, read, arguments in sets:
        directory = tempfile.mkdtemp(prefix="holter-real-days-")
        try:
            store = os.path.join(directory, "store")
            holter("init", store)
            more, found = run(store, name, metric, files, read, *arguments)
            days += more
            counts.update(found)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    check(counts["missing"] > 0 and counts["ambiguous"] > 0, "of all times %d are ambiguous and %d missing" % (
        counts["ambiguous"], counts["missing"]))
    print("real_days: %d days of %d times compared with Python's, %d claims fail" % (
        days, sum(counts.values()), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
