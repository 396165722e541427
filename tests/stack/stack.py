"""stack.py -- what the tests of the real stack share: stores, verbs that change them or read them, and the claims after a fault.

A *verb* is a command line on a store that is prepared for it, with what it reads on stdin. What a store holds is told by its *facts*:
users, sources, metrics, the setting of the change feed, rows. A verb is run once undisturbed; then on a copy of its store with one
fault. The claims then, whatever the fault was (check_claims):

  S1  the store opens, and verify finds nothing;
  S2  each fact is what it was before the verb or what it is after it: nothing that was not sent is there, nothing else is gone;
  S3  what was acknowledged is as after the verb;
  S4  the verb, run again, succeeds, and all facts are as after it.

The posix backend is forced, so that strace sees each operation. Stores are made in /dev/shm where that is there: a process that is
killed loses nothing that the kernel has, so no disk is needed, and thousands of runs take minutes.
"""
import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading

HOLTER = os.path.abspath(os.environ["HOLTER"])  # workplace() makes it a copy, so that a build meanwhile changes nothing
ENVIRONMENT = dict(os.environ, HOLTER_BACKEND="posix", LC_ALL="C.UTF-8")
SECONDS_MAX = 60
USERS = 4
HIDDEN = "hidden-id-"  # every external id begins so; no sentence may repeat one


class Broken(Exception):
    """A claim does not hold."""


def run(arguments, cwd, stdin="", prefix=()):
    """A process that ended: returncode, stdout, stderr as text."""
    return subprocess.run([*prefix, HOLTER, *arguments], cwd=cwd, env=ENVIRONMENT, input=stdin, capture_output=True, text=True,
                          errors="replace", timeout=SECONDS_MAX, check=False)


def holter(arguments, cwd, stdin=""):
    done = run(arguments, cwd, stdin)
    if done.returncode != 0:
        raise Broken("holter %s ends with %d: %s%s" % (" ".join(arguments), done.returncode, done.stderr, done.stdout[:400]))
    return done.stdout


# ---- what a store holds

def rows_of_queries(cwd, metrics):
    """The rows of all users, by query: as facts() has them."""
    users = [user["id"] for user in json.loads(holter(["users", "store", "--ids", "--json"], cwd))]
    listed = "".join(user + "\n" for user in users)
    found = {}
    for metric in sorted(metrics):
        for line in holter(["query", "store", "--user", "-", "--metric", metric, "--format", "json"], cwd, listed).splitlines():
            row = json.loads(line)
            found["row", row["user"], metric, row["source"], row["time"], key_of(row)] = row_fact(row)
    return found


def key_of(row):
    return row["fields"].get("file")  # the note of publications, whose rows it tells apart


def row_fact(row):
    return json.dumps((row.get("duration"), row["fields"], row["flags"]))


def facts(cwd, with_catalog=False):
    """By key: ("user", id), ("row", user, metric, source, time, key); with the catalog also metrics, sources, the feed's setting.

    Rows are those of a rescan, one process that reads a snapshot as queries do; Stage holds them against queries.
    """
    found = {}
    for line in holter(["tail", "store", "--rescan", "--json"], cwd).splitlines():
        told = json.loads(line)
        if told.get("change") == "user_added":
            found["user", told["user"]] = True
        elif told.get("change") == "upsert":
            key = ("row", told["user"], told["metric"], told["source"], told["time"], key_of(told))
            if key in found:
                raise Broken("%r is there twice" % (key,))
            found[key] = row_fact(told)
    if with_catalog:
        for metric in json.loads(holter(["metrics", "store", "--json"], cwd)):
            found["metric", metric["name"]] = json.dumps(metric)
        feed = json.loads(holter(["feed", "store", "--json"], cwd))
        found["feed",] = (feed["on"], feed["keep_s"], feed["keep_bytes"])
        numbers = {user["user"]: user["id"] for user in json.loads(holter(["users", "store", "--ids", "--json"], cwd))}
        for source in json.loads(holter(["sources", "store", "--user", "-", "--json"], cwd, "".join(
                user + "\n" for user in numbers.values()))) if numbers else ():
            told = {name: value for name, value in source.items() if name not in ("user", "number", "registered")}
            found["source", numbers[source["user"]], source["name"]] = json.dumps(told)
    return found


def check_between(found, before, after, acknowledged=(), passing=()):
    """S2, S3. passing: by key, what a row may be in between, or be gone."""
    for key in found.keys() | before.keys() | after.keys():
        value = found.get(key)
        if key in acknowledged and value != after.get(key):
            raise Broken("%r was acknowledged and is %r, expected %r" % (key, value, after.get(key)))
        if key in passing and (value is None or value in passing[key]):
            continue
        if value not in (before.get(key), after.get(key)):
            raise Broken("%r is %r, was %r before, and is %r after the verb" % (key, value, before.get(key), after.get(key)))


# ---- verbs, each on a store that is prepared for it

def heart_rates(first, count, value, users=range(USERS)):
    return "u,t,v\n" + "".join("%s%d,%d,%d\n" % (HIDDEN, user, 60 * t, value + t % 40)
                               for user in users for t in range(first, first + count))


CSV = ["import", "store", "--format", "csv", "--metric", "heart_rate", "--map", "user=u,time=t,value=v", "--time-format", "unix_s", "-"]
NIGHTS = ("user_code,sleep_begin,sleep_end,day,sleep_duration,sleep_awake_duration,sleep_rem_duration,sleep_light_duration,"
          "sleep_deep_duration,pulse_min,pulse_max,pulse_average\n")
FOUR_WEEKS = 28 * 24 * 60


def night(user, day, duration):
    return "%s%d,2020-04-%02d 22:00:00,2020-04-%02d 06:00:00,2020-04-%02d,%d,,,,,,,\n" % (HIDDEN, user, day, day + 1, day, duration)


def welltory(day):
    return ["import", "store", "--format", "welltory", "--revision", "2020-06-%02d" % day, "-"]


def lines_of_a_gateway():
    """Upserts of known and new users, a deletion, a replaced range, rows into it again."""
    def sample(user, metric, time, value):
        return json.dumps({"user": "%s%d" % (HIDDEN, user), "source": "watch", "metric": metric, "time": time, "value": value})

    day = {"source": "watch", "from": "2016-06-13T00:00:00Z", "to": "2016-06-14T00:00:00Z"}
    lines = [sample(user, "heart_rate", "2016-06-13T0%d:00:00Z" % hour, 60 + hour) for hour in range(3) for user in (0, 1, 8)]
    lines.append(json.dumps({"op": "delete", "user": HIDDEN + "1", "metric": "heart_rate", **day}))
    lines.append(json.dumps({"op": "replace", "user": HIDDEN + "0", "metric": "heart_rate", **day,
                             "samples": [{"time": "2016-06-13T01:00:00Z", "value": 99}]}))
    lines += [sample(9, "note", "2016-06-13T05:00:0%dZ" % second, "text %d" % second) for second in range(4)]
    return "\n".join(lines) + "\n"


def sleeps(seed, nights):
    dice = random.Random(seed)
    lines = []
    for user in range(USERS):
        for _ in range(nights):
            begin = dice.randrange(100) * 86400 + dice.randrange(4) * 3600
            lines.append('sleep_stage,user=%s%d,source=ring value="%s",duration="30m" %d\n'
                         % (HIDDEN, user, dice.choice(("light", "deep", "rem")), begin))
    return "".join(lines)


def prepare_empty(cwd):
    del cwd


def prepare_made(cwd):
    holter(["init", "store", "--shards", "2"], cwd)


def prepare_logged(cwd):
    """Rows in logs that a killed process left, and a night that a later publication replaces."""
    prepare_made(cwd)
    holter(CSV, cwd, heart_rates(0, 30, 60))
    holter(welltory(1), cwd, NIGHTS + night(0, 3, 20000) + night(0, 5, 21000) + night(1, 4, 22000))
    with subprocess.Popen([HOLTER, "ingest", "store", "--precision", "s"], cwd=cwd, env=ENVIRONMENT, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as killed:
        killed.stdin.write('note,user=%s1,source=pen text="seen by a gateway" 1000\n' % HIDDEN)
        killed.stdin.flush()
        if killed.stdout.readline() != "1 ok\n":
            raise Broken("a line was not stored")
        killed.kill()


def prepare_tiers(cwd):
    """Cold, warm and hot files, late rows and corrections over them, deletions, and rows in the logs."""
    prepare_logged(cwd)
    holter(["ingest", "store", "--precision", "s"], cwd, sleeps(1, 12))
    holter(["compact", "store", "--to", "cold"], cwd)
    holter(CSV, cwd, heart_rates(3 * FOUR_WEEKS, 40, 70, range(2)))
    holter(["compact", "store", "--to", "warm"], cwd)
    for late in range(3):
        holter(CSV, cwd, heart_rates(20 + late * 15, 30, 80 + late))
        holter(["ingest", "store", "--precision", "s"], cwd, sleeps(2 + late, 4))
        holter(["flush", "store"], cwd)
    holter(["ingest", "store"], cwd, json.dumps({"op": "delete", "user": HIDDEN + "2", "metric": "heart_rate", "source": None,
                                                 "from": None, "to": "1970-01-01T00:10:00Z"}) + "\n")
    holter(CSV, cwd, heart_rates(3 * FOUR_WEEKS + 20, 30, 100, range(3)))


def prepare_kept(cwd):
    """As tiers, with flushed logs kept for the change feed, less than there soon are."""
    prepare_made(cwd)
    holter(["feed", "store", "--keep-bytes", "8K"], cwd)
    for round_ in range(3):
        holter(CSV, cwd, heart_rates(round_ * 20, 30, 60 + round_))
        if round_ < 2:
            holter(["flush", "store"], cwd)


def all_users():
    return "".join("%s%d\n" % (HIDDEN, user) for user in range(USERS))


class Verb:
    """A command on a prepared store. answers: of lines_of_a_gateway(), its stdout tells what is acknowledged. is_reader: it changes no fact."""

    def __init__(self, name, prepare, arguments, stdin="", is_reader=False, answers=None, is_stable=True, is_there="\0",
                 in_catalog=False):
        self.name, self.prepare, self.arguments, self.stdin = name, prepare, arguments, stdin
        self.is_reader, self.answers = is_reader, answers
        self.is_stable = is_stable  # what it prints is the same each time
        self.is_there = is_there  # what it says where it was done already
        self.in_catalog = in_catalog  # it changes the catalog

    def __repr__(self):
        return self.name


def gateway_keys(told):
    """Keys and facts of the rows that a line of lines_of_a_gateway() is about; those of a deletion have no fact."""
    def row(time, value):
        fields = {"text" if told["metric"] == "note" else "value": value}
        return ("row", told["user"], told["metric"], told["source"], time, None), value and json.dumps((None, fields, []))

    if "time" in told:
        return [row(told["time"], told["value"])]
    return [row("2016-06-13T0%d:00:00Z" % hour, None) for hour in range(3)] + [
        row(sample["time"], sample["value"]) for sample in told.get("samples", ())]


def gateway_answers(stdout):
    """Keys of rows that lines answered "ok" are about, where no later line concerns them."""
    answered = {int(line.split()[0]) for line in stdout.splitlines(True) if re.match(r"[0-9]+ ok\n", line)}
    last = {}
    for number, line in enumerate(lines_of_a_gateway().splitlines(), 1):
        last.update((key, number) for key, _ in gateway_keys(json.loads(line)))
    return {key for key, number in last.items() if number in answered}


def gateway_passing():
    """What the rows may be on the way."""
    passing = {}
    for line in lines_of_a_gateway().splitlines():
        for key, fact in gateway_keys(json.loads(line)):
            passing.setdefault(key, set()).add(fact)
    return passing


VERBS = (
    Verb("init", prepare_empty, ["init", "store", "--shards", "2"]),
    Verb("init --add-region", prepare_made, ["init", "store", "--add-region", "eu", "--shards", "1"],
         is_there="region 'eu' is there already", in_catalog=True),
    Verb("import", prepare_logged, CSV, heart_rates(10, 40, 80, range(2, 7))),
    Verb("import of a later publication", prepare_logged, welltory(9),
         NIGHTS + night(0, 3, 25000) + night(0, 9, 21500) + night(7, 4, 22500)),
    Verb("ingest", prepare_logged, ["ingest", "store", "--batch", "2"], lines_of_a_gateway(), answers=gateway_answers),
    Verb("ingest --exact", prepare_tiers, ["ingest", "store", "--batch", "5", "--exact", "--precision", "s"], sleeps(4, 5),
         is_stable=False),
    Verb("flush", prepare_tiers, ["flush", "store"]),
    Verb("flush, logs kept", prepare_kept, ["flush", "store"]),
    Verb("compact", prepare_tiers, ["compact", "store"]),
    Verb("compact --to warm", prepare_tiers, ["compact", "store", "--to", "warm"]),
    Verb("compact --to cold", prepare_tiers, ["compact", "store", "--to", "cold"]),
    Verb("metrics --define", prepare_made, ["metrics", "store", "--define", "pain", "--unit", "1", "--field", "place:enum:head,back"],
         in_catalog=True),
    Verb("metrics --add-label", prepare_made, ["metrics", "store", "--add-label", "sleep_stage.value=nap"], in_catalog=True),
    Verb("sources --set", prepare_logged, ["sources", "store", "--user", "-", "--source", "wrist", "--add", "--set", "type=watch",
                                           "--set", "priority.steps=10"], HIDDEN + "1\n", is_stable=False, in_catalog=True),
    Verb("feed", prepare_logged, ["feed", "store", "--keep", "7d"], is_stable=False, in_catalog=True),
    Verb("simulate", prepare_made, ["simulate", "--store", "store", "--users", "2", "--days", "1", "--metric", "heart_rate"],
         is_stable=False),
    Verb("query", prepare_tiers, ["query", "store", "--user", "-", "--metric", "heart_rate"], all_users(), is_reader=True),
    Verb("aggregate", prepare_tiers, ["aggregate", "store", "--all", "--metric", "heart_rate", "--every", "1d", "--fn", "mean,count"],
         is_reader=True),
    Verb("latest", prepare_tiers, ["latest", "store", "--all", "--json"], is_reader=True),
    Verb("tail", prepare_tiers, ["tail", "store", "--rescan", "--json"], is_reader=True, is_stable=False),
    Verb("verify", prepare_tiers, ["verify", "store"], is_reader=True),
    Verb("stat", prepare_tiers, ["stat", "store", "--json"], is_reader=True, is_stable=False),
    Verb("users", prepare_tiers, ["users", "store", "--ids"], is_reader=True),
    Verb("sources", prepare_tiers, ["sources", "store", "--user", "-"], all_users(), is_reader=True),
)


class Ground:
    """A prepared store, which many verbs are run on, and what it holds."""

    def __init__(self, prepare, directory):
        self.path = os.path.join(directory, prepare.__name__)
        os.mkdir(self.path)
        prepare(self.path)
        has_store = os.path.exists(os.path.join(self.path, "store"))
        self.facts = facts(self.path, True) if has_store else {}


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


class Stage:
    """A verb, the ground it is run on, and what the store holds before and after it."""

    def __init__(self, verb, ground):
        self.verb = verb
        self.ground = ground
        self.before = {key: fact for key, fact in ground.facts.items() if verb.in_catalog or key[0] in ("user", "row")}
        self.copies = 0
        self.mutex = threading.Lock()
        copy = self.copy()
        self.undisturbed = run(verb.arguments, copy, verb.stdin)
        if self.undisturbed.returncode != 0:
            raise Broken("%s fails by itself: %s" % (verb.name, self.undisturbed.stderr))
        self.after = self.facts(copy)
        rows = {key: fact for key, fact in self.after.items() if key[0] == "row"}
        check_between(rows_of_queries(copy, {key[2] for key in rows}), rows, rows)
        if verb.is_reader and self.before != self.after:
            raise Broken("%s changed what the store holds" % verb.name)
        holter(["verify", "store"], copy)
        shutil.rmtree(copy)

    def facts(self, cwd):
        return facts(cwd, self.verb.in_catalog)

    def copy(self):
        with self.mutex:
            self.copies += 1
            number = self.copies
        path = "%s.%s.%d" % (self.ground.path, re.sub(r"[^a-z]+", "-", self.verb.name), number)
        shutil.copytree(self.ground.path, path)
        return path

    def check_claims(self, cwd, stdout=""):
        """S1 to S4."""
        verb = self.verb
        if not self.ground.facts:
            self.check_init(cwd)
            return
        check_between(self.facts(cwd), self.before, self.after, verb.answers(stdout) if verb.answers else (),
                      gateway_passing() if verb.answers else ())
        holter(["verify", "store"], cwd)
        again = run(verb.arguments, cwd, verb.stdin)
        if again.returncode != 0 and verb.is_there not in again.stderr:
            raise Broken("run again it ends with %d: %s" % (again.returncode, again.stderr))
        found = self.facts(cwd)
        if found != self.after:
            check_between(found, self.after, self.after)
        holter(["verify", "store"], cwd)

    def check_init(self, cwd):
        """There is a store, whole, or none; then init makes one, once what its sentence names is removed."""
        if run(["stat", "store"], cwd).returncode != 0:
            told = run(self.verb.arguments, cwd)
            if told.returncode != 0 and "a creation that did not end left" in told.stderr:
                for named in re.findall("'([^']*)'", told.stderr):
                    remove(os.path.join(cwd, named))
                told = run(self.verb.arguments, cwd)
            if told.returncode != 0:
                raise Broken("init, run again, ends with %d: %s" % (told.returncode, told.stderr))
        found = self.facts(cwd)
        if found != self.after:
            raise Broken("the store that init made holds %r" % (found,))
        holter(["verify", "store"], cwd)
        holter(CSV, cwd, heart_rates(0, 3, 60))


# ---- system calls

TRACED = ("openat", "close", "read", "write", "pread64", "pwrite64", "fsync", "fdatasync", "rename", "linkat", "unlink", "mkdir", "fcntl",
          "newfstatat", "ftruncate", "fallocate", "getdents64", "mmap", "munmap", "mlock", "getrandom", "fchmod", "fadvise64",
          "clone3", "statfs", "lseek")


def calls_of(stage, names, log, only=()):
    """By name: the ordinals of calls from the store's first mention on, as strace counts them, by thread; `only`: of a name those with
    a word in them."""
    copy = stage.copy()
    done = run(stage.verb.arguments, copy, stage.verb.stdin,
               ["strace", "-f", "-qq", "-o", log, "-e", "trace=" + ",".join(names), "-e", "signal=none"])
    shutil.rmtree(copy)
    if done.returncode != 0:
        raise Broken("%s fails under strace: %s" % (stage.verb.name, done.stderr))
    counts, found, begun, first = {}, {}, False, None
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            thread, rest = line.split(None, 1)
            named = re.match(r"([a-z0-9_]+)\(", rest)
            if named is None:
                continue
            first = first or thread
            name = named.group(1)
            counts[thread, name] = counts.get((thread, name), 0) + 1
            begun = begun or '"store' in rest
            if begun and (name not in only or only[name] in rest):
                found.setdefault(name, set()).add(counts[thread, name])
    return {name: sorted(ordinals) for name, ordinals in found.items()}


def inject(stage, cwd, name, how, log, watched=()):
    """The verb with a fault at a call, such as ("pwrite64", "error=EIO:when=3"); the log has this call and those watched.
    (--seccomp-bpf is quicker, but sends no signals.)"""
    quick = ["--seccomp-bpf"] if "signal=" not in how else []
    return run(stage.verb.arguments, cwd, stage.verb.stdin,
               ["strace", "-f", "-qq", "-o", log, *quick, "-e", "trace=" + ",".join({name, *watched}), "-e", "inject=%s:%s" % (name, how)])


def why_no_strace():
    """A sentence where strace cannot be used here."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"],
                          capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else "strace cannot be used here: " + done.stderr.strip()


def check_sentence(done, what):
    """One sentence for whoever asked, without an id (of ingest, which goes on, one for each different failure); no crash."""
    if done.returncode < 0 or done.returncode > 6 or "ssert" in done.stderr or "anitizer" in done.stderr:
        raise Broken("%s ends with %d: %s" % (what, done.returncode, done.stderr))
    if HIDDEN in done.stderr:
        raise Broken("a sentence repeats an id: %s" % done.stderr)
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.splitlines() if "warning:" not in line]
    if not lines or len(lines) > 1 and not what.startswith("ingest") or not all(line.startswith("holter: ") for line in lines):
        raise Broken("%s ends with %d and the sentences %r, expected one" % (what, done.returncode, lines))


def options(description):
    """Of a script that puts verbs to the test."""
    parser = argparse.ArgumentParser(description=description.split("\n", maxsplit=1)[0])
    parser.add_argument("--sample", type=int, help="so many shots at each verb; else all")
    parser.add_argument("--verbs", type=int, help="so many verbs, drawn by the seed; else all")
    parser.add_argument("--verb", help="only verbs whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dir", help="where stores are made")
    return parser


def verbs_of(asked):
    verbs = [verb for verb in VERBS if not asked.verb or asked.verb in verb.name]
    return random.Random(asked.seed).sample(verbs, asked.verbs) if asked.verbs else verbs


def drawn(asked, name, shots):
    return random.Random("%d %s" % (asked.seed, name)).sample(shots, min(asked.sample or len(shots), len(shots)))


# ---- running many

class Campaign:
    """Shots, some at a time; those that break a claim are told, and their stores left; some such stop all."""

    def __init__(self, name, directory, jobs):
        self.name, self.directory, self.jobs = name, directory, jobs
        self.prepared, self.broken = {}, []

    def grounds(self, functions):
        """By the function that prepares them."""
        def prepare(function):
            if function not in self.prepared:
                self.prepared[function] = Ground(function, self.directory)

        self.fire(functions, prepare)
        return self.prepared

    def stages(self, verbs):
        """By the verb's name; none where one cannot be set up."""
        stages = {}

        def set_up(verb):
            stages[verb.name] = Stage(verb, self.prepared[verb.prepare])

        self.grounds(sorted({verb.prepare for verb in verbs}, key=lambda function: function.__name__))
        if not self.broken:
            self.fire(verbs, set_up)
        return {} if self.broken else stages

    def fire(self, shots, work):
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for _ in pool.map(lambda shot: self.one(shot, work), shots):
                pass

    def one(self, shot, work):
        if len(self.broken) >= 12:
            return
        try:
            work(shot)
        except (Broken, subprocess.TimeoutExpired) as broken:
            self.breaks("%s: %s" % (shot, broken))

    def breaks(self, sentence):
        print("%s: %s" % (self.name, sentence), flush=True)
        self.broken.append(sentence)

    def end(self, claim):
        """The exit code."""
        if self.broken:
            print("%s: what is wrong is left in %s" % (self.name, self.directory))
            return 1
        shutil.rmtree(self.directory)
        print("%s: %s" % (self.name, claim))
        return 0


def workplace(asked):
    """A new directory, in memory where that is there."""
    global HOLTER
    directory = tempfile.mkdtemp(prefix="holter-stack-", dir=asked or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    HOLTER = shutil.copy(HOLTER, os.path.join(directory, "holter"))
    return directory
