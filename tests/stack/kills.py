#!/usr/bin/env python3
"""kills.py -- every verb is killed at each of its system calls: nothing acknowledged is lost, and the verb run again ends well.

    HOLTER=out/release/holter python3 tests/stack/kills.py [--sample N] [--verbs N] [--verb NAME] [--seed N] [--jobs N] [--dir DIR]

A verb is run once under strace, and its system calls are counted, from the first one that names the store. Then it is run on a copy of
its store for each of them, and killed as it enters that call: between any two calls, that is. Of several threads each counts for itself,
so the first that gets so far is the one that tells the moment. After each kill: the claims of stack.py. With --sample only so many kills
of each verb, with --verbs only so many verbs, drawn by the seed.
"""
import os
import shutil
import sys
import time

import stack


def main():
    asked = stack.options(__doc__).parse_args()
    missing = stack.why_no_strace()
    if missing:
        print("kills: left out: %s" % missing)
        return 0
    directory = stack.workplace(asked.dir)
    campaign = stack.Campaign("kills", directory, asked.jobs)
    begun, counts = time.monotonic(), {"killed": 0, "not reached": 0}
    stages = campaign.stages(stack.verbs_of(asked))

    def shoot(shot):
        name, call, ordinal = shot
        stage = stages[name]
        cwd = stage.copy()
        done = stack.inject(stage, cwd, call, "signal=KILL:when=%d" % ordinal, cwd + ".strace")
        if done.returncode not in (0, -9):
            raise stack.Broken("ends with %d: %s" % (done.returncode, done.stderr))
        counts["killed" if done.returncode == -9 else "not reached"] += 1
        stage.check_claims(cwd, done.stdout)
        shutil.rmtree(cwd)
        os.unlink(cwd + ".strace")

    shots = []
    for name, stage in stages.items():
        calls = stack.calls_of(stage, stack.TRACED, os.path.join(directory, "calls"))
        shots += stack.drawn(asked, name, [(name, call, ordinal) for call, ordinals in sorted(calls.items()) for ordinal in ordinals])
    campaign.fire(shots, shoot)
    print("kills: seed %d: %d verbs, killed at %d system calls, %d others were not reached; %.0f s" % (
        asked.seed, len(stages), counts["killed"], counts["not reached"], time.monotonic() - begun))
    if counts["not reached"] > len(shots) // 5:
        campaign.breaks("more than a fifth of the calls were not reached: the run shows less than it claims")
    return campaign.end("after each the store is sound, what was acknowledged is there, and the verb run again ends well")


if __name__ == "__main__":
    sys.exit(main())
