#!/usr/bin/env python3
"""full.py -- disks that run full, by bytes and by inodes, limits of a process, a disk that turns read-only: nothing is lost, all resumes.

    HOLTER=out/release/holter python3 tests/stack/full.py [--short] [--seed N] [--case NAME] [--jobs N] [--dir DIR]

On a small tmpfs and an ext4 on a loop device (left out, saying so, where they cannot be mounted), with ballast that leaves a little room:

  log         holter ingest reads a pipe that keeps feeding until a line is answered "retry"; meanwhile all that was acknowledged can
              be read; the ballast goes, and the same process takes the rest, sent again
  import      rows are told as not stored, and taken when it is run again
  flush, compact, to warm, to cold   with more and more room: one sentence that says there is no space, or success; what is there can
              be read and verified while the disk is full; once there is room the verb ends well
  open        without head pages, as after a start of the machine: reading works, a writer says what is missing
  init        says so, and makes the store once there is room

Then, without a disk of its own: every verb under `ulimit -n` and `ulimit -f`, more and more; and on ext4 an error of the file system, upon
which the kernel makes it read-only under an ingest and a tail that run (an ordinary remount is refused while a file is open for
writing): ingest answers "retry", queries go on; after it is mounted again all that was acknowledged is there.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import stack

NO_SPACE = re.compile("no space left|file too large|quota", re.IGNORECASE)
BYTES_LEFT = (0, 4096, 12288, 40960, 131072, 266240, 400000, 800000, 2 << 20)
INODES_LEFT = (0, 1, 2, 3, 4, 6, 9, 14)
DISK_BYTES = 24 << 20
LINES_AT_ONCE = 100


# ---- disks

def system(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise stack.Broken("%s: %s" % (" ".join(command), done.stderr.strip()))
    return done.stdout


class Disk:
    """A file system of its own, and ballast on it."""

    def __init__(self, kind, directory, name):
        self.kind = kind
        self.path = os.path.join(directory, name)
        self.image = self.path + ".image"
        os.mkdir(self.path)
        if kind == "ext4":
            with open(self.image, "wb") as image:
                image.truncate(DISK_BYTES)
            system("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-N", "256", self.image)
        self.mount()

    def mount(self):
        if self.kind == "tmpfs":
            system("mount", "-t", "tmpfs", "-o", "size=%d,nr_inodes=256" % DISK_BYTES, "none", self.path)
        else:
            system("mount", "-o", "loop,errors=remount-ro", self.image, self.path)

    def unmount(self):
        system("umount", self.path)

    def fill(self, bytes_left=None, inodes_left=None):
        ballast = os.path.join(self.path, "ballast")
        os.mkdir(ballast)
        if bytes_left is not None:
            with open(os.path.join(ballast, "bytes"), "wb") as file:
                while self.bytes_free() > bytes_left:
                    file.write(bytes(min(1 << 20, self.bytes_free() - bytes_left)))
                    file.flush()
                    os.fsync(file.fileno())
        while inodes_left is not None and os.statvfs(self.path).f_ffree > inodes_left:
            with open(os.path.join(ballast, str(os.statvfs(self.path).f_ffree)), "wb"):
                pass

    def bytes_free(self):
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def make_room(self):
        shutil.rmtree(os.path.join(self.path, "ballast"))

    def fail(self):
        """The kernel meets an error on it, and makes it read-only."""
        device = os.path.basename(system("losetup", "-j", self.image).split(":")[0])
        with open("/sys/fs/ext4/%s/trigger_fs_error" % device, "w", encoding="ascii") as trigger:
            trigger.write("1")


def kinds_of_disks(directory):
    kinds = []
    for kind in ("tmpfs", "ext4"):
        try:
            disk = Disk(kind, directory, "probe-" + kind)
            disk.unmount()
            kinds.append(kind)
        except (stack.Broken, OSError) as broken:
            print("full: left out: %s cannot be mounted: %s" % (kind, str(broken).split("\n", maxsplit=1)[0]))
    return kinds


# ---- a gateway

class Gateway:
    """holter ingest, which reads a pipe; what it has acknowledged."""

    def __init__(self, cwd):
        self.cwd, self.sent, self.stored = cwd, 0, {}
        self.dice = random.Random(1)
        self.process = subprocess.Popen([stack.HOLTER, "ingest", "store", "--precision", "s"], cwd=cwd, env=stack.ENVIRONMENT, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(self, notes):
        """Notes that are to be sent again, and the last reason."""
        again, reason = [], None
        self.process.stdin.write("".join('note,user=%s%d text="%s" %d\n' % (stack.HIDDEN, time % 5, text, time) for time, text in notes))
        self.process.stdin.flush()
        for time, text in notes:
            answer = self.process.stdout.readline().split(None, 2)
            self.sent += 1
            if len(answer) < 2 or int(answer[0]) != self.sent:
                raise stack.Broken("line %d is answered %r; %s" % (self.sent, answer, self.process.stderr.read() if not answer else ""))
            if answer[1] == "ok":
                self.stored[time] = text
            elif answer[1] == "retry":
                again.append((time, text))
                reason = answer[2].strip()
            else:
                raise stack.Broken("line %d is answered %r" % (self.sent, answer))
        return again, reason

    def notes(self, first):
        return [(first + i, "%0200x" % self.dice.getrandbits(800)) for i in range(LINES_AT_ONCE)]

    def check(self):
        """All that was acknowledged is there, nothing else."""
        listed = "".join("%s%d\n" % (stack.HIDDEN, user) for user in range(5) if any(time % 5 == user for time in self.stored))
        found = {}
        for line in stack.holter(["query", "store", "--user", "-", "--metric", "note", "--source", "ingest", "--format", "json"], self.cwd,
                                 listed).splitlines():
            row = json.loads(line)
            found[row["time"]] = row["fields"]["text"]
        wanted = {time_text(time): text for time, text in self.stored.items()}
        if found != wanted:
            raise stack.Broken("%d rows are stored, %d were acknowledged; %d differ" % (
                len(found), len(wanted), sum(found.get(key) != wanted.get(key) for key in found.keys() | wanted.keys())))
        stack.holter(["verify", "store"], self.cwd)

    def end(self):
        self.process.stdin.close()
        self.process.stdout.read()
        sentences = self.process.stderr.read().splitlines()
        code = self.process.wait()
        if code not in (0, 1) or len(sentences) > 3 or any(stack.HIDDEN in sentence for sentence in sentences):
            raise stack.Broken("ingest ends with %d: %s" % (code, sentences))
        return sentences

    def kill(self):
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        self.process.wait()


def time_text(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


# ---- cases on a full disk

def check_no_space(done, what):
    stack.check_sentence(done, what)
    if done.returncode not in (0, 1):
        raise stack.Broken("%s ends with %d: %s" % (what, done.returncode, done.stderr))
    if done.returncode == 1 and (not NO_SPACE.search(done.stderr) or "'store" not in done.stderr):
        raise stack.Broken("%s: the sentence does not say which file finds no space: %s" % (what, done.stderr))


def log_case(disk, left):
    stack.prepare_made(disk.path)
    gateway = Gateway(disk.path)
    try:
        if gateway.send(gateway.notes(0))[0]:
            raise stack.Broken("there was no room from the start")
        disk.fill(**left)
        again, reason, first = [], None, LINES_AT_ONCE
        while not again:
            again, reason = gateway.send(gateway.notes(first))
            first += LINES_AT_ONCE
            if first > 500 * LINES_AT_ONCE:
                raise stack.Broken("the disk never ran full")
        if not NO_SPACE.search(reason) or "'store/" not in reason:
            raise stack.Broken("a line is to be sent again because %s" % reason)
        gateway.check()
        again = gateway.send(again)[0]
        disk.make_room()
        again, reason = gateway.send(again)
        if again:
            raise stack.Broken("with room again lines are not taken: %s" % reason)
        if gateway.send(gateway.notes(first))[0]:
            raise stack.Broken("with room again new lines are not taken")
        gateway.check()
        gateway.end()
        gateway.check()
    finally:
        gateway.kill()


def verb_case(verb, grounds):
    """A verb on the store that is prepared for it."""
    def case(disk, left):
        ground = grounds[verb.prepare]
        shutil.copytree(os.path.join(ground.path, "store"), os.path.join(disk.path, "store"))
        shutil.copy(os.path.join(ground.path, "store.keyring"), disk.path)
        disk.fill(**left)
        before = {key: fact for key, fact in ground.facts.items() if key[0] in ("user", "row")}
        done = stack.run(verb.arguments, disk.path, verb.stdin)
        check_no_space(done, verb.name)
        after = stack.facts(disk.path)
        stack.holter(["verify", "store"], disk.path)
        disk.make_room()
        stack.holter(verb.arguments, disk.path, verb.stdin)
        ideal = stack.facts(disk.path)
        stack.check_between(after, before, ideal)
        if verb.name != "import":
            stack.check_between(ideal, before, before)
        elif done.returncode == 1 and " not stored" not in done.stdout and "header" not in done.stdout:
            raise stack.Broken("it does not tell how many rows are not stored: %r %r" % (done.stdout, done.stderr))
        stack.holter(["verify", "store"], disk.path)
    return case


def open_case(grounds):
    def case(disk, left):
        ground = grounds[stack.prepare_logged]
        shutil.copytree(os.path.join(ground.path, "store"), os.path.join(disk.path, "store"))
        shutil.copy(os.path.join(ground.path, "store.keyring"), disk.path)
        for root, _, names in os.walk(os.path.join(disk.path, "store")):
            if "head" in names:
                os.unlink(os.path.join(root, "head"))
        before = stack.facts(disk.path)
        disk.fill(**left)
        if stack.facts(disk.path) != before:
            raise stack.Broken("without room other facts are read")
        for arguments in (["stat", "store"], ["verify", "store"], ["tail", "store"]):
            stack.holter(arguments, disk.path)
        done = stack.run(stack.CSV, disk.path, stack.heart_rates(0, 3, 60))
        check_no_space(done, "import")
        disk.make_room()
        stack.holter(stack.CSV, disk.path, stack.heart_rates(0, 3, 60))
    return case


def init_case(disk, left):
    disk.fill(**left)
    done = stack.run(["init", "store"], disk.path)
    check_no_space(done, "init")
    disk.make_room()
    if done.returncode == 0:
        return
    for name in ("store", "store.keyring"):
        if os.path.exists(os.path.join(disk.path, name)):
            stack.remove(os.path.join(disk.path, name))
    stack.holter(["init", "store"], disk.path)
    stack.holter(stack.CSV, disk.path, stack.heart_rates(0, 3, 60))


# ---- a disk that turns read-only

def read_only_case(disk, left):
    del left
    stack.prepare_made(disk.path)
    gateway = Gateway(disk.path)
    with subprocess.Popen([stack.HOLTER, "tail", "store", "--follow", "--json"], cwd=disk.path, env=stack.ENVIRONMENT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        try:
            gateway.send(gateway.notes(0))
            disk.fail()
            again, reason = gateway.send(gateway.notes(LINES_AT_ONCE))
            if not again or not re.search("read-only file system|input/output error", reason, re.IGNORECASE) or "'store" not in reason:
                raise stack.Broken("%d lines are to be sent again because %s" % (len(again), reason))
            gateway.check()
            if tail.poll() is not None:
                raise stack.Broken("tail ended with %d: %s" % (tail.returncode, tail.stderr.read()))
            again, reason = gateway.send(again)
            if not again:
                raise stack.Broken("lines are taken by a file system that is read-only")
            gateway.end()
        finally:
            gateway.kill()
            tail.kill()
    disk.unmount()
    disk.mount()
    # The head page, which was never synced, is lost; within the boot readers then wait for a writer to tell what is durable (D4).
    resumed = Gateway(disk.path)
    try:
        resumed.stored = gateway.stored
        if resumed.send(again)[0]:
            raise stack.Broken("mounted again it takes no lines")
        resumed.check()
        resumed.end()
    finally:
        resumed.kill()


# ---- limits of a process

def limit_shot(stages, shot):
    name, what, limit = shot
    stage = stages[name]
    cwd = stage.copy()
    done = stack.run(stage.verb.arguments, cwd, stage.verb.stdin, ["sh", "-c", 'ulimit %s %d; exec "$@"' % (what, limit), "limit"])
    if done.returncode == 127 and "shared libraries" in done.stderr:
        shutil.rmtree(cwd)
        return False
    stack.check_sentence(done, name)
    if done.returncode != 0 and not re.search("too many open files|file too large|no space left", done.stderr, re.IGNORECASE):
        raise stack.Broken("the sentence does not say what is wrong: %s" % done.stderr)
    stage.check_claims(cwd, done.stdout)
    shutil.rmtree(cwd)
    return done.returncode != 0


# ---- all

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--short", action="store_true", help="a few of all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", help="only cases whose name contains this")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dir", help="where stores are made, and disks are mounted")
    asked = parser.parse_args()
    begun, dice = time.monotonic(), random.Random(asked.seed)
    directory = stack.workplace(asked.dir)
    campaign = stack.Campaign("full", directory, asked.jobs)
    kinds = kinds_of_disks(directory)
    cases = {"log": log_case, "init": init_case, "open": open_case(campaign.prepared)}
    prepares = {"open": stack.prepare_logged}
    for verb in stack.VERBS:
        if verb.name in ("import", "flush", "compact --to warm", "compact --to cold"):
            cases[verb.name] = verb_case(verb, campaign.prepared)
            prepares[verb.name] = verb.prepare
    lefts = [{"bytes_left": left} for left in BYTES_LEFT] + [{"inodes_left": left} for left in INODES_LEFT]
    shots = [(kind, name, left) for kind in kinds for name in cases for left in lefts
             if name != "log" or left.get("inodes_left", 0) <= 4]  # a log of many files takes more lines than it is worth
    if "ext4" in kinds:
        shots.append(("ext4", "read-only", {}))
        cases["read-only"] = read_only_case
    shots = [shot for shot in shots if not asked.case or asked.case in shot[1]]
    if asked.short:
        shots = dice.sample(shots, min(len(shots), 6))
    campaign.grounds({prepares[shot[1]] for shot in shots if shot[1] in prepares})

    def shoot(shot):
        kind, name, left = shot
        disk = Disk(kind, directory, "-".join(re.findall("[a-z0-9]+", repr(shot))))
        try:
            cases[name](disk, left)
        finally:
            disk.unmount()
        os.rmdir(disk.path)
        if os.path.exists(disk.image):
            os.unlink(disk.image)

    campaign.fire(shots, shoot)
    failed = []
    limits = []
    if not asked.case or asked.case == "limits":
        verbs = [verb for verb in stack.VERBS if not asked.short or verb.name == "import"]
        stages = campaign.stages(verbs)
        limits = [(name, what, limit) for place, name in enumerate(stages)
                  for what, amounts in (("-n", range(6 + place % 2, 36, 2)), ("-f", (0, 1, 8, 16, 100, 300, 600))) for limit in amounts]
        if asked.short:
            limits = dice.sample(limits, 4)
        campaign.fire(limits, lambda shot: failed.append(limit_shot(stages, shot)))
    print("full: seed %d: %d cases on %s, %d limits, of which %d were felt; %.0f s" % (
        asked.seed, len(shots), " and ".join(kinds) or "no disk", len(limits), sum(failed), time.monotonic() - begun))
    return campaign.end("clear sentences, nothing acknowledged was lost, all resumed once there was room")


if __name__ == "__main__":
    sys.exit(main())
