#!/usr/bin/env python3
"""peak.py MEBIBYTES COMMAND ... -- run a command; fail when its memory was greater at its peak.

The code is the command's. HOLTER_PEAK=any measures nothing: sanitizers take memory of their own. A small process of its own: a child counts what its parent held when it was forked.
"""
import os
import resource
import subprocess
import sys

code = subprocess.run(sys.argv[2:], check=False).returncode
peak_mebibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
if os.environ.get("HOLTER_PEAK") != "any" and peak_mebibytes > int(sys.argv[1]):
    print("peak of %d MiB, expected at most %s" % (peak_mebibytes, sys.argv[1]), file=sys.stderr)
    code = code or 1
sys.exit(code)
