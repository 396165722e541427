#!/usr/bin/env python3
"""blocks_vectors.py -- a plain writer of packed blocks, and the test vectors of format-spec/blocks.md, which it prints.

Written from that page alone, bit by bit where the reader takes whole runs, so that neither repeats the other's slips. It
chooses nothing: whoever calls names the code of every array. After a change to the vectors:

    python3 -B tests/reader/blocks_vectors.py > format-spec/vectors/blocks.txt
"""

from fractions import Fraction
import struct

INT, FLOAT, ENUM, TEXT = 1, 2, 3, 4
UNIT_NS = (1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000)
ROWS_MAX, LINE_MAX = 8, 1_023  # what the other reader of these files takes
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


# ---- columns: the values as words of a line of vectors, and the bytes

def times(unit, encode, first_gap=None):
    def column(values):
        gaps = [(after - before) // UNIT_NS[unit] for before, after in zip(values, values[1:])]
        front = first_gap if first_gap is not None else gaps[0] if gaps else 0
        return list(map(str, values)), bytes([unit]) + encode([signed(gap) for gap in [front] + gaps])
    return column


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


# ---- vectors

VECTORS = []


def schema(*types, interval=False, key=255):
    return bytes([2 if interval else 1, len(types), key, *types])


def vector(name, kind, shape, count, with_revision, begin, data, lines=()):
    told = [f"vector {name}", f"kind {kind}", f"schema {shape.hex()}", f"count {count}", f"with_revision {with_revision}",
            f"begin {begin}", f"bytes {data.hex()}".rstrip()] + [f"{line} {' '.join(words)}" for line, words in lines]
    assert count <= ROWS_MAX and max(map(len, told)) <= LINE_MAX, name
    VECTORS.append("\n".join(told) + "\n")


def accept(name, shape, *columns):
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
    vector(name, "rows", shape, len(lines[0][1]), int(names[-1] == "revision"), columns[0][1][0], data, lines)


def refuse(name, data, shape=schema(INT), count=3, with_revision=0, begin=0):
    vector(name, "refuse", shape, count, with_revision, begin, data)


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
    accept("a_long_text", schema(TEXT), by_the_second(2), ("field0", [b"", b"x" * 400], texts(packed(1, base=0))), no_flags(2))


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
    refuse("array_code_unknown", of_int(b"\x09\x00"))
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
    refuse("no_flags", GAPS + ZEROS)
    refuse("no_revisions", GAPS + ZEROS + ZEROS, with_revision=1)
    refuse("revisions_that_nobody_told_of", GAPS + ZEROS + ZEROS + ZEROS)
    refuse("a_byte_too_many", GAPS + ZEROS + ZEROS + b"\x00")


def lines():
    """The whole text of the file of vectors."""
    VECTORS.clear()
    for make in (rows_of_times, rows_of_ints, rows_of_floats, rows_of_the_rest, refused_times, refused_arrays, refused_columns):
        make()
    return "\n".join(["# Test vectors of blocks.md, printed by tests/reader/blocks_vectors.py; how to read them is told at that "
                      "page's end.\n"] + VECTORS)


if __name__ == "__main__":
    print(lines(), end="")
