#!/usr/bin/env python3
"""manuals.py -- each verb of the tool has a man page, which holter(1) names and which tells every option of its help.

usage: HOLTER=out/release/holter tests/cli/manuals.py

The options that a verb reads (its source's table) stand in its help, too. Pages are checked by mandoc where it is there.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "tools")
EVERYWHERE = {"--keyring", "--help"}  # told by holter(1)


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def help_of(*words):
    return subprocess.run([os.environ["HOLTER"], "help", *words], check=True, capture_output=True, text=True).stdout


def options_of_page(page):
    return {"-" + option for option in re.findall(r"Fl (-[a-z][a-z-]*)", page)}


def problems_of(verb, main):
    path = os.path.join(TOOLS, "holter-%s.1" % verb)
    if not os.path.exists(path):
        yield "there is no man page '%s'" % os.path.relpath(path, ROOT)
        return
    if ".Xr holter-%s 1" % verb not in main:
        yield "holter.1 does not name holter-%s(1)" % verb
    told = set(re.findall(r"(?<![a-z-])--[a-z][a-z-]*", re.split(r"\nexamples?:\n", help_of(verb))[0]))
    for option in sorted(told - EVERYWHERE - options_of_page(text_of(path))):
        yield "holter-%s.1 does not tell %s, which is in the help" % (verb, option)
    source = os.path.join(TOOLS, "%s.c" % verb)
    read = set(re.findall(r'{ "(--[a-z-]+)", OPTION_', text_of(source)))
    for option in sorted(read - told):
        yield "the help of %s does not tell %s, which it reads" % (verb, option)


def main():
    verbs = [v for v in re.findall(r"^  ([a-z][a-z-]*) ", help_of(), re.M) if v != "holter"]
    page = text_of(os.path.join(TOOLS, "holter.1"))
    problems = [problem for verb in verbs for problem in problems_of(verb, page)]
    if len(verbs) < 8:
        problems.append("found %d verbs, expected 8 or more" % len(verbs))
    if shutil.which("mandoc"):
        pages = sorted(glob.glob(os.path.join(TOOLS, "*.1")))
        lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True, text=True)
        problems += lint.stdout.splitlines()
    else:
        print("manuals: mandoc is not installed: left out")
    for problem in problems:
        print("manuals:", problem)
    print("manuals: %d verbs, %d problems" % (len(verbs), len(problems)))
    return 1 if problems else 0


sys.exit(main())
