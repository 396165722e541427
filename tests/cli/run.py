#!/usr/bin/env python3
"""run.py -- runs the transcripts tests/cli/*.test against the tool, and the scripts real_*.py.

usage: HOLTER=out/release/holter tests/cli/run.py [NAME ...]     (only transcripts whose name contains one of these)

A transcript is what a terminal would show:

    # a remark
    @needs mount            skip the transcript, saying so, where this cannot be had: root, mount
    $ command               run by bash in a fresh directory, where files stay from command to command
    > more of the command
    a line of stdout
    ! a line of stderr
    ? 1                     the exit code, where it is not 0

{*} in an expected line stands for any text on that line; a line {**} alone stands for any lines, {} for an empty one.
The tool is found as `holter`; `other COMMAND` runs a command as a user without any rights (as root) or as this one.
Every store that is still there at the end of a transcript must have no trace of the ids that its lines
"@hidden ID" name: neither in a file's name nor in its bytes, raw, in hex or in base64; nor may a line of stderr.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from traces import traces_of

HERE = os.path.dirname(os.path.abspath(__file__))
OTHER_USER = 65534
COMMAND_SECONDS = 300
REAL = ("real_data", "real_fitabase", "real_welltory", "real_sets")

PRELUDE = """
other() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=%d --regid=%d --clear-groups "$@"; else "$@"; fi
}
peak() { python3 "$TESTS/peak.py" "$@"; }
""" % (OTHER_USER, OTHER_USER)


class Step:
    def __init__(self, line, command):
        self.line = line
        self.command = command
        self.stdout = []
        self.stderr = []
        self.code = 0


def parse(path):
    steps, needs, hidden = [], [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if line.startswith("$ "):
                steps.append(Step(number, line[2:]))
            elif line.startswith("> ") and steps and not steps[-1].stdout and not steps[-1].stderr:
                steps[-1].command += "\n" + line[2:]
            elif line == ">" and steps:
                steps[-1].command += "\n"
            elif line.startswith("# ") or line == "#" or line == "":
                pass
            elif line.startswith("@needs "):
                needs.append(line[7:])
            elif line.startswith("@hidden "):
                hidden.append(line[8:])
            elif line.startswith("! "):
                steps[-1].stderr.append(line[2:])
            elif line.startswith("? "):
                steps[-1].code = int(line[2:])
            else:
                steps[-1].stdout.append(line)
    return steps, needs, hidden


def can_mount(directory):
    point = os.path.join(directory, "mount")
    os.mkdir(point)
    done = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", point],
        stderr=subprocess.DEVNULL).returncode == 0
    if done:
        subprocess.run(["umount", point], check=True)
    os.rmdir(point)
    return done


def missing_need(needs, directory):
    for need in needs:
        if need == "root" and os.geteuid() != 0:
            return "it needs to run as root"
        if need == "mount" and not can_mount(directory):
            return "it needs the right to mount"
    return None


def pattern_of(line):
    line = "" if line == "{}" else line
    return re.compile(".*".join(re.escape(part) for part in line.split("{*}")) + r"\Z", re.DOTALL)


def lines_match(expected, found):
    """{**} matches any run of lines; all else goes line by line."""
    if not expected:
        return not found
    if expected[0] == "{**}":
        return any(lines_match(expected[1:], found[i:]) for i in range(len(found) + 1))
    return bool(found) and pattern_of(expected[0]).match(found[0]) is not None and lines_match(expected[1:], found[1:])


def lines_of(data):
    text = data.decode("utf-8", "replace")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def run_step(step, directory, environment):
    done = subprocess.run(["bash", "-c", PRELUDE + step.command], cwd=directory, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=COMMAND_SECONDS)
    problems = []
    for name, expected, found in (("stdout", step.stdout, lines_of(done.stdout)),
                                  ("stderr", step.stderr, lines_of(done.stderr))):
        if not lines_match(expected, found):
            problems.append("%s is\n%s\n    expected\n%s" % (name, "\n".join("      | " + x for x in found),
                                                             "\n".join("      | " + x for x in expected)))
    if done.returncode != step.code:
        problems.append("exit code is %d, expected %d" % (done.returncode, step.code))
    return problems, done.stderr


def find_traces(directory, hidden):
    for root, names, files in os.walk(directory):
        if "store" not in os.path.relpath(root, directory):
            continue
        for name in names + files:
            for word in hidden:
                if word in name:
                    yield "%s has an id in its name" % os.path.join(root, name)
        for name in files:
            with open(os.path.join(root, name), "rb") as file:
                data = file.read()
            for word in hidden:
                if any(trace.encode() in data for trace in traces_of(word)):
                    yield "%s holds an id in the clear" % os.path.join(root, name)


def unmount_all(directory):
    with open("/proc/mounts", encoding="utf-8") as file:
        points = [line.split()[1] for line in file]
    for point in sorted(points, reverse=True):
        if point.startswith(directory + "/"):
            subprocess.run(["umount", point], check=False)


def run_transcript(path, holter):
    """Problems as a list of texts; None: skipped."""
    steps, needs, hidden = parse(path)
    directory = os.path.realpath(tempfile.mkdtemp(prefix="holter-cli-"))
    os.chmod(directory, 0o755)
    problems = []
    try:
        os.mkdir(os.path.join(directory, "bin"))
        shutil.copy(holter, os.path.join(directory, "bin", "holter"))  # where another user can run it too
        work = os.path.join(directory, "work")
        os.mkdir(work)
        reason = missing_need(needs, directory)
        if reason is not None:
            print("skip  %s: %s" % (os.path.basename(path), reason))
            return None
        environment = {"PATH": os.path.join(directory, "bin") + ":" + os.environ["PATH"], "HOME": work,
                       "TESTS": HERE, "LC_ALL": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "HOLTER_PEAK"):
            if name in os.environ:
                environment[name] = os.environ[name]
        for step in steps:
            found, stderr = run_step(step, work, environment)
            for word in hidden:
                if word.encode() in stderr:
                    found.append("a sentence repeats an id")
            problems += ["%s:%d: $ %s\n    %s" % (path, step.line, step.command, text) for text in found]
            if found:
                break
        problems += ["%s: %s" % (path, text) for text in find_traces(work, hidden)]
    finally:
        unmount_all(directory)
        shutil.rmtree(directory, ignore_errors=True)
    return problems


def main():
    holter = os.path.abspath(os.environ["HOLTER"])
    wanted = sys.argv[1:]
    names = sorted(n for n in os.listdir(HERE) if n.endswith(".test"))
    names = [n for n in names if not wanted or any(w in n for w in wanted)]
    failed = passed = skipped = 0
    for name in names:
        problems = run_transcript(os.path.join(HERE, name), holter)
        if problems is None:
            skipped += 1
        elif problems:
            failed += 1
            print("FAIL  %s\n  %s" % (name, "\n  ".join(problems)))
        else:
            passed += 1
            print("ok    %s" % name)
        sys.stdout.flush()
    for name in REAL:
        if wanted and not any(w in name for w in wanted):
            continue
        code = subprocess.run([sys.executable, os.path.join(HERE, name + ".py")], check=False).returncode
        if code == 77:
            skipped += 1
        elif code != 0:
            failed += 1
        else:
            passed += 1
    print("%d passed, %d skipped, %d failed" % (passed, skipped, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
