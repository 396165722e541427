#!/usr/bin/env python3
"""import_kills.py -- kill -9 all over a whole import: the store reopens, is sound, and ends equal to one left in peace.

    HOLTER=out/release/holter python3 tests/real/import_kills.py KILLS [--real] [--seed N] [--dir DIR]

A whole import is every file, a process each, and compaction afterwards; flush and compact run beside it all the time. One or
all of these processes are killed at random moments and, where a flush or a compaction is wanted, once a process is in one: it
is stopped, what it holds is looked at (the lock that /proc shows on its open files, the snapshot or the segments it reads),
and it is killed then and there, so each kill counts for what it hit. A fifth of the kills at least are in flushes, a fifth in
compactions. Those left alive go on, stand still or die too, by turns.

After each kill: stat and an aggregate of all users open the store, verify finds nothing. What was killed is run again. When all
is in and compacted, the import is repeated undisturbed: nothing is new to it, and what query prints of all users and metrics
is, byte by byte, what it prints of a store that was never disturbed. Then a new store begins, until there were KILLS kills.

Without --real, and where the real files are not in ../shared/data (or HOLTER_DATA), the data are simulated.
"""
import argparse
import collections
import csv
import glob
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.environ.get("HOLTER_DATA", os.path.join(HERE, "..", "..", "..", "shared", "data"))
HOLTER = os.path.abspath(os.environ["HOLTER"])
COVID_USERS = 6
SIMULATED_METRICS = ("heart_rate", "steps", "sleep_stage", "skin_temperature", "spo2")
SECONDS_MAX = 3600
APPEND, MAINTENANCE, PINS = 0, 1, 1 << 32  # bytes of a shard's lock file: format-spec/README.md, "Lock files"


class Broken(Exception):
    """A claim does not hold."""


def holter(*arguments, stdin=None):
    done = subprocess.run([HOLTER, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Broken("holter %s ends with %d: %s%s" % (" ".join(arguments[:2]), done.returncode, done.stderr.decode(),
                                                       done.stdout.decode()[:500] if arguments[0] == "verify" else ""))
    return done.stdout


# ---- what is imported

def real_commands():
    """Arguments of each import, without the store; None without the files."""
    fitabase = sorted(glob.glob(os.path.join(DATA, "fitbit-fitabase-2016", "*", "*.csv*")))
    steps = sorted(glob.glob(os.path.join(DATA, "fitbit-covid-2020", "*_steps.csv.zst")))[:COVID_USERS]
    hearts = sorted(glob.glob(os.path.join(DATA, "fitbit-covid-2020", "*_hr.csv.zst")))[:COVID_USERS]
    if not (fitabase and steps and hearts):
        return None
    form = ["--format", "csv", "--time-format", "%Y-%m-%d %H:%M:%S"]
    commands = [["--format", "fitabase", path] for path in fitabase]
    commands += [[*form, "--metric", "steps", "--duration", "60s", "--map", "user=user,time=datetime,value=steps", path]
                 for path in steps]
    commands += [[*form, "--metric", "heart_rate", "--map", "user=user,time=datetime,value=heartrate", path]
                 for path in hearts]
    return commands


def simulated_commands(directory, seed):
    """A cohort as a gateway would see it, late, repeated and corrected rows too, in files of as many rows."""
    text = holter("simulate", "--users", "6", "--days", "10", "--seed", str(seed), "--metric", ",".join(SIMULATED_METRICS))
    header, *lines = text.decode().splitlines(keepends=True)
    files = 8
    commands = []
    for part in range(files):
        path = os.path.join(directory, "part-%d.csv" % part)
        with open(path, "w", encoding="utf-8") as file:
            file.write(header)
            file.writelines(lines[len(lines) * part // files:len(lines) * (part + 1) // files])
        commands.append(["--format", "csv", "--time-format", "rfc3339", "--map", "user=user,metric=metric,source=source,"
                         "time=time,duration=duration,value=value,revision=revision", path])
    return commands


def import_in_peace(store, commands):
    """Import all and compact; the rows that were new."""
    new = 0
    for command in commands:
        new += json.loads(holter("import", store, "--json", *command))["new"]
    holter("compact", store, "--to", "warm")
    return new


def in_peace(store, commands):
    """What a store answers that was never disturbed."""
    holter("init", store)
    import_in_peace(store, commands)
    found = answers(store)
    shutil.rmtree(store)
    return found


def answers(store):
    """metric: digest of what query prints of all users, who come in the order of their ids."""
    rows = csv.DictReader(io.StringIO(holter("users", store, "--ids").decode()))
    users = "".join("\\%s\n" % row["id"] for row in sorted(rows, key=lambda row: row["id"])).encode()
    found = {}
    for metric in json.loads(holter("metrics", store, "--json")):
        name = metric["name"]
        with subprocess.Popen([HOLTER, "query", store, "--user", "-", "--metric", name], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            process.stdin.write(users)
            process.stdin.close()
            digest, lines = hashlib.sha256(), 0
            while chunk := process.stdout.read(1 << 20):
                digest.update(chunk)
                lines += chunk.count(b"\n")
        if process.returncode != 0:
            raise Broken("holter query of %s ends with %d" % (name, process.returncode))
        if lines > 1:
            found[name] = lines - 1, digest.hexdigest()
    return found


# ---- processes

class Process:
    """A holter that runs, stops and dies."""

    def __init__(self, name, store, *arguments):
        self.name, self.store = name, os.path.realpath(store)
        self.stderr = tempfile.TemporaryFile()
        self.popen = subprocess.Popen([HOLTER, name, store, *arguments], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=self.stderr)

    def ended(self):
        """Whether it has ended, well; Broken where not well."""
        code = self.popen.poll()
        if code is None:
            return False
        self.stderr.seek(0)
        if code != 0:
            raise Broken("holter %s, undisturbed, ends with %d: %s" % (self.name, code, self.stderr.read().decode()))
        return True

    def send(self, number):
        self.popen.send_signal(number)

    def stop(self):
        """Stop it, and wait until it stands still; False where it ended before."""
        self.send(signal.SIGSTOP)
        while True:
            try:
                with open("/proc/%d/stat" % self.popen.pid, encoding="ascii", errors="replace") as file:
                    state = file.read().rpartition(")")[2].split()[0]
            except OSError:
                return False
            if state in "TZX":
                return state == "T"
            time.sleep(0.0002)

    def kill(self):
        self.send(signal.SIGKILL)
        self.popen.wait()

    def phase(self):
        """What it is in the midst of, told by what it holds."""
        held, segments = collections.defaultdict(set), set()
        directory = "/proc/%d/fd" % self.popen.pid
        try:
            for number in os.listdir(directory):
                path = os.readlink(os.path.join(directory, number))
                if not path.startswith(self.store + "/"):
                    continue
                shard, name = os.path.split(path)
                if name.startswith("seg-") and "." not in name:
                    segments.add(shard)
                elif name == "lock" and shard != self.store:
                    with open("/proc/%d/fdinfo/%s" % (self.popen.pid, number), encoding="ascii") as file:
                        held[shard].update(int(line.split()[-2]) for line in file if line.startswith("lock:"))
        except OSError:
            return "no more"
        for shard, places in held.items():
            if MAINTENANCE in places:
                # A flush reads a snapshot, which it pins; a compaction reads segments, and pins nothing.
                if any(place >= PINS for place in places):
                    return "flush"
                return "compaction" if shard in segments and self.name == "compact" else "the edge of a job"
        if any(APPEND in places for places in held.values()):
            return "a commit"
        return self.name + " otherwise"


class Import:
    """A whole import into a new store, with maintenance beside it, until it is compacted."""

    tiers = ([], ["--to", "warm"], [], ["--to", "cold"])

    def __init__(self, store, commands, rng):
        self.store, self.commands, self.random = store, commands, rng
        self.index, self.turn = 0, 0
        self.importer = self.maintainer = None
        self.final = False

    def start(self):
        """Start whatever should run and does not."""
        if self.importer is None and self.index < len(self.commands):
            self.importer = Process("import", self.store, *self.commands[self.index])
        if self.maintainer is None and self.index == len(self.commands):
            self.final = True
            self.maintainer = Process("compact", self.store, "--to", "cold")
        elif self.maintainer is None:
            if self.turn % 3 < 2:
                self.maintainer = Process("flush", self.store)
            else:
                self.maintainer = Process("compact", self.store, *self.tiers[self.turn % 4])
            self.turn += 1

    def step(self):
        """Look who has ended; True when all is in and compacted."""
        if self.importer is not None and self.importer.ended():
            self.importer = None
            self.index += 1
        if self.maintainer is not None and self.maintainer.ended():
            self.maintainer = None
            if self.final:
                return True
        self.start()
        return False

    def quarter(self):
        """How far it is, by files: 0 .. 3; 4 in the compaction at the end."""
        return 4 * self.index // len(self.commands)

    def running(self):
        return [process for process in (self.importer, self.maintainer)
                if process is not None and process.popen.poll() is None]

    def forget(self, process):
        """Of a killed one: it is started again by the next step."""
        if process is self.importer:
            self.importer = None
        if process is self.maintainer:
            self.maintainer = None
            self.final = False

    def end(self):
        for process in self.running():
            process.kill()


def strike(run, aim, rng):
    """Try to kill a process that is in the phase `aim`, None for any: (process, phase), or None where there was none."""
    running = run.running()
    if not running:
        return None
    if aim is None:
        victim = rng.choice(running)
    else:
        victim = next((process for process in running if process.phase() == aim), None)
        if victim is None:
            return None
        time.sleep(rng.choice((0, 0, 0.001, 0.005, 0.02)) * rng.random())
    if not victim.stop():
        return None
    phase = victim.phase()
    if aim is not None and phase != aim:
        victim.send(signal.SIGCONT)
        return None
    victim.kill()
    run.forget(victim)
    return victim, phase


def check_reopens(store, rng):
    """A store that a process was killed on: it opens, answers, and is sound."""
    json.loads(holter("stat", store, "--json"))
    holter("aggregate", store, "--all", "--metric", rng.choice(("steps", "heart_rate")), "--every", "1mo", "--fn", "count,sum")
    holter("verify", store)


class Campaign:
    """Kills, shared out to phases by the plan, over as many stores as it takes."""

    def __init__(self, kills, seed, directory, commands):
        self.kills, self.random, self.directory, self.commands = kills, random.Random(seed), directory, commands
        self.hit = collections.Counter()
        self.left = collections.Counter()
        self.quarters = [0] * 5
        self.stores = 0

    def done(self):
        return sum(self.hit.values())

    def aim(self, run):
        """Where the next kill should go: a quarter each to flush and compaction, the rest anywhere; at the end nothing flushes."""
        return (None, "compaction" if run.final else "flush", None, "compaction")[self.done() % 4]

    def after(self, run):
        """The store after a kill, with the others going on, stopped, or killed too."""
        how = ("goes on", "is stopped", "is killed too")[self.done() % 3]
        others = run.running()
        if others:
            self.left[how] += 1
        if how == "is killed too":
            for other in others:
                other.kill()
                run.forget(other)
        elif how == "is stopped":
            others = [other for other in others if other.stop()]
        check_reopens(run.store, self.random)
        if how == "is stopped":
            for other in others:
                other.send(signal.SIGCONT)

    def one_store(self, expected, deadline):
        """One whole import, disturbed, then repeated and compared."""
        store = os.path.join(self.directory, "store-%d" % self.stores)
        self.stores += 1
        holter("init", store)
        run = Import(store, self.commands, self.random)
        at_end = self.quarters[4] + max(self.kills // 10, 1)  # the compaction at the end does not take more of them
        try:
            due = time.monotonic() + self.random.random() * 0.5
            run.start()
            while not run.step():
                if time.monotonic() > deadline:
                    raise Broken("it took longer than %d s" % SECONDS_MAX)
                is_wanted = self.done() < self.kills and not (run.final and self.quarters[4] >= at_end)
                if is_wanted and time.monotonic() >= due:
                    found = strike(run, self.aim(run), self.random)
                    if found is not None:
                        self.hit[found[1]] += 1
                        self.quarters[run.quarter()] += 1
                        self.after(run)
                        due = time.monotonic() + self.random.random() * 0.5
                time.sleep(0.0005 if self.aim(run) else 0.002)
        finally:
            run.end()
        new = import_in_peace(store, self.commands)
        if new != 0:
            raise Broken("an import that had ended well is repeated: %d rows are new to it" % new)
        found = answers(store)
        holter("verify", store)
        if found != expected:
            raise Broken("answers differ from those of an undisturbed import in %s" % ", ".join(
                "%s (%s rows, expected %s)" % (metric, found.get(metric, "no")[0], expected.get(metric, "no")[0])
                for metric in sorted(set(found) | set(expected)) if found.get(metric) != expected.get(metric)))
        shutil.rmtree(store)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kills", type=int)
    parser.add_argument("--real", action="store_true", help="the real files, where they are there")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", help="where stores are made")
    options = parser.parse_args()
    commands = real_commands() if options.real else None
    if options.real and commands is None:
        print("import_kills: there are no data files in %s: the data are simulated" % DATA)
    directory = tempfile.mkdtemp(prefix="holter-kills-", dir=options.dir)
    begun = time.monotonic()
    what, rows, problem = "real" if commands else "simulated", 0, None
    commands = commands or simulated_commands(directory, options.seed)
    campaign = Campaign(options.kills, options.seed, directory, commands)
    try:
        expected = in_peace(os.path.join(directory, "undisturbed"), commands)
        rows = sum(count for count, _ in expected.values())
        while campaign.done() < options.kills:
            campaign.one_store(expected, begun + SECONDS_MAX)
    except Broken as broken:
        problem = str(broken)
    print("import_kills: seed %d, %s data: %d kills over %d imports of %d rows, %s" % (
        options.seed, what, campaign.done(), campaign.stores, rows,
        ", ".join("%d in %s" % (count, phase) for phase, count in campaign.hit.most_common())))
    print("import_kills: %s in the quarters of its files, %d in the compaction at the end; the other process %s; %.0f s" % (
        ", ".join(map(str, campaign.quarters[:4])), campaign.quarters[4],
        ", ".join("%s %d times" % pair for pair in sorted(campaign.left.items())), time.monotonic() - begun))
    if problem is not None:
        print("import_kills: %s (the store is left in %s)" % (problem, directory))
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    least = options.kills // 5
    if campaign.hit["flush"] < least or campaign.hit["compaction"] < least:
        print("import_kills: fewer than %d kills in flush or compaction: the run shows less than it claims" % least)
        return 1
    print("import_kills: every reopening succeeded, verify is clean, answers equal those of an undisturbed import")
    return 0


if __name__ == "__main__":
    sys.exit(main())
