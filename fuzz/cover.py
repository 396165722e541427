#!/usr/bin/env python3
"""cover.py -- line coverage of the decoders of untrusted bytes, by corpora and unit tests together.

usage: cover.py OBJECTS[,OBJECTS..] SOURCE..

Each OBJECTS is a tree of objects compiled with --coverage whose programs have run; a line counts when any of them ran
it. Prints each source with its lines, those run, and the share; names the lines that nothing ran; fails where a source
is under 95 %.

No line is discounted, but for those of one kind: statements that tell that memory ran out. They are known by the name
of the status, HOLTER_NO_MEMORY, or by a function called no_memory; how many lines were left out is printed beside.
"""
import json
import os
import subprocess
import sys

FLOOR = 95.0
OUT_OF_MEMORY = ("NO_MEMORY", "no_memory(")


def counts_of(tree, source):
    """Line number to how often it ran, in one tree; lines without code are not there."""
    base = os.path.join(tree, source[:-2])
    if not os.path.exists(base + ".gcda"):
        return None
    told = subprocess.run(["gcov", "--json-format", "--stdout", base + ".gcda"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    counts = {}
    for line in told.splitlines():
        for file in json.loads(line)["files"]:
            if os.path.normpath(file["file"]) != source:
                continue
            for entry in file["lines"]:
                number = entry["line_number"]
                counts[number] = max(counts.get(number, 0), entry["count"])
    return counts


def tells_no_memory(text, number):
    """The statement that the line is of, from after one ; { } or : to the next ;"""
    first = last = number - 1
    while first > 0 and not text[first - 1].rstrip().endswith((";", "{", "}", ":", "*/", ")")):
        first -= 1
    while last + 1 < len(text) and not text[last].rstrip().endswith((";", "{", "}")):
        last += 1
    statement = " ".join(text[first:last + 1])
    return any(word in statement for word in OUT_OF_MEMORY)


def ranges(numbers):
    """[3, 4, 5, 9] as "3-5 9"."""
    out = []
    for number in numbers:
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def main():
    trees = sys.argv[1].split(",")
    is_right = True
    print(f"{'decoder':40} {'lines':>6} {'run':>6} {'share':>7}  without memory")
    for source in sys.argv[2:]:
        merged = {}
        for tree in trees:
            for number, count in (counts_of(tree, source) or {}).items():
                merged[number] = merged.get(number, 0) + count
        with open(source, encoding="utf-8") as file:
            text = file.read().split("\n")
        if max(merged, default=0) > len(text):
            print(f"{source}: changed since it was built; run again", file=sys.stderr)
            return 1
        discounted = [n for n, count in merged.items()
                      if count == 0 and tells_no_memory(text, n)]
        for number in discounted:
            del merged[number]
        run = sum(count > 0 for count in merged.values())
        share = 100.0 * run / len(merged) if merged else 0.0
        print(f"{source:40} {len(merged):6} {run:6} {share:6.1f}%  {len(discounted)}")
        missed = sorted(number for number, count in merged.items() if count == 0)
        if missed:
            print(f"{'':8}not run: {ranges(missed)}")
        if share < FLOOR:
            print(f"{'':8}under {FLOOR:.0f} %")
            is_right = False
    print("cover: every decoder is covered" if is_right else "cover: FAILED")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
