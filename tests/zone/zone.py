#!/usr/bin/env python3
"""Every zone of the system, compared with Python's zoneinfo, which reads the same files with code of its own.

    PROGRAM=out/release/tests/zone/zone_answers python3 tests/zone/zone.py [ZONE ..]

 1. Offsets at each change from 1900 to 2100, one second before and one after, and half way to the next.
 2. Wall clocks at both sides of each change, +-1 s and in its middle: the instant of fold=0, and whether the time is shown
    once, twice or never, which is what the offsets of fold=0 and fold=1 tell (PEP 495).
 3. Days around each change of every zone, and all days, weeks, months, quarters, years and windows of 1 and 6 hours of the
    years in YEARS: a day's begin is the least instant that shows its date, among all that could be, tried one by one.
"""
import datetime
import os
import subprocess
import sys
import zoneinfo
from zoneinfo._zoneinfo import ZoneInfo as PlainZone  # the one in Python, which tells the changes that it read

PROGRAM = os.environ.get("PROGRAM", "out/release/tests/zone/zone_answers")
EPOCH = datetime.datetime(1970, 1, 1)
FROM, TO = -2208988800, 4102444800  # 1900, 2100
DAY = 86400
ONCE, TWICE, NEVER = 1, 2, 3
FIXED, DAYS, WEEKS, MONTHS, QUARTERS, YEAR = range(6)

# What is odd there: a date left out, changes of half an hour, offsets of 45 and 30 minutes, changes at midnight, at 00:01, for
# a month of the year, below zero in winter, of two hours.
YEARS = {
    "America/New_York": (1918, 2016, 2021), "Pacific/Apia": (1892, 2011, 2012), "Pacific/Kwajalein": (1969, 1993),
    "Australia/Lord_Howe": (1981, 2021), "Asia/Kathmandu": (1986, 2021), "Asia/Kolkata": (1941, 2021),
    "America/Sao_Paulo": (1985, 2017, 2018), "Asia/Beirut": (2021, 2023), "America/St_Johns": (1988, 2006, 2011),
    "Africa/Casablanca": (2021, 2050), "Europe/Dublin": (1968, 2021, 2080), "Antarctica/Troll": (2004, 2021, 2060),
    "America/Havana": (2021,), "Asia/Gaza": (2021, 2070), "America/Nuuk": (2023, 2024, 2040), "Africa/Cairo": (2014, 2024),
    "Asia/Manila": (1899, 1900), "America/Juneau": (1983,), "Africa/Monrovia": (1972,), "Europe/Amsterdam": (1937,),
    "UTC": (2021,), "Etc/GMT+12": (2021,), "Pacific/Kiritimati": (1994, 1995),
}


def naive(seconds):
    return EPOCH + datetime.timedelta(seconds=seconds)


def offset_of(zone, time):
    return int(zone.utcoffset(zone.fromutc(naive(time).replace(tzinfo=zone))).total_seconds())


def wall_offset(zone, wall, fold):
    return int(naive(wall).replace(tzinfo=zone, fold=fold).utcoffset().total_seconds())


def changes_of(name):
    plain = PlainZone(name)
    found = {time for time in plain._trans_utc if FROM <= time <= TO}
    after = plain._tz_after
    if hasattr(after, "transitions"):
        standard, summer = after.std.utcoff.total_seconds(), after.dst.utcoff.total_seconds()
        first = naive(plain._trans_utc[-1]).year if plain._trans_utc else 1900
        for year in range(max(first, 1900), 2100):
            begin, end = after.transitions(year)
            found.update((int(begin - standard), int(end - summer)))
    return sorted(found)


def content_of(name):
    for directory in zoneinfo.TZPATH:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    return name


def date_of(zone, time):
    return (time + offset_of(zone, time)) // DAY


def begin_of(zone, date, changes):
    """The least instant that shows the date, or None."""
    near = [time for time in changes if abs(time - date * DAY) < 3 * DAY]
    offsets = {offset_of(zone, time) for time in near + [time - 1 for time in near]}
    offsets.update(offset_of(zone, date * DAY + shift) for shift in (-2 * DAY, 0, 2 * DAY))
    could_be = sorted(near + [date * DAY - offset for offset in offsets])
    return next((time for time in could_be if date_of(zone, time) == date), None)


def begins_of(zone, dates, changes):
    """(begin, date) of all dates that are shown, rising; a date shown only after a later one has no day."""
    found = []
    for date in dates:
        begin = begin_of(zone, date, changes)
        if begin is not None:
            found.append((begin, date))
    return found


def period_of(calendar, date):
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=date)
    if calendar == DAYS:
        return date
    if calendar == WEEKS:
        return day.isocalendar()[:2]
    return (day.year, {MONTHS: day.month, QUARTERS: (day.month - 1) // 3, YEAR: 0}[calendar])


class Asked:
    """Questions and the answers that they should get."""

    def __init__(self, name):
        self.name, self.questions, self.expected = name, [], []

    def add(self, question, expected):
        self.questions.append(question)
        self.expected.append(expected)

    def compare(self):
        ran = subprocess.run([PROGRAM, self.name], input="\n".join(self.questions) + "\n", capture_output=True, text=True)
        if ran.returncode != 0:
            return [f"{self.name}: {ran.stderr.strip()}"]
        found = ran.stdout.splitlines()
        if len(found) != len(self.expected):
            return [f"{self.name}: {len(found)} answers, expected {len(self.expected)}"]
        return [f"{self.name}: {question}: found {answer}, expected {expected}"
                for question, answer, expected in zip(self.questions, found, self.expected) if answer != expected]


def ask_changes(asked, zone, changes):
    for index, time in enumerate(changes):
        following = changes[index + 1] if index + 1 < len(changes) else time + 2 * DAY
        for at in (time - 1, time, time + 1, (time + following) // 2):
            asked.add(f"o {at}", str(offset_of(zone, at)))
        before, after = offset_of(zone, time - 1), offset_of(zone, time)
        low, high = sorted((time + before, time + after))
        for wall in (low - 1, low, low + 1, (low + high) // 2, high - 1, high, high + 1):
            first, second = wall_offset(zone, wall, 0), wall_offset(zone, wall, 1)
            shown = ONCE if first == second else TWICE if first > second else NEVER
            asked.add(f"w {wall}", f"{wall - first} {shown}")


def ask_days_around(asked, zone, changes):
    for time in changes:
        date = (time + offset_of(zone, time)) // DAY
        begins = begins_of(zone, range(date - 3, date + 5), changes)
        for (begin, _), (end, _) in zip(begins, begins[1:]):
            for at in (begin, end - 1):
                asked.add(f"c {DAYS} 0 {at}", f"{begin} {end}")


def ask_year(asked, zone, year, changes):
    first = (datetime.date(year - 1, 11, 1) - datetime.date(1970, 1, 1)).days
    last = (datetime.date(year + 1, 3, 1) - datetime.date(1970, 1, 1)).days
    begins = begins_of(zone, range(first - 400, last + 400), changes)
    for calendar in (DAYS, WEEKS, MONTHS, QUARTERS, YEAR):
        starts = [begins[0][0]]
        for (_, date), (begin, following) in zip(begins, begins[1:]):
            if period_of(calendar, date) != period_of(calendar, following):
                starts.append(begin)
        for begin, end in zip(starts[1:], starts[2:]):
            if end <= first * DAY or begin >= last * DAY:
                continue
            for at in (begin, (begin + end) // 2, end - 1):
                asked.add(f"c {calendar} 0 {at}", f"{begin} {end}")
    for (begin, date), (end, _) in zip(begins, begins[1:]):
        if not first <= date < last:
            continue
        for width in (900, 3600, 6 * 3600):
            for at in (begin, begin + width, (begin + end) // 2, end - 1):
                if at < end:
                    low = begin + (at - begin) // width * width
                    asked.add(f"c {FIXED} {width} {at}", f"{low} {min(low + width, end)}")


def main():
    names = sys.argv[1:] or sorted(zoneinfo.available_timezones())
    if not names:
        print("zone: this system has no zones (install tzdata)")
        return 1
    answers, problems, seen = 0, [], {}
    for name in names:
        content = content_of(name)
        if name not in YEARS and content in seen:
            continue  # a link: another name of a zone that was compared
        seen[content] = name
        zone = zoneinfo.ZoneInfo(name)
        asked = Asked(name)
        changes = changes_of(name)
        ask_changes(asked, zone, changes)
        ask_days_around(asked, zone, changes)
        for year in YEARS.get(name, ()):
            ask_year(asked, zone, year, changes)
        for at in range(FROM, TO, 97 * DAY):
            asked.add(f"o {at}", str(offset_of(zone, at)))
        problems += asked.compare()
        answers += len(asked.expected)
    for problem in problems[:20]:
        print(problem)
    print(f"zone: {len(names)} zones in {len(seen)} files, {answers} answers compared with Python's, {len(problems)} differ")
    return 1 if problems else 0


sys.exit(main())
