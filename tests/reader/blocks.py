"""blocks.py -- rows of one series, packed, as the blocks of segments hold them (format-spec/blocks.md)."""

from itertools import accumulate
import struct

from columns import read_columns, read_u64s, take_texts
from cursor import TIME_MAX, U64_MAX, UNITS_NS, wrap

CONSTANT, PACKED, DICTIONARY, DICTIONARY_ESCAPE, CHANGES, RUNS, BITS, DECIMAL = range(1, 9)
ROWS_MAX = 1_024
GROUP_WORDS = 512
GROUP_ROW_BYTES = 64  # of a group: one lane word of each lane
PATCHED = 0x80
EXPONENT_MAX = 18

# the codes that an array may have: a column, one within CHANGES or RUNS, the escapes of a dictionary
COLUMN = (CONSTANT, PACKED, DICTIONARY, DICTIONARY_ESCAPE, CHANGES, RUNS)
NESTED = (CONSTANT, PACKED, DICTIONARY, DICTIONARY_ESCAPE)
ESCAPES = (CONSTANT, PACKED)


def read_block(c, schema, count, begin, with_revision):
    """The rows of a block whose first time is `begin`; the caller sees that the bytes end with them."""
    c.check(1 <= count <= ROWS_MAX, f"{count} rows in a block, 1 to {ROWS_MAX} expected")

    def read_times(c, count, what):
        return _read_times(c, count, begin, what)

    return read_columns(c, schema, count, with_revision, (read_times, _read_array, _read_floats, _read_texts))


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
    """A list of n signed integers in one of the `codes`."""
    code = c.u8()
    c.check(code in codes, f"{what} in code {code}, one of {codes} expected", c.at - 1)
    return _ARRAYS[code](c, n, what)


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


_ARRAYS = {CONSTANT: _read_constant, PACKED: _read_packed, DICTIONARY: _read_dictionary,
           DICTIONARY_ESCAPE: _read_dictionary_escape, CHANGES: _read_changes, RUNS: _read_runs}


# ---- columns

def _read_times(c, count, begin, what):
    at = c.at
    unit = c.u8()
    c.check(unit < len(UNITS_NS), f"unknown unit {unit}", at)
    gaps = _read_array(c, count, what)
    times = list(accumulate(((gap & U64_MAX) * UNITS_NS[unit] for gap in gaps[1:]), initial=begin))
    c.check(times[-1] <= TIME_MAX, "a time out of range", at)
    return times


def _read_floats(c, count, what):
    at = c.at
    code = c.u8()
    c.check(code in (BITS, DECIMAL), f"{what} in code {code}, one of {(BITS, DECIMAL)} expected", at)
    if code == BITS:
        return read_u64s(c, count)
    at = c.at
    exponent = c.u8()
    c.check(exponent <= EXPONENT_MAX, f"{what}: exponent {exponent}, at most {EXPONENT_MAX} expected", at)
    scale = float(10**exponent)
    quotients = [float(m) / scale for m in _read_array(c, count, what)]
    bits = list(struct.unpack(f"<{count}Q", struct.pack(f"<{count}d", *quotients)))
    at = c.at
    exceptions = c.varint()
    c.check(exceptions <= count, f"{what}: {exceptions} exceptions of {count} values", at)
    places = _read_places(c, exceptions, count, what)
    for place, value in zip(places, read_u64s(c, exceptions)):
        bits[place] = value
    return bits


def _read_texts(c, count, what):
    at = c.at
    return take_texts(c, _read_array(c, count, what), at)
