"""native.py -- XXH3, XChaCha20-Poly1305 and Zstandard out of the system's libxxhash, libsodium and libzstd, by ctypes."""

import ctypes
import ctypes.util

from problems import Problem


def _library(name, soname):
    for candidate in (soname, ctypes.util.find_library(name)):
        if candidate:
            try:
                return ctypes.CDLL(candidate)
            except OSError:
                continue
    raise Problem(f"the library {soname} is not installed")


class _Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


_xxhash = _library("xxhash", "libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_xxhash.XXH3_128bits.restype = _Hash128
_xxhash.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

_zstd = _library("zstd", "libzstd.so.1")
_zstd.ZSTD_decompress.restype = ctypes.c_size_t
_zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
_zstd.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
_zstd.ZSTD_findFrameCompressedSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
_zstd.ZSTD_getFrameContentSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

_sodium = _library("sodium", "libsodium.so.23")
if _sodium.sodium_init() < 0:
    raise Problem("libsodium does not start")
_open = _sodium.crypto_aead_xchacha20poly1305_ietf_decrypt
_open.restype = ctypes.c_int
_open.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ulonglong,
                  ctypes.c_char_p, ctypes.c_ulonglong, ctypes.c_char_p, ctypes.c_char_p]
_generichash = _sodium.crypto_generichash
_generichash.restype = ctypes.c_int
_generichash.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_ulonglong,
                         ctypes.c_char_p, ctypes.c_size_t]


def xxh3_64(data):
    return _xxhash.XXH3_64bits(bytes(data), len(data))


def xxh3_128(data):
    """As it is stored: the low, then the high half, each little-endian."""
    hashed = _xxhash.XXH3_128bits(bytes(data), len(data))
    return hashed.low.to_bytes(8, "little") + hashed.high.to_bytes(8, "little")


def zstd_content(frame, size):
    """The `size` bytes that a frame contains and says it contains, or None where it is no such frame."""
    frame = bytes(frame)
    if (_zstd.ZSTD_getFrameContentSize(frame, len(frame)) != size
            or _zstd.ZSTD_findFrameCompressedSize(frame, len(frame)) != len(frame)):
        return None
    plain = ctypes.create_string_buffer(size)
    return plain.raw[:size] if _zstd.ZSTD_decompress(plain, size, frame, len(frame)) == size else None


def aead_open(key, nonce, associated, sealed):
    """The plain bytes, or None where the seal is broken. `sealed` ends with its tag of 16 bytes."""
    assert len(key) == 32 and len(nonce) == 24 and len(sealed) >= 16
    plain = ctypes.create_string_buffer(max(1, len(sealed) - 16))
    if _open(plain, None, None, sealed, len(sealed), associated, len(associated), nonce, key) != 0:
        return None
    return plain.raw[:len(sealed) - 16]


def blake2b(count, key, message):
    """BLAKE2b with an output of `count` bytes; without a key where `key` is empty."""
    out = ctypes.create_string_buffer(count)
    if _generichash(out, count, message, len(message), key or None, len(key)) != 0:
        raise Problem("libsodium refuses to hash")
    return out.raw
