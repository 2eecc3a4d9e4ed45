#!/usr/bin/env python3
"""limn bench: what it prints, in which form, and what it refuses.  No time is judged."""

import csv
import json
import os

from harness import Suite

QUICK = ("--seconds", "0.001", "--samples", "3")
ROW = {"op": str, "direction": str, "case": str, "seconds": float, "cpu_seconds": float,
       "spread": float, "samples": int, "gflops": float, "gbytes": float, "of_peak": float,
       "bytes": int}
STEP = {"arch": str, "inference": bool, "views": int, "batch": int, "height": int, "width": int,
        "seconds": float, "cpu_seconds": float, "spread": float, "samples": int,
        "images_per_second": float,
        "gflops": float, "of_peak": float, "planned_bytes": int, "state_bytes": int,
        "resident_before": int, "resident_peak": int, "ops": list, "kernels": list}


EXPLAIN = {"arch": str, "method": str, "masks": int, "batch": int, "height": int, "width": int,
           "seconds": float, "cpu_seconds": float, "spread": float, "samples": int,
           "state_bytes": int, "resident_before": int, "resident_peak": int}


def check_fields(t, what, found, fields):
    t.check(f"{what}: fields", set(found) >= set(fields), sorted(found))
    for name, kind in fields.items():
        t.check(f"{what}: type of {name}", type(found.get(name)) is kind, found.get(name))


def check_ops(t):
    path = os.path.join(t.folder, "bench.csv")
    r = t.run("bench", "cross_entropy", "copy", "--json", "--csv", path, *QUICK)
    t.check("exit code", r.code == 0, r)
    found = json.loads(r.out)
    t.check("peaks", found["peak"]["gflops"] > 0 and found["peak"]["gbytes"] > 0, r)
    t.check("the ops asked for, in that order, both directions",
            list(dict.fromkeys((row["op"], row["direction"]) for row in found["ops"]))
            == [(op, way) for op in ("cross_entropy", "copy") for way in ("forward", "backward")],
            r)
    for row in found["ops"]:
        check_fields(t, "row", row, ROW)
        t.check("numbers make sense", row["seconds"] > 0 and row["samples"] >= 3
                and row["spread"] >= 0 and row["of_peak"] >= 0, row)
    t.check("no step", "step" not in found, r)
    with open(path, newline="") as file:
        table = list(csv.DictReader(file))
    t.check("the same in the table", [(row["name"], row["direction"], row["case"])
                                      for row in table]
            == [(row["op"], row["direction"], row["case"]) for row in found["ops"]], table)
    t.check("nothing else is left", os.listdir(t.folder) == ["bench.csv"], os.listdir(t.folder))

    listed = t.run("bench", "--help").out.split("\nOps:\n")[1].split("\n\n")[0].split()
    t.check("the help lists what is benched", {"conv2d", "copy", "fma_chain"} <= set(listed)
            and listed == sorted(listed), listed)
    r = t.run("bench", "copy", *QUICK)
    t.check("text", r.code == 0 and "GFLOP/s" in r.out and "copy" in r.out and r.err == "", r)
    r = t.run("bench", "copy", "-q", *QUICK)
    t.check("-q prints nothing", r.code == 0 and r.out == "" and r.err == "", r)


def check_cases(t):
    cases = ["stride=2 pad=1 f32[2,6,5,3] f32[4,3,3,3]", "f32[1,4,4,8] f32[8,8,1,1] f32[8]"]
    r = t.run("bench", "conv2d", "--cases", ";  ".join(cases), "--json", *QUICK)
    found = json.loads(r.out)["ops"] if r.code == 0 else []
    t.check("the cases given and no others, both directions",
            [(row["case"], row["direction"]) for row in found]
            == [(case, way) for case in cases for way in ("forward", "backward")], r)
    first = 4 * (2 * 6 * 5 * 3 + 4 * 3 * 3 * 3 + 2 * 3 * 3 * 4)
    t.check("memory: values and gradients at least", found and found[0]["bytes"] >= 2 * first, r)
    for case, what in (("x[2]", "x[2]"), ("f32[2", "f32[2"), ("f32[0,1]", "f32[0,1]"),
                       ("f32[1000000,1000000,1000000]", "f32[1000000"), ("pads=1", "pads=1"),
                       ("f32[2,3]", "1 given"), ("", "empty")):
        t.fails(f"case '{case}'", t.run("bench", "conv2d", "--cases", case, *QUICK), 2, what)


def check_explanations(t):
    for method, more in (("rise", ("--masks", "6", "--batch", "4")), ("gradcam", ())):
        r = t.run("bench", "--arch", "cnn-small", "--size", "12x8", "--channels", "1", "--method",
                  method, "--json", *QUICK, *more)
        t.check(f"{method}: exit code", r.code == 0, r)
        found = json.loads(r.out)
        check_fields(t, method, found["explain"], EXPLAIN)
        t.check(f"{method}: what was asked", (found["explain"]["method"], found["explain"]["masks"],
                                              found["explain"]["height"])
                == (method, 6 if more else 0, 12) and found["explain"]["samples"] == 3, found)
        t.check(f"{method}: only it", found["ops"] == [] and "step" not in found, found)
    r = t.run("bench", "--arch", "cnn-small", "--size", "8", "--method", "rise", "--masks", "3",
              *QUICK)
    t.check("explanation: text", r.code == 0 and "ms a mask" in r.out, r)
    t.fails("an unknown method", t.run("bench", "--arch", "cnn-small", "--method", "rice", *QUICK),
            2, "rice")


def check_contrastive(t):
    r = t.run("bench", "--arch", "cnn-small", "--loss", "supcon", "--views", "2", "--batch", "3",
              "--size", "8", "--json", "--profile", *QUICK)
    t.check("contrastive: exit code", r.code == 0, r)
    step = json.loads(r.out)["step"]
    ops = {row["op"] for row in step["ops"]}
    t.check("contrastive: its ops", {"supcon", "l2_normalize", "sgd"} <= ops
            and "cross_entropy" not in ops, sorted(ops))
    t.check("contrastive: what was asked", (step["loss"], step["views"], step["batch"])
            == ("supcon", 2, 3), step)
    least = {row["op"]: row["least_seconds"] for row in step["ops"]}
    t.check("contrastive: bounds of what the graph runs, none of loss and update",
            least["conv2d"] > 0 and least["batch_norm"] > 0 and least["sgd"] == 0, least)
    t.fails("an unknown loss", t.run("bench", "--arch", "cnn-small", "--loss", "sup", *QUICK), 2,
            "sup", "supcon")
    t.fails("two views of a loss of one", t.run("bench", "--arch", "cnn-small", "--views", "2",
                                                *QUICK), 2, "views")


def check_steps(t):
    for more in ((), ("--inference",)):
        r = t.run("bench", "--arch", "cnn-small", "--batch", "2", "--size", "12x8", "--channels",
                  "1", "--profile", "--json", *QUICK, *more)
        t.check("step: exit code", r.code == 0, r)
        found = json.loads(r.out)
        step = found["step"]
        check_fields(t, "step", step, STEP)
        t.check("step: what was asked", (step["arch"], step["batch"], step["height"],
                                         step["width"], step["inference"])
                == ("cnn-small", 2, 12, 8, bool(more)), step)
        t.check("step: only it", found["ops"] == [], r)
        t.check("step: memory", 0 < step["planned_bytes"] and 0 < step["state_bytes"], step)
        ops = {row["op"] for row in step["ops"]}
        t.check("step: every kernel belongs to an op",
                {row["op"] for row in step["kernels"]} == ops and "" not in ops, step)
        t.check("step: the ops of this kind of step",
                {"conv2d", "linear"} <= ops
                and ({"batch_norm", "sgd", "cross_entropy"} <= ops) == (not more), sorted(ops))
    r = t.run("bench", "--arch", "cnn-small", "--batch", "2", "--size", "8", *QUICK)
    t.check("step: text", r.code == 0 and "images/s" in r.out, r)


def main():
    t = Suite()
    t.fails("a negative time", t.run("bench", "--seconds", "-1"), 2, "--seconds")
    t.fails("batch 0", t.run("bench", "--arch", "cnn-small", "--batch", "0"), 2, "--batch")
    t.fails("a step's option without --arch", t.run("bench", "--inference"), 2, "--arch")
    t.fails("masks without a method", t.run("bench", "--arch", "cnn-small", "--masks", "3"), 2,
            "--method")
    t.fails("a step's option with a method", t.run("bench", "--arch", "cnn-small", "--method",
                                                   "rise", "--profile"), 2, "profile")
    t.fails("a loss of inference", t.run("bench", "--arch", "cnn-small", "--inference", "--loss",
                                         "ce"), 2, "inference")
    t.fails("cases of two ops", t.run("bench", "add", "relu", "--cases", "f32[2]"), 2, "--cases")
    if not t.has_device():
        t.skip("the rest needs an OpenCL device")
    t.fails("an unknown op", t.run("bench", "conv2"), 2, "conv2", "did you mean conv2d?")
    t.fails("an unknown architecture", t.run("bench", "--arch", "cifar-resnet81", *QUICK), 2,
            "cifar-resnet81", "did you mean")
    t.fails("an unwritable table",
            t.run("bench", "copy", "--csv", os.path.join(t.folder, "no", "x.csv"), "-q", *QUICK),
            1, "x.csv")
    check_ops(t)
    check_cases(t)
    check_steps(t)
    check_contrastive(t)
    check_explanations(t)
    t.done()


main()
