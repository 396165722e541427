#!/usr/bin/env python3
"""train_models.py -- counts real series into the models of format-spec/models.txt and codec_tables.c.

usage: train_models.py [--data DIR] [--leave N/M] [--check] OUT.txt OUT.c

What a model is: format-spec/models.md. Everything is counted, nothing fitted by hand but the classes that make
up a state. Trained on the sets of ../shared/data that are CC0 or CC-BY: Fitabase 2016 (heart rate, minute steps, minute
intensities), Welltory (RR intervals), Hall 2018 (glucose). --leave N/M leaves out every user whose number modulo M
is N: for figures on people that a model has not seen. --check compares instead of writing.
"""
import argparse
import csv
import glob
import io
import math
import os
import subprocess
import sys
from datetime import datetime, timezone

SUM = 4096  # frequencies of a state
RAW_BITS = 22  # about what an escaped sample takes
PERSON_SAMPLES = 50_000  # of a person who is worth a model


# ---- series -----------------------------------------------------------------------------------------------------

def read(path):
    if path.endswith('.zst'):
        data = subprocess.run(['zstd', '-dc', path], check=True, stdout=subprocess.PIPE).stdout
    else:
        with open(path, 'rb') as file:
            data = file.read()
    return csv.DictReader(io.TextIOWrapper(io.BytesIO(data), encoding='utf-8-sig', newline=''))


def fitabase_seconds(text):
    day, clock, half = text.split(' ')
    month, day, year = day.split('/')
    hour, minute, second = clock.split(':')
    hour = int(hour) % 12 + (12 if half == 'PM' else 0)
    return int(datetime(int(year), int(month), int(day), hour, int(minute), int(second), tzinfo=timezone.utc).timestamp())


def by_user(rows):
    """[(user, time, value)] -> sorted [(time, value)] of each user, by rising user; of equal times the last stands."""
    users = {}
    for user, time, value in rows:
        users.setdefault(user, {})[time] = value
    return [sorted(users[user].items()) for user in sorted(users)]


class Data:
    def __init__(self, root, leave):
        self.root = root
        self.leave = leave

    def kept(self, series):
        if self.leave is None:
            return series
        part, parts = self.leave
        return [s for i, s in enumerate(series) if i % parts != part]

    def find(self, pattern):
        paths = sorted(glob.glob(os.path.join(self.root, pattern)))
        if not paths:
            sys.exit(f'train_models.py: nothing is called {pattern} in {self.root}')
        return paths

    def heart_rate(self):
        rows = []
        for path in self.find('fitbit-fitabase-2016/*/heartrate_seconds_merged.csv.zst'):
            rows += [(r['Id'], fitabase_seconds(r['Time']), int(r['Value'])) for r in read(path)]
        return self.kept(by_user(rows))

    def minutes(self, name, column):
        rows = []
        for path in self.find(f'fitbit-fitabase-2016/*/{name}_merged.csv.zst'):
            for r in read(path):
                hour = fitabase_seconds(r['ActivityHour'])
                rows += [(r['Id'], hour + 60 * m, int(r[f'{column}{m:02d}'])) for m in range(60) if r[f'{column}{m:02d}'] != '']
        return self.kept(by_user(rows))

    def rr_intervals(self):
        path = self.find('welltory-covid-2020/export-*/hrv_measurements.csv*')[-1]
        users = {}
        for r in read(path):
            beats = [(0, int(float(x))) for x in r['rr_data'].split(',') if x.strip()]
            users.setdefault(r['user_code'], []).append((r['measurement_datetime'], beats))
        return self.kept([[b for _, beats in sorted(users[u]) for b in beats] for u in sorted(users)])

    def glucose(self):
        rows = []
        for r in read(self.find('cgm-hall-2018/example_data_hall.csv.zst')[0]):
            at = datetime.strptime(r['time'], '%Y-%m-%d %H:%M:%S').replace(tzinfo=timezone.utc)
            rows.append((r['id'], int(at.timestamp()), int(float(r['gl']))))
        return self.kept(by_user(rows))


# ---- models -----------------------------------------------------------------------------------------------------

class Model:
    """Symbol 0 is the escape. meaning[s - 1]: a value, or (gap, change). classes[s], next[state][class]."""

    def __init__(self, number, name, meaning, classes, following, start):
        self.number, self.name, self.meaning, self.classes, self.next, self.start = number, name, meaning, classes, following, start
        self.symbol = {m: i + 1 for i, m in enumerate(meaning)}
        self.freq = None

    def count(self, series, weight=1.0, counts=None, blur=None):
        """Counts of symbols by state; blur: further (meaning, weight) that a meaning stands for too."""
        counts = counts or [[0.0] * len(self.classes) for _ in self.next]
        for run in series:
            state = self.start
            for meaning in run:
                symbol = self.symbol.get(meaning, 0)
                row = counts[state]
                row[symbol] += weight
                for other, share in blur(meaning) if blur else ():
                    row[self.symbol.get(other, 0)] += weight * share
                state = self.next[state][self.classes[symbol]]
        return counts

    def bits(self, series):
        """Of a symbol, on the average."""
        total, count = 0.0, 0
        for run in series:
            state = self.start
            for meaning in run:
                symbol = self.symbol.get(meaning, 0)
                if self.freq[state][symbol] == 0:
                    symbol = 0
                total += math.log2(SUM / self.freq[state][symbol]) + (RAW_BITS if symbol == 0 else 0)
                state = self.next[state][self.classes[symbol]]
            count += len(run)
        return total / count

    def settle(self, counts, prior, strength, least):
        """Frequencies: counts, and `strength` times the prior of a state; what comes out below `least` of SUM is left to the escape."""
        self.freq = []
        for state, row in enumerate(counts):
            shares = [c + strength * p for c, p in zip(row, prior(state))]
            total = sum(shares)
            freq, lost = [], 0.0
            for symbol, share in enumerate(shares):
                exact = share / total * SUM
                if symbol > 0 and exact < least:
                    freq.append(0)
                    lost += exact
                else:
                    freq.append(max(1, int(exact + 0.5)))
            freq[0] += int(lost + 0.5)
            while sum(freq) != SUM:
                top = max(range(1, len(freq)), key=lambda s: freq[s])
                off = SUM - sum(freq)
                freq[top] += off if off > 0 else max(off, -max(1, freq[top] // 8))
            assert min(freq[1:] + [0]) >= 0 < freq[0] < SUM
            self.freq.append(freq)


# Heart rate: pairs of (gap in seconds, change), the state what class both of the pair before are.

def gap_class(gap):
    return 0 if gap <= 4 else 1 if gap <= 7 else 2 if gap <= 12 else 3


def change_class(change):
    return 0 if change <= -4 else 1 if change <= -2 else 2 + (change + 1) if change <= 1 else 5 if change <= 3 else 6


def pairs_of(series):
    return [[(b[0] - a[0], b[1] - a[1]) for a, b in zip(s, s[1:])] for s in series]


JITTER = {-2: 0.25, -1: 0.25, 1: 0.5, 2: 0.5, 3: 0.25}  # a clock off the raster: shares of a gap by seconds


def heart_rate(number, name, series, jitter, least):
    pairs = pairs_of(series)

    def off_raster(share):
        return lambda pair: [((pair[0] + by, pair[1]), share * part) for by, part in JITTER.items() if pair[0] + by > 0]

    # one alphabet for all models of heart rate: the commonest pairs, also of a clock a little off
    counts = {}
    for run in pairs:
        for pair in run:
            for other, share in [(pair, 1.0)] + off_raster(0.005)(pair):
                if 0 <= other[0] < 64 and -128 <= other[1] < 128:
                    counts[other] = counts.get(other, 0.0) + share
    common = sorted(counts, key=lambda p: (-counts[p], p))[:255]
    meaning = sorted(common)
    classes = [1 * 7 + 3] + [gap_class(g) * 7 + change_class(c) for g, c in meaning]
    model = Model(number, name, meaning, classes, [list(range(28)) for _ in range(28)], 1 * 7 + 3)
    counted = model.count(pairs, blur=off_raster(jitter))
    overall = [sum(row[s] for row in counted) + 0.5 for s in range(256)]
    total = sum(overall)
    model.settle(counted, lambda state: [o / total for o in overall], 30, least)
    return model


def least_alike(series, model, jitter, least):
    """The person whom a model of that one alone suits better than `model` does, by the most bits a sample."""
    gains = []
    for one in series:
        if len(one) >= PERSON_SAMPLES:
            run = pairs_of([one])
            gains.append((model.bits(run) - heart_rate(0, '', [one], jitter, least).bits(run), one))
    return [max(gains, key=lambda gain: gain[0])[1]]


# Steps a minute: the state is the class of the minute before; in pauses how long they are and how brisk it was before.

STEP_BOUNDS = (3, 6, 9, 12, 16, 21, 27, 34, 43, 55, 70, 85, 97, 108, 118)  # greatest of each class; 16 of them
PAUSES = 4


def steps(number, name, data):
    def step_class(value):
        return 1 + next((i for i, bound in enumerate(STEP_BOUNDS) if value <= bound), len(STEP_BOUNDS)) if value else 0

    meaning = list(range(255))
    classes = [16] + [step_class(v) for v in meaning]

    def following(state, cls):
        if cls > 0:
            return cls - 1
        if state >= 16:
            pause, brisk = divmod(state - 16, 4)
            return 16 + min(pause + 1, PAUSES - 1) * 4 + brisk
        walk = state + 1
        return 16 + (walk > 2) + (walk > 6) + (walk > 11)

    states = 16 + PAUSES * 4
    model = Model(number, name, meaning, classes, [[following(s, c) for c in range(17)] for s in range(states)], states - 4)
    counted = model.count([[v for _, v in s] for s in data.minutes('minuteStepsWide', 'Steps')])
    overall = [sum(row[s] for row in counted) + 0.3 for s in range(256)]
    total = sum(overall)
    model.settle(counted, lambda state: [o / total for o in overall], 20, 0.25)
    return model


# Steps a minute, with rests: a minute's steps are a symbol, and so is a run of minutes without any; the state is the class of
# the symbol before, and for a value whether the one before that was a rest.

REST_VALUES, REST_EXACT, BLOCK_ROWS = 203, 8, 8192
REST_CLASSES = (4, 8, 12, 18, 26, 38, 52, 74, 92, 100, 105, 112, 117, 124, 142)  # greatest of each class of values
REST_LENGTHS = (2, 10, 50)  # of each class of rests, by the least length of a symbol
SMOOTHED = STEP_BOUNDS  # values that are told together where a state has seen few
NEAR_SHARE = 14  # a value of so many is told together with one more on either side


class Rests(Model):
    """Symbols behind the values are runs of zeros: (least length, bits that follow)."""

    def __init__(self, number, name, values, rests, classes, following, start):
        super().__init__(number, name, values, classes, following, start)
        self.rests = rests

    def symbols_of(self, values):
        i = 0
        while i < len(values):
            length = 1
            while values[i] == 0 and i + length < len(values) and values[i + length] == 0:
                length += 1
            if values[i] != 0:
                yield self.symbol.get(values[i], 0)
            else:
                yield len(self.meaning) + max(k for k, (least, _) in enumerate(self.rests) if least <= length) + 1
            i += length


def rests(number, name, data):
    lengths = [(length, 0) for length in range(1, REST_EXACT + 1)]
    while lengths[-1][0] + (1 << lengths[-1][1]) <= BLOCK_ROWS:
        least = lengths[-1][0] + (1 << lengths[-1][1])
        lengths.append((least, (least - 1).bit_length() - 2))

    def place(x, bounds):
        return sum(x > bound for bound in bounds)

    kinds = len(REST_CLASSES) + 1  # classes of values; those of rests follow
    meaning = list(range(1, REST_VALUES + 1))
    classes = [kinds - 1] + [place(v, REST_CLASSES) for v in meaning] + [kinds + place(least, REST_LENGTHS) for least, _ in lengths]
    groups = [0] + [1 + place(v, SMOOTHED) for v in meaning] + [2 + len(SMOOTHED) + i for i in range(len(lengths))]
    symbols = len(classes)
    states = 2 * kinds + len(REST_LENGTHS) + 1  # a value after a rest, a value after a value, a rest

    def following(state, cls):
        return cls + kinds if cls >= kinds or state < 2 * kinds else cls

    def class_of(state):
        return state % kinds if state < 2 * kinds else state - kinds

    model = Rests(number, name, meaning, lengths, classes, [[following(s, c) for c in range(max(classes) + 1)] for s in range(states)], 0)
    counted = [[0] * symbols for _ in range(states)]
    for series in values_of(data.minutes('minuteStepsWide', 'Steps')):
        for first in range(0, len(series), BLOCK_ROWS):
            state = model.start
            for symbol in model.symbols_of(series[first:first + BLOCK_ROWS]):
                counted[state][symbol] += 1
                state = model.next[state][classes[symbol]]

    def smooth(row):  # values together with near ones, the more so the larger they are
        out = [0.0] * symbols
        for symbol, count in enumerate(row):
            reach = symbol // NEAR_SHARE if 10 <= symbol <= REST_VALUES else 0
            near = [(symbol + by, reach + 1 - abs(by)) for by in range(-reach, reach + 1) if reach == 0 or 10 <= symbol + by <= REST_VALUES]
            for other, weight in near:
                out[other] += count * weight / sum(w for _, w in near)
        return out

    def mixed(row, prior, allowed, of_group, in_group):  # groups, and symbols of a group: of the row, and so many times of the prior
        by_prior, by_row = [0.0] * (max(groups) + 1), [0.0] * (max(groups) + 1)
        for s in range(allowed):
            by_prior[groups[s]] += prior[s]
            by_row[groups[s]] += row[s]
        shares = []
        for s in range(allowed):
            g = groups[s]
            share = (by_row[g] + of_group * by_prior[g] / sum(by_prior)) / (sum(by_row) + of_group)
            shares.append(share * (row[s] + in_group * prior[s] / by_prior[g]) / (by_row[g] + in_group))
        return [x / sum(shares) for x in shares]

    smoothed = [smooth(row) for row in counted]
    by_class = [[sum(smoothed[state][s] for state in range(states) if class_of(state) == c) for s in range(symbols)] for c in range(max(classes) + 1)]
    model.freq = []
    for state in range(states):
        is_rest = state >= 2 * kinds
        allowed = REST_VALUES + 1 if is_rest else symbols  # no rest follows a rest
        kind = [sum(row[s] for c, row in enumerate(by_class) if (c >= kinds) == is_rest) + (0.3 if s <= REST_VALUES else 0.1) for s in range(symbols)]
        shares = mixed(smoothed[state], mixed(by_class[class_of(state)], kind, allowed, 20, 300), allowed, 100, 300)
        freq = [max(int(x * SUM + 0.5), 1 if s == 0 or s > REST_VALUES or x * SUM >= 0.1 else 0) for s, x in enumerate(shares)]
        while sum(freq) != SUM:  # where it costs the least
            if sum(freq) > SUM:
                s = min((s for s in range(allowed) if freq[s] > 1), key=lambda s: shares[s] * math.log(freq[s] / (freq[s] - 1)))
                freq[s] -= 1
            else:
                s = max((s for s in range(allowed) if freq[s] > 0), key=lambda s: shares[s] * math.log((freq[s] + 1) / freq[s]))
                freq[s] += 1
        model.freq.append(freq + [0] * (symbols - allowed))
    return model


# A few levels (intensity, stages): the state is the level before and how long it has lasted.

LEVELS, LASTING = 8, 4


def levels(number, name, data):
    meaning = list(range(LEVELS))
    classes = [0] + [v for v in meaning]

    def following(state, cls):
        level, lasts = divmod(state, LASTING)
        return cls * LASTING + (min(lasts + 1, LASTING - 1) if cls == level else 0)

    states = LEVELS * LASTING
    model = Model(number, name, meaning, classes, [[following(s, c) for c in range(LEVELS)] for s in range(states)], LASTING - 1)
    counted = model.count([[v for _, v in s] for s in data.minutes('minuteIntensitiesWide', 'Intensity')])

    def prior(state):  # a level unknown to the data stays as often as the known ones
        level = state // LASTING
        return [0.002] + [0.9 if v == level else 0.014 for v in meaning]

    model.settle(counted, prior, 20, 0)
    return model


# Residuals: the state is the scale of the last ones.

class Scales:
    """`count` of them from `least` on, `step` apart; a new residual weighs 1 - keep, and lets the scale rise by `rise` at the most."""

    def __init__(self, count, least, step, keep, rise):
        self.keep, self.rise = keep, rise
        self.sizes = [least * step ** state for state in range(count)]

    def following(self, state, magnitude):
        if magnitude == 128:  # an escape: most are holes and jumps, which tell nothing of the scale
            return state
        mean = self.keep * self.sizes[state] + (1 - self.keep) * magnitude
        return min(state + self.rise, min(range(len(self.sizes)), key=lambda s: abs(math.log(mean / self.sizes[s]))))


def of_scales(number, name, scales, start, runs_weights, strength, least):
    meaning = list(range(-127, 128))
    classes = [128] + [abs(v) for v in meaning]
    sizes = scales.sizes
    model = Model(number, name, meaning, classes, [[scales.following(s, m) for m in range(129)] for s in range(len(sizes))], start)
    counted = None
    for runs, weight in runs_weights:
        counted = model.count(runs, weight, counted)

    def smooth(state, row):  # both signs alike, and near values together, the more so the larger the scale
        reach = int(sizes[state] / 4)
        by_size = [row[127 + 1 + v] + (row[127 + 1 - v] if v else 0) for v in range(128)]
        out = [row[0]] + [0.0] * 255
        for v in range(128):
            near = [abs(v + by) for by in range(-reach, reach + 1) if abs(v + by) < 128]
            mean = sum(by_size[n] / (2 if n else 1) for n in near) / len(near)
            out[128 + v] = out[128 - v] = mean
        return out

    counted = [smooth(state, row) for state, row in enumerate(counted)]

    def prior(state):
        spread = sizes[state] / 1.2
        shares = [1e-4] + [math.exp(-abs(v) / (spread + 0.1)) / (2 * spread + 1) + 1e-6 for v in meaning]
        total = sum(shares)
        return [x / total for x in shares]

    model.settle(counted, prior, strength, least)
    return model


def changes_of(values, order=1):
    for _ in range(order):
        values = [b - a for a, b in zip(values, values[1:])]
    return values


def values_of(series):
    return [[v for _, v in s] for s in series]


def residuals(number, name, data):
    def shifted(series, shift, order):
        return [[v >> shift for v in changes_of(values, order)] for values in series]

    hearts, sugar = values_of(data.heart_rate()), data.glucose()
    beats = values_of(data.rr_intervals())
    drift = [[b[0] - a[0] - 300 for a, b in zip(s, s[1:])] for s in sugar]  # of a clock meant to tick every 300 s
    sugar = values_of(sugar)
    runs = ((shifted(hearts, 0, 1), 0.5), (shifted(beats, 5, 1), 1), (shifted(beats, 4, 1), 1), (shifted(beats, 3, 1), 0.5), (shifted(beats, 2, 1), 0.25),
            (shifted(sugar, 0, 2), 1), (shifted(sugar, 0, 1), 1), (drift, 1))
    return of_scales(number, name, Scales(23, 0.03, math.sqrt(2), 0.65, 9), 10, runs, 100, 0.25)


# Residuals of a noisy signal: finer scales, which change more slowly, and symbols that keep two bits or three of a usual residual.

def noise(number, name, data):
    runs = []
    for values in values_of(data.rr_intervals()):
        run = changes_of(values)
        usual = sum((2 * abs(v) - (v < 0)).bit_length() for v in run) // len(run)  # bits of a residual, with its sign
        shift = max(usual - 2, 0)
        runs += [([[v >> by for v in run]], 1) for by in (shift - 1, shift) if by >= 0]
    return of_scales(number, name, Scales(36, 0.35, 2 ** 0.25, 0.82, 5), 16, runs, 300, 0.1)


# Changes of a slow signal (glucose): the state is the change before, with its sign, and how far that was from the one before it.

CHANGE_BOUNDS = (0, 1, 2, 4, 7)  # greatest sizes of the classes
TURN_BOUNDS = (1, 3)  # of classes between two changes


def changes(number, name, data):
    def change_of(value):
        size = sum(abs(value) > bound for bound in CHANGE_BOUNDS)
        return len(CHANGE_BOUNDS) + (size if value > 0 else -size)

    meaning = list(range(-127, 128))
    kinds = 2 * len(CHANGE_BOUNDS) + 1
    classes = [len(CHANGE_BOUNDS)] + [change_of(v) for v in meaning]

    def following(state, cls):
        return sum(abs(cls - state % kinds) > bound for bound in TURN_BOUNDS) * kinds + cls

    states = (len(TURN_BOUNDS) + 1) * kinds
    model = Model(number, name, meaning, classes, [[following(s, c) for c in range(kinds)] for s in range(states)], len(CHANGE_BOUNDS))
    runs = [[b[1] - a[1] for a, b in zip(s, s[1:])] for s in data.glucose()]
    counted = model.count(runs)
    counted = model.count([[-v for v in run] for run in runs], 0.5, counted)

    def spread(row):  # near values together, the more so the larger they are
        out = [row[0]] + [0.0] * 255
        for symbol in range(1, 256):
            size = abs(meaning[symbol - 1])
            reach = 0 if size < 3 else 1 if size < 6 else 2 if size < 12 else 3
            for by in range(-reach, reach + 1):
                share = (reach + 1 - abs(by)) / (reach + 1) ** 2
                out[min(255, max(1, symbol + by))] += row[symbol] * share
        return out

    counted = [spread(row) for row in counted]
    overall = [sum(row[s] for row in counted) + 0.3 for s in range(256)]
    total = sum(overall)

    def prior(state):  # how far it turned matters less than the change before
        alike = [counted[turn * kinds + state % kinds] for turn in range(len(TURN_BOUNDS) + 1)]
        shares = [sum(row[s] for row in alike) + 20 * overall[s] / total for s in range(256)]
        return [share / sum(shares) for share in shares]

    model.settle(counted, prior, 150, 0.03)
    return model


# Gaps of a clock that drifts, less the usual one: the state is how the last other gap was off, and how many usual ones came since.

TICK, SINCE = 300, 4  # seconds of the clock whose holes are told, too


def drifting(number, name, data):
    meaning = sorted(list(range(-3, 4)) + [missed * TICK + off for missed in (1, 2) for off in (-1, 0, 1)])
    classes = [3] + [0 if v == 0 else 3 if abs(v) > 3 else 1 if v < 0 else 2 for v in meaning]

    def following(state, cls):
        off, since = divmod(state, SINCE)
        return off * SINCE + min(since + 1, SINCE - 1) if cls == 0 else (cls - 1) * SINCE

    states = 3 * SINCE
    model = Model(number, name, meaning, classes, [[following(s, c) for c in range(4)] for s in range(states)], states - 1)
    counted = model.count([[b[0] - a[0] - TICK for a, b in zip(s, s[1:])] for s in data.glucose()])
    overall = [sum(row[s] for row in counted) + 0.5 for s in range(len(classes))]
    total = sum(overall)
    model.settle(counted, lambda state: [o / total for o in overall], 20, 0)
    return model


# ---- as text and as C -------------------------------------------------------------------------------------------

def trimmed(row):
    row = list(row)
    while len(row) > 1 and row[-1] == 0:
        row.pop()
    return row


def as_text(models):
    out = ['# Models of coded arrays: what each line means stands in models.md. Made by bench/train_models.py.']
    for m in models:
        pairs = isinstance(m.meaning[0], tuple)
        out.append('')
        out.append(f'model {m.number} {"pairs" if pairs else "rests" if isinstance(m, Rests) else "values"}')
        out.append(f'name {m.name}')
        out.append(f'start {m.start}')
        if pairs:
            out.append('gaps ' + ' '.join(str(g) for g, _ in m.meaning))
            out.append('changes ' + ' '.join(str(c) for _, c in m.meaning))
        else:
            out.append('values ' + ' '.join(str(v) for v in m.meaning))
        if isinstance(m, Rests):
            out.append('lengths ' + ' '.join(str(least) for least, _ in m.rests))
            out.append('bits ' + ' '.join(str(bits) for _, bits in m.rests))
        out.append('classes ' + ' '.join(map(str, m.classes)))
        for state, row in enumerate(m.next):
            out.append(f'next {state} ' + ' '.join(map(str, row)))
        for state, row in enumerate(m.freq):
            out.append(f'frequencies {state} ' + ' '.join(map(str, trimmed(row))))
    return '\n'.join(out) + '\n'


def c_rows(numbers, indent):
    lines, line = [], ''
    for n in numbers:
        word = f'{n}, '
        if len(indent) + len(line) + len(word) > 100:
            lines.append(indent + line.rstrip())
            line = ''
        line += word
    return lines + [indent + line.rstrip()]


def c_table(out, kind, name, sizes, rows):
    out.append(f'static const {kind} {name}{sizes} = {{')
    if rows and isinstance(rows[0], list):
        for row in rows:
            out.append('    {')
            out.extend(c_rows(trimmed(row), ' ' * 8))
            out.append('    },')
    else:
        out.extend(c_rows(rows, ' ' * 4))
    out.append('};')


def as_c(models):
    out = ['/*', ' * codec_tables.c -- the models of coded arrays, as format-spec/models.txt has them.',
           ' * Made by bench/train_models.py.', ' */',
           '#include "codec_model.h"', '', '/* clang-format off */']
    alike = {}  # models that differ in their frequencies alone share what is equal
    for m in models:
        n = m.number
        pairs = isinstance(m.meaning[0], tuple)
        out.append('')
        out.append(f'/* {m.name} */')
        m.alike = alike.setdefault(repr((m.meaning, m.classes, m.next)), n)
        if m.alike == n:
            if pairs:
                c_table(out, 'int16_t', f'gaps_{n}', '[]', [0] + [g for g, _ in m.meaning])
            values = [0] + [c for _, c in m.meaning] if pairs else [0] + m.meaning
            c_table(out, 'int16_t', f'values_{n}', '[]', values + [0] * (len(m.classes) - len(values)))
            if isinstance(m, Rests):
                c_table(out, 'uint16_t', f'lengths_{n}', '[]', [0] * len(values) + [least for least, _ in m.rests])
                c_table(out, 'uint8_t', f'bits_{n}', '[]', [0] * len(values) + [bits for _, bits in m.rests])
            c_table(out, 'uint8_t', f'classes_{n}', '[]', m.classes)
            c_table(out, 'uint8_t', f'next_{n}', f'[][{len(m.next[0])}]', m.next)
        c_table(out, 'uint16_t', f'frequencies_{n}', f'[][{len(m.classes)}]', m.freq)
    out += ['', 'const struct codec_model codec_models[CODEC_MODELS] = {']
    for m in models:
        n, pairs = m.number, isinstance(m.meaning[0], tuple)
        out.append(f'    {{ {len(m.next)}, {m.start}, {len(m.classes)}, {len(m.next[0])}, '
                   + f'{"gaps_%d" % m.alike if pairs else "NULL"}, values_{m.alike}, '
                   + (f'lengths_{n}, bits_{n},' if isinstance(m, Rests) else 'NULL, NULL,'))
        out.append(f'      classes_{m.alike}, &next_{m.alike}[0][0], &frequencies_{n}[0][0] }},')
    out += ['};', '/* clang-format on */']
    return '\n'.join(out) + '\n'


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', default=os.path.join(here, '..', '..', 'shared', 'data'))
    parser.add_argument('--leave')
    parser.add_argument('--check', action='store_true')
    parser.add_argument('text')
    parser.add_argument('source')
    options = parser.parse_args()
    data = Data(options.data, tuple(map(int, options.leave.split('/'))) if options.leave else None)
    hearts = data.heart_rate()
    usual = heart_rate(1, 'heart rate', hearts, 0.0005, 0.3)
    models = [
        usual,
        heart_rate(2, 'heart rate, of a clock that leaves its raster', hearts, 0.02, 0),
        residuals(3, 'residuals', data),
        steps(4, 'steps a minute', data),
        levels(5, 'a few levels', data),
        changes(6, 'changes of a slow signal', data),
        drifting(7, 'gaps of a clock that drifts', data),
        heart_rate(8, 'heart rate, of the wearer least like the others', least_alike(hearts, usual, 0.0005, 0.3), 0.02, 0),
        noise(9, 'residuals of a noisy signal', data),
        rests(10, 'steps a minute, with rests', data),
    ]
    for path, made in ((options.text, as_text(models)), (options.source, as_c(models))):
        if options.check:
            with open(path, encoding='utf-8') as file:
                if file.read() != made:
                    sys.exit(f'{path}: other than what is trained here')
        else:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(made)


if __name__ == '__main__':
    main()
