"""blocks.py -- rows of one series, packed or coded, as the blocks of segments hold them (format-spec/blocks.md)."""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
import struct

from columns import ENUM, INSTANT, INT, INTERVAL, read_columns, read_u64s, take_texts
from cursor import Cursor, I64_MAX, TIME_MAX, TIME_MIN, U64_MAX, UNITS_NS, wrap
from models import SLOTS, models, slots_of_weights
from native import zstd_content

CONSTANT, PACKED, DICTIONARY, DICTIONARY_ESCAPE, CHANGES, RUNS, BITS, DECIMAL, CODED, CUT, MULTIPLES = range(1, 12)
SCALED, SINGLE, PREDICTED, TEXTS_ZSTD, SWITCHED, RESTS = range(12, 18)
ZSTD_TEXT_BYTES_MAX = 65_535 + 1_048_576
GAPS, PAIRS, DERIVED, RATE, SPELLS, EVEN = range(6)
BY_DURATION, BY_FIELD, BY_FIELD_BEFORE = range(3)  # what tells gaps
BY_STARTS = 4  # added: exceptions are told by starts
ROWS_MAX = 8_192
SHORT_MAX = 1_024  # the values of an array that may be packed in one piece
GROUP_WORDS = 512
GROUP_ROW_BYTES = 64  # of a group: one lane word of each lane
PATCHED = 0x80
EXPONENT_MAX = 18
SHIFT_MAX = 56
TAPS_MAX, COEFFICIENT_END, COEFFICIENT_BITS, COEFFICIENT_HALF = 32, 2**20, 12, 2**11
SWITCHED_BITS, SWITCHED_HALF, ACTIVE_CHANGES = 8, 2**7, 8
TICKS_END, RATE_ROWS_END = 2**48, 2**32
LANES, LANES_FEW, MANY = 16, 4, 2_048  # symbols that are not many have few lanes
STATE_BITS, STATE_MIN = 28, 4_096
SPELL_VALUES_MAX, SPELL_CLASSES_MAX, EXACT_CLASSES = 16, 128, 8

# the codes that an array may have: within CHANGES or RUNS, as escapes of a dictionary, as a piece of CUT, as escapes of
# CODED or of pairs, within PREDICTED or SWITCHED, within MULTIPLES, as a column; and any of them by its length
NESTED = (CONSTANT, PACKED, DICTIONARY, DICTIONARY_ESCAPE)
ESCAPES = (CONSTANT, PACKED)
PIECE = NESTED + (CHANGES, RUNS)
ESCAPED = PIECE + (CUT,)
RESIDUALS = PIECE + (CODED, CUT, RESTS)
FACTORED = RESIDUALS + (PREDICTED, SWITCHED)
COLUMN = FACTORED + (MULTIPLES,)
SHORT = PIECE + (CODED, MULTIPLES, PREDICTED, SWITCHED, RESTS)
LONG = (CONSTANT, CODED, CUT, MULTIPLES, PREDICTED, SWITCHED, RESTS)


def read_block(c, schema, count, begin, with_revision, own_models=None):
    """The rows of a block whose first time is `begin`; the caller sees that the bytes end with them."""
    c.own_models = own_models or {}
    c.check(1 <= count <= ROWS_MAX, f"{count} rows in a block, 1 to {ROWS_MAX} expected")

    times = None

    def read_times(c, count, what):
        nonlocal times
        times = _read_times(c, schema, count, what)

    def read_integers(c, count, what):
        return times.told[what] if what in times.told else _read_array(c, count, what)

    rows = read_columns(c, schema, count, with_revision, (read_times, read_integers, _read_floats, _read_texts))
    rows.time = list(accumulate(((gap & U64_MAX) * UNITS_NS[times.unit] for gap in times.gaps_of(rows)[1:]), initial=begin))
    c.check(begin >= TIME_MIN and rows.time[-1] <= TIME_MAX, "a time out of range", times.at)
    return rows


# ---- bits

def _cut(run, count, width):
    """The words of one run of bits, the lowest first."""
    bits, mask = int.from_bytes(run, "little"), (1 << width) - 1
    return [bits >> shift & mask for shift in range(0, count * width, width)]


def _cut_group(group, width):
    lane_bits = 16 if width <= 16 else 32 if width <= 32 else 64
    lanes, lane_bytes = GROUP_WORDS // lane_bits, lane_bits // 8
    words = [0] * GROUP_WORDS
    for lane in range(lanes):
        first = lane * lane_bytes
        run = b"".join(group[at:at + lane_bytes] for at in range(first, len(group), GROUP_ROW_BYTES))
        words[lane::lanes] = _cut(run, lane_bits, width)
    return words


def _read_bits(c, n, width):
    if width == 0:
        return [0] * n
    words = []
    for _ in range(n // GROUP_WORDS):
        words += _cut_group(c.take(GROUP_ROW_BYTES * width), width)
    tail = n % GROUP_WORDS
    return words + _cut(c.take(-(-tail * width // 8)), tail, width)


# ---- arrays

def _read_array(c, n, what, codes=COLUMN):
    """A list of n signed integers in one of the `codes`, as far as its length allows them."""
    code = c.u8()
    allowed = [one for one in codes if one in (LONG if n > SHORT_MAX else SHORT)]
    c.check(code in allowed, f"{what} of {n} values in code {code}, one of {allowed} expected", c.at - 1)
    return _ARRAYS[code](c, n, what)


def read_array(c, n, what):
    """An array that is no column of rows (segment.md, "Rollups")."""
    return _read_array(c, n, what)


def _read_constant(c, n, _what):
    return [c.zigzag()] * n


def _read_places(c, places, n, what):
    """Rising indexes below n: each as what lies between it and the one before."""
    at = c.at
    indexes = [distance + order for order, distance in enumerate(accumulate(c.varints(places)))]
    c.check(not indexes or indexes[-1] < n, f"{what}: a place beyond {n} values", at)
    return indexes


def _read_packed(c, n, what):
    base = c.zigzag()
    at = c.at
    width = c.u8()
    patched, width = width & PATCHED, width & ~PATCHED
    c.check(width <= 64, f"{what}: words of {width} bits", at)
    values = [wrap(base + word) for word in _read_bits(c, n, width)]
    if patched:
        at = c.at
        patches = c.varint()
        c.check(1 <= patches <= n, f"{what}: {patches} patches of {n} values", at)
        places = _read_places(c, patches, n, what)
        at = c.at
        high_width = c.u8()
        c.check(1 <= high_width <= 64, f"{what}: highs of {high_width} bits", at)
        for place, high in zip(places, _read_bits(c, patches, high_width)):
            values[place] = wrap(values[place] + (((high >> 1) ^ -(high & 1)) << width))
    return values


def _read_entries(c, what, most):
    at = c.at
    entries = c.u8() + 1
    c.check(entries <= most, f"{what}: a dictionary of {entries} entries, at most {most} expected", at)
    return [c.zigzag() for _ in range(entries)]


def _read_dictionary(c, n, what):
    entries = _read_entries(c, what, 256)
    at = c.at
    indexes = _read_bits(c, n, (len(entries) - 1).bit_length())
    c.check(max(indexes) < len(entries), f"{what}: an index beyond the {len(entries)} of the dictionary", at)
    return [entries[index] for index in indexes]


def _read_dictionary_escape(c, n, what):
    entries = _read_entries(c, what, 255)
    escape, at = len(entries), c.at
    indexes = _read_bits(c, n, escape.bit_length())
    c.check(max(indexes) <= escape, f"{what}: an index beyond the {escape} of the dictionary and its escape", at)
    escapes = indexes.count(escape)
    c.check(escapes >= 1, f"{what}: no escapes in code {DICTIONARY_ESCAPE}", at)
    values = iter(_read_array(c, escapes, what, ESCAPES))
    return [next(values) if index == escape else entries[index] for index in indexes]


def _read_changes(c, n, what):
    first = c.zigzag()
    changes = _read_array(c, n, what, NESTED)
    return list(accumulate(changes[1:], lambda value, change: wrap(value + change), initial=first))


def _read_runs(c, n, what):
    at = c.at
    runs = c.varint()
    c.check(1 <= runs <= n, f"{what}: {runs} runs of {n} values", at)
    at = c.at
    lengths = _read_array(c, runs, what, NESTED)
    c.check(min(lengths) >= 1 and sum(lengths) == n, f"{what}: runs of other lengths than {n} values have", at)
    values = _read_array(c, runs, what, NESTED)
    return [value for value, length in zip(values, lengths) for _ in range(length)]


def _read_cut(c, n, what):
    return [value for first in range(0, n, SHORT_MAX) for value in _read_array(c, min(SHORT_MAX, n - first), what, PIECE)]


def _read_multiples(c, n, what):
    at = c.at
    factor = c.varint()
    c.check(factor >= 1, f"{what}: multiples of 0", at)
    return [wrap(factor * value) for value in _read_array(c, n, what, FACTORED)]


def _read_taps(c, what):
    at = c.at
    taps = c.u8()
    c.check(1 <= taps <= TAPS_MAX, f"{what}: {taps} taps, 1 to {TAPS_MAX} expected", at)
    coefficients = [c.zigzag() for _ in range(taps)]
    c.check(all(abs(one) < COEFFICIENT_END for one in coefficients), f"{what}: a coefficient of over 20 bits", at)
    return coefficients


def _read_predicted(c, n, what):
    coefficients = _read_taps(c, what)
    base = c.zigzag()
    before, values = [0] * len(coefficients), []  # the last ones, the nearest first
    for residual in _read_array(c, n, what, RESIDUALS):
        foretold = wrap(sum(one * value for one, value in zip(coefficients, before)))
        before = [wrap(residual + (wrap(foretold + COEFFICIENT_HALF) >> COEFFICIENT_BITS))] + before[:-1]
        values.append(wrap(base + before[0]))
    return values


def _read_switched(c, n, what):
    value = c.zigzag()
    threshold = c.varint()
    lists = [_read_taps(c, what), _read_taps(c, what)]
    before, values = [0] * TAPS_MAX, []  # changes, the nearest first
    for residual in _read_array(c, n, what, RESIDUALS):
        activity = sum(map(abs, before[:ACTIVE_CHANGES])) % 2**64
        foretold = wrap(sum(one * change for one, change in zip(lists[activity > threshold], before)))
        change = wrap(residual + (wrap(foretold + SWITCHED_HALF) >> SWITCHED_BITS))
        before = [change] + before[:-1]
        value = wrap(value + change)
        values.append(value)
    return values


# ---- symbols of models

def _read_model(c, kind, what):
    at = c.at
    number = c.u8()
    model = c.own_models.get(number) or models().get(number)
    c.check(model is not None and model.kind == kind, f"{what}: no model {number} of {kind}", at)
    return model


def _read_symbols(c, n, model, what):
    """n symbols: each lane has a run of them, and the lanes take turns."""
    at = c.at
    lane_count = LANES if n >= MANY else LANES_FEW
    lanes = _cut(c.take(lane_count * STATE_BITS // 8), lane_count, STATE_BITS)
    c.check(min(lanes) >= STATE_MIN, f"{what}: a coder's state below {STATE_MIN}", at)
    words_at = c.at
    count = c.varint()
    words = iter(struct.unpack(f"<{count}H", c.take(2 * count)))
    firsts = [model.firsts(state) for state in range(len(model.next))]
    runs, states = [[] for _ in lanes], [model.start] * lane_count
    for _ in range(-(-n // lane_count)):
        for lane, x in enumerate(lanes):
            state, slot = states[lane], x % SLOTS
            symbol = bisect_right(firsts[state], slot) - 1
            x = model.frequencies[state][symbol] * (x // SLOTS) + slot - firsts[state][symbol]
            if x < STATE_MIN:
                word = next(words, None)
                c.check(word is not None, f"{what}: {count} words are too few", words_at)
                x = x << 16 | word
            lanes[lane] = x
            runs[lane].append(symbol)
            states[lane] = model.next[state][model.classes[symbol]]
    c.check(next(words, None) is None, f"{what}: {count} words are too many", words_at)
    c.check(all(x == STATE_MIN for x in lanes), f"{what}: a coder's state is not {STATE_MIN} at the end", at)
    return [symbol for run in runs for symbol in run][:n]


def _read_escapes(c, symbols, what):
    """How many there are, which is told once more."""
    at = c.at
    escapes = c.varint()
    c.check(escapes == symbols.count(0), f"{what}: {escapes} escapes for {symbols.count(0)} symbols", at)
    return escapes


def _read_escaped(c, escapes, what):
    return iter(_read_array(c, escapes, what, ESCAPED) if escapes else ())


def _read_coded(c, n, what):
    model = _read_model(c, "values", what)
    at = c.at
    shift, order = divmod(c.u8(), 4)
    c.check(shift <= SHIFT_MAX, f"{what}: a shift of {shift}, at most {SHIFT_MAX} expected", at)
    base = c.zigzag()
    symbols = _read_symbols(c, n, model, what)
    lows = _read_bits(c, n, shift)
    escaped = _read_escaped(c, _read_escapes(c, symbols, what), what)
    meanings, = model.meanings
    values = [(meanings[symbol - 1] << shift) + low if symbol else next(escaped) for symbol, low in zip(symbols, lows)]
    for _ in range(order):
        values = list(accumulate(values[1:], initial=0))
    return [wrap(base + value) for value in values]


def _read_pairs(c, n):
    """Gaps and values."""
    what = "pairs"
    model = _read_model(c, "pairs", what)
    first = c.zigzag()
    symbols = _read_symbols(c, n, model, what)
    escapes = _read_escapes(c, symbols, what)
    gaps, changes = ([meaning[symbol - 1] if symbol else next(escaped) for symbol in symbols]
                     for meaning, escaped in [(meaning, _read_escaped(c, escapes, what)) for meaning in model.meanings])
    return gaps, list(accumulate(changes[1:], lambda value, change: wrap(value + change), initial=first))


# ---- symbols of a single lane: rests, spells

class _Lane:
    """A coder of a single lane: symbols of states, each with the first slots of its symbols and what is behind the last."""

    def __init__(self, c, firsts, what):
        self.c, self.firsts, self.what, self.at = c, firsts, what, c.at
        self.x = c.u32()
        c.check(STATE_MIN <= self.x < 1 << STATE_BITS, f"{what}: a coder's state out of range", self.at)
        count = c.varint()
        self.words = iter(struct.unpack(f"<{count}H", c.take(2 * count)))

    def _fill(self):
        if self.x < STATE_MIN:
            word = next(self.words, None)
            self.c.check(word is not None, f"{self.what}: too few words", self.at)
            self.x = self.x << 16 | word

    def next(self, state):
        slot, firsts = self.x % SLOTS, self.firsts[state]
        symbol = bisect_right(firsts, slot) - 1
        self.x = (firsts[symbol + 1] - firsts[symbol]) * (self.x // SLOTS) + slot - firsts[symbol]
        self._fill()
        return symbol

    def low(self, bits):
        self.x, low = divmod(self.x, 1 << bits)
        self._fill()
        return low

    def end(self):
        self.c.check(next(self.words, None) is None, f"{self.what}: too many words", self.at)
        self.c.check(self.x == STATE_MIN, f"{self.what}: a coder's state is not {STATE_MIN} at the end", self.at)


def _read_rests(c, n, what):
    model = _read_model(c, "rests", what)
    lane = _Lane(c, [list(accumulate(told, initial=0)) for told in model.frequencies], what)
    values, escapes, state = [], [], model.start
    while len(values) < n:
        symbol = lane.next(state)
        state = model.next[state][model.classes[symbol]]
        run = symbol - 1 - len(model.meanings[0])
        if symbol == 0:
            escapes.append(len(values))
        if run < 0:
            values.append(model.meanings[0][symbol - 1] if symbol else None)
            continue
        length, bits = model.runs[run]
        length += lane.low(bits)
        c.check(length <= n - len(values), f"{what}: a run of {length} zeros where {n - len(values)} are left", lane.at)
        values += [0] * length
    lane.end()
    at = c.at
    count = c.varint()
    c.check(count == len(escapes), f"{what}: {count} escapes for {len(escapes)} symbols", at)
    for place, value in zip(escapes, _read_escaped(c, count, what)):
        values[place] = value
    return values


def _spell_symbols(c, values):
    """The machine that a block has with it, and the symbols that are coded by it."""
    at = c.at
    classes = c.u8()
    c.check(1 <= classes <= SPELL_CLASSES_MAX, f"spells: {classes} classes, 1 to {SPELL_CLASSES_MAX} expected", at)
    firsts = []
    for symbols in [2 * values] * values + [classes] * (values + 1):
        weights = _cut(c.take((symbols + 1) // 2), symbols, 4)
        firsts.append(list(accumulate(slots_of_weights(weights), initial=0)))
    return _Lane(c, firsts, "spells")


def _low_bits(number_class):
    return 0 if number_class < EXACT_CLASSES else 2 + (number_class - EXACT_CLASSES) // 2


def _read_spells(c, n):
    """Gaps, durations and values."""
    at = c.at
    count = c.u8()
    c.check(1 <= count <= SPELL_VALUES_MAX, f"spells: {count} values, 1 to {SPELL_VALUES_MAX} expected", at)
    listed = [c.zigzag() for _ in range(count)]
    step = c.varint()
    c.check(step >= 1, "spells: a step of 0", at)
    symbols, place, values, classes = _spell_symbols(c, count), 0, [], []
    for row in range(n):
        place, after_pause = divmod(symbols.next(place), 2)
        c.check(row > 0 or not after_pause, "spells: a pause before the first row", at)
        values.append(listed[place])
        classes.append(symbols.next(count) if after_pause else 0)
        classes.append(symbols.next(count + 1 + place))
    symbols.end()
    lows = int.from_bytes(c.take((sum(map(_low_bits, classes)) + 7) // 8), "little")
    numbers = []
    for one in classes:
        width = _low_bits(one)
        first = one if one < EXACT_CLASSES else (2 + one % 2) << width
        numbers.append((first + lows % (1 << width)) * step)
        lows >>= width
    pauses, durations = numbers[::2], numbers[1::2]
    c.check(max(durations) <= I64_MAX, "spells: a duration beyond 2^63 - 1", at)
    gaps = [pause + before for pause, before in zip(pauses, [0] + durations)]
    c.check(max(gaps) <= U64_MAX, "spells: a time out of range", at)
    return gaps, durations, values


_ARRAYS = {CONSTANT: _read_constant, PACKED: _read_packed, DICTIONARY: _read_dictionary,
           DICTIONARY_ESCAPE: _read_dictionary_escape, CHANGES: _read_changes, RUNS: _read_runs, CODED: _read_coded,
           CUT: _read_cut, MULTIPLES: _read_multiples, PREDICTED: _read_predicted, SWITCHED: _read_switched,
           RESTS: _read_rests}


# ---- columns

@dataclass
class _Times:
    """What stands in the column of times."""

    at: int
    unit: int
    gaps: list = None  # None: another column tells them
    told: dict = field(default_factory=dict)  # columns that came along, by name
    source: int = None
    by_starts: bool = False
    exceptions: tuple = ()  # places and the gaps, or starts, there

    def gaps_of(self, rows):
        if self.gaps:
            return self.gaps
        told = rows.duration if self.source == BY_DURATION else rows.fields[0]
        gaps = list(told) if self.source == BY_FIELD else [0] + told[:-1]
        return self._gaps_by_starts(gaps) if self.by_starts else self._gaps_but(gaps, self.exceptions)

    @staticmethod
    def _gaps_but(gaps, exceptions):
        for place, gap in exceptions:
            gaps[place] = gap
        return gaps

    def _gaps_by_starts(self, gaps):
        starts = dict(self.exceptions)
        own = gaps if self.source == BY_FIELD else [0] * len(gaps)
        time, start = 0, -own[0]
        for row in range(1, len(gaps)):
            if row in starts:
                start += starts[row]
                gaps[row] = wrap(start + own[row] - time)
            time += gaps[row]
        return gaps


def _read_times(c, schema, count, what):
    at = c.at
    form, unit = divmod(c.u8(), 8)
    c.check(unit < len(UNITS_NS), f"unknown unit {unit}", at)
    c.check(form in (GAPS, PAIRS, DERIVED, RATE, SPELLS, EVEN), f"unknown form {form} of times", at)
    if form == GAPS:
        return _Times(at, unit, _read_array(c, count, what))
    if form == PAIRS:
        c.check(schema.kind == INSTANT and schema.types == (INT,), "pairs where rows are not one int of an instant", at)
        gaps, values = _read_pairs(c, count)
        return _Times(at, unit, gaps, {"ints": values})
    if form == SPELLS:
        c.check(schema.kind == INTERVAL and schema.types in ((INT,), (ENUM,)) and unit == 0,
                "spells where rows are not one int or enum of an interval, or in another unit than 0", at)
        gaps, durations, values = _read_spells(c, count)
        return _Times(at, unit, gaps, {"duration": durations, "ints": values, "enums": values})
    if form == EVEN:
        c.check(schema.kind == INTERVAL, "even intervals where rows are instants", at)
        gap = c.varint()
        c.check(gap * UNITS_NS[unit] <= I64_MAX, "even intervals of a duration beyond 2^63 - 1", at)
        return _Times(at, unit, [gap] * count, {"duration": [gap * UNITS_NS[unit]] * count, "flags": [0] * count})
    if form == RATE:
        return _Times(at, unit, _read_rate(c, count, what))
    source_at = c.at
    by_starts, source = divmod(c.u8(), BY_STARTS)
    c.check(by_starts < 2 and source in (BY_DURATION, BY_FIELD, BY_FIELD_BEFORE), f"times that the unknown column {source} tells", source_at)
    if source == BY_DURATION:
        c.check(schema.kind == INTERVAL, "times that durations tell, which instants have not", source_at)
        c.check(unit == 0, f"times that durations tell, in unit {unit}", at)
    else:
        c.check(schema.types[0] == INT, "times that a field tells which is no int", source_at)
    exceptions = _read_starts(c, count, what) if by_starts else _read_exceptions(c, count, what)
    return _Times(at, unit, source=source, by_starts=by_starts == 1, exceptions=exceptions)


def _read_rate(c, count, what):
    """The gaps of times at an even rate, of which that before the first row stands for nothing."""
    at = c.at
    ticks, rows, phase = c.varint(), c.varint(), c.varint()
    c.check(ticks < TICKS_END and 1 <= rows < RATE_ROWS_END and phase < rows, f"{what}: {ticks} ticks in {rows} rows from {phase}", at)
    places = [(phase + row * ticks) // rows for row in range(count)]
    return [0] + [after - before for before, after in zip(places, places[1:])]


def _read_exceptions(c, count, what):
    """Places and the gaps there."""
    at = c.at
    exceptions = c.varint()
    c.check(exceptions <= count, f"{what}: {exceptions} exceptions of {count} gaps", at)
    places = _read_places(c, exceptions, count, what)
    return list(zip(places, _read_array(c, exceptions, what) if exceptions else ()))


def _read_starts(c, count, what):
    """Places and the starts there, each start less the one before."""
    at = c.at
    exceptions = c.varint()
    c.check(exceptions <= count, f"{what}: {exceptions} exceptions of {count} gaps", at)
    if exceptions == 0:
        return []
    places, place = [], 0
    for between in _read_array(c, exceptions, what):
        place += 1 + (between & U64_MAX)
        places.append(place)
    c.check(place < count, f"{what}: an exception at row {place} of {count}", at)
    return list(zip(places, _read_array(c, exceptions, what)))


def _bits_of(doubles):
    return list(struct.unpack(f"<{len(doubles)}Q", struct.pack(f"<{len(doubles)}d", *doubles)))


def _read_floats(c, count, what):
    at = c.at
    code = c.u8()
    c.check(code in (BITS, DECIMAL, SCALED, SINGLE), f"unknown code {code} of {what}", at)
    if code == BITS:
        return read_u64s(c, count)
    if code == SINGLE:
        return _read_singles(c, count, what)
    bits = _read_decimals(c, count, what) if code == DECIMAL else _read_scaled(c, count, what)
    at = c.at
    exceptions = c.varint()
    c.check(exceptions <= count, f"{what}: {exceptions} exceptions of {count} values", at)
    places = _read_places(c, exceptions, count, what)
    for place, value in zip(places, read_u64s(c, exceptions)):
        bits[place] = value
    return bits


def _read_decimals(c, count, what):
    at = c.at
    exponent = c.u8()
    c.check(exponent <= EXPONENT_MAX, f"{what}: exponent {exponent}, at most {EXPONENT_MAX} expected", at)
    scale = float(10**exponent)
    return _bits_of([float(m) / scale for m in _read_array(c, count, what)])


def _float32_of(word):
    return struct.unpack("<f", struct.pack("<I", word))[0]


def _nearest_float32(value):
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:  # beyond the greatest
        return float("inf") if value > 0 else float("-inf")


def _read_scaled(c, count, what):
    """Products of 24 and 24 bits are exact as doubles, so that they are rounded once."""
    at = c.at
    scale = _float32_of(c.u32())
    c.check(0 < scale < float("inf"), f"{what}: a scale that is not finite and above 0", at)
    integers = _read_array(c, count, what)
    c.check(all(-2**24 <= m < 2**24 for m in integers), f"{what}: an integer of more than 25 bits", at)
    return _bits_of([_nearest_float32(m * scale) for m in integers])


def _read_singles(c, count, what):
    at = c.at
    orders = _read_array(c, count, what)
    c.check(all(-2**31 <= o < 2**31 for o in orders), f"{what}: bits of no float32", at)
    words = [o if o >= 0 else 2**31 + (-o - 1) for o in orders]
    c.check(all(word >> 23 & 0xFF != 0xFF for word in words), f"{what}: a float32 that is not finite", at)
    return _bits_of([_float32_of(word) for word in words])


def _read_texts(c, count, what):
    at = c.at
    if not c.left or c.data[c.at] != TEXTS_ZSTD:
        return take_texts(c, _read_array(c, count, what), at)
    c.u8()
    lengths = _read_array(c, count, what)
    total = sum(lengths)
    c.check(min(lengths) >= 0 and 1 <= total <= ZSTD_TEXT_BYTES_MAX, f"{what}: texts of {total} bytes in a frame", at)
    frame = c.take(c.varint())
    plain = zstd_content(frame, total)
    c.check(plain is not None, f"{what}: no Zstandard frame of {total} bytes", at)
    return take_texts(Cursor(plain, f"{what}, unpacked", 0), lengths, 0)
