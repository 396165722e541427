"""vault.py -- users, their data keys, erased numbers (format-spec/vault.md)."""

from dataclasses import dataclass

from cursor import Cursor
from edits import VAULT, read_edits
from native import blake2b, xxh3_64
from problems import Denied
from records import records
from seal import TAG_BYTES, open_sealed
from text import is_utf8

INDEX, USER, ERASED = 1, 2, 3
KEY_BYTES = 32
NONCE_BYTES = 24


@dataclass
class User:
    number: int
    region: int
    generation: int
    key: bytes  # None in a store without sealing
    external_id: bytes
    id_hash: bytes

    def shard(self, shards):
        """The user's shard within its region (README.md, "The directory")."""
        return xxh3_64(self.number.to_bytes(8, "little")) % shards


class Vault:
    def __init__(self, store, identity, keyring):
        self.store_id, self.sealed, self.keyring = identity.store_id, identity.sealed, keyring
        self.users, self.erased = {}, set()
        self._index_key, self._hashes = None, set()
        first = True
        for edit in read_edits(store, VAULT, self.store_id, 0):
            for body in edit.parts:
                for kind, payload in records(body, (INDEX, USER, ERASED), "a vault's"):
                    payload.check((kind == INDEX) == first, "the index stands first, and there only", 0)
                    first = False
                    (self._read_index, self._read_user, self._read_erased)[kind - 1](payload)
                    payload.end()

    def is_erased(self, number):
        return number in self.erased

    def _epoch_key(self, c, epoch, at):
        c.check((epoch != 0) == self.sealed, f"epoch {epoch} in a store {'with' if self.sealed else 'without'} sealing",
                at)
        if not self.sealed:
            return None
        if epoch not in self.keyring:
            raise Denied(f"{c.file}: offset {c.base + at}: the keyring has no key of epoch {epoch}")
        return self.keyring[epoch]

    def _read_index(self, c):
        sealed = c.u8()
        c.check(sealed == self.sealed, f"sealed is {sealed}, the store's identity says {int(self.sealed)}", 0)
        if not self.sealed:
            self._index_key = b""
            return
        epoch, nonce = c.u32(), c.take(NONCE_BYTES)
        key = self._epoch_key(c, epoch, 1)
        associated = b"HLTINDEX" + self.store_id + epoch.to_bytes(4, "little")
        self._index_key = open_sealed(c, KEY_BYTES + TAG_BYTES, key, nonce, associated, "the index key")

    def _read_user(self, c):
        number, region, generation, epoch = c.u64(), c.u16(), c.u32(), c.u32()
        id_hash, nonce = c.take(16), c.take(NONCE_BYTES)
        c.check(number != 0 and number not in self.users and number not in self.erased,
                f"user number {number} is 0 or taken", 0)
        c.check(generation >= 1, "key generation 0", 10)
        c.check(id_hash not in self._hashes, "two users of one id hash", 18)
        c.check(self.sealed or not any(nonce), "a nonce in a store without sealing", 34)
        c.check(c.left - TAG_BYTES in (96, 161), f"a sealed entry of {c.left} bytes, 112 or 177 expected")
        key = self._epoch_key(c, epoch, 14)
        associated = b"HLTENTRY" + self.store_id + c.data[:18] + id_hash
        at = c.at
        entry = Cursor(open_sealed(c, c.left, key, nonce, associated, "a user's entry"), c.file, c.base + at)
        data_key, id_bytes = entry.take(KEY_BYTES), entry.u8()
        least, most = (1, 63) if len(entry.data) == 96 else (64, 128)
        entry.check(least <= id_bytes <= most, f"an id of {id_bytes} bytes, {least} to {most} expected", 32)
        external_id = entry.take(id_bytes)
        entry.zeros(most - id_bytes)
        entry.check(self.sealed or not any(data_key), "a data key in a store without sealing", 0)
        entry.check(is_utf8(external_id), "an id is not UTF-8", 33)
        entry.check(blake2b(16, self._index_key, external_id) == id_hash, "the id hash is another id's", 33)
        self.users[number] = User(number, region, generation, data_key if self.sealed else None, external_id, id_hash)
        self._hashes.add(id_hash)

    def _read_erased(self, c):
        c.check(c.left >= 8 and c.left % 8 == 0, f"a list of erased numbers of {c.left} bytes")
        while c.left:
            number = c.u64()
            c.check(number != 0 and number not in self.erased, f"number {number} is 0 or erased twice", c.at - 8)
            user = self.users.pop(number, None)
            if user is not None:
                self._hashes.discard(user.id_hash)
            self.erased.add(number)
