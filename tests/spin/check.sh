#!/bin/sh
# Check the model exhaustively, and that each of its seeded bugs is found: a check that cannot fail shows nothing.
set -eu
if ! command -v spin >/dev/null; then
    echo "spin: not installed: left out"
    exit 0
fi
model=$(cd "$(dirname "$0")" && pwd)/pins.pml
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
explore() { # NAME DEFINES
    spin -a "-DBUG=$2" "$model" >spin.out || { cat spin.out; exit 1; }
    ${CC:-cc} -O2 -w -DSAFETY -DMEMLIM=4096 -o pan pan.c
    ./pan -m1000000 >"$1.out" 2>&1 || true
}
explore model 0
states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' model.out)
if ! grep -q 'errors: 0' model.out || grep -qi 'max search depth too small\|out of memory\|error:' model.out; then
    cat model.out
    exit 1
fi
echo "spin: pins: $states states, exhaustive, 0 errors"
for bug in 1 2 3; do
    explore "bug$bug" $bug
    if ! grep -q 'assertion violated' "bug$bug.out"; then
        echo "spin: pins: seeded bug $bug is not found"
        exit 1
    fi
done
echo "spin: pins: 3 seeded bugs, each found"
