#!/bin/sh
# demo.sh -- the main job, to look at: an import that is killed in its middle and comes out right, a person's month, day
# and night drawn from what the store answers, bytes a sample by metric, and a verify. Run by `make demo`.
#
#   HOLTER                 the tool, as a path ending in /holter
#   HOLTER_DATA            real data, where it is not ../shared/data beside this checkout; without either, people are made up
#   DEMO_USERS, DEMO_DAYS  how many are made up (20, 30)
#   KEEP=DIR               a new directory, in which the stores stay; else all is removed
#
# Ends with status 0 only if each step did, and if the store that was killed holds, row for row, what stores filled
# without a kill do.
set -eu
: "${HOLTER:?HOLTER names the tool}"
ROOT=$(cd "$(dirname "$0")/.." && pwd)
DATA=${HOLTER_DATA:-$ROOT/../shared/data}
PATH=$(cd "$(dirname "$HOLTER")" && pwd):$PATH
PID=

D=${KEEP:-}
if [ -n "$D" ]; then
    mkdir "$D"
    trap '[ -z "$PID" ] || kill -9 "$PID"' EXIT
else
    D=$(mktemp -d)
    trap '[ -z "$PID" ] || kill -9 "$PID"; rm -rf "$D"' EXIT
fi
trap 'exit 130' INT TERM HUP

case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
*[Uu][Tt][Ff]-8 | *[Uu][Tt][Ff]8) ASCII= ;;
*) ASCII=--ascii ;;
esac

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
else
    say() { printf '\n%s\n' "$*"; }
fi
fail() {
    echo "demo: $*" >&2
    exit 1
}
# run COMMAND: shown and run
run() {
    printf '$ %s\n' "$1"
    eval "$1" || fail "this failed: $1"
}
# run_drawn KIND COMMAND: shown and run, and what it prints drawn
run_drawn() {
    printf '$ %s |\n    tools/demo_draw.py %s\n' "$2" "$1"
    eval "$2" >rows.csv || fail "this failed: $2"
    python3 "$ROOT/tools/demo_draw.py" "$1" $ASCII <rows.csv
}
run_quietly() { "$@" >quiet.out 2>&1 || { cat quiet.out >&2; fail "this failed: $*"; }; }
grouped() { echo "$1" | sed -e :a -e 's/^\([0-9]\{1,\}\)\([0-9]\{3\}\)/\1,\2/;ta'; }
# heart rates of everyone in the store `demo`, as another process sees them: what would survive a power cut
count_hearts() {
    holter aggregate demo --all --metric heart_rate --every 1y --fn count >counts.csv || return 1
    awk -F, 'NR > 1 { n += $5 } END { print n + 0 }' counts.csv
}
is_running() { kill -0 "$PID" 2>/dev/null && ! grep -q ') Z ' "/proc/$PID/stat" 2>/dev/null; }

cd "$D"
FITABASE="$DATA/fitbit-fitabase-2016/Fitabase Data 4.12.16-5.12.16"
COVID=$DATA/fitbit-covid-2020
if [ -e "$FITABASE/heartrate_seconds_merged.csv.zst" ] && [ -e "$COVID/ASFODQR_sleep.csv.zst" ]; then
    IS_REAL=yes
    ln -s "$FITABASE" april
    ln -s "$COVID" covid
    ZONE=America/New_York
    METRICS="heart_rate steps intensity sleep_stage"
    KILL_AT=150000
    PERSON=4388161847 MONTH_FROM=2016-04-13 MONTH_TO=2016-05-14
    DAY_FROM=2016-05-07 DAY_TO=2016-05-08
    SLEEPER=ASFODQR NIGHT_ZONE=UTC NIGHT_FROM=2024-04-30T18:00:00Z NIGHT_TO=2024-05-01T18:00:00Z
    FILL='holter import demo --format fitabase --tz America/New_York april/heartrate* april/minute*'
    SLEEP="holter import demo --format csv --metric sleep_stage \\
    --map user=user,time=datetime,duration=stage_duration,value=stage \\
    --time-format '%Y-%m-%d %H:%M:%S' covid/ASFODQR_sleep.csv.zst"
    echo "Real data: a month of 24 people's Fitbits (Fitabase, 2016), read as of $ZONE, as the export"
    echo "names no zone; and the nights of one person of a study of 2020, whose dates were shifted."
else
    IS_REAL=
    USERS=${DEMO_USERS:-20}
    DAYS=${DEMO_DAYS:-30}
    ZONE=+05:30
    METRICS="heart_rate steps sleep_stage skin_temperature spo2 rr_interval utc_offset"
    KILL_AT=$((USERS * DAYS * 1000))
    PERSON=sim-0000001 MONTH_FROM=2025-01-01 MONTH_TO=2025-02-01
    DAY_FROM=2025-01-03 DAY_TO=2025-01-04
    SLEEPER=$PERSON NIGHT_ZONE=$ZONE NIGHT_FROM=2025-01-03T18:00:00$ZONE NIGHT_TO=2025-01-04T18:00:00$ZONE
    COHORT="--users $USERS --days $DAYS --tz $ZONE"
    FILL="holter simulate $COHORT --store demo"
    SLEEP=
    echo "Simulated data: $USERS people who do not exist, $DAYS days, at $ZONE; late, repeated and corrected rows too."
fi

say "A store: four shards, every sample sealed under a key of its person's own"
run 'holter init demo 2>&1'

say "It is filled, and killed (kill -9) in the middle"
printf '$ %s &\n' "$FILL"
tries=1
while :; do
    (eval "exec $FILL" >fill.out 2>&1) &
    PID=$!
    seen=0 shown=0
    while is_running; do
        seen=$(count_hearts) || fail "another process cannot read while the store is filled"
        if [ "$seen" -ge $((shown + KILL_AT / 4)) ] && [ "$seen" -gt 0 ]; then
            printf '  another process reads %11s heart rates\n' "$(grouped "$seen")"
            shown=$seen
        fi
        if [ "$seen" -gt 0 ] && [ "$seen" -ge "$KILL_AT" ]; then
            break
        fi
        sleep 0.02
    done
    kill -9 "$PID" 2>/dev/null || true
    status=0
    wait "$PID" 2>wait.out || status=$?
    PID=
    [ "$status" -ne 137 ] || break
    [ "$status" -eq 0 ] || { cat fill.out >&2; fail "filling ended with status $status"; }
    [ "$tries" -lt 8 ] || fail "filling ended before it could be killed, $tries times"
    echo "  it had ended before it was killed; once more, in a new store, and sooner"
    tries=$((tries + 1)) KILL_AT=$((KILL_AT / 4))
    rm -rf demo demo.keyring
    run_quietly holter init demo
done
found=$(count_hearts)
[ "$found" -ge "$seen" ] || fail "$seen heart rates were there before the kill, $found after it"
echo "\$ kill -9 ...: killed; of the $(grouped "$seen") read before, and so acknowledged or"
echo "  about to be, none is lost: $(grouped "$found") are found"

say "The same once more: what is there already is not doubled"
run "$FILL"
total=$(count_hearts)
[ "$found" -lt "$total" ] || fail "the kill came too late"
echo "  heart rates now: $(grouped "$total")"
[ -z "$SLEEP" ] || run "$SLEEP"

say "Steps of one person, by that person's days ($ZONE)"
run_drawn days "holter aggregate demo --user $PERSON --metric steps --every 1d --tz $ZONE \\
    --from $MONTH_FROM --to $MONTH_TO --fn sum,count"

say "Heart rate of $DAY_FROM: least to greatest of each 10 minutes; a gap stays a gap"
run_drawn day "holter aggregate demo --user $PERSON --metric heart_rate --every 10m --tz $ZONE \\
    --from $DAY_FROM --to $DAY_TO --fn min,max"

say "A night's sleep: the higher, the more of the time; at the right hours and minutes"
run_drawn night "holter query demo --user $SLEEPER --metric sleep_stage --tz $NIGHT_ZONE \\
    --from $NIGHT_FROM --to $NIGHT_TO"

say "The newest sample of each metric"
run "holter latest demo --user $PERSON --tz $ZONE | grep -v '^user,'"

say "Compacted"
run 'holter compact demo --to warm'

say "Bytes a sample, by metric: of each a store of its own, filled without a kill"
rows_of_all=0 tables=
for metric in $METRICS; do
    one=only-$metric
    case $IS_REAL$metric in
    yesheart_rate) set -- import "$one" --format fitabase --tz "$ZONE" april/heartrate* ;;
    yessteps) set -- import "$one" --format fitabase --tz "$ZONE" april/minuteSteps* ;;
    yesintensity) set -- import "$one" --format fitabase --tz "$ZONE" april/minuteIntensities* ;;
    yessleep_stage) set -- import "$one" ;;
    *) set -- simulate $COHORT --metric "$metric" --store "$one" ;;
    esac
    run_quietly holter init "$one"
    if [ $# -eq 2 ]; then
        run_quietly eval "$(echo "$SLEEP" | sed "s/import demo/import $one/")"
    else
        run_quietly holter "$@"
    fi
    run_quietly holter compact "$one" --to warm
    holter stat "$one" --json >"$one.json"
    holter users "$one" --ids >users.csv
    awk -F, 'NR > 1 { print $2 }' users.csv >ids.txt
    holter query "$one" --metric "$metric" --user @ids.txt >expected.csv
    holter query demo --metric "$metric" --user @ids.txt >found.csv
    cmp expected.csv found.csv || fail "$metric: the store that was killed holds other rows"
    rows=$(($(wc -l <found.csv) - 1)) rows_of_all=$((rows_of_all + rows))
    tables="$tables $metric=$rows=$one.json"
done
holter stat demo --json >demo.json
python3 "$ROOT/tools/demo_draw.py" sizes $tables "all=$rows_of_all=demo.json"
echo "Each of these rows, read from the store that was killed, equals the one that was not."

say "Every byte checked"
run 'holter verify demo'

if [ -n "${KEEP:-}" ]; then
    rm -f ./*.csv ./*.out ids.txt
    say "The stores stay in $KEEP"
fi
