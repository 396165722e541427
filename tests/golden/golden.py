#!/usr/bin/env python3
"""golden.py -- the engine and the second reader read the same samples out of the same files.

    PROGRAMS=out/release/tests/golden python3 tests/golden/golden.py          the tests (`make golden`)
    PROGRAMS=... SEEDS=100            python3 tests/golden/golden.py          with more of the random stores
    PROGRAMS=...                      python3 tests/golden/golden.py record   write this format's archives anew

Committed: tests/golden/<format>/<kind>.tar.gz, each with `store/`, `store.keyring` where it is sealed, and
`expected.csv`. They are files that a release wrote, and are never changed once a release has gone out; archives, because
a checkout keeps neither modes (a keyring has 0600) nor holes. Fresh: the same kinds, made now by make_golden.c.

Each is printed three times in the canonical form (tests/reader/holter_reader.py), by the engine through its public
interface (dump.c), by the reader, and by the maker, who reckons what must stand from what it committed. All three are
equal, byte for byte. Fresh ones are also made at random, in a small world.
"""

import glob
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
READER = os.path.join(HERE, os.pardir, "reader")
PROGRAMS = os.environ.get("PROGRAMS", os.path.join(HERE, os.pardir, os.pardir, "out", "release", "tests", "golden"))
FORMAT = "0.1"
COMMITTED_KINDS = ("sealed", "plain", "unclosed", "kept", "linked")  # "large" and "device" are large

sys.dont_write_bytecode = True
sys.path.insert(0, READER)
import native  # noqa: E402 -- found by the line above
import segment  # noqa: E402
from store import Store  # noqa: E402


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def engine(store):
    return run(os.path.join(PROGRAMS, "dump"), store)


def reader(store, log="auto"):
    return run(sys.executable, "-B", os.path.join(READER, "holter_reader.py"), store, "--log", log)


def make(kind, store):
    """Make a store; what must stand in it."""
    made = run(os.path.join(PROGRAMS, "make_golden"), kind, store)
    if made.returncode != 0:
        raise AssertionError(f"make_golden {kind}: {made.stderr.decode()}")
    return made.stdout


def hashes(directory):
    """Every file below, by its path and bytes."""
    found = {}
    for path in glob.glob(os.path.join(directory, "**"), recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found[path] = hashlib.sha256(file.read()).hexdigest()
    return found


def remove_heads(store):
    for path in glob.glob(os.path.join(store, "**", "head"), recursive=True):
        os.unlink(path)


def seem_rebooted(store):
    """Name another boot in every log file (log.md, "File header"), as if the machine had been started since."""
    for path in glob.glob(os.path.join(store, "*", "*", "log-*")):
        with open(path, "r+b") as file:
            header = bytearray(file.read(136))
            header[112:128] = bytes(16)
            header[128:136] = native.xxh3_64(header[:128]).to_bytes(8, "little")
            for base in (0, 2048):
                file.seek(base)
                file.write(header)


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="golden-")
        self.addCleanup(self.directory.cleanup)
        self.store = os.path.join(self.directory.name, "store")

    def same(self, answer, expected, who):
        self.assertEqual(answer.stderr.decode(), "", who)
        self.assertEqual(answer.returncode, 0, who)
        if answer.stdout != expected:
            found, wanted = answer.stdout.splitlines(), expected.splitlines()
            for index in range(max(len(found), len(wanted))):
                pair = [lines[index] if index < len(lines) else b"(nothing)" for lines in (found, wanted)]
                if pair[0] != pair[1]:
                    self.fail(f"{who}: line {index + 1}: found {pair[0][:200]!r}, expected {pair[1][:200]!r}")
            self.fail(f"{who}: line ends differ")


class Committed(Case):
    """What releases wrote."""

    def test_every_archive_is_read_alike(self):
        archives = sorted(glob.glob(os.path.join(HERE, "*", "*.tar.gz")))
        self.assertGreaterEqual(len(archives), len(COMMITTED_KINDS))
        for path in archives:
            with self.subTest(os.path.relpath(path, HERE)), tempfile.TemporaryDirectory(prefix="golden-") as directory:
                with tarfile.open(path) as archive:
                    archive.extractall(directory)
                store = os.path.join(directory, "store")
                with open(os.path.join(directory, "expected.csv"), "rb") as file:
                    expected = file.read()
                self.assertGreater(expected.count(b"\n"), 30)
                before = hashes(directory)
                self.same(reader(store, "whole"), expected, "reader")
                self.same(engine(store), expected, "engine")
                self.assertEqual(hashes(directory), before, "reading changed a file")
                remove_heads(store)
                seem_rebooted(store)
                self.same(reader(store), expected, "reader, after a boot")
                self.same(engine(store), expected, "engine, after a boot")


class Fresh(Case):
    """What the writer of this tree writes."""

    def check(self, kind):
        expected = make(kind, self.store)
        self.same(reader(self.store, "whole"), expected, "reader")
        self.same(engine(self.store), expected, "engine")
        return expected

    def test_sealed_and_plain_stores_hold_the_same(self):
        expected = self.check("sealed")
        self.store += "-plain"
        self.assertEqual(self.check("plain"), expected)

    def test_logs_that_are_kept(self):
        self.check("kept")
        self.assertTrue(glob.glob(os.path.join(self.store, "*", "*", "kept-*")), "no log is kept")
        self.assertEqual(Store(self.store).catalog.feed, (400 * 86400 * 10**9, 1 << 26))

    def test_linked_frames(self):
        self.check("linked")

    def test_linked_frames_sealed_and_flushed(self):
        self.check("large")

    def test_a_series_with_own_models(self):
        self.check("device")
        read_own_models, found = segment.read_own_models, []
        self.addCleanup(setattr, segment, "read_own_models", read_own_models)
        segment.read_own_models = lambda c: found.append(read_own_models(c)) or found[-1]
        Store(self.store)
        self.assertTrue(found, "no series has own models")

    def test_random_stores(self):
        # in memory where that is to be had: they sync a thousand times, and tmpfs has no O_DIRECT, which is a way of its own
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        directory = tempfile.TemporaryDirectory(prefix="golden-", dir=memory)
        self.addCleanup(directory.cleanup)
        for seed in range(1, 1 + int(os.environ.get("SEEDS", "4"))):
            with self.subTest(seed=seed):
                self.store = os.path.join(directory.name, f"random-{seed}")
                self.check(f"random-{seed}")

    def test_a_store_that_nobody_closed(self):
        expected = self.check("unclosed")
        logs = [os.path.dirname(path) for path in glob.glob(os.path.join(self.store, "*", "*", "log-*"))]
        self.assertTrue(any(logs.count(shard) > 1 for shard in logs), "no log of several files")

        # in this boot and without head pages the end is where something says that it was synced
        remove_heads(self.store)
        covered = reader(self.store)
        self.assertLess(covered.stdout.count(b"\n"), expected.count(b"\n"))
        self.assertLessEqual(set(covered.stdout.splitlines()), set(expected.splitlines()))
        self.same(engine(self.store), covered.stdout, "engine without head pages")

        # in the next boot what is there is on disk
        seem_rebooted(self.store)
        self.same(reader(self.store), expected, "reader after a boot")
        self.same(engine(self.store), expected, "engine after a boot")


def record():
    os.makedirs(os.path.join(HERE, FORMAT), exist_ok=True)
    for kind in COMMITTED_KINDS:
        with tempfile.TemporaryDirectory(prefix="golden-") as directory:
            expected = make(kind, os.path.join(directory, "store"))
            with open(os.path.join(directory, "expected.csv"), "wb") as file:
                file.write(expected)
            path = os.path.join(HERE, FORMAT, f"{kind}.tar.gz")
            with tarfile.open(path, "w:gz") as archive:
                for name in sorted(os.listdir(directory)):
                    archive.add(os.path.join(directory, name), name, filter=_without_owner)
            print(f"{path}: {os.path.getsize(path)} bytes")


def _without_owner(member):
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    if sys.argv[1:] == ["record"]:
        record()
    else:
        unittest.main()
