#!/usr/bin/env python3
"""Checks what a compiler does not: layers, sizes, op triples, text hygiene.

Usage: lint.py SOURCE-ROOT          check a tree; prints one line per fault
       lint.py --self-test          plant one fault of each kind and see that it is found
"""

import pathlib
import re
import shutil
import sys
import tempfile

LAYERS = ["base", "device", "tensor", "image", "ops", "graph", "nn", "data", "attr", "train",
          "quality"]
FOLDERS = ["src", "cl", "include", "tests", "tools"]
FILE_LINES, FUNCTION_LINES, KERNEL_LINES = 600, 80, 400
TEXT = {".c", ".h", ".cl", ".py", ".md", ".build", ".txt", ".ini", ".sh", ".supp", ".sim", ".css",
        ".js", ".in"}
# What tools/ may take from outside: the C library with POSIX, JSON, and readers of containers.
LIBC = {
    "assert", "ctype", "errno", "fcntl", "fenv", "float", "inttypes", "libgen", "limits", "locale",
    "math", "signal", "stdarg", "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib",
    "string", "strings", "time", "unistd", "dirent", "glob", "poll", "pthread", "sys/ioctl",
    "sys/mman", "sys/resource", "sys/stat", "sys/time", "sys/types", "sys/utsname", "sys/wait",
    "termios",
}
GENERATED = {"op_list.h"}
OUTSIDE = LIBC | {"jansson", "archive", "archive_entry", "zlib", "ini"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
RAW_CALL = re.compile(r"\b(clEnqueue\w+|clSetKernelArg\w*)\s*\(")
LEFTOVER = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|X" + r"XX)\b")
KERNEL = re.compile(r"\b(?:__)?kernel\s+(?:__attribute__\s*\(\(.*?\)\)\s*)*void\s+(\w+)\s*\(", re.S)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def text_files(root):
    """Text files of the project: the five folders, and the files at the top."""
    places = [p for p in root.iterdir() if p.is_file()]
    for folder in FOLDERS + [".ci"]:
        places.extend(p for p in (root / folder).rglob("*") if p.is_file())
    for path in sorted(places):
        if "__pycache__" in path.parts or path.is_symlink():
            continue
        if path.suffix in TEXT or is_script(path):
            yield path


def is_script(path):
    if path.suffix:
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def check_hygiene(name, text):
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            yield f"{name}:{number}: tab"
        if line != line.rstrip():
            yield f"{name}:{number}: blank at the end of the line"
        if LEFTOVER.search(line):
            yield f"{name}:{number}: unfinished work is marked here; finish it or open an issue"
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"


def check_size(name, text):
    lines = text.count("\n")
    limit = KERNEL_LINES if name.startswith("cl/") else FILE_LINES
    if lines > limit:
        yield f"{name}: {lines} lines, at most {limit}"
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start + 1 > FUNCTION_LINES:
                yield (f"{name}:{start}: function of {number - start + 1} lines, "
                       f"at most {FUNCTION_LINES}")
            start = None


def check_includes(root, name, text):
    parts = name.split("/")
    for mark, include in INCLUDE.findall(text):
        stem = include[:-2] if include.endswith(".h") else include
        first = include.split("/")[0]
        if parts[0] == "include":
            if mark == '"' and first != "limn":
                yield f"{name}: a public header includes \"{include}\""
            if mark == "<" and stem not in LIBC:
                yield f"{name}: a public header includes <{include}>"
        elif parts[0] == "src" and mark == '"' and first != "limn":
            if include in GENERATED:
                continue
            if first not in LAYERS or "/" not in include:
                yield f"{name}: \"{include}\" is not written from src/: LAYER/NAME.h"
            elif parts[1] in LAYERS and LAYERS.index(first) > LAYERS.index(parts[1]):
                yield f"{name}: layer {parts[1]} must not include \"{include}\""
        elif parts[0] == "tools":
            if mark == "<" and stem not in OUTSIDE:
                yield f"{name}: tools/ must not include <{include}>"
            near = (root / name).parent / include, root / "tools" / include
            if mark == '"' and first != "limn" and not any(p.is_file() for p in near):
                yield f"{name}: tools/ must not include \"{include}\""


def check_layers(root):
    for path in sorted((root / "src").iterdir()):
        if path.is_dir() and path.name not in LAYERS:
            yield f"src/{path.name}: no such layer"
        if path.suffix in (".c", ".h"):
            yield f"src/{path.name}: belongs into a layer's folder"


# The driver's table, and the one that the op tests put in its place.
RAW_CALLERS = ("src/device/", "tests/ops/simulator.c")


def check_raw_calls(name, text):
    if name.startswith(RAW_CALLERS) or name.split("/")[0] not in ("src", "tools", "include",
                                                                     "tests"):
        return
    for call in RAW_CALL.findall(COMMENT.sub(" ", text)):
        yield f"{name}: {call} outside src/device"


def op_names(root):
    match = re.search(r"^ops = \[(.*?)\]", (root / "meson.build").read_text(), re.M | re.S)
    if not match:
        return None
    return re.findall(r"'([^']+)'", re.sub(r"#[^\n]*", "", match.group(1)))


def check_ops(root):
    names = op_names(root)
    if names is None:
        yield "meson.build: no list of ops"
        return
    for op in names:
        for pattern, folder in ((f"src/ops/{op}.c", f"src/ops/{op}"), (f"cl/{op}.cl", f"cl/{op}"),
                                (f"tests/ops/{op}.c", f"tests/ops/{op}")):
            if not (root / pattern).is_file() and not (root / folder).is_dir():
                yield f"op {op}: {pattern} is missing"
    for path in sorted((root / "cl").rglob("*.cl")):
        name = path.relative_to(root / "cl")
        if name.parts[0] == "common":
            continue
        op = name.parts[0] if len(name.parts) > 1 else path.stem
        if op not in names:
            yield f"cl/{name}: belongs to no op of meson.build"
        for kernel in KERNEL.findall(COMMENT.sub(" ", path.read_text(encoding="utf-8"))):
            if not kernel.startswith(op + "_"):
                yield f"cl/{name}: kernel {kernel} must start with {op}_"


def lint(root):
    """All faults of a tree, one text each."""
    faults = [f"{folder}/README.md is missing" for folder in FOLDERS
              if not (root / folder / "README.md").is_file()]
    faults.extend(check_layers(root))
    faults.extend(check_ops(root))
    for path in text_files(root):
        name = path.relative_to(root).as_posix()
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            faults.append(f"{name}: not UTF-8")
            continue
        faults.extend(check_hygiene(name, text))
        if path.suffix in (".c", ".h", ".cl", ".py"):
            faults.extend(check_size(name, text))
        if path.suffix in (".c", ".h"):
            faults.extend(check_includes(root, name, text))
            faults.extend(check_raw_calls(name, text))
    return faults


GOOD = {
    "meson.build": "ops = [\n  'add', # the sum\n]\n",
    "src/ops/add.c": '#include "ops/op.h"\n#include "base/context.h"\n#include "limn/device.h"\n',
    "cl/add.cl": "/* kernel void no(int a) */\n__kernel void add_forward(global float *a)\n{\n}\n",
    "tests/ops/add.c": "int x;\n",
    "tools/own.h": "int y;\n",
    "tools/main.c": '#include "own.h"\n#include <stdio.h>\n#include <jansson.h>\n',
    "include/limn/a.h": "#include <stdint.h>\n",
    "src/device/launch.c": "int f(void)\n{\n    return clEnqueueNDRangeKernel(0);\n}\n",
}
# (what is planted, file, its text or None to remove it, words of the fault)
PLANTED = [
    ("layer", "src/base/up.c", '#include "nn/layer.h"\n', "layer base must not include"),
    ("not from src", "src/nn/a.c", '#include "layer.h"\n', "is not written from src/"),
    ("tools inside", "tools/main.c", '#include "base/context.h"\n', "tools/ must not include"),
    ("tools outside", "tools/main.c", "#include <png.h>\n", "tools/ must not include <png.h>"),
    ("public header", "include/limn/a.h", '#include "base/context.h"\n', "public header includes"),
    ("layer folder", "src/other/a.c", "int a;\n", "no such layer"),
    ("long file", "src/nn/a.c", "int a;\n" * (FILE_LINES + 1), "601 lines, at most 600"),
    ("long kernel file", "cl/add.cl", "kernel void add_a(int a);\n" + "\n" * KERNEL_LINES,
     "401 lines, at most 400"),
    ("long function", "src/nn/a.c", "int f(void)\n{\n" + "    f();\n" * 79 + "}\n",
     "function of 81 lines"),
    ("raw call", "src/nn/a.c", "int f(void)\n{\n    clSetKernelArg(0);\n}\n", "outside src/device"),
    ("tab", "src/nn/a.c", "int\ta;\n", "a.c:1: tab"),
    ("trailing blank", "README.md", "# a \n", "README.md:1: blank"),
    ("no newline", "src/nn/a.c", "int a;", "no newline at the end"),
    ("leftover", "src/nn/a.c", "/* TO" + "DO later */\n", "unfinished work"),
    ("op without kernel", "cl/add.cl", None, "cl/add.cl is missing"),
    ("op without test", "tests/ops/add.c", None, "tests/ops/add.c is missing"),
    ("kernel name", "cl/add.cl", "kernel void sum(int a)\n{\n}\n", "must start with add_"),
    ("kernel of no op", "cl/b.cl", "kernel void b_x(int a)\n{\n}\n", "belongs to no op"),
    ("no README", "tools/README.md", None, "tools/README.md is missing"),
]


def self_test():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, name, text, words in [("nothing", None, None, None)] + PLANTED:
            root = pathlib.Path(folder) / "tree"
            shutil.rmtree(root, ignore_errors=True)
            tree = dict(GOOD, **{f"{f}/README.md": "# f\n" for f in FOLDERS})
            if name and text is None:
                del tree[name]
            elif name:
                tree[name] = text
            for path, content in tree.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(content)
            faults = lint(root)
            good = not faults if words is None else len(faults) == 1 and words in faults[0]
            if not good:
                print(f"planted {what}: found {faults}")
                failed += 1
    print(f"{len(PLANTED) + 1 - failed} passed, {failed} failed")
    return failed > 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    faults = lint(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(faults + [f"{len(faults)} faults"]))
    return len(faults) > 0


if __name__ == "__main__":
    sys.exit(main())
