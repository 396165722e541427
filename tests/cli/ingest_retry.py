#!/usr/bin/env python3
"""ingest_retry.py -- lines that a store cannot take now are answered "retry", and taken later by the same process.

usage: ingest_retry.py STORE LINES HINDER HELP  shell commands: HINDER begins what stands in the way, HELP ends it
                                                HINDER empty: there is too little room from the start; LINES at a time
"""
import random
import subprocess
import sys
import threading

store, hinder, help_ = sys.argv[1], *sys.argv[3:]
lines = int(sys.argv[2])
ingest = subprocess.Popen(["holter", "ingest", store, "--keyring", "keyring"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
random.seed(1)
line_number = 0
stored = set()


def write(text):
    ingest.stdin.write(text)
    ingest.stdin.flush()


def send(times):
    """Lines of these times; those that are to be sent again, and why."""
    global line_number
    again, why = [], None
    words = {time: "%0200x" % random.getrandbits(800) for time in times}
    text = "".join('note,user=u text="%s" %d\n' % (words[time], time) for time in times)
    writing = threading.Thread(target=write, args=(text,))  # both pipes may be full of lines and answers
    writing.start()
    for time in times:
        line_number += 1
        number, word, *reason = ingest.stdout.readline().split(None, 2)
        assert int(number) == line_number, (number, line_number)
        if word == "ok":
            stored.add(time)
        else:
            assert word == "retry", word
            again.append(time)
            why = reason[0].strip()
    writing.join()
    return again, why


begin, again, why = 0, [], None
while not again and begin < 200000:
    if begin > 0 and hinder:
        subprocess.run(["bash", "-c", hinder], check=True)
    again, why = send(range(begin, begin + lines))
    begin += lines
print("some are not stored:", why)
subprocess.run(["bash", "-c", help_], check=True)
again, why = send(again)
print("sent again:", "all stored" if not again else why)
ingest.stdin.close()
summary = ingest.stdout.read()
print("end, with lines to send again counted:", "retry" in summary, "exit code", ingest.wait())
# One for each commit that failed: the lines may have come in a few pieces.
print("a sentence or few:", 0 < len(ingest.stderr.read().splitlines()) <= 3)
query = subprocess.run(["holter", "query", store, "--keyring", "keyring", "--user", "u", "--metric", "note"],
                       capture_output=True, text=True, check=True)
print("all that was acknowledged is stored:", len(query.stdout.splitlines()) - 1 == len(stored) == begin)
