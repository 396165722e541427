#!/usr/bin/env python3
"""check_lines.py -- every line of the files is a figure: a JSON object of the keys that readers of results expect.

usage: check_lines.py FILE...
"""
import json
import sys

TEXTS = ("bench", "case", "metric", "unit", "machine", "compiler", "commit")
NUMBERS = ("value", "low", "high", "samples")


def problem(line):
    """What is wrong with a line, or None."""
    try:
        figure = json.loads(line)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(figure, dict) or sorted(figure) != sorted(TEXTS + NUMBERS):
        return f"expected an object of the keys {', '.join(TEXTS + NUMBERS)}"
    for key in TEXTS:
        if not isinstance(figure[key], str) or figure[key] == "":
            return f"'{key}' is no text"
    for key in NUMBERS:
        if isinstance(figure[key], bool) or not isinstance(figure[key], (int, float)):
            return f"'{key}' is no number"
    if not figure["low"] <= figure["value"] <= figure["high"] or figure["samples"] < 1:
        return "expected low <= value <= high and a sample"
    return None


def main():
    bad = 0
    total = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as lines:
            count = 0
            for count, line in enumerate(lines, 1):
                found = problem(line)
                if found:
                    bad += 1
                    print(f"{path}:{count}: {found}")
        if count == 0:
            bad += 1
            print(f"{path}: found no line")
        total += count
    print(f"bench: {total} figures, {bad} bad")
    return 1 if bad else 0


sys.exit(main())
