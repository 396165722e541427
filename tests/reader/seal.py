"""seal.py -- opening what is sealed under a key, or only hashed in a store without sealing (README.md, "Sealing")."""

import native

TAG_BYTES = 16


def open_sealed(cursor, count, key, nonce, associated, what):
    """Take `count` sealed bytes from `cursor` and open them. `key` is None in a store without sealing."""
    at = cursor.at
    cursor.check(count >= TAG_BYTES, f"{what} has {count} bytes and no room for its tag")
    sealed = cursor.take(count)
    if key is None:
        plain, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        cursor.check(native.xxh3_128(nonce + associated + plain) == tag, f"{what}: wrong checksum", at)
        return plain
    plain = native.aead_open(key, nonce, associated, sealed)
    cursor.check(plain is not None, f"{what}: the seal is broken", at)
    return plain


def subkey(parent, purpose, file_id):
    """The key of one file, out of a user's data key; None without sealing."""
    assert len(purpose) == 8 and len(file_id) == 16
    return None if parent is None else native.blake2b(32, parent, purpose + file_id)
