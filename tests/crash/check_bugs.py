#!/usr/bin/env python3
"""check_bugs.py -- every seeded bug in tests/crash/bugs is caught by the test that its patch names.

A patch begins with a line saying what is wrong, and a second one:
    Caught by: make unit T=ROOM
    Caught by: crash_explorer|faults|nonces ARGS ..
Each hunk names the function that it is in, behind its second @@. The tree is copied, each test is run once without any bug
(it must pass), then each patch is applied alone, what it touches is built, and its test must fail. A patch that does not
apply any more, fits elsewhere or at several places as well, or does not build, is a failure, too.
Usage: check_bugs.py [--make MAKE] [--scratch DIRECTORY] [--jobs N] [NAME ..]
"""
import argparse
import concurrent.futures
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUGS = pathlib.Path(__file__).resolve().parent / "bugs"
COPIED = ("engine", "include", "tests", "tools", "format-spec", "Makefile")
VARIANT = "bugs"
TIMEOUT_S = 900


def parse(path):
    """What is wrong, and the test: a program and its arguments, or "unit" and the room."""
    lines = path.read_text().splitlines()
    if len(lines) < 2 or not lines[1].startswith("Caught by: "):
        sys.exit(f"{path}: found no second line 'Caught by: ..'")
    test = lines[1][len("Caught by: "):].split()
    if test[:2] == ["make", "unit"] and test[2].startswith("T="):
        test = ["unit", test[2][2:]]
    return lines[0], test


def copy_tree(scratch):
    """Into a scratch directory that keeps its objects; files that are equal keep their times."""
    scratch.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source = ROOT / name
        wanted = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
        for path in wanted:
            target = scratch / path.relative_to(ROOT)
            if target.exists() and target.read_bytes() == path.read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        if source.is_dir():
            known = {p.relative_to(ROOT) for p in wanted}
            for path in [p for p in (scratch / name).rglob("*") if p.is_file()]:
                if path.relative_to(scratch) not in known:
                    path.unlink()


def quietly(command, scratch, timeout=None):
    """Exit code and output; a code of None: it took too long."""
    environment = dict(os.environ, CK_FORK="yes", CK_TIMEOUT_MULTIPLIER="20")
    environment.pop("MAKEFLAGS", None)
    environment.pop("MFLAGS", None)
    try:
        done = subprocess.run(command, cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout


def unit_binaries(scratch, room):
    sources = sorted((scratch / "tests/unit").glob(f"test_{room}_*.c")) + sorted((scratch / "tests/unit").glob(f"test_{room}.c"))
    return [f"out/{VARIANT}/tests/unit/{p.stem}" for p in sources]


def build(make, scratch, test):
    targets = unit_binaries(scratch, test[1]) if test[0] == "unit" else [f"out/{VARIANT}/tests/crash/{test[0]}"]
    return quietly([make, f"VARIANT={VARIANT}"] + targets, scratch)


def run(scratch, test):
    """Passes or not, and the line that tells why."""
    if test[0] == "unit":
        commands = [[b] for b in unit_binaries(scratch, test[1])]
    else:
        commands = [[f"out/{VARIANT}/tests/crash/{test[0]}"] + test[1:]]
    for command in commands:
        code, output = quietly(command, scratch, TIMEOUT_S)
        if code == 0:
            continue
        if code is None:
            return False, f"took more than {TIMEOUT_S} s"
        told = [line for line in output.splitlines() if "VIOLATION" in line or ":F:" in line or ":E:" in line]
        last = output.splitlines()[-1:] or [f"exit code {code}"]
        return False, (told or last)[0].strip()
    return True, ""


def hunks(path):
    """Of each hunk the file, the function that it names, the lines that it wants to find, and those in their place."""
    name, found = None, []
    for line in path.read_text().splitlines()[2:]:
        if line.startswith("+++ "):
            name = line.split()[1].partition("/")[2]
        elif line.startswith("@@"):
            found.append((name, line.split("@@", 2)[2].strip(), [], []))
        elif found and not line.startswith("--- "):
            if line[:1] != "+":
                found[-1][2].append(line[1:])
            if line[:1] != "-":
                found[-1][3].append(line[1:])
    return found


def function_at(lines, at):
    """The name in the last line up to `at` that begins a function, or another definition."""
    for line in reversed(lines[:at + 1]):
        begun = re.match(r"[a-z][\w *]*?\b(\w+)(\(| \{$| =)", line)
        if begun:
            return begun.group(1)
    return ""


def apply(scratch, path):
    """Nothing, or which hunk does not fit at one place only, in its function."""
    for name, function, wanted, made in hunks(path):
        lines = (scratch / name).read_text().splitlines()
        places = [at for at in range(len(lines) - len(wanted) + 1) if lines[at:at + len(wanted)] == wanted]
        if len(places) != 1:
            return f"{name}: {function}: fits at {len(places)} places"
        at = places[0]
        if function_at(lines, at) != function:
            return f"{name}: fits in {function_at(lines, at)}, is of {function or 'no function'}"
        lines[at:at + len(wanted)] = made
        (scratch / name).write_text("\n".join(lines) + "\n")
    return ""


def check_without_bug(make, scratch, test):
    """Nothing, or what is wrong."""
    code, output = build(make, scratch, test)
    if code != 0:
        return f"{output}\n{' '.join(test)}: does not build, without any bug"
    passes, why = run(scratch, test)
    return "" if passes else f"{' '.join(test)}: fails without any bug: {why}"


def check(make, scratch, path, test):
    """Whether the bug is caught, and how, or why not."""
    try:
        wrong = apply(scratch, path)
        if wrong:
            return False, "NOT APPLIED: " + wrong
        code, output = build(make, scratch, test)
        if code != 0:
            return False, "NOT BUILT: " + next((line for line in output.splitlines() if "error" in line), output[-200:])
        passes, why = run(scratch, test)
        return not passes, why if not passes else "NOT CAUGHT"
    finally:
        copy_tree(scratch)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--make", default="make")
    parser.add_argument("--scratch", default="out/check-bugs")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    paths = [p for p in sorted(BUGS.glob("*.patch")) if not asked.names or p.stem in asked.names]
    bugs = [(p, *parse(p)) for p in paths]
    begin = time.monotonic()
    failures = 0

    scratches = queue.Queue()  # each worker has a tree of its own
    for job in range(asked.jobs):
        scratch = (ROOT / asked.scratch / str(job)).resolve()
        copy_tree(scratch)
        scratches.put(scratch)

    def in_scratch(action, *arguments):
        scratch = scratches.get()
        since = time.monotonic()
        try:
            return action(asked.make, scratch, *arguments), time.monotonic() - since
        finally:
            scratches.put(scratch)

    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as workers:
        tests = sorted({tuple(test) for _, _, test in bugs})
        for wrong, _ in workers.map(lambda test: in_scratch(check_without_bug, list(test)), tests):
            if wrong:
                print(wrong)
                failures += 1
        if failures > 0:
            sys.exit(1)

        print(f"{'bug':48} {'s':>5}  caught by")
        checked = workers.map(lambda bug: in_scratch(check, bug[0], bug[2]), bugs)
        for (path, what, test), ((is_caught, why), seconds) in zip(bugs, checked):
            failures += not is_caught
            print(f"{path.stem:48} {seconds:5.1f}  {' '.join(test)}: {why[:90]}", flush=True)
            if not is_caught:
                print(f"{'':48}        {what}")
    print(f"{len(bugs)} bugs, {failures} failures, {time.monotonic() - begin:.0f} s")
    sys.exit(1 if failures > 0 or len(bugs) == 0 else 0)


if __name__ == "__main__":
    main()
