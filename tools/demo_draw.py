#!/usr/bin/env python3
"""demo_draw.py -- draws in a terminal what `holter aggregate`, `query` and `stat` print; `make demo` shows with it.

    holter aggregate S --user U --metric steps --every 1d --fn sum,count | demo_draw.py days
    holter aggregate S --user U --metric heart_rate --every 10m --fn min,max | demo_draw.py day
    holter query S --user U --metric sleep_stage --from T --to T | demo_draw.py night
    demo_draw.py sizes NAME=STAT.json ...           STAT.json: what `holter stat --json` prints

--ascii       plain characters; else braille and blocks, in UTF-8 whatever the locale
--minutes N   days: so many one-minute samples make a day whole (1440)
--rows N      sizes: so many rows must be in the last store

Charts fit 80 columns. What is not there is left empty, never drawn as a zero. Colour only on a terminal and without
NO_COLOR. Input that is not as told ends with a sentence and status 1.
"""
import csv
import datetime
import json
import math
import os
import sys

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # braille: rows of a cell, left and right
EIGHTHS = " ▁▂▃▄▅▆▇█"
PARTS = " ▏▎▍▌▋▊▉"
STAGES = (("awake", ("wake", "awake")), ("restless", ("restless",)), ("REM", ("rem",)),
          ("light", ("light", "asleep")), ("deep", ("deep",)))


class Problem(Exception):
    """What is wrong with the input, in a sentence."""


def painted(text, colour):
    is_plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") in (None, "dumb")
    return text if is_plain or not text.strip() else "\033[%dm%s\033[0m" % (colour, text)


def moment(text):
    """The wall clock that a time shows, and how it is written beyond."""
    return datetime.datetime.fromisoformat(text[:19])


def rows_of(file, columns):
    reader = csv.DictReader(file)
    missing = [name for name in columns if name not in (reader.fieldnames or [])]
    if missing:
        raise Problem("the input has no column '%s'" % missing[0])
    rows = list(reader)
    if not rows:
        raise Problem("the input has no rows")
    return rows


def bar(share, width, ascii_only):
    if ascii_only:
        return ("#" * max(round(share * width), 1 if share > 0 else 0)).ljust(width)
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    return ("█" * (eighths // 8) + PARTS[eighths % 8].strip()).ljust(width)


def draw_days(file, ascii_only, minutes):
    """A line a day: a bar, the sum, and how much of the day is there when that is not all of it."""
    width = 44
    days = {moment(row["start"]).date(): row for row in rows_of(file, ("start", "sum", "count"))}
    most = max(float(row["sum"] or 0) for row in days.values())
    day, last = min(days), max(days)
    while day <= last:
        name, row = day.strftime("%a %d %b"), days.get(day)
        if row is None or row["sum"] == "":
            yield "%s  %*s  no samples" % (name, width + 7, "")
        else:
            total, count = float(row["sum"]), int(row["count"])
            length = bar(total / most if most else 0, width, ascii_only)
            part = "" if count >= minutes else "  of %d min" % count
            yield ("%s  %s %6d%s" % (name, painted(length, 36), total, part)).rstrip()
        day += datetime.timedelta(days=1)


def axis_hours(first, columns, minutes_a_column, corner):
    """Two lines below a chart: ticks, and the clock at every hour, or as many as there is room for."""
    hours = next((n for n in (1, 3, 6) if n * 60 >= 6 * minutes_a_column), 12)
    line, names = ["-"] * columns, [" "] * (columns + 5)
    for column in range(columns):
        begin = first + datetime.timedelta(minutes=column * minutes_a_column)
        if begin.minute == 0 and begin.hour % hours == 0:
            line[column] = "+"
            names[column:column + 5] = begin.strftime("%H:%M")
    yield corner + "+" + "".join(line)
    yield (" " * (len(corner) + 1) + "".join(names)).rstrip()


def draw_day(file, ascii_only, _):
    """A day in windows: from the least to the greatest value of each, by 10 minutes (20 in ASCII); others are empty."""
    rows = rows_of(file, ("start", "min", "max"))
    midnight = moment(rows[0]["start"]).replace(hour=0, minute=0, second=0)
    across, down = (1, 1) if ascii_only else (2, 4)
    columns, lines = 72, 12
    spans = {}
    for row in rows:
        place = int((moment(row["start"]) - midnight).total_seconds()) * columns * across // 86400
        if row["min"] == "" or place >= columns * across:
            continue
        low, high = float(row["min"]), float(row["max"])
        least, most = spans.get(place, (low, high))
        spans[place] = min(low, least), max(high, most)
    if not spans:
        raise Problem("the input has no values")
    least, most = min(low for low, _ in spans.values()), max(high for _, high in spans.values())
    bottom, slots = int(least // 5 * 5), lines * down
    step = max(5, math.ceil((most - bottom) / 4 / 5) * 5)

    def slot_of(value):
        return max(0, math.ceil((value - bottom) * slots / (4 * step)) - 1)

    cells = [[0] * columns for _ in range(lines)]
    for place, (low, high) in spans.items():
        for slot in range(slot_of(low), slot_of(high) + 1):
            line, dot = divmod(slots - 1 - slot, down)
            cells[line][place // across] |= 1 if ascii_only else DOTS[dot][place % across]
    for line, marks in enumerate(cells):
        label = "%4d" % (bottom + 4 * step - line // 3 * step) if line % 3 == 0 else "    "
        text = "".join(" " if m == 0 else "#" if ascii_only else chr(0x2800 + m) for m in marks)
        yield ("%s |%s" % (label, painted(text.rstrip(), 31))).rstrip()
    yield from axis_hours(midnight, columns, 1440 // columns, "%4d " % bottom)


def draw_night(file, ascii_only, _):
    """A line a stage, its height the share of the time it took; a hole is time of which nothing is known."""
    rows = rows_of(file, ("time", "duration", "value"))
    stages = {name: line for line, (_, names) in enumerate(STAGES) for name in names}
    parts = [(moment(row["time"]), float(row["duration"] or 0), stages[row["value"]])
             for row in rows if row["value"] in stages]
    if not parts:
        raise Problem("the input has no stage of sleep")
    first = min(begin for begin, _, _ in parts).replace(minute=0, second=0)
    last = max(begin + datetime.timedelta(seconds=duration) for begin, duration, _ in parts)
    columns = 60
    step = 5
    while (last - first).total_seconds() > columns * step * 60:
        step += 5
    columns = int(-(-(last - first).total_seconds() // (step * 60)))
    shares = [[0.0] * columns for _ in STAGES]
    for begin, duration, stage in parts:
        at, end = (begin - first).total_seconds(), (begin - first).total_seconds() + duration
        while at < end:
            column = int(at // (step * 60))
            until = min(end, (column + 1) * step * 60)
            shares[stage][column] += (until - at) / (step * 60)
            at = until
    for (name, _), line, colour in zip(STAGES, shares, (33, 33, 35, 36, 34)):
        seconds = round(sum(line) * step * 60)
        if seconds == 0:
            continue
        if ascii_only:
            text = "".join(" " if s == 0 else "." if s < 0.3 else ":" if s < 0.7 else "#" for s in line)
        else:
            text = "".join(EIGHTHS[max(1, min(8, round(s * 8)))] if s else " " for s in line)
        yield "%9s |%s| %d:%02d" % (name, painted(text, colour), seconds // 3600, seconds // 60 % 60)
    yield from axis_hours(first, columns, step, " " * 10)


def draw_sizes(stores, rows_of_last):
    """A line a store: rows, files and bytes of its segments, and bytes by rows; the last store must have so many rows."""
    yield "%-18s %12s %6s %12s  %s" % ("metric", "samples", "files", "bytes", "bytes a sample")
    for store in stores:
        name, path = store.split("=", 1)
        with open(path, encoding="utf-8") as file:
            tiers = [tier for shard in json.load(file)["shards"] for tier in shard["tiers"].values()]
        rows, files, size = (sum(tier[what] for tier in tiers) for what in ("rows", "files", "bytes"))
        if rows == 0 or (store is stores[-1] and rows_of_last not in (None, rows)):
            raise Problem("%s: segments hold %d rows, expected are %s" % (name, rows, rows_of_last or "some"))
        yield "%-18s %12s %6d %12s  %14.2f" % (name, format(rows, ","), files, format(size, ","), size / rows)


def main(arguments):
    ascii_only = "--ascii" in arguments
    arguments = [a for a in arguments if a != "--ascii"]
    numbers = {"--minutes": 1440, "--rows": None}
    drawers = {"days": draw_days, "day": draw_day, "night": draw_night}
    try:
        for option in numbers:
            if option in arguments[:-1]:
                at = arguments.index(option)
                numbers[option] = int(arguments[at + 1])
                del arguments[at:at + 2]
        if len(arguments) == 1 and arguments[0] in drawers:
            with open(0, encoding="utf-8", newline="") as file:
                lines = list(drawers[arguments[0]](file, ascii_only, numbers["--minutes"]))
        elif len(arguments) > 1 and arguments[0] == "sizes":
            lines = list(draw_sizes(arguments[1:], numbers["--rows"]))
        else:
            sys.stderr.write(__doc__)
            return 2
    except (Problem, ValueError, KeyError, TypeError, OSError) as problem:
        sys.stderr.write("demo_draw.py: %s\n" % problem)
        return 1
    sys.stdout.buffer.write("".join(line + "\n" for line in lines).encode("ascii" if ascii_only else "utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
