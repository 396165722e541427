#!/usr/bin/env python3
"""traces.py -- reads ids from stdin, one a line, and prints what each would leave in a file: raw, hex, base64.

One pattern a line, for grep -F. Of base64, which packs three bytes into four characters, the characters that do not
depend on an id's neighbours, for each of the three places at which it can begin.
"""
import base64
import sys


def traces_of(word):
    raw = word.encode()
    yield word
    yield raw.hex()
    yield raw.hex().upper()
    for phase in range(3):
        encoded = base64.b64encode(b"\0" * phase + raw).decode()
        yield encoded[-(-phase * 8 // 6):(phase + len(raw)) * 8 // 6]


if __name__ == "__main__":
    for line in sys.stdin:
        for trace in traces_of(line.rstrip("\n")):
            print(trace)
