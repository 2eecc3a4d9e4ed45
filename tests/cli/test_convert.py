#!/usr/bin/env python3
"""limn convert: every format, from folders, files and archives; broken input; what is left."""

import gzip
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import tarfile
import time

from harness import Suite
import pictures as p

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Convert(Suite):
    def __init__(self):
        super().__init__()
        self.out = self.path("out", "data.safetensors")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def convert(self, *arguments, **more):
        """Converts into a folder of its own and remembers what lies there afterwards."""
        out = os.path.dirname(self.out)
        shutil.rmtree(out, ignore_errors=True)
        os.mkdir(out)
        result = self.run("convert", *arguments, "-o", self.out, **more)
        self.left = sorted(os.listdir(out))
        return result

    def good(self, name, *arguments):
        r = self.convert(*arguments)
        self.check(f"{name}: exit code 0", r.code == 0, r)
        self.check(f"{name}: one file and nothing beside it", self.left == ["data.safetensors"],
                   self.left)
        if r.code != 0:
            self.done()
        return p.Data(self.out)

    def bad(self, name, code, arguments, *words):
        r = self.convert(*arguments)
        self.fails(name, r, code, *words)
        self.check(f"{name}: nothing is left", self.left == [], self.left)


def fashion(t, compress=False, name="idx"):
    """Two training and three test images under the standard names."""
    keep = (lambda d: gzip.compress(d)) if compress else (lambda d: d)
    end = ".gz" if compress else ""
    return p.folder(t.path(name), {
        f"train-images-idx3-ubyte{end}": keep(p.idx_images(2, start=10)),
        f"train-labels-idx1-ubyte{end}": keep(p.idx_labels([3, 0])),
        f"t10k-images-idx3-ubyte{end}": keep(p.idx_images(3, start=20)),
        f"t10k-labels-idx1-ubyte{end}": keep(p.idx_labels([1, 4, 2]))})


def test_idx(t):
    for compress in (False, True):
        root = fashion(t, compress, f"idx{compress}")
        for form in ("idx", "auto"):
            d = t.good(f"idx, {form}, gz {compress}", form, root)
            t.check("idx: all, train first", d.firsts() == [10, 11, 20, 21, 22], d.firsts())
            t.check("idx: labels", d.labels == [3, 0, 1, 4, 2], d.labels)
            t.check("idx: shape", d.shape == (5, 3, 2, 1), d.shape)
            t.check("idx: class names", d.classes == list("01234"), d.classes)
        d = t.good("idx test", "idx", root, "--split", "test")
        t.check("idx: test part", d.firsts() == [20, 21, 22] and d.labels == [1, 4, 2])
        t.check("idx: a part has all classes", d.classes == list("01234"), d.classes)
        d = t.good("idx --limit", "idx", root, "--limit", "3")
        t.check("idx: --limit", d.firsts() == [10, 11, 20], d.firsts())
    end = ".gz"
    two = [os.path.join(root, f"t10k-{n}-ubyte{end}") for n in ("images-idx3", "labels-idx1")]
    d = t.good("idx, two files", "idx", *two, "--classes", "a,b,c,d,e", "--size", "4x5")
    t.check("idx: --classes and --size", d.classes == list("abcde") and d.shape == (3, 4, 5, 1))
    t.check("idx: flat stays flat", set(d.image(1)) == {21}, d.image(1))
    tar = p.tar(t.path("i.tar.xz"), [("d/raw/" + n, open(os.path.join(root, n), "rb").read())
                                     for n in sorted(os.listdir(root))], "w:xz")
    d = t.good("idx in an archive", "auto", tar)
    t.check("idx in an archive: train first", d.firsts() == [10, 11, 20, 21, 22], d.firsts())
    member = gzip.compress(p.idx_images(2)[:9]) + gzip.compress(p.idx_images(2)[9:])
    files = [p.write(t.path("m", "i"), member), p.write(t.path("m", "l"), p.idx_labels([0, 1]))]
    t.check("idx: gzip of two members", t.good("members", "idx", *files).shape[0] == 2)
    files[1] = p.write(t.path("m", "w"), p.idx(12, (2,), b"\0\0\0\1\0\0\1\2"))
    d = t.good("idx: labels of 32 bits", "idx", *files)
    t.check("idx: labels of 32 bits", d.labels == [1, 258] and len(d.classes) == 259, d.labels)


def test_idx_broken(t):
    images, labels = p.idx_images(4), p.idx_labels([0, 1, 2, 3])
    good = p.write(t.path("b", "labels"), labels)
    packed = gzip.compress(images)
    wrong_crc = bytearray(packed)
    wrong_crc[-8] ^= 1
    cases = {
        "cut off": (images[:-1], "expected from its header"),
        "too long": (images + b"x", "expected from its header"),
        "empty": (b"", "cut off"),
        "magic": (b"\1" + images[1:], "begin with 00 00"),
        "type": (b"\0\0\7\3" + images[4:], "known type"),
        "no dimension": (b"\0\0\10\0", "0 dimensions"),
        "huge": (p.idx(8, (2 ** 32 - 1,) * 4, b""), "too large"),
        "half a header": (images[:10], "cut off"),
        "labels as images": (labels, "1 dimensions"),
        "float images": (p.idx(13, (1, 1, 1), b"\0\0\0\0"), "not unsigned bytes"),
        "no width": (p.idx(8, (4, 3, 0), b""), "3x0x1"),
        "other count": (p.idx_images(5), "5 images, but 4 labels"),
        "gz cut off": (packed[:-9], "cut off"),
        "gz without its end": (packed[:-4], "cut off"),
        "gz crc": (bytes(wrong_crc), "incorrect data check"),
        "gz and garbage": (packed + b"garbage", "follow its end"),
        "gz of too little": (gzip.compress(images[:-1]), "cut off"),
        "gz of too much": (gzip.compress(images + b"x"), "more bytes follow"),
        "gz bomb": (gzip.compress(images + b"\0" * 10 ** 7), "more bytes follow"),
    }
    for name, (data, word) in cases.items():
        path = p.write(t.path("b", "images"), data)
        t.bad(f"idx {name}", 4, ["idx", path, good], path, word)
    path = p.write(t.path("b", "images"), images)
    for name, data, word in (("negative label", p.idx(9, (4,), b"\0\1\xff\0"), "label -1"),
                             ("float labels", p.idx(13, (4,), bytes(16)), "fractions"),
                             ("announced labels", gzip.compress(p.idx(8, (2 ** 31,), b"\0")),
                              "cut off")):
        t.bad(f"idx {name}", 4, ["idx", path, p.write(t.path("b", "bad"), data)], "bad", word)
    t.bad("idx, no images", 4, ["idx", p.write(t.path("b", "none"), p.idx_images(0)),
                                p.write(t.path("b", "bad"), p.idx_labels([]))], "none", "no images")
    t.bad("idx, one file", 4, ["idx", path], path, "limn convert idx IMAGES LABELS")
    t.bad("idx, one file, auto", 4, ["auto", path], path)
    t.bad("idx, three files", 2, ["idx", path, good, good], "at most 2")
    t.bad("idx, few classes", 2, ["idx", path, good, "--classes", "a,b"], "--classes", "4")
    t.bad("idx, --split of two files", 2, ["idx", path, good, "--split", "test"], "no parts")
    root = fashion(t, name="half")
    t.bad("idx, no such part", 4, ["idx", root, "--split", "val"], "'val'", "train, test")
    os.remove(os.path.join(root, "t10k-labels-idx1-ubyte"))
    t.bad("idx, labels missing", 4, ["idx", root], root, "t10k-labels")
    p.write(os.path.join(root, "again", "train-images-idx3-ubyte"), images)
    t.bad("idx, twice", 4, ["idx", root], "both")


def batches(t, name="cifar", under=""):
    return p.folder(t.path(name), {
        under + "data_batch_2.bin": p.record(5, (50, 51, 52)),
        under + "data_batch_1.bin": p.record(9, (10, 11, 12)) + p.record(0, (20, 21, 22)),
        under + "data_batch_10.bin": p.record(6, (60, 61, 62)),
        under + "test_batch.bin": p.record(1, (30, 31, 32))})


def second(data):
    """The second pixel of each image."""
    return [tuple(data.image(i)[3:6]) for i in range(data.shape[0])]


def test_cifar(t):
    root = batches(t)
    everything = [(10, 11, 12), (20, 21, 22), (50, 51, 52), (60, 61, 62), (30, 31, 32)]
    for form in ("cifar10", "auto"):
        d = t.good(f"cifar10 {form}", form, root)
        t.check("cifar10: batches by number, test last", second(d) == everything, second(d))
        t.check("cifar10: labels", d.labels == [9, 0, 5, 6, 1], d.labels)
        t.check("cifar10: shape", d.shape == (5, 32, 32, 3), d.shape)
        t.check("cifar10: first pixel", d.image(0)[:3] == b"\1\2\3")
        t.check("cifar10: the known names", d.classes == CIFAR10, d.classes)
    names = sorted(os.listdir(root), reverse=True)
    files = [("cifar-10-batches-bin/" + n, open(os.path.join(root, n), "rb").read())
             for n in names]
    for kind in ("tar", "tar.gz", "tar.xz", "zip"):
        path = t.path("c." + kind)
        if kind == "zip":
            p.zipped(path, files)
        else:
            p.tar(path, files, "w" + (":" + kind[4:] if kind != "tar" else ""))
        d = t.good(f"cifar10 from {kind}", "auto", path)
        t.check(f"cifar10 from {kind}: order", second(d) == everything, second(d))
        d = t.good(f"cifar10 from {kind}, train, 3", "cifar10", path, "--split", "train",
                   "--limit", "3")
        t.check(f"cifar10 from {kind}: part and limit", second(d) == everything[:3], second(d))
    d = t.good("cifar10, files", "cifar10", *[os.path.join(root, n) for n in names[:2]])
    t.check("cifar10, files: as given", second(d) == [everything[4], everything[2]], second(d))
    d = t.good("cifar10, one file", "auto", os.path.join(root, "test_batch.bin"), "--size", "16")
    t.check("cifar10: --size", d.shape == (1, 16, 16, 3), d.shape)
    letters = "\n".join("abcdefghij") + "\n\n"
    p.write(os.path.join(root, "batches.meta.txt"), letters.encode())
    t.check("cifar10: names of the file", t.good("names", "cifar10", root).classes ==
            list("abcdefghij"))
    p.write(os.path.join(root, "batches.meta.txt"), b"one\ntwo\n")
    t.bad("cifar10: two names", 4, ["cifar10", root], "batches.meta.txt", "2 names")
    d = t.good("cifar100", "auto", p.folder(t.path("c100"), {
        "train.bin": p.record(99, (1, 2, 3), coarse=19), "test.bin": p.record(7, (4, 5, 6), 0)}))
    t.check("cifar100: fine labels and names", d.labels == [99, 7] and d.classes[99] == "worm" and
            d.classes[7] == "beetle" and len(d.classes) == 100, d.labels)


def test_cifar_broken(t):
    good = p.record(1, (1, 2, 3))
    for name, data, word in (("cut off", good[:-1], "3072 bytes"), ("empty", b"", "0 bytes"),
                             ("label", good + b"\x0a" + good[1:], "label 10 of record 1"),
                             ("cifar100", p.record(1, (1, 2, 3), coarse=1), "CIFAR-100")):
        path = p.write(t.path("b", "data.bin"), data)
        t.bad(f"cifar10 {name}", 4, ["cifar10", path], path, word)
    t.bad("cifar10 --split of a file", 2,
          ["cifar10", p.write(path, good), "--split", "train"], "--split", "no parts")
    root = batches(t, "c2")
    t.bad("cifar10 without val", 4, ["cifar10", root, "--split", "val"], "'val'")
    p.write(os.path.join(root, "copy", "test_batch.bin"), good)
    t.bad("cifar10 twice", 4, ["cifar10", root], "both")
    t.bad("cifar10 of another folder", 4, ["cifar10", fashion(t, name="no")], "data_batch")


def grey_set():
    """Names in an order that is not the sorted one."""
    return {"b/2.png": p.png(12), "b/10.png": p.png(11), "a/x/0.png": p.png(3), "a/z.PNG": p.png(2),
            "a/b.png": p.png(1), "a-b/1.png": p.png(5)}


GREY = [(1, 0), (2, 0), (3, 0), (5, 1), (11, 2), (12, 2)]


def test_imagefolder(t):
    root = p.folder(t.path("grey"), grey_set())
    d = t.good("imagefolder", "imagefolder", root)
    t.check("imagefolder: order and labels", list(zip(d.firsts(), d.labels)) == GREY,
            list(zip(d.firsts(), d.labels)))
    t.check("imagefolder: grey has one channel", d.shape == (6, 4, 6, 1), d.shape)
    t.check("imagefolder: classes", d.classes == ["a", "a-b", "b"], d.classes)
    files = list(grey_set().items())
    for seed in range(3):
        random.Random(seed).shuffle(files)
        d = t.good("tar", "auto", p.tar(t.path("g.tar.gz"), files, "w:gz"))
        t.check("imagefolder from tar: order", list(zip(d.firsts(), d.labels)) == GREY, files)
        d = t.good("zip", "auto", p.zipped(t.path("g.zip"), [("./top//" + n, f)
                                                              for n, f in files]))
        t.check("imagefolder from zip, a folder around it", list(zip(d.firsts(), d.labels)) == GREY)
    if shutil.which("zstd"):
        tar = p.tar(t.path("g.tar"), files)
        subprocess.run(["zstd", "-q", "-f", tar], check=True)
        d = t.good("zst", "imagefolder", tar + ".zst")
        t.check("imagefolder from zst", list(zip(d.firsts(), d.labels)) == GREY)
    d = t.good("limit", "imagefolder", root, "--limit", "4", "--classes", "x,y,z")
    t.check("imagefolder: limit and names", d.labels == [0, 0, 0, 1] and d.classes == list("xyz"))
    p.folder(root, {"c/colour.png": p.png((9, 8, 7)), "d/j.jpg": p.JPEG_COLOUR})
    t.bad("sizes", 4, ["imagefolder", root], "d/j.jpg", "8x12", "a/b.png", "4x6", "--size")
    d = t.good("mixed", "imagefolder", root, "--size", "4x6")
    t.check("imagefolder: mixed becomes RGB", d.shape == (8, 4, 6, 3), d.shape)
    t.check("imagefolder: grey repeated", d.image(0)[:3] == b"\1\1\1", d.image(0)[:3])
    t.check("imagefolder: colour kept", d.image(6)[-3:] == b"\x09\x08\x07", d.image(6)[-3:])
    near = all(abs(a - b) < 4 for a, b in zip(d.image(7)[:3], (200, 60, 20)))
    t.check("imagefolder: JPEG", near, d.image(7)[:3])
    flat = p.folder(t.path("flat"), {"b.png": p.png(2), "a.png": p.png(1)})
    d = t.good("flat", "auto", flat)
    t.check("imagefolder: no class folders", d.labels == [-1, -1] and d.firsts() == [1, 2] and
            d.classes == [], d.labels)
    d = t.good("one picture", "auto", p.write(t.path("one.jpg"), p.JPEG_GREY))
    t.check("imagefolder: one picture", d.shape == (1, 8, 12, 1), d.shape)


def test_parts(t):
    parts = {f"{part}/{name}": p.png(v) for part, name, v in (
        ("val", "cat/1.png", 30), ("test", "cat/1.png", 20), ("test", "dog/1.png", 21),
        ("train", "dog/1.png", 11), ("train", "ant/1.png", 10))}
    everything = [(10, 0), (11, 2), (20, 1), (21, 2), (30, 1)]
    root = p.folder(t.path("parts"), parts)
    for source in (root, p.tar(t.path("p.tar"), [("x/" + n, d) for n, d in parts.items()])):
        d = t.good("parts", "imagefolder", source)
        t.check("parts: train, test, val; one numbering", list(zip(d.firsts(), d.labels)) ==
                everything, d.labels)
        for part, rows in (("train", everything[:2]), ("test", everything[2:4]),
                           ("val", everything[4:])):
            d = t.good(part, "imagefolder", source, "--split", part)
            t.check(f"parts: {part}", list(zip(d.firsts(), d.labels)) == rows, d.labels)
            t.check(f"parts: classes of {part}", d.classes == ["ant", "cat", "dog"], d.classes)
    d = t.good("a part without classes", "auto", p.folder(t.path("unlabelled"), {
        "train/a/1.png": p.png(1), "test/1.png": p.png(2), "test/2.png": p.png(3)}))
    t.check("a part without class folders is unlabelled", d.labels == [0, -1, -1], d.labels)
    r = t.convert("imagefolder", root)
    t.check("parts: a class that a part lacks is told", "'ant' has no pictures in test" in r.err, r)
    shutil.rmtree(os.path.join(root, "val"))
    t.bad("parts: no val", 4, ["imagefolder", root, "--split", "val"], "'val'", "train, test")
    p.write(os.path.join(root, "house", "1.png"), p.png(1))
    d = t.good("parts beside classes", "imagefolder", root)
    t.check("parts beside classes are classes", d.classes == ["house", "test", "train"], d.classes)
    t.bad("parts: none", 2, ["imagefolder", root, "--split", "test"], "no parts")


def test_rejects(t):
    broken = p.png(1)[:-20]
    root = p.folder(t.path("rejects"), {
        "a/1.png": p.png(1), "a/2.png": broken, "a/3.jpg": p.JPEG_COLOUR[:150], "a/4.bmp": b"BM12",
        "b/5.png": b"", "b/6.png": p.png(6), "a/note.txt": b"x", "a/\x1b[31m.png": b"x",
        "loose.png": p.png(9), ".ipynb_checkpoints/1.png": p.png(8)})
    os.symlink("nowhere", os.path.join(root, "b", "7.png"))
    os.mkfifo(os.path.join(root, "b", "8.png"))
    names = ["loose.png", "a/\\x1B[31m.png", "a/2.png", "a/3.jpg", "a/4.bmp", "b/5.png", "b/7.png",
             "b/8.png"]
    r = t.convert("imagefolder", root, "--json")
    t.check("rejects: exit code 0", r.code == 0, r)
    j = json.loads(r.out)
    t.check("rejects: counts", j["images"] == 2 and j["classes"] == 2 and j["height"] == 4 and
            j["width"] == 6 and j["channels"] == 1, j)
    t.check("rejects: class names", j["class_names"] == ["a", "b"], j)
    t.check("rejects: named", sorted(x["name"] for x in j["rejected"]) == sorted(names),
            [x["name"] for x in j["rejected"]])
    t.check("rejects: explained", all(len(x["reason"]) > 5 for x in j["rejected"]), j["rejected"])
    t.check("rejects: other files are told", "1 files that are no pictures" in r.err and
            ".ipynb_checkpoints" in r.err, r.err)
    t.check("rejects: data", p.Data(t.out).firsts() == [1, 6])
    r = t.convert("imagefolder", root)
    t.check("rejects: text", "rejected: 8" in r.out and "a/3.jpg: " in r.out and "\x1b" not in
            r.out + r.err and "2 images" in r.out, r)
    r = t.convert("imagefolder", root, "-q")
    t.check("rejects: -q", r.code == 0 and r.out == "" and r.err == "", r)
    link = tarfile.TarInfo("a/link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("a/hard.png")
    hard.type, hard.linkname = tarfile.LNKTYPE, "a/1.png"
    pipe = tarfile.TarInfo("a/pipe.png")
    pipe.type = tarfile.FIFOTYPE
    tar = p.tar(t.path("r.tar"), [("a/9.png", broken), (link, None), (hard, None), (pipe, None),
                                  ("a/1.png", p.png((1, 2, 3))), ("a/0.png", p.png(7))])
    r = t.convert("imagefolder", tar, "--json")
    j = json.loads(r.out or "{}")
    t.check("rejects of an archive", sorted(x["name"] for x in j["rejected"]) ==
            ["a/9.png", "a/hard.png", "a/link.png", "a/pipe.png"] and j["images"] == 2, r)
    t.check("rejects of an archive: links", "link" in j["rejected"][1]["reason"], j)
    none = p.folder(t.path("none"), {"a/1.png": broken, "b/2.jpg": b"x"})
    t.bad("nothing left", 4, ["imagefolder", none], none, "all 2 were rejected", "a/1.png")


def test_archives(t):
    picture = p.png(1)
    for name in ("../a/1.png", "/a/1.png", "a/../../1.png", "a/..", "..\\1.png"):
        for kind, make in (("tar", p.tar), ("zip", p.zipped)):
            path = make(t.path("evil." + kind), [("a/0.png", picture), (name, picture)])
            t.bad(f"archive with {name}, {kind}", 4, ["auto", path], path, "leads outside")
    t.bad("archive, a name twice", 4,
          ["auto", p.tar(t.path("two.tar"), [("a/1.png", picture), ("./a/1.png", picture)])],
          "twice")
    for kind, make in (("tar", p.tar), ("zip", p.zipped)):
        path = make(t.path("names." + kind), [("z\u00e4\u20ac/\u00f6.png", picture),
                                              ("\u00c4/1.png", picture)])
        d = t.good(f"names in {kind}", "auto", path)
        t.check(f"names beyond ASCII in {kind}", d.classes == ["z\u00e4\u20ac", "\u00c4"], d.classes)
    noise = random.Random(1).randbytes(40000)
    files = [(f"a/{i}.png", p.png(i)) for i in range(40)] + [("a/noise.txt", noise)]
    for kind in ("tar.gz", "tar.xz", "zip", "tar"):
        path = t.path("whole." + kind)
        if kind == "zip":
            p.zipped(path, files)
        else:
            p.tar(path, files, "w" + (":" + kind[4:] if kind != "tar" else ""))
        with open(path, "rb") as file:
            data = file.read()
        cut = p.write(t.path("cut." + kind), data[:len(data) // 3 if kind != "tar" else 700])
        t.bad(f"archive cut off, {kind}", 4, ["auto", cut], cut)
        wrong = bytearray(data)
        wrong[len(data) // 2] ^= 0x55
        if kind == "tar.gz":
            t.bad("archive, one bit", 4, ["auto", p.write(cut, bytes(wrong))], cut)
    path = p.zipped(t.path("crc.zip"), [("a/1.png", picture), ("a/2.png", picture)])
    with open(path, "rb") as file:
        wrong = bytearray(file.read())
    wrong[14] ^= 1  # the CRC in the first local header
    at = wrong.index(b"PK\1\2") + 16
    wrong[at] ^= 1  # and in the directory
    t.bad("archive, CRC of an entry", 4, ["auto", p.write(path, bytes(wrong))], path, "CRC")
    for name, data in (("empty.tar", b""), ("text.tar", b"no archive" * 100), ("text.zip", b"PK\3\4")):
        t.bad(name, 4, ["auto", p.write(t.path(name), data)], name)
    t.bad("archive of nothing", 4, ["auto", p.tar(t.path("none.tar"), [])], "none.tar")
    folder = tarfile.TarInfo("a/")
    folder.type = tarfile.DIRTYPE
    t.bad("archive of a folder", 4, ["auto", p.tar(t.path("dir.tar"), [(folder, None)])], "no files")
    bomb = p.zipped(t.path("bomb.zip"), [("a/1.png", p.png(1))] + [
        (f"a/{i}.png", b"\0" * (1 << 27)) for i in range(2, 4)])
    r = t.convert("imagefolder", bomb, "--json")
    t.check("large entries are rejected", r.code == 0 and len(json.loads(r.out)["rejected"]) == 2, r)


def test_usage(t):
    root = p.folder(t.path("u"), grey_set())
    t.bad("missing source", 4, ["imagefolder", t.path("nowhere")], t.path("nowhere"))
    for form in ("auto", "idx", "cifar10", "imagefolder"):
        os.makedirs(t.path("empty", "folder"), exist_ok=True)
        t.bad(f"empty folder, {form}", 4, [form, t.path("empty")], t.path("empty"))
    t.bad("unknown format", 2, ["cifar", root], "(cifar)", "cifar10")
    t.bad("not a data set", 4, ["auto", p.write(t.path("x.txt"), b"hello")], "x.txt")
    t.bad("no picture", 4, ["imagefolder", os.path.dirname(p.write(t.path("n", "x.txt"), b"x"))],
          "no pictures")
    for option, value in (("--split", "all"), ("--size", "0"), ("--size", "3x"), ("--limit", "0"),
                          ("--limit", "-3"), ("--limit", "x")):
        t.bad(f"{option} {value}", 2, ["imagefolder", root, option, value], option)
    t.fails("no -o", t.run("convert", "imagefolder", root), 2, "output")
    t.fails("no source", t.run("convert", "imagefolder", "-o", t.path("o")), 2)
    os.symlink("..", os.path.join(root, "a", "up"))
    t.bad("a link that leads up", 4, ["imagefolder", root], "leads back")
    os.remove(os.path.join(root, "a", "up"))
    gone = t.path("gone", "x.safetensors")
    t.fails("no such folder", t.run("convert", "imagefolder", root, "-o", gone), 1, gone)
    t.check("no such folder: none is made", not os.path.exists(t.path("gone")))
    out = p.write(t.path("keep", "old"), b"old")
    t.fails("a failure", t.run("convert", "imagefolder", root + "x", "-o", out), 4)
    t.check("an older file survives a failure", open(out, "rb").read() == b"old")
    t.fails("the output is a folder", t.run("convert", "imagefolder", root, "-o", root), 1, root)


def limit_size():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


def test_disk(t):
    """A disk that fills up: once while writing in order, once in the temporary file."""
    many = [(f"a/{i:03}.png", p.png((i, 0, 0), 32, 32)) for i in range(40)]
    for name, files in (("writing", many), ("waiting", many[::-1])):
        path = p.tar(t.path("many.tar"), files)
        r = t.convert("imagefolder", path, preexec=limit_size)
        t.fails(f"full disk while {name}", r, 1, t.out)
        t.check(f"full disk while {name}: nothing is left", t.left == [], t.left)
    if os.geteuid() != 0:
        closed = t.path("closed")
        os.mkdir(closed, 0o555)
        t.fails("unwritable folder", t.run("convert", "auto", path, "-o", closed + "/x"), 1, closed)
    t.fails("unwritable place", t.run("convert", "auto", path, "-o", "/proc/x"), 1, "/proc/x")


def test_interrupt(t):
    """Ctrl-C in the middle: exit code 130, nothing is left."""
    large = p.png(7, 1500, 1500)
    path = p.tar(t.path("large.tar"), [(f"a/{i:03}.png", large) for i in range(300)])
    folder = os.path.dirname(t.out)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    with subprocess.Popen([t.program, "convert", "auto", path, "-o", t.out, "--size", "32"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 30
        while not os.listdir(folder) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1].decode()
    t.check("Ctrl-C: exit code 130", process.returncode == 130, (process.returncode, err))
    t.check("Ctrl-C: nothing is left", os.listdir(folder) == [], os.listdir(folder))


def main():
    t = Convert()
    for test in (test_idx, test_idx_broken, test_cifar, test_cifar_broken, test_imagefolder,
                 test_parts, test_rejects, test_archives, test_usage, test_disk,
                 test_interrupt):
        test(t)
    t.done()


main()
