#!/usr/bin/env python3
"""Embed OpenCL kernels: expand includes, parse kernel names, write a C table.

Usage: embed_kernels.py --root CL-FOLDER --output FILE.c --depfile FILE.d OP=FILE.cl[,FILE.cl...]...

Every FILE.cl becomes one program.  Its kernels must be called OP_something, and no two kernels
share a name.  The text keeps its line numbers through #line, so that a compiler's message names
the file that a developer edits.
"""

import argparse
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"\s*$')
KERNEL = re.compile(r"\b(?:__)?kernel\s+(?:__attribute__\s*\(\(.*?\)\)\s*)*void\s+(\w+)\s*\(", re.S)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def expand(root, path, seen):
    """Text of path with its includes in place, each file once; seen collects the files read."""
    seen.append(path)
    lines = [f'#line 1 "{path.relative_to(root)}"']
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            lines.append(line)
            continue
        inner = (root / match.group(1)).resolve()
        if not inner.is_file():
            sys.exit(f"{path}:{number}: no such file: {inner}")
        if inner in seen:
            lines.append("")
            continue
        lines.extend(expand(root, inner, seen))
        lines.append(f'#line {number + 1} "{path.relative_to(root)}"')
    return lines


def byte_array(text):
    data = text.encode("utf-8") + b"\0"
    rows = (data[i : i + 20] for i in range(0, len(data), 20))
    return ",\n    ".join(",".join(map(str, row)) for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--depfile", required=True, type=pathlib.Path)
    parser.add_argument("programs", nargs="+", metavar="OP=FILE.cl")
    args = parser.parse_args()
    root = args.root.resolve()

    kernels, texts, read = {}, [], []
    for index, item in enumerate(args.programs):
        op, _, name = item.partition("=")
        path = (root / name).resolve()
        seen = []
        text = "\n".join(expand(root, path, seen)) + "\n"
        read.extend(seen)
        found = KERNEL.findall(COMMENT.sub(" ", text))
        if not found:
            sys.exit(f"{path}: no kernel in it")
        for kernel in found:
            if not kernel.startswith(op + "_"):
                sys.exit(f"{path}: kernel {kernel} must start with {op}_")
            if kernel in kernels:
                sys.exit(f"{path}: kernel {kernel} is also in {args.programs[kernels[kernel]]}")
            kernels[kernel] = index
        texts.append((name, text))

    out = ['#include "device/embedded.h"\n']
    for index, (_, text) in enumerate(texts):
        out.append(f"static const char text_{index}[] = {{\n    {byte_array(text)}}};\n")
    out.append("const limn_embedded_program limn_embedded_programs[] = {")
    for index, (name, text) in enumerate(texts):
        out.append(f'    {{"{name}", text_{index}, sizeof text_{index} - 1}},')
    out.append("};\nconst limn_embedded_kernel limn_embedded_kernels[] = {")
    for kernel in sorted(kernels):
        out.append(f'    {{"{kernel}", &limn_embedded_programs[{kernels[kernel]}]}},')
    out.append("};")
    out.append(f"const size_t limn_embedded_program_count = {len(texts)};")
    out.append(f"const size_t limn_embedded_kernel_count = {len(kernels)};\n")
    args.output.write_text("\n".join(out), encoding="utf-8")
    needs = " ".join(str(p).replace(" ", "\\ ") for p in sorted(set(read)))
    args.depfile.write_text(f"{args.output}: {needs}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
