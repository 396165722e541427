#!/usr/bin/env python3
"""unseen.py -- how many bits does a sample of people take whom the models were not trained on?

usage: unseen.py --make MAKE --scratch DIR [--parts M] [--data DIR]

In a copy of the tree, for each part of M: models are trained on all people but those of the part, bench_codec is built
with them and measures these people only. Together every person is measured by models that never saw them. Kinds of
sets that no model is trained on are measured once, with the last models. Prints a line per kind and codec.
"""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
COPIED = ("Makefile", "bench", "engine", "include", "tools", "out/release")  # what is built there is not built again
TRAINED_ON = ("fitabase", "welltory", "hall")  # train_models.py says why


def measure(scratch, tool, data, only, people):
    """(kind, codec) -> bits, samples"""
    command = [os.path.join(scratch, "out/release/bench/bench_codec"), "--dir", scratch, "--holter", tool, "--json",
               "--what", "sizes", "--only", only, *(["--people", people] if people else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=dict(os.environ, HOLTER_DATA=data))
    figures = [json.loads(line) for line in done.stdout.decode().splitlines()]
    samples = {f["case"]: f["value"] for f in figures if f["metric"] == "samples"}
    found = {}
    for figure in figures:
        if figure["metric"] == "size":
            kind, codec = figure["case"].rsplit(", ", 1)
            found[kind, codec] = figure["value"] * samples[kind], samples[kind]
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--make", default="make")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--parts", type=int, default=3)
    parser.add_argument("--data", default=os.environ.get("HOLTER_DATA", os.path.join(ROOT, "..", "shared", "data")))
    options = parser.parse_args()
    data = os.path.abspath(options.data)
    if not os.path.isdir(data):
        print("skip  unseen.py: there are no data files in %s" % data)
        return 77
    scratch = os.path.abspath(options.scratch)
    os.makedirs(scratch, exist_ok=True)
    for name in COPIED:
        target = os.path.join(scratch, name)
        if not os.path.exists(os.path.join(ROOT, name)):
            continue
        if os.path.isdir(os.path.join(ROOT, name)):
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(os.path.join(ROOT, name), target)
        else:
            shutil.copy2(os.path.join(ROOT, name), target)
    tool = os.path.join(scratch, "out/release/holter")
    total = collections.defaultdict(lambda: [0.0, 0.0])
    for part in range(options.parts):
        people = "%d/%d" % (part, options.parts)
        subprocess.run([sys.executable, "-B", os.path.join(scratch, "bench/train_models.py"), "--data", data, "--leave", people,
                        os.path.join(scratch, "models.txt"), os.path.join(scratch, "engine/codec/codec_tables.c")],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run([options.make, "-s", "-C", scratch, "out/release/holter", "out/release/bench/bench_codec"], check=True)
        is_last = part == options.parts - 1
        for only, who in [(name, people) for name in TRAINED_ON] + ([("covid", None)] if is_last else []):
            for case, (bits, samples) in measure(scratch, tool, data, only, who).items():
                total[case][0] += bits
                total[case][1] += samples
        print("part %s is measured" % people, file=sys.stderr, flush=True)
    for (kind, codec), (bits, samples) in sorted(total.items()):
        if samples and not kind.endswith("both"):
            print("%-28s %-16s %8.4f bits/sample of %d" % (kind, codec, bits / samples, samples))
    hearts = ("heart rate, fitabase", "heart rate 5-15 s, covid")
    for codec in sorted({codec for _, codec in total}):
        pairs = [total[kind, codec] for kind in hearts if (kind, codec) in total]
        print("%-28s %-16s %8.4f bits/sample of %d" % ("heart rate 5-15 s, both", codec, sum(b for b, _ in pairs) /
                                                       sum(s for _, s in pairs), sum(s for _, s in pairs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
