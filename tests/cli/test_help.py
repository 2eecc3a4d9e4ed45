#!/usr/bin/env python3
"""Help, version, unknown words: the same for every subcommand."""

import os
import re

from harness import Suite

COMMON = ["--device", "--seed", "--json", "--quiet", "--verbose", "--progress", "--help"]
ONE_SLIP = [("swap", lambda w: w[1] + w[0] + w[2:]), ("lack", lambda w: w[:1] + w[2:]),
            ("twice", lambda w: w[:2] + w[1:])]


def subcommands(t):
    r = t.run("help")
    part = r.out.partition("Subcommands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\S+)", part, re.M)


def check_help(t, name):
    r = t.run(name, "--help")
    t.check(f"{name} --help: exit code 0, no error", r.code == 0 and r.err == "", r)
    t.check(f"{name} --help: as 'help {name}'", r.out == t.run("help", name).out)
    t.check(f"{name} -h: the same", r.out == t.run(name, "-h").out)
    long = [line for line in r.out.split("\n") if len(line) > 100]
    t.check(f"{name} --help: at most 100 columns", not long, long)
    t.check(f"{name} --help: no blanks at the ends",
            all(line == line.rstrip() for line in r.out.split("\n")))
    t.check(f"{name} --help: no two empty lines together", "\n\n\n" not in r.out)
    examples = re.findall(r"^  (limn .*)$", r.out.partition("\nExamples:\n")[2], re.M)
    t.check(f"{name} --help: two examples or more",
            len(set(examples)) >= 2 and all(f"limn {name}" in e for e in examples), examples)
    for option in COMMON:
        t.check(f"{name} --help: {option}", re.search(rf"{option}\b", r.out))
    body = r.out.partition("\nExamples:\n")[0]
    options = re.findall(r"^  (?:-\w,|   ) (--[\w-]+)( \S.*?)?(?:  |\n)((?:.*\n(?: {12,}.*\n)*))",
                         body + "\n", re.M)
    t.check(f"{name} --help: options found", len(options) >= len(COMMON), options)
    for option, value, text in options:
        text = " ".join(text.split())
        t.check(f"{name} --help: {option} is explained",
                len(text.partition("[default")[0].strip()) > 2, text)
        if value:
            t.check(f"{name} --help: default of {option}",
                    re.search(r"\[default: .+\]", text) or "(required)" in text, text)


def check_wrong_usage(t, name):
    r = t.run(name, "--no-such-thing-at-all")
    t.fails(f"{name}: unknown option", r, 2, "--no-such-thing-at-all", f"limn {name} --help")
    t.fails(f"{name}: --jsn", t.run(name, "--jsn"), 2, "(--jsn)", "'--json'")
    t.fails(f"{name}: --divice=1", t.run(name, "--divice=1"), 2, "(--divice)", "'--device'")
    t.fails(f"{name}: --seed=x", t.run(name, "--seed=x"), 2, "--seed", "'x'")
    t.fails(f"{name}: --seed -1", t.run(name, "--seed", "-1"), 2, "--seed", "-1", "from 0 to")
    t.fails(f"{name}: --seed", t.run(name, "--seed"), 2, "--seed")
    t.fails(f"{name}: --json=yes", t.run(name, "--json=yes"), 2, "--json")
    t.fails(f"{name}: --progress allways", t.run(name, "--progress", "allways"), 2, "'allways'",
            "'always'")
    t.fails(f"{name}: -Z", t.run(name, "-Z"), 2, "-Z")


def main():
    t = Suite()
    r = t.run("--version")
    t.check("--version", re.fullmatch(r"limn \d+\.\d+\.\d+\n", r.out) and r.code == 0, r)
    names = subcommands(t)
    t.check("'limn help' lists subcommands", "devices" in names, names)
    r = t.run()
    t.check("no argument: short help", r.code == 0 and all(n in r.out for n in names), r)
    t.check("limn --help", t.run("--help").out == t.run("help").out)
    t.check("help is written without a device",
            t.run("help", env={"OCL_ICD_VENDORS": t.folder}).code == 0)
    for name in names:
        check_help(t, name)
        check_wrong_usage(t, name)
        for what, slip in ONE_SLIP:
            word = slip(name)
            if word not in names:
                t.fails(f"{word} ({what})", t.run(word), 2, f"({word})", f"'{name}'")
    t.fails("an unknown subcommand", t.run("zzzzqqqq"), 2, "zzzzqqqq", "limn help")
    t.fails("help of an unknown subcommand", t.run("help", "devcies"), 2, "'devices'")
    t.fails("an option for a subcommand", t.run("--json"), 2, "--json")

    full = "/dev/full"
    if os.path.exists(full):
        for arguments in (["help"], ["--version"], ["devices", "--help"]):
            with open(full, "wb") as out:
                r = t.run(*arguments, stdout=out)
            t.fails(f"{arguments} to a full disk", r, 1, "standard output", "No space left")
    r = t.run("help", stdout=None, preexec=lambda: os.close(1))
    t.fails("help to a closed stdout", r, 1, "standard output")
    t.done()


main()
