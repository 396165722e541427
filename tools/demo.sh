#!/bin/sh
# demo.sh -- the main job, to look at: a store is made, a day of five people's heart rates goes in, twice and in the
# middle of a kill -9, and comes out right. Run by `make demo`; HOLTER names the tool. Data: seeded, made here.
set -eu
H=${HOLTER:?HOLTER names the tool}
D=$(mktemp -d)
trap 'rm -rf "$D"' EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n%s\n' "$*"; }
run() { printf '$ holter %s\n' "$*"; (cd "$D" && "$H" "$@"); }

# make_days FIRST COUNT: heart rate of five people every 5 or 10 s; changes are small, nights slow, a run in the evening.
make_days() {
    awk -v begin=$((1767225600 + $1 * 86400)) -v days="$2" 'BEGIN {
        x = 42
        print "user,time,bpm"
        for (u = 1; u <= 5; u++) {
            t = begin; v = 62
            while (t < begin + days * 86400) {
                x = (x * 1103515245 + 12345) % 2147483648; r = x / 2147483648
                h = (t - begin) % 86400 / 3600
                want = h < 7 ? 54 + u : (h > 18 && h < 19 ? 148 : 72 + u)
                v += int((want - v) * 0.05 + (r - 0.5) * 6)
                printf "person-%d,%d,%d\n", u, t, v
                t += 5 * (1 + int(r * 2.2))
            }
        }
    }'
}

say "A store: sealed, four shards, its keyring beside it"
run init demo
make_days 0 1 >"$D/day.csv"
MAP='user=user,time=time,value=bpm'

say "$(($(wc -l <"$D/day.csv") - 1)) heart-rate samples of five people go in; every row is answered once it would survive a power cut"
run import demo --format csv --map "$MAP" --metric heart_rate --time-format unix_s day.csv

say "The same file again: watches sync twice, and nothing is doubled"
run import demo --format csv --map "$MAP" --metric heart_rate --time-format unix_s day.csv

say "A late correction of one value"
printf 'user,time,bpm\nperson-1,1767225600,60\n' >"$D/fix.csv"
run import demo --format csv --map "$MAP" --metric heart_rate --time-format unix_s fix.csv

say "Three samples of person-1 come back"
run query demo --user person-1 --metric heart_rate --to 2026-01-01T00:00:16Z

say "kill -9 in the middle of an import of the next ten days"
make_days 1 10 >"$D/days.csv"
(cd "$D" && exec "$H" import demo --format csv --map "$MAP" --metric heart_rate --time-format unix_s days.csv >/dev/null 2>&1) &
PID=$!
sleep 0.12
kill -9 $PID 2>/dev/null || true
wait $PID 2>/dev/null || true
echo "killed; the import begins again and finds what was acknowledged"
run import demo --format csv --map "$MAP" --metric heart_rate --time-format unix_s days.csv

say "Into warm segments, and every byte checked"
run compact demo --to warm
run verify demo

say "What it takes"
run stat demo
