"""log.py -- what was acknowledged and is not in segments yet (format-spec/log.md).

No head page is trusted. Where the newest file is of an earlier boot, every whole group counts, as what is there now is
on disk; where it is of this boot, only frames of which something later says that they were synced. `ends` chooses
otherwise: "whole" or "covered".
"""

from dataclasses import dataclass, field
import os
import re

from columns import read_rows, read_schema, read_tombstones
from cursor import Cursor
from files import names_in, read_file
from manifest import Place
from native import xxh3_64
from problems import Damage, Newer, Problem, damage
from seal import TAG_BYTES, open_sealed, subkey

PAGE_BYTES = 4096
GROUP_BYTES_MAX = 1_048_576
FILE_MAGIC, GROUP_MAGIC = b"\x89HLTLOGF", b"\x89HLTLOGG"
GROUP_HEADER_BYTES, FRAME_HEADER_BYTES = 80, 56
FRAMES_MAX = 4096
SEALED_BYTES_MAX = 262_160
MARK = 1
GOES_ON, CONTINUES = 1, 2
_NAME = re.compile(r"log-([0-9a-f]{16})")


@dataclass
class Header:
    store_id: bytes
    place: int
    log_id: bytes
    number: int
    file_bytes: int
    previous_number: int
    previous_end: int
    previous_id: bytes
    first_sequence: int
    boot_id: bytes


@dataclass
class Group:
    file: "LogFile"
    offset: int
    first_sequence: int
    watermark: int
    synced: int
    bytes: int
    frame_count: int
    is_mark: bool

    @property
    def end(self):
        """Where the next group begins."""
        return self.offset + -(-self.bytes // PAGE_BYTES) * PAGE_BYTES


@dataclass
class Frame:
    group: Group
    offset: int
    sequence: int
    user: int
    generation: int
    flags: int
    sealed_bytes: int
    nonce: bytes
    first_sequence: int = 0  # of the linked frames that it belongs to


@dataclass
class Part:
    """Rows of one series."""

    metric: int
    source: int
    schema: object
    revision: int  # of every row; None where the rows have their own
    rows: object
    sequence: int


@dataclass
class Body:
    user: int
    tombstones: list
    parts: list = field(default_factory=list)


def running_boot_id():
    """The 16 bytes that this boot of the machine is known by; None where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return bytes.fromhex(file.read().strip().replace("-", ""))
    except (OSError, ValueError):
        return None


class LogFile:
    def __init__(self, directory, number, store_id, place):
        self.path = os.path.join(directory, f"log-{number:016x}")
        if not os.path.exists(self.path):
            raise Damage(f"{self.path}: missing, and the log goes through it")
        self.data = read_file(self.path)
        self.header = self._read_header(store_id, place, number)
        if len(self.data) != self.header.file_bytes:
            raise damage(self.path, min(len(self.data), self.header.file_bytes),
                         f"{len(self.data)} bytes, {self.header.file_bytes} expected")

    def _read_header(self, store_id, place, number):
        headers, problems = [], []
        for base in (0, 2048):
            try:
                headers.append(self._parse_header(base, store_id, place, number))
            except Problem as problem:
                problems.append(problem)
        if not headers:
            newer = [problem for problem in problems if isinstance(problem, Newer)]
            raise (newer or problems)[0]
        if headers[0] != headers[-1]:
            raise damage(self.path, 2048, "two headers that are not equal")
        return headers[0]

    def _parse_header(self, base, store_id, place, number):
        c = Cursor(self.data[base:base + 2048], self.path, base)
        c.check(len(c.data) == 2048, "the file is shorter than its header page", 0)
        c.check(c.take(8) == FILE_MAGIC, "wrong magic", 0)
        c.version()
        h = Header(c.take(16), c.u32(), c.take(16), c.u64(), c.u64(), c.u64(), c.u64(), c.take(16), c.u64(),
                   c.take(16))
        c.check(c.u64() == xxh3_64(c.data[:128]), "wrong checksum of the header", 128)
        c.zeros(c.left)
        c.check(h.store_id == store_id, "a file of another store", 20)
        c.check(h.place == place, f"a file of place {h.place}, {place} expected", 36)
        c.check(h.number == number, f"a file of number {h.number}, {number} expected", 56)
        c.check(h.file_bytes % PAGE_BYTES == 0 and 8_192 <= h.file_bytes <= 1 << 30, f"{h.file_bytes} file bytes", 64)
        c.check(h.previous_number < number, f"the previous file {h.previous_number} is not before it", 72)
        if h.previous_number == 0:
            c.check(h.previous_end == 0 and not any(h.previous_id), "an end of no previous file", 80)
        else:
            c.check(h.previous_end % PAGE_BYTES == 0 and h.previous_end >= PAGE_BYTES,
                    f"the previous file's end {h.previous_end}", 80)
        c.check(h.first_sequence >= 1, "first sequence 0", 104)
        return h

    def group_at(self, offset, end):
        """The group that is there, or None."""
        data = self.data
        if offset + GROUP_HEADER_BYTES > end or data[offset:offset + 8] != GROUP_MAGIC:
            return None
        c = Cursor(data[offset:offset + GROUP_HEADER_BYTES], self.path, offset)
        c.at = 8
        checksum, log_id, own_offset = c.u64(), c.take(16), c.u64()
        first, watermark, synced = c.u64(), c.u64(), c.u64()
        count, frame_count, flags, spare = c.u32(), c.u32(), c.u32(), c.u32()
        padded = -(-count // PAGE_BYTES) * PAGE_BYTES
        if log_id != self.header.log_id or own_offset != offset or count == 0 or padded > end - offset:
            return None
        if checksum != xxh3_64(data[offset + 16:offset + padded]):
            return None
        is_mark = flags == MARK
        c.check(flags in (0, MARK), f"unknown flags {flags:#x}", 72)
        c.check(spare == 0, "spare bytes are not zero", 76)
        c.check(first >= 1 and watermark < first, f"watermark {watermark}, first sequence {first}", 48)
        c.check(synced % PAGE_BYTES == 0 and PAGE_BYTES <= synced <= offset, f"synced up to {synced}", 56)
        c.check(GROUP_HEADER_BYTES <= count and padded <= GROUP_BYTES_MAX, f"a group of {count} bytes", 64)
        c.check(frame_count == 0 if is_mark else 1 <= frame_count <= FRAMES_MAX, f"{frame_count} frames", 68)
        c.check(not any(data[offset + count:offset + padded]), "the padding of a group is not zero", 64)
        return Group(self, offset, first, watermark, synced, count, frame_count, is_mark)

    def frames_of(self, group):
        c = Cursor(self.data[group.offset:group.offset + group.bytes], self.path, group.offset)
        c.at = GROUP_HEADER_BYTES
        for index in range(group.frame_count):
            at = c.at
            sequence, user, generation, flags, sealed_bytes, spare = (c.u64(), c.u64(), c.u32(), c.u32(), c.u32(),
                                                                     c.u32())
            nonce = c.take(24)
            c.check(sequence == group.first_sequence + index, f"sequence {sequence}, "
                    f"{group.first_sequence + index} expected", at)
            c.check(user != 0, "a frame of user 0", at + 8)
            c.check(not flags & ~(GOES_ON | CONTINUES), f"unknown flags {flags:#x}", at + 20)
            c.check(TAG_BYTES < sealed_bytes <= SEALED_BYTES_MAX, f"{sealed_bytes} sealed bytes", at + 24)
            c.check(spare == 0, "spare bytes are not zero", at + 28)
            c.take(sealed_bytes)
            yield Frame(group, group.offset + at, sequence, user, generation, flags, sealed_bytes, nonce)
        c.end()


class Log:
    def __init__(self, directory, store_id, place, flushed, closed, ends="auto"):
        self.directory, self.store_id, self.place = directory, store_id, place
        self.frames = []
        chain = self._chain(flushed)
        covered_only = ends == "covered"
        if ends == "auto" and chain:
            covered_only = chain[-1].header.boot_id == running_boot_id()
        reached, groups = self._walk(chain, flushed)
        self._link(groups, reached, covered_only, chain, closed)
        self._check_closed(chain, reached, flushed, closed)

    def _chain(self, flushed):
        """The files that count, the first one first, from the place's file on."""
        numbers = [int(match[1], 16) for match in map(_NAME.fullmatch, names_in(self.directory)) if match]
        if not numbers:
            if flushed.file != 0:
                raise Damage(f"{self.directory}: log file {flushed.file:016x} is missing")
            return []
        chain = [LogFile(self.directory, max(numbers), self.store_id, self.place)]
        while chain[0].header.number != flushed.file:
            header = chain[0].header
            if header.previous_number < max(flushed.file, 1):
                if flushed.file == 0:
                    break
                raise damage(chain[0].path, 72, f"the log does not go back to file {flushed.file:016x}")
            previous = LogFile(self.directory, header.previous_number, self.store_id, self.place)
            if previous.header.log_id != header.previous_id:
                raise damage(chain[0].path, 88, f"{previous.path} has another log id than the one named")
            if header.previous_end > previous.header.file_bytes:
                raise damage(chain[0].path, 80, f"the previous file ends beyond its {previous.header.file_bytes} bytes")
            chain.insert(0, previous)
        return chain

    def _walk(self, chain, flushed):
        """All groups from the flushed place on, and where each file of the chain ends."""
        groups, ends = [], []
        sequence, offset = flushed.sequence, flushed.offset
        for index, file in enumerate(chain):
            header = file.header
            is_last = index == len(chain) - 1
            end = header.file_bytes if is_last else chain[index + 1].header.previous_end
            if index > 0 or flushed.file == 0 or offset == PAGE_BYTES:
                if header.first_sequence != sequence:
                    raise damage(file.path, 104, f"first sequence {header.first_sequence}, {sequence} expected")
            if index > 0 or flushed.file == 0:
                offset = PAGE_BYTES
            if offset % PAGE_BYTES or not PAGE_BYTES <= offset <= end:
                raise damage(file.path, offset, f"the place that the manifest names is not in the log, which ends at {end}")
            while offset < end:
                group = file.group_at(offset, end)
                if group is None:
                    if not is_last:
                        raise damage(file.path, offset, f"no whole group, although the log goes on to {end}")
                    self._refuse_rot(file, offset, sequence)
                    break
                if group.first_sequence != sequence:
                    raise damage(file.path, offset + 40, f"first sequence {group.first_sequence}, {sequence} expected")
                groups.append(group)
                sequence += group.frame_count
                offset = group.end
            ends.append(Place(header.number, offset, sequence))
        return ends, groups

    @staticmethod
    def _refuse_rot(file, offset, sequence):
        """No group is at `offset`: the end of the log, unless a later group says that there was one."""
        for later in range(offset + PAGE_BYTES, len(file.data), PAGE_BYTES):
            group = file.group_at(later, len(file.data))
            if group is not None and (group.synced > offset or group.watermark >= sequence):
                raise damage(file.path, offset, f"no whole group, although the one at {later} says that it was synced")

    def _link(self, groups, ends, covered_only, chain, closed):
        """The frames that count: linked ones only with their last (W5)."""
        covered = max([group.watermark for group in groups] + [file.header.first_sequence - 1 for file in chain]
                      + [closed.sequence - 1])
        linked = None  # the first frame of those that go on
        before = None
        for group in groups:
            for index, frame in enumerate(group.file.frames_of(group)):
                if covered_only and frame.sequence > covered:
                    self._drop_unfinished(linked, ends)
                    return
                continues = bool(frame.flags & CONTINUES)
                if continues != (linked is not None) or (continues and frame.user != before.user):
                    raise damage(group.file.path, frame.offset + 20, "a frame that does not go on with the one before it")
                if not continues and frame.flags & GOES_ON:
                    linked = frame
                frame.first_sequence = linked.sequence if linked is not None else frame.sequence
                if not frame.flags & GOES_ON:
                    linked = None
                before = frame
                self.frames.append(frame)
            if linked is not None and linked.group is group and linked.sequence != group.first_sequence:
                raise damage(group.file.path, linked.offset + 20,
                             "linked frames that go on in the next group do not begin their own")
        self._drop_unfinished(linked, ends)

    def _drop_unfinished(self, linked, ends):
        """Linked frames whose last one is missing are void: the log ends before the group in which they begin."""
        if linked is None:
            return
        self.frames = [frame for frame in self.frames if frame.sequence < linked.sequence]
        number = linked.group.file.header.number
        del ends[[end.file for end in ends].index(number) + 1:]
        ends[-1] = Place(number, linked.group.offset, linked.sequence)

    def _check_closed(self, chain, ends, flushed, closed):
        """A clean close reached `closed`: the log can be no shorter."""
        if closed.file == 0:
            return
        path = chain[-1].path if chain else self.directory
        end = ends[-1] if ends else flushed
        if end.sequence < closed.sequence:
            raise damage(path, end.offset, f"the log ends before sequence {end.sequence}, "
                         f"it was closed before sequence {closed.sequence}")
        if closed.file < flushed.file:
            return
        reached = [e for e in ends if e.file == closed.file]
        if not reached:
            raise Damage(f"{self.directory}: log file {closed.file:016x} is missing, in which the log was closed")
        if reached[0].offset < closed.offset:
            raise damage(path, reached[0].offset, f"the log ends here, it was closed at {closed.offset}")

    def bodies(self, vault, check_user):
        """What the frames that count say, those of erased users left out."""
        for frame in self.frames:
            if vault.is_erased(frame.user):
                continue
            file = frame.group.file
            user = check_user(frame.user, frame.generation, file.path, frame.offset)
            associated = (self.store_id + file.header.log_id + self.place.to_bytes(4, "little")
                          + frame.user.to_bytes(8, "little") + frame.generation.to_bytes(4, "little")
                          + frame.sequence.to_bytes(8, "little") + frame.flags.to_bytes(4, "little")
                          + (frame.sealed_bytes - TAG_BYTES).to_bytes(4, "little"))
            c = Cursor(file.data[:frame.group.offset + frame.group.bytes], file.path)
            c.at = frame.offset + FRAME_HEADER_BYTES
            key = subkey(user.key, b"holt-log", file.header.log_id)
            plain = open_sealed(c, frame.sealed_bytes, key, frame.nonce, associated, "a frame's body")
            yield _read_body(Cursor(plain, file.path, frame.offset + FRAME_HEADER_BYTES), frame)


def _read_body(c, frame):
    body = Body(frame.user, read_tombstones(c, sequence=frame.first_sequence))
    c.check(not body.tombstones or not frame.flags & CONTINUES, "tombstones in a frame that goes on with another", 0)
    last = None
    while c.left:
        at = c.at
        metric, source = c.varint(), c.varint()
        c.check(1 <= metric < 2**32 and 1 <= source < 2**32, f"rows of metric {metric}, source {source}", at)
        schema = read_schema(c)
        key = (metric, source)
        c.check(last is None or last[0] < key or last == (key, schema), "parts that do not rise", at)
        last = (key, schema)
        at = c.at
        count = c.varint()
        mode = c.u8()
        c.check(mode <= 2, f"unknown form of revisions {mode}", c.at - 1)
        revision = None if mode == 2 else 0
        if mode == 1:
            revision = c.zigzag()
            c.check(revision != 0, "one revision for all, of 0", at)
        rows = read_rows(c, schema, count, with_revision=mode == 2)
        c.check(mode != 2 or len(set(rows.revision)) > 1, "a column of equal revisions", at)
        body.parts.append(Part(metric, source, schema, revision, rows, frame.sequence))
    return body
