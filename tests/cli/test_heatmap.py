#!/usr/bin/env python3
"""limn heatmap: what it writes, for which maps and images; bad input; nothing half-made."""

import json
import math
import os
import resource
import shutil
import signal
import struct
import zlib

from harness import Suite
import pictures as p

INFERNO = [(0, 0, 4), (252, 255, 164)]
NAN = math.nan


def npy(path, shape, values):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}\n".encode()
    return p.write(path, b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head +
                   struct.pack(f"<{len(values)}f", *values))


class Png:
    """An 8-bit RGB picture, read without the library's help."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        at, packed = 8, b""
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + length]
            if zlib.crc32(kind + body) != struct.unpack(">I", data[at + 8 + length:][:4])[0]:
                raise ValueError(f"{path}: CRC")
            if kind == b"IHDR":
                self.width, self.height, depth, colour = struct.unpack(">IIBB", body[:10])
            packed += body if kind == b"IDAT" else b""
            at += length + 12
        if (depth, colour) != (8, 2):
            raise ValueError(f"{path}: depth {depth}, colour {colour}")
        raw, stride = zlib.decompress(packed), self.width * 3
        self.rows, above = [], bytes(stride)
        for y in range(self.height):
            filtered = raw[y * (stride + 1)], raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)]
            above = self.unfilter(*filtered, above)
            self.rows.append(above)

    @staticmethod
    def unfilter(kind, row, above):
        out = bytearray(row)
        for i, value in enumerate(row):
            a, b, c = (out[i - 3], above[i], above[i - 3]) if i >= 3 else (0, above[i], 0)
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            out[i] = (value + (0, a, b, (a + b) // 2, nearest)[kind]) & 255
        return bytes(out)

    def at(self, x, y):
        return tuple(self.rows[y][3 * x:3 * x + 3])


class Heatmap(Suite):
    def __init__(self):
        super().__init__()
        self.out = self.path("out")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def draw(self, *arguments, **more):
        shutil.rmtree(self.out, ignore_errors=True)
        result = self.run("heatmap", *arguments, "-o", self.out, **more)
        self.left = sorted(os.listdir(self.out)) if os.path.isdir(self.out) else None
        return result

    def good(self, name, files, *arguments):
        r = self.draw(*arguments)
        self.check(f"{name}: exit code 0", r.code == 0, r)
        self.check(f"{name}: files", self.left == files, self.left)
        return r

    def bad(self, name, code, arguments, *words):
        r = self.draw(*arguments)
        self.fails(name, r, code, *words)
        self.check(f"{name}: nothing is made", self.left is None, self.left)

    def close(self, name, found, expected, room=1):
        self.check(name, all(abs(a - b) <= room for a, b in zip(found, expected)),
                   f"{found}, not {expected}")


def maps_alone(t):
    maps = npy(t.path("maps.npy"), (3, 1, 2), [0, 1, 0, 4, 5, 5])
    three = ["00000.png", "00001.png", "00002.png", "montage.png"]
    r = t.good("a range each", three, maps)
    t.check("says where", t.out in r.out, r)
    t.check("a constant map is named", "1 of 3" in r.err, r)
    for i in range(2):
        image = Png(t.path("out", f"0000{i}.png"))
        t.check("size", (image.width, image.height) == (448, 224), (image.width, image.height))
        t.close("low", image.at(0, 0), INFERNO[0])
        t.close("high", image.at(447, 223), INFERNO[1])
    t.close("constant", Png(t.path("out", "00002.png")).at(9, 9), INFERNO[0])

    r = t.good("a shared range", three, maps, "--range", "shared", "--percentile", "100", "--json")
    result = json.loads(r.out)
    t.check("range", (result["low"], result["high"]) == (0, 5), result)
    t.check("counts", (result["maps"], result["height"], result["width"], result["constant_maps"],
                       result["signed"]) == (3, 1, 2, 1, False), result)
    t.close("constant at the top", Png(t.path("out", "00002.png")).at(9, 9), INFERNO[1])
    second = Png(t.path("out", "00001.png")).at(447, 0)
    t.check("below the top", second != INFERNO[1] and second[0] > 200, second)

    t.good("no montage", three[:3], maps, "--montage", "0", "-q")
    t.good("colour bar", three, maps, "--colorbar", "--side", "100", "--colormap", "viridis")
    image = Png(t.path("out", "00000.png"))
    t.check("a bar beside the map", image.height == 100 and 220 < image.width < 300, image.width)
    t.close("viridis", image.at(0, 0), (0x44, 0x01, 0x54))


def signs_and_holes(t):
    maps = npy(t.path("signed.npy"), (1, 3), [-2, 0, 1])
    t.good("one map", ["00000.png", "montage.png"], maps, "--percentile", "100")
    image = Png(t.path("out", "00000.png"))
    low, zero, high = image.at(0, 0), image.at(336, 100), image.at(671, 0)
    t.check("blue, near-white, red", low[2] > low[0] + 50 and min(zero) > 225 and
            high[0] > high[2] + 50, (low, zero, high))
    maps = npy(t.path("nan.npy"), (1, 1, 2), [NAN, 1])
    r = t.good("NaN", ["00000.png", "montage.png"], maps)
    t.check("NaN is reported", "NaN" in r.err, r)
    t.close("NaN is grey", Png(t.path("out", "00000.png")).at(3, 3), (128, 128, 128), 0)
    channels = npy(t.path("channels.npy"), (1, 2, 1, 2), [1, 0, -1, 2])
    r = t.good("channels", ["00000.png", "montage.png"], channels, "--json", "--range", "shared")
    t.check("their sum", (json.loads(r.out)["low"], json.loads(r.out)["high"]) == (0, 2), r)
    r = t.good("channels", ["00000.png", "montage.png"], channels, "--json", "--range", "shared",
               "--reduce", "max-abs")
    t.check("their largest", (json.loads(r.out)["low"], json.loads(r.out)["high"]) == (1, 2), r)


def over_images(t):
    maps = npy(t.path("pair", "gradcam.npy"), (2, 1, 2), [0, 1, 0, 1])
    red, grey = t.path("red.png"), t.path("grey.jpg")
    p.write(red, p.png((200, 60, 20), 4, 4))
    p.write(grey, p.JPEG_GREY)
    two = ["00000.png", "00001.png", "montage.png"]
    for order in ([maps, "--images", red, grey], ["--images", red, grey, maps],
                  ["--images", red, maps, grey]):
        t.good("images as files", two, *order, "--overlay", "0.25")
        image = Png(t.path("out", "00000.png"))
        t.check("size of the image", (image.width, image.height) == (224, 224), image.width)
        t.close("a quarter of the colour", image.at(0, 0), (150, 45, 16))
        image = Png(t.path("out", "00001.png"))
        t.check("grey becomes RGB", (image.width, image.height) == (12 * 28, 8 * 28), image.width)
    t.good("only the image", two, maps, "--images", red, red, "--overlay", "0")
    t.close("its colour", Png(t.path("out", "00000.png")).at(9, 9), (200, 60, 20), 0)
    t.good("grey ground", two, maps, "--images", red, red, "--overlay", "0", "--grey")
    t.close("grey", Png(t.path("out", "00000.png")).at(9, 9), (97, 97, 97))
    t.bad("too few images", 4, [maps, "--images", red], "1 images for 2 maps")
    t.bad("no image", 4, [maps, "--images", red, t.path("none.png")], "none.png")
    t.bad("not an image", 4, [maps, "--images", red, maps + "x"], "gradcam.npyx")

    source = p.folder(t.path("source"), {f"{c}/{i}.png": p.png(40 * i + 20, 4, 4)
                                         for c in ("cat", "dog") for i in range(3)})
    data = t.path("data.safetensors")
    r = t.run("convert", "imagefolder", source, "-o", data)
    t.check("a data set to draw on", r.code == 0, r)
    t.good("data, by index", two, maps, "--images", data, "--index", "2:4", "--overlay", "0")
    shades = [Png(t.path("out", n)).at(0, 0)[0] for n in two[:2]]
    t.check("images 2 and 3", shades == [100, 20], shades)
    t.bad("data of another length", 4, [maps, "--images", data], "6 images for 2 maps", "--index")
    t.bad("index of another length", 4, [maps, "--images", data, "--index", "1:4"], "3 images")
    t.bad("index beyond the data", 2, [maps, "--images", data, "--index", "5:7"], "0:6")
    p.write(t.path("pair", "attributions.json"), b'{"indices": [4, 1]}')
    t.good("data, by what explain wrote", two, maps, "--images", data, "--overlay", "0")
    shades = [Png(t.path("out", n)).at(0, 0)[0] for n in two[:2]]
    t.check("images 4 and 1", shades == [60, 60], shades)
    p.write(t.path("pair", "attributions.json"), b'{"indices": [4, 6]}')
    t.bad("explained elsewhere", 4, [maps, "--images", data], "attributions.json", "0:6")


def no_room():
    """What a full disk looks like: no file grows beyond 60 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))


def bad_input(t):
    maps = npy(t.path("maps.npy"), (2, 2, 2), [0, 1, 2, 3, 4, 5, 6, 7])
    t.bad("no maps", 4, [t.path("none.npy")], "none.npy")
    t.bad("a vector", 4, [npy(t.path("v.npy"), (4,), [1, 2, 3, 4])], "v.npy")
    t.bad("empty", 4, [npy(t.path("e.npy"), (0, 2, 2), [])], "e.npy")
    t.bad("cut short", 4, [p.write(t.path("s.npy"), b"\x93NUMPY\1\0")], "s.npy")
    t.bad("colour map", 2, [maps, "--colormap", "jet"], "jet", "viridis")
    t.bad("percentile", 2, [maps, "--percentile", "0"], "--percentile")
    t.bad("overlay", 2, [maps, "--overlay", "1.5"], "--overlay")
    t.bad("range", 2, [maps, "--range", "all"], "--range")
    t.bad("two files of maps", 2, [maps, t.path("none.npy")], "none.npy")
    t.fails("no output", t.run("heatmap", maps), 2, "--output")
    file = p.write(t.path("file"), b"")
    t.fails("output is a file", t.run("heatmap", maps, "-o", file), 1, "file")
    t.fails("a full disk", t.draw(maps, preexec=no_room), 1, "00000.png")
    t.check("a full disk: nothing is left", t.left is None, t.left)


def main():
    t = Heatmap()
    maps_alone(t)
    signs_and_holes(t)
    over_images(t)
    bad_input(t)
    t.done()


main()
