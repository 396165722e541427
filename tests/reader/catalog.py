"""catalog.py -- regions, metrics, labels, sources (format-spec/catalog.md)."""

from dataclasses import dataclass
import struct

from columns import ENUM, FLOAT, INSTANT, INT, read_schema
from cursor import Cursor
from edits import CATALOG, read_edits
from native import blake2b
from records import records
from seal import TAG_BYTES, open_sealed
from text import read_code, read_identifier, read_region_name, read_words

REGION, METRIC, LABEL, SOURCE, FEED = 1, 2, 3, 4, 6
MEAN, SUM, STATES, LAST = 1, 2, 3, 4
LABELS_MAX = 256


@dataclass
class Region:
    number: int
    name: str
    shards: int


@dataclass
class Field:
    name: bytes
    type: int
    exponent: int
    labels: list


@dataclass
class Metric:
    number: int
    name: bytes
    schema: object
    tier_class: int
    fields: list


class Catalog:
    def __init__(self, store, identity):
        self.store_id, self.sealed = identity.store_id, identity.sealed
        self.regions, self.metrics = [], {}
        self.feed = (0, 0)  # age in ns, bytes: how long logs are kept
        self._sources = {}  # (user, number) -> cursor over the record's payload, the latest
        self._source_counts = {}
        readers = {REGION: self._read_region, METRIC: self._read_metric, LABEL: self._read_label,
                   SOURCE: self._keep_source, FEED: self._read_feed}
        for edit in read_edits(store, CATALOG, self.store_id, 0):
            for body in edit.parts:
                for kind, payload in records(body, readers, "a catalog's"):
                    readers[kind](payload)
                    payload.end()

    def _read_region(self, c):
        number, shards, name = c.u16(), c.u16(), read_region_name(c)
        c.check(number == len(self.regions), f"region {number}, {len(self.regions)} expected", 0)
        c.check(1 <= shards <= 256, f"{shards} shards, 1 to 256 expected", 2)
        name = name.decode("ascii")
        c.check(name not in (region.name for region in self.regions), "two regions of one name", 4)
        self.regions.append(Region(number, name, shards))

    def _read_metric(self, c):
        number, name = c.u32(), read_identifier(c)
        c.check(number >= 1 and number not in self.metrics, f"metric number {number} is 0 or taken", 0)
        c.check(name not in (metric.name for metric in self.metrics.values()), "two metrics of one name", 4)
        read_code(c, least=1)  # unit
        schema = read_schema(c)
        at = c.at
        aggregation, tier_class, carry = c.u8(), c.u8(), c.i64()
        c.check(MEAN <= aggregation <= LAST, f"unknown aggregation {aggregation}", at)
        needed = {MEAN: {INT, FLOAT}, SUM: {INT, FLOAT}, STATES: {ENUM}, LAST: set(schema.types)}[aggregation]
        c.check(needed & set(schema.types), f"no field for aggregation {aggregation}", at)
        c.check(tier_class <= 3, f"unknown tier class {tier_class}", at + 1)
        c.check(carry >= 0 and (carry == 0 or schema.kind == INSTANT), f"carry {carry} is not allowed", at + 2)
        for _ in range(4):
            read_code(c)  # its name elsewhere
        fields = []
        for kind in schema.types:
            fields.append(self._read_field(c, kind))
            c.check(fields[-1].name not in (f.name for f in fields[:-1]), "two fields of one name")
        self.metrics[number] = Metric(number, name, schema, tier_class, fields)

    @staticmethod
    def _read_field(c, kind):
        name = read_identifier(c)
        at = c.at
        exponent, has_range = c.i8(), c.u8()
        c.check(-18 <= exponent <= 18 if kind == INT else exponent == 0, f"exponent {exponent} is not allowed", at)
        c.check(has_range <= (1 if kind in (INT, FLOAT) else 0), f"range mark {has_range} is not allowed", at + 1)
        if has_range:
            least, greatest = c.i64(), c.i64()
            if kind == FLOAT:
                least, greatest = struct.unpack("<2d", struct.pack("<2q", least, greatest))
                c.check(abs(least) < float("inf") and abs(greatest) < float("inf"), "a range that is not finite", at + 2)
            c.check(least <= greatest, "a range that is empty", at + 2)
        labels = []
        if kind == ENUM:
            count = c.varint()
            c.check(1 <= count <= LABELS_MAX, f"{count} labels, 1 to {LABELS_MAX} expected")
            for _ in range(count):
                labels.append(read_words(c, least=1))
                c.check(labels[-1] not in labels[:-1], "two equal labels")
        return Field(name, kind, exponent, labels)

    def _read_label(self, c):
        number, index = c.u32(), c.u8()
        c.check(number in self.metrics, f"a label of metric {number}, which is not there", 0)
        fields = self.metrics[number].fields
        c.check(index < len(fields) and fields[index].type == ENUM, f"a label of field {index}, not an enum", 4)
        label = read_words(c, least=1)
        c.check(label not in fields[index].labels, "two equal labels", 5)
        c.check(len(fields[index].labels) < LABELS_MAX, "too many labels", 5)
        fields[index].labels.append(label)

    def _keep_source(self, c):
        user, number, generation = c.u64(), c.u32(), c.u32()
        c.check(user != 0, "a source of user 0", 0)
        count = self._source_counts.get(user, 0)
        c.check(1 <= number <= count + 1, f"source {number} of user {user}, who has {count}", 8)
        c.check((generation != 0) == self.sealed, f"key generation {generation}", 12)
        nonce = c.take(24)
        c.check(self.sealed or not any(nonce), "a nonce in a store without sealing", 16)
        sealed_bytes = c.left - TAG_BYTES
        c.check(sealed_bytes % 64 == 0 and 1 <= sealed_bytes // 64 <= 14, f"a description of {sealed_bytes} bytes")
        c.take(c.left)
        self._source_counts[user] = max(count, number)
        self._sources[user, number] = c

    def _read_feed(self, c):
        age, size = c.i64(), c.u64()
        c.check(age >= 0 and (age == 0) == (size == 0), f"an age of {age} and a size of {size}", 0)
        self.feed = (age, size)

    def source_names(self, vault):
        """(user number, source number) -> the source's name, for all users who are not erased."""
        names, taken = {}, set()
        for (user_number, number), c in self._sources.items():
            if vault.is_erased(user_number):
                continue
            user = vault.users.get(user_number)
            c.check(user is not None, f"a source of user {user_number}, whom the vault does not know", 0)
            name = self._open_source(c, user)
            c.check((user_number, name) not in taken, f"two sources of user {user_number} with one name", 0)
            taken.add((user_number, name))
            names[user_number, number] = name
        return names

    def _open_source(self, c, user):
        generation, nonce = int.from_bytes(c.data[12:16], "little"), c.data[16:40]
        c.check(not self.sealed or generation == user.generation,
                f"key generation {generation}, {user.generation} expected", 12)
        key = blake2b(32, user.key, b"HLTSOURC" + self.store_id) if self.sealed else None
        associated = b"HLTSOURC" + self.store_id + c.data[:16]
        c.at = 40
        plain = open_sealed(c, c.left, key, nonce, associated, "a source's description")
        d = Cursor(plain, c.file, c.base + 40)
        name = read_words(d, least=1, most=127)
        for _ in range(3):
            read_words(d)  # type, model, firmware
        d.i64()  # registered
        at = d.at
        status, settings = d.u8(), d.u8()
        d.check(status <= 1, f"unknown status {status}", at)
        d.check(settings <= 32, f"{settings} settings, at most 32 expected", at + 1)
        last = 0
        for _ in range(settings):
            metric, _priority, gap = d.u32(), d.i32(), d.i64()
            d.check(metric > last, f"a setting of metric {metric} after {last}", d.at - 16)
            d.check(gap >= 0, f"an expected gap of {gap}", d.at - 8)
            last = metric
        d.check(d.left < 64, f"{d.left} bytes of padding")
        d.zeros(d.left)
        return name
