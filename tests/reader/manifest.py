"""manifest.py -- the live segments of a shard, and two places in its log (format-spec/manifest.md)."""

from dataclasses import dataclass

from cursor import I64_MAX, I64_MIN
from edits import MANIFEST, read_edits

SNAPSHOT, CHANGE, MORE = 1, 2, 3
HAS_FLUSHED, HAS_CLOSED = 1, 2
HOT, WARM, COLD = 1, 2, 3
PARTITION_NS = {WARM: 7 * 86_400 * 10**9, COLD: 28 * 86_400 * 10**9}


@dataclass(frozen=True)
class Place:
    file: int
    offset: int
    sequence: int


@dataclass(frozen=True)
class File:
    """A live segment, as the manifest tells it; the footer of the file says the same."""

    id: bytes
    tier: int
    tier_class: int
    partition: int
    sequence_min: int
    sequence_max: int
    user_min: int
    user_max: int
    rows: int
    begin_min: int
    begin_max: int
    end_max: int
    tombstones: int
    tombstone_begin: int
    tombstone_end: int
    bytes: int
    footer_hash: int

    @property
    def order(self):
        return (self.tier_class, self.tier, self.partition, self.sequence_min)

    @property
    def begin(self):
        """Of its partition."""
        return I64_MIN if self.tier == HOT else self.partition * PARTITION_NS[self.tier]

    @property
    def end(self):
        return I64_MAX if self.tier == HOT else (self.partition + 1) * PARTITION_NS[self.tier]

    def overlaps(self, other):
        """Whether both could hold one row, by class, partition and sequences (C2)."""
        return (self.tier_class == other.tier_class
                and self.begin < other.end and other.begin < self.end
                and self.sequence_min <= other.sequence_max and other.sequence_min <= self.sequence_max)


class Manifest:
    def __init__(self, directory, store_id, place):
        self.flushed, self.closed, self.files = None, None, {}
        for index, edit in enumerate(read_edits(directory, MANIFEST, store_id, place)):
            self._apply(edit, is_first=index == 0)

    def _apply(self, edit, is_first):
        flushed = closed = None
        removed, added, left, snapshot = [], [], 0, False
        for part, c in enumerate(edit.parts):
            kind, flags = c.u16(), c.u16()
            add_count, remove_count, now_left = c.u32(), c.u32(), c.u32()
            allowed = (MORE,) if part else (SNAPSHOT,) if is_first else (CHANGE,)
            c.check(kind in allowed, f"part {part} of kind {kind}, {allowed[0]} expected", 0)
            c.check(not flags & ~(HAS_FLUSHED | HAS_CLOSED), f"unknown flags {flags:#x}", 2)
            c.check(kind != MORE or flags == 0, f"flags {flags:#x} in a further part", 2)
            c.check(kind != SNAPSHOT or flags == HAS_FLUSHED | HAS_CLOSED, "a snapshot without its places", 2)
            c.check(kind == CHANGE or remove_count == 0, f"{remove_count} removed files", 8)
            c.check(part == 0 or now_left == left - 1, f"{now_left} parts left after {left}", 12)
            c.check(now_left == len(edit.parts) - 1 - part, f"{now_left} parts left, "
                    f"{len(edit.parts) - 1 - part} expected", 12)
            left, snapshot = now_left, snapshot or kind == SNAPSHOT
            if flags & HAS_FLUSHED:
                flushed = self._read_place(c, lowest=1)
            if flags & HAS_CLOSED:
                closed = self._read_place(c, lowest=0)
            c.check(16 * remove_count + 136 * add_count == c.left, f"{c.left} bytes for {remove_count} removed "
                    f"and {add_count} added files")
            removed += [(c.take(16), c.at - 16) for _ in range(remove_count)]
            added += [self._read_file(c) for _ in range(add_count)]
        c = edit.parts[0]
        c.check(all(a[0] < b[0] for a, b in zip(removed, removed[1:])), "removed ids do not rise")
        c.check(all(a.order < b.order for a, b in zip(added, added[1:])), "added files do not rise")
        if snapshot:
            self.flushed, self.closed, self.files = Place(0, 0, 1), Place(0, 0, 0), {}
            lowest = None
        else:
            lowest = self.flushed.sequence
        self._change(c, flushed, closed, [id for id, _ in removed], added, lowest)

    @staticmethod
    def _read_place(c, lowest):
        at = c.at
        place = Place(c.u64(), c.u64(), c.u64())
        c.check(place.file != 0 or (place.offset, place.sequence) == (0, lowest), "a place in file 0", at)
        c.check(place.sequence >= lowest, "a place of sequence 0", at + 16)
        return place

    @staticmethod
    def _read_file(c):
        at = c.at
        file_id, tier, tier_class = c.take(16), c.u8(), c.u8()
        c.zeros(6)
        partition = c.i64()
        numbers = [c.u64() for _ in range(5)] + [c.i64() for _ in range(3)]
        numbers += [c.u64(), c.i64(), c.i64(), c.u64(), c.u64()]
        f = File(file_id, tier, tier_class, partition, *numbers)
        c.check(HOT <= tier <= COLD and tier_class <= 3, f"tier {tier}, class {tier_class}", at + 16)
        c.check((tier == HOT) == (partition == I64_MIN), f"partition {partition} in tier {tier}", at + 24)
        c.check(f.end > I64_MIN and f.begin <= I64_MAX, f"partition {partition} outside of time", at + 24)
        c.check(1 <= f.sequence_min <= f.sequence_max, "a range of sequences that is empty or begins at 0", at + 32)
        c.check(f.user_min <= f.user_max, "user_min is greater than user_max", at + 48)
        c.check(f.begin_min <= f.begin_max <= f.end_max, "times that do not rise", at + 72)
        c.check(f.rows or (f.begin_min, f.begin_max, f.end_max) == (0, 0, 0), "times without rows", at + 72)
        c.check(f.rows or f.tombstones, "a file without rows and tombstones", at + 96)
        c.check(f.tombstone_begin <= f.tombstone_end, "tombstones' times that do not rise", at + 104)
        c.check(f.tombstones or (f.tombstone_begin, f.tombstone_end) == (0, 0), "times without tombstones", at + 104)
        c.check(f.bytes != 0, "a file of 0 bytes", at + 120)
        return f

    def _change(self, c, flushed, closed, removed, added, lowest):
        removed_files = []
        for file_id in removed:
            c.check(file_id in self.files, f"segment {file_id.hex()} is removed and not live")
            removed_files.append(self.files.pop(file_id))
        if flushed is not None:
            c.check(flushed.sequence >= self.flushed.sequence
                    and (flushed.file, flushed.offset) >= (self.flushed.file, self.flushed.offset),
                    "the flushed place goes back")
            self.flushed = flushed
        if closed is not None:
            c.check(lowest is None or closed.file != 0, "the closed place is set to none")
            self.closed = closed
        for f in added:
            c.check(f.id not in self.files and f.id not in removed, f"segment {f.id.hex()} comes twice")
            c.check(f.sequence_max < self.flushed.sequence, f"C1: segment {f.id.hex()} has sequences not flushed")
            for other in self.files.values():
                c.check(not f.overlaps(other), f"C2: segments {f.id.hex()} and {other.id.hex()} share sequences")
            self.files[f.id] = f
        if lowest is not None:
            self._check_change(c, lowest, removed_files, added)

    def _check_change(self, c, lowest, removed, added):
        """The rules of a change: what is new covers what was flushed, what was merged stays where it was."""
        fresh = sorted((f for f in added if f.sequence_max >= lowest), key=lambda f: f.sequence_min)
        if fresh:
            c.check(fresh[0].sequence_min >= lowest, f"C1: segment {fresh[0].id.hex()} holds what was flushed before")
            covered = lowest
            for f in fresh:
                c.check(f.sequence_min <= covered, f"C1: sequences {covered} to {f.sequence_min} are in no file")
                covered = max(covered, f.sequence_max + 1)
            c.check(covered == self.flushed.sequence, f"C1: sequences from {covered} on are in no file")
        for f in added:
            if f in fresh:
                continue
            ranges = [r for r in removed if r.tier_class == f.tier_class]
            c.check(ranges and min(r.sequence_min for r in ranges) <= f.sequence_min
                    and f.sequence_max <= max(r.sequence_max for r in ranges),
                    f"C2: segment {f.id.hex()} reaches beyond the files that it comes from")
