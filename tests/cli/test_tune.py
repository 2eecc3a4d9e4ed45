"""limn tune, the automatic first run, and --no-tune."""

import json
import pathlib

import models
from harness import Suite

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "images-28x28x1.safetensors"
NOTE = "measuring for up to"
SMALL = ("--arch", "cnn-small", "--size", "16", "--batch", "2")

t = Suite()
cache = pathlib.Path(t.folder) / "cache"
ON = {"LIMN_TUNE": None, "LIMN_CACHE_DIR": cache}

t.fails("an unknown architecture", t.run("tune", "--arch", "cnn-small,cifar-resnet81"), 2,
        "cifar-resnet81", "did you mean")
t.fails("batch 0", t.run("tune", "--batch", "0"), 2, "--batch")
t.fails("two things at once", t.run("tune", "--list", "--clear"), 2, "--list")
if not t.has_device():
    t.skip("the rest needs an OpenCL device")


def findings():
    return list((cache / "tuning").glob("*.txt"))


def listed():
    r = t.run("tune", "--list", "--json", env=ON)
    t.check("--list: exit code 0", r.code == 0, r)
    return json.loads(r.out)["rows"]


# Measured, printed, kept.
t.check("nothing is known at first", listed() == [] and not findings())
r = t.run("tune", *SMALL, "--json", env=ON, timeout=600)
t.check("measured: exit code 0", r.code == 0, r)
sheet = json.loads(r.out)
if not sheet["rows"]:
    t.skip("one implementation serves each layer on this device, the rest needs a choice")
for row in sheet["rows"]:
    label = f"{row['op']} {row['shapes']} {row['direction']}"
    trials = {trial["name"]: trial for trial in row["trials"]}
    t.check(f"{label}: two tried or more", len(trials) >= 2, row)
    t.check(f"{label}: the default is among them", row["default"] in trials, row)
    t.check(f"{label}: none is faulty",
            all(not x["fault"] and 0 <= x["error"] <= x["bound"] < 1e-3 for x in trials.values()),
            row)
    t.check(f"{label}: all are timed", all(x["seconds"] > 0 for x in trials.values()), row)
    chosen, default = trials[row["chosen"]], trials[row["default"]]
    t.check(f"{label}: the default, or one faster by 5 %",
            chosen is default or chosen["seconds"] < 0.95 * default["seconds"], row)
KEY = ("op", "shapes", "direction", "chosen")
t.check("what was found is kept",
        {tuple(row[k] for k in KEY) for row in sheet["rows"]}
        == {tuple(row[k] for k in KEY) for row in listed()}, listed())
t.check("one file", len(findings()) == 1)
t.check("the classes leave the batch out",
        len({(row["op"], row["shapes"], row["direction"]) for row in sheet["rows"]})
        == len(sheet["rows"]))
r = t.run("tune", "--list", env=ON)
t.check("--list: text", r.code == 0 and all(row["shapes"] in r.out for row in sheet["rows"]), r)

# A damaged file counts as none; the next measurement replaces it.
whole = findings()[0].read_bytes()
findings()[0].write_bytes(whole[:-7])
r = t.run("tune", "--list", "-vv", env=ON)
t.check("a cut file is ignored", r.code == 0 and "nothing was found" in r.out, r)
t.check("-vv says so", "findings ignored" in r.err and "cut short" in r.err, r)
findings()[0].write_bytes(whole)
t.check("a whole one is read", len(listed()) == len(sheet["rows"]))

r = t.run("tune", "--clear", env=ON)
t.check("--clear: exit code 0", r.code == 0 and not findings() and listed() == [], r)
r = t.run("tune", "--clear", "-q", env=ON)
t.check("--clear twice", r.code == 0 and r.out == r.err == "", r)

# Where nothing can be kept: refused when asked, passed over when not.
model = pathlib.Path(t.folder) / "model.safetensors"
models.write("cnn-small", 1, model)
blocked = pathlib.Path(t.folder) / "blocked"
blocked.write_text("a file")
NOWHERE = {"LIMN_TUNE": None, "LIMN_CACHE_DIR": blocked / "cache"}
t.fails("nowhere to keep findings",
        t.run("tune", *SMALL, "-q", env=NOWHERE, timeout=600), 1, "blocked")
r = t.run("eval", model, DATA, "--json", env=NOWHERE)
t.check("eval without a cache", r.code == 0, r)
expected = json.loads(r.out)["loss"]

# The automatic run: once, with a note, where there is a choice at all.
r = t.run("tune", "--arch", "cnn-small", "--size", "28", "--channels", "1", "--inference", "--json",
          env=ON, timeout=600)
choice = len(json.loads(r.out)["rows"]) > 0
t.run("tune", "--clear", env=ON)
for name, arguments, env, noted in (
        ("--no-tune", ("--no-tune",), {}, False),
        ("LIMN_TUNE=0", (), {"LIMN_TUNE": "0"}, False),
        ("no cache", (), {"LIMN_CACHE_DIR": ""}, False),
        ("first run", (), {}, choice),
        ("second run", (), {}, False)):
    before = len(findings())
    r = t.run("eval", model, DATA, "--json", *arguments, env={**ON, **env}, timeout=600)
    t.check(f"{name}: exit code 0", r.code == 0, r)
    t.check(f"{name}: {'says' if noted else 'does not say'} that it measures",
            r.err.count(NOTE) == noted, r)
    t.check(f"{name}: {'keeps' if noted else 'writes'} {'what it found' if noted else 'nothing'}",
            len(findings()) == before + noted, findings())
    t.check(f"{name}: the same loss but for rounding",
            abs(json.loads(r.out)["loss"] - expected) < 1e-4 * abs(expected), r)
if choice:
    bits = {t.run("eval", model, DATA, "--json", env=ON).out for _ in range(2)}
    t.check("the same findings give the same bits", len(bits) == 1, bits)
r = t.run("heatmap", "--no-tune", env=ON)
t.fails("a command that runs no model has no --no-tune", r, 2, "--no-tune")
t.done()
