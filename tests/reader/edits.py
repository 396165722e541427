"""edits.py -- an append-only log of edits, kept twice (format-spec/edits.md).

`read_edits` gives the edits that count, in order, each with its version and the cursors over the bodies of its parts.
"""

from dataclasses import dataclass, field
import os

from cursor import Cursor
from files import read_file
from native import xxh3_64
from problems import Damage, Newer, Problem, damage

SECTOR_BYTES = 512
BODY_BYTES_MAX = 16_777_216
RECORD_MAGIC = 0x54494445
CATALOG, VAULT, MANIFEST = 1, 2, 3
MAGICS = {CATALOG: b"\x89HLTCATA", VAULT: b"\x89HLTVAUL", MANIFEST: b"\x89HLTMANI"}
NAMES = {CATALOG: "catalog", VAULT: "vault", MANIFEST: "manifest"}
MORE = 1


@dataclass
class Edit:
    version: int
    parts: list = field(default_factory=list)  # cursors over the bodies


@dataclass
class _Record:
    version: int
    flags: int
    part: int
    body: bytes
    path: str
    bytes: int


class _Copy:
    """One of the two files: its bytes, or None, and what its header says where that counts."""

    def __init__(self, path, kind, store_id, place):
        self.path, self.kind, self.store_id, self.place = path, kind, store_id, place
        self.data, self.generation, self.base, self.problem, self.is_missing = None, 0, 0, None, False
        if not os.path.exists(path):
            self.is_missing = True
            return
        try:
            self.data = read_file(path)
            self._parse_header()
        except Newer as problem:
            self._raise_if_whole(problem)
            self.problem = problem
        except Problem as problem:
            self.problem = problem

    def _raise_if_whole(self, problem):
        """A header of a newer format whose checksum fits makes the log unsupported, whatever the other copy is."""
        if len(self.data) >= 64 and int.from_bytes(self.data[56:64], "little") == xxh3_64(self.data[:56]):
            raise problem

    def _parse_header(self):
        c = Cursor(self.data[:SECTOR_BYTES], self.path)
        c.check(len(c.data) == SECTOR_BYTES, "the file is shorter than its header", 0)
        c.check(c.take(8) == MAGICS[self.kind], "wrong magic", 0)
        c.version()
        store_id, place, generation, base, checksum = c.take(16), c.u32(), c.u64(), c.u64(), c.u64()
        c.check(checksum == xxh3_64(c.data[:56]), "wrong checksum of the header", 56)
        c.zeros(448)
        c.check(store_id == self.store_id, "a file of another store", 20)
        c.check(place == self.place, f"a file of place {place}, {self.place} expected", 36)
        c.check(0 < generation < 1 << 63 and 0 < base < 1 << 63, "generation or base is out of range", 40)
        self.generation, self.base = generation, base

    def record_at(self, offset, generation):
        """The record that is whole at `offset` under `generation`, or None."""
        data = self.data
        if data is None or offset + 32 > len(data):
            return None
        head = data[offset:offset + 32]
        if int.from_bytes(head[:4], "little") != RECORD_MAGIC:
            return None
        count = int.from_bytes(head[4:8], "little")
        record_bytes = -(-(32 + count) // SECTOR_BYTES) * SECTOR_BYTES
        if not 1 <= count <= BODY_BYTES_MAX or record_bytes > len(data) - offset:
            return None
        body = data[offset + 32:offset + 32 + count]
        if any(data[offset + 32 + count:offset + record_bytes]):
            return None
        over = (self.store_id + self.kind.to_bytes(4, "little") + self.place.to_bytes(4, "little")
                + generation.to_bytes(8, "little") + head[:24] + xxh3_64(body).to_bytes(8, "little"))
        if int.from_bytes(head[24:32], "little") != xxh3_64(over):
            return None
        c = Cursor(head, self.path, offset)
        c.at = 8
        return _Record(c.u64(), c.u32(), c.u32(), body, self.path, record_bytes)


def read_edits(directory, kind, store_id, place):
    paths = [os.path.join(directory, f"{NAMES[kind]}.{letter}") for letter in "ab"]
    copies = [_Copy(path, kind, store_id, place) for path in paths]
    if all(copy.is_missing for copy in copies):
        raise Damage(f"{paths[0]}: missing, and so is the other copy")
    generation = max(copy.generation for copy in copies)
    if generation == 0:
        problems = [copy.problem for copy in copies if copy.problem is not None]
        newer = [problem for problem in problems if isinstance(problem, Newer)]
        raise (newer or problems)[0]
    base = next(copy.base for copy in copies if copy.generation == generation)

    edits, offset, expected = [], SECTOR_BYTES, base
    while True:
        edit, begin = Edit(expected), offset
        while True:
            record = next(filter(None, (copy.record_at(offset, generation) for copy in copies)), None)
            if record is None:
                _refuse_gap(copies, generation, begin, expected, is_first=not edits)
                return edits
            if record.flags & ~MORE:
                raise damage(record.path, offset + 16, f"unknown flags {record.flags:#x}")
            if record.version != expected or record.part != len(edit.parts):
                raise damage(record.path, offset + 8, f"version {record.version} part {record.part}, "
                             f"version {expected} part {len(edit.parts)} expected")
            edit.parts.append(Cursor(record.body, record.path, offset + 32))
            offset += record.bytes
            if not record.flags & MORE:
                break
        edits.append(edit)
        expected += 1


def _refuse_gap(copies, generation, begin, expected, is_first):
    """The edit of version `expected` at `begin` does not count: a torn tail, if nothing greater follows."""
    if any(copy.data is None and not copy.is_missing for copy in copies):
        raise next(copy.problem for copy in copies if copy.data is None and not copy.is_missing)
    if is_first:
        raise damage(copies[0].path, begin, "the first edit is not whole in either copy")
    for copy in copies:
        for offset in range(begin + SECTOR_BYTES, len(copy.data or b""), SECTOR_BYTES):
            record = copy.record_at(offset, generation)
            if record is not None and record.version > expected:
                raise damage(copy.path, begin, f"the edit of version {expected} is not whole in either copy, "
                             f"but version {record.version} follows at offset {offset}")
