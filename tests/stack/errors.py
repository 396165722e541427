#!/usr/bin/env python3
"""errors.py -- at each system call of every verb the kernel answers an error: one clear sentence or success, and nothing is lost.

    HOLTER=out/release/holter python3 tests/stack/errors.py [--sample N] [--verbs N] [--verb NAME] [--every] [--seed N] ..

As in kills.py a verb's system calls are counted, and then it is run for each of them with an error injected by strace, which does not
execute the call: once, or at that call and all later ones of its name. The errno is one that this call may fairly answer; which of them
goes round from call to call, or is each of them in turn (--every). What is not fair is left out: a call that says it did less, or did it,
while the kernel did nothing.

E1  The verb ends with success, and then all facts are as after it, and it prints what it prints undisturbed; or with a code that is
    not 0 and one sentence, which names the file and says what the kernel said. (ingest says one for each different failure.) It never
    crashes or hangs, and never calls an error damage, but for verify.
E2  A file is given up where a write or a sync of it failed: the process writes no byte to it any more, and syncs it no more.
E3  The claims of stack.py: what was acknowledged is there for a later process, and the verb run again ends well.
"""
import errno
import os
import random
import re
import shutil
import sys
import time

import stack

WRITING = ("EIO", "ENOSPC", "EDQUOT", "EFBIG", "EINTR", "EAGAIN", "EROFS")
NAMING = ("EIO", "ENOSPC", "EROFS", "EACCES", "ENOMEM")
ERRORS = {
    "openat": ("EIO", "EMFILE", "ENFILE", "EACCES", "EROFS", "ENOSPC", "ENOMEM", "EINTR", "EAGAIN"),
    "pread64": ("EIO", "EINTR", "EAGAIN", "ENOMEM"),
    "read": ("EIO", "EINTR"),
    "getdents64": ("EIO", "ENOMEM"),
    "newfstatat": ("EIO", "EACCES", "ENOMEM"),
    "pwrite64": WRITING,
    "write": ("EIO", "ENOSPC", "EINTR"),
    "fsync": ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EROFS"),
    "fdatasync": ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EROFS"),
    "ftruncate": WRITING,
    "fallocate": WRITING,
    "rename": NAMING,
    "linkat": NAMING,
    "unlink": NAMING + ("EBUSY",),
    "mkdir": NAMING,
    "fchmod": ("EIO", "EROFS", "EPERM"),
    "fcntl": ("EINTR", "ENOLCK"),
    "mmap": ("ENOMEM",),
    "mlock": ("ENOMEM", "EPERM"),
    "getrandom": ("EINTR",),
    "clone3": ("EAGAIN",),
    "statfs": ("EIO",),
    "lseek": ("EIO",),
}
ONLY = {"fcntl": "F_OFD_SETLK"}  # a lock, and not a flag that is looked up
DAMAGED = 3
NAMELESS = ("mmap", "mlock", "getrandom", "clone3", "read", "write")  # memory, threads, what comes in or goes out
WATCHED = ("openat", "pwrite64", "fdatasync", "rename")  # by which E2 is seen
# a state that may last; others pass (and stderr is written, too)
LASTING = ("EIO", "ENOSPC", "EROFS", "EMFILE", "ENFILE", "ENOMEM", "EDQUOT")


def written_after_error(log):
    """The name of a file that was written or synced after that had failed (E2). Head pages and lock files promise nothing."""
    files, given_up = {}, set()
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            opened = re.search(r'openat\(AT_FDCWD, "([^"]*)".* = ([0-9]+)$', line)
            if opened:
                files[opened.group(2)] = opened.group(1)
                if "O_EXCL" in line or "O_TMPFILE" in line:
                    given_up.discard(opened.group(1))  # made anew
            moved = re.search(r'rename\("[^"]*", "([^"]*)"\) = 0', line)
            if moved:
                given_up.discard(moved.group(1))  # another file has that name now
            used = re.search(r"(?:pwrite64|fdatasync)\(([0-9]+)\b.*?( = -1 E.*)?$", line)
            name = files.get(used.group(1)) if used else None
            if name is None or os.path.basename(name) in ("head", "lock"):
                continue
            if used.group(2):
                if "pwrite64(" not in line or "EINTR" not in line:  # before a byte was written
                    given_up.add(name)
            elif name in given_up:
                return name
    return None


def check_success(stage, done, cwd):
    """E1."""
    if stage.verb.is_stable and done.stdout != stage.undisturbed.stdout:
        raise stack.Broken("it ends well, but prints %r, undisturbed %r" % (done.stdout, stage.undisturbed.stdout))
    stack.check_between(stage.facts(cwd), stage.after, stage.after)


def check_clear(stage, call, error, sentence):
    """E1: it names a file and says what the kernel said."""
    if call not in NAMELESS and "'" not in sentence and "/proc/" not in sentence:
        raise stack.Broken("the sentence names no file: %s" % sentence)
    told = os.strerror(getattr(errno, error))
    if call not in NAMELESS and told not in sentence and stage.verb.name != "verify":
        raise stack.Broken("the sentence does not say '%s': %s" % (told, sentence))


def main():
    parser = stack.options(__doc__)
    parser.add_argument("--every", action="store_true", help="each errno at each call")
    parser.add_argument("--call", help="only this system call")
    parser.add_argument("--sentences", action="store_true", help="print what was said, each once")
    asked = parser.parse_args()
    missing = stack.why_no_strace()
    if missing:
        print("errors: left out: %s" % missing)
        return 0
    directory = stack.workplace(asked.dir)
    campaign = stack.Campaign("errors", directory, asked.jobs)
    begun, counts = time.monotonic(), {"failed": 0, "succeeded": 0}
    sentences = {}
    stages = campaign.stages(stack.verbs_of(asked))

    def shoot(shot):
        name, call, ordinal, error, lasts = shot
        stage = stages[name]
        cwd = stage.copy()
        log = cwd + ".strace"
        done = stack.inject(stage, cwd, call, "error=%s:when=%d%s" % (error, ordinal, "+" if lasts else ""), log,
                            WATCHED if call in WATCHED else ())
        stack.check_sentence(done, stage.verb.name)
        if done.returncode == DAMAGED and stage.verb.name != "verify":
            raise stack.Broken("an error is taken for damage: %s" % done.stderr)
        if done.returncode == 0:
            check_success(stage, done, cwd)
        else:
            check_clear(stage, call, error, done.stderr)
            sentences.setdefault(re.sub("[0-9a-f]{3,}", "N", done.stderr.strip()), shot)
        counts["succeeded" if done.returncode == 0 else "failed"] += 1
        again = written_after_error(log)
        if again:
            raise stack.Broken("'%s' is written again after an error" % again)
        stage.check_claims(cwd, done.stdout)
        shutil.rmtree(cwd)
        os.unlink(log)

    shots = []
    for name, stage in stages.items():
        calls = stack.calls_of(stage, ERRORS, os.path.join(directory, "calls"), ONLY)
        dice = random.Random("%d %s" % (asked.seed, name))
        of_verb = []
        for call, ordinals in sorted(calls.items()):
            if asked.call and call != asked.call:
                continue
            for ordinal in ordinals:
                errors = ERRORS[call] if asked.every else (ERRORS[call][(ordinal + asked.seed) % len(ERRORS[call])],)
                of_verb += [(name, call, ordinal, error, call != "write" and error in LASTING and dice.random() < 0.5) for error in errors]
        shots += stack.drawn(asked, name, of_verb)
    campaign.fire(shots, shoot)
    for sentence, shot in sorted(sentences.items()) if asked.sentences else ():
        print("%s\n    %s" % (shot, sentence))
    print("errors: seed %d: %d verbs with an error at %d system calls, of which %d failed, with %d different sentences; %.0f s" % (
        asked.seed, len(stages), sum(counts.values()), counts["failed"], len(sentences), time.monotonic() - begun))
    return campaign.end("one sentence each or full success, no file was trusted again, what was acknowledged is there")


if __name__ == "__main__":
    sys.exit(main())
