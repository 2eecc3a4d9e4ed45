#!/usr/bin/env python3
"""Each kernel file compiles alone as OpenCL C 1.2 without fp64, with no device.

Usage: kernels.py SOURCE-ROOT [CLANG]          exit status 77 (skipped) without clang
"""

import pathlib
import subprocess
import sys

GOOD = "kernel void a(global float *p)\n{\n    p[get_global_id(0)] = vload_half(0, (global half *)p);\n}\n"
BAD = [
    "kernel void a(global float *p)\n{\n    p[0] = nowhere;\n}\n",
    "kernel void a(global double *p)\n{\n    p[0] = 1;\n}\n",
    "kernel void a(global float *p)\n{\n    float unused = p[0];\n}\n",
]


def compiles(clang, text):
    command = [clang, "-x", "cl", "-cl-std=CL1.2", "-target", "spir64-unknown-unknown",
               "-fsyntax-only", "-Xclang", "-finclude-default-header", "-Xclang",
               "-cl-ext=-cl_khr_fp64", "-Wall", "-Wextra", "-Wno-unused-parameter",
               "-Wno-sign-compare", "-Werror", "-"]
    result = subprocess.run(command, input=text, text=True, capture_output=True)
    return result.returncode == 0, result.stderr


def main():
    root = pathlib.Path(sys.argv[1])
    if len(sys.argv) < 3:
        print("skipped: needs clang")
        return 77
    sys.path.insert(0, str(root / "tools" / "build"))
    sys.dont_write_bytecode = True
    from embed_kernels import expand

    clang, failed, passed = sys.argv[2], 0, 0
    good, errors = compiles(clang, GOOD)
    if not good:
        print(f"a sound kernel is refused:\n{errors}")
        failed += 1
    for text in BAD:
        if compiles(clang, text)[0]:
            print(f"a broken kernel goes unnoticed:\n{text}")
            failed += 1
    folder = (root / "cl").resolve()
    for path in sorted(folder.rglob("*.cl")):
        good, errors = compiles(clang, "\n".join(expand(folder, path, [])) + "\n")
        passed += good
        failed += not good
        if not good:
            print(f"{path.relative_to(folder)}:\n{errors}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
