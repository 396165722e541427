#!/usr/bin/env python3
"""real_sets.py -- other real sets by plain mapping alone, each answer beside Python's.

Sleep stages by name with durations, glucose in a fixed offset, a watch's accelerometer with repeated milliseconds, an
ECG written out as CSV. Of rows with one identity the last stands. Without the files this skips (code 77).
"""
import csv
import datetime
import glob
import io
import os
import shutil
import subprocess
import sys
import tempfile

from real_data import DATA, check, failures, holter

EST = datetime.timezone(datetime.timedelta(hours=-5))
ECG_HZ = 360


def records(path):
    text = subprocess.run(["zstd", "-dcf", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    return csv.DictReader(io.StringIO(text))


def write(moment):
    text = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".") + "Z"


def utc(text, zone=datetime.timezone.utc):
    return write(datetime.datetime.fromisoformat(text).replace(tzinfo=zone))


def stored(store, metric, users):
    text = holter("query", store, "--metric", metric, "--user", "-", stdin="\n".join(users).encode()).decode()
    reader = csv.reader(io.StringIO(text))
    next(reader)
    return {(row[0], row[3]): tuple(row[4:-1]) for row in reader}


def import_and_check(store, metric, expected, *arguments):
    holter("import", store, "--format", "csv", "--metric", metric, *arguments)
    found = stored(store, metric, sorted({user for user, _ in expected}))
    number = metric != "sleep_stage"
    if number:
        found = {key: tuple(float(v) for v in row[1:]) for key, row in found.items()}
    check(found == expected, "%s: the %d rows are Python's" % (metric, len(expected)))


def sleep(store):
    paths = glob.glob(os.path.join(DATA, "fitbit-covid-2020", "*_sleep.csv.zst"))
    expected = {}
    for path in paths:
        for row in records(path):
            expected[row["user"], utc(row["datetime"])] = row["stage_duration"], row["stage"]
    import_and_check(store, "sleep_stage", expected, "--map",
                     "user=user,time=datetime,duration=stage_duration,value=stage", "--time-format", "%F %T", *paths)


def glucose(store):
    path = os.path.join(DATA, "cgm-hall-2018", "example_data_hall.csv.zst")
    expected = {(row["id"], utc(row["time"], EST)): (float(row["gl"]),) for row in records(path)}
    import_and_check(store, "glucose", expected, "--map", "user=id,time=time,value=gl", "--time-format", "%F %T",
                     "--tz", "-05:00", path)


def acceleration(store):
    paths = sorted(glob.glob(os.path.join(DATA, "imu-spsw-2023", "s01_*_sw.csv")))
    expected = {}
    repeated = 0
    for path in paths:
        for row in records(path):
            moment = datetime.datetime.fromtimestamp(int(row["timestamp"]) // 1000, datetime.timezone.utc)
            moment += datetime.timedelta(milliseconds=int(row["timestamp"]) % 1000)
            repeated += ("s01", write(moment)) in expected
            expected["s01", write(moment)] = tuple(float(row[c + "_acc"]) for c in "xyz")
    check(repeated > 0, "acceleration: %d rows repeat a millisecond" % repeated)
    user = os.path.join(os.path.dirname(store), "user.txt")
    with open(user, "w", encoding="utf-8") as file:
        file.write("s01\n")
    import_and_check(store, "acceleration", expected, "--map", "time=timestamp,value.x=x_acc,value.y=y_acc,value.z=z_acc",
                     "--time-format", "unix_ms", "--user", "@" + user, *paths)


def ecg(store):
    with open(os.path.join(DATA, "ecg-mitbih-100", "100.dat"), "rb") as file:
        packed = file.read()
    expected, path = {}, os.path.join(os.path.dirname(store), "ecg.csv")
    with open(path, "w", encoding="utf-8") as out:
        out.write("record,at,MLII\n")
        for i in range(len(packed) // 3):
            low, mixed = packed[3 * i], packed[3 * i + 1]
            sample = low | (mixed & 15) << 8
            sample -= 4096 if sample > 2047 else 0
            microvolts = (sample - 1024) * 5  # 200 units a millivolt
            # Exact to the nanosecond: 360 do not divide a second.
            nanoseconds = i * 1000000000 // ECG_HZ
            out.write("100,%d,%d\n" % (nanoseconds, microvolts))
            seconds, fraction = divmod(nanoseconds, 1000000000)
            time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%FT%T")
            expected["100", (time + ".%09d" % fraction).rstrip("0").rstrip(".") + "Z"] = (float(microvolts),)
    import_and_check(store, "ecg", expected, "--map", "user=record,time=at,value=MLII", "--time-format", "unix_ns", path)


def main():
    if not os.path.exists(os.path.join(DATA, "cgm-hall-2018")):
        print("skip  real_sets.py: there are no data files in %s" % DATA)
        return 77
    directory = tempfile.mkdtemp(prefix="holter-sets-")
    try:
        store = os.path.join(directory, "store")
        holter("init", store)
        for part in (sleep, glucose, acceleration, ecg):
            part(store)
        holter("verify", store)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
