#!/usr/bin/env python3
"""days.py -- local days, and times of wall clocks, of a simulated user in each of five zones, beside Python's zoneinfo.

    HOLTER=out/release/holter python3 tests/zone/days.py

Claims, for a year in each zone that holds all its changes of clock (Apia: 2011, which has no 30 December):
 1. `aggregate --tz ZONE` answers for each day, week, month, quarter and year, and each hour and six hours of a day, what Python
    makes of the delivered CSV: begin, end, count, sum (intervals cut at the edges), mean, min, max, first, last; no window is
    missing or too many. A sample's day is the date that zoneinfo shows at its time.
 2. `import --tz ZONE` of times without an offset puts each where zoneinfo does with fold=0, and counts as many ambiguous and
    missing ones: missing where the way to UTC and back changes it, ambiguous where else fold=0 and fold=1 differ (PEP 495).

The days that matter (of 23, 23.5, 24.5, 25 h; the one left out) are told at the end, and that they were there is a claim too.
"""
import bisect
import collections
import csv
import datetime
import fractions
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zoneinfo

HOLTER = os.path.abspath(os.environ["HOLTER"])
DAY, HOUR = 86400, 3600
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)
FUNCTIONS = ("count", "sum", "mean", "min", "max", "first", "last")
# Zone, first day of its year, seed of a person with watch, phone, nights and SpO2; hours of the days that are not of 24.
ZONES = (
    ("America/New_York", "2021-01-01", 6, {23: 1, 25: 1}),
    ("Australia/Lord_Howe", "2021-01-01", 11, {23.5: 1, 24.5: 1}),
    ("Asia/Kathmandu", "2021-01-01", 19, {}),
    ("Asia/Kolkata", "2021-01-01", 27, {}),
    ("Pacific/Apia", "2011-01-01", 33, {23: 1, 25: 1}),
)
PERSON = "sim-0000001"
failures = []


def check(fact, sentence):
    print("%s  %s" % ("ok  " if fact else "FAIL", sentence), flush=True)
    if not fact:
        failures.append(sentence)


def holter(*arguments):
    done = subprocess.run([HOLTER, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode != 0:
        sys.exit("days: holter %s: %s" % (arguments[0], done.stderr.decode()))
    return done.stdout.decode()


# ---- what Python says of a zone

def at(seconds, zone):
    return datetime.datetime.fromtimestamp(seconds, zone)


def day_begins(zone, first, last):
    """The first second of each local date from the one of `first` to the one after that of `last`, found by looking."""
    begins = []
    date = at(first - 2 * DAY, zone).date()
    for seconds in range(first - 2 * DAY, last + 2 * DAY, 6 * HOUR):  # no day of these zones is as short
        found = at(seconds, zone).date()
        if found != date:
            low, high = seconds - 6 * HOUR, seconds
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if at(middle, zone).date() == date else (low, middle)
            begins.append(high)
            date = found
    since = max(bisect.bisect_right(begins, first) - 1, 0)
    return begins[since:bisect.bisect_right(begins, last) + 1]


def windows_of(every, begins, zone):
    """The windows [begin, end) of the days that begin at begins[:-1]; those of weeks and longer at the ends may be short."""
    if isinstance(every, int):
        return [(low, min(low + every, end)) for begin, end in zip(begins, begins[1:]) for low in range(begin, end, every)]
    key = {
        "1d": lambda date: date,
        "1w": lambda date: date.isocalendar()[:2],
        "1mo": lambda date: (date.year, date.month),
        "1q": lambda date: (date.year, (date.month - 1) // 3),
        "1y": lambda date: date.year,
    }[every]
    edges = [begins[0]]
    for begin, before in zip(begins[1:-1], begins):
        if key(at(begin, zone).date()) != key(at(before, zone).date()):
            edges.append(begin)
    edges.append(begins[-1])
    return list(zip(edges, edges[1:]))


def resolve(wall, zone):
    """Seconds in UTC of a wall clock's time, and whether it is 'once', 'ambiguous' or 'missing'."""
    first = wall.replace(tzinfo=zone, fold=0)
    offset = first.utcoffset()
    seconds = (wall - EPOCH - offset) // datetime.timedelta(seconds=1)
    if at(seconds, zone).replace(tzinfo=None, fold=0) != wall:
        return seconds, "missing"
    return seconds, "once" if first.replace(fold=1).utcoffset() == offset else "ambiguous"


# ---- what it says of samples

class Samples:
    """Rows that stand, (time, rank of the source, duration, value), rising; in columns."""

    def __init__(self, rows):
        rows = sorted(rows)
        self.times = [row[0] for row in rows]
        self.ends = [row[0] + row[2] for row in rows]
        self.values = [row[3] for row in rows]

    def share(self, row, begin, end):
        """Of a row's value, what lies in [begin, end)."""
        within = min(self.ends[row], end) - max(self.times[row], begin)
        return fractions.Fraction(self.values[row] * within, self.ends[row] - self.times[row])

    def windows(self, windows):
        """(begin, end, {function: value}) of those windows in which there is something, as FUNCTIONS."""
        over = [row for row, end in enumerate(self.ends) if self.times[row] < windows[0][0] < end]
        for begin, end in windows:
            low, high = bisect.bisect_left(self.times, begin), bisect.bisect_left(self.times, end)
            values = self.values[low:high]
            if not values and not over:
                continue
            total = sum(values) + sum(self.share(row, begin, end) for row in over)
            over = [row for row in over if self.ends[row] > end]
            if values and max(self.ends[low:high]) > end:
                for row in range(low, high):
                    if self.ends[row] > end:
                        total += self.share(row, begin, end) - self.values[row]
                        over.append(row)
            found = dict.fromkeys(FUNCTIONS)
            found.update(count=len(values), sum=total)
            if values:
                found.update(mean=fractions.Fraction(sum(values), len(values)), min=min(values), max=max(values),
                             first=values[0], last=values[-1])
            yield begin, end, found


def is_equal(text, value):
    """A sum or a value is told exactly where it is whole, and else rounded once."""
    if value is None or text == "":
        return value is None and text == ""
    if isinstance(value, fractions.Fraction) and value.denominator != 1:
        return float(text) == float(value)
    return fractions.Fraction(text) == value if "." in text else int(text) == value


def compare_windows(what, text, zone, expected, quiet=False):
    """The tool's CSV against what Samples.windows made; the number of windows. Quiet: say so only where they differ."""
    rows = list(csv.DictReader(io.StringIO(text)))
    expected = list(expected)
    different = []
    if len(rows) != len(expected):
        different.append("%d windows, expected %d" % (len(rows), len(expected)))
    for row, (begin, end, values) in zip(rows, expected):
        times = at(begin, zone).isoformat(), at(end, zone).isoformat()
        if (row["start"], row["end"]) != times:
            different.append("%s .. %s, expected %s .. %s" % (row["start"], row["end"], *times))
            break
        different += ["%s: %s is %s, expected %s" % (row["start"], name, row[name], values[name])
                      for name in FUNCTIONS if name in row and not is_equal(row[name], values[name])]
    for sentence in different[:5]:
        print("      " + sentence)
    if different or not quiet:
        check(not different, "%s: %d windows are Python's" % (what, len(expected)))
    return len(expected)


# ---- a person's year

def delivered(arguments):
    """What `simulate` prints, as (metric, source): what stands of it, time: (duration, value)."""
    standing, corrected, hours = collections.defaultdict(dict), {}, {}
    seconds_of = {"%02d:%02d" % (minute, second): 60 * minute + second for minute in range(60) for second in range(60)}
    with subprocess.Popen([HOLTER, *arguments], stdout=subprocess.PIPE, encoding="ascii") as process:
        next(process.stdout)
        for line in process.stdout:
            _, metric, source, time, duration, value, revision = line.split(",")
            hour = hours.get(time[:13])
            if hour is None:
                hour = hours[time[:13]] = (datetime.datetime.fromisoformat(time[:13]) - EPOCH) // datetime.timedelta(seconds=1)
            assert len(time) == 20
            seconds = hour + seconds_of[time[14:19]]
            if revision != "0\n" or corrected:
                key = metric, source, seconds
                if corrected.get(key, 0) > int(revision):
                    continue
                if revision != "0\n":
                    corrected[key] = int(revision)
            standing[metric, source][seconds] = int(duration or 0), value
    if process.returncode != 0:
        sys.exit("days: holter simulate ends with %d" % process.returncode)
    return standing


class Person:
    """A simulated year in a zone, in a store that `simulate` wrote and as the CSV that it prints."""

    def __init__(self, directory, name, first_day, seed):
        self.name, self.zone, self.directory = name, zoneinfo.ZoneInfo(name), directory
        begin = datetime.date.fromisoformat(first_day)
        self.random = random.Random(seed)
        self.store = os.path.join(directory, "store")
        holter("init", self.store)
        cohort = ["simulate", "--users", "1", "--seed", str(seed), "--days", "369", "--from",
                  str(begin - datetime.timedelta(days=2)), "--metric", "steps,spo2"]
        self.standing = delivered(cohort)
        holter(*cohort, "--store", self.store)
        self.run("compact", "--to", "warm")  # what is imported later stays in the logs
        sources = csv.DictReader(io.StringIO(self.run("sources", "--user", self.user_file(PERSON))))
        self.rank = {row["name"]: int(row["number"]) for row in sources}
        self.steps = self.samples("steps")
        self.begins = day_begins(self.zone, self.steps.times[0], self.steps.times[-1] + DAY)
        self.far = day_begins(self.zone, self.begins[0] - 400 * DAY, self.begins[-1] + 400 * DAY)
        self.year = [begin for begin in self.begins if at(begin, self.zone).year == int(first_day[:4])]
        self.windows = 0

    def user_file(self, user):
        path = os.path.join(self.directory, user + ".id")
        with open(path, "w", encoding="utf-8") as file:
            file.write(user + "\n")
        return "@" + path

    def run(self, verb, *arguments):
        return holter(verb, self.store, *arguments)

    def samples(self, metric, read=int):
        return Samples([(time, rank, duration, read(value)) for source, rank in self.rank.items()
                        for time, (duration, value) in self.standing.get((metric, source), {}).items()])

    def compare(self, user, metric, samples, every, functions=FUNCTIONS, bounds=None):
        windows = windows_of(every, self.begins, self.zone)
        more = []
        if bounds is not None:
            more = ["--from", str(at(bounds[0], self.zone).date()), "--to", str(at(bounds[1], self.zone).date())]
            windows = [(max(begin, bounds[0]), min(end, bounds[1])) for begin, end in windows
                       if begin < bounds[1] and end > bounds[0]]
        width = "%ds" % every if isinstance(every, int) else every
        text = self.run("aggregate", "--user", self.user_file(user), "--metric", metric, "--every", width, "--tz", self.name,
                        "--fn", ",".join(functions), *more)
        if bounds is None and every in ("1w", "1mo", "1q", "1y"):
            windows = self.widened(every, windows)
        self.windows += compare_windows("%s, %s of %s by %s%s" % (self.name, metric, user, width, " of a year" * bool(bounds)),
                                        text, self.zone, samples.windows(windows))

    def widened(self, every, windows):
        """Weeks and longer at the ends, as whole as the calendar has them."""
        return [window for window in windows_of(every, self.far, self.zone)
                if window[0] < windows[-1][1] and window[1] > windows[0][0]]

    def check_days(self, odd):
        """The days of the year are those that the calendar of this zone is known for."""
        lengths = collections.Counter((end - begin) / HOUR for begin, end in zip(self.year, self.year[1:]))
        whole = lengths.pop(24)
        dates = {at(begin, self.zone).date() for begin in self.year}
        check(lengths == odd, "%s: the year has %d days of 24 h, and %s" % (
            self.name, whole, ", ".join("%d of %g h" % (n, hours) for hours, n in sorted(lengths.items())) or "no others"))
        if self.name == "Pacific/Apia":
            check(datetime.date(2011, 12, 30) not in dates and len(dates) == 364, "%s: 2011-12-30 is no day of it" % self.name)

    def check_left_out(self):
        """A date that is left out begins where the next one does."""
        def days(*bounds):
            text = self.run("aggregate", "--user", self.user_file(PERSON), "--metric", "steps", "--every", "1d", "--tz",
                            self.name, "--fn", "count", "--from", bounds[0], "--to", bounds[1])
            return [(row["start"], row["end"]) for row in csv.DictReader(io.StringIO(text))]
        check(days("2011-12-30", "2011-12-31") == [], "%s: nothing is from 2011-12-30 to 2011-12-31" % self.name)
        check(days("2011-12-29", "2011-12-31") == [("2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00")],
              "%s: from 2011-12-29 to 2011-12-31 is one day" % self.name)

    def check_dates(self):
        """Each sample's own date, asked one by one, against the count of its day."""
        zone, date_of = self.zone, datetime.datetime.fromtimestamp
        counts = collections.Counter(date_of(time, zone).date() for time in self.steps.times)
        counts = {str(date): count for date, count in counts.items()}
        text = self.run("aggregate", "--user", self.user_file(PERSON), "--metric", "steps", "--every", "1d", "--tz", self.name,
                        "--fn", "count")
        rows = csv.DictReader(io.StringIO(text))
        found = {row["start"][:10]: int(row["count"]) for row in rows}
        check(found == counts, "%s: each of %d samples is counted on the date that zoneinfo shows" % (
            self.name, len(self.steps.times)))
        edges = [str(at(begin, zone).date()) for begin in self.year]
        check(all(day in counts for day in edges), "%s: there are samples on each of %d days" % (self.name, len(edges)))

    # -- intervals of any length, so that most edges cut one

    def uneven(self):
        """The watch's minutes, drawn together to intervals of 1 to 300 minutes that begin at any second."""
        samples, rows = self.steps, []
        row, until = 0, 0
        while row < len(samples.times):
            time = max(samples.times[row] + self.random.randrange(60), until)
            until = time + self.random.choice((60, 420, 1000, 3600, 7777, 18000)) + self.random.randrange(60)
            after = bisect.bisect_left(samples.times, until)
            rows.append((time, 1, until - time, sum(samples.values[row:after])))
            row = max(after, row + 1)
        return rows

    def check_uneven(self):
        rows = self.uneven()
        path = os.path.join(self.directory, "uneven.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("time,seconds,steps\n")
            file.writelines("%d,%d,%d\n" % (time, duration, value) for time, _, duration, value in rows)
        self.run("import", "--format", "csv", "--metric", "steps", "--user", self.user_file("uneven"), "--map",
                 "time=time,duration=seconds,value=steps", "--time-format", "unix_s", path)
        samples = Samples(rows)
        edges = {begin for begin in self.begins}
        cut = sum(bisect.bisect_right(self.begins, time) != bisect.bisect_left(self.begins, time + duration)
                  for time, _, duration, _ in rows)
        check(cut > len(edges) // 3, "%s: %d intervals lie over an edge of %d days" % (self.name, cut, len(edges)))
        for every in ("1d", "1w", "1mo", HOUR):
            self.compare("uneven", "steps", samples, every)
        bounds = self.year[40], self.year[-30]
        for every in ("1d", "1w", "1q", 6 * HOUR):
            self.compare("uneven", "steps", samples, every, bounds=bounds)

    # -- wall clocks

    def near_changes(self):
        """Stretches of three days around each day that is not of 24 hours or comes before a gap of dates."""
        near = []
        for begin, end in zip(self.begins, self.begins[1:]):
            skips = (at(end, self.zone).date() - at(begin, self.zone).date()).days > 1
            if end - begin != DAY or skips:
                near.append((begin - DAY, end + DAY))
        return near

    def check_wall(self, user, walls, least_ambiguous, least_missing):
        """Import (wall clock, value) pairs as `user`; the counts and each time are zoneinfo's."""
        path = os.path.join(self.directory, user + ".csv")
        expected, counts = {}, collections.Counter()
        with open(path, "w", encoding="utf-8") as file:
            file.write("when,steps\n")
            for wall, value in walls:
                file.write("%s,%d\n" % (wall.isoformat(" "), value))
                seconds, how = resolve(wall, self.zone)
                counts[how] += 1
                expected[seconds] = value
        summary = self.run("import", "--format", "csv", "--metric", "steps", "--duration", "60s", "--tz", self.name, "--user",
                           self.user_file(user), "--map", "time=when,value=steps", "--time-format", "%Y-%m-%d %H:%M:%S",
                           "--json", path)
        summary = json.loads(summary)
        found = {name: summary[name] for name in ("rows", "new", "ambiguous", "missing", "refused")}
        wanted = {"rows": len(walls), "new": len(expected), "ambiguous": counts["ambiguous"], "missing": counts["missing"],
                  "refused": 0}
        check(found == wanted, "%s, wall clock '%s': of %d times %d are ambiguous, %d missing, %d stand" % (
            self.name, user, len(walls), counts["ambiguous"], counts["missing"], len(expected)))
        if found != wanted:
            print("      found %s" % found)
        check(counts["ambiguous"] >= least_ambiguous and counts["missing"] >= least_missing,
              "%s, wall clock '%s': at least %d are ambiguous, %d missing" % (
                  self.name, user, least_ambiguous, least_missing))
        rows = csv.reader(io.StringIO(self.run("query", "--user", self.user_file(user), "--metric", "steps")))
        next(rows)
        stored = {row[3]: int(row[5]) for row in rows}
        zulu = {at(seconds, UTC).replace(tzinfo=None).isoformat() + "Z": value for seconds, value in expected.items()}
        check(stored == zulu, "%s, wall clock '%s': each of %d times is where zoneinfo has it" % (
            self.name, user, len(expected)))
        samples = Samples([(seconds, 1, 60, value) for seconds, value in expected.items()])
        self.compare(user, "steps", samples, "1d")

    def check_walls(self, odd):
        """What a clock on the wall here showed, and a clock that knew of no change: each minute near them, else every 61st."""
        near = self.near_changes()
        minutes = sorted((time, int(value)) for time, (_, value) in self.standing["steps", "watch"].items())
        chosen = [(time, value) for row, (time, value) in enumerate(minutes)
                  if row % 61 == 0 or any(begin <= time < end for begin, end in near)]
        shown = [(at(time, self.zone).replace(tzinfo=None, fold=0), value) for time, value in chosen]
        # An hour is shown twice, and the samples of both runs are there: twice 50 minutes at least, of half an hour twice 25.
        put_back = 60 * sum(hours - 24 for hours in odd if hours > 24)
        put_forward = 60 * sum(24 - hours for hours in odd if hours < 24)
        self.check_wall("shown", shown, 2 * put_back * 5 // 6, 0)
        # The digits of UTC read as wall clock; near changes the days are moved there, so that every minute of them is a time.
        shift = self.zone.utcoffset(at(self.year[0], self.zone).replace(tzinfo=None))
        shift_s = shift // datetime.timedelta(seconds=1)
        near = [(begin + shift_s, end + shift_s) for begin, end in near]
        digits = [(EPOCH + datetime.timedelta(seconds=time), value) for row, (time, value) in enumerate(minutes)
                  if row % 61 == 0 or any(begin <= time < end for begin, end in near)]
        if self.name == "Pacific/Apia":
            put_forward += 24 * 60
        self.check_wall("digits", digits, put_back * 5 // 6, put_forward * 5 // 6)


def main():
    windows = 0
    for name, first_day, seed, odd in ZONES:
        directory = tempfile.mkdtemp(prefix="holter-days-")
        try:
            person = Person(directory, name, first_day, seed)
            person.check_days(odd)
            person.check_dates()
            if name == "Pacific/Apia":
                person.check_left_out()
            for every in ("1d", "1w", "1mo", "1q", "1y", HOUR, 6 * HOUR):
                person.compare(PERSON, "steps", person.steps, every)
            oxygen = person.samples("spo2", fractions.Fraction)
            for every in ("1d", "1w", 6 * HOUR):
                person.compare(PERSON, "spo2", oxygen, every)
            person.check_uneven()
            person.check_walls(odd)
            windows += person.windows
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    print("days: %d windows of %d zones compared with Python's, %d claims fail" % (windows, len(ZONES), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
