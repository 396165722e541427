"""segment.py -- immutable sorted files: every section of a segment, opened and checked (format-spec/segment.md)."""

from dataclasses import dataclass
import os
import struct

from blocks import read_array, read_block
from columns import ENUM, FLOAT, INSTANT, INT, INTERVAL, NOT_FINITE, OUT_OF_RANGE, TEXT, read_schema, read_tombstones
from cursor import Cursor, I64_MAX, I64_MIN, TIME_MAX, TIME_MIN, UNITS_NS, largest_unit, wrap
from files import read_file
from manifest import COLD, HOT, PARTITION_NS
from models import read_own_models
from native import xxh3_64
from problems import Damage, Newer, Problem, damage
from seal import TAG_BYTES, open_sealed, subkey

FOOTER_MAGIC = b"\x89HLTSEGF"
SECTOR_BYTES, PAGE_SIZES = 512, (512, 1024, 2048, 4096)
PAGE_BYTES = PAGE_SIZES[-1]
PAYLOAD, BLOCK_HEADERS, INDEX, WHOLE, ROLLUP = 1, 2, 3, 4, 5
SERIES_BYTES_LEAST = 16
PACKED_FORM, OWN_MODELS_FORM = 2, 3
ROLLUP_FORM = 2
BUCKET_NS = 1_800_000_000_000
BUCKETS_MAX, LABELS_MAX = 1_344, 16


def round_up(count, unit):
    return -(-count // unit) * unit


@dataclass
class Footer:
    tier: int
    tier_class: int
    page_count: int
    partition: int
    sequence_min: int
    sequence_max: int
    users: int
    rows: int
    begin_min: int
    begin_max: int
    end_max: int
    user_min: int
    user_max: int
    tombstones: int
    tombstone_begin: int
    tombstone_end: int
    sections_begin: int
    sections_end: int
    file_bytes: int
    directory_hash: int
    hash: int

    @property
    def in_front(self):
        """The first directory lies before the sections."""
        return self.sections_begin > SECTOR_BYTES

    @property
    def page_bytes(self):
        """Of a directory page: the room in front; else the smallest of four that has room for all users, else the largest."""
        if self.in_front:
            return self.sections_begin - SECTOR_BYTES
        return next((size for size in PAGE_SIZES if self.users <= size // 64 - 1), PAGE_BYTES)

    @property
    def directory_offset(self):
        """Of the first copy."""
        return SECTOR_BYTES if self.in_front else round_up(self.sections_end, SECTOR_BYTES)

    @property
    def page_entries(self):
        return self.page_bytes // 64 - 1

    @property
    def directory_bytes(self):
        return self.page_count * self.page_bytes

    @property
    def block_rows(self):
        """The most rows that a block may have."""
        return 8_192 if self.tier == COLD else 1_024


@dataclass
class Entry:
    user: int
    generation: int
    index_bytes: int
    offset: int
    bytes: int
    begin_min: int
    begin_max: int
    end_max: int
    hash: int


@dataclass
class Series:
    metric: int
    source: int
    schema: object
    row_count: int
    block_count: int
    begin_min: int
    begin_max: int
    end_max: int
    revision_min: int
    revision_max: int
    revision_base: int
    payload_bytes: int
    header_bytes: int
    rollup_bytes: int
    blocks: list = None  # (Rows, revision of every row or None)


@dataclass
class Block:
    rows: int = 0
    begin_min: int = 0
    begin_max: int = 0
    end_max: int = 0
    flagged: int = 0
    bytes: int = 0
    starts: bool = False
    revised: bool = False
    statistics: list = None  # a field: (min, max, sum - min x count or None); None of floats and texts


@dataclass
class Section:
    user: int
    tombstones: list
    series: list


class Segment:
    def __init__(self, directory, file_id, store_id, place, sealed):
        self.path = os.path.join(directory, f"seg-{file_id.hex()}")
        self.file_id, self.store_id, self.place, self.sealed = file_id, store_id, place, sealed
        if not os.path.exists(self.path):
            raise Damage(f"{self.path}: missing, and the manifest names it")
        self.data = read_file(self.path)
        self.footer = self._read_footer()
        self.entries = self._read_directory()

    # ---- footer, directory: each kept twice

    def _begin(self, base):
        """A cursor over a footer, checked as far as it names format and file."""
        c = Cursor(self.data[base:base + SECTOR_BYTES], self.path, base)
        c.check(c.take(8) == FOOTER_MAGIC, "wrong magic", 0)
        c.version()
        c.check(int.from_bytes(c.data[504:], "little") == xxh3_64(c.data[:504]), "wrong checksum", 504)
        c.check(c.take(16) == self.store_id, "a file of another store", 20)
        place = c.u32()
        c.check(place == self.place, f"a file of place {place}, {self.place} expected", 36)
        c.check(c.take(16) == self.file_id, "another id than in the file's name", 40)
        sealed = c.u8()
        c.check(sealed == self.sealed, f"sealed is {sealed}, the store's identity says {int(self.sealed)}", 56)
        return c

    def _read_footer(self):
        problems = []
        if len(self.data) < SECTOR_BYTES:
            raise damage(self.path, len(self.data), "the file ends early")
        for base in (len(self.data) - SECTOR_BYTES, 0):
            try:
                return self._parse_footer(base)
            except Problem as problem:
                problems.append(problem)
        raise _worst(problems)

    def _parse_footer(self, base):
        c = self._begin(base)
        tier, tier_class, spare = c.u8(), c.u8(), c.u8()
        numbers = [c.u32(), c.i64()] + [c.u64() for _ in range(4)] + [c.i64() for _ in range(3)]
        numbers += [c.u64() for _ in range(3)] + [c.i64(), c.i64()] + [c.u64() for _ in range(4)]
        c.zeros(304)
        f = Footer(tier, tier_class, *numbers, hash=c.u64())
        c.check(HOT <= tier <= COLD and tier_class <= 3 and spare == 0, f"tier {tier}, class {tier_class}", 57)
        c.check(f.sections_begin in (SECTOR_BYTES, *(SECTOR_BYTES + size for size in PAGE_SIZES))
                and f.sections_begin < f.sections_end, f"sections from {f.sections_begin} to {f.sections_end}", 168)
        c.check(f.page_count == -(-f.users // f.page_entries) and f.users >= 1 and (f.page_count == 1 or not f.in_front),
                f"{f.page_count} pages for {f.users} users", 60)
        c.check((tier == HOT) == (f.partition == I64_MIN), f"partition {f.partition} in tier {tier}", 64)
        span = PARTITION_NS.get(tier)
        c.check(span is None or not f.rows or f.begin_min // span == f.partition == f.begin_max // span,
                f"rows that begin outside of partition {f.partition}", 64)
        c.check(f.sequence_min <= f.sequence_max, "sequence_min is greater than sequence_max", 72)
        c.check(f.begin_min <= f.begin_max <= f.end_max, "times that do not rise", 104)
        c.check(f.rows or (f.begin_min, f.begin_max, f.end_max) == (0, 0, 0), "times without rows", 104)
        c.check(f.user_min <= f.user_max, "user_min is greater than user_max", 128)
        c.check(f.tombstones or (f.tombstone_begin, f.tombstone_end) == (0, 0), "times without tombstones", 152)
        c.check(f.tombstone_begin <= f.tombstone_end, "tombstones' times that do not rise", 152)
        first_end = f.directory_offset + f.directory_bytes
        second = max(f.sections_end, round_up(first_end, PAGE_BYTES))
        length = round_up(second + f.directory_bytes + SECTOR_BYTES, PAGE_BYTES)
        c.check(f.file_bytes == length == len(self.data), f"{f.file_bytes} file bytes, {length} by the places in it, "
                f"{len(self.data)} in fact", 184)
        return f

    def _read_directory(self):
        f = self.footer
        copies = (f.directory_offset, f.file_bytes - SECTOR_BYTES - f.directory_bytes)
        entries, hashes = [], b""
        for page in range(f.page_count):
            problems = []
            for copy in copies:
                try:
                    found, checksum = self._parse_page(page, copy + f.page_bytes * page)
                    break
                except Problem as problem:
                    problems.append(problem)
            else:
                raise _worst(problems)
            entries += found
            hashes += checksum
        if xxh3_64(hashes) != f.directory_hash:
            raise damage(self.path, copies[0], "the directory is not the one that the footer names")
        self._check_entries(entries, copies[0])
        return entries

    def _parse_page(self, page, base):
        size, room = self.footer.page_bytes, self.footer.page_entries
        c = Cursor(self.data[base:base + size], self.path, base)
        checksum = c.data[size - 8:]
        c.check(int.from_bytes(checksum, "little") == xxh3_64(c.data[:size - 8]), "wrong checksum of a directory page",
                size - 8)
        last = page == self.footer.page_count - 1
        used = self.footer.users - room * page if last else room
        entries = [Entry(c.u64(), c.u32(), c.u32(), c.u64(), c.u64(), c.i64(), c.i64(), c.i64(), c.u64())
                   for _ in range(used)]
        c.zeros(64 * (room - used))
        c.check(c.take(16) == self.file_id, "a directory page of another file", size - 64)
        number, count = c.u32(), c.u32()
        c.check(number == page and count == used, f"page {number} of {count} entries, {page} of {used} expected", size - 48)
        c.zeros(32)
        return entries, checksum

    def _check_entries(self, entries, at):
        f = self.footer
        end, last = f.sections_begin, None
        for index, e in enumerate(entries):
            offset = at + f.page_bytes * (index // f.page_entries) + 64 * (index % f.page_entries)
            if last is not None and e.user <= last:
                raise damage(self.path, offset, "users do not rise")
            if not 17 <= e.index_bytes <= e.bytes or e.offset != end or e.bytes > f.sections_end - end:
                raise damage(self.path, offset + 12, f"a section of {e.bytes} bytes at {e.offset} with an index of "
                             f"{e.index_bytes}, {end} expected")
            if not e.begin_min <= e.begin_max <= e.end_max:
                raise damage(self.path, offset + 32, "times that do not rise")
            end, last = end + e.bytes, e.user
        if end != f.sections_end:
            raise damage(self.path, end, f"the last section ends here, sections_end is {f.sections_end}")
        if (entries[0].user, entries[-1].user) != (f.user_min, f.user_max):
            raise damage(self.path, at, "users beyond those that the footer names")

    # ---- sections

    def sections(self, vault, check_user):
        """Every section that can be read, those of erased users left out, and what the footer says of all of them checked."""
        counts = []
        for entry in self.entries:
            at, end = entry.offset, entry.offset + entry.bytes
            if xxh3_64(self.data[at:end]) != entry.hash:
                raise damage(self.path, at, f"wrong checksum of the section of {entry.bytes} bytes")
            if vault.is_erased(entry.user):
                continue
            user = check_user(entry.user, entry.generation, self.path, at)
            section = self._read_section(entry, subkey(user.key, b"holt-seg", self.file_id))
            counts.append((sum(s.row_count for s in section.series), section))
            yield section
        if len(counts) == len(self.entries):
            self._check_footer(counts)

    def _check_footer(self, counts):
        f = self.footer
        rows = sum(count for count, _ in counts)
        tombstones = [t for _, section in counts for t in section.tombstones]
        series = [s for _, section in counts for s in section.series]
        found = [rows, len(tombstones)]
        expected = [f.rows, f.tombstones]
        if series:
            found += [min(s.begin_min for s in series), max(s.begin_max for s in series), max(s.end_max for s in series)]
            expected += [f.begin_min, f.begin_max, f.end_max]
        if tombstones:
            found += [min(t.begin for t in tombstones), max(t.end for t in tombstones)]
            expected += [f.tombstone_begin, f.tombstone_end]
        if found != expected:
            raise damage(self.path, f.file_bytes - SECTOR_BYTES + 96,
                         f"the sections hold {found}, the footer says {expected}")

    def _piece(self, entry, key, at, count, kind):
        """Open one piece: a cursor over its plain bytes."""
        c = Cursor(self.data[:entry.offset + entry.bytes], self.path)
        c.at = at
        nonce = self.file_id + at.to_bytes(8, "little")
        associated = (self.store_id + self.file_id + struct.pack("<IQIQII", self.place, entry.user, entry.generation, at,
                                                                 kind, max(0, count - TAG_BYTES)))
        return Cursor(open_sealed(c, count, key, nonce, associated, f"a piece of kind {kind}"), self.path, at)

    def _read_section(self, entry, key):
        whole = entry.index_bytes == entry.bytes
        c = self._piece(entry, key, entry.offset + entry.bytes - entry.index_bytes, entry.index_bytes,
                        WHOLE if whole else INDEX)
        tombstones = read_tombstones(c, sequence_base=0)
        c.check(all(t.sequence <= self.footer.sequence_max for t in tombstones),
                "a tombstone's sequence is greater than the file's", 0)
        count = c.varint()
        c.check(count <= c.left // SERIES_BYTES_LEAST, f"{count} series in {c.left} bytes")
        series = []
        for _ in range(count):
            at = c.at
            series.append(self._read_series(c))
            c.check(len(series) == 1 or (series[-2].metric, series[-2].source) < (series[-1].metric, series[-1].source),
                    "series do not rise", at)
        c.check(series or whole, "an index without series and a section with more")
        c.check(not series or not whole or entry.bytes < PAGE_BYTES, "a section in one piece of 4,096 bytes or more", 0)
        if whole:
            self._read_blocks_whole(c, series)
        else:
            c.end()
            self._read_blocks_apart(entry, key, series)
        c.check(self.footer.tier != HOT or not any(s.rollup_bytes for s in series), "a rollup in a hot file", 0)
        begin_min = min((s.begin_min for s in series), default=0)
        begin_max = max((s.begin_max for s in series), default=0)
        end_max = max((s.end_max for s in series), default=0)
        c.check((begin_min, begin_max, end_max) == (entry.begin_min, entry.begin_max, entry.end_max),
                "the times of a section are not those of the directory", 0)
        return Section(entry.user, tombstones, series)

    @staticmethod
    def _read_series(c):
        at = c.at
        metric, source, schema = c.varint(), c.varint(), read_schema(c)
        c.check(1 <= metric < 2**32 and 1 <= source < 2**32, f"series of metric {metric}, source {source}", at)
        at = c.at
        rows, blocks = c.varint(), c.varint()
        c.check(rows >= 1 and 1 <= blocks <= rows and blocks < 2**32, f"{rows} rows in {blocks} blocks", at)
        at = c.at
        begin_min = c.zigzag()
        begin_max = begin_min + c.varint()
        end_max = begin_max + c.varint()
        c.check(TIME_MIN <= begin_min and begin_max <= TIME_MAX and end_max <= I64_MAX, "a time out of range", at)
        c.check(schema.kind == INTERVAL or end_max == begin_max, "an end of instants", at)
        at = c.at
        revision_min, revision_span = c.zigzag(), c.varint()
        c.check(revision_min + revision_span <= I64_MAX, "a revision out of range", at)
        base = c.zigzag() if revision_span else revision_min
        c.check(revision_min <= base <= revision_min + revision_span, "the revision base is out of range", at)
        at = c.at
        payload_bytes, header_bytes, rollup_bytes = c.varint(), c.varint(), c.varint()
        c.check(payload_bytes >= 1 and header_bytes >= 1, "a series without bytes", at)
        c.check(rollup_bytes == 0 or all(kind in (INT, ENUM) for kind in schema.types), f"a rollup of types {schema.types}", at)
        return Series(metric, source, schema, rows, blocks, begin_min, begin_max, end_max, revision_min,
                      revision_min + revision_span, base, payload_bytes, header_bytes, rollup_bytes)

    def _read_blocks_whole(self, c, series):
        begin = c.at
        payload = sum(s.payload_bytes for s in series)
        header_bytes = sum(s.header_bytes for s in series)
        c.check(payload + header_bytes + sum(s.rollup_bytes for s in series) == c.left,
                "the bytes of the series are not those that are left")
        header_at = c.at + c.left - header_bytes
        headers = Cursor(c.data[header_at:], c.file, c.base + header_at)
        rollups = Cursor(c.data[begin + payload:header_at], c.file, c.base + begin + payload)
        at = begin
        for s in series:
            plain = Cursor(headers.take(s.header_bytes), c.file, headers.base + headers.at - s.header_bytes)
            blocks = _read_block_headers(plain, s, self.footer.block_rows)
            plain.check(not any(block.starts for block in blocks[1:]), "a payload piece within one piece", 0)
            plain.check(sum(b.bytes for b in blocks) == s.payload_bytes, "the bytes of the blocks are not the series'", 0)
            s.blocks = _read_blocks(Cursor(c.data[at:at + s.payload_bytes], c.file, c.base + at), s, blocks)
            _check_series(plain, s)
            at += s.payload_bytes
            if s.rollup_bytes:
                _check_rollup(Cursor(rollups.take(s.rollup_bytes), c.file, rollups.base + rollups.at - s.rollup_bytes), s)

    def _read_blocks_apart(self, entry, key, series):
        at = entry.offset
        rollup_at = at + sum(s.payload_bytes for s in series)
        header_at = rollup_at + sum(s.rollup_bytes for s in series)
        end = header_at + sum(s.header_bytes for s in series)
        if end + entry.index_bytes != entry.offset + entry.bytes:
            raise damage(self.path, entry.offset + entry.bytes - entry.index_bytes,
                         "the bytes of the series and the index are not the section's")
        for s in series:
            headers = self._piece(entry, key, header_at, s.header_bytes, BLOCK_HEADERS)
            blocks = _read_block_headers(headers, s, self.footer.block_rows)
            pieces = []
            for block in blocks:
                if block.starts:
                    pieces.append([])
                pieces[-1].append(block)
            taken = sum(b.bytes for b in blocks) + TAG_BYTES * len(pieces)
            headers.check(taken == s.payload_bytes, f"the pieces take {taken} bytes, the index says {s.payload_bytes}", 0)
            s.blocks = []
            for piece in pieces:
                count = sum(block.bytes for block in piece) + TAG_BYTES
                s.blocks += _read_blocks(self._piece(entry, key, at, count, PAYLOAD), s, piece)
                at += count
            _check_series(headers, s)
            header_at += s.header_bytes
            if s.rollup_bytes:
                _check_rollup(self._piece(entry, key, rollup_at, s.rollup_bytes, ROLLUP), s)
                rollup_at += s.rollup_bytes


def _worst(problems):
    """Of what is wrong with all copies: a newer format first, else the first."""
    return next((p for p in problems if isinstance(p, Newer)), problems[0])


def _running(c, count):
    """zigzag x count changes from the value before; sums wrap."""
    values, value = [], 0
    for _ in range(count):
        value = wrap(value + c.zigzag())
        values.append(value)
    return values


def _read_block_headers(c, s, rows_max):
    n = s.block_count
    c.check(n <= c.left, f"{n} blocks in {c.left} bytes", 0)
    form, unit = c.u8(), c.u8()
    c.check(form in (PACKED_FORM, OWN_MODELS_FORM), f"blocks of form {form}, {PACKED_FORM} or {OWN_MODELS_FORM} expected", 0)
    c.check(unit < len(UNITS_NS), f"unknown unit {unit}", 1)
    scale = UNITS_NS[unit]
    blocks = [Block() for _ in range(n)]
    at = c.at
    counts = _running(c, n - 1)
    counts.append(s.row_count - sum(counts))
    c.check(all(1 <= count <= rows_max for count in counts), f"a block without rows or with more than {rows_max}", at)
    at = c.at
    gaps, spans = c.varints(n - 1), c.varints(n - 1)
    end_spans = c.varints(n) if s.schema.kind == INTERVAL else [0] * n
    begin = s.begin_min
    for index, block in enumerate(blocks):
        block.rows, block.begin_min = counts[index], begin
        block.begin_max = begin + spans[index] * scale if index < n - 1 else s.begin_max
        block.end_max = block.begin_max + end_spans[index] * scale
        c.check(block.begin_min <= block.begin_max <= s.begin_max and block.end_max <= s.end_max,
                "a block beyond the times of its series", at)
        if index < n - 1:
            begin = block.begin_max + gaps[index] * scale
    c.check(max(block.end_max for block in blocks) == s.end_max, "no block ends where the series does", at)
    c.check(unit == largest_unit(gaps_and_spans := [v * scale for v in gaps + spans + end_spans]),
            f"unit {unit} is not the largest that divides {len(gaps_and_spans)} gaps and spans", 1)
    at = c.at
    for block, flagged in zip(blocks, c.varints(n)):
        c.check(flagged <= block.rows, f"{flagged} flagged rows of {block.rows}", at)
        block.flagged, block.statistics = flagged, []
    for kind in s.schema.types:
        for block, figures in zip(blocks, _read_statistics(c, kind, blocks)):
            block.statistics.append(figures)
    for index, (block, place) in enumerate(zip(blocks, c.varints(n))):
        block.bytes, block.starts, block.revised = place >> 2, bool(place & 2), bool(place & 1)
        c.check(block.bytes >= 1, "a block of 0 bytes")
        c.check(block.starts or index > 0, "the first block starts no piece")
        c.check(not block.revised or s.revision_min != s.revision_max, "a revised block where all revisions are equal")
    s.own_models = read_own_models(c) if form == OWN_MODELS_FORM else {}
    c.end()
    return blocks


def _read_statistics(c, kind, blocks):
    n, at = len(blocks), c.at
    counts = [block.rows - block.flagged for block in blocks]
    if kind == TEXT:
        return [None] * n
    if kind == FLOAT:
        bits = [[c.u64() for _ in range(n)] for _ in range(4)]
        for index, count in enumerate(counts):
            c.check(count or not any(column[index] for column in bits), "statistics of no rows are not 0", at)
        return [None] * n
    least = _running(c, n)
    spans = c.varints(n)
    sums = [None] * n if kind == ENUM else [c.varint(bits=128) for _ in range(n)]
    for low, span, above, count in zip(least, spans, sums, counts):
        c.check(low + span <= I64_MAX, "a maximum out of range", at)
        c.check(count or (low, span) == (0, 0), "statistics of no rows are not 0", at)
        c.check(above is None or above <= span * count, "a sum greater than the maximum allows", at)
        c.check(kind != ENUM or low >= 0, "an enum below 0", at)
    return [(low, low + span, above) for low, span, above in zip(least, spans, sums)]


def _read_blocks(c, s, blocks):
    """The blocks of one payload piece (or, in kind 4, of one series)."""
    read = []
    for block in blocks:
        at = c.at
        own = Cursor(c.take(block.bytes), c.file, c.base + at)
        rows = read_block(own, s.schema, block.rows, block.begin_min, with_revision=block.revised, own_models=s.own_models)
        own.end()
        own.check(rows.time[-1] == block.begin_max, "the last time of a block is not that of its header", 0)
        _check_statistics(own, s.schema, block, rows)
        read.append((rows, None if block.revised else s.revision_base))
    c.end()
    return read


def _is_finite(bits):
    return bits >> 52 & 0x7FF != 0x7FF


def _check_statistics(c, schema, block, rows):
    ends = [min(t + d, I64_MAX) for t, d in zip(rows.time, rows.duration)] if rows.duration else rows.time
    c.check(max(ends) == block.end_max, "the greatest end of a block is not that of its header", 0)
    floats = [column for column, kind in zip(rows.fields, schema.types) if kind == FLOAT]
    kept = [i for i in range(block.rows) if not rows.flags[i] & (OUT_OF_RANGE | NOT_FINITE)
            and all(_is_finite(column[i]) for column in floats)]
    c.check(block.rows - len(kept) == block.flagged, f"{block.rows - len(kept)} flagged rows, "
            f"the header says {block.flagged}", 0)
    for column, kind, told in zip(rows.fields, schema.types, block.statistics):
        if told is None:
            continue
        values = [column[i] for i in kept] or [0]
        low, high = min(values), max(values)
        above = sum(values) - low * len(values) if kind == INT else None
        c.check((low, high, above) == told, "the statistics of a block are not those of its rows", 0)


def _check_series(c, s):
    revisions = set()
    for rows, revision in s.blocks:
        revisions.update(rows.revision if revision is None else (revision,))
    c.check((min(revisions), max(revisions)) == (s.revision_min, s.revision_max),
            "the revisions of a series are not those of the index", 0)


@dataclass
class Bucket:
    """Of a half hour: what a rollup says of it, or what rows do."""

    number: int
    rows: int = 0
    flagged: int = 0
    first: int = 0
    last: int = 0
    end: int = 0
    figures: tuple = ()  # a field: (sum, least, greatest) of ints, times by label of enums, as far as a rollup has them


def _check_rollup(c, s):
    """The rollup says what the rows say."""
    told = _read_rollup(c, s)
    found = _buckets_of_rows(s)
    c.check(len(told) == len(found), f"{len(told)} half hours, rows begin in {len(found)}", 2)
    for one, other in zip(told, found):
        c.check(one == other, f"half hour {one.number} is not what its rows say", 0)


def _read_rollup(c, s):
    form, unit = c.u8(), c.u8()
    c.check(form == ROLLUP_FORM, f"a rollup of form {form}, {ROLLUP_FORM} expected", 0)
    c.check(unit < len(UNITS_NS), f"unknown unit {unit}", 1)
    at = c.at
    n = c.varint()
    c.check(1 <= n <= min(BUCKETS_MAX, s.row_count), f"{n} half hours of {s.row_count} rows", at)
    c.check(s.begin_min > I64_MIN + BUCKET_NS and s.begin_max < I64_MAX - BUCKET_NS, "a rollup at the ends of time", at)
    scale, interval = UNITS_NS[unit], s.schema.kind == INTERVAL

    def naturals(what):
        at = c.at
        values = read_array(c, n, what)
        c.check(min(values) >= 0, f"{what}: a value below 0", at)
        return values

    gaps, lefts, rows, flagged = (naturals(what) for what in ("gaps", "lefts", "rows", "flagged"))
    ends = naturals("ends") if interval else [0] * n
    last, buckets = s.begin_min, []
    for index in range(n):
        first = last + gaps[index] * scale if index else s.begin_min
        number = first // BUCKET_NS
        last = (number + 1) * BUCKET_NS - lefts[index] * scale
        c.check(first <= last and lefts[index] and (not buckets or buckets[-1].number < number),
                "a row beyond its half hour", at)
        buckets.append(Bucket(number, rows[index], flagged[index], first, last, last + ends[index] * scale))
    c.check((buckets[0].first, buckets[-1].last, max(b.end for b in buckets)) == (s.begin_min, s.begin_max, s.end_max),
            "the times of a rollup are not those of its series", at)
    c.check(sum(rows) == s.row_count and min(rows) >= 1, "the rows of a rollup are not those of its series", at)
    c.check(all(b.flagged <= b.rows for b in buckets), "more flagged rows than there are", at)
    counts = [b.rows - b.flagged for b in buckets]
    by_field, timed = {}, []
    for field, kind in enumerate(s.schema.types):
        if kind == INT:
            by_field[field] = _read_sums(c, n, naturals, counts, interval)
    for field, kind in enumerate(s.schema.types):
        if kind == ENUM:
            by_field[field], times = _read_states(c, n, naturals, scale if interval else 1)
            timed += times
    c.end()
    spans = [v * scale for v in gaps[1:] + lefts + ends] + (timed if interval else [])
    c.check(unit == largest_unit(spans), f"unit {unit} is not the largest that divides a rollup's times", 1)
    for index, bucket in enumerate(buckets):
        bucket.figures = tuple(by_field[field][index] for field in range(len(s.schema.types)))
    return buckets


def _read_sums(c, n, naturals, counts, interval):
    at = c.at
    if interval:
        sums = read_array(c, n, "sums")
        c.check(all(count or not total for total, count in zip(sums, counts)), "a sum of no rows", at)
        return [(total, 0, 0) for total in sums]
    means, rests = read_array(c, n, "means"), naturals("rests")
    belows, aboves = naturals("belows"), naturals("aboves")
    figures = []
    for mean, rest, below, above, count in zip(means, rests, belows, aboves, counts):
        c.check(count or (mean, rest, below, above) == (0, 0, 0, 0), "statistics of no rows are not 0", at)
        c.check(rest < max(count, 1) and (above or not rest), "a rest that is too great", at)
        c.check(I64_MIN <= mean - below and mean + above <= I64_MAX and below + above <= I64_MAX, "a value out of range", at)
        figures.append((mean * count + rest, mean - below, mean + above))
    return figures


def _read_states(c, n, naturals, scale):
    labels = c.u8()
    c.check(labels <= LABELS_MAX, f"{labels} labels, {LABELS_MAX} at most", c.at - 1)
    times = [[value * scale for value in naturals("times")] for _ in range(labels)]
    c.check(not labels or any(times[-1]), "a last label that no row has")
    c.check(all(value <= I64_MAX for column in times for value in column), "a time out of range")
    times += [[0] * n] * (LABELS_MAX - labels)
    return list(zip(*times)), [value for column in times for value in column]


def _buckets_of_rows(s):
    schema, buckets, values = s.schema, [], []
    for rows, _ in s.blocks:
        for i, begin in enumerate(rows.time):
            if not buckets or buckets[-1].number != begin // BUCKET_NS:
                buckets.append(Bucket(begin // BUCKET_NS, first=begin, end=begin))
                values.append([])
            bucket = buckets[-1]
            bucket.rows, bucket.last = bucket.rows + 1, begin
            duration = rows.duration[i] if rows.duration else 0
            bucket.end = max(bucket.end, min(begin + duration, I64_MAX))
            if rows.flags[i] & (OUT_OF_RANGE | NOT_FINITE):
                bucket.flagged += 1
            else:
                values[-1].append((duration, [column[i] for column in rows.fields]))
    for bucket, kept in zip(buckets, values):
        bucket.figures = tuple(_figures(schema, kind, field, kept) for field, kind in enumerate(schema.types))
    return buckets


def _figures(schema, kind, field, kept):
    own = [row[field] for _, row in kept]
    if kind == INT:
        instant = schema.kind == INSTANT and own
        return sum(own), min(own) if instant else 0, max(own) if instant else 0
    times = [0] * LABELS_MAX
    for label, (duration, _) in zip(own, kept):
        times[label] += 1 if schema.kind == INSTANT else duration
    return tuple(times)
