"""keyring.py -- the epoch keys, outside the store (format-spec/keyring.md)."""

import os

from cursor import Cursor
from files import read_file
from native import xxh3_64
from problems import Denied

MAGIC = b"\x89HLTKEYR"
EPOCHS_MAX = 64


def read_keyring(path, store_id):
    """The epoch keys by the number of the epoch."""
    try:
        facts = os.stat(path)
    except OSError as error:
        raise Denied(f"{path}: the keyring cannot be opened: {error.strerror}") from error
    if facts.st_mode & 0o077:
        raise Denied(f"{path}: the keyring is open to group or others (mode {facts.st_mode & 0o777:o}), 600 expected")
    if facts.st_uid not in (0, os.geteuid()):
        raise Denied(f"{path}: the keyring belongs to user {facts.st_uid}, {os.geteuid()} or 0 expected")

    data = read_file(path)
    c = Cursor(data, path)
    c.check(88 <= len(data) <= 48 + 40 * EPOCHS_MAX, f"a keyring of {len(data)} bytes, 88 to 2,608 expected", 0)
    c.check(c.take(8) == MAGIC, "not a keyring: wrong magic", 0)
    c.version()
    ring_store = c.take(16)
    count = c.u32()
    c.check(1 <= count <= EPOCHS_MAX, f"{count} epochs, 1 to 64 expected", 36)
    c.check(len(data) == 48 + 40 * count, f"{len(data)} bytes for {count} epochs, {48 + 40 * count} expected", 36)
    c.check(int.from_bytes(data[-8:], "little") == xxh3_64(data[:-8]), "wrong checksum", len(data) - 8)
    if ring_store != store_id:
        raise Denied(f"{path}: offset 20: the keyring of another store, {ring_store.hex()}, {store_id.hex()} expected")
    keys, last = {}, 0
    for _ in range(count):
        at = c.at
        number, flags = c.u32(), c.u32()
        c.check(number > last, f"epoch {number} after epoch {last}", at)
        c.check(flags == 0, f"unknown flags {flags:#x}", at + 4)
        keys[number] = c.take(32)
        last = number
    return keys
