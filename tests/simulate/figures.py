#!/usr/bin/env python3
"""figures.py -- what `holter simulate` makes up has the figures of real data, within stated tolerances.

usage: HOLTER=out/release/holter tests/simulate/figures.py

Targets are of two public sets: Fitabase (Furberg et al. 2016; Fitbit trackers: heart rate of 6 people, minute steps of 24) and
the COVID-19 wearables study (Mishra et al. 2020: heart rate at 5 to 15 s of 4 people, minute steps of 19, sleep stages of one):
rows sorted, of one time the last stands; entropies are empirical, in bits a sample.
Each line below: figure, least, greatest; the remark tells the real one.
"""
import collections
import csv
import io
import math
import os
import subprocess
import sys

HOLTER = os.environ["HOLTER"]
TARGETS = [
    ("heart rate: share of gaps of 5 s", 0.35, 0.60),               # 5-15 s class: a quarter (Fitabase) to a half and more (COVID)
    ("heart rate: equal to the one before after 5 s", 0.07, 0.13),  # 0.09-0.11
    ("heart rate: equal to the one before after 10 s", 0.07, 0.13), # 0.09-0.11
    ("heart rate: equal to the one before after 15 s", 0.67, 0.77), # 0.72
    ("heart rate: equal to the one before after 3 s", 0.76, 0.90),  # 0.83, in exercise
    ("heart rate: entropy of dt", 1.45, 1.90),                      # 1.54, 1.58, 1.71; 1.85 on other users
    ("heart rate: entropy of dv", 2.50, 3.00),                      # 2.98, 2.92, 2.69
    ("heart rate: entropy of dv given dt", 2.20, 2.75),             # 2.71, 2.67, 2.47
    ("heart rate: entropy of dv given dv before", 2.30, 2.95),      # 2.91, 2.84, 2.57
    ("heart rate: entropy of v", 5.40, 6.20),                       # 6.02, 5.75, 5.84
    ("heart rate: entropy of v given v before", 2.40, 3.00),        # 2.94, 2.86, 2.65
    ("heart rate: share of dv = 0", 0.20, 0.31),                    # 0.26, 0.25, 0.24
    ("heart rate: share of the span in gaps over 10 medians", 0.27, 0.43),  # 0.273, 0.399, 0.388, 0.436
    ("steps: share of zeros", 0.80, 0.86),                          # 0.844, 0.821
    ("steps: entropy of v", 1.40, 1.85),                            # 1.62, 1.82; 1.38-1.48 on other users
    ("steps: entropy of v given v before", 1.15, 1.46),             # 1.29, 1.46; 1.14-1.17 on other users
    ("sleep: share of segments that touch the next", 0.64, 0.78),   # 0.712
    ("sleep: entropy of the stage", 1.40, 1.95),                    # 1.85 with the words of classic nights too
    ("sleep: entropy of the duration", 4.10, 5.20),                 # 4.61
    ("sleep: share of wake segments", 0.44, 0.57),                  # 0.508
    ("sleep: median of light, s", 210, 480),                        # 330
    ("sleep: median of deep, s", 600, 1350),                        # 1050
    ("sleep: median of rem, s", 300, 720),                          # 420
    ("sleep: durations that are multiples of 30 s", 1, 1),          # all
    ("RR: entropy of dv", 6.6, 8.0),                                # 7.53
    ("rows that repeat an earlier one", 0.0001, 0.01),              # wanted: some
    ("rows that correct an earlier one", 0.00005, 0.01),            # wanted: some
    ("rows that come before a later one was there", 0.05, 0.95),    # wanted: deliveries out of the order of time
]


def entropy(counts):
    total = sum(counts.values())
    return -sum(n / total * math.log2(n / total) for n in counts.values()) if total else 0.0


def given(pairs):
    """H(second given first)."""
    return entropy(pairs) - entropy(sum_first(pairs))


def sum_first(pairs):
    first = collections.Counter()
    for (a, _), n in pairs.items():
        first[a] += n
    return first


def seconds_of(time, days={}):
    day = days.get(time[:10])
    if day is None:
        import datetime
        day = days[time[:10]] = datetime.date.fromisoformat(time[:10]).toordinal() * 86400
    return day + int(time[11:13]) * 3600 + int(time[14:16]) * 60 + float(time[17:-1])


def read(users, days):
    """series[(metric, source, user)] = {time: (duration, value)}, and what the delivery was like."""
    series = collections.defaultdict(dict)
    newest = collections.defaultdict(float)
    rows = repeated = corrected = late = 0
    command = [HOLTER, "simulate", "--users", str(users), "--days", str(days), "--seed", "3", "--tz", "mixed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        reader = csv.reader(io.TextIOWrapper(process.stdout, encoding="utf-8", newline=""))
        next(reader)
        for user, metric, source, time, duration, value, revision in reader:
            at = seconds_of(time)
            key = (metric, source, user)
            rows += 1
            if at in series[key]:
                if revision != "0":
                    corrected += 1
                else:
                    repeated += 1
                    continue
            late += at < newest[key]
            newest[key] = max(newest[key], at)
            series[key][at] = (duration, value)
    if process.returncode != 0:
        sys.exit("figures: holter simulate failed")
    return series, {"rows that repeat an earlier one": repeated / rows, "rows that correct an earlier one": corrected / rows,
                    "rows that come before a later one was there": late / rows}


def heart_rate(series):
    dts, values, dvs = (collections.Counter() for _ in range(3))
    dv_dt, dv_dv, v_v = (collections.Counter() for _ in range(3))
    in_gaps = span = 0
    for key, rows in series.items():
        if key[0] != "heart_rate":
            continue
        times = sorted(rows)
        rates = [int(rows[t][1]) for t in times]
        gaps = [round(b - a) for a, b in zip(times, times[1:])]
        median = sorted(gaps)[len(gaps) // 2]
        in_gaps += sum(gap for gap in gaps if gap > 10 * median)
        span += times[-1] - times[0]
        values.update(rates)
        steps = [b - a for a, b in zip(rates, rates[1:])]
        dts.update(gaps)
        dvs.update(steps)
        dv_dt.update(zip(gaps, steps))
        dv_dv.update(zip(steps, steps[1:]))
        v_v.update(zip(rates, rates[1:]))
    out = {"heart rate: share of gaps of 5 s": dts[5] / sum(dts.values()),
           "heart rate: entropy of dt": entropy(dts), "heart rate: entropy of dv": entropy(dvs),
           "heart rate: entropy of dv given dt": given(dv_dt), "heart rate: entropy of dv given dv before": given(dv_dv),
           "heart rate: entropy of v": entropy(values), "heart rate: entropy of v given v before": given(v_v),
           "heart rate: share of dv = 0": dvs[0] / sum(dvs.values()),
           "heart rate: share of the span in gaps over 10 medians": in_gaps / span}
    for gap in (5, 10, 15, 3):
        out["heart rate: equal to the one before after %d s" % gap] = dv_dt[gap, 0] / dts[gap]
    return out


def steps(series):
    values, pairs = collections.Counter(), collections.Counter()
    for (metric, source, _), rows in series.items():
        if metric == "steps" and source == "watch":
            counts = [int(rows[t][1]) for t in sorted(rows)]
            values.update(counts)
            pairs.update(zip(counts, counts[1:]))
    return {"steps: share of zeros": values[0] / sum(values.values()), "steps: entropy of v": entropy(values),
            "steps: entropy of v given v before": given(pairs)}


def sleep(series):
    durations, stages = collections.Counter(), collections.Counter()
    by_stage = collections.defaultdict(list)
    touching = segments = 0
    for (metric, _, _), rows in series.items():
        if metric != "sleep_stage":
            continue
        times = sorted(rows)
        for at, after in zip(times, times[1:]):
            duration, stage = int(rows[at][0]), rows[at][1]
            durations[duration] += 1
            stages[stage] += 1
            by_stage[stage].append(duration)
            touching += at + duration == after
            segments += 1
    out = {"sleep: share of segments that touch the next": touching / segments, "sleep: entropy of the stage": entropy(stages),
           "sleep: entropy of the duration": entropy(durations), "sleep: share of wake segments": stages["wake"] / segments,
           "sleep: durations that are multiples of 30 s": sum(n for d, n in durations.items() if d % 30 == 0) / segments}
    for stage in ("light", "deep", "rem"):
        out["sleep: median of %s, s" % stage] = sorted(by_stage[stage])[len(by_stage[stage]) // 2]
    return out


def beats(series):
    changes = collections.Counter()
    for (metric, _, _), rows in series.items():
        if metric == "rr_interval":
            values = [int(rows[t][1]) for t in sorted(rows)]
            changes.update(b - a for a, b in zip(values, values[1:]))
    return {"RR: entropy of dv": entropy(changes)}


def main():
    series, figures = read(9, 12)
    for part in (heart_rate, steps, sleep, beats):
        figures.update(part(series))
    failed = 0
    for name, least, greatest in TARGETS:
        fits = least <= figures[name] <= greatest
        failed += not fits
        print("%s  %-58s %10.4g in %g .. %g" % ("ok  " if fits else "FAIL", name, figures[name], least, greatest))
    return 1 if failed else 0


sys.exit(main())
