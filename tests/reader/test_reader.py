#!/usr/bin/env python3
"""test_reader.py -- the second reader reads what the pages tell, and refuses what they refuse.

Columns and blocks are held against format-spec/vectors/, and long blocks against a plain writer (blocks_vectors.py);
models.txt against what models.md says of it. Edit logs and logs are made here byte by byte from the pages, so that each rule
about their ends is met; whole stores, and what the engine writes, are in tests/golden/golden.py. Damage is done to a
golden store: after any flipped bit the reader prints the same samples, or refuses and names a file.
"""

import os
import random
import struct
import sys
import tarfile
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import blocks  # noqa: E402 -- found by the line above
import blocks_vectors as writer  # noqa: E402
import columns  # noqa: E402
import edits  # noqa: E402
import feed  # noqa: E402
import holter_reader  # noqa: E402
import log  # noqa: E402
import models  # noqa: E402
from cursor import Cursor, largest_unit  # noqa: E402
from manifest import Place  # noqa: E402
from native import xxh3_64, xxh3_128  # noqa: E402
from problems import Damage, Denied, Newer, NotFound, Problem  # noqa: E402
from standing import Sample, User  # noqa: E402
from store import Store  # noqa: E402

ROOT = os.path.join(HERE, os.pardir, os.pardir)
STORE_ID = bytes(range(16))
PLACE = 5


# ---- columns.md

def read_vectors(path):
    """The vectors of a file, each a dictionary of lists of words; `tombstone` is a list of such lists."""
    vectors, vector = [], {}
    with open(path, encoding="ascii") as file:
        for line in list(file) + [""]:
            words = line.split()
            if line.startswith("#"):
                continue
            if not words and vector:
                vectors.append(vector)
                vector = {}
            elif words and words[0] == "tombstone":
                vector.setdefault("tombstone", []).append([int(word) for word in words[1:]])
            elif words:
                vector[words[0]] = [word for told in words[1:] for word in repeated(told)]
    return vectors


def repeated(told):
    """The words that `word*count` stands for."""
    word, star, count = told.partition("*")
    return [word] * (int(count) if star else 1)


class RowVectors:
    """How vectors of rows are checked; `decode` reads the columns, in the form of one page or the other."""

    def check_vectors(self, name, more_than):
        vectors = read_vectors(os.path.join(ROOT, "format-spec", "vectors", name))
        self.assertGreater(len(vectors), more_than)
        for vector in vectors:
            with self.subTest(vector["vector"][0]):
                getattr(self, "check_" + vector["kind"][0])(vector)

    @staticmethod
    def cursors(vector):
        hexadecimal = vector["bytes"][0] if vector["bytes"] else ""
        return Cursor(bytes.fromhex(hexadecimal), "vector")

    def read_rows(self, vector):
        schema_bytes = Cursor(bytes.fromhex(vector["schema"][0]), "schema")
        schema = columns.read_schema(schema_bytes)
        schema_bytes.end()
        c = self.cursors(vector)
        rows = self.decode(c, schema, vector, int(vector["count"][0]), vector["with_revision"][0] == "1")
        c.end()
        return schema, rows

    def check_rows(self, vector):
        schema, rows = self.read_rows(vector)
        told = {"time": rows.time, "flags": rows.flags}
        if "duration" in vector or rows.duration is not None:
            told["duration"] = rows.duration
        if rows.revision is not None:
            told["revision"] = rows.revision
        for name, values in told.items():
            self.assertEqual([int(word) for word in vector[name]], values, name)
        for index, kind in enumerate(schema.types):
            words = vector[f"field{index}"]
            if kind == columns.FLOAT:
                expected = [int(word, 16) for word in words]
            elif kind == columns.TEXT:
                expected = [b"" if word == "-" else bytes.fromhex(word) for word in words]
            else:
                expected = [int(word) for word in words]
            self.assertEqual(expected, rows.fields[index], f"field {index}")
        self.assertEqual({name for name in vector if name.startswith("field")},
                         {f"field{index}" for index in range(len(schema.types))})
        length = len(self.cursors(vector).data)
        for cut in range(0, length, 1 + length // 256):  # whatever is cut off, it is refused
            shorter = dict(vector, bytes=[vector["bytes"][0][:2 * cut]])
            self.assertRaises(Damage, self.read_rows, shorter)

    def check_refuse(self, vector):
        self.assertRaises(Damage, self.read_rows, vector)


class Columns(RowVectors, unittest.TestCase):
    @staticmethod
    def decode(c, schema, _vector, count, with_revision):
        return columns.read_rows(c, schema, count, with_revision)

    def test_vectors(self):
        self.check_vectors("columns.txt", 30)

    def check_tombstones(self, vector):
        c = self.cursors(vector)
        found = columns.read_tombstones(c, sequence_base=int(vector["sequence_base"][0]))
        c.end()
        expected = [columns.Tombstone(*words) for words in vector.get("tombstone", [])]
        self.assertEqual(found, expected)

    def test_varints_are_shortest(self):
        for data, value in ((b"\x00", 0), (b"\x7f", 127), (b"\x80\x01", 128), (b"\xff" * 9 + b"\x01", 2**64 - 1)):
            self.assertEqual(Cursor(data, "").varint(), value)
        for data in (b"", b"\x80", b"\x80\x00", b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\x01"):
            self.assertRaises(Damage, Cursor(data, "").varint)
        self.assertEqual(Cursor(b"\xff" * 18 + b"\x03", "").varint(bits=128), 2**128 - 1)
        self.assertRaises(Damage, Cursor(b"\xff" * 18 + b"\x04", "").varint, bits=128)

    def test_units(self):
        for values, unit in (((), 4), ((0,), 4), ((60 * 10**9, 10**9), 3), ((1000,), 1), ((10**6, 1), 0)):
            self.assertEqual(largest_unit(values), unit)


# ---- blocks.md

def words_of(seeded, n, width):
    """Random words, the least and the greatest among them."""
    return [0, 2**width - 1] + [seeded.getrandbits(width) if width else 0 for _ in range(n - 2)]


class Blocks(RowVectors, unittest.TestCase):
    LENGTHS = (511, 512, 513, 600, 1_023, 1_024)

    @staticmethod
    def decode(c, schema, vector, count, with_revision):
        own_models = {}
        if "models" in vector:
            stored = Cursor(bytes.fromhex(vector["models"][0]), "models")
            own_models = models.read_own_models(stored)
            stored.end()
        return blocks.read_block(c, schema, count, int(vector["begin"][0]), with_revision, own_models)

    def test_vectors(self):
        self.check_vectors("blocks.txt", 100)

    def test_vectors_are_those_that_the_writer_prints(self):
        with open(os.path.join(ROOT, "format-spec", "vectors", "blocks.txt"), encoding="ascii") as file:
            self.assertEqual(file.read(), writer.lines())

    def read(self, data, count, schema, begin=0, with_revision=False):
        c = Cursor(data, "block")
        rows = blocks.read_block(c, schema, count, begin, with_revision)
        c.end()
        return rows

    def of_int(self, encode, values):
        """One int, by the nanosecond: what the reader makes of the values that the writer encoded."""
        data = writer.GAPS + encode(values) + writer.ZEROS
        return self.read(data, len(values), columns.Schema(columns.INSTANT, columns.NO_KEY, (columns.INT,))).fields[0]

    def test_a_lane_word_lies_where_the_page_puts_it(self):
        """Told in full for words 1, 33 and 511 of a group, so that writer and reader do not agree on a slip."""
        for width, index, places in ((3, 1, {2: 5}), (3, 33, {2: 5 << 3}), (3, 511, {62 + 64 * 2 + 1: 5 << 5}),
                                     (17, 17, {4 + 2: 5 << 1}), (33, 9, {8 + 4: 5 << 1}), (33, 15, {56 + 4: 5 << 1})):
            group = bytearray(64 * width)
            for at, byte in places.items():
                group[at] = byte
            values = [0] * 512
            values[index] = 5
            data = b"\x02\x00" + bytes([width]) + group
            self.assertEqual(self.of_int(lambda _, data=data: data, values), values, (width, index))
            self.assertEqual(writer.packed(width)(values), data, (width, index))

    def test_lanes_of_every_width(self):
        seeded = random.Random(1024)
        for width in range(65):
            for n in (600, 1_024):
                base = seeded.randrange(-2**62, 0) if width < 63 else -2**63
                values = [base + word for word in words_of(seeded, n, width)]
                if width == 63:
                    values = [value + 2**62 for value in values]
                self.assertEqual(self.of_int(writer.packed(width), values), values, (width, n))

    def test_lanes_of_highs(self):
        seeded = random.Random(7)
        for width, n in zip((0, 5, 16, 20, 40, 62), self.LENGTHS):
            values = [seeded.randrange(-2**63, 2**63) for _ in range(n)]
            self.assertEqual(self.of_int(writer.packed(width, base=0), values), values, (width, n))

    def test_long_arrays_of_every_code(self):
        seeded = random.Random(512)
        for n in self.LENGTHS:
            for most, encode in ((256, writer.dictionary(*range(256))), (3, writer.dictionary(2, 1, 0)),
                                 (1_000, writer.dictionary_escape(*range(255), escapes=writer.packed(10))),
                                 (2**40, writer.dictionary_escape(7, escapes=writer.packed(40))),
                                 (2**62, writer.changes(writer.packed(64))), (9, writer.changes(writer.dictionary(*range(-8, 9)))),
                                 (2, writer.runs(writer.packed(7), writer.packed(1))),
                                 (2**20, writer.runs(writer.dictionary_escape(1, escapes=writer.packed(2)), writer.packed(20)))):
                values = [seeded.randrange(most) for _ in range(n - 1)] + [most - 1]
                values[0], values[-2] = 0, values[-1]
                data = encode(values)
                self.assertEqual(self.of_int(lambda _, data=data: data, values), values, (most, n))

    def whole(self, n, seeded):
        """A schema of all types, its columns and their bytes."""
        begin, minute = 1_700_000_000 * 10**9, 60 * 10**9
        time = [begin]
        while len(time) < n:
            time.append(time[-1] + seeded.randrange(40) * minute)
        duration = [seeded.randrange(10**9) for _ in range(n)]
        ints = [seeded.randrange(-500, 500) for _ in range(n)]
        tenths = [seeded.randrange(100, 1_000) for _ in range(n)]
        exceptions = {index: seeded.getrandbits(64) for index in sorted(seeded.sample(range(n), n // 9))}
        enums = [seeded.randrange(5) for _ in range(n)]
        notes = [b"n" * seeded.randrange(4) for _ in range(n)]
        flags = [seeded.choice((0, 0, 0, 8)) for _ in range(n)]
        revision = [index // 50 for index in range(n)]
        made = [(time, writer.times(4, writer.packed(6))), (duration, writer.integers(writer.packed(30))),
                (ints, writer.integers(writer.changes(writer.packed(5)))),
                (tenths, writer.decimals(1, writer.packed(10), exceptions)),
                (enums, writer.integers(writer.dictionary(*range(5)))), (notes, writer.texts(writer.packed(2))),
                (flags, writer.integers(writer.runs(writer.packed(6), writer.dictionary(0, 8)))),
                (revision, writer.integers(writer.runs(writer.packed(6), writer.packed(5))))]
        data = b"".join(column(values)[1] for values, column in made)
        floats = [exceptions.get(index, writer.double_bits(m / 10)) for index, m in enumerate(tenths)]
        schema = columns.Schema(columns.INTERVAL, columns.NO_KEY,
                                (columns.INT, columns.FLOAT, columns.ENUM, columns.TEXT))
        return data, schema, columns.Rows(time, duration, [ints, floats, enums, notes], flags, revision)

    def test_long_rows_of_all_types(self):
        for n in (600, 1_024):
            data, schema, rows = self.whole(n, random.Random(n))
            self.assertEqual(self.read(data, n, schema, rows.time[0], True), rows)

    def test_damaged_rows_are_read_or_refused(self):
        seeded = random.Random(20)
        data, schema, rows = self.whole(600, seeded)
        refused = 0
        for _ in range(300):
            changed = bytearray(data)
            changed[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)
            try:
                self.read(bytes(changed), 600, schema, rows.time[0], True)
            except Damage:
                refused += 1
        self.assertGreater(refused, 5)
        for cut in range(0, len(data), 97):
            self.assertRaises(Damage, self.read, data[:cut], 600, schema, rows.time[0], True)

    CODED = ((3, lambda seeded: seeded.randrange(-40, 40)), (3, lambda seeded: seeded.randrange(-2**40, 2**40)),
             (4, lambda seeded: seeded.choice((0, 0, 0, 60, 100, 400))), (5, lambda seeded: seeded.randrange(9)))

    def test_long_arrays_coded(self):
        """Every model with every order, of lengths about those of lanes and groups."""
        seeded = random.Random(16)
        for n in (1, 2, 15, 16, 17, 511, 513, 1_023, 1_024, 1_025, 3_000):
            for order in range(4):
                for number, draw in self.CODED:
                    values = [0] + writer.summed([draw(seeded) for _ in range(n - 1)], order)
                    encode = writer.coded(number, order, seeded.randrange(57), pad=seeded.randrange(8),
                                          escapes=self.cut_or_packed)
                    self.assertEqual(self.of_int(encode, values), values, (number, order, n))

    @staticmethod
    def cut_or_packed(values):
        pieces = -(-len(values) // 1_024)
        return (writer.cut(*[writer.packed(9)] * pieces) if pieces > 1 else writer.packed(9))(values)

    def test_damaged_symbols_are_read_or_refused(self):
        """Most bits of the states and words change what comes out, so that the end is another."""
        seeded = random.Random(4_096)
        schema = columns.Schema(columns.INSTANT, columns.NO_KEY, (columns.INT,))
        values = [seeded.randrange(-20, 20) for _ in range(300)]
        time = [10**9 * second for second in writer.summed([seeded.randrange(4, 7) for _ in values])]
        rates = writer.summed([seeded.randrange(-1, 2) for _ in values])
        for values, data in ((values, writer.GAPS + writer.coded(3)(values) + writer.ZEROS),
                             (rates, writer.pairs(1, 3, rates)(time)[1] + writer.ZEROS)):
            refused = 0
            self.assertEqual(self.read(data, 300, schema).fields[0], values)
            for _ in range(300):
                changed = bytearray(data)
                changed[seeded.randrange(5, len(data) // 2)] ^= 1 << seeded.randrange(8)  # before the escapes
                try:
                    self.read(bytes(changed), 300, schema)
                except Damage:
                    refused += 1
            self.assertGreater(refused, 240)

    def test_blocks_have_1_to_8192_rows(self):
        data = writer.GAPS + writer.ZEROS + writer.ZEROS
        schema = columns.Schema(columns.INSTANT, columns.NO_KEY, (columns.INT,))
        self.assertEqual(self.read(data, 8_192, schema).time, list(range(8_192)))
        for count in (0, 8_193):
            self.assertRaises(Damage, self.read, data, count, schema)


# ---- models.md

class Models(unittest.TestCase):
    def test_the_file_holds_what_the_page_says(self):
        kinds = {number: model.kind for number, model in models.models().items()}
        self.assertEqual(kinds, {1: "pairs", 2: "pairs", 3: "values", 4: "values", 5: "values", 6: "values", 7: "values", 8: "pairs", 9: "values", 10: "rests"})

    GOOD = ("model 9 values\nname two levels\nstart 1\nvalues 0 5\nclasses 0 0 1\nnext 0 0 1\nnext 1 1 0\n"
            "frequencies 0 1 4000 95\nfrequencies 1 96 4000\n")

    def test_what_is_no_model_is_refused(self):
        good = models.parse_models(self.GOOD)[9]
        self.assertEqual((good.frequencies, good.firsts(1)), (((1, 4_000, 95), (96, 4_000, 0)), [0, 96, 4_096]))
        for right, wrong in (("1 4000 95", "1 4000 96"), ("1 4000 95", "0 4000 96"), ("96 4000", "4096"),
                             ("96 4000", "96 4001 -1"), ("96 4000", "96 3999 0 1"), ("start 1", "start 2"),
                             ("next 1 1 0", "next 1 1 2"), ("next 1 1 0", "next 1 1"), ("next 1 1 0\n", ""), ("next 1", "next 2"),
                             ("classes 0 0 1", "classes 0 0 2"), ("classes 0 0 1", "classes 0 0"), ("values 0 5", "values 0"),
                             ("values 0 5", "values 5 5"), ("model 9", "model 256"), ("9 values", "9 floats"),
                             ("9 values", "9 pairs"), ("frequencies 1 96 4000\n", ""), ("name two levels\n", "")):
            self.assertIn(right, self.GOOD)
            with self.subTest(wrong, instead_of=right):
                self.assertRaises(ValueError, models.parse_models, self.GOOD.replace(right, wrong))
        self.assertRaises(ValueError, models.parse_models, self.GOOD + self.GOOD)


# ---- the canonical form

class Form(unittest.TestCase):
    def test_decimals(self):
        for value, exponent, text in ((3655, -2, "36.55"), (-5, -2, "-0.05"), (0, -1, "0.0"), (7, 0, "7"), (-7, 3, "-7000"),
                                      (0, 3, "0"), (-2**63, -18, "-9.223372036854775808")):
            self.assertEqual(holter_reader.decimal(value, exponent), text)

    def test_floats_and_escapes(self):
        self.assertEqual(holter_reader.float_text(0x3FB999999999999A), "3fb999999999999a/0.10000000000000001")
        self.assertEqual(holter_reader.float_text(0x8000000000000000), "8000000000000000/-0")
        self.assertEqual(holter_reader.float_text(0xFFF8000000000001), "fff8000000000001/nan")
        self.assertEqual(holter_reader.float_text(0xFFF0000000000000), "fff0000000000000/-inf")
        self.assertEqual(holter_reader.escaped(b'a ,"\\\n\xff~'), r"a \x2c\x22\x5c\x0a\xff~")


# ---- edits.md

def sectors(data):
    return data + bytes(-len(data) % 512)


def edits_header(generation=1, base=1, major=0, must=0, kind=edits.MANIFEST):
    head = edits.MAGICS[kind] + struct.pack("<HHII16sIQQ", major, 1, must, 0, STORE_ID, PLACE, generation, base)
    return sectors(head + struct.pack("<Q", xxh3_64(head)))


def record(version, body, generation=1, flags=0, part=0, kind=edits.MANIFEST):
    head = struct.pack("<IIQII", edits.RECORD_MAGIC, len(body), version, flags, part)
    over = STORE_ID + struct.pack("<IIQ", kind, PLACE, generation) + head + struct.pack("<Q", xxh3_64(body))
    return sectors(head + struct.pack("<Q", xxh3_64(over)) + body)


class InDirectory(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="reader-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name, data):
        with open(os.path.join(self.directory, name), "wb") as file:
            file.write(data)


class Edits(InDirectory):
    def read(self, a, b):
        for name, data in (("manifest.a", a), ("manifest.b", b)):
            if data is not None:
                self.write(name, data)
        return [(edit.version, [part.data for part in edit.parts])
                for edit in edits.read_edits(self.directory, edits.MANIFEST, STORE_ID, PLACE)]

    whole = edits_header() + record(1, b"one") + record(2, b"two", flags=1) + record(2, b"more", part=1)
    told = [(1, [b"one"]), (2, [b"two", b"more"])]

    def test_either_copy_will_do(self):
        broken = bytearray(self.whole)
        broken[600] ^= 1
        headless = bytes(512) + self.whole[512:]
        for a, b in ((self.whole, self.whole), (self.whole, None), (None, self.whole), (self.whole, b""),
                     (bytes(broken), self.whole), (self.whole, headless), (headless, self.whole)):
            self.assertEqual(self.read(a, b), self.told)
            for name in os.listdir(self.directory):
                os.unlink(os.path.join(self.directory, name))

    def test_each_record_may_be_whole_in_another_copy(self):
        a, b = bytearray(self.whole), bytearray(self.whole)
        a[512 + 40] ^= 1  # a lacks the first record, b the last
        b[1536 + 40] ^= 1
        self.assertEqual(self.read(bytes(a), bytes(b)), self.told)

    def test_a_torn_tail_is_not_there(self):
        self.assertEqual(self.read(self.whole[:-512], self.whole[:-512]), self.told[:1])
        garbage = self.whole + b"\x01" * 700
        self.assertEqual(self.read(garbage, garbage), self.told)

    def test_a_gap_is_damage(self):
        torn = bytearray(self.whole + record(3, b"three"))
        torn[1100] ^= 1
        self.assertRaises(Damage, self.read, bytes(torn), bytes(torn))

    def test_the_first_edit_is_never_torn(self):
        self.assertRaises(Damage, self.read, edits_header(), edits_header())

    def test_a_lower_generation_does_not_count(self):
        newer = edits_header(generation=2, base=7) + record(7, b"seven", generation=2)
        self.assertEqual(self.read(self.whole, newer), [(7, [b"seven"])])
        stale = newer[:512] + record(7, b"seven", generation=1)
        self.assertRaises(Damage, self.read, stale, stale)

    def test_refused(self):
        for bad in (edits_header() + record(2, b"x"), edits_header() + record(1, b"x", flags=2),
                    edits_header() + record(1, b"x", part=1), self.whole + record(4, b"x"),
                    edits_header(base=0) + record(0, b"x"), edits_header(kind=edits.VAULT) + record(1, b"x"), b"", None):
            self.assertRaises(Damage, self.read, bad, bad)

    def test_a_newer_format_is_told(self):
        for newer in (edits_header(major=1), edits_header(must=1)):
            self.assertRaises(Newer, self.read, self.whole, newer)
            self.assertRaises(Newer, self.read, newer, None)


# ---- log.md

LOG_BYTES = 65536


def log_id(number):
    return bytes([number]) * 16


def log_header(number, first=1, previous=0, end=0, boot=bytes(16), major=0):
    head = log.FILE_MAGIC + struct.pack("<HHII16sI16sQQQQ16sQ16s", major, 1, 0, 0, STORE_ID, PLACE, log_id(number), number,
                                        LOG_BYTES, previous, end, log_id(previous) if previous else bytes(16), first, boot)
    half = head + struct.pack("<Q", xxh3_64(head))
    return (half + bytes(2048 - len(half))) * 2


def frame(sequence, number, body, flags=0, user=9):
    head = struct.pack("<QQIIII24s", sequence, user, 0, flags, len(body) + 16, 0, bytes(24))
    associated = STORE_ID + log_id(number) + struct.pack("<IQIQII", PLACE, user, 0, sequence, flags, len(body))
    return head + body + xxh3_128(bytes(24) + associated + body)


def group(number, offset, first, frames=(), watermark=None, synced=None, mark=False, count=None):
    body = b"".join(frames)
    head = struct.pack("<16sQQQQIIII", log_id(number), offset, first, first - 1 if watermark is None else watermark,
                       offset if synced is None else synced, 80 + len(body), len(frames) if count is None else count,
                       1 if mark else 0, 0)
    padded = head + body + bytes(-(16 + len(head + body)) % 4096)
    return log.GROUP_MAGIC + struct.pack("<Q", xxh3_64(padded)) + padded


def log_file(header, *groups):
    data = header + b"".join(groups)
    return data + bytes(LOG_BYTES - len(data))


ORIGIN, NEVER = Place(0, 0, 1), Place(0, 0, 0)
BODY = b"\x00"  # no tombstones, no parts


def simple(number, offset, first, **more):
    """A group of one frame."""
    return group(number, offset, first, [frame(first, number, BODY)], **more)


class Log(InDirectory):
    def read(self, *files, flushed=ORIGIN, closed=NEVER, ends="whole"):
        """The sequences of the frames that count, in a directory of the files (number, bytes)."""
        for name in os.listdir(self.directory):
            os.unlink(os.path.join(self.directory, name))
        for number, data in files:
            self.write(f"log-{number:016x}", data)
        return [f.sequence for f in log.Log(self.directory, STORE_ID, PLACE, flushed, closed, ends).frames]

    def refused(self, text, *files, **more):
        with self.assertRaises(Damage) as caught:
            self.read(*files, **more)
        self.assertIn(text, str(caught.exception))

    three = [simple(1, 4096, 1), simple(1, 8192, 2), simple(1, 12288, 3)]

    def test_no_log_and_an_empty_one(self):
        self.assertEqual(self.read(), [])
        self.assertEqual(self.read((1, log_file(log_header(1)))), [])
        self.refused("missing", flushed=Place(1, 4096, 1))

    def test_groups_marks_and_a_torn_tail(self):
        mark = group(1, 16384, 4, mark=True)
        self.assertEqual(self.read((1, log_file(log_header(1), *self.three, mark))), [1, 2, 3])
        torn = bytearray(simple(1, 16384, 4))
        torn[100] ^= 1
        self.assertEqual(self.read((1, log_file(log_header(1), *self.three, bytes(torn)))), [1, 2, 3])

    def test_a_bad_group_before_one_that_was_synced_later_is_rot(self):
        for at in (100, 4000):  # in the frame, in the padding
            rotten = bytearray(self.three[1])
            rotten[at] ^= 1
            files = (1, log_file(log_header(1), self.three[0], bytes(rotten), self.three[2]))
            self.refused("offset 8192", files)
            mark = (1, log_file(log_header(1), self.three[0], bytes(rotten), group(1, 12288, 3, mark=True)))
            self.refused("offset 8192", mark)

    def test_a_bad_group_is_torn_when_no_later_one_knows_of_it(self):
        later = simple(1, 12288, 3, watermark=1, synced=8192)
        files = (1, log_file(log_header(1), self.three[0], bytes(4096), later))
        self.assertEqual(self.read(files), [1])
        for more in ({"watermark": 2, "synced": 8192}, {"watermark": 1, "synced": 12288}):
            files = (1, log_file(log_header(1), self.three[0], bytes(4096), simple(1, 12288, 3, **more)))
            self.refused("offset 8192", files)

    def test_a_group_of_another_file_or_place_is_not_there(self):
        for other in (simple(2, 16384, 4), simple(1, 4096, 4)):
            self.assertEqual(self.read((1, log_file(log_header(1), *self.three, other))), [1, 2, 3])

    def test_a_group_that_is_there_must_be_right(self):
        for bad in (simple(1, 16384, 5), simple(1, 16384, 4, watermark=4), simple(1, 16384, 4, synced=20480),
                    simple(1, 16384, 4, synced=4097), simple(1, 16384, 4, count=2), simple(1, 16384, 4, count=0),
                    simple(1, 16384, 4, mark=True), group(1, 16384, 4, [frame(5, 1, BODY)]),
                    group(1, 16384, 4, [frame(4, 1, BODY, flags=4)]), group(1, 16384, 4, [frame(4, 1, BODY, user=0)]), group(1, 16384, 4, [frame(4, 1, BODY) + b"\x00"])):
            self.refused("log-", (1, log_file(log_header(1), *self.three, bad)))

    def test_the_chain_goes_back_from_the_greatest_number(self):
        first = log_file(log_header(1), *self.three, simple(1, 16384, 4))
        second = log_file(log_header(3, first=4, previous=1, end=16384), simple(3, 4096, 4), simple(3, 8192, 5))
        void = log_file(log_header(2, first=9, previous=1, end=4096), simple(2, 4096, 9))
        self.assertEqual(self.read((1, first), (2, void), (3, second)), [1, 2, 3, 4, 5])
        self.assertEqual(self.read((1, first), (3, second), flushed=Place(1, 12288, 3)), [3, 4, 5])
        self.assertEqual(self.read((1, first), (3, second), flushed=Place(1, 16384, 4)), [4, 5])
        self.assertEqual(self.read((1, b"whatever"), (3, second), flushed=Place(3, 8192, 5)), [5])
        self.refused("missing", (3, second))
        self.refused("does not go back", (2, void), (3, second), flushed=Place(2, 4096, 1))
        self.refused("goes on to", (1, log_file(log_header(1), *self.three[:2])), (3, second))
        other = log_file(log_header(3, first=5, previous=1, end=16384), simple(3, 4096, 5))
        self.refused("first sequence 5", (1, first), (3, other))
        stranger = log_header(1).replace(log_id(1), log_id(7))
        fixed = stranger[:128] + struct.pack("<Q", xxh3_64(stranger[:128])) + bytes(2048 - 136)
        self.refused("another log id", (1, log_file(fixed * 2)), (3, second))

    def test_linked_frames_count_with_their_last(self):
        a = frame(4, 1, BODY, flags=1)
        b = frame(5, 1, BODY, flags=3)
        c = frame(6, 1, BODY, flags=2)
        apart = [group(1, 16384, 4, [a]), group(1, 20480, 5, [b]), group(1, 24576, 6, [c])]
        self.assertEqual(self.read((1, log_file(log_header(1), *self.three, *apart))), [1, 2, 3, 4, 5, 6])
        self.assertEqual(self.read((1, log_file(log_header(1), *self.three, *apart[:2]))), [1, 2, 3])
        together = group(1, 16384, 4, [a, b, c])
        self.assertEqual(self.read((1, log_file(log_header(1), *self.three, together))), [1, 2, 3, 4, 5, 6])
        # the next file goes on where the unfinished ones begin
        after = log_file(log_header(2, first=4, previous=1, end=16384), simple(2, 4096, 4))
        self.assertEqual(self.read((1, log_file(log_header(1), *self.three, *apart[:2])), (2, after)), [1, 2, 3, 4])

    def test_linked_frames_must_follow_each_other(self):
        for frames in ([frame(4, 1, BODY, flags=1), frame(5, 1, BODY)], [frame(4, 1, BODY, flags=2)],
                       [frame(4, 1, BODY, flags=1), frame(5, 1, BODY, flags=2, user=8)],
                       [frame(4, 1, BODY), frame(5, 1, BODY, flags=1)]):
            self.refused("", (1, log_file(log_header(1), *self.three, group(1, 16384, 4, frames))))

    def test_covered_frames_alone_count_beside_a_writer(self):
        unlinked = (1, log_file(log_header(1), *self.three))
        self.assertEqual(self.read(unlinked, ends="covered"), [1, 2])
        self.assertEqual(self.read(unlinked, ends="covered", closed=Place(1, 16384, 4)), [1, 2, 3])
        mark = group(1, 16384, 4, mark=True)
        self.assertEqual(self.read((1, log_file(log_header(1), *self.three, mark)), ends="covered"), [1, 2, 3])
        after = log_file(log_header(2, first=4, previous=1, end=16384), simple(2, 4096, 4, watermark=0))
        self.assertEqual(self.read(unlinked, (2, after), ends="covered"), [1, 2, 3])

    def test_the_running_boot_is_told_by_the_newest_file(self):
        running = log.running_boot_id()
        if running is None:
            self.skipTest("the system does not tell its boot")
        old = log_file(log_header(1), *self.three)
        self.assertEqual(self.read((1, old), ends="auto"), [1, 2, 3])
        self.assertEqual(self.read((1, log_file(log_header(1, boot=running), *self.three)), ends="auto"), [1, 2])
        after = log_file(log_header(2, first=4, previous=1, end=16384), simple(2, 4096, 4))
        self.assertEqual(self.read((1, log_file(log_header(1, boot=running), *self.three)), (2, after), ends="auto"),
                         [1, 2, 3, 4])

    def test_a_log_is_no_shorter_than_when_it_was_closed(self):
        files = (1, log_file(log_header(1), *self.three))
        self.assertEqual(self.read(files, closed=Place(1, 16384, 4)), [1, 2, 3])
        self.refused("closed", files, closed=Place(1, 20480, 4))
        self.refused("closed", files, closed=Place(1, 16384, 5))
        self.refused("missing", files, closed=Place(2, 4096, 4))
        self.assertEqual(self.read((3, log_file(log_header(3, first=4))), flushed=Place(3, 4096, 4),
                                   closed=Place(1, 8192, 4)), [])

    def test_headers(self):
        good = log_header(1)
        for half in (bytes(2048) + good[2048:], good[:2048] + bytes(2048)):
            self.assertEqual(self.read((1, half + self.three[0] + bytes(LOG_BYTES - 8192))), [1])
        self.refused("log-", (1, log_file(bytes(4096), *self.three)))
        self.refused("bytes", (1, log_file(good)[:-4096]))
        self.refused("number", (2, log_file(good)))
        self.assertRaises(Newer, self.read, (1, log_file(log_header(1, major=1))))


# ---- which rows stand

class Tokens(unittest.TestCase):
    """Of the change feed; the same ones as in tests/unit/test_store_token.c."""

    TOKEN = ("0109080700000000000000000000000000" "e8070303" "00000100000000" "0701ac02fcfdfeff"
             "ffffffffffffffffff01808010ffffffffffffffffff0100000000" "7594f15488af4b94")

    def forged(self, digits):
        data = bytes.fromhex(digits)
        return feed.read_token((data + struct.pack("<Q", xxh3_64(data))).hex())

    def test_token(self):
        token = feed.read_token(self.TOKEN)
        self.assertEqual(token.store_id, bytes([9, 8, 7]) + bytes(13))
        self.assertEqual((token.users, token.erased), (1000, 3))
        self.assertEqual(token.shards, [feed.ShardPlace(0, 0, 1, 0), feed.ShardPlace(7, 1, 300, 0xfffefdfc),
                                        feed.ShardPlace(2**64 - 1, 1 << 18, 2**64 - 1, 0)])

    def test_refused(self):
        for at in range(len(self.TOKEN)):
            changed = "1" if self.TOKEN[at] == "0" else "0"
            self.assertRaises(Problem, feed.read_token, self.TOKEN[:at] + changed + self.TOKEN[at + 1:])
            self.assertRaises(Problem, feed.read_token, self.TOKEN[:at])
        begin = "01" + "00" * 16
        self.assertRaises(Newer, self.forged, "02" + begin[2:] + "000000")
        for rest in ("00000000", "0000", "80000000", "00000100000000000000", "00000100000200000000",
                     "00000100010100000000", "00000100000101000000", "00000105000100000000",
                     "000001058180100100000000"):
            with self.subTest(rest):
                self.assertRaises(Damage, self.forged, begin + rest)
        self.assertEqual(len(self.forged(begin + "000001058080100100000000").shards), 1)


class Standing(unittest.TestCase):
    @staticmethod
    def stand(rows, tombstones=()):
        """rows: (time, revision, sequence, key); their indices that stand."""
        user = User()
        user.tombstones = [columns.Tombstone(*t) for t in tombstones]
        user.series[1, 1] = [Sample(time, None, 0, revision, (index,), sequence, key)
                             for index, (time, revision, sequence, key) in enumerate(rows)]
        return [sample.values[0] for sample in user.standing(1, 1)]

    def test_the_greatest_revision_then_sequence_then_the_later(self):
        self.assertEqual(self.stand([(5, 0, 1, None), (5, 0, 2, None)]), [1])
        self.assertEqual(self.stand([(5, 2, 1, None), (5, 0, 2, None)]), [0])
        self.assertEqual(self.stand([(5, 0, 1, None), (5, -1, 2, None)]), [0])
        self.assertEqual(self.stand([(5, 0, 1, None), (5, 0, 1, None)]), [1])

    def test_keys_are_part_of_the_identity_and_of_the_order(self):
        rows = [(5, 0, 1, b"b"), (5, 0, 1, b"a"), (4, 0, 1, b"c"), (5, 0, 2, b"b"), (5, 0, 1, b"ab")]
        self.assertEqual(self.stand(rows), [2, 1, 4, 3])

    def test_tombstones(self):
        rows = [(5, 0, 1, None), (6, 3, 9, None), (7, -4, 4, None), (8, 0, 5, None)]
        for tombstone, expected in (
                ((1, 1, 5, 8, 0, 5), [1, 3]),       # no revision: every lower sequence of its span
                ((0, 0, 0, 99, 0, 5), [1, 3]),      # of every metric; a row of its own sequence stays
                ((1, 0, 0, 99, 3, 9), [1]),         # lower revisions, whatever their sequence
                ((1, 1, 0, 99, 3, 10), []),         # and its own of a lower sequence
                ((1, 1, 0, 99, -4, 5), [0, 1, 3]),
                ((2, 0, 0, 99, 0, 99), [0, 1, 2, 3]), ((1, 2, 0, 99, 0, 99), [0, 1, 2, 3])):
            self.assertEqual(self.stand(rows, [tombstone]), expected, tombstone)

    def test_a_hidden_row_hides_no_other(self):
        self.assertEqual(self.stand([(5, 0, 4, None), (5, -1, 6, None), (5, 0, 3, None)], [(1, 1, 0, 9, 0, 5)]), [1])


# ---- whole stores

class Stores(InDirectory):
    def unpack(self, kind):
        with tarfile.open(os.path.join(ROOT, "tests", "golden", "0.1", f"{kind}.tar.gz")) as archive:
            archive.extractall(self.directory)
        return os.path.join(self.directory, "store")

    @staticmethod
    def lines(store):
        return list(holter_reader.lines(Store(store, log_ends="whole")))

    def test_a_flipped_bit_is_found_or_does_no_harm(self):
        """One bit in every file of a closed store at a time, where there is something in it."""
        store = self.unpack("unclosed")
        expected = self.lines(store)
        paths = sorted(os.path.join(top, name) for top, _, names in os.walk(store) for name in names
                       if name not in ("head", "lock"))
        seeded, refused = random.Random(20240301), 0
        for path in paths:
            with open(path, "r+b") as file:
                data = file.read()
                used = [at for at, byte in enumerate(data) if byte]
                if os.path.basename(path).startswith("log-"):
                    # the last group of an unclosed log may be torn, and then nothing tells that it was there
                    last = data.rfind(log.GROUP_MAGIC)
                    used = [at for at in used if at < last]
                for at in seeded.sample(used, min(2, len(used))):
                    file.seek(at)
                    file.write(bytes([data[at] ^ 1 << seeded.randrange(8)]))
                    file.flush()
                    try:
                        self.assertEqual(self.lines(store), expected, (path, at))
                    except Problem as problem:
                        refused += 1
                        self.assertIn(store, str(problem))
                    file.seek(at)
                    file.write(data[at:at + 1])
                    file.flush()
        self.assertGreater(refused, 10)  # the others hit one of two copies, or what is void
        self.assertEqual(self.lines(store), expected)

    @staticmethod
    def flip(path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 0x40]))

    def test_a_flipped_bit_in_both_copies_is_refused(self):
        store = self.unpack("sealed")
        for names, at in ((("catalog.a", "catalog.b"), 700), (("vault.a", "vault.b"), 700),
                          (("main/000/manifest.a", "main/000/manifest.b"), 700)):
            for name in names:
                self.flip(os.path.join(store, name), at)
            with self.assertRaises(Damage, msg=names) as caught:
                self.lines(store)
            self.assertIn(names[0], str(caught.exception))
            for name in names:
                self.flip(os.path.join(store, name), at)
        self.assertGreater(len(self.lines(store)), 1000)

    def test_a_missing_file_is_refused(self):
        store = self.unpack("plain")
        for top, _, names in list(os.walk(store)):
            for name in names:
                if name.startswith("seg-"):
                    path = os.path.join(top, name)
                    os.rename(path, path + ".tmp")
                    with self.assertRaises(Damage) as caught:
                        self.lines(store)
                    self.assertIn(name, str(caught.exception))
                    os.rename(path + ".tmp", path)
                    return
        self.fail("no segment in the store")

    def test_keyrings(self):
        store = self.unpack("sealed")
        ring = store + ".keyring"
        os.chmod(ring, 0o640)
        self.assertRaises(Denied, Store, store)
        os.chmod(ring, 0o600)
        with open(ring, "r+b") as file:
            data = bytearray(file.read())
            # another store's; a key of another epoch only; another key, whose seals do not open
            for at, kind in ((20, Denied), (41, Denied), (50, Damage)):
                changed = bytearray(data)
                changed[at] ^= 1
                changed[-8:] = struct.pack("<Q", xxh3_64(bytes(changed[:-8])))
                file.seek(0)
                file.write(changed)
                file.flush()
                self.assertRaises(kind, Store, store)
            file.seek(0)
            file.write(data)
            file.flush()
            Store(store)
        os.unlink(ring)
        self.assertRaises(Denied, Store, store)

    def test_not_a_store(self):
        self.assertRaises(NotFound, Store, self.directory)
        self.assertRaises(NotFound, Store, os.path.join(self.directory, "nothing"))
        self.write("holter.store", b"\x89HLTSTOR" + bytes(1016))
        self.assertRaises(Damage, Store, self.directory)


if __name__ == "__main__":
    unittest.main()
