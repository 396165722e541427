#!/usr/bin/env python3
"""lock.py FILE BYTE -- takes an exclusive OFD lock on one byte, says so, and keeps it until it is killed."""
import fcntl
import struct
import sys
import time

F_OFD_SETLK = 37

file = open(sys.argv[1], "r+b")
# l_type, l_whence, l_start, l_len, l_pid
fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, int(sys.argv[2]), 1, 0))
print("locked", flush=True)
time.sleep(600)
