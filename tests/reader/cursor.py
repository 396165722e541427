"""cursor.py -- reading fields one after another out of bytes that nobody vouches for (README.md, "Conventions").

A cursor knows the file and the place there of its first byte, so that every refusal names both. Sealed bytes lie at the
same places as the plain ones, as the tag comes last: so offsets within an opened piece are offsets in the file too.
"""

import struct

from problems import Newer, damage

U64_MAX = 2**64 - 1
I64_MIN, I64_MAX = -(2**63), 2**63 - 1
TIME_MIN, TIME_MAX = I64_MIN + 1, I64_MAX - 1  # of a sample's time, both included
FORMAT_MAJOR = 0
UNITS_NS = (1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000)


def wrap(value):
    """The two's complement reading of `value` modulo 2^64."""
    return ((value + 2**63) & U64_MAX) - 2**63


def largest_unit(values):
    """The number of the largest unit that divides every value; 0 is divided by all of them."""
    unit = len(UNITS_NS) - 1
    while any(value % UNITS_NS[unit] for value in values):
        unit -= 1
    return unit


class Cursor:
    own_models = {}  # by number: of the series whose block this is

    def __init__(self, data, file, base=0):
        self.data, self.file, self.base, self.at = bytes(data), file, base, 0

    def bad(self, sentence, at=None):
        """The exception for what stands at `at` (here, if None), for the caller to raise."""
        return damage(self.file, self.base + (self.at if at is None else at), sentence)

    def check(self, holds, sentence, at=None):
        if not holds:
            raise self.bad(sentence, at)

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        self.check(count <= self.left, f"{self.left} bytes left, {count} expected")
        self.at += count
        return self.data[self.at - count:self.at]

    def end(self):
        self.check(self.left == 0, f"{self.left} bytes too many")

    def zeros(self, count):
        at = self.at
        self.check(not any(self.take(count)), "spare bytes are not zero", at)

    def _fixed(self, form, count):
        return struct.unpack(form, self.take(count))[0]

    def u8(self):
        return self._fixed("<B", 1)

    def i8(self):
        return self._fixed("<b", 1)

    def u16(self):
        return self._fixed("<H", 2)

    def u32(self):
        return self._fixed("<I", 4)

    def i32(self):
        return self._fixed("<i", 4)

    def u64(self):
        return self._fixed("<Q", 8)

    def i64(self):
        return self._fixed("<q", 8)

    def varint(self, bits=64):
        """LEB128 in its shortest form, of a number of up to `bits` bits."""
        data, begin, at = self.data, self.at, self.at
        value = shift = 0
        while True:
            if at == len(data):
                raise self.bad("a varint ends early", begin)
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise self.bad("a varint is too long", begin)
        if (byte == 0 and at - begin > 1) or value >> bits:
            raise self.bad("a varint is longer than needed, or of too many bits", begin)
        self.at = at
        return value

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def varints(self, count):
        self.check(count <= self.left, f"{self.left} bytes left for {count} varints")
        return [self.varint() for _ in range(count)]

    def string(self):
        """`u8` count, then as many bytes."""
        return self.take(self.u8())

    def version(self):
        """Major, minor, must-understand and may-ignore bits, as after every magic (README.md)."""
        at = self.at
        major, _minor, must, _may = self.u16(), self.u16(), self.u32(), self.u32()
        if major > FORMAT_MAJOR or must != 0:
            raise Newer(f"{self.file}: offset {self.base + at}: written by a newer format "
                        f"(major {major}, must-understand bits {must:#x})")
