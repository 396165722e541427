#!/usr/bin/env python3
"""real_data.py -- all real heart-rate and minute-step files, imported twice, equal what a few lines of Python say.

The files are in ../shared/data beside the repository, or where HOLTER_DATA says; without them this skips (code 77).
Of rows with one identity (user, metric, time) in input order the last stands.
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

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("HOLTER_DATA", os.path.join(HERE, "..", "..", "..", "shared", "data"))
HOLTER = os.path.abspath(os.environ["HOLTER"])
MEMORY_MEBIBYTES_MAX = 512
FITABASE = "%m/%d/%Y %I:%M:%S %p"
COVID = "%Y-%m-%d %H:%M:%S"

failures = []


def check(fact, sentence):
    print("%s  %s" % ("ok  " if fact else "FAIL", sentence))
    if not fact:
        failures.append(sentence)


def rows_of(path):
    """(user, time, value) of a file, as text."""
    with subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE) as process:
        reader = csv.reader(io.TextIOWrapper(process.stdout, encoding="utf-8", newline=""))
        header = next(reader)
        user = header.index("Id" if "Id" in header else "user")
        time = header.index("Time" if "Time" in header else "datetime")
        value = len(header) - 1
        for row in reader:
            yield row[user], row[time], int(row[value])


def seconds_of_fitabase(text):
    date, clock, half = text.split(" ")
    month, day, year = map(int, date.split("/"))
    hour, minute, second = map(int, clock.split(":"))
    hour = hour % 12 + (12 if half == "PM" else 0)
    return datetime.date(year, month, day).toordinal() * 86400 + hour * 3600 + minute * 60 + second


def seconds_of_covid(text):
    day = datetime.date.fromisoformat(text[:10]).toordinal()
    return day * 86400 + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])


class Expected:
    """What stands after an import of groups of files, and how often a row repeats or corrects another."""

    def __init__(self, groups):
        self.rows = self.equal = self.different = 0
        self.times_with_different = set()
        self.last = {}
        for paths, seconds_of in groups:
            for path in paths:
                for user, time, value in rows_of(path):
                    self.rows += 1
                    key = user, seconds_of(time)
                    before = self.last.get(key)
                    if before is None:
                        pass
                    elif before == value:
                        self.equal += 1
                    else:
                        self.different += 1
                        self.times_with_different.add(key)
                    self.last[key] = value

    def sums(self):
        sums = collections.defaultdict(lambda: [0, 0])
        for (user, _), value in self.last.items():
            sums[user][0] += 1
            sums[user][1] += value
        return {user: tuple(pair) for user, pair in sums.items()}


    def days(self):
        """(user, day) -> count, sum, min, max"""
        days = {}
        for (user, seconds), value in self.last.items():
            count, total, least, greatest = days.get((user, seconds // 86400), (0, 0, value, value))
            days[user, seconds // 86400] = count + 1, total + value, min(least, value), max(greatest, value)
        return days


def holter(*arguments, stdin=None):
    peak = [sys.executable, os.path.join(HERE, "peak.py"), str(MEMORY_MEBIBYTES_MAX)]
    done = subprocess.run([*peak, HOLTER, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode != 0:
        print("holter %s: %s" % (arguments[0], done.stderr.decode()))
        sys.exit(1)
    return done.stdout


def import_all(store, metric, groups):
    total = collections.Counter()
    for paths, user, time, value, time_format in groups:
        more = ["--duration", "60s"] if metric == "steps" else []
        out = holter("import", store, "--format", "csv", "--metric", metric, "--map",
                     "user=%s,time=%s,value=%s" % (user, time, value), "--time-format", time_format, "--json", *more,
                     *paths)
        total.update(json.loads(out))
    print("      import of %s: %s" % (metric, dict(total)))
    return total


def stored_rows(store, metric, users):
    text = holter("query", store, "--metric", metric, "--user", "-", stdin="\n".join(users).encode())
    return text


def sums_of(text):
    sums = collections.defaultdict(lambda: [0, 0])
    for line in io.TextIOWrapper(io.BytesIO(text), encoding="utf-8"):
        part = line.split(",")
        if part[0] == "user":
            continue
        sums[part[0]][0] += 1
        sums[part[0]][1] += int(part[5])
    return {user: tuple(pair) for user, pair in sums.items()}


def stored_days(store, metric):
    """What `aggregate --every 1d` says of every user, as Expected.days does."""
    text = holter("aggregate", store, "--all", "--metric", metric, "--every", "1d", "--fn", "count,sum,min,max")
    days = {}
    for row in csv.DictReader(io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="")):
        day = datetime.date.fromisoformat(row["start"][:10]).toordinal()
        days[row["user"], day] = tuple(int(row[name]) for name in ("count", "sum", "min", "max"))
    return days


def main():
    old = glob.glob(os.path.join(DATA, "fitbit-fitabase-2016", "*3.12.16*", "heartrate_seconds_merged.csv.zst"))
    new = glob.glob(os.path.join(DATA, "fitbit-fitabase-2016", "*4.12.16*", "heartrate_seconds_merged.csv.zst"))
    hearts = sorted(glob.glob(os.path.join(DATA, "fitbit-covid-2020", "*_hr.csv.zst")))
    steps = sorted(glob.glob(os.path.join(DATA, "fitbit-covid-2020", "*_steps*.csv.zst")))
    if not (old and new and hearts and steps):
        print("skip  real_data.py: there are no data files in %s" % DATA)
        return 77

    files = {
        "heart_rate": [(old + new, "Id", "Time", "Value", FITABASE),
                       (hearts, "user", "datetime", "heartrate", COVID)],
        "steps": [(steps, "user", "datetime", "steps", COVID)],
    }
    readers = {FITABASE: seconds_of_fitabase, COVID: seconds_of_covid}
    directory = tempfile.mkdtemp(prefix="holter-real-")
    try:
        store = os.path.join(directory, "store")
        holter("init", store)
        for metric, groups in files.items():
            expected = Expected([(paths, readers[time_format]) for paths, _, _, _, time_format in groups])
            sums = expected.sums()
            users = sorted(sums)

            first = import_all(store, metric, groups)
            check(first["rows"] == expected.rows, "%s: %d rows were read" % (metric, expected.rows))
            check(first["new"] == len(expected.last), "%s: %d are new" % (metric, len(expected.last)))
            check(first["duplicate"] == expected.equal, "%s: %d are duplicates" % (metric, expected.equal))
            check(first["corrected"] == expected.different, "%s: %d are corrections" % (metric, expected.different))
            check(first["refused"] == first["superseded"] == first["not_stored"] == 0, "%s: none is refused" % metric)
            before = stored_rows(store, metric, users)
            check(sums_of(before) == sums, "%s: count and sum of each of %d users are Python's" % (metric, len(sums)))

            days = expected.days()
            check(stored_days(store, metric) == days, "%s: count, sum, min, max of each of %d days are Python's"
                  % (metric, len(days)))

            second = import_all(store, metric, groups)
            differing = len(expected.times_with_different)
            check(second["new"] == 0, "%s: again: none is new" % metric)
            check(differing <= second["corrected"] <= 2 * differing,
                  "%s: again: only the %d times that the files give twice are corrected" % (metric, differing))
            check(second["duplicate"] + second["corrected"] == expected.rows, "%s: again: all others are duplicates"
                  % metric)
            check(stored_rows(store, metric, users) == before, "%s: again: the content is equal" % metric)

            holter("compact", store, "--to", "warm")
            check(stored_rows(store, metric, users) == before, "%s: compacted: the content is equal" % metric)
            check(stored_days(store, metric) == days, "%s: compacted: its days are equal" % metric)
        overlap = Expected([(old + new, seconds_of_fitabase)])
        check(overlap.equal == 1531, "the two Fitabase exports overlap in 1,531 rows")
        holter("verify", store)
        check(True, "it verifies, and no command took more than %d MiB" % MEMORY_MEBIBYTES_MAX)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
