"""feed.py -- the tokens of the change feed (format-spec/feed.md)."""

from dataclasses import dataclass
import re

from cursor import Cursor
from native import xxh3_64
from problems import Newer

VERSION = 1
PAGES_MAX = (1 << 30) // 4096


@dataclass
class ShardPlace:
    file: int
    page: int
    sequence: int
    log: int


@dataclass
class Token:
    store_id: bytes
    users: int
    erased: int
    shards: list


def _read_shard(c):
    at = c.at
    place = ShardPlace(c.varint(), c.varint(), c.varint(), c.u32())
    if place.file == 0:
        c.check((place.page, place.sequence, place.log) == (0, 1, 0), "a place without a file that is not the log's begin", at)
    c.check(place.file == 0 or 1 <= place.page <= PAGES_MAX, f"page {place.page}, 1 to {PAGES_MAX} expected", at)
    c.check(place.sequence != 0, "sequence 0, 1 or more expected", at)
    return place


def read_token(text):
    whole = Cursor(b"", "token")
    whole.check(re.fullmatch("([0-9a-f]{2})+", text) is not None, "other than pairs of lower-case hexadecimal digits")
    data = bytes.fromhex(text)
    whole.check(len(data) > 8 and data[-8:] == xxh3_64(data[:-8]).to_bytes(8, "little"), "wrong checksum")
    c = Cursor(data[:-8], "token")
    version = c.u8()
    if version > VERSION:
        raise Newer(f"token: version {version}, {VERSION} expected")
    c.check(version == VERSION, f"version {version}, {VERSION} expected", 0)
    token = Token(c.take(16), c.varint(), c.varint(), [])
    token.shards = [_read_shard(c) for _ in range(c.varint())]
    c.end()
    return token
