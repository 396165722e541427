#!/bin/sh
# demo.sh -- the main job, to look at: an import that is killed in its middle and comes out right, a person's month, day
# and night drawn from what the store answers, bytes a sample by metric, and a verify. Run by `make demo`.
#
#   HOLTER                 the tool, as a path ending in /holter
#   HOLTER_DATA            real data, where it is not ../shared/data beside this checkout; without either, people are made up
#   DEMO_USERS, DEMO_DAYS  how many are made up (20, 30)
#   KEEP=DIR               a new directory, in which the stores stay; else all is removed
#
# Ends with status 0 only if each step did, and if the store that was killed holds, row for row, what one filled without
# a kill does.
set -eu
: "${HOLTER:?HOLTER names the tool}"
ROOT=$(cd "$(dirname "$0")/.." && pwd)
DATA=$(cd "${HOLTER_DATA:-$ROOT/../shared/data}" 2>/dev/null && pwd) || DATA=
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
    eval "$1" >run.out || fail "this failed: $1"
    fold -s -w 80 run.out
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
if [ -n "$DATA" ] && [ -e "$FITABASE/heartrate_seconds_merged.csv.zst" ] && [ -e "$COVID/ASFODQR_sleep.csv.zst" ]; then
    IS_REAL=yes
    ln -s "$FITABASE" april
    ln -s "$COVID" covid
    ZONE=America/New_York
    METRICS="heart_rate steps intensity sleep_stage"
    KILL_AT=150000
    PERSON=4388161847 MONTH_FROM=2016-04-13 MONTH_TO=2016-05-14
    DAY_FROM=2016-05-07 DAY_TO=2016-05-08
    SLEEPER=ASFODQR NIGHT_ZONE=UTC NIGHT_FROM=2024-09-12T18:00:00Z NIGHT_TO=2024-09-13T18:00:00Z
    FILL='holter import demo --format fitabase --tz America/New_York \
    april/heartrate* april/minute*'
    SLEEP="holter import demo --format csv --metric sleep_stage \\
    --map user=user,time=datetime,duration=stage_duration,value=stage \\
    --time-format '%Y-%m-%d %H:%M:%S' covid/ASFODQR_sleep.csv.zst"
    echo "Real data: a month of 24 people's Fitbits (2016; it names no zone: we read it as"
    echo "$ZONE), and nights of a person of another study, at shifted dates."
else
    IS_REAL=
    USERS=${DEMO_USERS:-20}
    DAYS=${DEMO_DAYS:-30}
    ZONE=+05:30
    METRICS="heart_rate steps sleep_stage skin_temperature spo2 rr_interval utc_offset"
    KILL_AT=$((USERS * DAYS * 300))
    PERSON=sim-0000001 MONTH_FROM=2025-01-01 MONTH_TO=2025-02-01
    DAY_FROM=2025-01-03 DAY_TO=2025-01-04
    SLEEPER=$PERSON NIGHT_ZONE=$ZONE NIGHT_FROM=2025-01-03T18:00:00$ZONE NIGHT_TO=2025-01-04T18:00:00$ZONE
    COHORT="--users $USERS --days $DAYS --tz $ZONE \\
    --from 2025-01-01T00:00:00$ZONE"
    FILL="holter simulate $COHORT --store demo"
    SLEEP=
    echo "Simulated data: $USERS people who do not exist, $DAYS days, at $ZONE."
fi

say "A store, every sample sealed under a key of its person's own"
run 'holter init demo 2>&1'

# fill_and_kill: status 1 if it had ended before it could be killed; else seen and found are heart rates before and after
fill_and_kill() {
    printf '$ %s &\n' "$FILL"
    (eval "exec $FILL" >fill.out 2>&1) &
    PID=$!
    seen=0 shown=0
    # a small store is full before anybody has read it once: then the clock says when
    [ "$tries" -le 2 ] || sleep "0.0$((9 - tries))"
    while [ "$tries" -le 2 ] && is_running; do
        seen=$(count_hearts) || fail "another process cannot read while the store is filled"
        if [ "$seen" -gt "$shown" ] && [ "$seen" -ge $((shown + KILL_AT / 2)) ]; then
            printf '  another process reads %11s heart rates\n' "$(grouped "$seen")"
            shown=$seen
        fi
        [ "$seen" -eq 0 ] || [ "$seen" -lt "$KILL_AT" ] || break
        sleep 0.02
    done
    kill -9 "$PID" 2>/dev/null || true
    printf '$ kill -9 %s\n' "$PID"
    status=0
    wait "$PID" 2>wait.out || status=$?
    PID=
    [ "$status" -ne 0 ] || return 1
    [ "$status" -eq 137 ] || { cat fill.out >&2; fail "filling ended with status $status"; }
    found=$(count_hearts) || fail "the store that was killed cannot be read"
    [ "$found" -ge "$seen" ] || fail "$seen heart rates were read before the kill, $found after it"
    echo "  heart rates before the kill: $(grouped "$seen"); after it: $(grouped "$found"). None is lost"
}

tries=1
while :; do
    say "It is filled, and killed in the middle"
    if fill_and_kill; then
        say "The same once more: what is there already is not doubled"
        run "$FILL"
        total=$(count_hearts)
        echo "  heart rates now: $(grouped "$total")"
        [ "$found" -ge "$total" ] || break
    fi
    [ "$tries" -lt 8 ] || fail "each of $tries times the store was full before the kill"
    echo "  The kill came too late; once more, sooner, in a new store"
    tries=$((tries + 1)) KILL_AT=$((KILL_AT / 4))
    rm -rf demo demo.keyring
    run_quietly holter init demo
done
[ -z "$SLEEP" ] || run "$SLEEP"

say "Steps of one person, by that person's days ($ZONE)"
run_drawn days "holter aggregate demo --user $PERSON --metric steps --every 1d \\
    --tz $ZONE --from $MONTH_FROM --to $MONTH_TO --fn sum,count"

say "Heart rate of $DAY_FROM: least to greatest of 10 minutes; a gap stays a gap"
run_drawn day "holter aggregate demo --user $PERSON --metric heart_rate --every 10m \\
    --tz $ZONE --from $DAY_FROM --to $DAY_TO --fn min,max"

say "A night: height is the share of time in a stage; at the right hours:minutes"
run_drawn night "holter query demo --user $SLEEPER --metric sleep_stage --tz $NIGHT_ZONE \\
    --from $NIGHT_FROM --to $NIGHT_TO"

say "The newest sample of each metric"
run "holter latest demo --user $PERSON | grep -v '^user,'"

say "Compacted, and compared with a new store that nobody killed: row for row"
run 'holter compact demo --to warm'
calm=$(echo "$FILL" | sed '1s/import demo/import calm/; s/--store demo/--store calm/')
printf '$ %s\n' "$calm"
run_quietly holter init calm
run_quietly eval "$calm"
run_quietly eval "$(echo "$SLEEP" | sed '1s/import demo/import calm/')"
run_quietly holter compact calm --to warm
holter users calm --ids >users.csv
awk -F, 'NR > 1 { print $2 }' users.csv >ids.txt
rows_of_all=0
for metric in $METRICS; do
    holter query calm --metric "$metric" --user @ids.txt >expected.csv
    holter query demo --metric "$metric" --user @ids.txt >found.csv
    cmp expected.csv found.csv || fail "$metric: the store that was killed holds other rows"
    rows_of_all=$((rows_of_all + $(wc -l <found.csv) - 1))
done
echo "  $(grouped $rows_of_all) rows of $(grouped "$(wc -l <ids.txt)") people are equal"

say "Bytes a sample, by metric: each alone in a store of its own"
tables=
for metric in $METRICS; do
    one=only-$metric
    case $IS_REAL$metric in
    yesheart_rate) again="holter import $one --format fitabase --tz $ZONE \\
    april/heartrate*" ;;
    yessteps) again="holter import $one --format fitabase --tz $ZONE april/minuteSteps*" ;;
    yesintensity) again="holter import $one --format fitabase --tz $ZONE april/minuteInt*" ;;
    yessleep_stage) again=$(echo "$SLEEP" | sed "1s/import demo/import $one/") ;;
    *) again="holter simulate $COHORT --metric $metric \\
    --store $one" ;;
    esac
    run_quietly holter init "$one"
    [ "$metric" != heart_rate ] || printf '$ %s\n$ holter compact %s --to warm; holter stat %s --json\n' \
        "$again" "$one" "$one"
    run_quietly eval "$again"
    run_quietly holter compact "$one" --to warm
    holter stat "$one" --json >"$one.json"
    tables="$tables $metric=$one.json"
done
holter stat demo --json >demo.json
# shellcheck disable=SC2086 # a word for each metric
python3 "$ROOT/tools/demo_draw.py" sizes --rows $rows_of_all $tables demo=demo.json
echo "A file has some 4 KiB of its own, which a few rows feel and many do not."

say "Every byte checked"
run 'holter verify demo'

if [ -n "${KEEP:-}" ]; then
    rm -f ./*.csv ./*.out ids.txt
    say "The stores stay in $KEEP"
fi
