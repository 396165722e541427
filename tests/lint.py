#!/usr/bin/env python3
"""Rules of construction that no compiler checks. Run by `make lint`; prints each breach, exits 1 where there is one.

 1. A room includes the doors of rooms that NEEDS_<room> in the Makefile names, and headers of its own; nothing else of engine/.
 2. Only engine/io includes headers of the operating system.
 3. tools/ and bench/ see include/ alone; bench/ also tools/cohort.h, which needs no store: both make up the same people.
    Of bench/, what measures codecs by themselves (CODEC_BENCH) sees the codec room's door.
 4. Of the library's symbols only holter_* are global.
 5. Names of source files are unique in engine/ and tools/.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SYSTEM = {"unistd.h", "fcntl.h", "time.h", "pthread.h", "sys/stat.h", "sys/mman.h", "sys/types.h", "sys/random.h",
          "sys/file.h", "sys/statvfs.h", "dirent.h", "sched.h", "signal.h", "poll.h", "sys/uio.h", "ucontext.h"}
CODEC_BENCH = {"bench/coders.h", "bench/columns_zstd.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
breaches = []


def needs():
    found = {}
    with open(os.path.join(ROOT, "Makefile")) as makefile:
        text = makefile.read()
    rooms = re.search(r"^ROOMS := ((?:.*\\\n)*.*)$", text, re.M).group(1).replace("\\\n", " ").split()
    for room in rooms:
        line = re.search(r"^NEEDS_%s :=(.*)$" % room, text, re.M)
        names = line.group(1).split()
        found[room] = set(rooms) if any("$" in name for name in names) else set(names)
    return found


def sources(folder):
    for base, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.join(base, name)


def check_engine(allowed):
    for path in sources("engine"):
        where = os.path.relpath(path, ROOT)
        room = where.split(os.sep)[1]
        with open(path) as source:
            text = source.read()
        for quote, name in INCLUDE.findall(text):
            if quote == "<":
                if name in SYSTEM and room != "io":
                    breaches.append(f"{where}: includes <{name}>: only engine/io calls the system")
                continue
            parts = name.split("/")
            of = parts[0] if len(parts) > 1 else room
            if of == "holter" or of == room:
                continue
            if of not in allowed[room]:
                breaches.append(f"{where}: includes \"{name}\", which NEEDS_{room} does not name")
            elif parts[1] != f"{of}.h" and parts[1] != "io_sim.h":
                breaches.append(f"{where}: includes \"{name}\": only a room's door may be included")


def check_public_only(folder, also=()):
    for path in sources(folder):
        where = os.path.relpath(path, ROOT)
        with open(path) as source:
            for quote, name in INCLUDE.findall(source.read()):
                if name == "codec/codec.h" and where in CODEC_BENCH:
                    continue
                if quote == '"' and "/" in name and not name.startswith("holter/") and name not in also:
                    breaches.append(f"{where}: includes \"{name}\", expected the public headers alone")


def check_symbols(library):
    if not os.path.exists(library):
        breaches.append(f"{library}: not built")
        return
    listed = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        parts = line.split()
        if len(parts) == 3 and not parts[2].startswith("holter_"):
            breaches.append(f"{library}: exports {parts[2]}")
    dynamic = subprocess.run(["nm", "-D", "--defined-only", library[:-1] + "so"], capture_output=True, text=True, check=True)
    for line in dynamic.stdout.splitlines():
        symbol = line.split()[-1].split("@")[0]
        if not symbol.startswith(("holter_", "HOLTER_")):
            breaches.append(f"libholter.so: exports {symbol}")


def check_names():
    seen = {}
    for folder in ("engine", "tools"):
        for path in sources(folder):
            name = os.path.basename(path)
            if name in seen and not (folder == "tools" or "tools" in seen[name]):
                breaches.append(f"{os.path.relpath(path, ROOT)}: {seen[name]} has the same name")
            seen.setdefault(name, os.path.relpath(path, ROOT))


def main():
    check_engine(needs())
    check_public_only("tools")
    check_public_only("bench", also=("../tools/cohort.h",))
    check_symbols(os.path.join(ROOT, sys.argv[1] if len(sys.argv) > 1 else "out/release/libholter.a"))
    check_names()
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


sys.exit(main())
