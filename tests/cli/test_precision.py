#!/usr/bin/env python3
"""--precision: who has it, what it says, and that maps and predictions stay what they are."""

import json
import os
import pathlib

import arrays
import models
from harness import Suite

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "images-32x32x3.safetensors"

t = Suite()
for command in ("train", "probe", "explain", "eval", "bench", "tune"):
    r = t.run(command, "--help")
    t.check(f"{command} --help lists it", r.code == 0 and "--precision" in r.out, r)
t.fails("convert has none", t.run("convert", "a", "--precision", "fp16"), 2, "--precision")
t.fails("a precision that is none", t.run("bench", "--precision", "fp61"), 2, "--precision",
        "fp61", "fp16")
if not t.has_device():
    t.skip("the rest needs an OpenCL device")

devices = json.loads(t.run("devices", "--json").out)
model = os.path.join(t.folder, "model.safetensors")
models.write("cifar-resnet18", 3, model)


def explain(precision, *more):
    out = os.path.join(t.folder, precision)
    r = t.run("explain", model, DATA, "--index", "0:2", "--method", "gradcam", "--precision",
              precision, "-o", out, *more, timeout=600)
    t.check(f"{precision}: exit code 0", r.code == 0, r)
    if r.code:
        t.done()
    with open(os.path.join(out, "attributions.json"), encoding="utf-8") as file:
        return r, json.load(file), arrays.read_npy(os.path.join(out, "gradcam.npy"))


_, single, single_maps = explain("fp32")
r, half, half_maps = explain("fp16")
t.check("the document says which", (single["precision"], half["precision"]) == ("fp32", "fp16"))
cpu = all(device["type"] == "cpu" for device in devices)
t.check("on CPU devices it says that nothing changes", ("fp16 changes nothing" in r.err) == cpu, r)
t.check("the same classes", single["targets"] == half["targets"], (single, half))
scores = [x["methods"]["gradcam"]["scores"] for x in (single, half)]
t.check("about the same scores", len(scores[0]) == 2 and
        all(abs(a - b) <= 0.01 * abs(a) + 0.01 for a, b in zip(*scores)), scores)
if cpu:
    t.check("there the same bits", single_maps.values == half_maps.values)
r, _, _ = explain("fp16", "-q")
t.check("-q: not a word", r.out == r.err == "", r)
r = t.run("bench", "relu", "--cases", "f32[8,8]", "--precision", "fp16", "--json")
t.check("bench says which", r.code == 0 and json.loads(r.out)["precision"] == "fp16", r)


def train(name, *more):
    out = pathlib.Path(t.folder) / name
    return out, t.run("train", DATA, "-o", out, "--arch", "cnn-small", "--batch", "8", "--steps", "4",
                      "--json", *more, timeout=600)


single, r = train("train-fp32")
t.check("train: fp32 unless asked", r.code == 0 and json.loads(r.out)["precision"] == "fp32", r)
half, r = train("train-fp16", "--precision", "fp16")
t.check("train says which", r.code == 0 and json.loads(r.out)["precision"] == "fp16", r)
t.check("once", r.err.count("fp16 changes nothing") == cpu, r)
t.check("config.ini holds it", "precision = fp16\n" in (half / "config.ini").read_text() and
        "precision = fp32\n" in (single / "config.ini").read_text())
if cpu:
    t.check("train: there the same bits", (half / "model.safetensors").read_bytes() ==
            (single / "model.safetensors").read_bytes())
_, r = train("train-fp16", "--resume", "--steps", "6", "--precision", "fp32")
t.fails("a run keeps its precision", r, 2, "precision was fp16, not fp32")
_, r = train("train-fp16", "--resume", "--steps", "6")
t.check("resume goes on with it", r.code == 0 and json.loads(r.out)["precision"] == "fp16", r)
(half / "config.ini").write_text("".join(line for line in (half / "config.ini").open()
                                         if "precision" not in line))
_, r = train("train-fp16", "--resume", "--steps", "8")
t.fails("also without config.ini's word", r, 2, "precision was fp16, not fp32")
r = t.run("probe", model, DATA, "-o", os.path.join(t.folder, "probed.safetensors"), "--precision",
          "fp16", "--epochs", "2", "--json", timeout=600)
t.check("probe says which", r.code == 0 and json.loads(r.out)["precision"] == "fp16", r)
r = t.run("tune", "--arch", "cnn-small", "--size", "16", "--batch", "2", "--inference", "--json",
          "--precision", "fp16", timeout=600,
          env={"LIMN_TUNE": None, "LIMN_CACHE_DIR": os.path.join(t.folder, "cache")})
rows = json.loads(r.out)["rows"] if r.code == 0 else None
t.check("tune keeps findings apart, where it makes a difference", r.code == 0 and
        all(row["op"] != "conv2d" or row["shapes"].endswith(" half") != cpu for row in rows), r)
t.done()
