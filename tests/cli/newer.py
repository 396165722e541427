#!/usr/bin/env python3
"""newer.py STORE -- makes a store's identity claim format 7.0, with right checksums (format-spec/store.md)."""
import ctypes
import ctypes.util
import struct
import sys

SECTOR = 512

xxhash = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

with open(sys.argv[1] + "/holter.store", "r+b") as file:
    sector = bytearray(file.read(SECTOR))
    sector[8:12] = struct.pack("<HH", 7, 0)
    sector[-8:] = struct.pack("<Q", xxhash.XXH3_64bits(bytes(sector[:-8]), SECTOR - 8))
    file.seek(0)
    file.write(sector + sector)
