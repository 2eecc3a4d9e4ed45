#!/usr/bin/env python3
"""README.md tells the truth: its commands run as printed, its program is the file's, links lead on.

Usage: readme.py LIMN SOURCE-ROOT BUILD-ROOT

A small data set stands in for Fashion-MNIST, the build under test for build-demo, and `tools/demo
--short` makes what the tour builds on.  That alone tests the demo: its stages, what it skips, its page.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import time

from harness import Suite
import pictures

SECTIONS = ["Tour", "Embedding in C", "Reproducing results"]
STANDARD = "/usr/share/datasets/fashion-mnist"


class Readme(Suite):
    def __init__(self):
        super().__init__()
        self.program = os.path.abspath(self.program)
        self.root, self.build = map(os.path.abspath, sys.argv[2:4])
        self.data = os.path.join(self.folder, "data")
        with open(os.path.join(self.root, "README.md"), encoding="utf-8") as file:
            self.text = file.read()
        self.limn = self.program

    def blocks(self, language, section=None):
        """Contents of the fenced blocks of a language, of one section or of all."""
        text = self.text
        if section:
            match = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
            self.check(f"section {section}", match)
            text = match.group(1) if match else ""
        return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)

    def demo(self, *arguments):
        return self.run("--program", self.limn, "--data", self.data, "--out",
                        os.path.join(self.folder, "demo-out"), *arguments,
                        program=os.path.join(self.root, "tools", "demo"), timeout=240)

    def at(self, *names):
        return os.path.join(self.folder, *names)


def make_data(t):
    """Noise with a bright bar whose place is the class: 28x28, ten classes."""
    draw = random.Random(1)

    def images(labels):
        rows = []
        for label in labels:
            pixels = bytearray(v >> 2 for v in draw.randbytes(784))
            for row in range(28):
                begin = row * 28 + 2 + label * 2
                pixels[begin:begin + 4] = b"\xff" * 4
            rows.append(bytes(pixels))
        return pictures.idx(8, (len(labels), 28, 28), b"".join(rows))

    train, test = [i % 10 for i in range(300)], [i % 10 for i in range(120)]
    pictures.folder(t.data, {
        "train-images-idx3-ubyte": images(train), "train-labels-idx1-ubyte":
        pictures.idx_labels(train), "t10k-images-idx3-ubyte": images(test),
        "t10k-labels-idx1-ubyte": pictures.idx_labels(test)})


def test_demo(t):
    r = t.demo("--short")
    t.check("demo: exit code 0", r.code == 0, r)
    if r.code != 0:
        t.done()
    page = t.at("demo-out", "index.html")
    t.check("demo: says what to open", r.out.rstrip().endswith(os.path.realpath(page)), r.out)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    sources = re.findall(r'<img[^>]* src="([^"]{30})', text)
    t.check("page: 16 images with six maps each", len(sources) == 16 * 7, len(sources))
    t.check("page: all pictures inside", all(s.startswith("data:image/png;base64,") for s in sources))
    t.check("page: a text for each", len(re.findall(r'<img[^>]* alt="[^"]+"', text)) == 16 * 7)
    t.check("page: under 5 MB", len(text) < 5e6, len(text))
    t.check("page: nothing from elsewhere",
            not re.search(r'<link|<script|(src|href)="(?!data:)|url\(', text))
    first = r.out.count("done in")
    r = t.demo("--short")
    t.check("demo again: nothing to do", r.code == 0 and r.out.count("is there already") == first,
            r)
    os.remove(t.at("demo-out", "maps-ce", "rise.npy"))
    r = t.demo("--short")
    t.check("demo: what is missing is made again, what is not is kept", r.code == 0 and
            r.out.count("is there already") >= first - 2 and
            os.path.exists(t.at("demo-out", "maps-ce", "rise.npy")), r)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    with open(page, "a", encoding="utf-8") as file:
        file.write("spoiled")
    r = t.demo("--short")
    with open(page, encoding="utf-8") as file:
        t.check("demo: what was changed is made again", r.code == 0 and file.read() == text, r)


def test_demo_refuses(t):
    for name, arguments, code, word in (
            ("unknown option", ["--shrot"], 2, "--shrot"),
            ("no value", ["--out"], 2, "--out"),
            ("no such data", ["--data", "/nowhere"], 4, "/nowhere"),
            ("data incomplete", ["--data", t.at("demo-out")], 4, "train-images-idx3-ubyte"),
            ("no such program", ["--program", "/nowhere/limn"], 2, "/nowhere/limn"),
            ("a folder of something else", ["--out", t.data], 2, t.data)):
        r = t.demo(*arguments)
        t.check(f"demo, {name}: exit code {code}", r.code == code, r)
        t.check(f"demo, {name}: named", word in r.err, r)
    t.check("demo: the other folder is as it was", len(os.listdir(t.data)) == 4)


def test_commands(t):
    """All in one shell, as a reader would; the first that fails ends it."""
    for link, target in (("build-demo", t.build), ("tests", os.path.join(t.root, "tests"))):
        os.symlink(target, t.at(link))
    lines = [line for section in SECTIONS for block in t.blocks("sh", section)
             for line in block.replace("\\\n", " ").splitlines()
             if line.strip() and not line.startswith("#")]
    t.check("README has commands", len(lines) > 12, lines)
    script = "\n".join(line.replace(STANDARD, t.data) for line in lines)
    r = subprocess.run(["bash", "-euxo", "pipefail", "-c", script], cwd=t.folder, timeout=280,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.check("README's commands run", r.returncode == 0, r.stdout.decode()[-3000:])
    listed = subprocess.run([t.limn, "help"], stdout=subprocess.PIPE, check=True).stdout.decode()
    names = re.findall(r"^  (\w+) ", listed.split("Subcommands:")[1].split("\n\n")[0], re.M)
    t.check("subcommands are listed", len(names) >= 8, names)
    for name in names:
        t.check(f"README shows limn {name}", any(line.startswith(f"limn {name}") for line in lines))


def test_text(t):
    with open(os.path.join(t.root, "tests", "examples", "embed.c"), encoding="utf-8") as file:
        t.check("README's program is tests/examples/embed.c", t.blocks("c") == [file.read()])
    for folder in ("", "src", "cl", "include", "tools", "tests"):
        path = os.path.join(t.root, folder, "README.md")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in link:
                t.check(f"{path}: {link} is there",
                        os.path.exists(os.path.join(os.path.dirname(path), link)))


def main():
    t = Readme()
    begin = time.monotonic()
    test_text(t)
    if not t.has_device():
        t.skip("no OpenCL device")
    if not shutil.which("pkg-config") or not shutil.which("cc"):
        t.skip("no pkg-config or no cc")
    make_data(t)
    test_demo(t)
    test_demo_refuses(t)
    test_commands(t)
    print(f"{time.monotonic() - begin:.0f} s")
    t.done()


if __name__ == "__main__":
    main()
