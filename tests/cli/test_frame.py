#!/usr/bin/env python3
"""The frame itself, through a program that has every kind of option (frame.c)."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

from harness import Suite


def values(t, *arguments, **more):
    r = t.run("try", *arguments, "--json", **more)
    try:
        return json.loads(r.out)
    except ValueError:
        t.check(f"{arguments}: a JSON document", False, r)
        return {}


def check_values(t):
    v = values(t, "a")
    t.check("defaults", v == {
        "flag": False, "int": 7, "float": 0.5, "out": None, "choice": 1, "colour": "green",
        "list": [], "colours": ["red", "blue"], "size": [-1, -1], "range": [-1, -1], "means": 0,
        "mean": [0, 0, 0], "arguments": ["a"], "int_given": False, "has_out": False,
        "device": None}, v)
    cases = [
        (["-f", "a"], "flag", True), (["a", "--int", "9"], "int", 9), (["a", "--int=9"], "int", 9),
        (["a", "-i9"], "int", 9), (["a", "-fi", "9"], "int", 9), (["a", "--int=+9"], "int", 9),
        (["--int", "9", "a", "--int", "10"], "int", 10), (["a", "-i", "9"], "int_given", True),
        (["a", "--float", "1e-3"], "float", 1e-3), (["a", "-o", "-"], "out", "-"),
        (["a", "-o", "f=g"], "out", "f=g"), (["a", "--out=--x"], "out", "--x"),
        (["a", "--out", "x"], "has_out", True), (["a", "--colour", "blue"], "choice", 2),
        (["a", "--list", "x,y,z"], "list", ["x", "y", "z"]),
        (["a", "--list", "x", "--list", "y"], "list", ["y"]),
        (["a", "--colours=green"], "colours", ["green"]), (["a", "--size", "5"], "size", [5, 5]),
        (["a", "--size", "5x6"], "size", [5, 6]), (["a", "--range", "3:9"], "range", [3, 9]),
        (["a", "--mean", "-.5,.25,1"], "mean", [-.5, .25, 1]),
        (["a", "--mean", "1,2,3,4"], "means", 4), (["a", "--device", "cpu"], "device", "cpu"),
        (["a", "--", "--int", "-o"], "arguments", ["a", "--int", "-o"]),
        (["a", "-f", "b", "--int", "3", "c"], "arguments", ["a", "b", "c"]),
        (["-", "a"], "arguments", ["-", "a"]),
        (["a", "--set", "int=50"], "int", 50), (["a", "--set", "int=50", "-i8"], "int", 8),
        (["a", "--set", "flag=yes"], "flag", True), (["a", "--set", "flag=no"], "flag", False),
        (["a", "--set", "list=p,q"], "list", ["p", "q"]),
    ]
    for arguments, name, value in cases:
        if "--" in arguments:
            r = t.run("try", "--json", *arguments)
            found = json.loads(r.out or "{}").get(name)
        else:
            found = values(t, *arguments).get(name)
        t.check(f"{' '.join(arguments)}: {name}", found == value, found)


def check_refusals(t):
    cases = [
        (["a", "--int", "0"], ["--int", "0 is out of range", "from 1 to 100"]),
        (["a", "--int", "101"], ["from 1 to 100"]), (["a", "--int", "1.5"], ["whole number"]),
        (["a", "--int", "0x10"], ["whole number"]), (["a", "--int="], ["whole number"]),
        (["a", "--int", "99999999999999999999"], ["--int"]),
        (["a", "--float", "0"], ["--float", "above 0"]), (["a", "--float", "nan"], ["--float"]),
        (["a", "--float", "inf"], ["--float"]), (["a", "--float", "1,5"], ["--float"]),
        (["a", "--colour", "gren"], ["gren", "red, green, blue", "'green'"]),
        (["a", "--colours", "red,blu"], ["blu", "'blue'"]), (["a", "--list", "x,,y"], ["empty"]),
        (["a", "--list="], ["empty"]), (["a", "--out="], ["--out", "empty"]),
        (["a", "--size", "0"], ["--size", "from 1 to 1000"]), (["a", "--size", "5x"], ["--size"]),
        (["a", "--size", "5x6x7"], ["N or HxW"]), (["a", "--range", "5"], ["A:B"]),
        (["a", "--range", "0-5"], ["0-5", "A:B"]), (["a", "--range", "1:2:3"], ["A:B"]),
        (["a", "--range", "5:5"], ["--range", "5:5"]), (["a", "--range", "9:3"], ["9:3"]),
        (["a", "--mean", "1,x"], ["--mean"]), (["a", "--int", "--flag"], ["--int", "value"]),
        (["a", "--out"], ["--out"]), (["a", "-o"], ["-o"]), (["a", "-colour"], ["-colour", "'--colour'"]),
        (["a", "--flag=1"], ["--flag"]), (["a", "--flg"], ["'--flag'"]),
        (["a", "--col"], ["'--colour'"]), ([], ["ARGUMENT"]), (["a", "b", "c", "d"], ["(d)"]),
        (["a", "--set", "int=0"], ["x.ini:3", "int", "from 1 to 100"]),
        (["a", "--set", "itn=5"], ["x.ini:3", "itn", "'int'"]),
        (["a", "--set", "flag=perhaps"], ["x.ini:3", "perhaps"]),
    ]
    for arguments, words in cases:
        r = t.run("try", "-q", *arguments)
        t.fails(f"{' '.join(arguments)}", r, 2, *words)


def check_messages(t):
    for arguments, words in [
        (["-q"], []), ([], ["a note", "a warning"]), (["-v"], ["a note", "a warning", "an info"]),
        (["-vv"], ["a note", "a warning", "an info", "a debug"]),
        (["-v", "-v"], ["a note", "a warning", "an info", "a debug"]),
        (["-qv"], []),
    ]:
        r = t.run("try", "a", *arguments)
        said = [w for w in ("a note", "a warning", "an info", "a debug") if w in r.err]
        t.check(f"messages with {arguments}", sorted(said) == sorted(words), r)
    r = t.run("try", "fail", "-q")
    t.check("an error of the library", r.code == 4 and r.err ==
            "limn: error: cannot read (a.png): not a picture\ntry another\n", r)


def has_terminals():
    try:
        for end in pty.openpty():
            os.close(end)
        return True
    except OSError:
        return False


def on_terminal(program, arguments, env=None):
    """Runs with stderr on a terminal of 100 columns; returns what was written there."""
    import fcntl
    import struct
    import termios
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    child = subprocess.Popen([program, *arguments], stderr=slave, stdout=subprocess.DEVNULL,
                             env=dict(os.environ, TERM="xterm", **(env or {})))
    os.close(slave)
    text = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(master)
    child.wait()
    return text.decode()


def check_progress(t):
    quiet = ["try", "a", "--steps", "60"]
    r = t.run(*quiet, "-q")
    t.check("no bar without a terminal", "working" not in r.err, r)
    r = t.run(*quiet, "--progress", "always")
    t.check("always: lines without a terminal",
            re.search(r"^working 100% 60/60 steps  [\d.]+/s  in 0:\d\d  loss 0.5$", r.err, re.M)
            and "\r" not in r.err, r)
    begin = time.monotonic()
    text = on_terminal(t.program, quiet, {"NO_COLOR": "1"})
    most = 10 * (time.monotonic() - begin) + 2
    draws = re.findall(r"\rworking \[[#-]+\] +\d+% \d+/60 steps  \S+/s  (?:ETA|in) \S+  loss 0.5",
                       text)
    t.check("a bar on a terminal, redrawn at most 10 times a second", 2 <= len(draws) <= most,
            (len(draws), text))
    t.check("NO_COLOR", "\033" not in text, text)
    t.check("the last one is whole", "100% 60/60" in text and "ETA" in text, text)
    text = on_terminal(t.program, quiet)
    t.check("colour on a terminal", "\033[" in text, text)
    for arguments in (["--progress", "never"], ["-q"]):
        text = on_terminal(t.program, quiet + arguments)
        t.check(f"no bar with {arguments}", "working" not in text, text)


def start(t, *arguments):
    child = subprocess.Popen([t.program, "try", "a", "--steps", "2000", *arguments],
                             bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while b"a note" not in child.stderr.readline():  # it comes right before the work
        pass
    return child


def check_signals(t):
    for number in (signal.SIGINT, signal.SIGTERM):
        child = start(t, "--json")
        child.send_signal(number)
        out, err = child.communicate(timeout=10)
        t.check(f"{number.name}: 130", child.returncode == 130, (child.returncode, err))
        t.check(f"{number.name}: says so at once", b"finishing this step" in err, err)
        t.check(f"{number.name}: error line",
                re.search(rb"^limn: error: interrupted \(working\): stopped after \d+ steps$", err,
                          re.M), err)
        t.check(f"{number.name}: no document", out == b"", out)
    child = start(t)
    os.kill(child.pid, signal.SIGSTOP)  # so that both are seen before the step ends
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)
    os.kill(child.pid, signal.SIGCONT)
    _, err = child.communicate(timeout=10)
    t.check("twice: ends at once with 130", child.returncode == 130 and b"error" not in err,
            (child.returncode, err))


def check_device(t):
    def opened(device, *arguments):
        return t.run("try", "a", "--open", "-q", *arguments, env={"LIMN_DEVICE": device})

    t.fails("no device", t.run("try", "a", "--open", "-q", env={"OCL_ICD_VENDORS": t.folder}), 3,
            "apt-get install", "pocl-opencl-icd")
    listed = t.run("devices", program=sys.argv[2])
    if listed.code != 0:
        print("no OpenCL device here: --device and LIMN_DEVICE are not tested")
        return
    first = opened(None)
    t.check("the default", first.code == 0 and first.out.startswith("opened "), first)
    index = first.out.split()[1]
    t.check("by number", opened(None, "--device", index).out == first.out)
    t.check("by LIMN_DEVICE", opened(index).out == first.out)
    for r in opened("no-such-device"), opened(None, "--device", "no-such-device"):
        t.fails("a device that is not there", r, 3, "no-such-device")
    t.check("--device before LIMN_DEVICE",
            opened("no-such-device", "--device", index).out == first.out)


def check_version(t, fake):
    r = t.run("--version", env={"LD_PRELOAD": fake, "ASAN_OPTIONS": "verify_asan_link_order=0"},
              program=sys.argv[2])
    t.fails("a library of another version", r, 1, "0.0.0-fake", "version")


def main():
    t = Suite()
    check_values(t)
    check_refusals(t)
    check_messages(t)
    if has_terminals():
        check_progress(t)
    else:
        print("not checked: the progress bar, since this system has no pseudo-terminals")
    check_signals(t)
    check_device(t)
    check_version(t, sys.argv[3])
    t.done()


main()
