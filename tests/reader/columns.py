"""columns.py -- rows of one series, and tombstones, as bytes (format-spec/columns.md)."""

from dataclasses import dataclass
import struct

from cursor import TIME_MAX, TIME_MIN, I64_MAX, UNITS_NS, largest_unit, wrap

INSTANT, INTERVAL = 1, 2
INT, FLOAT, ENUM, TEXT = 1, 2, 3, 4
GAPS, CHANGES, BITS, TEXT_CODEC, CONSTANT = 1, 2, 3, 4, 5
NO_KEY = 255
ROWS_MAX = 65_536
TEXT_BYTES_MAX = 1_048_576
FLAGS_ALLOWED = 0xFF0F
OUT_OF_RANGE, NOT_FINITE = 1, 2

# what the values of a column may be, where not every signed integer is allowed
ALLOWED = {
    "duration": lambda v: v >= 0,
    "enums": lambda v: v >= 0,
    "flags": lambda v: v >= 0 and not v & ~FLAGS_ALLOWED,
}


@dataclass(frozen=True)
class Schema:
    kind: int
    key_field: int  # NO_KEY: none
    types: tuple


@dataclass
class Rows:
    """Columns of equal length. A float64 is kept as its 64 bits, a text as bytes."""

    time: list
    duration: list  # None for instants
    fields: list
    flags: list
    revision: list  # None where the revisions are told elsewhere


@dataclass(frozen=True)
class Tombstone:
    metric: int
    source: int
    begin: int
    end: int
    revision: int
    sequence: int


def read_schema(c):
    at = c.at
    kind, count, key_field = c.u8(), c.u8(), c.u8()
    c.check(kind in (INSTANT, INTERVAL), f"unknown kind {kind}", at)
    c.check(1 <= count <= 8, f"{count} fields, 1 to 8 expected", at + 1)
    c.check(key_field < count or key_field == NO_KEY, f"key field {key_field} of {count}", at + 2)
    types = tuple(c.u8() for _ in range(count))
    c.check(all(INT <= t <= TEXT for t in types), f"unknown type among {types}", at + 3)
    c.check(key_field == NO_KEY or types[key_field] != FLOAT, "the key field is a float64", at + 2)
    return Schema(kind, key_field, types)


def _least_bytes(schema, count, with_revision):
    """What the columns can take at the least; a reader checks it before it believes `count`."""
    least = count + 2 + 2 + (2 if with_revision else 0) + (2 if schema.kind == INTERVAL else 0)
    return least + sum({FLOAT: 1 + 8 * count, TEXT: 1 + count}.get(t, 2) for t in schema.types)


def read_rows(c, schema, count, with_revision):
    c.check(1 <= count <= ROWS_MAX, f"{count} rows, 1 to {ROWS_MAX} expected")
    least = _least_bytes(schema, count, with_revision)
    c.check(least <= c.left, f"{c.left} bytes for {count} rows, which take {least} at the least")
    return read_columns(c, schema, count, with_revision, (_read_times, _read_integers, _read_floats, _read_texts))


def read_columns(c, schema, count, with_revision, readers):
    """Rows out of their columns, in the order and with the ranges that this form and that of blocks.md share.

    `readers` read one column each, called with (c, count, what): of times, of integers, of float64, of texts.
    """
    read_times, read_integers, read_floats, read_texts = readers

    def integers(what):
        begin = c.at
        values = read_integers(c, count, what)
        c.check(what not in ALLOWED or all(map(ALLOWED[what], values)), f"{what}: a value is not allowed", begin)
        return values

    fields = {
        INT: lambda: integers("ints"), FLOAT: lambda: read_floats(c, count, "floats"),
        ENUM: lambda: integers("enums"), TEXT: lambda: read_texts(c, count, "texts"),
    }
    return Rows(time=read_times(c, count, "times"),
                duration=integers("duration") if schema.kind == INTERVAL else None,
                fields=[fields[kind]() for kind in schema.types],
                flags=integers("flags"),
                revision=integers("revision") if with_revision else None)


def _read_codec(c, allowed, what):
    codec = c.u8()
    c.check(codec in allowed, f"{what} in codec {codec}, one of {allowed} expected", c.at - 1)
    return codec


def _read_times(c, count, what):
    _read_codec(c, (GAPS,), what)
    unit_at = c.at
    unit = c.u8()
    c.check(unit < len(UNITS_NS), f"unknown unit {unit}", unit_at)
    scale = UNITS_NS[unit]
    time = c.zigzag() * scale
    times = [time]
    for gap in c.varints(count - 1):
        time += gap * scale
        times.append(time)
    c.check(TIME_MIN <= times[0] and times[-1] <= TIME_MAX, "a time out of range", unit_at)
    c.check(unit == largest_unit(times), f"unit {unit} is not the largest that divides every time", unit_at)
    return times


def _read_integers(c, count, what):
    begin = c.at
    if _read_codec(c, (CHANGES, CONSTANT), what) == CONSTANT:
        values = [c.zigzag()] * count
    else:
        changes = c.varints(count)
        c.check(any(changes[1:]), f"{what}: equal values in codec {CHANGES}", begin)
        values, value = [], 0
        for change in changes:
            value = wrap(value + ((change >> 1) ^ -(change & 1)))
            values.append(value)
    return values


def _read_floats(c, count, what):
    _read_codec(c, (BITS,), what)
    return read_u64s(c, count)


def read_u64s(c, count):
    return list(struct.unpack(f"<{count}Q", c.take(8 * count)))


def _read_texts(c, count, what):
    begin = c.at
    _read_codec(c, (TEXT_CODEC,), what)
    return take_texts(c, c.varints(count), begin)


def take_texts(c, lengths, at):
    """The texts of `lengths`, which were read at `at`, one after another."""
    for length in lengths:
        c.check(0 <= length <= TEXT_BYTES_MAX, f"a text of {length} bytes, 0 to {TEXT_BYTES_MAX} expected", at)
    return [c.take(length) for length in lengths]


def read_tombstones(c, sequence_base=None, sequence=None):
    """A list of tombstones: with their own sequences over `sequence_base`, or (log.md) all of `sequence`."""
    least = 6 if sequence is None else 5
    count = c.varint()
    c.check(count <= c.left // least, f"{count} tombstones in {c.left} bytes")
    tombstones = []
    for _ in range(count):
        at = c.at
        metric, source, begin, length, revision = c.varint(), c.varint(), c.zigzag(), c.varint(), c.zigzag()
        own = sequence if sequence is not None else sequence_base + c.varint()
        c.check(metric < 2**32 and source < 2**32, "metric or source of a tombstone of more than 32 bits", at)
        c.check(metric != 0 or source == 0, f"a tombstone of source {source} and every metric", at)
        c.check(length >= 1 and begin + length <= I64_MAX, "the span of a tombstone is empty or too long", at)
        c.check(own < 2**64, "a sequence of more than 64 bits", at)
        tombstones.append(Tombstone(metric, source, begin, begin + length, revision, own))
    return tombstones
