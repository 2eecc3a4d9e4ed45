#!/usr/bin/env python3
"""limn train: the files of a run, resume to the same bits, interruption, refusals, disk faults."""

import csv
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import time

import arrays
from harness import Suite

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "images-28x28x1.safetensors"
FILES = {"checkpoint.safetensors", "config.ini", "log.csv", "model.safetensors"}
AUGMENTED = ["--loss", "supcon", "--augment", "contrastive", "--batch", "16", "--lr", "0.05"]
PLAIN = ["--batch", "16", "--lr", "0.05", "--augment", "crop-flip"]


class Runs:
    def __init__(self, t):
        self.t, self.count = t, 0

    def folder(self):
        self.count += 1
        return pathlib.Path(self.t.folder) / f"run{self.count}"

    def train(self, folder, *options, data=DATA, **more):
        return self.t.run("train", data, "-o", folder, *options, timeout=300, **more)

    def good(self, name, folder, *options, **more):
        r = self.train(folder, *options, **more)
        self.t.check(f"{name}: exit code", r.code == 0, r)
        return r


def rows(folder):
    with open(folder / "log.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def without_speed(folder):
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows(folder)]


def same_run(t, name, a, b):
    t.check(f"{name}: model", (a / "model.safetensors").read_bytes() ==
            (b / "model.safetensors").read_bytes())
    t.check(f"{name}: log", without_speed(a) == without_speed(b),
            (without_speed(a), without_speed(b)))


def outputs(t, runs):
    run = runs.folder()
    r = runs.good("a run", run, *PLAIN, "--epochs", "2", "--val", DATA, "--json")
    t.check("its files", {p.name for p in run.iterdir()} == FILES, list(run.iterdir()))
    result = json.loads(r.out)
    t.check("waiting for data is part of the time", 0 <= result["data_seconds"] <=
            result["seconds"], result)
    t.check("what is planned is held", 0 < result["planned_bytes"] <= result["peak_bytes"], result)
    saving = runs.folder()
    less = runs.good("a run that recomputes", saving, *PLAIN, "--epochs", "2", "--val", DATA,
                     "--json", "--recompute", "-v")
    t.check("less memory", json.loads(less.out)["planned_bytes"] < result["planned_bytes"],
            (less.out, r.out))
    t.check("-v: data and memory", "waited for data: " in less.err and "MiB planned" in less.err,
            less.err)
    same_run(t, "recomputation", run, saving)
    log = rows(run)
    t.check("columns", list(log[0]) == ["step", "epoch", "loss", "lr", "images_per_second",
                                        "val_loss", "val_accuracy"], log[0])
    t.check("a row a step", [int(row["step"]) for row in log] == [1, 2, 3, 4, 5, 6], log)
    t.check("epochs", [int(row["epoch"]) for row in log] == [1, 1, 1, 2, 2, 2], log)
    t.check("validated at the end of an epoch",
            [bool(row["val_loss"]) for row in log] == [False, False, True] * 2, log)
    t.check("warm-up grows", [f"{float(row['lr']):.4f}" for row in log[:3]] ==
            ["0.0167", "0.0333", "0.0500"], log)
    again = runs.folder()
    runs.good("from its own config", again, "--config", run / "config.ini", "--json")
    same_run(t, "its own config", run, again)
    e = t.run("eval", run / "checkpoint.safetensors", DATA, "--json")
    f = t.run("eval", run / "model.safetensors", DATA, "--json")
    t.check("a checkpoint serves as a model", e.code == 0 and e.out == f.out, (e, f, r))
    t.fails("the folder is taken", runs.train(run, *PLAIN), 2, str(run), "--resume", "--force")
    before = (run / "model.safetensors").read_bytes()
    runs.good("replaced", run, *PLAIN, "--epochs", "1", "--seed", "1", "--force")
    t.check("another seed, another model", before != (run / "model.safetensors").read_bytes())
    t.check("log of the new run only", len(rows(run)) == 3, rows(run))


def resume(t, runs):
    for name, options in (("supcon", AUGMENTED), ("ce", PLAIN + ["--no-decay-norm-bias"])):
        whole, half = runs.folder(), runs.folder()
        runs.good(f"{name} whole", whole, *options, "--steps", "10", "--schedule", "constant")
        runs.good(f"{name} half", half, *options, "--steps", "5", "--schedule", "constant")
        with open(half / "log.csv", "a", encoding="utf-8") as file:
            file.write("6,2,9,9,9\n7,2,")  # what a killed run may have left
        runs.good(f"{name} resumed", half, "--resume", "--steps", "10")
        same_run(t, f"{name} resumed", whole, half)
        twice = runs.folder()
        runs.good(f"{name} again", twice, *options, "--steps", "10", "--schedule", "constant")
        same_run(t, f"{name} run twice", whole, twice)
        saving = runs.folder()
        runs.good(f"{name} with recomputation", saving, *options, "--steps", "10", "--schedule",
                  "constant", "--recompute")
        same_run(t, f"{name} with recomputation", whole, saving)
    run, before = half, (half / "log.csv").read_bytes()
    t.fails("another lr and batch", runs.train(run, "--resume", "--lr", "0.5", "--batch", "8"), 2,
            "lr was 0.05, not 0.5", "batch was 16, not 8")
    t.fails("fewer steps", runs.train(run, "--resume", "--steps", "3"), 2, "10 steps")
    tensors, metadata = arrays.read_safetensors(DATA)
    tensors["labels"].values[0] = (tensors["labels"].values[0] + 1) % 10
    other = pathlib.Path(t.folder) / "other.safetensors"
    arrays.write_safetensors(other, tensors, metadata)
    t.fails("other data", runs.train(run, "--resume", data=other), 4, "other data", "digest")
    t.check("refusals leave the log alone", before == (run / "log.csv").read_bytes())
    r = runs.train(run, "--resume")
    t.check("a complete run says so", r.code == 0 and "was complete" in r.out, r)
    same_run(t, "a complete run stays as it is", whole, run)
    t.fails("nothing to resume", runs.train(runs.folder(), "--resume"), 4, "checkpoint")


def plans(t, runs):
    """The implementations of a run are in its checkpoint; --resume follows them or says why not."""
    run = runs.folder()
    options = ["--arch", "cnn-small", "--batch", "8", "--schedule", "constant"]
    runs.good("a run with a plan", run, *options, "--steps", "1")
    path = run / "checkpoint.safetensors"
    tensors, metadata = arrays.read_safetensors(path)
    lines = [line.split("\t") for line in metadata["plan"].splitlines()]
    t.check("plan: convolutions and matrix products, all directions",
            {(x[0], x[2]) for x in lines} == {(op, direction) for op in ("conv2d", "linear")
                                              for direction in ("forward", "data", "filter")},
            lines)
    first = lines[0]

    def rewrite(line):
        changed = ["\t".join(line)] + ["\t".join(x) for x in lines[1:]]
        arrays.write_safetensors(path, tensors, {**metadata, "plan": "\n".join(changed) + "\n"})

    rewrite(first[:3] + ["plain"])
    runs.good("another plan", run, "--resume", "--steps", "2")
    kept = arrays.read_safetensors(path)[1]["plan"]
    t.check("another plan: followed and handed on", kept.startswith("\t".join(first[:3] + ["plain"])),
            kept)
    before = (run / "log.csv").read_bytes()
    rewrite(first[:3] + ["strassen"])
    t.fails("a plan that limn cannot follow", runs.train(run, "--resume", "--steps", "3"), 4,
            "cannot resume", first[1], "strassen", "no such implementation")
    rewrite(first[:2] + ["forward"])
    t.fails("a malformed plan", runs.train(run, "--resume", "--steps", "3"), 4, "plan is malformed")
    t.check("the log is left alone", before == (run / "log.csv").read_bytes())
    arrays.write_safetensors(path, tensors, {k: v for k, v in metadata.items() if k != "plan"})
    runs.good("no plan, as older versions wrote it", run, "--resume", "--steps", "3")


def interrupt(t, runs):
    """SIGINT in the middle, then --resume to the same bits as an unbroken run."""
    options = [*AUGMENTED, "--steps", "60", "--schedule", "cosine"]
    whole, run = runs.folder(), runs.folder()
    runs.good("unbroken", whole, *options)
    process = subprocess.Popen([t.program, "train", str(DATA), "-o", str(run), *options],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None and not (run / "log.csv").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    t.check("interrupted: exit 130", process.returncode == 130, err)
    t.check("interrupted: says how to go on", "--resume" in err and "steps are made" in err, err)
    t.check("interrupted: no model, a checkpoint", {p.name for p in run.iterdir()} ==
            FILES - {"model.safetensors"}, list(run.iterdir()))
    made = len(rows(run))
    t.check("interrupted: a row for each step", 0 < made < 60, made)
    runs.good("resumed", run, "--resume")
    same_run(t, "interrupted and resumed", whole, run)


def diverge(t, runs):
    run = runs.folder()
    r = runs.train(run, *PLAIN, "--lr", "1e5", "--warmup", "0", "--momentum", "0.99",
                   "--schedule", "constant", "--steps", "200", "--checkpoint-every", "1")
    t.fails("diverged", r, 1, "training diverged", "step", "not finite", "checkpoint")
    t.check("diverged: no model", not (run / "model.safetensors").exists())
    step = int(re.search(r"of step (\d+)", r.err).group(1))
    t.check("diverged: the steps before are logged", len(rows(run)) == step - 1, r)
    # The loss does not see a bias that all classes share; decay then takes it beyond all floats.
    whole = runs.folder()
    runs.good("to break", whole, *PLAIN, "--steps", "1")
    tensors, metadata = arrays.read_safetensors(whole / "model.safetensors")
    bias = tensors["fc.bias"].values
    for i in range(len(bias)):
        bias[i] = 3e38
    broken = pathlib.Path(t.folder) / "broken.safetensors"
    arrays.write_safetensors(broken, tensors, metadata)
    run = runs.folder()
    r = runs.train(run, *PLAIN, "--init", str(broken), "--lr", "1e4", "--warmup", "0", "--steps",
                   "1", "--weight-decay", "1")
    t.fails("last update diverged", r, 1, "update of step 1", "fc.bias", "there is none yet")
    t.check("last update diverged: nothing is kept", not (run / "model.safetensors").exists() and
            not (run / "checkpoint.safetensors").exists())


def refusals(t, runs):
    cases = [
        ("batch 0", ["--batch", "0"], 2, ["batch"]),
        ("no epoch", ["--epochs", "0"], 2, ["epochs"]),
        ("negative lr", ["--lr", "-1"], 2, ["lr"]),
        ("unknown loss", ["--loss", "sup"], 2, ["sup", "supcon"]),
        ("unknown optimiser", ["--optimizer", "magic"], 2, ["magic"]),
        ("unknown schedule", ["--schedule", "magic"], 2, ["magic"]),
        ("unknown augmentation", ["--augment", "magic"], 2, ["magic"]),
        ("unknown architecture", ["--arch", "cnn-smal"], 2, ["cnn-smal", "cnn-small"]),
        ("views of ce", ["--views", "2"], 2, ["views"]),
        ("milestones", ["--milestones", "5,3"], 2, ["milestones"]),
        ("too few classes", ["--classes", "3"], 2, ["classes"]),
        ("batch above the data", ["--batch", "100"], 2, ["48", "100"]),
        ("momentum 1", ["--momentum", "1"], 2, ["momentum"]),
        ("missing weights", ["--init", "missing.safetensors"], 4, ["missing.safetensors"]),
        ("missing validation data", ["--val", "missing.safetensors"], 4, ["missing.safetensors"]),
        ("missing config", ["--config", "missing.ini"], 4, ["missing.ini"]),
        ("both", ["--resume", "--force"], 2, ["--resume"]),
    ]
    for name, options, code, words in cases:
        run = runs.folder()
        t.fails(name, runs.train(run, *options), code, *words)
        t.check(f"{name}: nothing is made", not run.exists())
    config = pathlib.Path(t.folder) / "bad.ini"
    config.write_text("[train]\nlr = 0.1\nbach = 3\n", encoding="utf-8")
    t.fails("unknown setting", runs.train(runs.folder(), "--config", config), 2, "bad.ini:3",
            "bach", "batch")
    config.write_text("lr 0.1\n", encoding="utf-8")
    t.fails("no setting", runs.train(runs.folder(), "--config", config), 4, "bad.ini:1")
    config.write_text("; a comment\n\n[train]\nval = " + "long/" * 300 + "\n", encoding="utf-8")
    t.fails("a long path", runs.train(runs.folder(), "--config", config), 4, "long/long")
    t.fails("missing data", runs.train(runs.folder(), data="missing.safetensors"), 4, "missing")


def labels(t, runs):
    tensors, metadata = arrays.read_safetensors(DATA)
    unlabelled = pathlib.Path(t.folder) / "unlabelled.safetensors"
    few = pathlib.Path(t.folder) / "single.safetensors"
    kept = list(tensors["labels"].values)
    for i, label in enumerate(kept):
        tensors["labels"].values[i] = -1
    arrays.write_safetensors(unlabelled, tensors, metadata)
    for i, label in enumerate(kept):
        tensors["labels"].values[i] = 7 if i == 0 else label % 3
    arrays.write_safetensors(few, tensors, metadata)
    for loss in ("ce", "supcon"):
        t.fails(f"no labels, {loss}", runs.train(runs.folder(), "--loss", loss, "--batch", "8",
                                                 data=unlabelled), 4, "labels", "unlabelled")
    r = runs.good("a class with one image", runs.folder(), *AUGMENTED, "--steps", "1", data=few)
    t.check("it is named", "warning" in r.err and "single image" in r.err, r)
    r = runs.good("ce does not mind", runs.folder(), *PLAIN, "--steps", "1", data=few)
    t.check("no warning", r.err == "", r)


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))


def disk(t, runs):
    # No cache of programs: it would be cut off by the limit too.
    run = runs.folder()
    r = runs.train(run, *PLAIN, "--steps", "1", preexec=small_files)
    t.fails("full disk", r, 1, "checkpoint.safetensors")
    t.check("full disk: nothing is left", not run.exists())
    file = pathlib.Path(t.folder) / "file"
    file.write_text("", encoding="utf-8")
    t.fails("a file in the way", runs.train(file, *PLAIN), 1, str(file))
    t.fails("a file as parent", runs.train(file / "run", *PLAIN, "--steps", "1"), 1, str(file))
    t.fails("a folder that takes no files", runs.train("/proc/run", *PLAIN, "--steps", "1"), 1,
            "/proc/run")


def probe(t, runs):
    run = runs.folder()
    r = runs.good("contrastive with probe", run, *AUGMENTED, "--epochs", "2", "--probe", "--val",
                  DATA)
    t.check("probe: accuracies", re.search(r"probe: val accuracy 0\.\d+|1\.0", r.out), r)
    tensors, _ = arrays.read_safetensors(run / "model.safetensors")
    t.check("probe: head and classifier", {"fc.weight", "head.2.bias"} <= set(tensors))
    out = pathlib.Path(t.folder) / "probed.safetensors"
    r = t.run("probe", run / "model.safetensors", DATA, "--val", DATA, "-o", out, "--json")
    t.check("probe: exit code", r.code == 0, r)
    e = t.run("eval", out, DATA, "--json")
    values = [float(re.search(rf'"{key}": ([\d.e-]+)', x.out).group(1)) if x.code == 0 else -1
              for key, x in (("train_accuracy", r), ("val_accuracy", r), ("accuracy", e))]
    t.check("probe: eval agrees", values[0] == values[1] == values[2] > 0.5, (values, r, e))
    t.fails("probe: bad epochs", t.run("probe", run / "model.safetensors", DATA, "-o", out,
                                       "--epochs", "0"), 2, "epochs")
    t.fails("probe: no model", t.run("probe", "missing.safetensors", DATA, "-o", out), 4,
            "missing.safetensors")


def main():
    t = Suite()
    if not t.has_device():
        t.skip("training needs an OpenCL device")
    runs = Runs(t)
    for part in (outputs, resume, plans, interrupt, diverge, refusals, labels, disk, probe):
        begun = time.monotonic()
        part(t, runs)
        print(f"{part.__name__}: {time.monotonic() - begun:.1f} s")
    t.done()


if __name__ == "__main__":
    main()
