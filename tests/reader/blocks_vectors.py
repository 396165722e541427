#!/usr/bin/env python3
"""blocks_vectors.py -- a plain writer of blocks, and the test vectors of format-spec/blocks.md, which it prints.

Written from that page alone, bit by bit where the reader takes whole runs, so that neither repeats the other's slips. It
chooses nothing: whoever calls names the code of every array. After a change to the vectors:

    python3 -B tests/reader/blocks_vectors.py > format-spec/vectors/blocks.txt
"""

from fractions import Fraction
from itertools import groupby
import os
import struct

INT, FLOAT, ENUM, TEXT = 1, 2, 3, 4
UNIT_NS = (1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000)
ROWS_MAX, LINE_MAX = 8_192, 16_383  # what the other reader of these files takes
REPEATED_MIN = 9  # so many equal values of a line are written once
I64_MIN, I64_MAX = -(2**63), 2**63 - 1


# ---- numbers and bits

def varint(value):
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)


def signed(value):
    """`value` modulo 2^64, as a signed integer."""
    value %= 2**64
    return value if value < 2**63 else value - 2**64


def zigzag_word(value):
    return 2 * value if value >= 0 else -2 * value - 1


def zigzag(value):
    return varint(zigzag_word(signed(value)))


def bits(words, width):
    """Groups of 512 words, then the tail, each bit put where the page says."""
    lane_bits = 16 if width <= 16 else 32 if width <= 32 else 64
    lanes, grouped = 512 // lane_bits, len(words) // 512 * 512
    groups = bytearray(grouped * width // 8)
    tail = bytearray(-(-(len(words) - grouped) * width // 8))
    for index, word in enumerate(words):
        assert 0 <= word < 2**width
        for bit in range(width):
            if not word >> bit & 1:
                continue
            if index < grouped:
                group, i = divmod(index, 512)
                row, lane = divmod(i, lanes)
                j, within = divmod(row * width + bit, lane_bits)
                at = group * 64 * width + (j * lanes + lane) * lane_bits // 8 + within // 8
                groups[at] |= 1 << within % 8
            else:
                at = (index - grouped) * width + bit
                tail[at // 8] |= 1 << at % 8
    return bytes(groups + tail)


# ---- arrays: each function gives one that turns values into the bytes of an array

def constant():
    def encode(values):
        assert len(set(values)) == 1
        return b"\x01" + zigzag(values[0])
    return encode


def places(indexes):
    """Rising indexes, each as what lies between it and the one before."""
    before, data = -1, b""
    for index in indexes:
        data += varint(index - before - 1)
        before = index
    return data


def packed(width, base=None, high_width=None, patched=()):
    """Words of `width` bits over `base` (the least value, if None); what lies outside is patched, and so are the indexes `patched`."""
    def encode(values):
        least = min(values) if base is None else base
        words, patches = [], {}
        for index, value in enumerate(values):
            distance = value - least
            if not 0 <= distance < 2**width:
                distance = signed(distance)
            words.append(distance % 2**width)
            high = distance >> width
            if width < 64 and high or index in patched:
                patches[index] = zigzag_word(high)
        data = b"\x02" + zigzag(least) + bytes([width | (0x80 if patches else 0)]) + bits(words, width)
        if patches:
            most = high_width or max(1, max(patches.values()).bit_length())
            data += varint(len(patches)) + places(patches) + bytes([most]) + bits(list(patches.values()), most)
        return data
    return encode


def dictionary(*entries):
    def encode(values):
        data = b"\x03" + bytes([len(entries) - 1]) + b"".join(map(zigzag, entries))
        return data + bits([entries.index(value) for value in values], (len(entries) - 1).bit_length())
    return encode


def dictionary_escape(*entries, escapes):
    def encode(values):
        data = b"\x04" + bytes([len(entries) - 1]) + b"".join(map(zigzag, entries))
        indexes = [entries.index(value) if value in entries else len(entries) for value in values]
        return data + bits(indexes, len(entries).bit_length()) + escapes([v for v in values if v not in entries])
    return encode


def changes(nested, first_change=None):
    """The first change, which stands for nothing, repeats the second where it is not told."""
    def encode(values):
        steps = [signed(after - before) for before, after in zip(values, values[1:])]
        front = first_change if first_change is not None else steps[0] if steps else 0
        return b"\x05" + zigzag(values[0]) + nested([front] + steps)
    return encode


def runs(lengths, nested):
    def encode(values):
        found = []
        for value in values:
            if found and found[-1][0] == value:
                found[-1][1] += 1
            else:
                found.append([value, 1])
        return b"\x06" + varint(len(found)) + lengths([n for _, n in found]) + nested([v for v, _ in found])
    return encode


def cut(*pieces):
    """Each of 1,024 values, the last of what is left."""
    def encode(values):
        assert len(values) > 1_024 and len(pieces) == -(-len(values) // 1_024)
        return b"\x0a" + b"".join(piece(values[1_024 * i:1_024 * (i + 1)]) for i, piece in enumerate(pieces))
    return encode


def multiples(factor, nested, parts=None):
    """Of `parts`, where dividing does not tell them."""
    def encode(values):
        divided = parts or [value // factor for value in values]
        assert [signed(factor * part) for part in divided] == list(values)
        return b"\x0b" + varint(factor) + nested(divided)
    return encode


def predicted(coefficients, base, nested):
    def encode(values):
        parts, residuals = [signed(value - base) for value in values], []
        for i, part in enumerate(parts):
            total = sum(c * parts[i - tap] for tap, c in enumerate(coefficients, 1) if i >= tap)
            residuals.append(signed(part - (signed(total + 2_048) // 4_096)))
        return b"\x0e" + bytes([len(coefficients)]) + b"".join(map(zigzag, coefficients)) + zigzag(base) + nested(residuals)
    return encode


def switched(base, threshold, calm, active, nested):
    def encode(values):
        changes = [signed(value - before) for before, value in zip([base] + list(values), values)]
        residuals = []
        for i, change in enumerate(changes):
            coefficients = active if sum(map(abs, changes[max(i - 8, 0):i])) % 2**64 > threshold else calm
            total = sum(c * changes[i - tap] for tap, c in enumerate(coefficients, 1) if i >= tap)
            residuals.append(signed(change - (signed(total + 128) // 256)))
        head = b"".join(bytes([len(taps)]) + b"".join(map(zigzag, taps)) for taps in (calm, active))
        return b"\x10" + zigzag(base) + varint(threshold) + head + nested(residuals)
    return encode


# ---- symbols of models: rANS, backwards

def read_models():
    """Each model's lines by their first words; those of states are lists, in order."""
    models = {}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "format-spec", "models.txt")
    with open(path, encoding="ascii") as file:
        for line in file:
            name, *words = line.split() or ["#"]
            if name == "model":
                model = models[int(words[0])] = {"next": [], "frequencies": []}
            elif name in ("next", "frequencies"):
                model[name].append([int(word) for word in words[1:]])
            elif name not in ("#", "name"):
                model[name] = [int(word) for word in words]
    return models


MODELS = read_models()


def lanes_of(n):
    return 16 if n >= 2_048 else 4


def follow(number, wanted, lanes):
    """Symbols that may come: the escape in place of each that has no frequency there. And the states they meet."""
    model, symbols, states = MODELS[number], [], []
    for index, symbol in enumerate(wanted):
        state = state if index % (len(wanted) // lanes) else model["start"][0]  # at first in a lane
        frequencies = model["frequencies"][state]
        symbol = symbol if symbol < len(frequencies) and frequencies[symbol] else 0
        symbols.append(symbol)
        states.append(state)
        state = model["next"][state][model["classes"][symbol]]
    return symbols, states


def rans(number, symbols, lanes=4, end=4_096):
    """The states and words that a reader begins with, of as many symbols as all lanes have; `end` is what it ends in."""
    kept, met = follow(number, symbols, lanes)
    steps = len(symbols) // lanes
    assert kept == symbols and len(symbols) % lanes == 0
    coder, words = [end] * lanes, []
    for step in reversed(range(steps)):
        for lane in reversed(range(lanes)):
            frequencies = MODELS[number]["frequencies"][met[lane * steps + step]]
            symbol = symbols[lane * steps + step]
            first, frequency = sum(frequencies[:symbol]), frequencies[symbol]
            if coder[lane] >= frequency << 16:
                words.append(coder[lane] & 0xFFFF)
                coder[lane] >>= 16
            quotient, place = divmod(coder[lane], frequency)
            coder[lane] = quotient << 12 | first + place
    return coder, words[::-1]


def symbol_bytes(coder, words):
    return bits(coder, 28) + varint(len(words)) + struct.pack(f"<{len(words)}H", *words)


def symbols_of(number, wanted, pad=0):
    """The symbols, and their bytes; lanes that end early are filled with `pad`, which stands for nothing."""
    lanes = lanes_of(len(wanted))
    whole, _ = follow(number, wanted + [pad] * (-len(wanted) % lanes), lanes)
    return whole[:len(wanted)], symbol_bytes(*rans(number, whole, lanes))


def escaped_of(values, *arrays):
    """How many, and them in each array."""
    if not values:
        return b"\x00"
    return varint(len(values)) + b"".join(array(list(column)) for array, column in zip(arrays, zip(*values)))


WEIGHT_SIZES = [0, 2] + [round(2 ** ((weight + 1) / 2)) for weight in range(2, 32)]


def slots_of(weights):
    """Of each symbol, in a state."""
    have, total = sum(map(bool, weights)), sum(WEIGHT_SIZES[weight] for weight in weights)
    slots = [1 + WEIGHT_SIZES[weight] * (4_096 - have) // total if weight else 0 for weight in weights]
    slots[weights.index(max(weights))] += 4_096 - sum(slots)
    return slots


def zstd_runs(content):
    """RFC 8878: a frame of a few hundred bytes or more whose size is named; long runs of a byte are blocks of their own."""
    pieces = [b""]
    for byte, run in groupby(content):
        run = bytes(run)
        if len(run) > 8:
            pieces += [run, b""]
        else:
            pieces[-1] += run
    pieces = [piece for piece in pieces if piece]
    data = b""
    for index, piece in enumerate(pieces):
        is_run, is_last = len(piece) > 8 and len(set(piece)) == 1, index + 1 == len(pieces)
        data += (is_last | is_run << 1 | len(piece) << 3).to_bytes(3, "little") + piece[:1 if is_run else None]
    return b"\x28\xb5\x2f\xfd\x60" + (len(content) - 256).to_bytes(2, "little") + data


def own_models(weights, frame=zstd_runs, numbers=None):
    """Own models as they are stored, known by their numbers from here on. `weights`: by number, then by state, by symbol."""
    content = b""
    for number, told in weights.items():
        base = MODELS[number]
        own = MODELS[128 + number] = dict(base, frequencies=list(base["frequencies"]))
        for state in range(len(base["next"])):
            of_state = [told.get(state, {}).get(symbol, 0) for symbol in range(len(base["classes"]))]
            content += bytes(of_state)
            if any(of_state):
                own["frequencies"][state] = slots_of(of_state)
    stored = frame(content)
    return bytes([len(numbers or weights), *(numbers or weights)]) + varint(len(stored)) + stored


def coded(number, order=0, shift=0, base=None, escapes=packed(4), first=0, pad=0, avoid=()):
    """Residuals below 2^shift in lows; `escapes` encodes those without a symbol, also at the indexes `avoid`.

    The residual `first` stands for nothing with an order over 0, and then the base is the first value.
    """
    def encode(values):
        origin = base if base is not None else values[0] if order else 0
        residuals = [signed(value - origin) for value in values]
        for _ in range(order):
            assert residuals[0] == 0
            residuals = [0] + [signed(after - before) for before, after in zip(residuals, residuals[1:])]
        if order:
            residuals[0] = first
        meanings = MODELS[number]["values"]
        wanted = [meanings.index(r >> shift) + 1 if r >> shift in meanings and index not in avoid else 0
                  for index, r in enumerate(residuals)]
        symbols, data = symbols_of(number, wanted, pad)
        lows = [r % 2**shift for r in residuals]  # of escapes too, where they stand for nothing
        left = [(r,) for symbol, r in zip(symbols, residuals) if symbol == 0]
        return bytes([9, number, order | shift << 2]) + zigzag(origin) + data + bits(lows, shift) + escaped_of(left, escapes)
    return encode


def rest_symbols(number, values, avoid=(), cuts=()):
    """(symbol, low, bits) of each value and run; escapes at the indexes `avoid`, a run is cut at `cuts`. And the escaped values."""
    model = MODELS[number]
    runs = list(zip(model["lengths"], model["bits"]))
    symbols, escaped, state, i = [], [], model["start"][0], 0
    while i < len(values):
        length, frequencies = 1, model["frequencies"][state]
        while values[i] == 0 and i + length < len(values) and values[i + length] == 0 and i + length not in cuts:
            length += 1
        if values[i] == 0 and i not in avoid:
            run = max(k for k, (least, _) in enumerate(runs) if least <= length)
            symbol, low, size = 1 + len(model["values"]) + run, length - runs[run][0], runs[run][1]
        else:
            symbol = model["values"].index(values[i]) + 1 if values[i] in model["values"] and i not in avoid else 0
            symbol, low, size, length = symbol if symbol < len(frequencies) and frequencies[symbol] else 0, 0, 0, 1
        if symbol == 0:
            escaped.append((values[i],))
        symbols.append((symbol, low, size))
        state = model["next"][state][model["classes"][symbol]]
        i += length
    return symbols, escaped


def rest_bytes(number, symbols, escaped, escapes=packed(9), end=4_096):
    model, met, state = MODELS[number], [], MODELS[number]["start"][0]
    for symbol, _, _ in symbols:
        met.append(state)
        state = model["next"][state][model["classes"][symbol]]
    x, words = end, []
    for (symbol, low, size), state in reversed(list(zip(symbols, met))):
        frequencies = model["frequencies"][state]
        first, frequency = sum(frequencies[:symbol]), frequencies[symbol]
        for limit, add in ((1 << 28 - size, lambda x: x << size | low), (frequency << 16, lambda x: x // frequency << 12 | first + x % frequency)):
            if x >= limit:
                words.append(x & 0xFFFF)
                x >>= 16
            x = add(x)
    return bytes([17, number]) + struct.pack("<I", x) + varint(len(words)) + struct.pack(f"<{len(words)}H", *words[::-1]) + escaped_of(escaped, escapes)


def rests(number=10, escapes=packed(9), end=4_096, **more):
    def encode(values):
        return rest_bytes(number, *rest_symbols(number, values, **more), escapes, end)
    return encode


# ---- columns: the values as words of a line of vectors, and the bytes

def times(unit, encode, first_gap=None):
    def column(values):
        gaps = [(after - before) // UNIT_NS[unit] for before, after in zip(values, values[1:])]
        front = first_gap if first_gap is not None else gaps[0] if gaps else 0
        return list(map(str, values)), bytes([unit]) + encode([signed(gap) for gap in [front] + gaps])
    return column


def pairs(number, unit, values, gaps=packed(4), changes=packed(4), first=(0, 0), pad=0):
    """Times together with `values`; `gaps` and `changes` encode those without a symbol, `first` stands for nothing."""
    def column(time):
        model = MODELS[number]
        both = list(zip(model["gaps"], model["changes"]))
        found = [first] + [(signed((time[i] - time[i - 1]) // UNIT_NS[unit]), signed(values[i] - values[i - 1]))
                           for i in range(1, len(time))]
        symbols, data = symbols_of(number, [both.index(pair) + 1 if pair in both else 0 for pair in found], pad)
        left = [pair for symbol, pair in zip(symbols, found) if symbol == 0]
        data = bytes([unit + 8, number]) + zigzag(values[0]) + data + escaped_of(left, gaps, changes)
        return list(map(str, time)), data
    return column


def derived(unit, source, told, gaps=packed(4), places_told=(), first=0):
    """Times by a column's values `told` (2: of the row before, or durations; 1: of the row itself), where those are the gaps;
    elsewhere, and at the places told, `gaps` encodes exceptions."""
    def column(time):
        count = len(time)
        found = [first] + [(time[i] - time[i - 1]) // UNIT_NS[unit] for i in range(1, count)]
        told_there = told if source == 1 else [first] + list(told[:-1])
        at = [i for i in range(count) if i in places_told or i and told_there[i] % 2**64 != found[i]]
        data = bytes([unit + 16, source]) + varint(len(at)) + places(at)
        return list(map(str, time)), data + (gaps([signed(found[i]) for i in at]) if at else b"")
    return column


def number_class(number):
    """Its class, how many low bits that has, and these."""
    if number < 8:
        return number, 0, 0
    width = number.bit_length() - 2
    return 8 + 2 * (width - 2) + (number >> width) % 2, width, number % 2**width


def spell_bytes(listed, step, rows, classes=None, weigh=None, start=0):
    """Spells of rows (pause, duration, value), pauses and durations in steps, a pause of None where there is none.

    `weigh` gives the weight of a symbol by its state and how often it is there; `start` is the first row's state.
    """
    told, lows, shift, state = [], 0, 0, start
    for pause, duration, value in rows:
        place = listed.index(value)
        told.append((state, 2 * place + (pause is not None)))
        numbers = ([(len(listed), pause)] if pause is not None else []) + [(len(listed) + 1 + place, duration)]
        for its_state, number in numbers:
            its_class, width, low = number_class(number)
            told.append((its_state, its_class))
            lows |= low << shift
            shift += width
        state = place
    count = classes or 1 + max(symbol for state, symbol in told if state >= len(listed))
    machine, data = [], b""
    for state in range(2 * len(listed) + 1):
        symbols = 2 * len(listed) if state < len(listed) else count
        weights = [(weigh or (lambda _, often: min(often, 15)))(state, told.count((state, symbol))) for symbol in range(symbols)]
        machine.append(slots_of(weights))
        data += bytes(low | high << 4 for low, high in zip(weights[::2], (weights[1::2] + [0])))
    x, words = 4_096, []
    for state, symbol in reversed(told):
        first, frequency = sum(machine[state][:symbol]), machine[state][symbol]
        if x >= frequency << 16:
            words.append(x & 0xFFFF)
            x >>= 16
        quotient, place = divmod(x, frequency)
        x = quotient << 12 | first + place
    head = bytes([len(listed)]) + b"".join(map(zigzag, listed)) + varint(step) + bytes([count])
    coder = struct.pack("<I", x) + varint(len(words)) + struct.pack(f"<{len(words)}H", *words[::-1])
    return head + data + coder + lows.to_bytes((shift + 7) // 8, "little")


def by_starts(unit, source, told, at, places_told, starts_told):
    """As derived, with exceptions at the rows `at`, told by starts; arrays encode places and starts."""
    def column(time):
        own = told if source == 1 else [0] * len(time)
        starts = [(time[i] - time[0]) // UNIT_NS[unit] - own[i] for i in [0, *at]]
        steps = [signed(after - before) for before, after in zip(starts, starts[1:])]
        between = [after - before - 1 for before, after in zip([0, *at], at)]
        data = bytes([unit + 16, source + 4]) + varint(len(at))
        return list(map(str, time)), data + (places_told(between) + starts_told(steps) if at else b"")
    return column


def spells(listed, step, rows, **more):
    def column(time):
        return list(map(str, time)), b"\x20" + spell_bytes(listed, step, rows, **more)
    return column


def told_already():
    """The values of pairs, which have no bytes of their own."""
    return integers(lambda _: b"")


def integers(encode):
    def column(values):
        return list(map(str, values)), encode(values)
    return column


def double_bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def float_words(values):
    return [f"{value:016x}" for value in values]


def float_bits():
    def column(values):
        return float_words(values), b"\x07" + struct.pack(f"<{len(values)}Q", *values)
    return column


def decimals(exponent, encode, exceptions=None):
    """Of the values m: the double nearest to m / 10^exponent, but the bits of `exceptions` (index to bits)."""
    exceptions = exceptions or {}

    def column(values):
        doubles = [double_bits(float(Fraction(int(float(m))) / 10**exponent)) for m in values]
        for index, value in exceptions.items():
            doubles[index] = value
        told = varint(len(exceptions)) + places(exceptions) + struct.pack(f"<{len(exceptions)}Q", *exceptions.values())
        return float_words(doubles), b"\x08" + bytes([exponent]) + encode(values) + told
    return column


def texts(encode):
    def column(values):
        return [value.hex() or "-" for value in values], encode([len(value) for value in values]) + b"".join(values)
    return column


def zstd_frame(content, said=None):
    """RFC 8878: a frame of one raw block, whose content is of less than 256 bytes and named."""
    block = (1 | len(content) << 3).to_bytes(3, "little") + content
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(content) if said is None else said]) + block


def zstd_texts(encode, frame=zstd_frame, more=b""):
    def column(values):
        packed_up = frame(b"".join(values)) + more
        head = b"\x0f" + encode([len(value) for value in values]) + varint(len(packed_up))
        return [value.hex() or "-" for value in values], head + packed_up
    return column


# ---- vectors

VECTORS = []


def repeated(words):
    """Runs of equal words as one, with how often it stands."""
    told = []
    for word, run in groupby(words):
        count = len(list(run))
        told += [f"{word}*{count}"] if count >= REPEATED_MIN else [word] * count
    return told


def schema(*types, interval=False, key=255):
    return bytes([2 if interval else 1, len(types), key, *types])


def vector(name, kind, shape, count, with_revision, begin, data, lines=(), models=b""):
    told = [f"vector {name}", f"kind {kind}", f"schema {shape.hex()}", f"count {count}", f"with_revision {with_revision}",
            f"begin {begin}", *([f"models {models.hex()}"] if models else []), f"bytes {data.hex()}".rstrip()] + [f"{line} {' '.join(repeated(words))}" for line, words in lines]
    assert (count <= ROWS_MAX or not lines) and max(map(len, told)) <= LINE_MAX, (name, max(map(len, told)))
    assert f"vector {name}" not in {known.splitlines()[0] for known in VECTORS}, name
    VECTORS.append("\n".join(told) + "\n")


def accept(name, shape, *columns, models=b""):
    """Each of `columns` is the name of its line, its values and how they become bytes, in the order of the page."""
    data, lines = b"", []
    for line, values, column in columns:
        words, encoded = column(values)
        lines.append((line, words))
        data += encoded
    names = [line for line, _ in lines]
    fields = [f"field{index}" for index in range(shape[1])]
    expected = ["time"] + ["duration"] * (shape[0] == 2) + fields + ["flags"] + ["revision"] * (names[-1] == "revision")
    assert names == expected and len({len(words) for _, words in lines}) == 1, name
    vector(name, "rows", shape, len(lines[0][1]), int(names[-1] == "revision"), columns[0][1][0], data, lines, models)


def refuse(name, data, shape=schema(INT), count=3, with_revision=0, begin=0, models=b""):
    vector(name, "refuse", shape, count, with_revision, begin, data, models=models)


def no_flags(count):
    return "flags", [0] * count, integers(constant())


def by_the_second(count, begin=1_700_000_000_000_000_000):
    return "time", [begin + i * 10**9 for i in range(count)], times(3, constant())


def of_ints(name, values, encode):
    accept(name, schema(INT), by_the_second(len(values)), ("field0", values, integers(encode)), no_flags(len(values)))


def of_floats(name, values, column):
    accept(name, schema(FLOAT), by_the_second(len(values)), ("field0", values, column), no_flags(len(values)))


def of_times(name, values, column):
    accept(name, schema(INT), ("time", values, column), ("field0", [7] * len(values), integers(constant())),
           no_flags(len(values)))


def rows_of_times():
    of_times("one_row", [0], times(4, constant()))
    of_times("one_row_at_the_last_time", [I64_MAX - 1], times(0, packed(0)))
    of_times("equal_times", [5, 5, 5], times(4, constant()))
    of_times("constant_gaps_of_nanoseconds", [-7, -4, -1, 2], times(0, constant()))
    of_times("constant_gaps_of_microseconds", [1, 250_001, 500_001], times(1, constant()))
    of_times("milliseconds_packed", [1_000_000_001, 1_020_000_001, 1_039_000_001, 1_060_000_001], times(2, packed(2)))
    of_times("seconds_in_a_dictionary", [0, 10**9, 2 * 10**9, 62 * 10**9, 63 * 10**9], times(3, dictionary(1, 60)))
    of_times("minutes_with_an_escape", [60 * 10**9 * m for m in (0, 1, 2, 5_000, 5_001, 5_002)],
             times(4, dictionary_escape(1, escapes=constant())))
    of_times("gaps_that_change", [0, 1, 3, 6, 10, 15], times(0, changes(constant()), first_gap=0))
    of_times("gaps_in_runs", [0, 1, 2, 3, 5, 7, 9, 11], times(0, runs(constant(), packed(1))))
    of_times("gaps_patched_over_a_night", [0, 5, 11, 16, 28_816, 28_820, 28_826], times(0, packed(2, base=4)))
    of_times("a_smaller_unit_than_could_be", [0, 60 * 10**9, 120 * 10**9], times(0, constant()))
    of_times("a_first_gap_of_no_meaning", [I64_MAX - 3, I64_MAX - 2, I64_MAX - 1], times(0, packed(64), first_gap=I64_MAX))
    of_times("a_first_gap_that_would_wrap_in_minutes", [0, 60 * 10**9], times(4, packed(64), first_gap=-1))
    of_times("a_gap_read_as_unsigned", [I64_MIN + 1, I64_MAX - 1], times(0, constant()))
    of_times("times_to_the_last_minute", [0, I64_MAX // UNIT_NS[4] * UNIT_NS[4]], times(4, constant()))


def rows_of_ints():
    widths = (0, 1, 16, 17, 32, 33, 63, 64)
    accept("words_of_every_lane_size", schema(*[INT] * 8), by_the_second(5),
           *((f"field{index}", [-5 + word % 2**width for word in (0, 2**64 - 1, 0x123456789ABCDEF, 1, 2**63 + 1)],
              integers(packed(width, base=-5))) for index, width in enumerate(widths[:-1])),
           ("field7", [I64_MIN, I64_MAX, -1, 0, 1], integers(packed(64))), no_flags(5))
    of_ints("patches_on_both_sides", [60, 61, -4_000, 63, 62, 9_000, 60, 1_000_000], packed(2, base=60))
    of_ints("every_value_patched", [1, -1, 1_000, -1_000], packed(0, base=0))
    of_ints("highs_of_64_bits", [0, I64_MAX, I64_MIN, 5], packed(0, base=0, high_width=64))
    of_ints("sums_that_wrap", [I64_MAX, I64_MIN, I64_MIN + 2, I64_MAX - 1], packed(2, base=I64_MAX))
    of_ints("a_high_that_adds_nothing_over_64_bits", [3, I64_MIN, I64_MAX], packed(64, base=-1, high_width=7, patched=(0, 2)))
    of_ints("highs_of_zero", [8, 9, 10, 11], packed(2, base=8, patched=(1, 3)))
    of_ints("one_entry", [-9, -9, -9], dictionary(-9))
    of_ints("three_entries", [10, 30, 20, 20, 10], dictionary(10, 20, 30))
    of_ints("256_entries", [63, -64, 0, -1, 1], dictionary(*range(-64, 64), *range(-64, 64)))
    of_ints("255_entries_and_an_escape", [63, 99, -64], dictionary_escape(*range(-64, 64), *range(-64, 63), escapes=packed(0)))
    of_ints("an_entry_twice_and_one_unused", [4, 4, 5], dictionary(4, 4, 5, I64_MIN))
    of_ints("escapes_packed", [1, 2, 3, 77, 1, -5, I64_MAX, 2], dictionary_escape(1, 2, 3, escapes=packed(7, base=-5)))
    of_ints("nothing_but_escapes", [8, 8, 8], dictionary_escape(1, escapes=constant()))
    of_ints("changes_constant", [100, 97, 94, 91], changes(constant()))
    of_ints("changes_packed_and_patched", [100, 101, 101, 5_000, 5_001], changes(packed(1, base=0)))
    of_ints("changes_in_a_dictionary", [0, 5, 4, 9, 8, 7], changes(dictionary(-1, 5)))
    of_ints("changes_with_escapes", [0, 5, 10, 15, -3_000, -2_995], changes(dictionary_escape(5, escapes=packed(0))))
    of_ints("changes_that_wrap", [I64_MAX, I64_MIN, I64_MAX, 0], changes(packed(64)))
    of_ints("a_first_change_of_no_meaning", [1, 2, 3], changes(packed(64), first_change=I64_MIN))
    of_ints("runs_of_one_length", [5, 5, 9, 9, 5, 5], runs(constant(), dictionary(5, 9)))
    of_ints("runs_packed", [0, 0, 0, 70_000, 0, 0], runs(packed(2), packed(17)))
    of_ints("runs_with_escapes", [1, 2, 2, 2, 3, -600, 7], runs(dictionary_escape(1, escapes=constant()),
                                                               dictionary_escape(1, 2, 3, escapes=packed(10))))
    of_ints("runs_in_a_dictionary", [1, 1, 4, 1, 1, 4], runs(dictionary(2, 1), dictionary(1, 4)))
    of_ints("one_run", [6] * 8, runs(constant(), constant()))
    vector("spare_bits_set", "rows", schema(INT), 2, 0, 9, GAPS + b"\x02\x00\x03\xc4" + ZEROS,
           [("time", ["9", "10"]), ("field0", ["4", "0"]), ("flags", ["0", "0"])])


def rows_of_floats():
    nan, negative_nan, infinity, minus_zero, tiny = (0x7FF8000000000001, 0xFFF4000000000ABC, 0x7FF0000000000000, 1 << 63, 1)
    of_floats("weights_in_tenths", [801, 799, 800, 804], decimals(1, packed(3)))
    of_floats("whole_numbers", [72, 72, 72], decimals(0, constant()))
    of_floats("zeros", [0, 0], decimals(18, constant()))
    of_floats("exceptions", [3655, 0, 3660, 0, 3657, 0, 0], decimals(2, dictionary_escape(0, escapes=packed(3)), {
        1: minus_zero, 3: nan, 5: negative_nan, 6: infinity}))
    of_floats("nothing_but_exceptions", [0, 0, 0], decimals(2, constant(), {0: tiny, 1: nan, 2: minus_zero}))
    of_floats("an_exception_equal_to_its_decimal", [5, 6], decimals(1, packed(1), {1: 0x3FE3333333333333}))
    of_floats("decimals_that_fall", [-5, -1, 3, 2**53, -2**53], decimals(3, changes(packed(64))))
    of_floats("the_greatest_exponent", [1, 2**53 - 1, -7], decimals(18, packed(64)))
    of_floats("integers_beyond_53_bits", [2**53 + 1, I64_MAX, I64_MIN, 2**60 + 129], decimals(0, packed(64)))
    of_floats("integers_beyond_53_bits_divided", [2**53 + 3, I64_MAX, I64_MIN], decimals(7, packed(64)))
    of_floats("decimals_in_runs", [125, 125, 125, 130], decimals(2, runs(packed(2), packed(3))))
    of_floats("bits", [0x4054200000000000, minus_zero, nan, negative_nan, tiny], float_bits())


def rows_of_the_rest():
    accept("steps_by_the_minute", schema(INT, interval=True),
           ("time", [1_699_999_980 * 10**9 + m * 60 * 10**9 for m in (0, 1, 2, 4)], times(4, packed(1))),
           ("duration", [60 * 10**9] * 4, integers(constant())), ("field0", [0, 12, 0, 99], integers(packed(7))),
           no_flags(4), ("revision", [1_700_000_000] * 4, integers(constant())))
    accept("durations_to_their_limit", schema(ENUM, interval=True), by_the_second(3, begin=0),
           ("duration", [0, 1, I64_MAX], integers(packed(1, base=0))), ("field0", [0, 2**40, I64_MAX], integers(packed(63))),
           no_flags(3))
    accept("sleep_stages", schema(ENUM, interval=True), ("time", [0, 30 * 10**9, 90 * 10**9], times(3, packed(5))),
           ("duration", [30 * 10**9, 60 * 10**9, 0], integers(dictionary(0, 30 * 10**9, 60 * 10**9))),
           ("field0", [0, 4, 1], integers(dictionary(0, 1, 4))), ("flags", [8, 8, 8], integers(constant())))
    accept("an_unused_entry_below_zero", schema(ENUM), by_the_second(2), ("field0", [3, 3], integers(dictionary(-1, 3))),
           ("flags", [4, 0], integers(dictionary(0, 4, -1))))
    accept("flags", schema(INT, INT), by_the_second(6), ("field0", [120, 300, 118, 117, 119, 120], integers(packed(2, base=117))),
           ("field1", [80] * 6, integers(constant())),
           ("flags", [0, 1, 2, 0xFF0F, 0x8000, 12], integers(dictionary_escape(0, 1, 2, escapes=packed(16)))))
    accept("revisions", schema(INT), by_the_second(5), ("field0", [1] * 5, integers(constant())), no_flags(5),
           ("revision", [0, I64_MIN, I64_MAX, -1, 7], integers(packed(3, base=0))))
    accept("revisions_in_runs", schema(INT), by_the_second(4), ("field0", [1] * 4, integers(constant())), no_flags(4),
           ("revision", [-4, -4, 12, 12], integers(runs(constant(), packed(5)))))
    accept("every_type", schema(INT, FLOAT, ENUM, TEXT, interval=True, key=0),
           ("time", [0, 0, 5], times(0, dictionary(0, 5))), ("duration", [9, 8, 9], integers(packed(1))),
           ("field0", [-2, 3, -2], integers(dictionary(-2, 3))), ("field1", [15, 25, 35], decimals(1, changes(constant()))),
           ("field2", [0, 1, 1], integers(packed(1))), ("field3", [b"", b"caf\xc3\xa9", b"\x00"], texts(packed(3))),
           ("flags", [0, 0, 256], integers(packed(9))), ("revision", [5, 6, 7], integers(changes(constant()))))
    accept("doses_by_drug", schema(FLOAT, TEXT, key=1), ("time", [5, 5, 5], times(0, constant())),
           ("field0", [0x3FE0000000000000] * 3, float_bits()), ("field1", [b"a", b"ab", b"b"], texts(runs(constant(), packed(1)))),
           no_flags(3))
    accept("texts_of_one_length", schema(TEXT), by_the_second(3), ("field0", [b"aa", b"\xff\xff", b"cc"], texts(constant())),
           no_flags(3))
    accept("empty_texts", schema(TEXT), by_the_second(3), ("field0", [b""] * 3, texts(packed(0))), no_flags(3))
    of_three = schema(TEXT), by_the_second(3), ("field0", [b"aa", b"", b"c"], zstd_texts(packed(2, base=0))), no_flags(3)
    accept("texts_in_a_frame", *of_three)
    accept("a_long_text", schema(TEXT), by_the_second(2), ("field0", [b"", b"x" * 400], texts(packed(1, base=0))), no_flags(2))


# ---- what is coded

def noise(seed, n, least, most):
    """Numbers of [least, most], which any Python makes alike."""
    values = []
    for _ in range(n):
        seed = (seed * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        values.append(least + (seed >> 33) % (most + 1 - least))
    return values


def summed(values, times=1):
    """Sums from the first on, which wrap."""
    for _ in range(times):
        total, sums = 0, []
        for value in values:
            total = signed(total + value)
            sums.append(total)
        values = sums
    return values


def at_once(count):
    return "time", [0] * count, times(0, constant())


def of_many(name, values, encode):
    """As of_ints; short to tell."""
    accept(name, schema(INT), at_once(len(values)), ("field0", values, integers(encode)), no_flags(len(values)))


def rows_of_symbols():
    of_ints("coded_one_value", [-3], coded(3))
    of_ints("coded_one_value_of_order_3", [77], coded(3, order=3, escapes=constant()))
    of_ints("coded_residuals", [0, 1, -2, 5, -1, 0, 3, -4], coded(3))
    for n in (3, 4, 5, 6, 7, 8, 15, 16, 17, 37, 2_047, 2_048, 2_049, 2_063):
        of_many(f"coded_{n}_values", noise(n, n, -9, 9), coded(3))
    of_many("coded_with_pads_that_have_meanings", noise(1, 21, -3, 3), coded(3, pad=128))
    of_many("coded_in_many_lanes_with_pads_that_have_meanings", [0] * 2_050, coded(3, pad=120))
    of_many("coded_of_order_0", noise(2, 50, 1_000, 1_060), coded(3, base=1_030))
    of_many("coded_of_order_1", summed(noise(3, 50, -20, 20)), coded(3, order=1, escapes=packed(0)))
    of_many("coded_of_order_2", summed(noise(4, 50, -6, 6), 2), coded(3, order=2, escapes=packed(4)))
    of_many("coded_of_order_3", summed([0] + noise(5, 49, -6, 6), 3), coded(3, order=3, escapes=packed(5)))
    of_many("coded_of_order_1_from_far_away", summed([I64_MAX] + noise(3, 20, -20, 20)), coded(3, order=1))
    of_many("coded_of_order_2_that_wraps", summed([I64_MIN, 2**62] + noise(6, 30, -6, 6), 2), coded(3, order=2, escapes=packed(4)))
    of_many("coded_with_lows_of_1_bit", noise(7, 33, -100, 100), coded(3, shift=1))
    of_many("coded_with_lows_of_5_bits", noise(8, 33, -2_000, 2_000), coded(3, shift=5))
    of_many("coded_with_lows_of_20_bits_and_order_2", summed(noise(9, 40, -10**7, 10**7), 2), coded(3, order=2, shift=20))
    of_many("coded_with_lows_of_56_bits", [signed(v << 30 | v) for v in noise(10, 20, 0, 2**31 - 1)], coded(3, shift=56))
    of_many("coded_extremes", [I64_MIN, I64_MAX, 0, -1, 1], coded(3, shift=56, escapes=packed(0)))
    of_many("coded_in_a_model_whose_values_times_2_to_56_wrap", [signed(v << 56) for v in (1, 127, 128, 175)],
            coded(4, shift=56, escapes=packed(57)))
    of_many("coded_with_a_base_that_wraps", [I64_MAX, I64_MIN, I64_MAX - 3, I64_MIN + 9], coded(3, base=I64_MAX))
    of_ints("coded_escapes_constant", [1, 5_000, 2, 5_000], coded(3, escapes=constant()))
    of_many("coded_escapes_packed", [1, -700, 2, 9_000, 3] * 5, coded(3, escapes=packed(14)))
    of_many("coded_escapes_in_a_dictionary", [1, 900, -900, 2] * 5, coded(3, escapes=dictionary(900, -900)))
    of_many("coded_escapes_with_escapes", [1, 900, -900, 900, 2] * 4, coded(3, escapes=dictionary_escape(900, escapes=constant())))
    of_many("coded_escapes_of_changes", [0] + [i * 1_000 for i in range(20)], coded(3, escapes=changes(packed(11))))
    of_many("coded_escapes_in_runs", [900] * 10 + [1] + [-900] * 10, coded(3, escapes=runs(constant(), packed(11))))
    of_many("coded_escapes_in_the_middle_of_a_lane", summed(noise(11, 20, -20, 20) + [5_000] + noise(12, 40, -20, 20)),
            coded(3, order=1, escapes=packed(13)))
    of_many("coded_escapes_with_lows_of_no_meaning", noise(13, 40, -5_000, 5_000), coded(3, shift=3, escapes=packed(14)))
    of_many("coded_nothing_but_escapes", [10**15 + i for i in range(19)], coded(3, escapes=packed(5)))
    of_many("coded_escapes_that_have_symbols", noise(14, 20, -4, 4), coded(3, escapes=packed(4), avoid=(0, 3, 19)))
    of_ints("coded_first_residual_of_no_meaning", [5, 6, 8, 7], coded(3, order=1, first=77))
    of_ints("coded_first_escape_of_no_meaning", [5, 6, 8, 7], coded(3, order=2, first=I64_MIN, escapes=constant()))
    of_many("coded_steps", ([0] * 30 + noise(15, 9, 5, 120)) * 4, coded(4))
    of_many("coded_steps_escaped", [0, 0, 90, 3_000, 0, 0, 0, 254, 253] * 3, coded(4, escapes=packed(13)))
    of_many("coded_levels", [0] * 40 + [2] * 20 + [1] * 33 + [3] * 5 + [7] * 2, coded(5))
    of_many("coded_levels_escaped", [1] * 9 + [8, -1, 12, 3, 3], coded(5, escapes=packed(4)))
    of_many("coded_slow_changes", summed([100] + noise(23, 40, -6, 6)), coded(6, order=1))
    of_many("coded_drifting_gaps", [300, 301, 300, 300, 299, 600, 300, 302, 899, 300] * 4, coded(7, base=300))
    of_times("coded_gaps", [i * 10**9 for i in (0, 1, 2, 4, 5, 6, 9, 10)], times(3, coded(4)))
    of_times("coded_gaps_read_as_unsigned", [I64_MIN + 1, I64_MAX - 1], times(0, coded(3)))
    accept("coded_columns", schema(INT, FLOAT, ENUM, TEXT, interval=True), by_the_second(8),
           ("duration", [60] * 4 + [61] * 4, integers(coded(3, base=60))), ("field0", [1, 2] * 4, integers(coded(5))),
           ("field1", [365, 366, 364, 365] * 2, decimals(1, coded(3, order=1), {3: 1 << 63})),
           ("field2", [0, 0, 1, 1, 4, 4, 2, 2], integers(coded(5))), ("field3", [b"", b"a", b"bc", b""] * 2, texts(coded(5))),
           ("flags", [0, 0, 4, 4, 0, 0, 0, 8], integers(coded(4))),
           ("revision", [9, 9, 9, 8, 8, 8, 8, 7], integers(coded(3, base=9))))
    of_ints("multiples", [0, 500, 1_000, -500], multiples(500, packed(2)))
    of_ints("multiples_by_1", [1, 2, 3], multiples(1, changes(constant())))
    of_ints("multiples_constant", [I64_MIN] * 3, multiples(2**63, constant(), parts=[-7] * 3))
    of_ints("multiples_in_a_dictionary", [30, 60, 30], multiples(30, dictionary(1, 2)))
    of_ints("multiples_with_escapes", [30, 60, 30_000], multiples(30, dictionary_escape(1, 2, escapes=constant())))
    of_ints("multiples_in_runs", [30, 30, 60, 60], multiples(30, runs(constant(), packed(1))))
    of_many("multiples_coded", [250 * v for v in summed(noise(16, 40, -4, 4))], multiples(250, coded(3, order=1)))
    of_ints("multiples_that_wrap", [signed(3 * v) for v in (2**62, -2**62, I64_MAX)],
            multiples(3, packed(64), parts=[2**62, -2**62, I64_MAX]))
    of_ints("multiples_of_2_to_63", [0, I64_MIN, 0, I64_MIN], multiples(2**63, packed(2), parts=[0, 1, 2, 3]))
    of_ints("multiples_of_the_greatest_factor", [0, -1, -2, I64_MIN], multiples(2**64 - 1, packed(64), parts=[0, 1, 2, I64_MIN]))
    of_times("multiples_of_gaps", [0, 300 * 10**9, 900 * 10**9, 1_200 * 10**9], times(3, multiples(300, packed(1))))


def rows_of_pairs():
    def of_pairs(name, number, unit, steps, values, begin=0, **more):
        time = [begin]
        for step in steps:
            time.append(time[-1] + step * UNIT_NS[unit])
        accept(name, schema(INT), ("time", time, pairs(number, unit, values, **more)), ("field0", values, told_already()),
               no_flags(len(values)))

    seconds = noise(17, 39, 3, 9)
    rates = [72] + [72 + v for v in summed(noise(18, 39, -1, 1))]
    of_pairs("pairs_of_one_row", 1, 3, [], [60], gaps=constant(), changes=constant())
    of_pairs("pairs_of_one_row_without_escape", 1, 4, [], [-60], first=(1, 0))
    of_pairs("pairs", 1, 3, [5, 5, 4, 6, 5, 5, 7], [72, 72, 71, 73, 73, 74, 74, 72], first=(5, 0), begin=1_700_000_000 * 10**9)
    of_pairs("pairs_of_17_rows", 1, 3, seconds[:16], rates[:17], first=(5, 1))
    of_pairs("pairs_of_40_rows", 1, 3, seconds, rates, first=(5, 0))
    of_pairs("pairs_of_40_rows_in_another_model", 2, 3, seconds, rates, first=(5, 0))
    of_pairs("pairs_of_40_rows_in_a_third_model", 8, 3, seconds, rates, first=(5, 0))
    of_pairs("pairs_with_pads_that_have_meanings", 1, 3, seconds[:20], rates[:21], first=(5, 0), pad=5)
    of_pairs("pairs_of_nanoseconds", 2, 0, [5, 1, 5], [1, 1, 1, 1], first=(5, 0))
    of_pairs("pairs_of_milliseconds", 2, 2, [5, 1, 5], [1, 1, 1, 1], first=(5, 0), begin=I64_MAX - 11_000_001)
    of_pairs("pairs_escaped", 1, 3, [5, 28_800, 5, 0, 5], [60, 60, 61, 140, 140, 139], gaps=packed(15),
             changes=packed(7), first=(5, 0))
    of_pairs("pairs_escaped_in_runs_and_changes", 1, 3, [0] * 20, [60 + i for i in range(21)], gaps=runs(constant(), constant()),
             changes=changes(constant()), first=(0, 1))
    of_pairs("pairs_first_of_no_meaning", 2, 3, [5, 5], [60, 61, 62], gaps=constant(), changes=constant(), first=(-1, I64_MIN))
    of_pairs("pairs_whose_values_wrap", 1, 3, [5, 5, 5], [I64_MAX, I64_MIN, I64_MAX, 0], gaps=packed(0),
             changes=packed(64), first=(5, 0))
    of_pairs("pairs_whose_gap_is_unsigned", 1, 0, [2**64 - 3], [1, 1], begin=I64_MIN + 1, gaps=constant(), changes=constant(),
             first=(5, 0))
    accept("pairs_with_flags_and_revisions", schema(INT, key=0),
           ("time", [10**9 * i for i in range(5)], pairs(2, 3, [60, 60, 61, 62, 62], first=(1, 0))),
           ("field0", [60, 60, 61, 62, 62], told_already()),
           ("flags", [0, 0, 1, 0, 8], integers(packed(4))), ("revision", [7] * 5, integers(constant())))
    long_gaps, long_rates = noise(19, 1_099, 4, 6), [72] + [72 + v for v in summed(noise(20, 1_099, -1, 1))]
    of_pairs("pairs_of_1100_rows", 1, 3, long_gaps, long_rates, first=(5, 0))
    of_pairs("pairs_of_1100_rows_escaped", 1, 0, [0] * 1_099, [1] * 1_100, gaps=constant(), changes=cut(packed(0), constant()))


OWN_WEIGHTS = {state: {0: 1, 127: 9, 128: 20, 129: 31, 130: 12, 131 + state: 7} for state in range(6, 16)}  # of model 3


def rows_of_own_models():
    def of_own(name, models, values, encode):
        accept(name, schema(INT), by_the_second(len(values)), ("field0", values, integers(encode)), no_flags(len(values)), models=models)

    values = noise(31, 60, -3, 12)
    stored = own_models({3: OWN_WEIGHTS})
    of_own("own_coded", stored, values, coded(131))
    accept("own_coded_in_many_lanes", schema(INT), at_once(2_050),
           ("field0", noise(32, 2_050, -1, 2), integers(coded(131, pad=129))), no_flags(2_050), models=stored)
    of_own("own_beside_the_built_in_one", stored, values, coded(3))
    of_own("own_of_one_state", own_models({3: {10: {0: 31, 128: 31}}}), values, coded(131))
    of_own("own_of_no_state", own_models({3: {}}), values, coded(131))
    of_own("own_of_all_symbols", own_models({3: {10: {symbol: 1 + symbol % 31 for symbol in range(256)}}}), values, coded(131))
    stored = own_models({1: {10: {0: 3, 40: 31, 41: 30, 60: 9}}, 3: OWN_WEIGHTS})
    of_own("own_of_two", stored, values, coded(131))
    seconds, rates = noise(33, 39, 3, 9), [72] + [72 + v for v in summed(noise(34, 39, -1, 1))]
    time = [0]
    for step in seconds:
        time.append(time[-1] + step * 10**9)
    accept("own_pairs", schema(INT), ("time", time, pairs(129, 3, rates, first=(5, 0))), ("field0", rates, told_already()), no_flags(40),
           models=stored)


def refused_own_models():
    stored, right = own_models({3: OWN_WEIGHTS}), coded(131)(noise(31, 60, -3, 12))

    def of_own(name, models, data=right):
        refuse(f"own_{name}", GAPS + data + ZEROS, count=60, models=models)

    of_own("that_are_not_there", b"")
    of_own("of_another_number", stored, b"\x09\x84" + right[2:])
    of_own("of_number_128", stored, b"\x09\x80" + right[2:])
    of_own("of_pairs_as_values", own_models({1: {}}), b"\x09\x81" + right[2:])
    of_own("none", b"\x00" + stored[2:])
    of_own("more_than_are_told", b"\x02" + stored[1:])
    of_own("with_a_byte_behind", stored + b"\x00")
    of_own("that_end_early", stored[:-1])
    of_own("without_a_frame", stored[:2])
    for number in (0, 99, 131):
        of_own(f"of_model_{number}", own_models({3: OWN_WEIGHTS}, numbers=[number]))
    of_own("that_fall", own_models({3: OWN_WEIGHTS, 1: {}}))
    of_own("that_come_twice", own_models({3: OWN_WEIGHTS}, lambda content: zstd_runs(2 * content), [3, 3]))
    of_own("of_a_weight_too_many", own_models({3: OWN_WEIGHTS}, lambda content: zstd_runs(content + b"\x00")))
    of_own("of_a_weight_too_few", own_models({3: OWN_WEIGHTS}, lambda content: zstd_runs(content[:-1])))
    of_own("whose_frame_names_another_size", own_models({3: OWN_WEIGHTS}, lambda content: zstd_runs(content).replace(
        (len(content) - 256).to_bytes(2, "little"), (len(content) - 257).to_bytes(2, "little"), 1)))
    of_own("of_two_frames", own_models({3: OWN_WEIGHTS}, lambda content: zstd_runs(content[:1_000]) + zstd_runs(content[1_000:])))
    of_own("without_an_escape", own_models({3: {3: {1: 5}}}))
    of_own("of_an_escape_alone", own_models({3: {3: {0: 5}}}))
    of_own("of_weight_32", own_models({3: {}}, lambda content: zstd_runs(b"\x01\x20" + content[2:])))


def rows_of_derived_times():
    def of_ints_timed(name, time, values, column, interval=False):
        durations = [("duration", [5] * len(values), integers(constant()))] if interval else []
        accept(name, schema(INT, interval=interval), ("time", time, column), *durations,
               ("field0", values, integers(packed(11, base=0))), no_flags(len(values)))

    def of_stages(name, time, duration, **more):
        accept(name, schema(ENUM, interval=True), ("time", time, derived(0, 0, duration, **more)),
               ("duration", duration, integers(packed(37))), ("field0", [1] * len(time), integers(constant())),
               no_flags(len(time)))

    begin, minute = 1_700_000_000 * 10**9, 60 * 10**9
    stages = [30 * 10**9, 90 * 10**9, 0, 0, minute, 5]
    of_stages("stages_that_follow_each_other", [begin + sum(stages[:i]) for i in range(6)], stages)
    of_stages("stages_with_a_night_between", [begin, begin + 30 * 10**9, begin + 1_000 * minute, begin + 1_001 * minute],
              [30 * 10**9, 0, minute, 1], gaps=constant())
    of_stages("one_stage", [I64_MAX - 1], [I64_MAX])
    of_stages("stages_that_are_all_exceptions", [0, 1, 2, 3], [0, 0, 0, 0], places_told=range(4))
    of_stages("stages_to_the_last_time", [I64_MIN + 1, 0, I64_MAX - 1], [I64_MAX, I64_MAX - 1, 0])
    rates = [800, 812, 0, 790, 1_204, 815, 799]
    time = [begin + sum(rates[1:i + 1]) * 10**6 for i in range(7)]
    of_ints_timed("beats_that_end_there", time, rates, derived(2, 1, rates))
    of_ints_timed("beats_that_begin_there", [begin + sum(rates[:i]) * 10**6 for i in range(7)], rates, derived(2, 2, rates))
    of_ints_timed("beats_of_intervals", time, rates, derived(2, 1, rates), interval=True)
    of_ints_timed("beats_with_a_pause", time[:3] + [at + 10**12 for at in time[3:]], rates, derived(2, 1, rates, gaps=constant()))
    of_ints_timed("beats_but_the_first_and_last", time[:6] + [time[6] + 10**6], rates,
                  derived(2, 1, rates, gaps=packed(64), places_told=(0,), first=I64_MIN))
    of_ints_timed("beats_below_zero_that_are_exceptions", [0, 5, 6, 6], [-1, -5, 1, -7], derived(0, 1, [-1, -5, 1, -7]))
    of_ints_timed("beats_of_one_row", [5], [-3], derived(4, 2, [-3]))
    of_ints_timed("a_gap_told_that_is_unsigned", [I64_MIN + 1, I64_MAX - 2], [5, -4], derived(0, 1, [5, -4]))
    of_ints_timed("seconds_told_and_coded_exceptions", [i * 10**9 for i in range(20)], [3] * 20,
                  derived(3, 1, [3] * 20, gaps=coded(5)))
    accept("beats_and_a_text", schema(INT, TEXT, key=1), ("time", [0, 60, 90], derived(0, 1, [30, 60, 30])),
           ("field0", [30, 60, 30], integers(dictionary(30, 60))), ("field1", [b"a", b"b", b"a"], texts(constant())), no_flags(3),
           ("revision", [1, 2, 3], integers(packed(2))))
    measured = [begin + 10**9 * second for second in (0, 90, 4_000, 100_000)]
    apart = [at + sum(rates[:i + 1]) * 10**6 for at in measured for i in range(7)]
    of_ints_timed("beats_of_measurements", apart, rates * 4, by_starts(2, 1, rates * 4, [7, 14, 21], constant(), multiples(1_000, packed(17))))
    of_ints_timed("beats_of_measurements_by_the_beat_before", apart[:3] + apart[7:9], rates[:3] + rates[:2],
                  by_starts(2, 2, rates[:3] + rates[:2], [1, 2, 3, 4], constant(), packed(17)))
    of_ints_timed("starts_of_no_exceptions", time, rates, by_starts(2, 1, rates, [], None, None))
    of_ints_timed("starts_told_for_a_gap_that_is_told_too", time, rates, by_starts(2, 1, rates, [1, 2, 6], packed(2), packed(13)))
    of_ints_timed("starts_that_wrap", [I64_MIN + 1, I64_MAX - 1, I64_MAX - 1], [I64_MAX, I64_MIN, 0],
                  by_starts(0, 1, [I64_MAX, I64_MIN, 0], [1, 2], constant(), packed(64)))
    accept("stages_by_starts", schema(ENUM, interval=True),
           ("time", [begin, begin + 90 * 10**9, begin + 1_000 * minute], by_starts(0, 0, [0] * 3, [1, 2], constant(), packed(50))),
           ("duration", [30 * 10**9, minute, 1], integers(packed(37))), ("field0", [1] * 3, integers(constant())), no_flags(3))
    of_many_rows = [1] * 1_100
    accept("beats_of_1100_rows", schema(INT), ("time", [0] * 1_100, derived(3, 2, of_many_rows, gaps=cut(constant(), packed(0)))),
           ("field0", of_many_rows, integers(coded(5))), no_flags(1_100))


def of_spells(name, listed, step, rows, begin=1_700_000_000 * 10**9, kind=ENUM, **more):
    time, end = [], begin
    for pause, duration, _ in rows:
        time.append(end + (pause or 0) * step)
        end = time[-1] + duration * step
    accept(name, schema(kind, interval=True), ("time", time, spells(listed, step, rows, **more)),
           ("duration", [duration * step for _, duration, _ in rows], told_already()),
           ("field0", [value for _, _, value in rows], told_already()), no_flags(len(rows)))


def night(seed, count):
    """Rows of four stages, with pauses here and there."""
    pauses, lengths, stages = noise(seed, count, -30, 40), noise(seed + 1, count, 1, 70), noise(seed + 2, count, 0, 3)
    return [(pause if row and pause > 0 else None, length, stage) for row, (pause, length, stage) in enumerate(zip(pauses, lengths, stages))]


def even(unit, gap):
    """Times and durations; and flags, which have no bytes of their own."""
    def column(time):
        return list(map(str, time)), bytes([40 + unit]) + varint(gap)
    return column


def of_even(name, unit, gap, count, begin=1_700_000_000 * 10**9, values=7):
    time, duration = [begin + i * gap * UNIT_NS[unit] for i in range(count)], gap * UNIT_NS[unit]
    accept(name, schema(INT, interval=True), ("time", time, even(unit, gap)), ("duration", [duration] * count, told_already()),
           ("field0", [values] * count, integers(constant())), ("flags", [0] * count, told_already()))


def rows_of_rests_and_even_times():
    steps = [0] * 9 + [5, 17, 110, 0, 0, 112, 203, 0, 3] + [0] * 50 + [1]
    of_many("rests", steps, rests())
    of_many("rests_alone", [0] * 500, rests())
    of_many("rests_of_a_block", [0] * 8_191 + [1], rests())
    of_many("rests_of_no_rests", [100, 101, 99, 100] * 5, rests())
    of_many("rests_with_escapes", steps[:20] + [-1, 0, 0, 300, I64_MIN, 7] + steps, rests(escapes=packed(64)))
    of_many("rests_with_equal_escapes", [0, 500, 500, 0], rests(escapes=constant()))
    of_many("rests_with_escapes_that_mean_something", steps, rests(avoid=(0, 9, 10)))
    for length in (8, 9, 12, 13, 16, 17, 33, 1_025, 4_097, 6_144, 6_145, 8_192):
        of_many(f"rests_of_{length}", [0] * length, rests())
    of_many("rests_of_multiples", [250 * value for value in steps], multiples(250, rests()))
    stored = own_models({10: {state: {symbol: 3 + state % 2 for symbol in range(232)} for state in range(36)}})
    accept("rests_by_an_own_model", schema(INT), at_once(len(steps)), ("field0", steps, integers(rests(138))), no_flags(len(steps)), models=stored)
    of_even("even_minutes", 4, 1, 5)
    of_even("even_seconds", 3, 30, 700)
    of_even("even_nanoseconds", 0, 7, 3, begin=-11)
    of_even("even_times_of_nothing", 2, 0, 4)
    of_even("even_times_of_one_row", 4, 153_722_867, 1, begin=0)
    of_even("even_times_to_the_last_one", 0, 2**62, 2, begin=I64_MAX - 1 - 2**62)


def refused_rests_and_even_times():
    steps = [0] * 9 + [5, 17, 110, 0, 0, 112, 203, 0, 3]
    symbols, escaped = rest_symbols(10, steps)
    right = rest_bytes(10, symbols, escaped)

    def of_rests(name, data, count=len(steps)):
        refuse(f"rests_{name}", GAPS + data + ZEROS, count=count)

    of_rests("of_model_4", b"\x11\x04" + right[2:])
    of_rests("of_model_1", b"\x11\x01" + right[2:])
    of_rests("of_model_11", b"\x11\x0b" + right[2:])
    of_rests("of_an_own_model_that_is_not_there", b"\x11\x8a" + right[2:])
    of_rests("as_values", b"\x09\x0a" + right[2:])
    of_rests("of_fewer_rows", right, len(steps) - 1)
    of_rests("of_more_rows", right, len(steps) + 1)
    of_rests("that_end_in_a_run_too_long", right, 8)
    of_rests("of_a_state_below_4096", right[:2] + struct.pack("<I", 4_095) + right[6:])
    of_rests("of_a_state_of_2_to_28", right[:2] + struct.pack("<I", 1 << 28) + right[6:])
    of_rests("that_end_in_another_state", rests(end=4_097)(steps))
    of_rests("with_a_word_less", right[:6] + varint(right[6] - 1) + right[7:-3] + b"\x00")
    of_rests("with_a_word_more", right[:6] + varint(right[6] + 1) + right[7:-1] + b"\x00\x00\x00")
    of_rests("with_words_beyond_the_end", right[:6] + b"\xff\x7f" + right[7:])
    of_rests("with_escapes_that_nothing_tells_of", right[:-1] + b"\x01" + constant()([9]))
    of_rests("without_their_escapes", rests(avoid=(9,))(steps)[:-3])
    of_rests("with_coded_escapes", rests(avoid=(9,), escapes=lambda _: b"\x09\x03\x00\x00")(steps))
    refuse("even_times_of_instants", b"\x2c\x01" + ZEROS)
    refuse("even_times_in_unit_5", b"\x2d\x01" + ZEROS, schema(INT, interval=True))
    refuse("even_times_without_a_gap", b"\x2c", schema(INT, interval=True))
    refuse("even_times_with_flags", b"\x2c\x01" + ZEROS + ZEROS, schema(INT, interval=True))
    refuse("even_times_beyond_the_last", b"\x2c\x01" + ZEROS, schema(INT, interval=True), begin=I64_MAX - 120 * 10**9)
    refuse("even_times_of_a_duration_beyond_63_bits", b"\x28" + varint(2**63) + ZEROS, schema(INT, interval=True), count=1)
    refuse("even_times_of_a_gap_that_wraps", b"\x2c" + varint(2**63) + ZEROS, schema(INT, interval=True), count=2)
    refuse("times_of_form_6", b"\x30" + ZEROS + ZEROS + ZEROS, schema(INT, interval=True))


def rows_of_spells():
    half_a_minute = 30 * 10**9
    of_spells("spells_of_one_row", [2], half_a_minute, [(None, 3, 2)])
    of_spells("spells_of_one_value", [2], half_a_minute, [(None, 3, 2), (None, 4, 2), (2, 3, 2)])
    of_spells("spells", [1, 0, 2, 3], half_a_minute, night(30, 40))
    of_spells("spells_of_a_longer_night", [0, 1, 2, 3], half_a_minute, night(40, 300))
    of_spells("spells_of_ints", [I64_MIN, I64_MAX, -1], 1, [(None, 5, -1), (None, 0, I64_MAX), (1, 9, I64_MIN), (None, 2, -1)], kind=INT)
    of_spells("spells_of_16_values", list(range(15, -1, -1)), 10**9, [(None, 1 + v % 3, v) for v in list(range(16)) * 2])
    of_spells("spells_in_a_list_with_more", [9, 5, 7, 5], 7, [(None, 6, 5), (3, 1, 7), (None, 2, 5)])
    of_spells("spells_with_more_classes", [0, 1], 60, [(None, 6, 0), (3, 1, 1), (None, 2, 0)], classes=128)
    of_spells("spells_of_an_odd_number_of_classes", [0, 1], 60, [(None, 6, 0), (3, 1, 1), (None, 2, 0)], classes=9)
    of_spells("spells_of_equal_weights", [0, 1], 60, [(None, 6, 0), (3, 1, 1), (None, 2, 0)] * 5, weigh=lambda state, often: 15)
    of_spells("spells_without_weights_of_some_states", [0, 1], 60, [(None, 0, 0), (None, 0, 1), (None, 3, 0)] * 5,
              weigh=lambda state, often: 0 if state == 4 else min(often, 15))
    of_spells("spells_with_each_low_bit", [0], 1, [(None, 2**bit + bit % 2 * 2**(bit - 1) + bit, 0) for bit in range(3, 40)])
    of_spells("spells_of_all_but_all_time", [0], 1, [(None, I64_MAX, 0), (I64_MAX - 3, 2, 0), (None, I64_MAX, 0)], begin=I64_MIN + 1)
    of_spells("spells_after_pauses_of_nothing", [0, 1], 60, [(None, 6, 0), (0, 1, 1), (0, 2, 0)])


def refused_spells():
    rows, shape = [(None, 9, 0), (3, 1, 1), (None, 2, 0)], schema(ENUM, interval=True)
    right = spell_bytes([0, 1], 60, rows)

    def of_bytes(name, data, head=b"\x20", shape=shape, **more):
        refuse(f"spells_{name}", head + data + ZEROS, shape, **more)

    of_spells("spells_as_the_refused_ones", [0, 1], 60, rows, begin=0)
    of_bytes("of_instants", right, shape=schema(ENUM))
    of_bytes("of_two_fields", right, shape=schema(ENUM, ENUM, interval=True))
    of_bytes("of_a_float", right, shape=schema(FLOAT, interval=True))
    of_bytes("of_a_text", right, shape=schema(TEXT, interval=True))
    for unit in (1, 3):
        of_bytes(f"in_unit_{unit}", right, bytes([0x20 + unit]))
    of_bytes("of_no_values", b"\x00" + right[1:])
    of_bytes("of_17_values", spell_bytes(list(range(17)), 60, rows))
    of_bytes("of_an_enum_below_zero", spell_bytes([0, -1], 60, [(None, 9, 0), (3, 1, -1), (None, 2, 0)]))
    of_bytes("in_steps_of_nothing", right[:3] + b"\x00" + right[4:])
    of_bytes("of_no_classes", right[:4] + b"\x00" + right[5:])
    of_bytes("of_129_classes", spell_bytes([0, 1], 60, rows, classes=129))
    of_bytes("after_a_first_pause", spell_bytes([0, 1], 60, [(2, 9, 0), (3, 1, 1), (None, 2, 0)]))
    of_bytes("that_begin_in_another_state", spell_bytes([0, 1], 60, rows, start=1, weigh=lambda state, often: min(often * (state + 1), 15)))
    of_bytes("of_more_rows", right, count=4)
    of_bytes("of_fewer_rows", right, count=2)
    weights_end = 5 + 2 * 2 + 3 * ((right[4] + 1) // 2)
    for name, x in (("below_4096", 4_095), ("of_2_to_28", 2**28)):
        of_bytes(f"in_a_state_{name}", right[:weights_end] + struct.pack("<I", x) + right[weights_end + 4:])
    of_bytes("with_more_words_than_bytes", right[:weights_end + 4] + varint(2**63) + right[weights_end + 5:])
    of_bytes("that_end_in_another_state", right[:weights_end] + struct.pack("<I", 4_096 + 77) + right[weights_end + 4:])
    for kept in (0, 1, 3, 4, 5, weights_end - 1, weights_end + 2, weights_end + 4, len(right) - 1):
        refuse(f"spells_of_{kept}_bytes", b"\x20" + right[:kept], shape)
    of_bytes("of_a_duration_of_2_to_63", spell_bytes([0], 2, [(None, 2**62, 0), (None, 1, 0), (None, 1, 0)]), begin=I64_MIN + 1)
    of_bytes("of_a_last_duration_of_2_to_63", spell_bytes([0], 2, [(None, 1, 0), (None, 1, 0), (None, 2**62, 0)]))
    of_bytes("of_a_duration_over_64_bits", spell_bytes([0], 2**60, [(None, 1, 0), (None, 1, 0), (None, 2**7, 0)]))
    of_bytes("to_a_last_time_of_int64_max", spell_bytes([0], 1, [(None, 1, 0), (None, 1, 0), (None, 1, 0)]), begin=I64_MAX - 2)
    of_bytes("after_a_pause_over_64_bits", spell_bytes([0], 2**60, [(None, 1, 0), (2**6, 1, 0), (None, 1, 0)]), begin=I64_MIN + 1)
    of_bytes("after_a_pause_that_wraps", spell_bytes([0], 1, [(None, I64_MAX, 0), (I64_MAX, 2, 0), (None, 1, 0)]), begin=I64_MIN + 2)


def rows_of_rates_and_waves():
    def at_rate(name, unit, ticks, rows, phase, count, begin=0):
        time = [begin + (phase + i * ticks) // rows * UNIT_NS[unit] for i in range(count)]
        data = bytes([unit + 24]) + varint(ticks) + varint(rows) + varint(phase)
        of_times(name, time, lambda values: (list(map(str, values)), data))

    at_rate("a_rate_of_64_hz", 1, 10**6, 64, 0, 8, begin=1_700_000_000 * 10**9)
    at_rate("a_rate_with_a_phase", 0, 10, 3, 2, 20, begin=-7)
    at_rate("a_rate_of_nothing", 4, 0, 1, 0, 3)
    at_rate("a_rate_at_its_limits", 0, 2**48 - 1, 2**32 - 1, 2**32 - 2, 40)
    wave = [round(1_000 * (i * 37 % 41 - 20) / 20) for i in range(60)]
    of_many("predicted_by_one", wave, predicted([4_096], 7, packed(12)))
    of_many("predicted_by_three", wave, predicted([7_000, -3_500, 11], -1_000, packed(13)))
    of_many("predicted_by_32_and_coded", wave, predicted([(-1)**i * i * 9 for i in range(32)], 0, coded(3, shift=5, escapes=packed(13))))
    of_ints("predicted_that_wraps", [I64_MAX, I64_MIN, 5, I64_MAX - 9], predicted([2**20 - 1, 1 - 2**20], I64_MIN, packed(64)))
    of_many("predicted_by_halves", list(range(-9, 10)), predicted([2_048], 0, packed(5)))
    of_many("multiples_predicted", [5 * value for value in wave], multiples(5, predicted([7_000, -3_500], 3, packed(13))))
    of_many("predicted_1025_values", [0] * 1_020 + [9, 8, -7, 6, 5], predicted([4_096], 0, cut(packed(5), constant())))
    beats = [(400 if i % 20 == 9 else -150 if i % 20 == 11 else 0) + i % 3 for i in range(60)]
    of_many("switched", beats, switched(2, 30, [300, -100], [90, 60, -40], packed(10)))
    of_many("switched_by_32_and_8_and_coded", beats, switched(0, 9, [(-1)**i * i for i in range(32)], [256] * 8, coded(3, shift=4, escapes=packed(13))))
    of_many("switched_never", beats, switched(2, 2**64 - 1, [256], [1], packed(11)))
    of_many("switched_at_once", [7] + beats, switched(-7, 0, [5], [256, -256, 3, 2, 1, 0, 0, 0, 9], packed(11)))
    of_ints("switched_that_wraps", [I64_MAX, I64_MIN, 5, I64_MAX - 9, I64_MIN, 0, 1],
            switched(I64_MIN, 2**63, [2**20 - 1, 1 - 2**20], [1 - 2**20], packed(64)))
    of_many("switched_after_the_greatest_change", [I64_MIN] + beats[:9], switched(0, 2**63 - 1, [1], [256], packed(64)))
    of_many("switched_at_the_threshold", [3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 5], switched(3, 24, [9], [256, 7], packed(5)))
    of_many("multiples_switched", [5 * value for value in beats], multiples(5, switched(2, 30, [300, -100], [90], packed(11))))
    of_many("switched_1025_values", [0] * 1_020 + [9, 8, -7, 6, 5], switched(0, 4, [256], [128], cut(packed(5), constant())))
    singles = [1.5, -2.25, 0.0, 1e-45, -3e38]
    words = [struct.unpack("<I", struct.pack("<f", one))[0] for one in singles] + [1 << 31]  # and -0.0
    doubles = [double_bits(struct.unpack("<f", struct.pack("<I", word))[0]) for word in words]
    orders = [word if word < 2**31 else 2**31 - 1 - word for word in words]
    of_floats("float32s_in_order", doubles, lambda values: (float_words(values), b"\x0d" + packed(33)(orders)))
    step = struct.pack("<f", 0.0009765625 * 1.25)
    told = [struct.unpack("<f", struct.pack("<f", m * struct.unpack("<f", step)[0]))[0] for m in (-2**24, -3, 0, 7, 2**24 - 1)]
    bits_told = list(map(double_bits, told[:-1])) + [1 << 63]
    of_floats("float32s_by_their_step", bits_told, lambda values: (
        float_words(values), b"\x0c" + step + packed(25)([-2**24, -3, 0, 7, 2**24 - 1]) + b"\x01\x04" + struct.pack("<Q", 1 << 63)))
    great = struct.pack("<f", 2.0**120)
    of_floats("float32s_beyond_the_greatest", [double_bits(float("inf")), double_bits(float("-inf")), double_bits(2.0**127)],
              lambda values: (float_words(values), b"\x0c" + great + packed(10)([300, -300, 128]) + b"\x00"))


def rows_of_long_arrays():
    for n, pieces in ((1_025, 2), (2_048, 2), (2_049, 3), (2_500, 3)):
        of_many(f"cut_of_{n}_values", [0] * 1_000 + [1, 2, 3] + [0] * (n - 1_003), cut(*[packed(2)] * pieces))
    of_many("cut_with_a_piece_of_every_code", [9] * 1_024 + [5, 6, 7] + [4] * 1_021 + [8, 9] + [8] * 1_022 +
            [1, 2, 3] + [3] * 1_021 + list(range(100)) + [0] * 924 + [40, 50] + [50] * 20,
            cut(constant(), packed(2), dictionary(8, 9), dictionary_escape(3, escapes=packed(1)), changes(packed(1, base=0)),
                runs(packed(8), packed(4))))
    of_many("1025_values_constant", [7] * 1_025, constant())
    of_many("1025_values_coded", [1] * 1_000 + noise(21, 25, 0, 3), coded(5))
    of_many("1024_values_coded", [1] * 1_000 + noise(21, 24, 0, 3), coded(5))
    of_many("1025_multiples_of_a_cut", [0] * 1_000 + [30, 60] + [0] * 23, multiples(30, cut(packed(2), constant())))
    of_many("1025_multiples_coded", [0] * 1_000 + [30, 60] + [0] * 23, multiples(30, coded(5)))
    of_many("1025_multiples_constant", [60] * 1_025, multiples(30, constant()))
    of_many("1025_escapes_constant", [9] * 1_025, coded(5, escapes=constant()))
    of_many("1025_escapes_cut", [9] * 1_025, coded(5, escapes=cut(constant(), packed(0))))
    of_many("8192_values_coded", ([0] * 500 + [3] * 500 + [1] * 40 + [2] * 60) * 7 + [1] * 492, coded(5))
    of_many("8192_values_cut", [0] * 8_000 + [5] * 192, cut(*[constant()] * 7, runs(packed(10), packed(3))))
    accept("floats_of_1025_rows", schema(FLOAT), at_once(1_025),
           ("field0", [365] * 1_000 + [366] * 25, decimals(1, coded(3, order=1), {0: 1 << 63, 1_024: 1})), no_flags(1_025))
    accept("texts_of_1025_rows", schema(TEXT), at_once(1_025),
           ("field0", [b""] * 1_020 + [b"ab", b"c", b"", b"", b"d"], texts(coded(5))),
           no_flags(1_025))
    accept("gaps_of_1025_rows", schema(INT), ("time", [0] * 1_020 + [5, 5, 6, 7, 7], times(0, coded(4))),
           ("field0", [1] * 1_025, integers(constant())), ("flags", [0] * 1_024 + [4], integers(coded(4))),
           ("revision", [3] * 1_025, integers(constant())))


# three rows of zeros by the nanosecond: what is refused breaks one thing in them
GAPS, ZEROS = b"\x00\x01\x02", b"\x01\x00"


def of_int(array):
    """Bytes of rows whose int is `array`."""
    return GAPS + array + ZEROS


def refused_times():
    rest = ZEROS + ZEROS
    refuse("unit_unknown", b"\x05\x01\x00" + rest)
    refuse("one_row_at_int64_max", GAPS + rest, count=1, begin=I64_MAX)
    refuse("last_time_of_int64_max", GAPS + rest, begin=I64_MAX - 2)
    refuse("last_time_beyond_64_bits", GAPS + rest, begin=I64_MAX - 1)
    refuse("first_time_of_int64_min", GAPS + rest, begin=I64_MIN)
    refuse("gap_below_zero", b"\x00\x01\x01" + rest)
    refuse("gap_of_2_to_63_from_zero", b"\x00\x01" + zigzag(I64_MIN) + rest, count=2)
    refuse("gaps_whose_sum_wraps", b"\x00" + packed(64)([0, I64_MIN, I64_MIN]) + rest, begin=-1)
    refuse("gap_times_unit_over_64_bits", b"\x03" + packed(64)([0, 2**62, 0]) + rest)
    refuse("gap_times_unit_that_wraps_to_zero", b"\x03\x01" + zigzag(2**55) + rest, count=2)
    refuse("time_of_a_float_code", b"\x00\x07" + bytes(24) + rest)


def refused_arrays():
    refuse("no_bytes", b"")
    refuse("array_code_zero", of_int(b"\x00\x00"))
    refuse("array_code_of_floats", of_int(b"\x07" + bytes(24)))
    refuse("array_code_unknown", of_int(b"\x0c\x00"))
    refuse("array_code_of_decimals", of_int(b"\x08\x00"))
    refuse("array_code_255", of_int(b"\xff\x00"))
    refuse("constant_in_a_longer_varint", of_int(b"\x01\x80\x00"))
    refuse("constant_of_more_than_64_bits", of_int(b"\x01" + b"\xff" * 9 + b"\x02"))
    refuse("words_of_65_bits", of_int(b"\x02\x00\x41" + bytes(25)))
    refuse("words_of_127_bits", of_int(b"\x02\x00\xff" + bytes(48) + b"\x01\x00\x01\x00"))
    refuse("words_that_end_early", GAPS + b"\x02\x00\x40" + bytes(23))
    refuse("no_patches", of_int(b"\x02\x00\x80\x00\x01"))
    refuse("more_patches_than_values", of_int(b"\x02\x00\x80\x04" + bytes(4) + b"\x01\x00"))
    refuse("patches_beyond_32_bits", of_int(b"\x02\x00\x80" + varint(2**32 + 1) + b"\x00\x01\x00"))
    refuse("place_beyond_the_values", of_int(b"\x02\x00\x80\x01\x03\x01\x00"))
    refuse("second_place_beyond_the_values", of_int(b"\x02\x00\x80\x02\x01\x01\x01\x00"))
    refuse("places_whose_sum_wraps", of_int(b"\x02\x00\x80\x02\x01" + varint(2**64 - 2) + b"\x01\x00"))
    refuse("highs_of_0_bits", of_int(b"\x02\x00\x80\x01\x00\x00"))
    refuse("highs_of_65_bits", of_int(b"\x02\x00\x80\x01\x00\x41" + bytes(9)))
    refuse("highs_with_bit_7", of_int(b"\x02\x00\x80\x01\x00\x81\x00"))
    refuse("highs_that_end_early", GAPS + b"\x02\x00\x80\x01\x00\x40" + bytes(7))
    refuse("index_beyond_the_dictionary", of_int(b"\x03\x02\x00\x02\x04" + bits([0, 2, 3], 2)))
    refuse("dictionary_that_ends_early", GAPS + b"\x03\xff" + bytes(200))
    refuse("256_entries_with_escapes", of_int(b"\x04\xff" + bytes(256) + bits([0, 256, 0], 9) + ZEROS))
    refuse("index_beyond_the_escape", of_int(b"\x04\x01\x00\x02" + bits([0, 2, 3], 2) + ZEROS))
    refuse("no_escapes", of_int(b"\x04\x00\x00" + bits([0, 0, 0], 1) + ZEROS))
    refuse("no_escapes_and_no_array_of_them", of_int(b"\x04\x00\x00" + bits([0, 0, 0], 1)))
    for name, array in (("a_dictionary", dictionary(5)), ("escapes", dictionary_escape(1, escapes=constant())),
                        ("changes", changes(constant())), ("runs", runs(constant(), constant()))):
        refuse(f"escapes_in_{name}", of_int(b"\x04\x00\x00" + bits([0, 1, 1], 1) + array([5, 5])))
    for name, array in (("changes", changes(constant())), ("runs", runs(constant(), constant()))):
        refuse(f"changes_in_{name}", of_int(b"\x05\x00" + array([5, 5, 5])))
        refuse(f"run_lengths_in_{name}", of_int(b"\x06\x03" + array([1, 1, 1]) + ZEROS))
        refuse(f"run_values_in_{name}", of_int(b"\x06\x03\x01\x02" + array([5, 5, 5])))
    refuse("no_runs", of_int(b"\x06\x00" + ZEROS + ZEROS))
    refuse("no_runs_and_no_arrays_of_them", of_int(b"\x06\x00"))
    refuse("more_runs_than_values", of_int(b"\x06\x04" + packed(1)([1, 1, 1, 0]) + ZEROS))
    refuse("runs_too_short", of_int(b"\x06\x02\x01\x02" + ZEROS))
    refuse("runs_too_long", of_int(b"\x06\x02\x01\x04" + ZEROS))
    refuse("a_run_of_none", of_int(b"\x06\x02" + packed(2)([0, 3]) + ZEROS))
    refuse("a_run_below_zero", of_int(b"\x06\x02" + packed(3)([-1, 4]) + ZEROS))
    refuse("runs_whose_sum_wraps", of_int(b"\x06\x03" + packed(64)([I64_MAX, I64_MAX, 5]) + ZEROS))


def refused_symbols():
    values = noise(22, 72, -12, 12)
    symbols = symbols_of(3, [value + 128 for value in values])[0]
    coder, words = rans(3, symbols)
    assert 0 not in symbols and len(words) > 2 and MODELS[3]["values"] == list(range(-127, 128))

    def of_symbols(name, data, head=b"\x03\x00\x00", tail=b"\x00"):
        refuse(f"coded_{name}", of_int(b"\x09" + head + data + tail), count=72)

    right = symbol_bytes(coder, words)
    accept("coded_as_the_refused_ones", schema(INT), ("time", list(range(72)), times(0, constant())),
           ("field0", values, integers(lambda _: b"\x09\x03\x00\x00" + right + b"\x00")), no_flags(72))
    for number in (0, 200, 255):
        of_symbols(f"in_model_{number}", right, bytes([number, 0, 0]))
    for number in (1, 2):
        of_symbols(f"in_model_{number}_of_pairs", right, bytes([number, 0, 0]))
    for shift in (57, 63):
        of_symbols(f"with_lows_of_{shift}_bits", right + bytes(72 * 8), bytes([3, shift << 2, 0]))
    for lane, state in ((0, 4_095), (3, 0)):
        of_symbols(f"from_a_state_of_{state}", symbol_bytes(coder[:lane] + [state] + coder[lane + 1:], words))
    of_symbols("with_a_word_missing", symbol_bytes(coder, words[:-1]))
    of_symbols("with_no_words", symbol_bytes(coder, []))
    of_symbols("with_a_word_left_over", symbol_bytes(coder, words + [0]))
    of_symbols("with_words_beyond_the_bytes", bits(coder, 28) + varint(2**31) + right[-2 * len(words):])
    of_symbols("with_words_whose_bytes_wrap", bits(coder, 28) + varint(2**63) + b"")
    for end in (4_097, 5_000):
        of_symbols(f"to_an_end_of_{end}", symbol_bytes(*rans(3, symbols, end=end)))
    of_symbols("from_a_state_that_is_another", symbol_bytes([coder[0] + 1] + coder[1:], words))
    of_symbols("with_words_that_are_swapped", symbol_bytes(coder, [words[1], words[0]] + words[2:]))
    of_symbols("with_escapes_that_are_not_there", right, tail=b"\x01\x01\x00")
    of_symbols("with_an_array_of_no_escapes", right, tail=b"\x00\x01\x00")
    of_symbols("with_escapes_beyond_64_bits", right, tail=b"\xff" * 9 + b"\x02")
    of_symbols("with_lows_that_end_early", right + bytes(24), bytes([3, 3 << 2, 0]), b"")
    refuse("coded_that_ends_before_its_model", GAPS + b"\x09")
    refuse("coded_that_ends_before_its_states", GAPS + b"\x09\x03\x00\x00" + bytes(13))
    refuse("coded_that_ends_before_its_words", GAPS + b"\x09\x03\x00\x00" + bits(coder, 28))

    escaped = symbols_of(3, [0, 0, 0])[1]

    def of_escapes(name, tail):
        refuse(f"escapes_{name}", of_int(b"\x09\x03\x00\x00" + escaped + tail))

    of_ints("escapes_as_the_refused_ones", [5, 5, 5], lambda _: b"\x09\x03\x00\x00" + escaped + b"\x03\x01\x0a")
    of_escapes("of_which_none_are_told", b"\x00")
    of_escapes("of_which_none_are_told_but_there", b"\x00\x01\x0a")
    of_escapes("told_too_few", b"\x02\x01\x0a")
    of_escapes("told_with_their_pads", varint(4) + b"\x01\x0a")
    of_escapes("beyond_32_bits", varint(2**32 + 3) + b"\x01\x0a")
    of_escapes("that_are_coded", b"\x03" + coded(5)([1, 1, 1]))
    of_escapes("that_are_multiples", b"\x03" + multiples(3, constant())([9, 9, 9]))
    of_escapes("that_are_cut", b"\x03\x0a" + constant()([9, 9, 9]))
    refuse("escapes_that_end_early", GAPS + b"\x09\x03\x00\x00" + escaped + b"\x03")
    refuse("coded_enum_below_zero", GAPS + coded(3)([1, 0, -1]) + ZEROS, schema(ENUM))
    refuse("coded_flag_spare", GAPS + ZEROS + coded(4)([0, 0, 16]))
    refuse("multiples_of_zero", of_int(b"\x0b\x00\x01\x02"))
    refuse("multiples_of_65_bits", of_int(b"\x0b" + b"\xff" * 9 + b"\x02\x01\x02"))
    refuse("multiples_of_multiples", of_int(multiples(2, multiples(3, constant()))([6, 6, 6])))
    refuse("multiples_of_float_bits", of_int(b"\x0b\x01\x07" + bytes(24)))
    refuse("multiples_that_end_early", GAPS + b"\x0b\x05")
    for name, array in (("coded", coded(5)), ("multiples", multiples(1, constant()))):
        refuse(f"changes_in_{name}", of_int(b"\x05\x00" + array([5, 5, 5])))
        refuse(f"run_lengths_in_{name}", of_int(b"\x06\x03" + array([1, 1, 1]) + ZEROS))
        refuse(f"run_values_in_{name}", of_int(b"\x06\x03\x01\x02" + array([5, 5, 5])))
        refuse(f"escapes_of_a_dictionary_in_{name}", of_int(b"\x04\x00\x00" + bits([0, 1, 1], 1) + array([5, 5])))


def refused_pairs():
    right = symbols_of(1, [5, 5, 5])[1]

    def of_pairs(name, head=b"\x08\x01\x00", data=right, tail=b"\x00", shape=schema(INT), rest=ZEROS, **more):
        refuse(f"pairs_{name}", head + data + tail + rest, shape, **more)

    accept("pairs_as_the_refused_ones", schema(INT),
           ("time", [0, 1, 2], lambda _: (["0", "1", "2"], b"\x08\x01\x00" + right + b"\x00")),
           ("field0", [0, 0, 0], told_already()), no_flags(3))
    of_pairs("of_intervals", shape=schema(INT, interval=True), rest=ZEROS + ZEROS)
    of_pairs("of_two_ints", shape=schema(INT, INT), rest=ZEROS + ZEROS)
    of_pairs("of_an_int_and_a_text", shape=schema(INT, TEXT), rest=ZEROS + ZEROS)
    of_pairs("of_an_enum", shape=schema(ENUM))
    of_pairs("of_a_text", shape=schema(TEXT))
    of_pairs("of_a_float", shape=schema(FLOAT))
    of_pairs("and_an_array_of_values", rest=ZEROS + ZEROS)
    for unit in (5, 7):
        of_pairs(f"of_unit_{unit}", bytes([8 + unit, 1, 0]))
    for number in (0, 200, 255):
        of_pairs(f"in_model_{number}", bytes([8, number, 0]))
    for number in (3, 4, 5):
        of_pairs(f"in_model_{number}_of_values", bytes([8, number, 0]), symbols_of(number, [1, 1, 1])[1])
    of_pairs("with_a_last_time_of_int64_max", begin=I64_MAX - 2)
    of_pairs("with_escapes_that_are_not_there", tail=b"\x01\x01\x00\x01\x00")
    coder, words = rans(1, [5] * 4)
    of_pairs("from_a_state_of_4095", data=symbol_bytes(coder[:2] + [4_095] + coder[3:], words))
    of_pairs("with_a_word_left_over", data=symbol_bytes(coder, words + [1]))
    of_pairs("to_an_end_of_4097", data=symbol_bytes(*rans(1, [5] * 4, end=4_097)))
    escaped = symbols_of(1, [5, 0, 0])[1]
    of_pairs("escaped_but_none_told", data=escaped)
    of_pairs("escaped_too_few", data=escaped, tail=b"\x01\x01\x00\x01\x00")
    of_pairs("escaped_without_changes", data=escaped, tail=b"\x02\x01\x00", rest=b"")
    of_pairs("escaped_gaps_below_zero", data=escaped, tail=b"\x02\x01\x01\x01\x00")
    of_pairs("escaped_gaps_whose_sum_wraps", data=escaped, tail=b"\x02\x01" + zigzag(I64_MIN) + b"\x01\x00", begin=I64_MIN + 1)
    of_pairs("escaped_gaps_whose_sum_wraps_far", data=escaped, tail=b"\x02" + packed(2)([-1, -4]) + b"\x01\x00", begin=I64_MIN + 1)
    of_pairs("escaped_gaps_that_are_coded", data=escaped, tail=b"\x02" + coded(5)([1, 1]) + b"\x01\x00")
    of_pairs("escaped_changes_that_are_multiples", data=escaped, tail=b"\x02\x01\x00" + multiples(1, constant())([1, 1]))
    refuse("pairs_that_end_before_their_model", b"\x08")
    refuse("pairs_that_end_before_their_states", b"\x08\x01\x00" + bytes(13))
    for form in (7, 31):
        refuse(f"time_form_{form}", bytes([8 * form]) + GAPS[1:] + ZEROS + ZEROS)


def refused_derived_times():
    int_of_one = b"\x01\x02"  # CONSTANT, 1: so each row is one unit behind the row before

    def of_derived(name, head, shape=schema(INT), columns=int_of_one, **more):
        refuse(f"derived_{name}", head + columns + ZEROS, shape, **more)

    accept("derived_as_the_refused_ones", schema(INT), ("time", [0, 1, 2], lambda _: (["0", "1", "2"], b"\x10\x01\x00")),
           ("field0", [1] * 3, integers(lambda _: int_of_one)), no_flags(3))
    for source in (3, 7, 8, 255):
        of_derived(f"by_column_{source}", bytes([16, source, 0]))
    of_derived("by_starts_of_more_rows", b"\x10\x05\x04\x01\x00\x01\x00")
    of_derived("by_a_start_beyond_the_rows", b"\x10\x05\x01\x01\x04\x01\x00")
    of_derived("by_starts_beyond_the_rows", b"\x10\x05\x02\x02\x00\x01\x02\x01\x00")
    of_derived("by_a_start_far_beyond_the_rows", b"\x10\x05\x01\x01\x01\x01\x00")
    of_derived("by_starts_whose_places_wrap", b"\x10\x05\x02" + packed(64)([0, -1]) + b"\x01\x00")
    of_derived("by_starts_that_fall", b"\x10\x05\x01\x01\x00\x01\x03")
    of_derived("by_starts_without_an_array", b"\x10\x05\x01\x01\x00")
    of_derived("by_durations_of_instants_and_starts", b"\x10\x04\x00")
    of_derived("by_durations_of_instants", b"\x10\x00\x00")
    for unit in (1, 4):
        of_derived(f"by_durations_in_unit_{unit}", bytes([16 + unit, 0, 0]), schema(INT, interval=True), int_of_one + ZEROS)
    of_derived("of_unit_5", b"\x15\x01\x00")
    for name, kind in (("a_float", FLOAT), ("an_enum", ENUM), ("a_text", TEXT)):
        for source in (1, 2):
            of_derived(f"by_{name}_{source}", bytes([16, source, 0]), schema(kind),
                       b"\x07" + struct.pack("<3Q", 1, 1, 1) if kind == FLOAT else int_of_one + b"abc" * (kind == TEXT))
    of_derived("by_a_second_int", b"\x10\x01\x00", schema(ENUM, INT), ZEROS + int_of_one)
    of_derived("with_more_exceptions_than_rows", b"\x10\x01\x04" + bytes(4) + int_of_one)
    of_derived("with_a_place_beyond_the_rows", b"\x10\x01\x01\x03" + int_of_one)
    of_derived("with_places_whose_sum_wraps", b"\x10\x01\x02\x01" + varint(2**64 - 2) + int_of_one)
    of_derived("with_an_array_of_no_exceptions", b"\x10\x01\x00" + int_of_one)
    of_derived("without_the_array_of_exceptions", b"\x10\x01\x01\x01")
    of_derived("with_exceptions_below_zero", b"\x10\x01\x01\x01\x01\x01")
    of_derived("by_an_int_below_zero", b"\x10\x01\x00", columns=b"\x01\x01")
    of_derived("to_a_last_time_of_int64_max", b"\x10\x01\x00", begin=I64_MAX - 2)
    of_derived("over_64_bits", b"\x14\x01\x00", columns=b"\x01" + zigzag(I64_MAX))
    of_derived("by_durations_over_64_bits", b"\x10\x00\x00", schema(INT, interval=True),
               b"\x01" + zigzag(I64_MAX) + ZEROS, count=4)
    refuse("derived_that_ends_before_its_column", b"\x10")
    refuse("derived_that_ends_before_its_exceptions", b"\x10\x01")
    refuse("derived_that_ends_before_its_places", b"\x10\x01\x01")


def refused_rates_and_waves():
    rest = ZEROS + ZEROS
    for name, head in (("of_no_rows", varint(1) + b"\x00\x00"), ("of_a_phase_of_its_rows", b"\x01\x02\x02"),
                       ("of_2_to_48_ticks", varint(2**48) + b"\x01\x00"), ("of_2_to_32_rows", b"\x01" + varint(2**32) + b"\x00")):
        refuse(f"rate_{name}", b"\x18" + head + rest)
    refuse("rate_beyond_int64_max", b"\x18\x01\x01\x00" + rest, begin=I64_MAX - 2)
    refuse("rate_beyond_64_bits", b"\x1c" + varint(2**48 - 1) + b"\x01\x00" + rest)
    for name, head in (("no_taps", b"\x00\x00"), ("33_taps", b"\x21" + bytes(34)), ("2_to_20", b"\x01" + zigzag(2**20) + b"\x00"),
                       ("minus_2_to_20", b"\x01" + zigzag(-2**20) + b"\x00")):
        refuse(f"predicted_by_{name}", of_int(b"\x0e" + head + ZEROS))
        refuse(f"switched_by_{name}", of_int(b"\x10\x00\x00" + head[:-1] + b"\x01\x00" + ZEROS))
        refuse(f"switched_secondly_by_{name}", of_int(b"\x10\x00\x00\x01\x00" + head[:-1] + ZEROS))
    refuse("switched_multiples", of_int(b"\x10\x00\x00\x01\x00\x01\x00" + multiples(1, constant())([5, 5, 5])))
    refuse("switched_predicted", of_int(b"\x10\x00\x00\x01\x00\x01\x00" + predicted([1], 0, constant())([0, 0, 0])))
    refuse("switched_switched", of_int(b"\x10\x00\x00\x01\x00\x01\x00" + switched(0, 0, [1], [1], constant())([0, 0, 0])))
    refuse("predicted_switched", of_int(b"\x0e\x01\x00\x00" + switched(0, 0, [1], [1], constant())([0, 0, 0])))
    refuse("switched_that_ends_early", of_int(b"\x10\x00\x80"))
    refuse("predicted_multiples", of_int(b"\x0e\x01\x00\x00" + multiples(1, constant())([5, 5, 5])))
    refuse("predicted_predicted", of_int(b"\x0e\x01\x00\x00" + predicted([1], 0, constant())([0, 0, 0])))
    refuse("multiples_of_multiples_predicted", of_int(b"\x0b\x02\x0b\x02" + predicted([1], 0, constant())([0, 0, 0])))
    for name, word in (("0", 0), ("below_0", 0xBF800000), ("infinity", 0x7F800000), ("nan", 0x7FC00000)):
        refuse(f"scale_of_{name}", GAPS + b"\x0c" + struct.pack("<I", word) + ZEROS + b"\x00" + ZEROS, schema(FLOAT))
    for m in (2**24, -2**24 - 1):
        refuse(f"scaled_{m}", GAPS + b"\x0c" + struct.pack("<f", 1) + b"\x01" + zigzag(m) + b"\x00" + ZEROS, schema(FLOAT))
    for o in (2**31, -2**31 - 1, 0x7F800000, -0x7F800001, 0x7FC00000):
        refuse(f"single_of_{o}", GAPS + b"\x0d\x01" + zigzag(o) + ZEROS, schema(FLOAT))


def refused_long_arrays():
    def of_many_zeros(name, array, count=1_025, escapes=False):
        if escapes:
            array = b"\x09\x05\x00\x00" + symbols_of(5, [0] * count)[1] + varint(count) + array
        refuse(name, b"\x00\x01\x00" + array + ZEROS, count=count)

    zeros = [0] * 1_025
    of_many_zeros("1025_values_packed", packed(0)(zeros))
    of_many_zeros("1025_values_in_a_dictionary", dictionary(0)(zeros))
    of_many_zeros("1025_values_with_escapes", dictionary_escape(1, escapes=constant())(zeros))
    of_many_zeros("1025_values_of_changes", changes(constant())(zeros))
    of_many_zeros("1025_values_in_runs", runs(constant(), constant())(zeros))
    of_many_zeros("1025_values_in_bits", b"\x07" + bytes(8 * 100))
    of_many_zeros("1025_multiples_packed", multiples(2, packed(0))(zeros))
    of_many_zeros("1025_escapes_packed", packed(0)(zeros), escapes=True)
    of_many_zeros("1025_escapes_coded", coded(5)(zeros), escapes=True)
    of_many_zeros("cut_of_3_values", b"\x0a" + ZEROS, count=3)
    of_many_zeros("cut_of_1024_values", b"\x0a" + ZEROS, count=1_024)
    of_many_zeros("cut_of_1024_values_and_none", b"\x0a" + ZEROS + ZEROS, count=1_024)
    of_many_zeros("cut_that_ends_early", b"\x0a" + ZEROS)
    of_many_zeros("cut_of_one_piece_too_many", b"\x0a" + 3 * ZEROS)
    of_many_zeros("cut_of_a_cut", b"\x0a" + ZEROS + b"\x0a" + ZEROS)
    of_many_zeros("cut_of_a_coded_piece", b"\x0a" + ZEROS + coded(5)([0]))
    of_many_zeros("cut_of_multiples", b"\x0a" + ZEROS + multiples(1, constant())([0]))
    of_many_zeros("array_code_12_of_1025_values", b"\x0c" + bytes(80))
    refuse("8193_rows", b"\x00\x01\x00" + ZEROS + ZEROS, count=8_193)
    refuse("flags_of_1025_rows_packed", b"\x00\x01\x00" + ZEROS + packed(0)(zeros), count=1_025)
    refuse("text_lengths_of_1025_rows_packed", b"\x00\x01\x00" + packed(0)(zeros) + ZEROS, schema(TEXT), count=1_025)
    refuse("gaps_of_1025_rows_packed", b"\x00" + packed(0)(zeros) + ZEROS + ZEROS, count=1_025)


def refused_columns():
    refuse("duration_below_zero", GAPS + b"\x01\x01" + ZEROS + ZEROS, schema(INT, interval=True))
    refuse("duration_that_wraps_below_zero", GAPS + b"\x02" + zigzag(I64_MAX) + b"\x01\x02" + ZEROS + ZEROS,
           schema(INT, interval=True))
    refuse("enum_below_zero", GAPS + changes(packed(1))([1, 0, -1]) + ZEROS, schema(ENUM))
    refuse("spare_flag", GAPS + ZEROS + b"\x01\x20")
    refuse("flag_of_17_bits", GAPS + ZEROS + b"\x02\x00\x11" + bits([0, 1 << 16, 0], 17))
    refuse("flags_below_zero", GAPS + ZEROS + dictionary(0, -1)([0, 0, -1]))
    refuse("float_in_an_array", GAPS + ZEROS + ZEROS, schema(FLOAT))
    refuse("float_code_unknown", GAPS + b"\x09" + bytes(24) + ZEROS, schema(FLOAT))
    refuse("bits_that_end_early", GAPS + b"\x07" + bytes(23), schema(FLOAT))
    refuse("exponent_19", GAPS + b"\x08\x13" + ZEROS + b"\x00" + ZEROS, schema(FLOAT))
    refuse("decimals_in_bits", GAPS + b"\x08\x00\x07" + bytes(24) + b"\x00" + ZEROS, schema(FLOAT))
    refuse("more_exceptions_than_values", GAPS + b"\x08\x00" + ZEROS + b"\x04" + bytes(4 + 32) + ZEROS, schema(FLOAT))
    refuse("exception_beyond_the_values", GAPS + b"\x08\x00" + ZEROS + b"\x01\x03" + bytes(8) + ZEROS, schema(FLOAT))
    refuse("exceptions_whose_places_wrap", GAPS + b"\x08\x00" + ZEROS + b"\x02\x01" + varint(2**64 - 1) + bytes(16) + ZEROS,
           schema(FLOAT))
    refuse("exceptions_that_end_early", GAPS + b"\x08\x00" + ZEROS + b"\x03\x00\x00\x00" + bytes(23), schema(FLOAT))
    refuse("text_longer_than_allowed", GAPS + b"\x01" + zigzag(1_048_577) + ZEROS, schema(TEXT))
    refuse("text_of_less_than_no_bytes", GAPS + b"\x02\x01\x01" + bits([1, 1, 0], 1) + ZEROS, schema(TEXT))
    refuse("texts_that_end_early", GAPS + b"\x01\x08" + b"abcd" + ZEROS, schema(TEXT))
    of_three = [b"aa", b"", b"c"]
    for name, frame, more in (("names_another_size", lambda b: zstd_frame(b, 4), b""), ("has_a_byte_behind", zstd_frame, b"\x00"),
                              ("is_none", lambda b: b"aac", b""), ("ends_early", lambda b: zstd_frame(b)[:-1], b""),
                              ("comes_twice", lambda b: 2 * zstd_frame(b), b"")):
        refuse(f"texts_frame_{name}", GAPS + zstd_texts(packed(2, base=0), frame, more)(of_three)[1] + ZEROS, schema(TEXT))
    refuse("texts_frame_of_nothing", GAPS + zstd_texts(constant())([b""] * 3)[1] + ZEROS, schema(TEXT))
    refuse("texts_frame_that_ends_early", GAPS + b"\x0f\x01\x02\x7f", schema(TEXT))
    refuse("no_flags", GAPS + ZEROS)
    refuse("no_revisions", GAPS + ZEROS + ZEROS, with_revision=1)
    refuse("revisions_that_nobody_told_of", GAPS + ZEROS + ZEROS + ZEROS)
    refuse("a_byte_too_many", GAPS + ZEROS + ZEROS + b"\x00")


def lines():
    """The whole text of the file of vectors."""
    VECTORS.clear()
    for make in (rows_of_times, rows_of_ints, rows_of_floats, rows_of_the_rest, rows_of_symbols, rows_of_pairs, rows_of_own_models,
                 rows_of_derived_times, rows_of_spells, rows_of_rests_and_even_times, rows_of_rates_and_waves, rows_of_long_arrays,
                 refused_times, refused_arrays, refused_symbols, refused_pairs, refused_own_models, refused_derived_times, refused_spells, refused_rests_and_even_times, refused_rates_and_waves,
                 refused_long_arrays, refused_columns):
        make()
    return "\n".join(["# Test vectors of blocks.md, printed by tests/reader/blocks_vectors.py; how to read them is told at that "
                      "page's end.\n"] + VECTORS)


if __name__ == "__main__":
    print(lines(), end="")
