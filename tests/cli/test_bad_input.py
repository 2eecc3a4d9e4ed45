#!/usr/bin/env python3
"""Hostile input through every subcommand that reads or writes a file: each gives one error line, its
exit code, nothing on stdout, nothing in the output folder.

What belongs to one subcommand alone (formats of convert, options of explain, settings of train) is
in its own test; here stand the faults that all of them share, once for each.
"""

import array
import os
import pathlib
import resource
import shutil
import signal

import arrays
from harness import Suite
import models
import pictures as p

REFERENCE = pathlib.Path(__file__).resolve().parent.parent / "data"
NAN, INFINITY = float("nan"), float("inf")


class BadInput(Suite):
    def __init__(self):
        super().__init__()
        self.model = self.path("model.safetensors")
        self.data = self.path("data.safetensors")
        self.out = self.path("out")
        models.write("cnn-small", 1, self.model)
        shutil.copy(REFERENCE / "images-28x28x1.safetensors", self.data)
        self.maps = self.path("maps.npy")
        p.write(self.maps, npy((2, 4, 4), [i / 31 for i in range(32)]))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def file(self, name, data):
        return p.write(self.path("files", name), data)

    def changed(self, name, source, change, **metadata):
        """A safetensors file whose tensors and metadata `change` has altered."""
        tensors, kept = arrays.read_safetensors(source)
        change(tensors)
        kept.update(metadata)
        path = self.path(name)
        arrays.write_safetensors(path, tensors, {k: v for k, v in kept.items() if v is not None})
        return path

    def bad(self, name, code, command, *words, **more):
        """`command` with OUT standing for a place in a folder that must stay empty."""
        shutil.rmtree(self.out, ignore_errors=True)
        os.mkdir(self.out)
        r = self.run(*[str(a).replace("OUT", self.out) for a in command], **more)
        self.fails(f"{command[0]}, {name}", r, code, *words)
        left = sorted(os.listdir(self.out))
        self.check(f"{command[0]}, {name}: nothing is left", left == [], left)

    def commands(self, model=None, data=None):
        """Every subcommand that reads a model or a data set, as a user would call it."""
        model, data = model or self.model, data or self.data
        return {
            "eval": ["eval", model, data, "--json", "--logits", "OUT/x.npy"],
            "explain": ["explain", model, data, "--json", "-m", "gradcam,rise", "--masks", "8",
                        "--index", "0:2", "-o", "OUT/x"],
            "probe": ["probe", model, data, "--json", "--epochs", "1", "-o", "OUT/x.safetensors"],
            "train": ["train", data, "--init", model, "--json", "--steps", "1", "-o", "OUT/x"],
        }

    def all_bad(self, name, code, words, model=None, data=None, only=None):
        for command, line in self.commands(model, data).items():
            if only is None or command in only:
                self.bad(name, code, line, *words)


def npy(shape, values):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}\n".encode()
    return (b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head +
            arrays.little_endian_bytes(array.array("f", values)))


def floats(shape, value=0.0):
    size = 1
    for extent in shape:
        size *= extent
    return arrays.Array(shape, array.array("f", [value] * size))


def test_good_input(t):
    """The same commands without a fault succeed, and fill the caches that the others need."""
    r = t.run("doctor", "-q", timeout=500)
    t.check("doctor", r.code == 0, r)
    os.makedirs(t.out)
    for name, line in t.commands().items():
        r = t.run(*[str(a).replace("OUT", t.out) for a in line], timeout=500)
        t.check(f"{name}: works", r.code == 0 and r.out.startswith("{") and os.listdir(t.out), r)
        shutil.rmtree(t.out)
        os.mkdir(t.out)


def test_files_that_cannot_be_read(t):
    """Missing, a folder, empty, noise, cut off: as a model and as data."""
    with open(t.model, "rb") as file:
        model = file.read()
    with open(t.data, "rb") as file:
        data = file.read()
    cases = (("missing", t.path("nowhere"), "nowhere"),
             ("a folder", t.folder, ""),
             ("empty", t.file("empty", b""), "empty"),
             ("noise", t.file("noise", bytes(range(256)) * 8), "noise"))
    for name, path, word in cases:
        t.all_bad(f"model is {name}", 4, [path, word], model=path)
        t.all_bad(f"data is {name}", 4, [path, word], data=path)
    cut = t.file("cut", model[:-4])
    t.all_bad("model is cut off", 4, [cut], model=cut)
    cut = t.file("cut", data[:-4])
    t.all_bad("data is cut off", 4, [cut], data=cut)
    t.all_bad("model is data", 4, [t.data], model=t.data)
    t.all_bad("data is a model", 4, [t.model, "images"], data=t.model)


def test_data_that_does_not_fit(t):
    colour = REFERENCE / "images-32x32x3.safetensors"
    t.all_bad("wrong channels", 4, ["3 channels", "takes 1"], data=colour)

    def short_labels(tensors):
        labels = tensors["labels"]
        tensors["labels"] = arrays.Array((labels.shape[0] - 1,), labels.values[:-1])

    def far_label(tensors):
        tensors["labels"].values[1] = 10

    def no_images(tensors):
        tensors["images"] = arrays.Array((0, 28, 28, 1), array.array("B"))
        tensors["labels"] = arrays.Array((0,), array.array("i"))

    for name, change, word in (("labels of another length", short_labels, "labels"),
                               ("a label above the classes", far_label, "label 10 of image 1"),
                               ("no images", no_images, "empty")):
        path = t.changed("changed.safetensors", t.data, change)
        t.all_bad(name, 4, [path, word], data=path)
    for name, metadata, word in (("std of 0", {"std": "[0]"}, "std"),
                                 ("mean of two", {"mean": "[0.1, 0.2]"}, "mean"),
                                 ("mean of text", {"mean": '["x"]'}, "mean"),
                                 ("classes cut off", {"classes": '["a", "b'}, "classes")):
        path = t.changed("changed.safetensors", t.data, lambda tensors: None, **metadata)
        t.all_bad(name, 4, [path, word], data=path)


def test_weights_that_do_not_fit(t):
    def several(tensors):
        del tensors["layer2.bn.bias"]
        tensors["stray"] = floats((2,))
        tensors["layer1.conv.weight"] = floats((32, 1, 3, 4))
        tensors["layer3.bn.weight"].values[5] = NAN
        tensors["fc.bias"] = floats((11,))

    path = t.changed("several.safetensors", t.model, several)
    t.all_bad("all mismatches at once", 4,
              [path, "5 tensors", "layer2.bn.bias is missing", "stray does not belong",
               "layer1.conv.weight is [32,1,3,4], the model needs [32,1,3,3]",
               "layer3.bn.weight holds 1 values that are NaN", "fc.bias is [11]"], model=path)
    for value in (NAN, INFINITY):
        def poison(tensors, value=value):
            tensors["fc.weight"].values[7] = value
        path = t.changed("poison.safetensors", t.model, poison)
        t.all_bad(f"{value} in weights", 4, [path, "fc.weight"], model=path)

    def giant(tensors):
        tensors["fc.weight"] = arrays.Array((2000000000, 0), array.array("f"))
    path = t.changed("giant.safetensors", t.model, giant)
    t.all_bad("a giant without bytes", 4, [path, "fc.weight is [2000000000,0]"], model=path)
    path = t.changed("old.safetensors", t.model, lambda tensors: None, arch=None)
    t.all_bad("unknown architecture", 4, [path, "--arch"], model=path)
    path = t.changed("old.safetensors", t.model, lambda tensors: None, arch="cnn-smal")
    t.all_bad("misspelt architecture", 4, ["cnn-smal", "cnn-small"], model=path)
    path = t.changed("names.safetensors", t.model, lambda tensors: None, classes='["a"]')
    t.all_bad("too few class names", 4, [path, "classes"], model=path)
    for name, line in t.commands().items():
        t.bad("another architecture", 4, [*line, "--arch", "cifar-resnet20"], "conv1.weight")


def test_numbers_out_of_range(t):
    for name, line in t.commands().items():
        for option, value in (("--batch", "0"), ("--batch", "-1"), ("--batch", "1e3"),
                              ("--batch", "99999999999999999999"), ("--mean", "a"),
                              ("--std", "0"), ("--mean", "1,2,3,4,5"), ("--seed", "x")):
            if (name, option) != ("explain", "--batch") or value != "0":  # in its own test
                t.bad(f"{option} {value}", 2, [*line, option, value], option[2:])
        t.bad("no such device", 3, [*line, "--device", "no-such-device"], "no-such-device")
    colour = t.path("colour.safetensors")
    models.write("cnn-small", 3, colour)
    data = REFERENCE / "images-32x32x3.safetensors"
    for name, line in t.commands(colour, data).items():
        t.bad("two numbers for three channels", 2,
              [*line, "--mean", ".5,.5", "--std", ".2,.2"], "mean and std", "3 channels")
    base = t.commands()["explain"]
    for index in ("47:49", "48:49", "5:5", "7:3", "-1:3", "0:99999999999999999999", "3", ":"):
        line = [index if a == "0:2" else a for a in base]
        t.bad(f"--index {index}", 2, line, "index")
    heatmap = ["heatmap", t.maps, "--json", "-o", "OUT/x"]
    t.bad("--index beyond the data", 2, [*heatmap, "--images", t.data, "--index", "47:49"], "0:48")
    for option in ("--montage", "--side", "--percentile"):
        t.bad(f"{option} -1", 2, [*heatmap, option, "-1"], option[2:])


def test_places_that_cannot_be_written(t):
    blocked = t.file("blocked", b"a file")
    places = {"eval": ["eval", t.model, t.data, "--json", "--logits"],
              "embeddings": ["eval", t.model, t.data, "--json", "--embeddings"],
              "probe": ["probe", t.model, t.data, "--json", "--epochs", "1", "-o"],
              "explain": ["explain", t.model, t.data, "--json", "-m", "gradcam", "-o"],
              "train": ["train", t.data, "--json", "--steps", "1", "-o"],
              "heatmap": ["heatmap", t.maps, "--json", "-o"],
              "convert": ["convert", "imagefolder", t.path("one"), "--json", "-o"]}
    p.folder(t.path("one"), {"a/1.png": p.png(1)})
    for line in places.values():
        for place in (blocked + "/x", "/proc/no/x"):
            t.bad(f"output {place}", 1, [*line, place], place)
    for name in ("eval", "embeddings", "probe", "convert"):
        t.bad("output is a folder", 1, [*places[name], t.folder], t.folder)
        t.bad("output in a folder that is missing", 1, [*places[name], "OUT/no/x"], "no/x")
    t.bad("one file for both", 2, [*places["eval"], "OUT/x", "--embeddings", "OUT/x"], "--embeddings")
    if os.geteuid() != 0:
        closed = t.path("closed")
        os.mkdir(closed, 0o555)
        for line in places.values():
            t.bad("output in a closed folder", 1, [*line, closed + "/x"], closed)


def limit(size):
    def apply():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return apply


def test_full_disk(t):
    """Files end at a few bytes; the caches of programs were filled by the tests before."""
    for line in t.commands().values():
        t.bad("full disk", 1, line, t.out, preexec=limit(100))
    t.bad("full disk", 1, ["heatmap", t.maps, "--json", "-o", "OUT/x"], t.out, preexec=limit(100))
    t.bad("full disk", 1, ["convert", "imagefolder", t.path("one"), "--json", "-o", "OUT/x"], t.out,
          preexec=limit(100))
    if os.path.exists("/dev/full"):
        for line in (["eval", t.model, t.data], ["eval", t.model, t.data, "--json"],
                     ["doctor"], ["doctor", "--json"], ["devices"], ["help", "train"],
                     ["convert", "imagefolder", t.path("one"), "-o", t.path("one.safetensors")],
                     ["heatmap", t.maps, "-o", t.path("drawn"), "--json"]):
            with open("/dev/full", "wb") as full:
                r = t.run(*line, stdout=full, timeout=200)
            t.fails(f"{' '.join(line[:1])}, standard output is full", r, 1, "standard output")


def test_names_that_are_no_text(t):
    """Paths are bytes: --json stays valid, nothing claims that memory is short."""
    odd = os.fsencode(t.folder) + b"/\xff\x1b[31m"
    os.mkdir(odd)
    shutil.copy(t.model, odd + b"/model")
    shutil.copy(t.data, odd + b"/data")
    model, data = (os.fsdecode(odd + name) for name in (b"/model", b"/data"))
    for name, line in t.commands(model, data).items():
        out = os.fsdecode(odd + b"/" + name.encode())
        r = t.run(*[a.replace("OUT/x", out) for a in line], timeout=200)
        t.check(f"{name}, names that are no text", r.code == 0 and r.out.startswith("{"), r)
    r = t.run("heatmap", t.maps, "--json", "-o", os.fsdecode(odd + b"/drawn"))
    t.check("heatmap, names that are no text", r.code == 0 and "\\\\xFF" in r.out, r)


def test_little_memory(t):
    """PoCL can be told to have 1 GB, of which one buffer may take a part."""
    env = {"POCL_MEMORY_LIMIT": "1"}
    r = t.run("devices", "--json", env=env)
    if '"global_memory": 1073741824' not in r.out:
        print("no device here that can be told to have little memory: not tested")
        return
    count = 2048
    image = bytes(range(256)) * 49
    huge = t.path("huge.safetensors")
    tensors = {"images": arrays.Array((count, 112, 112, 1), array.array("B", image * count)),
               "labels": arrays.Array((count,), array.array("i", [i % 3 for i in range(count)]))}
    arrays.write_safetensors(huge, tensors, {"classes": '["a", "b", "c"]'})
    t.bad("little memory", 5,
          ["train", huge, "--json", "--steps", "1", "--batch", str(count), "-o", "OUT/x"],
          "out of device memory", f"{count} images", "--batch", env=env)
    small = t.path("fewer.safetensors")
    tensors["images"] = arrays.Array((384, 112, 112, 1), tensors["images"].values[:384 * 12544])
    tensors["labels"] = arrays.Array((384,), tensors["labels"].values[:384])
    arrays.write_safetensors(small, tensors, {"classes": '["a", "b", "c"]'})
    results = {}
    for batch in ("384", "8"):
        out = t.path(f"logits{batch}.npy")
        r = t.run("eval", t.model, small, "--batch", batch, "--logits", out, env=env, timeout=200)
        t.check(f"eval, little memory, batch {batch}: goes on", r.code == 0, r)
        t.check(f"eval, little memory, batch {batch}: says so",
                ("going on with" in r.err) == (batch == "384"), r)
        results[batch] = arrays.read_npy(out).values if r.code == 0 else None
    t.check("eval, little memory: same results", results["384"] == results["8"])
    r = t.run("explain", t.model, small, "-m", "occlusion", "--window", "112", "--batch", "384",
              "--index", "0:1", "-o", t.path("explained"), env=env, timeout=200)
    t.check("explain, little memory: works", r.code == 0, r)


def main():
    t = BadInput()
    if not t.has_device():
        t.skip("models need an OpenCL device")
    for test in (test_good_input, test_files_that_cannot_be_read, test_data_that_does_not_fit,
                 test_weights_that_do_not_fit, test_numbers_out_of_range,
                 test_places_that_cannot_be_written, test_names_that_are_no_text, test_full_disk,
                 test_little_memory):
        test(t)
    t.done()


main()
