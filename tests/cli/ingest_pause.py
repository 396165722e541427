#!/usr/bin/env python3
"""ingest_pause.py -- an input that pauses is answered while it is open; a signal ends it.

usage: ingest_pause.py STORE [signal]
"""
import signal
import subprocess
import sys

ends_by_signal = sys.argv[2:] == ["signal"]
ingest = subprocess.Popen(["holter", "ingest", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE if ends_by_signal else None)
for number in range(1 if ends_by_signal else 2):
    ingest.stdin.write(b"mood,user=pause value=5i %d\n" % number)
    ingest.stdin.flush()
    answer = ingest.stdout.readline().decode().strip()
    print(answer if ends_by_signal else "answered before the input's end: " + answer)
if ends_by_signal:
    ingest.send_signal(signal.SIGTERM)
    print(ingest.stdout.read().decode(), end="")
    print(ingest.stderr.read().decode(), end="")
    print("exit code", ingest.wait())
else:
    ingest.stdin.close()
    ingest.wait()
