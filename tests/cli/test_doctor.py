"""limn doctor, and the self-test on a device's first use."""

import json
import pathlib
import re

import models
from harness import Suite

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "images-28x28x1.safetensors"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

t = Suite()
if not t.has_device():
    t.skip("no OpenCL device")

# Every op of meson.build is checked, and its name is in the sheet.
ops = re.findall(r"'(\w+)'", re.search(r"^ops = \[(.*?)\]", (ROOT / "meson.build").read_text(),
                                       re.S | re.M).group(1))
cache = pathlib.Path(t.folder) / "cache"
notes = cache / "self-test"
r = t.run("doctor", "--json", env={"LIMN_CACHE_DIR": cache}, timeout=600)
t.check("doctor: exit code 0", r.code == 0, r)
sheet = json.loads(r.out)
t.check("doctor: one row for each op", sorted(row["op"] for row in sheet["ops"]) == sorted(ops), r)
t.check("doctor: counts", (sheet["passed"], sheet["failed"]) == (len(ops), 0), r)
for row in sheet["ops"]:
    t.check(f"doctor: {row['op']} within its tolerance",
            row["passed"] and 0 <= row["error"] <= row["tolerance"] and row["why"] == "", row)
t.check("doctor: the device is remembered", len(list(notes.glob("*.txt"))) == 1)

r = t.run("doctor", env={"LIMN_CACHE_DIR": cache}, timeout=600)
t.check("doctor: a line for each op", all(f" {name} " in r.out for name in ops), r)
t.check("doctor: says the device", sheet["device"] in r.out and sheet["driver"] in r.out, r)
r = t.run("doctor", "-q", env={"LIMN_CACHE_DIR": cache}, timeout=600)
t.check("doctor -q: says nothing", r.code == 0 and r.out == "" and r.err == "", r)

# First use: checked once, not at all where it is switched off or nothing can be remembered.
model = pathlib.Path(t.folder) / "model.safetensors"
models.write("cnn-small", 1, model)
FIRST = "first use of"
for name, forget, env, expected in (
        ("first use", True, {"LIMN_SELF_TEST": None}, True),
        ("second use", False, {"LIMN_SELF_TEST": None}, False),
        ("switched off", True, {"LIMN_SELF_TEST": "0"}, False),
        ("no cache", True, {"LIMN_SELF_TEST": None, "LIMN_CACHE_DIR": ""}, False)):
    for note in notes.glob("*.txt") if forget else ():
        note.unlink()
    r = t.run("eval", model, DATA, "-v", env={"LIMN_CACHE_DIR": cache, **env}, timeout=600)
    t.check(f"{name}: exit code 0", r.code == 0, r)
    t.check(f"{name}: {'checked' if expected else 'not checked'}", (FIRST in r.err) == expected, r)
t.done()
