#!/usr/bin/env python3
"""limn explain: maps, targets, attributions.json, pictures; wrong requests; what is left behind."""

import json
import math
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

from harness import Suite
import arrays
import models
import pictures

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
METHODS = ["gradient", "saliency", "gradcam", "occlusion", "rise"]
FAST = ["--masks", "24", "--grid", "3"]


class Explain(Suite):
    def __init__(self):
        super().__init__()
        self.out = os.path.join(self.folder, "out")
        self.model = os.path.join(self.folder, "model.safetensors")
        models.write("cnn-small", 3, self.model)
        self.data = DATA / "images-32x32x3.safetensors"

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def explain(self, *arguments, data=None, model=None, out=None, **more):
        out = out or self.out
        shutil.rmtree(out, ignore_errors=True)
        data = data or [self.data]
        return self.run("explain", model or self.model, *data, *arguments, "-o", out, **more)

    def good(self, name, *arguments, **more):
        r = self.explain(*arguments, **more)
        self.check(f"{name}: exit code 0", r.code == 0, r)
        if r.code != 0:
            self.done()
        return r

    def document(self):
        with open(os.path.join(self.out, "attributions.json"), encoding="utf-8") as file:
            return json.load(file)

    def maps(self, method):
        return arrays.read_npy(os.path.join(self.out, f"{method}.npy"))

    def bad(self, name, code, arguments, *words, **more):
        r = self.explain(*arguments, **more)
        self.fails(name, r, code, *words)
        self.check(f"{name}: no folder is left", not os.path.exists(self.out))


def png_size(path):
    with open(path, "rb") as file:
        data = file.read(26)
    return (*struct.unpack(">II", data[16:24]), data[24], data[25])


def test_outputs(t):
    r = t.good("all methods", "--method", ",".join(METHODS), *FAST, "--index", "3:7", "--png",
               "--json", "--seed", "9")
    shown, kept = json.loads(r.out), t.document()
    t.check("--json prints attributions.json", shown == kept)
    t.check("methods in order", kept["method"] == METHODS, kept["method"])
    t.check("indices", kept["indices"] == [3, 4, 5, 6], kept["indices"])
    t.check("digests", len(kept["model_digest"]) == 32 and len(kept["data_digest"]) == 32)
    t.check("target, seed, device, version",
            kept["target"] == "predicted" and kept["seed"] == 9 and kept["device"] and kept["limn"])
    labels = arrays.read_safetensors(t.data)[0]["labels"].values[3:7]
    t.check("labels", kept["labels"] == list(labels), kept["labels"])
    t.check("target classes are named",
            kept["target_classes"] == [models.CLASSES[k] for k in kept["targets"]])
    wanted = {
        "gradient": {"score": "logit"}, "saliency": {"score": "logit"},
        "gradcam": {"score": "logit", "layer": ["layer3"], "relu": True},
        "occlusion": {"score": "logit", "window": [8, 8], "stride": [4, 4], "baseline": 0,
                      "preset": "limn"},
        "rise": {"score": "probability", "masks": 24, "grid": 3, "p": 0.5, "baseline": 0,
                 "seed": 9}}
    for method in METHODS:
        about, maps = kept["methods"][method], t.maps(method)
        t.check(f"{method}: parameters", about["parameters"] == wanted[method],
                about["parameters"])
        shape = (4, 3, 32, 32) if method == "gradient" else (4, 32, 32)
        t.check(f"{method}: shape", maps.shape == shape == tuple(about["shape"]), maps.shape)
        t.check(f"{method}: finite, not all the same", all(map(math.isfinite, maps.values)) and
                all(len(set(maps.row(i))) > 9 for i in range(4)))
        names = sorted(os.listdir(os.path.join(t.out, method)))
        t.check(f"{method}: pictures numbered as the data", names ==
                [f"{i:05}.png" for i in range(3, 7)], names)
        for name in names:
            size = png_size(os.path.join(t.out, method, name))
            t.check(f"{method} {name}: 8-bit RGB of 224", size == (224, 224, 8, 2), size)
    t.check("nothing else", sorted(os.listdir(t.out)) ==
            sorted(METHODS + [f"{m}.npy" for m in METHODS] + ["attributions.json"]))
    # Saliency is the largest magnitude of the gradient over the channels.
    gradient, saliency = t.maps("gradient").row(0), t.maps("saliency").row(0)
    largest = [max(abs(gradient[c * 1024 + i]) for c in range(3)) for i in range(1024)]
    t.check("saliency follows from gradient", largest == list(saliency))
    r = t.run("heatmap", os.path.join(t.out, "gradcam.npy"), "--images", t.data, "-o",
              t.path("drawn"))
    t.check("limn heatmap finds the images", r.code == 0, r)


def logits(t, first, count):
    out = t.path("logits.npy")
    r = t.run("eval", t.model, t.data, "--logits", out)
    t.check("eval", r.code == 0, r)
    return [arrays.read_npy(out).row(i) for i in range(first, first + count)]


def close(a, b):
    return all(abs(x - y) <= 1e-4 * max(1, abs(y)) for x, y in zip(a, b)) and len(a) == len(b)


def test_targets(t):
    rows = logits(t, 0, 5)
    labels = list(arrays.read_safetensors(t.data)[0]["labels"].values[:5])
    best = [row.index(max(row)) for row in rows]
    for target, classes in (("predicted", best), ("label", labels), ("7", [7] * 5),
                            (models.CLASSES[7], [7] * 5)):
        t.good(f"target {target}", "--method", "gradcam", "--index", "0:5", "--target", target)
        d = t.document()
        t.check(f"target {target}: classes", d["targets"] == classes, d["targets"])
        t.check(f"target {target}: scores", close(d["methods"]["gradcam"]["scores"],
                                                  [r[k] for r, k in zip(rows, classes)]))
    t.good("probability", "--method", "gradient", "--index", "0:5", "--score", "probability")
    found = t.document()["methods"]["gradient"]["scores"]
    expected = [1 / sum(math.exp(v - max(row)) for v in row) for row in rows]
    t.check("probability: softmax of the logits", close(found, expected), (found, expected))


def unit(row):
    length = math.sqrt(sum(v * v for v in row))
    return [v / length for v in row]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def encoder_without_classifier(t):
    """The model without fc and head, and the features of all images."""
    tensors, metadata = arrays.read_safetensors(t.model)
    path = t.path("encoder.safetensors")
    arrays.write_safetensors(path, {k: v for k, v in tensors.items()
                                    if not k.startswith(("fc.", "head."))}, metadata)
    out = t.path("features.npy")
    r = t.run("eval", path, t.data, "--metric", "knn", "--embeddings", out)
    t.check("eval of an encoder", r.code == 0, r)
    features = arrays.read_npy(out)
    return path, [unit(features.row(i)) for i in range(len(features))]


def test_similarity(t):
    encoder, features = encoder_without_classifier(t)
    labels = list(arrays.read_safetensors(t.data)[0]["labels"].values)
    prototypes = {}
    for k in set(labels):
        members = [f for f, label in zip(features, labels) if label == k]
        prototypes[k] = unit([sum(column) for column in zip(*members)])
    nearest = [max(sorted(prototypes), key=lambda k: dot(f, prototypes[k])) for f in features[:4]]
    for model in (encoder, t.model):
        name = "encoder" if model == encoder else "classifier"
        plain = ["predicted", "label", "4"] if model == encoder else []
        for target in plain + ["prototype", "prototype:label", "prototype:4"]:
            t.good(f"{name}, {target}", "--method", "gradient,gradcam,occlusion,rise", *FAST,
                   "--index", "0:4", "--target", target, model=model)
            classes = labels[:4] if "label" in target else [4] * 4 if "4" in target else nearest
            d = t.document()
            t.check(f"{name}, {target}: classes", d["targets"] == classes, d["targets"])
            t.check(f"{name}, {target}: similarity", d["similarity"])
            expected = [dot(f, prototypes[k]) for f, k in zip(features, classes)]
            for about in d["methods"].values():
                t.check(f"{name}, {target}: scores", close(about["scores"], expected) and
                        about["parameters"]["score"] == "cosine", (about["scores"], expected))
    t.good("another image", "--method", "occlusion", "--index", "0:4", "--target", "image:2",
           model=encoder)
    d = t.document()
    expected = [dot(f, features[2]) for f in features[:4]]
    t.check("another image: scores", close(d["methods"]["occlusion"]["scores"], expected))
    t.check("another image: no class", d["targets"] == [None] * 4)
    # Whatever is hidden, no image is more like itself than itself.
    t.check("another image: like itself", min(t.maps("occlusion").row(2)) >= -1e-6)
    drop_of_similarity(t, encoder, features)


def drop_of_similarity(t, encoder, features):
    """One window over the whole image: the drop is that to the features of a grey image."""
    tensors, metadata = arrays.read_safetensors(t.data)
    t.good("all hidden", "--method", "occlusion", "--window", "32", "--stride", "32", "--index",
           "0:2", "--target", "image:1", "--baseline", "black", model=encoder)
    black = {"images": arrays.Array((1, 32, 32, 3), tensors["images"].values[:3072]),
             "labels": arrays.Array((1,), tensors["labels"].values[:1])}
    for i in range(3072):
        black["images"].values[i] = 0
    path, out = t.path("black.safetensors"), t.path("black.npy")
    arrays.write_safetensors(path, black, metadata)
    t.run("eval", encoder, path, "--metric", "knn", "--embeddings", out)
    hidden = unit(arrays.read_npy(out).row(0))
    for i in range(2):
        expected = dot(features[i], features[1]) - dot(hidden, features[1])
        found = t.maps("occlusion").row(i)
        t.check("all hidden: the drop", max(abs(v - expected) for v in found) < 1e-5,
                (found[0], expected))


def test_same_bits(t):
    read = lambda: {m: open(os.path.join(t.out, f"{m}.npy"), "rb").read() for m in METHODS}
    t.good("first", "--method", ",".join(METHODS), *FAST, "--index", "0:3")
    first = read()
    t.good("again", "--method", ",".join(METHODS), *FAST, "--index", "0:3")
    t.check("same seed, same bits", read() == first)
    t.good("batch 5", "--method", ",".join(METHODS), *FAST, "--index", "0:3", "--batch", "5")
    second = read()
    for m in METHODS:
        t.check(f"{m}: the batch changes nothing", second[m] == first[m])
    t.good("other seed", "--method", ",".join(METHODS), *FAST, "--index", "0:3", "--seed", "1")
    other = read()
    for m in METHODS:
        t.check(f"{m}: only rise is random", (other[m] == first[m]) == (m != "rise"))
    t.good("part", "--method", ",".join(METHODS), *FAST, "--index", "1:3")
    for m in METHODS:
        whole, part = arrays.read_npy, t.maps(m)
        with open(t.path("first.npy"), "wb") as file:
            file.write(first[m])
        t.check(f"{m}: an image's map depends on no other image",
                list(whole(t.path("first.npy")).row(1)) == list(part.row(0)))


def test_pictures(t):
    for size, name in ((20, "a"), (20, "b"), (40, "wide")):
        pictures.write(t.path("pics", f"{name}.png"), pictures.png((200, size, 40), 16, size))
    both = [t.path("pics", "a.png"), t.path("pics", "b.png")]
    t.good("pictures", "--method", "gradcam", "--png", data=both)
    d = t.document()
    t.check("pictures: their own size", t.maps("gradcam").shape == (2, 16, 20))
    t.check("pictures: names and labels", d["images"] == both and d["labels"] == [-1, -1])
    size = png_size(os.path.join(t.out, "gradcam", "00001.png"))
    t.check("pictures: the shorter side has 224", size[:2] == (280, 224), size)
    t.bad("pictures of two sizes", 4, ["--method", "gradcam"], "different sizes", "--size",
          data=both + [t.path("pics", "wide.png")])
    t.good("pictures resized", "--method", "gradcam,occlusion", "--size", "24",
           data=both + [t.path("pics", "wide.png")])
    t.check("pictures resized: shape", t.maps("gradcam").shape == (3, 24, 24))
    t.bad("pictures have no label", 2, ["--method", "gradcam", "--target", "label"], "label",
          data=both)
    t.bad("a picture among data", 2, ["--method", "gradcam"], "unexpected",
          data=[t.data, both[0]])
    pictures.write(t.path("pics", "cut.png"), pictures.png(3)[:40])
    t.bad("a cut picture", 4, ["--method", "gradcam"], "cut.png", data=[t.path("pics", "cut.png")])


def test_wrong_requests(t):
    m = ["--method", "gradcam"]
    t.bad("unknown method", 2, ["--method", "gradcma"], "gradcma", "gradcam")
    t.bad("method twice", 2, ["--method", "rise,rise"], "rise")
    t.bad("unknown layer", 2, [*m, "--layer", "layer33"], "layer33", "layer3")
    t.bad("layer without a map", 2, [*m, "--layer", "fc"], "fc")
    t.bad("a parameter is no layer", 2, [*m, "--layer", "layer3.conv.weight"], "weight")
    t.bad("class out of range", 2, [*m, "--target", "10"], "--target", "10")
    t.bad("negative class", 2, [*m, "--target", "-1"], "--target")
    t.bad("unknown class", 2, [*m, "--target", "clas 3"], "--target", "class 3")
    t.bad("image out of range", 2, [*m, "--target", "image:24"], "24")
    t.bad("index out of range", 2, [*m, "--index", "20:25"], "--index", "20:25")
    t.bad("empty index", 2, [*m, "--index", "3:3"], "--index")
    t.bad("window above the image", 2, ["--method", "occlusion", "--window", "33"], "window")
    t.bad("stride above the window", 2, ["--method", "occlusion", "--window", "4", "--stride", "5"],
          "stride")
    t.bad("window 0", 2, ["--method", "occlusion", "--window", "0"], "--window")
    t.bad("baseline", 2, ["--method", "occlusion", "--baseline", "grey"], "--baseline", "grey")
    t.bad("no masks", 2, ["--method", "rise", "--masks", "0"], "--masks")
    t.bad("p", 2, ["--method", "rise", "--p", "1.5"], "--p")
    t.bad("batch 0", 2, [*m, "--batch", "0"], "--batch")
    t.bad("score of a similarity", 2, [*m, "--target", "prototype", "--score", "logit"], "score")
    t.bad("missing data", 4, m, "nowhere", data=[t.path("nowhere")])
    t.bad("missing model", 4, m, "nowhere", model=t.path("nowhere"))
    t.bad("wrong channels", 4, m, "channels", data=[DATA / "images-28x28x1.safetensors"])
    t.bad("bad later method stops the first", 2,
          ["--method", "gradcam,occlusion", "--window", "40"], "window")
    r = t.good("unused option", *m, "--masks", "5", "--index", "0:1")
    t.check("unused option is said", "--masks" in r.err, r)


def test_folders(t):
    file = pictures.write(t.path("file"), b"x")
    r = t.run("explain", t.model, t.data, "--method", "gradcam", "-o", os.path.join(file, "out"))
    t.fails("a file in the way", r, 1, "file")
    r = t.run("explain", t.model, t.data, "--method", "gradcam", "-o", "/proc/no/where")
    t.fails("unwritable folder", r, 1, "/proc/no/where")
    # Files of more than `most` bytes cannot be written: no maps; maps but no picture of 224 a side.
    for most, left in ((1000, None), (9000, ["attributions.json", "gradcam", "gradcam.npy"])):
        def small_files(most=most):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        r = t.explain("--method", "gradcam", "--index", "0:2", "--png", preexec=small_files)
        found = sorted(os.listdir(t.out)) if os.path.exists(t.out) else None
        t.check(f"files of {most} bytes at most: exit code 1", r.code == 1, r)
        t.check(f"files of {most} bytes at most: what is left", found == left, found)
        if found:
            t.check("no broken picture is left", not os.listdir(os.path.join(t.out, "gradcam")))
    # What was there before stays; files of this run are replaced.
    shutil.rmtree(t.out, ignore_errors=True)
    pictures.write(os.path.join(t.out, "notes"), b"mine")
    r = t.run("explain", t.model, t.data, "--method", "gradcam", "--index", "0:2", "-o", t.out)
    t.check("an existing folder is used", r.code == 0 and sorted(os.listdir(t.out)) ==
            ["attributions.json", "gradcam.npy", "notes"], r)


def test_flaws(t):
    """A constant model: no gradient, no drop, and a score of infinity."""
    tensors, metadata = arrays.read_safetensors(t.model)
    for i, _ in enumerate(tensors["fc.weight"].values):
        tensors["fc.weight"].values[i] = 0
    path = t.path("constant.safetensors")
    arrays.write_safetensors(path, tensors, metadata)
    r = t.good("constant model", "--method", "gradcam,occlusion", "--index", "2:5", "--png",
               model=path)
    d = t.document()
    for m in ("gradcam", "occlusion"):
        t.check(f"{m}: zero maps are listed", d["methods"][m]["zero_maps"] == [2, 3, 4], d)
        t.check(f"{m}: zero maps are said", f"{m}: all zero for 3 of 3" in r.err, r)
    for i, _ in enumerate(tensors["fc.bias"].values):
        tensors["fc.bias"].values[i] = 3e38
    for i, _ in enumerate(tensors["fc.weight"].values):
        tensors["fc.weight"].values[i] = 3e38
    arrays.write_safetensors(path, tensors, metadata)
    r = t.good("overflowing model", "--method", "gradient", "--index", "2:5", "--png", model=path)
    d = t.document()
    t.check("not finite is listed", d["methods"]["gradient"]["not_finite"] == [2, 3, 4], d)
    t.check("not finite is said", "not finite for 3 of 3" in r.err, r)


def test_interrupted(t):
    shutil.rmtree(t.out, ignore_errors=True)
    process = subprocess.Popen(
        [t.program, "explain", t.model, t.data, "--method", "gradcam,rise", "--masks", "10000000",
         "-o", t.out], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    document = os.path.join(t.out, "attributions.json")
    deadline = time.monotonic() + 60
    while not os.path.exists(document) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1].decode()
    t.check("interrupted: exit code 130", process.returncode == 130, error)
    t.check("interrupted: the finished method is kept",
            sorted(os.listdir(t.out)) == ["attributions.json", "gradcam.npy"], os.listdir(t.out))
    t.check("interrupted: only it is described", t.document()["method"] == ["gradcam"])


def main():
    t = Explain()
    if not t.has_device():
        t.skip("no OpenCL device")
    for test in (test_outputs, test_targets, test_similarity, test_same_bits, test_pictures,
                 test_wrong_requests, test_folders, test_flaws, test_interrupted):
        if len(sys.argv) < 3 or test.__name__ == f"test_{sys.argv[2]}":
            test(t)
    t.done()


if __name__ == "__main__":
    main()
