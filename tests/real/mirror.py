#!/usr/bin/env python3
"""mirror.py -- a receiver of changes that is killed again and again keeps a copy that equals the store.

    HOLTER=out/release/holter python3 tests/real/mirror.py SECONDS [--seed N] [--dir DIR]

Two processes import rows of any age, shuffled, given twice, and corrected by revisions; one replaces ranges, in any order of their
revisions; one flushes and compacts. Beside them `holter tail --follow --json` is read: what comes is applied to a copy by the rules of
include/holter/changes.h, and the copy is durable with each token. The receiver is killed at random moments: then it goes on from what
is durable, the last token. At first the store keeps no logs, so that tokens expire, and the copy is begun anew by --rescan; then it keeps
them, and no token may expire any more.

In the end the copy equals what query prints, users and all.
"""
import argparse
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HOLTER = os.path.abspath(os.environ["HOLTER"])
EXPIRED = 6
SLEEP_HEADER = ("user_code,sleep_begin,sleep_end,day,sleep_duration,sleep_awake_duration,sleep_rem_duration,"
                "sleep_light_duration,sleep_deep_duration,pulse_min,pulse_max,pulse_average")
METRICS = ("heart_rate", "welltory_sleep")
USERS = 12


class Broken(Exception):
    """A claim does not hold."""


def holter(*arguments, stdin=None):
    done = subprocess.run([HOLTER, *arguments], input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise Broken("holter %s ends with %d: %s" % (" ".join(arguments[:2]), done.returncode, done.stderr.decode()))
    return done.stdout


# ---- those who write

def heart_rates(store, dice):
    rows = [(dice.randrange(USERS), dice.randrange(400), 50 + dice.randrange(90), dice.choice((0, 0, 0, 1, 2, 3)))
            for _ in range(dice.randrange(1, 60))]
    rows += dice.sample(rows, len(rows) // 3)  # given twice
    text = "u,t,v,r\n" + "".join("user-%d,%d,%d,%d\n" % row for row in rows)
    holter("import", store, "--format", "csv", "--metric", "heart_rate", "--map", "user=u,time=t,value=v,revision=r",
           "--time-format", "unix_s", "-", stdin=text.encode())


def nights(store, dice, directory):
    path = os.path.join(directory, "nights.csv")
    with open(path, "w", encoding="ascii") as file:
        file.write(SLEEP_HEADER + "\n")
        for user in dice.sample(range(USERS), dice.randrange(1, 4)):
            day = dice.randrange(1, 28)
            file.write("user-%d,2020-04-%02d 22:0%d:00,2020-04-%02d 06:00:00,2020-04-%02d,%d,,,,,,,\n"
                       % (user, day, dice.randrange(10), day + 1, day + 1, 20000 + dice.randrange(9000)))
    subprocess.run([HOLTER, "import", store, "--format", "welltory", "--revision", "2020-06-%02d" % dice.randrange(1, 29), path],
                   capture_output=True, check=False)  # an older one than is there is refused


def upkeep(store, dice):
    holter(*dice.choice((("flush", store), ("compact", store), ("compact", store, "--to", "warm"))))
    time.sleep(0.05)


def run_until(stop, faults, work, *arguments):
    try:
        while not stop.is_set():
            work(*arguments)
    except Broken as fault:
        faults.append(fault)


# ---- the copy

class Mirror:
    """Users, rows and the deletions that hide rows to come; a token makes it durable."""

    def __init__(self):
        self.users, self.rows, self.deletions = {}, {}, []
        self.changes = 0

    def apply(self, line):
        self.changes += 1
        kind = line["change"]
        if kind == "user_added":
            self.users[line["number"]] = line["user"]
        elif kind == "upsert":
            self.upsert(line)
        elif kind == "delete":
            self.delete(line)
        else:
            raise Broken("a change of kind " + kind)

    @staticmethod
    def covers(deletion, key):
        user, metric, source, begin = key
        return (deletion["user"] == user and deletion["metric"] in (None, metric) and deletion["source"] in (None, source)
                and (deletion["from"] is None or deletion["from"] <= begin) and (deletion["to"] is None or begin < deletion["to"]))

    def upsert(self, line):
        key = (line["user"], line["metric"], line["source"], line["time"])
        if key in self.rows and self.rows[key]["revision"] > line["revision"]:
            return
        if any(self.covers(deletion, key) and deletion["revision"] > line["revision"] for deletion in self.deletions):
            return
        self.rows[key] = line

    def delete(self, line):
        for key in [key for key, row in self.rows.items() if self.covers(line, key) and
                    (line["revision"] == 0 or row["revision"] <= line["revision"])]:
            del self.rows[key]
        if line["revision"] != 0 and line not in self.deletions:
            self.deletions.append(line)

    def answers(self):
        return sorted((user, metric, source, begin, row.get("duration"), json.dumps(row["fields"]), tuple(row["flags"]))
                      for (user, metric, source, begin), row in self.rows.items() if metric in METRICS)


class Receiver:
    def __init__(self, store, dice):
        self.store, self.dice = store, dice
        self.durable, self.token = Mirror(), None
        self.counts = {"killed": 0, "expired": 0, "tokens": 0, "changes": 0}

    def follow(self, *options, seconds=None):
        """Read a tail until it ends, or kill it and what is not durable after so many seconds. Answers its exit code."""
        since = ["--since", self.token] if self.token else ["--rescan"]
        mirror = copy.deepcopy(self.durable) if self.token else Mirror()
        with subprocess.Popen([HOLTER, "tail", self.store, "--json", *since, *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as tail:
            killer = threading.Timer(seconds, tail.kill) if seconds else None
            if killer:
                killer.start()
            for text in tail.stdout:
                if not text.endswith("\n"):
                    break
                line = json.loads(text)
                if "token" not in line:
                    mirror.apply(line)
                    continue
                self.durable, self.token = copy.deepcopy(mirror), line["token"]
                self.counts["tokens"] += 1
            sentence = tail.stderr.read()
            code = tail.wait()
            if killer:
                killer.cancel()
        self.counts["changes"] += mirror.changes
        if code not in (0, EXPIRED, -9):
            raise Broken("tail ends with %d: %s" % (code, sentence))
        if code == EXPIRED:
            self.counts["expired"] += 1
            self.token = None
        self.counts["killed"] += code == -9
        return code


def stored(store):
    users, rows = [], []
    for user in json.loads(holter("users", store, "--ids", "--json")):
        users.append(user["id"])
    for metric in METRICS:
        listed = "".join(user + "\n" for user in users).encode()
        for line in holter("query", store, "--user", "-", "--metric", metric, "--format", "json", stdin=listed).splitlines():
            row = json.loads(line)
            rows.append((row["user"], row["metric"], row["source"], row["time"], row.get("duration"),
                         json.dumps(row["fields"]), tuple(row["flags"])))
    return sorted(users), sorted(rows)


def check(store, receiver):
    users, rows = stored(store)
    if sorted(receiver.durable.users.values()) != users:
        raise Broken("the copy has the users %r, the store %r" % (sorted(receiver.durable.users.values()), users))
    found = receiver.durable.answers()
    if found != rows:
        differ = sorted(set(found) ^ set(rows))
        raise Broken("the copy has %d rows, the store %d; %d differ, the first is %r (%s)"
                     % (len(found), len(rows), len(differ), differ[0], "copy" if differ[0] in found else "store"))
    return len(rows)


def run(directory, seconds, seed):
    store = os.path.join(directory, "store")
    holter("init", store, "--shards", "2")
    stop, faults = threading.Event(), []
    works = [(heart_rates, store, random.Random(seed * 10 + 1)), (heart_rates, store, random.Random(seed * 10 + 2)),
             (nights, store, random.Random(seed * 10 + 3), directory), (upkeep, store, random.Random(seed * 10 + 4))]
    threads = [threading.Thread(target=run_until, args=(stop, faults, *work)) for work in works]
    for thread in threads:
        thread.start()
    dice = random.Random(seed)
    receiver = Receiver(store, dice)
    try:
        end = time.monotonic() + seconds
        keeps_from = time.monotonic() + seconds / 3
        is_kept, expired = False, None
        while time.monotonic() < end and not faults:
            if not is_kept and time.monotonic() > keeps_from:
                holter("feed", store, "--keep", "1d")
                receiver.follow(*(["--follow"] if receiver.token else []), seconds=1)  # it may have expired before
                if receiver.token is None:
                    receiver.follow()
                is_kept, expired = True, receiver.counts["expired"]
            receiver.follow("--follow", seconds=0.1 + dice.random() * 0.7)
            time.sleep(dice.random() * 0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if faults:
        raise faults[0]
    if is_kept and receiver.counts["expired"] != expired:
        raise Broken("a token expired although the store keeps its logs")
    receiver.follow()
    rows = check(store, receiver)
    holter("verify", store)
    print("mirror: %d rows in the copy and in the store; %d tokens, %d changes, killed %d times, begun anew %d times"
          % (rows, receiver.counts["tokens"], receiver.counts["changes"], receiver.counts["killed"],
             receiver.counts["expired"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir")
    asked = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="mirror-", dir=asked.dir)
    try:
        run(directory, asked.seconds, asked.seed)
    except Broken as fault:
        print("mirror: %s" % fault)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


sys.exit(main())
