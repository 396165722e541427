#!/usr/bin/env python3
"""real_welltory.py -- eleven publications of one data set, in any order, leave the content of the newest.

Each publication is the whole set again: rows are corrected, sessions of sleep come back under other begin times, users
vanish. What Python reads in the newest file of each kind is compared with what stands in the store: imported in order,
newest first, shuffled, again, and after an import that a signal stopped. Without the files this skips (code 77).
"""
import collections
import csv
import datetime
import glob
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from real_data import DATA, HOLTER, check, failures, holter

KINDS = ("heart_rate", "hrv_measurements", "sleep", "wearables", "blood_pressure")
DAY = {"average_spo2_value": "spo2", "body_temperature_avg": "body_temperature", "stand_hours_total": "stand_hours",
       "steps_count": "steps", "distance": "distance", "steps_speed": "steps_speed",
       "total_number_of_flights_climbed": "floors", "active_calories_burned": "active_energy",
       "basal_calories_burned": "basal_energy", "total_calories_burned": "total_energy",
       "average_headphone_exposure": "headphone_exposure", "average_environment_exposure": "environment_exposure"}
TIMES = ("meanrr", "mxdmn", "sdnn", "rmssd", "pnn50", "mode", "amo")
FREQUENCIES = ("lf", "hf", "vlf", "lfhf", "total_power")
INDEXES = ("functional_changes_index", "circulatory_efficiency", "kerdo_vegetation_index", "robinson_index")


def records(path):
    if path.endswith(".zst"):
        text = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    else:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    return list(csv.DictReader(io.StringIO(text)))


def moment(text):
    return datetime.datetime.fromisoformat("T".join(text.split()))


def write(at):
    text = at.isoformat(timespec="microseconds").rstrip("0").rstrip(".")
    return text + "Z"


class Expected(dict):
    """(metric, user, time): duration in seconds, flags, values -- the last of a file stands."""

    def put(self, metric, user, at, values, seconds="", flags=""):
        if "" in values and metric != "welltory_hrv_context":
            assert set(values) == {""}
            return
        numbers = tuple(v if metric == "welltory_hrv_context" or "-" in v[1:] else float(v) for v in values)
        self[metric, user, write(at)] = str(seconds), flags, numbers


def expect(newest):
    rows = Expected()
    for r in records(newest["heart_rate"]):
        rows.put("heart_rate", r["user_code"], moment(r["datetime"]), [r["heart_rate"]],
                 flags="bit8" if r["is_resting"] == "1" else "")
    for r in records(newest["hrv_measurements"]):
        user, at = r["user_code"], moment(r["measurement_datetime"])
        rows.put("welltory_hrv_time", user, at, [r["bpm"], *(r[c] for c in TIMES)])
        rows.put("welltory_hrv_frequency", user, at, [r[c] for c in FREQUENCIES])
        for what in ("feel", "mood", "sleep"):
            rows.put("welltory_how_" + what, user, at, [r["how_" + what]])
        rows.put("welltory_hrv_context", user, at, [r["rr_code"], r["time_of_day"], r["tags"]])
        for beat in r["rr_data"].split(","):
            at += datetime.timedelta(milliseconds=int(beat))
            rows.put("rr_interval", user, at, [beat])
    for r in records(newest["sleep"]):
        user, at = r["user_code"], moment(r["sleep_begin"])
        seconds = int((moment(r["sleep_end"]) - at).total_seconds())
        rows.put("welltory_sleep", user, at, [r["sleep_duration"], r["day"]], seconds)
        for stage in ("awake", "rem", "light", "deep"):
            rows.put("welltory_sleep_" + stage, user, at, [r["sleep_%s_duration" % stage]], seconds)
        rows.put("welltory_sleep_pulse", user, at, [r["pulse_min"], r["pulse_max"], r["pulse_average"]], seconds)
    for r in records(newest["wearables"]):
        user, at = r["user_code"], moment(r["day"])
        rows.put("resting_heart_rate", user, at, [r["resting_pulse"]])
        rows.put("welltory_day_pulse", user, at, [r["pulse_average"], r["pulse_min"], r["pulse_max"]], 86400)
        for column, name in DAY.items():
            rows.put("welltory_day_" + name, user, at, [r[column]], 86400)
    for r in records(newest["blood_pressure"]):
        user, at = r["user_code"], moment(r["measurement_datetime"])
        rows.put("blood_pressure", user, at, [r["systolic"], r["diastolic"]])
        for index in INDEXES:
            rows.put("welltory_" + index, user, at, [r[index]])
    return rows


def is_known(store, user):
    return subprocess.run([HOLTER, "query", store, "--metric", "heart_rate", "--user", user], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def stored(store, users):
    """What stands, also of users whom the newest files do not name."""
    users = NEWEST | {user for user in users if user not in NEWEST and is_known(store, user)}
    rows = {}
    for metric in sorted(METRICS):
        text = holter("query", store, "--metric", metric, "--user", "-", stdin="\n".join(sorted(users)).encode()).decode()
        reader = csv.reader(io.StringIO(text))
        header = next(reader)
        first = header.index("duration_s") + 1 if "duration_s" in header else header.index("duration") + 1
        for row in reader:
            values = row[first:header.index("flags")]
            key = metric, row[0], row[3]
            assert key not in rows
            numbers = tuple(v if metric == "welltory_hrv_context" or "-" in v[1:] else float(v) for v in values)
            flags = "|".join(f for f in row[header.index("flags")].split("|") if f != "out_of_range")
            rows[key] = row[first - 1], flags, numbers
    return rows


def main():
    folders = sorted(glob.glob(os.path.join(DATA, "welltory-covid-2020", "export-*")))
    if not folders:
        print("skip  real_welltory.py: there are no data files in %s" % DATA)
        return 77
    paths = [path for folder in folders for path in sorted(glob.glob(os.path.join(folder, "*.csv*")))]
    newest = {kind: [p for p in paths if os.path.basename(p).split(".")[0] == kind][-1] for kind in KINDS}
    users = sorted({r["user_code"] for path in paths for r in records(path)})
    expected = expect(newest)
    METRICS.update(metric for metric, _, _ in expected)
    NEWEST.update(user for _, user, _ in expected)
    check(len(users) > len(NEWEST), "%d of %d users are in older files only" % (len(users) - len(NEWEST), len(users)))
    counts = collections.Counter(metric for metric, _, _ in expected)
    print("      %d publications, %d files, %d users, %d samples of %d metrics" %
          (len(folders), len(paths), len(users), len(expected), len(counts)))

    shuffled = paths[:]
    random.Random(20200619).shuffle(shuffled)
    orders = {"in order": paths, "newest first": paths[::-1], "shuffled": shuffled}
    directory = tempfile.mkdtemp(prefix="holter-welltory-")
    try:
        for name, order in orders.items():
            store = os.path.join(directory, name.replace(" ", "-"))
            holter("init", store)
            if name == "shuffled":
                for path in order:
                    holter("import", store, "--format", "welltory", path)
            else:
                holter("import", store, "--format", "welltory", *order)
            found = stored(store, users)
            check(found == expected, "%s: the content is that of the newest file of each kind" % name)
            if found != expected:
                odd = [k for k in set(found) ^ set(expected)][:3]
                odd += [k for k in found if k in expected and found[k] != expected[k]][:3]
                print([(k[0], k[2], found.get(k), expected.get(k)) for k in odd])
            sessions = sum(metric == "welltory_sleep" for metric, _, _ in found)
            check(sessions == 425, "%s: 425 sessions of sleep stand" % name)
        holter("import", store, "--format", "welltory", *paths)
        check(stored(store, users) == expected, "again: the content is equal")
        holter("compact", store, "--to", "warm")
        check(stored(store, users) == expected, "compacted: the content is equal")
        holter("import", store, "--format", "welltory", *paths[::-1])
        check(stored(store, users) == expected, "again, compacted: the content is equal")

        store = os.path.join(directory, "stopped")
        holter("init", store)
        stops = 0
        for milliseconds in (20, 60, 150, 400):
            with subprocess.Popen([HOLTER, "import", store, "--format", "welltory", *paths], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as process:
                time.sleep(milliseconds / 1000)
                process.send_signal(signal.SIGTERM)
                stops += process.wait() != 0
        holter("import", store, "--format", "welltory", *paths)
        check(stops > 0 and stored(store, users) == expected, "stopped by a signal %d times and run again: the content is equal"
              % stops)
        holter("verify", store)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failures else 0


METRICS, NEWEST = set(), set()

if __name__ == "__main__":
    sys.exit(main())
