#!/usr/bin/env python3
"""Writes the page of tools/demo: pictures, predictions and heatmaps of two encoders side by side.

Usage: demo_page.py FOLDER --index A:B

FOLDER is the demo's output folder: test.safetensors, NAME.json and NAME.npy of `limn eval` and
maps-NAME/ of `limn explain --png` for NAME ce and supcon, .stages/ with the seconds of each stage.
It writes FOLDER/index.html, one file with all pictures inside.  Only the standard library is used.
"""

import argparse
import ast
import base64
import configparser
import html
import json
import math
import pathlib
import struct
import sys
import zlib

MODELS = [("ce", "Cross-entropy"), ("supcon", "Supervised contrastive + probe")]
METHODS = [
    ("gradcam", "Grad-CAM", "heat",
     "Weighs the last convolution's channels by how much the score rises with each, and adds them "
     "up. Bright is where these channels speak for the predicted class."),
    ("occlusion", "Occlusion", "signed",
     "Covers a small window at every place with black, the colour of the background, and notes how "
     "far the score falls. Red speaks for the predicted class; blue speaks against it: without it "
     "the score rises."),
    ("rise", "RISE", "heat",
     "Looks at the image through thousands of random masks, black where they hide it, and averages "
     "the masks, weighted by the probability that is left. Bright is what has to stay visible."),
]

STYLE = """
:root { color-scheme: light dark; --back: #f6f6f4; --card: #ffffff; --text: #1c1d21; --soft: #63656e;
  --line: #dfdfda; --good: #1d7a46; --bad: #b3261e; --accent: #a33a5c; }
@media (prefers-color-scheme: dark) { :root { --back: #141518; --card: #1d1f24; --text: #ececef;
  --soft: #a2a5ae; --line: #33363d; --good: #6fcf97; --bad: #ff8a80; --accent: #f08cae; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1220px; margin: 0 auto; padding: 40px 20px 60px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4em; letter-spacing: -.015em; }
h2 { font-size: 1.25rem; margin: 2.2em 0 .7em; }
h3 { font-size: 1rem; margin: 0 0 .3em; }
p { margin: 0 0 .8em; max-width: 70ch; }
.soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 16px; }
.tile, .row { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 18px; }
.tile p:last-child { margin-bottom: 0; }
.key { height: 8px; border-radius: 4px; margin: 10px 0 3px; }
.heat { background: linear-gradient(90deg, #000004, #420a68, #932667, #dd513a, #fca50a, #fcffa4); }
.signed { background: linear-gradient(90deg, #2166ac, #92c5de, #f7f7f7, #f4a582, #b2182b); }
.ends { display: flex; justify-content: space-between; font-size: .78rem; color: var(--soft); }
.scroll { overflow-x: auto; margin-bottom: 12px; }
table { border-collapse: collapse; width: 100%; background: var(--card); font-size: .95rem;
  border: 1px solid var(--line); border-radius: 12px; border-spacing: 0; }
th, td { text-align: left; padding: 9px 14px; border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: .85rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.row { display: grid; grid-template-columns: 120px 1fr 1fr; gap: 22px; margin-bottom: 16px;
  align-items: start; }
figure { margin: 0; }
img { display: block; width: 100%; aspect-ratio: 1; border-radius: 6px; background: #0002; }
img.pixels { image-rendering: pixelated; }
figcaption { font-size: .78rem; color: var(--soft); margin-top: 4px; }
.maps { display: grid; grid-template-columns: repeat(3, 1fr); gap: 10px; }
.says { margin: 0 0 8px; display: flex; justify-content: space-between; gap: 10px; flex-wrap: wrap;
  font-size: .92rem; }
.who { color: var(--soft); }
.right { color: var(--good); font-weight: 600; }
.wrong { color: var(--bad); font-weight: 600; }
.truth { font-weight: 600; margin-top: 6px; font-size: .95rem; line-height: 1.3; color: var(--text); }
code { font: .88em ui-monospace, "SF Mono", Consolas, monospace; }
footer { margin-top: 40px; color: var(--soft); font-size: .85rem; }
@media (max-width: 900px) { .row { grid-template-columns: 110px 1fr; }
  .row > .model { grid-column: 2; } }
@media (max-width: 560px) { .row { grid-template-columns: 1fr; } .row > .model { grid-column: 1; }
  .row > figure { max-width: 110px; } }
"""


def read_npy(path):
    """A two-dimensional float32 array as a list of rows."""
    data = path.read_bytes()
    if data[:6] != b"\x93NUMPY":
        sys.exit(f"{path}: no .npy file")
    size, begin = (struct.unpack_from("<H", data, 8)[0], 10) if data[6] == 1 else \
        (struct.unpack_from("<I", data, 8)[0], 12)
    head = ast.literal_eval(data[begin:begin + size].decode("latin-1"))
    if head["descr"] != "<f4" or head["fortran_order"] or len(head["shape"]) != 2:
        sys.exit(f"{path}: not float32 [N, classes]")
    rows, columns = head["shape"]
    values = struct.unpack_from(f"<{rows * columns}f", data, begin + size)
    return [values[i * columns:(i + 1) * columns] for i in range(rows)]


class Images:
    """What the page needs of a data set: pictures as PNG, labels, class names."""

    def __init__(self, path):
        self.data = path.read_bytes()
        size = struct.unpack_from("<Q", self.data)[0]
        self.head = json.loads(self.data[8:8 + size])
        self.base = 8 + size
        self.count, self.height, self.width, self.channels = self.head["images"]["shape"]
        self.classes = json.loads(self.head["__metadata__"]["classes"])

    def label(self, index):
        return struct.unpack_from("<i", self.data, self.base + index * 4 +
                                  self.head["labels"]["data_offsets"][0])[0]

    def png(self, index):
        size = self.height * self.width * self.channels
        begin = self.base + self.head["images"]["data_offsets"][0] + index * size
        line = self.width * self.channels
        rows = (b"\0" + self.data[begin + y * line:begin + (y + 1) * line]
                for y in range(self.height))

        def chunk(name, body):
            return struct.pack(">I", len(body)) + name + body + \
                struct.pack(">I", zlib.crc32(name + body))
        colour = {1: 0, 3: 2}[self.channels]
        return b"\x89PNG\r\n\x1a\n" + \
            chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, colour, 0, 0, 0)) + \
            chunk(b"IDAT", zlib.compress(b"".join(rows), 9)) + chunk(b"IEND", b"")


def picture(data, alt, kind=""):
    text = base64.b64encode(data).decode()
    return f'<img{kind} alt="{html.escape(alt)}" src="data:image/png;base64,{text}">'


def clock(seconds):
    return f"{seconds // 60}:{seconds % 60:02d}"


def seconds_of(folder, *stages):
    return sum(int((folder / ".stages" / name).read_text().split("\n", 1)[0]) for name in stages)


def settings_of(folder, name):
    """What config.ini of a run says; it has no sections."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string("[run]\n" + (folder / name / "config.ini").read_text())
    return parser["run"]


def results(folder, images):
    """The table of accuracies and times."""
    stages = {"ce": ("ce",), "supcon": ("supcon", "probe")}
    rows = []
    for name, title in MODELS:
        measured = json.loads((folder / f"{name}.json").read_text())
        run = settings_of(folder, name)
        epochs = "1 epoch" if run["epochs"] == "1" else f"{run['epochs']} epochs"
        what = f"{epochs}, batch {run['batch']}, augmentation {run['augment']}"
        rows.append(f"<tr><th scope=row>{title}</th><td>{html.escape(what)}</td>"
                    f"<td class=number>{100 * measured['accuracy']:.2f} %</td>"
                    f"<td class=number>{measured['loss']:.3f}</td>"
                    f"<td class=number>{clock(seconds_of(folder, *stages[name]))}</td></tr>")
    return ("<div class=scroll><table><thead><tr><th scope=col>Trained with<th scope=col>How"
            "<th scope=col class=number>Test accuracy<th scope=col class=number>Test loss"
            "<th scope=col class=number>Time, min:s</tr></thead><tbody>" + "".join(rows) +
            f"</tbody></table></div><p class=soft>Accuracy and loss over all {images.count:,} test "
            f"images. Explaining the images below took {clock(seconds_of(folder, 'maps'))}.</p>")


def legend():
    tiles = []
    for _, title, key, text in METHODS:
        ends = ("against", "for") if key == "signed" else ("low", "high")
        tiles.append(f"<div class=tile><h3>{title}</h3><p>{text}</p><div class='key {key}'></div>"
                     f"<div class=ends><span>{ends[0]}</span><span>{ends[1]}</span></div></div>")
    return "<div class=tiles>" + "".join(tiles) + "</div>"


def verdict(logits, label, classes):
    """Predicted class, its probability, whether it is right."""
    best = max(range(len(logits)), key=lambda k: logits[k])
    share = 1 / sum(math.exp(v - logits[best]) for v in logits)
    return classes[best], share, best == label


def row(folder, images, logits, index):
    truth = images.classes[images.label(index)]
    parts = [f"<figure>{picture(images.png(index), f'Test image {index}: {truth}', ' class=pixels')}"
             f"<figcaption><div class=truth>{html.escape(truth)}</div>image {index}</figcaption>"
             "</figure>"]
    for name, title in MODELS:
        said, share, right = verdict(logits[name][index], images.label(index), images.classes)
        maps = []
        for method, label, _, _ in METHODS:
            data = (folder / f"maps-{name}" / method / f"{index:05d}.png").read_bytes()
            alt = f"{label} map of image {index}, {truth}, for {said} under {title}"
            maps.append(f"<figure>{picture(data, alt)}<figcaption>{label}</figcaption></figure>")
        parts.append(
            f"<div class=model><p class=says><span class=who>{title}</span>"
            f"<span class={'right' if right else 'wrong'}>{'✓' if right else '✗'} "
            f"{html.escape(said)}, {100 * share:.0f} %</span></p><div class=maps>{''.join(maps)}"
            "</div></div>")
    return f"<article class=row>{''.join(parts)}</article>"


def page(folder, first, last):
    images = Images(folder / "test.safetensors")
    if not 0 <= first < last <= images.count:
        sys.exit(f"--index {first}:{last}: the data has {images.count} images")
    logits = {name: read_npy(folder / f"{name}.npy") for name, _ in MODELS}
    rows = "".join(row(folder, images, logits, i) for i in range(first, last))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>limn: what two encoders look at</title><style>{STYLE}</style></head><body><main>
<h1>What two encoders look at</h1>
<p>Two small networks learned to tell clothes apart on this machine: one with cross-entropy, one with
supervised contrastive loss and a linear classifier on top. Below, three methods show which pixels each
of them rests its answer on.</p>
<h2>How well they do</h2>{results(folder, images)}
<h2>How to read the maps</h2>{legend()}
<p class=soft style="margin-top:16px">Each map explains the class that the model predicted, right or
wrong, and uses its own range of colours: compare where the colour lies, not how strong it is. The
images were chosen so that all ten classes and some mistakes are among them.</p>
<h2>{last - first} images of the test set</h2>{rows}
<footer><p>Made by <code>tools/demo</code> of limn. Images: Fashion-MNIST, © 2017 Zalando SE, MIT licence.
The raw maps lie beside this page: <code>maps-ce/METHOD.npy</code> and
<code>maps-supcon/METHOD.npy</code>.</p></footer></main></body></html>
"""


def main():
    parser = argparse.ArgumentParser(description="Writes the page of tools/demo.")
    parser.add_argument("folder", type=pathlib.Path, help="the demo's output folder")
    parser.add_argument("--index", required=True, help="A:B, the test images that are shown")
    arguments = parser.parse_args()
    first, _, last = arguments.index.partition(":")
    text = page(arguments.folder, int(first), int(last))
    out = arguments.folder / "index.html"
    part = out.with_suffix(".html.part")
    part.write_text(text, encoding="utf-8")
    part.replace(out)


if __name__ == "__main__":
    main()
