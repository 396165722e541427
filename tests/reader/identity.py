"""identity.py -- which store this is: STORE/holter.store (format-spec/store.md)."""

from dataclasses import dataclass
import os

from cursor import Cursor
from files import read_file
from native import xxh3_64
from problems import Damage, NotFound, Problem, damage

SECTOR_BYTES = 512
MAGIC = b"\x89HLTSTOR"


@dataclass
class Identity:
    store_id: bytes
    sealed: bool
    made_ns: int


def _parse_sector(sector, path, base):
    c = Cursor(sector, path, base)
    c.check(c.take(8) == MAGIC, "not a store: wrong magic", 0)
    c.version()
    c.check(int.from_bytes(sector[504:], "little") == xxh3_64(sector[:504]), "wrong checksum of the identity", 504)
    c.at = 20
    store_id = c.take(16)
    sealed = c.u8()
    c.check(sealed <= 1, f"sealed is {sealed}, 0 or 1 expected", 36)
    c.zeros(3)
    made_ns = c.i64()
    c.zeros(456)
    return Identity(store_id, bool(sealed), made_ns)


def read_identity(store):
    path = os.path.join(store, "holter.store")
    if not os.path.isdir(store) or not os.path.exists(path):
        raise NotFound(f"{store}: not a store: there is no file holter.store in it")
    data = read_file(path)
    if len(data) != 2 * SECTOR_BYTES:
        raise damage(path, len(data), f"{len(data)} bytes, {2 * SECTOR_BYTES} expected")
    problems, copies = [], []
    for base in (0, SECTOR_BYTES):
        try:
            copies.append(_parse_sector(data[base:base + SECTOR_BYTES], path, base))
        except Problem as problem:
            problems.append(problem)
    if not copies:
        newer = [p for p in problems if not isinstance(p, Damage)]
        raise (newer or problems)[0]
    if copies[0] != copies[-1]:
        raise damage(path, 0, "two copies that contradict each other, equal ones expected")
    return copies[0]
